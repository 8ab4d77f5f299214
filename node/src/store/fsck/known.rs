//! The keys of logs that a data folder itself names: those of departments admitted later, and those of later epochs.
//!
//! What names a key carries its own signatures, so it is believed whatever else is damaged: governance by the quorum, an opening by the
//! administrator or the quorum.

use std::collections::BTreeMap;
use tally_ledger::authority::Registry;
use tally_ledger::checkpoint::LogKey;
use tally_ledger::world::{Openings, opening_in, verify_opening};
use tally_schemas::entry::{Entry, PayloadKind};
use tally_schemas::id::Origin;

/// The log keys that are known before a folder is read.
#[derive(Debug, Clone, Default)]
pub struct KnownKeys {
    keys: BTreeMap<Origin, LogKey>,
    registry: Option<Registry>,
}

impl KnownKeys {
    /// The keys that a registry holds; governance and openings in the folder add to them.
    pub fn of(registry: Registry) -> Self {
        Self {
            keys: BTreeMap::new(),
            registry: Some(registry),
        }
    }
}

/// These keys and no others.
impl From<BTreeMap<Origin, LogKey>> for KnownKeys {
    fn from(keys: BTreeMap<Origin, LogKey>) -> Self {
        Self { keys, registry: None }
    }
}

/// What was read that names keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    from: KnownKeys,
    /// Governance in the registrar's logs, by epoch and index.
    governance: BTreeMap<(u32, u64), String>,
    /// Entries 0 of logs of later epochs, by folder: the log itself and its files have the same.
    openings: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Known {
    pub(super) fn of(from: KnownKeys) -> Self {
        Self {
            from,
            ..Self::default()
        }
    }

    /// Takes an entry of the log with this folder.
    pub(super) fn read(&mut self, folder: &str, index: u64, bytes: &[u8]) {
        let Some(registry) = &self.from.registry else {
            return;
        };
        let registrar = registry.origin(&registry.genesis().registrar);
        let Some((department, epoch)) = folder.rsplit_once('-') else {
            return;
        };
        if index == 0 && epoch != "1" {
            let openings = self.openings.entry(folder.to_owned()).or_default();
            if !openings.iter().any(|known| known == bytes) {
                openings.push(bytes.to_vec());
            }
        }
        if department != registrar.department.as_str() {
            return;
        }
        if let Ok(entry) = Entry::parse(bytes)
            && PayloadKind::of(&entry.payload) == PayloadKind::Governance
        {
            let place = (entry.header.origin.epoch, index);
            self.governance.insert(place, entry.payload);
        }
    }

    /// Returns the key of a log as far as what was read until now names it.
    pub(super) fn key_of(&self, origin: &Origin) -> Option<LogKey> {
        self.clone().into_keys().remove(origin)
    }

    /// Returns every key that can be known.
    pub(super) fn into_keys(self) -> BTreeMap<Origin, LogKey> {
        let KnownKeys { mut keys, registry } = self.from;
        let Some(mut registry) = registry else {
            return keys;
        };
        let mut openings = Openings::default();
        for opening in self.openings.values().flatten() {
            if let Ok(opening) = opening_in(opening) {
                openings.note(&opening);
            }
        }
        let registrar = registry.origin(&registry.genesis().registrar);
        for ((epoch, index), payload) in self.governance {
            let origin = Origin {
                epoch,
                ..registrar.clone()
            };
            // What lies beyond the head that a later epoch continues does not count, as on every node.
            if openings.end_of(&origin).is_none_or(|end| index < end) {
                // A note without effect stays in the log and changes nothing.
                let _effect = registry.extend(&payload);
            }
        }
        let newest = registry.newest().version;
        for record in registry.departments(newest) {
            if let Some(key) = registry.log_key(&record.id) {
                keys.insert(registry.origin(&record.id), key.clone());
            }
        }
        for bytes in self.openings.values().flatten() {
            if let Ok((opening, key)) = verify_opening(bytes, &registry) {
                keys.insert(opening.origin, key);
            }
        }
        keys
    }
}
