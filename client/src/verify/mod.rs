//! What is believed, and why: from the genesis alone to the key of a log, to an entry in it, to the officers who signed it.
//!
//! Nodes are only asked for bytes. Everything here holds offline too, from an export and a proof file. Keeps I12.

mod standing;

pub use standing::StandingLog;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tally_ledger::authority::{Registry, RegistryError, Roster, RosterHistory, Void, check_signers};
use tally_ledger::checkpoint::{LogKey, VerifiedCheckpoint};
use tally_ledger::confirmation::{ConfirmationError, verify_confirmation};
use tally_ledger::crypto::{NoteKey, event_id};
use tally_ledger::export::{ExportError, ExportReader, VerifiedExport, verify_export};
use tally_ledger::fork::{Fork, ForkError, verify_fork_under};
use tally_ledger::proof::{RecordedError, verify_recorded};
use tally_ledger::world::{OpeningError, verify_opening};
use tally_schemas::FormatError;
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::confirmation::Confirmations;
use tally_schemas::entry::Entry;
use tally_schemas::event::Event;
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
    ///
    /// # Errors
    /// An unknown department, or an opening that does not hold.
    pub fn key_of_export(
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
    use crate::fixture::{Log, founding, log_with, officer_key, opening, request, roster_payloads, shown};
    use assert_matches::assert_matches;

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
