//! The client of Tally: officers draft, sign and approve; auditors verify without trusting a node.
//!
//! The library does the work; [`cli`] is the command `tally`. Every text that people read is in the catalogue [`texts`].

pub mod cli;
pub mod draft;
pub mod explain;
pub mod export_folder;
pub mod federation;
#[cfg(test)]
pub(crate) mod fixture;
pub mod keystore;
pub mod node;
pub mod play;
pub mod said;
pub mod settings;
pub mod texts;
pub mod verify;
