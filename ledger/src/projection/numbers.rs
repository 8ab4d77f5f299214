//! Speakable case numbers, derived from where opening entries stand.
//!
//! The running number counts the opening entries of a kind in a department's logs and recorded year, void ones included,
//! so that it never shifts: neither a taking nor anything that arrives later gives a case another number.

use std::collections::BTreeMap;
use tally_schemas::event::CaseKind;
use tally_schemas::id::{DepartmentId, EventId, Origin};
use tally_schemas::number::CaseNumber;
use tally_schemas::time::Date;

/// The number given last, by department, kind and year.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running(BTreeMap<(DepartmentId, CaseKind, u16), u32>);

impl Running {
    /// Returns the next number: called once for each opening entry, in the order of its log, whatever its verdict.
    ///
    /// `recorded` is the civil date of its recorded time where the department is.
    pub fn next(&mut self, department: &DepartmentId, kind: CaseKind, recorded: Date) -> CaseNumber {
        // Recorded times lie within the years that a date can show.
        let year = u16::try_from(recorded.year()).unwrap_or(0);
        let running = self.0.entry((department.clone(), kind, year)).or_insert(0);
        *running += 1;
        CaseNumber {
            department: department.clone(),
            kind,
            year,
            running: *running,
        }
    }

    /// Returns every count.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&(DepartmentId, CaseKind, u16), u32)> {
        self.0.iter().map(|(key, running)| (key, *running))
    }

    /// Sets a count, as a snapshot has it.
    pub(crate) fn set(&mut self, department: DepartmentId, kind: CaseKind, year: u16, running: u32) {
        self.0.insert((department, kind, year), running);
    }
}

/// The numbers given so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    running: Running,
    by_place: BTreeMap<(DepartmentId, u32, u64), CaseNumber>,
    by_number: BTreeMap<CaseNumber, EventId>,
}

impl Numbers {
    /// Counts an opening entry: called once for each, in the order of its log, whatever its verdict.
    ///
    /// `recorded` is the civil date of its recorded time where the department is.
    pub fn count(
        &mut self,
        origin: &Origin,
        index: u64,
        kind: CaseKind,
        recorded: Date,
        event: EventId,
    ) -> CaseNumber {
        let number = self.running.next(&origin.department, kind, recorded);
        let place = (origin.department.clone(), origin.epoch, index);
        self.by_place.insert(place, number.clone());
        self.by_number.insert(number.clone(), event);
        number
    }

    /// Returns the number of the opening entry at a place.
    pub fn at(&self, origin: &Origin, index: u64) -> Option<&CaseNumber> {
        let place = (origin.department.clone(), origin.epoch, index);
        self.by_place.get(&place)
    }

    /// Returns the event that the opening entry of a number carries: the id of the case.
    pub fn case(&self, number: &CaseNumber) -> Option<EventId> {
        self.by_number.get(number).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::event_id;
    use tally_schemas::id::{FederationId, Hash};

    fn origin(department: &str) -> Origin {
        Origin {
            federation: FederationId::new("testcity", &Hash([7; 32])).unwrap(),
            department: DepartmentId::parse(department).unwrap(),
            epoch: 1,
        }
    }

    #[test]
    fn counts_by_department_kind_and_year() {
        let mut numbers = Numbers::default();
        let mut count = |department: &str, index, kind, day: &str| {
            let recorded = Date::parse(day).unwrap();
            let event = event_id(&format!("{department} {index}"));
            numbers
                .count(&origin(department), index, kind, recorded, event)
                .to_string()
        };
        let given = [
            count("housing", 3, CaseKind::Request, "2026-12-30"),
            count("housing", 9, CaseKind::Catalogue, "2026-12-30"),
            count("housing", 12, CaseKind::Request, "2026-12-31"),
            count("housing", 13, CaseKind::Request, "2027-01-01"),
            count("taxes", 3, CaseKind::Request, "2026-12-30"),
        ];
        assert_eq!(
            given,
            [
                "housing/req-2026-0001",
                "housing/cat-2026-0001",
                "housing/req-2026-0002",
                "housing/req-2027-0001",
                "taxes/req-2026-0001",
            ]
        );
        let number = CaseNumber::parse("housing/req-2026-0002").unwrap();
        assert_eq!(numbers.case(&number), Some(event_id("housing 12")));
        assert_eq!(numbers.at(&origin("housing"), 12), Some(&number));
        assert_eq!(numbers.at(&origin("housing"), 10), None);
    }
}
