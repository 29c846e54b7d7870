//! What a node writes into an AgentInstance: its status, and finally the removal of its finalizer.

use std::sync::Arc;

use aion_api::{
    API_VERSION, Agent, AgentInstance, AgentInstanceStatus, InstancePhase, Unreadable,
    condition::{self, Judgement, READY, reason},
    metadata::{FINALIZER_DRAIN, MANAGER_NODE},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    core::PartialObjectMeta,
};
use serde_json::json;

use crate::instances::SourceError;

/// Writes the whole status, which nobody else writes.
pub(super) async fn patch(
    client: &Client,
    instance: &AgentInstance,
    status: Arc<AgentInstanceStatus>,
) -> Result<(), SourceError> {
    let name = instance.name_any();
    // With the uid: one of the same name that came after it is not spoken of.
    let object = json!({
        "apiVersion": API_VERSION,
        "kind": "AgentInstance",
        "metadata": {"name": name, "uid": instance.metadata.uid},
        "status": status,
    });
    let params = PatchParams::apply(MANAGER_NODE).force();
    // Of the answer only the metadata is read, which is all of it that can be read always.
    let namespace = instance.metadata.namespace.as_deref().unwrap_or_default();
    let answered: Api<PartialObjectMeta<AgentInstance>> =
        Api::namespaced(client.clone(), namespace);
    let written = answered
        .patch_status(&name, &params, &Patch::Apply(&object))
        .await;
    written.map(|_| ()).map_err(|error| sorted(&error))
}

/// Says of an instance that cannot be read and never was that nothing runs of it, and why.
pub(super) async fn unreadable(client: Client, unreadable: Unreadable) {
    let metadata = &unreadable.metadata;
    let words = unreadable.words("AgentInstance");
    let judgement = Judgement::new(READY, false, reason::UNREADABLE, words);
    let now = Time(crate::clock::timestamp());
    let status = AgentInstanceStatus {
        phase: InstancePhase::Failed,
        conditions: condition::write(&[], &[judgement], metadata.generation, &now),
        ..AgentInstanceStatus::default()
    };
    let bare = AgentInstance {
        metadata: metadata.clone(),
        ..AgentInstance::default()
    };
    if let Err(error) = patch(&client, &bare, Arc::new(status)).await {
        let uid = metadata.uid.as_deref().unwrap_or_default();
        error.tell("that an instance cannot be read is not written", uid);
    }
}

/// Takes the node's finalizer away, and leaves those of others.
pub(super) async fn release(client: &Client, instance: &AgentInstance) -> Result<(), SourceError> {
    let (api, name) = (instances(client, instance), instance.name_any());
    let there = api.get_metadata_opt(&name).await;
    let there = there.map_err(|error| sorted(&error))?;
    let Some(there) = there.filter(|it| it.metadata.uid == instance.metadata.uid) else {
        return Err(SourceError::Gone);
    };
    let mut finalizers = there.finalizers().to_vec();
    finalizers.retain(|it| it != FINALIZER_DRAIN);
    if finalizers.len() == there.finalizers().len() {
        return Ok(());
    }
    // With the version: somebody else's finalizer that comes at this moment is not lost.
    let patch = json!({"metadata": {
        "resourceVersion": there.metadata.resource_version,
        "finalizers": finalizers,
    }});
    let params = PatchParams {
        field_manager: Some(MANAGER_NODE.to_owned()),
        ..PatchParams::default()
    };
    let written = api
        .patch_metadata(&name, &params, &Patch::Merge(&patch))
        .await;
    written.map(|_| ()).map_err(|error| sorted(&error))
}

/// Whether the agent of `instance` is deleted, or being deleted; one of the same name that came after it is
/// another.
pub(super) async fn agent_is_gone(
    client: &Client,
    instance: &AgentInstance,
) -> Result<bool, SourceError> {
    let namespace = instance.metadata.namespace.as_deref().unwrap_or_default();
    let agents: Api<Agent> = Api::namespaced(client.clone(), namespace);
    let agent = &instance.spec.agent;
    let there = agents.get_metadata_opt(&agent.name).await;
    let there = there.map_err(|error| sorted(&error))?;
    Ok(there.is_none_or(|it| {
        it.metadata.uid.as_deref() != Some(agent.uid.as_str())
            || it.metadata.deletion_timestamp.is_some()
    }))
}

fn instances(client: &Client, instance: &AgentInstance) -> Api<AgentInstance> {
    let namespace = instance.metadata.namespace.as_deref().unwrap_or_default();
    Api::namespaced(client.clone(), namespace)
}

/// What an error of the API means for whoever tries again.
pub(super) fn sorted(error: &kube::Error) -> SourceError {
    match error {
        kube::Error::Api(status) if status.code == 404 => SourceError::Gone,
        kube::Error::Api(status) if matches!(status.code, 400 | 403 | 405 | 413 | 422) => {
            SourceError::Refused(status.message.clone())
        }
        other => SourceError::Unavailable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let of = |code| {
            let status = Status {
                code,
                ..Status::default()
            };
            sorted(&kube::Error::Api(Box::new(status)))
        };
        assert_eq!(of(404), SourceError::Gone);
        for code in [403, 422] {
            assert!(matches!(of(code), SourceError::Refused(_)), "{code}");
        }
        for code in [401, 409, 429, 500, 503] {
            assert!(matches!(of(code), SourceError::Unavailable(_)), "{code}");
        }
    }
}
