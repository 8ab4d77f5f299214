//! Due dates as plain data for API and command line: codes and values, no sentences.

use super::calendar::{CalendarVersion, DayKind};
use super::clock::Judgement;
use super::due::{Basis, Due, Flag, Lateness, Outcome, Reading, Run, Status};
use super::receipt::{Receipt, ReceiptDue};
use tally_schemas::json::Json;
use tally_schemas::profile::{Act, Article};
use tally_schemas::time::Date;

fn date(date: Date) -> Json {
    Json::from(date.to_string())
}

/// Collects members, leaving out what is absent.
fn object(members: impl IntoIterator<Item = (&'static str, Option<Json>)>) -> Json {
    Json::object(
        members
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| (key, value))),
    )
}

fn list<T>(items: &[T], write: impl Fn(&T) -> Json) -> Json {
    Json::Array(items.iter().map(write).collect())
}

impl CalendarVersion {
    /// Returns `{id, version}`.
    pub fn to_json(&self) -> Json {
        Json::object([
            ("id", Json::from(self.id.as_str())),
            ("version", Json::from(self.version)),
        ])
    }
}

impl DayKind {
    /// Returns `{kind, holiday?, names?}`.
    pub fn to_json(&self) -> Json {
        object([
            ("kind", Some(Json::from(self.code()))),
            (
                "holiday",
                self.holiday().map(|holiday| Json::from(holiday.id.as_str())),
            ),
            ("names", self.holiday().map(|holiday| holiday.names.to_json())),
        ])
    }
}

fn article(article: &Article, act: Option<&Act>) -> Json {
    object([
        ("act", Some(Json::from(article.act.as_str()))),
        ("at", Some(Json::from(article.at.as_str()))),
        ("names", act.map(|act| act.names.to_json())),
        (
            "number",
            act.and_then(|act| act.number.as_deref()).map(Json::from),
        ),
    ])
}

impl Basis {
    /// Returns what sets the date.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Clock { id, clock, act } => object([
                ("clock", Some(Json::from(id.as_str()))),
                ("names", Some(clock.names.to_json())),
                ("limit", Some(clock.limit.to_json())),
                ("start", Some(Json::from(clock.start.as_str()))),
                ("owes", Some(Json::from(clock.owes.as_str()))),
                ("force", Some(Json::from(clock.force.as_str()))),
                (
                    "article",
                    clock.article.as_ref().map(|place| article(place, act.as_ref())),
                ),
                ("violation", clock.violation.as_deref().map(Json::from)),
            ]),
            Self::Stated { owes, unit } => Json::object([
                ("stated", Json::Bool(true)),
                ("owes", Json::from(owes.as_str())),
                ("unit", Json::from(unit.as_str())),
            ]),
        }
    }
}

impl Due {
    /// Returns the due date with all that explains it.
    pub fn to_json(&self) -> Json {
        let profile = Json::object([
            ("id", Json::from(self.profile.id.as_str())),
            ("version", Json::from(self.profile.version)),
        ]);
        let zone = Json::object([
            ("name", Json::from(self.zone.name.as_str())),
            ("offsetMinutes", Json::from(self.zone.offset_minutes)),
        ]);
        let start = Json::object([("date", date(self.start)), ("day", self.start_kind.to_json())]);
        let reading = |reading: &Reading| self.reading_to_json(reading);
        object([
            ("basis", Some(self.basis.to_json())),
            ("profile", Some(profile)),
            ("calendar", Some(list(&self.calendar, CalendarVersion::to_json))),
            ("zone", Some(zone)),
            ("start", Some(start)),
            ("main", Some(reading(&self.main))),
            ("alternatives", Some(list(&self.alternatives, reading))),
            ("promised", self.promised.as_ref().map(reading)),
            ("flags", Some(list(&self.flags, Flag::to_json))),
        ])
    }

    fn reading_to_json(&self, reading: &Reading) -> Json {
        let mut out = vec![
            (
                "supplement",
                reading
                    .supplement
                    .map(|supplement| Json::from(supplement.as_str())),
            ),
            ("extension", Some(Json::from(reading.extension.as_str()))),
            ("runs", Some(list(&reading.runs, Run::to_json))),
        ];
        match &reading.outcome {
            Outcome::Runs {
                due,
                original_due,
                rolled_from,
                days,
                extension_days,
                provisional,
            } => {
                out.extend([
                    ("due", Some(date(*due))),
                    // 24:00 of the last day, as an instant.
                    ("ends", Some(Json::from(self.zone.end_of(*due).to_string()))),
                    ("originalDue", Some(date(*original_due))),
                    ("rolledFrom", rolled_from.map(date)),
                    ("days", Some(Json::from(*days))),
                    ("extensionDays", Some(Json::from(*extension_days))),
                    ("provisional", Some(Json::Bool(*provisional))),
                ]);
            }
            Outcome::Suspended { since, days_left } => out.extend([
                ("suspendedSince", Some(date(*since))),
                ("daysLeft", Some(Json::from(*days_left))),
            ]),
        }
        object(out)
    }
}

impl Run {
    /// Returns days in a row with what they count for.
    pub fn to_json(&self) -> Json {
        object([
            ("from", Some(date(self.from))),
            ("to", Some(date(self.to))),
            ("role", Some(Json::from(self.role.as_str()))),
            ("day", Some(self.kind.to_json())),
            ("first", self.first.map(Json::from)),
            ("settled", Some(Json::Bool(self.settled))),
        ])
    }
}

impl Flag {
    /// Returns the code with its values.
    pub fn to_json(&self) -> Json {
        let code = ("code", Some(Json::from(self.code())));
        let defect = ("defect", Some(Json::Bool(self.is_defect())));
        let rest = match *self {
            Self::SupplementRepeated { asked, asks_max } => [
                ("asked", Some(date(asked))),
                ("asksMax", Some(Json::from(asks_max))),
            ],
            Self::SupplementAskedLate { asked, due } => {
                [("asked", Some(date(asked))), ("due", Some(date(due)))]
            }
            Self::SupplementLapsed { lapsed } => [("lapsed", Some(date(lapsed))), ("", None)],
            Self::ExtensionNotProvided { filed } | Self::ExtensionPending { filed } => {
                [("filed", Some(date(filed))), ("", None)]
            }
            Self::ExtensionFiledLate { filed, due } => {
                [("filed", Some(date(filed))), ("due", Some(date(due)))]
            }
            Self::ExtensionConsentedLate { consented, due } => {
                [("consented", Some(date(consented))), ("due", Some(date(due)))]
            }
            Self::ExtensionNotNotified { consented } | Self::ExtensionArguable { consented } => {
                [("consented", Some(date(consented))), ("", None)]
            }
            Self::ExtensionNotifiedLate { notified, due } => {
                [("notified", Some(date(notified))), ("due", Some(date(due)))]
            }
            Self::ExtensionOverMax { days, days_max } => [
                ("days", Some(Json::from(days))),
                ("daysMax", Some(Json::from(days_max))),
            ],
        };
        object([code, defect].into_iter().chain(rest))
    }
}

impl Lateness {
    fn members(self) -> [(&'static str, Option<Json>); 2] {
        [
            ("daysLate", Some(Json::from(self.days))),
            ("calendarDaysLate", Some(Json::from(self.calendar_days))),
        ]
    }
}

impl Status {
    /// Returns the code with its values.
    pub fn to_json(&self) -> Json {
        let code = ("status", Some(Json::from(self.code())));
        let rest = match *self {
            Self::Met { days_used, days_left } | Self::Open { days_used, days_left } => [
                ("daysUsed", Some(Json::from(days_used))),
                ("daysLeft", Some(Json::from(days_left))),
            ],
            Self::Late(lateness) | Self::Overdue(lateness) => lateness.members(),
            Self::Suspended { since, days_left } => [
                ("since", Some(date(since))),
                ("daysLeft", Some(Json::from(days_left))),
            ],
        };
        object([code].into_iter().chain(rest))
    }
}

impl Judgement {
    /// Returns due date and standing, with those by a later calendar beside them.
    pub fn to_json(&self) -> Json {
        object([
            ("due", Some(self.due.to_json())),
            ("status", Some(self.status.to_json())),
            ("laterDue", self.later.as_ref().map(|(due, _)| due.to_json())),
            (
                "laterStatus",
                self.later.as_ref().map(|(_, status)| status.to_json()),
            ),
        ])
    }
}

impl Receipt {
    /// Returns the dates.
    pub fn to_json(&self) -> Json {
        object([
            ("sent", self.sent.map(date)),
            ("available", self.available.map(date)),
            ("received", self.received.map(date)),
            ("deemed", self.deemed.map(date)),
        ])
    }
}

impl ReceiptDue {
    /// Returns the dates of receipt and both due dates.
    pub fn to_json(&self) -> Json {
        object([
            ("receipt", Some(self.receipt.to_json())),
            ("due", self.main.as_ref().map(Due::to_json)),
            ("dueIfDeemedReceived", self.if_deemed.as_ref().map(Due::to_json)),
        ])
    }
}
