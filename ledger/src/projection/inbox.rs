//! The inbox of a department or post: what it owes today, by last day, what it waits for from others, and what has risen
//! to it because others are late.
//!
//! Obligations bind to posts, which outlive persons. A post sees a line when one of its duties is needed for a next step:
//! who handles drafts every step; who approves sees the steps that need that approval; who leads sees those of a group or
//! an authority.

use super::cases::title;
use super::due::{self, DueLine};
use super::shape::{items, list, maybe, object, text, texts};
use crate::authority::Roster;
use crate::cases::source::AsOf;
use crate::cases::state::CaseState;
use crate::cases::table::Stage;
use crate::cases::table_of;
use crate::cases::verdict::{NextAct, departments, next_acts};
use std::collections::BTreeSet;
use tally_schemas::event::CaseKind;
use tally_schemas::genesis::Role;
use tally_schemas::id::{CaseId, DepartmentId, PostId};
use tally_schemas::json::Json;
use tally_schemas::number::CaseNumber;
use tally_schemas::profile::Rung;
use tally_schemas::time::Date;

/// One step that waits.
#[derive(Debug, Clone)]
pub struct InboxLine {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: Option<CaseNumber>,
    /// Its kind.
    pub kind: CaseKind,
    /// What people call it.
    pub title: Option<String>,
    /// The stage of the items.
    pub stage: Stage,
    /// The items.
    pub items: Vec<u16>,
    /// Who owes the step.
    pub owes: Vec<DepartmentId>,
    /// The clock, if one runs.
    pub due: Option<DueLine>,
    /// What the department can do about it.
    pub next: Vec<NextAct>,
    /// The posts of the department that it concerns.
    pub posts: Vec<PostId>,
}

/// What a department or post has before it.
#[derive(Debug, Clone)]
pub struct Inbox {
    /// The department.
    pub department: DepartmentId,
    /// The post, if only one was asked for.
    pub post: Option<PostId>,
    /// The day.
    pub today: Date,
    /// What it owes, the earliest last day first; what has no day comes last.
    pub owed: Vec<InboxLine>,
    /// What it waits for from others.
    pub awaited: Vec<InboxLine>,
    /// What others owe and are so late with that it has risen to this department.
    pub risen: Vec<InboxLine>,
}

/// Returns the inbox of a department, or of one of its posts.
pub fn of(department: &DepartmentId, post: Option<&PostId>, asof: &AsOf<'_>) -> Inbox {
    let roster = asof.source.roster_at(department, u32::MAX, u64::MAX);
    let mut owed = Vec::new();
    let mut awaited = Vec::new();
    let mut risen = Vec::new();
    let registry = asof.registry();
    let role = |role| registry.has_role(department, role, asof.version());
    let sees_all = role(Role::Supervision) || role(Role::LeadGroup);
    let over = |owes: &DepartmentId| registry.authority_of(owes, asof.version()).as_ref() == Some(department);
    let concerned = asof.find(true, |_, brief| {
        sees_all
            || asof.is_stale(brief)
            || brief.owes.contains(department)
            || brief.awaits.contains(department)
            || brief.owes.iter().any(over)
    });
    for state in concerned {
        let state = state.as_ref();
        for line in lines(state, department, roster.as_deref(), asof) {
            if line.owes.contains(department) {
                owed.push(line);
            } else if has_risen(&line, department, asof) {
                risen.push(line);
            } else if state.owner == *department || state.first_asked == *department {
                awaited.push(line);
            }
        }
    }
    if let Some(post) = post {
        for list in [&mut owed, &mut awaited, &mut risen] {
            list.retain(|line| line.posts.contains(post));
        }
    }
    let day = |line: &InboxLine| line.due.as_ref().and_then(DueLine::sort_day);
    for list in [&mut owed, &mut awaited, &mut risen] {
        list.sort_by_key(|line| (day(line).is_none(), day(line), line.case, line.items.clone()));
    }
    Inbox {
        department: department.clone(),
        post: post.cloned(),
        today: asof.today(department),
        owed,
        awaited,
        risen,
    }
}

/// Says whether an overdue step of others has risen to a department by the ladder of the one who owes it.
fn has_risen(line: &InboxLine, department: &DepartmentId, asof: &AsOf<'_>) -> bool {
    let Some(due) = line.due.as_ref().filter(|due| due.is_overdue()) else {
        return false;
    };
    let (registry, version) = (asof.registry(), asof.version());
    due.rises.iter().any(|rise| match rise.to {
        // Within the department that owes: its own inbox shows the line already.
        Rung::HigherPost | Rung::DepartmentHead => false,
        Rung::Authority => line
            .owes
            .iter()
            .any(|owes| registry.authority_of(owes, version).as_ref() == Some(department)),
        Rung::Supervision => registry.has_role(department, Role::Supervision, version),
        Rung::LeadGroup => registry.has_role(department, Role::LeadGroup, version),
    })
}

/// Returns every step that waits in a case: its running clocks, and stages that somebody owes without a clock.
fn lines(
    state: &CaseState,
    department: &DepartmentId,
    roster: Option<&Roster>,
    asof: &AsOf<'_>,
) -> Vec<InboxLine> {
    let Some(table) = table_of(state.kind) else {
        return Vec::new();
    };
    let (registry, version) = (asof.registry(), asof.version());
    let all_next = next_acts(state, registry, version);
    let make = |items: Vec<u16>, owes: Vec<DepartmentId>, due: Option<DueLine>| {
        let stages = items.iter().filter_map(|item| state.items.get(item));
        let stage = stages.map(|item| item.stage).min().unwrap_or(Stage::Start);
        let next = all_next.iter().filter_map(|act| {
            let shared: Vec<u16> = act
                .items
                .iter()
                .copied()
                .filter(|item| items.contains(item))
                .collect();
            (act.by.contains(department) && !shared.is_empty()).then(|| NextAct {
                items: shared,
                ..act.clone()
            })
        });
        let next: Vec<NextAct> = next.collect();
        InboxLine {
            case: state.id,
            number: asof.source.number(state),
            kind: state.kind,
            title: title(state),
            stage,
            posts: posts(&next, department, roster, asof),
            items,
            owes,
            due,
            next,
        }
    };
    let mut found: Vec<InboxLine> = Vec::new();
    let mut clocked: BTreeSet<(u16, DepartmentId)> = BTreeSet::new();
    for due in due::of_case(state, asof) {
        if !due.timed.is_running() {
            continue;
        }
        let clock = &due.timed.clock;
        for item in &clock.items {
            clocked.extend(clock.owes.iter().map(|owes| (*item, owes.clone())));
        }
        found.push(make(clock.items.clone(), clock.owes.clone(), Some(due)));
    }
    for (number, item) in &state.items {
        let Some(who) = table.stage(item.stage).and_then(|row| row.owes) else {
            continue;
        };
        let owes = departments(who, state, Some(item), None, registry, version);
        let has_clock = owes
            .iter()
            .any(|department| clocked.contains(&(*number, department.clone())));
        if has_clock || owes.is_empty() {
            continue;
        }
        let same = found
            .iter_mut()
            .find(|line| line.due.is_none() && line.owes == owes && line.stage == item.stage);
        match same {
            Some(line) => line.items.push(*number),
            None => found.push(make(vec![*number], owes, None)),
        }
    }
    found
}

/// Returns the posts that a line concerns: those with a duty that a next step needs, else all.
fn posts(
    next: &[NextAct],
    department: &DepartmentId,
    roster: Option<&Roster>,
    asof: &AsOf<'_>,
) -> Vec<PostId> {
    let Some(roster) = roster else { return Vec::new() };
    let profile = asof.profile_of(department);
    let approvals = next
        .iter()
        .filter_map(|act| profile?.approval_of(act.kind.as_str()))
        .map(|approval| approval.duty.as_str());
    let mut duties: BTreeSet<&str> = approvals.collect();
    duties.insert("handle");
    duties.insert("lead");
    let concerned = roster
        .posts
        .iter()
        .filter(|(_, post)| post.duties.iter().any(|duty| duties.contains(duty.as_str())));
    concerned.map(|(id, _)| id.clone()).collect()
}

impl Inbox {
    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        object([
            ("department", text(&self.department)),
            ("post", maybe(self.post.as_ref())),
            ("today", text(self.today)),
            ("owed", list(&self.owed, InboxLine::to_json)),
            ("awaited", list(&self.awaited, InboxLine::to_json)),
            ("risen", list(&self.risen, InboxLine::to_json)),
        ])
    }
}

impl InboxLine {
    /// Returns the form for programs.
    pub fn to_json(&self) -> Json {
        let deemed = self.due.as_ref().is_some_and(DueLine::is_overdue_if_deemed);
        object([
            ("case", text(self.case)),
            ("number", maybe(self.number.as_ref())),
            ("kind", text(self.kind.as_str())),
            ("title", maybe(self.title.as_ref())),
            ("stage", text(self.stage.as_str())),
            ("items", items(&self.items)),
            ("owes", texts(&self.owes)),
            ("dueOn", maybe(self.due.as_ref().and_then(|due| due.timed.date()))),
            (
                "overdue",
                super::shape::flag(self.due.as_ref().is_some_and(DueLine::is_overdue)),
            ),
            ("overdueIfDeemedReceived", super::shape::flag(deemed)),
            ("due", self.due.as_ref().map(DueLine::to_json)),
            ("next", Some(super::cases::next_to_json(&self.next))),
            ("posts", texts(&self.posts)),
        ])
    }
}
