//! Everything that a node keeps on disk: own log, files of every log, detached parts, signing lock.
//!
//! Layout, what is backed up and what never: `schemas/spec/store.md`. No module here knows HTTP, the bus, a clock or a rule.

mod archive;
mod branches;
pub(crate) mod durable;
mod error;
mod fsck;
mod layout;
mod lock;
mod own_log;
mod parts;
mod recover;
mod sled;
mod snapshot;
mod tiles;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod fixture;

pub use archive::DiskArchive;
pub(crate) use archive::entry_key;
pub(crate) use branches::{keep_branch, read_branches};
pub use error::{Damage, DamageKind, StoreError};
pub(crate) use fsck::FORK_REMEDY;
pub use fsck::{FsckCounts, FsckProgress, FsckReport, KnownKeys, fsck};
pub use layout::{DataDir, folder_name};
pub(crate) use layout::{newest_signed_epoch, parse_folder_name};
pub use lock::SigningLock;
pub use own_log::{
    BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, LocalRecord, OwnLog, RECORD_KEY_BYTES_MAX, RECORD_VALUE_BYTES_MAX,
    Record, check_batch,
};
pub use parts::{Part, Parts};
pub use recover::{OwnStore, Refilled, records_of, refill_own_log};
pub use sled::SledLog;
pub use snapshot::SnapshotFiles;
pub use tiles::{LogFiles, write_export};
