//! The registry: genesis plus the chain of governance notes.
//!
//! Version = length of the chain. A right holds for an entry at (log, index) whose header names version v iff a giving at
//! version g <= v exists and no taking k with version(k) > g stands at or before that position. Spec:
//! `schemas/spec/governance.md`.

use crate::checkpoint::LogKey;
use crate::crypto::{KeyError, NoteKey, PublicKey, SignatureError, VerifyingKey, sha256};
use std::collections::{BTreeMap, BTreeSet};
use tally_schemas::FormatError;
use tally_schemas::calendar::Calendar;
use tally_schemas::entry::RegistryRef;
use tally_schemas::genesis::{DepartmentRecord, Genesis, NodeRecord, Role};
use tally_schemas::governance::{Change, Governance, Right};
use tally_schemas::id::{DepartmentId, FederationId, Hash, NodeId, OfficerId, Origin};
use tally_schemas::limits::{GENESIS_BYTES_MAX, GOVERNANCE_NOTE_BYTES_MAX};
use tally_schemas::note::Note;
use tally_schemas::profile::Profile;

/// Why a genesis does not found a federation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The note or its text is not of the format.
    #[error("genesis is not readable")]
    Format(#[from] FormatError),
    /// A key in the genesis is not admissible.
    #[error("key of {holder} is not admissible")]
    Key {
        /// Whose key.
        holder: String,
        /// Why not.
        #[source]
        source: KeyError,
    },
    /// A signature line is by nobody who may found, or does not verify.
    #[error("signature line of {name} on the genesis is not by a founding administrator or does not verify")]
    Signature {
        /// The key name on the line.
        name: String,
    },
    /// Too few founders signed.
    #[error("genesis carries {got} founding signatures, expected at least {needed}")]
    Quorum {
        /// How many signed.
        got: usize,
        /// How many must.
        needed: usize,
    },
}

/// Why a governance note has no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GovernanceError {
    /// The note or its text is not of the format.
    #[error("governance note is not readable: {0}")]
    Format(#[from] FormatError),
    /// It belongs to another federation.
    #[error("governance note is for federation {got}, this is {expected}")]
    Federation {
        /// Named in the note.
        got: String,
        /// This one.
        expected: String,
    },
    /// It does not follow the newest note.
    #[error(
        "governance note makes version {got} after {previous}, expected version {expected} after {newest}"
    )]
    NotNext {
        /// The version it makes.
        got: u64,
        /// The note it names as previous.
        previous: String,
        /// The version that comes next.
        expected: u64,
        /// The newest note held.
        newest: String,
    },
    /// A line is not by a living administrator, is doubled, or does not verify.
    #[error("signature line of {name} is not by a living administrator, is doubled, or does not verify")]
    Signature {
        /// The key name on the line.
        name: String,
    },
    /// Too few administrators signed.
    #[error("governance note carries {got} signatures, expected at least {needed}")]
    Quorum {
        /// How many signed.
        got: usize,
        /// How many must.
        needed: usize,
    },
    /// A change cannot be made.
    #[error("change {place}: {why}")]
    Change {
        /// Which change, from 1.
        place: usize,
        /// Why not.
        why: String,
    },
}

/// By whom an epoch was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenedBy {
    /// The administrator of the department alone: whoever can show more of the old log contests it.
    Administrator,
    /// A quorum of administrators: it holds on every node.
    Quorum,
}

#[derive(Debug, Clone)]
struct Taking {
    version: u64,
    origin: Origin,
    size: u64,
}

#[derive(Debug, Clone, Default)]
struct RightHistory {
    givings: Vec<u64>,
    takings: Vec<Taking>,
}

/// The registry of a federation, with its whole history.
#[derive(Debug, Clone)]
pub struct Registry {
    federation: FederationId,
    genesis: Genesis,
    genesis_hash: Hash,
    chain: Vec<Hash>,
    departments: BTreeMap<DepartmentId, (u64, DepartmentRecord)>,
    rights: BTreeMap<Right, RightHistory>,
    log_keys: BTreeMap<DepartmentId, LogKey>,
    administrators: BTreeMap<(DepartmentId, String), Vec<VerifyingKey>>,
    profiles: BTreeMap<String, Profile>,
    calendars: BTreeMap<String, Calendar>,
    /// The rulesets adopted, by the version that adopted them.
    rulesets: BTreeMap<u64, u32>,
}

impl Registry {
    /// Founds the registry from a genesis note: every line must be by a founding administrator and verify, and the
    /// quorum be reached.
    ///
    /// # Errors
    /// A note that founds nothing, with the reason.
    pub fn found(bytes: &[u8]) -> Result<Self, RegistryError> {
        let note = Note::parse(bytes, GENESIS_BYTES_MAX)?;
        let genesis = Genesis::parse_text(&note.text)?;
        let genesis_hash = sha256(&[note.text.as_bytes()]);
        let federation = FederationId::new(&genesis.name, &genesis_hash)?;
        let mut registry = Self {
            federation,
            genesis_hash,
            chain: Vec::new(),
            departments: BTreeMap::new(),
            rights: BTreeMap::new(),
            log_keys: BTreeMap::new(),
            administrators: BTreeMap::new(),
            profiles: BTreeMap::new(),
            calendars: BTreeMap::new(),
            rulesets: BTreeMap::new(),
            genesis,
        };
        for json in &registry.genesis.profiles {
            let profile = Profile::from_json(json)?;
            registry.profiles.insert(profile.id.clone(), profile);
        }
        for json in &registry.genesis.calendars {
            let calendar = Calendar::from_json(json)?;
            registry.calendars.insert(calendar.id.clone(), calendar);
        }
        for record in registry.genesis.departments.clone() {
            let holder = record.id.to_string();
            registry
                .admit(record, 0)
                .map_err(|source| RegistryError::Key { holder, source })?;
        }
        let mut signed = BTreeSet::new();
        for line in &note.lines {
            let refused = || RegistryError::Signature {
                name: line.name.clone(),
            };
            let founder = registry.genesis.departments.iter().find(|record| {
                line.name
                    == format!(
                        "{}/{}/{}",
                        registry.genesis.name, record.id, record.administrator.officer
                    )
            });
            let record = founder.ok_or_else(refused)?;
            let key = PublicKey::admit(&record.administrator.key).map_err(|source| RegistryError::Key {
                holder: record.id.to_string(),
                source,
            })?;
            let key = NoteKey::new(&line.name, &key)?;
            key.verify_line(&note.text, line).map_err(|_| refused())?;
            if !signed.insert(record.id.clone()) {
                return Err(refused());
            }
        }
        let needed = usize::from(registry.genesis.quorum);
        if signed.len() < needed {
            return Err(RegistryError::Quorum {
                got: signed.len(),
                needed,
            });
        }
        Ok(registry)
    }

    fn admit(&mut self, record: DepartmentRecord, version: u64) -> Result<(), KeyError> {
        let log_key = PublicKey::admit(&record.log_key)?;
        let administrator = VerifyingKey::new(&PublicKey::admit(&record.administrator.key)?);
        let origin = self.origin(&record.id);
        self.log_keys
            .insert(record.id.clone(), LogKey::new(&origin, &log_key));
        let name = (record.id.clone(), record.administrator.officer.to_string());
        self.administrators.entry(name).or_default().push(administrator);
        for right in Right::of_admission(&record) {
            self.rights.entry(right).or_default().givings.push(version);
        }
        self.departments.insert(record.id.clone(), (version, record));
        Ok(())
    }

    /// Checks a governance note and adds it to the chain.
    ///
    /// # Errors
    /// A note that has no effect, with the reason; the registry is then unchanged.
    pub fn extend(&mut self, payload: &str) -> Result<u64, GovernanceError> {
        let mut next = self.clone();
        let version = next.extend_in_place(payload)?;
        *self = next;
        Ok(version)
    }

    fn extend_in_place(&mut self, payload: &str) -> Result<u64, GovernanceError> {
        let note = Note::parse(payload.as_bytes(), GOVERNANCE_NOTE_BYTES_MAX)?;
        let governance = Governance::parse_text(&note.text)?;
        if governance.federation != self.federation {
            return Err(GovernanceError::Federation {
                got: governance.federation.to_string(),
                expected: self.federation.to_string(),
            });
        }
        let newest = self.newest();
        if governance.version != newest.version + 1 || governance.previous != newest.hash {
            return Err(GovernanceError::NotNext {
                got: governance.version,
                previous: governance.previous.short(),
                expected: newest.version + 1,
                newest: newest.hash.short(),
            });
        }
        self.check_quorum(&note, newest.version)?;
        let version = governance.version;
        for (place, change) in governance.changes.into_iter().enumerate() {
            let refused = |why: String| GovernanceError::Change {
                place: place + 1,
                why,
            };
            match change {
                Change::DepartmentAdmitted(record) => {
                    if self.departments.contains_key(&record.id) {
                        return Err(refused(format!("department id {} was used before", record.id)));
                    }
                    if !self.profiles.contains_key(&record.profile)
                        || !self.calendars.contains_key(&record.calendar)
                    {
                        return Err(refused(format!(
                            "{} names an unknown profile or calendar",
                            record.id
                        )));
                    }
                    if self.node(&record.node).is_none() {
                        return Err(refused(format!(
                            "{} names the unknown node {}",
                            record.id, record.node
                        )));
                    }
                    for other in [&record.parent, &record.line].into_iter().flatten() {
                        if !self.departments.contains_key(other) {
                            return Err(refused(format!(
                                "{} names the unknown department {other}",
                                record.id
                            )));
                        }
                    }
                    self.admit(*record, version)
                        .map_err(|error| refused(error.to_string()))?;
                }
                Change::RightGiven(right) => self.give(right, version).map_err(refused)?,
                Change::RightTaken { right, at } => {
                    let history = self.rights.get_mut(&right);
                    let history = history.ok_or_else(|| refused("the right was never given".to_owned()))?;
                    history.takings.push(Taking {
                        version,
                        origin: at.origin,
                        size: at.head.size,
                    });
                }
                Change::RulesetAdopted(ruleset) => {
                    let in_force = self.ruleset_at(version);
                    if ruleset <= in_force {
                        return Err(refused(format!(
                            "ruleset {ruleset} is not above {in_force}, which is in force"
                        )));
                    }
                    self.rulesets.insert(version, ruleset);
                }
            }
        }
        self.chain.push(sha256(&[note.text.as_bytes()]));
        Ok(version)
    }

    fn give(&mut self, right: Right, version: u64) -> Result<(), String> {
        if !self.departments.contains_key(right.department()) {
            return Err(format!("{} is no department", right.department()));
        }
        if let Right::Administrator {
            department,
            officer,
            key,
        } = &right
        {
            let key = PublicKey::admit(key).map_err(|error| error.to_string())?;
            let name = (department.clone(), officer.to_string());
            self.administrators
                .entry(name)
                .or_default()
                .push(VerifyingKey::new(&key));
        }
        self.rights.entry(right).or_default().givings.push(version);
        Ok(())
    }

    /// Checks that every line is by a living administrator of another department, and that enough signed, at a version.
    fn check_quorum(&self, note: &Note, version: u64) -> Result<(), GovernanceError> {
        let mut signed = BTreeSet::new();
        for line in &note.lines {
            let refused = || GovernanceError::Signature {
                name: line.name.clone(),
            };
            let (department, officer) = self.split_name(&line.name).ok_or_else(refused)?;
            let keys = self.administrator_keys(&department, officer);
            let fits = keys.iter().any(|key| {
                let right = Right::Administrator {
                    department: department.clone(),
                    officer: match OfficerId::parse(officer) {
                        Ok(officer) => officer,
                        Err(_) => return false,
                    },
                    key: *key.public_key().as_bytes(),
                };
                self.stands(&right, version)
                    && NoteKey::new(&line.name, &key.public_key())
                        .is_ok_and(|key| key.verify_line(&note.text, line).is_ok())
            });
            if !fits || !signed.insert(department) {
                return Err(refused());
            }
        }
        let members = self.departments(version).filter(|record| {
            self.stands(
                &Right::Membership {
                    department: record.id.clone(),
                },
                version,
            )
        });
        let needed = usize::from(self.genesis.quorum).max(members.count() / 2 + 1);
        if signed.len() < needed {
            return Err(GovernanceError::Quorum {
                got: signed.len(),
                needed,
            });
        }
        Ok(())
    }

    /// Says by whom an opening is good for entry 0 of the log that it opens, whose header names a version that is held.
    ///
    /// # Errors
    /// Neither a quorum nor the administrator of the department signed, and why not.
    pub fn opened_by(&self, note: &Note, origin: &Origin, version: u64) -> Result<OpenedBy, GovernanceError> {
        let refused = match self.check_quorum(note, version) {
            Ok(()) => return Ok(OpenedBy::Quorum),
            Err(refused) => refused,
        };
        let [line] = note.lines.as_slice() else {
            return Err(refused);
        };
        let Some((department, officer)) = self.split_name(&line.name) else {
            return Err(refused);
        };
        let Ok(officer) = OfficerId::parse(officer) else {
            return Err(refused);
        };
        let keys = self.administrator_keys(&department, officer.as_str());
        let is_good = department == origin.department
            && keys.iter().any(|key| {
                let right = Right::Administrator {
                    department: department.clone(),
                    officer: officer.clone(),
                    key: *key.public_key().as_bytes(),
                };
                self.holds(&right, origin, 0, version, version)
                    && NoteKey::new(&line.name, &key.public_key())
                        .is_ok_and(|key| key.verify_line(&note.text, line).is_ok())
            });
        if is_good {
            Ok(OpenedBy::Administrator)
        } else {
            Err(refused)
        }
    }

    /// Splits the key name `<federation id>/<department>/<officer>`.
    pub fn split_name<'a>(&self, name: &'a str) -> Option<(DepartmentId, &'a str)> {
        let rest = name.strip_prefix(self.federation.as_str())?.strip_prefix('/')?;
        let (department, officer) = rest.split_once('/')?;
        Some((DepartmentId::parse(department).ok()?, officer))
    }

    /// Returns the federation id.
    pub fn federation(&self) -> &FederationId {
        &self.federation
    }

    /// Returns the genesis.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Returns the hash of the genesis text.
    pub fn genesis_hash(&self) -> Hash {
        self.genesis_hash
    }

    /// Returns the origin of a department's first log; later epochs come with their openings.
    pub fn origin(&self, department: &DepartmentId) -> Origin {
        Origin {
            federation: self.federation.clone(),
            department: department.clone(),
            epoch: 1,
        }
    }

    /// Returns the newest version and its hash.
    pub fn newest(&self) -> RegistryRef {
        match self.chain.last() {
            Some(hash) => RegistryRef {
                version: self.chain.len() as u64,
                hash: *hash,
            },
            None => RegistryRef {
                version: 0,
                hash: self.genesis_hash,
            },
        }
    }

    /// Returns the ruleset in force at a version: it decides by which tables a case is folded that is opened under it.
    pub fn ruleset_at(&self, version: u64) -> u32 {
        let adopted = self.rulesets.range(..=version).next_back();
        adopted.map_or(self.genesis.ruleset, |(_, ruleset)| *ruleset)
    }

    /// Returns the hash of a version, if it is held.
    pub fn hash_of(&self, version: u64) -> Option<Hash> {
        match version.checked_sub(1) {
            None => Some(self.genesis_hash),
            Some(place) => self.chain.get(usize::try_from(place).ok()?).copied(),
        }
    }

    /// Returns the record of a department that was admitted at or before a version.
    pub fn department(&self, id: &DepartmentId, version: u64) -> Option<&DepartmentRecord> {
        self.departments
            .get(id)
            .filter(|(since, _)| *since <= version)
            .map(|(_, record)| record)
    }

    /// Returns every department admitted at or before a version, by id.
    pub fn departments(&self, version: u64) -> impl Iterator<Item = &DepartmentRecord> {
        self.departments
            .values()
            .filter(move |(since, _)| *since <= version)
            .map(|(_, record)| record)
    }

    /// Returns a node.
    pub fn node(&self, id: &NodeId) -> Option<&NodeRecord> {
        self.genesis.nodes.iter().find(|node| node.id == *id)
    }

    /// Returns the key that signs a department's checkpoints.
    pub fn log_key(&self, department: &DepartmentId) -> Option<&LogKey> {
        self.log_keys.get(department)
    }

    /// Returns every key that an administrator ever had, oldest first; which one stands is asked by [`Self::holds`].
    pub fn administrator_keys(&self, department: &DepartmentId, officer: &str) -> &[VerifyingKey] {
        self.administrators
            .get(&(department.clone(), officer.to_owned()))
            .map_or(&[], Vec::as_slice)
    }

    /// Says whether a right holds for an entry at a position whose header names `version`, when takings up to
    /// `judged_by` are known.
    pub fn holds(&self, right: &Right, origin: &Origin, index: u64, version: u64, judged_by: u64) -> bool {
        let Some(history) = self.rights.get(right) else {
            return false;
        };
        history
            .givings
            .iter()
            .filter(|given| **given <= version)
            .any(|given| {
                !history.takings.iter().any(|taking| {
                    taking.version > *given
                        && taking.version <= judged_by
                        && (taking.origin.epoch < origin.epoch
                            || (taking.origin == *origin && taking.size <= index))
                })
            })
    }

    /// Returns the version of the taking that ends a right for an entry at a position, if one does: the first under which
    /// no giving is left. An earlier taking after which the right was given again is not the cause.
    pub fn taken_by(
        &self,
        right: &Right,
        origin: &Origin,
        index: u64,
        version: u64,
        judged_by: u64,
    ) -> Option<u64> {
        if self.holds(right, origin, index, version, judged_by) {
            return None;
        }
        let history = self.rights.get(right)?;
        let mut versions: Vec<u64> = history.takings.iter().map(|taking| taking.version).collect();
        versions.sort_unstable();
        let given = history.givings.iter().any(|given| *given <= version);
        versions
            .into_iter()
            .filter(|taken| given && *taken <= judged_by)
            .find(|taken| !self.holds(right, origin, index, version, *taken))
    }

    /// Says whether a right stands at a version, apart from any position: given, and not taken since.
    pub fn stands(&self, right: &Right, version: u64) -> bool {
        let Some(history) = self.rights.get(right) else {
            return false;
        };
        let given = history.givings.iter().filter(|given| **given <= version).max();
        given.is_some_and(|given| {
            !history
                .takings
                .iter()
                .any(|taking| taking.version > *given && taking.version <= version)
        })
    }

    /// Says whether any right of a department was taken after one version and up to another.
    pub fn took_between(&self, after: u64, up_to: u64) -> bool {
        after < up_to
            && self.rights.values().any(|history| {
                history
                    .takings
                    .iter()
                    .any(|taking| taking.version > after && taking.version <= up_to)
            })
    }

    /// Says whether a department has a role at a version.
    pub fn has_role(&self, department: &DepartmentId, role: Role, version: u64) -> bool {
        self.stands(
            &Right::Role {
                department: department.clone(),
                role,
            },
            version,
        )
    }

    /// Returns the departments that have a role at a version, by id.
    pub fn role_holders(&self, role: Role, version: u64) -> Vec<DepartmentId> {
        self.departments(version)
            .map(|record| record.id.clone())
            .filter(|id| self.has_role(id, role, version))
            .collect()
    }

    /// Returns the competent authority of a department (tong ji zhu guan bu men): the holder of the role at its own
    /// level and area, else at those of its nearest ancestor; never the department itself.
    pub fn authority_of(&self, department: &DepartmentId, version: u64) -> Option<DepartmentId> {
        let mut place = self.department(department, version)?;
        for _ in 0..=self.departments.len() {
            let found = self.departments(version).find(|record| {
                record.id != *department
                    && record.level == place.level
                    && record.area == place.area
                    && self.has_role(&record.id, Role::Authority, version)
            });
            if let Some(record) = found {
                return Some(record.id.clone());
            }
            place = self.department(place.parent.as_ref()?, version)?;
        }
        None
    }

    /// Returns the profile of a department.
    pub fn profile_of(&self, department: &DepartmentId) -> Option<&Profile> {
        self.departments
            .get(department)
            .and_then(|(_, record)| self.profiles.get(&record.profile))
    }

    /// Returns the calendar of a department.
    pub fn calendar_of(&self, department: &DepartmentId) -> Option<&Calendar> {
        self.departments
            .get(department)
            .and_then(|(_, record)| self.calendars.get(&record.calendar))
    }

    /// Returns a calendar by id, for the layers that a calendar stands on.
    pub fn calendar(&self, id: &str) -> Option<&Calendar> {
        self.calendars.get(id)
    }

    /// Checks a signature by an administrator's key; for those who verify outside.
    ///
    /// # Errors
    /// A signature that does not verify strictly.
    pub fn verify_with(key: &VerifyingKey, text: &str, signature: &[u8]) -> Result<(), SignatureError> {
        key.verify(text.as_bytes(), signature)
    }
}
