//! The golden vectors of events, statements, entries, genesis, governance and openings against the decoders.
//!
//! `NAME.txt` is the exact bytes, `NAME.md` its readable twin. What begins with `bad-` must be refused with exactly the
//! error that its twin states (`TALLY_BLESS=1` writes it). The ledger's tests check ids and signatures.
#![cfg(test)]

use std::path::{Path, PathBuf};
use tally_schemas::FormatError;
use tally_schemas::entry::Entry;
use tally_schemas::epoch::Opening;
use tally_schemas::event::personal::find_in_event;
use tally_schemas::event::{CaseKind, Event, Kind, Text};
use tally_schemas::genesis::Genesis;
use tally_schemas::governance::Governance;
use tally_schemas::limits::{
    ENTRY_BYTES_MAX, EPOCH_NOTE_BYTES_MAX, EVENT_NOTE_BYTES_MAX, GENESIS_BYTES_MAX, GOVERNANCE_NOTE_BYTES_MAX,
};
use tally_schemas::note::Note;
use tally_schemas::statement::Statement;

const FOLDERS: [&str; 6] = ["entry", "epoch", "event", "genesis", "governance", "statement"];

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn vectors(folder: &str, bad: bool) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(home().join("vectors").join(folder))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("bad-") == bad)
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no vectors in {folder}");
    paths
}

/// Decodes bytes of a folder's format and encodes what was read.
fn recode(folder: &str, bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
    let note = |limit| Note::parse(bytes, limit);
    let again = |note: &Note, text: String| {
        Note {
            text,
            lines: note.lines.clone(),
        }
        .to_bytes()
    };
    match folder {
        "entry" => Entry::parse(bytes).map(|entry| entry.to_bytes()),
        "statement" => {
            let text = std::str::from_utf8(bytes).unwrap();
            Statement::parse_text(text).map(|statement| statement.to_text().into_bytes())
        }
        "event" => {
            let note = note(EVENT_NOTE_BYTES_MAX)?;
            Event::parse_text(&note.text).map(|event| again(&note, event.to_text()))
        }
        "genesis" => {
            let note = note(GENESIS_BYTES_MAX)?;
            Genesis::parse_text(&note.text).map(|genesis| again(&note, genesis.to_text()))
        }
        "epoch" => {
            let note = note(EPOCH_NOTE_BYTES_MAX)?;
            Opening::parse_text(&note.text).map(|opening| again(&note, opening.to_text()))
        }
        "governance" => {
            let note = note(GOVERNANCE_NOTE_BYTES_MAX)?;
            Governance::parse_text(&note.text).map(|governance| again(&note, governance.to_text()))
        }
        other => panic!("no folder {other}"),
    }
}

fn events() -> Vec<Event> {
    vectors("event", false)
        .iter()
        .map(|path| {
            let note = Note::parse(&std::fs::read(path).unwrap(), EVENT_NOTE_BYTES_MAX).unwrap();
            Event::parse_text(&note.text).unwrap()
        })
        .collect()
}

#[test]
fn every_vector_encodes_back_to_its_bytes() {
    for folder in FOLDERS {
        for path in vectors(folder, false) {
            let bytes = std::fs::read(&path).unwrap();
            let again = recode(folder, &bytes).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            assert_eq!(
                String::from_utf8_lossy(&again),
                String::from_utf8_lossy(&bytes),
                "{path:?}"
            );
        }
    }
}

#[test]
fn every_bad_vector_is_refused_with_the_error_of_its_twin() {
    for folder in FOLDERS {
        for path in vectors(folder, true) {
            let error = match recode(folder, &std::fs::read(&path).unwrap()) {
                Ok(_) => panic!("{path:?} is accepted"),
                Err(error) => error.to_string(),
            };
            let twin = path.with_extension("md");
            let text = std::fs::read_to_string(&twin).unwrap();
            let (before, stated) = text.split_once("- error: `").unwrap();
            if std::env::var_os("TALLY_BLESS").is_some() {
                std::fs::write(&twin, format!("{before}- error: `{error}`\n")).unwrap();
            } else {
                assert_eq!(stated, format!("{error}`\n"), "{path:?}");
            }
        }
    }
}

#[test]
fn the_event_vectors_cover_what_events_can_be() {
    let events = events();
    for case_kind in CaseKind::ALL {
        let covered = |event: &Event| {
            event
                .kind
                .known()
                .is_some_and(|kind| kind.case_kind() == *case_kind)
        };
        assert!(events.iter().any(covered), "{}", case_kind.as_str());
    }
    let has = |what: &str, test: fn(&Event) -> bool| assert!(events.iter().any(test), "{what}");
    has("an unknown kind", |event| matches!(event.kind, Kind::Unknown(_)));
    has("an approver", |event| event.signers.len() == 2);
    has("both roles", |event| event.signers[0].roles.len() == 2);
    has("a narrow audience", |event| {
        event.audience != tally_schemas::event::Audience::All
    });
    has("a paper", |event| event.paper.is_some());
    has("a paper source", |event| {
        event.source == tally_schemas::event::Source::Paper
    });
    has("an import", |event| {
        event.source == tally_schemas::event::Source::Import
    });
    has("an attachment", |event| !event.attachments.is_empty());
    has("a detached text", |event| {
        event
            .texts()
            .iter()
            .any(|(_, text)| matches!(text, Text::Detached(_)))
    });
}

#[test]
fn event_vectors_hold_no_personal_numbers() {
    for event in events() {
        assert_eq!(find_in_event(&event), [], "{}", event.kind.as_str());
    }
}

#[test]
fn spec_pages_show_a_vector() {
    for (page, vector) in [
        ("event", "event/request-granted"),
        ("statement", "statement/heads"),
        ("entry", "entry/housing-1"),
        ("governance", "governance/admission"),
        ("epoch", "epoch/by-administrator"),
    ] {
        let text = std::fs::read_to_string(home().join(format!("spec/{page}.md"))).unwrap();
        let example = std::fs::read_to_string(home().join(format!("vectors/{vector}.txt"))).unwrap();
        assert!(
            text.contains(&example),
            "spec/{page}.md does not show {vector}.txt"
        );
    }
}

/// Over-limit inputs are made here: as files they would only be large.
#[test]
fn refuses_what_is_over_a_limit_before_reading_it() {
    let at_limit = |limit: usize| vec![b'x'; limit + 1];
    for (folder, limit) in [
        ("entry", ENTRY_BYTES_MAX),
        ("statement", ENTRY_BYTES_MAX),
        ("event", EVENT_NOTE_BYTES_MAX),
        ("genesis", GENESIS_BYTES_MAX),
        ("governance", GOVERNANCE_NOTE_BYTES_MAX),
        ("epoch", EPOCH_NOTE_BYTES_MAX),
    ] {
        let error = recode(folder, &at_limit(limit)).unwrap_err();
        assert!(matches!(error, FormatError::TooLong { .. }), "{folder}: {error}");
    }
}

#[test]
fn an_entry_may_be_as_long_as_the_limit() {
    let path = home().join("vectors/entry/housing-1.txt");
    let mut entry = Entry::parse(&std::fs::read(path).unwrap()).unwrap();
    let rest = ENTRY_BYTES_MAX - entry.to_bytes().len();
    entry.payload.push_str(&"x".repeat(rest));
    assert_eq!(Entry::parse(&entry.to_bytes()).unwrap(), entry);
    entry.payload.push('x');
    assert!(Entry::parse(&entry.to_bytes()).is_err());
}
