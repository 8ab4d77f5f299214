//! The decoders, each with the law it must keep and the vectors it begins with.
//!
//! A target panics where the law fails: what a decoder accepts it must encode to the same bytes. A new format gets a line here.

use tally_schemas::calendar::Calendar;
use tally_schemas::checkpoint::Checkpoint;
use tally_schemas::entry::{Entry, PayloadKind};
use tally_schemas::epoch::Opening;
use tally_schemas::event::{Event, personal};
use tally_schemas::confirmation::Confirmations;
use tally_schemas::fork::ForkEvidence;
use tally_schemas::frame::Frame;
use tally_schemas::genesis::Genesis;
use tally_schemas::governance::Governance;
use tally_schemas::id::{Hash, Origin};
use tally_schemas::json::Json;
use tally_schemas::key_file::KeyFile;
use tally_schemas::limits::NOTE_BYTES_MAX;
use tally_schemas::lock::{LockFile, LockSlot};
use tally_schemas::note::{Note, SignatureLine, VerifierKeyText};
use tally_schemas::number::CaseNumber;
use tally_schemas::profile::Profile;
use tally_schemas::proof::TlogProof;
use tally_schemas::snapshot::{
    BriefState, CaseRow, ChunkRow, SnapshotHead, decode_block, decode_index, decode_row, encode_block,
    encode_index, encode_row,
};
use tally_schemas::statement::Statement;
use tally_schemas::tile::{ExportPath, encode_bundle, encode_tile, parse_bundle, parse_tile};
use tally_schemas::time::{Date, Timestamp};
use tally_schemas::token::{PartRequest, Token};

/// A decoder to try.
pub struct Target {
    /// The name on the command line and of the corpus folder.
    pub name: &'static str,
    /// Folders under `schemas/` whose files it begins with.
    pub seeds: &'static [&'static str],
    /// Bytes that may be held besides those that go with the length of the input.
    pub memory_beside: usize,
    /// Decodes; panics where the law fails; says whether anything was accepted.
    pub run: fn(&[u8]) -> bool,
}

const DECODER_MEMORY: usize = 1 << 20;

/// Every decoder.
pub const DECODERS: &[Target] = &[
    Target {
        name: "json",
        seeds: &["vectors/json", "vectors/event"],
        memory_beside: DECODER_MEMORY,
        run: json,
    },
    Target {
        name: "note",
        seeds: &["vectors/note", "vectors/event"],
        memory_beside: DECODER_MEMORY,
        run: note,
    },
    Target {
        name: "event",
        seeds: &["vectors/event"],
        memory_beside: DECODER_MEMORY,
        run: event,
    },
    Target {
        name: "statement",
        seeds: &["vectors/statement"],
        memory_beside: DECODER_MEMORY,
        run: statement,
    },
    Target {
        name: "entry",
        seeds: &["vectors/entry"],
        memory_beside: DECODER_MEMORY,
        run: entry,
    },
    Target {
        name: "genesis",
        seeds: &["vectors/genesis"],
        memory_beside: DECODER_MEMORY,
        run: genesis,
    },
    Target {
        name: "governance",
        seeds: &["vectors/governance"],
        memory_beside: DECODER_MEMORY,
        run: governance,
    },
    Target {
        name: "epoch",
        seeds: &["vectors/epoch"],
        memory_beside: DECODER_MEMORY,
        run: epoch,
    },
    Target {
        name: "checkpoint",
        seeds: &["vectors/checkpoint"],
        memory_beside: DECODER_MEMORY,
        run: checkpoint,
    },
    Target {
        name: "proof",
        seeds: &["vectors/proof"],
        memory_beside: DECODER_MEMORY,
        run: proof,
    },
    Target {
        name: "confirmations",
        seeds: &["vectors/confirmation"],
        memory_beside: DECODER_MEMORY,
        run: confirmations,
    },
    Target {
        name: "fork",
        seeds: &["vectors/fork"],
        memory_beside: DECODER_MEMORY,
        run: fork,
    },
    Target {
        name: "tile",
        seeds: &["vectors/tiles"],
        memory_beside: DECODER_MEMORY,
        run: tile,
    },
    Target {
        name: "bundle",
        seeds: &["vectors/tiles"],
        memory_beside: DECODER_MEMORY,
        run: bundle,
    },
    Target {
        name: "frame",
        seeds: &["vectors/frame"],
        memory_beside: DECODER_MEMORY,
        run: frame,
    },
    Target {
        name: "lock",
        seeds: &["vectors/lock"],
        memory_beside: DECODER_MEMORY,
        run: lock,
    },
    Target {
        name: "snapshot",
        seeds: &["vectors/snapshot"],
        memory_beside: DECODER_MEMORY,
        run: snapshot,
    },
    Target {
        name: "key-file",
        seeds: &[],
        memory_beside: DECODER_MEMORY,
        run: key_file,
    },
    Target {
        name: "profile",
        seeds: &["profiles"],
        memory_beside: DECODER_MEMORY,
        run: profile,
    },
    Target {
        name: "calendar",
        seeds: &["profiles/calendars"],
        memory_beside: DECODER_MEMORY,
        run: calendar,
    },
    Target {
        name: "token",
        seeds: &[],
        memory_beside: DECODER_MEMORY,
        run: token,
    },
    Target {
        name: "words",
        seeds: &[],
        memory_beside: DECODER_MEMORY,
        run: words,
    },
];

fn json(bytes: &[u8]) -> bool {
    let lenient = Json::parse_lenient(bytes);
    if let Ok(value) = &lenient {
        assert_eq!(value.validate(), Ok(()));
        let text = value.to_canonical();
        assert_eq!(Json::parse(text.as_bytes()).as_ref(), Ok(value));
    }
    let strict = Json::parse(bytes);
    if let Ok(value) = &strict {
        assert_eq!(value.to_canonical().as_bytes(), bytes);
        assert_eq!(lenient.as_ref(), Ok(value));
    }
    lenient.is_ok()
}

fn note(bytes: &[u8]) -> bool {
    let Ok(note) = Note::parse(bytes, NOTE_BYTES_MAX) else {
        return false;
    };
    assert_eq!(note.to_bytes(), bytes);
    true
}

/// Takes bytes as a note when they are one, else as the text of one.
fn with_text(bytes: &[u8], run: impl Fn(&str) -> bool) -> bool {
    match Note::parse(bytes, NOTE_BYTES_MAX) {
        Ok(note) => run(&note.text),
        Err(_) => std::str::from_utf8(bytes).is_ok_and(run),
    }
}

fn event(bytes: &[u8]) -> bool {
    with_text(bytes, |text| {
        let Ok(event) = Event::parse_text(text) else {
            return false;
        };
        assert_eq!(event.to_text(), text);
        assert!(event.commitments().len() >= event.attachments.len());
        drop((event.texts(), personal::find_in_event(&event)));
        true
    })
}

fn statement(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        let Ok(statement) = Statement::parse_text(text) else {
            return false;
        };
        assert_eq!(statement.to_text(), text);
        true
    })
}

fn entry(bytes: &[u8]) -> bool {
    let Ok(entry) = Entry::parse(bytes) else {
        return false;
    };
    assert_eq!(entry.to_bytes(), bytes);
    match PayloadKind::of(&entry.payload) {
        PayloadKind::Event => drop(event(entry.payload.as_bytes())),
        PayloadKind::Statement => drop(statement(entry.payload.as_bytes())),
        PayloadKind::Governance => drop(governance(entry.payload.as_bytes())),
        PayloadKind::Epoch => drop(epoch(entry.payload.as_bytes())),
        PayloadKind::Unknown => {}
    }
    true
}

fn genesis(bytes: &[u8]) -> bool {
    with_text(bytes, |text| {
        let Ok(genesis) = Genesis::parse_text(text) else {
            return false;
        };
        assert_eq!(genesis.to_text(), text);
        for json in &genesis.profiles {
            drop(Profile::from_json(json));
        }
        for json in &genesis.calendars {
            drop(Calendar::from_json(json));
        }
        true
    })
}

fn governance(bytes: &[u8]) -> bool {
    with_text(bytes, |text| {
        let Ok(governance) = Governance::parse_text(text) else {
            return false;
        };
        assert_eq!(governance.to_text(), text);
        true
    })
}

fn epoch(bytes: &[u8]) -> bool {
    with_text(bytes, |text| {
        let Ok(opening) = Opening::parse_text(text) else {
            return false;
        };
        assert_eq!(opening.to_text(), text);
        true
    })
}

fn checkpoint(bytes: &[u8]) -> bool {
    with_text(bytes, |text| {
        let Ok(checkpoint) = Checkpoint::parse(text) else {
            return false;
        };
        assert_eq!(checkpoint.to_string(), text);
        true
    })
}

fn proof(bytes: &[u8]) -> bool {
    let Ok(proof) = TlogProof::parse(bytes) else {
        return false;
    };
    assert_eq!(proof.to_string().as_bytes(), bytes);
    true
}

fn confirmations(bytes: &[u8]) -> bool {
    let Ok(file) = Confirmations::parse(bytes) else {
        return false;
    };
    assert_eq!(file.to_bytes(), bytes);
    true
}

fn fork(bytes: &[u8]) -> bool {
    let Ok(evidence) = ForkEvidence::parse(bytes) else {
        return false;
    };
    assert_eq!(evidence.to_bytes(), bytes);
    true
}

fn tile(bytes: &[u8]) -> bool {
    let path = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| ExportPath::parse(text).ok());
    if let Some(path) = &path {
        assert_eq!(path.to_string().as_bytes(), bytes);
    }
    let width = u16::try_from(bytes.len() / 32).unwrap_or(u16::MAX);
    match parse_tile(bytes, width) {
        Ok(hashes) => {
            assert_eq!(encode_tile(&hashes), bytes);
            true
        }
        Err(_) => path.is_some(),
    }
}

/// The first byte says how many entries are expected, less one.
fn bundle(bytes: &[u8]) -> bool {
    let Some((first, rest)) = bytes.split_first() else {
        return false;
    };
    let mut accepted = false;
    for (width, bytes) in [
        (u16::from(*first) + 1, rest),
        (1, bytes),
        (2, bytes),
        (256, bytes),
    ] {
        if let Ok(entries) = parse_bundle(bytes, width) {
            assert_eq!(entries.len(), usize::from(width));
            assert_eq!(encode_bundle(&entries).as_deref(), Ok(bytes));
            accepted = true;
        }
    }
    accepted
}

fn frame(bytes: &[u8]) -> bool {
    let Ok(frame) = Frame::decode(bytes) else {
        return false;
    };
    assert_eq!(frame.encode().as_deref(), Ok(bytes));
    true
}

/// With a checksum that is always zero, so that changes reach what stands behind it.
/// Heads, blocks, indexes and rows of a snapshot. The checksum of a head is that of any bytes: mutations should come behind it.
fn snapshot(bytes: &[u8]) -> bool {
    let none = |_: &[u8]| Hash::default();
    let mut accepted = false;
    let mut head = bytes.to_vec();
    if let Some(sum) = head.last_chunk_mut::<32>() {
        *sum = [0; 32];
    }
    if let Ok(read) = SnapshotHead::decode(&head, none) {
        assert_eq!(read.encode(none).as_ref(), Ok(&head));
        accepted = true;
    }
    if let Ok(rows) = decode_block(bytes) {
        assert_eq!(encode_block(&rows).as_deref(), Ok(bytes));
        for value in rows.iter().filter_map(|row| row.value.as_deref()) {
            snapshot_row(value);
        }
        accepted = true;
    }
    if let Ok(index) = decode_index(bytes) {
        assert_eq!(encode_index(&index).as_deref(), Ok(bytes));
        accepted = true;
    }
    snapshot_row(bytes) || accepted
}

fn snapshot_row(bytes: &[u8]) -> bool {
    let case = decode_row::<CaseRow>(bytes).map(|row| encode_row(&row));
    let chunk = decode_row::<ChunkRow>(bytes).map(|row| encode_row(&row));
    let brief = decode_row::<BriefState>(bytes).map(|row| encode_row(&row));
    let read: Vec<_> = [case, chunk, brief].into_iter().flatten().collect();
    for again in &read {
        assert_eq!(again.as_deref(), Ok(bytes));
    }
    !read.is_empty()
}

fn lock(bytes: &[u8]) -> bool {
    let zero = |_: &[u8]| Hash([0; 32]);
    drop(LockFile::parse(bytes, zero));
    let mut accepted = LockFile::parse(bytes, |_| Hash([7; 32])).is_ok();
    for start in [0, 4_096] {
        let Some(slot) = bytes.get(start..start + 128) else {
            continue;
        };
        let mut slot = slot.to_vec();
        slot[96..].fill(0);
        if let Ok(read) = LockSlot::parse(&slot, zero) {
            assert_eq!(read.to_bytes(zero).as_slice(), slot);
            accepted = true;
        }
    }
    accepted
}

fn key_file(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        let Ok(file) = KeyFile::parse_text(text) else {
            return false;
        };
        assert_eq!(file.to_text(), text);
        true
    })
}

fn profile(bytes: &[u8]) -> bool {
    let Ok(profile) = Json::parse_lenient(bytes).and_then(|json| Profile::from_json(&json)) else {
        return false;
    };
    assert_eq!(Profile::from_json(&profile.to_json()), Ok(profile));
    true
}

fn calendar(bytes: &[u8]) -> bool {
    let Ok(calendar) = Json::parse_lenient(bytes).and_then(|json| Calendar::from_json(&json)) else {
        return false;
    };
    assert_eq!(Calendar::from_json(&calendar.to_json()), Ok(calendar));
    true
}

fn token(bytes: &[u8]) -> bool {
    with_text(bytes, |text| {
        let token = Token::parse_text(text).map(|token| token.to_string());
        let request = PartRequest::parse_text(text).map(|request| request.to_string());
        let accepted = token.or(request);
        if let Ok(printed) = &accepted {
            assert_eq!(printed, text);
        }
        accepted.is_ok()
    })
}

/// The small forms, each on one line.
fn words(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut accepted = false;
    let mut same = |printed: Option<String>, read: &str| {
        if let Some(printed) = printed {
            assert_eq!(printed, read);
            accepted = true;
        }
    };
    for line in text.split('\n') {
        same(Origin::parse(line).ok().map(|origin| origin.to_string()), line);
        same(Timestamp::parse(line).ok().map(|stamp| stamp.to_string()), line);
        same(Date::parse(line).ok().map(|date| date.to_string()), line);
        same(
            CaseNumber::parse(line).ok().map(|number| number.to_string()),
            line,
        );
        same(SignatureLine::parse(line).ok().map(|line| line.to_string()), line);
        same(VerifierKeyText::parse(line).ok().map(|key| key.to_string()), line);
        same(Hash::parse_base64(line).ok().map(|hash| hash.to_base64()), line);
        let chars = line.chars().count();
        for span in personal::find_in_text(line) {
            assert!(span.start + span.chars <= chars);
        }
    }
    accepted
}
