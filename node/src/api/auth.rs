//! Who asks: a short-lived token signed by the officer's key, checked against the roster as it is now.

use super::ApiError;
use crate::drafts::Caller;
use crate::runtime::{CLOCK_SKEW_MS, Shared};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tally_ledger::crypto::{NoteKey, VerifyingKey};
use tally_schemas::api::TOKEN_SCHEME;
use tally_schemas::governance::Right;
use tally_schemas::key_file::officer_key_name;
use tally_schemas::note::Note;
use tally_schemas::token::{TOKEN_BYTES_MAX, Token};

/// Returns who asks.
pub(super) fn caller(node: &Shared, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let refused = |why: String| ApiError::no_token(why);
    let header = headers.get(AUTHORIZATION).ok_or_else(|| {
        refused(format!(
            "this needs a token: Authorization: {TOKEN_SCHEME} <base64>; see schemas/spec/token.md"
        ))
    })?;
    let bytes = header
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix(TOKEN_SCHEME))
        .and_then(|rest| rest.strip_prefix(' '))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .ok_or_else(|| refused(format!("the header Authorization is not {TOKEN_SCHEME} <base64>")))?;
    let note = Note::parse(&bytes, TOKEN_BYTES_MAX).map_err(|error| refused(error.to_string()))?;
    let token = Token::parse_text(&note.text).map_err(|error| refused(error.to_string()))?;
    let now = node.clock.now();
    if token.node != node.node {
        return Err(refused(format!(
            "the token is for node {}, this is {}",
            token.node, node.node
        )));
    }
    if now >= token.expires || now.plus_ms(CLOCK_SKEW_MS) < token.issued {
        return Err(refused(format!(
            "the token holds from {} to {}, it is {now} here",
            token.issued, token.expires
        )));
    }
    let [line] = note.lines.as_slice() else {
        return Err(refused(format!(
            "the token has {} signature lines, expected 1",
            note.lines.len()
        )));
    };
    node.view(|replica| {
        let world = replica.world();
        let registry = world.registry();
        if token.federation != *registry.federation() {
            return Err(refused(format!(
                "the token is for federation {}",
                token.federation
            )));
        }
        let name = officer_key_name(&token.federation, &token.department, &token.officer);
        let verifies = |key: &VerifyingKey| {
            NoteKey::new(&name, &key.public_key()).is_ok_and(|key| key.verify_line(&note.text, line).is_ok())
        };
        let version = registry.newest().version;
        let is_administrator = registry
            .administrator_keys(&token.department, token.officer.as_str())
            .iter()
            .any(|key| {
                let right = Right::Administrator {
                    department: token.department.clone(),
                    officer: token.officer.clone(),
                    key: *key.public_key().as_bytes(),
                };
                registry.stands(&right, version) && verifies(key)
            });
        let roster = world.roster(&token.department).unwrap_or_default();
        let is_officer = roster
            .officers
            .get(&token.officer)
            .and_then(|officer| officer.key.as_ref())
            .is_some_and(verifies);
        if !is_administrator && !is_officer {
            return Err(refused(format!(
                "the token is not signed by a key of {}/{} that is in force",
                token.department, token.officer
            )));
        }
        let offset = registry
            .profile_of(&token.department)
            .map_or(0, |profile| profile.zone.offset_minutes);
        let posts = if is_officer {
            roster.posts_of(&token.officer, now.date_at(offset))
        } else {
            Vec::new()
        };
        Ok(Caller {
            department: token.department.clone(),
            officer: token.officer.clone(),
            posts,
            is_administrator,
        })
    })
}
