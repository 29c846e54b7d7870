//! The client against a node that answers as a script says.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aion_abi::signing::Key;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::*;

/// A node's socket.
struct Node {
    folder: TempDir,
    /// Requests that came.
    asked: Arc<AtomicUsize>,
}

impl Node {
    /// Gives `answers` (status line, body) one after another, and the last one from then on.
    fn start(answers: &[(&'static str, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (answers, count) = (Arc::new(answers.to_vec()), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&count)));
            }
        });
        Self { folder, asked }
    }

    /// A client whose turn lasts longer than any test.
    fn client(&self) -> Client {
        self.client_until(Instant::now() + Duration::from_secs(3600))
    }

    fn client_until(&self, until: Instant) -> Client {
        let key = Key::new([7; 32]);
        Client::new(self.folder.path().join("s"), key, 1, until)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn serve(
    stream: UnixStream,
    answers: Arc<Vec<(&'static str, String)>>,
    asked: Arc<AtomicUsize>,
) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let turn = asked.fetch_add(1, Ordering::SeqCst);
        let (status, body) = &answers[turn.min(answers.len() - 1)];
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn refusal(code: Code) -> (&'static str, String) {
    let problem = Problem::new(code, "not now").retry_after_ms(1);
    ("503 Refused", serde_json::to_string(&problem).unwrap())
}

fn streamed() -> (&'static str, String) {
    let start = ChatEvent::Start {
        model: "m".into(),
        left_out: vec![],
    };
    let start = serde_json::to_string(&start).unwrap();
    ("200 OK", format!("data: {start}\n\n"))
}

async fn ask(node: &Client) -> Result<Option<ChatEvent>, Problem> {
    let request = serde_json::from_value(serde_json::json!({"messages": []})).unwrap();
    Ok(node.chat(&request).await?.next().await)
}

#[tokio::test]
async fn what_passes_by_itself_is_waited_for_by_a_chat_as_by_any_other_syscall() {
    for code in [Code::Overloaded, Code::Restarting, Code::Stale] {
        let node = Node::start(&[refusal(code), refusal(code), streamed()]);
        let begun = ask(&node.client()).await.unwrap();
        assert!(matches!(begun, Some(ChatEvent::Start { .. })), "{begun:?}");
        assert_eq!(node.asked(), 3, "{code:?}");

        let node = Node::start(&[refusal(code), refusal(code), ("200 OK", "{}".to_owned())]);
        let answer: serde_json::Value = node.client().call(Syscall::SysNull, &()).await.unwrap();
        assert_eq!(
            (answer, node.asked()),
            (serde_json::json!({}), 3),
            "{code:?}"
        );
    }
}

/// A node refuses many in one moment, and names the same pause to each.
#[test]
fn workers_that_were_refused_together_do_not_come_back_together() {
    let refused = Problem::new(Code::Overloaded, "not now").retry_after_ms(50);
    let pauses = (0..32).filter_map(|_| pause_after(&refused, &mut PAUSES.clone()));
    let pauses: std::collections::HashSet<_> = pauses.collect();
    assert!(pauses.len() > 16, "{pauses:?}");
    assert!(pauses.iter().all(|it| *it >= Duration::from_millis(50)));
}

#[tokio::test]
async fn a_refusal_that_stands_is_told_at_once() {
    let node = Node::start(&[refusal(Code::Denied), streamed()]);
    let refused = ask(&node.client()).await.unwrap_err();
    assert_eq!((refused.code, node.asked()), (Code::Denied, 1));
    let node = Node::start(&[refusal(Code::Denied), ("200 OK", "{}".to_owned())]);
    let client = node.client();
    let called = client.call::<_, serde_json::Value>(Syscall::SysNull, &());
    assert_eq!(
        (called.await.unwrap_err().code, node.asked()),
        (Code::Denied, 1)
    );
}

#[tokio::test]
async fn nothing_is_tried_again_that_the_turn_has_no_time_for() {
    let node = Node::start(&[refusal(Code::Overloaded)]);
    let refused = ask(&node.client_until(Instant::now())).await.unwrap_err();
    assert_eq!((refused.code, node.asked()), (Code::Overloaded, 1));
}

#[test]
fn a_step_has_the_same_key_in_each_run_of_its_turn_and_in_no_other() {
    let client = |turn| {
        let key = Key::new([7; 32]);
        Client::new(PathBuf::from("/s"), key, turn, Instant::now())
    };
    let steps = |client: &Client| {
        let write = |body: &str| client.effect_key(Syscall::FsWrite, body.as_bytes());
        let keys = [write("a"), write("b"), write("a")];
        keys.map(Option::unwrap_or_default)
    };
    let (first, again) = (steps(&client(7)), steps(&client(7)));
    assert_eq!(first, again);
    assert!(first[0] != first[1] && first[0] != first[2], "{first:?}");
    assert!(
        first
            .iter()
            .all(|key| key.starts_with("t7.") && key.len() <= 64)
    );
    assert_ne!(first, steps(&client(8)));
    let longest = steps(&client(u64::MAX));
    assert!(longest.iter().all(|key| key.len() <= 64), "{longest:?}");
    let other = client(7).effect_key(Syscall::MemoryRemember, b"a");
    assert_ne!(other.unwrap_or_default(), first[0]);
    assert_eq!(client(7).effect_key(Syscall::FsRead, b"a"), None);
}

#[test]
fn an_effect_that_is_named_by_its_place_has_one_key_in_every_run() {
    let client = |turn| {
        let key = Key::new([7; 32]);
        Client::new(PathBuf::new(), key, turn, Instant::now())
    };
    let key = |turn, place: &str| client(turn).place_key(Syscall::ToolCall, place).unwrap();
    assert_eq!(key(7, "each[1].a"), key(7, "each[1].a"));
    assert!(key(7, "each[1].a").starts_with("t7."));
    for other in [
        key(7, "each[2].a"),
        key(8, "each[1].a"),
        key(7, "each[1].b"),
    ] {
        assert_ne!(key(7, "each[1].a"), other);
    }
    let ask = client(7).place_key(Syscall::AgentAsk, "each[1].a");
    assert_ne!(ask, Some(key(7, "each[1].a")));
    assert!(key(u64::MAX, "each[1].a").len() <= headers::MAX_IDEMPOTENCY_KEY);
}

#[tokio::test]
async fn calls_at_the_same_time_have_a_connection_each() {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("s")).unwrap();
    let key = Key::new([7; 32]);
    let until = Instant::now() + Duration::from_secs(3600);
    let client = Client::new(folder.path().join("s"), key, 1, until);
    // Neither is answered before both are there.
    let node = async {
        let (mut first, _) = listener.accept().await.unwrap();
        let (mut second, _) = listener.accept().await.unwrap();
        for stream in [&mut first, &mut second] {
            assert!(stream.read(&mut [0; 2048]).await.unwrap() > 0);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                .await
                .unwrap();
        }
        (first, second)
    };
    let call = || client.exchange(Syscall::SysNull, Bytes::from_static(b"{}"));
    let (one, other, _held) = tokio::join!(call(), call(), node);
    assert_eq!(
        (one.unwrap().status, other.unwrap().status),
        (StatusCode::OK, StatusCode::OK)
    );
    assert_eq!(client.idle.borrow().len(), 2);
}
