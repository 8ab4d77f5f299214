//! The checked-in JSON Schemas against the field tables, the golden vectors and a validator that is not ours.
#![cfg(test)]

use jsonschema::{Registry, Resource, Validator};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tally_schemas::event::{Event, Kind};
use tally_schemas::json_schema::files;
use tally_schemas::limits::NOTE_BYTES_MAX;
use tally_schemas::note::Note;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("json")
}

fn checked_in(name: &str) -> Value {
    let path = folder().join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn registry() -> Registry<'static> {
    let common = checked_in("common");
    let id = common["$id"].as_str().unwrap().to_owned();
    let resource = Resource::from_contents(common);
    Registry::new().add(id, resource).unwrap().prepare().unwrap()
}

fn validator<'a>(registry: &'a Registry<'a>, name: &str) -> Validator {
    jsonschema::options()
        .with_registry(registry)
        .build(&checked_in(name))
        .unwrap()
}

fn line_of(path: &Path) -> Value {
    let note = Note::parse(&std::fs::read(path).unwrap(), NOTE_BYTES_MAX).unwrap();
    serde_json::from_str(note.text.lines().nth(1).unwrap()).unwrap()
}

fn vectors(folder: &str) -> Vec<PathBuf> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> = std::fs::read_dir(home.join("vectors").join(folder))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    paths
}

fn is_bad(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().starts_with("bad-")
}

#[test]
fn the_checked_in_schemas_are_those_of_the_tables() {
    if std::env::var_os("TALLY_BLESS").is_some() {
        for (name, text) in files() {
            std::fs::write(folder().join(name), text).unwrap();
        }
    }
    let names: BTreeSet<String> = files().into_iter().map(|(name, _)| name).collect();
    let present: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".json"))
        .collect();
    assert!(names.is_subset(&present), "{:?}", names.difference(&present));
    for (name, text) in files() {
        assert_eq!(
            std::fs::read_to_string(folder().join(&name)).unwrap(),
            text,
            "{name}"
        );
    }
}

#[test]
fn every_schema_is_a_schema() {
    for (name, text) in files() {
        let schema: Value = serde_json::from_str(&text).unwrap();
        jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        jsonschema::options()
            .with_registry(&registry())
            .build(&schema)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn golden_vectors_are_valid() {
    let registry = registry();
    for folder in ["epoch", "event", "genesis", "governance"] {
        for path in vectors(folder).iter().filter(|path| !is_bad(path)) {
            let value = line_of(path);
            let note = Note::parse(&std::fs::read(path).unwrap(), NOTE_BYTES_MAX).unwrap();
            let name = match folder {
                "event" => match Event::parse_text(&note.text).unwrap().kind {
                    Kind::Known(kind) => kind.as_str(),
                    Kind::Unknown(_) => continue,
                },
                other => other,
            };
            let validator = validator(&registry, name);
            if let Err(error) = validator.validate(&value) {
                panic!("{path:?}: {error} at {}", error.instance_path());
            }
        }
    }
}

/// What a schema can see it refuses; the rest (bytes, order, what exists) is listed so that the list cannot grow unseen.
#[test]
fn bad_vectors_are_invalid_where_a_schema_can_see_it() {
    let registry = registry();
    let mut unseen = Vec::new();
    for folder in ["epoch", "event", "genesis", "governance"] {
        for path in vectors(folder).iter().filter(|path| is_bad(path)) {
            let Ok(note) = Note::parse(&std::fs::read(path).unwrap(), NOTE_BYTES_MAX) else {
                continue;
            };
            let line = note.text.lines().nth(1).unwrap();
            let Ok(value) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            let name = match folder {
                "event" => value["kind"].as_str().unwrap(),
                other => other,
            };
            if !self::folder().join(format!("{name}.json")).exists() {
                continue;
            }
            if validator(&registry, name).is_valid(&value) {
                unseen.push(format!(
                    "{folder}/{}",
                    path.file_stem().unwrap().to_string_lossy()
                ));
            }
        }
    }
    insta::assert_snapshot!(unseen.join("\n"));
}
