//! What is: inbox, due dates, cases, trails, lists.
//!
//! The node derives them; here they are only laid out, with names for codes. What newer software adds is shown as it is. Every answer
//! says on which heads it rests, and which logs are behind.

use super::arguments::{CaseArguments, DueArguments, InboxArguments, ListArguments};
use super::error::{Failure, Outcome};
use super::output::{Output, Reader};
use super::refer;
use super::session::{Connection, Session};
use crate::explain;
use crate::node::NodeClient;
use crate::said;
use crate::texts::Texts;
use serde::Serialize;
use serde_json::Value;
use tally_schemas::api::{self, Answer};
use tally_schemas::event::EventKind;
use tally_schemas::id::{CaseId, EventId, Hash};
use tally_schemas::limits::AFTER_MAX;
use tally_schemas::time::Timestamp;

/// How a member is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Plain,
    /// Departments, by name.
    Department,
    /// Kinds of events, by name.
    Kind,
    /// Kinds of events as what can be done next.
    Acts,
    /// Codes of a section of the catalogue.
    Section(&'static str),
    /// Codes of a field.
    Code(&'static str),
    /// An instant, as a local date and time.
    Time,
    /// The first characters of an id.
    Short,
    /// How a step stands against its due date.
    Status,
    /// Numbers of items; those of a case without items are left out.
    Items,
    /// Marks of the law.
    Marks,
    /// Who signed, from which post.
    Signers,
    /// The other nodes that have confirmed that they hold it.
    Hosts,
    /// The clock or stated date that a due date rests on.
    Limit,
    /// Yes or nothing.
    Flag,
    /// How many.
    Count,
}

/// One column: its name, the member it takes, and how it is shown.
type Column = (&'static str, &'static [&'static str], Show);

/// Makes the path of a view with its query; absent values are left out.
pub(super) fn with_query(path: &str, query: &impl Serialize) -> String {
    let value = serde_json::to_value(query).unwrap_or_default();
    let pairs: Vec<String> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let text = plain(value);
            format!("{name}={}", api::encode_segment(&text))
        })
        .collect();
    if pairs.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", pairs.join("&"))
    }
}

pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Returns the rows of a view: the data itself, or the list of that name in it.
pub(super) fn rows_of<'a>(data: &'a Value, name: &str) -> Vec<&'a Value> {
    let list = data
        .as_array()
        .or_else(|| data.get(name).and_then(Value::as_array));
    list.map(|list| list.iter().collect()).unwrap_or_default()
}

/// Returns the first member that is there; a path has dots.
pub(super) fn member<'a>(row: &'a Value, names: &[&str]) -> &'a Value {
    names
        .iter()
        .find_map(|path| {
            let found = path.split('.').try_fold(row, |value, name| value.get(name))?;
            (!found.is_null()).then_some(found)
        })
        .unwrap_or(if names.is_empty() { row } else { &Value::Null })
}

pub(super) fn list_of<'a>(value: &'a Value) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.as_array().into_iter().flatten()
}

fn joined(values: impl IntoIterator<Item = String>) -> String {
    let list: Vec<String> = values.into_iter().filter(|text| !text.is_empty()).collect();
    list.join(", ")
}

fn cell(reader: Reader<'_>, value: &Value, show: Show) -> String {
    let texts = reader.texts;
    let each = |name: &dyn Fn(&str) -> String| match value {
        Value::String(code) => name(code),
        other => joined(list_of(other).map(|one| one.as_str().map_or_else(|| plain(one), name))),
    };
    match show {
        Show::Plain => plain(value),
        Show::Department => each(&|id| reader.department(id).to_owned()),
        Show::Kind => each(&|kind| texts.kind(kind).to_owned()),
        Show::Acts => joined(list_of(value).map(|act| {
            let kind = member(act, &["kind"]).as_str().unwrap_or_default();
            texts.kind(kind).to_owned()
        })),
        Show::Section(section) => each(&|code| texts.name(section, code).to_owned()),
        Show::Code(field) => each(&|code| texts.code(field, code).to_owned()),
        Show::Time => each(&|text| local_time(text, reader.offset_minutes)),
        Show::Short => each(&|id| id.chars().take(12).collect()),
        Show::Status => explain::status_text(texts, value),
        Show::Items => joined(list_of(value).map(plain).filter(|number| number != "0")),
        Show::Marks => joined(list_of(value).map(|mark| explain::mark_text(texts, mark))),
        Show::Signers => joined(list_of(value).map(|signer| {
            let post = plain(member(signer, &["post"]));
            match member(signer, &["officer"]).as_str() {
                Some(officer) if member(signer, &["acting"]).as_bool() == Some(true) => {
                    format!("{officer}/{post}{}", texts.say("ui.acting"))
                }
                Some(officer) => format!("{officer}/{post}"),
                None => post,
            }
        })),
        Show::Limit => limit_name(texts, value),
        Show::Flag if value.as_bool() == Some(true) => texts.say("ui.yes").to_owned(),
        Show::Flag => String::new(),
        // None have confirmed: then the member is an empty list.
        Show::Hosts if value.as_array().is_some_and(Vec::is_empty) => {
            texts.say("ui.degree-own-node").to_owned()
        }
        Show::Hosts => plain(value),
        Show::Count => match value.as_array() {
            Some(list) => list.len().to_string(),
            None => plain(value),
        },
    }
}

/// Shows an instant as date and time of the federation's zone.
pub(super) fn local_time(text: &str, offset_minutes: i32) -> String {
    match Timestamp::parse(text) {
        Ok(time) => {
            let (hour, minute) = time.hour_minute_at(offset_minutes);
            format!("{} {hour:02}:{minute:02}", time.date_at(offset_minutes))
        }
        Err(_) => text.to_owned(),
    }
}

/// Names the limit of a line of due dates.
fn limit_name(texts: Texts, line: &Value) -> String {
    match member(line, &["due.basis.names"]) {
        Value::Null => {
            let code = member(line, &["stated", "clock"]).as_str().unwrap_or_default();
            texts.name("stated", code).to_owned()
        }
        names => explain::names(texts, names),
    }
}

/// Lays rows out under those columns that at least one row fills.
fn lay_out(rows: &[&Value], columns: &[Column], output: &mut Output) {
    let texts = output.texts;
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            columns
                .iter()
                .map(|(_, names, show)| cell(output.reader(), member(row, names), *show))
                .collect()
        })
        .collect();
    let used: Vec<bool> = (0..columns.len())
        .map(|place| {
            cells
                .iter()
                .any(|row| row.get(place).is_some_and(|text| !text.is_empty()))
        })
        .collect();
    let names: Vec<&str> = columns
        .iter()
        .zip(&used)
        .filter(|(_, used)| **used)
        .map(|((name, ..), _)| texts.say(name))
        .collect();
    let cells = cells
        .into_iter()
        .map(|row| {
            let kept = row.into_iter().zip(&used).filter(|(_, used)| **used);
            kept.map(|(text, _)| text).collect()
        })
        .collect();
    output.table(&names, cells);
}

/// Says on what an answer rests, and what is behind.
fn tell_basis(answer: &Answer, output: &mut Output) {
    if output.json {
        return;
    }
    let texts = output.texts;
    let key = if answer.trial {
        "ui.basis-trial"
    } else {
        "ui.basis"
    };
    let heads: String = answer.heads.digest.chars().take(12).collect();
    let time = local_time(&answer.as_of, output.offset_minutes);
    let text = texts.fill(key, &[("time", &time), ("heads", &heads)]);
    output.side(&text);
    for log in &answer.behind {
        let text = texts.fill(
            "ui.behind",
            &[
                ("origin", &log.origin),
                ("cursor", &log.cursor),
                ("size", &log.size),
                ("why", &said::detail(texts, &log.why)),
            ],
        );
        output.warning(&text);
    }
}

fn finish(answer: &Answer, output: &mut Output) {
    output.value(&serde_json::to_value(answer).unwrap_or_default());
    tell_basis(answer, output);
}

const OWED: &[Column] = &[
    ("column.case", &["number"], Show::Plain),
    ("column.case-kind", &["kind"], Show::Section("case-kind")),
    ("column.title", &["title"], Show::Plain),
    ("column.stage", &["stage"], Show::Section("stage")),
    ("column.items", &["items"], Show::Items),
    ("column.due", &["dueOn"], Show::Plain),
    ("column.status", &["due.status"], Show::Status),
    ("column.acts", &["next"], Show::Acts),
];

const AWAITED: &[Column] = &[
    ("column.case", &["number"], Show::Plain),
    ("column.case-kind", &["kind"], Show::Section("case-kind")),
    ("column.title", &["title"], Show::Plain),
    ("column.stage", &["stage"], Show::Section("stage")),
    ("column.owes", &["owes"], Show::Department),
    ("column.due", &["dueOn"], Show::Plain),
    ("column.status", &["due.status"], Show::Status),
];

/// `tally inbox [POST]`.
pub(super) fn inbox(arguments: &InboxArguments, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    output.know(&connection);
    let own = session.key_holder().map(|holder| holder.department.to_string());
    let department = arguments
        .department
        .clone()
        .or(own)
        .ok_or_else(|| Failure::invalid("error.no-department-named").hint("hint.no-key"))?;
    let query = api::InboxQuery {
        department,
        post: arguments.post.clone().or_else(|| session.settings.post.clone()),
    };
    let answer: Answer = connection.node.read(&with_query(api::path::INBOX, &query))?;
    let texts = output.texts;
    let (owed, awaited) = (
        rows_of(&answer.data, "owed"),
        list_of(member(&answer.data, &["awaited"])).collect::<Vec<_>>(),
    );
    if owed.is_empty() {
        output.line(texts.say("ui.inbox-empty"));
    } else {
        output.line(texts.say("ui.inbox-owed"));
        lay_out(&owed, OWED, output);
    }
    if !awaited.is_empty() {
        output.line("");
        output.line(texts.say("ui.inbox-awaited"));
        lay_out(&awaited, AWAITED, output);
    }
    finish(&answer, output);
    if let (Some(first), false) = (owed.first(), output.json) {
        let case = plain(member(first, &["number", "case"]));
        output.hint(&texts.fill("hint.inbox", &[("case", &case)]));
    }
    if !output.json && approves(&connection, session)? {
        output.hint(texts.say("hint.drafts-wait"));
    }
    Ok(())
}

/// Says whether the officer's post has a duty that approves something.
fn approves(connection: &Connection, session: &Session) -> Outcome<bool> {
    let (Some(own), Some(post)) = (session.key_holder(), &session.settings.post) else {
        return Ok(false);
    };
    let Some(profile) = connection.trust.registry().profile_of(&own.department) else {
        return Ok(false);
    };
    let path = api::fill(api::path::ROSTER, &[own.department.as_str()]);
    let roster: Answer<api::RosterBody> = connection.node.read(&path)?;
    let mut posts = roster.data.posts.iter().filter(|known| known.id == *post);
    let approves = |duty: &String| {
        let mut kinds = EventKind::ALL.iter();
        kinds.any(|kind| {
            let approval = profile.approval_of(kind.as_str());
            approval.is_some_and(|approval| approval.duty == *duty)
        })
    };
    Ok(posts.any(|post| post.duties.iter().any(approves)))
}

const DUE: &[Column] = &[
    ("column.case", &["number"], Show::Plain),
    ("column.step", &[], Show::Limit),
    ("column.items", &["items"], Show::Items),
    ("column.owes", &["owes"], Show::Department),
    ("column.due", &["due.main.due"], Show::Plain),
    ("column.status", &["status"], Show::Status),
    ("column.excused", &["excused"], Show::Flag),
    ("column.force", &["force"], Show::Section("force")),
];

/// `tally due [CASE]`.
pub(super) fn due(arguments: &DueArguments, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    output.know(&connection);
    let query = api::DueQuery {
        department: arguments.department.clone(),
        overdue: arguments.overdue.then_some(true),
    };
    let answer: Answer = connection.node.read(&with_query(api::path::DUE, &query))?;
    let wanted = match &arguments.case {
        Some(written) => Some(refer::case_id(&connection.node, written)?.to_string()),
        None => None,
    };
    let rows: Vec<&Value> = rows_of(&answer.data, "due")
        .into_iter()
        .filter(|row| wanted.is_none() || member(row, &["case"]).as_str() == wanted.as_deref())
        .collect();
    if rows.is_empty() {
        output.line(output.texts.say("ui.nothing-due"));
    }
    if arguments.explain {
        for row in &rows {
            explain_row(row, output);
        }
    } else {
        lay_out(&rows, DUE, output);
    }
    finish(&answer, output);
    Ok(())
}

/// Tells one due date in full.
fn explain_row(row: &Value, output: &mut Output) {
    let texts = output.texts;
    let number = plain(member(row, &["number", "case"]));
    let owes = cell(output.reader(), member(row, &["owes"]), Show::Department);
    output.line(&format!("{number}  {}  {owes}", limit_name(texts, row)));
    let status = Some(member(row, &["status"])).filter(|status| !status.is_null());
    for line in explain::due_lines(texts, member(row, &["due"]), status) {
        output.line(&format!("  {line}"));
    }
    if let Some(date) = member(row, &["ifDeemedReceived.due.main.due"]).as_str() {
        output.line(&format!("  {}", texts.fill("ui.due-deemed", &[("date", &date)])));
    }
    if member(row, &["excused"]).as_bool() == Some(true) {
        output.line(&format!("  {}", texts.say("ui.due-excused")));
    }
    for rise in list_of(member(row, &["risen"])) {
        let to = cell(output.reader(), member(rise, &["to"]), Show::Section("rung"));
        let on = plain(member(rise, &["on"]));
        output.line(&format!(
            "  {}",
            texts.fill("ui.risen", &[("to", &to), ("on", &on)])
        ));
    }
    output.line("");
}

const SUMMARY: &[Column] = &[
    ("column.case", &["summary.number"], Show::Plain),
    ("column.id", &["summary.case"], Show::Plain),
    ("column.case-kind", &["summary.kind"], Show::Section("case-kind")),
    ("column.title", &["summary.title"], Show::Plain),
    ("column.stage", &["summary.stage"], Show::Section("stage")),
    ("column.verdict", &["summary.standing"], Show::Section("standing")),
    ("column.owner", &["summary.owner"], Show::Department),
    ("column.owes", &["summary.holders"], Show::Department),
    ("column.first-asked", &["firstAsked"], Show::Department),
    ("column.opened", &["summary.opened"], Show::Time),
    ("column.changed", &["summary.changed"], Show::Time),
    ("column.due", &["summary.due"], Show::Plain),
];

const ITEMS: &[Column] = &[
    ("column.item", &["item"], Show::Plain),
    ("column.stage", &["stage"], Show::Section("stage")),
    ("column.owes", &["holder"], Show::Department),
    ("column.proposed", &["proposed"], Show::Department),
    ("column.suspended-by", &["suspendedBy"], Show::Department),
];

const ACTS: &[Column] = &[
    ("column.recorded", &["recorded"], Show::Time),
    ("column.department", &["by"], Show::Department),
    ("column.kind", &["kind"], Show::Kind),
    ("column.items", &["items"], Show::Items),
    ("column.overtaken", &["overtaken"], Show::Flag),
    ("column.event", &["event"], Show::Short),
];

const NEXT: &[Column] = &[
    ("column.name", &["kind"], Show::Kind),
    ("column.kind", &["kind"], Show::Plain),
    ("column.by", &["by"], Show::Department),
    ("column.items", &["items"], Show::Items),
];

/// `tally show CASE`.
pub(super) fn show(arguments: &CaseArguments, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    output.know(&connection);
    let answer: Answer = connection
        .node
        .read(&api::fill(api::path::CASE, &[&arguments.case]))?;
    show_case(&answer.data, output);
    finish(&answer, output);
    Ok(())
}

/// Says in words that a case is not understood by the node, and what helps.
fn tell_not_understood(case: &Value, output: &mut Output) {
    let why = member(case, &["notUnderstood"]);
    if why.is_null() || output.json {
        return;
    }
    let texts = output.texts;
    let holds = plain(member(why, &["holds"]));
    let text = match member(why, &["ruleset"]) {
        Value::Null => {
            let kinds = plain(member(why, &["kinds"]));
            texts.fill("ui.not-understood-kinds", &[("kinds", &kinds)])
        }
        ruleset => texts.fill(
            "ui.not-understood-ruleset",
            &[("ruleset", &plain(ruleset)), ("holds", &holds)],
        ),
    };
    output.line(&text);
    output.hint(texts.say("remedy.newer-ruleset"));
}

fn show_case(case: &Value, output: &mut Output) {
    let texts = output.texts;
    let rows: Vec<Vec<String>> = SUMMARY
        .iter()
        .map(|(name, names, show)| {
            vec![
                texts.say(name).to_owned(),
                cell(output.reader(), member(case, names), *show),
            ]
        })
        .filter(|row| row.last().is_some_and(|text| !text.is_empty()))
        .collect();
    output.table(&[texts.say("column.field"), texts.say("column.value")], rows);
    tell_not_understood(case, output);
    if member(case, &["items"]).is_null() {
        return;
    }
    let items = rows_of(member(case, &["items"]), "items");
    // A case without items has one of number 0, which says no more than the summary.
    if items
        .iter()
        .any(|item| member(item, &["item"]).as_u64() != Some(0))
    {
        output.line("");
        lay_out(&items, ITEMS, output);
    }
    output.line("");
    lay_out(&rows_of(member(case, &["acts"]), "acts"), ACTS, output);
    for marked in list_of(member(case, &["marks"])) {
        let event = cell(output.reader(), member(marked, &["event"]), Show::Short);
        for mark in list_of(member(marked, &["marks"])) {
            output.line(&format!("! {event} {}", explain::mark_text(texts, mark)));
        }
    }
    output.line("");
    for clock in list_of(member(case, &["clocks"])) {
        explain_row(clock, output);
    }
    let next = rows_of(member(case, &["next"]), "next");
    if next.is_empty() {
        output.line(texts.say("ui.nothing-next"));
    } else {
        output.line(texts.say("ui.next"));
        lay_out(&next, NEXT, output);
    }
}

const TRAIL: &[Column] = &[
    ("column.recorded", &["recorded"], Show::Time),
    ("column.department", &["by"], Show::Department),
    ("column.index", &["index"], Show::Plain),
    ("column.kind", &["kind"], Show::Kind),
    ("column.items", &["items"], Show::Items),
    ("column.signers", &["signers"], Show::Signers),
    ("column.verdict", &["standing"], Show::Section("standing")),
    ("column.why", &["void.code"], Show::Section("refusal")),
    ("column.defects", &["defects"], Show::Marks),
    ("column.irregular", &["irregular"], Show::Marks),
    ("column.event", &["event"], Show::Short),
    ("column.confirmed", &["hosts"], Show::Hosts),
];

/// Returns the entries of a trail in the order of their recorded times, for reading.
pub(super) fn trail_rows(data: &Value) -> Vec<&Value> {
    let mut rows = rows_of(data, "entries");
    rows.sort_by_key(|row| {
        (
            plain(member(row, &["recorded"])),
            member(row, &["place"]).as_u64(),
        )
    });
    rows
}

/// `tally trail CASE`.
pub(super) fn trail(arguments: &CaseArguments, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    output.know(&connection);
    let answer: Answer = connection
        .node
        .read(&api::fill(api::path::TRAIL, &[&arguments.case]))?;
    lay_out(&trail_rows(&answer.data), TRAIL, output);
    tell_not_understood(&answer.data, output);
    finish(&answer, output);
    Ok(())
}

const REQUESTS: &[Column] = &[
    ("column.case", &["number"], Show::Plain),
    ("column.requester", &["requester"], Show::Department),
    ("column.first-asked", &["firstAsked"], Show::Department),
    ("column.class", &["class"], Show::Code("class")),
    ("column.stage", &["stage"], Show::Section("stage")),
    ("column.items", &["items"], Show::Count),
    ("column.sent", &["sentOn"], Show::Plain),
    ("column.received", &["receivedOn"], Show::Plain),
];

const TASKS: &[Column] = &[
    ("column.case", &["number"], Show::Plain),
    ("column.title", &["title"], Show::Plain),
    ("column.issuer", &["issuer"], Show::Department),
    ("column.owes", &["lead"], Show::Department),
    ("column.stage", &["stage"], Show::Section("stage")),
    ("column.percent", &["percent"], Show::Plain),
    ("column.due", &["due"], Show::Plain),
    ("column.status", &["status"], Show::Status),
];

const FINDINGS: &[Column] = &[
    ("column.case", &["number"], Show::Plain),
    ("column.violation", &["violation"], Show::Plain),
    ("column.owner", &["openedBy", "issuer"], Show::Department),
    ("column.object", &["object"], Show::Department),
    ("column.basis", &["basis"], Show::Code("basis")),
    ("column.stage", &["stage"], Show::Section("stage")),
    ("column.reopened", &["reopened"], Show::Plain),
    ("column.due", &["due"], Show::Plain),
    ("column.status", &["status"], Show::Status),
];

const CATALOGUE: &[Column] = &[
    ("column.case", &["number"], Show::Plain),
    ("column.name", &["content.name", "name"], Show::Plain),
    ("column.provider", &["provider"], Show::Department),
    ("column.class", &["content.class", "class"], Show::Code("class")),
    ("column.stage", &["stage"], Show::Section("stage")),
    ("column.version", &["version"], Show::Plain),
    ("column.requests", &["requests"], Show::Plain),
];

const MATTERS: &[Column] = &[
    ("column.case", &["number"], Show::Plain),
    ("column.title", &["title"], Show::Plain),
    ("column.type", &["type"], Show::Code("type")),
    ("column.object", &["object"], Show::Department),
    ("column.stage", &["stage"], Show::Section("stage")),
    ("column.plan-to", &["plan.to"], Show::Plain),
    ("column.findings", &["findingCount"], Show::Plain),
];

const CASES: &[Column] = &[
    ("column.case", &["number"], Show::Plain),
    ("column.case-kind", &["kind"], Show::Section("case-kind")),
    ("column.title", &["title"], Show::Plain),
    ("column.owner", &["owner"], Show::Department),
    ("column.owes", &["holders"], Show::Department),
    ("column.stage", &["stage"], Show::Section("stage")),
    ("column.verdict", &["standing"], Show::Section("standing")),
    ("column.due", &["due"], Show::Plain),
    ("column.overdue", &["overdue"], Show::Flag),
];

/// `tally list WHAT`.
pub(super) fn list(arguments: &ListArguments, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    output.know(&connection);
    let (path, columns) = match arguments.what.as_str() {
        "requests" => (api::path::REQUESTS, REQUESTS),
        "tasks" => (api::path::TASKS, TASKS),
        "findings" => (api::path::FINDINGS, FINDINGS),
        "catalogue" => (api::path::CATALOGUE, CATALOGUE),
        "matters" => (api::path::MATTERS, MATTERS),
        _ => (api::path::CASES, CASES),
    };
    let query = api::CaseQuery {
        kind: None,
        department: arguments.department.clone(),
        stage: arguments.stage.clone(),
    };
    let answer: Answer = connection.node.read(&with_query(path, &query))?;
    let rows = rows_of(&answer.data, &arguments.what);
    if rows.is_empty() {
        output.line(output.texts.say("ui.list-empty"));
    }
    lay_out(&rows, columns, output);
    finish(&answer, output);
    Ok(())
}

pub(super) fn event_of(row: &Value) -> Option<EventId> {
    let text = member(row, &["event"]).as_str()?;
    Hash::parse_hex(text).ok().map(EventId)
}

/// Returns the newest events of a case, as many as an event may name.
pub(super) fn newest_events(node: &NodeClient, case: &CaseId) -> Outcome<Vec<EventId>> {
    let answer: Answer = node.read(&api::fill(api::path::TRAIL, &[&case.to_string()]))?;
    let rows = trail_rows(&answer.data);
    let skip = rows.len().saturating_sub(AFTER_MAX);
    Ok(rows.into_iter().skip(skip).filter_map(event_of).collect())
}

/// Returns what the drafter had not before them: entries that are not named, unless they were left out for want of room.
fn unseen<'a>(rows: &[&'a Value], after: &[EventId]) -> Vec<&'a Value> {
    let named = |row: &Value| event_of(row).is_some_and(|event| after.contains(&event));
    let first = rows.iter().position(|row| named(row)).unwrap_or(0);
    let room = if after.len() < AFTER_MAX { 0 } else { first };
    rows.iter()
        .skip(room)
        .copied()
        .filter(|row| !named(row))
        .collect()
}

/// Returns the number of a case, and a line that says what it is; its id where the node does not know it.
pub(super) fn headline(node: &NodeClient, case: &CaseId, reader: Reader<'_>) -> (String, Option<String>) {
    let answer: Result<Answer, _> = node.read(&api::fill(api::path::CASE, &[&case.to_string()]));
    let Ok(answer) = answer else {
        return (case.0.short(), None);
    };
    let summary = member(&answer.data, &["summary"]);
    let number = plain(member(summary, &["number", "case"]));
    let stage = cell(reader, member(summary, &["stage"]), Show::Section("stage"));
    let owner = cell(reader, member(summary, &["owner"]), Show::Department);
    let line = reader.texts.fill(
        "ui.about-case",
        &[
            ("number", &number),
            ("title", &plain(member(summary, &["title"]))),
            ("stage", &stage),
            ("owner", &owner),
        ],
    );
    (number, Some(line))
}

/// Tells what happened on a case since the drafter looked, what is due, and what the law says of it.
pub(super) fn tell_changes(
    node: &NodeClient,
    case: &CaseId,
    after: &[EventId],
    output: &mut Output,
) -> Outcome {
    if output.json {
        return Ok(());
    }
    let texts = output.texts;
    let trail: Answer = node.read(&api::fill(api::path::TRAIL, &[&case.to_string()]))?;
    let fresh = unseen(&trail_rows(&trail.data), after);
    output.line("");
    if fresh.is_empty() {
        output.line(texts.say("ui.nothing-new"));
    } else {
        output.line(texts.say("ui.new-since"));
        lay_out(&fresh, TRAIL, output);
    }
    output.line("");
    let answer: Answer = node.read(&api::fill(api::path::CASE, &[&case.to_string()]))?;
    for clock in list_of(member(&answer.data, &["clocks"])) {
        if member(clock, &["running"]).as_bool() == Some(true) {
            explain_row(clock, output);
        }
    }
    tell_basis(&answer, output);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::tests::output;
    use crate::texts::Language;
    use serde_json::json;

    #[test]
    fn a_query_leaves_out_what_is_absent_and_encodes_what_is_there() {
        let query = api::InboxQuery {
            department: "a&b".to_owned(),
            post: None,
        };
        assert_eq!(with_query("/v1/inbox", &query), "/v1/inbox?department=a%26b");
        assert_eq!(with_query("/v1/due", &api::DueQuery::default()), "/v1/due");
    }

    #[test]
    fn columns_that_no_row_fills_are_left_out_and_codes_get_their_names() {
        let rows = [
            json!({"number": "housing/req-2026-0001", "kind": "request", "stage": "pending", "items": [1, 2], "dueOn": "2026-03-16",
                   "due": {"status": {"status": "overdue", "daysLate": 3}},
                   "next": [{"kind": "request.granted", "by": ["civil"]}, {"kind": "request.refused", "by": ["civil"]}]}),
            json!({"number": "data/fnd-2026-0002", "kind": "finding", "stage": "a-newer-stage", "items": [0]}),
        ];
        let rows: Vec<&Value> = rows.iter().collect();
        for language in [Language::En, Language::Zh] {
            let (mut output, out, _) = output(language, false);
            lay_out(&rows, OWED, &mut output);
            insta::assert_snapshot!(format!("owed_{}", language.tag()), out.text());
        }
    }

    #[test]
    fn a_case_is_told_with_its_items_acts_clocks_and_what_can_be_done_next() {
        let id = "ab".repeat(32);
        let case = json!({
            "summary": {"case": id, "number": "taxes/req-2026-0001", "kind": "request", "title": "permit", "stage": "pending",
                        "owner": "taxes", "holders": ["transport"], "opened": "2026-04-27T01:00:00.000Z", "due": "2026-04-28"},
            "firstAsked": "transport",
            "items": [{"item": 1, "holder": "transport", "stage": "pending", "suspendedBy": []}],
            "acts": [{"by": "taxes", "event": id, "items": [1], "kind": "request.filed", "overtaken": false,
                      "recorded": "2026-04-27T01:00:00.000Z"}],
            "clocks": [{"number": "taxes/req-2026-0001", "clock": "request-answer-unconditional", "owes": ["transport"],
                        "due": {"basis": {"names": {"en": "Answer", "zh": "\u{7b54}\u{590d}"}}, "main": {"due": "2026-04-28", "runs": []}},
                        "risen": [{"on": "2026-04-29", "to": "higher-post"}],
                        "status": {"status": "overdue", "daysLate": 1}}],
            "marks": [{"event": id, "marks": [{"code": "entry-not-named", "weight": "flag", "fields": {}}]}],
            "next": [{"kind": "request.granted", "by": ["transport"], "items": [1]}],
        });
        for language in [Language::En, Language::Zh] {
            let (mut output, out, _) = output(language, false);
            show_case(&case, &mut output);
            insta::assert_snapshot!(format!("case_{}", language.tag()), out.text());
        }
    }

    #[test]
    fn a_case_that_is_not_understood_is_told_in_words_with_what_helps() {
        let summary = json!({"case": "ab".repeat(32), "number": "taxes/req-2026-0001", "kind": "request",
                             "standing": "not-understood", "owner": "taxes", "opened": "2026-04-27T01:00:00.000Z"});
        let newer = json!({"summary": summary, "notUnderstood": {"ruleset": 2, "holds": 1, "kinds": []}});
        let kinds = json!({"notUnderstood": {"holds": 1, "kinds": ["request.invented"]}});
        for language in [Language::En, Language::Zh] {
            let (mut output, out, side) = output(language, false);
            show_case(&newer, &mut output);
            tell_not_understood(&kinds, &mut output);
            let told = format!("{}---\n{}", out.text(), side.text());
            insta::assert_snapshot!(format!("not_understood_{}", language.tag()), told);
        }
    }

    #[test]
    fn what_the_drafter_did_not_name_is_new() {
        let row =
            |digit: u8, time: &str| json!({"event": format!("{digit:02x}").repeat(32), "recorded": time});
        let rows = [row(1, "1"), row(2, "2"), row(3, "3")];
        let rows: Vec<&Value> = rows.iter().collect();
        let id = |digit: u8| EventId(Hash([digit; 32]));
        assert_eq!(unseen(&rows, &[id(1), id(2)]).len(), 1);
        assert_eq!(unseen(&rows, &[]).len(), 3);
        // With all the room used, older entries may have been seen and left out.
        let many: Vec<EventId> = (2..18).map(id).collect();
        assert_eq!(unseen(&rows, &many).len(), 0);
    }
}
