//! Fields of the events that every case kind has.

use super::field::{Field, FieldType, may, must};

/// Which kinds of value an erratum corrects; decisive fields are changed by their own events only.
pub const ERRATUM: &[Field] = &[
    must("field", FieldType::Word(60)),
    must("was", FieldType::Text),
    must("reads", FieldType::Text),
    must("reason", FieldType::Text),
];

/// The fields of an urging (cui ban).
pub const URGED: &[Field] = &[may("items", FieldType::Items), may("text", FieldType::Text)];

/// A reason and nothing else.
pub(super) const REASON: &[Field] = &[must("reason", FieldType::Text)];

/// A remark and nothing else.
pub(super) const REMARK: &[Field] = &[may("remark", FieldType::Text)];

/// Items and a reason.
pub(super) const ITEMS_REASON: &[Field] = &[may("items", FieldType::Items), must("reason", FieldType::Text)];

/// Items and a remark.
pub(super) const ITEMS_REMARK: &[Field] = &[may("items", FieldType::Items), may("remark", FieldType::Text)];
