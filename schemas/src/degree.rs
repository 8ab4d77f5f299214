//! How surely something is recorded: what others signed that they hold of it.
//!
//! Spec: `schemas/spec/confirmation.md`.

use crate::members::codes;

codes! {
    /// How surely an entry is recorded, rising. A degree above these, *witnessed* (cosigned by a quorum, counted by operator), is
    /// foreseen and does not exist yet: readers take a degree that they do not know for one that is at least `replicated`.
    #[non_exhaustive]
    Degree {
        /// Durable on the node of its own log; no other node has signed that it holds it.
        LocalOnly "local-only";
        /// At least one node but that of its own log has signed that it holds it.
        Replicated "replicated";
    }
}
