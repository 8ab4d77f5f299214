//! The golden vectors of the layer beneath events: JSON, notes, checkpoints, proofs, tiles, frames, locks.
//!
//! Every vector is a file of exact bytes and a readable twin `NAME.md`. Here the bytes are made anew and compared; what is good must be
//! read and print back to its bytes, what is named `bad-` must be refused with exactly the error in its twin.
//! `TALLY_BLESS=1` writes bytes and twins. Keys: the Ed25519 seed is SHA-256 of `tally vector ` and the key name.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tally_ledger::checkpoint::{LogKey, OtherLines, VerifiedCheckpoint, sign_checkpoint, verify_checkpoint};
use tally_ledger::crypto::{DomainTag, NoteKey, SigningKey, leaf_hash, sha256, sign_note, tagged_hash};
use tally_ledger::fork::verify_fork;
use tally_ledger::merkle::Tree;
use tally_ledger::proof::{prove_recorded, verify_recorded};
use tally_schemas::confirmation::{Confirmation, Confirmations, ShownEntry};
use tally_schemas::fork::{ForkBranch, ForkEvidence, ForkOpening, ForkStep};
use tally_schemas::frame::Frame;
use tally_schemas::id::{EventId, Hash, NodeId, Origin, TreeHead};
use tally_schemas::json::Json;
use tally_schemas::limits::{CONFIRMATION_STEPS_MAX, NOTE_BYTES_MAX, PROOF_HASHES_MAX};
use tally_schemas::lock::{LOCK_FILE_BYTES, LOCK_SLOT_BYTES, LockFile, LockSlot};
use tally_schemas::note::{KEY_TYPE_COSIGNATURE, KEY_TYPE_ED25519, Note, SignatureLine};
use tally_schemas::proof::TlogProof;
use tally_schemas::snapshot::{
    ArrivalState, BriefState, CaseRow, ChunkRow, EdgeLevel, EntryState, LogState, NotUnderstoodCase,
    PlaceState, Row, RunningNumber, SnapshotHead, StandingState, TableRef, case_key, chunk_key, decode_block,
    decode_row, encode_block, encode_row, event_key, open_key, settled_key,
};
use tally_schemas::tile::{ExportPath, encode_bundle, encode_tile, parse_bundle, parse_tile};
use tally_schemas::time::Timestamp;

const ORIGIN: &str = "vector-0123456789abcdef/housing/1";

struct Vector {
    folder: &'static str,
    /// The name of the file of bytes; the twin has the extension `md`.
    file: &'static str,
    /// The title of the twin: what it shows, or why it is refused.
    title: &'static str,
    bytes: Vec<u8>,
}

impl Vector {
    fn is_bad(&self) -> bool {
        self.file.starts_with("bad-")
    }

    fn path(&self) -> PathBuf {
        root().join(self.folder).join(self.file)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/vectors")
}

fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(&[b"tally vector ", name.as_bytes()]).0)
}

fn origin() -> Origin {
    Origin::parse(ORIGIN).unwrap()
}

fn log_key() -> LogKey {
    LogKey::new(&origin(), &key(ORIGIN).public_key())
}

fn entry(index: u64) -> Vec<u8> {
    format!("vector entry {index}\n").into_bytes()
}

fn tree(size: u64) -> Tree {
    (0..size).map(|index| leaf_hash(&entry(index))).collect()
}

fn checkpoint(size: u64) -> VerifiedCheckpoint {
    sign_checkpoint(&origin(), tree(size).head(), &key(ORIGIN))
}

fn lock_sum(bytes: &[u8]) -> Hash {
    tagged_hash(DomainTag::LOCK, &[bytes])
}

fn vectors() -> Vec<Vector> {
    let mut all = Vec::new();
    for (folder, list) in [
        ("json", json()),
        ("note", note()),
        ("checkpoint", checkpoints()),
        ("proof", proofs()),
        ("fork", forks()),
        ("confirmation", confirmations()),
        ("tiles", tiles()),
        ("frame", frames()),
        ("lock", locks()),
        ("snapshot", snapshots()),
    ] {
        all.extend(list.into_iter().map(|(file, title, bytes)| Vector {
            folder,
            file,
            title,
            bytes,
        }));
    }
    all
}

type Made = Vec<(&'static str, &'static str, Vec<u8>)>;

fn json() -> Made {
    let text = |file, title, text: &str| (file, title, text.as_bytes().to_vec());
    vec![
        text(
            "values.json",
            "Every kind of value",
            r#"{"":"empty key","A":[],"a":{},"b":[true,false],"n":-9007199254740991,"p":9007199254740991}"#,
        ),
        text(
            "strings.json",
            "Escapes and what needs none",
            "[\"\\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u001f\u{7f}\",\"\u{516c}\u{6587}\u{1f4c4}\u{e9}\u{65}\u{301}\u{2028}\"]",
        ),
        text("deepest.json", "Nested as deep as allowed", "[[[[[[[[]]]]]]]]"),
        text(
            "bad-deep.json",
            "Refused: nested one deeper",
            "[[[[[[[[[]]]]]]]]]",
        ),
        text(
            "bad-duplicate-key.json",
            "Refused: a key twice",
            r#"{"a":1,"a":1}"#,
        ),
        text(
            "bad-key-order.json",
            "Refused: keys out of order",
            r#"{"b":1,"a":1}"#,
        ),
        text(
            "bad-key-letters.json",
            "Refused: a key that is not ASCII",
            "{\"\u{e9}\":1}",
        ),
        text("bad-null.json", "Refused: null", r#"{"a":null}"#),
        text("bad-float.json", "Refused: a fraction", "[1.0]"),
        text("bad-exponent.json", "Refused: an exponent", "[1e2]"),
        text(
            "bad-integer.json",
            "Refused: an integer beyond 2^53 - 1",
            "[9007199254740992]",
        ),
        text("bad-leading-zero.json", "Refused: leading zeros", "[00]"),
        text("bad-negative-zero.json", "Refused: negative zero", "[-0]"),
        text("bad-white-space.json", "Refused: white space", "[1, 2]"),
        text(
            "bad-line-feed.json",
            "Refused: a line feed after the value",
            "[]\n",
        ),
        text(
            "bad-escape.json",
            "Refused: an escape that is not needed",
            r#"["\/"]"#,
        ),
        text(
            "bad-escape-case.json",
            "Refused: an escape in upper case",
            "[\"\\u001F\"]",
        ),
        text(
            "bad-escape-plain.json",
            "Refused: a letter as an escape",
            "[\"\\u00e9\"]",
        ),
        text(
            "bad-surrogate.json",
            "Refused: half a surrogate pair",
            "[\"\\ud83d\"]",
        ),
        text(
            "bad-control.json",
            "Refused: a control character as itself",
            "[\"\t\"]",
        ),
        text("bad-trailing.json", "Refused: a second value", "[][]"),
        text("bad-end.json", "Refused: an end in the middle", r#"{"a":["#),
        ("bad-not-utf8.json", "Refused: not UTF-8", b"[\"\xc3\"]".to_vec()),
        (
            "bad-byte-order-mark.json",
            "Refused: a byte order mark",
            b"\xef\xbb\xbf[]".to_vec(),
        ),
    ]
}

fn note() -> Made {
    let text = "tally/vector/v1\n\n\u{5357}\u{5c71}\u{533a}\n";
    let first = sign_note(text, "vector.example/first", &key("first")).unwrap();
    let second = sign_note(text, "vector.example/second", &key("second")).unwrap();
    let good = Note {
        text: text.to_owned(),
        lines: vec![first.clone(), second.clone()],
    };
    let with = |lines: Vec<SignatureLine>| {
        Note {
            text: text.to_owned(),
            lines,
        }
        .to_bytes()
    };
    let change = |from: &str, to: &str| {
        let text = good.to_string();
        assert!(text.contains(from));
        text.replacen(from, to, 1).into_bytes()
    };
    let lines = (0..101)
        .map(|place| SignatureLine {
            name: format!("k{place}"),
            ..first.clone()
        })
        .collect();
    let no_signature = SignatureLine {
        signature: Vec::new(),
        ..first.clone()
    };
    vec![
        (
            "two-lines.txt",
            "A text with a blank line, signed by two keys",
            good.to_bytes(),
        ),
        ("one-line.txt", "One signature", with(vec![first.clone()])),
        (
            "bad-no-line.txt",
            "Refused: no signature line",
            format!("{text}\n").into_bytes(),
        ),
        (
            "bad-no-blank-line.txt",
            "Refused: nothing between text and signatures",
            b"text\nmore\n".to_vec(),
        ),
        (
            "bad-unended.txt",
            "Refused: the last line does not end",
            good.to_string().trim_end().as_bytes().to_vec(),
        ),
        (
            "bad-trailing.txt",
            "Refused: a line feed more",
            [good.to_bytes(), b"\n".to_vec()].concat(),
        ),
        (
            "bad-dash.txt",
            "Refused: a hyphen in place of U+2014",
            change("\u{2014} ", "- "),
        ),
        (
            "bad-two-spaces.txt",
            "Refused: two spaces before the base64",
            change("first ", "first  "),
        ),
        (
            "bad-name.txt",
            "Refused: a plus sign in the key name",
            change("/first", "+first"),
        ),
        (
            "bad-name-space.txt",
            "Refused: a no-break space in the key name",
            change("/first", "\u{a0}first"),
        ),
        (
            "bad-padding.txt",
            "Refused: base64 without padding",
            change("=\n", "\n"),
        ),
        (
            "bad-short.txt",
            "Refused: a key id alone",
            with(vec![no_signature]),
        ),
        (
            "bad-line-twice.txt",
            "Refused: two lines of one key",
            with(vec![first.clone(), first.clone()]),
        ),
        ("bad-many-lines.txt", "Refused: 101 lines", with(lines)),
        (
            "bad-tab.txt",
            "Refused: a tabulator in the text",
            change("tally/", "tally\t"),
        ),
        (
            "bad-carriage-return.txt",
            "Refused: carriage returns",
            good.to_string().replace('\n', "\r\n").into_bytes(),
        ),
        (
            "bad-not-utf8.txt",
            "Refused: not UTF-8",
            [b"\xff\n\n".to_vec(), format!("{second}\n").into_bytes()].concat(),
        ),
    ]
}

fn checkpoints() -> Made {
    let sign = |text: String| {
        let line = sign_note(&text, ORIGIN, &key(ORIGIN)).unwrap();
        Note {
            text,
            lines: vec![line],
        }
        .to_bytes()
    };
    let text = checkpoint(600).note().text.clone();
    let mut cosigned = checkpoint(600).note().clone();
    let witness = key("witness")
        .public_key()
        .to_vkey("vector.example/witness", KEY_TYPE_COSIGNATURE);
    cosigned.lines.push(SignatureLine {
        name: witness.name,
        key_id: witness.key_id,
        signature: vec![7; 72],
    });
    let mut failing = cosigned.clone();
    failing.lines[0].signature[10] ^= 1;
    let other = Origin::parse("vector-0123456789abcdef/housing/2").unwrap();
    let empty_root = TreeHead {
        size: 0,
        root: Hash([1; 32]),
    };
    vec![
        ("size-600.txt", "A log of 600 entries", checkpoint(600).to_bytes()),
        ("size-0.txt", "An empty log", checkpoint(0).to_bytes()),
        (
            "cosigned.txt",
            "With the line of a witness, which is kept and not judged",
            cosigned.to_bytes(),
        ),
        (
            "bad-extension.txt",
            "Refused: an extension line",
            sign(format!("{text}extension\n")),
        ),
        (
            "bad-two-lines.txt",
            "Refused: no root",
            sign(format!("{ORIGIN}\n600\n")),
        ),
        (
            "bad-leading-zero.txt",
            "Refused: a size with a leading zero",
            sign(text.replace("\n600\n", "\n0600\n")),
        ),
        (
            "bad-large.txt",
            "Refused: a size beyond 2^63 - 1",
            sign(text.replace("\n600\n", "\n9223372036854775808\n")),
        ),
        (
            "bad-padding.txt",
            "Refused: a root without padding",
            sign(text.replace("=\n", "\n")),
        ),
        (
            "bad-origin.txt",
            "Refused: an origin that is none of ours",
            sign(text.replace(ORIGIN, "example.org/log")),
        ),
        (
            "bad-epoch.txt",
            "Refused: the checkpoint of another epoch",
            sign_checkpoint(&other, tree(600).head(), &key(ORIGIN)).to_bytes(),
        ),
        (
            "bad-key.txt",
            "Refused: signed by another key under the name of the log",
            sign_checkpoint(&origin(), tree(600).head(), &key("stranger")).to_bytes(),
        ),
        (
            "bad-signature.txt",
            "Refused: a failing line of the log beside another line",
            failing.to_bytes(),
        ),
        (
            "bad-empty-root.txt",
            "Refused: a root over nothing",
            sign_checkpoint(&origin(), empty_root, &key(ORIGIN)).to_bytes(),
        ),
    ]
}

fn proofs() -> Made {
    let proof = |index, size| prove_recorded(&tree(size), index, &checkpoint(size)).unwrap();
    let good = proof(300, 600);
    let change = |from: &str, to: &str| {
        let text = good.to_string();
        assert!(text.contains(from));
        text.replacen(from, to, 1).into_bytes()
    };
    let other = |change: fn(&mut TlogProof)| {
        let mut proof = good.clone();
        change(&mut proof);
        proof.to_string().into_bytes()
    };
    vec![
        (
            "entry-300-of-600.txt",
            "Entry 300 of 600: `vector entry 300` and a line feed",
            good.to_string().into_bytes(),
        ),
        (
            "entry-0-of-1.txt",
            "The only entry: no hashes",
            proof(0, 1).to_string().into_bytes(),
        ),
        (
            "bad-extra.txt",
            "Refused: an extra line",
            change("index ", "extra AAAA\nindex "),
        ),
        (
            "bad-version.txt",
            "Refused: another version",
            change("@v1", "@v2"),
        ),
        (
            "bad-leading-zero.txt",
            "Refused: an index with a leading zero",
            change("index 300", "index 0300"),
        ),
        (
            "bad-outside.txt",
            "Refused: an index outside the tree",
            other(|proof| proof.index = 600),
        ),
        (
            "bad-other-index.txt",
            "Refused: another index",
            other(|proof| proof.index = 301),
        ),
        (
            "bad-hash.txt",
            "Refused: one bit of a hash",
            other(|proof| proof.hashes[2].0[5] ^= 1),
        ),
        (
            "bad-order.txt",
            "Refused: hashes in another order",
            other(|proof| proof.hashes.reverse()),
        ),
        (
            "bad-missing.txt",
            "Refused: a hash missing",
            other(|proof| proof.hashes.truncate(proof.hashes.len() - 1)),
        ),
        (
            "bad-surplus.txt",
            "Refused: a hash too many",
            other(|proof| proof.hashes.push(Hash([0; 32]))),
        ),
        (
            "bad-many.txt",
            "Refused: more hashes than any tree asks for",
            other(|proof| proof.hashes = vec![Hash([0; 32]); PROOF_HASHES_MAX + 1]),
        ),
        (
            "bad-unsigned.txt",
            "Refused: a checkpoint without the log's line",
            other(|proof| proof.checkpoint.lines[0].name = "x".to_owned()),
        ),
        (
            "bad-trailing.txt",
            "Refused: a trailing line feed",
            [good.to_string().into_bytes(), b"\n".to_vec()].concat(),
        ),
    ]
}

/// The path of a tile or bundle file: its name without the extension and a leading `bad-NAME-`.
fn export_path(file: &str) -> ExportPath {
    let place = file.trim_end_matches(".bin").rsplit("--").next().unwrap();
    ExportPath::parse(&place.replace('-', "/").replace(".p.", ".p/")).unwrap()
}

fn tiles() -> Made {
    let tree = tree(600);
    let tile = |level, index, width| encode_tile(&tree.tile_hashes(level, index, width).unwrap());
    let bundle = encode_bundle(&[entry(256), entry(257), Vec::new()]).unwrap();
    let cut = |bytes: &[u8]| bytes[..bytes.len() - 1].to_vec();
    let more = |bytes: &[u8]| [bytes, &[0]].concat();
    vec![
        (
            "tile-0-002.p.88.bin",
            "The partial tile of level 0 of a log of 600 entries",
            tile(0, 2, 88),
        ),
        (
            "tile-1-000.p.2.bin",
            "The partial tile of level 1 of a log of 600 entries",
            tile(1, 0, 2),
        ),
        (
            "tile-entries-001.p.3.bin",
            "A bundle of three entries, the last one empty",
            bundle.clone(),
        ),
        (
            "bad-cut--tile-1-000.p.2.bin",
            "Refused: a tile cut by a byte",
            cut(&tile(1, 0, 2)),
        ),
        (
            "bad-wide--tile-1-000.p.1.bin",
            "Refused: a tile wider than its path says",
            tile(1, 0, 2),
        ),
        (
            "bad-cut--tile-entries-001.p.2.bin",
            "Refused: a bundle cut by a byte",
            cut(&encode_bundle(&[entry(256), entry(257)]).unwrap()),
        ),
        (
            "bad-length--tile-entries-001.p.3.bin",
            "Refused: a bundle cut inside a length",
            cut(&bundle),
        ),
        (
            "bad-trailing--tile-entries-001.p.3.bin",
            "Refused: a trailing byte after a bundle",
            more(&bundle),
        ),
        (
            "bad-narrow--tile-entries-001.p.4.bin",
            "Refused: a bundle with fewer entries than its path says",
            bundle,
        ),
    ]
}

fn snapshot_sum(bytes: &[u8]) -> Hash {
    tagged_hash(DomainTag::SNAPSHOT, &[bytes])
}

fn snapshots() -> Made {
    let held = tree(3);
    let hash = |byte: u8| Hash([byte; 32]);
    let arrival = ArrivalState {
        event: hash(1),
        sent_ms: 1_767_571_200_000,
        available_ms: Some(1_767_571_201_000),
        received_ms: vec![("civil".to_owned(), 1_767_571_202_000)],
    };
    let head = SnapshotHead {
        holds: 1,
        genesis: hash(9),
        governance: vec!["a governance note\n".to_owned()],
        logs: vec![LogState {
            origin: ORIGIN.to_owned(),
            size: 3,
            root: held.root(),
            edge: vec![
                EdgeLevel {
                    first: 0,
                    hashes: (0..3).map(|index| held.leaf(index).unwrap()).collect(),
                },
                EdgeLevel {
                    first: 0,
                    hashes: vec![held.head_at(2).unwrap().root],
                },
            ],
            last_leaf: held.leaf(2).unwrap(),
            last_recorded_ms: 1_767_571_203_000,
            last_version: 1,
            named: vec![("vector-0123456789abcdef/civil/1".to_owned(), 300)],
            acts_upto: 3,
            roster: vec![0],
        }],
        unreceived: vec![("housing".to_owned(), vec![hash(3)])],
        loose: Vec::new(),
        not_understood: vec![NotUnderstoodCase {
            case: hash(4),
            ruleset: Some(2),
            kinds: vec!["request.invented".to_owned()],
        }],
        running: vec![RunningNumber {
            department: "housing".to_owned(),
            kind: "request".to_owned(),
            year: 2026,
            running: 31,
        }],
        unfetched: vec![("civil".to_owned(), hash(2))],
        tables: vec![TableRef {
            number: 7,
            rows: 5,
            blocks_bytes: 900,
            index_bytes: 80,
            index_sum: hash(5),
        }],
    };
    let brief = BriefState {
        kind: Some("request".to_owned()),
        open: true,
        owner: "housing".to_owned(),
        holders: vec!["civil".to_owned()],
        owes: vec!["civil".to_owned()],
        awaits: vec!["civil".to_owned(), "housing".to_owned()],
        stages: vec!["pending".to_owned()],
        version: 1,
        names: vec![hash(6)],
    };
    let case = CaseRow {
        places: vec![PlaceState {
            log: 0,
            index: 1,
            bad_line: None,
            number: Some((2026, 31)),
        }],
        arrivals: vec![arrival],
        digest: (hash(7), hash(8)),
        brief: brief.clone(),
    };
    let entry = |event: Option<Hash>, standing: StandingState| EntryState {
        recorded_ms: 1_767_571_200_000,
        addressed: event.is_some(),
        event,
        standing,
        raised: Vec::new(),
    };
    let chunk = ChunkRow {
        below: vec![0, 299],
        entries: vec![
            entry(None, StandingState::Statement),
            EntryState {
                raised: vec![(1, 300)],
                ..entry(Some(hash(1)), StandingState::Case(hash(1)))
            },
            entry(
                Some(hash(2)),
                StandingState::Void("no-key".to_owned(), "officer x is not enrolled".to_owned()),
            ),
        ],
    };
    let block = encode_block(&vec![
        Row {
            key: case_key(&hash(1)),
            value: Some(encode_row(&case).unwrap()),
        },
        Row {
            key: event_key(&hash(1), Some((0, 1))),
            value: Some(Vec::new()),
        },
        Row {
            key: chunk_key(0, 0),
            value: Some(encode_row(&chunk).unwrap()),
        },
        Row {
            key: open_key(&hash(1)),
            value: Some(encode_row(&brief).unwrap()),
        },
        Row {
            key: settled_key(&hash(1)),
            value: None,
        },
    ])
    .unwrap();
    let bytes = head.encode(snapshot_sum).unwrap();
    let put = |at: usize, with: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = with;
        bytes
    };
    vec![
        (
            "head.snapshot",
            "A head over one log of three entries",
            bytes.clone(),
        ),
        ("block.rows", "A block with a row of each kind", block.clone()),
        ("bad-version.snapshot", "Refused: another version", put(0, 2)),
        (
            "bad-checksum.snapshot",
            "Refused: a byte of the genesis hash changed",
            put(5, 0),
        ),
        (
            "bad-cut.snapshot",
            "Refused: cut by a byte",
            bytes[..bytes.len() - 1].to_vec(),
        ),
        (
            "bad-trailing.rows",
            "Refused: a trailing byte after a block",
            [block.as_slice(), &[0]].concat(),
        ),
    ]
}

fn frames() -> Made {
    let good = Frame {
        origin: origin(),
        start: 254,
        entries: (254..257).map(entry).collect(),
        consistency: tree(600).consistency(257, 600).unwrap(),
        checkpoint: checkpoint(600).to_bytes(),
    };
    let whole = Frame {
        start: 0,
        entries: (0..2).map(entry).collect(),
        consistency: Vec::new(),
        checkpoint: checkpoint(2).to_bytes(),
        ..good.clone()
    };
    let bytes = whole.encode().unwrap();
    // Version, length and text of the origin; then start, then the count of entries.
    let start_at = 2 + ORIGIN.len();
    let put = |at: usize, with: &[u8]| [&bytes[..at], with, &bytes[at + 1..]].concat();
    vec![
        (
            "to-the-checkpoint.bin",
            "Two entries and the checkpoint at their end",
            bytes.clone(),
        ),
        (
            "before-the-checkpoint.bin",
            "Three entries, and the proof that the checkpoint of 600 continues them",
            good.encode().unwrap(),
        ),
        ("bad-version.bin", "Refused: another version", put(0, &[2])),
        (
            "bad-long-number.bin",
            "Refused: the start 0 written in three bytes",
            put(start_at, &[251, 0, 0]),
        ),
        (
            "bad-beyond.bin",
            "Refused: a start that ends beyond 2^63 - 1",
            put(start_at, &[253, 255, 255, 255, 255, 255, 255, 255, 127]),
        ),
        (
            "bad-count.bin",
            "Refused: a false count of entries",
            put(start_at + 1, &[3]),
        ),
        (
            "bad-huge-count.bin",
            "Refused: a count that would fill all memory",
            put(start_at + 1, &[253, 0, 0, 0, 0, 0, 0, 0, 64]),
        ),
        (
            "bad-entry-length.bin",
            "Refused: a false length of an entry",
            put(start_at + 2, &[200]),
        ),
        ("bad-origin.bin", "Refused: an origin in upper case", put(2, b"V")),
        (
            "bad-cut.bin",
            "Refused: cut by a byte",
            bytes[..bytes.len() - 1].to_vec(),
        ),
        (
            "bad-trailing.bin",
            "Refused: a trailing byte",
            [bytes.as_slice(), &[0]].concat(),
        ),
        ("bad-empty.bin", "Refused: nothing", Vec::new()),
    ]
}

/// The log's other history: the entries from 6 on are others.
fn other_tree(size: u64) -> Tree {
    let other = |index| format!("other entry {index}\n").into_bytes();
    (0..size)
        .map(|index| leaf_hash(&if index < 6 { entry(index) } else { other(index) }))
        .collect()
}

fn forks() -> Made {
    let signed = |tree: &Tree| {
        sign_checkpoint(&origin(), tree.head(), &key(ORIGIN))
            .note()
            .clone()
    };
    let branch = |tree: &Tree, at: u64, via: &[u64]| {
        let mut from = at;
        let steps = via.iter().map(|to| {
            let proof = tree.consistency(from, *to).unwrap();
            from = *to;
            ForkStep {
                head: tree.head_at(*to).unwrap(),
                proof,
            }
        });
        ForkBranch {
            root: tree.head_at(at).unwrap().root,
            steps: steps.collect(),
            checkpoint: signed(tree),
        }
    };
    let evidence = |size, held, other| ForkEvidence {
        size,
        branches: [held, other],
        opening: None,
    };
    let one_size = evidence(9, branch(&tree(9), 9, &[]), branch(&other_tree(9), 9, &[]));
    let grown = evidence(
        8,
        branch(&tree(20), 8, &[20]),
        branch(&other_tree(300), 8, &[10, 300]),
    );
    let mut opened = grown.clone();
    opened.opening = Some(ForkOpening {
        entry: String::from_utf8(entry(0)).unwrap(),
        proof: tree(20).inclusion(0, 8).unwrap(),
    });
    let change = |from: &str, to: &str| {
        let text = String::from_utf8(grown.to_bytes()).unwrap();
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1).into_bytes()
    };
    let other = |change: fn(&mut ForkEvidence)| {
        let mut evidence = grown.clone();
        change(&mut evidence);
        evidence.to_bytes()
    };
    vec![
        ("one-size.json", "Two roots signed at size 9", one_size.to_bytes()),
        (
            "grown.json",
            "Histories that part at entry 6, signed at 20 and, by way of 10, at 300",
            grown.to_bytes(),
        ),
        (
            "opened.json",
            "The same, with entry 0 and its proof, as evidence of a log of a later epoch has them",
            opened.to_bytes(),
        ),
        (
            "bad-opening.json",
            "Refused: an opening without a proof",
            String::from_utf8(opened.to_bytes())
                .unwrap()
                .replacen("\\n\",\"proof\":", "\\n\",\"proofs\":", 1)
                .into_bytes(),
        ),
        (
            "bad-version.json",
            "Refused: another version",
            change("fork/v1", "fork/v2"),
        ),
        (
            "bad-space.json",
            "Refused: not canonical",
            change("\"size\":8", "\"size\": 8"),
        ),
        (
            "bad-member.json",
            "Refused: an unknown member",
            change("\"size\":8", "\"size\":8,\"sizes\":8"),
        ),
        (
            "bad-end.json",
            "Refused: no line feed at the end",
            change("}\n", "}"),
        ),
        (
            "bad-size.json",
            "Refused: the size 0",
            other(|evidence| evidence.size = 0),
        ),
        (
            "bad-part-later.json",
            "Refused: the branches still agree at that size",
            evidence(
                6,
                branch(&tree(20), 6, &[20]),
                branch(&other_tree(300), 6, &[10, 300]),
            )
            .to_bytes(),
        ),
        (
            "bad-other-size.json",
            "Refused: the roots are those of another size",
            other(|evidence| evidence.size = 7),
        ),
        (
            "bad-proof.json",
            "Refused: one bit of a proof",
            other(|evidence| evidence.branches[1].steps[0].proof[0].0[3] ^= 1),
        ),
        (
            "bad-step-missing.json",
            "Refused: a step too few",
            other(|evidence| drop(evidence.branches[1].steps.pop())),
        ),
        (
            "bad-many-steps.json",
            "Refused: a step too many",
            other(|evidence| {
                let step = evidence.branches[0].steps[0].clone();
                evidence.branches[0].steps = vec![step.clone(), step.clone(), step];
            }),
        ),
        (
            "bad-signature.json",
            "Refused: a checkpoint that the log did not sign",
            other(|evidence| evidence.branches[1].checkpoint.lines[0].signature[20] ^= 1),
        ),
    ]
}

fn confirmations() -> Made {
    let text = |index| String::from_utf8(entry(index)).unwrap();
    let shown = |index| ShownEntry {
        entry: text(index),
        proof: tree(20).inclusion(index, 20).unwrap(),
    };
    let by = |node: &str| Confirmation {
        node: NodeId::parse(node).unwrap(),
        entry: text(5),
        proof: prove_recorded(&tree(20), 5, &checkpoint(20)).unwrap(),
        opening: None,
        steps: Vec::new(),
        inclusion: tree(9).inclusion(3, 9).unwrap(),
    };
    let file = |list| Confirmations {
        event: EventId(leaf_hash(&entry(3))),
        origin: origin(),
        index: 3,
        as_of: Timestamp::parse("2026-04-01T02:00:00.000Z").unwrap(),
        list,
    };
    let far = Confirmation {
        opening: Some(shown(0)),
        steps: vec![shown(6), shown(7)],
        ..by("node-c")
    };
    let two = file(vec![by("node-b"), far]);
    let change = |from: &str, to: &str| {
        let text = String::from_utf8(two.to_bytes()).unwrap();
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1).into_bytes()
    };
    vec![
        (
            "none.json",
            "Nobody has confirmed: local only",
            file(Vec::new()).to_bytes(),
        ),
        (
            "two.json",
            "Two nodes, one by a log of a later epoch and by way of two other logs (form alone: the entries are no entries of a federation)",
            two.to_bytes(),
        ),
        (
            "bad-version.json",
            "Refused: another version",
            change("confirmations/v1", "confirmations/v2"),
        ),
        (
            "bad-member.json",
            "Refused: an unknown member",
            change("\"index\":3", "\"index\":3,\"indices\":3"),
        ),
        (
            "bad-degree.json",
            "Refused: a degree that the list does not give",
            change("replicated", "local-only"),
        ),
        (
            "bad-order.json",
            "Refused: nodes out of order",
            change("node-b", "node-d"),
        ),
        (
            "bad-space.json",
            "Refused: not canonical",
            change("\"index\":3", "\"index\": 3"),
        ),
        (
            "bad-end.json",
            "Refused: no line feed at the end",
            change("}\n", "}"),
        ),
        (
            "bad-many-steps.json",
            "Refused: too many steps",
            file(vec![Confirmation {
                steps: vec![shown(6); CONFIRMATION_STEPS_MAX + 1],
                ..by("node-b")
            }])
            .to_bytes(),
        ),
    ]
}

fn locks() -> Made {
    let slot = |sequence: u64, size: u64| LockSlot {
        sequence,
        origin: sha256(&[ORIGIN.as_bytes()]),
        head: tree(size).head(),
    };
    let file = |slots: &[LockSlot]| {
        let mut bytes = vec![0; LOCK_FILE_BYTES];
        for slot in slots {
            let at = usize::try_from(slot.offset()).unwrap();
            bytes[at..at + LOCK_SLOT_BYTES].copy_from_slice(&slot.to_bytes(lock_sum));
        }
        bytes
    };
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut bytes = file(&[slot(6, 20), slot(7, 21)]);
        change(&mut bytes);
        bytes
    };
    vec![
        ("fresh.bin", "A new lock of an empty log", file(&[slot(0, 0)])),
        (
            "two-records.bin",
            "Records 6 and 7",
            file(&[slot(6, 20), slot(7, 21)]),
        ),
        (
            "bad-shrinks.bin",
            "Refused: the newer record has the smaller size",
            file(&[slot(6, 20), slot(7, 19)]),
        ),
        (
            "bad-gap.bin",
            "Refused: records that do not follow one another",
            file(&[slot(4, 20), slot(7, 21)]),
        ),
        (
            "bad-both.bin",
            "Refused: both records damaged",
            changed(|bytes| {
                bytes[20] ^= 1;
                bytes[4_096 + 20] ^= 1;
            }),
        ),
        (
            "bad-version.bin",
            "Refused: another version in both records",
            changed(|bytes| {
                bytes[7] = b'2';
                bytes[4_096 + 7] = b'2';
            }),
        ),
        (
            "bad-short.bin",
            "Refused: a file of another length",
            changed(|bytes| bytes.truncate(LOCK_FILE_BYTES - 1)),
        ),
        (
            "bad-zero.bin",
            "Refused: nothing but zeros",
            vec![0; LOCK_FILE_BYTES],
        ),
    ]
}

/// An error with its causes, as a person would see it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

fn failed(error: impl Error + 'static) -> String {
    chain(&error)
}

/// Reads a vector and returns the bytes that its value prints to, and what a person can read of it.
fn read(vector: &Vector, bytes: &[u8]) -> Result<(Vec<u8>, String), String> {
    let mut out = String::new();
    match vector.folder {
        "json" => {
            let value = Json::parse(bytes).map_err(failed)?;
            let text = value.to_canonical();
            let other: serde_json::Value = serde_json::from_str(&text).unwrap();
            let shown = serde_json::to_string_pretty(&other).unwrap();
            writeln!(out, "```json\n{shown}\n```").unwrap();
            Ok((text.into_bytes(), out))
        }
        "note" => {
            let note = Note::parse(bytes, NOTE_BYTES_MAX).map_err(failed)?;
            for line in &note.lines {
                let name = line.name.trim_start_matches("vector.example/");
                let known = NoteKey::new(&line.name, &key(name).public_key()).unwrap();
                known.verify_line(&note.text, line).unwrap();
                writeln!(
                    out,
                    "- key: `{}`",
                    known.public_key().to_vkey(&line.name, KEY_TYPE_ED25519)
                )
                .unwrap();
                writeln!(out, "- signature: `{}`", hex(&line.signature)).unwrap();
            }
            writeln!(out, "- text: `{}`", note.text.escape_default()).unwrap();
            Ok((note.to_bytes(), out))
        }
        "checkpoint" => {
            let verified = verify_checkpoint(bytes, &log_key(), OtherLines::Keep).map_err(failed)?;
            write_head(&mut out, &verified);
            Ok((verified.to_bytes(), out))
        }
        "proof" => {
            let proof = TlogProof::parse(bytes).map_err(failed)?;
            let recorded = entry(if vector.is_bad() { 300 } else { proof.index });
            let verified = verify_recorded(&recorded, &proof, &log_key()).map_err(failed)?;
            writeln!(
                out,
                "- entry: `{}`",
                String::from_utf8(recorded.clone()).unwrap().escape_default()
            )
            .unwrap();
            writeln!(out, "- leaf: `{}`", leaf_hash(&recorded)).unwrap();
            writeln!(out, "- index: `{}`", proof.index).unwrap();
            for hash in &proof.hashes {
                writeln!(out, "- hash: `{hash}`").unwrap();
            }
            write_head(&mut out, &verified);
            Ok((proof.to_string().into_bytes(), out))
        }
        "fork" => {
            let evidence = ForkEvidence::parse(bytes).map_err(failed)?;
            let fork = verify_fork(&evidence, &log_key()).map_err(failed)?;
            writeln!(out, "- log key: `{}`", log_key().to_vkey()).unwrap();
            writeln!(out, "- size: `{}`", fork.size).unwrap();
            for ((branch, root), signed) in evidence.branches.iter().zip(fork.roots).zip(fork.signed) {
                writeln!(out, "- root: `{root}`").unwrap();
                for step in &branch.steps {
                    writeln!(
                        out,
                        "  - step to size `{}`, root `{}`",
                        step.head.size, step.head.root
                    )
                    .unwrap();
                    for hash in &step.proof {
                        writeln!(out, "    - hash: `{hash}`").unwrap();
                    }
                }
                writeln!(out, "  - signed: size `{}`, root `{}`", signed.size, signed.root).unwrap();
            }
            if let Some(opening) = &evidence.opening {
                writeln!(out, "- opening: leaf `{}`", leaf_hash(opening.entry.as_bytes())).unwrap();
                for hash in &opening.proof {
                    writeln!(out, "  - hash: `{hash}`").unwrap();
                }
            }
            Ok((evidence.to_bytes(), out))
        }
        "confirmation" => {
            let file = Confirmations::parse(bytes).map_err(failed)?;
            writeln!(out, "- event: `{}`", file.event).unwrap();
            writeln!(out, "- entry: `{}` of `{}`", file.index, file.origin).unwrap();
            writeln!(out, "- as of: `{}`", file.as_of).unwrap();
            writeln!(out, "- degree: `{}`", file.degree()).unwrap();
            for confirmation in &file.list {
                writeln!(out, "- node: `{}`", confirmation.node).unwrap();
                writeln!(
                    out,
                    "  - signed: leaf `{}`",
                    leaf_hash(confirmation.entry.as_bytes())
                )
                .unwrap();
                for step in confirmation.opening.iter().chain(&confirmation.steps) {
                    writeln!(out, "  - shown: leaf `{}`", leaf_hash(step.entry.as_bytes())).unwrap();
                }
                for hash in &confirmation.inclusion {
                    writeln!(out, "  - hash: `{hash}`").unwrap();
                }
            }
            Ok((file.to_bytes(), out))
        }
        "tiles" => {
            let path = export_path(vector.file);
            writeln!(out, "- path: `{path}`").unwrap();
            match path {
                ExportPath::Tile(tile) => {
                    let hashes = parse_tile(bytes, tile.width).map_err(failed)?;
                    for hash in &hashes {
                        writeln!(out, "- hash: `{hash}`").unwrap();
                    }
                    Ok((encode_tile(&hashes), out))
                }
                ExportPath::Bundle(bundle) => {
                    let entries = parse_bundle(bytes, bundle.width).map_err(failed)?;
                    for entry in &entries {
                        writeln!(out, "- entry: `{}`", entry.escape_ascii()).unwrap();
                    }
                    Ok((encode_bundle(&entries).unwrap(), out))
                }
                ExportPath::Checkpoint => panic!("no tile"),
            }
        }
        "frame" => {
            let frame = Frame::decode(bytes).map_err(failed)?;
            writeln!(out, "- origin: `{}`", frame.origin).unwrap();
            writeln!(out, "- start: `{}`", frame.start).unwrap();
            for entry in &frame.entries {
                writeln!(out, "- entry: `{}`", entry.escape_ascii()).unwrap();
            }
            for hash in &frame.consistency {
                writeln!(out, "- consistency: `{hash}`").unwrap();
            }
            write_head(
                &mut out,
                &verify_checkpoint(&frame.checkpoint, &log_key(), OtherLines::Refuse).unwrap(),
            );
            writeln!(out, "\n```\n{}```", hex_lines(bytes)).unwrap();
            Ok((frame.encode().unwrap(), out))
        }
        "lock" => {
            let lock = LockFile::parse(bytes, lock_sum).map_err(failed)?;
            assert_eq!(lock.other_damaged, None);
            writeln!(out, "- number: `{}`", lock.newest.sequence).unwrap();
            writeln!(out, "- origin: SHA-256 of `{ORIGIN}`").unwrap();
            writeln!(out, "- size: `{}`", lock.newest.head.size).unwrap();
            writeln!(out, "- root: `{}`", lock.newest.head.root).unwrap();
            // A lock file keeps the record before, which the reading does not return: only its slot is printed back.
            let at = usize::try_from(lock.newest.offset()).unwrap();
            let slot = lock.newest.to_bytes(lock_sum);
            writeln!(out, "\nThe newer slot, at {at}:\n\n```\n{}```", hex_lines(&slot)).unwrap();
            let again = [&bytes[..at], &slot, &bytes[at + LOCK_SLOT_BYTES..]].concat();
            Ok((again, out))
        }
        "snapshot" if vector.file.ends_with(".rows") => {
            let rows = decode_block(bytes).map_err(failed)?;
            for row in &rows {
                writeln!(out, "- key `{}`", row.key.escape_ascii()).unwrap();
                match (row.key.first(), &row.value) {
                    (_, None) => writeln!(out, "\n  gone\n").unwrap(),
                    (Some(b'c'), Some(value)) => show(&mut out, &decode_row::<CaseRow>(value).unwrap()),
                    (Some(b'l'), Some(value)) => show(&mut out, &decode_row::<ChunkRow>(value).unwrap()),
                    (Some(b'o'), Some(value)) => show(&mut out, &decode_row::<BriefState>(value).unwrap()),
                    (_, Some(value)) => writeln!(out, "\n  value `{}`\n", hex(value)).unwrap(),
                }
            }
            writeln!(out, "```\n{}```", hex_lines(bytes)).unwrap();
            Ok((encode_block(&rows).unwrap(), out))
        }
        "snapshot" => {
            let head = SnapshotHead::decode(bytes, snapshot_sum).map_err(failed)?;
            show(&mut out, &head);
            writeln!(out, "```\n{}```", hex_lines(bytes)).unwrap();
            Ok((head.encode(snapshot_sum).unwrap(), out))
        }
        other => panic!("no folder {other}"),
    }
}

fn write_head(out: &mut String, checkpoint: &VerifiedCheckpoint) {
    writeln!(out, "- log key: `{}`", log_key().to_vkey()).unwrap();
    writeln!(out, "- size: `{}`", checkpoint.head().size).unwrap();
    writeln!(out, "- root: `{}`", checkpoint.head().root).unwrap();
    for line in checkpoint.note().lines.iter().skip(1) {
        writeln!(out, "- further line: `{}`", line.name).unwrap();
    }
}

/// Shows a value as its fields, one in each line.
fn show(out: &mut String, value: &impl std::fmt::Debug) {
    writeln!(out, "\n```\n{value:#?}\n```\n").unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Rows of 32 bytes in hex with their offset.
fn hex_lines(bytes: &[u8]) -> String {
    bytes
        .chunks(32)
        .enumerate()
        .map(|(row, bytes)| format!("{:04}  {}\n", row * 32, hex(bytes)))
        .collect()
}

fn twin(vector: &Vector, bytes: &[u8]) -> String {
    match read(vector, bytes) {
        Ok((_, shown)) => format!("# {}\n\n{shown}", vector.title),
        Err(error) => format!("# {}\n\n- error: `{error}`\n", vector.title),
    }
}

#[test]
fn every_vector_is_read_as_its_twin_says() {
    let mut wrong = Vec::new();
    for vector in vectors() {
        let path = vector.path();
        if std::env::var_os("TALLY_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &vector.bytes).unwrap();
            std::fs::write(path.with_extension("md"), twin(&vector, &vector.bytes)).unwrap();
        }
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let stated = std::fs::read_to_string(path.with_extension("md")).unwrap();
        if bytes != vector.bytes {
            wrong.push(format!("{path:?}: the bytes made today differ from the file"));
        }
        if stated != twin(&vector, &bytes) {
            wrong.push(format!("{path:?}: read as\n{}", twin(&vector, &bytes)));
        }
        match read(&vector, &bytes) {
            Ok(_) if vector.is_bad() => wrong.push(format!("{path:?} is accepted")),
            Ok((again, _)) if again != bytes => {
                wrong.push(format!("{path:?} does not print back to its bytes"));
            }
            Err(error) if !vector.is_bad() => wrong.push(format!("{path:?} is refused: {error}")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_lies_among_the_vectors_untested() {
    let mut expected: BTreeMap<&str, BTreeSet<PathBuf>> = BTreeMap::new();
    for vector in vectors() {
        let files = expected.entry(vector.folder).or_default();
        files.insert(vector.path());
        files.insert(vector.path().with_extension("md"));
    }
    for (folder, files) in expected {
        let found: BTreeSet<PathBuf> = std::fs::read_dir(root().join(folder))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        assert_eq!(found, files, "{folder}");
    }
}
