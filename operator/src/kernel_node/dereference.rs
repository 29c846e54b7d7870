//! Step 1: the node's Lease and Node, from the caches. Reads only.

use std::time::{Duration, Instant};

use aion_api::KernelNode;
use aion_api::condition::{self, READY, reason};
use aion_api::metadata::{TAINT_OUT_OF_SERVICE, node_lease};
use aion_resolve::node_status::{Heartbeat, Machine};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::caches::Caches;

use crate::heard::Heard;

/// A node and what is known about it.
pub(super) struct Dereferenced {
    pub(super) node: KernelNode,
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) machine: Machine,
    /// Why its Lease cannot be read.
    pub(super) unreadable: Option<String>,
}

/// Gathers what is known about `node` at `now`. A Lease that does not say for how long it holds, holds for
/// `otherwise`.
pub(super) fn dereference(
    node: &KernelNode,
    caches: &Caches,
    heard: &Heard,
    (system, otherwise): (&str, Duration),
    now: Instant,
) -> Dereferenced {
    let name = node.name_any();
    let lease = ObjectRef::new(&node_lease(&name)).within(system);
    let heartbeat = caches.leases.get(&lease).and_then(|lease| {
        let spec = lease.spec.as_ref()?;
        let seconds = spec.lease_duration_seconds.map(u64::try_from);
        let holds = match seconds {
            Some(seconds) => Duration::from_secs(seconds.unwrap_or_default()),
            None => otherwise,
        };
        let renewed = spec.renew_time.as_ref()?.0;
        // An operator that starts does not take a node for alive that was known to be silent.
        let before = match was_silent(node) {
            true => holds + Duration::from_secs(1),
            false => Duration::ZERO,
        };
        Some(Heartbeat {
            silent: heard.silent(&name, spec, before, now),
            holds,
            renewed,
        })
    });
    if heartbeat.is_none() {
        heard.forget(&name);
    }
    let machine = match caches.nodes.get(&ObjectRef::new(&name)) {
        // One that cannot be read is there.
        None if caches.unreadable.of::<Node>("", &name).is_some() => Machine::There,
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
        unreadable: caches.unreadable.of::<Lease>(system, &node_lease(&name)),
    }
}

fn was_silent(node: &KernelNode) -> bool {
    let status = node.status.as_ref();
    let ready = status.and_then(|status| condition::find(&status.conditions, READY));
    ready.is_some_and(|ready| ready.reason == reason::LEASE_EXPIRED)
}
