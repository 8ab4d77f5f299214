//! The shape of a transition table: one per case kind serves acceptance, the fold, the diagrams and "what next, by whom".

use tally_schemas::event::{CaseKind, EventKind};
use tally_schemas::genesis::Role;
use tally_schemas::profile::ClockId;

macro_rules! stages {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// A stage of a case or of one of its data items.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Stage { $($(#[$doc])* $name,)* }

        impl Stage {
            /// Every stage.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the stable text form.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

stages! {
    /// Nothing has opened the case yet.
    Start "start",
    /// Catalogue: drafted by the provider.
    Draft "draft",
    /// Catalogue: assessed for secrecy and personal information.
    Assessed "assessed",
    /// Catalogue: approved by the head of the department. Matter: approved.
    Approved "approved",
    /// Catalogue: the first version is under review.
    UnderReview "under-review",
    /// Catalogue: published.
    Published "published",
    /// Catalogue: an update is due.
    UpdateDue "update-due",
    /// Catalogue: the update is under review.
    UpdateUnderReview "update-under-review",
    /// Catalogue: its retirement is proposed.
    Retiring "retiring",
    /// Catalogue: its retirement is proposed while an update is due.
    RetiringUpdateDue "retiring-update-due",
    /// Catalogue: retired.
    Retired "retired",
    /// Withdrawn by the one who opened it.
    Withdrawn "withdrawn",
    /// Request: waits for the answer.
    Pending "pending",
    /// Request: returned for its form.
    ReturnedForForm "returned-for-form",
    /// Request: waits for the requester's supplement.
    AwaitingSupplement "awaiting-supplement",
    /// Request: waits for the department named to accept it.
    Redirected "redirected",
    /// Request: granted, waits for delivery.
    Agreed "agreed",
    /// Request: refused.
    Refused "refused",
    /// Request: delivered, waits for the confirmation.
    Delivered "delivered",
    /// Request: in use.
    Active "active",
    /// Request: the data is to be disposed of.
    DisposalDue "disposal-due",
    /// Request: the grant ended before use.
    Ended "ended",
    /// Closed.
    Closed "closed",
    /// Matter: proposed.
    Proposed "proposed",
    /// Matter: declined.
    Declined "declined",
    /// Matter: its plan is issued and is a mandate.
    PlanIssued "plan-issued",
    /// Finding: opened.
    Opened "opened",
    /// Finding: with its object for comment.
    Commenting "commenting",
    /// Finding: the facts are contested.
    Contested "contested",
    /// Finding: the facts are settled.
    Settled "settled",
    /// Finding: dropped.
    Dropped "dropped",
    /// Finding: notified.
    Notified "notified",
    /// Finding: acknowledged.
    Acknowledged "acknowledged",
    /// Finding: the plan waits for the issuer.
    Planned "planned",
    /// Finding: being rectified.
    Rectifying "rectifying",
    /// Finding: the evidence waits for the verifier.
    EvidenceIn "evidence-in",
    /// Finding: rectified and verified.
    ClosedRectified "closed-rectified",
    /// Finding: closed without rectification, with approval.
    ClosedNotRectified "closed-not-rectified",
    /// Task: issued, waits for the signature.
    Issued "issued",
    /// Task: the assignment is objected to.
    Negotiating "negotiating",
    /// Task: signed and in force.
    InForce "in-force",
    /// Task: waits for the department named to take it over.
    HandingOver "handing-over",
    /// Task: completion is claimed.
    Claimed "claimed",
}

impl Stage {
    /// Parses the text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.as_str() == text)
    }
}

/// Who acts, relative to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The department that opened the case.
    Owner,
    /// The department that owes the item: addressee, object, lead.
    Holder,
    /// The department that a redirect or hand-over names.
    Proposed,
    /// The competent authority of the holder.
    AuthorityOfHolder,
    /// The competent authority of the owner.
    AuthorityOfOwner,
    /// A department with a role.
    Any(Role),
    /// Who issued a finding: its owner; where the owner is its own object, the supervision or the authority.
    Issuer,
    /// A department that its basis lets open a finding.
    ByBasis,
    /// The department that set the flag which the act is about.
    Setter,
}

/// What an act does beside moving the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Sets the suspension flag of the acting department.
    SetFlag,
    /// Lifts the suspension flag of the acting department.
    LiftFlag,
    /// Lifts every flag: the grant is over.
    ClearFlags,
    /// Names the department in a field of the body as the proposed holder.
    Propose(&'static str),
    /// Makes the proposed department the holder.
    AcceptProposed,
    /// Drops the proposal.
    DropProposed,
    /// Makes the department in a field of the body the holder.
    Assign(&'static str),
}

/// A condition on the facts of the case, checked in the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// None.
    None,
    /// A field of the body names an effective event of a kind in this case.
    Names(&'static str, EventKind),
    /// As [`Guard::Names`], and that event is the newest of its kind.
    NamesNewest(&'static str, EventKind),
    /// The acting department has its flag up on the item.
    OwnFlag,
    /// The acting department has no flag up on the item.
    NoOwnFlag,
    /// The acting department is not the one that holds the item (independent verification).
    NotHolder,
    /// The acting department opened the case.
    OwnCase,
    /// An effective event of a kind stands in this case and has not been answered by one of another kind.
    Outstanding(EventKind, &'static [EventKind]),
}

/// Where a transition leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// The stage stays.
    Same,
    /// To a stage.
    Stage(Stage),
}

/// What one kind of event needs and does.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The kind of event.
    pub event: EventKind,
    /// Who may do it; the first that fits names the right it rests on.
    pub who: &'static [(Who, Option<Role>)],
    /// The transitions: from any of these stages, to that one.
    pub edges: &'static [(&'static [Stage], To)],
    /// What it does beside.
    pub effect: Effect,
    /// What must hold beside.
    pub guard: Guard,
}

/// Which of two concurrent acts on one item is applied first, and what the second does then.
#[derive(Debug, Clone, Copy)]
pub struct PairRow {
    /// Applied first.
    pub first: EventKind,
    /// Applied second.
    pub second: EventKind,
    /// What the second does from stages it could not leave in its own past; never used in a verdict.
    pub race: Option<(&'static [Stage], To)>,
}

/// What a stage means for people.
#[derive(Debug, Clone, Copy)]
pub struct StageRow {
    /// The stage.
    pub stage: Stage,
    /// Who owes the next step; none where the stage is final or waits for nobody.
    pub owes: Option<Who>,
    /// The clock or target that runs.
    pub clock: Option<ClockId>,
    /// Whether nothing is owed any more.
    pub last: bool,
}

/// The table of a case kind under a ruleset.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The case kind.
    pub kind: CaseKind,
    /// The stages, in the order of a usual life.
    pub stages: &'static [StageRow],
    /// The rules, one per kind of event.
    pub rules: &'static [Rule],
    /// The rows for concurrent pairs that do not commute.
    pub pairs: &'static [PairRow],
}

impl Table {
    /// Returns the rule of a kind of event.
    pub fn rule(&self, event: EventKind) -> Option<&'static Rule> {
        self.rules.iter().find(|rule| rule.event == event)
    }

    /// Returns what a stage means.
    pub fn stage(&self, stage: Stage) -> Option<&'static StageRow> {
        self.stages.iter().find(|row| row.stage == stage)
    }

    /// Returns where an event leads from a stage by a usual transition.
    pub fn edge(&self, event: EventKind, from: Stage) -> Option<Stage> {
        let rule = self.rule(event)?;
        rule.edges
            .iter()
            .find(|(stages, _)| stages.contains(&from))
            .map(|(_, to)| to.from(from))
    }

    /// Returns where an event leads from a stage by a race-only edge.
    pub fn race_edge(&self, event: EventKind, from: Stage) -> Option<Stage> {
        let mut rows = self
            .pairs
            .iter()
            .filter(|row| row.second == event)
            .filter_map(|row| row.race);
        rows.find(|(stages, _)| stages.contains(&from))
            .map(|(_, to)| to.from(from))
    }

    /// Says whether a row puts the first kind before the second when they are concurrent.
    pub fn puts_first(&self, first: EventKind, second: EventKind) -> bool {
        self.pairs
            .iter()
            .any(|row| row.first == first && row.second == second)
    }
}

impl To {
    /// Returns the stage that follows.
    pub fn from(self, stage: Stage) -> Stage {
        match self {
            Self::Same => stage,
            Self::Stage(to) => to,
        }
    }
}

/// Declares a rule without effect and guard.
pub(super) const fn rule(
    event: EventKind,
    who: &'static [(Who, Option<Role>)],
    edges: &'static [(&'static [Stage], To)],
) -> Rule {
    Rule {
        event,
        who,
        edges,
        effect: Effect::None,
        guard: Guard::None,
    }
}

/// Adds an effect.
pub(super) const fn with(rule: Rule, effect: Effect) -> Rule {
    Rule { effect, ..rule }
}

/// Adds a guard.
pub(super) const fn when(rule: Rule, guard: Guard) -> Rule {
    Rule { guard, ..rule }
}

/// Declares what a stage means.
pub(super) const fn stage(stage: Stage, owes: Option<Who>, clock: Option<ClockId>) -> StageRow {
    StageRow {
        stage,
        owes,
        clock,
        last: false,
    }
}

/// Declares a final stage.
pub(super) const fn last(stage: Stage) -> StageRow {
    StageRow {
        stage,
        owes: None,
        clock: None,
        last: true,
    }
}
