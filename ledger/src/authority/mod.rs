//! Who may act: the registry of the federation, the rosters of departments, and authority at a position.
//!
//! Rights hold over positions of logs, never over time. Everything here is a pure function of the genesis, the chain of
//! governance notes and the entries of a department's own log. Spec: `schemas/spec/fold.md`.

pub mod check;
pub mod registry;
pub mod roster;

pub use check::{Void, check_signers};
pub use registry::{GovernanceError, OpenedBy, Registry, RegistryError};
pub use roster::{Roster, RosterFact, RosterHistory};
