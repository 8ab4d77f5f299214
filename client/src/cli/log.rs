//! `tally log` and `tally proof`: take evidence away, and verify it without trusting any node.

use super::arguments::{ForkArguments, LogCommand, LogExport, LogSub, LogVerify, ProofArguments};
use super::degree;
use super::error::{Failure, Outcome, file_failure};
use super::output::Output;
use super::refer;
use super::session::Session;
use super::submit::opening_of;
use crate::export_folder::ExportFolder;
use crate::verify::Trust;
use serde_json::json;
use std::path::{Path, PathBuf};
use tally_ledger::export::ExportReader;
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::confirmation::Confirmations;
use tally_schemas::fork::ForkEvidence;
use tally_schemas::id::{DepartmentId, EventId, Hash, Origin};
use tally_schemas::limits::{BUNDLE_BYTES_MAX, CHECKPOINT_BYTES_MAX};
use tally_schemas::note::Note;

pub(super) fn run(command: &LogCommand, session: &Session, output: &mut Output) -> Outcome {
    match &command.command {
        LogSub::Export(arguments) => export(arguments, session, output),
        LogSub::Verify(arguments) => verify(arguments, session, output),
    }
}

/// Reads an origin, or a department, whose newest log is meant.
fn named(text: &str) -> Outcome<(DepartmentId, Option<Origin>)> {
    match Origin::parse(text) {
        Ok(origin) => Ok((origin.department.clone(), Some(origin))),
        Err(_) => Ok((DepartmentId::parse(text)?, None)),
    }
}

fn export(arguments: &LogExport, session: &Session, output: &mut Output) -> Outcome {
    let (department, origin) = named(&arguments.origin)?;
    if std::fs::read_dir(&arguments.to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::invalid("error.folder-full").with("path", arguments.to.display()));
    }
    let connection = session.connect()?;
    let log = match &origin {
        Some(origin) => connection.node.log_of(origin)?,
        None => connection.node.log(&department)?,
    };
    let texts = output.texts;
    let progress = output.progress(texts.say("ui.fetching"));
    let unreadable = |why: String| Failure::unavailable("error.log-fetch").detail(why);
    for path in log.paths().map_err(unreadable)? {
        let limit = if path == "checkpoint" {
            CHECKPOINT_BYTES_MAX
        } else {
            BUNDLE_BYTES_MAX
        };
        let bytes = log.read(&path, limit).map_err(unreadable)?;
        let file = arguments.to.join(&path);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(|error| file_failure(parent, &error))?;
        }
        std::fs::write(&file, bytes).map_err(|error| file_failure(&file, &error))?;
        if let Some(progress) = &progress {
            progress.inc(1);
        }
    }
    if let Some(progress) = progress {
        progress.finish_and_clear();
    }
    told(&connection.trust, &department, &arguments.to, output)
}

/// Trusts the genesis, and what governance in exports of the registrar's logs made of it.
fn informed(session: &Session, registrar: &[PathBuf]) -> Outcome<Trust> {
    let mut trust = session.trust()?;
    let logs: Vec<ExportFolder> = registrar.iter().map(ExportFolder::new).collect();
    trust.learn_registrar(&logs)?;
    Ok(trust)
}

fn verify(arguments: &LogVerify, session: &Session, output: &mut Output) -> Outcome {
    let path = arguments.folder.join("checkpoint");
    let bytes = std::fs::read(&path).map_err(|error| file_failure(&path, &error))?;
    let note = Note::parse(&bytes, CHECKPOINT_BYTES_MAX)?;
    let origin = Checkpoint::parse(&note.text)?.origin;
    let trust = informed(session, &arguments.registrar)?;
    if origin.federation != *trust.registry().federation() {
        return Err(Failure::corrupt("error.other-federation")
            .with("got", &origin.federation)
            .with("expected", trust.registry().federation()));
    }
    told(&trust, &origin.department, &arguments.folder, output)
}

/// Verifies a folder and says what it holds.
fn told(trust: &Trust, department: &DepartmentId, folder: &Path, output: &mut Output) -> Outcome {
    let texts = output.texts;
    let progress = output.progress(texts.say("ui.verifying"));
    let export = ExportFolder::new(folder);
    let verified = trust.verify_log(department, &export, |_, _| {
        if let Some(progress) = &progress {
            progress.inc(1);
        }
    });
    if let Some(progress) = &progress {
        progress.finish_and_clear();
    }
    let verified = verified?;
    let head = verified.checkpoint.head();
    let origin = verified.checkpoint.origin();
    // With it other programs that read C2SP checkpoints verify the same log.
    let key = trust.key_of_export(department, &export)?.to_vkey();
    output.value(&json!({
        "origin": origin.to_string(), "size": head.size, "root": head.root.to_base64(), "verifierKey": key.to_string(),
        "folder": folder, "verified": true,
    }));
    output.line(&texts.fill(
        "ui.log-verified",
        &[
            ("origin", origin),
            ("size", &head.size),
            ("root", &head.root.to_base64()),
            ("path", &folder.display()),
        ],
    ));
    Ok(())
}

/// `tally verify-fork FILE`: shows from the genesis alone that a log signed two histories.
pub(super) fn fork(arguments: &ForkArguments, session: &Session, output: &mut Output) -> Outcome {
    let bytes = std::fs::read(&arguments.file).map_err(|error| file_failure(&arguments.file, &error))?;
    let evidence = ForkEvidence::parse(&bytes)?;
    let trust = informed(session, &arguments.registrar)?;
    let fork = trust.verify_fork(&evidence)?;
    let [held, other] = fork.roots.map(|root| root.to_base64());
    let [first, second] = fork.signed.map(|head| head.size);
    output.value(&json!({
        "origin": fork.origin.to_string(), "size": fork.size, "roots": [held, other], "signedSizes": [first, second], "verified": true,
    }));
    output.line(&output.texts.fill(
        "ui.fork-verified",
        &[
            ("path", &arguments.file.display()),
            ("origin", &fork.origin),
            ("size", &fork.size),
            ("held", &held),
            ("other", &other),
        ],
    ));
    Ok(())
}

/// `tally proof EVENT`: proves to the caller, and gives the files for others.
pub(super) fn proof(arguments: &ProofArguments, session: &Session, output: &mut Output) -> Outcome {
    let by_id = || {
        Hash::parse_hex(&arguments.event)
            .map(EventId)
            .map_err(|_| Failure::invalid("error.no-event-id").with("got", &arguments.event))
    };
    let (event, entry, proof, opening, confirmations, mut trust, log) = match &arguments.from {
        Some(folder) => {
            let event = by_id()?;
            let path = |name: &str| folder.join(format!("{event}.{name}"));
            let read = |name: &str| {
                let path = path(name);
                std::fs::read(&path).map_err(|error| file_failure(&path, &error))
            };
            let entry = read("entry")?;
            let proof = read("tlog-proof")?;
            // Only a log of a later epoch has an opening, and earlier software exported no confirmations.
            let read_if_there = |name: &str| path(name).exists().then(|| read(name)).transpose();
            let opening = read_if_there("opening")?;
            let confirmations = read_if_there("confirmations")?;
            let trust = informed(session, &arguments.registrar)?;
            (event, entry, proof, opening, confirmations, trust, None)
        }
        None => {
            let connection = session.connect()?;
            let event = refer::event(&connection.node, &arguments.event)?;
            let proof = connection.node.proof(&event)?;
            let parsed = tally_schemas::proof::TlogProof::parse(&proof)?;
            let origin = Checkpoint::parse(&parsed.checkpoint.text)?.origin;
            let entry = connection.node.entry(&origin, parsed.index)?;
            let opening = opening_of(&connection.node, &origin)?;
            let confirmations = Some(connection.node.confirmations(&event)?);
            let from = Some((connection.node, origin.department));
            (
                event,
                entry,
                proof,
                opening,
                confirmations,
                connection.trust,
                from,
            )
        }
    };
    let proven = trust.prove(&event, &entry, &proof, opening.as_deref())?;
    let header = &proven.entry.header;
    // Who signed is judged by the roster in the same log, which must be verified first; offline that log may not be at hand.
    let officers = match &log {
        Some((node, department)) => {
            trust.learn_roster(department, &node.standing_logs(department)?)?;
            let officers = trust.signers(&proven.entry)?;
            Some(
                officers
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            )
        }
        None => None,
    };
    let file = confirmations.as_deref().map(Confirmations::parse).transpose()?;
    let confirmed = match &file {
        Some(file) => Some(trust.confirmed(&event, &entry, file)?),
        None => None,
    };
    if let Some(folder) = &arguments.to {
        std::fs::create_dir_all(folder).map_err(|error| file_failure(folder, &error))?;
        let files = [
            ("entry", Some(&entry)),
            ("tlog-proof", Some(&proof)),
            ("opening", opening.as_ref()),
            ("confirmations", confirmations.as_ref()),
        ];
        for (name, bytes) in files {
            let Some(bytes) = bytes else { continue };
            let path = folder.join(format!("{event}.{name}"));
            std::fs::write(&path, bytes).map_err(|error| file_failure(&path, &error))?;
        }
    }
    let texts = output.texts;
    let held = confirmed.as_ref().map(degree::body);
    output.value(&json!({
        "event": event.to_string(), "origin": header.origin.to_string(), "index": header.index,
        "recorded": header.recorded.to_string(), "checkpointSize": proven.checkpoint.head().size,
        "signers": officers, "verified": true,
        "degree": held.as_ref().map(|held| &held.degree), "hosts": held.as_ref().map(|held| &held.hosts),
        "degreeAsOf": file.as_ref().map(|file| file.as_of.to_string()),
    }));
    output.line(&texts.fill(
        "ui.proven",
        &[
            ("event", &event),
            ("origin", &header.origin),
            ("index", &header.index),
            ("recorded", &header.recorded),
            ("size", &proven.checkpoint.head().size),
        ],
    ));
    degree::told(
        confirmed.as_ref(),
        file.as_ref().filter(|_| log.is_none()),
        output,
    );
    if let Some(officers) = officers {
        output.line(&texts.fill("ui.proven-signers", &[("officers", &officers)]));
    } else {
        output.warning(texts.say("ui.signers-unchecked"));
    }
    if let Some(folder) = &arguments.to {
        output.line(&texts.fill("ui.proof-written", &[("path", &folder.display())]));
    }
    Ok(())
}
