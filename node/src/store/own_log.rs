//! The log that this node writes itself, as the rest of the node sees it: a small trait, so that an engine is one file.
//!
//! An engine promises I1 (what [`OwnLog::append_batch`] returned for survives kill -9 and a power cut) and the half of I2 that
//! storage can keep (positions without gaps). It knows nothing of hashes, signatures or events: entries are bytes. Beside the entries it
//! keeps *local records* (drafts box, index of parts, idempotency), changed in the same atomic step.
//! Every engine passes the conformance and kill suites; spec: `schemas/spec/store.md`.

use super::error::StoreError;
use std::sync::Arc;

/// The most entries in one batch.
pub const BATCH_ENTRIES_MAX: usize = 1_024;
/// The most bytes of entries and record values in one batch: bounds what the engine holds in memory while it writes.
pub const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest key of a local record in bytes: keys stay small beside the pages of the engine.
pub const RECORD_KEY_BYTES_MAX: usize = 200;
/// The longest value of a local record in bytes: a half-signed note with its comment, many times over.
pub const RECORD_VALUE_BYTES_MAX: usize = 1024 * 1024;

/// A change of one local record: something this node keeps beside the log and never replicates as an entry (I8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalRecord {
    /// Sets a record, replacing what it held.
    Put {
        /// The key; keys are ordered as bytes.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
    },
    /// Removes a record; nothing happens when it is not there.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
}

impl LocalRecord {
    /// Returns the key.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// A local record as it is read back: key and value.
pub type Record = (Vec<u8>, Vec<u8>);

/// The durable, gapless sequence of entries that this node writes, with its local records.
pub trait OwnLog: Send {
    /// Appends entries and changes local records, all or nothing; durable when it returns.
    ///
    /// Of several changes of one record the last one counts. A batch without entries changes records only.
    ///
    /// # Errors
    /// A refusal (`IndexNotNext`, `EntryLength`, `BatchTooLarge`, `RecordLength`) changes nothing. After any other error
    /// it is not known whether the batch is durable: the log takes no more writes until it is opened again.
    fn append_batch(
        &mut self,
        first_index: u64,
        entries: &[Arc<[u8]>],
        records: &[LocalRecord],
    ) -> Result<(), StoreError>;

    /// Returns the entry at an index, or `None` beyond the end.
    ///
    /// # Errors
    /// Damage, or a failure of the engine.
    fn entry(&self, index: u64) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// Returns at most `count` entries from `start` on; stops before `bytes_max` is passed, but gives at least one entry if there is one.
    ///
    /// # Errors
    /// Damage, or a failure of the engine.
    fn range(&self, start: u64, count: u64, bytes_max: usize) -> Result<Vec<Arc<[u8]>>, StoreError>;

    /// Returns how many entries the log has.
    fn len(&self) -> u64;

    /// Says whether the log has no entry.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value of a local record.
    ///
    /// # Errors
    /// Damage, or a failure of the engine.
    fn record(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Returns the local records whose key starts with a prefix, in the order of their keys.
    ///
    /// # Errors
    /// Damage, or a failure of the engine.
    fn records_with_prefix(&self, prefix: &[u8]) -> Result<Vec<Record>, StoreError>;

    /// Closes the log; it can be opened again at once.
    ///
    /// # Errors
    /// A failure of the engine; what was acknowledged is durable all the same.
    fn close(self: Box<Self>) -> Result<(), StoreError>;
}

/// Refuses a batch that breaks a rule of [`OwnLog::append_batch`]; every engine calls it before it writes.
///
/// # Errors
/// The refusals listed there.
pub fn check_batch(
    len: u64,
    first_index: u64,
    entries: &[Arc<[u8]>],
    records: &[LocalRecord],
) -> Result<(), StoreError> {
    if first_index != len {
        return Err(StoreError::IndexNotNext {
            expected: len,
            got: first_index,
        });
    }
    let too_large = |what, got, limit| Err(StoreError::BatchTooLarge { what, got, limit });
    if entries.len() > BATCH_ENTRIES_MAX {
        return too_large("entries", entries.len(), BATCH_ENTRIES_MAX);
    }
    let mut bytes = 0usize;
    for (index, entry) in (first_index..).zip(entries) {
        let limit = tally_schemas::limits::ENTRY_BYTES_MAX;
        if entry.is_empty() || entry.len() > limit {
            return Err(StoreError::EntryLength {
                index,
                got: entry.len(),
                limit,
            });
        }
        bytes = bytes.saturating_add(entry.len());
    }
    for record in records {
        let key = record.key().len();
        if key == 0 || key > RECORD_KEY_BYTES_MAX {
            return Err(StoreError::RecordLength {
                what: "key",
                got: key,
                limit: RECORD_KEY_BYTES_MAX,
            });
        }
        if let LocalRecord::Put { value, .. } = record {
            if value.len() > RECORD_VALUE_BYTES_MAX {
                return Err(StoreError::RecordLength {
                    what: "value",
                    got: value.len(),
                    limit: RECORD_VALUE_BYTES_MAX,
                });
            }
            bytes = bytes.saturating_add(value.len());
        }
    }
    if bytes > BATCH_BYTES_MAX {
        return too_large("bytes", bytes, BATCH_BYTES_MAX);
    }
    Ok(())
}
