use super::super::error::DamageKind;
use super::super::fixture::{Fixture, Folder, contents, entries, head, tree, write_all};
use super::*;
use assert_matches::assert_matches;
use std::collections::BTreeMap;
use tally_ledger::export::verify_export;
use tally_ledger::merkle::{prove_consistency, prove_inclusion, verify_consistency, verify_inclusion};
use tally_schemas::tile::{bundles_of, encode_tile, tiles_of};

fn open(f: &Fixture) -> Result<LogFiles, StoreError> {
    LogFiles::open(&f.data, &f.origin, &mut |_, _| {})
}

/// The files of one log, appended in steps with a checkpoint after each.
fn log_of(f: &Fixture, sizes: &[u64]) -> LogFiles {
    let mut log = open(f).unwrap();
    for size in sizes {
        let start = log.head().size;
        let more = entries(start, *size);
        log.append(start, &more, Some(&f.checkpoint(*size))).unwrap();
        log.settle().unwrap();
    }
    log
}

/// What an export of a size must be, computed without the code under test.
fn expected_export(f: &Fixture, size: u64) -> BTreeMap<String, Vec<u8>> {
    let tree = tree(size);
    let mut files = BTreeMap::from([("checkpoint".to_owned(), f.checkpoint(size))]);
    for tile in tiles_of(size) {
        let hashes = tree.tile_hashes(tile.level, tile.index, tile.width).unwrap();
        files.insert(tile.path(), encode_tile(&hashes));
    }
    for bundle in bundles_of(size) {
        let first = bundle.first_entry();
        let held = entries(first, first + u64::from(bundle.width));
        files.insert(bundle.path(), encode_bundle(&held).unwrap());
    }
    files
}

#[test]
fn the_folder_is_exactly_an_export_after_every_call() {
    let f = Fixture::new();
    let mut log = open(&f).unwrap();
    for size in [
        1, 2, 3, 255, 256, 257, 300, 511, 512, 768, 1100, 1101, 5000, 5120, 5121,
    ] {
        let start = log.head().size;
        let before = log.exported().size;
        let more = entries(start, size);
        log.append(start, &more, Some(&f.checkpoint(size))).unwrap();
        let exported = log.exported().size;
        assert_eq!(
            exported,
            if size - before < SETTLE_ENTRIES {
                before
            } else {
                size
            }
        );
        if exported > 0 {
            assert_eq!(
                contents(log.folder()),
                expected_export(&f, exported),
                "size {size}"
            );
        }
        assert_eq!(log.checkpoint(), Some(f.checkpoint(size).as_slice()));
        log.settle().unwrap();
        assert_eq!(contents(log.folder()), expected_export(&f, size), "size {size}");
        assert_eq!((log.head(), log.exported()), (head(size), head(size)));
        let mut seen = Vec::new();
        let export = Folder(log.folder().to_owned());
        verify_export(&export, &f.log_key(), |entry| seen.push(Arc::from(entry.bytes))).unwrap();
        assert_eq!(seen, entries(0, size), "an independent reader at size {size}");
    }
}

#[test]
fn a_third_tile_level_is_written_and_read_back() {
    let f = Fixture::new();
    let log = log_of(&f, &[65_000, 65_536, 66_000]);
    assert_eq!(contents(log.folder()), expected_export(&f, 66_000));
    assert_eq!(open(&f).unwrap().head(), head(66_000));
}

#[test]
fn opening_hands_out_every_entry_and_goes_on_where_it_was() {
    let f = Fixture::new();
    drop(log_of(&f, &[300]));
    let mut seen = Vec::new();
    let mut log = LogFiles::open(&f.data, &f.origin, &mut |index, entry| {
        assert_eq!(index, seen.len() as u64);
        seen.push(Arc::clone(entry));
    })
    .unwrap();
    assert_eq!(seen, entries(0, 300));
    log.append(300, &entries(300, 520), Some(&f.checkpoint(520)))
        .unwrap();
    log.settle().unwrap();
    assert_eq!(contents(log.folder()), expected_export(&f, 520));
    assert_eq!(log.range(250, 100, usize::MAX).unwrap(), entries(250, 350));
    assert_eq!(log.range(510, 100, usize::MAX).unwrap(), entries(510, 520));
    assert_eq!(log.range(0, 5, 45).unwrap(), entries(0, 2));
    assert_eq!(log.entry(519).unwrap(), entries(519, 520).pop());
    assert_eq!(log.entry(520).unwrap(), None);
}

#[test]
fn a_new_cosignature_replaces_the_checkpoint_only() {
    let f = Fixture::new();
    let mut log = log_of(&f, &[10]);
    let mut more = f.checkpoint(10);
    more.extend_from_slice("\u{2014} witness.example S/Sh9AAAAAA=\n".as_bytes());
    log.append(10, &[], Some(&more)).unwrap();
    log.settle().unwrap();
    let mut expected = expected_export(&f, 10);
    expected.insert("checkpoint".to_owned(), more.clone());
    assert_eq!(contents(log.folder()), expected);
    assert_eq!(open(&f).unwrap().checkpoint(), Some(more.as_slice()));
}

#[test]
fn refused_appends_change_nothing() {
    let f = Fixture::new();
    let mut log = log_of(&f, &[300]);
    let before = contents(f.data.root());
    let more = entries(300, 310);
    for start in [299, 301, 0] {
        assert_matches!(
            log.append(start, &more, Some(&f.checkpoint(310))),
            Err(StoreError::IndexNotNext { expected: 300, .. })
        );
    }
    for size in [299, 311] {
        assert_matches!(
            log.append(300, &more, Some(&f.checkpoint(size))),
            Err(StoreError::CheckpointSize { .. })
        );
    }
    let mut swapped = more.clone();
    swapped.swap(3, 4);
    assert_matches!(
        log.append(300, &swapped, Some(&f.checkpoint(310))),
        Err(StoreError::RootMismatch { size: 310, .. })
    );
    let mut other = Fixture::new();
    other.origin.epoch = 2;
    assert_matches!(
        log.append(300, &more, Some(&other.checkpoint(310))),
        Err(StoreError::WrongOrigin { .. })
    );
    assert_matches!(
        log.append(300, &more, Some(b"no note")),
        Err(StoreError::Format { .. })
    );
    for bad in [Vec::new(), vec![0; 65_536]] {
        assert_matches!(
            log.append(300, &[bad.into()], None),
            Err(StoreError::EntryLength { index: 300, .. })
        );
    }
    assert_eq!(contents(f.data.root()), before);
    log.append(300, &more, Some(&f.checkpoint(310))).unwrap();
}

/// One file at a time is flipped, cut, emptied or removed; opening names exactly that file.
#[test]
fn every_damaged_file_is_named() {
    let f = Fixture::new();
    let folder = log_of(&f, &[700]).folder().to_owned();
    let whole = contents(&folder);
    assert_eq!(
        whole.len(),
        1 + 3 + 3 + 1,
        "checkpoint, bundles, tiles of level 0, tile of level 1"
    );
    for (name, bytes) in &whole {
        let path = folder.join(name);
        let mut flips = vec![0, bytes.len() / 2, bytes.len() - 1];
        if name == "checkpoint" {
            // Its signature is checked where the key is known, and a changed origin is another log: here size and root.
            let lines: Vec<usize> = bytes
                .iter()
                .enumerate()
                .filter(|(_, byte)| **byte == b'\n')
                .map(|(at, _)| at)
                .collect();
            flips = vec![lines[0] + 1, lines[1] + 5];
        }
        let mut damaged: Vec<(String, Vec<u8>)> = flips
            .iter()
            .map(|at| {
                let mut flipped = bytes.clone();
                flipped[*at] ^= 1;
                (format!("byte {at}"), flipped)
            })
            .collect();
        damaged.push(("cut".to_owned(), bytes[..bytes.len() - 1].to_vec()));
        damaged.push(("emptied".to_owned(), Vec::new()));
        damaged.push(("longer".to_owned(), [bytes.as_slice(), b"x"].concat()));
        for (how, bytes) in damaged {
            fs::write(&path, bytes).unwrap();
            match open(&f) {
                Err(StoreError::Damaged(damage)) => assert_eq!(damage.file, path, "{name} {how}: {damage}"),
                other => panic!("{name} {how}: {other:?}"),
            }
        }
        fs::remove_file(&path).unwrap();
        assert_matches!(
            open(&f),
            Err(StoreError::Damaged(damage)) if damage.file == path && damage.kind == DamageKind::Missing
        );
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(open(&f).unwrap().head(), head(700));
}

#[test]
fn a_crash_before_the_checkpoint_leaves_the_old_log() {
    let f = Fixture::new();
    let folder = log_of(&f, &[200]).folder().to_owned();
    let mut ahead = expected_export(&f, 5000);
    ahead.remove("checkpoint");
    write_all(&folder, &ahead);
    let mut log = open(&f).unwrap();
    assert_eq!(log.head(), head(200));
    assert_eq!(contents(&folder), expected_export(&f, 200));
    verify_export(&Folder(folder.clone()), &f.log_key(), |_| {}).unwrap();
    log.append(200, &entries(200, 600), Some(&f.checkpoint(600)))
        .unwrap();
    log.settle().unwrap();
    assert_eq!(contents(&folder), expected_export(&f, 600));
}

#[test]
fn a_crash_after_the_checkpoint_leaves_the_new_log() {
    let f = Fixture::new();
    let folder = log_of(&f, &[300, 700]).folder().to_owned();
    let mut behind = expected_export(&f, 300);
    behind.remove("checkpoint");
    write_all(&folder, &behind);
    assert_eq!(open(&f).unwrap().head(), head(700));
    assert_eq!(contents(&folder), expected_export(&f, 700));
    verify_export(&Folder(folder), &f.log_key(), |_| {}).unwrap();
}

#[test]
fn entries_ahead_of_the_checkpoint_wait_beside_the_export() {
    let f = Fixture::new();
    let mut log = log_of(&f, &[300]);
    log.append(300, &entries(300, 900), None).unwrap();
    log.append(900, &entries(900, 901), None).unwrap();
    assert_eq!(contents(log.folder()), expected_export(&f, 300));
    assert_eq!((log.head(), log.exported()), (head(901), head(300)));
    drop(log);
    let mut seen = 0;
    let mut log = LogFiles::open(&f.data, &f.origin, &mut |index, entry| {
        assert_eq!((index, entry), (seen, &entries(index, index + 1)[0]));
        seen += 1;
    })
    .unwrap();
    assert_eq!((seen, log.head()), (901, head(901)));
    assert_eq!(log.range(250, 660, usize::MAX).unwrap(), entries(250, 901));
    log.append(901, &entries(901, 1000), Some(&f.checkpoint(950)))
        .unwrap();
    assert_eq!(contents(log.folder()), expected_export(&f, 950));
    assert_eq!((log.head(), log.exported()), (head(1000), head(950)));
    drop(log);
    let mut log = open(&f).unwrap();
    assert_eq!((log.head(), log.exported()), (head(1000), head(950)));
    log.append(1000, &[], Some(&f.checkpoint(1000))).unwrap();
    log.settle().unwrap();
    assert_eq!(contents(log.folder()), expected_export(&f, 1000));
    assert_eq!(fs::metadata(f.data.ahead(&f.origin)).unwrap().len(), 0);
    log.append(1000, &entries(1000, 1001), None).unwrap();
    drop(log);
    assert_eq!(open(&f).unwrap().head(), head(1001));
}

#[test]
fn what_covers_entries_ahead_of_the_checkpoint_is_kept_with_the_last_of_them() {
    let f = Fixture::new();
    let mut log = log_of(&f, &[300]);
    log.append_covered(300, &entries(300, 310), None, b"covers 310")
        .unwrap();
    log.append_covered(310, &entries(310, 320), None, b"covers 320")
        .unwrap();
    assert_eq!(log.covering(), b"covers 320");
    drop(log);
    let mut log = open(&f).unwrap();
    assert_eq!((log.head(), log.covering()), (head(320), &b"covers 320"[..]));
    // A checkpoint of fewer leaves the rest as it is, one of exactly so many needs nothing beside it.
    log.append(320, &entries(320, 330), Some(&f.checkpoint(330)))
        .unwrap();
    assert_eq!(log.covering(), b"");
    drop(log);
    let log = open(&f).unwrap();
    assert_eq!((log.exported(), log.covering()), (head(330), &b""[..]));
}

#[test]
fn what_was_not_settled_is_durable_and_in_the_folder_after_opening() {
    let f = Fixture::new();
    let mut log = log_of(&f, &[300]);
    for size in [301, 310, 311] {
        let start = log.head().size;
        log.append(start, &entries(start, size), Some(&f.checkpoint(size)))
            .unwrap();
    }
    log.append(311, &entries(311, 320), None).unwrap();
    assert_eq!(contents(log.folder()), expected_export(&f, 300));
    let to = f.dir.path().join("export");
    log.export(&to).unwrap();
    assert_eq!(
        contents(&to),
        expected_export(&f, 311),
        "an export is of the newest checkpoint"
    );
    assert_matches!(
        log.append(320, &[], Some(&f.checkpoint(310))),
        Err(StoreError::CheckpointSize { got: 310, .. })
    );
    drop(log);
    let waiting = fs::read(f.data.ahead(&f.origin)).unwrap();
    let log = open(&f).unwrap();
    assert_eq!((log.head(), log.exported()), (head(320), head(311)));
    assert_eq!(contents(log.folder()), expected_export(&f, 311));
    drop(log);
    // As if the file beside the folder had not been emptied before a crash.
    fs::write(f.data.ahead(&f.origin), waiting).unwrap();
    let log = open(&f).unwrap();
    assert_eq!((log.head(), log.exported()), (head(320), head(311)));
}

#[test]
fn a_checkpoint_whose_entries_were_cut_off_is_not_taken() {
    let f = Fixture::new();
    let mut log = log_of(&f, &[10]);
    log.append(10, &entries(10, 20), Some(&f.checkpoint(20))).unwrap();
    let first = fs::metadata(f.data.ahead(&f.origin)).unwrap().len();
    log.append(20, &entries(20, 30), None).unwrap();
    log.append(30, &[], Some(&f.checkpoint(30))).unwrap();
    drop(log);
    let path = f.data.ahead(&f.origin);
    let mut bytes = fs::read(&path).unwrap();
    bytes[usize::try_from(first).unwrap() + 30] ^= 1;
    fs::write(&path, bytes).unwrap();
    let log = open(&f).unwrap();
    assert_eq!((log.head(), log.exported()), (head(20), head(20)));
    assert!(log.cut().is_some());
}

#[test]
fn a_wrong_checkpoint_over_entries_ahead_is_refused() {
    let f = Fixture::new();
    let mut log = log_of(&f, &[10]);
    log.append(10, &entries(10, 50), None).unwrap();
    let forged = TreeHead {
        size: 40,
        root: head(41).root,
    };
    assert_matches!(
        log.append(50, &[], Some(&f.signed(forged))),
        Err(StoreError::RootMismatch { size: 40, .. })
    );
    log.append(50, &[], Some(&f.checkpoint(40))).unwrap();
    log.settle().unwrap();
    assert_eq!(contents(log.folder()), expected_export(&f, 40));
}

#[test]
fn what_is_damaged_ahead_of_the_checkpoint_is_cut_off_and_named() {
    let f = Fixture::new();
    let mut log = log_of(&f, &[10]);
    let path = f.data.ahead(&f.origin);
    let mut ends = Vec::new();
    for size in [20u64, 30, 40] {
        log.append(size - 10, &entries(size - 10, size), None).unwrap();
        ends.push(fs::metadata(&path).unwrap().len());
    }
    drop(log);
    let whole = fs::read(&path).unwrap();
    let at = |block: usize| usize::try_from(ends[block]).unwrap();
    let flipped = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        bytes
    };
    let cases = [
        (whole.clone(), 40, false),
        (whole[..at(2) - 1].to_vec(), 30, true),
        (whole[..at(1) + 3].to_vec(), 30, true),
        (flipped(at(1) + 40), 30, true),
        (flipped(at(0) + 2), 20, true),
        (flipped(0), 10, true),
        ([&whole[..at(0)], &whole[at(1)..]].concat(), 20, true),
    ];
    for (bytes, size, cut) in cases {
        fs::write(&path, bytes).unwrap();
        let log = open(&f).unwrap();
        assert_eq!((log.head(), log.cut().is_some()), (head(size), cut));
        drop(log);
        let mut log = open(&f).unwrap();
        assert!(log.cut().is_none(), "what was cut is gone");
        log.append(size, &entries(size, 41), None).unwrap();
        assert_eq!(open(&f).unwrap().head(), head(41));
    }
}

#[test]
fn narrower_tiles_and_bundles_are_still_served() {
    let f = Fixture::new();
    let log = log_of(&f, &[700]);
    for (name, bytes) in expected_export(&f, 530) {
        if name != "checkpoint" {
            let path = ExportPath::parse(&name).unwrap();
            assert_eq!(log.read(&path).unwrap(), Some(bytes), "{name}");
        }
    }
    for name in [
        "tile/0/002.p/189",
        "tile/0/002",
        "tile/entries/003.p/1",
        "tile/1/000.p/3",
        "tile/2/000.p/1",
    ] {
        assert_eq!(
            log.read(&ExportPath::parse(name).unwrap()).unwrap(),
            None,
            "{name}"
        );
    }
}

#[test]
fn proofs_are_made_from_the_files() {
    let f = Fixture::new();
    let log = log_of(&f, &[700]);
    for index in [0, 1, 255, 256, 511, 640, 699] {
        let proof = prove_inclusion(&log.hashes(), index, 700).unwrap();
        let leaf = leaf_hash(&entries(index, index + 1)[0]);
        verify_inclusion(&leaf, index, &head(700), &proof).unwrap();
    }
    for old in [1, 256, 300, 512, 700] {
        let proof = prove_consistency(&log.hashes(), old, 700).unwrap();
        verify_consistency(&head(old), &head(700), &proof).unwrap();
    }
    assert_matches!(prove_inclusion(&log.hashes(), 0, 701), Err(_));
}

#[test]
fn an_export_is_the_same_folder_again() {
    let f = Fixture::new();
    let mut log = log_of(&f, &[300, 1300]);
    log.append(1300, &entries(1300, 1310), None).unwrap();
    let to = f.dir.path().join("auditor").join("housing");
    log.export(&to).unwrap();
    assert_eq!(contents(&to), expected_export(&f, 1300));
    assert_eq!(
        contents(to.parent().unwrap()).len(),
        contents(&to).len(),
        "nothing is left beside it"
    );
    assert_matches!(log.export(&to), Err(StoreError::Io { .. }));
}

#[test]
fn an_export_whose_entries_do_not_fit_gets_no_checkpoint() {
    let f = Fixture::new();
    let to = f.dir.path().join("wrong");
    let mut shifted = |start: u64, count: u64| Ok(entries(start + 1, start + 1 + count));
    assert_matches!(
        write_export(&f.origin, &f.checkpoint(300), &to, &mut shifted),
        Err(StoreError::RootMismatch { .. })
    );
    assert!(!to.join("checkpoint").exists());
    let to = f.dir.path().join("short");
    let mut short = |start: u64, _: u64| Ok(entries(start, 200.min(start + 10)));
    assert_matches!(
        write_export(&f.origin, &f.checkpoint(300), &to, &mut short),
        Err(StoreError::OutOfRange { size: 200, .. })
    );
}

#[test]
fn files_set_aside_are_kept_and_the_log_starts_again() {
    let f = Fixture::new();
    let mut log = log_of(&f, &[10]);
    log.append(10, &entries(10, 12), None).unwrap();
    drop(log);
    let kept = LogFiles::set_aside(&f.data, &f.origin).unwrap().unwrap();
    assert_eq!(contents(&kept), expected_export(&f, 10));
    assert_eq!(open(&f).unwrap().head().size, 0);
    assert_eq!(LogFiles::set_aside(&f.data, &f.origin).unwrap(), None);
}

#[test]
fn what_was_altered_below_the_edge_is_not_given_out_and_is_mended_by_the_start_after() {
    let f = Fixture::new();
    let folder = f.data.log_files(&f.origin);
    for name in ["tile/entries/000", "tile/0/000", "tile/0/001"] {
        drop(log_of(&f, &[600]));
        let path = folder.join(name);
        let mut altered = fs::read(&path).unwrap();
        altered[100] ^= 1;
        fs::write(&path, altered).unwrap();
        let log = LogFiles::open_edge(&f.data, &f.origin, &mut |_, _| {}).unwrap();
        assert!(!f.data.is_check_asked());
        let given = log.read(&ExportPath::parse(name).unwrap());
        assert_matches!(given, Err(StoreError::Damaged(_)), "{name}");
        assert!(f.data.is_check_asked());
        assert_matches!(
            log.range(0, 600, usize::MAX),
            Err(StoreError::Damaged(_)),
            "{name}"
        );
        assert!(log.range(512, 88, usize::MAX).is_ok(), "the rest is given out");
        drop(log);
        f.data.check_done().unwrap();
        let (log, renewed) = LogFiles::open_or_renew(&f.data, &f.origin).unwrap();
        let renewed = renewed.unwrap();
        assert_eq!(renewed.damage.file, path);
        // The entries give every tile; what is altered of them only others can give.
        let is_tile = name.starts_with("tile/0");
        assert_eq!(
            (renewed.is_whole, log.head().size),
            (is_tile, if is_tile { 600 } else { 0 })
        );
        if is_tile {
            assert_eq!(contents(&folder), expected_export(&f, 600));
        }
        drop(log);
        LogFiles::set_aside(&f.data, &f.origin).unwrap();
    }
}

#[test]
fn what_waits_beside_damaged_files_is_kept_with_them() {
    let f = Fixture::new();
    let mut log = log_of(&f, &[300]);
    log.append(300, &entries(300, 310), None).unwrap();
    drop(log);
    let tile = f.data.log_files(&f.origin).join("tile/0/000");
    let whole = fs::read(&tile).unwrap();
    fs::write(&tile, &whole[32..]).unwrap();
    let (log, renewed) = LogFiles::open_or_renew(&f.data, &f.origin).unwrap();
    assert!(renewed.unwrap().is_whole);
    assert_eq!(log.head().size, 310, "the only copy may be here");
    drop(log);
    fs::remove_file(f.data.log_files(&f.origin).join("tile/entries/000")).unwrap();
    let (log, renewed) = LogFiles::open_or_renew(&f.data, &f.origin).unwrap();
    assert!(!renewed.unwrap().is_whole);
    assert_eq!(log.head().size, 0);
    let names = durable::names_in(&f.data.set_aside()).unwrap();
    assert!(
        names.iter().any(|name| name.starts_with("ahead-housing-1")),
        "{names:?}"
    );
}
