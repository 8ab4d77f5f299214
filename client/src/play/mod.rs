//! Scenarios: who signs what, when, and what must come of it, played against a trial federation.
//!
//! One file serves demonstration, tests and load. [`scenario`] reads it, [`Play`] signs and submits step by step over any
//! [`Target`]: a trial over HTTP ([`Trial`]) or replicas in this process. No rule of any case is decided here.

mod engine;
mod error;
mod files;
mod http;
mod keys;
mod report;
pub mod scenario;
mod target;

pub use engine::Play;
pub use error::{PlayError, StepError};
pub use files::ScenarioFolder;
pub use http::{ShowView, Trial};
pub use keys::KeyFolder;
pub use report::{Progress, Report};
pub use scenario::{Scenario, ScenarioError};
pub use target::{Refused, Submission, Submitted, Target, TargetError, View};
