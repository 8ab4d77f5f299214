//! The one place for bytes: every format of Tally as a type, its decoder, its limits.
//!
//! Each format has a page in `schemas/spec/`, written before the code, and golden vectors in `schemas/vectors/`.
//! Decoders accept exactly one byte form, refuse lengths over their limit before allocating, and never panic (I11).
//! Nothing here hashes, signs, reads a clock or does I/O: hashes and keys are opaque values handed in by `tally-ledger`.

pub mod api;
pub mod calendar;
pub mod checkpoint;
pub mod codec;
pub mod config;
pub mod confirmation;
pub mod degree;
pub mod entry;
pub mod epoch;
pub mod error;
pub mod event;
pub mod fork;
pub mod frame;
pub mod genesis;
pub mod governance;
pub mod id;
pub mod json;
pub mod json_schema;
pub mod key_file;
pub mod limits;
pub mod lock;
mod members;
pub mod names;
pub mod note;
pub mod number;
pub mod profile;
pub mod proof;
pub mod question;
pub mod shipped;
pub mod snapshot;
pub mod statement;
pub mod tile;
pub mod time;
pub mod token;

pub use error::FormatError;
