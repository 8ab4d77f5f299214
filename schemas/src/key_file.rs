//! Key files: a secret key at rest, with a public part that is read without passphrase. Spec: `schemas/spec/key-file.md`.
//!
//! Parses and prints only; sealing, opening and file modes belong to those who do I/O.

use crate::error::FormatError;
use crate::id::{DepartmentId, FederationId, Hash, NodeId, OfficerId};
use crate::limits::KEY_FILE_BYTES_MAX;
use crate::note::check_key_name;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// The first line of a key file.
pub const KEY_FILE_MAGIC: &str = "tally/key/v1";

/// Returns the name under which an officer or administrator signs notes of a federation.
pub fn officer_key_name(federation: &FederationId, department: &DepartmentId, officer: &OfficerId) -> String {
    format!("{federation}/{department}/{officer}")
}

/// Returns the name under which an administrator signs a genesis: the federation has only its name then, no id.
pub fn founder_key_name(name: &str, department: &DepartmentId, officer: &OfficerId) -> String {
    format!("{name}/{department}/{officer}")
}

/// Returns the name under which a node signs its fetches.
pub fn transport_key_name(node: &NodeId) -> String {
    format!("node/{node}")
}

/// How the seed rests in a key file.
#[derive(Clone, PartialEq, Eq)]
pub enum Sealed {
    /// In the clear: the key of a daemon.
    None([u8; 32]),
    /// As an age file with one scrypt recipient.
    Age(Vec<u8>),
}

/// A key file as read.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// The name in signature lines.
    pub name: String,
    /// The Ed25519 public key, as the file states it.
    pub public_key: [u8; 32],
    /// The seed.
    pub sealed: Sealed,
}

impl KeyFile {
    /// Parses the text; accepts exactly what [`KeyFile::to_text`] gives.
    ///
    /// # Errors
    /// Every other text.
    pub fn parse_text(text: &str) -> Result<Self, FormatError> {
        let bad = |why: &str| FormatError::malformed("key file", why);
        FormatError::at_most("key file", text.len(), KEY_FILE_BYTES_MAX)?;
        let body = text
            .strip_suffix('\n')
            .ok_or_else(|| bad("does not end with a line feed"))?;
        let mut lines = body.split('\n');
        let magic = lines.next().unwrap_or_default();
        if magic != KEY_FILE_MAGIC {
            return Err(FormatError::UnknownVersion {
                what: "key file",
                got: magic.chars().take(40).collect(),
            });
        }
        let mut word = |name: &'static str| {
            let line = lines.next().unwrap_or_default();
            line.strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(' '))
                .ok_or_else(|| FormatError::field("key file", name, "line is missing or out of place"))
        };
        let name = word("name")?;
        check_key_name(name)?;
        let public_key = Hash::parse_base64(word("public")?)?.0;
        let form = word("sealed")?;
        let (Some(encoded), None) = (lines.next(), lines.next()) else {
            return Err(bad("expected one line after `sealed`"));
        };
        let sealed = match form {
            "none" => Sealed::None(
                Hash::parse_base64(encoded)
                    .map_err(|_| bad("the seed is no base64 of 32 bytes"))?
                    .0,
            ),
            "age" => Sealed::Age(
                STANDARD
                    .decode(encoded)
                    .map_err(|_| bad("the sealed seed is no base64"))?,
            ),
            _ => return Err(FormatError::field("key file", "sealed", "expected none or age")),
        };
        let file = Self {
            name: name.to_owned(),
            public_key,
            sealed,
        };
        if file.to_text() == text {
            Ok(file)
        } else {
            Err(FormatError::not_canonical(
                "key file",
                "differs from its one form",
            ))
        }
    }

    /// Returns the text.
    pub fn to_text(&self) -> String {
        let (form, body) = match &self.sealed {
            Sealed::None(seed) => ("none", Hash(*seed).to_base64()),
            Sealed::Age(bytes) => ("age", STANDARD.encode(bytes)),
        };
        let public = Hash(self.public_key).to_base64();
        format!(
            "{KEY_FILE_MAGIC}\nname {}\npublic {public}\nsealed {form}\n{body}\n",
            self.name
        )
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyFile({}, secret not shown)", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use proptest::prelude::*;

    fn plain() -> KeyFile {
        KeyFile {
            name: "trial-0123456789abcdef/housing/o-01".to_owned(),
            public_key: [7; 32],
            sealed: Sealed::None([9; 32]),
        }
    }

    #[test]
    fn both_forms_print_what_they_parse() {
        let aged = KeyFile {
            sealed: Sealed::Age(vec![1, 2, 3, 4]),
            ..plain()
        };
        for file in [plain(), aged] {
            assert_eq!(KeyFile::parse_text(&file.to_text()), Ok(file));
        }
    }

    #[test]
    fn refuses_other_texts() {
        let good = plain().to_text();
        let cut = good.trim_end().to_owned();
        for text in [
            good.replace("v1", "v2"),
            good.replace("sealed none", "sealed gpg"),
            good.replace("housing/o-01", "housing o-01"),
            good.replace("public ", "public  "),
            format!("{good}\n"),
            cut,
            String::new(),
        ] {
            assert_matches!(KeyFile::parse_text(&text), Err(_), "{text}");
        }
    }

    #[test]
    fn never_shows_its_secret_in_debug_output() {
        assert_eq!(
            format!("{:?}", plain()),
            "KeyFile(trial-0123456789abcdef/housing/o-01, secret not shown)"
        );
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_refused_or_prints_back(place in 0..180usize, byte in 0u8..128) {
            let mut bytes = plain().to_text().into_bytes();
            let at = place % bytes.len();
            bytes[at] = byte;
            let text = String::from_utf8(bytes).unwrap();
            if let Ok(file) = KeyFile::parse_text(&text) {
                prop_assert_eq!(file.to_text(), text);
            }
        }
    }
}
