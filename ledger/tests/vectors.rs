//! The golden vectors of events, statements, entries, genesis, governance and openings against this crate's hashes and signatures.
//!
//! Each vector is `NAME.txt`, the exact bytes, and `NAME.md`, the readable twin: prose, facts, and the content as loosely
//! written JSON. Here the bytes are made anew from the twin, signed with keys of known seeds, and compared; every id,
//! commitment, leaf and root that a twin states is computed. `TALLY_BLESS=1` writes the bytes and replaces stale values in
//! all twins (an id stands in other twins too) until nothing changes.
#![cfg(test)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tally_ledger::authority::Registry;
use tally_ledger::crypto::{
    NoteKey, SigningKey, commitment, event_id, leaf_hash, node_hash, sha256, sign_note,
};
use tally_schemas::entry::{Entry, EntryHeader, RegistryRef};
use tally_schemas::event::Event;
use tally_schemas::genesis::{Genesis, Role};
use tally_schemas::governance::Governance;
use tally_schemas::id::{DepartmentId, EventId, FederationId, Hash, NamedHead, Origin, TreeHead};
use tally_schemas::json::Json;
use tally_schemas::limits::NOTE_BYTES_MAX;
use tally_schemas::note::Note;
use tally_schemas::statement::Statement;
use tally_schemas::time::Timestamp;

/// The readable twin of a vector.
struct Twin {
    path: PathBuf,
    facts: BTreeMap<String, String>,
    json: Json,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/vectors")
}

fn twins(folder: &str) -> Vec<Twin> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with("bad-"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no vectors in {folder}");
    paths.into_iter().map(read_twin).collect()
}

/// The governance notes, in the order in which they follow each other.
fn governance_twins() -> Vec<Twin> {
    let mut twins = twins("governance");
    twins.sort_by_key(|twin| twin.json.member("version").unwrap().as_int());
    twins
}

fn read_twin(path: PathBuf) -> Twin {
    let text = std::fs::read_to_string(&path).unwrap();
    let facts = text
        .lines()
        .filter_map(|line| line.strip_prefix("- ")?.strip_suffix('`')?.split_once(": `"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (_, rest) = text.split_once("```json\n").unwrap();
    let (json, _) = rest.split_once("\n```").unwrap();
    Twin {
        json: Json::parse_lenient(json.as_bytes()).unwrap_or_else(|error| panic!("{path:?}: {error}")),
        path,
        facts,
    }
}

fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n")
}

impl Twin {
    fn fact(&self, name: &str) -> &str {
        self.facts
            .get(name)
            .unwrap_or_else(|| panic!("{:?} states no {name}", self.path))
    }

    fn hash(&self, name: &str) -> Hash {
        Hash::parse_hex(self.json.member(name).unwrap().as_text().unwrap()).unwrap()
    }

    fn word(&self, name: &str) -> &str {
        self.json.member(name).unwrap().as_text().unwrap()
    }

    /// The note of a magic line and the JSON, signed by the keys that the twin names.
    fn note(&self, magic: &str) -> Note {
        let text = format!("{magic}\n{}\n", self.json.to_canonical());
        let lines = self
            .fact("signed by")
            .split(", ")
            .map(|name| sign_note(&text, name, &key(name)).unwrap())
            .collect();
        Note { text, lines }
    }

    fn bytes(&self, folder: &str) -> Vec<u8> {
        match folder {
            "event" => self.note("tally/event/v1").to_bytes(),
            "genesis" => self.note("tally/genesis/v1").to_bytes(),
            "governance" => self.note("tally/governance/v1").to_bytes(),
            "epoch" => self.note("tally/epoch/v1").to_bytes(),
            "statement" => statement(self).to_text().into_bytes(),
            "entry" => entry(self).to_bytes(),
            other => panic!("no folder {other}"),
        }
    }

    /// Every fact that can be computed, by its name.
    fn computed(&self, folder: &str) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if self.facts.contains_key("id") {
            let text = Note::parse(&self.bytes(folder), NOTE_BYTES_MAX).unwrap().text;
            found.push(("id", event_id(&text).to_string()));
            if folder == "genesis" {
                let federation = FederationId::new(self.word("name"), &event_id(&text).0).unwrap();
                found.push(("federation id", federation.to_string()));
            }
        }
        if self.facts.contains_key("commit") {
            let salt = Hash::parse_hex(self.fact("salt")).unwrap();
            let content = unescaped(self.fact("content"));
            found.push(("commit", commitment(&salt.0, content.as_bytes()).to_hex()));
        }
        if folder == "entry" {
            found.push(("leaf", leaf_hash(&self.bytes(folder)).to_hex()));
        }
        if self.facts.contains_key("root of 3") {
            let mut log: Vec<Entry> = twins("entry")
                .iter()
                .map(entry)
                .filter(|entry| entry.header.origin.to_string() == self.word("origin"))
                .collect();
            log.sort_by_key(|entry| entry.header.index);
            let leaves: Vec<Hash> = log.iter().map(|entry| leaf_hash(&entry.to_bytes())).collect();
            let root = node_hash(&node_hash(&leaves[0], &leaves[1]), &leaves[2]);
            found.push(("root of 3", root.to_hex()));
        }
        found
    }
}

/// The key of a name: its seed is the hash of `tally vector ` and the name without the federation.
fn key(name: &str) -> SigningKey {
    let (_, path) = name.split_once('/').unwrap();
    SigningKey::from_seed(&sha256(&[b"tally vector ", path.as_bytes()]).0)
}

fn named_head(json: &Json) -> NamedHead {
    let word = |name: &str| json.member(name).unwrap().as_text().unwrap();
    NamedHead {
        origin: Origin::parse(word("origin")).unwrap(),
        head: TreeHead {
            size: json.member("size").unwrap().as_int().unwrap().unsigned_abs(),
            root: Hash::parse_hex(word("root")).unwrap(),
        },
    }
}

fn heads(json: &Json) -> Vec<NamedHead> {
    let list = json.member("heads").unwrap().as_array().unwrap();
    list.iter().map(named_head).collect()
}

fn statement(twin: &Twin) -> Statement {
    match twin.word("kind") {
        "heads" => Statement::Heads(heads(&twin.json)),
        "arrivals" => Statement::Arrivals(
            twin.json
                .member("events")
                .unwrap()
                .as_array()
                .unwrap()
                .iter()
                .map(|id| EventId(Hash::parse_hex(id.as_text().unwrap()).unwrap()))
                .collect(),
        ),
        "fork" => Statement::Fork {
            origin: Origin::parse(twin.word("origin")).unwrap(),
            size: twin.json.member("size").unwrap().as_int().unwrap().unsigned_abs(),
            held: twin.hash("held"),
            other: twin.hash("other"),
        },
        other => panic!("no kind {other}"),
    }
}

fn entry(twin: &Twin) -> Entry {
    let registry = twin.json.member("registry").unwrap();
    let version = registry.member("version").unwrap().as_int().unwrap();
    let hash = registry.member("hash").unwrap().as_text().unwrap();
    let payload = match twin.fact("payload").rsplit_once(".txt") {
        Some(_) => std::fs::read_to_string(root().join(twin.fact("payload"))).unwrap(),
        None => unescaped(twin.fact("payload")),
    };
    Entry {
        header: EntryHeader {
            origin: Origin::parse(twin.word("origin")).unwrap(),
            index: twin
                .json
                .member("index")
                .unwrap()
                .as_int()
                .unwrap()
                .unsigned_abs(),
            prev: twin.hash("prev"),
            recorded: Timestamp::parse(twin.word("recorded")).unwrap(),
            registry: RegistryRef {
                version: version.unsigned_abs(),
                hash: Hash::parse_hex(hash).unwrap(),
            },
            heads: heads(&twin.json),
        },
        payload,
    }
}

const FOLDERS: [&str; 6] = ["genesis", "governance", "event", "statement", "entry", "epoch"];

/// Writes every vector from its twin and replaces stale values in all twins; says whether anything changed.
fn bless_once() -> bool {
    let mut stale: Vec<(String, String)> = Vec::new();
    let mut changed = false;
    for folder in FOLDERS {
        for twin in twins(folder) {
            let bytes = twin.bytes(folder);
            let path = twin.path.with_extension("txt");
            if std::fs::read(&path).ok().as_deref() != Some(bytes.as_slice()) {
                std::fs::write(&path, &bytes).unwrap();
                changed = true;
            }
            for (name, value) in twin.computed(folder) {
                let stated = twin.fact(name).to_owned();
                if stated != value && !stale.iter().any(|(old, _)| *old == stated) {
                    stale.push((stated, value));
                }
            }
        }
    }
    for folder in FOLDERS {
        for twin in twins(folder) {
            let mut text = std::fs::read_to_string(&twin.path).unwrap();
            for (old, new) in &stale {
                text = text.replace(old, new);
            }
            std::fs::write(&twin.path, text).unwrap();
        }
    }
    changed || !stale.is_empty()
}

#[test]
fn vectors_are_what_their_twins_say() {
    if std::env::var_os("TALLY_BLESS").is_some() {
        let rounds = (0..20).take_while(|_| bless_once()).count();
        assert!(rounds < 20, "the vectors do not settle");
    }
    for folder in FOLDERS {
        for twin in twins(folder) {
            let path = twin.path.with_extension("txt");
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(
                String::from_utf8_lossy(&bytes),
                String::from_utf8_lossy(&twin.bytes(folder)),
                "{path:?}"
            );
            for (name, value) in twin.computed(folder) {
                assert_eq!(twin.fact(name), value, "{name} of {path:?}");
            }
        }
    }
}

#[test]
fn signatures_of_vectors_hold_for_their_keys() {
    for folder in ["genesis", "governance", "event", "epoch"] {
        for twin in twins(folder) {
            let note = Note::parse(
                &std::fs::read(twin.path.with_extension("txt")).unwrap(),
                NOTE_BYTES_MAX,
            )
            .unwrap();
            for line in &note.lines {
                let key = NoteKey::new(&line.name, &key(&line.name).public_key()).unwrap();
                key.verify_line(&note.text, line).unwrap();
            }
        }
    }
}

#[test]
fn an_event_is_signed_by_its_signers_in_their_order() {
    for twin in twins("event") {
        let note = Note::parse(
            &std::fs::read(twin.path.with_extension("txt")).unwrap(),
            NOTE_BYTES_MAX,
        )
        .unwrap();
        let event = Event::parse_text(&note.text).unwrap();
        assert_eq!(note.lines.len(), event.signers.len(), "{:?}", twin.path);
        for (line, signer) in note.lines.iter().zip(&event.signers) {
            let holder = format!("{}/{}/", event.federation, event.department);
            let officer = line.name.strip_prefix(&holder).unwrap();
            if let Some(named) = &signer.officer {
                assert_eq!(officer, named.as_str());
            }
        }
    }
}

#[test]
fn the_founders_hold_the_keys_that_sign() {
    let [twin] = <[Twin; 1]>::try_from(twins("genesis")).ok().unwrap();
    let note = Note::parse(
        &std::fs::read(twin.path.with_extension("txt")).unwrap(),
        NOTE_BYTES_MAX,
    )
    .unwrap();
    let genesis = Genesis::parse_text(&note.text).unwrap();
    for (record, line) in genesis.departments.iter().zip(&note.lines) {
        let name = format!("{}/{}/{}", genesis.name, record.id, record.administrator.officer);
        assert_eq!(line.name, name);
        assert_eq!(
            key(&name).public_key().as_bytes(),
            &record.administrator.key,
            "{name}"
        );
    }
    let mut previous = event_id(&note.text).0;
    for (place, twin) in governance_twins().iter().enumerate() {
        let bytes = std::fs::read(twin.path.with_extension("txt")).unwrap();
        let note = Note::parse(&bytes, NOTE_BYTES_MAX).unwrap();
        let governance = Governance::parse_text(&note.text).unwrap();
        assert_eq!(governance.version, place as u64 + 1);
        assert_eq!(governance.previous, previous);
        previous = event_id(&note.text).0;
    }
}

/// What was made for the formats also founds: quorum, keys, profile and calendar, then every change.
#[test]
fn the_registry_takes_the_founding_and_every_change() {
    let read = |twin: &Twin| std::fs::read(twin.path.with_extension("txt")).unwrap();
    let mut registry = Registry::found(&read(&twins("genesis")[0])).unwrap();
    for (twin, version) in governance_twins().iter().zip(1..) {
        let note = String::from_utf8(read(twin)).unwrap();
        assert_eq!(registry.extend(&note), Ok(version));
    }
    let civil = DepartmentId::parse("civil-affairs").unwrap();
    assert!(registry.department(&civil, 0).is_none());
    assert!(registry.department(&civil, 1).is_some());
    let housing = DepartmentId::parse("housing").unwrap();
    assert!(registry.has_role(&housing, Role::Audit, 1));
    assert!(!registry.has_role(&housing, Role::Audit, 2));
    assert_eq!(registry.ruleset_at(2), 1);
    assert_eq!(registry.ruleset_at(3), 2);
}
