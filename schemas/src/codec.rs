//! The only call of the binary codec (bincode 2, standard configuration).
//!
//! For what is never signed and can be rebuilt or refetched: replication frames, values in local storage, snapshots. The codec
//! itself would accept trailing bytes and several spellings of one number; here a version byte stands first, nothing may follow
//! the value, and what was read must encode back to the bytes it was read from. Spec: schemas/spec/frame.md, "Codec". Keeps I11.

use crate::error::FormatError;
use bincode::config;
use bincode::error::DecodeError;

/// Encodes a value after a version byte.
///
/// # Errors
/// A value that the codec cannot write (none of the types of this project).
pub fn encode<T: bincode::Encode>(
    what: &'static str,
    version: u8,
    value: &T,
) -> Result<Vec<u8>, FormatError> {
    encode_into(Vec::new(), what, version, value)
}

/// As [`encode`], for a value of which it is known how many bytes it will about be.
///
/// # Errors
/// As [`encode`].
pub fn encode_about<T: bincode::Encode>(
    bytes: usize,
    what: &'static str,
    version: u8,
    value: &T,
) -> Result<Vec<u8>, FormatError> {
    encode_into(Vec::with_capacity(bytes), what, version, value)
}

fn encode_into<T: bincode::Encode>(
    mut out: Vec<u8>,
    what: &'static str,
    version: u8,
    value: &T,
) -> Result<Vec<u8>, FormatError> {
    out.push(version);
    bincode::encode_into_std_write(value, &mut out, config::standard())
        .map_err(|error| FormatError::malformed(what, format!("cannot be encoded: {error}")))?;
    Ok(out)
}

/// Decodes the one byte form of a value of a version, of at most `LIMIT` bytes.
///
/// No length inside can make it allocate more than `LIMIT` bytes for the elements it announces, nor more than about 256 times
/// what was given: a few bytes cannot claim the memory of the largest file.
///
/// # Errors
/// Another version, bytes over the limit, bytes that end early or do not end, a second spelling of a value.
pub fn decode<T, const LIMIT: usize>(what: &'static str, version: u8, bytes: &[u8]) -> Result<T, FormatError>
where
    T: bincode::Encode + bincode::Decode<()>,
{
    FormatError::at_most(what, bytes.len(), LIMIT)?;
    let body = match bytes.split_first() {
        Some((found, body)) if *found == version => body,
        Some((found, _)) => {
            return Err(FormatError::UnknownVersion {
                what,
                got: found.to_string(),
            });
        }
        None => return Err(FormatError::malformed(what, "empty")),
    };
    let (value, read) =
        read_within::<T, LIMIT>(body).map_err(|error| FormatError::malformed(what, why(&error)))?;
    if read != body.len() {
        return Err(FormatError::not_canonical(
            what,
            format!("{} trailing bytes", body.len().saturating_sub(read)),
        ));
    }
    if encode_about(bytes.len(), what, version, &value)? != bytes {
        return Err(FormatError::not_canonical(
            what,
            "a number or a map is written in a second spelling",
        ));
    }
    Ok(value)
}

/// How many bytes in memory a byte of input may become; our widest, an empty entry of a chunk, becomes 26.
const MEMORY_PER_BYTE: usize = 64;

/// Reads with a limit near what the input can need. The codec takes its limit as a constant, hence the steps.
fn read_within<T: bincode::Decode<()>, const LIMIT: usize>(body: &[u8]) -> Result<(T, usize), DecodeError> {
    let room = body.len().saturating_mul(MEMORY_PER_BYTE);
    macro_rules! try_steps {
        ($($step:literal)*) => {$(
            if room <= $step && $step < LIMIT {
                return bincode::decode_from_slice(body, config::standard().with_limit::<$step>());
            }
        )*};
    }
    try_steps!(0x1_0000 0x4_0000 0x10_0000 0x40_0000 0x100_0000 0x400_0000 0x1000_0000);
    bincode::decode_from_slice(body, config::standard().with_limit::<LIMIT>())
}

fn why(error: &DecodeError) -> String {
    match error {
        DecodeError::UnexpectedEnd { .. } => "ends early, or announces more than follows".to_owned(),
        DecodeError::LimitExceeded => "announces more elements than the limit allows".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Value = (u64, String, Vec<Vec<u8>>, BTreeMap<u32, bool>, Option<i64>);

    fn read(bytes: &[u8]) -> Result<Value, FormatError> {
        decode::<Value, 4096>("value", 7, bytes)
    }

    #[test]
    fn refuses_what_the_codec_itself_would_accept() {
        assert_eq!(decode::<u64, 100>("value", 7, &[7, 5]), Ok(5));
        for bytes in [
            [7, 251, 5, 0].as_slice(), // 5 in the form of a 16-bit number
            &[7, 5, 0],                // a trailing byte
        ] {
            assert_matches!(
                decode::<u64, 100>("value", 7, bytes),
                Err(FormatError::NotCanonical { .. })
            );
        }
        assert_matches!(
            decode::<u64, 100>("value", 7, &[6, 5]),
            Err(FormatError::UnknownVersion { .. })
        );
        assert_matches!(
            decode::<u64, 100>("value", 7, &[]),
            Err(FormatError::Malformed { .. })
        );
        assert_matches!(
            decode::<u64, 100>("value", 7, &[7]),
            Err(FormatError::Malformed { .. })
        );
        assert_matches!(
            decode::<u64, 1>("value", 7, &[7, 5]),
            Err(FormatError::TooLong { .. })
        );
    }

    #[test]
    fn refuses_map_keys_out_of_order_or_twice() {
        let map = |bytes: &[u8]| decode::<BTreeMap<u8, u8>, 100>("map", 1, bytes);
        assert_eq!(map(&[1, 2, 3, 0, 4, 0]), Ok(BTreeMap::from([(3, 0), (4, 0)])));
        assert_matches!(map(&[1, 2, 4, 0, 3, 0]), Err(FormatError::NotCanonical { .. }));
        assert_matches!(map(&[1, 2, 3, 0, 3, 0]), Err(FormatError::NotCanonical { .. }));
    }

    #[test]
    fn a_false_length_is_refused_before_anything_is_allocated() {
        let mut bytes = vec![7, 253];
        bytes.extend_from_slice(&u64::MAX.to_le_bytes());
        assert_matches!(
            decode::<Vec<u64>, 4096>("list", 7, &bytes),
            Err(FormatError::Malformed { .. })
        );
        bytes[2..].copy_from_slice(&(1u64 << 40).to_le_bytes());
        assert_matches!(
            decode::<String, 4096>("text", 7, &bytes),
            Err(FormatError::Malformed { .. })
        );
    }

    #[test]
    fn a_few_bytes_cannot_claim_the_memory_of_the_largest_file() {
        // 1 MiB is announced, within the limit of the format, but far from what 20 bytes can hold.
        let mut bytes = vec![7, 252];
        bytes.extend_from_slice(&(1u32 << 20).to_le_bytes());
        bytes.extend_from_slice(&[0; 14]);
        assert_matches!(
            decode::<Vec<u8>, { 64 << 20 }>("list", 7, &bytes),
            Err(FormatError::Malformed { why, .. }) if why.contains("more elements than the limit")
        );
    }

    #[test]
    fn a_long_list_of_the_widest_small_elements_is_read() {
        let value = vec![(None::<u64>, String::new(), Vec::<u8>::new(), String::new()); 30_000];
        let bytes = encode("list", 7, &value).unwrap();
        assert_eq!(decode::<_, { 64 << 20 }>("list", 7, &bytes), Ok(value));
    }

    proptest! {
        #[test]
        fn every_value_survives_its_bytes(value in any::<Value>()) {
            let bytes = encode("value", 7, &value).unwrap();
            prop_assert_eq!(decode::<Value, 1_000_000>("value", 7, &bytes), Ok(value));
        }

        #[test]
        fn arbitrary_bytes_are_refused_or_encode_back(tail in prop::collection::vec(any::<u8>(), 0..60)) {
            let bytes = [vec![7], tail].concat();
            if let Ok(value) = read(&bytes) {
                prop_assert_eq!(encode("value", 7, &value).unwrap(), bytes);
            }
        }
    }
}
