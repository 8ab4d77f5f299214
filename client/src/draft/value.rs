//! Values of fields as people write them: one way in for flags, prompts and form files.

use crate::texts::Texts;
use std::fmt::Display;
use tally_schemas::event::{Field, FieldType};
use tally_schemas::id::{DepartmentId, Hash, OfficerId, PostId};
use tally_schemas::json::Json;
use tally_schemas::limits::INLINE_TEXT_BYTES_MAX;
use tally_schemas::time::{Date, Timestamp};

/// Why what was written is no value of a field: the key of a text with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    key: &'static str,
    values: Vec<(&'static str, String)>,
}

impl Unfit {
    fn new(key: &'static str) -> Self {
        Self {
            key,
            values: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.values.push((name, value.to_string()));
        self
    }

    /// Returns the reason in a language.
    pub fn message(&self, texts: Texts) -> String {
        let pairs: Vec<(&str, &dyn Display)> = self
            .values
            .iter()
            .map(|(name, value)| (*name, value as &dyn Display))
            .collect();
        texts.fill(self.key, &pairs)
    }
}

/// Returns what a field expects, for hints: limits, choices, forms.
pub fn expectation(texts: Texts, field: &str, kind: FieldType) -> String {
    match kind {
        FieldType::Text => texts.fill("form.expect-text", &[("max", &(INLINE_TEXT_BYTES_MAX / 3))]),
        FieldType::Word(max) => texts.fill("form.expect-word", &[("max", &max)]),
        FieldType::Code(codes) => {
            let list: Vec<String> = codes
                .iter()
                .map(|code| format!("{code} ({})", texts.code(field, code)))
                .collect();
            texts.fill("form.expect-code", &[("codes", &list.join(", "))])
        }
        FieldType::ProfileCode => texts.say("form.expect-profile-code").to_owned(),
        FieldType::Department => texts.say("form.expect-department").to_owned(),
        FieldType::Post => texts.say("form.expect-post").to_owned(),
        FieldType::Officer => texts.say("form.expect-officer").to_owned(),
        FieldType::Date => texts.say("form.expect-date").to_owned(),
        FieldType::Instant => texts.say("form.expect-instant").to_owned(),
        FieldType::Integer(low, high) => texts.fill("form.expect-integer", &[("low", &low), ("high", &high)]),
        FieldType::Flag => texts.say("form.expect-flag").to_owned(),
        FieldType::Event => texts.say("form.expect-event").to_owned(),
        FieldType::Hash => texts.say("form.expect-hash").to_owned(),
        FieldType::Key => texts.say("form.expect-key").to_owned(),
        FieldType::Items => texts.say("form.expect-items").to_owned(),
        FieldType::List(of, max) => {
            let each = expectation(texts, field, *of);
            texts.fill("form.expect-list", &[("max", &max), ("each", &each)])
        }
        FieldType::Object(fields) => {
            let parts: Vec<String> = fields
                .iter()
                .map(|inner| {
                    let name = texts.field("", inner.name);
                    if inner.required {
                        name.to_owned()
                    } else {
                        format!("[{name}]")
                    }
                })
                .collect();
            texts.fill("form.expect-object", &[("parts", &parts.join(":"))])
        }
    }
}

/// Reads one value of a field as written.
///
/// # Errors
/// What is no value of the type, with what was expected.
pub fn parse(field: &str, kind: FieldType, written: &str) -> Result<Json, Unfit> {
    let text = match kind {
        FieldType::Text => written.trim_end_matches(['\n', '\r']),
        _ => written.trim(),
    };
    let shown: String = text.chars().take(60).collect();
    let plain = |fits: bool, key: &'static str| {
        if fits {
            Ok(Json::Text(text.to_owned()))
        } else {
            Err(Unfit::new(key).with("got", &shown))
        }
    };
    match kind {
        FieldType::Text if text.is_empty() => Err(Unfit::new("error.value-empty")),
        FieldType::Text if text.len() > INLINE_TEXT_BYTES_MAX => Err(Unfit::new("error.value-long")
            .with("got", text.len())
            .with("max", INLINE_TEXT_BYTES_MAX)),
        FieldType::Text => Ok(Json::Text(text.to_owned())),
        FieldType::Word(max) => {
            let count = text.chars().count();
            if (1..=usize::from(max)).contains(&count) {
                Ok(Json::Text(text.to_owned()))
            } else {
                Err(Unfit::new("error.value-count")
                    .with("got", count)
                    .with("max", max))
            }
        }
        FieldType::Code(codes) => parse_code(field, codes, text),
        FieldType::ProfileCode => plain(
            !text.is_empty()
                && text.len() <= 40
                && text
                    .bytes()
                    .all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_')),
            "error.value-profile-code",
        ),
        FieldType::Department => plain(DepartmentId::parse(text).is_ok(), "error.value-id"),
        FieldType::Post => plain(PostId::parse(text).is_ok(), "error.value-id"),
        FieldType::Officer => plain(OfficerId::parse(text).is_ok(), "error.value-id"),
        FieldType::Date => match date(text) {
            Some(date) => Ok(Json::Text(date)),
            None => plain(false, "error.value-date"),
        },
        FieldType::Instant => plain(Timestamp::parse(text).is_ok(), "error.value-instant"),
        FieldType::Event | FieldType::Hash => plain(Hash::parse_hex(text).is_ok(), "error.value-hash"),
        FieldType::Key => plain(Hash::parse_base64(text).is_ok(), "error.value-key"),
        FieldType::Integer(low, high) => match text.parse::<i64>() {
            Ok(number) if (low..=high).contains(&number) => Ok(Json::Int(number)),
            _ => Err(Unfit::new("error.value-integer")
                .with("got", &shown)
                .with("low", low)
                .with("high", high)),
        },
        FieldType::Flag => match text.to_lowercase().as_str() {
            "true" | "yes" | "y" | "\u{662f}" => Ok(Json::Bool(true)),
            "false" | "no" | "n" | "\u{5426}" => Ok(Json::Bool(false)),
            _ => Err(Unfit::new("error.value-flag").with("got", &shown)),
        },
        FieldType::Items => {
            parse_items(text).ok_or_else(|| Unfit::new("error.value-items").with("got", &shown))
        }
        FieldType::List(of, max) => {
            let values: Vec<&str> = text
                .split([';', '\u{ff1b}', '\n'])
                .map(str::trim)
                .filter(|value| !value.is_empty())
                .collect();
            list(field, *of, max, &values)
        }
        FieldType::Object(fields) => parse_object(fields, text),
    }
}

/// Reads a list of values of one type.
///
/// # Errors
/// An empty or too long list, or an element that does not fit.
pub fn list(field: &str, of: FieldType, max: u16, written: &[&str]) -> Result<Json, Unfit> {
    if written.is_empty() || written.len() > usize::from(max) {
        return Err(Unfit::new("error.value-list")
            .with("got", written.len())
            .with("max", max));
    }
    let values: Result<Vec<Json>, Unfit> = written.iter().map(|text| parse(field, of, text)).collect();
    values.map(Json::Array)
}

fn parse_code(field: &str, codes: &[&str], text: &str) -> Result<Json, Unfit> {
    use crate::texts::Language;
    let by_name = |language: Language| {
        let texts = Texts::new(language);
        codes
            .iter()
            .copied()
            .find(move |code| texts.code(field, code).eq_ignore_ascii_case(text))
    };
    let found = codes
        .iter()
        .copied()
        .find(|code| *code == text)
        .or_else(|| by_name(Language::Zh))
        .or_else(|| by_name(Language::En));
    match found {
        Some(code) => Ok(Json::Text(code.to_owned())),
        None => {
            let nearest = nearest(text, codes).unwrap_or_default();
            Err(Unfit::new("error.value-code")
                .with("got", text.chars().take(60).collect::<String>())
                .with("codes", codes.join(", "))
                .with("nearest", nearest))
        }
    }
}

/// Returns the candidate most like a text.
pub fn nearest<'a>(text: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .copied()
        .min_by_key(|candidate| strsim::damerau_levenshtein(text, candidate))
}

/// Reads a date as people write it, `2026-1-5`, `2026/1/5`, or with the Chinese words for year, month and day; returns its one form.
fn date(text: &str) -> Option<String> {
    let text = text.trim_end_matches('\u{65e5}');
    let mut parts = text.split(['-', '/', '.', '\u{5e74}', '\u{6708}']).map(str::trim);
    let mut number = |digits: std::ops::RangeInclusive<usize>| {
        let part = parts.next()?;
        let plain = part.bytes().all(|byte| byte.is_ascii_digit()) && digits.contains(&part.len());
        plain.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (year, month, day) = (number(4..=4)?, number(1..=2)?, number(1..=2)?);
    let whole = format!("{year:04}-{month:02}-{day:02}");
    (parts.next().is_none() && Date::parse(&whole).is_ok()).then_some(whole)
}

/// Reads `1,2,5-7`.
fn parse_items(text: &str) -> Option<Json> {
    let mut numbers = std::collections::BTreeSet::new();
    for part in text
        .split([',', ' ', '\u{ff0c}', '\u{3001}'])
        .filter(|part| !part.is_empty())
    {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?),
            None => {
                let number = part.parse::<u16>().ok()?;
                (number, number)
            }
        };
        if first == 0 || first > last || last > 256 {
            return None;
        }
        numbers.extend(first..=last);
    }
    if numbers.is_empty() {
        return None;
    }
    Some(Json::Array(
        numbers
            .into_iter()
            .map(|number| Json::Int(i64::from(number)))
            .collect(),
    ))
}

/// Reads the values of an object in the order of its fields, with `:` between them; the last takes the rest.
fn parse_object(fields: &[Field], text: &str) -> Result<Json, Unfit> {
    let mut parts = text.splitn(fields.len(), [':', '\u{ff1a}']);
    let mut members = Vec::new();
    for field in fields {
        match parts.next().map(str::trim).filter(|part| !part.is_empty()) {
            Some(part) => members.push((field.name, parse(field.name, field.kind, part)?)),
            None if field.required => {
                return Err(Unfit::new("error.value-object").with("field", field.name));
            }
            None => {}
        }
    }
    Ok(Json::object(members))
}

/// Shows a value as a person wrote it or would write it; [`parse`] reads it back.
pub fn show(kind: FieldType, json: &Json) -> String {
    match (kind, json) {
        (FieldType::Items, Json::Array(list)) => show_items(list),
        (FieldType::List(of, _), Json::Array(list)) => {
            let parts: Vec<String> = list.iter().map(|value| show(*of, value)).collect();
            parts.join("; ")
        }
        (FieldType::Object(fields), Json::Object(members)) => {
            let mut parts: Vec<String> = fields
                .iter()
                .map(|field| {
                    members
                        .get(field.name)
                        .map_or_else(String::new, |value| show(field.kind, value))
                })
                .collect();
            while parts.last().is_some_and(String::is_empty) {
                parts.pop();
            }
            parts.join(":")
        }
        (_, Json::Text(text)) => text.clone(),
        (_, Json::Int(number)) => number.to_string(),
        (_, Json::Bool(flag)) => flag.to_string(),
        (_, other) => other.to_canonical(),
    }
}

/// Shows a value for reading: codes and flags by their names.
pub fn render(texts: Texts, field: &str, kind: FieldType, json: &Json) -> String {
    match (kind, json) {
        (FieldType::Code(_), Json::Text(code)) => texts.code(field, code).to_owned(),
        (FieldType::Flag, Json::Bool(true)) => texts.say("ui.yes").to_owned(),
        (FieldType::Flag, Json::Bool(false)) => texts.say("ui.no").to_owned(),
        (FieldType::List(of, _), Json::Array(list)) => {
            let parts: Vec<String> = list
                .iter()
                .map(|value| render(texts, field, *of, value))
                .collect();
            parts.join("; ")
        }
        (FieldType::Object(fields), Json::Object(members)) => {
            let parts: Vec<String> = fields
                .iter()
                .filter_map(|inner| {
                    members
                        .get(inner.name)
                        .map(|value| render(texts, inner.name, inner.kind, value))
                })
                .collect();
            parts.join(" ")
        }
        (FieldType::Text, Json::Object(members)) => {
            let length = members.get("length").and_then(Json::as_int).unwrap_or(0);
            texts.fill("ui.detached", &[("length", &length)])
        }
        _ => show(kind, json),
    }
}

fn show_items(list: &[Json]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut run: Option<(i64, i64)> = None;
    let close = |run: Option<(i64, i64)>, parts: &mut Vec<String>| match run {
        Some((first, last)) if first == last => parts.push(first.to_string()),
        Some((first, last)) => parts.push(format!("{first}-{last}")),
        None => {}
    };
    for number in list.iter().filter_map(Json::as_int) {
        match run {
            Some((first, last)) if last + 1 == number => run = Some((first, number)),
            other => {
                close(other, &mut parts);
                run = Some((number, number));
            }
        }
    }
    close(run, &mut parts);
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;
    use tally_schemas::event::EventKind;

    fn field(kind: &str, name: &str) -> FieldType {
        let kind = EventKind::parse(kind).unwrap();
        kind.fields()
            .iter()
            .find(|field| field.name == name)
            .unwrap()
            .kind
    }

    #[test]
    fn item_numbers_are_read_as_lists_and_ranges() {
        let parsed = parse("items", FieldType::Items, "7, 1-3,\u{3001}5").unwrap();
        assert_eq!(parsed.to_canonical(), "[1,2,3,5,7]");
        assert_eq!(show(FieldType::Items, &parsed), "1-3,5,7");
        for bad in ["", "0", "3-1", "257", "one", "1-300"] {
            assert!(parse("items", FieldType::Items, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        for text in [
            "2026-01-05",
            "2026-1-5",
            "2026/1/5",
            "2026.01.05",
            "2026\u{5e74}1\u{6708}5\u{65e5}",
        ] {
            assert_eq!(
                parse("from", FieldType::Date, text),
                Ok(Json::Text("2026-01-05".to_owned())),
                "{text}"
            );
        }
        for bad in [
            "",
            "2026-1",
            "26-1-5",
            "2026-13-1",
            "2026-2-30",
            "2026-1-5-1",
            "5.1.2026",
            "20260105",
        ] {
            assert!(parse("from", FieldType::Date, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn codes_are_read_by_code_and_by_name_in_both_languages() {
        let class = field("catalogue.drafted", "class");
        for text in ["no-share", "\u{4e0d}\u{4e88}\u{5171}\u{4eab}", "Not shared"] {
            assert_eq!(parse("class", class, text), Ok(Json::Text("no-share".to_owned())));
        }
        let error = parse("class", class, "condtional").unwrap_err();
        insta::assert_snapshot!("code_unknown_en", error.message(Texts::new(Language::En)));
    }

    #[test]
    fn objects_are_written_with_colons_and_their_last_field_takes_the_rest() {
        let items = field("request.filed", "items");
        let parsed = parse("items", items, "1:name; 2:date of birth: day").unwrap();
        assert_eq!(
            parsed.to_canonical(),
            r#"[{"name":"name","number":1},{"name":"date of birth: day","number":2}]"#
        );
        assert_eq!(show(items, &parsed), "1:name; 2:date of birth: day");
        assert!(parse("items", items, "1").is_err());
    }

    #[test]
    fn every_field_of_every_kind_says_what_it_expects() {
        for kind in EventKind::ALL {
            for field in kind.fields() {
                for language in [Language::En, Language::Zh] {
                    assert!(!expectation(Texts::new(language), field.name, field.kind).is_empty());
                }
            }
        }
    }

    #[test]
    fn limits_are_named_when_they_are_passed() {
        let error = parse("name", FieldType::Word(3), "four").unwrap_err();
        assert_eq!(
            error.message(Texts::new(Language::En)),
            "4 characters, expected 1 to 3"
        );
        let error = parse("days", FieldType::Integer(1, 60), "61").unwrap_err();
        assert_eq!(
            error.message(Texts::new(Language::En)),
            "\"61\" is no whole number from 1 to 60"
        );
    }
}
