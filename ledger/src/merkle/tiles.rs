//! Subtree hashes out of tiles: proofs from the files of a replica or an export.

use crate::crypto::node_hash;
use crate::merkle::{HashReader, ReadError};
use tally_schemas::id::Hash;
use tally_schemas::tile::{TILE_LEVEL_MAX, TILE_WIDTH, TileId};

/// Reads tiles, from wherever they lie.
pub trait TileReader {
    /// Returns the hashes of a tile, exactly as many as its width says.
    ///
    /// # Errors
    /// A tile that is not held or cannot be read.
    fn tile(&self, tile: TileId) -> Result<Vec<Hash>, ReadError>;
}

/// The subtree hashes of a tree of a known size, computed from its tiles.
#[derive(Clone, Debug)]
pub struct TileHashes<R> {
    tiles: R,
    size: u64,
}

impl<R: TileReader> TileHashes<R> {
    /// Reads the tree of `size` entries from tiles.
    pub fn new(tiles: R, size: u64) -> Self {
        Self { tiles, size }
    }

    /// Returns the number of leaves of the tree.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl<R: TileReader> HashReader for TileHashes<R> {
    fn node(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        let failed = |why: String| ReadError { level, index, why };
        let (tile_level, height) = (level / 8, level % 8);
        if tile_level > TILE_LEVEL_MAX {
            return Err(failed("above the highest tile level".to_owned()));
        }
        let first = index
            .checked_mul(1 << height)
            .ok_or_else(|| failed("beyond the tree".to_owned()))?;
        let row = u64::from(TILE_WIDTH);
        let held = (self.size >> (8 * u32::from(tile_level))).saturating_sub(first / row * row);
        let tile = TileId {
            level: tile_level,
            index: first / row,
            width: u16::try_from(held).map_or(TILE_WIDTH, |held| held.min(TILE_WIDTH)),
        };
        if first % row + (1 << height) > u64::from(tile.width) {
            return Err(failed(format!("beyond a tree of {} entries", self.size)));
        }
        let hashes = self.tiles.tile(tile)?;
        let start = usize::try_from(first % row).unwrap_or(usize::MAX);
        let mut nodes = match hashes.get(start..).and_then(|rest| rest.get(..1 << height)) {
            Some(nodes) if hashes.len() == usize::from(tile.width) => nodes.to_vec(),
            _ => {
                return Err(failed(format!(
                    "tile {} has {} hashes",
                    tile.path(),
                    hashes.len()
                )));
            }
        };
        for _ in 0..height {
            nodes = nodes
                .as_chunks::<2>()
                .0
                .iter()
                .map(|[left, right]| node_hash(left, right))
                .collect();
        }
        nodes
            .first()
            .copied()
            .ok_or_else(|| failed("empty tile".to_owned()))
    }
}
