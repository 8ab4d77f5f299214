//! Epochs of own logs: ending the signing of one, beginning the next, and deriving everything anew when what counts has changed.

use super::owner::{Next, Owner, describe};
use super::shared::{Stores, locked};
use super::start;
use crate::drafts::DraftsBox;
use crate::store::{LocalRecord, LogFiles, OwnStore, StoreError, keep_branch, read_branches, records_of};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use tally_ledger::cases::RULESET;
use tally_ledger::replica::{Batch, Input, Refusal, Replica};
use tally_schemas::epoch::{EPOCH_MAGIC, Opening};
use tally_schemas::id::Origin;
use tally_schemas::limits::EPOCH_NOTE_BYTES_MAX;
use tally_schemas::note::Note;

/// How many local records are carried over in one step.
const RECORDS_AT_ONCE: usize = 256;

impl Owner {
    /// Refuses an opening whose log key is not the one that this node has for the department.
    pub(super) fn admit_opening(&self, note: &[u8]) -> Result<(), Refusal> {
        if !note.starts_with(EPOCH_MAGIC.as_bytes()) {
            return Ok(());
        }
        let opening =
            Note::parse(note, EPOCH_NOTE_BYTES_MAX).and_then(|note| Opening::parse_text(&note.text));
        let Ok(opening) = opening else { return Ok(()) };
        match self.keyring.logs.get(&opening.origin.department) {
            Some(key) if *key.public_key().as_bytes() != opening.log_key => Err(Refusal::refused(
                "epoch-key",
                format!(
                    "the opening names another log key than keys.logs.{} of this node",
                    opening.origin.department
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Makes the store of the next epoch of an own log when its entry 0 is to be written: a signing lock of its own before the
    /// first signature, and the local records of the log before.
    pub(super) fn begin_epoch(&mut self, stores: &mut Stores, batch: &Batch) -> Result<(), StoreError> {
        let origin = &batch.origin;
        if batch.start > 0 || origin.epoch == 1 {
            return Ok(());
        }
        // A node that ended before entry 0 was durable made the store already, but may not have carried everything over.
        let is_made = stores
            .own
            .get(&origin.department)
            .is_some_and(|store| store.files.origin() == origin);
        if !is_made {
            self.end_epoch(stores, origin)?;
        }
        let mut store = match stores.own.remove(&origin.department) {
            Some(store) => store,
            None => OwnStore::create(&self.data, origin)?,
        };
        let mut records = Vec::new();
        for epoch in (1..origin.epoch).rev() {
            let before = Origin {
                epoch,
                ..origin.clone()
            };
            if self.data.own_log(&before).join("db").exists() {
                match records_of(&self.data, &before) {
                    Ok(found) => records = found,
                    Err(error) => self.shared.alarm(&format!(
                        "drafts and other local records of {before} could not be read and are not carried over: {}",
                        describe(&error)
                    )),
                }
                break;
            }
        }
        let has: BTreeSet<Vec<u8>> = store
            .log
            .records_with_prefix(&[])?
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        records.retain(|(key, _)| !has.contains(key));
        for some in records.chunks(RECORDS_AT_ONCE) {
            let puts: Vec<LocalRecord> = some
                .iter()
                .map(|(key, value)| LocalRecord::Put {
                    key: key.clone(),
                    value: value.clone(),
                })
                .collect();
            store.log.append_batch(0, &[], &puts)?;
        }
        let drafts = DraftsBox::load(store.log.as_ref())?;
        self.boxes.insert(origin.department.clone(), drafts);
        stores.own.insert(origin.department.clone(), store);
        tracing::info!(%origin, records = records.len(), "a new epoch begins, with a signing lock of its own");
        Ok(())
    }

    /// Closes the store of the newest own log of a department, and keeps its files like those of others.
    fn end_epoch(&self, stores: &mut Stores, of: &Origin) -> Result<(), StoreError> {
        let Some(mut store) = stores.own.remove(&of.department) else {
            return Ok(());
        };
        store.settle()?;
        let OwnStore { log, files, .. } = store;
        log.close()?;
        stores.replicas.insert(files.origin().clone(), files);
        Ok(())
    }

    /// Never signs an own log again, also after a restart: its lock is moved away, what is under its newest checkpoint is kept
    /// like a log of others, and the rest stays where it is as evidence.
    pub(super) fn seal(&mut self, origin: &Origin, why: &str) {
        self.seals.insert(origin.clone(), why.to_owned());
        let shared = self.shared.clone();
        let mut stores = locked(&shared.stores);
        let is_own = stores
            .own
            .get(&origin.department)
            .is_some_and(|store| store.files.origin() == origin);
        let ended = if is_own {
            self.end_epoch(&mut stores, origin)
        } else {
            Ok(())
        };
        let moved = self.data.give_up_lock(origin);
        for error in [ended.err(), moved.err()].into_iter().flatten() {
            shared.alarm(&format!(
                "{origin} could not be sealed cleanly: {}",
                describe(&error)
            ));
        }
    }

    /// Sets aside what is held of a log of others, so that it is fetched again; keeps the opening that names the branch that stands.
    pub(super) fn set_files_aside(&mut self, origin: &Origin, opening: &[u8]) {
        let now = self.uptime();
        self.asking.refetched(origin, now);
        // First: from what is left no start might be led to it any more.
        if let Err(error) = keep_branch(&self.data, origin, opening) {
            self.shared.alarm(&format!(
                "which branch of {origin} stands could not be kept: {}",
                describe(&error)
            ));
        }
        let mut stores = locked(&self.shared.stores);
        drop(stores.replicas.remove(origin));
        let outcome = LogFiles::set_aside(&self.data, origin);
        self.shared.archive.forget_logs();
        match outcome {
            Ok(place) => {
                tracing::warn!(%origin, ?place, "what was held of a log is of another branch and was set aside");
            }
            Err(error) => self
                .shared
                .alarm(&format!("{origin} could not be set aside: {}", describe(&error))),
        }
    }

    /// Makes the replica of a node that serves anew from what the disk holds.
    pub(super) fn rebuild(&mut self) -> Next {
        if self.derive_anew() == Next::Stop {
            return Next::Stop;
        }
        self.is_ready = true;
        self.shared.mailbox.set_serving(true);
        self.report_health();
        tracing::info!("everything was derived anew");
        Next::Go
    }

    /// Makes the replica anew from what the disk holds.
    pub(super) fn derive_anew(&mut self) -> Next {
        self.is_ready = false;
        self.has_read_back = false;
        self.shared.mailbox.set_serving(false);
        self.shared.set_reasons(vec![
            "everything is derived anew, since an opening changed what counts".to_owned(),
        ]);
        // Results of checks that the replica before asked for must not be taken for those of the new one.
        while self.unchecked_jobs() > 0 {
            if self.turn() == Next::Stop {
                return Next::Stop;
            }
        }
        self.is_rebuild_due = false;
        let shared = self.shared.clone();
        if let Err(error) = shared.archive.rows.set_aside() {
            shared.alarm(&format!(
                "the snapshot could not be set aside: {}",
                describe(&error)
            ));
        }
        let hosted = shared.view(|replica| replica.hosted().clone());
        let archive = shared.archive.clone();
        let fresh: Result<Replica, _> = Replica::found_with(&shared.genesis, hosted, archive, RULESET);
        match fresh {
            Ok(fresh) => *shared.replica.write().unwrap_or_else(PoisonError::into_inner) = fresh,
            Err(error) => {
                shared.alarm(&format!("the genesis founds nothing any more: {error}"));
                return Next::Stop;
            }
        }
        // No reader of the replica before is left, which could have read what was set aside.
        shared.archive.forget_logs();
        self.snapshot_at = 0;
        self.parts.scan_again();
        let kept = shared.view(|replica| start::kept_logs(&locked(&shared.stores), replica));
        start::read_all(self, kept)
    }

    /// Returns the openings kept that name which branch of a log stands.
    pub(super) fn kept_branches(&self) -> Result<Vec<Input>, StoreError> {
        let (texts, damaged) = read_branches(&self.data)?;
        for damage in damaged {
            self.shared.alarm(&damage.to_string());
        }
        Ok(texts.into_iter().map(Input::Endorsed).collect())
    }

    /// Returns the entries 0 of later epochs that the disk keeps.
    pub(super) fn kept_openings(&self) -> Vec<Arc<[u8]>> {
        let stores = locked(&self.shared.stores);
        let own = stores.own.values().map(|store| store.files.origin());
        let later = own
            .chain(stores.replicas.keys())
            .filter(|origin| origin.epoch > 1);
        later
            .filter_map(|origin| stores.range(origin, 0, 1, 0).ok()?.pop())
            .collect()
    }
}
