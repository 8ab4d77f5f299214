//! Writes the folder of a node with a history: requests and tasks of two to six acts, in the logs of eight departments; and the folders of
//! nodes of the same federation without one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::{SigningKey, event_id, leaf_hash, sha256, sign_note};
use tally_ledger::merkle::Frontier;
use tally_node::store::{DataDir, LogFiles, OwnStore};
use tally_schemas::entry::{Entry, EntryHeader, RegistryRef};
use tally_schemas::event::{Audience, Body, Event, EventKind, Kind, Signer, SignerRole, Source};
use tally_schemas::genesis::{Administrator, DepartmentRecord, Genesis, NodeRecord, Role};
use tally_schemas::id::{
    DepartmentId, EventId, FederationId, Hash, NamedHead, NodeId, OfficerId, Origin, PostId,
};
use tally_schemas::json::Json;
use tally_schemas::key_file::{KeyFile, Sealed};
use tally_schemas::note::Note;
use tally_schemas::shipped::{calendar_text, profile_text};
use tally_schemas::time::Timestamp;

const START: &str = "2026-01-05T00:00:00.000Z";
/// The departments: the first issues tasks, the second verifies them, the node hosts the third.
pub(crate) const DEPARTMENTS: [(&str, Role); 8] = [
    ("lead", Role::LeadGroup),
    ("watch", Role::Supervision),
    ("housing", Role::Requester),
    ("civil", Role::Provider),
    ("police", Role::Provider),
    ("taxes", Role::Provider),
    ("health", Role::Provider),
    ("transport", Role::Provider),
];
pub(crate) const HOSTED: &str = "housing";
/// A ninth department, which records nothing: the node that hosts it has only the logs of others to take in.
pub(crate) const ASIDE: &str = "archive";
/// How many cases are under way at a time.
const UNDER_WAY: usize = 600;
/// How many entries are written at a time.
const STEP: usize = 4_096;

/// Returns a department.
pub(crate) fn department(id: &str) -> DepartmentId {
    DepartmentId::parse(id).unwrap()
}

fn seed(name: &str) -> [u8; 32] {
    sha256(&[name.as_bytes()]).0
}

/// Returns the key of a name.
pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&seed(name))
}

/// Returns the genesis note.
pub(crate) fn genesis() -> Note {
    let departments: Vec<(&str, Role)> = DEPARTMENTS.into_iter().chain([(ASIDE, Role::Provider)]).collect();
    let record = |(id, role): &(&str, Role)| DepartmentRecord {
        id: department(id),
        name_en: (*id).to_owned(),
        name_zh: (*id).to_owned(),
        level: "city".to_owned(),
        area: "610100".to_owned(),
        parent: None,
        line: None,
        profile: "cn-809".to_owned(),
        calendar: "cn-national".to_owned(),
        node: NodeId::parse(match *id {
            HOSTED => "n1",
            ASIDE => "n3",
            _ => "n2",
        })
        .unwrap(),
        log_key: *key(&format!("log {id}")).public_key().as_bytes(),
        administrator: Administrator {
            officer: OfficerId::parse("admin").unwrap(),
            key: *key(&format!("admin {id}")).public_key().as_bytes(),
        },
        roles: vec![*role, Role::Provider, Role::Requester]
            .into_iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
    };
    let node = |id: &str| NodeRecord {
        id: NodeId::parse(id).unwrap(),
        operator: department("lead"),
        transport_key: *key(id).public_key().as_bytes(),
    };
    let document = |text: Option<&str>| Json::parse_lenient(text.unwrap().as_bytes()).unwrap();
    let genesis = Genesis {
        name: "measure".to_owned(),
        trial: true,
        created: Timestamp::parse(START).unwrap(),
        ruleset: 1,
        registrar: department("lead"),
        quorum: 5,
        nodes: vec![node("n1"), node("n2"), node("n3")],
        departments: {
            let mut records: Vec<DepartmentRecord> = departments.iter().map(record).collect();
            records.sort_by(|a, b| a.id.cmp(&b.id));
            records
        },
        profiles: vec![document(profile_text("cn-809"))],
        calendars: vec![document(calendar_text("cn-national"))],
    };
    let text = genesis.to_text();
    let mut signers: Vec<&str> = departments.iter().map(|(id, _)| *id).collect();
    signers.sort_unstable();
    let lines = signers.iter().map(|id| {
        sign_note(
            &text,
            &format!("measure/{id}/admin"),
            &key(&format!("admin {id}")),
        )
        .unwrap()
    });
    Note {
        lines: lines.collect(),
        text: text.clone(),
    }
}

/// An event before it is signed.
pub(crate) struct Draft<'a> {
    pub(crate) federation: &'a FederationId,
    pub(crate) by: &'a DepartmentId,
    /// Makes the event differ from all others.
    pub(crate) number: u64,
    pub(crate) issued: Timestamp,
    pub(crate) kind: EventKind,
    pub(crate) case: Option<EventId>,
    pub(crate) after: Option<EventId>,
    pub(crate) to: Option<&'a DepartmentId>,
    pub(crate) body: &'a str,
}

impl Draft<'_> {
    /// Signs by the keys of clerk and head; an event of the roster by the third, the administrator's.
    pub(crate) fn sign(self, keys: &[SigningKey]) -> Note {
        let is_roster = self.kind.as_str().starts_with("roster");
        let signer = |roles: &[SignerRole], post: &str, officer: Option<&str>| Signer {
            roles: roles.to_vec(),
            post: PostId::parse(post).unwrap(),
            officer: officer.map(|officer| OfficerId::parse(officer).unwrap()),
        };
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.number.to_be_bytes());
        let event = Event {
            federation: self.federation.clone(),
            department: self.by.clone(),
            kind: Kind::Known(self.kind),
            case: self.case,
            after: self.after.into_iter().collect(),
            signers: if is_roster {
                vec![signer(
                    &[SignerRole::Administrator],
                    "administrator",
                    Some("admin"),
                )]
            } else {
                vec![
                    signer(&[SignerRole::Drafter], "clerk", Some("o1")),
                    signer(&[SignerRole::Approver], "head", None),
                ]
            },
            to: self.to.into_iter().cloned().collect(),
            audience: Audience::All,
            effective: None,
            issued: self.issued,
            nonce,
            legal_basis: Vec::new(),
            doc_no: None,
            external_ref: None,
            mandate: None,
            corrects: None,
            source: Source::Own,
            attachments: Vec::new(),
            paper: None,
            body: Body::unchecked(Json::parse(self.body.as_bytes()).unwrap()),
        };
        let text = event.to_text();
        let officers: &[&str] = if is_roster { &["admin"] } else { &["o1", "h1"] };
        let lines = officers.iter().enumerate().map(|(place, officer)| {
            let key = if is_roster { &keys[2] } else { &keys[place] };
            let name = format!("{}/{}/{officer}", self.federation, event.department);
            sign_note(&text, &name, key).unwrap()
        });
        Note {
            lines: lines.collect(),
            text: text.clone(),
        }
    }
}

/// Returns the keys of clerk, head and administrator of a department.
pub(crate) fn officers(id: &str) -> [SigningKey; 3] {
    ["o1", "h1", "admin"].map(|officer| key(&format!("{officer} {id}")))
}

/// Returns the events that enrol clerk and head of a department, without their signatures.
pub(crate) fn enrolment(id: &str) -> Vec<(EventKind, String)> {
    let mut events = Vec::new();
    for (post, duty) in [("clerk", "handle"), ("head", "sharing-unit-head")] {
        let duties = if post == "head" {
            format!(r#"["{duty}","lead","handle"]"#)
        } else {
            format!(r#"["{duty}"]"#)
        };
        let body = format!(r#"{{"duties":{duties},"nameEn":"{post}","nameZh":"{post}","post":"{post}"}}"#);
        events.push((EventKind::RosterPostCreated, body));
    }
    for (officer, post) in [("o1", "clerk"), ("h1", "head")] {
        let public = Hash(*key(&format!("{officer} {id}")).public_key().as_bytes()).to_base64();
        let body = format!(r#"{{"key":"{public}","officer":"{officer}"}}"#);
        events.push((EventKind::RosterEnrolled, body));
        let body = format!(r#"{{"from":"2026-01-01","officer":"{officer}","post":"{post}"}}"#);
        events.push((EventKind::RosterAppointed, body));
    }
    events
}

/// Returns the body of a request that nobody else made.
pub(crate) fn request_body(number: u64) -> String {
    let words = "what is asked, for whom, and on which ground, in the words of those who ask it. ".repeat(3);
    format!(
        r#"{{"basis":"duty","class":"conditional","items":[{{"name":"data set {number}","number":1}},{{"name":"id","number":2}}],"mode":"api","scenario":"{words}","scope":"s","statement":true,"useFrom":"2026-02-01","useTo":"2026-12-31"}}"#
    )
}

/// One log being written.
struct Log {
    origin: Origin,
    frontier: Frontier,
    last: Hash,
    named: BTreeMap<usize, u64>,
    waiting: Vec<Arc<[u8]>>,
    keys: [SigningKey; 3],
}

/// A case under way: its opening, its departments, its acts so far.
struct Case {
    id: EventId,
    last: EventId,
    is_task: bool,
    by: usize,
    to: usize,
    step: usize,
}

struct Author {
    federation: FederationId,
    genesis: Hash,
    logs: Vec<Log>,
    count: u64,
    random: u64,
}

impl Author {
    fn next(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % below as u64) as usize
    }

    fn now(&self) -> Timestamp {
        // A thousand acts an hour.
        Timestamp::parse(START)
            .unwrap()
            .plus_ms(i64::try_from(self.count).unwrap() * 3_600)
    }

    /// Writes an event into the log of its department; names the head of another log if something of it was seen.
    fn act(
        &mut self,
        by: usize,
        seen: Option<usize>,
        kind: EventKind,
        case: Option<&Case>,
        to: Option<usize>,
        body: &str,
    ) -> EventId {
        self.count += 1;
        let issued = self.now();
        let (after, case) = (case.map(|case| case.last), case.map(|case| case.id));
        let log = &self.logs[by];
        let note = Draft {
            federation: &self.federation,
            by: &log.origin.department,
            number: self.count,
            issued,
            kind,
            case,
            after,
            to: to.map(|to| &self.logs[to].origin.department),
            body,
        }
        .sign(&log.keys);
        if self.count % 5_000 == 1 {
            Event::parse_text(&note.text).unwrap();
        }
        let id = event_id(&note.text);
        let heads = seen.filter(|seen| *seen != by).map(|seen| NamedHead {
            origin: self.logs[seen].origin.clone(),
            head: self.logs[seen].frontier.head(),
        });
        let now = self.now();
        let genesis = self.genesis;
        let log = &mut self.logs[by];
        let heads: Vec<NamedHead> = heads
            .filter(|head| {
                log.named
                    .get(&seen.unwrap())
                    .is_none_or(|size| *size < head.head.size)
            })
            .into_iter()
            .collect();
        for head in &heads {
            log.named.insert(seen.unwrap(), head.head.size);
        }
        let entry = Entry {
            header: EntryHeader {
                origin: log.origin.clone(),
                index: log.frontier.size(),
                prev: if log.frontier.size() == 0 {
                    genesis
                } else {
                    log.last
                },
                recorded: now,
                registry: RegistryRef {
                    version: 0,
                    hash: genesis,
                },
                heads,
            },
            payload: String::from_utf8(note.to_bytes()).unwrap(),
        };
        let bytes: Arc<[u8]> = entry.to_bytes().into();
        log.last = leaf_hash(&bytes);
        log.frontier.append(log.last);
        log.waiting.push(bytes);
        id
    }

    fn enrol(&mut self, by: usize) {
        for (kind, body) in enrolment(DEPARTMENTS[by].0) {
            self.act(by, None, kind, None, None, &body);
        }
    }

    /// Opens a case.
    fn open(&mut self) -> Case {
        let is_task = self.next(2) == 0;
        let (by, to) = if is_task {
            (0, 2 + self.next(6))
        } else {
            let by = 2 + self.next(6);
            (by, 2 + (by - 2 + 1 + self.next(5)) % 6)
        };
        let words =
            "what is asked, for whom, and on which ground, in the words of those who ask it. ".repeat(3);
        let id = if is_task {
            let body = format!(
                r#"{{"due":"2030-01-15","indicator":"i","lead":"{}","signatory":"head","target":"t","text":"{words}","title":"task {}"}}"#,
                DEPARTMENTS[to].0, self.count
            );
            self.act(by, None, EventKind::TaskIssued, None, Some(to), &body)
        } else {
            let body = request_body(self.count);
            self.act(by, None, EventKind::RequestFiled, None, Some(to), &body)
        };
        Case {
            id,
            last: id,
            is_task,
            by,
            to,
            step: 0,
        }
    }

    /// Adds the next act to a case; says whether it was the last.
    fn advance(&mut self, case: &mut Case) -> bool {
        let words =
            "what was done, by whom, and what is still to be done until the day that was named. ".repeat(3);
        let (by, seen, kind, body) = match (case.is_task, case.step) {
            (true, 0) => (case.to, case.by, EventKind::TaskSigned, "{}".to_owned()),
            (true, step @ 1..3) => {
                let body = format!(r#"{{"percent":{},"report":"{words}"}}"#, step * 30);
                (case.to, case.by, EventKind::TaskProgressReported, body)
            }
            (true, 3) => (
                case.to,
                case.by,
                EventKind::TaskClaimed,
                format!(r#"{{"summary":"{words}"}}"#),
            ),
            (true, _) => (1, case.to, EventKind::TaskVerified, "{}".to_owned()),
            (false, 0) => (case.to, case.by, EventKind::RequestAcknowledged, "{}".to_owned()),
            (false, _) if self.next(10) == 0 => {
                let body = r#"{"from":"2026-02-01","items":[1,2],"mode":"api","to":"2026-12-31"}"#;
                (case.to, case.by, EventKind::RequestGranted, body.to_owned())
            }
            (false, _) => {
                let body = format!(r#"{{"ground":"LAW_PROHIBITS","items":[1,2],"reason":"{words}"}}"#);
                (case.to, case.by, EventKind::RequestRefused, body)
            }
        };
        let to = if by == case.by { case.to } else { case.by };
        case.last = self.act(by, Some(seen), kind, Some(case), Some(to), &body);
        case.step += 1;
        case.step >= if case.is_task { 5 } else { 2 }
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

/// Writes genesis, keys and configuration of a node that hosts one department; returns the federation.
pub(crate) fn found(dir: &Path, node: &str, hosted: &str) -> FederationId {
    std::fs::create_dir_all(dir).unwrap();
    let note = genesis();
    let federation = FederationId::new("measure", &sha256(&[note.text.as_bytes()])).unwrap();
    std::fs::write(dir.join("genesis.note"), note.to_bytes()).unwrap();
    write_key(dir, "node.key", &format!("node/{node}"), seed(node));
    write_key(
        dir,
        "log.key",
        &format!("{federation}/{hosted}/1"),
        seed(&format!("log {hosted}")),
    );
    let config = format!(
        "node = \"{node}\"\ngenesis = \"genesis.note\"\ndata = \"data\"\nlisten = \"127.0.0.1:0\"\ntrial = true\nask-peers-seconds = 0\n\n\
         [keys]\ntransport = \"node.key\"\n\n[keys.logs]\n{hosted} = \"log.key\"\n"
    );
    std::fs::write(dir.join("node.toml"), config).unwrap();
    federation
}

/// Writes the folder of a node with so many events; returns the bytes of their entries, and how many of them are in the log of its own.
pub(crate) fn make(dir: &Path, events: u64) -> (u64, u64) {
    let federation = found(dir, "n1", HOSTED);
    let hash = sha256(&[genesis().text.as_bytes()]);
    let data = DataDir::open(&dir.join("data")).unwrap();
    let logs: Vec<Log> = DEPARTMENTS
        .iter()
        .map(|(id, _)| Log {
            origin: Origin {
                federation: federation.clone(),
                department: department(id),
                epoch: 1,
            },
            frontier: Frontier::new(),
            last: Hash::default(),
            named: BTreeMap::new(),
            waiting: Vec::new(),
            keys: officers(id),
        })
        .collect();
    let mut own = OwnStore::create(&data, &logs[2].origin).unwrap();
    let mut replicas: Vec<LogFiles> = logs
        .iter()
        .map(|log| LogFiles::open(&data, &log.origin, &mut |_, _| {}).unwrap())
        .collect();
    let mut author = Author {
        federation,
        genesis: hash,
        logs,
        count: 0,
        random: 88_172_645_463_325_252,
    };
    for by in 0..DEPARTMENTS.len() {
        author.enrol(by);
    }
    let mut cases: Vec<Case> = Vec::new();
    let mut bytes = [0; DEPARTMENTS.len()];
    while author.count < events {
        if cases.len() < UNDER_WAY {
            let case = author.open();
            cases.push(case);
        }
        let place = author.next(cases.len());
        let mut case = cases.swap_remove(place);
        if !author.advance(&mut case) {
            cases.push(case);
        }
        let is_last = author.count >= events;
        for (number, bytes) in bytes.iter_mut().enumerate() {
            if author.logs[number].waiting.len() >= STEP || is_last {
                *bytes += write(&mut author.logs[number], number, &mut own, &mut replicas);
            }
        }
    }
    own.settle().unwrap();
    own.log.close().unwrap();
    (bytes.iter().sum(), bytes[2])
}

fn write(log: &mut Log, number: usize, own: &mut OwnStore, replicas: &mut [LogFiles]) -> u64 {
    let entries = std::mem::take(&mut log.waiting);
    let bytes = entries.iter().map(|entry| entry.len() as u64).sum();
    let head = log.frontier.head();
    let signing = key(&format!("log {}", log.origin.department));
    let checkpoint = sign_checkpoint(&log.origin, head, &signing).to_bytes();
    let mut start = head.size - entries.len() as u64;
    if number != 2 {
        replicas[number]
            .append(start, &entries, Some(&checkpoint))
            .unwrap();
        replicas[number].settle().unwrap();
        return bytes;
    }
    for part in entries.chunks(1_024) {
        own.log.append_batch(start, part, &[]).unwrap();
        start += part.len() as u64;
    }
    own.lock.advance(head).unwrap();
    own.publish(&checkpoint).unwrap();
    bytes
}
