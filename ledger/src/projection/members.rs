//! Members that the JSON forms of views share.

use crate::cases::Stage;
use std::collections::BTreeMap;
use tally_schemas::id::CaseId;
use tally_schemas::json::Json;

/// Makes a text value.
pub(super) fn text(value: &str) -> Json {
    Json::Text(value.to_owned())
}

/// Adds a text member if there is a value.
pub(super) fn opt_text(members: &mut BTreeMap<String, Json>, name: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        members.insert(name.to_owned(), Json::Text(value.to_string()));
    }
}

/// Starts an object with the members that name a case.
pub(super) fn case_head(case: CaseId, number: Option<&str>, stage: Stage) -> BTreeMap<String, Json> {
    let mut members = BTreeMap::from([
        ("case".to_owned(), text(&case.to_string())),
        ("stage".to_owned(), text(stage.as_str())),
    ]);
    opt_text(&mut members, "number", number);
    members
}
