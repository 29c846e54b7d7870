//! What a reconciliation works with: the client, the caches, and what the controllers remember between two
//! reconciliations. What may not enter: a controller.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aion_backoff::Backoff;
use aion_resolve::Key;
use kube::Client;
use kube::runtime::reflector::ObjectRef;
use parking_lot::{Mutex, MutexGuard};

use crate::args::Args;
use crate::caches::Caches;
use crate::events::{Announcer, Writer, announcer};
use crate::failure::PAUSES;
use crate::heard::Heard;
use crate::metrics::Metrics;
use crate::unsaid::Unsaid;

/// What a reconciliation works with.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) caches: Caches,
    pub(crate) announcer: Announcer,
    /// The namespace of Leases.
    pub(crate) system: String,
    /// When node agents were heard of.
    pub(crate) heard: Heard,
    /// When the Leases of nodes that have to let devices go were seen to change.
    pub(crate) fences: Heard,
    /// Agents of which nothing is said yet.
    pub(crate) unsaid: Unsaid,
    /// How long a node agent that says nothing else may be silent.
    pub(crate) node_lease: Duration,
    pub(crate) metrics: Metrics,
    failures: Mutex<HashMap<String, Backoff>>,
    placing: Mutex<()>,
}

impl Context {
    /// What a reconciliation works with, and who writes the events that are told there.
    pub(crate) fn new(
        client: Client,
        caches: Caches,
        metrics: Metrics,
        args: &Args,
    ) -> (Arc<Self>, Writer) {
        let (announcer, writer) = announcer(client.clone(), &args.identity, metrics.clone());
        let context = Self {
            announcer,
            client,
            caches,
            heard: Heard::default(),
            fences: Heard::default(),
            unsaid: Unsaid::default(),
            system: args.namespace.clone(),
            node_lease: args.node_lease(),
            metrics,
            failures: Mutex::default(),
            placing: Mutex::default(),
        };
        (Arc::new(context), writer)
    }

    /// Held while an agent is placed and its instances are counted as being there, or a device is: two agents that are
    /// placed at once would both take a node's last room.
    pub(crate) fn placing(&self) -> MutexGuard<'_, ()> {
        self.placing.lock()
    }

    /// What was heard of nodes that are gone is forgotten.
    pub(crate) fn forget_nodes(&self) {
        let nodes = &self.caches.kernel_nodes;
        self.heard
            .keep(|node| nodes.get(&ObjectRef::new(node)).is_some());
        let bindings = &self.caches.bindings;
        self.fences
            .keep(|node| bindings.on_node(node, &Key::default()) > 0);
    }

    /// How long to wait now that `object` failed once more.
    pub(crate) fn failed(&self, object: &str) -> Duration {
        let mut failures = self.failures.lock();
        let pauses = failures.entry(object.to_owned()).or_insert(PAUSES);
        pauses.pause()
    }

    /// `object` was reconciled, or is gone: its next failure is a first one.
    pub(crate) fn succeeded(&self, object: &str) {
        let mut failures = self.failures.lock();
        failures.remove(object);
    }
}
