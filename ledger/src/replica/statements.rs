//! What a node attests by itself: arrivals, heads, forks. A statement never causes another.

use super::{ANNOUNCE_EVERY_MS, Alarm, HEADS_EVERY_MS, Output, Refusal, Replica};
use crate::cases::fold::LogNo;
use crate::world::Payload;
use tally_schemas::id::{DepartmentId, Hash, Origin};
use tally_schemas::limits::HEADS_PER_ENTRY_MAX;
use tally_schemas::statement::{STATEMENT_LINES_MAX, Statement};
use tally_schemas::time::Timestamp;

impl Replica {
    /// Lets time pass: states arrivals at once, heads at most once a minute, and announces own heads on the bus.
    pub(super) fn tick(&mut self, now: Timestamp) {
        if self.failed.is_some() {
            return;
        }
        self.settle();
        self.ask_about_forks(now);
        self.ask_beyond_ends(now);
        self.ask_for_what_is_named();
        self.state_waiting();
        let hosted: Vec<DepartmentId> = self.hosted.iter().cloned().collect();
        for department in &hosted {
            let Some(number) = self.world.number(department) else {
                continue;
            };
            if !self.is_signed_here(number) || self.world.waits_for(number).is_some() {
                continue;
            }
            self.state_arrivals(now, number, department);
            self.state_heads(now, number);
        }
        let due = passed(self.announced, now, ANNOUNCE_EVERY_MS);
        if due {
            self.announced = Some(now);
            self.announce(&hosted);
        }
    }

    fn state_arrivals(&mut self, now: Timestamp, number: LogNo, department: &DepartmentId) {
        let arrived = self.world.unreceived(department);
        for ids in arrived.chunks(STATEMENT_LINES_MAX) {
            let result = self.append_statement(now, number, &Statement::Arrivals(ids.to_vec()));
            self.report(number, result);
        }
    }

    fn state_heads(&mut self, now: Timestamp, number: LogNo) {
        let due = passed(self.stated.get(&number).copied(), now, HEADS_EVERY_MS);
        if !due {
            return;
        }
        let heads = self.named_heads(&self.advanced_logs(number, true));
        if heads.is_empty() {
            return;
        }
        self.stated.insert(number, now);
        for part in heads.chunks(STATEMENT_LINES_MAX) {
            let result = self.append_statement(now, number, &Statement::Heads(part.to_vec()));
            self.report(number, result);
        }
    }

    /// Returns the logs whose resolved heads this one does not cover yet; by acts alone, or by anything.
    pub(super) fn advanced_logs(&self, number: LogNo, by_acts: bool) -> Vec<LogNo> {
        let Some(own) = self.world.log_at(number) else {
            return Vec::new();
        };
        let covered = self.world.foreign(number, own.size());
        self.world
            .logs()
            .filter_map(|log| self.world.number_of_log(&log.origin).map(|other| (other, log)))
            .filter(|(other, log)| {
                let reached = if by_acts { log.acts_upto() } else { log.cursor() };
                *other != number && reached > covered.size(*other)
            })
            .map(|(other, _)| other)
            .collect()
    }

    /// Appends a statement to an own log.
    pub(super) fn append_statement(
        &mut self,
        now: Timestamp,
        number: LogNo,
        statement: &Statement,
    ) -> Result<u64, Refusal> {
        // Arrivals carry the heads under which the events stand, so that what arrived lies in the past from here on.
        let heads = match statement {
            Statement::Arrivals(ids) => {
                let mut logs: Vec<LogNo> = ids
                    .iter()
                    .flat_map(|id| self.world.places(id))
                    .map(|(log, _)| log)
                    .collect();
                logs.sort_unstable();
                logs.dedup();
                logs.retain(|log| *log != number);
                logs.truncate(HEADS_PER_ENTRY_MAX);
                self.named_heads(&logs)
            }
            Statement::Heads(_) | Statement::Fork { .. } => Vec::new(),
        };
        let header = self.plain_header(now, number, heads)?;
        let parsed = Payload::Statement(statement.clone());
        let index = self.append(number, header, statement.to_text(), parsed)?;
        self.settle();
        Ok(index)
    }

    /// Asks for what others name and nobody sent: the node of that log may be gone, or its last frames lost.
    fn ask_for_what_is_named(&mut self) {
        for number in self.world.wanted() {
            let Some(log) = self.world.log_at(number).filter(|log| log.stopped.is_none()) else {
                continue;
            };
            self.outputs.push(Output::Want {
                origin: Origin::clone(&log.origin),
                start: log.size(),
            });
        }
        // A log of an epoch that is over is announced by nobody any more; one that is contested is known well enough.
        for origin in self.world.wanted_unknown() {
            if !self.is_contested(&origin) {
                self.outputs.push(Output::Want { origin, start: 0 });
            }
        }
    }

    /// States a fork in every own log, so that the evidence has a date.
    pub(super) fn state_fork(&mut self, origin: &Origin, size: u64, held: Hash, other: Hash) {
        let fork = Statement::Fork {
            origin: origin.clone(),
            size,
            held,
            other,
        };
        let hosted = self
            .hosted
            .iter()
            .filter(|department| **department != origin.department);
        for number in hosted.filter_map(|department| self.world.number(department)) {
            self.unstated.push((number, fork.clone()));
        }
        self.state_waiting();
    }

    /// Appends statements that were held back: nothing is appended to an own log that waits for what it named itself.
    fn state_waiting(&mut self) {
        if self.failed.is_some() {
            return;
        }
        for (number, statement) in std::mem::take(&mut self.unstated) {
            if !self.is_signed_here(number) {
                continue;
            }
            if self.world.waits_for(number).is_some() {
                self.unstated.push((number, statement));
                continue;
            }
            let now = self
                .world
                .log_at(number)
                .map(crate::world::Log::last_recorded)
                .unwrap_or_default();
            let result = self.append_statement(now, number, &statement);
            self.report(number, result);
        }
    }

    fn announce(&mut self, hosted: &[DepartmentId]) {
        for department in hosted {
            let Some(checkpoint) = self.checkpoint(department) else {
                continue;
            };
            let (origin, size) = (checkpoint.origin().clone(), checkpoint.head().size);
            self.publish(&origin, size, Vec::new());
        }
    }

    fn report(&mut self, number: LogNo, result: Result<u64, Refusal>) {
        if let Err(refusal) = result {
            let origin = self
                .world
                .log_at(number)
                .map(|log| log.origin.to_string())
                .unwrap_or_default();
            self.alarm(Alarm::FrameRefused {
                origin,
                why: format!("statement not appended: {refusal}"),
            });
        }
    }
}

/// Says whether so much time has passed since something was done last; a clock that was set back silences nothing.
pub(super) fn passed(last: Option<Timestamp>, now: Timestamp, every_ms: i64) -> bool {
    last.is_none_or(|last| {
        let since = now.as_ms() - last.as_ms();
        since < 0 || since >= every_ms
    })
}
