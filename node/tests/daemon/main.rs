//! The daemon as its users meet it: the real program with real stores, three nodes, over HTTP.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod bad_input;
mod damage;
mod degree;
mod epochs;
mod federation;
mod fork;
mod fsck;

use federation::{APPLICATION, Detached, Federation, START};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tally_ledger::crypto::event_id;
use tally_schemas::event::EventKind;

#[test]
fn what_is_recorded_here_is_seen_there_and_a_repeat_gets_the_same_place() {
    let mut federation = Federation::running();
    let event = federation.event("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION);
    let note = federation.sign(&event, 2);
    let (status, first) = federation.submit(1, &note);
    assert_eq!(status, 200, "{first}");
    let case = event_id(&event.to_text());
    let path = format!("/v1/cases/{case}");
    federation.await_that("the case is seen on the node of civil", |federation| {
        federation.get(2, &path).is_some_and(|(status, _)| status == 200)
    });
    let (status, again) = federation.submit(1, &note);
    assert_eq!(
        (status, &again["event"], &again["index"]),
        (200, &first["event"], &first["index"])
    );
    federation.act(
        "civil",
        EventKind::RequestGranted,
        Some(case),
        &["housing"],
        r#"{"from":"2026-02-01","items":[1,2],"mode":"api","to":"2026-12-31"}"#,
    );
    federation.await_equal();
    let by_number = federation.read(3, "/v1/cases/housing%2Freq-2026-0001");
    assert_eq!(by_number["data"]["summary"]["stage"], "agreed");
    assert_eq!(by_number["trial"], true);
    let digest = by_number["heads"]["link"].as_str().unwrap();
    assert_eq!(federation.read(3, digest)["heads"].as_array().unwrap().len(), 4);
    let (_, recorded) = federation.get(2, &format!("/v1/events/{case}")).unwrap();
    assert_eq!(recorded, note, "the note is kept as it was signed");
    assert_eq!(federation.get(2, &format!("/v1/proofs/{case}")).unwrap().0, 200);
}

#[test]
fn each_family_of_refusal_has_its_status_and_says_what_was_wrong() {
    let mut federation = Federation::running();
    let case = federation.file();
    let refused = |(status, body): (u16, Value)| {
        assert!(!body["what"].as_str().unwrap().is_empty());
        (
            status,
            body["family"].as_str().unwrap().to_owned(),
            body["code"].as_str().unwrap().to_owned(),
        )
    };
    let is = |status: u16, family: &str, code: &str| (status, family.to_owned(), code.to_owned());

    assert_eq!(
        refused(federation.submit(1, &[0xff, 0xfe, b'\n'])),
        is(400, "invalid", "form")
    );
    assert_eq!(
        refused(federation.submit(1, b"{\"a\":1}")),
        is(400, "invalid", "form")
    );
    assert_eq!(
        refused(federation.submit(1, &vec![b'x'; 1 << 20])),
        is(413, "too-large", "body")
    );
    let long = json!({"note": "x".repeat(25 << 20)});
    assert_eq!(
        refused(federation.post(1, "/v1/submit", None, &long)),
        is(413, "too-large", "body")
    );
    let unknown = json!({"note": "x", "draf": "y"});
    assert_eq!(
        refused(federation.post(1, "/v1/submit", None, &unknown)),
        is(400, "invalid", "json")
    );

    let event = federation.event("civil", EventKind::RequestFiled, None, &["housing"], APPLICATION);
    let note = federation.sign(&event, 2);
    assert_eq!(
        refused(federation.submit(1, &note)),
        is(422, "refused", "not-hosted")
    );
    let half = federation.sign(&event, 1);
    assert_eq!(refused(federation.submit(2, &half)), is(422, "refused", "lines"));
    let mut forged = String::from_utf8(note).unwrap();
    let place = forged.rfind('=').unwrap() - 3;
    let other = if forged.as_bytes()[place] == b'A' {
        "B"
    } else {
        "A"
    };
    forged.replace_range(place..=place, other);
    assert_eq!(
        refused(federation.submit(2, forged.as_bytes())),
        is(422, "refused", "signature")
    );

    let delivered = federation.event(
        "civil",
        EventKind::RequestDelivered,
        Some(case),
        &["housing"],
        r#"{"mode":"api"}"#,
    );
    let note = federation.sign(&delivered, 2);
    federation.await_equal();
    let (status, body) = federation.submit(2, &note);
    assert_eq!((status, body["code"].as_str()), (422, Some("stage")));
    let possible = body["possible"].as_array().unwrap();
    assert!(
        possible.iter().any(|act| act["kind"] == "request.granted"),
        "{body}"
    );

    for (path, status) in [
        ("/v1/nothing", 404),
        ("/v1/cases/0000", 400),
        (&format!("/v1/cases/{}", "0".repeat(64)), 404),
        ("/v1/cases?stge=x", 400),
        ("/v1/logs/housing/tile/0/9.p/1", 400),
        ("/v1/logs/housing/entries/100000", 404),
        ("/v1/drafts/housing", 401),
    ] {
        let (got, body) = federation.get(1, path).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(got, status, "{path}: {body}");
        assert!(body["what"].is_string(), "{path}: {body}");
    }
}

#[test]
fn a_node_that_was_offline_catches_up_and_a_restart_keeps_everything() {
    let mut federation = Federation::running();
    federation.await_equal();
    assert_eq!(
        federation
            .post(1, "/v1/trial/nodes/n3/offline", None, &json!({}))
            .0,
        200
    );
    assert_eq!(federation.get(3, "/readyz").unwrap().0, 503);
    assert_eq!(federation.get(3, "/v1/cases").unwrap().0, 503);
    let cases: Vec<String> = (0..40).map(|_| federation.file().to_string()).collect();
    assert_eq!(
        federation
            .post(1, "/v1/trial/nodes/n3/online", None, &json!({}))
            .0,
        200
    );
    federation.await_equal();
    let later = "2026-03-02T01:00:00.000Z";
    assert_eq!(
        federation
            .post(2, "/v1/trial/clock", None, &json!({"now": later}))
            .0,
        200
    );
    let (status, body) = federation.post(2, "/v1/trial/clock", None, &json!({"now": START}));
    assert_eq!((status, body["code"].as_str()), (422, Some("clock")));
    federation.await_equal();
    let due = federation.read(3, "/v1/due?department=civil&overdue=true");
    assert!(!due["data"].as_array().unwrap().is_empty(), "{due}");
    let before = federation.read(3, "/v1/digests");
    federation.terminate();
    federation.start();
    federation.await_equal();
    let after = federation.read(3, "/v1/digests");
    assert_eq!(before["data"], after["data"]);
    assert_eq!(after["asOf"], later, "the trial's clock is kept");
    for case in cases {
        assert_eq!(federation.get(3, &format!("/v1/proofs/{case}")).unwrap().0, 200);
    }
}

#[test]
fn every_acknowledged_event_survives_kill_on_every_node() {
    let mut federation = Federation::running();
    let mut acknowledged = Vec::new();
    for round in 0..10u64 {
        let notes: Vec<_> = (0..400)
            .map(|place| {
                let by = ["housing", "civil", "archive"][place % 3];
                let to = if by == "civil" { "housing" } else { "civil" };
                let event = federation.event(by, EventKind::RequestFiled, None, &[to], APPLICATION);
                (by, event_id(&event.to_text()), federation.sign(&event, 2))
            })
            .collect();
        let killed = Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            let submitters: Vec<_> = ["housing", "civil", "archive"]
                .into_iter()
                .map(|by| {
                    let (federation, notes, killed) = (&federation, &notes, killed.clone());
                    scope.spawn(move || {
                        let mut recorded = Vec::new();
                        for (_, id, note) in notes.iter().filter(|(author, ..)| *author == by) {
                            let node = Federation::node_of(by);
                            match federation.send(node, "/v1/submit", "text/plain", None, note) {
                                Some((200, _)) => recorded.push(*id),
                                Some((status, body)) => {
                                    assert!(killed.load(Ordering::SeqCst), "{status} {body}");
                                    break;
                                }
                                None => break,
                            }
                        }
                        recorded
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(60 + 45 * round));
            killed.store(true, Ordering::SeqCst);
            federation.kill_from_outside();
            for submitter in submitters {
                acknowledged.extend(submitter.join().unwrap());
            }
        });
        federation.kill();
        federation.start();
        federation.await_equal();
        for id in &acknowledged {
            for node in 1..=3 {
                let status = federation
                    .get(node, &format!("/v1/proofs/{id}"))
                    .map(|(status, _)| status);
                assert_eq!(status, Some(200), "round {round}, node {node}: {id} is lost");
            }
        }
    }
    assert!(
        acknowledged.len() > 30,
        "only {} were acknowledged",
        acknowledged.len()
    );
}

fn parts_below(folder: &Path) -> usize {
    let Ok(listing) = std::fs::read_dir(folder) else {
        return 0;
    };
    listing
        .map(|item| {
            let path = item.unwrap().path();
            if path.is_dir() { parts_below(&path) } else { 1 }
        })
        .sum()
}

/// Says whether a text stands anywhere in the files of a node.
fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|item| {
        let path = item.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[test]
fn detached_parts_reach_the_hosts_of_the_audience_and_nobody_else() {
    let mut federation = Federation::running();
    let text = Detached::new("grounds that only the two departments read");
    // Longer than one slice between nodes.
    let file = Detached::new(&"an attached letter, page after page. ".repeat(9_000));
    let event = federation.closed_request(&text, &file);
    let note = String::from_utf8(federation.sign(&event, 2)).unwrap();
    let (status, body) = federation.submit(1, note.as_bytes());
    assert_eq!((status, body["code"].as_str()), (422, Some("part-missing")));
    let wrong = json!({"note": note, "parts": [text.body(), {"commit": file.commitment().commit.to_hex(), "salt": text.body()["salt"], "content": "AAAA"}]});
    let (status, body) = federation.post(1, "/v1/submit", None, &wrong);
    assert_eq!((status, body["code"].as_str()), (400, Some("part-mismatch")));
    assert_eq!(
        parts_below(&federation.data(1).join("parts")),
        0,
        "a refusal leaves nothing"
    );

    let whole = json!({"note": note, "parts": [text.body(), file.body()]});
    let (status, body) = federation.post(1, "/v1/submit", None, &whole);
    assert_eq!(status, 200, "{body}");
    federation.await_equal();
    federation.await_that("civil's node has fetched both parts", |federation| {
        parts_below(&federation.data(2).join("parts")) == 2
    });
    assert_eq!(parts_below(&federation.data(3).join("parts")), 0);
    assert!(holds(&federation.data(2), "grounds that only the two"));
    assert!(!holds(&federation.data(3), "grounds that only the two"));

    let path = format!("/v1/parts/housing/{}", file.commitment().commit);
    let status = |node: usize, token: Option<&str>| federation.get_as(node, &path, token).unwrap().0;
    assert_eq!(status(1, None), 401);
    assert_eq!(status(1, Some(&federation.fresh_token("housing", "o1", 1))), 200);
    let (read, bytes) = federation
        .get_as(2, &path, Some(&federation.fresh_token("civil", "h1", 2)))
        .unwrap();
    let part: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((read, &part["content"]), (200, &file.body()["content"]));
    assert_eq!(status(1, Some(&federation.fresh_token("archive", "o1", 1))), 404);
    assert_eq!(
        status(1, Some(&federation.fresh_token("housing", "o1", 2))),
        401,
        "a token of another node"
    );
    let expired = federation.token("housing", "o1", 1, "2026-01-05T00:50:00.000Z", START);
    assert_eq!(status(1, Some(&expired)), 401);
    let unborn = federation.token(
        "housing",
        "o1",
        1,
        "2026-01-05T01:01:00.001Z",
        "2026-01-05T01:05:00.000Z",
    );
    assert_eq!(status(1, Some(&unborn)), 401);
    assert_eq!(
        status(1, Some(&federation.fresh_token("housing", "nobody", 1))),
        401
    );
}

#[test]
fn a_draft_goes_to_its_approver_and_is_recorded_once() {
    let mut federation = Federation::running();
    let drafter = federation.fresh_token("housing", "o1", 1);
    let approver = federation.fresh_token("housing", "h1", 1);
    let stranger = federation.fresh_token("bureau", "h1", 1);
    let text = |note: Vec<u8>| String::from_utf8(note).unwrap();
    let list = |token: &str| {
        let (status, bytes) = federation.get_as(1, "/v1/drafts/housing", Some(token)).unwrap();
        (status, serde_json::from_slice::<Value>(&bytes).unwrap())
    };
    let count = |token: &str| list(token).1["data"]["drafts"].as_array().map_or(0, Vec::len);
    let admin = federation.fresh_token("housing", "admin", 1);

    let mut nonce = Federation::found();
    nonce.id = federation.id.clone();
    let mut make = |place: u8| {
        let mut event = nonce.event("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION);
        event.nonce[15] = place;
        event
    };
    let unsigned = make(200);
    let (status, added) = federation.post(
        1,
        "/v1/drafts/housing",
        Some(&drafter),
        &json!({"note": unsigned.to_text()}),
    );
    assert_eq!(
        (status, added["data"]["state"].as_str()),
        (200, Some("unsigned")),
        "{added}"
    );
    let id = added["data"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (count(&drafter), count(&approver)),
        (1, 0),
        "unsigned text is the drafter's alone"
    );
    assert_eq!(list(&stranger).0, 403);
    let seen = list(&admin).1;
    assert_eq!(
        (
            seen["data"]["drafts"].as_array().unwrap().len(),
            &seen["data"]["open"]
        ),
        (0, &json!(1))
    );

    let half = text(federation.sign(&unsigned, 1));
    let draft = format!("/v1/drafts/housing/{id}");
    let (status, sent) = federation.post(
        1,
        &format!("{draft}/send"),
        Some(&drafter),
        &json!({"note": half}),
    );
    assert_eq!(
        (status, sent["data"]["state"].as_str()),
        (200, Some("sent")),
        "{sent}"
    );
    assert_eq!(count(&approver), 1);
    let (status, _) = federation.post(
        1,
        &format!("{draft}/return"),
        Some(&approver),
        &json!({"comment": "scope?"}),
    );
    assert_eq!(status, 200);
    let killed = text(federation.sign(&unsigned, 2));
    let (status, body) = federation.submit(1, killed.as_bytes());
    assert_eq!(
        (status, body["code"].as_str()),
        (422, Some("draft-closed")),
        "a returned note is never recorded"
    );
    let (status, body) = federation.post(
        1,
        &format!("{draft}/send"),
        Some(&drafter),
        &json!({"note": half}),
    );
    assert_eq!((status, body["code"].as_str()), (422, Some("draft-closed")));

    let edited = make(201);
    let half = text(federation.sign(&edited, 1));
    let (status, _) = federation.post(
        1,
        &format!("{draft}/send"),
        Some(&drafter),
        &json!({"note": half}),
    );
    assert_eq!(status, 200);
    // The approver's first attempt is refused, and the draft keeps the reason.
    let wrong = text(federation.sign(&edited, 2)).replace("/housing/h1 ", "/housing/h2 ");
    let (status, refusal) = federation.post(1, "/v1/submit", None, &json!({"note": wrong, "draft": id}));
    assert_eq!(status, 422, "{refusal}");
    let kept = list(&drafter).1;
    assert_eq!(kept["data"]["drafts"][0]["refused"]["code"], refusal["code"]);
    assert_eq!(kept["data"]["drafts"][0]["state"], "sent");
    let full = text(federation.sign(&edited, 2));
    let (status, body) = federation.post(1, "/v1/submit", None, &json!({"note": full, "draft": id}));
    assert_eq!(status, 200, "{body}");
    assert_eq!(list(&drafter).1["data"]["drafts"][0]["state"], "recorded");
    federation.kill();
    federation.start();
    let (_, bytes) = federation
        .get_as(1, "/v1/drafts/housing", Some(&drafter))
        .unwrap();
    let after: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        after["data"]["drafts"][0]["state"], "recorded",
        "entry and mark are one step"
    );
    let (status, body) = federation.post(
        1,
        &format!("{draft}/withdraw"),
        Some(&drafter),
        &json!({"comment": ""}),
    );
    assert_eq!((status, body["code"].as_str()), (422, Some("draft-state")));
}

#[test]
fn a_watcher_hears_of_a_case_on_another_node() {
    let mut federation = Federation::running();
    federation.await_equal();
    let response = ureq::get(federation.url(2, "/v1/watch")).call().unwrap();
    let mut lines = BufReader::new(response.into_body().into_reader()).lines();
    let mut next_changed = move || loop {
        let line = lines.next().unwrap().unwrap();
        if let Some(data) = line.strip_prefix("data: {") {
            return serde_json::from_str::<Value>(&format!("{{{data}")).unwrap();
        }
    };
    assert_eq!(
        next_changed()["cases"],
        json!([]),
        "a watcher is told that it listens"
    );
    let case = federation.file().to_string();
    while !next_changed()["cases"].as_array().unwrap().contains(&json!(case)) {}
}
