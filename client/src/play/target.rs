//! What a play needs of the federation that it runs against.

use super::scenario::NodeState;
use crate::draft::assemble::Part;
use tally_schemas::id::{CaseId, DepartmentId, EventId, NamedHead, NodeId, PostId};
use tally_schemas::time::Timestamp;

/// A signed note with what stays beside the log.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// The department whose node takes it.
    pub department: &'a DepartmentId,
    /// The note.
    pub note: &'a [u8],
    /// The detached parts.
    pub parts: &'a [Part],
    /// Why personal numbers in inline text are let pass.
    pub allow_personal: Option<&'a str>,
}

/// Where an event was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The event; for governance, the hash of its text.
    pub event: EventId,
    /// The position in the log.
    pub index: u64,
}

/// Why it was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The stable code.
    pub code: String,
    /// What was wrong.
    pub what: String,
}

/// Why the federation could not be played against; no outcome of an act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// A node could not be reached or did not answer in time.
    #[error("node {node} did not answer: {why}")]
    Unreachable {
        /// The node.
        node: String,
        /// Why.
        why: String,
    },
    /// A node answered what cannot be used.
    #[error("node {node} answered what cannot be used: {why}")]
    Answer {
        /// The node.
        node: String,
        /// Why.
        why: String,
    },
    /// The nodes did not come to hold the same within the time given.
    #[error("the nodes did not come to hold the same within {seconds} s: {why}")]
    Unsettled {
        /// How long was waited.
        seconds: u64,
        /// What differs.
        why: String,
    },
    /// The federation lacks what the scenario names.
    #[error("{0}")]
    Lacking(String),
}

/// Something to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// Every entry of a case.
    Trail(CaseId),
    /// What is due.
    Due {
        /// Of one department, or of all.
        department: Option<DepartmentId>,
        /// Whether only what is overdue.
        overdue: bool,
    },
    /// What waits for a post.
    Inbox {
        /// The department.
        department: DepartmentId,
        /// The post.
        post: PostId,
    },
}

/// A federation that a scenario can be played against.
pub trait Target {
    /// Submits a note to the node of a department.
    ///
    /// # Errors
    /// A node out of reach; a refusal is an outcome.
    fn submit(&mut self, submission: Submission<'_>) -> Result<Result<Submitted, Refused>, TargetError>;

    /// Moves the clock of every node forward, after everything sent before has arrived everywhere.
    ///
    /// # Errors
    /// A federation whose clock cannot be moved, or not to that time.
    fn set_clock(&mut self, now: Timestamp) -> Result<(), TargetError>;

    /// Waits until every node that is online holds and has resolved the same.
    ///
    /// # Errors
    /// Nodes that do not come to hold the same.
    fn settle(&mut self) -> Result<(), TargetError>;

    /// Takes a node off the bus or brings it back.
    ///
    /// # Errors
    /// A node that is not known or does not obey.
    fn node(&mut self, node: &NodeId, state: NodeState) -> Result<(), TargetError>;

    /// Returns the head of a department's log as the registrar's node holds it.
    ///
    /// # Errors
    /// A node out of reach.
    fn head(&mut self, department: &DepartmentId) -> Result<NamedHead, TargetError>;

    /// Returns the stage of a case, or of one item, as the node of the department that opened it sees it.
    ///
    /// # Errors
    /// A node out of reach or a case that it does not know.
    fn stage(&mut self, case: &CaseId, item: Option<u16>) -> Result<String, TargetError>;

    /// Demands that all nodes that are online hold the same entries and states; returns how many there are, and the digest.
    ///
    /// # Errors
    /// Nodes that differ.
    fn digests(&mut self) -> Result<(usize, String), TargetError>;

    /// Shows a view, in the form that the target has; none where it has no views.
    ///
    /// # Errors
    /// A node out of reach.
    fn show(&mut self, view: &View) -> Result<Option<String>, TargetError>;
}
