//! The command `tally` against a real trial: two nodes in one process of the real program, officers with their own keys and settings.

mod chinese;
mod drafts;
mod evidence;
mod governance;
mod parts;
mod recovery;
mod roster;
mod transcripts;
mod trial;
