//! What the controllers share: their context, and the loop that reconciles what a queue names.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::caches::{Caches, Queue, Queues};
use crate::events::Announcer;
use crate::failure::Failure;
use crate::telemetry::Metrics;
use crate::{agent, kernel_node, memory_pool};

/// Objects of one kind that are reconciled at once.
const CONCURRENCY: u16 = 16;
/// Changes that come together are reconciled together.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// What a reconciliation works with.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) caches: Caches,
    pub(crate) announcer: Announcer,
    /// The namespace of Leases.
    pub(crate) system: String,
    /// When node agents were heard of.
    pub(crate) heard: kernel_node::Heard,
    /// How long a node agent that says nothing else may be silent.
    pub(crate) node_lease: Duration,
    metrics: Metrics,
    failures: Mutex<HashMap<String, u32>>,
    placing: Mutex<()>,
}

impl Context {
    pub(crate) fn new(client: Client, caches: Caches, metrics: Metrics, args: &Args) -> Arc<Self> {
        Arc::new(Self {
            announcer: Announcer::new(client.clone(), &args.identity),
            client,
            caches,
            heard: kernel_node::Heard::default(),
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

    /// What was heard of nodes that are gone is forgotten.
    fn forget_nodes(&self) {
        let nodes = &self.caches.kernel_nodes;
        self.heard
            .keep(|node| nodes.get(&ObjectRef::new(node)).is_some());
    }

    /// How often `object` failed in a row, this time included; 0 forgets.
    fn failed(&self, object: &str, again: bool) -> u32 {
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

/// Runs the controllers until `stop`, and lets what they are at finish.
pub(crate) async fn run(context: Arc<Context>, queues: Queues, stop: CancellationToken) {
    let agents = context.caches.agents.clone();
    let pools = context.caches.pools.clone();
    let nodes = context.caches.kernel_nodes.clone();
    queues.lead(&context.caches);
    tokio::join!(
        drive(
            "agent",
            agent::reconcile,
            agents,
            queues.agents,
            &context,
            &stop
        ),
        drive(
            "memory_pool",
            memory_pool::reconcile,
            pools,
            queues.pools,
            &context,
            &stop
        ),
        drive(
            "kernel_node",
            kernel_node::reconcile,
            nodes,
            queues.nodes,
            &context,
            &stop
        ),
    );
}

/// Reconciles what `queue` names, one at a time for each object.
async fn drive<K, R, F>(
    name: &'static str,
    reconcile: R,
    store: Store<K>,
    queue: Queue<K>,
    context: &Arc<Context>,
    stop: &CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    R: Fn(Arc<K>, Arc<Context>) -> F,
    F: Future<Output = Result<Action, Failure>> + Send + 'static,
{
    let queue = queue
        .take_until(stop.clone().cancelled_owned())
        .map(Ok::<ObjectRef<K>, std::convert::Infallible>);
    let work = |object: Arc<K>, context: Arc<Context>| {
        let started = Instant::now();
        let id = identify(name, object.as_ref());
        let work = reconcile(object, context.clone());
        Box::pin(async move {
            let result = work.await;
            let error = result.as_ref().err().map(Failure::label);
            context.metrics.reconciled(name, started.elapsed(), error);
            if result.is_ok() {
                context.failed(&id, false);
            }
            result
        })
    };
    let on_error = |object: Arc<K>, failure: &Failure, context: Arc<Context>| {
        let times = context.failed(&identify(name, object.as_ref()), true);
        failure.retry(times)
    };
    let config = Config::default()
        .concurrency(CONCURRENCY)
        .debounce(DEBOUNCE);
    applier(work, on_error, context.clone(), store, queue, config)
        .for_each(|result| async {
            match result {
                Ok((object, _)) => tracing::debug!(controller = name, %object, "reconciled"),
                // An object that went away while it waited its turn needs nothing.
                Err(kube::runtime::controller::Error::ObjectNotFound(object)) => {
                    context.forget_nodes();
                    let namespace = object.namespace.as_deref().unwrap_or_default();
                    context.failed(&identity(name, namespace, &object.name), false);
                    tracing::debug!(controller = name, %object, "is gone");
                }
                Err(error) => tracing::warn!(controller = name, %error, "not reconciled"),
            }
        })
        .await;
}

fn identify<K: Resource<DynamicType = ()>>(controller: &str, object: &K) -> String {
    let namespace = object.namespace().unwrap_or_default();
    identity(controller, &namespace, &object.name_any())
}

fn identity(controller: &str, namespace: &str, name: &str) -> String {
    format!("{controller}/{namespace}/{name}")
}
