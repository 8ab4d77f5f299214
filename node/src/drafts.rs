//! The drafts box of a department: texts and half-signed notes on their way to the officers who are to sign.
//!
//! Local records beside the department's own log, never on the bus and never entries (I8). The drafter and the present holders of the
//! posts in `signers` read all of it, the administrator its count and age, nobody else anything. A note that was returned, edited or
//! withdrawn can no longer be recorded at this node.

use crate::store::{LocalRecord, OwnLog, Part, Parts, StoreError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tally_ledger::authority::Roster;
use tally_ledger::crypto::{NoteKey, event_id};
use tally_ledger::replica::Refusal;
use tally_ledger::world::World;
use tally_schemas::FormatError;
use tally_schemas::api::{
    DraftBody, DraftComment, DraftPut, DraftState, DraftSummary, DraftsBody, PartBody, RefusalBody,
};
use tally_schemas::event::{EVENT_MAGIC, Event};
use tally_schemas::id::{DepartmentId, EventId, Hash, OfficerId, PostId};
use tally_schemas::key_file::officer_key_name;
use tally_schemas::limits::EVENT_NOTE_BYTES_MAX;
use tally_schemas::note::Note;
use tally_schemas::time::Timestamp;

/// The most open drafts of one box.
pub const OPEN_DRAFTS_MAX: usize = 10_000;
/// The longest comment in characters.
pub const COMMENT_CHARS_MAX: usize = 4_000;
/// The most comments of one draft.
pub const COMMENTS_MAX: usize = 100;

const DRAFT_KEY: &[u8] = b"draft/";
const CLOSED_KEY: &[u8] = b"closed-event/";

/// Why the drafts box did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// No such draft, or none that the caller may read.
    #[error("draft {0} is not in this box, or not for you")]
    NotFound(String),
    /// Only the drafter may do that.
    #[error("only the drafter may {0} a draft")]
    NotDrafter(&'static str),
    /// The draft is past that.
    #[error("draft {id} is {state}, it cannot be {what} any more")]
    State {
        /// The draft.
        id: String,
        /// Its state.
        state: &'static str,
        /// What was asked for.
        what: &'static str,
    },
    /// The text is no event.
    #[error("the draft is no event of this kind")]
    Form(#[from] FormatError),
    /// The event belongs elsewhere.
    #[error("the draft is an event of {got}, this is the box of {expected}")]
    OtherDepartment {
        /// The department of the event.
        got: String,
        /// The department of the box.
        expected: String,
    },
    /// A signature line is missing, of another officer, or does not verify.
    #[error("{0}")]
    Signature(String),
    /// A part does not fit.
    #[error(transparent)]
    Part(#[from] Refusal),
    /// The comment is empty or too long, or there are too many.
    #[error("a comment has 1 to {COMMENT_CHARS_MAX} characters, and a draft at most {COMMENTS_MAX} of them")]
    Comment,
    /// The box is full.
    #[error("the box holds {OPEN_DRAFTS_MAX} open drafts already; withdraw some first")]
    Full,
    /// The event was returned, edited away or withdrawn before.
    #[error("this event can no longer be recorded here: {0}; a changed draft needs a new nonce")]
    Closed(String),
    /// The department is not hosted here.
    #[error("{0} is not hosted here")]
    NotHosted(DepartmentId),
    /// The newest log of the department must not be signed any more, and the box is in its store.
    #[error(
        "the log of {department} must not be signed in this epoch again: {why}; its administrator opens the next epoch"
    )]
    Sealed {
        /// The department.
        department: DepartmentId,
        /// Why not.
        why: String,
    },
    /// The disk.
    #[error("the drafts box could not be written or read")]
    Store(#[from] StoreError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The department.
    pub department: DepartmentId,
    /// The officer.
    pub officer: OfficerId,
    /// The posts held today.
    pub posts: Vec<PostId>,
    /// Whether the officer administers the department.
    pub is_administrator: bool,
}

/// What is asked of the box.
#[derive(Debug, Clone)]
pub enum BoxOp {
    /// What the caller may see.
    List,
    /// One draft with everything.
    Read(String),
    /// A new draft, unsigned or half-signed.
    Add(DraftPut),
    /// Another text in place of the one there.
    Edit(String, DraftPut),
    /// The half-signed note in place of the text.
    Send(String, DraftPut),
    /// Back to the drafter, with a comment.
    Return(String, String),
    /// Taken back by the drafter, perhaps with a comment.
    Withdraw(String, Option<String>),
}

/// A request to the box of a department.
#[derive(Debug, Clone)]
pub struct BoxRequest {
    /// Whose box.
    pub department: DepartmentId,
    /// Who asks.
    pub caller: Caller,
    /// What.
    pub op: BoxOp,
}

/// What the box answers.
#[derive(Debug, Clone)]
pub enum BoxAnswer {
    /// A list.
    List(DraftsBody),
    /// One draft.
    Draft(Box<DraftBody>),
}

/// A detached part of a draft; its content rests among the parts of the department.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DraftPart {
    commit: String,
    media_type: String,
}

/// A draft as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Draft {
    id: String,
    drafter: String,
    state: DraftState,
    event: String,
    kind: String,
    case: Option<String>,
    posts: Vec<String>,
    note: String,
    signatures: u32,
    parts: Vec<DraftPart>,
    comments: Vec<DraftComment>,
    created: String,
    changed: String,
    refused: Option<RefusalBody>,
}

/// The event in a draft.
struct Content {
    id: EventId,
    event: Event,
    signatures: u32,
}

/// The drafts box of one department.
#[derive(Debug, Default)]
pub struct DraftsBox {
    drafts: BTreeMap<String, Draft>,
    closed: BTreeMap<EventId, String>,
}

/// What a box needs to answer.
pub struct Around<'a> {
    /// The department.
    pub department: &'a DepartmentId,
    /// Everything resolved here.
    pub world: &'a World,
    /// Detached parts.
    pub parts: &'a Parts,
    /// The time.
    pub now: Timestamp,
}

impl DraftsBox {
    /// Reads the box from the local records of the department's log.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn load(log: &dyn OwnLog) -> Result<Self, StoreError> {
        let mut found = Self::default();
        for (key, value) in log.records_with_prefix(DRAFT_KEY)? {
            match serde_json::from_slice::<Draft>(&value) {
                Ok(draft) => {
                    found.drafts.insert(draft.id.clone(), draft);
                }
                Err(error) => {
                    tracing::error!(key = %String::from_utf8_lossy(&key), %error, "a draft cannot be read; it is left as it is");
                }
            }
        }
        for (key, value) in log.records_with_prefix(CLOSED_KEY)? {
            let id = key
                .strip_prefix(CLOSED_KEY)
                .and_then(|id| std::str::from_utf8(id).ok())
                .and_then(|id| Hash::parse_hex(id).ok());
            if let Some(id) = id {
                found
                    .closed
                    .insert(EventId(id), String::from_utf8_lossy(&value).into_owned());
            }
        }
        Ok(found)
    }

    /// Says why an event can no longer be recorded here, if it cannot.
    pub fn closed(&self, event: &EventId) -> Option<&str> {
        self.closed.get(event).map(String::as_str)
    }

    /// Checks that a submission may complete a draft.
    ///
    /// # Errors
    /// No such draft, another event, or a draft that is past that.
    pub fn check_completes(&self, draft: &str, event: &EventId) -> Result<(), Refusal> {
        let Some(held) = self.drafts.get(draft) else {
            return Err(Refusal::refused(
                "draft",
                format!("draft {draft} is not in the box of this department"),
            ));
        };
        if held.event != event.to_string() {
            let what = format!("draft {draft} holds another event, {}", held.event);
            return Err(Refusal::refused("draft", what));
        }
        Ok(())
    }

    /// Says whether there is a draft that was not recorded yet.
    pub fn has_open(&self) -> bool {
        let mut drafts = self.drafts.values();
        drafts.any(|draft| draft.state != DraftState::Recorded)
    }

    /// Returns the changes of local records that mark the drafts of an event as recorded, for the batch that records it.
    pub fn recorded(&self, event: &EventId, note: &str, now: Timestamp) -> Vec<(String, LocalRecord)> {
        let event = event.to_string();
        let open = self
            .drafts
            .values()
            .filter(|draft| draft.event == event && draft.state != DraftState::Recorded);
        open.filter_map(|draft| {
            let mut done = draft.clone();
            done.state = DraftState::Recorded;
            note.clone_into(&mut done.note);
            done.signatures = u32::try_from(done.posts.len()).unwrap_or(u32::MAX);
            done.changed = now.to_string();
            done.refused = None;
            record(&done).ok().map(|record| (done.id, record))
        })
        .collect()
    }

    /// Takes over changes that are durable now.
    pub fn apply(&mut self, changes: &[(String, LocalRecord)]) {
        for (id, change) in changes {
            if let LocalRecord::Put { value, .. } = change
                && let Ok(draft) = serde_json::from_slice(value)
            {
                self.drafts.insert(id.clone(), draft);
            }
        }
    }

    /// Keeps the reason for which recording a draft was refused.
    ///
    /// # Errors
    /// The disk.
    pub fn refused(
        &mut self,
        log: &mut dyn OwnLog,
        draft: &str,
        refusal: RefusalBody,
        now: Timestamp,
    ) -> Result<(), DraftError> {
        let Some(held) = self.drafts.get(draft) else {
            return Ok(());
        };
        let mut changed = held.clone();
        changed.refused = Some(refusal);
        changed.changed = now.to_string();
        self.put(log, changed, Vec::new())
    }

    /// Does what is asked.
    ///
    /// # Errors
    /// Why not; the box is unchanged then.
    pub fn handle(
        &mut self,
        log: &mut dyn OwnLog,
        around: &Around<'_>,
        caller: &Caller,
        op: BoxOp,
    ) -> Result<BoxAnswer, DraftError> {
        match op {
            BoxOp::List => Ok(BoxAnswer::List(self.list(caller))),
            BoxOp::Read(id) => {
                let draft = self.readable(caller, &id)?;
                full(around, draft)
            }
            BoxOp::Add(put) => {
                let open = self.drafts.values().filter(|draft| is_open(draft.state)).count();
                if open >= OPEN_DRAFTS_MAX {
                    return Err(DraftError::Full);
                }
                let blank = Draft {
                    id: random_id()?,
                    drafter: caller.officer.to_string(),
                    state: DraftState::Unsigned,
                    event: String::new(),
                    kind: String::new(),
                    case: None,
                    posts: Vec::new(),
                    note: String::new(),
                    signatures: 0,
                    parts: Vec::new(),
                    comments: Vec::new(),
                    created: around.now.to_string(),
                    changed: String::new(),
                    refused: None,
                };
                let (draft, parts) = filled(around, caller, blank, put)?;
                self.check_not_closed(&draft)?;
                self.keep(log, around, &draft, &parts)
            }
            BoxOp::Edit(id, put) => {
                let draft = self.own(caller, &id, "edit")?.clone();
                let (next, parts) = filled(around, caller, draft.clone(), put)?;
                self.check_not_closed(&next)?;
                if next.event != draft.event {
                    self.close(log, &draft, "it was edited")?;
                }
                self.keep(log, around, &next, &parts)
            }
            BoxOp::Send(id, put) => {
                let draft = self.own(caller, &id, "send")?.clone();
                let (next, parts) = filled(around, caller, draft.clone(), put)?;
                self.check_not_closed(&next)?;
                if next.signatures == 0 {
                    return Err(DraftError::Signature(
                        "the note has no signature line; sign it, then send it".to_owned(),
                    ));
                }
                if next.event != draft.event {
                    self.close(log, &draft, "another text was sent in its place")?;
                }
                self.keep(log, around, &next, &parts)
            }
            BoxOp::Return(id, comment) => {
                let mut draft = self.readable(caller, &id)?.clone();
                if draft.state != DraftState::Sent {
                    return Err(past(&draft, "returned"));
                }
                add_comment(&mut draft, caller, Some(comment), around.now)?;
                self.close(log, &draft, "it was returned")?;
                draft.state = DraftState::Returned;
                draft.changed = around.now.to_string();
                self.keep(log, around, &draft, &[])
            }
            BoxOp::Withdraw(id, comment) => {
                let mut draft = self.own(caller, &id, "withdraw")?.clone();
                add_comment(&mut draft, caller, comment, around.now)?;
                self.close(log, &draft, "it was withdrawn")?;
                draft.state = DraftState::Withdrawn;
                draft.changed = around.now.to_string();
                let parts = std::mem::take(&mut draft.parts);
                self.put(log, draft.clone(), Vec::new())?;
                self.erase_unused(around, &parts);
                full(around, &draft)
            }
        }
    }

    fn list(&self, caller: &Caller) -> DraftsBody {
        let mut drafts: Vec<&Draft> = self
            .drafts
            .values()
            .filter(|draft| may_read(draft, caller))
            .collect();
        drafts.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.id.cmp(&b.id)));
        let open = || self.drafts.values().filter(|draft| is_open(draft.state));
        DraftsBody {
            drafts: drafts.into_iter().map(summary).collect(),
            open: caller
                .is_administrator
                .then(|| u64::try_from(open().count()).unwrap_or(u64::MAX)),
            oldest: caller
                .is_administrator
                .then(|| open().map(|draft| draft.created.clone()).min())
                .flatten(),
        }
    }

    fn readable(&self, caller: &Caller, id: &str) -> Result<&Draft, DraftError> {
        self.drafts
            .get(id)
            .filter(|draft| may_read(draft, caller))
            .ok_or_else(|| DraftError::NotFound(id.to_owned()))
    }

    fn own(&self, caller: &Caller, id: &str, what: &'static str) -> Result<&Draft, DraftError> {
        let draft = self.readable(caller, id)?;
        if draft.drafter != caller.officer.as_str() {
            return Err(DraftError::NotDrafter(what));
        }
        match draft.state {
            DraftState::Recorded | DraftState::Withdrawn => Err(past(draft, what)),
            DraftState::Unsigned | DraftState::Sent | DraftState::Returned => Ok(draft),
        }
    }

    fn check_not_closed(&self, draft: &Draft) -> Result<(), DraftError> {
        let closed = Hash::parse_hex(&draft.event)
            .ok()
            .and_then(|id| self.closed.get(&EventId(id)));
        match closed {
            Some(why) => Err(DraftError::Closed(why.clone())),
            None => Ok(()),
        }
    }

    /// Makes sure that an event is never recorded here.
    fn close(&mut self, log: &mut dyn OwnLog, draft: &Draft, why: &str) -> Result<(), DraftError> {
        let Ok(id) = Hash::parse_hex(&draft.event) else {
            return Ok(());
        };
        let record = LocalRecord::Put {
            key: [CLOSED_KEY, draft.event.as_bytes()].concat(),
            value: why.as_bytes().to_vec(),
        };
        log.append_batch(log.len(), &[], &[record])?;
        self.closed.insert(EventId(id), why.to_owned());
        Ok(())
    }

    fn keep(
        &mut self,
        log: &mut dyn OwnLog,
        around: &Around<'_>,
        draft: &Draft,
        parts: &[(Hash, Part)],
    ) -> Result<BoxAnswer, DraftError> {
        for (commit, part) in parts {
            around.parts.put(around.department, commit, part)?;
        }
        let before = self
            .drafts
            .get(&draft.id)
            .map(|draft| draft.parts.clone())
            .unwrap_or_default();
        self.put(log, draft.clone(), Vec::new())?;
        self.erase_unused(around, &before);
        full(around, draft)
    }

    fn put(
        &mut self,
        log: &mut dyn OwnLog,
        draft: Draft,
        mut records: Vec<LocalRecord>,
    ) -> Result<(), DraftError> {
        records.push(record(&draft)?);
        log.append_batch(log.len(), &[], &records)?;
        self.drafts.insert(draft.id.clone(), draft);
        Ok(())
    }

    /// Erases parts that neither a draft nor a recorded event commits to any more.
    fn erase_unused(&self, around: &Around<'_>, parts: &[DraftPart]) {
        for part in parts {
            let drafted = self
                .drafts
                .values()
                .any(|draft| draft.parts.iter().any(|held| held.commit == part.commit));
            let Ok(commit) = Hash::parse_hex(&part.commit) else {
                continue;
            };
            let recorded = || {
                let places = around.world.places_of_part(&commit).into_iter();
                let mut logs = places.filter_map(|(log, _)| around.world.log_at(log));
                logs.any(|log| log.origin.department == *around.department)
            };
            if drafted || recorded() {
                continue;
            }
            if let Err(error) = around.parts.erase(around.department, &commit) {
                tracing::warn!(commit = %commit.short(), %error, "a part that is no longer needed was not erased");
            }
        }
    }
}

fn past(draft: &Draft, what: &'static str) -> DraftError {
    DraftError::State {
        id: draft.id.clone(),
        state: state_text(draft.state),
        what,
    }
}

fn state_text(state: DraftState) -> &'static str {
    match state {
        DraftState::Unsigned => "unsigned",
        DraftState::Sent => "sent",
        DraftState::Returned => "returned",
        DraftState::Withdrawn => "withdrawn",
        DraftState::Recorded => "recorded",
    }
}

fn is_open(state: DraftState) -> bool {
    matches!(
        state,
        DraftState::Unsigned | DraftState::Sent | DraftState::Returned
    )
}

fn may_read(draft: &Draft, caller: &Caller) -> bool {
    draft.drafter == caller.officer.as_str()
        || draft.state != DraftState::Unsigned
            && caller
                .posts
                .iter()
                .any(|post| draft.posts.iter().any(|named| named == post.as_str()))
}

fn record(draft: &Draft) -> Result<LocalRecord, DraftError> {
    let value = serde_json::to_vec(draft)
        .map_err(|error| DraftError::Form(FormatError::malformed("draft", error.to_string())))?;
    Ok(LocalRecord::Put {
        key: [DRAFT_KEY, draft.id.as_bytes()].concat(),
        value,
    })
}

fn random_id() -> Result<String, DraftError> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| DraftError::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn add_comment(
    draft: &mut Draft,
    caller: &Caller,
    comment: Option<String>,
    now: Timestamp,
) -> Result<(), DraftError> {
    let Some(text) = comment else { return Ok(()) };
    let length = text.chars().count();
    if length == 0 || length > COMMENT_CHARS_MAX || draft.comments.len() >= COMMENTS_MAX {
        return Err(DraftError::Comment);
    }
    draft.comments.push(DraftComment {
        by: caller.officer.to_string(),
        at: now.to_string(),
        text,
    });
    Ok(())
}

/// Puts a text or half-signed note with its parts into a draft.
fn filled(
    around: &Around<'_>,
    caller: &Caller,
    mut draft: Draft,
    put: DraftPut,
) -> Result<(Draft, Vec<(Hash, Part)>), DraftError> {
    let content = content(around, caller, &put.note)?;
    let stated = content.event.commitments();
    let mut parts = Vec::new();
    for body in &put.parts {
        let (commit, part) = crate::runtime::open_part(body)?;
        let fits = |commitment: &&tally_schemas::event::Commitment| {
            commitment.commit == commit && commitment.length == part.content.len() as u64
        };
        if !stated.iter().any(|commitment| fits(&commitment)) {
            let what = format!("the draft does not commit to part {}", commit.short());
            return Err(Refusal::invalid("part-not-named", what).into());
        }
        parts.push((commit, part));
    }
    if content.signatures > 0 {
        for commitment in &stated {
            let given = parts.iter().any(|(commit, _)| *commit == commitment.commit);
            if !given
                && around
                    .parts
                    .open(around.department, &commitment.commit)?
                    .is_none()
            {
                let what = format!(
                    "the draft commits to part {}, which does not come with it",
                    commitment.commit.short()
                );
                return Err(Refusal::refused("part-missing", what).into());
            }
        }
    }
    add_comment(&mut draft, caller, put.comment, around.now)?;
    draft.state = if content.signatures > 0 {
        DraftState::Sent
    } else {
        DraftState::Unsigned
    };
    draft.event = content.id.to_string();
    content.event.kind.as_str().clone_into(&mut draft.kind);
    draft.case = content.event.case.map(|case| case.to_string());
    draft.posts = content
        .event
        .signers
        .iter()
        .map(|signer| signer.post.to_string())
        .collect();
    draft.note = put.note;
    draft.signatures = content.signatures;
    draft.parts = stated
        .iter()
        .map(|commitment| DraftPart {
            commit: commitment.commit.to_hex(),
            media_type: commitment.media_type.clone(),
        })
        .collect();
    draft.changed = around.now.to_string();
    draft.refused = None;
    Ok((draft, parts))
}

fn content(around: &Around<'_>, caller: &Caller, text: &str) -> Result<Content, DraftError> {
    let half_signed = match Note::parse(text.as_bytes(), EVENT_NOTE_BYTES_MAX) {
        Ok(note) if note.text.starts_with(EVENT_MAGIC) => Some(note),
        _ => None,
    };
    let event_text = half_signed.as_ref().map_or(text, |note| note.text.as_str());
    let event = Event::parse_text(event_text)?;
    if event.department != *around.department || event.federation != *around.world.registry().federation() {
        return Err(DraftError::OtherDepartment {
            got: format!("{}/{}", event.federation, event.department),
            expected: format!("{}/{}", around.world.registry().federation(), around.department),
        });
    }
    let id = event_id(event_text);
    let lines = half_signed.as_ref().map_or(0, |note| note.lines.len());
    if let Some(note) = &half_signed {
        let roster = around.world.roster(around.department).unwrap_or_default();
        check_lines(around, caller, &event, note, &roster)?;
    }
    Ok(Content {
        id,
        event,
        signatures: u32::try_from(lines).unwrap_or(u32::MAX),
    })
}

/// Checks that the lines there are those of the first signers, the drafter's own first.
fn check_lines(
    around: &Around<'_>,
    caller: &Caller,
    event: &Event,
    note: &Note,
    roster: &Roster,
) -> Result<(), DraftError> {
    let bad = |why: String| Err(DraftError::Signature(why));
    if note.lines.len() > event.signers.len() {
        return bad(format!(
            "the note has {} lines for {} signers",
            note.lines.len(),
            event.signers.len()
        ));
    }
    let federation = around.world.registry().federation();
    for (place, line) in note.lines.iter().enumerate() {
        let officer = line.name.rsplit('/').next().unwrap_or_default();
        let Ok(officer) = OfficerId::parse(officer) else {
            return bad(format!("line {} is of no officer", place + 1));
        };
        if place == 0 && officer != caller.officer {
            return bad(format!(
                "the first line is of {officer}, the draft is put here by {}",
                caller.officer
            ));
        }
        let key = roster.officers.get(&officer).and_then(|held| held.key.as_ref());
        let Some(key) = key else {
            return bad(format!("officer {officer} has no key in the roster"));
        };
        let name = officer_key_name(federation, around.department, &officer);
        let key = NoteKey::new(&name, &key.public_key())?;
        if let Err(error) = key.verify_line(&note.text, line) {
            return bad(error.to_string());
        }
    }
    Ok(())
}

fn summary(draft: &Draft) -> DraftSummary {
    DraftSummary {
        id: draft.id.clone(),
        drafter: draft.drafter.clone(),
        state: draft.state,
        event: draft.event.clone(),
        kind: draft.kind.clone(),
        case: draft.case.clone(),
        posts: draft.posts.clone(),
        signatures: draft.signatures,
        created: draft.created.clone(),
        changed: draft.changed.clone(),
        refused: draft.refused.clone(),
    }
}

fn full(around: &Around<'_>, draft: &Draft) -> Result<BoxAnswer, DraftError> {
    let mut parts = Vec::new();
    for stated in &draft.parts {
        let commit = Hash::parse_hex(&stated.commit)?;
        if let Some(part) = around.parts.open(around.department, &commit)? {
            parts.push(PartBody {
                commit: stated.commit.clone(),
                salt: STANDARD.encode(part.salt),
                media_type: Some(stated.media_type.clone()),
                content: STANDARD.encode(&part.content),
            });
        }
    }
    Ok(BoxAnswer::Draft(Box::new(DraftBody {
        summary: summary(draft),
        note: draft.note.clone(),
        parts,
        comments: draft.comments.clone(),
    })))
}
