<<<<<<< HEAD
//! Views: pure functions of what is resolved, looked at from a moment ([`crate::cases::source::AsOf`]).
=======
//! Views: pure functions of what is resolved, looked at from a moment.
>>>>>>> 975681e (ledger: views of tasks, findings, matters, catalogue entries, and state digests)
//!
//! A view holds codes, ids, dates and the values of fields, never a sentence: the client's text catalogue renders it.
//! Nothing here is state (I7): every view can be computed anew at any time, on any node, with the same result.

<<<<<<< HEAD
pub mod numbers;

pub use numbers::Numbers;
=======
pub mod catalogue;
pub mod digest;
pub mod findings;
pub mod matters;
mod members;
pub mod tasks;
>>>>>>> 975681e (ledger: views of tasks, findings, matters, catalogue entries, and state digests)
