//! From a world to a snapshot and back. Spec: `schemas/spec/snapshot.md`.
//!
//! A world made from a snapshot and the entries after it is the same state as one made from all entries (I5). What a snapshot claims is
//! compared with the logs by whoever holds them; here the roots must follow from the hashes that come with it.

use super::epochs::read_opening;
use super::kept::Kept;
use super::log::{End, Log};
use super::row::{Case, arrival_from, arrival_to, chunk_from, chunk_to, hashes};
use super::tree::HeldTree;
use super::{NotUnderstood, Payload, World, id_in};
use crate::archive::{Archive, ArchiveError};
use crate::authority::{GovernanceError, RegistryError};
use crate::cases::Brief;
use crate::checkpoint::LogKey;
use crate::crypto::PublicKey;
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_schemas::FormatError;
use tally_schemas::event::CaseKind;
use tally_schemas::id::{DepartmentId, EventId, Origin, TreeHead};
use tally_schemas::snapshot::{
    BriefState, CHUNK_ENTRIES, ChunkRow, LogState, NotUnderstoodCase, Row, RunningNumber, SnapshotHead,
    case_key, chunk_key, decode_row, encode_row, event_key, number_key, open_key, part_key, settled_key,
};
use tally_schemas::time::Timestamp;

/// What is to be kept of a world.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The head, without tables: whoever writes the rows names them.
    pub head: SnapshotHead,
    /// The rows that changed since the last snapshot, by key.
    pub rows: Vec<Row>,
}

/// Why a snapshot cannot be used; everything in it is derived from the logs again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The genesis founds nothing.
    #[error("the genesis founds nothing: {0}")]
    Registry(#[from] RegistryError),
    /// It is of another federation.
    #[error("the snapshot is of the genesis {got}, this is {expected}")]
    Genesis {
        /// In the snapshot.
        got: String,
        /// This one.
        expected: String,
    },
    /// It was derived by software that holds other rulesets.
    #[error("the snapshot was derived with rulesets up to {got}, this software holds them up to {expected}")]
    Rulesets {
        /// In the snapshot.
        got: u32,
        /// What this software holds.
        expected: u32,
    },
    /// A governance note in it has no effect.
    #[error("a governance note in the snapshot has no effect: {0}")]
    Governance(#[from] GovernanceError),
    /// It lists other logs than its registry makes known.
    #[error("the snapshot has the log {got} at place {place}, the registry has {expected}")]
    Log {
        /// The place.
        place: usize,
        /// In the snapshot.
        got: String,
        /// By the registry.
        expected: String,
    },
    /// The hashes of a log do not lead to the root that it claims.
    #[error("the hashes of {0} in the snapshot do not lead to the root that it claims")]
    Root(String),
    /// Something in it is not of its format.
    #[error("the snapshot is not readable: {0}")]
    Format(#[from] FormatError),
    /// Something that it rests on cannot be read.
    #[error("the snapshot cannot be used: {0}")]
    Archive(#[from] ArchiveError),
}

impl World {
    /// Returns what is to be kept: the head, and the rows that changed since the last snapshot.
    ///
    /// # Errors
    /// A row that cannot be written, or something that cannot be read any more.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, RestoreError> {
        let mut rows: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for (id, case) in self.cases.iter().filter(|(_, case)| case.is_dirty) {
            self.case_rows(id, case, &mut rows)?;
        }
        for (event, places) in &self.placed {
            for place in places {
                rows.insert(event_key(&event.0, Some(*place)), Some(Vec::new()));
            }
        }
        for (commit, places) in &self.committed {
            for place in places {
                rows.insert(part_key(commit, Some(*place)), Some(Vec::new()));
            }
        }
        for (number, case) in &self.numbered {
            rows.insert(number_key(&number.to_string()), Some(case.0.0.to_vec()));
        }
        let mut logs = Vec::new();
        for (number, log) in (0..).zip(&self.logs) {
            for (chunk, run) in (log.base / CHUNK_ENTRIES..).zip(log.resolved.chunks(CHUNK)) {
                rows.insert(chunk_key(number, chunk), Some(chunk_to(run)?));
            }
            logs.push(log_state(log)?);
        }
        self.resolve_stale_briefs(&mut rows)?;
        let head = SnapshotHead {
            genesis: self.registry.genesis_hash(),
            governance: self.governance.clone(),
            logs,
            unreceived: self
                .unreceived
                .iter()
                .map(|(department, events)| (department.to_string(), hashes(events)))
                .collect(),
            loose: self
                .loose
                .iter()
                .map(|(event, arrival)| arrival_to(event, arrival))
                .collect(),
            holds: self.holds,
            not_understood: self
                .not_understood
                .iter()
                .map(|(case, why)| NotUnderstoodCase {
                    case: case.0,
                    ruleset: why.ruleset,
                    kinds: why.kinds.iter().cloned().collect(),
                })
                .collect(),
            running: self
                .running
                .counts()
                .map(|((department, kind, year), running)| RunningNumber {
                    department: department.to_string(),
                    kind: kind.as_str().to_owned(),
                    year: *year,
                    running,
                })
                .collect(),
            unfetched: Vec::new(),
            tables: Vec::new(),
        };
        if let Some(why) = self.kept.broken() {
            return Err(ArchiveError::new("the archive", why).into());
        }
        Ok(Snapshot {
            head,
            rows: rows.into_iter().map(|(key, value)| Row { key, value }).collect(),
        })
    }

    fn case_rows(
        &self,
        id: &EventId,
        case: &Case,
        rows: &mut BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    ) -> Result<(), FormatError> {
        let brief = self.brief_of(case);
        let row = case.to_row(&brief, self.digest_of(case));
        let (now, other) = filing(id, brief.open);
        rows.insert(now, Some(encode_row(&row.brief)?));
        if case.filed == Some(!brief.open) {
            rows.insert(other, None);
        }
        rows.insert(case_key(&id.0), Some(encode_row(&row)?));
        Ok(())
    }

    /// Finds anew who owes in open cases that were last looked at under an older registry, some in each snapshot.
    fn resolve_stale_briefs(&self, rows: &mut BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), FormatError> {
        let newest = self.registry.newest().version;
        let stale = self
            .open
            .iter()
            .filter(|(id, brief)| brief.version < newest && !self.cases.contains_key(*id));
        for (id, _) in stale.take(STALE_BRIEFS_MAX) {
            let Some(cold) = self.cold(id) else { continue };
            let mut case = Case::clone(&cold);
            case.touch();
            self.case_rows(id, &case, rows)?;
        }
        Ok(())
    }

    /// Lets go of what a snapshot keeps: it is in the archive now. Says whether it did; it does not when something came since.
    pub(crate) fn let_go(&mut self, snapshot: &Snapshot) -> bool {
        let logs = &snapshot.head.logs;
        let same = !self.is_opening()
            && logs.len() == self.logs.len()
            && logs
                .iter()
                .zip(&self.logs)
                .all(|(kept, log)| kept.size == log.cursor());
        if !same {
            return false;
        }
        for log in &mut self.logs {
            let size = log.cursor();
            log.tree.let_go(size);
            let base = size / CHUNK_ENTRIES * CHUNK_ENTRIES;
            let gone = usize::try_from(base.saturating_sub(log.base)).unwrap_or(0);
            log.resolved.drain(..gone.min(log.resolved.len()));
            log.resolved.shrink_to_fit();
            log.base = base;
        }
        self.placed.clear();
        self.committed.clear();
        self.numbered.clear();
        let cases = std::mem::take(&mut self.cases);
        for row in &snapshot.rows {
            let open = row.key.first() == Some(&b'o');
            let Some(id) = id_in(&row.key).filter(|_| open) else {
                continue;
            };
            let state = row.value.as_ref().map(|value| decode_row::<BriefState>(value));
            let brief = state.and_then(|state| state.and_then(|state| Brief::from_state(&state)).ok());
            match brief {
                Some(brief) => drop(self.open.insert(id, Arc::new(brief))),
                None => drop(self.open.remove(&id)),
            }
        }
        let is_open = |case: &Case| case.brief.get().is_some_and(|brief| brief.open);
        let (open, settled): (Vec<_>, Vec<_>) = cases.into_iter().partition(|(_, case)| is_open(case));
        // What is still under way comes last, so that it is forgotten last: it is most likely to be touched again.
        for (id, mut case) in settled.into_iter().chain(open) {
            case.is_dirty = false;
            case.filed = Some(is_open(&case));
            self.kept.cases.put(id, Arc::new(case));
        }
        true
    }

    /// Makes the world that a snapshot was taken of; the archive has its rows, and the entries and full tiles under it.
    ///
    /// # Errors
    /// Why the snapshot cannot be used.
    pub fn restore(
        genesis: &[u8],
        archive: Arc<dyn Archive>,
        head: &SnapshotHead,
        holds: u32,
    ) -> Result<Self, RestoreError> {
        let mut world = Self::found_with(genesis, archive, holds)?;
        if head.holds != holds {
            return Err(RestoreError::Rulesets {
                got: head.holds,
                expected: holds,
            });
        }
        let expected = world.registry.genesis_hash();
        if head.genesis != expected {
            return Err(RestoreError::Genesis {
                got: head.genesis.short(),
                expected: expected.short(),
            });
        }
        for note in &head.governance {
            world.registry.extend(note)?;
            world.governance.push(note.clone());
        }
        world.note_ruleset();
        world.restore_logs(head)?;
        let shared = world.kept.clone();
        for (number, state) in (0..).zip(&head.logs) {
            let run = world.read_tail(number, state)?;
            if let Some(log) = world.log_mut(number) {
                restore_log(log, &shared, state, run)?;
            }
            if let Some(log) = world.log_at(number).filter(|log| log.continues.is_some()) {
                let (_, first) = world.archived_entry(log, 0)?;
                if let Some(log) = world.log_mut(number) {
                    log.keep_opening(&first.to_bytes());
                }
            }
        }
        for (number, state) in (0..).zip(&head.logs) {
            world.take_over(number);
            for index in &state.roster {
                world.restore_roster(number, *index)?;
            }
        }
        for (department, events) in &head.unreceived {
            let events = events.iter().map(|event| EventId(*event)).collect();
            world.unreceived.insert(DepartmentId::parse(department)?, events);
        }
        for arrival in &head.loose {
            let (event, arrival) = arrival_from(arrival.clone())?;
            world.loose.insert(event, arrival);
        }
        let beyond = head.not_understood.iter().map(|beyond| {
            let why = NotUnderstood {
                ruleset: beyond.ruleset,
                kinds: beyond.kinds.iter().cloned().collect(),
            };
            (EventId(beyond.case), why)
        });
        world.not_understood = beyond.collect();
        for count in &head.running {
            let mut kinds = CaseKind::ALL.iter().copied();
            let kind = kinds.find(|kind| kind.as_str() == count.kind);
            let unknown = || FormatError::malformed("snapshot", "a count is of an unknown kind of case");
            let department = DepartmentId::parse(&count.department)?;
            world
                .running
                .set(department, kind.ok_or_else(unknown)?, count.year, count.running);
        }
        world.restore_open()?;
        match world.kept.broken() {
            Some(why) => Err(ArchiveError::new("the archive", why).into()),
            None => Ok(world),
        }
    }

    /// Makes the logs in the order in which they were made when the snapshot was taken: later epochs as they came.
    fn restore_logs(&mut self, head: &SnapshotHead) -> Result<(), RestoreError> {
        self.logs.clear();
        self.numbers.clear();
        self.by_origin.clear();
        for (place, state) in head.logs.iter().enumerate() {
            let origin = Origin::parse(&state.origin)?;
            if origin.epoch > 1 {
                self.restore_epoch(&origin)?;
                continue;
            }
            let key = self.registry.log_key(&origin.department).cloned();
            let key = key.filter(|_| origin == self.registry.origin(&origin.department));
            let unknown = || RestoreError::Log {
                place,
                got: state.origin.clone(),
                expected: "one of a department that it admits".to_owned(),
            };
            let key = key.filter(|_| !self.by_origin.contains_key(&origin));
            self.add_log(origin.clone(), key.ok_or_else(unknown)?);
        }
        let newest = self.registry.newest().version;
        let mut departments = self.registry.departments(newest);
        match departments.find(|record| !self.numbers.contains_key(&record.id)) {
            None => Ok(()),
            Some(record) => Err(RestoreError::Log {
                place: head.logs.len(),
                got: "none".to_owned(),
                expected: self.registry.origin(&record.id).to_string(),
            }),
        }
    }

    /// Makes the log of a later epoch from its entry 0; that the log has it is checked with the rest of the log.
    fn restore_epoch(&mut self, origin: &Origin) -> Result<(), RestoreError> {
        let bytes = self.kept.archive.entry(origin, 0)?;
        let (entry, opening, _) = read_opening(&bytes)?;
        let bad = |why: &str| ArchiveError::new(format!("the opening of {origin}"), why);
        if opening.origin != *origin {
            return Err(bad("it opens another log").into());
        }
        let key = PublicKey::admit(&opening.log_key).map_err(|error| bad(&error.to_string()))?;
        let key = LogKey::new(origin, &key);
        self.open_epoch(&opening, key, entry.header.prev)
            .ok_or_else(|| bad("the log before it is not known"))?;
        Ok(())
    }

    /// Reads the last run of resolved entries of a log, if it is not full.
    fn read_tail(&self, number: u32, state: &LogState) -> Result<Vec<super::Resolved>, RestoreError> {
        let wanted = usize::try_from(state.size % CHUNK_ENTRIES).unwrap_or(0);
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let key = chunk_key(number, state.size / CHUNK_ENTRIES);
        let short = || {
            ArchiveError::new(
                format!("the last run of {}", state.origin),
                "it is missing or short",
            )
        };
        let value = self.kept.archive.row(&key)?.ok_or_else(short)?;
        let row: ChunkRow = decode_row(&value)?;
        let run = chunk_from(row)?;
        if run.len() == wanted {
            Ok(run)
        } else {
            Err(short().into())
        }
    }

    fn restore_roster(&mut self, number: u32, index: u64) -> Result<(), RestoreError> {
        let bad = |why: &str| ArchiveError::new(format!("roster event {index} of log {number}"), why);
        let log = self.log_at(number).ok_or_else(|| bad("the log is not known"))?;
        let (_, entry) = self.archived_entry(log, index)?;
        let Payload::Event { id, event, note } = Payload::parse(&entry.payload) else {
            return Err(bad("the entry carries no event").into());
        };
        let officers = self.signers_again(log, &entry.header, &event, &note, None);
        let officers = officers.map_err(|void| bad(&void.to_string()))?;
        self.stand_roster(number, &entry.header, &note, id, &event, &officers)
            .map_err(|void| bad(&void.to_string()))?;
        if let Some(log) = self.log_mut(number) {
            log.remember_keys(&event);
        }
        Ok(())
    }

    fn restore_open(&mut self) -> Result<(), RestoreError> {
        let mut open = BTreeMap::new();
        let mut failed: Option<FormatError> = None;
        self.kept.archive.rows(b"o", &mut |key, value| {
            let brief = decode_row(value).and_then(|state| Brief::from_state(&state));
            match (id_in(key), brief) {
                (Some(id), Ok(brief)) => drop(open.insert(id, Arc::new(brief))),
                (Some(_), Err(error)) => failed = Some(error),
                (None, _) => failed = Some(FormatError::malformed("snapshot", "a key is not that of a case")),
            }
        })?;
        self.open = open;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// How many stale briefs are found anew in one snapshot.
const STALE_BRIEFS_MAX: usize = 2_000;
/// [`CHUNK_ENTRIES`] as a count in memory.
const CHUNK: usize = 256;

/// Returns the key under which a brief stands, and the one under which it does not.
fn filing(id: &EventId, open: bool) -> (Vec<u8>, Vec<u8>) {
    let (as_open, as_settled) = (open_key(&id.0), settled_key(&id.0));
    if open {
        (as_open, as_settled)
    } else {
        (as_settled, as_open)
    }
}

fn log_state(log: &Log) -> Result<LogState, RestoreError> {
    let size = log.cursor();
    let unread = |error| ArchiveError::new(format!("the root of {}", log.origin), error);
    let head = if size == log.size() {
        log.tree.head()
    } else {
        log.tree.head_at(size).map_err(unread)?
    };
    let (last_leaf, last_recorded, last_version) = log.settled.last.unwrap_or_default();
    Ok(LogState {
        origin: log.origin.to_string(),
        size,
        root: head.root,
        edge: log.tree.edge(size),
        last_leaf,
        last_recorded_ms: last_recorded.as_ms(),
        last_version,
        named: log
            .settled
            .named
            .iter()
            .map(|(origin, size)| (origin.to_string(), *size))
            .collect(),
        acts_upto: log.settled.acts_upto,
        roster: log.roster.positions(log.origin.epoch),
    })
}

fn restore_log(
    log: &mut Log,
    kept: &Arc<Kept>,
    state: &LogState,
    run: Vec<super::Resolved>,
) -> Result<(), RestoreError> {
    let head = TreeHead {
        size: state.size,
        root: state.root,
    };
    let tree = HeldTree::of_edge(log.origin.clone(), kept.clone(), &state.edge, head);
    let tree = tree.ok_or_else(|| RestoreError::Root(state.origin.clone()))?;
    let mut named = BTreeMap::new();
    for (origin, size) in &state.named {
        named.insert(Origin::parse(origin)?, *size);
    }
    let last = (
        state.last_leaf,
        Timestamp::from_ms(state.last_recorded_ms)?,
        state.last_version,
    );
    if state.size > 0 && tree.leaf(state.size - 1) != Some(state.last_leaf) {
        return Err(RestoreError::Root(state.origin.clone()));
    }
    let end = End {
        last: (state.size > 0).then_some(last),
        named,
        acts_upto: state.acts_upto,
    };
    log.frontier = tree.frontier();
    log.tree = tree;
    log.base = state.size / CHUNK_ENTRIES * CHUNK_ENTRIES;
    log.resolved = run;
    log.held = end.clone();
    log.settled = end;
    Ok(())
}
