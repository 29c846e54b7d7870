//! What happens, told to programs: a real client of WebSockets, and frames that no client sends.

#![allow(clippy::unwrap_used)]

use std::fs;

use aion_testkit::{FakeModel, Reply, free_port};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream, UnixListener},
    runtime::Runtime,
    sync::watch,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::door::{BOUND, Door, gateway};

type Socket = WebSocketStream<TcpStream>;

async fn dial(
    stream: TcpStream,
    port: u16,
    headers: &[(&'static str, String)],
) -> Result<Socket, String> {
    let url = format!("ws://127.0.0.1:{port}/v1/events");
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let (socket, _) = client_async(request, stream)
        .await
        .map_err(|why| why.to_string())?;
    Ok(socket)
}

async fn connect(port: u16, token: &str) -> Socket {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let bearer = ("authorization", format!("Bearer {token}"));
    dial(stream, port, &[bearer]).await.unwrap()
}

async fn say(socket: &mut Socket, said: &Value) {
    let text = Message::Text(said.to_string().into());
    socket.send(text).await.unwrap();
}

async fn next(socket: &mut Socket) -> Message {
    let next = timeout(BOUND, socket.next()).await.unwrap();
    next.unwrap().unwrap()
}

/// The next frame that is JSON.
async fn told(socket: &mut Socket) -> Value {
    loop {
        if let Message::Text(text) = next(socket).await {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

/// Frames up to the first that has `found`, which is the last.
async fn until(socket: &mut Socket, found: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        all.push(told(socket).await);
        if found(all.last().unwrap()) {
            return all;
        }
    }
}

/// What a connection is closed with.
async fn closed(socket: &mut Socket) -> (u16, String) {
    loop {
        if let Message::Close(Some(frame)) = next(socket).await {
            return (frame.code.into(), frame.reason.to_string());
        }
    }
}

fn is_end(frame: &Value) -> bool {
    frame["event"]["state"] == "ended"
}

fn words(frames: &[Value]) -> Vec<String> {
    let word = |frame: &Value| {
        let event = &frame["event"];
        let word = event.get("state").or_else(|| event.get("capability"));
        word.and_then(Value::as_str).map(str::to_owned)
    };
    frames.iter().filter_map(word).collect()
}

fn ask(door: &Door) {
    let asked = json!({"input": "A name for a cat?"});
    let (status, answer) = door.post("/v1/agents/jarvis/turns", "", &asked).unwrap();
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn turns_and_calls_are_told_and_a_broken_connection_goes_on_where_it_was() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let mut door = Door::open(&model)?;
    let runtime = Runtime::new()?;
    let token = door.token.clone();
    let mut socket = runtime.block_on(connect(door.port, &token));
    let cursor = runtime.block_on(async {
        let calls = json!({"id": "a", "kinds": ["turn", "syscall"], "agents": ["jarvis"]});
        say(&mut socket, &json!({"subscribe": calls})).await;
        let subscribed = told(&mut socket).await;
        assert_eq!(subscribed["id"], json!(["a"]), "{subscribed}");
        let others = json!({"id": "b", "kinds": ["turn"], "agents": ["somebody"]});
        say(&mut socket, &json!({"subscribe": others})).await;
        told(&mut socket).await["cursor"].clone()
    });
    ask(&door);
    let first = runtime.block_on(until(&mut socket, is_end));
    let said = words(&first);
    assert_eq!(said.first().unwrap(), "queued", "{first:?}");
    for word in ["started", "model.chat", "ended"] {
        assert!(
            said.iter().any(|it| it.starts_with(word)),
            "{word}: {said:?}"
        );
    }
    assert!(first.iter().all(|it| it["id"] == json!(["a"])), "{first:?}");
    let end = &first.last().unwrap()["event"];
    assert_eq!(
        (&end["ok"], &end["agent"]),
        (&json!(true), &json!("default/jarvis")),
        "{end}"
    );
    // Nothing of what was asked or answered.
    assert!(!format!("{first:?}").contains("Felix"), "{first:?}");
    drop(socket);
    ask(&door);
    let mut socket = runtime.block_on(connect(door.port, &token));
    let again = runtime.block_on(async {
        let behind = json!({"id": "c", "kinds": ["turn", "syscall"], "after": cursor});
        say(&mut socket, &json!({"subscribe": behind})).await;
        let mut all = until(&mut socket, is_end).await;
        all.extend(until(&mut socket, is_end).await);
        all
    });
    assert!(again[0].get("subscribed").is_some(), "{again:?}");
    assert!(again.iter().all(|it| it["id"] == json!(["c"])), "{again:?}");
    let cursors = |frames: &[Value]| -> Vec<String> {
        let events = frames.iter().filter(|it| it.get("event").is_some());
        events
            .map(|it| it["cursor"].as_str().unwrap().to_owned())
            .collect()
    };
    let both = cursors(&again);
    assert!(both.starts_with(&cursors(&first)), "{first:?}\n{again:?}");
    let seen: std::collections::BTreeSet<_> = both.iter().collect();
    assert_eq!(seen.len(), both.len(), "each once: {both:?}");
    // As events of a stream, behind the same cursor.
    let more = format!(
        "\r\naccept: text/event-stream\r\nlast-event-id: {}",
        cursor.as_str().unwrap()
    );
    let mut stream = door.send(&door.head("GET /v1/events?kinds=turn", &more), "")?;
    let mut streamed = String::new();
    while streamed.matches(r#""state":"ended""#).count() < 2 {
        use std::io::Read as _;
        let mut part = [0; 4096];
        let read = stream.read(&mut part)?;
        assert!(read > 0, "{streamed}");
        streamed.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    assert!(streamed.contains(&format!("id: {}", both[0])), "{streamed}");
    // The node is killed, and is back.
    door.node.restart_daemon()?;
    runtime.block_on(async {
        until(&mut socket, |it| it.get("away").is_some()).await;
        let back = until(&mut socket, |it| it.get("missed").is_some()).await;
        let missed = &back.last().unwrap()["missed"];
        assert_eq!(missed, &json!({"because": "restarted"}), "{back:?}");
    });
    aion_testkit::until("jarvis to be asked again", BOUND, || {
        let asked = json!({"input": "Another?"});
        let asked = door.post("/v1/agents/jarvis/turns", "", &asked);
        match asked {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    runtime.block_on(until(&mut socket, is_end));
    Ok(())
}

#[test]
fn who_is_not_let_in_is_told_and_a_page_has_its_token_among_the_protocols() -> anyhow::Result<()> {
    let (runtime, node) = (Runtime::new()?, Nodes::start()?);
    runtime.block_on(async {
        let dialled = async |headers: &[(&'static str, String)]| {
            let stream = TcpStream::connect(("127.0.0.1", node.port)).await.unwrap();
            dial(stream, node.port, headers).await
        };
        let bearer = ("authorization", format!("Bearer {}", node.token));
        let wrong = dialled(&[("authorization", "Bearer wrong".to_owned())]).await;
        assert!(wrong.unwrap_err().contains("401"));
        let elsewhere = ("origin", "https://evil.example".to_owned());
        let page = dialled(&[bearer.clone(), elsewhere]).await;
        assert!(page.unwrap_err().contains("403"));
        use base64::Engine as _;
        let token = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(&node.token);
        let offered = format!("aion.events.v1, base64url.bearer.authorization.aion.dev.{token}");
        let local = ("origin", "http://localhost:3000".to_owned());
        let page = dialled(&[("sec-websocket-protocol", offered), local]).await;
        assert!(page.is_ok(), "{page:?}");
    });
    Ok(())
}

#[test]
fn what_no_client_should_send_is_answered_by_name() -> anyhow::Result<()> {
    let (runtime, mut node) = (Runtime::new()?, Nodes::start()?);
    runtime.block_on(async {
        let _feed = node.feed();
        let connected = async || connect(node.port, &node.token).await;
        let mut socket = connected().await;
        for (wrong, named) in [
            ("{", "EOF"),
            (
                r#"{"subscribe": {"id": "a", "kinds": ["cats"]}}"#,
                "kinds[0]",
            ),
            (
                r#"{"subscribe": {"id": "a", "after": "x"}}"#,
                "not a cursor",
            ),
            (r#"{"unsubscribe": {"id": "a"}}"#, "no such subscription"),
        ] {
            socket.send(Message::Text(wrong.into())).await.unwrap();
            let error = told(&mut socket).await;
            assert_eq!(error["error"]["code"], "bad-request", "{error}");
            let detail = error["error"]["detail"].as_str().unwrap();
            let detail = [detail, error["error"].to_string().as_str()].concat();
            assert!(detail.contains(named), "{error}");
        }
        for n in 0..33 {
            say(&mut socket, &json!({"subscribe": {"id": n.to_string()}})).await;
        }
        let last = until(&mut socket, |it| it.get("error").is_some()).await;
        let last = last.last().unwrap();
        assert_eq!(last["id"], json!(["32"]), "{last}");
        // It is there all the same.
        socket.send(Message::Ping(vec![7].into())).await.unwrap();
        while next(&mut socket).await != Message::Pong(vec![7].into()) {}
        // Who goes is answered.
        let mut leaves = connected().await;
        leaves.close(None).await.unwrap();
        assert!(matches!(next(&mut leaves).await, Message::Close(_)));
        let closed_by = async |sent: Message| {
            let mut socket = connected().await;
            socket.send(sent).await.unwrap();
            closed(&mut socket).await
        };
        let (code, why) = closed_by(Message::Binary(vec![1].into())).await;
        assert_eq!(code, 1003, "{why}");
        let (code, why) = closed_by(Message::Text("x".repeat(70_000).into())).await;
        assert_eq!((code, why.contains("64 KiB")), (1009, true), "{why}");
        let mut socket = connected().await;
        for _ in 0..=100 {
            socket.feed(Message::Text("{}".into())).await.unwrap();
        }
        socket.flush().await.unwrap();
        assert_eq!(closed(&mut socket).await.0, 1008);
        // Frames: reserved bits, text that is not UTF-8, no mask, and a message in pieces that never ends.
        for (frames, code) in [
            (vec![0xf1, 0x80, 0, 0, 0, 0], 1002),
            (vec![0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
            (vec![0x81, 0x01, b'x'], 1002),
            (pieces(), 1009),
        ] {
            let mut socket = connected().await;
            socket.get_mut().write_all(&frames).await.unwrap();
            assert_eq!(closed(&mut socket).await.0, code);
        }
    });
    Ok(())
}

/// A text in frames of 1 KiB, none of them the last.
fn pieces() -> Vec<u8> {
    let piece = |first: bool| {
        let mut frame = vec![if first { 0x01 } else { 0x00 }, 0xfe, 0x04, 0x00];
        frame.extend([0; 4]);
        frame.extend([b'x'; 1024]);
        frame
    };
    (0..80).flat_map(|n| piece(n == 0)).collect()
}

#[test]
fn a_slow_reader_is_told_what_it_missed_and_a_fast_one_misses_nothing() -> anyhow::Result<()> {
    const EVENTS: u64 = 12_000;
    let (runtime, mut node) = (Runtime::new()?, Nodes::start()?);
    runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        let address = ([127, 0, 0, 1], node.port).into();
        let bearer = ("authorization", format!("Bearer {}", node.token));
        let slow = socket.connect(address).await.unwrap();
        let mut slow = dial(slow, node.port, &[bearer]).await.unwrap();
        let mut fast = connect(node.port, &node.token).await;
        let serving = node.feed();
        for socket in [&mut slow, &mut fast] {
            say(socket, &json!({"subscribe": {"id": "all"}})).await;
            assert_eq!(told(socket).await["cursor"], "1-0");
        }
        let mut heard = 0;
        while heard < EVENTS {
            // The node is ahead of the fast one by less than the gateway keeps.
            serving.send_replace(EVENTS.min(heard + 500));
            let frame = told(&mut fast).await;
            if frame.get("listening").is_some() {
                continue;
            }
            heard += 1;
            assert_eq!(frame["cursor"], format!("1-{heard}"), "{frame}");
        }
        let (mut at, mut missed) = (0, 0);
        while at < EVENTS {
            let frame = told(&mut slow).await;
            if frame.get("listening").is_some() {
                continue;
            }
            match frame["missed"]["events"].as_u64() {
                Some(more) => {
                    assert_eq!(frame["missed"]["because"], "late", "{frame}");
                    (at, missed) = (at + more, missed + more);
                }
                None => at += 1,
            }
            assert_eq!(frame["cursor"], format!("1-{at}"), "{frame}");
        }
        assert!(missed > 0, "it was told everything");
    });
    Ok(())
}

/// A gateway of a node that has a feed and nothing else.
struct Nodes {
    _gateway: aion_testkit::Process,
    listener: Option<std::os::unix::net::UnixListener>,
    _home: tempfile::TempDir,
    port: u16,
    token: String,
}

impl Nodes {
    fn start() -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        fs::create_dir(home.path().join("asking"))?;
        let listener = home.path().join(aion_abi::admin::ASKING_SOCKET);
        let listener = std::os::unix::net::UnixListener::bind(listener)?;
        let port = free_port()?;
        let gateway = gateway(home.path(), port, &home.path().join("gateway.log"))?;
        let token = fs::read_to_string(home.path().join("gateway/token"))?;
        Ok(Self {
            _gateway: gateway,
            listener: Some(listener),
            _home: home,
            port,
            token: token.trim().to_owned(),
        })
    }

    /// Answers whoever follows the feed; tells up to as many events as are asked for.
    fn feed(&mut self) -> watch::Sender<u64> {
        let listener = self.listener.take().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = UnixListener::from_std(listener).unwrap();
        let (wanted, asked) = watch::channel(0_u64);
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await.unwrap();
            let mut asked = asked.clone();
            let begins = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n\
                          data: {\"cursor\":\"1-0\",\"listening\":{}}\n\n";
            stream.write_all(begins.as_bytes()).await.unwrap();
            let text = "x".repeat(1024);
            let mut told = 0;
            loop {
                while told < *asked.borrow_and_update() {
                    told += 1;
                    let event = json!({"cursor": format!("1-{told}"), "event": {
                        "atMs": 1, "agent": "default/a", "kind": "log", "incarnation": 1, "source": "stdout", "text": text,
                    }});
                    let frame = format!("data: {event}\n\n");
                    stream.write_all(frame.as_bytes()).await.unwrap();
                }
                if asked.changed().await.is_err() {
                    return;
                }
            }
        });
        wanted
    }
}
