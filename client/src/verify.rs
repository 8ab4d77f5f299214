//! What is believed, and why: from the genesis alone to the key of a log, to an entry in it, to the officers who signed it.
//!
//! Nodes are only asked for bytes. Everything here holds offline too, from an export and a proof file. Keeps I12.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tally_ledger::authority::check::administrator_right;
use tally_ledger::authority::{
    Registry, RegistryError, Roster, RosterFact, RosterHistory, Void, check_signers,
};
use tally_ledger::checkpoint::{LogKey, VerifiedCheckpoint};
use tally_ledger::confirmation::{ConfirmationError, verify_confirmation};
use tally_ledger::crypto::{NoteKey, event_id, leaf_hash};
use tally_ledger::export::{ExportError, ExportReader, VerifiedExport, verify_export};
use tally_ledger::fork::{Fork, ForkError, verify_fork_under};
use tally_ledger::merkle::Tree;
use tally_ledger::proof::{RecordedError, verify_recorded};
use tally_ledger::world::{OpeningError, Openings, opening_in, verify_opening};
use tally_schemas::FormatError;
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::confirmation::Confirmations;
use tally_schemas::entry::{Entry, PayloadKind};
use tally_schemas::event::{CaseKind, Event, Kind};
use tally_schemas::fork::ForkEvidence;
use tally_schemas::id::{DepartmentId, EventId, Hash, NodeId, OfficerId, Origin};
use tally_schemas::limits::{BUNDLE_BYTES_MAX, CHECKPOINT_BYTES_MAX, EVENT_NOTE_BYTES_MAX};
use tally_schemas::note::Note;
use tally_schemas::proof::TlogProof;
use tally_schemas::tile::{BundleId, TILE_WIDTH, parse_bundle};

/// Why something is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The genesis founds nothing.
    #[error("the genesis founds nothing")]
    Genesis(#[from] RegistryError),
    /// The department is unknown to the registry that was verified.
    #[error("{department} is no department of {federation}, as far as its registry was verified")]
    Department {
        /// The department.
        department: String,
        /// The federation.
        federation: String,
    },
    /// A log or export does not hold.
    #[error("the log of {department} does not hold")]
    Log {
        /// The department.
        department: String,
        /// Why not.
        source: Box<ExportError>,
    },
    /// A proof does not hold.
    #[error("the proof of recording does not hold")]
    Proof(#[from] RecordedError),
    /// The bytes are not of their form.
    #[error("the bytes are not of their form")]
    Format(#[from] FormatError),
    /// The entry holds another event than the one asked for.
    #[error("the entry holds the event {got}, asked for was {expected}")]
    OtherEvent {
        /// The event found.
        got: String,
        /// The event asked for.
        expected: String,
    },
    /// The evidence shows no fork.
    #[error("the evidence shows no fork of {origin}")]
    Fork {
        /// The log.
        origin: String,
        /// Why not.
        source: Box<ForkError>,
    },
    /// The log is of a later epoch, and nothing that opens it was shown.
    #[error("{origin} is of a later epoch; its opening, entry 0, was not shown")]
    Epoch {
        /// The log.
        origin: String,
    },
    /// The entry opens no epoch.
    #[error("the opening of a later epoch does not hold")]
    Opening(#[from] OpeningError),
    /// The entry stands in another log or place than the proof says.
    #[error("the entry says it is number {entry} of {origin}, the proof says number {proof}")]
    OtherPlace {
        /// The log that the entry names.
        origin: String,
        /// The index that the entry names.
        entry: u64,
        /// The index that is proven.
        proof: u64,
    },
    /// The log is not the one that the opening of the next one continues.
    #[error("{origin} as it is shown is not the log that its next epoch continues after {size} entries")]
    End {
        /// The log.
        origin: String,
        /// How many entries count.
        size: u64,
    },
    /// The log begins otherwise than with what cut off the log before.
    #[error("{origin} as it is shown does not begin with the opening that ended the log before")]
    Beginning {
        /// The log.
        origin: String,
    },
    /// A log between two that are shown is not.
    #[error("{origin} is not shown, by which the log before may have been cut")]
    Missing {
        /// The log.
        origin: String,
    },
    /// A confirmation by another node does not hold.
    #[error("the confirmation by another node does not hold")]
    Confirmation(#[from] ConfirmationError),
    /// The signers do not have the authority they claim.
    #[error("the signers do not have the authority they claim: {0}")]
    Authority(Void),
    /// A signature of an officer does not hold.
    #[error("the signature of {name} does not hold")]
    Signature {
        /// The key name.
        name: String,
    },
}

/// What is believed on the strength of a genesis.
#[derive(Debug, Clone)]
pub struct Trust {
    registry: Registry,
    rosters: BTreeMap<DepartmentId, RosterHistory>,
}

/// One of the logs of a department that stand, as somebody shows it; nothing of it is believed before it was followed.
#[derive(Debug, Clone)]
pub struct StandingLog<R> {
    /// The log.
    pub origin: Origin,
    /// Its export; none where no checkpoint is over exactly what is held of it.
    pub export: Option<R>,
    /// The entries behind the export, up to where the log ends: the opening of the next one vouches for them.
    pub rest: Vec<Vec<u8>>,
    /// Of a log of a later epoch: its entry 0, whose opening says where the log before ends.
    pub opening: Option<Vec<u8>>,
}

/// An event that is proven to be recorded.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The entry.
    pub entry: Entry,
    /// The checkpoint that covers it.
    pub checkpoint: VerifiedCheckpoint,
    /// The id of its event, or the hash of the text of a governance note.
    pub event: EventId,
}

/// Which nodes have confirmed that they hold an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confirmed {
    /// Those whose confirmation holds.
    pub hosts: BTreeSet<NodeId>,
    /// Those whose confirmation cannot be checked: their department joined after what is known of the registry.
    pub unchecked: BTreeSet<NodeId>,
}

impl Trust {
    /// Trusts a genesis note: every line on it must hold and its quorum be reached.
    ///
    /// # Errors
    /// A note that founds nothing.
    pub fn in_genesis(bytes: &[u8]) -> Result<Self, VerifyError> {
        Ok(Self {
            registry: Registry::found(bytes)?,
            rosters: BTreeMap::new(),
        })
    }

    /// Returns the registry as far as it was verified.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Verifies a whole log and returns its head; `visit` gets every entry whose place is proven.
    ///
    /// # Errors
    /// An unknown department, or a log that does not hold.
    pub fn verify_log(
        &self,
        department: &DepartmentId,
        log: &impl ExportReader,
        mut visit: impl FnMut(u64, &[u8]),
    ) -> Result<VerifiedExport, VerifyError> {
        let key = self.key_of_export(department, log)?;
        verify_export(log, &key, |entry| visit(entry.index, entry.bytes)).map_err(|source| VerifyError::Log {
            department: department.to_string(),
            source: Box::new(source),
        })
    }

    /// Verifies evidence that a log forked; the log is the one that the first checkpoint names.
    ///
    /// # Errors
    /// A log that is not known, or evidence that shows no fork of it.
    pub fn verify_fork(&self, evidence: &ForkEvidence) -> Result<Fork, VerifyError> {
        let [held, _] = &evidence.branches;
        let origin = Checkpoint::parse(&held.checkpoint.text)?.origin;
        verify_fork_under(evidence, &self.registry).map_err(|source| VerifyError::Fork {
            origin: origin.to_string(),
            source: Box::new(source),
        })
    }

    fn log_key(&self, origin: &Origin) -> Result<&LogKey, VerifyError> {
        let known = self.registry.log_key(&origin.department);
        known
            .filter(|_| origin.epoch == 1)
            .ok_or_else(|| match self.registry.log_key(&origin.department) {
                Some(_) => VerifyError::Epoch {
                    origin: origin.to_string(),
                },
                None => VerifyError::Department {
                    department: origin.department.to_string(),
                    federation: self.registry.federation().to_string(),
                },
            })
    }

    /// Returns the key of the log that an export is of: one of a later epoch begins with the opening that names it.
    fn key_of_export(
        &self,
        department: &DepartmentId,
        log: &impl ExportReader,
    ) -> Result<LogKey, VerifyError> {
        let later = stated_by(log)
            .ok()
            .filter(|stated| stated.origin.department == *department && stated.origin.epoch > 1);
        let Some(stated) = later else {
            return self.log_key(&self.registry.origin(department)).cloned();
        };
        let unknown = || VerifyError::Epoch {
            origin: stated.origin.to_string(),
        };
        let first = first_entry(log, &stated).ok_or_else(unknown)?;
        let (opening, key) = verify_opening(&first, &self.registry)?;
        if opening.origin == stated.origin {
            Ok(key)
        } else {
            Err(unknown())
        }
    }

    /// Learns the governance recorded in the registrar's logs of several epochs, in any order: of each what counts, as the later ones
    /// that are shown have it.
    ///
    /// # Errors
    /// No checkpoint, or a log that does not hold.
    pub fn learn_registrar(&mut self, logs: &[impl ExportReader]) -> Result<(), VerifyError> {
        let mut openings = Openings::default();
        let mut of_epoch = BTreeMap::new();
        for export in logs {
            let stated = stated_by(export).map_err(|source| VerifyError::Log {
                department: self.registry.genesis().registrar.to_string(),
                source: Box::new(source),
            })?;
            let opening = first_entry(export, &stated).filter(|_| stated.origin.epoch > 1);
            if let Some(opening) = opening.as_ref().and_then(|entry| opening_in(entry).ok()) {
                openings.note(&opening);
            }
            let log = StandingLog {
                origin: stated.origin.clone(),
                export: Some(export),
                rest: Vec::new(),
                opening,
            };
            of_epoch.insert(stated.origin, log);
        }
        // What was set aside whole is not read.
        of_epoch.retain(|origin, _| openings.end_of(origin) != Some(0));
        let standing: Vec<_> = of_epoch.into_values().collect();
        self.learn_governance(&standing)
    }

    fn learn_governance_in(&mut self, entries: &[Entry]) {
        for entry in entries {
            // A note without effect stays in the log and changes nothing.
            let _effective = self.registry.extend(&entry.payload).is_ok();
        }
    }

    /// Learns the governance recorded in the registrar's logs that stand, of rising epochs.
    ///
    /// # Errors
    /// A log that does not hold, or does not lead to the next.
    pub fn learn_governance<R: ExportReader>(&mut self, logs: &[StandingLog<R>]) -> Result<(), VerifyError> {
        let registrar = self.registry.genesis().registrar.clone();
        self.follow(&registrar, logs, PayloadKind::Governance, |trust, entries| {
            trust.learn_governance_in(entries);
        })
    }

    /// Learns the roster of a department from its logs that stand, of rising epochs: each event that its administrator signed and that
    /// fits.
    ///
    /// # Errors
    /// A log that does not hold, or does not lead to the next.
    pub fn learn_roster<R: ExportReader>(
        &mut self,
        department: &DepartmentId,
        logs: &[StandingLog<R>],
    ) -> Result<(), VerifyError> {
        let mut history = RosterHistory::default();
        self.follow(department, logs, PayloadKind::Event, |trust, entries| {
            for entry in entries {
                trust.learn_roster_entry(entry, &mut history);
            }
        })?;
        self.rosters.insert(department.clone(), history);
        Ok(())
    }

    /// Verifies logs of rising epochs, each up to the head that the opening of the next one names, and gives the entries of one kind of
    /// each that count.
    fn follow<R: ExportReader>(
        &mut self,
        department: &DepartmentId,
        logs: &[StandingLog<R>],
        kind: PayloadKind,
        mut learn: impl FnMut(&mut Self, &[Entry]),
    ) -> Result<(), VerifyError> {
        for (place, log) in logs.iter().enumerate() {
            let end = match logs.get(place + 1) {
                Some(next) => {
                    let unknown = || VerifyError::Epoch {
                        origin: next.origin.to_string(),
                    };
                    Some(opening_in(next.opening.as_deref().ok_or_else(unknown)?)?.old)
                }
                None => None,
            };
            if let Some(end) = end.as_ref().filter(|end| end.origin != log.origin) {
                return Err(VerifyError::Missing {
                    origin: end.origin.to_string(),
                });
            }
            let counts = |index: u64| end.as_ref().is_none_or(|end| index < end.head.size);
            let (mut first, mut found) = (None, Vec::new());
            let mut take = |index: u64, bytes: &[u8]| {
                if index == 0 {
                    first = Some(bytes.to_vec());
                }
                if counts(index) {
                    found.extend(entry_of(kind, bytes));
                }
            };
            let mut tree = match &log.export {
                Some(export) => self.verify_log(department, export, &mut take)?.tree,
                None => Tree::new(),
            };
            // Nothing vouches for what lies behind the export of the newest log.
            for entry in log.rest.iter().filter(|_| end.is_some()) {
                take(tree.size(), entry);
                tree.append(leaf_hash(entry));
            }
            if log.export.is_none()
                && let Some(opening) = &log.opening
            {
                let (opening, _) = verify_opening(opening, &self.registry)?;
                if opening.origin != log.origin {
                    return Err(VerifyError::Beginning {
                        origin: log.origin.to_string(),
                    });
                }
            }
            // By what the log before was cut, this one must begin; and it must lead to where the next one says that it ends.
            if log.opening.is_some() && log.opening != first {
                return Err(VerifyError::Beginning {
                    origin: log.origin.to_string(),
                });
            }
            let ends = end
                .as_ref()
                .is_none_or(|end| tree.head_at(end.head.size).ok() == Some(end.head));
            if !ends {
                return Err(VerifyError::End {
                    origin: log.origin.to_string(),
                    size: end.map_or(tree.size(), |end| end.head.size),
                });
            }
            learn(self, &found);
        }
        Ok(())
    }

    fn learn_roster_entry(&self, entry: &Entry, history: &mut RosterHistory) {
        let Ok((note, event)) = read_event(&entry.payload) else {
            return;
        };
        let Kind::Known(kind) = event.kind else { return };
        let (index, version) = (entry.header.index, entry.header.registry.version);
        let epoch = entry.header.origin.epoch;
        let below = history.at(epoch, index, version, &self.registry, &event.department);
        if kind.case_kind() != CaseKind::Roster || self.judge(entry, &note, &event, &below).is_err() {
            return;
        }
        let Some(signer) = event.signers.first().and_then(|signer| signer.officer.clone()) else {
            return;
        };
        let keys = self
            .registry
            .administrator_keys(&event.department, signer.as_str());
        let signed = note.lines.first();
        let key = keys.iter().find(|key| {
            signed.is_some_and(|line| {
                NoteKey::new(&line.name, &key.public_key()).is_ok_and(|named| named.claims(line))
            })
        });
        if let Some(key) = key {
            let right = administrator_right(&event.department, &signer, key);
            let department = event.department.clone();
            let fact = RosterFact {
                epoch,
                index,
                version,
                id: event_id(&note.text),
                kind,
                event: Arc::new(event),
                right,
            };
            // A copy, or an event that does not fit the roster, is void: it changes nothing.
            let _void = history.add(fact, &self.registry, &department).is_err();
        }
    }

    /// Returns the newest roster of a department that was learnt.
    pub fn roster(&self, department: &DepartmentId) -> Option<Arc<Roster>> {
        let version = self.registry.newest().version;
        let history = self.rosters.get(department)?;
        Some(history.at(u32::MAX, u64::MAX, version, &self.registry, department))
    }

    /// Verifies that an entry is recorded where its proof says, under the key of its log, and is the event asked for. For a log of a
    /// later epoch its entry 0 is given, whose opening must be signed by who may open it.
    ///
    /// # Errors
    /// Whatever does not hold.
    pub fn prove(
        &self,
        event: &EventId,
        entry: &[u8],
        proof: &[u8],
        opening: Option<&[u8]>,
    ) -> Result<Proven, VerifyError> {
        let proof = TlogProof::parse(proof)?;
        let parsed = Entry::parse(entry)?;
        let header = &parsed.header;
        let key = match opening.filter(|_| header.origin.epoch > 1) {
            None => self.log_key(&header.origin)?.clone(),
            Some(opening) => {
                let (opening, key) = verify_opening(opening, &self.registry)?;
                if opening.origin != header.origin {
                    return Err(VerifyError::Epoch {
                        origin: header.origin.to_string(),
                    });
                }
                key
            }
        };
        let checkpoint = verify_recorded(entry, &proof, &key)?;
        if header.index != proof.index || header.origin != *checkpoint.origin() {
            return Err(VerifyError::OtherPlace {
                origin: header.origin.to_string(),
                entry: header.index,
                proof: proof.index,
            });
        }
        let note = Note::parse(parsed.payload.as_bytes(), EVENT_NOTE_BYTES_MAX)?;
        let got = event_id(&note.text);
        if got != *event {
            return Err(VerifyError::OtherEvent {
                got: got.to_string(),
                expected: event.to_string(),
            });
        }
        Ok(Proven {
            entry: parsed,
            checkpoint,
            event: got,
        })
    }

    /// Verifies which nodes confirmed that they hold the entry of an event; the entry itself must be proven to be recorded.
    ///
    /// # Errors
    /// A file about another event, and a confirmation that does not hold.
    pub fn confirmed(
        &self,
        event: &EventId,
        entry: &[u8],
        file: &Confirmations,
    ) -> Result<Confirmed, VerifyError> {
        let header = Entry::parse(entry)?.header;
        if file.event != *event {
            return Err(VerifyError::OtherEvent {
                got: file.event.to_string(),
                expected: event.to_string(),
            });
        }
        if header.origin != file.origin || header.index != file.index {
            return Err(VerifyError::OtherPlace {
                origin: header.origin.to_string(),
                entry: header.index,
                proof: file.index,
            });
        }
        let mut confirmed = Confirmed::default();
        for confirmation in &file.list {
            match verify_confirmation(confirmation, entry, &self.registry) {
                Ok(node) => drop(confirmed.hosts.insert(node.clone())),
                Err(ConfirmationError::Unknown { .. }) => {
                    confirmed.unchecked.insert(confirmation.node.clone());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(confirmed)
    }

    /// Verifies who signed the event of a proven entry; the roster of its department must have been learnt.
    ///
    /// # Errors
    /// Signers without authority, or a signature that does not hold.
    pub fn signers(&self, entry: &Entry) -> Result<Vec<OfficerId>, VerifyError> {
        let (note, event) = read_event(&entry.payload)?;
        let header = &entry.header;
        let department = &header.origin.department;
        let version = header.registry.version;
        let roster = self
            .rosters
            .get(department)
            .map(|history| {
                let epoch = header.origin.epoch;
                history.at(epoch, header.index, version, &self.registry, department)
            })
            .unwrap_or_default();
        self.judge(entry, &note, &event, &roster)
    }

    fn judge(
        &self,
        entry: &Entry,
        note: &Note,
        event: &Event,
        roster: &Roster,
    ) -> Result<Vec<OfficerId>, VerifyError> {
        let keys = check_signers(event, note, &entry.header, roster, &self.registry)
            .map_err(VerifyError::Authority)?;
        let mut officers = Vec::new();
        for (line, key) in note.lines.iter().zip(keys) {
            let named = NoteKey::new(&line.name, &key.key.public_key())?;
            named
                .verify_line(&note.text, line)
                .map_err(|_| VerifyError::Signature {
                    name: line.name.clone(),
                })?;
            officers.push(key.officer);
        }
        Ok(officers)
    }

    /// Verifies the lines of a half-signed note against the newest roster of its department; returns the officers in line order.
    ///
    /// # Errors
    /// More lines than signers, an officer without key, a line that does not hold.
    pub fn draft_lines(&self, note: &Note, event: &Event) -> Result<Vec<OfficerId>, VerifyError> {
        let roster = self.roster(&event.department).unwrap_or_default();
        let mut officers = Vec::new();
        if note.lines.len() > event.signers.len() {
            return Err(VerifyError::Authority(Void::Lines));
        }
        for (line, signer) in note.lines.iter().zip(&event.signers) {
            let unknown = || VerifyError::Signature {
                name: line.name.clone(),
            };
            let (department, officer) = self.registry.split_name(&line.name).ok_or_else(unknown)?;
            let officer = OfficerId::parse(officer)?;
            if department != event.department
                || signer.officer.as_ref().is_some_and(|named| *named != officer)
            {
                return Err(VerifyError::Authority(Void::Lines));
            }
            let held = roster
                .officers
                .get(&officer)
                .and_then(|record| record.key.clone());
            let key = held.ok_or_else(|| VerifyError::Authority(Void::NoKey(officer.to_string())))?;
            NoteKey::new(&line.name, &key.public_key())?
                .verify_line(&note.text, line)
                .map_err(|_| unknown())?;
            officers.push(officer);
        }
        Ok(officers)
    }
}

/// Returns an entry whose payload is of a kind.
fn entry_of(kind: PayloadKind, bytes: &[u8]) -> Option<Entry> {
    let entry = Entry::parse(bytes).ok()?;
    (PayloadKind::of(&entry.payload) == kind).then_some(entry)
}

/// Returns what the checkpoint of an export says, whoever signed it.
fn stated_by(log: &impl ExportReader) -> Result<Checkpoint, ExportError> {
    let unread = |why: String| ExportError::Read {
        path: "checkpoint".to_owned(),
        why,
    };
    let bytes = log.read("checkpoint", CHECKPOINT_BYTES_MAX).map_err(unread)?;
    let stated = Note::parse(&bytes, CHECKPOINT_BYTES_MAX).and_then(|note| Checkpoint::parse(&note.text));
    stated.map_err(|error| unread(error.to_string()))
}

/// Returns entry 0 of an export, whatever it is.
fn first_entry(log: &impl ExportReader, stated: &Checkpoint) -> Option<Vec<u8>> {
    let width = u16::try_from(stated.head.size.min(u64::from(TILE_WIDTH))).ok()?;
    let bundle = BundleId { index: 0, width };
    let bytes = log.read(&bundle.path(), BUNDLE_BYTES_MAX).ok()?;
    let entries = parse_bundle(&bytes, width).ok()?;
    entries.first().map(|entry| entry.to_vec())
}

/// Reads the note of an event.
///
/// # Errors
/// Bytes that are no note, or a text that is no event.
pub fn read_event(payload: &str) -> Result<(Note, Event), FormatError> {
    let note = Note::parse(payload.as_bytes(), EVENT_NOTE_BYTES_MAX)?;
    let event = Event::parse_text(&note.text)?;
    Ok((note, event))
}

/// Returns the hash that anchors a genesis note: that of its text.
///
/// # Errors
/// Bytes that are no note.
pub fn genesis_hash(bytes: &[u8]) -> Result<Hash, FormatError> {
    let note = Note::parse(bytes, tally_schemas::limits::GENESIS_BYTES_MAX)?;
    Ok(tally_ledger::crypto::sha256(&[note.text.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{
        Log, by_administrators, department, founding, log_with, officer_key, opening, opening_of, request,
        roster_payloads,
    };
    use assert_matches::assert_matches;
    use tally_schemas::genesis::Role;
    use tally_schemas::governance::{Change, Governance, Right};
    use tally_schemas::time::Timestamp;

    fn shown(log: &Log) -> StandingLog<&Log> {
        StandingLog {
            origin: stated_by(log).unwrap().origin,
            export: Some(log),
            rest: Vec::new(),
            opening: None,
        }
    }

    fn later<'a>(log: &'a Log, opening: &Log) -> StandingLog<&'a Log> {
        StandingLog {
            opening: Some(opening.entries[0].clone()),
            ..shown(log)
        }
    }

    #[test]
    fn a_recorded_event_is_proven_down_to_its_officers_from_the_genesis_alone() {
        let founding = founding();
        let note = request(&founding, &officer_key(&founding, "housing", "h-02"));
        let log = log_with(&note, &founding);
        let mut trust = log.trust.clone();
        trust.learn_roster(&log.department, &[shown(&log)]).unwrap();
        let index = log.entries.len() as u64 - 1;
        let event = event_id(&note.text);
        let entry = log.entries.last().unwrap();
        let proven = trust.prove(&event, entry, &log.proof(index), None).unwrap();
        assert_eq!(proven.event, event);
        let officers: Vec<String> = trust
            .signers(&proven.entry)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(officers, ["h-01", "h-02"]);
    }

    #[test]
    fn a_proof_holds_for_no_other_event_entry_or_log() {
        let founding = founding();
        let note = request(&founding, &officer_key(&founding, "housing", "h-02"));
        let log = log_with(&note, &founding);
        let index = log.entries.len() as u64 - 1;
        let event = event_id(&note.text);
        let entry = log.entries.last().unwrap();
        let proof = log.proof(index);
        let other = EventId(Hash([1; 32]));
        assert_matches!(
            log.trust.prove(&other, entry, &proof, None),
            Err(VerifyError::OtherEvent { .. })
        );
        assert_matches!(
            log.trust.prove(&event, &log.entries[0], &proof, None),
            Err(VerifyError::Proof(RecordedError::NotIncluded { .. }))
        );
        let stranger = Log::new(&founding, "civil", &roster_payloads(&founding, "civil"));
        assert_matches!(
            log.trust.prove(&event, entry, &stranger.proof(0), None),
            Err(VerifyError::Proof(_))
        );
    }

    #[test]
    fn an_act_of_a_later_epoch_is_proven_with_the_opening_that_names_the_key_of_its_log() {
        let founding = founding();
        let note = request(&founding, &officer_key(&founding, "housing", "h-02"));
        let first = Log::new(&founding, "housing", &roster_payloads(&founding, "housing"));
        let entries = |by: &str| [opening(&first, 3, &[by]), note.to_string()];
        let log = Log::of_epoch(&founding, "housing", 2, &entries("housing"));
        let event = event_id(&note.text);
        let proof = log.proof(1);
        let prove = |opening: Option<&[u8]>| log.trust.prove(&event, &log.entries[1], &proof, opening);
        assert_eq!(prove(Some(&log.entries[0])).unwrap().event, event);
        assert_matches!(prove(None), Err(VerifyError::Epoch { .. }));
        let stranger = Log::of_epoch(&founding, "housing", 2, &entries("civil"));
        assert_matches!(prove(Some(&stranger.entries[0])), Err(VerifyError::Opening(_)));
        let civil = Log::new(&founding, "civil", &roster_payloads(&founding, "civil"));
        let other = Log::of_epoch(&founding, "civil", 2, &[opening(&civil, 3, &["civil"])]);
        assert_matches!(prove(Some(&other.entries[0])), Err(VerifyError::Epoch { .. }));
    }

    #[test]
    fn governance_is_learnt_from_what_counts_of_the_registrars_logs() {
        let founding = founding();
        let trust = Trust::in_genesis(&founding.genesis.to_bytes()).unwrap();
        let registrar = trust.registry().genesis().registrar.to_string();
        let others = ["civil", "housing", "lead"];
        let governance = |trust: &Trust, issued: &str| {
            let newest = trust.registry().newest();
            let text = Governance {
                federation: trust.registry().federation().clone(),
                version: newest.version + 1,
                previous: newest.hash,
                issued: Timestamp::parse(issued).unwrap(),
                changes: vec![Change::RightGiven(Right::Role {
                    department: department("civil"),
                    role: Role::Audit,
                })],
            }
            .to_text();
            by_administrators(trust, text, &others).to_string()
        };
        let [dropped, taken] =
            ["2026-01-06T01:00:00.000Z", "2026-01-07T01:00:00.000Z"].map(|issued| governance(&trust, issued));
        let mut payloads = roster_payloads(&founding, &registrar);
        let counted = payloads.len() as u64;
        payloads.push(dropped);
        let first = Log::new(&founding, &registrar, &payloads);
        let second = Log::of_epoch(
            &founding,
            &registrar,
            2,
            &[opening(&first, counted, &[&registrar]), taken.clone()],
        );
        // One alone, the other beside it in any order.
        let mut alone = trust.clone();
        alone.learn_registrar(&[&first]).unwrap();
        for logs in [[&first, &second], [&second, &first]] {
            let mut both = trust.clone();
            both.learn_registrar(&logs).unwrap();
            assert_eq!(both.registry().newest().version, 1);
            assert_ne!(both.registry().newest(), alone.registry().newest());
        }
        // What epoch 2 says where epoch 1 ends must be so.
        let other = Log::new(&founding, &registrar, &payloads[1..]);
        let outcome = trust.clone().learn_registrar(&[&other, &second]);
        assert_matches!(outcome, Err(VerifyError::End { .. }));
        // A quorum's epoch 3 sets epoch 2 aside whole, in whatever order they are given; or continues it, which must be there then.
        let administrators = ["civil", "data", "housing", "lead"];
        let quorum = &administrators[1..];
        let third = |old: &Log, size: u64| {
            let begun = opening_of(3, old, size, quorum);
            Log::of_epoch(&founding, &registrar, 3, &[begun])
        };
        let over = third(&first, counted + 1);
        for logs in [[&first, &over, &second], [&second, &first, &over]] {
            let mut all = trust.clone();
            all.learn_registrar(&logs).unwrap();
            assert_eq!(all.registry().newest(), alone.registry().newest());
        }
        let outcome = trust.clone().learn_registrar(&[&first, &third(&second, 1)]);
        assert_matches!(outcome, Err(VerifyError::Missing { .. }));
    }

    #[test]
    fn what_stands_of_a_log_is_what_the_opening_of_the_next_one_names() {
        let founding = founding();
        let payloads = roster_payloads(&founding, "housing");
        let (all, held) = (payloads.len(), payloads.len() - 2);
        let [whole, part] = [all, held].map(|size| Log::new(&founding, "housing", &payloads[..size]));
        let after = |size: usize| {
            let begun = opening(&whole, size as u64, &["housing"]);
            Log::of_epoch(&founding, "housing", 2, &[begun])
        };
        let (second, cut) = (after(all), after(held));
        let origin = |log: &Log| log.checkpoint.origin().clone();
        let follow = |logs: &[StandingLog<&Log>]| {
            let mut trust = whole.trust.clone();
            trust.learn_roster(&whole.department, logs)?;
            Ok(format!("{:?}", trust.roster(&whole.department).unwrap()))
        };
        let first = |export, rest: &[Vec<u8>]| StandingLog {
            origin: origin(&whole),
            export,
            rest: rest.to_vec(),
            opening: None,
        };
        let learn =
            |export, rest: &[Vec<u8>], next, opening| follow(&[first(export, rest), later(next, opening)]);
        let full = learn(Some(&whole), &[], &second, &second).unwrap();
        let less = learn(Some(&whole), &[], &cut, &cut).unwrap();
        assert_ne!(full, less);
        // The same where the end of it was not under a checkpoint of its own, or nothing of it.
        assert_eq!(
            learn(Some(&part), &whole.entries[held..], &second, &second).unwrap(),
            full
        );
        assert_eq!(learn(None, &whole.entries, &second, &second).unwrap(), full);
        // Of the newest log nothing vouches for what no checkpoint covers.
        assert_eq!(
            follow(&[first(Some(&part), &whole.entries[held..])]).unwrap(),
            less
        );
        // Less than the opening names, something else, or an opening that does not begin the log that is shown.
        let ended = |outcome: Result<_, VerifyError>| {
            let end = origin(&whole).to_string();
            assert_matches!(outcome, Err(VerifyError::End { origin, .. }) if origin == end);
        };
        ended(learn(Some(&part), &whole.entries[held + 1..], &second, &second));
        ended(learn(Some(&part), &[], &second, &second));
        let mut other = whole.entries.clone();
        other[all - 1][20] ^= 1;
        ended(learn(None, &other, &second, &second));
        assert_matches!(
            learn(Some(&whole), &[], &second, &cut),
            Err(VerifyError::Beginning { .. })
        );

        // A log in between of which only its entries are left; its opening must be signed like any other.
        let quorum = ["civil", "housing", "lead"];
        let through = |begun: String| {
            let between = Log::of_epoch(&founding, "housing", 2, &[begun]);
            let third = Log::of_epoch(&founding, "housing", 3, &[opening(&between, 1, &quorum)]);
            let between = StandingLog {
                origin: origin(&between),
                export: None,
                rest: between.entries.clone(),
                opening: Some(between.entries[0].clone()),
            };
            follow(&[first(Some(&whole), &[]), between, later(&third, &third)])
        };
        assert_eq!(through(opening(&whole, all as u64, &["housing"])).unwrap(), full);
        assert_matches!(
            through(opening(&whole, all as u64, &["civil"])),
            Err(VerifyError::Opening(_))
        );
        // Who leaves out an epoch must be a quorum.
        let skips = |by: &[&str]| {
            let begun = opening_of(3, &whole, held as u64, by);
            let third = Log::of_epoch(&founding, "housing", 3, &[begun]);
            follow(&[first(Some(&whole), &[]), later(&third, &third)])
        };
        assert_eq!(skips(&quorum).unwrap(), less);
        assert_matches!(
            skips(&["housing"]),
            Err(VerifyError::Opening(OpeningError::Skips { .. }))
        );
    }

    #[test]
    fn a_signature_under_another_key_is_found_although_the_node_recorded_it() {
        let founding = founding();
        let note = request(&founding, &officer_key(&founding, "civil", "c-02"));
        let log = log_with(&note, &founding);
        let mut trust = log.trust.clone();
        trust.learn_roster(&log.department, &[shown(&log)]).unwrap();
        let entry = Entry::parse(log.entries.last().unwrap()).unwrap();
        assert_matches!(
            trust.signers(&entry),
            Err(VerifyError::Authority(_) | VerifyError::Signature { .. })
        );
    }

    #[test]
    fn signers_are_not_believed_before_the_roster_was_verified() {
        let founding = founding();
        let note = request(&founding, &officer_key(&founding, "housing", "h-02"));
        let log = log_with(&note, &founding);
        let entry = Entry::parse(log.entries.last().unwrap()).unwrap();
        assert_matches!(log.trust.signers(&entry), Err(VerifyError::Authority(_)));
    }

    #[test]
    fn a_changed_entry_is_refused_with_its_log() {
        let founding = founding();
        let mut log = Log::new(&founding, "housing", &roster_payloads(&founding, "housing"));
        let trust = log.trust.clone();
        trust.verify_log(&log.department, &log, |_, _| {}).unwrap();
        let last = log.entries[1].len() - 2;
        log.entries[1][last] ^= 1;
        assert_matches!(
            trust.verify_log(&log.department, &log, |_, _| {}),
            Err(VerifyError::Log { source, .. }) if matches!(*source, ExportError::OtherEntry { index: 1, .. })
        );
    }

    #[test]
    fn the_line_of_a_half_signed_draft_is_checked_against_the_roster() {
        let founding = founding();
        let mut note = request(&founding, &officer_key(&founding, "housing", "h-02"));
        note.lines.truncate(1);
        let event = Event::parse_text(&note.text).unwrap();
        let log = Log::new(&founding, "housing", &roster_payloads(&founding, "housing"));
        let mut trust = log.trust.clone();
        trust.learn_roster(&log.department, &[shown(&log)]).unwrap();
        let officers = trust.draft_lines(&note, &event).unwrap();
        assert_eq!(officers, [OfficerId::parse("h-01").unwrap()]);
        note.lines[0].signature[0] ^= 1;
        assert_matches!(
            trust.draft_lines(&note, &event),
            Err(VerifyError::Signature { .. })
        );
    }

    #[test]
    fn a_genesis_with_a_changed_byte_is_not_trusted() {
        let mut bytes = founding().genesis.to_bytes();
        let place = bytes.len() / 3;
        bytes[place] ^= 1;
        assert_matches!(Trust::in_genesis(&bytes), Err(VerifyError::Genesis(_)));
    }
}
