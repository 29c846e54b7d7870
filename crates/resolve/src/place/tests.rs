//! Where instances are placed, and what is said where they fit nowhere.

#![allow(clippy::unwrap_used)]

use aion_api::NodeCapacity;

use super::*;

fn node(name: &str) -> NodeView {
    NodeView {
        name: name.into(),
        capacity: NodeCapacity {
            instances: 10,
            memory_mib: 1024,
            cpu_millis: 2000,
        },
        runtimes: vec![Runtime::Declarative],
        ..NodeView::default()
    }
}

fn needs() -> Needs {
    Needs {
        replicas: 1,
        memory_mib: 256,
        cpu_millis: 1000,
        ..Needs::default()
    }
}

fn on(node: &str, replica: i32) -> AgentInstance {
    let mut instance = AgentInstance::default();
    instance.spec.node_name = node.into();
    instance.spec.replica = replica;
    instance
}

/// Where the replicas go, one word each; `!` and why where they go nowhere.
fn check(needs: &Needs, nodes: &[NodeView], instances: &[AgentInstance], expect: &[&str]) {
    let placed = place(needs, nodes, instances);
    let words: Vec<String> = placed
        .replicas
        .into_iter()
        .map(|placed| placed.unwrap_or_else(|why| format!("!{why}")))
        .collect();
    assert_eq!(words, expect);
}

#[test]
fn the_emptiest_node_is_chosen_and_the_first_by_name_of_equals() {
    check(&needs(), &[node("b"), node("a")], &[], &["a"]);
    check(
        &needs(),
        &[
            NodeView {
                instances: 3,
                ..node("a")
            },
            node("b"),
        ],
        &[],
        &["b"],
    );
    // Half full counts more than three of a thousand.
    let large = NodeView {
        instances: 30,
        capacity: NodeCapacity {
            instances: 1000,
            memory_mib: 1024,
            cpu_millis: 2000,
        },
        ..node("large")
    };
    check(
        &needs(),
        &[
            NodeView {
                instances: 5,
                ..node("a")
            },
            large,
        ],
        &[],
        &["large"],
    );
}

#[test]
fn replicas_spread_and_those_that_share_a_pool_stay_together() {
    let three = Needs {
        replicas: 3,
        ..needs()
    };
    check(&three, &[node("a"), node("b")], &[], &["a", "b", "a"]);
    check(
        &Needs {
            together: true,
            ..three
        },
        &[node("a"), node("b")],
        &[],
        &["a", "a", "a"],
    );
}

#[test]
fn a_pool_pins_its_agents_to_its_node() {
    let pinned = |node: &str| Needs {
        pinned: Some(node.into()),
        together: true,
        ..needs()
    };
    check(&pinned("b"), &[node("a"), node("b")], &[], &["b"]);
    let gone = "!its memory pool is on node b, which is gone: bring the node back, or delete the pool and with it what it held";
    check(&pinned("b"), &[node("a")], &[], &[gone]);
    let given_up = "!its memory pool is on node b, which is gone: bring the node back, or give up what it held: aionctl --cluster node forget b";
    check(
        &pinned("b"),
        &[
            node("a"),
            NodeView {
                state: NodeState::OutOfService,
                ..node("b")
            },
        ],
        &[],
        &[given_up],
    );
    let silent = NodeView {
        state: NodeState::NotReady("no lease".into()),
        ..node("b")
    };
    check(
        &pinned("b"),
        &[node("a"), silent],
        &[],
        &["!a: its memory pool is on node b; b: not ready: no lease"],
    );
}

#[test]
fn an_instance_is_replaced_only_when_its_node_is_lost() {
    let state = |state: NodeState| [NodeView { state, ..node("a") }, node("b")];
    let silent = NodeState::NotReady("no lease for 40 s".into());
    check(&needs(), &state(NodeState::Ready), &[on("a", 0)], &["a"]);
    check(&needs(), &state(silent.clone()), &[on("a", 0)], &["a"]);
    check(&needs(), &state(silent), &[], &["b"]);
    check(
        &needs(),
        &state(NodeState::OutOfService),
        &[on("a", 0)],
        &["b"],
    );
    check(&needs(), &state(NodeState::Gone), &[on("a", 0)], &["b"]);
    // Of an unknown one nothing can be told, its runtimes neither: what is there stays, nothing new comes.
    let unknown = |node: &str| NodeView {
        name: node.into(),
        state: NodeState::Unknown("cannot be read".into()),
        ..NodeView::default()
    };
    let nodes = [unknown("a"), node("b")];
    check(&needs(), &nodes, &[on("a", 0)], &["a"]);
    check(&needs(), &nodes, &[], &["b"]);
    let alone = "!a: not ready: cannot be read";
    check(&needs(), &nodes[..1], &[], &[alone]);
    // A node that no longer suits is left.
    let selective = Needs {
        selector: BTreeMap::from([("zone".into(), "x".into())]),
        ..needs()
    };
    let zone = NodeView {
        labels: BTreeMap::from([("zone".into(), "x".into())]),
        ..node("b")
    };
    check(&selective, &[node("a"), zone], &[on("a", 0)], &["b"]);
    // A pause keeps what is there, and a full node too.
    check(
        &needs(),
        &[NodeView {
            paused: true,
            cordoned: true,
            instances: 10,
            ..node("a")
        }],
        &[on("a", 0)],
        &["a"],
    );
}

#[test]
fn every_node_says_why_it_cannot() {
    check(
        &needs(),
        &[],
        &[],
        &["!there is no node: start a node agent"],
    );
    let check_one = |change: fn(&mut Needs, &mut NodeView), expect: &str| {
        let (mut needs, mut node) = (needs(), node("a"));
        change(&mut needs, &mut node);
        check(&needs, &[node], &[], &[&format!("!a: {expect}")]);
    };
    check_one(
        |_, node| node.instances = 10,
        "is full: it takes 10 instances",
    );
    check_one(
        |_, node| node.paused = true,
        "takes no new instances: its spec.scheduling is pause",
    );
    check_one(
        |_, node| node.cordoned = true,
        "is cordoned and takes no new instances until kubectl uncordon a",
    );
    check_one(
        |needs, _| needs.runtime = Runtime::Wasm,
        "cannot start runtime wasm",
    );
    check_one(
        |needs, _| needs.layers = vec![Layer::Landlock],
        "lacks the required sandbox layers landlock",
    );
    check_one(
        |needs, _| needs.volumes = vec!["disk".into()],
        "does not have the volume disk",
    );
    check_one(
        |needs, _| needs.memory_mib = 2048,
        "has 1024 MiB for instances, and one needs 2048",
    );
    check_one(
        |needs, _| needs.cpu_millis = 4000,
        "has 2000 CPU millis for instances, and one needs 4000",
    );
}

#[test]
fn an_instance_that_was_moved_stays_where_it_was_moved_to() {
    // The old revision is on a, which no longer suits; the new one came up on c.
    let needs = Needs {
        revision: "new".into(),
        selector: BTreeMap::from([("zone".into(), "x".into())]),
        ..needs()
    };
    let zone = |name: &str| NodeView {
        labels: BTreeMap::from([("zone".into(), "x".into())]),
        ..node(name)
    };
    let mut moved = on("c", 0);
    moved.spec.revision = "new".into();
    check(
        &needs,
        &[node("a"), zone("b"), zone("c")],
        &[on("a", 0), moved],
        &["c"],
    );
}
