//! What a log becomes when entries are added: the right edge of its tiles and bundles, and the files that change.
//!
//! Pure: hashes and bytes in, bytes out; [`super`] writes them.

use super::super::error::StoreError;
use std::sync::Arc;
use tally_ledger::crypto::leaf_hash;
use tally_ledger::merkle::Frontier;
use tally_schemas::id::{Hash, TreeHead};
use tally_schemas::tile::{BundleId, ExportPath, TILE_WIDTH, TileId, encode_bundle, encode_tile};

/// A file of the layout with its bytes.
pub(crate) type FileBytes = (ExportPath, Vec<u8>);

/// A tile: level, index, hashes.
pub(crate) type FullTile = (u8, u64, Vec<Hash>);

/// The right edge of a log: everything that is needed to add entries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    frontier: Frontier,
    /// By tile level: how many full tiles there are, and the hashes of the partial one.
    levels: Vec<(u64, Vec<Hash>)>,
    /// The entries of the partial bundle.
    tail: Vec<Arc<[u8]>>,
}

impl Edge {
    /// Returns size and root.
    pub(crate) fn head(&self) -> TreeHead {
        self.frontier.head()
    }

    /// Returns the number of entries.
    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Adds entries; returns the bundles and tiles that appear or widen, each in its final width.
    ///
    /// # Errors
    /// An entry over the limit of the format; the edge is then to be thrown away.
    pub(crate) fn grow(&mut self, entries: &[Arc<[u8]>]) -> Result<Vec<FileBytes>, StoreError> {
        let mut bundles = Vec::new();
        let mut tiles = Vec::new();
        for entry in entries {
            self.tail.push(Arc::clone(entry));
            self.grow_hashes(leaf_hash(entry), &mut tiles);
            if self.tail.len() == usize::from(TILE_WIDTH) {
                bundles.push(self.bundle()?);
                self.tail.clear();
            }
        }
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        if !self.tail.is_empty() {
            bundles.push(self.bundle()?);
        }
        let changed = entries.len() as u64;
        let size = self.size();
        tiles.extend(self.partial_tiles().filter(|(level, ..)| {
            let shift = 8 * u32::from(*level);
            size >> shift > size.saturating_sub(changed) >> shift
        }));
        let tiles = tiles
            .iter()
            .map(|(level, index, hashes)| tile_file(*level, *index, hashes));
        bundles.extend(tiles);
        Ok(bundles)
    }

    /// Returns the frontier.
    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Returns the partial tiles of this size.
    pub(crate) fn partial_tiles(&self) -> impl Iterator<Item = FullTile> {
        let held = (0u8..).zip(&self.levels);
        held.filter(|(_, (_, hashes))| !hashes.is_empty())
            .map(|(level, (full, hashes))| (level, *full, hashes.clone()))
    }

    /// Makes the edge of a log of a size from its partial tiles (for each level how many full tiles there are, and the hashes of the partial
    /// one) and the entries of its partial bundle; none when they are not those of that size.
    pub(crate) fn of_tiles(size: u64, levels: Vec<(u64, Vec<Hash>)>, tail: Vec<Arc<[u8]>>) -> Option<Self> {
        let mut peaks = Vec::new();
        for (_, hashes) in levels.iter().rev() {
            let mut rest = hashes.as_slice();
            while let Some(height) = rest.len().checked_ilog2() {
                let (peak, after) = rest.split_at(1 << height);
                peaks.push(root_of(peak));
                rest = after;
            }
        }
        let frontier = Frontier::from_parts(size, peaks)?;
        Some(Self {
            frontier,
            levels,
            tail,
        })
    }

    /// Sets the entries of the partial bundle, when the hashes were grown without them.
    pub(crate) fn set_tail(&mut self, tail: Vec<Arc<[u8]>>) {
        self.tail = tail;
    }

    /// Adds the hash of a leaf whose entry is kept elsewhere; full tiles are added to `tiles`.
    pub(crate) fn grow_hashes(&mut self, leaf: Hash, tiles: &mut Vec<FullTile>) {
        self.frontier.append(leaf);
        let mut hash = leaf;
        for level in 0u8.. {
            if self.levels.len() == usize::from(level) {
                self.levels.push((0, Vec::new()));
            }
            let Some((full, hashes)) = self.levels.get_mut(usize::from(level)) else {
                return;
            };
            hashes.push(hash);
            if hashes.len() < usize::from(TILE_WIDTH) {
                return;
            }
            let done = std::mem::take(hashes);
            hash = root_of(&done);
            tiles.push((level, *full, done));
            *full += 1;
        }
    }

    fn bundle(&self) -> Result<FileBytes, StoreError> {
        let size_before = self.size().saturating_sub(1);
        let id = BundleId {
            index: size_before / u64::from(TILE_WIDTH),
            width: u16::try_from(self.tail.len()).unwrap_or(TILE_WIDTH),
        };
        let bytes = encode_bundle(&self.tail).map_err(|source| StoreError::Format {
            what: "an entry",
            source,
        })?;
        Ok((ExportPath::Bundle(id), bytes))
    }
}

pub(crate) fn tile_file(level: u8, index: u64, hashes: &[Hash]) -> FileBytes {
    let id = TileId {
        level,
        index,
        width: u16::try_from(hashes.len()).unwrap_or(TILE_WIDTH),
    };
    (ExportPath::Tile(id), encode_tile(hashes))
}

/// Returns the root over the hashes of one tile or a part of it.
pub(crate) fn root_of(hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    for hash in hashes {
        frontier.append(*hash);
    }
    frontier.root()
}
