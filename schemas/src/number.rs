//! Speakable case numbers such as `housing/req-2026-0031`. Spec: `schemas/spec/numbers.md`.
//!
//! Derived from the position of the opening entry and never recorded (I7): the identity of a case is its id.

use crate::error::FormatError;
use crate::event::CaseKind;
use crate::id::{DepartmentId, parse_decimal};
use std::fmt;

/// The number by which people quote a case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseNumber {
    /// The department whose log holds the opening entry.
    pub department: DepartmentId,
    /// The kind of case; rosters have no number.
    pub kind: CaseKind,
    /// The year in which the opening was recorded.
    pub year: u16,
    /// The running number in that department, kind and year, from 1.
    pub running: u32,
}

impl CaseNumber {
    /// Parses `<department>/<letters>-<year>-<running number>`.
    ///
    /// # Errors
    /// Every other text, other padding included.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let bad = || {
            let shown: String = text.chars().take(70).collect();
            FormatError::malformed(
                "case number",
                format!("{shown:?}, expected the form housing/req-2026-0031"),
            )
        };
        FormatError::at_most("case number", text.len(), CASE_NUMBER_BYTES_MAX)?;
        let (department, rest) = text.split_once('/').ok_or_else(bad)?;
        let mut words = rest.split('-');
        let (Some(letters), Some(year), Some(running), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(bad());
        };
        let kind = numbered().find(|kind| kind.number_prefix() == letters);
        let year = parse_decimal("year", year)?;
        let running = parse_decimal("running number", running.trim_start_matches('0'))?;
        let number = Self {
            department: DepartmentId::parse(department)?,
            kind: kind.ok_or_else(bad)?,
            year: u16::try_from(year).map_err(|_| bad())?,
            running: u32::try_from(running).map_err(|_| bad())?,
        };
        if (1970..=9999).contains(&number.year) && number.to_string() == text {
            Ok(number)
        } else {
            Err(bad())
        }
    }
}

impl fmt::Display for CaseNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}/{}-{}-{:04}",
            self.department,
            self.kind.number_prefix(),
            self.year,
            self.running
        )
    }
}

fn numbered() -> impl Iterator<Item = CaseKind> {
    let kinds = CaseKind::ALL.iter().copied();
    kinds.filter(|kind| *kind != CaseKind::Roster)
}

/// The longest department id, letters, year, and the largest 32-bit number.
const CASE_NUMBER_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_parses() {
        for text in [
            "housing/req-2026-0031",
            "office/fnd-2026-10000",
            "a-b/cat-1970-0001",
        ] {
            assert_eq!(CaseNumber::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_every_other_form() {
        for text in [
            "housing/req-2026-31",
            "housing/req-2026-00031",
            "housing/req-2026-0000",
            "housing/REQ-2026-0031",
            "housing/ros-2026-0001",
            "housing/xyz-2026-0001",
            "housing/req-26-0001",
            "housing/req-2026-0031-1",
            "housing/req-2026-+031",
            "housing/req-2026-",
            "Housing/req-2026-0031",
            "req-2026-0031",
            "housing/req-2026-99999999999",
        ] {
            assert!(CaseNumber::parse(text).is_err(), "{text}");
        }
        assert!(CaseNumber::parse(&"a".repeat(10_000)).is_err());
    }

    #[test]
    fn letters_are_different_and_three() {
        let mut letters: Vec<&str> = CaseKind::ALL.iter().map(|kind| kind.number_prefix()).collect();
        assert!(letters.iter().all(|letters| letters.len() == 3));
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), CaseKind::ALL.len());
    }
}
