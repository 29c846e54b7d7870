//! What follows from what the API server tells of the devices of a node.
#![allow(clippy::unwrap_used)]

use aion_abi::syscall::device::Reach;
use k8s_openapi::jiff::Timestamp;
use tokio::time::advance;

use super::*;

fn date() -> Time {
    Time(Timestamp::UNIX_EPOCH)
}

fn device(name: &str, version: u32, status: &Value) -> Device {
    let judged = |type_: &str| {
        json!({"type": type_, "status": "True", "reason": "Ok", "message": "so", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let mut status = status.clone();
    let told = status["conditions"].as_array().cloned().unwrap_or_default();
    let all = [judged("Accepted"), judged("ResolvedRefs")].into_iter();
    status["conditions"] = all.chain(told).collect();
    serde_json::from_value(json!({
        "metadata": {"namespace": "home", "name": name, "uid": name, "generation": 1,
            "resourceVersion": version.to_string()},
        "spec": {"model": "switch", "mqtt": {"broker": "b"}},
        "status": status,
    }))
    .unwrap()
}

fn serving(name: &str, version: u32) -> Device {
    device(
        name,
        version,
        &json!({"nodeName": "here", "binding": "Serve"}),
    )
}

fn releasing(name: &str, version: u32) -> Device {
    device(
        name,
        version,
        &json!({"nodeName": "here", "binding": "Release"}),
    )
}

/// With a model and a broker, and everything told.
fn world() -> World {
    let mut world = World::new("here");
    furnish(&mut world);
    world
}

fn furnish(world: &mut World) {
    let model = json!({"metadata": {"namespace": "home", "name": "switch"}, "spec": {
        "properties": [{"name": "on", "type": "boolean", "access": "readWrite"}],
        "mqtt": {"properties": [{"name": "on", "state": {"topic": "{{device}}"},
            "set": {"topic": "{{device}}/set"}}]}}});
    let broker = json!({"metadata": {"namespace": "home", "name": "b"}, "spec": {"url": "mqtt://b.test:1883"}});
    world.model(serde_json::from_value(model).unwrap(), false);
    world.broker(serde_json::from_value(broker).unwrap(), false);
    world.fill(BTreeSet::new());
}

/// `+lamp` for one that is served from now on, `-lamp` for one that is not, `!lamp` for one that is gone for good.
fn told(changes: Vec<DeviceChange>) -> Vec<String> {
    let told = changes.into_iter().filter_map(|it| match it {
        DeviceChange::Put(device) => Some(format!("+{}", device.key.name)),
        DeviceChange::Gone { key, deleted } => {
            Some(format!("{}{}", if deleted { '!' } else { '-' }, key.name))
        }
        DeviceChange::Discover { broker, .. } => Some(format!("?{}", broker.name)),
        DeviceChange::All(_) => None,
    });
    told.collect()
}

fn live(reach: Reach) -> LiveDevice {
    LiveDevice {
        reach,
        ..LiveDevice::default()
    }
}

fn lamp() -> Key {
    Key::new("home", "lamp")
}

#[test]
fn a_device_that_is_to_be_let_go_is_said_to_be_only_when_nothing_leaves_for_it() {
    let mut world = world();
    assert_eq!(world.device(serving("lamp", 1)), None);
    assert_eq!(told(world.look(&date())), ["+lamp"]);
    assert_eq!(
        world.device(releasing("lamp", 2)),
        None,
        "it is served still"
    );
    assert_eq!(told(world.look(&date())), ["!lamp"]);
    // Whatever else is said of it meanwhile, an order may still be on its way.
    assert_eq!(world.device(releasing("lamp", 3)), None);
    let released = world.stopped(&lamp()).unwrap();
    assert_eq!(released.version.as_deref(), Some("3"));
    assert!(world.is_released(&released));
    // The operator thought better of it: what was released holds no more.
    world.device(serving("lamp", 4));
    assert!(!world.is_released(&released));
    assert_eq!(told(world.look(&date())), ["+lamp"]);
    // One that was never served here is let go at once.
    assert!(world.device(releasing("lock", 4)).is_some());
}

#[test]
fn what_stops_as_the_node_may_not_serve_any_more_is_waited_for() {
    let mut world = world();
    world.device(serving("lamp", 1));
    world.look(&date());
    world.device(releasing("lamp", 2));
    assert_eq!(told(world.look(&date())), ["!lamp"]);
    world.lapse();
    assert!(!world.has_ended());
    furnish(&mut world);
    assert_eq!(world.device(releasing("lamp", 2)), None);
    assert!(world.stopped(&lamp()).is_some() && world.has_ended());
}

#[test]
fn a_device_that_cannot_be_read_is_not_known_to_be_gone() {
    let mut world = world();
    world.device(serving("lamp", 1));
    world.look(&date());
    world.lapse();
    furnish(&mut world);
    world.fill([lamp()].into());
    assert_eq!(told(world.look(&date())), ["-lamp"]);
}

#[test]
fn with_the_first_that_is_told_all_at_once_it_is_said_which_devices_are_given_to_the_node() {
    let mut world = World::new("here");
    furnish(&mut world);
    for device in [serving("lamp", 1), releasing("lock", 1)] {
        world.device(device);
    }
    // One that the operator does not accept is here all the same.
    let mut unsound = serving("meter", 1);
    unsound.status.as_mut().unwrap().conditions.clear();
    world.device(unsound);
    world.fill([Key::new("home", "garbled")].into());
    let all = |changes: Vec<DeviceChange>| -> Vec<Vec<String>> {
        let all = changes.into_iter().filter_map(|it| match it {
            DeviceChange::All(all) => Some(all.into_iter().map(|it| it.name).collect()),
            _ => None,
        });
        all.collect()
    };
    assert_eq!(all(world.look(&date())), [["garbled", "lamp", "meter"]]);
    world.device(serving("door", 1));
    assert_eq!(all(world.look(&date())), [[""; 0]; 0]);
}

#[test]
fn after_a_lapse_nothing_is_served_by_what_was_known_before() {
    let mut world = world();
    for name in ["lamp", "lock", "meter"] {
        world.device(serving(name, 1));
    }
    world.look(&date());
    assert_eq!(told(world.lapse()), ["-lamp", "-lock", "-meter"]);
    assert!(!world.has_ended() && !world.is_filled());
    for name in ["lamp", "lock", "meter"] {
        world.stopped(&Key::new("home", name));
    }
    assert!(world.has_ended());
    // Meanwhile one went to another node, and one is to.
    world.device(serving("lamp", 2));
    assert_eq!(world.device(releasing("lock", 2)), None);
    furnish(&mut world);
    let mut all = told(world.look(&date()));
    all.sort();
    assert_eq!(all, ["!lock", "!meter", "+lamp"]);
    assert!(world.stopped(&Key::new("home", "lock")).is_some());
    assert_eq!(world.stopped(&Key::new("home", "meter")), None);
}

#[test]
fn guardrails_of_policies_are_those_of_devices_here_and_by_labels_of_the_namespace() {
    let mut world = world();
    world.device(serving("lamp", 1));
    assert_eq!(told(world.look(&date())), ["+lamp"]);
    let rules = json!([{"rules": [{"name": "calm", "rate": {"times": 1, "seconds": 60}}]}]);
    let own = |name: &str| -> AgentPolicy {
        let metadata = json!({"namespace": "home", "name": name});
        serde_json::from_value(json!({"metadata": metadata, "spec": {"guardrails": rules}}))
            .unwrap()
    };
    world.policy(own("calm"), false);
    assert_eq!(told(world.look(&date())), ["+lamp"]);
    // The same once more is nothing new.
    world.policy(own("calm"), false);
    assert_eq!(told(world.look(&date())), [""; 0]);
    world.policy(own("calm"), true);
    assert_eq!(told(world.look(&date())), ["+lamp"]);
    let of_all: ClusterAgentPolicy = serde_json::from_value(json!({
        "metadata": {"name": "calm"},
        "spec": {"guardrails": rules, "namespaceSelector": {"matchLabels": {"strict": "yes"}}},
    }))
    .unwrap();
    world.cluster_policy(of_all, false);
    assert_eq!(told(world.look(&date())), [""; 0]);
    let home = json!({"metadata": {"name": "home", "labels": {"strict": "yes"}}});
    world.namespace(&serde_json::from_value(home).unwrap(), false);
    assert_eq!(told(world.look(&date())), ["+lamp"]);
    let (judged, _) = world.standings.found(&lamp()).unwrap();
    assert!(
        judged
            .guarded
            .message
            .contains("calm of ClusterAgentPolicy/calm")
    );
}

#[test]
fn a_device_that_guardrails_look_at_elsewhere_is_not_served_here() {
    let mut world = world();
    let there = device(
        "window",
        1,
        &json!({"nodeName": "there", "binding": "Serve"}),
    );
    world.elsewhere(there.clone());
    // Whatever is told of its model.
    furnish(&mut world);
    world.device(serving("lamp", 1));
    assert_eq!(told(world.look(&date())), ["+lamp"]);
    // Until it is bound here.
    world.device(serving("window", 2));
    assert_eq!(told(world.look(&date())), ["+window"]);
    world.device(there);
    assert_eq!(told(world.look(&date())), ["!window"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_flaps_is_written_once_a_minute_and_a_message_writes_nothing() {
    let mut world = world();
    world.device(serving("lamp", 1));
    world.look(&date());
    let mut written = Vec::new();
    for second in 0..150_u64 {
        let reach = match second % 2 {
            0 => Reach::Online,
            _ => Reach::Offline,
        };
        world.stands(&lamp(), live(reach));
        advance(Duration::from_millis(500)).await;
        for (_, object) in world.due(Instant::now(), &date()) {
            written.push(second);
            // As the watch tells of what was written.
            let status = json!({"nodeName": "here", "binding": "Serve", "conditions": object["status"]["conditions"]});
            world.device(device("lamp", 2, &status));
        }
        advance(Duration::from_millis(500)).await;
    }
    assert_eq!(written.len(), 3, "{written:?}");
    assert!(
        written.windows(2).all(|it| it[1] - it[0] >= 60),
        "{written:?}"
    );
    // Nothing but the time that it was heard of changes.
    for second in 0..150 {
        let seen = aion_abi::date::UnixMillis(second * 60_000);
        let last_seen = Some(seen);
        let reach = Reach::Offline;
        world.stands(
            &lamp(),
            LiveDevice {
                reach,
                last_seen,
                ..LiveDevice::default()
            },
        );
        let due = world.due(Instant::now(), &date());
        assert!(second < 60 || due.is_empty(), "{second}: {due:?}");
        for (_, object) in due {
            let status = json!({"nodeName": "here", "binding": "Serve", "conditions": object["status"]["conditions"]});
            world.device(device("lamp", 3, &status));
        }
        advance(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_of_a_device_that_the_operator_does_not_accept() {
    let mut world = world();
    let mut lamp_now = serving("lamp", 1);
    lamp_now.metadata.generation = Some(2);
    world.device(lamp_now);
    world.look(&date());
    world.stands(&lamp(), live(Reach::Online));
    advance(Duration::from_secs(100)).await;
    assert!(world.due(Instant::now(), &date()).is_empty());
}
