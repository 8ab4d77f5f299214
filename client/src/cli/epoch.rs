//! `tally epoch`: how a department goes on in a new log, by its administrator or by a quorum.

use super::arguments::{EpochCommand, EpochDraft, EpochOpen, EpochSign, EpochSub};
use super::error::{Failure, Outcome, file_failure};
use super::governance::write_collected;
use super::output::Output;
use super::session::{Connection, Session};
use super::submit;
use std::path::Path;
use std::time::{Duration, Instant};
use tally_ledger::world::verify_opening;
use tally_schemas::api::{self, Answer, LogBody, SubmitBody};
use tally_schemas::epoch::Opening;
use tally_schemas::id::{DepartmentId, Hash, NamedHead, Origin, TreeHead};
use tally_schemas::limits::EPOCH_NOTE_BYTES_MAX;
use tally_schemas::note::Note;

/// How long the node may take to fetch what is missing, or to derive everything anew.
const OPEN_WITHIN: Duration = Duration::from_secs(60);
/// How often it is asked again.
const AGAIN_EVERY: Duration = Duration::from_millis(500);

pub(super) fn run(command: &EpochCommand, session: &Session, output: &mut Output) -> Outcome {
    match &command.command {
        EpochSub::Open(arguments) => open(arguments, session, output),
        EpochSub::Draft(arguments) => draft(arguments, session, output),
        EpochSub::Sign(arguments) => sign(arguments, session, output),
    }
}

/// Opens the next epoch of the administrator's own department, after the newest head that its node shows.
fn open(arguments: &EpochOpen, session: &Session, output: &mut Output) -> Outcome {
    let (connection, key, holder) = session.sign_in(output)?;
    let logs = logs_of(&connection, &holder.department)?;
    let (newest, shown) = logs.last().ok_or_else(|| unknown(&holder.department))?;
    check_whole(newest, shown)?;
    let old = NamedHead {
        origin: newest.clone(),
        head: covered(newest, shown)?,
    };
    let log_key = log_key(&connection, newest, arguments.log_key.as_deref())?;
    let opening = made(&connection, old, newest.epoch, log_key, &arguments.reason)?;
    tell(&opening, output);
    let text = opening.to_text();
    let line = key.sign(&text)?;
    let note = Note {
        text,
        lines: vec![line],
    };
    let body = SubmitBody {
        note: note.to_string(),
        parts: Vec::new(),
        draft: None,
        personal_override: None,
    };
    let end = Instant::now() + OPEN_WITHIN;
    let recorded = loop {
        match submit::submit(&connection, &note, &body) {
            Err(failure)
                if Instant::now() < end && ["rebuilding", "epoch-waits"].contains(&failure.code()) =>
            {
                std::thread::sleep(AGAIN_EVERY);
            }
            outcome => break outcome?,
        }
    };
    output.value(&recorded.value());
    output.line(
        &output
            .texts
            .fill("ui.epoch-opened", &[("origin", &recorded.origin)]),
    );
    Ok(())
}

/// Writes an opening with the first of several signatures.
fn draft(arguments: &EpochDraft, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    let department = DepartmentId::parse(&arguments.department)?;
    let logs = logs_of(&connection, &department)?;
    let (newest, _) = logs.last().ok_or_else(|| unknown(&department))?;
    let after = arguments.after.unwrap_or(newest.epoch);
    let named = logs.iter().find(|(origin, _)| origin.epoch == after);
    let (old, shown) = named.ok_or_else(|| unknown(&department))?;
    let head = match (arguments.size, &arguments.root) {
        (Some(size), Some(root)) => TreeHead {
            size,
            root: Hash::parse_hex(root).or_else(|_| Hash::parse_base64(root))?,
        },
        _ => {
            if !arguments.rest_is_lost {
                check_whole(old, shown)?;
            }
            covered(old, shown)?
        }
    };
    let old = NamedHead {
        origin: old.clone(),
        head,
    };
    let log_key = log_key(&connection, newest, arguments.log_key.as_deref())?;
    let opening = made(&connection, old, newest.epoch, log_key, &arguments.reason)?;
    if arguments.save.exists() {
        return Err(Failure::invalid("error.file-exists").with("path", arguments.save.display()));
    }
    tell(&opening, output);
    warn_of_rest(&opening.old, &logs, output);
    let text = opening.to_text();
    let line = session.key(output)?.sign(&text)?;
    let note = Note {
        text,
        lines: vec![line],
    };
    write(&note, &arguments.save, &connection, output)
}

fn sign(arguments: &EpochSign, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    let path = &arguments.note;
    let bytes = std::fs::read(path).map_err(|error| file_failure(path, &error))?;
    let mut note = Note::parse(&bytes, EPOCH_NOTE_BYTES_MAX)?;
    let opening = Opening::parse_text(&note.text)?;
    let federation = connection.trust.registry().federation();
    if opening.federation != *federation {
        return Err(Failure::invalid("error.other-federation")
            .with("got", &opening.federation)
            .with("expected", federation));
    }
    tell(&opening, output);
    let logs = logs_of(&connection, &opening.origin.department)?;
    warn_of_rest(&opening.old, &logs, output);
    let key = session.key(output)?;
    if note.lines.iter().any(|line| line.name == key.name()) {
        return Err(Failure::refusal("error.signed-already").with("name", key.name()));
    }
    let line = key.sign(&note.text)?;
    note.lines.push(line);
    write(&note, path, &connection, output)
}

/// Returns the logs of a department that the node holds, by epoch.
fn logs_of(connection: &Connection, department: &DepartmentId) -> Outcome<Vec<(Origin, LogBody)>> {
    let answer: Answer<Vec<LogBody>> = connection.node.read(api::path::LOGS)?;
    let mut logs = Vec::new();
    for log in answer.data {
        let origin = Origin::parse(&log.origin)?;
        if origin.department == *department {
            logs.push((origin, log));
        }
    }
    logs.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(logs)
}

fn unknown(department: &DepartmentId) -> Failure {
    Failure::invalid("error.epoch-unknown").with("department", department)
}

/// Refuses to go on after less than the log signed: others may hold the rest.
fn check_whole(origin: &Origin, shown: &LogBody) -> Outcome<()> {
    match shown.signed.filter(|_| shown.ends.is_none()) {
        None => Ok(()),
        Some(signed) => Err(Failure::refusal("error.epoch-more-signed")
            .with("origin", origin)
            .with("size", shown.size)
            .with("signed", signed)
            .hint("hint.epoch-quorum")),
    }
}

/// Warns where the node knows of more of a log than an opening lets count.
fn warn_of_rest(old: &NamedHead, logs: &[(Origin, LogBody)], output: &mut Output) {
    let shown = logs.iter().find(|(origin, _)| *origin == old.origin);
    let Some((origin, shown)) = shown else { return };
    let known = shown.signed.unwrap_or(shown.size).max(shown.size);
    if known > old.head.size {
        let text = output.texts.fill(
            "ui.epoch-more-signed",
            &[("origin", origin), ("signed", &known), ("size", &old.head.size)],
        );
        output.warning(&text);
    }
}

/// Returns the head of a log as the node shows it, which a checkpoint must cover, of exactly that or of more: others could not take
/// the rest.
fn covered(origin: &Origin, shown: &LogBody) -> Outcome<TreeHead> {
    if let Some(size) = shown.ends.filter(|ends| *ends != shown.size) {
        return Err(Failure::refusal("error.epoch-ended")
            .with("origin", origin)
            .with("size", size));
    }
    if shown.signed.is_none() && shown.checkpoint.unwrap_or(0) != shown.size {
        return Err(Failure::unavailable("error.epoch-uncovered")
            .with("origin", origin)
            .with("size", shown.size)
            .with("covered", shown.checkpoint.unwrap_or(0)));
    }
    Ok(TreeHead {
        size: shown.size,
        root: Hash::parse_base64(&shown.root)?,
    })
}

/// Returns the key that is to sign the new log: one given, or that of the newest log.
fn log_key(connection: &Connection, newest: &Origin, given: Option<&str>) -> Outcome<[u8; 32]> {
    if let Some(given) = given {
        return Ok(Hash::parse_base64(given)?.0);
    }
    let registry = connection.trust.registry();
    if newest.epoch == 1 {
        let key = registry.log_key(&newest.department);
        let key = key.ok_or_else(|| unknown(&newest.department))?;
        return Ok(*key.public_key().as_bytes());
    }
    let entry = connection.node.entry(newest, 0)?;
    let (opening, _) = verify_opening(&entry, registry).map_err(crate::verify::VerifyError::from)?;
    Ok(opening.log_key)
}

fn made(
    connection: &Connection,
    old: NamedHead,
    newest: u32,
    log_key: [u8; 32],
    reason: &str,
) -> Outcome<Opening> {
    let opening = Opening {
        federation: connection.trust.registry().federation().clone(),
        origin: Origin {
            epoch: newest.saturating_add(1),
            ..old.origin.clone()
        },
        old,
        log_key,
        issued: connection.now,
        reason: reason.to_owned(),
    };
    // What is written here is read back by every node: a reason that is too long is found now.
    Ok(Opening::parse_text(&opening.to_text())?)
}

/// Shows what is signed.
fn tell(opening: &Opening, output: &mut Output) {
    let text = output.texts.fill(
        "ui.epoch-shown",
        &[
            ("origin", &opening.origin),
            ("old", &opening.old.origin),
            ("size", &opening.old.head.size),
            ("root", &opening.old.head.root.to_hex()),
            ("reason", &opening.reason),
        ],
    );
    output.line(&text);
}

fn write(note: &Note, path: &Path, connection: &Connection, output: &mut Output) -> Outcome {
    let hints = ["hint.epoch-more", "hint.epoch-submit"];
    write_collected(note, path, hints, connection, output)
}
