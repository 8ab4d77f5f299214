//! How surely an act is recorded, as the nodes tell it.

use crate::federation::{APPLICATION, Federation};
use serde_json::{Value, json};
use tally_schemas::event::EventKind;

fn turn(federation: &Federation, node: usize, state: &str) {
    let path = format!("/v1/trial/nodes/n{node}/{state}");
    let (status, body) = federation.post(1, &path, None, &json!({}));
    assert_eq!(status, 200, "{body}");
}

#[test]
fn an_act_is_local_only_until_the_other_nodes_are_back_and_have_signed_that_they_hold_it() {
    let mut federation = Federation::running();
    federation.await_equal();
    for node in [2, 3] {
        turn(&federation, node, "offline");
    }
    let event = federation.event("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION);
    let note = federation.sign(&event, 2);
    let (status, answer) = federation.submit(1, &note);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["degree"], &answer["hosts"]),
        (&json!("local-only"), &json!([]))
    );
    let id = answer["event"].as_str().unwrap().to_owned();
    let path = format!("/v1/degrees/{id}");
    let told = federation.read(1, &path)["data"].clone();
    let member = |name: &str| answer[name].clone();
    let expected = json!({
        "event": id, "origin": member("origin"), "index": member("index"), "degree": "local-only", "hosts": [],
    });
    assert_eq!(told, expected);

    for node in [2, 3] {
        turn(&federation, node, "online");
    }
    federation.await_equal();
    // Heads are stated once a minute, of a clock that a trial sets.
    let now = json!({"now": "2026-01-05T01:02:00.000Z"});
    assert_eq!(federation.post(1, "/v1/trial/clock", None, &now).0, 200);
    let both = |data: &Value| data["degree"] == "replicated" && data["hosts"] == json!(["n2", "n3"]);
    for node in 1..=3 {
        federation.await_that("both other nodes have signed that they hold it", |federation| {
            both(&federation.read(node, &path)["data"])
        });
    }
    let trail = federation.read(2, &format!("/v1/cases/{id}/trail"));
    assert!(both(&trail["data"]["entries"][0]), "{trail}");
    // Whoever asks again is told what is known by now.
    let (_, again) = federation.submit(1, &note);
    assert!(both(&again) && again["index"] == answer["index"], "{again}");
}
