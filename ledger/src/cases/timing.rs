//! Turns the clocks of a case into days: when each started, when it is due, how it stands.

use super::clocks::{self, CaseClock, Limit};
use super::source::AsOf;
use super::state::{CaseState, Fact};
use crate::rules::clock::{ExtensionDecision, ExtensionFacts, SupplementEnd, SupplementFacts};
use crate::rules::receipt::{Receipt, ReceiptFacts};
use crate::rules::{Due, LayeredCalendar, Moment, Status, Terms, compute};
use tally_schemas::event::EventKind;
use tally_schemas::id::DepartmentId;
use tally_schemas::profile::{DayUnit, Profile, Start};
use tally_schemas::time::Date;

/// A clock with its days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed {
    /// The clock.
    pub clock: CaseClock,
    /// What its start is.
    pub start: Start,
    /// Sent, available, received: for a clock that starts with receipt.
    pub receipt: Option<Receipt>,
    /// The due date; none where the profile sets no such limit, or the start is not known to have come.
    pub due: Option<Due>,
    /// How the step stands against it.
    pub status: Option<Status>,
    /// Due date and standing if what was available counts as received.
    pub if_deemed: Option<(Due, Status)>,
    /// The day on which the step was done or fell away.
    pub ended_on: Option<Date>,
}

impl Timed {
    /// Returns the last day, by the reading that counts.
    pub fn date(&self) -> Option<Date> {
        self.due.as_ref().and_then(Due::date)
    }

    /// Says whether the step still waits.
    pub fn is_running(&self) -> bool {
        self.clock.ended.is_none()
    }

    /// Says whether the step is or was late.
    pub fn is_late(&self) -> bool {
        self.status.is_some_and(|status| status.is_late())
    }

    /// Says whether the step is late and excused: the newest decision on a reason given accepts it.
    pub fn is_excused(&self) -> bool {
        let decisions = self.clock.explanations.iter();
        let newest = decisions
            .filter_map(|explanation| explanation.decision)
            .next_back();
        self.is_late() && newest.is_some_and(|(_, accepted)| accepted)
    }
}

/// Returns every clock of a case with its days, in the order in which they started.
pub fn of(state: &CaseState, asof: &AsOf<'_>) -> Vec<Timed> {
    let clocks = clocks::of(state, asof.registry());
    clocks
        .into_iter()
        .filter_map(|clock| timed(clock, state, asof))
        .collect()
}

/// What a clock's days are counted with.
struct Setting<'a> {
    state: &'a CaseState,
    asof: &'a AsOf<'a>,
    owes: DepartmentId,
    profile: &'a Profile,
    calendar: &'a LayeredCalendar,
}

impl Setting<'_> {
    fn day(&self, fact: &Fact) -> Date {
        self.asof.done_on(fact)
    }

    /// Returns the instants at which the one who owes could know the start.
    fn receipt_facts(&self, start: &Fact, owes: &[DepartmentId]) -> ReceiptFacts {
        let received = owes
            .iter()
            .filter_map(|department| self.asof.received_at(start, department));
        let arrival = self.asof.arrival(start);
        ReceiptFacts {
            sent: Some(start.recorded),
            available: arrival.and_then(|arrival| arrival.available),
            received: received.min(),
        }
    }

    /// Returns the receipt, moved forward to the day that the addressee itself states in an acknowledgement.
    fn receipt(&self, start: &Fact, owes: &[DepartmentId]) -> Option<Receipt> {
        let facts = self.receipt_facts(start, owes);
        let mut receipt = Receipt::find(&facts, self.profile, self.calendar).ok()?;
        let stated = self
            .state
            .facts_of(EventKind::RequestAcknowledged)
            .filter(|fact| owes.contains(&fact.by) && start.kind == EventKind::RequestFiled)
            .filter_map(|fact| fact.event.body.date("receivedOn"))
            .min();
        if let Some(stated) = stated {
            receipt.received = Some(receipt.received.map_or(stated, |day| day.min(stated)));
        }
        Some(receipt)
    }

    fn supplements(&self, clock: &CaseClock) -> Vec<SupplementFacts> {
        let found = clock.supplements.iter().filter_map(|supplement| {
            let asked = self.state.fact(supplement.asked)?;
            let ended = match supplement.ended {
                None => None,
                Some((event, completed)) => {
                    let fact = self.state.fact(event)?;
                    let received = self.asof.received_on(fact, &self.owes);
                    let day = received.unwrap_or_else(|| self.day(fact));
                    Some(if completed {
                        SupplementEnd::Completed(day)
                    } else {
                        SupplementEnd::Lapsed(self.day(fact))
                    })
                }
            };
            Some(SupplementFacts {
                asked: self.day(asked),
                ended,
            })
        });
        found.collect()
    }

    fn extensions(&self, clock: &CaseClock) -> Vec<ExtensionFacts> {
        let found = clock.extensions.iter().filter_map(|extension| {
            let filed = self.state.fact(extension.requested)?;
            let decision = match extension.decision {
                None => ExtensionDecision::Pending,
                Some((_, false)) => ExtensionDecision::Declined,
                Some((event, true)) => ExtensionDecision::Consented(self.day(self.state.fact(event)?)),
            };
            let notified = extension.notified.and_then(|event| self.state.fact(event));
            Some(ExtensionFacts {
                filed: self.day(filed),
                days: u32::try_from(extension.days).unwrap_or(0),
                decision,
                notified: notified.map(|fact| self.day(fact)),
            })
        });
        found.collect()
    }
}

fn timed(clock: CaseClock, state: &CaseState, asof: &AsOf<'_>) -> Option<Timed> {
    let start = state.fact(clock.start)?;
    // Where nobody is there to owe the step, it is counted as for the one who opened the case.
    let owes = clock.owes.first().unwrap_or(&state.owner).clone();
    let setting = Setting {
        state,
        asof,
        profile: asof.profile_of(&owes)?,
        calendar: asof.calendar_of(&owes)?,
        owes,
    };
    let ended = clock.ended.and_then(|ended| state.fact(ended.by));
    let ended_on = ended.map(|fact| setting.day(fact));
    let moment = match (clock.ended, ended_on) {
        (Some(ended), Some(day)) if ended.done => Some(Moment::Done(day)),
        (Some(_), _) => None,
        (None, _) => Some(Moment::AsOf(asof.today(&setting.owes))),
    };
    let stands = |due: &Due| moment.map(|moment| due.status(moment, setting.calendar));
    let mut receipt = None;
    let mut if_deemed = None;
    let (start_kind, due) = match (clock.limit, clock.date) {
        (Limit::Stated(stated), date) => {
            let due = date.map(|date| {
                let from = setting.day(start);
                Due::stated(
                    from,
                    date,
                    stated.owes(),
                    DayUnit::WorkingDays,
                    setting.profile,
                    setting.calendar,
                )
            });
            (Start::Recorded, due)
        }
        (Limit::Clock(id), date) => {
            let rule = setting.profile.clock(id)?;
            let (supplements, extensions) = (setting.supplements(&clock), setting.extensions(&clock));
            let terms = Terms {
                profile: setting.profile,
                clock: id,
                calendar: setting.calendar,
                supplements: &supplements,
                extensions: &extensions,
                promised_days: asof.promised_days(state).filter(|_| rule.start == Start::Receipt),
            };
            let from = match rule.start {
                Start::Receipt => {
                    receipt = setting.receipt(start, &clock.owes);
                    receipt.as_ref().and_then(|receipt| receipt.received)
                }
                Start::Occurrence => {
                    let occurred = start.event.body.date("occurred");
                    Some(occurred.unwrap_or_else(|| setting.day(start)))
                }
                Start::Answer | Start::Recorded => Some(setting.day(start)),
            };
            let count = |from: Date| match date {
                Some(date) => Some(Due::stated(
                    from,
                    date,
                    rule.owes,
                    rule.limit.unit,
                    setting.profile,
                    setting.calendar,
                )),
                // A calendar in which a count does not end gives no date.
                None => compute(&terms, from).ok().flatten(),
            };
            let deemed = receipt.as_ref().and_then(|receipt| receipt.deemed);
            if_deemed = deemed.and_then(count).and_then(|due| {
                let status = stands(&due)?;
                Some((due, status))
            });
            (rule.start, from.and_then(count))
        }
    };
    let status = due.as_ref().and_then(stands);
    Some(Timed {
        clock,
        start: start_kind,
        receipt,
        due,
        status,
        if_deemed,
        ended_on,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Play, act, date};
    use tally_schemas::event::EventKind as K;
    use tally_schemas::id::CaseId;
    use tally_schemas::profile::ClockId;

    fn clock(play: &Play, case: CaseId, id: ClockId) -> Timed {
        let mut found = of(play.state(case), &play.asof());
        found.retain(|timed| timed.clock.limit == Limit::Clock(id));
        assert_eq!(found.len(), 1, "{}", id.as_str());
        found.remove(0)
    }

    const ANSWER: ClockId = ClockId::RequestAnswerConditional;

    fn request() -> crate::fixture::Draft {
        act("housing", K::RequestFiled).to("transport").asking(1)
    }

    #[test]
    fn an_answer_is_due_from_receipt_and_not_from_sending() {
        let mut play = Play::new();
        play.at("2026-03-02 09:00");
        let case = play.does(&request().arriving("2026-03-04 17:00"));
        play.at("2026-03-05 09:00");
        let timed = clock(&play, case, ANSWER);
        assert_eq!(timed.date(), Some(date("2026-03-18")));
        assert_eq!(
            timed.status,
            Some(Status::Open {
                days_used: 1,
                days_left: 9
            })
        );
        // Available on Monday: it counts as received a working day later if nothing in the log shows that it came.
        let receipt = timed.receipt.unwrap();
        assert_eq!(receipt.deemed, Some(date("2026-03-03")));
        assert_eq!(receipt.received, Some(date("2026-03-04")));
    }

    #[test]
    fn a_dark_addressee_is_overdue_only_if_receipt_is_deemed() {
        let mut play = Play::new();
        play.at("2026-03-02 09:00");
        let case = play.does(&request().unseen());
        play.at("2026-03-30 09:00");
        let timed = clock(&play, case, ANSWER);
        assert_eq!((timed.date(), timed.status), (None, None));
        let (due, status) = timed.if_deemed.unwrap();
        assert_eq!(due.date(), Some(date("2026-03-17")));
        assert!(status.is_late());
    }

    #[test]
    fn the_day_that_the_addressee_states_counts_when_it_is_earlier() {
        let mut play = Play::new();
        play.at("2026-03-02 09:00");
        let case = play.does(&request().arriving("2026-03-06 09:00"));
        play.at("2026-03-06 09:00");
        play.does(
            &act("transport", K::RequestAcknowledged)
                .of(case)
                .with("receivedOn", "2026-03-03"),
        );
        assert_eq!(clock(&play, case, ANSWER).date(), Some(date("2026-03-17")));
    }

    #[test]
    fn a_retracted_answer_gains_no_time() {
        let mut play = Play::new();
        play.at("2026-03-02 09:00");
        let case = play.does(&request());
        play.at("2026-03-09 09:00");
        play.does(&act("transport", K::RequestGranted).of(case));
        let answered = clock(&play, case, ANSWER);
        assert_eq!(answered.ended_on, Some(date("2026-03-09")));
        play.at("2026-03-20 09:00");
        play.does(&act("transport", K::RequestAnswerRetracted).of(case).items(&[1]));
        let open = clock(&play, case, ANSWER);
        assert_eq!(open.date(), Some(date("2026-03-16")));
        assert!(open.is_running() && open.is_late());
        let delivery = clock(&play, case, ClockId::RequestDelivery);
        assert_eq!(delivery.clock.ended.map(|ended| ended.done), Some(false));
    }

    #[test]
    fn a_redirected_request_runs_anew_at_the_second() {
        let mut play = Play::new();
        play.at("2026-03-02 09:00");
        let case = play.does(&request());
        play.at("2026-03-05 09:00");
        play.does(
            &act("transport", K::RequestRedirected)
                .of(case)
                .to("health")
                .with("source", "health")
                .arriving("2026-03-06 09:00"),
        );
        play.at("2026-03-09 09:00");
        play.does(&act("health", K::RequestRedirectAccepted).of(case));
        let clocks = of(play.state(case), &play.asof());
        let answers: Vec<_> = clocks
            .iter()
            .filter(|timed| timed.clock.limit == Limit::Clock(ANSWER))
            .map(|timed| (timed.clock.owes[0].as_str(), timed.date(), timed.is_running()))
            .collect();
        assert_eq!(
            answers,
            [
                ("transport", Some(date("2026-03-16")), false),
                ("health", Some(date("2026-03-20")), true),
            ]
        );
    }

    #[test]
    fn an_accepted_reason_excuses_and_a_rejected_one_does_not() {
        let mut play = Play::new();
        play.at("2026-03-02 09:00");
        let case = play.does(&request());
        play.at("2026-03-20 09:00");
        play.does(&act("transport", K::RequestGranted).of(case));
        let explained = act("transport", K::RequestDelayExplained).of(case);
        play.does(&explained);
        assert!(!clock(&play, case, ANSWER).is_excused());
        play.does(&act("datahub", K::RequestDelayAccepted).of(case));
        let timed = clock(&play, case, ANSWER);
        assert!(timed.is_excused());
        play.does(&explained);
        play.does(&act("datahub", K::RequestDelayRejected).of(case));
        assert!(!clock(&play, case, ANSWER).is_excused());
    }

    #[test]
    fn what_is_taken_from_paper_was_done_on_the_day_stated_there() {
        let mut play = Play::new();
        play.at("2026-03-02 09:00");
        let case = play.does(&request());
        play.at("2026-03-20 09:00");
        play.does(
            &act("transport", K::RequestGranted)
                .of(case)
                .member("source", "paper")
                .with("answeredOn", "2026-03-13"),
        );
        let timed = clock(&play, case, ANSWER);
        assert_eq!(timed.ended_on, Some(date("2026-03-13")));
        assert!(!timed.is_late());
    }

    #[test]
    fn the_update_of_an_entry_is_due_from_the_stated_occurrence() {
        let mut play = Play::new();
        play.at("2026-03-02 09:00");
        let case = play.does(&act("transport", K::CatalogueDrafted));
        play.does(&act("transport", K::CatalogueAssessed).of(case));
        play.does(&act("transport", K::CatalogueApproved).of(case));
        play.does(&act("transport", K::CatalogueSubmitted).of(case).to("datahub"));
        play.does(&act("datahub", K::CataloguePublished).of(case));
        play.at("2026-03-20 09:00");
        play.does(
            &act("supervision", K::CatalogueChangeTriggered)
                .of(case)
                .with("occurred", "2026-03-02"),
        );
        let update = clock(&play, case, ClockId::CatalogueUpdate);
        assert_eq!(update.date(), Some(date("2026-03-16")));
        assert!(update.is_late());
        play.does(&act("transport", K::CatalogueSubmitted).of(case).to("datahub"));
        assert!(!clock(&play, case, ClockId::CatalogueUpdate).is_running());
        play.does(&act("datahub", K::CatalogueReturned).of(case).to("transport"));
        assert!(clock(&play, case, ClockId::CatalogueUpdate).is_running());
    }

    #[test]
    fn a_claim_in_time_counts_as_in_time_however_long_it_is_verified() {
        let mut play = Play::new();
        play.at("2026-03-02 09:00");
        let case = play.does(
            &act("lead", K::TaskIssued)
                .to("transport")
                .with("due", "2026-03-31"),
        );
        play.does(&act("transport", K::TaskSigned).of(case));
        play.at("2026-03-30 09:00");
        play.does(&act("transport", K::TaskClaimed).of(case).to("supervision"));
        play.at("2026-06-30 09:00");
        let done = |play: &Play| {
            let found = of(play.state(case), &play.asof());
            let done = found
                .into_iter()
                .find(|timed| timed.clock.limit == Limit::Stated(crate::cases::clocks::Stated::TaskDone));
            done.unwrap()
        };
        assert!(!done(&play).is_late());
        play.does(&act("supervision", K::TaskReturned).of(case));
        assert!(done(&play).is_late() && done(&play).is_running());
    }

    #[test]
    fn items_with_one_fate_share_a_clock_and_part_when_it_differs() {
        let mut play = Play::new();
        play.at("2026-03-02 09:00");
        let case = play.does(&act("housing", K::RequestFiled).to("transport").asking(3));
        let answers = |play: &Play| {
            let found = of(play.state(case), &play.asof());
            let clocks = found.into_iter().map(|timed| timed.clock);
            let answers = clocks.filter(|clock| clock.limit == Limit::Clock(ANSWER));
            answers.map(|clock| clock.items).collect::<Vec<_>>()
        };
        assert_eq!(answers(&play), [vec![1, 2, 3]]);
        play.does(&act("transport", K::RequestGranted).of(case).items(&[2]));
        assert_eq!(answers(&play), [vec![1, 3], vec![2]]);
    }
}
