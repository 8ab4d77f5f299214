//! How surely something is recorded, in words: which other nodes have confirmed that they hold it.

use super::error::{Failure, Outcome};
use super::output::Output;
use crate::node::{NodeClient, NodeError};
use crate::texts::Texts;
use crate::verify::{Confirmed, Trust};
use std::time::{Duration, Instant};
use tally_schemas::api::{DegreeBody, RecordedBody};
use tally_schemas::confirmation::Confirmations;
use tally_schemas::degree::Degree;
use tally_schemas::id::{EventId, Origin};

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

/// Puts verified confirmations into the form in which the API tells a degree.
pub(super) fn body(confirmed: &Confirmed) -> DegreeBody {
    let degree = match confirmed.hosts.is_empty() {
        true => Degree::LocalOnly,
        false => Degree::Replicated,
    };
    DegreeBody {
        degree: degree.as_str().to_owned(),
        hosts: confirmed.hosts.iter().map(ToString::to_string).collect(),
    }
}

/// Says what verified confirmations give; of files that were exported, as of when.
pub(super) fn told(confirmed: Option<&Confirmed>, exported: Option<&Confirmations>, output: &mut Output) {
    let texts = output.texts;
    let Some(confirmed) = confirmed else {
        output.warning(texts.say("ui.confirmations-missing"));
        return;
    };
    let body = body(confirmed);
    let text = match exported {
        None => sentence(texts, &body),
        Some(file) if body.hosts.is_empty() => texts.fill("ui.exported-local-only", &[("time", &file.as_of)]),
        Some(file) => {
            let nodes = short(texts, &body);
            texts.fill(
                "ui.exported-replicated",
                &[("time", &file.as_of), ("nodes", &nodes)],
            )
        }
    };
    output.line(&text);
    if !confirmed.unchecked.is_empty() {
        let nodes: Vec<String> = confirmed.unchecked.iter().map(ToString::to_string).collect();
        let nodes = nodes.join(texts.say("ui.list-comma"));
        output.warning(&texts.fill("ui.confirmations-unchecked", &[("nodes", &nodes)]));
    }
}

/// Verifies what a node tells of an event: that those whom it names have signed that they hold it.
fn verified(
    node: &NodeClient,
    trust: &Trust,
    recorded: &RecordedBody,
    event: &EventId,
) -> Outcome<Confirmed> {
    let entry = node.entry(&Origin::parse(&recorded.origin)?, recorded.index)?;
    let file = Confirmations::parse(&node.confirmations(event)?)?;
    Ok(trust.confirmed(event, &entry, &file)?)
}

/// Waits until so many other nodes have confirmed that they hold an event, and verifies what they signed.
pub(super) fn wait(
    node: &NodeClient,
    trust: &Trust,
    event: &EventId,
    hosts: usize,
    end: Instant,
    seconds: u64,
) -> Outcome<Confirmed> {
    loop {
        let held = match node.degree(event) {
            Ok(recorded) if recorded.degree.hosts.len() >= hosts => {
                let confirmed = verified(node, trust, &recorded, event)?;
                if confirmed.hosts.len() >= hosts {
                    return Ok(confirmed);
                }
                confirmed.hosts.len()
            }
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
