//! Which clocks run in a case: what started each, who owes the step, what ended it.
//!
//! Says nothing of dates: [`super::timing`] turns events into days. A clock that an act takes back (a returned plan, a
//! contested delivery, a retracted answer) runs on from where it started, since nobody gains time by taking back.

use super::state::{CaseState, Fact};
use super::table::Stage;
use super::table_of;
use crate::authority::Registry;
use std::collections::BTreeMap;
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::genesis::Role;
use tally_schemas::id::{DepartmentId, EventId};
use tally_schemas::profile::{ClockId, Party, SharingClass};
use tally_schemas::time::Date;

/// What sets the limit of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// A clock of the profile.
    Clock(ClockId),
    /// A date that somebody set.
    Stated(Stated),
}

/// A step whose date somebody set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stated {
    /// The task is done (its letter).
    TaskDone,
    /// The finding is rectified (its notice).
    Rectified,
    /// The misuse is put right (the suspension).
    MisuseEnded,
}

impl Stated {
    /// Returns the stable text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TaskDone => "task-done",
            Self::Rectified => "finding-rectified",
            Self::MisuseEnded => "misuse-ended",
        }
    }

    /// Returns who owes it.
    pub fn owes(self) -> Party {
        match self {
            Self::TaskDone => Party::Unit,
            Self::Rectified => Party::Object,
            Self::MisuseEnded => Party::Requester,
        }
    }
}

impl Limit {
    /// Returns the stable text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clock(id) => id.as_str(),
            Self::Stated(stated) => stated.as_str(),
        }
    }
}

/// A supplement asked for within a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supplement {
    /// The asking.
    pub asked: EventId,
    /// What ended the waiting, and whether the file was completed rather than given up.
    pub ended: Option<(EventId, bool)>,
}

/// An extension of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// The asking, or the consent where nobody need ask.
    pub requested: EventId,
    /// The days asked for, then those consented to.
    pub days: i64,
    /// The decision, and whether it consents.
    pub decision: Option<(EventId, bool)>,
    /// The notice.
    pub notified: Option<EventId>,
}

/// A reason given for lateness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The explanation.
    pub given: EventId,
    /// The decision on it, and whether it accepts.
    pub decision: Option<(EventId, bool)>,
}

/// How a clock ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// By which act.
    pub by: EventId,
    /// Whether the step was done; otherwise it fell away.
    pub done: bool,
}

/// A clock of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseClock {
    /// What sets the limit.
    pub limit: Limit,
    /// The items.
    pub items: Vec<u16>,
    /// Who owes the step: any of these.
    pub owes: Vec<DepartmentId>,
    /// The act that starts it.
    pub start: EventId,
    /// The date that somebody set.
    pub date: Option<Date>,
    /// The supplements asked for.
    pub supplements: Vec<Supplement>,
    /// The extensions.
    pub extensions: Vec<Extension>,
    /// The reasons given for lateness.
    pub explanations: Vec<Explanation>,
    /// How it ended; none while it runs.
    pub ended: Option<Ended>,
}

/// Returns the clocks of a case in the order in which they started; items whose clocks are alike stand together.
pub fn of(state: &CaseState, registry: &Registry) -> Vec<CaseClock> {
    let mut walk = Walk {
        state,
        registry,
        version: registry.newest().version,
        clocks: Vec::new(),
        holders: BTreeMap::new(),
        proposed: BTreeMap::new(),
    };
    for fact in &state.facts {
        for item in &fact.items {
            walk.step(fact, *item);
        }
    }
    let mut merged: Vec<CaseClock> = Vec::new();
    for clock in walk.clocks {
        let alike = merged.iter_mut().find(|other| {
            let items = other.items.clone();
            let with = CaseClock {
                items,
                ..clock.clone()
            };
            **other == with
        });
        match alike {
            Some(other) => other.items.extend(clock.items),
            None => merged.push(clock),
        }
    }
    merged
}

/// Returns the sharing class that a request states.
pub fn class_of(request: &CaseState) -> Option<SharingClass> {
    let opening = request.opening()?;
    opening.event.body.word("class").and_then(SharingClass::parse)
}

struct Walk<'a> {
    state: &'a CaseState,
    registry: &'a Registry,
    version: u64,
    clocks: Vec<CaseClock>,
    holders: BTreeMap<u16, DepartmentId>,
    proposed: BTreeMap<u16, DepartmentId>,
}

impl Walk<'_> {
    fn holder(&self, item: u16) -> DepartmentId {
        let held = self.holders.get(&item);
        held.unwrap_or(&self.state.first_asked).clone()
    }

    fn owner(&self) -> Vec<DepartmentId> {
        vec![self.state.owner.clone()]
    }

    fn authority(&self, of: &DepartmentId) -> Vec<DepartmentId> {
        self.registry.authority_of(of, self.version).into_iter().collect()
    }

    fn role(&self, role: Role) -> Vec<DepartmentId> {
        self.registry.role_holders(role, self.version)
    }

    /// Starts a clock; one of the same limit that still runs for the item goes on beside it.
    fn open(&mut self, limit: Limit, item: u16, owes: Vec<DepartmentId>, start: EventId) {
        self.clocks.push(CaseClock {
            limit,
            items: vec![item],
            owes,
            start,
            date: None,
            supplements: Vec::new(),
            extensions: Vec::new(),
            explanations: Vec::new(),
            ended: None,
        });
    }

    fn clock(&mut self, clock: ClockId, item: u16, owes: Vec<DepartmentId>, fact: &Fact) {
        self.open(Limit::Clock(clock), item, owes, fact.entry.event);
    }

    fn of_item(&mut self, item: u16) -> impl DoubleEndedIterator<Item = &mut CaseClock> {
        let clocks = self.clocks.iter_mut();
        clocks.filter(move |clock| clock.items.contains(&item))
    }

    fn running(&mut self, limit: Limit, item: u16) -> Option<&mut CaseClock> {
        self.of_item(item)
            .rev()
            .find(|clock| clock.limit == limit && clock.ended.is_none())
    }

    /// Returns the newest clock of a limit, running or not.
    fn newest(&mut self, limit: Limit, item: u16) -> Option<&mut CaseClock> {
        self.of_item(item).rev().find(|clock| clock.limit == limit)
    }

    /// Ends every running clock of a limit.
    fn end(&mut self, limit: Limit, item: u16, fact: &Fact, done: bool) {
        let by = fact.entry.event;
        for clock in self.of_item(item) {
            if clock.limit == limit && clock.ended.is_none() {
                clock.ended = Some(Ended { by, done });
            }
        }
    }

    fn done(&mut self, clock: ClockId, item: u16, fact: &Fact) {
        self.end(Limit::Clock(clock), item, fact, true);
    }

    fn dropped(&mut self, clock: ClockId, item: u16, fact: &Fact) {
        self.end(Limit::Clock(clock), item, fact, false);
    }

    /// Ends the running clock that a named act started.
    fn done_for(&mut self, clock: ClockId, item: u16, fact: &Fact, started_by: Option<EventId>) {
        let by = fact.entry.event;
        for running in self.of_item(item) {
            if running.limit == Limit::Clock(clock)
                && running.ended.is_none()
                && Some(running.start) == started_by
            {
                running.ended = Some(Ended { by, done: true });
            }
        }
    }

    /// Lets the newest clock of a limit run on.
    fn resume(&mut self, limit: Limit, item: u16) {
        if let Some(clock) = self.newest(limit, item) {
            clock.ended = None;
        }
    }

    /// Ends every running clock but those on decisions about lateness, which outlive the step.
    fn drop_all(&mut self, item: u16, fact: &Fact) {
        let by = fact.entry.event;
        let outlives = [
            Limit::Clock(ClockId::RequestDelayDecision),
            Limit::Clock(ClockId::RequestRecords),
        ];
        for clock in self.of_item(item) {
            if clock.ended.is_none() && !outlives.contains(&clock.limit) {
                clock.ended = Some(Ended { by, done: false });
            }
        }
    }

    fn step(&mut self, fact: &Fact, item: u16) {
        match self.state.kind {
            CaseKind::Roster => {}
            CaseKind::Catalogue => self.catalogue(fact, item),
            CaseKind::Request => self.request(fact, item),
            CaseKind::Matter => self.matter(fact, item),
            CaseKind::Finding => self.finding(fact, item),
            CaseKind::Task => self.task(fact, item),
        }
        let to = fact.moved.get(&item).map(|(_, to)| *to);
        let last = to.and_then(|to| table_of(self.state.kind)?.stage(to));
        if last.is_some_and(|row| row.last) {
            self.drop_all(item, fact);
        }
    }

    fn catalogue(&mut self, fact: &Fact, item: u16) {
        let authority = self.authority(&self.state.owner.clone());
        let moved = fact.moved.contains_key(&item);
        let stands = !fact.overtaken.contains_key(&item);
        match fact.kind {
            K::CatalogueSubmitted if moved => {
                self.done(ClockId::CatalogueUpdate, item, fact);
                self.clock(ClockId::CatalogueReview, item, authority, fact);
            }
            K::CatalogueReturned if moved => {
                self.done(ClockId::CatalogueReview, item, fact);
                let submission = self
                    .newest(Limit::Clock(ClockId::CatalogueReview), item)
                    .map(|clock| clock.start);
                for clock in self.of_item(item) {
                    if clock.limit == Limit::Clock(ClockId::CatalogueUpdate)
                        && clock.ended.map(|ended| ended.by) == submission
                    {
                        clock.ended = None;
                    }
                }
            }
            K::CataloguePublished if moved => self.done(ClockId::CatalogueReview, item, fact),
            K::CatalogueChangeTriggered if stands => {
                let owner = self.owner();
                self.clock(ClockId::CatalogueUpdate, item, owner, fact);
            }
            K::CatalogueUpdateExtended if stands => {
                let extension = Extension {
                    requested: fact.entry.event,
                    days: fact.event.body.integer("days").unwrap_or(0),
                    decision: Some((fact.entry.event, true)),
                    notified: None,
                };
                for clock in self.of_item(item) {
                    if clock.limit == Limit::Clock(ClockId::CatalogueUpdate) && clock.ended.is_none() {
                        clock.extensions.push(extension);
                    }
                }
            }
            K::CatalogueRetireProposed if moved => {
                self.clock(ClockId::CatalogueRetirement, item, authority, fact);
            }
            K::CatalogueRetireDeclined | K::CatalogueRetired if moved => {
                self.done(ClockId::CatalogueRetirement, item, fact);
            }
            _ => {}
        }
    }

    fn answer_limit(&self, item: u16) -> Option<(Limit, Vec<DepartmentId>)> {
        let holder = self.holder(item);
        let answer = self
            .registry
            .profile_of(&holder)?
            .answer_of(class_of(self.state)?)?;
        let owes = match answer.grantor {
            Party::Authority => self.authority(&holder),
            _ => vec![holder],
        };
        Some((Limit::Clock(answer.clock), owes))
    }

    fn is_answer(limit: Limit) -> bool {
        matches!(
            limit,
            Limit::Clock(
                ClockId::RequestAnswerConditional
                    | ClockId::RequestAnswerUnconditional
                    | ClockId::RequestAnswerOnPlatform
            )
        )
    }

    /// Returns the newest answer clock of an item.
    fn answer(&mut self, item: u16) -> Option<&mut CaseClock> {
        self.of_item(item)
            .rev()
            .find(|clock| Self::is_answer(clock.limit))
    }

    fn open_answer(&mut self, item: u16, start: EventId) {
        if let Some((limit, owes)) = self.answer_limit(item) {
            self.open(limit, item, owes, start);
        }
    }

    fn open_conformity(&mut self, item: u16, fact: &Fact) {
        let holder = self.holder(item);
        let checked = self
            .registry
            .profile_of(&holder)
            .is_some_and(tally_schemas::profile::Profile::has_conformity_check);
        if checked {
            let authority = self.authority(&holder);
            self.clock(ClockId::RequestConformity, item, authority, fact);
        }
    }

    fn end_answer(&mut self, item: u16, fact: &Fact, done: bool) {
        let by = fact.entry.event;
        if let Some(clock) = self.answer(item).filter(|clock| clock.ended.is_none()) {
            clock.ended = Some(Ended { by, done });
        }
    }

    fn request(&mut self, fact: &Fact, item: u16) {
        let body = &fact.event.body;
        let event = fact.entry.event;
        let moved = fact.moved.get(&item).copied();
        let stands = !fact.overtaken.contains_key(&item);
        let holder = self.holder(item);
        match fact.kind {
            K::RequestFiled => {
                self.open_conformity(item, fact);
                self.open_answer(item, event);
            }
            K::RequestConformityChecked if stands => {
                self.done(ClockId::RequestConformity, item, fact);
                let checked = self
                    .registry
                    .profile_of(&holder)
                    .is_some_and(tally_schemas::profile::Profile::has_conformity_check);
                if let Some(clock) = self.answer(item).filter(|clock| checked && clock.ended.is_none()) {
                    clock.start = event;
                }
            }
            K::RequestConformityReturned if moved.is_some() => {
                self.done(ClockId::RequestConformity, item, fact);
                self.end_answer(item, fact, false);
            }
            K::RequestRefiled if moved.is_some() => {
                self.open_conformity(item, fact);
                self.open_answer(item, event);
            }
            K::RequestSupplementAsked if moved.is_some() => {
                if let Some(clock) = self.answer(item) {
                    let asked = Supplement {
                        asked: event,
                        ended: None,
                    };
                    clock.supplements.push(asked);
                }
                let owner = self.owner();
                self.clock(ClockId::RequestSupplement, item, owner, fact);
            }
            K::RequestSupplemented | K::RequestSupplementLapsed if moved.is_some() => {
                let completed = fact.kind == K::RequestSupplemented;
                self.end(Limit::Clock(ClockId::RequestSupplement), item, fact, completed);
                let asked = self.answer(item).and_then(|clock| clock.supplements.last_mut());
                if let Some(asked) = asked {
                    asked.ended = Some((event, completed));
                }
            }
            K::RequestRedirected if moved.is_some() => {
                self.end_answer(item, fact, true);
                if let Some(source) = body.department("source") {
                    self.proposed.insert(item, source.clone());
                    self.clock(ClockId::RequestRedirectAcceptance, item, vec![source], fact);
                }
            }
            K::RequestRedirectAccepted if moved.is_some() => {
                let redirected = self
                    .newest(Limit::Clock(ClockId::RequestRedirectAcceptance), item)
                    .map(|clock| clock.start);
                self.done(ClockId::RequestRedirectAcceptance, item, fact);
                if let Some(source) = self.proposed.remove(&item) {
                    self.holders.insert(item, source);
                }
                // A new clock at the second, from the day on which the file came to it.
                self.open_answer(item, redirected.unwrap_or(event));
            }
            K::RequestRedirectDeclined if moved.is_some() => {
                self.done(ClockId::RequestRedirectAcceptance, item, fact);
                self.proposed.remove(&item);
                if let Some(clock) = self.answer(item) {
                    clock.ended = None;
                }
            }
            K::RequestExtensionRequested => {
                if let Some(clock) = self.answer(item) {
                    let extension = Extension {
                        requested: event,
                        days: body.integer("days").unwrap_or(0),
                        decision: None,
                        notified: None,
                    };
                    clock.extensions.push(extension);
                }
                let authority = self.authority(&holder);
                self.clock(ClockId::RequestExtensionDecision, item, authority, fact);
            }
            K::RequestExtensionApproved | K::RequestExtensionDeclined => {
                let consents = fact.kind == K::RequestExtensionApproved;
                self.done(ClockId::RequestExtensionDecision, item, fact);
                let waiting = self.answer(item).and_then(|clock| {
                    clock
                        .extensions
                        .iter_mut()
                        .find(|extension| extension.decision.is_none())
                });
                if let Some(extension) = waiting {
                    extension.decision = Some((event, consents));
                    extension.days = body.integer("days").unwrap_or(extension.days);
                }
            }
            K::RequestExtensionNotified => {
                let waiting = self.answer(item).and_then(|clock| {
                    clock.extensions.iter_mut().find(|extension| {
                        extension.notified.is_none()
                            && extension.decision.is_some_and(|(_, consents)| consents)
                    })
                });
                if let Some(extension) = waiting {
                    extension.notified = Some(event);
                }
            }
            K::RequestGranted if moved.is_some() => {
                self.end_answer(item, fact, true);
                self.dropped(ClockId::RequestExtensionDecision, item, fact);
                self.clock(ClockId::RequestDelivery, item, vec![holder], fact);
            }
            K::RequestRefused if moved.is_some() => self.end_answer(item, fact, true),
            K::RequestAnswerRetracted if moved.is_some() => {
                self.dropped(ClockId::RequestDelivery, item, fact);
                if let Some(clock) = self.answer(item) {
                    clock.ended = None;
                }
            }
            K::RequestDelayExplained => {
                let delivery = body.word("step") == Some("delivery");
                let explanation = Explanation {
                    given: event,
                    decision: None,
                };
                let clock = if delivery {
                    self.newest(Limit::Clock(ClockId::RequestDelivery), item)
                } else {
                    self.answer(item)
                };
                if let Some(clock) = clock {
                    clock.explanations.push(explanation);
                }
                let authority = self.authority(&holder);
                self.clock(ClockId::RequestDelayDecision, item, authority, fact);
            }
            K::RequestDelayAccepted | K::RequestDelayRejected => {
                let named = body.event("explanation");
                let accepts = fact.kind == K::RequestDelayAccepted;
                self.done_for(ClockId::RequestDelayDecision, item, fact, named);
                for clock in self.of_item(item) {
                    for explanation in &mut clock.explanations {
                        if Some(explanation.given) == named {
                            explanation.decision = Some((event, accepts));
                        }
                    }
                }
            }
            K::RequestDelivered if moved.is_some() => {
                self.done(ClockId::RequestDelivery, item, fact);
                let owner = self.owner();
                self.clock(ClockId::RequestReceiptConfirmation, item, owner, fact);
            }
            K::RequestReceiptConfirmed if moved.is_some() => {
                self.done(ClockId::RequestReceiptConfirmation, item, fact);
            }
            K::RequestReceiptContested if moved.is_some() => {
                self.done(ClockId::RequestReceiptConfirmation, item, fact);
                self.resume(Limit::Clock(ClockId::RequestDelivery), item);
            }
            K::RequestScopeChangeAsked if stands => {
                self.clock(ClockId::RequestScopeChange, item, vec![holder], fact);
            }
            K::RequestScopeChangeConsented | K::RequestScopeChangeDeclined => {
                self.done_for(ClockId::RequestScopeChange, item, fact, body.event("asked"));
            }
            K::RequestSuspended if stands => {
                let owner = self.owner();
                self.open(Limit::Stated(Stated::MisuseEnded), item, owner, event);
                if let Some(clock) = self.clocks.last_mut() {
                    clock.date = body.date("rectifyBy");
                }
            }
            K::RequestRectificationReported if stands => {
                self.end(Limit::Stated(Stated::MisuseEnded), item, fact, true);
                let setters = self
                    .state
                    .items
                    .get(&item)
                    .map(|item| item.flags.keys().cloned().collect::<Vec<_>>())
                    .filter(|setters| !setters.is_empty());
                let setters = setters.unwrap_or_else(|| vec![holder]);
                self.clock(ClockId::RequestSuspensionReview, item, setters, fact);
            }
            K::RequestLifted if stands => {
                self.done(ClockId::RequestSuspensionReview, item, fact);
                self.end(Limit::Stated(Stated::MisuseEnded), item, fact, false);
            }
            K::RequestChangeProposed if stands => {
                self.clock(ClockId::RequestChangeFiling, item, vec![holder.clone()], fact);
            }
            K::RequestChangeFiled | K::RequestEndFiled => {
                self.done_for(ClockId::RequestChangeFiling, item, fact, body.event("proposal"));
            }
            K::RequestDisposalInstructed if stands => {
                self.done(ClockId::RequestDisposalInstruction, item, fact);
                if let Some(clock) = self.running(Limit::Clock(ClockId::RequestDisposalReport), item) {
                    clock.start = event;
                    clock.date = body.date("by");
                }
            }
            K::RequestDisposalReported if moved.is_some() => {
                self.done(ClockId::RequestDisposalReport, item, fact);
            }
            K::RequestRecordsAsked if stands => {
                let owner = self.owner();
                self.clock(ClockId::RequestRecords, item, owner, fact);
            }
            K::RequestRecordsProduced | K::RequestRecordsRefused => {
                self.done_for(ClockId::RequestRecords, item, fact, body.event("asked"));
            }
            _ => {}
        }
        if moved.is_some_and(|(from, to)| to == Stage::DisposalDue && from != to) {
            self.drop_all(item, fact);
            let (owner, holder) = (self.owner(), self.holder(item));
            self.clock(ClockId::RequestDisposalInstruction, item, vec![holder], fact);
            self.clock(ClockId::RequestDisposalReport, item, owner, fact);
        }
    }

    fn matter(&mut self, fact: &Fact, item: u16) {
        let moved = fact.moved.contains_key(&item);
        match fact.kind {
            K::MatterProposed => {
                let government = self.role(Role::Government);
                self.clock(ClockId::MatterApproval, item, government, fact);
            }
            K::MatterInstructed | K::MatterApproved if moved => {
                self.done(ClockId::MatterApproval, item, fact);
                let supervision = self.role(Role::Supervision);
                self.clock(ClockId::MatterPlan, item, supervision, fact);
            }
            K::MatterDeclined if moved => self.done(ClockId::MatterApproval, item, fact),
            K::MatterPlanIssued if moved => self.done(ClockId::MatterPlan, item, fact),
            _ => {}
        }
    }

    /// Returns who issues a finding: its owner, or those who close what a department opened on itself.
    fn issuers(&self, item: u16) -> Vec<DepartmentId> {
        let holder = self.holder(item);
        if self.state.owner != holder {
            return self.owner();
        }
        let mut found = self.role(Role::Supervision);
        found.extend(self.authority(&holder));
        found.retain(|department| *department != holder);
        found
    }

    fn finding(&mut self, fact: &Fact, item: u16) {
        let body = &fact.event.body;
        let moved = fact.moved.get(&item).copied();
        let rectified = Limit::Stated(Stated::Rectified);
        let issuers = self.issuers(item);
        let object = vec![self.holder(item)];
        match fact.kind {
            K::FindingOpened => self.clock(ClockId::FindingDispatch, item, issuers, fact),
            K::FindingSentForComment if moved.is_some() => {
                self.done(ClockId::FindingDispatch, item, fact);
                self.clock(ClockId::FindingComment, item, object, fact);
                if let Some(clock) = self.clocks.last_mut() {
                    clock.date = body.date("commentBy");
                }
            }
            K::FindingFactsConfirmed | K::FindingFactsContested if moved.is_some() => {
                self.done(ClockId::FindingComment, item, fact);
                self.clock(ClockId::FindingNotice, item, issuers, fact);
            }
            K::FindingDropped if moved.is_some() => {
                self.done(ClockId::FindingDispatch, item, fact);
                self.done(ClockId::FindingNotice, item, fact);
            }
            K::FindingNotified if moved.is_some() => {
                self.done(ClockId::FindingDispatch, item, fact);
                self.done(ClockId::FindingNotice, item, fact);
                self.dropped(ClockId::FindingComment, item, fact);
                self.notice(fact, item, object);
                let date = body.date("due");
                let owes = vec![self.holder(item)];
                self.open(rectified, item, owes, fact.entry.event);
                if let Some(clock) = self.clocks.last_mut() {
                    clock.date = date;
                }
            }
            K::FindingAcknowledged if moved.is_some() => {
                self.done(ClockId::FindingAcknowledgement, item, fact);
            }
            K::FindingPlanSubmitted if moved.is_some() => {
                self.done(ClockId::FindingAcknowledgement, item, fact);
                self.done(ClockId::FindingPlan, item, fact);
                self.clock(ClockId::FindingPlanReview, item, issuers, fact);
            }
            K::FindingPlanAccepted if moved.is_some() => {
                self.done(ClockId::FindingPlanReview, item, fact);
            }
            K::FindingPlanReturned if moved.is_some() => {
                self.done(ClockId::FindingPlanReview, item, fact);
                self.clock(ClockId::FindingPlan, item, object, fact);
            }
            K::FindingExtensionGranted => {
                if let Some(clock) = self.newest(rectified, item) {
                    clock.date = body.date("due").or(clock.date);
                }
            }
            K::FindingEvidenceSubmitted if moved.is_some() => {
                self.end(rectified, item, fact, true);
                self.clock(ClockId::FindingVerification, item, issuers, fact);
            }
            K::FindingInsufficient if moved.is_some() => {
                self.done(ClockId::FindingVerification, item, fact);
                self.resume(rectified, item);
            }
            K::FindingVerified if moved.is_some() => {
                self.done(ClockId::FindingVerification, item, fact);
            }
            K::FindingReopened if moved.is_some() => self.resume(rectified, item),
            K::FindingReassigned if moved.is_some() => {
                self.drop_all(item, fact);
                if let Some(object) = body.department("object") {
                    let date = self.newest(rectified, item).and_then(|clock| clock.date);
                    self.holders.insert(item, object.clone());
                    self.notice(fact, item, vec![object.clone()]);
                    self.open(rectified, item, vec![object], fact.entry.event);
                    if let Some(clock) = self.clocks.last_mut() {
                        clock.date = date;
                    }
                }
            }
            _ => {}
        }
    }

    fn notice(&mut self, fact: &Fact, item: u16, object: Vec<DepartmentId>) {
        self.clock(ClockId::FindingAcknowledgement, item, object.clone(), fact);
        self.clock(ClockId::FindingPlan, item, object, fact);
    }

    fn task(&mut self, fact: &Fact, item: u16) {
        let body = &fact.event.body;
        let moved = fact.moved.contains_key(&item);
        let done = Limit::Stated(Stated::TaskDone);
        match fact.kind {
            K::TaskIssued | K::TaskReissued if moved => {
                self.done(ClockId::TaskObjection, item, fact);
                if let Some(lead) = body.department("lead") {
                    self.holders.insert(item, lead);
                }
                let unit = vec![self.holder(item)];
                self.clock(ClockId::TaskSignature, item, unit.clone(), fact);
                self.end(done, item, fact, false);
                self.open(done, item, unit, fact.entry.event);
                if let Some(clock) = self.clocks.last_mut() {
                    clock.date = body.date("due");
                }
            }
            K::TaskSigned => self.done(ClockId::TaskSignature, item, fact),
            K::TaskObjected if moved => {
                self.done(ClockId::TaskSignature, item, fact);
                let owner = self.owner();
                self.clock(ClockId::TaskObjection, item, owner, fact);
            }
            K::TaskUpheld if moved => {
                self.done(ClockId::TaskObjection, item, fact);
                let unit = vec![self.holder(item)];
                self.clock(ClockId::TaskSignature, item, unit, fact);
            }
            K::TaskDueChanged => {
                if let Some(clock) = self.newest(done, item) {
                    clock.date = body.date("due").or(clock.date);
                }
            }
            K::TaskHandedOver if moved => {
                if let Some(to) = body.department("to") {
                    self.proposed.insert(item, to);
                }
            }
            K::TaskTakenOver if moved => {
                if let Some(to) = self.proposed.remove(&item) {
                    self.holders.insert(item, to.clone());
                    if let Some(clock) = self.running(done, item) {
                        clock.owes = vec![to];
                    }
                }
            }
            K::TaskClaimed if moved => {
                self.end(done, item, fact, true);
                let supervision = self.role(Role::Supervision);
                self.clock(ClockId::TaskVerification, item, supervision, fact);
            }
            K::TaskReturned if moved => {
                self.done(ClockId::TaskVerification, item, fact);
                self.resume(done, item);
            }
            K::TaskVerified if moved => self.done(ClockId::TaskVerification, item, fact),
            K::TaskReopened if moved => self.resume(done, item),
            _ => {}
        }
    }
}
