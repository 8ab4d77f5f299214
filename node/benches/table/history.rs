//! A node with a long history: how fast it starts again, what it takes of disk and memory. The node runs in a process of its own.

use crate::author::{HOSTED, department, make};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tally_ledger::world::Log;
use tally_node::bus::embedded::EmbeddedNet;
use tally_node::clock::Clock;
use tally_node::config::Settings;
use tally_node::runtime::Node;
use tally_schemas::time::Timestamp;

/// Returns configuration and clock of a node whose folder was written.
pub(crate) fn settings_and_clock(dir: &Path) -> (Settings, Clock) {
    let settings = Settings::read(&dir.join("node.toml")).unwrap();
    let now = Timestamp::parse("2026-06-01T00:00:00.000Z").unwrap();
    let clock = Clock::trial(&dir.join("clock"), now).unwrap();
    (settings, clock)
}

fn disk_bytes(path: &Path) -> u64 {
    let Ok(listing) = std::fs::read_dir(path) else {
        return std::fs::metadata(path).map_or(0, |meta| meta.len());
    };
    listing.map(|item| disk_bytes(&item.unwrap().path())).sum()
}

/// Returns a figure of this process in kilobytes.
fn memory_kb(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Starts the node of a folder, prints what that took, and stops it when its standard input ends.
pub(crate) fn run(dir: &Path) {
    let (settings, clock) = settings_and_clock(dir);
    let hub = EmbeddedNet::new();
    let began = Instant::now();
    let node = Node::start(&settings, clock, |inbox, _| Ok(hub.join(&settings.node, inbox))).unwrap();
    let opened = began.elapsed();
    while !node.shared().health().reasons.is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let ready = began.elapsed();
    // A new node first states what arrived, which belongs to its history.
    let is_settled = || {
        node.shared()
            .view(|replica| replica.world().unreceived(&department(HOSTED)).is_empty())
    };
    while !is_settled() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let settled = began.elapsed();
    let (entries, cases) = node.shared().view(|replica| {
        let world = replica.world();
        (world.logs().map(Log::cursor).sum::<u64>(), world.case_ids().len())
    });
    println!(
        "{}",
        json!({
            "opened": opened.as_secs_f64(), "ready": ready.as_secs_f64(), "settled": settled.as_secs_f64(),
            "residentKb": memory_kb("VmRSS:"), "mostKb": memory_kb("VmHWM:"), "entries": entries, "cases": cases,
        })
    );
    let _ended = std::io::stdin().read_to_end(&mut Vec::new());
    let began = Instant::now();
    node.stop();
    println!("{}", json!({"stopped": began.elapsed().as_secs_f64()}));
}

/// The node of a folder, in a process of its own.
struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Process {
    /// Starts the node; returns it with what it said when it took writes.
    fn start(dir: &Path) -> (Self, Value) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("run")
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        let said = process.line();
        (process, said)
    }

    fn line(&mut self) -> Value {
        let line = self.lines.next().expect("the node fell silent").unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop; returns how many seconds that took.
    fn stop(mut self) -> f64 {
        drop(self.child.stdin.take());
        let stopped = self.line()["stopped"].as_f64().unwrap();
        assert!(self.child.wait().unwrap().success());
        stopped
    }
}

/// Up to how many events everything is derived a second time, to kill the node then.
const MIDWAY_EVENTS_MAX: u64 = 200_000;

/// What was found at a node with a history.
pub(crate) struct History {
    pub(crate) events: u64,
    pub(crate) first_start: f64,
    pub(crate) first_stop: f64,
    pub(crate) most_megabytes: f64,
    /// After kill -9 of a node that had derived everything, but kept a snapshot of a part of it.
    pub(crate) midway: Option<f64>,
    pub(crate) after_kill: Vec<f64>,
    pub(crate) after_stop: Vec<f64>,
    pub(crate) resident_megabytes: Vec<f64>,
    /// Bytes on disk per byte of entry: the whole folder, with the history of the own log and of seven others.
    pub(crate) disk: f64,
    /// What parts of the folder take per byte of entry.
    pub(crate) parts: Vec<(&'static str, f64)>,
    /// The own log alone: its store and its files, per byte of its own entries.
    pub(crate) own: f64,
}

/// Writes a history into a folder; starts its node and stops it in various ways.
pub(crate) fn measure(dir: &Path, events: u64, rounds: usize) -> History {
    eprintln!("  writing {events} events");
    let (bytes, own_bytes) = make(dir, events);
    eprintln!("  the first start, which derives everything");
    let (process, said) = Process::start(dir);
    let seconds = |said: &Value, name: &str| said[name].as_f64().unwrap();
    let first_start = seconds(&said, "ready");
    let most_megabytes = seconds(&said, "mostKb") / 1e3;
    let first_stop = process.stop();
    let midway = (events <= MIDWAY_EVENTS_MAX).then(|| {
        std::fs::remove_dir_all(dir.join("data/snapshot")).unwrap();
        let (process, _) = Process::start(dir);
        process.kill();
        let (process, said) = Process::start(dir);
        process.stop();
        seconds(&said, "ready")
    });
    let mut after_stop = Vec::new();
    let mut after_kill = Vec::new();
    let mut resident_megabytes = Vec::new();
    for _ in 0..rounds {
        let (process, said) = Process::start(dir);
        after_stop.push(seconds(&said, "ready"));
        resident_megabytes.push(seconds(&said, "residentKb") / 1e3);
        process.kill();
        let (process, said) = Process::start(dir);
        after_kill.push(seconds(&said, "ready"));
        process.stop();
    }
    let data = dir.join("data");
    let of = |name: &str| disk_bytes(&data.join(name)) as f64;
    let per_byte = |found: f64| found / bytes as f64;
    let own_files = format!("logs/{HOSTED}-1");
    History {
        events,
        first_start,
        first_stop,
        most_megabytes,
        midway,
        after_kill,
        after_stop,
        resident_megabytes,
        disk: per_byte(disk_bytes(&data) as f64),
        parts: ["own", "logs", "ahead", "snapshot"]
            .map(|name| (name, per_byte(of(name))))
            .to_vec(),
        own: (of("own") + of(&own_files)) / own_bytes as f64,
    }
}
