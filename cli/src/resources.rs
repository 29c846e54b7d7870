//! Resources, wherever they are: this machine's node has them, or the Kubernetes API.

use aion_abi::admin::{ApplyRequest, ApplyResponse};
use aion_client::Node;
use serde_json::Value;

use crate::failure::Failure;

/// Who has the resources.
#[derive(Clone)]
pub(crate) enum Resources {
    /// The node on this machine.
    Node(Box<Node>),
    /// The Kubernetes API.
    #[cfg(feature = "kubernetes")]
    Cluster(Box<crate::cluster::Cluster>),
}

impl Resources {
    /// All of a kind; in every namespace where none is named.
    pub(crate) async fn list(
        &self,
        plural: &str,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>, Failure> {
        match self {
            Self::Node(node) => Ok(node.list(plural, namespace).await?),
            #[cfg(feature = "kubernetes")]
            Self::Cluster(cluster) => cluster.list(plural, namespace).await,
        }
    }

    /// One, whole.
    pub(crate) async fn get(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, Failure> {
        match self {
            Self::Node(node) => Ok(node.resource(plural, namespace, name).await?),
            #[cfg(feature = "kubernetes")]
            Self::Cluster(cluster) => cluster.get(plural, namespace, name).await,
        }
    }

    pub(crate) async fn delete(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<(), Failure> {
        match self {
            Self::Node(node) => Ok(node.delete(plural, namespace, name).await?),
            #[cfg(feature = "kubernetes")]
            Self::Cluster(cluster) => cluster.delete(plural, namespace, name).await,
        }
    }

    /// Takes manifests in; one without a namespace goes into `namespace`.
    pub(crate) async fn apply(
        &self,
        request: &ApplyRequest,
        #[cfg_attr(not(feature = "kubernetes"), allow(unused_variables))] namespace: &str,
    ) -> Result<ApplyResponse, Failure> {
        match self {
            Self::Node(node) => Ok(node.apply(request).await?),
            #[cfg(feature = "kubernetes")]
            Self::Cluster(cluster) => cluster.apply(request, namespace).await,
        }
    }
}
