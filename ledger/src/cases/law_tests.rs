//! One act against each rule of the law, and one beside it that keeps the rule.

use super::cross::irregular;
use super::law::{Weight, flags_on, refusals};
use crate::fixture::{Draft, Play, act, date};
use tally_schemas::event::{EventKind as K, Source};
use tally_schemas::id::{CaseId, EventId};
use tally_schemas::json::Json;

fn codes(play: &Play, case: CaseId, event: EventId) -> Vec<&'static str> {
    let marks = flags_on(play.state(case), event, &play.asof());
    marks.iter().map(|mark| mark.code).collect()
}

fn strange(play: &Play, case: CaseId, event: EventId) -> Vec<&'static str> {
    let state = play.state(case);
    let marks = irregular(state, state.fact(event).unwrap(), &play.asof());
    marks.iter().map(|mark| mark.code).collect()
}

fn words(list: &[&str]) -> Json {
    Json::Array(list.iter().map(|word| Json::from(*word)).collect())
}

fn request(class: &str) -> Draft {
    act("housing", K::RequestFiled)
        .to("transport")
        .asking(2)
        .with("class", class)
}

fn refusal(case: CaseId, ground: &str) -> Draft {
    act("transport", K::RequestRefused)
        .of(case)
        .to("housing")
        .with("ground", ground)
}

fn content(kind: K, class: &str) -> Draft {
    act("transport", kind)
        .with("class", class)
        .with("scope", "city departments")
        .with("purposes", "permits")
        .with("conditions", words(&["no onward use"]))
}

/// Publishes an entry of a class; returns its case.
fn published(play: &mut Play, class: &str) -> CaseId {
    let draft = content(K::CatalogueDrafted, class);
    let draft = match class {
        "no-share" => draft
            .with("noShareReason", "secret")
            .with("noShareCitation", "Law on X, Art. 3"),
        _ => draft,
    };
    let case = play.does(&draft);
    publish(play, case, 1);
    case
}

fn publish(play: &mut Play, case: CaseId, version: i64) {
    play.does(&act("transport", K::CatalogueAssessed).of(case));
    play.does(&act("transport", K::CatalogueApproved).of(case));
    play.does(&act("transport", K::CatalogueSubmitted).of(case).to("datahub"));
    play.does(
        &act("datahub", K::CataloguePublished)
            .of(case)
            .with("version", version),
    );
}

#[test]
fn an_application_needs_the_head_and_the_statement() {
    let mut play = Play::new();
    let bare = play.does(&request("conditional").approved(false).with("statement", false));
    assert_eq!(
        codes(&play, bare, bare),
        ["approver-missing", "statement-missing"]
    );
    let whole = play.does(&request("conditional"));
    assert!(codes(&play, whole, whole).is_empty());
    let marks = flags_on(play.state(bare), bare, &play.asof());
    assert_eq!(marks[0].article.as_ref().unwrap().at, "20(2)");
}

#[test]
fn the_approver_must_hold_a_post_with_the_duty() {
    let mut play = Play::new();
    let signers = Json::Array(vec![
        Json::object([
            ("roles", words(&["drafter"])),
            ("post", Json::from("desk")),
            ("officer", Json::from("o1")),
        ]),
        Json::object([("roles", words(&["approver"])), ("post", Json::from("desk"))]),
    ]);
    let case = play.does(&request("conditional").member("signers", signers));
    assert_eq!(codes(&play, case, case), ["approver-without-duty"]);
}

#[test]
fn a_supplement_is_asked_for_once() {
    let mut play = Play::new();
    let case = play.does(&request("conditional"));
    let asking = act("transport", K::RequestSupplementAsked).of(case).to("housing");
    let first = play.does(&asking);
    assert!(codes(&play, case, first).is_empty());
    play.does(&act("housing", K::RequestSupplemented).of(case).to("transport"));
    let second = play.does(&asking);
    assert_eq!(codes(&play, case, second), ["second-supplement"]);
}

#[test]
fn refusals_rest_on_a_lawful_ground_and_cite_it() {
    let mut play = Play::new();
    let case = play.does(&request("conditional"));
    let cited = play.does(
        &refusal(case, "LAW_PROHIBITS")
            .items(&[1])
            .with("citation", "Law on X, Art. 3"),
    );
    assert!(codes(&play, case, cited).is_empty());
    let thin = play.does(&refusal(case, "LAW_PROHIBITS").items(&[2]));
    assert_eq!(codes(&play, case, thin), ["refusal-without-citation"]);

    let case = play.does(&request("conditional"));
    let incomplete = play.does(&refusal(case, "MATERIALS_INCOMPLETE"));
    assert_eq!(
        codes(&play, case, incomplete),
        ["refusal-for-incomplete-materials"]
    );
    let other = play.does(&refusal(case, "OTHER").items(&[2]));
    assert_eq!(codes(&play, case, other), ["refusal-ground-unclear"]);

    let case = play.does(&request("unconditional"));
    let excessive = play.does(&refusal(case, "SCOPE_EXCESSIVE").with("citation", "Art. 20"));
    assert_eq!(
        codes(&play, case, excessive),
        ["refusal-ground-not-allowed", "refusal-of-unconditional"]
    );
    let made_up = play.does(&refusal(case, "NO_TIME").items(&[2]));
    assert_eq!(
        codes(&play, case, made_up),
        ["refusal-ground-unknown", "refusal-of-unconditional"]
    );
}

#[test]
fn what_is_recorded_from_paper_is_flagged_and_not_refused() {
    let mut play = Play::new();
    let case = play.does(&request("conditional"));
    let own = play.does(&refusal(case, "MATERIALS_INCOMPLETE"));
    let marks = flags_on(play.state(case), own, &play.asof());
    assert_eq!(refusals(&marks, Source::Own).len(), 1);
    assert!(refusals(&marks, Source::Paper).is_empty());
    assert!(refusals(&marks, Source::Import).is_empty());
}

#[test]
fn unconditional_sharing_takes_no_conditions() {
    let mut play = Play::new();
    let condition = Json::object([("kind", Json::from("purpose")), ("text", Json::from("permits"))]);
    for (class, expected) in [
        ("unconditional", vec!["conditions-on-unconditional"]),
        ("conditional", vec![]),
    ] {
        let case = play.does(&request(class));
        let granted = play.does(
            &act("transport", K::RequestGranted)
                .of(case)
                .with("conditions", Json::Array(vec![condition.clone()])),
        );
        assert_eq!(codes(&play, case, granted), expected);
    }
}

#[test]
fn classes_state_what_they_rest_on() {
    let mut play = Play::new();
    let bare = |class: &str| act("transport", K::CatalogueDrafted).with("class", class);
    let conditional = play.does(&bare("conditional"));
    assert_eq!(
        codes(&play, conditional, conditional),
        ["conditional-without-scope"; 3]
    );
    let closed = play.does(&bare("no-share"));
    assert_eq!(codes(&play, closed, closed), ["no-share-without-citation"; 2]);
    let open = play.does(&bare("unconditional"));
    assert!(codes(&play, open, open).is_empty());
}

#[test]
fn a_stricter_class_and_an_added_condition_are_alarms() {
    let mut play = Play::new();
    let case = published(&mut play, "unconditional");
    play.does(&act("transport", K::CatalogueChangeTriggered).of(case));
    let stricter = play.does(
        &content(K::CatalogueRevised, "conditional")
            .of(case)
            .with("conditions", words(&["no onward use", "letter of the mayor"])),
    );
    assert_eq!(
        codes(&play, case, stricter),
        ["class-stricter", "condition-added"]
    );
    let marks = flags_on(play.state(case), stricter, &play.asof());
    assert!(marks.iter().all(|mark| mark.weight == Weight::Alarm));
    assert!(marks.iter().all(|mark| mark.violation.as_deref() == Some("P2")));
    assert!(refusals(&marks, Source::Own).is_empty());
}

#[test]
fn an_update_is_assessed_and_approved_anew_and_counts_on() {
    let mut play = Play::new();
    let case = published(&mut play, "conditional");
    play.does(&act("transport", K::CatalogueChangeTriggered).of(case));
    play.does(&content(K::CatalogueRevised, "conditional").of(case));
    let hasty = play.does(&act("transport", K::CatalogueSubmitted).of(case).to("datahub"));
    assert_eq!(
        codes(&play, case, hasty),
        ["assessment-missing", "head-approval-missing"]
    );
    let skipping = play.does(&act("datahub", K::CataloguePublished).of(case).with("version", 3));
    assert_eq!(codes(&play, case, skipping), ["version-out-of-step"]);
}

#[test]
fn extensions_have_a_most_a_last_day_and_a_notice() {
    let mut play = Play::new();
    play.at("2026-03-02 09:00");
    let case = play.does(&request("conditional"));
    play.at("2026-03-10 09:00");
    let asked = act("transport", K::RequestExtensionRequested)
        .of(case)
        .to("datahub");
    let too_long = play.does(&asked.clone().with("days", 11));
    assert_eq!(codes(&play, case, too_long), ["extension-too-long"]);
    play.does(
        &act("datahub", K::RequestExtensionDeclined)
            .of(case)
            .to("transport"),
    );
    play.does(&asked.clone().with("days", 5));
    let consent = act("datahub", K::RequestExtensionApproved)
        .of(case)
        .to("transport")
        .with("days", 5);
    let consented = play.does(&consent);
    assert!(codes(&play, case, consented).is_empty());
    // The original last day is 16 March; whoever is not told by then was not told in time.
    play.at("2026-03-17 09:00");
    assert_eq!(codes(&play, case, consented), ["extension-not-notified"]);
    let told = play.does(
        &act("transport", K::RequestExtensionNotified)
            .of(case)
            .to("housing")
            .with("days", 5),
    );
    assert_eq!(codes(&play, case, told), ["extension-late"]);
}

#[test]
fn a_late_consent_is_flagged_and_an_unconditional_one_is_arguable() {
    let mut play = Play::new();
    play.at("2026-03-02 09:00");
    let case = play.does(&request("unconditional"));
    play.at("2026-03-05 09:00");
    let asked = play.does(
        &act("transport", K::RequestExtensionRequested)
            .of(case)
            .to("datahub"),
    );
    let consented = play.does(
        &act("datahub", K::RequestExtensionApproved)
            .of(case)
            .to("transport"),
    );
    assert_eq!(
        codes(&play, case, asked),
        ["extension-late", "unconditional-extension"]
    );
    assert_eq!(
        codes(&play, case, consented),
        [
            "extension-late",
            "extension-not-notified",
            "unconditional-extension"
        ]
    );
    let marks = flags_on(play.state(case), consented, &play.asof());
    assert!(marks.iter().all(|mark| mark.weight == Weight::Flag));
}

#[test]
fn where_the_authority_checks_the_form_answers_wait_for_it() {
    let mut play = Play::under("cn-local-example");
    let case = play.does(&request("conditional"));
    let hasty = play.does(&act("transport", K::RequestGranted).of(case));
    assert_eq!(codes(&play, case, hasty), ["answer-without-conformity"]);
    let case = play.does(&request("conditional"));
    play.does(
        &act("datahub", K::RequestConformityChecked)
            .of(case)
            .to("transport"),
    );
    let proper = play.does(&act("transport", K::RequestGranted).of(case));
    assert!(codes(&play, case, proper).is_empty());
}

#[test]
fn use_after_the_term_or_under_a_suspension_is_shown_not_refused() {
    let mut play = Play::new();
    play.at("2026-03-02 09:00");
    let case = play.does(&request("conditional"));
    play.does(
        &act("transport", K::RequestGranted)
            .of(case)
            .with("to", "2026-06-30"),
    );
    play.does(&act("transport", K::RequestDelivered).of(case));
    play.does(&act("housing", K::RequestReceiptConfirmed).of(case));
    play.at("2026-04-01 09:00");
    play.does(&act("transport", K::RequestSuspended).of(case));
    let used = act("housing", K::RequestUsageReported).of(case);
    play.at("2026-04-10 09:00");
    let before = play.does(&used.clone().with("to", "2026-04-01"));
    assert!(codes(&play, case, before).is_empty());
    let under = play.does(&used.clone().with("to", "2026-04-09"));
    assert_eq!(codes(&play, case, under), ["usage-while-suspended"]);
    play.does(&act("transport", K::RequestLifted).of(case));
    play.at("2026-07-10 09:00");
    let after = play.does(&used.with("to", "2026-07-01"));
    assert_eq!(codes(&play, case, after), ["use-after-expiry"]);
    assert!(refusals(&flags_on(play.state(case), after, &play.asof()), Source::Own).is_empty());
}

#[test]
fn a_service_ends_only_after_consultation() {
    let mut play = Play::new();
    let case = play.does(&request("conditional"));
    play.does(&act("transport", K::RequestGranted).of(case).items(&[1, 2]));
    play.does(&act("transport", K::RequestDelivered).of(case));
    play.does(&act("transport", K::RequestChangeProposed).of(case));
    let alone = play.does(&act("transport", K::RequestEndFiled).of(case).items(&[1]));
    assert_eq!(codes(&play, case, alone), ["change-without-consultation"]);
    play.does(&act("housing", K::RequestChangeConsulted).of(case));
    let heard = play.does(&act("transport", K::RequestEndFiled).of(case).items(&[2]));
    assert!(codes(&play, case, heard).is_empty());
}

#[test]
fn claims_and_evidence_come_with_something() {
    let mut play = Play::new();
    let task = play.does(
        &act("lead", K::TaskIssued)
            .with("lead", "transport")
            .with("assisting", words(&["province-supervision"])),
    );
    play.does(&act("transport", K::TaskSigned).of(task));
    let claim = play.does(&act("transport", K::TaskClaimed).of(task));
    assert_eq!(codes(&play, task, claim), ["evidence-missing"]);
    let verified = play.does(&act("province-supervision", K::TaskVerified).of(task));
    assert_eq!(codes(&play, task, verified), ["self-verified"]);
}

#[test]
fn a_finding_of_an_inspection_needs_a_live_mandate() {
    let mut play = Play::new();
    play.at("2026-03-02 09:00");
    let opened = || {
        act("supervision", K::FindingOpened)
            .with("basis", "inspection")
            .with("object", "transport")
    };
    let without = play.does(&opened());
    assert_eq!(codes(&play, without, without), ["mandate-missing"]);
    let unknown = play.does(&opened().member("mandate", "11".repeat(32)));
    assert_eq!(strange(&play, unknown, unknown), ["mandate-unknown"]);

    let matter = play.does(&act("government", K::MatterInstructed));
    let early = play.does(&opened().member("mandate", matter.to_string()));
    assert_eq!(strange(&play, early, early), ["mandate-without-plan"]);
    let plan = play.does(
        &act("supervision", K::MatterPlanIssued)
            .of(matter)
            .with("scope", words(&["transport"]))
            .with("from", "2026-03-01")
            .with("to", "2026-03-31"),
    );
    let live = play.does(&opened().member("mandate", plan.to_string()));
    assert!(strange(&play, live, live).is_empty());
    assert!(codes(&play, live, live).is_empty());
    let beyond = play.does(
        &opened()
            .with("object", "health")
            .member("mandate", plan.to_string()),
    );
    assert_eq!(strange(&play, beyond, beyond), ["mandate-out-of-scope"]);
    play.at("2026-04-01 09:00");
    let late = play.does(&opened().member("mandate", plan.to_string()));
    assert_eq!(strange(&play, late, late), ["mandate-out-of-term"]);
    // What was in order when it was opened stays in order.
    assert!(strange(&play, live, live).is_empty());
}

#[test]
fn an_order_to_correct_comes_from_above() {
    let mut play = Play::new();
    let order = |by: &str, object: &str| {
        act(by, K::FindingOpened)
            .with("basis", "order-to-correct")
            .with("object", object)
    };
    let own = play.does(&order("datahub", "transport"));
    assert!(strange(&play, own, own).is_empty());
    let city_over_province = play.does(&order("government", "province-health"));
    assert_eq!(
        strange(&play, city_over_province, city_over_province),
        ["order-by-another-authority"]
    );
    let over_the_authority = play.does(&order("government", "datahub"));
    assert!(strange(&play, over_the_authority, over_the_authority).is_empty());
}

#[test]
fn a_request_names_a_published_entry_of_its_class() {
    let mut play = Play::new();
    play.at("2026-03-02 09:00");
    let conditional = published(&mut play, "conditional");
    let closed = published(&mut play, "no-share");
    let draft = play.does(&content(K::CatalogueDrafted, "conditional"));
    let mut ask = |class: &str, entry: CaseId, version: i64| {
        let case = play.does(
            &request(class)
                .naming("entry", entry)
                .with("entryVersion", version),
        );
        strange(&play, case, case)
    };
    assert!(ask("conditional", conditional, 1).is_empty());
    assert_eq!(ask("unconditional", conditional, 1), ["class-differs"]);
    assert_eq!(ask("conditional", closed, 1), ["entry-no-share"]);
    assert_eq!(ask("conditional", conditional, 2), ["entry-unpublished"]);
    assert_eq!(ask("conditional", draft, 1), ["entry-unpublished"]);
    play.does(&act("transport", K::CatalogueRetireProposed).of(conditional));
    play.does(&act("datahub", K::CatalogueRetired).of(conditional));
    play.at("2026-03-03 09:00");
    let late = play.does(&request("conditional").naming("entry", conditional));
    assert_eq!(strange(&play, late, late), ["entry-retired"]);
}

#[test]
fn conditions_that_the_entry_does_not_have_are_told_to_the_authority() {
    let mut play = Play::new();
    let entry = published(&mut play, "conditional");
    let case = play.does(&request("conditional").naming("entry", entry));
    let condition = |text: &str| Json::object([("kind", Json::from("other")), ("text", Json::from(text))]);
    let granted = play.does(&act("transport", K::RequestGranted).of(case).with(
        "conditions",
        Json::Array(vec![condition("no onward use"), condition("letter of the mayor")]),
    ));
    assert_eq!(strange(&play, case, granted), ["condition-not-in-entry"]);
}

#[test]
fn a_second_inspection_of_the_same_topic_is_shown() {
    let mut play = Play::new();
    let first = play.does(&act("supervision", K::MatterProposed));
    play.at("2026-03-02 09:00");
    let second = play.does(&act("province-supervision", K::MatterProposed));
    assert!(strange(&play, first, first).is_empty());
    assert_eq!(strange(&play, second, second), ["inspection-repeated"]);
}

#[test]
fn dates_of_the_fixture_are_those_of_the_zone() {
    let mut play = Play::new();
    play.at("2026-03-02 23:30");
    assert_eq!(
        play.asof().today(&crate::fixture::department("housing")),
        date("2026-03-02")
    );
}
