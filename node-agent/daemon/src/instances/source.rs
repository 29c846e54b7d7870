//! Where instances come from and where their status goes.

use std::sync::Arc;

use aion_api::{AgentInstance, AgentInstanceStatus};
use aion_policy::Trust;
use futures::{future::BoxFuture, stream::BoxStream};

/// What a source tells.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// This instance is to be here, as it is now.
    Applied(Arc<AgentInstance>),
    /// This instance is to be gone.
    Deleted(Arc<AgentInstance>),
    /// All instances there are have been told; what was not told is to be gone. Comes once at the
    /// beginning and again after each interruption.
    Synced(Vec<String>),
    /// Whom to trust changed, in this namespace or in all: what is there is to be verified again.
    Trust(Option<String>),
    /// The source cannot be reached for now; what runs goes on running.
    Unavailable(String),
}

/// Why a status could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourceError {
    /// Not for now: try again.
    #[error("{0}")]
    Unavailable(String),
    /// The instance is gone; nobody reads its status.
    #[error("the instance is gone")]
    Gone,
    /// Not before somebody changes something. Tried again all the same: a right may be given at any time,
    /// and an API server that has only just started refuses what it will allow a moment later.
    #[error("{0}")]
    Refused(String),
}

impl SourceError {
    /// Says it in the log, as loud as it is bad.
    pub(super) fn tell(&self, what: &str, instance: &str) {
        match self {
            Self::Refused(why) => tracing::error!(instance, %why, "{what}: refused for now"),
            other => tracing::warn!(instance, why = %other, "{what}"),
        }
    }
}

/// A source of instances for this node.
pub(crate) trait InstanceSource: Send + Sync + 'static {
    /// Everything there is, then every change. Ends only when the source is given up.
    fn watch(&self) -> BoxStream<'static, Change>;

    /// Writes what this node says of an instance.
    fn patch_status<'a>(
        &'a self,
        instance: &'a AgentInstance,
        status: Arc<AgentInstanceStatus>,
    ) -> BoxFuture<'a, Result<(), SourceError>>;

    /// The instance was drained and is gone from this node.
    fn released<'a>(
        &'a self,
        instance: &'a AgentInstance,
    ) -> BoxFuture<'a, Result<(), SourceError>>;

    /// Whether the agent of an instance is gone, or going, and not only this instance of it.
    fn agent_is_gone<'a>(
        &'a self,
        instance: &'a AgentInstance,
    ) -> BoxFuture<'a, Result<bool, SourceError>>;

    /// Whom to trust in a namespace.
    fn trust(&self, namespace: &str) -> Trust;
}
