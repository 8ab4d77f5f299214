//! The client of Tally: officers draft, sign and approve; auditors verify without trusting a node.

pub mod keystore;
