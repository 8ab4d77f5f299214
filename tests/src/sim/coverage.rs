//! What runs met: counted, added up over seeds, printed, and asserted not to be zero.

use std::collections::{BTreeMap, BTreeSet};
use tally_ledger::cases::table_of;
use tally_schemas::event::CaseKind;

/// Counters by name.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    counts: BTreeMap<String, u64>,
}

impl Coverage {
    /// Counts one.
    pub fn hit(&mut self, name: impl Into<String>) {
        self.add(name, 1);
    }

    /// Counts many.
    pub fn add(&mut self, name: impl Into<String>, count: u64) {
        *self.counts.entry(name.into()).or_default() += count;
    }

    /// Returns a count.
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Returns the sum of counts whose names start so.
    pub fn sum(&self, prefix: &str) -> u64 {
        self.counts
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(_, count)| count)
            .sum()
    }

    /// Adds the counts of another run.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.counts {
            self.add(name.clone(), *count);
        }
    }

    /// Returns the lines of a report.
    pub fn lines(&self) -> Vec<String> {
        self.counts
            .iter()
            .map(|(name, count)| format!("{count:>10}  {name}"))
            .collect()
    }

    /// Returns what must be met over a suite of seeds, and was not.
    pub fn missing(&self) -> Vec<String> {
        let mut wanted: BTreeSet<String> = [
            "acts",
            "acts from paper",
            "acknowledged",
            "copies answered with the same proof",
            "crashes",
            "crashes while writing",
            "disk failures",
            "unsynced writes lost",
            "writes torn",
            "logs of others cut short",
            "clocks set back",
            "partitions",
            "messages lost",
            "messages repeated",
            "messages damaged",
            "frames refused",
            "unresolved, then resolved",
            "reversals by a taking",
            "overtaken acts",
            "foreign roots named",
            "not understood",
            "departments admitted late",
            "takings",
            "rights given back",
            "signing locks lost",
            "old copies restored",
            "old copies restored without a lock",
            "own logs sealed",
            "epochs opened",
            "worlds derived anew",
            "openings contested",
            "contests settled for the new log",
            "contests settled for the old log",
            "entries set aside",
            "forks settled",
            "ranges asked of another",
            "answers that lie",
            "evidence of forks given",
            "evidence of forks kept",
            "branches fetched again",
            "set aside and recorded again",
            "rulesets adopted",
            "alarms: newer ruleset",
            "software upgraded",
            "snapshots of older software set aside",
            "cases under a newer ruleset looked at",
            "forms of a newer ruleset not read",
            "agreed with software that differs",
            "cases not understood until the upgrade",
        ]
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
        wanted.extend(super::hostile::treason_names());
        wanted.extend(FORGED.iter().map(|name| format!("forged: {name}")));
        for code in REFUSALS {
            wanted.insert(format!("refused: {code}"));
        }
        for code in VOIDS {
            wanted.insert(format!("void: {code}"));
        }
        for kind in CaseKind::ALL {
            wanted.insert(format!("case kind: {}", kind.as_str()));
            let Some(table) = table_of(*kind) else { continue };
            for row in table.pairs {
                wanted.insert(row_name(row.first.as_str(), row.second.as_str()));
                if row.race.is_some() {
                    wanted.insert(race_name(row.first.as_str(), row.second.as_str()));
                }
            }
            for rule in table.rules {
                wanted.insert(format!("effective: {}", rule.event.as_str()));
            }
        }
        wanted.into_iter().filter(|name| self.count(name) == 0).collect()
    }
}

/// Returns the name under which a pair row is counted.
pub fn row_name(first: &str, second: &str) -> String {
    format!("row: {first} before {second}")
}

/// Returns the name under which the race-only edge of a row is counted.
pub fn race_name(first: &str, second: &str) -> String {
    format!("race edge: {second} after {first}")
}

/// Frames of strangers that a suite must meet.
const FORGED: &[&str] = &[
    "a checkpoint of a stranger's key",
    "an epoch that was never opened",
    "entries of another log",
    "an entry that was changed",
    "a proof with a hash too many",
    "entries beyond its checkpoint",
    "an entry twice",
    "false lengths",
];

/// Refusals that a suite must meet.
const REFUSALS: &[&str] = &[
    "form",
    "federation",
    "not-hosted",
    "unknown-kind",
    "lines",
    "no-key",
    "no-post",
    "signature",
    "after",
    "no-case",
    "actor",
    "stage",
    "guard",
    "roster",
    "governance",
    "own-log-waits",
    "writes-stopped",
    "newer-ruleset",
];

/// Reasons for being void that a suite must meet.
const VOIDS: &[&str] = &[
    "form",
    "federation",
    "department",
    "registry-hash",
    "lines",
    "no-key",
    "no-post",
    "signature",
    "copy",
    "after",
    "no-case",
    "actor",
    "stage",
    "guard",
    "right-taken",
    "governance",
    "not-registrar",
    "roster",
];
