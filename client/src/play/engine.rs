//! Plays a scenario: signs each act with the keys of its officers, submits it, and compares what came of it.
//!
//! Keeps no state of any case: what is possible is decided by the nodes, what holds is asked from them.

use super::error::{PlayError, StepError};
use super::keys::KeyFolder;
use super::report::{Progress, Report};
use super::scenario::{
    Act, Action, Check, Expect, Governance, Moment, NodeState, Scenario, Shown, Signatory,
};
use super::target::{Submission, Submitted, Target, View};
use crate::draft::assemble::{APPROVER_SELF, Author, Part, Surroundings, assemble};
use crate::draft::form::Form;
use crate::draft::value::nearest;
use crate::federation::Plan;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use tally_ledger::authority::Registry;
use tally_schemas::FormatError;
use tally_schemas::event::EventKind;
use tally_schemas::governance::{Change, Governance as GovernanceNote, Right};
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, NodeId, OfficerId, PostId};
use tally_schemas::note::Note;
use tally_schemas::time::Timestamp;
use toml::Value;

/// A scenario being played.
pub struct Play<'a> {
    target: &'a mut dyn Target,
    report: &'a mut dyn Report,
    around: &'a mut dyn Surroundings,
    keys: KeyFolder,
    registry: Registry,
    posts: BTreeMap<(DepartmentId, OfficerId), Vec<PostId>>,
    labels: BTreeMap<String, EventId>,
    newest: BTreeMap<CaseId, EventId>,
    version: u64,
    previous: Hash,
    at: Option<Moment>,
    step: usize,
}

impl std::fmt::Debug for Play<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Play(step {})", self.step)
    }
}

/// A note ready to be submitted, with what to do when it is recorded.
struct Signed<'s> {
    what: SignedWhat<'s>,
    department: DepartmentId,
    note: Vec<u8>,
    parts: Vec<Part>,
    case: Option<CaseId>,
}

enum SignedWhat<'s> {
    Act(&'s Act, Option<String>),
    Governance(&'s Governance),
}

impl<'a> Play<'a> {
    /// Prepares to play against a federation founded from a plan.
    ///
    /// # Errors
    /// A genesis that founds nothing.
    pub fn new(
        plan: &Plan,
        genesis: &[u8],
        keys: KeyFolder,
        target: &'a mut dyn Target,
        around: &'a mut dyn Surroundings,
        report: &'a mut dyn Report,
    ) -> Result<Self, PlayError> {
        let start = |error: StepError| PlayError::Start(error);
        let registry = Registry::found(genesis).map_err(|error| start(error.into()))?;
        let mut posts = BTreeMap::new();
        for department in &plan.department {
            let id = DepartmentId::parse(&department.id).map_err(|error| start(error.into()))?;
            for officer in &department.officer {
                let officer_id = OfficerId::parse(&officer.id).map_err(|error| start(error.into()))?;
                let held: Result<Vec<PostId>, FormatError> =
                    officer.posts.iter().map(|post| PostId::parse(post)).collect();
                posts.insert(
                    (id.clone(), officer_id),
                    held.map_err(|error| start(error.into()))?,
                );
            }
        }
        Ok(Self {
            previous: registry.genesis_hash(),
            version: 0,
            registry,
            posts,
            target,
            report,
            around,
            keys,
            labels: BTreeMap::new(),
            newest: BTreeMap::new(),
            at: None,
            step: 0,
        })
    }

    /// Returns what the labels stand for.
    pub fn labels(&self) -> &BTreeMap<String, EventId> {
        &self.labels
    }

    /// Records the rosters that the founding wrote beside the genesis: `<folder>/<department>/<number>-<name>.note`.
    ///
    /// # Errors
    /// A file that cannot be read, a note that is refused.
    pub fn rosters(&mut self, folder: &Path) -> Result<(), PlayError> {
        self.try_rosters(folder).map_err(PlayError::Start)
    }

    fn try_rosters(&mut self, folder: &Path) -> Result<(), StepError> {
        self.target.set_clock(self.registry.genesis().created)?;
        let ids: Vec<DepartmentId> = self
            .registry
            .departments(0)
            .map(|record| record.id.clone())
            .collect();
        let (mut departments, mut events) = (0, 0);
        for department in &ids {
            let own = folder.join(department.as_str());
            let told = |path: &Path, source: io::Error| StepError::File {
                path: path.to_owned(),
                source,
            };
            let mut paths = Vec::new();
            for entry in std::fs::read_dir(&own).map_err(|source| told(&own, source))? {
                paths.push(entry.map_err(|source| told(&own, source))?.path());
            }
            paths.sort();
            departments += 1;
            for path in paths {
                let note = std::fs::read(&path).map_err(|source| told(&path, source))?;
                let submission = Submission {
                    department,
                    note: &note,
                    parts: &[],
                    allow_personal: None,
                };
                if let Err(refused) = self.target.submit(submission)? {
                    return Err(StepError::Outcome {
                        what: path.display().to_string(),
                        expected: Expect::Recorded.to_string(),
                        got: Expect::Refused(refused.code).to_string(),
                        why: refused.what,
                    });
                }
                events += 1;
            }
        }
        self.report.told(0, Progress::Rosters { departments, events });
        Ok(())
    }

    /// Plays every step.
    ///
    /// # Errors
    /// The first step that fails, with its number.
    pub fn run(&mut self, scenario: &Scenario) -> Result<(), PlayError> {
        for (place, step) in scenario.steps.iter().enumerate() {
            self.step = place + 1;
            let failed = |source: StepError| PlayError::Step {
                step: place + 1,
                source,
            };
            if let Some(pair) = &step.heading {
                self.report.told(self.step, Progress::Heading(pair));
            }
            if let Some(pair) = &step.note {
                self.report.told(self.step, Progress::Note(pair));
            }
            if let Some(at) = step.at {
                self.move_clock(at).map_err(failed)?;
            }
            if let Some(action) = &step.action {
                self.action(action).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn instant(&self, at: Moment) -> Timestamp {
        let first = self
            .registry
            .departments(0)
            .next()
            .map(|record| record.id.clone());
        let offset = first
            .and_then(|id| self.registry.profile_of(&id))
            .map_or(0, |profile| profile.zone.offset_minutes);
        at.date.start_at(offset).plus_ms(i64::from(at.minute) * 60_000)
    }

    fn move_clock(&mut self, at: Moment) -> Result<(), StepError> {
        if let Some(before) = self.at.filter(|before| at < *before) {
            return Err(StepError::TimeFalls { before, got: at });
        }
        if self.at != Some(at) {
            self.target.set_clock(self.instant(at))?;
            self.at = Some(at);
        }
        Ok(())
    }

    fn action(&mut self, action: &Action) -> Result<(), StepError> {
        match action {
            Action::Act(_) | Action::Governance(_) => {
                self.target.settle()?;
                let signed = self.sign(action)?;
                self.submit(&signed)
            }
            Action::Together(actions) => self.together(actions),
            Action::Node { node, state } => {
                self.target.settle()?;
                self.target.node(node, *state)?;
                self.target.settle()?;
                self.report
                    .told(self.step, Progress::Node { node, state: *state });
                Ok(())
            }
            Action::Show(shown) => {
                self.target.settle()?;
                let view = self.view(shown)?;
                if let Some(text) = self.target.show(&view)? {
                    self.report.told(self.step, Progress::Shown(&text));
                }
                Ok(())
            }
            Action::Check(check) => {
                self.target.settle()?;
                self.check(check)
            }
        }
    }

    fn view(&self, shown: &Shown) -> Result<View, StepError> {
        Ok(match shown {
            Shown::Trail(label) => View::Trail(self.label(label)?),
            Shown::Due { department, overdue } => View::Due {
                department: department.clone(),
                overdue: *overdue,
            },
            Shown::Inbox { department, post } => View::Inbox {
                department: department.clone(),
                post: post.clone(),
            },
        })
    }

    fn check(&mut self, check: &Check) -> Result<(), StepError> {
        match check {
            Check::Digests => {
                let (nodes, digest) = self.target.digests()?;
                let told = Progress::Equal {
                    nodes,
                    digest: &digest,
                };
                self.report.told(self.step, told);
            }
            Check::Stage { case, item, stage } => {
                let got = self.target.stage(&self.label(case)?, *item)?;
                if got != *stage {
                    return Err(StepError::Outcome {
                        what: match item {
                            Some(item) => format!("item {item} of {case}"),
                            None => case.clone(),
                        },
                        expected: stage.clone(),
                        got,
                        why: "the stage differs".to_owned(),
                    });
                }
                self.report.told(self.step, Progress::Stage { case, stage });
            }
        }
        Ok(())
    }

    /// Cuts the nodes concerned off the bus, submits to each, and joins them again.
    fn together(&mut self, actions: &[Action]) -> Result<(), StepError> {
        self.target.settle()?;
        let mut signed = Vec::new();
        let mut nodes = BTreeSet::new();
        for action in actions {
            let one = self.sign(action)?;
            nodes.insert(self.node_of(&one.department)?);
            signed.push(one);
        }
        if let (1, Some(only)) = (nodes.len(), nodes.first()) {
            return Err(StepError::OneNode(only.to_string()));
        }
        self.report.told(self.step, Progress::Together { nodes: &nodes });
        for node in &nodes {
            self.target.node(node, NodeState::Cut)?;
        }
        let mut outcome = Ok(());
        for one in &signed {
            outcome = outcome.and_then(|()| self.submit(one));
        }
        // The buses are joined also after a failure, so that a trial that is kept can be looked at.
        for node in &nodes {
            self.target.node(node, NodeState::Joined)?;
        }
        outcome?;
        self.target.settle()?;
        Ok(())
    }

    fn node_of(&self, department: &DepartmentId) -> Result<NodeId, StepError> {
        let record = self.registry.department(department, 0);
        record
            .map(|record| record.node.clone())
            .ok_or_else(|| StepError::Department(department.clone()))
    }

    fn now(&self) -> Result<Timestamp, StepError> {
        self.at.map(|at| self.instant(at)).ok_or(StepError::NoTime)
    }

    fn label(&self, label: &str) -> Result<EventId, StepError> {
        self.labels.get(label).copied().ok_or_else(|| {
            let known: Vec<&str> = self.labels.keys().map(String::as_str).collect();
            StepError::Label {
                label: label.to_owned(),
                nearest: nearest(label, &known).unwrap_or("none yet").to_owned(),
            }
        })
    }

    fn sign<'s>(&mut self, action: &'s Action) -> Result<Signed<'s>, StepError> {
        match action {
            Action::Act(act) => self.sign_act(act),
            Action::Governance(change) => self.sign_governance(change),
            _ => Err(StepError::NotTogether),
        }
    }

    fn sign_act<'s>(&mut self, act: &'s Act) -> Result<Signed<'s>, StepError> {
        let department = &act.department;
        let record = self.registry.department(department, 0);
        let administrator = record
            .ok_or_else(|| StepError::Department(department.clone()))?
            .administrator
            .officer
            .clone();
        let case = act.case.as_deref().map(|label| self.label(label)).transpose()?;
        let after = match (&act.after, case) {
            (Some(labels), _) => labels
                .iter()
                .map(|label| self.label(label))
                .collect::<Result<_, _>>()?,
            (None, Some(case)) => self.newest.get(&case).copied().into_iter().collect(),
            (None, None) => Vec::new(),
        };
        let mut form = self.form(act)?;
        let mut officers = Vec::new();
        match &act.by {
            None => officers.push(administrator.clone()),
            Some(drafter) => {
                form.head.post = Some(self.post(department, drafter)?.to_string());
                officers.push(drafter.officer.clone());
            }
        }
        if let Some(approver) = &act.approve {
            if approver.officer.as_str() == APPROVER_SELF {
                form.head.approver = Some(APPROVER_SELF.to_owned());
            } else {
                form.head.approver = Some(self.post(department, approver)?.to_string());
                officers.push(approver.officer.clone());
            }
        }
        let author = Author {
            federation: self.registry.federation().clone(),
            department: department.clone(),
            officer: act.by.as_ref().map_or(administrator, |by| by.officer.clone()),
            post: None,
            case,
            after,
            issued: self.now()?,
        };
        let made = assemble(&form, &author, self.around)?;
        let mut lines = Vec::new();
        for officer in &officers {
            lines.push(self.keys.open(department, officer)?.sign(&made.text)?);
        }
        let note = Note {
            text: made.text,
            lines,
        };
        Ok(Signed {
            what: SignedWhat::Act(act, form.head.allow_personal),
            department: department.clone(),
            note: note.to_bytes(),
            parts: made.parts,
            case: Some(case.unwrap_or(made.id)),
        })
    }

    /// Reads the act as a form file would be, with labels replaced; enrolling an officer makes the key.
    fn form(&mut self, act: &Act) -> Result<Form, StepError> {
        let mut table = act.form.clone();
        for (_, value) in &mut table {
            self.fill(value)?;
        }
        table.insert("kind".to_owned(), act.kind.as_str().into());
        let mut form = Form::parse_toml(&table.to_string())?;
        if act.kind == EventKind::RosterEnrolled && !form.body.contains_key("key") {
            let officer = form
                .body
                .get("officer")
                .and_then(tally_schemas::json::Json::as_text);
            let officer = OfficerId::parse(officer.unwrap_or_default())?;
            let key = self.keys.make(&act.department, &officer)?;
            form.set("key", &Hash(*key.public_key().as_bytes()).to_base64())?;
        }
        Ok(form)
    }

    /// Replaces `{label}` in every text.
    fn fill(&self, value: &mut Value) -> Result<(), StepError> {
        match value {
            Value::String(text) => {
                let mut out = String::new();
                let mut rest = text.as_str();
                while let Some((before, tail)) = rest.split_once('{') {
                    let Some((label, tail)) = tail.split_once('}') else {
                        break;
                    };
                    out.push_str(before);
                    out.push_str(&self.label(label)?.to_string());
                    rest = tail;
                }
                out.push_str(rest);
                *text = out;
            }
            Value::Array(list) => {
                for value in list {
                    self.fill(value)?;
                }
            }
            Value::Table(table) => {
                for (_, value) in table {
                    self.fill(value)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn post(&self, department: &DepartmentId, who: &Signatory) -> Result<PostId, StepError> {
        let first = || {
            let held = self.posts.get(&(department.clone(), who.officer.clone()));
            held.and_then(|posts| posts.first().cloned())
        };
        who.post.clone().or_else(first).ok_or_else(|| StepError::Post {
            department: department.clone(),
            officer: who.officer.clone(),
        })
    }

    fn sign_governance<'s>(&mut self, change: &'s Governance) -> Result<Signed<'s>, StepError> {
        let right = Right::Role {
            department: change.department.clone(),
            role: change.role,
        };
        let made = if change.take {
            Change::RightTaken {
                right,
                at: self.target.head(&change.department)?,
            }
        } else {
            Change::RightGiven(right)
        };
        let text = GovernanceNote {
            federation: self.registry.federation().clone(),
            version: self.version + 1,
            previous: self.previous,
            issued: self.now()?,
            changes: vec![made],
        }
        .to_text();
        let quorum = usize::from(self.registry.genesis().quorum);
        let by: Vec<DepartmentId> = if change.by.is_empty() {
            let all = self.registry.departments(0).map(|record| record.id.clone());
            all.take(quorum).collect()
        } else {
            change.by.clone()
        };
        let mut lines = Vec::new();
        for department in &by {
            let record = self.registry.department(department, 0);
            let record = record.ok_or_else(|| StepError::Department(department.clone()))?;
            let officer = record.administrator.officer.clone();
            lines.push(self.keys.open(department, &officer)?.sign(&text)?);
        }
        Ok(Signed {
            what: SignedWhat::Governance(change),
            department: self.registry.genesis().registrar.clone(),
            note: Note { text, lines }.to_bytes(),
            parts: Vec::new(),
            case: None,
        })
    }

    fn submit(&mut self, signed: &Signed<'_>) -> Result<(), StepError> {
        let at = self.at.ok_or(StepError::NoTime)?;
        let allow_personal = match &signed.what {
            SignedWhat::Act(_, reason) => reason.as_deref(),
            SignedWhat::Governance(_) => None,
        };
        let outcome = self.target.submit(Submission {
            department: &signed.department,
            note: &signed.note,
            parts: &signed.parts,
            allow_personal,
        })?;
        let (what, expected) = match &signed.what {
            SignedWhat::Act(act, _) => (
                format!("{} by {}", act.kind.as_str(), act.department),
                &act.expect,
            ),
            SignedWhat::Governance(change) => (
                format!(
                    "governance on the role {} of {}",
                    change.role.as_str(),
                    change.department
                ),
                &change.expect,
            ),
        };
        let got = match &outcome {
            Ok(_) => Expect::Recorded,
            Err(refused) => Expect::Refused(refused.code.clone()),
        };
        if got != *expected {
            return Err(StepError::Outcome {
                what,
                expected: expected.to_string(),
                got: got.to_string(),
                why: match outcome {
                    Ok(recorded) => format!("it is entry {} of {}", recorded.index, signed.department),
                    Err(refused) => refused.what,
                },
            });
        }
        if let Ok(recorded) = &outcome {
            self.note_recorded(signed, recorded);
        }
        match &signed.what {
            SignedWhat::Act(act, _) => {
                let (department, kind) = (&act.department, act.kind);
                let case = act.case.as_deref().or(act.label.as_deref());
                let told = match &outcome {
                    Ok(recorded) => Progress::Recorded {
                        at,
                        department,
                        kind,
                        case,
                        index: recorded.index,
                    },
                    Err(refused) => Progress::Refused {
                        at,
                        department,
                        kind,
                        case,
                        refused,
                    },
                };
                self.report.told(self.step, told);
            }
            SignedWhat::Governance(change) => {
                let told = Progress::Governance {
                    at,
                    department: &change.department,
                    role: change.role,
                    taken: change.take,
                    refused: outcome.as_ref().err(),
                };
                self.report.told(self.step, told);
            }
        }
        Ok(())
    }

    fn note_recorded(&mut self, signed: &Signed<'_>, recorded: &Submitted) {
        let label = match &signed.what {
            SignedWhat::Act(act, _) => act.label.as_ref(),
            SignedWhat::Governance(change) => {
                self.version += 1;
                self.previous = recorded.event.0;
                change.label.as_ref()
            }
        };
        if let Some(label) = label {
            self.labels.insert(label.clone(), recorded.event);
        }
        if let Some(case) = signed.case {
            self.newest.insert(case, recorded.event);
        }
    }
}
