//! Whom a node asks for what it misses: each in turn, never the same again and again, and in the end whoever has it.

use crate::driver::{department, genesis};
use proptest::prelude::*;
use std::time::Duration;
use tally_ledger::authority::Registry;
use tally_ledger::replica::{ASK_AGAIN, Asking};
use tally_schemas::frame::Frame;
use tally_schemas::id::{NodeId, Origin};

fn node(name: &str) -> NodeId {
    NodeId::parse(name).unwrap()
}

fn registry() -> Registry {
    Registry::found(&genesis()).unwrap()
}

/// The node of the bureau among five: civil's log lives on the second.
fn asking() -> Asking {
    Asking::new(node("n1"), ["n2", "n3", "n4", "n5"].map(node).to_vec())
}

fn civil(registry: &Registry) -> Origin {
    registry.origin(&department("civil"))
}

/// A frame that reaches from a start to an end.
fn frame(origin: &Origin, start: u64, end: u64) -> Frame {
    Frame {
        origin: origin.clone(),
        start,
        entries: (start..end).map(|_| b"entry".to_vec()).collect(),
        consistency: Vec::new(),
        checkpoint: Vec::new(),
    }
}

const START: Duration = Duration::ZERO;

#[test]
fn each_is_asked_once_in_a_round_and_the_next_round_waits() {
    let (registry, mut asking) = (registry(), asking());
    let log = civil(&registry);
    let mut asked = vec![asking.want(&registry, &log, 7, START)];
    for _ in 0..5 {
        asked.push(asking.not_answered(&registry, &log, 7, START));
    }
    let names: Vec<_> = asked
        .iter()
        .map(|node| node.as_ref().map(NodeId::as_str))
        .collect();
    assert_eq!(
        names,
        [Some("n2"), Some("n3"), Some("n4"), Some("n5"), None, None],
        "the host first"
    );
    let soon = ASK_AGAIN - Duration::from_millis(1);
    assert_eq!(asking.want(&registry, &log, 7, soon), None);
    assert!(asking.want(&registry, &log, 7, ASK_AGAIN).is_some());
}

#[test]
fn frames_that_reach_no_further_are_no_answer() {
    let (registry, mut asking) = (registry(), asking());
    let log = civil(&registry);
    let other = registry.origin(&department("housing"));
    asking.want(&registry, &log, 7, START);
    let empty = [frame(&log, 5, 7), frame(&other, 7, 9)];
    assert_eq!(
        asking.answered(&registry, &log, 7, &empty, START),
        Some(node("n3"))
    );
    let more = [frame(&log, 7, 9)];
    assert_eq!(asking.answered(&registry, &log, 7, &more, START), None);
    // The same answer again, or none any more, changes nothing.
    assert_eq!(asking.not_answered(&registry, &log, 7, START), None);
    // Whoever had the last range is asked for the next, whose answer is not that of a question before.
    assert_eq!(asking.want(&registry, &log, 9, START), Some(node("n3")));
    assert_eq!(asking.not_answered(&registry, &log, 7, START), None);
}

#[test]
fn another_branch_is_not_first_fetched_from_who_gave_the_one_before() {
    let (registry, mut asking) = (registry(), asking());
    let log = civil(&registry);
    assert_eq!(asking.want(&registry, &log, 40, START), Some(node("n2")));
    asking.refetched(&log, START);
    assert_eq!(asking.not_answered(&registry, &log, 40, START), None);
    assert_eq!(asking.want(&registry, &log, 0, START), Some(node("n3")));
}

#[test]
fn a_branch_that_nobody_can_show_is_asked_for_ever_more_seldom() {
    let (registry, mut asking) = (registry(), asking());
    let (log, other) = (civil(&registry), registry.origin(&department("housing")));
    let mut now = START;
    // As often as there are others it is asked for at once.
    for _ in 0..4 {
        asking.refetched(&log, now);
        assert!(asking.want(&registry, &log, 0, now).is_some());
    }
    let mut pauses = Vec::new();
    for _ in 0..12 {
        asking.refetched(&log, now);
        let refused = now;
        while asking.want(&registry, &log, 0, now).is_none() {
            now += Duration::from_secs(10);
        }
        assert!(
            asking.want(&registry, &other, 0, now).is_some(),
            "another log waits for nothing"
        );
        pauses.push((now - refused).as_secs());
    }
    assert_eq!(
        pauses,
        [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]
    );
}

#[test]
fn who_is_alone_asks_nobody() {
    let (registry, log) = (registry(), civil(&registry()));
    let mut alone = Asking::new(node("n2"), Vec::new());
    assert_eq!(alone.want(&registry, &log, 0, START), None);
    assert_eq!(alone.not_answered(&registry, &log, 0, START), None);
}

/// How one of the others answers: how many entries it holds, and whether it listens.
fn peers() -> impl Strategy<Value = Vec<(u64, bool)>> {
    proptest::collection::vec((0u64..120, any::<bool>()), 4)
}

proptest! {
    #[test]
    fn whatever_others_hold_all_of_it_comes_and_nobody_is_asked_without_end(peers in peers(), step in 1u64..40) {
        let (registry, mut asking) = (registry(), asking());
        let log = civil(&registry);
        let most = peers.iter().filter(|(_, listens)| *listens).map(|(held, _)| *held).max().unwrap_or(0);
        let (mut held, mut now) = (0u64, START);
        let (mut asked, mut rounds) = (0u64, 0u64);
        // Somebody shows a head of 120 all the time, which nobody may hold.
        while held < most || rounds < 4 {
            rounds += 1;
            prop_assert!(rounds < 4 + 4 * (most + 1), "{held} of {most} came");
            let mut target = asking.want(&registry, &log, held, now);
            let mut in_vain = 0;
            while let Some(node) = target {
                asked += 1;
                let place = node.as_str()[1..].parse::<usize>().unwrap() - 2;
                let (holds, listens) = peers[place];
                let end = holds.min(held + step);
                target = if !listens {
                    asking.not_answered(&registry, &log, held, now)
                } else if end > held {
                    let answer = [frame(&log, held, end)];
                    prop_assert_eq!(asking.answered(&registry, &log, held, &answer, now), None);
                    held = end;
                    in_vain = 0;
                    asking.want(&registry, &log, held, now)
                } else {
                    asking.answered(&registry, &log, held, &[frame(&log, end.min(held), end.min(held))], now)
                };
                in_vain += 1;
                prop_assert!(in_vain <= peers.len() + 1, "asked in vain again and again");
            }
            now += ASK_AGAIN;
        }
        prop_assert!(asked <= 4 * rounds + most + 4, "{asked} questions in {rounds} rounds");
    }
}
