//! Drafts from the first word to the log: sent, shown, returned, edited, withdrawn, approved one by one and together.

use super::trial::{REQUEST, Trial};
use std::fs;

#[test]
fn a_returned_draft_is_edited_sent_again_and_recorded_as_changed() {
    let trial = Trial::start();
    let draft = trial.send("civil-c-01", REQUEST);
    let listed = trial.tally("civil-c-02", "draft list").ok();
    assert!(
        listed.contains(&draft[..8]) && listed.contains("c-01"),
        "{listed}"
    );
    let shown = trial.tally("civil-c-02", &format!("draft show {draft}")).ok();
    assert!(
        shown.contains("own staff") && shown.contains("Signed so far by c-01"),
        "{shown}"
    );
    // Neither another department nor the drafter alone gets any further.
    trial
        .tally("housing-h-02", &format!("draft show {draft}"))
        .failed(2);
    trial
        .tally("civil-c-01", &format!("draft approve {draft} --yes"))
        .failed(1);

    let returned = trial
        .tally(
            "civil-c-02",
            &format!("draft return {draft} --comment say~whose~staff"),
        )
        .ok();
    assert!(returned.contains(&draft[..8]), "{returned}");
    let shown = trial.tally("civil-c-01", &format!("draft show {draft}")).ok();
    assert!(shown.contains("say whose staff"), "{shown}");
    trial
        .tally("civil-c-02", &format!("draft approve {draft} --yes"))
        .failed(1);

    let edited = trial
        .tally("civil-c-01", &format!("--json draft edit {draft}"))
        .json();
    let file = trial.desk().join(edited["draft"].as_str().unwrap());
    let form = fs::read_to_string(&file).unwrap();
    fs::write(&file, form.replace("own staff", "staff of the subsidy window")).unwrap();
    let sent = trial
        .tally("civil-c-01", &format!("--json draft send {}", file.display()))
        .json();
    assert_eq!(
        sent["draft"],
        draft.as_str(),
        "an edit keeps its place in the box"
    );
    let done = trial
        .tally("civil-c-02", &format!("--json draft approve {draft} --yes"))
        .json();
    let event = done["recorded"][0]["event"].as_str().unwrap();
    let read = trial.tally("civil-c-01", &format!("read {event}")).ok();
    assert!(read.contains("staff of the subsidy window"), "{read}");
    let listed = trial.tally("civil-c-01", "--json draft list").json();
    assert_eq!(listed["drafts"][0]["state"], "recorded");
}

#[test]
fn a_withdrawn_draft_can_no_longer_be_approved() {
    let trial = Trial::start();
    let draft = trial.send("civil-c-01", REQUEST);
    trial
        .tally("civil-c-02", &format!("draft withdraw {draft}"))
        .failed(2);
    trial.tally("civil-c-01", &format!("draft withdraw {draft}")).ok();
    trial
        .tally("civil-c-02", &format!("draft approve {draft} --yes"))
        .failed(1);
    let nothing = trial.tally("civil-c-02", "draft approve --select --yes").ok();
    assert!(nothing.contains("Nothing waits"), "{nothing}");
}

#[test]
fn many_drafts_are_approved_together_each_with_its_own_proof() {
    let trial = Trial::start();
    let first = trial.send("civil-c-01", REQUEST);
    let second = trial.send("civil-c-01", &REQUEST.replace("own~staff", "branch~offices"));
    assert_ne!(first, second);
    // Without a terminal and without --yes nobody has confirmed anything.
    trial.tally("civil-c-02", "draft approve --select").failed(2);
    let done = trial
        .tally("civil-c-02", "--json draft approve --select --yes")
        .json();
    let recorded = done["recorded"].as_array().unwrap();
    assert_eq!(recorded.len(), 2, "{done}");
    assert!(recorded.iter().all(|one| one["verified"] == true));
    let cases = trial.tally("civil-c-01", "--json list requests").json();
    assert_eq!(cases["data"].as_array().unwrap().len(), 2);
}

#[test]
fn an_act_on_a_case_goes_to_those_whom_it_concerns_unless_the_officer_says_otherwise() {
    let trial = Trial::start();
    let case = trial.request();
    let answer = format!(
        "request.granted --case {case} --field items=1 --field from=2026-02-01 --field to=2026-12-31 --field mode=query"
    );
    let sent = trial.tally("housing-h-01", &format!("draft new {answer} --send"));
    assert!(sent.err.contains("Addressed to civil"), "{}", sent.err);
    sent.ok();
    trial.tally("housing-h-02", "draft approve --select --yes").ok();
    let asks =
        format!("request.extension-requested --case {case} --field days=5 --field reason=archive --send");
    trial.tally("housing-h-01", &format!("draft new {asks}")).ok();
    let told_nobody = format!("request.acknowledged --case {case} --to NOBODY --send");
    trial
        .tally("housing-h-01", &format!("draft new {told_nobody}"))
        .ok();
    let trail = trial.tally("civil-c-01", &format!("--json trail {case}")).json();
    let to = |kind: &str| {
        let entries = trail["data"]["entries"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["kind"] == kind).unwrap();
        let list = entry["to"].as_array().unwrap().iter();
        list.map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(to("request.granted"), ["civil"]);
    assert_eq!(to("request.extension-requested"), ["civil", "data"]);
    assert!(to("request.acknowledged").is_empty());
}
