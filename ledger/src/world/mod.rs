//! The world as one node holds it: registry, logs, rosters and cases, from held entries to effective events.
//!
//! Three stages (I4): an entry is *held* when its form, place and chain are right; *resolved* when everything its past
//! names is held and resolved; its event is then *effective or void*. Knows nothing of storage, transport or clocks.

pub mod log;
mod resolve;
mod source;

pub use log::{HoldError, Log, Payload};
pub use resolve::{Need, Step};

use crate::authority::{Registry, RegistryError, Roster, Void};
use crate::cases::CaseFold;
use crate::cases::fold::LogNo;
use crate::cases::source::Arrival;
use crate::projection::Numbers;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tally_schemas::event::EventKind;
use tally_schemas::id::{CaseId, DepartmentId, EventId, Origin, TreeHead};

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
    /// An event of a kind or case that this software does not know; kept, relayed, shown, never guessed.
    NotUnderstood(Option<CaseId>),
    /// Without effect, with the reason.
    Void(Void),
}

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
    /// An event that was effective in its own past is void or overtaken now.
    Reversed {
        /// The case.
        case: CaseId,
        /// How many reversals the case has now.
        count: usize,
    },
}

/// An event addressed to other departments, by its place.
#[derive(Debug, Clone)]
struct Addressed {
    index: u64,
    event: EventId,
}

/// Everything held, resolved and folded here.
#[derive(Debug, Clone)]
pub struct World {
    registry: Registry,
    logs: Vec<Log>,
    numbers: BTreeMap<DepartmentId, LogNo>,
    cases: BTreeMap<CaseId, CaseFold>,
    places: BTreeMap<EventId, Vec<(LogNo, u64)>>,
    arrivals: BTreeMap<EventId, Arrival>,
    addressed: BTreeMap<LogNo, Vec<Addressed>>,
    unreceived: BTreeMap<DepartmentId, BTreeSet<EventId>>,
    not_understood: BTreeSet<CaseId>,
    numbers_given: Numbers,
    alarms: Vec<WorldAlarm>,
    touched: BTreeSet<CaseId>,
}

impl World {
    /// Founds a world from a genesis note.
    ///
    /// # Errors
    /// A genesis that founds nothing.
    pub fn found(genesis: &[u8]) -> Result<Self, RegistryError> {
        let mut world = Self {
            registry: Registry::found(genesis)?,
            logs: Vec::new(),
            numbers: BTreeMap::new(),
            cases: BTreeMap::new(),
            places: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            addressed: BTreeMap::new(),
            unreceived: BTreeMap::new(),
            not_understood: BTreeSet::new(),
            numbers_given: Numbers::default(),
            alarms: Vec::new(),
            touched: BTreeSet::new(),
        };
        world.open_logs();
        Ok(world)
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
                let number = log::log_no(self.logs.len());
                self.logs.push(Log::new(self.registry.origin(&department), key));
                self.numbers.insert(department, number);
            }
        }
    }

    /// Returns the registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns the number of a department's log.
    pub fn number(&self, department: &DepartmentId) -> Option<LogNo> {
        self.numbers.get(department).copied()
    }

    /// Returns the log of a department.
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

    /// Returns every log, by department.
    pub fn logs(&self) -> impl Iterator<Item = &Log> {
        self.numbers.values().filter_map(|number| self.log_at(*number))
    }

    /// Returns the cases, by id.
    pub fn cases(&self) -> &BTreeMap<CaseId, CaseFold> {
        &self.cases
    }

    /// Returns a case.
    pub fn case(&self, id: &CaseId) -> Option<&CaseFold> {
        self.cases.get(id)
    }

    /// Says whether a case holds an event that this software does not understand.
    pub fn is_not_understood(&self, id: &CaseId) -> bool {
        self.not_understood.contains(id)
    }

    /// Returns where an event stands: every resolved copy, in order of resolution.
    pub fn places(&self, event: &EventId) -> &[(LogNo, u64)] {
        self.places.get(event).map_or(&[], Vec::as_slice)
    }

    /// Returns when an addressed event was sent, available and received.
    pub fn arrival(&self, event: &EventId) -> Option<&Arrival> {
        self.arrivals.get(event)
    }

    /// Returns what is known of all addressed events.
    pub fn arrivals(&self) -> &BTreeMap<EventId, Arrival> {
        &self.arrivals
    }

    /// Returns the speakable numbers given to opening entries.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers_given
    }

    /// Returns the newest roster of a department.
    pub fn roster(&self, department: &DepartmentId) -> Option<Arc<Roster>> {
        let log = self.log(department)?;
        let version = self.registry.newest().version;
        Some(log.roster.at(u64::MAX, version, &self.registry, department))
    }

    /// Returns the head of a log at its resolved prefix.
    pub fn resolved_head(&self, number: LogNo) -> Option<TreeHead> {
        let log = self.log_at(number)?;
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
