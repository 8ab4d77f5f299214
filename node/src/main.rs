//! The command `tally-node`: checks, runs and inspects the daemon of a department, and runs trials of whole federations.

use clap::{Parser, Subcommand};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tally_ledger::authority::Registry;
use tally_ledger::cases::RULESET;
use tally_node::api::{Api, Slot, serve};
use tally_node::bus::embedded::EmbeddedNet;
use tally_node::bus::nats::server::{ServerPlan, is_user_key, server_config};
use tally_node::bus::nats::{NatsBus, Switch, make_key};
use tally_node::clock::Clock;
use tally_node::config::{BusSettings, Settings};
use tally_node::refill::{self, give_up, refill};
use tally_node::runtime::{Node, StartError, check, ruleset_kept};
use tally_node::store::{DataDir, KnownKeys, fsck};
use tally_node::trial::single::Single;
use tally_node::trial::{Levers, processes};
use tally_node::{telemetry, trial};
use tally_schemas::config::CONFIG_EXAMPLE;
use tally_schemas::id::{DepartmentId, NodeId, Origin};

/// Many small pieces of memory live for as long as one event is on its way: with the allocator of the system they were a quarter of the
/// time of the thread that owns the state.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
        /// Ends the node also when standard input ends, so that it does not outlive who started it.
        #[arg(long)]
        while_stdin: bool,
    },
    /// Reads everything that a stopped node keeps, and reports damage.
    Fsck {
        /// The configuration file.
        config: PathBuf,
    },
    /// Writes the own logs of a stopped node again that lost their end, up to what their signing locks say was signed.
    Refill {
        /// The configuration file.
        config: PathBuf,
        /// Only the log of this department.
        #[arg(long)]
        department: Option<String>,
        /// A copy of the log, as `tally log export` makes it at another node, for what the own files lack; needs --department.
        #[arg(long, value_name = "DIR", requires = "department")]
        from: Option<PathBuf>,
        /// When nobody has all that was signed: sets the signing lock aside, so that the node starts, never signs in this epoch again, and the
        /// department's administrator can open the next; needs --department.
        #[arg(long, requires = "department", conflicts_with = "from")]
        give_up: bool,
    },
    /// About configuration files.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Runs every node of a trial federation until SIGTERM or Ctrl-C: in this process, or in one each when they are on NATS.
    Trial {
        /// The folder that `tally federation create` made.
        folder: PathBuf,
    },
    /// About NATS servers between nodes.
    Nats {
        #[command(subcommand)]
        command: NatsCommand,
    },
}

#[derive(Debug, Subcommand)]
enum NatsCommand {
    /// Makes the NKey of a node's user: writes its seed to a new file, and prints its public key.
    Key {
        /// The new file.
        file: PathBuf,
    },
    /// Prints the configuration of a server: one user per node, with the rights that it needs and no more.
    ServerConfig {
        /// The genesis note of the federation.
        #[arg(long)]
        genesis: PathBuf,
        /// The public key of a node's user, once for each node: `hall=UA..`.
        #[arg(long = "user", value_name = "NODE=KEY", required = true)]
        users: Vec<String>,
        /// A department that governance admitted later, and the node that hosts it, once for each: `water=hall`.
        #[arg(long = "department", value_name = "DEPARTMENT=NODE")]
        departments: Vec<String>,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Puts the nodes of a trial folder on NATS: makes their keys, extends their configurations, writes `nats-server.conf`.
    Trial {
        /// The folder that `tally federation create` made.
        folder: PathBuf,
        #[command(flatten)]
        server: ServerArguments,
    },
}

#[derive(Debug, clap::Args)]
struct ServerArguments {
    /// The address on which the server listens.
    #[arg(long, default_value = "127.0.0.1:4222")]
    listen: SocketAddr,
    /// The storage folder of the server.
    #[arg(long)]
    store: PathBuf,
    /// Lets the server sync each message; servers before 2.10 refuse this.
    #[arg(long)]
    sync_always: bool,
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
        Command::Run { config, while_stdin } => run_command(&config, while_stdin),
        Command::Fsck { config } => fsck_command(&config),
        Command::Config {
            command: ConfigCommand::PrintDefault,
        } => say(CONFIG_EXAMPLE.trim_end()).map(|()| ExitCode::SUCCESS),
        Command::Trial { folder } => trial_command(&folder),
        Command::Refill {
            config,
            department,
            from,
            give_up,
        } => refill_command(&config, department.as_deref(), from.as_deref(), give_up),
        Command::Nats { command } => nats_command(&command),
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
        "Node {} of {}{} hosts {}; configuration, genesis and keys fit.{}",
        settings.node,
        if genesis.trial { "the trial " } else { "" },
        genesis.name,
        departments.join(", "),
        match &settings.bus {
            BusSettings::Embedded => "\nIt asks nobody: bus.kind is embedded.".to_owned(),
            BusSettings::Nats(nats) if nats.nkey.is_none() && nats.credentials.is_none() =>
                "\nIt shows the NATS servers no key: they must let anybody in.".to_owned(),
            BusSettings::Nats(nats) =>
                format!("\nIt reaches the others through {}.", nats.servers.join(", ")),
        }
    ))?;
    let ruleset = ruleset_kept(&settings)?;
    if ruleset > RULESET {
        say(&format!(
            "Warning: ruleset {ruleset} is in force, this software holds {RULESET}: cases opened under it are kept and passed on, not understood. Update the software of this node."
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How long a node waits for the bus before it goes on without.
const BUS_PATIENCE: Duration = Duration::from_secs(5);

fn run_command(config: &Path, while_stdin: bool) -> Outcome {
    let settings = Settings::read(config)?;
    telemetry::start(settings.log_json);
    let genesis = check(&settings)?;
    let slot = Slot::default();
    let switch = Switch::default();
    let (clock, trial) = if settings.trial {
        if settings.bus == BusSettings::Embedded {
            return Err(
                "this federation is a trial on an embedded bus; run it with `tally-node trial DIR`".into(),
            );
        }
        let beside = settings.genesis.parent().unwrap_or(Path::new("."));
        let clock = Clock::trial(&beside.join("clock"), genesis.created)?;
        let levers: Arc<dyn Levers> = Arc::new(Single {
            node: settings.node.clone(),
            clock: clock.clone(),
            switch: switch.clone(),
            slot: slot.clone(),
        });
        (clock, Some(levers))
    } else {
        (Clock::wall(), None)
    };
    tokio_runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(settings.listen).await?;
        let started = settings.clone();
        let node = tokio::task::spawn_blocking(move || start(&started, clock, &switch)).await??;
        tracing::info!(node = %settings.node, address = %settings.listen, "API");
        slot.set(Some(node.shared().clone()));
        let api = Api {
            slot: slot.clone(),
            trial,
        };
        let stop = async move {
            if while_stdin {
                tokio::select! {
                    () = stop_signal() => {}
                    () = end_of_stdin() => {}
                }
            } else {
                stop_signal().await;
            }
        };
        let served = serve(listener, api, stop).await;
        slot.set(None);
        tokio::task::spawn_blocking(move || node.stop()).await?;
        served?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Starts a node on the bus that its configuration names.
fn start(settings: &Settings, clock: Clock, switch: &Switch) -> Result<Node, StartError> {
    match &settings.bus {
        // A node alone in its process: it records and serves its own departments, and asks nobody.
        BusSettings::Embedded => {
            let net = EmbeddedNet::new();
            Node::start(settings, clock, |inbox, _| Ok(net.join(&settings.node, inbox)))
        }
        BusSettings::Nats(servers) => Node::start(settings, clock, |inbox, own| {
            NatsBus::join(servers, &settings.node, own, switch, BUS_PATIENCE, inbox)
        }),
    }
}

fn trial_command(folder: &Path) -> Outcome {
    telemetry::start(false);
    let separate = processes::wants_processes(folder)?;
    tokio_runtime()?.block_on(async {
        if separate {
            processes::run(folder, stop_signal()).await?;
        } else {
            trial::run(folder, stop_signal()).await?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn nats_command(command: &NatsCommand) -> Outcome {
    match command {
        NatsCommand::Key { file } => say(&make_key(file)?)?,
        NatsCommand::ServerConfig {
            genesis,
            users,
            departments,
            server,
        } => {
            let registry = Registry::found(&std::fs::read(genesis)?)?;
            let mut hosted = registry
                .genesis()
                .departments
                .iter()
                .map(|of| (of.id.clone(), of.node.clone()))
                .collect::<BTreeMap<_, _>>();
            for department in departments {
                let (id, node) = department
                    .split_once('=')
                    .ok_or_else(|| format!("--department is {department}, expected DEPARTMENT=NODE"))?;
                hosted.insert(DepartmentId::parse(id)?, NodeId::parse(node)?);
            }
            let mut keys = BTreeMap::new();
            for user in users {
                let (node, key) = user
                    .split_once('=')
                    .filter(|(_, key)| is_user_key(key))
                    .ok_or_else(|| format!("--user is {user}, expected NODE=KEY with a public key U.."))?;
                let node = NodeId::parse(node)?;
                if registry.node(&node).is_none() {
                    return Err(format!("the genesis has no node {node}").into());
                }
                keys.insert(node, key.to_owned());
            }
            if let Some((department, node)) = hosted.iter().find(|(_, node)| !keys.contains_key(*node)) {
                return Err(format!("{department} is on {node}, which has no --user").into());
            }
            let plan = server.plan(keys, hosted);
            say(server_config(registry.federation(), &plan).trim_end())?;
        }
        NatsCommand::Trial { folder, server } => {
            let path = trial_on_nats(folder, server)?;
            say(&format!("Wrote {}.", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl ServerArguments {
    fn plan(
        &self,
        users: BTreeMap<NodeId, String>,
        departments: BTreeMap<DepartmentId, NodeId>,
    ) -> ServerPlan<'_> {
        ServerPlan {
            departments,
            listen: self.listen,
            store: &self.store,
            sync_always: self.sync_always,
            users,
        }
    }
}

/// Puts the nodes of a trial folder on NATS; returns the configuration of the server.
fn trial_on_nats(folder: &Path, server: &ServerArguments) -> Result<PathBuf, Box<dyn Error>> {
    let registry = Registry::found(&std::fs::read(folder.join("genesis.note"))?)?;
    let mut keys = BTreeMap::new();
    for node in &registry.genesis().nodes {
        let config = folder.join(format!("nodes/{}.toml", node.id));
        let settings = Settings::read(&config)?;
        if !settings.trial {
            return Err("this federation is no trial; make keys and configuration one by one".into());
        }
        let text = std::fs::read_to_string(&config)?;
        if text.parse::<toml::Table>()?.contains_key("bus") {
            return Err(format!("{} names a bus already", config.display()).into());
        }
        let seed = format!("bus-{}.nk", node.id);
        keys.insert(node.id.clone(), make_key(&folder.join("keys").join(&seed))?);
        let table = format!(
            "\n[bus]\nkind = \"nats\"\nservers = [\"nats://{}\"]\nnkey = \"../keys/{seed}\"\n",
            server.listen
        );
        std::fs::write(&config, text + &table)?;
    }
    let path = folder.join("nats-server.conf");
    let departments = &registry.genesis().departments;
    let hosted = departments.iter().map(|of| (of.id.clone(), of.node.clone()));
    let plan = server.plan(keys, hosted.collect());
    std::fs::write(&path, server_config(registry.federation(), &plan))?;
    Ok(path)
}

fn fsck_command(config: &Path) -> Outcome {
    let settings = with_data(config)?;
    let genesis = std::fs::read(&settings.genesis)?;
    let registry = Registry::found(&genesis)?;
    let data = DataDir::open(&settings.data)?;
    let report = fsck(&data, KnownKeys::of(registry), &mut |_| {})?;
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
    if counts.signatures_unchecked > 0 {
        say(&format!(
            "{} checkpoints are of logs whose key nothing in this folder names: their signatures were not verified.",
            counts.signatures_unchecked
        ))?;
    }
    if report.findings.is_empty() {
        say("No damage found.")?;
        Ok(ExitCode::SUCCESS)
    } else {
        say(&format!("{} files are damaged.", report.findings.len()))?;
        Ok(ExitCode::FAILURE)
    }
}

fn refill_command(config: &Path, department: Option<&str>, from: Option<&Path>, gives_up: bool) -> Outcome {
    let settings = with_data(config)?;
    let registry = Registry::found(&std::fs::read(&settings.genesis)?)?;
    let department = department.map(DepartmentId::parse).transpose()?;
    if let Some(department) = department.as_ref().filter(|_| gives_up) {
        let (origin, outcome) = give_up(&settings, &registry, department)?;
        say(&refilled(&origin, &outcome))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut lines = Vec::new();
    let outcome = refill(
        &settings,
        &registry,
        department.as_ref(),
        from,
        &mut |origin, done| lines.push(refilled(origin, done)),
    );
    for line in &lines {
        say(line)?;
    }
    outcome?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the configuration of a node that has a data folder already: to check another one would find no damage in nothing.
fn with_data(config: &Path) -> Result<Settings, Box<dyn Error>> {
    let settings = Settings::read(config)?;
    if settings.data.is_dir() {
        Ok(settings)
    } else {
        let folder = settings.data.display();
        Err(format!(
            "there is no data folder {folder}; is the disk mounted, and `data` in {} right?",
            config.display()
        )
        .into())
    }
}

/// Says what became of one own log.
fn refilled(origin: &Origin, outcome: &refill::Outcome) -> String {
    match outcome {
        refill::Outcome::Whole { entries } => {
            format!("{origin}: nothing to do, its {entries} entries, the signing lock and the files agree.")
        }
        refill::Outcome::Refilled(refilled) => format!(
            "{origin}: written again up to the signing lock, {} entries; {} local records were kept.{}",
            refilled.entries,
            refilled.records,
            refilled
                .set_aside
                .as_ref()
                .map(|place| format!(" The damaged log is kept in {}.", place.display()))
                .unwrap_or_default()
        ),
        refill::Outcome::GivenUp { place } => format!(
            "{origin}: its signing lock is kept in {}; nothing is signed in this epoch again. Start the node; then the administrator of {} \
             opens the next epoch: tally epoch open --reason ..",
            place.display(),
            origin.department
        ),
    }
}

fn tokio_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Resolves when standard input ends. The thread that reads it does not keep the process alive.
async fn end_of_stdin() {
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _copied = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(ended);
    });
    let _end = end.await;
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
