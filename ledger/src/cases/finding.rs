//! Findings and their rectification: states and transitions (Order 809 Arts 38-41; Insp. Reg. 16-20).

use super::table::{
    Effect, Guard, PairRow, Rule, Stage, StageRow, Table, To, Who, last, rule, stage, when, with,
};
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::genesis::Role;
use tally_schemas::profile::ClockId;

const ISSUER: &[(Who, Option<Role>)] = &[(Who::Issuer, None)];
const OBJECT: &[(Who, Option<Role>)] = &[(Who::Holder, None)];
const VERIFIER: &[(Who, Option<Role>)] = &[
    (Who::Issuer, None),
    (Who::Any(Role::Supervision), Some(Role::Supervision)),
];

const BEFORE_NOTICE: &[Stage] = &[Stage::Opened, Stage::Commenting, Stage::Contested, Stage::Settled];
const RUNNING: &[Stage] = &[
    Stage::Notified,
    Stage::Acknowledged,
    Stage::Planned,
    Stage::Rectifying,
    Stage::EvidenceIn,
];
const CLOSED: &[Stage] = &[Stage::ClosedRectified, Stage::ClosedNotRectified];

const STAGES: &[StageRow] = &[
    stage(Stage::Opened, Some(Who::Issuer), Some(ClockId::FindingDispatch)),
    stage(
        Stage::Commenting,
        Some(Who::Holder),
        Some(ClockId::FindingComment),
    ),
    stage(Stage::Contested, Some(Who::Issuer), Some(ClockId::FindingNotice)),
    stage(Stage::Settled, Some(Who::Issuer), Some(ClockId::FindingNotice)),
    last(Stage::Dropped),
    stage(
        Stage::Notified,
        Some(Who::Holder),
        Some(ClockId::FindingAcknowledgement),
    ),
    stage(Stage::Acknowledged, Some(Who::Holder), Some(ClockId::FindingPlan)),
    stage(
        Stage::Planned,
        Some(Who::Issuer),
        Some(ClockId::FindingPlanReview),
    ),
    stage(Stage::Rectifying, Some(Who::Holder), None),
    stage(
        Stage::EvidenceIn,
        Some(Who::Issuer),
        Some(ClockId::FindingVerification),
    ),
    last(Stage::ClosedRectified),
    last(Stage::ClosedNotRectified),
];

const RULES: &[Rule] = &[
    rule(
        K::FindingOpened,
        &[(Who::ByBasis, None)],
        &[(&[Stage::Start], To::Stage(Stage::Opened))],
    ),
    rule(
        K::FindingSentForComment,
        ISSUER,
        &[(&[Stage::Opened], To::Stage(Stage::Commenting))],
    ),
    rule(
        K::FindingFactsConfirmed,
        OBJECT,
        &[(&[Stage::Commenting], To::Stage(Stage::Settled))],
    ),
    rule(
        K::FindingFactsContested,
        OBJECT,
        &[(&[Stage::Commenting], To::Stage(Stage::Contested))],
    ),
    rule(
        K::FindingAmended,
        ISSUER,
        &[
            (&[Stage::Contested], To::Stage(Stage::Settled)),
            (&[Stage::Opened, Stage::Settled], To::Same),
        ],
    ),
    rule(
        K::FindingMaintained,
        ISSUER,
        &[(&[Stage::Contested], To::Stage(Stage::Settled))],
    ),
    rule(
        K::FindingDropped,
        ISSUER,
        &[(BEFORE_NOTICE, To::Stage(Stage::Dropped))],
    ),
    rule(
        K::FindingNotified,
        ISSUER,
        &[(
            &[Stage::Opened, Stage::Commenting, Stage::Settled],
            To::Stage(Stage::Notified),
        )],
    ),
    rule(
        K::FindingAcknowledged,
        OBJECT,
        &[(&[Stage::Notified], To::Stage(Stage::Acknowledged))],
    ),
    rule(
        K::FindingPlanSubmitted,
        OBJECT,
        &[(&[Stage::Notified, Stage::Acknowledged], To::Stage(Stage::Planned))],
    ),
    rule(
        K::FindingPlanAccepted,
        ISSUER,
        &[(&[Stage::Planned], To::Stage(Stage::Rectifying))],
    ),
    rule(
        K::FindingPlanReturned,
        ISSUER,
        &[(&[Stage::Planned], To::Stage(Stage::Acknowledged))],
    ),
    rule(
        K::FindingEvidenceSubmitted,
        OBJECT,
        &[
            (&[Stage::Rectifying], To::Stage(Stage::EvidenceIn)),
            (&[Stage::EvidenceIn], To::Same),
        ],
    ),
    when(
        rule(
            K::FindingInsufficient,
            VERIFIER,
            &[(&[Stage::EvidenceIn], To::Stage(Stage::Rectifying))],
        ),
        Guard::NotHolder,
    ),
    when(
        rule(
            K::FindingVerified,
            VERIFIER,
            &[(&[Stage::EvidenceIn], To::Stage(Stage::ClosedRectified))],
        ),
        Guard::NotHolder,
    ),
    rule(K::FindingExtensionGranted, ISSUER, &[(RUNNING, To::Same)]),
    rule(
        K::FindingReopened,
        VERIFIER,
        &[(CLOSED, To::Stage(Stage::Rectifying))],
    ),
    rule(
        K::FindingNotImplementable,
        ISSUER,
        &[(&[Stage::Rectifying], To::Stage(Stage::ClosedNotRectified))],
    ),
    rule(
        K::FindingRiskAccepted,
        ISSUER,
        &[(&[Stage::Rectifying], To::Stage(Stage::ClosedNotRectified))],
    ),
    // A finding that a department opened on itself has no other object; several could turn it to several others.
    when(
        with(
            rule(
                K::FindingReassigned,
                ISSUER,
                &[(RUNNING, To::Stage(Stage::Notified))],
            ),
            Effect::Assign("object"),
        ),
        Guard::OwnCase,
    ),
    rule(
        K::FindingUrged,
        &[
            (Who::Issuer, None),
            (Who::Any(Role::Supervision), Some(Role::Supervision)),
        ],
        &[(
            &[
                Stage::Opened,
                Stage::Commenting,
                Stage::Contested,
                Stage::Settled,
                Stage::Notified,
                Stage::Acknowledged,
                Stage::Planned,
                Stage::Rectifying,
                Stage::EvidenceIn,
            ],
            To::Same,
        )],
    ),
    rule(
        K::FindingErratum,
        &[(Who::Issuer, None), (Who::Holder, None), (Who::Owner, None)],
        &[(
            &[
                Stage::Opened,
                Stage::Commenting,
                Stage::Contested,
                Stage::Settled,
                Stage::Dropped,
                Stage::Notified,
                Stage::Acknowledged,
                Stage::Planned,
                Stage::Rectifying,
                Stage::EvidenceIn,
                Stage::ClosedRectified,
                Stage::ClosedNotRectified,
            ],
            To::Same,
        )],
    ),
];

const PAIRS: &[PairRow] = &[
    // Closing and new evidence: later evidence reopens.
    PairRow {
        first: K::FindingVerified,
        second: K::FindingEvidenceSubmitted,
        race: Some((&[Stage::ClosedRectified], To::Stage(Stage::EvidenceIn))),
    },
    // As above: what was given up as not implementable is looked at again when there is evidence.
    PairRow {
        first: K::FindingNotImplementable,
        second: K::FindingEvidenceSubmitted,
        race: Some((&[Stage::ClosedNotRectified], To::Stage(Stage::EvidenceIn))),
    },
    // As above for a risk that was accepted.
    PairRow {
        first: K::FindingRiskAccepted,
        second: K::FindingEvidenceSubmitted,
        race: Some((&[Stage::ClosedNotRectified], To::Stage(Stage::EvidenceIn))),
    },
    // Evidence that the verifier did not see yet waits for the verifier.
    PairRow {
        first: K::FindingInsufficient,
        second: K::FindingEvidenceSubmitted,
        race: None,
    },
    // Of two verifiers who disagree, the one who gives reasons keeps the finding open.
    PairRow {
        first: K::FindingInsufficient,
        second: K::FindingVerified,
        race: None,
    },
    // A verification stands over a change of object that did not know it; what is wrong with it reopens the finding.
    PairRow {
        first: K::FindingVerified,
        second: K::FindingReassigned,
        race: None,
    },
    // The object is heard before it is notified: the issuer decides on what it contests, then notifies.
    PairRow {
        first: K::FindingFactsContested,
        second: K::FindingNotified,
        race: None,
    },
    // A notice stands over the other issuer's decision to drop a finding that a department opened on itself.
    PairRow {
        first: K::FindingNotified,
        second: K::FindingDropped,
        race: None,
    },
    // As for verifiers: the issuer who gives reasons returns the plan.
    PairRow {
        first: K::FindingPlanReturned,
        second: K::FindingPlanAccepted,
        race: None,
    },
    // What the former object acknowledged binds it, not the next one, which begins with a notice of its own.
    PairRow {
        first: K::FindingAcknowledged,
        second: K::FindingReassigned,
        race: None,
    },
    // As above: the plan of the former object is not that of the next.
    PairRow {
        first: K::FindingPlanSubmitted,
        second: K::FindingReassigned,
        race: None,
    },
];

/// The table of ruleset 1.
pub const TABLE: Table = Table {
    kind: CaseKind::Finding,
    stages: STAGES,
    rules: RULES,
    pairs: PAIRS,
};
