//! Governance notes: changes of the registry, each naming the one before. Spec: `schemas/spec/governance.md`.
//!
//! The text is the line `tally/governance/v1` and one line of canonical JSON, signed by administrators (m of n).

use crate::error::FormatError;
use crate::event::field::{Field, FieldType, check_object, must};
use crate::genesis::{Administrator, DepartmentRecord, Role, key_of, parse_lines, parsed};
use crate::id::{DepartmentId, FederationId, Hash, NamedHead, OfficerId, Origin, TreeHead};
use crate::json::Json;
use crate::limits::GOVERNANCE_NOTE_BYTES_MAX;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// The first line of a governance text.
pub const GOVERNANCE_MAGIC: &str = "tally/governance/v1";

/// The most changes in one note.
pub const CHANGES_MAX: usize = 64;

/// The least ruleset that can be adopted: a genesis has at least the first.
pub const RULESET_ADOPTED_MIN: u32 = 2;

/// A right that governance gives and takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// To be a department of the federation.
    Membership {
        /// Whose right it is.
        department: DepartmentId,
    },
    /// To act in a role.
    Role {
        /// Whose right it is.
        department: DepartmentId,
        /// The role.
        role: Role,
    },
    /// To administer a department with a key.
    Administrator {
        /// Whose right it is.
        department: DepartmentId,
        /// The officer.
        officer: OfficerId,
        /// The public key.
        key: [u8; 32],
    },
}

impl Right {
    /// Returns the department that holds the right.
    pub fn department(&self) -> &DepartmentId {
        match self {
            Self::Membership { department }
            | Self::Role { department, .. }
            | Self::Administrator { department, .. } => department,
        }
    }

    /// Returns the rights that an admission gives.
    pub fn of_admission(record: &DepartmentRecord) -> Vec<Self> {
        let department = record.id.clone();
        let Administrator { officer, key } = record.administrator.clone();
        let mut rights = vec![
            Self::Membership {
                department: department.clone(),
            },
            Self::Administrator {
                department: department.clone(),
                officer,
                key,
            },
        ];
        rights.extend(record.roles.iter().map(|role| Self::Role {
            department: department.clone(),
            role: *role,
        }));
        rights
    }

    fn to_json(&self) -> Json {
        let text = |value: &str| Json::Text(value.to_owned());
        let mut members = BTreeMap::from([("department".to_owned(), text(self.department().as_str()))]);
        let kind = match self {
            Self::Membership { .. } => "membership",
            Self::Role { role, .. } => {
                members.insert("role".to_owned(), text(role.as_str()));
                "role"
            }
            Self::Administrator { officer, key, .. } => {
                members.insert("officer".to_owned(), text(officer.as_str()));
                members.insert("key".to_owned(), Json::Text(Hash(*key).to_base64()));
                "administrator"
            }
        };
        members.insert("right".to_owned(), text(kind));
        Json::Object(members)
    }

    fn from_json(json: &Json) -> Result<Self, FormatError> {
        let word = |name: &str| json.member(name).and_then(Json::as_text).unwrap_or_default();
        let fields: &[Field] = match word("right") {
            "membership" => &[
                must("right", FieldType::Word(20)),
                must("department", FieldType::Department),
            ],
            "role" => &[
                must("right", FieldType::Word(20)),
                must("department", FieldType::Department),
                must("role", FieldType::Word(20)),
            ],
            "administrator" => &[
                must("right", FieldType::Word(20)),
                must("department", FieldType::Department),
                must("officer", FieldType::Officer),
                must("key", FieldType::Key),
            ],
            _ => {
                return Err(FormatError::field(
                    "right",
                    "right",
                    "expected membership, role or administrator",
                ));
            }
        };
        check_object("right", json, fields)?;
        let department = DepartmentId::parse(word("department"))?;
        match word("right") {
            "membership" => Ok(Self::Membership { department }),
            "role" => {
                let role = Role::parse(word("role"));
                let role = role.ok_or_else(|| FormatError::field("right", "role", "unknown role"))?;
                Ok(Self::Role { department, role })
            }
            _ => Ok(Self::Administrator {
                department,
                officer: OfficerId::parse(word("officer"))?,
                key: key_of(json.member("key"))?,
            }),
        }
    }
}

/// One change of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A department joins.
    DepartmentAdmitted(Box<DepartmentRecord>),
    /// A right is given.
    RightGiven(Right),
    /// A right ends for every entry of the holder's log from a position on.
    RightTaken {
        /// The right.
        right: Right,
        /// The holder's log and its head: entries at `size` and beyond no longer have the right.
        at: NamedHead,
    },
    /// A newer ruleset is in force for cases that are opened from now on.
    RulesetAdopted(u32),
}

/// A governance note's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Governance {
    /// The federation.
    pub federation: FederationId,
    /// The version that this note makes: that of the one before plus one; the genesis is version 0.
    pub version: u64,
    /// The hash of the note before, or of the genesis.
    pub previous: Hash,
    /// When it was issued.
    pub issued: Timestamp,
    /// The changes, applied in order.
    pub changes: Vec<Change>,
}

const MEMBERS: &[&str] = &["changes", "federation", "issued", "previous", "version"];

impl Governance {
    /// Parses the text; accepts exactly what [`Governance::to_text`] gives.
    ///
    /// # Errors
    /// Every other text, with the member at fault.
    pub fn parse_text(text: &str) -> Result<Self, FormatError> {
        let bad = |field: &str, why: &str| FormatError::field("governance", field, why);
        FormatError::at_most("governance note", text.len(), GOVERNANCE_NOTE_BYTES_MAX)?;
        let json = parse_lines("governance", GOVERNANCE_MAGIC, text)?;
        let members = json
            .as_object()
            .ok_or_else(|| FormatError::malformed("governance", "expected an object"))?;
        if let Some(name) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(bad(
                name,
                "unknown field; known are changes, federation, issued, previous, version",
            ));
        }
        let list = json.member("changes").and_then(Json::as_array).unwrap_or(&[]);
        if list.is_empty() || list.len() > CHANGES_MAX {
            return Err(bad("changes", "expected 1 to 64"));
        }
        let version = json
            .member("version")
            .and_then(Json::as_int)
            .and_then(|value| u64::try_from(value).ok());
        let governance = Self {
            federation: parsed("governance", &json, "federation", FederationId::parse)?,
            version: version
                .filter(|value| *value > 0)
                .ok_or_else(|| bad("version", "expected 1 or more"))?,
            previous: parsed("governance", &json, "previous", Hash::parse_hex)?,
            issued: parsed("governance", &json, "issued", Timestamp::parse)?,
            changes: list.iter().map(parse_change).collect::<Result<_, _>>()?,
        };
        if governance.to_text() == text {
            Ok(governance)
        } else {
            Err(FormatError::not_canonical(
                "governance",
                "differs from its one form",
            ))
        }
    }

    /// Returns the text that administrators sign.
    pub fn to_text(&self) -> String {
        let json = Json::Object(BTreeMap::from([
            ("federation".to_owned(), Json::Text(self.federation.to_string())),
            (
                "version".to_owned(),
                Json::Int(i64::try_from(self.version).unwrap_or(i64::MAX)),
            ),
            ("previous".to_owned(), Json::Text(self.previous.to_hex())),
            ("issued".to_owned(), Json::Text(self.issued.to_string())),
            (
                "changes".to_owned(),
                Json::Array(self.changes.iter().map(change_json).collect()),
            ),
        ]));
        format!("{GOVERNANCE_MAGIC}\n{}\n", json.to_canonical())
    }
}

fn change_json(change: &Change) -> Json {
    let mut members = BTreeMap::new();
    let kind = match change {
        Change::DepartmentAdmitted(record) => {
            members.insert("department".to_owned(), record.to_json());
            "department.admitted"
        }
        Change::RightGiven(right) => {
            members.insert("right".to_owned(), right.to_json());
            "right.given"
        }
        Change::RightTaken { right, at } => {
            members.insert("right".to_owned(), right.to_json());
            members.insert("origin".to_owned(), Json::Text(at.origin.to_string()));
            members.insert(
                "size".to_owned(),
                Json::Int(i64::try_from(at.head.size).unwrap_or(i64::MAX)),
            );
            members.insert("root".to_owned(), Json::Text(at.head.root.to_hex()));
            "right.taken"
        }
        Change::RulesetAdopted(ruleset) => {
            members.insert("ruleset".to_owned(), Json::Int(i64::from(*ruleset)));
            "ruleset.adopted"
        }
    };
    members.insert("change".to_owned(), Json::Text(kind.to_owned()));
    Json::Object(members)
}

fn parse_change(json: &Json) -> Result<Change, FormatError> {
    let bad = |field: &str, why: &str| FormatError::field("change", field, why);
    let word = |name: &str| json.member(name).and_then(Json::as_text).unwrap_or_default();
    let object = |name: &str| json.member(name).ok_or_else(|| bad(name, "is missing"));
    let count = json.as_object().map_or(0, BTreeMap::len);
    let exactly = |expected: usize| {
        if count == expected {
            Ok(())
        } else {
            Err(bad("change", "has unknown or missing members"))
        }
    };
    match word("change") {
        "department.admitted" => {
            exactly(2)?;
            Ok(Change::DepartmentAdmitted(Box::new(DepartmentRecord::from_json(
                object("department")?,
            )?)))
        }
        "right.given" => {
            exactly(2)?;
            Ok(Change::RightGiven(Right::from_json(object("right")?)?))
        }
        "right.taken" => {
            exactly(5)?;
            let right = Right::from_json(object("right")?)?;
            let size = json
                .member("size")
                .and_then(Json::as_int)
                .and_then(|value| u64::try_from(value).ok());
            let head = TreeHead {
                size: size.ok_or_else(|| bad("size", "expected a whole number"))?,
                root: parsed("change", json, "root", Hash::parse_hex)?,
            };
            let origin = parsed("change", json, "origin", Origin::parse)?;
            if origin.department != *right.department() {
                return Err(bad(
                    "origin",
                    "is not the log of the department that holds the right",
                ));
            }
            Ok(Change::RightTaken {
                right,
                at: NamedHead { origin, head },
            })
        }
        "ruleset.adopted" => {
            exactly(2)?;
            let ruleset = json
                .member("ruleset")
                .and_then(Json::as_int)
                .and_then(|value| u32::try_from(value).ok())
                .filter(|ruleset| *ruleset >= RULESET_ADOPTED_MIN);
            let ruleset =
                ruleset.ok_or_else(|| bad("ruleset", "expected a whole number from 2 to 4294967295"))?;
            Ok(Change::RulesetAdopted(ruleset))
        }
        _ => Err(bad(
            "change",
            "expected department.admitted, right.given, right.taken or ruleset.adopted",
        )),
    }
}
