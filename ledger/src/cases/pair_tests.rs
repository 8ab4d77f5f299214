//! Plays every pair row and every race-only edge, for both orders of arrival.

use super::fold::{CaseFold, Reversal};
use super::table::Stage;
use super::table_of;
use crate::fixture::{Draft, Play, act};
use std::collections::BTreeSet;
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::id::CaseId;

/// An act: who, what.
type Act = (&'static str, K);

struct Scene {
    opening: Draft,
    /// What everybody knew.
    before: &'static [Act],
    /// What one department did; the last act is the first of the row.
    first: &'static [Act],
    /// What the other did without knowing it: the second of the row.
    second: Act,
    /// Where the item stands in the end.
    stage: Stage,
    /// Which acts are overtaken.
    overtaken: &'static [K],
    /// Whether the second takes a race-only edge.
    raced: bool,
}

fn request() -> Draft {
    act("housing", K::RequestFiled).to("transport").asking(1)
}

fn finding(basis: &str, by: &str) -> Draft {
    act(by, K::FindingOpened)
        .with("basis", basis)
        .with("object", "transport")
}

fn scene(
    opening: Draft,
    before: &'static [Act],
    first: &'static [Act],
    second: Act,
    stage: Stage,
    overtaken: &'static [K],
) -> Scene {
    Scene {
        opening,
        before,
        first,
        second,
        stage,
        overtaken,
        raced: false,
    }
}

fn raced(scene: Scene) -> Scene {
    Scene { raced: true, ..scene }
}

const REVIEWED: &[Act] = &[
    ("transport", K::CatalogueAssessed),
    ("transport", K::CatalogueApproved),
    ("transport", K::CatalogueSubmitted),
];
const UPDATED: &[Act] = &[
    ("transport", K::CatalogueAssessed),
    ("transport", K::CatalogueApproved),
    ("transport", K::CatalogueSubmitted),
    ("datahub", K::CataloguePublished),
    ("transport", K::CatalogueChangeTriggered),
    ("transport", K::CatalogueSubmitted),
];
const GRANTED: &[Act] = &[("transport", K::RequestGranted)];
const DELIVERED: &[Act] = &[
    ("transport", K::RequestGranted),
    ("transport", K::RequestDelivered),
];
const RECTIFYING: &[Act] = &[
    ("datahub", K::FindingNotified),
    ("transport", K::FindingPlanSubmitted),
    ("datahub", K::FindingPlanAccepted),
];
const EVIDENCE: &[Act] = &[
    ("datahub", K::FindingNotified),
    ("transport", K::FindingPlanSubmitted),
    ("datahub", K::FindingPlanAccepted),
    ("transport", K::FindingEvidenceSubmitted),
];
const CLAIMED: &[Act] = &[("transport", K::TaskSigned), ("transport", K::TaskClaimed)];

fn scenes() -> Vec<Scene> {
    let entry = || act("transport", K::CatalogueDrafted);
    let order = || finding("order-to-correct", "datahub");
    let task = || act("lead", K::TaskIssued).with("lead", "transport");
    let redirected: &[Act] = &[("transport", K::RequestRedirected)];
    let mut scenes = vec![
        scene(
            entry(),
            REVIEWED,
            &[("datahub", K::CataloguePublished)],
            ("transport", K::CatalogueWithdrawn),
            Stage::Published,
            &[K::CatalogueWithdrawn],
        ),
        scene(
            entry(),
            UPDATED,
            &[("datahub", K::CataloguePublished)],
            ("supervision", K::CatalogueChangeTriggered),
            Stage::UpdateDue,
            &[],
        ),
        raced(scene(
            request(),
            &[],
            GRANTED,
            ("housing", K::RequestWithdrawn),
            Stage::Ended,
            &[],
        )),
        scene(
            request(),
            &[],
            &[("transport", K::RequestRefused)],
            ("housing", K::RequestWithdrawn),
            Stage::Refused,
            &[K::RequestWithdrawn],
        ),
        raced(scene(
            request(),
            &[],
            DELIVERED,
            ("housing", K::RequestWithdrawn),
            Stage::DisposalDue,
            &[],
        )),
        scene(
            request(),
            &[],
            redirected,
            ("housing", K::RequestWithdrawn),
            Stage::Withdrawn,
            &[],
        ),
        scene(
            request(),
            &[("transport", K::RequestRedirected)],
            &[("health", K::RequestRedirectAccepted)],
            ("housing", K::RequestWithdrawn),
            Stage::Withdrawn,
            &[],
        ),
        scene(
            request(),
            &[("transport", K::RequestRedirected)],
            &[("health", K::RequestRedirectDeclined)],
            ("housing", K::RequestWithdrawn),
            Stage::Withdrawn,
            &[],
        ),
        scene(
            request(),
            &[],
            GRANTED,
            ("datahub", K::RequestConformityReturned),
            Stage::Agreed,
            &[K::RequestConformityReturned],
        ),
        scene(
            request(),
            &[],
            &[("transport", K::RequestRefused)],
            ("datahub", K::RequestConformityReturned),
            Stage::Refused,
            &[K::RequestConformityReturned],
        ),
        scene(
            request(),
            &[],
            &[("transport", K::RequestSupplementAsked)],
            ("datahub", K::RequestConformityReturned),
            Stage::AwaitingSupplement,
            &[K::RequestConformityReturned],
        ),
        scene(
            request(),
            &[],
            redirected,
            ("datahub", K::RequestConformityReturned),
            Stage::Redirected,
            &[K::RequestConformityReturned],
        ),
        scene(
            request(),
            GRANTED,
            &[("transport", K::RequestAnswerRetracted)],
            ("housing", K::RequestGrantDeclined),
            Stage::Pending,
            &[K::RequestGrantDeclined],
        ),
        raced(scene(
            request(),
            GRANTED,
            &[("transport", K::RequestDelivered)],
            ("housing", K::RequestGrantDeclined),
            Stage::DisposalDue,
            &[],
        )),
        scene(
            request(),
            DELIVERED,
            &[("datahub", K::RequestSuspended)],
            ("housing", K::RequestReceiptContested),
            Stage::Agreed,
            &[],
        ),
        scene(
            request(),
            &[
                ("transport", K::RequestGranted),
                ("transport", K::RequestDelivered),
                ("datahub", K::RequestSuspended),
            ],
            &[("datahub", K::RequestLifted)],
            ("housing", K::RequestReceiptContested),
            Stage::Agreed,
            &[],
        ),
        scene(
            request(),
            &[
                ("transport", K::RequestGranted),
                ("transport", K::RequestDelivered),
                ("datahub", K::RequestSuspended),
            ],
            &[("datahub", K::RequestTerminated)],
            ("housing", K::RequestReceiptContested),
            Stage::DisposalDue,
            &[K::RequestReceiptContested],
        ),
        scene(
            request(),
            &[
                ("transport", K::RequestGranted),
                ("transport", K::RequestDelivered),
                ("transport", K::RequestChangeProposed),
            ],
            &[("transport", K::RequestEndFiled)],
            ("housing", K::RequestReceiptContested),
            Stage::DisposalDue,
            &[K::RequestReceiptContested],
        ),
        scene(
            request(),
            DELIVERED,
            &[("transport", K::RequestUsageAttested)],
            ("housing", K::RequestReceiptContested),
            Stage::Agreed,
            &[],
        ),
        scene(
            request(),
            &[
                ("transport", K::RequestGranted),
                ("transport", K::RequestDelivered),
                ("housing", K::RequestReceiptConfirmed),
                ("housing", K::RequestPurposeEnded),
            ],
            &[("transport", K::RequestUsageAttested)],
            ("housing", K::RequestDisposalReported),
            Stage::Closed,
            &[],
        ),
        scene(
            act("supervision", K::MatterProposed),
            &[],
            &[("government", K::MatterDeclined)],
            ("supervision", K::MatterWithdrawn),
            Stage::Declined,
            &[K::MatterWithdrawn],
        ),
        scene(
            act("government", K::MatterInstructed),
            &[],
            &[("supervision", K::MatterPlanIssued)],
            ("government", K::MatterWithdrawn),
            Stage::PlanIssued,
            &[K::MatterWithdrawn],
        ),
        scene(
            act("supervision", K::MatterProposed),
            &[],
            &[("government", K::MatterApproved)],
            ("province-government", K::MatterDeclined),
            Stage::Approved,
            &[K::MatterDeclined],
        ),
        raced(scene(
            order(),
            EVIDENCE,
            &[("datahub", K::FindingVerified)],
            ("transport", K::FindingEvidenceSubmitted),
            Stage::EvidenceIn,
            &[],
        )),
        scene(
            order(),
            EVIDENCE,
            &[("datahub", K::FindingInsufficient)],
            ("transport", K::FindingEvidenceSubmitted),
            Stage::EvidenceIn,
            &[],
        ),
        scene(
            order(),
            EVIDENCE,
            &[("datahub", K::FindingInsufficient)],
            ("supervision", K::FindingVerified),
            Stage::Rectifying,
            &[K::FindingVerified],
        ),
        scene(
            order(),
            EVIDENCE,
            &[("supervision", K::FindingVerified)],
            ("datahub", K::FindingReassigned),
            Stage::ClosedRectified,
            &[K::FindingReassigned],
        ),
        scene(
            order(),
            &[("datahub", K::FindingSentForComment)],
            &[("transport", K::FindingFactsContested)],
            ("datahub", K::FindingNotified),
            Stage::Contested,
            &[K::FindingNotified],
        ),
        scene(
            finding("self", "transport"),
            &[],
            &[("datahub", K::FindingNotified)],
            ("supervision", K::FindingDropped),
            Stage::Notified,
            &[K::FindingDropped],
        ),
        scene(
            finding("self", "transport"),
            &[
                ("datahub", K::FindingNotified),
                ("transport", K::FindingPlanSubmitted),
            ],
            &[("datahub", K::FindingPlanReturned)],
            ("supervision", K::FindingPlanAccepted),
            Stage::Acknowledged,
            &[K::FindingPlanAccepted],
        ),
        scene(
            order(),
            &[("datahub", K::FindingNotified)],
            &[("transport", K::FindingAcknowledged)],
            ("datahub", K::FindingReassigned),
            Stage::Notified,
            &[],
        ),
        scene(
            order(),
            &[("datahub", K::FindingNotified)],
            &[("transport", K::FindingPlanSubmitted)],
            ("datahub", K::FindingReassigned),
            Stage::Notified,
            &[],
        ),
        scene(
            task(),
            CLAIMED,
            &[("supervision", K::TaskVerified)],
            ("lead", K::TaskWithdrawn),
            Stage::Closed,
            &[K::TaskWithdrawn],
        ),
        scene(
            task(),
            CLAIMED,
            &[("supervision", K::TaskReturned)],
            ("province-supervision", K::TaskVerified),
            Stage::InForce,
            &[K::TaskVerified],
        ),
        scene(
            task(),
            &[("transport", K::TaskSigned)],
            &[("transport", K::TaskHandedOver)],
            ("lead", K::TaskWithdrawn),
            Stage::Withdrawn,
            &[],
        ),
        scene(
            task(),
            &[("transport", K::TaskSigned), ("transport", K::TaskHandedOver)],
            &[("health", K::TaskTakenOver)],
            ("lead", K::TaskWithdrawn),
            Stage::Withdrawn,
            &[],
        ),
    ];
    for ending in [K::RequestExpired, K::RequestPurposeEnded] {
        scenes.push(scene(
            request(),
            DELIVERED,
            if ending == K::RequestExpired {
                &[("transport", K::RequestExpired)]
            } else {
                &[("transport", K::RequestPurposeEnded)]
            },
            ("housing", K::RequestReceiptContested),
            Stage::DisposalDue,
            &[K::RequestReceiptContested],
        ));
    }
    for (closing, given_up) in [
        (
            K::FindingNotImplementable,
            &[("datahub", K::FindingNotImplementable)],
        ),
        (K::FindingRiskAccepted, &[("datahub", K::FindingRiskAccepted)]),
    ] {
        assert_eq!(closing, given_up[0].1);
        scenes.push(raced(scene(
            order(),
            RECTIFYING,
            given_up,
            ("transport", K::FindingEvidenceSubmitted),
            Stage::EvidenceIn,
            &[],
        )));
    }
    scenes
}

fn draft((by, kind): Act, case: CaseId) -> Draft {
    let draft = act(by, kind).of(case);
    match kind {
        K::RequestRedirected => draft.with("source", "health"),
        K::FindingReassigned => draft.with("object", "health"),
        K::TaskHandedOver => draft.with("to", "health"),
        _ => draft,
    }
}

/// Plays a scene; returns the case as it arrives in both orders.
fn play(scene: &Scene) -> (Play, [CaseFold; 2]) {
    let mut play = Play::new();
    let case = play.does(&scene.opening);
    for act in scene.before {
        play.does(&draft(*act, case));
    }
    let known = play.everything();
    let common = play.cases[&case].clone();
    for act in scene.first {
        play.does(&draft(*act, case).knowing(&known));
    }
    play.does(&draft(scene.second, case).knowing(&known));
    let added = scene.first.len() + 1;
    let mut entries = play.entries[play.entries.len() - added..].to_vec();
    entries.rotate_right(1);
    let mut other_way = common;
    for entry in entries {
        other_way.insert(entry, &play.registry);
    }
    let forth = play.cases[&case].clone();
    (play, [forth, other_way])
}

#[test]
fn every_pair_leads_to_one_state_whatever_arrives_first() {
    for scene in scenes() {
        let (play, cases) = play(&scene);
        let name = format!("{:?} x {:?}", scene.first, scene.second);
        let bytes = cases
            .each_ref()
            .map(|case| case.state().unwrap().to_json().to_canonical());
        assert_eq!(bytes[0], bytes[1], "{name}");
        for case in &cases {
            let state = case.state().unwrap();
            assert_eq!(state.stage(), scene.stage, "{name}");
            let kind_of = |reversal: &Reversal| match reversal {
                Reversal::Overtaken { entry, .. } => state.fact(entry.event).unwrap().kind,
                Reversal::RightTaken { .. } => panic!("{name}: nothing was taken"),
            };
            let overtaken: Vec<K> = case.reversals(&play.registry).iter().map(kind_of).collect();
            assert_eq!(overtaken, scene.overtaken, "{name}");
            let raced: Vec<K> = state
                .facts
                .iter()
                .filter(|fact| !fact.raced.is_empty())
                .map(|fact| fact.kind)
                .collect();
            let expected: Vec<K> = scene.raced.then_some(scene.second.1).into_iter().collect();
            assert_eq!(raced, expected, "{name}");
        }
    }
}

#[test]
fn every_row_and_every_race_only_edge_is_played() {
    let mut rows = BTreeSet::new();
    let mut races = BTreeSet::new();
    for scene in scenes() {
        let first = scene.first.last().unwrap().1;
        rows.insert((first, scene.second.1));
        let (_, cases) = play(&scene);
        for fact in &cases[0].state().unwrap().facts {
            for item in &fact.raced {
                races.insert((fact.kind, fact.moved[item].0));
            }
        }
    }
    for table in CaseKind::ALL.iter().filter_map(|kind| table_of(*kind)) {
        for row in table.pairs {
            assert!(
                rows.remove(&(row.first, row.second)),
                "{:?} x {:?}",
                row.first,
                row.second
            );
            for stage in row.race.iter().flat_map(|(from, _)| *from) {
                assert!(
                    races.contains(&(row.second, *stage)),
                    "{:?} from {stage:?}",
                    row.second
                );
            }
        }
    }
    assert!(rows.is_empty(), "scenes without a row: {rows:?}");
}

#[test]
fn a_suspension_stays_up_while_the_delivery_is_contested() {
    let suspended = scenes()
        .into_iter()
        .find(|scene| scene.first == [("datahub", K::RequestSuspended)])
        .unwrap();
    for case in play(&suspended).1 {
        let item = &case.state().unwrap().items[&1];
        assert_eq!(
            item.flags.keys().map(ToString::to_string).collect::<Vec<_>>(),
            ["datahub"]
        );
    }
}

#[test]
fn a_finding_turned_to_another_object_begins_with_that_object() {
    for scene in scenes() {
        if scene.second.1 == K::FindingReassigned && scene.overtaken.is_empty() {
            for case in play(&scene).1 {
                assert_eq!(case.state().unwrap().items[&0].holder.as_str(), "health");
            }
        }
    }
}

/// The rows once made a circle here: the return waited for the answer, the asking for the return, the answer for the
/// asking; it was broken by the withdrawal, which overtook the answer.
#[test]
fn an_answer_after_a_lapsed_supplement_stands_over_a_withdrawal_and_a_return() {
    let mut play = Play::new();
    let case = play.does(&request());
    let known = play.everything();
    for act in [
        ("transport", K::RequestSupplementAsked),
        ("transport", K::RequestSupplementLapsed),
        ("transport", K::RequestGranted),
        ("datahub", K::RequestConformityReturned),
        ("housing", K::RequestWithdrawn),
    ] {
        play.does(&draft(act, case).knowing(&known));
    }
    let state = play.state(case);
    assert_eq!(state.stage(), Stage::Ended);
    let overtaken: Vec<K> = state
        .facts
        .iter()
        .filter(|fact| !fact.overtaken.is_empty())
        .map(|fact| fact.kind)
        .collect();
    assert_eq!(overtaken, [K::RequestConformityReturned]);
}
