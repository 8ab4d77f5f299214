//! Identifiers: hashes, departments, federations, origins, heads. Each parses from exactly one text form.

use crate::error::FormatError;
use crate::limits::{FEDERATION_NAME_CHARS_MAX, ID_CHARS_MAX};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// A SHA-256 value: leaf hash, node hash, root, event id, commitment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, bincode::Encode, bincode::Decode)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Parses 64 lower-case hex digits.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse_hex(text: &str) -> Result<Self, FormatError> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return Err(FormatError::malformed(
                "hash",
                format!("{} characters, expected 64", bytes.len()),
            ));
        }
        let mut out = [0u8; 32];
        for (slot, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
            let mut value = 0u8;
            for byte in pair {
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    b'a'..=b'f' => byte - b'a' + 10,
                    _ => return Err(FormatError::malformed("hash", "expected lower-case hex digits")),
                };
                value = value << 4 | digit;
            }
            *slot = value;
        }
        Ok(Self(out))
    }

    /// Returns the 64 lower-case hex digits.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Returns the first 12 hex digits, for people; never parsed back.
    pub fn short(&self) -> String {
        self.to_hex().chars().take(12).collect()
    }

    /// Parses the padded standard base64 form that checkpoints and proofs use.
    ///
    /// # Errors
    /// Any other text, including non-zero trailing bits and missing padding.
    pub fn parse_base64(text: &str) -> Result<Self, FormatError> {
        if text.len() != 44 {
            return Err(FormatError::malformed(
                "base64 hash",
                format!("{} characters, expected 44", text.len()),
            ));
        }
        let bytes = STANDARD
            .decode(text)
            .map_err(|error| FormatError::malformed("base64 hash", error.to_string()))?;
        let array = <[u8; 32]>::try_from(bytes.as_slice())
            .map_err(|_| FormatError::malformed("base64 hash", "expected 32 bytes"))?;
        Ok(Self(array))
    }

    /// Returns the padded standard base64 form.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }
}

/// Returns the lower-case hex digits of bytes.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| match value {
        0..10 => char::from(b'0' + value),
        _ => char::from(b'a' + value - 10),
    };
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.short())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_hex())
    }
}

/// The id of an event: SHA-256 of its text. Known before submission; the idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, bincode::Encode, bincode::Decode)]
pub struct EventId(pub Hash);

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

/// The id of a case: the id of the event that opened it.
pub type CaseId = EventId;

/// Says whether a text is an id: 1 to 40 characters of `a-z`, `0-9`, `-`.
pub fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= ID_CHARS_MAX
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
        pub struct $name(String);

        impl $name {
            /// Parses the id: 1 to 40 characters of `a-z`, `0-9`, `-`.
            ///
            /// # Errors
            /// Any other text.
            pub fn parse(text: &str) -> Result<Self, FormatError> {
                if is_id(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    let shown: String = text.chars().take(60).collect();
                    Err(FormatError::malformed($what, format!("{shown:?}, expected 1 to 40 of a-z 0-9 -")))
                }
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A department, for ever: never renamed, never reused.
    DepartmentId, "department id");
text_id!(
    /// A node (daemon) of an operator.
    NodeId, "node id");
text_id!(
    /// An officer, local to a department; names live in an erasable local directory.
    OfficerId, "officer id");
text_id!(
    /// A post, local to a department; obligations bind to posts, which outlive persons.
    PostId, "post id");

/// A federation: its name, `-`, and the first 16 hex digits of the genesis hash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
pub struct FederationId(String);

impl FederationId {
    /// Joins a name and the genesis hash.
    ///
    /// # Errors
    /// A name that is not 1 to 40 characters of `a-z`, `0-9`, `-`.
    pub fn new(name: &str, genesis: &Hash) -> Result<Self, FormatError> {
        if name.len() > FEDERATION_NAME_CHARS_MAX || !is_id(name) {
            return Err(FormatError::malformed(
                "federation name",
                "expected 1 to 40 of a-z 0-9 -",
            ));
        }
        let digits: String = genesis.to_hex().chars().take(16).collect();
        Ok(Self(format!("{name}-{digits}")))
    }

    /// Parses the id.
    ///
    /// # Errors
    /// Any text that is not a name, `-` and 16 lower-case hex digits.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let bad = || FormatError::malformed("federation id", "expected <name>-<16 hex digits>");
        let (name, digits) = text.rsplit_once('-').ok_or_else(bad)?;
        let hex = digits.len() == 16
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hex && is_id(name) {
            Ok(Self(text.to_owned()))
        } else {
            Err(bad())
        }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FederationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for FederationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The identity of one log: `<federation id>/<department>/<epoch>`, the first line of its checkpoints.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
pub struct Origin {
    /// The federation that the log belongs to.
    pub federation: FederationId,
    /// The department whose acts the log records.
    pub department: DepartmentId,
    /// The epoch, from 1; a new one after a restore or a key compromise.
    pub epoch: u32,
}

impl Origin {
    /// Parses `<federation id>/<department>/<epoch>`.
    ///
    /// # Errors
    /// Any other text; an epoch of 0 or with leading zeros.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let bad = |why: &str| FormatError::malformed("origin", why);
        if text.len() > 160 {
            return Err(FormatError::TooLong {
                what: "origin",
                got: text.len() as u64,
                limit: 160,
            });
        }
        let mut parts = text.split('/');
        let (Some(federation), Some(department), Some(epoch), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad("expected <federation id>/<department>/<epoch>"));
        };
        let number = parse_decimal("epoch", epoch)?;
        let epoch = u32::try_from(number).map_err(|_| bad("epoch is over 32 bits"))?;
        if epoch == 0 {
            return Err(bad("epochs start at 1"));
        }
        Ok(Self {
            federation: FederationId::parse(federation)?,
            department: DepartmentId::parse(department)?,
            epoch,
        })
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.department, self.epoch)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}/{}/{}",
            self.federation, self.department, self.epoch
        )
    }
}

/// A tree head: how many entries, and the RFC 6962 root over them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, bincode::Encode, bincode::Decode)]
pub struct TreeHead {
    /// The number of entries.
    pub size: u64,
    /// The root hash over them.
    pub root: Hash,
}

/// A tree head of a named log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, bincode::Encode, bincode::Decode)]
pub struct NamedHead {
    /// The log.
    pub origin: Origin,
    /// Its head.
    pub head: TreeHead,
}

/// Parses an ASCII decimal without sign or leading zeros, at most 2^63 - 1.
///
/// # Errors
/// Any other text.
pub fn parse_decimal(what: &'static str, text: &str) -> Result<u64, FormatError> {
    let plain = !text.is_empty()
        && text.len() <= 19
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    if !plain {
        let shown: String = text.chars().take(30).collect();
        return Err(FormatError::malformed(
            what,
            format!("{shown:?} is not a decimal without leading zeros"),
        ));
    }
    match text.parse::<u64>() {
        Ok(value) if value <= i64::MAX.unsigned_abs() => Ok(value),
        _ => Err(FormatError::malformed(what, "over 2^63 - 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;

    #[test]
    fn parses_an_origin_back_to_itself() {
        let text = "xian-0123456789abcdef/housing/12";
        assert_eq!(Origin::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn refuses_epochs_with_leading_zeros_or_zero() {
        for text in [
            "a-0123456789abcdef/b/0",
            "a-0123456789abcdef/b/01",
            "a-0123456789abcdef/b/+1",
        ] {
            assert_matches!(Origin::parse(text), Err(_));
        }
    }

    #[test]
    fn refuses_upper_case_hex() {
        assert_matches!(Hash::parse_hex(&"A".repeat(64)), Err(_));
    }
}
