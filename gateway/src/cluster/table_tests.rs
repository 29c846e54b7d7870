//! Which node is asked, told from a table.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;

const AGENT: (&str, &str) = ("home", "keeper");

fn at(name: &str) -> Where {
    // Nothing is asked there: an address of each, to tell them apart.
    let port = 1000 + u16::from(name.as_bytes()[0]);
    let url = format!("http://127.0.0.1:{port}");
    Where {
        tag: Tag::of(name),
        is_alive: true,
        address: Ok(Address::cluster(&url, None, None).unwrap()),
    }
}

fn instance(name: &str, node: &str) -> Instance {
    Instance {
        name: name.into(),
        node: node.into(),
        is_ready: true,
        is_leaving: false,
    }
}

/// Three nodes, each with a ready instance.
fn three() -> Table {
    let mut table = Table::default();
    for name in ["a", "b", "c"] {
        table.node(name, at(name));
        table.instance(AGENT, instance(name, name));
    }
    table
}

fn asked(table: &Table, key: Key<'_>) -> Vec<Tag> {
    let all = table.candidates(AGENT, key).unwrap().into_iter();
    all.map(|it| it.place.tag.unwrap()).collect()
}

fn keys() -> impl Iterator<Item = String> {
    (0..200).map(|it| format!("key-{it}"))
}

#[test]
fn a_clients_key_is_one_node_at_every_gateway_and_keys_are_spread() {
    let (one, mut other) = (three(), Table::default());
    // Another gateway heard of them in another order.
    for name in ["c", "a", "b"] {
        other.instance(AGENT, instance(name, name));
        other.node(name, at(name));
    }
    let mut used = BTreeSet::new();
    for key in keys() {
        let asked_at = asked(&one, Key::Theirs(&key));
        assert_eq!(asked_at.len(), 3);
        assert_eq!(asked_at, asked(&other, Key::Theirs(&key)));
        used.insert(asked_at[0].to_string());
    }
    assert_eq!(used.len(), 3);
}

#[test]
fn a_key_stays_where_it_is_while_another_replica_goes() {
    let (before, mut after) = (three(), three());
    after.no_instance(AGENT, "c");
    for key in keys() {
        let mut was = asked(&before, Key::Theirs(&key));
        was.retain(|it| *it != Tag::of("c"));
        assert_eq!(asked(&after, Key::Theirs(&key)), was);
    }
}

#[test]
fn a_key_whose_node_is_silent_is_asked_nowhere_else_and_another_question_is() {
    let mut table = three();
    let mut silent = at("a");
    silent.is_alive = false;
    table.node("a", silent);
    let mut stayed = 0;
    for key in keys() {
        let was = asked(&three(), Key::Theirs(&key));
        assert_eq!(asked(&table, Key::Theirs(&key)), was);
        stayed += usize::from(was[0] == Tag::of("a"));
        let ours = asked(&table, Key::Ours(&key));
        assert_eq!(ours.len(), 2);
        assert!(!ours.contains(&Tag::of("a")));
    }
    assert!(stayed > 0);
}

#[test]
fn one_that_leaves_is_asked_whether_it_knows_the_key_before_another_is() {
    let mut table = three();
    for name in ["a", "b"] {
        let mut leaving = instance(name, name);
        leaving.is_leaving = true;
        leaving.is_ready = name == "a";
        table.instance(AGENT, leaving);
    }
    for key in keys() {
        let all = table.candidates(AGENT, Key::Theirs(&key)).unwrap();
        let [one, two, last] = &all[..] else {
            unreachable!("{all:?}");
        };
        assert_eq!(last.place.tag, Some(Tag::of("c")));
        assert!(!last.is_left);
        assert!([one, two].iter().all(|it| it.is_left && !it.is_first_try));
        assert_eq!(asked(&table, Key::Ours(&key)), [Tag::of("c")]);
    }
}

#[test]
fn what_is_not_ready_is_asked_where_nothing_else_is_there() {
    let mut table = Table::default();
    for name in ["a", "b"] {
        table.node(name, at(name));
        let mut starting = instance(name, name);
        starting.is_ready = name == "b";
        table.instance(AGENT, starting);
    }
    for key in keys() {
        assert_eq!(asked(&table, Key::Theirs(&key)), [Tag::of("b")]);
        assert_eq!(asked(&table, Key::Ours(&key)), [Tag::of("b")]);
    }
    table.no_instance(AGENT, "b");
    assert_eq!(asked(&table, Key::Theirs("k")), [Tag::of("a")]);
}

#[test]
fn an_instance_that_moves_is_asked_where_it_is_then() {
    let mut table = three();
    for name in ["a", "b", "c"] {
        table.no_instance(AGENT, name);
    }
    let nowhere = table.candidates(AGENT, Key::Theirs("k"));
    assert_eq!(nowhere.unwrap_err(), Nowhere::NoInstance);
    table.instance(AGENT, instance("d", "b"));
    assert_eq!(asked(&table, Key::Theirs("k")), [Tag::of("b")]);
    // Turns stay where they were asked.
    assert_eq!(table.tagged(Tag::of("a")).len(), 1);
    table.no_node("a");
    assert!(table.tagged(Tag::of("a")).is_empty());
}

#[test]
fn a_node_that_nobody_can_ask_says_why() {
    let mut table = Table::default();
    table.instance(AGENT, instance("a", "a"));
    let why = |table: &Table| match table.candidates(AGENT, Key::Ours("k")).unwrap_err() {
        Nowhere::Unreachable(why) => why,
        Nowhere::NoInstance => unreachable!("there is one"),
    };
    assert_eq!(why(&table), "there is no KernelNode a");
    let mut closed = at("a");
    closed.address = Err("its aion-node has no --listen".into());
    table.node("a", closed);
    assert!(why(&table).ends_with("its aion-node has no --listen"));
    assert_eq!(table.tagged(Tag::of("a")).len(), 1, "it is not passed over");
    // One that can be asked is enough.
    table.node("b", at("b"));
    table.instance(AGENT, instance("b", "b"));
    assert_eq!(asked(&table, Key::Ours("k")), [Tag::of("b")]);
}

#[test]
fn what_a_new_list_does_not_name_is_gone() {
    let mut table = three();
    table.begins_instances();
    table.instance(AGENT, instance("b", "b"));
    table.instance(AGENT, instance("b", "b"));
    table.ends_instances();
    table.begins_nodes();
    table.node("b", at("b"));
    table.ends_nodes();
    assert_eq!(asked(&table, Key::Ours("k")), [Tag::of("b")]);
    assert!(table.tagged(Tag::of("a")).is_empty());
    assert_eq!((table.instances.len(), table.nodes.len()), (1, 1));
}

#[test]
fn ten_thousand_instances_are_a_few_mib() {
    assert!(size_of::<(Instance, u32)>() <= 48);
    assert!(size_of::<Named>() <= 32);
}

#[test]
fn the_nodes_of_a_namespace_are_those_that_have_agents_of_it_also_where_none_can_be_asked() {
    let mut table = three();
    table.instance(("office", "clerk"), instance("clerk", "a"));
    table.instance(("home", "helper"), instance("helper", "d"));
    table.instance(("home", "helper"), instance("helper-2", "a"));
    let within = table.within("home");
    let named: Vec<_> = within
        .iter()
        .map(|it| (&*it.node, it.place.is_ok(), it.agents.len()))
        .collect();
    assert_eq!(
        named,
        [
            ("a", true, 2),
            ("b", true, 1),
            ("c", true, 1),
            ("d", false, 1)
        ]
    );
    assert_eq!(within[0].tag, Some(Tag::of("a")));
    assert_eq!(within[3].tag, None, "it has no KernelNode");
    let within = table.within("office");
    assert_eq!(within.len(), 1);
    assert!(table.within("nowhere").is_empty());
}
