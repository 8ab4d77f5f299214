//! The data folder of a node: who holds it, and where everything lies in it.
//!
//! Spec: `schemas/spec/store.md`, which also says what is backed up and what never.

use super::durable;
use super::error::StoreError;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tally_schemas::id::{DepartmentId, Hash, Origin};

/// The data folder of a node, held by this process alone until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
    /// Locked for as long as it is open.
    _held: Arc<File>,
}

impl DataDir {
    /// Takes hold of a data folder, creating it if needed, and removes what a killed process left half written.
    ///
    /// # Errors
    /// Another process holds the folder, or it cannot be written.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        durable::create_dir(root)?;
        let path = root.join("in-use");
        let held = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        match held.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse {
                    path: root.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
        }
        let data = Self {
            root: root.to_owned(),
            _held: Arc::new(held),
        };
        let temporary = data.temporary();
        match fs::remove_dir_all(&temporary) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("empty", &temporary)(error));
            }
            _ => durable::create_dir(&temporary)?,
        }
        Ok(data)
    }

    /// Returns the data folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder of the engine of an own log, with its local records.
    pub fn own_log(&self, origin: &Origin) -> PathBuf {
        self.root.join("own").join(folder_name(origin))
    }

    /// Returns the folder of the files of a log: a complete export.
    pub fn log_files(&self, origin: &Origin) -> PathBuf {
        self.root.join("logs").join(folder_name(origin))
    }

    /// Returns the file of the entries of a replica that no checkpoint held here covers yet.
    pub(crate) fn ahead(&self, origin: &Origin) -> PathBuf {
        self.root.join("ahead").join(folder_name(origin))
    }

    /// Returns the folder of the newest snapshot.
    pub fn snapshot(&self) -> PathBuf {
        self.root.join("snapshot")
    }

    /// Moves a file or folder to where damaged things are kept; returns where it went, or `None` when it was not there.
    ///
    /// # Errors
    /// The disk failed.
    pub(crate) fn move_aside(&self, path: &Path, name: &str) -> Result<Option<PathBuf>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let folder = self.set_aside();
        durable::create_dir(&folder)?;
        let names = (1u32..).map(|number| folder.join(format!("{name}.{number}")));
        for target in names {
            if !target.exists() {
                fs::rename(path, &target).map_err(StoreError::io("set aside", path))?;
                durable::sync_dir(&folder)?;
                if let Some(parent) = path.parent() {
                    durable::sync_dir(parent)?;
                }
                return Ok(Some(target));
            }
        }
        Ok(None)
    }

    /// Returns the signing lock of an own log.
    pub fn signing_lock(&self, origin: &Origin) -> PathBuf {
        self.root.join("lock").join(folder_name(origin))
    }

    /// Returns the folder of the detached parts of a department's log.
    pub fn parts(&self, department: &DepartmentId) -> PathBuf {
        self.root.join("parts").join(department.as_str())
    }

    /// Returns the file of one detached part.
    pub fn part(&self, department: &DepartmentId, commit: &Hash) -> PathBuf {
        let name = commit.to_hex();
        let shelf: String = name.chars().take(2).collect();
        self.parts(department).join(shelf).join(name)
    }

    /// Returns the folder of the evidence that logs forked.
    pub fn forks(&self) -> PathBuf {
        self.root.join("forks")
    }

    /// Returns the file of the evidence that a log forked at a size.
    pub fn fork(&self, origin: &Origin, size: u64) -> PathBuf {
        self.forks().join(format!("{}-{size}.json", folder_name(origin)))
    }

    /// Returns the folder of the openings that name which branch of a log stands.
    pub(crate) fn branches(&self) -> PathBuf {
        self.root.join("branches")
    }

    /// Returns the file of the opening that names which branch of a log stands.
    pub(crate) fn branch(&self, origin: &Origin) -> PathBuf {
        self.branches().join(folder_name(origin))
    }

    /// Returns the folder to which damaged folders are moved instead of being deleted.
    pub fn set_aside(&self) -> PathBuf {
        self.root.join("set-aside")
    }

    /// Returns the folder of files that are not whole yet; emptied when the data folder is opened.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }
}

/// Returns the name of the folder of a log: `<department>-<epoch>`; one data folder serves one federation.
pub fn folder_name(origin: &Origin) -> String {
    format!("{}-{}", origin.department, origin.epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;

    #[test]
    fn a_data_folder_has_one_holder() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::open(dir.path()).unwrap();
        assert_matches!(DataDir::open(dir.path()), Err(StoreError::InUse { .. }));
        drop(held);
        assert_matches!(DataDir::open(dir.path()), Ok(_));
    }

    #[test]
    fn half_written_files_are_gone_after_opening() {
        let dir = tempfile::tempdir().unwrap();
        let left = DataDir::open(dir.path()).unwrap().temporary().join("7");
        fs::write(&left, b"half").unwrap();
        DataDir::open(dir.path()).unwrap();
        assert!(!left.exists());
    }
}
