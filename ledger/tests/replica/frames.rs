//! Frames that a node must not believe: each raises an alarm that names the log, changes nothing, and leaves the other logs going.

use crate::driver::{APPLICATION, Disk, Driver, department, genesis, key};
use std::collections::BTreeSet;
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::leaf_hash;
use tally_ledger::merkle::Tree;
use tally_ledger::replica::{Alarm, Input, Output, Replica};
use tally_schemas::entry::Entry;
use tally_schemas::event::EventKind;
use tally_schemas::frame::Frame;
use tally_schemas::id::{Hash, NamedHead, Origin, TreeHead};

/// The log of housing as its own node holds it, and civil's node that reads frames of it.
struct Reader {
    driver: Driver,
    origin: Origin,
    entries: Vec<Vec<u8>>,
}

impl Reader {
    fn new() -> Self {
        let mut driver = Driver::new();
        driver
            .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
            .unwrap();
        driver.assert_equal();
        let origin = driver.replicas[0]
            .world()
            .registry()
            .origin(&department("housing"));
        let entries = driver.entries[&origin.to_string()].clone();
        Self {
            driver,
            origin,
            entries,
        }
    }

    fn tree(entries: &[Vec<u8>]) -> Tree {
        entries.iter().map(|entry| leaf_hash(entry)).collect()
    }

    /// The entry that would follow, as the log's own node would write it, after `change`.
    fn next(&self, change: impl FnOnce(&mut Entry)) -> Vec<u8> {
        let last = self.entries.last().unwrap();
        let mut entry = Entry::parse(last).unwrap();
        entry.header.index = self.entries.len() as u64;
        entry.header.prev = leaf_hash(last);
        entry.payload = "tally/nothing-known/v1\n".to_owned();
        change(&mut entry);
        entry.to_bytes()
    }

    /// A frame of one entry more, under a checkpoint that the log's key signs over exactly that.
    fn frame(&self, entry: Vec<u8>) -> Frame {
        let mut all = self.entries.clone();
        all.push(entry.clone());
        let head = Self::tree(&all).head();
        Frame {
            origin: self.origin.clone(),
            start: self.entries.len() as u64,
            entries: vec![entry],
            consistency: Vec::new(),
            checkpoint: sign_checkpoint(&self.origin, head, &key("log housing")).to_bytes(),
        }
    }

    /// Gives a frame to civil's node; returns the alarms.
    fn give(&mut self, frame: Frame) -> Vec<Alarm> {
        self.driver.input(1, Input::Frame(frame));
        std::mem::take(&mut self.driver.alarms)
    }

    fn held(&self) -> TreeHead {
        let log = self.driver.replicas[1]
            .world()
            .log(&department("housing"))
            .unwrap();
        assert_eq!(log.tree.head(), log.frontier.head(), "tree and frontier agree");
        log.tree.head()
    }

    /// The frame is refused, nothing changed, and the log goes on.
    fn assert_refused(mut self, frame: Frame, why: &str) {
        let before = self.held();
        let alarms = self.give(frame);
        let [Alarm::FrameRefused { why: got, .. }] = alarms.as_slice() else {
            panic!("{why}: {alarms:?}");
        };
        assert!(got.contains(why), "{why}: {got}");
        assert_eq!(self.held(), before);
        self.driver
            .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
            .unwrap();
        self.driver.assert_equal();
    }

    /// The log stops where it was; the other logs go on.
    fn assert_stopped(mut self, entry: Vec<u8>, why: &str) {
        let before = self.held();
        let frame = self.frame(entry);
        let alarms = self.give(frame);
        let [Alarm::LogStopped { origin, why: got }] = alarms.as_slice() else {
            panic!("{why}: {alarms:?}");
        };
        assert_eq!(*origin, self.origin.to_string());
        assert!(got.contains(why), "{why}: {got}");
        assert_eq!(self.held(), before);
        let good = self.frame(self.next(|_| {}));
        assert_eq!(
            self.give(good),
            Vec::new(),
            "a stopped log takes nothing, and says so once"
        );
        assert_eq!(self.held(), before);
        self.driver
            .act("civil", EventKind::RequestFiled, None, &["housing"], APPLICATION)
            .unwrap();
        let civil = department("civil");
        let size = |at: usize| self.driver.replicas[at].world().log(&civil).unwrap().cursor();
        assert_eq!(size(0), size(1));
    }
}

#[test]
fn a_good_frame_is_held() {
    let mut reader = Reader::new();
    let frame = reader.frame(reader.next(|_| {}));
    assert_eq!(reader.give(frame.clone()), Vec::new());
    assert_eq!(reader.held().size, reader.entries.len() as u64 + 1);
    let head = reader.held();
    assert_eq!(reader.give(frame), Vec::new(), "a repeated frame says nothing");
    assert_eq!(reader.held(), head);
}

#[test]
fn an_entry_that_cannot_follow_stops_its_log_alone() {
    type Change = Box<dyn FnOnce(&mut Entry)>;
    let cases: Vec<(Change, &str)> = vec![
        (Box::new(|entry| entry.header.index += 1), "says it is entry"),
        (
            Box::new(|entry| entry.header.prev = Hash([9; 32])),
            "prev of entry",
        ),
        (
            Box::new(|entry| entry.header.recorded = entry.header.recorded.plus_ms(-1)),
            "recorded time",
        ),
        (
            Box::new(|entry| entry.header.origin.department = department("civil")),
            "names the origin",
        ),
    ];
    for (change, why) in cases {
        let reader = Reader::new();
        let entry = reader.next(change);
        reader.assert_stopped(entry, why);
    }
    let reader = Reader::new();
    reader.assert_stopped(b"no entry at all".to_vec(), "is not readable");
}

#[test]
fn what_stands_before_an_entry_that_cannot_is_shown_to_others_also_after_a_restart() {
    for beyond in 0..3_u8 {
        let mut reader = Reader::new();
        let held = reader.entries.len() as u64;
        // One good entry and one that cannot stand, under a checkpoint of that and of more.
        let good = reader.next(|_| {});
        let mut all = reader.entries.clone();
        all.push(good.clone());
        let bad = all.len();
        all.extend((0..=beyond).map(|place| format!("no entry {place}").into_bytes()));
        let (part, whole) = (Reader::tree(&all[..=bad]), Reader::tree(&all));
        let frame = Frame {
            origin: reader.origin.clone(),
            start: held,
            entries: vec![good.clone(), all[bad].clone()],
            consistency: whole.consistency(part.size(), whole.size()).unwrap(),
            checkpoint: sign_checkpoint(&reader.origin, whole.head(), &key("log housing")).to_bytes(),
        };
        let alarms = reader.give(frame);
        assert!(
            matches!(alarms.as_slice(), [Alarm::LogStopped { .. }]),
            "{alarms:?}"
        );
        assert_eq!(reader.held().size, held + 1);

        for restarts in [false, true] {
            if restarts {
                reader.driver.restart(1);
            }
            let shown = &reader.driver.replicas[1];
            assert_eq!(shown.shown_size(&reader.origin), held + 1);
            let range = |start: u64, entries: &[Vec<u8>]| {
                let frame = shown.frame(&reader.origin, start, entries.to_vec());
                frame.expect("it lies under a checkpoint that the log signed")
            };
            let (before, after) = (
                range(0, &reader.entries),
                range(held, std::slice::from_ref(&good)),
            );
            let mut other = Reader::new();
            other.driver.disks[1] = Disk::default();
            other.driver.replicas[1] = Replica::found(&genesis(), BTreeSet::new()).unwrap();
            assert_eq!(other.give(before), Vec::new());
            assert_eq!(other.give(after), Vec::new());
            assert_eq!(other.held(), reader.held());
        }
    }
}

#[test]
fn a_falling_registry_version_or_named_head_stops_the_log() {
    let mut reader = Reader::new();
    let civil = reader.driver.replicas[0]
        .world()
        .log(&department("civil"))
        .unwrap();
    let (origin, head, small) = (
        Origin::clone(&civil.origin),
        civil.tree.head(),
        civil.tree.head_at(1).unwrap(),
    );
    let newest = reader.next(|entry| {
        entry.header.registry.version = 7;
        entry.header.heads = vec![NamedHead {
            origin: origin.clone(),
            head,
        }];
    });
    let frame = reader.frame(newest.clone());
    assert_eq!(reader.give(frame), Vec::new());
    reader.entries.push(newest);
    let fallen = reader.next(|entry| entry.header.registry.version = 6);
    let frame = reader.frame(fallen);
    let alarms = reader.give(frame);
    assert!(
        matches!(alarms.as_slice(), [Alarm::LogStopped { why, .. }] if why.contains("registry version")),
        "{alarms:?}"
    );

    let mut reader = Reader::new();
    let named = |head| {
        vec![NamedHead {
            origin: origin.clone(),
            head,
        }]
    };
    let first = reader.next(|entry| entry.header.heads = named(head));
    let frame = reader.frame(first.clone());
    assert_eq!(reader.give(frame), Vec::new());
    reader.entries.push(first);
    let second = reader.next(|entry| entry.header.heads = named(small));
    reader.assert_stopped(second, "names size 1");
}

#[test]
fn a_named_head_with_another_root_does_not_count_and_is_told() {
    let mut reader = Reader::new();
    let civil = reader.driver.replicas[0]
        .world()
        .log(&department("civil"))
        .unwrap();
    let head = NamedHead {
        origin: Origin::clone(&civil.origin),
        head: TreeHead {
            size: civil.size(),
            root: Hash([5; 32]),
        },
    };
    let frame = reader.frame(reader.next(|entry| entry.header.heads = vec![head]));
    let alarms = reader.give(frame);
    assert!(
        matches!(alarms.as_slice(), [Alarm::ForeignRoot { by, .. }] if *by == reader.origin.to_string()),
        "{alarms:?}"
    );
    let log = reader.driver.replicas[1]
        .world()
        .log(&department("housing"))
        .unwrap();
    assert_eq!(log.cursor(), log.size(), "the log goes on");
}

#[test]
fn a_frame_that_its_checkpoint_does_not_cover_is_refused() {
    let reader = Reader::new();
    let mut frame = reader.frame(reader.next(|_| {}));
    frame.entries = vec![reader.next(|entry| entry.payload.push('x'))];
    reader.assert_refused(frame, "do not lie under its checkpoint");

    let reader = Reader::new();
    let mut frame = reader.frame(reader.next(|_| {}));
    frame.entries.push(b"one more".to_vec());
    reader.assert_refused(frame, "beyond its checkpoint");

    let reader = Reader::new();
    let mut frame = reader.frame(reader.next(|_| {}));
    frame.consistency = vec![Hash([1; 32])];
    reader.assert_refused(frame, "do not lie under its checkpoint");
}

#[test]
fn a_checkpoint_that_the_log_did_not_sign_is_refused() {
    let reader = Reader::new();
    let mut frame = reader.frame(reader.next(|_| {}));
    let mut all = reader.entries.clone();
    all.extend(frame.entries.iter().cloned());
    let head = Reader::tree(&all).head();
    frame.checkpoint = sign_checkpoint(&reader.origin, head, &key("log civil")).to_bytes();
    reader.assert_refused(frame, "checkpoint does not hold");

    let reader = Reader::new();
    let mut frame = reader.frame(reader.next(|_| {}));
    let civil = reader.driver.replicas[0]
        .world()
        .registry()
        .origin(&department("civil"));
    frame.checkpoint = sign_checkpoint(&civil, head, &key("log civil")).to_bytes();
    reader.assert_refused(frame, "checkpoint does not hold");
}

#[test]
fn a_smaller_checkpoint_of_the_same_log_takes_nothing_back() {
    let mut reader = Reader::new();
    let before = reader.held();
    let small = Reader::tree(&reader.entries[..3]).head();
    let frame = Frame {
        origin: reader.origin.clone(),
        start: 0,
        entries: reader.entries[..3].to_vec(),
        consistency: Vec::new(),
        checkpoint: sign_checkpoint(&reader.origin, small, &key("log housing")).to_bytes(),
    };
    assert_eq!(reader.give(frame), Vec::new());
    assert_eq!(reader.held(), before);
    let newest = reader.driver.replicas[1]
        .checkpoint(&department("housing"))
        .unwrap();
    assert_eq!(newest.head(), before);
}

#[test]
fn two_signed_roots_of_one_size_stop_the_log_and_are_stated() {
    let mut reader = Reader::new();
    let before = reader.held();
    let mut other = reader.entries.clone();
    *other.last_mut().unwrap() = {
        let mut entry = Entry::parse(reader.entries.last().unwrap()).unwrap();
        entry.payload = "tally/nothing-known/v1\n".to_owned();
        entry.to_bytes()
    };
    let frame = Frame {
        origin: reader.origin.clone(),
        start: other.len() as u64 - 1,
        entries: other[other.len() - 1..].to_vec(),
        consistency: Vec::new(),
        checkpoint: sign_checkpoint(&reader.origin, Reader::tree(&other).head(), &key("log housing"))
            .to_bytes(),
    };
    let alarms = reader.give(frame);
    assert!(
        matches!(alarms.as_slice(), [Alarm::Fork { size, .. }, Alarm::LogStopped { .. }] if *size == before.size),
        "{alarms:?}"
    );
    assert_eq!(reader.held(), before, "nothing is un-applied");
}

#[test]
fn what_lies_ahead_of_a_gap_waits_and_the_gap_is_asked_for() {
    let mut reader = Reader::new();
    let first = reader.next(|_| {});
    let early = reader.frame(first.clone());
    reader.entries.push(first);
    let late = reader.frame(reader.next(|_| {}));
    let now = reader.driver.now;
    let outputs = reader.driver.replicas[1].handle(now, vec![Input::Frame(late)]);
    let start = early.start;
    assert!(
        matches!(outputs.as_slice(), [Output::Want { start: asked, .. }] if *asked == start),
        "{outputs:?}"
    );
    assert_eq!(reader.held().size, start);
    assert_eq!(reader.give(early), Vec::new());
    assert_eq!(reader.held().size, start + 2);
}
