//! Seeds of the simulator under every check, each run twice; and what a suite of seeds must have met.

use std::sync::Mutex;
use tally_tests::sim::engine::Options;
use tally_tests::sim::suite::{Outcome, run_seeds};

/// How many seeds run by default; enough to meet everything that `Coverage::missing` asks for.
const SEEDS: u64 = 50;

#[test]
fn seeds_hold_every_invariant_and_together_meet_every_rule() {
    let count =
        std::env::var("TALLY_SIM_SEEDS").map_or(SEEDS, |text| text.parse().expect("a number of seeds"));
    let failed: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let seen = |outcome: &Outcome| {
        if let Err(why) = &outcome.result {
            failed
                .lock()
                .expect("no panic while it is held")
                .push(why.clone());
        }
    };
    let coverage = run_seeds(0..count, &Options::default(), seen);
    for line in coverage.lines() {
        println!("{line}");
    }
    let failed = failed.into_inner().expect("done");
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    if count < SEEDS {
        println!("fewer than {SEEDS} seeds: what they met together is not asserted");
        return;
    }
    let missing = coverage.missing();
    assert!(
        missing.is_empty(),
        "never met in {count} seeds:\n{}",
        missing.join("\n")
    );
}
