//! Exports under the eyes of two implementations that share no code: `tally_ledger::export` and the Go program in
//! `tests/checker-go`. Both accept good exports of many sizes, and each of the named mutants is refused by both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use tally_client::export_folder::ExportFolder;
use tally_ledger::checkpoint::{LogKey, sign_checkpoint};
use tally_ledger::crypto::{SigningKey, leaf_hash, sign_note};
use tally_ledger::export::{tile_bytes, verify_export};
use tally_ledger::merkle::Tree;
use tally_schemas::id::{Hash, Origin, TreeHead};
use tally_schemas::note::Note;
use tally_schemas::tile::{bundles_of, encode_bundle, tiles_of};
use tally_tests::go_checker;

const ORIGIN: &str = "xian-0123456789abcdef/housing/1";

fn key() -> SigningKey {
    SigningKey::from_seed(&[0x5a; 32])
}

fn origin() -> Origin {
    Origin::parse(ORIGIN).unwrap()
}

fn log_key() -> LogKey {
    LogKey::new(&origin(), &key().public_key())
}

fn entries(size: u64) -> Vec<Vec<u8>> {
    (0..size)
        .map(|index| format!("entry {index}\n").into_bytes())
        .collect()
}

fn tree(entries: &[Vec<u8>]) -> Tree {
    entries.iter().map(|entry| leaf_hash(entry)).collect()
}

/// The files of an export, by path.
#[derive(Clone)]
struct Export {
    files: BTreeMap<String, Vec<u8>>,
    folders: Vec<String>,
    links: Vec<(String, String)>,
}

impl Export {
    fn new(size: u64) -> Self {
        Self::of(&entries(size))
    }

    fn of(entries: &[Vec<u8>]) -> Self {
        let tree = tree(entries);
        let mut files = BTreeMap::new();
        files.insert(
            "checkpoint".to_owned(),
            sign_checkpoint(&origin(), tree.head(), &key()).to_bytes(),
        );
        for tile in tiles_of(tree.size()) {
            files.insert(tile.path(), tile_bytes(&tree, tile).unwrap());
        }
        for (bundle, rows) in bundles_of(tree.size()).zip(entries.chunks(256)) {
            files.insert(bundle.path(), encode_bundle(rows).unwrap());
        }
        Self {
            files,
            folders: Vec::new(),
            links: Vec::new(),
        }
    }

    fn file(&mut self, path: &str) -> &mut Vec<u8> {
        self.files.get_mut(path).unwrap_or_else(|| panic!("no {path}"))
    }

    fn take(&mut self, path: &str) -> Vec<u8> {
        self.files.remove(path).unwrap_or_else(|| panic!("no {path}"))
    }

    fn put(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.to_owned(), bytes.into());
    }

    fn flip(&mut self, path: &str, bit: usize) {
        self.file(path)[bit / 8] ^= 1 << (bit % 8);
    }

    fn swap(&mut self, one: &str, other: &str) {
        let (first, second) = (self.take(one), self.take(other));
        self.put(one, second);
        self.put(other, first);
    }

    fn note(&self) -> Note {
        Note::parse(&self.files["checkpoint"], 100_000).unwrap()
    }

    /// Replaces the checkpoint by a text signed with the log's key and name.
    fn sign(&mut self, text: &str) {
        let line = sign_note(text, ORIGIN, &key()).unwrap();
        self.put(
            "checkpoint",
            Note {
                text: text.to_owned(),
                lines: vec![line],
            }
            .to_bytes(),
        );
    }

    fn change_text(&mut self, from: &str, to: &str) {
        let text = String::from_utf8(self.take("checkpoint")).unwrap();
        assert!(text.contains(from), "{text}");
        self.put("checkpoint", text.replacen(from, to, 1));
    }

    /// Moves a file out of the export and leaves a link to it.
    fn link_away(&mut self, path: &str) {
        let outside = Path::new(env!("CARGO_TARGET_TMPDIR")).join(path.replace('/', "-"));
        fs::write(&outside, self.take(path)).unwrap();
        self.links
            .push((path.to_owned(), outside.into_os_string().into_string().unwrap()));
    }

    fn write(&self, folder: &Path) {
        for (path, bytes) in &self.files {
            let file = folder.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
        for path in &self.folders {
            fs::create_dir_all(folder.join(path)).unwrap();
        }
        for (path, target) in &self.links {
            std::os::unix::fs::symlink(target, folder.join(path)).unwrap();
        }
    }
}

/// The verdict of the Go checker: what it printed, or why it refused.
fn verdict_of_go(folder: &Path, vkey: &str) -> Result<String, String> {
    let checker = go_checker::build(Path::new(env!("CARGO_TARGET_TMPDIR")));
    go_checker::verdict(checker, folder, vkey)
}

/// The verdict of this workspace: the entries visited, or why it refused.
fn verdict_of_rust(folder: &Path, key: &LogKey) -> Result<Vec<Vec<u8>>, String> {
    let mut visited = Vec::new();
    let result = verify_export(&ExportFolder::new(folder), key, |entry| {
        assert_eq!(entry.index, visited.len() as u64);
        visited.push(entry.bytes.to_vec());
    });
    result.map(|_| visited).map_err(|error| error.to_string())
}

#[test]
fn good_exports_of_many_sizes_are_accepted_by_both() {
    for size in [0u64, 1, 2, 255, 256, 257, 600, 65_536, 70_000] {
        let folder = tempfile::tempdir().unwrap();
        let entries = entries(size);
        Export::of(&entries).write(folder.path());
        assert_eq!(
            verdict_of_rust(folder.path(), &log_key()),
            Ok(entries),
            "size {size}"
        );
        let said = verdict_of_go(folder.path(), &log_key().to_vkey().to_string()).unwrap();
        assert!(said.contains(&format!("{ORIGIN} size {size} ")), "{said}");
    }
}

#[test]
fn entries_of_every_length_up_to_the_longest_are_accepted_by_both() {
    let entries = vec![vec![], vec![1], vec![2; 300], vec![3; 65_534], vec![4; 65_535]];
    let folder = tempfile::tempdir().unwrap();
    Export::of(&entries).write(folder.path());
    assert_eq!(verdict_of_rust(folder.path(), &log_key()), Ok(entries));
    assert!(verdict_of_go(folder.path(), &log_key().to_vkey().to_string()).is_ok());
}

#[test]
fn an_export_is_refused_under_another_key_or_log() {
    let folder = tempfile::tempdir().unwrap();
    Export::new(3).write(folder.path());
    let other_key = LogKey::new(&origin(), &SigningKey::from_seed(&[1; 32]).public_key());
    let other_epoch = Origin::parse("xian-0123456789abcdef/housing/2").unwrap();
    let other_log = LogKey::new(&other_epoch, &key().public_key());
    for key in [other_key, other_log] {
        assert!(verdict_of_rust(folder.path(), &key).is_err());
        assert!(verdict_of_go(folder.path(), &key.to_vkey().to_string()).is_err());
    }
}

type Mutation = fn(&mut Export);

/// Every mutant: its name, the size of the good export, and what is done to it.
const MUTANTS: &[(&str, u64, Mutation)] = &[
    ("checkpoint: size changed in the text", 600, |e| {
        e.change_text("\n600\n", "\n601\n")
    }),
    ("checkpoint: one bit of the root", 600, |e| {
        e.flip("checkpoint", (ORIGIN.len() + 5) * 8)
    }),
    ("checkpoint: one bit of the signature", 600, |e| {
        let mut note = e.note();
        note.lines[0].signature[40] ^= 4;
        e.put("checkpoint", note.to_bytes());
    }),
    ("checkpoint: one bit of the key id", 600, |e| {
        let mut note = e.note();
        note.lines[0].key_id[0] ^= 4;
        e.put("checkpoint", note.to_bytes());
    }),
    ("checkpoint: another key name", 600, |e| {
        e.change_text("\u{2014} xian", "\u{2014} yian")
    }),
    (
        "checkpoint: origin of another epoch, signed by the key under its own name",
        600,
        |e| {
            let text = e.note().text.replace("housing/1", "housing/2");
            e.sign(&text);
        },
    ),
    ("checkpoint: of another log of the same key", 600, |e| {
        let other = Origin::parse("xian-0123456789abcdef/housing/2").unwrap();
        e.put(
            "checkpoint",
            sign_checkpoint(&other, tree(&entries(600)).head(), &key()).to_bytes(),
        );
    }),
    (
        "checkpoint: signed by a stranger under the log's name",
        600,
        |e| {
            let stranger = SigningKey::from_seed(&[9; 32]);
            e.put(
                "checkpoint",
                sign_checkpoint(&origin(), tree(&entries(600)).head(), &stranger).to_bytes(),
            );
        },
    ),
    (
        "checkpoint: an unknown signature line after the log's",
        600,
        |e| {
            let mut note = e.note();
            note.lines
                .push(sign_note(&note.text, "stranger.example", &SigningKey::from_seed(&[9; 32])).unwrap());
            e.put("checkpoint", note.to_bytes());
        },
    ),
    (
        "checkpoint: an unknown signature line before the log's",
        600,
        |e| {
            let mut note = e.note();
            note.lines.insert(
                0,
                sign_note(&note.text, "stranger.example", &SigningKey::from_seed(&[9; 32])).unwrap(),
            );
            e.put("checkpoint", note.to_bytes());
        },
    ),
    ("checkpoint: the log's line twice", 600, |e| {
        let mut note = e.note();
        note.lines.push(note.lines[0].clone());
        e.put("checkpoint", note.to_bytes());
    }),
    ("checkpoint: no signature line", 600, |e| {
        let text = e.note().text;
        e.put("checkpoint", format!("{text}\n"));
    }),
    ("checkpoint: the text alone", 600, |e| {
        let text = e.note().text;
        e.put("checkpoint", text);
    }),
    ("checkpoint: an extension line, signed", 600, |e| {
        let text = format!("{}extension\n", e.note().text);
        e.sign(&text);
    }),
    ("checkpoint: a blank line in the text, signed", 600, |e| {
        let text = format!("{}\n", e.note().text);
        e.sign(&text);
    }),
    ("checkpoint: size with a leading zero, signed", 600, |e| {
        let text = e.note().text.replace("\n600\n", "\n0600\n");
        e.sign(&text);
    }),
    ("checkpoint: size with a sign, signed", 600, |e| {
        let text = e.note().text.replace("\n600\n", "\n+600\n");
        e.sign(&text);
    }),
    ("checkpoint: root without padding, signed", 600, |e| {
        let text = e.note().text.replace("=\n", "\n");
        e.sign(&text);
    }),
    (
        "checkpoint: root with surplus bits in its base64, signed",
        600,
        |e| {
            let text = e.note().text;
            let at = text.len() - 3;
            let mut bytes = text.into_bytes();
            bytes[at] = next_base64_letter(bytes[at]);
            e.sign(&String::from_utf8(bytes).unwrap());
        },
    ),
    (
        "checkpoint: surplus bits in the base64 of the signature",
        600,
        |e| {
            let bytes = e.file("checkpoint");
            let at = bytes.len() - 3;
            assert_eq!(bytes[at + 1], b'=', "4 + 64 bytes leave two spare bits");
            bytes[at] = next_base64_letter(bytes[at]);
        },
    ),
    ("checkpoint: signature shortened by a byte", 600, |e| {
        let mut note = e.note();
        note.lines[0].signature.pop();
        e.put("checkpoint", note.to_bytes());
    }),
    ("checkpoint: signature with a trailing byte", 600, |e| {
        let mut note = e.note();
        note.lines[0].signature.push(0);
        e.put("checkpoint", note.to_bytes());
    }),
    ("checkpoint: trailing line feed", 600, |e| {
        e.file("checkpoint").push(b'\n')
    }),
    ("checkpoint: trailing space after the signature", 600, |e| {
        e.file("checkpoint").pop();
        e.file("checkpoint").extend_from_slice(b" \n");
    }),
    ("checkpoint: carriage returns", 600, |e| {
        let text = String::from_utf8(e.take("checkpoint")).unwrap();
        e.put("checkpoint", text.replace('\n', "\r\n"));
    }),
    ("checkpoint: empty file", 600, |e| e.put("checkpoint", "")),
    ("checkpoint: an older one of the same log", 600, |e| {
        let head = tree(&entries(600)).head_at(599).unwrap();
        e.put("checkpoint", sign_checkpoint(&origin(), head, &key()).to_bytes());
    }),
    ("checkpoint: a newer one of the same log", 600, |e| {
        e.put(
            "checkpoint",
            sign_checkpoint(&origin(), tree(&entries(601)).head(), &key()).to_bytes(),
        );
    }),
    ("checkpoint: size beyond all files, signed", 600, |e| {
        let head = TreeHead {
            size: 1 << 60,
            root: tree(&entries(600)).root(),
        };
        e.put("checkpoint", sign_checkpoint(&origin(), head, &key()).to_bytes());
    }),
    ("checkpoint: another root, signed", 600, |e| {
        let head = TreeHead {
            size: 600,
            root: Hash([7; 32]),
        };
        e.put("checkpoint", sign_checkpoint(&origin(), head, &key()).to_bytes());
    }),
    ("checkpoint: another root over nothing, signed", 0, |e| {
        let head = TreeHead {
            size: 0,
            root: Hash([7; 32]),
        };
        e.put("checkpoint", sign_checkpoint(&origin(), head, &key()).to_bytes());
    }),
    ("checkpoint: missing", 600, |e| {
        e.take("checkpoint");
    }),
    ("tile: one bit in a full tile of level 0", 600, |e| {
        e.flip("tile/0/001", 77)
    }),
    ("tile: one bit in the partial tile of level 0", 600, |e| {
        e.flip("tile/0/002.p/88", 2_815 * 8)
    }),
    ("tile: one bit in the partial tile of level 1", 600, |e| {
        e.flip("tile/1/000.p/2", 300)
    }),
    ("tile: one bit in the full tile of level 1", 66_000, |e| {
        e.flip("tile/1/000", 65_535)
    }),
    (
        "tile: one bit in the partial tile of level 1 beside a full one",
        66_000,
        |e| e.flip("tile/1/001.p/1", 0),
    ),
    ("tile: one bit in level 2", 66_000, |e| {
        e.flip("tile/2/000.p/1", 255)
    }),
    ("tile: shortened by a hash", 600, |e| {
        e.file("tile/0/001").truncate(8_192 - 32)
    }),
    ("tile: shortened by a byte", 600, |e| {
        e.file("tile/0/002.p/88").pop();
    }),
    ("tile: a trailing byte", 600, |e| e.file("tile/0/000").push(0)),
    ("tile: a trailing hash", 600, |e| {
        e.file("tile/1/000.p/2").extend_from_slice(&[0; 32])
    }),
    ("tile: empty file", 600, |e| e.file("tile/1/000.p/2").clear()),
    ("tile: two of level 0 swapped", 600, |e| {
        e.swap("tile/0/000", "tile/0/001")
    }),
    ("tile: two hashes swapped within", 600, |e| {
        let tile = e.file("tile/0/000");
        let (left, right) = tile.split_at_mut(32);
        left.swap_with_slice(&mut right[..32]);
    }),
    ("tile: missing in level 0", 600, |e| {
        e.take("tile/0/001");
    }),
    ("tile: missing in level 1", 600, |e| {
        e.take("tile/1/000.p/2");
    }),
    ("tile: missing in level 2", 66_000, |e| {
        e.take("tile/2/000.p/1");
    }),
    ("tile: a partial one in place of the full one", 600, |e| {
        let mut bytes = e.take("tile/0/001");
        bytes.truncate(255 * 32);
        e.put("tile/0/001.p/255", bytes);
    }),
    ("tile: the partial one under the name of a full one", 600, |e| {
        let bytes = e.take("tile/0/002.p/88");
        e.put("tile/0/002", bytes);
    }),
    ("tile: the partial one under another width", 600, |e| {
        let bytes = e.take("tile/0/002.p/88");
        e.put("tile/0/002.p/87", bytes);
    }),
    ("tile: a correct but surplus partial one", 600, |e| {
        let bytes = e.file("tile/0/002.p/88")[..32 * 10].to_vec();
        e.put("tile/0/002.p/10", bytes);
    }),
    (
        "tile: an empty one of a level that the size does not reach",
        600,
        |e| e.put("tile/2/000", ""),
    ),
    ("tile: a second spelling of its path", 600, |e| {
        let bytes = e.file("tile/0/001").clone();
        e.put("tile/0/x000/001", bytes);
    }),
    ("bundle: one bit of an entry", 600, |e| {
        e.flip("tile/entries/001", 8 * 2_000)
    }),
    ("bundle: one bit of a length", 600, |e| {
        e.flip("tile/entries/000", 8)
    }),
    ("bundle: one bit of the last entry", 600, |e| {
        let last = e.file("tile/entries/002.p/88").len() - 1;
        e.flip("tile/entries/002.p/88", last * 8);
    }),
    ("bundle: cut by a byte", 600, |e| {
        e.file("tile/entries/002.p/88").pop();
    }),
    ("bundle: cut by an entry", 600, |e| {
        let bytes = encode_bundle(&entries(599)[512..]).unwrap();
        e.put("tile/entries/002.p/88", bytes);
    }),
    ("bundle: a trailing byte", 600, |e| {
        e.file("tile/entries/000").push(0)
    }),
    ("bundle: a trailing empty entry", 600, |e| {
        e.file("tile/entries/002.p/88").extend_from_slice(&[0, 0])
    }),
    ("bundle: empty file", 600, |e| e.file("tile/entries/001").clear()),
    ("bundle: two swapped", 600, |e| {
        e.swap("tile/entries/000", "tile/entries/001")
    }),
    ("bundle: two entries swapped", 600, |e| {
        let mut rows = entries(256);
        rows.swap(3, 4);
        e.put("tile/entries/000", encode_bundle(&rows).unwrap());
    }),
    ("bundle: the border between two entries moved", 600, |e| {
        let mut rows = entries(256);
        let moved = rows[4].remove(0);
        rows[3].push(moved);
        e.put("tile/entries/000", encode_bundle(&rows).unwrap());
    }),
    ("bundle: missing", 600, |e| {
        e.take("tile/entries/001");
    }),
    ("bundle: missing, the last one", 600, |e| {
        e.take("tile/entries/002.p/88");
    }),
    ("bundle: a correct but surplus partial one", 600, |e| {
        e.put(
            "tile/entries/001.p/5",
            encode_bundle(&entries(261)[256..]).unwrap(),
        );
    }),
    ("forgery: an entry with its leaf hash", 600, |e| {
        let mut forged = entries(600);
        forged[300] = b"another act".to_vec();
        let forged = Export::of(&forged);
        for path in ["tile/0/001", "tile/entries/001"] {
            e.put(path, forged.files[path].clone());
        }
    }),
    (
        "forgery: all tiles and bundles of a log with one other entry",
        600,
        |e| {
            let mut forged = entries(600);
            forged[300] = b"another act".to_vec();
            let checkpoint = e.take("checkpoint");
            *e = Export::of(&forged);
            e.put("checkpoint", checkpoint);
        },
    ),
    (
        "forgery: the last entry left out everywhere but in the checkpoint",
        600,
        |e| {
            let checkpoint = e.take("checkpoint");
            *e = Export::new(599);
            e.put("checkpoint", checkpoint);
        },
    ),
    (
        "forgery: a hash of level 1 with the hash of level 2 above it",
        66_000,
        |e| {
            e.flip("tile/1/000", 100);
            e.flip("tile/2/000.p/1", 100);
        },
    ),
    ("folder: an unknown file beside the checkpoint", 600, |e| {
        e.put("README", "hello")
    }),
    ("folder: a hidden file", 600, |e| e.put(".DS_Store", "")),
    ("folder: an unknown file among the tiles", 600, |e| {
        e.put("tile/0/001.tmp", "")
    }),
    ("folder: an unknown file in tile/", 600, |e| {
        e.put("tile/index", "")
    }),
    ("folder: an empty folder", 600, |e| {
        e.folders.push("tile/3".to_owned())
    }),
    ("folder: an empty folder beside the checkpoint", 600, |e| {
        e.folders.push("parts".to_owned())
    }),
    (
        "folder: a link to the right bytes of a tile elsewhere",
        600,
        |e| e.link_away("tile/0/001"),
    ),
    (
        "folder: a link to the right bytes of a bundle elsewhere",
        600,
        |e| e.link_away("tile/entries/001"),
    ),
    ("folder: a link to the right checkpoint elsewhere", 600, |e| {
        e.link_away("checkpoint")
    }),
];

/// The next letter of the base64 alphabet, for a letter whose lowest bits must be zero.
fn next_base64_letter(letter: u8) -> u8 {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let place = alphabet.iter().position(|other| *other == letter).unwrap();
    alphabet[place + 1]
}

#[test]
fn every_mutant_is_refused_by_both() {
    let names: BTreeSet<&str> = MUTANTS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names.len(), MUTANTS.len(), "every mutant has a name of its own");
    let bases: BTreeMap<u64, Export> = MUTANTS
        .iter()
        .map(|(_, size, _)| (*size, Export::new(*size)))
        .collect();
    let vkey = log_key().to_vkey().to_string();
    let mut accepted = Vec::new();
    for (name, size, mutate) in MUTANTS {
        let mut export = bases[size].clone();
        mutate(&mut export);
        let folder = tempfile::tempdir().unwrap();
        export.write(folder.path());
        if verdict_of_rust(folder.path(), &log_key()).is_ok() {
            accepted.push(format!("this workspace accepts the mutant {name:?}"));
        }
        if verdict_of_go(folder.path(), &vkey).is_ok() {
            accepted.push(format!("the Go checker accepts the mutant {name:?}"));
        }
    }
    assert!(accepted.is_empty(), "{}", accepted.join("\n"));
}

#[test]
fn one_flipped_bit_anywhere_is_refused_by_both() {
    let good = Export::new(300);
    let vkey = log_key().to_vkey().to_string();
    let folder = tempfile::tempdir().unwrap();
    good.write(folder.path());
    let mut flipped = 0;
    for (path, bytes) in &good.files {
        // A step that is no multiple of 8 reaches every bit position; the checkpoint is taken whole.
        let step = if path == "checkpoint" {
            1
        } else {
            (bytes.len() * 8 / 60) | 1
        };
        for bit in (0..bytes.len() * 8).step_by(step) {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            fs::write(folder.path().join(path), &changed).unwrap();
            assert!(
                verdict_of_rust(folder.path(), &log_key()).is_err(),
                "bit {bit} of {path}"
            );
            assert!(
                verdict_of_go(folder.path(), &vkey).is_err(),
                "bit {bit} of {path}"
            );
            flipped += 1;
        }
        fs::write(folder.path().join(path), bytes).unwrap();
    }
    assert!(flipped > 1_500, "{flipped}");
    assert!(verdict_of_rust(folder.path(), &log_key()).is_ok());
}
