//! A log that shows two histories: noticed wherever they part, shown to strangers, stated, and stopped without taking anything back.

use crate::driver::{APPLICATION, Driver, department, genesis, key, log_key_name};
use crate::epochs::in_second_epoch;
use std::collections::VecDeque;
use tally_ledger::authority::Registry;
use tally_ledger::checkpoint::{LogKey, sign_checkpoint};
use tally_ledger::crypto::leaf_hash;
use tally_ledger::fork::{ForkError, verify_fork, verify_fork_under};
use tally_ledger::merkle::Tree;
use tally_ledger::replica::{Alarm, Input, Output, Replica};
use tally_schemas::entry::Entry;
use tally_schemas::event::EventKind;
use tally_schemas::fork::ForkEvidence;
use tally_schemas::frame::Frame;
use tally_schemas::id::{Origin, TreeHead};

/// Another history of a log.
pub(crate) struct Branch {
    origin: Origin,
    pub(crate) entries: Vec<Vec<u8>>,
    tree: Tree,
}

impl Branch {
    /// Takes the first so many entries of a log, and writes so many others after them.
    pub(crate) fn of(origin: &Origin, entries: &[Vec<u8>], keep: usize, more: usize) -> Self {
        let mut all = entries[..keep].to_vec();
        for place in 0..more {
            let mut entry = Entry::parse(entries.get(keep).or(entries.last()).unwrap()).unwrap();
            entry.header.index = all.len() as u64;
            if let Some(last) = all.last() {
                entry.header.prev = leaf_hash(last);
            }
            entry.payload = format!("tally/other-history/v1\n{place}\n");
            all.push(entry.to_bytes());
        }
        Self {
            origin: origin.clone(),
            tree: all.iter().map(|entry| leaf_hash(entry)).collect(),
            entries: all,
        }
    }

    /// A frame of at most so many entries from a position on, under a checkpoint of the whole branch.
    pub(crate) fn frame(&self, start: u64, count: usize) -> Frame {
        let start_place = usize::try_from(start).unwrap().min(self.entries.len());
        let end_place = (start_place + count).min(self.entries.len());
        let head = self.tree.head();
        Frame {
            origin: self.origin.clone(),
            start: start_place as u64,
            entries: self.entries[start_place..end_place].to_vec(),
            consistency: self.tree.consistency(end_place as u64, head.size).unwrap(),
            checkpoint: sign_checkpoint(&self.origin, head, &key(&log_key_name(&self.origin))).to_bytes(),
        }
    }
}

fn housing(driver: &Driver) -> (Origin, Vec<Vec<u8>>) {
    let origin = driver.replicas[0]
        .world()
        .registry()
        .origin(&department("housing"));
    let entries = driver.entries[&origin.to_string()].clone();
    (origin, entries)
}

fn log_key(origin: &Origin) -> LogKey {
    LogKey::new(origin, &key("log housing").public_key())
}

fn held(replica: &Replica) -> TreeHead {
    replica.world().log(&department("housing")).unwrap().tree.head()
}

/// Shows civil's node the tail of a branch and answers what it asks from that branch; returns the evidence it keeps.
fn show(driver: &mut Driver, branch: &Branch, count: usize) -> Option<Vec<u8>> {
    let tail = branch.entries.len().saturating_sub(count) as u64;
    let mut queue = VecDeque::from([branch.frame(tail, count)]);
    let mut kept = None;
    let mut exchanges = 0;
    while let Some(frame) = queue.pop_front() {
        exchanges += 1;
        assert!(exchanges < 200, "it asks without end");
        for output in driver.replicas[1].handle(driver.now, vec![Input::Frame(frame)]) {
            match output {
                Output::Want { origin, start } if origin == branch.origin => {
                    queue.push_back(branch.frame(start, count));
                }
                Output::Evidence { bytes, .. } => kept = Some(bytes),
                Output::Alarm(alarm) => driver.alarms.push(alarm),
                _ => {}
            }
        }
    }
    kept
}

fn with_history(requests: usize) -> Driver {
    let mut driver = Driver::new();
    for _ in 0..requests {
        driver
            .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
            .unwrap();
    }
    driver.assert_equal();
    driver
}

#[test]
fn wherever_two_histories_part_the_evidence_convinces_a_stranger() {
    let driver = with_history(3);
    let (origin, entries) = housing(&driver);
    let mut shown = 0;
    for keep in 0..entries.len() {
        for more in [1, 2, entries.len() + 3] {
            for count in [1, 2, 5, 100] {
                let branch = Branch::of(&origin, &entries, keep, more);
                let mut driver = with_history(3);
                let before = held(&driver.replicas[1]);
                let what = format!("parts at {keep}, {more} entries more, {count} at once");
                let bytes =
                    show(&mut driver, &branch, count).unwrap_or_else(|| panic!("{what}: nothing kept"));
                let evidence = ForkEvidence::parse(&bytes).unwrap();
                assert_eq!(evidence.to_bytes(), bytes);
                let fork = verify_fork(&evidence, &log_key(&origin)).unwrap();
                assert!(fork.size > keep as u64, "{what}: {fork:?}");
                assert_eq!(held(&driver.replicas[1]), before, "{what}: nothing is un-applied");
                let stopped = |alarm: &Alarm| matches!(alarm, Alarm::LogStopped { origin: named, .. } if *named == origin.to_string());
                assert!(driver.alarms.iter().any(stopped), "{what}: {:?}", driver.alarms);
                shown += 1;
            }
        }
    }
    assert!(shown > 80);
}

#[test]
fn a_fork_of_a_later_epoch_convinces_who_has_the_genesis_alone() {
    let mut driver = in_second_epoch();
    let origin = Origin {
        epoch: 2,
        ..housing(&driver).0
    };
    let entries = driver.entries[&origin.to_string()].clone();
    let branch = Branch::of(&origin, &entries, 2, 3);
    // What a restart reads back shows the same.
    driver.restart(1);
    let bytes = show(&mut driver, &branch, 2).unwrap();
    let good = ForkEvidence::parse(&bytes).unwrap();
    assert_eq!(good.to_bytes(), bytes);
    let registry = Registry::found(&genesis()).unwrap();
    let fork = verify_fork_under(&good, &registry).unwrap();
    assert_eq!((fork.origin, fork.size > 2), (origin.clone(), true));

    let mut silent = good.clone();
    silent.opening = None;
    let shows = |evidence: &ForkEvidence| verify_fork_under(evidence, &registry);
    assert!(matches!(shows(&silent), Err(ForkError::NoOpening { .. })));
    let change = |edit: &dyn Fn(&mut Entry)| {
        let mut evidence = good.clone();
        let opening = evidence.opening.as_mut().unwrap();
        let mut entry = Entry::parse(opening.entry.as_bytes()).unwrap();
        edit(&mut entry);
        opening.entry = String::from_utf8(entry.to_bytes()).unwrap();
        evidence
    };
    // The same opening in another entry is not that of this log.
    let other_time = change(&|entry| entry.header.recorded = entry.header.recorded.plus_ms(1));
    assert!(matches!(shows(&other_time), Err(ForkError::NotFirst { .. })));
    let other_key = change(&|entry| entry.payload = entry.payload.replacen("the signing", "any signing", 1));
    assert!(matches!(shows(&other_key), Err(ForkError::Opening { .. })));
}

#[test]
fn evidence_that_was_tampered_with_shows_nothing() {
    let mut driver = with_history(2);
    let (origin, entries) = housing(&driver);
    let branch = Branch::of(&origin, &entries, 4, 9);
    let bytes = show(&mut driver, &branch, 3).unwrap();
    let good = ForkEvidence::parse(&bytes).unwrap();
    let key_of_log = log_key(&origin);
    verify_fork(&good, &key_of_log).unwrap();

    let mut same = good.clone();
    same.branches[1] = same.branches[0].clone();
    assert!(matches!(
        verify_fork(&same, &key_of_log),
        Err(ForkError::SameRoot(_))
    ));
    let mut other_size = good.clone();
    other_size.size -= 1;
    assert!(verify_fork(&other_size, &key_of_log).is_err());
    let mut other_root = good.clone();
    other_root.branches[1].root.0[0] ^= 1;
    assert!(verify_fork(&other_root, &key_of_log).is_err());
    let stranger = LogKey::new(&origin, &key("log civil").public_key());
    assert!(matches!(
        verify_fork(&good, &stranger),
        Err(ForkError::Checkpoint { branch: 1, .. })
    ));
    // The same history shown twice under two of its checkpoints is no fork.
    let small = Branch::of(&origin, &entries, entries.len() - 2, 0);
    assert_eq!(show(&mut with_history(2), &small, 4), None);
}

#[test]
fn a_fork_is_stated_and_stops_the_log_for_everybody_who_asks_for_the_evidence() {
    let mut driver = with_history(2);
    let (origin, entries) = housing(&driver);
    let branch = Branch::of(&origin, &entries, 5, 1);
    let head = branch.tree.head();
    let frame = branch.frame(head.size - 1, 1);
    driver.input(1, Input::Frame(frame));
    let named = |alarm: &Alarm| matches!(alarm, Alarm::Fork { size, .. } if *size == head.size);
    assert!(driver.alarms.iter().any(named), "{:?}", driver.alarms);
    // The statement reached the node of housing itself, which asks for the evidence and must not sign any more.
    driver.now = driver.now.plus_ms(6_000);
    driver.input(0, Input::Tick);
    assert!(
        driver.replicas[0]
            .sealed(&origin)
            .is_some_and(|why| why.contains("two roots")),
        "{:?}",
        driver.alarms
    );
    let kept: Vec<usize> = driver.evidence.iter().map(|(at, _)| *at).collect();
    assert_eq!(kept, vec![1, 0]);
    let refused = driver
        .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
        .unwrap_err();
    assert_eq!(refused.code, "log-sealed");
    // The other department of that node goes on.
    let filed = driver.act("bureau", EventKind::RequestFiled, None, &["civil"], APPLICATION);
    assert_ne!(
        filed.err().map(|refusal| refusal.code),
        Some("log-sealed".to_owned())
    );
}

#[test]
fn evidence_kept_on_disk_stops_the_log_at_the_next_start_and_is_not_stated_again() {
    let mut driver = with_history(2);
    let (origin, entries) = housing(&driver);
    let branch = Branch::of(&origin, &entries, 5, 1);
    driver.input(1, Input::Frame(branch.frame(5, 1)));
    let (_, bytes) = driver.evidence.pop().unwrap();

    let mut fresh = with_history(2);
    let civil = department("civil");
    let before = fresh.replicas[1].world().log(&civil).unwrap().size();
    fresh.input(1, Input::Evidence { bytes, is_kept: true });
    assert!(fresh.replicas[1].evidence(&origin).is_some());
    let log = |driver: &Driver, id: &str| driver.replicas[1].world().log(&department(id)).unwrap().size();
    assert_eq!(log(&fresh, "civil"), before);
    let stopped_at = log(&fresh, "housing");
    fresh
        .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
        .unwrap();
    assert_eq!(log(&fresh, "housing"), stopped_at);
    fresh.input(
        1,
        Input::Evidence {
            bytes: b"{}\n".to_vec(),
            is_kept: false,
        },
    );
}

#[test]
fn a_head_that_another_member_names_leads_to_the_other_history() {
    // Housing shows civil one history and names another to nobody but the bureau, whose log tells civil of it.
    let mut driver = with_history(2);
    let (origin, entries) = housing(&driver);
    let branch = Branch::of(&origin, &entries, 6, 2);
    let bureau = driver.replicas[0]
        .world()
        .registry()
        .origin(&department("bureau"));
    let log = driver.entries[&bureau.to_string()].clone();
    let last = log.last().unwrap();
    let mut entry = Entry::parse(last).unwrap();
    entry.header.index = log.len() as u64;
    entry.header.prev = leaf_hash(last);
    entry.header.heads = vec![tally_schemas::id::NamedHead {
        origin: origin.clone(),
        head: branch.tree.head_at(7).unwrap(),
    }];
    entry.payload = "tally/nothing-known/v1\n".to_owned();
    let entry = entry.to_bytes();
    let mut tree: Tree = log.iter().map(|entry| leaf_hash(entry)).collect();
    tree.append(leaf_hash(&entry));
    let frame = Frame {
        origin: bureau.clone(),
        start: log.len() as u64,
        entries: vec![entry],
        consistency: Vec::new(),
        checkpoint: sign_checkpoint(&bureau, tree.head(), &key("log bureau")).to_bytes(),
    };
    driver.replicas[1].handle(driver.now, vec![Input::Frame(frame)]);
    let mut asked = None;
    for output in driver.replicas[1].handle(driver.now.plus_ms(1), vec![Input::Tick]) {
        if let Output::Want { origin: named, start } = output
            && named == origin
        {
            asked = Some(start);
        }
    }
    let start = asked.expect("civil asks for the history that was named");
    let outputs = driver.replicas[1].handle(driver.now, vec![Input::Frame(branch.frame(start, 9))]);
    let mut kept = outputs
        .into_iter()
        .any(|output| matches!(output, Output::Evidence { .. }));
    kept |= show(&mut driver, &branch, 9).is_some();
    assert!(kept, "{:?}", driver.alarms);
}
