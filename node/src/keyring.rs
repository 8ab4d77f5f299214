//! The secret keys of a daemon: one for its requests to other nodes, one for the log of each department hosted here.
//!
//! Reads plain key files only: a daemon starts without a person who could type a passphrase. Spec: `schemas/spec/key-file.md`.

use crate::config::Settings;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tally_ledger::crypto::SigningKey;
use tally_schemas::FormatError;
use tally_schemas::id::{DepartmentId, FederationId, Origin};
use tally_schemas::key_file::{KeyFile, Sealed, transport_key_name};
use tally_schemas::limits::KEY_FILE_BYTES_MAX;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The file cannot be read.
    #[error("cannot read key file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Others than the owner may read the file.
    #[error("key file {} has mode {mode:03o}, expected 600: others on this machine could read it", path.display())]
    OpenMode {
        /// The file.
        path: PathBuf,
        /// The permission bits found.
        mode: u32,
    },
    /// The file is no key file.
    #[error("{} is no key file", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: FormatError,
    },
    /// The key is sealed with a passphrase.
    #[error("key file {} is sealed with a passphrase; a node needs a key that opens without a person", path.display())]
    IsSealed {
        /// The file.
        path: PathBuf,
    },
    /// The key has another name.
    #[error("key file {} is the key of {got}, expected {expected}", path.display())]
    OtherName {
        /// The file.
        path: PathBuf,
        /// The name found.
        got: String,
        /// The name expected.
        expected: String,
    },
    /// The seed does not belong to the public key that the file states.
    #[error("key file {} states another public key than its seed has; it was damaged or changed", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
    },
}

/// The keys of a node, opened.
#[derive(Debug, Clone)]
pub struct Keyring {
    /// The key that signs requests to other nodes.
    pub transport: SigningKey,
    /// The keys that sign the checkpoints of the logs, by department.
    pub logs: BTreeMap<DepartmentId, SigningKey>,
}

impl Keyring {
    /// Opens the keys that a configuration names.
    ///
    /// # Errors
    /// A key file that cannot be read or is not the one expected.
    pub fn open(settings: &Settings, federation: &FederationId) -> Result<Self, KeyringError> {
        let transport = open_key(&settings.transport_key, &transport_key_name(&settings.node))?;
        let mut logs = BTreeMap::new();
        for (department, path) in &settings.log_keys {
            let first = first_origin(federation, department);
            let key = match open_key(path, &first.to_string()) {
                // The key of a later epoch has the name of that log.
                Err(KeyringError::OtherName { got, .. }) if is_later(&first, &got) => open_key(path, &got)?,
                opened => opened?,
            };
            logs.insert(department.clone(), key);
        }
        Ok(Self { transport, logs })
    }
}

/// Says whether a name is that of a log of the same department.
fn is_later(first: &Origin, name: &str) -> bool {
    Origin::parse(name)
        .is_ok_and(|other| other.federation == first.federation && other.department == first.department)
}

/// Returns the origin of the first epoch of a department's log.
pub fn first_origin(federation: &FederationId, department: &DepartmentId) -> Origin {
    Origin {
        federation: federation.clone(),
        department: department.clone(),
        epoch: 1,
    }
}

fn open_key(path: &Path, expected: &str) -> Result<SigningKey, KeyringError> {
    let io = |source| KeyringError::Io {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(io)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyringError::OpenMode {
                path: path.to_owned(),
                mode,
            });
        }
    }
    let mut text = String::new();
    file.take(KEY_FILE_BYTES_MAX as u64 + 1)
        .read_to_string(&mut text)
        .map_err(io)?;
    let file = KeyFile::parse_text(&text).map_err(|source| KeyringError::Format {
        path: path.to_owned(),
        source,
    })?;
    if file.name != expected {
        return Err(KeyringError::OtherName {
            path: path.to_owned(),
            got: file.name,
            expected: expected.to_owned(),
        });
    }
    let Sealed::None(seed) = file.sealed else {
        return Err(KeyringError::IsSealed {
            path: path.to_owned(),
        });
    };
    let key = SigningKey::from_seed(&seed);
    if *key.public_key().as_bytes() != file.public_key {
        return Err(KeyringError::Mismatch {
            path: path.to_owned(),
        });
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;

    fn write(path: &Path, file: &KeyFile, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(path, file.to_text()).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_opens_under_its_name_and_mode_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node-hall.key");
        let seed = [7; 32];
        let good = KeyFile {
            name: "node/hall".to_owned(),
            public_key: *SigningKey::from_seed(&seed).public_key().as_bytes(),
            sealed: Sealed::None(seed),
        };
        write(&path, &good, 0o600);
        assert!(open_key(&path, "node/hall").is_ok());
        assert_matches!(open_key(&path, "node/other"), Err(KeyringError::OtherName { .. }));
        write(&path, &good, 0o640);
        assert_matches!(
            open_key(&path, "node/hall"),
            Err(KeyringError::OpenMode { mode: 0o640, .. })
        );
        let sealed = KeyFile {
            sealed: Sealed::Age(vec![1]),
            ..good.clone()
        };
        write(&path, &sealed, 0o600);
        assert_matches!(open_key(&path, "node/hall"), Err(KeyringError::IsSealed { .. }));
        let other = KeyFile {
            sealed: Sealed::None([8; 32]),
            ..good
        };
        write(&path, &other, 0o600);
        assert_matches!(open_key(&path, "node/hall"), Err(KeyringError::Mismatch { .. }));
        assert_matches!(
            open_key(&dir.path().join("none"), "node/hall"),
            Err(KeyringError::Io { .. })
        );
    }
}
