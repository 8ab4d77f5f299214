//! The store under kill -9: a child appends batches and says what was acknowledged; it is killed in mid-write again and again.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test")]

mod writer;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tally_ledger::checkpoint::{LogKey, sign_checkpoint};
use tally_node::store::{DataDir, LogFiles, OwnLog, OwnStore, SledLog, fsck};
use writer::{
    BYTES, FOLDER, append_for_ever, entry, is_whole, key, next_random, origin, replica_origin,
    run_a_node_for_ever,
};

const ROUNDS: u64 = 30;

/// Starts this test again as a child, kills it in mid-write, and returns the length that it acknowledged last.
fn kill_child(test: &str, folder: &Path, bytes: usize, state: &mut u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, folder)
        .env(BYTES, bytes.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let acked_of = |line: &str| line.strip_prefix("ack ").map(|len| len.parse::<u64>().unwrap());
    let first = lines.by_ref().find_map(|line| acked_of(&line.unwrap())).unwrap();
    let deadline = Instant::now() + Duration::from_millis(20 + next_random(state) % 400);
    let killer = std::thread::spawn(move || {
        std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        child.kill().unwrap();
        child.wait().unwrap();
    });
    let acked = lines
        .filter_map(|line| acked_of(&line.unwrap()))
        .last()
        .unwrap_or(first);
    killer.join().unwrap();
    acked
}

fn kill_in_mid_write(test: &str, bytes: usize) {
    if let Ok(folder) = std::env::var(FOLDER) {
        return append_for_ever(Path::new(&folder), std::env::var(BYTES).unwrap().parse().unwrap());
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("own");
    let mut state = 0x9e37_79b9 + bytes as u64;
    let mut checked = 0;
    for round in 0..ROUNDS {
        let acked = kill_child(test, &folder, bytes, &mut state);
        let log = SledLog::open(&folder, &origin(), &mut |_, _| {}).unwrap();
        assert!(
            log.len() >= acked,
            "round {round}: acknowledged {acked}, found {}",
            log.len()
        );
        assert!(is_whole(&log), "round {round}: half a batch");
        let from = if round + 1 == ROUNDS { 0 } else { checked };
        let mut whole = true;
        log.visit(from, &mut |index, found| {
            whole &= *found == entry(index, bytes);
            whole
        })
        .unwrap();
        assert!(whole, "round {round}: an entry differs");
        checked = log.len();
        Box::new(log).close().unwrap();
    }
    assert!(checked > ROUNDS, "only {checked} entries: nothing was tested");
}

#[test]
fn log_lock_and_files_agree_after_every_kill() {
    if let Ok(folder) = std::env::var(FOLDER) {
        return run_a_node_for_ever(&DataDir::open(Path::new(&folder)).unwrap());
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    let keys = BTreeMap::from([origin(), replica_origin()].map(|log| {
        let key = LogKey::new(&log, &key().public_key());
        (log, key)
    }));
    let mut state = 0x51ed_270b;
    let mut held = 0;
    for round in 0..ROUNDS {
        let acked = kill_child(
            "log_lock_and_files_agree_after_every_kill",
            &folder,
            600,
            &mut state,
        );
        let data = DataDir::open(&folder).unwrap();
        let mut own = OwnStore::open(&data, &origin(), &mut |index, found| {
            assert_eq!(*found, entry(index, 600), "round {round}");
        })
        .unwrap();
        assert!(
            own.tail.size >= acked && own.lock.head().size >= acked,
            "round {round}: {acked}, {own:?}"
        );
        assert_eq!(own.set_aside, None, "round {round}: a kill damages no file");
        let files = LogFiles::open(&data, &replica_origin(), &mut |index, found| {
            assert_eq!(*found, entry(index, 600), "round {round}");
        })
        .unwrap();
        assert!(files.head().size >= acked, "round {round}: {acked}, {files:?}");
        assert!(
            files.cut().is_none() || files.head().size < own.tail.size,
            "round {round}"
        );
        let locked = own.lock.head();
        own.publish(&sign_checkpoint(&origin(), locked, &key()).to_bytes())
            .unwrap();
        own.settle().unwrap();
        held = own.tail.size;
        drop((own, files));
        let report = fsck(&data, keys.clone().into(), &mut |_| {}).unwrap();
        assert_eq!(report.findings, [], "round {round}");
    }
    assert!(held > ROUNDS, "only {held} entries: nothing was tested");
}

#[test]
fn acknowledged_entries_of_600_bytes_survive_kill() {
    kill_in_mid_write("acknowledged_entries_of_600_bytes_survive_kill", 600);
}

#[test]
fn acknowledged_entries_of_12_kilobytes_survive_kill() {
    kill_in_mid_write("acknowledged_entries_of_12_kilobytes_survive_kill", 12 * 1024);
}

#[test]
fn acknowledged_entries_of_the_longest_size_survive_kill() {
    kill_in_mid_write("acknowledged_entries_of_the_longest_size_survive_kill", 65_535);
}
