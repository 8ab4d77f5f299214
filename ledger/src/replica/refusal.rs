//! Why a node does not record a submission: the rule, the article, a hint, and what is possible instead.

use crate::authority::Void;
use crate::cases::source::AsOf;
use crate::cases::verdict::NextAct;
use crate::cases::{CaseFold, cross, law};
use crate::world::World;
use std::collections::BTreeMap;
use tally_schemas::event::personal::find_in_event;
use tally_schemas::event::{Event, Source};
use tally_schemas::id::EventId;
use tally_schemas::json::Json;
use tally_schemas::time::Timestamp;

/// How a caller should take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// The bytes are no submission (400).
    Invalid,
    /// A rule says no (422).
    Refused,
    /// Not now (503).
    Unavailable,
}

/// A submission that is not recorded; nothing is lost and nothing half-applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Refusal {
    /// How to take it.
    pub family: Family,
    /// A stable code for programs and text catalogues.
    pub code: String,
    /// What was wrong, in English, naming the thing and both values.
    pub what: String,
    /// The provision that says so, if it is a rule of the law.
    pub article: Option<String>,
    /// What can be done next in the case, by whom.
    pub possible: Vec<NextAct>,
}

impl Refusal {
    /// Makes a refusal of bytes that are no submission.
    pub fn invalid(code: &str, what: impl Into<String>) -> Self {
        Self::new(Family::Invalid, code, what)
    }

    /// Makes a refusal by a rule.
    pub fn refused(code: &str, what: impl Into<String>) -> Self {
        Self::new(Family::Refused, code, what)
    }

    /// Makes a refusal for now.
    pub fn unavailable(code: &str, what: impl Into<String>) -> Self {
        Self::new(Family::Unavailable, code, what)
    }

    fn new(family: Family, code: &str, what: impl Into<String>) -> Self {
        Self {
            family,
            code: code.to_owned(),
            what: what.into(),
            article: None,
            possible: Vec::new(),
        }
    }

    /// Adds what is possible instead.
    #[must_use]
    pub fn instead(mut self, possible: Vec<NextAct>) -> Self {
        self.possible = possible;
        self
    }

    /// Adds the provision.
    #[must_use]
    pub fn under(mut self, article: Option<String>) -> Self {
        self.article = article;
        self
    }

    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        let text = |value: &str| Json::Text(value.to_owned());
        let family = match self.family {
            Family::Invalid => "invalid",
            Family::Refused => "refused",
            Family::Unavailable => "unavailable",
        };
        let possible = self.possible.iter().map(|act| {
            let by = act
                .by
                .iter()
                .map(|department| text(department.as_str()))
                .collect();
            let items = act.items.iter().map(|item| Json::Int(i64::from(*item))).collect();
            Json::Object(BTreeMap::from([
                ("kind".to_owned(), text(act.kind.as_str())),
                ("by".to_owned(), Json::Array(by)),
                ("items".to_owned(), Json::Array(items)),
            ]))
        });
        let mut members = BTreeMap::from([
            ("family".to_owned(), text(family)),
            ("code".to_owned(), text(&self.code)),
            ("what".to_owned(), text(&self.what)),
            ("possible".to_owned(), Json::Array(possible.collect())),
        ]);
        if let Some(article) = &self.article {
            members.insert("article".to_owned(), text(article));
        }
        Json::Object(members)
    }
}

impl From<Void> for Refusal {
    fn from(void: Void) -> Self {
        let family = if matches!(void, Void::Form(_)) {
            Family::Invalid
        } else {
            Family::Refused
        };
        Self::new(family, void.code(), void.to_string())
    }
}

/// Stops personal numbers in inline text, which can never be erased from a log.
pub(super) fn stop_personal(event: &Event) -> Result<(), Refusal> {
    let found = find_in_event(event);
    if found.is_empty() {
        return Ok(());
    }
    let places: Vec<String> = found
        .iter()
        .map(|find| format!("{} in {}", find.span.kind.as_str(), find.field))
        .collect();
    let what = format!(
        "personal numbers in inline text: {}; detach the text, or submit with a reason why it must stand",
        places.join(", ")
    );
    Err(Refusal::refused("personal-number", what))
}

/// Stops a new own act against a clear rule of the law, or at odds with another case; the same act recorded from paper
/// is let pass and flagged. `next` is the act as it would stand, folded into a copy of its case.
pub(super) fn stop_unlawful(
    world: &World,
    now: Timestamp,
    fold: &CaseFold,
    next: EventId,
) -> Result<(), Refusal> {
    let Some(state) = fold.state() else { return Ok(()) };
    let asof = AsOf::new(world, now);
    let mut marks = law::flags_on(state, next, &asof);
    if let Some(fact) = state.fact(next) {
        marks.extend(cross::irregular(state, fact, &asof));
    }
    let Some(mark) = law::refusals(&marks, Source::Own).into_iter().next() else {
        return Ok(());
    };
    let fields: Vec<String> = mark
        .fields
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let what = if fields.is_empty() {
        mark.code.to_owned()
    } else {
        format!("{}: {}", mark.code, fields.join(", "))
    };
    let article = mark
        .article
        .as_ref()
        .map(|article| format!("{} {}", article.act, article.at));
    Err(Refusal::refused(mark.code, what).under(article))
}
