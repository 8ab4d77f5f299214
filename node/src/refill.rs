//! Writes the own logs of a stopped node again that lost their end, up to what their signing locks say was signed.
//!
//! Entries come from the files of the log beside it and from copies that others hold. Nothing of them is trusted: they count only if they
//! give the root in the lock. Where the lock itself is gone, nothing can be refilled: the node starts without, and the administrator of the
//! department opens the next epoch. [`give_up`] makes that of a log of which nobody holds all that was signed.

use crate::config::Settings;
use crate::store::{DataDir, LogFiles, OwnStore, Refilled, StoreError, refill_own_log};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tally_ledger::authority::Registry;
use tally_ledger::checkpoint::LogKey;
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::id::{DepartmentId, Origin};
use tally_schemas::limits::{BUNDLE_BYTES_MAX, CHECKPOINT_BYTES_MAX};
use tally_schemas::note::Note;
use tally_schemas::tile::{TILE_WIDTH, bundles_of, parse_bundle};

/// What became of one own log.
#[derive(Debug)]
pub enum Outcome {
    /// Log, lock and files agree: nothing was done.
    Whole {
        /// How many entries it has.
        entries: u64,
    },
    /// It was written again.
    Refilled(Refilled),
    /// Its signing lock was set aside.
    GivenUp {
        /// Where the lock is.
        place: PathBuf,
    },
}

/// Why an own log was not refilled; it stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum RefillError {
    /// Its department is none that the node hosts.
    #[error("the node hosts no department {0}; `tally-node check` lists them")]
    NotHosted(DepartmentId),
    /// What the log needs is not in any source.
    #[error(
        "{origin} cannot be refilled from its own files{}; remedy: take a copy of it from another node with \
         `tally log export --origin {department} --to DIR` and name it with --department {department} --from DIR; if nobody has all of it, \
         --department {department} --give-up",
        if *.with_copy { " and the copy given" } else { "" },
        department = origin.department
    )]
    Short {
        /// The log.
        origin: Origin,
        /// Whether a copy was given.
        with_copy: bool,
        /// Why not.
        source: Box<StoreError>,
    },
    /// The copy cannot be read.
    #[error("the copy {path} cannot be used: {why}")]
    Copy {
        /// The file.
        path: String,
        /// Why not.
        why: String,
    },
    /// It cannot be given up: there is no lock.
    #[error("{0} has no signing lock: nothing is signed in this epoch any more; start the node")]
    NoLock(Origin),
    /// The lock is gone or contradicts the log: see its remedy.
    #[error("{0} was not refilled")]
    Store(Origin, #[source] Box<StoreError>),
}

/// Refills the own logs of a node that need it, all or that of one department.
///
/// # Errors
/// See [`RefillError`]; logs before the one at fault are refilled.
pub fn refill(
    settings: &Settings,
    registry: &Registry,
    only: Option<&DepartmentId>,
    copy: Option<&Path>,
    told: &mut dyn FnMut(&Origin, &Outcome),
) -> Result<(), RefillError> {
    if let Some(department) = only.filter(|department| !settings.log_keys.contains_key(*department)) {
        return Err(RefillError::NotHosted(department.clone()));
    }
    for department in settings.log_keys.keys() {
        if only.is_some_and(|only| only != department) {
            continue;
        }
        let data = DataDir::open(&settings.data)
            .map_err(|source| RefillError::Store(registry.origin(department), source.into()))?;
        let origin = data.newest_own(registry.federation(), department);
        let key = registry.log_key(department).filter(|_| origin.epoch == 1);
        told(&origin, &refill_one(&data, &origin, key, copy)?);
    }
    Ok(())
}

/// Gives up an own log of which nobody holds all that was signed: sets its signing lock aside, so that the node starts, never signs in that
/// epoch again, and reads the log like one of others.
///
/// # Errors
/// The node does not host the department, or there is no lock.
pub fn give_up(
    settings: &Settings,
    registry: &Registry,
    department: &DepartmentId,
) -> Result<(Origin, Outcome), RefillError> {
    if !settings.log_keys.contains_key(department) {
        return Err(RefillError::NotHosted(department.clone()));
    }
    let failed = |source| RefillError::Store(registry.origin(department), Box::new(source));
    let data = DataDir::open(&settings.data).map_err(failed)?;
    let origin = data.newest_own(registry.federation(), department);
    match data.give_up_lock(&origin).map_err(failed)? {
        Some(place) => Ok((origin, Outcome::GivenUp { place })),
        None => Err(RefillError::NoLock(origin)),
    }
}

fn refill_one(
    data: &DataDir,
    origin: &Origin,
    key: Option<&LogKey>,
    copy: Option<&Path>,
) -> Result<Outcome, RefillError> {
    let opened = match key {
        Some(key) => OwnStore::open_signed(data, origin, key),
        None => OwnStore::open(data, origin, &mut |_, _| {}),
    };
    match opened {
        // A damaged record stops the node as well, and files that the engine never syncs stop every append.
        Ok(store)
            if !store
                .log
                .records_with_prefix(&[])
                .is_ok_and(|_| !has_blobs(data, origin)) => {}
        Ok(store) => {
            return Ok(Outcome::Whole {
                entries: store.tail.size,
            });
        }
        Err(error @ (StoreError::NoSuchLog { .. } | StoreError::Io { .. })) => {
            return Err(RefillError::Store(origin.clone(), error.into()));
        }
        // Whether a refill mends it shows when it is tried: the lock decides.
        Err(_) => {}
    }
    // Damaged files give nothing; the node sets them aside when it starts.
    let files = LogFiles::open(data, origin, &mut |_, _| {}).ok();
    let copied = match copy {
        Some(folder) => Copy::open(folder, origin)?,
        None => Copy::default(),
    };
    let mut source = |start: u64, count: u64| match &files {
        Some(files) if start < files.head().size => files.range(start, count, usize::MAX),
        _ => Ok(copied.range(start, count)),
    };
    let refilled = refill_own_log(data, origin, &mut source);
    let refilled = match (refilled, &files) {
        // The files beside it may be what is damaged: the copy alone may be whole.
        (Err(StoreError::HeadContradiction { .. } | StoreError::Damaged(_)), Some(_)) if copy.is_some() => {
            refill_own_log(data, origin, &mut |start, count| Ok(copied.range(start, count)))
        }
        (refilled, _) => refilled,
    };
    match refilled {
        Ok(refilled) => Ok(Outcome::Refilled(refilled)),
        Err(source @ StoreError::OutOfRange { .. }) => Err(RefillError::Short {
            origin: origin.clone(),
            with_copy: copy.is_some(),
            source: source.into(),
        }),
        Err(source) => Err(RefillError::Store(origin.clone(), source.into())),
    }
}

fn has_blobs(data: &DataDir, origin: &Origin) -> bool {
    let blobs = std::fs::read_dir(data.own_log(origin).join("blobs"));
    blobs.is_ok_and(|mut names| names.next().is_some())
}

/// The entries of a copy of a log, as an export holds them.
#[derive(Default)]
struct Copy {
    entries: Vec<Arc<[u8]>>,
}

impl Copy {
    /// Reads the bundles that the checkpoint of an export covers. Their hashes are not compared: the signing lock decides.
    fn open(folder: &Path, origin: &Origin) -> Result<Self, RefillError> {
        let bad = |path: &str, why: String| RefillError::Copy {
            path: folder.join(path).display().to_string(),
            why,
        };
        let read = |path: &str, limit: usize| {
            let bytes = std::fs::read(folder.join(path)).map_err(|error| bad(path, error.to_string()))?;
            if bytes.len() > limit {
                return Err(bad(path, format!("{} bytes, at most {limit}", bytes.len())));
            }
            Ok(bytes)
        };
        let bytes = read("checkpoint", CHECKPOINT_BYTES_MAX)?;
        let stated = Note::parse(&bytes, CHECKPOINT_BYTES_MAX)
            .and_then(|note| Checkpoint::parse(&note.text))
            .map_err(|error| bad("checkpoint", error.to_string()))?;
        if stated.origin != *origin {
            return Err(bad(
                "checkpoint",
                format!("it is of {}, expected {origin}", stated.origin),
            ));
        }
        let mut entries = Vec::new();
        for bundle in bundles_of(stated.head.size) {
            let path = bundle.path();
            let bytes = read(&path, BUNDLE_BYTES_MAX)?;
            let found = parse_bundle(&bytes, bundle.width).map_err(|error| bad(&path, error.to_string()))?;
            entries.extend(found.into_iter().map(Arc::from));
        }
        Ok(Self { entries })
    }

    fn range(&self, start: u64, count: u64) -> Vec<Arc<[u8]>> {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let wanted = self.entries.iter().skip(start);
        wanted.take(count.min(usize::from(TILE_WIDTH))).cloned().collect()
    }
}
