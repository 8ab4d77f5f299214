//! From a form to the text that is signed, with the parts that stay beside the log.

use super::form::{Form, Head, NOBODY};
use std::io;
use tally_ledger::crypto::{commitment, event_id};
use tally_schemas::FormatError;
use tally_schemas::event::{CaseKind, Commitment, Event, FieldType, SignerRole, Text};
use tally_schemas::id::{CaseId, DepartmentId, EventId, FederationId, Hash, OfficerId, PostId};
use tally_schemas::json::Json;
use tally_schemas::limits::PART_BYTES_MAX;
use tally_schemas::time::Timestamp;

/// The post under which administrators sign roster events.
pub const ADMINISTRATOR_POST: &str = "administrator";

/// The word for "I approve my own draft", where the profile lets one officer do both.
pub const APPROVER_SELF: &str = "self";

/// Who drafts, and what the officer had before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The federation.
    pub federation: FederationId,
    /// The department whose act it is.
    pub department: DepartmentId,
    /// The officer.
    pub officer: OfficerId,
    /// The post signed from, where the form names none.
    pub post: Option<PostId>,
    /// The case, already looked up.
    pub case: Option<CaseId>,
    /// The events of the case that were seen.
    pub after: Vec<EventId>,
    /// The time of signing.
    pub issued: Timestamp,
}

/// Content that stays beside the log, with the salt of its commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// What the event names.
    pub commitment: Commitment,
    /// The salt.
    pub salt: [u8; 32],
    /// The content.
    pub content: Vec<u8>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Part({}, content not shown)", self.commitment.commit)
    }
}

/// An act ready to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// The event.
    pub event: Event,
    /// The text to sign.
    pub text: String,
    /// Its id.
    pub id: EventId,
    /// Its detached parts.
    pub parts: Vec<Part>,
}

/// Why a form does not make an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// Required fields are not filled in.
    #[error("required fields are not filled in: {}", fields.join(", "))]
    Missing {
        /// Their names.
        fields: Vec<&'static str>,
    },
    /// A member of the head is needed and not given.
    #[error("{member} is not given")]
    MissingHead {
        /// The member.
        member: &'static str,
    },
    /// A member of the head does not fit.
    #[error("{member} has the value {got:?}, which does not fit")]
    Head {
        /// The member.
        member: &'static str,
        /// What was written.
        got: String,
    },
    /// Only free texts can be detached.
    #[error("field {field} is no free text and cannot be detached")]
    Detach {
        /// The field.
        field: String,
    },
    /// A file could not be read.
    #[error("attachment {path} could not be read")]
    Attachment {
        /// The file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// A file or text is longer than parts may be.
    #[error("{what} is {got} bytes, the limit is {PART_BYTES_MAX}")]
    Long {
        /// What is too long.
        what: String,
        /// Its length.
        got: usize,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
    /// The whole does not fit the format of events.
    #[error("the act does not fit the format of events")]
    Format(#[from] FormatError),
}

/// What assembling takes from outside.
pub trait Surroundings {
    /// Reads an attachment.
    ///
    /// # Errors
    /// A file that cannot be read.
    fn read_file(&mut self, path: &str) -> io::Result<Vec<u8>>;

    /// Fills random bytes: nonce and salts.
    ///
    /// # Errors
    /// A system without random source.
    fn random(&mut self, bytes: &mut [u8]) -> Result<(), AssembleError>;
}

/// The file system and random source of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine;

impl Surroundings for Machine {
    fn read_file(&mut self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn random(&mut self, bytes: &mut [u8]) -> Result<(), AssembleError> {
        getrandom::fill(bytes).map_err(|_| AssembleError::Random)
    }
}

/// Makes the event of a form. A narrow audience detaches every free text.
///
/// # Errors
/// What is missing or does not fit, named as in the form.
pub fn assemble(form: &Form, author: &Author, around: &mut dyn Surroundings) -> Result<Act, AssembleError> {
    let missing = form.missing();
    if !missing.is_empty() {
        return Err(AssembleError::Missing {
            fields: missing.iter().map(|field| field.name).collect(),
        });
    }
    let head = &form.head;
    let addressed = if head.to.iter().any(|text| text == NOBODY) {
        &[][..]
    } else {
        &head.to
    };
    let to = departments("to", addressed)?;
    let audience = audience(head, &author.department, &to)?;
    let mut parts = Vec::new();
    let mut body = form.body.clone();
    for name in &head.detach {
        let field = form.kind.fields().iter().find(|field| field.name == name);
        if field.is_none_or(|field| field.kind != FieldType::Text) {
            return Err(AssembleError::Detach { field: name.clone() });
        }
    }
    for field in form.kind.fields() {
        let wanted = audience.is_some() || head.detach.iter().any(|name| name == field.name);
        let Some(value) = body
            .get_mut(field.name)
            .filter(|_| wanted && field.kind == FieldType::Text)
        else {
            continue;
        };
        if let Json::Text(text) = value {
            let part = seal(field.name, text.clone().into_bytes(), "text/plain", around)?;
            *value = Text::Detached(part.commitment.clone()).to_json();
            parts.push(part);
        }
    }
    let mut attachments = Vec::new();
    for written in &head.attach {
        let (path, name) = attachment_name(written);
        let content = around
            .read_file(path)
            .map_err(|source| AssembleError::Attachment {
                path: path.to_owned(),
                source,
            })?;
        let part = seal(path, content, media_type(path), around)?;
        attachments.push(
            tally_schemas::event::Attachment {
                content: part.commitment.clone(),
                name: name.to_owned(),
            }
            .to_json(),
        );
        parts.push(part);
    }
    let mut nonce = [0u8; 16];
    around.random(&mut nonce)?;

    let mut members: Vec<(&'static str, Json)> = vec![
        ("federation", text(&author.federation)),
        ("department", text(&author.department)),
        ("kind", text(&form.kind.as_str())),
        ("issued", text(&author.issued)),
        (
            "nonce",
            Json::Text(nonce.iter().map(|byte| format!("{byte:02x}")).collect()),
        ),
        ("source", text(&head.source.as_deref().unwrap_or("own"))),
        ("signers", signers(form, author)?),
        ("body", Json::Object(body)),
        (
            "audience",
            match &audience {
                Some(list) => ids(list),
                None => Json::Text("all".to_owned()),
            },
        ),
    ];
    if !to.is_empty() {
        members.push(("to", ids(&to)));
    }
    let mut after = author.after.clone();
    after.sort();
    after.dedup();
    after.truncate(tally_schemas::limits::AFTER_MAX);
    if !after.is_empty() {
        members.push(("after", Json::Array(after.iter().map(|id| text(id)).collect())));
    }
    if let Some(case) = &author.case {
        members.push(("case", text(case)));
    }
    if !attachments.is_empty() {
        members.push(("attachments", Json::Array(attachments)));
    }
    optional_members(head, &mut members)?;
    let event = Event::from_json(&Json::object(members))?;
    let text = event.to_text();
    let event = Event::parse_text(&text)?;
    let id = event_id(&text);
    Ok(Act {
        event,
        text,
        id,
        parts,
    })
}

fn optional_members(head: &Head, members: &mut Vec<(&'static str, Json)>) -> Result<(), AssembleError> {
    if let Some(date) = &head.effective {
        members.push(("effective", Json::Text(date.clone())));
    }
    if let Some(number) = &head.doc_no {
        members.push(("docNo", Json::Text(number.clone())));
    }
    for (member, name, value) in [
        ("mandate", "mandate", &head.mandate),
        ("corrects", "corrects", &head.corrects),
    ] {
        if let Some(written) = value {
            Hash::parse_hex(written).map_err(|_| AssembleError::Head {
                member,
                got: written.clone(),
            })?;
            members.push((name, Json::Text(written.clone())));
        }
    }
    if let Some(written) = &head.external_ref {
        let (system, number) = pair("external_ref", written)?;
        members.push((
            "externalRef",
            Json::object([("number", Json::Text(number)), ("system", Json::Text(system))]),
        ));
    }
    if !head.legal_basis.is_empty() {
        let mut list = Vec::new();
        for written in &head.legal_basis {
            let (act, article) = pair("legal_basis", written)?;
            list.push(Json::object([
                ("act", Json::Text(act)),
                ("article", Json::Text(article)),
            ]));
        }
        members.push(("legalBasis", Json::Array(list)));
    }
    Ok(())
}

fn text(value: &dyn ToString) -> Json {
    Json::Text(value.to_string())
}

fn ids(list: &[DepartmentId]) -> Json {
    Json::Array(list.iter().map(|department| text(department)).collect())
}

fn departments(member: &'static str, written: &[String]) -> Result<Vec<DepartmentId>, AssembleError> {
    let mut list = Vec::new();
    for id in written.iter().flat_map(|text| text.split([',', '\u{ff0c}'])) {
        list.push(DepartmentId::parse(id.trim()).map_err(|_| AssembleError::Head {
            member,
            got: id.to_owned(),
        })?);
    }
    list.sort();
    list.dedup();
    Ok(list)
}

/// None means all; else the departments named, the author's and those addressed.
fn audience(
    head: &Head,
    own: &DepartmentId,
    to: &[DepartmentId],
) -> Result<Option<Vec<DepartmentId>>, AssembleError> {
    if head.audience.is_empty() || head.audience.iter().any(|text| text == "all") {
        return Ok(None);
    }
    let mut list = departments("audience", &head.audience)?;
    list.extend(to.iter().cloned());
    list.push(own.clone());
    list.sort();
    list.dedup();
    Ok(Some(list))
}

fn signers(form: &Form, author: &Author) -> Result<Json, AssembleError> {
    let post = |member: &'static str, written: &str| {
        PostId::parse(written).map_err(|_| AssembleError::Head {
            member,
            got: written.to_owned(),
        })
    };
    let signer = |roles: Vec<SignerRole>, post: PostId, officer: bool| {
        tally_schemas::event::Signer {
            roles,
            post,
            officer: officer.then(|| author.officer.clone()),
        }
        .to_json()
    };
    if form.kind.case_kind() == CaseKind::Roster {
        let post = post("post", ADMINISTRATOR_POST)?;
        return Ok(Json::Array(vec![signer(
            vec![SignerRole::Administrator],
            post,
            true,
        )]));
    }
    let own = match (&form.head.post, &author.post) {
        (Some(written), _) => post("post", written)?,
        (None, Some(known)) => known.clone(),
        (None, None) => return Err(AssembleError::MissingHead { member: "post" }),
    };
    let list = match form.head.approver.as_deref() {
        None => vec![signer(vec![SignerRole::Drafter], own, true)],
        Some(APPROVER_SELF) => vec![signer(vec![SignerRole::Drafter, SignerRole::Approver], own, true)],
        Some(written) => vec![
            signer(vec![SignerRole::Drafter], own, true),
            signer(vec![SignerRole::Approver], post("approver", written)?, false),
        ],
    };
    Ok(Json::Array(list))
}

fn seal(
    what: &str,
    content: Vec<u8>,
    media_type: &str,
    around: &mut dyn Surroundings,
) -> Result<Part, AssembleError> {
    let length = content.len() as u64;
    if length > PART_BYTES_MAX {
        return Err(AssembleError::Long {
            what: what.to_owned(),
            got: content.len(),
        });
    }
    let mut salt = [0u8; 32];
    around.random(&mut salt)?;
    Ok(Part {
        commitment: Commitment {
            commit: commitment(&salt, &content),
            length,
            media_type: media_type.to_owned(),
        },
        salt,
        content,
    })
}

fn pair(member: &'static str, written: &str) -> Result<(String, String), AssembleError> {
    let parts = written.rsplit_once([':', '\u{ff1a}']);
    match parts.map(|(first, second)| (first.trim(), second.trim())) {
        Some((first, second)) if !first.is_empty() && !second.is_empty() => {
            Ok((first.to_owned(), second.to_owned()))
        }
        _ => Err(AssembleError::Head {
            member,
            got: written.to_owned(),
        }),
    }
}

fn attachment_name(written: &str) -> (&str, &str) {
    match written.rsplit_once(':') {
        Some((path, name)) if !path.is_empty() && !name.trim().is_empty() => (path, name.trim()),
        _ => (written, written.rsplit(['/', '\\']).next().unwrap_or(written)),
    }
}

fn media_type(path: &str) -> &'static str {
    let end = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match end.as_str() {
        "txt" | "md" => "text/plain",
        "csv" => "text/csv",
        "pdf" => "application/pdf",
        "ofd" => "application/ofd",
        "json" => "application/json",
        "xml" => "application/xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "zip" => "application/zip",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use tally_schemas::event::{Audience, EventKind};

    struct Fixed(u8);

    impl Surroundings for Fixed {
        fn read_file(&mut self, path: &str) -> io::Result<Vec<u8>> {
            match path {
                "scan.pdf" => Ok(b"%PDF".to_vec()),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }

        fn random(&mut self, bytes: &mut [u8]) -> Result<(), AssembleError> {
            self.0 += 1;
            bytes.fill(self.0);
            Ok(())
        }
    }

    fn author() -> Author {
        Author {
            federation: FederationId::parse("trial-0123456789abcdef").unwrap(),
            department: DepartmentId::parse("tax").unwrap(),
            officer: OfficerId::parse("t-01").unwrap(),
            post: Some(PostId::parse("clerk").unwrap()),
            case: Some(EventId(Hash([9; 32]))),
            after: vec![
                EventId(Hash([9; 32])),
                EventId(Hash([4; 32])),
                EventId(Hash([9; 32])),
            ],
            issued: Timestamp::parse("2026-01-05T01:02:03.004Z").unwrap(),
        }
    }

    fn refusal() -> Form {
        let mut form = Form::new(EventKind::RequestRefused);
        for (name, text) in [
            ("items", "1-2"),
            ("ground", "LAW_PROHIBITS"),
            ("citation", "Tax Act 8"),
            ("reason", "taxpayer secrecy"),
        ] {
            form.set(name, text).unwrap();
        }
        form.head.approver = Some("sharing-head".to_owned());
        form.head.to = vec!["housing".to_owned(), "civil".to_owned(), "housing".to_owned()];
        form.head.legal_basis = vec!["Order 809:14(3)".to_owned()];
        form
    }

    #[test]
    fn makes_the_text_that_is_signed() {
        let act = assemble(&refusal(), &author(), &mut Fixed(0)).unwrap();
        assert_eq!(act.id, event_id(&act.text));
        assert_eq!(act.parts, []);
        insta::assert_snapshot!("refusal_text", act.text);
    }

    #[test]
    fn a_narrow_audience_detaches_every_free_text_and_holds_those_addressed() {
        let mut form = refusal();
        form.head.audience = vec!["audit".to_owned()];
        let act = assemble(&form, &author(), &mut Fixed(0)).unwrap();
        assert!(!act.text.contains("taxpayer secrecy"));
        let audience: Vec<DepartmentId> = ["audit", "civil", "housing", "tax"]
            .map(|id| DepartmentId::parse(id).unwrap())
            .to_vec();
        assert_eq!(act.event.audience, Audience::Only(audience));
        let part = act.parts.first().unwrap();
        assert_eq!(part.content, b"taxpayer secrecy");
        assert_eq!(part.commitment.commit, commitment(&part.salt, &part.content));
        assert_eq!(act.event.commitments(), std::slice::from_ref(&part.commitment));
    }

    #[test]
    fn a_text_is_detached_by_name_and_a_word_cannot_be() {
        let mut form = refusal();
        form.head.detach = vec!["reason".to_owned()];
        let act = assemble(&form, &author(), &mut Fixed(0)).unwrap();
        assert_matches!(act.event.body.text("reason"), Some(Text::Detached(_)));
        form.head.detach = vec!["citation".to_owned()];
        assert_matches!(
            assemble(&form, &author(), &mut Fixed(0)),
            Err(AssembleError::Detach { field }) if field == "citation"
        );
    }

    #[test]
    fn attachments_are_commitments_with_a_name_for_people() {
        let mut form = refusal();
        form.head.attach = vec!["scan.pdf:letter of refusal".to_owned()];
        let act = assemble(&form, &author(), &mut Fixed(0)).unwrap();
        let file = act.event.attachments.first().unwrap();
        assert_eq!(file.name, "letter of refusal");
        assert_eq!(file.content.media_type, "application/pdf");
        assert_eq!(act.parts.first().unwrap().content, b"%PDF");
        form.head.attach = vec!["gone.pdf".to_owned()];
        assert_matches!(
            assemble(&form, &author(), &mut Fixed(0)),
            Err(AssembleError::Attachment { .. })
        );
    }

    #[test]
    fn what_is_missing_is_named_all_at_once() {
        let mut form = refusal();
        form.body.remove("ground");
        form.body.remove("reason");
        assert_matches!(
            assemble(&form, &author(), &mut Fixed(0)),
            Err(AssembleError::Missing { fields }) if fields == ["ground", "reason"]
        );
        let mut nobody = author();
        nobody.post = None;
        assert_matches!(
            assemble(&refusal(), &nobody, &mut Fixed(0)),
            Err(AssembleError::MissingHead { member: "post" })
        );
    }

    #[test]
    fn one_officer_signs_once_in_both_roles() {
        let mut form = refusal();
        form.head.approver = Some(APPROVER_SELF.to_owned());
        let act = assemble(&form, &author(), &mut Fixed(0)).unwrap();
        assert_eq!(act.event.signers.len(), 1);
        let signer = act.event.signers.first().unwrap();
        assert!(signer.is(SignerRole::Drafter) && signer.is(SignerRole::Approver));
    }
}
