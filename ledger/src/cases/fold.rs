//! Folds the entries of one case into its state, and says which of them were reversed.
//!
//! Knows nothing of storage, transport or other cases. Keeps I5 (same set, same state, whatever the order of arrival)
//! and I6 (nothing is dropped; reversals are derived from the set). Spec: `schemas/spec/fold.md`.

use super::state::{CaseState, EntryRef, Fact};
use super::table::{Effect, Stage, Table, Who};
use super::table_of;
use super::verdict::{self, Allowed, Place};
use crate::authority::{Registry, Void};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tally_schemas::event::{Event, EventKind};
use tally_schemas::id::{CaseId, EventId, Hash, OfficerId};
use tally_schemas::time::Timestamp;

/// A log, by the order in which this process first saw it; never part of any state or format.
pub type LogNo = u32;

/// The greatest size per log under an entry: what lies in its past. Indexed by [`LogNo`]; shorter means 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vector(Vec<u64>);

impl Vector {
    /// Returns the size under the entry for a log.
    pub fn size(&self, log: LogNo) -> u64 {
        usize::try_from(log)
            .ok()
            .and_then(|place| self.0.get(place))
            .copied()
            .unwrap_or(0)
    }

    /// Raises the size for a log; returns whether it rose.
    pub fn raise(&mut self, log: LogNo, size: u64) -> bool {
        let Ok(place) = usize::try_from(log) else {
            return false;
        };
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        match self.0.get_mut(place) {
            Some(held) if *held < size => {
                *held = size;
                true
            }
            _ => false,
        }
    }

    /// Makes a vector of sizes, by log.
    pub(crate) fn from_sizes(sizes: Vec<u64>) -> Self {
        Self(sizes)
    }

    /// Returns the sizes, by log.
    pub(crate) fn sizes(&self) -> &[u64] {
        &self.0
    }

    /// Raises every size to that of another vector.
    pub fn merge(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (held, size) in self.0.iter_mut().zip(&other.0) {
            *held = (*held).max(*size);
        }
    }

    /// Says whether every size is at least that of another vector.
    pub fn covers(&self, other: &Self) -> bool {
        other
            .0
            .iter()
            .enumerate()
            .all(|(place, size)| self.0.get(place).copied().unwrap_or(0) >= *size)
    }
}

/// A resolved entry that carries an event of a case.
#[derive(Debug, Clone)]
pub struct CaseEntry {
    /// Where it stands.
    pub entry: EntryRef,
    /// Its leaf hash.
    pub leaf: Hash,
    /// Its log.
    pub log: LogNo,
    /// What lies in its past in other logs; of its own log, everything before it does.
    pub past: Arc<Vector>,
    /// The kind.
    pub kind: EventKind,
    /// The event.
    pub event: Arc<Event>,
    /// When it was recorded.
    pub recorded: Timestamp,
    /// The registry version that its header names.
    pub version: u64,
    /// Who signed, in line order; or why the signatures give it no authority.
    pub signers: Result<Vec<OfficerId>, Void>,
}

impl CaseEntry {
    /// Returns where the entry stands, under a registry.
    fn place<'a>(&'a self, registry: &'a Registry) -> Place<'a> {
        Place {
            registry,
            version: self.version,
            origin: &self.entry.origin,
            index: self.entry.index,
        }
    }

    /// Says whether this entry lies in the past of another.
    pub fn precedes(&self, other: &Self) -> bool {
        if self.log == other.log {
            self.entry.index < other.entry.index
        } else {
            self.entry.index < other.past.size(self.log)
        }
    }
}

/// An event that is effective in the fold of its own past, but void or overtaken in the fold of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reversal {
    /// Governance took the right it rests on.
    RightTaken {
        /// The entry.
        entry: EntryRef,
        /// The governance version.
        version: u64,
    },
    /// A concurrent act came first.
    Overtaken {
        /// The entry.
        entry: EntryRef,
        /// The item.
        item: u16,
        /// What had moved the stage last.
        cause: EventId,
    },
}

/// A case: its entries, the verdict on each in its own past, and the state of all.
///
/// A case under a ruleset newer than those that are held has entries, but neither verdicts nor a state: nothing is guessed.
#[derive(Debug, Clone)]
pub struct CaseFold {
    id: CaseId,
    holds: u32,
    ruleset: Option<u32>,
    entries: Vec<(CaseEntry, Result<Allowed, Void>)>,
    state: Option<Arc<CaseState>>,
    folded_at: u64,
    refolds: u64,
}

impl CaseFold {
    /// Makes an empty case, to be folded by software that holds rulesets up to a number.
    pub fn new(id: CaseId, holds: u32) -> Self {
        Self {
            id,
            holds,
            ruleset: None,
            entries: Vec::new(),
            state: None,
            folded_at: 0,
            refolds: 0,
        }
    }

    /// Returns the case id.
    pub fn id(&self) -> CaseId {
        self.id
    }

    /// Returns the ruleset by which the case is folded: the one in force at the first copy of its opening event that its
    /// signatures give authority.
    pub fn ruleset(&self) -> Option<u32> {
        self.ruleset
    }

    /// Returns why nothing of the case is judged here, if its ruleset is newer than those that are held.
    pub fn newer_ruleset(&self) -> Option<Void> {
        let holds = self.holds;
        let newer = self.ruleset.filter(|ruleset| *ruleset > holds)?;
        Some(Void::NewerRuleset {
            ruleset: newer,
            holds,
        })
    }

    /// Returns the state of all entries under the newest registry, if the case was opened.
    pub fn state(&self) -> Option<&CaseState> {
        self.state.as_deref()
    }

    /// Returns the state, shared.
    pub fn shared_state(&self) -> Option<Arc<CaseState>> {
        self.state.clone()
    }

    /// Returns every entry with its verdict in its own past, in order of arrival (which is no state).
    pub fn entries(&self) -> &[(CaseEntry, Result<Allowed, Void>)] {
        &self.entries
    }

    /// Returns how often the case was folded anew rather than extended.
    pub fn refolds(&self) -> u64 {
        self.refolds
    }

    /// Judges an event that a node would append now, on top of everything resolved.
    ///
    /// # Errors
    /// The reason that would make it void.
    pub fn judge_next(&self, kind: EventKind, event: &Event, place: Place<'_>) -> Result<Allowed, Void> {
        let holds = self.holds;
        let opened_under = place.registry.ruleset_at(place.version);
        if event.case.is_none() && self.ruleset.is_none() && opened_under > holds {
            return Err(Void::NewerRuleset {
                ruleset: opened_under,
                holds,
            });
        }
        if let Some(newer) = self.newer_ruleset() {
            return Err(newer);
        }
        let known = |id: &EventId| self.entries.iter().any(|(entry, _)| entry.entry.event == *id);
        if let Some(missing) = event.after.iter().find(|id| !known(id)) {
            return Err(Void::After(missing.to_string()));
        }
        let allowed = verdict::judge(kind, event, self.state(), place)?;
        match missing_right(&allowed, place, place.version) {
            Some(void) => Err(void),
            None => Ok(allowed),
        }
    }

    /// Adds a resolved entry: gives its verdict, which never changes but by a taking, and brings the state up to date.
    ///
    /// Every entry in its past must have been added before; the resolution of logs sees to that.
    pub fn insert(&mut self, entry: CaseEntry, registry: &Registry) {
        // Copies of the opening stand in the logs of one department, which are resolved in the order of their positions.
        if self.ruleset.is_none() && entry.entry.event == self.id && entry.signers.is_ok() {
            self.ruleset = Some(registry.ruleset_at(entry.version));
        }
        if let Some(newer) = self.newer_ruleset() {
            self.entries.push((entry, Err(newer.clone())));
            for (_, verdict) in &mut self.entries {
                *verdict = Err(newer.clone());
            }
            self.state = None;
            return;
        }
        let newest = registry.newest().version;
        let after_all = self.entries.iter().all(|(other, _)| other.precedes(&entry));
        let same_registry =
            !registry.took_between(entry.version, newest) && !registry.took_between(self.folded_at, newest);
        if after_all && same_registry {
            let verdict = self.verdict(&entry, self.state(), registry);
            if let Ok(allowed) = &verdict {
                let state = self.state.take().map(Arc::unwrap_or_clone);
                self.state = apply(state, &entry, allowed).map(Arc::new);
            }
            self.entries.push((entry, verdict));
            self.folded_at = newest;
            return;
        }
        let past: Vec<&(CaseEntry, Result<Allowed, Void>)> = self
            .entries
            .iter()
            .filter(|(other, _)| other.precedes(&entry))
            .collect();
        let own_past = fold(&past, registry, entry.version);
        let verdict = self.verdict(&entry, own_past.as_ref(), registry);
        self.entries.push((entry, verdict));
        self.refold(registry);
    }

    /// Folds everything anew, as after a taking.
    pub fn refold(&mut self, registry: &Registry) {
        let newest = registry.newest().version;
        let all: Vec<&(CaseEntry, Result<Allowed, Void>)> = self.entries.iter().collect();
        self.state = fold(&all, registry, newest).map(Arc::new);
        self.folded_at = newest;
        self.refolds += 1;
    }

    fn verdict(
        &self,
        entry: &CaseEntry,
        own_past: Option<&CaseState>,
        registry: &Registry,
    ) -> Result<Allowed, Void> {
        entry.signers.as_ref().map_err(Clone::clone)?;
        let version = entry.version;
        let copy = self.entries.iter().any(|(other, verdict)| {
            other.entry.event == entry.entry.event
                && other.precedes(entry)
                && verdict
                    .as_ref()
                    .is_ok_and(|allowed| rights_hold(other, allowed, registry, version))
        });
        if copy {
            return Err(Void::Copy);
        }
        for id in &entry.event.after {
            let known = self
                .entries
                .iter()
                .any(|(other, _)| other.entry.event == *id && other.precedes(entry));
            if !known {
                return Err(Void::After(id.to_string()));
            }
        }
        let place = entry.place(registry);
        let allowed = verdict::judge(entry.kind, &entry.event, own_past, place)?;
        match missing_right(&allowed, place, version) {
            Some(void) => Err(void),
            None => Ok(allowed),
        }
    }

    /// Returns why an entry has no effect in the fold of all, if it has none.
    pub fn void(&self, place: usize, registry: &Registry) -> Option<Void> {
        let (entry, verdict) = self.entries.get(place)?;
        match verdict {
            Err(void) => Some(void.clone()),
            Ok(allowed) => missing_right(allowed, entry.place(registry), registry.newest().version),
        }
    }

    /// Returns the reversals with their causes, by log and index.
    pub fn reversals(&self, registry: &Registry) -> Vec<Reversal> {
        let newest = registry.newest().version;
        let mut found = Vec::new();
        for (entry, verdict) in &self.entries {
            let Ok(allowed) = verdict else { continue };
            let taken = allowed.rights.iter().find_map(|right| {
                let holds = registry.holds(
                    right,
                    &entry.entry.origin,
                    entry.entry.index,
                    entry.version,
                    newest,
                );
                (!holds)
                    .then(|| {
                        registry.taken_by(
                            right,
                            &entry.entry.origin,
                            entry.entry.index,
                            entry.version,
                            newest,
                        )
                    })
                    .flatten()
            });
            if let Some(version) = taken {
                found.push(Reversal::RightTaken {
                    entry: entry.entry.clone(),
                    version,
                });
            }
        }
        for fact in self.state.iter().flat_map(|state| &state.facts) {
            for (item, cause) in &fact.overtaken {
                found.push(Reversal::Overtaken {
                    entry: fact.entry.clone(),
                    item: *item,
                    cause: *cause,
                });
            }
        }
        found.sort_by(|a, b| key(a).cmp(&key(b)));
        found
    }
}

fn key(reversal: &Reversal) -> (&EntryRef, u16) {
    match reversal {
        Reversal::RightTaken { entry, .. } => (entry, 0),
        Reversal::Overtaken { entry, item, .. } => (entry, *item),
    }
}

fn rights_hold(entry: &CaseEntry, allowed: &Allowed, registry: &Registry, judged_by: u64) -> bool {
    missing_right(allowed, entry.place(registry), judged_by).is_none()
}

/// Returns why a right that an event rests on does not hold at its place, when takings up to a version are known.
fn missing_right(allowed: &Allowed, place: Place<'_>, judged_by: u64) -> Option<Void> {
    let Place {
        registry,
        version,
        origin,
        index,
    } = place;
    let right = allowed
        .rights
        .iter()
        .find(|right| !registry.holds(right, origin, index, version, judged_by))?;
    Some(
        match registry.taken_by(right, origin, index, version, judged_by) {
            Some(taken) => Void::RightTaken(taken),
            None => Void::NoRight(right.department().to_string()),
        },
    )
}

/// Folds a set of judged entries under a registry version.
fn fold(set: &[&(CaseEntry, Result<Allowed, Void>)], registry: &Registry, version: u64) -> Option<CaseState> {
    let mut waiting = Waiting::default();
    let mut state = None;
    for (entry, verdict) in set {
        let Ok(allowed) = verdict else { continue };
        if rights_hold(entry, allowed, registry, version) {
            waiting.push(entry, allowed);
        } else if entry.kind.opens_case() && state.is_none() {
            // An opening whose right was taken leaves its items at the start, so that what followed is shown overtaken.
            state = verdict::open(entry.kind, &entry.event, entry.entry.event).ok();
        }
    }
    waiting.sort();
    while let Some((entry, allowed)) = waiting.take_next() {
        state = apply(state, entry, allowed);
    }
    state
}

/// What waits to be applied, by log and position: only the first of each log can have nothing waiting in its past.
#[derive(Default)]
struct Waiting<'a> {
    logs: BTreeMap<LogNo, VecDeque<(&'a CaseEntry, &'a Allowed)>>,
}

impl<'a> Waiting<'a> {
    fn push(&mut self, entry: &'a CaseEntry, allowed: &'a Allowed) {
        self.logs
            .entry(entry.log)
            .or_default()
            .push_back((entry, allowed));
    }

    fn sort(&mut self) {
        for log in self.logs.values_mut() {
            log.make_contiguous().sort_by_key(|(entry, _)| entry.entry.index);
        }
    }

    fn firsts(&self) -> impl Iterator<Item = (&'a CaseEntry, &'a Allowed)> {
        self.logs.values().filter_map(|log| log.front().copied())
    }

    /// Takes what is applied next: nothing waiting lies in its past, no concurrent row puts another first; then the least
    /// by (role order, leaf hash). When rows and past form a circle, the rows give way.
    fn take_next(&mut self) -> Option<(&'a CaseEntry, &'a Allowed)> {
        // What precedes an entry in another log is preceded by the first that waits there.
        let heads: Vec<(&CaseEntry, &Allowed)> = self
            .firsts()
            .filter(|(entry, _)| !self.firsts().any(|(other, _)| other.precedes(entry)))
            .collect();
        let order = |(entry, _): &&(&CaseEntry, &Allowed)| (role_order(entry.kind), entry.leaf);
        let free = heads
            .iter()
            .filter(|(entry, allowed)| !self.puts_another_first(entry, allowed));
        let (next, _) = free
            .min_by_key(order)
            .or_else(|| heads.iter().min_by_key(order))?;
        self.logs.get_mut(&next.log)?.pop_front()
    }

    /// Says whether a row puts anything that waits, concurrent on a shared item, before an entry.
    fn puts_another_first(&self, entry: &CaseEntry, allowed: &Allowed) -> bool {
        let Some(table) = table_of(entry.kind.case_kind()) else {
            return false;
        };
        if !table.pairs.iter().any(|row| row.second == entry.kind) {
            return false;
        }
        self.logs.values().flatten().any(|(other, theirs)| {
            let concurrent = !other.precedes(entry) && !entry.precedes(other) && other.leaf != entry.leaf;
            concurrent
                && table.puts_first(other.kind, entry.kind)
                && theirs.items.iter().any(|item| allowed.items.contains(item))
        })
    }
}

/// Returns the place of a kind in the role order: who its rule names first.
pub fn role_order(kind: EventKind) -> Option<Who> {
    table_of(kind.case_kind())?
        .rule(kind)?
        .who
        .first()
        .map(|(who, _)| *who)
}

/// Applies an effective event: by an edge, else by a race-only edge, else its facts are added and it is overtaken.
pub(super) fn apply(state: Option<CaseState>, entry: &CaseEntry, allowed: &Allowed) -> Option<CaseState> {
    let table: &Table = table_of(entry.kind.case_kind())?;
    let id = entry.entry.event;
    let mut state = match state {
        Some(state) => state,
        None if entry.kind.opens_case() => verdict::open(entry.kind, &entry.event, id).ok()?,
        None => return None,
    };
    let mut fact = Fact {
        entry: entry.entry.clone(),
        leaf: entry.leaf,
        kind: entry.kind,
        by: entry.event.department.clone(),
        officers: entry.signers.clone().unwrap_or_default(),
        recorded: entry.recorded,
        version: entry.version,
        items: allowed.items.clone(),
        event: entry.event.clone(),
        overtaken: BTreeMap::new(),
        moved: BTreeMap::new(),
        raced: BTreeSet::new(),
    };
    let effect = table.rule(entry.kind).map_or(Effect::None, |rule| rule.effect);
    for number in &allowed.items {
        let Some(item) = state.items.get_mut(number) else {
            continue;
        };
        let from = item.stage;
        let to = match (table.edge(entry.kind, from), table.race_edge(entry.kind, from)) {
            (Some(to), _) => to,
            (None, Some(to)) => {
                fact.raced.insert(*number);
                to
            }
            (None, None) => {
                fact.overtaken.insert(*number, item.moved_by);
                continue;
            }
        };
        if from != to || from == Stage::Start {
            item.stage = to;
            item.moved_by = id;
            fact.moved.insert(*number, (from, to));
        }
        match effect {
            Effect::None => {}
            Effect::SetFlag => {
                item.flags.insert(fact.by.clone(), id);
            }
            Effect::LiftFlag => {
                item.flags.remove(&fact.by);
            }
            Effect::ClearFlags => item.flags.clear(),
            Effect::Propose(field) => item.proposed = entry.event.body.department(field),
            Effect::AcceptProposed => {
                if let Some(department) = item.proposed.take() {
                    item.holder = department;
                }
            }
            Effect::DropProposed => item.proposed = None,
            Effect::Assign(field) => {
                if let Some(department) = entry.event.body.department(field) {
                    item.holder = department;
                }
            }
        }
    }
    state.facts.push(fact);
    Some(state)
}
