//! Rules of the law on the acts of one case: what is defective, and what the authority must see.
//!
//! A rule of the law never voids: the act stands, and the mark stands beside it. Acceptance refuses an officer's own new
//! act that carries a mark of weight [`Weight::Defect`]; the same act recorded from paper or imported is accepted, because
//! hiding offences is the one thing that an audit ledger must not do. An act that only admits or shows an offence of
//! somebody is a [`Weight::Flag`] and never refused.

use super::source::AsOf;
use super::state::{CaseState, Fact};
use super::timing;
use super::versions::{self, Version};
use super::{clocks, table_of};
use crate::rules::due::Flag as DueFlag;
use std::collections::BTreeMap;
use tally_schemas::event::{CaseKind, EventKind as K, SignerRole, Source};
use tally_schemas::id::{DepartmentId, EventId};
use tally_schemas::json::Json;
use tally_schemas::profile::{Article, ExtensionReach, Profile, SharingClass};

/// How much a mark weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Against a clear rule: a new own act is refused.
    Defect,
    /// An offence or an open question that the act shows; recorded, flagged, never refused.
    Flag,
    /// What the competent authority is told of.
    Alarm,
}

impl Weight {
    /// Returns the stable text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Defect => "defect",
            Self::Flag => "flag",
            Self::Alarm => "alarm",
        }
    }
}

/// What is wrong with an act, or notable about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The stable code.
    pub code: &'static str,
    /// How much it weighs.
    pub weight: Weight,
    /// Where the rule stands, by the profile; none where the profile names no place.
    pub article: Option<Article>,
    /// The code of the violation that it is or shows, if the profile knows it.
    pub violation: Option<String>,
    /// The values that it rests on.
    pub fields: BTreeMap<&'static str, String>,
}

impl Mark {
    /// Makes a mark without article, violation and values.
    pub fn new(code: &'static str, weight: Weight) -> Self {
        Self {
            code,
            weight,
            article: None,
            violation: None,
            fields: BTreeMap::new(),
        }
    }

    /// Names the place of the rule.
    #[must_use]
    pub fn at(self, article: Option<&Article>) -> Self {
        Self {
            article: article.cloned(),
            ..self
        }
    }

    /// Names the violation, with its article where none is named yet, if the profile knows it.
    #[must_use]
    pub fn violating(self, code: &str, profile: &Profile) -> Self {
        match profile.violations.get(code) {
            Some(violation) => Self {
                article: self.article.or_else(|| violation.article.clone()),
                violation: Some(code.to_owned()),
                ..self
            },
            None => self,
        }
    }

    /// Adds a value.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers, dates and codes are small and mostly made at the call"
    )]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.fields.insert(name, value.to_string());
        self
    }

    /// Returns `{code, weight, article?, violation?, fields}`.
    pub fn to_json(&self) -> Json {
        let mut members = BTreeMap::from([
            ("code".to_owned(), Json::from(self.code)),
            ("weight".to_owned(), Json::from(self.weight.as_str())),
            (
                "fields".to_owned(),
                Json::object(
                    self.fields
                        .iter()
                        .map(|(name, value)| (*name, Json::from(value.as_str()))),
                ),
            ),
        ]);
        if let Some(article) = &self.article {
            members.insert(
                "article".to_owned(),
                Json::object([
                    ("act", Json::from(article.act.as_str())),
                    ("at", Json::from(article.at.as_str())),
                ]),
            );
        }
        if let Some(violation) = &self.violation {
            members.insert("violation".to_owned(), Json::from(violation.as_str()));
        }
        Json::Object(members)
    }
}

/// Returns the marks for which a new act is refused: none for an act recorded from paper or imported.
pub fn refusals(marks: &[Mark], source: Source) -> Vec<&Mark> {
    let own = source == Source::Own;
    marks
        .iter()
        .filter(|mark| own && mark.weight == Weight::Defect)
        .collect()
}

/// Returns the marks of every act of a case that has any.
pub fn flags_of(state: &CaseState, asof: &AsOf<'_>) -> BTreeMap<EventId, Vec<Mark>> {
    let mut found: BTreeMap<EventId, Vec<Mark>> = BTreeMap::new();
    for (place, fact) in state.facts.iter().enumerate() {
        let marks = of_act(state, place, fact, asof);
        if !marks.is_empty() {
            found.insert(fact.entry.event, marks);
        }
    }
    of_clocks(state, asof, &mut found);
    for marks in found.values_mut() {
        marks.sort();
        marks.dedup();
    }
    found
}

/// Returns the marks of one act of a case. For an act that is not recorded yet: fold it into a copy of the case first.
pub fn flags_on(state: &CaseState, event: EventId, asof: &AsOf<'_>) -> Vec<Mark> {
    flags_of(state, asof).remove(&event).unwrap_or_default()
}

/// What the rules on one act read.
struct Act<'a> {
    state: &'a CaseState,
    /// The facts before it, in fold order.
    before: &'a [Fact],
    fact: &'a Fact,
    /// The profile of the department whose act it is.
    profile: &'a Profile,
    asof: &'a AsOf<'a>,
}

fn of_act(state: &CaseState, place: usize, fact: &Fact, asof: &AsOf<'_>) -> Vec<Mark> {
    let Some(profile) = asof.profile_of(&fact.by) else {
        return Vec::new();
    };
    let act = Act {
        state,
        before: state.facts.get(..place).unwrap_or(&[]),
        fact,
        profile,
        asof,
    };
    let mut marks = Vec::new();
    act.approval(&mut marks);
    match state.kind {
        CaseKind::Roster | CaseKind::Matter => {}
        CaseKind::Catalogue => act.catalogue(&mut marks),
        CaseKind::Request => act.request(&mut marks),
        CaseKind::Finding => act.finding(&mut marks),
        CaseKind::Task => act.task(&mut marks),
    }
    marks
}

impl<'a> Act<'a> {
    fn word(&self, field: &str) -> Option<&'a str> {
        self.fact.event.body.word(field)
    }

    /// Says whether the act shares an item with another.
    fn meets(&self, other: &Fact) -> bool {
        other.items.iter().any(|item| self.fact.items.contains(item))
    }

    fn earlier(&self, kind: K) -> impl DoubleEndedIterator<Item = &'a Fact> {
        self.before.iter().filter(move |fact| fact.kind == kind)
    }

    fn approval(&self, marks: &mut Vec<Mark>) {
        let kind = self.fact.kind.as_str();
        let Some(approval) = self.profile.approval_of(kind) else {
            return;
        };
        let article = approval.article.as_ref();
        let signers = self.fact.event.signers.iter();
        let approver = signers
            .enumerate()
            .find(|(_, signer)| signer.is(SignerRole::Approver));
        let Some((line, approver)) = approver else {
            marks.push(
                Mark::new("approver-missing", Weight::Defect)
                    .at(article)
                    .with("duty", &approval.duty),
            );
            return;
        };
        let roster = {
            let entry = &self.fact.entry;
            let source = self.asof.source;
            source.roster_at(&self.fact.by, entry.origin.epoch, entry.index)
        };
        let (Some(roster), Some(officer)) = (roster, self.fact.officers.get(line)) else {
            return;
        };
        let day = self.asof.day_at(&self.fact.by, self.fact.recorded);
        if !roster.has_duty(officer, &approver.post, &approval.duty, day) {
            marks.push(
                Mark::new("approver-without-duty", Weight::Defect)
                    .at(article)
                    .with("duty", &approval.duty)
                    .with("post", &approver.post),
            );
        }
    }

    fn class_article(&self, class: SharingClass) -> Option<&'a Article> {
        self.profile.classes.get(&class)?.article.as_ref()
    }

    fn catalogue(&self, marks: &mut Vec<Mark>) {
        match self.fact.kind {
            K::CatalogueDrafted | K::CatalogueRevised => {
                self.content(marks);
                if let Some(last) = versions::all_in(self.before).last() {
                    self.stricter(last, marks);
                }
            }
            K::CatalogueSubmitted => {
                let content = self
                    .before
                    .iter()
                    .rposition(versions::is_content)
                    .and_then(|place| self.before.get(place..));
                let since = content.unwrap_or(&[]);
                let has = |kind: K| since.iter().any(|fact| fact.kind == kind);
                let approval = self.profile.approval_of(K::CatalogueApproved.as_str());
                let article = approval.and_then(|approval| approval.article.as_ref());
                if !has(K::CatalogueAssessed) {
                    marks.push(Mark::new("assessment-missing", Weight::Defect).at(article));
                }
                if !has(K::CatalogueApproved) {
                    marks.push(Mark::new("head-approval-missing", Weight::Defect).at(article));
                }
            }
            K::CataloguePublished => {
                let last = versions::all_in(self.before).last().map_or(0, |last| last.number);
                let number = self.fact.event.body.integer("version").unwrap_or(0);
                if number != last + 1 {
                    marks.push(
                        Mark::new("version-out-of-step", Weight::Defect)
                            .with("version", number)
                            .with("expected", last + 1),
                    );
                }
            }
            K::CatalogueUpdateExtended => {
                let given: i64 = self
                    .earlier(K::CatalogueUpdateExtended)
                    .filter_map(|fact| fact.event.body.integer("days"))
                    .sum();
                self.extension_days(tally_schemas::profile::ClockId::CatalogueUpdate, given, marks);
            }
            _ => {}
        }
    }

    fn content(&self, marks: &mut Vec<Mark>) {
        let Some(class) = versions::class_of(self.fact) else {
            return;
        };
        let article = self.class_article(class);
        let missing = |field: &&str| self.fact.event.body.json().member(field).is_none();
        match class {
            SharingClass::Unconditional => {}
            SharingClass::Conditional => {
                for field in ["scope", "purposes", "conditions"]
                    .iter()
                    .filter(|field| missing(field))
                {
                    marks.push(
                        Mark::new("conditional-without-scope", Weight::Defect)
                            .at(article)
                            .with("field", field),
                    );
                }
            }
            SharingClass::NoShare => {
                for field in ["noShareReason", "noShareCitation"]
                    .iter()
                    .filter(|field| missing(field))
                {
                    marks.push(
                        Mark::new("no-share-without-citation", Weight::Defect)
                            .at(article)
                            .with("field", field),
                    );
                }
            }
        }
    }

    /// Tells the authority of a stricter class and of conditions that the last version did not have.
    fn stricter(&self, last: &Version<'_>, marks: &mut Vec<Mark>) {
        let (Some(class), Some(was)) = (versions::class_of(self.fact), last.class()) else {
            return;
        };
        if class > was {
            marks.push(
                Mark::new("class-stricter", Weight::Alarm)
                    .violating("P2", self.profile)
                    .with("was", was)
                    .with("class", class)
                    .with("version", last.number),
            );
        }
        let conditions = |fact: &'a Fact| fact.event.body.list("conditions");
        let had = last.content.event.body.list("conditions");
        for added in conditions(self.fact)
            .iter()
            .filter(|condition| !had.contains(condition))
        {
            marks.push(
                Mark::new("condition-added", Weight::Alarm)
                    .violating("P2", self.profile)
                    .with("condition", added.as_text().unwrap_or_default())
                    .with("version", last.number),
            );
        }
    }

    /// Checks an extension against the most days in all.
    fn extension_days(&self, clock: tally_schemas::profile::ClockId, given: i64, marks: &mut Vec<Mark>) {
        let Some(clock) = self.profile.clock(clock) else {
            return;
        };
        let days = given + self.fact.event.body.integer("days").unwrap_or(0);
        let article = clock.article.as_ref();
        match &clock.extension {
            None => marks.push(Mark::new("extension-not-provided", Weight::Defect).at(article)),
            Some(extension) => {
                if days > i64::from(extension.amount_max) {
                    marks.push(
                        Mark::new("extension-too-long", Weight::Defect)
                            .at(article)
                            .with("days", days)
                            .with("daysMax", extension.amount_max),
                    );
                }
                if extension.reach == ExtensionReach::Arguable {
                    marks.push(Mark::new("unconditional-extension", Weight::Flag).at(article));
                }
            }
        }
    }

    fn request(&self, marks: &mut Vec<Mark>) {
        let class = clocks::class_of(self.state);
        match self.fact.kind {
            K::RequestFiled if !self.fact.event.body.flag("statement") => {
                let approval = self.profile.approval_of(K::RequestFiled.as_str());
                let article = approval.and_then(|approval| approval.article.as_ref());
                marks.push(Mark::new("statement-missing", Weight::Defect).at(article));
            }
            K::RequestSupplementAsked => {
                self.conformity(marks);
                let asked = self
                    .earlier(K::RequestSupplementAsked)
                    .filter(|fact| fact.overtaken.is_empty() && self.meets(fact) && fact.by == self.fact.by)
                    .count();
                let supplement = &self.profile.supplement;
                if u32::try_from(asked).is_ok_and(|asked| asked >= supplement.asks_max) {
                    marks.push(
                        Mark::new("second-supplement", Weight::Defect)
                            .at(supplement.article.as_ref())
                            .with("asksMax", supplement.asks_max),
                    );
                }
            }
            K::RequestExtensionRequested | K::RequestExtensionApproved => {
                let given: i64 = self
                    .earlier(K::RequestExtensionApproved)
                    .filter_map(|fact| fact.event.body.integer("days"))
                    .sum();
                let answer = class.and_then(|class| self.profile.answer_of(class));
                if let Some(answer) = answer {
                    self.extension_days(answer.clock, given, marks);
                }
            }
            K::RequestGranted => {
                self.conformity(marks);
                if let Some(class) = class {
                    self.granted(class, marks);
                }
            }
            K::RequestRefused => {
                self.conformity(marks);
                if let Some(class) = class {
                    self.refused(class, marks);
                }
            }
            K::RequestUsageReported => self.usage(marks),
            K::RequestChangeFiled | K::RequestEndFiled => {
                let proposal = self.fact.event.body.event("proposal");
                let consulted = self
                    .earlier(K::RequestChangeConsulted)
                    .any(|fact| fact.event.body.event("proposal") == proposal);
                if !consulted {
                    marks.push(
                        Mark::new("change-without-consultation", Weight::Defect)
                            .violating("P7", self.profile),
                    );
                }
            }
            _ => {}
        }
    }

    /// Flags what the provider did on a request that the authority had not checked, where it has to.
    fn conformity(&self, marks: &mut Vec<Mark>) {
        if !self.profile.has_conformity_check() {
            return;
        }
        let filed = self
            .before
            .iter()
            .rposition(|fact| matches!(fact.kind, K::RequestFiled | K::RequestRefiled));
        let since = filed.and_then(|place| self.before.get(place..)).unwrap_or(&[]);
        if !since.iter().any(|fact| fact.kind == K::RequestConformityChecked) {
            let clock = self
                .profile
                .clock(tally_schemas::profile::ClockId::RequestConformity);
            marks.push(
                Mark::new("answer-without-conformity", Weight::Defect)
                    .at(clock.and_then(|clock| clock.article.as_ref())),
            );
        }
    }

    fn granted(&self, class: SharingClass, marks: &mut Vec<Mark>) {
        let conditions = self.fact.event.body.list("conditions").len();
        let attaches = self
            .profile
            .answer_of(class)
            .is_some_and(|answer| answer.conditions);
        if conditions > 0 && !attaches {
            marks.push(
                Mark::new("conditions-on-unconditional", Weight::Defect)
                    .violating("P2", self.profile)
                    .at(self.class_article(class))
                    .with("class", class)
                    .with("conditions", conditions),
            );
        }
        let body = &self.fact.event.body;
        if let (Some(from), Some(to)) = (body.date("from"), body.date("to"))
            && to < from
        {
            marks.push(
                Mark::new("grant-ends-before-it-begins", Weight::Defect)
                    .with("from", from)
                    .with("to", to),
            );
        }
    }

    fn refused(&self, class: SharingClass, marks: &mut Vec<Mark>) {
        let code = self.word("ground").unwrap_or_default();
        if class == SharingClass::Unconditional {
            marks.push(
                Mark::new("refusal-of-unconditional", Weight::Alarm)
                    .at(self.class_article(class))
                    .with("ground", code),
            );
        }
        let Some(ground) = self.profile.refusals.get(code) else {
            marks.push(Mark::new("refusal-ground-unknown", Weight::Defect).with("ground", code));
            return;
        };
        let article = ground.article.as_ref();
        if ground.classes.is_empty() {
            let supplement = &self.profile.supplement.article;
            let incomplete = supplement.is_some() && ground.article == *supplement;
            let mark = if incomplete {
                "refusal-for-incomplete-materials"
            } else {
                "refusal-ground-ruled-out"
            };
            marks.push(Mark::new(mark, Weight::Defect).at(article).with("ground", code));
        } else if !ground.classes.contains(&class) {
            marks.push(
                Mark::new("refusal-ground-not-allowed", Weight::Defect)
                    .at(self.class_article(class))
                    .with("ground", code)
                    .with("class", class),
            );
        }
        if ground.needs_citation && self.word("citation").is_none() && self.fact.event.legal_basis.is_empty()
        {
            marks.push(
                Mark::new("refusal-without-citation", Weight::Defect)
                    .at(article)
                    .with("ground", code),
            );
        }
        if ground.redirects && self.word("otherSource").is_none() {
            marks.push(
                Mark::new("refusal-names-no-source", Weight::Alarm)
                    .at(article)
                    .with("ground", code),
            );
        }
        if ground.flagged && !ground.classes.is_empty() {
            marks.push(
                Mark::new("refusal-ground-unclear", Weight::Alarm)
                    .at(article)
                    .with("ground", code),
            );
        }
    }

    fn usage(&self, marks: &mut Vec<Mark>) {
        let last_use = self.fact.event.body.date("to");
        for item in &self.fact.items {
            let on_item = || self.before.iter().filter(|fact| fact.items.contains(item));
            let granted = on_item().filter(|fact| matches!(fact.kind, K::RequestGranted | K::RequestRenewed));
            let expiry = granted.filter_map(|fact| fact.event.body.date("to")).next_back();
            if let (Some(expiry), Some(last_use)) = (expiry, last_use)
                && last_use > expiry
            {
                marks.push(
                    Mark::new("use-after-expiry", Weight::Flag)
                        .violating("R2", self.profile)
                        .with("item", item)
                        .with("expiry", expiry)
                        .with("usedUntil", last_use),
                );
            }
            let mut up: BTreeMap<&DepartmentId, &Fact> = BTreeMap::new();
            for fact in on_item().filter(|fact| !fact.overtaken.contains_key(item)) {
                match fact.kind {
                    K::RequestSuspended => drop(up.insert(&fact.by, fact)),
                    K::RequestLifted => drop(up.remove(&fact.by)),
                    _ => {}
                }
            }
            for (setter, suspended) in up {
                let since = self.asof.day_at(setter, suspended.recorded);
                if last_use.is_some_and(|last_use| last_use > since) {
                    marks.push(
                        Mark::new("usage-while-suspended", Weight::Flag)
                            .violating("R2", self.profile)
                            .with("item", item)
                            .with("suspendedBy", setter)
                            .with("since", since),
                    );
                }
            }
        }
    }

    fn finding(&self, marks: &mut Vec<Mark>) {
        match self.fact.kind {
            K::FindingOpened => {
                if self.word("basis") == Some("inspection") && self.fact.event.mandate.is_none() {
                    marks.push(Mark::new("mandate-missing", Weight::Defect));
                }
                self.known_violation(marks);
            }
            K::FindingAmended => self.known_violation(marks),
            K::FindingEvidenceSubmitted => {
                let body = &self.fact.event.body;
                if self.fact.event.attachments.is_empty() && body.list("related").is_empty() {
                    marks.push(Mark::new("evidence-missing", Weight::Flag));
                }
            }
            K::FindingVerified => {
                self.independent(&[K::FindingEvidenceSubmitted, K::FindingPlanSubmitted], marks);
            }
            _ => {}
        }
    }

    fn known_violation(&self, marks: &mut Vec<Mark>) {
        if let Some(code) = self.word("violation")
            && !self.profile.violations.contains_key(code)
        {
            marks.push(Mark::new("violation-unknown", Weight::Defect).with("violation", code));
        }
    }

    /// Flags a verifier who did part of what it verifies, perhaps before it was handed to another.
    fn independent(&self, work: &[K], marks: &mut Vec<Mark>) {
        let own = self
            .before
            .iter()
            .find(|fact| work.contains(&fact.kind) && fact.by == self.fact.by);
        let assists = self.state.opening().is_some_and(|opening| {
            let assisting = opening.event.body.list("assisting").iter();
            assisting
                .filter_map(Json::as_text)
                .any(|department| department == self.fact.by.as_str())
        });
        if own.is_some() || assists {
            marks.push(Mark::new("self-verified", Weight::Defect).with("department", &self.fact.by));
        }
    }

    fn task(&self, marks: &mut Vec<Mark>) {
        match self.fact.kind {
            K::TaskClaimed if self.fact.event.attachments.is_empty() => {
                marks.push(Mark::new("evidence-missing", Weight::Flag).violating("T2", self.profile));
            }
            K::TaskVerified => self.independent(
                &[K::TaskClaimed, K::TaskProgressReported, K::TaskHandedOver],
                marks,
            ),
            _ => {}
        }
    }
}

/// Adds the marks that need days: what an extension or supplement lacks.
fn of_clocks(state: &CaseState, asof: &AsOf<'_>, found: &mut BTreeMap<EventId, Vec<Mark>>) {
    let asks = matches!(state.kind, CaseKind::Request | CaseKind::Catalogue);
    if !asks || table_of(state.kind).is_none() {
        return;
    }
    for timed in timing::of(state, asof) {
        let Some(due) = &timed.due else { continue };
        let article = match &due.basis {
            crate::rules::due::Basis::Clock { clock, .. } => clock.article.clone(),
            crate::rules::due::Basis::Stated { .. } => None,
        };
        let mut put = |event: EventId, mark: Mark| {
            let marks = found.entry(event).or_default();
            let mark = mark.at(article.as_ref());
            if !marks.contains(&mark) {
                marks.push(mark);
            }
        };
        let clock = &timed.clock;
        let on = |event: EventId| state.fact(event).map(|fact| asof.done_on(fact));
        for flag in &due.flags {
            match *flag {
                DueFlag::SupplementAskedLate { asked, due } => {
                    let late = clock.supplements.iter().map(|supplement| supplement.asked);
                    for event in late.filter(|event| on(*event) == Some(asked)) {
                        put(event, Mark::new("supplement-late", Weight::Flag).with("due", due));
                    }
                }
                DueFlag::ExtensionFiledLate { filed, due } => {
                    let late = clock.extensions.iter().map(|extension| extension.requested);
                    for event in late.filter(|event| on(*event) == Some(filed)) {
                        put(event, Mark::new("extension-late", Weight::Flag).with("due", due));
                    }
                }
                DueFlag::ExtensionConsentedLate { consented, due } => {
                    let late = clock.extensions.iter().filter_map(|extension| extension.decision);
                    for (event, _) in late.filter(|(event, _)| on(*event) == Some(consented)) {
                        put(event, Mark::new("extension-late", Weight::Flag).with("due", due));
                    }
                }
                DueFlag::ExtensionNotifiedLate { notified, due } => {
                    let late = clock.extensions.iter().filter_map(|extension| extension.notified);
                    for event in late.filter(|event| on(*event) == Some(notified)) {
                        put(event, Mark::new("extension-late", Weight::Flag).with("due", due));
                    }
                }
                DueFlag::ExtensionNotNotified { consented } => {
                    // Until the answer or the original last day there is still time to tell.
                    let original = match due.main.outcome {
                        crate::rules::due::Outcome::Runs { original_due, .. } => Some(original_due),
                        crate::rules::due::Outcome::Suspended { .. } => None,
                    };
                    let by = timed.ended_on.unwrap_or_else(|| asof.today(&state.first_asked));
                    if timed.is_running() && original.is_none_or(|original| by <= original) {
                        continue;
                    }
                    let decided = clock.extensions.iter().filter_map(|extension| extension.decision);
                    for (event, _) in decided.filter(|(event, _)| on(*event) == Some(consented)) {
                        put(event, Mark::new("extension-not-notified", Weight::Flag));
                    }
                }
                // Counted without days, on the act itself.
                DueFlag::SupplementRepeated { .. }
                | DueFlag::SupplementLapsed { .. }
                | DueFlag::ExtensionNotProvided { .. }
                | DueFlag::ExtensionPending { .. }
                | DueFlag::ExtensionOverMax { .. }
                | DueFlag::ExtensionArguable { .. } => {}
            }
        }
    }
}
