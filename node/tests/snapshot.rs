//! A node with a history starts from its snapshot, and from its logs when the snapshot does not hold: the same state both ways.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at what it did not expect"
)]

#[path = "../benches/table/author.rs"]
mod author;

use author::{DEPARTMENTS, HOSTED, department, genesis, key, make};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tally_ledger::cases::source::AsOf;
use tally_ledger::projection::digest::{self, Buckets};
use tally_ledger::projection::{due, inbox};
use tally_node::bus::embedded::EmbeddedNet;
use tally_node::bus::{Bus as _, Publication};
use tally_node::clock::Clock;
use tally_node::config::Settings;
use tally_node::runtime::Node;
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::frame::Frame;
use tally_schemas::id::NodeId;
use tally_schemas::limits::CHECKPOINT_BYTES_MAX;
use tally_schemas::note::Note;
use tally_schemas::time::Timestamp;

const EVENTS: u64 = 6_000;

/// Starts the node, waits until it takes writes, and returns what it derives, as text; whether it began at a snapshot; then stops it.
fn derived(dir: &Path) -> (String, bool) {
    let settings = Settings::read(&dir.join("node.toml")).unwrap();
    let now = Timestamp::parse("2026-03-02T00:00:00.000Z").unwrap();
    let clock = Clock::trial(&dir.join("clock"), now).unwrap();
    let net = EmbeddedNet::new();
    let node = Node::start(&settings, clock, |inbox, _| Ok(net.join(&settings.node, inbox))).unwrap();
    // What a snapshot has is there before anything is read back.
    let at_once = node
        .shared()
        .view(|replica| replica.world().logs().any(|log| log.cursor() > 0));
    let began = Instant::now();
    while !node.shared().health().reasons.is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "{:?}",
            node.shared().health()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    // In its first seconds the node states what arrived and which heads it saw: that belongs to the state.
    let is_settled = || {
        let own = department(HOSTED);
        node.shared()
            .view(|replica| replica.world().unreceived(&own).is_empty())
    };
    while !is_settled() {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "it states no arrivals"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let text = node.shared().view(|replica| {
        let world = replica.world();
        let asof = AsOf::new(world, now);
        let mut text = digest::to_json(&world.digests(Buckets::Sixteen)).to_canonical();
        for (id, _) in DEPARTMENTS {
            let id = department(id);
            text.push_str(&inbox::of(&id, None, &asof).to_json().to_canonical());
            for line in due::running(&asof, Some(&id), false) {
                text.push_str(&line.to_json().to_canonical());
            }
            let log = world.log(&id).unwrap();
            text.push_str(&format!("{:?} {}\n", log.tree.head(), log.cursor()));
        }
        text.push_str(&format!("{:?}", world.arrivals()));
        text.push_str(&format!("{:?}", world.numbers()));
        text
    });
    assert_eq!(node.shared().health().reasons, Vec::<String>::new());
    node.stop();
    (text, at_once)
}

fn set_aside(dir: &Path) -> usize {
    let listing = std::fs::read_dir(dir.join("data/set-aside"));
    let names = listing.map(|names| names.map(|name| name.unwrap().file_name()));
    names.map_or(0, |names| {
        names
            .filter(|name| name.to_string_lossy().starts_with("snapshot"))
            .count()
    })
}

fn flip(path: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let place = at(bytes.len());
    bytes[place] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_start_from_a_snapshot_and_one_from_the_logs_derive_the_same() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    make(dir, EVENTS);
    assert_eq!(HOSTED, "housing");
    assert_eq!(key("limit").public_key().as_bytes().len(), 32);
    assert!(!genesis().lines.is_empty());
    let (expected, at_once) = derived(dir);
    assert!(!at_once, "there was no snapshot yet");
    let (again, at_once) = derived(dir);
    assert!(at_once, "there is a snapshot now");
    assert!(again == expected, "from the snapshot");
    let head = dir.join("data/snapshot/head");
    let damages: [(&str, &dyn Fn()); 3] = [
        ("a byte of the head", &|| flip(&head, |length| length / 2)),
        ("another format number", &|| flip(&head, |_| 0)),
        ("an index", &|| {
            let names = std::fs::read_dir(dir.join("data/snapshot")).unwrap();
            let table = names.map(|name| name.unwrap().path()).find(|path| *path != head);
            flip(&table.unwrap(), |length| length - 1);
        }),
    ];
    for (place, (what, damage)) in damages.iter().enumerate() {
        damage();
        let (found, at_once) = derived(dir);
        assert!(!at_once, "{what}");
        assert_eq!(set_aside(dir), place + 1, "{what}");
        assert!(found == expected, "{what}");
        let (found, _) = derived(dir);
        assert!(found == expected, "{what}, then from a new snapshot");
        assert!(head.exists());
    }
}

/// A genuine checkpoint of the own log, which anybody has, came in while the log was still read back: it looked shorter than it was, and
/// was never to be signed again.
#[test]
fn what_others_show_of_the_own_log_while_it_is_read_back_seals_nothing() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    // More than is read in one round, and more signatures than may wait.
    make(dir, 2 * EVENTS);
    let checkpoint = std::fs::read(dir.join(format!("data/logs/{HOSTED}-1/checkpoint"))).unwrap();
    let note = Note::parse(&checkpoint, CHECKPOINT_BYTES_MAX).unwrap();
    let stated = Checkpoint::parse(&note.text).unwrap();
    let frame = Frame {
        origin: stated.origin.clone(),
        start: stated.head.size,
        entries: Vec::new(),
        consistency: Vec::new(),
        checkpoint,
    };
    let publication = Publication {
        origin: stated.origin,
        has_entries: false,
        bytes: frame.encode().unwrap().into(),
    };
    let settings = Settings::read(&dir.join("node.toml")).unwrap();
    let now = Timestamp::parse("2026-03-02T00:00:00.000Z").unwrap();
    let clock = Clock::trial(&dir.join("clock"), now).unwrap();
    let net = EmbeddedNet::new();
    let other = net.join(&NodeId::parse("other").unwrap(), Arc::new(|_| true));
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    let flood = std::thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            other.publish(publication.clone());
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let node = Node::start(&settings, clock, |inbox, _| Ok(net.join(&settings.node, inbox))).unwrap();
    let began = Instant::now();
    while !node.shared().health().reasons.is_empty() {
        let reasons = node.shared().health().reasons;
        let is_sealed = reasons.iter().any(|reason| reason.contains("must not be signed"));
        assert!(
            !is_sealed && began.elapsed() < Duration::from_secs(120),
            "{reasons:?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    is_over.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    node.stop();
    assert!(dir.join(format!("data/lock/{HOSTED}-1")).exists());
}
