//! The configuration of a NATS server for a federation: one user per node, with the rights that it needs and no more.
//!
//! Spec: `schemas/spec/subjects.md`, "Rights".

use super::subjects::Names;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use tally_schemas::id::{DepartmentId, FederationId, NodeId};

/// The largest message of the server in bytes: above the longest answer.
const MAX_PAYLOAD: u32 = 256 * 1024;
/// How much of the disk JetStream may use.
const STORE_MAX: &str = "2GB";

/// What the operator of a server decides.
#[derive(Debug, Clone)]
pub struct ServerPlan<'a> {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its storage folder.
    pub store: &'a Path,
    /// Whether it syncs each message; servers before 2.10 refuse the option.
    pub sync_always: bool,
    /// The public NKey of each node's user.
    pub users: BTreeMap<NodeId, String>,
    /// The node of each department: those of the genesis, and those that governance admitted later.
    pub departments: BTreeMap<DepartmentId, NodeId>,
}

/// Says whether a text is the public NKey of a user.
pub fn is_user_key(text: &str) -> bool {
    text.starts_with('U') && nkeys::KeyPair::from_public_key(text).is_ok()
}

/// Writes the configuration.
pub fn server_config(federation: &FederationId, plan: &ServerPlan<'_>) -> String {
    let mut text = format!(
        "# NATS server of the federation {federation}: one user per node, with the rights it needs and no more.\n\
         listen: {listen:?}\n\
         max_payload: {MAX_PAYLOAD}\n\
         jetstream {{\n  store_dir: {store:?}\n  max_file_store: {STORE_MAX}\n{sync}}}\n\
         accounts {{\n  TALLY {{\n    jetstream: enabled\n    users: [\n",
        listen = plan.listen.to_string(),
        store = plan.store.display().to_string(),
        sync = if plan.sync_always {
            "  sync_interval: always\n"
        } else {
            ""
        },
    );
    for (node, key) in &plan.users {
        let departments = plan.departments.iter();
        let hosted: Vec<&DepartmentId> = departments
            .filter(|(_, of)| *of == node)
            .map(|(department, _)| department)
            .collect();
        text.push_str(&user(&Names::new(federation, node), key, &hosted));
    }
    text.push_str("    ]\n  }\n}\n");
    text
}

fn user(names: &Names, key: &str, hosted: &[&DepartmentId]) -> String {
    let (stream, consumer) = (names.stream(), names.consumer());
    let mut publish: Vec<String> = Vec::new();
    for department in hosted {
        publish.push(names.logs_of(department));
        publish.push(names.heads_of(department));
    }
    publish.extend([
        names.any_ask(),
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.STREAM.CREATE.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}"),
        format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{consumer}"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"),
        format!("$JS.ACK.{stream}.{consumer}.>"),
    ]);
    let subscribe = [names.own_ask(), format!("{}.>", names.inbox()), names.all_heads()];
    let mut text = format!("      {{ # {consumer}\n        nkey: {key}\n        permissions: {{\n");
    for (name, subjects) in [("publish", &publish[..]), ("subscribe", &subscribe[..])] {
        // Writing to a text cannot fail.
        let _written = writeln!(text, "          {name}: {{ allow: [");
        for subject in subjects {
            let _written = writeln!(text, "            {subject:?}");
        }
        text.push_str("          ] }\n");
    }
    text.push_str("          allow_responses: true\n        }\n      }\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_may_send_frames_of_its_own_departments_alone() {
        let federation = FederationId::parse("xian-0123456789abcdef").unwrap();
        let names = Names::new(&federation, &NodeId::parse("hall").unwrap());
        let housing = DepartmentId::parse("housing").unwrap();
        let text = user(&names, "UKEY", &[&housing]);
        assert!(text.contains("\"tally.v1.xian-0123456789abcdef.log.housing.*\""));
        assert_eq!(text.matches(".log.").count(), 1);
        assert_eq!(text.matches(".ask.*").count(), 1);
        for refused in [
            "STREAM.DELETE",
            "STREAM.UPDATE",
            "STREAM.PURGE",
            "CONSUMER.DELETE",
            "\"$JS.API.>",
            "\">\"",
        ] {
            assert!(!text.contains(refused), "{refused}");
        }
    }
}
