//! The frame of every view: on which heads, time and rules it rests, and which logs are behind (I9).

use super::{Api, ApiError, blocking};
use crate::runtime::Shared;
use axum::Json;
use serde::Serialize;
use std::collections::BTreeMap;
use tally_ledger::replica::Replica;
use tally_ledger::world::World;
use tally_schemas::api::{Answer, Behind, HeadsRef, VersionOf, fill, path};
use tally_schemas::time::Timestamp;

/// Answers with a view of what is resolved, looked at now.
pub(super) async fn view<T: Serialize + Send + 'static>(
    api: &Api,
    read: impl FnOnce(&Shared, &Replica, Timestamp) -> Result<T, ApiError> + Send + 'static,
) -> Result<Json<Answer<T>>, ApiError> {
    let node = api.slot.node()?;
    blocking(move || {
        let now = node.clock.now();
        node.view(|replica| {
            let data = read(&node, replica, now)?;
            Ok(Json(frame(&node, replica, now, data)))
        })
    })
    .await
}

/// Puts data into the frame.
pub(super) fn frame<T>(node: &Shared, replica: &Replica, now: Timestamp, data: T) -> Answer<T> {
    let world = replica.world();
    let registry = world.registry();
    let digest = node.heads_digest(world).to_hex();
    let mut profiles = BTreeMap::new();
    let mut calendars = BTreeMap::new();
    for record in registry.departments(registry.newest().version) {
        if let Some(profile) = registry.profile_of(&record.id) {
            profiles.insert(profile.id.clone(), profile.version);
        }
        if let Some(calendar) = registry.calendar_of(&record.id) {
            calendars.insert(calendar.id.clone(), calendar.version);
        }
    }
    let versions = |found: BTreeMap<String, u32>| {
        found
            .into_iter()
            .map(|(id, version)| VersionOf { id, version })
            .collect()
    };
    Answer {
        heads: HeadsRef {
            link: fill(path::HEADS, &[&digest]),
            digest,
        },
        as_of: now.to_string(),
        ruleset: world.ruleset(),
        registry: registry.newest().version,
        profiles: versions(profiles),
        calendars: versions(calendars),
        behind: behind(world),
        trial: registry.genesis().trial,
        data,
    }
}

fn behind(world: &World) -> Vec<Behind> {
    let logs = world.logs().filter_map(|log| {
        if log.is_complete() && log.end == Some(log.cursor()) {
            return None;
        }
        let number = world.number_of_log(&log.origin)?;
        let why = log.stopped.clone().or_else(|| world.waits_for(number))?;
        Some(Behind {
            origin: log.origin.to_string(),
            cursor: log.cursor(),
            size: log.size(),
            why,
        })
    });
    logs.collect()
}
