//! What went wrong, for people: family, text, hint. The one place where library errors become exit codes.

use crate::draft::value::Unfit;
use crate::explain;
use crate::keystore::KeystoreError;
use crate::node::NodeError;
use crate::said;
use crate::texts::{Texts, fill};
use crate::verify::VerifyError;
use std::error::Error;
use std::fmt::Display;
use tally_ledger::fork::ForkError;
use tally_ledger::world::OpeningError;
use tally_schemas::FormatError;
use tally_schemas::api::{PossibleAct, RefusalBody};

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
    /// What a node refused with.
    refusal: Option<Box<RefusalBody>>,
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
            refusal: None,
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

    /// Keeps of what is possible instead what the reader's own department can do; all of it where that is nothing.
    #[must_use]
    pub fn read_in(mut self, department: Option<String>) -> Self {
        if let (Some(own), Some(body)) = (department, &mut self.refusal) {
            let acts = body.possible.iter().filter(|act| act.by.contains(&own));
            let ours: Vec<PossibleAct> = acts
                .map(|act| PossibleAct {
                    by: Vec::new(),
                    ..act.clone()
                })
                .collect();
            if !ours.is_empty() {
                body.possible = ours;
            }
        }
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, key: &'static str) -> Self {
        self.hint = Some(key);
        self
    }

    /// Makes the failure of a submission or question that a node refused.
    pub fn refused(body: RefusalBody) -> Self {
        let family = match body.family.as_str() {
            "refused" => Family::Refusal,
            "unavailable" => Family::Unavailable,
            "failed" => Family::Corrupt,
            _ => Family::Invalid,
        };
        let mut failure = Self::new(family, "error.refused");
        failure.refusal = Some(Box::new(body));
        failure
    }

    /// Returns the code for programs.
    pub fn code(&self) -> &str {
        match &self.refusal {
            Some(body) => &body.code,
            None => self.key.trim_start_matches("error."),
        }
    }

    /// Returns the text in a language.
    pub fn message(&self, texts: Texts) -> String {
        if let Some(body) = &self.refusal {
            let told = explain::refusal_text(texts, &body.code, &body.what);
            let is_law = explain::is_mark(texts, &body.code);
            let mut text = if told == body.what {
                body.code.clone()
            } else {
                told
            };
            if let Some(article) = &body.article {
                text.push_str(&texts.fill("ui.under-article", &[("article", article)]));
            }
            // A refusal under the law is told whole by its code and fields; what the node says beside is for programs.
            return match said::said(texts, &body.what).filter(|_| !is_law) {
                Some(what) => joined(texts, &text, &what),
                None => text,
            };
        }
        let text = fill(texts.say(self.key), &self.pairs());
        match &self.detail {
            Some(Detail::Text(detail)) => joined(texts, &text, &said::detail(texts, detail)),
            Some(Detail::Unfit(why)) => joined(texts, &text, &why.message(texts)),
            None => text,
        }
    }

    /// Returns the hint in a language.
    pub fn hint_text(&self, texts: Texts) -> Option<String> {
        if let Some(body) = self.refusal.as_ref().filter(|body| !body.possible.is_empty()) {
            let acts: Vec<String> = body
                .possible
                .iter()
                .map(|act| match act.by.as_slice() {
                    [] => texts.kind(&act.kind).to_owned(),
                    by => format!("{} [{}]", texts.kind(&act.kind), by.join(", ")),
                })
                .collect();
            return Some(texts.fill("hint.possible", &[("acts", &acts.join("; "))]));
        }
        if let Some(key) = self.hint {
            return Some(fill(texts.say(key), &self.pairs()));
        }
        let body = self.refusal.as_ref()?;
        let known = texts.find(&format!("remedy.{}", body.code));
        let law = || {
            texts
                .find(&format!("mark.{}", body.code))
                .map(|_| texts.say("remedy.law"))
        };
        let told = known.or_else(law).unwrap_or(&body.hint);
        (!told.is_empty()).then(|| told.to_owned())
    }

    fn pairs(&self) -> Vec<(&str, &dyn Display)> {
        self.values
            .iter()
            .map(|(name, value)| (*name, value as &dyn Display))
            .collect()
    }
}

/// Joins a text and what explains it.
fn joined(texts: Texts, text: &str, why: &str) -> String {
    texts.fill("ui.because", &[("text", &text), ("why", &why)])
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

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Unreachable { url, why } => Self::unavailable("error.node-unreachable")
                .with("url", url)
                .detail(why)
                .hint("hint.node-unreachable"),
            NodeError::Refused { body, .. } => Self::refused(*body),
            NodeError::Answer { url, why } => Self::corrupt("error.node-answer").with("url", url).detail(why),
            NodeError::Token(error) => error.into(),
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match &error {
            VerifyError::Genesis(_) => Self::corrupt("error.genesis").chain(&error),
            VerifyError::Department {
                department,
                federation,
            } => Self::invalid("error.no-department")
                .with("department", department)
                .with("federation", federation)
                .hint("hint.registrar-export"),
            VerifyError::Fork { source, .. } if is_unknown(source) => Self::invalid("error.not-judged")
                .chain(source.as_ref())
                .hint("hint.registrar-export"),
            VerifyError::Opening(OpeningError::Registry(_)) => Self::invalid("error.not-judged")
                .chain(&error)
                .hint("hint.registrar-export"),
            _ => Self::corrupt("error.not-verified").chain(&error),
        }
    }
}

/// Says whether evidence of a fork could not be judged, since the registry learnt so far does not know the log.
fn is_unknown(error: &ForkError) -> bool {
    match error {
        ForkError::Unknown { .. } => true,
        ForkError::Opening { source, .. } => matches!(source, OpeningError::Registry(_)),
        _ => false,
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
