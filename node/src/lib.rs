//! The daemon of a department as a library: stores, bus, the task that owns a replica, the HTTP API, and trials of whole federations.
//!
//! A shell around `tally_ledger::replica`: it reads clocks, disks and sockets, and decides nothing that the core could decide.

pub mod api;
pub mod bus;
pub mod clock;
pub mod config;
pub mod drafts;
pub mod keyring;
pub mod refill;
pub mod runtime;
pub mod store;
pub mod telemetry;
pub mod trial;
