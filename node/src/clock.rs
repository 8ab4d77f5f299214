//! The only reader of wall time, and the clock of a trial.
//!
//! Clocks order nothing; they date entries and judge tokens. A wall clock that jumps by more than an hour against the monotonic
//! clock is not believed until the operator starts the node again. The clock of a trial stands still until a scenario sets it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tally_schemas::time::Timestamp;

/// How far the wall clock may move against the monotonic clock between two readings.
const JUMP_MS_MAX: i64 = 60 * 60 * 1000;

/// Why the clock of a trial was not set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// The federation is no trial.
    #[error("this federation is no trial; its clock is that of the machine")]
    NoTrial,
    /// The time lies before the one set last.
    #[error("the clock of the trial stands at {now} and is never set back; {got} lies before")]
    Back {
        /// The time now.
        now: Timestamp,
        /// The time asked for.
        got: Timestamp,
    },
    /// The file of the clock cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file of the clock holds no time.
    #[error("{} holds no time", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: tally_schemas::FormatError,
    },
}

/// A reading of a clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The time.
    pub now: Timestamp,
    /// Why it is not to be believed, if it is not.
    pub doubt: Option<String>,
}

/// The clock of a node; clones read the same one.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Wall(Mutex<JumpGuard>, Instant),
    Trial(Mutex<Timestamp>, PathBuf),
}

impl Clock {
    /// Makes a clock of the machine's time.
    pub fn wall() -> Self {
        let start = Instant::now();
        Self(Arc::new(Kind::Wall(
            Mutex::new(JumpGuard::new(0, wall_ms())),
            start,
        )))
    }

    /// Makes the clock of a trial, which is kept in a file; a new one starts at a given time.
    ///
    /// # Errors
    /// A file that cannot be read or written, or that holds no time.
    pub fn trial(path: &Path, start: Timestamp) -> Result<Self, ClockError> {
        let now = match std::fs::read_to_string(path) {
            Ok(text) => Timestamp::parse(text.trim_end()).map_err(|source| ClockError::Format {
                path: path.to_owned(),
                source,
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                write(path, start)?;
                start
            }
            Err(source) => {
                return Err(ClockError::Io {
                    action: "read",
                    path: path.to_owned(),
                    source,
                });
            }
        };
        Ok(Self(Arc::new(Kind::Trial(Mutex::new(now), path.to_owned()))))
    }

    /// Reads the clock.
    pub fn read(&self) -> Reading {
        match &*self.0 {
            Kind::Wall(guard, start) => {
                let elapsed = ms(start.elapsed());
                guard
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .check(elapsed, wall_ms())
            }
            Kind::Trial(now, _) => Reading {
                now: *now.lock().unwrap_or_else(PoisonError::into_inner),
                doubt: None,
            },
        }
    }

    /// Returns the time, believed or not: for views, which say what it is.
    pub fn now(&self) -> Timestamp {
        self.read().now
    }

    /// Sets the clock of a trial; durable when it returns.
    ///
    /// # Errors
    /// The clock is that of the machine, the time lies before the one set last, or the file cannot be written.
    pub fn set(&self, to: Timestamp) -> Result<(), ClockError> {
        let Kind::Trial(now, path) = &*self.0 else {
            return Err(ClockError::NoTrial);
        };
        let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
        if to < *now {
            return Err(ClockError::Back { now: *now, got: to });
        }
        write(path, to)?;
        *now = to;
        Ok(())
    }
}

fn write(path: &Path, time: Timestamp) -> Result<(), ClockError> {
    let io = |action| {
        move |source| ClockError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    };
    // Each process of a trial writes the same time.
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    std::fs::write(&fresh, format!("{time}\n")).map_err(io("write"))?;
    std::fs::rename(&fresh, path).map_err(io("replace"))
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, ms)
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Compares wall time with monotonic time.
#[derive(Debug)]
struct JumpGuard {
    monotonic_ms: i64,
    wall_ms: i64,
    doubt: Option<String>,
}

impl JumpGuard {
    fn new(monotonic_ms: i64, wall_ms: i64) -> Self {
        Self {
            monotonic_ms,
            wall_ms,
            doubt: None,
        }
    }

    /// Takes a pair of readings; a doubt stays.
    fn check(&mut self, monotonic_ms: i64, wall_ms: i64) -> Reading {
        let expected = self
            .wall_ms
            .saturating_add(monotonic_ms.saturating_sub(self.monotonic_ms));
        let jump = wall_ms.saturating_sub(expected);
        if jump.abs() > JUMP_MS_MAX && self.doubt.is_none() {
            self.doubt = Some(format!(
                "the clock of the machine jumped by {} seconds; check it, then restart the node",
                jump / 1000
            ));
        }
        // Small steps are followed, so that a slow drift never adds up to a jump.
        self.monotonic_ms = monotonic_ms;
        self.wall_ms = wall_ms;
        Reading {
            now: Timestamp::from_ms(wall_ms).unwrap_or_default(),
            doubt: self.doubt.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;

    const START: i64 = 1_767_571_200_000;
    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_jump_of_more_than_an_hour_is_doubted_until_a_restart() {
        for jump in [HOUR + 1, -HOUR - 1] {
            let mut guard = JumpGuard::new(0, START);
            assert_eq!(guard.check(1_000, START + 1_000).doubt, None);
            let doubted = guard.check(2_000, START + 2_000 + jump);
            assert!(doubted.doubt.is_some());
            assert!(guard.check(3_000, START + 3_000).doubt.is_some(), "a doubt stays");
        }
    }

    #[test]
    fn drift_and_long_pauses_are_no_jump() {
        let mut guard = JumpGuard::new(0, START);
        for step in 1..100 {
            let reading = guard.check(step * 1_000, START + step * 1_000 + step * HOUR / 2);
            assert_eq!(reading.doubt, None);
        }
        let mut guard = JumpGuard::new(0, START);
        assert_eq!(guard.check(48 * HOUR, START + 48 * HOUR).doubt, None);
    }

    #[test]
    fn the_clock_of_a_trial_stands_still_is_kept_and_never_set_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clock");
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let clock = Clock::trial(&path, at("2026-01-05T01:00:00.000Z")).unwrap();
        clock.set(at("2026-02-05T01:00:00.000Z")).unwrap();
        assert_matches!(
            clock.set(at("2026-02-05T00:59:59.999Z")),
            Err(ClockError::Back { .. })
        );
        let again = Clock::trial(&path, at("2026-01-05T01:00:00.000Z")).unwrap();
        assert_eq!(again.now(), at("2026-02-05T01:00:00.000Z"));
        assert_matches!(
            Clock::wall().set(at("2026-02-05T01:00:00.000Z")),
            Err(ClockError::NoTrial)
        );
        std::fs::write(&path, "soon\n").unwrap();
        assert_matches!(
            Clock::trial(&path, Timestamp::default()),
            Err(ClockError::Format { .. })
        );
    }
}
