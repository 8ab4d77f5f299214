//! `tally federation`: found a federation from a readable file.

use super::arguments::{FederationCommand, FederationSub};
use super::error::{Failure, Outcome, file_failure};
use super::output::Output;
use super::session::Session;
use crate::federation::{FoundingError, Plan, found};
use crate::keystore::new_seed;
use serde_json::json;
use std::path::Path;

impl From<FoundingError> for Failure {
    fn from(error: FoundingError) -> Self {
        match error {
            FoundingError::Key(error) => error.into(),
            FoundingError::Io { path, source } if source.kind() == std::io::ErrorKind::AlreadyExists => {
                Self::invalid("error.folder-full").with("path", path.display())
            }
            FoundingError::Io { path, source } => file_failure(&path, &source),
            FoundingError::Plan { why } => Self::invalid("error.plan").detail(why).hint("hint.plan"),
            FoundingError::Document { id, known } => Self::invalid("error.plan-document")
                .with("id", id)
                .with("known", known),
            FoundingError::Post {
                department,
                officer,
                post,
            } => Self::invalid("error.plan-post")
                .with("department", department)
                .with("officer", officer)
                .with("post", post),
            other => Self::invalid("error.plan").chain(&other).hint("hint.plan"),
        }
    }
}

pub(super) fn run(command: &FederationCommand, session: &Session, output: &mut Output) -> Outcome {
    let FederationSub::Create(arguments) = &command.command;
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| file_failure(path, &error));
    let plan = Plan::parse_toml(&read(&arguments.plan)?)?;
    let folder = arguments.plan.parent().unwrap_or(Path::new("."));
    let documents: Vec<String> = plan
        .documents
        .iter()
        .map(|path| read(&folder.join(path)))
        .collect::<Outcome<_>>()?;
    let founding = found(&plan, &documents, session.now(), &mut new_seed)?;
    let passphrase = session.new_passphrase(&arguments.to, output)?;
    let texts = output.texts;
    let progress = output.progress(texts.say("ui.sealing-keys"));
    let written = founding.write(&arguments.to, &passphrase);
    if let Some(progress) = progress {
        progress.finish_and_clear();
    }
    written?;
    output.value(&json!({
        "federation": founding.federation.as_str(),
        "folder": arguments.to,
        "departments": plan.department.len(),
        "nodes": plan.node.len(),
        "keys": founding.key_count(),
        "trial": plan.trial,
    }));
    output.line(&texts.fill(
        "ui.federation-made",
        &[
            ("federation", &founding.federation),
            ("departments", &plan.department.len()),
            ("nodes", &plan.node.len()),
            ("keys", &founding.key_count()),
            ("path", &arguments.to.display()),
        ],
    ));
    if !output.json {
        if plan.trial {
            output.warning(texts.say("ui.trial-keys"));
        }
        output.hint(&texts.fill("hint.federation-made", &[("path", &arguments.to.display())]));
    }
    Ok(())
}
