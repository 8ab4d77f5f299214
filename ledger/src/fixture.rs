//! A small founded federation and the entries of its officers, for unit tests of this crate.

use crate::authority::check::administrator_right;
use crate::authority::{Registry, Roster, RosterFact, RosterHistory};
use crate::cases::Brief;
use crate::cases::fold::{CaseEntry, CaseFold, LogNo, Vector};
use crate::cases::source::{Arrival, AsOf, Source};
use crate::cases::state::{CaseState, EntryRef};
use crate::cases::table::Guard;
use crate::cases::{RULESET, table_of};
use crate::crypto::{SigningKey, VerifyingKey, event_id, sha256, sign_note};
use crate::projection::Numbers;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use tally_schemas::event::{Event, EventKind, Field, FieldType};
use tally_schemas::genesis::{Administrator, DepartmentRecord, Genesis, NodeRecord, Role};
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, NodeId, OfficerId, Origin};
use tally_schemas::json::Json;
use tally_schemas::note::Note;
use tally_schemas::number::CaseNumber;
use tally_schemas::time::{Date, Timestamp};

/// The departments of the test city and its province: id, level, parent, roles.
const DEPARTMENTS: &[(&str, &str, Option<&str>, &[Role])] = &[
    ("audit", "city", Some("government"), &[Role::Audit]),
    ("datahub", "city", Some("government"), &[Role::Authority]),
    ("government", "city", Some("province-data"), &[Role::Government]),
    ("health", "city", Some("government"), BOTH),
    ("housing", "city", Some("government"), BOTH),
    ("lead", "city", Some("government"), &[Role::LeadGroup]),
    ("province-data", "province", None, &[Role::Authority]),
    (
        "province-government",
        "province",
        Some("province-data"),
        &[Role::Government],
    ),
    ("province-health", "province", Some("province-data"), BOTH),
    (
        "province-supervision",
        "province",
        Some("province-government"),
        &[Role::Supervision],
    ),
    ("supervision", "city", Some("government"), &[Role::Supervision]),
    ("taxes", "city", Some("government"), BOTH),
    ("transport", "city", Some("government"), BOTH),
];

const BOTH: &[Role] = &[Role::Provider, Role::Requester];

pub(crate) fn department(id: &str) -> DepartmentId {
    DepartmentId::parse(id).unwrap()
}

pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(&[b"test key ", name.as_bytes()]).0)
}

pub(crate) fn date(text: &str) -> Date {
    Date::parse(text).unwrap()
}

/// Reads `2026-03-02 09:00` of the zone of China.
pub(crate) fn instant(text: &str) -> Timestamp {
    let (day, hour) = text.split_once(' ').unwrap();
    let (hour, minute) = hour.split_once(':').unwrap();
    let minutes: i64 = hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap();
    date(day).start_at(480).plus_ms(minutes * 60_000)
}

/// Founds the federation under a shipped profile.
pub(crate) fn registry_under(profile: &str) -> Registry {
    let record = |(id, level, parent, roles): &(&str, &str, Option<&str>, &[Role])| DepartmentRecord {
        id: department(id),
        name_en: (*id).to_owned(),
        name_zh: (*id).to_owned(),
        level: (*level).to_owned(),
        area: "330100".to_owned(),
        parent: parent.map(department),
        line: None,
        profile: profile.to_owned(),
        calendar: "cn-national".to_owned(),
        node: NodeId::parse("node-one").unwrap(),
        log_key: *key(&format!("log {id}")).public_key().as_bytes(),
        administrator: Administrator {
            officer: OfficerId::parse("admin").unwrap(),
            key: *key(&format!("admin {id}")).public_key().as_bytes(),
        },
        roles: roles.to_vec(),
    };
    let shipped = |text: &str| Json::parse_lenient(text.as_bytes()).unwrap();
    let genesis = Genesis {
        name: "testcity".to_owned(),
        trial: true,
        created: instant("2026-01-04 09:00"),
        ruleset: 1,
        registrar: department("datahub"),
        quorum: 7,
        nodes: vec![NodeRecord {
            id: NodeId::parse("node-one").unwrap(),
            operator: department("datahub"),
            transport_key: *key("transport").public_key().as_bytes(),
        }],
        departments: DEPARTMENTS.iter().map(record).collect(),
        profiles: vec![shipped(tally_schemas::shipped::profile_text(profile).unwrap())],
        calendars: vec![shipped(
            tally_schemas::shipped::calendar_text("cn-national").unwrap(),
        )],
    };
    let text = genesis.to_text();
    let lines = DEPARTMENTS.iter().take(7).map(|(id, ..)| {
        sign_note(
            &text,
            &format!("testcity/{id}/admin"),
            &key(&format!("admin {id}")),
        )
        .unwrap()
    });
    let note = Note {
        lines: lines.collect(),
        text,
    };
    Registry::found(&note.to_bytes()).unwrap()
}

/// Returns a body that the fields of a kind accept, with the given members in place of the plain ones.
pub(crate) fn body_of(kind: EventKind, given: &BTreeMap<String, Json>) -> Json {
    let mut members: BTreeMap<String, Json> = kind
        .fields()
        .iter()
        .filter(|field| field.required)
        .map(|field| (field.name.to_owned(), sample(field)))
        .collect();
    members.extend(given.clone());
    Json::Object(members)
}

fn sample(field: &Field) -> Json {
    match (field.name, sample_of(field.kind)) {
        ("ground", Json::Text(code)) if code == "OTHER" => Json::from("LAW_PROHIBITS"),
        ("violation", _) => Json::from("P4"),
        ("class", _) => Json::from("conditional"),
        ("useTo" | "to", Json::Text(_)) if field.kind == FieldType::Date => Json::from("2026-12-31"),
        (_, json) => json,
    }
}

fn sample_of(kind: FieldType) -> Json {
    match kind {
        FieldType::Text | FieldType::Word(_) => Json::from("text"),
        FieldType::Code(codes) => Json::from(codes[0]),
        FieldType::ProfileCode => Json::from("OTHER"),
        FieldType::Department => Json::from("transport"),
        FieldType::Post => Json::from("head"),
        FieldType::Officer => Json::from("o1"),
        FieldType::Date => Json::from("2026-03-31"),
        FieldType::Instant => Json::from("2026-03-02T01:00:00.000Z"),
        FieldType::Integer(low, _) => Json::from(low),
        FieldType::Flag => Json::Bool(true),
        FieldType::Event | FieldType::Hash => Json::from("00".repeat(32)),
        FieldType::Key => Json::from(Hash(*key("sample").public_key().as_bytes()).to_base64()),
        FieldType::Items => Json::Array(vec![Json::Int(1)]),
        FieldType::List(of, _) => Json::Array(vec![sample_of(*of)]),
        FieldType::Object(fields) => Json::Object(
            fields
                .iter()
                .filter(|field| field.required)
                .map(|field| (field.name.to_owned(), sample(field)))
                .collect(),
        ),
    }
}

/// An act before it is recorded.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    by: DepartmentId,
    kind: EventKind,
    case: Option<CaseId>,
    members: BTreeMap<String, Json>,
    top: BTreeMap<String, Json>,
    approved: Option<bool>,
    knowing: Option<Vector>,
    arrives: Arrives,
}

/// When an act comes to those it is addressed to.
#[derive(Debug, Clone, Copy)]
enum Arrives {
    AtOnce,
    At(Timestamp),
    Never,
}

/// Drafts an act of a department.
pub(crate) fn act(by: &str, kind: EventKind) -> Draft {
    Draft {
        by: department(by),
        kind,
        case: None,
        members: BTreeMap::new(),
        top: BTreeMap::new(),
        approved: None,
        knowing: None,
        arrives: Arrives::AtOnce,
    }
}

impl Draft {
    /// Returns whose act it is.
    pub(crate) fn by(&self) -> &DepartmentId {
        &self.by
    }

    /// Names the case.
    pub(crate) fn of(mut self, case: CaseId) -> Self {
        self.case = Some(case);
        self
    }

    /// Sets a member of the body.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Sets an event id in the body.
    pub(crate) fn naming(self, name: &str, event: EventId) -> Self {
        self.with(name, event.to_string())
    }

    /// Sets item numbers.
    pub(crate) fn items(self, numbers: &[u16]) -> Self {
        let list = numbers.iter().map(|number| Json::Int(i64::from(*number)));
        self.with("items", Json::Array(list.collect()))
    }

    /// Sets the data items of an application.
    pub(crate) fn asking(self, count: u16) -> Self {
        let item = |number: u16| {
            Json::object([
                ("number", Json::Int(i64::from(number))),
                ("name", Json::from("permit")),
            ])
        };
        self.with("items", Json::Array((1..=count).map(item).collect()))
    }

    /// Addresses a department.
    pub(crate) fn to(self, department: &str) -> Self {
        self.member("to", Json::Array(vec![Json::from(department)]))
    }

    /// Sets a member of the event beside the body.
    pub(crate) fn member(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.top.insert(name.to_owned(), value.into());
        self
    }

    /// Lets it come to those it is addressed to at a later time.
    pub(crate) fn arriving(mut self, text: &str) -> Self {
        self.arrives = Arrives::At(instant(text));
        self
    }

    /// Lets it be available at another host without any sign that it came.
    pub(crate) fn unseen(mut self) -> Self {
        self.arrives = Arrives::Never;
        self
    }

    /// Leaves out or adds the approver, whatever the kind needs.
    pub(crate) fn approved(mut self, approved: bool) -> Self {
        self.approved = Some(approved);
        self
    }

    /// Limits what the officer's node knew to an earlier moment.
    pub(crate) fn knowing(mut self, past: &Vector) -> Self {
        self.knowing = Some(past.clone());
        self
    }
}

#[derive(Debug, Clone)]
struct Log {
    no: LogNo,
    size: u64,
}

/// A federation at work: logs, cases, a clock.
#[derive(Debug, Clone)]
pub(crate) struct Play {
    /// The registry.
    pub(crate) registry: Arc<Registry>,
    /// The rosters: every department has a handler `o1` at `desk` and a head `o2` at `head`.
    pub(crate) rosters: Arc<BTreeMap<DepartmentId, RosterHistory>>,
    /// The cases.
    pub(crate) cases: BTreeMap<CaseId, CaseFold>,
    /// Every entry, in the order of recording.
    pub(crate) entries: Vec<CaseEntry>,
    /// The time.
    pub(crate) now: Timestamp,
    /// When acts came to those they are addressed to.
    pub(crate) arrivals: BTreeMap<EventId, Arrival>,
    /// The case numbers.
    pub(crate) numbers: Numbers,
    logs: BTreeMap<DepartmentId, Log>,
    nonce: u64,
}

impl Play {
    /// Begins under the national profile; founded once, since that takes most of the time of a small test.
    pub(crate) fn new() -> Self {
        static FOUNDED: LazyLock<Play> = LazyLock::new(|| Play::under("cn-809"));
        FOUNDED.clone()
    }

    /// Begins under a profile.
    pub(crate) fn under(profile: &str) -> Self {
        let registry = Arc::new(registry_under(profile));
        let mut play = Self {
            registry,
            rosters: Arc::new(BTreeMap::new()),
            cases: BTreeMap::new(),
            entries: Vec::new(),
            now: instant("2026-01-05 09:00"),
            arrivals: BTreeMap::new(),
            numbers: Numbers::default(),
            logs: BTreeMap::new(),
            nonce: 0,
        };
        for (place, (id, ..)) in DEPARTMENTS.iter().enumerate() {
            let log = Log {
                no: LogNo::try_from(place).unwrap(),
                size: 0,
            };
            play.logs.insert(department(id), log);
            play.enrol(id);
        }
        play
    }

    fn enrol(&mut self, id: &str) {
        let officer_key = |officer: &str| {
            let public = key(&format!("{id}/{officer}")).public_key();
            Json::from(Hash(*public.as_bytes()).to_base64())
        };
        let duties = |list: &[&str]| Json::Array(list.iter().map(|duty| Json::from(*duty)).collect());
        let head = duties(&["sharing-unit-head", "department-head", "lead"]);
        let events = [
            act(id, EventKind::RosterPostCreated)
                .with("post", "desk")
                .with("duties", duties(&["handle"])),
            act(id, EventKind::RosterPostCreated)
                .with("post", "head")
                .with("duties", head),
            act(id, EventKind::RosterEnrolled)
                .with("officer", "o1")
                .with("key", officer_key("o1")),
            act(id, EventKind::RosterEnrolled)
                .with("officer", "o2")
                .with("key", officer_key("o2")),
            act(id, EventKind::RosterAppointed)
                .with("post", "desk")
                .with("from", "2026-01-01"),
            act(id, EventKind::RosterAppointed)
                .with("officer", "o2")
                .with("from", "2026-01-01"),
        ];
        Arc::make_mut(&mut self.rosters).insert(department(id), RosterHistory::default());
        for draft in events {
            self.enters(draft);
        }
    }

    /// Records a roster event of the administrator.
    pub(crate) fn enters(&mut self, draft: Draft) {
        let signer = Json::object([
            ("roles", Json::Array(vec![Json::from("administrator")])),
            ("post", Json::from("admin")),
            ("officer", Json::from("admin")),
        ]);
        let draft = draft.member("signers", Json::Array(vec![signer]));
        let (event, event_id) = self.sign(&draft);
        let admin = VerifyingKey::new(&key(&format!("admin {}", draft.by)).public_key());
        let right = administrator_right(&draft.by, &OfficerId::parse("admin").unwrap(), &admin);
        let log = self.logs.get_mut(&draft.by).unwrap();
        let history = Arc::make_mut(&mut self.rosters).get_mut(&draft.by).unwrap();
        let fact = RosterFact {
            epoch: 1,
            index: log.size,
            version: 0,
            id: event_id,
            kind: draft.kind,
            event: Arc::new(event),
            right,
        };
        history.add(fact, &self.registry, &draft.by).unwrap();
        log.size += 1;
    }

    /// Sets the clock.
    pub(crate) fn at(&mut self, text: &str) -> &mut Self {
        self.now = instant(text);
        self
    }

    /// Goes on counting nonces where another play of the same beginning stands, so that no two acts share an id.
    pub(crate) fn skip_nonces_of(&mut self, other: &Self) {
        self.nonce = self.nonce.max(other.nonce);
    }

    /// Returns what a node knows that has everything.
    pub(crate) fn everything(&self) -> Vector {
        let mut vector = Vector::default();
        for log in self.logs.values() {
            vector.raise(log.no, log.size);
        }
        vector
    }

    /// Names the newest event of the kind that a guard asks for, where the draft names none.
    fn named(&self, draft: &Draft) -> Draft {
        let guard = table_of(draft.kind.case_kind())
            .and_then(|table| table.rule(draft.kind))
            .map(|rule| rule.guard);
        let state = draft.case.and_then(|case| self.cases.get(&case)?.state());
        match (guard, state) {
            (Some(Guard::Names(field, kind) | Guard::NamesNewest(field, kind)), Some(state))
                if !draft.members.contains_key(field) =>
            {
                match state.facts_of(kind).next_back() {
                    Some(fact) => draft.clone().naming(field, fact.entry.event),
                    None => draft.clone(),
                }
            }
            _ => draft.clone(),
        }
    }

    /// Makes the event of a draft.
    pub(crate) fn sign(&mut self, draft: &Draft) -> (Event, EventId) {
        let draft = self.named(draft);
        self.nonce += 1;
        let approval = self
            .registry
            .profile_of(&draft.by)
            .and_then(|profile| profile.approval_of(draft.kind.as_str()));
        let approved = draft.approved.unwrap_or(approval.is_some());
        let mut signers = vec![Json::object([
            ("roles", Json::Array(vec![Json::from("drafter")])),
            ("post", Json::from("desk")),
            ("officer", Json::from("o1")),
        ])];
        if approved {
            signers.push(Json::object([
                ("roles", Json::Array(vec![Json::from("approver")])),
                ("post", Json::from("head")),
            ]));
        }
        let mut members = BTreeMap::from([
            (
                "federation".to_owned(),
                Json::from(self.registry.federation().to_string()),
            ),
            ("department".to_owned(), Json::from(draft.by.to_string())),
            ("kind".to_owned(), Json::from(draft.kind.as_str())),
            ("issued".to_owned(), Json::from(self.now.to_string())),
            ("nonce".to_owned(), Json::from(format!("{:032x}", self.nonce))),
            ("source".to_owned(), Json::from("own")),
            ("audience".to_owned(), Json::from("all")),
            ("signers".to_owned(), Json::Array(signers)),
            ("body".to_owned(), body_of(draft.kind, &draft.members)),
        ]);
        if let Some(case) = draft.case {
            members.insert("case".to_owned(), Json::from(case.to_string()));
        }
        members.extend(draft.top.clone());
        let event = Event::from_json(&Json::Object(members)).unwrap();
        let id = event_id(&event.to_text());
        (event, id)
    }

    /// Makes the next entry of a log with the event of a draft, without adding it to its case.
    pub(crate) fn append(&mut self, draft: &Draft) -> CaseEntry {
        let (event, id) = self.sign(draft);
        let everything = self.everything();
        let log = self.logs.get_mut(&draft.by).unwrap();
        let index = log.size;
        log.size += 1;
        let mut past = draft.knowing.clone().unwrap_or(everything);
        past.raise(log.no, index);
        let origin: Origin = self.registry.origin(&draft.by);
        let officers = event
            .signers
            .iter()
            .map(|signer| match &signer.officer {
                Some(officer) => officer.clone(),
                None => OfficerId::parse("o2").unwrap(),
            })
            .collect();
        if !event.to.is_empty() {
            let received = match draft.arrives {
                Arrives::AtOnce => Some(self.now),
                Arrives::At(instant) => Some(instant),
                Arrives::Never => None,
            };
            let arrival = Arrival {
                sent: self.now,
                available: Some(self.now),
                received: event
                    .to
                    .iter()
                    .filter_map(|to| received.map(|at| (to.clone(), at)))
                    .collect(),
            };
            self.arrivals.insert(id, arrival);
        }
        if draft.kind.opens_case() {
            let day = self.now.date_at(480);
            self.numbers
                .count(&origin, index, draft.kind.case_kind(), day, id);
        }
        let leaf = sha256(&[origin.to_string().as_bytes(), &index.to_be_bytes(), &id.0.0]);
        CaseEntry {
            entry: EntryRef {
                origin: Arc::new(origin),
                index,
                event: id,
            },
            leaf,
            log: log.no,
            past: Arc::new(past),
            kind: draft.kind,
            event: Arc::new(event),
            recorded: self.now,
            version: 0,
            signers: Ok(officers),
        }
    }

    /// Records an act, whatever its verdict; returns its id.
    pub(crate) fn record(&mut self, draft: &Draft) -> EventId {
        let entry = self.append(draft);
        let id = entry.entry.event;
        let case = draft.case.unwrap_or(id);
        self.cases
            .entry(case)
            .or_insert_with(|| CaseFold::new(case, RULESET))
            .insert(entry.clone(), &self.registry);
        self.entries.push(entry);
        id
    }

    /// Records an act that must be effective; returns its id.
    pub(crate) fn does(&mut self, draft: &Draft) -> EventId {
        let id = self.record(draft);
        let case = &self.cases[&draft.case.unwrap_or(id)];
        let (_, verdict) = case.entries().last().unwrap();
        if let Err(void) = verdict {
            panic!("{} by {} is void: {void}", draft.kind.as_str(), draft.by);
        }
        id
    }
}

impl Play {
    /// Looks at everything from now.
    pub(crate) fn asof(&self) -> AsOf<'_> {
        AsOf::new(self, self.now)
    }

    /// Returns the state of a case.
    pub(crate) fn state(&self, case: CaseId) -> &CaseState {
        self.cases[&case].state().unwrap()
    }
}

impl Source for Play {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn case(&self, id: &CaseId) -> Option<Arc<CaseFold>> {
        self.cases.get(id).cloned().map(Arc::new)
    }

    fn visit_briefs(&self, open: bool, visit: &mut dyn FnMut(&CaseId, &Brief)) {
        for (id, fold) in &self.cases {
            let brief = Brief::of(fold.state(), &self.registry);
            if brief.open || !open {
                visit(id, &brief);
            }
        }
    }

    fn case_with(&self, event: &EventId) -> Option<CaseId> {
        let mut cases = self.cases.iter();
        let holds = |fold: &CaseFold| {
            fold.entries()
                .iter()
                .any(|(entry, _)| entry.entry.event == *event)
        };
        cases.find(|(_, fold)| holds(fold)).map(|(id, _)| *id)
    }

    fn arrival(&self, _: &CaseId, event: &EventId) -> Option<Arrival> {
        self.arrivals.get(event).cloned()
    }

    fn roster_at(&self, department: &DepartmentId, epoch: u32, index: u64) -> Option<Arc<Roster>> {
        let version = self.registry.newest().version;
        let history = self.rosters.get(department)?;
        Some(history.at(epoch, index, version, &self.registry, department))
    }

    fn number(&self, case: &CaseState) -> Option<CaseNumber> {
        let entry = &case.opening()?.entry;
        self.numbers.at(&entry.origin, entry.index).cloned()
    }
}

/// Writes a view for people: hashes become numbers in the order of their appearance, so that a snapshot shows what is
/// named where and does not change with every byte of the genesis.
pub(crate) fn readable(json: &Json) -> String {
    let value: serde_json::Value = serde_json::from_str(&json.to_canonical()).unwrap();
    let text = serde_json::to_string_pretty(&value).unwrap();
    let mut seen: Vec<String> = Vec::new();
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find(|character: char| character.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let end = from
            .find(|character: char| !character.is_ascii_hexdigit())
            .unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        if word.len() == 64 {
            let place = seen.iter().position(|known| known == word);
            let place = place.unwrap_or_else(|| {
                seen.push(word.to_owned());
                seen.len() - 1
            });
            out.push_str(&format!("#{}", place + 1));
        } else if word.len() == 16 {
            out.push_str("(genesis)");
        } else {
            out.push_str(word);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
