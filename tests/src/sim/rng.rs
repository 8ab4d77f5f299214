//! The one source of randomness of a run: a fixed algorithm (xoshiro256++ seeded by `splitmix64`), so that a seed means the
//! same run for ever and on every machine.

/// A deterministic random source.
#[derive(Debug, Clone)]
pub struct Rng {
    state: [u64; 4],
    /// Bytes that decide before chance does, in reverse.
    tape: Vec<u8>,
}

impl Rng {
    /// Makes the source of a seed.
    pub fn new(seed: u64) -> Self {
        let mut x = seed;
        let mut next = || {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = x;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self {
            state: [next(), next(), next(), next()],
            tape: Vec::new(),
        }
    }

    /// Lets bytes decide, one for each draw, until they are used up: what a fuzzer changes then changes what happens. Only the upper
    /// bits come from them, so that what must be unique still is.
    pub fn follow(&mut self, tape: impl IntoIterator<Item = u8>) {
        self.tape = tape.into_iter().collect();
        self.tape.reverse();
    }

    /// Returns the next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (mut c, mut d) = (c ^ a, d ^ b);
        let (b2, a2) = (b ^ c, a ^ d);
        c ^= b << 17;
        d = d.rotate_left(45);
        self.state = [a2, b2, c, d];
        match self.tape.pop() {
            Some(byte) => u64::from(byte) << 56 | result >> 8,
            None => result,
        }
    }

    /// Returns a number below a bound (0 for the bound 0).
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        let wide = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the upper half of 128 bits")
    }

    /// Returns a number between two bounds, inclusive.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high - low).expect("low is not above high") + 1;
        low + i64::try_from(self.below(width)).expect("below the width")
    }

    /// Says yes in so many of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Returns a place in a list of a length above 0.
    pub fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    /// Picks one of a list.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        if list.is_empty() {
            return None;
        }
        let place = self.place(list.len());
        list.get(place)
    }

    /// Puts a list into a random order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for place in (1..list.len()).rev() {
            let other = self.place(place + 1);
            list.swap(place, other);
        }
    }

    /// Returns random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0u8; N];
        for chunk in bytes.chunks_mut(8) {
            let word = self.bits().to_le_bytes();
            for (slot, byte) in chunk.iter_mut().zip(word) {
                *slot = byte;
            }
        }
        bytes
    }

    /// Makes a source of its own for a part of the run.
    pub fn fork(&mut self) -> Self {
        Self::new(self.bits())
    }
}
