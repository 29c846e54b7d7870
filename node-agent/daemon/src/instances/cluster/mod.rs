//! In a cluster: the AgentInstances that the operator placed on this node, from the Kubernetes API.
//!
//! One watch of instances, narrowed by the API server to this node, and one each of what decides whom to
//! trust. Nothing is polled: what is at rest costs nothing. What may not enter: what the node does for the
//! cluster beside its instances, which is `crate::cluster`'s.

mod devices;
mod held;
mod status;
mod watching;

use std::sync::Arc;

use aion_api::{AgentInstance, AgentInstanceStatus};
use aion_policy::Trust;
use futures::{future::BoxFuture, stream::BoxStream};
use kube::Client;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{Change, InstanceSource, SourceError};
pub(crate) use devices::ClusterDevices;
use watching::Trusted;

/// The Kubernetes API as a source.
pub(crate) struct ClusterSource {
    client: Client,
    node: String,
    trusted: Arc<Trusted>,
}

impl ClusterSource {
    /// The instances of `node`, with the rights of `client`.
    pub(crate) fn new(client: Client, node: String) -> Self {
        Self {
            client,
            node,
            trusted: Arc::default(),
        }
    }
}

impl InstanceSource for ClusterSource {
    fn watch(&self) -> BoxStream<'static, Change> {
        let (out, mut changes) = mpsc::unbounded_channel();
        let (client, node) = (self.client.clone(), self.node.clone());
        let trusted = Arc::clone(&self.trusted);
        let watching = tokio::spawn(watching::watch(client, node, trusted, out));
        let watching = AbortOnDropHandle::new(watching);
        Box::pin(futures::stream::poll_fn(move |cx| {
            let _held = &watching;
            changes.poll_recv(cx)
        }))
    }

    fn patch_status<'a>(
        &'a self,
        instance: &'a AgentInstance,
        status: Arc<AgentInstanceStatus>,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(status::patch(&self.client, instance, status))
    }

    fn released<'a>(
        &'a self,
        instance: &'a AgentInstance,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(status::release(&self.client, instance))
    }

    fn agent_is_gone<'a>(
        &'a self,
        instance: &'a AgentInstance,
    ) -> BoxFuture<'a, Result<bool, SourceError>> {
        Box::pin(status::agent_is_gone(&self.client, instance))
    }

    fn trust(&self, namespace: &str) -> Trust {
        self.trusted.of(namespace)
    }
}
