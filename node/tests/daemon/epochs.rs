//! A department whose signing lock is lost: its node does not sign, the others go on, and the next epoch takes up the cases.

use crate::federation::{APPLICATION, Federation};
use crate::fork::put_back;
use serde_json::Value;
use tally_schemas::event::EventKind;

pub(crate) fn start_sealed(federation: &mut Federation) {
    federation.spawn();
    federation.drain();
    federation.await_that("the node of housing says that it must not sign", |federation| {
        federation.get(1, "/readyz").is_some_and(|(status, body)| {
            let text = String::from_utf8_lossy(&body).into_owned();
            status == 503 && text.contains("housing") && text.contains("tally epoch open")
        })
    });
    for node in 2..=3 {
        federation.await_that("the other nodes are ready", |federation| {
            federation
                .get(node, "/readyz")
                .is_some_and(|(status, _)| status == 200)
        });
    }
}

#[test]
fn a_lost_lock_ends_an_epoch_and_the_administrator_opens_the_next() {
    let mut federation = Federation::running();
    let case = federation.file();
    federation.await_equal();
    federation.terminate();
    std::fs::remove_file(federation.data(1).join("lock/housing-1")).unwrap();
    start_sealed(&mut federation);

    let event = federation.event("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION);
    let refused = federation.sign(&event, 2);
    let (status, body) = federation.submit(1, &refused);
    assert_eq!(
        (status, body["code"].as_str()),
        (503, Some("log-sealed")),
        "{body}"
    );
    let token = federation.fresh_token("housing", "o1", 1);
    let (status, body) = federation.get_as(1, "/v1/drafts/housing", Some(&token)).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, body["code"].as_str()),
        (503, Some("log-sealed")),
        "{body}"
    );
    // Others go on, also the other department of the same node.
    let granted = r#"{"from":"2026-02-01","items":[1,2],"mode":"api","to":"2026-12-31"}"#;
    federation.act(
        "civil",
        EventKind::RequestGranted,
        Some(case),
        &["housing"],
        granted,
    );
    let post = r#"{"duties":["handle"],"nameEn":"desk","nameZh":"desk","post":"desk"}"#;
    federation.act("bureau", EventKind::RosterPostCreated, None, &[], post);

    let note = federation.opening(1, 1, 2, &["housing"]);
    let opened = federation.open(&note);
    assert_eq!(
        (opened["origin"].as_str(), opened["index"].as_u64()),
        (Some(format!("{}/housing/2", federation.id).as_str()), Some(0))
    );
    assert!(federation.data(1).join("lock/housing-2").is_file());
    federation.await_that("the node takes writes again", |federation| {
        federation
            .get(1, "/readyz")
            .is_some_and(|(status, _)| status == 200)
    });
    // What was refused is recorded now, and the same case goes on.
    assert_eq!(federation.submit(1, &refused).0, 200);
    let urged = federation.act(
        "housing",
        EventKind::RequestUrged,
        Some(case),
        &["civil"],
        r#"{"text":"please deliver"}"#,
    );
    federation.await_equal();
    let seen = |federation: &Federation| {
        let trail = federation.read(3, &format!("/v1/cases/{case}/trail"));
        trail["data"]["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["event"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(seen(&federation).contains(&urged.to_string()));
    for node in 1..=3 {
        assert_eq!(federation.log_of(node, 2).unwrap()["stopped"], Value::Null);
        assert!(federation.log_of(node, 1).unwrap()["ends"].is_u64());
    }
    // A restart forgets nothing of it, from a snapshot or from the logs.
    federation.terminate();
    federation.start();
    federation.file();
    federation.await_equal();
    federation.kill();
    for node in 1..=3 {
        // A node that was killed early has none.
        let _none = std::fs::remove_dir_all(federation.data(node).join("snapshot"));
    }
    federation.start();
    federation.file();
    federation.await_equal();
    assert!(seen(&federation).contains(&urged.to_string()));
    // The log of the new epoch is refilled like any other.
    federation.terminate();
    std::fs::remove_file(federation.data(1).join("own/housing-2/db")).unwrap();
    let refill = |federation: &Federation, more: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tally-node"))
            .arg("refill")
            .arg(federation.folder().join("nodes/n1.toml"))
            .args(more)
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{said}");
        said
    };
    let said = refill(&federation, &[]);
    assert!(
        said.contains("housing/2: written again up to the signing lock"),
        "{said}"
    );
    federation.start();
    federation.file();
    federation.await_equal();
    // What nobody holds any more is given up: the node starts, and signs no more in that epoch.
    federation.terminate();
    std::fs::remove_file(federation.data(1).join("own/housing-2/db")).unwrap();
    let said = refill(&federation, &["--department", "housing", "--give-up"]);
    assert!(said.contains("tally epoch open"), "{said}");
    start_sealed(&mut federation);
    federation.await_equal();
    let note = federation.opening(1, 2, 3, &["housing"]);
    federation.open(&note);
    federation.await_equal();
    federation.file();
}

#[test]
fn a_node_that_holds_more_of_the_old_log_contests_until_a_quorum_settles_it() {
    let (mut federation, lost) = put_back();
    // Restored without its lock, as a backup is, where nobody can tell that there was more.
    std::fs::remove_file(federation.data(1).join("lock/housing-1")).unwrap();
    federation.alone_until(1, 503, |federation| {
        let note = federation.opening(1, 1, 2, &["housing"]);
        federation.open(&note);
        federation.file();
    });

    federation.spawn();
    federation.drain();
    for node in 2..=3 {
        federation.await_that("who holds more contests the new epoch", |federation| {
            federation.get(node, "/readyz").is_some_and(|(_, body)| {
                let text = String::from_utf8_lossy(&body).into_owned();
                text.contains("quorum") && text.contains("housing/2")
            })
        });
        assert_eq!(federation.log_of(node, 2), None);
        let held = federation.get(node, &format!("/v1/proofs/{lost}")).unwrap().0;
        assert_eq!(
            held, 200,
            "nothing is un-applied on node {node} before it is settled"
        );
    }
    let alone = federation.file();
    // Three of four let what epoch 2 holds count.
    let note = federation.opening(1, 2, 3, &["archive", "bureau", "civil"]);
    federation.open(&note);
    federation.await_that("all nodes hold the third epoch", |federation| {
        (1..=3).all(|node| {
            let log = federation.log_of(node, 3);
            log.is_some_and(|log| log["cursor"].as_u64() > Some(0))
        })
    });
    federation.await_equal();
    for node in 1..=3 {
        let path = |case: &dyn std::fmt::Display| format!("/v1/cases/{case}");
        assert_eq!(federation.get(node, &path(&alone)).unwrap().0, 200);
        assert_eq!(
            federation.get(node, &path(&lost)).unwrap().0,
            404,
            "it is set aside on node {node}"
        );
    }
    let case = federation.file();
    federation.await_equal();
    assert_eq!(federation.get(3, &format!("/v1/cases/{case}")).unwrap().0, 200);
}
