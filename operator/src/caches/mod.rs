//! What the operator knows of the cluster: caches that watches fill, and queues of what changed.
//! Reconcilers read them; nothing here decides or writes.

mod follow;
mod instances;
mod queues;
mod unreadable;
mod waiting;

use aion_api::{
    Agent, AgentInstance, AgentPolicy, ClusterAgentPolicy, KernelNode, MemoryPool, ModelEndpoint,
    Tool, TrustPolicy,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{reflector, watcher};
use kube::{Api, Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

use self::follow::{Filled, follow};
pub(crate) use self::instances::InstanceIndex;
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
        let mut filled = Vec::new();
        let instances = InstanceIndex::default();
        // One watch a kind: it fills the cache first, then says what changed.
        macro_rules! watch {
            ($api:expr, $kind:ty, $route:expr) => {{
                let (store, mut writer) = reflector::store::<$kind>();
                let (changes, route, cached) = (changes.clone(), $route, store.clone());
                let mut sieve = Sieve::<$kind>::new(unreadable.clone(), |_| None);
                filled.push(follow($api, stop.clone(), move |event| {
                    let sifted = sieve.sift(event, |object| {
                        let namespace = object.namespace.as_deref().unwrap_or_default();
                        let name = object.name.as_deref().unwrap_or_default();
                        let found = ObjectRef::new(name).within(namespace);
                        cached.get(&found).map(|object| object.as_ref().clone())
                    });
                    if let Some(event) = &sifted.event {
                        writer.apply_watcher_event(event);
                        changes.take(event, &route);
                    }
                    changes.unreadable(sifted.notice);
                }));
                store
            }};
        }
        let agents = watch!(
            Api::all(client.clone()),
            Agent,
            |q: &queues::Changes, it: &Agent| q.agent(it)
        );
        let namespaced = |q: &queues::Changes, namespace: Option<String>| {
            q.namespace(&namespace.unwrap_or_default())
        };
        let caches = Self {
            pools: watch!(
                Api::all(client.clone()),
                MemoryPool,
                move |q: &queues::Changes, it: &MemoryPool| {
                    q.pool(it);
                    namespaced(q, it.namespace());
                }
            ),
            endpoints: watch!(
                Api::all(client.clone()),
                ModelEndpoint,
                move |q: &queues::Changes, it: &ModelEndpoint| {
                    namespaced(q, it.namespace());
                    q.pools_of(&it.namespace().unwrap_or_default());
                }
            ),
            tools: watch!(
                Api::all(client.clone()),
                Tool,
                move |q: &queues::Changes, it: &Tool| {
                    namespaced(q, it.namespace());
                }
            ),
            agent_policies: watch!(
                Api::all(client.clone()),
                AgentPolicy,
                move |q: &queues::Changes, it: &AgentPolicy| {
                    namespaced(q, it.namespace());
                }
            ),
            cluster_policies: watch!(
                Api::all(client.clone()),
                ClusterAgentPolicy,
                |q: &queues::Changes, _: &ClusterAgentPolicy| q.all_agents()
            ),
            trust_policies: watch!(
                Api::all(client.clone()),
                TrustPolicy,
                |q: &queues::Changes, _: &TrustPolicy| q.all_agents()
            ),
            kernel_nodes: watch!(
                Api::all(client.clone()),
                KernelNode,
                |q: &queues::Changes, it: &KernelNode| {
                    q.node(&it.name_any());
                    q.all_agents();
                    q.all_pools();
                }
            ),
            nodes: watch!(
                Api::all(client.clone()),
                Node,
                |q: &queues::Changes, it: &Node| q.node(&it.name_any())
            ),
            namespaces: watch!(
                Api::all(client.clone()),
                PartialObjectMeta<Namespace>,
                |q: &queues::Changes, it: &PartialObjectMeta<Namespace>| {
                    q.namespace(&it.name_any());
                }
            ),
            leases: watch!(
                Api::namespaced(client.clone(), system),
                Lease,
                |q: &queues::Changes, it: &Lease| q.lease(it)
            ),
            agents,
            instances: instances.clone(),
            unreadable: unreadable.clone(),
            waiting: Waiting::default(),
            filled: Vec::new(),
        };
        let mut sieve = Sieve::new(unreadable, instances::stand_in);
        filled.push(follow(Api::all(client.clone()), stop, move |event| {
            let sifted = sieve.sift(event, |_| None);
            if let Some(event) = &sifted.event {
                instances.take(event);
                if matches!(event, watcher::Event::Delete(_)) {
                    changes.room();
                }
                changes.take(event, &|q: &queues::Changes, it: &AgentInstance| {
                    q.instance(it);
                });
            }
            changes.unreadable(sifted.notice);
        }));
        queues.know(&caches);
        (Self { filled, ..caches }, queues)
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
