//! The C2SP tlog-tiles layout: where hashes and entries of a log lie, and in what bytes.
//!
//! A replica on disk, an export and the HTTP read interface are all this one layout. Bytes and paths only: hashes are checked
//! by `tally-ledger`, files are read by the node and the client. Spec: schemas/spec/tiles.md. Keeps I11.

use crate::error::FormatError;
use crate::id::{Hash, parse_decimal};
use crate::limits::{BUNDLE_BYTES_MAX, ENTRY_BYTES_MAX};
use std::fmt;

/// The number of hashes of a full tile, and of entries of a full bundle.
pub const TILE_WIDTH: u16 = 256;
/// The highest tile level that a tree of at most 2^63 - 1 entries has.
pub const TILE_LEVEL_MAX: u8 = 7;

/// A tile: up to 256 neighbouring hashes of one tile level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TileId {
    /// The tile level: hashes of subtrees of 256^level entries.
    pub level: u8,
    /// The index of the tile in its level.
    pub index: u64,
    /// The number of hashes, 1 to 256.
    pub width: u16,
}

/// An entry bundle: up to 256 neighbouring entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BundleId {
    /// The index of the bundle.
    pub index: u64,
    /// The number of entries, 1 to 256.
    pub width: u16,
}

/// A file of an export, by its path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ExportPath {
    /// `checkpoint`.
    Checkpoint,
    /// `tile/<level>/<index>`.
    Tile(TileId),
    /// `tile/entries/<index>`.
    Bundle(BundleId),
}

impl ExportPath {
    /// Parses a path relative to the folder of the log, with `/` between its parts.
    ///
    /// # Errors
    /// Any path that no tree of at most 2^63 - 1 entries has, and any second spelling of one that it has.
    pub fn parse(path: &str) -> Result<Self, FormatError> {
        let bad = || {
            let shown: String = path.chars().take(80).collect();
            FormatError::malformed("path of an export", format!("{shown:?} is no file of an export"))
        };
        if path == "checkpoint" {
            return Ok(Self::Checkpoint);
        }
        if path.len() > PATH_BYTES_MAX {
            return Err(bad());
        }
        let (level, rest) = path
            .strip_prefix("tile/")
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(bad)?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, parse_decimal("width", width).map_err(|_| bad())?),
            None => (rest, u64::from(TILE_WIDTH)),
        };
        let width = u16::try_from(width).map_err(|_| bad())?;
        let index = parse_index(index).ok_or_else(bad)?;
        let parsed = if level == "entries" {
            Self::Bundle(BundleId { index, width })
        } else {
            let level = parse_decimal("level", level).map_err(|_| bad())?;
            let level = u8::try_from(level).map_err(|_| bad())?;
            Self::Tile(TileId { level, index, width })
        };
        if parsed.can_exist() && parsed.to_string() == path {
            Ok(parsed)
        } else {
            Err(bad())
        }
    }

    fn can_exist(&self) -> bool {
        let (level, index, width) = match self {
            Self::Checkpoint => return true,
            Self::Tile(tile) => (tile.level, tile.index, tile.width),
            Self::Bundle(bundle) => (0, bundle.index, bundle.width),
        };
        if !(1..=TILE_WIDTH).contains(&width) || level > TILE_LEVEL_MAX {
            return false;
        }
        let end = u128::from(index) * u128::from(TILE_WIDTH) + u128::from(width);
        end << (8 * u32::from(level)) <= i64::MAX.unsigned_abs().into()
    }
}

impl fmt::Display for ExportPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => formatter.write_str("checkpoint"),
            Self::Tile(tile) => {
                write!(formatter, "tile/{}/", tile.level)?;
                write_place(formatter, tile.index, tile.width)
            }
            Self::Bundle(bundle) => {
                formatter.write_str("tile/entries/")?;
                write_place(formatter, bundle.index, bundle.width)
            }
        }
    }
}

impl TileId {
    /// Returns the path of the tile.
    pub fn path(&self) -> String {
        ExportPath::Tile(*self).to_string()
    }

    /// Says whether the tile has all its 256 hashes.
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }
}

impl BundleId {
    /// Returns the path of the bundle.
    pub fn path(&self) -> String {
        ExportPath::Bundle(*self).to_string()
    }

    /// Says whether the bundle has all its 256 entries.
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Returns the index in the log of the bundle's first entry.
    pub fn first_entry(&self) -> u64 {
        self.index.saturating_mul(u64::from(TILE_WIDTH))
    }
}

/// Lists the tiles of a tree of `size` entries: per level its full tiles, then the partial one.
pub fn tiles_of(size: u64) -> impl Iterator<Item = TileId> {
    tiles_between(0, size)
}

/// Lists the tiles that appear or widen when a tree grows from `old` to `new` entries.
pub fn tiles_between(old: u64, new: u64) -> impl Iterator<Item = TileId> {
    (0..=TILE_LEVEL_MAX).flat_map(move |level| {
        let shift = 8 * u32::from(level);
        places(old >> shift, new >> shift).map(move |(index, width)| TileId { level, index, width })
    })
}

/// Lists the entry bundles of a tree of `size` entries.
pub fn bundles_of(size: u64) -> impl Iterator<Item = BundleId> {
    bundles_between(0, size)
}

/// Lists the entry bundles that appear or widen when a tree grows from `old` to `new` entries.
pub fn bundles_between(old: u64, new: u64) -> impl Iterator<Item = BundleId> {
    places(old, new).map(|(index, width)| BundleId { index, width })
}

/// Index and width of the rows of 256 that hold the elements from `old` up to `new`.
fn places(old: u64, new: u64) -> impl Iterator<Item = (u64, u16)> {
    let width = u64::from(TILE_WIDTH);
    let end = if old < new {
        new.div_ceil(width)
    } else {
        old / width
    };
    (old / width..end).map(move |index| {
        let held = new.saturating_sub(index.saturating_mul(width));
        (
            index,
            u16::try_from(held).map_or(TILE_WIDTH, |held| held.min(TILE_WIDTH)),
        )
    })
}

/// Writes the bytes of a tile.
pub fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Reads the bytes of a tile of a known width.
///
/// # Errors
/// Any length other than 32 bytes per hash.
pub fn parse_tile(bytes: &[u8], width: u16) -> Result<Vec<Hash>, FormatError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || hashes.len() != usize::from(width) {
        return Err(FormatError::malformed(
            "tile",
            format!(
                "{} bytes, expected {} for the width {width}",
                bytes.len(),
                u32::from(width) * 32
            ),
        ));
    }
    Ok(hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// Writes the bytes of an entry bundle.
///
/// # Errors
/// No entry or more than 256, or an entry over 65,535 bytes.
pub fn encode_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, FormatError> {
    if entries.is_empty() || entries.len() > usize::from(TILE_WIDTH) {
        return Err(FormatError::TooMany {
            what: BUNDLE,
            got: entries.len() as u64,
            limit: u64::from(TILE_WIDTH),
        });
    }
    let bytes = entries.iter().map(|entry| 2 + entry.as_ref().len()).sum();
    let mut out = Vec::with_capacity(bytes);
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| FormatError::TooLong {
            what: "entry",
            got: entry.len() as u64,
            limit: ENTRY_BYTES_MAX as u64,
        })?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(entry);
    }
    Ok(out)
}

/// Reads the bytes of an entry bundle of a known width, without copying the entries.
///
/// # Errors
/// Any bytes that are not exactly that many length-prefixed entries.
pub fn parse_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, FormatError> {
    FormatError::at_most(BUNDLE, bytes.len(), BUNDLE_BYTES_MAX)?;
    if !(1..=TILE_WIDTH).contains(&width) {
        return Err(FormatError::malformed(
            BUNDLE,
            format!("width {width}, expected 1 to {TILE_WIDTH}"),
        ));
    }
    let mut entries = Vec::with_capacity(usize::from(width));
    let mut rest = bytes;
    for place in 0..width {
        let cut = || FormatError::malformed(BUNDLE, format!("ends inside entry {place} of {width}"));
        let (length, after) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
        let (entry, after) = after
            .split_at_checked(usize::from(u16::from_be_bytes(*length)))
            .ok_or_else(cut)?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() {
        Ok(entries)
    } else {
        Err(FormatError::malformed(
            BUNDLE,
            format!("{} trailing bytes after {width} entries", rest.len()),
        ))
    }
}

const BUNDLE: &str = "entry bundle";
/// Longer than every path that can exist.
const PATH_BYTES_MAX: usize = 64;

fn write_place(formatter: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    let mut groups = vec![format!("{:03}", index % 1000)];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    groups.reverse();
    formatter.write_str(&groups.join("/"))?;
    if width < TILE_WIDTH {
        write!(formatter, ".p/{width}")?;
    }
    Ok(())
}

fn parse_index(text: &str) -> Option<u64> {
    let mut index = 0u64;
    for group in text.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn tile(level: u8, index: u64, width: u16) -> TileId {
        TileId { level, index, width }
    }

    #[test]
    fn writes_the_paths_of_the_specification() {
        assert_eq!(tile(0, 1_234_067, 256).path(), "tile/0/x001/x234/067");
        assert_eq!(tile(2, 0, 1).path(), "tile/2/000.p/1");
        assert_eq!(
            BundleId {
                index: 273,
                width: 112
            }
            .path(),
            "tile/entries/273.p/112"
        );
        assert_eq!(ExportPath::parse("checkpoint"), Ok(ExportPath::Checkpoint));
    }

    #[test]
    fn refuses_other_paths_and_second_spellings() {
        for path in [
            "",
            "Checkpoint",
            "checkpoint/",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/00/000",
            "tile/8/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p/1.p/1",
            "tile/-1/000",
            "tile/0/../000",
            "tile/0/000/",
            "/tile/0/000",
            "tile//000",
            "tile/entries/+00",
            "tile/7/001",
            "tile/data/000",
            "tile/entries/000.tmp",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_matches!(ExportPath::parse(path), Err(_), "{path}");
        }
    }

    #[test]
    fn lists_the_tiles_of_the_examples_of_the_specification() {
        let tiles: Vec<TileId> = tiles_of(70_000).collect();
        let full = |level| {
            tiles
                .iter()
                .filter(|tile| tile.level == level && tile.is_full())
                .count()
        };
        let partial: Vec<&TileId> = tiles.iter().filter(|tile| !tile.is_full()).collect();
        assert_eq!((full(0), full(1), full(2)), (273, 1, 0));
        assert_eq!(partial, [&tile(0, 273, 112), &tile(1, 1, 17), &tile(2, 0, 1)]);
        assert_eq!(
            tiles_of(256).collect::<Vec<_>>(),
            [tile(0, 0, 256), tile(1, 0, 1)]
        );
        assert_eq!(tiles_of(0).count() + bundles_of(0).count(), 0);
        assert_eq!(
            bundles_of(257).collect::<Vec<_>>(),
            [BundleId { index: 0, width: 256 }, BundleId { index: 1, width: 1 }]
        );
        let largest = i64::MAX.unsigned_abs();
        assert_eq!(bundles_between(largest - 1, largest).count(), 1);
        assert_eq!(tiles_between(largest - 1, largest).count(), 1);
    }

    #[test]
    fn reads_a_bundle_of_exactly_the_stated_width() {
        let bytes = encode_bundle(&[b"one".as_slice(), b"", b"three"]).unwrap();
        assert_eq!(bytes, b"\0\x03one\0\0\0\x05three");
        assert_eq!(
            parse_bundle(&bytes, 3).unwrap(),
            [b"one".as_slice(), b"", b"three"]
        );
        for (bytes, width) in [
            (bytes.as_slice(), 2),
            (&bytes, 4),
            (&bytes, 0),
            (&bytes, 257),
            (&bytes[..bytes.len() - 1], 3),
            (b"\0", 1),
            (b"", 1),
            (b"\0\0\0", 1),
        ] {
            assert_matches!(parse_bundle(bytes, width), Err(_), "{bytes:?} {width}");
        }
        assert_matches!(encode_bundle(&[vec![0; ENTRY_BYTES_MAX]]), Ok(_));
        assert_matches!(
            encode_bundle(&[vec![0; ENTRY_BYTES_MAX + 1]]),
            Err(FormatError::TooLong { .. })
        );
        assert_matches!(encode_bundle::<&[u8]>(&[]), Err(_));
        assert_matches!(encode_bundle(&[b""; 257]), Err(FormatError::TooMany { .. }));
        assert_matches!(
            parse_bundle(&vec![0; BUNDLE_BYTES_MAX + 1], 1),
            Err(FormatError::TooLong { .. })
        );
    }

    #[test]
    fn reads_a_tile_of_exactly_the_stated_width() {
        let hashes = [Hash([1; 32]), Hash([2; 32])];
        let bytes = encode_tile(&hashes);
        assert_eq!(parse_tile(&bytes, 2).unwrap(), hashes);
        assert_matches!(parse_tile(&bytes, 1), Err(_));
        assert_matches!(parse_tile(&bytes, 3), Err(_));
        assert_matches!(parse_tile(&bytes[..63], 2), Err(_));
    }

    proptest! {
        #[test]
        fn every_path_of_a_tree_parses_back(size in 1u64..10_000_000, pick in any::<prop::sample::Index>()) {
            let tiles: Vec<TileId> = tiles_of(size).collect();
            let tile = tiles[pick.index(tiles.len())];
            prop_assert_eq!(ExportPath::parse(&tile.path()), Ok(ExportPath::Tile(tile)));
            let bundle = BundleId { index: tile.index, width: tile.width };
            prop_assert_eq!(ExportPath::parse(&bundle.path()), Ok(ExportPath::Bundle(bundle)));
        }

        #[test]
        fn growing_step_by_step_makes_the_tiles_of_the_whole(old in 0u64..2000, more in 0u64..2000) {
            let before: BTreeSet<TileId> = tiles_of(old).collect();
            let added: BTreeSet<TileId> = tiles_between(old, old + more).collect();
            let after: BTreeSet<TileId> = tiles_of(old + more).collect();
            prop_assert!(added.is_subset(&after));
            prop_assert!(before.is_disjoint(&added));
            // What stays is what no added tile widens.
            let kept = before.iter().filter(|tile| !added.iter().any(|new| (new.level, new.index) == (tile.level, tile.index)));
            prop_assert_eq!(kept.copied().chain(added.iter().copied()).collect::<BTreeSet<_>>(), after);
        }

        #[test]
        fn arbitrary_paths_are_refused_or_print_back(path in "(tile/)?(entries|[0-9]{1,2})/(x[0-9]{3}/){0,7}[0-9]{1,4}(.p/[0-9]{0,3})?|.{0,70}") {
            if let Ok(parsed) = ExportPath::parse(&path) {
                prop_assert_eq!(parsed.to_string(), path);
            }
        }

        #[test]
        fn arbitrary_bundles_are_refused_or_encode_back(bytes in prop::collection::vec(0u8..4, 0..40), width in 0u16..6) {
            if let Ok(entries) = parse_bundle(&bytes, width) {
                prop_assert_eq!(encode_bundle(&entries).unwrap(), bytes);
            }
        }
    }
}
