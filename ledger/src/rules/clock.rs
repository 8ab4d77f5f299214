//! Computes due dates from a clock, a start and what happened since.
//!
//! The day of the start does not count, the next day is day 1, the last day ends at 24:00. Where the law leaves a question
//! open, the profile says which reading counts and the others stand beside it.

use super::calendar::{CountError, LayeredCalendar};
use super::due::{
    Basis, Due, ExtensionReading, Flag, Moment, Outcome, ProfileVersion, Reading, Role, Run, Status,
};
use tally_schemas::profile::{Clock, ClockId, DayUnit, ExtensionReach, Profile, SupplementReading};
use tally_schemas::time::Date;

/// What a due date is computed from, beside the day of the start.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The profile in force at the entry that starts the clock.
    pub profile: &'a Profile,
    /// The clock.
    pub clock: ClockId,
    /// The owing department's calendar.
    pub calendar: &'a LayeredCalendar,
    /// The supplements asked for.
    pub supplements: &'a [SupplementFacts],
    /// The extensions asked for, in the order of the log.
    pub extensions: &'a [ExtensionFacts],
    /// The shorter limit that the one who owes has promised, in the days of the clock.
    pub promised_days: Option<u32>,
}

/// A request for supplement and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupplementFacts {
    /// The day it was asked for.
    pub asked: Date,
    /// The day on which the clock goes on, if it came.
    pub ended: Option<SupplementEnd>,
}

/// How waiting for a supplement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SupplementEnd {
    /// The complete file was received.
    Completed(Date),
    /// It did not come; the request is decided on the file as it is.
    Lapsed(Date),
}

impl SupplementEnd {
    /// Returns the day.
    pub fn date(self) -> Date {
        match self {
            Self::Completed(date) | Self::Lapsed(date) => date,
        }
    }
}

/// An extension and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtensionFacts {
    /// The day it was asked for.
    pub filed: Date,
    /// The days consented to, or asked for while there is no decision.
    pub days: u32,
    /// The decision.
    pub decision: ExtensionDecision,
    /// The day on which the one who must be told was told.
    pub notified: Option<Date>,
}

/// The decision on an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtensionDecision {
    /// There is none yet.
    Pending,
    /// Consent was given on that day.
    Consented(Date),
    /// It was declined; it moves nothing.
    Declined,
}

/// Computes a due date; `None` when the profile sets no such limit.
///
/// # Errors
/// A calendar in which the count does not end.
pub fn compute(terms: &Terms<'_>, start: Date) -> Result<Option<Due>, CountError> {
    let Some(clock) = terms.profile.clock(terms.clock) else {
        return Ok(None);
    };
    let asked = !terms.supplements.is_empty();
    let reading = asked.then_some(terms.profile.supplement.reading);
    let count = Count {
        terms,
        clock,
        start,
        limit: clock.limit.amount,
    };

    let mut flags = Vec::new();
    let main = count.read(reading, ExtensionReading::Effective, &mut flags)?;
    let mut unheard = Vec::new();
    let mut alternatives = Vec::new();
    if asked {
        for other in SupplementReading::ALL {
            if Some(*other) != reading {
                alternatives.push(count.read(Some(*other), ExtensionReading::Effective, &mut unheard)?);
            }
        }
    }
    let claimed = count.read(reading, ExtensionReading::Claimed, &mut unheard)?;
    if claimed.outcome != main.outcome {
        alternatives.push(claimed);
    }
    let promised = match terms.promised_days {
        Some(days) if days < clock.limit.amount => {
            let shorter = Count {
                limit: days.max(1),
                ..count
            };
            Some(shorter.read(reading, ExtensionReading::Effective, &mut unheard)?)
        }
        _ => None,
    };
    let act = clock
        .article
        .as_ref()
        .and_then(|article| terms.profile.acts.get(&article.act));
    Ok(Some(Due {
        basis: Basis::Clock {
            id: terms.clock,
            clock: Box::new(clock.clone()),
            act: act.cloned(),
        },
        calendar: terms.calendar.versions().to_vec(),
        zone: terms.profile.zone.clone(),
        profile: ProfileVersion {
            id: terms.profile.id.clone(),
            version: terms.profile.version,
        },
        start,
        start_kind: terms.calendar.day_kind(start),
        main,
        alternatives,
        promised,
        flags,
    }))
}

/// How a step stands, with what a later calendar would say beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The due date by the calendar that counts.
    pub due: Due,
    /// How the step stands.
    pub status: Status,
    /// Due date and standing by a later version of the calendar, for display only: it never makes a met date late.
    pub later: Option<(Due, Status)>,
}

/// Judges a step by the calendar of the terms: the one in force at the act, or the newest while the step is open.
///
/// # Errors
/// A calendar in which the count does not end.
pub fn judge(
    terms: &Terms<'_>,
    start: Date,
    moment: Moment,
    newest: Option<&LayeredCalendar>,
) -> Result<Option<Judgement>, CountError> {
    let Some(due) = compute(terms, start)? else {
        return Ok(None);
    };
    let status = due.status(moment, terms.calendar);
    let later = match newest.filter(|newest| newest.versions() != terms.calendar.versions()) {
        Some(newest) => compute(
            &Terms {
                calendar: newest,
                ..*terms
            },
            start,
        )?
        .map(|due| {
            let status = due.status(moment, newest);
            (due, status)
        }),
        None => None,
    };
    Ok(Some(Judgement { due, status, later }))
}

/// One clock on one set of facts.
#[derive(Clone, Copy)]
struct Count<'a> {
    terms: &'a Terms<'a>,
    clock: &'a Clock,
    start: Date,
    limit: u32,
}

/// The days on which a supplement was waited for: from the day it was asked for to the day the file was complete.
#[derive(Clone, Copy)]
struct Wait {
    from: Date,
    to: Option<Date>,
}

impl Count<'_> {
    fn read(
        &self,
        supplement: Option<SupplementReading>,
        extension: ExtensionReading,
        flags: &mut Vec<Flag>,
    ) -> Result<Reading, CountError> {
        let waits = self.waits(supplement, extension, flags)?;
        let extension_days = self.extension_days(supplement, extension, &waits, flags)?;
        let (outcome, runs) = self.walk(supplement, &waits, extension_days)?;
        let extension = if self.terms.extensions.is_empty() {
            ExtensionReading::None
        } else {
            extension
        };
        Ok(Reading {
            supplement,
            extension,
            outcome,
            runs,
        })
    }

    /// Finds the supplements that count: not more than allowed, each asked for in time.
    fn waits(
        &self,
        supplement: Option<SupplementReading>,
        extension: ExtensionReading,
        flags: &mut Vec<Flag>,
    ) -> Result<Vec<Wait>, CountError> {
        let asks_max = self.terms.profile.supplement.asks_max;
        let mut asked: Vec<&SupplementFacts> = self.terms.supplements.iter().collect();
        asked.sort_by_key(|facts| facts.asked);
        let mut waits: Vec<Wait> = Vec::new();
        let mut count = 0;
        for facts in asked {
            count += 1;
            if count > asks_max {
                flags.push(Flag::SupplementRepeated {
                    asked: facts.asked,
                    asks_max,
                });
                continue;
            }
            let extension_days = self.extension_days(supplement, extension, &waits, &mut Vec::new())?;
            match self.walk(supplement, &waits, extension_days)?.0 {
                Outcome::Runs { due, .. } if facts.asked > due => {
                    flags.push(Flag::SupplementAskedLate {
                        asked: facts.asked,
                        due,
                    });
                    continue;
                }
                Outcome::Runs { .. } | Outcome::Suspended { .. } => {}
            }
            if let Some(SupplementEnd::Lapsed(lapsed)) = facts.ended {
                flags.push(Flag::SupplementLapsed { lapsed });
            }
            let to = facts.ended.map(|end| end.date().max(facts.asked));
            waits.push(Wait {
                from: facts.asked,
                to,
            });
        }
        Ok(waits)
    }

    /// Adds up the extensions that count, each held against the last day that it would move.
    fn extension_days(
        &self,
        supplement: Option<SupplementReading>,
        reading: ExtensionReading,
        waits: &[Wait],
        flags: &mut Vec<Flag>,
    ) -> Result<u32, CountError> {
        let mut granted = 0u32;
        let mut moved = 0u32;
        let Some(rule) = &self.clock.extension else {
            let filed = self.terms.extensions.iter().map(|facts| facts.filed);
            flags.extend(filed.map(|filed| Flag::ExtensionNotProvided { filed }));
            return Ok(0);
        };
        for facts in self.terms.extensions {
            let consented = match facts.decision {
                ExtensionDecision::Consented(date) => date,
                ExtensionDecision::Pending => {
                    flags.push(Flag::ExtensionPending { filed: facts.filed });
                    continue;
                }
                ExtensionDecision::Declined => continue,
            };
            let found = flags.len();
            // While the clock stands still there is no last day to be late for.
            if let Outcome::Runs { due, .. } = self.walk(supplement, waits, moved)?.0 {
                if facts.filed > due {
                    flags.push(Flag::ExtensionFiledLate {
                        filed: facts.filed,
                        due,
                    });
                }
                if consented > due {
                    flags.push(Flag::ExtensionConsentedLate { consented, due });
                }
                if let Some(notified) = facts.notified.filter(|notified| *notified > due) {
                    flags.push(Flag::ExtensionNotifiedLate { notified, due });
                }
            }
            if rule.notice_to.is_some() && facts.notified.is_none() {
                flags.push(Flag::ExtensionNotNotified { consented });
            }
            if rule.reach == ExtensionReach::Arguable {
                flags.push(Flag::ExtensionArguable { consented });
            }
            let complete = flags.len() == found;
            if complete || reading == ExtensionReading::Claimed {
                granted = granted.saturating_add(facts.days);
                moved = granted.min(rule.amount_max);
            }
        }
        if granted > rule.amount_max {
            flags.push(Flag::ExtensionOverMax {
                days: granted,
                days_max: rule.amount_max,
            });
        }
        Ok(moved)
    }

    /// Walks from the start to the last day, day by day.
    fn walk(
        &self,
        supplement: Option<SupplementReading>,
        waits: &[Wait],
        extension_days: u32,
    ) -> Result<(Outcome, Vec<Run>), CountError> {
        let calendar = self.terms.calendar;
        let days = self.limit.saturating_add(extension_days);
        let stops = supplement.is_some_and(|reading| reading != SupplementReading::None);
        let waits = if stops { waits } else { &[] };
        let restart = match supplement {
            Some(SupplementReading::Restart) => waits.last().map(|wait| wait.from),
            _ => None,
        };
        let mut trail = Trail::new(calendar);
        let mut used = 0u32;
        let mut walked = 0u32;
        let mut day = self.start;
        let mut original_due = self.start;
        while used < days {
            calendar.check_bound(self.start, days, walked)?;
            walked += 1;
            day = day.plus_days(1);
            let waiting = waits
                .iter()
                .find(|wait| day >= wait.from && wait.to.is_none_or(|to| day <= to));
            if let Some(wait) = waiting {
                if wait.to.is_none() {
                    let since = wait.from;
                    return Ok((
                        Outcome::Suspended {
                            since,
                            days_left: days - used,
                        },
                        trail.runs,
                    ));
                }
                trail.add(day, Role::Waiting, None);
            } else if restart.is_some_and(|from| day < from) {
                trail.add(day, Role::GivenBack, None);
            } else if self.clock.limit.unit == DayUnit::WorkingDays && !calendar.is_working_day(day) {
                trail.add(day, Role::Skipped, None);
            } else {
                used += 1;
                let role = if used <= self.limit {
                    Role::Counted
                } else {
                    Role::Extended
                };
                trail.add(day, role, Some(used));
                if used <= self.limit {
                    original_due = day;
                }
            }
        }
        let nominal = day;
        let mut provisional = match self.clock.limit.unit {
            DayUnit::WorkingDays => trail.has_unsettled(),
            DayUnit::CalendarDays => !calendar.is_settled(nominal),
        };
        let mut rolled_from = None;
        // Only a limit in calendar days can end on a day off.
        if !calendar.is_working_day(nominal) {
            rolled_from = Some(nominal);
            let due = calendar.working_day_from(nominal)?;
            while day < due {
                day = day.plus_days(1);
                trail.add(day, Role::Rolled, None);
                provisional |= !calendar.is_settled(day);
            }
        }
        let original_due = calendar.working_day_from(original_due)?;
        let outcome = Outcome::Runs {
            due: day,
            original_due,
            rolled_from,
            days,
            extension_days,
            provisional,
        };
        Ok((outcome, trail.runs))
    }
}

/// Collects days into runs.
struct Trail<'a> {
    calendar: &'a LayeredCalendar,
    runs: Vec<Run>,
}

impl<'a> Trail<'a> {
    fn new(calendar: &'a LayeredCalendar) -> Self {
        Self {
            calendar,
            runs: Vec::new(),
        }
    }

    fn add(&mut self, day: Date, role: Role, first: Option<u32>) {
        let kind = self.calendar.day_kind(day);
        let settled = self.calendar.is_settled(day);
        match self.runs.last_mut() {
            Some(run) if run.role == role && run.kind == kind && run.settled == settled => run.to = day,
            _ => self.runs.push(Run {
                from: day,
                to: day,
                role,
                kind,
                first,
                settled,
            }),
        }
    }

    /// Says whether the count rests on a day that a notice may still change.
    fn has_unsettled(&self) -> bool {
        let counts = |role| matches!(role, Role::Counted | Role::Extended | Role::Skipped);
        self.runs.iter().any(|run| !run.settled && counts(run.role))
    }
}
