//! The shipped profiles and calendars, and what a reader refuses in one that somebody else wrote.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where its assumption fails"
)]

use assert_matches::assert_matches;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tally_schemas::FormatError;
use tally_schemas::calendar::{Calendar, DayMark};
use tally_schemas::event::EventKind;
use tally_schemas::json::Json;
use tally_schemas::profile::{
    ClockId, DayUnit, ExtensionReach, Party, Profile, SharingClass, SupplementReading,
};
use tally_schemas::shipped::{CALENDARS, PROFILES, calendar_text, profile_text};
use tally_schemas::time::{Date, Weekday};

fn json(text: &str) -> Json {
    Json::parse_lenient(text.as_bytes()).unwrap()
}

fn profile(id: &str) -> Profile {
    Profile::from_json(&json(profile_text(id).unwrap())).unwrap()
}

fn calendar(id: &str) -> Calendar {
    Calendar::from_json(&json(calendar_text(id).unwrap())).unwrap()
}

fn date(text: &str) -> Date {
    Date::parse(text).unwrap()
}

/// The document with the value at a path of keys (or list numbers) replaced, or removed.
fn changed(document: &Json, path: &[&str], value: Option<Json>) -> Json {
    let mut out = document.clone();
    let (last, way) = path.split_last().unwrap();
    let mut place = &mut out;
    for step in way {
        place = match place {
            Json::Object(members) => members.get_mut(*step).unwrap(),
            Json::Array(items) => &mut items[step.parse::<usize>().unwrap()],
            other => panic!("{step} inside {}", other.kind()),
        };
    }
    let Json::Object(members) = place else {
        panic!("{last} is no member");
    };
    match value {
        Some(value) => members.insert((*last).to_owned(), value),
        None => members.remove(*last),
    };
    out
}

fn complaint_about<T: std::fmt::Debug>(result: Result<T, FormatError>) -> (String, String) {
    match result.unwrap_err() {
        FormatError::Field { field, why, .. } => (field, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_shipped_document_states_its_id_and_is_written_as_it_was_read() {
    for shipped in PROFILES {
        let value = json(shipped.text);
        let read = Profile::from_json(&value).unwrap();
        assert_eq!(read.id, shipped.id);
        assert_eq!(read.to_json(), value);
        Json::parse(read.to_json().to_canonical().as_bytes()).unwrap();
        assert!(calendar_text(&read.calendar).is_some(), "calendar of {}", read.id);
    }
    for shipped in CALENDARS {
        let value = json(shipped.text);
        let read = Calendar::from_json(&value).unwrap();
        assert_eq!(read.id, shipped.id);
        assert_eq!(read.to_json(), value);
        Json::parse(read.to_json().to_canonical().as_bytes()).unwrap();
    }
}

#[test]
fn order_809_sets_the_limits_of_its_articles() {
    let profile = profile("cn-809");
    let table = [
        (ClockId::CatalogueUpdate, 10, Party::Provider, "17(2)"),
        (ClockId::CatalogueReview, 2, Party::Authority, "17(3)"),
        (ClockId::RequestAnswerUnconditional, 1, Party::Provider, "21(1)"),
        (ClockId::RequestAnswerConditional, 10, Party::Provider, "21(1)"),
        (ClockId::RequestDelivery, 20, Party::Provider, "22(1)"),
        (ClockId::Correction, 10, Party::Provider, "26(2)"),
    ];
    for (id, amount, owes, at) in table {
        let clock = profile.clock(id).unwrap();
        assert_eq!(
            (clock.limit.amount, clock.limit.unit),
            (amount, DayUnit::WorkingDays),
            "{id}"
        );
        assert_eq!(
            (clock.owes, clock.article.as_ref().unwrap().at.as_str()),
            (owes, at),
            "{id}"
        );
    }
    let review = profile.clock(ClockId::ConclusionReviewDecision).unwrap();
    assert_eq!(
        (review.limit.amount, review.limit.unit),
        (30, DayUnit::CalendarDays)
    );
    let reach = |id| profile.clock(id).unwrap().extension.as_ref().unwrap().reach;
    assert_eq!(reach(ClockId::RequestAnswerConditional), ExtensionReach::Clear);
    assert_eq!(
        reach(ClockId::RequestAnswerUnconditional),
        ExtensionReach::Arguable
    );
    assert_eq!(profile.supplement.reading, SupplementReading::Restart);
    assert!(!profile.has_conformity_check());
}

#[test]
fn only_three_grounds_refuse_an_unconditional_item() {
    let profile = profile("cn-809");
    let lawful: Vec<&str> = profile
        .refusals
        .keys()
        .map(String::as_str)
        .filter(|code| profile.is_lawful_refusal(SharingClass::Unconditional, code))
        .collect();
    assert_eq!(
        lawful,
        ["LAW_PROHIBITS", "NOT_OUR_DATA", "PURPOSE_NOT_WITHIN_DUTY"]
    );
    assert!(lawful.iter().all(|code| profile.refusals[*code].needs_citation));
    assert!(!profile.is_lawful_refusal(SharingClass::Conditional, "MATERIALS_INCOMPLETE"));
    assert!(!profile.is_lawful_refusal(SharingClass::Conditional, "NO_SUCH_CODE"));
}

#[test]
fn the_local_example_differs_where_local_rules_do() {
    let local = profile("cn-local-example");
    assert!(local.has_conformity_check());
    assert_eq!(
        local.answer_of(SharingClass::Unconditional).unwrap().grantor,
        Party::Authority
    );
    let days = |id| local.clock(id).unwrap().limit.amount;
    assert_eq!(days(ClockId::RequestAnswerOnPlatform), 5);
    assert_eq!(days(ClockId::RequestAnswerConditional), 10);
    assert_eq!(days(ClockId::RequestConformity), 2);
    assert_eq!(local.answer_of(SharingClass::NoShare), None);
}

#[test]
fn an_unknown_field_is_refused_by_name_wherever_it_stands() {
    let document = json(profile_text("cn-809").unwrap());
    for path in [
        &["colour"][..],
        &["zone", "colour"],
        &["acts", "order-809", "colour"],
        &["clocks", "request-delivery", "colour"],
        &["clocks", "request-delivery", "article", "colour"],
        &["clocks", "request-answer-conditional", "extension", "colour"],
        &["classes", "conditional", "answer", "colour"],
        &["refusals", "OTHER", "colour"],
        &["violations", "P4", "names", "colour"],
        &["approvals", "kinds", "request.granted", "colour"],
        &["ladder", "0", "colour"],
        &["ladder", "0", "after", "colour"],
        &["supplement", "colour"],
        &["retention", "colour"],
    ] {
        let (field, why) = complaint_about(Profile::from_json(&changed(&document, path, Some(Json::Int(1)))));
        assert!(field.ends_with("colour"), "{field}");
        assert!(why.starts_with("unknown field; known are "), "{why}");
    }
    let document = json(calendar_text("cn-national").unwrap());
    for path in [
        &["colour"][..],
        &["notices", "colour"],
        &["names", "colour"],
        &["days", "3", "colour"],
    ] {
        let (field, _) = complaint_about(Calendar::from_json(&changed(&document, path, Some(Json::Int(1)))));
        assert!(field.ends_with("colour"), "{field}");
    }
}

#[test]
fn a_profile_that_contradicts_itself_is_refused_with_the_place() {
    let document = json(profile_text("cn-809").unwrap());
    let cases: &[(&[&str], Option<Json>, &str)] = &[
        (&["clocks", "request-delivery"], None, "clocks.request-delivery"),
        (
            &["clocks", "request-delivery", "article"],
            None,
            "clocks.request-delivery.article",
        ),
        (
            &["clocks", "request-delivery", "article", "act"],
            Some(Json::from("order-908")),
            "clocks.request-delivery.article",
        ),
        (
            &["clocks", "request-delivery", "violation"],
            Some(Json::from("P44")),
            "clocks.request-delivery.violation",
        ),
        (
            &["clocks", "request-delivery", "amount"],
            Some(Json::Int(0)),
            "clocks.request-delivery.amount",
        ),
        (
            &["clocks", "request-delivery", "amount"],
            Some(Json::Int(401)),
            "clocks.request-delivery.amount",
        ),
        (
            &["clocks", "request-delivery", "unit"],
            Some(Json::from("days")),
            "clocks.request-delivery.unit",
        ),
        (
            &["clocks", "request-delivrey"],
            Some(Json::Int(1)),
            "clocks.request-delivrey",
        ),
        (&["classes", "no-share"], None, "classes.no-share"),
        (
            &["classes", "conditional", "answer", "clock"],
            Some(Json::from("request-answer-on-platform")),
            "classes.conditional.answer",
        ),
        (
            &["classes", "conditional", "answer", "grantor"],
            Some(Json::from("unit")),
            "classes.conditional.answer.grantor",
        ),
        (
            &["zone", "offsetMinutes"],
            Some(Json::Int(900)),
            "zone.offsetMinutes",
        ),
        (&["version"], Some(Json::Int(0)), "version"),
        (&["names", "zh"], None, "names.zh"),
        (&["names", "zh"], Some(Json::from("")), "names.zh"),
        (
            &["approvals", "kinds", "granted"],
            Some(Json::Int(1)),
            "approvals.kinds.granted",
        ),
    ];
    for (path, value, place) in cases {
        let (field, why) = complaint_about(Profile::from_json(&changed(&document, path, value.clone())));
        assert_eq!(&field, place, "{why}");
    }
    let newer = changed(&document, &["schema"], Some(Json::from("tally/profile/v2")));
    assert_matches!(
        Profile::from_json(&newer),
        Err(FormatError::UnknownVersion { .. })
    );
}

#[test]
fn a_calendar_that_contradicts_itself_is_refused_with_the_place() {
    let document = json(calendar_text("cn-national").unwrap());
    let cases: &[(&[&str], Option<Json>, &str)] = &[
        // 2016-02-06 is a Saturday on which people work; the day before is a Friday anyway.
        (&["days", "1", "from"], Some(Json::from("2016-02-05")), "days[1]"),
        (&["days", "1", "from"], Some(Json::from("2015-12-31")), "days[1]"),
        (&["days", "2", "to"], Some(Json::from("2016-02-06")), "days[2].to"),
        (&["days", "2", "to"], Some(Json::from("2017-02-06")), "days[2].to"),
        (
            &["days", "2", "holiday"],
            Some(Json::from("easter")),
            "days[2].holiday",
        ),
        (&["weekend"], None, "weekend"),
        (&["over"], Some(Json::from("world")), "weekend"),
        (
            &["notices", "years", "26"],
            Some(Json::Array(vec![])),
            "notices.years.26",
        ),
        (
            &["notices", "years", "2027"],
            Some(Json::Array(vec![])),
            "notices.years.2027",
        ),
    ];
    for (path, value, place) in cases {
        let (field, why) = complaint_about(Calendar::from_json(&changed(&document, path, value.clone())));
        assert_eq!(&field, place, "{why}");
    }
}

/// What a calendar marks on each day.
fn marks(calendar: &Calendar) -> BTreeMap<Date, (DayMark, String)> {
    let mut out = BTreeMap::new();
    for range in &calendar.days {
        let mut day = range.from;
        while day <= range.to {
            out.insert(day, (range.mark, calendar.holidays[&range.holiday].zh.clone()));
            day = day.plus_days(1);
        }
    }
    out
}

#[test]
fn the_chinese_calendar_has_the_days_that_people_remember() {
    let marks = marks(&calendar("cn-national"));
    let mark = |text: &str| marks.get(&date(text)).map(|(mark, _)| *mark);
    for (text, expected) in [
        ("2016-02-06", Some(DayMark::Work)),
        ("2017-10-08", Some(DayMark::Off)),
        ("2018-12-29", Some(DayMark::Work)),
        ("2018-12-31", Some(DayMark::Off)),
        ("2020-01-31", Some(DayMark::Off)),
        ("2020-02-02", Some(DayMark::Off)),
        ("2020-02-03", None),
        ("2022-12-31", Some(DayMark::Off)),
        ("2023-10-07", Some(DayMark::Work)),
        ("2024-02-09", None),
        ("2024-02-18", Some(DayMark::Work)),
        ("2025-01-26", Some(DayMark::Work)),
        ("2025-10-08", Some(DayMark::Off)),
        ("2025-10-11", Some(DayMark::Work)),
        ("2026-01-04", Some(DayMark::Work)),
        ("2026-02-23", Some(DayMark::Off)),
        ("2026-10-10", Some(DayMark::Work)),
        ("2026-12-31", None),
    ] {
        assert_eq!(mark(text), expected, "{text}");
    }
}

/// The folder of shared trial data: beside the workspace, or one or two levels up.
fn shared_data() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    workspace
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("shared/data"))
        .find(|folder| folder.is_dir())
}

#[test]
fn the_chinese_calendar_equals_the_notices_day_by_day() {
    let Some(folder) = shared_data() else {
        println!("not compared with the notices: no shared/data folder beside the workspace");
        return;
    };
    // A notice also holds days of the December before its year, so the files of all years are laid together.
    let mut noticed: BTreeMap<Date, (DayMark, String)> = BTreeMap::new();
    for year in 2016..=2027 {
        let text = std::fs::read_to_string(folder.join(format!("cn-holidays/{year}.json"))).unwrap();
        for day in json(&text).member("days").unwrap().as_array().unwrap() {
            let field = |name: &str| day.member(name).unwrap();
            let mark = if field("isOffDay").as_bool().unwrap() {
                DayMark::Off
            } else {
                DayMark::Work
            };
            let name = field("name").as_text().unwrap().to_owned();
            let day = date(field("date").as_text().unwrap());
            // The changed notice of 2020 says of a Monday that people work: true without any mark.
            let plain = !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
            if mark == DayMark::Work && plain {
                assert_eq!(day, date("2020-02-03"));
                continue;
            }
            let old = noticed.insert(day, (mark, name));
            assert_eq!(old, None, "two notices mark one day");
        }
    }
    let marks = marks(&calendar("cn-national"));
    let mut day = date("2016-01-01");
    while day <= date("2026-12-31") {
        let ours = marks.get(&day);
        let theirs = noticed.get(&day);
        assert_eq!(
            ours.map(|(mark, _)| *mark),
            theirs.map(|(mark, _)| *mark),
            "{day}"
        );
        if let (Some((_, ours)), Some((_, theirs))) = (ours, theirs) {
            // A joint holiday is written in either order.
            let parts = |name: &str| {
                let mut parts: Vec<String> = name.split('\u{3001}').map(str::to_owned).collect();
                parts.sort();
                parts
            };
            assert_eq!(parts(ours), parts(theirs), "{day}");
        }
        day = day.plus_days(1);
    }
    assert!(
        marks
            .keys()
            .all(|day| *day >= date("2016-01-01") && *day <= date("2026-12-31"))
    );
}

#[test]
fn approvals_name_kinds_of_event_that_exist() {
    for shipped in PROFILES {
        let profile = profile(shipped.id);
        assert!(profile.approval_of("request.granted").is_some(), "{}", shipped.id);
        assert_eq!(
            profile.approval_of("request.acknowledged"),
            None,
            "{}",
            shipped.id
        );
        for kind in profile.approvals.kinds.keys() {
            assert!(EventKind::parse(kind).is_some(), "{kind} of {}", shipped.id);
        }
    }
}

fn any_value() -> impl Strategy<Value = Json> {
    prop_oneof![
        any::<bool>().prop_map(Json::Bool),
        (-3..5000i64).prop_map(Json::Int),
        "[a-z0-9 -]{0,12}".prop_map(Json::Text),
        "20[0-9]{2}-[01][0-9]-[0-3][0-9]".prop_map(Json::Text),
        Just(Json::Array(vec![])),
        Just(Json::object::<String>([])),
    ]
}

/// Replaces the value at a place found by walking down with the numbers given.
fn disturb(value: &mut Json, way: &[usize], with: Json) {
    let child = match (way.split_first(), value) {
        (Some((step, rest)), Json::Object(members)) if !members.is_empty() => {
            let count = members.len();
            members.values_mut().nth(step % count).map(|child| (child, rest))
        }
        (Some((step, rest)), Json::Array(items)) if !items.is_empty() => {
            let count = items.len();
            items.get_mut(step % count).map(|child| (child, rest))
        }
        (_, value) => {
            *value = with;
            return;
        }
    };
    if let Some((child, rest)) = child {
        disturb(child, rest, with);
    }
}

proptest! {
    #[test]
    fn a_disturbed_document_is_refused_or_read_as_it_stands(
        which in 0..6usize, way in proptest::collection::vec(0..1000usize, 1..7), with in any_value(),
    ) {
        let shipped = PROFILES.iter().chain(CALENDARS).nth(which).unwrap();
        let mut value = json(shipped.text);
        disturb(&mut value, &way, with);
        if let Ok(read) = Profile::from_json(&value) {
            prop_assert_eq!(read.to_json(), value.clone());
        }
        if let Ok(read) = Calendar::from_json(&value) {
            prop_assert_eq!(read.to_json(), value);
        }
    }
}
