//! Judging an opening: who signed it, whether what it continues is held here, and whether more of that is known.
//!
//! Spec: `schemas/spec/epoch.md`.

use super::{Refusal, Replica};
use crate::authority::OpenedBy;
use crate::cases::fold::LogNo;
use crate::checkpoint::{LogKey, OtherLines, verify_checkpoint};
use crate::crypto::{PublicKey, leaf_hash};
use crate::merkle::{Frontier, verify_consistency};
use tally_schemas::entry::EntryHeader;
use tally_schemas::epoch::Opening;
use tally_schemas::frame::Frame;
use tally_schemas::id::{NamedHead, Origin};
use tally_schemas::note::Note;

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

/// What stands in the way of an opening.
pub(super) enum Hindrance {
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
pub(super) struct Good {
    pub(super) by: OpenedBy,
    pub(super) key: LogKey,
}

impl Replica {
    /// Checks that a frame from position 0 on lies under a checkpoint that the key of the opening signed.
    pub(super) fn check_first_frame(&self, frame: &Frame, key: &LogKey) -> Result<(), Hindrance> {
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

    /// Says whether an opening is good and everything that it rests on is held here; `is_new` unless the own disk kept it,
    /// so that it was held before.
    pub(super) fn judge_opening(
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
    pub(super) fn reach_head(&mut self, old: &NamedHead, by: OpenedBy) -> Result<LogNo, Hindrance> {
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
}

pub(super) fn refusal(origin: &Origin, hindrance: &Hindrance) -> Refusal {
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
