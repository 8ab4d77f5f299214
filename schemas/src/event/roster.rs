//! Fields of roster events: officers, posts, terms, acting and delegated powers.

use super::field::{Field, FieldType, may, must};

/// What a post may do. `handle` drafts; `sharing-unit-head` approves applications and answers (Order 809 Art. 20);
/// `department-head` approves catalogue entries (Art. 13); `lead` issues and verifies for a group or an authority.
pub const DUTIES: &[&str] = &["handle", "sharing-unit-head", "department-head", "lead"];

/// The fields of `roster.post-created`.
pub const POST_CREATED: &[Field] = &[
    must("post", FieldType::Post),
    must("duties", FieldType::List(&FieldType::Code(DUTIES), 4)),
    must("nameEn", FieldType::Word(80)),
    must("nameZh", FieldType::Word(80)),
];

/// The fields of `roster.enrolled`.
pub const ENROLLED: &[Field] = &[must("officer", FieldType::Officer), must("key", FieldType::Key)];

/// The fields of `roster.appointed`.
pub const APPOINTED: &[Field] = &[
    must("officer", FieldType::Officer),
    must("post", FieldType::Post),
    must("from", FieldType::Date),
    may("to", FieldType::Date),
    may("acting", FieldType::Flag),
    may("instrument", FieldType::Word(80)),
];

/// The fields of `roster.delegated`.
pub const DELEGATED: &[Field] = &[
    must("officer", FieldType::Officer),
    must("post", FieldType::Post),
    must("duty", FieldType::Code(DUTIES)),
    must("from", FieldType::Date),
    must("to", FieldType::Date),
    may("instrument", FieldType::Word(80)),
];

/// The fields of `roster.relieved`.
pub const RELIEVED: &[Field] = &[
    must("officer", FieldType::Officer),
    must("post", FieldType::Post),
    must("on", FieldType::Date),
];

/// The fields of `roster.key-revoked`.
pub const KEY_REVOKED: &[Field] = &[
    must("officer", FieldType::Officer),
    must(
        "reason",
        FieldType::Code(&["left", "lost", "compromised", "replaced"]),
    ),
    may("replacement", FieldType::Key),
];
