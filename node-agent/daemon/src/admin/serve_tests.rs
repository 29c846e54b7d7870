//! A listener that is stopped, and whoever reached it before.

#![allow(clippy::unwrap_used)]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use aion_serve::{Tcp, serve_tcp};
use axum::{Router, middleware, routing::get};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::{Leaving, leaving};

/// Says `served` to whoever looks at it and to whoever has it do something.
struct Node {
    address: SocketAddr,
    leaving: Leaving,
    stop: CancellationToken,
    over: JoinHandle<()>,
}

impl Node {
    async fn start() -> Self {
        let (leaving, stop) = (Leaving::default(), CancellationToken::new());
        let router = Router::new()
            .route("/", get(|| async { "served" }).post(|| async { "served" }))
            .layer(middleware::from_fn_with_state(
                leaving.clone(),
                leaving::check,
            ));
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let (address, serving) = serve_tcp(anywhere, Tcp::Plain, router, stop.clone())
            .await
            .unwrap();
        Self {
            address,
            leaving,
            stop,
            over: tokio::spawn(serving),
        }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }

    fn close(&self) {
        self.leaving.close();
        self.stop.cancel();
    }

    async fn ask(&self, method: &'static str) -> String {
        answer(self.connect(), method).await
    }
}

fn send(mut connection: &TcpStream, method: &str) {
    let request = format!(
        "{method} / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).unwrap();
}

/// The answer, head and body.
async fn answer(connection: TcpStream, method: &'static str) -> String {
    let exchange = move || {
        send(&connection, method);
        read(connection)
    };
    spawn_blocking(exchange).await.unwrap()
}

fn read(mut connection: TcpStream) -> String {
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn while_turns_have_time_to_end_nothing_new_is_taken_and_what_there_is_can_be_seen() {
    let node = Node::start().await;
    assert!(node.ask("POST").await.ends_with("served"));
    node.leaving.drain();
    assert!(node.ask("GET").await.ends_with("served"));
    let refused = node.ask("POST").await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("retry-after: 2\r\n"), "{refused}");
    assert!(refused.contains("application/problem+json"), "{refused}");
    assert!(refused.contains(r#""code":"restarting""#), "{refused}");
}

#[tokio::test]
async fn a_request_on_a_connection_that_was_accepted_before_the_stop_is_answered() {
    let node = Node::start().await;
    let early = node.connect();
    // Connections are accepted in their order.
    assert!(node.ask("GET").await.ends_with("served"));
    node.close();
    tokio::task::yield_now().await;
    let answered = answer(early, "POST").await;
    assert!(answered.starts_with("HTTP/1.1 503 "), "{answered}");
    node.over.await.unwrap();
}

#[tokio::test]
async fn whoever_waits_to_be_accepted_at_the_stop_is_answered() {
    let node = Node::start().await;
    // One thread: nobody is accepted before the next await.
    let waiting: Vec<_> = (0..64).map(|_| node.connect()).collect();
    waiting.iter().for_each(|it| send(it, "POST"));
    node.close();
    let answers = spawn_blocking(move || waiting.into_iter().map(read).collect::<Vec<_>>());
    for answered in answers.await.unwrap() {
        assert!(answered.starts_with("HTTP/1.1 503 "), "{answered}");
    }
    node.over.await.unwrap();
}
