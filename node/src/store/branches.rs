//! Which branch of a log stands: the text of the opening that says so, kept when what is of another branch is set aside.
//!
//! Spec: `schemas/spec/store.md`. A file that was altered would lead away from the branch that stands: each ends with its checksum.

use super::durable;
use super::error::{Damage, DamageKind, StoreError};
use super::layout::DataDir;
use tally_ledger::crypto::sha256;
use tally_schemas::id::Origin;
use tally_schemas::limits::EPOCH_NOTE_BYTES_MAX;

const CHECKSUM_BYTES: usize = 32;

const REMEDY: &str = "remove it: the opening comes from peers again, and where what is held says who signed it, it is kept again";

/// Keeps the text of the opening that names which branch of a log stands.
///
/// # Errors
/// The disk failed.
pub(crate) fn keep_branch(data: &DataDir, origin: &Origin, text: &[u8]) -> Result<(), StoreError> {
    durable::create_dir(&data.branches())?;
    let checksum = sha256(&[text]);
    durable::write_file(&data.temporary(), data.branch(origin), &[text, &checksum.0])
}

/// Reads the texts that are kept, and what is damaged of them.
///
/// # Errors
/// The disk failed.
pub(crate) fn read_branches(data: &DataDir) -> Result<(Vec<Vec<u8>>, Vec<Damage>), StoreError> {
    let folder = data.branches();
    let (mut texts, mut damaged) = (Vec::new(), Vec::new());
    for name in durable::names_in(&folder)? {
        let path = folder.join(name);
        let bytes_max = (EPOCH_NOTE_BYTES_MAX + CHECKSUM_BYTES) as u64;
        let Some(bytes) = durable::read_capped(&path, bytes_max)? else {
            continue;
        };
        match bytes.split_last_chunk::<CHECKSUM_BYTES>() {
            Some((text, checksum)) if sha256(&[text]).0 == *checksum => texts.push(text.to_vec()),
            _ => {
                let what = "the checksum of the opening that names which branch of a log stands does not fit";
                damaged.push(Damage::new(&path, DamageKind::Altered, what, REMEDY));
            }
        }
    }
    Ok((texts, damaged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_altered_or_cut_is_told_of_and_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let origin = Origin::parse("xian-0123456789abcdef/housing/1").unwrap();
        assert_eq!(read_branches(&data).unwrap(), (Vec::new(), Vec::new()));
        keep_branch(&data, &origin, b"an opening").unwrap();
        keep_branch(&data, &origin, b"a later opening").unwrap();
        let text = b"a later opening".to_vec();
        assert_eq!(read_branches(&data).unwrap(), (vec![text], Vec::new()));
        let path = data.branch(&origin);
        let whole = std::fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut altered = whole.clone();
            altered[place] ^= 1;
            for bytes in [&altered, &whole[..place].to_vec()] {
                std::fs::write(&path, bytes).unwrap();
                let (texts, damaged) = read_branches(&data).unwrap();
                assert_eq!((texts.len(), damaged.len()), (0, 1), "{place}");
            }
        }
    }
}
