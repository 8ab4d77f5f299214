//! Why bytes were not accepted.

/// The reason a decoder refused its input: names the thing, what was found and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The input is longer than the format allows; checked before anything is allocated.
    #[error("{what} is {got} bytes, the limit is {limit}")]
    TooLong {
        /// What was too long.
        what: &'static str,
        /// The length found.
        got: u64,
        /// The largest length accepted.
        limit: u64,
    },
    /// The input holds more elements than the format allows.
    #[error("{what} has {got} elements, the limit is {limit}")]
    TooMany {
        /// What has too many elements.
        what: &'static str,
        /// The count found.
        got: u64,
        /// The largest count accepted.
        limit: u64,
    },
    /// The version line or byte is not one this software reads.
    #[error("{what} has the unknown version {got}")]
    UnknownVersion {
        /// Which format.
        what: &'static str,
        /// The version found, shortened for display.
        got: String,
    },
    /// The bytes are a value of the format, but not in its one accepted form.
    #[error("{what} is not in canonical form: {why}")]
    NotCanonical {
        /// Which format.
        what: &'static str,
        /// What differs.
        why: String,
    },
    /// The bytes are no value of the format.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// Which format.
        what: &'static str,
        /// What was wrong, with the place where it is known.
        why: String,
    },
    /// A field is missing, unknown, or has the wrong type or value.
    #[error("field {field} of {what}: {why}")]
    Field {
        /// Which object.
        what: String,
        /// The path of the field.
        field: String,
        /// What was wrong.
        why: String,
    },
}

impl FormatError {
    /// Builds a [`FormatError::Malformed`].
    pub fn malformed(what: &'static str, why: impl Into<String>) -> Self {
        Self::Malformed {
            what,
            why: why.into(),
        }
    }

    /// Checks a length in bytes against its limit.
    ///
    /// # Errors
    /// [`FormatError::TooLong`] over it.
    pub fn at_most(what: &'static str, got: usize, limit: usize) -> Result<(), Self> {
        if got <= limit {
            return Ok(());
        }
        Err(Self::TooLong {
            what,
            got: got as u64,
            limit: limit as u64,
        })
    }

    /// Builds a [`FormatError::NotCanonical`].
    pub fn not_canonical(what: &'static str, why: impl Into<String>) -> Self {
        Self::NotCanonical {
            what,
            why: why.into(),
        }
    }

    /// Builds a [`FormatError::Field`].
    pub fn field(what: impl Into<String>, field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Field {
            what: what.into(),
            field: field.into(),
            why: why.into(),
        }
    }
}
