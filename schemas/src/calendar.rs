//! Calendars: which days are working days, as data that governance adopts.
//!
//! A calendar is one layer: a nation states its weekend, public holidays and make-up workdays; a region states only the days
//! on which it differs. Laying them over each other and counting is `tally-ledger`'s part. Spec: schemas/spec/calendar.md.

use crate::error::FormatError;
use crate::json::Json;
use crate::limits::{
    CALENDAR_HOLIDAYS_MAX, CALENDAR_RANGE_DAYS_MAX, CALENDAR_RANGES_MAX, CALENDAR_YEARS_MAX,
    NOTICES_PER_YEAR_MAX,
};
use crate::members::{Members, code_of, codes, join, text_of, wrong};
use crate::names::Names;
use crate::time::{Date, Weekday};
use std::collections::BTreeMap;

/// One layer of a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// The id, the same in all versions.
    pub id: String,
    /// The version, from 1; a changed notice makes a new one.
    pub version: u32,
    /// What people call it.
    pub names: Names,
    /// What it lies on.
    pub layer: Layer,
    /// The yearly notices it was made from; absent when its days need no notice.
    pub notices: Option<Notices>,
    /// The holidays by id.
    pub holidays: BTreeMap<String, Names>,
    /// The days that differ from the layer below (for a nation: from the plain week), ascending, apart.
    pub days: Vec<DayRange>,
}

/// What a calendar lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// The plain week with these days off.
    Nation {
        /// The days of the week that are off, in the order of the week.
        weekend: Vec<Weekday>,
    },
    /// Another calendar.
    Region {
        /// The id of the calendar below.
        over: String,
    },
}

/// The yearly notices behind a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notices {
    /// References to the notices of each year; a year that is not listed has none yet.
    pub years: BTreeMap<i16, Vec<String>>,
    /// How many days at the end of a year the notice of the next year may still change.
    pub year_end_open_days: u32,
}

/// Days in a row with one mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayRange {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// Off or working.
    pub mark: DayMark,
    /// The id of the holiday that this is for.
    pub holiday: String,
}

codes! {
    /// What a calendar says of a day.
    DayMark {
        /// A public holiday, also where it falls on a weekend.
        Off "off";
        /// A working day although the layer below has it off.
        Work "work";
    }
}

const WHAT: &str = "calendar";
const SCHEMA: &str = "tally/calendar/v1";

const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

fn weekday_text(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

impl Calendar {
    /// Reads a calendar.
    ///
    /// # Errors
    /// A field that is missing, unknown or has a wrong value, by its path; ranges out of order or overlapping.
    pub fn from_json(json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, "", json)?;
        let schema = members.text("schema")?;
        if schema != SCHEMA {
            return Err(FormatError::UnknownVersion {
                what: WHAT,
                got: schema.chars().take(60).collect(),
            });
        }
        let id = members.id("id")?;
        let version = members.count("version", u32::MAX)?;
        let names = Names::read(WHAT, "names", members.must("names")?)?;
        let layer = read_layer(&mut members)?;
        let notices = match members.maybe("notices") {
            Some(value) => Some(Notices::read(value)?),
            None => None,
        };
        let mut holidays = BTreeMap::new();
        for (key, value) in members.table("holidays", CALENDAR_HOLIDAYS_MAX)? {
            let place = join("holidays", key);
            if !crate::id::is_id(key) {
                return Err(wrong(WHAT, &place, "expected a key of 1 to 40 of a-z 0-9 -"));
            }
            holidays.insert(key.clone(), Names::read(WHAT, &place, value)?);
        }
        let mut days: Vec<DayRange> = Vec::new();
        for (place, value) in members.array("days", CALENDAR_RANGES_MAX)?.iter().enumerate() {
            let path = format!("days[{place}]");
            let range = DayRange::read(&path, value, &holidays)?;
            if days.last().is_some_and(|last| range.from <= last.to) {
                return Err(wrong(
                    WHAT,
                    &path,
                    format!("{} does not lie after the range before it", range.from),
                ));
            }
            days.push(range);
        }
        members.finish()?;
        let calendar = Self {
            id,
            version,
            names,
            layer,
            notices,
            holidays,
            days,
        };
        calendar.check_marks()?;
        Ok(calendar)
    }

    /// Returns the value that [`Calendar::from_json`] reads.
    pub fn to_json(&self) -> Json {
        let mut out = BTreeMap::from([
            ("schema".to_owned(), Json::from(SCHEMA)),
            ("id".to_owned(), Json::from(self.id.as_str())),
            ("version".to_owned(), Json::from(self.version)),
            ("names".to_owned(), self.names.to_json()),
        ]);
        match &self.layer {
            Layer::Nation { weekend } => {
                let days: Vec<Json> = weekend.iter().map(|day| Json::from(weekday_text(*day))).collect();
                out.insert("weekend".to_owned(), Json::Array(days));
            }
            Layer::Region { over } => {
                out.insert("over".to_owned(), Json::from(over.as_str()));
            }
        }
        if let Some(notices) = &self.notices {
            out.insert("notices".to_owned(), notices.to_json());
        }
        let holidays = self
            .holidays
            .iter()
            .map(|(id, names)| (id.clone(), names.to_json()));
        out.insert("holidays".to_owned(), Json::object(holidays));
        let days = self.days.iter().map(DayRange::to_json).collect();
        out.insert("days".to_owned(), Json::Array(days));
        Json::Object(out)
    }

    /// Refuses a make-up workday that falls on a plain working day: nearly always a mistyped date.
    fn check_marks(&self) -> Result<(), FormatError> {
        let Layer::Nation { weekend } = &self.layer else {
            return Ok(());
        };
        for (place, range) in self.days.iter().enumerate() {
            let mut day = range.from;
            while range.mark == DayMark::Work && day <= range.to {
                if !weekend.contains(&day.weekday()) {
                    return Err(wrong(
                        WHAT,
                        &format!("days[{place}]"),
                        format!(
                            "{day} is a {}, a working day without any mark",
                            weekday_text(day.weekday())
                        ),
                    ));
                }
                day = day.plus_days(1);
            }
        }
        Ok(())
    }
}

fn read_layer(members: &mut Members<'_>) -> Result<Layer, FormatError> {
    if let Some(over) = members.maybe_id("over")? {
        if members.maybe("weekend").is_some() {
            return Err(members.wrong("weekend", "a calendar over another takes the weekend from it"));
        }
        return Ok(Layer::Region { over });
    }
    let mut weekend: Vec<Weekday> = Vec::new();
    for (place, value) in members.array("weekend", WEEKEND_DAYS_MAX)?.iter().enumerate() {
        let path = format!("weekend[{place}]");
        let text = text_of(WHAT, &path, value)?;
        let day = code_of(WHAT, &path, &text, &WEEK, weekday_text)?;
        let rank = |day: Weekday| WEEK.iter().position(|other| *other == day);
        if weekend.last().is_some_and(|last| rank(*last) >= rank(day)) {
            return Err(wrong(
                WHAT,
                &path,
                "expected each day once, in the order of the week from monday",
            ));
        }
        weekend.push(day);
    }
    Ok(Layer::Nation { weekend })
}

impl Notices {
    fn read(json: &Json) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, "notices", json)?;
        let open = members.int("yearEndOpenDays", 0, 31)?;
        let year_end_open_days =
            u32::try_from(open).map_err(|_| members.wrong("yearEndOpenDays", "out of range"))?;
        let mut years = BTreeMap::new();
        for (key, value) in members.table("years", CALENDAR_YEARS_MAX)? {
            let path = format!("notices.years.{key}");
            let year = Some(key)
                .filter(|key| key.len() == 4 && key.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|key| key.parse::<i16>().ok())
                .ok_or_else(|| wrong(WHAT, &path, "expected a year of four digits"))?;
            let list = value
                .as_array()
                .filter(|list| (1..=NOTICES_PER_YEAR_MAX).contains(&list.len()))
                .ok_or_else(|| {
                    wrong(
                        WHAT,
                        &path,
                        format!("expected 1 to {NOTICES_PER_YEAR_MAX} references"),
                    )
                })?;
            let texts: Result<Vec<String>, FormatError> =
                list.iter().map(|item| text_of(WHAT, &path, item)).collect();
            years.insert(year, texts?);
        }
        members.finish()?;
        Ok(Self {
            years,
            year_end_open_days,
        })
    }

    fn to_json(&self) -> Json {
        let years = self.years.iter().map(|(year, references)| {
            let list: Vec<Json> = references.iter().map(|text| Json::from(text.as_str())).collect();
            (format!("{year:04}"), Json::Array(list))
        });
        Json::object([
            ("years", Json::object(years)),
            ("yearEndOpenDays", Json::from(self.year_end_open_days)),
        ])
    }
}

impl DayRange {
    fn read(path: &str, json: &Json, holidays: &BTreeMap<String, Names>) -> Result<Self, FormatError> {
        let mut members = Members::open(WHAT, path, json)?;
        let from = members.date("from")?;
        let to = match members.maybe("to") {
            Some(_) => members.date("to")?,
            None => from,
        };
        if members.maybe("to").is_some() && to <= from {
            return Err(members.wrong(
                "to",
                format!("{to} does not lie after {from}; leave it out for one day"),
            ));
        }
        if to.days_since(from) >= CALENDAR_RANGE_DAYS_MAX {
            return Err(members.wrong("to", format!("over {CALENDAR_RANGE_DAYS_MAX} days from {from}")));
        }
        let mark = members.code("mark", DayMark::ALL, DayMark::as_str)?;
        let holiday = members.id("holiday")?;
        if !holidays.contains_key(&holiday) {
            return Err(members.wrong("holiday", format!("{holiday:?} is not among `holidays`")));
        }
        members.finish()?;
        Ok(Self {
            from,
            to,
            mark,
            holiday,
        })
    }

    fn to_json(&self) -> Json {
        let mut out = BTreeMap::from([
            ("from".to_owned(), Json::from(self.from.to_string())),
            ("mark".to_owned(), Json::from(self.mark.as_str())),
            ("holiday".to_owned(), Json::from(self.holiday.as_str())),
        ]);
        if self.to != self.from {
            out.insert("to".to_owned(), Json::from(self.to.to_string()));
        }
        Json::Object(out)
    }
}

/// The most days of the week that are off: counting working days must always come to an end.
const WEEKEND_DAYS_MAX: usize = 4;
