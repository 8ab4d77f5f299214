//! Detached parts between nodes: the hosts of an audience fetch from each other, the author's host first; nobody else gets or holds any.

use super::mailbox::Asked;
use super::owner::{Owner, describe};
use super::shared::{PartInfo, Shared, part_infos};
use crate::store::Part;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tally_ledger::crypto::{NoteKey, PublicKey, sign_note};
use tally_ledger::replica::Replica;
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, NodeId};
use tally_schemas::key_file::transport_key_name;
use tally_schemas::limits::PART_BYTES_MAX;
use tally_schemas::note::Note;
use tally_schemas::question::{Answer, PART_SLICE_BYTES, Question};
use tally_schemas::token::{PartRequest, TOKEN_BYTES_MAX, TOKEN_LIFE_MS_MAX};

/// How many parts that readers miss are looked for; what is missing beyond is taken up when a reader asks again.
const WANTED_AGAIN_MAX: usize = 10_000;
/// How many parts are fetched at the same time.
const FETCHES_MAX: usize = 4;
/// After how long a fetch without answer is tried again.
const FETCH_AGAIN: Duration = Duration::from_secs(5);
/// How often the pause after all hosts gave nothing is doubled at most: 320 s then.
const PAUSE_DOUBLED_MAX: usize = 6;
/// By how much the clock of another node may be ahead, in milliseconds.
pub(crate) const CLOCK_SKEW_MS: i64 = 60_000;

/// A part that departments hosted here may read and that is not kept here yet.
#[derive(Debug)]
struct Wanted {
    event: EventId,
    length: u64,
    /// Who may keep it: the author's host, then the others of the audience. One is asked after the other.
    hosts: Vec<NodeId>,
    asked: Option<Instant>,
    attempts: usize,
    content: Vec<u8>,
}

impl Wanted {
    fn new(replica: &Replica, own: &NodeId, author: &DepartmentId, info: &PartInfo) -> Self {
        let registry = replica.world().registry();
        let version = registry.newest().version;
        let host = registry
            .department(author, version)
            .map(|record| record.node.clone());
        let readers = registry
            .departments(version)
            .filter(|record| info.audience.includes(&record.id))
            .map(|record| record.node.clone());
        let mut hosts: Vec<NodeId> = Vec::new();
        for host in host.into_iter().chain(readers) {
            if host != *own && !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        Self {
            event: info.event,
            length: info.length,
            hosts,
            asked: None,
            attempts: 0,
            content: Vec::new(),
        }
    }
}

impl Wanted {
    /// After how long it is asked for again: the next host soon, all of them again the later the more often they gave nothing.
    fn pause(&self) -> Duration {
        let hosts = self.hosts.len();
        let rounds = match self.attempts.checked_rem(hosts) {
            Some(0) => self.attempts.checked_div(hosts).unwrap_or(0),
            _ => 0,
        };
        FETCH_AGAIN.saturating_mul(1 << rounds.min(PAUSE_DOUBLED_MAX))
    }

    /// Has all hosts asked soon again, the one at hand first.
    fn begin_again(&mut self) {
        self.attempts = self.attempts.checked_rem(self.hosts.len()).unwrap_or(0);
    }
}

/// Chooses what is asked for now, given how long ago each was asked for and its pause: first what was never asked for, then what waited
/// longest, so that nothing that nobody gives keeps others from their turn.
fn due_first<K>(asked: impl Iterator<Item = (K, Option<Duration>, Duration)>) -> Vec<K> {
    let due = asked.filter(|(_, waited, pause)| waited.is_none_or(|waited| waited >= *pause));
    let mut due: Vec<_> = due
        .map(|(key, waited, _)| (waited.unwrap_or(Duration::MAX), key))
        .collect();
    due.sort_by_key(|(waited, _)| std::cmp::Reverse(*waited));
    due.into_iter().take(FETCHES_MAX).map(|(_, key)| key).collect()
}

/// Which parts are known, and which are still to be fetched.
#[derive(Debug, Default)]
pub(super) struct PartsWatch {
    scanned: BTreeMap<CaseId, usize>,
    wanted: BTreeMap<(DepartmentId, Hash), Wanted>,
}

impl PartsWatch {
    /// Looks at every case from its beginning again, since what counts has changed.
    pub(super) fn scan_again(&mut self) {
        self.scanned.clear();
    }

    /// Takes in the commitments of entries that cases have gained.
    pub(super) fn scan(&mut self, shared: &Shared, replica: &Replica, changed: &BTreeSet<CaseId>) {
        let world = replica.world();
        for case in changed {
            let Some(fold) = world.case(case) else { continue };
            let seen = self.scanned.entry(*case).or_default();
            for (entry, _) in fold.entries().iter().skip(*seen) {
                let event = &entry.event;
                let author = &entry.entry.origin.department;
                // In another department's log it is a void copy, and nothing of it is to be kept.
                if event.department != *author {
                    continue;
                }
                let is_reader = !replica.hosted().contains(author)
                    && replica
                        .hosted()
                        .iter()
                        .any(|hosted| event.audience.includes(hosted));
                for stated in event.commitments() {
                    let key = (author.clone(), stated.commit);
                    let kept = || matches!(shared.parts.open(author, &stated.commit), Ok(Some(_)));
                    if !is_reader || stated.length > PART_BYTES_MAX || kept() {
                        continue;
                    }
                    let info = PartInfo {
                        event: entry.entry.event,
                        audience: event.audience.clone(),
                        media_type: stated.media_type.clone(),
                        length: stated.length,
                    };
                    self.wanted
                        .insert(key, Wanted::new(replica, &shared.node, author, &info));
                }
            }
            *seen = fold.entries().len();
        }
    }

    /// Returns the parts that are still to be fetched.
    pub(super) fn unfetched(&self) -> Vec<(String, Hash)> {
        let keys = self.wanted.keys();
        keys.map(|(department, commit)| (department.to_string(), *commit))
            .collect()
    }

    /// Takes up the parts that were still to be fetched when a snapshot was taken.
    pub(super) fn take_up(&mut self, shared: &Shared, replica: &Replica, unfetched: &[(String, Hash)]) {
        for (department, commit) in unfetched {
            if let Ok(department) = DepartmentId::parse(department) {
                self.want(shared, replica, &department, commit);
            }
        }
    }

    /// Sees to it that a part is fetched that should be kept here and is not, or not as it was.
    pub(super) fn want(
        &mut self,
        shared: &Shared,
        replica: &Replica,
        department: &DepartmentId,
        commit: &Hash,
    ) {
        let key = (department.clone(), *commit);
        if let Some(wanted) = self.wanted.get_mut(&key) {
            // A reader asks for it now.
            wanted.begin_again();
            return;
        }
        if self.wanted.len() >= WANTED_AGAIN_MAX {
            return;
        }
        if let Some(info) = part_infos(replica.world(), department, commit).first() {
            self.wanted
                .insert(key, Wanted::new(replica, &shared.node, department, info));
        }
    }
}

impl Owner {
    /// Asks for the next slices of parts that are missing.
    pub(super) fn fetch_parts(&mut self) {
        let wanted = self.parts.wanted.iter();
        let asked =
            wanted.map(|(key, wanted)| (key, wanted.asked.map(|asked| asked.elapsed()), wanted.pause()));
        let due: Vec<(DepartmentId, Hash)> = due_first(asked).into_iter().cloned().collect();
        for (department, commit) in due {
            self.fetch(&department, &commit);
        }
    }

    fn fetch(&mut self, department: &DepartmentId, commit: &Hash) {
        let Some(wanted) = self.parts.wanted.get_mut(&(department.clone(), *commit)) else {
            return;
        };
        // A host that gave nothing for so long is passed over; what it gave before fits the same commitment.
        let due = wanted.asked.is_some_and(|asked| asked.elapsed() >= FETCH_AGAIN);
        wanted.attempts += usize::from(due);
        wanted.asked = Some(Instant::now());
        let place = wanted.attempts.checked_rem(wanted.hosts.len()).unwrap_or(0);
        let Some(host) = wanted.hosts.get(place).cloned() else {
            return;
        };
        let (event, offset) = (wanted.event, wanted.content.len() as u64);
        let now = self.shared.clock.now();
        let federation = self
            .shared
            .view(|replica| replica.world().registry().federation().clone());
        let request = PartRequest {
            federation,
            from: self.shared.node.clone(),
            department: department.clone(),
            event,
            commit: *commit,
            issued: now,
            expires: now.plus_ms(TOKEN_LIFE_MS_MAX),
            node: host.clone(),
        };
        let text = request.to_string();
        let name = transport_key_name(&self.shared.node);
        let line = match sign_note(&text, &name, &self.keyring.transport) {
            Ok(line) => line,
            Err(error) => {
                self.shared
                    .alarm(&format!("a part request could not be signed: {error}"));
                return;
            }
        };
        let note = Note {
            text,
            lines: vec![line],
        };
        let question = Question::Part {
            request: note.to_bytes(),
            offset,
        };
        self.ask(&host, &question, Asked::Part(department.clone(), *commit));
    }

    /// Takes a slice; the last one completes the part, which is kept only if it opens its commitment.
    pub(super) fn take_slice(&mut self, department: &DepartmentId, commit: &Hash, answer: Answer) {
        let key = (department.clone(), *commit);
        let Some(wanted) = self.parts.wanted.get_mut(&key) else {
            return;
        };
        let Answer::Part { salt, length, slice } = answer else {
            return;
        };
        let end = wanted.content.len() as u64 + slice.len() as u64;
        if length != wanted.length || end > length || slice.is_empty() && end < length {
            wanted.content.clear();
            self.shared.alarm(&format!(
                "a slice of part {} of {department} does not fit: {end} of {length} bytes, expected {}",
                commit.short(),
                wanted.length
            ));
            return;
        }
        wanted.content.extend_from_slice(&slice);
        wanted.begin_again();
        if end < length {
            self.fetch(department, commit);
            return;
        }
        let part = Part {
            salt,
            content: std::mem::take(&mut wanted.content),
        };
        match self.shared.parts.put(department, commit, &part) {
            Ok(()) => {
                self.parts.wanted.remove(&key);
                tracing::debug!(%department, commit = %commit.short(), "a detached part was fetched");
            }
            Err(error) => self.shared.alarm(&format!(
                "part {} of {department} was not kept: {}",
                commit.short(),
                describe(&error)
            )),
        }
    }

    /// Gives a slice of a part to a node that hosts a department of the audience.
    pub(super) fn answer_part(&self, request: &[u8], offset: u64) -> Answer {
        match self.part_for(request, offset) {
            Ok(answer) => answer,
            Err(why) => {
                tracing::warn!(node = %self.shared.node, why, "a request for a part was refused");
                Answer::Nothing
            }
        }
    }

    fn part_for(&self, request: &[u8], offset: u64) -> Result<Answer, String> {
        let note = Note::parse(request, TOKEN_BYTES_MAX).map_err(|error| error.to_string())?;
        let asked = PartRequest::parse_text(&note.text).map_err(|error| error.to_string())?;
        let now = self.shared.clock.now();
        if asked.node != self.shared.node {
            return Err(format!("it is made to {}", asked.node));
        }
        if now >= asked.expires || now.plus_ms(CLOCK_SKEW_MS) < asked.issued {
            return Err(format!("it holds from {} to {}", asked.issued, asked.expires));
        }
        let infos = self
            .shared
            .view(|replica| part_infos(replica.world(), &asked.department, &asked.commit));
        let info = infos
            .into_iter()
            .find(|info| info.event == asked.event)
            .ok_or("no event that is resolved here commits to it")?;
        self.shared.view(|replica| {
            let registry = replica.world().registry();
            if asked.federation != *registry.federation() {
                return Err("it is of another federation".to_owned());
            }
            let record = registry
                .node(&asked.from)
                .ok_or("the node is not in the registry")?;
            let key = PublicKey::admit(&record.transport_key).map_err(|error| error.to_string())?;
            let key =
                NoteKey::new(&transport_key_name(&asked.from), &key).map_err(|error| error.to_string())?;
            let [line] = note.lines.as_slice() else {
                return Err(format!("it has {} signature lines, expected 1", note.lines.len()));
            };
            key.verify_line(&note.text, line)
                .map_err(|error| error.to_string())?;
            let mut departments = registry.departments(registry.newest().version);
            let reads = departments
                .any(|department| department.node == asked.from && info.audience.includes(&department.id));
            if reads {
                Ok(())
            } else {
                Err(format!("{} hosts no department of the audience", asked.from))
            }
        })?;
        let part = self.shared.parts.open(&asked.department, &asked.commit);
        let part = part
            .map_err(|error| describe(&error))?
            .ok_or("the part is not kept here any more")?;
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(part.content.len());
        let slice = part.content.iter().skip(start).take(PART_SLICE_BYTES);
        Ok(Answer::Part {
            salt: part.salt,
            length: part.content.len() as u64,
            slice: slice.copied().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_nobody_gives_keep_no_other_from_its_turn() {
        let mut asked: Vec<Option<u64>> = vec![None; 50];
        let mut count = vec![0; 50];
        for now in 0..60 {
            let waited = asked
                .iter()
                .enumerate()
                .map(|(key, at)| (key, at.map(|at: u64| Duration::from_secs(now - at)), FETCH_AGAIN));
            for key in due_first(waited) {
                asked[key] = Some(now);
                count[key] += 1;
            }
        }
        assert!(count.iter().all(|count| (4..=5).contains(count)), "{count:?}");
    }
}
