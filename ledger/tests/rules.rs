//! Clocks and calendars on real dates, their laws, and an outside oracle.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where its assumption fails"
)]

use assert_matches::assert_matches;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tally_ledger::rules::calendar::{LayerError, LayeredCalendar};
use tally_ledger::rules::clock::{
    ExtensionDecision, ExtensionFacts, SupplementEnd, SupplementFacts, Terms, compute, judge,
};
use tally_ledger::rules::due::{
    Due, ExtensionReading, Flag, Lateness, Moment, Outcome, Reading, Role, Status,
};
use tally_ledger::rules::ladder::climbed;
use tally_ledger::rules::receipt::{ReceiptFacts, compute_from_receipt};
use tally_schemas::calendar::{Calendar, DayMark, DayRange};
use tally_schemas::json::Json;
use tally_schemas::profile::{ClockId, DayUnit, Party, Profile, Rung, Span, SupplementReading};
use tally_schemas::shipped::{calendar_text, profile_text};
use tally_schemas::time::{Date, Timestamp};

fn date(text: &str) -> Date {
    Date::parse(text).unwrap()
}

fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn json(text: &str) -> Json {
    Json::parse_lenient(text.as_bytes()).unwrap()
}

fn document(id: &str) -> Calendar {
    Calendar::from_json(&json(calendar_text(id).unwrap())).unwrap()
}

fn layered(id: &str) -> LayeredCalendar {
    let ids = ["cn-national", "cn-guangxi-example", "weekdays"];
    let all: BTreeMap<&str, Calendar> = ids.into_iter().map(|id| (id, document(id))).collect();
    LayeredCalendar::resolve(id, |id| all.get(id)).unwrap()
}

fn alone(calendar: &Calendar) -> LayeredCalendar {
    LayeredCalendar::resolve(&calendar.id, |_| Some(calendar)).unwrap()
}

fn profile(id: &str) -> Profile {
    Profile::from_json(&json(profile_text(id).unwrap())).unwrap()
}

static CHINA: LazyLock<LayeredCalendar> = LazyLock::new(|| layered("cn-national"));
static ORDER_809: LazyLock<Profile> = LazyLock::new(|| profile("cn-809"));

fn terms(clock: ClockId) -> Terms<'static> {
    Terms {
        profile: &ORDER_809,
        clock,
        calendar: &CHINA,
        supplements: &[],
        extensions: &[],
        promised_days: None,
    }
}

/// The terms of an answer in the conditional class: 10 working days, one supplement, at most 10 days more.
fn answer() -> Terms<'static> {
    terms(ClockId::RequestAnswerConditional)
}

fn due(terms: &Terms<'_>, start: &str) -> Due {
    compute(terms, date(start)).unwrap().unwrap()
}

fn due_text(reading: &Reading) -> String {
    reading
        .due()
        .map_or_else(|| "stands still".to_owned(), |date| date.to_string())
}

/// Profile `cn-809` with another length of the answer in the conditional class.
fn limit_of(amount: u32, unit: DayUnit) -> Profile {
    let mut profile = profile("cn-809");
    let clock = profile
        .clocks
        .get_mut(&ClockId::RequestAnswerConditional)
        .unwrap();
    clock.limit = Span { amount, unit };
    profile
}

// --- calendars ---

#[test]
fn names_what_each_day_is() {
    for (day, kind, holiday) in [
        ("2026-02-13", "working", None),
        ("2026-02-14", "makeUp", Some("spring-festival")),
        ("2026-02-17", "holiday", Some("spring-festival")),
        ("2026-03-01", "weekend", None),
        ("2026-10-03", "holiday", Some("national-day")),
        ("2018-12-29", "makeUp", Some("new-year")),
    ] {
        let found = CHINA.day_kind(date(day));
        let name = found.holiday().map(|holiday| holiday.id.as_str());
        assert_eq!((found.code(), name), (kind, holiday), "{day}");
    }
}

#[test]
fn a_region_overrides_the_nation_on_its_own_days_only() {
    let guangxi = layered("cn-guangxi-example");
    // The nation works on that Saturday; the region celebrates, and works a week later instead.
    assert!(CHINA.is_working_day(date("2017-04-01")));
    assert!(!guangxi.is_working_day(date("2017-04-01")));
    assert!(!CHINA.is_working_day(date("2017-04-08")));
    assert_eq!(guangxi.day_kind(date("2017-04-08")).code(), "makeUp");
    assert_eq!(guangxi.day_kind(date("2017-10-03")).code(), "holiday");
    let ten_days = |calendar: &LayeredCalendar| calendar.add_working_days(date("2017-03-24"), 10).unwrap();
    assert_eq!(ten_days(&CHINA), date("2017-04-10"));
    assert_eq!(ten_days(&guangxi), date("2017-04-12"));
    let ids: Vec<&str> = guangxi
        .versions()
        .iter()
        .map(|version| version.id.as_str())
        .collect();
    assert_eq!(ids, ["cn-guangxi-example", "cn-national"]);
}

#[test]
fn a_year_without_notice_is_not_settled_nor_is_the_end_of_the_year_before() {
    for (day, settled) in [
        ("2015-12-31", false),
        ("2016-01-01", true),
        ("2025-12-31", true),
        ("2026-12-24", true),
        ("2026-12-25", false),
        ("2027-01-01", false),
    ] {
        assert_eq!(CHINA.is_settled(date(day)), settled, "{day}");
    }
    // The example of a region holds no notice of 2026.
    assert!(!layered("cn-guangxi-example").is_settled(date("2026-03-02")));
    assert!(layered("weekdays").is_settled(date("2099-12-31")));
}

#[test]
fn refuses_layers_that_are_missing_or_run_in_a_circle() {
    let region = document("cn-guangxi-example");
    let missing = LayeredCalendar::resolve(&region.id, |id| (id == region.id).then_some(&region));
    let expected = LayerError::Missing {
        id: "cn-national".to_owned(),
        by: "cn-guangxi-example".to_owned(),
    };
    assert_eq!(missing, Err(expected));
    let circle = LayeredCalendar::resolve(&region.id, |_| Some(&region));
    assert_matches!(circle, Err(LayerError::TooDeep { .. }));
}

fn off(from: Date, to: Date, holiday: &str) -> DayRange {
    DayRange {
        from,
        to,
        mark: DayMark::Off,
        holiday: holiday.to_owned(),
    }
}

#[test]
fn a_calendar_without_working_days_is_an_error_not_an_endless_count() {
    let mut endless = document("weekdays");
    endless.holidays.insert("rest".to_owned(), endless.names.clone());
    for month in 0..400 {
        let from = date("2026-01-01").plus_days(31 * month);
        endless.days.push(off(from, from.plus_days(30), "rest"));
    }
    let calendar = alone(&endless);
    let terms = Terms {
        calendar: &calendar,
        ..terms(ClockId::RequestDelivery)
    };
    assert_eq!(
        compute(&terms, date("2026-01-01")).unwrap_err().to_string(),
        "20 working days after 2026-01-01 do not end within 10000 days of calendar weekdays"
    );
}

// --- due dates on real days ---

#[test]
fn counts_working_days_over_festivals_and_make_up_days() {
    for (clock, start, expected) in [
        // Spring Festival 2026, with a worked Saturday before it.
        (ClockId::RequestAnswerConditional, "2026-02-06", "2026-02-27"),
        // Received on a holiday, on a make-up day, on the eve of one.
        (ClockId::RequestAnswerUnconditional, "2026-02-15", "2026-02-24"),
        (ClockId::RequestAnswerUnconditional, "2026-02-28", "2026-03-02"),
        (ClockId::RequestAnswerUnconditional, "2026-02-13", "2026-02-14"),
        // National Day 2025, with worked days on both sides.
        (ClockId::RequestAnswerConditional, "2025-09-25", "2025-10-15"),
        (ClockId::CatalogueReview, "2025-09-30", "2025-10-10"),
        (ClockId::RequestDelivery, "2026-09-15", "2026-10-19"),
        // The notice of 2019 made Saturday 29 December 2018 a working day.
        (ClockId::RequestAnswerConditional, "2018-12-24", "2019-01-08"),
        // Monday 2 January 2023 was off.
        (ClockId::CatalogueReview, "2022-12-30", "2023-01-04"),
        // The Spring Festival of 2020 as lengthened by a later notice.
        (ClockId::RequestAnswerConditional, "2020-01-20", "2020-02-11"),
    ] {
        let due = due(&terms(clock), start);
        assert_eq!(due_text(&due.main), expected, "{clock} from {start}");
        assert!(!due.is_provisional(), "{clock} from {start}");
    }
}

#[test]
fn a_due_date_that_rests_on_a_year_without_notice_is_provisional() {
    for (clock, start, expected, provisional) in [
        (ClockId::RequestDelivery, "2026-12-10", "2027-01-07", true),
        (
            ClockId::RequestAnswerConditional,
            "2026-12-10",
            "2026-12-24",
            false,
        ),
        // It ends on a day that the notice of 2027 may still take.
        (
            ClockId::RequestAnswerConditional,
            "2026-12-11",
            "2026-12-25",
            true,
        ),
    ] {
        let due = due(&terms(clock), start);
        assert_eq!(
            (due_text(&due.main).as_str(), due.is_provisional()),
            (expected, provisional)
        );
    }
}

#[test]
fn a_limit_in_calendar_days_rolls_to_a_working_day_and_shows_both() {
    let terms = terms(ClockId::ConclusionReviewApplication);
    let rolled = due(&terms, "2026-01-17");
    assert_matches!(rolled.main.outcome, Outcome::Runs { due, rolled_from, .. } => {
        assert_eq!((due, rolled_from), (date("2026-02-24"), Some(date("2026-02-16"))));
    });
    assert_eq!(rolled.main.days_used(date("2026-02-24")), 30);
    // A missing notice matters only where the last day lies.
    let settled = due(&terms, "2015-12-20");
    assert_eq!(
        (due_text(&settled.main).as_str(), settled.is_provisional()),
        ("2016-01-19", false)
    );
    let open = due(&terms, "2026-12-10");
    assert_eq!(
        (due_text(&open.main).as_str(), open.is_provisional()),
        ("2027-01-11", true)
    );
}

#[test]
fn explains_every_day_it_passed() {
    let due = due(&answer(), "2026-02-06");
    let told: Vec<String> = due
        .main
        .runs
        .iter()
        .map(|run| {
            let (role, kind) = (run.role.as_str(), run.kind.code());
            format!("{} {} {role} {kind} {:?}", run.from, run.to, run.first)
        })
        .collect();
    assert_eq!(
        told,
        [
            "2026-02-07 2026-02-08 skipped weekend None",
            "2026-02-09 2026-02-13 counted working Some(1)",
            "2026-02-14 2026-02-14 counted makeUp Some(6)",
            "2026-02-15 2026-02-23 skipped holiday None",
            "2026-02-24 2026-02-27 counted working Some(7)",
        ]
    );
}

#[test]
fn is_plain_data_for_a_program_to_render() {
    let value = due(&terms(ClockId::CatalogueReview), "2026-02-13").to_json();
    value.validate().unwrap();
    let lines = value
        .to_canonical()
        .replace("},{", "},\n{")
        .replace(",\"main", ",\n\"main");
    insta::assert_snapshot!(lines);
}

// --- supplements ---

fn supplement(asked: &str, ended: Option<&str>) -> SupplementFacts {
    SupplementFacts {
        asked: date(asked),
        ended: ended.map(|day| SupplementEnd::Completed(date(day))),
    }
}

/// An answer owed since Monday 2026-03-02, so due on 2026-03-16, with supplements.
fn supplemented(supplements: &[SupplementFacts]) -> Due {
    due(
        &Terms {
            supplements,
            ..answer()
        },
        "2026-03-02",
    )
}

#[test]
fn a_supplement_shows_all_three_readings_and_the_profile_picks_one() {
    let supplements = [supplement("2026-03-05", Some("2026-03-11"))];
    let found = supplemented(&supplements);
    let readings: Vec<(Option<SupplementReading>, String)> = std::iter::once(&found.main)
        .chain(&found.alternatives)
        .map(|reading| (reading.supplement, due_text(reading)))
        .collect();
    assert_eq!(
        readings,
        [
            (Some(SupplementReading::Restart), "2026-03-25".to_owned()),
            (Some(SupplementReading::Pause), "2026-03-23".to_owned()),
            (Some(SupplementReading::None), "2026-03-16".to_owned()),
        ]
    );
    assert_eq!(found.flags, []);
    let roles: Vec<(Role, String)> = found
        .main
        .runs
        .iter()
        .map(|run| (run.role, run.to.to_string()))
        .take(4)
        .collect();
    assert_eq!(
        roles,
        [
            (Role::GivenBack, "2026-03-04".to_owned()),
            (Role::Waiting, "2026-03-06".to_owned()),
            (Role::Waiting, "2026-03-08".to_owned()),
            (Role::Waiting, "2026-03-11".to_owned()),
        ]
    );

    let generic = profile("generic-30d");
    let terms = Terms {
        profile: &generic,
        supplements: &supplements,
        ..answer()
    };
    let paused = due(&terms, "2026-03-02");
    // 30 days less the 2 before the question, after 11 March.
    assert_eq!(paused.main.supplement, Some(SupplementReading::Pause));
    assert_eq!(due_text(&paused.main), "2026-04-08");
}

#[test]
fn the_clock_stands_still_until_the_file_is_complete() {
    let found = supplemented(&[supplement("2026-03-05", None)]);
    let since = date("2026-03-05");
    assert_eq!(found.main.outcome, Outcome::Suspended { since, days_left: 10 });
    let [paused, none] = &found.alternatives[..] else {
        panic!("{:?}", found.alternatives);
    };
    assert_eq!(paused.outcome, Outcome::Suspended { since, days_left: 8 });
    assert_eq!(due_text(none), "2026-03-16");
    let standing = found.status(Moment::AsOf(date("2026-06-01")), &CHINA);
    assert_eq!(standing, Status::Suspended { since, days_left: 10 });
    let answered = found.status(Moment::Done(date("2026-03-09")), &CHINA);
    assert_matches!(answered, Status::Met { .. });
    let other = found.status_of(none, Moment::AsOf(date("2026-03-17")), &CHINA);
    assert_matches!(other, Status::Overdue(Lateness { days: 1, .. }));
}

#[test]
fn a_question_after_the_last_day_or_a_second_one_moves_nothing() {
    let late = supplemented(&[supplement("2026-03-17", Some("2026-03-20"))]);
    assert_eq!(due_text(&late.main), "2026-03-16");
    let flag = Flag::SupplementAskedLate {
        asked: date("2026-03-17"),
        due: date("2026-03-16"),
    };
    assert_eq!(late.flags, [flag]);

    let twice = supplemented(&[
        supplement("2026-03-05", Some("2026-03-11")),
        supplement("2026-03-13", Some("2026-03-20")),
    ]);
    assert_eq!(due_text(&twice.main), "2026-03-25");
    let flag = Flag::SupplementRepeated {
        asked: date("2026-03-13"),
        asks_max: 1,
    };
    assert_eq!(twice.flags, [flag]);
}

#[test]
fn a_question_on_the_last_day_still_counts() {
    let found = supplemented(&[supplement("2026-03-16", Some("2026-03-18"))]);
    let dates: Vec<String> = std::iter::once(&found.main)
        .chain(&found.alternatives)
        .map(due_text)
        .collect();
    // Restart: ten more days. Pause: the last day is still to come. None: it was over.
    assert_eq!(dates, ["2026-04-01", "2026-03-19", "2026-03-16"]);
    assert_eq!(found.flags, []);
}

#[test]
fn a_lapsed_question_lets_the_clock_go_on_from_that_day() {
    let lapsed = date("2026-03-11");
    let found = supplemented(&[SupplementFacts {
        asked: date("2026-03-05"),
        ended: Some(SupplementEnd::Lapsed(lapsed)),
    }]);
    assert_eq!(due_text(&found.main), "2026-03-25");
    assert_eq!(found.flags, [Flag::SupplementLapsed { lapsed }]);
}

// --- extensions ---

fn extension(days: u32, filed: &str, consented: &str, notified: Option<&str>) -> ExtensionFacts {
    ExtensionFacts {
        filed: date(filed),
        days,
        decision: ExtensionDecision::Consented(date(consented)),
        notified: notified.map(date),
    }
}

/// Main date, other dates and flags of a step owed since Monday 2026-03-02, with extensions.
fn extended(clock: ClockId, extensions: &[ExtensionFacts]) -> (String, Vec<String>, Vec<Flag>) {
    let found = due(
        &Terms {
            extensions,
            ..terms(clock)
        },
        "2026-03-02",
    );
    let others = found.alternatives.iter().map(due_text).collect();
    (due_text(&found.main), others, found.flags)
}

#[test]
fn an_extension_counts_from_the_original_due_date() {
    let all = [extension(10, "2026-03-12", "2026-03-13", Some("2026-03-16"))];
    let found = due(
        &Terms {
            extensions: &all,
            ..answer()
        },
        "2026-03-02",
    );
    assert_matches!(found.main.outcome, Outcome::Runs { due, original_due, extension_days: 10, .. } => {
        assert_eq!((due, original_due), (date("2026-03-30"), date("2026-03-16")));
    });
    assert_eq!((found.alternatives.len(), found.flags.len()), (0, 0));
}

#[test]
fn extensions_add_up_to_the_most_that_the_law_allows_in_all() {
    let five = |filed| extension(5, filed, filed, Some(filed));
    let clock = ClockId::RequestAnswerConditional;
    let (main, _, flags) = extended(clock, &[five("2026-03-13"), five("2026-03-23")]);
    assert_eq!((main.as_str(), flags.len()), ("2026-03-30", 0));
    let (main, _, flags) = extended(
        clock,
        &[five("2026-03-13"), five("2026-03-23"), five("2026-03-30")],
    );
    assert_eq!(main, "2026-03-30");
    assert_eq!(
        flags,
        [Flag::ExtensionOverMax {
            days: 15,
            days_max: 10
        }]
    );
}

#[test]
fn an_extension_that_lacks_something_is_flagged_and_both_dates_are_shown() {
    let last = date("2026-03-16");
    let after = date("2026-03-17");
    let filed_late = Flag::ExtensionFiledLate {
        filed: after,
        due: last,
    };
    let consented_late = Flag::ExtensionConsentedLate {
        consented: after,
        due: last,
    };
    let notified_late = Flag::ExtensionNotifiedLate {
        notified: after,
        due: last,
    };
    let not_notified = Flag::ExtensionNotNotified { consented: last };
    for (facts, expected) in [
        (
            extension(10, "2026-03-17", "2026-03-17", Some("2026-03-17")),
            vec![filed_late, consented_late, notified_late],
        ),
        (
            extension(10, "2026-03-13", "2026-03-17", Some("2026-03-17")),
            vec![consented_late, notified_late],
        ),
        (
            extension(10, "2026-03-13", "2026-03-16", Some("2026-03-17")),
            vec![notified_late],
        ),
        (
            extension(10, "2026-03-13", "2026-03-16", None),
            vec![not_notified],
        ),
    ] {
        let (main, others, flags) = extended(ClockId::RequestAnswerConditional, &[facts]);
        assert_eq!(
            (main.as_str(), others),
            ("2026-03-16", vec!["2026-03-30".to_owned()])
        );
        assert_eq!(flags, expected);
    }
}

#[test]
fn in_the_unconditional_class_both_readings_of_the_extension_are_shown() {
    let all = [extension(10, "2026-03-03", "2026-03-03", Some("2026-03-03"))];
    let (main, others, flags) = extended(ClockId::RequestAnswerUnconditional, &all);
    assert_eq!(
        (main.as_str(), others),
        ("2026-03-03", vec!["2026-03-17".to_owned()])
    );
    let consented = date("2026-03-03");
    assert_eq!(flags, [Flag::ExtensionArguable { consented }]);
}

#[test]
fn an_extension_that_is_pending_declined_or_not_provided_moves_nothing() {
    let filed = date("2026-03-12");
    let pending = ExtensionFacts {
        filed,
        days: 10,
        decision: ExtensionDecision::Pending,
        notified: None,
    };
    let declined = ExtensionFacts {
        decision: ExtensionDecision::Declined,
        ..pending
    };
    let (main, others, flags) = extended(ClockId::RequestAnswerConditional, &[pending, declined]);
    assert_eq!((main.as_str(), others.len()), ("2026-03-16", 0));
    assert_eq!(flags, [Flag::ExtensionPending { filed }]);
    let all = [extension(10, "2026-03-12", "2026-03-12", Some("2026-03-12"))];
    let (main, others, flags) = extended(ClockId::RequestDelivery, &all);
    assert_eq!((main.as_str(), others.len()), ("2026-03-30", 0));
    assert_eq!(flags, [Flag::ExtensionNotProvided { filed }]);
}

#[test]
fn the_update_of_a_catalogue_needs_consent_but_no_notice() {
    let all = [extension(5, "2026-03-12", "2026-03-13", None)];
    let (main, _, flags) = extended(ClockId::CatalogueUpdate, &all);
    assert_eq!((main.as_str(), flags.len()), ("2026-03-23", 0));
}

#[test]
fn supplement_and_extension_both_stand() {
    let supplements = [supplement("2026-03-05", Some("2026-03-11"))];
    let extensions = [extension(5, "2026-03-20", "2026-03-23", Some("2026-03-23"))];
    let terms = Terms {
        supplements: &supplements,
        extensions: &extensions,
        ..answer()
    };
    let found = due(&terms, "2026-03-02");
    // Restarted to 25 March, and 5 more. Had the clock run on, 20 March was too late to ask.
    assert_eq!(due_text(&found.main), "2026-04-01");
    assert_eq!(found.main.extension, ExtensionReading::Effective);
    let run_on = found
        .alternatives
        .iter()
        .find(|reading| reading.supplement == Some(SupplementReading::None));
    assert_eq!(due_text(run_on.unwrap()), "2026-03-16");
}

// --- standing ---

#[test]
fn says_how_a_step_stands() {
    let found = due(&answer(), "2026-02-06");
    let late = |days, calendar_days| Lateness { days, calendar_days };
    for (moment, expected) in [
        (
            Moment::AsOf(date("2026-02-06")),
            Status::Open {
                days_used: 0,
                days_left: 10,
            },
        ),
        (
            Moment::AsOf(date("2026-02-20")),
            Status::Open {
                days_used: 6,
                days_left: 4,
            },
        ),
        (
            Moment::Done(date("2026-02-27")),
            Status::Met {
                days_used: 10,
                days_left: 0,
            },
        ),
        // The worked Saturday after it is one working day late, the Sunday no further one.
        (Moment::Done(date("2026-02-28")), Status::Late(late(1, 1))),
        (Moment::AsOf(date("2026-03-01")), Status::Overdue(late(1, 2))),
    ] {
        assert_eq!(found.status(moment, &CHINA), expected, "{moment:?}");
    }
}

#[test]
fn the_last_day_ends_at_midnight_of_the_zone() {
    let found = due(&answer(), "2026-02-06");
    let ends = found.zone.end_of(found.date().unwrap());
    assert_eq!(ends.to_string(), "2026-02-27T16:00:00.000Z");
    let standing = |at: Timestamp| found.status(Moment::Done(found.zone.date_of(at)), &CHINA).code();
    assert_eq!((standing(ends.plus_ms(-1)), standing(ends)), ("met", "late"));
}

#[test]
fn a_stated_date_stands_as_it_was_stated() {
    let (start, saturday) = (date("2026-03-02"), date("2026-03-14"));
    let due = Due::stated(
        start,
        saturday,
        Party::Unit,
        DayUnit::WorkingDays,
        &ORDER_809,
        &CHINA,
    );
    assert_eq!(due.date(), Some(saturday));
    let standing = |day: &str| due.status(Moment::AsOf(date(day)), &CHINA);
    assert_eq!(
        standing("2026-03-11"),
        Status::Open {
            days_used: 7,
            days_left: 2
        }
    );
    let sunday = Lateness {
        days: 0,
        calendar_days: 1,
    };
    assert_eq!(standing("2026-03-15"), Status::Overdue(sunday));
    due.to_json().validate().unwrap();
}

#[test]
fn a_promise_is_shown_apart_and_only_when_it_is_shorter() {
    let with = |promised_days| {
        due(
            &Terms {
                promised_days,
                ..answer()
            },
            "2026-03-02",
        )
    };
    let kept = with(Some(3));
    assert_eq!(due_text(&kept.main), "2026-03-16");
    assert_eq!(due_text(kept.promised.as_ref().unwrap()), "2026-03-05");
    assert_eq!(with(Some(12)).promised, None);
}

/// The national calendar as it stood before the notice of 27 January 2020 lengthened the Spring Festival.
fn before_the_change_of_2020() -> LayeredCalendar {
    let mut calendar = document("cn-national");
    let festival = date("2020-01-24");
    let place = calendar
        .days
        .iter()
        .position(|range| range.from == festival)
        .unwrap();
    calendar.days[place].to = date("2020-01-30");
    let worked = DayRange {
        mark: DayMark::Work,
        ..off(date("2020-02-01"), date("2020-02-01"), "spring-festival")
    };
    calendar.days.insert(place + 1, worked);
    alone(&calendar)
}

#[test]
fn lateness_is_judged_by_the_calendar_of_the_act_and_a_later_one_stands_beside() {
    let old = before_the_change_of_2020();
    let mut changed = document("cn-national");
    changed.version = 2;
    let new = alone(&changed);
    let terms = Terms {
        calendar: &old,
        ..answer()
    };
    let done = Moment::Done(date("2020-02-06"));
    let judged = judge(&terms, date("2020-01-17"), done, Some(&new))
        .unwrap()
        .unwrap();
    assert_eq!(judged.due.date(), Some(date("2020-02-05")));
    assert_matches!(judged.status, Status::Late(Lateness { days: 1, .. }));
    judged.to_json().validate().unwrap();
    let (later, status) = judged.later.unwrap();
    assert_eq!(later.date(), Some(date("2020-02-07")));
    assert_matches!(status, Status::Met { days_left: 1, .. });
    // The same version again is no later one.
    let same = judge(&terms, date("2020-01-17"), done, Some(&old))
        .unwrap()
        .unwrap();
    assert_eq!(same.later, None);
}

#[test]
fn a_clock_that_the_profile_does_not_set_gives_no_due_date() {
    let found = compute(&terms(ClockId::RequestConformity), date("2026-03-02"));
    assert_eq!(found.unwrap(), None);
}

#[test]
fn an_overdue_step_climbs_the_ladder_by_working_days() {
    let found = due(&answer(), "2026-02-06");
    let rungs = |day: &str| -> Vec<(String, Rung)> {
        let climbed = climbed(&found, &ORDER_809, date(day), &CHINA).unwrap();
        climbed
            .iter()
            .map(|rise| (rise.on.to_string(), rise.to))
            .collect()
    };
    assert_eq!(rungs("2026-02-27"), []);
    assert_eq!(rungs("2026-02-28"), [("2026-02-28".to_owned(), Rung::HigherPost)]);
    assert_eq!(
        rungs("2026-03-05"),
        [
            ("2026-02-28".to_owned(), Rung::HigherPost),
            ("2026-03-03".to_owned(), Rung::DepartmentHead),
            ("2026-03-05".to_owned(), Rung::Authority),
        ]
    );
    let waiting = supplemented(&[supplement("2026-03-05", None)]);
    assert_eq!(
        climbed(&waiting, &ORDER_809, date("2027-03-05"), &CHINA).unwrap(),
        []
    );
}

// --- receipt ---

#[test]
fn a_dark_addressee_is_overdue_only_if_deemed_received() {
    // Sent on Friday evening in Shanghai; another host held it after midnight there, so on Saturday.
    let dark = ReceiptFacts {
        sent: Some(instant("2026-03-06T10:00:00.000Z")),
        available: Some(instant("2026-03-06T16:30:00.000Z")),
        received: None,
    };
    let from = |facts: &ReceiptFacts| compute_from_receipt(&answer(), facts).unwrap().unwrap();
    let found = from(&dark);
    assert_eq!(found.receipt.sent, Some(date("2026-03-06")));
    assert_eq!(found.receipt.available, Some(date("2026-03-07")));
    assert_eq!(found.receipt.deemed, Some(date("2026-03-09")));
    assert_eq!(found.main, None);
    assert_eq!(found.if_deemed.as_ref().unwrap().date(), Some(date("2026-03-23")));
    found.to_json().validate().unwrap();

    let received = |at: &str| ReceiptFacts {
        received: Some(instant(at)),
        ..dark
    };
    let late = from(&received("2026-03-12T02:00:00.000Z"));
    assert_eq!(late.main.unwrap().date(), Some(date("2026-03-26")));
    assert_eq!(late.if_deemed.unwrap().date(), Some(date("2026-03-23")));
    let prompt = from(&received("2026-03-09T02:00:00.000Z"));
    assert_eq!((prompt.receipt.deemed, prompt.if_deemed), (None, None));
}

// --- laws ---

fn some_date() -> impl Strategy<Value = Date> {
    (0..4000i32).prop_map(|days| date("2016-01-01").plus_days(days))
}

fn counted_one_by_one(unit: DayUnit, after: Date, to: Date) -> u32 {
    let mut count = 0;
    let mut day = after.plus_days(1);
    while day <= to {
        count += u32::from(unit == DayUnit::CalendarDays || CHINA.is_working_day(day));
        day = day.plus_days(1);
    }
    count
}

fn answer_within(amount: u32, unit: DayUnit, start: Date) -> Due {
    let profile = limit_of(amount, unit);
    let terms = Terms {
        profile: &profile,
        ..answer()
    };
    compute(&terms, start).unwrap().unwrap()
}

proptest! {
    #[test]
    fn adding_days_is_monotone_and_the_inverse_of_counting(
        start in some_date(), count in 0..300u32, more in 0..40u32, later in 0..40i32,
    ) {
        let end = CHINA.add_working_days(start, count).unwrap();
        prop_assert!(end <= CHINA.add_working_days(start, count + more).unwrap());
        prop_assert!(end <= CHINA.add_working_days(start.plus_days(later), count).unwrap());
        prop_assert_eq!(CHINA.days_between(DayUnit::WorkingDays, start, end), count);
        prop_assert!(count == 0 || CHINA.is_working_day(end));
    }

    #[test]
    fn counting_equals_counting_one_by_one(start in some_date(), span in -20..900i32) {
        for unit in [DayUnit::WorkingDays, DayUnit::CalendarDays] {
            let to = start.plus_days(span);
            prop_assert_eq!(CHINA.days_between(unit, start, to), counted_one_by_one(unit, start, to));
        }
    }

    #[test]
    fn the_runs_cover_every_day_once_and_count_exactly_the_limit(
        start in some_date(), amount in 1..120u32, working: bool,
    ) {
        let unit = if working { DayUnit::WorkingDays } else { DayUnit::CalendarDays };
        let found = answer_within(amount, unit, start);
        let due = found.date().unwrap();
        prop_assert!(CHINA.is_working_day(due));
        let mut next = start.plus_days(1);
        for run in &found.main.runs {
            prop_assert_eq!(run.from, next);
            if let Some(first) = run.first {
                prop_assert_eq!(found.main.days_used(run.from), first);
            }
            while next <= run.to {
                prop_assert_eq!(CHINA.day_kind(next), run.kind.clone());
                prop_assert_eq!(CHINA.is_settled(next), run.settled);
                next = next.plus_days(1);
            }
        }
        prop_assert_eq!(next, due.plus_days(1));
        prop_assert_eq!(found.main.days_used(due), amount);
    }

    #[test]
    fn a_reading_kinder_to_the_one_who_owes_is_never_earlier(
        start in some_date(), amount in 1..60u32,
        asked in 0..90i32, waited in 0..60i32, again in 0..60i32, asks_max in 1..3u32,
        filed in 0..120i32, days in 1..15u32, consented in 0..10i32, notified in proptest::option::of(0..10i32),
    ) {
        let mut profile = limit_of(amount, DayUnit::WorkingDays);
        profile.supplement.asks_max = asks_max;
        let asked = start.plus_days(asked);
        let ended = asked.plus_days(waited);
        let again = ended.plus_days(again);
        let supplements = [(asked, ended), (again, again.plus_days(waited))].map(|(asked, ended)| SupplementFacts {
            asked, ended: Some(SupplementEnd::Completed(ended)),
        });
        let filed = start.plus_days(filed);
        let consented = filed.plus_days(consented);
        let extensions = [ExtensionFacts {
            filed,
            days,
            decision: ExtensionDecision::Consented(consented),
            notified: notified.map(|after| consented.plus_days(after)),
        }];
        let plain = Terms { profile: &profile, ..answer() };
        let bare = compute(&plain, start).unwrap().unwrap().date().unwrap();
        let full = Terms { supplements: &supplements, extensions: &extensions, ..plain };
        let found = compute(&full, start).unwrap().unwrap();
        let readings: Vec<&Reading> = std::iter::once(&found.main).chain(&found.alternatives).collect();
        let by = |supplement: SupplementReading| {
            let mut effective = readings.iter().filter(|reading| reading.extension == ExtensionReading::Effective);
            effective.find(|reading| reading.supplement == Some(supplement)).and_then(|reading| reading.due()).unwrap()
        };
        let restart = by(SupplementReading::Restart);
        let pause = by(SupplementReading::Pause);
        let none = by(SupplementReading::None);
        prop_assert!(restart >= pause && pause >= none && none >= bare, "{restart} {pause} {none} {bare}");
        for reading in readings {
            let due = reading.due().unwrap();
            prop_assert!(CHINA.is_working_day(due));
            prop_assert!(reading.extension != ExtensionReading::Claimed || due > found.date().unwrap());
        }
        found.to_json().validate().unwrap();
    }

    #[test]
    fn days_used_and_days_left_make_the_limit_until_the_last_day(
        start in some_date(), amount in 1..60u32, after in 0..150i32,
    ) {
        let found = answer_within(amount, DayUnit::WorkingDays, start);
        let day = start.plus_days(after);
        match found.status(Moment::AsOf(day), &CHINA) {
            Status::Open { days_used, days_left } => {
                prop_assert!(day <= found.date().unwrap());
                prop_assert_eq!(days_used + days_left, amount);
            }
            Status::Overdue(lateness) => {
                prop_assert!(day > found.date().unwrap());
                prop_assert!(lateness.calendar_days >= lateness.days.max(1));
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

// --- an outside oracle ---

/// A calendar of plain weeks with the holidays given.
fn with_holidays(days: &[&str]) -> LayeredCalendar {
    let mut calendar = document("weekdays");
    calendar
        .holidays
        .insert("federal".to_owned(), calendar.names.clone());
    calendar.days = days
        .iter()
        .map(|day| off(date(day), date(day), "federal"))
        .collect();
    alone(&calendar)
}

fn twenty_days(calendar: &LayeredCalendar, received: &str) -> String {
    let terms = Terms {
        calendar,
        ..terms(ClockId::RequestDelivery)
    };
    due_text(&due(&terms, received).main)
}

#[test]
fn twenty_working_days_of_2015_end_where_the_agency_said() {
    let calendar = with_holidays(&["2015-05-25", "2015-07-03", "2015-09-07"]);
    for (received, expected) in [
        ("2015-06-01", "2015-06-29"),
        ("2015-06-04", "2015-07-02"),
        // Over the observed Independence Day.
        ("2015-06-05", "2015-07-06"),
        ("2015-06-11", "2015-07-10"),
        ("2015-06-19", "2015-07-20"),
    ] {
        assert_eq!(twenty_days(&calendar, received), expected, "{received}");
    }
}

/// The folder of shared trial data: beside the workspace, or one level up.
fn shared_data() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let above = workspace.ancestors().skip(1).take(2);
    above
        .map(|folder| folder.join("shared/data"))
        .find(|folder| folder.is_dir())
}

#[test]
fn twenty_working_days_agree_with_the_public_list_of_targets() {
    let Some(folder) = shared_data() else {
        println!("not compared with the list of targets: no shared/data folder beside the workspace");
        return;
    };
    let read = |name: &str| std::fs::read_to_string(folder.join("us-foia-clock").join(name)).unwrap();
    let holidays = read("us_federal_holidays_used.csv");
    let holidays: Vec<&str> = holidays
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    let calendar = with_holidays(&holidays);
    let mut rows = 0;
    let mut misfits = Vec::new();
    for line in read("aphis_2015-06.csv").lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        rows += 1;
        if twenty_days(&calendar, fields[1]) != fields[2] {
            misfits.push(fields[0].to_owned());
        }
    }
    println!("{rows} targets compared");
    assert_eq!((rows, misfits), (47, vec!["2015-APHIS-04005-F".to_owned()]));
}
