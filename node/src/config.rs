//! The configuration file of a node: read, checked, with paths resolved against its folder. Spec: `schemas/spec/config.md`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tally_schemas::FormatError;
use tally_schemas::config::{CONFIG_KEYS, NodeBus, NodeConfig};
use tally_schemas::id::{DepartmentId, NodeId};

/// The longest time for which peers are asked before the first signature.
const ASK_PEERS_SECONDS_MAX: u32 = 600;
/// The most addresses of NATS servers.
const SERVERS_MAX: usize = 16;
/// The largest configuration file in bytes.
const CONFIG_BYTES_MAX: u64 = 256 * 1024;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{} is no TOML: {why}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
    /// The file uses a name that there is not.
    #[error("{}: unknown name {name}; {hint}", path.display())]
    UnknownName {
        /// The file.
        path: PathBuf,
        /// The name, with its table.
        name: String,
        /// The nearest name that there is, or all.
        hint: String,
    },
    /// A name is missing or has a value of another type.
    #[error("{}: {why}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
    /// A value does not fit.
    #[error("{}: {name} is {got:?}, expected {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// The value.
        got: String,
        /// What fits.
        expected: &'static str,
    },
    /// An id does not have its form.
    #[error("{}: {name}", path.display())]
    Id {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// Why not.
        source: FormatError,
    },
}

/// What a node is told by its operator, ready for use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The node.
    pub node: NodeId,
    /// The genesis note.
    pub genesis: PathBuf,
    /// The data folder.
    pub data: PathBuf,
    /// The address of the API.
    pub listen: SocketAddr,
    /// Whether this is a trial.
    pub trial: bool,
    /// For how long peers are asked for the own log before the first signature.
    pub ask_peers: Duration,
    /// Whether log lines are JSON.
    pub log_json: bool,
    /// The file of the key that signs requests to other nodes.
    pub transport_key: PathBuf,
    /// The files of the keys that sign checkpoints, by department hosted here.
    pub log_keys: BTreeMap<DepartmentId, PathBuf>,
    /// How the node reaches the others.
    pub bus: BusSettings,
}

/// How a node reaches the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusSettings {
    /// By the wires of one process.
    Embedded,
    /// Through NATS servers.
    Nats(NatsSettings),
}

/// Where the NATS servers are and how the node proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsSettings {
    /// The addresses, tried in this order.
    pub servers: Vec<String>,
    /// The file of the seed of an NKey.
    pub nkey: Option<PathBuf>,
    /// The credentials file.
    pub credentials: Option<PathBuf>,
    /// The authorities that may vouch for the server.
    pub ca: Option<PathBuf>,
    /// The certificate of the node and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Whether a connection without TLS is refused.
    pub tls: bool,
}

impl Settings {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// A file that cannot be read, is no TOML, has an unknown or missing name, or a value that does not fit.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let io = |source| ConfigError::Io {
            path: path.to_owned(),
            source,
        };
        let length = std::fs::metadata(path).map_err(io)?.len();
        if length > CONFIG_BYTES_MAX {
            return Err(ConfigError::Shape {
                path: path.to_owned(),
                why: format!("it has {length} bytes, expected at most {CONFIG_BYTES_MAX}"),
            });
        }
        let text = std::fs::read_to_string(path).map_err(io)?;
        Self::parse(path, &text)
    }

    /// Reads the text of a configuration file; `path` is named in errors, and its folder is where relative paths start.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Toml {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        check_names(path, "", &table)?;
        let config: NodeConfig = table.try_into().map_err(|error| ConfigError::Shape {
            path: path.to_owned(),
            why: error.to_string().trim_end().to_owned(),
        })?;
        let value = |name: &str, got: &str, expected| ConfigError::Value {
            path: path.to_owned(),
            name: name.to_owned(),
            got: got.to_owned(),
            expected,
        };
        let id = |name: &str, source| ConfigError::Id {
            path: path.to_owned(),
            name: name.to_owned(),
            source,
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let listen = config.listen.parse().map_err(|_| {
            value(
                "listen",
                &config.listen,
                "an address and port such as 127.0.0.1:7100",
            )
        })?;
        if config.ask_peers_seconds > ASK_PEERS_SECONDS_MAX {
            let got = config.ask_peers_seconds.to_string();
            return Err(value("ask-peers-seconds", &got, "at most 600"));
        }
        let log_json = match config.log_format.as_str() {
            "text" => false,
            "json" => true,
            other => return Err(value("log-format", other, "text or json")),
        };
        if config.keys.logs.is_empty() {
            return Err(value("keys.logs", "", "a key for each department hosted here"));
        }
        let mut log_keys = BTreeMap::new();
        for (department, key) in &config.keys.logs {
            let department = DepartmentId::parse(department)
                .map_err(|source| id(&format!("keys.logs.{department}"), source))?;
            log_keys.insert(department, folder.join(key));
        }
        let bus =
            bus_settings(folder, &config.bus).map_err(|(name, got, expected)| value(name, &got, expected))?;
        Ok(Self {
            node: NodeId::parse(&config.node).map_err(|source| id("node", source))?,
            genesis: folder.join(&config.genesis),
            data: folder.join(&config.data),
            listen,
            trial: config.trial,
            ask_peers: Duration::from_secs(u64::from(config.ask_peers_seconds)),
            log_json,
            transport_key: folder.join(&config.keys.transport),
            log_keys,
            bus,
        })
    }
}

/// Resolves the table `bus`; else what does not fit: its name, its value, what fits.
fn bus_settings(folder: &Path, bus: &NodeBus) -> Result<BusSettings, (&'static str, String, &'static str)> {
    match bus.kind.as_str() {
        "embedded" => {
            let lone = "nothing with bus.kind = \"embedded\"";
            let given = [
                ("bus.servers", bus.servers.first()),
                ("bus.nkey", bus.nkey.as_ref()),
                ("bus.credentials", bus.credentials.as_ref()),
            ];
            if let Some((name, got)) = given.iter().find_map(|(name, got)| Some((*name, (*got)?))) {
                return Err((name, got.clone(), lone));
            }
            if bus.tls.is_some() {
                return Err(("bus.tls", "given".to_owned(), lone));
            }
            return Ok(BusSettings::Embedded);
        }
        "nats" => {}
        other => return Err(("bus.kind", other.to_owned(), "embedded or nats")),
    }
    if bus.servers.is_empty() || bus.servers.len() > SERVERS_MAX {
        let got = bus.servers.len().to_string();
        return Err(("bus.servers", got, "1 to 16 addresses with bus.kind = \"nats\""));
    }
    for server in &bus.servers {
        let address = server
            .strip_prefix("nats://")
            .or_else(|| server.strip_prefix("tls://"));
        let has_host = address.is_some_and(|address| {
            !address.is_empty() && !address.contains(['@', '/', ' ']) && !address.starts_with(':')
        });
        if !has_host || server.parse::<async_nats::ServerAddr>().is_err() {
            return Err((
                "bus.servers",
                server.clone(),
                "nats://host:4222 or tls://host:4222, without user and path",
            ));
        }
    }
    if let (Some(credentials), Some(_)) = (&bus.credentials, &bus.nkey) {
        return Err((
            "bus.credentials",
            credentials.clone(),
            "nothing beside bus.nkey: one of the two",
        ));
    }
    let tls = bus.tls.clone().unwrap_or_default();
    let certificate = match (tls.certificate, tls.key) {
        (Some(certificate), Some(key)) => Some((folder.join(certificate), folder.join(key))),
        (None, None) => None,
        (Some(certificate), None) => {
            return Err(("bus.tls.certificate", certificate, "bus.tls.key beside it"));
        }
        (None, Some(key)) => return Err(("bus.tls.key", key, "bus.tls.certificate beside it")),
    };
    Ok(BusSettings::Nats(NatsSettings {
        servers: bus.servers.clone(),
        nkey: bus.nkey.as_ref().map(|path| folder.join(path)),
        credentials: bus.credentials.as_ref().map(|path| folder.join(path)),
        ca: tls.ca.map(|path| folder.join(path)),
        certificate,
        tls: bus.tls.is_some() || bus.servers.iter().any(|server| server.starts_with("tls://")),
    }))
}

/// Refuses names that there are not, and names the nearest that there is: a typing error must never mean the default.
fn check_names(path: &Path, at: &str, table: &toml::Table) -> Result<(), ConfigError> {
    let Some((_, known)) = CONFIG_KEYS.iter().find(|(name, _)| *name == at) else {
        return Ok(());
    };
    for (name, value) in table {
        let full = if at.is_empty() {
            name.clone()
        } else {
            format!("{at}.{name}")
        };
        if !known.contains(&name.as_str()) {
            let nearest = known
                .iter()
                .map(|known| (strsim::damerau_levenshtein(name, known), *known))
                .min()
                .filter(|(distance, _)| *distance <= 3);
            let hint = match nearest {
                Some((_, known)) => format!("did you mean {known}?"),
                None => format!("known are {}", known.join(", ")),
            };
            return Err(ConfigError::UnknownName {
                path: path.to_owned(),
                name: full,
                hint,
            });
        }
        if let toml::Value::Table(inner) = value {
            check_names(path, &full, inner)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tally_schemas::config::CONFIG_EXAMPLE;

    fn refusal(text: &str) -> String {
        Settings::parse(Path::new("nodes/hall.toml"), text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_printed_default_is_read_and_paths_start_at_its_folder() {
        let settings = Settings::parse(Path::new("nodes/hall.toml"), CONFIG_EXAMPLE).unwrap();
        assert_eq!(settings.node.as_str(), "hall");
        assert_eq!(settings.genesis, Path::new("nodes/../genesis.note"));
        assert_eq!(settings.log_keys.len(), 1);
        assert_eq!(settings.ask_peers, Duration::from_secs(3));
    }

    #[test]
    fn what_may_be_left_out_has_the_default_that_is_printed() {
        let short: String = CONFIG_EXAMPLE
            .lines()
            .filter(|line| {
                !["listen", "trial", "ask-peers", "log-format", "[bus]", "kind"]
                    .iter()
                    .any(|name| line.starts_with(name))
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let at = Path::new("nodes/hall.toml");
        assert_eq!(
            Settings::parse(at, &short).unwrap(),
            Settings::parse(at, CONFIG_EXAMPLE).unwrap()
        );
    }

    #[test]
    fn a_typing_error_is_refused_with_the_nearest_name() {
        let text = CONFIG_EXAMPLE.replace("listen =", "lisen =");
        assert_eq!(
            refusal(&text),
            "nodes/hall.toml: unknown name lisen; did you mean listen?"
        );
        let text = CONFIG_EXAMPLE.replace("transport =", "tranport =");
        assert!(refusal(&text).contains("unknown name keys.tranport; did you mean transport?"));
        let text = format!("quorum-of-witnesses = 3\n{CONFIG_EXAMPLE}");
        assert!(refusal(&text).contains("known are node, genesis, data"));
    }

    #[test]
    fn values_that_do_not_fit_are_named() {
        for (from, to, part) in [
            ("\"127.0.0.1:7100\"", "\"localhost\"", "listen is \"localhost\""),
            (
                "ask-peers-seconds = 3",
                "ask-peers-seconds = 601",
                "expected at most 600",
            ),
            (
                "\"text\"",
                "\"xml\"",
                "log-format is \"xml\", expected text or json",
            ),
            ("node = \"hall\"", "node = \"Hall\"", "nodes/hall.toml: node"),
            ("trial = false", "trial = 1", "invalid type"),
            ("node = \"hall\"", "", "missing field `node`"),
            ("housing =", "Housing =", "keys.logs.Housing"),
            ("[keys]", "[keys", "is no TOML"),
            (
                "\"embedded\"",
                "\"kafka\"",
                "bus.kind is \"kafka\", expected embedded or nats",
            ),
            (
                "\"embedded\"",
                "\"nats\"",
                "bus.servers is \"0\", expected 1 to 16",
            ),
            (
                "kind = \"embedded\"",
                "nkey = \"a\"",
                "expected nothing with bus.kind = \"embedded\"",
            ),
            (
                "kind = \"embedded\"",
                "server = []",
                "unknown name bus.server; did you mean servers?",
            ),
        ] {
            let text = CONFIG_EXAMPLE.replace(from, to);
            assert!(refusal(&text).contains(part), "{}", refusal(&text));
        }
    }

    #[test]
    fn the_bus_needs_addresses_that_are_addresses_and_one_proof_of_who_it_is() {
        let with = |table: &str| CONFIG_EXAMPLE.replace("kind = \"embedded\"", table);
        for (table, part) in [
            (
                "kind = \"nats\"\nservers = [\"localhost:4222\"]",
                "nats://host:4222",
            ),
            (
                "kind = \"nats\"\nservers = [\"nats://me:secret@host\"]",
                "without user",
            ),
            (
                "kind = \"nats\"\nservers = [\"nats://h\"]\nnkey = \"a\"\ncredentials = \"b\"",
                "bus.credentials is \"b\", expected nothing beside bus.nkey",
            ),
            (
                "kind = \"nats\"\nservers = [\"nats://h\"]\ntls = { key = \"k\" }",
                "bus.tls.key is \"k\", expected bus.tls.certificate beside it",
            ),
            (
                "kind = \"nats\"\nservers = [\"nats://h\"]\ntls = { cert = \"k\" }",
                "unknown name bus.tls.cert",
            ),
        ] {
            assert!(refusal(&with(table)).contains(part), "{}", refusal(&with(table)));
        }
        let text = with("kind = \"nats\"\nservers = [\"nats://h\", \"tls://i:1\"]\nnkey = \"../keys/a\"");
        let settings = Settings::parse(Path::new("nodes/hall.toml"), &text).unwrap();
        let BusSettings::Nats(nats) = settings.bus else {
            panic!("the bus is NATS");
        };
        assert_eq!(nats.nkey.as_deref(), Some(Path::new("nodes/../keys/a")));
        assert!(nats.tls, "one address asks for TLS");
    }
}
