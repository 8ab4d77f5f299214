//! End to end over NATS: from handing an event to one node until another node shows it, both real processes with a real server.
//!
//! `cargo bench -p tally-node --bench nats` prints a table and one line of JSON; `-- --events N --clients C` change the load. The
//! server is the one that `scripts/nats path` names.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement stops at what it did not expect, and prints"
)]

#[path = "../tests/nats/cluster.rs"]
#[expect(dead_code, reason = "shared with the tests of NATS, which use more of it")]
mod cluster;
#[path = "../tests/daemon/federation.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the daemon, which use more of it"
)]
mod federation;

use cluster::Cluster;
use federation::APPLICATION;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
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

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted[place.min(sorted.len() - 1)].as_secs_f64() * 1e3
}

/// Submits so many events from so many clients, and waits until the other node has shown all of them.
fn measure(cluster: &mut Cluster, seen: &Seen, events: usize, clients: usize) -> Value {
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
    let started = Instant::now();
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
    let rate = events as f64 / started.elapsed().as_secs_f64();
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
    recorded.sort_unstable();
    visible.sort_unstable();
    let of = |times: &[Duration]| (percentile(times, 50), percentile(times, 99));
    let ((recorded_50, recorded_99), (visible_50, visible_99)) = (of(&recorded), of(&visible));
    println!(
        "| {clients} | {events} | {rate:.0} | {recorded_50:.2} | {recorded_99:.2} | {visible_50:.2} | {visible_99:.2} |"
    );
    json!({
        "clients": clients, "events": events, "perSecond": rate,
        "recordedMs": {"p50": recorded_50, "p99": recorded_99},
        "visibleMs": {"p50": visible_50, "p99": visible_99},
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: usize| {
        let place = arguments.iter().position(|argument| argument == name);
        place.map_or(default, |place| arguments[place + 1].parse().unwrap())
    };
    let events = number("--events", 1_000);
    let clients = number("--clients", 64);
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
    println!("Two nodes over NATS: recorded here, visible there (milliseconds from handing the event in)");
    println!("| clients | events | events/s | recorded p50 | p99 | visible p50 | p99 |");
    println!("|---|---|---|---|---|---|---|");
    let results: Vec<Value> = [1, clients]
        .into_iter()
        .map(|clients| measure(&mut cluster, &seen, events, clients))
        .collect();
    println!(
        "{}",
        json!({"nats": cluster.server.version(), "endToEnd": results})
    );
}
