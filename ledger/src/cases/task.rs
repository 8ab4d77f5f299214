//! Tasks with their letters of responsibility: states and transitions.

use super::table::{
    Effect, Guard, PairRow, Rule, Stage, StageRow, Table, To, Who, last, rule, stage, when, with,
};
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::genesis::Role;
use tally_schemas::profile::ClockId;

const LEAD_GROUP: &[(Who, Option<Role>)] = &[(Who::Any(Role::LeadGroup), Some(Role::LeadGroup))];
const ISSUER: &[(Who, Option<Role>)] = &[(Who::Owner, Some(Role::LeadGroup))];
const UNIT: &[(Who, Option<Role>)] = &[(Who::Holder, None)];
const SUPERVISION: &[(Who, Option<Role>)] = &[(Who::Any(Role::Supervision), Some(Role::Supervision))];
const OPEN: &[Stage] = &[
    Stage::Issued,
    Stage::Negotiating,
    Stage::InForce,
    Stage::HandingOver,
    Stage::Claimed,
];

const STAGES: &[StageRow] = &[
    stage(Stage::Issued, Some(Who::Holder), Some(ClockId::TaskSignature)),
    stage(Stage::Negotiating, Some(Who::Owner), Some(ClockId::TaskObjection)),
    stage(Stage::InForce, Some(Who::Holder), None),
    stage(Stage::HandingOver, Some(Who::Proposed), None),
    stage(
        Stage::Claimed,
        Some(Who::Any(Role::Supervision)),
        Some(ClockId::TaskVerification),
    ),
    last(Stage::Closed),
    last(Stage::Withdrawn),
];

const RULES: &[Rule] = &[
    rule(
        K::TaskIssued,
        LEAD_GROUP,
        &[(&[Stage::Start], To::Stage(Stage::Issued))],
    ),
    rule(
        K::TaskSigned,
        UNIT,
        &[
            (&[Stage::Issued], To::Stage(Stage::InForce)),
            (&[Stage::InForce], To::Same),
        ],
    ),
    rule(
        K::TaskObjected,
        UNIT,
        &[(&[Stage::Issued], To::Stage(Stage::Negotiating))],
    ),
    with(
        rule(
            K::TaskReissued,
            ISSUER,
            &[(&[Stage::Negotiating], To::Stage(Stage::Issued))],
        ),
        Effect::Assign("lead"),
    ),
    rule(
        K::TaskUpheld,
        ISSUER,
        &[(&[Stage::Negotiating], To::Stage(Stage::Issued))],
    ),
    rule(K::TaskProgressReported, UNIT, &[(&[Stage::InForce], To::Same)]),
    rule(
        K::TaskAmended,
        ISSUER,
        &[(&[Stage::InForce, Stage::Issued], To::Same)],
    ),
    rule(
        K::TaskDueChanged,
        ISSUER,
        &[(&[Stage::InForce, Stage::Issued], To::Same)],
    ),
    with(
        rule(
            K::TaskHandedOver,
            UNIT,
            &[(&[Stage::InForce], To::Stage(Stage::HandingOver))],
        ),
        Effect::Propose("to"),
    ),
    when(
        with(
            rule(
                K::TaskTakenOver,
                &[(Who::Proposed, None)],
                &[(&[Stage::HandingOver], To::Stage(Stage::InForce))],
            ),
            Effect::AcceptProposed,
        ),
        Guard::NamesNewest("handover", K::TaskHandedOver),
    ),
    rule(
        K::TaskClaimed,
        UNIT,
        &[(&[Stage::InForce], To::Stage(Stage::Claimed))],
    ),
    when(
        rule(
            K::TaskVerified,
            SUPERVISION,
            &[(&[Stage::Claimed], To::Stage(Stage::Closed))],
        ),
        Guard::NotHolder,
    ),
    when(
        rule(
            K::TaskReturned,
            SUPERVISION,
            &[(&[Stage::Claimed], To::Stage(Stage::InForce))],
        ),
        Guard::NotHolder,
    ),
    rule(
        K::TaskReopened,
        &[
            (Who::Any(Role::Supervision), Some(Role::Supervision)),
            (Who::Owner, Some(Role::LeadGroup)),
        ],
        &[(&[Stage::Closed], To::Stage(Stage::InForce))],
    ),
    rule(K::TaskWithdrawn, ISSUER, &[(OPEN, To::Stage(Stage::Withdrawn))]),
    rule(
        K::TaskDecomposed,
        ISSUER,
        &[(&[Stage::Issued, Stage::InForce], To::Same)],
    ),
    rule(
        K::TaskUrged,
        &[
            (Who::Owner, Some(Role::LeadGroup)),
            (Who::Any(Role::Supervision), Some(Role::Supervision)),
        ],
        &[(OPEN, To::Same)],
    ),
    rule(
        K::TaskErratum,
        &[
            (Who::Owner, Some(Role::LeadGroup)),
            (Who::Holder, None),
            (Who::Any(Role::Supervision), Some(Role::Supervision)),
        ],
        &[(
            &[
                Stage::Issued,
                Stage::Negotiating,
                Stage::InForce,
                Stage::HandingOver,
                Stage::Claimed,
                Stage::Closed,
                Stage::Withdrawn,
            ],
            To::Same,
        )],
    ),
];

const PAIRS: &[PairRow] = &[
    // A verification stands over a withdrawal that it could not know; the withdrawal is overtaken.
    PairRow {
        first: K::TaskVerified,
        second: K::TaskWithdrawn,
        race: None,
    },
    // Of two verifiers who disagree, the one who gives reasons keeps the task open; it can be claimed and verified
    // again.
    PairRow {
        first: K::TaskReturned,
        second: K::TaskVerified,
        race: None,
    },
    // A hand-over is named before the task is withdrawn, so that both know who had it.
    PairRow {
        first: K::TaskHandedOver,
        second: K::TaskWithdrawn,
        race: None,
    },
    // As above: who took the task over holds it when it is withdrawn.
    PairRow {
        first: K::TaskTakenOver,
        second: K::TaskWithdrawn,
        race: None,
    },
];

/// The table of ruleset 1.
pub const TABLE: Table = Table {
    kind: CaseKind::Task,
    stages: STAGES,
    rules: RULES,
    pairs: PAIRS,
};
