//! What officers write to name a case or an event: the number that people quote, a place in a log, or the whole id.

use super::error::{Failure, Outcome};
use super::views::member;
use crate::node::NodeClient;
use crate::verify::read_event;
use tally_ledger::crypto::event_id;
use tally_schemas::api::{self, Answer};
use tally_schemas::entry::Entry;
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash};

/// Finds the id of a case by what an officer writes: its id or its number.
pub(super) fn case_id(node: &NodeClient, written: &str) -> Outcome<CaseId> {
    if let Ok(hash) = Hash::parse_hex(written) {
        return Ok(EventId(hash));
    }
    let answer: Answer = node.read(&api::fill(api::path::CASE, &[written]))?;
    let id = member(&answer.data, &["summary.case", "case"])
        .as_str()
        .unwrap_or_default();
    let hash = Hash::parse_hex(id).map_err(|_| Failure::invalid("error.no-case").with("got", written))?;
    Ok(EventId(hash))
}

/// Finds an event by its id, or by its place in a log as lists show it: `police/12`.
///
/// # Errors
/// Neither of the two, or a place that holds no event.
pub(super) fn event(node: &NodeClient, written: &str) -> Outcome<EventId> {
    if let Ok(hash) = Hash::parse_hex(written) {
        return Ok(EventId(hash));
    }
    let unknown = || Failure::invalid("error.no-event-id").with("got", written);
    let (department, index) = place(written).ok_or_else(unknown)?;
    let bytes = node.newest_entry(&department, index)?;
    let entry = Entry::parse(&bytes)?;
    let (note, _) = read_event(&entry.payload).map_err(|_| unknown())?;
    Ok(event_id(&note.text))
}

/// Reads `police/12`.
fn place(written: &str) -> Option<(DepartmentId, u64)> {
    let (department, index) = written.split_once('/')?;
    Some((DepartmentId::parse(department).ok()?, index.parse().ok()?))
}

/// Says whether an event is named, not a case.
pub(super) fn names_event(written: &str) -> bool {
    Hash::parse_hex(written).is_ok() || place(written).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_log_is_no_case_number() {
        assert_eq!(place("police/12").unwrap().1, 12);
        assert!(place("housing/req-2026-0005").is_none());
        assert!(names_event(&"ab".repeat(32)) && names_event("police/0"));
        assert!(!names_event("housing/req-2026-0005") && !names_event("police") && !names_event("police/-1"));
    }
}
