//! Nodes on a real NATS server: what it loses, repeats, forgets or refuses is delay or a named trouble, never a loss.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test stops at what it did not expect, and shows the logs then"
)]

mod cluster;
#[path = "../daemon/federation.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the daemon, which use more of it"
)]
mod federation;

use cluster::{Cluster, copy};
use federation::{APPLICATION, Federation};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tally_ledger::crypto::event_id;
use tally_schemas::event::EventKind;
use tally_schemas::id::EventId;
use tokio_stream::StreamExt as _;

/// Connects as the user of a node, beside the node itself.
async fn client_of(cluster: &Cluster, node: usize) -> async_nats::Client {
    let seed = std::fs::read_to_string(cluster.folder().join(format!("keys/bus-n{node}.nk"))).unwrap();
    let inbox = format!("tally.v1.{}.inbox.n{node}", cluster.federation.id);
    let options = async_nats::ConnectOptions::with_nkey(seed.trim().to_owned()).custom_inbox_prefix(inbox);
    options
        .connect(format!("127.0.0.1:{}", cluster.server.port))
        .await
        .unwrap()
}

async fn api(client: &async_nats::Client, subject: String, body: &Value) -> Value {
    let payload = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let answer = client.request(subject, payload.into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

fn in_tokio<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}

#[test]
fn what_is_recorded_here_is_seen_there_and_who_was_away_catches_up() {
    let mut cluster = Cluster::running();
    eprintln!("tested with {}", cluster.server.version());
    cluster.await_equal(&[1, 2, 3]);
    cluster.terminate(3);
    for _ in 0..20 {
        cluster.federation.file();
    }
    cluster.await_equal(&[1, 2]);
    cluster.start(3);
    cluster.await_equal(&[1, 2, 3]);
    let stream = format!("tally-{}", cluster.federation.id);
    let state = in_tokio(async {
        let client = client_of(&cluster, 1).await;
        let info = api(&client, format!("$JS.API.STREAM.INFO.{stream}"), &Value::Null).await;
        info["state"].clone()
    });
    assert!(
        state["messages"].as_u64().unwrap() >= 20,
        "the stream carried them: {state}"
    );
    assert_eq!(
        state["num_subjects"],
        json!(4),
        "one subject for each log: {state}"
    );
    for node in 1..=3 {
        assert_eq!(cluster.reasons(node), "", "nothing troubles node {node}");
    }
}

#[test]
fn without_a_server_own_acts_are_recorded_and_the_trouble_is_shown() {
    let mut cluster = Cluster::running();
    cluster.server.kill();
    cluster.await_reason(1, "NATS server");
    let (status, _) = cluster.ready(1).unwrap();
    assert_eq!(status, 200, "it takes writes all the same");
    let case = cluster.federation.file();
    // A node that starts without a server starts.
    cluster.kill(2);
    cluster.start(2);
    cluster.await_reason(2, "no connection to the NATS servers");
    cluster.server.start();
    cluster.await_equal(&[1, 2, 3]);
    let proof = format!("/v1/proofs/{case}");
    assert_eq!(cluster.federation.get(2, &proof).unwrap().0, 200);
    cluster.await_that("nothing troubles the nodes", |cluster| {
        (1..=3).all(|node| cluster.reasons(node).is_empty())
    });
}

/// Submits notes to one address at a steady rate, each until it is acknowledged; returns the ids.
fn submit_steadily(url: &str, notes: &[(EventId, Vec<u8>)], stop: &AtomicBool) -> Vec<EventId> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into();
    let mut acknowledged = Vec::new();
    for (id, note) in notes {
        loop {
            if stop.load(Ordering::SeqCst) {
                return acknowledged;
            }
            let answer = agent
                .post(url)
                .header("Content-Type", "text/plain")
                .send(&note[..]);
            match answer {
                Ok(answer) if answer.status() == 200 => break,
                // Away, starting or stopping: whoever submits does so again.
                Ok(answer) if answer.status() != 503 => {
                    panic!("{}", answer.into_body().read_to_string().unwrap())
                }
                Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        acknowledged.push(*id);
        std::thread::sleep(Duration::from_millis(8));
    }
    panic!("the load ended before the test did");
}

#[test]
fn under_load_nothing_acknowledged_is_lost_whatever_dies() {
    let mut cluster = Cluster::running();
    let by = ["housing", "civil", "archive"];
    let notes: Vec<Vec<(EventId, Vec<u8>)>> = by
        .iter()
        .map(|by| {
            let to = if *by == "civil" { "housing" } else { "civil" };
            let make = |_| {
                let federation = &mut cluster.federation;
                let event = federation.event(by, EventKind::RequestFiled, None, &[to], APPLICATION);
                (event_id(&event.to_text()), federation.sign(&event, 2))
            };
            (0..4_000).map(make).collect()
        })
        .collect();
    let urls = by.map(|by| cluster.federation.url(Federation::node_of(by), "/v1/submit"));
    let stop = AtomicBool::new(false);
    let acknowledged = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (url, notes) in urls.iter().zip(&notes) {
            let (stop, acknowledged) = (&stop, &acknowledged);
            scope.spawn(move || {
                let ids = submit_steadily(url, notes, stop);
                acknowledged.lock().unwrap().extend(ids);
            });
        }
        let a_moment = || std::thread::sleep(Duration::from_millis(700));
        let store = cluster.folder().join("nats");
        let old = cluster.folder().join("nats-old");
        a_moment();
        for node in [1, 2, 3] {
            cluster.kill(node);
            a_moment();
            cluster.start(node);
        }
        cluster.server.kill();
        copy(&store, &old);
        a_moment();
        cluster.server.start();
        a_moment();
        // Its storage is wiped.
        cluster.server.kill();
        std::fs::remove_dir_all(&store).unwrap();
        cluster.server.start();
        a_moment();
        // An old copy of its storage is restored.
        cluster.server.kill();
        std::fs::remove_dir_all(&store).unwrap();
        std::fs::rename(&old, &store).unwrap();
        cluster.server.start();
        a_moment();
        // Everything is restarted, in another order.
        for node in [2, 3] {
            cluster.kill(node);
        }
        cluster.server.kill();
        cluster.kill(1);
        cluster.spawn(3);
        cluster.spawn(1);
        a_moment();
        cluster.server.start();
        cluster.spawn(2);
        for node in 1..=3 {
            cluster.await_ready(node);
        }
        a_moment();
        stop.store(true, Ordering::SeqCst);
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    let took = cluster.await_equal(&[1, 2, 3]);
    for id in &acknowledged {
        for node in 1..=3 {
            let status = cluster.federation.get(node, &format!("/v1/proofs/{id}"));
            let status = status.map(|(status, _)| status);
            assert_eq!(status, Some(200), "node {node}: {id} is lost");
        }
    }
    eprintln!(
        "{} events acknowledged on 3 nodes, all on all of them {:.1} s after the load stopped",
        acknowledged.len(),
        took.as_secs_f64()
    );
    assert!(
        acknowledged.len() > 100,
        "only {} were acknowledged",
        acknowledged.len()
    );
}

/// Wipes the stream, and waits until it has frames of so many logs again.
fn wipe_and_await(cluster: &mut Cluster, logs: usize) {
    cluster.server.kill();
    std::fs::remove_dir_all(cluster.folder().join("nats")).unwrap();
    cluster.server.start();
    let stream = format!("tally-{}", cluster.federation.id);
    let started = Instant::now();
    in_tokio(async {
        let client = client_of(cluster, 1).await;
        loop {
            let info = api(&client, format!("$JS.API.STREAM.INFO.{stream}"), &Value::Null).await;
            if info["state"]["num_subjects"] == json!(logs) {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{info}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}

#[test]
fn what_a_wiped_stream_lacks_is_sent_again_without_being_asked() {
    let mut cluster = Cluster::running();
    cluster.await_equal(&[1, 2, 3]);
    wipe_and_await(&mut cluster, 4);

    // Also the log of an epoch that was opened while the node runs.
    cluster.kill(1);
    std::fs::remove_file(cluster.federation.data(1).join("lock/housing-1")).unwrap();
    cluster.spawn(1);
    cluster.await_reason(1, "tally epoch open");
    let opening = cluster.federation.opening(1, 1, 2, &["housing"]);
    cluster.federation.open(&opening);
    cluster.await_equal(&[1, 2, 3]);
    wipe_and_await(&mut cluster, 5);
}

#[test]
fn a_right_that_is_missing_is_named_and_the_others_ask_for_what_was_not_sent() {
    let mut cluster = Cluster::found();
    cluster.configure(|text| {
        let right = format!("\"tally.v1.{}.log.housing.*\"", cluster.federation.id);
        assert!(text.contains(&right));
        text.replace(&right, "")
    });
    cluster.server.start();
    for node in 1..=3 {
        cluster.start(node);
    }
    cluster.enrol();
    cluster.await_reason(1, "log.housing.1");
    assert!(
        cluster
            .reasons(1)
            .to_lowercase()
            .contains("permissions violation"),
        "{}",
        cluster.reasons(1)
    );
    cluster.await_equal(&[1, 2, 3]);
}

#[test]
fn a_user_that_the_server_does_not_know_is_named() {
    let mut cluster = Cluster::found();
    let stranger = Cluster::found();
    let foreign = stranger.folder().join("keys/bus-n1.nk");
    std::fs::copy(foreign, cluster.folder().join("keys/bus-n1.nk")).unwrap();
    cluster.server.start();
    cluster.start(1);
    cluster.await_reason(1, "authorization violation");
}

/// Makes a certificate for this machine, signed by an authority or by itself.
fn certify(folder: &Path, name: &str, by: Option<&str>) {
    let file = |end: &str| folder.join(format!("{name}.{end}")).into_os_string();
    let mut command = Command::new("openssl");
    command
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args(["-days", "2", "-subj", &format!("/CN={name}"), "-keyout"])
        .arg(file("key"))
        .arg("-out")
        .arg(file("pem"));
    if let Some(by) = by {
        let authority = |end: &str| folder.join(format!("{by}.{end}"));
        command.arg("-CA").arg(authority("pem"));
        command.arg("-CAkey").arg(authority("key"));
        command.args(["-addext", "subjectAltName=IP:127.0.0.1"]);
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    }
    let output = command.output().expect("openssl is installed by scripts/tools");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn certificates_guard_the_connection_on_both_sides() {
    let mut cluster = Cluster::found();
    let keys = cluster.folder().join("keys");
    for (name, by) in [
        ("ca", None),
        ("other", None),
        ("server", Some("ca")),
        ("n1", Some("ca")),
        ("n2", Some("ca")),
        ("n3", Some("other")),
    ] {
        certify(
            &keys,
            &format!("tls-{name}"),
            by.map(|by| format!("tls-{by}")).as_deref(),
        );
    }
    let place = |name: &str| keys.join(name).display().to_string();
    let (certificate, key, authority) = (
        place("tls-server.pem"),
        place("tls-server.key"),
        place("tls-ca.pem"),
    );
    cluster.configure(|text| {
        format!("{text}tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {authority:?}, verify: true }}\n")
    });
    for node in 1..=3 {
        let path = cluster.folder().join(format!("nodes/n{node}.toml"));
        let text = std::fs::read_to_string(&path).unwrap();
        let table = format!(
            "\n[bus.tls]\nca = \"../keys/tls-ca.pem\"\ncertificate = \"../keys/tls-n{node}.pem\"\nkey = \"../keys/tls-n{node}.key\"\n"
        );
        std::fs::write(&path, text + &table).unwrap();
    }
    cluster.server.start();
    for node in 1..=3 {
        cluster.start(node);
    }
    cluster.federation.enrol("housing");
    cluster.await_equal(&[1, 2]);
    assert_eq!(cluster.reasons(1), "");
    cluster.await_reason(3, "no connection to the NATS servers");
    // A node that trusts another authority does not speak to the server.
    cluster.terminate(2);
    std::fs::copy(keys.join("tls-other.pem"), keys.join("tls-ca.pem")).unwrap();
    cluster.start(2);
    cluster.await_reason(2, "no connection to the NATS servers");
}

#[test]
fn a_foreign_stream_is_named_and_used_again_once_it_is_right() {
    let mut cluster = Cluster::found();
    cluster.configure(|text| text.replace("users: [", "users: [ { user: operator, password: operator }"));
    cluster.server.start();
    let stream = format!("tally-{}", cluster.federation.id);
    let operator = async |port: u16| {
        async_nats::ConnectOptions::with_user_and_password("operator".into(), "operator".into())
            .connect(format!("127.0.0.1:{port}"))
            .await
            .unwrap()
    };
    in_tokio(async {
        let client = operator(cluster.server.port).await;
        let foreign = json!({
            "name": stream, "subjects": [format!("tally.v1.{}.log.>", cluster.federation.id)],
            "retention": "limits", "storage": "memory", "max_age": 0, "discard": "new",
        });
        let made = api(&client, format!("$JS.API.STREAM.CREATE.{stream}"), &foreign).await;
        assert!(made.get("error").is_none(), "{made}");
    });
    for node in 1..=3 {
        cluster.spawn(node);
    }
    for node in 1..=3 {
        cluster.await_reason(node, "max_age is 0, expected 604800000000000");
        assert!(
            cluster
                .reasons(node)
                .contains(r#"storage is "memory", expected "file""#)
        );
        cluster.await_ready(node);
    }
    for (department, ..) in federation::DEPARTMENTS {
        cluster.federation.enrol(department);
    }
    cluster.await_equal(&[1, 2, 3]);
    in_tokio(async {
        let client = operator(cluster.server.port).await;
        let gone = api(&client, format!("$JS.API.STREAM.DELETE.{stream}"), &Value::Null).await;
        assert_eq!(gone["success"], json!(true), "{gone}");
    });
    cluster.await_that("nothing troubles the nodes", |cluster| {
        (1..=3).all(|node| cluster.reasons(node).is_empty())
    });
    cluster.federation.file();
    cluster.await_equal(&[1, 2, 3]);
}

#[test]
fn a_stream_that_shows_more_of_the_own_log_stops_its_signing() {
    let mut cluster = Cluster::running();
    cluster.await_equal(&[1, 2, 3]);
    cluster.terminate(1);
    let (data, old) = (cluster.federation.data(1), cluster.folder().join("old"));
    copy(&data, &old);
    cluster.start(1);
    cluster.federation.file();
    cluster.await_equal(&[1, 2, 3]);
    for node in 1..=3 {
        cluster.terminate(node);
    }
    // Nobody but the stream is there to tell.
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&old, &data).unwrap();
    cluster.spawn(1);
    let signs_no_more = |cluster: &Cluster| {
        cluster.ready(1).is_some_and(|(status, _)| status == 503)
            && cluster.reasons(1).contains("restored from an old copy")
    };
    cluster.await_that("node 1 signs no more", signs_no_more);
    // The same when nothing is left at all, of which no checkpoint shows a size.
    cluster.terminate(1);
    std::fs::remove_dir_all(&data).unwrap();
    cluster.spawn(1);
    cluster.await_that(
        "node 1 signs nothing on its new disk, for none of its departments",
        |cluster| {
            let reasons = cluster.reasons(1);
            let sealed =
                |department: &str| reasons.contains(&format!("the log of {department} must not be signed"));
            sealed("housing") && sealed("bureau")
        },
    );
}

#[test]
fn what_a_hostile_member_sends_to_a_node_is_dropped() {
    let mut cluster = Cluster::running();
    cluster.await_equal(&[1, 2, 3]);
    in_tokio(async {
        let client = client_of(&cluster, 3).await;
        let root = format!("tally.v1.{}", cluster.federation.id);
        let mut caught = client.subscribe(format!("{root}.head.>")).await.unwrap();
        // An answer must not leave as a frame of the node that is asked.
        let question = tally_schemas::question::Question::Heads.encode().unwrap();
        let reply = format!("{root}.head.housing.1");
        for payload in [question, vec![0xff; 100_000]] {
            client
                .publish_with_reply(format!("{root}.ask.n1"), reply.clone(), payload.into())
                .await
                .unwrap();
        }
        // Another's log cannot be written.
        client
            .publish(format!("{root}.log.housing.1"), vec![1, 2, 3].into())
            .await
            .unwrap();
        client.flush().await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(1), caught.next()).await;
        if let Ok(Some(message)) = waited {
            let frame = tally_schemas::frame::Frame::decode(&message.payload);
            assert!(
                frame.is_ok_and(|frame| frame.entries.is_empty()),
                "an answer left as a frame"
            );
        }
    });
    cluster.federation.file();
    cluster.await_equal(&[1, 2, 3]);
    let (_, body) = cluster.ready(1).unwrap();
    assert!(body["alarms"].as_array().unwrap().is_empty(), "{body}");
}
