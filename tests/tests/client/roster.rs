//! The administrator's work: posts, officers, appointments, delegations and revocations, and what they change at once.

use super::trial::{REQUEST, Trial};
use std::fs;

#[test]
fn a_new_officer_is_enrolled_appointed_acts_and_is_stopped_when_the_key_is_revoked() {
    let trial = Trial::start();
    let made = trial
        .tally(
            "civil-c-01",
            "--json key new --to keys --department civil --officer c-09",
        )
        .json();
    let key = made["publicKey"].as_str().unwrap().to_owned();
    let settings = fs::read_to_string(trial.home().join("officers/civil-c-01.toml")).unwrap();
    let own = trial.desk().join(made["file"].as_str().unwrap());
    let settings: String = settings
        .lines()
        .map(|line| {
            if line.starts_with("key") {
                format!("key = {own:?}\n")
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    fs::write(trial.home().join("officers/civil-c-09.toml"), settings).unwrap();
    let draft = format!("draft new {REQUEST} --send");
    // Not enrolled: no token, no draft.
    trial.tally("civil-c-09", &draft).failed(2);

    // Only the administrator changes the roster.
    let enrol = format!("roster add roster.enrolled --field officer=c-09 --field key={key}");
    trial.tally("civil-c-02", &enrol).failed(1);
    trial.tally("civil-adm", &enrol).ok();
    trial.tally("civil-adm", &enrol).failed(1);
    // Enrolled, but without the post: the act goes nowhere.
    trial
        .tally(
            "civil-adm",
            "roster add roster.appointed --field officer=c-09 --field post=clerk --field from=2026-01-05",
        )
        .ok();
    let shown = trial.tally("civil-c-01", "roster show").ok();
    assert!(shown.contains("c-01, c-09"), "{shown}");
    let id = trial.send("civil-c-09", REQUEST);
    trial
        .tally("civil-c-02", &format!("draft approve {id} --yes"))
        .ok();

    trial
        .tally(
            "civil-adm",
            "roster add roster.key-revoked --field officer=c-09 --field reason=lost",
        )
        .ok();
    trial.tally("civil-c-09", &draft).failed(2);
    // Recorded acts stay: the roster is judged at their place.
    let list = trial.tally("civil-c-01", "--json list requests").json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_new_post_and_an_acting_head_approve() {
    let trial = Trial::start();
    let post = "roster add roster.post-created --field post=deputy --field duties=sharing-unit-head --field nameEn=Deputy --field nameZh=副职";
    trial.tally("civil-adm", post).ok();
    trial.tally("civil-adm", "roster add roster.appointed --field officer=c-03 --field post=deputy --field from=2026-01-05 --field acting=yes").ok();
    let shown = trial.tally("civil-c-01", "roster show").ok();
    assert!(shown.contains("c-03 (acting)"), "{shown}");
    // Two posts can approve now, so the draft has to name one.
    let unnamed = trial
        .tally("civil-c-01", &format!("draft new {REQUEST} --send"))
        .failed(2);
    assert!(
        unnamed.contains("deputy") && unnamed.contains("sharing-head"),
        "{unnamed}"
    );
    let draft = trial.send("civil-c-01", &format!("{REQUEST} --approver deputy"));
    trial
        .tally("civil-c-03", &format!("draft approve {draft} --yes"))
        .ok();
    let members = trial.tally("civil-c-01", "members civil").ok();
    assert!(members.contains("deputy"), "{members}");
}
