//! Pieces that events are made of: detachable text, attachments, signers, references.

use super::field::TEXT_BYTES_MAX;
use crate::error::FormatError;
use crate::id::{Hash, OfficerId, PostId};
use crate::json::Json;
use crate::limits::PART_BYTES_MAX;
use std::collections::BTreeMap;

/// A free text: inline, or only a commitment to content that rests beside the log and can be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// The text itself, for ever in the log.
    Inline(String),
    /// A salted commitment to the text.
    Detached(Commitment),
}

/// A commitment to detached content: SHA-256 of a domain tag, a 32-byte salt and the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// The hash.
    pub commit: Hash,
    /// The length of the content in bytes.
    pub length: u64,
    /// The media type of the content, such as `text/plain` or `application/pdf`.
    pub media_type: String,
}

impl Commitment {
    fn from_members(members: &BTreeMap<String, Json>, also: &[&str]) -> Result<Self, FormatError> {
        let bad = |field: &str, why: &str| FormatError::field("commitment", field, why);
        for name in members.keys() {
            if !["commit", "length", "mediaType"].contains(&name.as_str()) && !also.contains(&name.as_str()) {
                return Err(bad(name, "unknown field; known are commit, length, mediaType"));
            }
        }
        let word = |name: &str| {
            members
                .get(name)
                .and_then(Json::as_text)
                .ok_or_else(|| bad(name, "is missing or no string"))
        };
        let length = members
            .get("length")
            .and_then(Json::as_int)
            .and_then(|value| u64::try_from(value).ok())
            .ok_or_else(|| bad("length", "is missing or no whole number"))?;
        if length > PART_BYTES_MAX {
            return Err(FormatError::TooLong {
                what: "detached content",
                got: length,
                limit: PART_BYTES_MAX,
            });
        }
        let media_type = word("mediaType")?;
        let plain = (3..=100).contains(&media_type.len())
            && media_type.contains('/')
            && media_type
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'+' | b'.'));
        if !plain {
            return Err(bad(
                "mediaType",
                "expected a lower-case media type such as text/plain",
            ));
        }
        Ok(Self {
            commit: Hash::parse_hex(word("commit")?)?,
            length,
            media_type: media_type.to_owned(),
        })
    }

    fn members(&self) -> BTreeMap<String, Json> {
        BTreeMap::from([
            ("commit".to_owned(), Json::Text(self.commit.to_hex())),
            (
                "length".to_owned(),
                Json::Int(i64::try_from(self.length).unwrap_or(i64::MAX)),
            ),
            ("mediaType".to_owned(), Json::Text(self.media_type.clone())),
        ])
    }
}

impl Text {
    /// Reads a string (inline) or a commitment object (detached).
    ///
    /// # Errors
    /// Any other value, an empty or too long text.
    pub fn from_json(json: &Json) -> Result<Self, FormatError> {
        match json {
            Json::Text(text) if text.is_empty() => Err(FormatError::malformed("text", "is empty")),
            Json::Text(text) if text.len() > TEXT_BYTES_MAX => Err(FormatError::TooLong {
                what: "inline text",
                got: text.len() as u64,
                limit: TEXT_BYTES_MAX as u64,
            }),
            Json::Text(text) => Ok(Self::Inline(text.clone())),
            Json::Object(members) => Ok(Self::Detached(Commitment::from_members(members, &[])?)),
            _ => Err(FormatError::malformed(
                "text",
                "expected a string or a commitment object",
            )),
        }
    }

    /// Returns the JSON form.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Inline(text) => Json::Text(text.clone()),
            Self::Detached(commitment) => Json::Object(commitment.members()),
        }
    }
}

/// A file that belongs to an event: always a commitment, with a name for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The commitment.
    pub content: Commitment,
    /// A name without personal data, 1 to 120 characters.
    pub name: String,
}

impl Attachment {
    /// Reads the object form.
    ///
    /// # Errors
    /// A missing, unknown or ill-formed member.
    pub fn from_json(json: &Json) -> Result<Self, FormatError> {
        let members = json
            .as_object()
            .ok_or_else(|| FormatError::malformed("attachment", "expected an object"))?;
        let name = members.get("name").and_then(Json::as_text).unwrap_or_default();
        if !(1..=120).contains(&name.chars().count()) {
            return Err(FormatError::field(
                "attachment",
                "name",
                "expected 1 to 120 characters",
            ));
        }
        Ok(Self {
            content: Commitment::from_members(members, &["name"])?,
            name: name.to_owned(),
        })
    }

    /// Returns the JSON form.
    pub fn to_json(&self) -> Json {
        let mut members = self.content.members();
        members.insert("name".to_owned(), Json::Text(self.name.clone()));
        Json::Object(members)
    }
}

/// In which role a signer signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignerRole {
    /// The officer who answers for the text of the act.
    Drafter,
    /// The holder of the post whose consent the act needs.
    Approver,
    /// The administrator of a department, for its roster.
    Administrator,
}

impl SignerRole {
    /// Returns the text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drafter => "drafter",
            Self::Approver => "approver",
            Self::Administrator => "administrator",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Drafter, Self::Approver, Self::Administrator]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

/// One who signs: the drafter names officer and post; the approver only the post, since whoever holds it then may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The roles, rising, without repeats: one, or drafter and approver together.
    pub roles: Vec<SignerRole>,
    /// The post signed from.
    pub post: PostId,
    /// The officer; required for a drafter and an administrator, absent for an approver alone.
    pub officer: Option<OfficerId>,
}

impl Signer {
    /// Says whether the signer signs in a role.
    pub fn is(&self, role: SignerRole) -> bool {
        self.roles.contains(&role)
    }

    /// Reads the object form.
    ///
    /// # Errors
    /// A missing, unknown or ill-formed member; a drafter without officer; an approver with one.
    pub fn from_json(json: &Json) -> Result<Self, FormatError> {
        let bad = |field: &str, why: &str| FormatError::field("signer", field, why);
        let members = json
            .as_object()
            .ok_or_else(|| FormatError::malformed("signer", "expected an object"))?;
        if let Some(name) = members
            .keys()
            .find(|name| !["officer", "post", "roles"].contains(&name.as_str()))
        {
            return Err(bad(name, "unknown field; known are officer, post, roles"));
        }
        let mut roles = Vec::new();
        for value in members.get("roles").and_then(Json::as_array).unwrap_or(&[]) {
            let role = value.as_text().and_then(SignerRole::parse);
            roles.push(role.ok_or_else(|| bad("roles", "expected drafter, approver or administrator"))?);
        }
        let fits = matches!(
            roles.as_slice(),
            [_] | [SignerRole::Drafter, SignerRole::Approver]
        );
        if !fits {
            return Err(bad("roles", "expected one role, or drafter then approver"));
        }
        let post = members
            .get("post")
            .and_then(Json::as_text)
            .ok_or_else(|| bad("post", "is missing"))?;
        let officer = match members.get("officer") {
            Some(value) => Some(OfficerId::parse(
                value
                    .as_text()
                    .ok_or_else(|| bad("officer", "expected a string"))?,
            )?),
            None => None,
        };
        if officer.is_none() != (roles == [SignerRole::Approver]) {
            return Err(bad(
                "officer",
                "is given for a drafter or administrator, and absent for an approver alone",
            ));
        }
        Ok(Self {
            roles,
            post: PostId::parse(post)?,
            officer,
        })
    }

    /// Returns the JSON form.
    pub fn to_json(&self) -> Json {
        let mut members = BTreeMap::from([
            ("post".to_owned(), Json::Text(self.post.to_string())),
            (
                "roles".to_owned(),
                Json::Array(
                    self.roles
                        .iter()
                        .map(|role| Json::Text(role.as_str().to_owned()))
                        .collect(),
                ),
            ),
        ]);
        if let Some(officer) = &self.officer {
            members.insert("officer".to_owned(), Json::Text(officer.to_string()));
        }
        Json::Object(members)
    }
}

/// A provision that an act rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegalBasis {
    /// The act, such as a title or number.
    pub act: String,
    /// The article.
    pub article: String,
}

/// A number in another system that the act mirrors (Order 809 Art. 32).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalRef {
    /// The other system.
    pub system: String,
    /// The number there.
    pub number: String,
}

/// One of several items in one letter: each part is a case of its own with its own clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paper {
    /// The bundle that all parts share.
    pub id: Hash,
    /// This part, from 1.
    pub part: u16,
    /// How many parts.
    pub of: u16,
}

/// Where the act came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The officer's own act, made by signing.
    Own,
    /// An act on paper, recorded by the officer; may be defective.
    Paper,
    /// An act taken over from another system; may be defective.
    Import,
}

impl Source {
    /// Returns the text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Paper => "paper",
            Self::Import => "import",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Own, Self::Paper, Self::Import]
            .into_iter()
            .find(|source| source.as_str() == text)
    }
}
