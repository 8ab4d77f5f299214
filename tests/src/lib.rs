//! Everything that crosses crates: the simulator, and what only tests of several crates share.

pub mod go_checker;
pub mod sim;
