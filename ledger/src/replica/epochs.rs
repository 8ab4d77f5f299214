//! Epochs: holding a log that continues another, contesting it, opening one for a hosted department, and never signing an ended one.
//!
//! Spec: `schemas/spec/epoch.md`.

use super::{Alarm, Input, Output, Recorded, Refusal, Replica, Ticket};
use crate::authority::OpenedBy;
use crate::cases::fold::LogNo;
use crate::checkpoint::{LogKey, OtherLines, verify_checkpoint};
use crate::crypto::{PublicKey, leaf_hash, sha256};
use crate::merkle::{Frontier, verify_consistency};
use crate::world::{HeldTree, Payload, read_opening};
use std::collections::BTreeSet;
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::entry::{EntryHeader, RegistryRef};
use tally_schemas::epoch::Opening;
use tally_schemas::frame::Frame;
use tally_schemas::id::{DepartmentId, EventId, NamedHead, Origin};
use tally_schemas::limits::{CHECKPOINT_BYTES_MAX, EPOCH_NOTE_BYTES_MAX};
use tally_schemas::note::Note;
use tally_schemas::time::Timestamp;

/// An opening that is not held here, since the log before it is known to go on beyond the head that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contest {
    /// The log before.
    pub old: Origin,
    /// How many of its entries the opening lets count.
    pub named: u64,
    /// How many it signed, as far as is known here.
    pub shown: u64,
}

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

/// What stands in the way of an opening.
enum Hindrance {
    /// Something that it rests on is not here yet.
    Waits {
        why: String,
        wanted: Option<(Origin, u64)>,
    },
    /// It names another branch of the log before than the one held here.
    OtherBranch(Origin),
    /// More of the log before is known here.
    Contested(Contest),
    /// A later epoch leaves it out.
    LeftOut,
    /// It opens nothing.
    Refused(String),
}

/// A good opening.
struct Good {
    by: OpenedBy,
    key: LogKey,
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
    fn rebuild(&mut self) {
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

    pub(super) fn read_endorsement(&mut self, text: &[u8]) {
        let opening = std::str::from_utf8(text)
            .map_err(|error| error.to_string())
            .and_then(|text| Opening::parse_text(text).map_err(|error| error.to_string()));
        match opening {
            Ok(opening) => drop(self.endorse(&opening)),
            Err(why) => self.refuse_frame_text("what the disk kept of a branch that stands", &why),
        }
    }

    /// Says whether a quorum counts more of a log than is held here.
    pub(super) fn is_endorsed_beyond(&self, number: LogNo) -> bool {
        let Some(log) = self.world.log_at(number) else {
            return false;
        };
        let endorsed = self.endorsed.get(&*log.origin);
        endorsed.is_some_and(|opening| opening.old.head.size > log.size())
    }

    /// Says whether a tree leads to the head of a log that an opening names, and what is held of the log does not.
    pub(super) fn is_shown_endorsed(&self, number: LogNo, tree: &HeldTree) -> bool {
        let Some(log) = self.world.log_at(number) else {
            return false;
        };
        let Some(named) = self.endorsed.get(&*log.origin).map(|opening| opening.old.head) else {
            return false;
        };
        let common = named.size.min(log.size());
        tree.head_at(named.size).ok() == Some(named)
            && log.tree.head_at(common).ok() != tree.head_at(common).ok()
    }

    /// Has a log fetched again when what came of it is of another branch than the one that a quorum named.
    pub(super) fn compare_with_endorsed(&mut self, number: LogNo) {
        let Some(log) = self.world.log_at(number) else {
            return;
        };
        let origin = Origin::clone(&log.origin);
        let endorsed = self.endorsed.get(&origin).map(|opening| opening.old.head);
        let Some(head) = endorsed.filter(|head| head.size <= log.size()) else {
            return;
        };
        if log.tree.head_at(head.size).is_ok_and(|held| held != head) {
            self.refetch(origin);
        }
    }

    /// Remembers the head that an opening names, unless the opening of a later epoch names one of the same log; says whether it did.
    fn endorse(&mut self, opening: &Opening) -> bool {
        let old = &opening.old.origin;
        let held = self.endorsed.get(old);
        let is_newer = held.is_none_or(|held| held.origin.epoch <= opening.origin.epoch);
        if is_newer {
            self.endorsed.insert(old.clone(), opening.clone());
        }
        is_newer
    }

    pub(super) fn refetch(&mut self, origin: Origin) {
        let Some(opening) = self.endorsed.get(&origin).map(Opening::to_text) else {
            return;
        };
        self.refuse_frame(
            &origin,
            "what is held of it is of a branch that does not stand; it is fetched again",
        );
        let opening = opening.into_bytes();
        self.outputs.push(Output::Refetch { origin, opening });
        self.rebuild();
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

    /// Checks that a frame from position 0 on lies under a checkpoint that the key of the opening signed.
    fn check_first_frame(&self, frame: &Frame, key: &LogKey) -> Result<(), Hindrance> {
        let refused = |why: String| Hindrance::Refused(why);
        let checkpoint = verify_checkpoint(&frame.checkpoint, key, OtherLines::Keep)
            .map_err(|error| refused(format!("its checkpoint does not hold: {error}")))?;
        let mut frontier = Frontier::new();
        for entry in &frame.entries {
            frontier.append(leaf_hash(entry));
        }
        verify_consistency(&frontier.head(), &checkpoint.head(), &frame.consistency)
            .map_err(|error| refused(format!("its entries do not lie under its checkpoint: {error}")))
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

    /// Says whether an opening is good and everything that it rests on is held here; `is_new` unless the own disk kept it,
    /// so that it was held before.
    fn judge_opening(
        &mut self,
        header: &EntryHeader,
        opening: &Opening,
        note: &Note,
        is_new: bool,
    ) -> Result<Good, Hindrance> {
        let refused = |why: &str| Hindrance::Refused(why.to_owned());
        let registry = self.world.registry();
        let department = &opening.origin.department;
        if opening.federation != *registry.federation() {
            return Err(refused("it is of another federation"));
        }
        if self.world.end_of(&opening.origin) == Some(0) {
            return Err(Hindrance::LeftOut);
        }
        let named = header.registry;
        match registry.hash_of(named.version) {
            None => return Err(self.hindered_by_registry(named, opening, note, is_new)),
            Some(hash) if hash != named.hash => {
                return Err(refused("its entry 0 names a registry version with another hash"));
            }
            Some(_) => {}
        }
        let key =
            PublicKey::admit(&opening.log_key).map_err(|error| Hindrance::Refused(error.to_string()))?;
        let by = registry
            .opened_by(note, &opening.origin, named.version)
            .map_err(|error| {
                Hindrance::Refused(format!(
                    "its opening is signed neither by the administrator of {department} nor by a quorum: {error}"
                ))
            })?;
        let good = Good {
            by,
            key: LogKey::new(&opening.origin, &key),
        };
        self.judge_head(header, opening, &good, is_new)?;
        Ok(good)
    }

    /// Says what stands in the way of an opening that names a registry version which is not held.
    ///
    /// That version may rest on the branch that it names: on the registrar's own log, or on one whose entries the registrar's name. A
    /// quorum of the registry as far as its notes are here is believed for that much: which branch is fetched, and where it ends. Whether
    /// the opening is good is judged when the version is here.
    fn hindered_by_registry(
        &mut self,
        named: RegistryRef,
        opening: &Opening,
        note: &Note,
        is_new: bool,
    ) -> Hindrance {
        let waits = self.waits_for_registry(named);
        let quorum = self.world.registry().genesis().quorum;
        if !is_new || (note.lines.len() as u64) < u64::from(quorum) {
            return waits;
        }
        let ahead = self.world.registry_ahead();
        let is_named = ahead.hash_of(named.version) == Some(named.hash);
        let version = if is_named {
            named.version
        } else {
            ahead.newest().version
        };
        if ahead.opened_by(note, &opening.origin, version) != Ok(OpenedBy::Quorum) {
            return waits;
        }
        if !self.endorse(opening) {
            return waits;
        }
        if let Err(hindrance) = self.reach_head(&opening.old, OpenedBy::Quorum) {
            return hindrance;
        }
        // What leads to the version may name a head that only this opening cuts off. (In the registrar's own log the version must lie
        // before its end.)
        let is_registrars = *self.registrar() == opening.old.origin.department;
        if is_named && !is_registrars && self.world.believe_opening(opening) {
            self.settle();
        }
        waits
    }

    fn registrar(&self) -> &DepartmentId {
        &self.world.registry().genesis().registrar
    }

    fn waits_for_registry(&self, named: RegistryRef) -> Hindrance {
        let registrar = self.registrar().clone();
        Hindrance::Waits {
            why: format!("registry version {} is not held", named.version),
            wanted: self
                .world
                .log(&registrar)
                .map(|log| (Origin::clone(&log.origin), log.size())),
        }
    }

    /// Compares the head that an opening names with what is held of the log before.
    fn judge_head(
        &mut self,
        header: &EntryHeader,
        opening: &Opening,
        good: &Good,
        is_new: bool,
    ) -> Result<(), Hindrance> {
        let refused = |why: &str| Hindrance::Refused(why.to_owned());
        let old = &opening.old;
        if old.origin.epoch > 1 && old.head.size == 0 {
            return Err(refused(
                "it names no entry of a log of a later epoch, which has at least its opening",
            ));
        }
        if good.by == OpenedBy::Administrator {
            let newest = self.world.log(&old.origin.department).map(|log| log.origin.epoch);
            if newest.is_some_and(|newest| newest > old.origin.epoch) && is_new {
                return Err(refused("its administrator may only continue the newest log"));
            }
            if opening.origin.epoch != old.origin.epoch + 1 {
                return Err(refused("its administrator may only open the next epoch"));
            }
        } else if is_new && !self.endorse(opening) {
            return Err(Hindrance::Waits {
                why: format!(
                    "the opening of a later epoch names another head of {}",
                    old.origin
                ),
                wanted: None,
            });
        }
        let is_endorsed = self.endorsed.contains_key(&opening.origin);
        if is_new
            && good.by == OpenedBy::Administrator
            && !is_endorsed
            && let Some(number) = self.world.number_of_log(&old.origin)
        {
            self.contest(opening, number)?;
        }
        let mut by = good.by;
        if is_endorsed && is_new && self.endorse(opening) {
            // A quorum named the log that it opens: what it continues is what the quorum lets count.
            by = OpenedBy::Quorum;
        }
        let number = self.reach_head(old, by)?;
        let Some(log) = self.world.log_at(number) else {
            return Err(refused("the log before is not held here"));
        };
        let prev = match old.head.size.checked_sub(1) {
            None => Some(self.world.registry().genesis_hash()),
            Some(last) => log.tree.leaf(last),
        };
        if prev != Some(header.prev) {
            return Err(refused(
                "its entry 0 does not follow the last entry of the log before",
            ));
        }
        if self.world.registry().genesis().registrar == old.origin.department {
            // What the registrar's log loses, the registry loses.
            match self.world.version_at(number, old.head.size) {
                None => {
                    return Err(Hindrance::Waits {
                        why: format!("{} is not resolved so far", old.origin),
                        wanted: None,
                    });
                }
                Some(reached) if header.registry.version > reached => {
                    return Err(refused(
                        "its entry 0 names a registry version beyond the head that it continues",
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Finds the log that an opening continues, held up to the head that it names.
    fn reach_head(&mut self, old: &NamedHead, by: OpenedBy) -> Result<LogNo, Hindrance> {
        let held = self.world.number_of_log(&old.origin);
        let Some((number, log)) = held.and_then(|number| Some((number, self.world.log_at(number)?))) else {
            return Err(Hindrance::Waits {
                why: format!("{} is not known", old.origin),
                wanted: Some((old.origin.clone(), 0)),
            });
        };
        if log.size() == 0 && by == OpenedBy::Quorum {
            self.fetched_again.insert(old.origin.clone());
        }
        if log.size() < old.head.size {
            // Of which branch the beginning held of a forked log is, is not known: all of it is fetched again.
            if by == OpenedBy::Quorum && log.stopped.is_some() && !self.fetched_again.contains(&old.origin) {
                return Err(Hindrance::OtherBranch(old.origin.clone()));
            }
            return Err(Hindrance::Waits {
                why: format!(
                    "{} of {} entries of {} are held",
                    log.size(),
                    old.head.size,
                    old.origin
                ),
                wanted: Some((old.origin.clone(), log.size())),
            });
        }
        if log.tree.head_at(old.head.size).ok() != Some(old.head) {
            return Err(match by {
                OpenedBy::Quorum => Hindrance::OtherBranch(old.origin.clone()),
                OpenedBy::Administrator => Hindrance::Contested(Contest {
                    old: old.origin.clone(),
                    named: old.head.size,
                    shown: log.size(),
                }),
            });
        }
        Ok(number)
    }

    /// Finds whether a checkpoint held here shows more of the log before than an administrator's opening lets count.
    fn contest(&self, opening: &Opening, number: LogNo) -> Result<(), Hindrance> {
        let named = opening.old.head.size;
        let shown = self.signed_size_of(number);
        if shown > named || self.evidence.contains_key(&number) {
            return Err(Hindrance::Contested(Contest {
                old: opening.old.origin.clone(),
                named,
                shown,
            }));
        }
        Ok(())
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

fn refusal(origin: &Origin, hindrance: &Hindrance) -> Refusal {
    match hindrance {
        Hindrance::Waits { why, .. } => Refusal::unavailable("epoch-waits", why.clone()),
        Hindrance::OtherBranch(old) => Refusal::unavailable(
            "epoch-waits",
            format!("what is held of {old} is of another branch; it is fetched again"),
        ),
        Hindrance::Contested(contest) => Refusal::refused(
            "epoch-contested",
            format!(
                "{} signed {} entries as far as is known here, the opening names {}",
                contest.old, contest.shown, contest.named
            ),
        ),
        Hindrance::LeftOut => Refusal::refused(
            "epoch-taken",
            format!("a later epoch than {origin} was opened already"),
        ),
        Hindrance::Refused(why) => Refusal::refused("epoch", why.clone()),
    }
}
