//! What a play tells its reader as it goes.

use super::scenario::{Moment, NodeState};
use super::target::Refused;
use crate::texts::Pair;
use std::collections::BTreeSet;
use tally_schemas::event::EventKind;
use tally_schemas::genesis::Role;
use tally_schemas::id::{DepartmentId, NodeId};

/// What a play tells its reader as it goes.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// A heading.
    Heading(&'a Pair),
    /// A sentence for the reader.
    Note(&'a Pair),
    /// The rosters of the plan were recorded.
    Rosters {
        /// Of how many departments.
        departments: usize,
        /// How many events.
        events: usize,
    },
    /// An act was recorded, as expected.
    Recorded {
        /// When.
        at: Moment,
        /// Whose act.
        department: &'a DepartmentId,
        /// What.
        kind: EventKind,
        /// The label of its case.
        case: Option<&'a str>,
        /// The position in the department's log.
        index: u64,
    },
    /// An act was refused, as expected.
    Refused {
        /// When.
        at: Moment,
        /// Whose act.
        department: &'a DepartmentId,
        /// What.
        kind: EventKind,
        /// The label of its case.
        case: Option<&'a str>,
        /// Why.
        refused: &'a Refused,
    },
    /// A role was given or taken, or that was refused, as expected.
    Governance {
        /// When.
        at: Moment,
        /// Whose role.
        department: &'a DepartmentId,
        /// The role.
        role: Role,
        /// Whether it was taken.
        taken: bool,
        /// Why not, if it was refused.
        refused: Option<&'a Refused>,
    },
    /// A node left or came back.
    Node {
        /// The node.
        node: &'a NodeId,
        /// What became of it.
        state: NodeState,
    },
    /// The acts that follow are recorded before their nodes hear of each other.
    Together {
        /// The nodes.
        nodes: &'a BTreeSet<NodeId>,
    },
    /// A view.
    Shown(&'a str),
    /// The nodes hold the same.
    Equal {
        /// How many nodes.
        nodes: usize,
        /// The digest of their states.
        digest: &'a str,
    },
    /// A case is at the stage demanded.
    Stage {
        /// The label of the case.
        case: &'a str,
        /// The stage.
        stage: &'a str,
    },
}

/// Hears how a play goes.
pub trait Report {
    /// Takes what happened at a step; the number is 0 before the first.
    fn told(&mut self, step: usize, progress: Progress<'_>);
}
