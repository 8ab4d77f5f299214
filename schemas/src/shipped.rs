//! The profiles and calendars that come with the program, verbatim.
//!
//! They count only where a genesis or a governance act adopts them.

/// A document shipped with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// The id that the document states.
    pub id: &'static str,
    /// The document, as a person wrote it; read it with [`crate::json::Json::parse_lenient`].
    pub text: &'static str,
}

/// The profiles.
pub const PROFILES: &[Shipped] = &[
    Shipped {
        id: "cn-809",
        text: include_str!("../profiles/cn-809.json"),
    },
    Shipped {
        id: "cn-local-example",
        text: include_str!("../profiles/cn-local-example.json"),
    },
    Shipped {
        id: "generic-30d",
        text: include_str!("../profiles/generic-30d.json"),
    },
];

/// The calendars.
pub const CALENDARS: &[Shipped] = &[
    Shipped {
        id: "cn-national",
        text: include_str!("../profiles/calendars/cn-national.json"),
    },
    Shipped {
        id: "cn-guangxi-example",
        text: include_str!("../profiles/calendars/cn-guangxi-example.json"),
    },
    Shipped {
        id: "weekdays",
        text: include_str!("../profiles/calendars/weekdays.json"),
    },
];

/// Returns the text of a shipped profile.
pub fn profile_text(id: &str) -> Option<&'static str> {
    PROFILES
        .iter()
        .find(|shipped| shipped.id == id)
        .map(|shipped| shipped.text)
}

/// Returns the text of a shipped calendar.
pub fn calendar_text(id: &str) -> Option<&'static str> {
    CALENDARS
        .iter()
        .find(|shipped| shipped.id == id)
        .map(|shipped| shipped.text)
}
