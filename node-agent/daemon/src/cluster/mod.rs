//! What a node does as a member of a cluster, beside running its instances: it says what it is and that it
//! lives, erases pools that are deleted, and asks the API server who may ask its agents.
//!
//! What may not enter: instances (`crate::instances::cluster`), decisions of the operator.

mod certificate;
mod erasure;
mod heartbeat;
mod nodes;
mod registration;
mod reviewer;
mod sight;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aion_api::{NodeCapacity, metadata::DEVICES_SECONDS};
use aion_drivers::{memory::MemoryDriver, outbound::NodeAddresses, secrets::ClusterSecrets};
use aion_sandbox::LayerReading;
use aion_serve::certificate::Renewal;
use kube::Client;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    devices::{Renewals, Tenure},
    instances::cluster::{ClusterDevices, ClusterSource},
    kernel_trace::KernelTraces,
    shell::Handle,
};

use erasure::Eraser;
use registration::Registration;
pub(crate) use registration::ServedAt;
pub(crate) use reviewer::ClusterReviewer;

/// Why a node cannot be a member.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// There is no way to the API server.
    #[error(
        "cannot tell where the Kubernetes API is: {0}; set KUBECONFIG, or run in a pod with a service account"
    )]
    Config(Box<kube::Error>),
}

/// This node as a member of a cluster.
#[derive(Clone)]
pub(crate) struct Member {
    client: Client,
    node: String,
    nodes: NodeAddresses,
    devices: ClusterDevices,
    renewals: Arc<Renewals>,
    tenure: Tenure,
}

/// What a member says of itself, and what it works with.
pub(crate) struct Duties {
    pub(crate) capacity: NodeCapacity,
    pub(crate) volumes: Vec<String>,
    pub(crate) api: Option<ServedAt>,
    /// Of the certificate of that, if it has one.
    pub(crate) renewal: Option<Renewal>,
    pub(crate) features: watch::Receiver<Option<Arc<[LayerReading]>>>,
    pub(crate) kernel: KernelTraces,
    pub(crate) shell: Handle,
    pub(crate) memory: Arc<dyn MemoryDriver>,
}

impl Member {
    /// Finds the API server as kubectl does: `KUBECONFIG`, `~/.kube/config`, or the pod's service account.
    /// It need not answer yet.
    pub(crate) async fn join(node: String) -> Result<Self, JoinError> {
        let client = Client::try_default().await;
        let client = client.map_err(|error| JoinError::Config(Box::new(error)))?;
        let (renewals, tenure) = Tenure::renewed(Duration::from_secs(DEVICES_SECONDS));
        Ok(Self {
            devices: ClusterDevices::new(client.clone(), node.clone(), tenure.clone()),
            client,
            node,
            nodes: NodeAddresses::default(),
            renewals: Arc::new(renewals),
            tenure,
        })
    }

    pub(crate) fn source(&self) -> ClusterSource {
        ClusterSource::new(self.client.clone(), self.node.clone())
    }

    /// The devices that are bound to this node.
    pub(crate) fn devices(&self) -> ClusterDevices {
        self.devices.clone()
    }

    /// For how long this node may serve them, once [`Member::serve`] renews its Lease.
    pub(crate) fn tenure(&self) -> Tenure {
        self.tenure.clone()
    }

    pub(crate) fn secrets(&self) -> ClusterSecrets {
        ClusterSecrets::new(self.client.clone())
    }

    pub(crate) fn reviewer(&self) -> ClusterReviewer {
        ClusterReviewer::new(self.client.clone())
    }

    /// The addresses of all nodes and this machine, once [`Member::serve`] has found them.
    pub(crate) fn nodes(&self) -> NodeAddresses {
        self.nodes.clone()
    }

    /// Does what a member does, until `stop`.
    pub(crate) fn serve(self, duties: Duties, stop: &CancellationToken) -> TaskTracker {
        let tasks = TaskTracker::new();
        let until = |work: futures::future::BoxFuture<'static, ()>| {
            tasks.spawn(stop.clone().run_until_cancelled_owned(work));
        };
        let Duties {
            capacity,
            volumes,
            api,
            renewal,
            features,
            kernel,
            shell,
            memory,
        } = duties;
        let registration = Registration {
            client: self.client.clone(),
            node: self.node.clone(),
            capacity,
            volumes,
            api,
            features,
            kernel,
            nodes: self.nodes.clone(),
            begun: Instant::now(),
        };
        let eraser = Eraser {
            client: self.client.clone(),
            node: self.node.clone(),
            memory,
        };
        until(Box::pin(registration.keep()));
        if let Some(renewal) = renewal {
            until(Box::pin(renewal.keep()));
        }
        until(Box::pin(eraser.work()));
        until(Box::pin(nodes::watch_own(
            self.node.clone(),
            self.nodes.clone(),
        )));
        until(Box::pin(nodes::watch(
            self.client.clone(),
            self.node.clone(),
            self.nodes,
        )));
        until(Box::pin(heartbeat::beat(
            self.client,
            self.node,
            shell,
            self.renewals,
        )));
        tasks.close();
        tasks
    }
}
