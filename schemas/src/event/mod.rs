//! Events: what officers sign. Spec: `schemas/spec/event.md`.
//!
//! The text of an event is the line `tally/event/v1` and one line of canonical JSON; signed, it is a note with one line
//! per signer. What is parsed here is only ever read: hashes and signatures are over the received text.

pub mod catalogue;
pub mod common;
pub mod field;
pub mod finding;
pub mod kind;
pub mod matter;
pub mod parts;
pub mod personal;
pub mod request;
pub mod roster;
pub mod task;

pub use field::{Body, Field, FieldType};
pub use kind::{CaseKind, EventKind, Kind};
pub use parts::{Attachment, Commitment, ExternalRef, LegalBasis, Paper, Signer, SignerRole, Source, Text};

use crate::error::FormatError;
use crate::id::{CaseId, DepartmentId, EventId, FederationId, Hash, OfficerId, hex};
use crate::json::Json;
use crate::limits::{
    AFTER_MAX, ATTACHMENTS_MAX, DEPARTMENTS_PER_EVENT_MAX, EVENT_NOTE_BYTES_MAX, EVENT_SIGNERS_MAX,
};
use crate::time::{Date, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The first line of an event's text.
pub const EVENT_MAGIC: &str = "tally/event/v1";

/// Who may read the detached parts of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Every member.
    All,
    /// Only these departments, rising; the author's own is always one of them.
    Only(Vec<DepartmentId>),
}

impl Audience {
    /// Says whether a department belongs to the audience.
    pub fn includes(&self, department: &DepartmentId) -> bool {
        match self {
            Self::All => true,
            Self::Only(list) => list.contains(department),
        }
    }
}

/// An event as read from its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The federation.
    pub federation: FederationId,
    /// The department whose act it is, and in whose log alone it counts.
    pub department: DepartmentId,
    /// What happened.
    pub kind: Kind,
    /// The case, absent where the event opens one and for roster events.
    pub case: Option<CaseId>,
    /// Events of the case that the officer had before them, rising: evidence of what was known, not an order.
    pub after: Vec<EventId>,
    /// Who signs, in the order of the signature lines.
    pub signers: Vec<Signer>,
    /// The departments addressed, rising.
    pub to: Vec<DepartmentId>,
    /// Who may read the detached parts.
    pub audience: Audience,
    /// The date that the act has effect or had on paper, where it is not that of signing.
    pub effective: Option<Date>,
    /// When the officer says to have issued it; orders nothing.
    pub issued: Timestamp,
    /// 16 random bytes as 32 hex digits, so that no two acts share an id.
    pub nonce: [u8; 16],
    /// The provisions that it rests on.
    pub legal_basis: Vec<LegalBasis>,
    /// The number of the paper (wen hao).
    pub doc_no: Option<String>,
    /// Its number in another system.
    pub external_ref: Option<ExternalRef>,
    /// The plan of the inspection that a finding rests on.
    pub mandate: Option<EventId>,
    /// The event that this one corrects.
    pub corrects: Option<EventId>,
    /// Own act, recorded from paper, or imported.
    pub source: Source,
    /// Files, by commitment.
    pub attachments: Vec<Attachment>,
    /// The part of a paper with several items.
    pub paper: Option<Paper>,
    /// The fields of its kind.
    pub body: Body,
}

const MEMBERS: &[&str] = &[
    "after",
    "attachments",
    "audience",
    "body",
    "case",
    "corrects",
    "department",
    "docNo",
    "effective",
    "externalRef",
    "federation",
    "issued",
    "kind",
    "legalBasis",
    "mandate",
    "nonce",
    "paper",
    "signers",
    "source",
    "to",
];

impl Event {
    /// Parses the text of an event; accepts exactly what [`Event::to_text`] gives.
    ///
    /// # Errors
    /// Every other text, with the member at fault. An unknown kind is no error here.
    pub fn parse_text(text: &str) -> Result<Self, FormatError> {
        FormatError::at_most("event", text.len(), EVENT_NOTE_BYTES_MAX)?;
        let Some((magic, rest)) = text.split_once('\n') else {
            return Err(FormatError::malformed("event", "has no first line"));
        };
        if magic != EVENT_MAGIC {
            return Err(FormatError::UnknownVersion {
                what: "event",
                got: magic.chars().take(40).collect(),
            });
        }
        let Some(line) = rest.strip_suffix('\n') else {
            return Err(FormatError::malformed("event", "does not end with a line feed"));
        };
        let json = Json::parse(line.as_bytes())?;
        let event = Self::from_json(&json)?;
        // A value has one canonical form, and the line is that of `json`: equal values mean equal bytes.
        if event.to_json() == json {
            Ok(event)
        } else {
            Err(FormatError::not_canonical(
                "event",
                "an optional list is present but empty",
            ))
        }
    }

    /// Returns the text that is signed.
    pub fn to_text(&self) -> String {
        format!("{EVENT_MAGIC}\n{}\n", self.to_json().to_canonical())
    }

    /// Reads the JSON object; checks the body against the declared fields of a known kind.
    ///
    /// # Errors
    /// A missing, unknown or ill-formed member.
    pub fn from_json(json: &Json) -> Result<Self, FormatError> {
        let read = Members::new(json)?;
        let kind_text = read.word("kind")?;
        let kind = match EventKind::parse(kind_text) {
            Some(kind) => Kind::Known(kind),
            None => Kind::Unknown(unknown_kind(kind_text)?),
        };
        let body = read.json("body")?;
        match &kind {
            Kind::Known(known) => field::check_object(known.as_str(), body, known.fields())?,
            Kind::Unknown(_) if body.as_object().is_some() => {}
            Kind::Unknown(_) => return Err(bad("body", "expected an object")),
        }
        let case = read.optional("case", |text| Hash::parse_hex(text).map(EventId))?;
        if let Kind::Known(known) = &kind {
            let stands_alone = known.opens_case() || known.case_kind() == CaseKind::Roster;
            if stands_alone == case.is_some() {
                let why = if stands_alone {
                    "is given, but this kind names no case"
                } else {
                    "is missing"
                };
                return Err(bad("case", why));
            }
        }
        let audience = match read.json("audience")? {
            Json::Text(text) if text == "all" => Audience::All,
            list @ Json::Array(_) => Audience::Only(departments("audience", list)?),
            _ => return Err(bad("audience", "expected \"all\" or a list of departments")),
        };
        let to = read
            .json_optional("to")
            .map_or(Ok(Vec::new()), |list| departments("to", list))?;
        let department = read.parsed("department", DepartmentId::parse)?;
        if !audience.includes(&department) {
            return Err(bad(
                "audience",
                format!("leaves out {department}, whose act it is"),
            ));
        }
        if let Some(outside) = to.iter().find(|department| !audience.includes(department)) {
            return Err(bad("to", format!("{outside} is outside the audience")));
        }
        let signers: Vec<Signer> = read.list("signers", EVENT_SIGNERS_MAX, Signer::from_json)?;
        if signers.is_empty() {
            return Err(bad("signers", "at least one is needed"));
        }
        let officers: Vec<&OfficerId> = signers
            .iter()
            .filter_map(|signer| signer.officer.as_ref())
            .collect();
        if officers.iter().collect::<BTreeSet<_>>().len() != officers.len() {
            return Err(bad(
                "signers",
                "one officer signs twice; give both roles to one signer",
            ));
        }
        let source = Source::parse(read.word("source")?)
            .ok_or_else(|| bad("source", "expected own, paper or import"))?;
        let event = Self {
            federation: read.parsed("federation", FederationId::parse)?,
            department,
            kind,
            case,
            after: rising(
                "after",
                read.list("after", AFTER_MAX, |json| {
                    Hash::parse_hex(json.as_text().unwrap_or_default()).map(EventId)
                })?,
            )?,
            signers,
            to,
            audience,
            effective: read.optional("effective", Date::parse)?,
            issued: read.parsed("issued", Timestamp::parse)?,
            nonce: read.parsed("nonce", parse_nonce)?,
            legal_basis: read.list("legalBasis", 8, |json| {
                let (act, article) = pair(json, "legalBasis", "act", "article")?;
                Ok(LegalBasis { act, article })
            })?,
            doc_no: read.optional("docNo", |text| short("docNo", text))?,
            external_ref: match read.json_optional("externalRef") {
                Some(json) => {
                    let (number, system) = pair(json, "externalRef", "number", "system")?;
                    Some(ExternalRef { system, number })
                }
                None => None,
            },
            mandate: read.optional("mandate", |text| Hash::parse_hex(text).map(EventId))?,
            corrects: read.optional("corrects", |text| Hash::parse_hex(text).map(EventId))?,
            source,
            attachments: read.list("attachments", ATTACHMENTS_MAX, Attachment::from_json)?,
            paper: read.json_optional("paper").map(parse_paper).transpose()?,
            body: Body::unchecked(body.clone()),
        };
        if event.audience != Audience::All
            && let Some((path, _)) = event
                .texts()
                .into_iter()
                .find(|(_, text)| matches!(text, Text::Inline(_)))
        {
            return Err(bad(
                &format!("body.{path}"),
                "is inline; an audience narrower than all needs every free text detached",
            ));
        }
        Ok(event)
    }

    /// Returns the JSON object.
    pub fn to_json(&self) -> Json {
        let mut members: BTreeMap<String, Json> = BTreeMap::new();
        let mut put = |name: &str, value: Json| drop(members.insert(name.to_owned(), value));
        let text = |value: &dyn ToString| Json::Text(value.to_string());
        put("federation", text(&self.federation));
        put("department", text(&self.department));
        put("kind", text(&self.kind.as_str()));
        put("issued", text(&self.issued));
        put("nonce", Json::Text(hex(&self.nonce)));
        put("source", text(&self.source.as_str()));
        put("body", self.body.json().clone());
        put(
            "signers",
            Json::Array(self.signers.iter().map(Signer::to_json).collect()),
        );
        put(
            "audience",
            match &self.audience {
                Audience::All => Json::Text("all".to_owned()),
                Audience::Only(list) => Json::Array(list.iter().map(|department| text(department)).collect()),
            },
        );
        if !self.to.is_empty() {
            put(
                "to",
                Json::Array(self.to.iter().map(|department| text(department)).collect()),
            );
        }
        if !self.after.is_empty() {
            put(
                "after",
                Json::Array(self.after.iter().map(|id| text(id)).collect()),
            );
        }
        if !self.attachments.is_empty() {
            put(
                "attachments",
                Json::Array(self.attachments.iter().map(Attachment::to_json).collect()),
            );
        }
        if !self.legal_basis.is_empty() {
            let list = self.legal_basis.iter().map(|basis| {
                Json::Object(BTreeMap::from([
                    ("act".to_owned(), Json::Text(basis.act.clone())),
                    ("article".to_owned(), Json::Text(basis.article.clone())),
                ]))
            });
            put("legalBasis", Json::Array(list.collect()));
        }
        if let Some(case) = &self.case {
            put("case", text(case));
        }
        if let Some(date) = &self.effective {
            put("effective", text(date));
        }
        if let Some(number) = &self.doc_no {
            put("docNo", text(number));
        }
        if let Some(other) = &self.external_ref {
            put(
                "externalRef",
                Json::Object(BTreeMap::from([
                    ("number".to_owned(), Json::Text(other.number.clone())),
                    ("system".to_owned(), Json::Text(other.system.clone())),
                ])),
            );
        }
        if let Some(mandate) = &self.mandate {
            put("mandate", text(mandate));
        }
        if let Some(corrects) = &self.corrects {
            put("corrects", text(corrects));
        }
        if let Some(paper) = &self.paper {
            put(
                "paper",
                Json::Object(BTreeMap::from([
                    ("id".to_owned(), text(&paper.id)),
                    ("of".to_owned(), Json::Int(i64::from(paper.of))),
                    ("part".to_owned(), Json::Int(i64::from(paper.part))),
                ])),
            );
        }
        Json::Object(members)
    }

    /// Returns the free texts of the body with their paths; none for an unknown kind, whose fields are not known.
    pub fn texts(&self) -> Vec<(String, Text)> {
        let mut found = Vec::new();
        if let Kind::Known(kind) = &self.kind {
            field::visit(self.body.json(), kind.fields(), &mut |path, field_type, json| {
                if field_type == FieldType::Text
                    && let Ok(text) = Text::from_json(json)
                {
                    found.push((path.to_owned(), text));
                }
            });
        }
        found
    }

    /// Returns every commitment that the event names: attachments, then detached texts.
    pub fn commitments(&self) -> Vec<Commitment> {
        let files = self.attachments.iter().map(|file| file.content.clone());
        let mut texts = Vec::new();
        if let Kind::Known(kind) = &self.kind {
            field::visit(self.body.json(), kind.fields(), &mut |_, field_type, json| {
                // What is a string stands inline, and has none.
                if field_type == FieldType::Text
                    && json.as_object().is_some()
                    && let Ok(Text::Detached(commitment)) = Text::from_json(json)
                {
                    texts.push(commitment);
                }
            });
        }
        files.chain(texts).collect()
    }
}

fn bad(field: &str, why: impl Into<String>) -> FormatError {
    FormatError::field("event", field, why)
}

/// Names the member in an error about its value; an error that names a field already stays as it is.
fn within(name: &str, error: FormatError) -> FormatError {
    match error {
        named @ FormatError::Field { .. } => named,
        other => bad(name, other.to_string()),
    }
}

fn unknown_kind(text: &str) -> Result<String, FormatError> {
    let part = |part: &str| {
        !part.is_empty()
            && part.len() <= 40
            && part
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    match text.split_once('.') {
        Some((case, name)) if part(case) && part(name) => Ok(text.to_owned()),
        _ => Err(bad("kind", "expected <case kind>.<event>")),
    }
}

fn departments(field: &str, json: &Json) -> Result<Vec<DepartmentId>, FormatError> {
    let list = json
        .as_array()
        .ok_or_else(|| bad(field, "expected a list of departments"))?;
    if list.is_empty() || list.len() > DEPARTMENTS_PER_EVENT_MAX {
        return Err(bad(
            field,
            format!(
                "{} departments, expected 1 to {DEPARTMENTS_PER_EVENT_MAX}",
                list.len()
            ),
        ));
    }
    let parsed: Result<Vec<_>, _> = list
        .iter()
        .map(|value| {
            DepartmentId::parse(value.as_text().unwrap_or_default()).map_err(|error| within(field, error))
        })
        .collect();
    rising(field, parsed?)
}

fn rising<T: Ord>(field: &str, list: Vec<T>) -> Result<Vec<T>, FormatError> {
    let sorted = list
        .iter()
        .zip(list.iter().skip(1))
        .all(|(first, second)| first < second);
    if sorted {
        Ok(list)
    } else {
        Err(bad(field, "expected rising order without repeats"))
    }
}

fn parse_nonce(text: &str) -> Result<[u8; 16], FormatError> {
    let padded = Hash::parse_hex(&format!("{text}{}", "0".repeat(32)))
        .map_err(|_| FormatError::malformed("nonce", "expected 32 lower-case hex digits"))?;
    let mut nonce = [0u8; 16];
    for (slot, byte) in nonce.iter_mut().zip(padded.0) {
        *slot = byte;
    }
    Ok(nonce)
}

fn short(field: &str, text: &str) -> Result<String, FormatError> {
    let count = text.chars().count();
    if (1..=120).contains(&count) {
        Ok(text.to_owned())
    } else {
        Err(bad(field, format!("{count} characters, expected 1 to 120")))
    }
}

fn pair(json: &Json, field: &str, first: &str, second: &str) -> Result<(String, String), FormatError> {
    let members = json.as_object().ok_or_else(|| bad(field, "expected an object"))?;
    if members.len() != 2 {
        return Err(bad(field, format!("expected exactly {first} and {second}")));
    }
    let word = |name: &str| {
        let text = members.get(name).and_then(Json::as_text);
        short(
            field,
            text.ok_or_else(|| bad(field, format!("{name} is missing")))?,
        )
    };
    Ok((word(first)?, word(second)?))
}

fn parse_paper(json: &Json) -> Result<Paper, FormatError> {
    let members = json
        .as_object()
        .ok_or_else(|| bad("paper", "expected an object"))?;
    let number = |name: &str| {
        members
            .get(name)
            .and_then(Json::as_int)
            .and_then(|value| u16::try_from(value).ok())
            .filter(|value| (1..=256).contains(value))
            .ok_or_else(|| bad("paper", format!("{name} is missing or not 1 to 256")))
    };
    let (part, of) = (number("part")?, number("of")?);
    if members.len() != 3 || part > of {
        return Err(bad("paper", "expected id, of and part, with part at most of"));
    }
    let id = members.get("id").and_then(Json::as_text).unwrap_or_default();
    Ok(Paper {
        id: Hash::parse_hex(id).map_err(|error| within("paper", error))?,
        part,
        of,
    })
}

/// Reads members of the event object by name.
struct Members<'a>(&'a BTreeMap<String, Json>);

impl<'a> Members<'a> {
    fn new(json: &'a Json) -> Result<Self, FormatError> {
        let members = json
            .as_object()
            .ok_or_else(|| FormatError::malformed("event", "expected an object"))?;
        match members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            Some(name) => Err(bad(
                name,
                format!("unknown field; known are {}", MEMBERS.join(", ")),
            )),
            None => Ok(Self(members)),
        }
    }

    fn json_optional(&self, name: &str) -> Option<&'a Json> {
        self.0.get(name)
    }

    fn json(&self, name: &str) -> Result<&'a Json, FormatError> {
        self.0.get(name).ok_or_else(|| bad(name, "is missing"))
    }

    fn word(&self, name: &str) -> Result<&'a str, FormatError> {
        self.json(name)?
            .as_text()
            .ok_or_else(|| bad(name, "expected a string"))
    }

    fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, FormatError>,
    ) -> Result<T, FormatError> {
        parse(self.word(name)?).map_err(|error| within(name, error))
    }

    fn optional<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, FormatError>,
    ) -> Result<Option<T>, FormatError> {
        match self.0.get(name) {
            Some(json) => {
                let text = json.as_text().ok_or_else(|| bad(name, "expected a string"))?;
                parse(text).map(Some).map_err(|error| within(name, error))
            }
            None => Ok(None),
        }
    }

    fn list<T>(
        &self,
        name: &str,
        max: usize,
        parse: impl Fn(&Json) -> Result<T, FormatError>,
    ) -> Result<Vec<T>, FormatError> {
        let Some(json) = self.0.get(name) else {
            return Ok(Vec::new());
        };
        let list = json.as_array().ok_or_else(|| bad(name, "expected a list"))?;
        if list.len() > max {
            let why = format!("{} elements, expected at most {max}", list.len());
            return Err(bad(name, why));
        }
        list.iter()
            .map(|value| parse(value).map_err(|error| within(name, error)))
            .collect()
    }
}
