//! The child that writes until it is stopped, and says on its standard output what it acknowledged.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::{SigningKey, leaf_hash};
use tally_ledger::merkle::Frontier;
use tally_node::store::{DataDir, LocalRecord, LogFiles, OwnLog, OwnStore, SledLog};
use tally_schemas::id::Origin;

/// Set for the child only: the folder, and the size of the entries.
pub(crate) const FOLDER: &str = "TALLY_TEST_KILL_FOLDER";
pub(crate) const BYTES: &str = "TALLY_TEST_KILL_BYTES";

pub(crate) fn origin() -> Origin {
    Origin::parse("xian-0123456789abcdef/housing/1").unwrap()
}

pub(crate) fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

pub(crate) fn entry(index: u64, bytes: usize) -> Arc<[u8]> {
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

/// Says whether a log is one that [`append_for_ever`] leaves: up to the end of a batch, or one entry further.
pub(crate) fn is_whole(log: &SledLog) -> bool {
    let Some(found) = log.record(b"mark").unwrap() else {
        return false;
    };
    let marked = u64::from_be_bytes(*found.first_chunk().unwrap());
    found == mark(marked) && (marked..=marked + 1).contains(&log.len())
}

/// The child: appends batches of random size, and after each an entry alone, until it is killed.
pub(crate) fn append_for_ever(folder: &Path, bytes: usize) {
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
        log.append_batch(len, &[entry(len, bytes)], &[]).unwrap();
        writeln!(out, "ack {}", len + 1).unwrap();
        out.flush().unwrap();
    }
}

pub(crate) fn replica_origin() -> Origin {
    Origin::parse("xian-0123456789abcdef/health/1").unwrap()
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(&[5; 32])
}

/// The child: one own log and one replica with the same entries, signed and published after every batch.
pub(crate) fn run_a_node_for_ever(data: &DataDir) {
    let mut frontier = Frontier::new();
    let mut own = if data.signing_lock(&origin()).exists() {
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
        // An entry alone goes another way into the store than several.
        let count = match next_random(&mut state) % 30 {
            count @ 0..20 => 1 + count,
            _ => 1,
        };
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
