//! Catalogue entries: states and transitions (Order 809 Arts 13-19).

use super::table::{Guard, PairRow, Rule, Stage, StageRow, Table, To, Who, last, rule, stage, when};
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::genesis::Role;
use tally_schemas::profile::ClockId;

const PROVIDER: &[(Who, Option<Role>)] = &[(Who::Owner, Some(Role::Provider))];
const AUTHORITY: &[(Who, Option<Role>)] = &[(Who::AuthorityOfOwner, Some(Role::Authority))];
const LIVE: &[Stage] = &[Stage::Published, Stage::UpdateDue, Stage::UpdateUnderReview];

const STAGES: &[StageRow] = &[
    stage(Stage::Draft, Some(Who::Owner), None),
    stage(Stage::Assessed, Some(Who::Owner), None),
    stage(Stage::Approved, Some(Who::Owner), None),
    stage(
        Stage::UnderReview,
        Some(Who::AuthorityOfOwner),
        Some(ClockId::CatalogueReview),
    ),
    stage(Stage::Published, None, None),
    stage(Stage::UpdateDue, Some(Who::Owner), Some(ClockId::CatalogueUpdate)),
    stage(
        Stage::UpdateUnderReview,
        Some(Who::AuthorityOfOwner),
        Some(ClockId::CatalogueReview),
    ),
    stage(
        Stage::Retiring,
        Some(Who::AuthorityOfOwner),
        Some(ClockId::CatalogueRetirement),
    ),
    stage(
        Stage::RetiringUpdateDue,
        Some(Who::AuthorityOfOwner),
        Some(ClockId::CatalogueRetirement),
    ),
    last(Stage::Retired),
    last(Stage::Withdrawn),
];

const RULES: &[Rule] = &[
    rule(
        K::CatalogueDrafted,
        PROVIDER,
        &[(&[Stage::Start], To::Stage(Stage::Draft))],
    ),
    rule(
        K::CatalogueRevised,
        PROVIDER,
        &[
            (
                &[Stage::Draft, Stage::Assessed, Stage::Approved],
                To::Stage(Stage::Draft),
            ),
            (&[Stage::UpdateDue], To::Same),
        ],
    ),
    rule(
        K::CatalogueAssessed,
        PROVIDER,
        &[
            (&[Stage::Draft], To::Stage(Stage::Assessed)),
            (&[Stage::UpdateDue], To::Same),
        ],
    ),
    rule(
        K::CatalogueApproved,
        PROVIDER,
        &[
            (&[Stage::Assessed], To::Stage(Stage::Approved)),
            (&[Stage::UpdateDue], To::Same),
        ],
    ),
    rule(
        K::CatalogueSubmitted,
        PROVIDER,
        &[
            (&[Stage::Approved], To::Stage(Stage::UnderReview)),
            (&[Stage::UpdateDue], To::Stage(Stage::UpdateUnderReview)),
        ],
    ),
    rule(
        K::CatalogueReturned,
        AUTHORITY,
        &[
            (&[Stage::UnderReview], To::Stage(Stage::Draft)),
            (&[Stage::UpdateUnderReview], To::Stage(Stage::UpdateDue)),
        ],
    ),
    when(
        rule(
            K::CataloguePublished,
            AUTHORITY,
            &[(
                &[Stage::UnderReview, Stage::UpdateUnderReview],
                To::Stage(Stage::Published),
            )],
        ),
        Guard::NamesNewest("submission", K::CatalogueSubmitted),
    ),
    rule(
        K::CatalogueChangeTriggered,
        &[
            (Who::Owner, Some(Role::Provider)),
            (Who::AuthorityOfOwner, Some(Role::Authority)),
            (Who::Any(Role::Supervision), Some(Role::Supervision)),
            (Who::Any(Role::Requester), Some(Role::Requester)),
        ],
        &[
            (&[Stage::Published], To::Stage(Stage::UpdateDue)),
            (&[Stage::Retiring], To::Stage(Stage::RetiringUpdateDue)),
            (
                &[
                    Stage::UpdateDue,
                    Stage::UpdateUnderReview,
                    Stage::RetiringUpdateDue,
                ],
                To::Same,
            ),
        ],
    ),
    rule(
        K::CatalogueUpdateExtended,
        AUTHORITY,
        &[(
            &[
                Stage::UpdateDue,
                Stage::UpdateUnderReview,
                Stage::RetiringUpdateDue,
            ],
            To::Same,
        )],
    ),
    rule(K::CatalogueSourceDesignated, AUTHORITY, &[(LIVE, To::Same)]),
    rule(
        K::CatalogueClassChallenged,
        &[
            (Who::Any(Role::Requester), Some(Role::Requester)),
            (Who::Any(Role::Supervision), Some(Role::Supervision)),
        ],
        &[(LIVE, To::Same)],
    ),
    rule(K::CatalogueAttested, PROVIDER, &[(LIVE, To::Same)]),
    rule(K::CatalogueQualityReported, PROVIDER, &[(LIVE, To::Same)]),
    rule(
        K::CatalogueRetireProposed,
        PROVIDER,
        &[
            (&[Stage::Published], To::Stage(Stage::Retiring)),
            (&[Stage::UpdateDue], To::Stage(Stage::RetiringUpdateDue)),
        ],
    ),
    rule(
        K::CatalogueRetireDeclined,
        AUTHORITY,
        &[
            (&[Stage::Retiring], To::Stage(Stage::Published)),
            (&[Stage::RetiringUpdateDue], To::Stage(Stage::UpdateDue)),
        ],
    ),
    rule(
        K::CatalogueRetired,
        AUTHORITY,
        &[(
            &[Stage::Retiring, Stage::RetiringUpdateDue],
            To::Stage(Stage::Retired),
        )],
    ),
    rule(
        K::CatalogueWithdrawn,
        PROVIDER,
        &[(
            &[Stage::Draft, Stage::Assessed, Stage::Approved, Stage::UnderReview],
            To::Stage(Stage::Withdrawn),
        )],
    ),
    rule(
        K::CatalogueUrged,
        &[
            (Who::AuthorityOfOwner, Some(Role::Authority)),
            (Who::Any(Role::Supervision), Some(Role::Supervision)),
            (Who::Owner, Some(Role::Provider)),
        ],
        &[(
            &[
                Stage::Draft,
                Stage::Assessed,
                Stage::Approved,
                Stage::UnderReview,
                Stage::UpdateDue,
                Stage::UpdateUnderReview,
                Stage::Retiring,
                Stage::RetiringUpdateDue,
            ],
            To::Same,
        )],
    ),
    rule(
        K::CatalogueErratum,
        &[
            (Who::Owner, Some(Role::Provider)),
            (Who::AuthorityOfOwner, Some(Role::Authority)),
        ],
        &[(
            &[
                Stage::Draft,
                Stage::Assessed,
                Stage::Approved,
                Stage::UnderReview,
                Stage::Published,
                Stage::UpdateDue,
                Stage::UpdateUnderReview,
                Stage::Retiring,
                Stage::RetiringUpdateDue,
                Stage::Retired,
                Stage::Withdrawn,
            ],
            To::Same,
        )],
    ),
];

const PAIRS: &[PairRow] = &[
    // The authority's decision stands over a withdrawal that it could not know: what is published may have been relied on.
    // The withdrawal is overtaken; the provider can propose to retire the entry.
    PairRow {
        first: K::CataloguePublished,
        second: K::CatalogueWithdrawn,
        race: None,
    },
    // A change seen elsewhere while an update was being published is not in the version just published: it makes the next
    // update due.
    PairRow {
        first: K::CataloguePublished,
        second: K::CatalogueChangeTriggered,
        race: None,
    },
];

/// The table of ruleset 1.
pub const TABLE: Table = Table {
    kind: CaseKind::Catalogue,
    stages: STAGES,
    rules: RULES,
    pairs: PAIRS,
};
