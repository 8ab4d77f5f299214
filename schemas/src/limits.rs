//! Every maximum of the formats, each with its reason.

/// The longest entry in bytes: a tlog-tiles bundle gives each entry a 16-bit length.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// The longest entry header in bytes, so that 16 named heads fit and an event note keeps 61,439 bytes.
pub const ENTRY_HEADER_BYTES_MAX: usize = 4_096;
/// The longest event note in bytes: what an entry leaves beside its header.
pub const EVENT_NOTE_BYTES_MAX: usize = ENTRY_BYTES_MAX - ENTRY_HEADER_BYTES_MAX;
/// The most heads one entry header names; further ones go into `heads` statements before it.
pub const HEADS_PER_ENTRY_MAX: usize = 16;
/// The most signature lines of an event: drafter, approver, and room for joint acts.
pub const EVENT_SIGNERS_MAX: usize = 4;
/// The most signature lines of any note: what the Go and Rust implementations of signed notes accept.
pub const NOTE_SIGNATURES_MAX: usize = 100;
/// The longest note in bytes that is parsed at all (same cap as the `signed_note` crate).
pub const NOTE_BYTES_MAX: usize = 1_000_000;
/// The longest key name of a note in bytes: what tlog-cosignature can name.
pub const KEY_NAME_BYTES_MAX: usize = 255;
/// The longest checkpoint note in bytes: text of three short lines and at most 100 signature lines.
pub const CHECKPOINT_BYTES_MAX: usize = 32_768;
/// The most hashes in an inclusion or consistency proof: one per bit of a 63-bit tree size, and one more.
pub const PROOF_HASHES_MAX: usize = 64;
/// The longest tlog-proof file in bytes.
pub const PROOF_BYTES_MAX: usize = 65_536;
/// The longest evidence of a fork in bytes: two checkpoints, escaped as JSON, and their proofs.
pub const FORK_BYTES_MAX: usize = 4 * CHECKPOINT_BYTES_MAX;
/// The most consistency proofs in a row of one branch: from the size to what is held, and from there to what was signed.
pub const FORK_STEPS_MAX: usize = 2;
/// The most confirmations in a file: more say little more, and each may be long.
pub const CONFIRMATIONS_MAX: usize = 16;
/// The most entries of third logs between what a node signed and the entry that it confirms.
pub const CONFIRMATION_STEPS_MAX: usize = 8;
/// The longest file of confirmations in bytes: 60 of the longest entries, or many more of the usual ones, escaped as JSON.
pub const CONFIRMATIONS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest entry bundle in bytes: 256 of the longest entries, each with its length.
pub const BUNDLE_BYTES_MAX: usize = 256 * (2 + ENTRY_BYTES_MAX);
/// The deepest nesting of arrays and objects in canonical JSON; no format of ours needs more.
pub const JSON_DEPTH_MAX: usize = 8;
/// The largest absolute integer in canonical JSON: what every IEEE-754 reader keeps exactly.
pub const JSON_INTEGER_MAX: i64 = (1 << 53) - 1;
/// The longest replication frame in bytes: below the 256 KiB `max_payload` of the NATS configuration.
pub const FRAME_BYTES_MAX: usize = 196_608;
/// The longest head of a snapshot in bytes: governance notes, and per log its right edge and what it names.
pub const SNAPSHOT_HEAD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The longest block of rows of a snapshot in bytes: the row of the largest case, many times over.
pub const SNAPSHOT_BLOCK_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest index of a table of a snapshot in bytes: some twenty million rows.
pub const SNAPSHOT_INDEX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The longest key of a row of a snapshot in bytes.
pub const SNAPSHOT_KEY_BYTES_MAX: usize = 128;
/// The longest genesis note in bytes: it holds profiles and calendars inline.
pub const GENESIS_BYTES_MAX: usize = NOTE_BYTES_MAX;
/// The longest governance note in bytes: it must fit an entry.
pub const GOVERNANCE_NOTE_BYTES_MAX: usize = EVENT_NOTE_BYTES_MAX;
/// The longest opening of an epoch in bytes: it must fit an entry.
pub const EPOCH_NOTE_BYTES_MAX: usize = EVENT_NOTE_BYTES_MAX;
/// The longest reason of an opening in characters: a few sentences for those who read it years later.
pub const EPOCH_REASON_CHARS_MAX: u16 = 500;
/// The longest department, node, officer or post id in characters.
pub const ID_CHARS_MAX: usize = 40;
/// The longest federation name in characters (the id adds `-` and 16 hex digits).
pub const FEDERATION_NAME_CHARS_MAX: usize = 40;
/// The most `after` ids in one event.
pub const AFTER_MAX: usize = 16;
/// The most departments an event addresses or names as its audience.
pub const DEPARTMENTS_PER_EVENT_MAX: usize = 64;
/// The most attachments of one event.
pub const ATTACHMENTS_MAX: usize = 16;
/// The longest detached text or attachment in bytes.
pub const PART_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The longest inline text field in bytes (UTF-8).
pub const INLINE_TEXT_BYTES_MAX: usize = 16_384;
/// The most data items of one case (each has its own state machine).
pub const ITEMS_PER_CASE_MAX: usize = 256;
/// The most events opened, approved or submitted in one call.
pub const BATCH_MAX: usize = 1_024;
/// The longest key file in bytes: a sealed seed is about 300, the rest a name.
pub const KEY_FILE_BYTES_MAX: usize = 4_096;
/// The most day ranges of one calendar: some fifteen a year over two centuries.
pub const CALENDAR_RANGES_MAX: usize = 4_096;
/// The longest range of a calendar in days: the longest holiday known is a fortnight.
pub const CALENDAR_RANGE_DAYS_MAX: i32 = 31;
/// The most named holidays of one calendar.
pub const CALENDAR_HOLIDAYS_MAX: usize = 64;
/// The most years with notices that one calendar lists.
pub const CALENDAR_YEARS_MAX: usize = 256;
/// The most notices of one year: the yearly one and its changes.
pub const NOTICES_PER_YEAR_MAX: usize = 8;
/// The largest amount of a clock or an extension, in the days it counts: over a year of working days.
pub const CLOCK_DAYS_MAX: u32 = 400;
/// The most refusal grounds, violation codes or approvals of one profile.
pub const PROFILE_CODES_MAX: usize = 256;
/// The most steps of an escalation ladder.
pub const LADDER_STEPS_MAX: usize = 16;
