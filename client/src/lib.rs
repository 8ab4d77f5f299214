//! The client of Tally: officers draft, sign and approve; auditors verify without trusting a node.

pub mod export_folder;
pub mod keystore;
