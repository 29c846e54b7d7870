//! The watches of a node's devices, and of what they hang on, in one task, for one tenure after another.

use std::{collections::BTreeMap, pin::pin, sync::Arc};

use aion_api::{AgentPolicy, ClusterAgentPolicy, Device, DeviceBroker, DeviceModel, Readable};
use aion_resolve::Key;
use futures::{Stream, TryStreamExt};
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::Time};
use kube::{
    Api, Resource, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use tokio::sync::mpsc;

use super::{Shared, release, world::World};
use crate::{clock, devices::DeviceChange};

type Out = mpsc::UnboundedSender<Vec<DeviceChange>>;

/// Watches until nobody listens any more.
pub(super) async fn watch(shared: Arc<Shared>, out: Out) {
    let mut tenure = shared.tenure.clone();
    while !out.is_closed() {
        tenure.begin().await;
        tokio::select! {
            () = serve(&shared, &out) => {}
            () = tenure.lapsed() => {
                tracing::warn!("the Lease was not renewed in time: devices are not served for now");
            }
        }
        let given_up = shared.world.lock().lapse();
        let _ = out.send(given_up);
        // Nothing is served anew while an order of before may be on its way.
        loop {
            let ended = shared.ended.notified();
            if shared.world.lock().has_ended() {
                break;
            }
            ended.await;
        }
    }
}

/// What the watches tell.
enum Told {
    Device(Event<Readable<Device>>),
    Model(Event<Readable<DeviceModel>>),
    Broker(Event<Readable<DeviceBroker>>),
    Policy(Event<Readable<AgentPolicy>>),
    ClusterPolicy(Event<Readable<ClusterAgentPolicy>>),
    Namespace(Event<Readable<PartialObjectMeta<Namespace>>>),
}

/// Lists from now on: what stood before the tenure began counts for nothing.
async fn serve(shared: &Arc<Shared>, out: &Out) {
    let here = watcher::Config::default().fields(&format!("status.nodeName={}", shared.node));
    let mut devices = pin!(events::<Device>(shared, here).map_ok(Told::Device));
    let all = watcher::Config::default;
    let mut models = pin!(events::<DeviceModel>(shared, all()).map_ok(Told::Model));
    let mut brokers = pin!(events::<DeviceBroker>(shared, all()).map_ok(Told::Broker));
    let mut policies = pin!(events::<AgentPolicy>(shared, all()).map_ok(Told::Policy));
    let mut cluster_policies =
        pin!(events::<ClusterAgentPolicy>(shared, all()).map_ok(Told::ClusterPolicy));
    let mut namespaces =
        pin!(events::<PartialObjectMeta<Namespace>>(shared, all()).map_ok(Told::Namespace));
    let mut listing = Listing::default();
    loop {
        let told = tokio::select! {
            told = devices.try_next() => told,
            told = models.try_next() => told,
            told = brokers.try_next() => told,
            told = policies.try_next() => told,
            told = cluster_policies.try_next() => told,
            told = namespaces.try_next() => told,
        };
        let told = match told {
            Ok(Some(told)) => told,
            Ok(None) => return,
            // Taken up again, with growing pauses; for how long what is known counts, the tenure says.
            Err(error) => {
                tracing::debug!(%error, "a watch of devices broke");
                continue;
            }
        };
        let (filled, released) = {
            let mut world = shared.world.lock();
            let released = listing.take(&mut world, told);
            if listing.is_complete() && !world.is_filled() {
                world.fill();
            }
            (world.is_filled(), released)
        };
        if let Some(released) = released {
            release::begin(shared, released);
        }
        if !filled {
            continue;
        }
        find(shared).await;
        let changes = shared.world.lock().look(&Time(clock::second()));
        shared.written.notify_one();
        if !changes.is_empty() && out.send(changes).is_err() {
            return;
        }
    }
}

fn events<K>(
    shared: &Shared,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Event<Readable<K>>>> + use<K>
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + 'static,
{
    let api: Api<Readable<K>> = Api::all(shared.client.clone());
    watcher(api, config).default_backoff()
}

/// Devices of other nodes that guardrails of this node's look at: what they can say is read once, what they are is not known here.
async fn find(shared: &Shared) {
    let missing = shared.world.lock().missing();
    for key in missing {
        let devices: Api<Device> = Api::namespaced(shared.client.clone(), &key.namespace);
        match devices.get_opt(&key.name).await {
            Ok(Some(device)) => shared.world.lock().elsewhere(device),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(device = %key, %error, "a device that guardrails look at is not known for now");
            }
        }
    }
}

/// What running lists have named so far, and which kinds were listed once.
#[derive(Default)]
struct Listing {
    devices: Listed,
    models: Listed,
    brokers: Listed,
    policies: Listed,
    cluster_policies: Listed,
    namespaces: Listed,
}

#[derive(Default)]
struct Listed {
    named: std::collections::BTreeSet<Key>,
    known: std::collections::BTreeSet<Key>,
    complete: bool,
    /// Those that never could be read.
    unread: std::collections::BTreeSet<Key>,
}

/// One object that is there or gone.
enum One<K> {
    There(K),
    Gone(Key),
    Nothing,
}

impl Listed {
    /// What an event says: of one object, and which ones went away while nobody watched. One that cannot be read is held as it was.
    fn take<K: Resource<DynamicType = ()>>(
        &mut self,
        event: Event<Readable<K>>,
    ) -> (One<K>, Vec<Key>) {
        let key = |it: &Readable<K>| {
            let metadata = it.meta();
            Key::new(
                metadata.namespace.as_deref().unwrap_or_default(),
                metadata.name.as_deref().unwrap_or_default(),
            )
        };
        let unread = &mut self.unread;
        let known = &self.known;
        let mut read = |it: Readable<K>, key: Key| match it.0 {
            Ok(object) => {
                unread.remove(&key);
                One::There(object)
            }
            Err(unreadable) => {
                let why = unreadable.words(&K::kind(&()));
                tracing::error!(why, "held as unreadable");
                if !known.contains(&key) {
                    unread.insert(key);
                }
                One::Nothing
            }
        };
        match event {
            Event::Init => {
                self.named.clear();
                (One::Nothing, Vec::new())
            }
            Event::InitApply(object) => {
                let key = key(&object);
                let one = read(object, key.clone());
                self.named.insert(key.clone());
                self.known.insert(key);
                (one, Vec::new())
            }
            Event::InitDone => {
                let named = std::mem::take(&mut self.named);
                let gone = self.known.difference(&named).cloned().collect();
                self.unread.retain(|it| named.contains(it));
                self.known = named;
                self.complete = true;
                (One::Nothing, gone)
            }
            Event::Apply(object) => {
                let key = key(&object);
                let one = read(object, key.clone());
                self.known.insert(key);
                (one, Vec::new())
            }
            Event::Delete(object) => {
                let key = key(&object);
                self.known.remove(&key);
                self.unread.remove(&key);
                (One::Gone(key), Vec::new())
            }
        }
    }
}

impl Listing {
    fn is_complete(&self) -> bool {
        let all = [&self.devices, &self.models, &self.brokers, &self.namespaces];
        // What a policy says that cannot be read may be what keeps a device from being moved.
        let policies = [&self.policies, &self.cluster_policies];
        let read = policies
            .iter()
            .all(|it| it.complete && it.unread.is_empty());
        read && all.iter().all(|it| it.complete)
    }

    /// Takes in what was told. Gives a device that is to be let go and that nothing leaves for.
    fn take(&mut self, world: &mut World, told: Told) -> Option<release::Released> {
        match told {
            Told::Device(event) => {
                let (one, gone) = self.devices.take(event);
                gone.iter().for_each(|it| world.gone(it));
                match one {
                    One::There(device) => return world.device(device),
                    One::Gone(key) => world.gone(&key),
                    One::Nothing => {}
                }
            }
            Told::Model(event) => {
                let (one, gone) = self.models.take(event);
                let gone = gone.into_iter().chain(match one {
                    One::There(model) => {
                        world.model(model, false);
                        None
                    }
                    One::Gone(key) => Some(key),
                    One::Nothing => None,
                });
                gone.for_each(|it| world.model(named(&it), true));
            }
            Told::Broker(event) => {
                let (one, gone) = self.brokers.take(event);
                let gone = gone.into_iter().chain(match one {
                    One::There(broker) => {
                        world.broker(broker, false);
                        None
                    }
                    One::Gone(key) => Some(key),
                    One::Nothing => None,
                });
                gone.for_each(|it| world.broker(named(&it), true));
            }
            Told::Policy(event) => {
                let (one, gone) = self.policies.take(event);
                let gone = gone.into_iter().chain(match one {
                    One::There(policy) => {
                        world.policy(policy, false);
                        None
                    }
                    One::Gone(key) => Some(key),
                    One::Nothing => None,
                });
                gone.for_each(|it| world.policy(named(&it), true));
            }
            Told::ClusterPolicy(event) => {
                let (one, gone) = self.cluster_policies.take(event);
                let gone = gone.into_iter().chain(match one {
                    One::There(policy) => {
                        world.cluster_policy(policy, false);
                        None
                    }
                    One::Gone(key) => Some(key),
                    One::Nothing => None,
                });
                gone.for_each(|it| world.cluster_policy(named(&it), true));
            }
            Told::Namespace(event) => {
                let (one, gone) = self.namespaces.take(event);
                let gone = gone.into_iter().chain(match one {
                    One::There(it) => {
                        world.namespace(&it.name_any(), it.metadata.labels.unwrap_or_default());
                        None
                    }
                    One::Gone(key) => Some(key),
                    One::Nothing => None,
                });
                gone.for_each(|it| world.namespace(&it.name, BTreeMap::new()));
            }
        }
        None
    }
}

/// An object of which only the name is known.
fn named<K: Resource<DynamicType = ()> + Default>(key: &Key) -> K {
    let mut object = K::default();
    let metadata = object.meta_mut();
    metadata.namespace = Some(key.namespace.clone());
    metadata.name = Some(key.name.clone());
    object
}
