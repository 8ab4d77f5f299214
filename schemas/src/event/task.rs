//! Fields of tasks and letters of responsibility.

use super::common::{REASON, REMARK};
use super::field::{Field, FieldType, may, must};

const CONTENT: &[Field] = &[
    must("title", FieldType::Word(120)),
    must("text", FieldType::Text),
    may("category", FieldType::Word(60)),
    may("sourceDocument", FieldType::Word(120)),
    must("lead", FieldType::Department),
    must("signatory", FieldType::Post),
    may("assisting", FieldType::List(&FieldType::Department, 32)),
    must("indicator", FieldType::Word(200)),
    must("target", FieldType::Word(200)),
    must("due", FieldType::Date),
    may("weight", FieldType::Integer(0, 1_000)),
    may("parent", FieldType::Event),
];

/// The fields of `task.issued`.
pub const ISSUED: &[Field] = CONTENT;
/// The fields of `task.signed`.
pub const SIGNED: &[Field] = REMARK;
/// The fields of `task.objected`.
pub const OBJECTED: &[Field] = REASON;
/// The fields of `task.reissued`: the whole task anew.
pub const REISSUED: &[Field] = CONTENT;
/// The fields of `task.upheld`.
pub const UPHELD: &[Field] = REASON;
/// The fields of `task.progress-reported`.
pub const PROGRESS_REPORTED: &[Field] = &[
    must("percent", FieldType::Integer(0, 100)),
    must("report", FieldType::Text),
];
/// The fields of `task.amended`.
pub const AMENDED: &[Field] = &[
    may("indicator", FieldType::Word(200)),
    may("target", FieldType::Word(200)),
    must("reason", FieldType::Text),
];
/// The fields of `task.due-changed`.
pub const DUE_CHANGED: &[Field] = &[must("due", FieldType::Date), must("reason", FieldType::Text)];
/// The fields of `task.handed-over`.
pub const HANDED_OVER: &[Field] = &[
    must("to", FieldType::Department),
    must("post", FieldType::Post),
    must("reason", FieldType::Text),
];
/// The fields of `task.taken-over`.
pub const TAKEN_OVER: &[Field] = &[must("handover", FieldType::Event), may("remark", FieldType::Text)];
/// The fields of `task.claimed`.
pub const CLAIMED: &[Field] = &[must("summary", FieldType::Text)];
/// The fields of `task.verified`.
pub const VERIFIED: &[Field] = REMARK;
/// The fields of `task.returned`.
pub const RETURNED: &[Field] = REASON;
/// The fields of `task.reopened`.
pub const REOPENED: &[Field] = REASON;
/// The fields of `task.withdrawn`.
pub const WITHDRAWN: &[Field] = REASON;
/// The fields of `task.decomposed`.
pub const DECOMPOSED: &[Field] = &[
    must("children", FieldType::List(&FieldType::Event, 64)),
    may("remark", FieldType::Text),
];
