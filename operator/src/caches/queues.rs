//! Which objects are to be looked at again, since something changed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use aion_api::metadata::node_lease;
use aion_api::{Agent, AgentInstance, Device, KernelNode, MemoryPool};
use aion_resolve::Key;
use aion_resolve::dereference::agents_of;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use k8s_openapi::api::coordination::v1::Lease;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};

use super::change::Change;
use super::{Caches, Notice};

/// Objects that are to be looked at, in the order they were named.
pub(crate) type Queue<K> = UnboundedReceiver<ObjectRef<K>>;

/// The queues of the controllers.
pub(crate) struct Queues {
    pub(crate) agents: Queue<Agent>,
    pub(crate) pools: Queue<MemoryPool>,
    pub(crate) nodes: Queue<KernelNode>,
    pub(crate) devices: Queue<Device>,
    pub(crate) unreadable: UnboundedReceiver<Notice>,
    changes: Changes,
}

impl Queues {
    /// Tells the routes where to look up what depends on what.
    pub(super) fn know(&self, caches: &Caches) {
        let _ = self.changes.caches.set(caches.clone());
    }

    /// From now on changes are named, and everything is named once.
    pub(crate) fn lead(&self, caches: &Caches) {
        self.changes.leads.store(true, Ordering::SeqCst);
        tracing::info!(
            agents = caches.agents.len(),
            pools = caches.pools.len(),
            nodes = caches.kernel_nodes.len(),
            devices = caches.devices.len(),
            "reconciling"
        );
        self.changes.all();
        for notice in caches.unreadable.notices() {
            self.changes.unreadable(Some(notice));
        }
    }
}

/// The writing ends.
#[derive(Clone)]
pub(crate) struct Changes {
    agents: UnboundedSender<ObjectRef<Agent>>,
    pools: UnboundedSender<ObjectRef<MemoryPool>>,
    nodes: UnboundedSender<ObjectRef<KernelNode>>,
    devices: UnboundedSender<ObjectRef<Device>>,
    unreadable: UnboundedSender<Notice>,
    leads: Arc<AtomicBool>,
    caches: Arc<OnceLock<Caches>>,
}

pub(super) fn queues() -> (Changes, Queues) {
    let (agents, agents_out) = unbounded();
    let (pools, pools_out) = unbounded();
    let (nodes, nodes_out) = unbounded();
    let (devices, devices_out) = unbounded();
    let (unreadable, unreadable_out) = unbounded();
    let changes = Changes {
        agents,
        pools,
        nodes,
        devices,
        unreadable,
        leads: Arc::default(),
        caches: Arc::default(),
    };
    let queues = Queues {
        agents: agents_out,
        pools: pools_out,
        nodes: nodes_out,
        devices: devices_out,
        unreadable: unreadable_out,
        changes: changes.clone(),
    };
    (changes, queues)
}

impl Changes {
    /// Names what depends on the object of `event`, which was `before` as far as is known, by `route`. After a new listing
    /// everything is named: what went away meanwhile is in no event.
    pub(crate) fn take<K>(
        &self,
        event: &Event<K>,
        before: Option<&K>,
        route: &impl Fn(&Self, &Change<'_, K>),
    ) {
        if !self.leads.load(Ordering::SeqCst) {
            return;
        }
        let changed = |object, gone| {
            let change = Change {
                object,
                before,
                gone,
            };
            route(self, &change);
        };
        match event {
            Event::Apply(object) => changed(object, false),
            Event::Delete(object) => changed(object, true),
            Event::InitDone => self.all(),
            Event::Init | Event::InitApply(_) => {}
        }
    }

    /// Names what may depend on an object that cannot be read since now, and the object itself.
    pub(crate) fn unreadable(&self, notice: Option<Notice>) {
        let Some(notice) = notice.filter(|_| self.leads.load(Ordering::SeqCst)) else {
            return;
        };
        match &notice.object.namespace {
            Some(namespace) => {
                self.namespace(namespace);
                self.pools_of(namespace);
            }
            None => self.all(),
        }
        // Nobody reads any more where the operator stops.
        let _ = self.unreadable.unbounded_send(notice);
    }

    pub(crate) fn agent(&self, agent: &Agent) {
        send(&self.agents, ObjectRef::from_obj(agent));
    }

    /// The agents that ask this one.
    pub(crate) fn callers_of(&self, agent: &Agent) {
        let (namespace, name) = (agent.namespace(), agent.name_any());
        let agents = self.caches.get().map(|caches| caches.agents.state());
        let callers = agents
            .into_iter()
            .flatten()
            .filter(|it| it.namespace() == namespace && agents_of(it).any(|asked| asked == name));
        for caller in callers {
            self.agent(&caller);
        }
    }

    /// An instance's agent, and its pool where that waits to be let go.
    pub(crate) fn instance(&self, instance: &AgentInstance) {
        let namespace = instance.namespace().unwrap_or_default();
        send(
            &self.agents,
            ObjectRef::new(&instance.spec.agent.name).within(&namespace),
        );
        let Some(memory) = &instance.spec.memory else {
            return;
        };
        self.known(|caches| {
            let pool = caches
                .pools
                .get(&ObjectRef::new(&memory.pool).within(&namespace));
            if let Some(pool) = pool.filter(|pool| pool.metadata.deletion_timestamp.is_some()) {
                self.pool(&pool);
            }
        });
    }

    /// An instance is gone, or a node changed: who waits for room is looked at again.
    pub(crate) fn room(&self) {
        self.known(|caches| {
            for agent in caches.waiting.take() {
                let agent = ObjectRef::new(&agent.name).within(&agent.namespace);
                send(&self.agents, agent);
            }
        });
    }

    pub(crate) fn pool(&self, pool: &MemoryPool) {
        send(&self.pools, ObjectRef::from_obj(pool));
    }

    pub(crate) fn node(&self, name: &str) {
        send(&self.nodes, ObjectRef::new(name));
    }

    /// The node whose Lease it is.
    pub(crate) fn lease(&self, lease: &Lease) {
        if let Some(node) = lease.name_any().strip_prefix(&node_lease("")) {
            self.node(node);
        }
    }

    /// Every agent of `namespace`.
    pub(crate) fn namespace(&self, namespace: &str) {
        self.known(|caches| {
            for agent in caches.agents.state() {
                if agent.namespace().as_deref() == Some(namespace) {
                    self.agent(&agent);
                }
            }
        });
    }

    /// Every pool of `namespace`.
    pub(crate) fn pools_of(&self, namespace: &str) {
        self.known(|caches| {
            for pool in caches.pools.state() {
                if pool.namespace().as_deref() == Some(namespace) {
                    self.pool(&pool);
                }
            }
        });
    }

    pub(crate) fn all_agents(&self) {
        self.known(|caches| {
            caches
                .agents
                .state()
                .iter()
                .for_each(|agent| self.agent(agent))
        });
    }

    pub(crate) fn all_pools(&self) {
        self.known(|caches| caches.pools.state().iter().for_each(|pool| self.pool(pool)));
    }

    /// These devices.
    pub(super) fn devices(&self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            send(
                &self.devices,
                ObjectRef::new(&key.name).within(&key.namespace),
            );
        }
    }

    /// What is known of where devices are, and of what they hang on.
    pub(super) fn with_devices(&self, look: impl FnOnce(&Caches)) {
        self.known(look);
    }

    fn all_devices(&self) {
        self.known(|caches| {
            let all = caches.bindings.fill(&caches.devices);
            self.devices(all);
        });
    }

    fn all(&self) {
        self.all_agents();
        self.all_pools();
        self.all_devices();
        self.known(|caches| {
            caches
                .kernel_nodes
                .state()
                .iter()
                .for_each(|node| self.node(&node.name_any()))
        });
    }

    fn known(&self, look: impl FnOnce(&Caches)) {
        if let Some(caches) = self.caches.get() {
            look(caches);
        }
    }
}

/// A queue that nobody reads any more is that of an operator that stops.
fn send<K: Resource<DynamicType = ()>>(
    queue: &UnboundedSender<ObjectRef<K>>,
    object: ObjectRef<K>,
) {
    let _ = queue.unbounded_send(object);
}
