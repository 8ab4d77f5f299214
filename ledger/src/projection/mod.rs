//! Views: pure functions of what is resolved, looked at from a moment ([`crate::cases::source::AsOf`]).
//!
//! A view holds codes, ids, dates and the values of fields, never a sentence: the client's text catalogue renders it.
//! Nothing here is state (I7): every view can be computed anew at any time, on any node, with the same result.

pub mod beyond;
pub mod cases;
pub mod catalogue;
pub mod digest;
pub mod due;
pub mod findings;
pub mod inbox;
pub mod matters;
pub mod numbers;
pub mod requests;
mod shape;
pub mod tasks;
pub mod trail;

#[cfg(test)]
mod tests;

pub use numbers::Numbers;
