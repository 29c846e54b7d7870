//! Agents as the node shows them, by the name that a client says.

use aion_abi::{code::Code, problem::Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::gateway::{AUTO, Gateway, problem};

/// An agent, for whoever wants to ask one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Agent {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// What it may be asked, to begin with.
    #[serde(rename = "try", skip_serializing_if = "Vec::is_empty")]
    pub(crate) try_asking: Vec<String>,
    /// Whether it can be asked now.
    pub(crate) ready: bool,
    /// Why it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// When it was made (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<String>,
}

/// What is read of an Agent resource.
#[derive(Deserialize)]
struct Resource {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    creation_timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Spec {
    description: Option<String>,
    #[serde(default, rename = "try")]
    try_asking: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    message: String,
}

impl Agent {
    fn of(resource: Value) -> Result<Self, serde_json::Error> {
        let Resource {
            metadata,
            spec,
            status,
        } = serde_json::from_value(resource)?;
        let mut conditions = status.conditions.into_iter();
        let ready = conditions.find(|it| it.kind == "Ready");
        let is_ready = ready.as_ref().is_some_and(|it| it.status == "True");
        Ok(Self {
            namespace: metadata.namespace,
            name: metadata.name,
            description: spec.description,
            try_asking: spec.try_asking,
            ready: is_ready,
            message: ready.filter(|_| !is_ready).map(|it| it.message),
            created_at: metadata.creation_timestamp,
        })
    }
}

impl Gateway {
    /// Every agent, by namespace and name. One that cannot be read hides no other.
    pub(crate) async fn agents(&self) -> Result<Vec<Agent>, Problem> {
        let resources = self.node.list("agents", None).await.map_err(problem)?;
        let agents = resources.into_iter().filter_map(|resource| {
            let read = Agent::of(resource);
            let warned = |error: &serde_json::Error| {
                tracing::warn!(%error, "an Agent of the node cannot be read, and is not listed");
            };
            read.inspect_err(warned).ok()
        });
        let mut agents: Vec<Agent> = agents.collect();
        agents.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        Ok(agents)
    }

    /// One agent.
    pub(crate) async fn agent(&self, namespace: &str, name: &str) -> Result<Agent, Problem> {
        let found = self.node.resource("agents", Some(namespace), name).await;
        Agent::of(found.map_err(problem)?).map_err(unread)
    }

    /// The name of an agent where only one text names it: without its namespace where that is the usual one and the name means nothing else.
    pub(crate) fn short(&self, agent: &Agent) -> String {
        match agent.namespace == self.namespace && agent.name != AUTO {
            true => agent.name.clone(),
            false => format!("{}/{}", agent.namespace, agent.name),
        }
    }

    /// Namespace and name of such a text.
    pub(crate) fn long<'a>(&'a self, short: &'a str) -> (&'a str, &'a str) {
        short.split_once('/').unwrap_or((&self.namespace, short))
    }
}

pub(crate) fn unread(error: serde_json::Error) -> Problem {
    Problem::new(
        Code::UpstreamFailed,
        format!("an Agent of the node cannot be read: {error}"),
    )
    .remedy("have gateway and node of one version")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agent_that_is_not_ready_says_why() {
        let resource = |status| {
            json!({
                "apiVersion": "aion.dev/v1alpha1", "kind": "Agent",
                "metadata": {"name": "librarian", "namespace": "default"},
                "spec": {"description": "Finds things", "try": ["Where is it?"]},
                "status": {"conditions": [
                    {"type": "Accepted", "status": "True", "message": "is accepted"},
                    {"type": "Ready", "status": status, "message": "no model answers"},
                ]},
            })
        };
        let waits = Agent::of(resource("False")).unwrap();
        assert!(!waits.ready);
        assert_eq!(waits.message.as_deref(), Some("no model answers"));
        let ready = Agent::of(resource("True")).unwrap();
        assert!(ready.ready && ready.message.is_none());
        assert_eq!(ready.try_asking, ["Where is it?"]);
    }
}
