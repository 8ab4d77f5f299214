//! How nodes reach each other: frames to all, questions to one. Bytes in, bytes out.
//!
//! A bus may lose, repeat, reorder, delay or forge (I10): whoever receives from it checks everything. Knows nothing of logs,
//! signatures or rules.

pub mod embedded;

use std::sync::Arc;
use tally_schemas::id::NodeId;

/// Takes the answer to a question; called at most once, from any thread, and perhaps never.
pub type OnAnswer = Box<dyn FnOnce(Vec<u8>) + Send>;

/// What arrives from the bus.
pub enum Inbound {
    /// A frame that some node sent to all.
    Frame(Arc<[u8]>),
    /// A question to this node.
    Question {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Takes the answer.
        answer: OnAnswer,
    },
}

/// Takes what arrives; must not block for long, and may drop it.
pub type Inbox = Arc<dyn Fn(Inbound) + Send + Sync>;

/// A node's place on a bus; leaves the bus when dropped.
pub trait Bus: Send + Sync {
    /// Sends an encoded frame to all others.
    fn publish(&self, frame: Arc<[u8]>);

    /// Asks another node; says whether the question left.
    fn ask(&self, node: &NodeId, question: Vec<u8>, answer: OnAnswer) -> bool;
}
