//! Re-verifies everything that a node keeps, and lists what is damaged, with the remedy.
//!
//! Reads every entry, chunk checksum, leaf hash, tile, root, checkpoint signature, signing lock and part. Changes nothing, except what the
//! engine of the own log does itself on opening. Runs while the node is stopped: the data folder has one holder.

use super::branches::read_branches;
use super::durable;
use super::error::{Damage, DamageKind, StoreError};
use super::layout::{DataDir, folder_name, newest_signed_epoch};
use super::lock;
use super::own_log::OwnLog;
use super::parts::read_part;
use super::recover::Claims;
use super::sled::SledLog;
use super::tiles::{files_below, read_ahead, verify};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tally_ledger::checkpoint::{OtherLines, verify_checkpoint};
use tally_ledger::crypto::leaf_hash;
use tally_ledger::merkle::Frontier;
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::fork::ForkEvidence;
use tally_schemas::id::{DepartmentId, Hash, Origin};
use tally_schemas::limits::{CHECKPOINT_BYTES_MAX, FORK_BYTES_MAX};
use tally_schemas::note::Note;
use tally_schemas::tile::ExportPath;

mod known;

use known::Known;
pub use known::KnownKeys;

/// How many entries are read between two reports of progress.
const PROGRESS_STEP_ENTRIES: u64 = 1024;

const WRITE_AGAIN: &str =
    "set the folder of the log aside: the node writes it again, from its own log or from peers";
/// What is done about kept evidence of a fork that cannot be read.
pub(crate) const FORK_REMEDY: &str =
    "remove it: peers give it again; until then the log that forked is not stopped here";
const STRAY: &str = "find out who put it there, then remove it";

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FsckCounts {
    /// Own logs.
    pub own_logs: u64,
    /// Entries of own logs.
    pub own_entries: u64,
    /// Local records.
    pub records: u64,
    /// Logs as files.
    pub logs: u64,
    /// Entries in bundles.
    pub entries: u64,
    /// Entries that wait beside an export.
    pub entries_ahead: u64,
    /// Bundles.
    pub bundles: u64,
    /// Tiles.
    pub tiles: u64,
    /// Checkpoints whose signature was verified.
    pub signatures: u64,
    /// Checkpoints of logs whose key is not known: their signature was not looked at.
    pub signatures_unchecked: u64,
    /// Signing locks.
    pub locks: u64,
    /// Detached parts.
    pub parts: u64,
    /// Evidence of forks.
    pub forks: u64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FsckReport {
    /// What is damaged; empty when everything holds.
    pub findings: Vec<Damage>,
    /// What was read.
    pub counts: FsckCounts,
}

/// Where the check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FsckProgress<'a> {
    /// The file or folder that is being read.
    pub at: &'a Path,
    /// How many entries of it were read; 0 when it has none.
    pub entries: u64,
}

/// Checks a data folder; `progress` is told where the check is. To the keys that are known come those that the logs in the folder name:
/// of departments admitted by governance in the registrar's log, and of later epochs, by their openings.
///
/// # Errors
/// A file or folder that the operating system does not let be read. Damage is a finding, no error.
pub fn fsck(
    data: &DataDir,
    keys: KnownKeys,
    progress: &mut dyn FnMut(FsckProgress<'_>),
) -> Result<FsckReport, StoreError> {
    let mut check = Check {
        data,
        known: Known::of(keys),
        checkpoints: Vec::new(),
        progress,
        report: FsckReport::default(),
    };
    for name in durable::names_in(&data.root().join("own"))? {
        check.own_log(&name)?;
    }
    // A log that began lately has nothing but what waits.
    let mut logs = BTreeSet::new();
    for folder in ["logs", "ahead"] {
        logs.extend(durable::names_in(&data.root().join(folder))?);
    }
    for name in logs {
        check.log_files(&name)?;
    }
    for name in durable::names_in(&data.root().join("lock"))? {
        check.lock(&name)?;
    }
    for name in durable::names_in(&data.root().join("parts"))? {
        check.parts(&name)?;
    }
    check.report.findings.extend(read_branches(data)?.1);
    for name in durable::names_in(&data.forks())? {
        check.fork(&data.forks().join(name))?;
    }
    check.signatures();
    Ok(check.report)
}

struct Check<'a> {
    data: &'a DataDir,
    known: Known,
    /// What is looked at when every log was read, which may name the keys of others.
    checkpoints: Vec<(PathBuf, Vec<u8>, Origin)>,
    progress: &'a mut dyn FnMut(FsckProgress<'_>),
    report: FsckReport,
}

impl Check<'_> {
    /// Lists an error that is damage; others end the check.
    fn note(&mut self, error: StoreError) -> Result<(), StoreError> {
        match error.as_damage() {
            Some(damage) => {
                self.report.findings.push(damage);
                Ok(())
            }
            None => Err(error),
        }
    }

    fn find(&mut self, path: &Path, kind: DamageKind, what: impl Into<String>, remedy: &'static str) {
        self.report.findings.push(Damage::new(path, kind, what, remedy));
    }

    /// An own log: every chunk, the records, and whether lock and checkpoint agree with it.
    fn own_log(&mut self, name: &str) -> Result<(), StoreError> {
        let folder = self.data.root().join("own").join(name);
        if !folder.join("db").exists() {
            self.find(&folder, DamageKind::Stray, "it is no own log", STRAY);
            return Ok(());
        }
        self.report.counts.own_logs += 1;
        // Which log this is stands inside the log: the claims are read for every size, then compared.
        let mut leaves = Vec::new();
        let (progress, known) = (&mut self.progress, &mut self.known);
        let opened = SledLog::open_any(&folder, &mut |index, entry| {
            if index % PROGRESS_STEP_ENTRIES == 0 {
                progress(FsckProgress {
                    at: &folder,
                    entries: index,
                });
            }
            known.read(name, index, entry);
            leaves.push(leaf_hash(entry));
        });
        let (log, origin) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.note(error),
        };
        self.report.counts.own_entries += log.len();
        if folder_name(&origin) != name {
            let what = format!("it holds the log {origin}");
            self.find(
                &folder,
                DamageKind::Contradiction,
                what,
                "move it to the folder of its log",
            );
        }
        match log.records_with_prefix(&[]) {
            Ok(records) => self.report.counts.records += records.len() as u64,
            Err(error) => self.note(error)?,
        }
        for key in log.surplus_keys()? {
            self.find(
                &folder,
                DamageKind::Stray,
                format!("the key {key} has no known form"),
                STRAY,
            );
        }
        match log.unsynced_blobs()? {
            0 => {}
            count => self.note(StoreError::UnsyncedBlobs {
                folder: folder.clone(),
                count,
            })?,
        }
        if newest_signed_epoch(self.data.root(), &origin.department) > origin.epoch {
            // It is signed no more: it has no lock, and its files come from peers since.
            return Ok(());
        }
        let lock_path = self.data.signing_lock(&origin);
        if !lock_path.exists() {
            self.note(StoreError::LockMissing {
                path: lock_path.clone(),
                log_size: log.len(),
            })?;
        }
        let claims = Claims::read(self.data, &origin, self.known.key_of(&origin).as_ref())?;
        let mut roots = claims.roots();
        for leaf in leaves {
            roots.add_leaf(leaf);
        }
        for error in claims.against(&roots, &lock_path) {
            self.note(error)?;
        }
        Ok(())
    }

    /// The files of a log: bundles, tiles, root, signature, and nothing else.
    fn log_files(&mut self, name: &str) -> Result<(), StoreError> {
        let folder = self.data.root().join("logs").join(name);
        self.report.counts.logs += 1;
        let mut entries = 0;
        let (progress, known) = (&mut self.progress, &mut self.known);
        let checked = verify::check(&folder, None, &mut |index, entry| {
            if index % PROGRESS_STEP_ENTRIES == 0 {
                progress(FsckProgress {
                    at: &folder,
                    entries: index,
                });
            }
            known.read(name, index, entry);
            entries += 1;
        })?;
        self.report.counts.entries += entries;
        self.report.counts.bundles += checked.bundles;
        self.report.counts.tiles += checked.tiles;
        let sound = checked.damages.is_empty();
        self.report.findings.extend(checked.damages);
        let path = folder.join("checkpoint");
        let parsed = checked
            .checkpoint
            .and_then(|bytes| Some((verify::parse_checkpoint(&bytes).ok()?, bytes)));
        let size = match parsed {
            Some((checkpoint, bytes)) => {
                let size = checkpoint.head.size;
                self.checkpoint(&path, bytes, checkpoint, name);
                size
            }
            None => 0,
        };
        for file in files_below(&folder)? {
            let belongs = ExportPath::parse(&file).is_ok_and(|path| verify::belongs(&path, size));
            if !belongs && sound {
                let what = format!("it is no file of an export of {size} entries");
                self.find(&folder.join(file), DamageKind::Stray, what, STRAY);
            }
        }
        self.ahead(name, checked.edge.frontier().clone(), size)
    }

    /// What waits beside the files of a log, and the checkpoint that covers it.
    fn ahead(&mut self, name: &str, mut frontier: Frontier, size: u64) -> Result<(), StoreError> {
        let path = self.data.root().join("ahead").join(name);
        let mut waiting: Vec<Arc<[u8]>> = Vec::new();
        let known = &mut self.known;
        let (newest, cut) = read_ahead(path.clone(), size, &mut |index, entry| {
            known.read(name, index, entry);
            waiting.push(Arc::clone(entry));
        })?;
        self.report.counts.entries_ahead += waiting.len() as u64;
        self.report.findings.extend(cut);
        let Some(bytes) = newest else { return Ok(()) };
        let checkpoint = match verify::parse_checkpoint(&bytes) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                self.find(&path, DamageKind::Altered, error.to_string(), WRITE_AGAIN);
                return Ok(());
            }
        };
        let head = checkpoint.head;
        // Only what follows the whole export without a gap can be compared with it.
        if frontier.size() == size && head.size > size {
            for entry in &waiting {
                if frontier.size() < head.size {
                    frontier.append(leaf_hash(entry));
                }
            }
            if frontier.size() == head.size && frontier.root() != head.root {
                let what = format!(
                    "its checkpoint names root {} at size {}, the entries give {}",
                    head.root,
                    head.size,
                    frontier.root()
                );
                self.find(&path, DamageKind::Altered, what, WRITE_AGAIN);
            }
            self.checkpoint(&path, bytes, checkpoint, name);
        }
        Ok(())
    }

    /// Looks whether a checkpoint is of its folder, and keeps it until every key is known.
    fn checkpoint(&mut self, path: &Path, bytes: Vec<u8>, checkpoint: Checkpoint, name: &str) {
        if folder_name(&checkpoint.origin) != name {
            let what = format!("it is of {}", checkpoint.origin);
            self.find(
                path,
                DamageKind::Contradiction,
                what,
                "if its signature holds, move the folder to the name of its log; else it was altered: set the folder aside",
            );
        }
        self.checkpoints.push((path.to_owned(), bytes, checkpoint.origin));
    }

    /// The signatures of all checkpoints.
    fn signatures(&mut self) {
        let keys = std::mem::take(&mut self.known).into_keys();
        for (path, bytes, origin) in std::mem::take(&mut self.checkpoints) {
            match keys.get(&origin) {
                None => {
                    self.report.counts.signatures_unchecked += 1;
                    let log = origin.to_string();
                    let note = Note::parse(&bytes, CHECKPOINT_BYTES_MAX);
                    if !note.is_ok_and(|note| note.lines.iter().any(|line| line.name == log)) {
                        let what = format!("it has no signature line of {log}");
                        self.find(&path, DamageKind::Contradiction, what, WRITE_AGAIN);
                    }
                }
                Some(key) => match verify_checkpoint(&bytes, key, OtherLines::Keep) {
                    Ok(_) => self.report.counts.signatures += 1,
                    Err(error) => self.find(&path, DamageKind::Altered, chain(&error), WRITE_AGAIN),
                },
            }
        }
    }

    /// Kept evidence that a log forked.
    fn fork(&mut self, path: &Path) -> Result<(), StoreError> {
        let bytes = durable::read_capped(path, FORK_BYTES_MAX as u64)?.unwrap_or_default();
        match ForkEvidence::parse(&bytes) {
            Ok(_) => self.report.counts.forks += 1,
            Err(error) => self.find(path, DamageKind::Altered, error.to_string(), FORK_REMEDY),
        }
        Ok(())
    }

    fn lock(&mut self, name: &str) -> Result<(), StoreError> {
        let path = self.data.root().join("lock").join(name);
        (self.progress)(FsckProgress {
            at: &path,
            entries: 0,
        });
        self.report.counts.locks += 1;
        match lock::read(&path) {
            Ok(Some(slot)) => {
                if slot.head.size > 0 && !self.data.root().join("own").join(name).join("db").exists() {
                    self.note(StoreError::LogBehind {
                        path,
                        signed: slot.head.size,
                        held: 0,
                    })?;
                }
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => self.note(error),
        }
    }

    /// The parts of a department: each against its commitment, and nothing else.
    fn parts(&mut self, department: &str) -> Result<(), StoreError> {
        let folder = self.data.root().join("parts").join(department);
        let known = DepartmentId::parse(department).is_ok();
        for file in files_below(&folder)? {
            let path = folder.join(&file);
            (self.progress)(FsckProgress {
                at: &path,
                entries: 0,
            });
            let commit = file.split_once('/').and_then(|(shelf, name)| {
                let commit = Hash::parse_hex(name).ok()?;
                (name.starts_with(shelf) && shelf.len() == 2 && known).then_some(commit)
            });
            let Some(commit) = commit else {
                self.find(&path, DamageKind::Stray, "it is no part", STRAY);
                continue;
            };
            self.report.counts.parts += 1;
            if let Err(error) = read_part(&path, &commit) {
                self.note(error)?;
            }
        }
        Ok(())
    }
}

/// Joins an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
