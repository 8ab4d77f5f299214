//! Scenarios inside a random run that steer towards what chance rarely meets: every pair row, every kind of event, and
//! rights taken late.

use super::aim::{self, Goal};
use super::engine::Sim;
use super::race::Drive;
use super::taking::TakingDrive;

/// How many rows, and how many kinds, the runs of neighbouring seeds are apart: about as many as one run gets to.
const ROWS_PER_SEED: usize = 7;
const KINDS_PER_SEED: usize = 5;

/// A scenario under way.
pub enum Directed {
    /// A case is driven to a row or a kind of event.
    Drive(Box<Drive>),
    /// A right is taken while its holder acts out of reach.
    Taking(Box<TakingDrive>),
}

/// Chooses the scenarios of a run: rows and kinds take turns over the run and over seeds.
pub struct Director {
    rows: Vec<Goal>,
    kinds: Vec<Goal>,
    row: usize,
    kind: usize,
}

impl Director {
    /// Starts where the seed before is expected to end.
    pub fn new(seed: u64) -> Self {
        let place = usize::try_from(seed % 100_000).expect("small");
        Self {
            rows: aim::rows(),
            kinds: aim::kinds(),
            row: place * ROWS_PER_SEED,
            kind: place * KINDS_PER_SEED,
        }
    }

    /// Plans the next scenario.
    pub fn next(&mut self, sim: &mut Sim) -> Option<Directed> {
        let goal = match sim.rng.below(100) {
            0..18 => return Some(Directed::Taking(Box::new(TakingDrive::plan(sim)))),
            18..65 => {
                self.row += 1;
                self.rows.get(self.row % self.rows.len())
            }
            _ => {
                self.kind += 1;
                self.kinds.get(self.kind % self.kinds.len())
            }
        };
        let drive = Drive::plan(sim, *goal?)?;
        Some(Directed::Drive(Box::new(drive)))
    }
}

impl Directed {
    /// Does the next step; says whether the scenario is over.
    pub fn proceed(&mut self, sim: &mut Sim) -> bool {
        match self {
            Self::Drive(drive) => drive.proceed(sim),
            Self::Taking(drive) => drive.proceed(sim),
        }
    }
}
