//! Which branch of a forked log stands: the one that leads to the head a quorum's opening names is fetched, another one set aside.
//!
//! Spec: `schemas/spec/epoch.md`.

use super::openings::Hindrance;
use super::{Output, Replica};
use crate::authority::OpenedBy;
use crate::cases::fold::LogNo;
use crate::world::HeldTree;
use tally_schemas::entry::RegistryRef;
use tally_schemas::epoch::Opening;
use tally_schemas::id::{DepartmentId, Origin};
use tally_schemas::note::Note;

impl Replica {
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
    pub(super) fn endorse(&mut self, opening: &Opening) -> bool {
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

    /// Says what stands in the way of an opening that names a registry version which is not held.
    ///
    /// That version may rest on the branch that it names: on the registrar's own log, or on one whose entries the registrar's name. A
    /// quorum of the registry as far as its notes are here is believed for that much: which branch is fetched, and where it ends. Whether
    /// the opening is good is judged when the version is here.
    pub(super) fn hindered_by_registry(
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
}
