//! An act as people read it, and back again as the form that makes it.

use super::output::Reader;
use crate::draft::assemble::APPROVER_SELF;
use crate::draft::form::Form;
use crate::draft::value::{self, render};
use std::collections::BTreeMap;
use tally_schemas::event::{Audience, Event, FieldType, Kind, SignerRole, Source, Text};
use tally_schemas::id::Hash;
use tally_schemas::json::Json;

/// How many characters of an event's id people see; programs get the whole.
const EVENT_CHARS: usize = 12;

/// What an act names by ids, in words.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The number of its case.
    pub(super) case: Option<String>,
    /// The posts of its department.
    pub(super) posts: BTreeMap<String, String>,
}

/// Returns an event as rows of name and content.
pub(super) fn rows(
    reader: Reader<'_>,
    event: &Event,
    parts: &BTreeMap<Hash, Vec<u8>>,
    names: &Names,
) -> Vec<Vec<String>> {
    let texts = reader.texts;
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            rows.push(vec![name.to_owned(), value]);
        }
    };
    let join = |list: &[tally_schemas::id::DepartmentId]| {
        list.iter()
            .map(|id| reader.department_with_id(id.as_str()))
            .collect::<Vec<_>>()
            .join(", ")
    };
    row(
        texts.say("column.department"),
        reader.department_with_id(event.department.as_str()),
    );
    let short = || event.case.map(|case| case.0.short()).unwrap_or_default();
    row(texts.say("column.case"), names.case.clone().unwrap_or_else(short));
    row(texts.say("column.to"), join(&event.to));
    if let Audience::Only(list) = &event.audience {
        row(texts.say("column.audience"), join(list));
    }
    for signer in &event.signers {
        let roles: Vec<&str> = signer
            .roles
            .iter()
            .map(|role| texts.name("signer-role", role.as_str()))
            .collect();
        let officer = signer
            .officer
            .as_ref()
            .map(|officer| format!(" ({officer})"))
            .unwrap_or_default();
        let post = signer.post.to_string();
        let post = names.posts.get(&post).cloned().unwrap_or(post);
        row(&roles.join(", "), format!("{post}{officer}"));
    }
    row(
        texts.say("column.effective"),
        event.effective.map(|date| date.to_string()).unwrap_or_default(),
    );
    row(
        texts.say("column.doc-no"),
        event.doc_no.clone().unwrap_or_default(),
    );
    for basis in &event.legal_basis {
        row(
            texts.say("column.legal-basis"),
            texts.fill("ui.article", &[("act", &basis.act), ("at", &basis.article)]),
        );
    }
    if event.source != Source::Own {
        row(
            texts.say("column.source"),
            texts.name("source", event.source.as_str()).to_owned(),
        );
    }
    if let Kind::Known(kind) = event.kind {
        for field in kind.fields() {
            let Some(json) = event.body.json().member(field.name) else {
                continue;
            };
            let detached = match (field.kind, event.body.text(field.name)) {
                (FieldType::Text, Some(Text::Detached(commitment))) => parts
                    .get(&commitment.commit)
                    .map(|content| String::from_utf8_lossy(content).into_owned()),
                _ => None,
            };
            let shown = detached.unwrap_or_else(|| match (field.kind, json) {
                (FieldType::Department, Json::Text(id)) => reader.department_with_id(id),
                (FieldType::ProfileCode, Json::Text(code)) => reader.code_with_name(code),
                (FieldType::Event, Json::Text(id)) => id.chars().take(EVENT_CHARS).collect(),
                _ => render(texts, field.name, field.kind, json),
            });
            row(texts.field(kind.as_str(), field.name), shown);
        }
    } else {
        row(texts.say("column.content"), event.body.json().to_canonical());
    }
    for file in &event.attachments {
        row(
            texts.say("column.attachment"),
            texts.fill(
                "ui.attachment",
                &[("name", &file.name), ("length", &file.content.length)],
            ),
        );
    }
    rows
}

/// Turns an event back into the form that makes it.
pub(super) fn to_form(event: &Event, parts: &BTreeMap<Hash, Vec<u8>>) -> Option<Form> {
    let kind = event.kind.known()?;
    let mut form = Form::new(kind);
    for field in kind.fields() {
        let Some(json) = event.body.json().member(field.name) else {
            continue;
        };
        let inline = match event.body.text(field.name) {
            Some(Text::Detached(commitment)) if field.kind == FieldType::Text => {
                form.head.detach.push(field.name.to_owned());
                let content = parts.get(&commitment.commit)?;
                Json::Text(String::from_utf8_lossy(content).into_owned())
            }
            _ => json.clone(),
        };
        let shown = value::show(field.kind, &inline);
        form.set(field.name, &shown).ok()?;
    }
    let head = &mut form.head;
    head.case = event.case.map(|case| case.to_string());
    head.to = event.to.iter().map(ToString::to_string).collect();
    if let Audience::Only(list) = &event.audience {
        head.audience = list.iter().map(ToString::to_string).collect();
    }
    head.effective = event.effective.map(|date| date.to_string());
    head.doc_no.clone_from(&event.doc_no);
    head.legal_basis = event
        .legal_basis
        .iter()
        .map(|basis| format!("{}:{}", basis.act, basis.article))
        .collect();
    head.source = Some(event.source.as_str().to_owned());
    head.external_ref = event
        .external_ref
        .as_ref()
        .map(|other| format!("{}:{}", other.system, other.number));
    head.mandate = event.mandate.map(|id| id.to_string());
    head.corrects = event.corrects.map(|id| id.to_string());
    for signer in &event.signers {
        let both = signer.is(SignerRole::Drafter) && signer.is(SignerRole::Approver);
        if signer.is(SignerRole::Drafter) {
            head.post = Some(signer.post.to_string());
        }
        if both {
            head.approver = Some(APPROVER_SELF.to_owned());
        } else if signer.is(SignerRole::Approver) {
            head.approver = Some(signer.post.to_string());
        }
    }
    Some(form)
}
