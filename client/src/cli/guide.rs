//! The guided way to a draft: which case, which act, on which items, naming which events, addressed to whom.
//!
//! Asks the node what can be done and offers only that; what the node says here only fills in a form, which its officer reads before
//! signing. Without a node the form is asked field by field.

use super::error::{Failure, Outcome};
use super::output::Output;
use super::refer;
use super::session::{Connection, Session};
use super::views::{list_of, local_time, member, plain, rows_of, trail_rows, with_query};
use crate::draft::form::{Form, NOBODY};
use crate::draft::prompt::{Ask, Choices, TerminalAsk, fill};
use crate::explain;
use crate::keystore::Holder;
use crate::texts::{Language, Texts};
use serde_json::Value;
use std::collections::BTreeSet;
use tally_ledger::cases::table::Guard;
use tally_ledger::cases::{Stage, Who, table_of};
use tally_schemas::api::{self, Answer, PossibleAct, RosterBody};
use tally_schemas::event::{CaseKind, EventKind, FieldType};
use tally_schemas::id::{CaseId, DepartmentId};
use tally_schemas::json::Json;

/// A field that names a department without concerning it: where else the data might be had.
const NAMED_ONLY: &str = "otherSource";

/// What a node knows about the officer's department and, once chosen, about the case.
pub(super) struct Guide {
    connection: Connection,
    own: DepartmentId,
    case: Option<Case>,
}

/// A case that an act is about.
struct Case {
    next: Vec<PossibleAct>,
    trail: Answer,
}

impl Case {
    fn read(connection: &Connection, id: &CaseId) -> Outcome<Self> {
        let query = api::NextActsQuery { case: id.to_string() };
        let next: Answer<Vec<PossibleAct>> =
            connection.node.read(&with_query(api::path::NEXT_ACTS, &query))?;
        let trail = connection
            .node
            .read(&api::fill(api::path::TRAIL, &[&id.to_string()]))?;
        Ok(Self {
            next: next.data,
            trail,
        })
    }

    fn act(&self, kind: EventKind, by: &DepartmentId) -> Option<&PossibleAct> {
        let mut acts = self.next.iter();
        acts.find(|act| act.kind == kind.as_str() && act.by.iter().any(|id| id == by.as_str()))
    }

    /// Returns the names that the opening gives to the data items.
    fn item_name(&self, number: u16) -> String {
        let rows = trail_rows(&self.trail.data);
        let opening = rows.first().map(|row| member(row, &["body"]));
        let items = opening.map(|body| list_of(member(body, &["items"])).collect::<Vec<_>>());
        let named = items.into_iter().flatten();
        let mut named = named.filter(|item| member(item, &["number"]).as_u64() == Some(u64::from(number)));
        let name = named.next().map(|item| plain(member(item, &["name"])));
        format!("{number} {}", name.unwrap_or_default())
            .trim_end()
            .to_owned()
    }
}

/// Fills in a form by questions: first what the node can tell, then field by field, then whom it is addressed to.
///
/// # Errors
/// The officer broke off.
pub(super) fn complete(form: &mut Form, session: &Session, output: &mut Output) -> Outcome {
    if !output.can_ask() {
        return Ok(());
    }
    let mut ask = TerminalAsk { texts: output.texts };
    let guide = Guide::open(session);
    fill_in(form, guide, session, output, &mut ask)
}

/// Asks what is to be done: on a case that waits, on another one, or something new; the form names kind and case.
///
/// # Errors
/// The officer broke off.
pub(super) fn begin(session: &Session, output: &mut Output) -> Outcome<Form> {
    let texts = output.texts;
    let mut ask = TerminalAsk { texts };
    match Guide::open(session) {
        Some(guide) => guide.begin(session, texts, &mut ask),
        None => Ok(Form::new(any_kind(texts, &mut ask, |_| true)?)),
    }
}

fn fill_in(
    form: &mut Form,
    mut guide: Option<Guide>,
    session: &Session,
    output: &mut Output,
    ask: &mut dyn Ask,
) -> Outcome {
    let texts = output.texts;
    let is_roster = form.kind.case_kind() == CaseKind::Roster;
    if !form.kind.opens_case() && !is_roster {
        match &mut guide {
            Some(guide) => guide.choose_case(form, output, ask)?,
            None if form.head.case.is_none() => form.head.case = Some(typed_case(texts, ask)?),
            None => {}
        }
    }
    let mut choices = choices(session, texts);
    if let Some(guide) = &guide {
        guide.offer(form, &mut choices, texts);
        if form.kind == EventKind::RequestFiled {
            guide.choose_entry(form, texts, ask)?;
        }
    }
    fill(form, texts, &choices, ask)?;
    if !is_roster {
        let proposed = match &guide {
            Some(guide) => guide.concerned(form),
            None => named_in(form),
        };
        choose_addressees(form, &proposed, &choices, texts, session.key_holder(), ask)?;
    }
    Ok(())
}

fn typed_case(texts: Texts, ask: &mut dyn Ask) -> Outcome<String> {
    let some = |text: &str| {
        if text.trim().is_empty() {
            Err(texts.say("error.value-empty").to_owned())
        } else {
            Ok(())
        }
    };
    let typed = ask.text(texts.say("column.case"), texts.say("form.case"), &some)?;
    Ok(typed.trim().to_owned())
}

/// Asks for a kind of act: first what it is about, then what is done.
fn any_kind(texts: Texts, ask: &mut dyn Ask, fits: impl Fn(EventKind) -> bool) -> Outcome<EventKind> {
    let all = || EventKind::ALL.iter().copied().filter(|kind| fits(*kind));
    let abouts: Vec<CaseKind> = CaseKind::ALL
        .iter()
        .copied()
        .filter(|about| all().any(|kind| kind.case_kind() == *about))
        .collect();
    let shown: Vec<String> = abouts
        .iter()
        .map(|about| texts.name("case-kind", about.as_str()).to_owned())
        .collect();
    let place = ask.select(texts.say("prompt.about"), &shown)?;
    let about = abouts.get(place).copied();
    let kinds: Vec<EventKind> = all().filter(|kind| Some(kind.case_kind()) == about).collect();
    one_kind(texts, ask, &kinds)
}

fn one_kind(texts: Texts, ask: &mut dyn Ask, kinds: &[EventKind]) -> Outcome<EventKind> {
    if let [only] = kinds {
        return Ok(*only);
    }
    let shown: Vec<String> = kinds.iter().map(|kind| texts.kind_with_id(*kind)).collect();
    let place = ask.select(texts.say("prompt.kind"), &shown)?;
    kinds
        .get(place)
        .copied()
        .ok_or_else(|| Failure::invalid("error.no-kind").hint("hint.kind"))
}

impl Guide {
    /// Connects; none where no node is named or none answers, since a draft can be written without one.
    fn open(session: &Session) -> Option<Self> {
        let connection = session.connect().ok()?;
        let own = session.key_holder()?.department;
        Some(Self {
            connection,
            own,
            case: None,
        })
    }

    fn begin(&self, session: &Session, texts: Texts, ask: &mut dyn Ask) -> Outcome<Form> {
        let query = api::InboxQuery {
            department: self.own.to_string(),
            post: session.settings.post.clone(),
        };
        let inbox: Answer = self.connection.node.read(&with_query(api::path::INBOX, &query))?;
        let mut waiting: Vec<&Value> = rows_of(&inbox.data, "owed");
        let mut seen = BTreeSet::new();
        waiting.retain(|line| seen.insert(plain(member(line, &["case"]))));
        let mut shown: Vec<String> = waiting.iter().map(|line| case_label(texts, line)).collect();
        shown.push(texts.say("prompt.something-new").to_owned());
        shown.push(texts.say("prompt.another-case").to_owned());
        let place = ask.select(texts.say("prompt.which"), &shown)?;
        if place == waiting.len() {
            let kind = any_kind(texts, ask, |kind| kind.opens_case() && self.may_open(kind))?;
            return Ok(Form::new(kind));
        }
        let number = match waiting.get(place) {
            Some(line) => plain(member(line, &["number", "case"])),
            None => typed_case(texts, ask)?,
        };
        let id = refer::case_id(&self.connection.node, &number)?;
        let case = Case::read(&self.connection, &id)?;
        let own = case
            .next
            .iter()
            .filter(|act| act.by.iter().any(|by| by == self.own.as_str()));
        let kinds: Vec<EventKind> = own.filter_map(|act| EventKind::parse(&act.kind)).collect();
        if kinds.is_empty() {
            return Err(Failure::refusal("error.nothing-to-do").with("case", number));
        }
        let mut form = Form::new(one_kind(texts, ask, &kinds)?);
        form.head.case = Some(number);
        Ok(form)
    }

    /// Says whether the department has a role that may open such a case.
    fn may_open(&self, kind: EventKind) -> bool {
        let registry = self.connection.trust.registry();
        let version = registry.newest().version;
        let rule = table_of(kind.case_kind()).and_then(|table| table.rule(kind));
        rule.is_some_and(|rule| {
            rule.who
                .iter()
                .any(|(_, role)| role.is_none_or(|role| registry.has_role(&self.own, role, version)))
        })
    }

    /// Finds the case of an act, asking where the form names none; warns where the act cannot be done in it now.
    fn choose_case(&mut self, form: &mut Form, output: &mut Output, ask: &mut dyn Ask) -> Outcome {
        let texts = output.texts;
        let number = match &form.head.case {
            Some(number) => number.clone(),
            None => {
                let query = api::CaseQuery {
                    kind: Some(form.kind.case_kind().as_str().to_owned()),
                    department: Some(self.own.to_string()),
                    stage: None,
                };
                let cases: Answer = self.connection.node.read(&with_query(api::path::CASES, &query))?;
                let rows = rows_of(&cases.data, "cases");
                let mut shown: Vec<String> = rows.iter().map(|row| case_label(texts, row)).collect();
                shown.push(texts.say("prompt.another-case").to_owned());
                let place = ask.select(texts.say("column.case"), &shown)?;
                match rows.get(place) {
                    Some(row) => plain(member(row, &["number", "case"])),
                    None => typed_case(texts, ask)?,
                }
            }
        };
        let id = refer::case_id(&self.connection.node, &number)?;
        let case = Case::read(&self.connection, &id)?;
        if case.act(form.kind, &self.own).is_none() {
            output.warning(&texts.fill(
                "ui.not-possible-now",
                &[("kind", &texts.kind(form.kind.as_str())), ("case", &number)],
            ));
        }
        form.head.case = Some(number);
        self.case = Some(case);
        Ok(())
    }

    /// Adds what can be chosen: items, events, posts and officers.
    fn offer(&self, form: &Form, choices: &mut Choices, texts: Texts) {
        if let Some(case) = &self.case {
            if let Some(act) = case.act(form.kind, &self.own) {
                let numbers = act.items.iter().filter(|number| **number > 0);
                choices.items = numbers.map(|number| (*number, case.item_name(*number))).collect();
            }
            let guard = table_of(form.kind.case_kind())
                .and_then(|table| table.rule(form.kind))
                .map(|rule| rule.guard);
            if let Some(Guard::Names(field, kind) | Guard::NamesNewest(field, kind)) = guard {
                let offset = self.connection.offset_minutes();
                let mut rows = trail_rows(&case.trail.data);
                rows.retain(|row| {
                    member(row, &["kind"]).as_str() == Some(kind.as_str())
                        && member(row, &["standing"]).as_str() != Some("void")
                });
                rows.reverse();
                let offered = rows.into_iter().map(|row| {
                    let at = local_time(&plain(member(row, &["recorded"])), offset);
                    let by = plain(member(row, &["by"]));
                    (
                        plain(member(row, &["event"])),
                        format!("{at} {} ({by})", texts.kind(kind.as_str())),
                    )
                });
                choices.events.insert(field.to_owned(), offered.collect());
            }
        }
        let path = api::fill(api::path::ROSTER, &[self.own.as_str()]);
        let roster: Result<Answer<RosterBody>, _> = self.connection.node.read(&path);
        if let Ok(roster) = roster {
            let posts = roster.data.posts.iter();
            choices.posts = posts
                .map(|post| {
                    (
                        post.id.clone(),
                        named(texts, &post.name_en, &post.name_zh, &post.id),
                    )
                })
                .collect();
            let officers = roster.data.officers.iter();
            choices.officers = officers
                .map(|officer| (officer.id.clone(), officer.id.clone()))
                .collect();
        }
        // Whoever is only now put on the roster is on no list yet.
        if matches!(
            form.kind,
            EventKind::RosterPostCreated | EventKind::RosterEnrolled
        ) {
            choices.posts.clear();
            choices.officers.clear();
        }
    }

    /// Lets the officer pick a published entry of the catalogue: it settles provider, version and class.
    fn choose_entry(&self, form: &mut Form, texts: Texts, ask: &mut dyn Ask) -> Outcome {
        if form.body.contains_key("entry") || form.body.contains_key("class") {
            return Ok(());
        }
        let catalogue: Answer = self.connection.node.read(api::path::CATALOGUE)?;
        let mut rows = rows_of(&catalogue.data, "catalogue");
        rows.retain(|row| {
            member(row, &["published"]).as_bool() == Some(true)
                && plain(member(row, &["provider"])) != self.own.as_str()
        });
        if rows.is_empty() {
            return Ok(());
        }
        let mut shown: Vec<String> = rows
            .iter()
            .map(|row| {
                let class = plain(member(row, &["content.class", "class"]));
                let name = plain(member(row, &["content.name", "name"]));
                let provider = self.department_name(&plain(member(row, &["provider"])), texts);
                format!("{name}  {provider}  {}", texts.code("class", &class))
            })
            .collect();
        shown.push(texts.say("prompt.no-entry").to_owned());
        let place = ask.select(texts.say("prompt.entry"), &shown)?;
        let Some(row) = rows.get(place) else { return Ok(()) };
        let mut set = |field: &str, value: Json| drop(form.body.insert(field.to_owned(), value));
        set("entry", Json::Text(plain(member(row, &["case"]))));
        if let Some(version) = member(row, &["version"]).as_i64() {
            set("entryVersion", Json::Int(version));
        }
        set(
            "class",
            Json::Text(plain(member(row, &["content.class", "class"]))),
        );
        if form.head.to.is_empty() {
            form.head.to = vec![plain(member(row, &["provider"]))];
        }
        let named: Vec<String> = list_of(member(row, &["content.dataItems"]))
            .map(|item| plain(member(item, &["name"])))
            .collect();
        if named.is_empty() || form.body.contains_key("items") {
            return Ok(());
        }
        let places = ask.several(texts.field("request.filed", "items"), &named, &[])?;
        let asked = places.iter().filter_map(|place| named.get(*place));
        let items: Vec<Json> = asked
            .zip(1..)
            .map(|(name, number)| {
                Json::object([("number", Json::Int(number)), ("name", Json::Text(name.clone()))])
            })
            .collect();
        if !items.is_empty() {
            form.body.insert("items".to_owned(), Json::Array(items));
        }
        Ok(())
    }

    fn department_name(&self, id: &str, texts: Texts) -> String {
        let registry = self.connection.trust.registry();
        let record = DepartmentId::parse(id)
            .ok()
            .and_then(|id| registry.department(&id, registry.newest().version));
        record.map_or_else(
            || id.to_owned(),
            |record| named(texts, &record.name_en, &record.name_zh, id),
        )
    }

    /// Returns whom the act concerns: by the node's knowledge of the case, and whom its own fields name.
    fn concerned(&self, form: &Form) -> Vec<String> {
        let act = self.case.as_ref().and_then(|case| case.act(form.kind, &self.own));
        let by_case = act.and_then(|act| act.to.get(self.own.as_str()));
        let by_case = by_case.into_iter().flatten().cloned();
        whole(form, by_case, &self.connection, &self.own)
    }
}

/// Joins whom the case, the fields and the opening of a case concern, without the department itself.
fn whole(
    form: &Form,
    by_case: impl Iterator<Item = String>,
    connection: &Connection,
    own: &DepartmentId,
) -> Vec<String> {
    let mut found: BTreeSet<String> = by_case.collect();
    found.extend(named_in(form));
    if form.kind.opens_case() {
        found.extend(next_after_opening(form.kind, connection, own));
    }
    found.remove(own.as_str());
    found.into_iter().collect()
}

/// Returns the departments with the role that owes the first step after an opening: those of the own area, where there are any.
fn next_after_opening(kind: EventKind, connection: &Connection, own: &DepartmentId) -> Vec<String> {
    let table = table_of(kind.case_kind());
    let owes = table.and_then(|table| table.stage(table.edge(kind, Stage::Start)?)?.owes);
    let Some(Who::Any(role)) = owes else {
        return Vec::new();
    };
    let registry = connection.trust.registry();
    let version = registry.newest().version;
    let place = |id: &DepartmentId| {
        let record = registry.department(id, version)?;
        Some((record.level.clone(), record.area.clone()))
    };
    let all = registry.role_holders(role, version);
    let near: Vec<String> = all
        .iter()
        .filter(|id| place(id) == place(own))
        .map(ToString::to_string)
        .collect();
    if near.is_empty() {
        all.iter().map(ToString::to_string).collect()
    } else {
        near
    }
}

/// Addresses an act on a case that names no addressee to those whom it concerns: one that is addressed to nobody counts as received
/// by all when it is recorded, which would take days from their clocks. Returns whether it did.
///
/// # Errors
/// A node that does not answer.
pub(super) fn address(
    form: &mut Form,
    case: Option<&CaseId>,
    connection: &Connection,
    own: &DepartmentId,
) -> Outcome<bool> {
    if !form.head.to.is_empty() || form.kind.case_kind() == CaseKind::Roster {
        return Ok(false);
    }
    let mut by_case = Vec::new();
    if let Some(case) = case {
        let query = api::NextActsQuery {
            case: case.to_string(),
        };
        let next: Answer<Vec<PossibleAct>> =
            connection.node.read(&with_query(api::path::NEXT_ACTS, &query))?;
        let acts = next.data.into_iter().filter(|act| act.kind == form.kind.as_str());
        by_case.extend(acts.filter_map(|mut act| act.to.remove(own.as_str())).flatten());
    }
    form.head.to = whole(form, by_case.into_iter(), connection, own);
    Ok(!form.head.to.is_empty())
}

/// Returns the departments that the fields of an act name and that it therefore concerns.
fn named_in(form: &Form) -> Vec<String> {
    let mut found = Vec::new();
    for field in form.kind.fields().iter().filter(|field| field.name != NAMED_ONLY) {
        match (field.kind, form.body.get(field.name)) {
            (FieldType::Department, Some(Json::Text(id))) => found.push(id.clone()),
            (FieldType::List(FieldType::Department, _), Some(Json::Array(list))) => {
                found.extend(list.iter().filter_map(Json::as_text).map(str::to_owned));
            }
            _ => {}
        }
    }
    // A finding is the issuer's own until it is sent to its object; a matter is not told to the one it is about.
    if form.kind == EventKind::FindingOpened
        || matches!(form.kind, EventKind::MatterProposed | EventKind::MatterInstructed)
    {
        found.clear();
    }
    found
}

/// Shows to whom the act goes, and lets the officer change it.
fn choose_addressees(
    form: &mut Form,
    proposed: &[String],
    choices: &Choices,
    texts: Texts,
    own: Option<Holder>,
    ask: &mut dyn Ask,
) -> Outcome {
    if !form.head.to.is_empty() || choices.departments.is_empty() {
        return Ok(());
    }
    let own = own.map(|holder| holder.department.to_string());
    let others = choices
        .departments
        .iter()
        .filter(|(id, _)| Some(id) != own.as_ref());
    let mut all: Vec<&(String, String)> = others.collect();
    all.sort_by_key(|(id, _)| !proposed.contains(id));
    let shown: Vec<String> = all.iter().map(|(_, name)| name.clone()).collect();
    if form.kind == EventKind::RequestFiled {
        let place = ask.select(texts.say("prompt.to-one"), &shown)?;
        form.head.to = all.get(place).map(|(id, _)| id.clone()).into_iter().collect();
        return Ok(());
    }
    let marked: Vec<usize> = (0..all.len().min(proposed.len())).collect();
    let places = ask.several(texts.say("prompt.to"), &shown, &marked)?;
    form.head.to = places
        .iter()
        .filter_map(|place| all.get(*place))
        .map(|(id, _)| id.clone())
        .collect();
    if form.head.to.is_empty() {
        form.head.to = vec![NOBODY.to_owned()];
    }
    Ok(())
}

fn case_label(texts: Texts, line: &Value) -> String {
    let due = plain(member(line, &["dueOn", "due"]));
    let status = explain::status_text(texts, member(line, &["due.status"]));
    let words = [
        plain(member(line, &["number", "case"])),
        texts
            .name("case-kind", &plain(member(line, &["kind"])))
            .to_owned(),
        plain(member(line, &["title"])),
        texts.name("stage", &plain(member(line, &["stage"]))).to_owned(),
        due,
        status,
    ];
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join("  ")
}

fn named(texts: Texts, en: &str, zh: &str, id: &str) -> String {
    let name = match texts.language {
        Language::En => en,
        Language::Zh => zh,
    };
    if name == id || name.is_empty() {
        id.to_owned()
    } else {
        format!("{name} ({id})")
    }
}

/// Returns departments, grounds and violations by name; empty without a genesis.
fn choices(session: &Session, texts: Texts) -> Choices {
    let Ok(trust) = session.trust() else {
        return Choices::default();
    };
    let registry = trust.registry();
    let departments = registry
        .departments(registry.newest().version)
        .map(|record| {
            let id = record.id.to_string();
            let name = named(texts, &record.name_en, &record.name_zh, &id);
            (id, name)
        })
        .collect();
    let own = session.key_holder().map(|holder| holder.department);
    let profile = own.and_then(|department| registry.profile_of(&department).cloned());
    let (grounds, cited, violations) = profile.map_or_else(Default::default, |profile| {
        let cited = profile
            .refusals
            .iter()
            .filter(|(_, ground)| ground.needs_citation);
        let cited = cited.map(|(code, _)| code.clone()).collect();
        let grounds = profile.refusals.iter().map(|(code, ground)| {
            (
                code.clone(),
                named(texts, &ground.names.en, &ground.names.zh, code),
            )
        });
        let violations = profile.violations.iter().map(|(code, violation)| {
            (
                code.clone(),
                named(texts, &violation.names.en, &violation.names.zh, code),
            )
        });
        (grounds.collect(), cited, violations.collect())
    });
    Choices {
        departments,
        grounds,
        cited,
        violations,
        ..Choices::default()
    }
}
