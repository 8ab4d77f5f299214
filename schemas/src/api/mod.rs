//! The HTTP surface of a node: paths, limits, and the shapes of requests and answers. Spec: `schemas/spec/api.md`.
//!
//! Shapes only. What is signed travels inside as the text or base64 of its own bytes and is checked under its own format;
//! nothing here is ever signed or stored. Requests refuse unknown members, answers may gain some.

mod remedy;

pub use remedy::{LAW_REMEDY, REMEDIES, remedy};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Paths, as the router writes them: `{name}` is one percent-encoded segment, `{*name}` the rest.
pub mod path {
    /// Submits a signed note, alone or with detached parts (POST).
    pub const SUBMIT: &str = "/v1/submit";
    /// The federation as this node knows it.
    pub const FEDERATION: &str = "/v1/federation";
    /// The bytes of the genesis note.
    pub const GENESIS: &str = "/v1/genesis";
    /// The roster of a department.
    pub const ROSTER: &str = "/v1/departments/{department}/roster";
    /// Cases; query [`super::CaseQuery`].
    pub const CASES: &str = "/v1/cases";
    /// One case, by id or speakable number (`housing%2Freq-2026-0031`).
    pub const CASE: &str = "/v1/cases/{case}";
    /// Every entry of a case with its verdict.
    pub const TRAIL: &str = "/v1/cases/{case}/trail";
    /// What is due; query [`super::DueQuery`].
    pub const DUE: &str = "/v1/due";
    /// What a post has before it; query [`super::InboxQuery`].
    pub const INBOX: &str = "/v1/inbox";
    /// Requests and their grants.
    pub const REQUESTS: &str = "/v1/requests";
    /// Tasks.
    pub const TASKS: &str = "/v1/tasks";
    /// Findings.
    pub const FINDINGS: &str = "/v1/findings";
    /// Catalogue entries.
    pub const CATALOGUE: &str = "/v1/catalogue";
    /// Matters of supervision.
    pub const MATTERS: &str = "/v1/matters";
    /// What can be done next; query [`super::NextActsQuery`].
    pub const NEXT_ACTS: &str = "/v1/next-acts";
    /// Every log with its head and what it waits for.
    pub const LOGS: &str = "/v1/logs";
    /// The heads that an answer rests on, by their digest.
    pub const HEADS: &str = "/v1/heads/{digest}";
    /// The bytes of an entry.
    pub const ENTRY: &str = "/v1/logs/{department}/entries/{index}";
    /// The newest checkpoint of a log.
    pub const CHECKPOINT: &str = "/v1/logs/{department}/checkpoint";
    /// A tile or bundle of a log, in the C2SP layout.
    pub const TILE: &str = "/v1/logs/{department}/tile/{*tile}";
    /// The tlog-proof file of an event.
    pub const PROOF: &str = "/v1/proofs/{event}";
    /// The note of an event as recorded.
    pub const EVENT: &str = "/v1/events/{event}";
    /// What other nodes signed that shows that they hold an event: a file of confirmations.
    pub const CONFIRMATIONS: &str = "/v1/confirmations/{event}";
    /// Where an event is recorded, and how surely.
    pub const DEGREE: &str = "/v1/degrees/{event}";
    /// A detached part (token).
    pub const PART: &str = "/v1/parts/{department}/{commit}";
    /// The drafts box of a department (token; GET lists, POST adds).
    pub const DRAFTS: &str = "/v1/drafts/{department}";
    /// One draft (token; GET reads, PUT edits).
    pub const DRAFT: &str = "/v1/drafts/{department}/{draft}";
    /// Sends a half-signed draft to those who are to sign (token, POST).
    pub const DRAFT_SEND: &str = "/v1/drafts/{department}/{draft}/send";
    /// Returns a draft with a comment (token, POST).
    pub const DRAFT_RETURN: &str = "/v1/drafts/{department}/{draft}/return";
    /// Withdraws a draft (token, POST).
    pub const DRAFT_WITHDRAW: &str = "/v1/drafts/{department}/{draft}/withdraw";
    /// Changes as server-sent events.
    pub const WATCH: &str = "/v1/watch";
    /// State digests per bucket of cases.
    pub const DIGESTS: &str = "/v1/digests";
    /// Whether the process lives.
    pub const HEALTH: &str = "/healthz";
    /// Whether the node takes writes, with reasons.
    pub const READY: &str = "/readyz";
    /// Sets the clock of a trial (POST, loopback).
    pub const TRIAL_CLOCK: &str = "/v1/trial/clock";
    /// Lets time pass as it is, and says what was reached.
    pub const TRIAL_SETTLE: &str = "/v1/trial/settle";
    /// Takes a node of a trial off the bus and closes its stores (`offline`) or only cuts its bus (`cut`), or brings it back
    /// (`online`, `joined`) (POST, loopback).
    pub const TRIAL_NODE: &str = "/v1/trial/nodes/{node}/{state}";
}

/// Fills the `{name}` segments of a path in order, percent-encoded; a `{*name}` keeps its slashes.
pub fn fill(template: &str, values: &[&str]) -> String {
    let mut values = values.iter();
    let filled = template.split('/').map(|segment| {
        if segment.starts_with("{*") {
            (*values.next().unwrap_or(&"")).to_owned()
        } else if segment.starts_with('{') {
            encode_segment(values.next().unwrap_or(&""))
        } else {
            segment.to_owned()
        }
    });
    filled.collect::<Vec<_>>().join("/")
}

/// Percent-encodes what is not unreserved in a path segment or query value.
pub fn encode_segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The largest body of a submission that is the note alone: twice what an entry can hold, so that the answer can say how long it may be.
pub const NOTE_BODY_BYTES_MAX: usize = 2 * crate::limits::ENTRY_BYTES_MAX;
/// The largest body that carries detached parts: one part of the largest size in base64, with its note.
pub const PARTS_BODY_BYTES_MAX: usize = 24 * 1024 * 1024;
/// The largest other body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The scheme of the header `Authorization`: `Tally <base64 of the token's note>`.
pub const TOKEN_SCHEME: &str = "Tally";
/// After how many seconds a refused write may be tried again.
pub const RETRY_AFTER_SECONDS: u32 = 2;

/// A detached part with what opens its commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartBody {
    /// The commitment, 64 hex digits.
    pub commit: String,
    /// The salt, base64 of 32 bytes.
    pub salt: String,
    /// The media type, as the event states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The content, base64.
    pub content: String,
}

/// A submission with more than the note: the JSON form of the body of `POST /v1/submit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitBody {
    /// The signed note, as text.
    pub note: String,
    /// The detached parts that the event commits to and this node does not keep yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartBody>,
    /// The draft that this note completes; its parts are used, and it is marked recorded in the same step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
    /// Why a personal number in an inline text must stand there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal_override: Option<String>,
}

/// The answer to a submission that is recorded: durable, with its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubmitAnswer {
    /// The event; for governance, the hash of its text. 64 hex digits.
    pub event: String,
    /// The log.
    pub origin: String,
    /// The position.
    pub index: u64,
    /// The text of the tlog-proof file.
    pub proof: String,
    /// How surely it is recorded.
    #[serde(flatten)]
    pub degree: DegreeBody,
}

/// How surely something is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DegreeBody {
    /// The code of a [`crate::degree::Degree`]; others may come.
    pub degree: String,
    /// The nodes but that of its own log that have signed that they hold it.
    pub hosts: Vec<String>,
}

/// Where an event is recorded, and how surely (data of `GET /v1/degrees/{event}`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedBody {
    /// The event.
    pub event: String,
    /// The log.
    pub origin: String,
    /// The position.
    pub index: u64,
    /// How surely it is recorded.
    #[serde(flatten)]
    pub degree: DegreeBody,
}

/// What stands in the body of every answer that is not 2xx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusalBody {
    /// `invalid` (400), `too-large` (413), `forbidden` (401, 403), `not-found` (404), `refused` (422), `unavailable` (503), `failed` (500).
    pub family: String,
    /// A stable code for programs and text catalogues.
    pub code: String,
    /// What was wrong, in English.
    pub what: String,
    /// What to do about it, in English: [`remedy()`] of the code.
    #[serde(default)]
    pub hint: String,
    /// The provision, if it is a rule of the law.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article: Option<String>,
    /// What can be done next in the case, by whom.
    #[serde(default)]
    pub possible: Vec<PossibleAct>,
}

/// One thing that can be done next in a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PossibleAct {
    /// The kind of event.
    pub kind: String,
    /// The departments that may do it.
    pub by: Vec<String>,
    /// The items it can concern; 0 is the whole of a case without items.
    pub items: Vec<u16>,
    /// Whom it should be addressed to when a department does it; only in the answer to [`path::NEXT_ACTS`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub to: BTreeMap<String, Vec<String>>,
}

/// The frame of every answer of a view: on what it rests (I9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer<T = Value> {
    /// The heads that it rests on.
    pub heads: HeadsRef,
    /// The time as of which it holds, `2026-01-05T01:00:00.000Z`.
    pub as_of: String,
    /// The number of the rules in force.
    pub ruleset: u32,
    /// The registry version that it rests on.
    pub registry: u64,
    /// The profiles in force.
    pub profiles: Vec<VersionOf>,
    /// The calendars in force.
    pub calendars: Vec<VersionOf>,
    /// The logs that are behind, with the reason; empty when all that is held is resolved.
    pub behind: Vec<Behind>,
    /// Whether this is a trial, whose clock a scenario sets.
    pub trial: bool,
    /// The view.
    pub data: T,
}

/// A list of heads, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeadsRef {
    /// SHA-256 over the domain tag `tally/heads-digest/v1` and the lines `<origin> <size> <root>` of all logs; 64 hex digits.
    pub digest: String,
    /// Where the list can be read while the node remembers it.
    pub link: String,
}

/// A document of rules with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionOf {
    /// The id.
    pub id: String,
    /// The version.
    pub version: u32,
}

/// A log that is not resolved to the end, or whose ingest stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behind {
    /// The log.
    pub origin: String,
    /// How many entries are resolved.
    pub cursor: u64,
    /// How many are held.
    pub size: u64,
    /// What it waits for.
    pub why: String,
}

/// The heads behind a digest (`GET /v1/heads/{digest}`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeadsBody {
    /// The digest.
    pub digest: String,
    /// The resolved head of every log, by origin.
    pub heads: Vec<HeadOf>,
}

/// A head of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeadOf {
    /// The log.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The root, base64.
    pub root: String,
}

/// The federation as a node knows it (data of `GET /v1/federation`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FederationBody {
    /// The federation id.
    pub id: String,
    /// The node that answers.
    pub node: String,
    /// The departments that it hosts.
    pub hosted: Vec<String>,
    /// The department whose log carries governance.
    pub registrar: String,
    /// The registry version known here.
    pub registry: u64,
    /// The departments, by id.
    pub departments: Vec<DepartmentBody>,
    /// The nodes, by id.
    pub nodes: Vec<NodeBody>,
    /// Where the genesis note can be read.
    pub genesis: String,
}

/// A department.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DepartmentBody {
    /// The id.
    pub id: String,
    /// The English name.
    pub name_en: String,
    /// The Chinese name.
    pub name_zh: String,
    /// The level of government.
    pub level: String,
    /// The area code.
    pub area: String,
    /// The parent department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The superior department of the professional line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// The competent authority of its level and area, computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// The profile.
    pub profile: String,
    /// The calendar.
    pub calendar: String,
    /// The node that hosts its log.
    pub node: String,
    /// The origin of its log.
    pub origin: String,
    /// The verifier key of its log.
    pub log_key: String,
    /// Its administrator.
    pub administrator: String,
    /// The roles that it holds now.
    pub roles: Vec<String>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeBody {
    /// The id.
    pub id: String,
    /// The department that operates it.
    pub operator: String,
    /// Its transport key, base64.
    pub transport_key: String,
}

/// A roster (data of `GET /v1/departments/{department}/roster`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RosterBody {
    /// The department.
    pub department: String,
    /// The posts, by id.
    pub posts: Vec<PostBody>,
    /// The officers, by id.
    pub officers: Vec<OfficerBody>,
    /// Posts with fewer than two living approvers.
    pub thin: Vec<String>,
}

/// A post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostBody {
    /// The id.
    pub id: String,
    /// The English name.
    pub name_en: String,
    /// The Chinese name.
    pub name_zh: String,
    /// What it may do.
    pub duties: Vec<String>,
    /// Who holds it, or will, or did.
    pub terms: Vec<TermBody>,
}

/// An officer's hold on a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TermBody {
    /// The officer.
    pub officer: String,
    /// The first day.
    pub from: String,
    /// The last day, if one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Whether the officer only acts in it.
    pub acting: bool,
    /// The single duty that is delegated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duty: Option<String>,
    /// Whether it covers today.
    pub present: bool,
}

/// An officer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfficerBody {
    /// The id.
    pub id: String,
    /// The public key in force, base64; none after a revocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The posts held today.
    pub posts: Vec<String>,
}

/// A log (in the data of `GET /v1/logs`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogBody {
    /// The log.
    pub origin: String,
    /// The department.
    pub department: String,
    /// How many entries are held.
    pub size: u64,
    /// The root over them, base64.
    pub root: String,
    /// How many are resolved.
    pub cursor: u64,
    /// The size of the newest checkpoint held of exactly the entries held up to there; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// How many entries the log signed as far as the checkpoints and fork evidence held here show, where that is more than are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<u64>,
    /// What the next entry waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// Why ingest stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// How many acts addressed to the department its log does not show as received yet.
    pub unreceived: u64,
    /// Whether this node writes it.
    pub own: bool,
    /// How many of its entries count, once a later epoch was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<u64>,
    /// Why this node must not sign it in this epoch again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
}

/// What a draft is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DraftState {
    /// Text without signature.
    Unsigned,
    /// Half-signed, before the holders of the posts that are to sign.
    Sent,
    /// Came back with a comment; its event can no longer be submitted here.
    Returned,
    /// Taken back by the drafter; its event can no longer be submitted here.
    Withdrawn,
    /// Recorded in the log.
    Recorded,
}

/// What goes into the drafts box: a new draft, an edit, or a half-signed note to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DraftPut {
    /// The text of the event (unsigned), or the half-signed note (send).
    pub note: String,
    /// Its detached parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartBody>,
    /// A word to those who read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A comment, where only that is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommentBody {
    /// The comment.
    pub comment: String,
}

/// A draft without its content (in the data of `GET /v1/drafts/{department}`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DraftSummary {
    /// The id in this box.
    pub id: String,
    /// The officer who drafted it.
    pub drafter: String,
    /// Its state.
    pub state: DraftState,
    /// The id of its event.
    pub event: String,
    /// The kind of its event.
    pub kind: String,
    /// The case, unless it opens one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// The posts that are to sign, in line order.
    pub posts: Vec<String>,
    /// How many lines are there.
    pub signatures: u32,
    /// When it was put into the box.
    pub created: String,
    /// When it changed last.
    pub changed: String,
    /// Why the last attempt to record it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusalBody>,
}

/// A draft with everything (data of `GET /v1/drafts/{department}/{draft}`, and the answer to every change).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DraftBody {
    /// What the list shows.
    #[serde(flatten)]
    pub summary: DraftSummary,
    /// The text (unsigned) or the note (half-signed).
    pub note: String,
    /// The detached parts.
    pub parts: Vec<PartBody>,
    /// What was said, oldest first.
    pub comments: Vec<DraftComment>,
}

/// A comment on a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DraftComment {
    /// The officer.
    pub by: String,
    /// When.
    pub at: String,
    /// What.
    pub text: String,
}

/// The drafts box as the caller may see it (data of `GET /v1/drafts/{department}`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DraftsBody {
    /// The drafts that the caller may read: own ones, and those that wait for a post the caller holds.
    pub drafts: Vec<DraftSummary>,
    /// How many open drafts the box holds in all; for the administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<u64>,
    /// When the oldest open draft was put there; for the administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
}

/// What to list of cases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaseQuery {
    /// Only this kind of case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only cases that this department opened or owes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// Only cases at this stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// What to list of due dates.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DueQuery {
    /// Only what this department owes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// Only what is overdue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overdue: Option<bool>,
}

/// Whose inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InboxQuery {
    /// The department.
    pub department: String,
    /// The post; all posts where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
}

/// Of which case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NextActsQuery {
    /// The case, by id or number.
    pub case: String,
}

/// Whether a node takes writes (`GET /readyz`: 200 or 503).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadyBody {
    /// Whether it does.
    pub ready: bool,
    /// Why not, or what else the operator must see.
    pub reasons: Vec<String>,
    /// The last alarms, newest last.
    pub alarms: Vec<String>,
}

/// The clock of a trial (`POST /v1/trial/clock`; the answer has the time now).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrialClockBody {
    /// The time, `2026-01-05T01:00:00.000Z`; never before the one set last.
    pub now: String,
}

/// Where the nodes of a trial stand after time passed as it is (`POST /v1/trial/settle`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrialSettledBody {
    /// The digest of the resolved heads of all logs: of one node, or all of them joined by commas where they differ.
    pub heads: String,
    /// Whether messages or signatures still wait.
    pub busy: bool,
}

/// What a change tells watchers (`GET /v1/watch`: event `changed`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedBody {
    /// The cases whose state may have changed, by id.
    pub cases: Vec<String>,
    /// The digest of the heads after the change.
    pub heads: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_segments_in_order_and_encodes_slashes_in_them() {
        assert_eq!(
            fill(path::TRAIL, &["housing/req-2026-0031"]),
            "/v1/cases/housing%2Freq-2026-0031/trail"
        );
        assert_eq!(
            fill(path::TILE, &["housing", "entries/000.p/7"]),
            "/v1/logs/housing/tile/entries/000.p/7"
        );
        assert_eq!(fill(path::LOGS, &[]), "/v1/logs");
    }

    #[test]
    fn a_request_with_an_unknown_member_is_refused() {
        let good = r#"{"note":"x"}"#;
        assert!(serde_json::from_str::<SubmitBody>(good).is_ok());
        let bad = r#"{"note":"x","draf":"y"}"#;
        let error = serde_json::from_str::<SubmitBody>(bad).unwrap_err();
        assert!(error.to_string().contains("draf"), "{error}");
    }

    #[test]
    fn an_answer_says_what_it_rests_on() {
        let answer = Answer {
            heads: HeadsRef {
                digest: "00".to_owned(),
                link: "/v1/heads/00".to_owned(),
            },
            as_of: "2026-01-05T01:00:00.000Z".to_owned(),
            ruleset: 1,
            registry: 0,
            profiles: Vec::new(),
            calendars: Vec::new(),
            behind: Vec::new(),
            trial: true,
            data: Value::Bool(true),
        };
        let json = serde_json::to_value(&answer).unwrap();
        for member in [
            "heads",
            "asOf",
            "ruleset",
            "profiles",
            "calendars",
            "behind",
            "trial",
            "data",
        ] {
            assert!(json.get(member).is_some(), "{member}");
        }
        assert_eq!(serde_json::from_value::<Answer>(json).unwrap(), answer);
    }
}
