//! Drafts: how an officer's words become an event, by flags, by guided prompts or by a form file.
//!
//! All three fill the same [`form::Form`] by the declared field table of the kind; [`assemble`] makes the event and its
//! detached parts of it. Nothing here knows a rule of a case: what may be done is the node's to say.

pub mod assemble;
pub mod form;
pub mod prompt;
pub mod value;
