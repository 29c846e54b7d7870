//! Pages of approvals of several nodes, in whichever order these tell theirs.
#![allow(clippy::unwrap_used)]

use aion_abi::{
    approval::{Answered, Shown, Word},
    date::UnixMillis,
};

use super::*;

fn asked(approval: u64, at: u64, answered: Option<u64>) -> Approval {
    Approval {
        approval,
        turn: approval,
        agent: "home/clerk".to_owned(),
        capability: "tool.call:mail.send".to_owned(),
        question: false,
        rule: "spec.permissions.ask[0]".to_owned(),
        asked_at_ms: UnixMillis(at),
        until_ms: UnixMillis(at + 1),
        shown: None,
        digest: "abc".to_owned(),
        answered: answered.map(|at| Answered {
            word: Word::Denied,
            scope: None,
            until_ms: None,
            by: None,
            at_ms: UnixMillis(at),
        }),
    }
}

fn word(approval: u64, at: u64) -> Standing {
    Standing {
        approval,
        agent: "home/clerk".to_owned(),
        capability: "tool.call:mail.send".to_owned(),
        until_ms: UnixMillis(at + 1),
        by: None,
        given_at_ms: UnixMillis(at),
    }
}

/// Two nodes, whose numbers say which they are of.
fn nodes() -> [Approvals; 2] {
    let one = Approvals {
        items: vec![
            asked(101, 10, None),
            asked(102, 30, None),
            asked(103, 5, Some(50)),
        ],
        standing: vec![word(104, 20)],
    };
    let two = Approvals {
        items: vec![
            asked(201, 20, None),
            asked(202, 5, Some(60)),
            asked(203, 5, Some(40)),
        ],
        standing: vec![word(204, 10)],
    };
    [one, two]
}

const ALL: [u64; 8] = [101, 201, 102, 202, 103, 203, 204, 104];

fn numbers(list: &List) -> Vec<u64> {
    let items = list.items.iter().map(|it| it.approval);
    let standing = list.standing.iter().map(|it| it.approval);
    items.chain(standing).collect()
}

fn page(
    limit: Option<usize>,
    after: Option<String>,
    nodes: impl IntoIterator<Item = Approvals>,
) -> List {
    let mut rows = Rows::new(&Wanted { limit, after }).unwrap();
    nodes.into_iter().for_each(|it| rows.add(it));
    rows.page(Vec::new())
}

#[test]
fn what_nodes_tell_is_in_one_order_whoever_tells_first() {
    let [one, two] = nodes();
    for nodes in [[one.clone(), two.clone()], [two, one]] {
        let list = page(None, None, nodes);
        assert_eq!(numbers(&list), ALL);
        assert_eq!(list.next, None);
    }
}

#[test]
fn pages_follow_each_other_to_the_end_and_nothing_is_on_two() {
    for limit in 1..=9 {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let list = page(Some(limit), after, nodes());
            assert!(numbers(&list).len() <= limit);
            all.extend(numbers(&list));
            after = list.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(all, ALL, "{limit} a page");
    }
}

#[test]
fn what_is_answered_between_two_pages_is_on_a_later_one() {
    let first = page(Some(1), None, nodes());
    assert_eq!(numbers(&first), [101]);
    let [mut one, two] = nodes();
    one.items[1] = asked(102, 30, Some(70));
    let rest = page(None, first.next, [one, two]);
    assert_eq!(numbers(&rest), [201, 102, 202, 103, 203, 204, 104]);
}

#[test]
fn a_page_has_so_many_bytes_at_most_but_one_row_in_any_case() {
    let large = |approval: u64, bytes: usize| {
        let mut it = asked(approval, approval, None);
        it.shown = Some(Shown {
            text: "x".repeat(bytes),
            size: bytes as u64,
            cut: false,
        });
        Approvals {
            items: vec![it],
            standing: Vec::new(),
        }
    };
    let nodes = || {
        [
            large(1, BYTES - 2_000),
            large(3, BYTES + 1),
            large(2, 4_000),
            large(4, 1),
        ]
    };
    // What is small and behind what did not fit is not on an earlier page than that.
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let list = page(None, after, nodes());
        pages.push(numbers(&list));
        after = list.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![1], vec![2], vec![3], vec![4]]);
}

#[test]
fn what_is_no_page_is_refused() {
    let wrong = |limit: Option<usize>, after: Option<&str>| {
        let after = after.map(str::to_owned);
        let refused = Rows::new(&Wanted { limit, after }).unwrap_err();
        assert_eq!(refused.code, Code::BadRequest);
        refused.detail
    };
    for limit in [0, LIMIT + 1] {
        assert!(wrong(Some(limit), None).starts_with("limit"));
    }
    for after in [
        "",
        "0",
        "0-1",
        "3-1-1",
        "0-1-1-1",
        "0-01-1",
        "0-+1-1",
        "0-g-1",
        "00-1-1",
        "0-10000000000000000-1",
    ] {
        assert!(wrong(None, Some(after)).starts_with("after"), "{after}");
    }
}

#[test]
fn silent_nodes_are_named_in_order_with_their_reasons() {
    let silent = |node: &str| {
        let why = Problem::new(Code::Unreachable, "x".repeat(1_000));
        Silent::of(node, &why)
    };
    let rows = Rows::new(&Wanted {
        limit: None,
        after: None,
    });
    let list = rows.unwrap().page(vec![silent("b"), silent("a")]);
    let names: Vec<_> = list.silent.iter().map(|it| it.node.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(list.silent[0].detail.len(), QUOTED);
    let told = serde_json::to_value(&list).unwrap();
    assert_eq!(told["silent"][0]["code"], "unreachable", "{told}");
}
