//! The threads that check signatures, so that the owner of the replica never does.

use super::mailbox::{Mailbox, Message};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tally_ledger::replica::Job;

/// At least and at most so many threads check signatures; between them, one for each core.
const WORKERS_MIN: usize = 2;
const WORKERS_MAX: usize = 32;
/// How many jobs a thread takes at once: few enough that all threads get some of a burst.
const JOBS_AT_ONCE: usize = 32;

/// The threads; they end when this is dropped.
pub(crate) struct Workers {
    jobs: Option<Sender<Vec<Job>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts the threads; results go to the mailbox.
    pub(crate) fn start(mailbox: &Mailbox) -> std::io::Result<Self> {
        let (jobs, receiver) = channel::<Vec<Job>>();
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = Vec::new();
        let cores = std::thread::available_parallelism().map_or(WORKERS_MIN, usize::from);
        for number in 0..cores.clamp(WORKERS_MIN, WORKERS_MAX) {
            let (receiver, mailbox) = (receiver.clone(), mailbox.clone());
            let thread = std::thread::Builder::new()
                .name(format!("verify-{number}"))
                .spawn(move || work(&receiver, &mailbox))?;
            threads.push(thread);
        }
        Ok(Self {
            jobs: Some(jobs),
            threads,
        })
    }

    /// Gives out jobs.
    pub(crate) fn give(&self, mut jobs: Vec<Job>) {
        let Some(sender) = &self.jobs else { return };
        // The signatures of one note are checked beside each other.
        let each = jobs.len().div_ceil(self.threads.len().max(1));
        let each = each.clamp(1, JOBS_AT_ONCE);
        while !jobs.is_empty() {
            let rest = jobs.split_off(jobs.len().min(each));
            if sender.send(std::mem::replace(&mut jobs, rest)).is_err() {
                tracing::error!("the threads that check signatures are gone");
                return;
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that checks signatures panicked");
            }
        }
    }
}

fn work(receiver: &Mutex<Receiver<Vec<Job>>>, mailbox: &Mailbox) {
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(jobs) = next else { return };
        let results = jobs.iter().map(Job::run).collect();
        if !mailbox.push(Message::Verified(results)) {
            return;
        }
    }
}
