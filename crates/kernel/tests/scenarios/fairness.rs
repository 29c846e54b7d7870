//! Fair shares, as they are seen from outside.

use aion_kernel::{Call, Event, Finish, Kind, Limits, TurnId, Usage};

use crate::harness::{Node, driven, profile, uid};

const SLOTS: u64 = 2;
const RESERVE: u64 = 500;

#[test]
fn two_tenants_that_flood_one_endpoint_get_the_same_tokens() {
    let mut node = Node::new(Limits {
        resource_default: SLOTS as u32,
        queue_per_tenant: 64,
        ..Limits::default()
    });
    // Red has three agents that each ask for much, blue one that always asks for a little more.
    let red = [1, 2, 3].map(|n| node.running(n, profile("red", &format!("agent-{n}"))));
    let blue = node.running(4, profile("blue", "agent"));
    let mut running = Vec::new();
    let ask = |node: &mut Node, turn: TurnId| {
        let call = Call {
            reserve_tokens: RESERVE,
            ..node.plain(turn, Kind::ModelChat)
        };
        driven(&node.call(call).1)
    };
    for turn in red {
        for _ in 0..8 {
            running.extend(ask(&mut node, turn));
        }
    }
    for _ in 0..3 {
        running.extend(ask(&mut node, blue));
    }
    for round in 0..300_u64 {
        node.now = node.now.plus(20);
        let call = running.remove((round % SLOTS) as usize);
        let turn = node
            .kernel
            .state()
            .calls()
            .find(|(id, _)| *id == call)
            .map(|(_, row)| row.turn);
        // What is used differs from what was reserved, and red's answers are longer.
        let used = if turn == Some(blue) {
            90 + round % 40
        } else {
            300 + round % 150
        };
        let usage = Usage {
            input_tokens: 10,
            output_tokens: used,
            ..Usage::default()
        };
        let step = node.feed(Event::Finished {
            call,
            finish: Finish::Ok { body: None },
            usage,
        });
        running.extend(driven(&step));
        running.extend(turn.map(|turn| ask(&mut node, turn)).unwrap_or_default());
    }
    let tokens = |n| {
        node.kernel
            .state()
            .accounts_of(uid(n))
            .map(|[_, tenant, _]| tenant.total_tokens)
    };
    let (red, blue) = (tokens(1).unwrap_or(0), tokens(4).unwrap_or(0));
    assert!(
        red.abs_diff(blue) <= 2 * (SLOTS + 1) * RESERVE,
        "red got {red}, blue {blue}"
    );
    assert!(red > 10 * RESERVE, "nobody got much: {red}");
}
