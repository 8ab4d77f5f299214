//! Runs the simulator: one seed, a range of seeds, or for some minutes; records a run and walks through it again.

use std::sync::Mutex;
use std::time::{Duration, Instant};
use tally_tests::sim::engine::{Options, Sim};
use tally_tests::sim::suite::{Outcome, run_seeds};
use tally_tests::sim::trace::{self, View};

/// The allocator of the daemon.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: sim --seed S [--verbose | --trace FILE] | --seeds A..B | --minutes N [--from S]   (also: --acts N, --twice)
       sim replay FILE [--to STEP] [--step] [--case ID]";

/// In wide runs one seed of so many runs twice: the states of every seed are compared with the oracle, and a core that is not
/// deterministic shows in any of them.
const TWICE_EVERY: u64 = 8;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("replay") {
        walk(std::env::args().skip(2));
        return;
    }
    let mut options = Options {
        twice_every: TWICE_EVERY,
        ..Options::default()
    };
    let mut file = None;
    let (mut seed, mut seeds, mut minutes, mut from) = (None, None, None, 1_000_000u64);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().unwrap_or_default();
            text.replace('_', "")
                .parse::<u64>()
                .unwrap_or_else(|_| usage(&format!("{word} {text}")))
        };
        match word.as_str() {
            "--seed" => seed = Some(number()),
            "--minutes" => minutes = Some(number()),
            "--from" => from = number(),
            "--acts" => options.acts = number(),
            "--twice" => options.twice_every = 1,
            "--verbose" => options.verbose = true,
            "--trace" => file = Some(words.next().unwrap_or_else(|| usage("--trace"))),
            "--seeds" => {
                let text = words.next().unwrap_or_default();
                let range = text
                    .split_once("..")
                    .and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                seeds = Some(range.unwrap_or_else(|| usage(&format!("{word} {text}"))));
            }
            other => usage(other),
        }
    }
    if let (Some(seed), Some(path)) = (seed, &file) {
        let made = std::fs::File::create(path).unwrap_or_else(|error| usage(&format!("{path}: {error}")));
        match trace::record(seed, &options, &mut std::io::BufWriter::new(made)) {
            Ok(steps) => {
                println!("seed {seed}: {steps} steps in {path}; sim replay {path} walks through them")
            }
            Err(why) => {
                eprintln!("seed {seed}: {why}\nthe trace up to there is in {path}");
                std::process::exit(1);
            }
        }
        return;
    }
    if let Some(seed) = seed {
        let report = Sim::new(seed, options).run();
        println!(
            "seed {seed}: clean, {} steps, trace {}",
            report.steps,
            report.trace.to_hex()
        );
        for line in report.coverage.lines() {
            println!("{line}");
        }
        return;
    }
    let started = Instant::now();
    let failed: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let clean = Mutex::new(0u64);
    let seen = |outcome: &Outcome| match &outcome.result {
        Ok(_) => {
            let mut clean = clean.lock().expect("no panic while it is held");
            *clean += 1;
            if clean.is_multiple_of(50) {
                eprintln!("{clean} seeds clean after {} s", started.elapsed().as_secs());
            }
        }
        Err(why) => {
            eprintln!("{why}");
            failed
                .lock()
                .expect("no panic while it is held")
                .push(why.clone());
        }
    };
    let coverage = match (seeds, minutes) {
        (Some((a, b)), _) => run_seeds(a..b, &options, seen),
        (None, Some(minutes)) => {
            let until = started + Duration::from_secs(minutes * 60);
            run_seeds(
                (from..).take_while(move |_| Instant::now() < until),
                &options,
                seen,
            )
        }
        (None, None) => usage("nothing to do"),
    };
    for line in coverage.lines() {
        println!("{line}");
    }
    let (clean, failed) = (
        clean.into_inner().expect("done"),
        failed.into_inner().expect("done"),
    );
    println!(
        "{clean} seeds clean, {} failed, {} s",
        failed.len(),
        started.elapsed().as_secs()
    );
    for name in coverage.missing() {
        println!("never met: {name}");
    }
    if !failed.is_empty() {
        std::process::exit(1);
    }
}

/// Replays a trace.
fn walk(mut words: impl Iterator<Item = String>) {
    let mut path = None;
    let mut view = View::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--to" => {
                let text = words.next().unwrap_or_default();
                let step = text.parse().unwrap_or_else(|_| usage(&format!("--to {text}")));
                view.to = Some(step);
            }
            "--step" => view.step = true,
            "--case" => view.case = Some(words.next().unwrap_or_else(|| usage("--case"))),
            other if path.is_none() => path = Some(other.to_owned()),
            other => usage(other),
        }
    }
    let path = path.unwrap_or_else(|| usage("replay needs a file"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| usage(&format!("{path}: {error}")));
    let replayed = trace::replay(&text, &view, &mut std::io::stdin().lock(), &mut std::io::stdout());
    if let Err(why) = replayed {
        eprintln!("error: {why}");
        std::process::exit(1);
    }
}

fn usage(at: &str) -> ! {
    eprintln!("error: {at}\n{USAGE}");
    std::process::exit(2);
}
