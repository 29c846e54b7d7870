//! Flags and environment, read once.

use std::net::SocketAddr;
use std::time::Duration;

use aion_api::metadata::SYSTEM_NAMESPACE;
use clap::Parser;

/// Turns Agents into AgentInstances, and instances' reports into status.
///
/// Finds its API server as kubectl does: KUBECONFIG, ~/.kube/config, or the service account of its pod.
#[derive(Debug, Clone, Parser)]
#[command(name = "aion-operator", version)]
pub(crate) struct Args {
    /// Where /metrics, /healthz and /readyz are served.
    #[arg(long, env = "AION_OPERATOR_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// The namespace of the leader's Lease and of node agents' Leases.
    #[arg(long, env = "AION_SYSTEM_NAMESPACE", default_value = SYSTEM_NAMESPACE)]
    pub(crate) namespace: String,

    /// The name under which this operator holds the Lease; a pod's name serves well.
    #[arg(long, env = "AION_OPERATOR_IDENTITY", default_value_t = default_identity())]
    pub(crate) identity: String,

    /// Seconds after which a silent leader is replaced.
    #[arg(long, env = "AION_OPERATOR_LEASE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(5..=300))]
    pub(crate) lease_seconds: u64,

    /// Seconds after which a node agent that renews no Lease is not ready.
    #[arg(long, env = "AION_NODE_LEASE_SECONDS", default_value_t = 40, value_parser = clap::value_parser!(u64).range(10..=3600))]
    node_lease_seconds: u64,

    /// Which log lines are written, e.g. info or aion_operator=debug,warn.
    #[arg(long, env = "AION_LOG", default_value = "info")]
    pub(crate) log: String,
}

impl Args {
    /// How long a node agent may be silent.
    pub(crate) fn node_lease(&self) -> Duration {
        Duration::from_secs(self.node_lease_seconds)
    }
}

fn default_identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{}", host.trim(), std::process::id())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Args::command().debug_assert();
    }
}
