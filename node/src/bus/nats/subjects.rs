//! The names that a federation uses on NATS. Spec: `schemas/spec/subjects.md`.
//!
//! Ids of federations, departments and nodes are of `a-z`, `0-9` and `-`, so that each is one token.

use tally_schemas::id::{DepartmentId, FederationId, NodeId, Origin};

/// The subjects, the stream and the consumer of one node of one federation.
#[derive(Debug, Clone)]
pub struct Names {
    federation: FederationId,
    node: NodeId,
}

impl Names {
    /// Names what a node of a federation uses.
    pub fn new(federation: &FederationId, node: &NodeId) -> Self {
        Self {
            federation: federation.clone(),
            node: node.clone(),
        }
    }

    fn root(&self) -> String {
        format!("tally.v1.{}", self.federation)
    }

    /// Frames with entries of a log.
    pub(super) fn log(&self, origin: &Origin) -> String {
        format!("{}.log.{}.{}", self.root(), origin.department, origin.epoch)
    }

    /// Frames with entries of the logs of a department, of all epochs.
    pub(super) fn logs_of(&self, department: &DepartmentId) -> String {
        format!("{}.log.{department}.*", self.root())
    }

    /// Frames with entries of all logs: what the stream keeps.
    pub fn all_logs(&self) -> String {
        format!("{}.log.>", self.root())
    }

    /// Announced heads of a log.
    pub(super) fn head(&self, origin: &Origin) -> String {
        format!("{}.head.{}.{}", self.root(), origin.department, origin.epoch)
    }

    /// Announced heads of the logs of a department, of all epochs.
    pub(super) fn heads_of(&self, department: &DepartmentId) -> String {
        format!("{}.head.{department}.*", self.root())
    }

    /// Announced heads of all logs.
    pub(super) fn all_heads(&self) -> String {
        format!("{}.head.>", self.root())
    }

    /// Questions to a node.
    pub(super) fn ask(&self, node: &NodeId) -> String {
        format!("{}.ask.{node}", self.root())
    }

    /// Questions to any node.
    pub(super) fn any_ask(&self) -> String {
        format!("{}.ask.*", self.root())
    }

    /// Questions to this node.
    pub(super) fn own_ask(&self) -> String {
        self.ask(&self.node)
    }

    /// Below this, answers to this node.
    pub(super) fn inbox(&self) -> String {
        format!("{}.inbox.{}", self.root(), self.node)
    }

    /// Takes the names of single inboxes of this node out of what the server says: each question has another one.
    pub(super) fn without_inbox_names(&self, text: &str) -> String {
        let inbox = format!("{}.", self.inbox());
        match text.split_once(&inbox) {
            None => text.to_owned(),
            Some((before, rest)) => {
                let end = rest.find(['"', ' ']).unwrap_or(rest.len());
                let (_, after) = rest.split_at(end);
                format!("{before}{inbox}>{after}")
            }
        }
    }

    /// Says whether a reply subject is the inbox of some node: an answer goes nowhere else, whatever an asker writes.
    pub(super) fn is_inbox(&self, reply: &str) -> bool {
        let rest = reply.strip_prefix(&self.root());
        rest.and_then(|rest| rest.strip_prefix(".inbox."))
            .is_some_and(|rest| rest.contains('.') && !rest.contains(['*', '>']))
    }

    /// The stream.
    pub fn stream(&self) -> String {
        format!("tally-{}", self.federation)
    }

    /// The durable consumer of this node.
    pub(super) fn consumer(&self) -> &str {
        self.node.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        let federation = FederationId::parse("xian-0123456789abcdef").unwrap();
        let names = Names::new(&federation, &NodeId::parse("hall").unwrap());
        let origin = Origin::parse("xian-0123456789abcdef/housing/2").unwrap();
        assert_eq!(names.log(&origin), "tally.v1.xian-0123456789abcdef.log.housing.2");
        assert_eq!(
            names.head(&origin),
            "tally.v1.xian-0123456789abcdef.head.housing.2"
        );
        assert_eq!(names.own_ask(), "tally.v1.xian-0123456789abcdef.ask.hall");
        assert_eq!(names.stream(), "tally-xian-0123456789abcdef");
    }

    #[test]
    fn the_name_of_an_inbox_is_left_out_of_what_the_server_says() {
        let federation = FederationId::parse("xian-0123456789abcdef").unwrap();
        let names = Names::new(&federation, &NodeId::parse("hall").unwrap());
        let inbox = "tally.v1.xian-0123456789abcdef.inbox.hall";
        assert_eq!(
            names.without_inbox_names(&format!("Violation for Subscription to \"{inbox}.x7y\" now")),
            format!("Violation for Subscription to \"{inbox}.>\" now")
        );
        assert_eq!(
            names.without_inbox_names("to \"tally.v1.head.>\""),
            "to \"tally.v1.head.>\""
        );
    }

    #[test]
    fn answers_go_to_inboxes_alone() {
        let federation = FederationId::parse("xian-0123456789abcdef").unwrap();
        let names = Names::new(&federation, &NodeId::parse("hall").unwrap());
        assert!(names.is_inbox("tally.v1.xian-0123456789abcdef.inbox.annex.x7.1"));
        for reply in [
            "tally.v1.xian-0123456789abcdef.log.housing.1",
            "tally.v1.xian-0123456789abcdee.inbox.annex.x7.1",
            "tally.v1.xian-0123456789abcdef.inbox.annex",
            "$JS.API.STREAM.CREATE.tally-xian-0123456789abcdef",
            "",
        ] {
            assert!(!names.is_inbox(reply), "{reply}");
        }
    }
}
