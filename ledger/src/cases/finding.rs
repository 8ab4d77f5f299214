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
    with(
        rule(
            K::FindingReassigned,
            ISSUER,
            &[(RUNNING, To::Stage(Stage::Notified))],
        ),
        Effect::Assign("object"),
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
];

/// The table of ruleset 1.
pub const TABLE: Table = Table {
    kind: CaseKind::Finding,
    stages: STAGES,
    rules: RULES,
    pairs: PAIRS,
};
