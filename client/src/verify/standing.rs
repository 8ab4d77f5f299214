//! The logs of a department that stand, followed from one epoch to the next: each must lead to where the next one says that it ends.
//!
//! What the registrar's logs say of the registry, and a department's of its roster, is learnt on the way.

use super::{Trust, VerifyError, first_entry, read_event, stated_by};
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_ledger::authority::check::administrator_right;
use tally_ledger::authority::{RosterFact, RosterHistory};
use tally_ledger::crypto::{NoteKey, event_id, leaf_hash};
use tally_ledger::export::ExportReader;
use tally_ledger::merkle::Tree;
use tally_ledger::world::{Openings, opening_in, verify_opening};
use tally_schemas::entry::{Entry, PayloadKind};
use tally_schemas::event::{CaseKind, Kind};
use tally_schemas::id::{DepartmentId, Origin};

/// One of the logs of a department that stand, as somebody shows it; nothing of it is believed before it was followed.
#[derive(Debug, Clone)]
pub struct StandingLog<R> {
    /// The log.
    pub origin: Origin,
    /// Its export; none where no checkpoint is over exactly what is held of it.
    pub export: Option<R>,
    /// The entries behind the export, up to where the log ends: the opening of the next one vouches for them.
    pub rest: Vec<Vec<u8>>,
    /// Of a log of a later epoch: its entry 0, whose opening says where the log before ends.
    pub opening: Option<Vec<u8>>,
}

impl Trust {
    /// Learns the governance recorded in the registrar's logs of several epochs, in any order: of each what counts, as the later ones
    /// that are shown have it.
    ///
    /// # Errors
    /// No checkpoint, or a log that does not hold.
    pub fn learn_registrar(&mut self, logs: &[impl ExportReader]) -> Result<(), VerifyError> {
        let mut openings = Openings::default();
        let mut of_epoch = BTreeMap::new();
        for export in logs {
            let stated = stated_by(export).map_err(|source| VerifyError::Log {
                department: self.registry.genesis().registrar.to_string(),
                source: Box::new(source),
            })?;
            let opening = first_entry(export, &stated).filter(|_| stated.origin.epoch > 1);
            if let Some(opening) = opening.as_ref().and_then(|entry| opening_in(entry).ok()) {
                openings.note(&opening);
            }
            let log = StandingLog {
                origin: stated.origin.clone(),
                export: Some(export),
                rest: Vec::new(),
                opening,
            };
            of_epoch.insert(stated.origin, log);
        }
        // What was set aside whole is not read.
        of_epoch.retain(|origin, _| openings.end_of(origin) != Some(0));
        let standing: Vec<_> = of_epoch.into_values().collect();
        self.learn_governance(&standing)
    }

    fn learn_governance_in(&mut self, entries: &[Entry]) {
        for entry in entries {
            // A note without effect stays in the log and changes nothing.
            let _effective = self.registry.extend(&entry.payload).is_ok();
        }
    }

    /// Learns the governance recorded in the registrar's logs that stand, of rising epochs.
    ///
    /// # Errors
    /// A log that does not hold, or does not lead to the next.
    pub fn learn_governance<R: ExportReader>(&mut self, logs: &[StandingLog<R>]) -> Result<(), VerifyError> {
        let registrar = self.registry.genesis().registrar.clone();
        self.follow(&registrar, logs, PayloadKind::Governance, |trust, entries| {
            trust.learn_governance_in(entries);
        })
    }

    /// Learns the roster of a department from its logs that stand, of rising epochs: each event that its administrator signed and that
    /// fits.
    ///
    /// # Errors
    /// A log that does not hold, or does not lead to the next.
    pub fn learn_roster<R: ExportReader>(
        &mut self,
        department: &DepartmentId,
        logs: &[StandingLog<R>],
    ) -> Result<(), VerifyError> {
        let mut history = RosterHistory::default();
        self.follow(department, logs, PayloadKind::Event, |trust, entries| {
            for entry in entries {
                trust.learn_roster_entry(entry, &mut history);
            }
        })?;
        self.rosters.insert(department.clone(), history);
        Ok(())
    }

    /// Verifies logs of rising epochs, each up to the head that the opening of the next one names, and gives the entries of one kind of
    /// each that count.
    fn follow<R: ExportReader>(
        &mut self,
        department: &DepartmentId,
        logs: &[StandingLog<R>],
        kind: PayloadKind,
        mut learn: impl FnMut(&mut Self, &[Entry]),
    ) -> Result<(), VerifyError> {
        for (place, log) in logs.iter().enumerate() {
            let end = match logs.get(place + 1) {
                Some(next) => {
                    let unknown = || VerifyError::Epoch {
                        origin: next.origin.to_string(),
                    };
                    Some(opening_in(next.opening.as_deref().ok_or_else(unknown)?)?.old)
                }
                None => None,
            };
            if let Some(end) = end.as_ref().filter(|end| end.origin != log.origin) {
                return Err(VerifyError::Missing {
                    origin: end.origin.to_string(),
                });
            }
            let counts = |index: u64| end.as_ref().is_none_or(|end| index < end.head.size);
            let (mut first, mut found) = (None, Vec::new());
            let mut take = |index: u64, bytes: &[u8]| {
                if index == 0 {
                    first = Some(bytes.to_vec());
                }
                if counts(index) {
                    found.extend(entry_of(kind, bytes));
                }
            };
            let mut tree = match &log.export {
                Some(export) => self.verify_log(department, export, &mut take)?.tree,
                None => Tree::new(),
            };
            // Nothing vouches for what lies behind the export of the newest log.
            for entry in log.rest.iter().filter(|_| end.is_some()) {
                take(tree.size(), entry);
                tree.append(leaf_hash(entry));
            }
            if log.export.is_none()
                && let Some(opening) = &log.opening
            {
                let (opening, _) = verify_opening(opening, &self.registry)?;
                if opening.origin != log.origin {
                    return Err(VerifyError::Beginning {
                        origin: log.origin.to_string(),
                    });
                }
            }
            // By what the log before was cut, this one must begin; and it must lead to where the next one says that it ends.
            if log.opening.is_some() && log.opening != first {
                return Err(VerifyError::Beginning {
                    origin: log.origin.to_string(),
                });
            }
            let ends = end
                .as_ref()
                .is_none_or(|end| tree.head_at(end.head.size).ok() == Some(end.head));
            if !ends {
                return Err(VerifyError::End {
                    origin: log.origin.to_string(),
                    size: end.map_or(tree.size(), |end| end.head.size),
                });
            }
            learn(self, &found);
        }
        Ok(())
    }

    fn learn_roster_entry(&self, entry: &Entry, history: &mut RosterHistory) {
        let Ok((note, event)) = read_event(&entry.payload) else {
            return;
        };
        let Kind::Known(kind) = event.kind else { return };
        let (index, version) = (entry.header.index, entry.header.registry.version);
        let epoch = entry.header.origin.epoch;
        let below = history.at(epoch, index, version, &self.registry, &event.department);
        if kind.case_kind() != CaseKind::Roster || self.judge(entry, &note, &event, &below).is_err() {
            return;
        }
        let Some(signer) = event.signers.first().and_then(|signer| signer.officer.clone()) else {
            return;
        };
        let keys = self
            .registry
            .administrator_keys(&event.department, signer.as_str());
        let signed = note.lines.first();
        let key = keys.iter().find(|key| {
            signed.is_some_and(|line| {
                NoteKey::new(&line.name, &key.public_key()).is_ok_and(|named| named.claims(line))
            })
        });
        if let Some(key) = key {
            let right = administrator_right(&event.department, &signer, key);
            let department = event.department.clone();
            let fact = RosterFact {
                epoch,
                index,
                version,
                id: event_id(&note.text),
                kind,
                event: Arc::new(event),
                right,
            };
            // A copy, or an event that does not fit the roster, is void: it changes nothing.
            let _void = history.add(fact, &self.registry, &department).is_err();
        }
    }
}

/// Returns an entry whose payload is of a kind.
fn entry_of(kind: PayloadKind, bytes: &[u8]) -> Option<Entry> {
    let entry = Entry::parse(bytes).ok()?;
    (PayloadKind::of(&entry.payload) == kind).then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{
        Log, by_administrators, department, founding, later, opening, opening_of, roster_payloads,
    };
    use assert_matches::assert_matches;
    use tally_ledger::world::OpeningError;
    use tally_schemas::genesis::Role;
    use tally_schemas::governance::{Change, Governance, Right};
    use tally_schemas::time::Timestamp;

    #[test]
    fn governance_is_learnt_from_what_counts_of_the_registrars_logs() {
        let founding = founding();
        let trust = Trust::in_genesis(&founding.genesis.to_bytes()).unwrap();
        let registrar = trust.registry().genesis().registrar.to_string();
        let others = ["civil", "housing", "lead"];
        let governance = |trust: &Trust, issued: &str| {
            let newest = trust.registry().newest();
            let text = Governance {
                federation: trust.registry().federation().clone(),
                version: newest.version + 1,
                previous: newest.hash,
                issued: Timestamp::parse(issued).unwrap(),
                changes: vec![Change::RightGiven(Right::Role {
                    department: department("civil"),
                    role: Role::Audit,
                })],
            }
            .to_text();
            by_administrators(trust, text, &others).to_string()
        };
        let [dropped, taken] =
            ["2026-01-06T01:00:00.000Z", "2026-01-07T01:00:00.000Z"].map(|issued| governance(&trust, issued));
        let mut payloads = roster_payloads(&founding, &registrar);
        let counted = payloads.len() as u64;
        payloads.push(dropped);
        let first = Log::new(&founding, &registrar, &payloads);
        let second = Log::of_epoch(
            &founding,
            &registrar,
            2,
            &[opening(&first, counted, &[&registrar]), taken.clone()],
        );
        // One alone, the other beside it in any order.
        let mut alone = trust.clone();
        alone.learn_registrar(&[&first]).unwrap();
        for logs in [[&first, &second], [&second, &first]] {
            let mut both = trust.clone();
            both.learn_registrar(&logs).unwrap();
            assert_eq!(both.registry().newest().version, 1);
            assert_ne!(both.registry().newest(), alone.registry().newest());
        }
        // What epoch 2 says where epoch 1 ends must be so.
        let other = Log::new(&founding, &registrar, &payloads[1..]);
        let outcome = trust.clone().learn_registrar(&[&other, &second]);
        assert_matches!(outcome, Err(VerifyError::End { .. }));
        // A quorum's epoch 3 sets epoch 2 aside whole, in whatever order they are given; or continues it, which must be there then.
        let administrators = ["civil", "data", "housing", "lead"];
        let quorum = &administrators[1..];
        let third = |old: &Log, size: u64| {
            let begun = opening_of(3, old, size, quorum);
            Log::of_epoch(&founding, &registrar, 3, &[begun])
        };
        let over = third(&first, counted + 1);
        for logs in [[&first, &over, &second], [&second, &first, &over]] {
            let mut all = trust.clone();
            all.learn_registrar(&logs).unwrap();
            assert_eq!(all.registry().newest(), alone.registry().newest());
        }
        let outcome = trust.clone().learn_registrar(&[&first, &third(&second, 1)]);
        assert_matches!(outcome, Err(VerifyError::Missing { .. }));
    }

    #[test]
    fn what_stands_of_a_log_is_what_the_opening_of_the_next_one_names() {
        let founding = founding();
        let payloads = roster_payloads(&founding, "housing");
        let (all, held) = (payloads.len(), payloads.len() - 2);
        let [whole, part] = [all, held].map(|size| Log::new(&founding, "housing", &payloads[..size]));
        let after = |size: usize| {
            let begun = opening(&whole, size as u64, &["housing"]);
            Log::of_epoch(&founding, "housing", 2, &[begun])
        };
        let (second, cut) = (after(all), after(held));
        let origin = |log: &Log| log.checkpoint.origin().clone();
        let follow = |logs: &[StandingLog<&Log>]| {
            let mut trust = whole.trust.clone();
            trust.learn_roster(&whole.department, logs)?;
            Ok(format!("{:?}", trust.roster(&whole.department).unwrap()))
        };
        let first = |export, rest: &[Vec<u8>]| StandingLog {
            origin: origin(&whole),
            export,
            rest: rest.to_vec(),
            opening: None,
        };
        let learn =
            |export, rest: &[Vec<u8>], next, opening| follow(&[first(export, rest), later(next, opening)]);
        let full = learn(Some(&whole), &[], &second, &second).unwrap();
        let less = learn(Some(&whole), &[], &cut, &cut).unwrap();
        assert_ne!(full, less);
        // The same where the end of it was not under a checkpoint of its own, or nothing of it.
        assert_eq!(
            learn(Some(&part), &whole.entries[held..], &second, &second).unwrap(),
            full
        );
        assert_eq!(learn(None, &whole.entries, &second, &second).unwrap(), full);
        // Of the newest log nothing vouches for what no checkpoint covers.
        assert_eq!(
            follow(&[first(Some(&part), &whole.entries[held..])]).unwrap(),
            less
        );
        // Less than the opening names, something else, or an opening that does not begin the log that is shown.
        let ended = |outcome: Result<_, VerifyError>| {
            let end = origin(&whole).to_string();
            assert_matches!(outcome, Err(VerifyError::End { origin, .. }) if origin == end);
        };
        ended(learn(Some(&part), &whole.entries[held + 1..], &second, &second));
        ended(learn(Some(&part), &[], &second, &second));
        let mut other = whole.entries.clone();
        other[all - 1][20] ^= 1;
        ended(learn(None, &other, &second, &second));
        assert_matches!(
            learn(Some(&whole), &[], &second, &cut),
            Err(VerifyError::Beginning { .. })
        );

        // A log in between of which only its entries are left; its opening must be signed like any other.
        let quorum = ["civil", "housing", "lead"];
        let through = |begun: String| {
            let between = Log::of_epoch(&founding, "housing", 2, &[begun]);
            let third = Log::of_epoch(&founding, "housing", 3, &[opening(&between, 1, &quorum)]);
            let between = StandingLog {
                origin: origin(&between),
                export: None,
                rest: between.entries.clone(),
                opening: Some(between.entries[0].clone()),
            };
            follow(&[first(Some(&whole), &[]), between, later(&third, &third)])
        };
        assert_eq!(through(opening(&whole, all as u64, &["housing"])).unwrap(), full);
        assert_matches!(
            through(opening(&whole, all as u64, &["civil"])),
            Err(VerifyError::Opening(_))
        );
        // Who leaves out an epoch must be a quorum.
        let skips = |by: &[&str]| {
            let begun = opening_of(3, &whole, held as u64, by);
            let third = Log::of_epoch(&founding, "housing", 3, &[begun]);
            follow(&[first(Some(&whole), &[]), later(&third, &third)])
        };
        assert_eq!(skips(&quorum).unwrap(), less);
        assert_matches!(
            skips(&["housing"]),
            Err(VerifyError::Opening(OpeningError::Skips { .. }))
        );
    }
}
