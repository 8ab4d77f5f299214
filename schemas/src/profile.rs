//! Jurisdiction profiles: the law (and what stands in for it) as data that governance adopts.
//!
//! A profile says which clocks run, who owes what, which refusals are lawful, what a violation is called and who must
//! approve. It holds no rule in prose: `tally-ledger` computes from it, the client's text catalogue renders it. Spec:
//! schemas/spec/profile.md.

mod document;

use crate::members::codes;
use crate::names::Names;
use crate::time::{Date, Timestamp};
use std::collections::BTreeMap;

/// The rules of one jurisdiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The id, the same in all versions.
    pub id: String,
    /// The version, from 1.
    pub version: u32,
    /// What people call it.
    pub names: Names,
    /// The zone whose civil dates count.
    pub zone: Zone,
    /// The id of the calendar by which days count where a department has no regional one.
    pub calendar: String,
    /// The acts that articles cite, by id.
    pub acts: BTreeMap<String, Act>,
    /// The clocks; one that is absent sets no limit.
    pub clocks: BTreeMap<ClockId, Clock>,
    /// What a request for supplement does to a clock.
    pub supplement: Supplement,
    /// The three sharing classes.
    pub classes: BTreeMap<SharingClass, ClassRule>,
    /// The grounds on which a refusal may rest or was seen to rest, by code.
    pub refusals: BTreeMap<String, RefusalGround>,
    /// The violations, by code.
    pub violations: BTreeMap<String, Violation>,
    /// Who approves what.
    pub approvals: Approvals,
    /// How long after it was available an event counts as received although nothing says so.
    pub deemed_receipt_after: Option<Span>,
    /// To whom an overdue matter rises, in order.
    pub ladder: Vec<LadderStep>,
    /// How long records of use are kept.
    pub retention: Retention,
    /// Whether the review of a conclusion pauses the rectification of its findings.
    pub review_pauses_rectification: bool,
}

/// A zone without daylight saving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The name, for people.
    pub name: String,
    /// The offset from UTC in minutes.
    pub offset_minutes: i32,
}

/// A law, regulation or agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Its title.
    pub names: Names,
    /// Its number as published.
    pub number: Option<String>,
    /// The day from which it is in force.
    pub since: Option<Date>,
}

/// A place in an act.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Article {
    /// The id of the act in [`Profile::acts`].
    pub act: String,
    /// The article, as in `21(1)`.
    pub at: String,
}

/// A number of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// How many.
    pub amount: u32,
    /// Of which days.
    pub unit: DayUnit,
}

codes! {
    /// Which days a clock counts.
    DayUnit {
        /// Working days of the owing department's calendar.
        WorkingDays "workingDays";
        /// All days; a last day that is off rolls to the next working day.
        CalendarDays "calendarDays";
    }
}

codes! {
    /// The moment whose day a clock starts after.
    Start {
        /// The addressee received it.
        Receipt "receipt";
        /// The answer was given.
        Answer "answer";
        /// The stated occurrence of a change.
        Occurrence "occurrence";
        /// The act was recorded.
        Recorded "recorded";
    }
}

codes! {
    /// Who stands at one end of an obligation; departments and posts are found from the case and the registry.
    Party {
        /// The department that provides the data.
        Provider "provider";
        /// The department that asks for it.
        Requester "requester";
        /// The department to which a request was redirected.
        Redirected "redirected";
        /// The competent authority of the department concerned.
        Authority "authority";
        /// The government of the level.
        Government "government";
        /// The supervision group.
        Supervision "supervision";
        /// The one who issued a finding or a task.
        Issuer "issuer";
        /// The department that a finding is about.
        Object "object";
        /// The department that a task is assigned to.
        Unit "unit";
    }
}

codes! {
    /// Whether missing a limit breaks the law or only a wish.
    Force {
        /// The limit stands in an act; lateness can be a violation.
        Law "law";
        /// The limit is a target of this profile; lateness is shown, never a violation.
        Target "target";
    }
}

codes! {
    /// What a request for supplement does to the clock.
    SupplementReading {
        /// The clock starts again after the day on which the file was complete.
        Restart "restart";
        /// The days that were unused when the supplement was asked for continue after the file was complete.
        Pause "pause";
        /// The clock runs on.
        None "none";
    }
}

codes! {
    /// How a data item is shared.
    SharingClass {
        /// For every department.
        Unconditional "unconditional";
        /// For the scope, purposes and conditions listed.
        Conditional "conditional";
        /// For none; the entry cites the law that says so.
        NoShare "no-share";
    }
}

codes! {
    /// Whether the text that allows an extension covers the clock.
    ExtensionReach {
        /// It does.
        Clear "clear";
        /// It can be read either way; both dates are shown.
        Arguable "arguable";
    }
}

codes! {
    /// To whom an overdue matter rises.
    Rung {
        /// The post above the one that owes.
        HigherPost "higher-post";
        /// The head of the department that owes.
        DepartmentHead "department-head";
        /// The competent authority.
        Authority "authority";
        /// The supervision group.
        Supervision "supervision";
        /// The leading group.
        LeadGroup "lead-group";
    }
}

/// A limit on one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// What people call it.
    pub names: Names,
    /// How long it is.
    pub limit: Span,
    /// What starts it.
    pub start: Start,
    /// Who owes the step.
    pub owes: Party,
    /// Law or target.
    pub force: Force,
    /// Where the limit stands; always present for law.
    pub article: Option<Article>,
    /// How it can be extended.
    pub extension: Option<Extension>,
    /// The code of the violation that lateness without proper reason is.
    pub violation: Option<String>,
}

/// How a clock can be extended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The most days in all, of the unit of the clock.
    pub amount_max: u32,
    /// Who must consent.
    pub consent_by: Party,
    /// Who must be told for it to count.
    pub notice_to: Option<Party>,
    /// Whether the text covers this clock.
    pub reach: ExtensionReach,
}

/// What a request for supplement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supplement {
    /// The reading that counts; the others are shown beside it.
    pub reading: SupplementReading,
    /// How often it may be asked for.
    pub asks_max: u32,
    /// Where that stands.
    pub article: Option<Article>,
}

/// What holds for one sharing class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassRule {
    /// What people call it.
    pub names: Names,
    /// Where it stands.
    pub article: Option<Article>,
    /// What can be asked for, and who answers; absent where no request is possible.
    pub answer: Option<ClassAnswer>,
}

/// How requests of one class are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassAnswer {
    /// Who grants.
    pub grantor: Party,
    /// The clock of the answer.
    pub clock: ClockId,
    /// Whether an answer may attach conditions.
    pub conditions: bool,
}

/// A ground for refusing a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalGround {
    /// What people call it.
    pub names: Names,
    /// Where it stands; for an unlawful ground, what forbids it.
    pub article: Option<Article>,
    /// The classes for which it is lawful; none for a ground that the law rules out.
    pub classes: Vec<SharingClass>,
    /// Whether the refusal must cite a legal basis.
    pub needs_citation: bool,
    /// Whether the refusal should name another department.
    pub redirects: bool,
    /// Whether a refusal on it is always shown to the authority as unclear.
    pub flagged: bool,
}

/// A violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What people call it.
    pub names: Names,
    /// Where it stands.
    pub article: Option<Article>,
}

/// Who approves what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    /// Whether one officer may be drafter and approver of one event.
    pub one_officer_as_both: bool,
    /// The kinds of event (`request.granted`) that need an approver.
    pub kinds: BTreeMap<String, Approval>,
}

/// The approval that a kind of event needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The duty of the post that approves, such as `sharing-unit-head`.
    pub duty: String,
    /// Where that stands.
    pub article: Option<Article>,
}

/// One step of the escalation ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderStep {
    /// How long a step is overdue when it rises.
    pub after: Span,
    /// To whom.
    pub to: Rung,
}

/// How long records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Years that records of use are kept from the end of the grant.
    pub usage_record_years: u32,
    /// Where that stands.
    pub article: Option<Article>,
}

macro_rules! clocks {
    ($( $(#[$doc:meta])* $variant:ident $text:literal $required:literal; )*) => {
        codes! {
            /// The clocks and targets that case kinds know.
            ClockId { $( $(#[$doc])* $variant $text; )* }
        }

        impl ClockId {
            /// Says whether every profile must set the clock.
            pub const fn is_required(self) -> bool {
                match self { $( Self::$variant => $required, )* }
            }
        }
    };
}

clocks! {
    /// The entry is updated after a change.
    CatalogueUpdate "catalogue-update" true;
    /// The authority reviews a submitted entry.
    CatalogueReview "catalogue-review" true;
    /// The authority decides on retiring an entry.
    CatalogueRetirement "catalogue-retirement" true;
    /// The authority checks the form of a request, where the profile has that step.
    RequestConformity "request-conformity" false;
    /// An answer in the unconditional class.
    RequestAnswerUnconditional "request-answer-unconditional" true;
    /// An answer in the conditional class.
    RequestAnswerConditional "request-answer-conditional" true;
    /// An answer in the conditional class for data that the platform holds already.
    RequestAnswerOnPlatform "request-answer-on-platform" false;
    /// The requester completes its file.
    RequestSupplement "request-supplement" true;
    /// The department named accepts a redirected request.
    RequestRedirectAcceptance "request-redirect-acceptance" true;
    /// The authority decides on an extension.
    RequestExtensionDecision "request-extension-decision" true;
    /// The authority decides whether a delay is excused.
    RequestDelayDecision "request-delay-decision" true;
    /// What was granted is delivered.
    RequestDelivery "request-delivery" true;
    /// The requester confirms what was delivered; past it, it counts as confirmed.
    RequestReceiptConfirmation "request-receipt-confirmation" true;
    /// The provider answers a wish for another scope.
    RequestScopeChange "request-scope-change" true;
    /// A suspended permission is reviewed after a report of rectification.
    RequestSuspensionReview "request-suspension-review" true;
    /// A proposed change or end of service is consulted on and filed.
    RequestChangeFiling "request-change-filing" true;
    /// The provider says how data is to be disposed of.
    RequestDisposalInstruction "request-disposal-instruction" true;
    /// The requester reports the disposal.
    RequestDisposalReport "request-disposal-report" true;
    /// The requester produces its records of use.
    RequestRecords "request-records" true;
    /// A correction request is checked, corrected and fed back.
    Correction "correction" false;
    /// The head approves an inspection.
    MatterApproval "matter-approval" true;
    /// The plan of an inspection is issued.
    MatterPlan "matter-plan" true;
    /// A drafted finding is sent for comment.
    FindingDispatch "finding-dispatch" true;
    /// The object comments on a finding.
    FindingComment "finding-comment" true;
    /// The issuer decides on the comment and notifies.
    FindingNotice "finding-notice" true;
    /// The object acknowledges the notice.
    FindingAcknowledgement "finding-acknowledgement" true;
    /// The object submits its plan.
    FindingPlan "finding-plan" true;
    /// The issuer accepts or returns the plan.
    FindingPlanReview "finding-plan-review" true;
    /// The evidence of rectification is verified.
    FindingVerification "finding-verification" true;
    /// The object applies for review of a conclusion.
    ConclusionReviewApplication "conclusion-review-application" false;
    /// The government decides on that review.
    ConclusionReviewDecision "conclusion-review-decision" false;
    /// The post in charge signs the letter of a task.
    TaskSignature "task-signature" true;
    /// The issuer decides on an objection to the assignment.
    TaskObjection "task-objection" true;
    /// A claim of completion is verified.
    TaskVerification "task-verification" true;
}

impl Profile {
    /// Returns a clock; `None` means that this profile sets no limit.
    pub fn clock(&self, id: ClockId) -> Option<&Clock> {
        self.clocks.get(&id)
    }

    /// Returns how requests of a class are answered; `None` means that none can be made.
    pub fn answer_of(&self, class: SharingClass) -> Option<&ClassAnswer> {
        self.classes.get(&class).and_then(|rule| rule.answer.as_ref())
    }

    /// Says whether a ground may lawfully carry a refusal in a class.
    pub fn is_lawful_refusal(&self, class: SharingClass, code: &str) -> bool {
        self.refusals
            .get(code)
            .is_some_and(|ground| ground.classes.contains(&class))
    }

    /// Returns the approval that a kind of event (`request.granted`) needs.
    pub fn approval_of(&self, kind: &str) -> Option<&Approval> {
        self.approvals.kinds.get(kind)
    }

    /// Says whether the authority checks the form of a request before the provider gets it.
    pub fn has_conformity_check(&self) -> bool {
        self.clocks.contains_key(&ClockId::RequestConformity)
    }
}

impl Zone {
    /// Returns the civil date of an instant.
    pub fn date_of(&self, instant: Timestamp) -> Date {
        instant.date_at(self.offset_minutes)
    }

    /// Returns the first instant after a day: its 24:00.
    pub fn end_of(&self, date: Date) -> Timestamp {
        date.plus_days(1).start_at(self.offset_minutes)
    }
}
