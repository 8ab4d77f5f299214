//! Rules of the project that no compiler checks: who may depend on whom, every format has its page, the map is true.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the workspace")
        .to_path_buf()
}

/// Returns the names of everything that a member is built from, itself excluded.
fn built_from(member: &str, direct: bool) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).args([
        "tree",
        "--locked",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--package",
        member,
    ]);
    if direct {
        command.args(["--depth", "1"]);
    }
    let output = command.output().expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    text.lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn schemas_and_ledger_know_no_io_clock_or_randomness() {
    let banned = [
        "tokio",
        "async-nats",
        "sled",
        "axum",
        "hyper",
        "rand",
        "rand_core",
        "getrandom",
        "ureq",
        "clap",
        "chrono",
        "time",
    ];
    for member in ["tally-schemas", "tally-ledger"] {
        let found = built_from(member, false);
        for name in banned {
            assert!(!found.contains(name), "{member} is built from {name}");
        }
    }
}

#[test]
fn members_depend_only_along_the_line() {
    let allowed: [(&str, &[&str]); 4] = [
        ("tally-schemas", &[]),
        ("tally-ledger", &["tally-schemas"]),
        ("tally-node", &["tally-schemas", "tally-ledger"]),
        ("tally-client", &["tally-schemas", "tally-ledger"]),
    ];
    for (member, may) in allowed {
        let found: Vec<String> = built_from(member, true)
            .into_iter()
            .filter(|name| name.starts_with("tally-"))
            .collect();
        for name in &found {
            assert!(
                may.contains(&name.as_str()),
                "{member} depends on {name}; allowed are {may:?}"
            );
        }
    }
}

#[test]
fn one_crate_uses_each_dangerous_library() {
    let users = |library: &str| -> Vec<&str> {
        let members = ["tally-schemas", "tally-ledger", "tally-node", "tally-client"];
        members
            .into_iter()
            .filter(|member| built_from(member, true).contains(library))
            .collect()
    };
    assert_eq!(users("bincode"), ["tally-schemas"]);
    assert_eq!(users("ed25519-dalek"), ["tally-ledger"]);
    assert_eq!(users("sha2"), ["tally-ledger"]);
    assert_eq!(users("sled"), ["tally-node"]);
}

#[test]
fn pinned_versions_stay_pinned() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("the lock file is there");
    for (name, version) in [("bincode", "2.0.1"), ("sled", "0.34.7")] {
        assert!(
            lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"")),
            "{name} is not {version}"
        );
    }
}

#[test]
fn every_format_has_its_page_and_vectors() {
    let schemas = root().join("schemas");
    for format in [
        "note",
        "json",
        "event",
        "statement",
        "entry",
        "checkpoint",
        "tiles",
        "proof",
        "fork",
        "confirmation",
        "frame",
        "lock",
        "snapshot",
        "genesis",
        "governance",
        "epoch",
    ] {
        assert!(
            schemas.join(format!("spec/{format}.md")).is_file(),
            "schemas/spec/{format}.md is missing"
        );
        let vectors = schemas.join("vectors").join(format);
        let count = std::fs::read_dir(&vectors).map_or(0, Iterator::count);
        assert!(count > 0, "schemas/vectors/{format} holds nothing");
    }
    for page in ["profile", "calendar", "fold", "store", "api"] {
        assert!(
            schemas.join(format!("spec/{page}.md")).is_file(),
            "schemas/spec/{page}.md is missing"
        );
    }
}

#[test]
fn every_path_on_the_map_exists() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map is there");
    let mut crate_folder = String::new();
    let mut missing = Vec::new();
    for (place, piece) in text.split('`').enumerate() {
        let looks_like_path = piece.contains('/') || piece.ends_with(".rs");
        if place % 2 == 0 || !looks_like_path || piece.contains(['<', ' ', '*', '\n']) {
            continue;
        }
        // A bare file name stands below the folder that the paragraph named last.
        let candidates = [root().join(piece), root().join(&crate_folder).join(piece)];
        if !candidates.iter().any(|path| path.exists()) {
            missing.push(piece.to_owned());
        }
        if piece.ends_with('/') {
            crate_folder = piece.to_owned();
        }
    }
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md names what does not exist: {missing:?}"
    );
}

#[test]
fn the_project_names_no_machine() {
    let output = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "-z"])
        .output()
        .expect("git runs");
    let list = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let marks = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("crates", ".io/api"),
        concat!("index.crates", ".io"),
    ];
    for path in list
        .split('\0')
        .filter(|path| !path.is_empty() && *path != "Cargo.lock")
    {
        let Ok(text) = std::fs::read_to_string(root().join(path)) else {
            continue;
        };
        for mark in marks {
            assert!(!text.contains(mark), "{path} names {mark}");
        }
    }
}
