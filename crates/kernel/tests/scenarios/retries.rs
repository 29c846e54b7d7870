//! Answers that are kept for retries: how many, and how much of them, each instance and all together.
use aion_kernel::{Body, BodyDigest, Call, Event, Finish, Kind, Limits, Usage};

use crate::harness::{Node, driven, outcome, profile};

const MIB: u64 = 1 << 20;

/// A keyed read whose answer has so many bytes.
fn read(node: &mut Node, turn: aion_kernel::TurnId, key: u8, size: u64) {
    let call = node.keyed(turn, Kind::FsRead, &format!("k{key}"));
    let call = driven(&node.call(call).1)[0];
    node.feed(Event::Finished {
        call,
        finish: Finish::Ok {
            body: Some(Body {
                digest: BodyDigest([key; 32]),
                size,
            }),
        },
        usage: Usage::default(),
    });
}

fn kept(node: &Node) -> usize {
    node.kernel.state().recorded_bodies().count()
}

#[test]
fn what_is_kept_for_one_instance_has_a_bound_in_bytes() {
    let mut node = Node::new(Limits::default());
    let turn = node.running(1, profile("home", "jarvis"));
    for key in 0..100 {
        read(&mut node, turn, key, MIB);
    }
    assert_eq!(kept(&node), 8);
    let again: Call = node.keyed(turn, Kind::FsRead, "k99");
    assert!(outcome(&node.call(again).1).1, "the newest is there");
    let again: Call = node.keyed(turn, Kind::FsRead, "k1");
    assert_eq!(driven(&node.call(again).1).len(), 1, "it runs again");
    read(&mut node, turn, 200, 20 * MIB);
    assert_eq!(kept(&node), 1, "the newest is kept though it is larger");
}

#[test]
fn what_is_kept_for_all_instances_has_one_too_and_who_has_most_lets_go() {
    let mut node = Node::new(Limits {
        worker_slots: 32,
        ..Limits::default()
    });
    let modest = node.running(1, profile("home", "modest"));
    read(&mut node, modest, 0, MIB);
    for n in 2..=20 {
        let turn = node.running(n, profile("home", &format!("agent-{n}")));
        for key in 1..=8 {
            read(&mut node, turn, key, MIB);
        }
    }
    assert_eq!(kept(&node), 64);
    let again = node.keyed(modest, Kind::FsRead, "k0");
    assert!(outcome(&node.call(again).1).1, "it had the least");
    let mut after = node.kernel.snapshot();
    let text = serde_json::to_string(&after).unwrap();
    after = serde_json::from_str(&text).unwrap();
    node.kernel = aion_kernel::Kernel::restore(after, Limits::default()).unwrap();
    assert_eq!(kept(&node), 64);
}
