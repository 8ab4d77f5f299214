//! The stream and the consumer: asked for in JSON, and what the server says back compared member by member.
//!
//! A server that does not know a member ignores it without a word; only what it says back counts. Spec: `schemas/spec/subjects.md`.

use super::subjects::Names;
use async_nats::{Client, Request, RequestErrorKind};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How long the server may take to answer.
const API_WAIT: Duration = Duration::from_secs(5);
/// How many frames of one log the stream keeps.
const MESSAGES_PER_LOG_MAX: u32 = 1_000;
/// How many bytes the stream keeps.
const STREAM_BYTES_MAX: u64 = 1 << 30;
/// For how long the stream keeps a frame.
const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The largest message of the stream: a full frame with its subject.
const MESSAGE_BYTES_MAX: u32 = 200 * 1024;
/// How long the server looks for repeated messages; not relied on.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// How many frames may be on their way to a node.
pub(super) const UNDONE_MAX: u32 = 256;
/// After how long a frame that was not acknowledged comes again.
const ACK_WAIT: Duration = Duration::from_secs(15);
/// What of the stream is the operator's business.
const STREAM_FREE: &[&str] = &[
    "num_replicas",
    "placement",
    "compression",
    "description",
    "metadata",
];
/// What of the consumer is.
const CONSUMER_FREE: &[&str] = &["num_replicas", "description", "metadata", "name", "max_waiting"];

/// The error of the server for a stream that is not there.
const NO_STREAM: u64 = 10_059;
/// The error for a stream of that name with another configuration.
const OTHER_STREAM: u64 = 10_058;

/// Why the server did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// No answer came.
    #[error("no answer to {subject} within 5 s; does this node's user have the right to it?")]
    NoAnswer {
        /// What was asked.
        subject: String,
    },
    /// Nobody listens.
    #[error("nobody answers {subject}: the server runs without JetStream, or not for this user's account")]
    NobodyListens {
        /// What was asked.
        subject: String,
    },
    /// The connection is gone.
    #[error("{subject} could not be sent: {why}")]
    NotSent {
        /// What was asked.
        subject: String,
        /// Why not.
        why: String,
    },
    /// The server refused.
    #[error("the server refuses {subject}: {description} (error {code})")]
    Refused {
        /// What was asked.
        subject: String,
        /// The server's number.
        code: u64,
        /// The server's words.
        description: String,
    },
    /// The answer is no JSON of the form expected.
    #[error("the answer to {subject} cannot be read")]
    Unreadable {
        /// What was asked.
        subject: String,
    },
    /// Something else stands there than asked for.
    #[error(
        "{what} differs from what every node expects: {differences}; the operator of the server has to delete it (stop the server, remove the \
         folder of the stream under its store_dir, start it); the nodes create it anew"
    )]
    Foreign {
        /// The stream or the consumer.
        what: String,
        /// Each member that differs, with both values.
        differences: String,
    },
}

impl ServerError {
    fn is(&self, number: u64) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == number)
    }
}

/// Asks the server's API.
async fn api(client: &Client, subject: String, body: &Value) -> Result<Value, ServerError> {
    let payload = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let request = Request::new()
        .payload(payload.into())
        .inbox(client.new_inbox())
        .timeout(Some(API_WAIT));
    let answer = match client.send_request(subject.clone(), request).await {
        Ok(answer) => answer,
        Err(error) => {
            return Err(match error.kind() {
                RequestErrorKind::TimedOut => ServerError::NoAnswer { subject },
                RequestErrorKind::NoResponders => ServerError::NobodyListens { subject },
                _ => ServerError::NotSent {
                    subject,
                    why: error.to_string(),
                },
            });
        }
    };
    let value: Value = match serde_json::from_slice(&answer.payload) {
        Ok(value) => value,
        Err(_) => return Err(ServerError::Unreadable { subject }),
    };
    match value.get("error") {
        None => Ok(value),
        Some(error) => Err(refused(subject, error)),
    }
}

/// Reads the error in an answer of the server.
pub(super) fn refused(subject: String, error: &Value) -> ServerError {
    let number = |name: &str| error.get(name).and_then(Value::as_u64);
    ServerError::Refused {
        subject,
        code: number("err_code").or_else(|| number("code")).unwrap_or(0),
        description: error
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or("no reason given")
            .to_owned(),
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the stream as every node asks for it.
pub fn stream_config(names: &Names) -> Value {
    json!({
        "name": names.stream(),
        "subjects": [names.all_logs()],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_consumers": -1,
        "max_msgs": -1,
        "max_msgs_per_subject": MESSAGES_PER_LOG_MAX,
        "max_bytes": STREAM_BYTES_MAX,
        "max_age": nanoseconds(AGE_MAX),
        "max_msg_size": MESSAGE_BYTES_MAX,
        "duplicate_window": nanoseconds(DUPLICATE_WINDOW),
        "deny_delete": true,
        "deny_purge": true,
        "allow_direct": true,
        "num_replicas": 1,
    })
}

fn consumer_config(names: &Names) -> Value {
    json!({
        "durable_name": names.consumer(),
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": nanoseconds(ACK_WAIT),
        "max_deliver": -1,
        "replay_policy": "instant",
        "max_ack_pending": UNDONE_MAX,
    })
}

/// Makes sure that the stream is there and as expected.
pub(super) async fn ensure_stream(client: &Client, names: &Names) -> Result<(), ServerError> {
    let stream = names.stream();
    let info = format!("$JS.API.STREAM.INFO.{stream}");
    let found = match api(client, info.clone(), &Value::Null).await {
        Err(error) if error.is(NO_STREAM) => {
            let create = format!("$JS.API.STREAM.CREATE.{stream}");
            match api(client, create, &stream_config(names)).await {
                Err(error) if error.is(OTHER_STREAM) => api(client, info, &Value::Null).await?,
                outcome => {
                    tracing::info!(stream, created = outcome.is_ok(), "the stream was missing");
                    outcome?
                }
            }
        }
        outcome => outcome?,
    };
    compare(
        &format!("stream {stream}"),
        &stream_config(names),
        &found,
        STREAM_FREE,
    )
}

/// Makes sure that the consumer of this node is there and as expected.
pub(super) async fn ensure_consumer(client: &Client, names: &Names) -> Result<(), ServerError> {
    let (stream, consumer) = (names.stream(), names.consumer());
    let wanted = consumer_config(names);
    let create = format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{consumer}");
    let found = api(client, create, &json!({"stream_name": stream, "config": wanted})).await?;
    compare(
        &format!("consumer {consumer} of stream {stream}"),
        &wanted,
        &found,
        CONSUMER_FREE,
    )
}

/// Compares what the server says back with what was asked for.
fn compare(what: &str, wanted: &Value, answer: &Value, free: &[&str]) -> Result<(), ServerError> {
    let empty = Map::new();
    let found = answer.get("config").and_then(Value::as_object).unwrap_or(&empty);
    let wanted = wanted.as_object().unwrap_or(&empty);
    let mut names: Vec<&String> = wanted.keys().chain(found.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut differences = Vec::new();
    for name in names {
        if free.contains(&name.as_str()) {
            continue;
        }
        let (want, got) = (wanted.get(name), found.get(name));
        let equal = match (want, got) {
            (Some(want), Some(got)) => want == got,
            (None, Some(got)) => is_empty(got),
            (Some(_), None) | (None, None) => false,
        };
        if !equal {
            let shown = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            differences.push(format!("{name} is {}, expected {}", shown(got), shown(want)));
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(ServerError::Foreign {
        what: what.to_owned(),
        differences: differences.join(", "),
    })
}

/// Says whether a member is as if it were not there.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
    }
}

/// Returns the last message of a subject in the stream; none when there is none.
pub(super) async fn last_of(
    client: &Client,
    names: &Names,
    subject: &str,
) -> Result<Option<Vec<u8>>, ServerError> {
    let get = format!("$JS.API.DIRECT.GET.{}", names.stream());
    let request = Request::new()
        .payload(json!({"last_by_subj": subject}).to_string().into_bytes().into())
        .inbox(client.new_inbox())
        .timeout(Some(API_WAIT));
    match client.send_request(get.clone(), request).await {
        Ok(message) => match message.status.map(|status| status.as_u16()) {
            None | Some(200) => Ok(Some(message.payload.to_vec())),
            Some(404) => Ok(None),
            Some(code) => Err(ServerError::Refused {
                subject: get,
                code: u64::from(code),
                description: message.description.unwrap_or_default(),
            }),
        },
        Err(error) => Err(match error.kind() {
            RequestErrorKind::TimedOut => ServerError::NoAnswer { subject: get },
            RequestErrorKind::NoResponders => ServerError::NobodyListens { subject: get },
            _ => ServerError::NotSent {
                subject: get,
                why: error.to_string(),
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tally_schemas::id::{FederationId, NodeId};

    fn names() -> Names {
        let federation = FederationId::parse("xian-0123456789abcdef").unwrap();
        Names::new(&federation, &NodeId::parse("hall").unwrap())
    }

    fn with(change: impl FnOnce(&mut Map<String, Value>)) -> Result<(), ServerError> {
        let mut config = stream_config(&names());
        change(config.as_object_mut().unwrap());
        let answer = json!({"type": "io.nats.jetstream.api.v1.stream_info_response", "config": config});
        compare("stream s", &stream_config(&names()), &answer, STREAM_FREE)
    }

    #[test]
    fn what_servers_add_empty_and_what_operators_choose_is_no_difference() {
        let same = with(|config| {
            config.insert("num_replicas".to_owned(), json!(3));
            config.insert("sealed".to_owned(), json!(false));
            config.insert("consumer_limits".to_owned(), json!({}));
            config.insert("compression".to_owned(), json!("s2"));
            config.insert("mirror".to_owned(), Value::Null);
        });
        assert_eq!(same, Ok(()));
    }

    #[test]
    fn each_difference_is_named_with_both_values() {
        type Change = fn(&mut Map<String, Value>);
        let changes: [(Change, &str); 4] = [
            (
                |config| drop(config.insert("max_age".to_owned(), json!(0))),
                "max_age is 0, expected 604800000000000",
            ),
            (
                |config| drop(config.remove("allow_direct")),
                "allow_direct is nothing, expected true",
            ),
            (
                |config| drop(config.insert("republish".to_owned(), json!({"dest": "x"}))),
                r#"republish is {"dest":"x"}, expected nothing"#,
            ),
            (
                |config| drop(config.insert("allow_rollup_hdrs".to_owned(), json!(true))),
                "allow_rollup_hdrs is true, expected nothing",
            ),
        ];
        for (change, part) in changes {
            let text = with(change).unwrap_err().to_string();
            assert!(text.contains(part), "{text}");
        }
    }
}
