//! Texts and files that stay beside the log: read by the audience, wherever it is hosted, and by nobody else.

use super::trial::Trial;
use std::fs;

const MARK: &str = "SITE-PLAN-OF-THE-ARCHIVE";

#[test]
fn an_attachment_is_read_back_by_its_audience_and_stays_closed_for_others_on_the_same_node() {
    let trial = Trial::start();
    let letter = format!("{MARK}\n").repeat(20_000);
    fs::write(trial.desk().join("letter.txt"), &letter).unwrap();
    let draft = trial.send(
        "civil-c-01",
        "request.filed --to housing --audience housing --audience data --attach letter.txt:../site~plan.txt \
         --field class=conditional --field items=1:permit~number --field basis=for~the~audience~alone --field scenario=s \
         --field scope=s --field mode=query --field useFrom=2026-02-01 --field useTo=2026-12-31 --field statement=yes",
    );
    // The approver reads what will stay closed to others, and the size of the file.
    let shown = trial.tally("civil-c-02", &format!("draft show {draft}")).ok();
    assert!(
        shown.contains("for the audience alone") && shown.contains("500000 bytes"),
        "{shown}"
    );
    let done = trial
        .tally("civil-c-02", &format!("--json draft approve {draft} --yes"))
        .json();
    let event = done["recorded"][0]["event"].as_str().unwrap().to_owned();
    trial.settle();

    let read = trial
        .tally("housing-h-01", "read civil/req-2026-0001 --save housing")
        .ok();
    assert!(read.contains("for the audience alone"), "{read}");
    let saved = |folder: &str| {
        let files: Vec<_> = fs::read_dir(trial.desk().join(folder))
            .into_iter()
            .flatten()
            .collect();
        files
            .into_iter()
            .map(|file| file.unwrap().path())
            .collect::<Vec<_>>()
    };
    let files = saved("housing");
    assert_eq!(files.len(), 1, "{files:?}");
    let name = files[0].file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with("civil-") && name.ends_with("-1-_site plan.txt"),
        "{name}"
    );
    assert_eq!(fs::read_to_string(&files[0]).unwrap(), letter);
    // Nothing is written over.
    trial
        .tally("housing-h-01", &format!("read {event} --save housing"))
        .failed(2);

    // The data bureau is hosted elsewhere: its node fetches the file, and gives it to that bureau alone.
    trial.await_that("the file came to the other node", || {
        let read = trial.tally("data-d-01", &format!("--json read {event}")).json();
        read["acts"][0]["partsClosed"] == 0
    });
    trial
        .tally("data-d-01", &format!("read {event} --save data"))
        .ok();
    assert_eq!(fs::read_to_string(&saved("data")[0]).unwrap(), letter);
    let other = trial.tally("lead-l-01", &format!("read {event} --save lead"));
    assert!(other.err.contains("stay closed"), "{}", other.err);
    let out = other.ok();
    assert!(
        !out.contains("for the audience alone") && !out.contains(MARK),
        "{out}"
    );
    assert!(saved("lead").is_empty());
    // Without a key there is nothing to open either, and the act itself is proven all the same.
    let url = trial.url(0);
    let genesis = trial.home().join("genesis.note");
    let settings = trial.home().join("officers/nobody.toml");
    fs::write(&settings, format!("node = \"{url}\"\ngenesis = {genesis:?}\n")).unwrap();
    let read = trial.tally("nobody", &format!("--json read {event}")).json();
    assert_eq!(read["acts"][0]["verified"], true);
    assert_eq!(read["acts"][0]["partsClosed"], 4);
}
