//! Labels, annotations, finalizers, field managers and other names that stand in objects' metadata.

/// On an AgentInstance: the Agent it belongs to.
pub const LABEL_AGENT: &str = "aion.dev/agent";
/// On an AgentInstance: the first digits of its revision hash.
pub const LABEL_REVISION: &str = "aion.dev/revision";
/// On an AgentInstance: which replica of its Agent it is, from 0.
pub const LABEL_REPLICA: &str = "aion.dev/replica";
/// On an AgentInstance: the MemoryPool it uses.
pub const LABEL_POOL: &str = "aion.dev/memory-pool";
/// On everything we write: who manages it.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// On an AgentInstance: the node agent drains it and then takes this away.
pub const FINALIZER_DRAIN: &str = "aion.dev/drain";
/// On an Agent: the operator deletes its instances and then takes this away.
pub const FINALIZER_INSTANCES: &str = "aion.dev/instances";
/// On a MemoryPool: it is erased on every node that held a part of it, then this is taken away.
pub const FINALIZER_ERASE: &str = "aion.dev/erase";

/// On a KernelNode: when it is forgotten, what it held is recorded as lost and placed anew, then this is taken away.
pub const FINALIZER_FORGET: &str = "aion.dev/forget";

/// Field manager of the operator's Agent controller.
pub const MANAGER_AGENT: &str = "aion-operator/agent";
/// Field manager of the operator's MemoryPool controller.
pub const MANAGER_MEMORY_POOL: &str = "aion-operator/memory-pool";
/// Field manager of the operator's KernelNode controller.
pub const MANAGER_KERNEL_NODE: &str = "aion-operator/kernel-node";
/// Field manager of the operator's Device controller.
pub const MANAGER_DEVICE: &str = "aion-operator/device";
/// Field manager of a node agent.
pub const MANAGER_NODE: &str = "aion-node";
/// Field manager of `aionctl apply`.
pub const MANAGER_CLI: &str = "aionctl";

/// The namespace AION-OS itself lives in: node agents' leases, the operator's lease.
pub const SYSTEM_NAMESPACE: &str = "aion-system";
/// The Lease by which one of several operators leads.
pub const OPERATOR_LEASE: &str = "aion-operator";

/// Whom a token is made for that is shown to a node agent. The API server takes no such token for itself.
pub const AUDIENCE_NODE_AGENT: &str = "aion.dev/node-agent";
/// The service account of a namespace that its agents are asked as, where nobody says another.
pub const INVOKER: &str = "aion-invoke";

/// How long a node agent serves devices, in seconds from before it sent the last renewal of its Lease that was taken. Less than a
/// Lease holds, so that who sees one run out knows that its node has stopped.
pub const DEVICES_SECONDS: u64 = 30;

/// The taint Kubernetes puts on a node that is known to be shut down: what ran there may be replaced.
pub const TAINT_OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// The name of the Lease in [`SYSTEM_NAMESPACE`] that a node agent renews.
#[must_use]
pub fn node_lease(node: &str) -> String {
    format!("aion-node.{node}")
}
