//! Short-lived claims signed by a key: an officer's token for reading, a node's request for a detached part. Spec: `schemas/spec/token.md`.
//!
//! Texts of signed notes, one line of signature each. Parses and prints only; whose key it is and whether the claim is still
//! fresh is judged by the node that it is shown to.

use crate::error::FormatError;
use crate::id::{DepartmentId, EventId, FederationId, Hash, NodeId, OfficerId};
use crate::time::Timestamp;
use std::fmt;

/// The first line of an officer's token.
pub const TOKEN_MAGIC: &str = "tally/token/v1";
/// The first line of a node's request for a part.
pub const PART_REQUEST_MAGIC: &str = "tally/part-request/v1";
/// How long a token or request may hold, in milliseconds.
pub const TOKEN_LIFE_MS_MAX: i64 = 10 * 60 * 1000;
/// The longest note of a token or request in bytes.
pub const TOKEN_BYTES_MAX: usize = 2_048;

/// An officer's claim to be the one who asks a certain node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The federation.
    pub federation: FederationId,
    /// The officer's department.
    pub department: DepartmentId,
    /// The officer.
    pub officer: OfficerId,
    /// From when it holds.
    pub issued: Timestamp,
    /// Until when it holds, at most ten minutes later.
    pub expires: Timestamp,
    /// The only node at which it holds.
    pub node: NodeId,
}

/// A node's request for a detached part, made to the node that hosts the author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRequest {
    /// The federation.
    pub federation: FederationId,
    /// The node that asks.
    pub from: NodeId,
    /// The department in whose log the event stands.
    pub department: DepartmentId,
    /// The event.
    pub event: EventId,
    /// The commitment.
    pub commit: Hash,
    /// From when it holds.
    pub issued: Timestamp,
    /// Until when it holds, at most ten minutes later.
    pub expires: Timestamp,
    /// The only node at which it holds.
    pub node: NodeId,
}

impl Token {
    /// Parses the text; accepts exactly what it prints.
    ///
    /// # Errors
    /// Every other text; a life that is empty or over ten minutes.
    pub fn parse_text(text: &str) -> Result<Self, FormatError> {
        let mut lines = Lines::open("token", TOKEN_MAGIC, text)?;
        let federation = FederationId::parse(lines.next()?)?;
        let holder = lines.next()?;
        let (department, officer) = holder
            .split_once('/')
            .ok_or_else(|| FormatError::malformed("token", "expected the line <department>/<officer>"))?;
        let token = Self {
            federation,
            department: DepartmentId::parse(department)?,
            officer: OfficerId::parse(officer)?,
            issued: Timestamp::parse(lines.next()?)?,
            expires: Timestamp::parse(lines.next()?)?,
            node: NodeId::parse(lines.next()?)?,
        };
        check_life("token", token.issued, token.expires)?;
        lines.close(&token)?;
        Ok(token)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{TOKEN_MAGIC}\n{}\n{}/{}\n{}\n{}\n{}\n",
            self.federation, self.department, self.officer, self.issued, self.expires, self.node
        )
    }
}

impl PartRequest {
    /// Parses the text; accepts exactly what it prints.
    ///
    /// # Errors
    /// Every other text; a life that is empty or over ten minutes.
    pub fn parse_text(text: &str) -> Result<Self, FormatError> {
        let mut lines = Lines::open("part request", PART_REQUEST_MAGIC, text)?;
        let request = Self {
            federation: FederationId::parse(lines.next()?)?,
            from: NodeId::parse(lines.next()?)?,
            department: DepartmentId::parse(lines.next()?)?,
            event: EventId(Hash::parse_hex(lines.next()?)?),
            commit: Hash::parse_hex(lines.next()?)?,
            issued: Timestamp::parse(lines.next()?)?,
            expires: Timestamp::parse(lines.next()?)?,
            node: NodeId::parse(lines.next()?)?,
        };
        check_life("part request", request.issued, request.expires)?;
        lines.close(&request)?;
        Ok(request)
    }
}

impl fmt::Display for PartRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{PART_REQUEST_MAGIC}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            self.federation,
            self.from,
            self.department,
            self.event,
            self.commit,
            self.issued,
            self.expires,
            self.node
        )
    }
}

/// The lines of a text, one after the other.
struct Lines<'a> {
    what: &'static str,
    text: &'a str,
    rest: std::str::Split<'a, char>,
}

impl<'a> Lines<'a> {
    fn open(what: &'static str, magic: &str, text: &'a str) -> Result<Self, FormatError> {
        FormatError::at_most(what, text.len(), TOKEN_BYTES_MAX)?;
        let mut rest = text.split('\n');
        let found = rest.next().unwrap_or_default();
        if found != magic {
            return Err(FormatError::UnknownVersion {
                what,
                got: found.chars().take(40).collect(),
            });
        }
        Ok(Self { what, text, rest })
    }

    fn next(&mut self) -> Result<&'a str, FormatError> {
        self.rest
            .next()
            .ok_or_else(|| FormatError::malformed(self.what, "ends early"))
    }

    fn close(&self, printed: &impl fmt::Display) -> Result<(), FormatError> {
        if printed.to_string() == self.text {
            Ok(())
        } else {
            Err(FormatError::not_canonical(self.what, "differs from its one form"))
        }
    }
}

fn check_life(what: &'static str, issued: Timestamp, expires: Timestamp) -> Result<(), FormatError> {
    let life = expires.as_ms().saturating_sub(issued.as_ms());
    if (1..=TOKEN_LIFE_MS_MAX).contains(&life) {
        return Ok(());
    }
    Err(FormatError::malformed(
        what,
        format!("holds for {life} ms, expected 1 to {TOKEN_LIFE_MS_MAX}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use proptest::prelude::*;

    fn token() -> Token {
        Token {
            federation: FederationId::parse("xian-0123456789abcdef").unwrap(),
            department: DepartmentId::parse("housing").unwrap(),
            officer: OfficerId::parse("h-01").unwrap(),
            issued: Timestamp::parse("2026-01-05T01:00:00.000Z").unwrap(),
            expires: Timestamp::parse("2026-01-05T01:10:00.000Z").unwrap(),
            node: NodeId::parse("hall").unwrap(),
        }
    }

    fn request() -> PartRequest {
        PartRequest {
            federation: token().federation,
            from: NodeId::parse("offices").unwrap(),
            department: token().department,
            event: EventId(Hash([1; 32])),
            commit: Hash([2; 32]),
            issued: token().issued,
            expires: token().expires,
            node: token().node,
        }
    }

    #[test]
    fn both_print_what_they_parse() {
        assert_eq!(Token::parse_text(&token().to_string()), Ok(token()));
        assert_eq!(PartRequest::parse_text(&request().to_string()), Ok(request()));
    }

    #[test]
    fn refuses_a_life_that_is_too_long_or_empty() {
        for expires in ["2026-01-05T01:10:00.001Z", "2026-01-05T01:00:00.000Z"] {
            let long = Token {
                expires: Timestamp::parse(expires).unwrap(),
                ..token()
            };
            assert_matches!(
                Token::parse_text(&long.to_string()),
                Err(FormatError::Malformed { .. })
            );
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_refused_or_prints_back(place in any::<prop::sample::Index>(), byte in 0u8..128) {
            for good in [token().to_string(), request().to_string()] {
                let mut bytes = good.into_bytes();
                let at = place.index(bytes.len());
                bytes[at] = byte;
                let text = String::from_utf8(bytes).unwrap();
                if let Ok(read) = Token::parse_text(&text) {
                    prop_assert_eq!(read.to_string(), text.clone());
                }
                if let Ok(read) = PartRequest::parse_text(&text) {
                    prop_assert_eq!(read.to_string(), text);
                }
            }
        }
    }
}
