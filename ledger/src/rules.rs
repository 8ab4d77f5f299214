//! The law as arithmetic: working days, clocks, due dates that explain themselves, receipt.
//!
//! Everything here is a pure function of a profile, a calendar and dates; it knows no case and no log. It emits codes and
//! values, never sentences: the client's text catalogue renders them. Keeps I7 (what can be derived is never recorded).

pub mod calendar;
pub mod clock;
pub mod due;
mod explain;
pub mod ladder;
pub mod receipt;

pub use calendar::{DayKind, LayeredCalendar};
pub use clock::{Terms, compute, judge};
pub use due::{Due, Moment, Reading, Status};
