//! One node of a trial in its own process: its clock and its place on the bus; who started it starts and stops it.

use super::{Levers, TrialError, settle, settled};
use crate::api::Slot;
use crate::bus::nats::Switch;
use crate::clock::Clock;
use tally_schemas::api::TrialSettledBody;
use tally_schemas::id::NodeId;
use tally_schemas::time::Timestamp;

/// The levers of a node that is a process of its own.
#[derive(Debug)]
pub struct Single {
    /// The node.
    pub node: NodeId,
    /// Its clock.
    pub clock: Clock,
    /// What cuts its bus.
    pub switch: Switch,
    /// Where it is once it runs.
    pub slot: Slot,
}

impl Single {
    fn mine(&self, node: &NodeId) -> Result<(), TrialError> {
        if *node == self.node {
            Ok(())
        } else {
            Err(TrialError::NoNode(node.clone()))
        }
    }
}

impl Levers for Single {
    fn set_clock(&self, now: Timestamp) -> Result<(), TrialError> {
        let running = self.slot.node().ok();
        if let Some(node) = &running {
            settle(&[node]);
        }
        self.clock.set(now)?;
        if let Some(node) = &running {
            node.wake();
        }
        Ok(())
    }

    fn settle(&self) -> Result<TrialSettledBody, TrialError> {
        let node = self.slot.node().map_err(|_| TrialError::Process {
            node: self.node.clone(),
            why: "it is starting or stopping".to_owned(),
        })?;
        Ok(settled(&[node.settle()]))
    }

    fn offline(&self, node: &NodeId) -> Result<(), TrialError> {
        self.mine(node)?;
        Err(TrialError::NotHere(node.clone()))
    }

    fn online(&self, node: &NodeId) -> Result<(), TrialError> {
        self.offline(node)
    }

    fn cut(&self, node: &NodeId, cut: bool) -> Result<(), TrialError> {
        self.mine(node)?;
        self.switch.cut(cut);
        tracing::info!(%node, cut, "bus");
        Ok(())
    }
}
