//! Measures a node with a long history: how fast it takes one in, how fast it starts again, what it takes of memory and disk.
//!
//! `history make DIR EVENTS` writes the folder of a node that hosts one of eight departments and holds the logs of all; `history ingest DIR
//! EVENTS` hands the first of these entries to a core in memory, with and without their signatures; `history start DIR` starts the node
//! and stops it. Each prints its figures beside the machine's own limits. Cases are requests and tasks of two to six acts.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a measurement stops at what it did not expect, reads the clock, and prints"
)]

mod author;

use author::{DEPARTMENTS, department, genesis, key, make};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally_ledger::crypto::{VerifyingKey, sha256, sign_note};
use tally_ledger::replica::{CheckResult, Input, Job, Output, Replica};
use tally_node::bus::embedded::EmbeddedNet;
use tally_node::clock::Clock;
use tally_node::config::Settings;
use tally_node::runtime::Node;
use tally_node::store::{DataDir, LogFiles};
use tally_schemas::id::{FederationId, Origin};
use tally_schemas::time::Timestamp;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["make", dir, events] => {
            let began = Instant::now();
            let bytes = make(Path::new(dir), events.parse().unwrap());
            println!(
                "made {events} events, {} MB of entries, in {:?}",
                bytes / 1_000_000,
                began.elapsed()
            );
            print_disk(Path::new(dir), bytes);
        }
        ["ingest", dir, events] => ingest(Path::new(dir), events.parse().unwrap()),
        ["start", dir] => start(Path::new(dir)),
        _ => println!("history make DIR EVENTS | history ingest DIR EVENTS | history start DIR"),
    }
}

fn disk_bytes(folder: &Path) -> u64 {
    let Ok(listing) = std::fs::read_dir(folder) else {
        return 0;
    };
    let sizes = listing.map(|item| {
        let item = item.unwrap();
        let meta = item.metadata().unwrap();
        if meta.is_dir() {
            disk_bytes(&item.path())
        } else {
            meta.len()
        }
    });
    sizes.sum()
}

fn print_disk(dir: &Path, bytes: u64) {
    for name in ["own", "logs", "ahead", "snapshot"] {
        let found = disk_bytes(&dir.join("data").join(name));
        let ratio = found * 1_000 / bytes.max(1);
        println!(
            "disk {name}: {} MB, {}.{:03} per byte of entries",
            found / 1_000_000,
            ratio / 1_000,
            ratio % 1_000
        );
    }
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status
        .lines()
        .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join(", ")
}

fn start(dir: &Path) {
    let settings = Settings::read(&dir.join("node.toml")).unwrap();
    let clock = Clock::trial(
        &dir.join("clock"),
        Timestamp::parse("2026-06-01T00:00:00.000Z").unwrap(),
    )
    .unwrap();
    let hub = EmbeddedNet::new();
    println!("before: {}", memory());
    let began = Instant::now();
    let node = Node::start(&settings, clock, |inbox, _| Ok(hub.join(&settings.node, inbox))).unwrap();
    let opened = began.elapsed();
    while !node.shared().health().reasons.is_empty() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let ready = began.elapsed();
    println!(
        "start: stores and snapshot {opened:?}, ready {ready:?}; {}",
        memory()
    );
    let (entries, cases) = node.shared().view(|replica| {
        let world = replica.world();
        let entries: u64 = world.logs().map(tally_ledger::world::Log::cursor).sum();
        (entries, world.case_ids().len())
    });
    println!("{entries} entries resolved, {cases} cases");
    let began = Instant::now();
    node.stop();
    println!("stop: {:?}; {}", began.elapsed(), memory());
    let bytes = disk_bytes(&dir.join("data/logs"));
    print_disk(dir, bytes);
}

/// Reads the first entries of all logs, a part of each.
fn read(dir: &Path, events: u64) -> Vec<(Origin, Vec<Vec<u8>>)> {
    let data = DataDir::open(&dir.join("data")).unwrap();
    let note = genesis();
    let federation = FederationId::new("measure", &sha256(&[note.text.as_bytes()])).unwrap();
    let mut found = Vec::new();
    let mut total = 0u64;
    for (id, _) in DEPARTMENTS {
        let origin = Origin {
            federation: federation.clone(),
            department: department(id),
            epoch: 1,
        };
        let mut entries: Vec<Vec<u8>> = Vec::new();
        let _files = LogFiles::open(&data, &origin, &mut |_, entry| entries.push(entry.to_vec())).unwrap();
        total += entries.len() as u64;
        found.push((origin, entries));
    }
    for (_, entries) in &mut found {
        let keep = entries.len() as u64 * events.min(total) / total.max(1);
        entries.truncate(keep as usize);
    }
    found
}

fn ingest(dir: &Path, events: u64) {
    let logs = read(dir, events);
    let count: usize = logs.iter().map(|(_, entries)| entries.len()).sum();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let limit = strict_limit(cores);
    println!("limit: {limit} strict verifications/s on {cores} cores");
    let (checked, signatures) = feed(&logs, cores);
    let rate = signatures as u128 * 1_000_000 / checked.as_micros().max(1);
    println!(
        "ingest: {count} entries, {signatures} signatures in {checked:?}: {rate} signatures/s, {}% of the limit; {}",
        rate * 100 / u128::from(limit.max(1)),
        memory()
    );
    let (folded, _) = feed(&logs, 0);
    println!(
        "fold alone, on one core: {} entries/s; {}",
        count as u128 * 1_000_000 / folded.as_micros().max(1),
        memory()
    );
    println!("limit again: {} strict verifications/s", strict_limit(cores));
}

/// Verifies on all cores for two seconds.
fn strict_limit(cores: usize) -> u64 {
    let text = "a text as long as that of an event\n".repeat(30);
    let signing = key("limit");
    let line = sign_note(&text, "limit/one", &signing).unwrap();
    let verifying = VerifyingKey::new(&signing.public_key());
    let began = Instant::now();
    let threads: Vec<_> = (0..cores)
        .map(|_| {
            let (text, line, verifying) = (text.clone(), line.clone(), verifying.clone());
            std::thread::spawn(move || {
                let mut done = 0u64;
                while began.elapsed() < Duration::from_secs(2) {
                    for _ in 0..64 {
                        verifying.verify(text.as_bytes(), &line.signature).unwrap();
                    }
                    done += 64;
                }
                done
            })
        })
        .collect();
    let done: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    done * 1_000 / began.elapsed().as_millis() as u64
}

/// Hands logs to a core in turn; signatures are checked by so many threads, or taken for good when there are none.
fn feed(logs: &[(Origin, Vec<Vec<u8>>)], threads: usize) -> (Duration, usize) {
    let genesis = genesis().to_bytes();
    let mut replica = Replica::found(&genesis, BTreeSet::new()).unwrap();
    let now = Timestamp::parse("2027-01-01T00:00:00.000Z").unwrap();
    let (jobs_in, jobs_out) = std::sync::mpsc::channel::<Vec<Job>>();
    let jobs_out = Arc::new(std::sync::Mutex::new(jobs_out));
    let (results_in, results_out) = std::sync::mpsc::channel::<Vec<CheckResult>>();
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let (jobs, results) = (jobs_out.clone(), results_in.clone());
            std::thread::spawn(move || {
                loop {
                    let next = jobs.lock().unwrap().recv();
                    let Ok(part) = next else { return };
                    results.send(part.iter().map(Job::run).collect()).unwrap();
                }
            })
        })
        .collect();
    let began = Instant::now();
    let (mut asked, mut answered) = (0usize, 0usize);
    let handle = |replica: &mut Replica, input: Input, asked: &mut usize, answered: &mut usize| {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for output in replica.handle(now, vec![input]) {
                match output {
                    Output::Verify(jobs) if threads == 0 => {
                        *asked += jobs.len();
                        *answered += jobs.len();
                        let good = |job: &Job| CheckResult {
                            id: job.id,
                            verified: true,
                        };
                        inputs.push(Input::Verified(jobs.iter().map(good).collect()));
                    }
                    Output::Verify(jobs) => {
                        *asked += jobs.len();
                        for part in jobs.chunks(64) {
                            jobs_in.send(part.to_vec()).unwrap();
                        }
                    }
                    Output::Alarm(alarm) => panic!("{alarm:?}"),
                    _ => {}
                }
            }
        }
    };
    let mut places = vec![0usize; logs.len()];
    loop {
        let mut moved = false;
        for ((origin, entries), place) in logs.iter().zip(&mut places) {
            let part: Vec<Vec<u8>> = entries.iter().skip(*place).take(256).cloned().collect();
            if part.is_empty() {
                continue;
            }
            moved = true;
            *place += part.len();
            let restored = Input::Restored {
                origin: origin.clone(),
                entries: part,
                checkpoint: Vec::new(),
            };
            handle(&mut replica, restored, &mut asked, &mut answered);
        }
        while let Ok(results) = results_out.try_recv() {
            answered += results.len();
            handle(&mut replica, Input::Verified(results), &mut asked, &mut answered);
        }
        if !moved && answered == asked {
            break;
        }
        if !moved || asked - answered > 16_384 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let took = began.elapsed();
    drop(jobs_in);
    for worker in workers {
        worker.join().unwrap();
    }
    let resolved: u64 = replica.world().logs().map(tally_ledger::world::Log::cursor).sum();
    let held: u64 = logs.iter().map(|(_, entries)| entries.len() as u64).sum();
    println!("  {resolved} of {held} resolved");
    (took, asked)
}
