//! Evidence of forks: kept in the data folder for good, read back at start, given to whoever asks.

use super::mailbox::Asked;
use super::owner::{Owner, describe};
use crate::store::durable::{create_dir, names_in, read_capped, write_file};
use crate::store::{Damage, DamageKind, FORK_REMEDY, StoreError};
use tally_ledger::replica::Input;
use tally_schemas::fork::ForkEvidence;
use tally_schemas::id::Origin;
use tally_schemas::limits::FORK_BYTES_MAX;
use tally_schemas::question::{Answer, Question};

impl Owner {
    /// Keeps the evidence that a log forked; the log stays stopped even if this fails, but is not stopped after a restart.
    pub(super) fn keep_evidence(&self, origin: &Origin, size: u64, bytes: &[u8]) {
        let kept = create_dir(&self.data.forks()).and_then(|()| {
            let path = self.data.fork(origin, size);
            write_file(&self.data.temporary(), path.clone(), &[bytes]).map(|()| path)
        });
        match kept {
            Ok(path) => self.shared.alarm(&format!(
                "the evidence that {origin} forked is kept in {}; `tally verify-fork` shows it to anybody",
                path.display()
            )),
            Err(error) => self.shared.alarm(&format!(
                "the evidence that {origin} forked could not be kept, and the log is not stopped after a restart until peers give it \
                 again: {}; make room on the disk",
                describe(&error)
            )),
        }
    }

    /// Reads back what was kept, as inputs for the replica.
    pub(super) fn kept_evidence(&self) -> Result<Vec<Input>, StoreError> {
        let folder = self.data.forks();
        let mut inputs = Vec::new();
        for name in names_in(&folder)? {
            let path = folder.join(name);
            let Some(bytes) = read_capped(&path, FORK_BYTES_MAX as u64)? else {
                continue;
            };
            match ForkEvidence::parse(&bytes) {
                Ok(_) => inputs.push(Input::Evidence { bytes, is_kept: true }),
                Err(error) => {
                    let damage = Damage::new(&path, DamageKind::Altered, error.to_string(), FORK_REMEDY);
                    self.shared.alarm(&damage.to_string());
                }
            }
        }
        Ok(inputs)
    }

    /// Asks every peer for the evidence that a log forked.
    pub(super) fn want_evidence(&self, origin: &Origin) {
        let question = Question::Fork {
            origin: origin.clone(),
        };
        for node in &self.peers {
            self.ask(node, &question, Asked::Evidence);
        }
    }

    pub(super) fn answer_fork(&self, origin: &Origin) -> Answer {
        let evidence = self
            .shared
            .view(|replica| replica.evidence(origin).map(ForkEvidence::to_bytes));
        evidence.map_or(Answer::Nothing, Answer::Evidence)
    }
}
