//! A node as seen over HTTP. Nothing that it says is believed here: what matters is verified by [`crate::verify`].

use crate::keystore::NamedKey;
use crate::verify::StandingLog;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Read as _};
use std::time::Duration;
use tally_ledger::export::ExportReader;
use tally_ledger::world::opening_in;
use tally_schemas::FormatError;
use tally_schemas::api::{
    self, FederationBody, RecordedBody, RefusalBody, SubmitAnswer, SubmitBody, TOKEN_SCHEME,
};
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::id::{DepartmentId, EventId, NodeId, Origin};
use tally_schemas::limits::{
    CHECKPOINT_BYTES_MAX, CONFIRMATIONS_BYTES_MAX, ENTRY_BYTES_MAX, GENESIS_BYTES_MAX, PROOF_BYTES_MAX,
};
use tally_schemas::note::Note;
use tally_schemas::tile::{ExportPath, bundles_of, tiles_of};
use tally_schemas::time::Timestamp;
use tally_schemas::token::{TOKEN_LIFE_MS_MAX, Token};

/// How long a whole exchange may take.
const EXCHANGE_MAX: Duration = Duration::from_secs(60);
/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The longest JSON answer that is read: a list of everything in a large federation.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The longest line of the stream of changes.
const EVENT_LINE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a node did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The node does not answer.
    #[error("node {url} does not answer: {why}")]
    Unreachable {
        /// The address.
        url: String,
        /// What happened.
        why: String,
    },
    /// The node refused.
    #[error("{}", body.what)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        body: Box<RefusalBody>,
    },
    /// The node answered with something that is not of the form.
    #[error("node {url} gave an answer that is not of its form: {why}")]
    Answer {
        /// The address.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The token could not be made.
    #[error("the token could not be made")]
    Token(#[from] FormatError),
}

/// A node.
pub struct NodeClient {
    base: String,
    agent: ureq::Agent,
    token: Option<String>,
}

impl NodeClient {
    /// Names a node by its address; nothing is asked yet.
    pub fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT_MAX))
            .timeout_global(Some(EXCHANGE_MAX))
            .http_status_as_error(false)
            .build();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            agent: config.into(),
            token: None,
        }
    }

    /// Returns the address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Signs a token with an officer's key, to be sent with every request from now on.
    ///
    /// # Errors
    /// A key that is no officer's.
    pub fn authorise(&mut self, key: &NamedKey, node: &str, now: Timestamp) -> Result<(), NodeError> {
        let holder = key
            .holder()
            .ok_or_else(|| FormatError::malformed("key", format!("{} is no officer's key", key.name())))?;
        let text = Token {
            federation: holder.federation,
            department: holder.department,
            officer: holder.officer,
            issued: now,
            expires: now.plus_ms(TOKEN_LIFE_MS_MAX),
            node: NodeId::parse(node)?,
        }
        .to_string();
        let line = key.sign(&text)?;
        let note = Note {
            text,
            lines: vec![line],
        };
        self.token = Some(format!("{TOKEN_SCHEME} {}", STANDARD.encode(note.to_bytes())));
        Ok(())
    }

    /// Reads bytes, at most so many.
    ///
    /// # Errors
    /// No answer, a refusal, or more bytes than the limit.
    pub fn bytes(&self, path: &str, limit: u64) -> Result<Vec<u8>, NodeError> {
        let url = format!("{}{path}", self.base);
        let mut request = self.agent.get(&url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", token);
        }
        let response = request.call().map_err(|error| self.unreachable(&error))?;
        self.body(response, limit)
    }

    /// Reads a JSON answer.
    ///
    /// # Errors
    /// No answer, a refusal, or an answer of another form.
    pub fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, NodeError> {
        let bytes = self.bytes(path, ANSWER_BYTES_MAX)?;
        self.decode(&bytes)
    }

    /// Sends a JSON body and reads a JSON answer.
    ///
    /// # Errors
    /// No answer, a refusal, or an answer of another form.
    pub fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, NodeError> {
        let url = format!("{}{path}", self.base);
        let mut request = match method {
            Method::Post => self.agent.post(&url),
            Method::Put => self.agent.put(&url),
        };
        if let Some(token) = &self.token {
            request = request.header("Authorization", token);
        }
        let response = request
            .send_json(body)
            .map_err(|error| self.unreachable(&error))?;
        let bytes = self.body(response, ANSWER_BYTES_MAX)?;
        self.decode(&bytes)
    }

    /// Submits a note; the answer means durable.
    ///
    /// # Errors
    /// No answer or a refusal.
    pub fn submit(&self, body: &SubmitBody) -> Result<SubmitAnswer, NodeError> {
        self.send(Method::Post, api::path::SUBMIT, body)
    }

    /// Returns the federation as the node knows it.
    ///
    /// # Errors
    /// No answer, a refusal, or an answer of another form.
    pub fn federation(&self) -> Result<FederationBody, NodeError> {
        let answer: api::Answer<FederationBody> = self.read(api::path::FEDERATION)?;
        Ok(answer.data)
    }

    /// Returns the bytes of an entry.
    ///
    /// # Errors
    /// No answer or a refusal.
    pub fn entry(&self, origin: &Origin, index: u64) -> Result<Vec<u8>, NodeError> {
        self.entry_of(&name_of(origin), index)
    }

    /// Returns the bytes of an entry of the newest log of a department.
    ///
    /// # Errors
    /// No answer or a refusal.
    pub fn newest_entry(&self, department: &DepartmentId, index: u64) -> Result<Vec<u8>, NodeError> {
        self.entry_of(department.as_str(), index)
    }

    fn entry_of(&self, log: &str, index: u64) -> Result<Vec<u8>, NodeError> {
        let path = api::fill(api::path::ENTRY, &[log, &index.to_string()]);
        self.bytes(&path, ENTRY_BYTES_MAX as u64)
    }

    /// Returns the proof file of an event.
    ///
    /// # Errors
    /// No answer or a refusal.
    pub fn proof(&self, event: &EventId) -> Result<Vec<u8>, NodeError> {
        let path = api::fill(api::path::PROOF, &[&event.to_string()]);
        self.bytes(&path, PROOF_BYTES_MAX as u64)
    }

    /// Returns the file of confirmations of an event.
    ///
    /// # Errors
    /// No answer or a refusal.
    pub fn confirmations(&self, event: &EventId) -> Result<Vec<u8>, NodeError> {
        let path = api::fill(api::path::CONFIRMATIONS, &[&event.to_string()]);
        self.bytes(&path, CONFIRMATIONS_BYTES_MAX as u64)
    }

    /// Returns where an event is recorded, and which nodes have confirmed that they hold it, by the word of this one.
    ///
    /// # Errors
    /// No answer, a refusal, or an answer of another form.
    pub fn degree(&self, event: &EventId) -> Result<RecordedBody, NodeError> {
        let path = api::fill(api::path::DEGREE, &[&event.to_string()]);
        let answer: api::Answer<RecordedBody> = self.read(&path)?;
        Ok(answer.data)
    }

    /// Returns the genesis note that the node has; to be compared with the one that is trusted.
    ///
    /// # Errors
    /// No answer or a refusal.
    pub fn genesis(&self) -> Result<Vec<u8>, NodeError> {
        self.bytes(api::path::GENESIS, GENESIS_BYTES_MAX as u64)
    }

    /// Returns the newest log of a department, to be verified file by file.
    ///
    /// # Errors
    /// No answer, a refusal, or a checkpoint that is none.
    pub fn log(&self, department: &DepartmentId) -> Result<LogOverHttp<'_>, NodeError> {
        self.log_named(department.as_str())
    }

    /// Returns a log to be verified file by file.
    ///
    /// # Errors
    /// No answer, a refusal, or a checkpoint that is none.
    pub fn log_of(&self, origin: &Origin) -> Result<LogOverHttp<'_>, NodeError> {
        self.log_named(&name_of(origin))
    }

    /// Returns the logs of a department that stand, of rising epochs, as far as they count; whoever learns from them verifies each.
    ///
    /// # Errors
    /// No answer, a refusal, or an answer of another form.
    pub fn standing_logs(
        &self,
        department: &DepartmentId,
    ) -> Result<Vec<StandingLog<LogOverHttp<'_>>>, NodeError> {
        let newest = self.log(department)?;
        let mut logs = vec![StandingLog {
            origin: newest.origin.clone(),
            export: Some(newest),
            rest: Vec::new(),
            opening: None,
        }];
        while let Some(log) = logs.last_mut()
            && log.origin.epoch > 1
        {
            let origin = &log.origin;
            let first = self.entry(origin, 0)?;
            let told = |error: FormatError| NodeError::Answer {
                url: self.base.clone(),
                why: format!("entry 0 of {origin}: {error}"),
            };
            let old = opening_in(&first).map_err(told)?.old;
            log.opening = Some(first);
            let export = match self.log_of(&old.origin) {
                Ok(export) => Some(export),
                // No checkpoint may ever be over exactly what is left of a log.
                Err(NodeError::Refused { status: 404, .. }) => None,
                Err(error) => return Err(error),
            };
            let held = export.as_ref().map_or(0, |export| export.size);
            let rest = (held..old.head.size).map(|index| self.entry(&old.origin, index));
            let rest = rest.collect::<Result<_, _>>()?;
            // What an opening names is of a smaller epoch, so this ends.
            logs.push(StandingLog {
                origin: old.origin,
                export,
                rest,
                opening: None,
            });
        }
        logs.reverse();
        Ok(logs)
    }

    fn log_named(&self, log: &str) -> Result<LogOverHttp<'_>, NodeError> {
        let path = api::fill(api::path::CHECKPOINT, &[log]);
        let checkpoint = self.bytes(&path, CHECKPOINT_BYTES_MAX as u64)?;
        let told = |error: FormatError| NodeError::Answer {
            url: format!("{}{path}", self.base),
            why: error.to_string(),
        };
        let note = Note::parse(&checkpoint, CHECKPOINT_BYTES_MAX).map_err(told)?;
        let stated = Checkpoint::parse(&note.text).map_err(told)?;
        Ok(LogOverHttp {
            node: self,
            origin: stated.origin,
            checkpoint,
            size: stated.head.size,
        })
    }

    /// Follows the changes until the visitor says stop; each event has a name and data.
    ///
    /// # Errors
    /// No answer, a refusal, or a stream that broke off.
    pub fn watch(&self, mut visit: impl FnMut(&str, &str) -> bool) -> Result<(), NodeError> {
        let url = format!("{}{}", self.base, api::path::WATCH);
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT_MAX))
            .http_status_as_error(false)
            .build();
        let agent: ureq::Agent = config.into();
        let response = agent.get(&url).call().map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            self.body(response, ANSWER_BYTES_MAX)?;
            return Ok(());
        }
        let mut reader = BufReader::new(response.into_body().into_reader());
        let (mut name, mut data) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            let count = reader
                .by_ref()
                .take(EVENT_LINE_BYTES_MAX)
                .read_line(&mut line)
                .map_err(|error| NodeError::Unreachable {
                    url: url.clone(),
                    why: error.to_string(),
                })?;
            let line = line.trim_end_matches(['\n', '\r']);
            if let Some(text) = line.strip_prefix("event:") {
                text.trim().clone_into(&mut name);
            } else if let Some(text) = line.strip_prefix("data:") {
                data.push_str(text.trim_start());
            } else if line.is_empty() && !(name.is_empty() && data.is_empty()) {
                if !visit(&name, &data) {
                    return Ok(());
                }
                name.clear();
                data.clear();
            }
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> NodeError {
        NodeError::Unreachable {
            url: self.base.clone(),
            why: error.to_string(),
        }
    }

    fn body(&self, response: ureq::http::Response<ureq::Body>, limit: u64) -> Result<Vec<u8>, NodeError> {
        let status = response.status();
        let mut bytes = Vec::new();
        let limit = if status.is_success() {
            limit
        } else {
            ANSWER_BYTES_MAX
        };
        response
            .into_body()
            .into_reader()
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| NodeError::Unreachable {
                url: self.base.clone(),
                why: error.to_string(),
            })?;
        if status.is_success() {
            if bytes.len() as u64 > limit {
                return Err(self.answer(format!("over {limit} bytes")));
            }
            return Ok(bytes);
        }
        match serde_json::from_slice::<RefusalBody>(&bytes) {
            Ok(body) => Err(NodeError::Refused {
                status: status.as_u16(),
                body: Box::new(body),
            }),
            Err(_) => Err(self.answer(format!("status {status} without a reason"))),
        }
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, NodeError> {
        serde_json::from_slice(bytes).map_err(|error| self.answer(error.to_string()))
    }

    fn answer(&self, why: String) -> NodeError {
        NodeError::Answer {
            url: self.base.clone(),
            why,
        }
    }
}

/// How a body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Adds or acts.
    Post,
    /// Replaces.
    Put,
}

/// Returns the name of a log in the paths of the API.
fn name_of(origin: &Origin) -> String {
    format!("{}.{}", origin.department, origin.epoch)
}

/// The files of a log at a node, under one checkpoint.
pub struct LogOverHttp<'a> {
    node: &'a NodeClient,
    /// The log that the checkpoint names.
    pub origin: Origin,
    checkpoint: Vec<u8>,
    /// How many entries the checkpoint covers.
    pub size: u64,
}

impl ExportReader for LogOverHttp<'_> {
    fn paths(&self) -> Result<Vec<String>, String> {
        let files = std::iter::once(ExportPath::Checkpoint)
            .chain(tiles_of(self.size).map(ExportPath::Tile))
            .chain(bundles_of(self.size).map(ExportPath::Bundle));
        Ok(files.map(|path| path.to_string()).collect())
    }

    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, String> {
        if path == "checkpoint" {
            return Ok(self.checkpoint.clone());
        }
        let rest = path.strip_prefix("tile/").unwrap_or(path);
        let url = api::fill(api::path::TILE, &[&name_of(&self.origin), rest]);
        self.node
            .bytes(&url, limit as u64)
            .map_err(|error| error.to_string())
    }
}
