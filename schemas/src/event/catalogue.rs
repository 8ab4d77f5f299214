//! Fields of catalogue events (Order 809 Arts 13-19; core metadata of the national guide).

use super::common::REASON;
use super::field::{Field, FieldType, may, must};

/// The three sharing classes (Art. 14).
pub const CLASSES: &[&str] = &["unconditional", "conditional", "no-share"];
/// How data is shared.
pub const MODES: &[&str] = &["api", "batch", "file", "query", "browse", "copy", "compute"];
/// How often data is updated.
pub const CYCLES: &[&str] = &[
    "real-time",
    "daily",
    "weekly",
    "ten-day",
    "monthly",
    "quarterly",
    "yearly",
    "other",
];

const ITEM: FieldType = FieldType::Object(&[
    must("name", FieldType::Word(80)),
    must("type", FieldType::Word(40)),
    may("personal", FieldType::Flag),
]);

const CONTENT: &[Field] = &[
    must("name", FieldType::Word(120)),
    must("code", FieldType::Word(60)),
    must("abstract", FieldType::Text),
    must("dataItems", FieldType::List(&ITEM, 256)),
    must("format", FieldType::Word(40)),
    must("cycle", FieldType::Code(CYCLES)),
    must("class", FieldType::Code(CLASSES)),
    must("mode", FieldType::Code(MODES)),
    may("scope", FieldType::Word(400)),
    may("purposes", FieldType::Word(400)),
    may("conditions", FieldType::List(&FieldType::Word(200), 16)),
    may("noShareReason", FieldType::Text),
    may("noShareCitation", FieldType::Word(200)),
    must("grade", FieldType::Word(40)),
    may("linkedSystem", FieldType::Word(80)),
    may("collectingLaw", FieldType::Word(200)),
    may("ownershipRight", FieldType::Word(80)),
    may("useRight", FieldType::Word(80)),
    may("managementRight", FieldType::Word(80)),
    may("promisedDays", FieldType::Integer(1, 60)),
];

/// The fields of `catalogue.drafted`: the whole entry.
pub const DRAFTED: &[Field] = CONTENT;
/// The fields of `catalogue.revised`: the whole entry anew.
pub const REVISED: &[Field] = CONTENT;
/// The fields of `catalogue.assessed`.
pub const ASSESSED: &[Field] = &[
    must("secrecy", FieldType::Code(&["passed", "restricted"])),
    must(
        "personalInformation",
        FieldType::Code(&["none", "passed", "restricted"]),
    ),
    may("remark", FieldType::Text),
];
/// The fields of `catalogue.approved`.
pub const APPROVED: &[Field] = super::common::REMARK;
/// The fields of `catalogue.submitted`.
pub const SUBMITTED: &[Field] = super::common::REMARK;
/// The fields of `catalogue.returned`.
pub const RETURNED: &[Field] = REASON;
/// The fields of `catalogue.published`.
pub const PUBLISHED: &[Field] = &[
    must("version", FieldType::Integer(1, 100_000)),
    must("submission", FieldType::Event),
];
/// The fields of `catalogue.change-triggered`.
pub const CHANGE_TRIGGERED: &[Field] = &[
    must("occurred", FieldType::Date),
    must(
        "cause",
        FieldType::Code(&["law", "duty", "system", "content", "other"]),
    ),
    must("source", FieldType::Text),
];
/// The fields of `catalogue.update-extended`.
pub const UPDATE_EXTENDED: &[Field] = &[
    must("days", FieldType::Integer(1, 60)),
    must("reason", FieldType::Text),
];
/// The fields of `catalogue.source-designated`.
pub const SOURCE_DESIGNATED: &[Field] = &[
    must("source", FieldType::Department),
    must("dataSet", FieldType::Word(120)),
];
/// The fields of `catalogue.class-challenged`.
pub const CLASS_CHALLENGED: &[Field] = &[
    must("proposed", FieldType::Code(CLASSES)),
    must("reason", FieldType::Text),
];
/// The fields of `catalogue.attested`.
pub const ATTESTED: &[Field] = &[must("year", FieldType::Integer(2016, 9999))];
/// The fields of `catalogue.quality-reported`.
pub const QUALITY_REPORTED: &[Field] = &[
    must("from", FieldType::Date),
    must("to", FieldType::Date),
    must("records", FieldType::Integer(0, 1_000_000_000_000)),
    must("problemRecords", FieldType::Integer(0, 1_000_000_000_000)),
    must("method", FieldType::Word(200)),
];
/// The fields of `catalogue.retire-proposed`.
pub const RETIRE_PROPOSED: &[Field] = REASON;
/// The fields of `catalogue.retire-declined`.
pub const RETIRE_DECLINED: &[Field] = REASON;
/// The fields of `catalogue.retired`.
pub const RETIRED: &[Field] = super::common::REMARK;
/// The fields of `catalogue.withdrawn`.
pub const WITHDRAWN: &[Field] = REASON;
