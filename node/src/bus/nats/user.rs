//! Who the node is towards a NATS server: NKey or credentials, and the certificates that the connection rests on.

use super::subjects::Names;
use crate::config::NatsSettings;
use async_nats::ConnectOptions;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The largest file of a seed, credentials or certificates in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// How many messages of one subscription may wait in memory before the client drops further ones.
const SUBSCRIPTION_MAX: usize = 4_096;
/// How many commands may wait in the client.
const CLIENT_COMMANDS_MAX: usize = 1_024;
/// The longest time between two attempts to connect.
const RECONNECT_MAX: Duration = Duration::from_secs(2);

/// Why a node cannot say to a NATS server who it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Others than the owner may read a secret.
    #[error("{} has mode {mode:03o}, expected 600: others on this machine could read it", path.display())]
    OpenMode {
        /// The file.
        path: PathBuf,
        /// The permission bits found.
        mode: u32,
    },
    /// The file is not what it should be.
    #[error("{} holds no {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
    },
    /// The node writes no log.
    #[error("the node hosts no department, so it has no place on the bus")]
    NoLog,
    /// The operating system gave no thread.
    #[error("the operating system gave no threads for the bus")]
    Thread(#[source] std::io::Error),
}

fn read(path: &Path, secret: bool) -> Result<String, UserError> {
    let io = |source| UserError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(io)?;
    #[cfg(unix)]
    if secret {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(UserError::OpenMode {
                path: path.to_owned(),
                mode,
            });
        }
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(io)?;
    Ok(text)
}

fn certificates(path: &Path, mark: &str, secret: bool, expected: &'static str) -> Result<(), UserError> {
    let text = read(path, secret)?;
    let marked = text
        .lines()
        .any(|line| line.starts_with("-----BEGIN ") && line.contains(mark));
    if marked {
        return Ok(());
    }
    Err(UserError::Format {
        path: path.to_owned(),
        expected,
    })
}

/// Reads what the settings name and prepares a connection that never gives up.
///
/// # Errors
/// A file that cannot be read, that others may read, or that is not what it should be.
pub(super) fn options(settings: &NatsSettings, names: &Names) -> Result<ConnectOptions, UserError> {
    let mut options = ConnectOptions::new();
    if let Some(path) = &settings.nkey {
        let seed = read(path, true)?;
        let is_user = seed.trim().starts_with("SU") && nkeys::KeyPair::from_seed(seed.trim()).is_ok();
        if !is_user {
            return Err(UserError::Format {
                path: path.clone(),
                expected: "seed of a user's NKey (SU..); `tally-node nats key FILE` makes one",
            });
        }
        options = options.nkey(seed.trim().to_owned());
    }
    if let Some(path) = &settings.credentials {
        let text = read(path, true)?;
        options = options.credentials(&text).map_err(|_| UserError::Format {
            path: path.clone(),
            expected: "credentials of a user",
        })?;
    }
    if let Some(path) = &settings.ca {
        certificates(path, "CERTIFICATE", false, "PEM certificate")?;
        options = options.add_root_certificates(path.clone());
    }
    if let Some((certificate, key)) = &settings.certificate {
        certificates(certificate, "CERTIFICATE", false, "PEM certificate")?;
        certificates(key, "PRIVATE KEY", true, "PEM private key")?;
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(options
        .require_tls(settings.tls)
        .name(format!("tally {}", names.consumer()))
        .custom_inbox_prefix(names.inbox())
        .retry_on_initial_connect()
        .max_reconnects(None)
        .reconnect_delay_callback(|attempt| {
            let delay = Duration::from_millis(20).saturating_mul(1 << attempt.min(7));
            delay.min(RECONNECT_MAX)
        })
        .connection_timeout(Duration::from_secs(5))
        .ping_interval(Duration::from_secs(10))
        .subscription_capacity(SUBSCRIPTION_MAX)
        .client_capacity(CLIENT_COMMANDS_MAX))
}

/// Makes the NKey of a user: writes its seed to a new file, and returns its public key.
///
/// # Errors
/// A file that is there already or cannot be written.
pub fn make_key(path: &Path) -> Result<String, UserError> {
    use std::io::Write as _;
    let io = |source| UserError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    };
    let pair = nkeys::KeyPair::new_user();
    let seed = pair.seed().map_err(|error| io(std::io::Error::other(error)))?;
    let mut open = std::fs::OpenOptions::new();
    open.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        open.mode(0o600);
    }
    let mut file = open.open(path).map_err(io)?;
    writeln!(file, "{seed}")
        .and_then(|()| file.sync_all())
        .map_err(io)?;
    Ok(pair.public_key())
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use tally_schemas::id::{FederationId, NodeId};

    fn settings(nkey: PathBuf) -> NatsSettings {
        NatsSettings {
            servers: vec!["nats://127.0.0.1:1".to_owned()],
            nkey: Some(nkey),
            credentials: None,
            ca: None,
            certificate: None,
            tls: false,
        }
    }

    #[test]
    fn a_seed_is_made_once_read_back_and_refused_when_others_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let federation = FederationId::parse("xian-0123456789abcdef").unwrap();
        let names = Names::new(&federation, &NodeId::parse("hall").unwrap());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus.nk");
        let public = make_key(&path).unwrap();
        assert!(public.starts_with('U'), "{public}");
        assert_matches!(make_key(&path), Err(UserError::Io { .. }));
        assert_matches!(options(&settings(path.clone()), &names), Ok(_));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_matches!(
            options(&settings(path.clone()), &names),
            Err(UserError::OpenMode { mode: 0o640, .. })
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let seed = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, seed.replacen("SU", "SA", 1)).unwrap();
        assert_matches!(options(&settings(path), &names), Err(UserError::Format { .. }));
    }
}
