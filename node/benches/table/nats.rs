//! End to end over NATS: from handing an event to one node until another node shows it, both real processes with a real server.
//!
//! The server is the one that `scripts/nats path` names.

use crate::appends::percentile_ms;
use crate::cluster::Cluster;
use crate::federation::APPLICATION;
use crate::limits::Disk;
use crate::report::Row;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tally_ledger::crypto::event_id;
use tally_schemas::event::EventKind;

/// When each case was first shown.
type Seen = Arc<Mutex<HashMap<String, Instant>>>;

/// Listens to what a node tells watchers; returns once it listens.
fn watch(cluster: &Cluster, node: usize) -> Seen {
    let seen = Seen::default();
    let response = ureq::get(cluster.federation.url(node, "/v1/watch"))
        .call()
        .unwrap();
    let mut lines = BufReader::new(response.into_body().into_reader()).lines();
    let told = seen.clone();
    let (listening, listens) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            let now = Instant::now();
            let Some(data) = line.strip_prefix("data: {") else {
                continue;
            };
            let value: Value = serde_json::from_str(&format!("{{{data}")).unwrap_or_default();
            for case in value["cases"].as_array().into_iter().flatten() {
                let case = case.as_str().unwrap_or_default().to_owned();
                told.lock().unwrap().entry(case).or_insert(now);
            }
            // Only the first one is waited for.
            let _told = listening.send(());
        }
    });
    listens.recv_timeout(Duration::from_secs(60)).unwrap();
    seen
}

/// Submits so many events from so many clients, and waits until the other node has shown all of them.
fn submit(cluster: &mut Cluster, seen: &Seen, events: usize, clients: usize) -> Times {
    let notes: Vec<(String, Vec<u8>)> = (0..events)
        .map(|_| {
            let federation = &mut cluster.federation;
            let event = federation.event("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION);
            (event_id(&event.to_text()).to_string(), federation.sign(&event, 2))
        })
        .collect();
    let url = cluster.federation.url(1, "/v1/submit");
    let next = AtomicUsize::new(0);
    let sent = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let agent = ureq::Agent::new_with_defaults();
                while let Some((case, note)) = notes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let before = Instant::now();
                    let answer = agent
                        .post(&url)
                        .header("Content-Type", "text/plain")
                        .send(&note[..]);
                    answer.unwrap().body_mut().read_to_vec().unwrap();
                    sent.lock().unwrap().push((case, before, Instant::now()));
                }
            });
        }
    });
    let patience = Instant::now();
    while notes
        .iter()
        .any(|(case, _)| !seen.lock().unwrap().contains_key(case))
    {
        assert!(
            patience.elapsed() < Duration::from_secs(60),
            "not all events arrived"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let seen = seen.lock().unwrap();
    let (mut recorded, mut visible) = (Vec::new(), Vec::new());
    for (case, before, after) in sent.into_inner().unwrap() {
        recorded.push(after.duration_since(before));
        visible.push(seen[case].duration_since(before));
    }
    Times { recorded, visible }
}

/// How long each event took until it was recorded here and until it was visible there.
struct Times {
    recorded: Vec<Duration>,
    visible: Vec<Duration>,
}

/// How much is measured.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) events: usize,
    pub(crate) slice: Duration,
}

/// Measures two nodes, from one client and from 64.
pub(crate) fn measure(rows: &mut Vec<Row>, plan: &Plan, folder: &Path) {
    let mut disk = Disk::open(&folder.join("disk"));
    let mut cluster = Cluster::found();
    cluster.server.start();
    for node in [1, 2] {
        cluster.start(node);
    }
    for department in ["bureau", "housing", "civil"] {
        cluster.federation.enrol(department);
    }
    cluster.await_equal(&[1, 2]);
    let seen = watch(&cluster, 2);
    for clients in [1, 64] {
        let events = if clients == 1 {
            plan.events / 4
        } else {
            plan.events
        };
        let (mut limits, mut found) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new(), Vec::new()]);
        for _ in 0..plan.rounds {
            limits.push(1e3 / disk.pairs(plan.slice));
            let times = submit(&mut cluster, &seen, events, clients);
            found[0].push(percentile_ms(&times.recorded, 50));
            found[1].push(percentile_ms(&times.recorded, 99));
            found[2].push(percentile_ms(&times.visible, 50));
            found[3].push(percentile_ms(&times.visible, 99));
        }
        let many = if clients == 1 { "client" } else { "clients" };
        let names = [
            "recorded, p50",
            "recorded, p99",
            "visible on the other node, p50",
            "visible on the other node, p99",
        ];
        for (name, figures) in names.into_iter().zip(found) {
            let row = Row::new(
                format!("two nodes over NATS, {clients} {many}: {name}"),
                "ms",
                figures,
            );
            rows.push(row.bounded("append sync + slot sync", &limits));
        }
    }
    eprintln!("  {}", cluster.server.version());
}
