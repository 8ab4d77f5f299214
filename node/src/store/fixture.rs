//! What the tests of the store build on: a data folder, a log with a key, and folders that are compared file by file.

use super::conformance::entry;
use super::tiles::files_below;
use super::{DataDir, LocalRecord, OwnStore};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tally_ledger::checkpoint::{LogKey, sign_checkpoint};
use tally_ledger::crypto::{SigningKey, leaf_hash};
use tally_ledger::export::ExportReader;
use tally_ledger::merkle::{Frontier, Tree};
use tally_schemas::id::{Origin, TreeHead};

/// A data folder for one log.
pub(crate) struct Fixture {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) data: DataDir,
    pub(crate) origin: Origin,
    key: SigningKey,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            data: DataDir::open(&dir.path().join("data")).unwrap(),
            dir,
            origin: Origin::parse("xian-0123456789abcdef/housing/1").unwrap(),
            key: SigningKey::from_seed(&[3; 32]),
        }
    }

    /// The key that signs the checkpoints of the log.
    pub(crate) fn log_key(&self) -> LogKey {
        LogKey::new(&self.origin, &self.key.public_key())
    }

    /// A signed checkpoint of a head.
    pub(crate) fn signed(&self, head: TreeHead) -> Vec<u8> {
        sign_checkpoint(&self.origin, head, &self.key).to_bytes()
    }

    /// The signed checkpoint over the first entries that [`entries`] makes.
    pub(crate) fn checkpoint(&self, size: u64) -> Vec<u8> {
        self.signed(head(size))
    }
}

/// An own log with so many entries, all of them signed and published, and a local record.
pub(crate) fn own_store(f: &Fixture, size: u64) -> OwnStore {
    let mut own = OwnStore::create(&f.data, &f.origin).unwrap();
    let record = LocalRecord::Put {
        key: b"draft/1".to_vec(),
        value: vec![4; 9_000],
    };
    own.log.append_batch(0, &entries(0, size), &[record]).unwrap();
    own.lock.advance(head(size)).unwrap();
    own.publish(&f.checkpoint(size)).unwrap();
    own.settle().unwrap();
    own
}

/// Cuts the database of an own log, without what sled could rebuild it from.
pub(crate) fn cut_database(f: &Fixture, keep_percent: usize) {
    let folder = f.data.own_log(&f.origin);
    let db = folder.join("db");
    let bytes = std::fs::read(&db).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    std::fs::write(&db, &bytes[..used * keep_percent / 100]).unwrap();
    for name in super::durable::names_in(&folder).unwrap() {
        if name.starts_with("snap.") {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
    }
}

/// Entries of odd lengths, most of them short, each different.
pub(crate) fn entries(from: u64, to: u64) -> Vec<Arc<[u8]>> {
    (from..to)
        .map(|index| entry(index, 20 + usize::try_from(index % 37).unwrap()))
        .collect()
}

/// The head over the first entries that [`entries`] makes.
pub(crate) fn head(size: u64) -> TreeHead {
    let mut frontier = Frontier::new();
    for entry in entries(0, size) {
        frontier.append(leaf_hash(&entry));
    }
    frontier.head()
}

/// The whole tree over them.
pub(crate) fn tree(size: u64) -> Tree {
    entries(0, size).iter().map(|entry| leaf_hash(entry)).collect()
}

/// Every file below a folder with its bytes.
pub(crate) fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = files_below(folder).unwrap();
    files
        .into_iter()
        .map(|name| {
            let bytes = std::fs::read(folder.join(&name)).unwrap();
            (name, bytes)
        })
        .collect()
}

/// Writes files into a folder, over those that are there.
pub(crate) fn write_all(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// A folder as an auditor reads it; empty folders are listed, so that they are refused.
pub(crate) struct Folder(pub(crate) PathBuf);

impl ExportReader for Folder {
    fn paths(&self) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        let mut open = vec![String::new()];
        while let Some(at) = open.pop() {
            let listing: Vec<_> = std::fs::read_dir(self.0.join(&at)).unwrap().collect();
            if listing.is_empty() {
                found.push(at.clone());
            }
            for item in listing {
                let item = item.unwrap();
                let name = format!("{at}{}", item.file_name().to_str().unwrap());
                if item.file_type().unwrap().is_dir() {
                    open.push(format!("{name}/"));
                } else {
                    found.push(name);
                }
            }
        }
        Ok(found)
    }

    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, String> {
        let bytes = std::fs::read(self.0.join(path)).map_err(|error| error.to_string())?;
        assert!(bytes.len() <= limit);
        Ok(bytes)
    }
}
