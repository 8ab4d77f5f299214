//! Reads the stream through the node's durable consumer; a frame is acknowledged when it is durable here, or of no use.

use super::Link;
use super::jetstream::{ServerError, UNDONE_MAX, ensure_consumer};
use super::troubles::Topic;
use crate::bus::{Inbound, OnDone};
use async_nats::connection::State;
use async_nats::{Client, Message, Subscriber};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::StreamExt as _;

/// How many frames are asked for at once.
const BATCH: u32 = UNDONE_MAX / 4;
/// After how long the server gives up an unfinished request.
const EXPIRES: Duration = Duration::from_secs(20);
/// How often the server says that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(4);
/// How long is waited before something is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long is waited for room in the node.
const ROOM_AFTER: Duration = Duration::from_millis(10);

/// Why a request for frames ended.
enum Ended {
    /// All were delivered, or the time was up.
    Complete,
    /// The connection was made anew, or the server is silent.
    Silent,
    /// The consumer is gone or something else is wrong.
    Broken(String),
    /// The subscription ended.
    Closed,
}

/// Reads until the node leaves the bus.
pub(super) async fn run(link: &Link, client: &Client) -> Result<(), String> {
    let told = |error: &dyn std::error::Error| crate::runtime::describe(error);
    let inbox = format!(
        "{}.pull.{}",
        link.names.inbox(),
        client.new_inbox().rsplit('.').next().unwrap_or("0")
    );
    let frames = client.subscribe(inbox.clone()).await;
    let mut frames = frames.map_err(|error| told(&error))?;
    let next = format!(
        "$JS.API.CONSUMER.MSG.NEXT.{}.{}",
        link.names.stream(),
        link.names.consumer()
    );
    let request = json!({
        "batch": BATCH,
        "expires": nanoseconds(EXPIRES),
        "idle_heartbeat": nanoseconds(HEARTBEAT),
    })
    .to_string();
    let (done, mut acks) = unbounded_channel::<async_nats::Subject>();
    let acknowledge = async {
        while let Some(reply) = acks.recv().await {
            // A frame whose acknowledgement is lost comes again, and is known then.
            let _sent = client.publish(reply, "+ACK".into()).await;
        }
    };
    let read = async {
        let mut right = link.stream_is_right.subscribe();
        let mut connections = link.connections.subscribe();
        loop {
            if right.wait_for(|right| *right == Some(true)).await.is_err() {
                return Ok(());
            }
            let ensured = ensure_consumer(client, &link.names).await;
            if client.connection_state() != State::Connected {
                // The connection itself is what is wrong then.
                tokio::time::sleep(ROOM_AFTER).await;
                continue;
            }
            // Whose user may not create its consumer reads it all the same, once it is there.
            let ensured = ensured.or_else(|error| match error {
                ServerError::NoAnswer { .. } => Ok(()),
                error => Err(error),
            });
            if let Err(error) = ensured {
                link.trouble(Topic::Consumer, &error.to_string());
                link.look.notify_one();
                tokio::time::sleep(AGAIN_AFTER).await;
                continue;
            }
            link.troubles.clear(Topic::Consumer);
            let broken = loop {
                connections.mark_unchanged();
                let sent = client
                    .publish_with_reply(next.clone(), inbox.clone(), request.clone().into())
                    .await;
                if let Err(error) = sent {
                    break told(&error);
                }
                let ended = tokio::select! {
                    ended = batch(link, &mut frames, &done) => ended,
                    changed = connections.changed() => {
                        if changed.is_err() { return Ok(()) }
                        Ended::Silent
                    }
                };
                match ended {
                    Ended::Complete => {}
                    Ended::Silent => break String::new(),
                    Ended::Broken(why) => break why,
                    Ended::Closed => return Err("the subscription to the stream ended".to_owned()),
                }
            };
            if !broken.is_empty() {
                tracing::info!(why = broken, "reading the stream is started over");
                link.look.notify_one();
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
    };
    tokio::select! {
        outcome = read => outcome,
        () = acknowledge => Ok(()),
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Takes what comes for one request.
async fn batch(link: &Link, frames: &mut Subscriber, done: &UnboundedSender<async_nats::Subject>) -> Ended {
    let mut left = BATCH;
    while left > 0 {
        let silence = HEARTBEAT * 2 + AGAIN_AFTER;
        let Ok(message) = tokio::time::timeout(silence, frames.next()).await else {
            return Ended::Silent;
        };
        let Some(message) = message else {
            return Ended::Closed;
        };
        match message.status.map(|status| status.as_u16()) {
            None | Some(200) => {
                left -= 1;
                deliver(link, message, done).await;
            }
            Some(100) => {}
            // Nothing there, or the time is up.
            Some(404 | 408) => return Ended::Complete,
            Some(409) => {
                let why = message.description.unwrap_or_default();
                if why.contains("Deleted") || why.contains("push based") {
                    return Ended::Broken(format!("the consumer of this node: {why}"));
                }
                // The server stops, changes its leader, or has enough unacknowledged frames out.
                tracing::debug!(why, "the server ended a request for frames");
                tokio::time::sleep(ROOM_AFTER * 10).await;
                return Ended::Complete;
            }
            Some(503) => return Ended::Broken("nobody serves the consumer of this node".to_owned()),
            Some(code) => {
                let why = message.description.unwrap_or_default();
                return Ended::Broken(format!("the server answers {code} {why}"));
            }
        }
    }
    Ended::Complete
}

/// Hands a frame in, waiting for room: the server keeps the rest meanwhile.
async fn deliver(link: &Link, message: Message, done: &UnboundedSender<async_nats::Subject>) {
    let Some(reply) = message.reply else { return };
    if link.is_own(&message.subject) {
        // Who reads the stream has sent it; what the stream lacks is compared elsewhere.
        let _left = done.send(reply);
        return;
    }
    let bytes: Arc<[u8]> = Arc::from(&message.payload[..]);
    loop {
        let (done, reply) = (done.clone(), reply.clone());
        let when_done: OnDone = Box::new(move || {
            // The bus may have been left.
            let _left = done.send(reply);
        });
        let frame = Inbound::Frame {
            bytes: bytes.clone(),
            done: Some(when_done),
        };
        if (link.inbox)(frame) {
            return;
        }
        tokio::time::sleep(ROOM_AFTER).await;
    }
}
