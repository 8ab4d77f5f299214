use super::super::fixture::{Fixture, contents, cut_database, entries, head, own_store, write_all};
use super::*;
use assert_matches::assert_matches;
use std::fs;

fn open(f: &Fixture) -> Result<OwnStore, StoreError> {
    OwnStore::open(&f.data, &f.origin, &mut |_, _| {})
}

fn from_files(files: &LogFiles) -> impl FnMut(u64, u64) -> Result<Vec<Arc<[u8]>>, StoreError> {
    move |start, count| files.range(start, count, 1000)
}

#[test]
fn a_store_opens_as_it_was_closed() {
    let f = Fixture::new();
    drop(own_store(&f, 300));
    let mut seen = Vec::new();
    let own = OwnStore::open(&f.data, &f.origin, &mut |_, entry| seen.push(Arc::clone(entry))).unwrap();
    assert_eq!(seen, entries(0, 300));
    assert_eq!(
        (own.tail, own.lock.head(), own.files.head()),
        (head(300), head(300), head(300))
    );
    assert_eq!(own.log.record(b"draft/1").unwrap().unwrap().len(), 9_000);
    assert_eq!(own.set_aside, None);
}

#[test]
fn a_crash_between_any_two_steps_of_writing_is_taken_up_again() {
    let f = Fixture::new();
    let mut own = own_store(&f, 10);
    own.log.append_batch(10, &entries(10, 1000), &[]).unwrap();
    own.log.append_batch(1000, &entries(1000, 2000), &[]).unwrap();
    drop(own);
    let mut own = open(&f).unwrap();
    assert_eq!(
        (own.tail.size, own.lock.head().size, own.files.head().size),
        (2000, 10, 10)
    );
    assert_matches!(
        own.publish(&f.checkpoint(2000)),
        Err(StoreError::LockBehind { .. })
    );
    own.lock.advance(head(2000)).unwrap();
    drop(own);
    let mut own = open(&f).unwrap();
    assert_eq!(
        (own.tail.size, own.lock.head().size, own.files.head().size),
        (2000, 2000, 10)
    );
    own.publish(&f.checkpoint(2000)).unwrap();
    own.settle().unwrap();
    own.publish(&f.checkpoint(2000)).unwrap();
    own.settle().unwrap();
    assert_eq!(own.files.exported(), head(2000));
    drop(own);
    assert_eq!(open(&f).unwrap().files.exported(), head(2000));
}

#[test]
fn a_checkpoint_that_was_only_published_is_signed_again_after_a_crash() {
    let f = Fixture::new();
    let mut own = own_store(&f, 10);
    own.log.append_batch(10, &entries(10, 12), &[]).unwrap();
    own.lock.advance(head(12)).unwrap();
    own.publish(&f.checkpoint(12)).unwrap();
    assert_eq!(
        (own.checkpoint(), own.files.exported()),
        (Some(f.checkpoint(12).as_slice()), head(10))
    );
    drop(own);
    let mut own = open(&f).unwrap();
    assert_eq!(
        (own.tail, own.lock.head(), own.files.exported()),
        (head(12), head(12), head(10))
    );
    own.publish(&f.checkpoint(12)).unwrap();
    own.settle().unwrap();
    assert_eq!(own.files.exported(), head(12));
}

#[test]
fn only_a_checkpoint_of_the_head_in_the_lock_is_published() {
    let f = Fixture::new();
    let mut own = own_store(&f, 10);
    let forged = TreeHead {
        size: 10,
        root: head(9).root,
    };
    assert_matches!(
        own.publish(&f.signed(forged)),
        Err(StoreError::HeadContradiction { .. })
    );
    assert_matches!(
        own.publish(&f.checkpoint(9)),
        Err(StoreError::HeadContradiction { .. })
    );
    assert_matches!(own.publish(&f.checkpoint(11)), Err(StoreError::LockBehind { .. }));
}

#[test]
fn creation_is_explicit_happens_once_and_can_be_taken_up_after_a_crash() {
    let f = Fixture::new();
    assert_matches!(open(&f), Err(StoreError::NoSuchLog { .. }));
    assert!(!f.data.own_log(&f.origin).exists(), "opening creates nothing");
    drop(OwnStore::create(&f.data, &f.origin).unwrap());
    assert_matches!(OwnStore::create(&f.data, &f.origin), Err(StoreError::Io { .. }));
    // As if killed between the lock and the log: the lock says that nothing was signed.
    fs::remove_dir_all(f.data.own_log(&f.origin)).unwrap();
    let mut own = open(&f).unwrap();
    own.log.append_batch(0, &entries(0, 3), &[]).unwrap();
    drop(own);
    // A log never gets a new lock.
    fs::remove_file(f.data.signing_lock(&f.origin)).unwrap();
    assert_matches!(open(&f), Err(StoreError::LockMissing { log_size: 3, .. }));
    assert_matches!(OwnStore::create(&f.data, &f.origin), Err(StoreError::Io { .. }));
}

#[test]
fn without_its_lock_a_damaged_log_keeps_no_node_from_starting() {
    let f = Fixture::new();
    drop(own_store(&f, 30));
    fs::write(f.data.own_log(&f.origin).join("db"), b"no database").unwrap();
    let error = open(&f).unwrap_err();
    assert!(!error.ends_epoch(), "with its lock it is refilled: {error}");
    fs::remove_file(f.data.signing_lock(&f.origin)).unwrap();
    assert!(open(&f).unwrap_err().ends_epoch());
}

#[test]
fn a_missing_or_damaged_lock_stops_the_log() {
    let f = Fixture::new();
    drop(own_store(&f, 30));
    let path = f.data.signing_lock(&f.origin);
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[4096 + 60] ^= 1;
    fs::write(&path, damaged).unwrap();
    assert_matches!(open(&f), Err(StoreError::LockDamaged { .. }));
    fs::remove_file(&path).unwrap();
    let error = open(&f).unwrap_err();
    assert_matches!(error, StoreError::LockMissing { log_size: 30, .. });
    assert!(
        error.to_string().contains("remedy: start the node"),
        "the remedy is named: {error}"
    );
}

#[test]
fn a_lock_older_than_the_checkpoint_stops_the_log() {
    let f = Fixture::new();
    let mut own = own_store(&f, 30);
    let path = own.lock.path().to_owned();
    let older = fs::read(&path).unwrap();
    for size in [31, 32] {
        own.log
            .append_batch(size - 1, &entries(size - 1, size), &[])
            .unwrap();
        own.lock.advance(head(size)).unwrap();
        own.publish(&f.checkpoint(size)).unwrap();
        own.settle().unwrap();
    }
    drop(own);
    fs::write(&path, older).unwrap();
    assert_matches!(
        open(&f),
        Err(StoreError::LockBehind {
            locked: 30,
            signed: 32,
            ..
        })
    );
}

#[test]
fn a_log_restored_from_a_backup_stops() {
    let f = Fixture::new();
    drop(own_store(&f, 30));
    let folder = f.data.own_log(&f.origin);
    let backup = contents(&folder);
    let mut own = open(&f).unwrap();
    own.log.append_batch(30, &entries(30, 50), &[]).unwrap();
    own.lock.advance(head(50)).unwrap();
    drop(own);
    fs::remove_dir_all(&folder).unwrap();
    assert_matches!(
        open(&f),
        Err(StoreError::LogBehind {
            signed: 50,
            held: 0,
            ..
        })
    );
    write_all(&folder, &backup);
    let error = open(&f).unwrap_err();
    assert_matches!(
        error,
        StoreError::LogBehind {
            signed: 50,
            held: 30,
            ..
        }
    );
}

#[test]
fn a_lock_or_checkpoint_with_another_root_stops_the_log() {
    let f = Fixture::new();
    let mut own = own_store(&f, 30);
    own.log.append_batch(30, &entries(30, 40), &[]).unwrap();
    let forged = TreeHead {
        size: 40,
        root: head(39).root,
    };
    own.lock.advance(forged).unwrap();
    drop(own);
    assert_matches!(
        open(&f),
        Err(StoreError::HeadContradiction { size: 40, path, .. }) if path == f.data.signing_lock(&f.origin)
    );

    let f = Fixture::new();
    drop(own_store(&f, 30));
    let path = f.data.log_files(&f.origin).join("checkpoint");
    let forged = TreeHead {
        size: 30,
        root: head(29).root,
    };
    fs::write(&path, f.signed(forged)).unwrap();
    assert_matches!(
        open(&f),
        Err(StoreError::HeadContradiction { size: 30, path: found, .. }) if found == path
    );
}

/// The end of the file may hold nothing but padding; whatever opens must be whole.
#[test]
fn a_truncated_database_is_never_taken_for_a_whole_one() {
    let mut refused = 0;
    for keep_percent in [0, 1, 10, 30, 50, 70, 90, 99] {
        let f = Fixture::new();
        drop(own_store(&f, 1000));
        cut_database(&f, keep_percent);
        match open(&f) {
            Ok(own) => assert_eq!(own.log.range(0, 1000, usize::MAX).unwrap(), entries(0, 1000)),
            Err(error) => {
                assert!(error.as_damage().is_some(), "{keep_percent} %: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused >= 5, "only {refused} of 8 cuts did any harm");
}

#[test]
fn damaged_files_are_kept_and_written_again_from_the_log() {
    let f = Fixture::new();
    let own = own_store(&f, 700);
    let folder = own.files.folder().to_owned();
    drop(own);
    let whole = contents(&folder);
    for name in whole.keys() {
        let path = folder.join(name);
        fs::remove_file(&path).unwrap();
        let mut own = open(&f).unwrap();
        let (damage, kept) = own.set_aside.clone().unwrap();
        assert_eq!(
            (damage.file, contents(&kept).len()),
            (path, whole.len() - 1),
            "{name}"
        );
        own.publish(&f.checkpoint(700)).unwrap();
        own.settle().unwrap();
        drop(own);
        assert_eq!(contents(&folder), whole, "{name}");
    }
}

#[test]
fn a_cut_log_is_refilled_from_its_own_files() {
    let f = Fixture::new();
    drop(own_store(&f, 700));
    cut_database(&f, 50);
    assert!(open(&f).is_err());
    let files = LogFiles::open(&f.data, &f.origin, &mut |_, _| {}).unwrap();
    let refilled = refill_own_log(&f.data, &f.origin, &mut from_files(&files)).unwrap();
    assert_eq!(refilled.entries, 700);
    assert!(
        refilled.set_aside.unwrap().join("db").exists(),
        "the old log is kept"
    );
    drop(files);
    let own = open(&f).unwrap();
    assert_eq!((own.tail, own.lock.head()), (head(700), head(700)));
    assert_eq!(own.log.range(0, 700, usize::MAX).unwrap(), entries(0, 700));
}

#[test]
fn refilling_keeps_the_local_records_that_can_be_read() {
    let f = Fixture::new();
    let mut own = own_store(&f, 20);
    own.lock.advance(head(25)).unwrap();
    drop(own);
    assert_matches!(
        open(&f),
        Err(StoreError::LogBehind {
            signed: 25,
            held: 20,
            ..
        })
    );
    let mut peers = |start: u64, count: u64| Ok(entries(start, start + count.min(7)));
    let refilled = refill_own_log(&f.data, &f.origin, &mut peers).unwrap();
    assert_eq!((refilled.entries, refilled.records), (25, 1));
    let own = open(&f).unwrap();
    assert_eq!(own.log.record(b"draft/1").unwrap().unwrap().len(), 9_000);
}

#[test]
fn a_refill_that_does_not_fit_the_lock_changes_nothing() {
    let f = Fixture::new();
    drop(own_store(&f, 20));
    let mut other = |start: u64, count: u64| Ok(entries(start + 1, start + 1 + count));
    assert_matches!(
        refill_own_log(&f.data, &f.origin, &mut other),
        Err(StoreError::HeadContradiction { size: 20, .. })
    );
    assert_eq!(open(&f).unwrap().tail, head(20));
    let mut lock = super::super::SigningLock::open(&f.data, &f.origin, 20).unwrap();
    lock.advance(head(25)).unwrap();
    let mut short = |start: u64, _: u64| Ok(entries(start, 15.min(start + 5)));
    assert_matches!(
        refill_own_log(&f.data, &f.origin, &mut short),
        Err(StoreError::OutOfRange { size: 20, .. })
    );
    assert_matches!(open(&f), Err(StoreError::LogBehind { held: 20, .. }));
}

#[test]
fn what_no_source_has_is_taken_from_the_old_log() {
    let f = Fixture::new();
    drop(own_store(&f, 20));
    let mut short = |start: u64, _: u64| Ok(entries(start, 15.max(start).min(start + 5)));
    let refilled = refill_own_log(&f.data, &f.origin, &mut short).unwrap();
    assert_eq!((refilled.entries, refilled.records), (20, 1));
    assert_eq!(open(&f).unwrap().tail, head(20));
}

/// A node whose snapshot rests on the files reads only what lies behind them of the own log.
#[test]
fn a_log_put_back_to_an_old_copy_is_noticed_beside_whole_files() {
    let f = Fixture::new();
    drop(own_store(&f, 30));
    let folder = f.data.own_log(&f.origin);
    let old = f.dir.path().join("old");
    fs::rename(&folder, &old).unwrap();
    drop(fs::remove_file(f.data.signing_lock(&f.origin)));
    fs::remove_dir_all(f.data.log_files(&f.origin)).unwrap();
    drop(own_store(&f, 50));
    assert!(OwnStore::open_edge(&f.data, &f.origin, &f.log_key()).is_ok());
    fs::remove_dir_all(&folder).unwrap();
    fs::rename(&old, &folder).unwrap();
    assert_matches!(
        OwnStore::open_edge(&f.data, &f.origin, &f.log_key()),
        Err(StoreError::Damaged(_))
    );
    assert_matches!(
        OwnStore::open_signed(&f.data, &f.origin, &f.log_key()),
        Err(StoreError::LogBehind {
            signed: 50,
            held: 30,
            ..
        })
    );
}

#[test]
fn one_flipped_bit_of_a_checkpoint_ends_no_epoch_and_is_mended() {
    let f = Fixture::new();
    drop(own_store(&f, 58));
    let path = f.data.log_files(&f.origin).join("checkpoint");
    let whole = fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut altered = whole.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &altered).unwrap();
        let own = OwnStore::open_signed(&f.data, &f.origin, &f.log_key());
        let mut own = own.unwrap_or_else(|error| panic!("bit {bit}: {error}"));
        assert_eq!((own.log.len(), own.lock.head()), (58, head(58)), "bit {bit}");
        own.publish(&f.checkpoint(58)).unwrap();
        own.settle().unwrap();
        drop(own);
        assert_eq!(fs::read(&path).unwrap(), whole, "bit {bit}");
    }
}
