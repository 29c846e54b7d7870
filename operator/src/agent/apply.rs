//! Step 4: writes what was prepared, and nothing besides.

use aion_api::metadata::{FINALIZER_INSTANCES, MANAGER_AGENT};
use aion_api::{API_VERSION, Agent, AgentInstance, MemoryPool};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::failure::Failure;

use super::build::{Binding, Finalizer, Prepared};

/// What was written.
pub(super) struct Applied {
    /// The agent's instances as they are now, as far as is known.
    pub(super) instances: Vec<AgentInstance>,
    /// Those that were made.
    pub(super) made: Vec<String>,
    /// Those that were told to go.
    pub(super) retired: Vec<String>,
    /// Those that were let go, since their node is lost.
    pub(super) released: Vec<String>,
    /// Whether the agent is gone now.
    pub(super) gone: bool,
}

/// Writes `prepared`: first the finalizer, then the pool's node, then instances.
///
/// # Errors
/// The first thing the API server did not take.
pub(super) async fn apply(client: &Client, prepared: &Prepared) -> Result<Applied, Failure> {
    let agent = &prepared.input.agent;
    let namespace = agent.namespace().unwrap_or_default();
    let agents: Api<Agent> = Api::namespaced(client.clone(), &namespace);
    let instances: Api<AgentInstance> = Api::namespaced(client.clone(), &namespace);
    let plan = &prepared.resolved.plan;
    match prepared.finalizer {
        Finalizer::Add => finalizers(&agents, agent, &[FINALIZER_INSTANCES]).await?,
        Finalizer::Keep => {}
        Finalizer::Remove => {
            finalizers(&agents, agent, &[]).await?;
            return Ok(Applied {
                instances: Vec::new(),
                made: vec![],
                retired: vec![],
                released: vec![],
                gone: true,
            });
        }
    }
    if let Some(binding) = &prepared.binding {
        bind(client, &namespace, binding).await?;
    }
    let mut now = prepared.input.instances.clone();
    let mut made = Vec::new();
    let changed: Vec<&AgentInstance> = plan
        .keep
        .iter()
        .filter(|wanted| differs(wanted, &now))
        .collect();
    for instance in plan.create.iter().chain(changed) {
        let written = write(&instances, instance).await?;
        let name = written.name_any();
        match now.iter_mut().find(|there| there.name_any() == name) {
            Some(there) => *there = written,
            None => {
                now.push(written);
                made.push(name);
            }
        }
    }
    for name in &plan.retire {
        delete(&instances, name).await?;
    }
    for name in &plan.release {
        release(&instances, name).await?;
        now.retain(|instance| instance.name_any() != *name);
    }
    Ok(Applied {
        instances: now,
        made,
        retired: plan.retire.clone(),
        released: plan.release.clone(),
        gone: false,
    })
}

/// Server-side apply: an instance that is there already as it should be stays as it is.
async fn write(
    instances: &Api<AgentInstance>,
    instance: &AgentInstance,
) -> Result<AgentInstance, Failure> {
    let name = instance.name_any();
    let object = json!({
        "apiVersion": API_VERSION,
        "kind": "AgentInstance",
        "metadata": instance.metadata,
        "spec": instance.spec,
    });
    let params = PatchParams::apply(MANAGER_AGENT).force();
    instances
        .patch(&name, &params, &Patch::Apply(&object))
        .await
        .map_err(Failure::of(format!("writing AgentInstance {name}")))
}

/// Whether the one thing of an instance that may change has changed.
fn differs(wanted: &AgentInstance, now: &[AgentInstance]) -> bool {
    now.iter()
        .find(|there| there.metadata.name == wanted.metadata.name)
        .is_some_and(|there| there.spec.policy_revision != wanted.spec.policy_revision)
}

async fn delete(instances: &Api<AgentInstance>, name: &str) -> Result<(), Failure> {
    match instances.delete(name, &DeleteParams::background()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Failure::of(format!("deleting AgentInstance {name}"))(error)),
    }
}

/// Takes away the finalizer that a lost node cannot take away itself.
async fn release(instances: &Api<AgentInstance>, name: &str) -> Result<(), Failure> {
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    match instances.patch(name, &PatchParams::default(), &patch).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Failure::of(format!("letting go of AgentInstance {name}"))(
            error,
        )),
    }
}

async fn finalizers(
    agents: &Api<Agent>,
    agent: &Agent,
    finalizers: &[&str],
) -> Result<(), Failure> {
    let name = agent.name_any();
    // With the uid, an agent that went away meanwhile is not made anew.
    let object = json!({
        "apiVersion": API_VERSION,
        "kind": "Agent",
        "metadata": {"name": name, "uid": agent.metadata.uid, "finalizers": finalizers},
    });
    let params = PatchParams::apply(MANAGER_AGENT).force();
    match agents.patch(&name, &params, &Patch::Apply(&object)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status))
            if status.code == 404 || status.code == 409 && finalizers.is_empty() =>
        {
            Ok(())
        }
        Err(error) => Err(Failure::of(format!(
            "writing the finalizer of Agent {name}"
        ))(error)),
    }
}

/// Says which node holds a pool. Of two agents that would bind it at once one is refused, and looks again.
async fn bind(client: &Client, namespace: &str, binding: &Binding) -> Result<(), Failure> {
    let pools: Api<MemoryPool> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Merge(json!({
        "metadata": {"resourceVersion": binding.resource_version},
        "status": {"nodeName": binding.node},
    }));
    let params = PatchParams {
        field_manager: Some(MANAGER_AGENT.to_owned()),
        ..PatchParams::default()
    };
    pools
        .patch_status(&binding.pool, &params, &patch)
        .await
        .map(|_| ())
        .map_err(Failure::of(format!(
            "binding MemoryPool {} to node {}",
            binding.pool, binding.node
        )))
}
