//! Views: pure functions of what is resolved, looked at from a moment ([`crate::cases::source::AsOf`]).
//!
//! A view holds codes, ids, dates and the values of fields, never a sentence: the client's text catalogue renders it.
//! Nothing here is state (I7): every view can be computed anew at any time, on any node, with the same result.

pub mod catalogue;
pub mod digest;
pub mod findings;
pub mod matters;
mod members;
pub mod numbers;
pub mod tasks;

pub use numbers::Numbers;
