//! What the commands of one run share: settings, passphrase, the officer's key.

use super::arguments::Global;
use super::error::{Failure, Outcome, file_failure};
use super::output::Output;
use crate::keystore::{self, Holder, KeystoreError, NamedKey, Passphrase};
use crate::node::NodeClient;
use crate::settings::{Settings, SettingsError};
use crate::texts::Language;
use crate::verify::Trust;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tally_schemas::api::{self, Answer, FederationBody, RosterBody};
use tally_schemas::time::Timestamp;

/// The settings of a run.
pub struct Session {
    /// Settings file, variables and flags laid over each other.
    pub settings: Settings,
    passphrase: Option<String>,
    passphrase_file: Option<PathBuf>,
}

/// A node that was checked against the genesis.
pub struct Connection {
    /// The node.
    pub node: NodeClient,
    /// What is believed.
    pub trust: Trust,
    /// The federation as the node tells it.
    pub federation: FederationBody,
    /// The time: this machine's, or that of the trial.
    pub now: Timestamp,
}

impl Connection {
    /// Returns how far the federation's local time is ahead of UTC, by the registrar's profile.
    pub fn offset_minutes(&self) -> i32 {
        let registry = self.trust.registry();
        registry
            .profile_of(&registry.genesis().registrar)
            .map_or(0, |profile| profile.zone.offset_minutes)
    }
}

impl Connection {
    /// Returns the posts of a department by id, each as name and id; empty where the node does not tell.
    pub fn post_names(&self, department: &str, language: Language) -> BTreeMap<String, String> {
        let path = api::fill(api::path::ROSTER, &[department]);
        let roster: Result<Answer<RosterBody>, _> = self.node.read(&path);
        let posts = roster.map(|answer| answer.data.posts).unwrap_or_default();
        let named = posts.into_iter().map(|post| {
            let name = match language {
                Language::En => post.name_en,
                Language::Zh => post.name_zh,
            };
            let shown = if name.is_empty() || name == post.id {
                post.id.clone()
            } else {
                format!("{name} ({})", post.id)
            };
            (post.id, shown)
        });
        named.collect()
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        match &error {
            SettingsError::Io { path, source } => file_failure(path, source),
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
            .settings
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

    /// Makes a session of settings alone.
    pub(super) fn of(settings: Settings) -> Self {
        Self {
            settings,
            passphrase: None,
            passphrase_file: None,
        }
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

    /// Returns the node of the settings.
    ///
    /// # Errors
    /// No node named.
    pub fn node(&self) -> Outcome<NodeClient> {
        let base = self.settings.node.as_deref();
        base.map(NodeClient::new)
            .ok_or_else(|| Failure::invalid("error.no-node").hint("hint.no-node"))
    }

    /// Trusts the genesis of the settings.
    ///
    /// # Errors
    /// No genesis named, or one that founds nothing.
    pub fn trust(&self) -> Outcome<Trust> {
        let path = self
            .settings
            .genesis
            .as_deref()
            .ok_or_else(|| Failure::invalid("error.no-trust").hint("hint.no-trust"))?;
        let bytes = std::fs::read(path).map_err(|error| file_failure(path, &error))?;
        Ok(Trust::in_genesis(&bytes)?)
    }

    /// Connects to the node, and verifies that it belongs to the federation that is trusted; learns what governance changed since.
    ///
    /// # Errors
    /// No node, no genesis, no answer, or another federation.
    pub fn connect(&self) -> Outcome<Connection> {
        let node = self.node()?;
        let mut trust = self.trust()?;
        let answer: Answer<FederationBody> = node.read(api::path::FEDERATION)?;
        let (expected, got) = (trust.registry().federation().to_string(), answer.data.id.clone());
        if expected != got {
            return Err(Failure::invalid("error.other-federation")
                .with("got", got)
                .with("expected", expected));
        }
        if answer.data.registry > 0 {
            let registrar = trust.registry().genesis().registrar.clone();
            trust.learn_governance(&node.standing_logs(&registrar)?)?;
        }
        // The clock of a trial is set by its scenario; everywhere else this machine's own clock counts.
        let now = if trust.registry().genesis().trial {
            Timestamp::parse(&answer.as_of)?
        } else {
            self.now()
        };
        Ok(Connection {
            node,
            trust,
            federation: answer.data,
            now,
        })
    }

    /// Connects and opens the officer's key; every request from then on carries the officer's token.
    ///
    /// # Errors
    /// As for [`Self::connect`] and [`Self::key`]; a key of another federation.
    pub fn sign_in(&self, output: &Output) -> Outcome<(Connection, NamedKey, Holder)> {
        let mut connection = self.connect()?;
        let key = self.key(output)?;
        let holder = key
            .holder()
            .filter(|holder| holder.federation == *connection.trust.registry().federation())
            .ok_or_else(|| Failure::invalid("error.other-key").with("name", key.name()))?;
        let node = connection.federation.node.clone();
        connection.node.authorise(&key, &node, connection.now)?;
        Ok((connection, key, holder))
    }

    /// Says whether the officer's key opens without asking anybody.
    pub fn opens_silently(&self) -> bool {
        self.settings.key.is_some() && (self.passphrase.is_some() || self.passphrase_file.is_some())
    }

    /// Returns whose key the settings name; needs no passphrase.
    pub fn key_holder(&self) -> Option<Holder> {
        let path = self.settings.key.as_deref()?;
        keystore::holder_of(&keystore::read(path).ok()?.name)
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
