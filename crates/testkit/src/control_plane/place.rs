//! Where a control plane runs: on the host's loopback, alone; or in a cluster's network,
//! with all that runs Pods.

use std::{net::Ipv4Addr, path::Path, process::Command};

use crate::cluster::Entrance;

/// The controllers that stand in for a cluster's own; the rest look after
/// workloads, which nothing runs on loopback.
const CONTROLLERS: &str = "namespace-controller,garbage-collector-controller,\
    serviceaccount-controller,root-ca-certificate-publisher-controller,\
    clusterrole-aggregation-controller,validatingadmissionpolicy-status-controller";

/// Loopback, unless said otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    pub(crate) network: Entrance,
    /// What nodes and pods know the API server by.
    pub(crate) address: Option<Ipv4Addr>,
}

impl Place {
    /// `program`, there.
    pub(super) fn command(&self, program: &Path) -> Command {
        self.network.command(program)
    }

    pub(super) fn address(&self) -> Ipv4Addr {
        self.address.unwrap_or(Ipv4Addr::LOCALHOST)
    }

    /// How the API server is reached.
    pub(super) fn arguments(&self) -> Vec<String> {
        let address = self.address();
        let mut arguments = vec![format!("--bind-address={address}")];
        match self.address {
            // The `kubernetes` Service may not have a loopback address behind it.
            None => arguments.push("--endpoint-reconciler-type=none".to_owned()),
            Some(_) => arguments.extend([
                format!("--advertise-address={address}"),
                // No name of a node is known to anybody's resolver.
                "--kubelet-preferred-address-types=InternalIP".to_owned(),
            ]),
        }
        arguments
    }

    pub(super) fn controllers(&self) -> &'static str {
        match self.runs_pods() {
            true => "*",
            false => CONTROLLERS,
        }
    }

    pub(super) fn runs_pods(&self) -> bool {
        self.address.is_some()
    }
}
