//! The data folder of a node: who holds it, and where everything lies in it.
//!
//! Spec: `schemas/spec/store.md`, which also says what is backed up and what never.

use super::durable;
use super::error::StoreError;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tally_schemas::id::{DepartmentId, FederationId, Hash, Origin};

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

    /// Returns the newest log of a department hosted here, as far as the folder knows: also one that only peers gave back.
    pub fn newest_own(&self, federation: &FederationId, department: &DepartmentId) -> Origin {
        Origin {
            federation: federation.clone(),
            department: department.clone(),
            epoch: newest_epoch(&self.root, department, &["own", "lock", "logs"]),
        }
    }

    /// Sets the signing lock of an own log aside, so that nothing is signed in its epoch again; returns where it is.
    ///
    /// # Errors
    /// The disk failed.
    pub fn give_up_lock(&self, origin: &Origin) -> Result<Option<PathBuf>, StoreError> {
        self.move_aside(
            &self.signing_lock(origin),
            &format!("lock-{}", folder_name(origin)),
        )
    }

    /// Has the next start read every file of every log, since one was found damaged while it was read.
    pub(crate) fn ask_for_check(&self) {
        let path = self.check_all();
        if path.exists() {
            return;
        }
        match durable::write_file(&self.temporary(), path, &[]) {
            Ok(()) => tracing::error!(
                "a file of a log is damaged: restart the node, which then reads all of them, and writes again what is damaged or \
                 fetches it from peers"
            ),
            Err(error) => {
                tracing::error!(%error, "a file of a log is damaged: stop the node and run `tally-node fsck`");
            }
        }
    }

    /// Says whether a start has to read every file of every log.
    pub(crate) fn is_check_asked(&self) -> bool {
        self.check_all().exists()
    }

    /// Every file of every log was read.
    ///
    /// # Errors
    /// The disk failed.
    pub(crate) fn check_done(&self) -> Result<(), StoreError> {
        durable::remove_file(&self.check_all()).map(drop)
    }

    fn check_all(&self) -> PathBuf {
        self.root.join("check-all")
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

    /// Copies a file to where damaged things are kept.
    ///
    /// # Errors
    /// The disk failed.
    pub(crate) fn copy_aside(&self, path: &Path, name: &str) -> Result<(), StoreError> {
        let copy = durable::temporary_name(&self.temporary());
        let copy = durable::Temporary(copy);
        fs::copy(path, &copy.0).map_err(StoreError::io("copy", path))?;
        self.move_aside(&copy.0, name).map(drop)
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

/// Reads the department and the epoch from the name of the folder of a log.
pub(crate) fn parse_folder_name(name: &str) -> Option<(DepartmentId, u32)> {
    let (department, epoch) = name.rsplit_once('-')?;
    Some((
        DepartmentId::parse(department).ok()?,
        epoch.parse().ok().filter(|epoch| *epoch > 0)?,
    ))
}

/// Returns the newest epoch that a data folder has traces of as an own log of a department; 1 without any.
pub(crate) fn newest_signed_epoch(root: &Path, department: &DepartmentId) -> u32 {
    newest_epoch(root, department, &["own", "lock"])
}

fn newest_epoch(root: &Path, department: &DepartmentId, folders: &[&str]) -> u32 {
    let names = folders
        .iter()
        .flat_map(|folder| durable::names_in(&root.join(folder)).unwrap_or_default());
    let epochs = names.filter_map(|name| {
        let (named, epoch) = parse_folder_name(&name)?;
        (named == *department).then_some(epoch)
    });
    epochs.max().unwrap_or(1)
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
