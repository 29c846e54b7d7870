//! Step 4: writes what was prepared: the finalizer, and what pools lose with a node that is forgotten.

use std::sync::Arc;
use std::time::Duration;

use aion_api::condition::{Judgement, reason};
use aion_api::metadata::{FINALIZER_DRAIN, FINALIZER_FORGET, MANAGER_KERNEL_NODE};
use aion_api::{AgentInstance, KernelNode, MemoryPool};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};

use crate::context::Context;
use crate::events::event;
use crate::failure::{Failure, step_errors};
use crate::write;

use super::build::{Finalizer, Prepared};

step_errors! {
    /// What the API server did not take.
    Error {
        /// The node's finalizer.
        WriteFinalizer,
        /// What a pool lost.
        RecordLoss,
        /// The end of an instance that nobody else lets go.
        ReleaseInstance,
    }
}

/// A node about which all is written but its status.
pub(super) struct Applied {
    pub(super) node: KernelNode,
    pub(super) judgement: Judgement,
    pub(super) again: Option<Duration>,
    /// Whether it is gone now.
    pub(super) gone: bool,
}

/// Writes `prepared`.
///
/// # Errors
/// The first thing the API server did not take.
pub(super) async fn apply(context: &Context, prepared: Prepared) -> Result<Applied, Error> {
    let Prepared {
        node,
        judgement,
        again,
        finalizer,
        lose,
        release,
    } = prepared;
    for pool in &lose {
        give_up(context, &node, pool).await?;
    }
    for instance in &release {
        let_go(context, instance).await?;
    }
    let nodes: Api<KernelNode> = Api::all(context.client.clone());
    let written = match finalizer {
        Finalizer::Add => write::hold(&nodes, &node, MANAGER_KERNEL_NODE, FINALIZER_FORGET).await,
        Finalizer::Keep => Ok(()),
        Finalizer::Remove => write::release(&nodes, &node, FINALIZER_FORGET).await,
    };
    written.map_err(Error::WriteFinalizer)?;
    Ok(Applied {
        node,
        judgement,
        again,
        gone: finalizer == Finalizer::Remove,
    })
}

/// Records that what `pool` held on `node` is lost: the first agent that uses it decides where it is from now on. Of a
/// pool that has changed since it was seen nothing is written; it is looked at again.
async fn give_up(context: &Context, node: &KernelNode, pool: &MemoryPool) -> Result<(), Error> {
    let (name, node) = (pool.name_any(), node.name_any());
    let namespace = pool.namespace().unwrap_or_default();
    let pools: Api<MemoryPool> = Api::namespaced(context.client.clone(), &namespace);
    let patch = Patch::Merge(loss(pool, &node, Time(crate::clock::now())));
    let params = PatchParams {
        field_manager: Some(MANAGER_KERNEL_NODE.to_owned()),
        ..PatchParams::default()
    };
    let what = format!("recording what MemoryPool {name} lost with node {node}");
    let patched = pools.patch_status(&name, &params, &patch).await;
    match patched {
        Ok(_) => {}
        // It is gone, and holds nothing any more.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(Error::RecordLoss(Failure::of(what)(error))),
    }
    let lost = format!(
        "node {node} was forgotten, and what it held of the pool is lost: the first agent that uses it decides where it is"
    );
    tracing::error!(pool = name, namespace, lost, "memory is lost");
    let told = vec![event(false, reason::MEMORY_LOST, &lost, "Forget")];
    context.announcer.tell(&pool.object_ref(&()), told);
    Ok(())
}

fn loss(pool: &MemoryPool, node: &str, now: Time) -> Value {
    let status = pool.status.clone().unwrap_or_default();
    json!({
        "metadata": {"uid": pool.metadata.uid, "resourceVersion": pool.metadata.resource_version},
        "status": {
            "nodeName": null,
            "timesLost": status.times_lost.saturating_add(1),
            "losses": status.losses_with(node, now),
        },
    })
}

async fn let_go(context: &Context, instance: &Arc<AgentInstance>) -> Result<(), Error> {
    let namespace = instance.namespace().unwrap_or_default();
    let instances: Api<AgentInstance> = Api::namespaced(context.client.clone(), &namespace);
    let gone = match instance.metadata.deletion_timestamp {
        None => write::delete(&instances, instance.as_ref()).await,
        Some(_) => write::release(&instances, instance.as_ref(), FINALIZER_DRAIN).await,
    };
    gone.map_err(Error::ReleaseInstance)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    #[test]
    fn a_loss_is_recorded_of_the_pool_that_was_seen_and_unbinds_it() {
        let mut pool = MemoryPool::default();
        pool.metadata.resource_version = Some("7".to_owned());
        pool.status.get_or_insert_default().times_lost = 1;
        let patch = loss(&pool, "node-a", Time(Timestamp::UNIX_EPOCH));
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        let status = &patch["status"];
        assert!(status["nodeName"].is_null());
        assert_eq!(status["timesLost"], 2);
        assert_eq!(status["losses"][0]["node"], "node-a");
    }
}
