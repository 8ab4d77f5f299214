//! Seeds of the simulator under every check, each run twice; and what a suite of seeds must have met.

use std::sync::Mutex;
use tally_tests::sim::coverage::Coverage;
use tally_tests::sim::engine::Options;
use tally_tests::sim::suite::{Outcome, run_seeds};

/// How many seeds run by default: usually enough to meet everything that `Coverage::missing` asks for.
const SEEDS: u64 = 32;
/// How many more run at most while something was not met: a change of the product or the workload moves what a seed meets.
const SEEDS_MORE: u64 = 60;
/// How many of those run at a time.
const SEEDS_STEP: u64 = 6;

#[test]
fn seeds_hold_every_invariant_and_together_meet_every_rule() {
    let asked = std::env::var("TALLY_SIM_SEEDS").ok();
    let asked = asked.map(|text| text.parse::<u64>().expect("a number of seeds"));
    let count = asked.unwrap_or(SEEDS);
    let mut coverage = clean(0..count);
    let mut end = count;
    while asked.is_none() && !coverage.missing().is_empty() && end < SEEDS + SEEDS_MORE {
        coverage.merge(&clean(end..end + SEEDS_STEP));
        end += SEEDS_STEP;
    }
    for line in coverage.lines() {
        println!("{line}");
    }
    println!("{end} seeds clean");
    if end < SEEDS {
        println!("fewer than {SEEDS} seeds: what they met together is not asserted");
        return;
    }
    let missing = coverage.missing();
    assert!(
        missing.is_empty(),
        "never met in {end} seeds:\n{}",
        missing.join("\n")
    );
}

/// A node crashed when it had kept an opening and not yet let go of what that sets aside. It started from a snapshot, derived everything anew
/// while it read its disk back, and was then handed the rest of the disk a second time: a fault of the simulator's driver.
#[test]
fn seed_300_a_start_that_derives_everything_anew_reads_the_disk_once() {
    clean(300..301);
}

/// The opening of a quorum, handled together with the disk's report, set aside what was acknowledged in the same step; the checker looked
/// for it among what counts.
#[test]
fn seed_3752_an_act_may_be_set_aside_in_the_step_that_acknowledges_it() {
    clean(3752..3753);
}

/// Two entries were signed and are lost with the old copy that came back, while others hold what came before them under the
/// checkpoint over all: no opening of an administrator is held, and nobody called a quorum.
#[test]
fn seed_2001_a_quorum_continues_after_what_is_left_of_a_log() {
    clean(2001..2002);
}

/// Nodes that stopped at a fork, or had set another branch aside, could not judge the quorum's opening: what names its signers rests on the
/// branch itself (0, 35), on the next epoch of the registrar's log (515, 867), or on a head that only this opening cuts off (487, below).
#[test]
fn seeds_35_515_867_what_leads_to_an_opening_may_rest_on_what_it_names() {
    for seed in [35, 515, 867] {
        clean(seed..seed + 1);
    }
}

/// Frames that show more of a log, or do not fit, sent a node back and forth between two questions, each asked again at once.
#[test]
fn seed_2329_two_questions_in_turn_are_each_asked_after_a_pause() {
    clean(2329..2330);
}

/// A log forked, and a node that heard of it held less of the log than others rest on: it waits for ever with all that rests on it, unless
/// a quorum settles the fork.
#[test]
fn seed_487_a_node_that_a_fork_holds_up_goes_on_when_a_quorum_settles_it() {
    let coverage = clean(487..488);
    assert_eq!(coverage.count("nodes held up by a fork"), 1);
}

/// An opening was lost before it was signed, and peers then showed more of the log before: the node refuses the same note, and people
/// repeated it for ever.
#[test]
fn seed_2979_an_opening_that_was_lost_before_it_was_signed_gives_way_to_another() {
    let coverage = clean(2979..2980);
    assert_eq!(coverage.count("openings lost before they were signed"), 1);
}

/// Runs seeds; every one must be clean.
fn clean(seeds: std::ops::Range<u64>) -> Coverage {
    let failed: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let seen = |outcome: &Outcome| {
        if let Err(why) = &outcome.result {
            failed
                .lock()
                .expect("no panic while it is held")
                .push(why.clone());
        }
    };
    let coverage = run_seeds(seeds, &Options::default(), seen);
    let failed = failed.into_inner().expect("done");
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    coverage
}
