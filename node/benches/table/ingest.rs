//! Taking in the logs of others: a node that gets their frames, and a core alone that takes every signature for good.

use crate::author::{ASIDE, DEPARTMENTS, HOSTED, department, found, genesis, key};
use crate::history::settings_and_clock;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::leaf_hash;
use tally_ledger::merkle::Frontier;
use tally_ledger::replica::{CheckResult, FRAME_ENTRIES_BYTES_MAX, Input, Job, KeptRange, Output, Replica};
use tally_ledger::world::Log;
use tally_node::bus::embedded::EmbeddedNet;
use tally_node::bus::{Inbound, Inbox};
use tally_node::runtime::Node;
use tally_node::store::{DataDir, LogFiles};
use tally_schemas::entry::Entry;
use tally_schemas::frame::Frame;
use tally_schemas::id::{FederationId, Origin};
use tally_schemas::time::Timestamp;

/// How many frames are under way: what a consumer of a stream is given before it is done with the first.
const UNDER_WAY: usize = 64;

/// An entry with the time at which it was recorded.
type Dated = (Timestamp, Vec<u8>);

/// The logs of all departments up to some moment, in the order in which they were recorded.
pub(crate) struct Logs {
    frames: Vec<Arc<[u8]>>,
    parts: Vec<(Origin, Vec<Vec<u8>>)>,
    pub(crate) entries: u64,
    pub(crate) signatures: u64,
}

impl Logs {
    /// Reads the first events of a history.
    pub(crate) fn read(dir: &Path, federation: &FederationId, events: u64) -> Self {
        let data = DataDir::open(&dir.join("data")).unwrap();
        let mut logs: Vec<(Origin, Vec<Dated>)> = Vec::new();
        let mut times = Vec::new();
        let mut signatures = 0;
        for (id, _) in DEPARTMENTS {
            let origin = Origin {
                federation: federation.clone(),
                department: department(id),
                epoch: 1,
            };
            let mut entries = Vec::new();
            let _files = LogFiles::open(&data, &origin, &mut |_, bytes| {
                let recorded = Entry::parse(bytes).unwrap().header.recorded;
                entries.push((recorded, bytes.to_vec()));
                times.push(recorded);
            })
            .unwrap();
            logs.push((origin, entries));
        }
        times.sort_unstable();
        let last = times[times.len().min(events as usize) - 1];
        let mut frames: Vec<(Timestamp, Arc<[u8]>)> = Vec::new();
        let mut parts: Vec<(Timestamp, Origin, Vec<Vec<u8>>)> = Vec::new();
        let mut count = 0;
        for (origin, entries) in logs {
            let signing = key(&format!("log {}", origin.department));
            let mut frontier = Frontier::new();
            let mut entries = entries.into_iter().take_while(|(at, _)| *at <= last).peekable();
            while entries.peek().is_some() {
                let start = frontier.size();
                let mut part: Vec<Vec<u8>> = Vec::new();
                let mut bytes = 0;
                let mut newest = Timestamp::default();
                while let Some((at, entry)) = entries
                    .next_if(|(_, entry)| part.is_empty() || bytes + entry.len() <= FRAME_ENTRIES_BYTES_MAX)
                {
                    bytes += entry.len() + 8;
                    newest = at;
                    frontier.append(leaf_hash(&entry));
                    signatures += entry
                        .split(|byte| *byte == b'\n')
                        .filter(|line| line.starts_with("\u{2014}".as_bytes()))
                        .count() as u64;
                    part.push(entry);
                }
                count += part.len() as u64;
                let frame = Frame {
                    origin: origin.clone(),
                    start,
                    entries: part.clone(),
                    consistency: Vec::new(),
                    checkpoint: sign_checkpoint(&origin, frontier.head(), &signing).to_bytes(),
                };
                frames.push((newest, frame.encode().unwrap().into()));
                parts.push((newest, origin.clone(), part));
            }
        }
        frames.sort_by_key(|(at, _)| *at);
        parts.sort_by_key(|(at, ..)| *at);
        Self {
            frames: frames.into_iter().map(|(_, frame)| frame).collect(),
            parts: parts
                .into_iter()
                .map(|(_, origin, part)| (origin, part))
                .collect(),
            entries: count,
            signatures,
        }
    }

    /// Hands all frames to a node that has nothing yet; returns how long it took until everything was durable, verified and folded.
    pub(crate) fn ingest(&self, dir: &Path) -> Duration {
        found(dir, "n3", ASIDE);
        let (settings, clock) = settings_and_clock(dir);
        let hub = EmbeddedNet::new();
        let way: Mutex<Option<Inbox>> = Mutex::new(None);
        let node = Node::start(&settings, clock, |inbox, _| {
            *way.lock().unwrap() = Some(inbox.clone());
            Ok(hub.join(&settings.node, inbox))
        })
        .unwrap();
        let inbox = way.into_inner().unwrap().unwrap();
        while !node.shared().health().reasons.is_empty() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let resolved = || -> u64 {
            node.shared().view(|replica| {
                let others = replica
                    .world()
                    .logs()
                    .filter(|log| log.origin.department.as_str() != ASIDE);
                others.map(Log::cursor).sum()
            })
        };
        let done = Arc::new(AtomicUsize::new(0));
        let began = Instant::now();
        for (place, frame) in self.frames.iter().enumerate() {
            while place - done.load(Ordering::Relaxed) >= UNDER_WAY {
                std::thread::sleep(Duration::from_micros(200));
            }
            loop {
                let done = done.clone();
                let inbound = Inbound::Frame {
                    bytes: frame.clone(),
                    done: Some(Box::new(move || {
                        done.fetch_add(1, Ordering::Relaxed);
                    })),
                };
                if inbox(inbound) {
                    break;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        while resolved() < self.entries {
            assert!(
                began.elapsed() < Duration::from_secs(600),
                "not everything is resolved: {:?}",
                node.shared().health()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        let took = began.elapsed();
        node.stop();
        took
    }

    /// Holds, resolves and folds everything in a core without checking a signature, on one thread.
    pub(crate) fn fold(&self) -> Duration {
        let mut replica =
            Replica::found(&genesis().to_bytes(), BTreeSet::from([department(HOSTED)])).unwrap();
        let now = Timestamp::parse("2027-01-01T00:00:00.000Z").unwrap();
        let began = Instant::now();
        for (origin, part) in &self.parts {
            let restored = KeptRange {
                origin: origin.clone(),
                entries: part.clone(),
                checkpoint: Vec::new(),
                covering: None,
            };
            let mut inputs = vec![Input::Restored(restored)];
            while let Some(input) = inputs.pop() {
                for output in replica.handle(now, vec![input]) {
                    match output {
                        Output::Verify(jobs) => {
                            let good = |job: &Job| CheckResult {
                                id: job.id,
                                verified: true,
                            };
                            inputs.push(Input::Verified(jobs.iter().map(good).collect()));
                        }
                        Output::Alarm(alarm) => panic!("{alarm:?}"),
                        _ => {}
                    }
                }
            }
        }
        let took = began.elapsed();
        let resolved: u64 = replica.world().logs().map(Log::cursor).sum();
        assert_eq!(resolved, self.entries, "not everything is resolved");
        took
    }
}
