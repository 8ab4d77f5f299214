//! The genesis: the signed note that founds a federation. Spec: `schemas/spec/genesis.md`.
//!
//! Its text is the line `tally/genesis/v1` and one line of canonical JSON. Its hash is the trust anchor of everything.

use crate::error::FormatError;
use crate::event::field::{Field, FieldType, check_object, may, must};
use crate::id::{DepartmentId, Hash, NodeId, OfficerId};
use crate::json::Json;
use crate::limits::GENESIS_BYTES_MAX;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The first line of a genesis text.
pub const GENESIS_MAGIC: &str = "tally/genesis/v1";

/// Levels of government, the highest first.
pub const LEVELS: &[&str] = &["national", "province", "city", "county"];

/// What a department may be in a federation; a role is a relation, given and taken by governance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The leading group and its office: issues tasks.
    LeadGroup,
    /// Supervises: opens matters and findings, verifies.
    Supervision,
    /// The government or its office: approves matters, records instructions.
    Government,
    /// The competent authority for data sharing of its level and area.
    Authority,
    /// Provides data.
    Provider,
    /// Requests data.
    Requester,
    /// The audit office: opens findings on audits.
    Audit,
}

impl Role {
    /// Every role.
    pub const ALL: &'static [Self] = &[
        Self::LeadGroup,
        Self::Supervision,
        Self::Government,
        Self::Authority,
        Self::Provider,
        Self::Requester,
        Self::Audit,
    ];

    /// Returns the text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeadGroup => "lead-group",
            Self::Supervision => "supervision",
            Self::Government => "government",
            Self::Authority => "authority",
            Self::Provider => "provider",
            Self::Requester => "requester",
            Self::Audit => "audit",
        }
    }

    /// Parses the text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.as_str() == text)
    }
}

pub(crate) const ROLE_CODES: &[&str] = &[
    "lead-group",
    "supervision",
    "government",
    "authority",
    "provider",
    "requester",
    "audit",
];

/// An officer who administers a department: its roster, and its vote in governance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administrator {
    /// The officer id.
    pub officer: OfficerId,
    /// The Ed25519 public key.
    pub key: [u8; 32],
}

/// A node: the daemon of an operator, with its own transport key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// The node id.
    pub id: NodeId,
    /// The department that operates it.
    pub operator: DepartmentId,
    /// The key that signs fetches between nodes.
    pub transport_key: [u8; 32],
}

/// A department as admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepartmentRecord {
    /// The id, for ever.
    pub id: DepartmentId,
    /// The English name.
    pub name_en: String,
    /// The Chinese name.
    pub name_zh: String,
    /// The level of government, one of [`LEVELS`].
    pub level: String,
    /// The area code.
    pub area: String,
    /// The parent department (kuai), absent at the top.
    pub parent: Option<DepartmentId>,
    /// The superior department of the professional line (tiao).
    pub line: Option<DepartmentId>,
    /// The id of its jurisdiction profile.
    pub profile: String,
    /// The id of its calendar.
    pub calendar: String,
    /// The node that hosts its log.
    pub node: NodeId,
    /// The key that signs the checkpoints of its log, epoch 1.
    pub log_key: [u8; 32],
    /// Its administrator.
    pub administrator: Administrator,
    /// Its roles, rising, without repeats.
    pub roles: Vec<Role>,
}

const ADMINISTRATOR_FIELDS: &[Field] = &[must("key", FieldType::Key), must("officer", FieldType::Officer)];

pub(crate) const DEPARTMENT_FIELDS: &[Field] = &[
    must("id", FieldType::Department),
    must("nameEn", FieldType::Word(120)),
    must("nameZh", FieldType::Word(120)),
    must("level", FieldType::Code(LEVELS)),
    must("area", FieldType::Word(40)),
    may("parent", FieldType::Department),
    may("line", FieldType::Department),
    must("profile", FieldType::Word(40)),
    must("calendar", FieldType::Word(40)),
    must("node", FieldType::Department),
    must("logKey", FieldType::Key),
    must("administrator", FieldType::Object(ADMINISTRATOR_FIELDS)),
    must("roles", FieldType::List(&FieldType::Code(ROLE_CODES), 7)),
];

pub(crate) const NODE_FIELDS: &[Field] = &[
    must("id", FieldType::Department),
    must("operator", FieldType::Department),
    must("transportKey", FieldType::Key),
];

pub(crate) fn key_of(json: Option<&Json>) -> Result<[u8; 32], FormatError> {
    Hash::parse_base64(json.and_then(Json::as_text).unwrap_or_default()).map(|hash| hash.0)
}

fn word(json: &Json, name: &str) -> String {
    json.member(name)
        .and_then(Json::as_text)
        .unwrap_or_default()
        .to_owned()
}

/// Reads a string member, with the member named in what goes wrong.
pub(crate) fn parsed<T>(
    what: &str,
    json: &Json,
    name: &str,
    parse: impl Fn(&str) -> Result<T, FormatError>,
) -> Result<T, FormatError> {
    let text = json
        .member(name)
        .ok_or_else(|| FormatError::field(what, name, "is missing"))?
        .as_text()
        .ok_or_else(|| FormatError::field(what, name, "expected a string"))?;
    parse(text).map_err(|error| FormatError::field(what, name, error.to_string()))
}

impl DepartmentRecord {
    /// Reads the object form.
    ///
    /// # Errors
    /// A missing, unknown or ill-formed member; roles out of order.
    pub fn from_json(json: &Json) -> Result<Self, FormatError> {
        check_object("department", json, DEPARTMENT_FIELDS)?;
        let optional = |name: &str| {
            json.member(name)
                .and_then(Json::as_text)
                .map(DepartmentId::parse)
                .transpose()
        };
        let mut roles: Vec<Role> = Vec::new();
        for value in json.member("roles").and_then(Json::as_array).unwrap_or(&[]) {
            let role = value.as_text().and_then(Role::parse);
            let role = role.ok_or_else(|| FormatError::field("department", "roles", "unknown role"))?;
            if roles.last().is_some_and(|last| *last >= role) {
                let why = format!("expected the order {} without repeats", ROLE_CODES.join(", "));
                return Err(FormatError::field("department", "roles", why));
            }
            roles.push(role);
        }
        let administrator = json.member("administrator");
        Ok(Self {
            id: DepartmentId::parse(&word(json, "id"))?,
            name_en: word(json, "nameEn"),
            name_zh: word(json, "nameZh"),
            level: word(json, "level"),
            area: word(json, "area"),
            parent: optional("parent")?,
            line: optional("line")?,
            profile: word(json, "profile"),
            calendar: word(json, "calendar"),
            node: NodeId::parse(&word(json, "node"))?,
            log_key: key_of(json.member("logKey"))?,
            administrator: Administrator {
                officer: OfficerId::parse(
                    administrator
                        .and_then(|object| object.member("officer"))
                        .and_then(Json::as_text)
                        .unwrap_or_default(),
                )?,
                key: key_of(administrator.and_then(|object| object.member("key")))?,
            },
            roles,
        })
    }

    /// Returns the object form.
    pub fn to_json(&self) -> Json {
        let text = |value: &str| Json::Text(value.to_owned());
        let key = |bytes: &[u8; 32]| Json::Text(Hash(*bytes).to_base64());
        let mut members = BTreeMap::from([
            ("id".to_owned(), text(self.id.as_str())),
            ("nameEn".to_owned(), text(&self.name_en)),
            ("nameZh".to_owned(), text(&self.name_zh)),
            ("level".to_owned(), text(&self.level)),
            ("area".to_owned(), text(&self.area)),
            ("profile".to_owned(), text(&self.profile)),
            ("calendar".to_owned(), text(&self.calendar)),
            ("node".to_owned(), text(self.node.as_str())),
            ("logKey".to_owned(), key(&self.log_key)),
            (
                "administrator".to_owned(),
                Json::Object(BTreeMap::from([
                    ("key".to_owned(), key(&self.administrator.key)),
                    ("officer".to_owned(), text(self.administrator.officer.as_str())),
                ])),
            ),
            (
                "roles".to_owned(),
                Json::Array(self.roles.iter().map(|role| text(role.as_str())).collect()),
            ),
        ]);
        for (name, value) in [("parent", &self.parent), ("line", &self.line)] {
            if let Some(department) = value {
                members.insert(name.to_owned(), text(department.as_str()));
            }
        }
        Json::Object(members)
    }
}

impl NodeRecord {
    fn from_json(json: &Json) -> Result<Self, FormatError> {
        check_object("node", json, NODE_FIELDS)?;
        Ok(Self {
            id: NodeId::parse(&word(json, "id"))?,
            operator: DepartmentId::parse(&word(json, "operator"))?,
            transport_key: key_of(json.member("transportKey"))?,
        })
    }

    fn to_json(&self) -> Json {
        Json::Object(BTreeMap::from([
            ("id".to_owned(), Json::Text(self.id.to_string())),
            ("operator".to_owned(), Json::Text(self.operator.to_string())),
            (
                "transportKey".to_owned(),
                Json::Text(Hash(self.transport_key).to_base64()),
            ),
        ]))
    }
}

/// The founding of a federation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// The name; with the hash it makes the federation id.
    pub name: String,
    /// Whether this is a trial, whose clock a scenario sets; every view says so.
    pub trial: bool,
    /// When it was founded.
    pub created: Timestamp,
    /// The number of the rules (kinds, tables, pair rows, digest form) in force.
    pub ruleset: u32,
    /// The department whose log carries governance.
    pub registrar: DepartmentId,
    /// How many administrators must sign a governance note; more than half of all in any case.
    pub quorum: u16,
    /// The nodes, by id, rising.
    pub nodes: Vec<NodeRecord>,
    /// The founding departments, by id, rising.
    pub departments: Vec<DepartmentRecord>,
    /// The jurisdiction profiles, inline.
    pub profiles: Vec<Json>,
    /// The calendars, inline.
    pub calendars: Vec<Json>,
}

const MEMBERS: &[&str] = &[
    "calendars",
    "created",
    "departments",
    "name",
    "nodes",
    "profiles",
    "quorum",
    "registrar",
    "ruleset",
    "trial",
];

impl Genesis {
    /// Parses the text; accepts exactly what [`Genesis::to_text`] gives, and only a founding that is whole: nodes,
    /// registrar, parents, profiles and calendars that it names exist, and the quorum is more than half.
    ///
    /// # Errors
    /// Every other text, with the member at fault.
    pub fn parse_text(text: &str) -> Result<Self, FormatError> {
        let bad = |field: &str, why: String| FormatError::field("genesis", field, why);
        FormatError::at_most("genesis", text.len(), GENESIS_BYTES_MAX)?;
        let json = parse_lines("genesis", GENESIS_MAGIC, text)?;
        let members = json
            .as_object()
            .ok_or_else(|| FormatError::malformed("genesis", "expected an object"))?;
        if let Some(name) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(bad(
                name,
                format!("unknown field; known are {}", MEMBERS.join(", ")),
            ));
        }
        let list = |name: &str| -> Result<&[Json], FormatError> {
            let list = json.member(name).and_then(Json::as_array);
            list.filter(|list| !list.is_empty() && list.len() <= 4_096)
                .ok_or_else(|| bad(name, "expected a list of 1 to 4096".to_owned()))
        };
        let number = |name: &str| json.member(name).and_then(Json::as_int).unwrap_or(-1);
        let nodes = list("nodes")?
            .iter()
            .map(NodeRecord::from_json)
            .collect::<Result<Vec<_>, _>>()?;
        let departments = list("departments")?
            .iter()
            .map(DepartmentRecord::from_json)
            .collect::<Result<Vec<_>, _>>()?;
        let genesis = Self {
            name: word(&json, "name"),
            trial: json
                .member("trial")
                .and_then(Json::as_bool)
                .ok_or_else(|| bad("trial", "expected true or false".to_owned()))?,
            created: parsed("genesis", &json, "created", Timestamp::parse)?,
            ruleset: u32::try_from(number("ruleset"))
                .ok()
                .filter(|ruleset| *ruleset > 0)
                .ok_or_else(|| bad("ruleset", "expected a whole number from 1".to_owned()))?,
            registrar: parsed("genesis", &json, "registrar", DepartmentId::parse)?,
            quorum: u16::try_from(number("quorum"))
                .map_err(|_| bad("quorum", "expected a whole number".to_owned()))?,
            nodes,
            departments,
            profiles: list("profiles")?.to_vec(),
            calendars: list("calendars")?.to_vec(),
        };
        genesis.check_whole()?;
        if genesis.to_text() == text {
            Ok(genesis)
        } else {
            Err(FormatError::not_canonical("genesis", "differs from its one form"))
        }
    }

    fn check_whole(&self) -> Result<(), FormatError> {
        let bad = |field: &str, why: String| Err(FormatError::field("genesis", field, why));
        if !crate::id::is_id(&self.name) {
            return bad("name", "expected 1 to 40 of a-z 0-9 -".to_owned());
        }
        let rises = |ids: Vec<&str>| ids.iter().zip(ids.iter().skip(1)).all(|(a, b)| a < b);
        if !rises(self.nodes.iter().map(|node| node.id.as_str()).collect()) {
            return bad("nodes", "expected rising ids without repeats".to_owned());
        }
        if !rises(
            self.departments
                .iter()
                .map(|department| department.id.as_str())
                .collect(),
        ) {
            return bad("departments", "expected rising ids without repeats".to_owned());
        }
        let records: BTreeMap<&DepartmentId, &DepartmentRecord> = self
            .departments
            .iter()
            .map(|record| (&record.id, record))
            .collect();
        let known = |id: &DepartmentId| records.contains_key(id);
        if !known(&self.registrar) {
            return bad(
                "registrar",
                format!("{} is no founding department", self.registrar),
            );
        }
        let count = self.departments.len();
        if usize::from(self.quorum) * 2 <= count || usize::from(self.quorum) > count {
            return bad(
                "quorum",
                format!("{} of {count}: expected more than half", self.quorum),
            );
        }
        let nodes: BTreeSet<&NodeId> = self.nodes.iter().map(|node| &node.id).collect();
        let ids = |list: &[Json]| -> BTreeSet<String> { list.iter().map(|json| word(json, "id")).collect() };
        let (profiles, calendars) = (ids(&self.profiles), ids(&self.calendars));
        if profiles.len() != self.profiles.len() {
            return bad("profiles", "two have one id".to_owned());
        }
        if calendars.len() != self.calendars.len() {
            return bad("calendars", "two have one id".to_owned());
        }
        for department in &self.departments {
            let id = &department.id;
            if !nodes.contains(&department.node) {
                return bad(
                    "departments",
                    format!("{id} names the unknown node {}", department.node),
                );
            }
            if !profiles.contains(&department.profile) {
                return bad(
                    "departments",
                    format!("{id} names the unknown profile {}", department.profile),
                );
            }
            if !calendars.contains(&department.calendar) {
                return bad(
                    "departments",
                    format!("{id} names the unknown calendar {}", department.calendar),
                );
            }
            for other in [&department.parent, &department.line].into_iter().flatten() {
                if !known(other) || other == id {
                    return bad(
                        "departments",
                        format!("{id} names {other} as parent or line, which does not fit"),
                    );
                }
            }
        }
        for (name, above) in [
            (
                "parent",
                (|record| record.parent.as_ref()) as fn(&DepartmentRecord) -> Option<&DepartmentId>,
            ),
            ("line", |record| record.line.as_ref()),
        ] {
            if let Some(id) = in_circle(&records, above) {
                return bad("departments", format!("{id} is above itself by {name}"));
            }
        }
        for node in &self.nodes {
            if !known(&node.operator) {
                return bad(
                    "nodes",
                    format!("{} has the unknown operator {}", node.id, node.operator),
                );
            }
        }
        Ok(())
    }

    /// Returns the text that the founders sign.
    pub fn to_text(&self) -> String {
        let json = Json::Object(BTreeMap::from([
            ("name".to_owned(), Json::Text(self.name.clone())),
            ("trial".to_owned(), Json::Bool(self.trial)),
            ("created".to_owned(), Json::Text(self.created.to_string())),
            ("ruleset".to_owned(), Json::Int(i64::from(self.ruleset))),
            ("registrar".to_owned(), Json::Text(self.registrar.to_string())),
            ("quorum".to_owned(), Json::Int(i64::from(self.quorum))),
            (
                "nodes".to_owned(),
                Json::Array(self.nodes.iter().map(NodeRecord::to_json).collect()),
            ),
            (
                "departments".to_owned(),
                Json::Array(self.departments.iter().map(DepartmentRecord::to_json).collect()),
            ),
            ("profiles".to_owned(), Json::Array(self.profiles.clone())),
            ("calendars".to_owned(), Json::Array(self.calendars.clone())),
        ]));
        format!("{GENESIS_MAGIC}\n{}\n", json.to_canonical())
    }
}

/// Finds a department from which the way up never ends. Every department is passed once, however deep the tree is.
fn in_circle<'a>(
    records: &BTreeMap<&'a DepartmentId, &'a DepartmentRecord>,
    above: impl Fn(&'a DepartmentRecord) -> Option<&'a DepartmentId>,
) -> Option<&'a DepartmentId> {
    let mut sound: BTreeSet<&DepartmentId> = BTreeSet::new();
    for start in records.keys() {
        let mut way: BTreeSet<&DepartmentId> = BTreeSet::new();
        let mut here = Some(*start);
        while let Some(id) = here.filter(|id| !sound.contains(id)) {
            if !way.insert(id) {
                return Some(id);
            }
            here = records.get(id).and_then(|record| above(record));
        }
        sound.append(&mut way);
    }
    None
}

/// Splits a text of a magic line and one line of canonical JSON.
pub(crate) fn parse_lines(what: &'static str, expected: &str, text: &str) -> Result<Json, FormatError> {
    let Some((magic, rest)) = text.split_once('\n') else {
        return Err(FormatError::malformed(what, "has no first line"));
    };
    if magic != expected {
        return Err(FormatError::UnknownVersion {
            what,
            got: magic.chars().take(40).collect(),
        });
    }
    let line = rest
        .strip_suffix('\n')
        .ok_or_else(|| FormatError::malformed(what, "does not end with a line feed"))?;
    Json::parse(line.as_bytes())
}
