//! Giving up a node: what is lost with it, and the deletion of its KernelNode, from which the operator takes the rest.

use std::collections::BTreeSet;

use aion_api::condition::READY;
use kube::api::{DeleteParams, ListParams, Preconditions};
use serde_json::Value;

use super::Cluster;
use crate::failure::Failure;

/// A node as it is now.
pub(crate) struct Forgettable {
    name: String,
    uid: Option<String>,
    /// Whether its node agent is alive.
    pub(crate) alive: bool,
    /// Agents that are placed anew.
    pub(crate) agents: BTreeSet<String>,
    /// Pools whose memory there is lost.
    pub(crate) pools: BTreeSet<String>,
}

impl Cluster {
    /// What would be lost with `node`.
    pub(crate) async fn forgettable(&self, node: &str) -> Result<Forgettable, Failure> {
        let found = self.get("kernelnodes", None, node).await?;
        let here = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let instances = self.listed("agentinstances", None, &here).await?;
        let pools = self.list("memorypools", None).await?;
        let conditions = found["status"]["conditions"].as_array();
        let ready = conditions
            .into_iter()
            .flatten()
            .any(|it| it["type"] == READY && it["status"] == "True");
        let agents = instances
            .iter()
            .map(|it| named(it, &it["spec"]["agent"]["name"]));
        let held = pools.iter().filter(|it| it["status"]["nodeName"] == node);
        Ok(Forgettable {
            name: node.to_owned(),
            uid: found["metadata"]["uid"].as_str().map(str::to_owned),
            alive: ready,
            agents: agents.collect(),
            pools: held.map(|it| named(it, &it["metadata"]["name"])).collect(),
        })
    }

    /// Deletes the KernelNode that was looked at, and none that came after it.
    pub(crate) async fn forget(&self, node: &Forgettable) -> Result<(), Failure> {
        let params = DeleteParams::default().preconditions(Preconditions {
            uid: node.uid.clone(),
            resource_version: None,
        });
        let deleted = self.api("kernelnodes", None)?;
        let deleted = deleted.delete(&node.name, &params).await;
        let deleted = deleted.map_err(|why| self.failure("forget the node", &why));
        deleted.map(|_| ())
    }
}

fn named(object: &Value, name: &Value) -> String {
    let namespace = object["metadata"]["namespace"].as_str();
    let name = name.as_str().unwrap_or_default();
    format!("{}/{name}", namespace.unwrap_or_default())
}
