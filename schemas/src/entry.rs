//! Entries: the leaves of a log. Spec: `schemas/spec/entry.md`.
//!
//! Header lines, an empty line, then the payload verbatim: an event note, a statement, a governance note or an opening. The bytes
//! received are what is stored, hashed, sent and exported; this type is only a reading of them.

use crate::error::FormatError;
use crate::id::{Hash, NamedHead, Origin, parse_decimal};
use crate::limits::{ENTRY_BYTES_MAX, ENTRY_HEADER_BYTES_MAX, HEADS_PER_ENTRY_MAX};
use crate::statement::{head_line, parse_head};
use crate::time::Timestamp;

/// The first line of an entry.
pub const ENTRY_MAGIC: &str = "tally/entry/v1";

/// The version of the registry that an entry was made under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegistryRef {
    /// The length of the governance chain; 0 is the genesis alone.
    pub version: u64,
    /// The hash of the governance event with that version, or of the genesis.
    pub hash: Hash,
}

/// The header of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryHeader {
    /// The log.
    pub origin: Origin,
    /// The position, from 0.
    pub index: u64,
    /// The leaf hash of the entry before (entry 0 of epoch 1: the genesis hash; of a later one: the last leaf of the old log that counts).
    pub prev: Hash,
    /// When the node recorded it, UTC; never falls within a log, orders nothing.
    pub recorded: Timestamp,
    /// The registry it was made under; never falls within a log.
    pub registry: RegistryRef,
    /// Heads of other logs that the node had resolved, by origin, rising, never smaller than named before.
    pub heads: Vec<NamedHead>,
}

/// An entry as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The header.
    pub header: EntryHeader,
    /// The payload, verbatim.
    pub payload: String,
}

impl Entry {
    /// Parses the bytes; accepts exactly what [`Entry::to_bytes`] gives. The payload is not parsed here: what is wrong
    /// inside it makes the entry void, not the log.
    ///
    /// # Errors
    /// Every other input, before anything of its size is allocated.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let bad = |why: &str| FormatError::malformed("entry", why);
        FormatError::at_most("entry", bytes.len(), ENTRY_BYTES_MAX)?;
        let text = std::str::from_utf8(bytes).map_err(|error| bad(&format!("is not UTF-8: {error}")))?;
        let (header, payload) = text
            .split_once("\n\n")
            .ok_or_else(|| bad("no empty line ends the header"))?;
        if header.len() + 2 > ENTRY_HEADER_BYTES_MAX {
            return Err(FormatError::TooLong {
                what: "entry header",
                got: (header.len() + 2) as u64,
                limit: ENTRY_HEADER_BYTES_MAX as u64,
            });
        }
        if payload.is_empty() {
            return Err(bad("has no payload"));
        }
        let mut lines = header.split('\n');
        let magic = lines.next().unwrap_or_default();
        if magic != ENTRY_MAGIC {
            return Err(FormatError::UnknownVersion {
                what: "entry",
                got: magic.chars().take(40).collect(),
            });
        }
        let mut word = |name: &'static str| {
            let line = lines.next().unwrap_or_default();
            line.strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(' '))
                .ok_or_else(|| FormatError::field("entry", name, "line is missing or out of place"))
        };
        let on = |line: &'static str| {
            move |error: FormatError| FormatError::field("entry", line, error.to_string())
        };
        let origin = Origin::parse(word("origin")?).map_err(on("origin"))?;
        let index = parse_decimal("number", word("index")?).map_err(on("index"))?;
        let prev = Hash::parse_base64(word("prev")?).map_err(on("prev"))?;
        let recorded = Timestamp::parse(word("recorded")?).map_err(on("recorded"))?;
        let (version, hash) = word("registry")?
            .split_once(' ')
            .ok_or_else(|| FormatError::field("entry", "registry", "expected <version> <hash>"))?;
        let registry = RegistryRef {
            version: parse_decimal("version", version).map_err(on("registry"))?,
            hash: Hash::parse_base64(hash).map_err(on("registry"))?,
        };
        let mut heads: Vec<NamedHead> = Vec::new();
        for line in lines {
            let rest = line
                .strip_prefix("head ")
                .ok_or_else(|| bad("unknown header line"))?;
            if heads.len() == HEADS_PER_ENTRY_MAX {
                return Err(FormatError::TooMany {
                    what: "heads of an entry",
                    got: heads.len() as u64 + 1,
                    limit: HEADS_PER_ENTRY_MAX as u64,
                });
            }
            let head = parse_head(rest).map_err(on("head"))?;
            if heads.last().is_some_and(|last| last.origin >= head.origin) {
                return Err(FormatError::not_canonical(
                    "entry",
                    "heads are not in rising order of origin",
                ));
            }
            if head.origin == origin {
                return Err(FormatError::field("entry", "head", "names its own log"));
            }
            heads.push(head);
        }
        let header = EntryHeader {
            origin,
            index,
            prev,
            recorded,
            registry,
            heads,
        };
        let entry = Self {
            header,
            payload: payload.to_owned(),
        };
        if text.strip_suffix(payload) == Some(entry.header_text().as_str()) {
            Ok(entry)
        } else {
            Err(FormatError::not_canonical(
                "entry",
                "header differs from its one form",
            ))
        }
    }

    /// Returns the bytes of the leaf.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = self.header_text();
        text.push_str(&self.payload);
        text.into_bytes()
    }

    /// Returns everything before the payload, in its one form.
    fn header_text(&self) -> String {
        let header = &self.header;
        let mut text = format!(
            "{ENTRY_MAGIC}\norigin {}\nindex {}\nprev {}\nrecorded {}\nregistry {} {}\n",
            header.origin,
            header.index,
            header.prev.to_base64(),
            header.recorded,
            header.registry.version,
            header.registry.hash.to_base64(),
        );
        for head in &header.heads {
            text.push_str("head ");
            text.push_str(&head_line(head));
            text.push('\n');
        }
        text.push('\n');
        text
    }
}

/// What the payload of an entry says it is, by its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadKind {
    /// An event note.
    Event,
    /// A statement.
    Statement,
    /// A governance note.
    Governance,
    /// The opening of an epoch.
    Epoch,
    /// Something this software does not know.
    Unknown,
}

impl PayloadKind {
    /// Reads the first line of a payload.
    pub fn of(payload: &str) -> Self {
        match payload.split('\n').next() {
            Some(crate::event::EVENT_MAGIC) => Self::Event,
            Some(crate::statement::STATEMENT_MAGIC) => Self::Statement,
            Some(crate::governance::GOVERNANCE_MAGIC) => Self::Governance,
            Some(crate::epoch::EPOCH_MAGIC) => Self::Epoch,
            _ => Self::Unknown,
        }
    }
}
