//! Epochs: holding a log that continues another, contesting it, opening one for a hosted department, and never signing an ended one.
//!
//! Spec: `schemas/spec/epoch.md`.

use super::openings::{Contest, Hindrance, refusal};
use super::{Alarm, Input, Output, Recorded, Refusal, Replica, Ticket};
use crate::authority::OpenedBy;
use crate::cases::fold::LogNo;
use crate::checkpoint::LogKey;
use crate::crypto::{PublicKey, sha256};
use crate::world::{Payload, read_opening};
use std::collections::BTreeSet;
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::entry::{EntryHeader, RegistryRef};
use tally_schemas::epoch::Opening;
use tally_schemas::frame::Frame;
use tally_schemas::id::{DepartmentId, EventId, Origin};
use tally_schemas::limits::{CHECKPOINT_BYTES_MAX, EPOCH_NOTE_BYTES_MAX};
use tally_schemas::note::Note;
use tally_schemas::time::Timestamp;

/// How long to wait before peers are asked again whether they know of more than an administrator's opening lets count.
const ASK_BEYOND_MS: i64 = 600_000;

/// What is known of the entries that an administrator's opening leaves out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LeftOut {
    /// How many entries the log before is shown to have signed; 0 while nothing beyond its end is shown.
    shown: u64,
    /// When peers were asked.
    asked: Option<Timestamp>,
}

impl Replica {
    /// Says why an own log must not be signed any more, if it must not.
    pub fn sealed(&self, origin: &Origin) -> Option<&str> {
        self.sealed.get(origin).map(String::as_str)
    }

    /// Returns the openings that are not held here, since more of the log before is known.
    pub fn contested(&self) -> impl Iterator<Item = (&Origin, &Contest)> {
        self.contested.iter()
    }

    /// Says why the newest log of a hosted department must not be signed any more, if it must not.
    pub fn sealed_newest(&self, department: &DepartmentId) -> Option<&str> {
        let log = self.world.log(department)?;
        self.sealed(&log.origin)
    }

    /// Says whether a log is the newest of a hosted department, and may be signed.
    pub(super) fn is_signed_here(&self, number: LogNo) -> bool {
        let Some(log) = self.world.log_at(number) else {
            return false;
        };
        self.hosted.contains(&log.origin.department)
            && self.world.number(&log.origin.department) == Some(number)
            && !self.sealed.contains_key(&*log.origin)
    }

    /// Ends the signing of an own log for good.
    pub(super) fn seal(&mut self, number: LogNo, why: String) {
        let Some(log) = self.world.log_at(number) else {
            return;
        };
        let origin = Origin::clone(&log.origin);
        self.alarm(Alarm::LogSealed {
            origin: origin.to_string(),
            why: why.clone(),
        });
        self.sealed.insert(origin.clone(), why.clone());
        self.outputs.push(Output::Sealed { origin, why });
        self.rebuild();
    }

    /// Has everything derived anew; whoever waits for an answer asks again afterwards.
    pub(super) fn rebuild(&mut self) {
        if self.is_stale {
            return;
        }
        self.is_stale = true;
        let mut tickets: Vec<Ticket> = Vec::new();
        let (kept, dropped) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|open| self.is_signed_here(open.log));
        self.open = kept;
        for open in dropped {
            tickets.extend(open.tickets.iter().map(|(ticket, ..)| *ticket));
        }
        // What other own logs appended goes to the disk first.
        self.flush();
        for batch in std::mem::take(&mut self.in_flight) {
            tickets.extend(batch.tickets.iter().map(|(ticket, ..)| *ticket));
        }
        for (_, submission) in std::mem::take(&mut self.submissions) {
            tickets.extend(submission.into_tickets());
        }
        for ticket in tickets {
            self.reply(ticket, Err(rebuilding()));
        }
        self.outputs.push(Output::Rebuild);
    }

    pub(super) fn refuse_while_stale(&mut self, input: &Input) {
        if let Input::Submit { ticket, .. } | Input::SubmitEvent { ticket, .. } = input {
            self.reply(*ticket, Err(rebuilding()));
        }
    }

    pub(super) fn expect_opening(&mut self, entry: &[u8]) {
        if let Err(error) = self.world.expect_opening(entry) {
            self.refuse_frame_text("an opening kept on disk", &error.to_string());
        }
    }

    /// Takes the beginning of a log that is not known here, if it continues one that is.
    pub(super) fn receive_opening(&mut self, frame: &Frame) {
        let origin = frame.origin.clone();
        let is_of_member = self.world.number(&origin.department).is_some();
        if origin.epoch == 1 || !is_of_member || origin.federation != *self.world.registry().federation() {
            self.refuse_frame(&origin, "the log is not known here");
            return;
        }
        if self.world.end_of(&origin) == Some(0) {
            return;
        }
        let stated = Note::parse(&frame.checkpoint, CHECKPOINT_BYTES_MAX)
            .and_then(|note| Checkpoint::parse(&note.text));
        if stated.map_or(true, |stated| stated.origin != origin) {
            self.refuse_frame(&origin, "its checkpoint is of another log");
            return;
        }
        let Some(first) = frame.entries.first().filter(|_| frame.start == 0) else {
            self.outputs.push(Output::Want { origin, start: 0 });
            return;
        };
        let read = read_opening(first).map_err(|error| Hindrance::Refused(error.to_string()));
        let opened = read.and_then(|(entry, opening, note)| {
            if entry.header.origin != origin {
                return Err(Hindrance::Refused("its first entry is of another log".to_owned()));
            }
            // Before anything is done about it: whoever sends it has it from who signs the new log.
            let key =
                PublicKey::admit(&opening.log_key).map_err(|error| Hindrance::Refused(error.to_string()))?;
            self.check_first_frame(frame, &LogKey::new(&opening.origin, &key))?;
            let good = self.judge_opening(&entry.header, &opening, &note, true)?;
            Ok((entry.header, opening, good))
        });
        // What the own disk kept of it is read back first, when its turn comes.
        let is_kept = self.late.contains_key(&origin);
        match opened {
            Ok(_) | Err(Hindrance::Contested(_)) if is_kept => self.settle(),
            Ok((header, opening, good)) => {
                let Some(number) = self.world.open_epoch(&opening, good.key, header.prev) else {
                    return;
                };
                self.end_contests(&origin);
                if self.hosted.contains(&origin.department) {
                    let why = "it was opened, but its signing lock is not here".to_owned();
                    self.alarm(Alarm::LogSealed {
                        origin: origin.to_string(),
                        why: why.clone(),
                    });
                    self.sealed.insert(origin, why);
                }
                if let Some(checkpoint) = self.check_checkpoint(number, frame) {
                    self.extend(number, frame, checkpoint);
                }
                self.rebuild_if_overtaken();
                self.settle();
            }
            Err(hindrance) => self.hindered(&origin, hindrance),
        }
    }

    /// Says whether the opening of a log is not held here, since more of the log before is known.
    pub(super) fn is_contested(&self, origin: &Origin) -> bool {
        self.contested.contains_key(origin)
    }

    /// Ends the contests of a department that an opening settles: those of its log, and of every one before.
    fn end_contests(&mut self, opened: &Origin) {
        self.contested
            .retain(|origin, _| origin.department != opened.department || origin.epoch > opened.epoch);
    }

    /// Raises an alarm when a log that ended is shown to have signed more than its administrator's opening lets count, which was taken
    /// here while nothing of that was known. Nothing changes: a quorum may open a later epoch, and has not yet.
    pub(super) fn notice_left_out(&mut self, number: LogNo, frame: &Frame) {
        let stated = Note::parse(&frame.checkpoint, CHECKPOINT_BYTES_MAX)
            .and_then(|note| Checkpoint::parse(&note.text))
            .map_or(0, |stated| stated.head.size);
        let end = self.world.log_at(number).and_then(|log| log.end);
        let Some(named) = end.filter(|end| stated > *end) else {
            return;
        };
        let Some(opened) = self.world.opened_after(&frame.origin) else {
            return;
        };
        let is_told = self
            .left_out
            .get(&opened)
            .is_some_and(|known| known.shown >= stated);
        if is_told || self.is_settled(&opened) || self.check_checkpoint(number, frame).is_none() {
            return;
        }
        self.left_out.entry(opened.clone()).or_default().shown = stated;
        self.alarm(Alarm::EpochLeavesOut {
            origin: opened.to_string(),
            old: frame.origin.to_string(),
            named,
            shown: stated,
        });
    }

    /// Asks now and then whether a log that an administrator ended goes on beyond its end: who contests the opening knows.
    pub(super) fn ask_beyond_ends(&mut self, now: Timestamp) {
        let ended: Vec<(Origin, u64)> = self
            .world
            .logs()
            .filter_map(|log| Some((Origin::clone(&log.origin), log.end.filter(|end| *end > 0)?)))
            .collect();
        for (old, end) in ended {
            let Some(opened) = self.world.opened_after(&old) else {
                continue;
            };
            let known = self.left_out.entry(opened.clone()).or_default();
            if known.shown > 0 || !super::statements::passed(known.asked, now, ASK_BEYOND_MS) {
                continue;
            }
            // Noted first: whether a quorum settled it takes signatures to say.
            known.asked = Some(now);
            if !self.is_settled(&opened) {
                self.outputs.push(Output::Want {
                    origin: old,
                    start: end,
                });
            }
        }
    }

    /// Says whether a quorum opened a log, or one after it.
    fn is_settled(&self, origin: &Origin) -> bool {
        let registry = self.world.registry();
        let newest = self
            .world
            .log(&origin.department)
            .map_or(0, |log| log.origin.epoch);
        let mut later = (origin.epoch..=newest).map(|epoch| Origin {
            epoch,
            ..origin.clone()
        });
        later.any(|log| {
            let held = self.known_log(&log).and_then(|number| self.world.log_at(number));
            let opening = held.and_then(|log| log.opening.as_deref());
            let note = opening.and_then(|text| Note::parse(text.as_bytes(), EPOCH_NOTE_BYTES_MAX).ok());
            note.is_some_and(|note| {
                registry.opened_by(&note, &log, registry.newest().version) == Ok(OpenedBy::Quorum)
            })
        })
    }

    fn rebuild_if_overtaken(&mut self) {
        if self.world.is_overtaken() {
            self.rebuild();
        }
    }

    /// Shows what stands in the way of an opening, and asks for what is missing.
    fn hindered(&mut self, origin: &Origin, hindrance: Hindrance) {
        match hindrance {
            Hindrance::Waits { wanted, .. } => {
                if let Some((origin, start)) = wanted {
                    self.outputs.push(Output::Want { origin, start });
                }
            }
            Hindrance::OtherBranch(old) => self.refetch(old),
            Hindrance::Contested(contest) => {
                if self.contested.get(origin) == Some(&contest) {
                    return;
                }
                self.alarm(Alarm::EpochContested {
                    origin: origin.to_string(),
                    old: contest.old.to_string(),
                    named: contest.named,
                    shown: contest.shown,
                });
                self.contested.insert(origin.clone(), contest);
            }
            Hindrance::LeftOut => {}
            Hindrance::Refused(why) => self.refuse_frame(origin, &why),
        }
    }

    /// Opens the logs of later epochs that the disk kept, once what they continue is here.
    pub(super) fn open_late(&mut self) {
        let late: BTreeSet<Origin> = self
            .late
            .keys()
            .filter(|origin| origin.epoch > 1)
            .cloned()
            .collect();
        for origin in late {
            if self.known_log(&origin).is_some() {
                continue;
            }
            if self.world.end_of(&origin) == Some(0) {
                self.late.remove(&origin);
                continue;
            }
            let first = self
                .late
                .get(&origin)
                .and_then(|kept| kept.first()?.entries.first());
            let Some(read) = first.map(|first| read_opening(first)) else {
                continue;
            };
            let judged = read
                .map_err(|error| Hindrance::Refused(error.to_string()))
                .and_then(|(entry, opening, note)| {
                    let good = self.judge_opening(&entry.header, &opening, &note, false)?;
                    Ok((entry.header.prev, opening, good))
                });
            match judged {
                Ok((prev, opening, good)) => drop(self.world.open_epoch(&opening, good.key, prev)),
                Err(Hindrance::Refused(why)) => {
                    self.late.remove(&origin);
                    self.refuse_frame(
                        &origin,
                        &format!("what the disk kept of it does not begin it: {why}"),
                    );
                }
                Err(_) => {}
            }
        }
        self.rebuild_if_overtaken();
    }

    /// Opens the next epoch of a hosted department: appends the note as entry 0 of the new log.
    pub(super) fn submit_opening(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        note: &Note,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        let invalid = |error: tally_schemas::FormatError| Refusal::invalid("form", error.to_string());
        let opening = Opening::parse_text(&note.text).map_err(invalid)?;
        let origin = opening.origin.clone();
        let department = &origin.department;
        if !self.hosted.contains(department) {
            let what = format!("{department} is not hosted here; submit the opening at its own node");
            return Err(Refusal::refused("not-hosted", what));
        }
        let id = EventId(sha256(&[note.text.as_bytes()]));
        if let Some(number) = self.known_log(&origin) {
            return self.opened_before(ticket, number, id);
        }
        // It was begun here once, and signed: what is held of it is being fetched again, or was lost.
        if let Some(why) = self.sealed.get(&origin) {
            let what = format!("{origin} must not be signed in this epoch again: {why}");
            return Err(Refusal::refused("epoch-taken", what));
        }
        if self.late.contains_key(&origin) {
            let what = format!("{origin} was begun already, and is still being read back");
            return Err(Refusal::unavailable("epoch-waits", what));
        }
        let payload = String::from_utf8(bytes.to_vec())
            .map_err(|_| Refusal::invalid("form", "the note is not UTF-8"))?;
        let header = self.opening_header(now, &opening);
        let good = self.judge_opening(&header, &opening, note, true);
        let good = match good {
            Ok(good) => good,
            Err(hindrance) => {
                let refusal = refusal(&origin, &hindrance);
                self.hindered(&origin, hindrance);
                return Err(refusal);
            }
        };
        if let Some(old) = self.known_log(&opening.old.origin)
            && (self.open.iter().any(|open| open.log == old)
                || self.in_flight.iter().any(|batch| batch.log == old))
        {
            let what = format!("{} is still being written", opening.old.origin);
            return Err(Refusal::unavailable("epoch-waits", what));
        }
        let number = self
            .world
            .open_epoch(&opening, good.key, header.prev)
            .ok_or_else(|| Refusal::unavailable("no-log", "the log before is not held here"))?;
        self.end_contests(&origin);
        let parsed = Payload::parse(&payload);
        let index = self.append(number, header, payload, parsed)?;
        self.owe(number, index, id, [ticket]);
        self.rebuild_if_overtaken();
        self.settle();
        Ok(())
    }

    /// Answers a repeated opening with the same proof.
    fn opened_before(&mut self, ticket: Ticket, number: LogNo, id: EventId) -> Result<(), Refusal> {
        let taken = || Refusal::refused("epoch-taken", "this epoch was opened already, by another note");
        let continues = self.world.log_at(number).and_then(|log| log.continues);
        if continues.is_none_or(|continues| continues.opening != id) {
            return Err(taken());
        }
        let checkpoint = self.covering_checkpoint(number, 0).cloned();
        let checkpoint = checkpoint.ok_or_else(|| {
            Refusal::unavailable("epoch-waits", "the opening is not durable yet; ask again")
        })?;
        let result: Result<Recorded, Box<Refusal>> = self.proven(number, 0, id, &checkpoint);
        self.outputs.push(Output::Reply { ticket, result });
        Ok(())
    }

    /// Makes the header of entry 0, as far as what it rests on is here; whether it is, [`Self::judge_opening`] says.
    fn opening_header(&self, now: Timestamp, opening: &Opening) -> EntryHeader {
        let registry = self.world.registry();
        let old = self.known_log(&opening.old.origin);
        let log = old.and_then(|old| self.world.log_at(old));
        let size = opening.old.head.size;
        let prev = match size.checked_sub(1) {
            None => Some(registry.genesis_hash()),
            Some(last) => log.and_then(|log| log.tree.leaf(last)),
        };
        let mut named = registry.newest();
        if registry.genesis().registrar == opening.origin.department {
            // What the registrar's log loses, the registry loses.
            let reached = old.and_then(|old| self.world.version_at(old, size));
            let hash = reached.and_then(|version| registry.hash_of(version));
            if let (Some(version), Some(hash)) = (reached, hash) {
                named = RegistryRef { version, hash };
            }
        }
        EntryHeader {
            origin: opening.origin.clone(),
            index: 0,
            prev: prev.unwrap_or_default(),
            recorded: log.map_or(now, |log| now.max(log.last_recorded())),
            registry: named,
            heads: Vec::new(),
        }
    }
}

fn rebuilding() -> Refusal {
    let what = "an opening changed what counts, and everything is derived anew; submit the same note again";
    Refusal::unavailable("rebuilding", what)
}
