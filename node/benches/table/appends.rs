//! Recording: notes that are signed beforehand go to a node as a handler of its API hands them in, or over HTTP.

use crate::author::{Draft, HOSTED, department, enrolment, found, officers, request_body};
use crate::history::settings_and_clock;
use crate::limits::cores;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tally_node::api::{Api, Slot, serve};
use tally_node::bus::embedded::EmbeddedNet;
use tally_node::runtime::Node;
use tally_schemas::api::SubmitBody;
use tally_schemas::event::EventKind;
use tally_schemas::id::{DepartmentId, FederationId};
use tally_schemas::time::Timestamp;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// A running node that hosts one department, with its API.
pub(crate) struct Recorder {
    federation: FederationId,
    node: Option<Node>,
    runtime: Runtime,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    signed: AtomicU64,
}

/// How long each append took, and all of them together.
pub(crate) struct Took {
    pub(crate) all: Duration,
    pub(crate) each: Vec<Duration>,
}

impl Took {
    pub(crate) fn rate(&self) -> f64 {
        self.each.len() as f64 / self.all.as_secs_f64()
    }

    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        percentile_ms(&self.each, percent)
    }
}

/// Returns the time within which so many of a hundred ended, in milliseconds.
pub(crate) fn percentile_ms(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted
        .get(place)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

impl Recorder {
    /// Founds and starts a node and enrols the officers of its department.
    pub(crate) fn start(dir: &Path) -> Self {
        let federation = found(dir, "n1", HOSTED);
        let (settings, clock) = settings_and_clock(dir);
        let hub = EmbeddedNet::new();
        let node = Node::start(&settings, clock, |inbox, _| Ok(hub.join(&settings.node, inbox))).unwrap();
        while !node.shared().health().reasons.is_empty() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let slot = Slot::default();
        slot.set(Some(node.shared().clone()));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let api = Api { slot, trial: None };
        runtime.spawn(serve(listener, api, async move {
            let _stopped = stopped.await;
        }));
        let recorder = Self {
            federation,
            node: Some(node),
            runtime,
            address,
            stop: Some(stop),
            signed: AtomicU64::new(0),
        };
        for (kind, body) in enrolment(HOSTED) {
            let note = recorder.sign(kind, None, &body);
            recorder.append(vec![note], 1);
        }
        recorder
    }

    fn sign(&self, kind: EventKind, to: Option<&DepartmentId>, body: &str) -> String {
        let draft = Draft {
            federation: &self.federation,
            by: &department(HOSTED),
            number: self.signed.fetch_add(1, Ordering::Relaxed),
            issued: Timestamp::parse("2026-01-05T00:00:00.000Z").unwrap(),
            kind,
            case: None,
            after: None,
            to,
            body,
        };
        String::from_utf8(draft.sign(&officers(HOSTED)).to_bytes()).unwrap()
    }

    /// Signs requests, each a case of its own.
    pub(crate) fn requests(&self, count: usize) -> Vec<String> {
        let civil = department("civil");
        let left = AtomicUsize::new(count);
        let work = || {
            let mut notes = Vec::new();
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
            {
                let body = request_body(self.signed.load(Ordering::Relaxed));
                notes.push(self.sign(EventKind::RequestFiled, Some(&civil), &body));
            }
            notes
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        })
    }

    /// Records notes from so many clients, each of which waits for its answer before it sends the next.
    pub(crate) fn append(&self, notes: Vec<String>, clients: usize) -> Took {
        let shared = self.node.as_ref().unwrap().shared();
        let notes = std::sync::Arc::new(Mutex::new(notes.into_iter()));
        let began = Instant::now();
        let tasks: Vec<_> = (0..clients)
            .map(|_| {
                let (shared, notes) = (shared.clone(), notes.clone());
                self.runtime.spawn(async move {
                    let mut times = Vec::new();
                    loop {
                        let next = notes.lock().unwrap().next();
                        let Some(note) = next else { return times };
                        let body = SubmitBody {
                            note,
                            parts: Vec::new(),
                            draft: None,
                            personal_override: None,
                        };
                        let before = Instant::now();
                        let recorded = shared.record(body).await;
                        times.push(before.elapsed());
                        recorded.unwrap();
                    }
                })
            })
            .collect();
        let each = self.runtime.block_on(async {
            let mut each = Vec::new();
            for task in tasks {
                each.extend(task.await.unwrap());
            }
            each
        });
        Took {
            all: began.elapsed(),
            each,
        }
    }

    /// As [`Self::append`], over HTTP, each client on a connection of its own.
    pub(crate) fn post(&self, notes: Vec<String>, clients: usize) -> Took {
        let notes = Mutex::new(notes.into_iter());
        let began = Instant::now();
        let work = || {
            let stream = TcpStream::connect(self.address).unwrap();
            stream.set_nodelay(true).unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut stream = stream;
            let mut times = Vec::new();
            loop {
                let next = notes.lock().unwrap().next();
                let Some(note) = next else { return times };
                let before = Instant::now();
                let request = format!(
                    "POST /v1/submit HTTP/1.1\r\nHost: node\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{note}",
                    note.len()
                );
                stream.write_all(request.as_bytes()).unwrap();
                let status = answer(&mut reader);
                times.push(before.elapsed());
                assert_eq!(status, "HTTP/1.1 200 OK");
            }
        };
        let each = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..clients).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        Took {
            all: began.elapsed(),
            each,
        }
    }

    pub(crate) fn end(mut self) {
        drop(self.stop.take());
        if let Some(node) = self.node.take() {
            node.stop();
        }
    }
}

/// Reads an answer of stated length; returns its first line.
fn answer(reader: &mut impl std::io::BufRead) -> String {
    let mut status = String::new();
    reader.read_line(&mut status).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    status.trim_end().to_owned()
}
