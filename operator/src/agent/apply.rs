//! Step 4: writes what was prepared, and nothing besides.
//!
//! What was prepared, the plan and an instance's spec are taken apart without `..`: a field that is added cannot be
//! forgotten here.

use aion_api::metadata::{FINALIZER_DRAIN, FINALIZER_INSTANCES, MANAGER_AGENT};
use aion_api::{API_VERSION, Agent, AgentInstance, AgentInstanceSpec, MemoryPool};
use aion_resolve::Plan;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::failure::{Failure, step_errors};
use crate::write;

use super::build::{Binding, Finalizer, Prepared};

step_errors! {
    /// What the API server did not take.
    Error {
        /// The agent's finalizer.
        WriteFinalizer,
        /// The node of its pool.
        BindPool,
        /// An instance.
        WriteInstance,
        /// The end of an instance.
        DeleteInstance,
        /// The removal of a finalizer that a lost node leaves.
        ReleaseInstance,
    }
}

/// What was written.
#[derive(Default)]
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
pub(super) async fn apply(client: &Client, prepared: &Prepared) -> Result<Applied, Error> {
    let Prepared {
        input,
        resolved,
        finalizer,
        binding,
    } = prepared;
    let agent = &input.agent;
    let namespace = agent.namespace().unwrap_or_default();
    let agents: Api<Agent> = Api::namespaced(client.clone(), &namespace);
    let written = match finalizer {
        Finalizer::Add => write::hold(&agents, agent, MANAGER_AGENT, FINALIZER_INSTANCES).await,
        Finalizer::Keep => Ok(()),
        Finalizer::Remove => write::release(&agents, agent, FINALIZER_INSTANCES).await,
    };
    written.map_err(Error::WriteFinalizer)?;
    if *finalizer == Finalizer::Remove {
        return Ok(Applied {
            gone: true,
            ..Applied::default()
        });
    }
    if let Some(binding) = binding {
        bind(client, &namespace, binding).await?;
    }
    carry_out(client, &namespace, &resolved.plan, &input.instances).await
}

/// Brings what there is, `instances`, to what `plan` says.
async fn carry_out(
    client: &Client,
    namespace: &str,
    plan: &Plan,
    instances: &[AgentInstance],
) -> Result<Applied, Error> {
    let Plan {
        create,
        keep,
        retire,
        linger: _,
        release,
        blocked: _,
    } = plan;
    let api: Api<AgentInstance> = Api::namespaced(client.clone(), namespace);
    let mut applied = Applied {
        instances: instances.to_vec(),
        retired: retire.clone(),
        released: release.clone(),
        ..Applied::default()
    };
    for instance in create {
        let written = put(&api, instance, None).await?;
        applied.made.push(written.name_any());
        applied.instances.push(written);
    }
    for wanted in keep {
        let there = applied.instances.iter_mut();
        let mut there = there.filter(|it| it.metadata.name == wanted.metadata.name);
        if let Some(there) = there.next().filter(|it| differs(&wanted.spec, &it.spec)) {
            *there = put(&api, wanted, there.metadata.uid.as_deref()).await?;
        }
    }
    let of = |names: &[String]| -> Vec<AgentInstance> {
        let named = |it: &&AgentInstance| names.contains(&it.name_any());
        instances.iter().filter(named).cloned().collect()
    };
    for instance in of(retire) {
        let deleted = write::delete(&api, &instance).await;
        deleted.map_err(Error::DeleteInstance)?;
    }
    for instance in of(release) {
        let released = write::release(&api, &instance, FINALIZER_DRAIN).await;
        released.map_err(Error::ReleaseInstance)?;
    }
    applied
        .instances
        .retain(|it| !release.contains(&it.name_any()));
    Ok(applied)
}

/// Server-side apply: an instance that is there already as it should be stays as it is, and with the uid `there` of one
/// that was seen, none is made in its place.
async fn put(
    instances: &Api<AgentInstance>,
    instance: &AgentInstance,
    there: Option<&str>,
) -> Result<AgentInstance, Error> {
    let name = instance.name_any();
    let mut object = json!({
        "apiVersion": API_VERSION,
        "kind": "AgentInstance",
        "metadata": instance.metadata,
        "spec": instance.spec,
    });
    if let Some(uid) = there {
        object["metadata"]["uid"] = uid.into();
    }
    let params = PatchParams::apply(MANAGER_AGENT).force();
    instances
        .patch(&name, &params, &Patch::Apply(&object))
        .await
        .map_err(Failure::of(format!("writing AgentInstance {name}")))
        .map_err(Error::WriteInstance)
}

/// Whether what may change of an instance has changed. The rest is in its revision, and so in its name.
fn differs(wanted: &AgentInstanceSpec, now: &AgentInstanceSpec) -> bool {
    let AgentInstanceSpec {
        policy_revision,
        agent: _,
        tenant: _,
        node_name: _,
        replica: _,
        revision: _,
        runtime: _,
        lane: _,
        inline: _,
        bundle: _,
        signers: _,
        pull_secrets: _,
        model: _,
        tools: _,
        agents: _,
        memory: _,
        knowledge: _,
        mounts: _,
        grants: _,
        triggers: _,
        quotas: _,
        limits: _,
        sandbox: _,
        on_violation: _,
    } = wanted;
    *policy_revision != now.policy_revision
}

/// Says which node holds a pool. Of two agents that would bind it at once one is refused, and looks again.
async fn bind(client: &Client, namespace: &str, binding: &Binding) -> Result<(), Error> {
    let Binding {
        pool,
        resource_version,
        node,
    } = binding;
    let pools: Api<MemoryPool> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Merge(json!({
        "metadata": {"resourceVersion": resource_version},
        "status": {"nodeName": node},
    }));
    let params = PatchParams {
        field_manager: Some(MANAGER_AGENT.to_owned()),
        ..PatchParams::default()
    };
    pools
        .patch_status(pool, &params, &patch)
        .await
        .map(|_| ())
        .map_err(Failure::of(format!(
            "binding MemoryPool {pool} to node {node}"
        )))
        .map_err(Error::BindPool)
}
