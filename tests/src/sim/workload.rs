//! What officers do: acts from the transition tables on views that may be stale, and acts that must be refused.

use super::cast::{department, officer, post, public};
use super::compose::{self, Frame, Hand, Subject};
use super::directed::{Directed, Director};
use super::engine::Sim;
use super::rng::Rng;
use std::collections::BTreeMap;
use tally_ledger::cases::table::{Guard, Rule};
use tally_ledger::cases::verdict::{NextAct, departments, next_acts};
use tally_ledger::cases::{CaseState, Item, table_of};
use tally_ledger::crypto::event_id;
use tally_schemas::event::{CaseKind, Event, EventKind, Kind, Signer, SignerRole, Source};
use tally_schemas::genesis::Role;
use tally_schemas::governance::{Change, Right};
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, NamedHead, OfficerId};
use tally_schemas::json::Json;
use tally_schemas::limits::EVENT_NOTE_BYTES_MAX;
use tally_schemas::note::Note;
use tally_schemas::time::Date;

/// The people of a run.
pub struct Workload {
    /// Roster events that every department needs before it can act, in order.
    scripts: BTreeMap<DepartmentId, Vec<(EventKind, Json)>>,
    waiting: BTreeMap<DepartmentId, Vec<u8>>,
    directed: Option<Directed>,
    admitted: bool,
    director: Director,
}

impl Workload {
    /// Gets ready.
    pub fn new(sim: &mut Sim) -> Self {
        let mut scripts = BTreeMap::new();
        for (id, member) in &sim.cast.members {
            scripts.insert(id.clone(), founding_roster(&member.officers));
        }
        Self {
            scripts,
            waiting: BTreeMap::new(),
            directed: None,
            admitted: false,
            director: Director::new(sim.seed),
        }
    }

    /// Somebody acts.
    pub fn act(&mut self, sim: &mut Sim) {
        self.enrol(sim);
        if let Some(directed) = &mut self.directed
            && sim.rng.chance(75)
        {
            if directed.proceed(sim) {
                self.directed = None;
            }
            return;
        }
        match sim.rng.below(100) {
            0..12 => open(sim),
            12..50 => any_next_act(sim),
            50..64 => invalid(sim),
            64..70 => again(sim),
            70..74 => roster_change(sim),
            74..77 => self.admit(sim),
            _ if self.directed.is_none() => {
                self.directed = self.director.next(sim);
            }
            _ => any_next_act(sim),
        }
    }

    /// Brings the rosters of all departments forward, one event after the other.
    fn enrol(&mut self, sim: &mut Sim) {
        let ids: Vec<DepartmentId> = self.scripts.keys().cloned().collect();
        for id in ids {
            let node = sim.cast.member(&id).node;
            let Some(world) = sim.nodes[node]
                .replica
                .as_ref()
                .map(tally_ledger::replica::Replica::world)
            else {
                continue;
            };
            if world.number(&id).is_none() {
                continue;
            }
            if let Some(note) = self.waiting.get(&id).cloned() {
                let recorded = sim.acknowledged.iter().any(|held| held.note == note);
                if recorded {
                    self.waiting.remove(&id);
                    let script = self.scripts.get_mut(&id).expect("it has a script");
                    script.remove(0);
                    if script.is_empty() {
                        self.scripts.remove(&id);
                        continue;
                    }
                } else {
                    if !sim.tickets.values().any(|ticketed| ticketed.note == note) {
                        sim.submit(node, &id, note);
                    }
                    continue;
                }
            }
            let Some((kind, body)) = self.scripts.get(&id).and_then(|script| script.first()).cloned() else {
                continue;
            };
            let hand = sim
                .cast
                .member(&id)
                .administrators
                .first()
                .expect("founded with one")
                .clone();
            let note = roster_note(sim, &id, kind, body, &hand);
            self.waiting.insert(id.clone(), note.clone());
            sim.submit(node, &id, note);
        }
    }

    /// Governance admits the late departments, once.
    fn admit(&mut self, sim: &mut Sim) {
        if self.admitted {
            give_something(sim);
            return;
        }
        let changes: Vec<Change> = sim
            .cast
            .members
            .values()
            .filter(|member| member.late)
            .map(|member| Change::DepartmentAdmitted(Box::new(member.record.clone())))
            .collect();
        if govern(sim, changes).is_some() {
            sim.coverage.hit("departments admitted late");
            self.admitted = true;
        }
    }
}

fn word(text: &str) -> Json {
    Json::Text(text.to_owned())
}

/// The roster events that give a department its officers, in order.
pub fn founding_roster(officers: &BTreeMap<OfficerId, Vec<[u8; 32]>>) -> Vec<(EventKind, Json)> {
    let mut script = Vec::new();
    for (name, duties) in [
        ("desk", vec!["handle"]),
        (
            "head",
            vec!["handle", "sharing-unit-head", "department-head", "lead"],
        ),
    ] {
        let body = Json::object([
            ("post", word(name)),
            ("duties", Json::Array(duties.into_iter().map(word).collect())),
            ("nameEn", word(name)),
            ("nameZh", word(name)),
        ]);
        script.push((EventKind::RosterPostCreated, body));
    }
    for (id, seeds) in officers {
        let key = Hash(public(seeds.first().expect("enrolled with one"))).to_base64();
        let body = Json::object([("officer", word(id.as_str())), ("key", word(&key))]);
        script.push((EventKind::RosterEnrolled, body));
        let name = if id.as_str().starts_with("desk") {
            "desk"
        } else {
            "head"
        };
        script.push((EventKind::RosterAppointed, appointment(id, name)));
    }
    script
}

/// The body of an appointment.
pub fn appointment(officer: &OfficerId, name: &str) -> Json {
    Json::object([
        ("officer", word(officer.as_str())),
        ("post", word(name)),
        ("from", word("2026-01-05")),
    ])
}

/// Writes and signs a roster event.
pub fn roster_note(sim: &mut Sim, by: &DepartmentId, kind: EventKind, body: Json, hand: &Hand) -> Vec<u8> {
    let signer = Signer {
        roles: vec![SignerRole::Administrator],
        post: post("administrator"),
        officer: Some(hand.0.clone()),
    };
    let frame = Frame {
        case: None,
        after: Vec::new(),
        to: Vec::new(),
        source: Source::Own,
        issued: super::cast::at(sim.now_ms),
    };
    let event = compose::event(
        &sim.cast,
        by,
        Kind::Known(kind),
        frame,
        &[signer],
        body,
        &mut sim.rng,
    );
    sim.cast.sign(&event, std::slice::from_ref(hand))
}

/// Returns who can sign now for a department, by the roster that a node holds.
pub fn keys_for(sim: &mut Sim, node: usize, by: &DepartmentId) -> Option<(Vec<Signer>, Vec<Hand>)> {
    let day = sim.clock(node).date_at(480);
    let roster = sim.nodes[node].replica.as_ref()?.world().roster(by)?;
    compose::signers(&sim.cast, by, &roster, day, &mut sim.rng)
}

/// A node that is up.
fn some_node(sim: &mut Sim) -> Option<usize> {
    let up: Vec<usize> = (0..sim.nodes.len())
        .filter(|node| sim.nodes[*node].replica.is_some())
        .collect();
    sim.rng.pick(&up).copied()
}

/// Returns a case as a node sees it.
pub fn state_of(sim: &Sim, node: usize, case: &CaseId) -> Option<CaseState> {
    sim.nodes
        .get(node)?
        .replica
        .as_ref()?
        .world()
        .case(case)?
        .state()
        .cloned()
}

/// Returns what can be done next in a case, as a node sees it.
pub fn acts_on(sim: &Sim, node: usize, case: &CaseId) -> Vec<NextAct> {
    let Some(replica) = sim.nodes.get(node).and_then(|node| node.replica.as_ref()) else {
        return Vec::new();
    };
    let registry = replica.world().registry();
    match replica.world().case(case).and_then(|fold| fold.shared_state()) {
        Some(state) => next_acts(&state, registry, registry.newest().version),
        None => Vec::new(),
    }
}

/// An act to be written.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Who acts.
    pub by: DepartmentId,
    /// What.
    pub kind: EventKind,
    /// The case as the officer sees it.
    pub state: Option<CaseState>,
    /// The items that it may be on.
    pub items: Vec<u16>,
    /// Whether it is on all of them.
    pub all_items: bool,
    /// Where it comes from.
    pub source: Source,
}

/// Writes and signs an act; none when nobody can sign.
pub fn write(sim: &mut Sim, plan: &Plan) -> Option<Vec<u8>> {
    let host = sim.cast.member(&plan.by).node;
    let (signers, hands) = keys_for(sim, host, &plan.by)?;
    let event = draft(sim, plan, &signers);
    Some(sim.cast.sign(&event, &hands))
}

/// Writes an act.
pub fn draft(sim: &mut Sim, plan: &Plan, signers: &[Signer]) -> Event {
    let mut rng = sim.rng.fork();
    let facts: Vec<EventId> = plan
        .state
        .iter()
        .flat_map(|state| &state.facts)
        .map(|fact| fact.entry.event)
        .collect();
    let subject = Subject {
        cast: &sim.cast,
        by: &plan.by,
        kind: plan.kind,
        state: plan.state.as_ref(),
        items: plan.items.clone(),
        known: facts.clone(),
    };
    let mut body = compose::body(&subject, &mut rng);
    if plan.all_items
        && !plan.kind.opens_case()
        && let Json::Object(members) = &mut body
        && members.contains_key("items")
    {
        let items = plan
            .items
            .iter()
            .map(|item| Json::Int(i64::from(*item)))
            .collect();
        members.insert("items".to_owned(), Json::Array(items));
    }
    let mut to: Vec<DepartmentId> = Vec::new();
    match (&plan.state, plan.kind) {
        (None, EventKind::RequestFiled) => to.push(compose::provider(&subject, &mut rng)),
        (None, EventKind::FindingOpened | EventKind::TaskIssued) => {
            let field = if plan.kind == EventKind::TaskIssued {
                "lead"
            } else {
                "object"
            };
            to.extend(body.member(field).and_then(Json::as_text).map(department));
        }
        (Some(state), _) if rng.chance(70) => {
            to.push(state.owner.clone());
            to.extend(state.items.values().map(|item| item.holder.clone()));
            to.retain(|id| *id != plan.by);
        }
        _ => {}
    }
    let after = facts.iter().copied().filter(|_| rng.chance(25)).collect();
    let frame = Frame {
        case: plan.state.as_ref().map(|state| state.id),
        after,
        to,
        source: plan.source,
        issued: super::cast::at(sim.now_ms),
    };
    compose::event(
        &sim.cast,
        &plan.by,
        Kind::Known(plan.kind),
        frame,
        signers,
        body,
        &mut rng,
    )
}

/// Submits an act at the host of its department.
pub fn send(sim: &mut Sim, by: &DepartmentId, note: Vec<u8>) -> Option<u64> {
    let host = sim.cast.member(by).node;
    let ticket = sim.submit(host, by, note)?;
    sim.coverage.hit("acts");
    Some(ticket)
}

fn source(rng: &mut Rng) -> Source {
    match rng.below(10) {
        0..8 => Source::Own,
        8 => Source::Paper,
        _ => Source::Import,
    }
}

/// Picks a department for an opening of a kind.
pub fn opener(sim: &mut Sim, kind: EventKind) -> Option<DepartmentId> {
    let table = table_of(kind.case_kind())?;
    let rule = table.rule(kind)?;
    let roles: Vec<Role> = rule.who.iter().filter_map(|(_, role)| *role).collect();
    let fitting: Vec<DepartmentId> = sim
        .cast
        .members
        .values()
        .filter(|member| roles.is_empty() || roles.iter().any(|role| member.record.roles.contains(role)))
        .map(|member| member.record.id.clone())
        .collect();
    sim.rng.pick(&fitting).cloned()
}

fn open(sim: &mut Sim) {
    let kinds = compose::openings();
    let kind = *sim.rng.pick(&kinds).expect("there are openings");
    let Some(by) = opener(sim, kind) else { return };
    let source = source(&mut sim.rng);
    if source != Source::Own {
        sim.coverage.hit("acts from paper");
    }
    let plan = Plan {
        by,
        kind,
        state: None,
        items: Vec::new(),
        all_items: false,
        source,
    };
    if let Some(note) = write(sim, &plan) {
        send(sim, &plan.by, note);
    }
}

/// Picks a case that a node knows.
fn some_case(sim: &mut Sim, node: usize) -> Option<CaseId> {
    let cases: Vec<CaseId> = sim.nodes[node]
        .replica
        .as_ref()?
        .world()
        .cases()
        .keys()
        .copied()
        .collect();
    sim.rng.pick(&cases).copied()
}

fn any_next_act(sim: &mut Sim) {
    let Some(view) = some_node(sim) else { return };
    for _ in 0..6 {
        let Some(case) = some_case(sim, view) else {
            open(sim);
            return;
        };
        if next_act(sim, view, case, None) {
            return;
        }
    }
}

/// Does something that a node's view of a case allows; by one department, or any.
pub fn next_act(sim: &mut Sim, view: usize, case: CaseId, only: Option<&DepartmentId>) -> bool {
    let Some(state) = state_of(sim, view, &case) else {
        return false;
    };
    let mut acts = acts_on(sim, view, &case);
    let ends = |kind: EventKind| {
        matches!(
            kind.name(),
            "withdrawn" | "dropped" | "declined" | "erratum" | "urged"
        )
    };
    if sim.rng.chance(75) {
        acts.retain(|act| !ends(act.kind));
    }
    if let Some(only) = only {
        acts.retain(|act| act.by.contains(only));
    }
    let Some(act) = sim.rng.pick(&acts).cloned() else {
        return false;
    };
    let by = match only {
        Some(only) => only.clone(),
        None => sim.rng.pick(&act.by).expect("an act has somebody").clone(),
    };
    let source = source(&mut sim.rng);
    if source != Source::Own {
        sim.coverage.hit("acts from paper");
    }
    let plan = Plan {
        by,
        kind: act.kind,
        state: Some(state),
        items: act.items,
        all_items: false,
        source,
    };
    match write(sim, &plan) {
        Some(note) => send(sim, &plan.by, note).is_some(),
        None => false,
    }
}

/// Asks again: what was acknowledged, or what was never answered.
fn again(sim: &mut Sim) {
    if sim.rng.chance(50)
        && let Some(ticketed) = sim.unanswered.pop()
    {
        sim.submit(ticketed.node, &ticketed.department, ticketed.note);
        return;
    }
    let Some(held) = sim.rng.pick(&sim.acknowledged).cloned() else {
        return;
    };
    if held.note.starts_with(b"tally/governance") || held.note.starts_with(b"tally/epoch") {
        return;
    }
    let by = held.origin.department;
    let node = sim.cast.member(&by).node;
    sim.submit(node, &by, held.note);
}

/// An event of a department without regard to what its case allows; often with something else wrong.
pub fn careless(sim: &mut Sim, view: usize, by: &DepartmentId) -> Option<Vec<u8>> {
    let case = some_case(sim, view);
    let state = case.and_then(|case| state_of(sim, view, &case));
    let (signers, mut hands) = keys_for(sim, view, by)?;
    let kind = match &state {
        Some(state) => {
            let kinds: Vec<EventKind> = EventKind::ALL
                .iter()
                .copied()
                .filter(|kind| kind.case_kind() == state.kind && !kind.opens_case())
                .collect();
            *sim.rng.pick(&kinds)?
        }
        None => EventKind::RequestFiled,
    };
    let items = state
        .as_ref()
        .map(|state| state.items.keys().copied().collect())
        .unwrap_or_default();
    let source = source(&mut sim.rng);
    let plan = Plan {
        by: by.clone(),
        kind,
        state,
        items,
        all_items: false,
        source,
    };
    let mut event = draft(sim, &plan, &signers);
    let opens = plan.kind.opens_case();
    match sim.rng.below(14) {
        0 if !opens => event.case = Some(EventId(Hash(sim.rng.bytes()))),
        1 if !opens => event.after = vec![EventId(Hash(sim.rng.bytes()))],
        2 => {
            if let Some(first) = event.signers.first_mut() {
                first.post = post("desk");
            }
        }
        3 => hands.truncate(hands.len().saturating_sub(1).max(1)),
        4 => {
            for (_, seed) in &mut hands {
                *seed = sim.rng.bytes();
            }
        }
        5 => hands.reverse(),
        6 => {
            let other =
                tally_schemas::id::FederationId::parse("another-0123456789abcdef").expect("well formed");
            event.federation = other;
        }
        7 => {
            if let Some(first) = event.signers.first_mut() {
                first.post = post("gate");
            }
        }
        8 if !opens => {
            // A case of another kind.
            let other = some_case(sim, view);
            event.case = other.or(event.case);
        }
        _ => {}
    }
    let text = event.to_text();
    Event::parse_text(&text).ok()?;
    Some(sim.cast.sign(&event, &hands))
}

/// An act of the right department at the right stage that only the guard of its rule forbids.
pub fn against_guard(sim: &mut Sim, view: usize, by: &DepartmentId) -> Option<Vec<u8>> {
    let mut found: Vec<(CaseState, &'static Rule, Vec<u16>)> = Vec::new();
    {
        let world = sim.nodes.get(view)?.replica.as_ref()?.world();
        let registry = world.registry();
        let version = registry.newest().version;
        for state in world.cases().values().filter_map(|fold| fold.state()) {
            for rule in table_of(state.kind)?.rules {
                let fits = |item: &Item| {
                    rule.edges.iter().any(|(from, _)| from.contains(&item.stage))
                        && forbids(rule.guard, by, state, item)
                        && rule.who.iter().any(|(who, role)| {
                            departments(*who, state, Some(item), None, registry, version).contains(by)
                                && role.is_none_or(|role| registry.has_role(by, role, version))
                        })
                };
                let items: Vec<u16> = state
                    .items
                    .iter()
                    .filter(|(_, item)| fits(item))
                    .map(|(number, _)| *number)
                    .collect();
                if !items.is_empty() {
                    found.push((state.clone(), rule, items));
                }
            }
        }
    }
    let (state, rule, items) = sim.rng.pick(&found).cloned()?;
    let (signers, hands) = keys_for(sim, view, by)?;
    let plan = Plan {
        by: by.clone(),
        kind: rule.event,
        state: Some(state),
        items,
        all_items: true,
        source: Source::Own,
    };
    let mut event = draft(sim, &plan, &signers);
    event.after.clear();
    if let Guard::Names(field, _) | Guard::NamesNewest(field, _) = rule.guard {
        let mut json = event.to_json();
        let other = EventId(Hash(sim.rng.bytes())).to_string();
        if let Json::Object(members) = &mut json
            && let Some(Json::Object(body)) = members.get_mut("body")
        {
            body.insert(field.to_owned(), Json::Text(other));
        }
        event = Event::from_json(&json).ok()?;
    }
    Some(sim.cast.sign(&event, &hands))
}

/// Says whether the guard of a rule can be broken by a department on an item; a guard on what is named always can.
fn forbids(guard: Guard, by: &DepartmentId, state: &CaseState, item: &Item) -> bool {
    match guard {
        Guard::None => false,
        Guard::Names(..) | Guard::NamesNewest(..) => true,
        Guard::OwnFlag => !item.flags.contains_key(by),
        Guard::NoOwnFlag => item.flags.contains_key(by),
        Guard::NotHolder => item.holder == *by,
        Guard::OwnCase => state.owner != *by,
        Guard::Outstanding(kind, answers) => {
            let answered: usize = answers.iter().map(|answer| state.facts_of(*answer).count()).sum();
            state.facts_of(kind).count() <= answered
        }
    }
}

/// Something that must not be recorded, or only if it happens to be right.
fn invalid(sim: &mut Sim) {
    let Some(node) = some_node(sim) else { return };
    let hosted = sim.cast.hosted(node);
    let Some(by) = sim.rng.pick(&hosted).cloned() else {
        return;
    };
    match sim.rng.below(12) {
        0 => {
            let junk: [u8; 40] = sim.rng.bytes();
            sim.submit(node, &by, junk.to_vec());
        }
        1 => {
            // Another node's department.
            let others: Vec<DepartmentId> = sim
                .cast
                .members
                .keys()
                .filter(|id| !hosted.contains(id))
                .cloned()
                .collect();
            let Some(other) = sim.rng.pick(&others).cloned() else {
                return;
            };
            if let Some(note) = careless(sim, node, &other) {
                sim.submit(node, &by, note);
            }
        }
        2 => {
            if let Some(note) = careless(sim, node, &by)
                && let Ok(mut note) = Note::parse(&note, EVENT_NOTE_BYTES_MAX)
            {
                let place = sim.rng.place(64);
                if let Some(byte) = note
                    .lines
                    .first_mut()
                    .and_then(|line| line.signature.get_mut(place))
                {
                    *byte ^= 1;
                }
                sim.submit(node, &by, note.to_bytes());
            }
        }
        3 => {
            let Some((signers, hands)) = keys_for(sim, node, &by) else {
                return;
            };
            let plan = Plan {
                by: by.clone(),
                kind: EventKind::RequestFiled,
                state: None,
                items: Vec::new(),
                all_items: false,
                source: Source::Own,
            };
            let mut event = draft(sim, &plan, &signers);
            event.kind = Kind::Unknown("request.invented".to_owned());
            let note = sim.cast.sign(&event, &hands);
            sim.submit(node, &by, note);
        }
        4 => {
            let hand = sim
                .cast
                .member(&by)
                .administrators
                .first()
                .expect("there is one")
                .clone();
            let body = appointment(&officer("nobody"), "head");
            let note = roster_note(sim, &by, EventKind::RosterAppointed, body, &hand);
            sim.submit(node, &by, note);
        }
        5 => {
            let registrar = sim.cast.registrar.clone();
            let host = sim.cast.member(&registrar).node;
            let right = Right::Role {
                department: by,
                role: Role::Audit,
            };
            let (version, previous) = (sim.rng.between(1, 9).unsigned_abs(), Hash(sim.rng.bytes()));
            let now = sim.clock(host);
            let hands = administrators(sim, host);
            let note = sim
                .cast
                .govern(version, previous, now, vec![Change::RightGiven(right)], &hands);
            sim.submit(host, &registrar, note);
        }
        6 | 7 => {
            if let Some(note) = against_guard(sim, node, &by) {
                send(sim, &by, note);
            }
        }
        _ => {
            if let Some(note) = careless(sim, node, &by) {
                send(sim, &by, note);
            }
        }
    }
}

/// A change of a department's roster.
pub fn roster_change(sim: &mut Sim) {
    let ids: Vec<DepartmentId> = sim.cast.members.keys().cloned().collect();
    let Some(by) = sim.rng.pick(&ids).cloned() else {
        return;
    };
    roster_change_of(sim, &by);
}

/// A change of the roster of a given department, by any of its administrators.
pub fn roster_change_of(sim: &mut Sim, by: &DepartmentId) {
    let node = sim.cast.member(by).node;
    let hands = sim.cast.member(by).administrators.clone();
    let Some(hand) = sim.rng.pick(&hands).cloned() else {
        return;
    };
    let officers: Vec<OfficerId> = sim.cast.member(by).officers.keys().cloned().collect();
    let Some(who) = sim.rng.pick(&officers).cloned() else {
        return;
    };
    let day = Date::parse("2026-03-02").expect("a date");
    let (kind, body) = match sim.rng.below(8) {
        0 => {
            let name = officer(&format!("new-{}", sim.rng.below(1_000)));
            let key = Hash(public(&sim.cast.new_officer_key(by, &name))).to_base64();
            (
                EventKind::RosterEnrolled,
                Json::object([("officer", word(name.as_str())), ("key", word(&key))]),
            )
        }
        1 => {
            let key = Hash(public(&sim.cast.new_officer_key(by, &who))).to_base64();
            let body = Json::object([
                ("officer", word(who.as_str())),
                ("reason", word("replaced")),
                ("replacement", word(&key)),
            ]);
            (EventKind::RosterKeyRevoked, body)
        }
        2 => {
            let body = Json::object([("officer", word(who.as_str())), ("reason", word("lost"))]);
            (EventKind::RosterKeyRevoked, body)
        }
        3 => {
            let body = Json::object([
                ("officer", word(who.as_str())),
                ("post", word("desk")),
                (
                    "on",
                    word(
                        &day.plus_days(i32::try_from(sim.rng.below(3)).expect("small"))
                            .to_string(),
                    ),
                ),
            ]);
            (EventKind::RosterRelieved, body)
        }
        4 => {
            let body = Json::object([
                ("officer", word(who.as_str())),
                ("post", word("head")),
                ("duty", word("sharing-unit-head")),
                ("from", word(&day.plus_days(-3).to_string())),
                ("to", word(&day.plus_days(30).to_string())),
            ]);
            (EventKind::RosterDelegated, body)
        }
        5 => {
            let body = Json::object([
                ("officer", word(who.as_str())),
                ("post", word("head")),
                ("from", word(&day.plus_days(-1).to_string())),
                ("to", word(&day.plus_days(60).to_string())),
                ("acting", Json::Bool(true)),
            ]);
            (EventKind::RosterAppointed, body)
        }
        6 => {
            let body = Json::object([
                ("post", word(&format!("post-{}", sim.rng.below(50)))),
                ("duties", Json::Array(vec![word("handle")])),
                ("nameEn", word("post")),
                ("nameZh", word("post")),
            ]);
            (EventKind::RosterPostCreated, body)
        }
        _ => {
            // Whoever lost a key gets one again, so that departments do not die out.
            let key = Hash(public(&sim.cast.new_officer_key(by, &who))).to_base64();
            let body = Json::object([
                ("officer", word(who.as_str())),
                ("reason", word("lost")),
                ("replacement", word(&key)),
            ]);
            (EventKind::RosterKeyRevoked, body)
        }
    };
    let note = roster_note(sim, by, kind, body, &hand);
    sim.submit(node, by, note);
}

/// One living administrator of each department, as a node sees it.
pub fn administrators(sim: &Sim, node: usize) -> Vec<(DepartmentId, OfficerId, [u8; 32])> {
    let Some(replica) = sim.nodes[node].replica.as_ref() else {
        return Vec::new();
    };
    let registry = replica.world().registry();
    let version = registry.newest().version;
    let mut found = Vec::new();
    for record in registry.departments(version) {
        let living = sim
            .cast
            .member(&record.id)
            .administrators
            .iter()
            .find(|(name, seed)| {
                let right = Right::Administrator {
                    department: record.id.clone(),
                    officer: name.clone(),
                    key: public(seed),
                };
                registry.stands(&right, version)
            });
        if let Some((name, seed)) = living {
            found.push((record.id.clone(), name.clone(), *seed));
        }
    }
    found
}

/// Submits a governance note at the registrar's node; returns the ticket.
pub fn govern(sim: &mut Sim, changes: Vec<Change>) -> Option<u64> {
    let registrar = sim.cast.registrar.clone();
    let host = sim.cast.member(&registrar).node;
    let newest = sim.nodes[host].replica.as_ref()?.world().registry().newest();
    let hands = administrators(sim, host);
    let now = sim.clock(host);
    let note = sim
        .cast
        .govern(newest.version + 1, newest.hash, now, changes, &hands);
    sim.submit(host, &registrar, note)
}

/// The newest head of a department's log that the registrar's node has resolved.
pub fn head_at_registrar(sim: &Sim, by: &DepartmentId) -> Option<NamedHead> {
    let host = sim.cast.member(&sim.cast.registrar).node;
    let world = sim.nodes[host].replica.as_ref()?.world();
    let number = world.number(by)?;
    let head = world.resolved_head(number)?;
    let origin = tally_schemas::id::Origin::clone(&world.log_at(number)?.origin);
    Some(NamedHead { origin, head })
}

/// Gives back every right of the cast that was taken, or gives one that was never held.
pub fn give_something(sim: &mut Sim) {
    let host = sim.cast.member(&sim.cast.registrar).node;
    let Some(replica) = sim.nodes[host].replica.as_ref() else {
        return;
    };
    let registry = replica.world().registry();
    let version = registry.newest().version;
    let mut changes = Vec::new();
    for record in registry.departments(version) {
        for right in Right::of_admission(record) {
            if !matches!(right, Right::Administrator { .. }) && !registry.stands(&right, version) {
                changes.push(Change::RightGiven(right));
            }
        }
    }
    if changes.is_empty() {
        return;
    }
    if govern(sim, changes).is_some() {
        sim.coverage.hit("rights given back");
    }
}

/// Returns the id of the event in a note.
pub fn id_of(note: &[u8]) -> Option<EventId> {
    let note = Note::parse(note, EVENT_NOTE_BYTES_MAX).ok()?;
    Some(event_id(&note.text))
}

/// Returns the kinds of case that have tables.
pub fn case_kinds() -> Vec<CaseKind> {
    CaseKind::ALL
        .iter()
        .copied()
        .filter(|kind| table_of(*kind).is_some())
        .collect()
}
