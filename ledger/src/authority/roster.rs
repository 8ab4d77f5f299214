//! The roster of a department: officers, posts with terms, acting and delegated powers, folded in log order.
//!
//! Judged at an entry's position in the same log; terms are compared with the recorded time. Roster events are signed by
//! the department's administrator, whose right stands in the registry.

use super::Void;
use crate::crypto::{PublicKey, VerifyingKey};
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_schemas::event::{Event, EventKind};
use tally_schemas::genesis::Role;
use tally_schemas::governance::Right;
use tally_schemas::id::{DepartmentId, EventId, Hash, OfficerId, Origin, PostId};
use tally_schemas::json::Json;
use tally_schemas::time::Date;

/// A post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// What it may do: codes of `tally_schemas::event::roster::DUTIES`.
    pub duties: Vec<String>,
    /// The English name.
    pub name_en: String,
    /// The Chinese name.
    pub name_zh: String,
}

/// An officer's hold on a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The officer.
    pub officer: OfficerId,
    /// The post.
    pub post: PostId,
    /// The first day.
    pub from: Date,
    /// The last day, if one is set.
    pub to: Option<Date>,
    /// Whether the officer only acts in it.
    pub acting: bool,
    /// The single duty that is delegated; none means the whole post.
    pub duty: Option<String>,
}

impl Term {
    fn covers(&self, day: Date) -> bool {
        self.from <= day && self.to.is_none_or(|to| day <= to)
    }
}

/// An enrolled officer.
#[derive(Debug, Clone)]
pub struct Officer {
    /// The key in force; none after a revocation without replacement.
    pub key: Option<VerifyingKey>,
}

/// The state of a roster at a position.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// The posts, by id.
    pub posts: BTreeMap<PostId, Post>,
    /// The officers, by id.
    pub officers: BTreeMap<OfficerId, Officer>,
    /// The terms, in the order of their appointment.
    pub terms: Vec<Term>,
}

/// Why a roster event has no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RosterError {
    /// The post exists already.
    #[error("post {0} exists already")]
    PostExists(PostId),
    /// The post does not exist.
    #[error("post {0} does not exist; create it with roster.post-created")]
    NoPost(PostId),
    /// The officer is enrolled already.
    #[error("officer {0} is enrolled already; replace a key with roster.key-revoked")]
    Enrolled(OfficerId),
    /// The officer is not enrolled.
    #[error("officer {0} is not enrolled")]
    NotEnrolled(OfficerId),
    /// The key is not admissible.
    #[error("key of officer {0} is not admissible: {1}")]
    Key(OfficerId, String),
    /// A field that the kind demands cannot be read.
    #[error("field {0} cannot be read")]
    Field(&'static str),
    /// The officer does not hold the post.
    #[error("officer {0} does not hold post {1}")]
    NotHeld(OfficerId, PostId),
}

impl Roster {
    /// Applies a roster event.
    ///
    /// # Errors
    /// An event that does not fit the roster; nothing is changed then.
    pub fn apply(&mut self, kind: EventKind, event: &Event) -> Result<(), RosterError> {
        let body = &event.body;
        let officer = || {
            let text = body.word("officer").ok_or(RosterError::Field("officer"))?;
            OfficerId::parse(text).map_err(|_| RosterError::Field("officer"))
        };
        let post = || {
            let text = body.word("post").ok_or(RosterError::Field("post"))?;
            PostId::parse(text).map_err(|_| RosterError::Field("post"))
        };
        let date = |name: &'static str| body.date(name).ok_or(RosterError::Field(name));
        let key = |name: &'static str, officer: &OfficerId| {
            let bytes = Hash::parse_base64(body.word(name).unwrap_or_default())
                .map_err(|_| RosterError::Field(name))?;
            let key = PublicKey::admit(&bytes.0)
                .map_err(|error| RosterError::Key(officer.clone(), error.to_string()))?;
            Ok(VerifyingKey::new(&key))
        };
        match kind {
            EventKind::RosterPostCreated => {
                let post = post()?;
                if self.posts.contains_key(&post) {
                    return Err(RosterError::PostExists(post));
                }
                let duties = body
                    .list("duties")
                    .iter()
                    .filter_map(Json::as_text)
                    .map(str::to_owned)
                    .collect();
                let name = |field: &str| body.word(field).unwrap_or_default().to_owned();
                self.posts.insert(
                    post,
                    Post {
                        duties,
                        name_en: name("nameEn"),
                        name_zh: name("nameZh"),
                    },
                );
            }
            EventKind::RosterEnrolled => {
                let officer = officer()?;
                if self.officers.contains_key(&officer) {
                    return Err(RosterError::Enrolled(officer));
                }
                let key = key("key", &officer)?;
                self.officers.insert(officer, Officer { key: Some(key) });
            }
            EventKind::RosterAppointed | EventKind::RosterDelegated => {
                let (officer, post) = (officer()?, post()?);
                if !self.officers.contains_key(&officer) {
                    return Err(RosterError::NotEnrolled(officer));
                }
                if !self.posts.contains_key(&post) {
                    return Err(RosterError::NoPost(post));
                }
                self.terms.push(Term {
                    officer,
                    post,
                    from: date("from")?,
                    to: body.date("to"),
                    acting: body.flag("acting"),
                    duty: body.word("duty").map(str::to_owned),
                });
            }
            EventKind::RosterRelieved => {
                let (officer, post, on) = (officer()?, post()?, date("on")?);
                let last = on.plus_days(-1);
                let mut held = false;
                for term in self
                    .terms
                    .iter_mut()
                    .filter(|term| term.officer == officer && term.post == post)
                {
                    if term.to.is_none_or(|to| to > last) {
                        term.to = Some(last);
                        held = true;
                    }
                }
                if !held {
                    return Err(RosterError::NotHeld(officer, post));
                }
            }
            EventKind::RosterKeyRevoked => {
                let officer = officer()?;
                let replacement = match body.word("replacement") {
                    Some(_) => Some(key("replacement", &officer)?),
                    None => None,
                };
                let entry = self.officers.get_mut(&officer);
                entry.ok_or(RosterError::NotEnrolled(officer))?.key = replacement;
            }
            // Only roster kinds are handed in; every other kind belongs to a case.
            _ => return Err(RosterError::Field("kind")),
        }
        Ok(())
    }

    /// Says whether an officer may sign from a post on a day: by term, acting or by delegation of some duty.
    pub fn holds(&self, officer: &OfficerId, post: &PostId, day: Date) -> bool {
        self.terms
            .iter()
            .any(|term| term.officer == *officer && term.post == *post && term.covers(day))
    }

    /// Says whether an officer signing from a post on a day has a duty.
    pub fn has_duty(&self, officer: &OfficerId, post: &PostId, duty: &str, day: Date) -> bool {
        let of_post = self
            .posts
            .get(post)
            .is_some_and(|post| post.duties.iter().any(|held| held == duty));
        self.terms
            .iter()
            .filter(|term| term.officer == *officer && term.post == *post && term.covers(day))
            .any(|term| {
                term.duty
                    .as_ref()
                    .map_or(of_post, |delegated| delegated == duty && of_post)
            })
    }

    /// Returns the officers that hold a post on a day, by id.
    pub fn holders(&self, post: &PostId, day: Date) -> Vec<&Term> {
        self.terms
            .iter()
            .filter(|term| term.post == *post && term.covers(day))
            .collect()
    }

    /// Returns the posts of an officer on a day.
    pub fn posts_of(&self, officer: &OfficerId, day: Date) -> Vec<PostId> {
        let mut posts: Vec<PostId> = self
            .terms
            .iter()
            .filter(|term| term.officer == *officer && term.covers(day))
            .map(|term| term.post.clone())
            .collect();
        posts.sort();
        posts.dedup();
        posts
    }

    /// Returns the posts with fewer than two living approvers on a day: an alarm, since one illness stops them.
    pub fn thin_posts(&self, day: Date) -> Vec<PostId> {
        let approves = |post: &Post| post.duties.iter().any(|duty| duty != "handle");
        let living = |post: &PostId| {
            let mut officers: Vec<&OfficerId> =
                self.holders(post, day).iter().map(|term| &term.officer).collect();
            officers.retain(|officer| {
                self.officers
                    .get(*officer)
                    .is_some_and(|officer| officer.key.is_some())
            });
            officers.sort();
            officers.dedup();
            officers.len()
        };
        self.posts
            .iter()
            .filter(|(id, post)| approves(post) && living(id) < 2)
            .map(|(id, _)| id.clone())
            .collect()
    }
}

/// One roster event that is effective in its own past, with the position it stands at and the right it rests on.
#[derive(Debug, Clone)]
pub struct RosterFact {
    /// The epoch of the department's log in which it stands.
    pub epoch: u32,
    /// The position in that log.
    pub index: u64,
    /// The registry version that its header names.
    pub version: u64,
    /// The event's id.
    pub id: EventId,
    /// Its kind.
    pub kind: EventKind,
    /// The event.
    pub event: Arc<Event>,
    /// The right of the administrator's key that signed it.
    pub right: Right,
}

impl RosterFact {
    fn stands(&self, version: u64, registry: &super::Registry, department: &DepartmentId) -> bool {
        let origin = Origin {
            epoch: self.epoch,
            ..registry.origin(department)
        };
        registry.holds(&self.right, &origin, self.index, self.version, version)
    }
}

/// A department's roster with its whole history, over the epochs of its log that stand.
#[derive(Debug, Clone, Default)]
pub struct RosterHistory {
    facts: Vec<RosterFact>,
    /// The roster after each fact, with every fact up to it applied.
    after: Vec<Arc<Roster>>,
    empty: Arc<Roster>,
}

impl RosterHistory {
    /// Adds an event whose signer had the right, if it is no copy and fits the roster below it.
    ///
    /// # Errors
    /// Why it is void.
    pub fn add(
        &mut self,
        fact: RosterFact,
        registry: &super::Registry,
        department: &DepartmentId,
    ) -> Result<(), Void> {
        if self.records(&fact.id, fact.version, registry, department) {
            return Err(Void::Copy);
        }
        let below = self.at(fact.epoch, fact.index, fact.version, registry, department);
        Roster::clone(&below)
            .apply(fact.kind, &fact.event)
            .map_err(|error| Void::Roster(error.to_string()))?;
        let mut next = Roster::clone(self.after.last().unwrap_or(&self.empty));
        skip_unless_fits(&mut next, &fact);
        self.facts.push(fact);
        self.after.push(Arc::new(next));
        Ok(())
    }

    /// Returns the positions of its events in the log of an epoch, rising.
    pub(crate) fn positions(&self, epoch: u32) -> Vec<u64> {
        let facts = self.facts.iter().filter(|fact| fact.epoch == epoch);
        facts.map(|fact| fact.index).collect()
    }

    /// Says whether an event was recorded before and counts, with takings known up to a version.
    pub fn records(
        &self,
        id: &EventId,
        version: u64,
        registry: &super::Registry,
        department: &DepartmentId,
    ) -> bool {
        let counts = |fact: &RosterFact| fact.id == *id && fact.stands(version, registry, department);
        self.facts.iter().any(counts)
    }

    /// Returns the state below an index in the log of an epoch, with takings known up to a version.
    pub fn at(
        &self,
        epoch: u32,
        index: u64,
        version: u64,
        registry: &super::Registry,
        department: &DepartmentId,
    ) -> Arc<Roster> {
        let below = self
            .facts
            .partition_point(|fact| (fact.epoch, fact.index) < (epoch, index));
        // The kept states hold up to the first fact whose right was taken; from there on the facts are applied again.
        let facts = self.facts.get(..below).unwrap_or(&[]);
        let standing = facts
            .iter()
            .take_while(|fact| fact.stands(version, registry, department))
            .count();
        let kept = standing.checked_sub(1).and_then(|place| self.after.get(place));
        let kept = kept.unwrap_or(&self.empty);
        if standing == below {
            return kept.clone();
        }
        let mut roster = Roster::clone(kept);
        for fact in facts.iter().skip(standing) {
            if fact.stands(version, registry, department) {
                skip_unless_fits(&mut roster, fact);
            }
        }
        Arc::new(roster)
    }
}

/// Applies a fact; one that no longer fits once another was taken away is skipped, as any void one.
fn skip_unless_fits(roster: &mut Roster, fact: &RosterFact) {
    if roster.apply(fact.kind, &fact.event).is_err() {
        tracing::debug!(index = fact.index, "roster event no longer fits after a taking");
    }
}

/// The roles whose holders sign from posts with the duty `lead`.
pub const LEADING_ROLES: &[Role] = &[
    Role::LeadGroup,
    Role::Supervision,
    Role::Government,
    Role::Authority,
    Role::Audit,
];
