//! `tally watch` and `tally wait`: follow what happens.

use super::arguments::{WaitArguments, WatchArguments};
use super::degree;
use super::error::{Failure, Outcome};
use super::output::Output;
use super::refer;
use super::session::Session;
use super::submit::prove_from;
use crate::node::{NodeClient, NodeError};
use crate::said;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How often a node is asked whether it has an event.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Follows the changes, one line each.
pub(super) fn watch(arguments: &WatchArguments, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    let texts = output.texts;
    let mut seen: u64 = 0;
    if !output.json {
        output.side(texts.say("ui.watching"));
    }
    connection.node.watch(|name, data| {
        let value: Value = serde_json::from_str(data).unwrap_or_else(|_| Value::String(data.to_owned()));
        if output.json {
            // One object a line, so that a program can read while it runs.
            output.raw(&format!("{}\n", json!({"event": name, "data": value})));
        } else if name == "changed" {
            let cases: Vec<&str> = value
                .get("cases")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            // What changes no case shows nothing, so it does not count either.
            if cases.is_empty() {
                return true;
            }
            output.line(&texts.fill("ui.changed", &[("cases", &cases.join(", "))]));
        } else {
            // An alarm is a sentence of the node, the other event a number.
            let why = if name == "alarm" {
                said::detail(texts, data)
            } else {
                data.to_owned()
            };
            output.line(&texts.fill(
                "ui.because",
                &[("text", &texts.name("watch", name)), ("why", &why)],
            ));
        }
        seen += 1;
        arguments.count.is_none_or(|count| seen < count)
    })?;
    Ok(())
}

/// Waits until an event is recorded here, and held by other nodes: as these have signed, or as every node named shows.
pub(super) fn wait(arguments: &WaitArguments, session: &Session, output: &mut Output) -> Outcome {
    let connection = session.connect()?;
    let event = refer::event(&connection.node, &arguments.event)?;
    // Who names other nodes has them show it; else those count that have signed that they hold it.
    let is_replicated = arguments.until == "replicated" || arguments.hosts.is_some();
    let hosts = match arguments.hosts {
        Some(hosts) => usize::from(hosts),
        None => usize::from(is_replicated && arguments.at.is_empty()),
    };
    let mut nodes = vec![connection.node];
    if is_replicated {
        nodes.extend(arguments.at.iter().map(|url| NodeClient::new(url)));
    }
    let end = Instant::now() + Duration::from_secs(arguments.timeout);
    let texts = output.texts;
    let progress = output.progress(texts.say("ui.waiting"));
    for node in &nodes {
        loop {
            match node.proof(&event) {
                Ok(proof) => {
                    let parsed = tally_schemas::proof::TlogProof::parse(&proof)?;
                    let origin =
                        tally_schemas::checkpoint::Checkpoint::parse(&parsed.checkpoint.text)?.origin;
                    let entry = node.entry(&origin, parsed.index)?;
                    prove_from(node, &connection.trust, &event, &entry, &proof)?;
                    break;
                }
                Err(NodeError::Refused {
                    status: 404 | 503, ..
                }) if Instant::now() < end => {
                    std::thread::sleep(ASK_EVERY);
                }
                Err(NodeError::Refused {
                    status: 404 | 503, ..
                }) => {
                    return Err(Failure::unavailable("error.wait-over")
                        .with("seconds", arguments.timeout)
                        .with("url", node.base()));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    let mut confirmed = None;
    if let Some(own) = nodes.first() {
        let trust = &connection.trust;
        confirmed = Some(degree::wait(own, trust, &event, hosts, end, arguments.timeout)?);
    }
    if let Some(progress) = progress {
        progress.finish_and_clear();
    }
    let held = confirmed.as_ref().map(degree::body);
    output.value(&json!({
        "event": event.to_string(), "until": arguments.until, "nodes": nodes.len(),
        "degree": held.as_ref().map(|held| &held.degree), "hosts": held.as_ref().map(|held| &held.hosts),
    }));
    output.line(&texts.fill("ui.waited", &[("event", &event), ("nodes", &nodes.len())]));
    degree::told(confirmed.as_ref(), None, output);
    Ok(())
}
