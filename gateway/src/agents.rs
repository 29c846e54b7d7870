//! Agents as the node shows them, by the name that a client says.

use aion_abi::{code::Code, problem::Problem};
use aion_route::Agent;
use serde_json::Value;

use crate::gateway::{AUTO, Gateway, problem};

impl Gateway {
    /// Every agent, or those of a namespace, by namespace and name; in a cluster those of one namespace, the usual one where none is named.
    /// One that cannot be read hides no other.
    pub(crate) async fn agents(&self, namespace: Option<&str>) -> Result<Vec<Agent>, Problem> {
        let agents = self.agents_as_applied(namespace).await?;
        Ok(agents.into_iter().map(|(agent, _)| agent).collect())
    }

    /// The same, each with its resource.
    pub(crate) async fn agents_as_applied(
        &self,
        namespace: Option<&str>,
    ) -> Result<Vec<(Agent, Value)>, Problem> {
        let resources = self.nodes.agents(namespace, &self.namespace).await;
        let resources = resources.map_err(problem)?;
        let agents = resources.into_iter().filter_map(|resource| {
            let read = Agent::read(&resource);
            let warned = |error: &serde_json::Error| {
                tracing::warn!(%error, "an Agent of the node cannot be read, and is not listed");
            };
            Some((read.inspect_err(warned).ok()?, resource))
        });
        let mut agents: Vec<(Agent, Value)> = agents.collect();
        agents.sort_by(|(a, _), (b, _)| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        Ok(agents)
    }

    /// One agent.
    pub(crate) async fn agent(&self, namespace: &str, name: &str) -> Result<Agent, Problem> {
        self.agent_as_applied(namespace, name)
            .await
            .map(|(agent, _)| agent)
    }

    /// One, with its resource.
    pub(crate) async fn agent_as_applied(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<(Agent, Value), Problem> {
        let found = self.nodes.agent(namespace, name).await;
        let found = found.map_err(problem)?;
        Ok((Agent::read(&found).map_err(unread)?, found))
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
