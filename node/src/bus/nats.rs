//! The bus over NATS servers: frames through one stream, questions from node to node. Spec: `schemas/spec/subjects.md`.
//!
//! The server is believed in nothing (I10): what it acknowledges may be gone tomorrow, so the own logs are compared with the stream
//! on every connection and from time to time, and what it lacks is sent again. While there is no connection nothing is queued.

mod jetstream;
mod keep;
mod publish;
mod pull;
pub mod server;
mod subjects;
mod troubles;
mod user;

pub use jetstream::{ServerError, stream_config};
pub use subjects::Names;
pub use user::{UserError, make_key};

use super::{Bus, Inbound, Inbox, OnAnswer, Publication};
use crate::config::NatsSettings;
use async_nats::connection::State;
use async_nats::{Client, Event, Request};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tally_schemas::id::{DepartmentId, FederationId, NodeId, Origin};
use tally_schemas::question::QUESTION_BYTES_MAX;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio_stream::StreamExt as _;
use troubles::{Topic, Troubles};

/// How many frames may wait to be sent; further ones are left to the next comparison with the stream.
const OUTGOING_MAX: usize = 256;
/// How many answers may be on their way out; each has at most 200,704 bytes.
const ANSWERS_MAX: usize = 64;
/// How long an answer to a question may take.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// How long is waited before a connection that failed for a reason on this machine is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long a node that stops gives its last frames to leave.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// Checks what the settings name, without connecting.
///
/// # Errors
/// As [`NatsBus::join`].
pub fn check(settings: &NatsSettings, federation: &FederationId, node: &NodeId) -> Result<(), UserError> {
    user::options(settings, &Names::new(federation, node)).map(drop)
}

/// Cuts a node off its servers and joins it again: for trials.
#[derive(Debug, Clone)]
pub struct Switch(watch::Sender<bool>);

impl Default for Switch {
    fn default() -> Self {
        Self(watch::channel(false).0)
    }
}

impl Switch {
    /// Cuts the node off, or joins it again.
    pub fn cut(&self, cut: bool) {
        self.0.send_replace(cut);
    }
}

/// What the tasks of a connection share.
struct Link {
    names: Names,
    /// The logs that this node writes; one of a later epoch comes with its first frame.
    own: Mutex<BTreeSet<Origin>>,
    hosted: BTreeSet<DepartmentId>,
    servers: Vec<String>,
    inbox: Inbox,
    client: Mutex<Option<Client>>,
    troubles: Troubles,
    /// Something may be missing in the stream.
    look: Notify,
    comparisons: Comparisons,
    /// Counts the connections made.
    connections: watch::Sender<u64>,
    /// Whether the stream is as expected, once that is known.
    stream_is_right: watch::Sender<Option<bool>>,
    /// Whether questions of others reach this node.
    listens: watch::Sender<bool>,
}

impl Link {
    fn client(&self) -> Option<Client> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.clone()
    }

    fn set_client(&self, client: Option<Client>) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
    }

    fn own(&self) -> BTreeSet<Origin> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_own(&self, subject: &str) -> bool {
        // The department is the token before the last, in log and head subjects alike.
        let mut tokens = subject.rsplit('.');
        let department = tokens.nth(1).and_then(|token| DepartmentId::parse(token).ok());
        department.is_some_and(|department| self.hosted.contains(&department))
    }

    fn trouble(&self, topic: Topic, text: &str) {
        if self.troubles.set(topic, text) {
            // Without room the alarm is lost; the reason in `/readyz` stays.
            let _told = (self.inbox)(Inbound::Trouble(format!("bus: {text}")));
        }
    }

    /// Takes what the client says of its connection.
    fn event(&self, event: &Event) {
        let servers = self.servers.join(", ");
        match event {
            Event::Connected => {
                tracing::info!(servers, "connected to NATS");
                self.troubles.clear(Topic::Connection);
                self.troubles.connected();
                self.connections.send_modify(|count| *count += 1);
                self.look.notify_one();
            }
            Event::Disconnected => {
                self.trouble(
                    Topic::Connection,
                    &format!("the connection to the NATS server is lost; trying {servers} again"),
                );
            }
            Event::SlowConsumer(_) => self.trouble(
                Topic::Slow,
                "messages arrive faster than this node takes them; some were dropped and are asked for again",
            ),
            Event::ServerError(async_nats::ServerError::SlowConsumer(_)) => self.trouble(
                Topic::Slow,
                "the NATS server finds this node too slow and drops messages for it; they are asked for again",
            ),
            Event::ServerError(async_nats::ServerError::AuthorizationViolation) => self.trouble(
                Topic::Connection,
                &format!("the NATS server does not let this node in (authorization violation): is its user in the configuration of {servers}?"),
            ),
            Event::ServerError(async_nats::ServerError::Other(text)) => {
                let lower = text.to_lowercase();
                if lower.contains("permissions violation") {
                    // Inboxes have a new name for each question.
                    let text = self.names.without_inbox_names(text);
                    let what = format!(
                        "the NATS server refuses a right that this node needs: {text}; `tally-node nats server-config` prints all of them, with --department those of departments admitted later"
                    );
                    if !lower.contains("subscription") {
                        self.trouble(Topic::Rights, &what);
                    } else if self.troubles.refused_subscription(&what) {
                        // The server says it once on each connection, and it lasts as long.
                        let _told = (self.inbox)(Inbound::Trouble(format!("bus: {what}")));
                    }
                } else {
                    self.trouble(Topic::Server, &format!("the NATS server says: {text}"));
                }
            }
            Event::ClientError(error) => {
                self.trouble(
                    Topic::Connection,
                    &format!("no connection to the NATS servers {servers}: {error}"),
                );
            }
            Event::LameDuckMode => tracing::info!("the NATS server is going to stop"),
            Event::Draining | Event::Closed => {}
        }
    }
}

/// A node's place on NATS.
pub struct NatsBus {
    link: Arc<Link>,
    outgoing: mpsc::Sender<Publication>,
    handle: Handle,
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for NatsBus {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "NatsBus({:?})", self.link.servers)
    }
}

impl NatsBus {
    /// Joins the bus: returns when questions of others reach this node, at the latest after `patience`; a server that is away is
    /// tried again for ever.
    ///
    /// # Errors
    /// Files that the settings name and that cannot be used, or a node that writes no log.
    pub fn join(
        settings: &NatsSettings,
        node: &NodeId,
        own: Vec<Origin>,
        switch: &Switch,
        patience: Duration,
        inbox: Inbox,
    ) -> Result<Self, UserError> {
        let federation = own.first().map(|origin| origin.federation.clone());
        let names = Names::new(&federation.ok_or(UserError::NoLog)?, node);
        user::options(settings, &names)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("bus")
            .enable_all()
            .build()
            .map_err(UserError::Thread)?;
        let link = Arc::new(Link {
            names,
            hosted: own.iter().map(|origin| origin.department.clone()).collect(),
            own: Mutex::new(own.into_iter().collect()),
            servers: settings.servers.clone(),
            inbox,
            client: Mutex::new(None),
            troubles: Troubles::default(),
            look: Notify::new(),
            comparisons: Comparisons::default(),
            connections: watch::channel(0).0,
            stream_is_right: watch::channel(None).0,
            listens: watch::channel(false).0,
        });
        let (outgoing, waiting) = mpsc::channel(OUTGOING_MAX);
        let handle = runtime.handle().clone();
        handle.spawn(live(
            link.clone(),
            settings.clone(),
            waiting,
            switch.0.subscribe(),
        ));
        let started = Instant::now();
        while !*link.listens.borrow() && started.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(10));
        }
        if !*link.listens.borrow() {
            let servers = link.servers.join(", ");
            link.trouble(
                Topic::Connection,
                &format!("no connection to the NATS servers {servers} yet; this node records its own acts meanwhile"),
            );
        }
        Ok(Self {
            link,
            outgoing,
            handle,
            runtime: Some(runtime),
        })
    }
}

impl Drop for NatsBus {
    fn drop(&mut self) {
        let started = Instant::now();
        let is_connected = |client: &Client| client.connection_state() == State::Connected;
        if let Some(client) = self.link.client().filter(is_connected) {
            while self.outgoing.capacity() < OUTGOING_MAX && started.elapsed() < FLUSH_MAX {
                std::thread::sleep(Duration::from_millis(2));
            }
            let (flushed, wait) = std::sync::mpsc::channel();
            self.handle.spawn(async move {
                // Who waits may have given up.
                let _told = flushed.send(client.flush().await.is_ok());
            });
            let _flushed = wait.recv_timeout(FLUSH_MAX);
        }
        self.link.set_client(None);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Bus for NatsBus {
    fn publish(&self, publication: Publication) {
        if publication.has_entries {
            let mut own = self.link.own.lock().unwrap_or_else(PoisonError::into_inner);
            if !own.contains(&publication.origin) {
                own.insert(publication.origin.clone());
            }
        }
        if self.outgoing.try_send(publication).is_err() {
            self.link.look.notify_one();
        }
    }

    fn ask(&self, node: &NodeId, question: Vec<u8>, answer: OnAnswer) -> bool {
        let Some(client) = self.link.client().filter(is_connected) else {
            return false;
        };
        let subject = self.link.names.ask(node);
        self.handle.spawn(async move {
            // A subscription of its own: the client remembers for ever what is not answered otherwise.
            let request = Request::new()
                .payload(question.into())
                .inbox(client.new_inbox())
                .timeout(Some(ANSWER_WAIT));
            let answered = client.send_request(subject, request).await;
            answer(answered.ok().map(|message| message.payload.to_vec()));
        });
        true
    }

    fn is_connected(&self) -> bool {
        self.link.client().as_ref().is_some_and(is_connected)
    }

    fn compare(&self) {
        self.link.comparisons.wanted.fetch_add(1, Ordering::SeqCst);
        self.link.look.notify_one();
    }

    fn has_compared(&self) -> bool {
        let Comparisons { wanted, done } = &self.link.comparisons;
        done.load(Ordering::SeqCst) >= wanted.load(Ordering::SeqCst)
    }

    fn troubles(&self) -> Vec<String> {
        self.link.troubles.list()
    }
}

/// Numbers of comparisons of the own logs with the stream: the last one wanted, and the last one done.
#[derive(Debug, Default)]
struct Comparisons {
    wanted: AtomicU64,
    done: AtomicU64,
}

fn is_connected(client: &Client) -> bool {
    client.connection_state() == State::Connected
}

/// Connects, serves until the bus is cut, and starts over when it is joined again.
async fn live(
    link: Arc<Link>,
    settings: NatsSettings,
    mut outgoing: mpsc::Receiver<Publication>,
    mut cut: watch::Receiver<bool>,
) {
    loop {
        if *cut.borrow_and_update() {
            link.trouble(Topic::Connection, "the bus is cut");
            tokio::select! {
                changed = cut.changed() => if changed.is_err() { return },
                lost = outgoing.recv() => if lost.is_none() { return },
            }
            continue;
        }
        let client = match connect(&link, &settings).await {
            Ok(client) => client,
            Err(why) => {
                link.trouble(Topic::Connection, &why);
                tokio::time::sleep(AGAIN_AFTER).await;
                continue;
            }
        };
        link.set_client(Some(client.clone()));
        let ended = tokio::select! {
            ended = serve(&link, &client, &mut outgoing) => Some(ended),
            // A switch that is gone cuts no more.
            _ = async { if cut.wait_for(|cut| *cut).await.is_err() { std::future::pending::<()>().await } } => None,
        };
        link.set_client(None);
        link.listens.send_replace(false);
        link.stream_is_right.send_replace(None);
        match ended {
            Some(Ok(())) => return,
            Some(Err(why)) => {
                link.trouble(Topic::Connection, &why);
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            None => {}
        }
    }
}

async fn connect(link: &Arc<Link>, settings: &NatsSettings) -> Result<Client, String> {
    let told = |error: &dyn std::error::Error| crate::runtime::describe(error);
    let servers: Result<Vec<async_nats::ServerAddr>, std::io::Error> =
        settings.servers.iter().map(|server| server.parse()).collect();
    let servers = servers.map_err(|error| told(&error))?;
    let events = link.clone();
    user::options(settings, &link.names)
        .map_err(|error| told(&error))?
        .event_callback(move |event| {
            let link = events.clone();
            async move { link.event(&event) }
        })
        .connect(servers)
        .await
        .map_err(|error| told(&error))
}

/// Listens, sends, reads the stream and looks after it; ends when the node leaves the bus.
async fn serve(
    link: &Arc<Link>,
    client: &Client,
    outgoing: &mut mpsc::Receiver<Publication>,
) -> Result<(), String> {
    let told = |error: &dyn std::error::Error| crate::runtime::describe(error);
    let asked = client.subscribe(link.names.own_ask()).await;
    let asked = asked.map_err(|error| told(&error))?;
    let heads = client.subscribe(link.names.all_heads()).await;
    let heads = heads.map_err(|error| told(&error))?;
    let (again, republished) = mpsc::channel(1);
    tokio::select! {
        () = say_that_it_listens(link, client) => Ok(()),
        () = answer(link, client, asked) => Err("the subscription to questions ended".to_owned()),
        () = hear(link, heads) => Err("the subscription to heads ended".to_owned()),
        ended = publish::run(link, client, outgoing, republished) => ended,
        () = keep::run(link, client, &again) => Ok(()),
        ended = pull::run(link, client) => ended,
    }
}

/// Says so on each connection, once the server has taken the subscriptions.
async fn say_that_it_listens(link: &Link, client: &Client) {
    let mut connections = link.connections.subscribe();
    loop {
        if client.flush().await.is_ok() && client.connection_state() == State::Connected {
            link.listens.send_replace(true);
        }
        if connections.changed().await.is_err() {
            return;
        }
    }
}

async fn answer(link: &Link, client: &Client, mut asked: async_nats::Subscriber) {
    let handle = Handle::current();
    let room = Arc::new(Semaphore::new(ANSWERS_MAX));
    while let Some(message) = asked.next().await {
        if message.payload.len() > QUESTION_BYTES_MAX {
            continue;
        }
        // Whoever names no inbox asks nothing; an answer elsewhere could be made to say what others believe.
        let Some(reply) = message.reply.filter(|reply| link.names.is_inbox(reply)) else {
            continue;
        };
        let (handle, client, room) = (handle.clone(), client.clone(), room.clone());
        let answer = Box::new(move |bytes: Vec<u8>| {
            // A connection that is slower than the questions must not fill the memory: who gets no answer asks again.
            let Ok(permit) = room.try_acquire_owned() else {
                return;
            };
            handle.spawn(async move {
                // Flushed, so that what the client has not written yet counts.
                let _sent = client.publish(reply, bytes.into()).await;
                let _written = client.flush().await;
                drop(permit);
            });
        });
        let question = Inbound::Question {
            bytes: message.payload.to_vec(),
            answer,
        };
        // Without room the question is lost, and asked again.
        let _taken = (link.inbox)(question);
    }
}

async fn hear(link: &Link, mut heads: async_nats::Subscriber) {
    while let Some(message) = heads.next().await {
        if link.is_own(&message.subject) {
            continue;
        }
        let frame = Inbound::Frame {
            bytes: Arc::from(&message.payload[..]),
            done: None,
        };
        // Without room it is lost; heads are announced again.
        let _taken = (link.inbox)(frame);
    }
}
