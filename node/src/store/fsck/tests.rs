use super::super::fixture::{Fixture, contents, cut_database, entries, own_store};
use super::super::{LogFiles, OwnStore, Part, Parts};
use super::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use tally_ledger::checkpoint::LogKey;

/// An own log of 300 entries with a part, and a replica of 600 entries with 5 ahead.
fn filled() -> Fixture {
    let f = Fixture::new();
    drop(own_store(&f, 300));
    let part = Part {
        salt: [9; 32],
        content: b"reasons".to_vec(),
    };
    Parts::new(&f.data)
        .put(&f.origin.department, &part.commitment(), &part)
        .unwrap();
    let other = replica(&f);
    let mut files = LogFiles::open(&f.data, &other.origin, &mut |_, _| {}).unwrap();
    files
        .append(0, &entries(0, 600), Some(&other.checkpoint(600)))
        .unwrap();
    files.append(600, &entries(600, 605), None).unwrap();
    f
}

/// Another log, whose files lie in the same data folder.
fn replica(f: &Fixture) -> Fixture {
    let mut other = Fixture::new();
    other.origin.department = DepartmentId::parse("health").unwrap();
    other.origin.federation = f.origin.federation.clone();
    other
}

fn keys(f: &Fixture) -> KnownKeys {
    let other = replica(f);
    KnownKeys::from(BTreeMap::from([
        (f.origin.clone(), f.log_key()),
        (other.origin.clone(), other.log_key()),
    ]))
}

fn check(f: &Fixture) -> FsckReport {
    fsck(&f.data, keys(f), &mut |_| {}).unwrap()
}

fn named(report: &FsckReport) -> Vec<&Path> {
    report
        .findings
        .iter()
        .map(|damage| damage.file.as_path())
        .collect()
}

#[test]
fn a_sound_folder_gives_counts_and_no_finding() {
    let f = filled();
    let mut at = Vec::new();
    let report = fsck(&f.data, keys(&f), &mut |progress| {
        at.push(progress.at.to_owned());
    })
    .unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(
        report.counts,
        FsckCounts {
            forks: 0,
            own_logs: 1,
            own_entries: 300,
            records: 1,
            logs: 2,
            entries: 900,
            entries_ahead: 5,
            bundles: 5,
            tiles: 7,
            signatures: 2,
            signatures_unchecked: 0,
            locks: 1,
            parts: 1,
        }
    );
    for folder in ["own", "logs", "lock", "parts"] {
        let below = f.data.root().join(folder);
        assert!(
            at.iter().any(|at| at.starts_with(&below)),
            "no progress from {folder}"
        );
    }
    let without_keys = fsck(&f.data, KnownKeys::default(), &mut |_| {}).unwrap();
    assert_eq!(
        (
            without_keys.findings.len(),
            without_keys.counts.signatures_unchecked
        ),
        (0, 2)
    );
}

#[test]
fn every_damaged_file_outside_of_the_engine_is_named() {
    let f = filled();
    let mut tried = 0;
    for folder in ["logs", "lock", "parts", "ahead"] {
        let root = f.data.root().join(folder);
        for (name, whole) in contents(&root) {
            let path = root.join(&name);
            let places = [0, whole.len() / 3, whole.len() / 2, whole.len() - 1];
            let mut damaged: Vec<Vec<u8>> = Vec::new();
            for place in places {
                let mut flipped = whole.clone();
                flipped[place] ^= 1;
                // The lock has unused bytes between its slots: there is nothing to damage there.
                if folder != "lock" || place % 4096 < 128 {
                    damaged.push(flipped);
                }
            }
            damaged.push(whole[..whole.len() - 1].to_vec());
            damaged.push(Vec::new());
            for bytes in damaged {
                // Nothing waits beside the export when that file is empty.
                let expected = folder != "ahead" || !bytes.is_empty();
                fs::write(&path, &bytes).unwrap();
                let report = check(&f);
                assert_eq!(
                    named(&report).contains(&path.as_path()),
                    expected,
                    "{name}: {:?}",
                    report.findings
                );
                tried += 1;
            }
            fs::write(&path, &whole).unwrap();
        }
    }
    assert!(tried > 50, "{tried}");
    assert_eq!(check(&f).findings, []);
}

#[test]
fn a_missing_file_is_named() {
    let f = filled();
    for folder in ["logs", "lock"] {
        let root = f.data.root().join(folder);
        for (name, whole) in contents(&root) {
            let path = root.join(&name);
            fs::remove_file(&path).unwrap();
            let report = check(&f);
            assert!(
                named(&report).contains(&path.as_path()),
                "{name}: {:?}",
                report.findings
            );
            assert!(
                report
                    .findings
                    .iter()
                    .any(|damage| damage.kind == DamageKind::Missing)
            );
            fs::write(&path, whole).unwrap();
        }
    }
}

#[test]
fn files_without_a_place_are_named() {
    let f = filled();
    let commit = "ab".repeat(32);
    for name in [
        "logs/health-1/notes.txt".to_owned(),
        "logs/health-1/tile/0/000.p/3".to_owned(),
        "logs/health-1/tile/entries/002.p/88.tmp".to_owned(),
        "parts/housing/readme".to_owned(),
        format!("parts/housing/cd/{commit}"),
        "own/old/readme".to_owned(),
    ] {
        let path = f.data.root().join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"x").unwrap();
        let report = check(&f);
        let stray: Vec<&PathBuf> = report
            .findings
            .iter()
            .filter(|damage| damage.kind == DamageKind::Stray)
            .map(|damage| &damage.file)
            .collect();
        assert_eq!(stray.len(), 1, "{name}: {:?}", report.findings);
        assert!(path.starts_with(stray[0]), "{name}: {stray:?}");
        fs::remove_file(&path).unwrap();
        // Folders that became empty here would be no finding either.
        if name.starts_with("own") {
            fs::remove_dir(path.parent().unwrap()).unwrap();
        }
    }
    assert_eq!(check(&f).findings, []);
}

#[test]
fn a_signature_of_another_key_is_named() {
    let f = filled();
    let other = replica(&f);
    let keys = BTreeMap::from([
        (f.origin.clone(), f.log_key()),
        (
            other.origin.clone(),
            LogKey::new(
                &other.origin,
                &tally_ledger::crypto::SigningKey::from_seed(&[8; 32]).public_key(),
            ),
        ),
    ]);
    let report = fsck(&f.data, keys.into(), &mut |_| {}).unwrap();
    assert_eq!(
        named(&report),
        [f.data.log_files(&other.origin).join("checkpoint")]
    );
}

#[test]
fn a_cut_or_flipped_database_is_found_or_harmless() {
    let f = filled();
    let folder = f.data.own_log(&f.origin);
    let db = folder.join("db");
    let whole = contents(&folder);
    let bytes = whole["db"].clone();
    let mut found = 0;
    for step in 0..20usize {
        let mut damaged = bytes.clone();
        damaged[bytes.len() * step / 20] ^= 8;
        for (name, content) in &whole {
            fs::write(folder.join(name), content).unwrap();
        }
        fs::write(&db, damaged).unwrap();
        let report = check(&f);
        if report.findings.is_empty() {
            assert_eq!(report.counts.own_entries, 300, "a loss was not noticed");
        }
        found += report.findings.len();
    }
    assert!(found > 0, "no change did any harm");
    for (name, content) in &whole {
        fs::write(folder.join(name), content).unwrap();
    }
    cut_database(&f, 40);
    assert!(!check(&f).findings.is_empty());
}

#[test]
fn a_log_in_the_folder_of_another_is_named() {
    let f = filled();
    let folder = f.data.own_log(&f.origin);
    let wrong = folder.with_file_name("tax-1");
    fs::rename(&folder, &wrong).unwrap();
    let report = check(&f);
    assert!(named(&report).contains(&wrong.as_path()), "{:?}", report.findings);
    assert!(OwnStore::open(&f.data, &f.origin, &mut |_, _| {}).is_err());
}
