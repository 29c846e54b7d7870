//! What the operator knows of the cluster: caches that watches fill, and queues of what changed.
//! Reconcilers read them; nothing here decides or writes.

mod change;
mod device_routes;
mod devices;
mod follow;
mod instances;
mod machine;
mod queues;
mod routes;
mod unreadable;
mod waiting;

use std::collections::BTreeMap;
use std::fmt::Debug;

use aion_api::{
    Agent, AgentPolicy, ClusterAgentPolicy, Device, DeviceBroker, DeviceModel, KernelNode,
    MemoryPool, ModelEndpoint, Readable, Tool, TrustPolicy,
};
use aion_resolve::universe::NAMESPACE_NAME;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{reflector, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

use self::change::Change;
pub(crate) use self::devices::{DeviceIndex, Found};
use self::follow::{Filled, follow};
pub(crate) use self::instances::InstanceIndex;
pub(crate) use self::machine::{is_cordoned, is_out_of_service};
use self::queues::Changes;
pub(crate) use self::queues::{Queue, Queues};
use self::unreadable::Sieve;
pub(crate) use self::unreadable::{Notice, UnreadableObjects};
use self::waiting::Waiting;

/// The caches.
#[derive(Clone)]
pub(crate) struct Caches {
    pub(crate) agents: Store<Agent>,
    pub(crate) instances: InstanceIndex,
    pub(crate) pools: Store<MemoryPool>,
    pub(crate) endpoints: Store<ModelEndpoint>,
    pub(crate) tools: Store<Tool>,
    pub(crate) agent_policies: Store<AgentPolicy>,
    pub(crate) cluster_policies: Store<ClusterAgentPolicy>,
    pub(crate) trust_policies: Store<TrustPolicy>,
    pub(crate) kernel_nodes: Store<KernelNode>,
    pub(crate) nodes: Store<Node>,
    pub(crate) namespaces: Store<PartialObjectMeta<Namespace>>,
    pub(crate) leases: Store<Lease>,
    pub(crate) devices: Store<Device>,
    pub(crate) device_models: Store<DeviceModel>,
    pub(crate) device_brokers: Store<DeviceBroker>,
    /// Where devices are, and which hang on which.
    pub(crate) bindings: DeviceIndex,
    /// What is there and cannot be read.
    pub(crate) unreadable: UnreadableObjects,
    /// Agents that no node has room for.
    pub(crate) waiting: Waiting,
    filled: Vec<Filled>,
}

impl Caches {
    /// Begins to watch everything, until `stop`. What changes is named in the queues, from the moment that
    /// this operator leads.
    pub(crate) fn follow(
        client: &Client,
        system: &str,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> (Self, Queues) {
        let (changes, queues) = queues::queues();
        let unreadable = UnreadableObjects::new(metrics);
        let mut watches = Watches {
            client: client.clone(),
            changes,
            unreadable: unreadable.clone(),
            stop,
            filled: Vec::new(),
        };
        let leases = Api::namespaced(client.clone(), system);
        let nodes = Api::all(client.clone());
        let caches = Self {
            agents: watches.all(routes::agent),
            pools: watches.all(routes::pool),
            endpoints: watches.all(routes::endpoint),
            tools: watches.all(routes::of_namespace::<Tool>),
            agent_policies: watches.all(device_routes::agent_policy),
            cluster_policies: watches.all(device_routes::cluster_policy),
            trust_policies: watches.all(routes::of_all::<TrustPolicy>),
            kernel_nodes: watches.all(routes::kernel_node),
            nodes: watches.kept(nodes, routes::node, machine::lighten),
            namespaces: watches.all(routes::namespace),
            leases: watches.of(leases, routes::lease),
            devices: watches.all(device_routes::device),
            device_models: watches.all(device_routes::device_model),
            device_brokers: watches.all(device_routes::device_broker),
            bindings: DeviceIndex::default(),
            instances: watches.instances(),
            unreadable,
            waiting: Waiting::default(),
            filled: watches.filled,
        };
        queues.know(&caches);
        (caches, queues)
    }

    /// What a namespace is labelled with, its name among it.
    pub(crate) fn namespace_labels(&self, namespace: &str) -> BTreeMap<String, String> {
        let object = self.namespaces.get(&ObjectRef::new(namespace));
        let mut labels = object
            .map(|object| object.labels().clone())
            .unwrap_or_default();
        labels.insert(NAMESPACE_NAME.to_owned(), namespace.to_owned());
        labels
    }

    /// Caches that nothing fills.
    #[cfg(test)]
    fn empty(metrics: Metrics) -> Self {
        fn none<K: Watched>() -> Store<K> {
            reflector::store::<K>().0
        }
        Self {
            agents: none(),
            instances: InstanceIndex::default(),
            pools: none(),
            endpoints: none(),
            tools: none(),
            agent_policies: none(),
            cluster_policies: none(),
            trust_policies: none(),
            kernel_nodes: none(),
            nodes: none(),
            namespaces: none(),
            leases: none(),
            devices: none(),
            device_models: none(),
            device_brokers: none(),
            bindings: DeviceIndex::default(),
            unreadable: UnreadableObjects::new(metrics),
            waiting: Waiting::default(),
            filled: Vec::new(),
        }
    }

    /// Resolves when every cache has been filled once.
    ///
    /// # Errors
    /// A watch ended before.
    pub(crate) async fn filled(&self) -> anyhow::Result<()> {
        for filled in &self.filled {
            filled.clone().wait().await?;
        }
        Ok(())
    }
}

/// Watches that are begun, one a kind. Each fills its cache first, then says what changed.
struct Watches {
    client: Client,
    changes: Changes,
    unreadable: UnreadableObjects,
    stop: CancellationToken,
    filled: Vec<Filled>,
}

impl Watches {
    /// Watches all objects of a kind.
    fn all<K: Watched>(&mut self, route: fn(&Changes, &Change<'_, K>)) -> Store<K> {
        self.of(Api::all(self.client.clone()), route)
    }

    /// Watches the objects of `api`; `route` names what depends on one that changed.
    fn of<K: Watched>(
        &mut self,
        api: Api<Readable<K>>,
        route: fn(&Changes, &Change<'_, K>),
    ) -> Store<K> {
        self.kept(api, route, |_| {})
    }

    /// As [`Watches::of`], without what `lighten` takes away.
    fn kept<K: Watched>(
        &mut self,
        api: Api<Readable<K>>,
        route: fn(&Changes, &Change<'_, K>),
        lighten: fn(&mut K),
    ) -> Store<K> {
        let (store, mut writer) = reflector::store::<K>();
        let (changes, cached) = (self.changes.clone(), store.clone());
        let mut sieve = Sieve::<K>::new(self.unreadable.clone(), |_| None);
        let filled = follow(api, self.stop.clone(), move |event| {
            let known = |object: &ObjectMeta| {
                let namespace = object.namespace.as_deref().unwrap_or_default();
                let name = object.name.as_deref().unwrap_or_default();
                cached.get(&ObjectRef::new(name).within(namespace))
            };
            let sifted = sieve.sift(event, |object| {
                known(object).map(|object| object.as_ref().clone())
            });
            if let Some(event) = &sifted.event.map(|it| lightened(it, lighten)) {
                let before = match event {
                    watcher::Event::Apply(it) | watcher::Event::Delete(it) => known(it.meta()),
                    _ => None,
                };
                writer.apply_watcher_event(event);
                changes.take(event, before.as_deref(), &route);
            }
            changes.unreadable(sifted.notice);
        });
        self.filled.push(filled);
        store
    }

    /// Watches all instances, which have an index of their own.
    fn instances(&mut self) -> InstanceIndex {
        let index = InstanceIndex::default();
        let (changes, filling) = (self.changes.clone(), index.clone());
        let mut sieve = Sieve::new(self.unreadable.clone(), instances::stand_in);
        let api = Api::all(self.client.clone());
        let filled = follow(api, self.stop.clone(), move |event| {
            let sifted = sieve.sift(event, |_| None);
            if let Some(event) = &sifted.event.map(|it| lightened(it, instances::lighten)) {
                filling.take(event);
                if matches!(event, watcher::Event::Delete(_)) {
                    changes.room();
                }
                changes.take(event, None, &routes::instance);
            }
            changes.unreadable(sifted.notice);
        });
        self.filled.push(filled);
        index
    }
}

/// An event whose object is without what `lighten` takes away.
fn lightened<K>(mut event: watcher::Event<K>, lighten: fn(&mut K)) -> watcher::Event<K> {
    match &mut event {
        watcher::Event::Apply(it) | watcher::Event::Delete(it) | watcher::Event::InitApply(it) => {
            lighten(it)
        }
        watcher::Event::Init | watcher::Event::InitDone => {}
    }
    event
}

/// What a cache can hold.
trait Watched:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}

impl<K> Watched for K where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}
