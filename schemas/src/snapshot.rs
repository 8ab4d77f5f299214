//! The snapshot: what a node derived from its logs, kept so that a start does not derive it again. Spec: `schemas/spec/snapshot.md`.
//!
//! A head (small, read whole) and tables of rows (large, read by key). Never signed, never sent, never trusted over the logs:
//! whatever does not fit them is set aside and derived anew (I8). Ids are plain text or hashes here; who reads them parses them.
//! Keeps I11.

use crate::codec;
use crate::error::FormatError;
use crate::id::Hash;
use crate::limits::{
    SNAPSHOT_BLOCK_BYTES_MAX, SNAPSHOT_HEAD_BYTES_MAX, SNAPSHOT_INDEX_BYTES_MAX, SNAPSHOT_KEY_BYTES_MAX,
};
use bincode::{Decode, Encode};

/// The version byte of heads, blocks, indexes and rows.
pub const SNAPSHOT_VERSION: u8 = 1;

/// The head of a snapshot: what it was derived from, and everything that does not grow with the number of cases.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct SnapshotHead {
    /// The newest ruleset that the software held which derived it.
    pub holds: u32,
    /// The hash of the genesis text.
    pub genesis: Hash,
    /// The effective governance notes, verbatim, in order.
    pub governance: Vec<String>,
    /// The logs, in the order in which the registry made them known.
    pub logs: Vec<LogState>,
    /// For each department, the events addressed to it that its log does not show as received.
    pub unreceived: Vec<(String, Vec<Hash>)>,
    /// Arrivals of addressed events that belong to no case.
    pub loose: Vec<ArrivalState>,
    /// Cases that only newer software understands, by id.
    pub not_understood: Vec<NotUnderstoodCase>,
    /// How many opening entries were counted, by department, kind of case and year.
    pub running: Vec<RunningNumber>,
    /// Detached parts that the node has still to fetch: department and commitment.
    pub unfetched: Vec<(String, Hash)>,
    /// The tables, oldest first: of a key in several the newest counts.
    pub tables: Vec<TableRef>,
}

/// A case that only newer software understands.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct NotUnderstoodCase {
    /// The case.
    pub case: Hash,
    /// Its ruleset, if that is not held.
    pub ruleset: Option<u32>,
    /// Kinds of its events that are not known, rising.
    pub kinds: Vec<String>,
}

/// A log in a head.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct LogState {
    /// The origin.
    pub origin: String,
    /// How many entries are resolved: what this snapshot rests on.
    pub size: u64,
    /// The root at that size.
    pub root: Hash,
    /// The hashes that full tiles do not hold, by level from the leaves up.
    pub edge: Vec<EdgeLevel>,
    /// The leaf hash of the last entry.
    pub last_leaf: Hash,
    /// When the last entry was recorded, in milliseconds.
    pub last_recorded_ms: i64,
    /// The registry version that the last entry names.
    pub last_version: u64,
    /// What the log named last, by origin.
    pub named: Vec<(String, u64)>,
    /// The size at the end of its newest act.
    pub acts_upto: u64,
    /// The positions of its effective roster events, rising.
    pub roster: Vec<u64>,
}

/// The hashes of one level that full tiles do not hold.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct EdgeLevel {
    /// The index of the first.
    pub first: u64,
    /// The hashes.
    pub hashes: Vec<Hash>,
}

/// When an addressed event was sent, available and received.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct ArrivalState {
    /// The event.
    pub event: Hash,
    /// Recorded in its own log, in milliseconds.
    pub sent_ms: i64,
    /// When another host's log covers it first.
    pub available_ms: Option<i64>,
    /// When the log of each addressee shows it first.
    pub received_ms: Vec<(String, i64)>,
}

/// A count of opening entries.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct RunningNumber {
    /// The department.
    pub department: String,
    /// The kind of case.
    pub kind: String,
    /// The year.
    pub year: u16,
    /// The number given last.
    pub running: u32,
}

/// A table, as the head names it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct TableRef {
    /// Its number; the file is `<number>.rows`.
    pub number: u64,
    /// How many rows it has.
    pub rows: u64,
    /// Where the index starts: the length of all blocks.
    pub blocks_bytes: u64,
    /// The length of the index.
    pub index_bytes: u64,
    /// The checksum of the index.
    pub index_sum: Hash,
}

/// A row of a table: a value, or the mark that the key is gone.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Row {
    /// The key.
    pub key: Vec<u8>,
    /// The value; none where older tables held one that counts no more.
    pub value: Option<Vec<u8>>,
}

/// A block of rows, as the index names it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct BlockRef {
    /// The key of its first row.
    pub first: Vec<u8>,
    /// Its length.
    pub bytes: u32,
    /// Its checksum.
    pub sum: Hash,
}

/// The row of a case, under [`case_key`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct CaseRow {
    /// Its resolved entries, in the order in which they were resolved here.
    pub places: Vec<PlaceState>,
    /// Arrivals of its addressed events, by event.
    pub arrivals: Vec<ArrivalState>,
    /// The digests of its entries and of its state.
    pub digest: (Hash, Hash),
    /// What lists ask of it.
    pub brief: BriefState,
}

/// Where an entry of a case stands, and what reading it again does not tell.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct PlaceState {
    /// The log, by its place in the head.
    pub log: u32,
    /// The position.
    pub index: u64,
    /// The signature line that did not verify, if one did not.
    pub bad_line: Option<u8>,
    /// For an opening entry: year and running number.
    pub number: Option<(u16, u32)>,
}

/// What lists ask of a case.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct BriefState {
    /// Its kind; none while its opening has no effect.
    pub kind: Option<String>,
    /// Whether somebody owes a next step in it.
    pub open: bool,
    /// The department that opened it.
    pub owner: String,
    /// The departments that hold an item, rising.
    pub holders: Vec<String>,
    /// The departments that owe a step whose clock runs, rising.
    pub owes: Vec<String>,
    /// The departments that may wait for it or are told of it: owner and first asked, rising.
    pub awaits: Vec<String>,
    /// The stages of its items, rising.
    pub stages: Vec<String>,
    /// The registry version under which this was found.
    pub version: u64,
    /// The cases and events that its opening names.
    pub names: Vec<Hash>,
}

/// A run of resolved entries of a log, under [`chunk_key`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct ChunkRow {
    /// What lies below the first entry in other logs, by the place of the log in the head.
    pub below: Vec<u64>,
    /// The entries.
    pub entries: Vec<EntryState>,
}

/// A resolved entry.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct EntryState {
    /// When it was recorded, in milliseconds.
    pub recorded_ms: i64,
    /// The event that it carries.
    pub event: Option<Hash>,
    /// Whether the event is addressed to other departments.
    pub addressed: bool,
    /// What it counts as.
    pub standing: StandingState,
    /// The logs of which more lies below it than below the entry before, with the size.
    pub raised: Vec<(u32, u64)>,
}

/// What a resolved entry counts as.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum StandingState {
    /// An event of a case.
    Case(Hash),
    /// An effective roster event of a kind.
    Roster(String),
    /// A statement.
    Statement,
    /// A governance note that made a version.
    Governance(u64),
    /// An event of a newer software, with its case.
    NotUnderstood(Option<Hash>),
    /// Without effect: code and reason.
    Void(String, String),
    /// The opening of the log, as its entry 0.
    Opening,
}

/// How many entries a chunk has, but the last of a log.
pub const CHUNK_ENTRIES: u64 = 256;

/// Returns the key of a case.
pub fn case_key(case: &Hash) -> Vec<u8> {
    key(b'c', &[&case.0])
}

/// Returns the key under which a case stands while somebody owes a step in it, with its [`BriefState`].
pub fn open_key(case: &Hash) -> Vec<u8> {
    key(b'o', &[&case.0])
}

/// Returns the key under which a case stands when nobody owes a step in it any more, with its [`BriefState`].
pub fn settled_key(case: &Hash) -> Vec<u8> {
    key(b's', &[&case.0])
}

/// Returns the key of an event at a place of a log; without the place, what all its keys begin with. The value is empty.
pub fn event_key(event: &Hash, place: Option<(u32, u64)>) -> Vec<u8> {
    match place {
        Some((log, index)) => key(b'e', &[&event.0, &log.to_be_bytes(), &index.to_be_bytes()]),
        None => key(b'e', &[&event.0]),
    }
}

/// Returns the log and position in an event's key.
pub fn place_in_event_key(key: &[u8]) -> Option<(u32, u64)> {
    let place = key.strip_prefix(b"e")?.get(32..)?;
    let (log, index) = place.split_first_chunk::<4>()?;
    Some((
        u32::from_be_bytes(*log),
        u64::from_be_bytes(index.try_into().ok()?),
    ))
}

/// Returns the key of a speakable number; the value is the id of the case.
pub fn number_key(number: &str) -> Vec<u8> {
    key(b'n', &[number.as_bytes()])
}

/// Returns the key of a chunk of a log.
pub fn chunk_key(log: u32, chunk: u64) -> Vec<u8> {
    key(b'l', &[&log.to_be_bytes(), &chunk.to_be_bytes()])
}

/// Returns the key of an entry that is in no export; `log` is the SHA-256 of its origin. The value is the entry.
pub fn entry_key(log: &Hash, index: u64) -> Vec<u8> {
    key(b'r', &[&log.0, &index.to_be_bytes()])
}

/// Returns the key of a detached part named by an entry; without the place, what all its keys begin with. The value is empty.
pub fn part_key(commit: &Hash, place: Option<(u32, u64)>) -> Vec<u8> {
    match place {
        Some((log, index)) => key(b'p', &[&commit.0, &log.to_be_bytes(), &index.to_be_bytes()]),
        None => key(b'p', &[&commit.0]),
    }
}

/// Returns the log and position in a part's key.
pub fn place_in_part_key(key: &[u8]) -> Option<(u32, u64)> {
    let place = key.strip_prefix(b"p")?.get(32..)?;
    let (log, index) = place.split_first_chunk::<4>()?;
    Some((
        u32::from_be_bytes(*log),
        u64::from_be_bytes(index.try_into().ok()?),
    ))
}

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

impl SnapshotHead {
    /// Writes the bytes: the head, then its checksum.
    ///
    /// # Errors
    /// A head over its limit.
    pub fn encode(&self, checksum: fn(&[u8]) -> Hash) -> Result<Vec<u8>, FormatError> {
        let mut bytes = codec::encode("snapshot", SNAPSHOT_VERSION, self)?;
        FormatError::at_most("snapshot", bytes.len(), SNAPSHOT_HEAD_BYTES_MAX)?;
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum.0);
        Ok(bytes)
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// Any bytes but the one form of a head within its limit, or a checksum that does not fit.
    pub fn decode(bytes: &[u8], checksum: fn(&[u8]) -> Hash) -> Result<Self, FormatError> {
        let Some((body, sum)) = bytes.split_last_chunk::<32>() else {
            return Err(FormatError::malformed("snapshot", "shorter than a checksum"));
        };
        FormatError::at_most("snapshot", body.len(), SNAPSHOT_HEAD_BYTES_MAX)?;
        // The version comes first: another one may have another checksum.
        if body.first().is_some_and(|version| *version == SNAPSHOT_VERSION) && checksum(body).0 != *sum {
            return Err(FormatError::malformed("snapshot", "the checksum does not fit"));
        }
        const DECODED_BYTES_MAX: usize = 8 * SNAPSHOT_HEAD_BYTES_MAX;
        codec::decode::<Self, DECODED_BYTES_MAX>("snapshot", SNAPSHOT_VERSION, body)
    }
}

/// Writes a block of rows.
///
/// # Errors
/// Keys that do not rise or are too long, or a block over its limit.
pub fn encode_block(rows: &Vec<Row>) -> Result<Vec<u8>, FormatError> {
    check_rows(rows)?;
    let bytes = codec::encode("block of a snapshot", SNAPSHOT_VERSION, rows)?;
    FormatError::at_most("block of a snapshot", bytes.len(), SNAPSHOT_BLOCK_BYTES_MAX)?;
    Ok(bytes)
}

/// Reads a block of rows.
///
/// # Errors
/// Any bytes but the one form of a block within its limit.
pub fn decode_block(bytes: &[u8]) -> Result<Vec<Row>, FormatError> {
    FormatError::at_most("block of a snapshot", bytes.len(), SNAPSHOT_BLOCK_BYTES_MAX)?;
    const DECODED_BYTES_MAX: usize = 8 * SNAPSHOT_BLOCK_BYTES_MAX;
    let rows = codec::decode::<Vec<Row>, DECODED_BYTES_MAX>("block of a snapshot", SNAPSHOT_VERSION, bytes)?;
    check_rows(&rows)?;
    Ok(rows)
}

fn check_rows(rows: &[Row]) -> Result<(), FormatError> {
    for row in rows {
        FormatError::at_most("key of a snapshot", row.key.len(), SNAPSHOT_KEY_BYTES_MAX)?;
    }
    rising(rows.iter().map(|row| row.key.as_slice()))
}

fn rising<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Result<(), FormatError> {
    let mut last: Option<&[u8]> = None;
    for key in keys {
        if last.is_some_and(|last| last >= key) {
            return Err(FormatError::not_canonical("snapshot", "its keys do not rise"));
        }
        last = Some(key);
    }
    Ok(())
}

/// Writes the index of a table.
///
/// # Errors
/// Keys that do not rise, or an index over its limit.
pub fn encode_index(blocks: &Vec<BlockRef>) -> Result<Vec<u8>, FormatError> {
    rising(blocks.iter().map(|block| block.first.as_slice()))?;
    let bytes = codec::encode("index of a snapshot", SNAPSHOT_VERSION, blocks)?;
    FormatError::at_most("index of a snapshot", bytes.len(), SNAPSHOT_INDEX_BYTES_MAX)?;
    Ok(bytes)
}

/// Reads the index of a table.
///
/// # Errors
/// Any bytes but the one form of an index within its limit.
pub fn decode_index(bytes: &[u8]) -> Result<Vec<BlockRef>, FormatError> {
    FormatError::at_most("index of a snapshot", bytes.len(), SNAPSHOT_INDEX_BYTES_MAX)?;
    const DECODED_BYTES_MAX: usize = 8 * SNAPSHOT_INDEX_BYTES_MAX;
    let blocks =
        codec::decode::<Vec<BlockRef>, DECODED_BYTES_MAX>("index of a snapshot", SNAPSHOT_VERSION, bytes)?;
    rising(blocks.iter().map(|block| block.first.as_slice()))?;
    Ok(blocks)
}

/// Writes the value of a row.
///
/// # Errors
/// A value that the codec cannot write (none of the rows of this module).
pub fn encode_row<T: Encode>(value: &T) -> Result<Vec<u8>, FormatError> {
    codec::encode("row of a snapshot", SNAPSHOT_VERSION, value)
}

/// Reads the value of a row.
///
/// # Errors
/// Any bytes but the one form of such a row.
pub fn decode_row<T: Encode + Decode<()>>(bytes: &[u8]) -> Result<T, FormatError> {
    FormatError::at_most("row of a snapshot", bytes.len(), SNAPSHOT_BLOCK_BYTES_MAX)?;
    const DECODED_BYTES_MAX: usize = 8 * SNAPSHOT_BLOCK_BYTES_MAX;
    codec::decode::<T, DECODED_BYTES_MAX>("row of a snapshot", SNAPSHOT_VERSION, bytes)
}
