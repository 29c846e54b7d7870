//! Which devices are to be looked at again when an object changed. What may not enter: what anybody makes of it.

use aion_api::condition::{ACCEPTED, GUARDED, RESOLVED_REFS, find};
use aion_api::{AgentPolicy, ClusterAgentPolicy, Device, DeviceBroker, DeviceModel};
use aion_resolve::Key;
use kube::{Resource, ResourceExt};

use super::change::Change;
use super::queues::Changes;

/// Its controller reads all of it but what its node says; devices whose guardrails look at it read its model and its node.
pub(super) fn device(changes: &Changes, change: &Change<'_, Device>) {
    let key = key(change.object);
    let node = |it: &Device| it.status.as_ref().and_then(|it| it.node_name.clone());
    changes.with_devices(|caches| match change.gone {
        true => caches.bindings.gone(&key),
        false => caches.bindings.put(&key, node(change.object)),
    });
    let read = |it: &Device| {
        let status = it.status.clone().unwrap_or_default();
        let said = [ACCEPTED, RESOLVED_REFS, GUARDED]
            .map(|type_| find(&status.conditions, type_).cloned());
        (
            it.spec.clone(),
            (it.metadata.uid.clone(), it.metadata.generation),
            (status.node_name, status.binding),
            said,
        )
    };
    if !change.gone && change.is_seen_by(read) {
        changes.devices([key.clone()]);
    }
    if change.is_seen_by(|it| (it.spec.model.clone(), node(it), it.metadata.uid.clone())) {
        changes.with_devices(|caches| changes.devices(caches.bindings.that_look_at(&[key])));
    }
}

/// Devices of it, and those whose guardrails look at them.
pub(super) fn device_model(changes: &Changes, change: &Change<'_, DeviceModel>) {
    if change.is_seen_by(|it| it.spec.clone()) {
        of_devices(changes, change.object, |it| it.spec.model.as_str());
    }
}

/// Devices that are reached by it.
pub(super) fn device_broker(changes: &Changes, change: &Change<'_, DeviceBroker>) {
    if change.is_seen_by(|_| ()) {
        of_devices(changes, change.object, |it| {
            it.spec.broker().unwrap_or_default()
        });
    }
}

/// Devices of its namespace: its guardrails may be theirs. Agents of it read the rest.
pub(super) fn agent_policy(changes: &Changes, change: &Change<'_, AgentPolicy>) {
    super::routes::of_namespace(changes, change);
    if change.is_seen_by(|it| it.spec.guardrails.clone()) {
        within(changes, change.object.namespace().as_deref());
    }
}

/// All devices, and all agents.
pub(super) fn cluster_policy(changes: &Changes, change: &Change<'_, ClusterAgentPolicy>) {
    super::routes::of_all(changes, change);
    let read = |it: &ClusterAgentPolicy| {
        (
            it.spec.guardrails.clone(),
            it.spec.namespace_selector.clone(),
        )
    };
    if change.is_seen_by(read) {
        within(changes, None);
    }
}

/// All devices of a namespace, or of all.
pub(super) fn within(changes: &Changes, namespace: Option<&str>) {
    changes.with_devices(|caches| {
        let all = caches.devices.state();
        let of = |it: &&std::sync::Arc<Device>| {
            namespace.is_none_or(|name| it.namespace().as_deref() == Some(name))
        };
        changes.devices(all.iter().filter(of).map(|it| key(it.as_ref())));
    });
}

fn of_devices<K: Resource>(changes: &Changes, object: &K, named: fn(&Device) -> &str) {
    let (namespace, name) = (object.namespace(), object.name_any());
    changes.with_devices(|caches| {
        let all = caches.devices.state();
        let of = all
            .iter()
            .filter(|it| it.namespace() == namespace && named(it) == name);
        let mut of: Vec<Key> = of.map(|it| key(it.as_ref())).collect();
        if of.is_empty() {
            // Those that nothing was found of hang on what comes.
            of.push(Key::new(namespace.as_deref().unwrap_or_default(), ""));
        }
        let lookers = caches.bindings.that_look_at(&of);
        changes.devices(
            of.into_iter()
                .filter(|it| !it.name.is_empty())
                .chain(lookers),
        );
    });
}

fn key<K: Resource>(object: &K) -> Key {
    Key::new(&object.namespace().unwrap_or_default(), &object.name_any())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::{FutureExt, StreamExt};
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::super::Caches;
    use super::super::queues::queues;
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn what_its_node_says_of_a_device_names_nobody() {
        let caches = Caches::empty(Metrics::new().unwrap());
        let (changes, mut queues) = queues();
        queues.know(&caches);
        queues.lead(&caches);
        let device = |version: u32, node: &str, ready: &str, accepted: &str| -> Device {
            let condition = |type_: &str, status: &str| {
                json!({"type": type_, "status": status, "reason": "R", "message": "m",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"})
            };
            serde_json::from_value(json!({
                "metadata": {"namespace": "home", "name": "lamp", "resourceVersion": version.to_string()},
                "spec": {"model": "lamp", "mqtt": {"broker": "b"}},
                "status": {"nodeName": node, "binding": "Serve", "conditions": [
                    condition("Ready", ready), condition("Accepted", accepted)]},
            }))
            .unwrap()
        };
        let mut named = |before: Device, now: Device| {
            changes.take(&Event::Apply(now), Some(&before), &super::device);
            std::iter::from_fn(|| queues.devices.next().now_or_never().flatten()).count()
        };
        let first = || device(1, "a", "True", "True");
        assert_eq!(named(first(), device(2, "a", "False", "True")), 0);
        assert_eq!(named(first(), device(2, "a", "True", "False")), 1);
        assert_eq!(named(first(), device(2, "b", "True", "True")), 1);
        assert_eq!(caches.bindings.on_node("b", &Key::new("home", "x")), 1);
    }
}
