//! How surely something is recorded, in words: which other nodes have confirmed that they hold it.

use super::error::{Failure, Outcome};
use crate::node::{NodeClient, NodeError};
use crate::texts::Texts;
use std::time::{Duration, Instant};
use tally_schemas::api::{DegreeBody, RecordedBody};
use tally_schemas::id::EventId;

/// How often a node is asked who holds an event by now.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Says in a sentence who has confirmed that it holds something.
pub(super) fn sentence(texts: Texts, degree: &DegreeBody) -> String {
    if degree.hosts.is_empty() {
        return texts.say("ui.degree-local-only").to_owned();
    }
    texts.fill("ui.degree-replicated", &[("nodes", &short(texts, degree))])
}

/// Names who has, for a table.
pub(super) fn short(texts: Texts, degree: &DegreeBody) -> String {
    if degree.hosts.is_empty() {
        return texts.say("ui.degree-own-node").to_owned();
    }
    degree.hosts.join(texts.say("ui.list-comma"))
}

/// Waits until so many other nodes have confirmed that they hold an event.
pub(super) fn wait(
    node: &NodeClient,
    event: &EventId,
    hosts: usize,
    end: Instant,
    seconds: u64,
) -> Outcome<RecordedBody> {
    loop {
        let held = match node.degree(event) {
            Ok(recorded) if recorded.degree.hosts.len() >= hosts => return Ok(recorded),
            Ok(recorded) => recorded.degree.hosts.len(),
            Err(NodeError::Refused {
                status: 404 | 503, ..
            }) => 0,
            Err(error) => return Err(error.into()),
        };
        if Instant::now() >= end {
            return Err(Failure::unavailable("error.wait-hosts")
                .with("seconds", seconds)
                .with("count", held)
                .with("hosts", hosts)
                .hint("hint.wait-hosts"));
        }
        std::thread::sleep(ASK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    #[test]
    fn an_officer_reads_whether_only_the_own_node_has_it() {
        let degree = |hosts: &[&str]| DegreeBody {
            degree: "a degree of later software".to_owned(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        };
        let said: Vec<String> = [Language::En, Language::Zh]
            .into_iter()
            .flat_map(|language| {
                let texts = Texts::new(language);
                [
                    sentence(texts, &degree(&[])),
                    sentence(texts, &degree(&["node-b", "node-c"])),
                    short(texts, &degree(&[])),
                    short(texts, &degree(&["node-b", "node-c"])),
                ]
            })
            .collect();
        insta::assert_snapshot!("degrees", said.join("\n"));
    }
}
