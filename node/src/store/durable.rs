//! Writing files so that they are whole and still there after a power cut.
//!
//! A new file is written under a temporary name in a folder of its own on the same file system, synced, renamed into place, and the
//! folders that changed are synced: a reader sees the old file or the new one, never a part, and no temporary name ever stands
//! in a folder that is an export.

use super::error::StoreError;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Creates a folder and those above it, and syncs each folder in which a name was added.
pub(crate) fn create_dir(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = parent_of(path) {
        create_dir(parent)?;
        match fs::create_dir(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) => return Err(StoreError::io("create folder", path)(error)),
            Ok(()) => {}
        }
        return sync_dir(parent);
    }
    fs::create_dir(path).map_err(StoreError::io("create folder", path))
}

/// Syncs a folder, so that names added, renamed or removed in it survive a power cut.
pub(crate) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(StoreError::io("sync folder", path))
}

/// Returns the folder that holds a path; a bare name lies in the current folder.
fn parent_of(path: &Path) -> Option<&Path> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(Path::new(".")),
        other => other,
    }
}

/// Reads a whole file of at most so many bytes; `None` when it is not there.
pub(crate) fn read_capped(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("open", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(StoreError::io("read", path))?;
    Ok(Some(bytes))
}

/// Files to be written together: each is whole when its name appears, and all are durable when [`Batch::commit`] returns.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    temporary: &'a Path,
    written: Vec<(PathBuf, PathBuf)>,
}

impl<'a> Batch<'a> {
    /// Starts a batch; `temporary` is a folder on the same file system, used by this process alone.
    pub(crate) fn new(temporary: &'a Path) -> Self {
        Self {
            temporary,
            written: Vec::new(),
        }
    }

    /// Writes and syncs one file under a temporary name.
    pub(crate) fn write(&mut self, target: PathBuf, pieces: &[&[u8]]) -> Result<(), StoreError> {
        let name = temporary_name(self.temporary);
        self.written.push((name.clone(), target));
        let mut file = File::create(&name).map_err(StoreError::io("create", &name))?;
        for piece in pieces {
            file.write_all(piece).map_err(StoreError::io("write", &name))?;
        }
        file.sync_data().map_err(StoreError::io("sync", &name))
    }

    /// Gives every file its name and syncs the folders, in the order in which the files were written.
    pub(crate) fn commit(mut self) -> Result<(), StoreError> {
        let mut folders = BTreeSet::new();
        let written: Vec<(Temporary, PathBuf)> = self
            .written
            .drain(..)
            .map(|(name, target)| (Temporary(name), target))
            .collect();
        for (name, target) in written {
            if let Some(folder) = parent_of(&target) {
                create_dir(folder)?;
                folders.insert(folder.to_owned());
            }
            fs::rename(&name.0, &target).map_err(StoreError::io("rename into place", &target))?;
        }
        folders.iter().try_for_each(|folder| sync_dir(folder))
    }
}

impl Drop for Batch<'_> {
    /// What was not given its name would fill a full disk until the next start.
    fn drop(&mut self) {
        for (name, _) in self.written.drain(..) {
            drop(Temporary(name));
        }
    }
}

/// The path of a temporary file; if it is still there when this is dropped, it goes.
#[derive(Debug)]
pub(crate) struct Temporary(pub(crate) PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // It has its name by now, or was never made.
        let _gone = fs::remove_file(&self.0);
    }
}

/// Returns a path that no other writer of this process uses.
pub(crate) fn temporary_name(temporary: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    temporary.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string())
}

/// Writes one file durably.
pub(crate) fn write_file(temporary: &Path, target: PathBuf, pieces: &[&[u8]]) -> Result<(), StoreError> {
    let mut batch = Batch::new(temporary);
    batch.write(target, pieces)?;
    batch.commit()
}

/// Gives a folder its name, durably; what had the name before must be an empty folder or nothing.
pub(crate) fn move_folder(from: &Path, to: &Path) -> Result<(), StoreError> {
    let parent = parent_of(to).unwrap_or(Path::new("."));
    create_dir(parent)?;
    match fs::remove_dir(to) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(StoreError::io("make room for a folder at", to)(error));
        }
        _ => {}
    }
    fs::rename(from, to).map_err(StoreError::io("rename into place", to))?;
    sync_dir(parent)
}

/// Removes a file if it is there; says whether it was.
pub(crate) fn remove_file(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("remove", path)(error)),
    }
}

/// Removes a folder with everything in it, if it is there.
pub(crate) fn remove_folder(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Returns the names in a folder, sorted; none when the folder is not there. A name that is not UTF-8 is shown lossily.
pub(crate) fn names_in(path: &Path) -> Result<Vec<String>, StoreError> {
    let listing = match fs::read_dir(path) {
        Ok(listing) => listing,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("list", path)(error)),
    };
    let mut names = Vec::new();
    for item in listing {
        let item = item.map_err(StoreError::io("list", path))?;
        names.push(item.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
