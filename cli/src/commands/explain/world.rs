//! What an agent is judged against: the manifests at hand, then what the node has, then what a machine that stands
//! alone decides by.

use aion_api::crd::{KINDS, Kind};
use aion_client::Node;
use aion_resolve::{NodeView, Object, Universe, dereference::agents_of, parse_manifests};

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
    let asks_agents = objects
        .iter()
        .any(|object| matches!(object, Object::Agent(agent) if agents_of(agent).next().is_some()));
    let of_devices = objects
        .iter()
        .any(|it| matches!(it.kind(), "Device" | "DeviceBroker" | "DeviceModel"));
    for object in objects {
        universe.insert(object, &context.namespace);
    }
    if !offline {
        let resources = context.resources()?;
        let skip = Skip {
            policies: own_policy,
            trust: own_trust,
            agents: !asks_agents,
            devices: !of_devices,
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

/// Kinds that the files speak for, or ask nothing of.
struct Skip {
    policies: bool,
    trust: bool,
    agents: bool,
    devices: bool,
}

/// Adds what the node has; an object of the files stays where both have it.
async fn fill(
    universe: &mut Universe,
    resources: &Resources,
    context: &Context,
    skip: &Skip,
) -> Result<(), Failure> {
    let skipped = |kind: &Kind| match kind.name {
        "Agent" => skip.agents,
        "AgentPolicy" | "ClusterAgentPolicy" => skip.policies,
        "TrustPolicy" => skip.trust,
        // No agent hangs on them: what may be done with a device is a right, whether it is there or not.
        "Device" | "DeviceBroker" | "DeviceModel" => skip.devices,
        _ => false,
    };
    let written = KINDS.iter().filter(|kind| kind.written_by_people);
    for kind in written.filter(|kind| !skipped(kind)) {
        for object in list(resources, kind, &context.namespace).await? {
            universe.insert(object, &context.namespace);
        }
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

async fn list(resources: &Resources, kind: &Kind, namespace: &str) -> Result<Vec<Object>, Failure> {
    let namespace = kind.namespaced.then_some(namespace);
    let items = resources.list(kind.plural, namespace).await?;
    let mut objects = Vec::with_capacity(items.len());
    for item in items {
        let read = Object::from_json(kind.name, item);
        objects.extend(read.map_err(|why| {
            Failure::new(format!("one of the {} cannot be read: {why}", kind.plural))
        })?);
    }
    Ok(objects)
}
