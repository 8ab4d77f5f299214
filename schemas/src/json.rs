//! Canonical JSON: RFC 8785 restricted to strings, booleans, integers, arrays and objects.
//!
//! No null, no float, no duplicate key; object keys are printable ASCII, so that the order of bytes is the order RFC 8785
//! asks for. [`Json::parse`] accepts exactly the bytes that [`Json::to_canonical`] writes; [`Json::parse_lenient`] reads
//! what a person wrote (white space, any key order, any escape). Spec: schemas/spec/json.md. Keeps I11.

use crate::error::FormatError;
use crate::limits::{JSON_DEPTH_MAX, JSON_INTEGER_MAX};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A value of canonical JSON.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Json {
    /// `true` or `false`.
    Bool(bool),
    /// An integer within plus or minus 2^53 - 1.
    Int(i64),
    /// A string of Unicode scalar values.
    Text(String),
    /// A list of values.
    Array(Vec<Json>),
    /// Members by key; keys are printable ASCII.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Parses the one canonical byte form.
    ///
    /// # Errors
    /// Any other bytes; the text says the byte offset and what stands there.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        Parser::new(bytes, false)?.document()
    }

    /// Parses JSON that a person wrote: white space, any key order and any escape are accepted.
    ///
    /// # Errors
    /// Null, floats, duplicate keys, integers out of range, too deep nesting, and what is no JSON; the text says line and
    /// column.
    pub fn parse_lenient(bytes: &[u8]) -> Result<Self, FormatError> {
        Parser::new(bytes, true)?.document()
    }

    /// Checks that a value built in the program can be written: integer range, keys, depth.
    ///
    /// # Errors
    /// A value whose canonical form [`Json::parse`] would refuse.
    pub fn validate(&self) -> Result<(), FormatError> {
        self.validate_at(0)
    }

    fn validate_at(&self, depth: usize) -> Result<(), FormatError> {
        if depth > JSON_DEPTH_MAX {
            return Err(FormatError::malformed(WHAT, too_deep()));
        }
        match self {
            Self::Bool(_) | Self::Text(_) => Ok(()),
            Self::Int(value) if value.unsigned_abs() <= JSON_INTEGER_MAX.unsigned_abs() => Ok(()),
            Self::Int(value) => Err(FormatError::malformed(WHAT, out_of_range(&value.to_string()))),
            Self::Array(items) => deeper(depth, || {
                items.iter().try_for_each(|item| item.validate_at(depth + 1))
            }),
            Self::Object(members) => deeper(depth, || {
                members.iter().try_for_each(|(key, value)| {
                    if !is_key(key) {
                        return Err(FormatError::malformed(WHAT, bad_key(key)));
                    }
                    value.validate_at(depth + 1)
                })
            }),
        }
    }

    /// Returns the canonical form.
    pub fn to_canonical(&self) -> String {
        let mut out = String::with_capacity(CANONICAL_BYTES);
        self.write_to(&mut out);
        out
    }

    fn write_to(&self, out: &mut String) {
        match self {
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Int(value) => out.push_str(&value.to_string()),
            Self::Text(text) => write_string(out, text),
            Self::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    item.write_to(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (place, (key, value)) in members.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    write_string(out, key);
                    out.push(':');
                    value.write_to(out);
                }
                out.push('}');
            }
        }
    }

    /// Builds an object of keys and values; of two equal keys the last counts.
    pub fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Json)>) -> Self {
        Self::Object(
            members
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect(),
        )
    }

    /// Returns the text of a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value of an integer.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the items of an array.
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the members of an object.
    pub fn as_object(&self) -> Option<&BTreeMap<String, Json>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Returns the member of an object by its key.
    pub fn member(&self, key: &str) -> Option<&Json> {
        self.as_object().and_then(|members| members.get(key))
    }

    /// Returns what kind of value it is, for error texts.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Json {
    fn from(value: i32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(items: Vec<T>) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl From<BTreeMap<String, Json>> for Json {
    fn from(members: BTreeMap<String, Json>) -> Self {
        Self::Object(members)
    }
}

const WHAT: &str = "JSON";

/// How many bytes there is room for when writing starts: what most events need.
const CANONICAL_BYTES: usize = 1_024;

/// The digits of 2^53 - 1.
const INTEGER_DIGITS_MAX: usize = 16;

fn is_key(key: &str) -> bool {
    key.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

fn bad_key(key: &str) -> String {
    let shown: String = key.chars().take(40).collect();
    format!("key {shown:?} is not printable ASCII")
}

fn out_of_range(digits: &str) -> String {
    let shown: String = digits.chars().take(30).collect();
    format!("integer {shown} is beyond 2^53 - 1")
}

fn too_deep() -> String {
    format!("nested deeper than {JSON_DEPTH_MAX}")
}

fn deeper(depth: usize, then: impl FnOnce() -> Result<(), FormatError>) -> Result<(), FormatError> {
    if depth >= JSON_DEPTH_MAX {
        return Err(FormatError::malformed(WHAT, too_deep()));
    }
    then()
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    let mut rest = text;
    loop {
        let plain = rest.bytes().take_while(|byte| is_plain(*byte)).count();
        let (plain, special) = rest.split_at(plain);
        out.push_str(plain);
        let mut characters = special.chars();
        match characters.next() {
            None => break,
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\u{8}') => out.push_str("\\b"),
            Some('\t') => out.push_str("\\t"),
            Some('\n') => out.push_str("\\n"),
            Some('\u{c}') => out.push_str("\\f"),
            Some('\r') => out.push_str("\\r"),
            Some(control) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
        }
        rest = characters.as_str();
    }
    out.push('"');
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    lenient: bool,
}

impl<'a> Parser<'a> {
    fn new(bytes: &'a [u8], lenient: bool) -> Result<Self, FormatError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { text, at: 0, lenient }),
            Err(error) => Err(FormatError::malformed(
                WHAT,
                format!("byte {}: not UTF-8", error.valid_up_to()),
            )),
        }
    }

    fn document(mut self) -> Result<Json, FormatError> {
        self.skip_space()?;
        let value = self.value(0)?;
        self.skip_space()?;
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.malformed("trailing bytes after the value")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, FormatError> {
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'-' | b'0'..=b'9') => self.integer(),
            Some(b'n') if self.rest().starts_with("null") => {
                Err(self.malformed("null; leave the field out instead"))
            }
            Some(_) => Err(self.malformed("expected a value")),
            None => Err(self.malformed("ends where a value is expected")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, FormatError> {
        if depth >= JSON_DEPTH_MAX {
            return Err(self.malformed(too_deep()));
        }
        self.at += 1;
        let mut members: BTreeMap<String, Json> = BTreeMap::new();
        self.skip_space()?;
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            let key_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.malformed("expected a key in double quotes"));
            }
            let key = self.string()?;
            if !is_key(&key) {
                return Err(self.malformed_at(key_at, bad_key(&key)));
            }
            if members.contains_key(&key) {
                return Err(self.malformed_at(key_at, format!("duplicate key {key:?}")));
            }
            if !self.lenient && members.last_key_value().is_some_and(|(last, _)| *last > key) {
                return Err(self.not_canonical_at(key_at, format!("key {key:?} is out of order")));
            }
            self.skip_space()?;
            if !self.take(b':') {
                return Err(self.malformed("expected `:` after a key"));
            }
            self.skip_space()?;
            let value = self.value(depth + 1)?;
            members.insert(key, value);
            self.skip_space()?;
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(self.malformed("expected `,` or `}` in an object"));
            }
            self.skip_space()?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, FormatError> {
        if depth >= JSON_DEPTH_MAX {
            return Err(self.malformed(too_deep()));
        }
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space()?;
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space()?;
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.malformed("expected `,` or `]` in an array"));
            }
            self.skip_space()?;
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, FormatError> {
        if self.rest().starts_with(word) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.malformed("expected a value"))
        }
    }

    fn integer(&mut self) -> Result<Json, FormatError> {
        let start = self.at;
        let negative = self.take(b'-');
        let digits_at = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = self.text.get(digits_at..self.at).unwrap_or_default();
        if digits.is_empty() {
            return Err(self.malformed_at(start, "expected digits after `-`"));
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err(self.malformed_at(start, "float; write a whole number, or a decimal as a string"));
        }
        if digits.len() > 1 && digits.starts_with('0') {
            return Err(self.malformed_at(start, "integer with leading zeros"));
        }
        if negative && digits == "0" {
            return Err(self.malformed_at(start, "negative zero"));
        }
        let magnitude = if digits.len() <= INTEGER_DIGITS_MAX {
            digits.parse::<i64>().ok()
        } else {
            None
        };
        match magnitude {
            Some(value) if value <= JSON_INTEGER_MAX => Ok(Json::Int(if negative { -value } else { value })),
            _ => Err(self.malformed_at(start, out_of_range(digits))),
        }
    }

    fn string(&mut self) -> Result<String, FormatError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let plain_at = self.at;
            while self
                .peek()
                .is_some_and(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
            {
                self.at += 1;
            }
            out.push_str(self.text.get(plain_at..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(self.malformed("control character in a string, must be escaped")),
                None => return Err(self.malformed("ends inside a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, FormatError> {
        let start = self.at;
        self.at += 1;
        let letter = self.peek();
        self.at += 1;
        match letter {
            Some(b'"') => Ok('"'),
            Some(b'\\') => Ok('\\'),
            Some(b'b') => Ok('\u{8}'),
            Some(b't') => Ok('\t'),
            Some(b'n') => Ok('\n'),
            Some(b'f') => Ok('\u{c}'),
            Some(b'r') => Ok('\r'),
            Some(b'/') if self.lenient => Ok('/'),
            Some(b'/') => Err(self.not_canonical_at(start, "`/` needs no escape")),
            Some(b'u') => self.unicode_escape(start),
            _ => Err(self.malformed_at(start, "unknown escape")),
        }
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, FormatError> {
        let first = self.four_digits(start)?;
        let code = if (0xd800..0xdc00).contains(&first) {
            if !self.rest().starts_with("\\u") {
                return Err(self.malformed_at(start, "lone surrogate"));
            }
            self.at += 2;
            let second = self.four_digits(start)?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(self.malformed_at(start, "lone surrogate"));
            }
            0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        let Some(character) = char::from_u32(code) else {
            return Err(self.malformed_at(start, "lone surrogate"));
        };
        if !self.lenient {
            let mut canonical = String::new();
            write_string(&mut canonical, character.encode_utf8(&mut [0; 4]));
            let written = self.text.get(start..self.at).unwrap_or_default();
            if canonical.get(1..canonical.len() - 1) != Some(written) {
                return Err(self.not_canonical_at(
                    start,
                    format!("escape {written} has a shorter or lower-case form"),
                ));
            }
        }
        Ok(character)
    }

    fn four_digits(&mut self, start: usize) -> Result<u32, FormatError> {
        let digits = self.text.get(self.at..self.at + 4).unwrap_or_default();
        let plain = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u32::from_str_radix(digits, 16) {
            Ok(code) if plain => {
                self.at += 4;
                Ok(code)
            }
            _ => Err(self.malformed_at(start, "expected four hex digits after \\u")),
        }
    }

    fn skip_space(&mut self) -> Result<(), FormatError> {
        let start = self.at;
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        if self.at > start && !self.lenient {
            return Err(self.not_canonical_at(start, "white space"));
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    fn place(&self, at: usize) -> String {
        if !self.lenient {
            return format!("byte {at}");
        }
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("line {line}, column {column}")
    }

    fn malformed(&self, why: impl AsRef<str>) -> FormatError {
        self.malformed_at(self.at, why)
    }

    fn malformed_at(&self, at: usize, why: impl AsRef<str>) -> FormatError {
        FormatError::malformed(WHAT, format!("{}: {}", self.place(at), why.as_ref()))
    }

    fn not_canonical_at(&self, at: usize, why: impl AsRef<str>) -> FormatError {
        FormatError::not_canonical(WHAT, format!("{}: {}", self.place(at), why.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use proptest::prelude::*;

    fn refusal(text: &str) -> String {
        Json::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn accepts_what_it_writes_and_nothing_else() {
        for text in [
            r#"{"":0,"A":1,"a":{"b":[true,false,-9007199254740991,9007199254740991]}}"#,
            r#""a\"\\\b\t\n\f\r\u0000\u001f/é中😀""#,
            "[]",
            "{}",
            "0",
            "\"\u{7f}\u{2028}\"",
        ] {
            assert_eq!(Json::parse(text.as_bytes()).unwrap().to_canonical(), text);
        }
    }

    #[test]
    fn writes_the_string_example_of_rfc_8785() {
        let read = Json::parse_lenient(br#""\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/""#).unwrap();
        assert_eq!(read.to_canonical(), "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"");
    }

    #[test]
    fn says_where_and_what() {
        for (text, part) in [
            (r#"{"a":1,"a":2}"#, "byte 7: duplicate key \"a\""),
            (r#"{"b":1,"a":2}"#, "byte 7: key \"a\" is out of order"),
            (r#"{"b":1,"c":2,"b":2}"#, "byte 13: duplicate key \"b\""),
            ("[1.5]", "byte 1: float"),
            ("[1e3]", "byte 1: float"),
            ("[null]", "byte 1: null"),
            ("[1, 2]", "byte 3: white space"),
            ("1\n", "byte 1: white space"),
            ("[1]]", "byte 3: trailing bytes"),
            ("[01]", "byte 1: integer with leading zeros"),
            ("-0", "byte 0: negative zero"),
            ("9007199254740992", "beyond 2^53 - 1"),
            ("-9007199254740992", "beyond 2^53 - 1"),
            ("99999999999999999999999999", "beyond 2^53 - 1"),
            ("{\"é\":1}", "not printable ASCII"),
            (r#""\u00e9""#, "byte 1: escape \\u00e9"),
            (r#""\u000A""#, "byte 1: escape \\u000A"),
            (r#""\u001F""#, "byte 1: escape \\u001F"),
            (r#""\ud83d\ude00""#, "byte 1: escape"),
            (r#""\ud83d""#, "lone surrogate"),
            (r#""\udc00""#, "lone surrogate"),
            (r#""\/""#, "needs no escape"),
            (r#""\x""#, "unknown escape"),
            (r#""\u+123""#, "four hex digits"),
            ("\"a\nb\"", "control character"),
            ("\"a", "ends inside a string"),
            ("", "ends where a value is expected"),
            ("[1,]", "expected a value"),
            ("{\"a\":1,}", "expected a key"),
            ("nul", "expected a value"),
            ("tru", "expected a value"),
            ("'a'", "expected a value"),
        ] {
            assert!(refusal(text).contains(part), "{text}: {}", refusal(text));
        }
        assert!(
            Json::parse(b"\"\xff\"")
                .unwrap_err()
                .to_string()
                .contains("byte 1: not UTF-8")
        );
        assert_matches!(
            Json::parse(b"\xef\xbb\xbf1"),
            Err(_),
            "a byte order mark is refused"
        );
    }

    #[test]
    fn nests_to_the_limit_and_no_deeper() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_matches!(Json::parse(nested(JSON_DEPTH_MAX).as_bytes()), Ok(_));
        assert!(refusal(&nested(JSON_DEPTH_MAX + 1)).contains("nested deeper"));
        assert!(refusal(&nested(100_000)).contains("nested deeper"));
    }

    #[test]
    fn reads_what_a_person_wrote_but_no_ambiguity() {
        let read =
            Json::parse_lenient(b" {\n \"b\" : [ 1 , \"\\u4e2d\\ud83d\\ude00\" ] ,\r\n\t\"a\":true }\n")
                .unwrap();
        assert_eq!(
            read.to_canonical(),
            "{\"a\":true,\"b\":[1,\"\u{4e2d}\u{1f600}\"]}"
        );
        for (text, part) in [
            ("{\"a\":1,\n \"a\":2}", "line 2, column 2: duplicate key"),
            ("{\n\n  \"a\": null}", "line 3, column 8: null"),
            ("[1.0]", "float"),
            ("// note\n1", "line 1, column 1"),
        ] {
            let error = Json::parse_lenient(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn validate_refuses_what_parse_would_refuse() {
        let deep = (0..=JSON_DEPTH_MAX).fold(Json::Int(0), |inner, _| Json::Array(vec![inner]));
        let bad = [
            Json::Int(i64::MIN),
            Json::Int(JSON_INTEGER_MAX + 1),
            Json::object([("é", Json::Bool(true))]),
            deep,
        ];
        for value in bad {
            assert_matches!(value.validate(), Err(_));
            assert_matches!(Json::parse(value.to_canonical().as_bytes()), Err(_));
        }
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Json::Bool),
            (-JSON_INTEGER_MAX..=JSON_INTEGER_MAX).prop_map(Json::Int),
            any::<String>().prop_map(Json::Text),
            "[\\x00-\\x1f\"\\\\]{0,8}".prop_map(Json::Text),
        ];
        leaf.prop_recursive(6, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
                prop::collection::btree_map("[ -~]{0,6}", inner, 0..6).prop_map(Json::Object),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_survives_its_canonical_form(value in any_json()) {
            let text = value.to_canonical();
            prop_assert_eq!(value.validate(), Ok(()));
            prop_assert_eq!(Json::parse(text.as_bytes()), Ok(value.clone()));
            prop_assert_eq!(Json::parse_lenient(text.as_bytes()), Ok(value));
            let other: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(serde_json::to_string(&other).unwrap(), text);
        }

        #[test]
        fn arbitrary_bytes_are_refused_or_canonical(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = Json::parse(&bytes) {
                prop_assert_eq!(value.to_canonical().into_bytes(), bytes);
            }
        }

        #[test]
        fn arbitrary_json_letters_are_refused_or_canonical(text in "[\\[\\]{}:,\"0-9a-c\\\\u. \\-]{0,24}") {
            if let Ok(value) = Json::parse(text.as_bytes()) {
                prop_assert_eq!(value.to_canonical(), text.clone());
            }
            let strict = Json::parse(text.as_bytes());
            let lenient = Json::parse_lenient(text.as_bytes());
            prop_assert!(strict.is_err() || strict == lenient);
        }

        #[test]
        fn a_changed_byte_is_refused_or_canonical(value in any_json(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = value.to_canonical().into_bytes();
            let at = place.index(bytes.len());
            bytes[at] = byte;
            if let Ok(read) = Json::parse(&bytes) {
                prop_assert_eq!(read.to_canonical().into_bytes(), bytes);
            }
        }
    }
}
