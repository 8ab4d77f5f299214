//! Two replicas under the smallest driver that keeps the contract: submit, verify, persist, publish, converge.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tally_ledger::checkpoint::{LogKey, sign_checkpoint};
use tally_ledger::crypto::{SigningKey, event_id, sign_note};
use tally_ledger::proof::verify_recorded;
use tally_ledger::replica::{Input, Output, Recorded, Refusal, Replica};
use tally_schemas::event::{Audience, Body, Event, EventKind, Kind, Signer, SignerRole, Source};
use tally_schemas::genesis::{Administrator, DepartmentRecord, Genesis, NodeRecord, Role};
use tally_schemas::id::{DepartmentId, EventId, FederationId, NodeId, OfficerId, PostId};
use tally_schemas::json::Json;
use tally_schemas::note::Note;
use tally_schemas::proof::TlogProof;
use tally_schemas::shipped::{calendar_text, profile_text};
use tally_schemas::time::Timestamp;

fn department(id: &str) -> DepartmentId {
    DepartmentId::parse(id).unwrap()
}

fn key(name: &str) -> SigningKey {
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

fn genesis() -> Vec<u8> {
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
        ruleset: 1,
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

struct Driver {
    replicas: Vec<Replica>,
    federation: FederationId,
    now: Timestamp,
    replies: BTreeMap<u64, Result<Recorded, Box<Refusal>>>,
    entries: BTreeMap<String, Vec<Vec<u8>>>,
    nonce: u8,
    ticket: u64,
}

impl Driver {
    fn new() -> Self {
        let hosted = |ids: &[&str]| ids.iter().map(|id| department(id)).collect::<BTreeSet<_>>();
        let replicas = vec![
            Replica::found(&genesis(), hosted(&["bureau", "housing"])).unwrap(),
            Replica::found(&genesis(), hosted(&["civil"])).unwrap(),
        ];
        let mut driver = Self {
            federation: replicas[0].world().registry().federation().clone(),
            replicas,
            now: Timestamp::parse("2026-01-05T01:00:00.000Z").unwrap(),
            replies: BTreeMap::new(),
            entries: BTreeMap::new(),
            nonce: 0,
            ticket: 0,
        };
        for (id, ..) in DEPARTMENTS {
            driver.enrol(id);
        }
        driver
    }

    fn input(&mut self, at: usize, input: Input) {
        let mut queue: VecDeque<(usize, Input)> = VecDeque::from([(at, input)]);
        while let Some((at, input)) = queue.pop_front() {
            let outputs = self.replicas[at].handle(self.now, vec![input]);
            for output in outputs {
                match output {
                    Output::Verify(jobs) => {
                        let results = jobs.iter().map(tally_ledger::replica::Job::run).collect();
                        queue.push_back((at, Input::Verified(results)));
                    }
                    Output::Persist(batch) => {
                        let checkpoint = batch.own.then(|| {
                            let name = format!("log {}", batch.origin.department);
                            sign_checkpoint(&batch.origin, batch.head, &key(&name)).to_bytes()
                        });
                        if batch.own {
                            let log = self.entries.entry(batch.origin.to_string()).or_default();
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
                            if other != at {
                                queue.push_back((other, Input::Frame(frame.clone())));
                            }
                        }
                    }
                    Output::Reply { ticket, result } => drop(self.replies.insert(ticket, result)),
                    Output::Want { origin, start } => {
                        let held = self.entries.get(&origin.to_string()).cloned().unwrap_or_default();
                        let start_place = usize::try_from(start).unwrap();
                        for other in 0..self.replicas.len() {
                            let entries = held.get(start_place..).unwrap_or(&[]).to_vec();
                            if other != at
                                && let Some(frame) = self.replicas[other].frame(&origin, start, entries)
                            {
                                queue.push_back((at, Input::Frame(frame)));
                            }
                        }
                    }
                    Output::Changed(_) => {}
                    Output::Alarm(alarm) => panic!("alarm: {alarm:?}"),
                }
            }
        }
    }

    fn submit(&mut self, at: usize, note: Vec<u8>) -> Result<Recorded, Box<Refusal>> {
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

    fn event(&mut self, by: &str, kind: EventKind, case: Option<EventId>, to: &[&str], body: &str) -> Event {
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

    fn sign(&self, event: &Event) -> Vec<u8> {
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

    fn act(
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

    fn enrol(&mut self, by: &str) {
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

    fn assert_equal(&self) {
        let state = |replica: &Replica| {
            let cases = replica.world().cases();
            cases
                .iter()
                .map(|(id, fold)| (*id, fold.state().map(|state| state.to_json().to_canonical())))
                .collect::<Vec<_>>()
        };
        assert_eq!(state(&self.replicas[0]), state(&self.replicas[1]));
        for log in self.replicas[0].world().logs() {
            let other = self.replicas[1].world().log(&log.origin.department).unwrap();
            assert_eq!(
                (log.size(), log.cursor()),
                (other.size(), other.cursor()),
                "{}",
                log.origin
            );
        }
    }
}

fn body_of(text: &str) -> Body {
    // An event with this body is parsed back, which is the only way to a checked body.
    Body::unchecked(Json::parse(text.as_bytes()).unwrap())
}

fn signer(roles: &[SignerRole], post: &str, officer: Option<&str>) -> Signer {
    Signer {
        roles: roles.to_vec(),
        post: PostId::parse(post).unwrap(),
        officer: officer.map(|officer| OfficerId::parse(officer).unwrap()),
    }
}

const APPLICATION: &str = r#"{"basis":"duty","class":"conditional","items":[{"name":"name","number":1},{"name":"id","number":2}],"mode":"api","scenario":"s","scope":"s","statement":true,"useFrom":"2026-02-01","useTo":"2026-12-31"}"#;

#[test]
fn a_request_is_filed_here_and_granted_there() {
    let mut driver = Driver::new();
    let filed = driver
        .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
        .unwrap();
    let granted = driver
        .act(
            "civil",
            EventKind::RequestGranted,
            Some(filed.event),
            &["housing"],
            r#"{"from":"2026-02-01","items":[1,2],"mode":"api","to":"2026-12-31"}"#,
        )
        .unwrap();
    driver.assert_equal();
    let state = driver.replicas[0]
        .world()
        .case(&filed.event)
        .unwrap()
        .state()
        .unwrap();
    assert_eq!(state.stage().as_str(), "agreed");
    let civil = department("civil");
    let registry = driver.replicas[0].world().registry();
    let log = registry.origin(&civil);
    let entry = &driver.entries[&log.to_string()][usize::try_from(granted.index).unwrap()];
    let proof = TlogProof::parse(&granted.proof).unwrap();
    let log_key = LogKey::new(&log, &key("log civil").public_key());
    verify_recorded(entry, &proof, &log_key).unwrap();
}

#[test]
fn a_repeated_submission_gets_the_same_proof() {
    let mut driver = Driver::new();
    let event = driver.event("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION);
    let note = driver.sign(&event);
    let first = driver.submit(0, note.clone()).unwrap();
    let again = driver.submit(0, note).unwrap();
    assert_eq!(first, again);
    assert_eq!(first.event, event_id(&event.to_text()));
}

#[test]
fn a_step_that_does_not_follow_is_refused_with_what_is_possible() {
    let mut driver = Driver::new();
    let filed = driver
        .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
        .unwrap();
    let delivered = driver.act(
        "civil",
        EventKind::RequestDelivered,
        Some(filed.event),
        &["housing"],
        r#"{"mode":"api"}"#,
    );
    let refusal = delivered.unwrap_err();
    assert_eq!(refusal.code, "stage");
    assert!(
        refusal
            .possible
            .iter()
            .any(|act| act.kind == EventKind::RequestGranted),
        "{:?}",
        refusal.possible
    );
}

#[test]
fn concurrent_withdrawal_ends_the_grant_forward_on_both() {
    let mut driver = Driver::new();
    let filed = driver
        .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
        .unwrap();
    // Both act before either hears of the other: the frames of the second wait until both are recorded.
    let withdraw = driver.event(
        "housing",
        EventKind::RequestWithdrawn,
        Some(filed.event),
        &["civil"],
        r#"{"reason":"r"}"#,
    );
    let grant = driver.event(
        "civil",
        EventKind::RequestGranted,
        Some(filed.event),
        &["housing"],
        r#"{"from":"2026-02-01","items":[1,2],"mode":"api","to":"2026-12-31"}"#,
    );
    let (withdraw, grant) = (driver.sign(&withdraw), driver.sign(&grant));
    let mut cut = Vec::new();
    for (at, note, ticket) in [(0usize, withdraw, 1001u64), (1, grant, 1002)] {
        let mut queue = VecDeque::from([Input::Submit {
            ticket,
            note,
            personal_override: None,
        }]);
        while let Some(input) = queue.pop_front() {
            for output in driver.replicas[at].handle(driver.now, vec![input]) {
                match output {
                    Output::Verify(jobs) => {
                        queue.push_back(Input::Verified(
                            jobs.iter().map(tally_ledger::replica::Job::run).collect(),
                        ));
                    }
                    Output::Persist(batch) => {
                        let name = format!("log {}", batch.origin.department);
                        let checkpoint = sign_checkpoint(&batch.origin, batch.head, &key(&name)).to_bytes();
                        queue.push_back(Input::Persisted {
                            token: batch.token,
                            checkpoint: Some(checkpoint),
                        });
                    }
                    Output::Publish(frame) => cut.push((1 - at, frame)),
                    Output::Reply { result, .. } => assert!(result.is_ok(), "{result:?}"),
                    Output::Changed(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    for (at, frame) in cut {
        let outputs = driver.replicas[at].handle(driver.now, vec![Input::Frame(frame)]);
        for output in outputs {
            if let Output::Verify(jobs) = output {
                let results = jobs.iter().map(tally_ledger::replica::Job::run).collect();
                driver.replicas[at].handle(driver.now, vec![Input::Verified(results)]);
            }
        }
    }
    driver.assert_equal();
    let fold = driver.replicas[1].world().case(&filed.event).unwrap();
    let state = fold.state().unwrap();
    assert!(
        state.items.values().all(|item| item.stage.as_str() == "ended"),
        "{:?}",
        state.items
    );
}

#[test]
fn a_tick_states_what_arrived() {
    let mut driver = Driver::new();
    let filed = driver
        .act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION)
        .unwrap();
    let civil = department("civil");
    assert_eq!(driver.replicas[1].world().unreceived(&civil), vec![filed.event]);
    driver.now = driver.now.plus_ms(1000);
    driver.input(1, Input::Tick);
    assert!(driver.replicas[1].world().unreceived(&civil).is_empty());
    let arrival = driver.replicas[0].world().arrival(&filed.event).unwrap();
    assert_eq!(arrival.received.get(&civil), Some(&driver.now));
    driver.assert_equal();
}

#[test]
fn an_identity_card_number_in_a_reason_is_refused_unless_a_reason_is_given() {
    let mut driver = Driver::new();
    let body = APPLICATION.replace(r#""basis":"duty""#, r#""basis":"see 11010519491231002X""#);
    let event = driver.event("housing", EventKind::RequestFiled, None, &["civil"], &body);
    let note = driver.sign(&event);
    assert_eq!(
        driver.submit(0, note.clone()).unwrap_err().code,
        "personal-number"
    );
    driver.ticket += 1;
    let ticket = driver.ticket;
    driver.input(
        0,
        Input::Submit {
            ticket,
            note,
            personal_override: Some("a sample number".to_owned()),
        },
    );
    assert!(driver.replies.remove(&ticket).unwrap().is_ok());
}
