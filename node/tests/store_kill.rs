//! The store under kill -9: a child appends batches and says what was acknowledged; it is killed in mid-write again and again.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally_ledger::checkpoint::{LogKey, sign_checkpoint};
use tally_ledger::crypto::{SigningKey, leaf_hash};
use tally_ledger::merkle::Frontier;
use tally_node::store::{DataDir, LocalRecord, LogFiles, OwnLog, OwnStore, SledLog, fsck};
use tally_schemas::id::Origin;

/// Set for the child only: the folder, and the size of the entries.
const FOLDER: &str = "TALLY_TEST_KILL_FOLDER";
const BYTES: &str = "TALLY_TEST_KILL_BYTES";
const ROUNDS: u64 = 10;

fn origin() -> Origin {
    Origin::parse("xian-0123456789abcdef/housing/1").unwrap()
}

fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn entry(index: u64, bytes: usize) -> Arc<[u8]> {
    let mut state = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        out.extend_from_slice(&next_random(&mut state).to_be_bytes());
    }
    out.truncate(bytes);
    out.into()
}

/// What the batch that ends at this length leaves in the record beside it: long enough for several chunks.
fn mark(len: u64) -> Vec<u8> {
    let mut value = len.to_be_bytes().to_vec();
    value.resize(
        7_000 + usize::try_from(len % 9_000).unwrap(),
        len.to_be_bytes()[7],
    );
    value
}

/// The child: appends batches of random size until it is killed.
fn append_for_ever(folder: &Path, bytes: usize) {
    let mut log = SledLog::open(folder, &origin(), &mut |_, _| {}).unwrap();
    let mut state = log.len().wrapping_add(0x1234_5678_9abc_def1);
    let mut out = std::io::stdout();
    loop {
        let count = 1 + next_random(&mut state) % if bytes > 30_000 { 8 } else { 40 };
        let len = log.len() + count;
        let entries: Vec<_> = (log.len()..len).map(|index| entry(index, bytes)).collect();
        let record = LocalRecord::Put {
            key: b"mark".to_vec(),
            value: mark(len),
        };
        log.append_batch(log.len(), &entries, &[record]).unwrap();
        writeln!(out, "ack {len}").unwrap();
        out.flush().unwrap();
    }
}

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
        assert_eq!(
            log.record(b"mark").unwrap(),
            Some(mark(log.len())),
            "round {round}: half a batch"
        );
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

fn replica_origin() -> Origin {
    Origin::parse("xian-0123456789abcdef/health/1").unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[5; 32])
}

/// The child: one own log and one replica with the same entries, signed and published after every batch.
fn run_a_node_for_ever(data: &DataDir) {
    let mut frontier = Frontier::new();
    let mut own = if data.own_log(&origin()).exists() && data.signing_lock(&origin()).exists() {
        OwnStore::open(data, &origin(), &mut |_, entry| frontier.append(leaf_hash(entry))).unwrap()
    } else {
        OwnStore::create(data, &origin()).unwrap()
    };
    let mut files = LogFiles::open(data, &replica_origin(), &mut |_, _| {}).unwrap();
    let behind = own.log.range(files.head().size, 1024, usize::MAX).unwrap();
    files.append(files.head().size, &behind, None).unwrap();
    let mut state = own.tail.size.wrapping_add(0x1234_5678_9abc_def1);
    let mut out = std::io::stdout();
    loop {
        let start = frontier.size();
        let count = 1 + next_random(&mut state) % 20;
        let entries: Vec<_> = (start..start + count).map(|index| entry(index, 600)).collect();
        for entry in &entries {
            frontier.append(leaf_hash(entry));
        }
        own.log.append_batch(start, &entries, &[]).unwrap();
        own.lock.advance(frontier.head()).unwrap();
        own.publish(&sign_checkpoint(&origin(), frontier.head(), &key()).to_bytes())
            .unwrap();
        let signed = sign_checkpoint(&replica_origin(), frontier.head(), &key()).to_bytes();
        let covered = next_random(&mut state)
            .is_multiple_of(3)
            .then_some(signed.as_slice());
        files.append(start, &entries, covered).unwrap();
        if next_random(&mut state).is_multiple_of(5) {
            own.settle().unwrap();
            files.settle().unwrap();
        }
        writeln!(out, "ack {}", frontier.size()).unwrap();
        out.flush().unwrap();
    }
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
        let report = fsck(&data, &keys, &mut |_| {}).unwrap();
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
