//! JSON Schema (2020-12) of events, genesis, governance and openings, made from the declared field tables.
//!
//! For readers and form tools in other languages; the decoders here do not use it. It says all that a schema can: members,
//! types, lengths, codes. What it cannot say is in the spec pages: canonical bytes, rising order, whether ids exist, lengths
//! in bytes (it counts characters). Checked in under `schemas/json/`; a test regenerates and compares.

use crate::event::EventKind;
use crate::event::field::{Field, FieldType};
use crate::event::kind::CaseKind;
use crate::genesis::{DEPARTMENT_FIELDS, NODE_FIELDS, ROLE_CODES};
use crate::governance::{CHANGES_MAX, RULESET_ADOPTED_MIN};
use crate::json::Json;
use crate::limits::{
    AFTER_MAX, ATTACHMENTS_MAX, DEPARTMENTS_PER_EVENT_MAX, EPOCH_REASON_CHARS_MAX, EVENT_SIGNERS_MAX,
    INLINE_TEXT_BYTES_MAX, ITEMS_PER_CASE_MAX, JSON_INTEGER_MAX, PART_BYTES_MAX,
};

/// Returns every schema file: name and content in pretty form.
pub fn files() -> Vec<(String, String)> {
    let mut files = vec![
        ("common.json".to_owned(), pretty(&common())),
        ("genesis.json".to_owned(), pretty(&genesis())),
        ("governance.json".to_owned(), pretty(&governance())),
        ("epoch.json".to_owned(), pretty(&epoch())),
    ];
    for kind in EventKind::ALL {
        files.push((format!("{}.json", kind.as_str()), pretty(&event(*kind))));
    }
    files
}

/// Returns the schema of the whole event object of a kind.
pub fn event(kind: EventKind) -> Json {
    let mut members = vec![
        ("after", common_ref("after")),
        ("attachments", common_ref("attachments")),
        ("audience", common_ref("audience")),
        ("body", object(kind.fields())),
        ("corrects", common_ref("hash")),
        ("department", common_ref("id")),
        ("docNo", common_ref("short")),
        ("effective", common_ref("date")),
        ("externalRef", common_ref("externalRef")),
        ("federation", common_ref("federation")),
        ("issued", common_ref("instant")),
        ("kind", constant(kind.as_str())),
        ("legalBasis", common_ref("legalBasis")),
        ("mandate", common_ref("hash")),
        ("nonce", common_ref("nonce")),
        ("paper", common_ref("paper")),
        ("signers", common_ref("signers")),
        ("source", common_ref("source")),
        ("to", common_ref("departments")),
    ];
    let mut required = vec![
        "audience",
        "body",
        "department",
        "federation",
        "issued",
        "kind",
        "nonce",
        "signers",
        "source",
    ];
    if !kind.opens_case() && kind.case_kind() != CaseKind::Roster {
        members.push(("case", common_ref("hash")));
        required.push("case");
    }
    let mut schema = vec![
        ("$schema", Json::from(DIALECT)),
        ("$id", Json::from(id_of(kind.as_str()))),
        ("title", Json::from(kind.as_str())),
    ];
    schema.extend(closed(members, &required));
    if let Some(condition) = detached_under_narrow_audience(kind.fields()) {
        schema.extend(condition);
    }
    Json::object(schema)
}

/// Returns `if` and `then` that demand commitments where the audience is a list, for a body that has free text.
fn detached_under_narrow_audience(fields: &[Field]) -> Option<[(&'static str, Json); 2]> {
    let texts: Vec<(&str, Json)> = fields
        .iter()
        .filter(|field| field.kind == FieldType::Text)
        .map(|field| (field.name, of_type("object")))
        .collect();
    if texts.is_empty() {
        return None;
    }
    let properties =
        |name: &str, schema: Json| Json::object([("properties", Json::object([(name, schema)]))]);
    let detached = Json::object([("properties", Json::object(texts))]);
    Some([
        ("if", properties("audience", of_type("array"))),
        ("then", properties("body", detached)),
    ])
}

/// Returns the definitions that every event schema refers to.
pub fn common() -> Json {
    let commitment = |more: Vec<(&'static str, Json)>| {
        let mut members = vec![
            ("commit", common_ref("hash")),
            (
                "length",
                integer(0, i64::try_from(PART_BYTES_MAX).unwrap_or(i64::MAX)),
            ),
            ("mediaType", pattern("^(?=[^/]*/)[a-z0-9/.+-]{3,100}$")),
        ];
        members.extend(more);
        let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        Json::object(closed(members.clone(), &required))
    };
    let text = Json::object([(
        "oneOf",
        Json::from(vec![string(1, INLINE_TEXT_BYTES_MAX), common_ref("commitment")]),
    )]);
    let signer = |roles: &[&str], officer: bool| {
        let mut members = vec![
            ("post", common_ref("id")),
            ("roles", Json::object([("const", Json::from(roles.to_vec()))])),
        ];
        if officer {
            members.push(("officer", common_ref("id")));
        }
        let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        Json::object(closed(members.clone(), &required))
    };
    let signers = Json::object([(
        "oneOf",
        Json::from(vec![
            signer(&["drafter"], true),
            signer(&["approver"], false),
            signer(&["drafter", "approver"], true),
            signer(&["administrator"], true),
        ]),
    )]);
    let two_words = |first: &'static str, second: &'static str| {
        let members = vec![(first, common_ref("short")), (second, common_ref("short"))];
        Json::object(closed(members, &[first, second]))
    };
    let paper = closed(
        vec![
            ("id", common_ref("hash")),
            ("of", integer(1, 256)),
            ("part", integer(1, 256)),
        ],
        &["id", "of", "part"],
    );
    let audience = vec![constant("all"), common_ref("departments")];
    let definitions = Json::object([
        ("after", set(common_ref("hash"), AFTER_MAX)),
        (
            "attachments",
            list(commitment(vec![("name", common_ref("short"))]), ATTACHMENTS_MAX),
        ),
        ("audience", Json::object([("oneOf", Json::from(audience))])),
        ("commitment", commitment(Vec::new())),
        ("date", pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")),
        ("departments", set(common_ref("id"), DEPARTMENTS_PER_EVENT_MAX)),
        ("externalRef", two_words("number", "system")),
        ("federation", pattern("^[a-z0-9-]{1,40}-[0-9a-f]{16}$")),
        ("hash", pattern("^[0-9a-f]{64}$")),
        ("id", pattern("^[a-z0-9-]{1,40}$")),
        (
            "instant",
            pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$"),
        ),
        ("items", set(integer(1, 256), ITEMS_PER_CASE_MAX)),
        ("key", pattern("^[A-Za-z0-9+/]{43}=$")),
        ("legalBasis", list(two_words("act", "article"), 8)),
        ("nonce", pattern("^[0-9a-f]{32}$")),
        ("paper", Json::object(paper)),
        ("profileCode", pattern("^[A-Z0-9_]{1,40}$")),
        ("short", string(1, 120)),
        ("signers", list(signers, EVENT_SIGNERS_MAX)),
        ("source", codes(&["own", "paper", "import"])),
        ("text", text),
    ]);
    Json::object([
        ("$schema", Json::from(DIALECT)),
        ("$id", Json::from(id_of("common"))),
        ("title", Json::from("parts of events")),
        ("$defs", definitions),
    ])
}

/// Returns the schema of a genesis object.
pub fn genesis() -> Json {
    let document = Json::object([
        ("type", Json::from("object")),
        ("required", Json::from(vec!["id"])),
        ("properties", Json::object([("id", common_ref("id"))])),
    ]);
    let members = vec![
        ("calendars", list(document.clone(), 4_096)),
        ("created", common_ref("instant")),
        ("departments", list(object(DEPARTMENT_FIELDS), 4_096)),
        ("name", common_ref("id")),
        ("nodes", list(object(NODE_FIELDS), 4_096)),
        ("profiles", list(document, 4_096)),
        ("quorum", integer(1, 4_096)),
        ("registrar", common_ref("id")),
        ("ruleset", integer(1, i64::from(u32::MAX))),
        ("trial", of_type("boolean")),
    ];
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let mut schema = vec![
        ("$schema", Json::from(DIALECT)),
        ("$id", Json::from(id_of("genesis"))),
        ("title", Json::from("genesis")),
    ];
    schema.extend(closed(members.clone(), &required));
    Json::object(schema)
}

/// Returns the schema of a governance object.
pub fn governance() -> Json {
    let all = |members: Vec<(&'static str, Json)>| {
        let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        Json::object(closed(members.clone(), &required))
    };
    let right = |name: &str, more: Vec<(&'static str, Json)>| {
        let mut members = vec![("right", constant(name)), ("department", common_ref("id"))];
        members.extend(more);
        all(members)
    };
    let rights = Json::from(vec![
        right("membership", Vec::new()),
        right("role", vec![("role", codes(ROLE_CODES))]),
        right(
            "administrator",
            vec![("officer", common_ref("id")), ("key", common_ref("key"))],
        ),
    ]);
    let right = || Json::object([("$ref", Json::from("#/$defs/right"))]);
    let changes = Json::from(vec![
        all(vec![
            ("change", constant("department.admitted")),
            ("department", object(DEPARTMENT_FIELDS)),
        ]),
        all(vec![("change", constant("right.given")), ("right", right())]),
        all(vec![
            ("change", constant("right.taken")),
            ("right", right()),
            ("origin", pattern(ORIGIN)),
            ("size", integer(0, JSON_INTEGER_MAX)),
            ("root", common_ref("hash")),
        ]),
        all(vec![
            ("change", constant("ruleset.adopted")),
            (
                "ruleset",
                integer(i64::from(RULESET_ADOPTED_MIN), i64::from(u32::MAX)),
            ),
        ]),
    ]);
    let members = vec![
        ("changes", list(Json::object([("oneOf", changes)]), CHANGES_MAX)),
        ("federation", common_ref("federation")),
        ("issued", common_ref("instant")),
        ("previous", common_ref("hash")),
        ("version", integer(1, JSON_INTEGER_MAX)),
    ];
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let mut schema = vec![
        ("$schema", Json::from(DIALECT)),
        ("$id", Json::from(id_of("governance"))),
        ("title", Json::from("governance")),
        (
            "$defs",
            Json::object([("right", Json::object([("oneOf", rights)]))]),
        ),
    ];
    schema.extend(closed(members.clone(), &required));
    Json::object(schema)
}

/// Returns the schema of the object of an opening.
pub fn epoch() -> Json {
    let old = vec![
        ("origin", pattern(ORIGIN)),
        ("root", common_ref("hash")),
        ("size", integer(0, JSON_INTEGER_MAX)),
    ];
    let required: Vec<&str> = old.iter().map(|(name, _)| *name).collect();
    let members = vec![
        ("federation", common_ref("federation")),
        ("issued", common_ref("instant")),
        ("logKey", common_ref("key")),
        ("old", Json::object(closed(old.clone(), &required))),
        ("origin", pattern(LATER_ORIGIN)),
        ("reason", string(1, usize::from(EPOCH_REASON_CHARS_MAX))),
    ];
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let mut schema = vec![
        ("$schema", Json::from(DIALECT)),
        ("$id", Json::from(id_of("epoch"))),
        ("title", Json::from("epoch")),
    ];
    schema.extend(closed(members.clone(), &required));
    Json::object(schema)
}

const ORIGIN: &str = "^[a-z0-9-]{1,40}-[0-9a-f]{16}/[a-z0-9-]{1,40}/[1-9][0-9]{0,9}$";
/// As [`ORIGIN`], of epoch 2 or later.
const LATER_ORIGIN: &str = "^[a-z0-9-]{1,40}-[0-9a-f]{16}/[a-z0-9-]{1,40}/([2-9]|[1-9][0-9]{1,9})$";

/// Returns the schema of an object with declared fields.
fn object(fields: &[Field]) -> Json {
    let members = fields
        .iter()
        .map(|field| (field.name, of_field(field.kind)))
        .collect();
    let required: Vec<&str> = fields
        .iter()
        .filter(|field| field.required)
        .map(|field| field.name)
        .collect();
    Json::object(closed(members, &required))
}

fn of_field(kind: FieldType) -> Json {
    match kind {
        FieldType::Text => common_ref("text"),
        FieldType::Word(max) => string(1, usize::from(max)),
        FieldType::Code(values) => codes(values),
        FieldType::ProfileCode => common_ref("profileCode"),
        FieldType::Department | FieldType::Post | FieldType::Officer => common_ref("id"),
        FieldType::Date => common_ref("date"),
        FieldType::Instant => common_ref("instant"),
        FieldType::Integer(low, high) => integer(low, high),
        FieldType::Flag => of_type("boolean"),
        FieldType::Event | FieldType::Hash => common_ref("hash"),
        FieldType::Key => common_ref("key"),
        FieldType::Items => common_ref("items"),
        FieldType::List(of, max) => list(of_field(*of), usize::from(max)),
        FieldType::Object(fields) => object(fields),
    }
}

fn closed(members: Vec<(&'static str, Json)>, required: &[&str]) -> Vec<(&'static str, Json)> {
    let mut names: Vec<&str> = required.to_vec();
    names.sort_unstable();
    let mut parts = vec![
        ("type", Json::from("object")),
        ("additionalProperties", Json::from(false)),
        ("properties", Json::object(members)),
    ];
    if !names.is_empty() {
        parts.push(("required", Json::from(names)));
    }
    parts
}

fn common_ref(name: &str) -> Json {
    Json::object([("$ref", Json::from(format!("common.json#/$defs/{name}")))])
}

fn id_of(name: &str) -> String {
    format!("tally:///schemas/v1/{name}.json")
}

fn of_type(name: &str) -> Json {
    Json::object([("type", Json::from(name))])
}

fn constant(text: &str) -> Json {
    Json::object([("const", Json::from(text))])
}

fn codes(values: &[&str]) -> Json {
    Json::object([("enum", Json::from(values.to_vec()))])
}

fn pattern(pattern: &str) -> Json {
    Json::object([("type", Json::from("string")), ("pattern", Json::from(pattern))])
}

fn string(low: usize, high: usize) -> Json {
    Json::object([
        ("type", Json::from("string")),
        ("minLength", count(low)),
        ("maxLength", count(high)),
    ])
}

fn integer(low: i64, high: i64) -> Json {
    Json::object([
        ("type", Json::from("integer")),
        ("minimum", Json::from(low)),
        ("maximum", Json::from(high)),
    ])
}

fn list(of: Json, max: usize) -> Json {
    Json::object([
        ("type", Json::from("array")),
        ("minItems", count(1)),
        ("maxItems", count(max)),
        ("items", of),
    ])
}

fn set(of: Json, max: usize) -> Json {
    let Json::Object(mut members) = list(of, max) else {
        return Json::from(false);
    };
    members.insert("uniqueItems".to_owned(), Json::from(true));
    Json::Object(members)
}

fn count(value: usize) -> Json {
    Json::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// Writes a value with its keys in order, two spaces of indentation, and a line feed at the end.
fn pretty(json: &Json) -> String {
    let mut out = String::new();
    write_pretty(json, 0, &mut out);
    out.push('\n');
    out
}

fn write_pretty(json: &Json, depth: usize, out: &mut String) {
    let inside = "  ".repeat(depth + 1);
    let outside = "  ".repeat(depth);
    match json {
        Json::Array(items) if items.iter().any(|item| matches!(item, Json::Object(_))) => {
            out.push_str("[\n");
            for (place, item) in items.iter().enumerate() {
                out.push_str(if place > 0 { ",\n" } else { "" });
                out.push_str(&inside);
                write_pretty(item, depth + 1, out);
            }
            out.push_str(&format!("\n{outside}]"));
        }
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(Json::to_canonical).collect();
            out.push_str(&format!("[{}]", items.join(", ")));
        }
        Json::Object(members) if members.len() == 1 && members.values().all(is_leaf) => {
            for (key, value) in members {
                let key = Json::from(key.as_str()).to_canonical();
                out.push_str(&format!("{{ {key}: {} }}", value.to_canonical()));
            }
        }
        Json::Object(members) => {
            out.push_str("{\n");
            for (place, (key, value)) in members.iter().enumerate() {
                out.push_str(if place > 0 { ",\n" } else { "" });
                out.push_str(&inside);
                out.push_str(&Json::from(key.as_str()).to_canonical());
                out.push_str(": ");
                write_pretty(value, depth + 1, out);
            }
            out.push_str(&format!("\n{outside}}}"));
        }
        leaf => out.push_str(&leaf.to_canonical()),
    }
}

fn is_leaf(json: &Json) -> bool {
    !matches!(json, Json::Array(_) | Json::Object(_))
}

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
