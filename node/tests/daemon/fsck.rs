//! The check of a stopped node's folder verifies every signature whose key the folder itself leads to.

use crate::epochs::start_sealed;
use crate::federation::{Federation, START, department, key};
use std::sync::Arc;
use tally_ledger::authority::Registry;
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::{SigningKey, leaf_hash, sign_note};
use tally_ledger::merkle::Frontier;
use tally_node::store::{DataDir, FsckReport, KnownKeys, LogFiles, fsck};
use tally_schemas::genesis::{Administrator, DepartmentRecord, Role};
use tally_schemas::governance::{Change, Governance};
use tally_schemas::id::{NodeId, OfficerId, Origin};
use tally_schemas::note::Note;
use tally_schemas::time::Timestamp;

fn registry(federation: &Federation) -> Registry {
    Registry::found(&std::fs::read(federation.folder().join("genesis.note")).unwrap()).unwrap()
}

fn check(federation: &Federation, node: usize) -> FsckReport {
    let data = DataDir::open(&federation.data(node)).unwrap();
    fsck(&data, KnownKeys::of(registry(federation)), &mut |_| {}).unwrap()
}

/// Governance that admits the department tax.
fn admission(federation: &Federation) -> Vec<u8> {
    let registry = registry(federation);
    let like = registry.department(&department("civil"), 0).unwrap().clone();
    let record = DepartmentRecord {
        id: department("tax"),
        name_en: "tax".to_owned(),
        name_zh: "tax".to_owned(),
        node: NodeId::parse("n2").unwrap(),
        log_key: *key("log tax").public_key().as_bytes(),
        administrator: Administrator {
            officer: OfficerId::parse("admin").unwrap(),
            key: *key("admin tax").public_key().as_bytes(),
        },
        roles: vec![Role::Requester],
        ..like
    };
    let text = Governance {
        federation: federation.id.clone(),
        version: 1,
        previous: registry.genesis_hash(),
        issued: Timestamp::parse(START).unwrap(),
        changes: vec![Change::DepartmentAdmitted(Box::new(record))],
    }
    .to_text();
    let lines = ["bureau", "civil", "housing"].map(|id| {
        let name = format!("{}/{id}/admin", federation.id);
        sign_note(&text, &name, &key(&format!("admin {id}"))).unwrap()
    });
    Note {
        lines: lines.to_vec(),
        text,
    }
    .to_bytes()
}

/// Puts a log of tax into the folder of a stopped node: as files, or waiting beside them.
fn plant(federation: &Federation, node: usize, signed_by: &SigningKey, as_files: bool) {
    let origin = Origin::parse(&format!("{}/tax/1", federation.id)).unwrap();
    let data = DataDir::open(&federation.data(node)).unwrap();
    LogFiles::set_aside(&data, &origin).unwrap();
    let entries: Vec<Arc<[u8]>> = vec![Arc::from(b"first".as_slice())];
    let mut frontier = Frontier::default();
    frontier.append(leaf_hash(&entries[0]));
    let checkpoint = sign_checkpoint(&origin, frontier.head(), signed_by).to_bytes();
    let mut files = LogFiles::open(&data, &origin, &mut |_, _| {}).unwrap();
    files.append(0, &entries, Some(&checkpoint)).unwrap();
    if as_files {
        files.settle().unwrap();
    }
}

#[test]
fn the_log_of_a_department_admitted_later_is_checked_with_the_key_that_governance_names() {
    let mut federation = Federation::running();
    let (status, body) = federation.submit(Federation::node_of("bureau"), &admission(&federation));
    assert_eq!(status, 200, "{body}");
    federation.await_equal();
    federation.terminate();
    // On the node of the registrar governance stands in its own log, on others among what is replicated.
    for (node, as_files, place) in [
        (1, true, "tax-1/checkpoint"),
        (2, true, "tax-1/checkpoint"),
        (3, true, "tax-1/checkpoint"),
        (3, false, "ahead/tax-1"),
    ] {
        plant(&federation, node, &key("log tax"), as_files);
        let report = check(&federation, node);
        assert_eq!(report.findings, [], "node {node}");
        assert_eq!(
            report.counts.signatures_unchecked, 0,
            "node {node}: {:?}",
            report.counts
        );
        plant(&federation, node, &key("log of somebody"), as_files);
        let report = check(&federation, node);
        assert!(
            report.findings.len() == 1 && report.findings[0].file.ends_with(place),
            "node {node}: {:?}",
            report.findings
        );
    }
}

#[test]
fn the_log_of_a_later_epoch_is_checked_with_the_key_that_its_opening_names() {
    let mut federation = Federation::running();
    federation.file();
    federation.await_equal();
    federation.terminate();
    std::fs::remove_file(federation.data(1).join("lock/housing-1")).unwrap();
    start_sealed(&mut federation);
    federation.open(&federation.opening(1, 1, 2, &["housing"]));
    federation.file();
    federation.await_equal();
    federation.terminate();
    for node in 1..=3 {
        let report = check(&federation, node);
        // The lock of the epoch that ended stays lost, and nobody needs it.
        assert_eq!(report.findings, [], "node {node}");
        assert_eq!(
            report.counts.signatures_unchecked, 0,
            "node {node}: {:?}",
            report.counts
        );
        assert!(report.counts.signatures >= 4, "node {node}: {:?}", report.counts);
    }
}
