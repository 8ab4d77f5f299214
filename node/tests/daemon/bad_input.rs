//! What must never be recorded: each is answered with a reason and a remedy, and leaves every log as it was.

use crate::federation::{APPLICATION, Federation, START, key};
use serde_json::{Value, json};
use tally_ledger::crypto::sign_note;
use tally_schemas::event::{Event, EventKind};
use tally_schemas::id::{EventId, Hash, OfficerId};
use tally_schemas::note::Note;

/// Signs any text by officers of a department, whatever the text says.
fn signed(federation: &Federation, by: &str, text: &str, officers: &[&str]) -> Vec<u8> {
    let sign = |officer: &&str| {
        let name = format!("{}/{by}/{officer}", federation.id);
        sign_note(text, &name, &key(&format!("{officer} {by}"))).unwrap()
    };
    let lines = officers.iter().map(sign).collect();
    let text = text.to_owned();
    Note { text, lines }.to_bytes()
}

/// The sizes of all logs on all nodes, once they agree.
fn heads(federation: &Federation) -> Value {
    federation.await_equal();
    federation.read(1, "/v1/digests")["heads"].clone()
}

struct Attempt {
    name: &'static str,
    note: Vec<u8>,
    answer: (u16, &'static str, &'static str),
    /// What the reason must name.
    names: &'static str,
}

#[test]
fn nothing_bad_is_recorded_and_each_refusal_says_what_and_what_to_do() {
    let mut federation = Federation::running();
    let case = federation.file();
    // An officer who was enrolled and whose key was revoked.
    let public = Hash(*key("o9 housing").public_key().as_bytes()).to_base64();
    let enrol = format!(r#"{{"key":"{public}","officer":"o9"}}"#);
    federation.act("housing", EventKind::RosterEnrolled, None, &[], &enrol);
    federation.act(
        "housing",
        EventKind::RosterAppointed,
        None,
        &[],
        r#"{"from":"2026-01-01","officer":"o9","post":"clerk"}"#,
    );
    federation.act(
        "housing",
        EventKind::RosterKeyRevoked,
        None,
        &[],
        r#"{"officer":"o9","reason":"lost"}"#,
    );
    let before = heads(&federation);

    let good = |federation: &mut Federation| -> Event {
        federation.event("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
    };
    let text = good(&mut federation).to_text();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} stands in {text}");
        text.replacen(from, to, 1)
    };
    let both = |federation: &Federation, text: &str| signed(federation, "housing", text, &["o1", "h1"]);
    let invalid = (400, "invalid", "form");
    let refused = |code| (422, "refused", code);

    let mut elsewhere = good(&mut federation);
    elsewhere.after = vec![EventId(Hash([7; 32]))];
    let elsewhere = elsewhere.to_text();
    let mut revoked = good(&mut federation);
    revoked.signers[0].officer = Some(OfficerId::parse("o9").unwrap());
    let revoked = revoked.to_text();
    let mut stranger = good(&mut federation);
    stranger.signers[0].officer = Some(OfficerId::parse("o7").unwrap());
    let stranger = stranger.to_text();
    let mut unnamed = good(&mut federation);
    unnamed.signers[0].officer = None;
    let unnamed = unnamed.to_text();
    let identity = with(r#""scenario":"s""#, r#""scenario":"for 11010519491231002X""#);
    let mut wrong = both(&federation, &text);
    let flipped = wrong.windows(6).position(|window| window == b"\"duty\"").unwrap();
    wrong[flipped + 1] = b'D';
    let long = with(
        r#""scope":"s""#,
        &format!(r#""scope":"{}""#, "long ".repeat(20_000)),
    );

    let attempts = vec![
        Attempt {
            name: "bytes that are not UTF-8",
            note: [both(&federation, &text).as_slice(), b"\xff\n"].concat(),
            answer: invalid,
            names: "UTF-8",
        },
        Attempt {
            name: "JSON with a space",
            note: both(
                &federation,
                &with(r#""class":"conditional""#, r#""class": "conditional""#),
            ),
            answer: invalid,
            names: "canonical",
        },
        Attempt {
            name: "a key that stands twice",
            note: both(&federation, &with(r#""scope":"s""#, r#""scope":"s","scope":"t""#)),
            answer: invalid,
            names: "scope",
        },
        Attempt {
            name: "a number with a fraction",
            note: both(&federation, &with(r#""number":1"#, r#""number":1.5"#)),
            answer: invalid,
            names: "",
        },
        Attempt {
            name: "a note over the limit of an entry",
            note: both(&federation, &long),
            answer: invalid,
            names: "",
        },
        Attempt {
            name: "a megabyte",
            note: vec![b'x'; 1 << 20],
            answer: (413, "too-large", "body"),
            names: "131070",
        },
        Attempt {
            name: "an unknown kind",
            note: both(&federation, &with("request.filed", "request.imagined")),
            answer: refused("unknown-kind"),
            names: "request.imagined",
        },
        Attempt {
            name: "an event for another federation",
            note: {
                let id = federation.id.to_string();
                let other = id.replacen("test", "best", 1);
                both(&federation, &with(&id, &other))
            },
            answer: refused("federation"),
            names: "best",
        },
        Attempt {
            name: "a text changed after it was signed",
            note: wrong,
            answer: refused("signature"),
            names: "o1",
        },
        Attempt {
            name: "the signature of a key that is not the officer's",
            note: {
                let name = format!("{}/housing/h1", federation.id);
                let first = Note::parse(&both(&federation, &text), 1 << 16).unwrap().lines[0].clone();
                let second = sign_note(&text, &name, &key("somebody")).unwrap();
                let lines = vec![first, second];
                let text = text.clone();
                Note { text, lines }.to_bytes()
            },
            answer: refused("no-key"),
            names: "h1",
        },
        Attempt {
            name: "an unknown officer",
            note: signed(&federation, "housing", &stranger, &["o7", "h1"]),
            answer: refused("no-key"),
            names: "o7",
        },
        Attempt {
            name: "an officer whose key was revoked",
            note: signed(&federation, "housing", &revoked, &["o9", "h1"]),
            answer: refused("no-key"),
            names: "o9",
        },
        Attempt {
            name: "no approver",
            note: signed(&federation, "housing", &text, &["o1"]),
            answer: refused("lines"),
            names: "",
        },
        Attempt {
            name: "one officer in both lines",
            note: signed(&federation, "housing", &unnamed, &["h1", "h1"]),
            answer: invalid,
            names: "two signature lines",
        },
        Attempt {
            name: "an event before it that nobody knows",
            note: both(&federation, &elsewhere),
            answer: refused("after"),
            names: "0707",
        },
        Attempt {
            name: "the number of an identity card",
            note: both(&federation, &identity),
            answer: refused("personal-number"),
            names: "scenario",
        },
    ];
    for attempt in attempts {
        let (status, body) = federation.submit(1, &attempt.note);
        let got = (
            status,
            body["family"].as_str().unwrap(),
            body["code"].as_str().unwrap(),
        );
        assert_eq!(got, attempt.answer, "{}: {body}", attempt.name);
        let what = body["what"].as_str().unwrap();
        assert!(what.contains(attempt.names), "{}: {what}", attempt.name);
        assert!(
            body["hint"].as_str().is_some_and(|hint| hint.len() > 10),
            "{}: {body}",
            attempt.name
        );
    }
    // A body that is too long is refused over and over, never by a broken connection.
    for _ in 0..20 {
        assert_eq!(federation.submit(1, &vec![b'x'; 3 << 20]).0, 413);
    }
    let (status, body) = federation.post(1, "/v1/submit", None, &json!({"note": "x", "draf": "y"}));
    assert_eq!((status, body["code"].as_str()), (400, Some("json")));

    assert_eq!(heads(&federation), before, "nothing of it was recorded anywhere");
    let granted = r#"{"from":"2026-02-01","items":[1,2],"mode":"api","to":"2026-12-31"}"#;
    federation.act(
        "civil",
        EventKind::RequestGranted,
        Some(case),
        &["housing"],
        granted,
    );
    federation.await_equal();
    assert_eq!(federation.read(3, "/v1/digests")["asOf"], START);
}
