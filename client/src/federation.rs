//! Founding a federation from a readable file: keys, signed genesis, node configurations, first rosters.
//!
//! [`Plan`] is the file; [`found`] makes everything in memory; [`Founding::write`] puts it into a folder that must not exist.

use crate::draft::assemble::{ADMINISTRATOR_POST, AssembleError, Author, Machine, assemble};
use crate::draft::form::{Form, FormError};
use crate::keystore::{self, KeystoreError, NamedKey, Passphrase, WorkFactor};
use crate::settings::Settings;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use tally_ledger::crypto::{SigningKey, sha256};
use tally_schemas::FormatError;
use tally_schemas::event::EventKind;
use tally_schemas::genesis::{Administrator, DepartmentRecord, Genesis, NodeRecord, Role};
use tally_schemas::id::{DepartmentId, FederationId, NodeId, OfficerId, Origin, PostId};
use tally_schemas::json::Json;
use tally_schemas::key_file::{founder_key_name, officer_key_name, transport_key_name};
use tally_schemas::note::Note;
use tally_schemas::shipped;
use tally_schemas::time::{Date, Timestamp};
use zeroize::Zeroizing;

/// A federation as its founders write it down.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The name, 1 to 40 of a-z 0-9 -.
    pub name: String,
    /// Whether it is a trial, whose clock a scenario sets.
    #[serde(default)]
    pub trial: bool,
    /// How many administrators must sign governance; more than half.
    pub quorum: u16,
    /// The department whose log carries governance.
    pub registrar: String,
    /// When it is founded, such as `2026-01-05T01:00:00.000Z`; the time of creation where absent.
    pub created: Option<String>,
    /// Profile and calendar files beside those that come with the program, relative to this file.
    #[serde(default)]
    pub documents: Vec<PathBuf>,
    /// The nodes.
    pub node: Vec<PlanNode>,
    /// The founding departments.
    pub department: Vec<PlanDepartment>,
}

/// A node of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanNode {
    /// The id.
    pub id: String,
    /// The department that operates it.
    pub operator: String,
    /// The address of its API.
    pub listen: String,
}

/// A department of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanDepartment {
    /// The id, for ever.
    pub id: String,
    /// The English name.
    pub name_en: String,
    /// The Chinese name.
    pub name_zh: String,
    /// The level of government.
    pub level: String,
    /// The area code.
    pub area: String,
    /// The parent department.
    pub parent: Option<String>,
    /// The superior department of the professional line.
    pub line: Option<String>,
    /// The roles.
    pub roles: Vec<String>,
    /// The id of the profile.
    pub profile: String,
    /// The id of the calendar.
    pub calendar: String,
    /// The node that hosts its log.
    pub node: String,
    /// The id of the administrator.
    pub administrator: String,
    /// The posts.
    #[serde(default)]
    pub post: Vec<PlanPost>,
    /// The officers to enrol.
    #[serde(default)]
    pub officer: Vec<PlanOfficer>,
}

/// A post of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanPost {
    /// The id.
    pub id: String,
    /// What it may do.
    pub duties: Vec<String>,
    /// The English name.
    pub name_en: String,
    /// The Chinese name.
    pub name_zh: String,
}

/// An officer of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanOfficer {
    /// The id; no name of a person.
    pub id: String,
    /// The posts held.
    #[serde(default)]
    pub posts: Vec<String>,
    /// From which day; the day of founding where absent.
    pub from: Option<String>,
}

/// Why a federation could not be founded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoundingError {
    /// The plan is no TOML of its form.
    #[error("the plan does not have its form: {why}")]
    Plan {
        /// What the reader said.
        why: String,
    },
    /// A value of the plan does not fit.
    #[error("{place} of the plan does not fit")]
    Value {
        /// Where.
        place: String,
        /// Why not.
        source: FormatError,
    },
    /// A profile or calendar is named that does not come with the program and is not in `documents`.
    #[error("no document has the id {id}; those that come with the program: {known}")]
    Document {
        /// The id named.
        id: String,
        /// The ids that come with the program.
        known: String,
    },
    /// An officer is given a post that the department does not have.
    #[error("officer {officer} of {department} holds the post {post}, which the plan does not create")]
    Post {
        /// The department.
        department: String,
        /// The officer.
        officer: String,
        /// The post.
        post: String,
    },
    /// A roster event could not be made.
    #[error("the roster of {department} could not be made")]
    Roster {
        /// The department.
        department: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The genesis that results is not whole.
    #[error("the genesis is not whole")]
    Genesis(#[source] FormatError),
    /// A key could not be made or written.
    #[error(transparent)]
    Key(#[from] KeystoreError),
    /// A file could not be read or written.
    #[error("{} could not be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// What is no plan, with the place.
    pub fn parse_toml(text: &str) -> Result<Self, FoundingError> {
        toml::from_str(text).map_err(|error| FoundingError::Plan {
            why: error.to_string().trim().to_owned(),
        })
    }
}

/// What a key of a founding is for; its name needs the federation id, which is known last.
enum KeyUse {
    Officer(DepartmentId, OfficerId),
    Log(DepartmentId),
    Transport(NodeId),
}

impl KeyUse {
    fn name(&self, federation: &FederationId) -> String {
        match self {
            Self::Officer(department, officer) => officer_key_name(federation, department, officer),
            Self::Log(department) => Origin {
                federation: federation.clone(),
                department: department.clone(),
                epoch: 1,
            }
            .to_string(),
            Self::Transport(node) => transport_key_name(node),
        }
    }

    fn file(&self) -> String {
        match self {
            Self::Officer(department, officer) => keystore::officer_file_name(department, officer),
            Self::Log(department) => format!("log-{department}.key"),
            Self::Transport(node) => format!("node-{node}.key"),
        }
    }
}

/// A key of a founding.
struct FoundedKey {
    purpose: KeyUse,
    seed: Zeroizing<[u8; 32]>,
}

/// A federation ready to be written.
pub struct Founding {
    /// The federation id.
    pub federation: FederationId,
    /// The genesis note.
    pub genesis: Note,
    keys: Vec<FoundedKey>,
    nodes: BTreeMap<String, String>,
    /// The signed roster notes of each department, in the order of submission, with a name for the file.
    pub roster: BTreeMap<DepartmentId, Vec<(String, Note)>>,
    officers: Vec<(String, Settings)>,
    trial: bool,
}

/// A department ready to be admitted to a federation that exists.
pub struct Admission {
    /// What governance admits.
    pub record: DepartmentRecord,
    federation: FederationId,
    keys: Vec<FoundedKey>,
    roster: Vec<(String, Note)>,
    trial: bool,
}

/// Reads the plan of one department.
///
/// # Errors
/// What is no such plan.
pub fn parse_department(text: &str) -> Result<PlanDepartment, FoundingError> {
    toml::from_str(text).map_err(|error| FoundingError::Plan {
        why: error.to_string().trim().to_owned(),
    })
}

/// Makes keys, record and first roster of a department that joins.
///
/// # Errors
/// The first thing of the plan that does not fit.
pub fn admit(
    planned: &PlanDepartment,
    federation: &FederationId,
    trial: bool,
    now: Timestamp,
    seeds: Seeds<'_>,
) -> Result<Admission, FoundingError> {
    let plan = Plan {
        name: String::new(),
        trial,
        quorum: 0,
        registrar: planned.id.clone(),
        created: None,
        documents: Vec::new(),
        node: Vec::new(),
        department: vec![planned.clone()],
    };
    let mut founder = Founder {
        plan: &plan,
        created: now,
        keys: Vec::new(),
        signing: BTreeMap::new(),
        seeds,
    };
    let record = founder.department(planned)?;
    let mut rosters = founder.rosters(federation)?;
    Ok(Admission {
        roster: rosters.remove(&record.id).unwrap_or_default(),
        record,
        federation: federation.clone(),
        keys: founder.keys,
        trial,
    })
}

impl Admission {
    /// Writes keys and roster notes into a folder: `keys/`, `roster/<department>/`.
    ///
    /// # Errors
    /// A file that exists already or cannot be written.
    pub fn write(&self, folder: &Path, passphrase: &Passphrase) -> Result<(), FoundingError> {
        write_keys(&self.keys, &self.federation, self.trial, folder, passphrase)?;
        for (name, note) in &self.roster {
            let path = folder.join("roster").join(self.record.id.as_str()).join(name);
            put(&path, &note.to_string())?;
        }
        Ok(())
    }
}

fn io(path: &Path, source: std::io::Error) -> FoundingError {
    FoundingError::Io {
        path: path.to_owned(),
        source,
    }
}

fn put(path: &Path, text: &str) -> Result<(), FoundingError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|source| io(parent, source))?;
    }
    fs::write(path, text).map_err(|source| io(path, source))
}

fn write_keys(
    all: &[FoundedKey],
    federation: &FederationId,
    trial: bool,
    folder: &Path,
    passphrase: &Passphrase,
) -> Result<(), FoundingError> {
    let keys = folder.join("keys");
    fs::create_dir_all(&keys).map_err(|source| io(&keys, source))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o700)).map_err(|source| io(&keys, source))?;
    }
    let work = if trial {
        WorkFactor::Trial
    } else {
        WorkFactor::Full
    };
    for key in all {
        let path = keys.join(key.purpose.file());
        let name = key.purpose.name(federation);
        if matches!(key.purpose, KeyUse::Officer(..)) {
            keystore::write_sealed(&path, &name, &key.seed, passphrase, work)?;
        } else {
            keystore::write_plain(&path, &name, &key.seed)?;
        }
    }
    Ok(())
}

/// A source of seeds.
pub type Seeds<'a> = &'a mut dyn FnMut() -> Result<Zeroizing<[u8; 32]>, KeystoreError>;

fn at<T>(place: impl FnOnce() -> String, result: Result<T, FormatError>) -> Result<T, FoundingError> {
    result.map_err(|source| FoundingError::Value {
        place: place(),
        source,
    })
}

/// Makes keys, genesis, rosters and configurations of a plan. `documents` are the further profile and calendar texts.
///
/// # Errors
/// The first thing of the plan that does not fit.
pub fn found(
    plan: &Plan,
    documents: &[String],
    now: Timestamp,
    seeds: Seeds<'_>,
) -> Result<Founding, FoundingError> {
    let created = match &plan.created {
        Some(text) => at(|| "created".to_owned(), Timestamp::parse(text))?,
        None => now,
    };
    let mut founder = Founder {
        plan,
        created,
        keys: Vec::new(),
        signing: BTreeMap::new(),
        seeds,
    };
    let genesis = founder.genesis(documents)?;
    let text = genesis.to_text();
    let genesis = Genesis::parse_text(&text).map_err(FoundingError::Genesis)?;
    let federation =
        FederationId::new(&genesis.name, &sha256(&[text.as_bytes()])).map_err(FoundingError::Genesis)?;
    let mut lines = Vec::new();
    for department in &genesis.departments {
        let name = founder_key_name(&genesis.name, &department.id, &department.administrator.officer);
        if let Some(key) = founder
            .signing
            .get(&(department.id.clone(), department.administrator.officer.clone()))
        {
            let key = NamedKey::new(name, key.clone());
            lines.push(key.sign(&text).map_err(FoundingError::Genesis)?);
        }
    }
    let note = Note { text, lines };
    let roster = founder.rosters(&federation)?;
    let nodes = plan
        .node
        .iter()
        .map(|node| (node.id.clone(), node_toml(plan, node)))
        .collect();
    Ok(Founding {
        officers: officer_settings(plan),
        federation,
        genesis: note,
        keys: founder.keys,
        nodes,
        roster,
        trial: plan.trial,
    })
}

struct Founder<'a> {
    plan: &'a Plan,
    created: Timestamp,
    keys: Vec<FoundedKey>,
    signing: BTreeMap<(DepartmentId, OfficerId), SigningKey>,
    seeds: Seeds<'a>,
}

impl Founder<'_> {
    fn key(&mut self, purpose: KeyUse) -> Result<SigningKey, FoundingError> {
        let seed = (self.seeds)()?;
        let key = SigningKey::from_seed(&seed);
        self.keys.push(FoundedKey { purpose, seed });
        Ok(key)
    }

    /// Makes the key of an officer once; an administrator who is also an officer has one key.
    fn officer_key(
        &mut self,
        department: &DepartmentId,
        officer: &OfficerId,
    ) -> Result<[u8; 32], FoundingError> {
        let place = (department.clone(), officer.clone());
        if let Some(key) = self.signing.get(&place) {
            return Ok(*key.public_key().as_bytes());
        }
        let key = self.key(KeyUse::Officer(department.clone(), officer.clone()))?;
        let public = *key.public_key().as_bytes();
        self.signing.insert(place, key);
        Ok(public)
    }

    fn genesis(&mut self, documents: &[String]) -> Result<Genesis, FoundingError> {
        let plan = self.plan;
        let mut nodes = Vec::new();
        for node in &plan.node {
            let id = at(|| format!("node {}", node.id), NodeId::parse(&node.id))?;
            let key = self.key(KeyUse::Transport(id.clone()))?;
            nodes.push(NodeRecord {
                operator: at(
                    || format!("operator of node {id}"),
                    DepartmentId::parse(&node.operator),
                )?,
                transport_key: *key.public_key().as_bytes(),
                id,
            });
        }
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        let mut departments = Vec::new();
        for planned in &plan.department {
            departments.push(self.department(planned)?);
        }
        departments.sort_by(|a: &DepartmentRecord, b| a.id.cmp(&b.id));
        let profiles: BTreeSet<&str> = plan.department.iter().map(|d| d.profile.as_str()).collect();
        let calendars: BTreeSet<&str> = plan.department.iter().map(|d| d.calendar.as_str()).collect();
        let documents: Vec<Json> = documents
            .iter()
            .map(|text| at(|| "documents".to_owned(), Json::parse_lenient(text.as_bytes())))
            .collect::<Result<_, _>>()?;
        let profiles = collect_documents(&profiles, &documents, shipped::PROFILES)?;
        let mut wanted: BTreeSet<String> = calendars.iter().map(|id| (*id).to_owned()).collect();
        for profile in &profiles {
            wanted.extend(
                profile
                    .member("calendar")
                    .and_then(Json::as_text)
                    .map(str::to_owned),
            );
        }
        let mut have: Vec<Json> = Vec::new();
        // A regional calendar rests on another one, which then belongs to the genesis too.
        while let Some(id) = wanted.pop_first() {
            if have.iter().any(|json| document_id(json) == id) {
                continue;
            }
            let more = collect_documents(&BTreeSet::from([id.as_str()]), &documents, shipped::CALENDARS)?;
            for json in &more {
                wanted.extend(json.member("over").and_then(Json::as_text).map(str::to_owned));
            }
            have.extend(more);
        }
        have.sort_by_key(document_id);
        Ok(Genesis {
            name: plan.name.clone(),
            trial: plan.trial,
            created: self.created,
            ruleset: 1,
            registrar: at(|| "registrar".to_owned(), DepartmentId::parse(&plan.registrar))?,
            quorum: plan.quorum,
            nodes,
            departments,
            profiles,
            calendars: have,
        })
    }

    fn department(&mut self, planned: &PlanDepartment) -> Result<DepartmentRecord, FoundingError> {
        let place = |what: &str| format!("{what} of department {}", planned.id);
        let id = at(|| place("id"), DepartmentId::parse(&planned.id))?;
        let officer = at(
            || place("administrator"),
            OfficerId::parse(&planned.administrator),
        )?;
        let log = self.key(KeyUse::Log(id.clone()))?;
        let key = self.officer_key(&id, &officer)?;
        let other = |what: &str, value: &Option<String>| {
            value
                .as_deref()
                .map(|text| at(|| place(what), DepartmentId::parse(text)))
                .transpose()
        };
        let mut roles = Vec::new();
        for text in &planned.roles {
            let role = Role::parse(text).ok_or_else(|| {
                let known: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
                FormatError::field(
                    "department",
                    "roles",
                    format!("{text}, expected one of {}", known.join(", ")),
                )
            });
            roles.push(at(|| place("roles"), role)?);
        }
        roles.sort();
        roles.dedup();
        Ok(DepartmentRecord {
            name_en: planned.name_en.clone(),
            name_zh: planned.name_zh.clone(),
            level: planned.level.clone(),
            area: planned.area.clone(),
            parent: other("parent", &planned.parent)?,
            line: other("line", &planned.line)?,
            profile: planned.profile.clone(),
            calendar: planned.calendar.clone(),
            node: at(|| place("node"), NodeId::parse(&planned.node))?,
            log_key: *log.public_key().as_bytes(),
            administrator: Administrator { officer, key },
            roles,
            id,
        })
    }

    fn rosters(
        &mut self,
        federation: &FederationId,
    ) -> Result<BTreeMap<DepartmentId, Vec<(String, Note)>>, FoundingError> {
        let plan = self.plan;
        let mut all = BTreeMap::new();
        for planned in &plan.department {
            let place = |what: &str| format!("{what} of department {}", planned.id);
            let department = at(|| place("id"), DepartmentId::parse(&planned.id))?;
            let administrator = at(
                || place("administrator"),
                OfficerId::parse(&planned.administrator),
            )?;
            let mut notes: Vec<(String, Note)> = Vec::new();
            let mut forms: Vec<(String, Result<Form, FormError>)> = Vec::new();
            for post in &planned.post {
                let duties = post.duties.join(";");
                let values = [
                    ("post", post.id.as_str()),
                    ("duties", duties.as_str()),
                    ("nameEn", &post.name_en),
                    ("nameZh", &post.name_zh),
                ];
                forms.push((
                    format!("post-{}", post.id),
                    filled(EventKind::RosterPostCreated, &values),
                ));
            }
            for officer in &planned.officer {
                let id = at(|| place("officer"), OfficerId::parse(&officer.id))?;
                let key = tally_schemas::id::Hash(self.officer_key(&department, &id)?).to_base64();
                let values = [("officer", id.as_str()), ("key", key.as_str())];
                forms.push((format!("enrol-{id}"), filled(EventKind::RosterEnrolled, &values)));
                let from = self.first_day(&place("officer"), officer)?.to_string();
                for post in &officer.posts {
                    if !planned.post.iter().any(|known| known.id == *post) {
                        return Err(FoundingError::Post {
                            department: planned.id.clone(),
                            officer: officer.id.clone(),
                            post: post.clone(),
                        });
                    }
                    let values = [("officer", id.as_str()), ("post", post), ("from", &from)];
                    forms.push((
                        format!("appoint-{id}-{post}"),
                        filled(EventKind::RosterAppointed, &values),
                    ));
                }
            }
            let author = Author {
                federation: federation.clone(),
                department: department.clone(),
                officer: administrator.clone(),
                post: Some(at(|| place("administrator"), PostId::parse(ADMINISTRATOR_POST))?),
                case: None,
                after: Vec::new(),
                issued: self.created,
            };
            let signer = self.signing.get(&(department.clone(), administrator.clone()));
            for (name, form) in forms {
                let told = |source: Box<dyn std::error::Error + Send + Sync>| FoundingError::Roster {
                    department: planned.id.clone(),
                    source,
                };
                let form = form.map_err(|error| told(Box::new(error)))?;
                let act = assemble(&form, &author, &mut Machine)
                    .map_err(|error: AssembleError| told(Box::new(error)))?;
                let Some(key) = signer else { continue };
                let named = NamedKey::new(
                    officer_key_name(federation, &department, &administrator),
                    key.clone(),
                );
                let line = named.sign(&act.text).map_err(|error| told(Box::new(error)))?;
                notes.push((
                    format!("{:03}-{name}.note", notes.len() + 1),
                    Note {
                        text: act.text,
                        lines: vec![line],
                    },
                ));
            }
            all.insert(department, notes);
        }
        Ok(all)
    }

    fn first_day(&self, place: &str, officer: &PlanOfficer) -> Result<Date, FoundingError> {
        match &officer.from {
            Some(text) => at(|| place.to_owned(), Date::parse(text)),
            None => Ok(self.created.date_at(0)),
        }
    }
}

fn filled(kind: EventKind, values: &[(&str, &str)]) -> Result<Form, FormError> {
    let mut form = Form::new(kind);
    for (name, text) in values {
        form.set(name, text)?;
    }
    Ok(form)
}

fn document_id(json: &Json) -> String {
    json.member("id")
        .and_then(Json::as_text)
        .unwrap_or_default()
        .to_owned()
}

fn collect_documents(
    wanted: &BTreeSet<&str>,
    own: &[Json],
    come_with: &[shipped::Shipped],
) -> Result<Vec<Json>, FoundingError> {
    let mut found = Vec::new();
    for id in wanted {
        if let Some(json) = own.iter().find(|json| document_id(json) == *id) {
            found.push(json.clone());
            continue;
        }
        let Some(document) = come_with.iter().find(|document| document.id == *id) else {
            let known: Vec<&str> = come_with.iter().map(|document| document.id).collect();
            return Err(FoundingError::Document {
                id: (*id).to_owned(),
                known: known.join(", "),
            });
        };
        found.push(at(
            || (*id).to_owned(),
            Json::parse_lenient(document.text.as_bytes()),
        )?);
    }
    Ok(found)
}

fn node_toml(plan: &Plan, node: &PlanNode) -> String {
    let mut keys = toml::Table::new();
    keys.insert(
        "transport".to_owned(),
        format!("../keys/node-{}.key", node.id).into(),
    );
    let logs: toml::Table = plan
        .department
        .iter()
        .filter(|department| department.node == node.id)
        .map(|department| {
            (
                department.id.clone(),
                format!("../keys/log-{}.key", department.id).into(),
            )
        })
        .collect();
    keys.insert("logs".to_owned(), logs.into());
    let mut table = toml::Table::new();
    table.insert("node".to_owned(), node.id.clone().into());
    table.insert("genesis".to_owned(), "../genesis.note".into());
    table.insert("data".to_owned(), format!("../data/{}", node.id).into());
    table.insert("listen".to_owned(), node.listen.clone().into());
    table.insert("trial".to_owned(), plan.trial.into());
    table.insert("keys".to_owned(), keys.into());
    table.to_string()
}

fn officer_settings(plan: &Plan) -> Vec<(String, Settings)> {
    let mut all = Vec::new();
    for department in &plan.department {
        let listen = plan
            .node
            .iter()
            .find(|node| node.id == department.node)
            .map(|node| &node.listen);
        let settings = |officer: &str, post: Option<&String>| {
            let settings = Settings {
                node: listen.map(|address| format!("http://{address}")),
                genesis: Some(PathBuf::from("../genesis.note")),
                key: Some(PathBuf::from(format!("../keys/{}-{officer}.key", department.id))),
                post: post.cloned(),
                drafts: None,
                language: None,
            };
            (format!("{}-{officer}.toml", department.id), settings)
        };
        let mut seen = BTreeSet::new();
        for officer in &department.officer {
            seen.insert(officer.id.as_str());
            all.push(settings(&officer.id, officer.posts.first()));
        }
        if seen.insert(&department.administrator) {
            all.push(settings(&department.administrator, None));
        }
    }
    all
}

impl std::fmt::Debug for Founding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Founding({}, keys not shown)", self.federation)
    }
}

impl Founding {
    /// Says how many keys there are.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Writes everything into a new folder: `genesis.note`, `keys/`, `nodes/`, `roster/`, `officers/`.
    ///
    /// # Errors
    /// A folder that exists and is not empty, a file that cannot be written.
    pub fn write(&self, folder: &Path, passphrase: &Passphrase) -> Result<(), FoundingError> {
        if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(io(folder, std::io::ErrorKind::AlreadyExists.into()));
        }
        put(&folder.join("genesis.note"), &self.genesis.to_string())?;
        write_keys(&self.keys, &self.federation, self.trial, folder, passphrase)?;
        for (id, text) in &self.nodes {
            put(&folder.join("nodes").join(format!("{id}.toml")), text)?;
        }
        for (department, notes) in &self.roster {
            for (name, note) in notes {
                let path = folder.join("roster").join(department.as_str()).join(name);
                put(&path, &note.to_string())?;
            }
        }
        for (name, settings) in &self.officers {
            put(&folder.join("officers").join(name), &settings.to_toml())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use tally_ledger::authority::Registry;
    use tally_ledger::crypto::{NoteKey, PublicKey};
    use tally_schemas::event::Event;
    use tally_schemas::key_file::Sealed;

    const PLAN: &str = include_str!("../examples/trial-federation.toml");

    fn plan() -> Plan {
        Plan::parse_toml(PLAN).unwrap()
    }

    fn founded(plan: &Plan) -> Result<Founding, FoundingError> {
        let mut count = 0u8;
        let now = Timestamp::parse("2026-01-05T01:00:00.000Z").unwrap();
        found(plan, &[], now, &mut || {
            count += 1;
            Ok(Zeroizing::new([count; 32]))
        })
    }

    #[test]
    fn the_genesis_is_whole_and_signed_by_every_administrator() {
        let founding = founded(&plan()).unwrap();
        let genesis = Genesis::parse_text(&founding.genesis.text).unwrap();
        assert_eq!(founding.genesis.lines.len(), genesis.departments.len());
        let registry = Registry::found(&founding.genesis.to_bytes()).unwrap();
        assert_eq!(registry.federation(), &founding.federation);
        assert!(genesis.trial);
    }

    #[test]
    fn roster_notes_are_events_signed_by_the_administrator() {
        let founding = founded(&plan()).unwrap();
        let genesis = Genesis::parse_text(&founding.genesis.text).unwrap();
        let mut count = 0;
        for record in &genesis.departments {
            let name = officer_key_name(&founding.federation, &record.id, &record.administrator.officer);
            let key = NoteKey::new(&name, &PublicKey::admit(&record.administrator.key).unwrap()).unwrap();
            for (_, note) in founding.roster.get(&record.id).unwrap() {
                key.verify_note(note).unwrap();
                let event = Event::parse_text(&note.text).unwrap();
                assert_eq!(
                    (&event.federation, &event.department),
                    (&founding.federation, &record.id)
                );
                count += 1;
            }
        }
        assert!(count >= 3);
    }

    #[test]
    fn everything_is_written_and_keys_open_under_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("trial");
        let founding = founded(&plan()).unwrap();
        let word = Passphrase::new("trial".to_owned());
        founding.write(&target, &word).unwrap();
        let genesis = fs::read(target.join("genesis.note")).unwrap();
        assert_eq!(genesis, founding.genesis.to_bytes());
        let mut officers = 0;
        for entry in fs::read_dir(target.join("keys")).unwrap() {
            let path = entry.unwrap().path();
            let sealed = matches!(keystore::read(&path).unwrap().sealed, Sealed::Age(_));
            let key = keystore::open(&path, || Ok(word.clone())).unwrap();
            if sealed {
                let holder = key.holder().unwrap();
                assert_eq!(holder.federation, founding.federation);
                assert!(path.ends_with(keystore::officer_file_name(&holder.department, &holder.officer)));
                officers += 1;
            }
        }
        assert!(officers > plan().department.len());
        let settings = Settings::read(&target.join("officers/civil-c-01.toml")).unwrap();
        assert!(settings.key.unwrap().exists() && settings.genesis.unwrap().exists());
        assert_matches!(founding.write(&target, &word), Err(FoundingError::Io { .. }));
    }

    #[test]
    fn a_department_that_joins_gets_keys_and_a_roster_of_its_own() {
        let founding = founded(&plan()).unwrap();
        let mut planned = plan().department.pop().unwrap();
        planned.id = "taxes".to_owned();
        let mut count = 100u8;
        let now = Timestamp::parse("2026-02-02T01:00:00.000Z").unwrap();
        let admission = admit(&planned, &founding.federation, true, now, &mut || {
            count += 1;
            Ok(Zeroizing::new([count; 32]))
        })
        .unwrap();
        assert_eq!(admission.record.id.as_str(), "taxes");
        let folder = tempfile::tempdir().unwrap();
        admission
            .write(folder.path(), &Passphrase::new("trial".to_owned()))
            .unwrap();
        let log = keystore::read(&folder.path().join("keys/log-taxes.key")).unwrap();
        assert_eq!(log.public_key, admission.record.log_key);
        assert_eq!(log.name, format!("{}/taxes/1", founding.federation));
        assert!(folder.path().join("roster/taxes/001-post-clerk.note").exists());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut wrong = plan();
        wrong.department[0].profile = "cn-999".to_owned();
        assert_matches!(founded(&wrong), Err(FoundingError::Document { id, .. }) if id == "cn-999");
        let mut wrong = plan();
        wrong.quorum = 1;
        assert_matches!(founded(&wrong), Err(FoundingError::Genesis(_)));
        let mut wrong = plan();
        wrong.department[0].officer[0].posts = vec!["none".to_owned()];
        assert_matches!(founded(&wrong), Err(FoundingError::Post { post, .. }) if post == "none");
        assert_matches!(Plan::parse_toml("nme = \"x\""), Err(FoundingError::Plan { why }) if why.contains("nme"));
    }
}
