//! To whom an overdue step has risen.
//!
//! Derived from the due date alone, so the ladder goes on without anybody pushing; what a post then does is an event.

use super::calendar::{CountError, LayeredCalendar};
use super::due::Due;
use tally_schemas::json::Json;
use tally_schemas::profile::{DayUnit, Profile, Rung};
use tally_schemas::time::Date;

/// A step of the ladder with the day on which an open matter rises to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rise {
    /// The day.
    pub on: Date,
    /// To whom.
    pub to: Rung,
}

impl Rise {
    /// Returns `{on, to}`.
    pub fn to_json(&self) -> Json {
        Json::object([
            ("on", Json::from(self.on.to_string())),
            ("to", Json::from(self.to.as_str())),
        ])
    }
}

/// Returns the steps of the profile's ladder that an open step has climbed by a day, in order; none while its clock stands
/// still or it is in time.
///
/// # Errors
/// A calendar in which the count does not end.
pub fn climbed(
    due: &Due,
    profile: &Profile,
    as_of: Date,
    calendar: &LayeredCalendar,
) -> Result<Vec<Rise>, CountError> {
    let Some(last) = due.date() else {
        return Ok(Vec::new());
    };
    let mut out = Vec::new();
    for step in &profile.ladder {
        let on = match step.after.unit {
            DayUnit::WorkingDays => calendar.add_working_days(last, step.after.amount)?,
            DayUnit::CalendarDays => last.plus_days(i32::try_from(step.after.amount).unwrap_or(i32::MAX)),
        };
        if on <= as_of {
            out.push(Rise { on, to: step.to });
        }
    }
    Ok(out)
}
