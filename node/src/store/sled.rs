//! The own log in sled: the only file that knows sled.
//!
//! sled 0.34.7 is durable only in a narrow way of use, kept here: `flush()` is followed by `sync_data()` on an own handle of `<dir>/db`
//! (its flush alone does not survive a power cut), values are at most [`CHUNK_BYTES_MAX`] so that no page moves into `blobs/`, which sled
//! never syncs, and an append is refused for good once `blobs/` holds a file. Every value carries a version and a checksum of
//! its own; a panic of the engine becomes a [`StoreError`]. Keeps I1 and I11. Keys and values: `schemas/spec/store.md`.

use super::durable;
use super::error::{Damage, DamageKind, StoreError};
use super::own_log::{LocalRecord, OwnLog, RECORD_VALUE_BYTES_MAX, Record, check_batch};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tally_ledger::crypto::{DomainTag, tagged_hash};
use tally_schemas::id::{Hash, Origin};
use tally_schemas::limits::ENTRY_BYTES_MAX;

/// The longest value that is handed to sled: 16 of them stay below the page size at which sled writes a file that it never syncs.
const CHUNK_BYTES_MAX: usize = 6 * 1024;
/// Version, count of chunks, checksum.
const CHUNK_HEADER_BYTES: usize = 1 + 2 + 8;
/// The bytes of an entry or record in one chunk.
const CHUNK_PAYLOAD_BYTES_MAX: usize = CHUNK_BYTES_MAX - CHUNK_HEADER_BYTES;
/// The version of the values.
const VALUE_VERSION: u8 = 1;
/// The memory that sled may use for pages; an estimate on its side, not a cap.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// Keys of entries: this byte, index, chunk.
const PREFIX_ENTRY: u8 = b'e';
/// Keys of local records: this byte, escaped key, two zero bytes, chunk.
const PREFIX_RECORD: u8 = b'r';
/// A fact about the log, under `m`: how many entries it has.
const META_LEN: &[u8] = b"mlen";
/// A fact about the log, under `m`: which log it is.
const META_ORIGIN: &[u8] = b"morigin";
/// How often, and how long apart, a folder that a closing handle still holds is tried again.
const LOCK_TRIES_MAX: u32 = 40;
const LOCK_WAIT: Duration = Duration::from_millis(25);

const NO_ORIGIN: &str = "the record that names the log is missing";

pub(super) const REMEDY: &str = "stop the node and run `tally-node refill`, which writes the log again up to the signing lock and keeps the damaged one";

/// An own log in a sled folder.
pub struct SledLog {
    folder: PathBuf,
    blobs: PathBuf,
    tree: sled::Db,
    file: File,
    len: u64,
    stopped: Option<String>,
}

impl fmt::Debug for SledLog {
    /// Shows where the log is, never what it holds.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SledLog")
            .field("folder", &self.folder)
            .field("len", &self.len)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}

impl SledLog {
    /// Opens the log in a folder, or creates it there; reads every entry once, checks it, and hands it to `visit`.
    ///
    /// What `visit` saw counts only when this succeeds.
    ///
    /// # Errors
    /// The folder is in use, belongs to another log, cannot be opened by sled, or holds a damaged, missing or surplus chunk.
    pub fn open(
        folder: &Path,
        origin: &Origin,
        visit: &mut dyn FnMut(u64, &Arc<[u8]>),
    ) -> Result<Self, StoreError> {
        Self::open_from(folder, origin, 0, visit)
    }

    /// As [`SledLog::open`], but reads only the entries from an index on; whether it has those before is for the caller to compare.
    ///
    /// # Errors
    /// As [`SledLog::open`].
    pub(crate) fn open_from(
        folder: &Path,
        origin: &Origin,
        start: u64,
        visit: &mut dyn FnMut(u64, &Arc<[u8]>),
    ) -> Result<Self, StoreError> {
        durable::create_dir(folder)?;
        let mut log = Self::open_folder(folder)?;
        log.check_origin(origin)?;
        log.load(start, visit)?;
        Ok(log)
    }

    /// Opens a log in which something is damaged, to save what can be read of it: no entry is read, and how many there are is not known.
    ///
    /// # Errors
    /// The engine cannot open the folder, or it is of another log; whose it is may be damaged too.
    pub(crate) fn open_to_save(folder: &Path, origin: &Origin) -> Result<Self, StoreError> {
        let log = Self::open_folder(folder)?;
        match log.fact(META_ORIGIN) {
            Ok(Some(found)) if found != origin.to_string().as_bytes() => Err(log.of_another(&found, origin)),
            _ => Ok(log),
        }
    }

    /// Returns entries from an index on, as many as are whole and follow one another.
    pub(crate) fn whole_entries(&self, start: u64, count: u64) -> Vec<Arc<[u8]>> {
        let mut entries = Vec::new();
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        if wanted > 0 {
            // What is damaged ends it.
            let _end = self.visit(start, &mut |_, entry| {
                entries.push(Arc::clone(entry));
                entries.len() < wanted
            });
        }
        entries
    }

    /// Returns the local records that are whole; the others are left out.
    pub(crate) fn whole_records(&self) -> Vec<Record> {
        let keys = self.guarded(|| {
            let keys = self.tree.scan_prefix([PREFIX_RECORD]).keys();
            let keys: Vec<_> = keys
                .filter_map(Result::ok)
                .filter_map(|raw| parse_record_key(&raw))
                .collect();
            Ok(keys)
        });
        let first_chunks = keys
            .unwrap_or_default()
            .into_iter()
            .filter(|(_, chunk)| *chunk == 0);
        first_chunks
            .filter_map(|(key, _)| {
                let value = self.record(&key).ok().flatten()?;
                Some((key, value))
            })
            .collect()
    }

    /// Opens a folder of whatever log, for checking it; nothing is created.
    pub(crate) fn open_any(
        folder: &Path,
        visit: &mut dyn FnMut(u64, &Arc<[u8]>),
    ) -> Result<(Self, Origin), StoreError> {
        let mut log = Self::open_folder(folder)?;
        let named = log.fact(META_ORIGIN)?.and_then(|name| {
            let name = String::from_utf8(name).ok()?;
            Origin::parse(&name).ok()
        });
        let Some(origin) = named else {
            return Err(log.damage(DamageKind::Missing, NO_ORIGIN.to_owned()));
        };
        log.load(0, visit)?;
        Ok((log, origin))
    }

    /// Returns the keys that no log has, in hex.
    pub(crate) fn surplus_keys(&self) -> Result<Vec<String>, StoreError> {
        self.guarded(|| {
            let mut found = Vec::new();
            for key in self.tree.iter().keys() {
                let key = key.map_err(|error| self.engine(&error))?;
                let known = match key.first() {
                    Some(&PREFIX_ENTRY | &PREFIX_RECORD) => true,
                    _ => *key == *META_LEN || *key == *META_ORIGIN,
                };
                if !known {
                    found.push(hex(&key));
                }
            }
            Ok(found)
        })
    }

    /// Returns how many files lie where sled never syncs.
    pub(crate) fn unsynced_blobs(&self) -> Result<usize, StoreError> {
        Ok(durable::names_in(&self.blobs)?.len())
    }

    fn open_folder(folder: &Path) -> Result<Self, StoreError> {
        let tree = open_engine(folder)?;
        let db = folder.join("db");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&db)
            .map_err(StoreError::io("open", &db))?;
        Ok(Self {
            folder: folder.to_owned(),
            blobs: folder.join("blobs"),
            tree,
            file,
            len: 0,
            stopped: None,
        })
    }

    fn load(&mut self, start: u64, visit: &mut dyn FnMut(u64, &Arc<[u8]>)) -> Result<(), StoreError> {
        self.len = self.visit(start, &mut |index, entry| {
            visit(index, entry);
            true
        })?;
        self.check_len()
    }

    /// Reads entries from an index on and hands each to `visit` until that returns false; returns the index after the last one read.
    ///
    /// # Errors
    /// Damage, named by its entry, or a failure of the engine.
    pub fn visit(
        &self,
        start: u64,
        visit: &mut dyn FnMut(u64, &Arc<[u8]>) -> bool,
    ) -> Result<u64, StoreError> {
        self.guarded(|| {
            let mut next = start;
            let mut parts = Assembly::new(ENTRY_BYTES_MAX);
            let from = if start == 0 {
                vec![PREFIX_ENTRY]
            } else {
                entry_key(start, 0)
            };
            for item in self.tree.range(from..vec![PREFIX_ENTRY + 1]) {
                let (key, value) = item.map_err(|error| self.engine(&error))?;
                let place = parse_entry_key(&key);
                if place != Some((next, parts.chunks)) {
                    let found = place.map_or_else(
                        || format!("the key {}", hex(&key)),
                        |(index, chunk)| format!("chunk {chunk} of entry {index}"),
                    );
                    let what = format!("chunk {} of entry {next} is missing, found {found}", parts.chunks);
                    return Err(self.damage(DamageKind::Missing, what));
                }
                let chunk = Chunk::parse(&key, &value)
                    .map_err(|why| self.damage(DamageKind::Altered, format!("entry {next}: {why}")))?;
                let done = parts
                    .add(&chunk)
                    .map_err(|why| self.damage(DamageKind::Altered, format!("entry {next}: {why}")))?;
                if done {
                    let entry: Arc<[u8]> = parts.take().into();
                    let index = next;
                    next = next.saturating_add(1);
                    if !visit(index, &entry) {
                        return Ok(next);
                    }
                }
            }
            if parts.chunks > 0 {
                let what = format!("chunk {} of entry {next} is missing, found the end", parts.chunks);
                return Err(self.damage(DamageKind::Missing, what));
            }
            Ok(next)
        })
    }

    fn of_another(&self, found: &[u8], origin: &Origin) -> StoreError {
        StoreError::WrongOrigin {
            path: self.folder.clone(),
            got: String::from_utf8_lossy(found).into_owned(),
            expected: origin.to_string(),
        }
    }

    /// Refuses a folder of another log; marks a new one.
    fn check_origin(&mut self, origin: &Origin) -> Result<(), StoreError> {
        let expected = origin.to_string();
        match self.fact(META_ORIGIN)? {
            Some(found) if found == expected.as_bytes() => Ok(()),
            Some(found) => Err(self.of_another(&found, origin)),
            None if self.guarded(|| Ok(self.tree.is_empty()))? => {
                let mut batch = sled::Batch::default();
                put_fact(&mut batch, META_ORIGIN, expected.as_bytes());
                put_fact(&mut batch, META_LEN, &0u64.to_be_bytes());
                self.apply(batch)?;
                durable::sync_dir(&self.blobs)?;
                durable::sync_dir(&self.folder)
            }
            None => Err(self.damage(
                DamageKind::Missing,
                "the record that names the log is missing".to_owned(),
            )),
        }
    }

    /// Refuses a log whose entries end before its last batch said.
    fn check_len(&self) -> Result<(), StoreError> {
        let fact = self
            .fact(META_LEN)?
            .and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)));
        match fact {
            // Entries that were appended alone came after it.
            Some(recorded) if recorded <= self.len => Ok(()),
            Some(recorded) => {
                let what = format!(
                    "the last batch ended at {recorded} entries, found {}; the first one missing is entry {}",
                    self.len, self.len
                );
                Err(self.damage(DamageKind::Missing, what))
            }
            None => Err(self.damage(
                DamageKind::Missing,
                "the record of the number of entries is missing".to_owned(),
            )),
        }
    }

    fn fact(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.guarded(|| {
            let Some(value) = self.tree.get(key).map_err(|error| self.engine(&error))? else {
                return Ok(None);
            };
            let chunk = Chunk::parse(key, &value).map_err(|why| {
                let what = format!("record {}: {why}", String::from_utf8_lossy(key));
                self.damage(DamageKind::Altered, what)
            })?;
            Ok(Some(chunk.payload.to_vec()))
        })
    }

    /// Collects the records under a prefix of escaped keys.
    fn records_under(&self, prefix: Vec<u8>) -> Result<Vec<Record>, StoreError> {
        self.guarded(|| {
            let mut records: Vec<Record> = Vec::new();
            let mut open: Option<Vec<u8>> = None;
            let mut parts = Assembly::new(RECORD_VALUE_BYTES_MAX);
            for item in self.tree.scan_prefix(prefix) {
                let (raw, value) = item.map_err(|error| self.engine(&error))?;
                let damage =
                    |why: &str| self.damage(DamageKind::Altered, format!("record {}: {why}", hex(&raw)));
                let (key, number) =
                    parse_record_key(&raw).ok_or_else(|| damage("the key has no known form"))?;
                if number != parts.chunks || open.as_ref().is_some_and(|open| *open != key) {
                    return Err(damage("a chunk before it is missing"));
                }
                let chunk = Chunk::parse(&raw, &value).map_err(|why| damage(&why))?;
                open = if parts.add(&chunk).map_err(|why| damage(&why))? {
                    records.push((key, parts.take()));
                    None
                } else {
                    Some(key)
                };
            }
            match open {
                None => Ok(records),
                Some(key) => {
                    let what = format!("record {}: the last chunk is missing", hex(&key));
                    Err(self.damage(DamageKind::Missing, what))
                }
            }
        })
    }

    /// Applies a batch and makes it durable, or stops the log.
    fn apply(&mut self, batch: sled::Batch) -> Result<(), StoreError> {
        self.durably(|tree| tree.apply_batch(batch))
    }

    /// Changes the tree and makes that durable, or stops the log.
    fn durably(&mut self, change: impl FnOnce(&sled::Db) -> sled::Result<()>) -> Result<(), StoreError> {
        let outcome = self.guarded(|| {
            change(&self.tree).map_err(|error| self.engine(&error))?;
            self.tree.flush().map_err(|error| self.engine(&error))?;
            let db = self.folder.join("db");
            self.file.sync_data().map_err(StoreError::io("sync", &db))?;
            match durable::names_in(&self.blobs)?.len() {
                0 => Ok(()),
                count => Err(StoreError::UnsyncedBlobs {
                    folder: self.blobs.clone(),
                    count,
                }),
            }
        });
        if let Err(error) = &outcome {
            self.stopped = Some(error.to_string());
        }
        outcome
    }

    /// Runs a call of the engine; its panic becomes an error.
    fn guarded<T>(&self, call: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
            Err(StoreError::Engine {
                folder: self.folder.clone(),
                why: panic_text(payload.as_ref()),
            })
        })
    }

    fn engine(&self, error: &sled::Error) -> StoreError {
        StoreError::Engine {
            folder: self.folder.clone(),
            why: error.to_string(),
        }
    }

    fn damage(&self, kind: DamageKind, what: String) -> StoreError {
        StoreError::Damaged(Damage::new(&self.folder, kind, what, REMEDY))
    }
}

impl OwnLog for SledLog {
    fn append_batch(
        &mut self,
        first_index: u64,
        entries: &[Arc<[u8]>],
        records: &[LocalRecord],
    ) -> Result<(), StoreError> {
        if let Some(why) = &self.stopped {
            return Err(StoreError::Stopped {
                path: self.folder.clone(),
                why: why.clone(),
            });
        }
        check_batch(self.len, first_index, entries, records)?;
        if entries.is_empty() && records.is_empty() {
            return Ok(());
        }
        if let ([entry], []) = (entries, records)
            && entry.len() <= CHUNK_PAYLOAD_BYTES_MAX
        {
            // One key needs no batch, which sled writes and waits for in two steps instead of one.
            let key = entry_key(first_index, 0);
            let value = chunk_value(&key, 1, entry);
            self.durably(|tree| tree.insert(key, value).map(drop))?;
            self.len = first_index.saturating_add(1);
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        for (index, entry) in (first_index..).zip(entries) {
            put_chunks(&mut batch, entry, |chunk| entry_key(index, chunk));
        }
        let mut last_change: BTreeMap<&[u8], Option<&[u8]>> = BTreeMap::new();
        for record in records {
            last_change.insert(
                record.key(),
                match record {
                    LocalRecord::Put { value, .. } => Some(value),
                    LocalRecord::Delete { .. } => None,
                },
            );
        }
        for (key, value) in last_change {
            let written = value.map_or(0, |value| {
                put_chunks(&mut batch, value, |chunk| record_key(key, chunk))
            });
            for chunk in written..self.record_chunks(key)? {
                batch.remove(record_key(key, chunk));
            }
        }
        let len = first_index.saturating_add(entries.len() as u64);
        if len != self.len {
            put_fact(&mut batch, META_LEN, &len.to_be_bytes());
        }
        self.apply(batch)?;
        self.len = len;
        Ok(())
    }

    fn entry(&self, index: u64) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(self.range(index, 1, 0)?.pop())
    }

    fn range(&self, start: u64, count: u64, bytes_max: usize) -> Result<Vec<Arc<[u8]>>, StoreError> {
        let end = start.saturating_add(count).min(self.len);
        let mut entries = Vec::new();
        if start >= end {
            return Ok(entries);
        }
        let mut bytes = 0usize;
        let mut full = false;
        let next = self.visit(start, &mut |index, entry| {
            bytes = bytes.saturating_add(entry.len());
            let fits = entries.is_empty() || bytes <= bytes_max;
            if fits {
                entries.push(Arc::clone(entry));
            }
            full = !fits || bytes >= bytes_max || index.saturating_add(1) >= end;
            !full
        })?;
        if !full {
            return Err(self.damage(
                DamageKind::Missing,
                format!("entry {next} is missing, found the end"),
            ));
        }
        Ok(entries)
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn record(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut records = self.records_under(record_key_stem(key))?;
        Ok(records.pop().map(|(_, value)| value))
    }

    fn records_with_prefix(&self, prefix: &[u8]) -> Result<Vec<Record>, StoreError> {
        let mut raw = vec![PREFIX_RECORD];
        escape_into(&mut raw, prefix);
        self.records_under(raw)
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.guarded(|| {
            self.tree.flush().map_err(|error| self.engine(&error))?;
            let db = self.folder.join("db");
            self.file.sync_data().map_err(StoreError::io("sync", &db))
        })
    }
}

impl SledLog {
    /// Returns how many chunks a record has now.
    fn record_chunks(&self, key: &[u8]) -> Result<u16, StoreError> {
        self.guarded(|| {
            let raw = record_key(key, 0);
            match self.tree.get(&raw).map_err(|error| self.engine(&error))? {
                None => Ok(0),
                Some(value) => Chunk::parse(&raw, &value)
                    .map(|chunk| chunk.of)
                    .map_err(|why| self.damage(DamageKind::Altered, format!("record {}: {why}", hex(&raw)))),
            }
        })
    }
}

/// Opens sled; waits a little for a handle that is just closing.
fn open_engine(folder: &Path) -> Result<sled::Db, StoreError> {
    let mut tries = 0;
    loop {
        let opened = catch_unwind(|| {
            sled::Config::new()
                .path(folder)
                .mode(sled::Mode::HighThroughput)
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(Some(500))
                .use_compression(false)
                .open()
        });
        let mut of_the_system = None;
        let why = match opened {
            Ok(Ok(tree)) => return Ok(tree),
            Ok(Err(error)) => {
                let why = error.to_string();
                // A full disk or a wrong owner says nothing about the log.
                if let sled::Error::Io(source) = error
                    && matches!(
                        source.kind(),
                        ErrorKind::StorageFull
                            | ErrorKind::QuotaExceeded
                            | ErrorKind::PermissionDenied
                            | ErrorKind::ReadOnlyFilesystem
                    )
                {
                    of_the_system = Some(source);
                }
                why
            }
            Err(payload) => panic_text(payload.as_ref()),
        };
        if !why.contains("could not acquire lock") {
            if let Some(source) = of_the_system {
                return Err(StoreError::io("open the log engine in", folder)(source));
            }
            return Err(StoreError::EngineOpen {
                folder: folder.to_owned(),
                why,
            });
        }
        tries += 1;
        if tries > LOCK_TRIES_MAX {
            return Err(StoreError::InUse {
                path: folder.to_owned(),
            });
        }
        std::thread::sleep(LOCK_WAIT);
    }
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied());
    format!("it panicked: {}", text.unwrap_or("without a text"))
}

/// One value of the tree: `version | count of chunks | checksum | payload`.
#[derive(Debug)]
struct Chunk<'a> {
    of: u16,
    payload: &'a [u8],
}

impl<'a> Chunk<'a> {
    fn parse(key: &[u8], value: &'a [u8]) -> Result<Self, String> {
        let Some((header, payload)) = value.split_first_chunk::<CHUNK_HEADER_BYTES>() else {
            return Err(format!(
                "a value of {} bytes, expected at least {CHUNK_HEADER_BYTES}",
                value.len()
            ));
        };
        let [version, of @ .., _, _, _, _, _, _, _, _] = *header;
        let of = u16::from_be_bytes(of);
        if version != VALUE_VERSION {
            return Err(format!(
                "the value has version {version}, expected {VALUE_VERSION}"
            ));
        }
        if *header != chunk_header(key, of, payload) {
            return Err("the checksum does not fit".to_owned());
        }
        Ok(Self { of, payload })
    }
}

fn chunk_header(key: &[u8], of: u16, payload: &[u8]) -> [u8; CHUNK_HEADER_BYTES] {
    let [high, low] = of.to_be_bytes();
    let key_bytes = (key.len() as u64).to_be_bytes();
    let Hash([a, b, c, d, e, f, g, h, ..]) = tagged_hash(
        DomainTag::STORE_RECORD,
        &[&[VALUE_VERSION, high, low], &key_bytes, key, payload],
    );
    [VALUE_VERSION, high, low, a, b, c, d, e, f, g, h]
}

/// The chunks of one entry or record, gathered in order.
struct Assembly {
    bytes: Vec<u8>,
    bytes_max: usize,
    chunks: u16,
    of: u16,
}

impl Assembly {
    fn new(bytes_max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            bytes_max,
            chunks: 0,
            of: 0,
        }
    }

    /// Adds the next chunk; says whether it was the last one.
    fn add(&mut self, chunk: &Chunk<'_>) -> Result<bool, String> {
        if self.chunks == 0 {
            self.of = chunk.of;
        }
        let full = chunk.payload.len() == CHUNK_PAYLOAD_BYTES_MAX;
        let last = self.chunks.saturating_add(1) == self.of;
        if chunk.of != self.of || self.of == 0 || !(full || last) {
            return Err(format!("chunk {} does not fit the one before it", self.chunks));
        }
        if self.bytes.len() + chunk.payload.len() > self.bytes_max {
            return Err(format!("more than {} bytes", self.bytes_max));
        }
        self.bytes.extend_from_slice(chunk.payload);
        self.chunks += 1;
        Ok(last)
    }

    fn take(&mut self) -> Vec<u8> {
        self.chunks = 0;
        self.of = 0;
        std::mem::take(&mut self.bytes)
    }
}

/// Adds the chunks of one entry or record to a batch; returns how many there are.
fn put_chunks(batch: &mut sled::Batch, bytes: &[u8], key: impl Fn(u16) -> Vec<u8>) -> u16 {
    let count = bytes.len().div_ceil(CHUNK_PAYLOAD_BYTES_MAX).max(1);
    let of = u16::try_from(count).expect("an entry has at most 11 chunks, a record at most 171");
    let mut rest = bytes;
    for number in 0..of {
        let (payload, after) = rest.split_at(rest.len().min(CHUNK_PAYLOAD_BYTES_MAX));
        rest = after;
        let key = key(number);
        let value = chunk_value(&key, of, payload);
        batch.insert(key, value);
    }
    of
}

fn chunk_value(key: &[u8], of: u16, payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(CHUNK_HEADER_BYTES + payload.len());
    value.extend_from_slice(&chunk_header(key, of, payload));
    value.extend_from_slice(payload);
    value
}

fn put_fact(batch: &mut sled::Batch, key: &[u8], payload: &[u8]) {
    put_chunks(batch, payload, |_| key.to_vec());
}

fn entry_key(index: u64, chunk: u16) -> Vec<u8> {
    let mut key = vec![PREFIX_ENTRY];
    key.extend_from_slice(&index.to_be_bytes());
    key.extend_from_slice(&chunk.to_be_bytes());
    key
}

fn parse_entry_key(key: &[u8]) -> Option<(u64, u16)> {
    let rest = key.strip_prefix(&[PREFIX_ENTRY])?;
    let (index, chunk) = rest.split_first_chunk::<8>()?;
    Some((
        u64::from_be_bytes(*index),
        u16::from_be_bytes(chunk.try_into().ok()?),
    ))
}

/// Writes a key so that its end can be told and the order stays: a zero byte becomes `00 ff`, the end is `00 00`.
fn escape_into(out: &mut Vec<u8>, key: &[u8]) {
    for byte in key {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
}

fn record_key_stem(key: &[u8]) -> Vec<u8> {
    let mut raw = vec![PREFIX_RECORD];
    escape_into(&mut raw, key);
    raw.extend_from_slice(&[0, 0]);
    raw
}

fn record_key(key: &[u8], chunk: u16) -> Vec<u8> {
    let mut raw = record_key_stem(key);
    raw.extend_from_slice(&chunk.to_be_bytes());
    raw
}

fn parse_record_key(raw: &[u8]) -> Option<(Vec<u8>, u16)> {
    let (stem, chunk) = raw.strip_prefix(&[PREFIX_RECORD])?.split_last_chunk::<2>()?;
    let mut bytes = stem.strip_suffix(&[0, 0])?.iter();
    let mut key = Vec::new();
    while let Some(byte) = bytes.next() {
        key.push(*byte);
        if *byte == 0 && bytes.next() != Some(&0xff) {
            return None;
        }
    }
    Some((key, u16::from_be_bytes(*chunk)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
