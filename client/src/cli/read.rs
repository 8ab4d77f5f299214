//! `tally read`: the acts of a case, or one act, with everything that was written in them.
//!
//! Every act is proven to be recorded before it is shown. Texts and files that stay beside the log are asked for with the officer's key
//! and shown or saved only when they are what the act commits to; for who is not in the audience they stay closed.

use super::act::{self, Names};
use super::arguments::ReadArguments;
use super::degree;
use super::error::{Failure, Outcome, file_failure};
use super::output::Output;
use super::refer;
use super::session::{Connection, Session};
use super::submit::open_part;
use super::submit::prove_from;
use super::views::{self, local_time, member, plain, trail_rows};
use crate::node::{NodeClient, NodeError};
use crate::verify::read_event;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tally_schemas::api::{self, Answer, DegreeBody, PartBody};
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::entry::Entry;
use tally_schemas::event::Event;
use tally_schemas::id::{EventId, Hash};
use tally_schemas::proof::TlogProof;

/// The longest name that a saved file keeps, in characters.
const FILE_NAME_CHARS_MAX: usize = 100;

/// An act that was proven to be recorded.
struct Proven {
    id: EventId,
    event: Event,
    entry: Entry,
    /// What the node says of it: effective, overtaken, void.
    standing: Option<String>,
    /// Who else has confirmed that it holds it, by the word of the node.
    degree: DegreeBody,
    /// The parts that the caller may read, opened.
    parts: BTreeMap<Hash, Vec<u8>>,
    /// How many parts stay closed.
    closed: usize,
}

/// `tally read CASE|EVENT [--save DIR]`.
pub(super) fn run(arguments: &ReadArguments, session: &Session, output: &mut Output) -> Outcome {
    let mut connection = session.connect()?;
    output.know(&connection);
    let wanted: Vec<(EventId, Option<String>)> = if refer::names_event(&arguments.what) {
        vec![(refer::event(&connection.node, &arguments.what)?, None)]
    } else {
        let path = api::fill(api::path::TRAIL, &[&arguments.what]);
        let trail: Answer = connection.node.read(&path)?;
        let rows = trail_rows(&trail.data).into_iter();
        rows.filter_map(|row| {
            let standing = plain(member(row, &["standing"]));
            Some((views::event_of(row)?, Some(standing)))
        })
        .collect()
    };
    let mut acts = Vec::new();
    for (id, standing) in wanted {
        acts.push(prove(&id, standing, &connection)?);
    }
    // Only what stays beside the log needs the officer's key.
    if acts.iter().any(|act| !act.event.commitments().is_empty()) && session.settings.key.is_some() {
        connection = session.sign_in(output)?.0;
        for act in &mut acts {
            open_parts(act, &connection.node)?;
        }
    } else {
        for act in &mut acts {
            act.closed = act.event.commitments().len();
        }
    }
    let number = (!refer::names_event(&arguments.what)).then(|| arguments.what.clone());
    let mut posts: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut values = Vec::new();
    for act in &acts {
        let saved = match &arguments.save {
            Some(folder) => save(act, folder)?,
            None => Vec::new(),
        };
        let mut names = Names {
            case: number.clone(),
            posts: BTreeMap::new(),
        };
        if !output.json {
            let author = act.event.department.to_string();
            let language = output.texts.language;
            let known = posts
                .entry(author.clone())
                .or_insert_with(|| connection.post_names(&author, language));
            names.posts.clone_from(known);
        }
        tell(act, &names, &saved, output);
        values.push(value(act, &saved));
    }
    output.value(&json!({ "acts": values }));
    Ok(())
}

fn prove(id: &EventId, standing: Option<String>, connection: &Connection) -> Outcome<Proven> {
    let node = &connection.node;
    let proof = node.proof(id)?;
    let parsed = TlogProof::parse(&proof)?;
    let origin = Checkpoint::parse(&parsed.checkpoint.text)?.origin;
    let bytes = node.entry(&origin, parsed.index)?;
    let proven = prove_from(node, &connection.trust, id, &bytes, &proof)?;
    let (_, event) = read_event(&proven.entry.payload)?;
    Ok(Proven {
        id: *id,
        event,
        entry: proven.entry,
        standing,
        degree: node.degree(id)?.degree,
        parts: BTreeMap::new(),
        closed: 0,
    })
}

fn open_parts(act: &mut Proven, node: &NodeClient) -> Outcome {
    let author = act.entry.header.origin.department.clone();
    for stated in act.event.commitments() {
        let path = api::fill(api::path::PART, &[author.as_str(), &stated.commit.to_hex()]);
        match node.read::<PartBody>(&path) {
            Ok(body) => {
                let (commit, content) = open_part(&act.event, &body)?;
                if commit != stated.commit {
                    return Err(Failure::corrupt("error.part-mismatch").with("commit", stated.commit));
                }
                act.parts.insert(commit, content);
            }
            Err(NodeError::Refused { status: 404, .. }) => act.closed += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn tell(act: &Proven, names: &Names, saved: &[PathBuf], output: &mut Output) {
    let texts = output.texts;
    let header = &act.entry.header;
    let at = local_time(&header.recorded.to_string(), output.offset_minutes);
    let standing = act.standing.as_deref().unwrap_or_default();
    let standing = match standing {
        "" | "effective" => String::new(),
        other => format!("  {}", texts.name("standing", other)),
    };
    output.line(&format!(
        "{at}  {}  {}/{}{standing}",
        texts.kind(act.event.kind.as_str()),
        header.origin.department,
        header.index
    ));
    let mut rows = vec![vec![texts.say("column.event").to_owned(), act.id.to_string()]];
    rows.push(vec![
        texts.say("column.confirmed").to_owned(),
        degree::short(texts, &act.degree),
    ]);
    rows.extend(act::rows(output.reader(), &act.event, &act.parts, names));
    output.table(&[texts.say("column.field"), texts.say("column.value")], rows);
    for path in saved {
        output.line(&texts.fill("ui.file-saved", &[("path", &path.display())]));
    }
    if act.closed > 0 && !output.json {
        output.side(&texts.fill("ui.parts-closed", &[("count", &act.closed)]));
    }
    output.line("");
}

fn value(act: &Proven, saved: &[PathBuf]) -> Value {
    let header = &act.entry.header;
    let parts: BTreeMap<String, usize> = act
        .parts
        .iter()
        .map(|(commit, content)| (commit.to_hex(), content.len()))
        .collect();
    json!({
        "event": act.id.to_string(), "origin": header.origin.to_string(), "index": header.index,
        "recorded": header.recorded.to_string(), "standing": act.standing, "verified": true,
        "degree": act.degree.degree, "hosts": act.degree.hosts,
        "content": serde_json::from_str::<Value>(&act.event.to_json().to_canonical()).unwrap_or_default(),
        "partsOpened": parts, "partsClosed": act.closed, "saved": saved,
    })
}

/// Writes the attachments of an act into a folder; never over a file that is there.
fn save(act: &Proven, folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut saved = Vec::new();
    for (number, file) in act.event.attachments.iter().enumerate() {
        let Some(content) = act.parts.get(&file.content.commit) else {
            continue;
        };
        std::fs::create_dir_all(folder).map_err(|error| file_failure(folder, &error))?;
        let place = format!(
            "{}-{}-{}",
            act.entry.header.origin.department,
            act.entry.header.index,
            number + 1
        );
        let path = folder.join(format!("{place}-{}", file_name(&file.name)));
        if path.exists() {
            return Err(Failure::invalid("error.file-exists").with("path", path.display()));
        }
        std::fs::write(&path, content).map_err(|error| file_failure(&path, &error))?;
        saved.push(path);
    }
    Ok(saved)
}

/// Keeps of a name that another department chose what cannot lead out of a folder or hide the file.
fn file_name(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(|letter| {
            if letter.is_control() || matches!(letter, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|') {
                '_'
            } else {
                letter
            }
        })
        .take(FILE_NAME_CHARS_MAX)
        .collect();
    kept.trim_matches(['.', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_of_another_department_stays_in_its_folder() {
        assert_eq!(file_name("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(file_name("..\\x\u{0}y"), "_x_y");
        assert_eq!(
            file_name("\u{7b54}\u{590d}\u{51fd}.pdf"),
            "\u{7b54}\u{590d}\u{51fd}.pdf"
        );
        assert_eq!(file_name(&"a".repeat(500)).len(), FILE_NAME_CHARS_MAX);
        assert_eq!(file_name(".hidden"), "hidden");
    }
}
