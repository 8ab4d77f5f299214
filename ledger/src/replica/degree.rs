//! How surely an entry is recorded: which nodes but its own have signed that they hold it.
//!
//! A node signs what it holds with the checkpoints of the logs that it hosts: each of their entries names heads of other logs, in its
//! header or as a `heads` statement, which must be resolved there first. So whatever lies in the past of a signed entry was held by
//! the node that signed it. What a node asked for, answered or announced says nothing: only what is signed counts.
//!
//! How strong that is: it is the word of that node, under its own key, that it held the entry then. It is no proof that its disk still
//! has it, and nodes of one operator may stand in one room. Spec: `schemas/spec/confirmation.md`.

use super::Replica;
use crate::cases::fold::{LogNo, Vector};
use crate::world::{Log, World};
use std::collections::BTreeSet;
use std::sync::Arc;
use tally_schemas::degree::Degree;
use tally_schemas::id::{NodeId, Origin};

/// How surely an entry is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recording {
    /// The nodes but that of its own log that have signed that they hold it, each once.
    pub hosts: BTreeSet<NodeId>,
}

impl Recording {
    /// Returns the degree.
    pub fn degree(&self) -> Degree {
        if self.hosts.is_empty() {
            Degree::LocalOnly
        } else {
            Degree::Replicated
        }
    }
}

/// What each log that is signed says that its node holds.
#[derive(Debug)]
pub struct SignedPasts<'a> {
    world: &'a World,
    pasts: Vec<(NodeId, Arc<Vector>)>,
}

impl SignedPasts<'_> {
    /// Returns how surely an entry of a log is recorded. It follows from the entries resolved here, and from the checkpoints
    /// under which they stand: every node that has the same gives the same answer.
    ///
    /// A head of another branch than the one held here counts for nothing, and neither does anything for an entry that is set aside.
    pub fn recording(&self, origin: &Origin, index: u64) -> Recording {
        let own = host_of(self.world, origin);
        let number = self.world.number_of_log(origin);
        let pasts = self.pasts.iter();
        let holds = |past: &Vector| number.is_some_and(|number| past.size(number) > index);
        Recording {
            hosts: pasts
                .filter(|(node, past)| Some(node) != own.as_ref() && holds(past))
                .map(|(node, _)| node.clone())
                .collect(),
        }
    }
}

impl Replica {
    /// Returns what each log says that its node holds, as far as it is signed and resolved here.
    pub fn signed_pasts(&self) -> SignedPasts<'_> {
        let world = &self.world;
        let pasts = world.logs().filter_map(|log| {
            let number = world.number_of_log(&log.origin)?;
            let size = self.trusted_size(number, log);
            let node = host_of(world, &log.origin)?;
            (size > 0).then(|| (node, world.foreign(number, size)))
        });
        SignedPasts {
            world,
            pasts: pasts.collect(),
        }
    }

    /// Returns how many entries of a log are resolved here, signed, and say of every other log what was checked.
    ///
    /// A head beyond the end of a log that a later epoch continues stands for that end, whatever its root (`Reach`): it may be of the branch that
    /// was given up. Who names the log that goes on has the branch that stands, for nobody resolves its entry 0 otherwise.
    pub(super) fn trusted_size(&self, number: LogNo, log: &Log) -> u64 {
        let world = &self.world;
        let signed = self.checkpoints.get(&number).map_or(0, |held| held.head().size);
        let size = signed.min(log.cursor());
        let past = world.foreign(number, size);
        let mut trusted = size;
        for ended in world.logs() {
            let (Some(end), Some(other)) = (ended.end, world.number_of_log(&ended.origin)) else {
                continue;
            };
            if end == 0 || other == number || past.size(other) < end {
                continue;
            }
            let next = world.opened_after(&ended.origin);
            let next = next.and_then(|next| world.number_of_log(&next));
            let goes_on = next.is_some_and(|next| next == number || past.size(next) > 0);
            if !goes_on {
                let first = first_covering(world, number, size, other, end);
                trusted = trusted.min(first.unwrap_or(0));
            }
        }
        trusted
    }
}

/// Returns the first of some entries of a log in whose past so much of another log lies.
pub(super) fn first_covering(
    world: &World,
    number: LogNo,
    upto: u64,
    other: LogNo,
    size: u64,
) -> Option<u64> {
    let covers = |index: u64| {
        let entry = world.resolved(number, index);
        entry.is_some_and(|entry| entry.foreign.size(other) >= size)
    };
    let (mut low, mut high) = (0, upto);
    while low < high {
        let middle = low + (high - low) / 2;
        if covers(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    (low < upto).then_some(low)
}

/// Returns the node that hosts a log.
pub(super) fn host_of(world: &World, origin: &Origin) -> Option<NodeId> {
    let registry = world.registry();
    let record = registry.department(&origin.department, registry.newest().version)?;
    Some(record.node.clone())
}
