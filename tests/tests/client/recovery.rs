//! A department whose log nobody holds as far as it was signed: what is left of it counts once a quorum says so, and is proven.

use super::trial::{START, Trial};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally_client::node::NodeClient;
use tally_ledger::crypto::leaf_hash;
use tally_ledger::merkle::Tree;
use tally_node::bus::embedded::EmbeddedNet;
use tally_node::bus::{Bus as _, Inbound, Inbox, Publication};
use tally_node::clock::Clock;
use tally_node::config::Settings;
use tally_node::runtime::Node;
use tally_schemas::api::{Answer, LogBody, path};
use tally_schemas::frame::Frame;
use tally_schemas::id::{NodeId, Origin};
use tally_schemas::question;
use tally_schemas::time::Timestamp;
use tally_tests::go_checker;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.path().is_dir() {
            copy(&item.path(), &target);
        } else {
            fs::copy(item.path(), &target).unwrap();
        }
    }
}

fn log_of_civil(node: &NodeClient) -> (Origin, u64) {
    let logs: Answer<Vec<LogBody>> = node.read(path::LOGS).unwrap();
    let log = logs
        .data
        .into_iter()
        .rfind(|log| log.department == "civil")
        .unwrap();
    (Origin::parse(&log.origin).unwrap(), log.size)
}

/// Gives a frame to the node `hall` while no other node runs.
fn give(home: &Path, frame: &Frame) {
    let settings = Settings::read(&home.join("nodes/hall.toml")).unwrap();
    let clock = Clock::trial(&home.join("clock-of-hall"), Timestamp::parse(START).unwrap()).unwrap();
    let net = EmbeddedNet::new();
    let nothing: Inbox = Arc::new(|inbound| {
        if let Inbound::Question { answer, .. } = inbound {
            answer(question::Answer::Nothing.encode().unwrap());
        }
        true
    });
    let offices = net.join(&NodeId::parse("offices").unwrap(), nothing);
    let hall = Node::start(&settings, clock, |inbox, _| Ok(net.join(&settings.node, inbox))).unwrap();
    let began = Instant::now();
    let held = || {
        hall.shared()
            .view(|replica| replica.world().log(&frame.origin.department).unwrap().size())
    };
    while held() < frame.end() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it does not take the frame"
        );
        offices.publish(Publication {
            origin: frame.origin.clone(),
            has_entries: true,
            bytes: frame.encode().unwrap().into(),
        });
        std::thread::sleep(Duration::from_millis(50));
    }
    hall.stop();
}

#[test]
fn what_is_left_of_a_log_is_continued_by_a_quorum_and_proven() {
    let mut trial = Trial::start();
    let offices = trial.node(1);
    let old = trial.desk().join("old");
    trial.stopped(|home| copy(&home.join("data"), &old));
    trial.settle();
    let (origin, start) = log_of_civil(&offices);
    let left = trial.request();
    let (_, end) = log_of_civil(&offices);
    let gone = trial.request();
    let (_, signed) = log_of_civil(&offices);
    assert!(start < end && end < signed);
    let entries: Vec<Vec<u8>> = (0..signed)
        .map(|index| offices.entry(&origin, index).unwrap())
        .collect();
    let tree: Tree = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let frame = Frame {
        start,
        entries: entries[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()].to_vec(),
        consistency: tree.consistency(end, signed).unwrap(),
        checkpoint: offices.bytes("/v1/logs/civil/checkpoint", 65_536).unwrap(),
        origin,
    };
    // Both nodes are as they were before, the lock is lost, and of the two requests only what `hall` was sent of the first is left.
    trial.stopped(|home| {
        fs::remove_dir_all(home.join("data")).unwrap();
        copy(&old, &home.join("data"));
        fs::remove_file(home.join("data/offices/lock/civil-1")).unwrap();
        give(home, &frame);
    });
    trial.await_that("offices holds what is left", || {
        log_of_civil(&trial.node(1)).1 == end
    });

    let alone = "epoch open --reason restored";
    let refused = trial.tally("civil-adm", alone).failed(1);
    assert!(refused.contains(&format!("signed {signed} entries")), "{refused}");
    assert!(refused.contains("tally epoch draft"), "{refused}");
    let refused = trial.tally_in("zh", "civil-adm", alone).failed(1);
    assert!(refused.contains(&format!("已签署 {signed} 条")), "{refused}");

    let draft = "epoch draft --department civil --reason restored --save next.note";
    let refused = trial.tally("civil-adm", draft).failed(1);
    assert!(refused.contains("--rest-is-lost"), "{refused}");
    let left_out = format!("with this opening the first {end} count");
    let told = trial.tally("civil-adm", &format!("{draft} --rest-is-lost"));
    assert!(told.err.contains(&left_out), "{}", told.err);
    told.ok();
    for officer in ["housing-adm", "lead-adm"] {
        let told = trial.tally(officer, "epoch sign next.note");
        assert!(told.err.contains(&left_out), "{}", told.err);
        told.ok();
    }
    trial.tally("civil-adm", "submit next.note").ok();
    trial.settle();
    for officer in ["civil-c-01", "data-d-01"] {
        let told = trial.tally(officer, &format!("proof {left} --to {officer}")).ok();
        assert!(
            told.contains(&format!("under a signed head of {signed} entries")),
            "{told}"
        );
        let away = format!("--node http://127.0.0.1:9 proof {left} --from {officer}");
        assert!(trial.tally(officer, &away).ok().contains(&left));
        let told = trial.tally(officer, &format!("proof {gone}")).failed(2);
        assert!(told.contains("is not recorded"), "{told}");
    }
    // The department goes on.
    let next = trial.request();
    trial.tally("data-d-01", &format!("proof {next}")).ok();
    // The key of the new log, which its opening names, convinces a program that shares no code with ours.
    let told = trial
        .tally("data-d-01", "--json log export --origin civil --to next-log")
        .json();
    assert!(told["origin"].as_str().unwrap().ends_with("/civil/2"), "{told}");
    let key = told["verifierKey"].as_str().unwrap();
    let folder = trial.desk().join("next-log");
    let checker = go_checker::build(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let verdict = go_checker::verdict(checker, &folder, key).unwrap();
    assert!(verdict.contains("/civil/2 size "), "{verdict}");
    let bundles = folder.join("tile/entries/000.p");
    let bundle = fs::read_dir(bundles).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[100] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let refused = go_checker::verdict(checker, &folder, key).unwrap_err();
    assert!(refused.contains("does not hash to its leaf"), "{refused}");
}
