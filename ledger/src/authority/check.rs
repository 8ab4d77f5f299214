//! Whether the signers of an event had the authority they claim, at its position.

use super::registry::Registry;
use super::roster::Roster;
use crate::crypto::VerifyingKey;
use tally_schemas::entry::EntryHeader;
use tally_schemas::event::{CaseKind, Event, Kind, SignerRole};
use tally_schemas::governance::Right;
use tally_schemas::id::OfficerId;
use tally_schemas::note::{Note, SignatureLine};

/// Why an entry's payload has no effect. Void entries stay in the trail with the reason (I6).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Void {
    /// The payload is not of its format.
    #[error("payload is not of its format: {0}")]
    Form(String),
    /// The event belongs to another federation.
    #[error("event is for federation {0}")]
    Federation(String),
    /// The event stands in another department's log.
    #[error("event of {0} stands in another department's log")]
    Department(String),
    /// The header names a registry version with another hash.
    #[error("header names registry version {0} with another hash")]
    RegistryHash(u64),
    /// The signature lines are not exactly one per signer in their order.
    #[error("signature lines are not exactly one per signer in their order")]
    Lines,
    /// One officer signs in two lines.
    #[error("officer {0} signs in two lines")]
    SameOfficer(OfficerId),
    /// The signer is not enrolled or the key was revoked.
    #[error("officer {0} is not enrolled or the key was revoked at this position")]
    NoKey(String),
    /// The signer does not hold the post.
    #[error("officer {officer} does not hold post {post} at this position")]
    NoPost {
        /// The officer.
        officer: OfficerId,
        /// The post.
        post: String,
    },
    /// A signature does not verify under the key in force.
    #[error("signature of {0} does not verify under the key in force")]
    Signature(OfficerId),
    /// The same officer may not draft and approve under this profile.
    #[error("the profile does not let one officer draft and approve")]
    BothRoles,
    /// An earlier copy of the event counts.
    #[error("an earlier copy of this event counts")]
    Copy,
    /// `after` names an event outside the past of this one.
    #[error("after names {0}, which is not in the past of this event")]
    After(String),
    /// The case is not known in the past of this event.
    #[error("the case is not open in the past of this event")]
    NoCase,
    /// The event is of another kind than the case.
    #[error("the event is of another kind than the case")]
    OtherCase,
    /// The department may not do this in this case.
    #[error("{department} may not do {kind} in this case: it takes {needs}")]
    Actor {
        /// The department.
        department: String,
        /// The kind.
        kind: String,
        /// Who may.
        needs: String,
    },
    /// No transition leads from the stage the case is in.
    #[error("{kind} does not follow from stage {stage}")]
    Stage {
        /// The kind.
        kind: String,
        /// The stage, of the first item that does not fit.
        stage: String,
    },
    /// A condition on the facts of the case fails.
    #[error("{0}")]
    Guard(String),
    /// The right was taken at or before this position.
    #[error("the right to act was taken by governance version {0}")]
    RightTaken(u64),
    /// The right was never given.
    #[error("{0} does not hold the right that this takes")]
    NoRight(String),
    /// A governance note without effect.
    #[error("governance note without effect: {0}")]
    Governance(String),
    /// Governance outside the registrar's log.
    #[error("governance counts only in the registrar's log")]
    NotRegistrar,
    /// An opening that is not entry 0 of the log that it opens.
    #[error("an opening counts only as entry 0 of the log that it opens")]
    NotOpening,
    /// A roster event that does not fit the roster.
    #[error("roster event does not fit: {0}")]
    Roster(String),
    /// The case is under a ruleset that this software does not hold: not void, but not judged here.
    #[error("the case is under ruleset {ruleset}, the software of this node holds {holds}")]
    NewerRuleset {
        /// The ruleset of the case.
        ruleset: u32,
        /// The newest that the software holds.
        holds: u32,
    },
    /// One of the others, as a snapshot kept it: code and reason.
    #[error("{1}")]
    Noted(&'static str, String),
}

impl Void {
    /// Returns a stable code for programs and text catalogues.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Form(_) => "form",
            Self::Federation(_) => "federation",
            Self::Department(_) => "department",
            Self::RegistryHash(_) => "registry-hash",
            Self::Lines => "lines",
            Self::SameOfficer(_) => "same-officer",
            Self::NoKey(_) => "no-key",
            Self::NoPost { .. } => "no-post",
            Self::Signature(_) => "signature",
            Self::BothRoles => "both-roles",
            Self::Copy => "copy",
            Self::After(_) => "after",
            Self::NoCase => "no-case",
            Self::OtherCase => "other-case",
            Self::Actor { .. } => "actor",
            Self::Stage { .. } => "stage",
            Self::Guard(_) => "guard",
            Self::RightTaken(_) => "right-taken",
            Self::NoRight(_) => "no-right",
            Self::Governance(_) => "governance",
            Self::NotRegistrar => "not-registrar",
            Self::NotOpening => "not-opening",
            Self::Roster(_) => "roster",
            Self::NewerRuleset { .. } => "newer-ruleset",
            Self::Noted(code, _) => code,
        }
    }

    /// Returns the reason that a snapshot kept; none for a code that this software does not know.
    pub fn noted(code: &str, why: String) -> Option<Self> {
        let known = CODES.iter().find(|known| **known == code)?;
        Some(Self::Noted(known, why))
    }
}

const CODES: &[&str] = &[
    "form",
    "federation",
    "department",
    "registry-hash",
    "lines",
    "same-officer",
    "no-key",
    "no-post",
    "signature",
    "both-roles",
    "copy",
    "after",
    "no-case",
    "other-case",
    "actor",
    "stage",
    "guard",
    "right-taken",
    "no-right",
    "governance",
    "not-registrar",
    "not-opening",
    "roster",
];

/// Names the officer and the key under which each line must verify.
#[derive(Debug, Clone)]
pub struct LineKey {
    /// The officer.
    pub officer: OfficerId,
    /// The key in force at the position.
    pub key: VerifyingKey,
}

/// Returns who must have signed each line, or why the signers do not have the authority they claim.
///
/// Knows nothing of signatures: whether each line verifies under its key is the caller's to find out.
///
/// # Errors
/// The reason that makes the event void.
pub fn check_signers(
    event: &Event,
    note: &Note,
    header: &EntryHeader,
    roster: &Roster,
    registry: &Registry,
) -> Result<Vec<LineKey>, Void> {
    if event.federation != *registry.federation() {
        return Err(Void::Federation(event.federation.to_string()));
    }
    if event.department != header.origin.department {
        return Err(Void::Department(event.department.to_string()));
    }
    if note.lines.len() != event.signers.len() {
        return Err(Void::Lines);
    }
    let offset = registry
        .profile_of(&event.department)
        .map_or(0, |profile| profile.zone.offset_minutes);
    let day = header.recorded.date_at(offset);
    let is_roster = matches!(event.kind, Kind::Known(kind) if kind.case_kind() == CaseKind::Roster);
    let mut found: Vec<LineKey> = Vec::new();
    for (signer, line) in event.signers.iter().zip(&note.lines) {
        let (department, officer) = registry.split_name(&line.name).ok_or(Void::Lines)?;
        let officer = OfficerId::parse(officer).map_err(|_| Void::Lines)?;
        if department != event.department || signer.officer.as_ref().is_some_and(|named| *named != officer) {
            return Err(Void::Lines);
        }
        if found.iter().any(|earlier| earlier.officer == officer) {
            return Err(Void::SameOfficer(officer));
        }
        if signer.is(SignerRole::Administrator) != is_roster {
            return Err(Void::NoPost {
                officer,
                post: signer.post.to_string(),
            });
        }
        let key = if is_roster {
            administrator_key(registry, &event.department, &officer, line, header)?
        } else {
            let entry = roster
                .officers
                .get(&officer)
                .and_then(|officer| officer.key.clone());
            let key = entry.ok_or_else(|| Void::NoKey(officer.to_string()))?;
            if !key.claims(line) {
                return Err(Void::NoKey(officer.to_string()));
            }
            if !roster.holds(&officer, &signer.post, day) {
                return Err(Void::NoPost {
                    officer,
                    post: signer.post.to_string(),
                });
            }
            key
        };
        found.push(LineKey { officer, key });
    }
    let both = event.signers.iter().any(|signer| signer.roles.len() > 1);
    if both
        && !registry
            .profile_of(&event.department)
            .is_some_and(|profile| profile.approvals.one_officer_as_both)
    {
        return Err(Void::BothRoles);
    }
    Ok(found)
}

fn administrator_key(
    registry: &Registry,
    department: &tally_schemas::id::DepartmentId,
    officer: &OfficerId,
    line: &SignatureLine,
    header: &EntryHeader,
) -> Result<VerifyingKey, Void> {
    let keys = registry.administrator_keys(department, officer.as_str());
    let key = keys
        .iter()
        .find(|key| key.claims(line))
        .ok_or_else(|| Void::NoKey(officer.to_string()))?;
    let right = administrator_right(department, officer, key);
    let version = header.registry.version;
    if !registry.holds(&right, &header.origin, header.index, version, version) {
        return Err(Void::NoRight(department.to_string()));
    }
    Ok(key.clone())
}

/// Returns the right of an administrator with a key.
pub fn administrator_right(
    department: &tally_schemas::id::DepartmentId,
    officer: &OfficerId,
    key: &VerifyingKey,
) -> Right {
    Right::Administrator {
        department: department.clone(),
        officer: officer.clone(),
        key: *key.public_key().as_bytes(),
    }
}
