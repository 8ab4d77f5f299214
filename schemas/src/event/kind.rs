//! Every kind of event, by case kind, with its declared fields.
//!
//! `kind` in an event is `<case kind>.<event>`. A kind this software does not know is kept as its text: such an event is
//! verified, stored, relayed and shown, never guessed.

use super::field::Field;
use super::{catalogue, common, finding, matter, request, roster, task};

macro_rules! kinds {
    ($( $(#[$case_doc:meta])* $case:ident $case_text:literal $prefix:literal { $( $(#[$doc:meta])* $variant:ident $name:literal $fields:expr; )* } )*) => {
        /// What a case is about; each has its own states and transitions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum CaseKind { $( $(#[$case_doc])* $case, )* }

        impl CaseKind {
            /// Every case kind.
            pub const ALL: &'static [Self] = &[ $( Self::$case, )* ];

            /// Returns the text form.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$case => $case_text, )* }
            }

            /// Returns the letters that case numbers of this kind begin with, as in `housing/req-2026-0031`.
            pub fn number_prefix(self) -> &'static str {
                match self { $( Self::$case => $prefix, )* }
            }
        }

        /// Every kind of event of ruleset 1.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind { $( $( $(#[$doc])* $variant, )* )* }

        impl EventKind {
            /// Every kind of event.
            pub const ALL: &'static [Self] = &[ $( $( Self::$variant, )* )* ];

            /// Returns the text form, `<case kind>.<event>`.
            pub fn as_str(self) -> &'static str {
                match self { $( $( Self::$variant => concat!($case_text, ".", $name), )* )* }
            }

            /// Returns the case kind.
            pub fn case_kind(self) -> CaseKind {
                match self { $( $( Self::$variant => CaseKind::$case, )* )* }
            }

            /// Returns the declared fields of the body.
            pub fn fields(self) -> &'static [Field] {
                match self { $( $( Self::$variant => $fields, )* )* }
            }

            /// Finds a kind by its text form.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $( $( concat!($case_text, ".", $name) => Some(Self::$variant), )* )* _ => None }
            }
        }
    };
}

kinds! {
    /// A department's officers, posts and powers.
    Roster "roster" "ros" {
        /// A post is created.
        RosterPostCreated "post-created" roster::POST_CREATED;
        /// An officer and a key are enrolled.
        RosterEnrolled "enrolled" roster::ENROLLED;
        /// An officer takes a post for a term, possibly acting.
        RosterAppointed "appointed" roster::APPOINTED;
        /// A duty of a post is delegated to an officer until a date.
        RosterDelegated "delegated" roster::DELEGATED;
        /// An officer leaves a post.
        RosterRelieved "relieved" roster::RELIEVED;
        /// An officer's key stops being valid.
        RosterKeyRevoked "key-revoked" roster::KEY_REVOKED;
    }
    /// A catalogue entry (Order 809, chapter 2).
    Catalogue "catalogue" "cat" {
        /// The provider drafts the entry; opens the case.
        CatalogueDrafted "drafted" catalogue::DRAFTED;
        /// The provider changes the content before it is reviewed.
        CatalogueRevised "revised" catalogue::REVISED;
        /// Secrecy and personal-information assessments are attached (Art. 13).
        CatalogueAssessed "assessed" catalogue::ASSESSED;
        /// The head of the department approves (Art. 13).
        CatalogueApproved "approved" catalogue::APPROVED;
        /// The entry is submitted for review (Art. 16).
        CatalogueSubmitted "submitted" catalogue::SUBMITTED;
        /// The authority returns it with reasons.
        CatalogueReturned "returned" catalogue::RETURNED;
        /// The authority publishes a version (Art. 17).
        CataloguePublished "published" catalogue::PUBLISHED;
        /// A change that demands an update occurred (Art. 17(2)).
        CatalogueChangeTriggered "change-triggered" catalogue::CHANGE_TRIGGERED;
        /// The authority consents to more time for the update (Art. 17(2)).
        CatalogueUpdateExtended "update-extended" catalogue::UPDATE_EXTENDED;
        /// The authority names the source department (Art. 19).
        CatalogueSourceDesignated "source-designated" catalogue::SOURCE_DESIGNATED;
        /// A requester or the supervision challenges the sharing class.
        CatalogueClassChallenged "class-challenged" catalogue::CLASS_CHALLENGED;
        /// The owner attests that the entry is still right.
        CatalogueAttested "attested" catalogue::ATTESTED;
        /// The provider reports the quality of the data in a period.
        CatalogueQualityReported "quality-reported" catalogue::QUALITY_REPORTED;
        /// The provider proposes to retire the entry.
        CatalogueRetireProposed "retire-proposed" catalogue::RETIRE_PROPOSED;
        /// The authority declines to retire it.
        CatalogueRetireDeclined "retire-declined" catalogue::RETIRE_DECLINED;
        /// The authority retires it.
        CatalogueRetired "retired" catalogue::RETIRED;
        /// The provider withdraws a draft that was never published.
        CatalogueWithdrawn "withdrawn" catalogue::WITHDRAWN;
        /// A waiting step is urged.
        CatalogueUrged "urged" common::URGED;
        /// A non-decisive field is corrected.
        CatalogueErratum "erratum" common::ERRATUM;
    }
    /// A data request with the grants that answer it (Order 809, chapters 3 and 4).
    Request "request" "req" {
        /// A department asks for data (Art. 20); opens the case.
        RequestFiled "filed" request::FILED;
        /// The addressee confirms receipt.
        RequestAcknowledged "acknowledged" request::ACKNOWLEDGED;
        /// The authority finds the request in form.
        RequestConformityChecked "conformity-checked" request::CONFORMITY_CHECKED;
        /// The authority returns it for its form.
        RequestConformityReturned "conformity-returned" request::CONFORMITY_RETURNED;
        /// The requester files the returned request again.
        RequestRefiled "refiled" request::REFILED;
        /// The provider asks, once, for what is missing (Art. 21(2)).
        RequestSupplementAsked "supplement-asked" request::SUPPLEMENT_ASKED;
        /// The requester completes the file.
        RequestSupplemented "supplemented" request::SUPPLEMENTED;
        /// The supplement did not come; the request is decided on the file as it is.
        RequestSupplementLapsed "supplement-lapsed" request::SUPPLEMENT_LAPSED;
        /// The first asked names the department that holds the data.
        RequestRedirected "redirected" request::REDIRECTED;
        /// The department named accepts the redirected request.
        RequestRedirectAccepted "redirect-accepted" request::REDIRECT_ACCEPTED;
        /// The department named declines it.
        RequestRedirectDeclined "redirect-declined" request::REDIRECT_DECLINED;
        /// The provider asks for more time (Art. 21(1)).
        RequestExtensionRequested "extension-requested" request::EXTENSION_REQUESTED;
        /// The authority consents to more time.
        RequestExtensionApproved "extension-approved" request::EXTENSION_APPROVED;
        /// The authority declines more time.
        RequestExtensionDeclined "extension-declined" request::EXTENSION_DECLINED;
        /// The provider tells the requester of the extension.
        RequestExtensionNotified "extension-notified" request::EXTENSION_NOTIFIED;
        /// The provider agrees to share items, perhaps under conditions.
        RequestGranted "granted" request::GRANTED;
        /// The provider refuses items on a ground.
        RequestRefused "refused" request::REFUSED;
        /// The provider takes back an answer before delivery.
        RequestAnswerRetracted "answer-retracted" request::ANSWER_RETRACTED;
        /// The requester withdraws.
        RequestWithdrawn "withdrawn" request::WITHDRAWN;
        /// The party that is late explains why.
        RequestDelayExplained "delay-explained" request::DELAY_EXPLAINED;
        /// The authority accepts the reason for the delay.
        RequestDelayAccepted "delay-accepted" request::DELAY_ACCEPTED;
        /// The authority rejects the reason for the delay.
        RequestDelayRejected "delay-rejected" request::DELAY_REJECTED;
        /// The provider delivers (Art. 22).
        RequestDelivered "delivered" request::DELIVERED;
        /// The requester confirms that the data arrived.
        RequestReceiptConfirmed "receipt-confirmed" request::RECEIPT_CONFIRMED;
        /// The requester says that the data did not arrive or is not what was granted.
        RequestReceiptContested "receipt-contested" request::RECEIPT_CONTESTED;
        /// The requester declines what was granted.
        RequestGrantDeclined "grant-declined" request::GRANT_DECLINED;
        /// The requester reports use.
        RequestUsageReported "usage-reported" request::USAGE_REPORTED;
        /// The provider attests the counts of use.
        RequestUsageAttested "usage-attested" request::USAGE_ATTESTED;
        /// The requester asks for another scope (Art. 25).
        RequestScopeChangeAsked "scope-change-asked" request::SCOPE_CHANGE_ASKED;
        /// The provider consents to the other scope.
        RequestScopeChangeConsented "scope-change-consented" request::SCOPE_CHANGE_CONSENTED;
        /// The provider declines the other scope.
        RequestScopeChangeDeclined "scope-change-declined" request::SCOPE_CHANGE_DECLINED;
        /// Provider or authority suspends the permission (Art. 27(2)).
        RequestSuspended "suspended" request::SUSPENDED;
        /// The requester reports that the misuse was put right.
        RequestRectificationReported "rectification-reported" request::RECTIFICATION_REPORTED;
        /// The one who suspended lifts the suspension.
        RequestLifted "lifted" request::LIFTED;
        /// The one who suspended ends the permission (Art. 27(2)).
        RequestTerminated "terminated" request::TERMINATED;
        /// The provider proposes to change or end the service (Art. 27(3)).
        RequestChangeProposed "change-proposed" request::CHANGE_PROPOSED;
        /// The requester was consulted on it.
        RequestChangeConsulted "change-consulted" request::CHANGE_CONSULTED;
        /// The change is filed with the authority.
        RequestChangeFiled "change-filed" request::CHANGE_FILED;
        /// The end of the service is filed with the authority.
        RequestEndFiled "end-filed" request::END_FILED;
        /// The term of the grant ran out.
        RequestExpired "expired" request::EXPIRED;
        /// The purpose ended (Art. 27(1)).
        RequestPurposeEnded "purpose-ended" request::PURPOSE_ENDED;
        /// The provider renews the grant.
        RequestRenewed "renewed" request::RENEWED;
        /// The provider says how the data is to be disposed of.
        RequestDisposalInstructed "disposal-instructed" request::DISPOSAL_INSTRUCTED;
        /// The requester reports the disposal with proof.
        RequestDisposalReported "disposal-reported" request::DISPOSAL_REPORTED;
        /// Authority or provider asks for the records of use (Art. 29(2)).
        RequestRecordsAsked "records-asked" request::RECORDS_ASKED;
        /// The requester produces the records of use.
        RequestRecordsProduced "records-produced" request::RECORDS_PRODUCED;
        /// The requester refuses to produce them.
        RequestRecordsRefused "records-refused" request::RECORDS_REFUSED;
        /// A waiting step is urged.
        RequestUrged "urged" common::URGED;
        /// A non-decisive field is corrected.
        RequestErratum "erratum" common::ERRATUM;
    }
    /// An inspection matter up to its plan, which is the mandate of findings.
    Matter "matter" "mat" {
        /// The supervision proposes an inspection (Insp. Reg. 11); opens the case.
        MatterProposed "proposed" matter::PROPOSED;
        /// A decision or instruction of the government orders it, recorded by its office; opens the case.
        MatterInstructed "instructed" matter::INSTRUCTED;
        /// The head approves it.
        MatterApproved "approved" matter::APPROVED;
        /// The head declines it.
        MatterDeclined "declined" matter::DECLINED;
        /// The plan is issued: scope, powers, term and leader (Insp. Reg. 15).
        MatterPlanIssued "plan-issued" matter::PLAN_ISSUED;
        /// The proposer withdraws it.
        MatterWithdrawn "withdrawn" matter::WITHDRAWN;
        /// A waiting step is urged.
        MatterUrged "urged" common::URGED;
        /// A non-decisive field is corrected.
        MatterErratum "erratum" common::ERRATUM;
    }
    /// A finding against a department and its rectification.
    Finding "finding" "fnd" {
        /// A finding is opened with its basis.
        FindingOpened "opened" finding::OPENED;
        /// It is sent to its object for comment.
        FindingSentForComment "sent-for-comment" finding::SENT_FOR_COMMENT;
        /// The object confirms the facts.
        FindingFactsConfirmed "facts-confirmed" finding::FACTS_CONFIRMED;
        /// The object contests the facts.
        FindingFactsContested "facts-contested" finding::FACTS_CONTESTED;
        /// The issuer amends the finding.
        FindingAmended "amended" finding::AMENDED;
        /// The issuer maintains it.
        FindingMaintained "maintained" finding::MAINTAINED;
        /// The issuer drops it.
        FindingDropped "dropped" finding::DROPPED;
        /// The object is notified with a demand and a due date.
        FindingNotified "notified" finding::NOTIFIED;
        /// The object acknowledges.
        FindingAcknowledged "acknowledged" finding::ACKNOWLEDGED;
        /// The object submits its plan.
        FindingPlanSubmitted "plan-submitted" finding::PLAN_SUBMITTED;
        /// The issuer accepts the plan.
        FindingPlanAccepted "plan-accepted" finding::PLAN_ACCEPTED;
        /// The issuer returns the plan.
        FindingPlanReturned "plan-returned" finding::PLAN_RETURNED;
        /// The object submits evidence of rectification.
        FindingEvidenceSubmitted "evidence-submitted" finding::EVIDENCE_SUBMITTED;
        /// The verifier finds the evidence insufficient.
        FindingInsufficient "insufficient" finding::INSUFFICIENT;
        /// The verifier finds it rectified (Insp. Reg. 18).
        FindingVerified "verified" finding::VERIFIED;
        /// The issuer grants more time.
        FindingExtensionGranted "extension-granted" finding::EXTENSION_GRANTED;
        /// The issuer reopens it: recurrence or false evidence.
        FindingReopened "reopened" finding::REOPENED;
        /// The government accepts that it cannot be implemented.
        FindingNotImplementable "not-implementable" finding::NOT_IMPLEMENTABLE;
        /// The government accepts the risk.
        FindingRiskAccepted "risk-accepted" finding::RISK_ACCEPTED;
        /// The issuer turns it to the right object.
        FindingReassigned "reassigned" finding::REASSIGNED;
        /// A waiting step is urged.
        FindingUrged "urged" common::URGED;
        /// A non-decisive field is corrected.
        FindingErratum "erratum" common::ERRATUM;
    }
    /// A task with its letter of responsibility.
    Task "task" "tsk" {
        /// The leading group issues a task; opens the case.
        TaskIssued "issued" task::ISSUED;
        /// The post in charge signs the letter of responsibility.
        TaskSigned "signed" task::SIGNED;
        /// The department objects to the assignment.
        TaskObjected "objected" task::OBJECTED;
        /// The issuer issues it anew.
        TaskReissued "reissued" task::REISSUED;
        /// The issuer upholds it.
        TaskUpheld "upheld" task::UPHELD;
        /// The department reports progress.
        TaskProgressReported "progress-reported" task::PROGRESS_REPORTED;
        /// The issuer amends it.
        TaskAmended "amended" task::AMENDED;
        /// The issuer changes the due date.
        TaskDueChanged "due-changed" task::DUE_CHANGED;
        /// The post-holder hands over to another department or post.
        TaskHandedOver "handed-over" task::HANDED_OVER;
        /// The other takes it over.
        TaskTakenOver "taken-over" task::TAKEN_OVER;
        /// The department claims completion.
        TaskClaimed "claimed" task::CLAIMED;
        /// The supervision verifies the claim.
        TaskVerified "verified" task::VERIFIED;
        /// The supervision returns the claim.
        TaskReturned "returned" task::RETURNED;
        /// A closed task is reopened.
        TaskReopened "reopened" task::REOPENED;
        /// The issuer withdraws it.
        TaskWithdrawn "withdrawn" task::WITHDRAWN;
        /// The issuer splits it into child tasks.
        TaskDecomposed "decomposed" task::DECOMPOSED;
        /// A waiting step is urged.
        TaskUrged "urged" common::URGED;
        /// A non-decisive field is corrected.
        TaskErratum "erratum" common::ERRATUM;
    }
}

impl EventKind {
    /// Says whether an event of this kind may open a case (it then names none).
    pub fn opens_case(self) -> bool {
        matches!(
            self,
            Self::CatalogueDrafted
                | Self::RequestFiled
                | Self::MatterProposed
                | Self::MatterInstructed
                | Self::FindingOpened
                | Self::TaskIssued
        )
    }

    /// Returns the name without its case kind.
    pub fn name(self) -> &'static str {
        self.as_str().split_once('.').map_or("", |(_, name)| name)
    }
}

/// The kind of an event as read: known here, or from newer software.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A kind of a ruleset that this software holds.
    Known(EventKind),
    /// A kind that it does not know, verbatim.
    Unknown(String),
}

impl Kind {
    /// Returns the text form.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(kind) => kind.as_str(),
            Self::Unknown(text) => text,
        }
    }

    /// Returns the known kind.
    pub fn known(&self) -> Option<EventKind> {
        match self {
            Self::Known(kind) => Some(*kind),
            Self::Unknown(_) => None,
        }
    }
}
