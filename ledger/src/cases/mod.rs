//! Cases: one transition table per kind, verdicts, and the fold that turns a set of entries into a state.
//!
//! Folding a case never reads another case (I5). Spec: `schemas/spec/fold.md`.

pub mod addressees;
pub mod brief;
pub mod catalogue;
pub mod clocks;
pub mod cross;
pub mod finding;
pub mod fold;
pub mod law;
pub mod matter;
pub mod request;
pub mod source;
pub mod state;
pub mod table;
pub mod task;
pub mod timing;
pub mod verdict;
pub mod versions;

#[cfg(test)]
mod law_tests;
#[cfg(test)]
mod pair_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod weave_tests;

pub use brief::Brief;
pub use fold::{CaseEntry, CaseFold, Reversal};
pub use state::{CaseState, EntryRef, Fact, Item};
pub use table::{Stage, Table, Who};

use tally_schemas::event::CaseKind;

/// The number of the newest ruleset that this software holds, with every older one.
pub const RULESET: u32 = 1;

/// Returns the table of a case kind; rosters have none, they are folded in log order.
///
/// The same under every ruleset that is held: a ruleset that changes no table uses the older one.
pub fn table_of(kind: CaseKind) -> Option<&'static Table> {
    match kind {
        CaseKind::Roster => None,
        CaseKind::Catalogue => Some(&catalogue::TABLE),
        CaseKind::Request => Some(&request::TABLE),
        CaseKind::Matter => Some(&matter::TABLE),
        CaseKind::Finding => Some(&finding::TABLE),
        CaseKind::Task => Some(&task::TABLE),
    }
}
