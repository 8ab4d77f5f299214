//! The trail of a case: every entry, effective or void, with its dates, its signers, and all that is to be said of it.

use super::shape::{count, items, list, marks, maybe, object, text, texts};
use crate::authority::Void;
use crate::cases::cross::irregular;
use crate::cases::fold::{CaseEntry, CaseFold, Reversal};
use crate::cases::law::{self, Mark};
use crate::cases::source::AsOf;
use crate::cases::state::Fact;
use crate::world::SetAside;
use std::collections::BTreeMap;
use tally_schemas::event::Attachment;
use tally_schemas::id::{CaseId, DepartmentId, EventId, OfficerId, PostId};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::time::{Date, Timestamp};

/// One who signed, as the roster showed at that position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailSigner {
    /// The officer; none where nobody could sign for the post.
    pub officer: Option<OfficerId>,
    /// The post signed from.
    pub post: PostId,
    /// In which roles.
    pub roles: Vec<&'static str>,
    /// Whether the officer only acted in the post.
    pub acting: bool,
    /// The single duty that was delegated.
    pub delegated: Option<String>,
}

/// One entry of a case.
#[derive(Debug, Clone)]
pub struct TrailEntry {
    /// The entry, with its event.
    pub entry: CaseEntry,
    /// The place in the fold, from 0; none for what is void.
    pub place: Option<usize>,
    /// Why it has no effect.
    pub void: Option<Void>,
    /// The governance act that took the right it rests on.
    pub right_taken: Option<u64>,
    /// What the fold made of it.
    pub fact: Option<Fact>,
    /// Who signed.
    pub signers: Vec<TrailSigner>,
    /// The day on which the act was done.
    pub done_on: Date,
    /// When another host had it.
    pub available: Option<Timestamp>,
    /// When its addressees had it.
    pub received: BTreeMap<DepartmentId, Timestamp>,
    /// What is defective about it.
    pub defects: Vec<Mark>,
    /// What is irregular about it.
    pub irregular: Vec<Mark>,
    /// The effective errata that correct it.
    pub errata: Vec<EventId>,
}

/// The trail of a case.
#[derive(Debug, Clone)]
pub struct Trail {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<CaseNumber>,
    /// Every entry, by log and position.
    pub entries: Vec<TrailEntry>,
    /// What is held beyond the ends of logs: without any effect, and no state.
    pub set_aside: Vec<SetAside>,
}

/// Returns the trail of a case.
pub fn of(case: &CaseFold, asof: &AsOf<'_>) -> Trail {
    let state = case.state();
    let registry = asof.registry();
    let mut flags = state.map(|state| law::flags_of(state, asof)).unwrap_or_default();
    let reversals = case.reversals(registry);
    let mut entries: Vec<TrailEntry> = Vec::new();
    for (number, (entry, _)) in case.entries().iter().enumerate() {
        let void = case.void(number, registry);
        // Of several copies only one has a fact: the one that stands where the fact stands.
        let place = state.and_then(|state| state.facts.iter().position(|fact| fact.entry == entry.entry));
        let fact = place.and_then(|place| state?.facts.get(place));
        let errata = state.iter().flat_map(|state| &state.facts);
        let errata = errata.filter(|fact| fact.event.corrects == Some(entry.entry.event));
        let arrival = asof.source.arrival(&case.id(), &entry.entry.event);
        entries.push(TrailEntry {
            place,
            right_taken: reversals.iter().find_map(|reversal| match reversal {
                Reversal::RightTaken {
                    entry: taken,
                    version,
                } if *taken == entry.entry => Some(*version),
                _ => None,
            }),
            signers: signers(entry, asof),
            done_on: match fact {
                Some(fact) => asof.done_on(fact),
                None => asof.day_at(&entry.event.department, entry.recorded),
            },
            available: arrival.as_ref().and_then(|arrival| arrival.available),
            received: arrival
                .map(|arrival| arrival.received.clone())
                .unwrap_or_default(),
            defects: match fact {
                Some(_) => flags.remove(&entry.entry.event).unwrap_or_default(),
                None => Vec::new(),
            },
            irregular: match (state, fact) {
                (Some(state), Some(fact)) => irregular(state, fact, asof),
                _ => Vec::new(),
            },
            errata: errata.map(|fact| fact.entry.event).collect(),
            fact: fact.cloned(),
            void,
            entry: entry.clone(),
        });
    }
    entries.sort_by(|a, b| {
        let key = |line: &TrailEntry| (line.entry.entry.origin.clone(), line.entry.entry.index);
        key(a).cmp(&key(b))
    });
    Trail {
        case: case.id(),
        number: state.and_then(|state| asof.source.number(state)),
        entries,
        set_aside: asof.source.set_aside(&case.id()),
    }
}

fn signers(entry: &CaseEntry, asof: &AsOf<'_>) -> Vec<TrailSigner> {
    let event = &entry.event;
    let day = asof.day_at(&event.department, entry.recorded);
    let place = &entry.entry;
    let roster = asof
        .source
        .roster_at(&event.department, place.origin.epoch, place.index);
    let signed = entry.signers.as_ref().ok();
    let lines = event.signers.iter().enumerate().map(|(line, signer)| {
        let officer = signed
            .and_then(|officers| officers.get(line))
            .or(signer.officer.as_ref());
        let holders = roster
            .as_ref()
            .map(|roster| roster.holders(&signer.post, day))
            .unwrap_or_default();
        let mut terms = holders.into_iter().filter(|term| Some(&term.officer) == officer);
        // Whoever holds the post in full does not act in it, whatever else was delegated.
        let term = terms
            .clone()
            .find(|term| !term.acting && term.duty.is_none())
            .or_else(|| terms.next());
        TrailSigner {
            officer: officer.cloned(),
            post: signer.post.clone(),
            roles: signer.roles.iter().map(|role| role.as_str()).collect(),
            acting: term.is_some_and(|term| term.acting),
            delegated: term.and_then(|term| term.duty.clone()),
        }
    });
    lines.collect()
}

impl Trail {
    /// Returns the entries in the order in which the fold applies them; what is void is not among them.
    pub fn in_fold_order(&self) -> Vec<&TrailEntry> {
        let mut lines: Vec<&TrailEntry> = self
            .entries
            .iter()
            .filter(|entry| entry.place.is_some())
            .collect();
        lines.sort_by_key(|entry| entry.place);
        lines
    }

    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        object([
            ("case", text(self.case)),
            ("number", maybe(self.number.as_ref())),
            ("entries", list(&self.entries, TrailEntry::to_json)),
            (
                "foldOrder",
                texts(self.in_fold_order().iter().map(|line| line.entry.entry.event)),
            ),
            (
                "setAside",
                (!self.set_aside.is_empty())
                    .then(|| list(&self.set_aside, set_aside))
                    .flatten(),
            ),
        ])
    }
}

/// Returns the form for programs of what was set aside.
fn set_aside(line: &SetAside) -> Json {
    object([
        ("event", text(line.id)),
        ("origin", text(&line.origin)),
        ("index", count(line.index)),
        ("kind", text(line.event.kind.as_str())),
        ("by", text(&line.event.department)),
        ("recorded", text(line.recorded)),
        ("cause", text(&line.by)),
    ])
}

impl TrailEntry {
    /// Returns `effective`, `overtaken`, `void`, or `not-understood` where the ruleset of the case is not held.
    pub fn standing(&self) -> &'static str {
        match &self.fact {
            None if self.is_beyond() => "not-understood",
            None => "void",
            Some(fact) if !fact.overtaken.is_empty() => "overtaken",
            Some(_) => "effective",
        }
    }

    fn is_beyond(&self) -> bool {
        matches!(self.void, Some(Void::NewerRuleset { .. }))
    }

    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        let (entry, event) = (&self.entry, &self.entry.event);
        let moved = self.fact.iter().flat_map(|fact| &fact.moved);
        let overtaken = self.fact.iter().flat_map(|fact| &fact.overtaken);
        let raced: Vec<u16> = self
            .fact
            .iter()
            .flat_map(|fact| fact.raced.iter().copied())
            .collect();
        object([
            ("event", text(entry.entry.event)),
            ("origin", text(&entry.entry.origin)),
            ("index", count(entry.entry.index)),
            ("kind", text(entry.kind.as_str())),
            ("by", text(&event.department)),
            ("to", texts(&event.to)),
            ("source", text(event.source.as_str())),
            ("docNo", maybe(event.doc_no.as_ref())),
            ("signers", list(&self.signers, TrailSigner::to_json)),
            ("issued", text(event.issued)),
            ("recorded", text(entry.recorded)),
            ("effective", maybe(event.effective)),
            ("doneOn", text(self.done_on)),
            ("available", maybe(self.available)),
            (
                "received",
                Some(Json::object(self.received.iter().map(|(department, at)| {
                    (department.to_string(), Json::from(at.to_string()))
                }))),
            ),
            ("registry", count(entry.version)),
            ("after", texts(&event.after)),
            ("corrects", maybe(event.corrects)),
            ("mandate", maybe(event.mandate)),
            ("errata", texts(&self.errata)),
            ("standing", text(self.standing())),
            (
                "void",
                self.void
                    .as_ref()
                    .filter(|_| !self.is_beyond())
                    .map(|void| object([("code", text(void.code())), ("why", text(void))])),
            ),
            ("rightTaken", self.right_taken.and_then(count)),
            ("place", self.place.and_then(count)),
            ("items", items(self.fact.as_ref().map_or(&[], |fact| &fact.items))),
            (
                "moved",
                list(moved, |(item, (from, to))| {
                    object([
                        ("item", count(*item)),
                        ("from", text(from.as_str())),
                        ("to", text(to.as_str())),
                    ])
                }),
            ),
            ("raced", items(&raced)),
            (
                "overtaken",
                list(overtaken, |(item, by)| {
                    object([("item", count(*item)), ("by", text(by))])
                }),
            ),
            ("defects", marks(&self.defects)),
            ("irregular", marks(&self.irregular)),
            ("attachments", list(&event.attachments, Attachment::to_json)),
            ("body", Some(event.body.json().clone())),
        ])
    }
}

impl TrailSigner {
    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        object([
            ("officer", maybe(self.officer.as_ref())),
            ("post", text(&self.post)),
            ("roles", texts(&self.roles)),
            ("acting", super::shape::flag(self.acting)),
            ("delegated", maybe(self.delegated.as_ref())),
        ])
    }
}
