//! The name of a thing in the languages that every document carries.

use crate::error::FormatError;
use crate::json::Json;
use crate::members::Members;

/// A name in English and in Chinese.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Names {
    /// The English name.
    pub en: String,
    /// The Chinese name.
    pub zh: String,
}

impl Names {
    /// Reads `{"en": .., "zh": ..}`.
    pub(crate) fn read(what: &'static str, path: &str, json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(what, path, json)?;
        let names = Self {
            en: members.text("en")?,
            zh: members.text("zh")?,
        };
        members.finish()?;
        Ok(names)
    }

    /// Returns the value as written in documents.
    pub fn to_json(&self) -> Json {
        Json::object([
            ("en", Json::from(self.en.as_str())),
            ("zh", Json::from(self.zh.as_str())),
        ])
    }
}
