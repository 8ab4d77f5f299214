//! A world as what the law and the views read.

use super::{SetAside, Standing, World};
use crate::authority::{Registry, Roster};
use crate::cases::source::{Arrival, Calendars, Source};
use crate::cases::{Brief, CaseFold, CaseState};
use std::sync::Arc;
use tally_schemas::id::{CaseId, DepartmentId, EventId};
use tally_schemas::number::CaseNumber;

impl Source for World {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn case(&self, id: &CaseId) -> Option<Arc<CaseFold>> {
        World::case(self, id)
    }

    fn visit_briefs(&self, open: bool, visit: &mut dyn FnMut(&CaseId, &Brief)) {
        World::visit_briefs(self, open, visit);
    }

    fn case_with(&self, event: &EventId) -> Option<CaseId> {
        let places = self.places(event).into_iter();
        let mut standings = places.filter_map(|(log, index)| self.resolved(log, index));
        standings.find_map(|entry| match entry.standing {
            Standing::InCase(case) => Some(case),
            _ => None,
        })
    }

    fn arrival(&self, case: &CaseId, event: &EventId) -> Option<Arrival> {
        World::arrival(self, case, event)
    }

    fn roster_at(&self, department: &DepartmentId, epoch: u32, index: u64) -> Option<Arc<Roster>> {
        let log = self.log_begun(department)?;
        let version = self.registry.newest().version;
        Some(log.roster.at(epoch, index, version, &self.registry, department))
    }

    fn set_aside(&self, case: &CaseId) -> Vec<SetAside> {
        World::set_aside(self, case)
    }

    fn number(&self, case: &CaseState) -> Option<CaseNumber> {
        self.number_of(&case.id, case.kind, &case.opening()?.entry)
    }

    fn is_not_understood(&self, case: &CaseId) -> bool {
        World::is_not_understood(self, case)
    }

    fn calendars(&self) -> Arc<Calendars> {
        let laid = self
            .calendars
            .get_or_init(|| Arc::new(Calendars::lay(&self.registry)));
        laid.clone()
    }
}
