//! What lies outside the memory of a world: entries and tree hashes of logs, rows of the newest snapshot.
//!
//! The core does no I/O: whoever drives it (a node with a disk, a simulator, a test) hands in an [`Archive`]. What it answers is a
//! function of what was put there, so that two drivers with the same content derive the same state (I5).

use crate::crypto::leaf_hash;
use crate::merkle::{HashReader, Tree};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use tally_schemas::id::{Hash, Origin};
use tally_schemas::snapshot::Row;

/// Why something that a snapshot rests on cannot be read; the node then stops writing, and derives its state anew at the next start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be read: {why}")]
pub struct ArchiveError {
    /// What was asked for.
    pub what: String,
    /// What happened.
    pub why: String,
}

impl ArchiveError {
    /// Makes an error.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers hand over errors and texts as they have them"
    )]
    pub fn new(what: impl Into<String>, why: impl ToString) -> Self {
        Self {
            what: what.into(),
            why: why.to_string(),
        }
    }
}

/// Hands back what a world has let go of.
pub trait Archive: Debug + Send + Sync {
    /// Returns the value of a row of the newest snapshot.
    ///
    /// # Errors
    /// The row cannot be read.
    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError>;

    /// Visits the rows whose keys begin with a prefix, by key.
    ///
    /// # Errors
    /// A row cannot be read.
    fn rows(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), ArchiveError>;

    /// Returns an entry of a log under a snapshot.
    ///
    /// # Errors
    /// The entry is not there or cannot be read.
    fn entry(&self, origin: &Origin, index: u64) -> Result<Arc<[u8]>, ArchiveError>;

    /// Returns the hash of a complete subtree that lies in a full tile.
    ///
    /// # Errors
    /// The tile is not there or cannot be read.
    fn node(&self, origin: &Origin, level: u8, index: u64) -> Result<Hash, ArchiveError>;
}

/// The archive of a world that keeps everything in memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoArchive;

impl Archive for NoArchive {
    fn row(&self, _: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        Ok(None)
    }

    fn rows(&self, _: &[u8], _: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), ArchiveError> {
        Ok(())
    }

    fn entry(&self, origin: &Origin, index: u64) -> Result<Arc<[u8]>, ArchiveError> {
        Err(ArchiveError::new(
            format!("entry {index} of {origin}"),
            "there is no archive",
        ))
    }

    fn node(&self, origin: &Origin, level: u8, index: u64) -> Result<Hash, ArchiveError> {
        Err(ArchiveError::new(
            format!("subtree {index} of level {level} of {origin}"),
            "there is no archive",
        ))
    }
}

/// An archive in memory: what a disk is to a node, for simulators and measurements.
#[derive(Debug, Default)]
pub struct MemoryArchive {
    held: Mutex<Held>,
}

/// The entries of a log, and the tree over them.
type HeldLog = (Vec<Arc<[u8]>>, Tree);

#[derive(Debug, Default, Clone)]
struct Held {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    logs: BTreeMap<Origin, HeldLog>,
}

impl MemoryArchive {
    /// Adds entries to the end of a log.
    pub fn append<'a>(&self, origin: &Origin, entries: impl IntoIterator<Item = &'a Arc<[u8]>>) {
        self.change(|held| {
            let (log, tree) = held.logs.entry(origin.clone()).or_default();
            for entry in entries {
                tree.append(leaf_hash(entry));
                log.push(entry.clone());
            }
        });
    }

    /// Returns how many entries of a log are held.
    pub fn len(&self, origin: &Origin) -> u64 {
        self.change(|held| held.logs.get(origin).map_or(0, |(log, _)| log.len() as u64))
    }

    /// Takes in the rows of a snapshot.
    pub fn put(&self, rows: &[Row]) {
        self.change(|held| {
            for row in rows {
                match &row.value {
                    Some(value) => held.rows.insert(row.key.clone(), value.clone()),
                    None => held.rows.remove(&row.key),
                };
            }
        });
    }

    /// Returns an archive with the same rows and no entries yet.
    #[must_use]
    pub fn of_same_rows(&self) -> Self {
        let rows = self.change(|held| held.rows.clone());
        Self {
            held: Mutex::new(Held {
                rows,
                ..Held::default()
            }),
        }
    }

    /// Returns how many bytes the rows have.
    pub fn rows_bytes(&self) -> usize {
        self.change(|held| held.rows.iter().map(|(key, value)| key.len() + value.len()).sum())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        change(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Archive for MemoryArchive {
    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        Ok(self.change(|held| held.rows.get(key).cloned()))
    }

    fn rows(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), ArchiveError> {
        let rows: Vec<(Vec<u8>, Vec<u8>)> = self.change(|held| {
            let from = held.rows.range(prefix.to_vec()..);
            from.take_while(|(key, _)| key.starts_with(prefix))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        });
        for (key, value) in &rows {
            visit(key, value);
        }
        Ok(())
    }

    fn entry(&self, origin: &Origin, index: u64) -> Result<Arc<[u8]>, ArchiveError> {
        let found = self.change(|held| {
            let (log, _) = held.logs.get(origin)?;
            log.get(usize::try_from(index).ok()?).cloned()
        });
        found.ok_or_else(|| ArchiveError::new(format!("entry {index} of {origin}"), "it is not held"))
    }

    fn node(&self, origin: &Origin, level: u8, index: u64) -> Result<Hash, ArchiveError> {
        let found = self.change(|held| held.logs.get(origin).map(|(_, tree)| tree.node(level, index)));
        let what = || format!("subtree {index} of level {level} of {origin}");
        match found {
            Some(Ok(hash)) => Ok(hash),
            Some(Err(error)) => Err(ArchiveError::new(what(), error)),
            None => Err(ArchiveError::new(what(), "the log is not held")),
        }
    }
}
