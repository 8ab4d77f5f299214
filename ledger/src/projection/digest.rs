//! State digests per bucket of case ids: equal inputs with unequal states are an alarm, unequal inputs only say who is
//! behind (I5).

use super::shape::{count, object, text};
use crate::authority::Registry;
use crate::cases::fold::{CaseFold, Reversal};
use crate::cases::state::CaseState;
use crate::crypto::{DomainTag, tagged_hash};
use std::collections::BTreeMap;
use tally_schemas::id::{CaseId, Hash};
use tally_schemas::json::Json;

/// How many buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// By the first hex digit of the case id.
    Sixteen,
    /// By the first two.
    TwoHundredFiftySix,
}

impl Buckets {
    /// Returns the bucket of a case.
    pub fn of(self, case: CaseId) -> u8 {
        let first = case.0.0.first().copied().unwrap_or(0);
        match self {
            Self::Sixteen => first >> 4,
            Self::TwoHundredFiftySix => first,
        }
    }
}

/// The digests of one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaseDigest {
    /// Of the entries that it was folded from.
    pub inputs: Hash,
    /// Of what the fold made of them.
    pub state: Hash,
}

/// The digests of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketDigest {
    /// How many cases.
    pub cases: u64,
    /// Of all entries of its cases, and the registry they were judged by.
    pub inputs: Hash,
    /// Of the states of its cases.
    pub states: Hash,
}

/// Digests a case.
///
/// Inputs: the leaf hashes of its resolved entries, rising; a leaf commits to everything below it and to the heads it
/// names. State: the canonical bytes of the state, of what is void with its code, and of the reversals.
pub fn of_case(case: &CaseFold, registry: &Registry) -> CaseDigest {
    let mut leaves: Vec<Hash> = case.entries().iter().map(|(entry, _)| entry.leaf).collect();
    leaves.sort();
    let leaves: Vec<&[u8]> = leaves.iter().map(|leaf| leaf.0.as_slice()).collect();
    let mut void: Vec<(String, Json)> = Vec::new();
    for (place, (entry, _)) in case.entries().iter().enumerate() {
        if let Some(reason) = case.void(place, registry) {
            let shown = object([
                ("origin", text(&entry.entry.origin)),
                ("index", count(entry.entry.index)),
                ("code", text(reason.code())),
            ]);
            void.push((shown.to_canonical(), shown));
        }
    }
    void.sort_by(|a, b| a.0.cmp(&b.0));
    let reversals = case
        .reversals(registry)
        .into_iter()
        .map(|reversal| match reversal {
            Reversal::RightTaken { entry, version } => {
                object([("event", text(entry.event)), ("rightTaken", count(version))])
            }
            Reversal::Overtaken { entry, item, cause } => object([
                ("event", text(entry.event)),
                ("item", count(item)),
                ("overtakenBy", text(cause)),
            ]),
        });
    let whole = object([
        ("case", text(case.id())),
        ("state", case.state().map(CaseState::to_json)),
        (
            "void",
            Some(Json::Array(void.into_iter().map(|(_, json)| json).collect())),
        ),
        ("reversals", Some(Json::Array(reversals.collect()))),
    ]);
    CaseDigest {
        inputs: tagged_hash(DomainTag::INPUT_DIGEST, &leaves),
        state: tagged_hash(DomainTag::STATE_DIGEST, &[whole.to_canonical().as_bytes()]),
    }
}

/// Digests the buckets of all cases from the digests of cases; every bucket is there, empty ones too.
pub fn of_all(
    cases: impl IntoIterator<Item = (CaseId, CaseDigest)>,
    buckets: Buckets,
    registry: &Registry,
) -> BTreeMap<u8, BucketDigest> {
    let last = match buckets {
        Buckets::Sixteen => 0x0f,
        Buckets::TwoHundredFiftySix => 0xff,
    };
    let mut sorted: BTreeMap<u8, BTreeMap<CaseId, CaseDigest>> = BTreeMap::new();
    for bucket in 0..=last {
        sorted.insert(bucket, BTreeMap::new());
    }
    for (case, digest) in cases {
        sorted.entry(buckets.of(case)).or_default().insert(case, digest);
    }
    let newest = registry.newest();
    let digest = |cases: BTreeMap<CaseId, CaseDigest>| {
        let mut inputs: Vec<&[u8]> = vec![&newest.hash.0];
        let mut states: Vec<&[u8]> = vec![&newest.hash.0];
        for (case, digest) in &cases {
            inputs.extend([&case.0.0[..], &digest.inputs.0]);
            states.extend([&case.0.0[..], &digest.state.0]);
        }
        BucketDigest {
            cases: cases.len() as u64,
            inputs: tagged_hash(DomainTag::INPUT_DIGEST, &inputs),
            states: tagged_hash(DomainTag::STATE_DIGEST, &states),
        }
    };
    sorted
        .into_iter()
        .map(|(bucket, cases)| (bucket, digest(cases)))
        .collect()
}

/// Returns the form for programs: every bucket, and one digest over all of them.
pub fn to_json(buckets: &BTreeMap<u8, BucketDigest>) -> Json {
    let over = |tag, pick: fn(&BucketDigest) -> &Hash| {
        let parts: Vec<&[u8]> = buckets.values().map(|bucket| pick(bucket).0.as_slice()).collect();
        tagged_hash(tag, &parts).to_hex()
    };
    object([
        (
            "buckets",
            Some(Json::Array(
                buckets
                    .iter()
                    .map(|(number, bucket)| bucket.to_json(*number))
                    .collect(),
            )),
        ),
        (
            "inputs",
            text(over(DomainTag::INPUT_DIGEST, |bucket| &bucket.inputs)),
        ),
        (
            "states",
            text(over(DomainTag::STATE_DIGEST, |bucket| &bucket.states)),
        ),
    ])
}

impl BucketDigest {
    /// Returns the form for programs.
    pub fn to_json(&self, bucket: u8) -> Json {
        object([
            ("bucket", count(bucket)),
            ("cases", count(self.cases)),
            ("inputs", text(self.inputs.to_hex())),
            ("states", text(self.states.to_hex())),
        ])
    }
}
