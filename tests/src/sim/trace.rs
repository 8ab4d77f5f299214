//! A run on record: every step with what was told at it, and the replay that walks through it.
//!
//! A trace holds no state: a run is its seed, so a replay makes the run again, compares each step with the record, and can show
//! the world at any of them. Where the two differ, the program or the workload is another one than that which was recorded.

use super::cast::START_MS;
use super::engine::{Happening, Options, Sim};
use super::run::Run;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tally_schemas::question::Question;

/// The first words of a trace.
const MAGIC: &str = "tally/sim-trace/v1";

/// What to show of a replay.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The step at which to stop; the last one when not said.
    pub to: Option<u64>,
    /// Whether to wait after each step from there on.
    pub step: bool,
    /// The beginning of the id of a case to show.
    pub case: Option<String>,
}

/// Starts a run whose story is kept.
fn told(seed: u64, options: &Options) -> Run {
    let options = Options {
        verbose: true,
        keep: true,
        ..options.clone()
    };
    Run::new(Sim::new(seed, options))
}

/// Lets one step happen; returns what was told, and whether there is more to come. A panic ends the run.
fn step(run: &mut Run) -> (Vec<String>, Result<bool, String>) {
    let more = catch_unwind(AssertUnwindSafe(|| run.step())).map_err(|panic| super::suite::text_of(&*panic));
    let mut lines = vec![format!(
        "step {} at {} ms",
        run.sim.steps,
        run.sim.now_ms - START_MS
    )];
    if let Some(story) = &mut run.sim.story {
        lines.extend(story.drain(..).map(|line| line.replace('\n', " ")));
    }
    (lines, more)
}

/// Writes the trace of a seed.
///
/// # Errors
/// The file cannot be written, or the run fails: the text of the failure, with the trace up to it.
pub fn record(seed: u64, options: &Options, file: &mut impl Write) -> Result<u64, String> {
    let failed = |error: std::io::Error| format!("the trace cannot be written: {error}");
    writeln!(file, "{MAGIC} seed {seed} acts {}", options.acts).map_err(failed)?;
    let mut run = told(seed, options);
    loop {
        let (lines, more) = step(&mut run);
        writeln!(file, "{}", lines.join("\n  ")).map_err(failed)?;
        match more {
            Ok(true) => {}
            Ok(false) => return Ok(run.sim.steps),
            Err(why) => {
                writeln!(file, "failed: {}", why.replace('\n', "\n  ")).map_err(failed)?;
                return Err(why);
            }
        }
    }
}

/// Walks through a trace again.
///
/// # Errors
/// Text that is no trace, or a step that goes otherwise than recorded.
pub fn replay(
    text: &str,
    view: &View,
    commands: &mut impl BufRead,
    out: &mut impl Write,
) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("nothing can be shown: {error}");
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let words: Vec<&str> = first.split(' ').collect();
    let [MAGIC, "seed", seed, "acts", acts] = words.as_slice() else {
        return Err(format!("a trace begins with {MAGIC}, this begins with {first:?}"));
    };
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
    let options = Options {
        acts: number(acts)?,
        ..Options::default()
    };
    let mut run = told(number(seed)?, &options);
    let mut recorded = rest.lines().peekable();
    let mut view = view.clone();
    loop {
        let (lines, more) = step(&mut run);
        let mut block = Vec::new();
        while let Some(line) = recorded.next_if(|line| block.is_empty() || line.starts_with("  ")) {
            block.push(line.trim_start().to_owned());
        }
        let trimmed: Vec<String> = lines
            .iter()
            .flat_map(|line| line.lines())
            .map(|line| line.trim_start().to_owned())
            .collect();
        if block != trimmed {
            return Err(format!(
                "step {} goes otherwise than recorded, so the program or the workload was changed since\n\
                 recorded:\n  {}\nnow:\n  {}",
                run.sim.steps,
                block.join("\n  "),
                trimmed.join("\n  ")
            ));
        }
        let over = !matches!(more, Ok(true));
        let there = view.to.is_none_or(|to| run.sim.steps >= to);
        if (there && view.to.is_some()) || over {
            writeln!(out, "{}", lines.join("\n  ")).map_err(failed)?;
            show(&run.sim, &view, out).map_err(failed)?;
        }
        if let Err(why) = more {
            writeln!(out, "failed: {why}").map_err(failed)?;
            return Ok(());
        }
        if over || (there && view.to.is_some() && !view.step) {
            return Ok(());
        }
        if view.step && view.to.is_none() {
            writeln!(out, "{}", lines.join("\n  ")).map_err(failed)?;
            show(&run.sim, &view, out).map_err(failed)?;
        }
        if view.step && there && !ask(&mut view, commands, out).map_err(failed)? {
            return Ok(());
        }
    }
}

/// Waits for a command: nothing for the next step, a number to go on to, the beginning of a case's id to show it, q to end.
fn ask(view: &mut View, commands: &mut impl BufRead, out: &mut impl Write) -> std::io::Result<bool> {
    write!(out, "next step: enter; step to go to; case to show; q: ")?;
    out.flush()?;
    let mut line = String::new();
    if commands.read_line(&mut line)? == 0 {
        return Ok(false);
    }
    let word = line.trim();
    match word.parse::<u64>() {
        Ok(to) => view.to = Some(to),
        Err(_) if word == "q" => return Ok(false),
        Err(_) => {
            view.to = None;
            if !word.is_empty() {
                view.case = Some(word.to_owned());
            }
        }
    }
    Ok(true)
}

/// Shows what each node holds, and a case as each node sees it.
fn show(sim: &Sim, view: &View, out: &mut impl Write) -> std::io::Result<()> {
    for (place, node) in sim.nodes.iter().enumerate() {
        let Some(replica) = &node.replica else {
            writeln!(out, "  node-{place}: down")?;
            continue;
        };
        let world = replica.world();
        let logs: Vec<String> = world
            .logs()
            .map(|log| {
                let (department, epoch) = (&log.origin.department, log.origin.epoch);
                format!("{department}/{epoch} {}/{}", log.cursor(), log.size())
            })
            .collect();
        writeln!(
            out,
            "  node-{place}: {} cases; {}",
            world.cases().len(),
            logs.join(", ")
        )?;
        let Some(wanted) = &view.case else { continue };
        for (id, fold) in world.cases() {
            let Some(state) = fold.state().filter(|_| id.to_string().starts_with(wanted)) else {
                continue;
            };
            writeln!(out, "    {} {} of {}", state.kind.as_str(), id, state.owner)?;
            for (number, item) in &state.items {
                writeln!(
                    out,
                    "      item {number}: {} at {}, moved by {}",
                    item.stage.as_str(),
                    item.holder,
                    item.moved_by.0.short()
                )?;
            }
            for fact in &state.facts {
                let (origin, index) = (&fact.entry.origin.department, fact.entry.index);
                let note = if fact.overtaken.is_empty() {
                    ""
                } else {
                    ", overtaken"
                };
                writeln!(out, "      {} at {origin} {index}{note}", fact.kind.as_str())?;
            }
        }
    }
    Ok(())
}

fn tell_question(question: &Question, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    match question {
        Question::Range { origin, start } => {
            write!(
                formatter,
                "for {} of epoch {} from {start}",
                origin.department, origin.epoch
            )
        }
        Question::Heads => formatter.write_str("for heads"),
        Question::Fork { origin } => write!(formatter, "whether {} forked", origin.department),
        Question::Part { .. } => formatter.write_str("for a part"),
    }
}

impl std::fmt::Display for Happening {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Arrives { to, from, bytes } => {
                write!(
                    formatter,
                    "{} bytes arrive at node-{to} from node-{from}",
                    bytes.len()
                )
            }
            Self::Asked(asked) => {
                write!(formatter, "node-{} asks node-{} ", asked.by, asked.peer)?;
                tell_question(&asked.question, formatter)
            }
            Self::Answered(asked, bytes) => {
                match bytes {
                    Some(bytes) => write!(formatter, "{} bytes", bytes.len())?,
                    None => formatter.write_str("no word")?,
                }
                write!(
                    formatter,
                    " of node-{} for node-{} on its question ",
                    asked.peer, asked.by
                )?;
                tell_question(&asked.question, formatter)
            }
            Self::Verified(node, _, results) => {
                write!(
                    formatter,
                    "{} signatures were checked for node-{node}",
                    results.len()
                )
            }
            Self::Written(node, _) => write!(formatter, "the disk of node-{node} is done"),
            Self::Handle(node, _) => write!(formatter, "node-{node} handles what came in"),
            Self::Tick(node, _) => write!(formatter, "time passes at node-{node}"),
            Self::Attack { to, branch, .. } => write!(formatter, "lie {branch} is told to node-{to}"),
            Self::Repair(department) => write!(formatter, "people see to the log of {department}"),
            Self::Work => formatter.write_str("somebody acts"),
            Self::Fault => formatter.write_str("something breaks"),
            Self::Heal(_) => formatter.write_str("the network joins"),
            Self::Start(node) => write!(formatter, "node-{node} is to start"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> String {
        let options = Options {
            acts: 3,
            ..Options::default()
        };
        let mut file = Vec::new();
        record(5, &options, &mut file).expect("the run is clean");
        String::from_utf8(file).expect("a trace is text")
    }

    fn replayed(text: &str, view: &View, commands: &str) -> Result<String, String> {
        let mut out = Vec::new();
        replay(text, view, &mut commands.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn a_replay_goes_as_recorded_and_stops_where_asked() {
        let text = recorded();
        let view = View {
            to: Some(40),
            ..View::default()
        };
        let shown = replayed(&text, &view, "").expect("the same run");
        assert!(shown.starts_with("step 40 at "), "{shown}");
        assert!(shown.contains("node-0: "), "{shown}");
        let view = View { step: true, ..view };
        let shown = replayed(&text, &view, "\n50\nq\n").expect("the same run");
        let steps: Vec<&str> = shown
            .lines()
            .filter_map(|line| {
                line.split("step ")
                    .last()?
                    .split_once(" at ")
                    .map(|(step, _)| step)
            })
            .filter(|step| step.parse::<u64>().is_ok())
            .collect();
        assert_eq!(steps, ["40", "41", "50"], "{shown}");
    }

    #[test]
    fn a_replay_says_where_a_run_goes_otherwise_than_recorded() {
        let text = recorded().replace("step 30 at ", "step 30 at 1");
        let error = replayed(&text, &View::default(), "").expect_err("another run");
        assert!(error.starts_with("step 30 goes otherwise"), "{error}");
    }
}
