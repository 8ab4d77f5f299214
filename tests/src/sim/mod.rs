//! The simulator: many replicas in one process under one seeded random source and virtual time, with a network that loses,
//! repeats, delays, reorders and parts, nodes that crash and disks that lag; every state compared with a naive oracle.
//!
//! A second driver of the same core as the daemon, under the same contract. A seed is a whole run; the same seed is the same
//! run, which the trace hash proves. Checked after every step: I1 to I4, every case that changed against the oracle (I5, I6);
//! pairs of nodes at equal cursors and the whole world at intervals and at the end.

pub mod aim;
pub mod cast;
pub mod checker;
pub mod compose;
pub mod coverage;
pub mod directed;
pub mod disk;
pub mod engine;
pub mod faults;
pub mod ground;
pub mod hostile;
pub mod losses;
pub mod network;
pub mod node;
pub mod oracle;
pub mod questions;
pub mod race;
pub mod repair;
pub mod rng;
pub mod rogue;
pub mod rulesets;
pub mod run;
mod snapshots;
pub mod suite;
pub mod taking;
pub mod trace;
pub mod workload;
