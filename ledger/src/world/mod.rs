//! The world as one node holds it: registry, logs, rosters and cases, from held entries to effective events.
//!
//! Three stages (I4): an entry is *held* when its form, place and chain are right; *resolved* when everything its past
//! names is held and resolved; its event is then *effective or void*. Knows nothing of storage, transport or clocks.
//!
//! What was touched since the last snapshot is in memory; everything else is a row in the archive (`snapshot.rs`), and a case is
//! folded again from its entries when somebody asks for it.

mod epochs;
mod kept;
pub mod log;
mod resolve;
mod row;
mod snapshot;
mod source;
mod tree;

pub(crate) use epochs::read_opening;
pub use epochs::{OpeningError, Openings, Reach, SetAside, opening_in, verify_opening};
pub use log::{Continues, HoldError, Log, Payload, Resolved};
pub use resolve::{Need, Step};
pub use snapshot::{RestoreError, Snapshot};
pub use tree::HeldTree;

use self::kept::Kept;
use self::row::Case;
use crate::archive::{Archive, ArchiveError, NoArchive};
use crate::authority::{Registry, RegistryError, Roster, Void};
use crate::cases::fold::{CaseEntry, LogNo, Vector};
use crate::cases::source::{Arrival, Calendars};
use crate::cases::{Brief, CaseFold, EntryRef, RULESET};
use crate::checkpoint::LogKey;
use crate::crypto::leaf_hash;
use crate::projection::digest::{self, BucketDigest, Buckets, CaseDigest};
use crate::projection::numbers::Running;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use tally_schemas::entry::Entry;
use tally_schemas::event::{CaseKind, Event, EventKind};
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, Origin, TreeHead};
use tally_schemas::number::CaseNumber;
use tally_schemas::snapshot::{
    CHUNK_ENTRIES, CaseRow, ChunkRow, case_key, chunk_key, decode_row, event_key, number_key, part_key,
    place_in_event_key, place_in_part_key,
};

/// What a resolved entry counts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// An event of a case; its verdict is in the case.
    InCase(CaseId),
    /// An effective roster event.
    Roster(EventKind),
    /// A statement of the node.
    Statement,
    /// An effective governance note: the version it made.
    Governance(u64),
    /// The opening of the log, as its entry 0.
    Opening,
    /// An event of a kind or case that this software does not know; kept, relayed, shown, never guessed.
    NotUnderstood(Option<CaseId>),
    /// Without effect, with the reason.
    Void(Void),
}

/// Why a case is not understood: what of it only newer software can read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotUnderstood {
    /// The ruleset of the case, if it is newer than those that are held.
    pub ruleset: Option<u32>,
    /// Kinds of its events that are not known, the first few by name.
    pub kinds: BTreeSet<String>,
}

impl NotUnderstood {
    fn note_kind(&mut self, kind: &str) {
        self.kinds.insert(kind.to_owned());
        if self.kinds.len() > UNKNOWN_KINDS_MAX {
            self.kinds.pop_last();
        }
    }
}

/// How many unknown kinds of a case are named.
const UNKNOWN_KINDS_MAX: usize = 8;

/// Something that went wrong here without being state (I5): shown to the operator, never folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorldAlarm {
    /// An entry names a head with another root than the log held here; it does not count.
    ForeignRoot {
        /// The log that names it.
        by: String,
        /// The entry.
        index: u64,
        /// The log named.
        named: String,
        /// The size named.
        size: u64,
    },
    /// A member states that a log forked.
    ForkStated {
        /// The log.
        origin: String,
    },
    /// The ruleset in force is newer than those that the software holds.
    NewerRuleset {
        /// The one in force.
        ruleset: u32,
        /// The newest that the software holds.
        holds: u32,
    },
    /// An event that was effective in its own past is void or overtaken now.
    Reversed {
        /// The case.
        case: CaseId,
        /// How many reversals the case has now.
        count: usize,
    },
}

/// Everything held, resolved and folded here.
#[derive(Debug)]
pub struct World {
    registry: Registry,
    /// The effective governance notes, in order.
    governance: Vec<String>,
    logs: Vec<Log>,
    /// The newest log of each department.
    numbers: BTreeMap<DepartmentId, LogNo>,
    by_origin: BTreeMap<Origin, LogNo>,
    /// What each log of a later epoch continues, and how much of that counts: held, or kept by the own disk.
    openings: Openings,
    /// Whether more of a log counts than did when something that may rest on it was resolved.
    is_more_counted: bool,
    kept: Arc<Kept>,
    /// The cases that were touched lately; every other one is in the archive.
    cases: BTreeMap<CaseId, Case>,
    /// The open cases in the archive.
    open: BTreeMap<CaseId, Arc<Brief>>,
    /// Where events stand that were resolved since the last snapshot.
    placed: BTreeMap<EventId, Vec<(LogNo, u64)>>,
    /// Detached parts that entries name which were resolved since the last snapshot.
    committed: BTreeMap<Hash, Vec<(LogNo, u64)>>,
    /// Numbers given since the last snapshot.
    numbered: BTreeMap<CaseNumber, CaseId>,
    running: Running,
    /// Arrivals of addressed events that belong to no case.
    loose: BTreeMap<EventId, Arrival>,
    unreceived: BTreeMap<DepartmentId, BTreeSet<EventId>>,
    not_understood: BTreeMap<CaseId, NotUnderstood>,
    /// The newest ruleset that the software holds.
    holds: u32,
    calendars: OnceLock<Arc<Calendars>>,
    alarms: Vec<WorldAlarm>,
    touched: BTreeSet<CaseId>,
}

impl World {
    /// Founds a world from a genesis note; it keeps everything in memory.
    ///
    /// # Errors
    /// A genesis that founds nothing.
    pub fn found(genesis: &[u8]) -> Result<Self, RegistryError> {
        Self::found_with(genesis, Arc::new(NoArchive), RULESET)
    }

    /// Founds a world from a genesis note, for software that holds rulesets up to a number; what it lets go of after a snapshot
    /// is in the archive.
    ///
    /// # Errors
    /// A genesis that founds nothing.
    pub fn found_with(genesis: &[u8], archive: Arc<dyn Archive>, holds: u32) -> Result<Self, RegistryError> {
        let mut world = Self {
            registry: Registry::found(genesis)?,
            governance: Vec::new(),
            logs: Vec::new(),
            numbers: BTreeMap::new(),
            by_origin: BTreeMap::new(),
            openings: Openings::default(),
            is_more_counted: false,
            kept: Arc::new(Kept::new(archive)),
            cases: BTreeMap::new(),
            open: BTreeMap::new(),
            placed: BTreeMap::new(),
            committed: BTreeMap::new(),
            numbered: BTreeMap::new(),
            running: Running::default(),
            loose: BTreeMap::new(),
            unreceived: BTreeMap::new(),
            not_understood: BTreeMap::new(),
            holds,
            calendars: OnceLock::new(),
            alarms: Vec::new(),
            touched: BTreeSet::new(),
        };
        world.open_logs();
        world.note_ruleset();
        Ok(world)
    }

    /// Raises the alarm when the ruleset in force is newer than those that are held.
    fn note_ruleset(&mut self) {
        let (ruleset, holds) = (self.ruleset(), self.holds);
        let alarm = WorldAlarm::NewerRuleset { ruleset, holds };
        if ruleset > holds && !self.alarms.contains(&alarm) {
            self.alarms.push(alarm);
        }
    }

    /// Makes a log for every department that has none yet.
    fn open_logs(&mut self) {
        let newest = self.registry.newest().version;
        let departments: Vec<DepartmentId> = self
            .registry
            .departments(newest)
            .map(|record| record.id.clone())
            .collect();
        for department in departments {
            if self.numbers.contains_key(&department) {
                continue;
            }
            if let Some(key) = self.registry.log_key(&department).cloned() {
                let origin = self.registry.origin(&department);
                self.add_log(origin, key);
            }
        }
    }

    fn add_log(&mut self, origin: Origin, key: LogKey) -> LogNo {
        let number = log::log_no(self.logs.len());
        let mut log = Log::new(origin.clone(), key, &self.kept);
        log.end = self.end_of(&origin);
        self.logs.push(log);
        self.numbers.insert(origin.department.clone(), number);
        self.by_origin.insert(origin, number);
        number
    }

    /// Says what of the archive could not be read, if anything: from then on nothing that is derived here counts.
    pub fn broken(&self) -> Option<String> {
        self.kept.broken()
    }

    /// Returns the registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns the number of a department's newest log.
    pub fn number(&self, department: &DepartmentId) -> Option<LogNo> {
        self.numbers.get(department).copied()
    }

    /// Returns the number of a log.
    pub fn number_of_log(&self, origin: &Origin) -> Option<LogNo> {
        self.by_origin.get(origin).copied()
    }

    /// Returns the newest log of a department.
    pub fn log(&self, department: &DepartmentId) -> Option<&Log> {
        self.number(department).and_then(|number| self.log_at(number))
    }

    /// Returns a log by number.
    pub fn log_at(&self, number: LogNo) -> Option<&Log> {
        usize::try_from(number)
            .ok()
            .and_then(|place| self.logs.get(place))
    }

    fn log_mut(&mut self, number: LogNo) -> Option<&mut Log> {
        usize::try_from(number)
            .ok()
            .and_then(|place| self.logs.get_mut(place))
    }

    /// Stops ingest of a log; returns its origin unless it was stopped before.
    pub fn stop_log(&mut self, number: LogNo, why: &str) -> Option<Origin> {
        let log = self.log_mut(number).filter(|log| log.stopped.is_none())?;
        log.stopped = Some(why.to_owned());
        Some(Origin::clone(&log.origin))
    }

    /// Returns every log, by department and epoch.
    pub fn logs(&self) -> impl Iterator<Item = &Log> {
        self.by_origin.values().filter_map(|number| self.log_at(*number))
    }

    /// Returns what is kept of a resolved entry.
    pub fn resolved(&self, number: LogNo, index: u64) -> Option<Resolved> {
        let log = self.log_at(number)?;
        if let Some(place) = index.checked_sub(log.base) {
            return log.resolved.get(usize::try_from(place).ok()?).cloned();
        }
        let chunk = index / CHUNK_ENTRIES;
        let entries = match self.kept.chunks.get(&(number, chunk)) {
            Some(entries) => entries,
            None => {
                let read = self.read_chunk(number, chunk);
                let entries = Arc::new(self.kept.read(read)?);
                self.kept.chunks.put((number, chunk), entries.clone());
                entries
            }
        };
        let found = entries.get(usize::try_from(index % CHUNK_ENTRIES).ok()?).cloned();
        if found.is_none() {
            let what = format!("resolved entry {index} of {}", log.origin);
            self.kept
                .note_broken(&ArchiveError::new(what, "its run is shorter"));
        }
        found
    }

    fn read_chunk(&self, number: LogNo, chunk: u64) -> Result<Vec<Resolved>, ArchiveError> {
        let what = || format!("run {chunk} of resolved entries of log {number}");
        let value = self
            .kept
            .archive
            .row(&chunk_key(number, chunk))?
            .ok_or_else(|| ArchiveError::new(what(), "it is missing"))?;
        let row: ChunkRow = decode_row(&value).map_err(|error| ArchiveError::new(what(), error))?;
        row::chunk_from(row)
    }

    /// Returns what lies below the end of a log's first `size` entries in other logs.
    pub(crate) fn foreign(&self, number: LogNo, size: u64) -> Arc<Vector> {
        let Some(last) = size.checked_sub(1) else {
            // Under entry 0 of a later epoch lies everything that counts of the log before.
            let continues = self.log_at(number).and_then(|log| log.continues);
            let before = continues.map(|before| (before, self.foreign(before.old, before.size)));
            return before.map_or_else(Arc::default, |(before, foreign)| {
                let mut vector = Arc::unwrap_or_clone(foreign);
                vector.raise(before.old, before.size);
                Arc::new(vector)
            });
        };
        let last = self.resolved(number, last);
        last.map(|entry| entry.foreign).unwrap_or_default()
    }

    /// Returns what lies at and below the end of a log's first `size` entries; none when they are not resolved.
    pub fn upto(&self, number: LogNo, size: u64) -> Option<Vector> {
        let entry = self.resolved(number, size.checked_sub(1)?)?;
        let mut upto = Vector::clone(&entry.foreign);
        upto.raise(number, size);
        Some(upto)
    }

    /// Looks at a case, wherever it is.
    fn with_case<T>(&self, id: &CaseId, look: impl FnOnce(&Case) -> T) -> Option<T> {
        match self.cases.get(id) {
            Some(case) => Some(look(case)),
            None => self.cold(id).map(|case| look(&case)),
        }
    }

    /// Reads a case that is not in memory.
    fn cold(&self, id: &CaseId) -> Option<Arc<Case>> {
        if let Some(case) = self.kept.cases.get(id) {
            return Some(case);
        }
        let read = self.kept.archive.row(&case_key(&id.0)).and_then(|value| {
            let Some(value) = value else { return Ok(None) };
            let bad = |error| ArchiveError::new(format!("case {id}"), error);
            let row: CaseRow = decode_row(&value).map_err(bad)?;
            Case::from_row(*id, row).map_err(bad).map(Some)
        });
        let case = Arc::new(self.kept.read(read)??);
        self.kept.cases.put(*id, case.clone());
        Some(case)
    }

    /// Brings a case into memory to change it; a new one, if there is none.
    fn case_mut(&mut self, id: CaseId) -> &mut Case {
        if !self.cases.contains_key(&id) {
            let found = self.cold(&id);
            self.kept.cases.take(&id);
            let case = found.map_or_else(|| Case::new(id, self.holds), Arc::unwrap_or_clone);
            self.cases.insert(id, case);
        }
        let holds = self.holds;
        self.cases.entry(id).or_insert_with(|| Case::new(id, holds))
    }

    /// Returns the fold of a case, folding it again if it is not in memory.
    fn fold_of(&self, case: &Case) -> Arc<CaseFold> {
        case.fold.get_or_init(|| Arc::new(self.refold(case))).clone()
    }

    fn refold(&self, case: &Case) -> CaseFold {
        let mut fold = CaseFold::new(case.id, self.holds);
        for place in &case.places {
            let read = self.read_entry(place);
            let Some(entry) = self.kept.read(read) else { break };
            fold.insert(entry, &self.registry);
        }
        fold
    }

    /// Reads an entry of a case again.
    fn read_entry(&self, place: &row::Place) -> Result<CaseEntry, ArchiveError> {
        let missing =
            |why: &str| ArchiveError::new(format!("entry {} of log {}", place.index, place.log), why);
        let log = self
            .log_at(place.log)
            .ok_or_else(|| missing("the log is not known"))?;
        let entry = self.archived_entry(log, place.index)?;
        let Payload::Event { id, event, note } = Payload::parse(&entry.1.payload) else {
            return Err(missing("it carries no event"));
        };
        let tally_schemas::event::Kind::Known(kind) = event.kind else {
            return Err(missing("its kind is not known"));
        };
        let header = &entry.1.header;
        let signers = self.signers_again(log, header, &event, &note, place.bad_line);
        let resolved = self
            .resolved(place.log, place.index)
            .ok_or_else(|| missing("it is not resolved"))?;
        Ok(CaseEntry {
            entry: EntryRef {
                origin: log.origin.clone(),
                index: place.index,
                event: id,
            },
            leaf: entry.0,
            log: place.log,
            past: resolved.foreign,
            kind,
            event,
            recorded: header.recorded,
            version: header.registry.version,
            signers,
        })
    }

    /// Reads an entry from the archive and checks that it is the one that the tree commits to.
    fn archived_entry(&self, log: &Log, index: u64) -> Result<(Hash, Entry), ArchiveError> {
        let what = || format!("entry {index} of {}", log.origin);
        let bytes = self.kept.archive.entry(&log.origin, index)?;
        let leaf = leaf_hash(&bytes);
        if log.tree.leaf(index) != Some(leaf) {
            return Err(ArchiveError::new(what(), "it differs from its leaf hash"));
        }
        let entry = Entry::parse(&bytes).map_err(|error| ArchiveError::new(what(), error))?;
        Ok((leaf, entry))
    }

    /// Returns a case.
    pub fn case(&self, id: &CaseId) -> Option<Arc<CaseFold>> {
        self.with_case(id, |case| self.fold_of(case))
            .filter(|fold| !fold.entries().is_empty())
    }

    /// Returns all cases, by id: for checks and digests, not for views.
    pub fn cases(&self) -> BTreeMap<CaseId, Arc<CaseFold>> {
        let ids = self.case_ids();
        ids.into_iter()
            .filter_map(|id| Some((id, self.case(&id)?)))
            .collect()
    }

    /// Returns the ids of all cases.
    pub fn case_ids(&self) -> BTreeSet<CaseId> {
        let mut ids: BTreeSet<CaseId> = self.cases.keys().copied().collect();
        self.visit_rows(b"c", &mut |key, _| {
            if let Some(id) = id_in(key) {
                ids.insert(id);
            }
        });
        ids
    }

    fn visit_rows(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) {
        let read = self.kept.archive.rows(prefix, visit);
        self.kept.read(read);
    }

    /// Returns where the entries of a case stand, without folding it.
    pub fn places_of_case(&self, id: &CaseId) -> Vec<(LogNo, u64)> {
        let places = self.with_case(id, |case| {
            let places = case.places.iter();
            places.map(|place| (place.log, place.index)).collect()
        });
        places.unwrap_or_default()
    }

    /// Says whether a case is under a newer ruleset, or holds an event of a kind, that this software does not understand.
    pub fn is_not_understood(&self, id: &CaseId) -> bool {
        self.not_understood.contains_key(id)
    }

    /// Returns why a case is not understood, if it is not.
    pub fn not_understood(&self, id: &CaseId) -> Option<&NotUnderstood> {
        self.not_understood.get(id)
    }

    /// Returns the cases that are not understood, by id.
    pub fn all_not_understood(&self) -> impl Iterator<Item = (&CaseId, &NotUnderstood)> {
        self.not_understood.iter()
    }

    /// Returns the newest ruleset that the software holds.
    pub fn holds(&self) -> u32 {
        self.holds
    }

    /// Returns the ruleset in force for cases that are opened now.
    pub fn ruleset(&self) -> u32 {
        self.registry.ruleset_at(self.registry.newest().version)
    }

    /// Returns where an event stands: every resolved copy, those resolved lately last.
    pub fn places(&self, event: &EventId) -> Vec<(LogNo, u64)> {
        let mut places = Vec::new();
        self.visit_rows(&event_key(&event.0, None), &mut |key, _| {
            places.extend(place_in_event_key(key));
        });
        places.extend(self.placed.get(event).into_iter().flatten());
        places
    }

    /// Returns where resolved entries stand that name a detached part.
    pub fn places_of_part(&self, commit: &Hash) -> Vec<(LogNo, u64)> {
        let mut places = Vec::new();
        self.visit_rows(&part_key(commit, None), &mut |key, _| {
            places.extend(place_in_part_key(key));
        });
        places.extend(self.committed.get(commit).into_iter().flatten());
        places
    }

    /// Returns the event of a case that a resolved entry carries.
    pub fn event_at(&self, number: LogNo, index: u64) -> Option<(EventId, Arc<Event>)> {
        let Standing::InCase(case) = self.resolved(number, index)?.standing else {
            return None;
        };
        let fold = self.case(&case)?;
        let mut entries = fold.entries().iter().map(|(entry, _)| entry);
        let entry = entries.find(|entry| entry.log == number && entry.entry.index == index)?;
        Some((entry.entry.event, entry.event.clone()))
    }

    /// Returns when an addressed event of a case was sent, available and received.
    pub fn arrival(&self, case: &CaseId, event: &EventId) -> Option<Arrival> {
        self.with_case(case, |case| case.arrivals.get(event).cloned())
            .flatten()
            .or_else(|| self.loose.get(event).cloned())
    }

    /// Returns what is known of all addressed events: for checks, not for views.
    pub fn arrivals(&self) -> BTreeMap<EventId, Arrival> {
        let mut all = self.loose.clone();
        for id in self.case_ids() {
            let of_case = self.with_case(&id, |case| case.arrivals.clone());
            all.extend(of_case.unwrap_or_default());
        }
        all
    }

    /// Returns the case of a speakable number.
    pub fn case_of_number(&self, number: &CaseNumber) -> Option<CaseId> {
        if let Some(case) = self.numbered.get(number) {
            return Some(*case);
        }
        let read = self.kept.archive.row(&number_key(&number.to_string()));
        let value = self.kept.read(read)??;
        Some(EventId(Hash(value.try_into().ok()?)))
    }

    /// Returns all speakable numbers with their cases: for checks, not for views.
    pub fn numbers(&self) -> BTreeMap<CaseNumber, CaseId> {
        let mut all = self.numbered.clone();
        self.visit_rows(b"n", &mut |key, value| {
            let text = key.get(1..).and_then(|text| std::str::from_utf8(text).ok());
            let number = text.and_then(|text| CaseNumber::parse(text).ok());
            let case = <[u8; 32]>::try_from(value).ok();
            if let (Some(number), Some(case)) = (number, case) {
                all.insert(number, EventId(Hash(case)));
            }
        });
        all
    }

    /// Returns the speakable number of the opening entry of a case.
    pub(crate) fn number_of(&self, case: &CaseId, kind: CaseKind, opening: &EntryRef) -> Option<CaseNumber> {
        let log = self.number_of_log(&opening.origin)?;
        let number = self.with_case(case, |case| {
            let mut places = case.places.iter();
            places
                .find(|place| place.log == log && place.index == opening.index)?
                .number
        });
        let (year, running) = number.flatten()?;
        Some(CaseNumber {
            department: opening.origin.department.clone(),
            kind,
            year,
            running,
        })
    }

    /// Returns the brief of a case.
    fn brief_of(&self, case: &Case) -> Arc<Brief> {
        let brief = case
            .brief
            .get_or_init(|| Arc::new(Brief::of(self.fold_of(case).state(), &self.registry)));
        brief.clone()
    }

    /// Visits the briefs of all cases that are open, or of all.
    pub(crate) fn visit_briefs(&self, open: bool, visit: &mut dyn FnMut(&CaseId, &Brief)) {
        for (id, case) in &self.cases {
            let brief = self.brief_of(case);
            if brief.open || !open {
                visit(id, &brief);
            }
        }
        for (id, brief) in &self.open {
            if !self.cases.contains_key(id) {
                visit(id, brief);
            }
        }
        if open {
            return;
        }
        self.visit_rows(b"s", &mut |key, value| {
            let Some(id) = id_in(key).filter(|id| !self.cases.contains_key(id)) else {
                return;
            };
            let brief = decode_row(value).and_then(|state| Brief::from_state(&state));
            let brief = brief.map_err(|error| ArchiveError::new(format!("the brief of case {id}"), error));
            if let Some(brief) = self.kept.read(brief) {
                visit(&id, &brief);
            }
        });
    }

    /// Digests a case.
    fn digest_of(&self, case: &Case) -> CaseDigest {
        *case
            .digest
            .get_or_init(|| digest::of_case(&self.fold_of(case), &self.registry))
    }

    /// Digests all cases but those that this software does not understand, per bucket.
    pub fn digests(&self, buckets: Buckets) -> BTreeMap<u8, BucketDigest> {
        let mut found: BTreeMap<CaseId, CaseDigest> = BTreeMap::new();
        for (id, case) in self.cases.iter().filter(|(_, case)| !case.places.is_empty()) {
            found.insert(*id, self.digest_of(case));
        }
        self.visit_rows(b"c", &mut |key, value| {
            let Some(id) = id_in(key).filter(|id| !self.cases.contains_key(id)) else {
                return;
            };
            let row = decode_row::<CaseRow>(value);
            let row = row.map_err(|error| ArchiveError::new(format!("case {id}"), error));
            if let Some(row) = self.kept.read(row) {
                let (inputs, state) = row.digest;
                found.insert(id, CaseDigest { inputs, state });
            }
        });
        found.retain(|id, _| !self.is_not_understood(id));
        digest::of_all(found, buckets, &self.registry)
    }

    /// Returns the newest roster of a department.
    pub fn roster(&self, department: &DepartmentId) -> Option<Arc<Roster>> {
        let log = self.log_begun(department)?;
        let version = self.registry.newest().version;
        let roster = log
            .roster
            .at(u32::MAX, u64::MAX, version, &self.registry, department);
        Some(roster)
    }

    /// Returns the head of a log at its resolved prefix.
    pub fn resolved_head(&self, number: LogNo) -> Option<TreeHead> {
        let log = self.log_at(number)?;
        if log.cursor() == log.size() {
            return Some(log.tree.head());
        }
        log.tree.head_at(log.cursor()).ok()
    }

    /// Takes the alarms raised since the last call.
    pub fn take_alarms(&mut self) -> Vec<WorldAlarm> {
        std::mem::take(&mut self.alarms)
    }

    /// Takes the cases whose state may have changed since the last call.
    pub fn take_touched(&mut self) -> BTreeSet<CaseId> {
        std::mem::take(&mut self.touched)
    }

    /// Returns events addressed to a department that its own log does not show as received yet.
    pub fn unreceived(&self, department: &DepartmentId) -> Vec<EventId> {
        self.unreceived
            .get(department)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }
}

/// Returns the id in the key of a case.
fn id_in(key: &[u8]) -> Option<CaseId> {
    let id = key.get(1..)?;
    Some(EventId(Hash(id.try_into().ok()?)))
}
