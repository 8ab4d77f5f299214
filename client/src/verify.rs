//! What is believed, and why: from the genesis alone to the key of a log, to an entry in it, to the officers who signed it.
//!
//! Nodes are only asked for bytes. Everything here holds offline too, from an export and a proof file. Keeps I12.

use std::collections::BTreeMap;
use std::sync::Arc;
use tally_ledger::authority::check::administrator_right;
use tally_ledger::authority::{Registry, RegistryError, Roster, RosterHistory, Void, check_signers};
use tally_ledger::checkpoint::VerifiedCheckpoint;
use tally_ledger::crypto::{NoteKey, event_id};
use tally_ledger::export::{ExportError, ExportReader, VerifiedExport, verify_export};
use tally_ledger::proof::{RecordedError, verify_recorded};
use tally_schemas::FormatError;
use tally_schemas::entry::{Entry, PayloadKind};
use tally_schemas::event::{CaseKind, Event, Kind};
use tally_schemas::id::{DepartmentId, EventId, Hash, OfficerId};
use tally_schemas::limits::EVENT_NOTE_BYTES_MAX;
use tally_schemas::note::Note;
use tally_schemas::proof::TlogProof;

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
        let key = self.log_key(department)?;
        verify_export(log, key, |entry| visit(entry.index, entry.bytes)).map_err(|source| VerifyError::Log {
            department: department.to_string(),
            source: Box::new(source),
        })
    }

    fn log_key(&self, department: &DepartmentId) -> Result<&tally_ledger::checkpoint::LogKey, VerifyError> {
        self.registry
            .log_key(department)
            .ok_or_else(|| VerifyError::Department {
                department: department.to_string(),
                federation: self.registry.federation().to_string(),
            })
    }

    /// Learns the governance recorded in the registrar's log; returns the version reached. Notes without effect are passed over,
    /// as every node does.
    ///
    /// # Errors
    /// A log that does not hold.
    pub fn learn_governance(&mut self, log: &impl ExportReader) -> Result<u64, VerifyError> {
        let registrar = self.registry.genesis().registrar.clone();
        let mut payloads = Vec::new();
        self.verify_log(&registrar, log, |_, bytes| {
            if let Ok(entry) = Entry::parse(bytes)
                && PayloadKind::of(&entry.payload) == PayloadKind::Governance
            {
                payloads.push(entry.payload);
            }
        })?;
        // A note without effect stays in the log and changes nothing.
        let _effective = payloads
            .iter()
            .filter(|payload| self.registry.extend(payload).is_ok())
            .count();
        Ok(self.registry.newest().version)
    }

    /// Learns the roster of a department from its log: each event that its administrator signed and that fits.
    ///
    /// # Errors
    /// A log that does not hold.
    pub fn learn_roster(
        &mut self,
        department: &DepartmentId,
        log: &impl ExportReader,
    ) -> Result<(), VerifyError> {
        let mut entries = Vec::new();
        self.verify_log(department, log, |_, bytes| entries.extend(Entry::parse(bytes)))?;
        let mut history = RosterHistory::default();
        for entry in entries {
            self.learn_roster_entry(&entry, &mut history);
        }
        self.rosters.insert(department.clone(), history);
        Ok(())
    }

    fn learn_roster_entry(&self, entry: &Entry, history: &mut RosterHistory) {
        if PayloadKind::of(&entry.payload) != PayloadKind::Event {
            return;
        }
        let Ok((note, event)) = read_event(&entry.payload) else {
            return;
        };
        let Kind::Known(kind) = event.kind else { return };
        if kind.case_kind() != CaseKind::Roster || self.judge(entry, &note, &event, history.newest()).is_err()
        {
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
            let version = entry.header.registry.version;
            // An event that does not fit the roster is void: it changes nothing.
            let _void = history
                .add(entry.header.index, version, kind, &Arc::new(event), right)
                .is_err();
        }
    }

    /// Returns the newest roster of a department that was learnt.
    pub fn roster(&self, department: &DepartmentId) -> Option<&Arc<Roster>> {
        self.rosters.get(department).map(RosterHistory::newest)
    }

    /// Verifies that an entry is recorded where its proof says, under the key of its log, and is the event asked for.
    ///
    /// # Errors
    /// Whatever does not hold.
    pub fn prove(&self, event: &EventId, entry: &[u8], proof: &[u8]) -> Result<Proven, VerifyError> {
        let proof = TlogProof::parse(proof)?;
        let parsed = Entry::parse(entry)?;
        let header = &parsed.header;
        let key = self.log_key(&header.origin.department)?;
        let checkpoint = verify_recorded(entry, &proof, key)?;
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
            .map(|history| history.at(header.index, version, &self.registry, department))
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
        let empty = Arc::new(Roster::default());
        let roster = self.roster(&event.department).unwrap_or(&empty);
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
    use crate::draft::assemble::{Author, Machine, assemble};
    use crate::draft::form::Form;
    use crate::federation::{Founding, Plan, found};
    use assert_matches::assert_matches;
    use tally_ledger::checkpoint::sign_checkpoint;
    use tally_ledger::crypto::{SigningKey, leaf_hash, sign_note};
    use tally_ledger::export::tile_bytes;
    use tally_ledger::merkle::Tree;
    use tally_ledger::proof::prove_recorded;
    use tally_schemas::entry::EntryHeader;
    use tally_schemas::event::EventKind;
    use tally_schemas::key_file::officer_key_name;
    use tally_schemas::tile::{bundles_of, encode_bundle, tiles_of};
    use tally_schemas::time::Timestamp;
    use zeroize::Zeroizing;

    const NOW: &str = "2026-01-05T01:00:00.000Z";

    fn now() -> Timestamp {
        Timestamp::parse(NOW).unwrap()
    }

    fn founding() -> Founding {
        let plan = Plan::parse_toml(include_str!("../examples/trial-federation.toml")).unwrap();
        let mut count = 0u8;
        found(&plan, &[], now(), &mut || {
            count += 1;
            Ok(Zeroizing::new([count; 32]))
        })
        .unwrap()
    }

    fn department(id: &str) -> DepartmentId {
        DepartmentId::parse(id).unwrap()
    }

    /// Finds the secret key among those that the founding made.
    fn key_of(public: &[u8; 32]) -> SigningKey {
        let keys = (1..=64u8).map(|seed| SigningKey::from_seed(&[seed; 32]));
        keys.into_iter()
            .find(|key| key.public_key().as_bytes() == public)
            .unwrap()
    }

    fn officer_key(founding: &Founding, who: &str, officer: &str) -> SigningKey {
        let notes = founding.roster.get(&department(who)).unwrap();
        let key = notes.iter().find_map(|(_, note)| {
            let event = Event::parse_text(&note.text).unwrap();
            let enrolled = event.kind == Kind::Known(EventKind::RosterEnrolled);
            let ours = enrolled && event.body.word("officer") == Some(officer);
            ours.then(|| Hash::parse_base64(event.body.word("key").unwrap()).unwrap().0)
        });
        key_of(&key.unwrap())
    }

    /// A log of one department, as a node would hold it.
    struct Log {
        trust: Trust,
        department: DepartmentId,
        entries: Vec<Vec<u8>>,
        tree: Tree,
        checkpoint: VerifiedCheckpoint,
    }

    impl Log {
        fn new(founding: &Founding, who: &str, payloads: &[String]) -> Self {
            let trust = Trust::in_genesis(&founding.genesis.to_bytes()).unwrap();
            let who = department(who);
            let origin = trust.registry().origin(&who);
            let mut tree = Tree::new();
            let mut entries = Vec::new();
            let mut prev = trust.registry().genesis_hash();
            for (index, payload) in payloads.iter().enumerate() {
                let entry = Entry {
                    header: EntryHeader {
                        origin: origin.clone(),
                        index: index as u64,
                        prev,
                        recorded: now(),
                        registry: trust.registry().newest(),
                        heads: Vec::new(),
                    },
                    payload: payload.clone(),
                }
                .to_bytes();
                prev = leaf_hash(&entry);
                tree.append(prev);
                entries.push(entry);
            }
            let record = trust.registry().department(&who, 0).unwrap();
            let head = tree.head_at(payloads.len() as u64).unwrap();
            let checkpoint = sign_checkpoint(&origin, head, &key_of(&record.log_key));
            Self {
                trust,
                department: who,
                entries,
                tree,
                checkpoint,
            }
        }

        fn proof(&self, index: u64) -> Vec<u8> {
            let proof = prove_recorded(&self.tree, index, &self.checkpoint).unwrap();
            proof.to_string().into_bytes()
        }
    }

    impl ExportReader for Log {
        fn paths(&self) -> Result<Vec<String>, String> {
            let size = self.entries.len() as u64;
            let tiles = tiles_of(size).map(|tile| tile.path());
            let bundles = bundles_of(size).map(|bundle| bundle.path());
            Ok(std::iter::once("checkpoint".to_owned())
                .chain(tiles)
                .chain(bundles)
                .collect())
        }

        fn read(&self, path: &str, _limit: usize) -> Result<Vec<u8>, String> {
            let size = self.entries.len() as u64;
            if path == "checkpoint" {
                return Ok(self.checkpoint.to_bytes());
            }
            if let Some(tile) = tiles_of(size).find(|tile| tile.path() == path) {
                return Ok(tile_bytes(&self.tree, tile).unwrap());
            }
            assert!(bundles_of(size).any(|bundle| bundle.path() == path));
            Ok(encode_bundle(&self.entries).unwrap())
        }
    }

    fn roster_payloads(founding: &Founding, who: &str) -> Vec<String> {
        let notes = founding.roster.get(&department(who)).unwrap();
        notes.iter().map(|(_, note)| note.to_string()).collect()
    }

    /// A request of the housing bureau, signed by its clerk and the head of its sharing unit.
    fn request(founding: &Founding, second: &SigningKey) -> Note {
        let mut form = Form::new(EventKind::RequestFiled);
        for (name, text) in [
            ("class", "conditional"),
            ("items", "1:name"),
            ("basis", "b"),
            ("scenario", "s"),
            ("scope", "x"),
            ("mode", "api"),
            ("useFrom", "2026-01-06"),
            ("useTo", "2026-12-31"),
            ("statement", "yes"),
        ] {
            form.set(name, text).unwrap();
        }
        form.head.to = vec!["civil".to_owned()];
        form.head.post = Some("clerk".to_owned());
        form.head.approver = Some("sharing-head".to_owned());
        let housing = department("housing");
        let author = Author {
            federation: founding.federation.clone(),
            department: housing.clone(),
            officer: OfficerId::parse("h-01").unwrap(),
            post: None,
            case: None,
            after: Vec::new(),
            issued: now(),
        };
        let act = assemble(&form, &author, &mut Machine).unwrap();
        let name = |officer: &str| {
            officer_key_name(
                &founding.federation,
                &housing,
                &OfficerId::parse(officer).unwrap(),
            )
        };
        let first = officer_key(founding, "housing", "h-01");
        let lines = vec![
            sign_note(&act.text, &name("h-01"), &first).unwrap(),
            sign_note(&act.text, &name("h-02"), second).unwrap(),
        ];
        Note {
            text: act.text,
            lines,
        }
    }

    fn log_with(note: &Note, founding: &Founding) -> Log {
        let mut payloads = roster_payloads(founding, "housing");
        payloads.push(note.to_string());
        Log::new(founding, "housing", &payloads)
    }

    #[test]
    fn a_recorded_event_is_proven_down_to_its_officers_from_the_genesis_alone() {
        let founding = founding();
        let note = request(&founding, &officer_key(&founding, "housing", "h-02"));
        let log = log_with(&note, &founding);
        let mut trust = log.trust.clone();
        trust.learn_roster(&log.department, &log).unwrap();
        let index = log.entries.len() as u64 - 1;
        let event = event_id(&note.text);
        let entry = log.entries.last().unwrap();
        let proven = trust.prove(&event, entry, &log.proof(index)).unwrap();
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
            log.trust.prove(&other, entry, &proof),
            Err(VerifyError::OtherEvent { .. })
        );
        assert_matches!(
            log.trust.prove(&event, &log.entries[0], &proof),
            Err(VerifyError::Proof(RecordedError::NotIncluded { .. }))
        );
        let stranger = Log::new(&founding, "civil", &roster_payloads(&founding, "civil"));
        assert_matches!(
            log.trust.prove(&event, entry, &stranger.proof(0)),
            Err(VerifyError::Proof(_))
        );
    }

    #[test]
    fn a_signature_under_another_key_is_found_although_the_node_recorded_it() {
        let founding = founding();
        let note = request(&founding, &officer_key(&founding, "civil", "c-02"));
        let log = log_with(&note, &founding);
        let mut trust = log.trust.clone();
        trust.learn_roster(&log.department, &log).unwrap();
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
        trust.learn_roster(&log.department, &log).unwrap();
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
