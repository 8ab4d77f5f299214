//! One year of a small city, and what each view shows of it.

use super::{cases, catalogue, digest, due, findings, inbox, matters, requests, tasks, trail};
use crate::cases::CaseFold;
use crate::cases::source::Source;
use crate::fixture::{Play, act, department, readable};
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::id::{CaseId, PostId};
use tally_schemas::json::Json;

struct Story {
    play: Play,
    entry: CaseId,
    request: CaseId,
    waiting: CaseId,
    matter: CaseId,
    finding: CaseId,
    task: CaseId,
}

fn words(list: &[&str]) -> Json {
    Json::Array(list.iter().map(|word| Json::from(*word)).collect())
}

fn story() -> Story {
    let mut play = Play::new();
    let entry = published(&mut play);
    let request = answered(&mut play, entry);
    let (matter, finding) = inspected(&mut play, request);
    let task = tasked(&mut play);
    play.at("2026-04-27 09:00");
    let waiting = play.does(
        &act("taxes", K::RequestFiled)
            .to("transport")
            .asking(1)
            .naming("entry", entry)
            .with("entryVersion", 1)
            .with("class", "unconditional"),
    );
    play.at("2026-04-29 09:00");
    Story {
        play,
        entry,
        request,
        waiting,
        matter,
        finding,
        task,
    }
}

/// An entry that is published, reported on, and due for an update.
fn published(play: &mut Play) -> CaseId {
    play.at("2026-01-05 09:00");
    let entry = play.does(
        &act("transport", K::CatalogueDrafted)
            .with("name", "Driving permits")
            .with("class", "conditional")
            .with("scope", "departments of the city")
            .with("purposes", "permits and subsidies")
            .with("conditions", words(&["no onward use"])),
    );
    play.does(&act("transport", K::CatalogueAssessed).of(entry));
    play.does(&act("transport", K::CatalogueApproved).of(entry));
    play.does(&act("transport", K::CatalogueSubmitted).of(entry).to("datahub"));
    play.at("2026-01-06 10:00");
    play.does(&act("datahub", K::CataloguePublished).of(entry));
    play.does(
        &act("datahub", K::CatalogueSourceDesignated)
            .of(entry)
            .with("dataSet", "permits"),
    );
    play.does(
        &act("transport", K::CatalogueQualityReported)
            .of(entry)
            .with("from", "2026-01-01")
            .with("to", "2026-01-31")
            .with("records", 200_000)
            .with("problemRecords", 220),
    );
    play.does(
        &act("transport", K::CatalogueAttested)
            .of(entry)
            .with("year", 2026),
    );
    play.at("2026-04-24 09:00");
    play.does(
        &act("housing", K::CatalogueChangeTriggered)
            .of(entry)
            .with("occurred", "2026-04-01"),
    );
    entry
}

/// A request of two items: one granted late and suspended in use, one refused on paper on an improper ground.
fn answered(play: &mut Play, entry: CaseId) -> CaseId {
    play.at("2026-02-02 09:00");
    let request = play.does(
        &act("housing", K::RequestFiled)
            .to("transport")
            .asking(2)
            .naming("entry", entry)
            .with("entryVersion", 1)
            .arriving("2026-02-03 08:30"),
    );
    play.at("2026-02-05 09:00");
    play.does(
        &act("transport", K::RequestRefused)
            .of(request)
            .to("housing")
            .items(&[2])
            .with("ground", "MATERIALS_INCOMPLETE")
            .member("source", "paper")
            .member("docNo", "jiao-2026-7")
            .with("answeredOn", "2026-02-04"),
    );
    // The new-year holidays, 15 to 23 February, are worked off on the 14th and the 28th.
    play.at("2026-02-26 09:00");
    let condition = Json::object([
        ("kind", Json::from("purpose")),
        ("text", Json::from("no onward use")),
    ]);
    play.does(
        &act("transport", K::RequestGranted)
            .of(request)
            .to("housing")
            .items(&[1])
            .with("conditions", Json::Array(vec![condition]))
            .with("from", "2026-03-01")
            .with("to", "2026-12-31"),
    );
    play.does(
        &act("transport", K::RequestDelayExplained)
            .of(request)
            .to("datahub"),
    );
    play.at("2026-02-27 09:00");
    play.does(
        &act("datahub", K::RequestDelayAccepted)
            .of(request)
            .to("transport"),
    );
    play.at("2026-03-10 09:00");
    play.does(&act("transport", K::RequestDelivered).of(request).to("housing"));
    play.at("2026-03-11 09:00");
    play.does(
        &act("housing", K::RequestReceiptConfirmed)
            .of(request)
            .to("transport"),
    );
    play.at("2026-04-01 09:00");
    play.does(
        &act("housing", K::RequestUsageReported)
            .of(request)
            .with("from", "2026-03-11")
            .with("to", "2026-03-31")
            .with("count", 4_120),
    );
    play.at("2026-04-20 09:00");
    play.does(
        &act("datahub", K::RequestSuspended)
            .of(request)
            .to("housing")
            .with("rectifyBy", "2026-04-28"),
    );
    request
}

/// A matter with its plan, and a finding under it that waits for its evidence.
fn inspected(play: &mut Play, request: CaseId) -> (CaseId, CaseId) {
    play.at("2026-03-02 09:00");
    let matter = play.does(&act("supervision", K::MatterProposed).to("government"));
    play.at("2026-03-04 09:00");
    play.does(&act("government", K::MatterApproved).of(matter).to("supervision"));
    play.at("2026-03-05 09:00");
    let plan = play.does(
        &act("supervision", K::MatterPlanIssued)
            .of(matter)
            .with("scope", words(&["housing", "transport"]))
            .with("from", "2026-03-05")
            .with("to", "2026-04-30"),
    );
    play.at("2026-03-12 09:00");
    let finding = play.does(
        &act("supervision", K::FindingOpened)
            .with("basis", "inspection")
            .with("object", "transport")
            .with("related", words(&[&request.to_string()]))
            .member("mandate", plan.to_string()),
    );
    play.at("2026-03-13 09:00");
    play.does(
        &act("supervision", K::FindingNotified)
            .of(finding)
            .to("transport")
            .with("due", "2026-04-10"),
    );
    play.at("2026-03-16 09:00");
    play.does(
        &act("transport", K::FindingPlanSubmitted)
            .of(finding)
            .to("supervision")
            .with("completeBy", "2026-04-08"),
    );
    play.at("2026-03-18 09:00");
    play.does(
        &act("supervision", K::FindingPlanAccepted)
            .of(finding)
            .to("transport"),
    );
    (matter, finding)
}

fn tasked(play: &mut Play) -> CaseId {
    play.at("2026-03-02 09:00");
    let task = play.does(
        &act("lead", K::TaskIssued)
            .to("transport")
            .with("title", "Connect the permit system")
            .with("due", "2026-04-30"),
    );
    play.at("2026-03-03 09:00");
    play.does(&act("transport", K::TaskSigned).of(task).to("lead"));
    play.at("2026-04-01 09:00");
    play.does(
        &act("transport", K::TaskProgressReported)
            .of(task)
            .with("percent", 60),
    );
    play.at("2026-04-02 09:00");
    play.does(
        &act("lead", K::TaskDueChanged)
            .of(task)
            .to("transport")
            .with("due", "2026-05-15"),
    );
    task
}

#[test]
fn a_request_shows_its_items_with_answers_use_and_suspensions() {
    let story = story();
    let asof = story.play.asof();
    let view = requests::of(story.play.state(story.request), &asof).unwrap();
    insta::assert_snapshot!(readable(&view.to_json()));
    assert_eq!(requests::all(&asof).len(), 2);
    assert_eq!(requests::of(story.play.state(story.task), &asof), None);
}

#[test]
fn an_entry_shows_its_content_versions_and_changes() {
    let story = story();
    let view = catalogue::of(story.play.state(story.entry), &story.play.asof()).unwrap();
    insta::assert_snapshot!(readable(&view.to_json()));
    assert_eq!(catalogue::all(&story.play.asof()), [view]);
}

#[test]
fn a_matter_shows_its_mandate_and_its_findings() {
    let mut story = story();
    let view = matters::of(story.play.state(story.matter), &story.play.asof()).unwrap();
    insta::assert_snapshot!(readable(&view.to_json()));
    assert!(view.plan.unwrap().live);
    story.play.at("2026-05-01 09:00");
    let later = matters::of(story.play.state(story.matter), &story.play.asof()).unwrap();
    assert!(!later.plan.unwrap().live);
}

#[test]
fn a_finding_shows_object_and_supervisor_apart() {
    let story = story();
    let view = findings::of(story.play.state(story.finding), &story.play.asof()).unwrap();
    insta::assert_snapshot!(readable(&view.to_json()));
}

#[test]
fn a_task_shows_what_was_promised_and_every_change_of_it() {
    let story = story();
    let view = tasks::of(story.play.state(story.task), &story.play.asof()).unwrap();
    insta::assert_snapshot!(readable(&view.to_json()));
}

#[test]
fn a_trail_shows_every_act_with_its_dates_signers_and_marks() {
    let mut story = story();
    // Somebody without a part in the case; void, and shown with the reason.
    story
        .play
        .record(&act("taxes", K::RequestGranted).of(story.request).items(&[1]));
    let fold = &story.play.cases[&story.request];
    let trail = trail::of(fold, &story.play.asof());
    insta::assert_snapshot!(readable(&trail.to_json()));
    let void: Vec<_> = trail.entries.iter().filter(|line| line.void.is_some()).collect();
    assert_eq!(void.len(), 1);
    assert_eq!(trail.entries.len(), fold.entries().len());
    assert_eq!(trail.in_fold_order().len() + 1, trail.entries.len());
}

#[test]
fn due_dates_explain_themselves() {
    let story = story();
    let lines = due::of_case(story.play.state(story.waiting), &story.play.asof());
    let list: Vec<Json> = lines.iter().map(due::DueLine::to_json).collect();
    insta::assert_snapshot!(readable(&Json::Array(list)));
}

#[test]
fn what_is_due_is_listed_by_its_last_day() {
    let story = story();
    let asof = story.play.asof();
    let shown = |lines: Vec<due::DueLine>| -> Vec<String> {
        let show = |line: &due::DueLine| {
            format!(
                "{} {} {} {} {}",
                line.timed
                    .date()
                    .map_or_else(|| "-".to_owned(), |date| date.to_string()),
                line.number.as_ref().map_or_else(String::new, ToString::to_string),
                line.timed.clock.limit.as_str(),
                line.timed.clock.owes[0],
                if line.is_overdue() { "overdue" } else { "open" },
            )
        };
        lines.iter().map(show).collect()
    };
    insta::assert_snapshot!(shown(due::running(&asof, None, false)).join("\n"), @r"
    2026-04-10 supervision/fnd-2026-0001 finding-rectified transport overdue
    2026-04-16 transport/cat-2026-0001 catalogue-update transport overdue
    2026-04-28 taxes/req-2026-0001 request-answer-unconditional transport overdue
    2026-04-28 housing/req-2026-0001 misuse-ended housing overdue
    2026-05-15 lead/tsk-2026-0001 task-done transport open
    ");
    let transport = department("transport");
    let late = due::running(&asof, Some(&transport), true);
    assert!(
        late.iter()
            .all(|line| line.is_overdue() && line.is_owed_by(&transport))
    );
    assert_eq!(late.len(), 3);
}

#[test]
fn an_inbox_shows_what_is_owed_and_what_is_awaited() {
    let story = story();
    let asof = story.play.asof();
    let shown = |lines: &[inbox::InboxLine]| -> String {
        let show = |line: &inbox::InboxLine| {
            let next: Vec<&str> = line.next.iter().map(|act| act.kind.name()).collect();
            format!(
                "{} {} {:?} {:?} {}\n",
                line.number.as_ref().map_or_else(String::new, ToString::to_string),
                line.stage.as_str(),
                line.items,
                line.due
                    .as_ref()
                    .and_then(|due| due.timed.date())
                    .map(|date| date.to_string()),
                next.join(" "),
            )
        };
        lines.iter().map(show).collect()
    };
    let transport = inbox::of(&department("transport"), None, &asof);
    insta::assert_snapshot!(shown(&transport.owed), @r#"
    supervision/fnd-2026-0001 rectifying [0] Some("2026-04-10") evidence-submitted erratum
    transport/cat-2026-0001 update-due [0] Some("2026-04-16") revised assessed approved submitted change-triggered class-challenged attested quality-reported retire-proposed urged erratum
    taxes/req-2026-0001 pending [1] Some("2026-04-28") acknowledged supplement-asked redirected extension-requested granted refused delay-explained erratum
    lead/tsk-2026-0001 in-force [0] Some("2026-05-15") signed progress-reported handed-over claimed erratum
    "#);
    let housing = inbox::of(&department("housing"), None, &asof);
    insta::assert_snapshot!(shown(&housing.owed), @r#"housing/req-2026-0001 active [1] Some("2026-04-28") usage-reported scope-change-asked rectification-reported expired purpose-ended erratum"#);
    assert!(housing.awaited.is_empty() && housing.risen.is_empty());
    let taxes = inbox::of(&department("taxes"), None, &asof);
    insta::assert_snapshot!(shown(&taxes.awaited), @r#"taxes/req-2026-0001 pending [1] Some("2026-04-28") withdrawn urged erratum"#);
    // From the fifth working day on, what is overdue is before the authority of the one who owes it.
    let datahub = inbox::of(&department("datahub"), None, &asof);
    insta::assert_snapshot!(shown(&datahub.risen).replace(" \n", "\n"), @r#"
    supervision/fnd-2026-0001 rectifying [0] Some("2026-04-10")
    transport/cat-2026-0001 update-due [0] Some("2026-04-16") change-triggered update-extended source-designated urged erratum
    "#);
    let lead = inbox::of(&department("lead"), None, &asof);
    assert!(lead.risen.is_empty());
    let desk = PostId::parse("desk").unwrap();
    assert_eq!(
        inbox::of(&department("transport"), Some(&desk), &asof).owed.len(),
        transport.owed.len()
    );
    let nobody = PostId::parse("porter").unwrap();
    assert!(
        inbox::of(&department("transport"), Some(&nobody), &asof)
            .owed
            .is_empty()
    );
    insta::assert_snapshot!(readable(&transport.owed[0].to_json()));
}

#[test]
fn a_case_shows_what_can_be_done_next_and_by_whom() {
    let story = story();
    let view = cases::of(story.play.state(story.waiting), &story.play.asof());
    insta::assert_snapshot!(readable(&view.to_json()));
}

#[test]
fn cases_are_found_by_kind_department_and_stage() {
    let story = story();
    let asof = story.play.asof();
    let found = |filter: &cases::CaseFilter| cases::all(&asof, filter).len();
    let any = cases::CaseFilter::default();
    assert_eq!(found(&any), 6);
    let kind = cases::CaseFilter {
        kind: Some(CaseKind::Request),
        ..any.clone()
    };
    assert_eq!(found(&kind), 2);
    let lead = cases::CaseFilter {
        department: Some(department("lead")),
        ..any.clone()
    };
    assert_eq!(found(&lead), 1);
    let refused = cases::CaseFilter {
        stage: crate::cases::Stage::parse("refused"),
        ..any
    };
    assert_eq!(found(&refused), 1);
}

#[test]
fn digests_are_equal_for_one_set_whatever_its_order_and_differ_for_another() {
    let story = story();
    let registry = story.play.registry();
    let digests = |folds: &[CaseFold]| {
        let digests = folds
            .iter()
            .map(|fold| (fold.id(), digest::of_case(fold, registry)));
        digest::of_all(digests, digest::Buckets::Sixteen, registry)
    };
    let all: Vec<CaseFold> = story.play.cases.values().cloned().collect();
    let mut other_way = all.clone();
    other_way.reverse();
    let one = digests(&all);
    assert_eq!(one, digests(&other_way));
    assert_eq!(one.len(), 16);
    assert_eq!(one.values().map(|bucket| bucket.cases).sum::<u64>(), 6);

    let mut ahead = story.play.clone();
    let case = story.task;
    ahead.does(&act("transport", K::TaskClaimed).of(case));
    let folds: Vec<CaseFold> = ahead.cases.values().cloned().collect();
    let two = digests(&folds);
    let changed: Vec<u8> = one
        .keys()
        .copied()
        .filter(|bucket| one[bucket] != two[bucket])
        .collect();
    assert_eq!(changed, [digest::Buckets::Sixteen.of(case)]);
    let bucket = digest::Buckets::Sixteen.of(case);
    assert_ne!(one[&bucket].inputs, two[&bucket].inputs);
    assert_ne!(one[&bucket].states, two[&bucket].states);
    assert_ne!(digest::to_json(&one), digest::to_json(&two));
    let json = one[&bucket].to_json(bucket);
    assert_eq!(
        json.member("bucket").and_then(Json::as_int),
        Some(i64::from(bucket))
    );
    assert_eq!(digest::Buckets::TwoHundredFiftySix.of(case) >> 4, bucket);
}

#[test]
fn cases_are_quoted_by_number() {
    let story = story();
    let numbers: Vec<String> = [
        story.entry,
        story.request,
        story.waiting,
        story.finding,
        story.task,
    ]
    .into_iter()
    .map(|case| story.play.number(story.play.state(case)).unwrap().to_string())
    .collect();
    assert_eq!(
        numbers,
        [
            "transport/cat-2026-0001",
            "housing/req-2026-0001",
            "taxes/req-2026-0001",
            "supervision/fnd-2026-0001",
            "lead/tsk-2026-0001",
        ]
    );
}

#[test]
fn a_trail_says_who_only_acted_in_a_post() {
    let mut play = Play::new();
    play.enters(
        act("transport", K::RosterAppointed)
            .with("officer", "o1")
            .with("post", "head")
            .with("from", "2026-01-01")
            .with("to", "2026-02-28")
            .with("acting", true),
    );
    play.at("2026-02-02 09:00");
    let signer = |role: &str, post: &str, officer: &str| {
        Json::object([
            ("roles", words(&[role])),
            ("post", Json::from(post)),
            ("officer", Json::from(officer)),
        ])
    };
    let case = play.does(&act("housing", K::RequestFiled).to("transport").asking(1));
    let by = |post: &str, officer: &str| {
        act("transport", K::RequestAcknowledged)
            .of(case)
            .member("signers", Json::Array(vec![signer("drafter", post, officer)]))
    };
    play.does(&by("head", "o1"));
    play.does(&by("head", "o2"));
    play.at("2026-03-02 09:00");
    play.does(&by("desk", "o1"));
    let trail = trail::of(&play.cases[&case], &play.asof());
    let acting: Vec<bool> = trail
        .in_fold_order()
        .iter()
        .skip(1)
        .map(|line| line.signers[0].acting)
        .collect();
    assert_eq!(acting, [true, false, false]);
}

#[test]
fn an_erratum_is_shown_beside_what_it_corrects() {
    let mut play = Play::new();
    let case = play.does(&act("housing", K::RequestFiled).to("transport").asking(1));
    let erratum = play.does(
        &act("housing", K::RequestErratum)
            .of(case)
            .member("corrects", case.to_string()),
    );
    let trail = trail::of(&play.cases[&case], &play.asof());
    assert_eq!(trail.entries[0].errata, [erratum]);
    assert!(trail.entries[1].errata.is_empty());
}

#[test]
fn what_somebody_owes_without_a_clock_is_in_the_inbox_too() {
    let mut play = Play::new();
    let draft = play.does(&act("transport", K::CatalogueDrafted));
    let task = play.does(&act("lead", K::TaskIssued).with("lead", "transport"));
    play.does(&act("transport", K::TaskSigned).of(task));
    play.does(&act("transport", K::TaskHandedOver).of(task).with("to", "health"));
    let asof = play.asof();
    let transport = inbox::of(&department("transport"), None, &asof);
    let without: Vec<CaseId> = transport
        .owed
        .iter()
        .filter(|line| line.due.is_none())
        .map(|line| line.case)
        .collect();
    assert_eq!(without, [draft]);
    let health = inbox::of(&department("health"), None, &asof);
    assert_eq!(health.owed.len(), 1);
    assert_eq!(health.owed[0].stage.as_str(), "handing-over");
    let kinds: Vec<K> = health.owed[0].next.iter().map(|act| act.kind).collect();
    assert_eq!(kinds, [K::TaskTakenOver]);
}

#[test]
fn what_is_due_only_if_receipt_is_deemed_is_listed_with_what_is_overdue() {
    let mut play = Play::new();
    play.at("2026-03-02 09:00");
    play.does(&act("housing", K::RequestFiled).to("transport").asking(1).unseen());
    play.at("2026-03-30 09:00");
    let overdue = due::running(&play.asof(), Some(&department("transport")), true);
    assert_eq!(overdue.len(), 1);
    assert!(!overdue[0].is_overdue() && overdue[0].is_overdue_if_deemed());
    let json = overdue[0].to_json();
    assert!(json.member("due").is_none() && json.member("ifDeemedReceived").is_some());
}
