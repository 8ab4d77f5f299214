//! The scenario of the demonstration, over replicas in this process with real keys: what must come of it, and equally on every
//! node.

#[path = "scenario/in_process.rs"]
mod in_process;

use in_process::InProcess;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use tally_client::federation::{Plan, found};
use tally_client::keystore::{Passphrase, new_seed};
use tally_client::play::{KeyFolder, Play, Progress, Report, Scenario, ScenarioFolder};
use tally_ledger::cases::clocks::Limit;
use tally_ledger::cases::source::AsOf;
use tally_ledger::cases::{CaseState, Reversal, law, timing};
use tally_ledger::replica::Alarm;
use tally_ledger::rules::Status;
use tally_schemas::event::EventKind;
use tally_schemas::id::EventId;
use tally_schemas::profile::ClockId;
use tally_schemas::time::Timestamp;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/scenarios")
}

/// Counts what a reader would see.
#[derive(Default)]
struct Seen {
    recorded: BTreeMap<EventKind, usize>,
    refused: Vec<String>,
    offline: bool,
    recorded_offline: usize,
    shown: Vec<Value>,
}

impl Report for Seen {
    fn told(&mut self, _step: usize, progress: Progress<'_>) {
        match progress {
            Progress::Recorded { kind, .. } => {
                *self.recorded.entry(kind).or_default() += 1;
                self.recorded_offline += usize::from(self.offline);
            }
            Progress::Refused { refused, .. } => self.refused.push(refused.code.clone()),
            Progress::Node { state, .. } => self.offline = state.as_str() == "offline",
            Progress::Shown(text) => self.shown.push(serde_json::from_str(text).unwrap()),
            _ => {}
        }
    }
}

struct Played {
    federation: InProcess,
    labels: BTreeMap<String, EventId>,
    seen: Seen,
}

impl Played {
    fn state(&self, label: &str) -> Arc<CaseState> {
        let fold = self.federation.replica("hall").world().case(&self.labels[label]);
        fold.and_then(|fold| fold.shared_state())
            .unwrap_or_else(|| panic!("{label} is not open"))
    }

    fn stages(&self, label: &str) -> Vec<&'static str> {
        let state = self.state(label);
        let items = state.items.values();
        items.map(|item| item.stage.as_str()).collect()
    }

    /// Returns the answer's or review's clock of a case: its status, and whether lateness is excused.
    fn clock(&self, label: &str, id: ClockId) -> (Status, bool) {
        let world = self.federation.replica("annex").world();
        let asof = AsOf::new(world, self.federation.now);
        let timed = timing::of(&self.state(label), &asof);
        let found = timed.iter().find(|timed| timed.clock.limit == Limit::Clock(id));
        let found = found.unwrap_or_else(|| panic!("{label} has no such clock: {timed:?}"));
        (found.status.unwrap(), found.is_excused())
    }

    fn reversals(&self, label: &str) -> Vec<Reversal> {
        let world = self.federation.replica("hall").world();
        let fold = world.case(&self.labels[label]).unwrap();
        fold.reversals(world.registry())
    }
}

/// Founds the city and plays a scenario in it; gives the error as an officer would read it.
fn play(scenario: &Scenario) -> Result<Played, String> {
    let plan = std::fs::read_to_string(folder().join(&scenario.federation)).unwrap();
    let plan = Plan::parse_toml(&plan).unwrap();
    let now = Timestamp::parse("2026-01-04T00:00:00.000Z").unwrap();
    let founding = found(&plan, &[], now, &mut new_seed).unwrap();
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("city");
    let word = Passphrase::new("trial".to_owned());
    founding.write(&target, &word).unwrap();
    let mut federation = InProcess::start(&target);
    let mut seen = Seen::default();
    let mut around = ScenarioFolder { folder: folder() };
    let keys = KeyFolder::new(&target.join("keys"), founding.federation.clone(), word);
    let genesis = founding.genesis.to_bytes();
    let mut play = Play::new(&plan, &genesis, keys, &mut federation, &mut around, &mut seen).unwrap();
    let outcome = play
        .rosters(&target.join("roster"))
        .and_then(|()| play.run(scenario));
    let labels = play.labels().clone();
    match outcome {
        Ok(()) => Ok(Played {
            federation,
            labels,
            seen,
        }),
        Err(error) => {
            let mut text = error.to_string();
            let mut next = std::error::Error::source(&error);
            while let Some(source) = next {
                text.push_str(&format!(": {source}"));
                next = source.source();
            }
            Err(text)
        }
    }
}

/// Plays the city's scenario once for all tests of this file.
fn played() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| {
        let text = std::fs::read_to_string(folder().join("city-play.toml")).unwrap();
        play(&Scenario::parse_toml(&text).unwrap()).unwrap_or_else(|error| panic!("{error}"))
    })
}

/// Plays a few steps in a city of its own and returns why that failed.
fn failure(steps: &str) -> String {
    let top = "title = { en = \"t\", zh = \"t\" }\nfederation = \"city.toml\"\n";
    let scenario = Scenario::parse_toml(&format!("{top}{steps}")).unwrap();
    play(&scenario).err().expect("the play fails")
}

#[test]
fn every_node_ends_with_the_same_logs_and_states() {
    let played = played();
    let hall = played.federation.state("hall");
    assert_eq!(hall, played.federation.state("cloud"));
    assert_eq!(hall, played.federation.state("annex"));
    assert!(played.federation.replica("hall").world().cases().len() >= 20);
}

#[test]
fn entries_of_all_three_classes_are_published_one_after_a_return_and_twice() {
    let played = played();
    for (label, class, versions, returns) in [
        ("marriage", "conditional", 2, 1),
        ("permit", "unconditional", 1, 0),
        ("resident", "conditional", 1, 0),
        ("criminal", "no-share", 1, 0),
        ("licence", "conditional", 1, 0),
    ] {
        let state = played.state(label);
        let count = |kind| state.facts_of(kind).count();
        assert_eq!(state.opening().unwrap().event.body.word("class"), Some(class));
        assert_eq!(count(EventKind::CataloguePublished), versions, "{label}");
        assert_eq!(count(EventKind::CatalogueReturned), returns, "{label}");
        assert_eq!(played.stages(label), ["published"], "{label}");
    }
}

#[test]
fn requests_end_where_their_answers_lead() {
    let played = played();
    for (label, stages) in [
        ("presale", vec!["active"]),
        ("match", vec!["active", "active"]),
        ("subsidy", vec!["active"]),
        ("shops", vec!["agreed"]),
        ("lowincome", vec!["active", "refused"]),
        ("rent", vec!["refused"]),
        ("card", vec!["refused"]),
        ("household", vec!["active"]),
        ("flow", vec!["agreed"]),
        ("couples", vec!["ended"]),
        ("merchant", vec!["active"]),
        ("pension", vec!["pending"]),
    ] {
        assert_eq!(played.stages(label), stages, "{label}");
    }
    let household = played.state("household");
    assert_eq!(household.first_asked.as_str(), "civil");
    assert!(
        household
            .items
            .values()
            .all(|item| item.holder.as_str() == "police")
    );
    let suspended = played.state("match");
    assert_eq!(suspended.facts_of(EventKind::RequestSuspended).count(), 1);
    assert!(suspended.items.values().all(|item| item.flags.is_empty()));
}

#[test]
fn the_answer_stands_and_the_withdrawal_that_raced_it_ends_the_grant() {
    let played = played();
    let state = played.state("couples");
    let withdrawn = state.facts_of(EventKind::RequestWithdrawn).next().unwrap();
    assert!(withdrawn.raced.contains(&1), "{withdrawn:?}");
    assert_eq!(state.facts_of(EventKind::RequestGranted).count(), 1);
}

#[test]
fn evidence_that_raced_the_closing_waits_for_the_verifier() {
    let played = played();
    let state = played.state("f-false");
    let evidence = state.facts_of(EventKind::FindingEvidenceSubmitted);
    assert_eq!(evidence.filter(|fact| fact.raced.contains(&0)).count(), 1);
    assert_eq!(played.stages("f-false"), ["rectifying"]);
    assert_eq!(state.facts_of(EventKind::FindingReopened).count(), 1);
}

#[test]
fn findings_and_tasks_end_as_told() {
    let played = played();
    for (label, stage) in [
        ("f-late", "closed-rectified"),
        ("f-order", "closed-rectified"),
        ("t-rescue", "closed"),
        ("t-start", "in-force"),
        ("matter", "plan-issued"),
    ] {
        assert_eq!(played.stages(label), [stage], "{label}");
    }
    let order = played.state("f-order");
    assert_eq!(
        (order.owner.as_str(), order.first_asked.as_str()),
        ("province-data", "city-data")
    );
}

#[test]
fn lateness_is_derived_and_excused_only_by_the_authority() {
    let played = played();
    for (label, clock, late, excused) in [
        ("presale", ClockId::RequestAnswerUnconditional, false, false),
        ("match", ClockId::RequestAnswerConditional, false, false),
        ("flow", ClockId::RequestAnswerConditional, false, false),
        ("merchant", ClockId::RequestAnswerConditional, false, false),
        ("lowincome", ClockId::RequestAnswerConditional, false, false),
        ("subsidy", ClockId::RequestAnswerConditional, true, false),
        ("shops", ClockId::RequestAnswerConditional, true, true),
        ("permit", ClockId::CatalogueReview, false, false),
        ("licence", ClockId::CatalogueReview, true, false),
    ] {
        let (status, is_excused) = played.clock(label, clock);
        assert_eq!(
            (status.is_late(), is_excused),
            (late, excused),
            "{label}: {status:?}"
        );
    }
}

#[test]
fn an_improper_ground_on_paper_is_recorded_and_marked() {
    let played = played();
    let world = played.federation.replica("hall").world();
    let asof = AsOf::new(world, played.federation.now);
    let marks = law::flags_on(&played.state("card"), played.labels["card-answer"], &asof);
    let codes: Vec<&str> = marks.iter().map(|mark| mark.code).collect();
    assert!(codes.contains(&"refusal-for-incomplete-materials"), "{codes:?}");
    let proper = played.state("rent");
    let answer = proper.facts_of(EventKind::RequestRefused).next().unwrap();
    assert!(law::flags_on(&proper, answer.entry.event, &asof).is_empty());
}

#[test]
fn the_ending_shows_a_trail_what_is_overdue_and_an_inbox() {
    let played = played();
    let [trail, due, inbox] = &played.seen.shown[..] else {
        panic!("{} views", played.seen.shown.len())
    };
    let reversed = rows(&trail["entries"]).filter(|entry| !entry["rightTaken"].is_null());
    assert_eq!(reversed.count(), 1, "{trail:#}");
    let overdue: Vec<&str> = rows(due).filter_map(|row| row["case"].as_str()).collect();
    for label in ["t-start", "pension"] {
        assert!(
            overdue.contains(&played.labels[label].to_string().as_str()),
            "{label}"
        );
    }
    assert!(!overdue.contains(&played.labels["merchant"].to_string().as_str()));
    let owed: Vec<&str> = rows(&inbox["owed"])
        .filter_map(|row| row["case"].as_str())
        .collect();
    assert!(
        owed.contains(&played.labels["pension"].to_string().as_str()),
        "{inbox:#}"
    );
}

fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().unwrap().iter()
}

#[test]
fn an_act_done_after_its_right_was_taken_is_reversed_and_kept() {
    let played = played();
    let reversals = played.reversals("merchant");
    assert_eq!(reversals.len(), 1, "{reversals:?}");
    assert!(matches!(reversals[0], Reversal::RightTaken { version: 1, .. }));
    let world = played.federation.replica("cloud").world();
    let case = world.case(&played.labels["merchant"]).unwrap();
    let entries = case.entries();
    let confirmations = entries
        .iter()
        .filter(|(entry, _)| entry.kind == EventKind::RequestReceiptConfirmed);
    assert_eq!(confirmations.count(), 2);
    let merchant = played.state("merchant");
    let confirmed = merchant.facts_of(EventKind::RequestReceiptConfirmed);
    assert_eq!(confirmed.count(), 1);
}

#[test]
fn those_without_authority_and_new_acts_against_the_law_are_refused() {
    assert_eq!(
        played().seen.refused,
        [
            "actor",
            "no-post",
            "entry-no-share",
            "no-post",
            "refusal-for-incomplete-materials",
            "actor"
        ],
        "the codes of all refusals, in order"
    );
}

#[test]
fn much_is_recorded_while_a_node_is_offline() {
    let seen = &played().seen;
    let all: usize = seen.recorded.values().sum();
    assert!(all > 100, "{all} acts");
    assert!(
        seen.recorded_offline * 3 > all,
        "{} of {all}",
        seen.recorded_offline
    );
}

#[test]
fn the_only_alarms_are_reversals() {
    for (node, alarm) in &played().federation.alarms {
        assert!(matches!(alarm, Alarm::Reversed { .. }), "{node}: {alarm:?}");
    }
}

const ISSUED: &str = r#"
    [[step]]
    at = "2026-01-05 09:00"
    by = "lead/o2"
    do = "task.issued"
    as = "task"
    to = ["civil"]
    body = { title = "t", text = "t", lead = "civil", signatory = "head", indicator = "i", target = "t", due = "2026-02-01" }
"#;

#[test]
fn a_step_that_ends_otherwise_fails_the_play_with_its_number_and_both_values() {
    let refused = failure(&format!(
        "{ISSUED}[[step]]\nby = \"civil/o1\"\ndo = \"task.verified\"\ncase = \"task\"\n"
    ));
    for part in ["step 2", "task.verified by civil", "refused:", "expects recorded"] {
        assert!(refused.contains(part), "{refused}");
    }
    let recorded = failure(&format!("{ISSUED}expect = \"refused:actor\"\n"));
    for part in ["step 1", "was recorded", "expects refused:actor"] {
        assert!(recorded.contains(part), "{recorded}");
    }
    let stage = failure(&format!(
        "{ISSUED}[[step]]\ncheck = \"stage\"\ncase = \"task\"\nstage = \"closed\"\n"
    ));
    for part in ["step 2", "was issued", "expects closed"] {
        assert!(stage.contains(part), "{stage}");
    }
}

#[test]
fn what_a_step_names_wrongly_is_told() {
    let label = failure(&format!(
        "{ISSUED}[[step]]\nby = \"civil/o3\"\ndo = \"task.signed\"\ncase = \"tsak\"\n"
    ));
    assert!(
        label.contains("tsak") && label.contains("nearest is task"),
        "{label}"
    );
    let falls = failure(&format!("{ISSUED}[[step]]\nat = \"2026-01-04 09:00\"\n"));
    assert!(
        falls.contains("2026-01-05 09:00") && falls.contains("2026-01-04 09:00"),
        "{falls}"
    );
    let field = failure(
        "[[step]]\nat = \"2026-01-05 09:00\"\nby = \"lead/o2\"\ndo = \"task.issued\"\nbody = { titel = \"t\" }\n",
    );
    assert!(field.contains("titel") && field.contains("title"), "{field}");
    let one_node = failure(&format!(
        "{ISSUED}[[step]]\n[[step.together]]\nby = \"lead/o2\"\ndo = \"task.withdrawn\"\ncase = \"task\"\nbody = {{ reason = \"r\" }}\n\
         [[step.together]]\nby = \"supervision/o1\"\ndo = \"task.urged\"\ncase = \"task\"\n"
    ));
    assert!(one_node.contains("all on hall"), "{one_node}");
}
