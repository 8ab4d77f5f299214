//! When something counts as received, and what is due if an addressee stays dark.
//!
//! Three instants are kept apart: sent, available (another host holds it), received. Where nothing in the addressee's log says
//! that it arrived, the profile's deemed receipt gives a second due date, which stands beside the first and never replaces it.

use super::calendar::{CountError, LayeredCalendar};
use super::clock::{Terms, compute};
use super::due::Due;
use tally_schemas::profile::{DayUnit, Profile};
use tally_schemas::time::{Date, Timestamp};

/// The instants that the logs show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiptFacts {
    /// When the sender's log recorded it.
    pub sent: Option<Timestamp>,
    /// When a host other than the sender's held it.
    pub available: Option<Timestamp>,
    /// The earliest, in the addressee's log, of acknowledgement, arrival statement, first entry that names a covering head.
    pub received: Option<Timestamp>,
}

/// The dates that follow, in the zone of the profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The day it was sent.
    pub sent: Option<Date>,
    /// The day it was available.
    pub available: Option<Date>,
    /// The day it was received.
    pub received: Option<Date>,
    /// The day on which it counts as received because it was available, unless it was received by then.
    pub deemed: Option<Date>,
}

/// Due dates of a clock that starts with receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptDue {
    /// The dates of receipt.
    pub receipt: Receipt,
    /// The due date from the day it was received; `None` while it was not.
    pub main: Option<Due>,
    /// The due date from the day it counts as received: what is past it is "overdue if deemed received".
    pub if_deemed: Option<Due>,
}

impl Receipt {
    /// Finds the dates.
    ///
    /// # Errors
    /// A calendar in which the count does not end.
    pub fn find(
        facts: &ReceiptFacts,
        profile: &Profile,
        calendar: &LayeredCalendar,
    ) -> Result<Self, CountError> {
        let date = |instant: Option<Timestamp>| instant.map(|instant| profile.zone.date_of(instant));
        let received = date(facts.received);
        let available = date(facts.available);
        let deemed = match (available, profile.deemed_receipt_after) {
            (Some(day), Some(after)) => Some(match after.unit {
                DayUnit::WorkingDays => calendar.add_working_days(day, after.amount)?,
                DayUnit::CalendarDays => day.plus_days(i32::try_from(after.amount).unwrap_or(i32::MAX)),
            }),
            _ => None,
        };
        Ok(Self {
            sent: date(facts.sent),
            available,
            received,
            deemed: deemed.filter(|deemed| received.is_none_or(|received| received > *deemed)),
        })
    }
}

/// Computes the due dates of a clock that starts with receipt; `None` when the profile sets no such limit.
///
/// # Errors
/// A calendar in which the count does not end.
pub fn compute_from_receipt(
    terms: &Terms<'_>,
    facts: &ReceiptFacts,
) -> Result<Option<ReceiptDue>, CountError> {
    if terms.profile.clock(terms.clock).is_none() {
        return Ok(None);
    }
    let receipt = Receipt::find(facts, terms.profile, terms.calendar)?;
    let from = |day: Option<Date>| day.map_or(Ok(None), |day| compute(terms, day));
    Ok(Some(ReceiptDue {
        main: from(receipt.received)?,
        if_deemed: from(receipt.deemed)?,
        receipt,
    }))
}
