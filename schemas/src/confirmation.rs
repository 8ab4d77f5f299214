//! Confirmations: what shows a stranger which other nodes signed that they hold an entry.
//!
//! One line of canonical JSON. Text only: `tally-ledger` makes and verifies it. Spec: `schemas/spec/confirmation.md`. Keeps I12.

use crate::degree::Degree;
use crate::error::FormatError;
use crate::id::{EventId, Hash, NodeId, Origin};
use crate::json::Json;
use crate::limits::{
    CONFIRMATION_STEPS_MAX, CONFIRMATIONS_BYTES_MAX, CONFIRMATIONS_MAX, JSON_INTEGER_MAX, PROOF_HASHES_MAX,
};
use crate::members::{Members, code_of};
use crate::proof::TlogProof;
use crate::time::Timestamp;

/// What the member `format` says.
pub const CONFIRMATIONS_FORMAT: &str = "tally/confirmations/v1";

/// Who confirmed at some time that it holds the entry of an event, but the node of its own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmations {
    /// The event.
    pub event: EventId,
    /// The log of the entry.
    pub origin: Origin,
    /// The position of the entry.
    pub index: u64,
    /// When the file was made, by the clock of the node that made it.
    pub as_of: Timestamp,
    /// By node, each once.
    pub list: Vec<Confirmation>,
}

/// What one node signed: an entry of a log that it hosts, and the way from there to the entry that is confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The node.
    pub node: NodeId,
    /// The bytes of the entry of a log that it hosts, which are text.
    pub entry: String,
    /// The proof that this entry is recorded, under a checkpoint that the log signed.
    pub proof: TlogProof,
    /// Entry 0 of that log, if it is of a later epoch: its opening names the key.
    pub opening: Option<ShownEntry>,
    /// Entries in between, of other logs, each under a head that the one before names.
    pub steps: Vec<ShownEntry>,
    /// The hashes (RFC 6962, section 2.1.1) from the entry that is confirmed to the root of a head that the last of these names.
    pub inclusion: Vec<Hash>,
}

/// An entry, and the hashes from it to a root that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownEntry {
    /// The bytes of the entry, which are text.
    pub entry: String,
    /// The hashes (RFC 6962, section 2.1.1).
    pub proof: Vec<Hash>,
}

impl Confirmations {
    /// Parses a file; accepts exactly what [`Confirmations::to_bytes`] gives.
    ///
    /// # Errors
    /// Every other input.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        FormatError::at_most(WHAT, bytes.len(), CONFIRMATIONS_BYTES_MAX)?;
        let Some(text) = bytes.strip_suffix(b"\n") else {
            return Err(FormatError::malformed(WHAT, "does not end with a line feed"));
        };
        let json = Json::parse(text)?;
        let format = json.member("format").and_then(Json::as_text).unwrap_or_default();
        if format != CONFIRMATIONS_FORMAT {
            let shown: String = format.chars().take(40).collect();
            return Err(FormatError::UnknownVersion {
                what: WHAT,
                got: format!("{shown:?}"),
            });
        }
        let mut members = Members::open(WHAT, "", &json)?;
        let _format = members.must("format")?;
        let list = members.array("confirmations", CONFIRMATIONS_MAX)?.iter();
        let index = members.int("index", 0, JSON_INTEGER_MAX)?;
        let stated = members.text("degree")?;
        let file = Self {
            event: EventId(Hash::parse_hex(&members.text("event")?)?),
            origin: Origin::parse(&members.text("origin")?)?,
            index: u64::try_from(index).map_err(|_| members.wrong("index", "expected 0 or more"))?,
            as_of: Timestamp::parse(&members.text("asOf")?)?,
            list: list.map(Confirmation::from_json).collect::<Result<_, _>>()?,
        };
        members.finish()?;
        let degree = code_of(WHAT, "degree", &stated, Degree::ALL, Degree::as_str)?;
        if degree != file.degree() {
            let why = format!("{degree}, expected {}", file.degree());
            return Err(FormatError::field(WHAT, "degree", why));
        }
        if !file.list.is_sorted_by(|before, after| before.node < after.node) {
            let why = "confirmations are not in rising order of node";
            return Err(FormatError::not_canonical(WHAT, why));
        }
        Ok(file)
    }

    /// Returns the degree that the file shows.
    pub fn degree(&self) -> Degree {
        if self.list.is_empty() {
            Degree::LocalOnly
        } else {
            Degree::Replicated
        }
    }

    /// Returns the bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let list: Vec<Json> = self.list.iter().map(Confirmation::to_json).collect();
        // Positions beyond what JSON keeps exactly are refused when the file is read.
        let index = i64::try_from(self.index).unwrap_or(JSON_INTEGER_MAX);
        let json = Json::object([
            ("asOf", Json::from(self.as_of.to_string())),
            ("confirmations", list.into()),
            ("degree", self.degree().as_str().into()),
            ("event", self.event.to_string().into()),
            ("format", CONFIRMATIONS_FORMAT.into()),
            ("index", index.into()),
            ("origin", self.origin.to_string().into()),
        ]);
        let mut text = json.to_canonical();
        text.push('\n');
        text.into_bytes()
    }
}

impl Confirmation {
    fn from_json(json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, "confirmations", json)?;
        let confirmation = Self {
            node: NodeId::parse(&members.text("node")?)?,
            entry: long_text(&mut members, "entry")?,
            proof: TlogProof::parse(long_text(&mut members, "proof")?.as_bytes())?,
            opening: members.maybe("opening").map(ShownEntry::from_json).transpose()?,
            steps: members
                .array("steps", CONFIRMATION_STEPS_MAX)?
                .iter()
                .map(ShownEntry::from_json)
                .collect::<Result<_, _>>()?,
            inclusion: hashes_of(&mut members, "inclusion")?,
        };
        members.finish()?;
        Ok(confirmation)
    }

    fn to_json(&self) -> Json {
        let steps: Vec<Json> = self.steps.iter().map(ShownEntry::to_json).collect();
        let opening = self
            .opening
            .as_ref()
            .map(|opening| ("opening", opening.to_json()));
        let members = [
            ("entry", self.entry.as_str().into()),
            ("inclusion", hashes(&self.inclusion)),
            ("node", self.node.to_string().into()),
            ("proof", self.proof.to_string().into()),
            ("steps", steps.into()),
        ];
        Json::object(members.into_iter().chain(opening))
    }
}

impl ShownEntry {
    fn from_json(json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, "entry", json)?;
        let shown = Self {
            entry: long_text(&mut members, "entry")?,
            proof: hashes_of(&mut members, "proof")?,
        };
        members.finish()?;
        Ok(shown)
    }

    fn to_json(&self) -> Json {
        Json::object([
            ("entry", Json::from(self.entry.as_str())),
            ("proof", hashes(&self.proof)),
        ])
    }
}

const WHAT: &str = "confirmations";

fn long_text(members: &mut Members<'_>, name: &'static str) -> Result<String, FormatError> {
    let text = members.must(name)?.as_text();
    text.map(str::to_owned)
        .ok_or_else(|| members.wrong(name, "expected text"))
}

fn hashes(hashes: &[Hash]) -> Json {
    let hashes: Vec<Json> = hashes.iter().map(|hash| hash.to_base64().into()).collect();
    hashes.into()
}

fn hashes_of(members: &mut Members<'_>, name: &'static str) -> Result<Vec<Hash>, FormatError> {
    let list = members.array(name, PROOF_HASHES_MAX)?.iter();
    list.map(|hash| {
        let text = hash
            .as_text()
            .ok_or_else(|| members.wrong(name, "expected text"))?;
        Hash::parse_base64(text)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(byte: u8) -> Hash {
        Hash([byte; 32])
    }

    fn good() -> Confirmations {
        let root = hash(3).to_base64();
        let proof = format!(
            "c2sp.org/tlog-proof@v1\nindex 7\n{root}\n\nx-0123456789abcdef/a/1\n9\n{root}\n\n\u{2014} a AQIDBAU=\n"
        );
        let shown = ShownEntry {
            entry: "an \"entry\"\n".to_owned(),
            proof: vec![hash(1), hash(2)],
        };
        let confirmation = |node: &str| Confirmation {
            node: NodeId::parse(node).unwrap(),
            entry: "other\n".to_owned(),
            proof: TlogProof::parse(proof.as_bytes()).unwrap(),
            opening: None,
            steps: Vec::new(),
            inclusion: vec![hash(4)],
        };
        let mut second = confirmation("n3");
        second.opening = Some(shown.clone());
        second.steps = vec![shown.clone(), shown];
        Confirmations {
            event: EventId(hash(9)),
            origin: Origin::parse("x-0123456789abcdef/b/1").unwrap(),
            index: 12,
            as_of: Timestamp::parse("2026-01-05T01:00:00.000Z").unwrap(),
            list: vec![confirmation("n2"), second],
        }
    }

    fn refusal(text: &str) -> String {
        Confirmations::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn prints_what_it_parses() {
        let good = good();
        assert_eq!(Confirmations::parse(&good.to_bytes()), Ok(good.clone()));
        let none = Confirmations {
            list: Vec::new(),
            ..good
        };
        let text = String::from_utf8(none.to_bytes()).unwrap();
        assert!(text.contains("\"degree\":\"local-only\""), "{text}");
        assert_eq!(Confirmations::parse(text.as_bytes()), Ok(none));
    }

    #[test]
    fn says_what_is_wrong() {
        let text = String::from_utf8(good().to_bytes()).unwrap();
        let change = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        };
        for (changed, part) in [
            (change("}\n", "}"), "line feed"),
            (change("confirmations/v1", "confirmations/v2"), "unknown version"),
            (change("\"index\":12", "\"index\":-1"), "index"),
            (change("\"index\":12", "\"index\":12,\"more\":1"), "unknown field"),
            (change("replicated", "local-only"), "expected replicated"),
            (change("replicated", "witnessed"), "expected one of"),
            (change("\"node\":\"n2\"", "\"node\":\"n4\""), "rising order"),
            (change("\"node\":\"n2\"", "\"node\":\"n3\""), "rising order"),
            (change("\"steps\":[]", "\"steps\":{}"), "expected an array"),
            (change("index 7", "index 07"), "index of a proof"),
        ] {
            let said = refusal(&changed);
            assert!(said.contains(part), "{said}: {part}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_refused_or_read_as_it_stands(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = good().to_bytes();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            if let Ok(read) = Confirmations::parse(&bytes) {
                prop_assert_eq!(read.to_bytes(), bytes);
            }
        }
    }
}
