//! Confirmations: shows a stranger, from files alone, that other nodes signed that they hold an entry.
//!
//! A node signs the checkpoints of the logs that it hosts; an entry under one names heads of other logs, and an inclusion proof leads
//! from the entry that is confirmed to such a head, by way of entries of third logs where it must. Keeps I12.
//! Made by `replica`. Spec: `schemas/spec/confirmation.md`.

use crate::authority::Registry;
use crate::checkpoint::LogKey;
use crate::crypto::leaf_hash;
use crate::merkle::{ProofError, verify_inclusion};
use crate::proof::{RecordedError, verify_recorded};
use crate::world::{OpeningError, verify_opening};
use tally_schemas::FormatError;
use tally_schemas::confirmation::Confirmation;
use tally_schemas::entry::{Entry, PayloadKind};
use tally_schemas::epoch::Opening;
use tally_schemas::id::{Hash, NamedHead, NodeId, Origin};
use tally_schemas::limits::EPOCH_NOTE_BYTES_MAX;
use tally_schemas::note::Note;
use tally_schemas::statement::Statement;

/// Why a file does not show that a node confirmed an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfirmationError {
    /// An entry is not of its form.
    #[error("an entry of the confirmation by {node} is not of its form")]
    Entry {
        /// The node.
        node: NodeId,
        /// Why.
        source: FormatError,
    },
    /// The registry has no such log.
    #[error("{origin} is no log of a department of the registry learnt so far")]
    Unknown {
        /// The log.
        origin: String,
    },
    /// Another node hosts the log.
    #[error("{origin} is hosted by {hosted}, not by {node}")]
    OtherNode {
        /// The log.
        origin: String,
        /// The node that hosts it.
        hosted: NodeId,
        /// The node named.
        node: NodeId,
    },
    /// The node hosts the entry's own log.
    #[error("{node} hosts {origin} itself: what it signs confirms nothing")]
    OwnNode {
        /// The node.
        node: NodeId,
        /// The log.
        origin: String,
    },
    /// What names the key of the log is missing.
    #[error("{origin} is of a later epoch, and the confirmation shows no opening of it")]
    NoOpening {
        /// The log.
        origin: String,
    },
    /// The opening does not hold.
    #[error("the opening of {origin} does not hold")]
    Opening {
        /// The log.
        origin: String,
        /// Why.
        source: Box<OpeningError>,
    },
    /// The opening is not that of the log.
    #[error("the opening of {origin} is not entry 0 of that log")]
    NotFirst {
        /// The log.
        origin: String,
        /// What is wrong with the proof; none when it opens another log.
        #[source]
        why: Option<ProofError>,
    },
    /// The node's own entry is not recorded as it says.
    #[error("what {node} signed is not shown to be recorded")]
    Recorded {
        /// The node.
        node: NodeId,
        /// Why.
        source: Box<RecordedError>,
    },
    /// The entry says that it stands elsewhere.
    #[error("the entry of {origin} says it is number {entry}, the proof says number {proof}")]
    OtherPlace {
        /// The log.
        origin: String,
        /// Named by the entry.
        entry: u64,
        /// Named by the proof.
        proof: u64,
    },
    /// No head that is named covers the next entry.
    #[error("what {node} signed does not lead to entry {index} of {origin}")]
    NotCovered {
        /// The node.
        node: NodeId,
        /// The log.
        origin: String,
        /// The position.
        index: u64,
    },
}

/// Verifies that a node confirmed an entry, for those who have nothing but a registry; returns the node.
///
/// # Errors
/// What is missing for that.
pub fn verify_confirmation<'a>(
    confirmation: &'a Confirmation,
    entry: &[u8],
    registry: &Registry,
) -> Result<&'a NodeId, ConfirmationError> {
    let node = &confirmation.node;
    let form = |source| ConfirmationError::Entry {
        node: node.clone(),
        source,
    };
    let confirmed = Entry::parse(entry).map_err(form)?.header;
    if host_of(registry, &confirmed.origin)? == node {
        return Err(ConfirmationError::OwnNode {
            node: node.clone(),
            origin: confirmed.origin.to_string(),
        });
    }
    let own = Entry::parse(confirmation.entry.as_bytes()).map_err(form)?;
    let origin = &own.header.origin;
    let hosted = host_of(registry, origin)?;
    if hosted != node {
        return Err(ConfirmationError::OtherNode {
            origin: origin.to_string(),
            hosted: hosted.clone(),
            node: node.clone(),
        });
    }
    verify_signed(confirmation, &own, registry)?;
    let mut heads = heads_named(&own);
    let reaches = |heads: &[NamedHead], origin: &Origin, index: u64, leaf: &Hash, proof: &[Hash]| {
        let covers = |named: &&NamedHead| named.origin == *origin && named.head.size > index;
        let mut covering = heads.iter().filter(covers);
        if covering.any(|named| verify_inclusion(leaf, index, &named.head, proof).is_ok()) {
            return Ok(());
        }
        Err(ConfirmationError::NotCovered {
            node: node.clone(),
            origin: origin.to_string(),
            index,
        })
    };
    for step in &confirmation.steps {
        let bytes = step.entry.as_bytes();
        let next = Entry::parse(bytes).map_err(form)?;
        let header = &next.header;
        reaches(
            &heads,
            &header.origin,
            header.index,
            &leaf_hash(bytes),
            &step.proof,
        )?;
        heads = heads_named(&next);
    }
    let (origin, index) = (&confirmed.origin, confirmed.index);
    reaches(&heads, origin, index, &leaf_hash(entry), &confirmation.inclusion)?;
    Ok(node)
}

/// Verifies that the node's own entry stands under a checkpoint of its log.
fn verify_signed(
    confirmation: &Confirmation,
    own: &Entry,
    registry: &Registry,
) -> Result<(), ConfirmationError> {
    let header = &own.header;
    let named = || header.origin.to_string();
    let key = key_of(confirmation, &header.origin, registry)?;
    let proof = &confirmation.proof;
    let checkpoint = verify_recorded(confirmation.entry.as_bytes(), proof, &key).map_err(|source| {
        ConfirmationError::Recorded {
            node: confirmation.node.clone(),
            source: Box::new(source),
        }
    })?;
    if header.index != proof.index {
        return Err(ConfirmationError::OtherPlace {
            origin: named(),
            entry: header.index,
            proof: proof.index,
        });
    }
    // The opening is judged under the registry version that its entry names, so the entry itself must stand in the log.
    if let Some(opening) = &confirmation.opening {
        let leaf = leaf_hash(opening.entry.as_bytes());
        verify_inclusion(&leaf, 0, &checkpoint.head(), &opening.proof).map_err(|why| {
            ConfirmationError::NotFirst {
                origin: named(),
                why: Some(why),
            }
        })?;
    }
    Ok(())
}

/// Returns the key of the log that the node signed: of an epoch 1 it stands in the registry, of a later one in the opening.
fn key_of(
    confirmation: &Confirmation,
    origin: &Origin,
    registry: &Registry,
) -> Result<LogKey, ConfirmationError> {
    let named = || origin.to_string();
    let first = registry.log_key(&origin.department);
    if let Some(first) = first.filter(|key| key.origin() == origin) {
        return Ok(first.clone());
    }
    let opening = confirmation.opening.as_ref();
    let opening = opening.ok_or_else(|| ConfirmationError::NoOpening { origin: named() })?;
    let opened = verify_opening(opening.entry.as_bytes(), registry);
    let (opened, key) = opened.map_err(|source| ConfirmationError::Opening {
        origin: named(),
        source: Box::new(source),
    })?;
    if opened.origin == *origin {
        Ok(key)
    } else {
        Err(ConfirmationError::NotFirst {
            origin: named(),
            why: None,
        })
    }
}

fn host_of<'a>(registry: &'a Registry, origin: &Origin) -> Result<&'a NodeId, ConfirmationError> {
    let record = registry.department(&origin.department, registry.newest().version);
    record
        .filter(|_| origin.federation == *registry.federation())
        .map(|record| &record.node)
        .ok_or_else(|| ConfirmationError::Unknown {
            origin: origin.to_string(),
        })
}

/// Returns the heads of other logs that an entry names: in its header, as a statement, or as the log that it continues.
pub(crate) fn heads_named(entry: &Entry) -> Vec<NamedHead> {
    let mut heads = entry.header.heads.clone();
    match PayloadKind::of(&entry.payload) {
        PayloadKind::Statement => {
            if let Ok(Statement::Heads(stated)) = Statement::parse_text(&entry.payload) {
                heads.extend(stated);
            }
        }
        PayloadKind::Epoch if entry.header.index == 0 => {
            let note = Note::parse(entry.payload.as_bytes(), EPOCH_NOTE_BYTES_MAX);
            let opening = note.and_then(|note| Opening::parse_text(&note.text));
            let own = opening
                .ok()
                .filter(|opening| opening.origin == entry.header.origin);
            heads.extend(own.map(|opening| opening.old));
        }
        PayloadKind::Epoch | PayloadKind::Event | PayloadKind::Governance | PayloadKind::Unknown => {}
    }
    heads
}
