//! Key files on this machine: written with mode 0600, sealed with a passphrase, refused when others could read them.
//!
//! The form is `schemas/spec/key-file.md`. Keys of people are sealed by an age scrypt recipient; keys of daemons rest in the
//! clear, guarded by their mode alone. What was opened is wiped from memory when dropped.

use age::secrecy::SecretString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use tally_ledger::crypto::{PublicKey, SigningKey, sign_note};
use tally_schemas::FormatError;
use tally_schemas::id::{DepartmentId, FederationId, OfficerId};
use tally_schemas::key_file::{KeyFile, Sealed};
use tally_schemas::limits::KEY_FILE_BYTES_MAX;
use tally_schemas::note::SignatureLine;
use zeroize::Zeroizing;

/// Why a key file could not be written, read or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// The file exists already and is never overwritten.
    #[error("key file {} exists already and is never overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be read or written.
    #[error("key file {} could not be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Others than the owner may read or write the file.
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
    /// The passphrase does not open the file.
    #[error("the passphrase does not open key file {}", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The file is sealed and no passphrase was given.
    #[error("key file {} is sealed and no passphrase was given", path.display())]
    NoPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase file is empty.
    #[error("passphrase file {} is empty", path.display())]
    EmptyPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The seed does not belong to the public key that the file states.
    #[error("key file {} states another public key than its seed has; it was damaged or changed", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
}

/// How hard guessing a passphrase is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkFactor {
    /// About half a second and 128 MiB for each guess.
    Full,
    /// A millisecond: for trial federations, whose keys guard nothing.
    Trial,
}

impl WorkFactor {
    fn log_n(self) -> u8 {
        match self {
            Self::Full => 17,
            Self::Trial => 8,
        }
    }
}

/// The hardest work factor that is opened: 1 GiB of memory; a file that asks for more is no file of ours.
const LOG_N_MAX: u8 = 20;

/// A passphrase; wiped from memory when dropped, never printed.
#[derive(Clone)]
pub struct Passphrase(SecretString);

impl Passphrase {
    /// Takes a passphrase as typed.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// Reads the first line of a file that only its owner can read.
    ///
    /// # Errors
    /// A file that cannot be read, that others can read, or that is empty.
    pub fn read_file(path: &Path) -> Result<Self, KeystoreError> {
        let text = read_private(path)?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(KeystoreError::EmptyPassphrase {
                path: path.to_owned(),
            });
        }
        Ok(Self::new(line.to_owned()))
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Passphrase(not shown)")
    }
}

/// A secret key under the name with which it signs.
#[derive(Debug, Clone)]
pub struct NamedKey {
    name: String,
    key: SigningKey,
}

impl NamedKey {
    /// Names a key.
    pub fn new(name: String, key: SigningKey) -> Self {
        Self { name, key }
    }

    /// Returns the name in signature lines.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the public key.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// Signs the text of a note.
    ///
    /// # Errors
    /// A text that cannot be that of a note.
    pub fn sign(&self, text: &str) -> Result<SignatureLine, FormatError> {
        sign_note(text, &self.name, &self.key)
    }

    /// Returns whose key it is; none for the keys of logs and nodes.
    pub fn holder(&self) -> Option<Holder> {
        holder_of(&self.name)
    }
}

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The federation.
    pub federation: FederationId,
    /// The department.
    pub department: DepartmentId,
    /// The officer or administrator.
    pub officer: OfficerId,
}

/// Splits the name of an officer's key.
pub fn holder_of(key_name: &str) -> Option<Holder> {
    let mut parts = key_name.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(federation), Some(department), Some(officer), None) => Some(Holder {
            federation: FederationId::parse(federation).ok()?,
            department: DepartmentId::parse(department).ok()?,
            officer: OfficerId::parse(officer).ok()?,
        }),
        _ => None,
    }
}

/// Returns the name of the file that holds an officer's key.
pub fn officer_file_name(department: &DepartmentId, officer: &OfficerId) -> String {
    format!("{department}-{officer}.key")
}

/// Makes a seed from the random source of the operating system.
///
/// # Errors
/// A system without random source.
pub fn new_seed() -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
    let mut seed = Zeroizing::new([0u8; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|_| KeystoreError::Random)?;
    Ok(seed)
}

/// Writes a key sealed with a passphrase: an officer's or administrator's.
///
/// # Errors
/// A file that exists already or cannot be written.
pub fn write_sealed(
    path: &Path,
    name: &str,
    seed: &[u8; 32],
    passphrase: &Passphrase,
    work: WorkFactor,
) -> Result<NamedKey, KeystoreError> {
    let mut recipient = age::scrypt::Recipient::new(passphrase.0.clone());
    recipient.set_work_factor(work.log_n());
    let sealed = age::encrypt(&recipient, seed).map_err(|error| KeystoreError::Io {
        path: path.to_owned(),
        source: std::io::Error::other(error),
    })?;
    write(path, name, seed, Sealed::Age(sealed))
}

/// Writes a key in the clear: a daemon's, which starts without a person.
///
/// # Errors
/// A file that exists already or cannot be written.
pub fn write_plain(path: &Path, name: &str, seed: &[u8; 32]) -> Result<NamedKey, KeystoreError> {
    write(path, name, seed, Sealed::None(*seed))
}

fn write(path: &Path, name: &str, seed: &[u8; 32], sealed: Sealed) -> Result<NamedKey, KeystoreError> {
    let key = SigningKey::from_seed(seed);
    let file = KeyFile {
        name: name.to_owned(),
        public_key: *key.public_key().as_bytes(),
        sealed,
    };
    write_private(path, file.to_text().as_bytes())?;
    Ok(NamedKey::new(name.to_owned(), key))
}

/// Reads the public part of a key file; needs no passphrase.
///
/// # Errors
/// A file that cannot be read, that others can read, or that is no key file.
pub fn read(path: &Path) -> Result<KeyFile, KeystoreError> {
    let text = read_private(path)?;
    KeyFile::parse_text(&text).map_err(|source| KeystoreError::Format {
        path: path.to_owned(),
        source,
    })
}

/// Opens a key file. The passphrase is asked for only when the file is sealed.
///
/// # Errors
/// As for [`read`]; a passphrase that does not fit; a seed that is not that of the stated public key.
pub fn open(
    path: &Path,
    passphrase: impl FnOnce() -> Result<Passphrase, KeystoreError>,
) -> Result<NamedKey, KeystoreError> {
    let file = read(path)?;
    let seed = match &file.sealed {
        Sealed::None(seed) => Zeroizing::new(*seed),
        Sealed::Age(bytes) => {
            let mut identity = age::scrypt::Identity::new(passphrase()?.0);
            identity.set_max_work_factor(LOG_N_MAX);
            let wrong = || KeystoreError::WrongPassphrase {
                path: path.to_owned(),
            };
            let opened = Zeroizing::new(age::decrypt(&identity, bytes).map_err(|_| wrong())?);
            let array = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| KeystoreError::Mismatch {
                path: path.to_owned(),
            })?;
            Zeroizing::new(array)
        }
    };
    let key = SigningKey::from_seed(&seed);
    if *key.public_key().as_bytes() == file.public_key {
        Ok(NamedKey::new(file.name, key))
    } else {
        Err(KeystoreError::Mismatch {
            path: path.to_owned(),
        })
    }
}

/// Writes a file that only its owner can read; never over another one; synced before it returns.
///
/// # Errors
/// A file that exists already or cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeystoreError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let told = |source: std::io::Error| {
        let path = path.to_owned();
        match source.kind() {
            std::io::ErrorKind::AlreadyExists => KeystoreError::Exists { path },
            _ => KeystoreError::Io { path, source },
        }
    };
    let mut file = options.open(path).map_err(told)?;
    file.write_all(bytes).map_err(told)?;
    file.sync_all().map_err(told)
}

fn read_private(path: &Path) -> Result<Zeroizing<String>, KeystoreError> {
    let told = |source: std::io::Error| KeystoreError::Io {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(told)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(told)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeystoreError::OpenMode {
                path: path.to_owned(),
                mode,
            });
        }
    }
    let mut text = Zeroizing::new(String::new());
    file.take(KEY_FILE_BYTES_MAX as u64 + 1)
        .read_to_string(&mut text)
        .map_err(told)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use std::os::unix::fs::PermissionsExt as _;

    const NAME: &str = "trial-0123456789abcdef/housing/o-01";

    fn word(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    fn sealed_in(folder: &Path) -> PathBuf {
        let path = folder.join("housing-o-01.key");
        write_sealed(&path, NAME, &[5; 32], &word("river stone"), WorkFactor::Trial).unwrap();
        path
    }

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_and_signs() {
        let folder = tempfile::tempdir().unwrap();
        let path = sealed_in(folder.path());
        let key = open(&path, || Ok(word("river stone"))).unwrap();
        let expected = SigningKey::from_seed(&[5; 32]);
        assert_eq!(key.public_key(), expected.public_key());
        assert_eq!(
            key.sign("text\n").unwrap(),
            sign_note("text\n", NAME, &expected).unwrap()
        );
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let holder = key.holder().unwrap();
        assert_eq!(
            (holder.department.as_str(), holder.officer.as_str()),
            ("housing", "o-01")
        );
    }

    #[test]
    fn the_public_part_is_read_without_passphrase_and_the_seed_is_not_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = sealed_in(folder.path());
        let file = read(&path).unwrap();
        assert_eq!(file.name, NAME);
        assert_eq!(
            file.public_key,
            *SigningKey::from_seed(&[5; 32]).public_key().as_bytes()
        );
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&tally_schemas::id::Hash([5; 32]).to_base64()));
    }

    #[test]
    fn refuses_a_wrong_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let path = sealed_in(folder.path());
        assert_matches!(
            open(&path, || Ok(word("river  stone"))),
            Err(KeystoreError::WrongPassphrase { .. })
        );
    }

    #[test]
    fn refuses_a_file_that_others_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = sealed_in(folder.path());
        for mode in [0o640, 0o604, 0o660, 0o602] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_matches!(read(&path), Err(KeystoreError::OpenMode { mode: got, .. }) if got == mode);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(read(&path).is_ok());
    }

    #[test]
    fn never_overwrites_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = sealed_in(folder.path());
        let again = write_plain(&path, NAME, &[6; 32]);
        assert_matches!(again, Err(KeystoreError::Exists { .. }));
        assert!(open(&path, || Ok(word("river stone"))).is_ok());
    }

    #[test]
    fn refuses_a_seed_under_another_public_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.key");
        write_plain(&path, "log", &[6; 32]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let other = tally_schemas::id::Hash(*SigningKey::from_seed(&[7; 32]).public_key().as_bytes());
        let own = tally_schemas::id::Hash(*SigningKey::from_seed(&[6; 32]).public_key().as_bytes());
        fs::write(&path, text.replace(&own.to_base64(), &other.to_base64())).unwrap();
        assert_matches!(
            open(&path, || Err(KeystoreError::NoPassphrase {
                path: PathBuf::new()
            })),
            Err(KeystoreError::Mismatch { .. })
        );
    }

    #[test]
    fn a_passphrase_file_gives_its_first_line_and_must_be_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("word");
        write_private(&path, b"river stone\n").unwrap();
        let key = sealed_in(folder.path());
        assert!(open(&key, || Passphrase::read_file(&path)).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_matches!(Passphrase::read_file(&path), Err(KeystoreError::OpenMode { .. }));
    }
}
