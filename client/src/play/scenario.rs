//! The file of a scenario: TOML, a list of steps that a reader follows from top to bottom.

use crate::draft::form::kind_of;
use crate::draft::value::nearest;
use crate::texts::Pair;
use std::path::PathBuf;
use tally_schemas::event::EventKind;
use tally_schemas::genesis::Role;
use tally_schemas::id::{DepartmentId, NodeId, OfficerId, PostId};
use tally_schemas::time::Date;
use toml::{Table, Value};

/// A scenario as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it shows.
    pub title: Pair,
    /// The plan of the federation, relative to the file.
    pub federation: PathBuf,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The local time at which it happens; that of the step before where absent.
    pub at: Option<Moment>,
    /// A heading, told before what follows.
    pub heading: Option<Pair>,
    /// A sentence for the reader, told before the step.
    pub note: Option<Pair>,
    /// What is done; a step may be only told.
    pub action: Option<Action>,
}

/// A local date and time of the federation's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// The civil date.
    pub date: Date,
    /// Minutes since midnight.
    pub minute: u16,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// An officer or administrator signs an event.
    Act(Box<Act>),
    /// Administrators change the registry.
    Governance(Governance),
    /// A node leaves or comes back.
    Node {
        /// The node.
        node: NodeId,
        /// What becomes of it.
        state: NodeState,
    },
    /// Acts on different nodes, each recorded before any of those nodes hears of the others.
    Together(Vec<Action>),
    /// Shows a view to the reader.
    Show(Shown),
    /// Demands something of the state.
    Check(Check),
}

/// What becomes of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// Off the bus, its stores closed.
    Offline,
    /// Back, its stores opened again.
    Online,
    /// Off the bus, but serving its own departments.
    Cut,
    /// On the bus again.
    Joined,
}

impl NodeState {
    /// Returns the text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Online => "online",
            Self::Cut => "cut",
            Self::Joined => "joined",
        }
    }
}

/// One who signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signatory {
    /// The officer.
    pub officer: OfficerId,
    /// The post signed from; the officer's first one where absent.
    pub post: Option<PostId>,
}

/// An act to sign and submit.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// The department whose act it is.
    pub department: DepartmentId,
    /// The officer who drafts; the administrator where absent.
    pub by: Option<Signatory>,
    /// The officer who approves.
    pub approve: Option<Signatory>,
    /// What is done.
    pub kind: EventKind,
    /// The label of the case.
    pub case: Option<String>,
    /// The label that its event gets.
    pub label: Option<String>,
    /// Labels of events that the officer says to have seen; the newest of the case where absent.
    pub after: Option<Vec<String>>,
    /// Every other member, as in a form file, with labels in braces.
    pub form: Table,
    /// What must come of it.
    pub expect: Expect,
}

/// What must come of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// It is recorded.
    Recorded,
    /// It is refused with this code.
    Refused(String),
}

impl std::fmt::Display for Expect {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Recorded => formatter.write_str("recorded"),
            Self::Refused(code) => write!(formatter, "refused:{code}"),
        }
    }
}

/// A change of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Governance {
    /// Whether the role is taken; else it is given.
    pub take: bool,
    /// Whose role.
    pub department: DepartmentId,
    /// The role.
    pub role: Role,
    /// The departments whose administrators sign; the first of the plan up to the quorum where empty.
    pub by: Vec<DepartmentId>,
    /// The label that it gets.
    pub label: Option<String>,
    /// What must come of it.
    pub expect: Expect,
}

/// What is shown to the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Every entry of a case with its verdict; the label of the case.
    Trail(String),
    /// What is due; of one department or of all, all or only what is overdue.
    Due {
        /// The department.
        department: Option<DepartmentId>,
        /// Whether only what is overdue is shown.
        overdue: bool,
    },
    /// What waits for a post.
    Inbox {
        /// The department.
        department: DepartmentId,
        /// The post.
        post: PostId,
    },
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// All nodes that are online hold the same entries and states.
    Digests,
    /// A case, or an item of it, is at a stage.
    Stage {
        /// The label of the case.
        case: String,
        /// The item; the case as a whole where absent.
        item: Option<u16>,
        /// The stage.
        stage: String,
    },
}

/// Why a scenario could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file is no TOML.
    #[error("the scenario is no TOML: {why}")]
    Syntax {
        /// What the reader said.
        why: String,
    },
    /// A member is missing.
    #[error("{place} lacks {member}")]
    Missing {
        /// Where.
        place: String,
        /// The member.
        member: &'static str,
    },
    /// A member has a value that does not fit.
    #[error("{member} of {place} is {got}, expected {expected}")]
    Value {
        /// Where.
        place: String,
        /// The member.
        member: String,
        /// What was written.
        got: String,
        /// What would fit.
        expected: String,
    },
    /// A member is not known here.
    #[error("{place} has the unknown member {got}; the nearest is {nearest}")]
    Unknown {
        /// Where.
        place: String,
        /// What was written.
        got: String,
        /// The name most like it.
        nearest: String,
    },
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// What is no scenario, with the step at fault.
    pub fn parse_toml(text: &str) -> Result<Self, ScenarioError> {
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| ScenarioError::Syntax {
                why: error.to_string().trim().to_owned(),
            })?;
        let mut top = Reader::new("the scenario", table);
        let title = top.pair("title")?.ok_or_else(|| top.missing("title"))?;
        let federation = top.text("federation")?.ok_or_else(|| top.missing("federation"))?;
        let mut steps = Vec::new();
        for (place, table) in top.tables("step")?.into_iter().enumerate() {
            steps.push(step(&format!("step {}", place + 1), table)?);
        }
        top.finish(&["title", "federation", "step"])?;
        Ok(Self {
            title,
            federation: PathBuf::from(federation),
            steps,
        })
    }
}

fn step(place: &str, table: Table) -> Result<Step, ScenarioError> {
    let mut read = Reader::new(place, table);
    let at = match read.text("at")? {
        Some(text) => {
            let moment = Moment::parse(&text);
            Some(moment.ok_or_else(|| read.wrong("at", &text, "a local time such as 2026-01-05 09:00"))?)
        }
        None => None,
    };
    let heading = read.pair("heading")?;
    let note = read.pair("note")?;
    let action = if read.rest.is_empty() {
        None
    } else {
        Some(action(read)?)
    };
    Ok(Step {
        at,
        heading,
        note,
        action,
    })
}

/// The members that say what a step does, of which it has one.
const ACTIONS: &[&str] = &["do", "governance", "node", "together", "show", "check"];

fn action(mut read: Reader) -> Result<Action, ScenarioError> {
    let named: Vec<&str> = ACTIONS
        .iter()
        .copied()
        .filter(|name| read.rest.contains_key(*name))
        .collect();
    match named.as_slice() {
        ["do"] => act(read).map(|act| Action::Act(Box::new(act))),
        ["governance"] => governance(read),
        ["node"] => {
            let node = read.parsed("node", "the id of a node", |text| NodeId::parse(text).ok())?;
            let state = read.parsed("state", "offline, online, cut or joined", |text| {
                [
                    NodeState::Offline,
                    NodeState::Online,
                    NodeState::Cut,
                    NodeState::Joined,
                ]
                .into_iter()
                .find(|state| state.as_str() == text)
            })?;
            read.finish(&["node", "state"])?;
            Ok(Action::Node { node, state })
        }
        ["together"] => {
            let place = read.place.clone();
            let mut actions = Vec::new();
            for (number, table) in read.tables("together")?.into_iter().enumerate() {
                let inner = Reader::new(&format!("{place}, act {}", number + 1), table);
                actions.push(action(inner)?);
            }
            read.finish(&["together"])?;
            Ok(Action::Together(actions))
        }
        ["show"] => show(read),
        [_] => check(read),
        [] => {
            let got = read.rest.keys().next().cloned().unwrap_or_default();
            let mut known = ACTIONS.to_vec();
            known.extend(["at", "note", "heading"]);
            Err(read.unknown(&got, &known))
        }
        [_, second, ..] => Err(read.wrong(
            second,
            "given too",
            "one of do, governance, node, together, show, check",
        )),
    }
}

fn act(mut read: Reader) -> Result<Act, ScenarioError> {
    let written = read.text("do")?.ok_or_else(|| read.missing("do"))?;
    let kind = kind_of(&written).map_err(|error| read.wrong("do", &written, &error.to_string()))?;
    let by = read.text("by")?.ok_or_else(|| read.missing("by"))?;
    let form_of_by =
        "department/officer or department/officer@post, or the department alone for its administrator";
    let (department, officer) = match by.split_once('/') {
        Some((department, officer)) => (department, Some(officer)),
        None => (by.as_str(), None),
    };
    let department = DepartmentId::parse(department).map_err(|_| read.wrong("by", &by, form_of_by))?;
    let signatory = |text: &str, member: &str| {
        signatory(text).ok_or_else(|| read.wrong(member, text, "officer or officer@post"))
    };
    let drafter = officer.map(|text| signatory(text, "by")).transpose()?;
    let approve = match read.rest.get("approve").and_then(Value::as_str) {
        Some(text) => Some(signatory(text, "approve")?),
        None => None,
    };
    read.rest.remove("approve");
    let after = match read.rest.remove("after") {
        None => None,
        Some(Value::Array(list)) => Some(
            list.iter()
                .map(|value| value.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| read.wrong("after", "another list", "a list of labels"))?,
        ),
        Some(other) => return Err(read.wrong("after", &other.to_string(), "a list of labels")),
    };
    Ok(Act {
        department,
        by: drafter,
        approve,
        kind,
        case: read.text("case")?,
        label: read.text("as")?,
        after,
        expect: read.expect()?,
        form: read.rest,
    })
}

fn signatory(text: &str) -> Option<Signatory> {
    let (officer, post) = match text.split_once('@') {
        Some((officer, post)) => (officer, Some(PostId::parse(post).ok()?)),
        None => (text, None),
    };
    Some(Signatory {
        officer: OfficerId::parse(officer).ok()?,
        post,
    })
}

fn governance(mut read: Reader) -> Result<Action, ScenarioError> {
    let take = read.parsed("governance", "give or take", |text| match text {
        "give" => Some(false),
        "take" => Some(true),
        _ => None,
    })?;
    let department = read.department("department")?;
    let department = department.ok_or_else(|| read.missing("department"))?;
    let roles: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
    let role = read.parsed("role", &roles.join(", "), Role::parse)?;
    let by = read.texts("by")?;
    let by: Option<Vec<DepartmentId>> = by.iter().map(|text| DepartmentId::parse(text).ok()).collect();
    let by = by.ok_or_else(|| read.wrong("by", "another list", "a list of departments"))?;
    let label = read.text("as")?;
    let expect = read.expect()?;
    read.finish(&["governance", "department", "role", "by", "as", "expect"])?;
    Ok(Action::Governance(Governance {
        take,
        department,
        role,
        by,
        label,
        expect,
    }))
}

fn show(mut read: Reader) -> Result<Action, ScenarioError> {
    let what = read.text("show")?.unwrap_or_default();
    let shown = match what.as_str() {
        "trail" => Shown::Trail(read.text("case")?.ok_or_else(|| read.missing("case"))?),
        "due" => Shown::Due {
            department: read.department("department")?,
            overdue: read.flag("overdue")?,
        },
        "inbox" => {
            let department = read.department("department")?;
            Shown::Inbox {
                department: department.ok_or_else(|| read.missing("department"))?,
                post: read.parsed("post", "the id of a post", |text| PostId::parse(text).ok())?,
            }
        }
        other => return Err(read.wrong("show", other, "trail, due or inbox")),
    };
    read.finish(&["show", "case", "department", "overdue", "post"])?;
    Ok(Action::Show(shown))
}

fn check(mut read: Reader) -> Result<Action, ScenarioError> {
    let what = read.text("check")?.unwrap_or_default();
    let check = match what.as_str() {
        "digests" => Check::Digests,
        "stage" => {
            let item = match read.rest.remove("item") {
                None => None,
                Some(value) => {
                    let number = value.as_integer().and_then(|number| u16::try_from(number).ok());
                    Some(
                        number
                            .ok_or_else(|| read.wrong("item", &value.to_string(), "the number of an item"))?,
                    )
                }
            };
            Check::Stage {
                case: read.text("case")?.ok_or_else(|| read.missing("case"))?,
                item,
                stage: read.text("stage")?.ok_or_else(|| read.missing("stage"))?,
            }
        }
        other => return Err(read.wrong("check", other, "digests or stage")),
    };
    read.finish(&["check", "case", "item", "stage"])?;
    Ok(Action::Check(check))
}

impl Moment {
    /// Reads `2026-01-05 09:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(' ')?;
        let (hour, minute) = time.split_once(':')?;
        let two = |text: &str, below: u16| {
            let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>().ok().filter(|value| digits && *value < below)
        };
        Some(Self {
            date: Date::parse(date).ok()?,
            minute: two(hour, 24)? * 60 + two(minute, 60)?,
        })
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} {:02}:{:02}",
            self.date,
            self.minute / 60,
            self.minute % 60
        )
    }
}

/// Takes members out of a table one by one, so that what is left over was not understood.
struct Reader {
    place: String,
    rest: Table,
}

impl Reader {
    fn new(place: &str, rest: Table) -> Self {
        Self {
            place: place.to_owned(),
            rest,
        }
    }

    fn missing(&self, member: &'static str) -> ScenarioError {
        ScenarioError::Missing {
            place: self.place.clone(),
            member,
        }
    }

    fn wrong(&self, member: &str, got: &str, expected: &str) -> ScenarioError {
        ScenarioError::Value {
            place: self.place.clone(),
            member: member.to_owned(),
            got: got.chars().take(80).collect(),
            expected: expected.to_owned(),
        }
    }

    fn unknown(&self, got: &str, known: &[&str]) -> ScenarioError {
        ScenarioError::Unknown {
            place: self.place.clone(),
            got: got.to_owned(),
            nearest: nearest(got, known).unwrap_or_default().to_owned(),
        }
    }

    fn text(&mut self, member: &str) -> Result<Option<String>, ScenarioError> {
        match self.rest.remove(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(member, &other.to_string(), "a text")),
        }
    }

    fn texts(&mut self, member: &str) -> Result<Vec<String>, ScenarioError> {
        match self.rest.remove(member) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list
                .iter()
                .map(|value| value.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| self.wrong(member, "another list", "a list of texts")),
            Some(other) => Err(self.wrong(member, &other.to_string(), "a list of texts")),
        }
    }

    fn flag(&mut self, member: &str) -> Result<bool, ScenarioError> {
        match self.rest.remove(member) {
            None => Ok(false),
            Some(Value::Boolean(flag)) => Ok(flag),
            Some(other) => Err(self.wrong(member, &other.to_string(), "true or false")),
        }
    }

    fn department(&mut self, member: &'static str) -> Result<Option<DepartmentId>, ScenarioError> {
        match self.text(member)? {
            None => Ok(None),
            Some(text) => DepartmentId::parse(&text)
                .map(Some)
                .map_err(|_| self.wrong(member, &text, "the id of a department")),
        }
    }

    fn parsed<T>(
        &mut self,
        member: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ScenarioError> {
        let text = self.text(member)?.ok_or_else(|| self.missing(member))?;
        parse(&text).ok_or_else(|| self.wrong(member, &text, expected))
    }

    fn pair(&mut self, member: &str) -> Result<Option<Pair>, ScenarioError> {
        let Some(value) = self.rest.remove(member) else {
            return Ok(None);
        };
        let shown = value.to_string();
        let pair = value.try_into::<Pair>();
        pair.map(Some)
            .map_err(|_| self.wrong(member, &shown, "{ en = \"..\", zh = \"..\" }"))
    }

    fn tables(&mut self, member: &str) -> Result<Vec<Table>, ScenarioError> {
        let list = match self.rest.remove(member) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(self.wrong(member, &other.to_string(), "a list of tables")),
        };
        let tables: Option<Vec<Table>> = list
            .into_iter()
            .map(|value| match value {
                Value::Table(table) => Some(table),
                _ => None,
            })
            .collect();
        tables.ok_or_else(|| self.wrong(member, "another list", "a list of tables"))
    }

    fn expect(&mut self) -> Result<Expect, ScenarioError> {
        match self.text("expect")?.as_deref() {
            None | Some("recorded") => Ok(Expect::Recorded),
            Some(text) => match text.split_once(':') {
                Some(("refused", code)) if !code.is_empty() => Ok(Expect::Refused(code.to_owned())),
                _ => Err(self.wrong("expect", text, "recorded or refused:<code>")),
            },
        }
    }

    /// Refuses what is left over.
    fn finish(&self, known: &[&str]) -> Result<(), ScenarioError> {
        match self.rest.keys().next() {
            None => Ok(()),
            Some(got) => Err(self.unknown(got, known)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;

    fn read(steps: &str) -> Result<Scenario, ScenarioError> {
        let top = "title = { en = \"t\", zh = \"\u{9898}\" }\nfederation = \"city.toml\"\n";
        Scenario::parse_toml(&format!("{top}{steps}"))
    }

    #[test]
    fn an_act_keeps_what_belongs_to_its_form() {
        let text = r#"
            [[step]]
            at = "2026-02-14 16:05"
            by = "civil/o1"
            approve = "o2@sharing-head"
            do = "request.granted"
            case = "r1"
            as = "answer"
            to = ["housing"]
            body = { items = [1], mode = "api" }
        "#;
        let scenario = read(text).unwrap();
        let step = scenario.steps.first().unwrap();
        assert_eq!(step.at.unwrap().to_string(), "2026-02-14 16:05");
        assert_matches!(&step.action, Some(Action::Act(act)) => {
            assert_eq!(act.by.as_ref().unwrap().officer.as_str(), "o1");
            assert_eq!(act.approve.as_ref().unwrap().post.as_ref().unwrap().as_str(), "sharing-head");
            assert_eq!(act.expect, Expect::Recorded);
            assert_eq!(act.form.keys().collect::<Vec<_>>(), ["body", "to"]);
        });
    }

    #[test]
    fn acts_together_are_read_with_their_place() {
        let text = r#"
            [[step]]
            note = { en = "a race", zh = "x" }
            [[step.together]]
            by = "civil/o1"
            do = "request.granted"
            [[step.together]]
            governance = "take"
            department = "market"
            role = "requestr"
        "#;
        assert_matches!(read(text), Err(ScenarioError::Value { place, member, got, .. })
            if place == "step 1, act 2" && member == "role" && got == "requestr");
    }

    #[test]
    fn what_is_not_understood_is_named_with_the_nearest() {
        let unknown = read("[[step]]\nshwo = \"trail\"\n").unwrap_err();
        assert_matches!(unknown, ScenarioError::Unknown { nearest, .. } if nearest == "show");
        let kind = read("[[step]]\nby = \"a/b\"\ndo = \"request.grantd\"\n").unwrap_err();
        assert!(kind.to_string().contains("request.granted"), "{kind}");
        let two = read("[[step]]\ndo = \"request.granted\"\nshow = \"due\"\n").unwrap_err();
        assert!(two.to_string().contains("show"), "{two}");
        let time = read("[[step]]\nat = \"2026-02-30 09:00\"\n").unwrap_err();
        assert!(time.to_string().contains("2026-02-30"), "{time}");
        let expect =
            read("[[step]]\nby = \"a/b\"\ndo = \"request.granted\"\nexpect = \"refusd\"\n").unwrap_err();
        assert_matches!(expect, ScenarioError::Value { member, .. } if member == "expect");
    }
}
