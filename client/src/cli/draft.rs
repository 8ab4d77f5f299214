//! `tally form` and `tally draft`: fill in acts.

use super::arguments::{DraftCommand, DraftNew, DraftSub, Fields, FormArguments};
use super::drafts;
use super::error::{Failure, Outcome, file_failure};
use super::guide;
use super::output::Output;
use super::session::Session;
use crate::draft::assemble::AssembleError;
use crate::draft::form::{Form, FormError, kind_of};
use crate::draft::prompt::{Ask as _, AskError, TerminalAsk};
use crate::draft::value::render;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tally_schemas::event::{EventKind, FieldType};
use tally_schemas::json::Json;

/// The failure of an officer who broke off.
const STOPPED: &str = "error.stopped";

impl From<FormError> for Failure {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Syntax { why } => Self::invalid("error.form").detail(why),
            FormError::Kind { got, nearest } => Self::invalid("error.kind")
                .with("got", got)
                .with("nearest", nearest)
                .hint("hint.kind"),
            FormError::Unknown { got, nearest } => Self::invalid("error.field-unknown")
                .with("got", got)
                .with("nearest", nearest)
                .hint("hint.nearest"),
            FormError::Value { field, why } => {
                Self::invalid("error.field-value").with("field", field).unfit(why)
            }
            FormError::Type { field } => Self::invalid("error.field-type").with("field", field),
        }
    }
}

impl From<AssembleError> for Failure {
    fn from(error: AssembleError) -> Self {
        match error {
            AssembleError::Missing { fields } => Self::invalid("error.fields-missing")
                .with("fields", fields.join(", "))
                .hint("hint.fields-missing"),
            AssembleError::MissingHead { member } => {
                Self::invalid("error.head-missing").with("member", member)
            }
            AssembleError::Head { member, got } => Self::invalid("error.head-value")
                .with("member", member)
                .with("got", got),
            AssembleError::Detach { field } => Self::invalid("error.detach").with("field", field),
            AssembleError::Attachment { path, source } => file_failure(Path::new(&path), &source),
            AssembleError::Long { what, got } => Self::invalid("error.part-long")
                .with("what", what)
                .with("got", got)
                .with("max", tally_schemas::limits::PART_BYTES_MAX),
            AssembleError::Random => Self::unavailable("error.random"),
            AssembleError::Format(error) => error.into(),
        }
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Stopped => Self::invalid(STOPPED),
            AskError::Terminal(why) => Self::invalid("error.terminal").detail(why),
        }
    }
}

/// `tally form [KIND]`: prints an empty form, or the kinds there are.
pub(super) fn form(arguments: &FormArguments, output: &mut Output) -> Outcome {
    let texts = output.texts;
    let Some(kind) = &arguments.kind else {
        let mut rows = Vec::new();
        let mut values = Vec::new();
        for kind in EventKind::ALL {
            let case = texts.name("case-kind", kind.case_kind().as_str());
            let name = texts.kind(kind.as_str());
            values.push(json!({"kind": kind.as_str(), "name": name, "case": kind.case_kind().as_str()}));
            rows.push(vec![kind.as_str().to_owned(), case.to_owned(), name.to_owned()]);
        }
        let columns = [
            texts.say("column.kind"),
            texts.say("column.case-kind"),
            texts.say("column.name"),
        ];
        output.table(&columns, rows);
        output.value(&json!({ "kinds": values }));
        return Ok(());
    };
    let form = Form::new(kind_of(kind)?);
    output.raw(&form.to_toml(texts));
    Ok(())
}

pub(super) fn run(command: &DraftCommand, session: &Session, output: &mut Output) -> Outcome {
    match &command.command {
        DraftSub::New(arguments) => new(arguments, session, output),
        DraftSub::Edit(arguments) => {
            let path = PathBuf::from(&arguments.draft);
            if !path.exists() {
                return drafts::edit(&arguments.draft, session, output);
            }
            let mut form = read_form(&path)?;
            guide::complete(&mut form, session, output)?;
            save(&path, &form, output)?;
            saved(&path, &form, output);
            Ok(())
        }
        DraftSub::Show(arguments) => {
            let path = Path::new(&arguments.draft);
            if !path.exists() {
                return drafts::show(&arguments.draft, session, output);
            }
            show_form(&read_form(path)?, output);
            Ok(())
        }
        DraftSub::List => drafts::list(session, output),
        DraftSub::Send(arguments) => drafts::send_files(arguments, session, output),
        DraftSub::Return(arguments) => drafts::give_back(arguments, session, output),
        DraftSub::Approve(arguments) => drafts::approve(arguments, session, output),
        DraftSub::Withdraw(arguments) => drafts::withdraw(&arguments.draft, session, output),
    }
}

/// Fills in a form by file, flags and questions.
pub(super) fn form_of(arguments: &DraftNew, session: &Session, output: &mut Output) -> Outcome<Form> {
    let mut form = match (&arguments.form, &arguments.kind) {
        (Some(path), _) => read_form(path)?,
        (None, Some(kind)) => Form::new(kind_of(kind)?),
        (None, None) if output.can_ask() => guide::begin(session, output)?,
        (None, None) => return Err(Failure::invalid("error.no-kind").hint("hint.kind")),
    };
    apply(&mut form, &arguments.fields)?;
    if form.head.post.is_none() {
        form.head.post.clone_from(&session.settings.post);
    }
    match guide::complete(&mut form, session, output) {
        // What was answered is not lost when the officer breaks off.
        Err(failure) if failure.key == STOPPED && !form.body.is_empty() => {
            let path = match &arguments.save {
                Some(path) => path.clone(),
                None => free_name(session, form.kind)?,
            };
            save(&path, &form, output)?;
            saved(&path, &form, output);
            Err(Failure::invalid("error.stopped-saved"))
        }
        outcome => outcome.map(|()| form),
    }
}

fn new(arguments: &DraftNew, session: &Session, output: &mut Output) -> Outcome {
    let form = form_of(arguments, session, output)?;
    let mut send = arguments.send;
    // Whoever answered questions sees the whole once more, and need not know the next command.
    if !send && arguments.save.is_none() && output.can_ask() && form.missing().is_empty() {
        if let Ok(trust) = session.trust() {
            output.know_names(trust.registry());
        }
        show_form(&form, output);
        let texts = output.texts;
        send = TerminalAsk { texts }.confirm(texts.say("prompt.send-now"))?;
    }
    if send {
        return drafts::send(&form, None, session, output);
    }
    let path = match &arguments.save {
        Some(path) => path.clone(),
        None => free_name(session, form.kind)?,
    };
    save(&path, &form, output)?;
    saved(&path, &form, output);
    Ok(())
}

/// Lays flags over a form.
pub(super) fn apply(form: &mut Form, fields: &Fields) -> Outcome {
    for written in &fields.field {
        let (name, value) = written
            .split_once('=')
            .ok_or_else(|| Failure::invalid("error.field-flag").with("got", written))?;
        let value = match value.strip_prefix('@') {
            Some(path) => {
                std::fs::read_to_string(path).map_err(|error| file_failure(Path::new(path), &error))?
            }
            None => value.to_owned(),
        };
        form.set(name.trim(), &value)?;
    }
    let head = &mut form.head;
    for (slot, flag) in [
        (&mut head.case, &fields.case),
        (&mut head.post, &fields.post),
        (&mut head.approver, &fields.approver),
        (&mut head.effective, &fields.effective),
        (&mut head.doc_no, &fields.doc_no),
        (&mut head.source, &fields.source),
        (&mut head.external_ref, &fields.external_ref),
        (&mut head.mandate, &fields.mandate),
        (&mut head.corrects, &fields.corrects),
        (&mut head.allow_personal, &fields.allow_personal),
    ] {
        if flag.is_some() {
            slot.clone_from(flag);
        }
    }
    for (slot, flag) in [
        (&mut head.to, &fields.to),
        (&mut head.audience, &fields.audience),
        (&mut head.legal_basis, &fields.legal_basis),
        (&mut head.attach, &fields.attach),
        (&mut head.detach, &fields.detach),
    ] {
        slot.extend(flag.iter().cloned());
    }
    Ok(())
}

/// Reads a form file.
pub(super) fn read_form(path: &Path) -> Outcome<Form> {
    let text = std::fs::read_to_string(path).map_err(|error| file_failure(path, &error))?;
    Ok(Form::parse_toml(&text)?)
}

pub(super) fn free_name(session: &Session, kind: EventKind) -> Outcome<PathBuf> {
    let folder = session
        .settings
        .drafts
        .clone()
        .unwrap_or_else(|| PathBuf::from("drafts"));
    std::fs::create_dir_all(&folder).map_err(|error| file_failure(&folder, &error))?;
    for number in 1..10_000 {
        let path = folder.join(format!("{}-{number}.toml", kind.as_str().replace('.', "-")));
        if !path.exists() {
            return Ok(path);
        }
    }
    Err(Failure::invalid("error.folder-full").with("path", folder.display()))
}

pub(super) fn save(path: &Path, form: &Form, output: &Output) -> Outcome {
    std::fs::write(path, form.to_toml(output.texts)).map_err(|error| file_failure(path, &error))
}

pub(super) fn saved(path: &Path, form: &Form, output: &mut Output) {
    let texts = output.texts;
    let missing: Vec<&str> = form.missing().iter().map(|field| field.name).collect();
    output.value(&json!({"draft": path, "kind": form.kind.as_str(), "missing": missing}));
    output.line(&texts.fill(
        "ui.draft-saved",
        &[
            ("kind", &texts.kind(form.kind.as_str())),
            ("path", &path.display()),
        ],
    ));
    if !missing.is_empty() && !output.json {
        let names: Vec<String> = form
            .missing()
            .iter()
            .map(|field| format!("{} ({})", texts.field(form.kind.as_str(), field.name), field.name))
            .collect();
        output.warning(&texts.fill("ui.draft-missing", &[("fields", &names.join(", "))]));
        output.hint(&texts.fill("hint.draft-edit", &[("path", &path.display())]));
    } else if !output.json {
        output.hint(&texts.fill("hint.draft-send", &[("path", &path.display())]));
    }
}

/// Shows a form for reading.
fn show_form(form: &Form, output: &mut Output) {
    let texts = output.texts;
    let kind = form.kind.as_str();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let head = &form.head;
    let reader = output.reader();
    let named = |ids: &[String]| {
        let names: Vec<String> = ids.iter().map(|id| reader.department_with_id(id)).collect();
        names.join(", ")
    };
    for (label, value) in [
        (texts.say("column.case"), head.case.clone()),
        (texts.say("column.post"), head.post.clone()),
        (texts.say("column.approver"), head.approver.clone()),
        (texts.say("column.to"), Some(named(&head.to))),
        (texts.say("column.audience"), Some(named(&head.audience))),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            rows.push(vec![label.to_owned(), value]);
        }
    }
    let mut body = serde_json::Map::new();
    for field in form.kind.fields() {
        if let Some(json) = form.body.get(field.name) {
            rows.push(vec![
                texts.field(kind, field.name).to_owned(),
                match (field.kind, json) {
                    (FieldType::Department, Json::Text(id)) => reader.department_with_id(id),
                    (FieldType::ProfileCode, Json::Text(code)) => reader.code_with_name(code),
                    _ => render(texts, field.name, field.kind, json),
                },
            ]);
            let value = serde_json::from_str(&json.to_canonical()).unwrap_or(Value::Null);
            body.insert(field.name.to_owned(), value);
        }
    }
    let missing: Vec<&str> = form.missing().iter().map(|field| field.name).collect();
    output.value(&json!({
        "kind": kind, "case": head.case, "to": head.to, "audience": head.audience, "body": body, "missing": missing,
    }));
    output.line(&texts.kind_with_id(form.kind));
    output.table(&[texts.say("column.field"), texts.say("column.value")], rows);
}
