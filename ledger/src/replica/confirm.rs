//! Makes confirmations: for each other node that has signed that it holds an entry, what shows it to a stranger.

use super::Replica;
use super::degree::{first_covering, host_of};
use crate::cases::fold::LogNo;
use crate::confirmation::heads_named;
use crate::proof::prove_recorded;
use crate::world::Log;
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_schemas::confirmation::{Confirmation, ShownEntry};
use tally_schemas::entry::Entry;
use tally_schemas::id::{Hash, NamedHead, NodeId, Origin};
use tally_schemas::limits::{CONFIRMATION_STEPS_MAX, CONFIRMATIONS_MAX};

/// Reads an entry of a log.
pub type ReadEntry<'a> = dyn FnMut(&Origin, u64) -> Option<Arc<[u8]>> + 'a;

/// What is confirmed.
struct Wanted<'a> {
    log: &'a Log,
    number: LogNo,
    index: u64,
}

impl Replica {
    /// Makes the confirmations of an entry, by node, from entries that the caller reads; one that is not read shows nothing.
    ///
    /// A node that is counted in [`super::SignedPasts::recording`] is left out where no head that can be checked leads to the entry.
    pub fn confirmations(&self, origin: &Origin, index: u64, read: &mut ReadEntry<'_>) -> Vec<Confirmation> {
        let world = &self.world;
        let number = world.number_of_log(origin);
        let log = number.and_then(|number| world.log_at(number));
        let (Some(number), Some(log)) = (number, log) else {
            return Vec::new();
        };
        let wanted = Wanted { log, number, index };
        let own = host_of(world, origin);
        let mut made: BTreeMap<NodeId, Confirmation> = BTreeMap::new();
        for signed in world.logs() {
            let Some(node) = host_of(world, &signed.origin).filter(|node| Some(node) != own.as_ref()) else {
                continue;
            };
            // Of several logs of a node the first one does, unless another one is shorter.
            let steps = made.get(&node).map(|held| held.steps.len());
            if steps == Some(0) || (steps.is_none() && made.len() == CONFIRMATIONS_MAX) {
                continue;
            }
            if let Some(found) = self.confirmation(&node, signed, &wanted, read)
                && steps.is_none_or(|steps| found.steps.len() < steps)
            {
                made.insert(node, found);
            }
        }
        made.into_values().collect()
    }

    fn confirmation(
        &self,
        node: &NodeId,
        signed: &Log,
        wanted: &Wanted<'_>,
        read: &mut ReadEntry<'_>,
    ) -> Option<Confirmation> {
        let world = &self.world;
        let number = world.number_of_log(&signed.origin)?;
        let size = self.trusted_size(number, signed);
        if world.foreign(number, size).size(wanted.number) <= wanted.index {
            return None;
        }
        let first = first_covering(world, number, size, wanted.number, wanted.index + 1)?;
        let (text, mut heads) = read_entry(&signed.origin, first, read)?;
        let checkpoint = self.checkpoints.get(&number)?;
        let proof = prove_recorded(&signed.tree, first, checkpoint).ok()?;
        let opening = match &signed.opening {
            None => None,
            Some(entry) => Some(ShownEntry {
                entry: entry.to_string(),
                proof: signed.tree.inclusion(0, checkpoint.head().size).ok()?,
            }),
        };
        let mut steps = Vec::new();
        loop {
            if let Some(inclusion) = self.leads_to(wanted, &heads) {
                return Some(Confirmation {
                    node: node.clone(),
                    entry: text,
                    proof,
                    opening,
                    steps,
                    inclusion,
                });
            }
            if steps.len() == CONFIRMATION_STEPS_MAX {
                return None;
            }
            let (log, index, size) = self.next_step(wanted, &heads)?;
            let (entry, named) = read_entry(&log.origin, index, read)?;
            let proof = log.tree.inclusion(index, size).ok()?;
            steps.push(ShownEntry { entry, proof });
            heads = named;
        }
    }

    /// Returns the hashes from the entry to a head, if one of these heads is of its log, covers it and is of the branch held here.
    fn leads_to(&self, wanted: &Wanted<'_>, heads: &[NamedHead]) -> Option<Vec<Hash>> {
        let mut heads = heads.iter();
        let head = heads.find(|named| {
            named.origin == *wanted.log.origin && named.head.size > wanted.index && self.has_head(named)
        })?;
        wanted.log.tree.inclusion(wanted.index, head.head.size).ok()
    }

    /// Returns the entry of a third log under one of these heads in whose past the wanted one lies, and the size of that head.
    fn next_step(&self, wanted: &Wanted<'_>, heads: &[NamedHead]) -> Option<(&Log, u64, u64)> {
        heads
            .iter()
            .filter(|named| self.has_head(named))
            .find_map(|named| {
                let number = self.world.number_of_log(&named.origin)?;
                let log = self.world.log_at(number).filter(|_| number != wanted.number)?;
                let size = named.head.size;
                let upto = size.min(log.cursor());
                let index = first_covering(&self.world, number, upto, wanted.number, wanted.index + 1)?;
                Some((log, index, size))
            })
    }

    fn has_head(&self, named: &NamedHead) -> bool {
        let number = self.world.number_of_log(&named.origin);
        let log = number.and_then(|number| self.world.log_at(number));
        log.is_some_and(|log| log.tree.head_at(named.head.size).ok() == Some(named.head))
    }
}

fn read_entry(origin: &Origin, index: u64, read: &mut ReadEntry<'_>) -> Option<(String, Vec<NamedHead>)> {
    let bytes = read(origin, index)?;
    let entry = Entry::parse(&bytes).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?.to_owned();
    Some((text, heads_named(&entry)))
}
