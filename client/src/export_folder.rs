//! An export in a folder, as `log export` writes it or as an auditor copied it from a node.
//!
//! Reads files only; what they mean is judged by `tally_ledger::export`. Follows no links: whatever is not a plain file is listed under
//! a name that no export has. Spec: schemas/spec/tiles.md, "Export".

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tally_ledger::export::ExportReader;

/// The folder of an export.
#[derive(Clone, Debug)]
pub struct ExportFolder {
    root: PathBuf,
}

impl ExportFolder {
    /// Names the folder; nothing is read yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn list(&self, folder: &Path, prefix: &str, out: &mut Vec<String>) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        let before = out.len();
        for child in fs::read_dir(folder).map_err(failed)? {
            let child = child.map_err(failed)?;
            let name = match child.file_name().into_string() {
                Ok(name) => format!("{prefix}{name}"),
                Err(name) => {
                    return Err(format!(
                        "{} has a name that is not UTF-8",
                        Path::new(&name).display()
                    ));
                }
            };
            let kind = child.file_type().map_err(failed)?;
            if kind.is_dir() {
                self.list(&child.path(), &format!("{name}/"), out)?;
            } else if kind.is_file() {
                out.push(name);
            } else {
                out.push(format!("{name} (no plain file)"));
            }
        }
        if out.len() == before && !prefix.is_empty() {
            out.push(prefix.to_owned());
        }
        Ok(())
    }
}

impl ExportReader for ExportFolder {
    fn paths(&self) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        self.list(&self.root, "", &mut out)?;
        out.sort();
        Ok(out)
    }

    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, String> {
        let file = self.root.join(path);
        let kind = fs::symlink_metadata(&file).map_err(|error| error.to_string())?;
        if !kind.is_file() {
            return Err("it is no plain file".to_owned());
        }
        let mut bytes = Vec::new();
        fs::File::open(&file)
            .and_then(|opened| opened.take(limit as u64 + 1).read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}
