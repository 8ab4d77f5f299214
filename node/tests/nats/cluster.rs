//! A trial federation whose nodes are processes, and a real NATS server between them that can be killed, wiped and restored.

use crate::federation::{DEPARTMENTS, Federation};
use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A real server on a port of this machine.
pub(crate) struct Server {
    program: PathBuf,
    config: PathBuf,
    pub(crate) port: u16,
    child: Option<Child>,
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Finds the server that `scripts/nats` names; a missing one is a failure, never a silent pass.
fn program() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/nats");
    let output = Command::new(script).arg("path").output().unwrap();
    assert!(
        output.status.success(),
        "there is no nats-server: `scripts/nats install` gets one, or NATS_SERVER names one"
    );
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}

impl Server {
    /// Starts the server, also again after it was killed.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none());
        let log = self.config.with_extension("log");
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        let child = Command::new(&self.program)
            .arg("--config")
            .arg(&self.config)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {ended:?}");
            assert!(started.elapsed() < PATIENCE, "the server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns what the program says of its version.
    pub(crate) fn version(&self) -> String {
        let output = Command::new(&self.program).arg("--version").output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill(&mut child);
        }
    }
}

/// Nodes, each a process of its own, and the server between them.
pub(crate) struct Cluster {
    pub(crate) federation: Federation,
    pub(crate) server: Server,
    nodes: Vec<Option<Child>>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().flatten() {
            kill(child);
        }
        self.server.kill();
        if std::thread::panicking() {
            for name in ["n1", "n2", "n3"] {
                let log = std::fs::read_to_string(self.folder().join(format!("{name}.log")));
                let log = log.unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(25).collect();
                eprintln!("--- the end of the log of {name}");
                for line in tail.iter().rev() {
                    eprintln!("{line}");
                }
            }
        }
    }
}

impl Cluster {
    /// Founds a federation on NATS; nothing runs yet.
    pub(crate) fn found() -> Self {
        let federation = Federation::found();
        let folder = federation.folder().to_path_buf();
        let port = free_port();
        let output = Command::new(env!("CARGO_BIN_EXE_tally-node"))
            .args(["nats", "trial"])
            .arg(&folder)
            .args(["--listen", &format!("127.0.0.1:{port}"), "--store"])
            .arg(folder.join("nats"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let server = Server {
            program: program(),
            config: folder.join("nats-server.conf"),
            port,
            child: None,
        };
        Self {
            federation,
            server,
            nodes: (0..3).map(|_| None).collect(),
        }
    }

    /// Founds, starts everything, and records the rosters.
    pub(crate) fn running() -> Self {
        let mut cluster = Self::found();
        cluster.server.start();
        for node in 1..=3 {
            cluster.start(node);
        }
        cluster.enrol();
        cluster
    }

    pub(crate) fn enrol(&mut self) {
        for (department, ..) in DEPARTMENTS {
            self.federation.enrol(department);
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.federation.folder()
    }

    /// Changes the configuration of the server; it has to be started anew.
    pub(crate) fn configure(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(&self.server.config).unwrap();
        std::fs::write(&self.server.config, change(text)).unwrap();
    }

    /// Starts a node without waiting for it.
    pub(crate) fn spawn(&mut self, node: usize) {
        assert!(self.nodes[node - 1].is_none());
        let log = self.folder().join(format!("n{node}.log"));
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_tally-node"))
            .arg("run")
            .arg(self.folder().join(format!("nodes/n{node}.toml")))
            .env("NO_COLOR", "1")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.nodes[node - 1] = Some(child);
    }

    /// Starts a node and waits until it takes writes.
    pub(crate) fn start(&mut self, node: usize) {
        self.spawn(node);
        self.await_ready(node);
    }

    pub(crate) fn await_ready(&self, node: usize) {
        self.await_that(&format!("node {node} is ready"), |cluster| {
            cluster.ready(node).is_some_and(|(status, _)| status == 200)
        });
    }

    /// Kills a node with SIGKILL.
    pub(crate) fn kill(&mut self, node: usize) {
        kill(&mut self.nodes[node - 1].take().unwrap());
    }

    /// Asks a node to end, as an operator does; it must succeed.
    pub(crate) fn terminate(&mut self, node: usize) {
        let mut child = self.nodes[node - 1].take().unwrap();
        let status = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(status.success());
        assert!(
            child.wait().unwrap().success(),
            "node {node} fails when asked to end"
        );
    }

    /// Returns what a node says of itself.
    pub(crate) fn ready(&self, node: usize) -> Option<(u16, Value)> {
        let (status, bytes) = self.federation.get(node, "/readyz")?;
        Some((status, serde_json::from_slice(&bytes).unwrap()))
    }

    /// Returns the reasons that a node gives, joined.
    pub(crate) fn reasons(&self, node: usize) -> String {
        let body = self.ready(node).map_or(Value::Null, |(_, body)| body);
        let reasons = body["reasons"].as_array().cloned().unwrap_or_default();
        let reasons: Vec<&str> = reasons.iter().filter_map(Value::as_str).collect();
        reasons.join("; ")
    }

    pub(crate) fn await_reason(&self, node: usize, part: &str) {
        self.await_that(&format!("node {node} says {part}"), |cluster| {
            cluster.reasons(node).contains(part)
        });
    }

    pub(crate) fn await_that(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_so(self) {
            let all: Vec<String> = (1..=3).map(|node| self.reasons(node)).collect();
            assert!(
                started.elapsed() < PATIENCE,
                "in vain waited until {what}; the nodes say {all:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until these nodes hold and resolve the same; returns how long that took.
    pub(crate) fn await_equal(&self, nodes: &[usize]) -> Duration {
        let started = Instant::now();
        self.await_that("the nodes hold the same", |cluster| {
            let mut digests = nodes.iter().map(|node| {
                let (status, bytes) = cluster.federation.get(*node, "/v1/digests")?;
                let digest: Value = serde_json::from_slice(&bytes).ok()?;
                let complete = status == 200 && digest["behind"].as_array().is_some_and(Vec::is_empty);
                complete.then(|| (digest["heads"].clone(), digest["data"].clone()))
            });
            let first = digests.next().flatten();
            first.is_some() && digests.all(|digest| digest == first)
        });
        started.elapsed()
    }
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}
