//! The keys of a trial federation, opened from its folder as they are needed.

use crate::keystore::{self, KeystoreError, NamedKey, Passphrase, WorkFactor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tally_schemas::id::{DepartmentId, FederationId, OfficerId};
use tally_schemas::key_file::officer_key_name;

/// The folder `keys/` of a trial.
#[derive(Debug)]
pub struct KeyFolder {
    folder: PathBuf,
    federation: FederationId,
    passphrase: Passphrase,
    opened: BTreeMap<PathBuf, NamedKey>,
}

impl KeyFolder {
    /// Names the folder; nothing is opened yet.
    pub fn new(folder: &Path, federation: FederationId, passphrase: Passphrase) -> Self {
        Self {
            folder: folder.to_owned(),
            federation,
            passphrase,
            opened: BTreeMap::new(),
        }
    }

    /// Opens an officer's key.
    ///
    /// # Errors
    /// A key that is not there or does not open.
    pub fn open(
        &mut self,
        department: &DepartmentId,
        officer: &OfficerId,
    ) -> Result<&NamedKey, KeystoreError> {
        let path = self.folder.join(keystore::officer_file_name(department, officer));
        match self.opened.entry(path) {
            std::collections::btree_map::Entry::Occupied(held) => Ok(held.into_mut()),
            std::collections::btree_map::Entry::Vacant(free) => {
                let passphrase = &self.passphrase;
                let key = keystore::open(free.key(), || Ok(passphrase.clone()))?;
                Ok(free.insert(key))
            }
        }
    }

    /// Makes a key for an officer who is enrolled during the play.
    ///
    /// # Errors
    /// A key file that exists already or cannot be written.
    pub fn make(
        &mut self,
        department: &DepartmentId,
        officer: &OfficerId,
    ) -> Result<&NamedKey, KeystoreError> {
        let path = self.folder.join(keystore::officer_file_name(department, officer));
        let name = officer_key_name(&self.federation, department, officer);
        let seed = keystore::new_seed()?;
        let key = keystore::write_sealed(&path, &name, &seed, &self.passphrase, WorkFactor::Trial)?;
        Ok(self.opened.entry(path).or_insert(key))
    }
}
