//! The C2SP signed note: a text, a blank line, one signature line per signer.
//!
//! Parses and prints bytes only; who signed, and whether the signature holds, is decided by `tally-ledger`. One byte form:
//! padded standard base64, no surplus lines. Spec: schemas/spec/note.md. Keeps I11.

use crate::error::FormatError;
use crate::limits::{KEY_NAME_BYTES_MAX, NOTE_SIGNATURES_MAX};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::fmt;

/// The signature type of a plain Ed25519 signature over the text: logs, officers, administrators.
pub const KEY_TYPE_ED25519: u8 = 0x01;
/// The signature type of a witness' timestamped Ed25519 cosignature over a checkpoint.
pub const KEY_TYPE_COSIGNATURE: u8 = 0x04;
/// The signature type of a timestamped ML-DSA-44 cosignature; reserved, not yet read or written.
pub const KEY_TYPE_ML_DSA_44: u8 = 0x06;
/// The signature type of kinds without an assigned byte: the key material starts with a longer identifier.
pub const KEY_TYPE_LONG: u8 = 0xff;
/// The identifier after [`KEY_TYPE_LONG`] of SM2 signatures over the text; reserved, not yet read or written.
pub const LONG_KEY_TYPE_SM2: &str = "tally/sm2\n";
/// The identifier after [`KEY_TYPE_LONG`] of batch signatures (one Ed25519 signature over the Merkle root of many texts, the
/// path in the line); reserved, not yet read or written.
pub const LONG_KEY_TYPE_BATCH: &str = "tally/batch-ed25519\n";

/// The first four bytes of the hash over key name, signature type and public key: finds a key, proves nothing.
pub type KeyId = [u8; 4];

/// One signature line of a note.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SignatureLine {
    /// The name of the key.
    pub name: String,
    /// The id of the key.
    pub key_id: KeyId,
    /// The signature; its inner form depends on the type of the key.
    pub signature: Vec<u8>,
}

impl SignatureLine {
    /// Parses one line, without its line feed.
    ///
    /// # Errors
    /// Anything but a dash (U+2014), the key name and the padded base64 of key id and signature, one space between each.
    pub fn parse(line: &str) -> Result<Self, FormatError> {
        let bad = |why: &str| FormatError::malformed(LINE, why);
        let rest = line
            .strip_prefix(LINE_START)
            .ok_or_else(|| bad("does not start with U+2014 and a space"))?;
        let (name, encoded) = rest
            .split_once(' ')
            .ok_or_else(|| bad("expected a key name, a space and base64"))?;
        check_key_name(name)?;
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|error| FormatError::malformed(LINE, format!("base64 of key {name}: {error}")))?;
        let (key_id, signature) = bytes
            .split_first_chunk::<4>()
            .ok_or_else(|| bad("shorter than a key id of 4 bytes"))?;
        if signature.is_empty() {
            return Err(bad("a key id without a signature"));
        }
        Ok(Self {
            name: name.to_owned(),
            key_id: *key_id,
            signature: signature.to_vec(),
        })
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.key_id.to_vec();
        bytes.extend_from_slice(&self.signature);
        write!(formatter, "{LINE_START}{} {}", self.name, STANDARD.encode(bytes))
    }
}

/// A signed note: what is signed, and by whom.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Note {
    /// The signed text, with its final line feed.
    pub text: String,
    /// The signature lines, in the order in which they stand.
    pub lines: Vec<SignatureLine>,
}

impl Note {
    /// Parses a note of at most `limit` bytes.
    ///
    /// # Errors
    /// Bytes over the limit, not UTF-8, with a control character other than line feed, without a signature line, with more
    /// than 100 of them, or with two of the same key name and id.
    pub fn parse(bytes: &[u8], limit: usize) -> Result<Self, FormatError> {
        FormatError::at_most(NOTE, bytes.len(), limit)?;
        let all = std::str::from_utf8(bytes).map_err(|error| {
            FormatError::malformed(NOTE, format!("byte {}: not UTF-8", error.valid_up_to()))
        })?;
        check_characters(all)?;
        let split = all
            .rfind("\n\n")
            .ok_or_else(|| FormatError::malformed(NOTE, "no blank line before the signature lines"))?;
        let (text, rest) = all.split_at(split + 1);
        let signatures = rest
            .strip_prefix('\n')
            .and_then(|lines| lines.strip_suffix('\n'))
            .ok_or_else(|| FormatError::malformed(NOTE, "no signature line, or the last one does not end"))?;
        let count = signatures.split('\n').count();
        if count > NOTE_SIGNATURES_MAX {
            return Err(FormatError::TooMany {
                what: "signature lines of a note",
                got: count as u64,
                limit: NOTE_SIGNATURES_MAX as u64,
            });
        }
        let mut lines = Vec::with_capacity(count);
        let mut seen = BTreeSet::new();
        for line in signatures.split('\n') {
            let line = SignatureLine::parse(line)?;
            if !seen.insert((line.name.clone(), line.key_id)) {
                return Err(FormatError::malformed(
                    NOTE,
                    format!("two signature lines of key {}", line.name),
                ));
            }
            lines.push(line);
        }
        Ok(Self {
            text: text.to_owned(),
            lines,
        })
    }

    /// Returns the bytes of the note.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.text)?;
        for line in &self.lines {
            writeln!(formatter, "{line}")?;
        }
        Ok(())
    }
}

/// A verifier key in its text form: `<name>+<8 hex digits>+<base64(type || public key)>`.
///
/// The key id is computed by `tally-ledger`; a parsed one must be compared with it before the key is used.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct VerifierKeyText {
    /// The name of the key.
    pub name: String,
    /// The id that the text states.
    pub key_id: KeyId,
    /// The signature type.
    pub key_type: u8,
    /// The key material after the type byte.
    pub public_key: Vec<u8>,
}

impl VerifierKeyText {
    /// Parses the text form.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let bad = |why: &str| FormatError::malformed(VKEY, why);
        FormatError::at_most(VKEY, text.len(), VKEY_BYTES_MAX)?;
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(digits), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("expected <name>+<8 hex digits>+<base64>"));
        };
        check_key_name(name)?;
        let plain = digits.len() == 8
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let key_id = match u32::from_str_radix(digits, 16) {
            Ok(value) if plain => value.to_be_bytes(),
            _ => return Err(bad("the key id is not 8 lower-case hex digits")),
        };
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|error| FormatError::malformed(VKEY, format!("base64 of key {name}: {error}")))?;
        match bytes.split_first() {
            Some((key_type, public_key)) if !public_key.is_empty() => Ok(Self {
                name: name.to_owned(),
                key_id,
                key_type: *key_type,
                public_key: public_key.to_vec(),
            }),
            _ => Err(bad("no key material after the type byte")),
        }
    }
}

impl fmt::Display for VerifierKeyText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.key_type];
        bytes.extend_from_slice(&self.public_key);
        let id = u32::from_be_bytes(self.key_id);
        write!(formatter, "{}+{id:08x}+{}", self.name, STANDARD.encode(bytes))
    }
}

/// Checks a key name: 1 to 255 bytes, no white space, no control character, no `+`.
///
/// # Errors
/// Any other text.
pub fn check_key_name(name: &str) -> Result<(), FormatError> {
    let allowed = !name.is_empty()
        && name.len() <= KEY_NAME_BYTES_MAX
        && !name
            .chars()
            .any(|character| character.is_whitespace() || character.is_control() || character == '+');
    if allowed {
        Ok(())
    } else {
        let shown: String = name.chars().take(40).collect();
        Err(FormatError::malformed(
            "key name",
            format!("{shown:?}, expected 1 to {KEY_NAME_BYTES_MAX} bytes without white space and `+`"),
        ))
    }
}

/// Checks that a text can be signed: it ends with a line feed and has no other control character.
///
/// # Errors
/// Any other text.
pub fn check_note_text(text: &str) -> Result<(), FormatError> {
    check_characters(text)?;
    if text.ends_with('\n') {
        Ok(())
    } else {
        Err(FormatError::malformed(
            NOTE,
            "the text does not end with a line feed",
        ))
    }
}

fn check_characters(text: &str) -> Result<(), FormatError> {
    match text.bytes().position(|byte| byte < b' ' && byte != b'\n') {
        Some(at) => Err(FormatError::malformed(
            NOTE,
            format!("byte {at}: control character"),
        )),
        None => Ok(()),
    }
}

const NOTE: &str = "note";
const LINE: &str = "signature line";
const VKEY: &str = "verifier key";
const LINE_START: &str = "\u{2014} ";
/// Name, id and the base64 of an ML-DSA-44 key (1,312 bytes) with room.
const VKEY_BYTES_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::NOTE_BYTES_MAX;
    use assert_matches::assert_matches;
    use proptest::prelude::*;
    use signed_note::Verifier as _;

    const GOOD: &str =
        "tally.example/housing\n600\n\nmore\n\n\u{2014} a.example AQIDBAU=\n\u{2014} b AQIDBAUGBw==\n";

    fn parse(text: &str) -> Result<Note, FormatError> {
        Note::parse(text.as_bytes(), NOTE_BYTES_MAX)
    }

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn prints_what_it_parses() {
        let note = parse(GOOD).unwrap();
        assert_eq!(note.text, "tally.example/housing\n600\n\nmore\n");
        assert_eq!(note.lines[1].name, "b");
        assert_eq!(note.lines[1].key_id, [1, 2, 3, 4]);
        assert_eq!(note.lines[1].signature, [5, 6, 7]);
        assert_eq!(note.to_string(), GOOD);
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, part) in [
            ("text\n", "no blank line"),
            ("text\n\n", "no signature line"),
            (
                "text\n\n\u{2014} a AQIDBAU=",
                "no signature line, or the last one does not end",
            ),
            ("text\n\n- a AQIDBAU=\n", "does not start with U+2014"),
            ("text\n\n\u{2014} a\n", "expected a key name"),
            ("text\n\n\u{2014}  AQIDBAU=\n", "key name"),
            ("text\n\n\u{2014} a+b AQIDBAU=\n", "key name"),
            ("text\n\n\u{2014} a\u{a0}b AQIDBAU=\n", "key name"),
            ("text\n\n\u{2014} a AQIDBAU=  \n", "base64"),
            ("text\n\n\u{2014} a AQIDBAU\n", "base64"),
            ("text\n\n\u{2014} a AQIDBAV=\n", "base64"),
            ("text\n\n\u{2014} a AQIDBA==\n", "without a signature"),
            ("text\n\n\u{2014} a AQID\n", "shorter than a key id"),
            ("te\txt\n\n\u{2014} a AQIDBAU=\n", "byte 2: control character"),
            ("text\r\n\n\u{2014} a AQIDBAU=\n", "control character"),
            (
                "text\n\n\u{2014} a AQIDBAU=\n\u{2014} a AQIDBAY=\n",
                "two signature lines of key a",
            ),
        ] {
            assert!(refusal(text).contains(part), "{text:?}: {}", refusal(text));
        }
        assert!(
            Note::parse(b"\xff\n\n", 100)
                .unwrap_err()
                .to_string()
                .contains("not UTF-8")
        );
    }

    #[test]
    fn refuses_over_the_limits() {
        assert_matches!(
            Note::parse(GOOD.as_bytes(), GOOD.len() - 1),
            Err(FormatError::TooLong { .. })
        );
        assert_matches!(Note::parse(GOOD.as_bytes(), GOOD.len()), Ok(_));
        let with_lines = |count: usize| {
            let lines: String = (0..count).map(|n| format!("\u{2014} k{n} AQIDBAU=\n")).collect();
            format!("text\n\n{lines}")
        };
        assert_matches!(parse(&with_lines(NOTE_SIGNATURES_MAX)), Ok(_));
        assert_matches!(
            parse(&with_lines(NOTE_SIGNATURES_MAX + 1)),
            Err(FormatError::TooMany { .. })
        );
        assert_matches!(check_key_name(&"a".repeat(KEY_NAME_BYTES_MAX)), Ok(()));
        assert_matches!(check_key_name(&"a".repeat(KEY_NAME_BYTES_MAX + 1)), Err(_));
    }

    #[test]
    fn prints_the_verifier_key_that_another_implementation_reads() {
        let text = "example.org/log+1c66b9ea+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
        let key = VerifierKeyText::parse(text).unwrap();
        assert_eq!(key.key_type, KEY_TYPE_ED25519);
        assert_eq!(key.public_key.len(), 32);
        assert_eq!(key.to_string(), text);
        let other = signed_note::StandardVerifier::new(text).unwrap();
        assert_eq!(other.key_id(), u32::from_be_bytes(key.key_id));
        for bad in [
            "log+C74F20A3+ARpc",
            "log+c74f20a+ARpc",
            "log+c74f20a3",
            "log+c74f20a3+AQ==",
            "+c74f20a3+ARpc",
            "log+c74f20a3+ARp",
            "log++c4f20a3+ARpc",
        ] {
            assert_matches!(VerifierKeyText::parse(bad), Err(_), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_note_survives_its_bytes(
            text in "([ -~\u{4e00}-\u{4e20}]{0,8}\n){1,5}",
            keys in prop::collection::btree_map("[a-z./]{1,12}", prop::collection::vec(any::<u8>(), 5..80), 1..5),
        ) {
            let lines = keys
                .into_iter()
                .map(|(name, bytes)| SignatureLine {
                    name,
                    key_id: [bytes[0], bytes[1], bytes[2], bytes[3]],
                    signature: bytes[4..].to_vec(),
                })
                .collect();
            let note = Note { text, lines };
            prop_assert_eq!(Note::parse(&note.to_bytes(), NOTE_BYTES_MAX), Ok(note.clone()));
        }

        #[test]
        fn arbitrary_bytes_are_refused_or_print_back(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(note) = Note::parse(&bytes, 80) {
                prop_assert_eq!(note.to_bytes(), bytes);
            }
        }

        #[test]
        fn a_changed_byte_is_refused_or_prints_back(place in 0..GOOD.len(), byte in any::<u8>()) {
            let mut bytes = GOOD.as_bytes().to_vec();
            bytes[place] = byte;
            if let Ok(note) = Note::parse(&bytes, NOTE_BYTES_MAX) {
                prop_assert_eq!(note.to_bytes(), bytes);
            }
        }

        #[test]
        fn arbitrary_lines_are_refused_or_print_back(text in "\u{2014}? ?[a-z+ ]{0,3} ?[A-Za-z0-9+/=]{0,12}") {
            if let Ok(line) = SignatureLine::parse(&text) {
                prop_assert_eq!(line.to_string(), text.clone());
            }
            if let Ok(key) = VerifierKeyText::parse(&text) {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}
