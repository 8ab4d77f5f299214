//! Opens an own log with everything that belongs to it, and cross-checks them: what was signed must be held, and nothing else signed.
//!
//! Order of writing: entries (durable in the engine), signing lock, signature, files, checkpoint. So after any crash
//! checkpoint <= lock <= log, with equal roots at equal sizes. Anything else is damage, a restored backup or a second node with the
//! same key, and is an error here, before anything is signed (I3). Files are rebuilt from the log; the log is refilled only on request.

use super::error::{Damage, DamageKind, StoreError};
use super::layout::{DataDir, folder_name};
use super::lock::{self, SigningLock};
use super::own_log::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, LocalRecord, OwnLog, Record};
use super::sled::SledLog;
use super::tiles::{LogFiles, verify};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tally_ledger::checkpoint::{LogKey, OtherLines, verify_checkpoint};
use tally_ledger::crypto::leaf_hash;
use tally_ledger::merkle::Frontier;
use tally_schemas::id::{Hash, Origin, TreeHead};

/// How many entries the files may lack before they are brought up.
const SETTLE_ENTRIES: u64 = 256;

/// An own log with its files and its signing lock, found to agree.
pub struct OwnStore {
    /// The entries and local records.
    pub log: Box<dyn OwnLog>,
    /// The log as an export; may end before the log does, see [`OwnStore::settle`].
    pub files: LogFiles,
    /// What may have been signed.
    pub lock: SigningLock,
    /// The head over all entries of the log when it was opened.
    pub tail: TreeHead,
    /// The files that were damaged and set aside, and where they are; they are written again by [`OwnStore::settle`].
    pub set_aside: Option<(Damage, PathBuf)>,
    /// The newest checkpoint published, and its size.
    newest: Option<(Vec<u8>, u64)>,
}

impl std::fmt::Debug for OwnStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OwnStore")
            .field("tail", &self.tail)
            .field("lock", &self.lock)
            .field("set_aside", &self.set_aside)
            .finish_non_exhaustive()
    }
}

impl OwnStore {
    /// Creates the store of a new log.
    ///
    /// # Errors
    /// There is already a log, a lock or a checkpoint of this origin.
    pub fn create(data: &DataDir, origin: &Origin) -> Result<Self, StoreError> {
        let lock = data.signing_lock(origin);
        let log = data.own_log(origin).join("db");
        let checkpoint = data.log_files(origin).join("checkpoint");
        for taken in [&lock, &log, &checkpoint] {
            if taken.exists() {
                let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
                return Err(StoreError::io("create an own log beside", taken)(source));
            }
        }
        // First: a creation that is cut off after it is completed when the log is opened, since the lock says that nothing was signed.
        SigningLock::create(data, origin, 0)?;
        Self::open(data, origin, &mut |_, _| {})
    }

    /// Opens the store of a log that was created before, cross-checks it, and hands every entry to `visit`.
    ///
    /// What `visit` saw counts only when this succeeds.
    ///
    /// # Errors
    /// No such log; a missing or damaged lock; a damaged log; or log, lock and checkpoint contradict each other.
    pub fn open(
        data: &DataDir,
        origin: &Origin,
        visit: &mut dyn FnMut(u64, &Arc<[u8]>),
    ) -> Result<Self, StoreError> {
        Self::open_checking(data, origin, None, None, visit)
    }

    /// As [`OwnStore::open`], with the key of the log: a checkpoint that it did not sign claims nothing, and is damage of the files.
    ///
    /// # Errors
    /// As [`OwnStore::open`].
    pub fn open_signed(data: &DataDir, origin: &Origin, key: &LogKey) -> Result<Self, StoreError> {
        Self::open_checking(data, origin, Some(key), None, &mut |_, _| {})
    }

    /// As [`OwnStore::open_signed`], but takes what lies under the checkpoint of the files from their right edge, and reads only the entries
    /// from there on, and the one before: for a node whose snapshot rests on the rest. Log, lock and checkpoint are compared all the same.
    ///
    /// # Errors
    /// As [`OwnStore::open`]; also for damaged files, which are not set aside here.
    pub fn open_edge(data: &DataDir, origin: &Origin, key: &LogKey) -> Result<Self, StoreError> {
        let files = LogFiles::open_edge(data, origin, &mut |_, _| {})?;
        Self::open_checking(data, origin, Some(key), Some(files), &mut |_, _| {})
    }

    fn open_checking(
        data: &DataDir,
        origin: &Origin,
        key: Option<&LogKey>,
        files: Option<LogFiles>,
        visit: &mut dyn FnMut(u64, &Arc<[u8]>),
    ) -> Result<Self, StoreError> {
        let folder = data.own_log(origin);
        let lock_path = data.signing_lock(origin);
        let claims = Claims::read(data, origin, key)?;
        let is_new = claims.lock.is_some_and(|head| head.size == 0) && claims.checkpoint.is_none();
        if !folder.join("db").exists() && !is_new {
            return Err(match claims.lock {
                Some(head) if head.size > 0 => StoreError::LogBehind {
                    path: lock_path,
                    signed: head.size,
                    held: 0,
                },
                _ => StoreError::NoSuchLog {
                    origin: origin.clone(),
                    path: folder,
                },
            });
        }
        let below = files.as_ref().map(LogFiles::exported_frontier);
        let mut roots = claims.roots_over(below.unwrap_or_default());
        let start = roots.frontier.size();
        let opened = SledLog::open_from(&folder, origin, start, &mut |index, entry| {
            roots.add(entry);
            visit(index, entry);
        });
        let size = match &opened {
            Ok(log) => log.len(),
            Err(_) => claims.checkpoint.as_ref().map_or(0, |(_, head)| head.size),
        };
        // Without its lock nothing is signed in this epoch again, whatever became of the log.
        let lock = SigningLock::open(data, origin, size)?;
        let log = opened?;
        if let Some(error) = claims.against(&roots, &lock_path).into_iter().next() {
            return Err(error);
        }
        if let Some((files, last)) = files.as_ref().zip(start.checked_sub(1)) {
            // A log that was put back to an old copy lacks what the files have, and is read from behind that.
            let (held, filed) = (log.entry(last)?, files.entry(last)?);
            if held != filed {
                let what = format!("entry {last} is not the one in the files of the log");
                return Err(
                    Damage::new(&folder, DamageKind::Contradiction, what, super::sled::REMEDY).into(),
                );
            }
        }
        // The log bears out the lock, so the files are only a copy of it: what is damaged is kept, and written again.
        let opened = files.map_or_else(|| LogFiles::open(data, origin, &mut |_, _| {}), Ok);
        let (files, set_aside) = match opened {
            Err(StoreError::Damaged(damage)) => {
                let kept = LogFiles::set_aside(data, origin)?;
                let files = LogFiles::open(data, origin, &mut |_, _| {})?;
                (files, kept.map(|kept| (damage, kept)))
            }
            outcome => (outcome?, None),
        };
        Ok(Self {
            log: Box::new(log),
            files,
            lock,
            tail: roots.frontier.head(),
            set_aside,
            newest: None,
        })
    }

    /// Says whether the log has a head, without reading what lies far below it.
    ///
    /// # Errors
    /// Entries cannot be read.
    pub fn bears_out(&self, head: TreeHead) -> Result<bool, StoreError> {
        if head.size <= self.files.exported().size {
            return self.files.bears_out(head);
        }
        if head.size > self.log.len() {
            return Ok(false);
        }
        let mut frontier = self.files.exported_frontier();
        while frontier.size() < head.size {
            let start = frontier.size();
            let count = (head.size - start).min(BATCH_ENTRIES_MAX as u64);
            for entry in self.log.range(start, count, BATCH_BYTES_MAX)? {
                frontier.append(leaf_hash(&entry));
            }
        }
        Ok(frontier.root() == head.root)
    }

    /// Takes a checkpoint that was signed for the head in the lock; the files follow when a bundle has gathered, or by [`OwnStore::settle`].
    ///
    /// Nothing is lost if they do not: the entries are durable, and the same head is signed again with the same bytes.
    ///
    /// # Errors
    /// The checkpoint is not of the head in the lock; damage; or the disk failed.
    pub fn publish(&mut self, checkpoint: &[u8]) -> Result<(), StoreError> {
        let stated = verify::parse_checkpoint(checkpoint).map_err(|source| StoreError::Format {
            what: "a checkpoint",
            source,
        })?;
        let locked = self.lock.head();
        if stated.head.size > locked.size {
            return Err(StoreError::LockBehind {
                path: self.lock.path().to_owned(),
                locked: locked.size,
                signed: stated.head.size,
            });
        }
        if stated.head != locked {
            return Err(StoreError::HeadContradiction {
                path: self.lock.path().to_owned(),
                size: locked.size,
                expected: locked.root.to_hex(),
                got: stated.head.root.to_hex(),
            });
        }
        self.newest = Some((checkpoint.to_vec(), stated.head.size));
        if locked.size.saturating_sub(self.files.head().size) >= SETTLE_ENTRIES {
            self.settle()?;
        }
        Ok(())
    }

    /// Returns the newest checkpoint: the last one published, or that of the files.
    pub fn checkpoint(&self) -> Option<&[u8]> {
        let newest = self.newest.as_ref().map(|(bytes, _)| bytes.as_slice());
        newest.or_else(|| self.files.checkpoint())
    }

    /// Brings the files up to the newest checkpoint published; durable when it returns.
    ///
    /// # Errors
    /// Damage, or the disk failed.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        let Some((checkpoint, size)) = self.newest.clone() else {
            return Ok(());
        };
        loop {
            let start = self.files.head().size;
            let entries = self.log.range(
                start,
                size.saturating_sub(start).min(BATCH_ENTRIES_MAX as u64),
                BATCH_BYTES_MAX,
            )?;
            let end = start.saturating_add(entries.len() as u64);
            if end >= size || entries.is_empty() {
                return self.files.append_settled(start, &entries, &checkpoint);
            }
            self.files.append(start, &entries, None)?;
        }
    }
}

/// What was refilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refilled {
    /// How many entries the log has now.
    pub entries: u64,
    /// How many local records were carried over; those that the old log could not give are lost.
    pub records: u64,
    /// Where the old log is kept.
    pub set_aside: Option<PathBuf>,
}

/// Writes an own log again that lost its end, from its own files or from peers, exactly up to its signing lock.
///
/// `source` returns at most `count` entries from an index on; where it gives none, the whole ones of the old log are taken. The old log is
/// kept; its whole local records go along.
///
/// # Errors
/// The lock is missing or damaged, the source ends too early, or its entries do not give the root in the lock: then the old log stays
/// in its place.
pub fn refill_own_log(
    data: &DataDir,
    origin: &Origin,
    source: &mut dyn FnMut(u64, u64) -> Result<Vec<Arc<[u8]>>, StoreError>,
) -> Result<Refilled, StoreError> {
    let folder = data.own_log(origin);
    let lock = SigningLock::open(data, origin, 0)?;
    let target = lock.head();
    let fresh = folder.with_extension("refill");
    if fresh.exists() {
        data.move_aside(&fresh, &format!("own-{}.unfinished", folder_name(origin)))?;
    }
    // What the old log still has of entries, drafts and marks; a log that cannot be opened has none.
    let old = folder.join("db").exists();
    let old = old.then(|| SledLog::open_to_save(&folder, origin).ok()).flatten();
    let records = old.as_ref().map(SledLog::whole_records).unwrap_or_default();
    let mut log = SledLog::open(&fresh, origin, &mut |_, _| {})?;
    let mut frontier = Frontier::new();
    while log.len() < target.size {
        let start = log.len();
        let count = (target.size - start).min(BATCH_ENTRIES_MAX as u64);
        let mut entries = source(start, count)?;
        if entries.is_empty() {
            let old = old.as_ref();
            entries = old.map_or_else(Vec::new, |old| old.whole_entries(start, count));
        }
        let mut batch: Vec<Arc<[u8]>> = Vec::new();
        let mut bytes = 0usize;
        for entry in entries {
            bytes = bytes.saturating_add(entry.len());
            if bytes > BATCH_BYTES_MAX {
                break;
            }
            frontier.append(leaf_hash(&entry));
            batch.push(entry);
        }
        if batch.is_empty() {
            return Err(StoreError::OutOfRange {
                start,
                end: target.size,
                size: start,
            });
        }
        log.append_batch(start, &batch, &[])?;
    }
    if frontier.root() != target.root {
        return Err(StoreError::HeadContradiction {
            path: lock.path().to_owned(),
            size: target.size,
            expected: target.root.to_hex(),
            got: frontier.root().to_hex(),
        });
    }
    for (key, value) in &records {
        let put = LocalRecord::Put {
            key: key.clone(),
            value: value.clone(),
        };
        log.append_batch(target.size, &[], &[put])?;
    }
    Box::new(log).close()?;
    drop(old);
    let set_aside = data.move_aside(&folder, &format!("own-{}", folder_name(origin)))?;
    std::fs::rename(&fresh, &folder).map_err(StoreError::io("rename into place", &folder))?;
    if let Some(parent) = folder.parent() {
        super::durable::sync_dir(parent)?;
    }
    Ok(Refilled {
        entries: target.size,
        records: records.len() as u64,
        set_aside,
    })
}

/// Reads the local records of an own log that is not open; what is damaged of them is left out.
///
/// # Errors
/// The engine cannot open the log, or the disk failed.
pub fn records_of(data: &DataDir, origin: &Origin) -> Result<Vec<Record>, StoreError> {
    let log = SledLog::open_to_save(&data.own_log(origin), origin)?;
    let records = log.whole_records();
    Box::new(log).close()?;
    Ok(records)
}

/// The heads that lock and checkpoint claim for a log.
pub(crate) struct Claims {
    pub(crate) lock: Option<TreeHead>,
    checkpoint: Option<(PathBuf, TreeHead)>,
}

impl Claims {
    /// Reads them. A lock or checkpoint that cannot be parsed claims nothing here: it is reported where it is opened.
    ///
    /// A checkpoint that the key, where it is given, did not sign claims nothing either: one flipped bit of it must not end an epoch.
    pub(crate) fn read(data: &DataDir, origin: &Origin, key: Option<&LogKey>) -> Result<Self, StoreError> {
        let lock = match lock::read(&data.signing_lock(origin)) {
            Err(error @ StoreError::Io { .. }) => return Err(error),
            found => found.ok().flatten().map(|slot| slot.head),
        };
        let path = data.log_files(origin).join("checkpoint");
        let bytes = super::durable::read_capped(&path, tally_schemas::limits::CHECKPOINT_BYTES_MAX as u64)?;
        let signed = bytes
            .filter(|bytes| key.is_none_or(|key| verify_checkpoint(bytes, key, OtherLines::Keep).is_ok()));
        let parsed = signed.and_then(|bytes| verify::parse_checkpoint(&bytes).ok());
        Ok(Self {
            lock,
            checkpoint: parsed
                .filter(|checkpoint| checkpoint.origin == *origin)
                .map(|checkpoint| (path, checkpoint.head)),
        })
    }

    /// Prepares to compute the roots at the sizes claimed while the log is read.
    pub(crate) fn roots(&self) -> Roots {
        self.roots_over(Frontier::new())
    }

    /// As [`Claims::roots`], from a place on whose complete subtrees are known.
    pub(crate) fn roots_over(&self, frontier: Frontier) -> Roots {
        let claimed = [self.lock, self.checkpoint.as_ref().map(|(_, head)| *head)];
        let mut roots = Roots {
            frontier,
            at: BTreeMap::new(),
        };
        for head in claimed.into_iter().flatten() {
            roots.at.insert(head.size, None);
        }
        roots.note();
        roots
    }

    /// Compares the claims with the log that was read and with each other; most serious first.
    pub(crate) fn against(&self, roots: &Roots, lock_path: &Path) -> Vec<StoreError> {
        let mut found = Vec::new();
        if let (Some(locked), Some((_, signed))) = (self.lock, &self.checkpoint)
            && locked.size < signed.size
        {
            found.push(StoreError::LockBehind {
                path: lock_path.to_owned(),
                locked: locked.size,
                signed: signed.size,
            });
        }
        let lock = self.lock.map(|head| (lock_path, head));
        let checkpoint = self
            .checkpoint
            .as_ref()
            .map(|(path, head)| (path.as_path(), *head));
        let held = roots.frontier.size();
        for (path, head) in lock.into_iter().chain(checkpoint) {
            match roots.at.get(&head.size).copied().flatten() {
                Some(got) if got == head => {}
                Some(got) => found.push(StoreError::HeadContradiction {
                    path: path.to_owned(),
                    size: head.size,
                    expected: head.root.to_hex(),
                    got: got.root.to_hex(),
                }),
                None => found.push(StoreError::LogBehind {
                    path: path.to_owned(),
                    signed: head.size,
                    held,
                }),
            }
        }
        found
    }
}

/// The roots of a log at the sizes that matter, computed while it is read.
pub(crate) struct Roots {
    pub(crate) frontier: Frontier,
    at: BTreeMap<u64, Option<TreeHead>>,
}

impl Roots {
    /// Adds the next entry.
    pub(crate) fn add(&mut self, entry: &[u8]) {
        self.add_leaf(leaf_hash(entry));
    }

    /// Adds the hash of the next entry.
    pub(crate) fn add_leaf(&mut self, leaf: Hash) {
        self.frontier.append(leaf);
        self.note();
    }

    fn note(&mut self) {
        if let Some(slot) = self.at.get_mut(&self.frontier.size()) {
            *slot = Some(self.frontier.head());
        }
    }
}

#[cfg(test)]
mod tests;
