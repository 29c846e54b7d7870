//! What happens on several nodes, as one feed by way of several gateways: nothing is lost or comes twice where one of them is killed,
//! and a node that is away and comes again is told by its name.

use aion_e2e::{
    cluster::BOUND,
    gateways::{ClusterGateway, Stream},
};
use aion_testkit::until;
use futures::{SinkExt as _, StreamExt as _};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::{net::TcpStream, runtime::Runtime, time::timeout};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::office::{CLERKS, HOME, NODES, Office};

const FEED: &str = "GET /v1/events?kinds=turn,agent";

/// Who follows it: everything that was told, and the cursor behind it.
struct Heard {
    all: Vec<Value>,
    cursor: Option<String>,
}

impl Heard {
    /// Reads up to the first frame that is so.
    fn until(&mut self, stream: &mut Stream, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (id, frame) = stream.frame().unwrap_or_else(|| panic!("{:?}", self.all));
            assert_eq!(frame["cursor"].as_str(), id.as_deref(), "{frame}");
            self.cursor = id.or(self.cursor.take());
            self.all.push(frame.clone());
            if is_it(&frame) {
                return frame;
            }
        }
    }

    /// How each turn went on, by its number.
    fn turn(&self, turn: &Value) -> Vec<String> {
        let of = |it: &&Value| it["event"]["turn"] == *turn;
        let state = |it: &Value| it["event"]["state"].as_str().map(str::to_owned);
        self.all.iter().filter(of).filter_map(state).collect()
    }
}

fn follow(gateway: &ClusterGateway, token: &str, behind: Option<&str>) -> Stream {
    let behind = behind.map(|it| format!("\r\nlast-event-id: {it}"));
    let behind = behind.unwrap_or_default();
    until("the feed to be followed", BOUND, || {
        let stream = gateway.stream(FEED, token, &behind, "");
        stream.map_err(|why| why.to_string())
    })
    .unwrap()
}

/// One turn of the agent at a node, by way of a gateway; its number.
fn turn(office: &Office, at: usize, gateway: usize) -> Value {
    let (mut stream, program, mut given) = office.begins(at, gateway);
    program.message(&mut given, "final", "There.").unwrap();
    program.end(&given).unwrap();
    let mut turn = Value::Null;
    while let Some(event) = stream.event() {
        if event.event["event"] == "queued" {
            turn = event.event["turn"].clone();
        }
    }
    turn
}

fn is(node: &str, what: &str) -> impl Fn(&Value) -> bool {
    move |it| it["node"] == node && it.get(what).is_some()
}

fn ended(turn: &Value) -> impl Fn(&Value) -> bool {
    move |it| it["event"]["turn"] == *turn && it["event"]["state"] == "ended"
}

#[test]
fn what_happens_on_two_nodes_is_one_feed_that_any_gateway_goes_on_with() {
    let Some(mut office) = Office::open() else {
        return;
    };
    let asker = office.asker.clone();
    let (status, told) = office.ask(0, FEED, &office.stranger, &json!(null));
    assert_eq!(status, 400, "neither a socket nor a stream: {told}");
    let none = office.gateways[0].stream(FEED, &office.stranger, "", "");
    let why = none.err().unwrap().to_string();
    assert!(why.contains(" 403 "), "{why}");

    let mut heard = Heard {
        all: Vec::new(),
        cursor: None,
    };
    let mut stream = follow(&office.gateways[0], &asker, None);
    let mut left = NODES.to_vec();
    while !left.is_empty() {
        let frame = heard.until(&mut stream, |it| it.get("listening").is_some());
        left.retain(|it| frame["node"] != *it);
    }
    let first = turn(&office, 0, 1);
    let told = heard.until(&mut stream, ended(&first));
    assert_eq!(told["node"], NODES[0], "{told}");
    assert_eq!(told["event"]["agent"], format!("{HOME}/{}", CLERKS[0]));
    let second = turn(&office, 1, 1);
    let told = heard.until(&mut stream, ended(&second));
    assert_eq!(told["node"], NODES[1], "{told}");

    // The gateway is gone, and what happens meanwhile is told by the other one, behind the cursor.
    office.gateways[0].process.signal(Signal::SIGKILL);
    office.gateways[0].process.wait(BOUND).unwrap();
    let third = turn(&office, 0, 1);
    let fourth = turn(&office, 1, 1);
    let cursor = heard.cursor.clone();
    let mut stream = follow(&office.gateways[1], &asker, cursor.as_deref());
    heard.until(&mut stream, ended(&third));
    if heard.turn(&fourth).last().is_none_or(|it| it != "ended") {
        heard.until(&mut stream, ended(&fourth));
    }
    let whole = heard.turn(&first);
    assert_eq!(whole.last().unwrap(), "ended");
    for turn in [&first, &second, &third, &fourth] {
        assert_eq!(heard.turn(turn), whole, "each once: {:?}", heard.all);
    }
    assert!(!heard.all.iter().any(|it| it.get("missed").is_some()));

    // A node that is away is told by its name, and so is that it was started again.
    office.nodes[1].daemon.signal(Signal::SIGKILL);
    office.nodes[1].daemon.wait(BOUND).unwrap();
    heard.until(&mut stream, is(NODES[1], "away"));
    let fifth = turn(&office, 0, 1);
    let told = heard.until(&mut stream, ended(&fifth));
    assert_eq!(told["node"], NODES[0], "the others go on: {told}");
    office.nodes[1].start_again().unwrap();
    let told = heard.until(&mut stream, is(NODES[1], "missed"));
    assert_eq!(told["missed"]["because"], "restarted", "{told}");
    let sixth = turn(&office, 1, 1);
    heard.until(&mut stream, ended(&sixth));

    sockets_are_of_one_namespace_and_go_on_too(&office, heard.cursor.as_deref().unwrap());
}

fn sockets_are_of_one_namespace_and_go_on_too(office: &Office, cursor: &str) {
    let port = office.gateways[1].port;
    let bearer = format!("Bearer {}", office.asker);
    let runtime = Runtime::new().unwrap();
    let mut socket = runtime.block_on(async {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let url = format!("ws://127.0.0.1:{port}/v1/events");
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("authorization", bearer.parse().unwrap());
        client_async(request, stream).await.unwrap().0
    });
    let mut said = async |said: Option<Value>, is_it: &dyn Fn(&Value) -> bool| {
        if let Some(said) = said {
            let text = Message::Text(said.to_string().into());
            socket.send(text).await.unwrap();
        }
        loop {
            let next = timeout(BOUND, socket.next()).await.unwrap();
            if let Message::Text(text) = next.unwrap().unwrap() {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if is_it(&frame) {
                    return frame;
                }
            }
        }
    };
    let answered = |it: &Value| it.get("subscribed").is_some() || it.get("error").is_some();
    runtime.block_on(async {
        let elsewhere = json!({"subscribe": {"id": "b", "namespace": "default"}});
        let told = said(Some(elsewhere), &answered).await;
        assert_eq!(told["error"]["code"], "denied", "{told}");
        let old = json!({"subscribe": {"id": "b", "after": "19a2b3c4d5e-7"}});
        let told = said(Some(old), &|it| it.get("error").is_some()).await;
        assert_eq!(told["error"]["code"], "bad-request", "{told}");
        let behind = json!({"subscribe": {"id": "a", "kinds": ["turn"], "agents": [CLERKS[0]], "after": cursor}});
        let told = said(Some(behind), &answered).await;
        assert_eq!((&told["id"], &told["cursor"]), (&json!(["a"]), &json!(cursor)));
    });
    let asked = turn(office, 0, 1);
    let told = runtime.block_on(said(None, &ended(&asked)));
    assert_eq!(
        (&told["id"], &told["node"]),
        (&json!(["a"]), &json!(NODES[0]))
    );
}
