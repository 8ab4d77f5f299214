//! What the event decoder refuses beyond the types of single fields.
#![cfg(test)]

use tally_schemas::event::personal::find_in_event;
use tally_schemas::event::{Commitment, Event, Text};
use tally_schemas::json::Json;

fn event_with(changes: &[(&str, &str)]) -> Result<Event, String> {
    let mut members = Json::parse_lenient(
        br#"{
            "audience": "all", "department": "housing", "federation": "xian-0123456789abcdef",
            "issued": "2026-03-02T01:00:00.000Z", "kind": "request.withdrawn", "nonce": "00112233445566778899aabbccddeeff",
            "case": "00000000000000000000000000000000000000000000000000000000000000aa",
            "signers": [{"officer": "h-07", "post": "clerk", "roles": ["drafter"]}],
            "source": "own", "to": ["tax"], "body": {"reason": "no longer needed"}
        }"#,
    )
    .unwrap()
    .as_object()
    .unwrap()
    .clone();
    for (name, value) in changes {
        members.insert((*name).to_owned(), Json::parse_lenient(value.as_bytes()).unwrap());
    }
    let text = format!("tally/event/v1\n{}\n", Json::Object(members).to_canonical());
    let event = Event::parse_text(&text).map_err(|error| error.to_string())?;
    assert_eq!(event.to_text(), text);
    Ok(event)
}

#[test]
fn refuses_an_audience_without_the_author() {
    let error = event_with(&[("audience", r#"["tax"]"#)]).unwrap_err();
    assert!(error.contains("leaves out housing"), "{error}");
}

#[test]
fn refuses_an_addressee_outside_the_audience() {
    let error = event_with(&[("audience", r#"["housing","police"]"#)]).unwrap_err();
    assert!(error.contains("tax is outside the audience"), "{error}");
}

#[test]
fn a_narrow_audience_needs_detached_texts() {
    let narrow = ("audience", r#"["housing","tax"]"#);
    let error = event_with(&[narrow]).unwrap_err();
    assert!(error.contains("field body.reason of event: is inline"), "{error}");
    let commit = "ab".repeat(32);
    let body = format!(r#"{{"reason":{{"commit":"{commit}","length":3,"mediaType":"text/plain"}}}}"#);
    let event = event_with(&[narrow, ("body", &body)]).unwrap();
    let commitments: Vec<Commitment> = event.commitments();
    assert_eq!(commitments.len(), 1);
    assert_eq!(
        event.texts(),
        [("reason".to_owned(), Text::Detached(commitments[0].clone()))]
    );
}

#[test]
fn refuses_one_officer_in_two_lines() {
    let twice = r#"[{"officer":"h-07","post":"clerk","roles":["drafter"]},
                    {"officer":"h-07","post":"head","roles":["administrator"]}]"#;
    let error = event_with(&[("signers", twice)]).unwrap_err();
    assert!(error.contains("one officer signs twice"), "{error}");
    let both = r#"[{"officer":"h-07","post":"head","roles":["drafter","approver"]}]"#;
    assert!(event_with(&[("signers", both)]).is_ok());
}

#[test]
fn refuses_data_items_whose_numbers_do_not_rise() {
    let error = event_with(&[
        ("kind", "\"request.withdrawn\""),
        ("body", r#"{"items":[2,2],"reason":"x"}"#),
    ])
    .unwrap_err();
    assert!(error.contains("item 2 after 2"), "{error}");

    let application = |numbers: [u8; 2]| {
        format!(
            r#"{{"class":"conditional","items":[{{"number":{},"name":"a"}},{{"number":{},"name":"b"}}],"basis":"b",
            "scenario":"s","scope":"s","mode":"api","useFrom":"2026-01-01","useTo":"2026-12-31","statement":true}}"#,
            numbers[0], numbers[1]
        )
    };
    let filed = |numbers| {
        let mut members = event_with(&[]).unwrap().to_json().as_object().unwrap().clone();
        members.remove("case");
        members.insert("kind".to_owned(), Json::from("request.filed"));
        let body = Json::parse_lenient(application(numbers).as_bytes()).unwrap();
        members.insert("body".to_owned(), body);
        Event::from_json(&Json::Object(members)).map_err(|error| error.to_string())
    };
    assert!(filed([1, 2]).is_ok());
    for numbers in [[2, 1], [1, 1]] {
        let error = filed(numbers).unwrap_err();
        assert!(error.contains("expected rising numbers"), "{error}");
    }
}

#[test]
fn finds_personal_numbers_wherever_a_person_writes() {
    let commit = "ab".repeat(32);
    let attachments =
        format!(r#"[{{"commit":"{commit}","length":1,"mediaType":"text/plain","name":"13800138000.txt"}}]"#);
    let event = event_with(&[
        ("docNo", r#""11010519491231002X""#),
        ("externalRef", r#"{"number":"13800138000","system":"a 13800138000"}"#),
        (
            "legalBasis",
            r#"[{"act":"a","article":"1"},{"act":"13800138000","article":"6222021234567890128"}]"#,
        ),
        ("attachments", &attachments),
        (
            "signers",
            r#"[{"officer":"11010519490101003-","post":"clerk","roles":["drafter"]},{"post":"13800138000","roles":["approver"]}]"#,
        ),
        (
            "body",
            r#"{"reason":"call 138-0013-8000 or pay to 6222 0212 3456 7890 128"}"#,
        ),
    ])
    .unwrap();
    let found: Vec<String> = find_in_event(&event)
        .iter()
        .map(|find| format!("{} {}", find.field, find.span.kind.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            "docNo identity-card",
            "externalRef.number mobile-number",
            "externalRef.system mobile-number",
            "legalBasis[1].act mobile-number",
            "legalBasis[1].article bank-card",
            "attachments[0].name mobile-number",
            "signers[1].post mobile-number",
            "body.reason mobile-number",
            "body.reason bank-card",
        ]
    );
}

#[test]
fn finds_personal_numbers_inside_lists_and_in_kinds_it_does_not_know() {
    let fields = |event: Event| -> Vec<String> {
        let found = find_in_event(&event).into_iter();
        found.map(|find| find.field).collect()
    };
    let asked = event_with(&[
        ("kind", r#""request.supplement-asked""#),
        ("body", r#"{"missing":["map","phone 13800138000"]}"#),
    ]);
    assert_eq!(fields(asked.unwrap()), ["body.missing[1]"]);
    let unknown = event_with(&[
        ("kind", r#""hearing.convened""#),
        ("body", r#"{"who":[{"tel":"13800138000"}]}"#),
    ]);
    assert_eq!(fields(unknown.unwrap()), ["body.who[0].tel"]);
}

#[test]
fn does_not_look_into_hashes_and_commitments() {
    let commit = "13800138000".repeat(6)[..64].to_owned();
    let body = format!(r#"{{"reason":{{"commit":"{commit}","length":3,"mediaType":"text/plain"}}}}"#);
    let event = event_with(&[("body", &body), ("corrects", &format!("\"{commit}\""))]).unwrap();
    assert_eq!(find_in_event(&event), []);
}
