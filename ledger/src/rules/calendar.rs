//! Lays calendars over each other and counts days in them.
//!
//! Spec: schemas/spec/calendar.md.

use std::collections::BTreeMap;
use std::sync::Arc;
use tally_schemas::calendar::{Calendar, DayMark, Layer, Notices};
use tally_schemas::names::Names;
use tally_schemas::profile::DayUnit;
use tally_schemas::time::{Date, Weekday};

/// The most days that one count of days walks through: 800 days (the longest limit with the longest extension) in a week of
/// three working days take 1,900, and a document has room for some years of holidays on top.
pub const SCAN_DAYS_MAX: u32 = 10_000;

/// The most layers of a calendar: nation, region, city, county.
pub const LAYERS_MAX: usize = 4;

/// A calendar with its regional layers over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayeredCalendar {
    /// Topmost first.
    versions: Vec<CalendarVersion>,
    weekend: Vec<Weekday>,
    /// The days that differ from the plain week, with what the topmost layer that marks them makes of them.
    marked: BTreeMap<Date, DayKind>,
    notices: Vec<Notices>,
}

/// Which version of which calendar a count rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CalendarVersion {
    /// The id of the calendar.
    pub id: String,
    /// The version.
    pub version: u32,
}

/// A named holiday.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holiday {
    /// The id in its calendar.
    pub id: String,
    /// What people call it.
    pub names: Names,
}

/// What a day is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DayKind {
    /// A plain working day.
    Working,
    /// A day off that is worked, for the holiday named.
    MakeUp(Arc<Holiday>),
    /// A plain weekend day.
    Weekend,
    /// A public holiday.
    Holiday(Arc<Holiday>),
}

impl DayKind {
    /// Says whether people work on such a day.
    pub fn is_working(&self) -> bool {
        matches!(self, Self::Working | Self::MakeUp(_))
    }

    /// Returns the code of the kind.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::MakeUp(_) => "makeUp",
            Self::Weekend => "weekend",
            Self::Holiday(_) => "holiday",
        }
    }

    /// Returns the holiday that the day belongs to.
    pub fn holiday(&self) -> Option<&Holiday> {
        match self {
            Self::MakeUp(holiday) | Self::Holiday(holiday) => Some(holiday),
            Self::Working | Self::Weekend => None,
        }
    }
}

/// Why calendars cannot be laid over each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A calendar names one below it that is not there.
    #[error("calendar {id} is not held; it is named by {by}")]
    Missing {
        /// The calendar that is missing.
        id: String,
        /// What names it.
        by: String,
    },
    /// The chain of layers is too long or runs in a circle.
    #[error("calendar {id} lies on more than {limit} layers, or on itself")]
    TooDeep {
        /// The topmost calendar.
        id: String,
        /// The most layers.
        limit: usize,
    },
}

/// A count that did not come to an end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} working days after {from} do not end within {limit} days of calendar {calendar}")]
pub struct CountError {
    /// The day before the first that could count.
    pub from: Date,
    /// How many days were wanted.
    pub wanted: u32,
    /// How many days were walked.
    pub limit: u32,
    /// The topmost calendar.
    pub calendar: String,
}

impl LayeredCalendar {
    /// Lays the calendar of an id over those that it lies on.
    ///
    /// # Errors
    /// A layer that `find` does not know; too many layers, or a circle.
    pub fn resolve<'a>(id: &str, find: impl Fn(&str) -> Option<&'a Calendar>) -> Result<Self, LayerError> {
        let mut stack: Vec<&Calendar> = Vec::new();
        let mut wanted = id;
        let mut by = "the department";
        loop {
            if stack.len() >= LAYERS_MAX {
                return Err(LayerError::TooDeep {
                    id: id.to_owned(),
                    limit: LAYERS_MAX,
                });
            }
            let Some(layer) = find(wanted) else {
                return Err(LayerError::Missing {
                    id: wanted.to_owned(),
                    by: by.to_owned(),
                });
            };
            stack.push(layer);
            match &layer.layer {
                Layer::Nation { weekend } => return Ok(Self::laid(&stack, weekend)),
                Layer::Region { over } => {
                    by = &layer.id;
                    wanted = over;
                }
            }
        }
    }

    /// Lays layers, topmost first, over a plain week.
    fn laid(stack: &[&Calendar], weekend: &[Weekday]) -> Self {
        let mut marked: BTreeMap<Date, DayKind> = BTreeMap::new();
        for layer in stack.iter().rev() {
            let holidays: BTreeMap<&str, Arc<Holiday>> = layer
                .holidays
                .iter()
                .map(|(id, names)| {
                    (
                        id.as_str(),
                        Arc::new(Holiday {
                            id: id.clone(),
                            names: names.clone(),
                        }),
                    )
                })
                .collect();
            for range in &layer.days {
                let Some(holiday) = holidays.get(range.holiday.as_str()) else {
                    continue;
                };
                let mut day = range.from;
                while day <= range.to {
                    let below = match marked.get(&day) {
                        Some(kind) => kind.is_working(),
                        None => !weekend.contains(&day.weekday()),
                    };
                    match range.mark {
                        DayMark::Off => drop(marked.insert(day, DayKind::Holiday(Arc::clone(holiday)))),
                        DayMark::Work if !below => {
                            drop(marked.insert(day, DayKind::MakeUp(Arc::clone(holiday))));
                        }
                        // The mark states what holds anyway.
                        DayMark::Work => {}
                    }
                    day = day.plus_days(1);
                }
            }
        }
        Self {
            versions: stack
                .iter()
                .map(|layer| CalendarVersion {
                    id: layer.id.clone(),
                    version: layer.version,
                })
                .collect(),
            weekend: weekend.to_vec(),
            marked,
            notices: stack.iter().filter_map(|layer| layer.notices.clone()).collect(),
        }
    }

    /// Returns the versions of its layers, topmost first.
    pub fn versions(&self) -> &[CalendarVersion] {
        &self.versions
    }

    /// Returns what a day is.
    pub fn day_kind(&self, date: Date) -> DayKind {
        match self.marked.get(&date) {
            Some(kind) => kind.clone(),
            None if self.is_weekend(date) => DayKind::Weekend,
            None => DayKind::Working,
        }
    }

    /// Says whether people work on a day.
    pub fn is_working_day(&self, date: Date) -> bool {
        match self.marked.get(&date) {
            Some(kind) => kind.is_working(),
            None => !self.is_weekend(date),
        }
    }

    /// Says whether no notice can still change what a day is.
    pub fn is_settled(&self, date: Date) -> bool {
        self.notices.iter().all(|notices| {
            let year = date.year();
            let open = i32::try_from(notices.year_end_open_days).unwrap_or(i32::MAX);
            let year_end = date.plus_days(open).year() > year;
            notices.years.contains_key(&year)
                && (!year_end || notices.years.contains_key(&year.saturating_add(1)))
        })
    }

    /// Returns the day so many working days later; 0 gives the day itself, whatever it is.
    ///
    /// # Errors
    /// A calendar so full of holidays that the count does not end.
    pub fn add_working_days(&self, from: Date, count: u32) -> Result<Date, CountError> {
        let mut day = from;
        let mut left = count;
        let mut walked = 0;
        while left > 0 {
            self.check_bound(from, count, walked)?;
            walked += 1;
            day = day.plus_days(1);
            if self.is_working_day(day) {
                left -= 1;
            }
        }
        Ok(day)
    }

    /// Returns the day itself when people work on it, else the next one on which they do.
    ///
    /// # Errors
    /// A calendar so full of holidays that there is none.
    pub fn working_day_from(&self, date: Date) -> Result<Date, CountError> {
        if self.is_working_day(date) {
            Ok(date)
        } else {
            self.add_working_days(date, 1)
        }
    }

    /// Counts the days of a unit after one day, up to and with another; 0 when the other is not later.
    pub fn days_between(&self, unit: DayUnit, after: Date, to: Date) -> u32 {
        let span = u32::try_from(to.days_since(after)).unwrap_or(0);
        match unit {
            DayUnit::CalendarDays => span,
            DayUnit::WorkingDays if span == 0 => 0,
            DayUnit::WorkingDays => {
                let weekend = u32::try_from(self.weekend.len()).unwrap_or(0);
                let whole_weeks = span / 7 * (7 - weekend.min(7));
                let mut count = i64::from(whole_weeks);
                let rest = i32::try_from(span % 7).unwrap_or(0);
                for back in 0..rest {
                    count += i64::from(!self.is_weekend(to.plus_days(-back)));
                }
                for (day, kind) in self.marked.range(after.plus_days(1)..=to) {
                    count += i64::from(kind.is_working()) - i64::from(!self.is_weekend(*day));
                }
                u32::try_from(count).unwrap_or(0)
            }
        }
    }

    /// Refuses to walk further than [`SCAN_DAYS_MAX`] days.
    pub(super) fn check_bound(&self, from: Date, wanted: u32, walked: u32) -> Result<(), CountError> {
        if walked < SCAN_DAYS_MAX {
            return Ok(());
        }
        Err(CountError {
            from,
            wanted,
            limit: SCAN_DAYS_MAX,
            calendar: self
                .versions
                .first()
                .map_or_else(String::new, |version| version.id.clone()),
        })
    }

    fn is_weekend(&self, date: Date) -> bool {
        self.weekend.contains(&date.weekday())
    }
}
