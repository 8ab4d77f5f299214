//! What the law and the views read, and the moment from which they look.
//!
//! Everything here is derived from resolved entries (I7); who holds them (a node, a test, a bundle) is a [`Source`].

use super::brief::Brief;
use super::fold::CaseFold;
use super::state::{CaseState, Fact};
use super::versions;
use crate::authority::{Registry, Roster};
use crate::rules::LayeredCalendar;
use crate::world::SetAside;
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_schemas::event::{CaseKind, Source as Origination};
use tally_schemas::id::{CaseId, DepartmentId, EventId};
use tally_schemas::number::CaseNumber;
use tally_schemas::profile::Profile;
use tally_schemas::time::{Date, Timestamp};

/// When an addressed event was sent, available elsewhere, and received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arrival {
    /// Recorded in its own log.
    pub sent: Timestamp,
    /// The earliest time at which another host's log covers it.
    pub available: Option<Timestamp>,
    /// For each addressee, the earliest time at which its log shows it: arrival statement or covering head.
    pub received: BTreeMap<DepartmentId, Timestamp>,
}

/// Who holds the resolved entries.
pub trait Source {
    /// Returns the registry.
    fn registry(&self) -> &Registry;

    /// Returns a case.
    fn case(&self, id: &CaseId) -> Option<Arc<CaseFold>>;

    /// Visits the briefs of all open cases, or of all cases, in any order.
    fn visit_briefs(&self, open: bool, visit: &mut dyn FnMut(&CaseId, &Brief));

    /// Returns the case in which an event stands.
    fn case_with(&self, event: &EventId) -> Option<CaseId>;

    /// Returns when an addressed event of a case was sent, available and received.
    fn arrival(&self, case: &CaseId, event: &EventId) -> Option<Arrival>;

    /// Returns the roster of a department below a position of its logs; the greatest epoch and index give the newest.
    fn roster_at(&self, department: &DepartmentId, epoch: u32, index: u64) -> Option<Arc<Roster>>;

    /// Returns the events of a case that stand beyond the end of their logs, as far as they are held; which those are is no state.
    fn set_aside(&self, _case: &CaseId) -> Vec<SetAside> {
        Vec::new()
    }

    /// Returns the speakable number of a case.
    fn number(&self, case: &CaseState) -> Option<CaseNumber>;

    /// Says whether only newer software understands a case: nothing is concluded from it, nor from what of it is missing.
    fn is_not_understood(&self, _case: &CaseId) -> bool {
        false
    }

    /// Returns the calendars of all departments, laid in their layers.
    fn calendars(&self) -> Arc<Calendars> {
        Arc::new(Calendars::lay(self.registry()))
    }
}

/// The calendars of all departments, laid in their layers.
#[derive(Debug, Clone, Default)]
pub struct Calendars(BTreeMap<DepartmentId, Arc<LayeredCalendar>>);

impl Calendars {
    /// Lays the calendars that a registry holds.
    pub fn lay(registry: &Registry) -> Self {
        let mut laid: BTreeMap<String, Arc<LayeredCalendar>> = BTreeMap::new();
        let mut calendars = BTreeMap::new();
        for record in registry.departments(registry.newest().version) {
            let found = match laid.get(&record.calendar) {
                Some(found) => Some(found.clone()),
                // A calendar whose layers are missing counts no days; its dates stay unknown rather than wrong.
                None => LayeredCalendar::resolve(&record.calendar, |id| registry.calendar(id))
                    .ok()
                    .map(Arc::new),
            };
            if let Some(found) = found {
                laid.insert(record.calendar.clone(), found.clone());
                calendars.insert(record.id.clone(), found);
            }
        }
        Self(calendars)
    }
}

/// A source looked at from a moment.
pub struct AsOf<'a> {
    /// What is known.
    pub source: &'a dyn Source,
    /// The moment.
    pub now: Timestamp,
    calendars: Arc<Calendars>,
}

impl<'a> AsOf<'a> {
    /// Looks at a source from a moment.
    pub fn new(source: &'a dyn Source, now: Timestamp) -> Self {
        Self {
            source,
            now,
            calendars: source.calendars(),
        }
    }

    /// Returns the registry.
    pub fn registry(&self) -> &'a Registry {
        self.source.registry()
    }

    /// Returns the newest version of the registry.
    pub fn version(&self) -> u64 {
        self.registry().newest().version
    }

    /// Returns the state of a case.
    pub fn case(&self, id: &CaseId) -> Option<Arc<CaseState>> {
        self.source.case(id)?.shared_state()
    }

    /// Returns the states of the cases, open or all, whose briefs fit, by id.
    pub fn find(
        &self,
        open: bool,
        fits: impl Fn(&CaseId, &Brief) -> bool,
    ) -> impl Iterator<Item = Arc<CaseState>> + '_ {
        let mut ids = Vec::new();
        self.source.visit_briefs(open, &mut |id, brief| {
            if fits(id, brief) {
                ids.push(*id);
            }
        });
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| self.case(&id))
    }

    /// Returns the states of all cases of a kind, by id.
    pub fn of_kind(&self, kind: CaseKind) -> impl Iterator<Item = Arc<CaseState>> + '_ {
        self.find(false, move |_, brief| brief.kind == Some(kind))
    }

    /// Says whether it may have changed since a brief was made who owes in a case.
    pub fn is_stale(&self, brief: &Brief) -> bool {
        brief.version < self.version()
    }

    /// Returns the profile of a department.
    pub fn profile_of(&self, department: &DepartmentId) -> Option<&'a Profile> {
        self.registry().profile_of(department)
    }

    /// Returns the calendar of a department.
    pub fn calendar_of(&self, department: &DepartmentId) -> Option<&LayeredCalendar> {
        self.calendars.0.get(department).map(AsRef::as_ref)
    }

    /// Returns the civil date of an instant where a department is.
    pub fn day_at(&self, department: &DepartmentId, instant: Timestamp) -> Date {
        let zone = self.profile_of(department).map(|profile| &profile.zone);
        instant.date_at(zone.map_or(0, |zone| zone.offset_minutes))
    }

    /// Returns the day of today where a department is.
    pub fn today(&self, department: &DepartmentId) -> Date {
        self.day_at(department, self.now)
    }

    /// Returns the day on which an act was done: that of its recording; for one taken from paper or another system the
    /// day stated on it, if that is not later.
    pub fn done_on(&self, fact: &Fact) -> Date {
        let recorded = self.day_at(&fact.by, fact.recorded);
        if fact.event.source == Origination::Own {
            return recorded;
        }
        let body = &fact.event.body;
        let stated = ["answeredOn", "deliveredOn", "receivedOn"]
            .into_iter()
            .find_map(|field| body.date(field))
            .or(fact.event.effective);
        stated.map_or(recorded, |stated| stated.min(recorded))
    }

    /// Returns the day on which a department received an event: the day stated in its own acknowledgement if that is
    /// earlier, the day of recording for its own act and for one that was addressed to nobody.
    pub fn received_on(&self, fact: &Fact, by: &DepartmentId) -> Option<Date> {
        self.received_at(fact, by).map(|instant| self.day_at(by, instant))
    }

    /// As [`Self::received_on`], as an instant.
    pub fn received_at(&self, fact: &Fact, by: &DepartmentId) -> Option<Timestamp> {
        if fact.by == *by {
            return Some(fact.recorded);
        }
        match self.arrival(fact) {
            Some(arrival) => arrival.received.get(by).copied(),
            None if fact.event.to.contains(by) => None,
            // Nobody was told of it in particular, so nobody's log can show when it came.
            None => Some(fact.recorded),
        }
    }

    /// Returns when an act was sent, available and received, if it is addressed to others.
    pub fn arrival(&self, fact: &Fact) -> Option<Arrival> {
        let event = fact.entry.event;
        let case = fact.event.case.unwrap_or(event);
        self.source.arrival(&case, &event)
    }

    /// Returns the shorter time for answers that the entry named in a request promises.
    pub fn promised_days(&self, request: &CaseState) -> Option<u32> {
        let body = &request.opening()?.event.body;
        let entry = self.case(&body.event("entry")?)?;
        let version = versions::of(&entry, body.integer("entryVersion"))?;
        let days = version.content.event.body.integer("promisedDays")?;
        u32::try_from(days).ok()
    }
}
