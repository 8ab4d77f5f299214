//! Which places of the code an input reached: reads the counters that the compiler pass `sancov-module` adds.
//!
//! Without that pass there are no counters, and the fuzzer works blind. The only place with unsafe code beside `memory.rs`.

use std::sync::Mutex;

/// The counters of the instrumented modules, as address and length.
static COUNTERS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Called by each instrumented module before `main`, with the bounds of the counters.
///
/// # Safety
/// Sound for any bounds, which are only remembered: the compiler pass passes the bounds of a live static array.
#[expect(unreachable_pub, reason = "found by the linker")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    let (start, length) = (start as usize, stop as usize - start as usize);
    let mut counters = COUNTERS.lock().expect("no module panics while it registers");
    if length > 0 && !counters.iter().any(|(known, _)| *known == start) {
        counters.push((start, length));
    }
}

/// What has been reached so far, by place and by how often.
pub(crate) struct Coverage {
    counters: Vec<(usize, usize)>,
    seen: Vec<u8>,
    now: Vec<u8>,
}

impl Coverage {
    /// Begins with nothing seen.
    pub(crate) fn new() -> Self {
        let counters = COUNTERS
            .lock()
            .expect("no module panics while it registers")
            .clone();
        let count = counters.iter().map(|(_, length)| length).sum();
        Self {
            counters,
            seen: vec![0; count],
            now: vec![0; count],
        }
    }

    /// Returns how many places are counted; 0 without the compiler pass.
    pub(crate) fn places(&self) -> usize {
        self.seen.len()
    }

    /// Returns how many places were reached.
    pub(crate) fn reached(&self) -> usize {
        self.seen.iter().filter(|seen| **seen != 0).count()
    }

    /// Sets all counters to zero.
    pub(crate) fn reset(&self) {
        for (start, length) in &self.counters {
            // SAFETY: the bounds of a static array that lives as long as the program; no other thread runs.
            unsafe { std::ptr::write_bytes(*start as *mut u8, 0, *length) };
        }
    }

    /// Says whether the run since the last reset reached something new, and remembers it.
    pub(crate) fn advance(&mut self) -> bool {
        let mut at = 0;
        for (start, length) in &self.counters {
            let into = &mut self.now[at..at + length];
            // SAFETY: as in `reset`; copied at once, since this code has counters of its own.
            unsafe { std::ptr::copy_nonoverlapping(*start as *const u8, into.as_mut_ptr(), *length) };
            at += length;
        }
        let mut new = false;
        // Nearly all counters are zero, and this loop is counted itself: eight at a time.
        for (seen, now) in self.seen.chunks_mut(8).zip(self.now.chunks(8)) {
            if now != [0; 8].get(..now.len()).unwrap_or_default() {
                for (seen, now) in seen.iter_mut().zip(now) {
                    let step = step(*now);
                    new |= *seen & step != step;
                    *seen |= step;
                }
            }
        }
        new
    }
}

/// How often a place was reached, in rough steps, so that one loop more is not news for ever.
fn step(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 1 << 1,
        3 => 1 << 2,
        4..=7 => 1 << 3,
        8..=15 => 1 << 4,
        16..=31 => 1 << 5,
        32..=127 => 1 << 6,
        _ => 1 << 7,
    }
}
