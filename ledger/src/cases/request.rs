//! Requests with the grants that answer them: states and transitions, one machine per data item (Order 809 Arts 20-29).

use super::table::{
    Effect, Guard, PairRow, Rule, Stage, StageRow, Table, To, Who, last, rule, stage, when, with,
};
use tally_schemas::event::{CaseKind, EventKind as K};
use tally_schemas::genesis::Role;
use tally_schemas::profile::ClockId;

const REQUESTER: &[(Who, Option<Role>)] = &[(Who::Owner, Some(Role::Requester))];
const PROVIDER: &[(Who, Option<Role>)] = &[(Who::Holder, Some(Role::Provider))];
const PROPOSED: &[(Who, Option<Role>)] = &[(Who::Proposed, Some(Role::Provider))];
const AUTHORITY: &[(Who, Option<Role>)] = &[(Who::AuthorityOfHolder, Some(Role::Authority))];
const EITHER: &[(Who, Option<Role>)] = &[
    (Who::Owner, Some(Role::Requester)),
    (Who::Holder, Some(Role::Provider)),
];
const SUSPENDERS: &[(Who, Option<Role>)] = &[
    (Who::Holder, Some(Role::Provider)),
    (Who::AuthorityOfHolder, Some(Role::Authority)),
];

const WAITING: &[Stage] = &[
    Stage::Pending,
    Stage::ReturnedForForm,
    Stage::AwaitingSupplement,
    Stage::Redirected,
];
const GRANTED: &[Stage] = &[Stage::Delivered, Stage::Active];
const ANSWERED: &[Stage] = &[
    Stage::Agreed,
    Stage::Refused,
    Stage::Delivered,
    Stage::Active,
    Stage::DisposalDue,
    Stage::Ended,
    Stage::Closed,
];
const EVERY: &[Stage] = &[
    Stage::Pending,
    Stage::ReturnedForForm,
    Stage::AwaitingSupplement,
    Stage::Redirected,
    Stage::Agreed,
    Stage::Refused,
    Stage::Delivered,
    Stage::Active,
    Stage::DisposalDue,
    Stage::Ended,
    Stage::Closed,
    Stage::Withdrawn,
];

const STAGES: &[StageRow] = &[
    stage(
        Stage::Pending,
        Some(Who::Holder),
        Some(ClockId::RequestAnswerConditional),
    ),
    stage(Stage::ReturnedForForm, Some(Who::Owner), None),
    stage(
        Stage::AwaitingSupplement,
        Some(Who::Owner),
        Some(ClockId::RequestSupplement),
    ),
    stage(
        Stage::Redirected,
        Some(Who::Proposed),
        Some(ClockId::RequestRedirectAcceptance),
    ),
    stage(Stage::Agreed, Some(Who::Holder), Some(ClockId::RequestDelivery)),
    last(Stage::Refused),
    stage(
        Stage::Delivered,
        Some(Who::Owner),
        Some(ClockId::RequestReceiptConfirmation),
    ),
    stage(Stage::Active, None, None),
    stage(
        Stage::DisposalDue,
        Some(Who::Owner),
        Some(ClockId::RequestDisposalReport),
    ),
    last(Stage::Ended),
    last(Stage::Closed),
    last(Stage::Withdrawn),
];

const RULES: &[Rule] = &[
    rule(
        K::RequestFiled,
        REQUESTER,
        &[(&[Stage::Start], To::Stage(Stage::Pending))],
    ),
    rule(
        K::RequestAcknowledged,
        &[
            (Who::Holder, Some(Role::Provider)),
            (Who::Proposed, Some(Role::Provider)),
        ],
        &[(WAITING, To::Same)],
    ),
    rule(
        K::RequestConformityChecked,
        AUTHORITY,
        &[(&[Stage::Pending], To::Same)],
    ),
    rule(
        K::RequestConformityReturned,
        AUTHORITY,
        &[(&[Stage::Pending], To::Stage(Stage::ReturnedForForm))],
    ),
    rule(
        K::RequestRefiled,
        REQUESTER,
        &[(&[Stage::ReturnedForForm], To::Stage(Stage::Pending))],
    ),
    rule(
        K::RequestSupplementAsked,
        PROVIDER,
        &[(&[Stage::Pending], To::Stage(Stage::AwaitingSupplement))],
    ),
    rule(
        K::RequestSupplemented,
        REQUESTER,
        &[(&[Stage::AwaitingSupplement], To::Stage(Stage::Pending))],
    ),
    rule(
        K::RequestSupplementLapsed,
        PROVIDER,
        &[(&[Stage::AwaitingSupplement], To::Stage(Stage::Pending))],
    ),
    with(
        rule(
            K::RequestRedirected,
            PROVIDER,
            &[(&[Stage::Pending], To::Stage(Stage::Redirected))],
        ),
        Effect::Propose("source"),
    ),
    with(
        rule(
            K::RequestRedirectAccepted,
            PROPOSED,
            &[(&[Stage::Redirected], To::Stage(Stage::Pending))],
        ),
        Effect::AcceptProposed,
    ),
    with(
        rule(
            K::RequestRedirectDeclined,
            PROPOSED,
            &[(&[Stage::Redirected], To::Stage(Stage::Pending))],
        ),
        Effect::DropProposed,
    ),
    rule(
        K::RequestExtensionRequested,
        PROVIDER,
        &[(&[Stage::Pending, Stage::AwaitingSupplement], To::Same)],
    ),
    when(
        rule(
            K::RequestExtensionApproved,
            AUTHORITY,
            &[(WAITING, To::Same), (ANSWERED, To::Same)],
        ),
        Guard::Outstanding(
            K::RequestExtensionRequested,
            &[K::RequestExtensionApproved, K::RequestExtensionDeclined],
        ),
    ),
    when(
        rule(
            K::RequestExtensionDeclined,
            AUTHORITY,
            &[(WAITING, To::Same), (ANSWERED, To::Same)],
        ),
        Guard::Outstanding(
            K::RequestExtensionRequested,
            &[K::RequestExtensionApproved, K::RequestExtensionDeclined],
        ),
    ),
    when(
        rule(
            K::RequestExtensionNotified,
            PROVIDER,
            &[(WAITING, To::Same), (ANSWERED, To::Same)],
        ),
        Guard::Outstanding(K::RequestExtensionApproved, &[K::RequestExtensionNotified]),
    ),
    rule(
        K::RequestGranted,
        PROVIDER,
        &[(&[Stage::Pending], To::Stage(Stage::Agreed))],
    ),
    rule(
        K::RequestRefused,
        PROVIDER,
        &[(&[Stage::Pending], To::Stage(Stage::Refused))],
    ),
    rule(
        K::RequestAnswerRetracted,
        PROVIDER,
        &[(&[Stage::Agreed, Stage::Refused], To::Stage(Stage::Pending))],
    ),
    rule(
        K::RequestWithdrawn,
        REQUESTER,
        &[(WAITING, To::Stage(Stage::Withdrawn))],
    ),
    rule(K::RequestDelayExplained, PROVIDER, &[(EVERY, To::Same)]),
    when(
        rule(K::RequestDelayAccepted, AUTHORITY, &[(EVERY, To::Same)]),
        Guard::Names("explanation", K::RequestDelayExplained),
    ),
    when(
        rule(K::RequestDelayRejected, AUTHORITY, &[(EVERY, To::Same)]),
        Guard::Names("explanation", K::RequestDelayExplained),
    ),
    rule(
        K::RequestDelivered,
        PROVIDER,
        &[(&[Stage::Agreed], To::Stage(Stage::Delivered))],
    ),
    rule(
        K::RequestReceiptConfirmed,
        REQUESTER,
        &[(&[Stage::Delivered], To::Stage(Stage::Active))],
    ),
    rule(
        K::RequestReceiptContested,
        REQUESTER,
        &[(&[Stage::Delivered], To::Stage(Stage::Agreed))],
    ),
    rule(
        K::RequestGrantDeclined,
        REQUESTER,
        &[(&[Stage::Agreed], To::Stage(Stage::Ended))],
    ),
    rule(
        K::RequestUsageReported,
        REQUESTER,
        &[(&[Stage::Delivered, Stage::Active, Stage::DisposalDue], To::Same)],
    ),
    rule(
        K::RequestUsageAttested,
        PROVIDER,
        &[(&[Stage::Delivered, Stage::Active, Stage::DisposalDue], To::Same)],
    ),
    rule(K::RequestScopeChangeAsked, REQUESTER, &[(GRANTED, To::Same)]),
    when(
        rule(K::RequestScopeChangeConsented, PROVIDER, &[(GRANTED, To::Same)]),
        Guard::Names("asked", K::RequestScopeChangeAsked),
    ),
    when(
        rule(K::RequestScopeChangeDeclined, PROVIDER, &[(GRANTED, To::Same)]),
        Guard::Names("asked", K::RequestScopeChangeAsked),
    ),
    when(
        with(
            rule(K::RequestSuspended, SUSPENDERS, &[(GRANTED, To::Same)]),
            Effect::SetFlag,
        ),
        Guard::NoOwnFlag,
    ),
    rule(K::RequestRectificationReported, REQUESTER, &[(GRANTED, To::Same)]),
    when(
        with(
            rule(K::RequestLifted, &[(Who::Setter, None)], &[(GRANTED, To::Same)]),
            Effect::LiftFlag,
        ),
        Guard::OwnFlag,
    ),
    when(
        with(
            rule(
                K::RequestTerminated,
                &[(Who::Setter, None)],
                &[(GRANTED, To::Stage(Stage::DisposalDue))],
            ),
            Effect::ClearFlags,
        ),
        Guard::OwnFlag,
    ),
    rule(K::RequestChangeProposed, PROVIDER, &[(GRANTED, To::Same)]),
    when(
        rule(K::RequestChangeConsulted, REQUESTER, &[(GRANTED, To::Same)]),
        Guard::Names("proposal", K::RequestChangeProposed),
    ),
    when(
        rule(K::RequestChangeFiled, PROVIDER, &[(GRANTED, To::Same)]),
        Guard::Names("proposal", K::RequestChangeProposed),
    ),
    when(
        with(
            rule(
                K::RequestEndFiled,
                PROVIDER,
                &[(GRANTED, To::Stage(Stage::DisposalDue))],
            ),
            Effect::ClearFlags,
        ),
        Guard::Names("proposal", K::RequestChangeProposed),
    ),
    with(
        rule(
            K::RequestExpired,
            EITHER,
            &[(GRANTED, To::Stage(Stage::DisposalDue))],
        ),
        Effect::ClearFlags,
    ),
    with(
        rule(
            K::RequestPurposeEnded,
            EITHER,
            &[(GRANTED, To::Stage(Stage::DisposalDue))],
        ),
        Effect::ClearFlags,
    ),
    rule(K::RequestRenewed, PROVIDER, &[(GRANTED, To::Same)]),
    rule(
        K::RequestDisposalInstructed,
        PROVIDER,
        &[(&[Stage::DisposalDue], To::Same)],
    ),
    rule(
        K::RequestDisposalReported,
        REQUESTER,
        &[(&[Stage::DisposalDue], To::Stage(Stage::Closed))],
    ),
    rule(
        K::RequestRecordsAsked,
        &[
            (Who::AuthorityOfHolder, Some(Role::Authority)),
            (Who::Holder, Some(Role::Provider)),
        ],
        &[(
            &[Stage::Delivered, Stage::Active, Stage::DisposalDue, Stage::Closed],
            To::Same,
        )],
    ),
    when(
        rule(
            K::RequestRecordsProduced,
            REQUESTER,
            &[(
                &[Stage::Delivered, Stage::Active, Stage::DisposalDue, Stage::Closed],
                To::Same,
            )],
        ),
        Guard::Names("asked", K::RequestRecordsAsked),
    ),
    when(
        rule(
            K::RequestRecordsRefused,
            REQUESTER,
            &[(
                &[Stage::Delivered, Stage::Active, Stage::DisposalDue, Stage::Closed],
                To::Same,
            )],
        ),
        Guard::Names("asked", K::RequestRecordsAsked),
    ),
    rule(
        K::RequestUrged,
        &[
            (Who::Owner, Some(Role::Requester)),
            (Who::AuthorityOfHolder, Some(Role::Authority)),
            (Who::Any(Role::Supervision), Some(Role::Supervision)),
        ],
        &[(
            &[
                Stage::Pending,
                Stage::AwaitingSupplement,
                Stage::Redirected,
                Stage::Agreed,
                Stage::Delivered,
                Stage::DisposalDue,
            ],
            To::Same,
        )],
    ),
    rule(
        K::RequestErratum,
        &[
            (Who::Owner, Some(Role::Requester)),
            (Who::Holder, Some(Role::Provider)),
            (Who::AuthorityOfHolder, Some(Role::Authority)),
        ],
        &[(EVERY, To::Same)],
    ),
];

const PAIRS: &[PairRow] = &[
    // Withdrawal ends the grant forward: the answer stands as given and the grant ends before use.
    PairRow {
        first: K::RequestGranted,
        second: K::RequestWithdrawn,
        race: Some((&[Stage::Agreed], To::Stage(Stage::Ended))),
    },
    // A refusal stands; there is nothing left to withdraw.
    PairRow {
        first: K::RequestRefused,
        second: K::RequestWithdrawn,
        race: None,
    },
    // As for the answer: a delivery stands, and the data that is there already must be disposed of.
    PairRow {
        first: K::RequestDelivered,
        second: K::RequestWithdrawn,
        race: Some((&[Stage::Delivered], To::Stage(Stage::DisposalDue))),
    },
    // The file travels before it is withdrawn, so that it ends with the department that it had reached.
    PairRow {
        first: K::RequestRedirected,
        second: K::RequestWithdrawn,
        race: None,
    },
    // As above: who accepted the file holds it when it is withdrawn.
    PairRow {
        first: K::RequestRedirectAccepted,
        second: K::RequestWithdrawn,
        race: None,
    },
    // As above: who declined the file does not hold it when it is withdrawn.
    PairRow {
        first: K::RequestRedirectDeclined,
        second: K::RequestWithdrawn,
        race: None,
    },
    // An answer stands, also one given before the authority returned the request for its form; the return is overtaken.
    PairRow {
        first: K::RequestGranted,
        second: K::RequestConformityReturned,
        race: None,
    },
    // As above for a refusal.
    PairRow {
        first: K::RequestRefused,
        second: K::RequestConformityReturned,
        race: None,
    },
    // What the provider did with the file stands, since an answer may follow from it; the authority can return the request
    // when it waits for the answer again.
    PairRow {
        first: K::RequestSupplementAsked,
        second: K::RequestConformityReturned,
        race: None,
    },
    // As above: the file has travelled on.
    PairRow {
        first: K::RequestRedirected,
        second: K::RequestConformityReturned,
        race: None,
    },
    // The answer that was declined had been taken back; the provider owes another, which the requester may decline
    // again.
    PairRow {
        first: K::RequestAnswerRetracted,
        second: K::RequestGrantDeclined,
        race: None,
    },
    // A delivery stands; what was declined too late must be disposed of.
    PairRow {
        first: K::RequestDelivered,
        second: K::RequestGrantDeclined,
        race: Some((&[Stage::Delivered], To::Stage(Stage::DisposalDue))),
    },
    // A suspension protects the data, also while its delivery is contested: the flag is up when it is delivered again.
    PairRow {
        first: K::RequestSuspended,
        second: K::RequestReceiptContested,
        race: None,
    },
    // A flag that its setter lowered does not come back because the delivery is contested.
    PairRow {
        first: K::RequestLifted,
        second: K::RequestReceiptContested,
        race: None,
    },
    // The permission has ended: nothing is delivered again, and whatever did arrive must be disposed of.
    PairRow {
        first: K::RequestTerminated,
        second: K::RequestReceiptContested,
        race: None,
    },
    // As above for the end of the service.
    PairRow {
        first: K::RequestEndFiled,
        second: K::RequestReceiptContested,
        race: None,
    },
    // As above for the end of the term.
    PairRow {
        first: K::RequestExpired,
        second: K::RequestReceiptContested,
        race: None,
    },
    // As above for the end of the purpose.
    PairRow {
        first: K::RequestPurposeEnded,
        second: K::RequestReceiptContested,
        race: None,
    },
    // Use that was attested stands, also where the delivery is contested.
    PairRow {
        first: K::RequestUsageAttested,
        second: K::RequestReceiptContested,
        race: None,
    },
    // Use that was attested stands; the disposal comes after it.
    PairRow {
        first: K::RequestUsageAttested,
        second: K::RequestDisposalReported,
        race: None,
    },
];

/// The table of ruleset 1.
pub const TABLE: Table = Table {
    kind: CaseKind::Request,
    stages: STAGES,
    rules: RULES,
    pairs: PAIRS,
};
