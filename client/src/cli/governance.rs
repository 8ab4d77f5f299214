//! `tally governance`: change rights, signed by several administrators one after the other.

use super::arguments::{GovernanceAdmit, GovernanceCommand, GovernanceRight, GovernanceSign, GovernanceSub};
use super::error::{Failure, Outcome, file_failure};
use super::output::Output;
use super::session::{Connection, Session};
use crate::federation::{admit, parse_department};
use crate::keystore::new_seed;
use serde_json::json;
use std::path::Path;
use tally_schemas::genesis::Role;
use tally_schemas::governance::{Change, Governance, Right};
use tally_schemas::id::{DepartmentId, NamedHead};
use tally_schemas::limits::GOVERNANCE_NOTE_BYTES_MAX;
use tally_schemas::note::Note;

pub(super) fn run(command: &GovernanceCommand, session: &Session, output: &mut Output) -> Outcome {
    match &command.command {
        GovernanceSub::Admit(arguments) => admit_department(arguments, session, output),
        GovernanceSub::Give(arguments) => {
            let connection = session.connect()?;
            let right = right_of(arguments)?;
            propose(
                &connection,
                Change::RightGiven(right),
                &arguments.save,
                session,
                output,
            )
        }
        GovernanceSub::Take(arguments) => {
            let connection = session.connect()?;
            let right = right_of(arguments)?;
            let department = DepartmentId::parse(&arguments.department)?;
            // The right ends at the newest head of the holder's log that this node can show; verified as a whole before it is named.
            let log = connection.node.log(&department)?;
            let verified = connection.trust.verify_log(&department, &log, |_, _| {})?;
            let at = NamedHead {
                origin: verified.checkpoint.origin().clone(),
                head: verified.checkpoint.head(),
            };
            propose(
                &connection,
                Change::RightTaken { right, at },
                &arguments.save,
                session,
                output,
            )
        }
        GovernanceSub::Ruleset(arguments) => {
            let connection = session.connect()?;
            let registry = connection.trust.registry();
            let in_force = registry.ruleset_at(registry.newest().version);
            if arguments.ruleset <= in_force {
                return Err(Failure::refusal("error.ruleset-not-above")
                    .with("got", arguments.ruleset)
                    .with("inForce", in_force));
            }
            let change = Change::RulesetAdopted(arguments.ruleset);
            propose(&connection, change, &arguments.save, session, output)
        }
        GovernanceSub::Sign(arguments) => sign(arguments, session, output),
    }
}

fn admit_department(arguments: &GovernanceAdmit, session: &Session, output: &mut Output) -> Outcome {
    let path = &arguments.plan;
    let text = std::fs::read_to_string(path).map_err(|error| file_failure(path, &error))?;
    let planned = parse_department(&text)?;
    let connection = session.connect()?;
    let registry = connection.trust.registry();
    let admission = admit(
        &planned,
        registry.federation(),
        registry.genesis().trial,
        connection.now,
        &mut new_seed,
    )?;
    let passphrase = session.new_passphrase(&arguments.to, output)?;
    admission.write(&arguments.to, &passphrase)?;
    let change = Change::DepartmentAdmitted(Box::new(admission.record));
    propose(&connection, change, &arguments.save, session, output)
}

/// Reads `membership`, or a role.
fn right_of(arguments: &GovernanceRight) -> Outcome<Right> {
    let department = DepartmentId::parse(&arguments.department)?;
    if arguments.right == "membership" {
        return Ok(Right::Membership { department });
    }
    match Role::parse(&arguments.right) {
        Some(role) => Ok(Right::Role { department, role }),
        None => {
            let known: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
            Err(Failure::invalid("error.no-right")
                .with("got", &arguments.right)
                .with("known", known.join(", ")))
        }
    }
}

fn propose(
    connection: &Connection,
    change: Change,
    save: &Path,
    session: &Session,
    output: &mut Output,
) -> Outcome {
    let registry = connection.trust.registry();
    let newest = registry.newest();
    let text = Governance {
        federation: registry.federation().clone(),
        version: newest.version + 1,
        previous: newest.hash,
        issued: connection.now,
        changes: vec![change],
    }
    .to_text();
    if save.exists() {
        return Err(Failure::invalid("error.file-exists").with("path", save.display()));
    }
    let key = session.key(output)?;
    let line = key.sign(&text)?;
    write(
        &Note {
            text,
            lines: vec![line],
        },
        save,
        connection,
        output,
    )
}

fn sign(arguments: &GovernanceSign, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    let path = &arguments.note;
    let bytes = std::fs::read(path).map_err(|error| file_failure(path, &error))?;
    let mut note = Note::parse(&bytes, GOVERNANCE_NOTE_BYTES_MAX)?;
    let governance = Governance::parse_text(&note.text)?;
    let registry = connection.trust.registry();
    let newest = registry.newest();
    if governance.federation != *registry.federation() || governance.previous != newest.hash {
        return Err(Failure::refusal("error.governance-stale")
            .with("version", governance.version)
            .with("newest", newest.version));
    }
    for change in &governance.changes {
        output.line(&describe(change, output));
    }
    let key = session.key(output)?;
    if note.lines.iter().any(|line| line.name == key.name()) {
        return Err(Failure::refusal("error.signed-already").with("name", key.name()));
    }
    let line = key.sign(&note.text)?;
    note.lines.push(line);
    write(&note, path, &connection, output)
}

fn describe(change: &Change, output: &Output) -> String {
    let texts = output.texts;
    let right = |right: &Right| match right {
        Right::Membership { .. } => texts.say("ui.membership").to_owned(),
        Right::Role { role, .. } => texts.name("role", role.as_str()).to_owned(),
        Right::Administrator { officer, .. } => texts.fill("ui.administrator", &[("officer", officer)]),
    };
    match change {
        Change::DepartmentAdmitted(record) => texts.fill("ui.change-admitted", &[("department", &record.id)]),
        Change::RightGiven(one) => texts.fill(
            "ui.change-given",
            &[("department", one.department()), ("right", &right(one))],
        ),
        Change::RightTaken { right: one, at } => texts.fill(
            "ui.change-taken",
            &[
                ("department", one.department()),
                ("right", &right(one)),
                ("size", &at.head.size),
            ],
        ),
        Change::RulesetAdopted(ruleset) => texts.fill("ui.change-ruleset", &[("ruleset", ruleset)]),
    }
}

fn write(note: &Note, path: &Path, connection: &Connection, output: &mut Output) -> Outcome {
    let hints = ["hint.governance-more", "hint.governance-submit"];
    write_collected(note, path, hints, connection, output)
}

/// Writes a note that collects lines, with what is to be done while lines lack and when there are enough.
pub(super) fn write_collected(
    note: &Note,
    path: &Path,
    [more, enough]: [&'static str; 2],
    connection: &Connection,
    output: &mut Output,
) -> Outcome {
    std::fs::write(path, note.to_bytes()).map_err(|error| file_failure(path, &error))?;
    let quorum = usize::from(connection.trust.registry().genesis().quorum);
    let texts = output.texts;
    output.value(&json!({"note": path, "signatures": note.lines.len(), "quorum": quorum}));
    output.line(&texts.fill(
        "ui.governance-signed",
        &[
            ("path", &path.display()),
            ("signatures", &note.lines.len()),
            ("quorum", &quorum),
        ],
    ));
    if !output.json {
        let hint = if note.lines.len() < quorum { more } else { enough };
        output.hint(&texts.fill(hint, &[("path", &path.display())]));
    }
    Ok(())
}
