//! The files of one log in the C2SP tlog-tiles layout: of the own log and of every replica.
//!
//! After every call the folder is a complete export: exactly `checkpoint` and `tile/`, so that copying it is an auditor's copy. What is
//! appended is durable at once in a file beside the folder (see [`ahead`]), with one sync, and goes into the folder when a bundle
//! has gathered or when there is time ([`LogFiles::settle`]). Order of writing there: bundles and tiles, synced and renamed into place, then the
//! checkpoint, then partial files that it replaced go; a crash in between leaves files beyond the checkpoint, which opening
//! removes. Keeps I1, I2, I11. Paths and bytes: `schemas/spec/tiles.md`.

mod ahead;
mod growth;
pub(crate) mod verify;

#[cfg(test)]
mod tests;

use self::ahead::Ahead;
use self::growth::{Edge, FileBytes};
use super::durable;
use super::error::{Damage, StoreError};
use super::layout::{DataDir, folder_name};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tally_ledger::crypto::leaf_hash;
use tally_ledger::merkle::{
    Frontier, ReadError, TileHashes, TileReader, prove_consistency, verify_consistency,
};
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::id::{Hash, Origin, TreeHead};
use tally_schemas::limits::BUNDLE_BYTES_MAX;
use tally_schemas::tile::{BundleId, ExportPath, TILE_WIDTH, TileId, encode_bundle, parse_tile};

/// How many entries may wait beside a folder that a checkpoint covers, before they go into it: one bundle.
const SETTLE_ENTRIES: u64 = 256;
/// How many bytes may wait before it is tried to put them into the folder.
const SETTLE_BYTES: u64 = 4 * 1024 * 1024;
/// How many entries are written in one step when many are: a whole number of bundles, so that few partial files come and go.
const STEP_ENTRIES: u64 = 4096;

/// The files of one log, open for appending.
#[derive(Debug)]
pub struct LogFiles {
    data: DataDir,
    folder: PathBuf,
    origin: Origin,
    edge: Edge,
    /// The checkpoint in the folder.
    checkpoint: Option<Vec<u8>>,
    /// A newer checkpoint, durable beside the folder.
    pending: Option<(Vec<u8>, TreeHead)>,
    ahead: Ahead,
    /// Over all entries held, those ahead of the checkpoint included.
    held: Frontier,
    cut: Option<Damage>,
    stopped: Option<String>,
}

impl LogFiles {
    /// Opens the files of a log, or starts with none; reads every entry once, checks it, and hands it to `visit`.
    ///
    /// What `visit` saw counts only when this succeeds.
    ///
    /// # Errors
    /// The first damaged file ([`StoreError::Damaged`]), or a checkpoint of another log.
    pub fn open(
        data: &DataDir,
        origin: &Origin,
        visit: &mut dyn FnMut(u64, &Arc<[u8]>),
    ) -> Result<Self, StoreError> {
        let folder = data.log_files(origin);
        let checked = verify::check(&folder, Some(origin), visit)?;
        if let Some(damage) = checked.damages.into_iter().next() {
            return Err(damage.into());
        }
        Self::open_over(data, origin, (checked.edge, checked.checkpoint), visit)
    }

    /// As [`LogFiles::open`], but reads only the right edge of the folder, and hands only entries beyond it to `visit`: for a node whose
    /// snapshot rests on the rest. What is damaged there is found when it is read, or by `fsck`.
    ///
    /// # Errors
    /// As [`LogFiles::open`].
    pub(crate) fn open_edge(
        data: &DataDir,
        origin: &Origin,
        visit: &mut dyn FnMut(u64, &Arc<[u8]>),
    ) -> Result<Self, StoreError> {
        let edge = verify::read_edge(&data.log_files(origin), origin)?;
        Self::open_over(data, origin, edge, visit)
    }

    fn open_over(
        data: &DataDir,
        origin: &Origin,
        (edge, checkpoint): (Edge, Option<Vec<u8>>),
        visit: &mut dyn FnMut(u64, &Arc<[u8]>),
    ) -> Result<Self, StoreError> {
        let folder = data.log_files(origin);
        let size = edge.size();
        remove_leftovers(&folder, size)?;
        let mut held = edge.frontier().clone();
        let keep = || data.copy_aside(&data.ahead(origin), &format!("ahead-{}", folder_name(origin)));
        let (ahead, newest, cut) = Ahead::open(data.ahead(origin), size, &keep, &mut |index, entry| {
            held.append(leaf_hash(entry));
            visit(index, entry);
        })?;
        let mut files = Self {
            data: data.clone(),
            folder,
            origin: origin.clone(),
            edge,
            checkpoint,
            pending: None,
            ahead,
            held,
            cut,
            stopped: None,
        };
        // What a checkpoint waits for may have been cut off: then it is fetched again, with the entries.
        if let Some(newest) = newest
            && let Ok(head) = files.check_checkpoint(&newest, &[], &files.held)
        {
            files.pending = Some((newest, head));
            files.settle()?;
        }
        Ok(files)
    }

    /// Adds entries that were verified, and the newest checkpoint that covers only entries held; durable when it returns.
    ///
    /// The folder stays the export that it was until [`LogFiles::settle`], unless much has gathered: then it is settled here. No entries
    /// and a checkpoint of the same head replace the checkpoint only (more cosignatures).
    ///
    /// # Errors
    /// A refusal (`IndexNotNext`, `EntryLength`, `CheckpointSize`, `RootMismatch`, `WrongOrigin`, `Format`) changes nothing. After any
    /// other error nothing more is written until the files are opened again.
    pub fn append(
        &mut self,
        start: u64,
        entries: &[Arc<[u8]>],
        checkpoint: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        self.append_covered(start, entries, checkpoint, &[])
    }

    /// As [`LogFiles::append`], and keeps what shows, while no checkpoint is over exactly the entries held, that one of more covers
    /// them; the bytes are not looked at.
    ///
    /// # Errors
    /// As [`LogFiles::append`].
    pub(crate) fn append_covered(
        &mut self,
        start: u64,
        entries: &[Arc<[u8]>],
        checkpoint: Option<&[u8]>,
        covering: &[u8],
    ) -> Result<(), StoreError> {
        self.check_running()?;
        let held = self.check_append(start, entries)?;
        let covered = match checkpoint {
            Some(bytes) => Some((bytes, self.check_checkpoint(bytes, entries, &held)?)),
            None => None,
        };
        let outcome = self.write(entries, covered, held, covering);
        self.stop_on_error(outcome)
    }

    /// Adds entries and their checkpoint, and brings the folder up to it at once: for entries that are durable elsewhere.
    ///
    /// # Errors
    /// As [`LogFiles::append`].
    pub(crate) fn append_settled(
        &mut self,
        start: u64,
        entries: &[Arc<[u8]>],
        checkpoint: &[u8],
    ) -> Result<(), StoreError> {
        if !self.ahead.is_empty() {
            self.append(start, entries, Some(checkpoint))?;
            return self.settle();
        }
        self.check_running()?;
        let held = self.check_append(start, entries)?;
        let head = self.check_checkpoint(checkpoint, entries, &held)?;
        if head.size < held.size() {
            self.append(start, entries, Some(checkpoint))?;
            return self.settle();
        }
        self.pending = None;
        let outcome = self.export_up_to(entries, checkpoint, head);
        self.held = held;
        self.stop_on_error(outcome)
    }

    /// Brings the folder up to the newest checkpoint; durable when it returns. Costs about ten syncs, so it is done when there is time.
    ///
    /// # Errors
    /// Damage, or the disk failed; then nothing more is written until the files are opened again.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        self.check_running()?;
        let outcome = match self.pending.take() {
            Some((checkpoint, head)) => self.export_up_to(&[], &checkpoint, head),
            None => Ok(()),
        };
        self.stop_on_error(outcome)
    }

    /// Returns the log.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the folder: a complete export of the log up to [`LogFiles::exported`].
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the head over all entries held.
    pub fn head(&self) -> TreeHead {
        self.held.head()
    }

    /// Returns the head up to which the folder is an export.
    pub fn exported(&self) -> TreeHead {
        self.edge.head()
    }

    /// Returns the bytes of the newest checkpoint.
    pub fn checkpoint(&self) -> Option<&[u8]> {
        let pending = self.pending.as_ref().map(|(bytes, _)| bytes);
        pending.or(self.checkpoint.as_ref()).map(Vec::as_slice)
    }

    /// Returns what was kept last to show that a checkpoint of more covers the entries held; empty when there is nothing.
    pub(crate) fn covering(&self) -> &[u8] {
        self.ahead.covering()
    }

    /// Returns what was cut off the entries ahead of the checkpoint when the files were opened; they are to be fetched again.
    pub fn cut(&self) -> Option<&Damage> {
        self.cut.as_ref()
    }

    /// Returns the entry at an index, or `None` beyond the end.
    ///
    /// # Errors
    /// Damage, or the disk failed.
    pub fn entry(&self, index: u64) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(self.range(index, 1, 0)?.pop())
    }

    /// Returns at most `count` entries from `start` on; stops before `bytes_max` is passed, but gives at least one entry if there is one.
    ///
    /// # Errors
    /// Damage, or the disk failed.
    pub fn range(&self, start: u64, count: u64, bytes_max: usize) -> Result<Vec<Arc<[u8]>>, StoreError> {
        let end = start.saturating_add(count).min(self.held.size());
        let mut found: Vec<Arc<[u8]>> = Vec::new();
        let mut bytes = 0usize;
        let mut next = start;
        while next < end {
            for entry in self.run_from(next, end)? {
                bytes = bytes.saturating_add(entry.len());
                if !found.is_empty() && bytes > bytes_max {
                    return Ok(found);
                }
                found.push(entry);
                next += 1;
            }
        }
        Ok(found)
    }

    /// Returns the bytes of a file of the export in the folder, or of a narrower tile or bundle that a wider one has replaced; `None` when there is none.
    ///
    /// # Errors
    /// Damage, or the disk failed.
    pub fn read(&self, path: &ExportPath) -> Result<Option<Vec<u8>>, StoreError> {
        let width_of = |level, index| self.width_of(level, index);
        match path {
            ExportPath::Checkpoint => Ok(self.checkpoint.clone()),
            ExportPath::Tile(tile) => {
                let width = width_of(tile.level, tile.index);
                if tile.width > width {
                    return Ok(None);
                }
                let mut hashes = self.whole_tile(TileId { width, ..*tile })?;
                hashes.truncate(usize::from(tile.width));
                Ok(Some(hashes.iter().flat_map(|hash| hash.0).collect()))
            }
            ExportPath::Bundle(bundle) => {
                let width = width_of(0, bundle.index);
                if bundle.width > width {
                    return Ok(None);
                }
                let mut entries = self.whole_bundle(BundleId { width, ..*bundle }, 0, TILE_WIDTH)?;
                entries.truncate(usize::from(bundle.width));
                let bytes = encode_bundle(&entries);
                bytes.map(Some).map_err(|source| StoreError::Format {
                    what: "an entry",
                    source,
                })
            }
        }
    }

    /// Returns how many hashes a tile of the export has.
    fn width_of(&self, level: u8, index: u64) -> u16 {
        let hashes = self.edge.size() >> (8 * u32::from(level));
        let held = hashes.saturating_sub(index.saturating_mul(u64::from(TILE_WIDTH)));
        u16::try_from(held).map_or(TILE_WIDTH, |held| held.min(TILE_WIDTH))
    }

    /// Reads a tile; a full one is compared with the hash above it, where there is one.
    fn whole_tile(&self, id: TileId) -> Result<Vec<Hash>, StoreError> {
        self.noticed(|| {
            let hashes = verify::read_tile(&self.folder, id)??;
            let row = u64::from(TILE_WIDTH);
            let (level, index) = (id.level.saturating_add(1), id.index / row);
            let width = self.width_of(level, index);
            if id.width == TILE_WIDTH && width > 0 {
                let above = verify::read_tile(&self.folder, TileId { level, index, width })??;
                let place = usize::try_from(id.index % row).unwrap_or(usize::MAX);
                if above.get(place) != Some(&growth::root_of(&hashes)) {
                    return Err(verify::differs(
                        &self.folder,
                        &id.path(),
                        "its hashes do not give the one above it",
                    )
                    .into());
                }
            }
            Ok(hashes)
        })
    }

    /// Reads entries of a bundle, from a place in it on, and compares them with their hashes.
    fn whole_bundle(&self, id: BundleId, skip: u16, count: u16) -> Result<Vec<Arc<[u8]>>, StoreError> {
        self.noticed(|| {
            let (skip, count) = (usize::from(skip), usize::from(count));
            let mut entries = verify::read_bundle(&self.folder, id)??;
            entries.drain(..skip.min(entries.len()));
            entries.truncate(count);
            let (index, width) = (id.index, id.width);
            let hashes = verify::read_tile(
                &self.folder,
                TileId {
                    level: 0,
                    index,
                    width,
                },
            )??;
            let same = entries
                .iter()
                .zip(hashes.iter().skip(skip))
                .all(|(entry, hash)| leaf_hash(entry) == *hash);
            if same {
                Ok(entries)
            } else {
                Err(verify::differs(&self.folder, &id.path(), "its entries differ from their tile").into())
            }
        })
    }

    /// Has the next start check everything when damage is found.
    fn noticed<T>(&self, read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        read().inspect_err(|error| {
            if matches!(error, StoreError::Damaged(_)) {
                self.data.ask_for_check();
            }
        })
    }

    /// Returns the complete subtrees of the tree under the checkpoint in the folder.
    pub(crate) fn exported_frontier(&self) -> Frontier {
        self.edge.frontier().clone()
    }

    /// Says whether the entries held have a head, without reading those far below it.
    ///
    /// # Errors
    /// Entries cannot be read.
    pub fn bears_out(&self, head: TreeHead) -> Result<bool, StoreError> {
        let exported = self.exported();
        if head.size > self.held.size() {
            return Ok(false);
        }
        if head.size <= exported.size {
            let hashes = self.hashes();
            let proof = prove_consistency(&hashes, head.size, exported.size);
            return Ok(proof.is_ok_and(|proof| verify_consistency(&head, &exported, &proof).is_ok()));
        }
        let mut frontier = self.exported_frontier();
        while frontier.size() < head.size {
            let count = (head.size - frontier.size()).min(STEP_ENTRIES);
            for entry in self.range(frontier.size(), count, EXPORT_BYTES_MAX)? {
                frontier.append(leaf_hash(&entry));
            }
        }
        Ok(frontier.root() == head.root)
    }

    /// Returns the hashes of the tree under the checkpoint, to make proofs from.
    pub fn hashes(&self) -> TileHashes<&Self> {
        TileHashes::new(self, self.edge.size())
    }

    /// Writes a complete export of the log, up to its newest checkpoint, into an empty or new folder.
    ///
    /// # Errors
    /// There is no checkpoint yet, the folder is not empty, or a file is damaged.
    pub fn export(&self, to: &Path) -> Result<(), StoreError> {
        let Some(checkpoint) = self.checkpoint() else {
            return Err(StoreError::NoSuchLog {
                origin: self.origin.clone(),
                path: self.folder.join("checkpoint"),
            });
        };
        write_export(&self.origin, checkpoint, to, &mut |start, count| {
            self.range(start, count, EXPORT_BYTES_MAX)
        })
    }

    /// Moves the files of a log out of the way, so that they are written again from the own log or from peers; returns where they went.
    ///
    /// # Errors
    /// The disk failed.
    pub fn set_aside(data: &DataDir, origin: &Origin) -> Result<Option<PathBuf>, StoreError> {
        let name = folder_name(origin);
        data.move_aside(&data.ahead(origin), &format!("ahead-{name}"))?;
        data.move_aside(&data.log_files(origin), &format!("logs-{name}"))
    }

    /// Opens the files of a log of others. Damaged ones are set aside: what only the tiles of them lack is written again from the entries
    /// beside them, and otherwise the log begins anew, to be fetched from peers. Returns the damage too, and where the files went.
    ///
    /// # Errors
    /// The disk failed.
    pub(crate) fn open_or_renew(
        data: &DataDir,
        origin: &Origin,
    ) -> Result<(Self, Option<Renewed>), StoreError> {
        let damage = match Self::open(data, origin, &mut |_, _| {}) {
            Err(StoreError::Damaged(damage)) => damage,
            outcome => return Ok((outcome?, None)),
        };
        let name = folder_name(origin);
        let (folder, renewed) = (data.log_files(origin), durable::temporary_name(&data.temporary()));
        // Beside the damaged ones: a node that ends meanwhile begins again.
        let is_whole = match rewrite(&folder, origin, &renewed) {
            Ok(()) => true,
            Err(error @ StoreError::Io { .. }) => return Err(error),
            Err(_) => false,
        };
        let place = data.move_aside(&folder, &format!("logs-{name}"))?;
        if is_whole {
            durable::move_folder(&renewed, &folder)?;
        } else {
            durable::remove_folder(&renewed)?;
            durable::remove_folder(&unfinished(&renewed))?;
            data.move_aside(&data.ahead(origin), &format!("ahead-{name}"))?;
        }
        let files = Self::open(data, origin, &mut |_, _| {})?;
        let renewed = Renewed {
            damage,
            place,
            is_whole,
        };
        Ok((files, Some(renewed)))
    }

    /// Refuses entries that do not follow; returns the frontier with them.
    fn check_append(&self, start: u64, entries: &[Arc<[u8]>]) -> Result<Frontier, StoreError> {
        if start != self.held.size() {
            return Err(StoreError::IndexNotNext {
                expected: self.held.size(),
                got: start,
            });
        }
        let mut held = self.held.clone();
        for entry in entries {
            let limit = tally_schemas::limits::ENTRY_BYTES_MAX;
            if entry.is_empty() || entry.len() > limit {
                return Err(StoreError::EntryLength {
                    index: held.size(),
                    got: entry.len(),
                    limit,
                });
            }
            held.append(leaf_hash(entry));
        }
        Ok(held)
    }

    /// Refuses a checkpoint that the entries do not bear out.
    fn check_checkpoint(
        &self,
        bytes: &[u8],
        entries: &[Arc<[u8]>],
        held: &Frontier,
    ) -> Result<TreeHead, StoreError> {
        let checkpoint = checkpoint_of(bytes, &self.origin, &self.folder)?;
        let size = checkpoint.head.size;
        let newest = self
            .pending
            .as_ref()
            .map_or(self.edge.size(), |(_, head)| head.size);
        if size < newest || size > held.size() {
            return Err(StoreError::CheckpointSize {
                origin: self.origin.clone(),
                expected: held.size(),
                got: size,
            });
        }
        let root = if size == held.size() {
            held.root()
        } else {
            let mut frontier = self.edge.frontier().clone();
            while frontier.size() < size {
                let step = STEP_ENTRIES.min(size - frontier.size());
                for entry in self.upcoming(frontier.size(), step, entries)? {
                    frontier.append(leaf_hash(&entry));
                }
            }
            frontier.root()
        };
        same_root(&checkpoint, root)?;
        Ok(checkpoint.head)
    }

    fn check_running(&self) -> Result<(), StoreError> {
        match &self.stopped {
            None => Ok(()),
            Some(why) => Err(StoreError::Stopped {
                path: self.folder.clone(),
                why: why.clone(),
            }),
        }
    }

    fn stop_on_error(&mut self, outcome: Result<(), StoreError>) -> Result<(), StoreError> {
        if let Err(error) = &outcome {
            self.stopped = Some(error.to_string());
        }
        outcome
    }

    /// Writes what was checked.
    fn write(
        &mut self,
        entries: &[Arc<[u8]>],
        covered: Option<(&[u8], TreeHead)>,
        held: Frontier,
        covering: &[u8],
    ) -> Result<(), StoreError> {
        if entries.is_empty() && covered.is_none_or(|(bytes, _)| self.checkpoint() == Some(bytes)) {
            return Ok(());
        }
        if let Some((checkpoint, head)) = covered
            && self.ahead.is_empty()
            && head.size == held.size()
            && entries.len() as u64 >= SETTLE_ENTRIES
        {
            self.export_up_to(entries, checkpoint, head)?;
            self.pending = None;
            self.held = held;
            return Ok(());
        }
        let checkpoint = covered.map_or(&[][..], |(checkpoint, _)| checkpoint);
        self.ahead.append(entries, checkpoint, covering)?;
        self.held = held;
        if let Some((checkpoint, head)) = covered {
            self.pending = Some((checkpoint.to_vec(), head));
        }
        match self.pending.take() {
            Some((checkpoint, head))
                if head.size.saturating_sub(self.edge.size()) >= SETTLE_ENTRIES
                    || self.ahead.bytes() >= SETTLE_BYTES =>
            {
                self.export_up_to(&[], &checkpoint, head)
            }
            pending => {
                self.pending = pending;
                Ok(())
            }
        }
    }

    /// Brings the folder up to a checkpoint, from the entries that wait and those being appended.
    fn export_up_to(
        &mut self,
        entries: &[Arc<[u8]>],
        checkpoint: &[u8],
        head: TreeHead,
    ) -> Result<(), StoreError> {
        let old = self.edge.size();
        let temporary = self.data.temporary();
        // Tiles without a checkpoint could not be told from damage: a first export appears as a whole.
        let is_first = self.checkpoint.is_none();
        let folder = if is_first {
            durable::temporary_name(&temporary)
        } else {
            self.folder.clone()
        };
        while self.edge.size() < head.size {
            let at = self.edge.size();
            let step = (head.size - at).min(STEP_ENTRIES - at % STEP_ENTRIES);
            let files = self.edge.grow(&self.upcoming(at, step, entries)?)?;
            write_growth(&folder, &temporary, files)?;
            // Partial files between the two checkpoints have no reader; those of the old one still have.
            if at > old {
                remove_superseded(&folder, at, self.edge.size(), old)?;
            }
        }
        if self.checkpoint.as_deref() != Some(checkpoint) {
            durable::write_file(&temporary, folder.join("checkpoint"), &[checkpoint])?;
            self.checkpoint = Some(checkpoint.to_vec());
        }
        if is_first {
            durable::move_folder(&folder, &self.folder)?;
        }
        remove_superseded(&self.folder, old, head.size, head.size)?;
        self.ahead.forget_before(head.size)
    }

    /// Returns entries that are held ahead of the export or are being appended.
    fn upcoming(&self, start: u64, count: u64, entries: &[Arc<[u8]>]) -> Result<Vec<Arc<[u8]>>, StoreError> {
        let held_ahead = self.ahead.next().saturating_sub(start).min(count);
        let mut found = if held_ahead > 0 {
            self.ahead.read(start, held_ahead)?
        } else {
            Vec::new()
        };
        let rest = start + found.len() as u64;
        let skip = usize::try_from(rest.saturating_sub(self.held.size())).unwrap_or(usize::MAX);
        let missing = usize::try_from(count)
            .unwrap_or(usize::MAX)
            .saturating_sub(found.len());
        found.extend(entries.iter().skip(skip).take(missing).cloned());
        if found.len() as u64 == count {
            Ok(found)
        } else {
            Err(StoreError::OutOfRange {
                start,
                end: start + count,
                size: start + found.len() as u64,
            })
        }
    }

    /// Returns the entries from `start` on that lie together: up to the end of a bundle, or of what is ahead; never none.
    fn run_from(&self, start: u64, end: u64) -> Result<Vec<Arc<[u8]>>, StoreError> {
        let exported = self.edge.size();
        if start >= exported {
            let count = end.saturating_sub(start).min(u64::from(TILE_WIDTH));
            let entries = self.ahead.read(start, count)?;
            if entries.is_empty() {
                return Err(StoreError::OutOfRange {
                    start,
                    end,
                    size: exported,
                });
            }
            return Ok(entries);
        }
        let row = u64::from(TILE_WIDTH);
        let index = start / row;
        let width = self.width_of(0, index);
        let skip = u16::try_from(start % row).unwrap_or(0);
        let count = u16::try_from(end - start).map_or(TILE_WIDTH, |count| count.min(TILE_WIDTH));
        self.whole_bundle(BundleId { index, width }, skip, count)
    }
}

impl TileReader for &LogFiles {
    fn tile(&self, tile: TileId) -> Result<Vec<Hash>, ReadError> {
        let bad = |why: String| ReadError {
            level: tile.level.saturating_mul(8),
            index: tile.index.saturating_mul(u64::from(TILE_WIDTH)),
            why,
        };
        let bytes = self
            .read(&ExportPath::Tile(tile))
            .map_err(|error| bad(error.to_string()))?
            .ok_or_else(|| bad(format!("beyond an export of {} entries", self.edge.size())))?;
        parse_tile(&bytes, tile.width).map_err(|error| bad(error.to_string()))
    }
}

/// What became of damaged files.
#[derive(Debug)]
pub(crate) struct Renewed {
    /// What was damaged first.
    pub(crate) damage: Damage,
    /// Where the files went.
    pub(crate) place: Option<PathBuf>,
    /// Whether everything was written again from the entries in them.
    pub(crate) is_whole: bool,
}

/// Writes an export again from the checkpoint and the bundles of a damaged one, if they give its root.
fn rewrite(from: &Path, origin: &Origin, to: &Path) -> Result<(), StoreError> {
    let path = from.join("checkpoint");
    let limit = tally_schemas::limits::CHECKPOINT_BYTES_MAX as u64;
    let checkpoint = durable::read_capped(&path, limit)?.unwrap_or_default();
    let size = checkpoint_of(&checkpoint, origin, from)?.head.size;
    write_export(origin, &checkpoint, to, &mut |start, _| {
        let row = u64::from(TILE_WIDTH);
        let index = start / row;
        let width = u16::try_from(size - index * row).map_or(TILE_WIDTH, |width| width.min(TILE_WIDTH));
        let mut entries = verify::read_bundle(from, BundleId { index, width })??;
        entries.drain(..usize::try_from(start % row).unwrap_or(0).min(entries.len()));
        Ok(entries)
    })
}

/// The bytes of entries that an export reads at once.
const EXPORT_BYTES_MAX: usize = BUNDLE_BYTES_MAX;

/// Writes a complete export of a log into an empty or new folder: of the own log from its engine, of a replica from its files.
///
/// `source` returns at least one and at most `count` entries from an index on.
///
/// # Errors
/// The folder is not empty, the checkpoint is of another log, the source ends too early or does not give the root of the checkpoint (then
/// the folder has no checkpoint), or the disk failed.
pub fn write_export(
    origin: &Origin,
    checkpoint: &[u8],
    to: &Path,
    source: &mut dyn FnMut(u64, u64) -> Result<Vec<Arc<[u8]>>, StoreError>,
) -> Result<(), StoreError> {
    let head = checkpoint_of(checkpoint, origin, to)?;
    durable::create_dir(to)?;
    if !durable::names_in(to)?.is_empty() {
        let source = std::io::Error::from(std::io::ErrorKind::DirectoryNotEmpty);
        return Err(StoreError::io("export into", to)(source));
    }
    let temporary = unfinished(to);
    durable::create_dir(&temporary)?;
    let mut edge = Edge::default();
    let mut waiting: Vec<Arc<[u8]>> = Vec::new();
    while edge.size() < head.head.size {
        let at = edge.size();
        let step = (head.head.size - at).min(u64::from(TILE_WIDTH));
        while (waiting.len() as u64) < step {
            let from = at + waiting.len() as u64;
            let more = source(from, step - waiting.len() as u64)?;
            if more.is_empty() {
                return Err(StoreError::OutOfRange {
                    start: from,
                    end: head.head.size,
                    size: from,
                });
            }
            waiting.extend(more);
        }
        write_growth(to, &temporary, edge.grow(&waiting)?)?;
        remove_superseded(to, at, edge.size(), 0)?;
        waiting.clear();
    }
    same_root(&head, edge.head().root)?;
    durable::write_file(&temporary, to.join("checkpoint"), &[checkpoint])?;
    fs::remove_dir(&temporary).map_err(StoreError::io("remove", &temporary))
}

/// Returns the folder of what is being written of an export.
fn unfinished(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    to.with_file_name(name)
}

fn checkpoint_of(bytes: &[u8], origin: &Origin, path: &Path) -> Result<Checkpoint, StoreError> {
    let checkpoint = verify::parse_checkpoint(bytes).map_err(|source| StoreError::Format {
        what: "a checkpoint",
        source,
    })?;
    if checkpoint.origin == *origin {
        Ok(checkpoint)
    } else {
        Err(StoreError::WrongOrigin {
            path: path.join("checkpoint"),
            got: checkpoint.origin.to_string(),
            expected: origin.to_string(),
        })
    }
}

fn same_root(checkpoint: &Checkpoint, root: Hash) -> Result<(), StoreError> {
    if checkpoint.head.root == root {
        return Ok(());
    }
    Err(StoreError::RootMismatch {
        origin: checkpoint.origin.clone(),
        size: checkpoint.head.size,
        got: root.to_hex(),
        expected: checkpoint.head.root.to_hex(),
    })
}

fn write_growth(folder: &Path, temporary: &Path, files: Vec<FileBytes>) -> Result<(), StoreError> {
    let mut batch = durable::Batch::new(temporary);
    for (path, bytes) in files {
        batch.write(folder.join(path.to_string()), &[&bytes])?;
    }
    batch.commit()
}

/// Removes the partial files of a size that a larger one has replaced, unless the export of a third size needs them. Not synced: what comes
/// back after a crash goes when the log is opened.
fn remove_superseded(folder: &Path, old: u64, new: u64, needed: u64) -> Result<(), StoreError> {
    for path in verify::superseded(old, new) {
        if verify::belongs(&path, needed) {
            continue;
        }
        let path = folder.join(path.to_string());
        durable::remove_file(&path)?;
        remove_empty_above(&path, folder);
    }
    Ok(())
}

/// Removes the folder of a file that went, and those above it up to the folder of the log, as far as nothing else is in them.
fn remove_empty_above(path: &Path, folder: &Path) {
    let above = path.ancestors().skip(1).take_while(|above| *above != folder);
    for empty in above {
        // A folder that is not empty stays, and so do those above it.
        if fs::remove_dir(empty).is_err() {
            return;
        }
    }
}

/// Removes files of the layout that do not belong to the checkpoint: what a crash between two steps of writing left.
fn remove_leftovers(folder: &Path, size: u64) -> Result<(), StoreError> {
    for name in files_below(folder)? {
        if let Ok(path) = ExportPath::parse(&name)
            && !verify::belongs(&path, size)
        {
            let path = folder.join(&name);
            durable::remove_file(&path)?;
            remove_empty_above(&path, folder);
        }
    }
    Ok(())
}

/// Reads what waits beside an export of a size, without changing it: the checkpoint that came last, and what is damaged.
pub(crate) fn read_ahead(
    path: PathBuf,
    size: u64,
    visit: &mut dyn FnMut(u64, &Arc<[u8]>),
) -> Result<(Option<Vec<u8>>, Option<Damage>), StoreError> {
    let (_, newest, cut) = Ahead::read_only(path, size, visit)?;
    Ok((newest, cut))
}

/// Lists all files below a folder, as paths relative to it with `/` between their parts.
pub(crate) fn files_below(folder: &Path) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(at) = open.pop() {
        for name in durable::names_in(&folder.join(&at))? {
            let name = if at.is_empty() {
                name
            } else {
                format!("{at}/{name}")
            };
            if folder.join(&name).is_dir() {
                open.push(name);
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}
