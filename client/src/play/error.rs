//! Why a play ended before its end: the step, what was expected, what came of it.

use super::scenario::Moment;
use super::target::TargetError;
use crate::draft::assemble::AssembleError;
use crate::draft::form::FormError;
use crate::keystore::KeystoreError;
use std::io;
use std::path::PathBuf;
use tally_ledger::authority::RegistryError;
use tally_schemas::FormatError;
use tally_schemas::id::{DepartmentId, OfficerId};

/// Why a play ended before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlayError {
    /// The federation cannot be played against.
    #[error("the federation cannot be played against")]
    Start(#[source] StepError),
    /// A step failed.
    #[error("step {step} failed")]
    Step {
        /// Its number, from 1.
        step: usize,
        /// Why.
        source: StepError,
    },
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The outcome differs from what the scenario demands.
    #[error("{what} was {got}, the scenario expects {expected}: {why}")]
    Outcome {
        /// What was done.
        what: String,
        /// What the scenario demands.
        expected: String,
        /// What came of it.
        got: String,
        /// What the node said.
        why: String,
    },
    /// No step before gave this label.
    #[error("no step before gave the label {label}; the nearest is {nearest}")]
    Label {
        /// The label.
        label: String,
        /// The one most like it.
        nearest: String,
    },
    /// The first act has no time.
    #[error("no time is set before the first act; give the step `at`")]
    NoTime,
    /// Time would run backwards.
    #[error("the time falls from {before} to {got}")]
    TimeFalls {
        /// Of the step before.
        before: Moment,
        /// Of this one.
        got: Moment,
    },
    /// The federation has no such department.
    #[error("the federation has no department {0}")]
    Department(DepartmentId),
    /// The plan gives the officer no post, and the step names none.
    #[error("the plan gives officer {officer} of {department} no post; write {officer}@post")]
    Post {
        /// The department.
        department: DepartmentId,
        /// The officer.
        officer: OfficerId,
    },
    /// Acts that are to race stand on one node.
    #[error("acts together need departments on different nodes, these are all on {0}")]
    OneNode(String),
    /// Only acts and governance can race.
    #[error("only acts and governance can be done together")]
    NotTogether,
    /// The act could not be read as a form.
    #[error("the act does not have its form")]
    Form(#[from] FormError),
    /// The act could not be made.
    #[error("the act could not be made")]
    Assemble(#[from] AssembleError),
    /// Something does not have its format.
    #[error("what is to be signed does not have its format")]
    Format(#[from] FormatError),
    /// A key could not be opened or made.
    #[error(transparent)]
    Key(#[from] KeystoreError),
    /// The genesis founds nothing.
    #[error("the genesis founds nothing")]
    Genesis(#[from] RegistryError),
    /// A file could not be read.
    #[error("{} could not be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The federation could not be played against.
    #[error(transparent)]
    Target(#[from] TargetError),
}
