//! A run, one happening at a time: work under faults, then calm until all agree, then every check.

use super::engine::{Happening, Report, Sim};
use super::hostile::HOSTILE_EVERY;
use super::workload::Workload;

/// A run under way.
pub struct Run {
    /// The world.
    pub sim: Sim,
    workload: Workload,
    /// When the faults stopped, once they did.
    stopped: Option<i64>,
    /// When all agreed first after that.
    converged: Option<i64>,
}

impl Run {
    /// Prepares a run.
    pub fn new(mut sim: Sim) -> Self {
        let workload = Workload::new(&mut sim);
        sim.later(500, Happening::Work);
        sim.later(8_000, Happening::Fault);
        Self {
            sim,
            workload,
            stopped: None,
            converged: None,
        }
    }

    /// Lets the next thing happen; says whether there is more to come.
    pub fn step(&mut self) -> bool {
        let Some(happening) = self.sim.pop() else {
            return false;
        };
        self.sim.tell(|| format!("> {happening}"));
        let working = self.stopped.is_none();
        match happening {
            Happening::Work if working => self.work(),
            Happening::Work => {}
            happening => self.sim.step(happening),
        }
        !self.stopped.is_some_and(|stopped| self.is_quiet(stopped))
    }

    fn work(&mut self) {
        let sim = &mut self.sim;
        self.workload.act(sim);
        let acts = sim.coverage.count("acts");
        let turns = sim.hostile.is_none() && sim.seed % HOSTILE_EVERY == HOSTILE_EVERY - 1;
        if turns && acts >= sim.options.acts / 2 {
            super::hostile::turn(sim);
        }
        super::rulesets::proceed(sim);
        if super::losses::is_to_be_replaced(sim) {
            super::losses::replace_operator(sim);
        }
        if acts >= sim.options.acts {
            self.stopped = Some(sim.now_ms);
            self.calm();
            return;
        }
        let wait = sim.rng.between(100, 1_600);
        sim.later(wait, Happening::Work);
    }

    /// Stops the faults and brings every node back.
    fn calm(&mut self) {
        let sim = &mut self.sim;
        sim.tell(|| "the faults stop".to_owned());
        sim.faulty = false;
        sim.network.calm();
        for node in 0..sim.nodes.len() {
            if sim.nodes[node].disk_failed {
                sim.crash(node);
            }
            if sim.nodes[node].replica.is_none() && !sim.turned(node) {
                sim.start(node);
            }
        }
    }

    /// Says whether all agree and nothing more is said; it must come to that in time.
    fn is_quiet(&mut self, stopped: i64) -> bool {
        let sim = &mut self.sim;
        // People need their time as well.
        let since = sim.now_ms - stopped.max(sim.repair.last_ms);
        match self.converged {
            // Statements about the last acts still go round for a minute or two.
            Some(when) if sim.now_ms - when > TALK_MS && super::checker::converged(sim) => return true,
            Some(_) => {}
            None if super::checker::converged(sim) && super::rulesets::upgrade_all(sim) => {
                // They agreed as far as their software lets them; once all have the newest, they must agree on everything.
                self.stopped = Some(sim.now_ms);
                return false;
            }
            None if super::checker::converged(sim) => {
                let steps = (since + CONVERGED_STEP_MS - 1) / CONVERGED_STEP_MS;
                let seconds = steps * CONVERGED_STEP_MS / 1_000;
                sim.coverage.hit(format!("converged within {seconds} s"));
                self.converged = Some(sim.now_ms);
            }
            None if since > HELD_UP_MS && super::losses::is_held_up(sim) => {
                sim.coverage.hit("nodes held up by a fork");
                super::losses::replace_operator(sim);
                return false;
            }
            None => {}
        }
        let bound = if self.converged.is_none() {
            CONVERGED_WITHIN_MS
        } else {
            QUIET_WITHIN_MS
        };
        let all = sim.now_ms - stopped;
        assert!(
            all < ENDS_WITHIN_MS,
            "liveness: {all} ms after the faults stopped people still act: {}",
            super::checker::differences(sim)
        );
        assert!(
            since < bound,
            "liveness: {since} ms after the faults stopped the nodes differ: {}",
            super::checker::differences(sim)
        );
        false
    }

    /// Makes the checks of the end.
    pub fn finish(mut self) -> Report {
        super::checker::check_end(&mut self.sim);
        Report {
            trace: self.sim.trace(),
            steps: self.sim.steps,
            coverage: self.sim.coverage,
        }
    }
}

/// How long people may go on repairing, however often each of their acts begins the time of the others anew.
const ENDS_WITHIN_MS: i64 = 2 * 60 * 60 * 1_000;
/// How long people look at a node that a fork holds up before they settle it.
const HELD_UP_MS: i64 = 60_000;
/// How long statements may go round once all agree.
const TALK_MS: i64 = 150_000;
/// In what steps the time until then is counted.
const CONVERGED_STEP_MS: i64 = 30_000;

/// How long after the last fault all nodes must agree, in virtual time.
pub const CONVERGED_WITHIN_MS: i64 = 90_000;
/// How long after the last fault no node may have anything left to say.
const QUIET_WITHIN_MS: i64 = 360_000;
