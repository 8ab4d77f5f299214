//! Fields of inspection matters (Regulations on government inspection, Arts 7-15).

use super::common::REASON;
use super::field::{Field, FieldType, may, must};

/// The types of inspection (Insp. Reg. 14).
pub const TYPES: &[&str] = &["comprehensive", "special", "event", "daily", "online"];

/// The fields of `matter.proposed`.
pub const PROPOSED: &[Field] = &[
    must("title", FieldType::Word(120)),
    must("type", FieldType::Code(TYPES)),
    must("object", FieldType::Department),
    must("topic", FieldType::Word(120)),
    must("reason", FieldType::Text),
];
/// The fields of `matter.instructed`: recorded by the office, not signed by the head.
pub const INSTRUCTED: &[Field] = &[
    must("title", FieldType::Word(120)),
    must("type", FieldType::Code(TYPES)),
    must("object", FieldType::Department),
    must("topic", FieldType::Word(120)),
    must("instructedBy", FieldType::Word(80)),
    must("instructedOn", FieldType::Date),
];
/// The fields of `matter.approved`.
pub const APPROVED: &[Field] = &[
    must("approvedBy", FieldType::Word(80)),
    must("approvedOn", FieldType::Date),
    may("remark", FieldType::Text),
];
/// The fields of `matter.declined`.
pub const DECLINED: &[Field] = REASON;
/// The fields of `matter.plan-issued`: the mandate that findings cite.
pub const PLAN_ISSUED: &[Field] = &[
    must("scope", FieldType::List(&FieldType::Department, 64)),
    must("powers", FieldType::List(&FieldType::Word(80), 16)),
    must("from", FieldType::Date),
    must("to", FieldType::Date),
    must("leader", FieldType::Post),
    may("remark", FieldType::Text),
];
/// The fields of `matter.withdrawn`.
pub const WITHDRAWN: &[Field] = REASON;
