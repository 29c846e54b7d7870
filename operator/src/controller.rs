//! The loop that every controller runs in: it reconciles what a queue names. What may not enter: what reconciling
//! one kind means.

use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aion_api::condition::reason;
use futures::StreamExt;
use futures::channel::mpsc::UnboundedReceiver;
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::caches::{Notice, Queue, Queues};
use crate::context::Context;
use crate::events::{Writer, event};
use crate::failure::StepError;
use crate::{agent, device, kernel_node, memory_pool};

/// Objects of one kind that are reconciled at once.
const CONCURRENCY: u16 = 16;
/// Changes that come together are reconciled together.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// Runs the controllers until `stop`, lets what they are at finish, and then writes the events that wait.
pub(crate) async fn run(
    context: Arc<Context>,
    events: Writer,
    queues: Queues,
    stop: CancellationToken,
) {
    let ended = CancellationToken::new();
    let work = async {
        reconcile(context, queues, stop).await;
        ended.cancel();
    };
    tokio::join!(work, events.run(ended.clone()));
}

async fn reconcile(context: Arc<Context>, queues: Queues, stop: CancellationToken) {
    let agents = context.caches.agents.clone();
    let pools = context.caches.pools.clone();
    let nodes = context.caches.kernel_nodes.clone();
    let devices = context.caches.devices.clone();
    queues.lead(&context.caches);
    tokio::join!(
        tell(queues.unreadable, &context, &stop),
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
        drive(
            "device",
            device::reconcile,
            devices,
            queues.devices,
            &context,
            &stop
        ),
    );
}

/// Tells of objects that cannot be read where a person looks at them.
async fn tell(
    notices: UnboundedReceiver<Notice>,
    context: &Arc<Context>,
    stop: &CancellationToken,
) {
    let mut notices = pin!(notices.take_until(stop.cancelled()));
    while let Some(Notice { object, words }) = notices.next().await {
        let told = vec![event(false, reason::UNREADABLE, &words, "Read")];
        context.announcer.tell(&object, told);
    }
}

/// Reconciles what `queue` names, one at a time for each object.
async fn drive<K, R, F, E>(
    name: &'static str,
    reconcile: R,
    store: Store<K>,
    queue: Queue<K>,
    context: &Arc<Context>,
    stop: &CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    R: Fn(Arc<K>, Arc<Context>) -> F,
    F: Future<Output = Result<Action, E>> + Send + 'static,
    E: StepError + Send + 'static,
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
            let error = result.as_ref().err().map(E::label);
            context.metrics.reconciled(name, started.elapsed(), error);
            if result.is_ok() {
                context.succeeded(&id);
            }
            result
        })
    };
    let on_error = |object: Arc<K>, error: &E, context: Arc<Context>| {
        let pause = context.failed(&identify(name, object.as_ref()));
        error.failure().retry(pause)
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
                    context.succeeded(&identity(name, namespace, &object.name));
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
