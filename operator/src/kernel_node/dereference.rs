//! Step 1: the node's Lease and Node, from the caches. Reads only.

use std::time::Duration;

use aion_api::KernelNode;
use aion_api::metadata::{TAINT_OUT_OF_SERVICE, node_lease};
use aion_resolve::node_status::{Heartbeat, Machine};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::caches::Caches;

/// A node and what is known about it.
pub(super) struct Dereferenced {
    pub(super) node: KernelNode,
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) machine: Machine,
}

/// Gathers what is known about `node`. A Lease that does not say for how long it holds, holds for
/// `otherwise`.
pub(super) fn dereference(
    node: &KernelNode,
    caches: &Caches,
    system: &str,
    otherwise: Duration,
) -> Dereferenced {
    let name = node.name_any();
    let lease = ObjectRef::new(&node_lease(&name)).within(system);
    let heartbeat = caches.leases.get(&lease).and_then(|lease| {
        let spec = lease.spec.as_ref()?;
        let seconds = spec.lease_duration_seconds.map(i64::from);
        Some(Heartbeat {
            renewed: spec.renew_time.as_ref()?.0,
            seconds: seconds
                .unwrap_or_else(|| i64::try_from(otherwise.as_secs()).unwrap_or(i64::MAX)),
        })
    });
    let machine = match caches.nodes.get(&ObjectRef::new(&name)) {
        None => Machine::Gone,
        Some(node) => {
            let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
            let out = taints
                .into_iter()
                .flatten()
                .any(|taint| taint.key == TAINT_OUT_OF_SERVICE);
            if out {
                Machine::OutOfService
            } else {
                Machine::There
            }
        }
    };
    Dereferenced {
        node: node.clone(),
        heartbeat,
        machine,
    }
}
