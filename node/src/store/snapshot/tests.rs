//! Rows survive, the newest counts, and whatever is damaged is set aside and never served.

use super::*;
use std::fs;

fn opened() -> (tempfile::TempDir, DataDir) {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    (dir, data)
}

fn row(key: u64, value: Option<u64>) -> Row {
    Row {
        key: key.to_be_bytes().to_vec(),
        value: value.map(|value| value.to_be_bytes().repeat(9)),
    }
}

fn head(genesis: u8) -> SnapshotHead {
    SnapshotHead {
        genesis: Hash([genesis; 32]),
        ..SnapshotHead::default()
    }
}

fn all(files: &SnapshotFiles) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    files
        .rows(&[], &mut |key, value| {
            found.insert(key.to_vec(), value.to_vec());
        })
        .unwrap();
    found
}

#[test]
fn rows_of_many_snapshots_are_one_map_after_every_write_and_every_open() {
    let (_dir, data) = opened();
    let (files, none, damage) = SnapshotFiles::open(&data).unwrap();
    assert_eq!((none, damage), (None, None));
    let mut expected: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for turn in 0..40u64 {
        // Every row of a turn is new, replaced or removed.
        let changes: BTreeMap<u64, Option<u64>> = (0..200)
            .map(|number| (turn * 97 + number * 31) % 3_001)
            .map(|key| (key, ((key + turn) % 7 != 0).then_some(turn)))
            .collect();
        let rows: Vec<Row> = changes.iter().map(|(key, value)| row(*key, *value)).collect();
        for row in &rows {
            match &row.value {
                Some(value) => drop(expected.insert(row.key.clone(), value.clone())),
                None => drop(expected.remove(&row.key)),
            }
        }
        files.write(&head(1), &rows).unwrap();
        assert!(files.tables().len() < 8, "tables are merged");
        if turn % 8 == 0 {
            assert_eq!(all(&files), expected);
            let (again, read, _) = SnapshotFiles::open(&data).unwrap();
            assert_eq!(read.unwrap().genesis, Hash([1; 32]));
            assert_eq!(all(&again), expected);
            for key in 0..3_001u64 {
                let key = key.to_be_bytes();
                assert_eq!(again.row(&key).unwrap().as_ref(), expected.get(key.as_slice()));
            }
        }
    }
    let prefix = 5u64.to_be_bytes();
    let mut found = 0;
    files.rows(&prefix[..7], &mut |_, _| found += 1).unwrap();
    assert_eq!(
        found,
        expected
            .keys()
            .filter(|key| key.starts_with(&prefix[..7]))
            .count()
    );
}

#[test]
fn any_damage_is_found_at_open_or_when_the_row_is_read_and_set_aside() {
    let (dir, data) = opened();
    let write = || {
        let (files, ..) = SnapshotFiles::open(&data).unwrap();
        let rows: Vec<Row> = (0..600).map(|key| row(key, Some(key))).collect();
        files.write(&head(1), &rows).unwrap();
        let folder = data.snapshot();
        let table = durable::names_in(&folder)
            .unwrap()
            .into_iter()
            .find(|name| name.ends_with(".rows"));
        (folder.join("head"), folder.join(table.unwrap()))
    };
    let (path, table) = write();
    let whole = fs::read(&path).unwrap();
    for at in [0, 3, whole.len() / 2, whole.len() - 1] {
        let (path, _) = write();
        let mut bytes = fs::read(&path).unwrap();
        bytes[at.min(whole.len() - 1)] ^= 4;
        fs::write(&path, bytes).unwrap();
        let (files, head, why) = SnapshotFiles::open(&data).unwrap();
        assert!(head.is_none() && why.is_some(), "byte {at} of the head");
        assert_eq!(all(&files), BTreeMap::new());
        assert!(!path.exists(), "it was set aside");
    }
    drop(table);
    let length = {
        let (_, table) = write();
        fs::metadata(&table).unwrap().len()
    };
    for at in [0, 1, 700, 5_000, length / 2, length - 1] {
        let (_, table) = write();
        let mut bytes = fs::read(&table).unwrap();
        bytes[usize::try_from(at).unwrap()] ^= 1;
        fs::write(&table, bytes).unwrap();
        let (files, head, why) = SnapshotFiles::open(&data).unwrap();
        if head.is_some() {
            assert!(files.rows(&[], &mut |_, _| {}).is_err(), "byte {at} of the table");
            files.set_aside().unwrap();
        } else {
            assert!(why.is_some());
        }
    }
    let (_, table) = write();
    fs::remove_file(table).unwrap();
    let (_, head, why) = SnapshotFiles::open(&data).unwrap();
    assert!(head.is_none() && why.is_some());
    assert!(fs::read_dir(dir.path().join("set-aside")).unwrap().count() > 5);
}

#[test]
fn what_a_crash_left_between_two_steps_is_removed() {
    let (_dir, data) = opened();
    let (files, ..) = SnapshotFiles::open(&data).unwrap();
    files.write(&head(1), &[row(1, Some(1))]).unwrap();
    let stray = data.snapshot().join("77.rows");
    fs::write(&stray, b"half").unwrap();
    let (files, head, why) = SnapshotFiles::open(&data).unwrap();
    assert!(head.is_some() && why.is_none() && !stray.exists());
    assert_eq!(all(&files).len(), 1);
}

#[test]
fn a_row_is_found_by_its_id_with_its_filter_and_without() {
    let (_dir, data) = opened();
    let (files, ..) = SnapshotFiles::open(&data).unwrap();
    let id = |number: u64| checksum(&number.to_be_bytes());
    let key = |prefix: u8, number: u64, rest: &[u8]| [&[prefix], id(number).0.as_slice(), rest].concat();
    for turn in 0..9u64 {
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for number in (0..50).map(|place| turn * 50 + place) {
            rows.insert(key(b'c', number, &[]), vec![1]);
            rows.insert(key(b'e', number, &[7; 12]), Vec::new());
        }
        let rows = rows.into_iter().map(|(key, value)| Row {
            key,
            value: Some(value),
        });
        files.write(&head(1), &rows.collect::<Vec<_>>()).unwrap();
    }
    let check = |files: &SnapshotFiles| {
        for number in 0..600 {
            let is_there = number < 450;
            assert_eq!(files.row(&key(b'c', number, &[])).unwrap().is_some(), is_there);
            assert_eq!(files.row(&key(b'p', number, &[])).unwrap(), None);
            let mut found = 0;
            files
                .rows(&key(b'e', number, &[]), &mut |_, _| found += 1)
                .unwrap();
            assert_eq!(found, usize::from(is_there));
        }
    };
    check(&files);
    let names = || -> Vec<String> {
        let names = durable::names_in(&data.snapshot()).unwrap();
        names.into_iter().filter(|name| name.ends_with(".ids")).collect()
    };
    let count = files.tables().len();
    assert_eq!(names().len(), count, "one for each table");
    let in_vain = |files: &SnapshotFiles| {
        let marks: Vec<_> = (1_000..3_000)
            .map(|number| Mark::of(&key(b'c', number, &[])))
            .collect();
        let tables = files.tables();
        marks
            .iter()
            .filter(|mark| tables.iter().any(|table| table.may_have(**mark)))
            .count()
    };
    assert!(
        in_vain(&files) < 200,
        "most ids that no table has are known not to be there"
    );
    let (again, ..) = SnapshotFiles::open(&data).unwrap();
    assert_eq!(in_vain(&again), in_vain(&files));
    for (place, name) in names().iter().enumerate() {
        let path = data.snapshot().join(name);
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 0xff;
        if place == 0 {
            bytes.clear();
        }
        fs::write(&path, bytes).unwrap();
    }
    let (again, head, why) = SnapshotFiles::open(&data).unwrap();
    assert!(head.is_some() && why.is_none());
    check(&again);
    for name in names() {
        fs::remove_file(data.snapshot().join(name)).unwrap();
    }
    check(&SnapshotFiles::open(&data).unwrap().0);
}

#[test]
fn a_snapshot_that_could_not_be_written_leaves_nothing_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    let (files, ..) = SnapshotFiles::open(&data).unwrap();
    let rows: Vec<Row> = (0..500).map(|number| row(number, Some(7))).collect();
    // No file can take the place of the folder.
    fs::create_dir_all(data.snapshot().join("head")).unwrap();
    assert!(files.write(&head(1), &rows).is_err());
    assert_eq!(durable::names_in(&data.snapshot()).unwrap(), ["head"]);
    assert!(durable::names_in(&data.temporary()).unwrap().is_empty());
    fs::remove_dir(data.snapshot().join("head")).unwrap();
    files.write(&head(1), &rows).unwrap();
    assert!(SnapshotFiles::open(&data).unwrap().1.is_some());
}
