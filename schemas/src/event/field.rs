//! The declared fields of event bodies: one table per kind serves decoder, JSON Schema, form files and guided prompts.
//!
//! A body is a canonical JSON object whose members are exactly those that its kind declares. Free text is `Text` and may
//! be detached; what folds, guards and clocks read is never free text.

use super::parts::Text;
use crate::error::FormatError;
use crate::id::{DepartmentId, EventId, Hash, OfficerId, PostId};
use crate::json::Json;
use crate::limits::{INLINE_TEXT_BYTES_MAX, ITEMS_PER_CASE_MAX};
use crate::time::{Date, Timestamp};

/// What a field of a body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Free text, inline or detached; no rule ever reads it.
    Text,
    /// A short inline text that rules may compare, with the most characters it has.
    Word(u16),
    /// One of a closed set of codes.
    Code(&'static [&'static str]),
    /// A code of the jurisdiction profile (ground, violation); checked against the profile at acceptance.
    ProfileCode,
    /// A department id.
    Department,
    /// A post id.
    Post,
    /// An officer id.
    Officer,
    /// A civil date.
    Date,
    /// An instant.
    Instant,
    /// A whole number between two bounds, inclusive.
    Integer(i64, i64),
    /// True or false.
    Flag,
    /// The id of an event (64 hex digits).
    Event,
    /// A hash (64 hex digits).
    Hash,
    /// An Ed25519 public key (44 characters of base64).
    Key,
    /// Numbers of data items, rising, without repeats, at least one.
    Items,
    /// A list of values of one type, at least one, with the most elements it has. Objects with a `number` (data items)
    /// stand in rising order of it without repeats, since each number has a state of its own.
    List(&'static FieldType, u16),
    /// An object with fields of its own.
    Object(&'static [Field]),
}

/// One declared field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The member name.
    pub name: &'static str,
    /// What it holds.
    pub kind: FieldType,
    /// Whether it may be absent.
    pub required: bool,
}

/// Declares a field that must be present.
pub const fn must(name: &'static str, kind: FieldType) -> Field {
    Field {
        name,
        kind,
        required: true,
    }
}

/// Declares a field that may be absent.
pub const fn may(name: &'static str, kind: FieldType) -> Field {
    Field {
        name,
        kind,
        required: false,
    }
}

/// Checks an object against its declared fields: none missing, none unknown, each of its type.
///
/// # Errors
/// The first field that differs, by its path; an unknown one with the names that exist.
pub fn check_object(what: &str, json: &Json, fields: &[Field]) -> Result<(), FormatError> {
    check_members(what, "", json, fields)
}

fn check_members(what: &str, path: &str, json: &Json, fields: &[Field]) -> Result<(), FormatError> {
    let here = if path.is_empty() { "body" } else { path };
    let Some(members) = json.as_object() else {
        return Err(FormatError::field(what, here, "expected an object"));
    };
    for name in members.keys() {
        if !fields.iter().any(|field| field.name == name) {
            let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
            let why = format!("unknown field; known are {}", known.join(", "));
            return Err(FormatError::field(what, join(path, name), why));
        }
    }
    for field in fields {
        match members.get(field.name) {
            Some(value) => check_value(what, &join(path, field.name), value, field.kind)?,
            None if field.required => {
                return Err(FormatError::field(what, join(path, field.name), "is missing"));
            }
            None => {}
        }
    }
    Ok(())
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn check_value(what: &str, path: &str, json: &Json, kind: FieldType) -> Result<(), FormatError> {
    let bad = |why: String| FormatError::field(what, path, why);
    let word = || json.as_text().ok_or_else(|| bad("expected a string".to_owned()));
    let told = |error: FormatError| bad(error.to_string());
    match kind {
        FieldType::Text => Text::from_json(json).map(drop).map_err(told),
        FieldType::Word(max) => {
            let count = word()?.chars().count();
            if (1..=usize::from(max)).contains(&count) {
                Ok(())
            } else {
                Err(bad(format!("{count} characters, expected 1 to {max}")))
            }
        }
        FieldType::Code(codes) => {
            let text = word()?;
            if codes.contains(&text) {
                Ok(())
            } else {
                let shown: String = text.chars().take(60).collect();
                Err(bad(format!("{shown:?}, expected one of {}", codes.join(", "))))
            }
        }
        FieldType::ProfileCode => {
            let text = word()?;
            let plain = (1..=40).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
            if plain {
                Ok(())
            } else {
                Err(bad("expected a code of A-Z 0-9 _".to_owned()))
            }
        }
        FieldType::Department => DepartmentId::parse(word()?).map(drop).map_err(told),
        FieldType::Post => PostId::parse(word()?).map(drop).map_err(told),
        FieldType::Officer => OfficerId::parse(word()?).map(drop).map_err(told),
        FieldType::Date => Date::parse(word()?).map(drop).map_err(told),
        FieldType::Instant => Timestamp::parse(word()?).map(drop).map_err(told),
        FieldType::Event => Hash::parse_hex(word()?).map(drop).map_err(told),
        FieldType::Hash => Hash::parse_hex(word()?).map(drop).map_err(told),
        FieldType::Key => Hash::parse_base64(word()?).map(drop).map_err(told),
        FieldType::Flag => json
            .as_bool()
            .map(drop)
            .ok_or_else(|| bad("expected true or false".to_owned())),
        FieldType::Integer(low, high) => match json.as_int() {
            Some(value) if (low..=high).contains(&value) => Ok(()),
            Some(value) => Err(bad(format!("{value}, expected {low} to {high}"))),
            None => Err(bad("expected a whole number".to_owned())),
        },
        FieldType::Items => check_items(json).map_err(bad),
        FieldType::List(of, max) => {
            let list = json
                .as_array()
                .ok_or_else(|| bad("expected an array".to_owned()))?;
            if list.is_empty() || list.len() > usize::from(max) {
                return Err(bad(format!("{} elements, expected 1 to {max}", list.len())));
            }
            for (place, value) in list.iter().enumerate() {
                check_value(what, &format!("{path}[{place}]"), value, *of)?;
            }
            check_numbers(list).map_err(bad)
        }
        FieldType::Object(fields) => check_members(what, path, json, fields),
    }
}

/// Checks that objects with a `number` rise by it.
fn check_numbers(list: &[Json]) -> Result<(), String> {
    let mut last = None;
    for number in list.iter().filter_map(|value| value.member("number")?.as_int()) {
        if let Some(before) = last.filter(|before| *before >= number) {
            return Err(format!(
                "number {number} after {before}: expected rising numbers without repeats"
            ));
        }
        last = Some(number);
    }
    Ok(())
}

/// Calls `seen` with the path, the declared type and the value of every declared member that is present, also inside
/// lists and objects, in the order of the table. What is not of its declared type is passed over.
pub fn visit<'a>(json: &'a Json, fields: &[Field], seen: &mut dyn FnMut(&str, FieldType, &'a Json)) {
    visit_members("", json, fields, seen);
}

fn visit_members<'a>(
    path: &str,
    json: &'a Json,
    fields: &[Field],
    seen: &mut dyn FnMut(&str, FieldType, &'a Json),
) {
    for field in fields {
        if let Some(value) = json.member(field.name) {
            visit_value(&join(path, field.name), value, field.kind, seen);
        }
    }
}

fn visit_value<'a>(
    path: &str,
    json: &'a Json,
    kind: FieldType,
    seen: &mut dyn FnMut(&str, FieldType, &'a Json),
) {
    match kind {
        FieldType::List(of, _) => {
            for (place, value) in json.as_array().unwrap_or(&[]).iter().enumerate() {
                visit_value(&format!("{path}[{place}]"), value, *of, seen);
            }
        }
        FieldType::Object(fields) => visit_members(path, json, fields, seen),
        _ => seen(path, kind, json),
    }
}

fn check_items(json: &Json) -> Result<(), String> {
    let list = json.as_array().ok_or("expected an array of item numbers")?;
    if list.is_empty() || list.len() > ITEMS_PER_CASE_MAX {
        return Err(format!(
            "{} items, expected 1 to {ITEMS_PER_CASE_MAX}",
            list.len()
        ));
    }
    let mut last = 0;
    for value in list {
        let number = value.as_int().ok_or("expected whole numbers")?;
        if number <= last || number > 256 {
            return Err(format!(
                "item {number} after {last}: expected rising numbers from 1 to 256"
            ));
        }
        last = number;
    }
    Ok(())
}

/// The checked body of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body(Json);

impl Body {
    /// Takes an object unchecked, for building an event whose text is parsed (and so checked) before it is used.
    pub fn unchecked(json: Json) -> Self {
        Self(json)
    }

    /// Returns the object.
    pub fn json(&self) -> &Json {
        &self.0
    }

    /// Returns an inline word, code or id.
    pub fn word(&self, field: &str) -> Option<&str> {
        self.0.member(field).and_then(Json::as_text)
    }

    /// Returns a free text.
    pub fn text(&self, field: &str) -> Option<Text> {
        self.0.member(field).and_then(|json| Text::from_json(json).ok())
    }

    /// Returns a whole number.
    pub fn integer(&self, field: &str) -> Option<i64> {
        self.0.member(field).and_then(Json::as_int)
    }

    /// Returns a flag; an absent one is false.
    pub fn flag(&self, field: &str) -> bool {
        self.0.member(field).and_then(Json::as_bool).unwrap_or(false)
    }

    /// Returns a date.
    pub fn date(&self, field: &str) -> Option<Date> {
        self.word(field).and_then(|text| Date::parse(text).ok())
    }

    /// Returns an instant.
    pub fn instant(&self, field: &str) -> Option<Timestamp> {
        self.word(field).and_then(|text| Timestamp::parse(text).ok())
    }

    /// Returns a department id.
    pub fn department(&self, field: &str) -> Option<DepartmentId> {
        self.word(field).and_then(|text| DepartmentId::parse(text).ok())
    }

    /// Returns an event id.
    pub fn event(&self, field: &str) -> Option<EventId> {
        self.word(field)
            .and_then(|text| Hash::parse_hex(text).ok())
            .map(EventId)
    }

    /// Returns item numbers; an absent field gives none.
    pub fn items(&self, field: &str) -> Option<Vec<u16>> {
        let list = self.0.member(field)?.as_array()?;
        list.iter()
            .map(|value| value.as_int().and_then(|number| u16::try_from(number).ok()))
            .collect()
    }

    /// Returns a list of values; an absent field gives an empty one.
    pub fn list(&self, field: &str) -> &[Json] {
        self.0.member(field).and_then(Json::as_array).unwrap_or(&[])
    }
}

/// The longest inline text, named here for the checkers of [`FieldType::Text`].
pub(super) const TEXT_BYTES_MAX: usize = INLINE_TEXT_BYTES_MAX;
