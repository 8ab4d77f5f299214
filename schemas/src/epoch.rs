//! Openings: how the next epoch of a department's log begins. Spec: `schemas/spec/epoch.md`.
//!
//! The text is the line `tally/epoch/v1` and one line of canonical JSON, signed by the department's administrator or by a
//! quorum of administrators. It is the payload of entry 0 of the log that it opens, and counts nowhere else.

use crate::error::FormatError;
use crate::event::field::{Field, FieldType, check_object, must};
use crate::genesis::{key_of, parse_lines, parsed};
use crate::id::{FederationId, Hash, NamedHead, Origin, TreeHead};
use crate::json::Json;
use crate::limits::{EPOCH_NOTE_BYTES_MAX, EPOCH_REASON_CHARS_MAX, JSON_INTEGER_MAX};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// The first line of the text of an opening.
pub const EPOCH_MAGIC: &str = "tally/epoch/v1";

/// What opens an epoch: the log that ends, where it ends, and the key of the log that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The federation.
    pub federation: FederationId,
    /// The log that begins, of epoch 2 or later.
    pub origin: Origin,
    /// The log of an earlier epoch that it continues, and the last head of it that counts.
    pub old: NamedHead,
    /// The public key that signs the checkpoints of the log that begins.
    pub log_key: [u8; 32],
    /// When it was issued.
    pub issued: Timestamp,
    /// Why, in words.
    pub reason: String,
}

/// The members of the object.
pub(crate) const OPENING_FIELDS: &[Field] = &[
    must("federation", FieldType::Word(57)),
    must("issued", FieldType::Instant),
    must("logKey", FieldType::Key),
    must("old", FieldType::Object(HEAD_FIELDS)),
    must("origin", FieldType::Word(120)),
    must("reason", FieldType::Word(EPOCH_REASON_CHARS_MAX)),
];

const HEAD_FIELDS: &[Field] = &[
    must("origin", FieldType::Word(120)),
    must("root", FieldType::Hash),
    must("size", FieldType::Integer(0, JSON_INTEGER_MAX)),
];

const WHAT: &str = "opening";

impl Opening {
    /// Parses the text; accepts exactly what [`Opening::to_text`] gives.
    ///
    /// # Errors
    /// Every other text, with the member at fault.
    pub fn parse_text(text: &str) -> Result<Self, FormatError> {
        let bad = |field: &str, why: &str| FormatError::field(WHAT, field, why);
        if text.len() > EPOCH_NOTE_BYTES_MAX {
            return Err(FormatError::TooLong {
                what: WHAT,
                got: text.len() as u64,
                limit: EPOCH_NOTE_BYTES_MAX as u64,
            });
        }
        let json = parse_lines(WHAT, EPOCH_MAGIC, text)?;
        check_object(WHAT, &json, OPENING_FIELDS)?;
        let named = json.member("old").ok_or_else(|| bad("old", "is missing"))?;
        let size = named.member("size").and_then(Json::as_int);
        let size = size.and_then(|size| u64::try_from(size).ok());
        let opening = Self {
            federation: parsed(WHAT, &json, "federation", FederationId::parse)?,
            origin: parsed(WHAT, &json, "origin", Origin::parse)?,
            old: NamedHead {
                origin: parsed(WHAT, named, "origin", Origin::parse)?,
                head: TreeHead {
                    size: size.ok_or_else(|| bad("old.size", "expected a whole number"))?,
                    root: parsed(WHAT, named, "root", Hash::parse_hex)?,
                },
            },
            log_key: key_of(json.member("logKey"))?,
            issued: parsed(WHAT, &json, "issued", Timestamp::parse)?,
            reason: json
                .member("reason")
                .and_then(Json::as_text)
                .unwrap_or_default()
                .to_owned(),
        };
        let (new, old) = (&opening.origin, &opening.old.origin);
        if new.federation != opening.federation || old.federation != opening.federation {
            return Err(bad("federation", "is not that of the logs"));
        }
        if new.department != old.department {
            return Err(bad("old", "is a log of another department"));
        }
        if new.epoch <= old.epoch {
            return Err(bad("origin", "is not of a later epoch than the old log"));
        }
        if opening.to_text() == text {
            Ok(opening)
        } else {
            Err(FormatError::not_canonical(WHAT, "differs from its one form"))
        }
    }

    /// Returns the text that is signed.
    pub fn to_text(&self) -> String {
        let size = i64::try_from(self.old.head.size).unwrap_or(i64::MAX);
        let old = Json::object([
            ("origin", Json::Text(self.old.origin.to_string())),
            ("root", Json::Text(self.old.head.root.to_hex())),
            ("size", Json::Int(size)),
        ]);
        let json = Json::Object(BTreeMap::from([
            ("federation".to_owned(), Json::Text(self.federation.to_string())),
            ("issued".to_owned(), Json::Text(self.issued.to_string())),
            ("logKey".to_owned(), Json::Text(Hash(self.log_key).to_base64())),
            ("old".to_owned(), old),
            ("origin".to_owned(), Json::Text(self.origin.to_string())),
            ("reason".to_owned(), Json::Text(self.reason.clone())),
        ]));
        format!("{EPOCH_MAGIC}\n{}\n", json.to_canonical())
    }
}
