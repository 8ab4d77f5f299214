//! What makes a founding whole.
#![cfg(test)]

use tally_schemas::genesis::{Administrator, DepartmentRecord, Genesis, NodeRecord, Role};
use tally_schemas::id::{DepartmentId, NodeId, OfficerId};
use tally_schemas::json::Json;
use tally_schemas::time::Timestamp;

fn department(place: usize) -> DepartmentId {
    DepartmentId::parse(&format!("d{place:04}")).unwrap()
}

/// A founding of so many departments, each below the one before it.
fn chain(count: usize) -> Genesis {
    let node = NodeId::parse("n").unwrap();
    let record = |place: usize| DepartmentRecord {
        id: department(place),
        name_en: "D".to_owned(),
        name_zh: "D".to_owned(),
        level: "city".to_owned(),
        area: "1".to_owned(),
        parent: place.checked_sub(1).map(department),
        line: None,
        profile: "p".to_owned(),
        calendar: "c".to_owned(),
        node: node.clone(),
        log_key: [1; 32],
        administrator: Administrator {
            officer: OfficerId::parse("a").unwrap(),
            key: [2; 32],
        },
        roles: vec![Role::Provider],
    };
    Genesis {
        name: "test".to_owned(),
        trial: true,
        created: Timestamp::default(),
        ruleset: 1,
        registrar: department(0),
        quorum: u16::try_from(count / 2 + 1).unwrap(),
        nodes: vec![NodeRecord {
            id: node.clone(),
            operator: department(0),
            transport_key: [3; 32],
        }],
        departments: (0..count).map(record).collect(),
        profiles: vec![Json::object([("id", Json::from("p"))])],
        calendars: vec![Json::object([("id", Json::from("c"))])],
    }
}

fn refusal(genesis: &Genesis) -> String {
    Genesis::parse_text(&genesis.to_text()).unwrap_err().to_string()
}

/// The way up was once followed anew for every department, with a search at each step: a founding within the size limit
/// then took minutes to refuse.
#[test]
fn reads_the_deepest_hierarchy_that_fits_the_limit() {
    let deep = chain(3_000);
    assert_eq!(Genesis::parse_text(&deep.to_text()).unwrap(), deep);
}

#[test]
fn refuses_a_circle_of_parents_or_lines() {
    let mut genesis = chain(5);
    genesis.departments[0].parent = Some(department(3));
    assert!(
        refusal(&genesis).contains("is above itself by parent"),
        "{}",
        refusal(&genesis)
    );
    let mut genesis = chain(5);
    genesis.departments[1].line = Some(department(2));
    genesis.departments[2].line = Some(department(1));
    assert!(
        refusal(&genesis).contains("is above itself by line"),
        "{}",
        refusal(&genesis)
    );
}

#[test]
fn refuses_two_profiles_or_calendars_of_one_id() {
    let mut genesis = chain(1);
    genesis.profiles.push(genesis.profiles[0].clone());
    assert!(refusal(&genesis).contains("profiles"));
    let mut genesis = chain(1);
    genesis.calendars.push(genesis.calendars[0].clone());
    assert!(refusal(&genesis).contains("calendars"));
}

#[test]
fn refuses_names_of_what_is_not_there() {
    type Change = fn(&mut Genesis);
    let cases: [(&str, Change); 8] = [
        ("unknown node", |genesis| {
            genesis.departments[1].node = NodeId::parse("other").unwrap();
        }),
        ("unknown profile", |genesis| {
            genesis.departments[1].profile = "other".to_owned();
        }),
        ("unknown calendar", |genesis| {
            genesis.departments[1].calendar = "other".to_owned();
        }),
        ("as parent or line", |genesis| {
            genesis.departments[1].parent = Some(department(9));
        }),
        ("is no founding department", |genesis| {
            genesis.registrar = department(9);
        }),
        ("unknown operator", |genesis| {
            genesis.nodes[0].operator = department(9);
        }),
        ("expected more than half", |genesis| genesis.quorum = 1),
        ("whole number from 1", |genesis| genesis.ruleset = 0),
    ];
    for (part, change) in cases {
        let mut genesis = chain(3);
        change(&mut genesis);
        assert!(refusal(&genesis).contains(part), "{part}: {}", refusal(&genesis));
    }
}
