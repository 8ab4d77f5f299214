//! Guided prompts: the fields of a kind asked one after the other, with their names, limits and choices.
//!
//! What is asked comes from the declared field table alone; how it is asked is behind [`Ask`].

use super::form::Form;
use super::value;
use crate::texts::Texts;
use std::collections::{BTreeMap, BTreeSet};
use tally_schemas::event::{Field, FieldType};
use tally_schemas::json::Json;

/// Why asking ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The officer broke off.
    #[error("the officer broke off")]
    Stopped,
    /// The terminal cannot be used.
    #[error("the terminal cannot be used: {0}")]
    Terminal(String),
}

/// Checks what was typed; gives the reason when it does not fit.
pub type Check<'a> = &'a dyn Fn(&str) -> Result<(), String>;

/// A way of asking a person.
pub trait Ask {
    /// Asks for a text.
    ///
    /// # Errors
    /// The officer broke off.
    fn text(&mut self, label: &str, help: &str, check: Check<'_>) -> Result<String, AskError>;

    /// Asks for one of several choices; returns its place.
    ///
    /// # Errors
    /// The officer broke off.
    fn select(&mut self, label: &str, choices: &[String]) -> Result<usize, AskError>;

    /// Asks for any of several choices, of which some are marked already; returns their places.
    ///
    /// # Errors
    /// The officer broke off.
    fn several(&mut self, label: &str, choices: &[String], marked: &[usize]) -> Result<Vec<usize>, AskError>;

    /// Asks yes or no.
    ///
    /// # Errors
    /// The officer broke off.
    fn confirm(&mut self, label: &str) -> Result<bool, AskError>;
}

/// What can be chosen where the field table alone does not say: id and what is shown for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    /// Departments of the federation.
    pub departments: Vec<(String, String)>,
    /// Grounds of refusal of the profile.
    pub grounds: Vec<(String, String)>,
    /// Those of the grounds that count only with the provision they rest on.
    pub cited: BTreeSet<String>,
    /// Violations of the profile.
    pub violations: Vec<(String, String)>,
    /// Posts of the own department.
    pub posts: Vec<(String, String)>,
    /// Officers of the own department.
    pub officers: Vec<(String, String)>,
    /// Events that a field can name, by field.
    pub events: BTreeMap<String, Vec<(String, String)>>,
    /// The data items that the act can be about.
    pub items: Vec<(u16, String)>,
}

impl Choices {
    /// Returns the fields that the form leaves open but what was chosen in it demands: whoever approves could not record it without.
    fn demanded(&self, form: &Form) -> Option<&'static str> {
        match form.body.get("ground") {
            Some(Json::Text(ground)) if self.cited.contains(ground) => Some("citation"),
            _ => None,
        }
    }

    fn of(&self, field: &str, kind: FieldType) -> &[(String, String)] {
        match (kind, field) {
            (FieldType::Event, _) => self.events.get(field).map_or(&[], Vec::as_slice),
            (FieldType::Officer, _) => &self.officers,
            (FieldType::Department, _) => &self.departments,
            (FieldType::ProfileCode, "ground") => &self.grounds,
            (FieldType::ProfileCode, _) => &self.violations,
            (FieldType::Post, _) => &self.posts,
            _ => &[],
        }
    }
}

/// Asks for every required field that is not filled in, then for the optional ones that the officer picks.
///
/// # Errors
/// The officer broke off; what was answered stays in the form.
pub fn fill(form: &mut Form, texts: Texts, choices: &Choices, ask: &mut dyn Ask) -> Result<(), AskError> {
    for field in form.missing() {
        let value = ask_field(form.kind.as_str(), field, texts, choices, ask)?;
        form.body.insert(field.name.to_owned(), value);
    }
    if let Some(name) = choices.demanded(form) {
        let field = form.kind.fields().iter().find(|field| field.name == name);
        if let Some(field) = field.filter(|_| !form.body.contains_key(name)) {
            let value = ask_field(form.kind.as_str(), field, texts, choices, ask)?;
            form.body.insert(name.to_owned(), value);
        }
    }
    let open: Vec<&'static Field> = form
        .kind
        .fields()
        .iter()
        .filter(|field| !field.required && !form.body.contains_key(field.name))
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = open
        .iter()
        .map(|field| texts.field(form.kind.as_str(), field.name).to_owned())
        .collect();
    let picked = ask.several(texts.say("prompt.optional"), &names, &[])?;
    for place in picked {
        if let Some(field) = open.get(place) {
            let value = ask_field(form.kind.as_str(), field, texts, choices, ask)?;
            form.body.insert(field.name.to_owned(), value);
        }
    }
    Ok(())
}

fn ask_field(
    path: &str,
    field: &Field,
    texts: Texts,
    choices: &Choices,
    ask: &mut dyn Ask,
) -> Result<Json, AskError> {
    let label = texts.field(path, field.name);
    ask_value(path, label, field.name, field.kind, texts, choices, ask)
}

fn ask_value(
    path: &str,
    label: &str,
    name: &str,
    kind: FieldType,
    texts: Texts,
    choices: &Choices,
    ask: &mut dyn Ask,
) -> Result<Json, AskError> {
    match kind {
        FieldType::Code(codes) => {
            let shown: Vec<String> = codes
                .iter()
                .map(|code| texts.code(name, code).to_owned())
                .collect();
            let place = ask.select(label, &shown)?;
            let code = codes.get(place).copied().unwrap_or_default();
            Ok(Json::Text(code.to_owned()))
        }
        FieldType::Flag => Ok(Json::Bool(ask.confirm(label)?)),
        FieldType::List(FieldType::Code(codes), _) => loop {
            let shown: Vec<String> = codes
                .iter()
                .map(|code| texts.code(name, code).to_owned())
                .collect();
            let places = ask.several(label, &shown, &[])?;
            let list: Vec<Json> = places
                .iter()
                .filter_map(|place| codes.get(*place))
                .map(|code| Json::Text((*code).to_owned()))
                .collect();
            if !list.is_empty() {
                return Ok(Json::Array(list));
            }
        },
        // All that the act can be about is marked: most acts are about all of it.
        FieldType::Items if !choices.items.is_empty() => loop {
            let shown: Vec<String> = choices.items.iter().map(|(_, name)| name.clone()).collect();
            let marked: Vec<usize> = (0..shown.len()).collect();
            let places = ask.several(label, &shown, &marked)?;
            let list: Vec<Json> = places
                .iter()
                .filter_map(|place| choices.items.get(*place))
                .map(|(number, _)| Json::Int(i64::from(*number)))
                .collect();
            if !list.is_empty() {
                return Ok(Json::Array(list));
            }
        },
        FieldType::List(of, max) if !choices.of(name, *of).is_empty() => loop {
            let known = choices.of(name, *of);
            let shown: Vec<String> = known.iter().map(|(_, name)| name.clone()).collect();
            let places = ask.several(label, &shown, &[])?;
            let list: Vec<Json> = places
                .iter()
                .filter_map(|place| known.get(*place))
                .map(|(id, _)| Json::Text(id.clone()))
                .collect();
            if (1..=usize::from(max)).contains(&list.len()) {
                return Ok(Json::Array(list));
            }
        },
        FieldType::List(of, max) => {
            let mut list = Vec::new();
            while list.len() < usize::from(max) {
                let label = texts.fill(
                    "prompt.element",
                    &[("name", &label), ("number", &(list.len() + 1))],
                );
                let number = list.len() + 1;
                list.push(match of {
                    FieldType::Object(fields) => {
                        ask_object(path, &label, name, fields, Some(number), texts, choices, ask)?
                    }
                    of => ask_value(path, &label, name, *of, texts, choices, ask)?,
                });
                if !ask.confirm(texts.say("prompt.more"))? {
                    break;
                }
            }
            Ok(Json::Array(list))
        }
        FieldType::Object(fields) => ask_object(path, label, name, fields, None, texts, choices, ask),
        _ => {
            let known = choices.of(name, kind);
            if !known.is_empty() {
                let shown: Vec<String> = known.iter().map(|(_, name)| name.clone()).collect();
                let place = ask.select(label, &shown)?;
                let id = known.get(place).map(|(id, _)| id.clone()).unwrap_or_default();
                return Ok(Json::Text(id));
            }
            let help = value::expectation(texts, name, kind);
            loop {
                let check = |text: &str| {
                    value::parse(name, kind, text)
                        .map(drop)
                        .map_err(|unfit| unfit.message(texts))
                };
                let typed = ask.text(label, &help, &check)?;
                if let Ok(json) = value::parse(name, kind, &typed) {
                    return Ok(json);
                }
            }
        }
    }
}

/// Asks for the required fields of an object; in a list, what only numbers its elements is not asked.
#[expect(
    clippy::too_many_arguments,
    reason = "the place of the object and what asks, as for every value"
)]
fn ask_object(
    path: &str,
    label: &str,
    name: &str,
    fields: &[Field],
    number: Option<usize>,
    texts: Texts,
    choices: &Choices,
    ask: &mut dyn Ask,
) -> Result<Json, AskError> {
    let inner_path = format!("{path}.{name}");
    let mut members = Vec::new();
    for field in fields {
        let inner = format!("{label} - {}", texts.field(&inner_path, field.name));
        let counted = number.filter(|_| field.name == "number" && field.required);
        if let Some(number) = counted.and_then(|number| i64::try_from(number).ok()) {
            members.push((field.name, Json::Int(number)));
        } else if field.required || field.kind == FieldType::Flag {
            let value = ask_value(&inner_path, &inner, field.name, field.kind, texts, choices, ask)?;
            members.push((field.name, value));
        }
    }
    Ok(Json::object(members))
}

/// How many choices are shown at once.
const PAGE_LINES: usize = 12;

/// Asks on the terminal.
#[derive(Debug, Clone, Copy)]
pub struct TerminalAsk {
    /// The texts of the keys that can be pressed.
    pub texts: Texts,
}

fn told(error: inquire::InquireError) -> AskError {
    match error {
        inquire::InquireError::OperationCanceled | inquire::InquireError::OperationInterrupted => {
            AskError::Stopped
        }
        other => AskError::Terminal(other.to_string()),
    }
}

impl Ask for TerminalAsk {
    fn text(&mut self, label: &str, help: &str, check: Check<'_>) -> Result<String, AskError> {
        let mut shown = help.to_owned();
        loop {
            let typed = inquire::Text::new(label)
                .with_help_message(&shown)
                .prompt()
                .map_err(told)?;
            match check(&typed) {
                Ok(()) => return Ok(typed),
                Err(why) => shown = self.texts.fill("prompt.again", &[("why", &why)]),
            }
        }
    }

    fn select(&mut self, label: &str, choices: &[String]) -> Result<usize, AskError> {
        inquire::Select::new(label, choices.to_vec())
            .with_help_message(self.texts.say("prompt.keys-select"))
            .with_page_size(PAGE_LINES)
            .raw_prompt()
            .map(|option| option.index)
            .map_err(told)
    }

    fn several(&mut self, label: &str, choices: &[String], marked: &[usize]) -> Result<Vec<usize>, AskError> {
        inquire::MultiSelect::new(label, choices.to_vec())
            .with_default(marked)
            .with_help_message(self.texts.say("prompt.keys-several"))
            .with_page_size(PAGE_LINES)
            .raw_prompt()
            .map(|options| options.iter().map(|option| option.index).collect())
            .map_err(told)
    }

    fn confirm(&mut self, label: &str) -> Result<bool, AskError> {
        let choices = vec![
            self.texts.say("ui.yes").to_owned(),
            self.texts.say("ui.no").to_owned(),
        ];
        let fits = |typed: &str, _: &String, _: &str, place: usize| {
            let is_yes = place == 0;
            (typed.is_empty() || meant(typed) == Some(is_yes)).then_some(0)
        };
        inquire::Select::new(label, choices)
            .with_help_message(self.texts.say("prompt.keys-confirm"))
            .with_scorer(&fits)
            .raw_prompt()
            .map(|option| option.index == 0)
            .map_err(told)
    }
}

/// Returns what a typed answer to yes or no means, in either language.
fn meant(typed: &str) -> Option<bool> {
    match typed.trim().to_lowercase().as_str() {
        "y" | "ye" | "yes" | "\u{662f}" | "\u{662f}\u{7684}" => Some(true),
        "n" | "no" | "\u{5426}" | "\u{4e0d}" | "\u{4e0d}\u{662f}" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;
    use std::collections::VecDeque;
    use tally_schemas::event::EventKind;

    /// Answers as a person would, from a list, and keeps what was asked.
    struct Scripted {
        answers: VecDeque<&'static str>,
        asked: Vec<String>,
    }

    impl Scripted {
        fn next(&mut self, label: &str) -> &'static str {
            self.asked.push(label.to_owned());
            self.answers.pop_front().unwrap()
        }

        fn place(choices: &[String], answer: &str) -> usize {
            let found = choices.iter().position(|choice| choice == answer);
            found.unwrap_or_else(|| panic!("{answer} is not among {choices:?}"))
        }
    }

    impl Ask for Scripted {
        fn text(&mut self, label: &str, help: &str, check: Check<'_>) -> Result<String, AskError> {
            loop {
                let typed = self.next(&format!("{label} <{help}>"));
                match check(typed) {
                    Ok(()) => return Ok(typed.to_owned()),
                    Err(why) => self.asked.push(format!("! {why}")),
                }
            }
        }

        fn select(&mut self, label: &str, choices: &[String]) -> Result<usize, AskError> {
            let answer = self.next(label);
            Ok(Self::place(choices, answer))
        }

        fn several(
            &mut self,
            label: &str,
            choices: &[String],
            marked: &[usize],
        ) -> Result<Vec<usize>, AskError> {
            let answer = self.next(&format!("{label} {choices:?}"));
            if answer == "as marked" {
                return Ok(marked.to_vec());
            }
            let picked = answer.split('/').filter(|part| !part.is_empty());
            Ok(picked.map(|part| Self::place(choices, part)).collect())
        }

        fn confirm(&mut self, label: &str) -> Result<bool, AskError> {
            Ok(self.next(label) == "yes")
        }
    }

    #[test]
    fn a_ground_that_needs_a_provision_is_asked_for_it_at_once() {
        let mut form = Form::new(EventKind::RequestRefused);
        form.set("items", "1").unwrap();
        form.set("reason", "r").unwrap();
        let choices = Choices {
            grounds: vec![("LAW_PROHIBITS".to_owned(), "law".to_owned())],
            cited: BTreeSet::from(["LAW_PROHIBITS".to_owned()]),
            ..Choices::default()
        };
        let mut ask = Scripted {
            answers: VecDeque::from(["law", "Art. 9", ""]),
            asked: Vec::new(),
        };
        fill(&mut form, Texts::new(Language::En), &choices, &mut ask).unwrap();
        assert_eq!(form.body.get("citation"), Some(&Json::Text("Art. 9".to_owned())));
        assert!(!ask.asked[2].contains("Provision"), "{:?}", ask.asked);
    }

    #[test]
    fn asks_in_chinese_with_choices_and_limits_and_again_when_it_does_not_fit() {
        let mut form = Form::new(EventKind::RequestRefused);
        form.set("items", "1").unwrap();
        let choices = Choices {
            grounds: vec![(
                "LAW_PROHIBITS".to_owned(),
                "\u{6cd5}\u{5f8b}\u{7981}\u{6b62}".to_owned(),
            )],
            ..Choices::default()
        };
        let mut ask = Scripted {
            answers: VecDeque::from([
                "\u{6cd5}\u{5f8b}\u{7981}\u{6b62}",
                "",
                "secrecy",
                "\u{7b54}\u{590d}\u{65e5}\u{671f}",
                "2026-1",
                "2026-01-05",
            ]),
            asked: Vec::new(),
        };
        fill(&mut form, Texts::new(Language::Zh), &choices, &mut ask).unwrap();
        let body = Json::Object(form.body.clone());
        insta::assert_snapshot!("answered_body", body.to_canonical());
        insta::assert_snapshot!("prompts_refused_zh", ask.asked.join("\n"));
    }

    #[test]
    fn lists_of_objects_are_asked_element_by_element_and_numbered() {
        let mut form = Form::new(EventKind::RequestFiled);
        for (name, text) in [
            ("class", "conditional"),
            ("basis", "b"),
            ("scenario", "s"),
            ("scope", "x"),
            ("mode", "api"),
            ("useFrom", "2026-01-05"),
            ("useTo", "2026-12-31"),
            ("statement", "yes"),
        ] {
            form.set(name, text).unwrap();
        }
        let mut ask = Scripted {
            answers: VecDeque::from(["name", "yes", "address", "no", ""]),
            asked: Vec::new(),
        };
        fill(&mut form, Texts::new(Language::En), &Choices::default(), &mut ask).unwrap();
        let items = form.body.get("items").unwrap();
        assert_eq!(
            items.to_canonical(),
            r#"[{"name":"name","number":1},{"name":"address","number":2}]"#
        );
        assert!(form.missing().is_empty());
    }

    #[test]
    fn items_and_events_are_chosen_by_name_and_all_items_are_marked() {
        let mut form = Form::new(EventKind::RequestDelayAccepted);
        let choices = Choices {
            events: BTreeMap::from([(
                "explanation".to_owned(),
                vec![("ab".repeat(32), "reason for the delay, 2026-03-02".to_owned())],
            )]),
            items: vec![(1, "1 name".to_owned()), (2, "2 address".to_owned())],
            ..Choices::default()
        };
        let mut ask = Scripted {
            answers: VecDeque::from(["reason for the delay, 2026-03-02", ""]),
            asked: Vec::new(),
        };
        fill(&mut form, Texts::new(Language::En), &choices, &mut ask).unwrap();
        assert_eq!(form.body.get("explanation"), Some(&Json::Text("ab".repeat(32))));
        let mut form = Form::new(EventKind::RequestAnswerRetracted);
        form.set("reason", "typed in the wrong case").unwrap();
        let mut ask = Scripted {
            answers: VecDeque::from(["as marked"]),
            asked: Vec::new(),
        };
        fill(&mut form, Texts::new(Language::En), &choices, &mut ask).unwrap();
        assert_eq!(
            form.body.get("items").map(Json::to_canonical),
            Some("[1,2]".to_owned())
        );
    }

    #[test]
    fn yes_and_no_are_understood_in_both_languages_and_nothing_else_is() {
        for yes in ["y", "Y", "yes", " YES ", "\u{662f}"] {
            assert_eq!(meant(yes), Some(true), "{yes}");
        }
        for no in ["n", "no", "No", "\u{5426}"] {
            assert_eq!(meant(no), Some(false), "{no}");
        }
        for other in ["", "ja", "x", "yesterday", "nope"] {
            assert_eq!(meant(other), None, "{other}");
        }
    }
}
