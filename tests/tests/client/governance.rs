//! Several administrators change what the federation is: rights given and taken, a department admitted.

use super::trial::Trial;
use std::fs;

#[test]
fn a_right_is_given_and_taken_by_enough_administrators_and_by_no_fewer() {
    let trial = Trial::start();
    let roles = || trial.tally("data-d-01", "members").ok();
    assert!(!roles().contains("audit office"));
    trial
        .tally(
            "lead-adm",
            "governance give audit --department data --save give.note",
        )
        .ok();
    trial.tally("lead-adm", "governance sign give.note").failed(1);
    trial.tally("lead-adm", "submit give.note").failed(1);
    let described = trial.tally("civil-adm", "governance sign give.note").ok();
    assert!(described.contains("data is given: audit office"), "{described}");
    trial.tally("housing-adm", "governance sign give.note").ok();
    trial.tally("lead-adm", "submit give.note").ok();
    trial.settle();
    assert!(roles().contains("audit office"));
    // A note made on an older registry is told as such before anybody signs it.
    trial
        .tally(
            "lead-adm",
            "governance give provider --department data --save late.note",
        )
        .ok();
    // A taking names the head of the log as it was when drafted; one that the registrar's log has gone beyond is drafted anew.
    let taken = (1..=20).any(|number| {
        let note = format!("take-{number}.note");
        let take = format!("governance take audit --department data --save {note}");
        trial.tally("lead-adm", &take).ok();
        for officer in ["civil-adm", "housing-adm"] {
            trial.tally(officer, &format!("governance sign {note}")).ok();
        }
        let done = trial.tally("lead-adm", &format!("submit {note}"));
        assert!(
            done.code == 0 || done.err.contains("reaches back below"),
            "{}",
            done.err
        );
        done.code == 0
    });
    assert!(taken);
    trial.settle();
    assert!(!roles().contains("audit office"));
    let stale = trial.tally("civil-adm", "governance sign late.note").failed(1);
    assert!(stale.contains("version 2"), "{stale}");
}

#[test]
fn a_department_is_admitted_and_its_log_is_verified_through_the_registrars() {
    let trial = Trial::start();
    fs::write(
        trial.desk().join("tax.toml"),
        "id = \"tax\"\nname_en = \"Tax office\"\nname_zh = \"税务局\"\nlevel = \"city\"\narea = \"450100\"\nparent = \"lead\"\n\
         roles = [\"requester\"]\nprofile = \"cn-809\"\ncalendar = \"cn-national\"\nnode = \"offices\"\nadministrator = \"adm\"\n\
         post = [{ id = \"clerk\", duties = [\"handle\"], name_en = \"Clerk\", name_zh = \"经办岗\" }]\nofficer = [{ id = \"t-01\", posts = [\"clerk\"] }]\n",
    )
    .unwrap();
    trial
        .tally("lead-adm", "governance admit tax.toml --to tax --save admit.note")
        .ok();
    for officer in ["civil-adm", "housing-adm"] {
        trial.tally(officer, "governance sign admit.note").ok();
    }
    trial.tally("lead-adm", "submit admit.note").ok();
    trial.settle();
    let members = trial.tally("civil-c-01", "members").ok();
    assert!(members.contains("Tax office"), "{members}");
}
