//! Due dates told in words: what was counted, what was skipped and why, and the other lawful readings.
//!
//! Reads the plain data that nodes give (codes and values, no sentences) and adds no rule of its own.

use crate::texts::{Texts, fill};
use serde_json::Value;
use std::fmt::Display;

/// Tells a due date, line by line. `due` is the explained date, `status` how the step stands.
pub fn due_lines(texts: Texts, due: &Value, status: Option<&Value>) -> Vec<String> {
    let mut lines = Vec::new();
    let main = due.get("main").unwrap_or(&Value::Null);
    lines.push(headline(texts, main, status));
    let basis = due.get("basis").unwrap_or(&Value::Null);
    lines.extend(basis_line(texts, basis));
    if let Some(start) = due.get("start") {
        let day = day_name(texts, start.get("day").unwrap_or(&Value::Null));
        let since = word(basis, "start").map_or_else(
            || texts.say("ui.due-start-stated").to_owned(),
            |code| texts.name("clock-start", code).to_owned(),
        );
        lines.push(texts.fill(
            "ui.due-start",
            &[
                ("since", &since),
                ("date", &word(start, "date").unwrap_or("?")),
                ("day", &day),
            ],
        ));
    }
    lines.extend(runs(texts, main).into_iter().map(|line| format!("  {line}")));
    if let Some(ends) = word(main, "due") {
        lines.push(texts.fill("ui.due-last", &[("date", &ends)]));
    }
    if main.get("provisional").and_then(Value::as_bool) == Some(true) {
        lines.push(texts.say("ui.due-provisional").to_owned());
    }
    for flag in due.get("flags").and_then(Value::as_array).into_iter().flatten() {
        lines.push(format!(
            "! {}",
            coded(texts, "due-flag", word(flag, "code").unwrap_or("?"), flag)
        ));
    }
    for other in due
        .get("alternatives")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let (label, date) = (reading_label(texts, other), word(other, "due").unwrap_or("-"));
        lines.push(texts.fill("ui.due-other", &[("label", &label), ("date", &date)]));
    }
    if let Some(date) = due.get("promised").and_then(|reading| word(reading, "due")) {
        lines.push(texts.fill("ui.due-promised", &[("date", &date)]));
    }
    lines
}

/// Tells how a step stands, in a few words.
pub fn status_text(texts: Texts, status: &Value) -> String {
    match word(status, "status") {
        Some(code) => coded(texts, "due-status", code, status),
        None => String::new(),
    }
}

/// Tells a mark on an act: what is defective, flagged or alarming about it, with its article and violation.
pub fn mark_text(texts: Texts, mark: &Value) -> String {
    let fields = mark.get("fields").unwrap_or(&Value::Null);
    let what = coded(texts, "mark", word(mark, "code").unwrap_or("?"), fields);
    let weight = word(mark, "weight").map(|code| texts.name("weight", code));
    let place = mark.get("article").map(|article| {
        let (act, at) = (
            word(article, "act").unwrap_or("?"),
            word(article, "at").unwrap_or("?"),
        );
        texts.fill("ui.article", &[("act", &act), ("at", &at)])
    });
    let violation = word(mark, "violation").map(str::to_owned);
    let rest: Vec<String> = [weight.map(str::to_owned), place, violation]
        .into_iter()
        .flatten()
        .collect();
    if rest.is_empty() {
        what
    } else {
        format!("{what} ({})", rest.join("; "))
    }
}

/// Says whether a code is that of a mark of the law.
pub fn is_mark(texts: Texts, code: &str) -> bool {
    texts.find(&format!("mark.{code}")).is_some()
}

/// Tells why a node refused: in words of the catalogue where it has them, else as the node put it.
///
/// A refusal under the law carries the code of a mark, and its fields behind the code: `<code>: <name> <value>, ..`.
pub fn refusal_text(texts: Texts, code: &str, what: &str) -> String {
    let named = |section: &str| texts.find(&format!("{section}.{code}"));
    if let Some(name) = named("refusal").or_else(|| named("answer")) {
        return name.to_owned();
    }
    if named("mark").is_none() {
        return what.to_owned();
    }
    let fields: serde_json::Map<String, Value> = what
        .strip_prefix(code)
        .and_then(|rest| rest.strip_prefix(": "))
        .into_iter()
        .flat_map(|rest| rest.split(", "))
        .filter_map(|pair| pair.split_once(' '))
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    coded(texts, "mark", code, &Value::Object(fields))
}

fn headline(texts: Texts, main: &Value, status: Option<&Value>) -> String {
    let stands = status
        .map(|status| status_text(texts, status))
        .unwrap_or_default();
    match word(main, "due") {
        Some(date) => texts.fill("ui.due-date", &[("date", &date), ("status", &stands)]),
        None => stands,
    }
}

fn basis_line(texts: Texts, basis: &Value) -> Option<String> {
    if basis.get("stated").is_some() {
        return Some(texts.say("ui.due-stated").to_owned());
    }
    let name = names(texts, basis.get("names")?);
    let limit = basis.get("limit")?;
    let amount = limit.get("amount").and_then(Value::as_u64).unwrap_or(0);
    let unit = texts.name("unit", word(limit, "unit").unwrap_or("?")).to_owned();
    let force = texts
        .name("force", word(basis, "force").unwrap_or("?"))
        .to_owned();
    let owes = texts.name("party", word(basis, "owes").unwrap_or("?")).to_owned();
    let article = basis.get("article").map(|article| {
        let act = article.get("names").map_or_else(
            || word(article, "act").unwrap_or("?").to_owned(),
            |json| names(texts, json),
        );
        texts.fill(
            "ui.article",
            &[("act", &act), ("at", &word(article, "at").unwrap_or("?"))],
        )
    });
    Some(texts.fill(
        "ui.due-basis",
        &[
            ("name", &name),
            ("amount", &amount),
            ("unit", &unit),
            ("force", &force),
            ("owes", &owes),
            ("article", &article.unwrap_or_else(|| "-".to_owned())),
        ],
    ))
}

fn runs(texts: Texts, reading: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for run in reading
        .get("runs")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let (from, to) = (word(run, "from").unwrap_or("?"), word(run, "to").unwrap_or("?"));
        let days = if from == to {
            from.to_owned()
        } else {
            format!("{from} .. {to}")
        };
        let role = texts.name("run", word(run, "role").unwrap_or("?")).to_owned();
        let day = day_name(texts, run.get("day").unwrap_or(&Value::Null));
        let number = match run.get("first").and_then(Value::as_u64) {
            Some(first) => {
                let last = first + span_days(from, to);
                let range = if last == first {
                    first.to_string()
                } else {
                    format!("{first}-{last}")
                };
                texts.fill("ui.day-number", &[("number", &range)])
            }
            None => String::new(),
        };
        let line = format!("{days:<24}  {role}  {day}  {number}");
        lines.push(line.trim_end().to_owned());
    }
    lines
}

fn span_days(from: &str, to: &str) -> u64 {
    use tally_schemas::time::Date;
    match (Date::parse(from), Date::parse(to)) {
        (Ok(from), Ok(to)) => u64::try_from(to.days_since(from)).unwrap_or(0),
        _ => 0,
    }
}

fn reading_label(texts: Texts, reading: &Value) -> String {
    let mut parts = Vec::new();
    if let Some(code) = word(reading, "supplement") {
        parts.push(texts.name("reading-supplement", code));
    }
    if let Some(code) = word(reading, "extension") {
        parts.push(texts.name("reading-extension", code));
    }
    parts.join(", ")
}

fn day_name(texts: Texts, day: &Value) -> String {
    let holiday = day
        .get("names")
        .map(|json| names(texts, json))
        .unwrap_or_default();
    let template = texts.name("day", word(day, "kind").unwrap_or("?"));
    fill(template, &[("holiday", &holiday)])
}

/// Returns the name in the language of the texts from `{en, zh}`.
pub fn names(texts: Texts, json: &Value) -> String {
    word(json, texts.language.tag()).unwrap_or_default().to_owned()
}

fn word<'a>(json: &'a Value, name: &str) -> Option<&'a str> {
    json.get(name).and_then(Value::as_str)
}

/// Fills the text of a code with the values that stand beside it.
fn coded(texts: Texts, section: &str, code: &str, json: &Value) -> String {
    let values: Vec<(String, String)> = json
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        })
        .collect();
    let pairs: Vec<(&str, &dyn Display)> = values
        .iter()
        .map(|(name, value)| (name.as_str(), value as &dyn Display))
        .collect();
    fill(texts.name(section, code), &pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;
    use serde_json::json;

    /// The answer to a conditional request over the days off of May 2026, as a node tells it.
    fn example() -> (Value, Value) {
        let plain = |kind: &str| json!({ "kind": kind });
        let holiday = json!({"kind": "holiday", "holiday": "labour", "names": {"en": "Labour Day", "zh": "\u{52b3}\u{52a8}\u{8282}"}});
        let due = json!({
            "basis": {
                "clock": "request-answer-conditional",
                "names": {"en": "answer to a request", "zh": "\u{7b54}\u{590d}\u{7533}\u{8bf7}"},
                "limit": {"amount": 10, "unit": "workingDays"},
                "start": "receipt", "owes": "provider", "force": "law",
                "article": {"act": "order-809", "at": "21(1)", "names": {"en": "Order 809", "zh": "\u{653f}\u{52a1}\u{6570}\u{636e}\u{5171}\u{4eab}\u{6761}\u{4f8b}"}},
            },
            "start": {"date": "2026-04-28", "day": plain("working")},
            "main": {
                "extension": "none", "due": "2026-05-14", "originalDue": "2026-05-14", "days": 10, "provisional": false,
                "runs": [
                    {"from": "2026-04-29", "to": "2026-04-30", "role": "counted", "day": plain("working"), "first": 1, "settled": true},
                    {"from": "2026-05-01", "to": "2026-05-05", "role": "skipped", "day": holiday, "settled": true},
                    {"from": "2026-05-06", "to": "2026-05-08", "role": "counted", "day": plain("working"), "first": 3, "settled": true},
                    {"from": "2026-05-09", "to": "2026-05-09", "role": "counted",
                     "day": {"kind": "makeUp", "names": {"en": "Labour Day", "zh": "\u{52b3}\u{52a8}\u{8282}"}}, "first": 6, "settled": true},
                    {"from": "2026-05-10", "to": "2026-05-10", "role": "skipped", "day": plain("weekend"), "settled": true},
                    {"from": "2026-05-11", "to": "2026-05-14", "role": "counted", "day": plain("working"), "first": 7, "settled": true},
                ],
            },
            "alternatives": [{"supplement": "pause", "extension": "effective", "due": "2026-05-18", "runs": []}],
            "flags": [{"code": "extensionFiledLate", "defect": true, "filed": "2026-05-15", "due": "2026-05-14"}],
        });
        (
            due,
            json!({"status": "overdue", "daysLate": 3, "calendarDaysLate": 5}),
        )
    }

    #[test]
    fn a_refusal_under_the_law_is_told_in_words_with_its_fields() {
        let what = "refusal-for-incomplete-materials: ground MATERIALS_INCOMPLETE";
        let told = refusal_text(Texts::new(Language::Zh), "refusal-for-incomplete-materials", what);
        assert!(
            told.contains("MATERIALS_INCOMPLETE") && !told.contains('{'),
            "{told}"
        );
        let plain = refusal_text(Texts::new(Language::En), "from-newer-software", "x is not y");
        assert_eq!(plain, "x is not y");
    }

    #[test]
    fn tells_a_due_date_in_both_languages() {
        let (due, status) = example();
        for language in [Language::En, Language::Zh] {
            let lines = due_lines(Texts::new(language), &due, Some(&status));
            insta::assert_snapshot!(format!("due_{}", language.tag()), lines.join("\n"));
        }
    }

    #[test]
    fn a_mark_is_told_with_its_values_weight_and_place() {
        let mark = json!({
            "code": "refusal-without-citation", "weight": "defect", "fields": {"ground": "LAW_PROHIBITS"},
            "article": {"act": "order-809", "at": "14"}, "violation": "P9",
        });
        assert_eq!(
            mark_text(Texts::new(Language::En), &mark),
            "refused on LAW_PROHIBITS without citing a provision (defective; order-809, Art. 14; P9)"
        );
    }

    #[test]
    fn what_newer_software_says_is_shown_as_it_is() {
        let texts = Texts::new(Language::Zh);
        let lines = due_lines(
            texts,
            &json!({"flags": [{"code": "newThing"}]}),
            Some(&json!({"status": "odd"})),
        );
        assert_eq!(lines, ["odd", "! newThing"]);
        assert!(due_lines(texts, &Value::Null, None).iter().all(String::is_empty));
    }
}
