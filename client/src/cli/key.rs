//! `tally key`: make and show key files.

use super::arguments::{KeyCommand, KeyNew, KeySub};
use super::error::{Failure, Outcome};
use super::output::Output;
use super::session::Session;
use crate::keystore::{self, WorkFactor};
use serde_json::json;
use tally_ledger::crypto::sha256;
use tally_schemas::genesis::Genesis;
use tally_schemas::id::{DepartmentId, FederationId, Hash, OfficerId};
use tally_schemas::key_file::{Sealed, officer_key_name};
use tally_schemas::limits::GENESIS_BYTES_MAX;
use tally_schemas::note::Note;

pub(super) fn run(command: &KeyCommand, session: &Session, output: &mut Output) -> Outcome {
    match &command.command {
        KeySub::New(arguments) => new(arguments, session, output),
        KeySub::Show(arguments) => {
            let mut rows = Vec::new();
            let mut values = Vec::new();
            for path in &arguments.file {
                let file = keystore::read(path)?;
                let public = Hash(file.public_key).to_base64();
                let sealed = matches!(file.sealed, Sealed::Age(_));
                values.push(json!({"file": path, "name": file.name, "publicKey": public, "sealed": sealed}));
                let shown = if sealed {
                    output.texts.say("ui.yes")
                } else {
                    output.texts.say("ui.no")
                };
                rows.push(vec![file.name, public, shown.to_owned()]);
            }
            let texts = output.texts;
            let columns = [
                texts.say("column.key-name"),
                texts.say("column.public-key"),
                texts.say("column.sealed"),
            ];
            output.table(&columns, rows);
            output.value(&json!({ "keys": values }));
            Ok(())
        }
    }
}

fn new(arguments: &KeyNew, session: &Session, output: &mut Output) -> Outcome {
    let department = DepartmentId::parse(&arguments.department)?;
    let officer = OfficerId::parse(&arguments.officer)?;
    let genesis = session
        .settings
        .genesis
        .as_deref()
        .ok_or_else(|| Failure::invalid("error.no-trust").hint("hint.no-trust"))?;
    let bytes = std::fs::read(genesis).map_err(|error| super::error::file_failure(genesis, &error))?;
    let note = Note::parse(&bytes, GENESIS_BYTES_MAX)?;
    let founding = Genesis::parse_text(&note.text)?;
    let federation = FederationId::new(&founding.name, &sha256(&[note.text.as_bytes()]))?;
    let path = arguments
        .to
        .join(keystore::officer_file_name(&department, &officer));
    std::fs::create_dir_all(&arguments.to)
        .map_err(|error| super::error::file_failure(&arguments.to, &error))?;
    let passphrase = session.new_passphrase(&path, output)?;
    let work = if founding.trial {
        WorkFactor::Trial
    } else {
        WorkFactor::Full
    };
    let seed = keystore::new_seed()?;
    let name = officer_key_name(&federation, &department, &officer);
    let key = keystore::write_sealed(&path, &name, &seed, &passphrase, work)?;
    let public = Hash(*key.public_key().as_bytes()).to_base64();
    output.value(&json!({"file": path, "name": name, "publicKey": public}));
    let texts = output.texts;
    output.line(&texts.fill("ui.key-made", &[("path", &path.display()), ("name", &name)]));
    if !output.json {
        output.hint(&texts.fill("hint.key-made", &[("officer", &officer), ("key", &public)]));
    }
    Ok(())
}
