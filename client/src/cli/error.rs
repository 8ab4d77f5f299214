//! What went wrong, for people: family, text, hint. The one place where library errors become exit codes.

use crate::draft::value::Unfit;
use crate::keystore::KeystoreError;
use crate::texts::{Texts, fill};
use std::error::Error;
use std::fmt::Display;
use tally_schemas::FormatError;

/// Who reacts how to a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A rule said no.
    Refusal,
    /// What was typed or read is not usable.
    Invalid,
    /// A node or file could not be reached; trying again may help.
    Unavailable,
    /// Something is damaged, forged or a bug.
    Corrupt,
}

impl Family {
    /// Returns the exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Refusal => 1,
            Self::Invalid => 2,
            Self::Unavailable => 3,
            Self::Corrupt => 70,
        }
    }

    /// Returns the name in `--json` output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refusal => "refusal",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
        }
    }
}

#[derive(Debug, Clone)]
enum Detail {
    Text(String),
    Unfit(Unfit),
}

type Values = Vec<(&'static str, String)>;

/// A failure of a command.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its family.
    pub family: Family,
    /// The key of its text.
    pub key: &'static str,
    /// What fills the placeholders of the texts.
    values: Values,
    /// What a library or a node said, in its own words.
    detail: Option<Detail>,
    /// The key of the hint.
    hint: Option<&'static str>,
}

impl Failure {
    /// Makes a failure of a family.
    pub fn new(family: Family, key: &'static str) -> Self {
        Self {
            family,
            key,
            values: Vec::new(),
            detail: None,
            hint: None,
        }
    }

    /// Makes a failure by unusable input.
    pub fn invalid(key: &'static str) -> Self {
        Self::new(Family::Invalid, key)
    }

    /// Makes a failure by something out of reach.
    pub fn unavailable(key: &'static str) -> Self {
        Self::new(Family::Unavailable, key)
    }

    /// Makes a refusal.
    pub fn refusal(key: &'static str) -> Self {
        Self::new(Family::Refusal, key)
    }

    /// Makes a failure by damage or forgery.
    pub fn corrupt(key: &'static str) -> Self {
        Self::new(Family::Corrupt, key)
    }

    /// Fills a placeholder of text and hint.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.values.push((name, value.to_string()));
        self
    }

    /// Adds what a library or a node said.
    #[must_use]
    pub fn detail(mut self, text: impl Display) -> Self {
        self.detail = Some(Detail::Text(text.to_string()));
        self
    }

    /// Adds why a value does not fit.
    #[must_use]
    pub fn unfit(mut self, why: Unfit) -> Self {
        self.detail = Some(Detail::Unfit(why));
        self
    }

    /// Adds a chain of errors.
    #[must_use]
    pub fn chain(self, error: &dyn Error) -> Self {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            text.push_str(": ");
            text.push_str(&source.to_string());
            next = source.source();
        }
        self.detail(text)
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, key: &'static str) -> Self {
        self.hint = Some(key);
        self
    }

    /// Returns the text in a language.
    pub fn message(&self, texts: Texts) -> String {
        let text = fill(texts.say(self.key), &self.pairs());
        match &self.detail {
            Some(Detail::Text(detail)) => format!("{text}: {detail}"),
            Some(Detail::Unfit(why)) => format!("{text}: {}", why.message(texts)),
            None => text,
        }
    }

    /// Returns the hint in a language.
    pub fn hint_text(&self, texts: Texts) -> Option<String> {
        self.hint.map(|key| fill(texts.say(key), &self.pairs()))
    }

    fn pairs(&self) -> Vec<(&str, &dyn Display)> {
        self.values
            .iter()
            .map(|(name, value)| (*name, value as &dyn Display))
            .collect()
    }
}

/// What commands return.
pub type Outcome<T = ()> = Result<T, Failure>;

impl From<KeystoreError> for Failure {
    fn from(error: KeystoreError) -> Self {
        match &error {
            KeystoreError::Exists { path } => Self::invalid("error.key-exists")
                .with("path", path.display())
                .hint("hint.key-exists"),
            KeystoreError::Io { path, source } => Self::invalid("error.file")
                .with("path", path.display())
                .detail(source),
            KeystoreError::OpenMode { path, mode } => Self::invalid("error.key-mode")
                .with("path", path.display())
                .with("mode", format!("{mode:03o}"))
                .hint("hint.key-mode"),
            KeystoreError::Format { path, source } => Self::invalid("error.key-form")
                .with("path", path.display())
                .chain(source),
            KeystoreError::WrongPassphrase { path } => Self::invalid("error.passphrase-wrong")
                .with("path", path.display())
                .hint("hint.passphrase"),
            KeystoreError::NoPassphrase { path } => Self::invalid("error.passphrase-missing")
                .with("path", path.display())
                .hint("hint.passphrase"),
            KeystoreError::EmptyPassphrase { path } => {
                Self::invalid("error.passphrase-empty").with("path", path.display())
            }
            KeystoreError::Mismatch { path } => {
                Self::corrupt("error.key-mismatch").with("path", path.display())
            }
            KeystoreError::Random => Self::unavailable("error.random"),
        }
    }
}

impl From<FormatError> for Failure {
    fn from(error: FormatError) -> Self {
        Self::invalid("error.format").detail(error)
    }
}

/// Makes the failure of a file that could not be read or written.
pub fn file_failure(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::invalid("error.file")
        .with("path", path.display())
        .detail(error)
}
