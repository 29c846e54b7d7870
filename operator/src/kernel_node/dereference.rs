//! Step 1: the node's Lease and Node, and what is bound to it, from the caches. Reads only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aion_api::condition::{self, READY, reason};
use aion_api::metadata::node_lease;
use aion_api::{AgentInstance, KernelNode, MemoryPool};
use aion_resolve::Key;
use aion_resolve::node_status::{Heartbeat, Machine};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::caches::{Caches, is_out_of_service};
use crate::heard::Heard;

/// A node and what is known about it.
pub(super) struct Dereferenced {
    pub(super) node: KernelNode,
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) machine: Machine,
    /// Why its Lease cannot be read.
    pub(super) unreadable: Option<String>,
    /// What is bound to it, where it is being forgotten.
    pub(super) bound: Option<Bound>,
}

/// What is bound to a node.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bound {
    pub(super) instances: Vec<Arc<AgentInstance>>,
    /// Those of the instances that no controller looks after, since their Agent cannot be read.
    pub(super) orphans: Vec<Arc<AgentInstance>>,
    pub(super) pools: Vec<Arc<MemoryPool>>,
    /// Pools that cannot be read and that it may hold. What they lose cannot be recorded yet.
    pub(super) unreadable: Vec<Key>,
}

impl Bound {
    fn to(node: &str, caches: &Caches) -> Self {
        let holds = |pool: &MemoryPool| {
            let status = pool.status.as_ref();
            status.and_then(|status| status.node_name.as_deref()) == Some(node)
        };
        let instances = caches.instances.all_on_node(node);
        let orphan = |it: &&Arc<AgentInstance>| {
            let namespace = it.namespace().unwrap_or_default();
            let agent = ObjectRef::new(&it.spec.agent.name).within(&namespace);
            caches.agents.get(&agent).is_none()
        };
        Self {
            orphans: instances.iter().filter(orphan).cloned().collect(),
            instances,
            pools: caches.pools.state_filter(holds),
            unreadable: caches.unreadable.on_node::<MemoryPool>(node),
        }
    }

    /// Whether it is certain that nothing is.
    pub(super) fn is_empty(&self) -> bool {
        self.instances.is_empty() && self.pools.is_empty() && self.unreadable.is_empty()
    }
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
        Some(node) if is_out_of_service(&node) => Machine::OutOfService,
        Some(_) => Machine::There,
    };
    let forgotten = node.metadata.deletion_timestamp.is_some();
    Dereferenced {
        node: node.clone(),
        heartbeat,
        machine,
        unreadable: caches.unreadable.of::<Lease>(system, &node_lease(&name)),
        bound: forgotten.then(|| Bound::to(&name, caches)),
    }
}

fn was_silent(node: &KernelNode) -> bool {
    let status = node.status.as_ref();
    let ready = status.and_then(|status| condition::find(&status.conditions, READY));
    ready.is_some_and(|ready| ready.reason == reason::LEASE_EXPIRED)
}
