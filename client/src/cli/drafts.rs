//! The drafts box of the officer's own department: send, read, return, approve, withdraw.
//!
//! What the box holds is checked here before anybody signs it: lines, commitments, and that the text says what is shown.

use super::act::{self, Names};
use super::arguments::{DraftApprove, DraftReturn, DraftSend};
use super::draft::{free_name, read_form, save, saved};
use super::error::{Failure, Outcome};
use super::guide;
use super::output::Output;
use super::refer;
use super::session::{Connection, Session};
use super::submit::{self, open_part, part_body, stop_personal};
use super::views;
use crate::draft::assemble::{APPROVER_SELF, Act, Author, Machine, assemble};
use crate::draft::form::Form;
use crate::draft::prompt::{Ask as _, TerminalAsk};
use crate::keystore::{Holder, NamedKey};
use crate::node::Method;
use crate::texts::Texts;
use crate::verify::read_event;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tally_schemas::api::{
    self, Answer, CommentBody, DraftBody, DraftPut, DraftState, DraftSummary, DraftsBody, RosterBody,
    SubmitBody,
};
use tally_schemas::event::{Event, SignerRole};
use tally_schemas::id::{EventId, Hash, PostId};
use tally_schemas::note::Note;

/// `tally draft send FILE..`.
pub(super) fn send_files(arguments: &DraftSend, session: &Session, output: &mut Output) -> Outcome {
    for path in &arguments.draft {
        let form = read_form(path)?;
        send(&form, arguments.comment.as_deref(), session, output)?;
    }
    Ok(())
}

/// Signs a form: with an approver it goes into the box, without one straight into the log.
pub(super) fn send(form: &Form, comment: Option<&str>, session: &Session, output: &mut Output) -> Outcome {
    let (connection, key, holder) = session.sign_in(output)?;
    let mut form = form.clone();
    choose_approver(&mut form, &connection, &holder, output)?;
    let act = prepare(&mut form, &connection, &holder, session, output)?;
    stop_personal(&act.event, form.head.allow_personal.as_deref(), output)?;
    let line = key.sign(&act.text)?;
    let note = Note {
        text: act.text.clone(),
        lines: vec![line],
    };
    let texts = output.texts;
    if act.event.signers.len() == 1 {
        let body = SubmitBody {
            note: note.to_string(),
            parts: act.parts.iter().map(part_body).collect(),
            draft: None,
            personal_override: form.head.allow_personal.clone(),
        };
        let recorded = submit::submit(&connection, &note, &body)?;
        submit::told(&recorded, output);
        output.value(&recorded.value());
        return Ok(());
    }
    let body = DraftPut {
        note: note.to_string(),
        parts: act.parts.iter().map(part_body).collect(),
        comment: comment.map(str::to_owned),
    };
    let department = holder.department.as_str();
    let path = match &form.head.replaces {
        Some(id) => api::fill(api::path::DRAFT_SEND, &[department, id]),
        None => api::fill(api::path::DRAFTS, &[department]),
    };
    let answer: Answer<DraftBody> = connection.node.send(Method::Post, &path, &body)?;
    let summary = &answer.data.summary;
    output.value(&json!({"draft": summary.id, "event": act.id.to_string(), "state": summary.state, "posts": summary.posts}));
    if output.json {
        return Ok(());
    }
    let known = connection.post_names(department, texts.language);
    let posts = act
        .event
        .signers
        .iter()
        .filter(|signer| signer.is(SignerRole::Approver))
        .map(|signer| signer.post.to_string())
        .map(|post| known.get(&post).cloned().unwrap_or(post))
        .collect::<Vec<_>>()
        .join(", ");
    let draft = short(&summary.id);
    output.line(&texts.fill("ui.draft-sent", &[("draft", &draft), ("posts", &posts)]));
    output.hint(texts.say("hint.draft-sent"));
    Ok(())
}

/// Finds the post that must approve by the profile, where the form names none.
fn choose_approver(form: &mut Form, connection: &Connection, holder: &Holder, output: &Output) -> Outcome {
    let registry = connection.trust.registry();
    let Some(profile) = registry.profile_of(&holder.department) else {
        return Ok(());
    };
    let Some(approval) = profile.approval_of(form.kind.as_str()) else {
        return Ok(());
    };
    if form.head.approver.is_some() {
        return Ok(());
    }
    let path = api::fill(api::path::ROSTER, &[holder.department.as_str()]);
    let roster: Answer<RosterBody> = connection.node.read(&path)?;
    let posts: Vec<&api::PostBody> = roster
        .data
        .posts
        .iter()
        .filter(|post| post.duties.contains(&approval.duty) && post.terms.iter().any(|term| term.present))
        .collect();
    let own = form.head.post.as_deref();
    if profile.approvals.one_officer_as_both && posts.iter().any(|post| Some(post.id.as_str()) == own) {
        form.head.approver = Some(APPROVER_SELF.to_owned());
        return Ok(());
    }
    let texts = output.texts;
    let ids: Vec<String> = posts.iter().map(|post| post.id.clone()).collect();
    form.head.approver = match ids.as_slice() {
        [only] => Some(only.clone()),
        [_, _, ..] if output.can_ask() => {
            let place = TerminalAsk { texts }.select(texts.say("form.approver"), &ids)?;
            ids.get(place).cloned()
        }
        _ => None,
    };
    if form.head.approver.is_some() {
        return Ok(());
    }
    Err(Failure::invalid("error.approver")
        .with("duty", texts.code("duties", &approval.duty))
        .with(
            "posts",
            if ids.is_empty() {
                "-".to_owned()
            } else {
                ids.join(", ")
            },
        )
        .hint("hint.approver"))
}

/// Looks up the case and makes the text to sign; says to whom it goes where the form names nobody.
fn prepare(
    form: &mut Form,
    connection: &Connection,
    holder: &Holder,
    session: &Session,
    output: &mut Output,
) -> Outcome<Act> {
    let (mut case, mut after) = (None, Vec::new());
    if let Some(written) = &form.head.case {
        let id = refer::case_id(&connection.node, written)?;
        after = views::newest_events(&connection.node, &id)?;
        case = Some(id);
    } else if !form.kind.opens_case() {
        return Err(Failure::invalid("error.head-missing").with("member", "case"));
    }
    if guide::address(form, case.as_ref(), connection, &holder.department)? && !output.json {
        let shown = form
            .head
            .to
            .iter()
            .map(|id| output.reader().department_with_id(id));
        let to = shown.collect::<Vec<_>>().join(", ");
        output.side(&output.texts.fill("ui.addressed", &[("to", &to)]));
    }
    let author = Author {
        federation: holder.federation.clone(),
        department: holder.department.clone(),
        officer: holder.officer.clone(),
        post: session.settings.post.as_deref().map(PostId::parse).transpose()?,
        case,
        after,
        issued: connection.now,
    };
    Ok(assemble(form, &author, &mut Machine)?)
}

/// `tally draft list`.
pub(super) fn list(session: &Session, output: &mut Output) -> Outcome {
    let (connection, _, holder) = session.sign_in(output)?;
    let answer = summaries(&connection, &holder)?;
    output.know(&connection);
    let texts = output.texts;
    let rows = laid_out(&answer.drafts, &connection, output);
    output.table(&columns(texts), rows);
    if let (Some(open), false) = (answer.open, output.json) {
        let oldest = answer.oldest.clone().unwrap_or_else(|| "-".to_owned());
        output.line(&texts.fill("ui.drafts-open", &[("open", &open), ("oldest", &oldest)]));
    }
    output.value(&serde_json::to_value(&answer).unwrap_or_default());
    Ok(())
}

fn summaries(connection: &Connection, holder: &Holder) -> Outcome<DraftsBody> {
    let path = api::fill(api::path::DRAFTS, &[holder.department.as_str()]);
    let answer: Answer<DraftsBody> = connection.node.read(&path)?;
    let mut body = answer.data;
    // The numbers of drafts are random: people read them by time.
    let key = |draft: &DraftSummary| (draft.changed.clone(), draft.kind.clone(), draft.id.clone());
    body.drafts.sort_by_key(key);
    Ok(body)
}

fn columns(texts: Texts) -> [&'static str; 7] {
    [
        texts.say("column.draft"),
        texts.say("column.kind"),
        texts.say("column.case"),
        texts.say("column.state"),
        texts.say("column.drafter"),
        texts.say("column.posts"),
        texts.say("column.changed"),
    ]
}

/// The first characters of a draft's number; every command takes them for the whole.
fn short(id: &str) -> String {
    id.chars().take(DRAFT_CHARS).collect()
}

/// Lays drafts out as rows: the case by its number, the time as it is here.
fn laid_out(drafts: &[DraftSummary], connection: &Connection, output: &Output) -> Vec<Vec<String>> {
    if output.json {
        return Vec::new();
    }
    let texts = output.texts;
    let mut numbers: BTreeMap<String, String> = BTreeMap::new();
    let rows = drafts.iter().map(|draft| {
        let case = draft.case.as_deref().map(|case| {
            let number = numbers.entry(case.to_owned()).or_insert_with(|| {
                let id = Hash::parse_hex(case).map(EventId);
                id.map_or_else(
                    |_| case.to_owned(),
                    |id| views::headline(&connection.node, &id, output.reader()).0,
                )
            });
            number.clone()
        });
        vec![
            short(&draft.id),
            texts.kind(&draft.kind).to_owned(),
            case.unwrap_or_default(),
            texts.name("draft-state", state_word(draft.state)).to_owned(),
            draft.drafter.clone(),
            draft.posts.join(", "),
            views::local_time(&draft.changed, output.offset_minutes),
        ]
    });
    rows.collect()
}

fn state_word(state: DraftState) -> &'static str {
    match state {
        DraftState::Unsigned => "unsigned",
        DraftState::Sent => "sent",
        DraftState::Returned => "returned",
        DraftState::Withdrawn => "withdrawn",
        DraftState::Recorded => "recorded",
    }
}

/// How many characters of a draft's number people see.
const DRAFT_CHARS: usize = 8;

/// A draft of the box, checked.
struct Checked {
    body: DraftBody,
    note: Option<Note>,
    event: Event,
    /// Detached texts by commitment.
    parts: BTreeMap<Hash, Vec<u8>>,
    /// Who signed so far.
    officers: Vec<String>,
}

/// Fetches a draft and verifies everything that an approver would put a name under.
fn fetch(id: &str, connection: &mut Connection, holder: &Holder) -> Outcome<Checked> {
    let path = api::fill(api::path::DRAFT, &[holder.department.as_str(), id]);
    let answer: Answer<DraftBody> = connection.node.read(&path)?;
    let body = answer.data;
    let (note, event) = match body.summary.state {
        DraftState::Unsigned => (None, Event::parse_text(&body.note)?),
        _ if body.summary.signatures == 0 => (None, Event::parse_text(&body.note)?),
        _ => {
            let (note, event) = read_event(&body.note)?;
            (Some(note), event)
        }
    };
    let mut parts = BTreeMap::new();
    for part in &body.parts {
        let (commit, content) = open_part(&event, part)?;
        parts.insert(commit, content);
    }
    if let Some(missing) = event
        .commitments()
        .iter()
        .find(|one| !parts.contains_key(&one.commit))
    {
        return Err(Failure::corrupt("error.part-missing").with("commit", missing.commit));
    }
    let mut officers = Vec::new();
    if let Some(note) = &note {
        let logs = connection.node.standing_logs(&holder.department)?;
        connection.trust.learn_roster(&holder.department, &logs)?;
        let signed = connection.trust.draft_lines(note, &event)?;
        officers = signed.iter().map(ToString::to_string).collect();
    }
    Ok(Checked {
        body,
        note,
        event,
        parts,
        officers,
    })
}

/// `tally draft show ID`.
pub(super) fn show(id: &str, session: &Session, output: &mut Output) -> Outcome {
    let (mut connection, _, holder) = session.sign_in(output)?;
    let id = full_id(id, &connection, &holder)?;
    let draft = fetch(&id, &mut connection, &holder)?;
    output.value(&json!({
        "draft": draft.body.summary, "event": serde_json::from_str::<Value>(&draft.event.to_json().to_canonical()).unwrap_or_default(),
        "signedBy": draft.officers, "comments": draft.body.comments, "verified": draft.note.is_some(),
    }));
    tell(&draft, &connection, output)
}

/// Shows the act, who signed, what was said, and what happened on the case since the drafter looked.
fn tell(draft: &Checked, connection: &Connection, output: &mut Output) -> Outcome {
    output.know(connection);
    let texts = output.texts;
    let event = &draft.event;
    let mut names = Names {
        case: None,
        posts: connection.post_names(event.department.as_str(), texts.language),
    };
    if let Some(case) = &event.case {
        let (number, line) = views::headline(&connection.node, case, output.reader());
        names.case = Some(number);
        if let Some(line) = line {
            output.line(&line);
        }
    }
    output.line(&format!(
        "{} ({})  {}",
        texts.kind(event.kind.as_str()),
        event.kind.as_str(),
        texts.name("draft-state", state_word(draft.body.summary.state))
    ));
    output.table(
        &[texts.say("column.field"), texts.say("column.value")],
        act::rows(output.reader(), event, &draft.parts, &names),
    );
    if draft.officers.is_empty() {
        output.line(texts.say("ui.unsigned"));
    } else {
        output.line(&texts.fill("ui.signed-by", &[("officers", &draft.officers.join(", "))]));
    }
    for comment in &draft.body.comments {
        let at = views::local_time(&comment.at, output.offset_minutes);
        output.line(&format!("{at} {}: {}", comment.by, comment.text));
    }
    if let Some(refused) = &draft.body.summary.refused {
        output.line(&Failure::refused(refused.clone()).message(texts));
    }
    if let Some(case) = &event.case {
        views::tell_changes(&connection.node, case, &event.after, output)?;
    }
    Ok(())
}

/// `tally draft edit ID`: takes a draft of the box back into a form file. What it held can no longer be submitted from here on.
pub(super) fn edit(id: &str, session: &Session, output: &mut Output) -> Outcome {
    let (mut connection, _, holder) = session.sign_in(output)?;
    let id = full_id(id, &connection, &holder)?;
    let draft = fetch(&id, &mut connection, &holder)?;
    let mut form = act::to_form(&draft.event, &draft.parts)
        .ok_or_else(|| Failure::invalid("error.kind-newer").with("kind", draft.event.kind.as_str()))?;
    form.head.replaces = Some(id.clone());
    if !draft.event.attachments.is_empty() && !output.json {
        output.warning(output.texts.say("ui.attach-again"));
    }
    guide::complete(&mut form, session, output)?;
    let act = prepare(&mut form, &connection, &holder, session, output)?;
    let body = DraftPut {
        note: act.text.clone(),
        parts: act.parts.iter().map(part_body).collect(),
        comment: None,
    };
    let path = api::fill(api::path::DRAFT, &[holder.department.as_str(), &id]);
    let _unsigned: Answer<DraftBody> = connection.node.send(Method::Put, &path, &body)?;
    let path: PathBuf = free_name(session, form.kind)?;
    save(&path, &form, output)?;
    saved(&path, &form, output);
    Ok(())
}

/// Completes the first characters of a draft's id, where only one draft begins so.
fn full_id(written: &str, connection: &Connection, holder: &Holder) -> Outcome<String> {
    let all = summaries(connection, holder)?.drafts;
    let fits: Vec<&DraftSummary> = all.iter().filter(|draft| draft.id.starts_with(written)).collect();
    match fits.as_slice() {
        [only] => Ok(only.id.clone()),
        _ => Err(Failure::invalid("error.draft-unknown")
            .with("draft", written)
            .with("count", fits.len())
            .hint("hint.draft-list")),
    }
}

fn change(
    id: &str,
    what: &'static str,
    comment: Option<&str>,
    connection: &Connection,
    holder: &Holder,
) -> Outcome<DraftBody> {
    let template = if what == "return" {
        api::path::DRAFT_RETURN
    } else {
        api::path::DRAFT_WITHDRAW
    };
    let path = api::fill(template, &[holder.department.as_str(), id]);
    let body = CommentBody {
        comment: comment.unwrap_or_default().to_owned(),
    };
    let answer: Answer<DraftBody> = connection.node.send(Method::Post, &path, &body)?;
    Ok(answer.data)
}

/// `tally draft return ID --comment TEXT`.
pub(super) fn give_back(arguments: &DraftReturn, session: &Session, output: &mut Output) -> Outcome {
    let (connection, _, holder) = session.sign_in(output)?;
    let id = full_id(&arguments.draft, &connection, &holder)?;
    let draft = change(&id, "return", Some(&arguments.comment), &connection, &holder)?;
    let texts = output.texts;
    output.value(&json!({"draft": draft.summary.id, "state": draft.summary.state}));
    output.line(&texts.fill(
        "ui.draft-returned",
        &[
            ("draft", &short(&draft.summary.id)),
            ("drafter", &draft.summary.drafter),
        ],
    ));
    Ok(())
}

/// `tally draft withdraw ID`.
pub(super) fn withdraw(id: &str, session: &Session, output: &mut Output) -> Outcome {
    let (connection, _, holder) = session.sign_in(output)?;
    let id = full_id(id, &connection, &holder)?;
    let draft = change(&id, "withdraw", None, &connection, &holder)?;
    let texts = output.texts;
    output.value(&json!({"draft": draft.summary.id, "state": draft.summary.state}));
    output.line(&texts.fill("ui.draft-withdrawn", &[("draft", &short(&draft.summary.id))]));
    Ok(())
}

/// `tally draft approve [ID..] [--select]`: shows each act, asks, signs the same bytes, submits.
pub(super) fn approve(arguments: &DraftApprove, session: &Session, output: &mut Output) -> Outcome {
    let (mut connection, key, holder) = session.sign_in(output)?;
    let mut ids = arguments.draft.clone();
    let texts = output.texts;
    if ids.is_empty() {
        let waiting: Vec<DraftSummary> = summaries(&connection, &holder)?
            .drafts
            .into_iter()
            .filter(|draft| draft.state == DraftState::Sent && draft.drafter != holder.officer.as_str())
            .collect();
        if waiting.is_empty() {
            output.value(&json!({ "recorded": [] }));
            output.line(texts.say("ui.nothing-waits"));
            return Ok(());
        }
        output.know(&connection);
        let rows = laid_out(&waiting, &connection, output);
        ids = if let ([draft], true) = (waiting.as_slice(), output.can_ask()) {
            // Each act is shown and asked about anyway.
            vec![draft.id.clone()]
        } else if output.can_ask() {
            let shown: Vec<String> = rows.iter().map(|row| row.join("  ")).collect();
            let all: Vec<usize> = (0..shown.len()).collect();
            let places = TerminalAsk { texts }.several(texts.say("prompt.approve-which"), &shown, &all)?;
            if places.is_empty() {
                output.line(texts.say("ui.none-chosen"));
            }
            places
                .iter()
                .filter_map(|place| waiting.get(*place))
                .map(|draft| draft.id.clone())
                .collect()
        } else if arguments.select && arguments.yes {
            waiting.iter().map(|draft| draft.id.clone()).collect()
        } else {
            output.table(&columns(texts), rows);
            return Err(Failure::invalid("error.no-draft").hint("hint.approve"));
        };
    }
    let mut values = Vec::new();
    for id in &ids {
        let id = full_id(id, &connection, &holder)?;
        if let Some(recorded) = approve_one(&id, arguments.yes, &key, &mut connection, &holder, output)? {
            submit::told(&recorded, output);
            values.push(recorded.value());
        }
    }
    output.value(&json!({ "recorded": values }));
    Ok(())
}

fn approve_one(
    id: &str,
    yes: bool,
    key: &NamedKey,
    connection: &mut Connection,
    holder: &Holder,
    output: &mut Output,
) -> Outcome<Option<submit::Recorded>> {
    let draft = fetch(id, connection, holder)?;
    tell(&draft, connection, output)?;
    let texts = output.texts;
    let Some(mut note) = draft.note.clone() else {
        return Err(Failure::invalid("error.draft-unsigned").with("draft", id));
    };
    if draft
        .officers
        .iter()
        .any(|officer| officer == holder.officer.as_str())
    {
        return Err(Failure::refusal("error.own-draft").hint("hint.own-draft"));
    }
    if !yes {
        if !output.can_ask() {
            return Err(Failure::invalid("error.not-confirmed").hint("hint.not-confirmed"));
        }
        if !(TerminalAsk { texts }).confirm(texts.say("prompt.approve"))? {
            output.line(texts.say("ui.not-approved"));
            return Ok(None);
        }
    }
    // The bytes that were shown are the bytes that are signed.
    let line = key.sign(&note.text)?;
    note.lines.push(line);
    let event: EventId = tally_ledger::crypto::event_id(&note.text);
    if event.to_string() != draft.body.summary.event {
        return Err(Failure::corrupt("error.draft-event").with("draft", id));
    }
    let body = SubmitBody {
        note: note.to_string(),
        parts: Vec::new(),
        draft: Some(id.to_owned()),
        personal_override: None,
    };
    submit::submit(connection, &note, &body).map(Some)
}
