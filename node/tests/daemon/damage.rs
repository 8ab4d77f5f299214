//! Each file of a node's folder in turn deleted, cut and altered in one bit: the damage is noticed, never served, and healed.

use crate::federation::{DEPARTMENTS, Detached, Federation, key};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tally_ledger::checkpoint::{LogKey, OtherLines, verify_checkpoint};
use tally_schemas::id::Origin;
use tally_schemas::tile::{BundleId, parse_bundle};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Damage {
    Deleted,
    Cut,
    Altered,
}

impl Damage {
    fn inflict(self, path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        match self {
            Self::Deleted => return std::fs::remove_file(path).unwrap(),
            Self::Cut => bytes.truncate(middle),
            Self::Altered => bytes[middle] ^= 1,
        }
        std::fs::write(path, bytes).unwrap();
    }
}

/// The files below a folder, relative to it, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for item in std::fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if std::fs::metadata(&path).unwrap().len() > 0 {
                found.push(path);
            }
        }
    }
    let mut found: Vec<PathBuf> = found
        .iter()
        .map(|path| path.strip_prefix(folder).unwrap().to_owned())
        .collect();
    found.sort();
    found
}

/// Node 1 of the federation, which is stopped and started through another node.
struct Patient {
    federation: Federation,
    /// The first entries of every log, as node 3 has them.
    entries: Vec<(&'static str, Vec<Vec<u8>>)>,
    parts: [String; 2],
}

impl Patient {
    fn new() -> Self {
        let mut federation = Federation::running();
        federation.file();
        let text = Detached::new("grounds that only the two departments read");
        let file = Detached::new("an attached letter");
        let event = federation.closed_request(&text, &file);
        let note = String::from_utf8(federation.sign(&event, 2)).unwrap();
        let whole = json!({"note": note, "parts": [text.body(), file.body()]});
        let (status, body) = federation.post(1, "/v1/submit", None, &whole);
        assert_eq!(status, 200, "{body}");
        federation.await_equal();
        let parts = [&text, &file].map(|part| format!("/v1/parts/housing/{}", part.commitment().commit));
        let token = federation.fresh_token("civil", "h1", 2);
        for part in &parts {
            federation.await_that("civil's node has fetched the part", |federation| {
                federation.get_as(2, part, Some(&token)).unwrap().0 == 200
            });
        }
        let patient = Self {
            entries: DEPARTMENTS
                .iter()
                .map(|(id, ..)| (*id, entries_of(&federation, 3, id)))
                .collect(),
            federation,
            parts,
        };
        patient.turn("offline").unwrap();
        patient
    }

    fn folder(&self) -> PathBuf {
        self.federation.data(1)
    }

    fn turn(&self, state: &str) -> Result<(), String> {
        let (status, body) =
            self.federation
                .post(3, &format!("/v1/trial/nodes/n1/{state}"), None, &Value::Null);
        if status == 200 {
            Ok(())
        } else {
            Err(body.to_string())
        }
    }

    /// Runs a command of the program on the stopped node; returns whether it succeeded and what it said.
    fn operate(&self, words: &[&str]) -> (bool, String) {
        let config = self.federation.folder().join("nodes/n1.toml");
        let output = Command::new(env!("CARGO_BIN_EXE_tally-node"))
            .arg(words[0])
            .arg(config)
            .args(&words[1..])
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    /// The node is up: it comes to what the others hold, and what it serves is what was recorded.
    fn is_sound(&self, what: &str) {
        self.federation.await_that(what, |federation| {
            federation
                .get(1, "/readyz")
                .is_some_and(|(status, _)| status == 200)
        });
        self.federation.await_equal();
        for (department, recorded) in &self.entries {
            let path = format!("/v1/logs/{department}/checkpoint");
            self.federation
                .await_that(&format!("{what}: {path}"), |federation| {
                    federation.get(1, &path).unwrap().0 == 200
                });
            let (_, note) = self.federation.get(1, &path).unwrap();
            let key = log_key(&self.federation, department);
            let checkpoint = verify_checkpoint(&note, &key, OtherLines::Refuse)
                .unwrap_or_else(|error| panic!("{what}: {path}: {error}"));
            let bundle = BundleId {
                index: 0,
                width: u16::try_from(checkpoint.head().size).unwrap(),
            };
            let path = format!("/v1/logs/{department}/{}", bundle.path());
            let (status, bytes) = self.federation.get(1, &path).unwrap();
            assert_eq!(status, 200, "{what}: {path}");
            let served = parse_bundle(&bytes, bundle.width).unwrap();
            let common = served.len().min(recorded.len());
            assert!(common > 0, "{what}: {path}");
            assert_eq!(served[..common], recorded[..common], "{what}: {path}");
        }
        let token = self.federation.fresh_token("housing", "o1", 1);
        for part in &self.parts {
            self.federation
                .await_that(&format!("{what}: {part}"), |federation| {
                    federation.get_as(1, part, Some(&token)).unwrap().0 == 200
                });
        }
    }
}

fn log_key(federation: &Federation, department: &str) -> LogKey {
    let origin = Origin::parse(&format!("{}/{department}/1", federation.id)).unwrap();
    LogKey::new(&origin, &key(&format!("log {department}")).public_key())
}

fn entries_of(federation: &Federation, node: usize, department: &str) -> Vec<Vec<u8>> {
    let read = |index: usize| {
        let path = format!("/v1/logs/{department}/entries/{index}");
        let (status, bytes) = federation.get(node, &path).unwrap();
        (status == 200).then_some(bytes)
    };
    (0..).map_while(read).collect()
}

#[test]
fn each_damaged_file_is_noticed_never_served_and_healed() {
    let patient = Patient::new();
    let all = files(&patient.folder());
    // The lock has tests of its own: what it said is not to be had from anywhere else.
    let tried: Vec<&PathBuf> = all
        .iter()
        .filter(|file| !file.starts_with("lock") && !file.starts_with("in-use"))
        .collect();
    for folder in ["own", "logs", "parts", "snapshot"] {
        assert!(
            tried.iter().any(|file| file.starts_with(folder)),
            "no file in {folder}/: {all:?}"
        );
    }
    let (mut refused, mut healed) = (0, 0);
    // Each damage is inflicted on what the one before left: healed, the node went on, and must not be put back to an older copy.
    for file in tried {
        for damage in [Damage::Deleted, Damage::Cut, Damage::Altered] {
            let what = format!("{} {damage:?}", file.display());
            let path = patient.folder().join(file);
            if !path.exists() {
                // A partial file that a longer one has replaced since.
                continue;
            }
            damage.inflict(&path);
            let (holds, said) = patient.operate(&["fsck"]);
            // What the others can be asked for, and what is derived, is mended without asking anybody.
            let outcome = patient.turn("online");
            match outcome {
                Ok(()) => healed += 1,
                Err(why) => {
                    refused += 1;
                    assert!(file.starts_with("own"), "{what}: {why}");
                    assert!(!holds, "{what}: the node does not start, yet fsck said: {said}");
                    assert!(why.contains("remedy"), "{what}: {why}");
                    let (mended, said) = patient.operate(&["refill"]);
                    assert!(mended && said.contains("written again"), "{what}: {why}\n{said}");
                    patient.turn("online").unwrap();
                }
            }
            patient.is_sound(&what);
            patient.turn("offline").unwrap();
            let (holds, said) = patient.operate(&["fsck"]);
            assert!(holds, "{what}: after it was healed: {said}");
        }
    }
    println!(
        "{refused} damages stopped the start and were refilled, {healed} were healed by the node itself"
    );
    assert!(refused > 0 && healed > 0);
}

#[test]
fn a_log_that_lost_its_files_too_is_refilled_from_the_copy_of_another_node() {
    let mut patient = Patient::new();
    patient.federation.terminate();
    Damage::Deleted.inflict(&patient.folder().join("own/housing-1/db"));
    std::fs::remove_dir_all(patient.folder().join("logs/housing-1")).unwrap();
    let (done, said) = patient.operate(&["refill"]);
    assert!(
        !done && said.contains("tally log export --origin housing --to DIR"),
        "{said}"
    );
    let copy = patient.federation.data(2).join("logs/housing-1");
    let other = patient.federation.data(2).join("logs/civil-1");
    let from = |folder: &Path| {
        let folder = folder.to_str().unwrap();
        patient.operate(&["refill", "--department", "housing", "--from", folder])
    };
    let (done, said) = from(&other);
    assert!(
        !done && said.contains("it is of") && said.contains("civil/1"),
        "{said}"
    );
    let (done, said) = from(&copy);
    assert!(
        done && said.contains("written again up to the signing lock"),
        "{said}"
    );
    let (done, said) = from(&copy);
    assert!(done && said.contains("nothing to do"), "{said}");
    let (_, said) = patient.operate(&["refill", "--department", "nobody"]);
    assert!(said.contains("hosts no department nobody"), "{said}");
    patient.federation.start();
    patient.is_sound("refilled from a copy");
}
