//! The JSON of views: members in one order, what is absent left out.

use crate::cases::law::Mark;
use std::fmt::Display;
use tally_schemas::json::Json;

/// Builds an object of the members that are present.
pub(super) fn object(members: impl IntoIterator<Item = (&'static str, Option<Json>)>) -> Json {
    Json::object(
        members
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value))),
    )
}

/// Writes a value that has one text form.
pub(super) fn text(value: impl Display) -> Option<Json> {
    Some(Json::Text(value.to_string()))
}

/// Writes a value that may be absent.
pub(super) fn maybe(value: Option<impl Display>) -> Option<Json> {
    value.and_then(text)
}

/// Writes a number.
pub(super) fn count(value: impl TryInto<i64>) -> Option<Json> {
    Some(Json::Int(value.try_into().unwrap_or(i64::MAX)))
}

/// Writes a flag.
pub(super) fn flag(value: bool) -> Option<Json> {
    Some(Json::Bool(value))
}

/// Writes a list of values that have one text form.
pub(super) fn texts<T: Display>(values: impl IntoIterator<Item = T>) -> Option<Json> {
    let list = values.into_iter().map(|value| Json::Text(value.to_string()));
    Some(Json::Array(list.collect()))
}

/// Writes item numbers.
pub(super) fn items(values: &[u16]) -> Option<Json> {
    let list = values.iter().map(|item| Json::Int(i64::from(*item)));
    Some(Json::Array(list.collect()))
}

/// Writes a list.
pub(super) fn list<T>(values: impl IntoIterator<Item = T>, write: impl FnMut(T) -> Json) -> Option<Json> {
    Some(Json::Array(values.into_iter().map(write).collect()))
}

/// Writes marks.
pub(super) fn marks(marks: &[Mark]) -> Option<Json> {
    list(marks, Mark::to_json)
}
