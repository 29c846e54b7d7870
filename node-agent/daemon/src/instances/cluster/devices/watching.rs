//! The watches of a node's devices, and of what they hang on, in one task, for one tenure after another.

use std::{collections::BTreeSet, pin::pin, sync::Arc};

use aion_api::{
    AgentPolicy, ClusterAgentPolicy, Device, DeviceBroker, DeviceGuardrails, DeviceModel,
    Guardrail, Readable,
};
use aion_resolve::Key;
use futures::{Stream, TryStreamExt};
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::Time};
use kube::{
    Api, Resource,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{Shared, release, world::World};
use crate::{clock, devices::DeviceChange};

/// When a device that could not be looked for is looked for again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(10);

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
    /// Nothing new: what could not be looked for is looked for again.
    Again,
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
    let (mut unfound, mut again) = (BTreeSet::new(), Instant::now());
    loop {
        let told = tokio::select! {
            () = sleep_until(again), if !unfound.is_empty() => {
                let mut world = shared.world.lock();
                std::mem::take(&mut unfound).iter().for_each(|it| world.look_again(it));
                Ok(Some(Told::Again))
            }
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
                world.fill(listing.devices.unread.clone());
            }
            (world.is_filled(), released)
        };
        if let Some(released) = released {
            release::begin(shared, released);
        }
        if !filled {
            continue;
        }
        let missed = find(shared).await;
        if !missed.is_empty() {
            unfound.extend(missed);
            again = Instant::now() + AGAIN;
        }
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
/// Gives those that could not be looked for.
async fn find(shared: &Shared) -> Vec<Key> {
    let mut unfound = Vec::new();
    let missing = shared.world.lock().missing();
    for key in missing {
        let devices: Api<Device> = Api::namespaced(shared.client.clone(), &key.namespace);
        match devices.get_opt(&key.name).await {
            Ok(Some(device)) => shared.world.lock().elsewhere(device),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(device = %key, %error, "a device that guardrails look at is not known for now");
                unfound.push(key);
            }
        }
    }
    unfound
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
    named: BTreeSet<Key>,
    known: BTreeSet<Key>,
    complete: bool,
    /// Those that cannot be read.
    unread: BTreeSet<Key>,
}

/// One object that is there or gone.
enum One<K> {
    There(K),
    Gone(Key),
    Unreadable(Key),
    Nothing,
}

impl Listed {
    /// What an event says: of one object, and which ones went away while nobody watched.
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
        let mut read = |it: Readable<K>, key: Key| match it.0 {
            Ok(object) => {
                unread.remove(&key);
                One::There(object)
            }
            Err(unreadable) => {
                let why = unreadable.words(&K::kind(&()));
                tracing::error!(why, "held as unreadable");
                unread.insert(key.clone());
                One::Unreadable(key)
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

impl Listed {
    /// The objects that an event tells of, each with whether it is gone; of such a one only the name is known. `closed` makes what
    /// stands for one that cannot be read; without it that one is held as it was.
    fn objects<K: Resource<DynamicType = ()> + Default>(
        &mut self,
        event: Event<Readable<K>>,
        closed: impl Fn(K) -> Option<K>,
    ) -> impl Iterator<Item = (K, bool)> {
        let (one, gone) = self.take(event);
        let one = match one {
            One::There(object) => Some((object, false)),
            One::Gone(key) => Some((named(&key), true)),
            One::Unreadable(key) => closed(named(&key)).map(|it| (it, false)),
            One::Nothing => None,
        };
        let gone = gone.into_iter().map(|key| (named(&key), true));
        one.into_iter().chain(gone)
    }
}

impl Listing {
    fn is_complete(&self) -> bool {
        let all = [&self.devices, &self.models, &self.brokers, &self.namespaces];
        let policies = [&self.policies, &self.cluster_policies];
        all.into_iter().chain(policies).all(|it| it.complete)
    }

    /// Takes in what was told. Gives a device that is to be let go and that nothing leaves for.
    fn take(&mut self, world: &mut World, told: Told) -> Option<release::Released> {
        match told {
            Told::Again => {}
            Told::Device(event) => {
                let (one, gone) = self.devices.take(event);
                gone.iter().for_each(|it| world.gone(it));
                match one {
                    One::There(device) => return world.device(device),
                    One::Gone(key) => world.gone(&key),
                    One::Unreadable(_) | One::Nothing => {}
                }
            }
            Told::Model(event) => {
                let told = self.models.objects(event, |_| None);
                told.for_each(|(it, gone)| world.model(it, gone));
            }
            Told::Broker(event) => {
                let told = self.brokers.objects(event, |_| None);
                told.for_each(|(it, gone)| world.broker(it, gone));
            }
            Told::Policy(event) => {
                let closed = |mut it: AgentPolicy| {
                    it.spec.guardrails = nothing_passes();
                    Some(it)
                };
                let told = self.policies.objects(event, closed);
                told.for_each(|(it, gone)| world.policy(it, gone));
            }
            Told::ClusterPolicy(event) => {
                let closed = |mut it: ClusterAgentPolicy| {
                    it.spec.guardrails = nothing_passes();
                    Some(it)
                };
                let told = self.cluster_policies.objects(event, closed);
                told.for_each(|(it, gone)| world.cluster_policy(it, gone));
            }
            Told::Namespace(event) => {
                let told = self.namespaces.objects(event, |_| None);
                told.for_each(|(it, gone)| world.namespace(&it, gone));
            }
        }
        None
    }
}

/// What stands for the guardrails of a policy that cannot be read: nothing is written to the devices that it may be about, and
/// nothing commanded, since any of it may be what it forbids.
fn nothing_passes() -> Vec<DeviceGuardrails> {
    vec![DeviceGuardrails {
        devices: None,
        rules: vec![Guardrail {
            name: "unreadable".to_owned(),
            forbid_when: Some("true".to_owned()),
            reason: Some("the policy cannot be read: correct it, or delete it".to_owned()),
            ..Guardrail::default()
        }],
    }]
}

/// An object of which only the name is known.
fn named<K: Resource<DynamicType = ()> + Default>(key: &Key) -> K {
    let mut object = K::default();
    let metadata = object.meta_mut();
    metadata.namespace = Some(key.namespace.clone()).filter(|it| !it.is_empty());
    metadata.name = Some(key.name.clone());
    object
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_api::Unreadable;
    use serde_json::json;

    use super::*;

    #[test]
    fn under_a_policy_that_cannot_be_read_nothing_passes() {
        let (mut world, mut listing) = (World::new("here"), Listing::default());
        let model = json!({"metadata": {"namespace": "home", "name": "switch"}, "spec": {
            "properties": [{"name": "on", "type": "boolean", "access": "readWrite"}],
            "mqtt": {"properties": [{"name": "on", "state": {"topic": "s"}, "set": {"topic": "t"}}]}}});
        let broker = json!({"metadata": {"namespace": "home", "name": "b"}, "spec": {"url": "mqtt://b.test:1883"}});
        let device = json!({"metadata": {"namespace": "home", "name": "lamp"},
            "spec": {"model": "switch", "mqtt": {"broker": "b"}},
            "status": {"nodeName": "here", "binding": "Serve"}});
        world.model(serde_json::from_value(model).unwrap(), false);
        world.broker(serde_json::from_value(broker).unwrap(), false);
        world.device(serde_json::from_value(device).unwrap());
        world.fill(BTreeSet::new());
        let mut unread = Unreadable::default();
        unread.metadata.namespace = Some("home".to_owned());
        unread.metadata.name = Some("night".to_owned());
        listing.take(
            &mut world,
            Told::Policy(Event::Apply(Readable(Err(unread)))),
        );
        let changes = world.look(&Time(clock::second()));
        let Some(DeviceChange::Put(lamp)) = changes.into_iter().next() else {
            unreachable!("the lamp is served");
        };
        let guards = format!("{:?}", lamp.guards);
        assert!(
            guards.contains("unreadable of AgentPolicy/night"),
            "{guards}"
        );
    }
}
