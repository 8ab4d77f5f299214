//! A trial federation of two nodes, run by the real program, and officers who type commands.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};
use tally_client::federation::{Plan, found};
use tally_client::keystore::Passphrase;
use tally_client::node::{Method, NodeClient};
use tally_schemas::api::{self, LogBody, SubmitBody, TrialClockBody};
use tally_schemas::time::Timestamp;
use zeroize::Zeroizing;

/// The time at which a trial starts: 9:00 of the first working day of 2026.
pub const START: &str = "2026-01-05T01:00:00.000Z";
/// How long something may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The ports that the plan names; each trial takes free ones in their place.
const PLANNED: [&str; 2] = ["127.0.0.1:7101", "127.0.0.1:7102"];

/// What a command left behind.
#[derive(Debug)]
pub struct Done {
    /// The exit code.
    pub code: i32,
    /// What stands on stdout.
    pub out: String,
    /// What stands on stderr.
    pub err: String,
}

impl Done {
    /// Returns stdout of a command that went well.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self.out
    }

    /// Returns stdout as JSON.
    pub fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// Returns stderr of a command that failed with a code.
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self.err
    }
}

/// The trial; stopped when dropped.
pub struct Trial {
    folder: tempfile::TempDir,
    addresses: Vec<String>,
    child: Child,
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the folder of the commands, built if they are not.
pub fn commands() -> PathBuf {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--locked", "-p", "tally-node", "-p", "tally-client"])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
    });
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}

fn run(home: &Path) -> Child {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(home.join("../node.log"))
        .unwrap();
    Command::new(commands().join("tally-node"))
        .arg("trial")
        .arg(home)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

impl Trial {
    /// Founds the federation of the example with keys made from numbers, starts it and records its rosters.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Bound together, so that different ports are free; let go before the program binds them.
        let listeners = PLANNED.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses: Vec<String> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().to_string())
            .collect();
        let mut text = fs::read_to_string(root().join("client/examples/trial-federation.toml")).unwrap();
        for (planned, address) in PLANNED.iter().zip(&addresses) {
            text = text.replace(planned, address);
        }
        let plan = Plan::parse_toml(&text).unwrap();
        let mut count = 0u8;
        let mut seeds = || {
            count += 1;
            Ok(Zeroizing::new([count; 32]))
        };
        let founding = found(&plan, &[], Timestamp::parse(START).unwrap(), &mut seeds).unwrap();
        let word = Passphrase::new("trial".to_owned());
        let home = folder.path().join("trial");
        founding.write(&home, &word).unwrap();
        drop(listeners);
        let child = run(&home);
        let trial = Self {
            folder,
            addresses,
            child,
        };
        for node in 0..trial.addresses.len() {
            trial.await_that("the node is ready", || {
                trial.node(node).bytes(api::path::READY, 65_536).is_ok()
            });
        }
        trial.record_rosters();
        trial
    }

    /// Stops both nodes as a power cut does, deletes a file of one, and starts them again.
    pub fn lose(&mut self, node: &str, file: &str) {
        self.stopped(|home| fs::remove_file(home.join("data").join(node).join(file)).unwrap());
    }

    /// Stops both nodes as a power cut does, does something to their folder, and starts them again.
    pub fn stopped(&mut self, act: impl FnOnce(&Path)) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        act(&self.home());
        self.child = run(&self.home());
        for node in 0..self.addresses.len() {
            self.await_that("the node answers", || {
                let heads: Result<api::Answer<Vec<LogBody>>, _> = self.node(node).read(api::path::LOGS);
                heads.is_ok_and(|answer| answer.data.iter().all(|log| log.cursor == log.size))
            });
        }
    }

    fn record_rosters(&self) {
        for record in fs::read_dir(self.home().join("roster")).unwrap() {
            let department = record.unwrap().path();
            let mut notes: Vec<PathBuf> = fs::read_dir(&department)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            notes.sort();
            let name = department.file_name().unwrap().to_str().unwrap();
            let node = usize::from(matches!(name, "civil" | "housing"));
            for note in notes {
                let body = SubmitBody {
                    note: fs::read_to_string(&note).unwrap(),
                    parts: Vec::new(),
                    draft: None,
                    personal_override: None,
                };
                self.node(node).submit(&body).unwrap();
            }
        }
        self.settle();
    }

    /// The folder that the founding wrote.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("trial")
    }

    /// A folder for what commands write.
    pub fn desk(&self) -> PathBuf {
        let desk = self.folder.path().join("desk");
        fs::create_dir_all(&desk).unwrap();
        desk
    }

    /// The address of a node: 0 is that of `lead` and `data`, 1 that of `civil` and `housing`.
    pub fn url(&self, node: usize) -> String {
        format!("http://{}", self.addresses[node])
    }

    pub fn node(&self, node: usize) -> NodeClient {
        NodeClient::new(&self.url(node))
    }

    pub fn await_that(&self, what: &str, is_so: impl Fn() -> bool) {
        let started = Instant::now();
        while !is_so() {
            let log = || fs::read_to_string(self.folder.path().join("node.log")).unwrap_or_default();
            assert!(
                started.elapsed() < PATIENCE,
                "in vain waited until {what}\n{}",
                log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sets the clock of the trial.
    pub fn set_clock(&self, now: &str) {
        let body = TrialClockBody { now: now.to_owned() };
        let _told: TrialClockBody = self
            .node(0)
            .send(Method::Post, api::path::TRIAL_CLOCK, &body)
            .unwrap();
        self.settle();
    }

    /// Waits until both nodes hold the same and nothing addressed waits to be received.
    pub fn settle(&self) {
        let heads = |node: usize| -> Option<Vec<(String, u64, String)>> {
            let answer: api::Answer<Vec<LogBody>> = self.node(node).read(api::path::LOGS).ok()?;
            let whole = answer
                .data
                .iter()
                .all(|log| log.cursor == log.size && log.unreceived == 0);
            let heads = answer
                .data
                .into_iter()
                .map(|log| (log.origin, log.size, log.root));
            whole.then(|| heads.collect())
        };
        self.await_that("the nodes hold the same", || {
            let first = heads(0);
            first.is_some() && first == heads(1)
        });
    }

    /// Runs `tally` as an officer, such as `civil-c-01`, in English; words are separated by blanks, `~` stands for one inside a word.
    pub fn tally(&self, officer: &str, line: &str) -> Done {
        self.tally_in("en", officer, line)
    }

    /// As [`Self::tally`], in a language.
    pub fn tally_in(&self, language: &str, officer: &str, line: &str) -> Done {
        let words: Vec<String> = line
            .split_whitespace()
            .map(|word| word.replace('~', " "))
            .collect();
        self.command(language, officer, &words)
    }

    /// Runs `tally` with words as they are.
    pub fn command(&self, language: &str, officer: &str, words: &[String]) -> Done {
        let output = Command::new(commands().join("tally"))
            .args(words)
            .current_dir(self.desk())
            .env_clear()
            .env("TALLY_AS", self.home().join(format!("officers/{officer}.toml")))
            .env("TALLY_PASSPHRASE", "trial")
            .env("TALLY_LANG", language)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Done {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Files a request of civil affairs to housing, approved; returns its id.
    pub fn request(&self) -> String {
        let draft = self.send("civil-c-01", REQUEST);
        let done = self.tally("civil-c-02", &format!("--json draft approve {draft} --yes"));
        let id = done.json()["recorded"][0]["event"].as_str().unwrap().to_owned();
        self.settle();
        id
    }

    /// Sends a draft for approval; returns its number in the box.
    pub fn send(&self, officer: &str, draft: &str) -> String {
        let sent = self.tally(officer, &format!("--json draft new {draft} --send"));
        sent.json()["draft"].as_str().unwrap().to_owned()
    }
}

/// A request for two data items.
pub const REQUEST: &str = "request.filed --to housing --field class=conditional --field items=1:permit~number \
    --field items=2:permit~date --field basis=housing~subsidies --field scenario=window~check --field scope=own~staff \
    --field mode=query --field useFrom=2026-02-01 --field useTo=2026-12-31 --field statement=yes";
