//! `tally play`: signs and submits the steps of a scenario against a running trial, and tells its reader what happens.

use super::arguments::{CaseArguments, DueArguments, InboxArguments, PlayArguments};
use super::error::{Failure, Outcome, file_failure};
use super::output::{Output, Terminal};
use super::session::Session;
use super::views;
use crate::explain;
use crate::federation::Plan;
use crate::play::{
    KeyFolder, Play, PlayError, Progress, Report, Scenario, ScenarioError, ScenarioFolder, StepError,
    TargetError, Trial, View,
};
use crate::settings::Settings;
use crate::texts::Texts;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tally_ledger::authority::Registry;
use tally_schemas::id::DepartmentId;

/// How long the nodes of a trial may take to start.
const READY_MAX: Duration = Duration::from_secs(60);

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        Self::invalid("error.scenario")
            .chain(&error)
            .hint("hint.scenario")
    }
}

impl From<PlayError> for Failure {
    fn from(error: PlayError) -> Self {
        let (failure, source) = match &error {
            PlayError::Start(source) => (Self::invalid("error.play-start"), source),
            PlayError::Step { step, source } => {
                let failure = match source {
                    StepError::Outcome { .. } => Self::refusal("error.play-step"),
                    _ => Self::invalid("error.play-step"),
                };
                (failure.with("step", step), source)
            }
        };
        let hint = match source {
            StepError::Target(TargetError::Unreachable { .. }) => "hint.play-trial",
            StepError::Target(_) => "hint.play-fresh",
            _ => "hint.scenario",
        };
        failure.chain(source).hint(hint)
    }
}

pub(super) fn run(arguments: &PlayArguments, session: &Session, output: &mut Output) -> Outcome {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| file_failure(path, &error));
    let scenario = Scenario::parse_toml(&read(&arguments.file)?)?;
    let beside = arguments.file.parent().unwrap_or(Path::new("."));
    let plan = Plan::parse_toml(&read(&beside.join(&scenario.federation))?)?;
    let genesis_path = arguments.to.join("genesis.note");
    let genesis = std::fs::read(&genesis_path).map_err(|error| file_failure(&genesis_path, &error))?;
    let registry =
        Registry::found(&genesis).map_err(|error| Failure::invalid("error.play-start").chain(&error))?;
    let passphrase = session.passphrase(&arguments.to, output)?;
    let texts = output.texts;
    let show = Box::new(|node: &str, view: &View| rendered(texts, node, &genesis_path, view));
    let told = |error: TargetError| Failure::from(PlayError::Start(error.into()));
    let mut trial = Trial::open(&arguments.to, &registry, show).map_err(told)?;
    trial.wait_ready(READY_MAX).map_err(told)?;
    let keys = KeyFolder::new(
        &arguments.to.join("keys"),
        registry.federation().clone(),
        passphrase,
    );
    let mut around = ScenarioFolder {
        folder: beside.to_owned(),
    };
    output.line(scenario.title.of(texts.language));
    let mut reader = Reader {
        names: registry
            .departments(0)
            .map(|record| {
                let pair = [&record.name_en, &record.name_zh];
                let name = pair.get(usize::from(texts.language.tag() == "zh")).copied();
                (record.id.clone(), name.cloned().unwrap_or_default())
            })
            .collect(),
        output,
    };
    let mut play = Play::new(&plan, &genesis, keys, &mut trial, &mut around, &mut reader)?;
    play.rosters(&arguments.to.join("roster"))?;
    play.run(&scenario)?;
    let labels: serde_json::Map<String, serde_json::Value> = play
        .labels()
        .iter()
        .map(|(label, id)| (label.clone(), id.to_string().into()))
        .collect();
    output.value(&serde_json::json!({ "steps": scenario.steps.len(), "labels": labels }));
    Ok(())
}

/// Lays a view out as its own command does.
fn rendered(texts: Texts, node: &str, genesis: &Path, view: &View) -> Result<String, TargetError> {
    let page = Page::default();
    let mut output = Output::new(
        texts,
        false,
        Terminal::default(),
        Box::new(page.clone()),
        Box::new(page.clone()),
    );
    let session = Session::of(Settings {
        node: Some(node.to_owned()),
        genesis: Some(genesis.to_owned()),
        ..Settings::default()
    });
    let outcome = match view {
        View::Trail(case) => {
            let arguments = CaseArguments {
                case: case.to_string(),
            };
            views::trail(&arguments, &session, &mut output)
        }
        View::Due { department, overdue } => {
            let arguments = DueArguments {
                case: None,
                department: department.as_ref().map(ToString::to_string),
                overdue: *overdue,
                explain: true,
            };
            views::due(&arguments, &session, &mut output)
        }
        View::Inbox { department, post } => {
            let arguments = InboxArguments {
                post: Some(post.to_string()),
                department: Some(department.to_string()),
            };
            views::inbox(&arguments, &session, &mut output)
        }
    };
    outcome.map_err(|failure| TargetError::Answer {
        node: node.to_owned(),
        why: failure.message(texts),
    })?;
    let text = String::from_utf8_lossy(&page.0.borrow()).into_owned();
    Ok(text)
}

/// Keeps what is written.
#[derive(Debug, Clone, Default)]
struct Page(Rc<RefCell<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells each step in a line.
struct Reader<'a> {
    names: BTreeMap<DepartmentId, String>,
    output: &'a mut Output,
}

impl Reader<'_> {
    fn name<'s>(&'s self, department: &'s DepartmentId) -> &'s str {
        self.names
            .get(department)
            .map_or(department.as_str(), String::as_str)
    }

    fn line(&self, step: usize, progress: &Progress<'_>) -> String {
        let texts = self.output.texts;
        match progress {
            Progress::Heading(pair) => format!("\n{}", pair.of(texts.language)),
            Progress::Note(pair) => format!("\n  {}", pair.of(texts.language)),
            Progress::Rosters { departments, events } => texts.fill(
                "ui.play-rosters",
                &[("departments", departments), ("events", events)],
            ),
            Progress::Recorded {
                at,
                department,
                kind,
                case,
                index,
            } => texts.fill(
                "ui.play-recorded",
                &[
                    ("step", &format!("{step:>3}")),
                    ("at", at),
                    ("department", &self.name(department)),
                    ("kind", &texts.kind(kind.as_str())),
                    ("case", &case.unwrap_or("-")),
                    ("index", index),
                ],
            ),
            Progress::Refused {
                at,
                department,
                kind,
                case,
                refused,
            } => {
                let what = explain::refusal_text(texts, &refused.code, &refused.what);
                texts.fill(
                    "ui.play-refused",
                    &[
                        ("step", &format!("{step:>3}")),
                        ("at", at),
                        ("department", &self.name(department)),
                        ("kind", &texts.kind(kind.as_str())),
                        ("case", &case.unwrap_or("-")),
                        ("code", &refused.code),
                        ("what", &what),
                    ],
                )
            }
            Progress::Governance {
                at,
                department,
                role,
                taken,
                refused,
            } => {
                let key = match (refused.is_some(), taken) {
                    (true, _) => "ui.play-governance-refused",
                    (false, true) => "ui.play-taken",
                    (false, false) => "ui.play-given",
                };
                let why = refused.map_or("", |refused| refused.code.as_str());
                texts.fill(
                    key,
                    &[
                        ("step", &format!("{step:>3}")),
                        ("at", at),
                        ("department", &self.name(department)),
                        ("role", &texts.name("role", role.as_str())),
                        ("code", &why),
                    ],
                )
            }
            Progress::Node { node, state } => {
                let key = match state.as_str() {
                    "offline" => "ui.play-node-offline",
                    "online" => "ui.play-node-online",
                    "cut" => "ui.play-node-cut",
                    _ => "ui.play-node-joined",
                };
                texts.fill(key, &[("step", &format!("{step:>3}")), ("node", node)])
            }
            Progress::Together { nodes } => {
                let nodes: Vec<&str> = nodes.iter().map(tally_schemas::id::NodeId::as_str).collect();
                texts.fill(
                    "ui.play-together",
                    &[("step", &format!("{step:>3}")), ("nodes", &nodes.join(", "))],
                )
            }
            Progress::Shown(text) => (*text).trim_end().to_owned(),
            Progress::Equal { nodes, digest } => {
                let digest: String = digest.chars().take(16).collect();
                texts.fill(
                    "ui.play-equal",
                    &[
                        ("step", &format!("{step:>3}")),
                        ("nodes", nodes),
                        ("digest", &digest),
                    ],
                )
            }
            Progress::Stage { case, stage } => texts.fill(
                "ui.play-stage",
                &[
                    ("step", &format!("{step:>3}")),
                    ("case", case),
                    ("stage", &texts.name("stage", stage)),
                ],
            ),
        }
    }
}

impl Report for Reader<'_> {
    fn told(&mut self, step: usize, progress: Progress<'_>) {
        let line = self.line(step, &progress);
        self.output.line(&line);
    }
}
