//! A network that loses, repeats, delays, reorders, damages and parts.

use super::rng::Rng;

/// The network of a run.
#[derive(Debug)]
pub struct Network {
    /// The group of each node: only nodes of one group hear each other.
    pub groups: Vec<usize>,
    /// How many of a hundred messages are lost.
    pub loss: u64,
    /// How many of a hundred are repeated.
    pub repeat: u64,
    /// How many of a thousand are damaged.
    pub damage: u64,
    /// The usual longest delay, in milliseconds.
    pub delay_ms: i64,
}

impl Network {
    /// Makes a network of a random temper.
    pub fn new(nodes: usize, rng: &mut Rng) -> Self {
        Self {
            groups: vec![0; nodes],
            loss: rng.below(15),
            repeat: rng.below(15),
            damage: rng.below(12),
            delay_ms: rng.between(5, 1_500),
        }
    }

    /// Says whether two nodes hear each other.
    pub fn connects(&self, a: usize, b: usize) -> bool {
        self.groups.get(a) == self.groups.get(b)
    }

    /// Joins all nodes.
    pub fn heal(&mut self) {
        self.groups.fill(0);
    }

    /// Stops every fault.
    pub fn calm(&mut self) {
        self.heal();
        (self.loss, self.repeat, self.damage, self.delay_ms) = (0, 0, 0, 50);
    }

    /// Decides after which delays copies of a message arrive: none when it is lost.
    pub fn copies(&self, rng: &mut Rng) -> Vec<i64> {
        let mut delays = Vec::new();
        if rng.chance(self.loss) {
            return delays;
        }
        let count = if rng.chance(self.repeat) { 2 } else { 1 };
        for _ in 0..count {
            let long = rng.chance(4) && self.loss > 0;
            delays.push(rng.between(1, if long { 20_000 } else { self.delay_ms }));
        }
        delays
    }

    /// Damages a message now and then.
    pub fn pass(&self, mut bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
        if rng.below(1_000) < self.damage && !bytes.is_empty() {
            let place = rng.place(bytes.len());
            let bit = 1u8 << rng.below(8);
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= bit;
            }
        }
        bytes
    }
}
