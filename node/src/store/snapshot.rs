//! The snapshot on disk: a head, and tables of rows of which the newest that has a key counts. Files: `schemas/spec/snapshot.md`.
//!
//! Everything here can be made again from the logs, so damage is never repaired: the folder is set aside, with the reason.

mod filter;

use self::filter::{Filter, Mark};
use super::durable::{self, Temporary};
use super::error::StoreError;
use super::layout::DataDir;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tally_ledger::archive::ArchiveError;
use tally_ledger::crypto::{DomainTag, tagged_hash};
use tally_schemas::id::Hash;
use tally_schemas::limits::{SNAPSHOT_HEAD_BYTES_MAX, SNAPSHOT_INDEX_BYTES_MAX};
use tally_schemas::snapshot::{
    BlockRef, Row, SnapshotHead, TableRef, decode_block, decode_index, encode_block, encode_index,
};

/// How many bytes of rows go into one block.
const BLOCK_BYTES: usize = 16 * 1024;
/// How many blocks are kept in memory.
const BLOCKS_MAX: usize = 256;

/// The rows of the newest snapshot.
#[derive(Debug)]
pub struct SnapshotFiles {
    data: DataDir,
    tables: RwLock<Vec<Arc<Table>>>,
    next: Mutex<u64>,
    cache: Mutex<Blocks>,
}

type BlockKey = (u64, usize);

#[derive(Debug, Default)]
struct Blocks {
    held: BTreeMap<BlockKey, Arc<Vec<Row>>>,
    order: VecDeque<BlockKey>,
}

/// A table, open for reading.
#[derive(Debug)]
struct Table {
    named: TableRef,
    path: PathBuf,
    file: File,
    /// Each block with the place where it starts.
    index: Vec<(BlockRef, u64)>,
    /// Of which ids it certainly has no row, if that is known.
    filter: Option<Filter>,
}

impl SnapshotFiles {
    /// Opens the newest snapshot; without one, or when it is damaged, there are no rows. The damage is returned, and what was damaged kept.
    ///
    /// # Errors
    /// The disk failed.
    pub fn open(data: &DataDir) -> Result<(Self, Option<SnapshotHead>, Option<String>), StoreError> {
        let empty = Self {
            data: data.clone(),
            tables: RwLock::default(),
            next: Mutex::new(1),
            cache: Mutex::default(),
        };
        match empty.read() {
            Ok(head) => Ok((empty, head, None)),
            Err(why) => {
                empty.set_aside()?;
                Ok((empty, None, Some(why)))
            }
        }
    }

    /// Returns the governance notes in the snapshot of a data folder; none without a readable one. Changes nothing.
    ///
    /// # Errors
    /// The disk failed.
    pub fn governance_in(data: &Path) -> Result<Vec<String>, StoreError> {
        let path = data.join("snapshot").join("head");
        let bytes = durable::read_capped(&path, SNAPSHOT_HEAD_BYTES_MAX as u64 + 32)?;
        let head = bytes.and_then(|bytes| SnapshotHead::decode(&bytes, checksum).ok());
        Ok(head.map(|head| head.governance).unwrap_or_default())
    }

    /// Moves the snapshot out of the way, so that everything is derived from the logs; returns where it went.
    ///
    /// # Errors
    /// The disk failed.
    pub fn set_aside(&self) -> Result<Option<PathBuf>, StoreError> {
        self.replace(Vec::new());
        self.data.move_aside(&self.data.snapshot(), "snapshot")
    }

    fn read(&self) -> Result<Option<SnapshotHead>, String> {
        let folder = self.data.snapshot();
        let path = folder.join("head");
        let bytes = durable::read_capped(&path, SNAPSHOT_HEAD_BYTES_MAX as u64 + 32);
        let Some(bytes) = bytes.map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        let bad = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let head = SnapshotHead::decode(&bytes, checksum).map_err(|error| bad(&error))?;
        let mut tables = Vec::new();
        let mut newest = 0;
        for named in &head.tables {
            newest = newest.max(named.number);
            tables.push(Arc::new(Table::open(&folder, named)?));
        }
        // A table that no head names is what a crash left between two steps.
        let names = durable::names_in(&folder).map_err(|error| error.to_string())?;
        for name in names.iter().filter(|name| *name != "head") {
            let is_of =
                |named: &TableRef| [file_name(named.number), filter_name(named.number)].contains(name);
            if !head.tables.iter().any(is_of) {
                durable::remove_file(&folder.join(name)).map_err(|error| error.to_string())?;
            }
        }
        *locked(&self.next) = newest + 1;
        self.replace(tables);
        Ok(Some(head))
    }

    /// Keeps a snapshot: its rows as a new table, then its head; durable when it returns.
    ///
    /// # Errors
    /// The disk failed; the snapshot before is still the one that counts, and nothing of this one is left on the disk.
    pub fn write(&self, head: &SnapshotHead, rows: &[Row]) -> Result<(), StoreError> {
        let first = *locked(&self.next);
        let outcome = self.write_rows(head, rows);
        if outcome.is_err() {
            let folder = self.data.snapshot();
            let mut counts: Vec<u64> = self.tables().iter().map(|table| table.named.number).collect();
            // The new head may have got its name before it failed.
            counts.extend(named_on_disk(&folder));
            let made = first..*locked(&self.next);
            for number in made.filter(|number| !counts.contains(number)) {
                for name in [file_name(number), filter_name(number)] {
                    // What cannot be removed now goes at the next start.
                    let _gone = durable::remove_file(&folder.join(name));
                }
            }
        }
        outcome
    }

    fn write_rows(&self, head: &SnapshotHead, rows: &[Row]) -> Result<(), StoreError> {
        let folder = self.data.snapshot();
        durable::create_dir(&folder)?;
        let mut tables = self.tables();
        let mut gone: Vec<Arc<Table>> = Vec::new();
        if !rows.is_empty() {
            let mut writer = self.writer()?;
            for row in rows {
                writer.add(row.clone())?;
            }
            tables.push(Arc::new(writer.finish(&folder)?));
        }
        // Two neighbours become one when the newer has grown to half of the older: so there are few, and each row moves seldom.
        while let [.., older, newer] = tables.as_slice()
            && newer.named.blocks_bytes.saturating_mul(2) >= older.named.blocks_bytes
        {
            let is_oldest = tables.len() == 2;
            let pair = [newer.clone(), older.clone()];
            let mut writer = self.writer()?;
            let mut failed = None;
            merge(&pair, &[], |row| {
                if failed.is_none() && !(is_oldest && row.value.is_none()) {
                    failed = writer.add(row.clone()).err();
                }
            })
            .map_err(|error| unreadable(&folder, &error))?;
            if let Some(error) = failed {
                return Err(error);
            }
            let merged = Arc::new(writer.finish(&folder)?);
            gone.extend(pair);
            tables.truncate(tables.len().saturating_sub(2));
            tables.push(merged);
        }
        let head = SnapshotHead {
            tables: tables.iter().map(|table| table.named.clone()).collect(),
            ..head.clone()
        };
        let format = |source| StoreError::Format {
            what: "the head of a snapshot",
            source,
        };
        let bytes = head.encode(checksum).map_err(format)?;
        durable::write_file(&self.data.temporary(), folder.join("head"), &[&bytes])?;
        self.replace(tables);
        for table in gone {
            durable::remove_file(&table.path)?;
            durable::remove_file(&folder.join(filter_name(table.named.number)))?;
        }
        Ok(())
    }

    /// Returns how many bytes all tables have.
    pub fn bytes(&self) -> u64 {
        let tables = self.tables();
        let bytes = tables
            .iter()
            .map(|table| table.named.blocks_bytes + table.named.index_bytes);
        bytes.sum()
    }

    /// Returns the value of a row.
    ///
    /// # Errors
    /// A block is damaged or cannot be read.
    pub fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        let mark = Mark::of(key);
        for table in self.tables().iter().rev().filter(|table| table.may_have(mark)) {
            let Some(block) = table.block_with(key) else {
                continue;
            };
            let rows = self.block(table, block)?;
            if let Ok(place) = rows.binary_search_by(|row| row.key.as_slice().cmp(key)) {
                return Ok(rows.get(place).and_then(|row| row.value.clone()));
            }
        }
        Ok(None)
    }

    /// Visits the rows whose keys begin with a prefix, by key.
    ///
    /// # Errors
    /// A block is damaged or cannot be read.
    pub fn rows(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), ArchiveError> {
        let mut tables = self.tables();
        tables.reverse();
        let mark = Mark::of(prefix);
        tables.retain(|table| table.may_have(mark));
        merge(&tables, prefix, |row| {
            if let Some(value) = &row.value {
                visit(&row.key, value);
            }
        })
    }

    fn block(&self, table: &Table, block: usize) -> Result<Arc<Vec<Row>>, ArchiveError> {
        let key = (table.named.number, block);
        if let Some(rows) = locked(&self.cache).held.get(&key) {
            return Ok(rows.clone());
        }
        let rows = Arc::new(table.read_block(block)?);
        let mut cache = locked(&self.cache);
        if cache.held.insert(key, rows.clone()).is_none() {
            cache.order.push_back(key);
        }
        while cache.order.len() > BLOCKS_MAX {
            if let Some(oldest) = cache.order.pop_front() {
                cache.held.remove(&oldest);
            }
        }
        Ok(rows)
    }

    fn tables(&self) -> Vec<Arc<Table>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, tables: Vec<Arc<Table>>) {
        *self.tables.write().unwrap_or_else(PoisonError::into_inner) = tables;
    }

    fn writer(&self) -> Result<Writer, StoreError> {
        let number = {
            let mut next = locked(&self.next);
            let number = *next;
            *next += 1;
            number
        };
        Writer::start(&self.data.temporary(), number)
    }
}

impl Table {
    fn open(folder: &Path, named: &TableRef) -> Result<Self, String> {
        let path = folder.join(file_name(named.number));
        let bad = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        if named.index_bytes > SNAPSHOT_INDEX_BYTES_MAX as u64 {
            return Err(bad(&"its index is too long"));
        }
        let file = File::open(&path).map_err(|error| bad(&error))?;
        let length = file.metadata().map_err(|error| bad(&error))?.len();
        if named.blocks_bytes.checked_add(named.index_bytes) != Some(length) {
            return Err(bad(&format!("{length} bytes, which is not what the head names")));
        }
        let mut bytes = vec![0; usize::try_from(named.index_bytes).unwrap_or(0)];
        file.read_exact_at(&mut bytes, named.blocks_bytes)
            .map_err(|error| bad(&error))?;
        if checksum(&bytes) != named.index_sum {
            return Err(bad(&"the checksum of its index does not fit"));
        }
        let blocks = decode_index(&bytes).map_err(|error| bad(&error))?;
        let mut at = 0u64;
        let mut index = Vec::with_capacity(blocks.len());
        for block in blocks {
            let start = at;
            at = at.saturating_add(u64::from(block.bytes));
            index.push((block, start));
        }
        if at != named.blocks_bytes {
            return Err(bad(&"its blocks do not end where the head says"));
        }
        let filter = std::fs::read(folder.join(filter_name(named.number))).ok();
        let filter = filter.and_then(|bytes| Filter::parse(&bytes, &named.index_sum));
        Ok(Self {
            named: named.clone(),
            path: path.clone(),
            file,
            index,
            filter,
        })
    }

    fn may_have(&self, mark: Option<Mark>) -> bool {
        match (&self.filter, mark) {
            (Some(filter), Some(mark)) => filter.may_have(mark),
            _ => true,
        }
    }

    /// Returns the only block that can have a key.
    fn block_with(&self, key: &[u8]) -> Option<usize> {
        let after = self
            .index
            .partition_point(|(block, _)| block.first.as_slice() <= key);
        after.checked_sub(1)
    }

    fn read_block(&self, block: usize) -> Result<Vec<Row>, ArchiveError> {
        let bad = |why: String| ArchiveError::new(format!("block {block} of {}", self.path.display()), why);
        let Some((named, start)) = self.index.get(block) else {
            return Err(bad("there is no such block".to_owned()));
        };
        let mut bytes = vec![0; usize::try_from(named.bytes).unwrap_or(0)];
        self.file
            .read_exact_at(&mut bytes, *start)
            .map_err(|error| bad(error.to_string()))?;
        if checksum(&bytes) != named.sum {
            return Err(bad("its checksum does not fit".to_owned()));
        }
        decode_block(&bytes).map_err(|error| bad(error.to_string()))
    }
}

/// Walks through one table from a key on.
struct Walk<'a> {
    table: &'a Table,
    block: usize,
    rows: VecDeque<Row>,
}

impl Walk<'_> {
    /// Brings the next row to the front; says whether there is one.
    fn fill(&mut self) -> Result<bool, ArchiveError> {
        while self.rows.is_empty() {
            if self.block >= self.table.index.len() {
                return Ok(false);
            }
            self.rows = self.table.read_block(self.block)?.into();
            self.block += 1;
        }
        Ok(true)
    }
}

/// Visits the rows of tables, newest table first, whose keys begin with a prefix: by key, of each key the newest.
fn merge(tables: &[Arc<Table>], prefix: &[u8], mut visit: impl FnMut(&Row)) -> Result<(), ArchiveError> {
    let mut walks: Vec<Walk<'_>> = Vec::new();
    for table in tables {
        let mut walk = Walk {
            table,
            block: table.block_with(prefix).unwrap_or(0),
            rows: VecDeque::new(),
        };
        while walk.fill()? {
            let before = walk.rows.partition_point(|row| row.key.as_slice() < prefix);
            walk.rows.drain(..before);
            if !walk.rows.is_empty() {
                break;
            }
        }
        walks.push(walk);
    }
    loop {
        let mut least: Option<(usize, Vec<u8>)> = None;
        for (place, walk) in walks.iter_mut().enumerate() {
            walk.fill()?;
            let Some(row) = walk.rows.front().filter(|row| row.key.starts_with(prefix)) else {
                continue;
            };
            if least.as_ref().is_none_or(|(_, key)| row.key < *key) {
                least = Some((place, row.key.clone()));
            }
        }
        let Some((place, key)) = least else { return Ok(()) };
        if let Some(row) = walks.get_mut(place).and_then(|walk| walk.rows.pop_front()) {
            visit(&row);
        }
        for walk in &mut walks {
            if walk.rows.front().is_some_and(|row| row.key == key) {
                walk.rows.pop_front();
            }
        }
    }
}

/// Writes a table.
struct Writer {
    number: u64,
    temporary: Temporary,
    out: BufWriter<File>,
    block: Vec<Row>,
    block_bytes: usize,
    index: Vec<BlockRef>,
    marks: Vec<Mark>,
    rows: u64,
    bytes: u64,
}

impl Writer {
    fn start(temporary: &Path, number: u64) -> Result<Self, StoreError> {
        let temporary = Temporary(durable::temporary_name(temporary));
        let file = File::create(&temporary.0).map_err(StoreError::io("create", &temporary.0))?;
        Ok(Self {
            number,
            out: BufWriter::new(file),
            temporary,
            block: Vec::new(),
            block_bytes: 0,
            index: Vec::new(),
            marks: Vec::new(),
            rows: 0,
            bytes: 0,
        })
    }

    fn add(&mut self, row: Row) -> Result<(), StoreError> {
        self.marks.extend(Mark::of(&row.key));
        self.block_bytes += row.key.len() + row.value.as_ref().map_or(0, Vec::len) + 4;
        self.block.push(row);
        self.rows += 1;
        if self.block_bytes >= BLOCK_BYTES {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), StoreError> {
        let Some(first) = self.block.first().map(|row| row.key.clone()) else {
            return Ok(());
        };
        let format = |source| StoreError::Format {
            what: "a block of a snapshot",
            source,
        };
        let bytes = encode_block(&self.block).map_err(format)?;
        self.out
            .write_all(&bytes)
            .map_err(StoreError::io("write", &self.temporary.0))?;
        self.index.push(BlockRef {
            first,
            bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            sum: checksum(&bytes),
        });
        self.bytes += bytes.len() as u64;
        self.block.clear();
        self.block_bytes = 0;
        Ok(())
    }

    fn finish(mut self, folder: &Path) -> Result<Table, StoreError> {
        self.end_block()?;
        let format = |source| StoreError::Format {
            what: "the index of a snapshot",
            source,
        };
        let index = encode_index(&self.index).map_err(format)?;
        let io = |what| StoreError::io(what, &self.temporary.0);
        self.out.write_all(&index).map_err(io("write"))?;
        let file = self.out.into_inner().map_err(std::io::IntoInnerError::into_error);
        let file = file.map_err(StoreError::io("write", &self.temporary.0))?;
        file.sync_data()
            .map_err(StoreError::io("sync", &self.temporary.0))?;
        let index_sum = checksum(&index);
        if !self.marks.is_empty() {
            // Not synced: what a power cut leaves of it fails its checksum, and then the table is read instead.
            let bytes = Filter::new(self.marks).to_bytes(&index_sum);
            let path = folder.join(filter_name(self.number));
            std::fs::write(&path, bytes).map_err(StoreError::io("write", &path))?;
        }
        let path = folder.join(file_name(self.number));
        std::fs::rename(&self.temporary.0, &path).map_err(StoreError::io("rename into place", &path))?;
        durable::sync_dir(folder)?;
        let named = TableRef {
            number: self.number,
            rows: self.rows,
            blocks_bytes: self.bytes,
            index_bytes: index.len() as u64,
            index_sum,
        };
        Table::open(folder, &named).map_err(|why| unreadable(folder, &why))
    }
}

/// Returns the numbers of the tables that the head in the folder names; none when it cannot be read.
fn named_on_disk(folder: &Path) -> Vec<u64> {
    let bytes = durable::read_capped(&folder.join("head"), SNAPSHOT_HEAD_BYTES_MAX as u64 + 32);
    let head = bytes.ok().flatten();
    let head = head.and_then(|bytes| SnapshotHead::decode(&bytes, checksum).ok());
    head.map_or_else(Vec::new, |head| {
        head.tables.iter().map(|table| table.number).collect()
    })
}

fn unreadable(folder: &Path, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::io("read back", folder)(std::io::Error::other(why.to_string()))
}

fn file_name(number: u64) -> String {
    format!("{number}.rows")
}

fn filter_name(number: u64) -> String {
    format!("{number}.ids")
}

fn checksum(bytes: &[u8]) -> Hash {
    checksum_of(&[bytes])
}

fn checksum_of(parts: &[&[u8]]) -> Hash {
    tagged_hash(DomainTag::SNAPSHOT, parts)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
