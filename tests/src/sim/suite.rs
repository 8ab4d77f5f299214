//! Runs of many seeds: all or some twice, compared by trace, with what they met added up.

use super::coverage::Coverage;
use super::engine::{Options, Sim};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What came of one seed.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What was met, or what went wrong.
    pub result: Result<Coverage, String>,
    /// How many things happened.
    pub steps: u64,
}

/// Runs a seed with every check, and if it is one of those that run twice, once more for the trace alone.
pub fn run_seed(seed: u64, options: &Options) -> Outcome {
    let once = |options: Options| {
        catch_unwind(AssertUnwindSafe(|| Sim::new(seed, options).run())).map_err(|panic| {
            let text = text_of(&*panic);
            format!("seed {seed}: {text}\nreplay: {}", replay(seed))
        })
    };
    let first = match once(options.clone()) {
        Ok(report) => report,
        Err(why) => {
            return Outcome {
                seed,
                result: Err(why),
                steps: 0,
            };
        }
    };
    if !seed.is_multiple_of(options.twice_every) {
        return Outcome {
            seed,
            result: Ok(first.coverage),
            steps: first.steps,
        };
    }
    let second = once(Options {
        check: false,
        ..options.clone()
    });
    let result = match second {
        Err(why) => Err(why),
        Ok(second) if second.trace != first.trace => {
            let (a, b) = (first.trace.short(), second.trace.short());
            Err(format!(
                "seed {seed}: two runs differ, traces {a} and {b}\nreplay: {}",
                replay(seed)
            ))
        }
        Ok(_) => Ok(first.coverage),
    };
    Outcome {
        seed,
        result,
        steps: first.steps,
    }
}

/// Returns what a panic said.
pub fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "panicked".to_owned())
}

/// Returns the command that replays a seed.
pub fn replay(seed: u64) -> String {
    format!("cargo run -p tally-tests --bin sim -- --seed {seed}")
}

/// Runs seeds on two threads; calls back after each.
pub fn run_seeds(
    seeds: impl Iterator<Item = u64> + Send,
    options: &Options,
    seen: impl Fn(&Outcome) + Sync,
) -> Coverage {
    let seeds = std::sync::Mutex::new(seeds);
    let total = std::sync::Mutex::new(Coverage::default());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = seeds.lock().expect("no panic while it is held").next();
                    let Some(seed) = next else { return };
                    let outcome = run_seed(seed, options);
                    if let Ok(coverage) = &outcome.result {
                        total.lock().expect("no panic while it is held").merge(coverage);
                    }
                    seen(&outcome);
                }
            });
        }
    });
    total.into_inner().expect("no panic while it is held")
}
