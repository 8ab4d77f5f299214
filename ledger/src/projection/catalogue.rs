//! Catalogue entries: the published version, its class, what became stricter, who collects.

use super::members::{case_head, opt_text, text};
use crate::cases::{CaseState, Fact, Stage};
use std::collections::BTreeMap;
use tally_schemas::event::{Body, CaseKind, EventKind};
use tally_schemas::id::{CaseId, DepartmentId, EventId};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::time::Timestamp;

/// A published version of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The number.
    pub number: i64,
    /// The authority's act.
    pub published: EventId,
    /// When it was recorded.
    pub at: Timestamp,
    /// The class.
    pub class: String,
    /// The conditions.
    pub conditions: Vec<String>,
}

/// One entry.
#[derive(Debug, Clone)]
pub struct EntryView {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<String>,
    /// The provider.
    pub provider: DepartmentId,
    /// The name, of the published version or else the draft.
    pub name: String,
    /// The code.
    pub code: String,
    /// The class, of the published version or else the draft.
    pub class: String,
    /// The stage.
    pub stage: Stage,
    /// The published versions, oldest first.
    pub versions: Vec<Version>,
    /// The source department named by the authority (Art. 19).
    pub source: Option<DepartmentId>,
    /// The years attested by the owner.
    pub attested: Vec<i64>,
    /// How often the class was challenged.
    pub challenged: u64,
    /// Whether an information system is linked.
    pub linked: bool,
}

impl EntryView {
    /// Reads an entry from its state; none for another kind of case.
    pub fn of(state: &CaseState, number: Option<&CaseNumber>) -> Option<Self> {
        if state.kind != CaseKind::Catalogue {
            return None;
        }
        let opening = state.opening()?;
        let mut content: &Body = &opening.event.body;
        let mut published: Option<&Body> = None;
        let mut versions = Vec::new();
        for fact in &state.facts {
            match fact.kind {
                EventKind::CatalogueRevised => content = &fact.event.body,
                EventKind::CataloguePublished if fact.overtaken.is_empty() => {
                    published = Some(content);
                    versions.push(version_of(fact, content));
                }
                _ => {}
            }
        }
        let shown = published.unwrap_or(content);
        let word = |field: &str| shown.word(field).unwrap_or_default().to_owned();
        let designated = state.facts_of(EventKind::CatalogueSourceDesignated).next_back();
        Some(Self {
            case: state.id,
            number: number.map(ToString::to_string),
            provider: state.owner.clone(),
            name: word("name"),
            code: word("code"),
            class: word("class"),
            stage: state.stage(),
            versions,
            source: designated.and_then(|fact| fact.event.body.department("source")),
            attested: state
                .facts_of(EventKind::CatalogueAttested)
                .filter_map(|fact| fact.event.body.integer("year"))
                .collect(),
            challenged: state.facts_of(EventKind::CatalogueClassChallenged).count() as u64,
            linked: shown.word("linkedSystem").is_some(),
        })
    }

    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        let mut members = case_head(self.case, self.number.as_deref(), self.stage);
        members.insert("provider".to_owned(), text(self.provider.as_str()));
        members.insert("name".to_owned(), text(&self.name));
        members.insert("code".to_owned(), text(&self.code));
        members.insert("class".to_owned(), text(&self.class));
        members.insert("linked".to_owned(), Json::Bool(self.linked));
        members.insert(
            "challenged".to_owned(),
            Json::Int(i64::try_from(self.challenged).unwrap_or(i64::MAX)),
        );
        members.insert(
            "attested".to_owned(),
            Json::Array(self.attested.iter().map(|year| Json::Int(*year)).collect()),
        );
        opt_text(&mut members, "source", self.source.as_ref());
        let versions = self.versions.iter().map(|version| {
            Json::Object(BTreeMap::from([
                ("version".to_owned(), Json::Int(version.number)),
                ("published".to_owned(), text(&version.published.to_string())),
                ("at".to_owned(), text(&version.at.to_string())),
                ("class".to_owned(), text(&version.class)),
                (
                    "conditions".to_owned(),
                    Json::Array(
                        version
                            .conditions
                            .iter()
                            .map(|condition| text(condition))
                            .collect(),
                    ),
                ),
            ]))
        });
        members.insert("versions".to_owned(), Json::Array(versions.collect()));
        Json::Object(members)
    }
}

fn version_of(fact: &Fact, content: &Body) -> Version {
    Version {
        number: fact.event.body.integer("version").unwrap_or(0),
        published: fact.entry.event,
        at: fact.recorded,
        class: content.word("class").unwrap_or_default().to_owned(),
        conditions: content
            .list("conditions")
            .iter()
            .filter_map(Json::as_text)
            .map(str::to_owned)
            .collect(),
    }
}
