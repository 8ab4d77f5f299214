//! Entries that are not in the export yet: an append-only file beside it, never part of it.
//!
//! Each append is one block and one sync, where the export itself needs about ten; and while a node catches up, ranges arrive whose only
//! checkpoint is that of a much larger log, so that they cannot stand in an export at all. From here they move into bundles and tiles
//! when a checkpoint covers them. Whatever is lost here is fetched again. File form: `schemas/spec/store.md`.

use super::super::durable;
use super::super::error::{Damage, DamageKind, StoreError};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use tally_ledger::crypto::{DomainTag, tagged_hash};
use tally_schemas::id::Hash;
use tally_schemas::limits::ENTRY_BYTES_MAX;

/// The version of a block.
const VERSION: u8 = 2;
/// Version, first index, count of entries, bytes of entries, of the checkpoint, and of the covering; checksum.
const HEADER_BYTES: usize = 1 + 8 + 4 + 4 + 4 + 4 + 8;
/// The most bytes of one block that are read: what the largest batch of entries can have, and some room.
const BLOCK_BYTES_MAX: usize = 128 * 1024 * 1024;

const REMEDY: &str = "none needed: the entries are fetched again from peers; watch the disk";

/// The entries ahead of the newest checkpoint.
#[derive(Debug)]
pub(crate) struct Ahead {
    path: PathBuf,
    file: Option<File>,
    /// The index of the first entry.
    first: u64,
    /// Where each entry lies in the file.
    places: Vec<(u64, u16)>,
    /// Where the next block goes.
    end: u64,
    /// What the newest block has beside its entries, if no checkpoint of exactly their size.
    covering: Vec<u8>,
}

impl Ahead {
    /// Opens the file, hands each entry from index `from` on to `visit`, and cuts off what is damaged or half written; what is whole but does
    /// not follow is kept first.
    pub(crate) fn open(
        path: PathBuf,
        from: u64,
        keep: &dyn Fn() -> Result<(), StoreError>,
        visit: &mut dyn FnMut(u64, &Arc<[u8]>),
    ) -> Result<Opened, StoreError> {
        let (ahead, newest, damage) = Self::read_only(path, from, visit)?;
        if let (Some(damage), Some(file)) = (&damage, &ahead.file) {
            if damage.kind == DamageKind::Contradiction {
                keep()?;
            }
            let shorten = file.set_len(ahead.end).and_then(|()| file.sync_data());
            shorten.map_err(StoreError::io("shorten", &ahead.path))?;
        }
        Ok((ahead, newest, damage))
    }

    /// Reads the file without changing it.
    pub(crate) fn read_only(
        path: PathBuf,
        from: u64,
        visit: &mut dyn FnMut(u64, &Arc<[u8]>),
    ) -> Result<Opened, StoreError> {
        let mut ahead = Self {
            path,
            file: None,
            first: from,
            places: Vec::new(),
            end: 0,
            covering: Vec::new(),
        };
        if !ahead.path.exists() {
            return Ok((ahead, None, None));
        }
        let mut file = ahead.open_file()?;
        let io = StoreError::io("read", &ahead.path);
        let length = file.metadata().map_err(io)?.len();
        let mut cut: Option<(DamageKind, String)> = None;
        let mut newest = None;
        while ahead.end < length {
            match read_block(&mut file) {
                Ok(block) if block.first <= ahead.next() => {
                    let mut offset = ahead.end + HEADER_BYTES as u64;
                    for (index, entry) in (block.first..).zip(block.entries) {
                        if index >= ahead.next() {
                            visit(index, &entry);
                            let bytes = u16::try_from(entry.len()).unwrap_or(u16::MAX);
                            ahead.places.push((offset + 2, bytes));
                        }
                        offset += 2 + entry.len() as u64;
                    }
                    ahead.end = offset + (block.checkpoint.len() + block.covering.len()) as u64;
                    ahead.covering = block.covering;
                    if !block.checkpoint.is_empty() {
                        newest = Some(block.checkpoint);
                    }
                }
                Ok(block) => {
                    let what = format!(
                        "a block starts at entry {}, expected {}",
                        block.first,
                        ahead.next()
                    );
                    cut = Some((DamageKind::Contradiction, what));
                    break;
                }
                Err(why) => {
                    let what = format!("block at byte {}: {why}", ahead.end);
                    cut = Some((DamageKind::Altered, what));
                    break;
                }
            }
        }
        let damage = cut.map(|(kind, what)| Damage::new(&ahead.path, kind, what, REMEDY));
        ahead.file = Some(file);
        Ok((ahead, newest, damage))
    }

    /// Returns the index after the last entry.
    pub(crate) fn next(&self) -> u64 {
        self.first.saturating_add(self.places.len() as u64)
    }

    /// Says whether nothing is ahead.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns how many bytes wait.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Returns the covering that came last; empty when there is none.
    pub(crate) fn covering(&self) -> &[u8] {
        &self.covering
    }

    /// Adds entries, and the newest checkpoint over them or what covers them else (or nothing, empty); durable when it returns.
    pub(crate) fn append(
        &mut self,
        entries: &[Arc<[u8]>],
        checkpoint: &[u8],
        covering: &[u8],
    ) -> Result<(), StoreError> {
        let mut body = Vec::new();
        let mut places = Vec::new();
        for entry in entries {
            let bytes = u16::try_from(entry.len()).map_err(|_| StoreError::EntryLength {
                index: self.next(),
                got: entry.len(),
                limit: ENTRY_BYTES_MAX,
            })?;
            body.extend_from_slice(&bytes.to_be_bytes());
            places.push((self.end + (HEADER_BYTES + body.len()) as u64, bytes));
            body.extend_from_slice(entry);
        }
        let too_large = |_| StoreError::BatchTooLarge {
            what: "bytes",
            got: body.len(),
            limit: BLOCK_BYTES_MAX,
        };
        let stated = Stated {
            first: self.next(),
            count: u32::try_from(entries.len()).map_err(too_large)?,
            bytes: u32::try_from(body.len()).map_err(too_large)?,
            checkpoint_bytes: u32::try_from(checkpoint.len()).map_err(too_large)?,
            covering_bytes: u32::try_from(covering.len()).map_err(too_large)?,
        };
        body.extend_from_slice(checkpoint);
        body.extend_from_slice(covering);
        let mut block = stated.header(&body);
        block.extend_from_slice(&body);
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = self.open_file()?;
                if let Some(folder) = self.path.parent() {
                    durable::sync_dir(folder)?;
                }
                file
            }
        };
        file.seek(SeekFrom::Start(self.end))
            .and_then(|_| file.write_all(&block))
            .and_then(|()| file.sync_data())
            .map_err(StoreError::io("write", &self.path))?;
        self.file = Some(file);
        self.end += block.len() as u64;
        self.places.extend(places);
        covering.clone_into(&mut self.covering);
        Ok(())
    }

    /// Reads entries back.
    pub(crate) fn read(&self, start: u64, count: u64) -> Result<Vec<Arc<[u8]>>, StoreError> {
        let Some(mut file) = self.file.as_ref() else {
            return Ok(Vec::new());
        };
        let skip = usize::try_from(start.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        for (offset, bytes) in self.places.iter().skip(skip).take(count) {
            let mut entry = vec![0; usize::from(*bytes)];
            file.seek(SeekFrom::Start(*offset))
                .and_then(|_| file.read_exact(&mut entry))
                .map_err(StoreError::io("read", &self.path))?;
            entries.push(entry.into());
        }
        Ok(entries)
    }

    /// Forgets everything before an index that a checkpoint covers now.
    pub(crate) fn forget_before(&mut self, index: u64) -> Result<(), StoreError> {
        let gone = usize::try_from(index.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.places.drain(..gone.min(self.places.len()));
        self.first = index;
        if self.places.is_empty() {
            self.covering.clear();
        }
        if self.places.is_empty() && self.end > 0 {
            if let Some(file) = &self.file {
                file.set_len(0).map_err(StoreError::io("empty", &self.path))?;
            }
            self.end = 0;
        }
        Ok(())
    }

    fn open_file(&self) -> Result<File, StoreError> {
        if let Some(folder) = self.path.parent() {
            durable::create_dir(folder)?;
        }
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&self.path)
            .map_err(StoreError::io("open", &self.path))
    }
}

/// What opening gives: the entries, the newest checkpoint beside them, what was damaged.
pub(crate) type Opened = (Ahead, Option<Vec<u8>>, Option<Damage>);

struct Block {
    first: u64,
    entries: Vec<Arc<[u8]>>,
    checkpoint: Vec<u8>,
    covering: Vec<u8>,
}

/// What the header of a block states.
struct Stated {
    first: u64,
    count: u32,
    bytes: u32,
    checkpoint_bytes: u32,
    covering_bytes: u32,
}

impl Stated {
    fn header(&self, body: &[u8]) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.first.to_be_bytes());
        for number in [self.count, self.bytes, self.checkpoint_bytes, self.covering_bytes] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        let Hash([a, b, c, d, e, f, g, h, ..]) = tagged_hash(DomainTag::STORE_RECORD, &[&out, body]);
        out.extend_from_slice(&[a, b, c, d, e, f, g, h]);
        out
    }

    fn parse(header: [u8; HEADER_BYTES]) -> Option<Self> {
        let [version, rest @ ..] = header;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let (bytes, rest) = rest.split_first_chunk::<4>()?;
        let (checkpoint_bytes, rest) = rest.split_first_chunk::<4>()?;
        let (covering_bytes, _) = rest.split_first_chunk::<4>()?;
        (version == VERSION).then(|| Self {
            first: u64::from_be_bytes(*first),
            count: u32::from_be_bytes(*count),
            bytes: u32::from_be_bytes(*bytes),
            checkpoint_bytes: u32::from_be_bytes(*checkpoint_bytes),
            covering_bytes: u32::from_be_bytes(*covering_bytes),
        })
    }
}

fn read_block(file: &mut File) -> Result<Block, String> {
    let cut = |error: std::io::Error| format!("it ends inside the block: {error}");
    let mut header = [0u8; HEADER_BYTES];
    file.read_exact(&mut header).map_err(cut)?;
    let stated = Stated::parse(header).ok_or_else(|| format!("its version is not {VERSION}"))?;
    let beside = u64::from(stated.checkpoint_bytes) + u64::from(stated.covering_bytes);
    let length = u64::from(stated.bytes) + beside;
    if length > BLOCK_BYTES_MAX as u64 {
        return Err(format!("{length} bytes, the limit is {BLOCK_BYTES_MAX}"));
    }
    let mut body = Vec::new();
    file.take(length).read_to_end(&mut body).map_err(cut)?;
    if body.len() as u64 != length || stated.header(&body) != header {
        return Err("the checksum does not fit".to_owned());
    }
    let size = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut checkpoint = body.split_off(size(stated.bytes));
    let covering = checkpoint.split_off(size(stated.checkpoint_bytes));
    let mut entries = Vec::new();
    let mut left = body.as_slice();
    while let Some((length, after)) = left.split_first_chunk::<2>() {
        let (entry, after) = after
            .split_at_checked(usize::from(u16::from_be_bytes(*length)))
            .ok_or("it ends inside an entry")?;
        entries.push(Arc::from(entry));
        left = after;
    }
    if !left.is_empty() || entries.len() as u64 != u64::from(stated.count) {
        return Err(format!("{} entries, expected {}", entries.len(), stated.count));
    }
    Ok(Block {
        first: stated.first,
        entries,
        checkpoint,
        covering,
    })
}
