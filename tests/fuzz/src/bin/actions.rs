//! Lets bytes decide what officers do and what fails in a simulated federation. Run it with `scripts/fuzz --target actions`.
//!
//! A program of its own: the counters of the whole core would slow the decoders down.

use std::process::ExitCode;
use tally_fuzz::Target;
use tally_tests::sim::engine::{Options, Sim};

/// How many acts a run has: enough for races, few enough for many runs.
const ACTS: u64 = 24;

fn main() -> ExitCode {
    tally_fuzz::run_command(&[Target {
        name: "actions",
        seeds: &[],
        // A whole federation, of which only the turns are the input.
        memory_beside: 1 << 30,
        run: actions,
    }])
}

/// Runs a federation; every invariant is checked on the way and at the end. The first byte is the seed.
fn actions(bytes: &[u8]) -> bool {
    let Some((seed, tape)) = bytes.split_first() else {
        return false;
    };
    let options = Options {
        acts: ACTS,
        tape: tape.to_vec(),
        ..Options::default()
    };
    Sim::new(u64::from(*seed), options).run();
    true
}
