//! Laws of the snapshot's decoders: one byte form, rising keys, checksums, nothing that panics.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use assert_matches::assert_matches;
use proptest::prelude::*;
use tally_schemas::FormatError;
use tally_schemas::id::Hash;
use tally_schemas::snapshot::*;

/// No hash, but one that tells every byte and its place apart: schemas hash nothing.
fn sum(bytes: &[u8]) -> Hash {
    let mut sum = [0u8; 32];
    for (place, byte) in bytes.iter().enumerate() {
        let slot = &mut sum[place % 32];
        *slot = slot.rotate_left(3) ^ byte.wrapping_add(u8::try_from(place % 251).unwrap());
    }
    Hash(sum)
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn arrival() -> impl Strategy<Value = ArrivalState> {
    let received = prop::collection::vec(("[a-z]{1,8}", any::<i64>()), 0..3);
    (hash(), any::<i64>(), any::<Option<i64>>(), received).prop_map(
        |(event, sent_ms, available_ms, received_ms)| ArrivalState {
            event,
            sent_ms,
            available_ms,
            received_ms,
        },
    )
}

fn log() -> impl Strategy<Value = LogState> {
    let level = (any::<u64>(), prop::collection::vec(hash(), 0..3))
        .prop_map(|(first, hashes)| EdgeLevel { first, hashes });
    (
        ("[a-z/0-9-]{1,30}", any::<u64>(), hash(), hash()),
        prop::collection::vec(level, 0..3),
        (any::<i64>(), any::<u64>(), any::<u64>()),
        prop::collection::vec(("[a-z/]{1,9}", any::<u64>()), 0..3),
        prop::collection::vec(any::<u64>(), 0..4),
    )
        .prop_map(
            |((origin, size, root, last_leaf), edge, last, named, roster)| LogState {
                origin,
                size,
                root,
                edge,
                last_leaf,
                last_recorded_ms: last.0,
                last_version: last.1,
                acts_upto: last.2,
                named,
                roster,
            },
        )
}

fn head() -> impl Strategy<Value = SnapshotHead> {
    let running = ("[a-z]{1,8}", "[a-z]{1,8}", any::<u16>(), any::<u32>()).prop_map(
        |(department, kind, year, running)| RunningNumber {
            department,
            kind,
            year,
            running,
        },
    );
    let table = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), hash()).prop_map(
        |(number, rows, blocks_bytes, index_bytes, index_sum)| TableRef {
            number,
            rows,
            blocks_bytes,
            index_bytes,
            index_sum,
        },
    );
    let beyond = (
        hash(),
        prop::option::of(any::<u32>()),
        prop::collection::vec("[a-z.]{1,9}", 0..2),
    )
        .prop_map(|(case, ruleset, kinds)| NotUnderstoodCase { case, ruleset, kinds });
    (
        (any::<u32>(), hash()),
        prop::collection::vec(".{0,40}", 0..3),
        prop::collection::vec(log(), 0..3),
        prop::collection::vec(("[a-z]{1,8}", prop::collection::vec(hash(), 0..3)), 0..3),
        prop::collection::vec(arrival(), 0..2),
        prop::collection::vec(beyond, 0..3),
        prop::collection::vec(running, 0..3),
        prop::collection::vec(table, 0..3),
    )
        .prop_map(
            |((holds, genesis), governance, logs, unreceived, loose, not_understood, running, tables)| {
                SnapshotHead {
                    holds,
                    genesis,
                    governance,
                    logs,
                    unreceived,
                    loose,
                    unfetched: not_understood
                        .iter()
                        .map(|beyond| ("civil".to_owned(), beyond.case))
                        .collect(),
                    not_understood,
                    running,
                    tables,
                }
            },
        )
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..40));
    prop::collection::btree_map(prop::collection::vec(any::<u8>(), 0..20), value, 0..12)
        .prop_map(|rows| rows.into_iter().map(|(key, value)| Row { key, value }).collect())
}

proptest! {
    #[test]
    fn a_head_survives_its_bytes_and_no_changed_byte_does(head in head(), place in any::<prop::sample::Index>()) {
        let mut bytes = head.encode(sum).unwrap();
        prop_assert_eq!(SnapshotHead::decode(&bytes, sum), Ok(head));
        let at = place.index(bytes.len());
        bytes[at] ^= 1;
        prop_assert!(SnapshotHead::decode(&bytes, sum).is_err());
    }

    #[test]
    fn a_block_survives_its_bytes(rows in rows()) {
        let bytes = encode_block(&rows).unwrap();
        prop_assert_eq!(decode_block(&bytes), Ok(rows));
    }

    #[test]
    fn changed_blocks_are_refused_or_encode_back(
        rows in rows(), place in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = encode_block(&rows).unwrap();
        let at = place.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = decode_block(&bytes) {
            prop_assert_eq!(encode_block(&read).unwrap(), bytes);
        }
    }

    #[test]
    fn arbitrary_rows_are_refused_or_encode_back(tail in prop::collection::vec(any::<u8>(), 0..90)) {
        let bytes = [vec![SNAPSHOT_VERSION], tail].concat();
        if let Ok(row) = decode_row::<CaseRow>(&bytes) {
            prop_assert_eq!(encode_row(&row).unwrap(), bytes.clone());
        }
        if let Ok(row) = decode_row::<ChunkRow>(&bytes) {
            prop_assert_eq!(encode_row(&row).unwrap(), bytes.clone());
        }
        if let Ok(row) = decode_row::<BriefState>(&bytes) {
            prop_assert_eq!(encode_row(&row).unwrap(), bytes.clone());
        }
        if let Ok(index) = decode_index(&bytes) {
            prop_assert_eq!(encode_index(&index).unwrap(), bytes);
        }
    }
}

#[test]
fn refuses_another_version_a_cut_and_keys_that_do_not_rise() {
    let good = SnapshotHead::default().encode(sum).unwrap();
    let mut other = good.clone();
    other[0] = 2;
    assert_matches!(
        SnapshotHead::decode(&other, sum),
        Err(FormatError::UnknownVersion { .. })
    );
    for end in 0..good.len() {
        assert_matches!(SnapshotHead::decode(&good[..end], sum), Err(_));
    }
    let row = |key: u8| Row {
        key: vec![key],
        value: None,
    };
    assert_matches!(
        encode_block(&vec![row(2), row(1)]),
        Err(FormatError::NotCanonical { .. })
    );
    assert_matches!(
        encode_block(&vec![row(1), row(1)]),
        Err(FormatError::NotCanonical { .. })
    );
    let mut twice = encode_block(&vec![row(1), row(2)]).unwrap();
    let at = twice.iter().rposition(|byte| *byte == 2).unwrap();
    twice[at] = 1;
    assert_matches!(decode_block(&twice), Err(FormatError::NotCanonical { .. }));
}

#[test]
fn a_false_count_is_refused_before_anything_is_allocated() {
    let mut bytes = vec![SNAPSHOT_VERSION, 253];
    bytes.extend_from_slice(&(1u64 << 50).to_le_bytes());
    assert_matches!(decode_block(&bytes), Err(FormatError::Malformed { .. }));
    assert_matches!(decode_index(&bytes), Err(FormatError::Malformed { .. }));
    assert_matches!(decode_row::<CaseRow>(&bytes), Err(FormatError::Malformed { .. }));
}

#[test]
fn keys_give_back_their_places() {
    let event = Hash([7; 32]);
    let key = event_key(&event, Some((3, 500)));
    assert!(key.starts_with(&event_key(&event, None)));
    assert_eq!(place_in_event_key(&key), Some((3, 500)));
    assert_eq!(place_in_event_key(&part_key(&event, Some((3, 500)))), None);
    assert_eq!(place_in_part_key(&part_key(&event, Some((4, 1)))), Some((4, 1)));
    assert_eq!(place_in_event_key(&event_key(&event, None)), None);
}
