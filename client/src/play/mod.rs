//! Scenarios: who signs what, when, and what must come of it, played against a trial federation.
//!
//! One file serves demonstration, tests and load. [`scenario`] reads it, [`play`] signs and submits step by step over any
//! [`Target`]: a trial over HTTP or replicas in this process. No rule of any case is decided here.

pub mod engine;
pub mod keys;
pub mod scenario;
pub mod target;

pub use engine::{Play, PlayError, Progress, Report, ScenarioFolder, StepError};
pub use keys::KeyFolder;
pub use scenario::{Scenario, ScenarioError};
pub use target::{Refused, Submission, Submitted, Target, TargetError, View};
