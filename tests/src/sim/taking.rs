//! Takes a right while its holder acts out of the registrar's reach, and gives it back later.

use super::engine::Sim;
use super::workload::{self, give_something, govern, head_at_registrar, next_act};
use tally_schemas::governance::{Change, Right};
use tally_schemas::id::{CaseId, DepartmentId};

/// Takes a right while its holder acts out of the registrar's reach, and gives it back later.
pub struct TakingDrive {
    holder: DepartmentId,
    right: Right,
    phase: u32,
    tries: u32,
    ticket: Option<u64>,
}

impl TakingDrive {
    /// Plans one.
    pub fn plan(sim: &mut Sim) -> Self {
        let registrar = sim.cast.member(&sim.cast.registrar).node;
        let holders: Vec<DepartmentId> = sim
            .cast
            .members
            .values()
            .filter(|member| member.node != registrar && !member.late)
            .map(|member| member.record.id.clone())
            .collect();
        let holder = sim
            .rng
            .pick(&holders)
            .cloned()
            .unwrap_or_else(|| sim.cast.registrar.clone());
        let roles = sim.cast.member(&holder).record.roles.clone();
        let right = match sim.rng.below(10) {
            0 => Right::Membership {
                department: holder.clone(),
            },
            1..4 => {
                let (name, seed) = sim
                    .cast
                    .member(&holder)
                    .administrators
                    .last()
                    .expect("there is one")
                    .clone();
                Right::Administrator {
                    department: holder.clone(),
                    officer: name,
                    key: super::cast::public(&seed),
                }
            }
            _ => {
                let role = *sim.rng.pick(&roles).expect("every department has a role");
                Right::Role {
                    department: holder.clone(),
                    role,
                }
            }
        };
        Self {
            holder,
            right,
            phase: 0,
            tries: 0,
            ticket: None,
        }
    }

    /// Does the next step; says whether it is over.
    pub fn proceed(&mut self, sim: &mut Sim) -> bool {
        self.tries += 1;
        let node = sim.cast.member(&self.holder).node;
        match self.phase {
            0 => {
                let registrar = sim.cast.member(&sim.cast.registrar).node;
                let mut groups: Vec<usize> = (0..sim.nodes.len()).map(|_| sim.chaos.place(2)).collect();
                groups[registrar] = 0;
                groups[node] = 1;
                let long = sim.rng.between(8_000, 20_000);
                sim.part(groups, long);
                sim.parted_until = sim.now_ms + long;
                self.phase = 1;
            }
            1..=6 => {
                self.phase += 1;
                if matches!(self.right, Right::Administrator { .. }) {
                    workload::roster_change_of(sim, &self.holder);
                    return false;
                }
                let Some(replica) = sim.nodes[node].replica.as_ref() else {
                    return false;
                };
                let cases: Vec<CaseId> = replica.world().cases().keys().copied().collect();
                for _ in 0..12 {
                    let Some(case) = sim.rng.pick(&cases).copied() else {
                        break;
                    };
                    if next_act(sim, node, case, Some(&self.holder)) {
                        break;
                    }
                }
            }
            7 => {
                let Some(at) = head_at_registrar(sim, &self.holder) else {
                    return self.tries > 60;
                };
                let mut changes = Vec::new();
                if matches!(self.right, Right::Administrator { .. }) {
                    let (officer, seed) = sim.cast.new_administrator(&self.holder);
                    changes.push(Change::RightGiven(Right::Administrator {
                        department: self.holder.clone(),
                        officer,
                        key: super::cast::public(&seed),
                    }));
                }
                changes.push(Change::RightTaken {
                    right: self.right.clone(),
                    at,
                });
                self.ticket = govern(sim, changes);
                if self.ticket.is_some() {
                    sim.coverage.hit("takings");
                    self.phase = 8;
                }
                return self.tries > 60;
            }
            8..=14 => {
                self.phase += 1;
                let Some(replica) = sim.nodes[node].replica.as_ref() else {
                    return false;
                };
                let cases: Vec<CaseId> = replica.world().cases().keys().copied().collect();
                if let Some(case) = sim.rng.pick(&cases).copied() {
                    next_act(sim, node, case, Some(&self.holder));
                }
            }
            _ => {
                give_something(sim);
                return true;
            }
        }
        false
    }
}
