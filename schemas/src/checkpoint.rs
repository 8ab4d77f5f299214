//! The C2SP checkpoint: the text in which a log states its size and root.
//!
//! Text only: `tally-ledger` signs it and decides which head may follow which. Extension lines are refused: nobody audits
//! them. Spec: schemas/spec/checkpoint.md. Keeps I11.

use crate::error::FormatError;
use crate::id::{Hash, Origin, TreeHead, parse_decimal};
use std::fmt;

/// What a log signs: which log it is, how many entries it has, and the root over them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Checkpoint {
    /// The log.
    pub origin: Origin,
    /// Its size and root.
    pub head: TreeHead,
}

impl Checkpoint {
    /// Parses the text of a checkpoint note: exactly three lines.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let lines = text
            .strip_suffix('\n')
            .ok_or_else(|| FormatError::malformed(WHAT, "the last line does not end"))?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(FormatError::malformed(
                WHAT,
                "expected the lines origin, size and root",
            ));
        };
        if lines.next().is_some() {
            return Err(FormatError::malformed(WHAT, "extension lines are not accepted"));
        }
        Ok(Self {
            origin: Origin::parse(origin)?,
            head: TreeHead {
                size: parse_decimal("size of a checkpoint", size)?,
                root: Hash::parse_base64(root)?,
            },
        })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{}\n{}\n{}",
            self.origin,
            self.head.size,
            self.head.root.to_base64()
        )
    }
}

const WHAT: &str = "checkpoint";

#[cfg(test)]
mod tests {
    use super::*;
    use assert_matches::assert_matches;
    use proptest::prelude::*;

    const GOOD: &str = "xian-0123456789abcdef/housing/1\n600\n34v1UcgJEp+ldL5PthX1xs1gY1/j/gDgwedv7LdmL2I=\n";

    #[test]
    fn prints_what_it_parses() {
        let checkpoint = Checkpoint::parse(GOOD).unwrap();
        assert_eq!(checkpoint.head.size, 600);
        assert_eq!(checkpoint.to_string(), GOOD);
    }

    #[test]
    fn refuses_every_other_text() {
        let lines: Vec<&str> = GOOD.lines().collect();
        for text in [
            GOOD.trim_end().to_owned(),
            format!("{GOOD}\n"),
            format!("{GOOD}extension\n"),
            format!("\n{GOOD}"),
            GOOD.replace("600", "0600"),
            GOOD.replace("600", "+600"),
            GOOD.replace("600", "9223372036854775808"),
            GOOD.replace("600", ""),
            GOOD.replace("2I=", "2J="),
            GOOD.replace("2I=", "2I"),
            GOOD.replace("/1\n", "\n"),
            format!("{}\n{}\n", lines[0], lines[1]),
            String::new(),
        ] {
            assert_matches!(Checkpoint::parse(&text), Err(_), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_character_is_refused_or_prints_back(place in 0..GOOD.len(), character in " -~|\n") {
            let mut text = GOOD.to_owned();
            text.replace_range(place..=place, &character);
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.to_string(), text);
            }
        }
    }
}
