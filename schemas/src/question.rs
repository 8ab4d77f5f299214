//! What nodes ask each other on the bus, and the answers. Spec: `schemas/spec/frame.md`, "Questions".
//!
//! Answers vouch for nothing: frames are checked like any others, a part against its commitment. Keeps I10 and I11.

use crate::codec;
use crate::error::FormatError;
use crate::id::Origin;
use crate::limits::{BATCH_MAX, FORK_BYTES_MAX, FRAME_BYTES_MAX};
use crate::token::TOKEN_BYTES_MAX;

/// The version byte of questions and answers.
pub const QUESTION_VERSION: u8 = 1;
/// The longest question in bytes: a part request and what stands around it.
pub const QUESTION_BYTES_MAX: usize = TOKEN_BYTES_MAX + 1_024;
/// The longest answer in bytes: one full frame, below the 256 KiB of one message on the bus.
pub const ANSWER_BYTES_MAX: usize = FRAME_BYTES_MAX + 4_096;
/// How many bytes of a part go into one answer.
pub const PART_SLICE_BYTES: usize = 128 * 1024;

/// A question to a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    /// Entries of a log from a position on; also answered when there are none, with the head held.
    Range {
        /// The log.
        origin: Origin,
        /// The first entry wanted.
        start: u64,
    },
    /// The newest heads of all logs held.
    Heads,
    /// A slice of a detached part.
    Part {
        /// The note of a signed part request.
        request: Vec<u8>,
        /// Where the slice starts in the content.
        offset: u64,
    },
    /// The evidence that a log forked.
    Fork {
        /// The log.
        origin: Origin,
    },
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug, bincode::Encode, bincode::Decode)]
pub enum Answer {
    /// Encoded frames.
    Frames(Vec<Vec<u8>>),
    /// A slice of a part.
    Part {
        /// The salt.
        salt: [u8; 32],
        /// The length of the whole content.
        length: u64,
        /// The slice.
        slice: Vec<u8>,
    },
    /// Nothing to give, or not to this asker.
    Nothing,
    /// The evidence of a fork (`schemas/spec/fork.md`).
    Evidence(Vec<u8>),
}

#[derive(bincode::Encode, bincode::Decode)]
enum Wire {
    Range { origin: String, start: u64 },
    Heads,
    Part { request: Vec<u8>, offset: u64 },
    Fork { origin: String },
}

impl Question {
    /// Writes the bytes.
    ///
    /// # Errors
    /// A question over its limit.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let wire = match self {
            Self::Range { origin, start } => Wire::Range {
                origin: origin.to_string(),
                start: *start,
            },
            Self::Heads => Wire::Heads,
            Self::Part { request, offset } => Wire::Part {
                request: request.clone(),
                offset: *offset,
            },
            Self::Fork { origin } => Wire::Fork {
                origin: origin.to_string(),
            },
        };
        let bytes = codec::encode("question", QUESTION_VERSION, &wire)?;
        FormatError::at_most("question", bytes.len(), QUESTION_BYTES_MAX)?;
        Ok(bytes)
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// Any bytes but the one form of a question within its limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let wire: Wire = codec::decode::<Wire, QUESTION_BYTES_MAX>("question", QUESTION_VERSION, bytes)?;
        Ok(match wire {
            Wire::Range { origin, start } => Self::Range {
                origin: Origin::parse(&origin)?,
                start,
            },
            Wire::Heads => Self::Heads,
            Wire::Part { request, offset } => Self::Part { request, offset },
            Wire::Fork { origin } => Self::Fork {
                origin: Origin::parse(&origin)?,
            },
        })
    }
}

impl Answer {
    /// Writes the bytes.
    ///
    /// # Errors
    /// An answer over its limits.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let bytes = codec::encode("answer", QUESTION_VERSION, self)?;
        FormatError::at_most("answer", bytes.len(), ANSWER_BYTES_MAX)?;
        Ok(bytes)
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// Any bytes but the one form of an answer within its limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        FormatError::at_most("answer", bytes.len(), ANSWER_BYTES_MAX)?;
        // The limit of the codec counts what lists take in memory: a list header for each of the frames.
        const DECODED_BYTES_MAX: usize = 2 * ANSWER_BYTES_MAX;
        let answer: Self = codec::decode::<Self, DECODED_BYTES_MAX>("answer", QUESTION_VERSION, bytes)?;
        match &answer {
            Self::Frames(frames) if frames.len() > BATCH_MAX => Err(FormatError::TooMany {
                what: "frames of an answer",
                got: frames.len() as u64,
                limit: BATCH_MAX as u64,
            }),
            Self::Part { slice, .. } => {
                FormatError::at_most("slice of a part", slice.len(), PART_SLICE_BYTES)?;
                Ok(answer)
            }
            Self::Evidence(bytes) => {
                FormatError::at_most("evidence of a fork", bytes.len(), FORK_BYTES_MAX)?;
                Ok(answer)
            }
            _ => Ok(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use proptest::prelude::*;

    fn questions() -> Vec<Question> {
        vec![
            Question::Range {
                origin: Origin::parse("xian-0123456789abcdef/housing/1").unwrap(),
                start: 7,
            },
            Question::Heads,
            Question::Part {
                request: vec![1; 900],
                offset: 1 << 20,
            },
            Question::Fork {
                origin: Origin::parse("xian-0123456789abcdef/housing/1").unwrap(),
            },
        ]
    }

    fn answers() -> Vec<Answer> {
        vec![
            Answer::Frames(vec![vec![1; 300], Vec::new()]),
            Answer::Part {
                salt: [3; 32],
                length: 1 << 20,
                slice: vec![9; PART_SLICE_BYTES],
            },
            Answer::Nothing,
            Answer::Evidence(vec![b'x'; FORK_BYTES_MAX]),
        ]
    }

    #[test]
    fn both_read_what_they_write() {
        for question in questions() {
            assert_eq!(Question::decode(&question.encode().unwrap()), Ok(question));
        }
        for answer in answers() {
            assert_eq!(Answer::decode(&answer.encode().unwrap()), Ok(answer));
        }
    }

    #[test]
    fn refuses_over_each_limit() {
        let long = Question::Part {
            request: vec![0; QUESTION_BYTES_MAX],
            offset: 0,
        };
        assert_matches!(long.encode(), Err(FormatError::TooLong { .. }));
        let slice = Answer::Part {
            salt: [0; 32],
            length: 1,
            slice: vec![0; PART_SLICE_BYTES + 1],
        };
        assert_matches!(
            Answer::decode(&slice.encode().unwrap()),
            Err(FormatError::TooLong { .. })
        );
        let many = Answer::Frames(vec![Vec::new(); BATCH_MAX + 1]);
        assert_matches!(
            Answer::decode(&many.encode().unwrap()),
            Err(FormatError::TooMany { .. })
        );
        let large = Answer::Frames(vec![vec![0; ANSWER_BYTES_MAX]]);
        assert_matches!(large.encode(), Err(FormatError::TooLong { .. }));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..80)) {
            let bytes = [vec![QUESTION_VERSION], tail].concat();
            if let Ok(read) = Question::decode(&bytes) {
                prop_assert_eq!(read.encode().unwrap(), bytes.clone());
            }
            if let Ok(read) = Answer::decode(&bytes) {
                prop_assert_eq!(read.encode().unwrap(), bytes);
            }
        }
    }
}
