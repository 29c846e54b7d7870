//! What agents on several nodes ask people, by way of several gateways: listed together, answered by way of any of them, by who may and
//! nobody else, and a node that does not tell is named.

use aion_e2e::cluster::BOUND;
use aion_testkit::until;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    asked::account,
    kubectl,
    office::{HOME, NODES, Office, bind},
};

const LIST: &str = "GET /v1/approvals";

/// What somebody is asked about.
struct Waits {
    approval: u64,
    turn: u64,
    digest: Value,
}

fn remembered() -> Value {
    json!({"items": [{"id": "key", "text": "The key is under the mat"}]})
}

/// Has an agent asked by way of a gateway, until it asks.
fn asks(office: &Office, at: usize, gateway: usize) -> Waits {
    let (mut stream, program, mut given) = office.begins(at, gateway);
    // Its run ends there: the turn waits without it.
    let _ = program.call(&mut given, "/v1/memory/remember", &remembered(), None);
    let mut turn = None;
    loop {
        let event = stream.event().unwrap().event;
        match event["event"].as_str() {
            Some("queued") => turn = event["turn"].as_u64(),
            Some("asked") => {
                return Waits {
                    approval: event["approval"].as_u64().unwrap(),
                    turn: turn.unwrap(),
                    digest: Value::Null,
                };
            }
            _ => {}
        }
    }
}

fn listed(office: &Office, gateway: usize, query: &str) -> Value {
    let line = format!("{LIST}{query}");
    let (status, list) = office.ask(gateway, &line, &office.boss, &json!(null));
    assert_eq!(status, 200, "{list}");
    list
}

fn numbers(list: &Value) -> Vec<u64> {
    let items = list["items"].as_array().into_iter().flatten();
    items.filter_map(|it| it["approval"].as_u64()).collect()
}

#[test]
fn what_agents_of_two_nodes_ask_is_answered_by_way_of_any_gateway_by_who_may() {
    let Some(mut office) = Office::open() else {
        return;
    };
    let mut first = asks(&office, 0, 0);
    let second = asks(&office, 1, 1);

    // Either gateway shows both, by the numbers that the turns' events said.
    let both = [first.approval, second.approval];
    for gateway in [0, 1] {
        let list = listed(&office, gateway, "");
        assert_eq!(numbers(&list), both, "{list}");
        assert_eq!(list["items"][0]["turn"], first.turn, "{list}");
        assert!(list.get("silent").is_none(), "{list}");
        let shown = list["items"][0]["shown"]["text"].as_str().unwrap();
        assert!(shown.contains("under the mat"), "{list}");
        first.digest = list["items"][0]["digest"].clone();
    }
    let page = listed(&office, 1, "?limit=1");
    assert_eq!(numbers(&page), both[..1], "{page}");
    let next = page["next"].as_str().unwrap();
    let rest = listed(&office, 0, &format!("?limit=1&after={next}"));
    assert_eq!(numbers(&rest), both[1..], "{rest}");
    assert!(rest.get("next").is_none(), "{rest}");
    assert_eq!(numbers(&listed(&office, 0, "?namespace=default")), [0; 0]);

    nobody_else_sees_or_answers(&office, &first);

    let one = format!("/v1/approvals/{}", first.approval);
    let yes = json!({
        "verdict": "approve", "scope": "until", "untilMs": in_an_hour(),
        "turn": first.turn, "digest": first.digest,
    });
    // A word is for what was shown: the node's own number is of no turn here.
    for (field, other) in [("turn", json!(1)), ("digest", json!("0".repeat(64)))] {
        let mut other_yes = yes.clone();
        other_yes[field] = other;
        let (status, told) = office.ask(1, &format!("POST {one}"), &office.boss, &other_yes);
        assert_eq!(
            (status, told["code"].as_str()),
            (412, Some("changed")),
            "{told}"
        );
    }
    let program = office.program(0);
    let (status, told) = office.ask(1, &format!("POST {one}"), &office.boss, &yes);
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["approval"], first.approval, "{told}");
    let by = format!("system:serviceaccount:{HOME}:boss");
    assert_eq!(told["answered"]["by"], by, "{told}");
    let (status, told) = office.ask(0, &format!("POST {one}"), &office.boss, &yes);
    assert_eq!(
        (status, told["code"].as_str()),
        (409, Some("already-answered")),
        "{told}"
    );
    // The turn goes on, and does what was agreed to.
    let mut given = program.take().unwrap();
    let done = program.call(&mut given, "/v1/memory/remember", &remembered(), None);
    let (status, told) = done.unwrap();
    assert_eq!(status, 200, "{told}");
    program.message(&mut given, "final", "Noted.").unwrap();
    program.end(&given).unwrap();
    until("the turn to end", BOUND, || {
        let line = format!("GET /v1/turns/{}", first.turn);
        let (_, record) = office.ask(1, &line, &office.asker, &json!(null));
        match record["answer"] == "Noted." {
            true => Ok(()),
            false => Err(record.to_string()),
        }
    })
    .unwrap();

    // What stands is listed with the others, and taken back by way of either.
    let list = listed(&office, 0, "");
    assert_eq!(numbers(&list), [second.approval, first.approval], "{list}");
    assert_eq!(list["standing"][0]["approval"], first.approval, "{list}");
    let back = format!("DELETE {one}");
    let (status, told) = office.ask(1, &back, &office.stranger, &json!(null));
    assert_eq!(status, 403, "{told}");
    assert_eq!(office.ask(1, &back, &office.boss, &json!(null)).0, 204);
    assert_eq!(listed(&office, 0, "")["standing"], json!([]));
    assert_eq!(office.ask(0, &back, &office.boss, &json!(null)).0, 404);

    a_node_that_is_away_is_named(&mut office, &first, &second);
}

/// Who may ask may not answer, who may answer for one agent sees that one, and who may for none sees nothing.
fn nobody_else_sees_or_answers(office: &Office, first: &Waits) {
    let role = ["-n", HOME, "create", "role", "some", "--verb=get,approve"];
    let which = ["--resource=agents.aion.dev", "--resource-name=clerk-b"];
    kubectl(&office.cluster, &[&role[..], &which].concat());
    let some = account(&office.cluster, HOME, "some");
    bind(&office.cluster, "some", "--role=some");
    let none = json!(null);
    let one = format!("/v1/approvals/{}", first.approval);
    let yes = json!({"verdict": "approve", "turn": first.turn, "digest": first.digest});
    for token in [&office.asker, &office.server, &office.stranger] {
        let (status, list) = office.ask(0, LIST, token, &none);
        assert_eq!((status, &list["items"]), (200, &json!([])), "{list}");
        for (line, body) in [
            (format!("GET {one}"), &none),
            (format!("POST {one}"), &yes),
            (format!("DELETE {one}"), &none),
        ] {
            let (status, told) = office.ask(1, &line, token, body);
            assert_eq!(
                (status, told["code"].as_str()),
                (403, Some("denied")),
                "{line}: {told}"
            );
        }
    }
    until("the right to be in force", BOUND, || {
        let (status, list) = office.ask(0, LIST, &some, &none);
        let agents = list["items"].as_array().into_iter().flatten();
        let agents: Vec<_> = agents.map(|it| it["agent"].clone()).collect();
        match status == 200 && agents == [format!("{HOME}/clerk-b")] {
            true => Ok(()),
            false => Err(list.to_string()),
        }
    })
    .unwrap();
    assert_eq!(office.ask(0, &format!("GET {one}"), &some, &none).0, 403);
    assert_eq!(office.ask(0, &format!("POST {one}"), &some, &yes).0, 403);
    // What no gateway showed, and what no node has.
    for number in [3, first.approval + 1_000] {
        let line = format!("GET /v1/approvals/{number}");
        assert_eq!(office.ask(0, &line, &office.boss, &none).0, 404, "{number}");
    }
}

fn a_node_that_is_away_is_named(office: &mut Office, first: &Waits, second: &Waits) {
    office.nodes[1].daemon.signal(Signal::SIGKILL);
    office.nodes[1].daemon.wait(BOUND).unwrap();
    let list = listed(office, 0, "");
    assert_eq!(numbers(&list), [first.approval], "{list}");
    assert_eq!(list["silent"][0]["node"], NODES[1], "{list}");
    assert_eq!(list["silent"][0]["code"], "unreachable", "{list}");
    let line = format!("GET /v1/approvals/{}", second.approval);
    let (status, told) = office.ask(0, &line, &office.boss, &json!(null));
    assert_eq!(
        (status, told["code"].as_str()),
        (502, Some("unreachable")),
        "{told}"
    );
    // It waits there still, and is answered by way of the other gateway.
    office.nodes[1].start_again().unwrap();
    let asked = until("the node to tell again", BOUND, || {
        let list = listed(office, 1, "");
        match numbers(&list) == [second.approval, first.approval] && list.get("silent").is_none() {
            true => Ok(list["items"][0].clone()),
            false => Err(list.to_string()),
        }
    })
    .unwrap();
    let no = json!({"verdict": "deny", "turn": asked["turn"], "digest": asked["digest"]});
    let line = format!("POST /v1/approvals/{}", second.approval);
    let (status, told) = office.ask(0, &line, &office.boss, &no);
    assert_eq!(
        (status, &told["answered"]["word"]),
        (200, &json!("denied")),
        "{told}"
    );
}

#[expect(clippy::disallowed_methods, reason = "a word counts until a date")]
fn in_an_hour() -> u64 {
    let now = jiff::Timestamp::now().as_millisecond();
    u64::try_from(now).unwrap() + 3_600_000
}
