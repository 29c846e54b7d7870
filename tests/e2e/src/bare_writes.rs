//! What an operator writes of an agent that comes up, by a client that does nothing else: how much of that an API server
//! takes. What may not enter: what an operator thinks.

use std::path::PathBuf;

use aion_api::metadata::{FINALIZER_INSTANCES, LABEL_AGENT, MANAGER_AGENT};
use aion_api::{API_VERSION, Agent, AgentInstance};
use anyhow::Context;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource};
use serde_json::json;

use crate::node::client;

/// Writes of one agent.
pub const WRITES: u64 = 4;

/// Writes of agents what was written of one of them.
pub struct BareWrites {
    agents: Api<Agent>,
    instances: Api<AgentInstance>,
    events: Api<Event>,
    agent: Agent,
    instance: AgentInstance,
}

impl BareWrites {
    /// As who logs in by `kubeconfig`, after the agent `name`, which is ready.
    ///
    /// # Errors
    /// When it cannot log in, or there is no such agent.
    pub async fn like(kubeconfig: PathBuf, namespace: &str, name: &str) -> anyhow::Result<Self> {
        let client = client(kubeconfig).await?;
        let agents: Api<Agent> = Api::namespaced(client.clone(), namespace);
        let instances: Api<AgentInstance> = Api::namespaced(client.clone(), namespace);
        let own = ListParams::default().labels(&format!("{LABEL_AGENT}={name}"));
        let all = instances.list(&own).await?.items;
        let mut instance = all.into_iter().next();
        let instance = instance.as_mut().context("it has no instance")?;
        instance.status = None;
        Ok(Self {
            agent: agents.get(name).await?,
            agents,
            events: Api::namespaced(client, namespace),
            instance: instance.clone(),
            instances,
        })
    }

    /// The [`WRITES`] of the agent `name`: finalizer, instance, status and an event.
    ///
    /// # Errors
    /// What the API server does not take.
    pub async fn of(&self, name: &str) -> anyhow::Result<()> {
        let apply = PatchParams::apply(MANAGER_AGENT).force();
        let make = PostParams::default();
        let agent = |more: &str, value: serde_json::Value| {
            let mut agent = json!({
                "apiVersion": API_VERSION, "kind": "Agent", "metadata": {"name": name},
            });
            agent[more] = value;
            Patch::Apply(agent)
        };
        let held = json!({"name": name, "finalizers": [FINALIZER_INSTANCES]});
        self.agents
            .patch_metadata(name, &apply, &agent("metadata", held))
            .await?;
        let mut instance = self.instance.clone();
        instance.metadata = ObjectMeta {
            name: Some(format!("{name}-0-bare")),
            labels: Some([(LABEL_AGENT.to_owned(), name.to_owned())].into()),
            annotations: instance.metadata.annotations,
            finalizers: instance.metadata.finalizers,
            owner_references: instance.metadata.owner_references,
            ..ObjectMeta::default()
        };
        name.clone_into(&mut instance.spec.agent.name);
        self.instances.create(&make, &instance).await?;
        let status = serde_json::to_value(&self.agent.status)?;
        let written = self
            .agents
            .patch_status(name, &apply, &agent("status", status))
            .await?;
        let event = Event {
            metadata: ObjectMeta {
                name: Some(format!("{name}.bare")),
                ..ObjectMeta::default()
            },
            action: Some("Reconcile".to_owned()),
            event_time: Some(MicroTime(k8s_openapi::jiff::Timestamp::UNIX_EPOCH)),
            note: Some(format!("AgentInstances made: {name}-0-bare")),
            reason: Some("InstanceCreated".to_owned()),
            regarding: Some(written.object_ref(&())),
            reporting_controller: Some("aion-operator".to_owned()),
            reporting_instance: Some("bare".to_owned()),
            type_: Some("Normal".to_owned()),
            ..Event::default()
        };
        self.events.create(&make, &event).await?;
        Ok(())
    }
}
