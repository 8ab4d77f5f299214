//! How surely something is recorded: only what other nodes signed that they hold counts.

use crate::driver::{APPLICATION, Driver, department, genesis, key};
use crate::epochs::{head, in_second_epoch, lose_lock, open, opening, origin};
use std::sync::Arc;
use tally_ledger::authority::Registry;
use tally_ledger::checkpoint::sign_checkpoint;
use tally_ledger::confirmation::{ConfirmationError, verify_confirmation};
use tally_ledger::crypto::leaf_hash;
use tally_ledger::merkle::Tree;
use tally_ledger::replica::{Alarm, Input, Recorded};
use tally_schemas::confirmation::{Confirmation, Confirmations};
use tally_schemas::degree::Degree;
use tally_schemas::entry::Entry;
use tally_schemas::event::EventKind;
use tally_schemas::frame::Frame;
use tally_schemas::id::{EventId, NamedHead, NodeId, Origin, TreeHead};
use tally_schemas::statement::Statement;

/// What a node knows of who holds an entry.
fn hosts(driver: &Driver, at: usize, origin: &Origin, index: u64) -> Vec<String> {
    let recording = driver.replicas[at].signed_pasts().recording(origin, index);
    let degree = match recording.hosts.len() {
        0 => Degree::LocalOnly,
        _ => Degree::Replicated,
    };
    assert_eq!(recording.degree(), degree);
    let hosts: Vec<String> = recording.hosts.iter().map(ToString::to_string).collect();
    // Whatever is told is shown to a stranger too.
    let shown = confirmations(driver, at, origin, index);
    let registry = Registry::found(&genesis()).unwrap();
    let nodes = shown.iter().map(|confirmation| {
        let entry = read(driver, at, origin, index).unwrap();
        let node = verify_confirmation(confirmation, &entry, &registry).unwrap();
        node.to_string()
    });
    assert_eq!(nodes.collect::<Vec<_>>(), hosts);
    hosts
}

fn read(driver: &Driver, at: usize, origin: &Origin, index: u64) -> Option<Arc<[u8]>> {
    let place = usize::try_from(index).ok()?;
    let here = driver.disks[at]
        .logs
        .get(origin)
        .and_then(|(log, _)| log.get(place));
    // What a test invents reaches a node without its disk.
    let other = || {
        driver
            .disks
            .iter()
            .find_map(|disk| disk.logs.get(origin)?.0.get(place))
    };
    here.or_else(other).map(|entry| Arc::from(entry.as_slice()))
}

fn confirmations(driver: &Driver, at: usize, origin: &Origin, index: u64) -> Vec<Confirmation> {
    let mut read = |origin: &Origin, index| read(driver, at, origin, index);
    let made = driver.replicas[at].confirmations(origin, index, &mut read);
    let file = Confirmations {
        event: EventId(leaf_hash(b"any")),
        origin: origin.clone(),
        index,
        as_of: driver.now,
        list: made,
    };
    assert_eq!(Confirmations::parse(&file.to_bytes()), Ok(file.clone()));
    file.list
}

fn file(driver: &mut Driver, by: &str, to: &str) -> Recorded {
    driver
        .act(by, EventKind::RequestFiled, None, &[to], APPLICATION)
        .unwrap()
}

/// Lets so much time pass that every node states heads.
fn pass_a_minute(driver: &mut Driver) {
    driver.now = driver.now.plus_ms(60_000);
    driver.pass();
}

#[test]
fn an_act_is_local_only_until_another_node_signed_that_it_holds_it() {
    let mut driver = Driver::new();
    driver.is_parted = true;
    let filed = file(&mut driver, "housing", "civil");
    pass_a_minute(&mut driver);
    // The bureau has stated the head meanwhile, but it is hosted by the same node.
    let bureau = &driver.entries[&origin(&driver, "bureau", 1).to_string()];
    let named = |entry: &Vec<u8>| {
        let entry = Entry::parse(entry).unwrap();
        let Ok(Statement::Heads(heads)) = Statement::parse_text(&entry.payload) else {
            return false;
        };
        let mut heads = heads.iter();
        heads.any(|named| named.origin == filed.origin && named.head.size > filed.index)
    };
    assert!(bureau.iter().any(named));
    assert_eq!(
        hosts(&driver, 0, &filed.origin, filed.index),
        Vec::<String>::new()
    );

    driver.is_parted = false;
    pass_a_minute(&mut driver);
    for at in 0..2 {
        assert_eq!(hosts(&driver, at, &filed.origin, filed.index), ["n2"]);
    }
    let beyond = driver.entries[&filed.origin.to_string()].len() as u64;
    assert_eq!(
        hosts(&driver, 0, &filed.origin, beyond),
        Vec::<String>::new(),
        "what is not there is held by nobody"
    );
    // It follows from what is on the disk.
    driver.restart(0);
    assert_eq!(hosts(&driver, 0, &filed.origin, filed.index), ["n2"]);
    driver.assert_equal();
}

#[test]
fn a_head_that_ends_before_the_entry_says_nothing_of_it() {
    let mut driver = Driver::new();
    let first = file(&mut driver, "housing", "civil");
    pass_a_minute(&mut driver);
    // Held by the other node at once, but what that has signed so far ends before it.
    let second = file(&mut driver, "housing", "bureau");
    assert!(driver.replicas[1].world().case(&second.event).is_some());
    assert_eq!(hosts(&driver, 0, &first.origin, first.index), ["n2"]);
    assert_eq!(
        hosts(&driver, 0, &second.origin, second.index),
        Vec::<String>::new()
    );
    pass_a_minute(&mut driver);
    assert_eq!(hosts(&driver, 0, &second.origin, second.index), ["n2"]);
    driver.assert_equal();
}

#[test]
fn two_logs_of_one_node_count_once() {
    let mut driver = Driver::new();
    let filed = file(&mut driver, "civil", "housing");
    pass_a_minute(&mut driver);
    for by in ["bureau", "housing"] {
        let world = driver.replicas[1].world();
        let log = world.log(&department(by)).unwrap();
        assert!(log.named(&filed.origin) > filed.index, "{by}");
    }
    for at in 0..2 {
        assert_eq!(hosts(&driver, at, &filed.origin, filed.index), ["n1"]);
    }
}

#[test]
fn what_another_node_holds_through_a_third_log_counts() {
    let mut driver = Driver::new();
    let filed = file(&mut driver, "housing", "bureau");
    // The bureau states the head of housing; civil, which named nothing before, names the bureau alone.
    let bureau = origin(&driver, "bureau", 1);
    driver.now = driver.now.plus_ms(60_000);
    driver.input(0, Input::Tick);
    let named = head(&driver, 1, &bureau, None);
    assert_eq!(
        hosts(&driver, 0, &filed.origin, filed.index),
        Vec::<String>::new()
    );
    civil_names(&mut driver, named);
    assert_eq!(hosts(&driver, 0, &filed.origin, filed.index), ["n2"]);
}

/// Civil's log goes on with an entry that names a head; its node shows that to the other one.
fn civil_names(driver: &mut Driver, named: NamedHead) {
    let civil = origin(driver, "civil", 1);
    let log = driver.disks[1].logs[&civil].0.clone();
    let last = log.last().unwrap();
    let mut entry = Entry::parse(last).unwrap();
    entry.header.index = log.len() as u64;
    entry.header.prev = leaf_hash(last);
    entry.header.heads = vec![named];
    entry.payload = "tally/nothing-known/v1\n".to_owned();
    let entry = entry.to_bytes();
    let mut tree: Tree = log.iter().map(|entry| leaf_hash(entry)).collect();
    tree.append(leaf_hash(&entry));
    let frame = Frame {
        origin: civil.clone(),
        start: log.len() as u64,
        entries: vec![entry],
        consistency: Vec::new(),
        checkpoint: sign_checkpoint(&civil, tree.head(), &key("log civil")).to_bytes(),
    };
    driver.input(0, Input::Frame(frame));
}

#[test]
fn a_head_of_another_branch_counts_for_nothing() {
    let mut driver = Driver::new();
    let filed = file(&mut driver, "housing", "bureau");
    let size = driver.entries[&filed.origin.to_string()].len() as u64;
    let mut named = NamedHead {
        origin: filed.origin.clone(),
        head: TreeHead {
            size,
            root: leaf_hash(b"another history"),
        },
    };
    civil_names(&mut driver, named.clone());
    let is_noticed = |alarm: &Alarm| matches!(alarm, Alarm::ForeignRoot { .. });
    assert!(driver.alarms.iter().any(is_noticed), "{:?}", driver.alarms);
    assert_eq!(
        hosts(&driver, 0, &filed.origin, filed.index),
        Vec::<String>::new()
    );

    let mut driver = Driver::new();
    let filed = file(&mut driver, "housing", "bureau");
    named.head = head(&driver, 0, &filed.origin, Some(size)).head;
    civil_names(&mut driver, named);
    assert_eq!(hosts(&driver, 0, &filed.origin, filed.index), ["n2"]);
}

#[test]
fn a_head_beyond_the_end_of_a_log_counts_once_the_log_that_goes_on_is_named() {
    let mut driver = Driver::new();
    let filed = file(&mut driver, "housing", "civil");
    pass_a_minute(&mut driver);
    let early = filed.index - 1;
    assert_eq!(hosts(&driver, 0, &filed.origin, early), ["n2"]);
    lose_lock(&mut driver);
    driver.pass();
    // A quorum lets the log end before the request; civil has named a head beyond that, of whatever branch.
    driver.is_parted = true;
    let end = head(&driver, 0, &filed.origin, Some(filed.index));
    let next = opening(&driver, end, 2);
    open(&mut driver, &next, &["bureau", "civil"]).unwrap();
    assert_eq!(hosts(&driver, 0, &filed.origin, early), Vec::<String>::new());

    driver.is_parted = false;
    pass_a_minute(&mut driver);
    pass_a_minute(&mut driver);
    assert_eq!(hosts(&driver, 0, &filed.origin, early), ["n2"]);
    assert_eq!(
        hosts(&driver, 0, &filed.origin, filed.index),
        Vec::<String>::new(),
        "an entry that is set aside is recorded nowhere"
    );
    let second = origin(&driver, "housing", 2);
    assert_eq!(hosts(&driver, 0, &second, 0), ["n2"]);
}

#[test]
fn a_log_of_a_later_epoch_confirms_under_the_key_that_its_opening_names() {
    let mut driver = in_second_epoch();
    let filed = file(&mut driver, "civil", "housing");
    driver.pass();
    assert_eq!(hosts(&driver, 1, &filed.origin, filed.index), ["n1"]);
    let [shown] = &confirmations(&driver, 1, &filed.origin, filed.index)[..] else {
        panic!("one node confirms");
    };
    let entry = Entry::parse(shown.entry.as_bytes()).unwrap();
    assert_eq!(entry.header.origin, origin(&driver, "housing", 2));
    let registry = Registry::found(&genesis()).unwrap();
    let bytes = read(&driver, 1, &filed.origin, filed.index).unwrap();
    let mut silent = shown.clone();
    silent.opening = None;
    assert!(matches!(
        verify_confirmation(&silent, &bytes, &registry),
        Err(ConfirmationError::NoOpening { .. })
    ));
    let mut other = shown.clone();
    other.opening.as_mut().unwrap().proof.pop();
    assert!(matches!(
        verify_confirmation(&other, &bytes, &registry),
        Err(ConfirmationError::NotFirst { .. })
    ));
}

#[test]
fn a_confirmation_that_was_tampered_with_shows_nothing() {
    let mut driver = Driver::new();
    let filed = file(&mut driver, "housing", "civil");
    pass_a_minute(&mut driver);
    let registry = Registry::found(&genesis()).unwrap();
    let entry = read(&driver, 0, &filed.origin, filed.index).unwrap();
    let [good] = &confirmations(&driver, 0, &filed.origin, filed.index)[..] else {
        panic!("one node confirms");
    };
    let shows = |confirmation: &Confirmation, entry: &[u8]| {
        let node = verify_confirmation(confirmation, entry, &registry)?;
        Ok::<_, ConfirmationError>(node.clone())
    };
    assert_eq!(shows(good, &entry), Ok(NodeId::parse("n2").unwrap()));

    let mut other = good.clone();
    other.node = NodeId::parse("n1").unwrap();
    assert!(matches!(
        shows(&other, &entry),
        Err(ConfirmationError::OwnNode { .. })
    ));
    let mut other = good.clone();
    other.inclusion[0].0[7] ^= 1;
    assert!(matches!(
        shows(&other, &entry),
        Err(ConfirmationError::NotCovered { .. })
    ));
    let mut other = good.clone();
    other.proof.hashes[0].0[7] ^= 1;
    assert!(matches!(
        shows(&other, &entry),
        Err(ConfirmationError::Recorded { .. })
    ));
    // Another head in what the node signed, another entry, an entry of the confirming node itself.
    let mut other = good.clone();
    let mut changed = Entry::parse(good.entry.as_bytes()).unwrap();
    changed.header.heads[0].head.size += 1;
    other.entry = String::from_utf8(changed.to_bytes()).unwrap();
    assert!(matches!(
        shows(&other, &entry),
        Err(ConfirmationError::Recorded { .. })
    ));
    let before = read(&driver, 0, &filed.origin, filed.index - 1).unwrap();
    assert!(matches!(
        shows(good, &before),
        Err(ConfirmationError::NotCovered { .. })
    ));
    let of_civil = read(&driver, 1, &origin(&driver, "civil", 1), 0).unwrap();
    assert!(matches!(
        shows(good, &of_civil),
        Err(ConfirmationError::OwnNode { .. })
    ));
}
