//! What the commands of one run share: settings, passphrase, the officer's key.

use super::arguments::Global;
use super::error::{Failure, Outcome};
use super::output::Output;
use crate::keystore::{self, KeystoreError, NamedKey, Passphrase};
use crate::settings::{Settings, SettingsError};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tally_schemas::time::Timestamp;

/// The settings of a run.
pub struct Session {
    /// Settings file, variables and flags laid over each other.
    pub settings: Settings,
    passphrase: Option<String>,
    passphrase_file: Option<PathBuf>,
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        match &error {
            SettingsError::Io { path, source } => super::error::file_failure(path, source),
            SettingsError::Form { path, why } => Self::invalid("error.settings")
                .with("path", path.display())
                .detail(why),
        }
    }
}

impl Session {
    /// Lays flags over variables over the settings file (`--as`, `TALLY_AS`, `~/.config/tally/officer.toml`).
    pub(super) fn open(global: &Global, variable: &dyn Fn(&str) -> Option<String>) -> Outcome<Self> {
        let path = |name: &str| {
            variable(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let default = path("HOME").map(|home| home.join(".config/tally/officer.toml"));
        let file = global
            .officer
            .clone()
            .or_else(|| path("TALLY_AS"))
            .or_else(|| default.filter(|path| path.exists()));
        let mut settings = match file {
            Some(file) => Settings::read(&file)?,
            None => Settings::default(),
        };
        let node = global.node.clone().or_else(|| variable("TALLY_NODE"));
        let key = global.key.clone().or_else(|| path("TALLY_KEY"));
        let genesis = global.trust.clone().or_else(|| path("TALLY_TRUST"));
        settings.node = node.or(settings.node);
        settings.key = key.or(settings.key);
        settings.genesis = genesis.or(settings.genesis);
        Ok(Self {
            settings,
            passphrase: variable("TALLY_PASSPHRASE"),
            passphrase_file: global.passphrase_file.clone(),
        })
    }

    /// Returns the time of this machine.
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Timestamp::default().plus_ms(ms)
    }

    /// Returns the passphrase: the variable, the file, or typed.
    ///
    /// # Errors
    /// No passphrase given and nobody to ask.
    pub fn passphrase(&self, path: &Path, output: &Output) -> Result<Passphrase, KeystoreError> {
        if let Some(text) = &self.passphrase {
            return Ok(Passphrase::new(text.clone()));
        }
        if let Some(file) = &self.passphrase_file {
            return Passphrase::read_file(file);
        }
        let missing = || KeystoreError::NoPassphrase {
            path: path.to_owned(),
        };
        if !output.can_ask() {
            return Err(missing());
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let label = output
            .texts
            .fill("prompt.passphrase", &[("path", &name.unwrap_or_default())]);
        inquire::Password::new(&label)
            .without_confirmation()
            .prompt()
            .map(Passphrase::new)
            .map_err(|_| missing())
    }

    /// Asks for a new passphrase, twice where a person types it.
    ///
    /// # Errors
    /// No passphrase given and nobody to ask.
    pub fn new_passphrase(&self, path: &Path, output: &Output) -> Result<Passphrase, KeystoreError> {
        if self.passphrase.is_some() || self.passphrase_file.is_some() || !output.can_ask() {
            return self.passphrase(path, output);
        }
        let texts = output.texts;
        inquire::Password::new(texts.say("prompt.passphrase-new"))
            .with_custom_confirmation_message(texts.say("prompt.passphrase-again"))
            .with_custom_confirmation_error_message(texts.say("prompt.passphrase-differs"))
            .prompt()
            .map(Passphrase::new)
            .map_err(|_| KeystoreError::NoPassphrase {
                path: path.to_owned(),
            })
    }

    /// Opens the officer's key.
    ///
    /// # Errors
    /// No key named, or one that does not open.
    pub fn key(&self, output: &Output) -> Outcome<NamedKey> {
        let path = self
            .settings
            .key
            .as_deref()
            .ok_or_else(|| Failure::invalid("error.no-key").hint("hint.no-key"))?;
        Ok(keystore::open(path, || self.passphrase(path, output))?)
    }
}
