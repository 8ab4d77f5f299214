//! Looks after the stream: creates or compares it, and sends what it lacks of the own logs.
//!
//! What a stream has lost is found by reading its last frame of each own log. The missing entries are asked from the own node, by
//! the same question that others ask; so nothing leaves that they could not have had.

use super::Link;
use super::jetstream::{ServerError, ensure_stream, last_of};
use super::troubles::Topic;
use crate::bus::{Inbound, Publication};
use async_nats::Client;
use async_nats::connection::State;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tally_schemas::frame::Frame;
use tally_schemas::id::Origin;
use tally_schemas::question::{ANSWER_BYTES_MAX, Answer, Question};
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

/// How often the own logs are compared with the stream without a reason.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long is waited after a failure.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// The shortest time between two looks.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(200);
/// How long frames that were just sent may take to stand in the stream.
const ON_THEIR_WAY: Duration = Duration::from_millis(500);
/// How many entries of a log are sent again at most: the stream is a short history, others ask for the rest.
const ENTRIES_AGAIN_MAX: u64 = 16_384;
/// How long the own node may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Looks on every connection, from time to time, and whenever something was not acknowledged.
pub(super) async fn run(link: &Link, client: &Client, again: &Sender<Publication>) {
    let mut resent = Resent::default();
    loop {
        if client.connection_state() == State::Connected {
            check_server(link, client);
            match look(link, client, again, &mut resent).await {
                Ok(()) => {}
                // Whoever lost the connection meanwhile hears of that, and looks again.
                Err(_) if client.connection_state() != State::Connected => {}
                Err(error) => {
                    link.stream_is_right.send_replace(Some(false));
                    link.trouble(Topic::Stream, &error.to_string());
                    tokio::time::sleep(AGAIN_AFTER).await;
                    continue;
                }
            }
        }
        tokio::time::sleep(LOOK_AT_MOST_EVERY).await;
        tokio::select! {
            () = link.look.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn check_server(link: &Link, client: &Client) {
    let max_payload = client.max_payload();
    if max_payload < ANSWER_BYTES_MAX {
        link.trouble(
            Topic::Server,
            &format!("the NATS server takes messages of {max_payload} bytes, {ANSWER_BYTES_MAX} are needed: raise its max_payload"),
        );
    }
}

/// From where each own log was sent again last, on which connection and when.
#[derive(Default)]
struct Resent(BTreeMap<Origin, (u64, u64, Instant)>);

impl Resent {
    /// Says whether it is worth while now: not when the same was sent just before and the stream did not take it.
    fn is_due(&mut self, origin: &Origin, connection: u64, from: u64) -> bool {
        let last = self.0.get(origin);
        if last.is_some_and(|last| (last.0, last.1) == (connection, from) && last.2.elapsed() < LOOK_EVERY) {
            return false;
        }
        self.0.insert(origin.clone(), (connection, from, Instant::now()));
        true
    }
}

async fn look(
    link: &Link,
    client: &Client,
    again: &Sender<Publication>,
    resent: &mut Resent,
) -> Result<(), ServerError> {
    ensure_stream(client, &link.names).await?;
    link.troubles.clear(Topic::Stream);
    link.stream_is_right.send_replace(Some(true));
    let wanted = link.comparisons.wanted.load(Ordering::SeqCst);
    let mut shorter = Vec::new();
    for origin in link.own() {
        // The size is read first: what is sent meanwhile must not look like a loss. A log of which nothing is signed has none, and whatever
        // the stream has of it is more.
        let size = own_size(link, &origin).await;
        let end = end_in_stream(link, client, &origin).await?;
        if let Some(size) = size.filter(|size| end < *size) {
            shorter.push((origin, size));
        }
    }
    link.comparisons.done.fetch_max(wanted, Ordering::SeqCst);
    if shorter.is_empty() {
        // What was not acknowledged stands there all the same.
        link.troubles.clear(Topic::Unacknowledged);
        return Ok(());
    }
    tokio::time::sleep(ON_THEIR_WAY).await;
    for (origin, size) in shorter {
        let end = end_in_stream(link, client, &origin).await?;
        let connection = *link.connections.borrow();
        if end < size && resent.is_due(&origin, connection, end) {
            tracing::info!(%origin, stream = end, log = size, "the stream ends before the own log; the rest is sent again");
            let start = end.max(size.saturating_sub(ENTRIES_AGAIN_MAX));
            send_again(link, again, &origin, start, size).await;
        }
    }
    Ok(())
}

async fn send_again(link: &Link, again: &Sender<Publication>, origin: &Origin, mut start: u64, size: u64) {
    while start < size {
        let Some(frame) = ask_self(link, origin, start).await else {
            return;
        };
        let (end, bytes) = (frame.end(), frame.encode());
        let Ok(bytes) = bytes else { return };
        if frame.start != start || frame.entries.is_empty() {
            return;
        }
        let publication = Publication {
            origin: origin.clone(),
            has_entries: true,
            bytes: Arc::from(bytes),
        };
        if again.send(publication).await.is_err() {
            return;
        }
        start = end;
    }
}

/// Returns where the stream's last frame of an own log ends; one that ends beyond the log is handed in, because it may prove that
/// the log was restored from an old copy.
async fn end_in_stream(link: &Link, client: &Client, origin: &Origin) -> Result<u64, ServerError> {
    let subject = link.names.log(origin);
    let Some(bytes) = last_of(client, &link.names, &subject).await? else {
        return Ok(0);
    };
    let Ok(frame) = Frame::decode(&bytes) else {
        return Ok(0);
    };
    if frame.origin != *origin {
        return Ok(0);
    }
    let size = own_size(link, origin).await;
    if size.is_none_or(|size| size < frame.end()) {
        // Without room it is handed in at the next look.
        let _taken = (link.inbox)(Inbound::Frame {
            bytes: Arc::from(bytes),
            done: None,
        });
    }
    Ok(frame.end())
}

/// Returns the size of an own log that its checkpoint covers.
async fn own_size(link: &Link, origin: &Origin) -> Option<u64> {
    // A question for what lies beyond is answered with the head.
    let frame = ask_self(link, origin, i64::MAX.unsigned_abs()).await?;
    Some(frame.start)
}

/// Asks the own node for a range, as others do.
async fn ask_self(link: &Link, origin: &Origin, start: u64) -> Option<Frame> {
    let question = Question::Range {
        origin: origin.clone(),
        start,
    };
    let (answer, answered) = oneshot::channel();
    let asked = Inbound::Question {
        bytes: question.encode().ok()?,
        answer: Box::new(move |bytes| {
            // Who asked may have given up.
            let _told = answer.send(bytes);
        }),
    };
    if !(link.inbox)(asked) {
        return None;
    }
    let bytes = tokio::time::timeout(ANSWER_WAIT, answered).await.ok()?.ok()?;
    match Answer::decode(&bytes) {
        Ok(Answer::Frames(frames)) => Frame::decode(frames.first()?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_stream_did_not_take_is_not_sent_again_at_once() {
        let origin = Origin::parse("xian-0123456789abcdef/housing/1").unwrap();
        let mut resent = Resent::default();
        assert!(resent.is_due(&origin, 1, 7));
        assert!(!resent.is_due(&origin, 1, 7));
        assert!(resent.is_due(&origin, 1, 9), "it took some");
        assert!(resent.is_due(&origin, 2, 9), "it is another connection");
    }
}
