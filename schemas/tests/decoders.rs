//! Laws of the decoders: one byte form, and no panic whatever comes.
#![cfg(test)]

mod strategies;

use jsonschema::{Registry, Resource};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use strategies::{Mutation, mutate, mutations};
use tally_schemas::entry::{Entry, PayloadKind};
use tally_schemas::epoch::Opening;
use tally_schemas::event::{Event, EventKind};
use tally_schemas::genesis::Genesis;
use tally_schemas::governance::Governance;
use tally_schemas::json::Json;
use tally_schemas::json_schema;
use tally_schemas::limits::EVENT_NOTE_BYTES_MAX;
use tally_schemas::note::Note;
use tally_schemas::number::CaseNumber;
use tally_schemas::statement::Statement;

/// Decodes with every decoder; what one accepts it must encode to the same bytes.
fn refused_or_equal(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(entry) = Entry::parse(bytes) {
        prop_assert_eq!(entry.to_bytes(), bytes);
        let _ = PayloadKind::of(&entry.payload);
    }
    if let Ok(note) = Note::parse(bytes, EVENT_NOTE_BYTES_MAX) {
        prop_assert_eq!(note.to_bytes(), bytes);
        text_refused_or_equal(&note.text)?;
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        text_refused_or_equal(text)?;
    }
    Ok(())
}

fn text_refused_or_equal(text: &str) -> Result<(), TestCaseError> {
    if let Ok(event) = Event::parse_text(text) {
        prop_assert_eq!(event.to_text(), text);
        let _ = (event.texts(), event.commitments());
    }
    if let Ok(statement) = Statement::parse_text(text) {
        prop_assert_eq!(statement.to_text(), text);
    }
    if let Ok(genesis) = Genesis::parse_text(text) {
        prop_assert_eq!(genesis.to_text(), text);
    }
    if let Ok(governance) = Governance::parse_text(text) {
        prop_assert_eq!(governance.to_text(), text);
    }
    if let Ok(opening) = Opening::parse_text(text) {
        prop_assert_eq!(opening.to_text(), text);
    }
    if let Ok(number) = CaseNumber::parse(text) {
        prop_assert_eq!(number.to_string(), text);
    }
    Ok(())
}

fn check(bytes: Vec<u8>, changes: &[Mutation]) -> Result<(), TestCaseError> {
    refused_or_equal(&bytes)?;
    refused_or_equal(&mutate(bytes, changes))
}

/// Every kind has valid events, each survives its text, and the JSON Schema of the kind accepts it.
#[test]
fn events_of_every_kind_survive_their_text_and_fit_their_schema() {
    let value = |json: &Json| -> serde_json::Value { serde_json::from_str(&json.to_canonical()).unwrap() };
    let common = Resource::from_contents(value(&json_schema::common()));
    let registry = Registry::new()
        .add("tally:///schemas/v1/common.json", common)
        .unwrap()
        .prepare()
        .unwrap();
    for kind in EventKind::ALL {
        let validator = jsonschema::options()
            .with_registry(&registry)
            .build(&value(&json_schema::event(*kind)))
            .unwrap();
        let mut runner = TestRunner::new(Config::with_cases(8));
        runner
            .run(&strategies::event(*kind), |event| {
                let text = event.to_text();
                prop_assert_eq!(Event::parse_text(&text), Ok(event.clone()));
                let json = value(&event.to_json());
                if let Err(error) = validator.validate(&json) {
                    return Err(TestCaseError::fail(format!(
                        "{error} at {}",
                        error.instance_path()
                    )));
                }
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{}: {error}", kind.as_str()));
    }
}

/// Of every kind: no declared field that is required may be missing, and no other may be there.
#[test]
fn every_kind_refuses_missing_and_unknown_fields() {
    for kind in EventKind::ALL {
        let mut runner = TestRunner::new(Config::with_cases(2));
        runner
            .run(&strategies::event_json(*kind), |json| {
                let Json::Object(members) = json else {
                    unreachable!()
                };
                let body = members["body"].as_object().unwrap();
                let with_body = |body| {
                    let mut changed = members.clone();
                    changed.insert("body".to_owned(), Json::Object(body));
                    Event::from_json(&Json::Object(changed))
                };
                for field in kind.fields().iter().filter(|field| field.required) {
                    let mut fewer = body.clone();
                    fewer.remove(field.name);
                    prop_assert!(
                        with_body(fewer).is_err(),
                        "{} without {}",
                        kind.as_str(),
                        field.name
                    );
                }
                let mut more = body.clone();
                more.insert("unknownField".to_owned(), Json::Bool(true));
                prop_assert!(with_body(more).is_err());
                for name in members.keys() {
                    let mut fewer = members.clone();
                    fewer.remove(name);
                    let optional = [
                        "after",
                        "attachments",
                        "corrects",
                        "docNo",
                        "effective",
                        "externalRef",
                        "legalBasis",
                        "mandate",
                        "paper",
                        "to",
                    ];
                    let refused = Event::from_json(&Json::Object(fewer)).is_err();
                    prop_assert_eq!(refused, !optional.contains(&name.as_str()), "{}", name);
                }
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{}: {error}", kind.as_str()));
    }
}

proptest! {
    #[test]
    fn event_notes_keep_one_form(note in strategies::event_note(), changes in mutations()) {
        prop_assert_eq!(Note::parse(&note.to_bytes(), EVENT_NOTE_BYTES_MAX), Ok(note.clone()));
        check(note.to_bytes(), &changes)?;
    }

    #[test]
    fn statements_keep_one_form(statement in strategies::statement(), changes in mutations()) {
        prop_assert_eq!(Statement::parse_text(&statement.to_text()), Ok(statement.clone()));
        check(statement.to_text().into_bytes(), &changes)?;
    }

    #[test]
    fn entries_keep_one_form(entry in strategies::entry(), changes in mutations()) {
        prop_assert_eq!(Entry::parse(&entry.to_bytes()), Ok(entry.clone()));
        check(entry.to_bytes(), &changes)?;
    }

    #[test]
    fn foundings_keep_one_form(genesis in strategies::genesis(), changes in mutations()) {
        prop_assert_eq!(Genesis::parse_text(&genesis.to_text()), Ok(genesis.clone()));
        check(genesis.to_text().into_bytes(), &changes)?;
    }

    #[test]
    fn governance_keeps_one_form(governance in strategies::governance(), changes in mutations()) {
        prop_assert_eq!(Governance::parse_text(&governance.to_text()), Ok(governance.clone()));
        check(governance.to_text().into_bytes(), &changes)?;
    }

    #[test]
    fn openings_keep_one_form(opening in strategies::opening(), changes in mutations()) {
        prop_assert_eq!(Opening::parse_text(&opening.to_text()), Ok(opening.clone()));
        check(opening.to_text().into_bytes(), &changes)?;
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        refused_or_equal(&bytes)?;
    }

    #[test]
    fn arbitrary_bytes_after_a_magic_line_never_panic(
        magic in proptest::sample::select(vec![
            "tally/event/v1\n", "tally/statement/v1\n", "tally/entry/v1\n", "tally/genesis/v1\n", "tally/governance/v1\n", "tally/epoch/v1\n",
        ]),
        rest in "[ -~\n]{0,200}",
    ) {
        refused_or_equal(format!("{magic}{rest}").as_bytes())?;
    }
}
