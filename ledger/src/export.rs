//! Verifies an export: a folder with a checkpoint, tiles and entry bundles, and nothing else.
//!
//! Pure: files are reached through [`ExportReader`]; what the entries say is judged by the next layer. Trusts nothing but the key
//! of the log. Keeps I12. Spec: schemas/spec/tiles.md, "Export".

use crate::checkpoint::{CheckpointError, LogKey, OtherLines, VerifiedCheckpoint, verify_checkpoint};
use crate::crypto::leaf_hash;
use crate::merkle::{ProofError, Tree, verify_consistency, verify_inclusion};
use std::collections::BTreeSet;
use tally_schemas::error::FormatError;
use tally_schemas::id::{Hash, TreeHead};
use tally_schemas::limits::{BUNDLE_BYTES_MAX, CHECKPOINT_BYTES_MAX};
use tally_schemas::tile::{
    BundleId, ExportPath, TILE_WIDTH, TileId, bundles_of, encode_tile, parse_bundle, parse_tile, tiles_of,
};

/// Gives access to the files of an export.
pub trait ExportReader {
    /// Lists everything in the folder, relative to it, with `/` between the parts.
    ///
    /// What is no plain file (a link, an empty folder, a device) must be listed too, so that it is refused as unknown: a folder
    /// without files with a `/` at its end.
    ///
    /// # Errors
    /// A text that says what could not be listed.
    fn paths(&self) -> Result<Vec<String>, String>;

    /// Reads a file; at most one byte more than the limit is asked for.
    ///
    /// # Errors
    /// A text that says why the file could not be read.
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, String>;
}

impl<R: ExportReader + ?Sized> ExportReader for &R {
    fn paths(&self) -> Result<Vec<String>, String> {
        (**self).paths()
    }

    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, String> {
        (**self).read(path, limit)
    }
}

/// An entry whose place in the log is proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifiedEntry<'a> {
    /// Its index in the log.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Hash,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// An export that holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedExport {
    /// The checkpoint.
    pub checkpoint: VerifiedCheckpoint,
    /// The tree under it.
    pub tree: Tree,
}

/// Why an export was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The folder cannot be listed.
    #[error("export cannot be listed: {why}")]
    List {
        /// What happened.
        why: String,
    },
    /// A file cannot be read.
    #[error("{path} cannot be read: {why}")]
    Read {
        /// The file.
        path: String,
        /// What happened.
        why: String,
    },
    /// The checkpoint is not accepted.
    #[error("checkpoint of the export is not accepted")]
    Checkpoint(#[from] CheckpointError),
    /// The folder holds something that no export has.
    #[error("{path:?} does not belong in an export; an export is exactly `checkpoint` and `tile/`")]
    Unknown {
        /// What was found.
        path: String,
    },
    /// A file that the size asks for is missing.
    #[error("{path} is missing from an export of {size} entries")]
    Missing {
        /// The file.
        path: String,
        /// The size.
        size: u64,
    },
    /// A file that the size does not ask for is there.
    #[error("{path} is surplus in an export of {size} entries")]
    Surplus {
        /// The file.
        path: String,
        /// The size.
        size: u64,
    },
    /// A file is malformed.
    #[error("{path} is malformed")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        source: FormatError,
    },
    /// The hashes of level 0 do not lead to the root of the checkpoint.
    #[error("leaf hashes of the export lead to the root {got}, the checkpoint states {expected}")]
    OtherRoot {
        /// The root computed.
        got: Hash,
        /// The root stated.
        expected: Hash,
    },
    /// A hash of a higher level is not the root of its full tile below.
    #[error("hash {place} of {path} is {got}, the level below gives {expected}")]
    OtherHash {
        /// The tile.
        path: String,
        /// The place in the tile.
        place: usize,
        /// The hash found.
        got: Hash,
        /// The hash computed.
        expected: Hash,
    },
    /// An entry does not hash to its leaf hash.
    #[error("entry {index} in {path} hashes to {got}, the tile of level 0 has {expected}")]
    OtherEntry {
        /// The index of the entry.
        index: u64,
        /// The bundle.
        path: String,
        /// The hash computed.
        got: Hash,
        /// The hash in the tile.
        expected: Hash,
    },
    /// A proof made from the export does not verify, though its hashes do: a fault of this software.
    #[error("a proof made from the export does not verify; this is a fault of the verifier")]
    Proof(#[from] ProofError),
}

/// Verifies an export under the key of its log and visits every entry, in order, once its place is proven.
///
/// # Errors
/// Whatever is not exactly an export of the checkpoint's size; nothing was visited unless only a later bundle is at fault.
pub fn verify_export(
    reader: &impl ExportReader,
    key: &LogKey,
    mut visit: impl FnMut(VerifiedEntry<'_>),
) -> Result<VerifiedExport, ExportError> {
    let bytes = read(reader, ExportPath::Checkpoint, CHECKPOINT_BYTES_MAX)?;
    let checkpoint = verify_checkpoint(&bytes, key, OtherLines::Refuse)?;
    let head = checkpoint.head();
    check_list(reader, head.size)?;
    let tree = read_tree(reader, &head)?;
    for bundle in bundles_of(head.size) {
        let path = bundle.path();
        let bytes = read(reader, ExportPath::Bundle(bundle), BUNDLE_BYTES_MAX)?;
        for (index, entry) in (bundle.first_entry()..).zip(entries(&bytes, bundle)?) {
            let (got, expected) = (leaf_hash(entry), tree.leaf(index).unwrap_or_default());
            if got != expected {
                return Err(ExportError::OtherEntry {
                    index,
                    path,
                    got,
                    expected,
                });
            }
            visit(VerifiedEntry {
                index,
                leaf: got,
                bytes: entry,
            });
        }
    }
    check_proofs(&tree, &head)?;
    Ok(VerifiedExport { checkpoint, tree })
}

/// Returns the bytes of a tile of a tree, or nothing when the tree does not have it.
pub fn tile_bytes(tree: &Tree, tile: TileId) -> Option<Vec<u8>> {
    tree.tile_hashes(tile.level, tile.index, tile.width)
        .map(|hashes| encode_tile(&hashes))
}

fn read(reader: &impl ExportReader, path: ExportPath, limit: usize) -> Result<Vec<u8>, ExportError> {
    let path = path.to_string();
    reader
        .read(&path, limit)
        .map_err(|why| ExportError::Read { path, why })
}

/// Checks that the folder holds exactly the files of a size.
fn check_list(reader: &impl ExportReader, size: u64) -> Result<(), ExportError> {
    let mut listed = BTreeSet::new();
    for path in reader.paths().map_err(|why| ExportError::List { why })? {
        match ExportPath::parse(&path) {
            Ok(parsed) if listed.insert(parsed) => {}
            _ => return Err(ExportError::Unknown { path }),
        }
    }
    let expected = std::iter::once(ExportPath::Checkpoint)
        .chain(tiles_of(size).map(ExportPath::Tile))
        .chain(bundles_of(size).map(ExportPath::Bundle));
    for path in expected {
        if !listed.remove(&path) {
            return Err(ExportError::Missing {
                path: path.to_string(),
                size,
            });
        }
    }
    match listed.first() {
        None => Ok(()),
        Some(path) => Err(ExportError::Surplus {
            path: path.to_string(),
            size,
        }),
    }
}

/// Builds the tree of level 0, checks its root, and every higher tile against it.
fn read_tree(reader: &impl ExportReader, head: &TreeHead) -> Result<Tree, ExportError> {
    let mut tree = Tree::new();
    for tile in tiles_of(head.size).take_while(|tile| tile.level == 0) {
        for leaf in read_tile(reader, tile)? {
            tree.append(leaf);
        }
    }
    let got = tree.root();
    if got != head.root {
        return Err(ExportError::OtherRoot {
            got,
            expected: head.root,
        });
    }
    for tile in tiles_of(head.size).filter(|tile| tile.level > 0) {
        let held = read_tile(reader, tile)?;
        let computed = tree
            .tile_hashes(tile.level, tile.index, tile.width)
            .unwrap_or_default();
        let mut pairs = held.iter().zip(&computed).enumerate();
        if let Some((place, (got, expected))) = pairs.find(|(_, (got, expected))| got != expected) {
            return Err(ExportError::OtherHash {
                path: tile.path(),
                place,
                got: *got,
                expected: *expected,
            });
        }
    }
    Ok(tree)
}

fn read_tile(reader: &impl ExportReader, tile: TileId) -> Result<Vec<Hash>, ExportError> {
    let bytes = read(reader, ExportPath::Tile(tile), usize::from(TILE_WIDTH) * 32)?;
    parse_tile(&bytes, tile.width).map_err(|source| ExportError::Format {
        path: tile.path(),
        source,
    })
}

fn entries(bytes: &[u8], bundle: BundleId) -> Result<Vec<&[u8]>, ExportError> {
    parse_bundle(bytes, bundle.width).map_err(|source| ExportError::Format {
        path: bundle.path(),
        source,
    })
}

/// Makes and verifies proofs: inclusion of up to about a thousand entries evenly spread, consistency from several smaller sizes.
fn check_proofs(tree: &Tree, head: &TreeHead) -> Result<(), ProofError> {
    let size = head.size;
    let step = usize::try_from(size / PROOFS_CHECKED + 1).unwrap_or(usize::MAX);
    for index in (0..size).step_by(step).chain(size.checked_sub(1)) {
        let leaf = tree.leaf(index).unwrap_or_default();
        verify_inclusion(&leaf, index, head, &tree.inclusion(index, size)?)?;
    }
    for old in [0, 1, 2, size / 3, size / 2, size.saturating_sub(1), size] {
        let old = old.min(size);
        verify_consistency(&tree.head_at(old)?, head, &tree.consistency(old, size)?)?;
    }
    Ok(())
}

/// How many inclusion proofs are tried on a large export.
const PROOFS_CHECKED: u64 = 1_000;
