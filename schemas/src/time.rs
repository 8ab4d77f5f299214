//! Instants and civil dates, each with exactly one text form.
//!
//! Knows no clock and no zone database: an instant is milliseconds of UTC, a zone is a fixed offset in minutes that a
//! profile states, so that a date never depends on the host's settings or on the version of a zone table.

use crate::error::FormatError;
use std::fmt;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, from year 1970 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, bincode::Encode, bincode::Decode)]
pub struct Timestamp(i64);

/// The last millisecond of the year 9999.
const TIMESTAMP_MS_MAX: i64 = 253_402_300_799_999;

impl Timestamp {
    /// Makes an instant of milliseconds since the epoch.
    ///
    /// # Errors
    /// A value before 1970 or after 9999.
    pub fn from_ms(ms: i64) -> Result<Self, FormatError> {
        if (0..=TIMESTAMP_MS_MAX).contains(&ms) {
            Ok(Self(ms))
        } else {
            Err(FormatError::malformed(
                "timestamp",
                format!("{ms} ms is outside 1970 to 9999"),
            ))
        }
    }

    /// Returns milliseconds since the epoch.
    pub fn as_ms(self) -> i64 {
        self.0
    }

    /// Returns the instant so many milliseconds later, or the last one of year 9999.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms).clamp(0, TIMESTAMP_MS_MAX))
    }

    /// Parses the one form `2026-01-05T01:02:03.004Z`.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let bad = || {
            let shown: String = text.chars().take(40).collect();
            FormatError::malformed(
                "timestamp",
                format!("{shown:?}, expected the form 2026-01-05T01:02:03.004Z"),
            )
        };
        if text.len() != 24 || !text.is_ascii() || !text.ends_with('Z') {
            return Err(bad());
        }
        let civil: jiff::civil::DateTime = text.trim_end_matches('Z').parse().map_err(|_| bad())?;
        let time = civil.time();
        let seconds =
            (i64::from(time.hour()) * 60 + i64::from(time.minute())) * 60 + i64::from(time.second());
        let ms =
            i64::from(days_of(civil.date())) * 86_400_000 + seconds * 1000 + i64::from(time.millisecond());
        let stamp = Self::from_ms(ms)?;
        if stamp.to_string() == text {
            Ok(stamp)
        } else {
            Err(bad())
        }
    }

    /// Returns the civil date at a fixed offset from UTC.
    pub fn date_at(self, offset_minutes: i32) -> Date {
        let shifted = self.0.saturating_add(i64::from(offset_minutes) * 60_000);
        Date::from_days(shifted.div_euclid(86_400_000))
    }

    /// Returns hour and minute at a fixed offset from UTC.
    pub fn hour_minute_at(self, offset_minutes: i32) -> (u8, u8) {
        let shifted = self.0.saturating_add(i64::from(offset_minutes) * 60_000);
        let minutes = shifted.rem_euclid(86_400_000) / 60_000;
        let hour = u8::try_from(minutes / 60).unwrap_or(0);
        let minute = u8::try_from(minutes % 60).unwrap_or(0);
        (hour, minute)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = Date::from_days(self.0.div_euclid(86_400_000));
        let ms = self.0.rem_euclid(86_400_000);
        let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(
            formatter,
            "{date}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z",
            ms % 1000
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A civil date of the proleptic Gregorian calendar, as days since 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
pub struct Date(i32);

/// A day of the week.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Date {
    fn from_days(days: i64) -> Self {
        Self(i32::try_from(days).unwrap_or(i32::MAX))
    }

    /// Makes a date of year, month and day.
    ///
    /// # Errors
    /// A day that does not exist.
    pub fn new(year: i16, month: i8, day: i8) -> Result<Self, FormatError> {
        let civil = jiff::civil::Date::new(year, month, day)
            .map_err(|error| FormatError::malformed("date", error.to_string()))?;
        Ok(Self(days_of(civil)))
    }

    /// Parses the one form `2026-01-05`.
    ///
    /// # Errors
    /// Any other text, or a day that does not exist.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let bad = || {
            let shown: String = text.chars().take(40).collect();
            FormatError::malformed("date", format!("{shown:?}, expected the form 2026-01-05"))
        };
        let bytes = text.as_bytes();
        let digits = bytes.len() == 10
            && bytes.iter().enumerate().all(|(place, byte)| {
                if place == 4 || place == 7 {
                    *byte == b'-'
                } else {
                    byte.is_ascii_digit()
                }
            });
        if !digits {
            return Err(bad());
        }
        let civil: jiff::civil::Date = text.parse().map_err(|_| bad())?;
        Ok(Self(days_of(civil)))
    }

    /// Returns the date so many days later (or earlier).
    #[must_use]
    pub fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Returns how many days this date lies after another (negative when before).
    pub fn days_since(self, other: Self) -> i32 {
        self.0.saturating_sub(other.0)
    }

    /// Returns the year.
    pub fn year(self) -> i16 {
        self.civil().year()
    }

    /// Returns the month, 1 to 12.
    pub fn month(self) -> i8 {
        self.civil().month()
    }

    /// Returns the day of the week.
    pub fn weekday(self) -> Weekday {
        match (i64::from(self.0) + 3).rem_euclid(7) {
            0 => Weekday::Monday,
            1 => Weekday::Tuesday,
            2 => Weekday::Wednesday,
            3 => Weekday::Thursday,
            4 => Weekday::Friday,
            5 => Weekday::Saturday,
            _ => Weekday::Sunday,
        }
    }

    /// Returns the first instant of the day at a fixed offset from UTC.
    pub fn start_at(self, offset_minutes: i32) -> Timestamp {
        let ms = i64::from(self.0) * 86_400_000 - i64::from(offset_minutes) * 60_000;
        Timestamp::default().plus_ms(ms)
    }

    fn civil(self) -> jiff::civil::Date {
        let span = jiff::Span::new().try_days(self.0).unwrap_or_default();
        jiff::civil::date(1970, 1, 1).saturating_add(span)
    }
}

fn days_of(civil: jiff::civil::Date) -> i32 {
    civil
        .since(jiff::civil::date(1970, 1, 1))
        .map_or(0, |span| span.get_days())
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = self.civil();
        write!(
            formatter,
            "{:04}-{:02}-{:02}",
            civil.year(),
            civil.month(),
            civil.day()
        )
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;

    #[test]
    fn prints_what_it_parses() {
        for text in [
            "1970-01-01T00:00:00.000Z",
            "2026-02-28T23:59:59.999Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
        for text in ["2016-02-29", "1970-01-01", "2026-12-31"] {
            assert_eq!(Date::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_every_other_form() {
        for text in [
            "2026-01-05T01:02:03Z",
            "2026-01-05t01:02:03.004Z",
            "2026-01-05T01:02:60.000Z",
            "2026-01-05T24:00:00.000Z",
        ] {
            assert_matches!(Timestamp::parse(text), Err(_));
        }
        for text in ["2026-1-05", "2025-02-29", "20260105", "2026-13-01"] {
            assert_matches!(Date::parse(text), Err(_));
        }
    }

    #[test]
    fn a_day_in_shanghai_starts_eight_hours_earlier() {
        let stamp = Timestamp::parse("2026-01-04T16:00:00.000Z").unwrap();
        assert_eq!(stamp.date_at(480).to_string(), "2026-01-05");
        assert_eq!(stamp.plus_ms(-1).date_at(480).to_string(), "2026-01-04");
        assert_eq!(Date::parse("2026-01-05").unwrap().start_at(480), stamp);
        assert_eq!(Date::parse("2026-01-05").unwrap().weekday(), Weekday::Monday);
    }
}
