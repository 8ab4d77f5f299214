//! Faults that the simulator found, each as the smallest world that shows it.

use std::collections::{BTreeMap, BTreeSet};
use tally_ledger::cases::verdict::next_acts;
use tally_ledger::cases::{CaseState, Reversal};
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::crypto::{SigningKey, event_id, leaf_hash};
use tally_ledger::merkle::Tree;
use tally_ledger::replica::{Alarm, Input, KeptRange, Output, Replica};
use tally_ledger::world::{Standing, World};
use tally_schemas::entry::{Entry, EntryHeader, RegistryRef};
use tally_schemas::event::{EventKind, Kind, Signer, SignerRole, Source};
use tally_schemas::genesis::Role;
use tally_schemas::governance::{Change, Right};
use tally_schemas::id::{CaseId, DepartmentId, EventId, Hash, NamedHead, TreeHead};
use tally_schemas::json::Json;
use tally_schemas::note::Note;
use tally_schemas::statement::Statement;
use tally_tests::sim::cast::{Cast, START_MS, at, department, officer, post, public};
use tally_tests::sim::compose::{Frame, Hand, Subject, body, event};
use tally_tests::sim::rng::Rng;
use tally_tests::sim::workload::{appointment, founding_roster};

/// Logs written by hand, and nodes that read them.
struct Bench {
    cast: Cast,
    rng: Rng,
    now_ms: i64,
    logs: BTreeMap<DepartmentId, Vec<Vec<u8>>>,
    registry: RegistryRef,
}

impl Bench {
    fn new() -> Self {
        let mut rng = Rng::new(809);
        let cast = Cast::found(809, &mut rng, 5);
        let registry = RegistryRef {
            version: 0,
            hash: cast.genesis_hash,
        };
        Self {
            cast,
            rng,
            now_ms: START_MS,
            logs: BTreeMap::new(),
            registry,
        }
    }

    /// Appends a payload to a log, under the heads of other logs; returns the position.
    fn append(&mut self, log: &str, payload: &str, under: &[&str]) -> u64 {
        let mut heads: Vec<NamedHead> = under.iter().map(|log| self.head(log)).collect();
        heads.sort_by(|a, b| a.origin.cmp(&b.origin));
        let origin = self.cast.origin(&department(log));
        let entries = self.logs.entry(department(log)).or_default();
        self.now_ms += 1_000;
        let index = entries.len() as u64;
        let header = EntryHeader {
            origin,
            index,
            prev: entries
                .last()
                .map_or(self.cast.genesis_hash, |last| leaf_hash(last)),
            recorded: at(self.now_ms),
            registry: self.registry,
            heads,
        };
        let payload = payload.to_owned();
        entries.push(Entry { header, payload }.to_bytes());
        index
    }

    fn head(&self, log: &str) -> NamedHead {
        let tree: Tree = self.logs[&department(log)]
            .iter()
            .map(|entry| leaf_hash(entry))
            .collect();
        NamedHead {
            origin: self.cast.origin(&department(log)),
            head: tree.head(),
        }
    }

    /// Enrols and appoints the founding officers of a department.
    fn enrol(&mut self, log: &str) {
        let officers = self.cast.member(&department(log)).officers.clone();
        for (kind, body) in founding_roster(&officers) {
            let note = self.roster(log, kind, body);
            self.append(log, &note, &[]);
        }
    }

    fn roster(&mut self, log: &str, kind: EventKind, body: Json) -> String {
        let hand = self.cast.member(&department(log)).administrators[0].clone();
        self.roster_by(log, kind, body, &hand)
    }

    fn roster_by(&mut self, log: &str, kind: EventKind, body: Json, hand: &Hand) -> String {
        let signer = Signer {
            roles: vec![SignerRole::Administrator],
            post: post("administrator"),
            officer: Some(hand.0.clone()),
        };
        let event = event(
            &self.cast,
            &department(log),
            Kind::Known(kind),
            self.frame(None, &[]),
            &[signer],
            body,
            &mut self.rng,
        );
        text(self.cast.sign(&event, std::slice::from_ref(hand)))
    }

    fn frame(&self, case: Option<CaseId>, to: &[&str]) -> Frame {
        Frame {
            case,
            after: Vec::new(),
            to: to.iter().map(|id| department(id)).collect(),
            source: Source::Own,
            issued: at(self.now_ms),
        }
    }

    /// Writes an act signed by the two heads of a department.
    fn act(
        &mut self,
        by: &str,
        kind: EventKind,
        case: Option<&CaseState>,
        to: &[&str],
        set: &[(&str, Json)],
    ) -> String {
        let by = department(by);
        let subject = Subject {
            cast: &self.cast,
            by: &by,
            kind,
            state: case,
            items: case
                .map(|case| case.items.keys().copied().collect())
                .unwrap_or_default(),
            known: Vec::new(),
        };
        let mut body = body(&subject, &mut self.rng);
        if let Json::Object(members) = &mut body {
            for (name, value) in set {
                members.insert((*name).to_owned(), value.clone());
            }
        }
        let (signers, hands) = self.heads_of(&by);
        let frame = self.frame(case.map(|case| case.id), to);
        let event = event(
            &self.cast,
            &by,
            Kind::Known(kind),
            frame,
            &signers,
            body,
            &mut self.rng,
        );
        text(self.cast.sign(&event, &hands))
    }

    fn heads_of(&self, by: &DepartmentId) -> (Vec<Signer>, Vec<Hand>) {
        let hand = |name: &str| (officer(name), self.cast.member(by).officers[&officer(name)][0]);
        let drafter = Signer {
            roles: vec![SignerRole::Drafter],
            post: post("head"),
            officer: Some(officer("head-a")),
        };
        let approver = Signer {
            roles: vec![SignerRole::Approver],
            post: post("head"),
            officer: None,
        };
        (vec![drafter, approver], vec![hand("head-a"), hand("head-b")])
    }

    /// Governance, signed by all, recorded under the heads that the registrar knows.
    fn govern(&mut self, changes: Vec<Change>, under: &[&str]) {
        let by: Vec<_> = self
            .cast
            .members
            .values()
            .filter(|member| !member.late)
            .map(|member| {
                let (name, seed) = member.administrators[0].clone();
                (member.record.id.clone(), name, seed)
            })
            .collect();
        let note = self.cast.govern(
            self.registry.version + 1,
            self.registry.hash,
            at(self.now_ms),
            changes,
            &by,
        );
        let id = event_id(&Note::parse(&note, 100_000).unwrap().text);
        self.append("gov-office", &text(note), under);
        self.registry = RegistryRef {
            version: self.registry.version + 1,
            hash: id.0,
        };
    }

    /// A node that reads the logs in a given order.
    fn read(&self, order: &[&str]) -> Replica {
        self.read_as(order, BTreeSet::new())
    }

    fn read_as(&self, order: &[&str], hosted: BTreeSet<DepartmentId>) -> Replica {
        let mut replica = Replica::found(&self.cast.genesis, hosted).unwrap();
        for log in order {
            let entries = self.logs[&department(log)].clone();
            let head = self.head(log);
            let key = SigningKey::from_seed(&self.cast.member(&department(log)).log_seed);
            let checkpoint = sign_checkpoint(&head.origin, head.head, &key).to_bytes();
            let restored = KeptRange {
                origin: head.origin,
                entries,
                checkpoint,
                covering: None,
            };
            self.drive(&mut replica, vec![Input::Restored(restored)]);
        }
        replica
    }

    /// Hands inputs in, checks the signatures asked for, and returns all that came out.
    fn drive(&self, replica: &mut Replica, mut inputs: Vec<Input>) -> Vec<Output> {
        let mut all = Vec::new();
        while !inputs.is_empty() {
            let outputs = replica.handle(at(self.now_ms + 60_000), std::mem::take(&mut inputs));
            for output in outputs {
                if let Output::Verify(jobs) = &output {
                    inputs.push(Input::Verified(jobs.iter().map(|job| job.run()).collect()));
                }
                all.push(output);
            }
        }
        all
    }
}

fn text(note: Vec<u8>) -> String {
    String::from_utf8(note).unwrap()
}

fn id_of(note: &str) -> EventId {
    event_id(&Note::parse(note.as_bytes(), 100_000).unwrap().text)
}

fn role(of: &str, role: Role) -> Right {
    Right::Role {
        department: department(of),
        role,
    }
}

fn standing(world: &World, log: &str, index: u64) -> Standing {
    let number = world.number(&department(log)).unwrap();
    world.resolved(number, index).unwrap().standing
}

fn code(standing: &Standing) -> &'static str {
    match standing {
        Standing::Void(void) => void.code(),
        Standing::Roster(_) => "roster effective",
        other => panic!("{other:?}"),
    }
}

fn word(text: &str) -> Json {
    Json::Text(text.to_owned())
}

/// A request of housing to civil, both enrolled; returns the case.
fn request(bench: &mut Bench) -> (CaseId, String) {
    bench.enrol("housing");
    bench.enrol("civil");
    let filed = bench.act("housing", EventKind::RequestFiled, None, &["civil"], &[]);
    bench.append("housing", &filed, &[]);
    (id_of(&filed), filed)
}

#[test]
fn an_event_of_an_unknown_kind_that_nobody_signed_does_not_freeze_a_case() {
    let mut bench = Bench::new();
    let (case, _) = request(&mut bench);
    let world = bench.read(&["housing", "civil"]);
    let state = world.world().case(&case).unwrap().state().unwrap().clone();
    let note = bench.act("civil", EventKind::RequestUrged, Some(&state), &[], &[]);
    let invented = note.replace("request.urged", "request.invented");
    let index = bench.append("civil", &invented, &["housing"]);
    let replica = bench.read(&["housing", "civil"]);
    assert_eq!(code(&standing(replica.world(), "civil", index)), "signature");
    assert!(!replica.world().is_not_understood(&case));
}

#[test]
fn a_copied_appointment_does_not_bring_back_an_officer_who_was_relieved() {
    let mut bench = Bench::new();
    bench.enrol("housing");
    let relieved = Json::object([
        ("officer", word("desk-a")),
        ("post", word("desk")),
        ("on", word("2026-03-01")),
    ]);
    let appointed = bench.roster(
        "housing",
        EventKind::RosterAppointed,
        appointment(&officer("desk-a"), "head"),
    );
    bench.append("housing", &appointed, &[]);
    let again = Json::object([
        ("officer", word("desk-a")),
        ("post", word("head")),
        ("on", word("2026-03-01")),
    ]);
    for body in [relieved, again] {
        let note = bench.roster("housing", EventKind::RosterRelieved, body);
        bench.append("housing", &note, &[]);
    }
    let copy = bench.append("housing", &appointed, &[]);
    let replica = bench.read(&["housing"]);
    assert_eq!(code(&standing(replica.world(), "housing", copy)), "copy");
    let day = at(START_MS).date_at(480);
    let roster = replica.world().roster(&department("housing")).unwrap();
    assert!(!roster.holds(&officer("desk-a"), &post("head"), day));
}

#[test]
fn a_roster_event_is_judged_without_what_a_taken_administrator_did() {
    let mut bench = Bench::new();
    bench.enrol("housing");
    let known = bench.head("housing");
    let old = bench.cast.member(&department("housing")).administrators[0].clone();
    let enrolment = |key: &[u8; 32]| {
        Json::object([
            ("officer", word("new")),
            ("key", word(&Hash(public(key)).to_base64())),
        ])
    };
    // The old administrator enrols somebody after the position where the right will end.
    let first = bench.roster_by("housing", EventKind::RosterEnrolled, enrolment(&[7; 32]), &old);
    bench.append("housing", &first, &[]);
    let new = bench.cast.new_administrator(&department("housing"));
    let administrator = |hand: &Hand| Right::Administrator {
        department: department("housing"),
        officer: hand.0.clone(),
        key: public(&hand.1),
    };
    bench.append(
        "gov-office",
        &Statement::Heads(vec![known.clone()]).to_text(),
        &[],
    );
    bench.govern(
        vec![
            Change::RightGiven(administrator(&new)),
            Change::RightTaken {
                right: administrator(&old),
                at: known,
            },
        ],
        &[],
    );
    // The new one enrols the same officer: what the other did counts no more.
    let second = bench.roster_by("housing", EventKind::RosterEnrolled, enrolment(&[8; 32]), &new);
    let index = bench.append("housing", &second, &[]);
    let replica = bench.read(&["housing", "gov-office"]);
    assert_eq!(
        code(&standing(replica.world(), "housing", index)),
        "roster effective"
    );
    let roster = replica.world().roster(&department("housing")).unwrap();
    let key = roster.officers[&officer("new")]
        .key
        .as_ref()
        .unwrap()
        .public_key();
    assert_eq!(*key.as_bytes(), public(&[8; 32]));
}

#[test]
fn a_copy_in_another_log_says_nothing_about_when_an_event_was_sent() {
    let mut bench = Bench::new();
    bench.enrol("housing");
    bench.enrol("civil");
    let filed = bench.act("housing", EventKind::RequestFiled, None, &["civil"], &[]);
    // The copy is recorded elsewhere before the original.
    bench.append("tax", &filed, &[]);
    bench.append("housing", &filed, &[]);
    let one = bench.read(&["tax", "housing"]);
    let other = bench.read(&["housing", "tax"]);
    assert_eq!(one.world().arrivals(), other.world().arrivals());
}

#[test]
fn an_arrival_outside_the_past_of_its_statement_says_nothing() {
    let mut bench = Bench::new();
    let (case, _) = request(&mut bench);
    bench.append("civil", &Statement::Arrivals(vec![case]).to_text(), &[]);
    let one = bench.read(&["housing", "civil"]);
    let other = bench.read(&["civil", "housing"]);
    assert_eq!(one.world().arrivals(), other.world().arrivals());
}

#[test]
fn an_act_of_a_department_whose_membership_was_taken_is_refused() {
    let mut bench = Bench::new();
    let (case, _) = request(&mut bench);
    let at = bench.head("civil");
    let membership = Right::Membership {
        department: department("civil"),
    };
    bench.govern(
        vec![Change::RightTaken {
            right: membership,
            at,
        }],
        &["civil"],
    );
    let civil = department("civil");
    let mut replica = bench.read_as(&["gov-office", "housing", "civil"], BTreeSet::from([civil]));
    let state = replica.world().case(&case).unwrap().state().unwrap().clone();
    let note = bench.act("civil", EventKind::RequestAcknowledged, Some(&state), &[], &[]);
    let submit = Input::Submit {
        ticket: 1,
        note: note.into_bytes(),
        personal_override: None,
    };
    let outputs = bench.drive(&mut replica, vec![submit]);
    let refused = outputs.iter().find_map(|output| match output {
        Output::Reply { result, .. } => Some(result.clone()),
        _ => None,
    });
    assert_eq!(refused.unwrap().unwrap_err().code, "right-taken");
}

#[test]
fn what_opens_a_case_is_never_the_next_act_in_it() {
    let mut bench = Bench::new();
    bench.enrol("housing");
    let known = bench.head("housing");
    let filed = bench.act("housing", EventKind::RequestFiled, None, &["civil"], &[]);
    bench.append("housing", &filed, &[]);
    let right = role("housing", Role::Requester);
    bench.govern(
        vec![Change::RightTaken {
            right: right.clone(),
            at: known,
        }],
        &[],
    );
    bench.govern(vec![Change::RightGiven(right)], &[]);
    let replica = bench.read(&["housing", "gov-office"]);
    let world = replica.world();
    let case = world.case(&id_of(&filed)).unwrap();
    let state = case.state().unwrap();
    let acts = next_acts(state, world.registry(), world.registry().newest().version);
    assert_eq!(acts, Vec::new());
}

#[test]
fn the_cause_of_a_reversal_is_the_taking_that_ended_the_right() {
    let mut bench = Bench::new();
    bench.enrol("housing");
    let known = bench.head("housing");
    let right = role("housing", Role::Requester);
    let take = |at: &NamedHead| Change::RightTaken {
        right: right.clone(),
        at: at.clone(),
    };
    bench.govern(vec![take(&known)], &[]);
    bench.govern(vec![Change::RightGiven(right.clone())], &[]);
    let filed = bench.act("housing", EventKind::RequestFiled, None, &["civil"], &[]);
    bench.append("housing", &filed, &[]);
    bench.govern(vec![take(&known)], &[]);
    let replica = bench.read(&["housing", "gov-office"]);
    let case = replica.world().case(&id_of(&filed)).unwrap();
    let reversals = case.reversals(replica.world().registry());
    assert!(
        matches!(reversals.as_slice(), [Reversal::RightTaken { version: 3, .. }]),
        "{reversals:?}"
    );
}

#[test]
fn a_finding_rests_on_the_role_of_its_basis_alone() {
    for (basis, taken, reversed) in [
        ("audit", Role::Audit, 1),
        ("audit", Role::Supervision, 0),
        ("inspection", Role::Supervision, 1),
        ("inspection", Role::Audit, 0),
    ] {
        let mut bench = Bench::new();
        bench.enrol("audit-office");
        let known = bench.head("audit-office");
        let set = [("basis", word(basis)), ("object", word("civil"))];
        let opened = bench.act("audit-office", EventKind::FindingOpened, None, &["civil"], &set);
        bench.append("audit-office", &opened, &[]);
        let right = role("audit-office", taken);
        bench.govern(vec![Change::RightTaken { right, at: known }], &[]);
        let replica = bench.read(&["audit-office", "gov-office"]);
        let case = replica.world().case(&id_of(&opened)).unwrap();
        let reversals = case.reversals(replica.world().registry());
        assert_eq!(
            reversals.len(),
            reversed,
            "{basis} without {}: {reversals:?}",
            taken.as_str()
        );
    }
}

#[test]
fn own_logs_are_written_in_an_order_in_which_nothing_rests_on_what_comes_later() {
    let mut bench = Bench::new();
    let (case, _) = request(&mut bench);
    let both = BTreeSet::from([department("civil"), department("housing")]);
    let mut replica = bench.read_as(&["civil", "housing"], both);
    // Civil sorts before housing, and its entry names the head of housing that is made in the same call.
    let state = replica.world().case(&case).unwrap().state().unwrap().clone();
    let explained = bench.act(
        "housing",
        EventKind::RequestErratum,
        Some(&state),
        &["civil"],
        &[],
    );
    let acknowledged = bench.act(
        "civil",
        EventKind::RequestAcknowledged,
        Some(&state),
        &["housing"],
        &[],
    );
    let submit = |ticket: u64, note: &str| Input::Submit {
        ticket,
        note: note.as_bytes().to_vec(),
        personal_override: None,
    };
    let inputs = vec![submit(1, &explained), submit(2, &acknowledged)];
    let mut verified = Vec::new();
    for output in replica.handle(at(bench.now_ms), inputs) {
        if let Output::Verify(jobs) = output {
            verified.push(Input::Verified(jobs.iter().map(|job| job.run()).collect()));
        }
    }
    let outputs = replica.handle(at(bench.now_ms), verified);
    let mut sizes: BTreeMap<String, u64> = bench
        .logs
        .iter()
        .map(|(log, entries)| (bench.cast.origin(log).to_string(), entries.len() as u64))
        .collect();
    let mut named = 0;
    for output in &outputs {
        let Output::Persist(batch) = output else { continue };
        for entry in &batch.entries {
            for NamedHead {
                origin,
                head: TreeHead { size, .. },
            } in Entry::parse(entry).unwrap().header.heads
            {
                assert!(
                    size <= sizes[&origin.to_string()],
                    "{} rests on {origin} {size}",
                    batch.origin
                );
                named += 1;
            }
        }
        *sizes.get_mut(&batch.origin.to_string()).unwrap() += batch.entries.len() as u64;
    }
    assert!(named > 0, "one of the two names the head of the other");
}

#[test]
fn a_clock_that_was_set_back_does_not_silence_a_node() {
    let mut bench = Bench::new();
    bench.enrol("housing");
    let mut replica = bench.read_as(&["housing"], BTreeSet::from([department("housing")]));
    let announced = |outputs: Vec<Output>| {
        outputs
            .iter()
            .any(|output| matches!(output, Output::Publish(frame) if frame.entries.is_empty()))
    };
    let start = bench.now_ms;
    assert!(announced(
        replica.handle(at(start + 3_000_000), vec![Input::Tick])
    ));
    assert!(announced(replica.handle(at(start + 60_000), vec![Input::Tick])));
    assert!(!announced(replica.handle(at(start + 61_000), vec![Input::Tick])));
}

#[test]
fn what_is_named_is_fetched_from_others_when_its_own_node_is_gone() {
    let mut bench = Bench::new();
    bench.enrol("housing");
    bench.enrol("civil");
    let known = bench.head("housing");
    bench.append("civil", &Statement::Heads(vec![known.clone()]).to_text(), &[]);
    // The log of housing never came; its node does not announce it any more.
    let mut replica = bench.read(&["civil"]);
    let outputs = replica.handle(at(bench.now_ms), vec![Input::Tick]);
    let asked =
        |output: &Output| matches!(output, Output::Want { origin, start: 0 } if *origin == known.origin);
    assert!(outputs.iter().any(asked), "{outputs:?}");
}

#[test]
fn a_registry_that_is_named_is_fetched_from_others_when_the_registrar_is_gone() {
    let mut bench = Bench::new();
    bench.enrol("housing");
    bench.govern(vec![Change::RightGiven(role("housing", Role::Audit))], &[]);
    bench.enrol("civil");
    let mut replica = bench.read(&["housing", "civil"]);
    let outputs = replica.handle(at(bench.now_ms), vec![Input::Tick]);
    let registrar = bench.cast.origin(&department("gov-office"));
    let asked = |output: &Output| matches!(output, Output::Want { origin, start: 0 } if *origin == registrar);
    assert!(outputs.iter().any(asked), "{outputs:?}");
}

#[test]
fn a_frame_with_entries_beyond_its_checkpoint_is_refused_at_once() {
    let mut bench = Bench::new();
    bench.enrol("housing");
    let mut replica = bench.read(&["housing"]);
    let origin = bench.cast.origin(&department("housing"));
    let size = bench.head("housing").head.size;
    let entries = bench.logs[&department("housing")][..2].to_vec();
    let mut frame = replica.frame(&origin, 0, entries).unwrap();
    frame.start = size + 7;
    let outputs = replica.handle(at(bench.now_ms), vec![Input::Frame(frame)]);
    let refused = |output: &Output| matches!(output, Output::Alarm(Alarm::FrameRefused { .. }));
    assert!(outputs.iter().any(refused), "{outputs:?}");
}

#[test]
fn a_fork_is_stated_only_where_nothing_is_missing_below() {
    let mut bench = Bench::new();
    bench.enrol("tax");
    bench.govern(vec![Change::RightGiven(role("housing", Role::Audit))], &[]);
    bench.enrol("civil");
    // The own log names a registry that is not held here any more.
    let mut replica = bench.read_as(&["tax", "civil"], BTreeSet::from([department("civil")]));
    let size = bench.head("tax").head.size;
    let key = SigningKey::from_seed(&bench.cast.member(&department("tax")).log_seed);
    let other = TreeHead {
        size,
        root: Hash([7; 32]),
    };
    let origin = bench.cast.origin(&department("tax"));
    let frame = tally_schemas::frame::Frame {
        origin: origin.clone(),
        start: size,
        entries: Vec::new(),
        consistency: Vec::new(),
        checkpoint: sign_checkpoint(&origin, other, &key).to_bytes(),
    };
    let outputs = bench.drive(&mut replica, vec![Input::Frame(frame)]);
    let of_fork = |output: &Output| matches!(output, Output::Alarm(Alarm::Fork { .. }));
    assert!(outputs.iter().any(of_fork), "{outputs:?}");
    let stated = |output: &Output| matches!(output, Output::Persist(batch) if batch.own);
    let failed = |output: &Output| matches!(output, Output::Alarm(Alarm::FrameRefused { .. }));
    assert!(!outputs.iter().any(|output| stated(output) || failed(output)));
    // The registrar's log comes back, and the fork is stated.
    let gov = department("gov-office");
    let registrar = KeptRange {
        origin: bench.cast.origin(&gov),
        entries: bench.logs[&gov].clone(),
        checkpoint: Vec::new(),
        covering: None,
    };
    bench.drive(&mut replica, vec![Input::Restored(registrar)]);
    let outputs = bench.drive(&mut replica, vec![Input::Tick]);
    assert!(outputs.iter().any(stated), "{outputs:?}");
}
