//! What the core reads back: rows of the snapshot, entries and full tiles from the files of the logs.
//!
//! Reads files by their path, without asking the stores that write them: a bundle or tile that is full never changes, and of a partial one
//! there is always a file that has at least what a snapshot rests on.

use super::durable;
use super::error::StoreError;
use super::layout::DataDir;
use super::snapshot::SnapshotFiles;
use super::tiles::verify::{read_bundle, read_tile};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tally_ledger::archive::{Archive, ArchiveError};
use tally_ledger::crypto::node_hash;
use tally_schemas::id::{Hash, Origin};
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
        match self.find(origin, index) {
            Ok(Some(entry)) => Ok(entry),
            Ok(None) => Err(ArchiveError::new(what(), "it is not in the files of the log")),
            Err(error) => Err(ArchiveError::new(what(), error)),
        }
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
        let key = (origin.clone(), id);
        let tile = match self.tiles.get(&key) {
            Some(tile) => tile,
            None => {
                let read = read_tile(&self.data.log_files(origin), id).and_then(|read| Ok(read?));
                let tile = Arc::new(read.map_err(|error| failed(error.to_string()))?);
                self.tiles.put(key, tile.clone());
                tile
            }
        };
        let start = usize::try_from((index % row) << height).unwrap_or(usize::MAX);
        let below = tile.get(start..).and_then(|rest| rest.get(..1 << height));
        let mut nodes = below
            .ok_or_else(|| failed("the tile is short".to_owned()))?
            .to_vec();
        while nodes.len() > 1 {
            let pairs = nodes.as_chunks::<2>().0.iter();
            nodes = pairs.map(|[left, right]| node_hash(left, right)).collect();
        }
        let node = nodes.first().copied();
        node.ok_or_else(|| failed("the tile is empty".to_owned()))
    }
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
