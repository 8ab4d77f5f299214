//! A trial federation of three nodes in a temporary folder, run by the real program and spoken to over HTTP.

use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tally_ledger::crypto::{SigningKey, commitment, event_id, sha256, sign_note};
use tally_schemas::epoch::Opening;
use tally_schemas::event::{
    Attachment, Audience, Body, Commitment, Event, EventKind, Kind, Signer, SignerRole, Source,
};
use tally_schemas::genesis::{Administrator, DepartmentRecord, Genesis, NodeRecord, Role};
use tally_schemas::id::{
    DepartmentId, EventId, FederationId, Hash, NamedHead, NodeId, OfficerId, Origin, PostId, TreeHead,
};
use tally_schemas::json::Json;
use tally_schemas::key_file::{KeyFile, Sealed};
use tally_schemas::note::Note;
use tally_schemas::shipped::{calendar_text, profile_text};
use tally_schemas::time::Timestamp;
use tally_schemas::token::Token;

/// The departments with their nodes.
pub(crate) const DEPARTMENTS: &[(&str, usize, &[Role])] = &[
    ("archive", 3, &[Role::Provider, Role::Requester]),
    ("bureau", 1, &[Role::Authority]),
    ("civil", 2, &[Role::Provider, Role::Requester]),
    ("housing", 1, &[Role::Provider, Role::Requester]),
];
/// The time at which the trial starts.
pub(crate) const START: &str = "2026-01-05T01:00:00.000Z";

pub(crate) fn department(id: &str) -> DepartmentId {
    DepartmentId::parse(id).unwrap()
}

fn seed(name: &str) -> [u8; 32] {
    sha256(&[name.as_bytes()]).0
}

pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&seed(name))
}

/// A detached text or file with its salt.
pub(crate) struct Detached {
    salt: [u8; 32],
    content: Vec<u8>,
}

impl Detached {
    pub(crate) fn new(content: &str) -> Self {
        Self {
            salt: seed(content),
            content: content.as_bytes().to_vec(),
        }
    }

    pub(crate) fn commitment(&self) -> Commitment {
        Commitment {
            commit: commitment(&self.salt, &self.content),
            length: self.content.len() as u64,
            media_type: "text/plain".to_owned(),
        }
    }

    fn member(&self) -> String {
        let stated = self.commitment();
        format!(
            r#"{{"commit":"{}","length":{},"mediaType":"text/plain"}}"#,
            stated.commit, stated.length
        )
    }

    pub(crate) fn body(&self) -> Value {
        use base64::Engine as _;
        let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        json!({
            "commit": self.commitment().commit.to_hex(),
            "salt": encode(&self.salt),
            "content": encode(&self.content),
        })
    }
}

/// The federation and the process that runs it.
pub(crate) struct Federation {
    dir: tempfile::TempDir,
    ports: Vec<u16>,
    pub(crate) id: FederationId,
    child: Option<Child>,
    nonce: u32,
}

impl Drop for Federation {
    fn drop(&mut self) {
        self.kill();
    }
}

fn write_key(folder: &Path, file: &str, name: &str, seed: [u8; 32]) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(file);
    let file = KeyFile {
        name: name.to_owned(),
        public_key: *SigningKey::from_seed(&seed).public_key().as_bytes(),
        sealed: Sealed::None(seed),
    };
    std::fs::write(&path, file.to_text()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn genesis() -> Note {
    let record = |(id, node, roles): &(&str, usize, &[Role])| DepartmentRecord {
        id: department(id),
        name_en: (*id).to_owned(),
        name_zh: (*id).to_owned(),
        level: "city".to_owned(),
        area: "610100".to_owned(),
        parent: None,
        line: None,
        profile: "cn-809".to_owned(),
        calendar: "cn-national".to_owned(),
        node: NodeId::parse(&format!("n{node}")).unwrap(),
        log_key: *key(&format!("log {id}")).public_key().as_bytes(),
        administrator: Administrator {
            officer: OfficerId::parse("admin").unwrap(),
            key: *key(&format!("admin {id}")).public_key().as_bytes(),
        },
        roles: roles.to_vec(),
    };
    let node = |number: usize| NodeRecord {
        id: NodeId::parse(&format!("n{number}")).unwrap(),
        operator: department("bureau"),
        transport_key: *key(&format!("n{number}")).public_key().as_bytes(),
    };
    let document = |text: Option<&str>| Json::parse_lenient(text.unwrap().as_bytes()).unwrap();
    let genesis = Genesis {
        name: "test".to_owned(),
        trial: true,
        created: Timestamp::parse(START).unwrap(),
        ruleset: 1,
        registrar: department("bureau"),
        quorum: 3,
        nodes: (1..=3).map(node).collect(),
        departments: DEPARTMENTS.iter().map(record).collect(),
        profiles: vec![document(profile_text("cn-809"))],
        calendars: vec![document(calendar_text("cn-national"))],
    };
    let text = genesis.to_text();
    let sign = |(id, ..): &(&str, usize, &[Role])| {
        sign_note(&text, &format!("test/{id}/admin"), &key(&format!("admin {id}"))).unwrap()
    };
    let lines = DEPARTMENTS.iter().map(sign).collect();
    Note { text, lines }
}

impl Federation {
    /// Writes the folder of a trial.
    pub(crate) fn found() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let note = genesis();
        let id = FederationId::new("test", &sha256(&[note.text.as_bytes()])).unwrap();
        std::fs::write(dir.path().join("genesis.note"), note.to_bytes()).unwrap();
        let keys = dir.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        std::fs::create_dir(dir.path().join("nodes")).unwrap();
        // Bound together, so that three different ports are free; let go before the program binds them.
        let listeners: Vec<TcpListener> = (0..3)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports: Vec<u16> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        for (place, port) in ports.iter().enumerate() {
            let number = place + 1;
            let name = format!("n{number}");
            write_key(
                &keys,
                &format!("{name}.key"),
                &format!("node/{name}"),
                seed(&name),
            );
            let mut text = format!(
                "node = \"{name}\"\ngenesis = \"../genesis.note\"\ndata = \"../data/{name}\"\nlisten = \"127.0.0.1:{port}\"\n\
                 trial = true\nask-peers-seconds = 1\n\n[keys]\ntransport = \"../keys/{name}.key\"\n\n[keys.logs]\n"
            );
            for (department, ..) in DEPARTMENTS.iter().filter(|(_, node, _)| *node == number) {
                let file = format!("log-{department}.key");
                write_key(
                    &keys,
                    &file,
                    &format!("{id}/{department}/1"),
                    seed(&format!("log {department}")),
                );
                text.push_str(&format!("{department} = \"../keys/{file}\"\n"));
            }
            std::fs::write(dir.path().join(format!("nodes/{name}.toml")), text).unwrap();
        }
        Self {
            dir,
            ports,
            id,
            child: None,
            nonce: 0,
        }
    }

    /// Founds, starts, and records the rosters of all departments.
    pub(crate) fn running() -> Self {
        let mut federation = Self::found();
        federation.start();
        for (department, ..) in DEPARTMENTS {
            federation.enrol(department);
        }
        federation
    }

    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn data(&self, node: usize) -> PathBuf {
        self.folder().join(format!("data/n{node}"))
    }

    pub(crate) fn spawn(&mut self) {
        let child = Command::new(env!("CARGO_BIN_EXE_tally-node"))
            .arg("trial")
            .arg(self.folder())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Starts the program and waits until every node takes writes.
    pub(crate) fn start(&mut self) {
        self.spawn();
        self.drain();
        for node in 1..=3 {
            self.await_that(&format!("node {node} is ready"), |federation| {
                federation
                    .get(node, "/readyz")
                    .is_some_and(|(status, _)| status == 200)
            });
        }
    }

    /// Reads away what the program logs, so that it never waits for us.
    pub(crate) fn drain(&mut self) {
        let mut log = self.child.as_mut().unwrap().stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    }

    /// Runs one node without any of the others while `act` goes on.
    pub(crate) fn alone(&mut self, node: usize, act: impl FnOnce(&mut Self)) {
        self.alone_until(node, 200, act);
    }

    /// As [`Self::alone`]; `act` begins when the node answers with a status whether it is ready.
    pub(crate) fn alone_until(&mut self, node: usize, ready: u16, act: impl FnOnce(&mut Self)) {
        let nodes = self.folder().join("nodes");
        let aside = self.folder().join("nodes-aside");
        std::fs::create_dir(&aside).unwrap();
        let others: Vec<String> = (1..=3)
            .filter(|other| *other != node)
            .map(|other| format!("n{other}.toml"))
            .collect();
        for name in &others {
            std::fs::rename(nodes.join(name), aside.join(name)).unwrap();
        }
        self.spawn();
        self.drain();
        self.await_that(&format!("node {node} has started"), |federation| {
            let answer = federation.get(node, "/readyz");
            answer.is_some_and(|(status, body)| {
                status == ready && !String::from_utf8_lossy(&body).contains("starting")
            })
        });
        act(self);
        self.terminate();
        for name in &others {
            std::fs::rename(aside.join(name), nodes.join(name)).unwrap();
        }
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that was killed before is only waited for.
            let _ended = child.kill();
            child.wait().unwrap();
        }
    }

    /// Kills the program with SIGKILL while others still speak to it.
    pub(crate) fn kill_from_outside(&self) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let status = Command::new("kill").args(["-9", &id]).status().unwrap();
        assert!(status.success());
    }

    /// Asks the program to end, as an operator does; it must succeed.
    pub(crate) fn terminate(&mut self) {
        let mut child = self.child.take().unwrap();
        let status = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(status.success());
        assert!(
            child.wait().unwrap().success(),
            "the program fails when asked to end"
        );
    }

    pub(crate) fn await_that(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_so(self) {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "in vain waited until {what}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn url(&self, node: usize, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[node - 1])
    }

    fn agent() -> ureq::Agent {
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .into()
    }

    /// Reads a path; none when the node does not answer.
    pub(crate) fn get(&self, node: usize, path: &str) -> Option<(u16, Vec<u8>)> {
        self.get_as(node, path, None)
    }

    pub(crate) fn get_as(&self, node: usize, path: &str, token: Option<&str>) -> Option<(u16, Vec<u8>)> {
        let mut request = Self::agent().get(self.url(node, path));
        if let Some(token) = token {
            request = request.header("Authorization", token);
        }
        let mut response = request.call().ok()?;
        Some((
            response.status().as_u16(),
            response.body_mut().read_to_vec().ok()?,
        ))
    }

    pub(crate) fn read(&self, node: usize, path: &str) -> Value {
        let (status, bytes) = self.get(node, path).unwrap();
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&bytes));
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Sends a body; none when no answer came.
    pub(crate) fn send(
        &self,
        node: usize,
        path: &str,
        kind: &str,
        token: Option<&str>,
        body: &[u8],
    ) -> Option<(u16, Value)> {
        let mut request = Self::agent()
            .post(self.url(node, path))
            .header("Content-Type", kind);
        if let Some(token) = token {
            request = request.header("Authorization", token);
        }
        let mut response = request.send(body).ok()?;
        let bytes = response.body_mut().read_to_vec().ok()?;
        Some((
            response.status().as_u16(),
            serde_json::from_slice(&bytes).unwrap_or_default(),
        ))
    }

    pub(crate) fn post(&self, node: usize, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        self.send(node, path, "application/json", token, body.to_string().as_bytes())
            .unwrap()
    }

    pub(crate) fn submit(&self, node: usize, note: &[u8]) -> (u16, Value) {
        self.send(node, "/v1/submit", "text/plain", None, note).unwrap()
    }

    pub(crate) fn node_of(by: &str) -> usize {
        DEPARTMENTS.iter().find(|(id, ..)| *id == by).unwrap().1
    }

    /// Makes an event; officers `o1` (clerk, drafts) and `h1` (head, approves) sign, for the roster the administrator.
    pub(crate) fn event(
        &mut self,
        by: &str,
        kind: EventKind,
        case: Option<EventId>,
        to: &[&str],
        body: &str,
    ) -> Event {
        self.nonce += 1;
        let mut nonce = [0u8; 16];
        nonce[..4].copy_from_slice(&self.nonce.to_be_bytes());
        let signer = |role, post: &str, officer: Option<&str>| Signer {
            roles: vec![role],
            post: PostId::parse(post).unwrap(),
            officer: officer.map(|officer| OfficerId::parse(officer).unwrap()),
        };
        let signers = if kind.as_str().starts_with("roster") {
            vec![signer(SignerRole::Administrator, "administrator", Some("admin"))]
        } else {
            vec![
                signer(SignerRole::Drafter, "clerk", Some("o1")),
                signer(SignerRole::Approver, "head", None),
            ]
        };
        Event {
            federation: self.id.clone(),
            department: department(by),
            kind: Kind::Known(kind),
            case,
            after: Vec::new(),
            signers,
            to: to.iter().map(|id| department(id)).collect(),
            audience: Audience::All,
            effective: None,
            issued: Timestamp::parse(START).unwrap(),
            nonce,
            legal_basis: Vec::new(),
            doc_no: None,
            external_ref: None,
            mandate: None,
            corrects: None,
            source: Source::Own,
            attachments: Vec::new(),
            paper: None,
            body: Body::unchecked(Json::parse(body.as_bytes()).unwrap()),
        }
    }

    /// Signs an event by the first so many of its signers.
    pub(crate) fn sign(&self, event: &Event, count: usize) -> Vec<u8> {
        let text = event.to_text();
        Event::parse_text(&text).expect("the test makes valid events");
        let by = &event.department;
        let officers = if event.signers.len() == 1 {
            vec!["admin"]
        } else {
            vec!["o1", "h1"]
        };
        let sign = |officer: &&str| {
            let name = format!("{}/{by}/{officer}", self.id);
            sign_note(&text, &name, &key(&format!("{officer} {by}"))).unwrap()
        };
        let lines = officers.iter().take(count).map(sign).collect();
        Note { text, lines }.to_bytes()
    }

    /// Records an event in full and returns its id.
    pub(crate) fn act(
        &mut self,
        by: &str,
        kind: EventKind,
        case: Option<EventId>,
        to: &[&str],
        body: &str,
    ) -> EventId {
        let event = self.event(by, kind, case, to, body);
        let note = self.sign(&event, 2);
        let (status, answer) = self.submit(Self::node_of(by), &note);
        assert_eq!(status, 200, "{by} {}: {answer}", kind.as_str());
        event_id(&event.to_text())
    }

    pub(crate) fn enrol(&mut self, by: &str) {
        for (post, duty) in [("clerk", "handle"), ("head", "sharing-unit-head")] {
            let body =
                format!(r#"{{"duties":["{duty}"],"nameEn":"{post}","nameZh":"{post}","post":"{post}"}}"#);
            self.act(by, EventKind::RosterPostCreated, None, &[], &body);
        }
        for (officer, post) in [("o1", "clerk"), ("h1", "head")] {
            let public = Hash(*key(&format!("{officer} {by}")).public_key().as_bytes()).to_base64();
            let body = format!(r#"{{"key":"{public}","officer":"{officer}"}}"#);
            self.act(by, EventKind::RosterEnrolled, None, &[], &body);
            let body = format!(r#"{{"from":"2026-01-01","officer":"{officer}","post":"{post}"}}"#);
            self.act(by, EventKind::RosterAppointed, None, &[], &body);
        }
    }

    /// Files a request of housing to civil with texts for everybody.
    pub(crate) fn file(&mut self) -> EventId {
        self.act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
    }

    /// Makes a request of housing to civil whose texts and file only the two may read.
    pub(crate) fn closed_request(&mut self, text: &Detached, file: &Detached) -> Event {
        let detached = text.member();
        let body = format!(
            r#"{{"basis":{detached},"class":"conditional","items":[{{"name":"name","number":1}}],"mode":"api","scenario":{detached},"scope":{detached},"statement":true,"useFrom":"2026-02-01","useTo":"2026-12-31"}}"#
        );
        let mut event = self.event("housing", EventKind::RequestFiled, None, &["civil"], &body);
        event.audience = Audience::Only(vec![department("civil"), department("housing")]);
        event.attachments = vec![Attachment {
            content: file.commitment(),
            name: "letter.txt".to_owned(),
        }];
        event
    }

    /// Makes the header `Authorization` of an officer for a node.
    pub(crate) fn token(&self, by: &str, officer: &str, node: usize, from: &str, to: &str) -> String {
        use base64::Engine as _;
        let text = Token {
            federation: self.id.clone(),
            department: department(by),
            officer: OfficerId::parse(officer).unwrap(),
            issued: Timestamp::parse(from).unwrap(),
            expires: Timestamp::parse(to).unwrap(),
            node: NodeId::parse(&format!("n{node}")).unwrap(),
        }
        .to_string();
        let name = format!("{}/{by}/{officer}", self.id);
        let line = sign_note(&text, &name, &key(&format!("{officer} {by}"))).unwrap();
        let note = Note {
            text,
            lines: vec![line],
        };
        let encoded = base64::engine::general_purpose::STANDARD.encode(note.to_bytes());
        format!("Tally {encoded}")
    }

    /// A token that holds at the start of the trial.
    pub(crate) fn fresh_token(&self, by: &str, officer: &str, node: usize) -> String {
        self.token(by, officer, node, START, "2026-01-05T01:10:00.000Z")
    }

    /// Returns what a node says of an epoch of housing's log.
    pub(crate) fn log_of(&self, node: usize, epoch: u32) -> Option<Value> {
        let origin = format!("{}/housing/{epoch}", self.id);
        let logs = self.read(node, "/v1/logs")["data"].as_array().unwrap().clone();
        logs.into_iter().find(|log| log["origin"] == origin.as_str())
    }

    /// Makes the opening of housing's log of an epoch, from the head that a node shows of an earlier one.
    pub(crate) fn opening(&self, node: usize, old: u32, epoch: u32, by: &[&str]) -> Vec<u8> {
        let shown = self.log_of(node, old).unwrap();
        assert_eq!(shown["size"], shown["checkpoint"], "{shown}");
        let origin = Origin::parse(&format!("{}/housing/{old}", self.id)).unwrap();
        let opening = Opening {
            federation: self.id.clone(),
            origin: Origin {
                epoch,
                ..origin.clone()
            },
            old: NamedHead {
                origin,
                head: TreeHead {
                    size: shown["size"].as_u64().unwrap(),
                    root: Hash::parse_base64(shown["root"].as_str().unwrap()).unwrap(),
                },
            },
            log_key: *key("log housing").public_key().as_bytes(),
            issued: Timestamp::parse(START).unwrap(),
            reason: "the signing lock was lost".to_owned(),
        };
        let text = opening.to_text();
        let lines = by.iter().map(|id| {
            let name = format!("{}/{}/admin", self.id, department(id));
            sign_note(&text, &name, &key(&format!("admin {id}"))).unwrap()
        });
        Note {
            lines: lines.collect(),
            text,
        }
        .to_bytes()
    }

    /// Submits an opening until the node takes it: it may have to fetch the rest, or to derive everything anew.
    pub(crate) fn open(&self, note: &[u8]) -> Value {
        for _ in 0..600 {
            let (status, body) = self.submit(1, note);
            if status == 200 {
                return body;
            }
            assert_eq!(status, 503, "{body}");
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("in vain waited for the opening to be recorded");
    }

    /// Waits until all nodes hold and resolve the same.
    pub(crate) fn await_equal(&self) {
        let started = Instant::now();
        loop {
            let digests: Vec<Value> = (1..=3).map(|node| self.read(node, "/v1/digests")).collect();
            let are_equal = digests.iter().all(|digest| {
                digest["behind"].as_array().is_some_and(Vec::is_empty)
                    && digest["heads"] == digests[0]["heads"]
                    && digest["data"] == digests[0]["data"]
            });
            if are_equal {
                return;
            }
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "the nodes do not come to rest on the same heads and states: {digests:#?}; their logs: {:#?}",
                (1..=3)
                    .map(|node| self.read(node, "/v1/logs")["data"].clone())
                    .collect::<Vec<_>>()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

pub(crate) const APPLICATION: &str = r#"{"basis":"duty","class":"conditional","items":[{"name":"name","number":1},{"name":"id","number":2}],"mode":"api","scenario":"s","scope":"s","statement":true,"useFrom":"2026-02-01","useTo":"2026-12-31"}"#;
