//! Reads the files of one log back and finds out which of them are damaged.
//!
//! Everything is computed again from the entries and compared with the tiles and the checkpoint. When one file is damaged, exactly that
//! file is named: bundles and tiles vouch for each other, and the root in the checkpoint decides between them.

use super::super::durable;
use super::super::error::{Damage, DamageKind, StoreError};
use super::growth::{Edge, FullTile};
use std::path::Path;
use std::sync::Arc;
use tally_ledger::crypto::leaf_hash;
use tally_schemas::FormatError;
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::id::{Hash, Origin};
use tally_schemas::limits::{BUNDLE_BYTES_MAX, CHECKPOINT_BYTES_MAX};
use tally_schemas::note::Note;
use tally_schemas::tile::{
    BundleId, ExportPath, TILE_LEVEL_MAX, TILE_WIDTH, TileId, bundles_of, parse_bundle, parse_tile,
};

const REMEDY: &str =
    "set the folder of the log aside: the node writes it again, from its own log or from peers";

/// What was found in the folder of a log.
pub(crate) struct Checked {
    /// The right edge at the size of the checkpoint; only to be used when there is no damage.
    pub(crate) edge: Edge,
    /// The bytes of the checkpoint.
    pub(crate) checkpoint: Option<Vec<u8>>,
    /// What is damaged; empty when everything fits.
    pub(crate) damages: Vec<Damage>,
    /// How many bundles were read.
    pub(crate) bundles: u64,
    /// How many tiles were read.
    pub(crate) tiles: u64,
}

/// What reading one file gives: what it holds, or what is wrong with it; the outer error means that it cannot be read at all.
pub(crate) type FileRead<T> = Result<Result<T, Damage>, StoreError>;

/// Parses the bytes of a checkpoint note.
///
/// # Errors
/// No note, or no checkpoint in it.
pub(crate) fn parse_checkpoint(bytes: &[u8]) -> Result<Checkpoint, FormatError> {
    Checkpoint::parse(&Note::parse(bytes, CHECKPOINT_BYTES_MAX)?.text)
}

/// Describes a file that does not fit the one beside it.
pub(crate) fn differs(folder: &Path, name: &str, what: &str) -> Damage {
    Damage::new(&folder.join(name), DamageKind::Altered, what, REMEDY)
}

/// Reads one bundle.
pub(crate) fn read_bundle(folder: &Path, id: BundleId) -> FileRead<Vec<Arc<[u8]>>> {
    read(folder, &id.path(), BUNDLE_BYTES_MAX, |bytes| {
        parse_bundle(bytes, id.width).map(|entries| entries.into_iter().map(Arc::from).collect())
    })
}

/// Reads one tile.
pub(crate) fn read_tile(folder: &Path, id: TileId) -> FileRead<Vec<Hash>> {
    read(folder, &id.path(), usize::from(TILE_WIDTH) * 32, |bytes| {
        parse_tile(bytes, id.width)
    })
}

fn read<T>(
    folder: &Path,
    name: &str,
    bytes_max: usize,
    parse: impl FnOnce(&[u8]) -> Result<T, FormatError>,
) -> FileRead<T> {
    let path = folder.join(name);
    let Some(bytes) = durable::read_capped(&path, bytes_max as u64)? else {
        let what = "the file is not there".to_owned();
        return Ok(Err(Damage::new(&path, DamageKind::Missing, what, REMEDY)));
    };
    Ok(parse(&bytes).map_err(|error| Damage::new(&path, DamageKind::Length, error.to_string(), REMEDY)))
}

/// Reads the right edge of a log and its checkpoint: the partial tiles give the root of the checkpoint, whatever the full ones hold.
///
/// # Errors
/// A file of the edge is damaged or missing, or the checkpoint is of another log.
pub(crate) fn read_edge(folder: &Path, origin: &Origin) -> Result<(Edge, Option<Vec<u8>>), StoreError> {
    let path = folder.join("checkpoint");
    let damaged = |kind, what: String| StoreError::from(Damage::new(&path, kind, what, REMEDY));
    let Some(bytes) = durable::read_capped(&path, CHECKPOINT_BYTES_MAX as u64)? else {
        return match folder.join("tile").exists() {
            true => Err(damaged(
                DamageKind::Missing,
                "there are tiles, but no checkpoint".to_owned(),
            )),
            false => Ok((Edge::default(), None)),
        };
    };
    let checkpoint =
        parse_checkpoint(&bytes).map_err(|error| damaged(DamageKind::Altered, error.to_string()))?;
    if checkpoint.origin != *origin {
        return Err(damaged(
            DamageKind::Altered,
            format!("it is of {}, expected {origin}", checkpoint.origin),
        ));
    }
    let size = checkpoint.head.size;
    let row = u64::from(TILE_WIDTH);
    let mut levels = Vec::new();
    for level in 0..=TILE_LEVEL_MAX {
        let count = size >> (8 * u32::from(level));
        if count == 0 {
            break;
        }
        let (index, width) = (count / row, u16::try_from(count % row).unwrap_or(0));
        let hashes = match width {
            0 => Vec::new(),
            width => read_tile(folder, TileId { level, index, width })??,
        };
        levels.push((index, hashes));
    }
    let width = u16::try_from(size % row).unwrap_or(0);
    let tail = match width {
        0 => Vec::new(),
        width => {
            let index = size / row;
            read_bundle(folder, BundleId { index, width })??
        }
    };
    let leaves: Vec<Hash> = tail.iter().map(|entry| leaf_hash(entry)).collect();
    let whole = levels.first().is_none_or(|(_, hashes)| *hashes == leaves);
    let edge = Edge::of_tiles(size, levels, tail).filter(|edge| whole && edge.head() == checkpoint.head);
    match edge {
        Some(edge) => Ok((edge, Some(bytes))),
        None => {
            let what = format!(
                "it names root {} at size {size}, the edge gives another",
                checkpoint.head.root
            );
            Err(damaged(DamageKind::Altered, what))
        }
    }
}

/// Reads everything in the folder of a log, hands each entry to `visit`, and compares entries, tiles and checkpoint.
///
/// What `visit` saw counts only when no damage is reported. Files beyond the checkpoint are not looked at.
///
/// # Errors
/// A file cannot be read at all.
pub(crate) fn check(
    folder: &Path,
    origin: Option<&Origin>,
    visit: &mut dyn FnMut(u64, &Arc<[u8]>),
) -> Result<Checked, StoreError> {
    let mut found = Checked {
        edge: Edge::default(),
        checkpoint: None,
        damages: Vec::new(),
        bundles: 0,
        tiles: 0,
    };
    let path = folder.join("checkpoint");
    let Some(bytes) = durable::read_capped(&path, CHECKPOINT_BYTES_MAX as u64)? else {
        if folder.join("tile").exists() {
            let what = "there are tiles, but no checkpoint";
            found
                .damages
                .push(Damage::new(&path, DamageKind::Missing, what, REMEDY));
        }
        return Ok(found);
    };
    let checkpoint = match parse_checkpoint(&bytes) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            found
                .damages
                .push(Damage::new(&path, DamageKind::Altered, error.to_string(), REMEDY));
            return Ok(found);
        }
    };
    if let Some(origin) = origin.filter(|origin| **origin != checkpoint.origin) {
        let what = format!("it is of {}, expected {origin}", checkpoint.origin);
        found
            .damages
            .push(Damage::new(&path, DamageKind::Altered, what, REMEDY));
        return Ok(found);
    }
    found.checkpoint = Some(bytes);
    let mut differing_bundles = Vec::new();
    let mut differing_tiles = Vec::new();
    for id in bundles_of(checkpoint.head.size) {
        let bundle = keep(read_bundle(folder, id)?, &mut found.damages);
        let tile_id = TileId {
            level: 0,
            index: id.index,
            width: id.width,
        };
        let tile = keep(read_tile(folder, tile_id)?, &mut found.damages);
        found.bundles += 1;
        found.tiles += 1;
        let leaves: Option<Vec<Hash>> = bundle
            .as_ref()
            .map(|entries| entries.iter().map(|entry| leaf_hash(entry)).collect());
        if leaves.is_some() && tile.is_some() && leaves != tile {
            differing_bundles.push((id, tile_id));
        }
        let Some(leaves) = leaves.or(tile) else {
            // Neither the entries nor their hashes are known: nothing after this place can be checked.
            if has_other_width(folder, &id.path())? && has_other_width(folder, &tile_id.path())? {
                let what = format!(
                    "it names size {}, bundles and tiles are those of another size",
                    checkpoint.head.size
                );
                found.damages = vec![Damage::new(&path, DamageKind::Contradiction, what, REMEDY)];
            }
            return Ok(found);
        };
        let mut full: Vec<FullTile> = Vec::new();
        for leaf in leaves {
            found.edge.grow_hashes(leaf, &mut full);
        }
        compare_tiles(folder, full.into_iter(), &mut found, &mut differing_tiles)?;
        let entries = bundle.unwrap_or_default();
        for (index, entry) in (id.first_entry()..).zip(&entries) {
            visit(index, entry);
        }
        if !id.is_full() {
            found.edge.set_tail(entries);
        }
    }
    let partial: Vec<FullTile> = found.edge.partial_tiles().collect();
    compare_tiles(folder, partial.into_iter(), &mut found, &mut differing_tiles)?;
    let root = found.edge.head().root;
    if root == checkpoint.head.root {
        let tiles = differing_bundles
            .iter()
            .map(|(_, tile)| tile)
            .chain(&differing_tiles);
        let what = "it differs from the hashes of the entries, which give the root of the checkpoint";
        found
            .damages
            .extend(tiles.map(|tile| differs(folder, &tile.path(), what)));
    } else if !differing_bundles.is_empty() {
        let what = "its entries differ from their tile and do not give the root of the checkpoint";
        found.damages.extend(
            differing_bundles
                .iter()
                .map(|(bundle, _)| differs(folder, &bundle.path(), what)),
        );
    } else if found.damages.is_empty() || !differing_tiles.is_empty() {
        let what = format!(
            "it names root {} at size {}, bundles and tiles give {root}",
            checkpoint.head.root, checkpoint.head.size
        );
        found.damages.push(differs(folder, "checkpoint", &what));
    }
    Ok(found)
}

/// Says whether a tile or bundle that is missing is there in another width.
fn has_other_width(folder: &Path, name: &str) -> Result<bool, StoreError> {
    let full = name.split_once(".p/").map_or(name, |(full, _)| full);
    let partial = durable::names_in(&folder.join(format!("{full}.p")))?;
    Ok(!folder.join(name).exists() && (folder.join(full).exists() || !partial.is_empty()))
}

/// Compares tiles above level 0 with their files; those that differ are listed.
fn compare_tiles(
    folder: &Path,
    tiles: impl Iterator<Item = FullTile>,
    found: &mut Checked,
    differing: &mut Vec<TileId>,
) -> Result<(), StoreError> {
    for (level, index, hashes) in tiles.filter(|(level, ..)| *level > 0) {
        let id = TileId {
            level,
            index,
            width: u16::try_from(hashes.len()).unwrap_or(TILE_WIDTH),
        };
        found.tiles += 1;
        if keep(read_tile(folder, id)?, &mut found.damages).is_some_and(|file| file != hashes) {
            differing.push(id);
        }
    }
    Ok(())
}

fn keep<T>(read: Result<T, Damage>, damages: &mut Vec<Damage>) -> Option<T> {
    read.map_err(|damage| damages.push(damage)).ok()
}

/// Says whether a file belongs to a log of a size.
pub(crate) fn belongs(path: &ExportPath, size: u64) -> bool {
    let width = u64::from(TILE_WIDTH);
    let held = |level: u8, index: u64| {
        let hashes = size >> (8 * u32::from(level));
        hashes.saturating_sub(index.saturating_mul(width)).min(width)
    };
    match path {
        ExportPath::Checkpoint => true,
        ExportPath::Tile(tile) => held(tile.level, tile.index) == u64::from(tile.width),
        ExportPath::Bundle(bundle) => held(0, bundle.index) == u64::from(bundle.width),
    }
}

/// Lists the partial files of a size that a larger size replaces.
pub(crate) fn superseded(old: u64, new: u64) -> Vec<ExportPath> {
    let row = u64::from(TILE_WIDTH);
    let edge = |level: u8| {
        let hashes = old >> (8 * u32::from(level));
        let width = u16::try_from(hashes % row).unwrap_or(0);
        (width > 0).then_some((hashes / row, width))
    };
    let tiles = (0..=TILE_LEVEL_MAX).filter_map(|level| {
        edge(level).map(|(index, width)| ExportPath::Tile(TileId { level, index, width }))
    });
    let bundle = edge(0).map(|(index, width)| ExportPath::Bundle(BundleId { index, width }));
    tiles.chain(bundle).filter(|path| !belongs(path, new)).collect()
}
