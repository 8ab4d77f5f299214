//! The federation of a run: departments, nodes, officers with real keys, genesis and governance notes.

use super::rng::Rng;
use std::collections::BTreeMap;
use tally_ledger::crypto::{SigningKey, sha256, sign_note};
use tally_schemas::epoch::Opening;
use tally_schemas::event::Event;
use tally_schemas::genesis::{Administrator, DepartmentRecord, Genesis, NodeRecord, Role};
use tally_schemas::governance::{Change, Governance};
use tally_schemas::id::{DepartmentId, FederationId, Hash, NodeId, OfficerId, Origin, PostId};
use tally_schemas::json::Json;
use tally_schemas::note::{Note, SignatureLine};
use tally_schemas::profile::Profile;
use tally_schemas::shipped::{calendar_text, profile_text};
use tally_schemas::time::Timestamp;

/// The start of every run: a Monday morning in Beijing, in milliseconds.
pub const START_MS: i64 = 1_772_413_200_000;

/// A department with the keys of its people.
#[derive(Debug, Clone)]
pub struct Member {
    /// As admitted.
    pub record: DepartmentRecord,
    /// The place of the node that hosts it.
    pub node: usize,
    /// Whether it is admitted only later.
    pub late: bool,
    /// Keys of administrators: officer and key, the newest last.
    pub administrators: Vec<(OfficerId, [u8; 32])>,
    /// Seeds of officers' keys, the newest last.
    pub officers: BTreeMap<OfficerId, Vec<[u8; 32]>>,
    /// The seed of the key of the log.
    pub log_seed: [u8; 32],
}

/// The cast of a run.
#[derive(Debug, Clone)]
pub struct Cast {
    /// The genesis note.
    pub genesis: Vec<u8>,
    /// The hash of its text.
    pub genesis_hash: Hash,
    /// The federation.
    pub federation: FederationId,
    /// The departments, by id.
    pub members: BTreeMap<DepartmentId, Member>,
    /// How many nodes there are.
    pub nodes: usize,
    /// The registrar.
    pub registrar: DepartmentId,
    /// The profile that all use.
    pub profile: Profile,
    seed: u64,
    keys: u64,
}

const R: &[Role] = &[Role::Provider, Role::Requester];
/// Id, level, area, parent, roles, admitted later.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static [Role],
    bool,
);
const DEPARTMENTS: &[Row] = &[
    (
        "audit-office",
        "city",
        "420100",
        Some("gov-office"),
        &[Role::Supervision, Role::Audit],
        false,
    ),
    (
        "bigdata",
        "city",
        "420100",
        Some("gov-office"),
        &[Role::Authority, Role::Provider],
        false,
    ),
    ("civil", "city", "420100", Some("gov-office"), R, false),
    ("county-civil", "county", "420102", Some("gov-office"), R, false),
    (
        "county-data",
        "county",
        "420102",
        Some("gov-office"),
        &[Role::Authority, Role::Requester],
        false,
    ),
    (
        "gov-office",
        "city",
        "420100",
        None,
        &[Role::LeadGroup, Role::Government],
        false,
    ),
    ("housing", "city", "420100", Some("gov-office"), R, false),
    (
        "lead-office",
        "city",
        "420100",
        None,
        &[Role::LeadGroup, Role::Government],
        false,
    ),
    (
        "supervision",
        "city",
        "420100",
        Some("gov-office"),
        &[Role::Supervision],
        false,
    ),
    ("tax", "city", "420100", Some("gov-office"), R, false),
    ("transport", "city", "420100", Some("gov-office"), R, true),
    ("water", "county", "420102", Some("gov-office"), R, true),
];

/// Parses an id of the cast.
pub fn department(text: &str) -> DepartmentId {
    DepartmentId::parse(text).expect("ids of the cast are well formed")
}

/// Parses an officer id of the cast.
pub fn officer(text: &str) -> OfficerId {
    OfficerId::parse(text).expect("ids of the cast are well formed")
}

/// Parses a post id of the cast.
pub fn post(text: &str) -> PostId {
    PostId::parse(text).expect("ids of the cast are well formed")
}

fn key_seed(seed: u64, name: &str) -> [u8; 32] {
    sha256(&[&seed.to_be_bytes(), name.as_bytes()]).0
}

/// Returns the public key of a seed.
pub fn public(seed: &[u8; 32]) -> [u8; 32] {
    *SigningKey::from_seed(seed).public_key().as_bytes()
}

impl Cast {
    /// Founds the federation of a run.
    pub fn found(seed: u64, rng: &mut Rng, nodes: usize) -> Self {
        let mut ids: Vec<&str> = DEPARTMENTS.iter().map(|row| row.0).collect();
        rng.shuffle(&mut ids);
        let place: BTreeMap<&str, usize> = ids
            .iter()
            .enumerate()
            .map(|(n, id)| (*id, if n < nodes { n } else { rng.place(nodes) }))
            .collect();
        let mut members = BTreeMap::new();
        for (id, level, area, parent, roles, late) in DEPARTMENTS {
            let node = place.get(id).copied().expect("every department was placed");
            let admin_seed = key_seed(seed, &format!("{id}/adm"));
            let log_seed = key_seed(seed, &format!("{id}/log"));
            let record = DepartmentRecord {
                id: department(id),
                name_en: format!("Department {id}"),
                name_zh: format!("Bumen {id}"),
                level: (*level).to_owned(),
                area: (*area).to_owned(),
                parent: parent.map(department),
                line: None,
                profile: "cn-809".to_owned(),
                calendar: "cn-national".to_owned(),
                node: node_id(node),
                log_key: public(&log_seed),
                administrator: Administrator {
                    officer: officer("adm"),
                    key: public(&admin_seed),
                },
                roles: roles.to_vec(),
            };
            let officers = ["desk-a", "head-a", "head-b"]
                .iter()
                .map(|name| (officer(name), vec![key_seed(seed, &format!("{id}/{name}"))]))
                .collect();
            members.insert(
                department(id),
                Member {
                    record,
                    node,
                    late: *late,
                    administrators: vec![(officer("adm"), admin_seed)],
                    officers,
                    log_seed,
                },
            );
        }
        let founders: Vec<&Member> = members.values().filter(|member| !member.late).collect();
        let json = |text: Option<&str>| {
            Json::parse_lenient(text.expect("the document is shipped").as_bytes())
                .expect("shipped documents are readable")
        };
        let profile_json = json(profile_text("cn-809"));
        let genesis = Genesis {
            name: "simulated".to_owned(),
            trial: true,
            created: at(START_MS - 60_000),
            ruleset: 1,
            registrar: department("gov-office"),
            quorum: u16::try_from(founders.len() / 2 + 1).expect("few founders"),
            nodes: (0..nodes)
                .map(|n| NodeRecord {
                    id: node_id(n),
                    operator: founders
                        .iter()
                        .find(|member| member.node == n)
                        .map_or_else(|| department("gov-office"), |member| member.record.id.clone()),
                    transport_key: public(&key_seed(seed, &format!("transport/{n}"))),
                })
                .collect(),
            departments: founders.iter().map(|member| member.record.clone()).collect(),
            profiles: vec![profile_json.clone()],
            calendars: vec![json(calendar_text("cn-national"))],
        };
        let text = genesis.to_text();
        let genesis_hash = sha256(&[text.as_bytes()]);
        let federation = FederationId::new("simulated", &genesis_hash).expect("the name is well formed");
        let lines = founders
            .iter()
            .map(|member| {
                let (name, seed) = member.administrators.last().expect("one administrator");
                let key = SigningKey::from_seed(seed);
                sign_note(&text, &format!("simulated/{}/{name}", member.record.id), &key)
                    .expect("a genesis can be signed")
            })
            .collect();
        Self {
            genesis: Note { text, lines }.to_bytes(),
            genesis_hash,
            federation,
            members,
            nodes,
            registrar: department("gov-office"),
            profile: Profile::from_json(&profile_json).expect("the shipped profile is readable"),
            seed,
            keys: 0,
        }
    }

    /// Returns a department.
    pub fn member(&self, id: &DepartmentId) -> &Member {
        self.members.get(id).expect("a department of the cast")
    }

    /// Returns the departments whose log a node keeps.
    pub fn hosted(&self, node: usize) -> Vec<DepartmentId> {
        self.members
            .values()
            .filter(|member| member.node == node)
            .map(|member| member.record.id.clone())
            .collect()
    }

    /// Returns the identity of a department's log.
    pub fn origin(&self, department: &DepartmentId) -> Origin {
        Origin {
            federation: self.federation.clone(),
            department: department.clone(),
            epoch: 1,
        }
    }

    /// Returns the log of a department in an epoch.
    pub fn origin_of(&self, department: &DepartmentId, epoch: u32) -> Origin {
        Origin {
            epoch,
            ..self.origin(department)
        }
    }

    /// Returns the seed of the key of a log: every second epoch has a new one.
    pub fn log_seed(&self, origin: &Origin) -> [u8; 32] {
        match origin.epoch / 2 {
            0 => self.member(&origin.department).log_seed,
            number => key_seed(self.seed, &format!("{}/log/{number}", origin.department)),
        }
    }

    /// Signs the opening of an epoch by administrators.
    pub fn open_epoch(&self, opening: &Opening, by: &[(DepartmentId, OfficerId, [u8; 32])]) -> Vec<u8> {
        let text = opening.to_text();
        let lines = self.governing_lines(&text, by);
        Note { text, lines }.to_bytes()
    }

    fn governing_lines(&self, text: &str, by: &[(DepartmentId, OfficerId, [u8; 32])]) -> Vec<SignatureLine> {
        let line = |(department, name, seed): &(DepartmentId, OfficerId, [u8; 32])| {
            let key = SigningKey::from_seed(seed);
            let name = format!("{}/{department}/{name}", self.federation);
            sign_note(text, &name, &key).expect("a note can be signed")
        };
        by.iter().map(line).collect()
    }

    /// Makes a new key for an officer, and remembers it.
    pub fn new_officer_key(&mut self, department: &DepartmentId, officer: &OfficerId) -> [u8; 32] {
        self.keys += 1;
        let seed = key_seed(self.seed, &format!("{department}/{officer}/{}", self.keys));
        let member = self
            .members
            .get_mut(department)
            .expect("a department of the cast");
        member.officers.entry(officer.clone()).or_default().push(seed);
        seed
    }

    /// Makes a new administrator's key, and remembers it.
    pub fn new_administrator(&mut self, department: &DepartmentId) -> (OfficerId, [u8; 32]) {
        self.keys += 1;
        let name = officer(&format!("adm-{}", self.keys));
        let seed = key_seed(self.seed, &format!("{department}/{name}"));
        let member = self
            .members
            .get_mut(department)
            .expect("a department of the cast");
        member.administrators.push((name.clone(), seed));
        (name, seed)
    }

    /// Signs an event with keys in the order of its signers.
    pub fn sign(&self, event: &Event, keys: &[(OfficerId, [u8; 32])]) -> Vec<u8> {
        let text = event.to_text();
        let lines = keys
            .iter()
            .map(|(name, seed)| {
                let key = SigningKey::from_seed(seed);
                let name = format!("{}/{}/{name}", self.federation, event.department);
                sign_note(&text, &name, &key).expect("an event can be signed")
            })
            .collect();
        Note { text, lines }.to_bytes()
    }

    /// Signs a governance note by administrators.
    pub fn govern(
        &self,
        version: u64,
        previous: Hash,
        now: Timestamp,
        changes: Vec<Change>,
        by: &[(DepartmentId, OfficerId, [u8; 32])],
    ) -> Vec<u8> {
        let governance = Governance {
            federation: self.federation.clone(),
            version,
            previous,
            issued: now,
            changes,
        };
        let text = governance.to_text();
        let lines = self.governing_lines(&text, by);
        Note { text, lines }.to_bytes()
    }
}

/// Returns the id of a node.
pub fn node_id(place: usize) -> NodeId {
    NodeId::parse(&format!("node-{place}")).expect("node ids of the cast are well formed")
}

/// Returns which node an id names.
pub fn place_of(node: &NodeId) -> usize {
    let place = node
        .as_str()
        .strip_prefix("node-")
        .and_then(|place| place.parse().ok());
    place.expect("it is of the cast")
}

/// Returns an instant.
pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms).expect("runs stay within the years of the formats")
}
