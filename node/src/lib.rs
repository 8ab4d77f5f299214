//! The daemon of a department as a library.

pub mod store;
