//! Detached texts and attachments, each under its commitment: what the audience may read and what can be erased.
//!
//! A log holds only the commitment; a part is checked against it when it is put and whenever it is read. Who may read a part is not
//! decided here. File form: 32 bytes of salt, then the content (`schemas/spec/store.md`).

use super::durable;
use super::error::{Damage, DamageKind, StoreError};
use super::layout::DataDir;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use tally_ledger::crypto;
use tally_schemas::id::{DepartmentId, Hash};
use tally_schemas::limits::PART_BYTES_MAX;

/// The length of the salt before the content.
const SALT_BYTES: u64 = 32;

const REMEDY: &str =
    "fetch the part again from a department of its audience, or restore parts/ from a backup";

/// A detached part: what a commitment stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// The salt, that keeps short contents from being guessed.
    pub salt: [u8; 32],
    /// The text or attachment.
    pub content: Vec<u8>,
}

impl Part {
    /// Returns the commitment that stands in the log.
    pub fn commitment(&self) -> Hash {
        crypto::commitment(&self.salt, &self.content)
    }
}

impl std::fmt::Debug for Part {
    /// Shows the length, never the content.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Part({} bytes)", self.content.len())
    }
}

/// The detached parts of all departments whose parts this node may keep.
#[derive(Debug, Clone)]
pub struct Parts {
    data: DataDir,
}

impl Parts {
    /// Opens the parts of a data folder.
    pub fn new(data: &DataDir) -> Self {
        Self { data: data.clone() }
    }

    /// Keeps a part under its commitment; durable when it returns. Putting it again changes nothing.
    ///
    /// # Errors
    /// The part is too long or does not fit the commitment; or the disk failed.
    pub fn put(&self, department: &DepartmentId, commit: &Hash, part: &Part) -> Result<(), StoreError> {
        let length = part.content.len() as u64;
        if length > PART_BYTES_MAX {
            return Err(StoreError::PartTooLong {
                got: length,
                limit: PART_BYTES_MAX,
            });
        }
        let got = part.commitment();
        if got != *commit {
            return Err(StoreError::PartMismatch {
                expected: commit.to_hex(),
                got: got.to_hex(),
                got_bytes: length,
            });
        }
        if matches!(self.open(department, commit), Ok(Some(_))) {
            return Ok(());
        }
        let target = self.data.part(department, commit);
        durable::write_file(&self.data.temporary(), target, &[&part.salt, &part.content])
    }

    /// Reads a part and checks it; `None` when it is not kept here.
    ///
    /// # Errors
    /// The file is damaged, or cannot be read.
    pub fn open(&self, department: &DepartmentId, commit: &Hash) -> Result<Option<Part>, StoreError> {
        read_part(&self.data.part(department, commit), commit)
    }

    /// Erases a part; says whether it was kept here. The content is overwritten first, as far as the disk does that in place.
    ///
    /// # Errors
    /// The disk failed; the part may still be there.
    pub fn erase(&self, department: &DepartmentId, commit: &Hash) -> Result<bool, StoreError> {
        let path = self.data.part(department, commit);
        let moved = durable::temporary_name(&self.data.temporary());
        match fs::rename(&path, &moved) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(StoreError::io("erase", &path)(error)),
            Ok(()) => {}
        }
        if let Some(shelf) = path.parent() {
            durable::sync_dir(shelf)?;
        }
        overwrite(&moved).map_err(StoreError::io("overwrite", &moved))?;
        durable::remove_file(&moved)
    }

    /// Lists the parts of a department: commitment and length of the content, in the order of the commitments.
    ///
    /// # Errors
    /// The folder cannot be read. Files that are no parts are left to fsck.
    pub fn list(&self, department: &DepartmentId) -> Result<Vec<(Hash, u64)>, StoreError> {
        let folder = self.data.parts(department);
        let mut found = Vec::new();
        for shelf in durable::names_in(&folder)? {
            let shelf = folder.join(shelf);
            if !shelf.is_dir() {
                continue;
            }
            for name in durable::names_in(&shelf)? {
                let Ok(commit) = Hash::parse_hex(&name) else {
                    continue;
                };
                let path = shelf.join(name);
                match fs::metadata(&path) {
                    Ok(facts) => found.push((commit, facts.len().saturating_sub(SALT_BYTES))),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(StoreError::io("read the length of", &path)(error)),
                }
            }
        }
        Ok(found)
    }
}

/// Reads and checks the file of one part.
pub(crate) fn read_part(path: &Path, commit: &Hash) -> Result<Option<Part>, StoreError> {
    let bytes_max = PART_BYTES_MAX + SALT_BYTES;
    let Some(mut content) = durable::read_capped(path, bytes_max)? else {
        return Ok(None);
    };
    let length = content.len() as u64;
    let damage = |kind, what| Err(StoreError::Damaged(Damage::new(path, kind, what, REMEDY)));
    let salt = match content.first_chunk::<32>() {
        Some(salt) if length <= bytes_max => *salt,
        _ => {
            let what = format!("{length} bytes, expected {SALT_BYTES} to {bytes_max}");
            return damage(DamageKind::Length, what);
        }
    };
    content.drain(..salt.len());
    let part = Part { salt, content };
    let got = part.commitment();
    if got == *commit {
        Ok(Some(part))
    } else {
        damage(
            DamageKind::Altered,
            format!("the content has commitment {got}, expected {commit}"),
        )
    }
}

fn overwrite(path: &Path) -> std::io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    let mut left = file.metadata()?.len();
    let zeros = [0u8; 4096];
    while left > 0 {
        let count = left.min(4096);
        let piece = zeros.iter().take(usize::try_from(count).unwrap_or(0)).copied();
        file.write_all(&piece.collect::<Vec<u8>>())?;
        left -= count;
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;

    struct Fixture {
        _dir: tempfile::TempDir,
        data: DataDir,
        parts: Parts,
        department: DepartmentId,
        part: Part,
        commit: Hash,
    }

    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let part = Part {
            salt: [7; 32],
            content: b"reasons for the refusal".repeat(500),
        };
        Fixture {
            parts: Parts::new(&data),
            department: DepartmentId::parse("housing").unwrap(),
            commit: part.commitment(),
            data,
            part,
            _dir: dir,
        }
    }

    #[test]
    fn a_part_comes_back_as_it_was_put() {
        let f = fixture();
        assert_eq!(f.parts.open(&f.department, &f.commit).unwrap(), None);
        f.parts.put(&f.department, &f.commit, &f.part).unwrap();
        f.parts.put(&f.department, &f.commit, &f.part).unwrap();
        assert_eq!(
            f.parts.open(&f.department, &f.commit).unwrap(),
            Some(f.part.clone())
        );
        assert_eq!(
            f.parts.list(&f.department).unwrap(),
            [(f.commit, f.part.content.len() as u64)]
        );
        let other = DepartmentId::parse("health").unwrap();
        assert_eq!(f.parts.open(&other, &f.commit).unwrap(), None);
        assert!(f.parts.list(&other).unwrap().is_empty());
    }

    #[test]
    fn a_part_that_does_not_fit_its_commitment_is_refused() {
        let f = fixture();
        let wrong = Part {
            salt: [8; 32],
            ..f.part.clone()
        };
        assert_matches!(
            f.parts.put(&f.department, &f.commit, &wrong),
            Err(StoreError::PartMismatch { .. })
        );
        assert_eq!(f.parts.open(&f.department, &f.commit).unwrap(), None);
    }

    #[test]
    fn the_longest_part_is_kept_and_one_byte_more_refused() {
        let f = fixture();
        for over in [0, 1] {
            let part = Part {
                salt: [1; 32],
                content: vec![9; usize::try_from(PART_BYTES_MAX).unwrap() + over],
            };
            let outcome = f.parts.put(&f.department, &part.commitment(), &part);
            if over == 0 {
                outcome.unwrap();
                let found = f.parts.open(&f.department, &part.commitment()).unwrap();
                assert_eq!(found, Some(part));
            } else {
                assert_matches!(outcome, Err(StoreError::PartTooLong { .. }));
            }
        }
    }

    #[test]
    fn a_damaged_part_is_named_and_putting_it_again_heals_it() {
        let f = fixture();
        f.parts.put(&f.department, &f.commit, &f.part).unwrap();
        let path = f.data.part(&f.department, &f.commit);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[100] ^= 4;
        let cases = [
            (flipped, DamageKind::Altered),
            (whole[..200].to_vec(), DamageKind::Altered),
            (whole[..31].to_vec(), DamageKind::Length),
            (Vec::new(), DamageKind::Length),
        ];
        for (bytes, kind) in cases {
            fs::write(&path, &bytes).unwrap();
            assert_matches!(
                f.parts.open(&f.department, &f.commit),
                Err(StoreError::Damaged(damage)) if damage.kind == kind && damage.file == path
            );
            f.parts.put(&f.department, &f.commit, &f.part).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn an_erased_part_is_gone() {
        let f = fixture();
        f.parts.put(&f.department, &f.commit, &f.part).unwrap();
        assert!(f.parts.erase(&f.department, &f.commit).unwrap());
        assert!(!f.parts.erase(&f.department, &f.commit).unwrap());
        assert_eq!(f.parts.open(&f.department, &f.commit).unwrap(), None);
        assert!(durable::names_in(&f.data.temporary()).unwrap().is_empty());
    }
}
