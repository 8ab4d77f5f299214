//! One cycle of the owner: inputs go to the core, what comes out is made durable, answered and sent, in the order of the core.
//!
//! Signatures go to the threads that check them as soon as a few frames were read; the batches of other logs that came out together are
//! made durable together, one write for each log. Nothing that came out after a batch leaves before that batch is durable (I1).

use super::owner::{Owner, alarm_text, describe};
use super::shared::{Change, locked};
use crate::bus::Publication;
use crate::drafts::DraftsBox;
use crate::store::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, LocalRecord, LogFiles, StoreError};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError};
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::event_id;
use tally_ledger::replica::{Batch, Input, Job, Output, Refusal};
use tally_schemas::entry::{Entry, PayloadKind};
use tally_schemas::frame::Frame;
use tally_schemas::id::{DepartmentId, EventId, Origin};
use tally_schemas::limits::EVENT_NOTE_BYTES_MAX;
use tally_schemas::note::Note;
use tally_schemas::time::Timestamp;

/// How much of an own batch goes into one step of the store, by bytes: records come on top.
const STEP_BYTES_MAX: usize = BATCH_BYTES_MAX / 2;
/// How many signatures the owner checks itself when nothing else waits.
const JOBS_ALONE_MAX: usize = 2;
/// How many frames are read before the checks of their signatures are given out.
const FRAMES_AT_ONCE: usize = 4;

/// Batches of one log that follow one another, to be written at once under the newest of their checkpoints.
#[derive(Debug, PartialEq, Eq)]
struct Joined<'a> {
    origin: &'a Origin,
    start: u64,
    entries: Vec<Arc<[u8]>>,
    checkpoint: Option<&'a [u8]>,
    covering: Option<&'a Frame>,
}

impl Owner {
    /// Hands inputs to the replica and executes what comes out, until nothing comes out any more.
    pub(super) fn cycle(&mut self, now: Timestamp, mut inputs: Vec<Input>) {
        let shared = self.shared.clone();
        let mut replica = shared.replica.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = BTreeSet::new();
        let mut moved = false;
        while !inputs.is_empty() {
            let mut outputs = VecDeque::new();
            let mut checked = Vec::new();
            for inputs in few_frames_each(std::mem::take(&mut inputs)) {
                for output in replica.handle(now, inputs) {
                    match output {
                        // To hand over the signatures of a note that comes alone takes longer than to check them.
                        Output::Verify(jobs) if self.is_alone(&jobs) => {
                            checked.extend(jobs.iter().map(Job::run));
                        }
                        // Nothing of it leaves the node: it need not wait for what is made durable before it.
                        Output::Verify(jobs) => {
                            self.unchecked_jobs += jobs.len();
                            self.workers.give(jobs);
                        }
                        output => outputs.push_back(output),
                    }
                }
            }
            if !checked.is_empty() {
                inputs.push(Input::Verified(checked));
            }
            let mut durable = BTreeSet::new();
            while let Some(output) = outputs.pop_front() {
                match output {
                    Output::Verify(_) => {}
                    Output::Persist(batch) => {
                        let token = batch.token;
                        match self.persist(now, &batch, &outputs, &mut durable) {
                            Ok(checkpoint) => {
                                moved = true;
                                inputs.push(Input::Persisted { token, checkpoint });
                            }
                            Err(error) => {
                                let why = describe(&error);
                                self.store_failure.get_or_insert(why.clone());
                                inputs.push(Input::PersistFailed { token, why });
                                // What follows must not leave: it may rest on what is not durable.
                                break;
                            }
                        }
                    }
                    Output::Publish(frame) => match frame.encode() {
                        Ok(bytes) => self.bus.publish(Publication {
                            has_entries: !frame.entries.is_empty(),
                            origin: frame.origin,
                            bytes: Arc::from(bytes),
                        }),
                        Err(error) => shared.alarm(&format!("a frame could not be written: {error}")),
                    },
                    Output::Want { origin, start } => self.want(&replica, &origin, start),
                    Output::Evidence { origin, size, bytes } => self.keep_evidence(&origin, size, &bytes),
                    Output::WantEvidence(origin) => self.want_evidence(&origin),
                    Output::Reply { ticket, result } => self.reply(now, ticket, result),
                    Output::Sealed { origin, why } => self.seal(&origin, &why),
                    Output::Refetch { origin, opening } => self.set_files_aside(&origin, &opening),
                    Output::Rebuild => self.is_rebuild_due = true,
                    Output::Changed(cases) => changed.extend(cases),
                    Output::Alarm(alarm) => shared.alarm(&alarm_text(&alarm)),
                }
            }
        }
        if self.store_failure.is_some() || replica.failure().is_some() || self.is_rebuild_due {
            self.give_up_waiting(replica.failure());
        }
        if let Some(why) = replica.world().broken().filter(|_| !self.is_snapshot_given_up) {
            self.is_snapshot_given_up = true;
            match shared.archive.rows.set_aside() {
                Ok(place) => tracing::error!(
                    why,
                    ?place,
                    "the snapshot was set aside; the next start derives everything anew"
                ),
                Err(error) => tracing::error!(
                    why,
                    error = describe(&error),
                    "the snapshot could not be set aside"
                ),
            }
        }
        if !changed.is_empty() {
            self.parts.scan(&shared, &replica, &changed);
        }
        if moved || !changed.is_empty() {
            let digest = shared.heads_digest(replica.world());
            drop(replica);
            shared.tell(Change::Cases(changed.into_iter().collect(), digest));
        }
    }

    /// Says whether these are the signatures of one note, and nothing else waits to be checked or taken.
    fn is_alone(&self, jobs: &[Job]) -> bool {
        jobs.len() <= JOBS_ALONE_MAX && self.unchecked_jobs == 0 && self.shared.mailbox.waiting() == 0
    }

    /// Answers those whose batch will never become durable, or who ask a replica that is made anew; what they sent may be in the store, but is not acknowledged.
    fn give_up_waiting(&mut self, why: Option<&str>) {
        let why = why
            .or(self.store_failure.as_deref())
            .unwrap_or("a failure")
            .to_owned();
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            let refusal = if self.is_rebuild_due {
                Refusal::unavailable(
                    "rebuilding",
                    "everything is derived anew; submit the same note again",
                )
            } else {
                Refusal::unavailable(
                    "writes-stopped",
                    format!(
                        "this node serves no writes: {why}; submit the same note again after its restart"
                    ),
                )
            };
            let _gone = waiting.answer.send(Err(Box::new(refusal)));
        }
        self.by_event.clear();
    }

    /// Makes a batch durable; one of another log together with those that come after it, whose tokens go to `durable`.
    fn persist(
        &mut self,
        now: Timestamp,
        batch: &Batch,
        after: &VecDeque<Output>,
        durable: &mut BTreeSet<u64>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(why) = &self.store_failure {
            return Err(StoreError::Stopped {
                path: self.data.root().to_owned(),
                why: why.clone(),
            });
        }
        if batch.own {
            return self.persist_own(now, batch).map(Some);
        }
        if !durable.contains(&batch.token) {
            // What is fetched again begins anew after its files were set aside, which happens in its turn.
            let until = after
                .iter()
                .take_while(|output| !matches!(output, Output::Refetch { .. }));
            let others = until.filter_map(|output| match output {
                Output::Persist(batch) if !batch.own => Some(batch),
                _ => None,
            });
            let together: Vec<&Batch> = std::iter::once(batch).chain(others).collect();
            join(&together)
                .iter()
                .try_for_each(|batch| self.append_replica(batch))?;
            durable.extend(together.iter().map(|batch| batch.token));
        }
        Ok(None)
    }

    fn append_replica(&self, batch: &Joined<'_>) -> Result<(), StoreError> {
        let mut stores = locked(&self.shared.stores);
        if !stores.replicas.contains_key(batch.origin) {
            let files = LogFiles::open(&self.data, batch.origin, &mut |_, _| {})?;
            stores.replicas.insert(batch.origin.clone(), files);
        }
        match stores.replicas.get_mut(batch.origin) {
            Some(files) => {
                let covering = batch.covering.map(Frame::encode).transpose();
                let covering = covering.ok().flatten().unwrap_or_default();
                files.append_covered(batch.start, &batch.entries, batch.checkpoint, &covering)
            }
            None => Ok(()),
        }
    }

    /// Makes entries durable with the parts and drafts that belong to them, then signs the head.
    fn persist_own(&mut self, now: Timestamp, batch: &Batch) -> Result<Vec<u8>, StoreError> {
        let department = batch.origin.department.clone();
        let shared = self.shared.clone();
        let mut stores = locked(&shared.stores);
        self.begin_epoch(&mut stores, batch)?;
        let missing = || StoreError::NoSuchLog {
            origin: batch.origin.clone(),
            path: self.data.own_log(&batch.origin),
        };
        let store = stores.own.get_mut(&department);
        let store = store
            .filter(|store| *store.files.origin() == batch.origin)
            .ok_or_else(missing)?;
        let mut start = batch.start;
        let mut rest = batch.entries.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0usize;
            let fits = rest.iter().take(BATCH_ENTRIES_MAX).take_while(|entry| {
                bytes = bytes.saturating_add(entry.len());
                bytes <= STEP_BYTES_MAX
            });
            let count = fits.count().max(1);
            let (step, after) = rest.split_at(count.min(rest.len()));
            let changes = self.belongings(now, &department, step)?;
            let records: Vec<LocalRecord> = changes.iter().map(|(_, record)| record.clone()).collect();
            store.log.append_batch(start, step, &records)?;
            if let Some(drafts) = self.boxes.get_mut(&department) {
                drafts.apply(&changes);
            }
            start += step.len() as u64;
            rest = after;
        }
        let missing_key = || StoreError::NoSuchLog {
            origin: batch.origin.clone(),
            path: self.data.signing_lock(&batch.origin),
        };
        let key = self.keyring.logs.get(&department).ok_or_else(missing_key)?;
        store.lock.advance(batch.head)?;
        let checkpoint = sign_checkpoint(&batch.origin, batch.head, key).to_bytes();
        store.publish(&checkpoint)?;
        Ok(checkpoint)
    }

    /// Keeps the parts of the events in these entries, and returns the drafts that they complete.
    fn belongings(
        &self,
        now: Timestamp,
        department: &DepartmentId,
        entries: &[Arc<[u8]>],
    ) -> Result<Vec<(String, LocalRecord)>, StoreError> {
        let mut changes = Vec::new();
        let has_parts = self.waiting.values().any(|waiting| !waiting.parts.is_empty());
        let has_drafts = self.boxes.get(department).is_some_and(DraftsBox::has_open);
        if !has_parts && !has_drafts {
            return Ok(changes);
        }
        for bytes in entries {
            let Ok(entry) = Entry::parse(bytes) else { continue };
            let Some(id) = event_in(&entry.payload) else {
                continue;
            };
            for ticket in self.by_event.get(&id).into_iter().flatten() {
                for (commit, part) in self.waiting.get(ticket).map_or(&[][..], |waiting| &waiting.parts) {
                    self.shared.parts.put(department, commit, part)?;
                }
            }
            if let Some(drafts) = self.boxes.get(department) {
                changes.extend(drafts.recorded(&id, &entry.payload, now));
            }
        }
        Ok(changes)
    }
}

/// Returns the id of the event that a payload of an own log carries: what was appended was parsed before.
fn event_in(payload: &str) -> Option<EventId> {
    if PayloadKind::of(payload) != PayloadKind::Event {
        return None;
    }
    let note = Note::parse(payload.as_bytes(), EVENT_NOTE_BYTES_MAX).ok()?;
    Some(event_id(&note.text))
}

/// Joins batches of each log that follow one another; a batch out of step stands alone, and the files refuse it with both numbers.
fn join<'a>(batches: &[&'a Batch]) -> Vec<Joined<'a>> {
    let mut all: Vec<Joined<'a>> = Vec::new();
    for batch in batches {
        let before = all
            .iter_mut()
            .rfind(|joined| *joined.origin == batch.origin)
            .filter(|joined| joined.start.saturating_add(joined.entries.len() as u64) == batch.start);
        match before {
            Some(joined) => {
                joined.entries.extend(batch.entries.iter().cloned());
                joined.checkpoint = batch.checkpoint.as_deref().or(joined.checkpoint);
                joined.covering = batch.covering.as_ref();
            }
            None => all.push(Joined {
                origin: &batch.origin,
                start: batch.start,
                entries: batch.entries.clone(),
                checkpoint: batch.checkpoint.as_deref(),
                covering: batch.covering.as_ref(),
            }),
        }
    }
    all
}

/// Parts inputs, in their order, so that few frames are handed in at once; what is no frame goes with the others.
fn few_frames_each(inputs: Vec<Input>) -> Vec<Vec<Input>> {
    let mut parts: Vec<Vec<Input>> = vec![Vec::new()];
    let mut frames = 0;
    for input in inputs {
        if matches!(&input, Input::Frame(frame) if !frame.entries.is_empty()) {
            frames += 1;
            if frames > FRAMES_AT_ONCE {
                frames = 1;
                parts.push(Vec::new());
            }
        }
        if let Some(part) = parts.last_mut() {
            part.push(input);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use tally_ledger::merkle::Frontier;

    fn batch(department: &str, start: u64, texts: &[&str], checkpoint: Option<&str>) -> Batch {
        Batch {
            token: start,
            origin: Origin::parse(&format!("xian-0123456789abcdef/{department}/1")).expect("an origin"),
            start,
            entries: texts.iter().map(|text| Arc::from(text.as_bytes())).collect(),
            head: Frontier::default().head(),
            checkpoint: checkpoint.map(|text| text.as_bytes().to_vec()),
            covering: None,
            own: false,
        }
    }

    fn lines(joined: &[Joined<'_>]) -> Vec<String> {
        let line = |joined: &Joined<'_>| {
            let entries: Vec<_> = joined
                .entries
                .iter()
                .map(|entry| String::from_utf8_lossy(entry))
                .collect();
            let checkpoint = joined.checkpoint.map(String::from_utf8_lossy);
            format!(
                "{} {} {} {}",
                joined.origin.department,
                joined.start,
                entries.concat(),
                checkpoint.as_deref().unwrap_or("-")
            )
        };
        joined.iter().map(line).collect()
    }

    #[test]
    fn batches_of_one_log_that_follow_one_another_are_one_write_under_the_newest_checkpoint() {
        let batches = [
            batch("water", 0, &["a", "b"], Some("2")),
            batch("roads", 7, &["x"], None),
            batch("water", 2, &["c"], None),
            batch("water", 3, &["d"], Some("4")),
            batch("roads", 8, &["y"], None),
        ];
        let joined = join(&batches.iter().collect::<Vec<_>>());
        assert_eq!(lines(&joined), ["water 0 abcd 4", "roads 7 xy -"]);
    }

    #[test]
    fn a_batch_out_of_step_is_not_joined() {
        let batches = [
            batch("water", 0, &["a", "b"], None),
            batch("water", 3, &["d"], None),
            batch("water", 4, &["e"], None),
        ];
        let joined = join(&batches.iter().collect::<Vec<_>>());
        assert_eq!(lines(&joined), ["water 0 ab -", "water 3 de -"]);
    }
}
