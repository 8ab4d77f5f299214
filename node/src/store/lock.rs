//! The signing lock: the newest head that this node may have signed in an epoch, kept so that it can never sign against itself (I3).
//!
//! A file of two slots overwritten in place in turn and synced before the signature leaves. A slot that cannot be read may have held a
//! newer head than the other: nothing inside the node can prove that it did not (the log beside it may come from a backup), so then nothing
//! is signed in this epoch again. The lock is never in a backup: an old copy of it is worse than none. Bytes: `schemas/spec/lock.md`.

use super::durable;
use super::error::StoreError;
use super::layout::DataDir;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tally_ledger::crypto::{self, DomainTag};
use tally_schemas::id::{Hash, Origin, TreeHead};
use tally_schemas::lock::{LOCK_FILE_BYTES, LOCK_SLOT_BYTES, LockFile, LockSlot};

/// The signing lock of one own log, open for signing.
#[derive(Debug)]
pub struct SigningLock {
    path: PathBuf,
    file: File,
    newest: LockSlot,
    stopped: Option<String>,
}

impl SigningLock {
    /// Creates the lock of a new log.
    ///
    /// # Errors
    /// The log already has entries ([`StoreError::LockMissing`]), the file is already there, or the disk failed.
    pub fn create(data: &DataDir, origin: &Origin, log_size: u64) -> Result<Self, StoreError> {
        let path = data.signing_lock(origin);
        if log_size > 0 {
            return Err(StoreError::LockMissing { path, log_size });
        }
        if path.exists() {
            let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(StoreError::io("create", &path)(source));
        }
        let slot = LockSlot {
            sequence: 0,
            origin: name_of(origin),
            head: TreeHead {
                size: 0,
                root: crypto::empty_root(),
            },
        };
        let rest = [0; LOCK_FILE_BYTES - LOCK_SLOT_BYTES];
        durable::write_file(&data.temporary(), path, &[&slot.to_bytes(checksum), &rest])?;
        Self::open(data, origin, log_size)
    }

    /// Opens the lock and finds the newest head in it; `log_size` is told to the operator if the lock is not there.
    ///
    /// # Errors
    /// The lock is missing, belongs to another log, or is damaged in a way that may hide a newer head.
    pub fn open(data: &DataDir, origin: &Origin, log_size: u64) -> Result<Self, StoreError> {
        let path = data.signing_lock(origin);
        let Some(newest) = read(&path)? else {
            return Err(StoreError::LockMissing { path, log_size });
        };
        let expected = name_of(origin);
        if newest.origin != expected {
            return Err(StoreError::WrongOrigin {
                path,
                got: format!("the log with origin hash {}", newest.origin),
                expected: format!("{origin} with origin hash {expected}"),
            });
        }
        let file = OpenOptions::new()
            .write(true)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        Ok(Self {
            path,
            file,
            newest,
            stopped: None,
        })
    }

    /// Returns the newest head that may have been signed.
    pub fn head(&self) -> TreeHead {
        self.newest.head
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the lock to a head before it is signed; durable when it returns.
    ///
    /// # Errors
    /// The head is smaller than the one held, or another one of the same size (I3). After a failure of the disk nothing may be
    /// signed until the lock is opened again.
    pub fn advance(&mut self, head: TreeHead) -> Result<(), StoreError> {
        if let Some(why) = &self.stopped {
            return Err(StoreError::Stopped {
                path: self.path.clone(),
                why: why.clone(),
            });
        }
        let held = self.newest.head;
        if head == held {
            return Ok(());
        }
        if head.size <= held.size {
            return Err(StoreError::LockRefused {
                path: self.path.clone(),
                held,
                asked: head,
            });
        }
        let next = LockSlot {
            origin: self.newest.origin,
            sequence: self.newest.sequence.saturating_add(1),
            head,
        };
        let outcome = self
            .file
            .seek(SeekFrom::Start(next.offset()))
            .and_then(|_| self.file.write_all(&next.to_bytes(checksum)))
            .and_then(|()| self.file.sync_data())
            .map_err(StoreError::io("write", &self.path));
        match &outcome {
            Ok(()) => self.newest = next,
            Err(error) => self.stopped = Some(error.to_string()),
        }
        outcome
    }
}

/// Reads a lock file; `None` when it is not there.
///
/// # Errors
/// A slot that was written cannot be read, or the two do not follow one another.
pub(crate) fn read(path: &Path) -> Result<Option<LockSlot>, StoreError> {
    let Some(bytes) = durable::read_capped(path, LOCK_FILE_BYTES as u64)? else {
        return Ok(None);
    };
    let damaged = |why: String| StoreError::LockDamaged {
        path: path.to_owned(),
        why,
    };
    match LockFile::parse(&bytes, checksum) {
        Ok(LockFile {
            newest,
            other_damaged: None,
        }) => Ok(Some(newest)),
        Ok(LockFile {
            newest,
            other_damaged: Some(error),
        }) => Err(damaged(format!(
            "{error}; the other slot names size {}, the damaged one may have named more",
            newest.head.size
        ))),
        Err(error) => Err(damaged(error.to_string())),
    }
}

fn checksum(content: &[u8]) -> Hash {
    crypto::tagged_hash(DomainTag::LOCK, &[content])
}

fn name_of(origin: &Origin) -> Hash {
    crypto::sha256(&[origin.to_string().as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use std::fs;
    use tally_schemas::lock::LOCK_SLOT_OFFSETS;

    struct Fixture {
        _dir: tempfile::TempDir,
        data: DataDir,
        origin: Origin,
    }

    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        Fixture {
            data: DataDir::open(dir.path()).unwrap(),
            origin: Origin::parse("xian-0123456789abcdef/housing/1").unwrap(),
            _dir: dir,
        }
    }

    fn head(size: u64) -> TreeHead {
        TreeHead {
            size,
            root: crypto::sha256(&[&size.to_be_bytes()]),
        }
    }

    fn lock_at(f: &Fixture, sizes: &[u64]) -> PathBuf {
        let mut lock = SigningLock::create(&f.data, &f.origin, 0).unwrap();
        for size in sizes {
            lock.advance(head(*size)).unwrap();
        }
        lock.path().to_owned()
    }

    #[test]
    fn a_fresh_lock_is_made_only_for_an_empty_log_and_only_once() {
        let f = fixture();
        assert_matches!(
            SigningLock::open(&f.data, &f.origin, 0),
            Err(StoreError::LockMissing { log_size: 0, .. })
        );
        assert_matches!(
            SigningLock::create(&f.data, &f.origin, 3),
            Err(StoreError::LockMissing { log_size: 3, .. })
        );
        let lock = SigningLock::create(&f.data, &f.origin, 0).unwrap();
        assert_eq!(lock.head().size, 0);
        assert_matches!(
            SigningLock::create(&f.data, &f.origin, 0),
            Err(StoreError::Io { .. })
        );
    }

    #[test]
    fn the_newest_head_comes_back_after_every_step() {
        let f = fixture();
        lock_at(&f, &[]);
        for size in [1, 2, 7, 8, 1000] {
            let mut lock = SigningLock::open(&f.data, &f.origin, 0).unwrap();
            lock.advance(head(size)).unwrap();
            lock.advance(head(size)).unwrap();
            let again = SigningLock::open(&f.data, &f.origin, 0).unwrap();
            assert_eq!(again.head(), head(size));
        }
    }

    #[test]
    fn never_goes_back_nor_to_another_root_of_the_same_size() {
        let f = fixture();
        lock_at(&f, &[5]);
        let mut lock = SigningLock::open(&f.data, &f.origin, 0).unwrap();
        let other_root = TreeHead {
            root: head(4).root,
            ..head(5)
        };
        for asked in [head(4), head(0), other_root] {
            assert_matches!(
                lock.advance(asked),
                Err(StoreError::LockRefused { held, .. }) if held == head(5)
            );
        }
        assert_eq!(SigningLock::open(&f.data, &f.origin, 0).unwrap().head(), head(5));
        lock.advance(head(6)).unwrap();
    }

    #[test]
    fn any_flipped_bit_of_any_slot_stops_signing() {
        let f = fixture();
        let path = lock_at(&f, &[5, 6]);
        let whole = fs::read(&path).unwrap();
        for offset in LOCK_SLOT_OFFSETS {
            for bit in (0..LOCK_SLOT_BYTES * 8).step_by(7) {
                let mut bytes = whole.clone();
                bytes[offset + bit / 8] ^= 1 << (bit % 8);
                fs::write(&path, bytes).unwrap();
                assert_matches!(
                    SigningLock::open(&f.data, &f.origin, 6),
                    Err(StoreError::LockDamaged { .. }),
                    "bit {bit} of the slot at {offset}"
                );
            }
        }
        fs::write(&path, whole).unwrap();
        assert_eq!(SigningLock::open(&f.data, &f.origin, 6).unwrap().head(), head(6));
    }

    #[test]
    fn a_lost_slot_a_short_file_and_a_lock_of_another_log_stop_signing() {
        let f = fixture();
        let path = lock_at(&f, &[5, 6, 7]);
        let whole = fs::read(&path).unwrap();
        let mut lost = whole.clone();
        lost[4096..].fill(0);
        for bytes in [lost, vec![0; 8192], whole[..8191].to_vec(), Vec::new()] {
            fs::write(&path, bytes).unwrap();
            assert_matches!(
                SigningLock::open(&f.data, &f.origin, 7),
                Err(StoreError::LockDamaged { .. })
            );
        }
        let next_epoch = Origin {
            epoch: 2,
            ..f.origin.clone()
        };
        fs::write(f.data.signing_lock(&next_epoch), whole).unwrap();
        assert_matches!(
            SigningLock::open(&f.data, &next_epoch, 7),
            Err(StoreError::WrongOrigin { .. })
        );
    }
}
