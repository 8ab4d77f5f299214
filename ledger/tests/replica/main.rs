//! Two replicas under the smallest driver that keeps the contract: submit, verify, persist, publish, converge.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod asking;
mod branches;
mod degree;
mod driver;
mod epochs;
mod forks;
mod frames;
mod rulesets;

use driver::{APPLICATION, Driver, department, key};
use std::collections::VecDeque;
use tally_ledger::checkpoint::{LogKey, sign_checkpoint};
use tally_ledger::crypto::event_id;
use tally_ledger::proof::verify_recorded;
use tally_ledger::replica::{Input, Output};
use tally_schemas::event::EventKind;
use tally_schemas::limits::EVENT_NOTE_BYTES_MAX;
use tally_schemas::note::Note;
use tally_schemas::proof::TlogProof;

#[test]
fn a_request_is_filed_here_and_granted_there() {
    let mut driver = Driver::new();
    let filed = driver
        .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
        .unwrap();
    let granted = driver
        .act(
            "civil",
            EventKind::RequestGranted,
            Some(filed.event),
            &["housing"],
            r#"{"from":"2026-02-01","items":[1,2],"mode":"api","to":"2026-12-31"}"#,
        )
        .unwrap();
    driver.assert_equal();
    let case = driver.replicas[0].world().case(&filed.event).unwrap();
    let state = case.state().unwrap();
    assert_eq!(state.stage().as_str(), "agreed");
    let civil = department("civil");
    let registry = driver.replicas[0].world().registry();
    let log = registry.origin(&civil);
    let entry = &driver.entries[&log.to_string()][usize::try_from(granted.index).unwrap()];
    let proof = TlogProof::parse(&granted.proof).unwrap();
    let log_key = LogKey::new(&log, &key("log civil").public_key());
    verify_recorded(entry, &proof, &log_key).unwrap();
}

#[test]
fn a_repeated_submission_gets_the_same_proof() {
    let mut driver = Driver::new();
    let event = driver.event("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION);
    let note = driver.sign(&event);
    let first = driver.submit(0, note.clone()).unwrap();
    let again = driver.submit(0, note).unwrap();
    assert_eq!(first, again);
    assert_eq!(first.event, event_id(&event.to_text()));
}

#[test]
fn a_step_that_does_not_follow_is_refused_with_what_is_possible() {
    let mut driver = Driver::new();
    let filed = driver
        .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
        .unwrap();
    let delivered = driver.act(
        "civil",
        EventKind::RequestDelivered,
        Some(filed.event),
        &["housing"],
        r#"{"mode":"api"}"#,
    );
    let refusal = delivered.unwrap_err();
    assert_eq!(refusal.code, "stage");
    assert!(
        refusal
            .possible
            .iter()
            .any(|act| act.kind == EventKind::RequestGranted),
        "{:?}",
        refusal.possible
    );
}

#[test]
fn concurrent_withdrawal_ends_the_grant_forward_on_both() {
    let mut driver = Driver::new();
    let filed = driver
        .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
        .unwrap();
    // Both act before either hears of the other: the frames of the second wait until both are recorded.
    let withdraw = driver.event(
        "housing",
        EventKind::RequestWithdrawn,
        Some(filed.event),
        &["civil"],
        r#"{"reason":"r"}"#,
    );
    let grant = driver.event(
        "civil",
        EventKind::RequestGranted,
        Some(filed.event),
        &["housing"],
        r#"{"from":"2026-02-01","items":[1,2],"mode":"api","to":"2026-12-31"}"#,
    );
    let (withdraw, grant) = (driver.sign(&withdraw), driver.sign(&grant));
    let mut cut = Vec::new();
    for (at, note, ticket) in [(0usize, withdraw, 1001u64), (1, grant, 1002)] {
        let mut queue = VecDeque::from([Input::Submit {
            ticket,
            note,
            personal_override: None,
        }]);
        while let Some(input) = queue.pop_front() {
            for output in driver.replicas[at].handle(driver.now, vec![input]) {
                match output {
                    Output::Verify(jobs) => {
                        queue.push_back(Input::Verified(
                            jobs.iter().map(tally_ledger::replica::Job::run).collect(),
                        ));
                    }
                    Output::Persist(batch) => {
                        let name = format!("log {}", batch.origin.department);
                        let checkpoint = sign_checkpoint(&batch.origin, batch.head, &key(&name)).to_bytes();
                        queue.push_back(Input::Persisted {
                            token: batch.token,
                            checkpoint: Some(checkpoint),
                        });
                    }
                    Output::Publish(frame) => cut.push((1 - at, frame)),
                    Output::Reply { result, .. } => assert!(result.is_ok(), "{result:?}"),
                    Output::Changed(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    for (at, frame) in cut {
        let outputs = driver.replicas[at].handle(driver.now, vec![Input::Frame(frame)]);
        for output in outputs {
            if let Output::Verify(jobs) = output {
                let results = jobs.iter().map(tally_ledger::replica::Job::run).collect();
                driver.replicas[at].handle(driver.now, vec![Input::Verified(results)]);
            }
        }
    }
    driver.assert_equal();
    let fold = driver.replicas[1].world().case(&filed.event).unwrap();
    let state = fold.state().unwrap();
    assert!(
        state.items.values().all(|item| item.stage.as_str() == "ended"),
        "{:?}",
        state.items
    );
}

#[test]
fn the_first_bad_signature_is_named_in_whatever_order_they_are_checked() {
    let mut driver = Driver::new();
    driver.checks_backwards = true;
    let event = driver.event("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION);
    let mut note = Note::parse(&driver.sign(&event), EVENT_NOTE_BYTES_MAX).unwrap();
    let mut other = event.clone();
    other.nonce = [7; 16];
    note.text = other.to_text();
    let refusal = driver.submit(0, note.to_bytes()).unwrap_err();
    assert_eq!(refusal.code, "signature");
    assert!(refusal.what.contains("o1"), "{}", refusal.what);
}

#[test]
fn a_tick_states_what_arrived() {
    let mut driver = Driver::new();
    let filed = driver
        .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
        .unwrap();
    let civil = department("civil");
    assert_eq!(driver.replicas[1].world().unreceived(&civil), vec![filed.event]);
    driver.now = driver.now.plus_ms(1000);
    driver.input(1, Input::Tick);
    assert!(driver.replicas[1].world().unreceived(&civil).is_empty());
    let arrival = driver.replicas[0]
        .world()
        .arrival(&filed.event, &filed.event)
        .unwrap();
    assert_eq!(arrival.received.get(&civil), Some(&driver.now));
    driver.assert_equal();
}

#[test]
fn an_identity_card_number_in_a_reason_is_refused_unless_a_reason_is_given() {
    let mut driver = Driver::new();
    let body = APPLICATION.replace(r#""basis":"duty""#, r#""basis":"see 11010519491231002X""#);
    let event = driver.event("housing", EventKind::RequestFiled, None, &["civil"], &body);
    let note = driver.sign(&event);
    assert_eq!(
        driver.submit(0, note.clone()).unwrap_err().code,
        "personal-number"
    );
    driver.ticket += 1;
    let ticket = driver.ticket;
    driver.input(
        0,
        Input::Submit {
            ticket,
            note,
            personal_override: Some("a sample number".to_owned()),
        },
    );
    assert!(driver.replies.remove(&ticket).unwrap().is_ok());
}
