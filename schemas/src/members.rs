//! Strict reading of JSON objects, member by member: every name that is not asked for is refused.
//!
//! For documents that people write as data (profiles, calendars). Errors carry the path of the member.

use crate::error::FormatError;
use crate::id::is_id;
use crate::json::Json;
use crate::time::Date;
use std::collections::{BTreeMap, BTreeSet};

/// The members of one object being read.
pub(crate) struct Members<'a> {
    what: &'static str,
    path: String,
    map: &'a BTreeMap<String, Json>,
    asked: BTreeSet<&'static str>,
}

impl<'a> Members<'a> {
    /// Starts reading an object.
    pub(crate) fn open(what: &'static str, path: &str, json: &'a Json) -> Result<Self, FormatError> {
        match json.as_object() {
            Some(map) => Ok(Self {
                what,
                path: path.to_owned(),
                map,
                asked: BTreeSet::new(),
            }),
            None => Err(wrong(
                what,
                path,
                format!("expected an object, got {}", json.kind()),
            )),
        }
    }

    /// Returns the path of a member, for errors.
    pub(crate) fn place(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// Builds an error about a member.
    pub(crate) fn wrong(&self, name: &str, why: impl Into<String>) -> FormatError {
        wrong(self.what, &self.place(name), why)
    }

    /// Returns a member that may be absent.
    pub(crate) fn maybe(&mut self, name: &'static str) -> Option<&'a Json> {
        self.asked.insert(name);
        self.map.get(name)
    }

    /// Returns a member that must be present.
    pub(crate) fn must(&mut self, name: &'static str) -> Result<&'a Json, FormatError> {
        self.maybe(name).ok_or_else(|| self.wrong(name, "is missing"))
    }

    /// Reads a string of 1 to 400 characters without control characters.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<String, FormatError> {
        let value = self.must(name)?;
        text_of(self.what, &self.place(name), value)
    }

    /// Reads an id.
    pub(crate) fn id(&mut self, name: &'static str) -> Result<String, FormatError> {
        let text = self.text(name)?;
        if is_id(&text) {
            Ok(text)
        } else {
            Err(self.wrong(name, format!("{text:?}, expected 1 to 40 of a-z 0-9 -")))
        }
    }

    /// Reads an id that may be absent.
    pub(crate) fn maybe_id(&mut self, name: &'static str) -> Result<Option<String>, FormatError> {
        match self.maybe(name) {
            Some(_) => self.id(name).map(Some),
            None => Ok(None),
        }
    }

    /// Reads an integer between two bounds.
    pub(crate) fn int(&mut self, name: &'static str, low: i64, high: i64) -> Result<i64, FormatError> {
        let value = self.must(name)?;
        match value.as_int() {
            Some(int) if (low..=high).contains(&int) => Ok(int),
            Some(int) => Err(self.wrong(name, format!("{int}, expected {low} to {high}"))),
            None => Err(self.wrong(name, format!("expected an integer, got {}", value.kind()))),
        }
    }

    /// Reads a positive integer up to a bound.
    pub(crate) fn count(&mut self, name: &'static str, high: u32) -> Result<u32, FormatError> {
        let int = self.int(name, 1, i64::from(high))?;
        u32::try_from(int).map_err(|_| self.wrong(name, "out of range"))
    }

    /// Reads a boolean.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, FormatError> {
        let value = self.must(name)?;
        value
            .as_bool()
            .ok_or_else(|| self.wrong(name, format!("expected true or false, got {}", value.kind())))
    }

    /// Reads a date.
    pub(crate) fn date(&mut self, name: &'static str) -> Result<Date, FormatError> {
        let text = self.text(name)?;
        Date::parse(&text).map_err(|error| self.wrong(name, error.to_string()))
    }

    /// Reads one of a closed set of codes.
    pub(crate) fn code<T: Copy>(
        &mut self,
        name: &'static str,
        all: &[T],
        as_str: fn(T) -> &'static str,
    ) -> Result<T, FormatError> {
        let text = self.text(name)?;
        code_of(self.what, &self.place(name), &text, all, as_str)
    }

    /// Reads an array with at most so many elements.
    pub(crate) fn array(&mut self, name: &'static str, max: usize) -> Result<&'a [Json], FormatError> {
        let value = self.must(name)?;
        let items = value
            .as_array()
            .ok_or_else(|| self.wrong(name, format!("expected an array, got {}", value.kind())))?;
        self.few(name, items.len(), max)?;
        Ok(items)
    }

    /// Reads an object whose keys are data, with at most so many members.
    pub(crate) fn table(
        &mut self,
        name: &'static str,
        max: usize,
    ) -> Result<&'a BTreeMap<String, Json>, FormatError> {
        let value = self.must(name)?;
        let members = value
            .as_object()
            .ok_or_else(|| self.wrong(name, format!("expected an object, got {}", value.kind())))?;
        self.few(name, members.len(), max)?;
        Ok(members)
    }

    fn few(&self, name: &str, count: usize, max: usize) -> Result<(), FormatError> {
        if count <= max {
            Ok(())
        } else {
            Err(self.wrong(name, format!("{count} elements, the limit is {max}")))
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// A member that was never asked for, with the names that exist.
    pub(crate) fn finish(self) -> Result<(), FormatError> {
        match self.map.keys().find(|key| !self.asked.contains(key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let shown: String = key.chars().take(60).collect();
                let known: Vec<&str> = self.asked.iter().copied().collect();
                Err(self.wrong(&shown, format!("unknown field; known are {}", known.join(", "))))
            }
        }
    }
}

/// Joins a path and a member name.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Builds an error about a place.
pub(crate) fn wrong(what: &'static str, path: &str, why: impl Into<String>) -> FormatError {
    let place = if path.is_empty() { "(document)" } else { path };
    FormatError::field(what, place, why)
}

/// Reads a string of 1 to 400 characters without control characters.
pub(crate) fn text_of(what: &'static str, path: &str, json: &Json) -> Result<String, FormatError> {
    let text = json
        .as_text()
        .ok_or_else(|| wrong(what, path, format!("expected a string, got {}", json.kind())))?;
    if text.is_empty() || text.chars().count() > TEXT_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(wrong(
            what,
            path,
            format!("expected 1 to {TEXT_CHARS_MAX} characters, none of them control characters"),
        ));
    }
    Ok(text.to_owned())
}

/// Finds a code in its closed set.
pub(crate) fn code_of<T: Copy>(
    what: &'static str,
    path: &str,
    text: &str,
    all: &[T],
    as_str: fn(T) -> &'static str,
) -> Result<T, FormatError> {
    match all.iter().copied().find(|value| as_str(*value) == text) {
        Some(value) => Ok(value),
        None => {
            let known: Vec<&str> = all.iter().map(|value| as_str(*value)).collect();
            let shown: String = text.chars().take(60).collect();
            Err(wrong(
                what,
                path,
                format!("{shown:?}, expected one of {}", known.join(", ")),
            ))
        }
    }
}

/// Declares a closed set of codes: an enum with its text forms.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $( $(#[$variant_doc:meta])* $variant:ident $text:literal; )* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $( $(#[$variant_doc])* $variant, )* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// Returns the text form.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }

            /// Finds the value of a text form.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $( $text => Some(Self::$variant), )* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use codes;

/// The longest text of a profile or calendar in characters: a name or a reference, never prose.
const TEXT_CHARS_MAX: usize = 400;
