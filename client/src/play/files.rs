//! Files that a scenario names, found beside it.

use crate::draft::assemble::{AssembleError, Machine, Surroundings};
use std::io;
use std::path::PathBuf;

/// Reads attachments relative to the scenario's folder; everything else is the machine's.
#[derive(Debug)]
pub struct ScenarioFolder {
    /// The folder.
    pub folder: PathBuf,
}

impl Surroundings for ScenarioFolder {
    fn read_file(&mut self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.folder.join(path))
    }

    fn random(&mut self, bytes: &mut [u8]) -> Result<(), AssembleError> {
        Machine.random(bytes)
    }
}
