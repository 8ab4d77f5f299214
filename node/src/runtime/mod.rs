//! A running node: one thread owns the replica, one for each core checks signatures, everybody else sends messages or reads between cycles.
//!
//! Order of one cycle: inputs in, outputs in order; what is to be durable is made durable in place, so nothing that follows leaves
//! before it. Decides nothing: that is the replica's.

mod cycle;
mod epochs;
mod forks;
mod mailbox;
mod owner;
mod parts;
mod questions;
mod shared;
mod start;
mod submission;
mod verify;

pub(crate) use mailbox::Reached;
pub use mailbox::{Named, Submission, SubmitResult, WAITING_MAX};
pub(crate) use owner::{describe, refusal_body};
pub(crate) use parts::CLOCK_SKEW_MS;
pub use shared::{Change, Health, Shared};
pub use start::{Node, StartError, check, ruleset_kept};
pub(crate) use submission::open_part;
