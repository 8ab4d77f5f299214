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
use tally_schemas::entry::{Entry, EntryHeader, RegistryRef};
use tally_schemas::frame::Frame;
use tally_schemas::id::{FederationId, Hash, NodeId, Origin};
use tally_schemas::question::{Answer, Question};
use tally_schemas::time::Timestamp;

/// A log of entries that say nothing.
struct Log {
    origin: Origin,
    entries: Vec<Vec<u8>>,
    tree: Tree,
}

impl Log {
    fn new(federation: &FederationId, id: &str, size: u64) -> Self {
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
            let bytes = entry.to_bytes();
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

    /// A run of its entries under the checkpoint of all.
    fn frame(&self, start: u64, end: u64) -> Vec<u8> {
        let consistency: Vec<Hash> = self.tree.consistency(end, self.tree.size()).unwrap();
        let signing = key(&format!("log {}", self.origin.department));
        let frame = Frame {
            origin: self.origin.clone(),
            start,
            entries: self.entries[start as usize..end as usize].to_vec(),
            consistency,
            checkpoint: sign_checkpoint(&self.origin, self.tree.head(), &signing).to_bytes(),
        };
        frame.encode().unwrap()
    }
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
    let inbox: Inbox = Arc::new(move |inbound| {
        if let Inbound::Question { bytes, answer } = inbound {
            let frames = |start: u64| Answer::Frames(vec![log.frame(start.min(held), held)]);
            let reply = match Question::decode(&bytes).unwrap() {
                Question::Range { origin, start } if origin == log.origin => {
                    if start >= held {
                        asked_in_vain.fetch_add(1, Ordering::SeqCst);
                    }
                    frames(start)
                }
                Question::Heads => frames(held),
                _ => Answer::Nothing,
            };
            answer(reply.encode().unwrap());
        }
        true
    });
    net.join(&NodeId::parse(name).unwrap(), inbox)
}

fn start(dir: &Path, net: &EmbeddedNet) -> Node {
    let settings = Settings::read(&dir.join("node.toml")).unwrap();
    let now = Timestamp::parse("2026-03-02T00:00:00.000Z").unwrap();
    let clock = Clock::trial(&dir.join("clock"), now).unwrap();
    Node::start(&settings, clock, |inbox, _| Ok(net.join(&settings.node, inbox))).unwrap()
}

#[test]
fn a_host_that_holds_no_more_is_not_asked_again_and_again_but_others_are() {
    let home = tempfile::tempdir().unwrap();
    let federation = found(home.path(), "n3", author::ASIDE);
    let log = Arc::new(Log::new(&federation, "civil", 8));
    let net = EmbeddedNet::new();
    let in_vain = Arc::new(AtomicUsize::new(0));
    // The host of the log, restored from an old copy, and a node that holds all of it but is cut off at first.
    let host = peer(&net, "n2", &log, 6, &in_vain);
    let other = peer(&net, "n1", &log, 8, &Arc::default());
    let node = start(home.path(), &net);
    let held = || {
        node.shared().view(|replica| {
            let log = replica.world().log(&department("civil"));
            log.map_or(0, tally_ledger::world::Log::size)
        })
    };
    let await_held = |size: u64| {
        let began = Instant::now();
        while held() < size {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "in vain waited for entry {size}; asked in vain {} times",
                in_vain.load(Ordering::SeqCst)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    net.cut(&NodeId::parse("n1").unwrap());
    host.publish(Publication {
        origin: log.origin.clone(),
        has_entries: true,
        bytes: log.frame(0, 6).into(),
    });
    await_held(6);
    // Long enough for a storm of questions.
    std::thread::sleep(Duration::from_secs(3));
    let asked = in_vain.load(Ordering::SeqCst);
    assert!((1..=10).contains(&asked), "asked in vain {asked} times");
    net.mend(&NodeId::parse("n1").unwrap());
    await_held(8);
    node.stop();
    drop((host, other));
}
