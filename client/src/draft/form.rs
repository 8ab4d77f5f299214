//! Forms: an act as its officer fills it in, before it is signed. A form file is TOML with comments in the chosen language.

use super::value::{self, Unfit};
use crate::texts::Texts;
use std::collections::BTreeMap;
use tally_schemas::event::{EventKind, Field, FieldType};
use tally_schemas::json::Json;

/// What stands outside the body, as written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The case: its number such as `housing/req-2026-0031`, or the id of the event that opened it.
    pub case: Option<String>,
    /// The post that the officer signs from.
    pub post: Option<String>,
    /// The post that approves.
    pub approver: Option<String>,
    /// The departments addressed.
    pub to: Vec<String>,
    /// The departments that may read detached parts; empty means all.
    pub audience: Vec<String>,
    /// The date of effect.
    pub effective: Option<String>,
    /// The number of the paper.
    pub doc_no: Option<String>,
    /// Provisions, each as `act:article`.
    pub legal_basis: Vec<String>,
    /// `own`, `paper` or `import`.
    pub source: Option<String>,
    /// The number in another system, as `system:number`.
    pub external_ref: Option<String>,
    /// The plan that a finding rests on.
    pub mandate: Option<String>,
    /// The event that this one corrects.
    pub corrects: Option<String>,
    /// Files, each as `path` or `path:name for people`.
    pub attach: Vec<String>,
    /// Free texts to keep out of the log.
    pub detach: Vec<String>,
    /// Why a text that looks like personal data is none or must stand.
    pub allow_personal: Option<String>,
    /// The draft of the box that this one takes the place of.
    pub replaces: Option<String>,
}

/// What is written under `to` for an act that is addressed to no department, though its case concerns some.
pub const NOBODY: &str = "NOBODY";

/// A member of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    One,
    Many,
}

/// The members of the head in the order of a form file.
const HEAD: &[(&str, Member)] = &[
    ("case", Member::One),
    ("post", Member::One),
    ("approver", Member::One),
    ("to", Member::Many),
    ("audience", Member::Many),
    ("effective", Member::One),
    ("doc_no", Member::One),
    ("legal_basis", Member::Many),
    ("source", Member::One),
    ("external_ref", Member::One),
    ("mandate", Member::One),
    ("corrects", Member::One),
    ("attach", Member::Many),
    ("detach", Member::Many),
    ("allow_personal", Member::One),
    ("replaces", Member::One),
];

fn explain(texts: Texts, name: &str) -> &'static str {
    match name {
        "case" => texts.say("form.case"),
        "post" => texts.say("form.post"),
        "approver" => texts.say("form.approver"),
        "to" => texts.say("form.to"),
        "audience" => texts.say("form.audience"),
        "effective" => texts.say("form.effective"),
        "doc_no" => texts.say("form.doc-no"),
        "legal_basis" => texts.say("form.legal-basis"),
        "source" => texts.say("form.source"),
        "external_ref" => texts.say("form.external-ref"),
        "mandate" => texts.say("form.mandate"),
        "corrects" => texts.say("form.corrects"),
        "attach" => texts.say("form.attach"),
        "detach" => texts.say("form.detach"),
        "replaces" => texts.say("form.replaces"),
        _ => texts.say("form.allow-personal"),
    }
}

impl Head {
    fn one(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "case" => &mut self.case,
            "post" => &mut self.post,
            "approver" => &mut self.approver,
            "effective" => &mut self.effective,
            "doc_no" => &mut self.doc_no,
            "source" => &mut self.source,
            "external_ref" => &mut self.external_ref,
            "mandate" => &mut self.mandate,
            "corrects" => &mut self.corrects,
            "allow_personal" => &mut self.allow_personal,
            "replaces" => &mut self.replaces,
            _ => return None,
        })
    }

    fn many(&mut self, name: &str) -> Option<&mut Vec<String>> {
        Some(match name {
            "to" => &mut self.to,
            "audience" => &mut self.audience,
            "legal_basis" => &mut self.legal_basis,
            "attach" => &mut self.attach,
            "detach" => &mut self.detach,
            _ => return None,
        })
    }
}

/// An act as filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What the act is.
    pub kind: EventKind,
    /// What stands outside the body.
    pub head: Head,
    /// The fields of the body; free texts are inline here.
    pub body: BTreeMap<String, Json>,
}

/// Why a form could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// The file is no TOML.
    #[error("the form is no TOML")]
    Syntax {
        /// What the reader said.
        why: String,
    },
    /// The kind is not known.
    #[error("unknown kind {got}, the nearest is {nearest}")]
    Kind {
        /// What was written.
        got: String,
        /// The kind most like it.
        nearest: String,
    },
    /// A member of the head or a field of the body is not known.
    #[error("unknown field {got}, the nearest is {nearest}")]
    Unknown {
        /// What was written.
        got: String,
        /// The name most like it.
        nearest: String,
    },
    /// A value does not fit its field.
    #[error("the value of field {field} does not fit")]
    Value {
        /// The field.
        field: String,
        /// Why not.
        why: Unfit,
    },
    /// A member of the head has the wrong type.
    #[error("field {field} expects a text or a list of texts")]
    Type {
        /// The field.
        field: String,
    },
}

/// Finds a kind of event.
///
/// # Errors
/// An unknown kind, with the nearest one.
pub fn kind_of(text: &str) -> Result<EventKind, FormError> {
    EventKind::parse(text).ok_or_else(|| {
        let all: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        FormError::Kind {
            got: text.to_owned(),
            nearest: value::nearest(text, &all).unwrap_or_default().to_owned(),
        }
    })
}

impl Form {
    /// Starts an empty form.
    pub fn new(kind: EventKind) -> Self {
        Self {
            kind,
            head: Head::default(),
            body: BTreeMap::new(),
        }
    }

    /// Sets a field of the body from what a person wrote; repeated for a list, it adds an element.
    ///
    /// # Errors
    /// An unknown field or a value that does not fit.
    pub fn set(&mut self, name: &str, written: &str) -> Result<(), FormError> {
        let field = self.field(name)?;
        let unfit = |why| FormError::Value {
            field: name.to_owned(),
            why,
        };
        let parsed = value::parse(field.name, field.kind, written).map_err(unfit)?;
        match (field.kind, self.body.get_mut(name), parsed) {
            (FieldType::List(..), Some(Json::Array(have)), Json::Array(more)) => have.extend(more),
            (_, _, parsed) => drop(self.body.insert(name.to_owned(), parsed)),
        }
        Ok(())
    }

    /// Finds a declared field.
    ///
    /// # Errors
    /// An unknown field, with the nearest one.
    pub fn field(&self, name: &str) -> Result<&'static Field, FormError> {
        let fields = self.kind.fields();
        fields.iter().find(|field| field.name == name).ok_or_else(|| {
            let all: Vec<&str> = fields.iter().map(|field| field.name).collect();
            FormError::Unknown {
                got: name.to_owned(),
                nearest: value::nearest(name, &all).unwrap_or_default().to_owned(),
            }
        })
    }

    /// Returns the required fields that are not filled in.
    pub fn missing(&self) -> Vec<&'static Field> {
        self.kind
            .fields()
            .iter()
            .filter(|field| field.required && !self.body.contains_key(field.name))
            .collect()
    }

    /// Reads a form file. Empty values count as not filled in.
    ///
    /// # Errors
    /// What is no form, with the place at fault.
    pub fn parse_toml(text: &str) -> Result<Self, FormError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| FormError::Syntax {
            why: error.to_string().trim().to_owned(),
        })?;
        let kind = table
            .get("kind")
            .and_then(toml::Value::as_str)
            .unwrap_or_default();
        let mut form = Self::new(kind_of(kind)?);
        for (name, member) in &table {
            match (name.as_str(), member) {
                ("kind", _) => {}
                ("body", toml::Value::Table(body)) => {
                    for (field, member) in body {
                        form.set_toml(field, member)?;
                    }
                }
                (name, member) => form.set_head(name, member)?,
            }
        }
        Ok(form)
    }

    fn set_head(&mut self, name: &str, member: &toml::Value) -> Result<(), FormError> {
        let wrong = || FormError::Type {
            field: name.to_owned(),
        };
        if let Some(slot) = self.head.one(name) {
            let text = scalar(member).ok_or_else(wrong)?;
            *slot = Some(text).filter(|text| !text.trim().is_empty());
        } else if let Some(slot) = self.head.many(name) {
            *slot = match member {
                toml::Value::Array(list) => {
                    let texts: Option<Vec<String>> = list.iter().map(scalar).collect();
                    texts.ok_or_else(wrong)?
                }
                other => vec![scalar(other).ok_or_else(wrong)?],
            };
            slot.retain(|text| !text.trim().is_empty());
        } else {
            let mut all: Vec<&str> = HEAD.iter().map(|(name, _)| *name).collect();
            all.extend(["kind", "body"]);
            return Err(FormError::Unknown {
                got: name.to_owned(),
                nearest: value::nearest(name, &all).unwrap_or_default().to_owned(),
            });
        }
        Ok(())
    }

    fn set_toml(&mut self, name: &str, member: &toml::Value) -> Result<(), FormError> {
        let field = self.field(name)?;
        let empty = match member {
            toml::Value::String(text) => text.trim().is_empty(),
            toml::Value::Array(list) => list.is_empty(),
            _ => false,
        };
        if !empty {
            let parsed = from_toml(field.name, field.kind, member)?;
            self.body.insert(name.to_owned(), parsed);
        }
        Ok(())
    }

    /// Writes the form as a file: every field with its name, whether it is required, and what it expects.
    pub fn to_toml(&self, texts: Texts) -> String {
        let mut out = String::new();
        let mut line = |text: &str| {
            out.push_str(text);
            out.push('\n');
        };
        line(&format!("# {}", texts.kind_with_id(self.kind)));
        for part in texts.say("form.top").lines() {
            line(&format!("# {part}"));
        }
        line(&format!("kind = {}", quoted(self.kind.as_str())));
        let mut head = self.head.clone();
        for (name, member) in HEAD {
            if *name == "case" && self.kind.opens_case() {
                continue;
            }
            line("");
            line(&format!("# {}", explain(texts, name)));
            match member {
                Member::One => {
                    let text = head.one(name).and_then(|slot| slot.clone()).unwrap_or_default();
                    line(&format!("{name} = {}", quoted(&text)));
                }
                Member::Many => {
                    let list: Vec<String> = head
                        .many(name)
                        .map(|slot| slot.iter().map(|text| quoted(text)).collect())
                        .unwrap_or_default();
                    line(&format!("{name} = [{}]", list.join(", ")));
                }
            }
        }
        line("");
        line("[body]");
        for field in self.kind.fields() {
            let need = if field.required {
                texts.say("form.required")
            } else {
                texts.say("form.optional")
            };
            line("");
            line(&format!(
                "# {} ({need})",
                texts.field(self.kind.as_str(), field.name)
            ));
            for part in value::expectation(texts, field.name, field.kind).lines() {
                line(&format!("#   {part}"));
            }
            line(&format!("{} = {}", field.name, self.written(field)));
        }
        out
    }

    fn written(&self, field: &Field) -> String {
        match (field.kind, self.body.get(field.name)) {
            (FieldType::List(..), None) => "[]".to_owned(),
            (_, None) => "\"\"".to_owned(),
            (FieldType::List(of, _), Some(Json::Array(list))) => {
                let parts: Vec<String> = list
                    .iter()
                    .map(|value| quoted(&value::show(*of, value)))
                    .collect();
                format!("[{}]", parts.join(", "))
            }
            (_, Some(Json::Bool(flag))) => flag.to_string(),
            (_, Some(Json::Int(number))) => number.to_string(),
            (kind, Some(json)) => quoted(&value::show(kind, json)),
        }
    }
}

/// Writes a TOML string: basic for one line, literal lines for several.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn scalar(member: &toml::Value) -> Option<String> {
    match member {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Datetime(date) => Some(date.to_string()),
        _ => None,
    }
}

fn from_toml(field: &str, kind: FieldType, member: &toml::Value) -> Result<Json, FormError> {
    let wrong = || FormError::Type {
        field: field.to_owned(),
    };
    let unfit = |why| FormError::Value {
        field: field.to_owned(),
        why,
    };
    match (kind, member) {
        (FieldType::List(of, max), toml::Value::Array(list)) => {
            let values: Result<Vec<Json>, FormError> =
                list.iter().map(|value| from_toml(field, *of, value)).collect();
            let values = values?;
            if values.len() > usize::from(max) {
                let none: [&str; 0] = [];
                let too_many = value::list(field, *of, max, &none).err();
                return Err(too_many.map_or_else(wrong, unfit));
            }
            Ok(Json::Array(values))
        }
        (FieldType::Items, toml::Value::Array(list)) => {
            let numbers: Option<Vec<String>> = list.iter().map(scalar).collect();
            let joined = numbers.ok_or_else(wrong)?.join(",");
            value::parse(field, kind, &joined).map_err(unfit)
        }
        (FieldType::Object(fields), toml::Value::Table(table)) => {
            let mut members = Vec::new();
            for (name, member) in table {
                let inner = fields.iter().find(|inner| inner.name == name).ok_or_else(|| {
                    let all: Vec<&str> = fields.iter().map(|inner| inner.name).collect();
                    FormError::Unknown {
                        got: format!("{field}.{name}"),
                        nearest: value::nearest(name, &all).unwrap_or_default().to_owned(),
                    }
                })?;
                members.push((inner.name, from_toml(inner.name, inner.kind, member)?));
            }
            Ok(Json::object(members))
        }
        (_, member) => {
            let text = scalar(member).ok_or_else(wrong)?;
            value::parse(field, kind, &text).map_err(unfit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;
    use assert_matches::assert_matches;

    #[test]
    fn an_empty_form_of_every_kind_reads_back_in_both_languages() {
        for kind in EventKind::ALL {
            for language in [Language::En, Language::Zh] {
                let form = Form::new(*kind);
                let text = form.to_toml(Texts::new(language));
                assert_eq!(Form::parse_toml(&text), Ok(form), "{text}");
            }
        }
    }

    #[test]
    fn a_filled_form_reads_back() {
        let mut form = Form::new(EventKind::RequestFiled);
        form.head.to = vec!["civil".to_owned()];
        form.head.legal_basis = vec!["Order 809:20".to_owned()];
        for (name, text) in [
            ("class", "conditional"),
            ("items", "1:name"),
            ("items", "2:date \"of\" birth"),
            ("basis", "line one\nline two"),
            ("scenario", "s"),
            ("scope", "x"),
            ("mode", "api"),
            ("useFrom", "2026-01-05"),
            ("useTo", "2026-12-31"),
            ("statement", "yes"),
        ] {
            form.set(name, text).unwrap();
        }
        assert!(form.missing().is_empty());
        let text = form.to_toml(Texts::new(Language::Zh));
        assert_eq!(Form::parse_toml(&text), Ok(form));
    }

    #[test]
    fn native_toml_values_are_read_too() {
        let form = Form::parse_toml(
            "kind = \"request.granted\"\ncase = \"a/req-2026-0001\"\n[body]\nitems = [3, 1]\nfrom = 2026-01-05\nto = \"2026-02-01\"\n\
             mode = \"api\"\nconditions = [{ kind = \"rate\", text = \"10 a day\" }, \"purpose:audit\"]\n",
        )
        .unwrap();
        let body = Json::Object(form.body.into_iter().collect());
        insta::assert_snapshot!("native_body", body.to_canonical());
    }

    #[test]
    fn typing_errors_name_the_nearest_word() {
        assert_matches!(
            Form::parse_toml("kind = \"request.grant\"\n"),
            Err(FormError::Kind { nearest, .. }) if nearest == "request.granted"
        );
        assert_matches!(
            Form::parse_toml("kind = \"request.granted\"\ndocno = \"1\"\n"),
            Err(FormError::Unknown { nearest, .. }) if nearest == "doc_no"
        );
        assert_matches!(
            Form::parse_toml("kind = \"request.granted\"\n[body]\nitem = \"1\"\n"),
            Err(FormError::Unknown { nearest, .. }) if nearest == "items"
        );
        assert_matches!(
            Form::parse_toml("kind = \"request.granted\"\n[body]\nmode = 3\n"),
            Err(FormError::Value { .. })
        );
    }

    #[test]
    fn a_form_file_explains_itself() {
        let form = Form::new(EventKind::RequestRefused);
        insta::assert_snapshot!("form_refused_zh", form.to_toml(Texts::new(Language::Zh)));
        insta::assert_snapshot!("form_refused_en", form.to_toml(Texts::new(Language::En)));
    }
}
