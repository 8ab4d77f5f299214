//! What an auditor takes away and checks alone: proofs, whole logs, and what a damaged one is told to be. And what is followed live.

use super::trial::Trial;
use std::fs;

#[test]
fn a_proof_holds_away_from_every_node_and_not_for_another_entry() {
    let trial = Trial::start();
    let event = trial.request();
    let told = trial
        .tally("civil-c-01", &format!("proof {event} --to proof"))
        .ok();
    assert!(told.contains("Signed by c-01, c-02"), "{told}");
    assert!(told.contains("confirmed that they hold it: hall"), "{told}");
    // By its place in the log it is the same event.
    let place = trial.tally("civil-c-01", &format!("--json proof {event}")).json();
    let index = place["index"].as_u64().unwrap();
    let same = trial
        .tally("civil-c-01", &format!("--json proof civil/{index}"))
        .json();
    assert_eq!(same["event"], event.as_str());
    let away = trial
        .tally(
            "civil-c-01",
            &format!("--node http://127.0.0.1:9 proof {event} --from proof"),
        )
        .ok();
    assert!(away.contains(&event), "{away}");
    assert!(
        away.contains("other nodes had confirmed that they hold it: hall"),
        "{away}"
    );
    let away = |language: &str| {
        let command = format!("--node http://127.0.0.1:9 proof {event} --from proof");
        trial.tally_in(language, "civil-c-01", &command)
    };
    let told = away("zh").ok();
    assert!(told.contains("其他节点已确认持有：hall"), "{told}");
    // What the other node signed is verified, and a folder that says nothing of it says so.
    let confirmations = trial.desk().join(format!("proof/{event}.confirmations"));
    let good = fs::read_to_string(&confirmations).unwrap();
    fs::write(
        &confirmations,
        good.replacen("\"node\":\"hall\"", "\"node\":\"offices\"", 1),
    )
    .unwrap();
    let told = away("en").failed(70);
    assert!(told.contains("what it signs confirms nothing"), "{told}");
    fs::remove_file(&confirmations).unwrap();
    let told = away("en");
    assert!(
        told.err.contains("does not say which other nodes held it"),
        "{}",
        told.err
    );
    told.ok();
    let file = trial.desk().join(format!("proof/{event}.entry"));
    let entry = fs::read_to_string(&file).unwrap();
    fs::write(&file, entry.replacen("permit number", "permit member", 1)).unwrap();
    trial
        .tally("civil-c-01", &format!("proof {event} --from proof"))
        .failed(70);
}

#[test]
fn a_damaged_export_is_named_in_both_languages() {
    let trial = Trial::start();
    trial.request();
    let told = trial
        .tally("data-d-01", "log export --origin civil --to export")
        .ok();
    assert!(told.contains("/civil/1 holds with"), "{told}");
    trial
        .tally("data-d-01", "log export --origin civil --to export")
        .failed(2);
    let genesis = trial.home().join("genesis.note");
    let verify = format!("--trust {} log verify export", genesis.display());
    trial.tally("data-d-01", &verify).ok();
    let verified = trial.tally_in("zh", "data-d-01", &verify).ok();
    assert!(verified.contains("核验通过"), "{verified}");

    let bundle = fs::read_dir(trial.desk().join("export/tile/entries/000.p"))
        .unwrap()
        .next()
        .unwrap();
    let bundle = bundle.unwrap().path();
    let good = fs::read(&bundle).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&bundle, &bad).unwrap();
    let name = bundle.file_name().unwrap().to_str().unwrap().to_owned();
    for language in ["en", "zh"] {
        let told = trial.tally_in(language, "data-d-01", &verify).failed(70);
        assert!(told.contains(&format!("tile/entries/000.p/{name}")), "{told}");
    }
    fs::remove_file(&bundle).unwrap();
    let told = trial.tally("data-d-01", &verify).failed(70);
    assert!(told.contains("tile/entries/000.p/"), "{told}");
    fs::write(&bundle, &good).unwrap();
    fs::write(trial.desk().join("export/notes.txt"), "a word").unwrap();
    let told = trial.tally("data-d-01", &verify).failed(70);
    assert!(told.contains("notes.txt"), "{told}");
}

#[test]
fn what_happens_is_followed_and_waited_for_at_another_node() {
    let trial = Trial::start();
    let event = std::thread::scope(|scope| {
        // The stream begins with a change of no case, so that a watcher knows it listens.
        let watch = scope.spawn(|| trial.tally("data-d-01", "--json watch --count 3"));
        let people = scope.spawn(|| trial.tally_in("zh", "data-d-01", "watch --count 1"));
        let event = trial.request();
        let _more = trial.request();
        let shown = people.join().unwrap().ok();
        assert!(shown.starts_with("有变化"), "{shown}");
        let seen = watch.join().unwrap().ok();
        assert!(
            seen.lines().count() >= 3 && seen.contains("\"changed\""),
            "{seen}"
        );
        event
    });
    let other = trial.url(0);
    let waited = trial
        .tally(
            "civil-c-01",
            &format!("wait {event} --until replicated --at {other}"),
        )
        .ok();
    assert!(waited.contains("by every node asked (2)"), "{waited}");
    // The own node tells when another one has signed that it holds it; no address of that is needed.
    let held = trial
        .tally("civil-c-01", &format!("--json wait {event} --until replicated"))
        .json();
    assert_eq!(held["degree"], "replicated");
    assert_eq!(held["hosts"].as_array().map(Vec::len), Some(1), "{held}");
    let told = trial
        .tally("civil-c-01", &format!("wait {event} --hosts 9 --timeout 1"))
        .failed(3);
    assert!(told.contains("1 of 9 other nodes"), "{told}");
    let never = "0".repeat(64);
    trial
        .tally("civil-c-01", &format!("wait {never} --timeout 1"))
        .failed(3);
}

#[test]
fn the_clock_makes_an_unanswered_request_overdue_and_every_view_says_it_is_a_trial() {
    let trial = Trial::start();
    let case = trial.request();
    trial.set_clock("2026-02-02T01:00:00.000Z");
    let due = trial.tally("housing-h-01", "due --overdue --explain");
    assert!(due.err.contains("TRIAL"), "{}", due.err);
    let due = due.ok();
    assert!(
        due.contains("civil/req-2026-0001") && due.contains("overdue by"),
        "{due}"
    );
    let inbox = trial.tally("housing-h-01", "inbox").ok();
    assert!(inbox.contains("civil/req-2026-0001"), "{inbox}");
    let shown = trial.tally("civil-c-01", &format!("show {case}")).ok();
    assert!(shown.contains("What can be done next"), "{shown}");
}
