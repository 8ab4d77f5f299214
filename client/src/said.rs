//! What libraries and nodes say in English, in the language of the reader.
//!
//! Errors arrive as English sentences: from the formats and the core, and over HTTP as the `what` of a refusal. Each was made from a
//! template of the code; here the template is found again by its words, in `client/texts/said.toml`, and the Chinese one is filled.

use crate::texts::{Language, Pair, Texts};
use std::sync::OnceLock;

/// The catalogue of sentences.
#[derive(serde::Deserialize)]
struct Sentences {
    said: Vec<Pair>,
}

const SOURCE: &str = include_str!("../texts/said.toml");

/// A template taken apart: its words, and what stands between them.
struct Template {
    /// The first words, then the name of each placeholder with the words behind it.
    first: &'static str,
    rest: Vec<(&'static str, &'static str)>,
    /// How many characters of words there are: of several templates that fit, the one that says most is meant.
    weight: usize,
    zh: &'static str,
}

fn sentences() -> &'static [Pair] {
    static ALL: OnceLock<Vec<Pair>> = OnceLock::new();
    ALL.get_or_init(|| {
        let read: Sentences =
            toml::from_str(SOURCE).expect("the catalogue was read by the tests of this build");
        read.said
    })
}

fn templates() -> &'static [Template] {
    static ALL: OnceLock<Vec<Template>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: Vec<Template> = sentences()
            .iter()
            .map(|pair| take_apart(&pair.en, &pair.zh))
            .collect();
        all.sort_by_key(|template| std::cmp::Reverse(template.weight));
        all
    })
}

fn take_apart(en: &'static str, zh: &'static str) -> Template {
    let mut parts = en.split('{');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('}')).collect();
    let weight = first.len() + rest.iter().map(|(_, words)| words.len()).sum::<usize>();
    Template {
        first,
        rest,
        weight,
        zh,
    }
}

/// Returns a sentence in the language of the texts; none where it is known in English only.
pub fn said(texts: Texts, sentence: &str) -> Option<String> {
    let sentence = sentence.trim();
    match texts.language {
        Language::En => Some(sentence.to_owned()),
        Language::Zh => whole(texts, sentence).or_else(|| chain(texts, sentence)),
    }
}

/// Returns a detail for people: as [`said`], or a word that it is there in English.
pub fn detail(texts: Texts, sentence: &str) -> String {
    said(texts, sentence).unwrap_or_else(|| texts.say("ui.only-in-english").to_owned())
}

fn whole(texts: Texts, sentence: &str) -> Option<String> {
    templates().iter().find_map(|template| {
        let values = fits(template, sentence)?;
        let told: Vec<(&str, String)> = template
            .rest
            .iter()
            .zip(values)
            .map(|((name, _), value)| (*name, told(texts, name, value)))
            .collect();
        Some(filled(template.zh, &told))
    })
}

/// Takes a chain of errors apart, as they are joined at the edge: `what: why: why`.
fn chain(texts: Texts, sentence: &str) -> Option<String> {
    sentence.match_indices(": ").find_map(|(place, _)| {
        let (first, rest) = (sentence.get(..place)?, sentence.get(place + 2..)?);
        let first = whole(texts, first)?;
        Some(format!("{first}\u{ff1a}{}", detail(texts, rest)))
    })
}

/// Finds the values of a template in a sentence.
fn fits<'a>(template: &Template, sentence: &'a str) -> Option<Vec<&'a str>> {
    let mut left = sentence.strip_prefix(template.first)?;
    let mut values = Vec::new();
    for (place, (name, words)) in template.rest.iter().enumerate() {
        let is_last = place + 1 == template.rest.len();
        let end = if is_last {
            left.strip_suffix(words)?.len()
        } else {
            left.find(words)?
        };
        let (value, behind) = left.split_at_checked(end)?;
        // A value is a name or a number; what holds a colon is a sentence of its own, which another template says.
        if value.contains(": ") && !matches!(*name, "why" | "rest") {
            return None;
        }
        values.push(value);
        left = behind.strip_prefix(words)?;
    }
    left.is_empty().then_some(values)
}

/// Puts what stands in a place into words: reasons as sentences, kinds and stages by their names, ids as they are.
fn told(texts: Texts, name: &str, value: &str) -> String {
    match name {
        "kind" => texts.kind(value).to_owned(),
        "field" => texts.field("", value).to_owned(),
        "stage" => texts.name("stage", value.trim_matches('"')).to_owned(),
        "state" => texts.name("draft-state", value).to_owned(),
        "what" => texts.name("thing", value).to_owned(),
        "needs" => {
            let list: Vec<&str> = value.split(" or ").map(|who| texts.name("needs", who)).collect();
            let list: Vec<&str> = list.into_iter().map(|who| texts.name("role", who)).collect();
            list.join("\u{3001}")
        }
        "why" => detail(texts, value),
        _ => value.to_owned(),
    }
}

/// Fills a template; what has no name is filled in order.
fn filled(template: &str, values: &[(&str, String)]) -> String {
    let mut out = String::new();
    let mut unnamed = values.iter().filter(|(name, _)| name.is_empty());
    let mut parts = template.split('{');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (name, words) = part.split_once('}').unwrap_or((part, ""));
        let found = if name.is_empty() {
            unnamed.next()
        } else {
            values.iter().find(|(known, _)| *known == name)
        };
        out.push_str(found.map_or("", |(_, value)| value.as_str()));
        out.push_str(words);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;
    use tally_schemas::FormatError;

    fn zh(sentence: &str) -> Option<String> {
        said(Texts::new(Language::Zh), sentence)
    }

    fn is_chinese(text: &str) -> bool {
        text.chars()
            .any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter))
    }

    #[test]
    fn a_sentence_keeps_its_values_and_its_reasons_are_told_too() {
        let error = FormatError::malformed("event", "byte 7: not UTF-8");
        let told = zh(&error.to_string()).unwrap();
        assert!(
            is_chinese(&told) && told.contains('7') && !told.contains("UTF-8:"),
            "{told}"
        );
        assert!(!told.contains("malformed") && !told.contains("byte"), "{told}");
        let told = zh("request.granted does not follow from stage agreed").unwrap();
        assert!(!told.contains("request") && !told.contains("agreed"), "{told}");
        let told =
            zh("civil may not do request.granted in this case: it takes holder or authority-of-holder")
                .unwrap();
        assert!(told.contains("civil") && !told.contains("holder"), "{told}");
    }

    #[test]
    fn a_chain_is_told_link_by_link_and_an_unknown_link_is_not_told_in_english() {
        let told =
            zh("the log of police does not hold: tile/0/000 is missing from an export of 9 entries").unwrap();
        assert!(
            told.contains("police") && told.contains("tile/0/000") && !told.contains("missing"),
            "{told}"
        );
        let told = zh("the log of police does not hold: the moon is full").unwrap();
        assert!(told.contains("police") && !told.contains("moon"), "{told}");
        assert_eq!(zh("the moon is full"), None);
        assert_eq!(
            said(Texts::new(Language::En), "the moon is full").as_deref(),
            Some("the moon is full")
        );
    }

    #[test]
    fn every_sentence_has_its_chinese_with_no_placeholder_of_its_own() {
        let mut seen = BTreeSet::new();
        for pair in sentences() {
            assert!(is_chinese(&pair.zh) || pair.zh == "{why}", "{}", pair.en);
            assert!(seen.insert(&pair.en), "twice: {}", pair.en);
            let names = |text: &str| -> BTreeSet<String> {
                let parts = text.split('{').skip(1);
                parts
                    .filter_map(|part| part.split_once('}'))
                    .map(|(name, _)| name.to_owned())
                    .collect()
            };
            assert!(names(&pair.zh).is_subset(&names(&pair.en)), "{}", pair.en);
        }
    }

    /// Joins the lines of a literal and leaves the placeholders bare, as a sentence of the catalogue has them.
    fn bare(literal: &str) -> String {
        let joined = literal.replace("\\\"", "\"");
        let mut out = String::new();
        let mut lines = joined.split("\\\n");
        out.push_str(lines.next().unwrap_or_default());
        lines.for_each(|line| out.push_str(line.trim_start()));
        out
    }

    /// Fills each placeholder with a word that nothing says, so that the catalogue is asked as at run time.
    fn example(template: &str) -> String {
        let mut out = String::new();
        let mut parts = template.split('{');
        out.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (_, words) = part.split_once('}').unwrap();
            out.push_str("zzz");
            out.push_str(words);
        }
        out
    }

    #[test]
    fn every_error_of_the_libraries_that_people_may_see_is_in_the_catalogue() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut missing = Vec::new();
        let mut found = 0;
        for file in [
            "schemas/src/error.rs",
            "ledger/src/crypto.rs",
            "ledger/src/checkpoint.rs",
            "ledger/src/export.rs",
            "ledger/src/confirmation.rs",
            "ledger/src/fork.rs",
            "ledger/src/proof.rs",
            "ledger/src/merkle/mod.rs",
            "ledger/src/merkle/proof.rs",
            "ledger/src/world/log.rs",
            "ledger/src/authority/check.rs",
            "ledger/src/authority/registry.rs",
            "ledger/src/authority/roster.rs",
            "ledger/src/rules/calendar.rs",
            "node/src/drafts.rs",
            "node/src/store/error.rs",
            "client/src/verify/mod.rs",
            "client/src/federation.rs",
            "client/src/play/scenario.rs",
            "client/src/play/error.rs",
            "client/src/play/target.rs",
        ] {
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            for part in text.split("#[error(").skip(1) {
                let literal = part.trim_start().strip_prefix('"').and_then(|rest| {
                    let mut end = None;
                    let mut escaped = false;
                    for (place, letter) in rest.char_indices() {
                        if letter == '"' && !escaped {
                            end = Some(place);
                            break;
                        }
                        escaped = letter == '\\' && !escaped;
                    }
                    rest.get(..end?)
                });
                // `transparent`, or nothing but what is inside.
                let says = |text: &String| {
                    text.split('{')
                        .any(|part| !part.split('}').next_back().unwrap_or_default().is_empty())
                };
                let Some(template) = literal.map(bare).filter(says) else {
                    continue;
                };
                found += 1;
                if zh(&example(&template)).is_none() {
                    missing.push(format!("{file}: {template}"));
                }
            }
        }
        assert!(found > 80, "{found}");
        assert!(missing.is_empty(), "no Chinese for:\n{}", missing.join("\n"));
    }

    #[test]
    fn damage_with_a_remedy_of_several_sentences_is_told() {
        let damage = "/data/logs/housing-1/tile/0/000 is damaged (altered): entry 3: the checksum does not fit; remedy: set the folder of the \
                      log aside: the node writes it again, from its own log or from peers";
        let told = zh(damage).unwrap();
        assert!(
            told.contains("/data/logs/housing-1/tile/0/000") && told.contains("已损坏"),
            "{told}"
        );
    }

    #[test]
    fn every_alarm_of_a_node_is_in_the_catalogue() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/src/runtime/owner.rs");
        let text = std::fs::read_to_string(file).unwrap();
        let (_, body) = text.split_once("fn alarm_text(").unwrap();
        let (body, _) = body.split_once("\n}\n").unwrap();
        let sentences: Vec<String> = body.split('"').skip(1).step_by(2).map(bare).collect();
        assert!(sentences.len() > 8, "{sentences:?}");
        for sentence in sentences {
            assert!(zh(&example(&sentence)).is_some(), "no Chinese for: {sentence}");
        }
    }
}
