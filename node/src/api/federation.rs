//! The federation, its genesis, and rosters.

use super::answer::view;
use super::{Api, ApiError};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use tally_ledger::authority::Registry;
use tally_schemas::api::{
    Answer, DepartmentBody, FederationBody, NodeBody, OfficerBody, PostBody, RosterBody, TermBody, path,
};
use tally_schemas::genesis::DepartmentRecord;
use tally_schemas::id::{DepartmentId, Hash};

/// `GET /v1/federation`.
pub(super) async fn federation(State(api): State<Api>) -> Result<Json<Answer<FederationBody>>, ApiError> {
    view(&api, |node, replica, _| {
        let registry = replica.world().registry();
        let genesis = registry.genesis();
        let version = registry.newest().version;
        Ok(FederationBody {
            id: registry.federation().to_string(),
            node: node.node.to_string(),
            hosted: replica.hosted().iter().map(ToString::to_string).collect(),
            registrar: genesis.registrar.to_string(),
            registry: version,
            departments: registry
                .departments(version)
                .map(|record| department(registry, record))
                .collect(),
            nodes: genesis
                .nodes
                .iter()
                .map(|node| NodeBody {
                    id: node.id.to_string(),
                    operator: node.operator.to_string(),
                    transport_key: Hash(node.transport_key).to_base64(),
                })
                .collect(),
            genesis: path::GENESIS.to_owned(),
        })
    })
    .await
}

fn department(registry: &Registry, record: &DepartmentRecord) -> DepartmentBody {
    let version = registry.newest().version;
    let log_key = registry.log_key(&record.id).map(|key| key.to_vkey().to_string());
    let roles = record.roles.iter().copied();
    let held = roles.filter(|role| registry.has_role(&record.id, *role, version));
    DepartmentBody {
        id: record.id.to_string(),
        name_en: record.name_en.clone(),
        name_zh: record.name_zh.clone(),
        level: record.level.clone(),
        area: record.area.clone(),
        parent: record.parent.as_ref().map(ToString::to_string),
        line: record.line.as_ref().map(ToString::to_string),
        authority: registry
            .authority_of(&record.id, version)
            .map(|authority| authority.to_string()),
        profile: record.profile.clone(),
        calendar: record.calendar.clone(),
        node: record.node.to_string(),
        origin: registry.origin(&record.id).to_string(),
        log_key: log_key.unwrap_or_default(),
        administrator: record.administrator.officer.to_string(),
        roles: held.map(|role| role.as_str().to_owned()).collect(),
    }
}

/// `GET /v1/genesis`.
pub(super) async fn genesis(State(api): State<Api>) -> Result<impl IntoResponse, ApiError> {
    let node = api.slot.node()?;
    Ok((
        [(CONTENT_TYPE, "text/plain; charset=utf-8")],
        node.genesis.clone(),
    ))
}

/// `GET /v1/departments/{department}/roster`.
pub(super) async fn roster(
    State(api): State<Api>,
    Path(department): Path<String>,
) -> Result<Json<Answer<RosterBody>>, ApiError> {
    let department = DepartmentId::parse(&department)?;
    view(&api, move |_, replica, now| {
        let world = replica.world();
        let roster = world.roster(&department).ok_or_else(|| {
            ApiError::not_found("department", format!("{department} is no department here"))
        })?;
        let offset = world
            .registry()
            .profile_of(&department)
            .map_or(0, |profile| profile.zone.offset_minutes);
        let today = now.date_at(offset);
        let terms = |post: &tally_schemas::id::PostId| {
            let held = roster.terms.iter().filter(|term| term.post == *post);
            held.map(|term| TermBody {
                officer: term.officer.to_string(),
                from: term.from.to_string(),
                to: term.to.map(|to| to.to_string()),
                acting: term.acting,
                duty: term.duty.clone(),
                present: term.from <= today && term.to.is_none_or(|to| today <= to),
            })
            .collect()
        };
        Ok(RosterBody {
            department: department.to_string(),
            posts: roster
                .posts
                .iter()
                .map(|(id, post)| PostBody {
                    id: id.to_string(),
                    name_en: post.name_en.clone(),
                    name_zh: post.name_zh.clone(),
                    duties: post.duties.clone(),
                    terms: terms(id),
                })
                .collect(),
            officers: roster
                .officers
                .iter()
                .map(|(id, officer)| OfficerBody {
                    id: id.to_string(),
                    key: officer
                        .key
                        .as_ref()
                        .map(|key| Hash(*key.public_key().as_bytes()).to_base64()),
                    posts: roster
                        .posts_of(id, today)
                        .iter()
                        .map(ToString::to_string)
                        .collect(),
                })
                .collect(),
            thin: roster.thin_posts(today).iter().map(ToString::to_string).collect(),
        })
    })
    .await
}
