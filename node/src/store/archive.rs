//! What the core reads back: rows of the snapshot, entries and full tiles from the files of the logs.
//!
//! Reads files by their path, without asking the stores that write them: a bundle or tile that is full never changes, and of a partial one
//! there is always a file that has at least what a snapshot rests on. What no export of a log may ever have, because no checkpoint is over
//! exactly that, is in rows of the snapshot.

use super::durable;
use super::error::StoreError;
use super::layout::DataDir;
use super::snapshot::SnapshotFiles;
use super::tiles::verify::{read_bundle, read_tile};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tally_ledger::archive::{Archive, ArchiveError};
use tally_ledger::crypto::{leaf_hash, node_hash, sha256};
use tally_schemas::id::{Hash, Origin};
use tally_schemas::snapshot;
use tally_schemas::tile::{BundleId, TILE_WIDTH, TileId};

/// How many full bundles, and how many full tiles, are kept in memory.
const FILES_MAX: usize = 16;
/// How often a partial bundle is looked for that is being replaced by a wider one.
const TRIES_MAX: usize = 5;

/// The archive of a node.
#[derive(Debug)]
pub struct DiskArchive {
    data: DataDir,
    /// The rows.
    pub rows: SnapshotFiles,
    bundles: Recent<(Origin, u64), Vec<Arc<[u8]>>>,
    tiles: Recent<(Origin, TileId), Vec<Hash>>,
}

/// The entries of one bundle.
type Entries = Arc<Vec<Arc<[u8]>>>;

impl DiskArchive {
    /// Reads from a data folder.
    pub fn new(data: &DataDir, rows: SnapshotFiles) -> Self {
        Self {
            data: data.clone(),
            rows,
            bundles: Recent::default(),
            tiles: Recent::default(),
        }
    }

    /// Forgets what was read of logs: what is held of one may be set aside, and fetched again as of another branch.
    pub(crate) fn forget_logs(&self) {
        self.bundles.clear();
        self.tiles.clear();
    }

    fn full_bundle(&self, origin: &Origin, index: u64) -> Result<Option<Entries>, StoreError> {
        let key = (origin.clone(), index);
        if let Some(found) = self.bundles.get(&key) {
            return Ok(Some(found));
        }
        let folder = self.data.log_files(origin);
        let id = BundleId {
            index,
            width: TILE_WIDTH,
        };
        if !folder.join(id.path()).exists() {
            return Ok(None);
        }
        let entries = Arc::new(read_bundle(&folder, id)??);
        self.bundles.put(key, entries.clone());
        Ok(Some(entries))
    }

    /// Returns a full tile: from its file, or from the entries below it where they are in no export, or in part.
    fn tile(&self, origin: &Origin, id: TileId) -> Result<Arc<Vec<Hash>>, ArchiveError> {
        let key = (origin.clone(), id);
        if let Some(tile) = self.tiles.get(&key) {
            return Ok(tile);
        }
        let folder = self.data.log_files(origin);
        let tile = if folder.join(id.path()).exists() {
            let read = read_tile(&folder, id).and_then(|read| Ok(read?));
            read.map_err(|error| ArchiveError::new(format!("{} of {origin}", id.path()), error))?
        } else {
            let row = u64::from(TILE_WIDTH);
            let places = id.index * row..(id.index + 1) * row;
            let hash = |place: u64| match id.level.checked_sub(1) {
                None => Ok(leaf_hash(&self.entry(origin, place)?)),
                Some(level) => {
                    let below = TileId {
                        level,
                        index: place,
                        width: TILE_WIDTH,
                    };
                    Ok(root_of(self.tile(origin, below)?.to_vec()))
                }
            };
            places.map(hash).collect::<Result<_, ArchiveError>>()?
        };
        let tile = Arc::new(tile);
        self.tiles.put(key, tile.clone());
        Ok(tile)
    }

    fn find(&self, origin: &Origin, index: u64) -> Result<Option<Arc<[u8]>>, StoreError> {
        let row = u64::from(TILE_WIDTH);
        let place = usize::try_from(index % row).unwrap_or(usize::MAX);
        let folder = self.data.log_files(origin);
        for _ in 0..TRIES_MAX {
            if let Some(entries) = self.full_bundle(origin, index / row)? {
                return Ok(entries.get(place).cloned());
            }
            if let Some(width) = widest(&folder, index / row)? {
                let id = BundleId {
                    index: index / row,
                    width,
                };
                // It may be gone by now, because a wider one took its place.
                if let Ok(entries) = read_bundle(&folder, id)? {
                    return Ok(entries.get(place).cloned());
                }
            }
        }
        Ok(None)
    }
}

/// Returns the key of the row that has an entry which is in no export.
pub(crate) fn entry_key(origin: &Origin, index: u64) -> Vec<u8> {
    snapshot::entry_key(&sha256(&[origin.to_string().as_bytes()]), index)
}

/// Returns the width of the widest partial bundle at an index.
fn widest(folder: &Path, index: u64) -> Result<Option<u16>, StoreError> {
    let full = BundleId {
        index,
        width: TILE_WIDTH,
    };
    let names = durable::names_in(&folder.join(format!("{}.p", full.path())))?;
    Ok(names.iter().filter_map(|name| name.parse::<u16>().ok()).max())
}

impl Archive for DiskArchive {
    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.rows.row(key)
    }

    fn rows(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), ArchiveError> {
        self.rows.rows(prefix, visit)
    }

    fn entry(&self, origin: &Origin, index: u64) -> Result<Arc<[u8]>, ArchiveError> {
        let what = || format!("entry {index} of {origin}");
        let found = self
            .find(origin, index)
            .map_err(|error| ArchiveError::new(what(), error))?;
        let kept = match found {
            Some(entry) => return Ok(entry),
            None => self.rows.row(&entry_key(origin, index))?,
        };
        let missing = || ArchiveError::new(what(), "it is not in the files of the log");
        kept.map(Arc::from).ok_or_else(missing)
    }

    fn node(&self, origin: &Origin, level: u8, index: u64) -> Result<Hash, ArchiveError> {
        let failed =
            |why: String| ArchiveError::new(format!("subtree {index} of level {level} of {origin}"), why);
        let height = level % 8;
        let row = u64::from(TILE_WIDTH) >> height;
        let id = TileId {
            level: level / 8,
            index: index / row,
            width: TILE_WIDTH,
        };
        let tile = self.tile(origin, id)?;
        let start = usize::try_from((index % row) << height).unwrap_or(usize::MAX);
        let below = tile.get(start..).and_then(|rest| rest.get(..1 << height));
        below
            .map(|below| root_of(below.to_vec()))
            .ok_or_else(|| failed("the tile is short".to_owned()))
    }
}

/// Returns the root over as many hashes as a power of two.
fn root_of(mut nodes: Vec<Hash>) -> Hash {
    while nodes.len() > 1 {
        let pairs = nodes.as_chunks::<2>().0.iter();
        nodes = pairs.map(|[left, right]| node_hash(left, right)).collect();
    }
    nodes.first().copied().unwrap_or_default()
}

/// What was read last.
#[derive(Debug)]
struct Recent<K, V>(Mutex<Held<K, V>>);

type Held<K, V> = (BTreeMap<K, Arc<V>>, VecDeque<K>);

impl<K: Ord + Clone, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::new((BTreeMap::new(), VecDeque::new())))
    }
}

impl<K: Ord + Clone, V> Recent<K, V> {
    fn get(&self, key: &K) -> Option<Arc<V>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .get(key)
            .cloned()
    }

    fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Held::default();
    }

    fn put(&self, key: K, value: Arc<V>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (values, order) = &mut *held;
        if values.insert(key.clone(), value).is_none() {
            order.push_back(key);
        }
        while order.len() > FILES_MAX {
            if let Some(oldest) = order.pop_front() {
                values.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::LogFiles;
    use super::super::fixture::{Fixture, entries};
    use super::*;
    use tally_ledger::merkle::Frontier;

    fn write(f: &Fixture, held: &[Arc<[u8]>]) {
        let mut log = LogFiles::open(&f.data, &f.origin, &mut |_, _| {}).unwrap();
        let mut frontier = Frontier::new();
        for entry in held {
            frontier.append(leaf_hash(entry));
        }
        log.append(0, held, Some(&f.signed(frontier.head()))).unwrap();
        log.settle().unwrap();
    }

    #[test]
    fn what_was_read_of_a_log_is_forgotten_when_another_branch_of_it_is_fetched() {
        let f = Fixture::new();
        let (rows, ..) = SnapshotFiles::open(&f.data).unwrap();
        let archive = DiskArchive::new(&f.data, rows);
        let read = |index: u64| {
            let entry = archive.entry(&f.origin, index).unwrap();
            (entry, archive.node(&f.origin, 0, index).unwrap())
        };
        let of = |entry: &Arc<[u8]>| (entry.clone(), leaf_hash(entry));
        let (one, other) = (entries(0, 300), entries(1, 301));
        write(&f, &one);
        assert_eq!(read(7), of(&one[7]));
        LogFiles::set_aside(&f.data, &f.origin).unwrap();
        archive.forget_logs();
        write(&f, &other);
        assert_eq!(read(7), of(&other[7]));
    }
}
