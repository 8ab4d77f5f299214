//! A case as a world holds it: where its entries stand, when they arrived, and what is derived from that when somebody asks.
//!
//! A case that was not touched lately is only a row of the snapshot; it is folded again from its entries when it is needed.

use super::Standing;
use super::log::Resolved;
use crate::archive::ArchiveError;
use crate::authority::Void;
use crate::cases::fold::{LogNo, Vector};
use crate::cases::source::Arrival;
use crate::cases::{Brief, CaseFold};
use crate::projection::digest::CaseDigest;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use tally_schemas::FormatError;
use tally_schemas::event::EventKind;
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash};
use tally_schemas::snapshot::{
    ArrivalState, CaseRow, ChunkRow, EntryState, PlaceState, StandingState, encode_row,
};
use tally_schemas::time::Timestamp;

/// Where an entry of a case stands, and what reading it again does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) log: LogNo,
    pub(super) index: u64,
    /// The signature line that did not verify.
    pub(super) bad_line: Option<u8>,
    /// For an opening entry: year and running number.
    pub(super) number: Option<(u16, u32)>,
}

/// A case.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) id: CaseId,
    /// In the order in which they were resolved here, which is no state.
    pub(super) places: Vec<Place>,
    pub(super) arrivals: BTreeMap<EventId, Arrival>,
    pub(super) fold: OnceLock<Arc<CaseFold>>,
    pub(super) brief: OnceLock<Arc<Brief>>,
    pub(super) digest: OnceLock<CaseDigest>,
    /// Under which of the two keys the archive has its brief: as open, as settled, not at all.
    pub(super) filed: Option<bool>,
    /// Whether it differs from its row.
    pub(super) is_dirty: bool,
}

/// A case as the archive gave it.
pub(super) type ColdCase = Case;

impl Case {
    pub(super) fn new(id: CaseId, holds: u32) -> Self {
        let case = Self {
            id,
            places: Vec::new(),
            arrivals: BTreeMap::new(),
            fold: OnceLock::new(),
            brief: OnceLock::new(),
            digest: OnceLock::new(),
            filed: None,
            is_dirty: true,
        };
        // A new case has nothing to fold again.
        let _new = case.fold.set(Arc::new(CaseFold::new(id, holds)));
        case
    }

    /// Forgets what was derived from entries or registry, apart from the fold.
    pub(super) fn touch(&mut self) {
        self.brief.take();
        self.digest.take();
        self.is_dirty = true;
    }

    pub(super) fn from_row(id: CaseId, row: CaseRow) -> Result<Self, FormatError> {
        let arrivals = row.arrivals.into_iter().map(arrival_from);
        let brief = Brief::from_state(&row.brief)?;
        let case = Self {
            id,
            places: row
                .places
                .into_iter()
                .map(|place| Place {
                    log: place.log,
                    index: place.index,
                    bad_line: place.bad_line,
                    number: place.number,
                })
                .collect(),
            arrivals: arrivals.collect::<Result<_, _>>()?,
            fold: OnceLock::new(),
            filed: Some(brief.open),
            brief: OnceLock::from(Arc::new(brief)),
            digest: OnceLock::from(CaseDigest {
                inputs: row.digest.0,
                state: row.digest.1,
            }),
            is_dirty: false,
        };
        Ok(case)
    }

    pub(super) fn to_row(&self, brief: &Brief, digest: CaseDigest) -> CaseRow {
        CaseRow {
            places: self
                .places
                .iter()
                .map(|place| PlaceState {
                    log: place.log,
                    index: place.index,
                    bad_line: place.bad_line,
                    number: place.number,
                })
                .collect(),
            arrivals: self
                .arrivals
                .iter()
                .map(|(event, arrival)| arrival_to(event, arrival))
                .collect(),
            digest: (digest.inputs, digest.state),
            brief: brief.to_state(),
        }
    }
}

pub(super) fn arrival_to(event: &EventId, arrival: &Arrival) -> ArrivalState {
    ArrivalState {
        event: event.0,
        sent_ms: arrival.sent.as_ms(),
        available_ms: arrival.available.map(Timestamp::as_ms),
        received_ms: arrival
            .received
            .iter()
            .map(|(department, at)| (department.to_string(), at.as_ms()))
            .collect(),
    }
}

pub(super) fn arrival_from(state: ArrivalState) -> Result<(EventId, Arrival), FormatError> {
    let received = state.received_ms.into_iter().map(|(department, at)| {
        let department = DepartmentId::parse(&department)?;
        Ok::<_, FormatError>((department, Timestamp::from_ms(at)?))
    });
    let arrival = Arrival {
        sent: Timestamp::from_ms(state.sent_ms)?,
        available: state.available_ms.map(Timestamp::from_ms).transpose()?,
        received: received.collect::<Result<_, _>>()?,
    };
    Ok((EventId(state.event), arrival))
}

/// Writes a run of resolved entries.
pub(super) fn chunk_to(entries: &[Resolved]) -> Result<Vec<u8>, FormatError> {
    let below = entries
        .first()
        .map(|first| first.foreign.sizes().to_vec())
        .unwrap_or_default();
    let mut last = entries
        .first()
        .map(|first| first.foreign.clone())
        .unwrap_or_default();
    let entries = entries.iter().map(|entry| {
        let mut raised = Vec::new();
        if !Arc::ptr_eq(&last, &entry.foreign) {
            for (log, size) in (0..).zip(entry.foreign.sizes()) {
                if *size > last.size(log) {
                    raised.push((log, *size));
                }
            }
            last = entry.foreign.clone();
        }
        EntryState {
            recorded_ms: entry.recorded.as_ms(),
            event: entry.event.map(|event| event.0),
            addressed: entry.addressed,
            standing: match &entry.standing {
                Standing::InCase(case) => StandingState::Case(case.0),
                Standing::Roster(kind) => StandingState::Roster(kind.as_str().to_owned()),
                Standing::Statement => StandingState::Statement,
                Standing::Governance(version) => StandingState::Governance(*version),
                Standing::NotUnderstood(case) => StandingState::NotUnderstood(case.map(|case| case.0)),
                Standing::Opening => StandingState::Opening,
                Standing::Void(void) => StandingState::Void(void.code().to_owned(), void.to_string()),
            },
            raised,
        }
    });
    encode_row(&ChunkRow {
        entries: entries.collect(),
        below,
    })
}

/// Reads a run of resolved entries.
pub(super) fn chunk_from(row: ChunkRow) -> Result<Vec<Resolved>, ArchiveError> {
    let bad = |why: String| ArchiveError::new("a run of resolved entries", why);
    let mut foreign = Arc::new(Vector::from_sizes(row.below));
    let mut entries = Vec::with_capacity(row.entries.len());
    for entry in row.entries {
        if !entry.raised.is_empty() {
            let next = Arc::make_mut(&mut foreign);
            for (log, size) in entry.raised {
                next.raise(log, size);
            }
        }
        let standing = match entry.standing {
            StandingState::Case(case) => Standing::InCase(EventId(case)),
            StandingState::Roster(kind) => Standing::Roster(
                EventKind::parse(&kind).ok_or_else(|| bad(format!("the kind {kind} is not known")))?,
            ),
            StandingState::Statement => Standing::Statement,
            StandingState::Governance(version) => Standing::Governance(version),
            StandingState::NotUnderstood(case) => Standing::NotUnderstood(case.map(EventId)),
            StandingState::Opening => Standing::Opening,
            StandingState::Void(code, why) => Standing::Void(
                Void::noted(&code, why).ok_or_else(|| bad(format!("the code {code} is not known")))?,
            ),
        };
        entries.push(Resolved {
            foreign: foreign.clone(),
            recorded: Timestamp::from_ms(entry.recorded_ms).map_err(|error| bad(error.to_string()))?,
            event: entry.event.map(EventId),
            addressed: entry.addressed,
            standing,
        });
    }
    Ok(entries)
}

/// Returns the hashes of a list of ids.
pub(super) fn hashes<'a>(ids: impl IntoIterator<Item = &'a EventId>) -> Vec<Hash> {
    ids.into_iter().map(|id| id.0).collect()
}
