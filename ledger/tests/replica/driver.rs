//! The departments, and the driver of their nodes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tally_ledger::archive::NoArchive;
use tally_ledger::cases::RULESET;
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::{SigningKey, sign_note};
use tally_ledger::projection::digest::Buckets;
use tally_ledger::replica::{Alarm, Input, KeptRange, Output, Recorded, Refusal, Replica};
use tally_schemas::event::{Audience, Body, Event, EventKind, Kind, Signer, SignerRole, Source};
use tally_schemas::frame::Frame;
use tally_schemas::genesis::{Administrator, DepartmentRecord, Genesis, NodeRecord, Role};
use tally_schemas::id::{DepartmentId, EventId, FederationId, NodeId, OfficerId, Origin, PostId};
use tally_schemas::json::Json;
use tally_schemas::note::Note;
use tally_schemas::shipped::{calendar_text, profile_text};
use tally_schemas::time::Timestamp;

pub(crate) fn department(id: &str) -> DepartmentId {
    DepartmentId::parse(id).unwrap()
}

pub(crate) fn key(name: &str) -> SigningKey {
    let mut seed = [0u8; 32];
    for (slot, byte) in seed.iter_mut().zip(name.bytes().cycle().take(32)) {
        *slot = byte;
    }
    for (place, byte) in name.bytes().enumerate() {
        seed[place % 32] ^= byte.wrapping_mul(31).wrapping_add(u8::try_from(place).unwrap());
    }
    SigningKey::from_seed(&seed)
}

const DEPARTMENTS: &[(&str, &str, &[Role])] = &[
    ("bureau", "city", &[Role::Authority]),
    ("civil", "city", &[Role::Provider, Role::Requester]),
    ("housing", "city", &[Role::Provider, Role::Requester]),
];

pub(crate) fn genesis() -> Vec<u8> {
    genesis_under(1)
}

pub(crate) fn genesis_under(ruleset: u32) -> Vec<u8> {
    let record = |(id, level, roles): &(&str, &str, &[Role])| DepartmentRecord {
        id: department(id),
        name_en: (*id).to_owned(),
        name_zh: (*id).to_owned(),
        level: (*level).to_owned(),
        area: "610100".to_owned(),
        parent: None,
        line: None,
        profile: "cn-809".to_owned(),
        calendar: "cn-national".to_owned(),
        node: NodeId::parse(if *id == "civil" { "n2" } else { "n1" }).unwrap(),
        log_key: *key(&format!("log {id}")).public_key().as_bytes(),
        administrator: Administrator {
            officer: OfficerId::parse("admin").unwrap(),
            key: *key(&format!("admin {id}")).public_key().as_bytes(),
        },
        roles: roles.to_vec(),
    };
    let node = |id: &str| NodeRecord {
        id: NodeId::parse(id).unwrap(),
        operator: department("bureau"),
        transport_key: *key(id).public_key().as_bytes(),
    };
    let json = |text: Option<&str>| Json::parse_lenient(text.unwrap().as_bytes()).unwrap();
    let genesis = Genesis {
        name: "test".to_owned(),
        trial: true,
        created: Timestamp::parse("2026-01-05T00:00:00.000Z").unwrap(),
        ruleset,
        registrar: department("bureau"),
        quorum: 2,
        nodes: vec![node("n1"), node("n2")],
        departments: DEPARTMENTS.iter().map(record).collect(),
        profiles: vec![json(profile_text("cn-809"))],
        calendars: vec![json(calendar_text("cn-national"))],
    };
    let text = genesis.to_text();
    let lines = ["bureau", "civil"]
        .iter()
        .map(|id| sign_note(&text, &format!("test/{id}/admin"), &key(&format!("admin {id}"))).unwrap())
        .collect();
    Note { text, lines }.to_bytes()
}

/// Nodes under the smallest driver that keeps the contract; all departments but civil live on the first.
pub(crate) struct Driver {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) federation: FederationId,
    pub(crate) now: Timestamp,
    pub(crate) replies: BTreeMap<u64, Result<Recorded, Box<Refusal>>>,
    pub(crate) entries: BTreeMap<String, Vec<Vec<u8>>>,
    /// Files of forks that a node was told to keep, with the node.
    pub(crate) evidence: Vec<(usize, Vec<u8>)>,
    /// Of any node, in their order.
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) nonce: u8,
    pub(crate) ticket: u64,
    /// What the disk of each node holds.
    pub(crate) disks: Vec<Disk>,
    /// Whether the nodes hear nothing of each other.
    pub(crate) is_parted: bool,
    /// Whether signatures are checked one by one, the last of them first.
    pub(crate) checks_backwards: bool,
    genesis: Vec<u8>,
    /// The newest ruleset that the software of each node holds.
    pub(crate) holds: [u32; 2],
}

/// What the disk of a node holds: entries and newest checkpoint of each log, own logs that are never signed again, evidence.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    pub(crate) logs: BTreeMap<Origin, (Vec<Vec<u8>>, Vec<u8>)>,
    /// What is kept beside the last entries of a log, where no checkpoint is of exactly their size.
    pub(crate) coverings: BTreeMap<Origin, Frame>,
    pub(crate) seals: BTreeMap<Origin, String>,
    pub(crate) branches: BTreeMap<Origin, Vec<u8>>,
    pub(crate) evidence: Vec<Vec<u8>>,
    pub(crate) rebuilds: usize,
}

impl Disk {
    /// What a start hands in, the logs in any order.
    pub(crate) fn inputs(&self, order: &[usize], tells_openings: bool) -> Vec<Input> {
        let mut inputs = Vec::new();
        if tells_openings {
            let later = self.logs.iter().filter(|(origin, _)| origin.epoch > 1);
            inputs.extend(later.map(|(_, (entries, _))| Input::Opening(entries[0].clone())));
        }
        inputs.extend(self.branches.values().cloned().map(Input::Endorsed));
        for (origin, why) in &self.seals {
            inputs.push(Input::Seal {
                origin: origin.clone(),
                why: why.clone(),
            });
        }
        let mut logs: Vec<_> = self.logs.iter().collect();
        for (place, other) in order.iter().enumerate() {
            let count = logs.len();
            logs.swap(place % count, other % count);
        }
        inputs.extend(logs.into_iter().map(|(origin, (entries, checkpoint))| {
            Input::Restored(KeptRange {
                origin: origin.clone(),
                entries: entries.clone(),
                checkpoint: checkpoint.clone(),
                covering: self.coverings.get(origin).cloned(),
            })
        }));
        inputs.extend(self.evidence.iter().map(|bytes| Input::Evidence {
            bytes: bytes.clone(),
            is_kept: true,
        }));
        inputs
    }
}

fn hosted(at: usize) -> BTreeSet<DepartmentId> {
    let ids: &[&str] = if at == 0 {
        &["bureau", "housing"]
    } else {
        &["civil"]
    };
    ids.iter().map(|id| department(id)).collect()
}

fn founded(genesis: &[u8], at: usize, holds: u32) -> Replica {
    Replica::found_with(genesis, hosted(at), Arc::new(NoArchive), holds).unwrap()
}

/// The name of the key that signs a log.
pub(crate) fn log_key_name(origin: &Origin) -> String {
    match origin.epoch {
        1 => format!("log {}", origin.department),
        epoch => format!("log {} {epoch}", origin.department),
    }
}

impl Driver {
    pub(crate) fn new() -> Self {
        Self::founded(genesis(), [RULESET; 2])
    }

    /// Founds a federation whose two nodes run software that holds these rulesets.
    pub(crate) fn founded(genesis: Vec<u8>, holds: [u32; 2]) -> Self {
        let replicas: Vec<Replica> = (0..2).map(|at| founded(&genesis, at, holds[at])).collect();
        let mut driver = Self {
            federation: replicas[0].world().registry().federation().clone(),
            replicas,
            now: Timestamp::parse("2026-01-05T01:00:00.000Z").unwrap(),
            replies: BTreeMap::new(),
            entries: BTreeMap::new(),
            evidence: Vec::new(),
            alarms: Vec::new(),
            nonce: 0,
            ticket: 0,
            disks: vec![Disk::default(), Disk::default()],
            is_parted: false,
            checks_backwards: false,
            genesis,
            holds,
        };
        for (id, ..) in DEPARTMENTS {
            driver.enrol(id);
        }
        driver
    }

    pub(crate) fn input(&mut self, at: usize, input: Input) {
        let mut queue: VecDeque<(usize, Input)> = VecDeque::from([(at, input)]);
        while let Some((at, input)) = queue.pop_front() {
            let outputs = self.replicas[at].handle(self.now, vec![input]);
            for output in outputs {
                match output {
                    Output::Verify(jobs) => {
                        let results = jobs.iter().map(tally_ledger::replica::Job::run);
                        if self.checks_backwards {
                            queue.extend(results.rev().map(|result| (at, Input::Verified(vec![result]))));
                        } else {
                            queue.push_back((at, Input::Verified(results.collect())));
                        }
                    }
                    Output::Persist(batch) => {
                        let checkpoint = batch.own.then(|| {
                            let name = log_key_name(&batch.origin);
                            sign_checkpoint(&batch.origin, batch.head, &key(&name)).to_bytes()
                        });
                        let (entries, newest) = self.disks[at].logs.entry(batch.origin.clone()).or_default();
                        assert_eq!(entries.len() as u64, batch.start, "{}", batch.origin);
                        entries.extend(batch.entries.iter().map(|entry| entry.to_vec()));
                        if let Some(checkpoint) = checkpoint.as_ref().or(batch.checkpoint.as_ref()) {
                            newest.clone_from(checkpoint);
                        }
                        let coverings = &mut self.disks[at].coverings;
                        match batch.covering {
                            Some(covering) => drop(coverings.insert(batch.origin.clone(), covering)),
                            None => drop(coverings.remove(&batch.origin)),
                        }
                        if batch.own {
                            let log = self.entries.entry(batch.origin.to_string()).or_default();
                            log.truncate(usize::try_from(batch.start).unwrap());
                            log.extend(batch.entries.iter().map(|entry| entry.to_vec()));
                        }
                        queue.push_back((
                            at,
                            Input::Persisted {
                                token: batch.token,
                                checkpoint,
                            },
                        ));
                    }
                    Output::Publish(frame) => {
                        for other in 0..self.replicas.len() {
                            if other != at && !self.is_parted {
                                queue.push_back((other, Input::Frame(frame.clone())));
                            }
                        }
                    }
                    Output::Reply { ticket, result } => drop(self.replies.insert(ticket, result)),
                    Output::Want { origin, start } => {
                        let start_place = usize::try_from(start).unwrap();
                        for other in 0..self.replicas.len() {
                            let held = self.disks[other].logs.get(&origin);
                            let held = held.and_then(|(entries, _)| entries.get(start_place..));
                            let entries = held.unwrap_or(&[]).to_vec();
                            // Whoever holds no more has nothing to say, unless it is the head of exactly that.
                            let exact = self.replicas[other].checkpoint_of(&origin);
                            let is_more = !entries.is_empty()
                                || exact.is_some_and(|checkpoint| checkpoint.head().size == start);
                            if other != at
                                && is_more
                                && !self.is_parted
                                && let Some(frame) = self.replicas[other].frame(&origin, start, entries)
                            {
                                queue.push_back((at, Input::Frame(frame)));
                            }
                        }
                    }
                    Output::Evidence { bytes, .. } => {
                        self.disks[at].evidence.push(bytes.clone());
                        self.evidence.push((at, bytes));
                    }
                    Output::Sealed { origin, why } => drop(self.disks[at].seals.insert(origin, why)),
                    Output::Refetch { origin, opening } => {
                        self.disks[at].logs.remove(&origin);
                        self.disks[at].branches.insert(origin, opening);
                    }
                    Output::Rebuild => {
                        self.disks[at].rebuilds += 1;
                        assert!(
                            self.disks[at].rebuilds < 20,
                            "it derives everything anew without end"
                        );
                        self.replicas[at] = founded(&self.genesis, at, self.holds[at]);
                        // What was under way belonged to the replica before.
                        queue.retain(|(other, _)| *other != at);
                        let inputs = self.disks[at].inputs(&[], true);
                        queue.extend(inputs.into_iter().map(|input| (at, input)));
                    }
                    Output::WantEvidence(origin) => {
                        for other in 0..self.replicas.len() {
                            if other != at
                                && let Some(evidence) = self.replicas[other].evidence(&origin)
                            {
                                let bytes = evidence.to_bytes();
                                queue.push_back((
                                    at,
                                    Input::Evidence {
                                        bytes,
                                        is_kept: false,
                                    },
                                ));
                            }
                        }
                    }
                    Output::Changed(_) => {}
                    Output::Alarm(alarm) => self.alarms.push(alarm),
                }
            }
        }
    }

    /// Lets time pass at every node, so that heads are announced and what is missing is asked for.
    pub(crate) fn pass(&mut self) {
        for _ in 0..3 {
            self.now = self.now.plus_ms(6_000);
            for at in 0..self.replicas.len() {
                self.input(at, Input::Tick);
            }
        }
    }

    /// Starts a node again from its disk.
    pub(crate) fn restart(&mut self, at: usize) {
        self.replicas[at] = founded(&self.genesis, at, self.holds[at]);
        for input in self.disks[at].inputs(&[], true) {
            self.input(at, input);
        }
    }

    pub(crate) fn submit(&mut self, at: usize, note: Vec<u8>) -> Result<Recorded, Box<Refusal>> {
        self.ticket += 1;
        let ticket = self.ticket;
        self.input(
            at,
            Input::Submit {
                ticket,
                note,
                personal_override: None,
            },
        );
        self.replies
            .remove(&ticket)
            .expect("every submission is answered")
    }

    pub(crate) fn event(
        &mut self,
        by: &str,
        kind: EventKind,
        case: Option<EventId>,
        to: &[&str],
        body: &str,
    ) -> Event {
        self.nonce += 1;
        let roster = kind.as_str().starts_with("roster");
        let signers = if roster {
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
        };
        let event = Event {
            federation: self.federation.clone(),
            department: department(by),
            kind: Kind::Known(kind),
            case,
            after: Vec::new(),
            signers,
            to: to.iter().map(|id| department(id)).collect(),
            audience: Audience::All,
            effective: None,
            issued: self.now,
            nonce: [self.nonce; 16],
            legal_basis: Vec::new(),
            doc_no: None,
            external_ref: None,
            mandate: None,
            corrects: None,
            source: Source::Own,
            attachments: Vec::new(),
            paper: None,
            body: body_of(body),
        };
        Event::parse_text(&event.to_text()).expect("the test makes valid events");
        event
    }

    pub(crate) fn sign(&self, event: &Event) -> Vec<u8> {
        let text = event.to_text();
        let by = &event.department;
        let officers: Vec<&str> = if event.signers.len() == 1 {
            vec!["admin"]
        } else {
            vec!["o1", "h1"]
        };
        let lines = officers
            .iter()
            .map(|officer| {
                let name = format!("{}/{by}/{officer}", self.federation);
                sign_note(&text, &name, &key(&format!("{officer} {by}"))).unwrap()
            })
            .collect();
        Note { text, lines }.to_bytes()
    }

    pub(crate) fn act(
        &mut self,
        by: &str,
        kind: EventKind,
        case: Option<EventId>,
        to: &[&str],
        body: &str,
    ) -> Result<Recorded, Box<Refusal>> {
        let at = usize::from(by == "civil");
        let event = self.event(by, kind, case, to, body);
        let note = self.sign(&event);
        self.submit(at, note)
    }

    pub(crate) fn enrol(&mut self, by: &str) {
        for (post, duty) in [("clerk", "handle"), ("head", "sharing-unit-head")] {
            let body =
                format!(r#"{{"duties":["{duty}"],"nameEn":"{post}","nameZh":"{post}","post":"{post}"}}"#);
            self.act(by, EventKind::RosterPostCreated, None, &[], &body)
                .unwrap();
        }
        for (officer, post) in [("o1", "clerk"), ("h1", "head")] {
            let public =
                tally_schemas::id::Hash(*key(&format!("{officer} {by}")).public_key().as_bytes()).to_base64();
            let body = format!(r#"{{"key":"{public}","officer":"{officer}"}}"#);
            self.act(by, EventKind::RosterEnrolled, None, &[], &body).unwrap();
            let body = format!(r#"{{"from":"2026-01-01","officer":"{officer}","post":"{post}"}}"#);
            self.act(by, EventKind::RosterAppointed, None, &[], &body)
                .unwrap();
        }
    }

    pub(crate) fn assert_equal(&self) {
        assert_eq!(self.alarms, Vec::new());
        self.assert_same_state();
    }

    pub(crate) fn assert_same_state(&self) {
        let state = |replica: &Replica| {
            let cases = replica.world().cases();
            cases
                .iter()
                .map(|(id, fold)| (*id, fold.state().map(|state| state.to_json().to_canonical())))
                .collect::<Vec<_>>()
        };
        assert_eq!(state(&self.replicas[0]), state(&self.replicas[1]));
        for log in self.replicas[0].world().logs() {
            let world = self.replicas[1].world();
            let other = world
                .number_of_log(&log.origin)
                .and_then(|number| world.log_at(number));
            let other = other.unwrap_or_else(|| panic!("{} is not held", log.origin));
            assert_eq!(
                (log.end, log.cursor()),
                (other.end, other.cursor()),
                "{}",
                log.origin
            );
            if log.end.is_none() {
                assert_eq!(log.size(), other.size(), "{}", log.origin);
            }
        }
        let digests = |replica: &Replica| {
            let world = replica.world();
            (world.digests(Buckets::Sixteen), world.numbers(), world.arrivals())
        };
        assert_eq!(digests(&self.replicas[0]), digests(&self.replicas[1]));
    }
}

pub(crate) fn body_of(text: &str) -> Body {
    // An event with this body is parsed back, which is the only way to a checked body.
    Body::unchecked(Json::parse(text.as_bytes()).unwrap())
}

pub(crate) fn signer(roles: &[SignerRole], post: &str, officer: Option<&str>) -> Signer {
    Signer {
        roles: roles.to_vec(),
        post: PostId::parse(post).unwrap(),
        officer: officer.map(|officer| OfficerId::parse(officer).unwrap()),
    }
}

pub(crate) const APPLICATION: &str = r#"{"basis":"duty","class":"conditional","items":[{"name":"name","number":1},{"name":"id","number":2}],"mode":"api","scenario":"s","scope":"s","statement":true,"useFrom":"2026-02-01","useTo":"2026-12-31"}"#;
