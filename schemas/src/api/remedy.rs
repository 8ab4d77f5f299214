//! What to do about each refusal: one English sentence per code, which the node adds to every answer that is not 2xx.
//!
//! The client says the same in the reader's language; a test of the client holds the two lists together.

/// What to do about a reason that has no sentence of its own: a rule of the law that a new act would break.
pub const LAW_REMEDY: &str = "change the act so that it keeps the rule, or choose one of the acts possible now; what happened on paper \
     is recorded with source paper and marked, not refused";

/// The codes with their remedies, sorted by code.
pub const REMEDIES: &[(&str, &str)] = &[
    (
        "actor",
        "see in the case who may act now, and ask that department",
    ),
    ("after", "draft it anew: the client names what the case holds now"),
    (
        "body",
        "shorten it, or send long texts and files as detached parts",
    ),
    (
        "both-roles",
        "have another holder of the approving post sign, or change the draft's approver",
    ),
    ("busy", "try again in a moment; nothing was lost"),
    (
        "case",
        "check the number or the id; a case opened elsewhere may still be under way",
    ),
    (
        "clock",
        "ask the node's operator to check the clock; a trial's clock never goes back",
    ),
    (
        "comment",
        "say it in 1 to 4,000 characters; a draft takes at most 100 comments",
    ),
    (
        "copy",
        "nothing is to be done: it counts where it was recorded first",
    ),
    ("department", "sign it in the name of your own department"),
    ("draft", "check the number with the list of drafts"),
    (
        "draft-closed",
        "make a new draft of it: a changed text is a new act",
    ),
    (
        "draft-state",
        "look at the draft again: somebody returned, withdrew or approved it",
    ),
    ("drafter", "ask the officer who drafted it"),
    (
        "drafts-full",
        "approve or withdraw some drafts of the department first",
    ),
    (
        "entry",
        "ask again when the node has caught up, or ask the department's own node",
    ),
    (
        "epoch",
        "check the named log and head against what the node shows, and who signed",
    ),
    (
        "epoch-contested",
        "others hold more of the old log, or it forked: as many administrators as the quorum asks sign an opening: `tally epoch draft --department D --reason .. --save FILE`, each `tally epoch sign FILE`, then `tally submit FILE`",
    ),
    (
        "epoch-key",
        "put the key that the opening names into keys.logs, or draft the opening with the present key",
    ),
    (
        "epoch-taken",
        "look which epoch the log is in now, and draft for the next one",
    ),
    (
        "epoch-waits",
        "submit the same note again when the node has fetched the rest",
    ),
    (
        "event",
        "check the id; an event recorded elsewhere may still be under way",
    ),
    (
        "failed",
        "ask the node's operator, who finds the reason in its log; what was acknowledged is not lost",
    ),
    (
        "federation",
        "use the settings of this federation; an event counts in one federation only",
    ),
    (
        "file",
        "check the path against the layout of tiles and the size of the log",
    ),
    (
        "form",
        "mend the place named and sign again; what was signed must never be rewritten on the way",
    ),
    (
        "governance",
        "draft it anew on the newest registry, signed by as many members as the quorum asks",
    ),
    ("guard", "see in the case which facts the act needs first"),
    ("heads", "read the view again and use the list of heads it names"),
    ("json", "send exactly the members that schemas/spec/api.md names"),
    (
        "lines",
        "let exactly the signers that the text names sign, in their order",
    ),
    ("log", "check the department and the epoch with the list of logs"),
    (
        "log-sealed",
        "the department's administrator opens the next epoch with `tally epoch open`, or a quorum where the log forked; then submit the same note again",
    ),
    ("loopback", "run it on the machine of the node"),
    ("method", "see schemas/spec/api.md for the methods of each path"),
    (
        "newer-ruleset",
        "update the software of this node; until then the case is kept and passed on",
    ),
    (
        "no-case",
        "check the case: it must be known here before anybody acts in it",
    ),
    (
        "no-key",
        "have the department's administrator enrol the officer's present key",
    ),
    (
        "no-log",
        "check the department's name against the list of members",
    ),
    (
        "no-post",
        "have the department's administrator appoint the officer to the post, or sign from a post held",
    ),
    ("no-right", "ask the registrar: the right is given by governance"),
    ("node", "check the node's name against the genesis"),
    ("not-hosted", "submit it to the node of that department"),
    (
        "not-member",
        "check the department's name against the list of members",
    ),
    (
        "not-opening",
        "open an epoch with `tally epoch open`; an opening stands nowhere else",
    ),
    ("not-registrar", "submit governance at the registrar's node"),
    (
        "not-understood",
        "install the newer software on this node; until then the case is kept and passed on",
    ),
    ("offline", "try again when the node is back"),
    ("other-case", "choose an act of this kind of case"),
    (
        "own-log",
        "ask the node's operator, who finds the reason in its log",
    ),
    (
        "own-log-waits",
        "try again in a moment; if it lasts, ask the node's operator",
    ),
    (
        "part",
        "ask again later: it comes from the author's node; or ask that department",
    ),
    (
        "part-mismatch",
        "send the very file and salt that the draft was made from",
    ),
    (
        "part-missing",
        "send every detached text and file of the event with it",
    ),
    ("part-not-named", "send only what the event commits to"),
    ("path", "see schemas/spec/api.md for the paths"),
    (
        "personal-number",
        "take the number out, detach the text, or state why it must stand for good",
    ),
    ("proof", "try again in a moment; the event is recorded"),
    ("query", "see schemas/spec/api.md for what may be asked"),
    (
        "rebuilding",
        "submit the same note again in a moment; nothing was lost",
    ),
    (
        "registry-hash",
        "take the genesis and the registry from this federation",
    ),
    (
        "right-taken",
        "ask the registrar: the right was taken by governance",
    ),
    (
        "roster",
        "see the department's roster; post and officer must be there first, and each once",
    ),
    (
        "same-officer",
        "have a second officer sign: one cannot check oneself",
    ),
    ("signature", "sign the unchanged text again with the key in force"),
    ("stage", "choose one of the acts possible now"),
    ("starting", "try again in some seconds"),
    ("state", "ask for one of the states named"),
    (
        "stopping",
        "try again when the node is back; nothing was recorded",
    ),
    (
        "token",
        "sign a new token for this node with the officer's present key",
    ),
    ("trial", "use a trial federation for it"),
    (
        "unknown-kind",
        "check the kind's name; if it is newer, ask for newer software on this node",
    ),
    (
        "writes-stopped",
        "ask the node's operator, who finds the reason in its log; drafts are kept",
    ),
];

/// Says what to do about a refusal with this code.
pub fn remedy(code: &str) -> &'static str {
    REMEDIES
        .binary_search_by_key(&code, |(known, _)| known)
        .ok()
        .and_then(|place| REMEDIES.get(place))
        .map_or(LAW_REMEDY, |(_, remedy)| remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_are_sorted_and_each_code_finds_its_own() {
        assert!(REMEDIES.is_sorted_by(|one, other| one.0 < other.0));
        for (code, text) in REMEDIES {
            assert_eq!(remedy(code), *text);
        }
        assert_eq!(remedy("ground-not-allowed"), LAW_REMEDY);
    }
}
