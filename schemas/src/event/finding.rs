//! Fields of findings and their rectification.

use super::common::{REASON, REMARK};
use super::field::{Field, FieldType, may, must};

/// On what a finding rests.
pub const BASES: &[&str] = &[
    "inspection",
    "order-to-correct",
    "audit",
    "task-follow-up",
    "self",
];

/// The fields of `finding.opened`. The mandate of an inspection stands in the event's own `mandate` field.
pub const OPENED: &[Field] = &[
    must("basis", FieldType::Code(BASES)),
    must("object", FieldType::Department),
    must("violation", FieldType::ProfileCode),
    must("facts", FieldType::Text),
    must("severity", FieldType::Code(&["minor", "ordinary", "serious"])),
    may("related", FieldType::List(&FieldType::Event, 16)),
    may("amount", FieldType::Integer(0, 1_000_000_000_000)),
];
/// The fields of `finding.sent-for-comment`.
pub const SENT_FOR_COMMENT: &[Field] = &[may("commentBy", FieldType::Date), may("remark", FieldType::Text)];
/// The fields of `finding.facts-confirmed`.
pub const FACTS_CONFIRMED: &[Field] = REMARK;
/// The fields of `finding.facts-contested`.
pub const FACTS_CONTESTED: &[Field] = REASON;
/// The fields of `finding.amended`.
pub const AMENDED: &[Field] = &[
    may("violation", FieldType::ProfileCode),
    may("severity", FieldType::Code(&["minor", "ordinary", "serious"])),
    must("facts", FieldType::Text),
];
/// The fields of `finding.maintained`.
pub const MAINTAINED: &[Field] = REASON;
/// The fields of `finding.dropped`.
pub const DROPPED: &[Field] = REASON;
/// The fields of `finding.notified`.
pub const NOTIFIED: &[Field] = &[
    must("demand", FieldType::Text),
    must("due", FieldType::Date),
    must("evidenceAsked", FieldType::List(&FieldType::Word(200), 16)),
];
/// The fields of `finding.acknowledged`.
pub const ACKNOWLEDGED: &[Field] = REMARK;
/// The fields of `finding.plan-submitted`.
pub const PLAN_SUBMITTED: &[Field] = &[
    must("plan", FieldType::Text),
    must("completeBy", FieldType::Date),
    must("responsible", FieldType::Post),
];
/// The fields of `finding.plan-accepted`.
pub const PLAN_ACCEPTED: &[Field] = REMARK;
/// The fields of `finding.plan-returned`.
pub const PLAN_RETURNED: &[Field] = REASON;
/// The fields of `finding.evidence-submitted`.
pub const EVIDENCE_SUBMITTED: &[Field] = &[
    must("summary", FieldType::Text),
    may("related", FieldType::List(&FieldType::Event, 16)),
];
/// The fields of `finding.insufficient`.
pub const INSUFFICIENT: &[Field] = REASON;
/// The fields of `finding.verified`.
pub const VERIFIED: &[Field] = &[
    must(
        "method",
        FieldType::Code(&["documents", "site-visit", "data-check", "interview", "sampling"]),
    ),
    may("remark", FieldType::Text),
];
/// The fields of `finding.extension-granted`.
pub const EXTENSION_GRANTED: &[Field] = &[must("due", FieldType::Date), must("reason", FieldType::Text)];
/// The fields of `finding.reopened`.
pub const REOPENED: &[Field] = &[
    must(
        "cause",
        FieldType::Code(&["recurrence", "false-evidence", "other"]),
    ),
    must("reason", FieldType::Text),
];
/// The fields of `finding.not-implementable`.
pub const NOT_IMPLEMENTABLE: &[Field] = &[
    must("approvedBy", FieldType::Word(80)),
    must("approvedOn", FieldType::Date),
    must("reason", FieldType::Text),
];
/// The fields of `finding.risk-accepted`.
pub const RISK_ACCEPTED: &[Field] = NOT_IMPLEMENTABLE;
/// The fields of `finding.reassigned`.
pub const REASSIGNED: &[Field] = &[
    must("object", FieldType::Department),
    must("reason", FieldType::Text),
];
