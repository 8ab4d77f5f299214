//! The settings of one officer: where the node is, whom to trust, which key to sign with.
//!
//! One small TOML file, so that nobody types them with every command. Relative paths are relative to the file.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The settings file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address of the node, such as `http://127.0.0.1:7101`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The genesis note: the only thing that is trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genesis: Option<PathBuf>,
    /// The key file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// The post signed from where a draft names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// The folder of unsigned drafts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drafts: Option<PathBuf>,
    /// The language, `en` or `zh`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// Why settings could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file could not be read.
    #[error("{} could not be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no TOML of the form.
    #[error("{} is no settings file: {why}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        why: String,
    },
}

impl Settings {
    /// Reads a settings file.
    ///
    /// # Errors
    /// A file that cannot be read or has not the form.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Io {
            path: path.to_owned(),
            source,
        })?;
        let mut settings: Self = toml::from_str(&text).map_err(|error| SettingsError::Form {
            path: path.to_owned(),
            why: error.to_string().trim().to_owned(),
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for slot in [&mut settings.genesis, &mut settings.key, &mut settings.drafts]
            .into_iter()
            .flatten()
        {
            *slot = folder.join(&*slot);
        }
        Ok(settings)
    }

    /// Writes the file's text.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;

    #[test]
    fn paths_are_relative_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("me.toml");
        let settings = Settings {
            node: Some("http://127.0.0.1:1".to_owned()),
            key: Some(PathBuf::from("../keys/a.key")),
            ..Settings::default()
        };
        std::fs::write(&path, settings.to_toml()).unwrap();
        let read = Settings::read(&path).unwrap();
        assert_eq!(read.key, Some(folder.path().join("../keys/a.key")));
        assert_eq!(read.node, settings.node);
    }

    #[test]
    fn a_typing_error_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("me.toml");
        std::fs::write(&path, "nod = \"x\"\n").unwrap();
        assert_matches!(Settings::read(&path), Err(SettingsError::Form { why, .. }) if why.contains("nod"));
    }
}
