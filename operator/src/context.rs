//! What a reconciliation works with: the client, the caches, and what the controllers remember between two
//! reconciliations. What may not enter: a controller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Client;

use crate::args::Args;
use crate::caches::Caches;
use crate::events::Announcer;
use crate::metrics::Metrics;

/// What a reconciliation works with.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) caches: Caches,
    pub(crate) announcer: Announcer,
    /// The namespace of Leases.
    pub(crate) system: String,
    /// How long a node agent that says nothing else may be silent.
    pub(crate) node_lease: Duration,
    pub(crate) metrics: Metrics,
    failures: Mutex<HashMap<String, u32>>,
    placing: Mutex<()>,
}

impl Context {
    pub(crate) fn new(client: Client, caches: Caches, metrics: Metrics, args: &Args) -> Arc<Self> {
        Arc::new(Self {
            announcer: Announcer::new(client.clone(), &args.identity),
            client,
            caches,
            system: args.namespace.clone(),
            node_lease: args.node_lease(),
            metrics,
            failures: Mutex::default(),
            placing: Mutex::default(),
        })
    }

    /// Held while an agent is placed and its instances are counted as being there: two agents that are
    /// placed at once would both take a node's last room.
    pub(crate) fn placing(&self) -> MutexGuard<'_, ()> {
        self.placing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often `object` failed in a row, this time included; 0 forgets.
    pub(crate) fn failed(&self, object: &str, again: bool) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if !again {
            failures.remove(object);
            return 0;
        }
        let count = failures.entry(object.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }
}
