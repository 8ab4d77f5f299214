//! Inspection matters up to their plan, which is the mandate of findings (Regulation on government inspection).

use super::table::{PairRow, Rule, Stage, StageRow, Table, To, Who, last, rule, stage};
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::genesis::Role;
use tally_schemas::profile::ClockId;

const SUPERVISION: &[(Who, Option<Role>)] = &[(Who::Any(Role::Supervision), Some(Role::Supervision))];
const GOVERNMENT: &[(Who, Option<Role>)] = &[(Who::Any(Role::Government), Some(Role::Government))];
const OPEN: &[Stage] = &[Stage::Proposed, Stage::Approved];

const STAGES: &[StageRow] = &[
    stage(
        Stage::Proposed,
        Some(Who::Any(Role::Government)),
        Some(ClockId::MatterApproval),
    ),
    stage(
        Stage::Approved,
        Some(Who::Any(Role::Supervision)),
        Some(ClockId::MatterPlan),
    ),
    stage(Stage::PlanIssued, None, None),
    last(Stage::Declined),
    last(Stage::Withdrawn),
];

const RULES: &[Rule] = &[
    rule(
        K::MatterProposed,
        SUPERVISION,
        &[(&[Stage::Start], To::Stage(Stage::Proposed))],
    ),
    rule(
        K::MatterInstructed,
        GOVERNMENT,
        &[(&[Stage::Start], To::Stage(Stage::Approved))],
    ),
    rule(
        K::MatterApproved,
        GOVERNMENT,
        &[(&[Stage::Proposed], To::Stage(Stage::Approved))],
    ),
    rule(
        K::MatterDeclined,
        GOVERNMENT,
        &[(&[Stage::Proposed], To::Stage(Stage::Declined))],
    ),
    rule(
        K::MatterPlanIssued,
        SUPERVISION,
        &[
            (&[Stage::Approved], To::Stage(Stage::PlanIssued)),
            (&[Stage::PlanIssued], To::Same),
        ],
    ),
    rule(
        K::MatterWithdrawn,
        &[(Who::Owner, None)],
        &[(OPEN, To::Stage(Stage::Withdrawn))],
    ),
    rule(
        K::MatterUrged,
        &[
            (Who::Owner, None),
            (Who::Any(Role::Government), Some(Role::Government)),
        ],
        &[(OPEN, To::Same)],
    ),
    rule(
        K::MatterErratum,
        &[
            (Who::Owner, None),
            (Who::Any(Role::Government), Some(Role::Government)),
        ],
        &[(
            &[
                Stage::Proposed,
                Stage::Approved,
                Stage::PlanIssued,
                Stage::Declined,
                Stage::Withdrawn,
            ],
            To::Same,
        )],
    ),
];

const PAIRS: &[PairRow] = &[
    // A refusal is final; there is nothing left to withdraw.
    PairRow {
        first: K::MatterDeclined,
        second: K::MatterWithdrawn,
        race: None,
    },
    // A plan that was issued is a mandate in use; a withdrawal that did not know it is overtaken.
    PairRow {
        first: K::MatterPlanIssued,
        second: K::MatterWithdrawn,
        race: None,
    },
    // Of two governments that decide at once, the one that approves carries the inspection.
    PairRow {
        first: K::MatterApproved,
        second: K::MatterDeclined,
        race: None,
    },
];

/// The table of ruleset 1.
pub const TABLE: Table = Table {
    kind: CaseKind::Matter,
    stages: STAGES,
    rules: RULES,
    pairs: PAIRS,
};
