//! A department whose machine was put back to an old copy, and which went on alone: two histories under one key.

use crate::federation::{APPLICATION, Federation};
use std::path::Path;
use tally_ledger::checkpoint::LogKey;
use tally_ledger::fork::verify_fork;
use tally_schemas::event::EventKind;
use tally_schemas::fork::ForkEvidence;
use tally_schemas::id::{EventId, Origin};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.path().is_dir() {
            copy(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), &target).unwrap();
        }
    }
}

fn evidence_on(federation: &Federation, node: usize) -> Vec<Vec<u8>> {
    let Ok(listing) = std::fs::read_dir(federation.data(node).join("forks")) else {
        return Vec::new();
    };
    listing
        .map(|item| std::fs::read(item.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn a_forked_log_is_stopped_everywhere_and_each_node_keeps_the_evidence() {
    let (mut federation, standing) = forked();
    federation.await_that("the forked node serves no writes", |federation| {
        federation.get(1, "/readyz").is_some_and(|(status, body)| {
            status == 503 && String::from_utf8_lossy(&body).contains("tally epoch draft --department housing")
        })
    });
    let origin = Origin::parse(&format!("{}/housing/1", federation.id)).unwrap();
    let key = LogKey::new(&origin, &crate::federation::key("log housing").public_key());
    for node in 2..=3 {
        for bytes in evidence_on(&federation, node) {
            let evidence = ForkEvidence::parse(&bytes).unwrap();
            assert_eq!(verify_fork(&evidence, &key).unwrap().origin, origin);
        }
        let held = federation.get(node, &format!("/v1/proofs/{standing}")).unwrap().0;
        assert_eq!(held, 200, "nothing is un-applied on node {node}");
    }
    let event = federation.event("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION);
    let note = federation.sign(&event, 2);
    let (status, body) = federation.submit(1, &note);
    assert_eq!(
        (status, body["code"].as_str()),
        (503, Some("log-sealed")),
        "{body}"
    );
    // Departments elsewhere go on, and a restart forgets nothing.
    let other = federation.act("civil", EventKind::RequestFiled, None, &["archive"], APPLICATION);
    federation.kill();
    federation.spawn();
    federation.drain();
    federation.await_that("node 3 has what civil recorded", |federation| {
        federation
            .get(3, &format!("/v1/proofs/{other}"))
            .is_some_and(|(status, _)| status == 200)
    });
    let stopped = federation.read(3, "/v1/logs");
    let log = stopped
        .as_array()
        .into_iter()
        .flatten()
        .chain(stopped["data"].as_array().into_iter().flatten());
    let housing = log
        .filter(|log| {
            log["origin"]
                .as_str()
                .is_some_and(|named| named == origin.to_string())
        })
        .find_map(|log| log["stopped"].as_str());
    assert!(housing.is_some_and(|why| why.contains("two roots")), "{stopped}");
}

/// A federation that is down, whose first node was put back to an old copy: all others hold the request of housing that is returned.
pub(crate) fn put_back() -> (Federation, EventId) {
    let mut federation = Federation::running();
    federation.file();
    federation.await_equal();
    federation.terminate();
    let old = federation.folder().join("old");
    let lock_of_bureau = |folder: &Path| std::fs::read(folder.join("lock/bureau-1")).unwrap();
    // The node of housing hosts bureau too, which must not have signed more than its copy knows of: that would be a fork as well.
    let standing = loop {
        if old.exists() {
            std::fs::remove_dir_all(&old).unwrap();
        }
        copy(&federation.data(1), &old);
        federation.start();
        let standing = federation.file();
        federation.await_equal();
        federation.terminate();
        if lock_of_bureau(&federation.data(1)) == lock_of_bureau(&old) {
            break standing;
        }
    };
    std::fs::remove_dir_all(federation.data(1)).unwrap();
    copy(&old, &federation.data(1));
    (federation, standing)
}

/// A federation in which housing's log forked: all nodes but its own hold the history with the request that is returned.
fn forked() -> (Federation, EventId) {
    let (mut federation, standing) = put_back();
    federation.alone(1, |federation| {
        for _ in 0..2 {
            federation.file();
        }
    });
    federation.spawn();
    federation.drain();
    let shown = |federation: &Federation| (2..=3).all(|node| !evidence_on(federation, node).is_empty());
    federation.await_that("both other nodes keep the evidence", shown);
    (federation, standing)
}

#[test]
fn the_branch_that_a_quorum_names_is_fetched_and_found_again_after_a_kill() {
    let (mut federation, standing) = forked();
    federation.await_that("the forked node knows of it", |federation| {
        !evidence_on(federation, 1).is_empty()
    });
    let note = federation.opening(2, 1, 2, &["archive", "bureau", "civil"]);
    federation.open(&note);
    federation.await_equal();
    // What was said under the other history is set aside on disk; which one stands is kept beside it.
    assert!(federation.data(1).join("branches/housing-1").is_file());
    assert!(federation.data(1).join("set-aside").is_dir());
    let held = |federation: &Federation| {
        let path = format!("/v1/proofs/{standing}");
        federation.get(1, &path).is_some_and(|(status, _)| status == 200)
    };
    assert!(held(&federation));
    // Killed, and all that is known of the log and of everything else but the own logs is lost: it comes again, past the evidence.
    federation.kill();
    for lost in ["snapshot", "logs", "ahead"] {
        let _none = std::fs::remove_dir_all(federation.data(1).join(lost));
    }
    federation.start();
    federation.await_equal();
    federation.await_that("the request that stands is held again", held);
    let case = federation.file();
    federation.await_equal();
    assert_eq!(federation.get(3, &format!("/v1/cases/{case}")).unwrap().0, 200);
}
