//! The naive oracle: section 6 of the design literally, from the raw bytes of entries.
//!
//! Shares no code with the fold, the verdict, the world or the authority of the core: it reads the static tables and parses
//! formats through `schemas`, and recomputes everything else. Slow is fine; wrong is not. Entries are known by leaf hash, so
//! that entries which a crash took away never mix with those that stand in their place.

use super::ground::{Ends, Ground, LogId, Made, log_id};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tally_ledger::cases::table::{Effect, Guard, Rule, Table, Who};
use tally_ledger::cases::{RULESET, Stage, table_of};
use tally_ledger::crypto::{PublicKey, VerifyingKey, event_id, key_id, node_hash, sha256};
use tally_schemas::entry::PayloadKind;
use tally_schemas::epoch::Opening;
use tally_schemas::event::{CaseKind, Event, EventKind, Kind, SignerRole};
use tally_schemas::genesis::{DepartmentRecord, Genesis, Role};
use tally_schemas::governance::{Change, Governance, Right};
use tally_schemas::id::{CaseId, DepartmentId, EventId, FederationId, Hash, OfficerId, PostId};
use tally_schemas::json::Json;
use tally_schemas::limits::{EPOCH_NOTE_BYTES_MAX, EVENT_NOTE_BYTES_MAX, GOVERNANCE_NOTE_BYTES_MAX};
use tally_schemas::note::{Note, SignatureLine};
use tally_schemas::profile::Profile;
use tally_schemas::statement::Statement;
use tally_schemas::time::Date;

/// Names an entry for ever.
pub type Leaf = Hash;
/// Why an entry has no effect: a stable code.
pub type Code = &'static str;

/// What a payload is, once read.
#[derive(Debug)]
pub enum Content {
    /// An event.
    Event {
        /// Its id.
        id: EventId,
        /// The event.
        event: Box<Event>,
        /// The note.
        note: Note,
    },
    /// A statement.
    Statement(Statement),
    /// Governance.
    Governance(String),
    /// Not of its format.
    Bad,
    /// The opening of an epoch.
    Opening {
        /// What it opens.
        opening: Box<Opening>,
        /// The note.
        note: Note,
    },
}

/// An entry as the oracle sees it, when it is known where logs end.
#[derive(Debug)]
pub struct Seen {
    /// The entry.
    made: Rc<Made>,
    /// The greatest size per log below it, and the entry that ends there; its own log up to the entry before it.
    pub vec: BTreeMap<LogId, (u64, Leaf)>,
    /// Effective roster events at and below it in its own log and those that it continues.
    roster: Rc<Vec<Leaf>>,
    /// For the registrar's log: the registry after it.
    registry: Option<Rc<Book>>,
    /// What it counts as apart from cases: the code when void.
    pub standing: Result<&'static str, Code>,
}

impl std::ops::Deref for Seen {
    type Target = Made;

    fn deref(&self) -> &Made {
        &self.made
    }
}

impl Seen {
    /// Returns the log in which it stands.
    pub fn log(&self) -> &LogId {
        &self.log
    }

    /// Returns the department in whose log it stands.
    pub fn department(&self) -> &DepartmentId {
        &self.log.0
    }
}

/// The registry at a version, with its whole history.
#[derive(Debug, Clone)]
pub struct Book {
    version: u64,
    hash: Hash,
    departments: BTreeMap<DepartmentId, (u64, DepartmentRecord)>,
    given: BTreeMap<Right, Vec<u64>>,
    taken: BTreeMap<Right, Vec<(u64, LogId, u64)>>,
    /// The ruleset in force.
    ruleset: u32,
}

#[derive(Debug, Clone, Default)]
struct Roster {
    posts: BTreeSet<PostId>,
    keys: BTreeMap<OfficerId, Option<[u8; 32]>>,
    terms: Vec<(OfficerId, PostId, Date, Option<Date>)>,
}

/// A verdict that lets an event take effect.
#[derive(Debug, Clone)]
pub struct Good {
    /// The items.
    pub items: Vec<u16>,
    rights: Vec<Right>,
}

/// An item of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OracleItem {
    /// Stage, what moved it last, holder, proposed holder, flags.
    pub stage: Stage,
    /// What moved the stage last.
    pub moved_by: EventId,
    /// Who owes it.
    pub holder: DepartmentId,
    /// Who is to take it over.
    pub proposed: Option<DepartmentId>,
    /// Suspensions in force.
    pub flags: BTreeMap<DepartmentId, EventId>,
}

/// An effective event with what became of it.
#[derive(Debug, Clone)]
pub struct OracleFact {
    /// The entry.
    pub leaf: Leaf,
    /// The event.
    pub id: EventId,
    /// The kind.
    pub kind: EventKind,
    /// The items.
    pub items: Vec<u16>,
    /// Items it could not move, and what had moved them last.
    pub overtaken: BTreeMap<u16, EventId>,
    /// Items it moved.
    pub moved: BTreeMap<u16, (Stage, Stage)>,
    /// Items it moved by a race-only edge.
    pub raced: BTreeSet<u16>,
}

/// The state of a case.
#[derive(Debug, Clone)]
pub struct OracleCase {
    /// The kind.
    pub kind: CaseKind,
    /// Who opened it.
    pub owner: DepartmentId,
    /// Who was asked first.
    pub first_asked: DepartmentId,
    /// The items.
    pub items: BTreeMap<u16, OracleItem>,
    /// The effective events in the order applied.
    pub facts: Vec<OracleFact>,
}

/// A reversal: the entry, the item (0 for a taking), and the cause in words.
pub type OracleReversal = (DepartmentId, u64, u16, String);

/// What a set of entries means for a case.
#[derive(Debug)]
pub struct Meaning {
    /// The state, if the case was opened.
    pub state: Option<OracleCase>,
    /// For each entry: void in its own past, with the code.
    pub verdicts: BTreeMap<Leaf, Result<(), Code>>,
    /// For each entry: void in the fold of all.
    pub voids: BTreeMap<Leaf, Option<Code>>,
    /// The reversals, by log, index and item.
    pub reversals: Vec<OracleReversal>,
}

/// The oracle of a run, for those who know certain openings.
pub struct Oracle {
    /// The logs of later epochs that are known.
    known: BTreeSet<LogId>,
    /// Where logs end.
    ends: Ends,
    /// Entries of the branch of a log that is not looked at here.
    other: BTreeSet<Leaf>,
    /// The newest ruleset that the software of those who look holds.
    holds: u32,
    federation: FederationId,
    registrar: DepartmentId,
    quorum: usize,
    profiles: BTreeMap<String, Profile>,
    founding: Rc<Book>,
    nodes: BTreeSet<String>,
    calendars: BTreeSet<String>,
    books: BTreeMap<Hash, Rc<Book>>,
    entries: BTreeMap<Leaf, Rc<Seen>>,
    places: BTreeMap<(LogId, u64), Vec<Leaf>>,
    cases: BTreeMap<CaseId, Vec<Leaf>>,
    verdicts: BTreeMap<Leaf, Result<Rc<Good>, Code>>,
    rosters: BTreeMap<(Leaf, u64, Hash), Rc<Roster>>,
    lines: BTreeMap<(Leaf, usize, [u8; 32]), bool>,
    /// Keys of roster events and whether they are admissible: the check is slow and always the same.
    admissible: BTreeMap<[u8; 32], bool>,
}

impl Oracle {
    /// Starts from a genesis.
    pub fn new(genesis: &[u8], genesis_hash: Hash, federation: FederationId) -> Self {
        let note =
            Note::parse(genesis, tally_schemas::limits::GENESIS_BYTES_MAX).expect("the genesis is a note");
        let genesis = Genesis::parse_text(&note.text).expect("the genesis is of its format");
        let mut book = Book {
            version: 0,
            hash: genesis_hash,
            departments: BTreeMap::new(),
            given: BTreeMap::new(),
            taken: BTreeMap::new(),
            ruleset: genesis.ruleset,
        };
        for record in &genesis.departments {
            book.admit(record.clone(), 0);
        }
        let founding = Rc::new(book);
        let id = |json: &Json| {
            json.member("id")
                .and_then(Json::as_text)
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            known: BTreeSet::new(),
            ends: Ends::default(),
            other: BTreeSet::new(),
            holds: RULESET,
            federation,
            registrar: genesis.registrar.clone(),
            quorum: usize::from(genesis.quorum),
            profiles: genesis
                .profiles
                .iter()
                .map(|json| (id(json), Profile::from_json(json).expect("profiles are readable")))
                .collect(),
            nodes: genesis.nodes.iter().map(|node| node.id.to_string()).collect(),
            calendars: genesis.calendars.iter().map(id).collect(),
            books: BTreeMap::from([(genesis_hash, founding.clone())]),
            founding,
            entries: BTreeMap::new(),
            places: BTreeMap::new(),
            cases: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            rosters: BTreeMap::new(),
            lines: BTreeMap::new(),
            admissible: BTreeMap::new(),
        }
    }

    /// Returns an entry.
    pub fn entry(&self, leaf: &Leaf) -> &Rc<Seen> {
        self.entries
            .get(leaf)
            .expect("every entry was shown to the oracle when it was made")
    }

    /// Makes the oracle of those who know certain openings and hold one branch of a log: everything is derived anew.
    pub fn knowing(
        &self,
        ground: &Ground,
        known: BTreeSet<LogId>,
        other: BTreeSet<Leaf>,
        holds: u32,
    ) -> Self {
        let mut oracle = Self {
            ends: ground.ends(&known),
            known,
            other,
            holds,
            federation: self.federation.clone(),
            registrar: self.registrar.clone(),
            quorum: self.quorum,
            profiles: self.profiles.clone(),
            founding: self.founding.clone(),
            nodes: self.nodes.clone(),
            calendars: self.calendars.clone(),
            books: BTreeMap::from([(self.founding.hash, self.founding.clone())]),
            entries: BTreeMap::new(),
            places: BTreeMap::new(),
            cases: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            rosters: BTreeMap::new(),
            // Whether a signature is good depends on nothing else.
            lines: self.lines.clone(),
            admissible: self.admissible.clone(),
        };
        for made in ground.all() {
            oracle.show(ground, made);
        }
        oracle
    }

    /// Looks at another branch of a log from now on; nothing of either was shown yet.
    pub fn leave_out(&mut self, other: BTreeSet<Leaf>) {
        self.other = other;
    }

    /// Returns how many entries of a log count, if it ended.
    pub fn end_of(&self, log: &LogId) -> Option<u64> {
        self.ends.of(log).map(|(size, _)| size)
    }

    /// Says whether an entry counts for those who know these openings.
    pub fn counts(&self, leaf: &Leaf) -> bool {
        self.entries.contains_key(leaf)
    }

    /// Shows the oracle an entry when it is made. Everything below it was shown before.
    ///
    /// What lies beyond the end of a log is as if it never were, and what rests on something that is not known here waits for ever.
    pub fn show(&mut self, ground: &Ground, made: &Rc<Made>) {
        let header = &made.header;
        let own = made.log.clone();
        let is_known = own.1 == 1 || self.known.contains(&own);
        if !is_known || !self.ends.count(made) || self.other.contains(&made.leaf) {
            return;
        }
        // What it follows: the entry before it, or the last one that counts of the log that it continues.
        let follows = if header.index > 0 {
            Some(header.prev)
        } else {
            ground.begun(&own).and_then(|begun| begun.last)
        };
        let before = match follows.map(|leaf| self.entries.get(&leaf)) {
            Some(None) => return,
            Some(Some(before)) => Some(before.clone()),
            None => None,
        };
        let mut vec = BTreeMap::new();
        if let Some(before) = &before {
            vec.clone_from(&before.vec);
            vec.insert(before.log.clone(), (before.header.index + 1, before.leaf));
        }
        let mut named = header.heads.clone();
        if let Content::Statement(Statement::Heads(list)) = &made.content {
            named.extend(list.iter().cloned());
        }
        for head in &named {
            let (log, size) = (log_id(&head.origin), head.head.size);
            let end = self.ends.of(&log);
            let tip = match end {
                Some((0, _)) => continue,
                Some((end, last)) if size > end => last,
                _ if log.1 > 1 && !self.known.contains(&log) => return,
                _ => ground.tip(&log, size, head.head.root),
            };
            // Another root than that of the log: it does not count.
            let Some(tip) = tip else { continue };
            let Some(tip) = self.entries.get(&tip).cloned() else {
                if end.is_some() || self.other.contains(&tip) {
                    continue;
                }
                return;
            };
            raise(&mut vec, &log, tip.header.index + 1, tip.leaf);
            for (log, (size, end)) in &tip.vec {
                raise(&mut vec, log, *size, *end);
            }
        }
        let mut seen = Seen {
            made: made.clone(),
            vec,
            roster: before
                .as_ref()
                .map_or_else(Rc::default, |before| before.roster.clone()),
            registry: before.as_ref().and_then(|before| before.registry.clone()),
            standing: Ok("pending"),
        };
        self.places
            .entry((own, seen.header.index))
            .or_default()
            .push(made.leaf);
        seen.standing = self.stand(&mut seen);
        if let Content::Event { id, event, .. } = &made.content
            && let Kind::Known(kind) = event.kind
            && kind.case_kind() != CaseKind::Roster
        {
            self.cases
                .entry(event.case.unwrap_or(*id))
                .or_default()
                .push(made.leaf);
        }
        self.entries.insert(made.leaf, Rc::new(seen));
    }

    /// What an entry counts as, apart from its verdict in a case.
    fn stand(&mut self, seen: &mut Seen) -> Result<&'static str, Code> {
        let made = seen.made.clone();
        match &made.content {
            Content::Bad if self.ruleset_of(seen) > Some(self.holds) => Ok("not-understood"),
            Content::Bad => Err("form"),
            Content::Opening { opening, note } => {
                if seen.header.index > 0 || opening.origin != seen.header.origin {
                    return Err("not-opening");
                }
                if self.opened(seen, note) {
                    Ok("opening")
                } else {
                    Err("nobody opened it")
                }
            }
            Content::Statement(_) => Ok("statement"),
            Content::Governance(text) => {
                let text = text.clone();
                if *seen.department() != self.registrar {
                    return Err("not-registrar");
                }
                let book = seen.registry.clone().unwrap_or_else(|| self.founding.clone());
                let next = self.govern(&book, &text, &seen.vec).ok_or("governance")?;
                let next = Rc::new(next);
                self.books.insert(next.hash, next.clone());
                seen.registry = Some(next);
                Ok("governance")
            }
            Content::Event { event, .. } => match event.kind.clone() {
                Kind::Unknown(_) => self.signers(seen).map(|_| "not-understood"),
                Kind::Known(kind) if kind.case_kind() == CaseKind::Roster => {
                    self.signers(seen)?;
                    let version = seen.header.registry;
                    let copy = seen.roster.iter().any(|other| {
                        let other = self.entry(other);
                        event_id_of(other) == event_id_of(seen)
                            && self.roster_holds(other, version.version, version.hash)
                    });
                    if copy {
                        return Err("copy");
                    }
                    let mut roster = (*self.roster_at(seen, version.version, version.hash)).clone();
                    roster.apply(kind, event, &mut self.admissible).ok_or("roster")?;
                    let mut list = (*seen.roster).clone();
                    list.push(seen.leaf);
                    // The roster of an entry is that below it; the list kept with it serves the entries above.
                    seen.roster = Rc::new(list);
                    Ok("roster")
                }
                Kind::Known(_) => Ok("case"),
            },
        }
    }

    /// The administrator's right that a roster entry rests on.
    fn roster_right(&self, seen: &Seen) -> Option<Right> {
        let Content::Event { note, .. } = &seen.content else {
            return None;
        };
        let line = note.lines.first()?;
        let book = self.books.get(&seen.header.registry.hash)?;
        book.administrators(&self.federation, &line.name)
            .into_iter()
            .find(|(_, key)| claims(&line.name, key, line))
            .map(|(right, _)| right)
    }

    fn roster_holds(&self, seen: &Seen, judged_by: u64, hash: Hash) -> bool {
        self.roster_right(seen)
            .is_some_and(|right| self.holds(&right, seen, judged_by, hash))
    }

    /// Whether a right holds for an entry, when takings up to a version are known.
    fn holds(&self, right: &Right, seen: &Seen, judged_by: u64, hash: Hash) -> bool {
        let (Some(own), Some(judge)) = (self.books.get(&seen.header.registry.hash), self.books.get(&hash))
        else {
            return false;
        };
        let givings = own.given.get(right).cloned().unwrap_or_default();
        let takings = judge.taken.get(right).cloned().unwrap_or_default();
        givings.iter().any(|given| {
            *given <= seen.header.registry.version
                && !takings.iter().any(|(version, log, size)| {
                    version > given
                        && *version <= judged_by
                        && log.0 == *seen.department()
                        && (log.1, *size) <= (seen.log().1, seen.header.index)
                })
        })
    }

    /// The roster below an entry, with takings known up to a version.
    fn roster_at(&mut self, seen: &Seen, judged_by: u64, hash: Hash) -> Rc<Roster> {
        let key = (seen.header.prev, judged_by, hash);
        if let Some(roster) = self.rosters.get(&key) {
            return roster.clone();
        }
        let mut roster = Roster::default();
        for leaf in seen.roster.iter().filter(|leaf| **leaf != seen.leaf) {
            let other = self.entry(leaf).clone();
            if !self.roster_holds(&other, judged_by, hash) {
                continue;
            }
            if let Content::Event { event, .. } = &other.content
                && let Kind::Known(kind) = event.kind
            {
                let mut next = roster.clone();
                if next.apply(kind, event, &mut self.admissible).is_some() {
                    roster = next;
                }
            }
        }
        let roster = Rc::new(roster);
        self.rosters.insert(key, roster.clone());
        roster
    }

    /// Who signed, or why the signatures give no authority.
    fn signers(&mut self, seen: &Seen) -> Result<Vec<OfficerId>, Code> {
        let Content::Event { event, note, .. } = &seen.content else {
            return Err("form");
        };
        let registry = seen.header.registry;
        let book = self
            .books
            .get(&registry.hash)
            .filter(|book| book.version == registry.version);
        let book = book.cloned().ok_or("registry-hash")?;
        if event.federation != self.federation {
            return Err("federation");
        }
        if event.department != *seen.department() {
            return Err("department");
        }
        if note.lines.len() != event.signers.len() {
            return Err("lines");
        }
        let roster = self.roster_at(seen, registry.version, registry.hash);
        let profile = book
            .departments
            .get(&event.department)
            .and_then(|(_, record)| self.profiles.get(&record.profile));
        let offset = profile.map_or(0, |profile| profile.zone.offset_minutes);
        let one_as_both = profile.is_some_and(|profile| profile.approvals.one_officer_as_both);
        let day = seen.header.recorded.date_at(offset);
        let of_roster = matches!(event.kind, Kind::Known(kind) if kind.case_kind() == CaseKind::Roster);
        let mut found: Vec<(OfficerId, [u8; 32])> = Vec::new();
        for (signer, line) in event.signers.iter().zip(&note.lines) {
            let rest = line
                .name
                .strip_prefix(self.federation.as_str())
                .and_then(|rest| rest.strip_prefix('/'))
                .and_then(|rest| rest.split_once('/'))
                .ok_or("lines")?;
            let officer = OfficerId::parse(rest.1).map_err(|_| "lines")?;
            if DepartmentId::parse(rest.0).map_err(|_| "lines")? != event.department
                || signer.officer.as_ref().is_some_and(|named| *named != officer)
            {
                return Err("lines");
            }
            if found.iter().any(|(other, _)| *other == officer) {
                return Err("same-officer");
            }
            if signer.is(SignerRole::Administrator) != of_roster {
                return Err("no-post");
            }
            let key = if of_roster {
                let keys = book.administrators(&self.federation, &line.name);
                let (right, key) = keys
                    .into_iter()
                    .find(|(_, key)| claims(&line.name, key, line))
                    .ok_or("no-key")?;
                if !self.holds(&right, seen, registry.version, registry.hash) {
                    return Err("no-right");
                }
                key
            } else {
                let key = roster.keys.get(&officer).copied().flatten().ok_or("no-key")?;
                if !claims(&line.name, &key, line) {
                    return Err("no-key");
                }
                let holds = roster.terms.iter().any(|(who, post, from, to)| {
                    *who == officer && *post == signer.post && *from <= day && to.is_none_or(|to| day <= to)
                });
                if !holds {
                    return Err("no-post");
                }
                key
            };
            found.push((officer, key));
        }
        if event.signers.iter().any(|signer| signer.roles.len() > 1) && !one_as_both {
            return Err("both-roles");
        }
        for (place, (_, key)) in found.iter().enumerate() {
            let line = note.lines.get(place).expect("as many lines as signers");
            let text = note.text.as_bytes();
            let good = *self
                .lines
                .entry((seen.leaf, place, *key))
                .or_insert_with(|| verifies(key, text, &line.signature));
            if !good {
                return Err("signature");
            }
        }
        Ok(found.into_iter().map(|(officer, _)| officer).collect())
    }

    /// The registry after a governance note, if the note has an effect.
    fn govern(&self, book: &Book, text: &str, past: &BTreeMap<LogId, (u64, Leaf)>) -> Option<Book> {
        let note = Note::parse(text.as_bytes(), GOVERNANCE_NOTE_BYTES_MAX).ok()?;
        let governance = Governance::parse_text(&note.text).ok()?;
        for change in &governance.changes {
            if let Change::RightTaken { at, .. } = change {
                if !book.departments.contains_key(&at.origin.department) {
                    return None;
                }
                let known = past.get(&log_id(&at.origin)).map_or(0, |(size, _)| *size);
                // A log of a later epoch must lie in the past of the note.
                if at.head.size < known || (at.origin.epoch > 1 && known == 0) {
                    return None;
                }
            }
        }
        if governance.federation != self.federation
            || governance.version != book.version + 1
            || governance.previous != book.hash
        {
            return None;
        }
        if !self.is_quorum(book, &note) {
            return None;
        }
        let mut next = book.clone();
        next.version = governance.version;
        next.hash = sha256(&[note.text.as_bytes()]);
        let version = governance.version;
        for change in governance.changes {
            match change {
                Change::DepartmentAdmitted(record) => {
                    let known = |id: &Option<DepartmentId>| {
                        id.as_ref().is_none_or(|id| next.departments.contains_key(id))
                    };
                    if next.departments.contains_key(&record.id)
                        || !self.profiles.contains_key(&record.profile)
                        || !self.calendars.contains(&record.calendar)
                        || !self.nodes.contains(record.node.as_str())
                        || !known(&record.parent)
                        || !known(&record.line)
                        || PublicKey::admit(&record.log_key).is_err()
                        || PublicKey::admit(&record.administrator.key).is_err()
                    {
                        return None;
                    }
                    next.admit(*record, version);
                }
                Change::RightGiven(right) => {
                    if !next.departments.contains_key(right.department()) {
                        return None;
                    }
                    if let Right::Administrator { key, .. } = &right {
                        PublicKey::admit(key).ok()?;
                    }
                    next.given.entry(right).or_default().push(version);
                }
                Change::RightTaken { right, at } => {
                    next.given.get(&right)?;
                    next.taken
                        .entry(right)
                        .or_default()
                        .push((version, log_id(&at.origin), at.head.size));
                }
                Change::RulesetAdopted(ruleset) => {
                    if ruleset <= next.ruleset {
                        return None;
                    }
                    next.ruleset = ruleset;
                }
            }
        }
        Some(next)
    }

    /// Says whether as many living administrators of different departments signed a note as bind all, and nobody else.
    fn is_quorum(&self, book: &Book, note: &Note) -> bool {
        let mut signed = BTreeSet::new();
        for line in &note.lines {
            let good = book
                .administrators(&self.federation, &line.name)
                .into_iter()
                .any(|(right, key)| {
                    book.stands(&right)
                        && claims(&line.name, &key, line)
                        && verifies(&key, note.text.as_bytes(), &line.signature)
                });
            let Some(department) = line.name.split('/').nth(1) else {
                return false;
            };
            if !good || !signed.insert(department.to_owned()) {
                return false;
            }
        }
        let members = book.departments.keys().filter(|id| {
            book.stands(&Right::Membership {
                department: (*id).clone(),
            })
        });
        signed.len() >= self.quorum.max(members.count() / 2 + 1)
    }

    /// Says whether somebody opened a log who may: a quorum, or the department's administrator.
    fn opened(&self, seen: &Seen, note: &Note) -> bool {
        let registry = seen.header.registry;
        let book = self.books.get(&registry.hash);
        let Some(book) = book.filter(|book| book.version == registry.version) else {
            return false;
        };
        if self.is_quorum(book, note) {
            return true;
        }
        let [line] = note.lines.as_slice() else {
            return false;
        };
        book.administrators(&self.federation, &line.name)
            .into_iter()
            .any(|(right, key)| {
                right.department() == seen.department()
                    && self.holds(&right, seen, registry.version, registry.hash)
                    && claims(&line.name, &key, line)
                    && verifies(&key, note.text.as_bytes(), &line.signature)
            })
    }

    /// Says whether `x` lies in the past of `y`.
    fn precedes(&self, x: &Seen, y: &Seen) -> bool {
        let Some((size, tip)) = y.vec.get(x.log()) else {
            return false;
        };
        x.header.index < *size && self.stands_below(x, *tip)
    }

    /// Says whether an entry stands in the log that ends with another.
    fn stands_below(&self, x: &Seen, tip: Leaf) -> bool {
        let place = (x.log().clone(), x.header.index);
        if self.places.get(&place).is_some_and(|list| list.len() == 1) {
            return true;
        }
        let mut here = self.entry(&tip).clone();
        while here.header.index > x.header.index {
            here = self.entry(&here.header.prev).clone();
        }
        here.leaf == x.leaf
    }

    /// The verdict on an entry of a case.
    pub fn verdict(&mut self, leaf: &Leaf) -> Result<(), Code> {
        self.judge(leaf).map(drop)
    }

    /// judge(x): the verdict on an entry in the fold of its own past, under the version that its header names.
    fn judge(&mut self, leaf: &Leaf) -> Result<Rc<Good>, Code> {
        if let Some(verdict) = self.verdicts.get(leaf) {
            return verdict.clone();
        }
        let verdict = self.judge_anew(leaf).map(Rc::new);
        self.verdicts.insert(*leaf, verdict.clone());
        verdict
    }

    fn judge_anew(&mut self, leaf: &Leaf) -> Result<Good, Code> {
        let x = self.entry(leaf).clone();
        let Content::Event { id, event, .. } = &x.content else {
            return Err("form");
        };
        let Kind::Known(kind) = event.kind else {
            return Err("form");
        };
        self.signers(&x)?;
        let case = event.case.unwrap_or(*id);
        let registry = x.header.registry;
        let all = self.cases.get(&case).cloned().unwrap_or_default();
        let past: Vec<Rc<Seen>> = all
            .iter()
            .map(|leaf| self.entry(leaf).clone())
            .filter(|y| self.precedes(y, &x))
            .collect();
        for y in &past {
            if event_id_of(y) == Some(*id)
                && let Ok(good) = self.judge(&y.leaf)
                && good
                    .rights
                    .iter()
                    .all(|right| self.holds(right, y, registry.version, registry.hash))
            {
                return Err("copy");
            }
        }
        if event
            .after
            .iter()
            .any(|after| !past.iter().any(|y| event_id_of(y) == Some(*after)))
        {
            return Err("after");
        }
        let set: Vec<Leaf> = past.iter().map(|y| y.leaf).collect();
        let state = self.fold(case, &set, registry.version, registry.hash);
        let good = self.allowed(&x, kind, event, state.as_ref())?;
        for right in &good.rights {
            if !self.holds(right, &x, registry.version, registry.hash) {
                return Err(self.missing(right, &x, registry.version, registry.hash));
            }
        }
        Ok(good)
    }

    fn missing(&self, right: &Right, x: &Seen, version: u64, hash: Hash) -> Code {
        match self.ended_by(right, x, version, hash) {
            Some(_) => "right-taken",
            None => "no-right",
        }
    }

    /// The version that ended a right at a position: the first under which it does not hold though it held before.
    fn ended_by(&self, right: &Right, x: &Seen, version: u64, hash: Hash) -> Option<u64> {
        (0..=version)
            .find(|version| !self.holds(right, x, *version, hash))
            .filter(|version| *version > 0)
    }

    fn table(kind: EventKind) -> Option<(&'static Table, &'static Rule)> {
        let table = table_of(kind.case_kind())?;
        table
            .rules
            .iter()
            .find(|rule| rule.event == kind)
            .map(|rule| (table, rule))
    }

    fn allowed(
        &self,
        x: &Seen,
        kind: EventKind,
        event: &Event,
        state: Option<&OracleCase>,
    ) -> Result<Good, Code> {
        let by = &event.department;
        let (_, rule) = Self::table(kind).ok_or("other-case")?;
        let mut rights = vec![Right::Membership {
            department: by.clone(),
        }];
        if kind.opens_case() {
            let opened = opened(kind, event, EventId(Hash::default()))?;
            let item = opened.items.values().next().ok_or("guard")?.clone();
            rights.extend(self.actor(rule, x, event, &opened, None, Some(&item))?);
            let items = opened.items.keys().copied().collect();
            return Ok(Good { items, rights });
        }
        let state = state.ok_or("no-case")?;
        if state.kind != kind.case_kind() {
            return Err("other-case");
        }
        let named = event
            .body
            .json()
            .member("items")
            .and_then(Json::as_array)
            .map(|list| {
                list.iter()
                    .filter_map(Json::as_int)
                    .map(|number| u16::try_from(number).unwrap_or(0))
                    .collect::<Vec<u16>>()
            });
        let mut items = Vec::new();
        let mut right = None;
        let mut first = None;
        for number in named
            .clone()
            .unwrap_or_else(|| state.items.keys().copied().collect())
        {
            match self.item(rule, x, event, state, number) {
                Ok(held) => {
                    items.push(number);
                    right = right.or(held);
                }
                Err(code) if named.is_some() => return Err(code),
                Err(code) => {
                    first.get_or_insert(code);
                }
            }
        }
        if items.is_empty() {
            return Err(first.unwrap_or("no-case"));
        }
        rights.extend(right);
        Ok(Good { items, rights })
    }

    fn item(
        &self,
        rule: &Rule,
        x: &Seen,
        event: &Event,
        state: &OracleCase,
        number: u16,
    ) -> Result<Option<Right>, Code> {
        let item = state.items.get(&number).ok_or("guard")?;
        if !rule.edges.iter().any(|(from, _)| from.contains(&item.stage)) {
            return Err("stage");
        }
        let right = self.actor(rule, x, event, state, Some(number), Some(item))?;
        let by = &event.department;
        let names = |field: &str| event.body.event(field);
        let of_kind = |kind: EventKind| state.facts.iter().filter(move |fact| fact.kind == kind);
        let good = match rule.guard {
            Guard::None => true,
            Guard::Names(field, kind) => of_kind(kind).any(|fact| names(field) == Some(fact.id)),
            Guard::NamesNewest(field, kind) => {
                let newest = of_kind(kind).next_back().map(|fact| fact.id);
                newest.is_some() && newest == names(field)
            }
            Guard::OwnFlag => item.flags.contains_key(by),
            Guard::NoOwnFlag => !item.flags.contains_key(by),
            Guard::NotHolder => item.holder != *by,
            Guard::OwnCase => state.owner == *by,
            Guard::Outstanding(kind, answers) => {
                let answered: usize = answers.iter().map(|answer| of_kind(*answer).count()).sum();
                of_kind(kind).count() > answered
            }
        };
        if good { Ok(right) } else { Err("guard") }
    }

    /// Returns the right of the first actor that fits.
    fn actor(
        &self,
        rule: &Rule,
        x: &Seen,
        event: &Event,
        state: &OracleCase,
        number: Option<u16>,
        item: Option<&OracleItem>,
    ) -> Result<Option<Right>, Code> {
        let by = &event.department;
        let registry = x.header.registry;
        let book = self.books.get(&registry.hash).ok_or("registry-hash")?;
        let holder = item.map_or(&state.first_asked, |item| &item.holder);
        let acts_as = |role: Role| {
            let right = Right::Role {
                department: by.clone(),
                role,
            };
            self.holds(&right, x, registry.version, registry.hash)
        };
        let has = |role: Role| book.has_role(by, role);
        let basis = if number.is_none() && rule.event == EventKind::FindingOpened {
            event.body.word("basis").map(str::to_owned)
        } else {
            self.basis_of(state)
        };
        // By which role a department may act on a basis; none of it for a self-check.
        let by_basis = |basis: Option<&str>, object: &DepartmentId| -> Option<Option<Role>> {
            match basis {
                Some("inspection") => has(Role::Supervision).then_some(Some(Role::Supervision)),
                Some("audit") => has(Role::Audit).then_some(Some(Role::Audit)),
                Some("order-to-correct") if book.authority_of(object).as_ref() == Some(by) => {
                    Some(Some(Role::Authority))
                }
                Some("order-to-correct") => has(Role::Government).then_some(Some(Role::Government)),
                Some("task-follow-up") if has(Role::Supervision) => Some(Some(Role::Supervision)),
                Some("task-follow-up") => has(Role::LeadGroup).then_some(Some(Role::LeadGroup)),
                Some("self") if object == by => Some(None),
                _ => None,
            }
        };
        for (who, role) in rule.who {
            let basis_role: Option<Option<Role>> = match who {
                Who::Owner => (state.owner == *by).then_some(None),
                Who::Holder => (holder == by).then_some(None),
                Who::Proposed => (item.and_then(|item| item.proposed.as_ref()) == Some(by)).then_some(None),
                Who::AuthorityOfHolder => (book.authority_of(holder).as_ref() == Some(by)).then_some(None),
                Who::AuthorityOfOwner => {
                    (book.authority_of(&state.owner).as_ref() == Some(by)).then_some(None)
                }
                Who::Any(role) => acts_as(*role).then_some(None),
                // An issuer goes on by the basis on which it opened, against the object it named then.
                Who::Issuer if state.owner != *holder => {
                    (state.owner == *by).then(|| by_basis(basis.as_deref(), &state.first_asked).flatten())
                }
                Who::Issuer => {
                    if holder == by {
                        None
                    } else if has(Role::Supervision) {
                        Some(Some(Role::Supervision))
                    } else {
                        (book.authority_of(holder).as_ref() == Some(by)).then_some(Some(Role::Authority))
                    }
                }
                Who::ByBasis => by_basis(basis.as_deref(), holder),
                Who::Setter => item.filter(|item| item.flags.contains_key(by)).map(|_| {
                    Some(if holder == by {
                        Role::Provider
                    } else {
                        Role::Authority
                    })
                }),
            };
            let Some(basis_role) = basis_role else { continue };
            match role {
                Some(role) if acts_as(*role) => {
                    return Ok(Some(Right::Role {
                        department: by.clone(),
                        role: *role,
                    }));
                }
                Some(_) => {}
                None => {
                    return Ok(basis_role.filter(|role| acts_as(*role)).map(|role| Right::Role {
                        department: by.clone(),
                        role,
                    }));
                }
            }
        }
        Err("actor")
    }

    fn basis_of(&self, state: &OracleCase) -> Option<String> {
        let opening = state
            .facts
            .iter()
            .find(|fact| fact.kind == EventKind::FindingOpened)?;
        let Content::Event { event, .. } = &self.entry(&opening.leaf).content else {
            return None;
        };
        event.body.word("basis").map(str::to_owned)
    }

    /// fold(S, v), literally.
    fn fold(&mut self, case: CaseId, set: &[Leaf], version: u64, hash: Hash) -> Option<OracleCase> {
        let mut w: Vec<(Rc<Seen>, Rc<Good>)> = Vec::new();
        let mut state: Option<OracleCase> = None;
        for leaf in set {
            let Ok(good) = self.judge(leaf) else { continue };
            let x = self.entry(leaf).clone();
            if good
                .rights
                .iter()
                .all(|right| self.holds(right, &x, version, hash))
            {
                w.push((x, good));
            } else if let Content::Event { event, .. } = &x.content
                && let Kind::Known(kind) = event.kind
                && kind.opens_case()
            {
                state = opened(kind, event, case).ok();
            }
        }
        while !w.is_empty() {
            let c: Vec<usize> = (0..w.len())
                .filter(|at| !w.iter().any(|(y, _)| self.precedes(y, &w[*at].0)))
                .collect();
            let f: Vec<usize> = c
                .iter()
                .copied()
                .filter(|at| {
                    let (x, mine) = &w[*at];
                    !w.iter().any(|(y, theirs)| {
                        let concurrent = y.leaf != x.leaf && !self.precedes(x, y) && !self.precedes(y, x);
                        let common = theirs.items.iter().any(|item| mine.items.contains(item));
                        concurrent && common && puts_first(y, x)
                    })
                })
                .collect();
            let choice = if f.is_empty() { c } else { f };
            let least = choice
                .into_iter()
                .min_by_key(|at| (role_order(&w[*at].0), w[*at].0.leaf))
                .expect("pasts form no circle, so something has nothing before it");
            let (x, good) = w.remove(least);
            state = apply(case, state, &x, &good);
        }
        state
    }

    /// The ruleset in force under the registry version that an entry names, if there is that version.
    fn ruleset_of(&self, seen: &Seen) -> Option<u32> {
        let registry = seen.header.registry;
        let book = self.books.get(&registry.hash)?;
        (book.version == registry.version).then_some(book.ruleset)
    }

    /// The ruleset of a case: that of the first copy of its opening event whose signatures give it authority.
    fn ruleset_of_case(&mut self, case: CaseId, set: &[Leaf]) -> Option<u32> {
        let mut copies: Vec<Rc<Seen>> = set.iter().map(|leaf| self.entry(leaf).clone()).collect();
        copies.retain(|x| event_id_of(x) == Some(case) && self.signers(x).is_ok());
        let first = copies.into_iter().min_by_key(|x| (x.log().1, x.header.index))?;
        self.ruleset_of(&first)
    }

    /// What a set of entries of a case means under a registry.
    pub fn meaning(&mut self, case: CaseId, set: &[Leaf], registry: (u64, Hash)) -> Meaning {
        if self.ruleset_of_case(case, set) > Some(self.holds) {
            return Meaning {
                state: None,
                verdicts: set.iter().map(|leaf| (*leaf, Err("newer-ruleset"))).collect(),
                voids: set.iter().map(|leaf| (*leaf, Some("newer-ruleset"))).collect(),
                reversals: Vec::new(),
            };
        }
        let (version, hash) = registry;
        let state = self.fold(case, set, version, hash);
        let mut verdicts = BTreeMap::new();
        let mut voids = BTreeMap::new();
        let mut reversals = Vec::new();
        for leaf in set {
            let x = self.entry(leaf).clone();
            let verdict = self.judge(leaf);
            verdicts.insert(*leaf, verdict.clone().map(drop));
            let void = match verdict {
                Err(code) => Some(code),
                Ok(good) => {
                    let gone = good
                        .rights
                        .iter()
                        .find(|right| !self.holds(right, &x, version, hash));
                    gone.map(|right| {
                        let code = self.missing(right, &x, version, hash);
                        let cause = self.ended_by(right, &x, version, hash);
                        reversals.push((
                            x.department().clone(),
                            x.header.index,
                            0,
                            format!("taken by {cause:?}"),
                        ));
                        code
                    })
                }
            };
            voids.insert(*leaf, void);
        }
        for fact in state.iter().flat_map(|state| &state.facts) {
            let x = self.entry(&fact.leaf);
            for (item, cause) in &fact.overtaken {
                reversals.push((
                    x.department().clone(),
                    x.header.index,
                    *item,
                    format!("overtaken by {cause}"),
                ));
            }
        }
        reversals.sort();
        Meaning {
            state,
            verdicts,
            voids,
            reversals,
        }
    }

    /// Returns every entry ever made that belongs to a case.
    pub fn of_case(&self, case: &CaseId) -> &[Leaf] {
        self.cases.get(case).map_or(&[], Vec::as_slice)
    }

    /// Returns the registry after the registrar's log up to an entry, or the founding one.
    pub fn registry_after(&self, tip: Option<&Leaf>) -> (u64, Hash) {
        let book = tip
            .and_then(|tip| self.entry(tip).registry.clone())
            .unwrap_or_else(|| self.founding.clone());
        (book.version, book.hash)
    }

    /// Returns the pairs of concurrent effective entries that a row of a table puts in order: first kind, second kind.
    pub fn rows_met(&mut self, set: &[Leaf], registry: (u64, Hash)) -> BTreeSet<(EventKind, EventKind)> {
        let mut good = Vec::new();
        for leaf in set {
            if let Ok(verdict) = self.judge(leaf) {
                let x = self.entry(leaf).clone();
                if verdict
                    .rights
                    .iter()
                    .all(|right| self.holds(right, &x, registry.0, registry.1))
                {
                    good.push((x, verdict));
                }
            }
        }
        let mut met = BTreeSet::new();
        for (x, mine) in &good {
            for (y, theirs) in &good {
                let concurrent = y.leaf != x.leaf && !self.precedes(x, y) && !self.precedes(y, x);
                if concurrent
                    && theirs.items.iter().any(|item| mine.items.contains(item))
                    && puts_first(x, y)
                    && let (Some(first), Some(second)) = (kind_of(x), kind_of(y))
                {
                    met.insert((first, second));
                }
            }
        }
        met
    }
}

impl Book {
    fn admit(&mut self, record: DepartmentRecord, version: u64) {
        for right in Right::of_admission(&record) {
            self.given.entry(right).or_default().push(version);
        }
        self.departments.insert(record.id.clone(), (version, record));
    }

    /// Whether a right stands at this version, apart from any position.
    fn stands(&self, right: &Right) -> bool {
        let last_given = self.given.get(right).and_then(|list| list.iter().max());
        let last_taken = self
            .taken
            .get(right)
            .and_then(|list| list.iter().map(|(version, ..)| version).max());
        match (last_given, last_taken) {
            (Some(given), Some(taken)) => taken <= given,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    fn has_role(&self, department: &DepartmentId, role: Role) -> bool {
        self.stands(&Right::Role {
            department: department.clone(),
            role,
        })
    }

    /// Every administrator's right under a key name, oldest first.
    fn administrators(&self, federation: &FederationId, name: &str) -> Vec<(Right, [u8; 32])> {
        let mut found: Vec<(u64, Right, [u8; 32])> = Vec::new();
        for (right, versions) in &self.given {
            if let Right::Administrator {
                department,
                officer,
                key,
            } = right
                && format!("{federation}/{department}/{officer}") == name
            {
                found.push((versions.first().copied().unwrap_or(0), right.clone(), *key));
            }
        }
        found.sort_by_key(|(version, ..)| *version);
        found.into_iter().map(|(_, right, key)| (right, key)).collect()
    }

    /// The competent authority of a department.
    fn authority_of(&self, department: &DepartmentId) -> Option<DepartmentId> {
        let mut place = self.departments.get(department)?.1.clone();
        loop {
            let mut found = self.departments.values().filter(|(_, record)| {
                record.id != *department
                    && record.level == place.level
                    && record.area == place.area
                    && self.has_role(&record.id, Role::Authority)
            });
            if let Some((_, record)) = found.next() {
                return Some(record.id.clone());
            }
            place = self.departments.get(&place.parent?)?.1.clone();
        }
    }
}

impl Roster {
    fn apply(
        &mut self,
        kind: EventKind,
        event: &Event,
        admissible: &mut BTreeMap<[u8; 32], bool>,
    ) -> Option<()> {
        let body = &event.body;
        let officer = || OfficerId::parse(body.word("officer")?).ok();
        let post = || PostId::parse(body.word("post")?).ok();
        let mut key = |name: &str| {
            let bytes = Hash::parse_base64(body.word(name)?).ok()?.0;
            let good = admissible
                .entry(bytes)
                .or_insert_with(|| PublicKey::admit(&bytes).is_ok());
            good.then_some(bytes)
        };
        match kind {
            EventKind::RosterPostCreated => self.posts.insert(post()?).then_some(()),
            EventKind::RosterEnrolled => {
                let (officer, key) = (officer()?, key("key")?);
                if self.keys.contains_key(&officer) {
                    return None;
                }
                self.keys.insert(officer, Some(key));
                Some(())
            }
            EventKind::RosterAppointed | EventKind::RosterDelegated => {
                let (officer, post, from) = (officer()?, post()?, body.date("from")?);
                if !self.keys.contains_key(&officer) || !self.posts.contains(&post) {
                    return None;
                }
                self.terms.push((officer, post, from, body.date("to")));
                Some(())
            }
            EventKind::RosterRelieved => {
                let (officer, post, last) = (officer()?, post()?, body.date("on")?.plus_days(-1));
                let mut held = false;
                for (who, what, _, to) in &mut self.terms {
                    if *who == officer && *what == post && to.is_none_or(|to| to > last) {
                        *to = Some(last);
                        held = true;
                    }
                }
                held.then_some(())
            }
            EventKind::RosterKeyRevoked => {
                let officer = officer()?;
                let replacement = match body.word("replacement") {
                    Some(_) => Some(key("replacement")?),
                    None => None,
                };
                *self.keys.get_mut(&officer)? = replacement;
                Some(())
            }
            _ => None,
        }
    }
}

/// Reads a payload.
pub fn read(payload: &str) -> Content {
    match PayloadKind::of(payload) {
        PayloadKind::Event => {
            let Ok(note) = Note::parse(payload.as_bytes(), EVENT_NOTE_BYTES_MAX) else {
                return Content::Bad;
            };
            match Event::parse_text(&note.text) {
                Ok(event) => Content::Event {
                    id: event_id(&note.text),
                    event: Box::new(event),
                    note,
                },
                Err(_) => Content::Bad,
            }
        }
        PayloadKind::Statement => Statement::parse_text(payload).map_or(Content::Bad, Content::Statement),
        PayloadKind::Governance => Content::Governance(payload.to_owned()),
        PayloadKind::Epoch => {
            let note = Note::parse(payload.as_bytes(), EPOCH_NOTE_BYTES_MAX);
            let read = note.and_then(|note| Ok((Opening::parse_text(&note.text)?, note)));
            read.map_or(Content::Bad, |(opening, note)| Content::Opening {
                opening: Box::new(opening),
                note,
            })
        }
        PayloadKind::Unknown => Content::Bad,
    }
}

fn raise(vec: &mut BTreeMap<LogId, (u64, Leaf)>, log: &LogId, size: u64, tip: Leaf) {
    let held = vec.entry(log.clone()).or_insert((size, tip));
    if held.0 < size {
        *held = (size, tip);
    }
}

/// Returns the root over perfect trees.
pub fn bag(peaks: &[(u64, Hash)]) -> Hash {
    let mut peaks = peaks.iter().rev();
    let last = peaks.next().map_or_else(Hash::default, |(_, hash)| *hash);
    peaks.fold(last, |right, (_, left)| node_hash(left, &right))
}

fn claims(name: &str, key: &[u8; 32], line: &SignatureLine) -> bool {
    line.name == name && line.key_id == key_id(name, tally_schemas::note::KEY_TYPE_ED25519, key)
}

fn verifies(key: &[u8; 32], text: &[u8], signature: &[u8]) -> bool {
    PublicKey::admit(key).is_ok_and(|key| VerifyingKey::new(&key).verify(text, signature).is_ok())
}

fn event_id_of(seen: &Seen) -> Option<EventId> {
    match &seen.content {
        Content::Event { id, .. } => Some(*id),
        _ => None,
    }
}

fn kind_of(seen: &Seen) -> Option<EventKind> {
    match &seen.content {
        Content::Event { event, .. } => event.kind.known(),
        _ => None,
    }
}

fn puts_first(first: &Seen, second: &Seen) -> bool {
    let (Some(first), Some(second)) = (kind_of(first), kind_of(second)) else {
        return false;
    };
    table_of(first.case_kind()).is_some_and(|table| {
        table
            .pairs
            .iter()
            .any(|row| row.first == first && row.second == second)
    })
}

fn role_order(seen: &Seen) -> Option<Who> {
    let (_, rule) = Oracle::table(kind_of(seen)?)?;
    rule.who.first().map(|(who, _)| *who)
}

/// The start of a case that an event opens.
fn opened(kind: EventKind, event: &Event, id: EventId) -> Result<OracleCase, Code> {
    let owner = event.department.clone();
    let mut numbers = vec![0];
    let asked = match kind {
        EventKind::RequestFiled => {
            let items = event
                .body
                .json()
                .member("items")
                .and_then(Json::as_array)
                .ok_or("guard")?;
            numbers = items
                .iter()
                .filter_map(|item| item.member("number").and_then(Json::as_int))
                .filter_map(|number| u16::try_from(number).ok())
                .collect();
            match event.to.as_slice() {
                [one] => one.clone(),
                _ => return Err("guard"),
            }
        }
        EventKind::FindingOpened => event.body.department("object").ok_or("guard")?,
        EventKind::TaskIssued => event.body.department("lead").ok_or("guard")?,
        _ => owner.clone(),
    };
    let item = OracleItem {
        stage: Stage::Start,
        moved_by: id,
        holder: asked.clone(),
        proposed: None,
        flags: BTreeMap::new(),
    };
    Ok(OracleCase {
        kind: kind.case_kind(),
        owner,
        first_asked: asked,
        items: numbers.into_iter().map(|number| (number, item.clone())).collect(),
        facts: Vec::new(),
    })
}

fn apply(case: CaseId, state: Option<OracleCase>, x: &Seen, good: &Good) -> Option<OracleCase> {
    let Content::Event { id, event, .. } = &x.content else {
        return state;
    };
    let kind = event.kind.known()?;
    let (table, rule) = Oracle::table(kind)?;
    let mut state = match state {
        Some(state) => state,
        None => opened(kind, event, case).ok()?,
    };
    let mut fact = OracleFact {
        leaf: x.leaf,
        id: *id,
        kind,
        items: good.items.clone(),
        overtaken: BTreeMap::new(),
        moved: BTreeMap::new(),
        raced: BTreeSet::new(),
    };
    for number in &good.items {
        let Some(item) = state.items.get_mut(number) else {
            continue;
        };
        let from = item.stage;
        let edge = rule
            .edges
            .iter()
            .find(|(stages, _)| stages.contains(&from))
            .map(|(_, to)| *to);
        let race = table
            .pairs
            .iter()
            .filter(|row| row.second == kind)
            .filter_map(|row| row.race)
            .find(|(stages, _)| stages.contains(&from))
            .map(|(_, to)| to);
        let Some(to) = edge.or(race) else {
            fact.overtaken.insert(*number, item.moved_by);
            continue;
        };
        if edge.is_none() {
            fact.raced.insert(*number);
        }
        let to = to.from(from);
        if to != from {
            item.stage = to;
            item.moved_by = *id;
            fact.moved.insert(*number, (from, to));
        }
        match rule.effect {
            Effect::None => {}
            Effect::SetFlag => {
                item.flags.insert(event.department.clone(), *id);
            }
            Effect::LiftFlag => {
                item.flags.remove(&event.department);
            }
            Effect::ClearFlags => item.flags.clear(),
            Effect::Propose(field) => item.proposed = event.body.department(field),
            Effect::AcceptProposed => {
                if let Some(next) = item.proposed.take() {
                    item.holder = next;
                }
            }
            Effect::DropProposed => item.proposed = None,
            Effect::Assign(field) => {
                if let Some(next) = event.body.department(field) {
                    item.holder = next;
                }
            }
        }
    }
    state.facts.push(fact);
    Some(state)
}
