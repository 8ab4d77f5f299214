//! Drives one case along a route, parts the hosts of the sides, and lets each side act on what it sees.

use super::aim::{Goal, Route};
use super::engine::Sim;
use super::workload::{Plan, acts_on, id_of, next_act, opener, send, state_of, write};
use std::collections::VecDeque;
use tally_ledger::replica::Family;
use tally_schemas::event::{EventKind, Source};
use tally_schemas::id::{CaseId, DepartmentId, EventId};

/// After how many steps a scenario gives up.
const STEPS_MAX: u32 = 80;
/// How often it looks for sides that can act apart before it begins anew.
const SIDES_TRIED_MAX: u32 = 18;
/// How often it begins anew with another case.
const RESTARTS_MAX: u32 = 2;

/// An act that was submitted and not yet seen recorded.
#[derive(Debug, Clone, Copy)]
struct Sent {
    event: EventId,
    ticket: u64,
}

/// What became of an act.
enum Fate {
    Recorded,
    Waits,
    /// Refused: as an own act, perhaps, by a rule of the law.
    Refused,
    Lost,
}

impl Sent {
    fn fate(self, sim: &mut Sim) -> Fate {
        if sim.acknowledged.iter().any(|held| held.event == self.event) {
            Fate::Recorded
        } else if let Some(refusal) = sim.refused.remove(&self.ticket) {
            if refusal.family == Family::Refused {
                Fate::Refused
            } else {
                Fate::Lost
            }
        } else if sim.tickets.contains_key(&self.ticket) {
            Fate::Waits
        } else {
            Fate::Lost
        }
    }
}

/// One side of a race.
#[derive(Debug)]
struct Side {
    node: usize,
    by: DepartmentId,
    todo: VecDeque<EventKind>,
    sent: Option<Sent>,
    source: Source,
}

/// A race under way.
#[derive(Debug)]
struct Race {
    sides: Vec<Side>,
    until: i64,
}

/// A drive along a route.
pub struct Drive {
    goal: Goal,
    way: VecDeque<EventKind>,
    ends: Vec<Vec<EventKind>>,
    case: Option<CaseId>,
    sent: Option<Sent>,
    source: Source,
    steps: u32,
    tried: u32,
    restarts: u32,
    race: Option<Race>,
}

impl Drive {
    /// Plans a drive; none when nothing leads to the goal.
    pub fn plan(sim: &mut Sim, goal: Goal) -> Option<Self> {
        let Route { way, sides } = goal.route(&mut sim.rng)?;
        Some(Self {
            goal,
            way: way.into(),
            ends: sides,
            case: None,
            sent: None,
            source: Source::Own,
            steps: 0,
            tried: 0,
            restarts: 0,
            race: None,
        })
    }

    /// Does the next step; says whether the drive is over.
    pub fn proceed(&mut self, sim: &mut Sim) -> bool {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return self.give_up(sim);
        }
        if self.race.is_some() {
            return self.race_on(sim);
        }
        if self.steps.is_multiple_of(10) {
            sim.network.heal();
        }
        if let Some(sent) = self.sent {
            match sent.fate(sim) {
                Fate::Recorded => {
                    self.case.get_or_insert(sent.event);
                    self.way.pop_front();
                    self.source = Source::Own;
                }
                Fate::Waits => return false,
                // What the law forbids as an own act is still recorded from paper.
                Fate::Refused => self.source = Source::Paper,
                Fate::Lost => {}
            }
            self.sent = None;
        }
        if let Some(kind) = self.way.front().copied() {
            self.walk(sim, kind);
            return false;
        }
        self.tried += 1;
        if self.tried > SIDES_TRIED_MAX {
            if self.restarts >= RESTARTS_MAX {
                return self.give_up(sim);
            }
            // Others may open it, with others to answer, on other hosts.
            let Some(again) = Self::plan(sim, self.goal) else {
                return self.give_up(sim);
            };
            let restarts = self.restarts + 1;
            *self = Self { restarts, ..again };
            return false;
        }
        self.begin(sim);
        false
    }

    fn give_up(&self, sim: &mut Sim) -> bool {
        sim.coverage.hit("scenarios abandoned");
        sim.tell(|| {
            let left: Vec<&str> = self.way.iter().map(|kind| kind.as_str()).collect();
            let race = self.race.as_ref().map(|race| {
                let todo = |side: &Side| side.todo.iter().map(|kind| kind.as_str()).collect::<Vec<_>>();
                race.sides.iter().map(todo).collect::<Vec<_>>()
            });
            let steps = self.steps;
            format!(
                "gave up at step {steps}: {}: still {left:?}, race {race:?}",
                self.goal
            )
        });
        true
    }

    fn walk(&mut self, sim: &mut Sim, kind: EventKind) {
        let plan = match self.case {
            None => opener(sim, kind).map(|by| Plan {
                by,
                kind,
                state: None,
                items: Vec::new(),
                all_items: true,
                source: self.source,
            }),
            Some(case) => able(sim, case, kind, self.source)
                .into_iter()
                .next()
                .map(|(_, plan)| plan),
        };
        self.sent = plan.and_then(|plan| submit(sim, &plan));
    }

    /// Finds departments on different hosts that can do what the sides begin with, and parts them.
    fn begin(&mut self, sim: &mut Sim) {
        let Some(case) = self.case else { return };
        let mut found: Vec<Vec<(usize, Plan)>> = Vec::new();
        for end in &self.ends {
            let Some(kind) = end.first() else { return };
            found.push(able(sim, case, *kind, Source::Own));
        }
        let Some(places) = apart(&found) else { return };
        let chosen: Vec<Side> = places
            .into_iter()
            .zip(&self.ends)
            .map(|((node, by), end)| Side {
                node,
                by,
                todo: end.iter().copied().collect(),
                sent: None,
                source: Source::Own,
            })
            .collect();
        let mut until = sim.now_ms;
        if chosen.len() > 1 {
            let mut groups: Vec<usize> = (0..sim.nodes.len())
                .map(|_| sim.chaos.place(chosen.len()))
                .collect();
            for (place, side) in chosen.iter().enumerate() {
                groups[side.node] = place;
            }
            let long = sim.rng.between(8_000, 20_000);
            sim.part(groups, long);
            until += long;
            sim.parted_until = until;
        }
        self.race = Some(Race { sides: chosen, until });
        self.race_on(sim);
    }

    /// Lets each side go on with its own acts; afterwards life goes on until the network joins again.
    fn race_on(&mut self, sim: &mut Sim) -> bool {
        let (Some(race), Some(case)) = (&mut self.race, self.case) else {
            return true;
        };
        let apart = race.sides.len() > 1;
        let mut busy = false;
        for side in &mut race.sides {
            side.proceed(sim, case);
            busy |= !side.todo.is_empty();
        }
        if busy {
            if apart && sim.now_ms >= race.until {
                return self.give_up(sim);
            }
            return false;
        }
        if !apart || sim.now_ms >= race.until {
            sim.coverage.hit("scenarios done");
            return true;
        }
        let places: Vec<usize> = race.sides.iter().map(|side| side.node).collect();
        if sim.rng.chance(60)
            && let Some(node) = sim.rng.pick(&places).copied()
            && let Some(by) = sim.rng.pick(&sim.cast.hosted(node)).cloned()
        {
            next_act(sim, node, case, Some(&by));
        }
        false
    }
}

impl Side {
    fn proceed(&mut self, sim: &mut Sim, case: CaseId) {
        if let Some(sent) = self.sent {
            match sent.fate(sim) {
                Fate::Recorded => drop(self.todo.pop_front()),
                Fate::Waits => return,
                Fate::Refused => self.source = Source::Paper,
                Fate::Lost => {}
            }
            self.sent = None;
        }
        let Some(kind) = self.todo.front().copied() else {
            return;
        };
        let mine = able(sim, case, kind, self.source)
            .into_iter()
            .find(|(node, plan)| *node == self.node && plan.by == self.by);
        self.sent = mine.and_then(|(_, plan)| submit(sim, &plan));
    }
}

/// Picks one from each list so that all are of different departments on different nodes.
fn apart(found: &[Vec<(usize, Plan)>]) -> Option<Vec<(usize, DepartmentId)>> {
    let Some((first, rest)) = found.split_first() else {
        return Some(Vec::new());
    };
    for (node, plan) in first {
        let others: Vec<Vec<(usize, Plan)>> = rest
            .iter()
            .map(|list| {
                let fits = |(other, theirs): &&(usize, Plan)| other != node && theirs.by != plan.by;
                list.iter().filter(fits).cloned().collect()
            })
            .collect();
        if let Some(mut chosen) = apart(&others) {
            chosen.insert(0, (*node, plan.by.clone()));
            return Some(chosen);
        }
    }
    None
}

/// Who can do a thing now, each on the view of its own host; in random order.
fn able(sim: &mut Sim, case: CaseId, kind: EventKind, source: Source) -> Vec<(usize, Plan)> {
    let mut found = Vec::new();
    for node in 0..sim.nodes.len() {
        let Some(state) = state_of(sim, node, &case) else {
            continue;
        };
        let own = sim.cast.hosted(node);
        for act in acts_on(sim, node, &case)
            .into_iter()
            .filter(|act| act.kind == kind)
        {
            for by in act.by.iter().filter(|by| own.contains(by)) {
                let plan = Plan {
                    by: by.clone(),
                    kind,
                    state: Some(state.clone()),
                    items: act.items.clone(),
                    all_items: true,
                    source,
                };
                found.push((node, plan));
            }
        }
    }
    sim.rng.shuffle(&mut found);
    found
}

fn submit(sim: &mut Sim, plan: &Plan) -> Option<Sent> {
    let note = write(sim, plan)?;
    let event = id_of(&note)?;
    let ticket = send(sim, &plan.by, note)?;
    Some(Sent { event, ticket })
}
