//! Damages inputs: bits and bytes, ranges, lines, numbers, words of the formats, pieces of other inputs.

/// A random source that is the same for the same seed on every machine (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    /// Begins at a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below a bound; 0 for 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % (bound as u64).max(1)) as usize
    }

    /// Returns one of a list.
    pub(crate) fn of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// Words that stand in the formats or often break readers.
const WORDS: &[&[u8]] = &[
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\0",
    b" ",
    b"  ",
    b"\t",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"null",
    b"true",
    b"false",
    b"[]",
    b"{}",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"-0",
    b"0",
    b"00",
    b"1",
    b"-1",
    b"1.0",
    b"1e3",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"4294967295",
    b"4294967296",
    b"9007199254740991",
    b"9007199254740992",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"+",
    b"=",
    b"==",
    b"A=",
    b"/",
    b"-",
    b"\xe2\x80\x94 ",
    b"tally/event/v1",
    b"tally/entry/v1",
    b"tally/statement/v1",
    b"tally/governance/v1",
    b"tally/epoch/v1",
    b"tally/genesis/v1",
    b"tally/key/v1",
    b"tally/token/v1",
    b"tally/part-request/v1",
    b"c2sp.org/tlog-proof@v1",
    b"head ",
    b"origin ",
    b"index ",
    b"prev ",
    b"recorded ",
    b"registry ",
    b"extra ",
    b"heads",
    b"arrivals",
    b"fork",
    b"all",
    b"\"after\":[]",
    b"\"to\":[]",
    b"\"audience\":\"all\"",
    b"\"case\":",
    b"\"commit\":",
    b"request.filed",
    b"request.granted",
    b"task.issued",
    b"roster.enrolled",
    b"x.y",
    b"2026-02-29",
    b"9999-12-31",
    b"0000-00-00",
    b"2026-01-05T01:02:60.000Z",
    b"\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\xfb\xff\xff",
    b"\xfc\xff\xff\xff\xff",
    b"\xfd\xff\xff\xff\xff\xff\xff\xff\xff",
    b"housing/req-2026-0031",
    b"11010519491231002X",
    b"13800138000",
    b"age",
    b"none",
];

/// Returns a damaged copy of one input, perhaps with pieces of another.
pub(crate) fn mutate(random: &mut Random, input: &[u8], other: &[u8], longest: usize) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let rounds = random.below(4);
    for _ in 0..1 + random.below(1 << rounds) {
        once(random, &mut bytes, other);
    }
    bytes.truncate(longest);
    bytes
}

fn once(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(bytes.len());
    let bits = random.below(8);
    let length = 1 + random.below(1 << bits);
    let end = (at + length).min(bytes.len());
    match random.below(15) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
        1 if !bytes.is_empty() => bytes[at] = random.next() as u8,
        2 => bytes.insert(at, random.next() as u8),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let copy = bytes[at..end].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        5 | 6 => {
            let word = random.of(WORDS);
            bytes.splice(at..at, word.iter().copied());
        }
        7 => {
            let word = random.of(WORDS);
            let end = (at + word.len()).min(bytes.len());
            bytes.splice(at..end, word.iter().copied());
        }
        8 if !other.is_empty() => {
            let from = random.below(other.len());
            let piece = &other[from..(from + length).min(other.len())];
            bytes.splice(at..end, piece.iter().copied());
        }
        9 => lines(random, bytes),
        10 | 11 => number(random, bytes),
        12 => {
            let to = random.below(bytes.len() + 1);
            if !bytes.is_empty() {
                let to = to.min(bytes.len() - 1);
                bytes.swap(at, to);
            }
        }
        13 => bytes.truncate(at),
        14 if !other.is_empty() => {
            let from = random.below(other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => {}
    }
}

/// Repeats, removes or exchanges whole lines, or members between commas.
fn lines(random: &mut Random, bytes: &mut Vec<u8>) {
    let separator = if random.below(2) == 0 { b'\n' } else { b',' };
    let mut parts: Vec<Vec<u8>> = bytes
        .split(|byte| *byte == separator)
        .map(<[u8]>::to_vec)
        .collect();
    let (a, b) = (random.below(parts.len()), random.below(parts.len()));
    match random.below(3) {
        0 => parts.swap(a, b),
        1 => drop(parts.remove(a)),
        _ => parts.insert(b, parts[a].clone()),
    }
    *bytes = parts.join(&separator);
}

/// Changes a run of decimal digits.
fn number(random: &mut Random, bytes: &mut Vec<u8>) {
    let starts: Vec<usize> = (0..bytes.len())
        .filter(|at| bytes[*at].is_ascii_digit() && (*at == 0 || !bytes[*at - 1].is_ascii_digit()))
        .collect();
    if starts.is_empty() {
        return;
    }
    let start = starts[random.below(starts.len())];
    let end = start
        + bytes[start..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
    let value = String::from_utf8_lossy(&bytes[start..end])
        .parse::<u64>()
        .unwrap_or(0);
    let changed = match random.below(5) {
        0 => value.wrapping_add(1),
        1 => value.wrapping_sub(1),
        2 => value.wrapping_mul(10),
        3 => random.next() >> random.below(64),
        _ => 0,
    };
    bytes.splice(start..end, changed.to_string().into_bytes());
}
