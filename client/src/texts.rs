//! The catalogue of all texts: English and Simplified Chinese side by side, in `client/texts/`.
//!
//! Codes and ids are the same in every language; only what people read is taken from here.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::OnceLock;
use tally_schemas::event::EventKind;

/// A language of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Simplified Chinese.
    Zh,
}

impl Language {
    /// Reads a tag such as `zh`, `zh_CN.UTF-8`, `en-GB`.
    pub fn parse(tag: &str) -> Option<Self> {
        let tag = tag.to_ascii_lowercase();
        match tag.split(['_', '-', '.', '@']).next() {
            Some("zh") => Some(Self::Zh),
            Some("en" | "c" | "posix") => Some(Self::En),
            _ => None,
        }
    }

    /// Chooses: the flag, `TALLY_LANG`, then the locale variables in their usual order; else English.
    pub fn choose(flag: Option<&str>, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        if let Some(language) = flag.and_then(Self::parse) {
            return language;
        }
        ["TALLY_LANG", "LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(variable)
            .find(|value| !value.is_empty())
            .and_then(|value| Self::parse(&value))
            .unwrap_or(Self::En)
    }

    /// Returns the tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }
}

/// One text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// In English.
    pub en: String,
    /// In Simplified Chinese.
    pub zh: String,
}

impl Pair {
    /// Returns the text of a language.
    pub fn of(&self, language: Language) -> &str {
        match language {
            Language::En => &self.en,
            Language::Zh => &self.zh,
        }
    }
}

const SOURCES: &[&str] = &[
    include_str!("../texts/words.toml"),
    include_str!("../texts/states.toml"),
    include_str!("../texts/messages.toml"),
    include_str!("../texts/remedies.toml"),
    include_str!("../texts/help.toml"),
    include_str!("../texts/play.toml"),
];

/// Returns every text by its key, `<section>.<name>`.
pub fn catalogue() -> &'static BTreeMap<String, Pair> {
    static CATALOGUE: OnceLock<BTreeMap<String, Pair>> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let mut all = BTreeMap::new();
        for source in SOURCES {
            let sections: BTreeMap<String, BTreeMap<String, Pair>> =
                toml::from_str(source).expect("the catalogue was read by the tests of this build");
            for (section, texts) in sections {
                for (name, pair) in texts {
                    all.insert(format!("{section}.{name}"), pair);
                }
            }
        }
        all
    })
}

/// The texts in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texts {
    /// The language.
    pub language: Language,
}

impl Texts {
    /// Makes the texts of a language.
    pub fn new(language: Language) -> Self {
        Self { language }
    }

    /// Returns a text, if the catalogue has it.
    pub fn find(self, key: &str) -> Option<&'static str> {
        catalogue().get(key).map(|pair| pair.of(self.language))
    }

    /// Returns a text; one that is missing shows its key, which a test rules out.
    pub fn say(self, key: &'static str) -> &'static str {
        self.find(key).unwrap_or(key)
    }

    /// Returns a text with its placeholders filled in.
    pub fn fill(self, key: &'static str, values: &[(&str, &dyn Display)]) -> String {
        fill(self.say(key), values)
    }

    /// Returns the name of a kind of event; one from newer software is shown as it is.
    pub fn kind<'a>(self, kind: &'a str) -> &'a str
    where
        'static: 'a,
    {
        self.find(&format!("kind.{kind}")).unwrap_or(kind)
    }

    /// Returns the name of a field of a kind; `path` is the kind, with `.<field>` for fields of inner objects.
    pub fn field<'a>(self, path: &str, name: &'a str) -> &'a str
    where
        'static: 'a,
    {
        self.find(&format!("field.{path}.{name}"))
            .or_else(|| self.find(&format!("field.{name}")))
            .unwrap_or(name)
    }

    /// Returns the name of a code of a field.
    pub fn code<'a>(self, field: &str, code: &'a str) -> &'a str
    where
        'static: 'a,
    {
        self.find(&format!("code.{field}.{code}"))
            .or_else(|| self.find(&format!("code.{code}")))
            .unwrap_or(code)
    }

    /// Returns the name of something in a section of the catalogue, or its id.
    pub fn name<'a>(self, section: &str, id: &'a str) -> &'a str
    where
        'static: 'a,
    {
        self.find(&format!("{section}.{id}")).unwrap_or(id)
    }

    /// Returns name and id of a kind, as in `agree to share (request.granted)`.
    pub fn kind_with_id(self, kind: EventKind) -> String {
        format!("{} ({})", self.kind(kind.as_str()), kind.as_str())
    }
}

/// Fills `{name}` in a template; names that have no value stay as they are.
pub fn fill(template: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => out.push_str(&value.to_string()),
            None => {
                out.push('{');
                out.push_str(name);
                out.push('}');
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;
    use tally_ledger::cases::Stage;
    use tally_schemas::api::{DraftState, LAW_REMEDY, REMEDIES};
    use tally_schemas::event::personal::PersonalKind;
    use tally_schemas::event::roster::DUTIES;
    use tally_schemas::event::{CaseKind, Field, FieldType, SignerRole, Source};
    use tally_schemas::genesis::{LEVELS, Role};
    use tally_schemas::profile::{DayUnit, Force, Party, Rung, Start, SupplementReading};

    /// Sections whose keys stand literally in the code.
    const LITERAL: &[&str] = &["ui", "column", "error", "hint", "prompt", "form"];

    fn placeholders(text: &str) -> BTreeSet<String> {
        text.split('{')
            .skip(1)
            .filter_map(|part| part.split_once('}').map(|(name, _)| name.to_owned()))
            .collect()
    }

    fn section(name: &str) -> BTreeSet<String> {
        let prefix = format!("{name}.");
        catalogue()
            .keys()
            .filter_map(|key| key.strip_prefix(&prefix).map(str::to_owned))
            .collect()
    }

    fn sources(folder: &Path, out: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, out);
            } else if path.extension().is_some_and(|end| end == "rs") {
                out.push(std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// The keys that stand in the code as string literals.
    fn keys_in_code() -> BTreeSet<String> {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        let mut keys = BTreeSet::new();
        for file in &files {
            for literal in file.split('"') {
                let plain = literal
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
                if let Some((first, rest)) = literal.split_once('.')
                    && plain
                    && LITERAL.contains(&first)
                    && !rest.is_empty()
                {
                    keys.insert(literal.to_owned());
                }
            }
        }
        keys
    }

    fn walk(
        path: &str,
        fields: &[Field],
        names: &mut BTreeSet<(String, String)>,
        codes: &mut BTreeSet<(String, String)>,
    ) {
        for field in fields {
            names.insert((path.to_owned(), field.name.to_owned()));
            walk_type(path, field.name, field.kind, names, codes);
        }
    }

    fn walk_type(
        path: &str,
        field: &str,
        kind: FieldType,
        names: &mut BTreeSet<(String, String)>,
        codes: &mut BTreeSet<(String, String)>,
    ) {
        match kind {
            FieldType::Code(all) => {
                codes.extend(all.iter().map(|code| (field.to_owned(), (*code).to_owned())));
            }
            FieldType::List(of, _) => walk_type(path, field, *of, names, codes),
            FieldType::Object(fields) => walk(&format!("{path}.{field}"), fields, names, codes),
            _ => {}
        }
    }

    type Pairs = BTreeSet<(String, String)>;

    fn declared() -> (Pairs, Pairs) {
        let (mut names, mut codes) = (BTreeSet::new(), BTreeSet::new());
        for kind in EventKind::ALL {
            walk(kind.as_str(), kind.fields(), &mut names, &mut codes);
        }
        (names, codes)
    }

    #[test]
    fn every_text_stands_in_both_languages_with_the_same_placeholders() {
        let mut seen = BTreeSet::new();
        for source in SOURCES {
            let sections: BTreeMap<String, BTreeMap<String, Pair>> = toml::from_str(source).unwrap();
            for (section, texts) in sections {
                for (name, pair) in texts {
                    let key = format!("{section}.{name}");
                    assert!(seen.insert(key.clone()), "{key} stands in two files");
                    assert!(
                        !pair.en.trim().is_empty() && !pair.zh.trim().is_empty(),
                        "{key} lacks a language"
                    );
                    assert_eq!(
                        placeholders(&pair.en),
                        placeholders(&pair.zh),
                        "placeholders of {key}"
                    );
                    assert!(
                        pair.en.is_ascii(),
                        "{key}: the English text has characters of another script"
                    );
                }
            }
        }
        assert!(seen.len() > 300);
    }

    #[test]
    fn every_key_in_the_code_is_in_the_catalogue_and_the_other_way_round() {
        let code = keys_in_code();
        assert!(!code.is_empty());
        let known: BTreeSet<String> = LITERAL
            .iter()
            .flat_map(|name| section(name).into_iter().map(move |key| format!("{name}.{key}")))
            .collect();
        let missing: Vec<_> = code.difference(&known).collect();
        assert!(missing.is_empty(), "keys without text: {missing:#?}");
        let unused: Vec<_> = known.difference(&code).collect();
        assert!(unused.is_empty(), "texts that no code uses: {unused:#?}");
    }

    #[test]
    fn every_section_of_the_catalogue_is_checked_by_a_test() {
        let checked: BTreeSet<&str> = LITERAL
            .iter()
            .copied()
            .chain([
                "case-kind",
                "kind",
                "field",
                "code",
                "role",
                "signer-role",
                "level",
                "source",
                "help",
                "stage",
                "refusal",
                "party",
                "unit",
                "clock-start",
                "force",
                "reading-supplement",
                "day",
                "run",
                "due-status",
                "due-flag",
                "reading-extension",
                "draft-state",
                "personal",
                "mark",
                "weight",
                "standing",
                "stated",
                "rung",
                "answer",
                "remedy",
                "thing",
                "needs",
                "watch",
            ])
            .collect();
        for key in catalogue().keys() {
            let section = key.split('.').next().unwrap();
            assert!(checked.contains(section), "no test checks the section {section}");
        }
    }

    #[test]
    fn the_names_of_the_formats_are_exactly_those_of_the_catalogue() {
        let set = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(
            section("kind"),
            set(EventKind::ALL.iter().map(|kind| kind.as_str()).collect())
        );
        assert_eq!(
            section("case-kind"),
            set(CaseKind::ALL.iter().map(|kind| kind.as_str()).collect())
        );
        assert_eq!(
            section("role"),
            set(Role::ALL.iter().map(|role| role.as_str()).collect())
        );
        assert_eq!(section("level"), set(LEVELS.to_vec()));
        let signers = [
            SignerRole::Drafter,
            SignerRole::Approver,
            SignerRole::Administrator,
        ];
        assert_eq!(
            section("signer-role"),
            set(signers.iter().map(|role| role.as_str()).collect())
        );
        let states = [
            DraftState::Unsigned,
            DraftState::Sent,
            DraftState::Returned,
            DraftState::Withdrawn,
            DraftState::Recorded,
        ];
        let words = states.iter().map(|state| serde_json::to_value(state).unwrap());
        let words: BTreeSet<String> = words.map(|word| word.as_str().unwrap().to_owned()).collect();
        assert_eq!(section("draft-state"), words);
        let personal = [
            PersonalKind::IdentityCard,
            PersonalKind::MobileNumber,
            PersonalKind::BankCard,
        ];
        assert_eq!(
            section("personal"),
            set(personal.iter().map(|kind| kind.as_str()).collect())
        );
        let sources = [Source::Own, Source::Paper, Source::Import];
        assert_eq!(
            section("source"),
            set(sources.iter().map(|source| source.as_str()).collect())
        );
    }

    /// Returns the literals that stand in the sources of the ledger after a text, such as `=> `.
    fn literals_in_ledger(path: &str, before: &[&str]) -> BTreeSet<String> {
        literals_in(&format!("../ledger/src/{path}"), before)
    }

    fn literals_in(path: &str, before: &[&str]) -> BTreeSet<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let mut files = Vec::new();
        if root.is_dir() {
            sources(&root, &mut files);
        } else {
            files.push(std::fs::read_to_string(&root).unwrap());
        }
        let mut found = BTreeSet::new();
        for file in files {
            let product = file.split("#[cfg(test)]").next().unwrap();
            let tight: String = product
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .replace("( ", "(");
            for start in before {
                for rest in tight.split(start).skip(1) {
                    if let Some(literal) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                        found.insert(literal.to_owned());
                    }
                }
            }
        }
        found
    }

    #[test]
    fn every_stage_and_every_reason_of_the_ledger_has_its_texts() {
        let stages = Stage::ALL.iter().map(|stage| stage.as_str().to_owned()).collect();
        assert_eq!(section("stage"), stages);
        let mut reasons = literals_in_ledger(
            "replica",
            &["Refusal::invalid(", "Refusal::refused(", "Refusal::unavailable("],
        );
        reasons.extend(literals_in_ledger("authority/check.rs", &["=> "]));
        assert!(reasons.len() > 20);
        assert_eq!(section("refusal"), reasons);
    }

    #[test]
    fn everything_that_sentences_speak_of_has_its_texts() {
        let mut things = literals_in(
            "../schemas/src",
            &[
                "FormatError::malformed(",
                "FormatError::not_canonical(",
                "FormatError::field(",
                "FormatError::at_most(",
                "what: ",
                "const WHAT: &str = ",
                "const NOTE: &str = ",
                "const LINE: &str = ",
                "const VKEY: &str = ",
                "const BUNDLE: &str = ",
                "DepartmentId, ",
                "NodeId, ",
                "OfficerId, ",
                "PostId, ",
            ],
        );
        // What the JSON reader says of a place stands where others name a thing.
        things.retain(|thing| section("thing").contains(thing) || !thing.contains('`'));
        assert_eq!(section("thing"), things);
        let mut who = literals_in_ledger(
            "cases/verdict.rs",
            &["Who::Owner => ", "Who::Holder => ", "Who::Proposed => "],
        );
        who.extend(literals_in_ledger(
            "cases/verdict.rs",
            &[
                "Holder => ",
                "Owner => ",
                "Issuer => ",
                "ByBasis => ",
                "Setter => ",
            ],
        ));
        assert_eq!(section("needs"), who);
        let told = literals_in("../node/src/api/watch.rs", &["Event::default().event("]);
        assert_eq!(&section("watch") | &BTreeSet::from(["changed".to_owned()]), told);
    }

    #[test]
    fn every_reason_that_only_a_node_gives_has_its_texts() {
        let mut before = Vec::new();
        for maker in ["ApiError::", "Self::", "Refusal::"] {
            for family in ["invalid", "forbidden", "not_found", "refused", "unavailable"] {
                before.push(format!("{maker}{family}("));
            }
        }
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let mut reasons = literals_in("../node/src", &before);
        // These two families have one code each, stated where their answers are made.
        reasons.extend(["token".to_owned(), "failed".to_owned()]);
        assert!(reasons.len() > 20);
        let reasons: BTreeSet<String> = reasons.difference(&section("refusal")).cloned().collect();
        assert_eq!(section("answer"), reasons);
    }

    #[test]
    fn every_reason_has_its_remedy_and_the_node_says_the_same() {
        let mut english: BTreeMap<String, &str> = BTreeMap::from([("law".to_owned(), LAW_REMEDY)]);
        english.extend(REMEDIES.iter().map(|(code, text)| ((*code).to_owned(), *text)));
        let told: BTreeMap<String, &str> = section("remedy")
            .into_iter()
            .map(|code| {
                let text = Texts::new(Language::En).find(&format!("remedy.{code}"));
                (code, text.unwrap_or_default())
            })
            .collect();
        assert_eq!(told, english);
        let mut reasons = section("refusal");
        reasons.extend(section("answer"));
        let without: Vec<&String> = reasons.iter().filter(|code| !told.contains_key(*code)).collect();
        assert!(without.is_empty(), "no remedy for {without:?}");
    }

    #[test]
    fn every_mark_of_the_ledger_has_its_texts() {
        let mut marks = BTreeSet::new();
        for file in ["cases/law.rs", "cases/cross.rs"] {
            marks.extend(literals_in_ledger(
                file,
                &["Mark::new(", " mark(", "(mark(", "if incomplete { ", "} else { "],
            ));
        }
        assert!(marks.len() > 40);
        assert_eq!(section("mark"), marks);
        let weights = literals_in_ledger(
            "cases/law.rs",
            &["Self::Defect => ", "Self::Flag => ", "Self::Alarm => "],
        );
        assert_eq!(section("weight"), weights);
    }

    #[test]
    fn everything_that_explains_a_due_date_has_its_texts() {
        let set = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(
            section("party"),
            set(Party::ALL.iter().map(|one| one.as_str()).collect())
        );
        assert_eq!(
            section("unit"),
            set(DayUnit::ALL.iter().map(|one| one.as_str()).collect())
        );
        assert_eq!(
            section("clock-start"),
            set(Start::ALL.iter().map(|one| one.as_str()).collect())
        );
        assert_eq!(
            section("force"),
            set(Force::ALL.iter().map(|one| one.as_str()).collect())
        );
        assert_eq!(
            section("rung"),
            set(Rung::ALL.iter().map(|one| one.as_str()).collect())
        );
        let stated = [
            "Self::TaskDone => ",
            "Self::Rectified => ",
            "Self::MisuseEnded => ",
        ];
        assert_eq!(section("stated"), literals_in_ledger("cases/clocks.rs", &stated));
        let readings = SupplementReading::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(section("reading-supplement"), set(readings));
        assert_eq!(section("day"), literals_in_ledger("rules/calendar.rs", &["=> "]));
        let known: BTreeSet<String> = ["run", "due-status", "due-flag", "reading-extension"]
            .iter()
            .flat_map(|name| section(name))
            .collect();
        assert_eq!(known, literals_in_ledger("rules/due.rs", &["=> "]));
    }

    #[test]
    fn every_declared_field_and_code_has_its_texts_and_no_text_is_left_over() {
        let (names, codes) = declared();
        let mut used = BTreeSet::new();
        for (path, name) in &names {
            let narrow = format!("field.{path}.{name}");
            let wide = format!("field.{name}");
            let key = if catalogue().contains_key(&narrow) {
                narrow
            } else {
                wide
            };
            assert!(
                catalogue().contains_key(&key),
                "field {name} of {path} has no text"
            );
            used.insert(key);
        }
        for (field, code) in &codes {
            let narrow = format!("code.{field}.{code}");
            let wide = format!("code.{code}");
            let key = if catalogue().contains_key(&narrow) {
                narrow
            } else {
                wide
            };
            assert!(
                catalogue().contains_key(&key),
                "code {code} of {field} has no text"
            );
            used.insert(key);
        }
        for duty in DUTIES {
            assert!(
                catalogue().contains_key(&format!("code.{duty}")),
                "duty {duty} has no text"
            );
        }
        let known: BTreeSet<String> = ["field", "code"]
            .iter()
            .flat_map(|name| section(name).into_iter().map(move |key| format!("{name}.{key}")))
            .collect();
        let unused: Vec<_> = known.difference(&used).collect();
        assert!(unused.is_empty(), "texts of no field or code: {unused:#?}");
    }

    #[test]
    fn a_narrower_text_wins() {
        let texts = Texts::new(Language::En);
        assert_eq!(
            texts.field("task.handed-over", "to"),
            "department that takes over"
        );
        assert_eq!(texts.field("request.granted", "to"), "to");
        assert_eq!(texts.code("type", "daily"), "routine inspection");
        assert_eq!(texts.code("cycle", "daily"), "daily");
        assert_eq!(texts.kind("future.thing"), "future.thing");
    }

    #[test]
    fn the_language_is_the_flag_then_the_environment() {
        let with = |values: &'static [(&'static str, &'static str)]| {
            move |name: &str| {
                let found = values.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            }
        };
        assert_eq!(Language::choose(None, &with(&[])), Language::En);
        assert_eq!(
            Language::choose(None, &with(&[("LANG", "zh_CN.UTF-8")])),
            Language::Zh
        );
        assert_eq!(
            Language::choose(None, &with(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C.UTF-8")])),
            Language::En
        );
        assert_eq!(
            Language::choose(None, &with(&[("LANG", "en_GB"), ("TALLY_LANG", "zh")])),
            Language::Zh
        );
        assert_eq!(
            Language::choose(Some("en"), &with(&[("TALLY_LANG", "zh")])),
            Language::En
        );
    }

    #[test]
    fn placeholders_are_filled_once() {
        let text = fill("{a} of {b}, {c}", &[("a", &"{b}"), ("b", &2)]);
        assert_eq!(text, "{b} of 2, {c}");
    }
}
