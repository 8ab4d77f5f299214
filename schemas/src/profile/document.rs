//! The document form of a profile: strict reading from JSON, and writing back.

use super::{
    Act, Approval, Approvals, Article, ClassAnswer, ClassRule, Clock, ClockId, DayUnit, Extension,
    ExtensionReach, Force, LadderStep, Party, Profile, RefusalGround, Retention, Rung, SharingClass, Span,
    Start, Supplement, SupplementReading, Violation, Zone,
};
use crate::error::FormatError;
use crate::id::is_id;
use crate::json::Json;
use crate::limits::{CLOCK_DAYS_MAX, LADDER_STEPS_MAX, PROFILE_CODES_MAX};
use crate::members::{Members, code_of, join, text_of, wrong};
use crate::names::Names;
use std::collections::BTreeMap;

const WHAT: &str = "profile";
const SCHEMA: &str = "tally/profile/v1";

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// A field that is missing, unknown or has a wrong value, by its path; a required clock that is not set; an article of an
    /// act, a violation or a clock that the profile does not hold.
    pub fn from_json(json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, "", json)?;
        let schema = members.text("schema")?;
        if schema != SCHEMA {
            return Err(FormatError::UnknownVersion {
                what: WHAT,
                got: schema.chars().take(60).collect(),
            });
        }
        let profile = Self {
            id: members.id("id")?,
            version: members.count("version", u32::MAX)?,
            names: Names::read(WHAT, "names", members.must("names")?)?,
            zone: Zone::read(members.must("zone")?)?,
            calendar: members.id("calendar")?,
            acts: read_table(&mut members, "acts", is_id, Act::read)?,
            clocks: read_keyed(&mut members, "clocks", ClockId::ALL, ClockId::as_str, Clock::read)?,
            supplement: Supplement::read(members.must("supplement")?)?,
            classes: read_keyed(
                &mut members,
                "classes",
                SharingClass::ALL,
                SharingClass::as_str,
                ClassRule::read,
            )?,
            refusals: read_table(&mut members, "refusals", is_code, RefusalGround::read)?,
            violations: read_table(&mut members, "violations", is_code, Violation::read)?,
            approvals: Approvals::read(members.must("approvals")?)?,
            deemed_receipt_after: match members.maybe("deemedReceiptAfter") {
                Some(value) => Some(Span::read("deemedReceiptAfter", value)?),
                None => None,
            },
            ladder: read_ladder(&mut members)?,
            retention: Retention::read(members.must("retention")?)?,
            review_pauses_rectification: members.flag("reviewPausesRectification")?,
        };
        members.finish()?;
        profile.check()?;
        Ok(profile)
    }

    /// Returns the value that [`Profile::from_json`] reads.
    pub fn to_json(&self) -> Json {
        let mut out = BTreeMap::from([
            ("schema".to_owned(), Json::from(SCHEMA)),
            ("id".to_owned(), Json::from(self.id.as_str())),
            ("version".to_owned(), Json::from(self.version)),
            ("names".to_owned(), self.names.to_json()),
            ("zone".to_owned(), self.zone.to_json()),
            ("calendar".to_owned(), Json::from(self.calendar.as_str())),
            ("acts".to_owned(), write_table(&self.acts, Act::to_json)),
            ("supplement".to_owned(), self.supplement.to_json()),
            (
                "refusals".to_owned(),
                write_table(&self.refusals, RefusalGround::to_json),
            ),
            (
                "violations".to_owned(),
                write_table(&self.violations, Violation::to_json),
            ),
            ("approvals".to_owned(), self.approvals.to_json()),
            ("retention".to_owned(), self.retention.to_json()),
            (
                "reviewPausesRectification".to_owned(),
                Json::Bool(self.review_pauses_rectification),
            ),
        ]);
        let clocks = self
            .clocks
            .iter()
            .map(|(id, clock)| (id.as_str(), clock.to_json()));
        out.insert("clocks".to_owned(), Json::object(clocks));
        let classes = self
            .classes
            .iter()
            .map(|(class, rule)| (class.as_str(), rule.to_json()));
        out.insert("classes".to_owned(), Json::object(classes));
        let ladder = self.ladder.iter().map(LadderStep::to_json).collect();
        out.insert("ladder".to_owned(), Json::Array(ladder));
        if let Some(span) = &self.deemed_receipt_after {
            out.insert("deemedReceiptAfter".to_owned(), span.to_json());
        }
        Json::Object(out)
    }

    fn check(&self) -> Result<(), FormatError> {
        for id in ClockId::ALL {
            if id.is_required() && !self.clocks.contains_key(id) {
                return Err(wrong(WHAT, &join("clocks", id.as_str()), "is missing"));
            }
        }
        for class in SharingClass::ALL {
            if !self.classes.contains_key(class) {
                return Err(wrong(WHAT, &join("classes", class.as_str()), "is missing"));
            }
        }
        for (id, clock) in &self.clocks {
            let place = join("clocks", id.as_str());
            self.check_article(&place, clock.article.as_ref())?;
            if clock.force == Force::Law && clock.article.is_none() {
                return Err(wrong(
                    WHAT,
                    &join(&place, "article"),
                    "is missing; a clock of law cites where it stands",
                ));
            }
            if let Some(code) = clock
                .violation
                .as_ref()
                .filter(|code| !self.violations.contains_key(*code))
            {
                return Err(wrong(
                    WHAT,
                    &join(&place, "violation"),
                    format!("{code:?} is not among `violations`"),
                ));
            }
        }
        for (class, rule) in &self.classes {
            let place = join("classes", class.as_str());
            self.check_article(&place, rule.article.as_ref())?;
            if let Some(answer) = rule
                .answer
                .as_ref()
                .filter(|answer| !self.clocks.contains_key(&answer.clock))
            {
                return Err(wrong(
                    WHAT,
                    &join(&place, "answer"),
                    format!("clock {} is not set", answer.clock),
                ));
            }
        }
        for (code, ground) in &self.refusals {
            self.check_article(&join("refusals", code), ground.article.as_ref())?;
        }
        for (code, violation) in &self.violations {
            self.check_article(&join("violations", code), violation.article.as_ref())?;
        }
        for (kind, approval) in &self.approvals.kinds {
            self.check_article(&join("approvals.kinds", kind), approval.article.as_ref())?;
        }
        self.check_article("supplement", self.supplement.article.as_ref())?;
        self.check_article("retention", self.retention.article.as_ref())
    }

    fn check_article(&self, place: &str, article: Option<&Article>) -> Result<(), FormatError> {
        match article {
            Some(article) if !self.acts.contains_key(&article.act) => Err(wrong(
                WHAT,
                &join(place, "article"),
                format!("act {:?} is not among `acts`", article.act),
            )),
            _ => Ok(()),
        }
    }
}

/// Says whether a text is a code of a profile: 1 to 40 characters of `A-Z`, `0-9`, `_`.
fn is_code(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
}

fn is_kind(text: &str) -> bool {
    text.split_once('.')
        .is_some_and(|(case, event)| is_id(case) && is_id(event))
}

fn read_table<T>(
    members: &mut Members<'_>,
    name: &'static str,
    is_key: fn(&str) -> bool,
    read: fn(&str, &Json) -> Result<T, FormatError>,
) -> Result<BTreeMap<String, T>, FormatError> {
    let mut out = BTreeMap::new();
    for (key, value) in members.table(name, PROFILE_CODES_MAX)? {
        let place = join(&members.place(name), key);
        if !is_key(key) {
            return Err(wrong(WHAT, &place, "is not of the form of the other keys here"));
        }
        out.insert(key.clone(), read(&place, value)?);
    }
    Ok(out)
}

fn read_keyed<K: Copy + Ord, T>(
    members: &mut Members<'_>,
    name: &'static str,
    all: &[K],
    as_str: fn(K) -> &'static str,
    read: fn(&str, &Json) -> Result<T, FormatError>,
) -> Result<BTreeMap<K, T>, FormatError> {
    let mut out = BTreeMap::new();
    for (key, value) in members.table(name, PROFILE_CODES_MAX)? {
        let place = join(name, key);
        let id = code_of(WHAT, &place, key, all, as_str)?;
        out.insert(id, read(&place, value)?);
    }
    Ok(out)
}

fn write_table<T>(table: &BTreeMap<String, T>, write: fn(&T) -> Json) -> Json {
    Json::object(table.iter().map(|(key, value)| (key.clone(), write(value))))
}

fn read_ladder(members: &mut Members<'_>) -> Result<Vec<LadderStep>, FormatError> {
    let mut out = Vec::new();
    for (place, value) in members.array("ladder", LADDER_STEPS_MAX)?.iter().enumerate() {
        let path = format!("ladder[{place}]");
        let mut step = Members::open(WHAT, &path, value)?;
        out.push(LadderStep {
            after: Span::read(&join(&path, "after"), step.must("after")?)?,
            to: step.code("to", Rung::ALL, Rung::as_str)?,
        });
        step.finish()?;
    }
    Ok(out)
}

fn read_article(path: &str, members: &mut Members<'_>) -> Result<Option<Article>, FormatError> {
    let Some(value) = members.maybe("article") else {
        return Ok(None);
    };
    let mut article = Members::open(WHAT, &join(path, "article"), value)?;
    let read = Article {
        act: article.id("act")?,
        at: article.text("at")?,
    };
    article.finish()?;
    Ok(Some(read))
}

/// Collects the members of an object, leaving out what is absent.
fn object(members: impl IntoIterator<Item = (&'static str, Option<Json>)>) -> Json {
    Json::object(
        members
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| (key, value))),
    )
}

impl Article {
    /// Returns the value as written in documents.
    pub fn to_json(&self) -> Json {
        Json::object([
            ("act", Json::from(self.act.as_str())),
            ("at", Json::from(self.at.as_str())),
        ])
    }
}

impl Zone {
    fn read(json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, "zone", json)?;
        let name = members.text("name")?;
        // The widest offsets in use are UTC-12 and UTC+14.
        let offset = members.int("offsetMinutes", -12 * 60, 14 * 60)?;
        let offset_minutes =
            i32::try_from(offset).map_err(|_| members.wrong("offsetMinutes", "out of range"))?;
        members.finish()?;
        Ok(Self { name, offset_minutes })
    }

    fn to_json(&self) -> Json {
        Json::object([
            ("name", Json::from(self.name.as_str())),
            ("offsetMinutes", Json::from(self.offset_minutes)),
        ])
    }
}

impl Act {
    fn read(path: &str, json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, path, json)?;
        let names = Names::read(WHAT, &join(path, "names"), members.must("names")?)?;
        let number = match members.maybe("number") {
            Some(_) => Some(members.text("number")?),
            None => None,
        };
        let since = match members.maybe("since") {
            Some(_) => Some(members.date("since")?),
            None => None,
        };
        members.finish()?;
        Ok(Self { names, number, since })
    }

    fn to_json(&self) -> Json {
        object([
            ("names", Some(self.names.to_json())),
            ("number", self.number.as_deref().map(Json::from)),
            ("since", self.since.map(|date| Json::from(date.to_string()))),
        ])
    }
}

impl Span {
    fn read(path: &str, json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, path, json)?;
        let span = Self {
            amount: members.count("amount", CLOCK_DAYS_MAX)?,
            unit: members.code("unit", DayUnit::ALL, DayUnit::as_str)?,
        };
        members.finish()?;
        Ok(span)
    }

    /// Returns the value as written in documents.
    pub fn to_json(&self) -> Json {
        Json::object([
            ("amount", Json::from(self.amount)),
            ("unit", Json::from(self.unit.as_str())),
        ])
    }
}

impl Clock {
    fn read(path: &str, json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, path, json)?;
        let clock = Self {
            names: Names::read(WHAT, &join(path, "names"), members.must("names")?)?,
            limit: Span {
                amount: members.count("amount", CLOCK_DAYS_MAX)?,
                unit: members.code("unit", DayUnit::ALL, DayUnit::as_str)?,
            },
            start: members.code("start", Start::ALL, Start::as_str)?,
            owes: members.code("owes", Party::ALL, Party::as_str)?,
            force: members.code("force", Force::ALL, Force::as_str)?,
            article: read_article(path, &mut members)?,
            extension: match members.maybe("extension") {
                Some(value) => Some(Extension::read(&join(path, "extension"), value)?),
                None => None,
            },
            violation: match members.maybe("violation") {
                Some(_) => Some(members.text("violation")?),
                None => None,
            },
        };
        members.finish()?;
        Ok(clock)
    }

    fn to_json(&self) -> Json {
        object([
            ("names", Some(self.names.to_json())),
            ("amount", Some(Json::from(self.limit.amount))),
            ("unit", Some(Json::from(self.limit.unit.as_str()))),
            ("start", Some(Json::from(self.start.as_str()))),
            ("owes", Some(Json::from(self.owes.as_str()))),
            ("force", Some(Json::from(self.force.as_str()))),
            ("article", self.article.as_ref().map(Article::to_json)),
            ("extension", self.extension.as_ref().map(Extension::to_json)),
            ("violation", self.violation.as_deref().map(Json::from)),
        ])
    }
}

impl Extension {
    fn read(path: &str, json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, path, json)?;
        let extension = Self {
            amount_max: members.count("amountMax", CLOCK_DAYS_MAX)?,
            consent_by: members.code("consentBy", Party::ALL, Party::as_str)?,
            notice_to: match members.maybe("noticeTo") {
                Some(_) => Some(members.code("noticeTo", Party::ALL, Party::as_str)?),
                None => None,
            },
            reach: members.code("reach", ExtensionReach::ALL, ExtensionReach::as_str)?,
        };
        members.finish()?;
        Ok(extension)
    }

    fn to_json(&self) -> Json {
        object([
            ("amountMax", Some(Json::from(self.amount_max))),
            ("consentBy", Some(Json::from(self.consent_by.as_str()))),
            ("noticeTo", self.notice_to.map(|party| Json::from(party.as_str()))),
            ("reach", Some(Json::from(self.reach.as_str()))),
        ])
    }
}

impl Supplement {
    fn read(json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, "supplement", json)?;
        let supplement = Self {
            reading: members.code("reading", SupplementReading::ALL, SupplementReading::as_str)?,
            asks_max: members.count("asksMax", 16)?,
            article: read_article("supplement", &mut members)?,
        };
        members.finish()?;
        Ok(supplement)
    }

    fn to_json(&self) -> Json {
        object([
            ("reading", Some(Json::from(self.reading.as_str()))),
            ("asksMax", Some(Json::from(self.asks_max))),
            ("article", self.article.as_ref().map(Article::to_json)),
        ])
    }
}

impl ClassRule {
    fn read(path: &str, json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, path, json)?;
        let rule = Self {
            names: Names::read(WHAT, &join(path, "names"), members.must("names")?)?,
            article: read_article(path, &mut members)?,
            answer: match members.maybe("answer") {
                Some(value) => Some(ClassAnswer::read(&join(path, "answer"), value)?),
                None => None,
            },
        };
        members.finish()?;
        Ok(rule)
    }

    fn to_json(&self) -> Json {
        object([
            ("names", Some(self.names.to_json())),
            ("article", self.article.as_ref().map(Article::to_json)),
            ("answer", self.answer.as_ref().map(ClassAnswer::to_json)),
        ])
    }
}

impl ClassAnswer {
    fn read(path: &str, json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, path, json)?;
        let answer = Self {
            grantor: members.code("grantor", &[Party::Provider, Party::Authority], Party::as_str)?,
            clock: members.code("clock", ClockId::ALL, ClockId::as_str)?,
            conditions: members.flag("conditions")?,
        };
        members.finish()?;
        Ok(answer)
    }

    fn to_json(&self) -> Json {
        Json::object([
            ("grantor", Json::from(self.grantor.as_str())),
            ("clock", Json::from(self.clock.as_str())),
            ("conditions", Json::Bool(self.conditions)),
        ])
    }
}

impl RefusalGround {
    fn read(path: &str, json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, path, json)?;
        let mut classes = Vec::new();
        for (place, value) in members
            .array("classes", SharingClass::ALL.len())?
            .iter()
            .enumerate()
        {
            let item = format!("{path}.classes[{place}]");
            let text = text_of(WHAT, &item, value)?;
            let class = code_of(WHAT, &item, &text, SharingClass::ALL, SharingClass::as_str)?;
            if classes.last().is_some_and(|last| *last >= class) {
                return Err(wrong(
                    WHAT,
                    &item,
                    "expected each class once, in the order unconditional, conditional, no-share",
                ));
            }
            classes.push(class);
        }
        let ground = Self {
            names: Names::read(WHAT, &join(path, "names"), members.must("names")?)?,
            article: read_article(path, &mut members)?,
            classes,
            needs_citation: members.flag("needsCitation")?,
            redirects: members.flag("redirects")?,
            flagged: members.flag("flagged")?,
        };
        members.finish()?;
        Ok(ground)
    }

    fn to_json(&self) -> Json {
        let classes = self
            .classes
            .iter()
            .map(|class| Json::from(class.as_str()))
            .collect();
        object([
            ("names", Some(self.names.to_json())),
            ("article", self.article.as_ref().map(Article::to_json)),
            ("classes", Some(Json::Array(classes))),
            ("needsCitation", Some(Json::Bool(self.needs_citation))),
            ("redirects", Some(Json::Bool(self.redirects))),
            ("flagged", Some(Json::Bool(self.flagged))),
        ])
    }
}

impl Violation {
    fn read(path: &str, json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, path, json)?;
        let violation = Self {
            names: Names::read(WHAT, &join(path, "names"), members.must("names")?)?,
            article: read_article(path, &mut members)?,
        };
        members.finish()?;
        Ok(violation)
    }

    fn to_json(&self) -> Json {
        object([
            ("names", Some(self.names.to_json())),
            ("article", self.article.as_ref().map(Article::to_json)),
        ])
    }
}

impl Approvals {
    fn read(json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, "approvals", json)?;
        let approvals = Self {
            one_officer_as_both: members.flag("oneOfficerAsBoth")?,
            kinds: read_table(&mut members, "kinds", is_kind, Approval::read)?,
        };
        members.finish()?;
        Ok(approvals)
    }

    fn to_json(&self) -> Json {
        Json::object([
            ("oneOfficerAsBoth", Json::Bool(self.one_officer_as_both)),
            ("kinds", write_table(&self.kinds, Approval::to_json)),
        ])
    }
}

impl Approval {
    fn read(path: &str, json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, path, json)?;
        let approval = Self {
            duty: members.id("duty")?,
            article: read_article(path, &mut members)?,
        };
        members.finish()?;
        Ok(approval)
    }

    fn to_json(&self) -> Json {
        object([
            ("duty", Some(Json::from(self.duty.as_str()))),
            ("article", self.article.as_ref().map(Article::to_json)),
        ])
    }
}

impl LadderStep {
    fn to_json(&self) -> Json {
        Json::object([
            ("after", self.after.to_json()),
            ("to", Json::from(self.to.as_str())),
        ])
    }
}

impl Retention {
    fn read(json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, "retention", json)?;
        let retention = Self {
            usage_record_years: members.count("usageRecordYears", 100)?,
            article: read_article("retention", &mut members)?,
        };
        members.finish()?;
        Ok(retention)
    }

    fn to_json(&self) -> Json {
        object([
            ("usageRecordYears", Some(Json::from(self.usage_record_years))),
            ("article", self.article.as_ref().map(Article::to_json)),
        ])
    }
}
