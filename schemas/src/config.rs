//! The configuration of a node as it is written down. Spec: `schemas/spec/config.md`.
//!
//! Shape and defaults only: the node reads the file and resolves paths against its folder.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a node is told by its operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeConfig {
    /// The id of the node in the registry.
    pub node: String,
    /// The genesis note of the federation.
    pub genesis: String,
    /// The data folder.
    pub data: String,
    /// The address of the API.
    #[serde(default = "listen")]
    pub listen: String,
    /// Whether this is a trial; must be what the genesis says, so that nobody runs one for the other.
    #[serde(default)]
    pub trial: bool,
    /// For how many seconds peers are asked for the own log before the first signature.
    #[serde(default = "ask_peers_seconds")]
    pub ask_peers_seconds: u32,
    /// The form of the log lines: `text` or `json`.
    #[serde(default = "log_format")]
    pub log_format: String,
    /// The keys.
    pub keys: NodeKeys,
    /// How the node reaches the others.
    #[serde(default)]
    pub bus: NodeBus,
}

/// Where the keys of a node lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeKeys {
    /// The key that signs requests to other nodes.
    pub transport: String,
    /// The keys that sign the checkpoints of the logs hosted here, by department.
    pub logs: BTreeMap<String, String>,
}

/// How a node reaches the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeBus {
    /// `embedded` or `nats`.
    #[serde(default = "bus_kind")]
    pub kind: String,
    /// The addresses of NATS servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// The file of the seed of the user's NKey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nkey: Option<String>,
    /// The credentials file of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// The certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<NodeBusTls>,
}

impl Default for NodeBus {
    fn default() -> Self {
        Self {
            kind: bus_kind(),
            servers: Vec::new(),
            nkey: None,
            credentials: None,
            tls: None,
        }
    }
}

/// Which certificates a connection to a NATS server rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeBusTls {
    /// The authorities that may vouch for the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The certificate of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The key of that certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The names that the file may use, by table; what stands in `keys.logs` is free.
pub const CONFIG_KEYS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "node",
            "genesis",
            "data",
            "listen",
            "trial",
            "ask-peers-seconds",
            "log-format",
            "keys",
            "bus",
        ],
    ),
    ("keys", &["transport", "logs"]),
    ("bus", &["kind", "servers", "nkey", "credentials", "tls"]),
    ("bus.tls", &["ca", "certificate", "key"]),
];

/// A file with every name, its default and what it means.
pub const CONFIG_EXAMPLE: &str = r#"# Configuration of a Tally node. Paths are relative to this file.

# The id of the node in the registry.
node = "hall"
# The genesis note: the trust anchor of the federation.
genesis = "../genesis.note"
# The data folder; held by one process alone.
data = "../data/hall"
# The address of the API. Open views need no token, so anything but loopback wants a proxy that knows its callers.
listen = "127.0.0.1:7100"
# Must be what the genesis says.
trial = false
# For how many seconds peers are asked for the own log before the first signature.
ask-peers-seconds = 3
# The form of the log lines: "text" or "json".
log-format = "text"

[keys]
# The key that signs requests to other nodes.
transport = "../keys/node-hall.key"

[keys.logs]
# One line for each department hosted here: the key that signs the checkpoints of its log.
housing = "../keys/log-housing.key"

[bus]
# How the node reaches the others: "embedded" (the wires of one process; alone, it asks nobody) or "nats".
kind = "embedded"
# With "nats": the servers, and the user's NKey seed or credentials file. `tally-node nats key FILE` makes a seed.
# servers = ["tls://nats.example:4222"]
# nkey = "../keys/bus-hall.nk"
# credentials = "../keys/bus-hall.creds"
#
# [bus.tls]
# ca = "../keys/nats-ca.pem"
# certificate = "../keys/bus-hall.pem"
# key = "../keys/bus-hall.key.pem"
"#;

fn listen() -> String {
    "127.0.0.1:7100".to_owned()
}

fn ask_peers_seconds() -> u32 {
    3
}

fn bus_kind() -> String {
    "embedded".to_owned()
}

fn log_format() -> String {
    "text".to_owned()
}
