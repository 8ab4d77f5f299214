//! A department whose machine was put back to an old copy, and which went on alone: two histories under one key.

use crate::federation::{APPLICATION, Federation};
use std::path::Path;
use tally_ledger::checkpoint::LogKey;
use tally_ledger::fork::verify_fork;
use tally_schemas::event::EventKind;
use tally_schemas::fork::ForkEvidence;
use tally_schemas::id::Origin;

pub(crate) fn copy(from: &Path, to: &Path) {
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
    let mut federation = Federation::running();
    for _ in 0..3 {
        federation.file();
    }
    federation.await_equal();
    federation.terminate();
    let old = federation.folder().join("old");
    copy(&federation.data(1), &old);

    federation.start();
    let standing = federation.file();
    federation.await_equal();
    federation.terminate();

    // The old copy, with its lock, goes on where nobody can tell it better.
    std::fs::remove_dir_all(federation.data(1)).unwrap();
    copy(&old, &federation.data(1));
    federation.alone(1, |federation| {
        for _ in 0..2 {
            federation.file();
        }
    });

    federation.spawn();
    federation.drain();
    let shown = |federation: &Federation| (2..=3).all(|node| !evidence_on(federation, node).is_empty());
    federation.await_that("both other nodes keep the evidence", shown);
    federation.await_that("the forked node serves no writes", |federation| {
        federation.get(1, "/readyz").is_some_and(|(status, body)| {
            status == 503 && String::from_utf8_lossy(&body).contains("tally epoch open")
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
