//! Statements: what a node itself attests. Spec: `schemas/spec/statement.md`.
//!
//! In no case, without signature line (the log's checkpoint signs it), and never the cause of another statement.

use crate::error::FormatError;
use crate::id::{EventId, Hash, NamedHead, Origin, TreeHead, parse_decimal};
use crate::limits::ENTRY_BYTES_MAX;

/// The first line of a statement.
pub const STATEMENT_MAGIC: &str = "tally/statement/v1";

/// The most lines of one statement, so that it fits an entry.
pub const STATEMENT_LINES_MAX: usize = 200;

/// A statement of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// The heads of other logs that are resolved here, by origin, rising.
    Heads(Vec<NamedHead>),
    /// Events addressed to this department that arrived here: the earliest proof of receipt. Rising.
    Arrivals(Vec<EventId>),
    /// A fork was seen: two roots of one origin at one size. The evidence file is kept beside the log.
    Fork {
        /// The log that forked.
        origin: Origin,
        /// The size at which two roots were signed.
        size: u64,
        /// The root held here.
        held: Hash,
        /// The other root.
        other: Hash,
    },
}

impl Statement {
    /// Parses the text; accepts exactly what [`Statement::to_text`] gives.
    ///
    /// # Errors
    /// Every other text.
    pub fn parse_text(text: &str) -> Result<Self, FormatError> {
        let bad = |why: &str| FormatError::malformed("statement", why);
        FormatError::at_most("statement", text.len(), ENTRY_BYTES_MAX)?;
        let body = text
            .strip_suffix('\n')
            .ok_or_else(|| bad("does not end with a line feed"))?;
        let mut lines = body.split('\n');
        let magic = lines.next().unwrap_or_default();
        if magic != STATEMENT_MAGIC {
            return Err(FormatError::UnknownVersion {
                what: "statement",
                got: magic.chars().take(40).collect(),
            });
        }
        let kind = lines.next().ok_or_else(|| bad("has no kind line"))?;
        let rest: Vec<&str> = lines.collect();
        if rest.is_empty() || rest.len() > STATEMENT_LINES_MAX {
            return Err(bad("expected 1 to 200 lines after the kind"));
        }
        let statement = match kind {
            "heads" => {
                let heads: Result<Vec<_>, _> = rest.iter().map(|line| parse_head(line)).collect();
                Self::Heads(heads?)
            }
            "arrivals" => {
                let ids: Result<Vec<_>, _> = rest
                    .iter()
                    .map(|line| Hash::parse_hex(line).map(EventId))
                    .collect();
                Self::Arrivals(ids?)
            }
            "fork" => match rest.as_slice() {
                [held, other] => {
                    let (held, other) = (parse_head(held)?, parse_head(other)?);
                    if held.origin != other.origin
                        || held.head.size != other.head.size
                        || held.head.root == other.head.root
                    {
                        return Err(bad("a fork names one origin and size with two roots"));
                    }
                    Self::Fork {
                        origin: held.origin,
                        size: held.head.size,
                        held: held.head.root,
                        other: other.head.root,
                    }
                }
                _ => return Err(bad("a fork has two lines")),
            },
            _ => return Err(bad("unknown kind, expected heads, arrivals or fork")),
        };
        let rises = match &statement {
            Self::Heads(list) => list
                .iter()
                .zip(list.iter().skip(1))
                .all(|(a, b)| a.origin < b.origin),
            Self::Arrivals(list) => list.iter().zip(list.iter().skip(1)).all(|(a, b)| a < b),
            Self::Fork { .. } => true,
        };
        if rises && statement.to_text() == text {
            Ok(statement)
        } else {
            Err(FormatError::not_canonical(
                "statement",
                "lines are not in rising order without repeats",
            ))
        }
    }

    /// Returns the text.
    pub fn to_text(&self) -> String {
        let (kind, lines): (&str, Vec<String>) = match self {
            Self::Heads(heads) => ("heads", heads.iter().map(head_line).collect()),
            Self::Arrivals(ids) => ("arrivals", ids.iter().map(ToString::to_string).collect()),
            Self::Fork {
                origin,
                size,
                held,
                other,
            } => {
                let line = |root: &Hash| {
                    head_line(&NamedHead {
                        origin: origin.clone(),
                        head: TreeHead {
                            size: *size,
                            root: *root,
                        },
                    })
                };
                ("fork", vec![line(held), line(other)])
            }
        };
        format!("{STATEMENT_MAGIC}\n{kind}\n{}\n", lines.join("\n"))
    }
}

/// Returns `<origin> <size> <root in base64>`.
pub fn head_line(named: &NamedHead) -> String {
    format!(
        "{} {} {}",
        named.origin,
        named.head.size,
        named.head.root.to_base64()
    )
}

/// Parses `<origin> <size> <root in base64>`; a head over no entries is refused, it says nothing.
///
/// # Errors
/// Every other text.
pub fn parse_head(line: &str) -> Result<NamedHead, FormatError> {
    let mut words = line.split(' ');
    let (Some(origin), Some(size), Some(root), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(FormatError::malformed("head", "expected <origin> <size> <root>"));
    };
    let size = parse_decimal("head size", size)?;
    if size == 0 {
        return Err(FormatError::malformed(
            "head",
            "a head over no entries says nothing",
        ));
    }
    Ok(NamedHead {
        origin: Origin::parse(origin)?,
        head: TreeHead {
            size,
            root: Hash::parse_base64(root)?,
        },
    })
}
