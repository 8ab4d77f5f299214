//! Tries damaged bytes on every decoder (`bin/decoders.rs`): none may panic, accept a second form of a value, hold memory out of
//! proportion to its input, or take long (I11). And bytes as the turns of a simulated federation (`bin/actions.rs`).
//!
//! Begins with the golden vectors and the corpus, keeps what reaches new code, and is deterministic for `--inputs` and `--seed`.
//! Run it with `scripts/fuzz`, which adds the coverage counters. A failure is written to `failures/` with the command that
//! replays it; its input belongs into the corpus with the fix.

mod coverage;
mod memory;
mod mutate;
mod targets;

use coverage::Coverage;
use mutate::{Random, mutate};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
pub use targets::{DECODERS, Target};

#[global_allocator]
static MEMORY: memory::Counting = memory::Counting;

/// Bytes held at once per byte of input, beside [`Target::memory_beside`]; a parsed tree and its copies stay far below.
const MEMORY_PER_BYTE: usize = 400;
/// The longest that one input may take, generous for a loaded machine.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Inputs are mostly short, since most faults are; each target sees its longest seed.
const INPUT_BYTES_MAX: usize = 16_384;
const CORPUS_MAX: usize = 4_096;

#[derive(Clone)]
enum Budget {
    Time(Duration),
    Inputs(u64),
}

struct Options {
    budget: Budget,
    seed: u64,
    targets: Vec<&'static Target>,
    save: bool,
    replay: Option<PathBuf>,
}

/// Does what the command line asks for.
pub fn run_command(targets: &'static [Target]) -> ExitCode {
    match options(targets, std::env::args().skip(1)) {
        Ok(Some(options)) => run(&options),
        Ok(None) => {
            for target in targets {
                println!("{}", target.name);
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            eprintln!(
                "hint: --seconds S | --inputs N, --seed S, --target NAME, --save, --list, --replay FILE"
            );
            ExitCode::from(2)
        }
    }
}

fn options(
    targets: &'static [Target],
    mut words: impl Iterator<Item = String>,
) -> Result<Option<Options>, String> {
    let mut options = Options {
        budget: Budget::Time(Duration::from_secs(60)),
        seed: 1,
        targets: Vec::new(),
        save: false,
        replay: None,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--list" => return Ok(None),
            "--seconds" => options.budget = Budget::Time(Duration::from_secs(number(value()?)?)),
            "--inputs" => options.budget = Budget::Inputs(number(value()?)?),
            "--seed" => options.seed = number(value()?)?,
            "--save" => options.save = true,
            "--replay" => options.replay = Some(PathBuf::from(value()?)),
            "--target" => {
                let name = value()?;
                let found = targets.iter().find(|target| target.name == name);
                options
                    .targets
                    .push(found.ok_or_else(|| format!("no target {name}; see --list"))?);
            }
            other => return Err(format!("unknown option {other}")),
        }
    }
    if options.targets.is_empty() {
        options.targets = targets.iter().collect();
    }
    Ok(Some(options))
}

fn run(options: &Options) -> ExitCode {
    if let Some(file) = &options.replay {
        let bytes = match std::fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) => {
                eprintln!("error: {}: {error}", file.display());
                return ExitCode::from(2);
            }
        };
        for target in &options.targets {
            match try_one(target, &bytes) {
                Ok(accepted) => println!(
                    "{}: {}",
                    target.name,
                    if accepted { "accepted" } else { "refused" }
                ),
                Err(why) => {
                    println!("{}: {why}", target.name);
                    return ExitCode::FAILURE;
                }
            }
        }
        return ExitCode::SUCCESS;
    }
    let each = match options.budget {
        Budget::Time(all) => Budget::Time(all / u32::try_from(options.targets.len()).unwrap_or(1)),
        Budget::Inputs(count) => Budget::Inputs(count),
    };
    let mut failed = false;
    for target in &options.targets {
        // Only the message of a failure is wanted, once, from below.
        std::panic::set_hook(Box::new(|_| {}));
        let result = fuzz(target, &each, options);
        drop(std::panic::take_hook());
        match result {
            Ok(told) => println!("{told}"),
            Err(why) => {
                println!("{why}");
                failed = true;
            }
        }
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads the files of a folder, by name; none when there is no such folder.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(list) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = list.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.retain(|path| path.is_file() && path.extension().is_none_or(|extension| extension != "md"));
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for folder in target.seeds {
        let found = files(&home().join("../../schemas").join(folder));
        assert!(
            !found.is_empty(),
            "no seeds for {} in schemas/{folder}",
            target.name
        );
        seeds.extend(found);
    }
    seeds.extend(files(&home().join("corpus").join(target.name)));
    seeds.push(Vec::new());
    seeds
}

fn fuzz(target: &'static Target, budget: &Budget, options: &Options) -> Result<String, String> {
    let began = Instant::now();
    let mut coverage = Coverage::new();
    let mut random = Random::new(options.seed ^ hash(target.name.as_bytes()));
    let mut corpus: Vec<Vec<u8>> = Vec::new();
    let mut found = 0;
    let (mut inputs, mut accepted) = (0u64, 0u64);
    let mut attempt = |bytes: &[u8], coverage: &mut Coverage| -> Result<bool, String> {
        coverage.reset();
        let result = try_one(target, bytes);
        let new = coverage.advance();
        inputs += 1;
        match result {
            Ok(took) => {
                accepted += u64::from(took);
                Ok(new)
            }
            Err(why) => Err(failure(target, bytes, &why)),
        }
    };
    for seed in seeds(target) {
        attempt(&seed, &mut coverage)?;
        if seed.len() <= INPUT_BYTES_MAX {
            corpus.push(seed);
        }
    }
    let mut tried = 0;
    loop {
        match budget {
            Budget::Time(limit) if began.elapsed() >= *limit => break,
            Budget::Inputs(count) if tried >= *count => break,
            Budget::Time(_) | Budget::Inputs(_) => {}
        }
        tried += 1;
        // The newest finds are the most promising.
        let recent = corpus.len().saturating_sub(16);
        let place = match random.below(3) {
            0 => recent + random.below(corpus.len() - recent),
            _ => random.below(corpus.len()),
        };
        let other = random.below(corpus.len());
        let bytes = mutate(&mut random, &corpus[place], &corpus[other], INPUT_BYTES_MAX);
        if attempt(&bytes, &mut coverage)? && corpus.len() < CORPUS_MAX {
            if options.save {
                save(&home().join("corpus").join(target.name), &bytes);
            }
            found += 1;
            corpus.push(bytes);
        }
    }
    let guided = match coverage.places() {
        0 => "without coverage".to_owned(),
        _ => format!("{} places reached", coverage.reached()),
    };
    let rate = inputs * 1_000 / u64::try_from(began.elapsed().as_millis()).unwrap_or(1).max(1);
    Ok(format!(
        "{:<11} ok: {inputs} inputs ({rate}/s), {accepted} accepted, {found} reached new code, {guided}",
        target.name
    ))
}

/// Tries one input; returns whether anything was accepted, or what went wrong.
fn try_one(target: &Target, bytes: &[u8]) -> Result<bool, String> {
    let began = Instant::now();
    let (result, peak) = memory::peak_of(|| catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))));
    let accepted = result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text
            .or(panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        format!("panicked: {text}")
    })?;
    let limit = bytes.len() * MEMORY_PER_BYTE + target.memory_beside;
    if peak > limit {
        return Err(format!(
            "held {peak} bytes for {} of input, the limit is {limit}",
            bytes.len()
        ));
    }
    let took = began.elapsed();
    if took > TIME_MAX {
        return Err(format!("took {took:?} for {} bytes", bytes.len()));
    }
    Ok(accepted)
}

fn failure(target: &Target, bytes: &[u8], why: &str) -> String {
    let path = save(&home().join("failures"), bytes);
    let shown: String = why.chars().take(600).collect();
    format!(
        "{:<11} FAILED: {shown}\n  replay: scripts/fuzz --target {} --replay {}",
        target.name,
        target.name,
        path.display()
    )
}

/// Writes an input under the hash of its bytes; returns the path.
fn save(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join(format!("{:016x}", hash(bytes)));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, bytes))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

/// FNV-1a, for names of files and seeds only.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(run: fn(&[u8]) -> bool) -> Target {
        Target {
            name: "planted",
            memory_beside: 1 << 20,
            seeds: &[],
            run,
        }
    }

    #[test]
    fn finds_a_panic_a_hunger_and_nothing_else() {
        let panics = target(|bytes| bytes[0] == 1);
        assert!(try_one(&panics, &[]).unwrap_err().contains("index out of bounds"));
        assert_eq!(try_one(&panics, &[1]), Ok(true));
        let hungry = target(|bytes| bytes.len() > 4 && vec![1u8; 100 << 20].len() > 5);
        assert!(try_one(&hungry, b"12345").unwrap_err().contains("held"));
        assert_eq!(try_one(&hungry, b"1234"), Ok(false));
    }

    #[test]
    fn finds_a_planted_fault_and_writes_the_input() {
        static PLANTED: Target = Target {
            name: "planted",
            memory_beside: 1 << 20,
            seeds: &["vectors/statement"],
            run: |bytes| {
                assert!(!bytes.ends_with(b"\n\n\n"), "planted");
                false
            },
        };
        let options = options(&[], std::iter::empty()).unwrap().unwrap();
        let told = fuzz(&PLANTED, &Budget::Inputs(200_000), &options).unwrap_err();
        let (_, path) = told.split_once("--replay ").unwrap();
        let bytes = std::fs::read(path).unwrap();
        assert!(try_one(&PLANTED, &bytes).unwrap_err().contains("planted"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_same_seed_damages_alike() {
        let damage = |seed| {
            let mut random = Random::new(seed);
            (0..200)
                .map(|_| mutate(&mut random, b"index 1\nprev 2\n", b"other", 64))
                .collect::<Vec<_>>()
        };
        assert_eq!(damage(5), damage(5));
        assert_ne!(damage(5), damage(6));
    }
}
