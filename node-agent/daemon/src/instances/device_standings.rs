//! The devices of a node, of its folder or of the API server: what they come to, and how they stand. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aion_abi::date::UnixMillis;
use aion_api::{DeviceBrokerSpec, DeviceStatus, condition};
use aion_policy::Imposed;
use aion_resolve::{
    Key, Universe,
    device::{InNamespace, JudgedDevice, LiveDevice, device_conditions, judge_device},
    identity,
};
use internment::ArcIntern;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use super::{alike::Alike, folder::ObjectKey};
use crate::devices::DeviceChange;

/// See the module. A change of one costs what hangs on it.
#[derive(Debug, Default)]
pub(in crate::instances) struct DeviceStandings {
    rows: BTreeMap<Key, Box<Row>>,
    statuses: Alike<DeviceStatus>,
    /// Those that cannot be listened to: what would mend them may be of any name.
    unsound: BTreeSet<Key>,
    /// By what guardrails look at: whose.
    lookers: BTreeMap<Key, BTreeSet<Key>>,
    touched: BTreeSet<Key>,
    /// Brokers whose announcements are listened to, and those of which that may be otherwise now.
    discovering: BTreeMap<Key, ArcIntern<DeviceBrokerSpec>>,
    touched_brokers: BTreeSet<Key>,
    /// Those that others look at and that another node has: they are never listened to here.
    #[cfg(feature = "kubernetes")]
    elsewhere: BTreeSet<Key>,
}

#[derive(Debug)]
struct Row {
    judged: JudgedDevice,
    /// What it was judged by.
    of: String,
    live: Option<LiveDevice>,
    status: Arc<DeviceStatus>,
}

impl DeviceStandings {
    /// An object is another one now, or gone. Says whether it is one that only devices hang on.
    pub(in crate::instances) fn touch(&mut self, object: &ObjectKey, universe: &Universe) -> bool {
        let key = object.key();
        let beside = |it: &&Key| it.namespace == key.namespace;
        let mut hang: BTreeSet<Key> = match object.kind {
            "Device" => BTreeSet::from([key.clone()]),
            "DeviceModel" => {
                let of_model = universe
                    .devices
                    .iter()
                    .filter(|(_, it)| it.spec.model == key.name);
                of_model.map(|(it, _)| it).filter(beside).cloned().collect()
            }
            "DeviceBroker" => {
                self.touched_brokers.insert(key.clone());
                let by = universe.devices.iter();
                let by = by.filter(|(_, it)| it.spec.broker() == Some(&*key.name));
                by.map(|(it, _)| it).filter(beside).cloned().collect()
            }
            // Agents hang on them, too.
            "AgentPolicy" | "ClusterAgentPolicy" => {
                let all = universe.devices.keys();
                let of = |it: &&Key| key.namespace.is_empty() || it.namespace == key.namespace;
                self.touched.extend(all.filter(of).cloned());
                return false;
            }
            _ => return false,
        };
        hang.extend(self.unsound.iter().filter(beside).cloned());
        let lookers = hang.iter().filter_map(|it| self.lookers.get(it));
        let lookers: Vec<Key> = lookers.flatten().cloned().collect();
        hang.extend(lookers);
        self.touched.append(&mut hang);
        true
    }

    /// Looks anew at what was touched.
    pub(in crate::instances) fn look(
        &mut self,
        universe: &Universe,
        now: &Time,
    ) -> Vec<DeviceChange> {
        let brokers = std::mem::take(&mut self.touched_brokers);
        let touched = std::mem::take(&mut self.touched);
        let mut changes: Vec<_> = brokers
            .into_iter()
            .filter_map(|key| self.discover(universe, key))
            .collect();
        let touched: Vec<Key> = touched.into_iter().collect();
        for of_one in touched.chunk_by(|a, b| a.namespace == b.namespace) {
            let things = InNamespace {
                universe,
                namespace: &of_one[0].namespace,
            };
            let imposed = things.imposed();
            let judged = of_one.iter();
            changes.extend(judged.filter_map(|key| self.judge(things, &imposed, key.clone(), now)));
        }
        changes
    }

    /// What of a broker's announcements is otherwise now.
    fn discover(&mut self, universe: &Universe, broker: Key) -> Option<DeviceChange> {
        let spec = universe.device_brokers.get(&broker).map(|it| &it.spec);
        let spec = spec.filter(|it| it.discovery.is_some());
        let before = self.discovering.get(&broker);
        if spec == before.map(|it| &**it) {
            return None;
        }
        let reached = spec.map(|it| ArcIntern::new(it.clone()));
        match &reached {
            Some(reached) => self.discovering.insert(broker.clone(), reached.clone()),
            None => self.discovering.remove(&broker),
        };
        Some(DeviceChange::Discover { broker, reached })
    }

    fn judge(
        &mut self,
        things: InNamespace<'_>,
        imposed: &[Imposed<'_>],
        key: Key,
        now: &Time,
    ) -> Option<DeviceChange> {
        let universe = things.universe;
        let device = universe.devices.get(&key);
        #[cfg(feature = "kubernetes")]
        let device = device.filter(|_| !self.elsewhere.contains(&key));
        let Some(device) = device else {
            let row = self.rows.remove(&key);
            self.unsound.remove(&key);
            let before = row.as_ref().map(|it| it.judged.looks_at.clone());
            self.looks_at(&key, before.unwrap_or_default(), &BTreeSet::new());
            return row.map(|_| DeviceChange::Gone { key, deleted: true });
        };
        let judged = judge_device(device, &things, imposed);
        let before = self.rows.get(&key).map(|it| it.judged.looks_at.clone());
        self.looks_at(&key, before.unwrap_or_default(), &judged.looks_at);
        let others = judged
            .looks_at
            .iter()
            .map(|it| Key::new(&key.namespace, it));
        let others = others.filter_map(|it| universe.devices.get(&it));
        let models = others.map(|it| {
            (
                &it.spec.model,
                universe
                    .device_models
                    .get(&Key::new(&key.namespace, &it.spec.model)),
            )
        });
        let models: Vec<_> = models
            .map(|(name, it)| (name, it.map(|it| &it.spec)))
            .collect();
        let model = universe
            .device_models
            .get(&Key::new(&key.namespace, &device.spec.model));
        let broker = device.spec.broker();
        let broker = broker.map(|it| Key::new(&key.namespace, it));
        let broker = broker.and_then(|it| universe.device_brokers.get(&it));
        let (labels, uid) = (&device.metadata.labels, &device.metadata.uid);
        let own = (&device.spec, labels, uid);
        let imposed = imposed.iter().filter(|it| it.selects(device));
        let imposed: Vec<_> = imposed.map(Imposed::what).collect();
        let beside = (model.map(|it| &it.spec), broker.map(|it| &it.spec), imposed);
        let of = identity::hash(&(own, beside, models)).unwrap_or_default();
        let before = self.rows.get(&key);
        let listens = judged.resolved.is_some();
        match listens {
            true => self.unsound.remove(&key),
            false => self.unsound.insert(key.clone()),
        };
        // What it said still counts while nothing of it is another.
        let same = before.is_some_and(|it| it.of == of);
        let live = before.and_then(|it| it.live.clone()).filter(|_| listens);
        let heard = before
            .map(|it| it.judged.resolved.is_some())
            .unwrap_or_default();
        let row = Row {
            status: Arc::default(),
            judged: judged.clone(),
            of,
            live,
        };
        let before = self
            .rows
            .insert(key.clone(), Box::new(row))
            .map(|it| it.status);
        self.write(universe, &key, before, now);
        match judged.resolved {
            Some(resolved) => (!same).then(|| DeviceChange::Put(resolved)),
            None => heard.then_some(DeviceChange::Gone {
                key,
                deleted: false,
            }),
        }
    }

    fn looks_at(&mut self, key: &Key, before: BTreeSet<String>, now: &BTreeSet<String>) {
        for name in before.difference(now) {
            let of = Key::new(&key.namespace, name);
            if let Some(by) = self.lookers.get_mut(&of) {
                by.remove(key);
                if by.is_empty() {
                    self.lookers.remove(&of);
                }
            }
        }
        for name in now {
            let of = Key::new(&key.namespace, name);
            self.lookers.entry(of).or_default().insert(key.clone());
        }
    }

    /// The node's word on a device.
    pub(in crate::instances) fn stands(
        &mut self,
        universe: &Universe,
        key: &Key,
        live: LiveDevice,
        now: &Time,
    ) {
        let Some(row) = self.rows.get_mut(key) else {
            return;
        };
        row.live = Some(live);
        let before = Arc::clone(&row.status);
        self.write(universe, key, Some(before), now);
    }

    fn write(
        &mut self,
        universe: &Universe,
        key: &Key,
        before: Option<Arc<DeviceStatus>>,
        now: &Time,
    ) {
        let generation = universe
            .devices
            .get(key)
            .and_then(|it| it.metadata.generation);
        let Some(row) = self.rows.get_mut(key) else {
            return;
        };
        let before = before.unwrap_or_default();
        let judgements = device_conditions(&row.judged, row.live.as_ref());
        let seen = row.live.as_ref().and_then(|it| it.last_seen);
        row.status = self.statuses.one(DeviceStatus {
            observed_generation: generation,
            conditions: condition::write(&before.conditions, &judgements, generation, now),
            last_seen: seen.and_then(minute).or_else(|| before.last_seen.clone()),
            node_name: None,
            binding: None,
        });
    }

    /// What is to be looked at anew.
    #[cfg(feature = "kubernetes")]
    pub(in crate::instances) fn touched(&self) -> &BTreeSet<Key> {
        &self.touched
    }

    /// Whether a device is another node's.
    #[cfg(feature = "kubernetes")]
    pub(in crate::instances) fn set_elsewhere(&mut self, key: &Key, is: bool) {
        match is {
            true => self.elsewhere.insert(key.clone()),
            false => self.elsewhere.remove(key),
        };
    }

    /// What was found of a device, and what is known of it since.
    #[cfg(feature = "kubernetes")]
    pub(in crate::instances) fn found(
        &self,
        key: &Key,
    ) -> Option<(&JudgedDevice, Option<&LiveDevice>)> {
        self.rows.get(key).map(|it| (&it.judged, it.live.as_ref()))
    }

    /// How a device stands.
    pub(in crate::instances) fn status(&self, key: &Key) -> Option<&DeviceStatus> {
        self.rows.get(key).map(|it| &*it.status)
    }

    /// All that are listened to, for who begins to listen.
    pub(in crate::instances) fn all(&self) -> impl Iterator<Item = DeviceChange> {
        let resolved = self
            .rows
            .values()
            .filter_map(|it| it.judged.resolved.clone());
        let discovering = self.discovering.iter();
        let discovering = discovering.map(|(broker, reached)| DeviceChange::Discover {
            broker: broker.clone(),
            reached: Some(reached.clone()),
        });
        discovering.chain(resolved.map(DeviceChange::Put))
    }
}

/// A date, by the minute.
pub(in crate::instances) fn minute(at: UnixMillis) -> Option<Time> {
    let ms = i64::try_from(at.0 - at.0 % 60_000).ok()?;
    Timestamp::from_millisecond(ms).ok().map(Time)
}
