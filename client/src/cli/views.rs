//! What is: inbox, due dates, cases, trails, lists.
//!
//! The node derives them; here they are only laid out, with names for codes. What newer software adds is shown as it is. Every answer
//! says on which heads it rests, and which logs are behind.

use super::arguments::{CaseArguments, DueArguments, InboxArguments, ListArguments};
use super::error::{Failure, Outcome};
use super::output::Output;
use super::session::{Connection, Session};
use crate::explain;
use crate::node::NodeClient;
use crate::texts::Texts;
use serde::Serialize;
use serde_json::Value;
use tally_schemas::api::{self, Answer};
use tally_schemas::id::{CaseId, EventId, Hash};
use tally_schemas::limits::AFTER_MAX;

/// How a member is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Plain,
    Kind,
    Section(&'static str),
    Short,
    Due,
    Status,
    Marks,
}

/// One column: its name, the member it takes, and how it is shown.
type Column = (&'static str, &'static [&'static str], Show);

/// Makes the path of a view with its query; absent values are left out.
fn with_query(path: &str, query: &impl Serialize) -> String {
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

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Returns the rows of a view: the data itself, or the list in it.
fn rows_of(data: &Value) -> Vec<&Value> {
    match data {
        Value::Array(list) => list.iter().collect(),
        Value::Object(members) => members
            .values()
            .find_map(Value::as_array)
            .map(|list| list.iter().collect())
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn member<'a>(row: &'a Value, names: &[&str]) -> &'a Value {
    names
        .iter()
        .find_map(|path| {
            let found = path.split('.').try_fold(row, |value, name| value.get(name))?;
            (!found.is_null()).then_some(found)
        })
        .unwrap_or(&Value::Null)
}

fn cell(texts: Texts, value: &Value, show: Show) -> String {
    match (show, value) {
        (_, Value::Null) => String::new(),
        (Show::Kind, Value::String(kind)) => texts.kind(kind).to_owned(),
        (Show::Section(section), Value::String(code)) => texts.name(section, code).to_owned(),
        (Show::Section(section), Value::Array(list)) => list
            .iter()
            .map(|one| {
                one.as_str()
                    .map_or_else(|| plain(one), |code| texts.name(section, code).to_owned())
            })
            .collect::<Vec<_>>()
            .join(", "),
        (Show::Short, Value::String(id)) => id.chars().take(12).collect(),
        (Show::Due, Value::Object(_)) => member(value, &["main.due", "due.main.due", "due", "date"])
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        (Show::Status, Value::Object(_)) => explain::status_text(texts, value),
        (Show::Marks, Value::Array(list)) => list
            .iter()
            .map(|mark| match mark.as_str() {
                Some(code) => texts.name("mark", code).to_owned(),
                None => explain::mark_text(texts, mark),
            })
            .collect::<Vec<_>>()
            .join(", "),
        (_, other) => plain(other),
    }
}

/// Lays rows out under those columns that at least one row fills.
fn lay_out(rows: &[&Value], columns: &[Column], output: &mut Output) {
    let texts = output.texts;
    let used: Vec<&Column> = columns
        .iter()
        .filter(|(_, names, _)| rows.iter().any(|row| !member(row, names).is_null()))
        .collect();
    let names: Vec<&str> = used.iter().map(|(name, ..)| texts.say(name)).collect();
    let cells = rows
        .iter()
        .map(|row| {
            used.iter()
                .map(|(_, names, show)| cell(texts, member(row, names), *show))
                .collect()
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
    let text = texts.fill(key, &[("time", &answer.as_of), ("heads", &heads)]);
    output.side(&text);
    for log in &answer.behind {
        let text = texts.fill(
            "ui.behind",
            &[
                ("origin", &log.origin),
                ("cursor", &log.cursor),
                ("size", &log.size),
                ("why", &log.why),
            ],
        );
        output.warning(&text);
    }
}

fn finish(answer: &Answer, output: &mut Output) {
    output.value(&serde_json::to_value(answer).unwrap_or_default());
    tell_basis(answer, output);
}

const WORK: &[Column] = &[
    (
        "column.case",
        &["number", "caseNumber", "case.number"],
        Show::Plain,
    ),
    (
        "column.case-kind",
        &["caseKind", "kind", "case.kind"],
        Show::Section("case-kind"),
    ),
    ("column.stage", &["stage"], Show::Section("stage")),
    ("column.items", &["items", "item"], Show::Plain),
    ("column.owes", &["owes", "holder", "department"], Show::Plain),
    ("column.due", &["due", "judgement"], Show::Due),
    ("column.status", &["status", "judgement.status"], Show::Status),
    ("column.acts", &["acts", "possible"], Show::Plain),
];

/// `tally inbox [POST]`.
pub(super) fn inbox(arguments: &InboxArguments, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
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
    let rows = rows_of(&answer.data);
    if rows.is_empty() {
        output.line(output.texts.say("ui.inbox-empty"));
    }
    lay_out(&rows, WORK, output);
    finish(&answer, output);
    if !output.json && !rows.is_empty() {
        output.hint(output.texts.say("hint.inbox"));
    }
    Ok(())
}

/// `tally due [CASE]`.
pub(super) fn due(arguments: &DueArguments, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    let query = api::DueQuery {
        department: arguments.department.clone(),
        overdue: arguments.overdue.then_some(true),
    };
    let answer: Answer = connection.node.read(&with_query(api::path::DUE, &query))?;
    let wanted = match &arguments.case {
        Some(written) => Some(case_id(&connection.node, written)?.to_string()),
        None => None,
    };
    let rows: Vec<&Value> = rows_of(&answer.data)
        .into_iter()
        .filter(|row| {
            wanted.as_deref().is_none_or(|id| {
                [member(row, &["case", "case.id", "id"])]
                    .into_iter()
                    .any(|value| value.as_str() == Some(id))
            })
        })
        .collect();
    if rows.is_empty() {
        output.line(output.texts.say("ui.nothing-due"));
    }
    if arguments.explain {
        for row in &rows {
            explain_row(row, output);
        }
    } else {
        lay_out(&rows, WORK, output);
    }
    finish(&answer, output);
    Ok(())
}

fn explain_row(row: &Value, output: &mut Output) {
    let texts = output.texts;
    let number = plain(member(row, &["number", "caseNumber", "case.number", "case"]));
    let stage = cell(texts, member(row, &["stage"]), Show::Section("stage"));
    output.line(&format!("{number}  {stage}"));
    let due = member(row, &["judgement.due", "due"]);
    let status = member(row, &["judgement.status", "status"]);
    for line in explain::due_lines(texts, due, Some(status).filter(|status| !status.is_null())) {
        output.line(&format!("  {line}"));
    }
}

const FACTS: &[Column] = &[
    ("column.item", &["number", "item"], Show::Plain),
    ("column.name", &["name"], Show::Plain),
    ("column.stage", &["stage"], Show::Section("stage")),
    ("column.owes", &["owes", "holder"], Show::Plain),
    ("column.due", &["due", "judgement"], Show::Due),
    ("column.status", &["status", "judgement.status"], Show::Status),
];

const NEXT: &[Column] = &[
    ("column.kind", &["kind"], Show::Kind),
    ("column.id", &["kind"], Show::Plain),
    ("column.by", &["by"], Show::Plain),
    ("column.items", &["items"], Show::Plain),
];

/// `tally show CASE`.
pub(super) fn show(arguments: &CaseArguments, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    let answer: Answer = connection
        .node
        .read(&api::fill(api::path::CASE, &[&arguments.case]))?;
    let texts = output.texts;
    let case = &answer.data;
    let rows: [(&str, &[&str], Show); 7] = [
        ("column.case", &["number"][..], Show::Plain),
        ("column.id", &["id"], Show::Plain),
        ("column.case-kind", &["kind"], Show::Section("case-kind")),
        ("column.stage", &["stage", "stages"], Show::Section("stage")),
        ("column.owner", &["owner"], Show::Plain),
        ("column.owes", &["holder", "owes"], Show::Plain),
        ("column.marks", &["marks"], Show::Marks),
    ];
    let rows: Vec<Vec<String>> = rows
        .iter()
        .filter(|(_, names, _)| !member(case, names).is_null())
        .map(|(name, names, show)| {
            let label = texts.say(name).to_owned();
            vec![label, cell(texts, member(case, names), *show)]
        })
        .collect();
    output.table(&[texts.say("column.field"), texts.say("column.value")], rows);
    if let Some(items) = case.get("items").and_then(Value::as_array) {
        output.line("");
        lay_out(&items.iter().collect::<Vec<_>>(), FACTS, output);
    }
    for due in case.get("due").and_then(Value::as_array).into_iter().flatten() {
        output.line("");
        explain_row(due, output);
    }
    tell_next(&connection, &arguments.case, output)?;
    finish(&answer, output);
    Ok(())
}

fn tell_next(connection: &Connection, case: &str, output: &mut Output) -> Outcome {
    if output.json {
        return Ok(());
    }
    let query = api::NextActsQuery {
        case: case.to_owned(),
    };
    let answer: Answer = connection.node.read(&with_query(api::path::NEXT_ACTS, &query))?;
    let rows = rows_of(&answer.data);
    output.line("");
    if rows.is_empty() {
        output.line(output.texts.say("ui.nothing-next"));
    } else {
        output.line(output.texts.say("ui.next"));
        lay_out(&rows, NEXT, output);
    }
    Ok(())
}

const TRAIL: &[Column] = &[
    ("column.recorded", &["recorded", "at"], Show::Plain),
    ("column.department", &["department", "log"], Show::Plain),
    ("column.index", &["index"], Show::Plain),
    ("column.kind", &["kind"], Show::Kind),
    ("column.items", &["items"], Show::Plain),
    (
        "column.verdict",
        &["verdict", "standing"],
        Show::Section("verdict"),
    ),
    ("column.marks", &["marks"], Show::Marks),
    ("column.event", &["event", "id"], Show::Short),
];

/// `tally trail CASE`.
pub(super) fn trail(arguments: &CaseArguments, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    let answer: Answer = connection
        .node
        .read(&api::fill(api::path::TRAIL, &[&arguments.case]))?;
    lay_out(&rows_of(&answer.data), TRAIL, output);
    finish(&answer, output);
    Ok(())
}

const LIST: &[Column] = &[
    ("column.case", &["number"], Show::Plain),
    ("column.title", &["title", "name"], Show::Plain),
    ("column.class", &["class"], Show::Section("code")),
    ("column.stage", &["stage", "stages"], Show::Section("stage")),
    (
        "column.owner",
        &["owner", "requester", "issuer", "provider"],
        Show::Plain,
    ),
    (
        "column.owes",
        &["holder", "addressee", "object", "lead", "owes"],
        Show::Plain,
    ),
    ("column.violation", &["violation"], Show::Plain),
    ("column.due", &["due"], Show::Due),
    ("column.status", &["status"], Show::Status),
    ("column.marks", &["marks"], Show::Marks),
];

/// `tally list WHAT`.
pub(super) fn list(arguments: &ListArguments, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    let path = match arguments.what.as_str() {
        "requests" => api::path::REQUESTS,
        "tasks" => api::path::TASKS,
        "findings" => api::path::FINDINGS,
        "catalogue" => api::path::CATALOGUE,
        "matters" => api::path::MATTERS,
        _ => api::path::CASES,
    };
    let query = api::CaseQuery {
        kind: None,
        department: arguments.department.clone(),
        stage: arguments.stage.clone(),
    };
    let answer: Answer = connection.node.read(&with_query(path, &query))?;
    let rows = rows_of(&answer.data);
    if rows.is_empty() {
        output.line(output.texts.say("ui.list-empty"));
    }
    lay_out(&rows, LIST, output);
    finish(&answer, output);
    Ok(())
}

/// Finds the id of a case by what an officer writes: its id or its number.
pub(super) fn case_id(node: &NodeClient, written: &str) -> Outcome<CaseId> {
    if let Ok(hash) = Hash::parse_hex(written) {
        return Ok(EventId(hash));
    }
    let answer: Answer = node.read(&api::fill(api::path::CASE, &[written]))?;
    let id = member(&answer.data, &["id", "case"]).as_str().unwrap_or_default();
    let hash = Hash::parse_hex(id).map_err(|_| Failure::invalid("error.no-case").with("got", written))?;
    Ok(EventId(hash))
}

fn event_of(row: &Value) -> Option<EventId> {
    let text = member(row, &["event", "id"]).as_str()?;
    Hash::parse_hex(text).ok().map(EventId)
}

/// Returns the newest events of a case, as many as an event may name.
pub(super) fn newest_events(node: &NodeClient, case: &CaseId) -> Outcome<Vec<EventId>> {
    let answer: Answer = node.read(&api::fill(api::path::TRAIL, &[&case.to_string()]))?;
    let events: Vec<EventId> = rows_of(&answer.data).into_iter().filter_map(event_of).collect();
    let skip = events.len().saturating_sub(AFTER_MAX);
    Ok(events.into_iter().skip(skip).collect())
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
    let rows = rows_of(&trail.data);
    let last_seen = rows
        .iter()
        .rposition(|row| event_of(row).is_some_and(|event| after.contains(&event)));
    let fresh: Vec<&Value> = rows
        .into_iter()
        .skip(last_seen.map_or(0, |place| place + 1))
        .collect();
    output.line("");
    if fresh.is_empty() {
        output.line(texts.say("ui.nothing-new"));
    } else {
        output.line(texts.say("ui.new-since"));
        lay_out(&fresh, TRAIL, output);
    }
    let answer: Answer = node.read(&api::fill(api::path::CASE, &[&case.to_string()]))?;
    for due in answer
        .data
        .get("due")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        explain_row(due, output);
    }
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
            json!({"number": "housing/req-2026-0001", "caseKind": "request", "stage": "pending", "holder": "civil",
                   "due": {"main": {"due": "2026-03-16"}}, "status": {"status": "overdue", "daysLate": 3}}),
            json!({"number": "data/fnd-2026-0002", "caseKind": "finding", "stage": "a-newer-stage", "holder": "tax"}),
        ];
        let rows: Vec<&Value> = rows.iter().collect();
        for language in [Language::En, Language::Zh] {
            let (mut output, out, _) = output(language, false);
            lay_out(&rows, WORK, &mut output);
            insta::assert_snapshot!(format!("work_{}", language.tag()), out.text());
        }
    }
}
