//! Which branch of a forked log stands: a quorum names one, and everybody gets there whatever they held.

use crate::driver::{Driver, department, genesis, key};
use crate::epochs::{account, file, first_frame, forget_alarms, head, lose_lock, open, opening, origin};
use crate::forks::Branch;
use crate::rulesets::{adopt, govern};
use tally_ledger::crypto::sign_note;
use tally_ledger::replica::{Alarm, Input, Output};
use tally_schemas::entry::Entry;
use tally_schemas::epoch::Opening;
use tally_schemas::governance::{Change, Right};
use tally_schemas::id::{OfficerId, Origin};
use tally_schemas::note::Note;

/// The nodes hear nothing of each other any more, and the second is shown another history of a log: one that leaves out the last entries,
/// so many, and has one more. Returns the entries of the log.
fn part_at_a_fork(driver: &mut Driver, log: &Origin, kept: usize) -> Vec<Vec<u8>> {
    let entries = driver.entries[&log.to_string()].clone();
    driver.is_parted = true;
    let other = Branch::of(log, &entries, entries.len() - kept, kept + 1);
    driver.input(1, Input::Frame(other.frame(0, other.entries.len())));
    entries
}

fn assert_both_know_of_the_fork(driver: &Driver, log: &Origin) {
    for at in 0..2 {
        let world = driver.replicas[at].world();
        let held = world.log_at(world.number_of_log(log).unwrap()).unwrap();
        assert!(held.stopped.is_some(), "node {at} knows of the fork");
    }
}

#[test]
fn a_quorum_is_believed_which_branch_of_the_registrars_log_leads_to_the_registry_that_its_opening_names() {
    for kept in [0, 2] {
        let mut driver = Driver::founded(genesis(), [2, 2]);
        file(&mut driver);
        driver.assert_equal();
        // Civil's node hears of another history of the registrar's log, and nothing of what governance decided meanwhile.
        let log = origin(&driver, "bureau", 1);
        part_at_a_fork(&mut driver, &log, kept);
        adopt(&mut driver, 2).unwrap();
        driver.is_parted = false;
        driver.pass();
        assert_both_know_of_the_fork(&driver, &log);
        assert_eq!(driver.replicas[1].world().registry().newest().version, 0);

        let next = opening(&driver, head(&driver, 0, &log, None), 2);
        for _ in 0..3 {
            if open(&mut driver, &next, &["bureau", "civil"]).is_ok() {
                break;
            }
            driver.pass();
        }
        for _ in 0..3 {
            driver.pass();
        }
        assert_eq!(driver.replicas[1].world().registry().newest().version, 1);
        driver.assert_same_state();
        file(&mut driver);
        driver.pass();
        driver.assert_same_state();
    }
}

/// Gives the bureau a second administrator, named deputy.
fn name_deputy(driver: &mut Driver) {
    let right = Right::Administrator {
        department: department("bureau"),
        officer: OfficerId::parse("deputy").unwrap(),
        key: *key("deputy").public_key().as_bytes(),
    };
    govern(driver, Change::RightGiven(right)).unwrap();
}

#[test]
fn a_quorum_that_is_named_by_what_rests_on_the_branch_is_believed_which_one_to_fetch() {
    for kept in [0, 1] {
        let mut driver = Driver::new();
        file(&mut driver);
        driver.assert_equal();
        // Civil's node hears of another history of housing's log, which goes on meanwhile.
        let log = origin(&driver, "housing", 1);
        part_at_a_fork(&mut driver, &log, kept);
        file(&mut driver);
        // The registrar's log names what came of it, and after that who signs the opening.
        driver.now = driver.now.plus_ms(61_000);
        driver.input(0, Input::Tick);
        name_deputy(&mut driver);
        driver.is_parted = false;
        driver.pass();
        assert_both_know_of_the_fork(&driver, &log);
        let version = |driver: &Driver| driver.replicas[1].world().registry().newest().version;
        assert_eq!(version(&driver), 0);
        let world = driver.replicas[1].world();
        let waits = world
            .waits_for(world.number(&department("bureau")).unwrap())
            .unwrap();
        assert!(
            waits.contains("its ingest stopped: two roots were signed"),
            "{waits}"
        );

        let next = opening(&driver, head(&driver, 0, &log, None), 2);
        let text = next.to_text();
        let line = |id: &str, officer: &str, name: &str| {
            sign_note(
                &text,
                &format!("{}/{id}/{officer}", driver.federation),
                &key(name),
            )
            .unwrap()
        };
        let lines = vec![
            line("bureau", "deputy", "deputy"),
            line("civil", "admin", "admin civil"),
        ];
        let note = Note { text, lines }.to_bytes();
        for _ in 0..3 {
            if driver.submit(0, note.clone()).is_ok() {
                break;
            }
            driver.pass();
        }
        for _ in 0..3 {
            driver.pass();
        }
        assert_eq!(version(&driver), 1);
        driver.assert_same_state();
        // What its disk kept of the opening leads it there again, also when the rest of the branch is lost.
        driver.disks[1].logs.get_mut(&log).unwrap().0.truncate(1);
        driver.disks[1].coverings.remove(&log);
        driver.disks[1].logs.get_mut(&log).unwrap().1.clear();
        driver.restart(1);
        driver.pass();
        driver.assert_same_state();
        file(&mut driver);
        driver.pass();
        driver.assert_same_state();
    }
}

/// A federation whose second node stopped housing's log at a fork, and hears of nobody; with the opening of a quorum that names all that
/// the first node has of it, and the entries.
fn stopped_at_a_fork() -> (Driver, Opening, Vec<Vec<u8>>) {
    let mut driver = Driver::new();
    file(&mut driver);
    driver.assert_equal();
    let log = origin(&driver, "housing", 1);
    let entries = part_at_a_fork(&mut driver, &log, 1);
    assert_eq!(driver.disks[1].evidence.len(), 1);
    let next = opening(&driver, head(&driver, 0, &log, None), 2);
    (driver, next, entries)
}

fn forget_log(driver: &mut Driver, log: &Origin) {
    driver.disks[1].logs.remove(log);
    driver.disks[1].coverings.remove(log);
}

#[test]
fn a_branch_that_is_on_its_way_is_not_thrown_away_for_its_opening() {
    let (mut driver, next, entries) = stopped_at_a_fork();
    let log = next.old.origin.clone();
    let frame = first_frame(&driver, &next, &["bureau", "civil"], |_: &mut Entry| {});
    forget_log(&mut driver, &log);
    let text = next.to_text().into_bytes();
    driver.disks[1].branches.insert(log.clone(), text);
    driver.restart(1);
    let part = driver.replicas[0].frame(&log, 0, entries[..2].to_vec()).unwrap();
    driver.input(1, Input::Frame(part));
    assert_eq!(head(&driver, 1, &log, None).head.size, 2);
    let outputs = driver.replicas[1].handle(driver.now, vec![Input::Frame(frame)]);
    let is_wanted = |output: &Output| matches!(output, Output::Want { origin, start: 2 } if *origin == log);
    let is_refetched = |output: &Output| matches!(output, Output::Refetch { .. });
    assert!(outputs.iter().any(is_wanted), "{outputs:?}");
    assert!(!outputs.iter().any(is_refetched), "{outputs:?}");
}

#[test]
fn less_of_another_branch_is_set_aside_when_the_branch_that_stands_is_shown() {
    let (mut driver, next, entries) = stopped_at_a_fork();
    let log = next.old.origin.clone();
    let whole = driver.replicas[0].frame(&log, 0, entries.clone()).unwrap();
    let other = Branch::of(&log, &entries, entries.len() - 2, 1);
    let shown = other.frame(0, other.entries.len());
    forget_log(&mut driver, &log);
    driver.disks[1]
        .logs
        .insert(log.clone(), (other.entries.clone(), shown.checkpoint));
    let text = next.to_text().into_bytes();
    driver.disks[1].branches.insert(log.clone(), text);
    driver.restart(1);
    assert!(head(&driver, 1, &log, None).head.size < next.old.head.size);
    driver.input(1, Input::Frame(whole.clone()));
    driver.input(1, Input::Frame(whole));
    assert_eq!(head(&driver, 1, &log, None), next.old);
}

#[test]
fn a_fork_of_which_the_evidence_is_held_is_not_stated_again() {
    let (mut driver, mut next, entries) = stopped_at_a_fork();
    // What is held is not all that the opening names, so that frames of the log are looked at though it stopped.
    next.old.head.size += 9;
    driver.input(1, Input::Endorsed(next.to_text().into_bytes()));
    forget_alarms(&mut driver);
    let other = Branch::of(&next.old.origin, &entries, entries.len() - 1, 2);
    for _ in 0..3 {
        driver.input(1, Input::Frame(other.frame(0, other.entries.len())));
    }
    assert_eq!(driver.disks[1].evidence.len(), 1);
    let is_fork = |alarm: &&Alarm| matches!(alarm, Alarm::Fork { .. });
    assert_eq!(
        driver.alarms.iter().filter(is_fork).count(),
        0,
        "{:?}",
        driver.alarms
    );
}

#[test]
fn a_quorum_that_lets_the_new_log_count_is_followed_by_who_holds_another_branch_of_the_old_one() {
    let (mut driver, named_by_others, entries) = stopped_at_a_fork();
    let log = named_by_others.old.origin.clone();
    // Civil's node holds the other branch of housing's log; housing's administrator went on after its own.
    let other = Branch::of(&log, &entries, entries.len() - 1, 2);
    let shown = other.frame(0, other.entries.len());
    forget_log(&mut driver, &log);
    driver.disks[1]
        .logs
        .insert(log.clone(), (other.entries.clone(), shown.checkpoint));
    driver.restart(1);
    lose_lock(&mut driver);
    let second = opening(&driver, head(&driver, 0, &log, None), 2);
    open(&mut driver, &second, &["housing"]).unwrap();
    let third = opening(&driver, head(&driver, 0, &second.origin, None), 3);
    open(&mut driver, &third, &["bureau", "civil"]).unwrap();
    driver.is_parted = false;
    for _ in 0..4 {
        driver.pass();
    }
    assert!(driver.replicas[1].world().number_of_log(&third.origin).is_some());
    driver.assert_same_state();
}

#[test]
fn what_the_disk_kept_of_the_branch_that_stands_leads_there_though_the_log_stopped() {
    let (mut driver, next, entries) = stopped_at_a_fork();
    let log = next.old.origin.clone();
    let whole = driver.replicas[0].frame(&log, 0, entries).unwrap();
    for is_kept in [false, true] {
        forget_log(&mut driver, &log);
        if is_kept {
            let text = next.to_text().into_bytes();
            driver.disks[1].branches.insert(log.clone(), text);
        }
        driver.restart(1);
        driver.input(1, Input::Frame(whole.clone()));
        let held = head(&driver, 1, &log, None);
        assert_eq!(held == next.old, is_kept, "{held:?}");
    }
    // Bytes that are no opening are told of, and nothing else comes of them.
    forget_alarms(&mut driver);
    driver.input(1, Input::Endorsed(b"{}".to_vec()));
    assert_eq!(driver.alarms.len(), 1, "{:?}", driver.alarms);
}

#[test]
fn the_branch_that_the_opening_of_a_later_epoch_names_is_not_given_up_for_that_of_an_earlier_one() {
    let mut driver = Driver::new();
    file(&mut driver);
    driver.assert_equal();
    driver.is_parted = true;
    let log = origin(&driver, "housing", 1);
    let stands = opening(&driver, head(&driver, 1, &log, None), 3);
    let mut before = opening(&driver, head(&driver, 1, &log, None), 2);
    before.old.head.root.0[0] ^= 1;
    let frame = first_frame(&driver, &before, &["bureau", "civil"], |_: &mut Entry| {});
    for is_kept in [true, false] {
        driver.restart(1);
        if is_kept {
            driver.input(1, Input::Endorsed(stands.to_text().into_bytes()));
        }
        let outputs = driver.replicas[1].handle(driver.now, vec![Input::Frame(frame.clone())]);
        let is_refetched =
            |output: &Output| matches!(output, Output::Refetch { origin, .. } if *origin == log);
        assert_eq!(outputs.iter().any(is_refetched), !is_kept, "{outputs:?}");
    }
}

#[test]
fn what_was_resolved_while_less_of_a_log_counted_is_derived_again() {
    let mut driver = Driver::new();
    file(&mut driver);
    driver.assert_equal();
    // The bureau's log names all of housing's.
    driver.now = driver.now.plus_ms(61_000);
    driver.input(0, Input::Tick);
    driver.assert_equal();
    driver.is_parted = true;
    // Civil's disk kept an epoch that continues another branch, less of it, than the one it fetched since: it cannot be opened any more.
    let log = origin(&driver, "housing", 1);
    let size = head(&driver, 1, &log, None).head.size;
    let mut before = opening(&driver, head(&driver, 1, &log, Some(size - 1)), 2);
    before.old.head.root.0[0] ^= 1;
    let quorum = ["bureau", "civil"];
    let kept = first_frame(&driver, &before, &quorum, |_: &mut Entry| {});
    let stands = opening(&driver, head(&driver, 1, &log, None), 3);
    let frame = first_frame(&driver, &stands, &quorum, |_: &mut Entry| {});
    driver.disks[1]
        .logs
        .insert(before.origin.clone(), (kept.entries, kept.checkpoint));
    driver.disks[1]
        .branches
        .insert(log.clone(), stands.to_text().into_bytes());
    driver.restart(1);
    assert_eq!(driver.replicas[1].world().end_of(&log), Some(size - 1));
    let rebuilds = driver.disks[1].rebuilds;
    driver.input(1, Input::Frame(frame));
    assert_eq!(driver.disks[1].rebuilds, rebuilds + 1);
    assert_eq!(driver.replicas[1].world().end_of(&log), Some(size));
    let account_of_all = account(&driver.replicas[1]);
    driver.restart(1);
    assert_eq!(account(&driver.replicas[1]), account_of_all);
    assert_eq!(driver.disks[1].rebuilds, rebuilds + 1, "not again and again");
}
