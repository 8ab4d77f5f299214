//! The keys of logs that a data folder itself names: those of departments admitted later, and those of later epochs.
//!
//! What names a key carries its own signatures, so it is believed whatever else is damaged: governance by the quorum, an opening by the
//! administrator or the quorum.

use std::collections::BTreeMap;
use tally_ledger::authority::Registry;
use tally_ledger::checkpoint::LogKey;
use tally_ledger::world::verify_opening;
use tally_schemas::entry::{Entry, PayloadKind};
use tally_schemas::epoch::Opening;
use tally_schemas::id::{DepartmentId, Origin};
use tally_schemas::limits::EPOCH_NOTE_BYTES_MAX;
use tally_schemas::note::Note;

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
#[derive(Debug, Default)]
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

    /// Returns every key that can be known.
    pub(super) fn into_keys(self) -> BTreeMap<Origin, LogKey> {
        let KnownKeys { mut keys, registry } = self.from;
        let Some(mut registry) = registry else {
            return keys;
        };
        let registrar = registry.genesis().registrar.clone();
        let ends = ends_of(&registrar, self.openings.values().flatten());
        for ((epoch, index), payload) in self.governance {
            if ends.get(&epoch).is_none_or(|end| index < *end) {
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

/// Returns how many entries of each epoch of a department count, as the newest opening has it: what lies beyond the head that it
/// continues does not, and so on down.
fn ends_of<'a>(department: &DepartmentId, openings: impl Iterator<Item = &'a Vec<u8>>) -> BTreeMap<u32, u64> {
    let mut continued = BTreeMap::new();
    for opening in openings.filter_map(|bytes| read_opening(bytes)) {
        if opening.origin.department == *department {
            continued.insert(opening.origin.epoch, opening.old);
        }
    }
    let mut ends = BTreeMap::new();
    let mut standing = continued.keys().next_back().copied();
    while let Some(old) = standing.and_then(|epoch| continued.get(&epoch)) {
        let above = standing.unwrap_or(u32::MAX);
        ends.extend((old.origin.epoch..above).map(|epoch| (epoch, 0)));
        ends.insert(old.origin.epoch, old.head.size);
        standing = Some(old.origin.epoch).filter(|epoch| *epoch < above);
    }
    ends
}

fn read_opening(bytes: &[u8]) -> Option<Opening> {
    let entry = Entry::parse(bytes).ok()?;
    let note = Note::parse(entry.payload.as_bytes(), EPOCH_NOTE_BYTES_MAX).ok()?;
    Opening::parse_text(&note.text).ok()
}
