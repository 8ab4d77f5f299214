//! How nodes reach each other: frames to all, questions to one. Bytes in, bytes out.
//!
//! A bus may lose, repeat, reorder, delay or forge (I10): whoever receives from it checks everything. Knows nothing of
//! signatures or rules.

pub mod embedded;
pub mod nats;

use std::sync::Arc;
use tally_schemas::id::{NodeId, Origin};

/// Takes the answer to a question, or none when nobody answers; called at most once, from any thread, and perhaps never.
pub type OnAnswer = Box<dyn FnOnce(Option<Vec<u8>>) + Send>;

/// Sends the answer to a question of another node.
pub type Answering = Box<dyn FnOnce(Vec<u8>) + Send>;

/// What to do once a frame is durable here, or of no use.
pub type OnDone = Box<dyn FnOnce() + Send>;

/// What arrives from the bus.
pub enum Inbound {
    /// A frame that some node sent to all.
    Frame {
        /// Its bytes.
        bytes: Arc<[u8]>,
        /// What the bus waits for, if it does.
        done: Option<OnDone>,
    },
    /// A question to this node.
    Question {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Takes the answer.
        answer: Answering,
    },
    /// Something about the bus that the operator must see.
    Trouble(String),
}

/// Takes what arrives, and says whether there was room for it; must not block for long.
pub type Inbox = Arc<dyn Fn(Inbound) -> bool + Send + Sync>;

/// A frame for all others.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The log that it is of.
    pub origin: Origin,
    /// Whether it carries entries; else it only announces a head.
    pub has_entries: bool,
    /// The encoded frame.
    pub bytes: Arc<[u8]>,
}

/// A node's place on a bus; leaves the bus when dropped.
pub trait Bus: Send + Sync {
    /// Sends a frame to all others; what is lost is asked for.
    fn publish(&self, publication: Publication);

    /// Asks another node; says whether the question left.
    fn ask(&self, node: &NodeId, question: Vec<u8>, answer: OnAnswer) -> bool;

    /// Says whether questions can leave now; where they cannot, a node that does not answer may still be there.
    fn is_connected(&self) -> bool;

    /// Compares what the bus itself keeps of the own logs with them: one that shows more is handed in.
    fn compare(&self);

    /// Says whether the comparison that was started last is over.
    fn has_compared(&self) -> bool;

    /// Says what keeps the bus from its work now.
    fn troubles(&self) -> Vec<String>;
}
