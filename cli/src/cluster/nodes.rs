//! Which node agent is asked: one that has an instance of the agent, at the address of its KernelNode.

use aion_api::{AgentInstance, KernelNode, NodeApi, condition};
use aion_client::{Address, Node};
use kube::api::ListParams;
use serde_json::Value;

use super::Cluster;
use crate::{
    asked::Asked,
    failure::{Failure, Status},
};

impl Cluster {
    /// The node agent to ask about an agent.
    pub(crate) async fn node_of(&self, namespace: &str, agent: &str) -> Result<Asked, Failure> {
        let instances = self.instances_of(namespace, agent).await?;
        self.node_that_has(namespace, agent, choose(&instances))
            .await
    }

    /// The node agent of an agent's first replica, which starts its turns by time and takes its deliveries.
    pub(crate) async fn first_node_of(
        &self,
        namespace: &str,
        agent: &str,
    ) -> Result<Asked, Failure> {
        let mut instances = self.instances_of(namespace, agent).await?;
        keep_first(&mut instances);
        self.node_that_has(namespace, agent, choose(&instances))
            .await
    }

    async fn node_that_has(
        &self,
        namespace: &str,
        agent: &str,
        instance: Option<&AgentInstance>,
    ) -> Result<Asked, Failure> {
        let Some(instance) = instance else {
            // Says so itself where there is no such agent.
            let found = self.get("agents", Some(namespace), agent).await?;
            let why = why_not(&found);
            return Err(
                Failure::new(format!("agent {agent} runs nowhere: {why}")).remedy(format!(
                    "see the whole chain: aionctl --cluster why {agent}"
                )),
            );
        };
        self.node_named(namespace, &instance.spec.node_name).await
    }

    /// The nodes that have an instance of an agent: each may have asked something in it.
    pub(crate) async fn nodes_of(
        &self,
        namespace: &str,
        agent: &str,
    ) -> Result<Vec<String>, Failure> {
        let nodes = nodes(&self.instances_of(namespace, agent).await?);
        if nodes.is_empty() {
            // Says so itself where there is no such agent.
            self.get("agents", Some(namespace), agent).await?;
        }
        Ok(nodes)
    }

    /// The node agent of a node, asked about agents of a namespace.
    pub(crate) async fn node_named(&self, namespace: &str, name: &str) -> Result<Asked, Failure> {
        let node = self.get("kernelnodes", None, name).await?;
        let node: KernelNode = serde_json::from_value(node)
            .map_err(|why| Failure::new(format!("KernelNode {name} cannot be read: {why}")))?;
        let Some(api) = node.status.and_then(|status| status.api) else {
            return Err(
                Failure::new(format!("node {name} cannot be asked from here"))
                    .remedy("start its aion-node with --listen")
                    .status(Status::Unreachable),
            );
        };
        let token = self.token(namespace).await?;
        Ok(Asked {
            node: Node {
                address: address(name, &api, &token)?,
            },
            name: Some(name.to_owned()),
        })
    }

    pub(super) async fn instances_of(
        &self,
        namespace: &str,
        agent: &str,
    ) -> Result<Vec<AgentInstance>, Failure> {
        let which = ListParams::default().fields(&format!("spec.agent.name={agent}"));
        let found = self
            .listed("agentinstances", Some(namespace), &which)
            .await?;
        let read = |it| {
            serde_json::from_value(it)
                .map_err(|why| Failure::new(format!("an AgentInstance cannot be read: {why}")))
        };
        found.into_iter().map(read).collect()
    }
}

/// Where instances are, ready or not.
fn nodes(instances: &[AgentInstance]) -> Vec<String> {
    let names = instances.iter().map(|it| it.spec.node_name.clone());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names.dedup();
    names
}

/// Leaves those of the lowest replica: of a new revision and the one before there may be two.
fn keep_first(instances: &mut Vec<AgentInstance>) {
    let first = instances.iter().map(|it| it.spec.replica).min();
    instances.retain(|it| Some(it.spec.replica) == first);
}

/// One that is ready, another each time; else any.
fn choose(instances: &[AgentInstance]) -> Option<&AgentInstance> {
    let is_ready = |it: &&AgentInstance| {
        let status = it.status.as_ref();
        status.is_some_and(|it| condition::is_true(&it.conditions, condition::READY))
    };
    let ready: Vec<_> = instances.iter().filter(is_ready).collect();
    let any = crate::clock::now().subsec_nanosecond().unsigned_abs() as usize;
    match ready.len() {
        0 => instances.first(),
        many => ready.get(any % many).copied(),
    }
}

fn why_not(agent: &Value) -> String {
    let conditions = agent["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|it| it["type"] == "Ready");
    let message = ready.and_then(|it| it["message"].as_str());
    message
        .unwrap_or("the operator has not processed it yet")
        .to_owned()
}

fn address(node: &str, api: &NodeApi, token: &str) -> Result<Address, Failure> {
    Address::cluster(&api.url, api.ca_bundle.as_deref(), Some(token)).map_err(|why| {
        Failure::new(format!(
            "the address {} of node {node} cannot be used: {why}",
            api.url
        ))
        .status(Status::Unreachable)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers_are_the_first_replicas() {
        let of = |(replica, node): (i32, &str)| {
            let mut instance = AgentInstance::new(node, Default::default());
            instance.spec.replica = replica;
            instance.spec.node_name = node.to_owned();
            instance
        };
        let instances = [(1, "a"), (0, "b"), (2, "c"), (0, "d")].map(of);
        let mut first = instances.to_vec();
        keep_first(&mut first);
        assert_eq!(nodes(&first), ["b", "d"]);
        assert!(choose(&first).is_some_and(|it| it.spec.replica == 0));
    }
}
