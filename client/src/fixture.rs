//! A small founded federation and logs as a node would hold them, for the unit tests of this crate.

use crate::draft::assemble::{Author, Machine, assemble};
use crate::draft::form::Form;
use crate::federation::{Founding, Plan, found};
use crate::verify::{StandingLog, Trust};
use tally_ledger::checkpoint::{VerifiedCheckpoint, sign_checkpoint};
use tally_ledger::crypto::{SigningKey, leaf_hash, sign_note};
use tally_ledger::export::{ExportReader, tile_bytes};
use tally_ledger::merkle::Tree;
use tally_ledger::proof::prove_recorded;
use tally_schemas::entry::{Entry, EntryHeader};
use tally_schemas::epoch::Opening;
use tally_schemas::event::{Event, EventKind, Kind};
use tally_schemas::id::{DepartmentId, Hash, NamedHead, OfficerId, Origin};
use tally_schemas::key_file::officer_key_name;
use tally_schemas::note::Note;
use tally_schemas::tile::{bundles_of, encode_bundle, tiles_of};
use tally_schemas::time::Timestamp;
use zeroize::Zeroizing;

const NOW: &str = "2026-01-05T01:00:00.000Z";

pub(crate) fn now() -> Timestamp {
    Timestamp::parse(NOW).unwrap()
}

pub(crate) fn founding() -> Founding {
    let plan = Plan::parse_toml(include_str!("../examples/trial-federation.toml")).unwrap();
    let mut count = 0u8;
    found(&plan, &[], now(), &mut || {
        count += 1;
        Ok(Zeroizing::new([count; 32]))
    })
    .unwrap()
}

pub(crate) fn department(id: &str) -> DepartmentId {
    DepartmentId::parse(id).unwrap()
}

/// Finds the secret key among those that the founding made.
pub(crate) fn key_of(public: &[u8; 32]) -> SigningKey {
    let keys = (1..=64u8).map(|seed| SigningKey::from_seed(&[seed; 32]));
    keys.into_iter()
        .find(|key| key.public_key().as_bytes() == public)
        .unwrap()
}

pub(crate) fn officer_key(founding: &Founding, who: &str, officer: &str) -> SigningKey {
    let notes = founding.roster.get(&department(who)).unwrap();
    let key = notes.iter().find_map(|(_, note)| {
        let event = Event::parse_text(&note.text).unwrap();
        let enrolled = event.kind == Kind::Known(EventKind::RosterEnrolled);
        let ours = enrolled && event.body.word("officer") == Some(officer);
        ours.then(|| Hash::parse_base64(event.body.word("key").unwrap()).unwrap().0)
    });
    key_of(&key.unwrap())
}

/// A log of one department, as a node would hold it.
pub(crate) struct Log {
    pub(crate) trust: Trust,
    pub(crate) department: DepartmentId,
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) tree: Tree,
    pub(crate) checkpoint: VerifiedCheckpoint,
}

impl Log {
    pub(crate) fn new(founding: &Founding, who: &str, payloads: &[String]) -> Self {
        Self::of_epoch(founding, who, 1, payloads)
    }

    pub(crate) fn of_epoch(founding: &Founding, who: &str, epoch: u32, payloads: &[String]) -> Self {
        let trust = Trust::in_genesis(&founding.genesis.to_bytes()).unwrap();
        let who = department(who);
        let origin = Origin {
            epoch,
            ..trust.registry().origin(&who)
        };
        let mut tree = Tree::new();
        let mut entries = Vec::new();
        let mut prev = trust.registry().genesis_hash();
        for (index, payload) in payloads.iter().enumerate() {
            let entry = Entry {
                header: EntryHeader {
                    origin: origin.clone(),
                    index: index as u64,
                    prev,
                    recorded: now(),
                    registry: trust.registry().newest(),
                    heads: Vec::new(),
                },
                payload: payload.clone(),
            }
            .to_bytes();
            prev = leaf_hash(&entry);
            tree.append(prev);
            entries.push(entry);
        }
        let record = trust.registry().department(&who, 0).unwrap();
        let head = tree.head_at(payloads.len() as u64).unwrap();
        let checkpoint = sign_checkpoint(&origin, head, &key_of(&record.log_key));
        Self {
            trust,
            department: who,
            entries,
            tree,
            checkpoint,
        }
    }

    pub(crate) fn proof(&self, index: u64) -> Vec<u8> {
        let proof = prove_recorded(&self.tree, index, &self.checkpoint).unwrap();
        proof.to_string().into_bytes()
    }
}

impl ExportReader for Log {
    fn paths(&self) -> Result<Vec<String>, String> {
        let size = self.entries.len() as u64;
        let tiles = tiles_of(size).map(|tile| tile.path());
        let bundles = bundles_of(size).map(|bundle| bundle.path());
        Ok(std::iter::once("checkpoint".to_owned())
            .chain(tiles)
            .chain(bundles)
            .collect())
    }

    fn read(&self, path: &str, _limit: usize) -> Result<Vec<u8>, String> {
        let size = self.entries.len() as u64;
        if path == "checkpoint" {
            return Ok(self.checkpoint.to_bytes());
        }
        if let Some(tile) = tiles_of(size).find(|tile| tile.path() == path) {
            return Ok(tile_bytes(&self.tree, tile).unwrap());
        }
        assert!(bundles_of(size).any(|bundle| bundle.path() == path));
        Ok(encode_bundle(&self.entries).unwrap())
    }
}

/// Signs a text with the keys of administrators.
pub(crate) fn by_administrators(trust: &Trust, text: String, by: &[&str]) -> Note {
    let registry = trust.registry();
    let sign = |id: &&str| {
        let record = registry.department(&department(id), 0).unwrap();
        let name = format!("{}/{id}/{}", registry.federation(), record.administrator.officer);
        sign_note(&text, &name, &key_of(&record.administrator.key)).unwrap()
    };
    let lines = by.iter().map(sign).collect();
    Note { text, lines }
}

/// The opening of the next epoch of a log, of which so many entries count, under the log key as before.
pub(crate) fn opening(log: &Log, size: u64, by: &[&str]) -> String {
    opening_of(log.checkpoint.origin().epoch + 1, log, size, by)
}

/// The opening of a later epoch that continues a log.
pub(crate) fn opening_of(epoch: u32, log: &Log, size: u64, by: &[&str]) -> String {
    let origin = log.checkpoint.origin().clone();
    let record = log.trust.registry().department(&log.department, 0).unwrap();
    let opening = Opening {
        federation: origin.federation.clone(),
        origin: Origin {
            epoch,
            ..origin.clone()
        },
        old: NamedHead {
            origin,
            head: log.tree.head_at(size).unwrap(),
        },
        log_key: record.log_key,
        issued: now(),
        reason: "the lock was lost".to_owned(),
    };
    by_administrators(&log.trust, opening.to_text(), by).to_string()
}

pub(crate) fn roster_payloads(founding: &Founding, who: &str) -> Vec<String> {
    let notes = founding.roster.get(&department(who)).unwrap();
    notes.iter().map(|(_, note)| note.to_string()).collect()
}

/// A request of the housing bureau, signed by its clerk and the head of its sharing unit.
pub(crate) fn request(founding: &Founding, second: &SigningKey) -> Note {
    let mut form = Form::new(EventKind::RequestFiled);
    for (name, text) in [
        ("class", "conditional"),
        ("items", "1:name"),
        ("basis", "b"),
        ("scenario", "s"),
        ("scope", "x"),
        ("mode", "api"),
        ("useFrom", "2026-01-06"),
        ("useTo", "2026-12-31"),
        ("statement", "yes"),
    ] {
        form.set(name, text).unwrap();
    }
    form.head.to = vec!["civil".to_owned()];
    form.head.post = Some("clerk".to_owned());
    form.head.approver = Some("sharing-head".to_owned());
    let housing = department("housing");
    let author = Author {
        federation: founding.federation.clone(),
        department: housing.clone(),
        officer: OfficerId::parse("h-01").unwrap(),
        post: None,
        case: None,
        after: Vec::new(),
        issued: now(),
    };
    let act = assemble(&form, &author, &mut Machine).unwrap();
    let name = |officer: &str| {
        officer_key_name(
            &founding.federation,
            &housing,
            &OfficerId::parse(officer).unwrap(),
        )
    };
    let first = officer_key(founding, "housing", "h-01");
    let lines = vec![
        sign_note(&act.text, &name("h-01"), &first).unwrap(),
        sign_note(&act.text, &name("h-02"), second).unwrap(),
    ];
    Note {
        text: act.text,
        lines,
    }
}

pub(crate) fn log_with(note: &Note, founding: &Founding) -> Log {
    let mut payloads = roster_payloads(founding, "housing");
    payloads.push(note.to_string());
    Log::new(founding, "housing", &payloads)
}

/// A log as somebody shows it whole.
pub(crate) fn shown(log: &Log) -> StandingLog<&Log> {
    StandingLog {
        origin: log.checkpoint.origin().clone(),
        export: Some(log),
        rest: Vec::new(),
        opening: None,
    }
}

/// As [`shown`], of a log of a later epoch with an opening that may be that of another one.
pub(crate) fn later<'a>(log: &'a Log, opening: &Log) -> StandingLog<&'a Log> {
    StandingLog {
        opening: Some(opening.entries[0].clone()),
        ..shown(log)
    }
}
