//! Detached parts between nodes: an audience member's host fetches what the author's host keeps; nobody else gets or holds any.

use super::mailbox::Asked;
use super::owner::{Owner, describe};
use super::shared::{Shared, part_infos};
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

/// How many parts are fetched at the same time.
const FETCHES_MAX: usize = 4;
/// After how long a fetch without answer is tried again.
const FETCH_AGAIN: Duration = Duration::from_secs(5);
/// By how much the clock of another node may be ahead, in milliseconds.
pub(crate) const CLOCK_SKEW_MS: i64 = 60_000;

/// A part that departments hosted here may read and that is not kept here yet.
#[derive(Debug)]
struct Wanted {
    event: EventId,
    length: u64,
    host: NodeId,
    asked: Option<Instant>,
    content: Vec<u8>,
}

/// Which parts are known, and which are still to be fetched.
#[derive(Debug, Default)]
pub(super) struct PartsWatch {
    scanned: BTreeMap<CaseId, usize>,
    wanted: BTreeMap<(DepartmentId, Hash), Wanted>,
}

impl PartsWatch {
    /// Takes in the commitments of entries that cases have gained.
    pub(super) fn scan(&mut self, shared: &Shared, replica: &Replica, changed: &BTreeSet<CaseId>) {
        let world = replica.world();
        let registry = world.registry();
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
                    let host = registry
                        .department(author, registry.newest().version)
                        .map(|record| record.node.clone());
                    if let Some(host) = host {
                        let wanted = Wanted {
                            event: entry.entry.event,
                            length: stated.length,
                            host,
                            asked: None,
                            content: Vec::new(),
                        };
                        self.wanted.insert(key, wanted);
                    }
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
    pub(super) fn take_up(&mut self, replica: &Replica, unfetched: &[(String, Hash)]) {
        let world = replica.world();
        let registry = world.registry();
        for (department, commit) in unfetched {
            let Ok(department) = DepartmentId::parse(department) else {
                continue;
            };
            let info = part_infos(world, &department, commit).into_iter().next();
            let host = registry.department(&department, registry.newest().version);
            if let (Some(info), Some(host)) = (info, host) {
                let wanted = Wanted {
                    event: info.event,
                    length: info.length,
                    host: host.node.clone(),
                    asked: None,
                    content: Vec::new(),
                };
                self.wanted.insert((department, *commit), wanted);
            }
        }
    }
}

impl Owner {
    /// Asks for the next slices of parts that are missing.
    pub(super) fn fetch_parts(&mut self) {
        let due: Vec<(DepartmentId, Hash)> = self
            .parts
            .wanted
            .iter()
            .filter(|(_, wanted)| wanted.asked.is_none_or(|asked| asked.elapsed() >= FETCH_AGAIN))
            .take(FETCHES_MAX)
            .map(|(key, _)| key.clone())
            .collect();
        for (department, commit) in due {
            self.fetch(&department, &commit);
        }
    }

    fn fetch(&mut self, department: &DepartmentId, commit: &Hash) {
        let Some(wanted) = self.parts.wanted.get_mut(&(department.clone(), *commit)) else {
            return;
        };
        wanted.asked = Some(Instant::now());
        let (event, host, offset) = (wanted.event, wanted.host.clone(), wanted.content.len() as u64);
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
            if !replica.hosted().contains(&asked.department) {
                return Err(format!("{} is not hosted here", asked.department));
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
