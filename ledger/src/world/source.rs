//! A world as what the law and the views read.

use super::World;
use crate::authority::{Registry, Roster};
use crate::cases::source::{Arrival, Source};
use crate::cases::{CaseFold, CaseState};
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_schemas::id::{CaseId, DepartmentId, EventId};
use tally_schemas::number::CaseNumber;

impl Source for World {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn cases(&self) -> &BTreeMap<CaseId, CaseFold> {
        &self.cases
    }

    fn arrival(&self, event: &EventId) -> Option<&Arrival> {
        self.arrivals.get(event)
    }

    fn roster_at(&self, department: &DepartmentId, index: u64) -> Option<Arc<Roster>> {
        let log = self.log(department)?;
        Some(
            log.roster
                .at(index, self.registry.newest().version, &self.registry, department),
        )
    }

    fn number(&self, case: &CaseState) -> Option<CaseNumber> {
        let entry = &case.opening()?.entry;
        self.numbers_given.at(&entry.origin, entry.index).cloned()
    }
}
