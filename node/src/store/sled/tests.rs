use super::super::conformance::{self, entry};
use super::*;
use assert_matches::assert_matches;
use std::fs;
use tempfile::TempDir;

fn origin() -> Origin {
    Origin::parse("xian-0123456789abcdef/housing/1").unwrap()
}

fn open(folder: &Path) -> Result<SledLog, StoreError> {
    SledLog::open(folder, &origin(), &mut |_, _| {})
}

fn log_of(entries: u64, bytes: usize) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("own");
    let mut log = open(&folder).unwrap();
    for index in 0..entries {
        let record = LocalRecord::Put {
            key: b"draft".to_vec(),
            value: vec![3; 9_000],
        };
        log.append_batch(index, &[entry(index, bytes)], &[record])
            .unwrap();
    }
    Box::new(log).close().unwrap();
    (dir, folder)
}

/// Changes the tree behind the back of the store.
fn tamper(folder: &Path, change: impl FnOnce(&sled::Db)) {
    let tree = open_engine(folder).unwrap();
    change(&tree);
    tree.flush().unwrap();
}

fn damage_on_open(folder: &Path) -> Damage {
    match open(folder) {
        Err(StoreError::Damaged(damage)) => damage,
        other => panic!("expected damage, got {other:?}"),
    }
}

#[test]
fn sled_passes_the_conformance_suite() {
    conformance::run(&|check| {
        let dir = TempDir::new().unwrap();
        check(&|| Ok(Box::new(open(&dir.path().join("own"))?)));
    });
}

#[test]
fn what_is_whole_of_a_damaged_log_can_be_saved() {
    let (_dir, folder) = log_of(8, 20_000);
    let keep = LocalRecord::Put {
        key: b"closed-event/1".to_vec(),
        value: vec![1],
    };
    let mut log = open(&folder).unwrap();
    log.append_batch(8, &[], &[keep]).unwrap();
    drop(log);
    tamper(&folder, |tree| {
        tree.insert(entry_key(5, 1), b"x").unwrap();
        tree.insert(record_key(b"draft", 1), b"x").unwrap();
        tree.insert(META_ORIGIN, b"x").unwrap();
    });
    damage_on_open(&folder);
    let log = SledLog::open_to_save(&folder, &origin()).unwrap();
    let whole = |start: u64, count: u64| -> Vec<Arc<[u8]>> { log.whole_entries(start, count) };
    assert_eq!(
        whole(0, 100),
        (0..5).map(|index| entry(index, 20_000)).collect::<Vec<_>>()
    );
    assert_eq!(whole(6, 1), [entry(6, 20_000)]);
    assert!(whole(5, 1).is_empty());
    assert_eq!(log.whole_records(), [(b"closed-event/1".to_vec(), vec![1])]);
}

#[test]
fn a_missing_chunk_is_named_by_its_entry() {
    let (_dir, folder) = log_of(5, 20_000);
    tamper(&folder, |tree| {
        tree.remove(entry_key(3, 1)).unwrap().unwrap();
    });
    let damage = damage_on_open(&folder);
    assert_eq!(damage.kind, DamageKind::Missing);
    assert_eq!(
        damage.what,
        "chunk 1 of entry 3 is missing, found chunk 2 of entry 3"
    );
}

#[test]
fn a_missing_entry_is_named() {
    let (_dir, folder) = log_of(5, 600);
    tamper(&folder, |tree| {
        tree.remove(entry_key(2, 0)).unwrap().unwrap();
    });
    assert_eq!(
        damage_on_open(&folder).what,
        "chunk 0 of entry 2 is missing, found chunk 0 of entry 3"
    );
}

#[test]
fn a_missing_last_entry_is_noticed_by_the_recorded_length() {
    let (_dir, folder) = log_of(5, 600);
    tamper(&folder, |tree| {
        tree.remove(entry_key(4, 0)).unwrap().unwrap();
    });
    assert_eq!(
        damage_on_open(&folder).what,
        "the last batch ended at 5 entries, found 4; the first one missing is entry 4"
    );
}

#[test]
fn every_flipped_bit_of_a_value_is_noticed() {
    let (_dir, folder) = log_of(2, 30);
    let mut value = Vec::new();
    tamper(&folder, |tree| {
        value = tree.get(entry_key(1, 0)).unwrap().unwrap().to_vec();
    });
    for bit in 0..value.len() * 8 {
        let mut flipped = value.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_matches!(Chunk::parse(&entry_key(1, 0), &flipped), Err(_), "bit {bit}");
    }
    assert_matches!(Chunk::parse(&entry_key(0, 0), &value), Err(_));
    value[15] ^= 1;
    tamper(&folder, |tree| {
        tree.insert(entry_key(1, 0), value).unwrap();
    });
    let damage = damage_on_open(&folder);
    assert_eq!(
        (damage.kind, damage.what.as_str()),
        (DamageKind::Altered, "entry 1: the checksum does not fit")
    );
}

#[test]
fn a_surplus_key_among_the_entries_is_noticed() {
    let (_dir, folder) = log_of(2, 600);
    tamper(&folder, |tree| {
        tree.insert(b"e\0\0", b"x").unwrap();
    });
    assert_eq!(
        damage_on_open(&folder).what,
        "chunk 0 of entry 0 is missing, found the key 650000"
    );
}

#[test]
fn a_missing_chunk_of_a_record_is_noticed_when_it_is_read() {
    for chunk in [0, 1] {
        let (_dir, folder) = log_of(1, 600);
        tamper(&folder, |tree| {
            tree.remove(record_key(b"draft", chunk)).unwrap().unwrap();
        });
        let log = open(&folder).unwrap();
        assert_matches!(log.record(b"draft"), Err(StoreError::Damaged(_)));
    }
}

#[test]
fn a_folder_of_another_log_is_refused() {
    let (_dir, folder) = log_of(1, 600);
    let other = Origin::parse("xian-0123456789abcdef/housing/2").unwrap();
    assert_matches!(
        SledLog::open(&folder, &other, &mut |_, _| {}),
        Err(StoreError::WrongOrigin { .. })
    );
}

#[test]
fn a_folder_in_use_is_refused() {
    let (_dir, folder) = log_of(1, 600);
    let _log = open(&folder).unwrap();
    assert_matches!(open(&folder), Err(StoreError::InUse { .. }));
}

#[test]
fn a_file_in_blobs_stops_acknowledging_for_good() {
    let (_dir, folder) = log_of(1, 600);
    let mut log = open(&folder).unwrap();
    fs::write(folder.join("blobs").join("17"), b"x").unwrap();
    assert_matches!(
        log.append_batch(1, &[entry(1, 600)], &[]),
        Err(StoreError::UnsyncedBlobs { count: 1, .. })
    );
    fs::remove_file(folder.join("blobs").join("17")).unwrap();
    assert_matches!(
        log.append_batch(1, &[entry(1, 600)], &[]),
        Err(StoreError::Stopped { .. })
    );
    assert_eq!(log.len(), 1);
}

/// Whatever is cut off or overwritten, opening gives a typed error or a whole prefix: no panic, no gap, no wrong byte. That a prefix is
/// too short only the signing lock and the files can tell: see the tests of recovery.
#[test]
fn a_damaged_database_file_never_panics_and_never_gives_wrong_entries() {
    let (_dir, folder) = log_of(60, 6_000);
    let db = folder.join("db");
    let whole = fs::read(&db).unwrap();
    let mut harmed = 0;
    for step in 0..24usize {
        let mut bytes = whole.clone();
        let at = whole.len() * step / 24;
        if step % 2 == 0 {
            bytes.truncate(at);
        } else {
            bytes[at..at + 512].fill(0xa5);
        }
        for name in durable::names_in(&folder).unwrap() {
            if name.starts_with("snap.") {
                fs::remove_file(folder.join(name)).unwrap();
            }
        }
        fs::write(&db, &bytes).unwrap();
        match open(&folder) {
            Err(StoreError::Damaged(_) | StoreError::EngineOpen { .. } | StoreError::Engine { .. }) => {
                harmed += 1;
            }
            Err(other) => panic!("step {step}: {other}"),
            Ok(log) => {
                for index in 0..log.len() {
                    assert_eq!(
                        log.entry(index).unwrap(),
                        Some(entry(index, 6_000)),
                        "step {step}"
                    );
                }
                harmed += usize::from(log.len() < 60);
            }
        }
    }
    assert!(harmed >= 12, "only {harmed} of 24 changes did any harm");
}
