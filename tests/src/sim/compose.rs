//! Writes the bodies of events from the declared field tables, and whole events that officers sign.

use super::cast::{Cast, at};
use super::rng::Rng;
use std::collections::BTreeMap;
use tally_ledger::authority::Roster;
use tally_ledger::cases::table::{Effect, Guard};
use tally_ledger::cases::{CaseState, table_of};
use tally_schemas::event::{CaseKind, Event, EventKind, Field, FieldType, Kind, Signer, SignerRole, Source};
use tally_schemas::genesis::Role;
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, OfficerId};
use tally_schemas::json::Json;
use tally_schemas::time::{Date, Timestamp};

/// An officer with the seed of a key.
pub type Hand = (OfficerId, [u8; 32]);

/// What a body is written for.
pub struct Subject<'a> {
    /// The cast.
    pub cast: &'a Cast,
    /// Who acts.
    pub by: &'a DepartmentId,
    /// The kind of event.
    pub kind: EventKind,
    /// The case as the officer sees it.
    pub state: Option<&'a CaseState>,
    /// Items that the act may be on.
    pub items: Vec<u16>,
    /// Event ids to name where any will do.
    pub known: Vec<EventId>,
}

fn text(value: impl Into<String>) -> Json {
    Json::Text(value.into())
}

fn date(rng: &mut Rng) -> Date {
    Date::parse("2026-03-02")
        .expect("a date")
        .plus_days(i32::try_from(rng.between(-40, 300)).expect("a year"))
}

fn hash(rng: &mut Rng) -> Hash {
    Hash(rng.bytes())
}

/// Writes a body: every field that must be there, some of those that may.
pub fn body(subject: &Subject<'_>, rng: &mut Rng) -> Json {
    let mut members = object(subject, subject.kind.fields(), rng);
    let mut put = |name: &str, value: Json| drop(members.insert(name.to_owned(), value));
    if let Some(rule) = table_of(subject.kind.case_kind()).and_then(|table| table.rule(subject.kind)) {
        if let (Guard::Names(field, kind) | Guard::NamesNewest(field, kind), Some(state)) =
            (rule.guard, subject.state)
        {
            let named: Vec<EventId> = state.facts_of(kind).map(|fact| fact.entry.event).collect();
            let chosen = match rule.guard {
                Guard::NamesNewest(..) => named.last().copied(),
                _ => rng.pick(&named).copied(),
            };
            if let Some(id) = chosen {
                put(field, text(id.to_string()));
            }
        }
        if let Effect::Propose(field) | Effect::Assign(field) = rule.effect {
            put(field, text(provider(subject, rng).to_string()));
        }
    }
    match subject.kind {
        EventKind::FindingOpened => {
            let roles = &subject.cast.member(subject.by).record.roles;
            let bases: Vec<&str> = [
                ("inspection", Role::Supervision),
                ("audit", Role::Audit),
                ("order-to-correct", Role::Authority),
                ("order-to-correct", Role::Government),
                ("task-follow-up", Role::LeadGroup),
            ]
            .iter()
            .filter(|(_, role)| roles.contains(role))
            .map(|(basis, _)| *basis)
            .collect();
            match rng.pick(&bases) {
                Some(basis) if rng.chance(80) => {
                    put("basis", text(*basis));
                    put("object", text(provider(subject, rng).to_string()));
                }
                _ => {
                    put("basis", text("self"));
                    put("object", text(subject.by.to_string()));
                }
            }
        }
        EventKind::TaskIssued => put("lead", text(provider(subject, rng).to_string())),
        EventKind::RequestFiled => {
            let items = (1..=1 + rng.below(4)).map(|number| {
                Json::object([
                    ("number", Json::Int(i64::try_from(number).expect("small"))),
                    ("name", text(format!("item {number}"))),
                ])
            });
            put("items", Json::Array(items.collect()));
            put("statement", Json::Bool(true));
        }
        _ => {}
    }
    Json::Object(members)
}

/// Picks a department that provides, other than the one that acts.
pub fn provider(subject: &Subject<'_>, rng: &mut Rng) -> DepartmentId {
    let others: Vec<DepartmentId> = subject
        .cast
        .members
        .values()
        .filter(|member| {
            member.record.roles.contains(&Role::Provider) && !member.late && member.record.id != *subject.by
        })
        .map(|member| member.record.id.clone())
        .collect();
    rng.pick(&others).expect("the cast has several providers").clone()
}

fn object(subject: &Subject<'_>, fields: &[Field], rng: &mut Rng) -> BTreeMap<String, Json> {
    let mut members = BTreeMap::new();
    for field in fields {
        let wanted = match field.kind {
            FieldType::Items => field.required || rng.chance(50),
            _ => field.required || rng.chance(25),
        };
        if wanted && let Some(value) = value(subject, field.kind, rng) {
            members.insert(field.name.to_owned(), value);
        }
    }
    members
}

fn value(subject: &Subject<'_>, kind: FieldType, rng: &mut Rng) -> Option<Json> {
    Some(match kind {
        FieldType::Text if rng.chance(15) => Json::object([
            ("commit", text(hash(rng).to_hex())),
            ("length", Json::Int(rng.between(1, 5_000))),
            ("mediaType", text("text/plain")),
        ]),
        FieldType::Text => text(format!("words {}", rng.below(1_000_000))),
        FieldType::Word(_) => text(format!("w{}", rng.below(10_000))),
        FieldType::Code(codes) => text(*rng.pick(codes)?),
        FieldType::ProfileCode => {
            let profile = &subject.cast.profile;
            let codes: Vec<&str> = if subject.kind == EventKind::RequestRefused {
                profile.refusals.keys().map(String::as_str).collect()
            } else {
                profile.violations.keys().map(String::as_str).collect()
            };
            text(*rng.pick(&codes)?)
        }
        FieldType::Department => text(provider(subject, rng).to_string()),
        FieldType::Post => text("head"),
        FieldType::Officer => text("desk-a"),
        FieldType::Date => text(date(rng).to_string()),
        FieldType::Instant => text(at(super::cast::START_MS).to_string()),
        FieldType::Integer(low, high) => Json::Int(rng.between(low, high.min(low + 20))),
        FieldType::Flag => Json::Bool(rng.chance(50)),
        FieldType::Event => match rng.pick(&subject.known) {
            Some(id) => text(id.to_string()),
            None => text(hash(rng).to_hex()),
        },
        FieldType::Hash => text(hash(rng).to_hex()),
        FieldType::Key => text(hash(rng).to_base64()),
        FieldType::Items => {
            // Cases without data items have one item that no list can name.
            let items: Vec<u16> = subject.items.iter().copied().filter(|item| *item > 0).collect();
            let mut chosen: Vec<u16> = items.iter().copied().filter(|_| rng.chance(65)).collect();
            if chosen.is_empty() {
                chosen.push(*rng.pick(&items)?);
            }
            Json::Array(
                chosen
                    .into_iter()
                    .map(|item| Json::Int(i64::from(item)))
                    .collect(),
            )
        }
        FieldType::List(of, max) => {
            let count = rng.between(1, i64::from(max).min(3));
            let values = (0..count).filter_map(|_| value(subject, *of, rng));
            Json::Array(values.collect())
        }
        FieldType::Object(fields) => Json::Object(object(subject, fields, rng)),
    })
}

/// What an event says beside kind and body.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The case.
    pub case: Option<CaseId>,
    /// What the officer had seen.
    pub after: Vec<EventId>,
    /// Who is addressed.
    pub to: Vec<DepartmentId>,
    /// Where the act came from.
    pub source: Source,
    /// When it is issued.
    pub issued: Timestamp,
}

/// Makes an event of the given signers.
pub fn event(
    cast: &Cast,
    by: &DepartmentId,
    kind: Kind,
    frame: Frame,
    signers: &[Signer],
    body: Json,
    rng: &mut Rng,
) -> Event {
    let Frame {
        case,
        mut after,
        mut to,
        source,
        issued,
    } = frame;
    after.sort();
    after.dedup();
    after.truncate(16);
    to.sort();
    to.dedup();
    let mut members = BTreeMap::from([
        ("federation".to_owned(), text(cast.federation.to_string())),
        ("department".to_owned(), text(by.to_string())),
        ("kind".to_owned(), text(kind.as_str())),
        ("issued".to_owned(), text(issued.to_string())),
        (
            "nonce".to_owned(),
            text(
                rng.bytes::<16>()
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>(),
            ),
        ),
        ("source".to_owned(), text(source.as_str())),
        ("body".to_owned(), body),
        (
            "signers".to_owned(),
            Json::Array(signers.iter().map(Signer::to_json).collect()),
        ),
        ("audience".to_owned(), text("all")),
    ]);
    let list = |values: Vec<String>| Json::Array(values.into_iter().map(Json::Text).collect());
    if let Some(case) = case {
        members.insert("case".to_owned(), text(case.to_string()));
    }
    if !after.is_empty() {
        members.insert(
            "after".to_owned(),
            list(after.iter().map(ToString::to_string).collect()),
        );
    }
    if !to.is_empty() {
        members.insert(
            "to".to_owned(),
            list(to.iter().map(ToString::to_string).collect()),
        );
    }
    if source == Source::Paper {
        members.insert("docNo".to_owned(), text("fa 2026-7"));
        members.insert("effective".to_owned(), text(date(rng).to_string()));
    }
    Event::from_json(&Json::Object(members)).unwrap_or_else(|error| {
        panic!(
            "the workload writes what the tables declare; {} has: {error}",
            kind.as_str()
        )
    })
}
/// Officers that can draft and approve now by a roster, with the keys they hold.
pub fn signers(
    cast: &Cast,
    by: &DepartmentId,
    roster: &Roster,
    day: Date,
    rng: &mut Rng,
) -> Option<(Vec<Signer>, Vec<Hand>)> {
    let member = cast.member(by);
    let able: Vec<(OfficerId, [u8; 32])> = member
        .officers
        .iter()
        .filter_map(|(id, seeds)| {
            let in_force = roster.officers.get(id)?.key.as_ref()?.public_key();
            let seed = seeds
                .iter()
                .find(|seed| super::cast::public(seed) == *in_force.as_bytes())?;
            Some((id.clone(), *seed))
        })
        .collect();
    let approvers: Vec<&(OfficerId, [u8; 32])> = able
        .iter()
        .filter(|(id, _)| roster.holds(id, &super::cast::post("head"), day))
        .collect();
    let (approver, approver_key) = (*rng.pick(&approvers)?).clone();
    let drafters: Vec<&(OfficerId, [u8; 32])> = able
        .iter()
        .filter(|(id, _)| *id != approver && !roster.posts_of(id, day).is_empty())
        .collect();
    let both = Signer {
        roles: vec![SignerRole::Drafter, SignerRole::Approver],
        post: super::cast::post("head"),
        officer: Some(approver.clone()),
    };
    match rng.pick(&drafters) {
        Some((drafter, key)) if rng.chance(75) => {
            let posts = roster.posts_of(drafter, day);
            let first = Signer {
                roles: vec![SignerRole::Drafter],
                post: rng.pick(&posts)?.clone(),
                officer: Some(drafter.clone()),
            };
            let second = Signer {
                roles: vec![SignerRole::Approver],
                post: super::cast::post("head"),
                officer: None,
            };
            Some((
                vec![first, second],
                vec![(drafter.clone(), *key), (approver, approver_key)],
            ))
        }
        _ => Some((vec![both], vec![(approver, approver_key)])),
    }
}

/// Returns the kinds that open a case.
pub fn openings() -> Vec<EventKind> {
    EventKind::ALL
        .iter()
        .copied()
        .filter(|kind| kind.opens_case() && kind.case_kind() != CaseKind::Roster)
        .collect()
}
