//! What an agent is judged against: the manifests at hand, then what the node has, then what a machine that stands
//! alone decides by.

use aion_api::{AgentPolicy, ClusterAgentPolicy, MemoryPool, ModelEndpoint, Tool, TrustPolicy};
use aion_resolve::{NodeView, Object, Universe, parse_manifests};
use serde::de::DeserializeOwned;

use crate::{
    client::{ClientError, Node},
    context::Context,
    failure::Failure,
};

const STANDALONE: &str = include_str!("../../../../policies/standalone.yaml");

/// The universe, and a sentence about where it comes from.
pub(super) async fn around(
    context: &Context,
    objects: Vec<Object>,
    offline: bool,
) -> Result<(Universe, String), Failure> {
    let mut universe = Universe::default();
    let own_policy = objects
        .iter()
        .any(|object| matches!(object, Object::ClusterAgentPolicy(_)));
    let own_trust = objects
        .iter()
        .any(|object| matches!(object, Object::TrustPolicy(_)));
    for object in objects {
        universe.insert(object, &context.namespace);
    }
    if !offline {
        let node = context.node()?;
        let skip = Skip {
            policies: own_policy,
            trust: own_trust,
        };
        match fill(&mut universe, &node, context, &skip).await {
            Ok(()) => return Ok((universe, "as the node on this machine decides".to_owned())),
            Err(ClientError::Unreachable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if own_policy {
        return Ok((
            universe,
            "as the policies among the files decide; no node was asked".to_owned(),
        ));
    }
    let standalone = parse_manifests(STANDALONE, "standalone.yaml");
    for manifest in standalone.into_iter().flatten() {
        universe.insert(manifest.object, &context.namespace);
    }
    Ok((
        universe,
        "no node was asked: as a machine that stands alone decides (policies/standalone.yaml)"
            .to_owned(),
    ))
}

/// Kinds that the files speak for.
struct Skip {
    policies: bool,
    trust: bool,
}

/// Adds what the node has; an object of the files stays where both have it.
async fn fill(
    universe: &mut Universe,
    node: &Node,
    context: &Context,
    skip: &Skip,
) -> Result<(), ClientError> {
    let namespace = Some(context.namespace.as_str());
    let mut found: Vec<Object> = Vec::new();
    if !skip.policies {
        found.extend(
            list::<ClusterAgentPolicy>(node, "clusteragentpolicies", None, |it| {
                Object::ClusterAgentPolicy(it)
            })
            .await?,
        );
        found.extend(
            list::<AgentPolicy>(node, "agentpolicies", namespace, |it| {
                Object::AgentPolicy(it)
            })
            .await?,
        );
    }
    if !skip.trust {
        found.extend(list::<TrustPolicy>(node, "trustpolicies", None, Object::TrustPolicy).await?);
    }
    found.extend(list::<MemoryPool>(node, "memorypools", namespace, Object::MemoryPool).await?);
    found.extend(
        list::<ModelEndpoint>(node, "modelendpoints", namespace, Object::ModelEndpoint).await?,
    );
    found.extend(list::<Tool>(node, "tools", namespace, Object::Tool).await?);
    for object in found {
        universe.insert(object, &context.namespace);
    }
    let status = node.status().await?;
    let mounts = node.mounts().await?;
    let volumes = mounts.as_object().map(|all| all.keys().cloned().collect());
    let view = NodeView {
        name: status.node.clone(),
        volumes: volumes.unwrap_or_default(),
        ..NodeView::default()
    };
    universe.nodes.insert(status.node, view);
    Ok(())
}

async fn list<T: DeserializeOwned>(
    node: &Node,
    plural: &str,
    namespace: Option<&str>,
    wrap: impl Fn(Box<T>) -> Object,
) -> Result<Vec<Object>, ClientError> {
    let items = node.list(plural, namespace).await?;
    items
        .into_iter()
        .map(|item| {
            serde_json::from_value(item)
                .map(|it| wrap(Box::new(it)))
                .map_err(|why| node.address.unexpected(why))
        })
        .collect()
}
