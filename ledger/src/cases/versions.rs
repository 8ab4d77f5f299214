//! The published versions of a catalogue entry.
//!
//! A version exists by the authority's publication of one submission; its content is what the provider had last drafted
//! or revised before that submission.

use super::state::{CaseState, Fact};
use tally_schemas::event::EventKind as K;
use tally_schemas::profile::SharingClass;

/// A published version.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// Its number, as published.
    pub number: i64,
    /// The authority's publication.
    pub published: &'a Fact,
    /// The submission that was published.
    pub submission: &'a Fact,
    /// The act that holds the content.
    pub content: &'a Fact,
}

impl Version<'_> {
    /// Returns the sharing class.
    pub fn class(&self) -> Option<SharingClass> {
        class_of(self.content)
    }
}

/// Returns the sharing class that a draft or revision states.
pub fn class_of(content: &Fact) -> Option<SharingClass> {
    content.event.body.word("class").and_then(SharingClass::parse)
}

/// Says whether an act holds the content of an entry.
pub fn is_content(fact: &Fact) -> bool {
    matches!(fact.kind, K::CatalogueDrafted | K::CatalogueRevised) && fact.overtaken.is_empty()
}

/// Returns the published versions of an entry, in the order of their publication.
pub fn all(entry: &CaseState) -> Vec<Version<'_>> {
    all_in(&entry.facts)
}

/// Returns the versions published within the first facts of an entry.
pub fn all_in(facts: &[Fact]) -> Vec<Version<'_>> {
    let mut found = Vec::new();
    for published in facts {
        if published.kind != K::CataloguePublished || published.moved.is_empty() {
            continue;
        }
        let named = published.event.body.event("submission");
        let place = facts.iter().position(|fact| Some(fact.entry.event) == named);
        let before = place.and_then(|place| facts.get(..=place)).unwrap_or(&[]);
        let content = before.iter().rev().find(|fact| is_content(fact));
        if let (Some(submission), Some(content)) = (before.last(), content) {
            found.push(Version {
                number: published.event.body.integer("version").unwrap_or(0),
                published,
                submission,
                content,
            });
        }
    }
    found
}

/// Returns a version by its number, or the newest.
pub fn of(entry: &CaseState, number: Option<i64>) -> Option<Version<'_>> {
    let versions = all(entry);
    match number {
        Some(number) => versions.into_iter().find(|version| version.number == number),
        None => versions.into_iter().next_back(),
    }
}
