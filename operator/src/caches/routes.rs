//! Who is to be looked at again when an object changed: who reads of it what is another now. An object is written for many
//! reasons, a Node with each of its heartbeats. What may not enter: what anybody makes of it.

use aion_api::{Agent, AgentInstance, KernelNode, MemoryPool, ModelEndpoint};
use aion_resolve::node_status::{node_view, told_state};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};

use super::change::Change;
use super::machine::{is_cordoned, is_out_of_service};
use super::queues::Changes;

pub(super) fn agent(changes: &Changes, change: &Change<'_, Agent>) {
    changes.agent(change.object);
    // Whoever asks it as a tool reads whether it is there, and what it is for.
    if change.is_seen_by(|agent| agent.spec.description.clone()) {
        changes.callers_of(change.object);
    }
}

pub(super) fn instance(changes: &Changes, change: &Change<'_, AgentInstance>) {
    changes.instance(change.object);
}

/// Its controller reads all of it. Agents read what it asks for, where it is and what it lost; one that no node holds is
/// bound as it was seen.
pub(super) fn pool(changes: &Changes, change: &Change<'_, MemoryPool>) {
    changes.pool(change.object);
    let read = |pool: &MemoryPool| {
        let status = pool.status.clone().unwrap_or_default();
        let unbound = status.node_name.is_none();
        (
            pool.spec.clone(),
            pool.metadata.uid.clone(),
            pool.metadata.deletion_timestamp.is_some(),
            unbound.then(|| pool.metadata.resource_version.clone()),
            status.node_name,
            status.times_lost,
        )
    };
    if change.is_seen_by(read) {
        of_namespace(changes, change);
    }
}

pub(super) fn endpoint(changes: &Changes, change: &Change<'_, ModelEndpoint>) {
    of_namespace(changes, change);
    changes.pools_of(&change.object.namespace().unwrap_or_default());
}

/// Its controller reads all of it, agents what placement sees of it, and pools its state.
pub(super) fn kernel_node(changes: &Changes, change: &Change<'_, KernelNode>) {
    changes.node(&change.object.name_any());
    if change.is_seen_by(|node| node_view(node, told_state(node), 0)) {
        changes.all_agents();
        let name = change.object.name_any();
        changes.with_devices(|caches| changes.devices(caches.bindings.that_look_at_node(&name)));
    }
    if change.is_seen_by(told_state) {
        changes.all_pools();
    }
}

/// Whether it is there and works is read for its KernelNode, and whether it is cordoned by who waits for room.
pub(super) fn node(changes: &Changes, change: &Change<'_, Node>) {
    if change.is_seen_by(is_out_of_service) {
        changes.node(&change.object.name_any());
    }
    if change.is_seen_by(is_cordoned) {
        changes.room();
        let name = change.object.name_any();
        changes.with_devices(|caches| changes.devices(caches.bindings.that_look_at_node(&name)));
    }
}

pub(super) fn namespace(changes: &Changes, change: &Change<'_, PartialObjectMeta<Namespace>>) {
    if change.is_seen_by(|namespace| namespace.labels().clone()) {
        changes.namespace(&change.object.name_any());
        super::device_routes::within(changes, Some(&change.object.name_any()));
    }
}

pub(super) fn lease(changes: &Changes, change: &Change<'_, Lease>) {
    changes.lease(change.object);
}

/// All agents of its namespace.
pub(super) fn of_namespace<K: Resource>(changes: &Changes, change: &Change<'_, K>) {
    changes.namespace(&change.object.namespace().unwrap_or_default());
}

/// All agents.
pub(super) fn of_all<K>(changes: &Changes, _: &Change<'_, K>) {
    changes.all_agents();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_resolve::Key;
    use futures::FutureExt;
    use futures::StreamExt;
    use kube::runtime::reflector;
    use kube::runtime::watcher::Event;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::super::queues::{Queues, queues};
    use super::super::{Caches, Watched};
    use super::*;
    use crate::metrics::Metrics;

    /// Who is named by changes from one object to the next: agents, pools, nodes.
    struct Stage {
        caches: Caches,
        changes: Changes,
        queues: Queues,
    }

    impl Stage {
        /// With one agent that is there and waits, and one pool.
        fn set() -> Self {
            let mut caches = Caches::empty(Metrics::new().unwrap());
            caches.agents = holding(json!({"metadata": {"namespace": "home", "name": "a"},
                "spec": {"instructions": "Be brief."}}));
            caches.pools =
                holding(json!({"metadata": {"namespace": "home", "name": "p"}, "spec": {}}));
            let (changes, queues) = queues();
            queues.know(&caches);
            queues.lead(&caches);
            let mut stage = Self {
                caches,
                changes,
                queues,
            };
            stage.named();
            stage
        }

        /// Agents, pools and nodes that were named since.
        fn named(&mut self) -> [usize; 3] {
            let Queues {
                agents,
                pools,
                nodes,
                ..
            } = &mut self.queues;
            fn count<T>(queue: &mut (impl StreamExt<Item = T> + Unpin)) -> usize {
                std::iter::from_fn(|| queue.next().now_or_never().flatten()).count()
            }
            [count(agents), count(pools), count(nodes)]
        }

        /// Who is named when `before` becomes `now`.
        fn on<K: Watched>(
            &mut self,
            route: fn(&Changes, &Change<'_, K>),
            before: &Value,
            now: &Value,
        ) -> [usize; 3] {
            self.caches.waiting.note(Key::new("home", "a"), true);
            let (before, now): (K, K) = (read(before), read(now));
            self.changes.take(&Event::Apply(now), Some(&before), &route);
            self.named()
        }
    }

    fn read<K: DeserializeOwned>(object: &Value) -> K {
        serde_json::from_value(object.clone()).unwrap()
    }

    fn holding<K: Watched>(object: Value) -> reflector::Store<K> {
        let (store, mut writer) = reflector::store();
        writer.apply_watcher_event(&Event::Apply(read(&object)));
        store
    }

    fn with(object: &Value, at: &str, value: Value) -> Value {
        let mut object = object.clone();
        *object.pointer_mut(at).unwrap() = value;
        object
    }

    #[test]
    fn a_nodes_heartbeat_names_nobody_and_a_cordon_who_waits_for_room() {
        let mut stage = Stage::set();
        let quiet = json!({
            "metadata": {"name": "n", "resourceVersion": "1"},
            "spec": {"unschedulable": false, "taints": []},
            "status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}]},
        });
        let beats = with(
            &quiet,
            "/status/conditions/0/lastHeartbeatTime",
            json!("2026-01-01T00:05:00Z"),
        );
        let beats = with(&beats, "/metadata/resourceVersion", json!("2"));
        assert_eq!(stage.on(node, &quiet, &beats), [0, 0, 0]);
        let cordoned = with(&quiet, "/spec/unschedulable", json!(true));
        assert_eq!(stage.on(node, &quiet, &cordoned), [1, 0, 0]);
        assert_eq!(stage.on(node, &cordoned, &quiet), [1, 0, 0]);
        let taint = json!([{"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}]);
        let out = with(&quiet, "/spec/taints", taint);
        assert_eq!(stage.on(node, &quiet, &out), [0, 0, 1]);
    }

    #[test]
    fn a_node_that_comes_or_goes_names_its_kernel_node_and_who_waits_for_room() {
        let mut stage = Stage::set();
        let there: Node = read(&json!({"metadata": {"name": "n"}}));
        let waits = || stage.caches.waiting.note(Key::new("home", "a"), true);
        waits();
        stage
            .changes
            .take(&Event::Apply(there.clone()), None, &node);
        waits();
        stage
            .changes
            .take(&Event::Delete(there.clone()), Some(&there), &node);
        assert_eq!(stage.named(), [2, 0, 2]);
    }

    #[test]
    fn a_kernel_node_names_all_agents_where_placement_sees_another_and_pools_where_its_state_is_another()
     {
        let mut stage = Stage::set();
        let alive = json!({"type": "Ready", "status": "True", "reason": "LeaseRenewed", "message": "it is alive",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let there = json!({
            "metadata": {"name": "n", "resourceVersion": "1"}, "spec": {"scheduling": "allow"},
            "status": {"capacity": {"instances": 10, "memoryMiB": 1024, "cpuMillis": 1000}, "labels": {"disk": "fast"},
                "conditions": [alive]},
        });
        let conditions = json!([alive, {"type": "Degraded", "status": "True", "reason": "NetworkNotSeen",
            "message": "it dials nothing", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        let told = with(&there, "/status/conditions", conditions);
        assert_eq!(stage.on(kernel_node, &there, &told), [0, 0, 1]);
        for (at, value) in [
            ("/spec/scheduling", json!("pause")),
            ("/status/labels", json!({"disk": "slow"})),
            ("/status/capacity/instances", json!(11)),
        ] {
            let other = with(&there, at, value);
            assert_eq!(stage.on(kernel_node, &there, &other), [1, 0, 1], "{at}");
        }
        let silent = with(&there, "/status/conditions/0/status", json!("Unknown"));
        assert_eq!(stage.on(kernel_node, &there, &silent), [1, 1, 1]);
    }

    #[test]
    fn what_a_pool_says_of_itself_names_no_agent_and_where_it_is_all_of_its_namespace() {
        let mut stage = Stage::set();
        let bound = json!({
            "metadata": {"namespace": "home", "name": "p", "uid": "u", "resourceVersion": "1"}, "spec": {"quotaMiB": 10},
            "status": {"observedGeneration": 1, "nodeName": "n"},
        });
        let said = with(&bound, "/status/observedGeneration", json!(2));
        let said = with(&said, "/metadata/resourceVersion", json!("2"));
        assert_eq!(stage.on(pool, &bound, &said), [0, 1, 0]);
        let larger = with(&bound, "/spec/quotaMiB", json!(20));
        assert_eq!(stage.on(pool, &bound, &larger), [1, 1, 0]);
        let elsewhere = with(&bound, "/status/nodeName", json!("m"));
        assert_eq!(stage.on(pool, &bound, &elsewhere), [1, 1, 0]);
        let unbound = with(&bound, "/status/nodeName", json!(null));
        let again = with(&unbound, "/metadata/resourceVersion", json!("2"));
        assert_eq!(
            stage.on(pool, &unbound, &again),
            [1, 1, 0],
            "it is bound as it was seen"
        );
    }
}
