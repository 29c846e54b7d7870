//! Step 1: what the device refers to, and the nodes that may have it, from the caches. Reads only.

use std::collections::BTreeMap;
use std::sync::Arc;

use aion_api::{AgentPolicy, ClusterAgentPolicy, Device, DeviceBroker, DeviceModel, KernelNode};
use aion_policy::Imposed;
use aion_resolve::device::Things;
use aion_resolve::node_status::{node_view, told_state};
use aion_resolve::{Key, NodeState, NodeView};
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::caches::{Caches, is_cordoned};

/// A device and what is known about it.
pub(super) struct Dereferenced {
    pub(super) key: Key,
    pub(super) device: Device,
    pub(super) things: Found,
    pub(super) policies: Policies,
    pub(super) nodes: Vec<NodeView>,
    pub(super) caches: Caches,
}

/// The policies whose guardrails may be a device's.
pub(super) struct Policies {
    cluster: Vec<Arc<ClusterAgentPolicy>>,
    namespaced: Vec<Arc<AgentPolicy>>,
    labels: BTreeMap<String, String>,
}

impl Policies {
    fn of(namespace: &str, caches: &Caches) -> Self {
        let own = |it: &AgentPolicy| it.namespace().as_deref() == Some(namespace);
        Self {
            cluster: caches.cluster_policies.state(),
            namespaced: caches.agent_policies.state_filter(own),
            labels: caches.namespace_labels(namespace),
        }
    }

    /// What they put upon devices of the namespace.
    pub(super) fn imposed(&self) -> Vec<Imposed<'_>> {
        Imposed::of(
            self.cluster.iter().map(AsRef::as_ref),
            self.namespaced.iter().map(AsRef::as_ref),
            &self.labels,
        )
    }
}

/// What was found of its namespace: what it names, and what those name that its guardrails look at.
pub(super) struct Found {
    models: BTreeMap<String, Arc<DeviceModel>>,
    broker: Option<Arc<DeviceBroker>>,
    others: BTreeMap<String, Arc<Device>>,
}

impl Things for Found {
    fn model(&self, name: &str) -> Option<&DeviceModel> {
        self.models.get(name).map(AsRef::as_ref)
    }

    fn broker(&self, name: &str) -> Option<&DeviceBroker> {
        let named = |it: &&Arc<DeviceBroker>| it.name_any() == name;
        self.broker.as_ref().filter(named).map(AsRef::as_ref)
    }

    fn device(&self, name: &str) -> Option<&Device> {
        self.others.get(name).map(AsRef::as_ref)
    }

    fn names(&self) -> Vec<String> {
        self.others.keys().cloned().collect()
    }
}

/// Gathers what `device` refers to; nothing, where any of it cannot be read.
pub(super) fn dereference(device: &Device, caches: &Caches) -> Option<Dereferenced> {
    let namespace = device.namespace().unwrap_or_default();
    let key = Key::new(&namespace, &device.name_any());
    let unreadable = &caches.unreadable;
    let (model, broker) = (&device.spec.model, device.spec.broker());
    let held = [
        unreadable.of::<DeviceModel>(&namespace, model),
        broker.and_then(|it| unreadable.of::<DeviceBroker>(&namespace, it)),
    ];
    // One that cannot be read may be what keeps a device from being moved.
    let policies = [
        unreadable.all::<ClusterAgentPolicy>("", |_| true),
        unreadable.all::<AgentPolicy>(&namespace, |_| true),
    ];
    if held.iter().any(Option::is_some) || policies.iter().any(|it| !it.is_empty()) {
        return None;
    }
    let policies = Policies::of(&namespace, caches);
    let mut things = Found {
        models: BTreeMap::new(),
        broker: broker.and_then(|it| named(&caches.device_brokers, &namespace, it)),
        others: BTreeMap::new(),
    };
    let mut names = vec![model.clone()];
    if let Some(model) = named(&caches.device_models, &namespace, model) {
        let refers = aion_resolve::device_binding::refers_to(device, &model, &policies.imposed());
        for other in refers {
            let Some(it) = named(&caches.devices, &namespace, &other) else {
                continue;
            };
            names.push(it.spec.model.clone());
            things.others.insert(other, it);
        }
    }
    for name in names {
        if let Some(model) = named(&caches.device_models, &namespace, &name) {
            things.models.insert(name, model);
        }
    }
    Some(Dereferenced {
        key,
        device: device.clone(),
        things,
        policies,
        nodes: nodes(caches),
        caches: caches.clone(),
    })
}

fn named<K>(store: &Store<K>, namespace: &str, name: &str) -> Option<Arc<K>>
where
    K: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    store.get(&ObjectRef::new(name).within(namespace))
}

/// Every KernelNode, those that cannot be read among them.
fn nodes(caches: &Caches) -> Vec<NodeView> {
    let all = caches.kernel_nodes.state();
    let readable = all.iter().map(|node| {
        let machine = caches.nodes.get(&ObjectRef::new(&node.name_any()));
        NodeView {
            cordoned: machine.is_some_and(|machine| is_cordoned(&machine)),
            ..node_view(node, told_state(node), 0)
        }
    });
    let unreadable = caches.unreadable.all::<KernelNode>("", |_| true);
    let unreadable = unreadable.into_iter().map(|(name, why)| NodeView {
        name,
        state: NodeState::Unknown(why),
        ..NodeView::default()
    });
    readable.chain(unreadable).collect()
}
