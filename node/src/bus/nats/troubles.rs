//! What keeps the bus from its work: one text for each topic, told once, shown until it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a trouble that only shows itself by happening is shown after it happened last.
const SHOWN_FOR: Duration = Duration::from_secs(90);
/// How often the same topic is told with another text.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// What a trouble is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// The connection.
    Connection,
    /// The stream is not there or not as expected.
    Stream,
    /// The consumer is not there or not as expected.
    Consumer,
    /// Frames are not acknowledged.
    Unacknowledged,
    /// The server refused a right.
    Rights,
    /// The server or the node is too slow.
    Slow,
    /// Something else that the server said.
    Server,
}

impl Topic {
    /// Whether there is no moment at which it is known to be over.
    fn only_happens(self) -> bool {
        matches!(self, Self::Rights | Self::Slow | Self::Server)
    }
}

struct Trouble {
    text: String,
    happened: Instant,
    told: Instant,
}

/// The troubles that a bus has now.
#[derive(Default)]
pub(super) struct Troubles {
    topics: Mutex<BTreeMap<Topic, Trouble>>,
    /// Subscriptions that the server refused on this connection.
    refused: Mutex<BTreeSet<String>>,
}

impl Troubles {
    fn open(&self) -> MutexGuard<'_, BTreeMap<Topic, Trouble>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server refuses a subscription, which it says once on each connection; says whether it is news.
    pub(super) fn refused_subscription(&self, text: &str) -> bool {
        self.refused().insert(text.to_owned())
    }

    /// A connection was made: what is refused on it the server says again.
    pub(super) fn connected(&self) {
        self.refused().clear();
    }

    /// Takes a trouble, and says whether it is news.
    pub(super) fn set(&self, topic: Topic, text: &str) -> bool {
        let now = Instant::now();
        let mut troubles = self.open();
        let told = match troubles.get(&topic) {
            Some(held) if now.duration_since(held.happened) > SHOWN_FOR && topic.only_happens() => None,
            Some(held) if held.text == text || now.duration_since(held.told) < TOLD_EVERY => Some(held.told),
            _ => None,
        };
        let trouble = Trouble {
            text: text.to_owned(),
            happened: now,
            told: told.unwrap_or(now),
        };
        troubles.insert(topic, trouble);
        told.is_none()
    }

    /// Says that a trouble is over.
    pub(super) fn clear(&self, topic: Topic) {
        if self.open().remove(&topic).is_some() {
            tracing::info!(?topic, "a trouble of the bus is over");
        }
    }

    /// Lists what is not over.
    pub(super) fn list(&self) -> Vec<String> {
        let mut troubles = self.open();
        troubles.retain(|topic, trouble| !topic.only_happens() || trouble.happened.elapsed() <= SHOWN_FOR);
        let topics = troubles.values().map(|trouble| trouble.text.clone());
        let refused = self.refused().clone();
        topics.chain(refused).map(|text| format!("bus: {text}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_news_once_and_shown_until_it_is_over() {
        let troubles = Troubles::default();
        assert!(troubles.set(Topic::Connection, "lost"));
        assert!(!troubles.set(Topic::Connection, "lost"));
        assert!(troubles.set(Topic::Rights, "no right"));
        assert_eq!(troubles.list(), ["bus: lost", "bus: no right"]);
        troubles.clear(Topic::Connection);
        assert_eq!(troubles.list(), ["bus: no right"]);
        assert!(troubles.set(Topic::Connection, "lost"), "it is news again");
    }

    #[test]
    fn a_refused_subscription_is_shown_until_the_next_connection() {
        let troubles = Troubles::default();
        assert!(troubles.refused_subscription("no questions"));
        assert!(troubles.refused_subscription("no heads"));
        assert!(!troubles.refused_subscription("no heads"));
        assert_eq!(troubles.list(), ["bus: no heads", "bus: no questions"]);
        troubles.connected();
        assert!(troubles.list().is_empty());
    }
}
