//! Fields of request events: the application (Order 809 Art. 20), the answer per data item, the life of the grant.

use super::common::{ITEMS_REASON, ITEMS_REMARK, REASON, REMARK};
use super::field::{Field, FieldType, may, must};

const ITEM: FieldType = FieldType::Object(&[
    must("number", FieldType::Integer(1, 256)),
    must("name", FieldType::Word(120)),
]);

const APPLICATION: &[Field] = &[
    may("entry", FieldType::Event),
    may("entryVersion", FieldType::Integer(1, 100_000)),
    must("class", FieldType::Code(&["unconditional", "conditional"])),
    must("items", FieldType::List(&ITEM, 256)),
    must("basis", FieldType::Text),
    must("scenario", FieldType::Text),
    must("scope", FieldType::Text),
    must("mode", FieldType::Code(super::catalogue::MODES)),
    must("useFrom", FieldType::Date),
    must("useTo", FieldType::Date),
    must("statement", FieldType::Flag),
    may("frequency", FieldType::Word(80)),
    may("serviceItem", FieldType::Word(80)),
    may("systems", FieldType::Word(200)),
    may("grade", FieldType::Word(40)),
    may("retentionPlan", FieldType::Word(200)),
];

const CONDITION: FieldType = FieldType::Object(&[
    must(
        "kind",
        FieldType::Code(&[
            "purpose",
            "fields",
            "rows",
            "rate",
            "expiry",
            "no-onward",
            "other",
        ]),
    ),
    must("text", FieldType::Word(200)),
]);

/// The fields of `request.filed`.
pub const FILED: &[Field] = APPLICATION;
/// The fields of `request.acknowledged`.
pub const ACKNOWLEDGED: &[Field] = &[may("receivedOn", FieldType::Date), may("remark", FieldType::Text)];
/// The fields of `request.conformity-checked`.
pub const CONFORMITY_CHECKED: &[Field] = REMARK;
/// The fields of `request.conformity-returned`.
pub const CONFORMITY_RETURNED: &[Field] = REASON;
/// The fields of `request.refiled`.
pub const REFILED: &[Field] = REMARK;
/// The fields of `request.supplement-asked`.
pub const SUPPLEMENT_ASKED: &[Field] = &[
    may("items", FieldType::Items),
    must("missing", FieldType::List(&FieldType::Word(200), 32)),
    may("remark", FieldType::Text),
];
/// The fields of `request.supplemented`.
pub const SUPPLEMENTED: &[Field] = &[
    may("items", FieldType::Items),
    must("complete", FieldType::Flag),
    may("remark", FieldType::Text),
];
/// The fields of `request.supplement-lapsed`.
pub const SUPPLEMENT_LAPSED: &[Field] = ITEMS_REMARK;
/// The fields of `request.redirected`.
pub const REDIRECTED: &[Field] = &[
    may("items", FieldType::Items),
    must("source", FieldType::Department),
    must("reason", FieldType::Text),
];
/// The fields of `request.redirect-accepted`.
pub const REDIRECT_ACCEPTED: &[Field] = ITEMS_REMARK;
/// The fields of `request.redirect-declined`.
pub const REDIRECT_DECLINED: &[Field] = ITEMS_REASON;
/// The fields of `request.extension-requested`.
pub const EXTENSION_REQUESTED: &[Field] = &[
    must("days", FieldType::Integer(1, 60)),
    must("reason", FieldType::Text),
];
/// The fields of `request.extension-approved`.
pub const EXTENSION_APPROVED: &[Field] = &[
    must("days", FieldType::Integer(1, 60)),
    may("remark", FieldType::Text),
];
/// The fields of `request.extension-declined`.
pub const EXTENSION_DECLINED: &[Field] = REASON;
/// The fields of `request.extension-notified`.
pub const EXTENSION_NOTIFIED: &[Field] = &[
    must("days", FieldType::Integer(1, 60)),
    may("remark", FieldType::Text),
];
/// The fields of `request.granted`.
pub const GRANTED: &[Field] = &[
    must("items", FieldType::Items),
    may("conditions", FieldType::List(&CONDITION, 16)),
    must("from", FieldType::Date),
    must("to", FieldType::Date),
    must("mode", FieldType::Code(super::catalogue::MODES)),
    may("answeredOn", FieldType::Date),
    may("remark", FieldType::Text),
];
/// The fields of `request.refused`.
pub const REFUSED: &[Field] = &[
    must("items", FieldType::Items),
    must("ground", FieldType::ProfileCode),
    may("citation", FieldType::Word(200)),
    may("otherSource", FieldType::Department),
    may("answeredOn", FieldType::Date),
    must("reason", FieldType::Text),
];
/// The fields of `request.answer-retracted`.
pub const ANSWER_RETRACTED: &[Field] = &[must("items", FieldType::Items), must("reason", FieldType::Text)];
/// The fields of `request.withdrawn`.
pub const WITHDRAWN: &[Field] = ITEMS_REASON;
/// The fields of `request.delay-explained`.
pub const DELAY_EXPLAINED: &[Field] = &[
    must("step", FieldType::Code(&["answer", "delivery"])),
    must("reason", FieldType::Text),
];
/// The fields of `request.delay-accepted`.
pub const DELAY_ACCEPTED: &[Field] = &[
    must("explanation", FieldType::Event),
    may("remark", FieldType::Text),
];
/// The fields of `request.delay-rejected`.
pub const DELAY_REJECTED: &[Field] = &[
    must("explanation", FieldType::Event),
    must("reason", FieldType::Text),
];
/// The fields of `request.delivered`.
pub const DELIVERED: &[Field] = &[
    may("items", FieldType::Items),
    must("mode", FieldType::Code(super::catalogue::MODES)),
    may("endpoint", FieldType::Word(200)),
    may("deliveredOn", FieldType::Date),
    may("contentHash", FieldType::Hash),
];
/// The fields of `request.receipt-confirmed`.
pub const RECEIPT_CONFIRMED: &[Field] = ITEMS_REMARK;
/// The fields of `request.receipt-contested`.
pub const RECEIPT_CONTESTED: &[Field] = ITEMS_REASON;
/// The fields of `request.grant-declined`.
pub const GRANT_DECLINED: &[Field] = ITEMS_REASON;
/// The fields of `request.usage-reported`.
pub const USAGE_REPORTED: &[Field] = &[
    may("items", FieldType::Items),
    must("from", FieldType::Date),
    must("to", FieldType::Date),
    must("scene", FieldType::Word(200)),
    must("process", FieldType::Word(200)),
    must("count", FieldType::Integer(0, 1_000_000_000_000)),
    may("effect", FieldType::Text),
    may("storage", FieldType::Word(200)),
    may("callsRoot", FieldType::Hash),
];
/// The fields of `request.usage-attested`.
pub const USAGE_ATTESTED: &[Field] = &[
    may("items", FieldType::Items),
    must("from", FieldType::Date),
    must("to", FieldType::Date),
    must("count", FieldType::Integer(0, 1_000_000_000_000)),
    may("callsRoot", FieldType::Hash),
];
/// The fields of `request.scope-change-asked`.
pub const SCOPE_CHANGE_ASKED: &[Field] = &[
    may("items", FieldType::Items),
    must("scope", FieldType::Text),
    must("reason", FieldType::Text),
];
/// The fields of `request.scope-change-consented`.
pub const SCOPE_CHANGE_CONSENTED: &[Field] =
    &[must("asked", FieldType::Event), may("remark", FieldType::Text)];
/// The fields of `request.scope-change-declined`.
pub const SCOPE_CHANGE_DECLINED: &[Field] =
    &[must("asked", FieldType::Event), must("reason", FieldType::Text)];
/// The fields of `request.suspended`.
pub const SUSPENDED: &[Field] = &[
    may("items", FieldType::Items),
    must(
        "ground",
        FieldType::Code(&["misuse", "security", "legal", "other"]),
    ),
    must("rectifyBy", FieldType::Date),
    must("reason", FieldType::Text),
];
/// The fields of `request.rectification-reported`.
pub const RECTIFICATION_REPORTED: &[Field] =
    &[may("items", FieldType::Items), must("report", FieldType::Text)];
/// The fields of `request.lifted`.
pub const LIFTED: &[Field] = ITEMS_REMARK;
/// The fields of `request.terminated`.
pub const TERMINATED: &[Field] = ITEMS_REASON;
/// The fields of `request.change-proposed`.
pub const CHANGE_PROPOSED: &[Field] = &[
    may("items", FieldType::Items),
    must("effect", FieldType::Code(&["change", "end"])),
    must("reason", FieldType::Text),
];
/// The fields of `request.change-consulted`.
pub const CHANGE_CONSULTED: &[Field] = &[
    must("proposal", FieldType::Event),
    must(
        "opinion",
        FieldType::Code(&["agree", "agree-with-changes", "object"]),
    ),
    may("remark", FieldType::Text),
];
/// The fields of `request.change-filed`.
pub const CHANGE_FILED: &[Field] = &[
    may("items", FieldType::Items),
    must("proposal", FieldType::Event),
    must("terms", FieldType::Text),
];
/// The fields of `request.end-filed`.
pub const END_FILED: &[Field] = &[
    may("items", FieldType::Items),
    must("proposal", FieldType::Event),
    may("remark", FieldType::Text),
];
/// The fields of `request.expired`.
pub const EXPIRED: &[Field] = ITEMS_REMARK;
/// The fields of `request.purpose-ended`.
pub const PURPOSE_ENDED: &[Field] = ITEMS_REASON;
/// The fields of `request.renewed`.
pub const RENEWED: &[Field] = &[
    may("items", FieldType::Items),
    must("to", FieldType::Date),
    may("remark", FieldType::Text),
];
/// The fields of `request.disposal-instructed`.
pub const DISPOSAL_INSTRUCTED: &[Field] = &[
    may("items", FieldType::Items),
    must(
        "method",
        FieldType::Code(&["delete", "destroy", "return", "archive"]),
    ),
    may("by", FieldType::Date),
];
/// The fields of `request.disposal-reported`.
pub const DISPOSAL_REPORTED: &[Field] = &[
    may("items", FieldType::Items),
    must(
        "method",
        FieldType::Code(&["delete", "destroy", "return", "archive"]),
    ),
    must("on", FieldType::Date),
    may("witness", FieldType::Word(80)),
    may("proof", FieldType::Hash),
];
/// The fields of `request.records-asked`.
pub const RECORDS_ASKED: &[Field] = &[
    must("from", FieldType::Date),
    must("to", FieldType::Date),
    may("remark", FieldType::Text),
];
/// The fields of `request.records-produced`.
pub const RECORDS_PRODUCED: &[Field] = &[
    must("asked", FieldType::Event),
    must("recordsRoot", FieldType::Hash),
];
/// The fields of `request.records-refused`.
pub const RECORDS_REFUSED: &[Field] = &[must("asked", FieldType::Event), must("reason", FieldType::Text)];
