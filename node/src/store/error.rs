//! Why the store refused, failed or found damage.
//!
//! Three families share one type because one caller handles them in one place: *refusals* of a call that breaks a rule of the store
//! (nothing changed), *failures* of the disk or the engine (the store stops acknowledging), and *damage* found while reading
//! (a [`Damage`] that names the file and the remedy).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use tally_schemas::FormatError;
use tally_schemas::id::{Origin, TreeHead};

/// What is wrong with a file of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DamageKind {
    /// The file is not there.
    Missing,
    /// The file has another length than its place demands.
    Length,
    /// The file has the right length, but its content does not fit its checksum, hash or signature.
    Altered,
    /// The file is readable, but contradicts another file.
    Contradiction,
    /// The file has no place in the layout.
    Stray,
}

impl fmt::Display for DamageKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Missing => "missing",
            Self::Length => "wrong length",
            Self::Altered => "altered",
            Self::Contradiction => "contradiction",
            Self::Stray => "stray",
        })
    }
}

/// One damaged file, what is wrong with it, and what the operator can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged ({kind}): {what}; remedy: {remedy}", file.display())]
pub struct Damage {
    /// The file or folder.
    pub file: PathBuf,
    /// The sort of damage.
    pub kind: DamageKind,
    /// What was found and what was expected.
    pub what: String,
    /// What the operator can do.
    pub remedy: &'static str,
}

impl Damage {
    /// Describes damage of a file.
    pub fn new(file: &Path, kind: DamageKind, what: impl Into<String>, remedy: &'static str) -> Self {
        Self {
            file: file.to_owned(),
            kind,
            what: what.into(),
            remedy,
        }
    }
}

/// Why a call of the store did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused; after a failed write the store stops acknowledging.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason that the operating system gave.
        #[source]
        source: io::Error,
    },
    /// A file of the store is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Another process has the folder open.
    #[error("{} is in use by another process; stop it first", path.display())]
    InUse {
        /// The file or folder.
        path: PathBuf,
    },
    /// The engine could not open its folder, or panicked over it.
    #[error(
        "the log engine cannot open {}: {why}; remedy: `tally-node refill` writes the own log again, up to the signing lock",
        folder.display()
    )]
    EngineOpen {
        /// The folder of the engine.
        folder: PathBuf,
        /// What the engine said.
        why: String,
    },
    /// The engine failed while in use; the store stops acknowledging.
    #[error("the log engine failed in {}: {why}; restart the node, then run fsck", folder.display())]
    Engine {
        /// The folder of the engine.
        folder: PathBuf,
        /// What the engine said.
        why: String,
    },
    /// The engine moved data to a place that it never syncs, so an acknowledgement would not be true (I1).
    #[error(
        "{} holds {count} files that the log engine never syncs; no append is acknowledged any more; \
         remedy: stop the node and run `tally-node refill`, which writes the log again; and report it",
        folder.display()
    )]
    UnsyncedBlobs {
        /// The folder that must be empty.
        folder: PathBuf,
        /// How many files it holds.
        count: usize,
    },
    /// An earlier failure stopped this store; nothing is written until it is opened again.
    #[error("{} takes no writes since an earlier failure: {why}; restart the node", path.display())]
    Stopped {
        /// The file or folder.
        path: PathBuf,
        /// The earlier failure.
        why: String,
    },
    /// A batch does not start at the end of the log (I2).
    #[error("the batch starts at index {got}, the log ends at {expected}")]
    IndexNotNext {
        /// The next index of the log.
        expected: u64,
        /// The index given.
        got: u64,
    },
    /// A range starts or ends outside of the log.
    #[error("entries {start} to {end} are not all in the log of {size} entries")]
    OutOfRange {
        /// The first index wanted.
        start: u64,
        /// The index after the last one wanted.
        end: u64,
        /// The size of the log.
        size: u64,
    },
    /// An entry is empty or over the limit of the format.
    #[error("entry {index} has {got} bytes, expected 1 to {limit}")]
    EntryLength {
        /// The index of the entry.
        index: u64,
        /// Its length.
        got: usize,
        /// The longest entry.
        limit: usize,
    },
    /// A batch is over a limit; nothing of it was written.
    #[error("the batch has {got} {what}, the limit is {limit}; split it")]
    BatchTooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// A local record has a key or value over its limit; nothing of the batch was written.
    #[error("the {what} of a local record has {got} bytes, the limit is {limit}")]
    RecordLength {
        /// Key or value.
        what: &'static str,
        /// Its length.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// A folder or file belongs to another log than the one asked for.
    #[error("{} belongs to {got}, expected {expected}", path.display())]
    WrongOrigin {
        /// The file or folder.
        path: PathBuf,
        /// The origin found.
        got: String,
        /// The origin asked for.
        expected: String,
    },
    /// The entries do not give the root that the checkpoint names; nothing was written.
    #[error("{size} entries of {origin} have root {got}, the checkpoint names {expected}")]
    RootMismatch {
        /// The log.
        origin: Origin,
        /// The size of the checkpoint.
        size: u64,
        /// The root over the entries.
        got: String,
        /// The root of the checkpoint.
        expected: String,
    },
    /// A checkpoint does not end where the entries handed in end; nothing was written.
    #[error("the checkpoint of {origin} has size {got}, the entries end at {expected}")]
    CheckpointSize {
        /// The log.
        origin: Origin,
        /// Where the entries end.
        expected: u64,
        /// The size of the checkpoint.
        got: u64,
    },
    /// There is no signing lock beside a log that already has entries, or creation was not asked for.
    #[error(
        "the signing lock {} is missing and the log has {log_size} entries; remedy: start the node without it, which reads the log like \
         one of others",
        path.display()
    )]
    LockMissing {
        /// The lock file.
        path: PathBuf,
        /// The entries of the own log.
        log_size: u64,
    },
    /// The signing lock is damaged in a way that may hide a newer head.
    #[error(
        "the signing lock {} is damaged: {why}; remedy: start the node all the same, which reads the log like one of others",
        path.display()
    )]
    LockDamaged {
        /// The lock file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// The lock was asked to go back, or to another root of the same size (I3).
    #[error(
        "the signing lock {} stands at size {} root {}, refused size {} root {}",
        path.display(), held.size, held.root, asked.size, asked.root
    )]
    LockRefused {
        /// The lock file.
        path: PathBuf,
        /// The newest head that may have been signed.
        held: TreeHead,
        /// The head asked for.
        asked: TreeHead,
    },
    /// Something that was signed is beyond what the log holds: the log was cut or restored from a backup.
    #[error(
        "{} stands at {signed} entries, the own log holds only {held}: it was cut or restored; remedy: \
         `tally-node refill` writes the own log again from its files or from a copy of a peer's, up to the signing lock; if nobody has all of it, \
         `tally-node refill --department .. --give-up`",
        path.display()
    )]
    LogBehind {
        /// The lock or checkpoint that is ahead.
        path: PathBuf,
        /// Its size.
        signed: u64,
        /// The size of the own log.
        held: u64,
    },
    /// The signing lock is older than a checkpoint of this node: it was restored or copied.
    #[error(
        "the signing lock {} stands at {locked} entries, the checkpoint of its log at {signed}: the lock was restored",
        path.display()
    )]
    LockBehind {
        /// The lock file.
        path: PathBuf,
        /// The size in the lock.
        locked: u64,
        /// The size of the checkpoint.
        signed: u64,
    },
    /// What was signed and what the log holds differ at the same size: one of them was replaced.
    #[error(
        "{} names root {expected} at size {size}, the own log has {got}; keep both as evidence",
        path.display()
    )]
    HeadContradiction {
        /// The lock or checkpoint.
        path: PathBuf,
        /// The size at which they differ.
        size: u64,
        /// The root signed.
        expected: String,
        /// The root over the entries held.
        got: String,
    },
    /// The key of the configuration is not the one that the opening of this log names.
    #[error(
        "the opening of {origin} names another log key than the configuration; put the file of that key into keys.logs"
    )]
    OtherLogKey {
        /// The log.
        origin: Origin,
    },
    /// There is no store of this log, and creation was not asked for.
    #[error("there is no own log of {origin} in {}, and no signing lock that says what was signed of it", path.display())]
    NoSuchLog {
        /// The log.
        origin: Origin,
        /// The folder that is missing.
        path: PathBuf,
    },
    /// The content of a part does not fit its commitment; nothing was written.
    #[error("the part of {got_bytes} bytes has commitment {got}, expected {expected}")]
    PartMismatch {
        /// The commitment asked for.
        expected: String,
        /// The commitment of the content.
        got: String,
        /// The length of the content.
        got_bytes: u64,
    },
    /// A part is over the size cap; nothing was written.
    #[error("the part has {got} bytes, the limit is {limit}")]
    PartTooLong {
        /// The length of the content.
        got: u64,
        /// The size cap.
        limit: u64,
    },
    /// Bytes handed in are no value of their format.
    #[error("{what} is not well formed")]
    Format {
        /// What was handed in.
        what: &'static str,
        /// The reason.
        #[source]
        source: FormatError,
    },
}

/// What an operator does when it is not certain that nothing newer was signed.
impl StoreError {
    /// Says whether it means that an own log must not be signed in its epoch again: what was signed is not known, or not held.
    pub fn ends_epoch(&self) -> bool {
        matches!(
            self,
            Self::LockMissing { .. }
                | Self::LockDamaged { .. }
                | Self::LockBehind { .. }
                | Self::HeadContradiction { .. }
                | Self::NoSuchLog { .. }
        )
    }
}

const NEW_EPOCH: &str = "nothing is signed in this epoch again: start the node, which fetches the log from peers by itself; then the department's \
    administrator opens the next epoch with `tally epoch open`";

impl StoreError {
    /// Returns the error as damage of a file, if that is what it is: for a list of findings.
    pub fn as_damage(&self) -> Option<Damage> {
        let of = |path: &Path, kind, what: String, remedy| Some(Damage::new(path, kind, what, remedy));
        match self {
            Self::Damaged(damage) => Some(damage.clone()),
            Self::EngineOpen { folder, why } | Self::Engine { folder, why } => of(
                folder,
                DamageKind::Altered,
                format!("the log engine cannot read it: {why}"),
                "`tally-node refill` writes the own log again, up to the signing lock",
            ),
            Self::UnsyncedBlobs { folder, count } => of(
                folder,
                DamageKind::Stray,
                format!("{count} files that the log engine never syncs"),
                "`tally-node refill` writes the log again; and report it",
            ),
            Self::LockMissing { path, log_size } => of(
                path,
                DamageKind::Missing,
                format!("the log has {log_size} entries and no signing lock"),
                NEW_EPOCH,
            ),
            Self::LockDamaged { path, why } => of(path, DamageKind::Altered, why.clone(), NEW_EPOCH),
            Self::LogBehind { path, signed, held } => of(
                path,
                DamageKind::Contradiction,
                format!("it stands at {signed} entries, the own log holds only {held}"),
                "`tally-node refill` writes the own log again from its files or from a copy of a peer's, up to the signing lock; if nobody has all of it, \
                 `tally-node refill --department .. --give-up`",
            ),
            Self::LockBehind { path, locked, signed } => of(
                path,
                DamageKind::Contradiction,
                format!("it stands at {locked} entries, the checkpoint of the log at {signed}"),
                NEW_EPOCH,
            ),
            Self::HeadContradiction {
                path,
                size,
                expected,
                got,
            } => of(
                path,
                DamageKind::Contradiction,
                format!("it names root {expected} at size {size}, the own log has {got}"),
                "keep both as evidence; start the node, which signs no more in this epoch; then the department's administrator, or a quorum where \
                 others hold more, opens the next epoch",
            ),
            Self::WrongOrigin { path, got, expected } => of(
                path,
                DamageKind::Contradiction,
                format!("it belongs to {got}, expected {expected}"),
                "put the right file or folder in its place",
            ),
            _ => None,
        }
    }

    /// Wraps an error of the operating system with what was tried on which file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
