//! Catalogue entries: what is published, what it was before, and what is due.

use super::shape::{count, flag, list, maybe, object, text};
use crate::cases::source::AsOf;
use crate::cases::state::CaseState;
use crate::cases::table::Stage;
use crate::cases::versions;
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::id::{CaseId, DepartmentId, EventId};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::profile::SharingClass;
use tally_schemas::time::Date;

/// A published version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedVersion {
    /// Its number.
    pub number: i64,
    /// The authority's act.
    pub event: EventId,
    /// The day it was published.
    pub on: Date,
    /// Its sharing class.
    pub class: Option<SharingClass>,
    /// Whether its class is stricter than that of the version before.
    pub stricter: bool,
}

/// The quality that the owner reported last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quality {
    /// The first day of the period.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
    /// The records examined.
    pub records: i64,
    /// Those with problems.
    pub problem_records: i64,
}

/// A catalogue entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryView {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<CaseNumber>,
    /// Who provides the data.
    pub provider: DepartmentId,
    /// The stage.
    pub stage: Stage,
    /// The content in force: that of the newest version, else of the draft.
    pub content: Json,
    /// Whether the content is published.
    pub published: bool,
    /// The versions, oldest first.
    pub versions: Vec<PublishedVersion>,
    /// The changes that make an update due: occurrence, and the act that says so.
    pub changes: Vec<(Date, EventId)>,
    /// The source department that the authority designated, with the data set.
    pub source: Option<(DepartmentId, String)>,
    /// The years for which the owner attested the entry.
    pub attested: Vec<i64>,
    /// How often its class was challenged.
    pub challenges: usize,
    /// The quality reported last.
    pub quality: Option<Quality>,
    /// How many requests name it.
    pub requests: usize,
}

/// Returns every entry, by id.
pub fn all(asof: &AsOf<'_>) -> Vec<EntryView> {
    let mut requests: std::collections::BTreeMap<EventId, usize> = std::collections::BTreeMap::new();
    asof.source.visit_briefs(false, &mut |_, brief| {
        if brief.kind == Some(CaseKind::Request) {
            for entry in &brief.names {
                *requests.entry(*entry).or_insert(0) += 1;
            }
        }
    });
    let entries = asof.of_kind(CaseKind::Catalogue);
    entries
        .filter_map(|state| view(&state, asof, requests.get(&state.id).copied().unwrap_or(0)))
        .collect()
}

/// Returns one entry; none for another kind of case, or one whose opening has no effect.
pub fn of(state: &CaseState, asof: &AsOf<'_>) -> Option<EntryView> {
    let mut requests = 0;
    asof.source.visit_briefs(false, &mut |_, brief| {
        if brief.kind == Some(CaseKind::Request) && brief.names.contains(&state.id) {
            requests += 1;
        }
    });
    view(state, asof, requests)
}

fn view(state: &CaseState, asof: &AsOf<'_>, requests: usize) -> Option<EntryView> {
    let opening = state.opening().filter(|_| state.kind == CaseKind::Catalogue)?;
    let versions = versions::all(state);
    let newest = |kind: K| state.facts_of(kind).rfind(|fact| fact.overtaken.is_empty());
    let content = match versions.last() {
        Some(version) => version.content,
        None => state
            .facts
            .iter()
            .rfind(|fact| versions::is_content(fact))
            .unwrap_or(opening),
    };
    let mut shown: Vec<PublishedVersion> = Vec::new();
    for version in &versions {
        let class = version.class();
        shown.push(PublishedVersion {
            number: version.number,
            event: version.published.entry.event,
            on: asof.done_on(version.published),
            stricter: shown.last().is_some_and(|last| class > last.class),
            class,
        });
    }
    let due = matches!(
        state.stage(),
        Stage::UpdateDue | Stage::UpdateUnderReview | Stage::RetiringUpdateDue
    );
    // What was published last answers every change that was known before it.
    let published = versions.last().and_then(|version| {
        state
            .facts
            .iter()
            .position(|fact| fact.entry == version.published.entry)
    });
    let changes = state.facts.iter().enumerate().filter(|(place, fact)| {
        due && fact.kind == K::CatalogueChangeTriggered
            && published.is_none_or(|published| *place > published)
    });
    let changes = changes.filter_map(|(_, fact)| {
        let occurred = fact.event.body.date("occurred")?;
        Some((occurred, fact.entry.event))
    });
    let years = state.facts_of(K::CatalogueAttested);
    Some(EntryView {
        case: state.id,
        number: asof.source.number(state),
        provider: state.owner.clone(),
        stage: state.stage(),
        content: content.event.body.json().clone(),
        published: !versions.is_empty(),
        versions: shown,
        changes: changes.collect(),
        source: newest(K::CatalogueSourceDesignated).and_then(|fact| {
            let set = fact.event.body.word("dataSet").unwrap_or_default();
            Some((fact.event.body.department("source")?, set.to_owned()))
        }),
        attested: years.filter_map(|fact| fact.event.body.integer("year")).collect(),
        challenges: state.facts_of(K::CatalogueClassChallenged).count(),
        quality: newest(K::CatalogueQualityReported).map(|fact| {
            let body = &fact.event.body;
            Quality {
                from: body.date("from"),
                to: body.date("to"),
                records: body.integer("records").unwrap_or(0),
                problem_records: body.integer("problemRecords").unwrap_or(0),
            }
        }),
        requests,
    })
}

impl EntryView {
    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        object([
            ("case", text(self.case)),
            ("number", maybe(self.number.as_ref())),
            ("provider", text(&self.provider)),
            ("stage", text(self.stage.as_str())),
            ("published", flag(self.published)),
            (
                "version",
                self.versions.last().and_then(|version| count(version.number)),
            ),
            (
                "versions",
                list(&self.versions, |version| {
                    object([
                        ("number", count(version.number)),
                        ("event", text(version.event)),
                        ("on", text(version.on)),
                        ("class", maybe(version.class)),
                        ("stricter", flag(version.stricter)),
                    ])
                }),
            ),
            ("content", Some(self.content.clone())),
            (
                "changes",
                list(&self.changes, |(occurred, event)| {
                    object([("occurred", text(occurred)), ("event", text(event))])
                }),
            ),
            (
                "source",
                self.source.as_ref().map(|(department, set)| {
                    object([("department", text(department)), ("dataSet", text(set))])
                }),
            ),
            ("attested", list(&self.attested, |year| Json::Int(*year))),
            ("challenges", count(self.challenges)),
            (
                "quality",
                self.quality.as_ref().map(|quality| {
                    object([
                        ("from", maybe(quality.from)),
                        ("to", maybe(quality.to)),
                        ("records", count(quality.records)),
                        ("problemRecords", count(quality.problem_records)),
                    ])
                }),
            ),
            ("requests", count(self.requests)),
        ])
    }
}
