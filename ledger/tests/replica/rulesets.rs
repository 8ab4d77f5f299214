//! Nodes whose software holds different rulesets: what a newer one covers is kept and relayed, and judged by nobody who cannot.

use crate::driver::{APPLICATION, Driver, department, genesis, genesis_under, key};
use std::collections::BTreeSet;
use std::sync::Arc;
use tally_ledger::archive::MemoryArchive;
use tally_ledger::crypto::sign_note;
use tally_ledger::projection::digest::Buckets;
use tally_ledger::replica::{Alarm, Recorded, Refusal, Replica};
use tally_ledger::world::{RestoreError, Standing};
use tally_schemas::event::EventKind;
use tally_schemas::governance::{Change, Governance};
use tally_schemas::id::EventId;
use tally_schemas::note::Note;

const GRANT: &str = r#"{"from":"2026-02-01","items":[1,2],"mode":"api","to":"2026-12-31"}"#;

/// The registrar, and with it housing, runs software that holds ruleset 2; civil's node does not.
fn mixed() -> Driver {
    Driver::founded(genesis(), [2, 1])
}

pub(crate) fn adopt(driver: &mut Driver, ruleset: u32) -> Result<Recorded, Box<Refusal>> {
    govern(driver, Change::RulesetAdopted(ruleset))
}

/// A quorum makes the next version of the registry.
pub(crate) fn govern(driver: &mut Driver, change: Change) -> Result<Recorded, Box<Refusal>> {
    let newest = driver.replicas[0].world().registry().newest();
    let text = Governance {
        federation: driver.federation.clone(),
        version: newest.version + 1,
        previous: newest.hash,
        issued: driver.now,
        changes: vec![change],
    }
    .to_text();
    let lines = ["bureau", "civil"].map(|id| {
        let name = format!("{}/{id}/admin", driver.federation);
        sign_note(&text, &name, &key(&format!("admin {id}"))).unwrap()
    });
    let note = Note {
        text,
        lines: lines.to_vec(),
    };
    driver.submit(0, note.to_bytes())
}

fn file(driver: &mut Driver) -> EventId {
    let filed = driver.act("housing", EventKind::RequestFiled, None, &["civil"], APPLICATION);
    filed.unwrap().event
}

fn grant(driver: &mut Driver, case: EventId) -> Result<Recorded, Box<Refusal>> {
    driver.act(
        "civil",
        EventKind::RequestGranted,
        Some(case),
        &["housing"],
        GRANT,
    )
}

/// How many cases the digests of a node cover.
fn digested(driver: &Driver, at: usize) -> u64 {
    let buckets = driver.replicas[at].world().digests(Buckets::Sixteen);
    buckets.values().map(|bucket| bucket.cases).sum()
}

#[test]
fn a_case_under_a_newer_ruleset_is_kept_and_not_understood_while_older_ones_go_on() {
    let mut driver = mixed();
    let older = file(&mut driver);
    adopt(&mut driver, 2).unwrap();
    let newer = file(&mut driver);
    driver.pass();

    let world = driver.replicas[1].world();
    let why = world.not_understood(&newer).unwrap();
    assert_eq!((why.ruleset, why.kinds.len()), (Some(2), 0));
    let fold = world.case(&newer).unwrap();
    assert_eq!(fold.entries().len(), 1, "it is held");
    assert!(fold.state().is_none(), "nothing of it is guessed");
    let (log, index) = world.places(&newer)[0];
    let standing = world.resolved(log, index).unwrap().standing;
    assert_eq!(standing, Standing::InCase(newer));
    let (number, _) = driver.replicas[0]
        .world()
        .numbers()
        .into_iter()
        .next_back()
        .unwrap();
    assert_eq!(world.case_of_number(&number), Some(newer));
    assert_eq!((digested(&driver, 0), digested(&driver, 1)), (2, 1));
    // It arrived, which is said by whoever received it, whatever it means.
    let arrival = driver.replicas[0].world().arrival(&newer, &newer).unwrap();
    assert!(arrival.received.contains_key(&department("civil")));

    assert!(driver.replicas[0].world().not_understood(&newer).is_none());
    grant(&mut driver, older).unwrap();
    let state = |at: usize| {
        let fold = driver.replicas[at].world().case(&older).unwrap();
        fold.state().unwrap().to_json().to_canonical()
    };
    assert_eq!(state(0), state(1));
}

#[test]
fn a_node_of_older_software_refuses_acts_and_openings_under_a_newer_ruleset() {
    let mut driver = mixed();
    adopt(&mut driver, 2).unwrap();
    let newer = file(&mut driver);
    for refused in [
        grant(&mut driver, newer),
        driver.act("civil", EventKind::RequestFiled, None, &["housing"], APPLICATION),
    ] {
        let refusal = refused.unwrap_err();
        assert_eq!(refusal.code, "newer-ruleset");
        assert_eq!(
            refusal.what,
            "the case is under ruleset 2, the software of this node holds 1"
        );
        assert!(refusal.possible.is_empty(), "{:?}", refusal.possible);
    }
}

#[test]
fn once_its_software_is_newer_a_node_derives_what_all_others_do() {
    let mut driver = mixed();
    adopt(&mut driver, 2).unwrap();
    let newer = file(&mut driver);
    driver.pass();
    let alarm = Alarm::NewerRuleset { ruleset: 2, holds: 1 };
    assert_eq!(std::mem::take(&mut driver.alarms), [alarm]);
    driver.holds = [2, 2];
    driver.restart(1);
    driver.assert_same_state();
    grant(&mut driver, newer).unwrap();
    driver.pass();
    driver.assert_equal();
    let case = driver.replicas[0].world().case(&newer).unwrap();
    assert_eq!(case.ruleset(), Some(2));
    assert_eq!(case.state().unwrap().stage().as_str(), "agreed");
}

#[test]
fn a_federation_founded_under_a_newer_ruleset_is_not_folded_by_the_older_one() {
    let mut driver = Driver::founded(genesis_under(2), [2, 1]);
    let filed = file(&mut driver);
    assert!(driver.replicas[0].world().case(&filed).unwrap().state().is_some());
    assert!(driver.replicas[1].world().case(&filed).unwrap().state().is_none());
    assert!(driver.replicas[1].world().is_not_understood(&filed));
    // Who may act is under no ruleset: rosters are read by all software alike.
    let roster = driver.replicas[1].world().roster(&department("housing"));
    assert_eq!(roster.unwrap().officers.len(), 2);
}

#[test]
fn a_ruleset_is_adopted_only_above_the_one_in_force_and_by_a_registrar_that_holds_it() {
    let mut driver = mixed();
    let refusal = adopt(&mut driver, 3).unwrap_err();
    assert_eq!(refusal.code, "newer-ruleset");
    assert_eq!(
        refusal.what,
        "the note adopts ruleset 3, the software of this node holds 2; ruleset 1 is in force"
    );
    adopt(&mut driver, 2).unwrap();
    let refusal = adopt(&mut driver, 2).unwrap_err();
    assert_eq!(
        (refusal.code.as_str(), refusal.what.as_str()),
        (
            "governance",
            "change 1: ruleset 2 is not above 2, which is in force"
        )
    );
    let registry = driver.replicas[1].world().registry();
    assert_eq!((registry.ruleset_at(0), registry.ruleset_at(1)), (1, 2));
}

#[test]
fn a_snapshot_serves_only_software_that_holds_the_same_rulesets() {
    let mut driver = mixed();
    adopt(&mut driver, 2).unwrap();
    file(&mut driver);
    driver.pass();
    let archive = Arc::new(MemoryArchive::default());
    for (origin, (entries, _)) in &driver.disks[1].logs {
        let entries: Vec<Arc<[u8]>> = entries.iter().map(|entry| Arc::from(entry.as_slice())).collect();
        archive.append(origin, &entries);
    }
    let snapshot = driver.replicas[1].snapshot().unwrap().unwrap();
    archive.put(&snapshot.rows);
    let restore = |holds| {
        Replica::restore(
            &genesis(),
            BTreeSet::from([department("civil")]),
            archive.clone(),
            &snapshot.head,
            holds,
        )
    };
    let same = restore(1).unwrap();
    let beyond = |replica: &Replica| {
        let world = replica.world();
        world
            .all_not_understood()
            .map(|(case, why)| (*case, why.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(beyond(&same), beyond(&driver.replicas[1]));
    assert_eq!(beyond(&same).len(), 1);
    assert_eq!(
        restore(2).err(),
        Some(RestoreError::Rulesets { got: 1, expected: 2 })
    );
}
