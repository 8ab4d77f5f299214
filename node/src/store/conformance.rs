//! What every engine of the own log must do, whatever it is: run against each engine at the three sizes that matter.

use super::{
    BATCH_ENTRIES_MAX, LocalRecord, OwnLog, RECORD_KEY_BYTES_MAX, RECORD_VALUE_BYTES_MAX, StoreError,
};
use assert_matches::assert_matches;
use std::sync::Arc;

/// The sizes: a usual event; a long one, that would reach sled's unsynced files; the longest that the format allows.
pub(crate) const ENTRY_BYTES: [usize; 3] = [600, 12 * 1024, 65_535];

/// Opens (or creates) the engine on its one folder.
pub(crate) type Open<'a> = dyn Fn() -> Result<Box<dyn OwnLog>, StoreError> + 'a;

/// What is run against a folder that nothing else uses.
pub(crate) type Check<'a> = dyn FnMut(&Open<'_>) + 'a;

/// Makes an entry that can be told from every other one.
pub(crate) fn entry(index: u64, bytes: usize) -> Arc<[u8]> {
    let mut out = format!("entry {index} ").into_bytes();
    let mut state = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while out.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_be_bytes());
    }
    out.truncate(bytes);
    out.into()
}

fn entries(start: u64, count: u64, bytes: usize) -> Vec<Arc<[u8]>> {
    (start..start + count).map(|index| entry(index, bytes)).collect()
}

fn put(key: &[u8], value: &[u8]) -> LocalRecord {
    LocalRecord::Put {
        key: key.to_vec(),
        value: value.to_vec(),
    }
}

fn delete(key: &[u8]) -> LocalRecord {
    LocalRecord::Delete { key: key.to_vec() }
}

/// Runs the whole suite.
pub(crate) fn run(fresh: &dyn Fn(&mut Check<'_>)) {
    for bytes in ENTRY_BYTES {
        fresh(&mut |open| keeps_entries_across_reopening(open, bytes));
        fresh(&mut |open| range_obeys_count_and_bytes(open, bytes));
    }
    fresh(&mut refused_batches_change_nothing);
    fresh(&mut records_follow_their_batch);
    fresh(&mut records_of_every_length_and_key_come_back);
}

fn keeps_entries_across_reopening(open: &Open<'_>, bytes: usize) {
    let mut log = open().unwrap();
    assert!(log.is_empty());
    assert_eq!(log.entry(0).unwrap(), None);
    let mut len = 0;
    for count in [1, 2, 7, 40, 1] {
        log.append_batch(len, &entries(len, count, bytes), &[]).unwrap();
        len += count;
        assert_eq!(log.len(), len);
        log.close().unwrap();
        log = open().unwrap();
        assert_eq!(log.len(), len);
    }
    for index in 0..len {
        assert_eq!(
            log.entry(index).unwrap(),
            Some(entry(index, bytes)),
            "entry {index}"
        );
    }
    assert_eq!(log.entry(len).unwrap(), None);
    assert_eq!(log.entry(u64::MAX).unwrap(), None);
}

fn range_obeys_count_and_bytes(open: &Open<'_>, bytes: usize) {
    let mut log = open().unwrap();
    log.append_batch(0, &entries(0, 20, bytes), &[]).unwrap();
    assert_eq!(log.range(3, 4, usize::MAX).unwrap(), entries(3, 4, bytes));
    assert_eq!(log.range(18, 9, usize::MAX).unwrap(), entries(18, 2, bytes));
    assert_eq!(log.range(0, u64::MAX, usize::MAX).unwrap(), entries(0, 20, bytes));
    assert_eq!(log.range(0, 20, 3 * bytes).unwrap(), entries(0, 3, bytes));
    assert_eq!(log.range(0, 20, 3 * bytes - 1).unwrap(), entries(0, 2, bytes));
    assert_eq!(log.range(5, 20, 1).unwrap(), entries(5, 1, bytes));
    assert!(log.range(20, 1, usize::MAX).unwrap().is_empty());
    assert!(log.range(4, 0, usize::MAX).unwrap().is_empty());
}

fn refused_batches_change_nothing(open: &Open<'_>) {
    let mut log = open().unwrap();
    let record = put(b"mark", b"first");
    log.append_batch(0, &entries(0, 3, 600), std::slice::from_ref(&record))
        .unwrap();
    let change = [put(b"mark", b"second")];
    for first_index in [0, 2, 4, u64::MAX] {
        assert_matches!(
            log.append_batch(first_index, &entries(3, 1, 600), &change),
            Err(StoreError::IndexNotNext { expected: 3, got }) if got == first_index
        );
    }
    let long: Arc<[u8]> = vec![1; 65_536].into();
    let empty: Arc<[u8]> = Vec::new().into();
    for bad in [long, empty] {
        assert_matches!(
            log.append_batch(3, &[entry(3, 600), bad], &change),
            Err(StoreError::EntryLength { index: 4, .. })
        );
    }
    assert_matches!(
        log.append_batch(3, &entries(3, BATCH_ENTRIES_MAX as u64 + 1, 10), &change),
        Err(StoreError::BatchTooLarge { .. })
    );
    assert_matches!(
        log.append_batch(3, &entries(3, 300, 65_535), &change),
        Err(StoreError::BatchTooLarge { .. })
    );
    for record in [
        put(b"", b"x"),
        put(&[7; RECORD_KEY_BYTES_MAX + 1], b"x"),
        put(b"k", &vec![0; RECORD_VALUE_BYTES_MAX + 1]),
    ] {
        assert_matches!(
            log.append_batch(3, &entries(3, 1, 600), &[change[0].clone(), record]),
            Err(StoreError::RecordLength { .. })
        );
    }
    drop(log);
    let mut log = open().unwrap();
    assert_eq!(
        (log.len(), log.record(b"mark").unwrap()),
        (3, Some(b"first".to_vec()))
    );
    log.append_batch(3, &entries(3, 1, 600), &change).unwrap();
    assert_eq!(
        (log.len(), log.record(b"mark").unwrap()),
        (4, Some(b"second".to_vec()))
    );
}

fn records_follow_their_batch(open: &Open<'_>) {
    let mut log = open().unwrap();
    let big = vec![5u8; 20_000];
    log.append_batch(
        0,
        &entries(0, 1, 600),
        &[put(b"draft/1", &big), put(b"draft/2", b"b")],
    )
    .unwrap();
    log.append_batch(
        1,
        &[],
        &[put(b"draft/1", b"small"), delete(b"draft/2"), delete(b"never")],
    )
    .unwrap();
    log.append_batch(
        1,
        &entries(1, 2, 600),
        &[
            put(b"draft/3", &big),
            delete(b"draft/3"),
            put(b"draft/4", &big),
            put(b"draft/4", b"last"),
            delete(b"draft/5"),
            put(b"draft/5", b"again"),
        ],
    )
    .unwrap();
    log.close().unwrap();
    let log = open().unwrap();
    assert_eq!(log.len(), 3);
    assert_eq!(
        log.records_with_prefix(b"draft/").unwrap(),
        [
            (b"draft/1".to_vec(), b"small".to_vec()),
            (b"draft/4".to_vec(), b"last".to_vec()),
            (b"draft/5".to_vec(), b"again".to_vec()),
        ]
    );
    assert_eq!(log.record(b"draft/2").unwrap(), None);
    assert_eq!(log.record(b"draft").unwrap(), None);
}

fn records_of_every_length_and_key_come_back(open: &Open<'_>) {
    let mut log = open().unwrap();
    let keys: [&[u8]; 8] = [
        b"\0",
        b"\0\0",
        b"a",
        b"a\0",
        b"a\0\0b",
        b"a\0\xff",
        b"a\xff",
        &[0; RECORD_KEY_BYTES_MAX],
    ];
    let lengths = [0, 1, 6_132, 6_133, 6_134, 12_266, 12_267, RECORD_VALUE_BYTES_MAX];
    let mut expected: Vec<_> = keys
        .iter()
        .zip(lengths)
        .map(|(key, length)| (key.to_vec(), entry(9, length.max(8))[..length].to_vec()))
        .collect();
    let puts: Vec<_> = expected.iter().map(|(key, value)| put(key, value)).collect();
    log.append_batch(0, &[], &puts).unwrap();
    log.close().unwrap();
    let log = open().unwrap();
    for (key, value) in &expected {
        assert_eq!(log.record(key).unwrap().as_ref(), Some(value));
    }
    expected.sort();
    assert_eq!(log.records_with_prefix(b"").unwrap(), expected);
    let with_prefix: Vec<_> = log
        .records_with_prefix(b"a\0")
        .unwrap()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(
        with_prefix,
        [b"a\0".to_vec(), b"a\0\0b".to_vec(), b"a\0\xff".to_vec()]
    );
}
