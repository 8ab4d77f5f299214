//! What the machine itself can do: signatures, hashes, syncs. Each call measures for a given time and returns a rate a second.

use crate::author::key;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use tally_ledger::crypto::{VerifyingKey, sha256, sign_note};

/// How many cores this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn rate(done: u64, began: Instant) -> f64 {
    done as f64 / began.elapsed().as_secs_f64()
}

/// Verifies one signature after the other, on so many threads.
pub(crate) fn strict(threads: usize, time: Duration) -> f64 {
    let text = "a text as long as that of an event\n".repeat(30);
    let signing = key("limit");
    let line = sign_note(&text, "limit/one", &signing).unwrap();
    let verifying = VerifyingKey::new(&signing.public_key());
    let began = Instant::now();
    let work = || {
        let mut done = 0u64;
        while began.elapsed() < time {
            for _ in 0..32 {
                verifying.verify(text.as_bytes(), &line.signature).unwrap();
            }
            done += 32;
        }
        done
    };
    let done = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    rate(done, began)
}

/// Hashes blocks of 64 KiB; megabytes a second.
pub(crate) fn sha256_megabytes(time: Duration) -> f64 {
    let block = vec![7u8; 64 * 1024];
    let began = Instant::now();
    let mut bytes = 0u64;
    while began.elapsed() < time {
        std::hint::black_box(sha256(&[std::hint::black_box(&block)]));
        bytes += block.len() as u64;
    }
    rate(bytes, began) / 1e6
}

/// Files on the disk that is measured.
pub(crate) struct Disk {
    appended: File,
    slots: File,
    turn: u64,
}

impl Disk {
    pub(crate) fn open(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let slots = folder.join("slots");
        std::fs::write(&slots, [0; 8192]).unwrap();
        let slots = OpenOptions::new().write(true).open(slots).unwrap();
        slots.sync_all().unwrap();
        Self {
            appended: File::create(folder.join("appended")).unwrap(),
            slots,
            turn: 0,
        }
    }

    fn append(&mut self) {
        self.appended.write_all(&[7; 4096]).unwrap();
        self.appended.sync_data().unwrap();
    }

    /// Overwrites one of two slots in place, in turn, as the signing lock does.
    fn overwrite(&mut self) {
        self.turn += 1;
        self.slots
            .write_all_at(&[self.turn.to_le_bytes()[0]; 128], self.turn % 2 * 4096)
            .unwrap();
        self.slots.sync_data().unwrap();
    }

    /// Appends 4 KiB and syncs; syncs a second.
    pub(crate) fn appends(&mut self, time: Duration) -> f64 {
        let began = Instant::now();
        let mut done = 0;
        while began.elapsed() < time {
            self.append();
            done += 1;
        }
        rate(done, began)
    }

    /// Appends, syncs, overwrites a slot, syncs: what one durable append cannot do without. Pairs a second.
    pub(crate) fn pairs(&mut self, time: Duration) -> f64 {
        let began = Instant::now();
        let mut done = 0;
        while began.elapsed() < time {
            self.append();
            self.overwrite();
            done += 1;
        }
        rate(done, began)
    }
}
