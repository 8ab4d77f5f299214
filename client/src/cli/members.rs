//! `tally members`, `tally roster`: who belongs to the federation, who holds which post.

use super::arguments::{MembersArguments, RosterCommand, RosterSub};
use super::error::{Failure, Outcome};
use super::output::Output;
use super::session::Session;
use super::{draft, submit};
use crate::draft::assemble::{Author, Machine, assemble};
use crate::texts::{Language, Texts};
use serde_json::json;
use tally_schemas::api::{self, Answer, RosterBody, SubmitBody};
use tally_schemas::event::CaseKind;
use tally_schemas::note::Note;

fn name(texts: Texts, en: &str, zh: &str) -> String {
    match texts.language {
        Language::En => en.to_owned(),
        Language::Zh => zh.to_owned(),
    }
}

/// `tally members [DEPARTMENT]`.
pub(super) fn run(arguments: &MembersArguments, session: &Session, output: &mut Output) -> Outcome {
    if let Some(department) = &arguments.department {
        return roster(department, session, output);
    }
    let connection = session.connect()?;
    let texts = output.texts;
    let registry = connection.trust.registry();
    let version = registry.newest().version;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for record in registry.departments(version) {
        let roles: Vec<&str> = record
            .roles
            .iter()
            .copied()
            .chain(tally_schemas::genesis::Role::ALL.iter().copied())
            .filter(|role| registry.has_role(&record.id, *role, version))
            .map(tally_schemas::genesis::Role::as_str)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        let shown: Vec<&str> = roles.iter().map(|role| texts.name("role", role)).collect();
        values.push(json!({
            "id": record.id.as_str(), "nameEn": record.name_en, "nameZh": record.name_zh, "level": record.level,
            "area": record.area, "parent": record.parent.as_ref().map(ToString::to_string), "roles": roles,
            "node": record.node.as_str(), "administrator": record.administrator.officer.as_str(),
        }));
        rows.push(vec![
            record.id.to_string(),
            name(texts, &record.name_en, &record.name_zh),
            texts.name("level", &record.level).to_owned(),
            shown.join(", "),
            record
                .parent
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            record.node.to_string(),
        ]);
    }
    output.table(
        &[
            texts.say("column.department"),
            texts.say("column.name"),
            texts.say("column.level"),
            texts.say("column.roles"),
            texts.say("column.parent"),
            texts.say("column.node"),
        ],
        rows,
    );
    output.value(
        &json!({ "federation": registry.federation().as_str(), "version": version, "departments": values }),
    );
    Ok(())
}

/// `tally roster show DEPARTMENT`.
fn roster(department: &str, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    let path = api::fill(api::path::ROSTER, &[department]);
    let answer: Answer<RosterBody> = connection.node.read(&path)?;
    let texts = output.texts;
    let mut rows = Vec::new();
    for post in &answer.data.posts {
        let duties: Vec<&str> = post
            .duties
            .iter()
            .map(|duty| texts.code("duties", duty))
            .collect();
        let holders: Vec<String> = post
            .terms
            .iter()
            .filter(|term| term.present)
            .map(|term| {
                let acting = if term.acting { texts.say("ui.acting") } else { "" };
                format!("{}{acting}", term.officer)
            })
            .collect();
        rows.push(vec![
            post.id.clone(),
            name(texts, &post.name_en, &post.name_zh),
            duties.join(", "),
            holders.join(", "),
        ]);
    }
    output.table(
        &[
            texts.say("column.post"),
            texts.say("column.name"),
            texts.say("column.duties"),
            texts.say("column.holders"),
        ],
        rows,
    );
    if !answer.data.thin.is_empty() && !output.json {
        output.warning(&texts.fill("ui.thin-posts", &[("posts", &answer.data.thin.join(", "))]));
    }
    output.value(&serde_json::to_value(&answer).unwrap_or_default());
    Ok(())
}

pub(super) fn roster_command(command: &RosterCommand, session: &Session, output: &mut Output) -> Outcome {
    match &command.command {
        RosterSub::Show(arguments) => {
            let own = session.key_holder().map(|holder| holder.department.to_string());
            let department = arguments
                .department
                .clone()
                .or(own)
                .ok_or_else(|| Failure::invalid("error.no-department-named").hint("hint.no-key"))?;
            roster(&department, session, output)
        }
        RosterSub::Add(arguments) => {
            let form = draft::form_of(arguments, session, output)?;
            if form.kind.case_kind() != CaseKind::Roster {
                return Err(Failure::invalid("error.not-roster")
                    .with("kind", form.kind.as_str())
                    .hint("hint.kind"));
            }
            let (connection, key, holder) = session.sign_in(output)?;
            let author = Author {
                federation: holder.federation,
                department: holder.department,
                officer: holder.officer,
                post: None,
                case: None,
                after: Vec::new(),
                issued: connection.now,
            };
            let act = assemble(&form, &author, &mut Machine)?;
            let line = key.sign(&act.text)?;
            let note = Note {
                text: act.text,
                lines: vec![line],
            };
            let body = SubmitBody {
                note: note.to_string(),
                parts: Vec::new(),
                draft: None,
                personal_override: form.head.allow_personal.clone(),
            };
            let recorded = submit::submit(&connection, &note, &body)?;
            submit::told(&recorded, output);
            output.value(&recorded.value());
            Ok(())
        }
    }
}
