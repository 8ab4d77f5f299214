//! Measures durable appends of the store beside what the disk itself can do. Arguments: a folder on the disk to measure, and optionally the
//! seconds per figure (default 2).
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "prints figures for people; a failure ends it"
)]

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::{SigningKey, leaf_hash};
use tally_ledger::merkle::Frontier;
use tally_node::store::{DataDir, LogFiles, OwnLog, OwnStore, SledLog};
use tally_schemas::id::Origin;

/// Calls `step` until the time is over; returns calls per second and the latencies in order.
fn timed(seconds: f64, mut step: impl FnMut()) -> (f64, Vec<Duration>) {
    let mut took = Vec::new();
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < seconds {
        let call = Instant::now();
        step();
        took.push(call.elapsed());
    }
    let rate = took.len() as f64 / start.elapsed().as_secs_f64();
    took.sort();
    (rate, took)
}

fn report(what: &str, batch: usize, outcome: &(f64, Vec<Duration>), raw: f64) {
    let (rate, took) = outcome;
    let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
    println!(
        "{what:<44} {:>9.0}/s  {:>6.2} of fdatasync  p10 {:>7.0} us  p50 {:>7.0} us  p99 {:>7.0} us",
        rate * batch as f64,
        rate / raw,
        at(10).as_secs_f64() * 1e6,
        at(50).as_secs_f64() * 1e6,
        at(99).as_secs_f64() * 1e6
    );
}

fn entry(index: u64, bytes: usize) -> Arc<[u8]> {
    let mut state = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_be_bytes());
    }
    out.truncate(bytes);
    out.into()
}

fn batch_of(start: u64, count: usize, bytes: usize) -> Vec<Arc<[u8]>> {
    (start..).take(count).map(|index| entry(index, bytes)).collect()
}

fn raw_syncs(folder: &Path, seconds: f64) -> (f64, Vec<Duration>) {
    let mut file = std::fs::File::create(folder.join("raw")).unwrap();
    let block = [7u8; 4096];
    timed(seconds, || {
        file.write_all(&block).unwrap();
        file.sync_data().unwrap();
    })
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "measure-store".to_owned());
    let seconds = arguments.next().map_or(2.0, |text| text.parse().unwrap());
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).unwrap();
    let origin = Origin::parse("measure-0123456789abcdef/housing/1").unwrap();
    let key = SigningKey::from_seed(&[1; 32]);
    let outcome = raw_syncs(folder, seconds);
    let raw = outcome.0;
    report("append 4 KiB + fdatasync", 1, &outcome, raw);
    for bytes in [600, 12 * 1024, 65_535] {
        for batch in [1, 64, 1024] {
            let batch = batch.min(16 * 1024 * 1024 / bytes);
            let data = DataDir::open(&folder.join(format!("own-{bytes}-{batch}"))).unwrap();
            let mut log = SledLog::open(&data.own_log(&origin), &origin, &mut |_, _| {}).unwrap();
            let outcome = timed(seconds, || {
                let entries = batch_of(log.len(), batch, bytes);
                log.append_batch(log.len(), &entries, &[]).unwrap();
            });
            report(
                &format!("own log, {bytes} B, batch {batch}"),
                batch,
                &outcome,
                raw,
            );
            let len = log.len();
            Box::new(log).close().unwrap();
            let start = Instant::now();
            SledLog::open(&data.own_log(&origin), &origin, &mut |_, _| {}).unwrap();
            println!(
                "    reopened and checked {len} entries in {:.2} s",
                start.elapsed().as_secs_f64()
            );
        }
    }
    for settled in [true, false] {
        for batch in [1, 64, 1024] {
            let name = format!("files-{batch}-{settled}");
            let data = DataDir::open(&folder.join(name)).unwrap();
            let mut files = LogFiles::open(&data, &origin, &mut |_, _| {}).unwrap();
            let mut frontier = Frontier::new();
            let outcome = timed(seconds, || {
                let start = frontier.size();
                let entries = batch_of(start, batch, 600);
                for entry in &entries {
                    frontier.append(leaf_hash(entry));
                }
                let checkpoint = sign_checkpoint(&origin, frontier.head(), &key).to_bytes();
                files.append(start, &entries, Some(&checkpoint)).unwrap();
                if settled {
                    files.settle().unwrap();
                }
            });
            let what = if settled {
                "settled each time"
            } else {
                "settled when due"
            };
            report(
                &format!("replica files, 600 B, {what}, batch {batch}"),
                batch,
                &outcome,
                raw,
            );
            let size = files.head().size;
            drop(files);
            let start = Instant::now();
            LogFiles::open(&data, &origin, &mut |_, _| {}).unwrap();
            println!(
                "    reopened and checked {size} entries in {:.2} s",
                start.elapsed().as_secs_f64()
            );
        }
    }
    for batch in [1, 64, 1024] {
        let data = DataDir::open(&folder.join(format!("whole-{batch}"))).unwrap();
        let mut own = OwnStore::create(&data, &origin).unwrap();
        let mut frontier = Frontier::new();
        let outcome = timed(seconds, || {
            let start = frontier.size();
            let entries = batch_of(start, batch, 600);
            for entry in &entries {
                frontier.append(leaf_hash(entry));
            }
            own.log.append_batch(start, &entries, &[]).unwrap();
            own.lock.advance(frontier.head()).unwrap();
            let checkpoint = sign_checkpoint(&origin, frontier.head(), &key).to_bytes();
            own.publish(&checkpoint).unwrap();
        });
        report(
            &format!("log + lock + signature + files, batch {batch}"),
            batch,
            &outcome,
            raw,
        );
    }
    let outcome = raw_syncs(folder, seconds);
    report("append 4 KiB + fdatasync, again", 1, &outcome, raw);
    std::fs::remove_dir_all(folder).unwrap();
}
