//! Frames to the stream, in order, so many at a time; and what the server did not acknowledge.
//!
//! An acknowledgement only frees the place in the window: it makes nothing durable. One that does not come makes the node look
//! what the stream lacks.

use super::Link;
use super::jetstream::refused;
use super::troubles::Topic;
use crate::bus::Publication;
use async_nats::connection::State;
use async_nats::{Client, Message, StatusCode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;
use tokio_stream::StreamExt as _;

/// How many frames may wait for their acknowledgement.
const WINDOW_FRAMES_MAX: usize = 256;
/// How many bytes of frames may.
const WINDOW_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long an acknowledgement may take.
const ACK_WAIT: Duration = Duration::from_secs(5);

/// Frames that were sent and not acknowledged yet.
#[derive(Default)]
struct Window {
    sent: BTreeMap<u64, (Instant, usize, String)>,
    bytes: usize,
    next: u64,
}

impl Window {
    fn has_room(&self) -> bool {
        self.sent.len() < WINDOW_FRAMES_MAX && self.bytes < WINDOW_BYTES_MAX
    }

    fn enter(&mut self, subject: &str, bytes: usize) -> u64 {
        let number = self.next;
        self.next += 1;
        self.sent
            .insert(number, (Instant::now(), bytes, subject.to_owned()));
        self.bytes += bytes;
        number
    }

    fn leave(&mut self, number: u64) -> Option<String> {
        let (_, bytes, subject) = self.sent.remove(&number)?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(subject)
    }

    /// Gives up what waits for too long; returns how many that were and where the first went.
    fn expire(&mut self) -> Option<(usize, String)> {
        let late: Vec<u64> = self
            .sent
            .iter()
            .filter(|(_, (at, ..))| at.elapsed() > ACK_WAIT)
            .map(|(number, _)| *number)
            .collect();
        let subjects: Vec<String> = late.iter().filter_map(|number| self.leave(*number)).collect();
        Some((subjects.len(), subjects.into_iter().next()?))
    }
}

/// Sends what the node has to say, until the node leaves the bus.
pub(super) async fn run(
    link: &Link,
    client: &Client,
    outgoing: &mut Receiver<Publication>,
    mut again: Receiver<Publication>,
) -> Result<(), String> {
    let prefix = format!("{}.ack", link.names.inbox());
    let acks = client.subscribe(format!("{prefix}.*")).await;
    let mut acks = acks.map_err(|error| crate::runtime::describe(&error))?;
    let mut window = Window::default();
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    let mut stream = link.stream_is_right.subscribe();
    loop {
        // Until the stream was looked at, what is to be sent waits.
        let right = *stream.borrow_and_update();
        let is_open = right.is_some() && window.has_room();
        let publication = tokio::select! {
            publication = outgoing.recv(), if is_open => match publication {
                Some(publication) => publication,
                None => return Ok(()),
            },
            Some(publication) = again.recv(), if is_open => publication,
            changed = stream.changed() => {
                if changed.is_err() { return Ok(()) }
                continue;
            }
            ack = acks.next() => {
                let ack = ack.ok_or("the subscription to acknowledgements ended")?;
                acknowledged(link, &mut window, &ack);
                continue;
            }
            _ = clock.tick() => {
                if let Some((count, subject)) = window.expire() {
                    link.trouble(
                        Topic::Unacknowledged,
                        &format!("the stream acknowledged {count} frames not within 5 s, first one on {subject}"),
                    );
                    link.look.notify_one();
                }
                continue;
            }
        };
        if client.connection_state() != State::Connected {
            // The comparison after the next connection sends it.
            continue;
        }
        let bytes = publication.bytes.to_vec();
        let sent = if publication.has_entries && right == Some(true) {
            let subject = link.names.log(&publication.origin);
            let number = window.enter(&subject, bytes.len());
            client
                .publish_with_reply(subject, format!("{prefix}.{number}"), bytes.into())
                .await
        } else {
            // Without the stream whoever listens now gets it, and the others ask.
            client
                .publish(link.names.head(&publication.origin), bytes.into())
                .await
        };
        if let Err(error) = sent {
            let why = crate::runtime::describe(&error);
            link.trouble(Topic::Unacknowledged, &format!("a frame was not sent: {why}"));
            link.look.notify_one();
        }
    }
}

fn acknowledged(link: &Link, window: &mut Window, ack: &Message) {
    let number = ack
        .subject
        .rsplit('.')
        .next()
        .and_then(|token| token.parse().ok());
    let Some(subject) = number.and_then(|number| window.leave(number)) else {
        return;
    };
    if ack.status == Some(StatusCode::NO_RESPONDERS) {
        link.trouble(
            Topic::Unacknowledged,
            &format!("no stream takes what is sent on {subject}"),
        );
        link.look.notify_one();
        return;
    }
    let answer: Value = serde_json::from_slice(&ack.payload).unwrap_or_default();
    match answer.get("error") {
        None => link.troubles.clear(Topic::Unacknowledged),
        Some(error) => {
            link.trouble(Topic::Unacknowledged, &refused(subject, error).to_string());
            link.look.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_counts_frames_and_bytes() {
        let mut window = Window::default();
        let first = window.enter("a", WINDOW_BYTES_MAX - 1);
        assert!(window.has_room());
        let second = window.enter("b", 1);
        assert!(!window.has_room());
        assert_eq!(window.leave(first).as_deref(), Some("a"));
        assert_eq!(window.leave(first), None);
        assert!(window.has_room());
        for _ in 0..WINDOW_FRAMES_MAX {
            window.enter("c", 1);
        }
        assert!(!window.has_room());
        assert_eq!(window.leave(second).as_deref(), Some("b"));
        assert_eq!(window.expire(), None, "nothing is late yet");
    }
}
