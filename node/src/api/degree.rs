//! How surely an event is recorded, and what shows it to a stranger.

use super::answer::view;
use super::logs::{event_id, unproven};
use super::{Api, ApiError, blocking};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_ledger::replica::Recording;
use tally_schemas::api::{Answer, DegreeBody, RecordedBody};
use tally_schemas::confirmation::Confirmations;
use tally_schemas::id::Origin;
use tally_schemas::limits::CONFIRMATIONS_BYTES_MAX;

/// Puts into the form of the API how surely something is recorded.
pub(super) fn degree_body(recording: &Recording) -> DegreeBody {
    DegreeBody {
        degree: recording.degree().as_str().to_owned(),
        hosts: recording.hosts.iter().map(ToString::to_string).collect(),
    }
}

/// `GET /v1/degrees/{event}`.
pub(super) async fn degree(
    State(api): State<Api>,
    Path(event): Path<String>,
) -> Result<Json<Answer<RecordedBody>>, ApiError> {
    let id = event_id(&event)?;
    view(&api, move |_, replica, _| {
        let recorded = replica.proof(&id).ok_or_else(|| unproven(&id))?;
        Ok(RecordedBody {
            event: id.to_string(),
            origin: recorded.origin.to_string(),
            index: recorded.index,
            degree: degree_body(&recorded.recording),
        })
    })
    .await
}

/// `GET /v1/confirmations/{event}`.
pub(super) async fn confirmations(
    State(api): State<Api>,
    Path(event): Path<String>,
) -> Result<Response, ApiError> {
    let node = api.slot.node()?;
    let id = event_id(&event)?;
    blocking(move || {
        // The disk is not read while the replica is looked at: its owner would wait for that. So the replica says which entries it
        // misses, they are read, and it is asked again; each time at least one more is there.
        let mut entries: BTreeMap<(Origin, u64), Option<Arc<[u8]>>> = BTreeMap::new();
        loop {
            let mut missing = Vec::new();
            let file = node.view(|replica| {
                let recorded = replica.proof(&id)?;
                let mut read = |origin: &Origin, index: u64| {
                    let place = (origin.clone(), index);
                    let known = entries.get(&place).cloned();
                    if known.is_none() {
                        missing.push(place);
                    }
                    known.flatten()
                };
                let list = replica.confirmations(&recorded.origin, recorded.index, &mut read);
                Some(Confirmations {
                    event: id,
                    origin: recorded.origin,
                    index: recorded.index,
                    as_of: node.clock.now(),
                    list,
                })
            });
            let file = file.ok_or_else(|| unproven(&id))?;
            if missing.is_empty() {
                return Ok(([(CONTENT_TYPE, "application/json")], within(file)).into_response());
            }
            for (origin, index) in missing {
                let entry = node.entry(&origin, index)?;
                entries.insert((origin, index), entry);
            }
        }
    })
    .await
}

/// Returns the bytes of a file, with as many confirmations as its limit lets in.
fn within(mut file: Confirmations) -> Vec<u8> {
    loop {
        let bytes = file.to_bytes();
        if bytes.len() <= CONFIRMATIONS_BYTES_MAX || file.list.pop().is_none() {
            return bytes;
        }
    }
}
