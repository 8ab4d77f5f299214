//! Due dates that explain themselves: what was counted, what was skipped and why, and the other lawful readings.

use super::calendar::{CalendarVersion, DayKind, LayeredCalendar};
use tally_schemas::profile::{Act, Clock, ClockId, DayUnit, Party, SupplementReading, Zone};
use tally_schemas::time::Date;

/// When a step is due, with everything that the date rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What sets the date.
    pub basis: Basis,
    /// The calendar by which it was counted, topmost layer first.
    pub calendar: Vec<CalendarVersion>,
    /// The zone whose civil dates count.
    pub zone: Zone,
    /// The profile.
    pub profile: ProfileVersion,
    /// The day of the start, which does not count.
    pub start: Date,
    /// What that day is.
    pub start_kind: DayKind,
    /// The reading that counts.
    pub main: Reading,
    /// The other lawful readings, each with its label.
    pub alternatives: Vec<Reading>,
    /// The shorter time that the one who owes has promised; its breach is no breach of law.
    pub promised: Option<Reading>,
    /// What is odd about the facts, in the main reading.
    pub flags: Vec<Flag>,
}

/// Which version of which profile a due date rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProfileVersion {
    /// The id.
    pub id: String,
    /// The version.
    pub version: u32,
}

/// What sets a due date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// A clock of the profile.
    Clock {
        /// Which.
        id: ClockId,
        /// Its limit, article and who owes.
        clock: Box<Clock>,
        /// The act that its article cites.
        act: Option<Act>,
    },
    /// A date that somebody set: in a letter, a notice, a suspension.
    Stated {
        /// Who owes the step.
        owes: Party,
        /// The days in which time left and lateness are counted.
        unit: DayUnit,
    },
}

impl Basis {
    /// Returns who owes the step.
    pub fn owes(&self) -> Party {
        match self {
            Self::Clock { clock, .. } => clock.owes,
            Self::Stated { owes, .. } => *owes,
        }
    }

    /// Returns the days that count.
    pub fn unit(&self) -> DayUnit {
        match self {
            Self::Clock { clock, .. } => clock.limit.unit,
            Self::Stated { unit, .. } => *unit,
        }
    }
}

/// One way of reading the law on the same facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What a request for supplement does; `None` when there was none.
    pub supplement: Option<SupplementReading>,
    /// Which extensions count.
    pub extension: ExtensionReading,
    /// Where that leads.
    pub outcome: Outcome,
    /// Every day after the start, up to and with the last day or the day before the suspension.
    pub runs: Vec<Run>,
}

/// Which extensions a reading counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExtensionReading {
    /// There is none.
    None,
    /// Those that meet every condition of the law.
    Effective,
    /// Every one that was consented to, whatever it lacks.
    Claimed,
}

impl ExtensionReading {
    /// Returns the code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Effective => "effective",
            Self::Claimed => "claimed",
        }
    }
}

/// Where a reading leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The clock runs to a last day, which ends at 24:00.
    Runs {
        /// The last day.
        due: Date,
        /// The last day without any extension.
        original_due: Date,
        /// The day off from which a limit in calendar days rolled to `due`.
        rolled_from: Option<Date>,
        /// The days in all, extensions included; 0 for a stated date.
        days: u32,
        /// The days by which extensions lengthen it.
        extension_days: u32,
        /// Whether it rests on days that a notice may still change.
        provisional: bool,
    },
    /// The clock stands still until the file is complete.
    Suspended {
        /// The day on which the supplement was asked for.
        since: Date,
        /// The days that will be left.
        days_left: u32,
    },
}

/// Days in a row of one kind that play one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// What they count for.
    pub role: Role,
    /// What kind of days they are.
    pub kind: DayKind,
    /// The number of the first day in the count, from 1; `None` where days do not count.
    pub first: Option<u32>,
    /// Whether no notice can still change them.
    pub settled: bool,
}

/// What a day counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A day of the limit.
    Counted,
    /// A day of an extension.
    Extended,
    /// A day off that does not count.
    Skipped,
    /// A day before a supplement was asked for, which a restart gives back.
    GivenBack,
    /// A day on which the supplement was waited for.
    Waiting,
    /// A day off at the end of a limit in calendar days, or the working day it rolls to.
    Rolled,
}

impl Role {
    /// Returns the code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Extended => "extended",
            Self::Skipped => "skipped",
            Self::GivenBack => "givenBack",
            Self::Waiting => "waiting",
            Self::Rolled => "rolled",
        }
    }
}

/// Something odd about the facts that a due date rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Flag {
    /// More supplements were asked for than the profile allows; this one moves nothing.
    SupplementRepeated {
        /// When.
        asked: Date,
        /// The most.
        asks_max: u32,
    },
    /// A supplement was asked for after the last day; it moves nothing.
    SupplementAskedLate {
        /// When.
        asked: Date,
        /// The last day.
        due: Date,
    },
    /// The supplement never came; the clock ran on from here with the file as it is.
    SupplementLapsed {
        /// When.
        lapsed: Date,
    },
    /// The clock cannot be extended; the extension moves nothing.
    ExtensionNotProvided {
        /// When it was asked for.
        filed: Date,
    },
    /// An extension waits for consent.
    ExtensionPending {
        /// When it was asked for.
        filed: Date,
    },
    /// An extension was asked for after the last day.
    ExtensionFiledLate {
        /// When.
        filed: Date,
        /// The last day.
        due: Date,
    },
    /// The consent came after the last day.
    ExtensionConsentedLate {
        /// When.
        consented: Date,
        /// The last day.
        due: Date,
    },
    /// Nobody told the one who must be told.
    ExtensionNotNotified {
        /// When it was consented to.
        consented: Date,
    },
    /// The notice came after the last day.
    ExtensionNotifiedLate {
        /// When.
        notified: Date,
        /// The last day.
        due: Date,
    },
    /// More days were consented to than the law allows in all; only those allowed count.
    ExtensionOverMax {
        /// The days consented to, in all.
        days: u32,
        /// The most in all.
        days_max: u32,
    },
    /// The text can be read to cover this clock or not.
    ExtensionArguable {
        /// When it was consented to.
        consented: Date,
    },
}

impl Flag {
    /// Returns the code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SupplementRepeated { .. } => "supplementRepeated",
            Self::SupplementAskedLate { .. } => "supplementAskedLate",
            Self::SupplementLapsed { .. } => "supplementLapsed",
            Self::ExtensionNotProvided { .. } => "extensionNotProvided",
            Self::ExtensionPending { .. } => "extensionPending",
            Self::ExtensionFiledLate { .. } => "extensionFiledLate",
            Self::ExtensionConsentedLate { .. } => "extensionConsentedLate",
            Self::ExtensionNotNotified { .. } => "extensionNotNotified",
            Self::ExtensionNotifiedLate { .. } => "extensionNotifiedLate",
            Self::ExtensionOverMax { .. } => "extensionOverMax",
            Self::ExtensionArguable { .. } => "extensionArguable",
        }
    }

    /// Says whether the fact breaks a rule of the law, rather than only waiting for something.
    pub fn is_defect(&self) -> bool {
        !matches!(
            self,
            Self::ExtensionPending { .. } | Self::ExtensionArguable { .. } | Self::SupplementLapsed { .. }
        )
    }
}

/// The day for which a due date is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The step was done on that day.
    Done(Date),
    /// The step is still open on that day.
    AsOf(Date),
}

/// How a step stands against its due date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done in time.
    Met {
        /// The days used, the day of the act included.
        days_used: u32,
        /// The days that were left.
        days_left: u32,
    },
    /// Done too late.
    Late(Lateness),
    /// Open, and in time so far.
    Open {
        /// The days used.
        days_used: u32,
        /// The days left after this one.
        days_left: u32,
    },
    /// Open, and too late.
    Overdue(Lateness),
    /// Open, and the clock stands still.
    Suspended {
        /// Since when.
        since: Date,
        /// The days that will be left.
        days_left: u32,
    },
}

/// By how much a step is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lateness {
    /// In the days that the clock counts; 0 on the days off after the last day.
    pub days: u32,
    /// In calendar days; at least 1.
    pub calendar_days: u32,
}

impl Status {
    /// Returns the code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Met { .. } => "met",
            Self::Late(_) => "late",
            Self::Open { .. } => "open",
            Self::Overdue(_) => "overdue",
            Self::Suspended { .. } => "suspended",
        }
    }

    /// Says whether the step is or was too late.
    pub fn is_late(&self) -> bool {
        matches!(self, Self::Late(_) | Self::Overdue(_))
    }
}

impl Due {
    /// Makes a due date that somebody set.
    pub fn stated(
        start: Date,
        due: Date,
        owes: Party,
        unit: DayUnit,
        profile: &tally_schemas::profile::Profile,
        calendar: &LayeredCalendar,
    ) -> Self {
        let outcome = Outcome::Runs {
            due,
            original_due: due,
            rolled_from: None,
            days: 0,
            extension_days: 0,
            provisional: false,
        };
        Self {
            basis: Basis::Stated { owes, unit },
            calendar: calendar.versions().to_vec(),
            zone: profile.zone.clone(),
            profile: ProfileVersion {
                id: profile.id.clone(),
                version: profile.version,
            },
            start,
            start_kind: calendar.day_kind(start),
            main: Reading {
                supplement: None,
                extension: ExtensionReading::None,
                outcome,
                runs: Vec::new(),
            },
            alternatives: Vec::new(),
            promised: None,
            flags: Vec::new(),
        }
    }

    /// Returns the last day in the main reading; `None` while the clock stands still.
    pub fn date(&self) -> Option<Date> {
        self.main.due()
    }

    /// Says whether the date rests on days that a notice may still change.
    pub fn is_provisional(&self) -> bool {
        matches!(
            self.main.outcome,
            Outcome::Runs {
                provisional: true,
                ..
            }
        )
    }

    /// Says how the step stands in the main reading.
    ///
    /// `calendar` counts lateness: the one in force at the act, or the newest while the step is open.
    pub fn status(&self, moment: Moment, calendar: &LayeredCalendar) -> Status {
        self.status_of(&self.main, moment, calendar)
    }

    /// Says how the step stands in one of the readings.
    pub fn status_of(&self, reading: &Reading, moment: Moment, calendar: &LayeredCalendar) -> Status {
        let unit = self.basis.unit();
        let (Moment::Done(day) | Moment::AsOf(day)) = moment;
        let (due, days) = match reading.outcome {
            Outcome::Runs { due, days, .. } => (due, days),
            Outcome::Suspended { since, days_left } => {
                return match moment {
                    Moment::Done(_) => Status::Met {
                        days_used: reading.days_used(day),
                        days_left,
                    },
                    Moment::AsOf(_) => Status::Suspended { since, days_left },
                };
            }
        };
        if day > due {
            let lateness = Lateness {
                days: calendar.days_between(unit, due, day),
                calendar_days: calendar.days_between(DayUnit::CalendarDays, due, day),
            };
            return match moment {
                Moment::Done(_) => Status::Late(lateness),
                Moment::AsOf(_) => Status::Overdue(lateness),
            };
        }
        let (days_used, days_left) = match self.basis {
            Basis::Clock { .. } => {
                let used = reading.days_used(day);
                (used, days.saturating_sub(used))
            }
            Basis::Stated { .. } => (
                calendar.days_between(unit, self.start, day),
                calendar.days_between(unit, day.max(self.start), due),
            ),
        };
        match moment {
            Moment::Done(_) => Status::Met { days_used, days_left },
            Moment::AsOf(_) => Status::Open { days_used, days_left },
        }
    }
}

impl Reading {
    /// Returns the last day; `None` while the clock stands still.
    pub fn due(&self) -> Option<Date> {
        match self.outcome {
            Outcome::Runs { due, .. } => Some(due),
            Outcome::Suspended { .. } => None,
        }
    }

    /// Counts the days of limit and extension up to and with a day.
    pub fn days_used(&self, day: Date) -> u32 {
        let mut used = 0u32;
        for run in &self.runs {
            if matches!(run.role, Role::Counted | Role::Extended) && run.from <= day {
                let days = day.min(run.to).days_since(run.from).saturating_add(1);
                used = used.saturating_add(u32::try_from(days).unwrap_or(0));
            }
        }
        used
    }
}
