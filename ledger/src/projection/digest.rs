//! State digests per bucket of case ids, to compare nodes without sending states.
//!
//! Two nodes are compared bucket by bucket: only where the inputs are equal and the states differ is something wrong.
//! Cases that this software does not understand stand outside.

use crate::cases::{CaseFold, CaseState};
use crate::crypto::{DomainTag, tagged_hash};
use std::collections::BTreeMap;
use tally_schemas::id::{CaseId, Hash};
use tally_schemas::json::Json;

/// How many buckets there are: the first hex digit of the case id says which.
pub const BUCKETS: u8 = 16;

/// What one bucket holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// How many cases.
    pub cases: u64,
    /// Over the leaf hashes of every entry in these cases, sorted.
    pub inputs: Hash,
    /// Over the canonical bytes of every state, by case id.
    pub states: Hash,
}

/// Returns the digest of every bucket, without the cases that stand outside.
pub fn digests(cases: &BTreeMap<CaseId, CaseFold>, outside: impl Fn(&CaseId) -> bool) -> Vec<Bucket> {
    (0..BUCKETS)
        .map(|number| bucket(cases, &outside, number))
        .collect()
}

fn bucket(cases: &BTreeMap<CaseId, CaseFold>, outside: impl Fn(&CaseId) -> bool, number: u8) -> Bucket {
    let mut leaves: Vec<Hash> = Vec::new();
    let mut states: Vec<String> = Vec::new();
    let in_bucket = cases
        .iter()
        .filter(|(id, _)| id.0.0.first().is_some_and(|byte| byte >> 4 == number))
        .filter(|(id, _)| !outside(id));
    let mut count = 0;
    for (id, fold) in in_bucket {
        count += 1;
        leaves.extend(fold.entries().iter().map(|(entry, _)| entry.leaf));
        let state = fold
            .state()
            .map_or_else(|| Json::Text(id.to_string()), CaseState::to_json);
        states.push(state.to_canonical());
    }
    leaves.sort_unstable();
    let inputs: Vec<&[u8]> = leaves.iter().map(|leaf| leaf.0.as_slice()).collect();
    let lengths: Vec<[u8; 8]> = states
        .iter()
        .map(|state| (state.len() as u64).to_be_bytes())
        .collect();
    let mut parts: Vec<&[u8]> = Vec::new();
    for (length, state) in lengths.iter().zip(&states) {
        parts.push(length);
        parts.push(state.as_bytes());
    }
    Bucket {
        cases: count,
        inputs: tagged_hash(DomainTag::INPUT_DIGEST, &inputs),
        states: tagged_hash(DomainTag::STATE_DIGEST, &parts),
    }
}

/// Returns one digest over the inputs and states of all buckets.
pub fn whole(buckets: &[Bucket]) -> (Hash, Hash) {
    let over = |tag, pick: fn(&Bucket) -> &Hash| {
        let parts: Vec<&[u8]> = buckets.iter().map(|bucket| pick(bucket).0.as_slice()).collect();
        tagged_hash(tag, &parts)
    };
    (
        over(DomainTag::INPUT_DIGEST, |bucket| &bucket.inputs),
        over(DomainTag::STATE_DIGEST, |bucket| &bucket.states),
    )
}

/// Returns the form for programs.
pub fn to_json(buckets: &[Bucket]) -> Json {
    let (inputs, states) = whole(buckets);
    let list = buckets.iter().enumerate().map(|(number, bucket)| {
        Json::Object(BTreeMap::from([
            ("bucket".to_owned(), Json::Int(i64::try_from(number).unwrap_or(0))),
            (
                "cases".to_owned(),
                Json::Int(i64::try_from(bucket.cases).unwrap_or(i64::MAX)),
            ),
            ("inputs".to_owned(), Json::Text(bucket.inputs.to_hex())),
            ("states".to_owned(), Json::Text(bucket.states.to_hex())),
        ]))
    });
    Json::Object(BTreeMap::from([
        ("buckets".to_owned(), Json::Array(list.collect())),
        ("inputs".to_owned(), Json::Text(inputs.to_hex())),
        ("states".to_owned(), Json::Text(states.to_hex())),
    ]))
}
