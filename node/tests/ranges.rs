//! Whom a node asks for what it misses: the host of a log first, and others when the host holds no more.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at what it did not expect"
)]

#[path = "../benches/table/author.rs"]
#[expect(dead_code, reason = "shared with the measurements, which use more of it")]
mod author;

use author::{department, found, genesis, key};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::{leaf_hash, sha256};
use tally_ledger::merkle::Tree;
use tally_node::bus::embedded::{EmbeddedBus, EmbeddedNet};
use tally_node::bus::{Bus as _, Inbound, Inbox, Publication};
use tally_node::clock::Clock;
use tally_node::config::Settings;
use tally_node::runtime::Node;
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::entry::{Entry, EntryHeader, RegistryRef};
use tally_schemas::frame::Frame;
use tally_schemas::id::{FederationId, Hash, NodeId, Origin};
use tally_schemas::limits::CHECKPOINT_BYTES_MAX;
use tally_schemas::note::Note;
use tally_schemas::question::{Answer, Question};
use tally_schemas::time::Timestamp;

/// A log of entries that say nothing.
struct Log {
    origin: Origin,
    entries: Vec<Vec<u8>>,
    tree: Tree,
}

impl Log {
    /// A log of so many entries, of which none from `bad` on can stand.
    fn new(federation: &FederationId, id: &str, size: u64, bad: u64) -> Self {
        let founded = sha256(&[genesis().text.as_bytes()]);
        let origin = Origin {
            federation: federation.clone(),
            department: department(id),
            epoch: 1,
        };
        let (mut entries, mut tree, mut prev) = (Vec::new(), Tree::new(), founded);
        for index in 0..size {
            let entry = Entry {
                header: EntryHeader {
                    origin: origin.clone(),
                    index,
                    prev,
                    recorded: Timestamp::parse("2026-02-01T00:00:00.000Z").unwrap(),
                    registry: RegistryRef {
                        version: 0,
                        hash: founded,
                    },
                    heads: Vec::new(),
                },
                payload: "tally/nothing-known/v1\n".to_owned(),
            };
            let bytes = if index < bad {
                entry.to_bytes()
            } else {
                b"no entry".to_vec()
            };
            prev = leaf_hash(&bytes);
            tree.append(prev);
            entries.push(bytes);
        }
        Self {
            origin,
            entries,
            tree,
        }
    }

    /// A run of its entries under a checkpoint over so many.
    fn frame(&self, start: u64, end: u64, signed: u64) -> Vec<u8> {
        let consistency: Vec<Hash> = self.tree.consistency(end, signed).unwrap();
        let signing = key(&format!("log {}", self.origin.department));
        let frame = Frame {
            origin: self.origin.clone(),
            start,
            entries: self.entries[start as usize..end as usize].to_vec(),
            consistency,
            checkpoint: sign_checkpoint(&self.origin, self.tree.head_at(signed).unwrap(), &signing)
                .to_bytes(),
        };
        frame.encode().unwrap()
    }
}

/// A peer that answers questions in some way.
fn peer_that(
    net: &EmbeddedNet,
    name: &str,
    reply: impl Fn(Question) -> Answer + Send + Sync + 'static,
) -> EmbeddedBus {
    let inbox: Inbox = Arc::new(move |inbound| {
        if let Inbound::Question { bytes, answer } = inbound {
            answer(reply(Question::decode(&bytes).unwrap()).encode().unwrap());
        }
        true
    });
    net.join(&NodeId::parse(name).unwrap(), inbox)
}

/// A peer that holds the first `held` entries of a log; counts the questions for more than that.
fn peer(
    net: &EmbeddedNet,
    name: &str,
    log: &Arc<Log>,
    held: u64,
    asked_in_vain: &Arc<AtomicUsize>,
) -> EmbeddedBus {
    let (log, asked_in_vain) = (log.clone(), asked_in_vain.clone());
    let frames = move |start: u64| Answer::Frames(vec![log.frame(start.min(held), held, log.tree.size())]);
    peer_that(net, name, move |question| match question {
        Question::Range { start, .. } => {
            if start >= held {
                asked_in_vain.fetch_add(1, Ordering::SeqCst);
            }
            frames(start)
        }
        Question::Heads => frames(held),
        _ => Answer::Nothing,
    })
}

fn start(dir: &Path, net: &EmbeddedNet) -> Node {
    let settings = Settings::read(&dir.join("node.toml")).unwrap();
    let now = Timestamp::parse("2026-03-02T00:00:00.000Z").unwrap();
    let clock = Clock::trial(&dir.join("clock"), now).unwrap();
    Node::start(&settings, clock, |inbox, _| Ok(net.join(&settings.node, inbox))).unwrap()
}

/// Asks the node for a range of a log; returns where the frames of its answer begin and end, and under a checkpoint of how many.
fn ranges_of(peer: &EmbeddedBus, log: &Log, start: u64) -> Vec<(u64, u64, u64)> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let question = Question::Range {
        origin: log.origin.clone(),
        start,
    };
    let answer = Box::new(move |bytes: Option<Vec<u8>>| sender.send(bytes.unwrap()).unwrap());
    assert!(peer.ask(&NodeId::parse("n3").unwrap(), question.encode().unwrap(), answer));
    let bytes = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
    let Answer::Frames(frames) = Answer::decode(&bytes).unwrap() else {
        panic!("no frames");
    };
    let frames = frames.iter().map(|bytes| Frame::decode(bytes).unwrap());
    let signed = |frame: &Frame| {
        let note = Note::parse(&frame.checkpoint, CHECKPOINT_BYTES_MAX).unwrap();
        Checkpoint::parse(&note.text).unwrap().head.size
    };
    frames
        .map(|frame| (frame.start, frame.end(), signed(&frame)))
        .collect()
}

/// How many entries of a department's log are resolved.
fn held(node: &Node, id: &str) -> u64 {
    node.shared().view(|replica| {
        let log = replica.world().log(&department(id));
        log.map_or(0, tally_ledger::world::Log::cursor)
    })
}

fn await_that(node: &Node, what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "in vain waited until {what}; {:?}",
            node.shared().health()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn await_held(node: &Node, id: &str, size: u64) {
    await_that(node, &format!("{size} entries of {id} are held"), || {
        held(node, id) >= size
    });
}

fn publish(peer: &EmbeddedBus, log: &Log, bytes: Vec<u8>) {
    peer.publish(Publication {
        origin: log.origin.clone(),
        has_entries: true,
        bytes: bytes.into(),
    });
}

#[test]
fn a_host_that_holds_no_more_is_not_asked_again_and_again_but_others_are() {
    let home = tempfile::tempdir().unwrap();
    let federation = found(home.path(), "n3", author::ASIDE);
    let log = Arc::new(Log::new(&federation, "civil", 8, 8));
    let net = EmbeddedNet::new();
    let in_vain = Arc::new(AtomicUsize::new(0));
    // The host of the log, restored from an old copy, and a node that holds all of it but is cut off at first.
    let host = peer(&net, "n2", &log, 6, &in_vain);
    let other = peer(&net, "n1", &log, 8, &Arc::default());
    // Cut off before the node starts: a node asks everybody for heads at its start.
    net.cut(&NodeId::parse("n1").unwrap());
    let node = start(home.path(), &net);
    publish(&host, &log, log.frame(0, 6, 8));
    await_held(&node, "civil", 6);
    await_that(&node, "the host is asked for more", || {
        in_vain.load(Ordering::SeqCst) > 0
    });
    // Long enough for a storm of questions.
    std::thread::sleep(Duration::from_secs(3));
    let asked = in_vain.load(Ordering::SeqCst);
    assert!(asked <= 10, "asked in vain {asked} times");
    assert_eq!(held(&node, "civil"), 6, "nobody had more to give");
    net.mend(&NodeId::parse("n1").unwrap());
    await_held(&node, "civil", 8);
    assert_eq!(ranges_of(&other, &log, 2), [(2, 8, 8)]);
    node.stop();
    drop((host, other));
}

#[test]
fn a_host_whose_answers_do_not_hold_keeps_nobody_from_what_others_hold() {
    let home = tempfile::tempdir().unwrap();
    let federation = found(home.path(), "n3", author::ASIDE);
    let log = Arc::new(Log::new(&federation, "civil", 8, 8));
    let net = EmbeddedNet::new();
    let other = peer(&net, "n1", &log, 8, &Arc::default());
    // The host of the log says that there is more, and gives entries that do not lie under the checkpoint that it shows.
    let shown = log.clone();
    let host = peer_that(&net, "n2", move |question| match question {
        Question::Range { start, .. } => {
            let mut frame = Frame::decode(&shown.frame(start.min(8), 8, 8)).unwrap();
            frame.entries = vec![b"no entry".to_vec(); 3];
            Answer::Frames(vec![frame.encode().unwrap()])
        }
        Question::Heads => Answer::Frames(vec![shown.frame(8, 8, 8)]),
        _ => Answer::Nothing,
    });
    let node = start(home.path(), &net);
    await_held(&node, "civil", 8);
    node.stop();
    drop((host, other));
}

#[test]
fn what_no_checkpoint_of_exactly_that_covers_is_shown_and_is_in_a_snapshot_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let federation = found(home.path(), "n3", author::ASIDE);
    // More than one tile of it stands, and an entry that cannot stand lies under the same checkpoint.
    let log = Log::new(&federation, "civil", 700, 600);
    let net = EmbeddedNet::new();
    let peer = peer(
        &net,
        "n2",
        &Arc::new(Log::new(&federation, "civil", 0, 0)),
        0,
        &Arc::default(),
    );
    let node = start(home.path(), &net);
    // Before that it takes no frames of others, and nobody shows these again.
    await_that(&node, "it is ready", || node.shared().health().reasons.is_empty());
    publish(&peer, &log, log.frame(0, 40, 40));
    await_held(&node, "civil", 40);
    publish(&peer, &log, log.frame(40, 601, 700));
    await_held(&node, "civil", 600);
    let check = |node: &Node| {
        assert_eq!(ranges_of(&peer, &log, 600), [(600, 600, 700)]);
        assert_eq!(ranges_of(&peer, &log, 40), [(40, 600, 700)]);
        assert_eq!(ranges_of(&peer, &log, 7), [(7, 40, 40), (40, 600, 700)]);
        for index in [0, 39, 40, 300, 599] {
            let entry = node.shared().entry(&log.origin, index).unwrap().unwrap();
            assert_eq!(entry.to_vec(), log.entries[index as usize]);
        }
        assert_eq!(node.shared().entry(&log.origin, 600).unwrap(), None);
    };
    check(&node);
    node.stop();
    assert!(home.path().join("data/snapshot/head").is_file());
    let node = start(home.path(), &net);
    assert_eq!(held(&node, "civil"), 600, "it starts from the snapshot");
    await_that(&node, "it is ready but for civil's log", || {
        let health = node.shared().health();
        health.reasons.iter().all(|reason| reason.contains("civil"))
    });
    check(&node);
    // And again, though nobody has shown since the start what cannot stand.
    let other = Log::new(&federation, "police", 40, 40);
    publish(&peer, &other, other.frame(0, 40, 40));
    await_held(&node, "police", 40);
    node.stop();
    let node = start(home.path(), &net);
    assert_eq!(
        (held(&node, "civil"), held(&node, "police")),
        (600, 40),
        "it starts from the second snapshot"
    );
    node.stop();
}
