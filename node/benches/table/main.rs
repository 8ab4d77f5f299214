//! The benchmark table: what a node does beside what the machine could do, measured in turn in the same run.
//!
//! `scripts/bench` runs it. Limit and figure alternate, so that a load from outside meets both; everything is measured in several passes over
//! the whole run, so that the spread is that of minutes and not of one moment. The table has the median of all rounds with
//! the least and the most; `--against` compares it with an earlier one. `make DIR EVENTS` writes the folder of a node with a history, `run DIR` starts it, `ingest DIR EVENTS` takes
//! its first events in: for a profiler.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement stops at what it did not expect, and prints"
)]

mod appends;
mod author;
#[path = "../../tests/nats/cluster.rs"]
#[expect(dead_code, reason = "shared with the tests of NATS, which use more of it")]
mod cluster;
#[path = "../../tests/daemon/federation.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the daemon, which use more of it"
)]
mod federation;
mod history;
mod ingest;
mod limits;
mod nats;
mod report;

use appends::Recorder;
use ingest::Logs;
use limits::{Disk, cores, sha256_megabytes, strict};
use report::{Aim, Report, Row, median};
use std::path::Path;
use std::time::{Duration, Instant};

/// The allocator of the daemon.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is measured.
#[derive(Clone, Copy)]
struct Plan {
    /// How often everything is measured, one part after the other.
    passes: usize,
    /// How often each figure is measured in a pass.
    rounds: usize,
    /// How long a limit or an append is measured in each round.
    slice: Duration,
    /// Of the history that is started and ingested.
    events: u64,
    ingested: u64,
    million: bool,
    nats_events: usize,
}

const FULL: Plan = Plan {
    passes: 3,
    rounds: 3,
    slice: Duration::from_millis(500),
    events: 100_000,
    ingested: 30_000,
    million: false,
    nats_events: 600,
};

const QUICK: Plan = Plan {
    passes: 1,
    rounds: 2,
    slice: Duration::from_millis(200),
    events: 5_000,
    ingested: 4_000,
    million: false,
    nats_events: 100,
};

const USAGE: &str =
    "scripts/bench [--quick] [--million] [--json | --markdown] [--only PART] [--keep FILE] [--against FILE]
  PART is one of limits, appends, ingest, history, nats";

fn main() {
    // `cargo bench` adds a flag of its own.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["make", dir, events] => {
            let (bytes, _) = author::make(Path::new(dir), events.parse().unwrap());
            println!("{bytes} bytes of entries");
        }
        ["run", dir] => history::run(Path::new(dir)),
        ["ingest", dir, events] => ingest_alone(Path::new(dir), events.parse().unwrap()),
        ["append", dir, clients, seconds] => {
            append_alone(Path::new(dir), clients.parse().unwrap(), seconds.parse().unwrap());
        }
        words => table(words),
    }
}

fn table(words: &[&str]) {
    let known = ["--quick", "--million", "--json", "--markdown"];
    let after = |name: &str| {
        let place = words.iter().position(|word| *word == name)?;
        Some(words.get(place + 1).copied().unwrap_or(""))
    };
    let (only, keep, against) = (after("--only"), after("--keep"), after("--against"));
    let named = [
        Some("--only"),
        only,
        Some("--keep"),
        keep,
        Some("--against"),
        against,
    ];
    let unknown = words
        .iter()
        .find(|word| !known.contains(word) && !named.contains(&Some(**word)));
    if unknown.is_some() || words.contains(&"--help") {
        eprintln!("{USAGE}");
        std::process::exit(2);
    }
    let mut plan = if words.contains(&"--quick") { QUICK } else { FULL };
    plan.million = words.contains(&"--million");
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    // A word that names no file fails before the minutes of measurement, not after them.
    let earlier: Option<serde_json::Value> = against.map(|earlier| {
        let text = std::fs::read_to_string(earlier).expect("--against names a file that --keep wrote");
        serde_json::from_str(&text).expect("--against names a file that --keep wrote")
    });
    if let Some(keep) = keep {
        let writable = std::fs::File::options().append(true).create(true).open(keep);
        writable.expect("--keep names a file that can be written");
    }
    let folder = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    let began = Instant::now();
    let load_before = load();
    let mut rows = Vec::new();
    for pass in 1..=plan.passes {
        let place = folder.path().join(format!("pass-{pass}"));
        std::fs::create_dir(&place).unwrap();
        let mut found = Vec::new();
        let mut step = |name: &str, measure: &mut dyn FnMut(&mut Vec<Row>)| {
            if wanted(name) {
                let of = plan.passes;
                eprintln!(
                    "{name}, pass {pass} of {of} (after {} s)",
                    began.elapsed().as_secs()
                );
                measure(&mut found);
            }
        };
        step("limits", &mut |rows| measure_limits(rows, &plan, &place));
        step("appends", &mut |rows| measure_appends(rows, &plan, &place));
        let made = place.join("history");
        step("history", &mut |rows| {
            measure_history(rows, &plan, &made);
            // A history says most things once: one is too few for a spread.
            let again = place.join("history-again");
            let mut found = Vec::new();
            measure_history(&mut found, &plan, &again);
            std::fs::remove_dir_all(&again).unwrap();
            report::join(rows, found);
        });
        step("ingest", &mut |rows| measure_ingest(rows, &plan, &made, &place));
        step("nats", &mut |rows| {
            nats::measure(rows, &plan_of_nats(&plan), &place);
        });
        std::fs::remove_dir_all(&place).unwrap();
        report::join(&mut rows, found);
    }
    if plan.million && wanted("history") {
        let plan = Plan {
            events: 1_000_000,
            rounds: 3,
            ..plan
        };
        measure_history(&mut rows, &plan, &folder.path().join("million"));
    }
    let report = Report {
        rows,
        notes: vec![
            format!("{} cores of {}.", cores(), processor()),
            format!(
                "Load average {load_before} before and {} after {} s.",
                load(),
                began.elapsed().as_secs()
            ),
            "The limit of several clients is the smaller of clients x (append sync + slot sync) and verifications of all cores / 2.".to_owned(),
            format!(
                "Median of {} rounds in {} passes with least and most; limit and figure are measured in turn.",
                plan.passes * plan.rounds,
                plan.passes
            ),
        ],
    };
    if words.contains(&"--json") {
        println!("{}", report.json());
    } else if words.contains(&"--markdown") {
        println!("{}", report.markdown());
    } else {
        println!("{}", report.text());
    }
    if let Some(earlier) = earlier {
        println!("\n{}", report.against(&earlier));
    }
    if let Some(file) = keep {
        std::fs::write(file, report.json().to_string()).expect("--keep names a file");
    }
}

fn plan_of_nats(plan: &Plan) -> nats::Plan {
    nats::Plan {
        rounds: plan.rounds.min(3),
        events: plan.nats_events,
        slice: plan.slice,
    }
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "));
    name.map_or_else(
        || "an unnamed processor".to_owned(),
        |(_, name)| name.trim().to_owned(),
    )
}

fn measure_limits(rows: &mut Vec<Row>, plan: &Plan, folder: &Path) {
    let mut disk = Disk::open(&folder.join("disk"));
    let mut found: [Vec<f64>; 5] = Default::default();
    for _ in 0..plan.rounds {
        found[0].push(strict(1, plan.slice));
        found[1].push(strict(cores(), plan.slice));
        found[2].push(sha256_megabytes(plan.slice));
        found[3].push(disk.appends(plan.slice));
        found[4].push(disk.pairs(plan.slice));
    }
    let [one, all, sha, append, pair] = found;
    rows.push(Row::new("strict Ed25519 verifications, one core", "1/s", one));
    rows.push(Row::new("strict Ed25519 verifications, all cores", "1/s", all));
    rows.push(Row::new("SHA-256, one core", "MB/s", sha));
    rows.push(Row::new("append of 4 KiB and fdatasync", "1/s", append));
    rows.push(Row::new(
        "the same and a slot overwritten and synced",
        "1/s",
        pair,
    ));
}

/// Appends for about so long: first a few, to see how many that is.
struct Paced {
    count: usize,
    clients: usize,
}

impl Paced {
    fn start(recorder: &Recorder, clients: usize, slice: Duration) -> Self {
        let mut paced = Self {
            count: clients.max(200),
            clients,
        };
        for _ in 0..2 {
            let took = recorder.append(recorder.requests(paced.count), clients);
            paced.count = ((took.rate() * slice.as_secs_f64()) as usize).clamp(clients.max(100), 20_000);
        }
        paced
    }

    fn append(&self, recorder: &Recorder) -> appends::Took {
        recorder.append(recorder.requests(self.count), self.clients)
    }
}

const PAIRS: &str = "append sync + slot sync";
const SMALLER: &str = "the smaller of both limits";

fn measure_appends(rows: &mut Vec<Row>, plan: &Plan, folder: &Path) {
    let mut disk = Disk::open(&folder.join("disk"));
    let recorder = Recorder::start(&folder.join("recorder"));
    for clients in [1usize, 64, 1024] {
        let paced = Paced::start(&recorder, clients, plan.slice);
        let (mut figures, mut limits, mut over_http) = (Vec::new(), Vec::new(), Vec::new());
        let (mut half, mut most, mut ideal) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..plan.rounds {
            let pairs = disk.pairs(plan.slice);
            let verified = strict(cores(), plan.slice);
            let limit = match clients {
                1 => pairs,
                _ => (clients as f64 * pairs).min(verified / 2.0),
            };
            limits.push(limit);
            figures.push(paced.append(&recorder).rate());
            if clients == 64 {
                let took = recorder.post(recorder.requests(paced.count), clients);
                over_http.push(took.rate());
                half.push(took.percentile_ms(50));
                most.push(took.percentile_ms(99));
                ideal.push(clients as f64 * 1e3 / limit);
            }
        }
        let name = if clients == 1 { PAIRS } else { SMALLER };
        let many = if clients == 1 { "client" } else { "clients" };
        let row =
            Row::new(format!("durable appends, {clients} {many}"), "1/s", figures).bounded(name, &limits);
        rows.push(if clients == 1024 {
            row
        } else {
            row.aims(Aim::Ratio(0.5))
        });
        if clients == 64 {
            rows.push(Row::new("the same over HTTP", "1/s", over_http).bounded(SMALLER, &limits));
            let name = "64 clients at that limit";
            rows.push(Row::new("over HTTP, p50", "ms", half).bounded(name, &ideal));
            rows.push(Row::new("over HTTP, p99", "ms", most).bounded(name, &ideal));
        }
    }
    recorder.end();
}

fn measure_history(rows: &mut Vec<Row>, plan: &Plan, dir: &Path) {
    let found = history::measure(dir, plan.events, plan.rounds.min(3));
    let at = format!("{} events", found.events);
    rows.push(Row::new(format!("restart after a stop, {at}"), "s", found.after_stop).aims(Aim::AtMost(1.0)));
    rows.push(Row::new(format!("restart after kill -9, {at}"), "s", found.after_kill).aims(Aim::AtMost(1.0)));
    if let Some(midway) = found.midway {
        let what = format!("restart after kill -9 with entries after the snapshot, {at}");
        rows.push(Row::new(what, "s", vec![midway]).aims(Aim::AtMost(1.0)));
    }
    rows.push(Row::new(
        format!("start without a snapshot, {at}"),
        "s",
        vec![found.first_start],
    ));
    rows.push(Row::new(
        format!("the stop after that, {at}"),
        "s",
        vec![found.first_stop],
    ));
    rows.push(
        Row::new(
            format!("disk per byte of entry, one own log and seven others, {at}"),
            "B",
            vec![found.disk],
        )
        .aims(Aim::AtMost(1.6)),
    );
    for (name, ratio) in found.parts {
        rows.push(Row::new(format!("of that in {name}, {at}"), "B", vec![ratio]));
    }
    rows.push(Row::new(
        format!("the own log alone, its store and its files, {at}"),
        "B",
        vec![found.own],
    ));
    rows.push(Row::new(
        format!("memory after a restart, {at}"),
        "MB",
        found.resident_megabytes,
    ));
    rows.push(Row::new(
        format!("most memory while everything was derived, {at}"),
        "MB",
        vec![found.most_megabytes],
    ));
}

fn measure_ingest(rows: &mut Vec<Row>, plan: &Plan, made: &Path, folder: &Path) {
    let federation = author::found(&folder.join("names"), "n1", author::HOSTED);
    if !made.exists() {
        author::make(made, plan.events);
    }
    let logs = Logs::read(made, &federation, plan.ingested);
    let (mut ingested, mut all) = (Vec::new(), Vec::new());
    let (mut folded, mut one) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        all.push(strict(cores(), plan.slice));
        let took = logs.ingest(&folder.join(format!("ingest-{round}")));
        ingested.push(logs.signatures as f64 / took.as_secs_f64());
        one.push(strict(1, plan.slice) * logs.entries as f64 / logs.signatures as f64);
        folded.push(logs.entries as f64 / logs.fold().as_secs_f64());
    }
    let row = Row::new("verify and ingest the logs of others", "signatures/s", ingested);
    rows.push(
        row.bounded("verifications of all cores", &all)
            .aims(Aim::Ratio(0.7)),
    );
    let row = Row::new("hold, resolve and fold them alone, one core", "events/s", folded);
    rows.push(row.bounded("events whose signatures one core verifies", &one));
}

fn ingest_alone(dir: &Path, events: u64) {
    let folder = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    let federation = author::found(&folder.path().join("names"), "n1", author::HOSTED);
    let logs = Logs::read(dir, &federation, events);
    let before = strict(cores(), Duration::from_secs(1));
    let took = logs.ingest(&folder.path().join("node"));
    let after = strict(cores(), Duration::from_secs(1));
    let rate = logs.signatures as f64 / took.as_secs_f64();
    println!(
        "{} signatures in {took:?}: {rate:.0}/s, limit {before:.0} and {after:.0}: {:.2}",
        logs.signatures,
        rate * 2.0 / (before + after)
    );
    println!(
        "fold alone: {:.0} events/s",
        logs.entries as f64 / logs.fold().as_secs_f64()
    );
}

fn append_alone(dir: &Path, clients: usize, seconds: f64) {
    let mut disk = Disk::open(&dir.join("disk"));
    let recorder = Recorder::start(&dir.join("recorder"));
    let paced = Paced::start(&recorder, clients, Duration::from_secs(1));
    let (mut rates, mut pairs, mut verified) = (Vec::new(), Vec::new(), Vec::new());
    let began = Instant::now();
    while began.elapsed().as_secs_f64() < seconds {
        pairs.push(disk.pairs(Duration::from_millis(500)));
        verified.push(strict(cores(), Duration::from_millis(500)));
        rates.push(paced.append(&recorder).rate());
    }
    println!("appends/s {rates:.0?}, pairs of syncs/s {pairs:.0?}, verifications/s {verified:.0?}");
    println!(
        "median {:?} {:?} {:?}",
        median(&rates),
        median(&pairs),
        median(&verified)
    );
    recorder.end();
}
