//! What is known of the devices of this node, and what follows from it: what is served, what is let go, what is said. Pure but for
//! tokio's clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aion_api::{
    AgentPolicy, ClusterAgentPolicy, Device, DeviceBinding, DeviceBroker, DeviceModel,
    condition::{self, ACCEPTED, Condition, RESOLVED_REFS},
};
use aion_resolve::{
    Key, Universe,
    device::{InNamespace, LiveDevice, device_conditions},
    device_binding::{is_of_its_node, refers_to},
    objects::Objects,
};
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::Time};
use kube::{Resource, ResourceExt, core::PartialObjectMeta};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::release::Released;
use crate::{
    devices::DeviceChange,
    instances::{
        device_standings::{DeviceStandings, minute},
        folder::ObjectKey,
    },
};

/// Between two words on one device.
const PAUSE: Duration = Duration::from_secs(60);
/// How long the first word on a device waits for its broker.
const SETTLES: Duration = Duration::from_secs(5);
/// What changes at once is said together.
const TOGETHER: Duration = Duration::from_millis(200);

/// See the module.
pub(super) struct World {
    node: String,
    universe: Universe,
    standings: DeviceStandings,
    /// Those that are served now.
    served: BTreeSet<Key>,
    /// Those that are not served any more, and may be told something still.
    ending: BTreeSet<Key>,
    /// As they were seen, those of this node.
    seen: BTreeMap<Key, Device>,
    /// Those that are to be let go.
    released: BTreeMap<Key, Released>,
    /// Whether everything there is was told once since the tenure began.
    filled: bool,
    /// Devices that cannot be read, since everything was told and until it is looked at.
    unread: Option<BTreeSet<Key>>,
    words: BTreeMap<Key, Word>,
}

/// When a device is spoken of.
#[derive(Debug)]
struct Word {
    /// Until then nothing is said.
    from: Instant,
    due: Option<Instant>,
}

impl World {
    pub(super) fn new(node: &str) -> Self {
        Self {
            node: node.to_owned(),
            universe: Universe::default(),
            standings: DeviceStandings::default(),
            served: BTreeSet::new(),
            ending: BTreeSet::new(),
            seen: BTreeMap::new(),
            released: BTreeMap::new(),
            filled: false,
            unread: None,
            words: BTreeMap::new(),
        }
    }

    /// The node may not serve any more: all of it is given up until it is told anew. Whether a device is still there, nobody knows.
    pub(super) fn lapse(&mut self) -> Vec<DeviceChange> {
        self.universe = Universe::default();
        self.standings = DeviceStandings::default();
        self.seen.clear();
        self.released.clear();
        self.filled = false;
        self.words.values_mut().for_each(|it| it.due = None);
        self.ending.extend(self.served.iter().cloned());
        let served = self.served.iter().cloned();
        served
            .map(|key| DeviceChange::Gone {
                key,
                deleted: false,
            })
            .collect()
    }

    /// A device of this node is so now. Gives it, where it was to be let go and was not served.
    pub(super) fn device(&mut self, mut device: Device) -> Option<Released> {
        // Half of an object at rest, and nobody reads it.
        device.metadata.managed_fields = None;
        let key = key(&device);
        let status = device.status.clone().unwrap_or_default();
        if status.node_name.as_deref() != Some(self.node.as_str()) {
            self.gone(&key);
            return None;
        }
        if status.binding != Some(DeviceBinding::Serve) {
            let released = Released {
                key: key.clone(),
                uid: device.metadata.uid.clone(),
                version: device.metadata.resource_version.clone(),
            };
            self.gone(&key);
            let served = self.standings.found(&key).is_some()
                || self.served.contains(&key)
                || self.ending.contains(&key);
            self.released.insert(key, released.clone());
            return (!served).then_some(released);
        }
        self.released.remove(&key);
        let before = self.seen.insert(key.clone(), device.clone());
        let bare = |it: &Device| {
            let metadata = &it.metadata;
            (
                it.spec.clone(),
                (
                    metadata.labels.clone(),
                    metadata.uid.clone(),
                    metadata.generation,
                ),
                accepted(it),
            )
        };
        if before.is_none_or(|it| bare(&it) != bare(&device)) {
            self.standings.set_elsewhere(&key, false);
            self.universe.devices.insert(key.clone(), device);
            self.touch("Device", &key);
        }
        self.consider(&key);
        None
    }

    /// A device is this node's no longer.
    pub(super) fn gone(&mut self, key: &Key) {
        self.seen.remove(key);
        self.words.remove(key);
        self.released.remove(key);
        self.universe.devices.remove(key);
        self.touch("Device", key);
    }

    /// A device that others look at and that another node has.
    pub(super) fn elsewhere(&mut self, device: Device) {
        let key = key(&device);
        if !self.seen.contains_key(&key) {
            self.standings.set_elsewhere(&key, true);
            self.universe.devices.insert(key, device);
        }
    }

    pub(super) fn model(&mut self, model: DeviceModel, gone: bool) {
        let key = key(&model);
        let all = &mut self.universe.device_models;
        if put(all, &key, (!gone).then_some(model), |it| {
            Some(it.spec.clone())
        }) {
            self.touch("DeviceModel", &key);
        }
    }

    pub(super) fn broker(&mut self, broker: DeviceBroker, gone: bool) {
        let key = key(&broker);
        let all = &mut self.universe.device_brokers;
        if put(all, &key, (!gone).then_some(broker), |it| {
            Some(it.spec.clone())
        }) {
            self.touch("DeviceBroker", &key);
        }
    }

    /// A policy's guardrails may be devices' of its namespace.
    pub(super) fn policy(&mut self, policy: AgentPolicy, gone: bool) {
        let key = key(&policy);
        let all = &mut self.universe.agent_policies;
        let read = |it: &AgentPolicy| it.spec.guardrails.clone();
        if put(all, &key, (!gone).then_some(policy), read) {
            self.touch("AgentPolicy", &key);
        }
    }

    pub(super) fn cluster_policy(&mut self, policy: ClusterAgentPolicy, gone: bool) {
        let key = key(&policy);
        let all = &mut self.universe.cluster_policies;
        let read = |it: &ClusterAgentPolicy| {
            let spec = &it.spec;
            (spec.guardrails.clone(), spec.namespace_selector.clone())
        };
        if put(all, &key, (!gone).then_some(policy), read) {
            self.touch("ClusterAgentPolicy", &key);
        }
    }

    /// What a namespace is labelled with decides which of the cluster's policies are its.
    pub(super) fn namespace(&mut self, namespace: &PartialObjectMeta<Namespace>, gone: bool) {
        let key = key(namespace);
        let all = &mut self.universe.namespaces;
        let labels = (!gone).then(|| namespace.labels().clone());
        let before = match labels.clone() {
            Some(labels) => all.insert(key.name.clone(), labels),
            None => all.remove(&key.name),
        };
        if before.unwrap_or_default() != labels.unwrap_or_default() {
            self.touch("AgentPolicy", &Key::new(&key.name, ""));
        }
    }

    fn touch(&mut self, kind: &'static str, key: &Key) {
        let object = ObjectKey {
            kind,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        };
        self.standings.touch(&object, &self.universe);
    }

    /// Names of devices that guardrails look at and that are not known here.
    pub(super) fn missing(&self) -> BTreeSet<Key> {
        let mut missing = BTreeSet::new();
        let universe = &self.universe;
        let touched: Vec<&Key> = self.standings.touched().iter().collect();
        for of_one in touched.chunk_by(|a, b| a.namespace == b.namespace) {
            let namespace = &of_one[0].namespace;
            let imposed = InNamespace {
                universe,
                namespace,
            }
            .imposed();
            for device in of_one.iter().filter_map(|key| self.seen.get(*key)) {
                let model = Key::new(namespace, &device.spec.model);
                let Some(model) = universe.device_models.get(&model) else {
                    continue;
                };
                let names = refers_to(device, model, &imposed).into_iter();
                let names = names.map(|it| Key::new(namespace, &it));
                missing.extend(names.filter(|it| !universe.devices.contains_key(it)));
            }
        }
        missing
    }

    /// Everything there is was told, but for devices that cannot be read.
    pub(super) fn fill(&mut self, unread: BTreeSet<Key>) {
        self.filled = true;
        self.unread = Some(unread);
    }

    /// A device that others look at could not be looked for: those are looked at again.
    pub(super) fn look_again(&mut self, key: &Key) {
        self.touch("Device", key);
    }

    pub(super) fn is_filled(&self) -> bool {
        self.filled
    }

    /// What changes with what was told. With the first that is told all at once, what was served before and is this node's no
    /// longer is gone for good.
    pub(super) fn look(&mut self, now: &Time) -> Vec<DeviceChange> {
        let mut changes = self.standings.look(&self.universe, now);
        // Nobody decides yet which node is told of devices that nobody has.
        changes.retain(|it| !matches!(it, DeviceChange::Discover { .. }));
        // With the first that is told all at once, what was served before and is not told of is this node's no longer.
        if let Some(unread) = self.unread.take() {
            let kept = |key: &Key| self.seen.contains_key(key);
            let lost: Vec<Key> = self.served.iter().filter(|it| !kept(it)).cloned().collect();
            for key in lost {
                let told = changes
                    .iter()
                    .any(|it| matches!(it, DeviceChange::Gone { key: gone, .. } if *gone == key));
                if !told {
                    let deleted = !unread.contains(&key);
                    changes.push(DeviceChange::Gone { key, deleted });
                }
            }
            // What was armed before the node was started is no longer, where the device was given to another meanwhile.
            let given = self.seen.keys().cloned().chain(unread);
            changes.push(DeviceChange::All(given.collect()));
        }
        let mut looked = Vec::new();
        for change in &changes {
            match change {
                DeviceChange::Put(device) => {
                    self.served.insert(device.key.clone());
                    looked.push(device.key.clone());
                }
                DeviceChange::Gone { key, .. } => {
                    self.served.remove(key);
                    self.ending.insert(key.clone());
                    looked.push(key.clone());
                }
                DeviceChange::Discover { .. } | DeviceChange::All(_) => {}
            }
        }
        for key in looked {
            self.consider(&key);
        }
        changes
    }

    /// The node's word on a device.
    pub(super) fn stands(&mut self, key: &Key, live: LiveDevice) {
        let now = Time(crate::clock::second());
        self.standings.stands(&self.universe, key, live, &now);
        self.consider(key);
    }

    /// Nothing leaves for a device any more. Gives it, where it is to be let go.
    pub(super) fn stopped(&mut self, key: &Key) -> Option<Released> {
        self.ending.remove(key);
        let served = self.served.contains(key);
        self.released.get(key).filter(|_| !served).cloned()
    }

    /// Whether all has ended that is not served any more.
    pub(super) fn has_ended(&self) -> bool {
        self.ending.is_empty()
    }

    pub(super) fn is_released(&self, released: &Released) -> bool {
        self.released.get(&released.key) == Some(released)
    }

    /// Sees to it that a device is spoken of, where there is anything new to say.
    fn consider(&mut self, key: &Key) {
        let Some((conditions, _)) = self.word(key, &Time(crate::clock::second())) else {
            if let Some(word) = self.words.get_mut(key) {
                word.due = None;
            }
            return;
        };
        let now = Instant::now();
        let word = self.words.entry(key.clone()).or_insert(Word {
            from: now,
            due: None,
        });
        let wait = match condition::is_true(&conditions, condition::READY) {
            true => TOGETHER,
            false => SETTLES,
        };
        let due = (now + wait).max(word.from);
        word.due = Some(word.due.map_or(due, |it| it.min(due)));
    }

    /// What is to be said of a device, where that differs from what stands there. Nothing is said of one that the operator does not
    /// accept as it is: it says that itself.
    fn word(&self, key: &Key, now: &Time) -> Option<(Vec<Condition>, Value)> {
        let device = self.seen.get(key)?;
        let (judged, live) = self.standings.found(key)?;
        if !accepted(device) || (live.is_none() && judged.resolved.is_some()) {
            return None;
        }
        let before = device.status.clone().unwrap_or_default();
        let mut judgements = device_conditions(judged, live);
        judgements.retain(|it| is_of_its_node(it.type_));
        let generation = device.metadata.generation;
        let conditions = condition::write(&before.conditions, &judgements, generation, now);
        if conditions.iter().all(|it| before.conditions.contains(it)) {
            return None;
        }
        let last_seen = live.and_then(|it| it.last_seen).and_then(minute);
        let last_seen = last_seen.or(before.last_seen);
        let mut status = json!({"conditions": conditions});
        if let Some(last_seen) = last_seen {
            status["lastSeen"] = json!(last_seen);
        }
        let object = json!({"uid": device.metadata.uid, "status": status});
        Some((conditions, object))
    }

    /// When the next word is due.
    pub(super) fn next_word(&self) -> Option<Instant> {
        self.words.values().filter_map(|it| it.due).min()
    }

    /// What is to be said at `now`: of each, not again for a while.
    pub(super) fn due(&mut self, now: Instant, date: &Time) -> Vec<(Key, Value)> {
        let due = self.words.iter();
        let due = due.filter(|(_, it)| it.due.is_some_and(|at| at <= now));
        let due: Vec<Key> = due.map(|(key, _)| key.clone()).collect();
        let mut said = Vec::new();
        for key in due {
            let word = self.word(&key, date);
            if let Some(at) = self.words.get_mut(&key) {
                at.due = None;
                if word.is_some() {
                    at.from = now + PAUSE;
                }
            }
            said.extend(word.map(|(_, object)| (key, object)));
        }
        self.words.retain(|_, it| it.due.is_some() || it.from > now);
        said
    }

    /// A word did not arrive: it is said again when the next one may be.
    pub(super) fn unsaid(&mut self, key: &Key) {
        if let Some(word) = self.words.get_mut(key) {
            word.due = Some(word.from);
        }
    }
}

/// Whether the operator says that it makes sense as it is now, and all that it refers to is there.
fn accepted(device: &Device) -> bool {
    let conditions = device.status.as_ref().map(|it| it.conditions.as_slice());
    [ACCEPTED, RESOLVED_REFS].iter().all(|type_| {
        condition::find(conditions.unwrap_or_default(), type_).is_some_and(|it| {
            *it.status == *"True" && it.observed_generation == device.metadata.generation
        })
    })
}

fn key<K: Resource>(object: &K) -> Key {
    Key::new(&object.namespace().unwrap_or_default(), &object.name_any())
}

/// Takes an object in, or away where there is none. Says whether what is read of it is another now.
fn put<K, R: PartialEq + Default>(
    all: &mut Objects<K>,
    at: &Key,
    object: Option<K>,
    read: impl Fn(&K) -> R,
) -> bool {
    let now = object.as_ref().map(&read);
    let before = match object {
        Some(object) => all.insert(at.clone(), object),
        None => all.remove(at),
    };
    before.as_deref().map(&read).unwrap_or_default() != now.unwrap_or_default()
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
