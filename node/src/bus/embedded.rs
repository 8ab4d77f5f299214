//! A bus inside one process: for trials and tests. Nodes can be cut off and joined again.

use super::{Answering, Bus, Inbound, Inbox, OnAnswer, Publication};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tally_schemas::id::NodeId;

/// The wires between the nodes of one process.
#[derive(Clone, Default)]
pub struct EmbeddedNet(Arc<Mutex<Wires>>);

#[derive(Default)]
struct Wires {
    inboxes: BTreeMap<NodeId, Inbox>,
    cut: BTreeSet<NodeId>,
}

impl std::fmt::Debug for EmbeddedNet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wires = self.wires();
        let nodes: Vec<&NodeId> = wires.inboxes.keys().collect();
        write!(formatter, "EmbeddedNet({nodes:?}, cut {:?})", wires.cut)
    }
}

impl EmbeddedNet {
    /// Makes a net without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    fn wires(&self) -> MutexGuard<'_, Wires> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a node its place on the bus, in place of an earlier one of the same name.
    pub fn join(&self, node: &NodeId, inbox: Inbox) -> EmbeddedBus {
        self.wires().inboxes.insert(node.clone(), inbox.clone());
        EmbeddedBus {
            net: self.clone(),
            node: node.clone(),
            inbox,
        }
    }

    /// Cuts a node off: nothing reaches it and nothing leaves it.
    pub fn cut(&self, node: &NodeId) {
        self.wires().cut.insert(node.clone());
    }

    /// Joins a node again that was cut off.
    pub fn mend(&self, node: &NodeId) {
        self.wires().cut.remove(node);
    }
}

/// A node's place on the bus.
pub struct EmbeddedBus {
    net: EmbeddedNet,
    node: NodeId,
    inbox: Inbox,
}

impl Drop for EmbeddedBus {
    fn drop(&mut self) {
        let mut wires = self.net.wires();
        // A successor of the same name keeps its place.
        let own = wires
            .inboxes
            .get(&self.node)
            .is_some_and(|inbox| Arc::ptr_eq(inbox, &self.inbox));
        if own {
            wires.inboxes.remove(&self.node);
        }
    }
}

impl Bus for EmbeddedBus {
    fn publish(&self, publication: Publication) {
        let targets: Vec<Inbox> = {
            let wires = self.net.wires();
            if wires.cut.contains(&self.node) {
                return;
            }
            let reached = |node: &&NodeId| **node != self.node && !wires.cut.contains(*node);
            let nodes = wires.inboxes.keys().filter(reached);
            nodes
                .filter_map(|node| wires.inboxes.get(node).cloned())
                .collect()
        };
        for inbox in targets {
            // Without room it is lost; whoever misses it asks.
            let _taken = inbox(Inbound::Frame {
                bytes: publication.bytes.clone(),
                done: None,
            });
        }
    }

    fn ask(&self, node: &NodeId, question: Vec<u8>, answer: OnAnswer) -> bool {
        let target = {
            let wires = self.net.wires();
            if wires.cut.contains(&self.node) || wires.cut.contains(node) {
                return false;
            }
            wires.inboxes.get(node).cloned()
        };
        let Some(inbox) = target else { return false };
        let (net, from, to) = (self.net.clone(), self.node.clone(), node.clone());
        let answer: Answering = Box::new(move |bytes| {
            let cut = {
                let wires = net.wires();
                wires.cut.contains(&from) || wires.cut.contains(&to)
            };
            if !cut {
                answer(Some(bytes));
            }
        });
        inbox(Inbound::Question {
            bytes: question,
            answer,
        })
    }

    fn is_connected(&self) -> bool {
        !self.net.wires().cut.contains(&self.node)
    }

    /// The wires keep nothing.
    fn compare(&self) {}

    fn has_compared(&self) -> bool {
        true
    }

    fn troubles(&self) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use tally_schemas::id::Origin;

    fn node(name: &str) -> NodeId {
        NodeId::parse(name).unwrap()
    }

    fn place(net: &EmbeddedNet, name: &str) -> (EmbeddedBus, mpsc::Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::channel();
        let inbox: Inbox = Arc::new(move |inbound| {
            match inbound {
                Inbound::Frame { bytes, .. } => sender.send(bytes.to_vec()).unwrap(),
                Inbound::Question { bytes, answer } => answer([&bytes[..], b"!"].concat()),
                Inbound::Trouble(text) => panic!("{text}"),
            }
            true
        });
        (net.join(&node(name), inbox), receiver)
    }

    fn frame(bytes: &[u8]) -> Publication {
        Publication {
            origin: Origin::parse("xian-0123456789abcdef/housing/1").unwrap(),
            has_entries: true,
            bytes: Arc::from(bytes),
        }
    }

    fn asked(bus: &EmbeddedBus, to: &str) -> Option<Vec<u8>> {
        let (sender, receiver) = mpsc::channel();
        bus.ask(
            &node(to),
            b"who".to_vec(),
            Box::new(move |bytes| sender.send(bytes.unwrap()).unwrap()),
        );
        receiver.try_recv().ok()
    }

    #[test]
    fn frames_reach_all_others_and_questions_one() {
        let net = EmbeddedNet::new();
        let (a, from_a) = place(&net, "a");
        let (_b, from_b) = place(&net, "b");
        let (_c, from_c) = place(&net, "c");
        a.publish(frame(b"x"));
        assert_eq!(
            (from_b.try_recv(), from_c.try_recv()),
            (Ok(b"x".to_vec()), Ok(b"x".to_vec()))
        );
        assert!(from_a.try_recv().is_err());
        assert_eq!(asked(&a, "b"), Some(b"who!".to_vec()));
        assert_eq!(asked(&a, "nobody"), None);
    }

    #[test]
    fn a_node_that_is_cut_off_or_gone_neither_hears_nor_speaks() {
        let net = EmbeddedNet::new();
        let (a, _) = place(&net, "a");
        let (b, from_b) = place(&net, "b");
        net.cut(&node("b"));
        a.publish(frame(b"x"));
        assert!(from_b.try_recv().is_err());
        assert_eq!((asked(&a, "b"), asked(&b, "a")), (None, None));
        net.mend(&node("b"));
        assert!(asked(&a, "b").is_some());
        let (_again, from_again) = place(&net, "b");
        drop(b);
        a.publish(frame(b"y"));
        assert_eq!(
            from_again.try_recv(),
            Ok(b"y".to_vec()),
            "a successor keeps its place"
        );
    }
}
