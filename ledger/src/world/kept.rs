//! What a world reads back from its archive, with small caches; and the note that something could not be read.

use super::log::Resolved;
use super::row::ColdCase;
use crate::archive::{Archive, ArchiveError};
use crate::cases::fold::LogNo;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tally_schemas::id::CaseId;

/// How many chunks of resolved entries are kept from the archive.
const CHUNKS_MAX: usize = 64;
/// How many cases are kept from the archive.
const CASES_MAX: usize = 1_024;

/// The archive of a world. What is read through it is never changed by it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) archive: Arc<dyn Archive>,
    broken: Mutex<Option<String>>,
    pub(super) chunks: Cache<(LogNo, u64), Vec<Resolved>>,
    pub(super) cases: Cache<CaseId, ColdCase>,
}

impl Kept {
    pub(super) fn new(archive: Arc<dyn Archive>) -> Self {
        Self {
            archive,
            broken: Mutex::new(None),
            chunks: Cache::new(CHUNKS_MAX),
            cases: Cache::new(CASES_MAX),
        }
    }

    /// Says what could not be read: from then on nothing that was derived counts.
    pub(super) fn broken(&self) -> Option<String> {
        locked(&self.broken).clone()
    }

    pub(super) fn note_broken(&self, error: &ArchiveError) {
        locked(&self.broken).get_or_insert_with(|| error.to_string());
    }

    /// Returns what was read, or notes that it could not be.
    pub(super) fn read<T>(&self, result: Result<T, ArchiveError>) -> Option<T> {
        result.map_err(|error| self.note_broken(&error)).ok()
    }
}

/// Values, and their keys in the order in which they came.
type InOrder<K, V> = (BTreeMap<K, Arc<V>>, VecDeque<K>);

/// The values read last, forgotten in the order in which they came.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    held: Mutex<InOrder<K, V>>,
    most: usize,
}

impl<K: Ord + Copy, V> Cache<K, V> {
    fn new(most: usize) -> Self {
        Self {
            held: Mutex::new((BTreeMap::new(), VecDeque::new())),
            most,
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<Arc<V>> {
        locked(&self.held).0.get(key).cloned()
    }

    pub(super) fn put(&self, key: K, value: Arc<V>) {
        let mut held = locked(&self.held);
        let (values, order) = &mut *held;
        if values.insert(key, value).is_none() {
            order.push_back(key);
        }
        while order.len() > self.most {
            if let Some(oldest) = order.pop_front() {
                values.remove(&oldest);
            }
        }
    }

    /// Takes a value out, since it changes.
    pub(super) fn take(&self, key: &K) -> Option<Arc<V>> {
        let mut held = locked(&self.held);
        let value = held.0.remove(key)?;
        held.1.retain(|other| other != key);
        Some(value)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
