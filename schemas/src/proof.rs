//! The C2SP tlog-proof file: the receipt that an entry is in a log, checkable offline for ever.
//!
//! Text only: `tally-ledger` makes and verifies it. The format's `extra` line is refused: nothing vouches for it.
//! Spec: schemas/spec/proof.md. Keeps I11 and I12.

use crate::error::FormatError;
use crate::id::{Hash, parse_decimal};
use crate::limits::{CHECKPOINT_BYTES_MAX, PROOF_BYTES_MAX, PROOF_HASHES_MAX};
use crate::note::Note;
use std::fmt;

/// A proof of recording: a place in a log, the path from there to the root, and the signed root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TlogProof {
    /// The index of the entry.
    pub index: u64,
    /// The inclusion proof, the leaf's sibling first.
    pub hashes: Vec<Hash>,
    /// The checkpoint with its signature lines.
    pub checkpoint: Note,
}

impl TlogProof {
    /// Parses a `.tlog-proof` file.
    ///
    /// # Errors
    /// Any other bytes; an `extra` line; more than 64 hashes.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        FormatError::at_most(WHAT, bytes.len(), PROOF_BYTES_MAX)?;
        let text = std::str::from_utf8(bytes).map_err(|error| {
            FormatError::malformed(WHAT, format!("byte {}: not UTF-8", error.valid_up_to()))
        })?;
        let Some(rest) = text.strip_prefix(FIRST_LINE) else {
            let shown: String = text.lines().next().unwrap_or_default().chars().take(40).collect();
            return Err(FormatError::UnknownVersion {
                what: WHAT,
                got: format!("{shown:?}"),
            });
        };
        if rest.starts_with("extra ") {
            return Err(FormatError::malformed(
                WHAT,
                "an extra line; nothing vouches for its content",
            ));
        }
        let (lines, checkpoint) = rest
            .split_once("\n\n")
            .ok_or_else(|| FormatError::malformed(WHAT, "no blank line before the checkpoint"))?;
        let mut lines = lines.split('\n');
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .ok_or_else(|| FormatError::malformed(WHAT, "expected the line index"))?;
        let count = lines.clone().count();
        if count > PROOF_HASHES_MAX {
            return Err(FormatError::TooMany {
                what: "hashes of a proof",
                got: count as u64,
                limit: PROOF_HASHES_MAX as u64,
            });
        }
        Ok(Self {
            index: parse_decimal("index of a proof", index)?,
            hashes: lines.map(Hash::parse_base64).collect::<Result<_, _>>()?,
            checkpoint: Note::parse(checkpoint.as_bytes(), CHECKPOINT_BYTES_MAX)?,
        })
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{FIRST_LINE}index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(formatter, "{}", hash.to_base64())?;
        }
        write!(formatter, "\n{}", self.checkpoint)
    }
}

const WHAT: &str = "proof of recording";
const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1\n";

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use proptest::prelude::*;

    const HASH: &str = "34v1UcgJEp+ldL5PthX1xs1gY1/j/gDgwedv7LdmL2I=";

    fn good() -> String {
        format!(
            "c2sp.org/tlog-proof@v1\nindex 7\n{HASH}\n{HASH}\n\nx-0123456789abcdef/a/1\n9\n{HASH}\n\n\u{2014} a AQIDBAU=\n"
        )
    }

    fn refusal(text: &str) -> String {
        TlogProof::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn prints_what_it_parses() {
        let proof = TlogProof::parse(good().as_bytes()).unwrap();
        assert_eq!(
            (proof.index, proof.hashes.len(), proof.checkpoint.lines.len()),
            (7, 2, 1)
        );
        assert_eq!(proof.to_string(), good());
        let alone = good().replace(&format!("index 7\n{HASH}\n{HASH}"), "index 0");
        assert_eq!(TlogProof::parse(alone.as_bytes()).unwrap().to_string(), alone);
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, part) in [
            (good().replace("index 7", "extra AAAA\nindex 7"), "an extra line"),
            (good().replace("@v1", "@v2"), "unknown version"),
            (good().replace("index 7", "index 07"), "index of a proof"),
            (good().replace("index 7", "Index 7"), "expected the line index"),
            (good().replacen(HASH, "AAAA", 1), "base64 hash"),
            (good().replace("\n\n", "\n"), "no blank line"),
            (format!("{}trailing", good()), "note"),
            (
                good().replacen(HASH, &vec![HASH; 65].join("\n"), 1),
                "hashes of a proof",
            ),
        ] {
            assert!(refusal(&text).contains(part), "{text}: {}", refusal(&text));
        }
        assert_matches!(
            TlogProof::parse(&vec![b'x'; PROOF_BYTES_MAX + 1]),
            Err(FormatError::TooLong { .. })
        );
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_refused_or_prints_back(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = good().into_bytes();
            let at = place.index(bytes.len());
            bytes[at] = byte;
            if let Ok(proof) = TlogProof::parse(&bytes) {
                prop_assert_eq!(proof.to_string().into_bytes(), bytes);
            }
        }
    }
}
