//! What an agent is judged against: the manifests at hand, then what the node has, then what a machine that stands
//! alone decides by.

use aion_api::{AgentPolicy, ClusterAgentPolicy, MemoryPool, ModelEndpoint, Tool, TrustPolicy};
use aion_client::Node;
use aion_resolve::{NodeView, Object, Universe, parse_manifests};
use serde::de::DeserializeOwned;

use crate::{
    context::Context,
    failure::{Failure, Status},
    resources::Resources,
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
        let resources = context.resources()?;
        let skip = Skip {
            policies: own_policy,
            trust: own_trust,
        };
        match fill(&mut universe, &resources, context, &skip).await {
            Ok(()) => {
                let decides = match &resources {
                    Resources::Node(_) => "as the node on this machine decides",
                    #[cfg(feature = "kubernetes")]
                    Resources::Cluster(_) => "as the cluster decides",
                };
                return Ok((universe, decides.to_owned()));
            }
            Err(failure) if failure.status == Status::Unreachable => {}
            Err(failure) => return Err(failure),
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
    resources: &Resources,
    context: &Context,
    skip: &Skip,
) -> Result<(), Failure> {
    let namespace = Some(context.namespace.as_str());
    let mut found: Vec<Object> = Vec::new();
    if !skip.policies {
        found.extend(
            list::<ClusterAgentPolicy>(resources, "clusteragentpolicies", None, |it| {
                Object::ClusterAgentPolicy(it)
            })
            .await?,
        );
        found.extend(
            list::<AgentPolicy>(resources, "agentpolicies", namespace, |it| {
                Object::AgentPolicy(it)
            })
            .await?,
        );
    }
    if !skip.trust {
        found.extend(
            list::<TrustPolicy>(resources, "trustpolicies", None, Object::TrustPolicy).await?,
        );
    }
    found
        .extend(list::<MemoryPool>(resources, "memorypools", namespace, Object::MemoryPool).await?);
    found.extend(
        list::<ModelEndpoint>(
            resources,
            "modelendpoints",
            namespace,
            Object::ModelEndpoint,
        )
        .await?,
    );
    found.extend(list::<Tool>(resources, "tools", namespace, Object::Tool).await?);
    for object in found {
        universe.insert(object, &context.namespace);
    }
    match resources {
        Resources::Node(node) => this_node(universe, node).await,
        #[cfg(feature = "kubernetes")]
        Resources::Cluster(cluster) => {
            let labels = cluster.namespace_labels(&context.namespace).await?;
            universe
                .namespaces
                .insert(context.namespace.clone(), labels);
            nodes(universe, resources).await
        }
    }
}

/// The one node there is, standalone.
async fn this_node(universe: &mut Universe, node: &Node) -> Result<(), Failure> {
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

/// The nodes of a cluster, where they may be seen.
#[cfg(feature = "kubernetes")]
async fn nodes(universe: &mut Universe, resources: &Resources) -> Result<(), Failure> {
    use aion_resolve::{
        Setting,
        node_status::{node_view, told_state},
    };

    universe.setting = Setting::Cluster;
    for node in resources.list("kernelnodes", None).await? {
        let node: aion_api::KernelNode = serde_json::from_value(node)
            .map_err(|why| Failure::new(format!("a KernelNode cannot be read: {why}")))?;
        let view = node_view(&node, told_state(&node), 0);
        universe.nodes.insert(view.name.clone(), view);
    }
    Ok(())
}

async fn list<T: DeserializeOwned>(
    resources: &Resources,
    plural: &str,
    namespace: Option<&str>,
    wrap: impl Fn(Box<T>) -> Object,
) -> Result<Vec<Object>, Failure> {
    let items = resources.list(plural, namespace).await?;
    items
        .into_iter()
        .map(|item| {
            serde_json::from_value(item)
                .map(|it| wrap(Box::new(it)))
                .map_err(|why| Failure::new(format!("one of the {plural} cannot be read: {why}")))
        })
        .collect()
}
