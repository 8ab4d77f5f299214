//! The next epoch of a log: opened by the administrator, contested by who holds more, settled by a quorum; the same state everywhere.

use crate::driver::{APPLICATION, Driver, department, genesis, key};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tally_ledger::checkpoint::{LogKey, sign_checkpoint};
use tally_ledger::crypto::{leaf_hash, sign_note};
use tally_ledger::merkle::Tree;
use tally_ledger::projection::digest::Buckets;
use tally_ledger::proof::verify_recorded;
use tally_ledger::replica::{Alarm, Input, KeptRange, Output, Recorded, Refusal, Replica};
use tally_ledger::world::Standing;
use tally_schemas::entry::Entry;
use tally_schemas::epoch::Opening;
use tally_schemas::event::EventKind;
use tally_schemas::frame::Frame;
use tally_schemas::id::{EventId, NamedHead, Origin};
use tally_schemas::note::Note;
use tally_schemas::proof::TlogProof;

const GRANT: &str = r#"{"from":"2026-02-01","items":[1,2],"mode":"api","to":"2026-12-31"}"#;

pub(crate) fn origin(driver: &Driver, id: &str, epoch: u32) -> Origin {
    Origin {
        epoch,
        ..driver.replicas[0].world().registry().origin(&department(id))
    }
}

/// The head of a log as a node holds it, cut to a size.
pub(crate) fn head(driver: &Driver, at: usize, origin: &Origin, size: Option<u64>) -> NamedHead {
    let world = driver.replicas[at].world();
    let log = world.log_at(world.number_of_log(origin).unwrap()).unwrap();
    NamedHead {
        origin: origin.clone(),
        head: log.tree.head_at(size.unwrap_or(log.size())).unwrap(),
    }
}

pub(crate) fn opening(driver: &Driver, old: NamedHead, epoch: u32) -> Opening {
    let new = Origin {
        epoch,
        ..old.origin.clone()
    };
    Opening {
        federation: driver.federation.clone(),
        log_key: *key(&crate::driver::log_key_name(&new)).public_key().as_bytes(),
        origin: new,
        old,
        issued: driver.now,
        reason: "the signing lock was lost".to_owned(),
    }
}

fn signed(driver: &Driver, opening: &Opening, by: &[&str]) -> Vec<u8> {
    let text = opening.to_text();
    let lines = by.iter().map(|id| {
        let name = format!("{}/{id}/admin", driver.federation);
        sign_note(&text, &name, &key(&format!("admin {id}"))).unwrap()
    });
    Note {
        lines: lines.collect(),
        text,
    }
    .to_bytes()
}

/// Submits until the node has derived everything anew.
pub(crate) fn open(driver: &mut Driver, opening: &Opening, by: &[&str]) -> Result<Recorded, Box<Refusal>> {
    let note = signed(driver, opening, by);
    let first = driver.submit(0, note.clone());
    match first {
        Err(refusal) if refusal.code == "rebuilding" => driver.submit(0, note),
        answer => answer,
    }
}

/// Housing's node lost its signing lock: it starts again, and must not sign.
pub(crate) fn lose_lock(driver: &mut Driver) {
    let log = origin(driver, "housing", 1);
    driver.disks[0]
        .seals
        .insert(log, "the signing lock is missing".to_owned());
    driver.restart(0);
}

pub(crate) fn file(driver: &mut Driver) -> EventId {
    driver
        .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
        .unwrap()
        .event
}

fn stage(driver: &Driver, at: usize, case: &EventId) -> Option<String> {
    let case = driver.replicas[at].world().case(case)?;
    Some(case.state()?.stage().as_str().to_owned())
}

fn contests(driver: &Driver) -> usize {
    let is_contest = |alarm: &&Alarm| matches!(alarm, Alarm::EpochContested { .. });
    driver.alarms.iter().filter(is_contest).count()
}

/// Takes the alarms that a lost lock explains.
pub(crate) fn forget_alarms(driver: &mut Driver) {
    driver.alarms.clear();
}

/// A federation in which housing lost its lock and recorded some acts in its second epoch, under another log key.
pub(crate) fn in_second_epoch() -> Driver {
    let mut driver = Driver::new();
    file(&mut driver);
    lose_lock(&mut driver);
    driver.pass();
    let first = origin(&driver, "housing", 1);
    let next = opening(&driver, head(&driver, 0, &first, None), 2);
    open(&mut driver, &next, &["housing"]).unwrap();
    for _ in 0..3 {
        file(&mut driver);
    }
    driver.pass();
    driver.assert_equal();
    forget_alarms(&mut driver);
    driver
}

#[test]
fn a_department_that_lost_its_lock_goes_on_in_the_next_epoch() {
    let mut driver = Driver::new();
    let case = file(&mut driver);
    lose_lock(&mut driver);
    let refused = driver
        .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
        .unwrap_err();
    assert_eq!(refused.code, "log-sealed");
    driver.pass();
    let first = origin(&driver, "housing", 1);
    let size = driver.entries[&first.to_string()].len();
    assert_eq!(
        driver.disks[0].logs[&first].0.len(),
        size,
        "nothing is written to a log that is sealed"
    );

    let named = head(&driver, 0, &first, None);
    let next = opening(&driver, named, 2);
    let recorded = open(&mut driver, &next, &["housing"]).unwrap();
    let second = origin(&driver, "housing", 2);
    assert_eq!((&recorded.origin, recorded.index), (&second, 0));
    let entry = driver.disks[0].logs[&second].0[0].clone();
    let proof = TlogProof::parse(&recorded.proof).unwrap();
    let log_key = LogKey::new(&second, &key("log housing 2").public_key());
    verify_recorded(&entry, &proof, &log_key).unwrap();
    assert_eq!(open(&mut driver, &next, &["housing"]).unwrap(), recorded);

    // An answer of another department and what follows in the new log belong to the same case.
    driver
        .act(
            "civil",
            EventKind::RequestGranted,
            Some(case),
            &["housing"],
            GRANT,
        )
        .unwrap();
    let urged = driver
        .act(
            "housing",
            EventKind::RequestUrged,
            Some(case),
            &["civil"],
            r#"{"text":"please answer"}"#,
        )
        .map(|recorded| recorded.origin)
        .unwrap();
    assert_eq!(urged, second);
    driver.pass();
    assert_eq!(stage(&driver, 1, &case), stage(&driver, 0, &case));
    driver.assert_equal();
    // Officers enrolled in the first epoch sign in the second, and numbers go on.
    let again = file(&mut driver);
    let numbers: Vec<String> = driver.replicas[1]
        .world()
        .numbers()
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(numbers.len(), 2, "{numbers:?}");
    assert!(stage(&driver, 1, &again).is_some());
    driver.restart(0);
    driver.restart(1);
    driver.assert_equal();
}

#[test]
fn a_node_restored_from_an_old_copy_is_sealed_refills_and_goes_on() {
    let mut driver = Driver::new();
    let old = driver.disks[0].clone();
    let case = file(&mut driver);
    driver.disks[0] = old;
    driver.restart(0);
    // A peer shows what it holds before anything is signed.
    driver.now = driver.now.plus_ms(6_000);
    driver.input(1, Input::Tick);
    let log = driver.replicas[1].world().log(&department("housing")).unwrap();
    let shown = driver.replicas[1]
        .frame(&log.origin, log.size(), Vec::new())
        .unwrap();
    driver.input(0, Input::Frame(shown));
    driver.pass();
    let first = origin(&driver, "housing", 1);
    let ahead = |alarm: &Alarm| matches!(alarm, Alarm::OwnLogAhead { .. });
    assert!(driver.alarms.iter().any(ahead), "{:?}", driver.alarms);
    assert!(driver.replicas[0].sealed(&first).is_some());
    assert!(driver.replicas[0].failure().is_none());
    assert!(
        stage(&driver, 0, &case).is_some(),
        "the rest came from the other node"
    );
    let bureau = origin(&driver, "bureau", 1);
    assert!(driver.replicas[0].sealed(&bureau).is_none());
    let next = opening(&driver, head(&driver, 0, &first, None), 2);
    open(&mut driver, &next, &["housing"]).unwrap();
    driver
        .act(
            "housing",
            EventKind::RequestUrged,
            Some(case),
            &["civil"],
            r#"{"text":"please answer"}"#,
        )
        .unwrap();
    driver.pass();
    driver.assert_same_state();
}

/// Housing opens epoch 2 before an act that civil holds, while nobody hears of the other.
fn contested() -> (Driver, EventId, EventId) {
    let mut driver = Driver::new();
    let kept = file(&mut driver);
    let old = driver.disks[0].clone();
    let lost = file(&mut driver);
    driver.is_parted = true;
    driver.disks[0] = old;
    lose_lock(&mut driver);
    let first = origin(&driver, "housing", 1);
    let next = opening(&driver, head(&driver, 0, &first, None), 2);
    open(&mut driver, &next, &["housing"]).unwrap();
    forget_alarms(&mut driver);
    driver.is_parted = false;
    driver.pass();
    (driver, kept, lost)
}

#[test]
fn who_holds_more_of_the_old_log_does_not_hold_the_new_one_until_a_quorum_lets_it_count() {
    let (mut driver, kept, lost) = contested();
    let second = origin(&driver, "housing", 2);
    assert_eq!(contests(&driver), 1, "{:?}", driver.alarms);
    assert!(driver.replicas[1].world().number_of_log(&second).is_none());
    let (contested, contest) = driver.replicas[1].contested().next().unwrap();
    assert_eq!(*contested, second);
    assert!(contest.shown > contest.named);
    // The node that opened it is told that there is more, once.
    let (named, shown) = (contest.named, contest.shown);
    let left_out = |driver: &Driver| -> Vec<(u64, u64)> {
        let told = driver.alarms.iter().filter_map(|alarm| match alarm {
            Alarm::EpochLeavesOut { named, shown, .. } => Some((*named, *shown)),
            _ => None,
        });
        told.collect()
    };
    assert_eq!(left_out(&driver), [(named, shown)]);
    assert!(stage(&driver, 1, &lost).is_some());
    let alone = file(&mut driver);
    assert!(stage(&driver, 1, &alone).is_none());

    // Two of three settle it: what epoch 2 holds counts.
    let next = opening(&driver, head(&driver, 0, &second, None), 3);
    let refused = open(&mut driver, &next, &["civil"]).unwrap_err();
    assert_eq!(refused.code, "epoch");
    open(&mut driver, &next, &["bureau", "civil"]).unwrap();
    driver.pass();
    driver.assert_same_state();
    assert!(
        driver.disks[1].rebuilds > 0,
        "what civil had resolved was derived anew"
    );
    for at in [0, 1] {
        assert!(stage(&driver, at, &kept).is_some());
        assert!(stage(&driver, at, &alone).is_some());
        assert_eq!(stage(&driver, at, &lost), None);
    }
    let aside = driver.replicas[1].world().set_aside(&lost);
    assert_eq!(aside.len(), 1);
    assert_eq!((&aside[0].id, &aside[0].by), (&lost, &second));
    assert_eq!(left_out(&driver), [(named, shown)], "it is settled");
    assert!(driver.replicas[1].contested().next().is_none());
    let before = account(&driver.replicas[0]);
    driver.restart(1);
    driver.restart(0);
    driver.assert_same_state();
    assert_eq!(account(&driver.replicas[0]), before);
    assert_eq!(driver.replicas[1].world().set_aside(&lost).len(), 1);
}

/// A proof of an event as a node gives it, verified as a stranger does.
fn proven(driver: &Driver, at: usize, origin: &Origin, event: &EventId) -> Option<(u64, u64)> {
    let recorded = driver.replicas[at].proof(event)?;
    let proof = TlogProof::parse(&recorded.proof).unwrap();
    let key = key(&crate::driver::log_key_name(origin));
    let entry = &driver.entries[&origin.to_string()][usize::try_from(proof.index).unwrap()];
    let checkpoint = verify_recorded(entry, &proof, &LogKey::new(origin, &key.public_key())).unwrap();
    Some((proof.index, checkpoint.head().size))
}

#[test]
fn what_is_left_of_a_log_of_which_nobody_holds_all_is_proven_and_continued_by_a_quorum() {
    let mut driver = Driver::new();
    file(&mut driver);
    let old = driver.disks[0].clone();
    let first = origin(&driver, "housing", 1);
    let size = head(&driver, 0, &first, None).head.size;
    // Two acts under one checkpoint reach nobody, but for the frame with the first of them.
    driver.is_parted = true;
    let [left, gone] = [(); 2].map(|()| file(&mut driver));
    let entries = driver.entries[&first.to_string()].clone();
    let frame = driver.replicas[0].frame(
        &first,
        size,
        vec![entries[usize::try_from(size).unwrap()].clone()],
    );
    driver.disks[0] = old;
    lose_lock(&mut driver);
    driver.is_parted = false;
    driver.input(1, Input::Frame(frame.unwrap()));
    driver.pass();
    forget_alarms(&mut driver);
    for at in [0, 1] {
        let held = head(&driver, at, &first, None);
        assert_eq!(held.head.size, size + 1);
        assert_eq!(driver.replicas[at].signed_size(&first), size + 2);
        assert_eq!(proven(&driver, at, &first, &left), Some((size, size + 2)));
        assert_eq!(proven(&driver, at, &first, &gone), None);
    }
    let next = opening(&driver, head(&driver, 0, &first, None), 2);
    let refused = open(&mut driver, &next, &["housing"]).unwrap_err();
    assert_eq!(refused.code, "epoch-contested");
    open(&mut driver, &next, &["bureau", "civil"]).unwrap();
    // Whoever submits what is left again is told where it is recorded.
    let note = Entry::parse(&entries[usize::try_from(size).unwrap()])
        .unwrap()
        .payload;
    let again = driver.submit(0, note.into_bytes()).unwrap();
    assert_eq!((again.event, again.index), (left, size));
    file(&mut driver);
    driver.pass();
    driver.assert_same_state();
    for restarts in [false, true] {
        for at in [0, 1] {
            if restarts {
                driver.restart(at);
            }
            assert!(stage(&driver, at, &left).is_some());
            assert_eq!(stage(&driver, at, &gone), None);
            assert_eq!(proven(&driver, at, &first, &left), Some((size, size + 2)));
        }
    }
}

#[test]
fn a_quorum_may_name_the_longer_head_and_set_the_new_log_aside_whole() {
    let (mut driver, kept, lost) = contested();
    let alone = file(&mut driver);
    let first = origin(&driver, "housing", 1);
    let next = opening(&driver, head(&driver, 1, &first, None), 3);
    // Housing's node asks for the rest first.
    let waits = open(&mut driver, &next, &["bureau", "civil"]).unwrap_err();
    assert_eq!(waits.code, "epoch-waits");
    driver.pass();
    open(&mut driver, &next, &["bureau", "civil"]).unwrap();
    driver.pass();
    driver.assert_same_state();
    for at in [0, 1] {
        assert!(stage(&driver, at, &kept).is_some());
        assert!(stage(&driver, at, &lost).is_some());
        assert_eq!(stage(&driver, at, &alone), None);
        let second = origin(&driver, "housing", 2);
        assert_eq!(driver.replicas[at].world().end_of(&second), Some(0));
    }
    let before = account(&driver.replicas[0]);
    driver.restart(0);
    driver.assert_same_state();
    assert_eq!(account(&driver.replicas[0]), before);
    let case = file(&mut driver);
    assert!(stage(&driver, 1, &case).is_some());
    driver.assert_same_state();
}

#[test]
fn a_contest_ends_when_a_quorum_lets_the_old_log_count() {
    let (mut driver, _, lost) = contested();
    assert_eq!(driver.replicas[1].contested().count(), 1);
    let first = origin(&driver, "housing", 1);
    let next = opening(&driver, head(&driver, 1, &first, None), 3);
    let waits = open(&mut driver, &next, &["bureau", "civil"]).unwrap_err();
    assert_eq!(waits.code, "epoch-waits");
    driver.pass();
    let rebuilds = driver.disks[1].rebuilds;
    open(&mut driver, &next, &["bureau", "civil"]).unwrap();
    driver.pass();
    assert!(stage(&driver, 1, &lost).is_some());
    // Civil's node had resolved nothing that does not count: it goes on as it is, and its operator has nothing left to do.
    assert_eq!(driver.disks[1].rebuilds, rebuilds);
    assert_eq!(driver.replicas[1].contested().count(), 0);
}

#[test]
fn an_epoch_that_was_sealed_is_not_opened_again() {
    let mut driver = Driver::new();
    file(&mut driver);
    lose_lock(&mut driver);
    // Epoch 2 was begun and forked, and what the disk had of it was set aside to be fetched again.
    let second = origin(&driver, "housing", 2);
    let why = "the log forked".to_owned();
    driver.disks[0].seals.insert(second.clone(), why);
    driver.restart(0);
    let first = origin(&driver, "housing", 1);
    let next = opening(&driver, head(&driver, 0, &first, None), 2);
    let refused = open(&mut driver, &next, &["housing"]).unwrap_err();
    assert_eq!(refused.code, "epoch-taken");
    assert!(driver.replicas[0].world().number_of_log(&second).is_none());
}

#[test]
fn an_opening_needs_what_it_continues_to_be_held_and_counts_when_that_is_resolved() {
    let mut driver = Driver::new();
    file(&mut driver);
    // Housing's log names what civil's is at.
    driver.now = driver.now.plus_ms(61_000);
    driver.input(0, Input::Tick);
    driver.assert_equal();
    // The disk that housing's node comes back with has nothing of civil's log.
    let civil = origin(&driver, "civil", 1);
    driver.disks[0].logs.remove(&civil);
    driver.is_parted = true;
    lose_lock(&mut driver);
    let first = origin(&driver, "housing", 1);
    let resolved = |driver: &Driver, origin: &Origin| {
        let world = driver.replicas[0].world();
        let log = world.log_at(world.number_of_log(origin).unwrap()).unwrap();
        (log.cursor(), log.size())
    };
    let (cursor, size) = resolved(&driver, &first);
    assert!(cursor < size, "{cursor} of {size}");
    let next = opening(&driver, head(&driver, 0, &first, None), 2);
    open(&mut driver, &next, &["housing"]).unwrap();
    assert_eq!(resolved(&driver, &next.origin), (0, 1));
    let submitted = driver.act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION);
    assert_eq!(submitted.unwrap_err().code, "own-log-waits");

    driver.is_parted = false;
    driver.pass();
    assert_eq!(resolved(&driver, &next.origin).0, 1);
    file(&mut driver);
    driver.pass();
    driver.assert_same_state();
}

#[test]
fn a_log_of_a_later_epoch_that_others_name_is_asked_for() {
    let mut driver = Driver::new();
    file(&mut driver);
    lose_lock(&mut driver);
    driver.is_parted = true;
    let first = origin(&driver, "housing", 1);
    let next = opening(&driver, head(&driver, 0, &first, None), 2);
    open(&mut driver, &next, &["housing"]).unwrap();
    driver.now = driver.now.plus_ms(61_000);
    driver.input(0, Input::Tick);
    // Only the bureau's log reaches civil's node: its newest entry names a head of the log that nobody announced there.
    let bureau = origin(&driver, "bureau", 1);
    let entries = driver.disks[0].logs[&bureau].0.clone();
    let held = driver.replicas[1]
        .world()
        .log(&department("bureau"))
        .unwrap()
        .size();
    let fresh = entries[usize::try_from(held).unwrap()..].to_vec();
    let frame = driver.replicas[0].frame(&bureau, held, fresh).unwrap();
    let outputs = driver.replicas[1].handle(driver.now, vec![Input::Frame(frame), Input::Tick]);
    let second = origin(&driver, "housing", 2);
    let asks = |output: &Output| matches!(output, Output::Want { origin, start: 0 } if *origin == second);
    assert!(outputs.iter().any(asks), "{outputs:?}");
}

/// A frame with one entry 0 made by hand.
pub(crate) fn first_frame(
    driver: &Driver,
    opening: &Opening,
    by: &[&str],
    change: impl FnOnce(&mut Entry),
) -> Frame {
    let world = driver.replicas[1].world();
    let registry = world.registry();
    let old = world
        .log_at(world.number_of_log(&opening.old.origin).unwrap())
        .unwrap();
    let payload = String::from_utf8(signed(driver, opening, by)).unwrap();
    let mut entry = Entry {
        header: tally_schemas::entry::EntryHeader {
            origin: opening.origin.clone(),
            index: 0,
            prev: old
                .tree
                .leaf(opening.old.head.size.saturating_sub(1))
                .unwrap_or_default(),
            recorded: driver.now,
            registry: registry.newest(),
            heads: Vec::new(),
        },
        payload,
    };
    change(&mut entry);
    let entry = entry.to_bytes();
    let tree: Tree = std::iter::once(leaf_hash(&entry)).collect();
    let name = crate::driver::log_key_name(&opening.origin);
    Frame {
        origin: opening.origin.clone(),
        start: 0,
        entries: vec![entry],
        consistency: Vec::new(),
        checkpoint: sign_checkpoint(&opening.origin, tree.head(), &key(&name)).to_bytes(),
    }
}

#[test]
fn an_opening_that_is_not_good_opens_nothing() {
    let mut driver = Driver::new();
    file(&mut driver);
    let first = origin(&driver, "housing", 1);
    let good = opening(&driver, head(&driver, 1, &first, None), 2);
    let mut other_key = good.clone();
    other_key.log_key = *key("somebody").public_key().as_bytes();
    let mut other_root = good.clone();
    other_root.old.head.root.0[0] ^= 1;
    let mut beyond = good.clone();
    beyond.old.head.size += 1;
    let mut far = good.clone();
    far.origin.epoch = 3;
    far.log_key = *key("log housing 3").public_key().as_bytes();
    let nothing = |_: &mut Entry| {};
    let mut frames = vec![
        (
            "by the administrator of another department",
            first_frame(&driver, &good, &["civil"], nothing),
        ),
        ("by nobody", first_frame(&driver, &good, &[], nothing)),
        (
            "two lines without a quorum",
            first_frame(&driver, &good, &["housing", "housing"], nothing),
        ),
        (
            "under another key",
            first_frame(&driver, &other_key, &["housing"], nothing),
        ),
        (
            "from another root",
            first_frame(&driver, &other_root, &["housing"], nothing),
        ),
        (
            "two epochs on, by the administrator",
            first_frame(&driver, &far, &["housing"], nothing),
        ),
    ];
    frames.push((
        "after another entry",
        first_frame(&driver, &good, &["housing"], |entry| entry.header.prev.0[0] ^= 1),
    ));
    frames.push((
        "under another registry",
        first_frame(&driver, &good, &["housing"], |entry| {
            entry.header.registry.hash.0[0] ^= 1;
        }),
    ));
    frames.push((
        "with an act in its place",
        first_frame(&driver, &good, &["housing"], |entry| {
            entry.payload = "tally/nothing/v1\n".to_owned();
        }),
    ));
    let mut shown = first_frame(&driver, &beyond, &["housing"], nothing);
    shown.start = 0;
    frames.push(("from beyond what is held", shown));
    for (what, frame) in frames {
        let outputs = driver.replicas[1].handle(driver.now, vec![Input::Frame(frame)]);
        assert!(
            !outputs
                .iter()
                .any(|output| matches!(output, Output::Persist(_) | Output::Rebuild)),
            "{what}: {outputs:?}"
        );
        assert!(
            driver.replicas[1].world().number_of_log(&good.origin).is_none(),
            "{what}"
        );
    }
    let frame = first_frame(&driver, &good, &["housing"], nothing);
    driver.input(1, Input::Frame(frame));
    assert!(driver.replicas[1].world().number_of_log(&good.origin).is_some());
    // The node of the department did not make it: it has no lock for it, and must not sign.
    let frame = first_frame(&driver, &good, &["housing"], nothing);
    driver.input(0, Input::Frame(frame));
    assert!(driver.replicas[0].sealed(&good.origin).is_some());
}

#[test]
fn an_opening_elsewhere_is_void() {
    let mut driver = Driver::new();
    file(&mut driver);
    let first = origin(&driver, "housing", 1);
    let good = opening(&driver, head(&driver, 1, &first, None), 2);
    let entries = driver.entries[&first.to_string()].clone();
    let last = entries.last().unwrap();
    let mut entry = Entry::parse(last).unwrap();
    entry.header.index = entries.len() as u64;
    entry.header.prev = leaf_hash(last);
    entry.header.heads.clear();
    entry.payload = String::from_utf8(signed(&driver, &good, &["housing"])).unwrap();
    let entry = entry.to_bytes();
    let mut tree: Tree = entries.iter().map(|entry| leaf_hash(entry)).collect();
    tree.append(leaf_hash(&entry));
    let frame = Frame {
        origin: first.clone(),
        start: entries.len() as u64,
        entries: vec![entry],
        consistency: Vec::new(),
        checkpoint: sign_checkpoint(&first, tree.head(), &key("log housing")).to_bytes(),
    };
    driver.is_parted = true;
    driver.input(1, Input::Frame(frame));
    let world = driver.replicas[1].world();
    let number = world.number_of_log(&first).unwrap();
    let standing = world.resolved(number, entries.len() as u64).unwrap().standing;
    assert!(
        matches!(&standing, Standing::Void(void) if void.code() == "not-opening"),
        "{standing:?}"
    );
    assert!(world.number_of_log(&good.origin).is_none());
}

/// What a world says of everything, for comparison.
pub(crate) fn account(replica: &Replica) -> String {
    let world = replica.world();
    let heads: Vec<String> = world
        .logs()
        .map(|log| format!("{} {} {:?}", log.origin, log.cursor(), log.end))
        .collect();
    let rosters: Vec<String> = ["bureau", "civil", "housing"]
        .iter()
        .map(|id| {
            format!(
                "{:?}",
                world.roster(&department(id)).map(|roster| roster.terms.clone())
            )
        })
        .collect();
    format!(
        "{heads:?} {rosters:?} {:?} {:?} {:?}",
        world.digests(Buckets::Sixteen),
        world.numbers(),
        world.arrivals()
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// However the entries come, with the ends known before or found on the way: the same state (I5).
    #[test]
    fn the_same_entries_give_the_same_state_in_any_order(
        order in proptest::collection::vec(0usize..8, 0..8), tells in any::<bool>(), longer in any::<bool>(),
    ) {
        thread_local! {
            static SETTLED: std::cell::RefCell<Vec<Driver>> = const { std::cell::RefCell::new(Vec::new()) };
        }
        SETTLED.with_borrow_mut(|settled| {
            if settled.is_empty() {
                settled.extend([settle(false), settle(true)]);
            }
            let driver = &settled[usize::from(longer)];
            for at in [0, 1] {
                let hosted: BTreeSet<_> = driver.replicas[at].hosted().clone();
                let mut told = tells;
                let mut replica = Replica::found(&genesis(), hosted.clone()).unwrap();
                for round in 0.. {
                    prop_assert!(round < 4, "it is derived anew without end");
                    let mut is_stale = false;
                    let mut queue: Vec<Input> = driver.disks[at].inputs(&order, told);
                    queue.reverse();
                    while let Some(input) = queue.pop() {
                        for output in replica.handle(driver.now, vec![input]) {
                            match output {
                                Output::Verify(jobs) => {
                                    queue.push(Input::Verified(jobs.iter().map(tally_ledger::replica::Job::run).collect()));
                                }
                                Output::Rebuild => is_stale = true,
                                _ => {}
                            }
                        }
                    }
                    if !is_stale {
                        break;
                    }
                    told = true;
                    replica = Replica::found(&genesis(), hosted.clone()).unwrap();
                }
                prop_assert_eq!(account(&replica), account(&driver.replicas[1 - at]));
            }
            Ok(())
        })?;
    }
}

/// The registrar's log, and those of a later epoch, are known only when others were resolved: what the disk kept of them waits until then,
/// also a checkpoint that is handed in after the last entry. Without it the log could be shown to nobody.
#[test]
fn what_the_disk_kept_of_a_later_epoch_can_be_shown_whatever_ranges_it_was_read_in() {
    let mut driver = in_second_epoch();
    let second = origin(&driver, "housing", 2);
    let size = head(&driver, 1, &second, None).head.size;
    for is_first in [false, true] {
        let (mut openings, mut later, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for input in driver.disks[1].inputs(&[], true) {
            match input {
                Input::Restored(kept) if kept.origin == second => {
                    later.extend(kept.entries.iter().map(|entry| {
                        Input::Restored(KeptRange {
                            entries: vec![entry.clone()],
                            checkpoint: Vec::new(),
                            ..kept.clone()
                        })
                    }));
                    let entries = Vec::new();
                    later.push(Input::Restored(KeptRange { entries, ..kept }));
                }
                Input::Opening(_) => openings.push(input),
                input => rest.push(input),
            }
        }
        let lots = if is_first { [later, rest] } else { [rest, later] };
        driver.replicas[1] = Replica::found(&genesis(), BTreeSet::from([department("civil")])).unwrap();
        for input in openings.into_iter().chain(lots.into_iter().flatten()) {
            driver.input(1, input);
        }
        let shown = driver.replicas[1].shown_size(&second);
        assert_eq!(shown, size, "the later epoch first: {is_first}");
        driver.assert_same_state();
    }
}

/// A log that was cut to nothing is on the disk and has no entries: it is taken from others like one that was never there.
#[test]
fn a_later_epoch_of_which_the_disk_kept_nothing_is_taken_from_others() {
    let mut driver = in_second_epoch();
    let second = origin(&driver, "housing", 2);
    driver.replicas[1] = Replica::found(&genesis(), BTreeSet::from([department("civil")])).unwrap();
    driver.disks[1].logs.insert(second.clone(), Default::default());
    for input in driver.disks[1].inputs(&[], false) {
        driver.input(1, input);
    }
    assert_eq!(driver.replicas[1].shown_size(&second), 0);
    driver.pass();
    file(&mut driver);
    driver.pass();
    driver.assert_same_state();
}

/// A contest that a quorum has settled: for the head of the new log, or for the longer one of the old.
fn settle(longer: bool) -> Driver {
    let (mut driver, _, _) = contested();
    file(&mut driver);
    let old = if longer {
        head(&driver, 1, &origin(&driver, "housing", 1), None)
    } else {
        head(&driver, 0, &origin(&driver, "housing", 2), None)
    };
    let next = opening(&driver, old, 3);
    for _ in 0..3 {
        if open(&mut driver, &next, &["bureau", "civil"]).is_ok() {
            break;
        }
        driver.pass();
    }
    file(&mut driver);
    driver.pass();
    driver.assert_same_state();
    driver
}
