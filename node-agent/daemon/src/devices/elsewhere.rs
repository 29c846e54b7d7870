//! Devices that this node does not have: which other one does, for who asks for them here.

use aion_abi::{code::Code, problem::Problem, syscall::Syscall};
use aion_policy::Capability;
use futures::future::BoxFuture;

use super::Devices;
use crate::{
    call::{Lowered, Request},
    instance::{Instance, is_granted},
};

/// Where a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// There is none of that name.
    Nowhere,
    /// No node has it.
    Unbound,
    /// This one has it.
    Node(String),
}

/// Knows where the devices are that are not here.
pub(crate) trait Elsewhere: Send + Sync {
    /// Where a device is.
    ///
    /// # Errors
    /// Nobody tells.
    fn place<'a>(
        &'a self,
        namespace: &'a str,
        device: &'a str,
    ) -> BoxFuture<'a, Result<Place, String>>;
}

impl Devices {
    /// Refuses a call to a device that another node has, for who has the right to it: nobody else is told where it is.
    ///
    /// # Errors
    /// `unreachable`: it names the node.
    pub(crate) async fn is_here(
        &self,
        instance: &Instance,
        lowered: &Lowered,
    ) -> Result<(), Problem> {
        let Some(elsewhere) = &self.0.parts.elsewhere else {
            return Ok(());
        };
        let (device, syscall) = match &lowered.request {
            Request::DeviceRead(it) => (&it.device, Syscall::DeviceRead),
            // A history is read by the right to read.
            Request::DeviceHistory(it) => (&it.device, Syscall::DeviceRead),
            Request::DeviceWrite(it) => (&it.device, Syscall::DeviceWrite),
            Request::DeviceCommand(it) => (&it.device, Syscall::DeviceCommand),
            _ => return Ok(()),
        };
        let namespace = instance.spec().tenant.as_str();
        let right = Capability::new(syscall, Some(device));
        if self.entry(namespace, device).is_ok() || !is_granted(instance.spec(), &right) {
            return Ok(());
        }
        let here = &self.0.parts.node;
        let refused = |what: String, remedy: &str| {
            Err(Problem::new(Code::Unreachable, what).remedy(remedy.to_owned()))
        };
        match elsewhere.place(namespace, device).await {
            Ok(Place::Nowhere) => Ok(()),
            Ok(Place::Unbound) => refused(
                format!("no node has device {device} now"),
                "nothing was sent: kubectl get devices says why it is not ready",
            ),
            Ok(Place::Node(node)) if node == *here => refused(
                format!("node {here} does not serve device {device} yet"),
                "nothing was sent: try again, or see what the device's condition Ready says",
            ),
            Ok(Place::Node(node)) => refused(
                format!("device {device} is on node {node}, and this agent on node {here}"),
                "nothing was sent: place both on one node, with the same nodeSelector",
            ),
            Err(why) => refused(
                format!(
                    "node {here} does not have device {device}, and cannot tell which node does: {why}"
                ),
                "nothing was sent: try again when the API server answers",
            ),
        }
    }
}
