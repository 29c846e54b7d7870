//! Devices by node, and which of them hang on which: kept as events come and as they are judged, so that a reconciliation costs
//! what a device hangs on and not what the cluster has.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use aion_api::Device;
use aion_resolve::Key;
use kube::ResourceExt;
use kube::runtime::reflector::Store;
use parking_lot::RwLock;

/// A shared index. The lock is never held across an await.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeviceIndex(Arc<RwLock<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    node_of: HashMap<Key, String>,
    per_node: HashMap<String, BTreeSet<Key>>,
    /// What the guardrails of each look at.
    looks: HashMap<Key, BTreeSet<Key>>,
    /// The same, the other way round.
    lookers: HashMap<Key, BTreeSet<Key>>,
    /// Those that something is missing of: what would mend them may be of any name.
    unsound: BTreeSet<Key>,
    /// Those that wait for a node.
    waiting: BTreeSet<Key>,
}

/// What was found of a device.
pub(crate) struct Found {
    /// Devices of its namespace that its guardrails look at.
    pub(crate) looks_at: BTreeSet<String>,
    /// Whether it makes sense, and all that it refers to is there.
    pub(crate) sound: bool,
    /// Whether it waits for a node.
    pub(crate) waits: bool,
}

impl DeviceIndex {
    /// Begins anew with what the watch knows. Gives all devices.
    pub(super) fn fill(&self, store: &Store<Device>) -> Vec<Key> {
        // Held over the look: what the watch tells meanwhile comes after it.
        let mut tables = self.0.write();
        let all = store.state();
        tables.node_of.clear();
        tables.per_node.clear();
        let mut keys = Vec::with_capacity(all.len());
        for device in all {
            let key = Key::new(&device.namespace().unwrap_or_default(), &device.name_any());
            let status = device.status.as_ref();
            tables.put(&key, status.and_then(|it| it.node_name.clone()));
            keys.push(key);
        }
        keys
    }

    /// A device is on this node, or on none. Said before it is written, too: what the watch tells takes its place.
    pub(crate) fn put(&self, key: &Key, node: Option<String>) {
        self.0.write().put(key, node);
    }

    pub(crate) fn gone(&self, key: &Key) {
        let mut tables = self.0.write();
        tables.put(key, None);
        tables.looks_at(key, BTreeSet::new());
        tables.unsound.remove(key);
        tables.waiting.remove(key);
    }

    /// Notes what was found of a device.
    pub(crate) fn note(&self, key: &Key, found: Found) {
        let Found {
            looks_at,
            sound,
            waits,
        } = found;
        let looks_at = looks_at.iter().map(|it| Key::new(&key.namespace, it));
        let mut tables = self.0.write();
        tables.looks_at(key, looks_at.collect());
        for (set, is_in) in [(true, !sound), (false, waits)] {
            let set = match set {
                true => &mut tables.unsound,
                false => &mut tables.waiting,
            };
            match is_in {
                true => set.insert(key.clone()),
                false => set.remove(key),
            };
        }
    }

    /// How many devices a node has, without this one.
    pub(crate) fn on_node(&self, node: &str, besides: &Key) -> usize {
        let tables = self.0.read();
        let on = tables.per_node.get(node);
        on.map_or(0, |on| on.len() - usize::from(on.contains(besides)))
    }

    /// The node of a device.
    pub(crate) fn node_of(&self, key: &Key) -> Option<String> {
        self.0.read().node_of.get(key).cloned()
    }

    /// The nodes of devices whose guardrails look at this one.
    pub(crate) fn nodes_of_lookers(&self, key: &Key) -> BTreeSet<String> {
        let tables = self.0.read();
        let lookers = tables.lookers.get(key).into_iter().flatten();
        lookers
            .filter_map(|it| tables.node_of.get(it).cloned())
            .collect()
    }

    /// The devices whose guardrails look at one of these, and those of its namespace that something is missing of.
    pub(super) fn that_look_at(&self, keys: &[Key]) -> BTreeSet<Key> {
        let tables = self.0.read();
        let lookers = keys.iter().filter_map(|it| tables.lookers.get(it));
        let unsound = tables.unsound.iter();
        let beside = |it: &&Key| keys.iter().any(|key| key.namespace == it.namespace);
        lookers
            .flatten()
            .chain(unsound.filter(beside))
            .cloned()
            .collect()
    }

    /// The devices of a node, and those that wait for one.
    pub(super) fn that_look_at_node(&self, node: &str) -> BTreeSet<Key> {
        let tables = self.0.read();
        let on = tables.per_node.get(node).into_iter().flatten();
        on.chain(&tables.waiting).cloned().collect()
    }
}

impl Tables {
    fn put(&mut self, key: &Key, node: Option<String>) {
        let before = match &node {
            Some(node) => self.node_of.insert(key.clone(), node.clone()),
            None => self.node_of.remove(key),
        };
        if before == node {
            return;
        }
        if let Some(before) = before
            && let Some(on) = self.per_node.get_mut(&before)
        {
            on.remove(key);
            if on.is_empty() {
                self.per_node.remove(&before);
            }
        }
        if let Some(node) = node {
            self.per_node.entry(node).or_default().insert(key.clone());
        }
    }

    fn looks_at(&mut self, key: &Key, now: BTreeSet<Key>) {
        let before = match now.is_empty() {
            true => self.looks.remove(key),
            false => self.looks.insert(key.clone(), now.clone()),
        };
        let before = before.unwrap_or_default();
        for other in before.difference(&now) {
            if let Some(by) = self.lookers.get_mut(other) {
                by.remove(key);
                if by.is_empty() {
                    self.lookers.remove(other);
                }
            }
        }
        for other in now {
            self.lookers.entry(other).or_default().insert(key.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("home", name)
    }

    fn found(looks_at: &[&str], sound: bool) -> Found {
        Found {
            looks_at: looks_at.iter().map(|it| (*it).to_owned()).collect(),
            sound,
            waits: !sound,
        }
    }

    #[test]
    fn devices_are_counted_where_they_are_and_found_by_what_they_hang_on() {
        let index = DeviceIndex::default();
        for (name, node) in [("heater", "a"), ("window", "b"), ("lamp", "a")] {
            index.put(&key(name), Some(node.to_owned()));
        }
        assert_eq!(index.on_node("a", &key("lamp")), 1);
        assert_eq!(index.on_node("a", &key("new")), 2);
        index.note(&key("heater"), found(&["window"], true));
        index.note(&key("lost"), found(&[], false));
        let all = |names: &[&str]| names.iter().map(|it| key(it)).collect::<BTreeSet<_>>();
        assert_eq!(
            index.that_look_at(&[key("window")]),
            all(&["heater", "lost"])
        );
        assert_eq!(index.that_look_at(&[Key::new("work", "window")]), all(&[]));
        assert_eq!(index.that_look_at_node("b"), all(&["window", "lost"]));
        let a = BTreeSet::from(["a".to_owned()]);
        assert_eq!(index.nodes_of_lookers(&key("window")), a);
        index.put(&key("heater"), Some("b".to_owned()));
        assert_eq!(index.on_node("a", &key("new")), 1);
        index.note(&key("heater"), found(&[], true));
        for name in ["heater", "window", "lamp", "lost"] {
            index.gone(&key(name));
        }
        let tables = index.0.read();
        assert!(tables.node_of.is_empty() && tables.per_node.is_empty());
        assert!(tables.looks.is_empty() && tables.lookers.is_empty());
        assert!(tables.unsound.is_empty() && tables.waiting.is_empty());
    }
}
