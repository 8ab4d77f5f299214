//! The command `tally-node`: checks, runs and inspects the daemon of a department, and runs trials of whole federations.

use clap::{Parser, Subcommand};
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tally_ledger::authority::Registry;
use tally_node::api::{Api, Slot, serve};
use tally_node::bus::embedded::EmbeddedNet;
use tally_node::clock::Clock;
use tally_node::config::Settings;
use tally_node::runtime::{Node, check};
use tally_node::store::{DataDir, fsck};
use tally_node::{telemetry, trial};
use tally_schemas::config::CONFIG_EXAMPLE;

/// The daemon of a department in a Tally federation.
#[derive(Debug, Parser)]
#[command(name = "tally-node", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks a configuration with its genesis and keys; opens no store.
    Check {
        /// The configuration file.
        config: PathBuf,
    },
    /// Runs the node until SIGTERM or Ctrl-C.
    Run {
        /// The configuration file.
        config: PathBuf,
    },
    /// Reads everything that a stopped node keeps, and reports damage.
    Fsck {
        /// The configuration file.
        config: PathBuf,
    },
    /// About configuration files.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Runs every node of a trial federation in this process until SIGTERM or Ctrl-C.
    Trial {
        /// The folder that `tally federation create` made.
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Prints every name with its default and its meaning.
    PrintDefault,
}

type Outcome = Result<ExitCode, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Check { config } => check_command(&config),
        Command::Run { config } => run_command(&config),
        Command::Fsck { config } => fsck_command(&config),
        Command::Config {
            command: ConfigCommand::PrintDefault,
        } => say(CONFIG_EXAMPLE.trim_end()).map(|()| ExitCode::SUCCESS),
        Command::Trial { folder } => trial_command(&folder),
    };
    outcome.unwrap_or_else(|error| {
        let mut text = format!("Error: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(&format!("\n  because: {cause}"));
            source = cause.source();
        }
        // Nobody is left to tell when standard error is gone.
        let _told = writeln!(std::io::stderr(), "{text}");
        ExitCode::FAILURE
    })
}

fn say(text: &str) -> Result<(), Box<dyn Error>> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

fn check_command(config: &Path) -> Outcome {
    let settings = Settings::read(config)?;
    let genesis = check(&settings)?;
    let departments: Vec<&str> = settings
        .log_keys
        .keys()
        .map(tally_schemas::id::DepartmentId::as_str)
        .collect();
    say(&format!(
        "Node {} of {}{} hosts {}; configuration, genesis and keys fit.",
        settings.node,
        if genesis.trial { "the trial " } else { "" },
        genesis.name,
        departments.join(", ")
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn run_command(config: &Path) -> Outcome {
    let settings = Settings::read(config)?;
    telemetry::start(settings.log_json);
    if settings.trial {
        return Err("this federation is a trial; run it with `tally-node trial DIR`".into());
    }
    tokio_runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(settings.listen).await?;
        let started = settings.clone();
        // This version has no bus between machines: the node records and serves its own departments, and asks nobody.
        let node = tokio::task::spawn_blocking(move || {
            let net = EmbeddedNet::new();
            Node::start(&started, Clock::wall(), |inbox| net.join(&started.node, inbox))
        })
        .await??;
        tracing::info!(node = %settings.node, address = %settings.listen, "API");
        let slot = Slot::default();
        slot.set(Some(node.shared().clone()));
        let api = Api {
            slot: slot.clone(),
            trial: None,
        };
        let served = serve(listener, api, stop_signal()).await;
        slot.set(None);
        tokio::task::spawn_blocking(move || node.stop()).await?;
        served?;
        Ok(ExitCode::SUCCESS)
    })
}

fn trial_command(folder: &Path) -> Outcome {
    telemetry::start(false);
    tokio_runtime()?.block_on(async {
        trial::run(folder, stop_signal()).await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn fsck_command(config: &Path) -> Outcome {
    let settings = Settings::read(config)?;
    let genesis = std::fs::read(&settings.genesis)?;
    let registry = Registry::found(&genesis)?;
    let version = registry.newest().version;
    let keys = registry
        .departments(version)
        .filter_map(|record| {
            let key = registry.log_key(&record.id)?.clone();
            Some((registry.origin(&record.id), key))
        })
        .collect();
    let data = DataDir::open(&settings.data)?;
    let report = fsck(&data, &keys, &mut |_| {})?;
    for damage in &report.findings {
        say(&damage.to_string())?;
    }
    let counts = report.counts;
    say(&format!(
        "Read {} entries of {} own logs, {} entries of {} logs as files, {} tiles, {} locks, {} parts, {} local records; {} checkpoints verified.",
        counts.own_entries,
        counts.own_logs,
        counts.entries + counts.entries_ahead,
        counts.logs,
        counts.tiles,
        counts.locks,
        counts.parts,
        counts.records,
        counts.signatures
    ))?;
    if report.findings.is_empty() {
        say("No damage found.")?;
        Ok(ExitCode::SUCCESS)
    } else {
        say(&format!("{} files are damaged.", report.findings.len()))?;
        Ok(ExitCode::FAILURE)
    }
}

fn tokio_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Resolves when the operator or the system asks the process to end.
async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            let _asked = interrupt.await;
            return;
        };
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    {
        let _asked = interrupt.await;
    }
}
