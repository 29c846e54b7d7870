//! Servers that take more than they may: they are disconnected, and the caller is told why.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use aion_abi::{code::Code, problem::Problem, syscall::tool::Unavailable};
use futures::future::BoxFuture;
use rmcp::{ServiceExt, model::CallToolRequestParams};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use super::{
    StdioCommand, StdioProcess, StdioServers, ToolDriver, ToolServer,
    bounded::{Bounded, Cut},
    conformance::{call, over_stdio},
    mcp_tests::driver,
    pipes::Pipes,
    test_server::{behind_pipes, text},
};

/// What the server does once it is called.
#[derive(Clone, Copy)]
enum Manner {
    /// Asks without end and reads nothing.
    Floods,
    /// Asks under an id of so many bytes.
    Names(usize),
    /// Asks so often, and reads each answer before it asks again.
    Asks(usize),
    /// Notifies so often before it answers.
    Notifies(usize),
    /// Reads nothing more.
    Sleeps,
    /// Answers listings with pages of 1 MiB that do not end.
    Lists,
    /// Answers listings with one page of 1 MiB, each operation within its bounds.
    ListsOne,
}

async fn send(to: &mut (impl AsyncWrite + Unpin), message: &Value) -> std::io::Result<()> {
    to.write_all(format!("{message}\n").as_bytes()).await
}

fn ping(id: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "ping"})
}

/// Speaks just enough MCP to be called.
async fn serve(
    manner: Manner,
    read: impl AsyncRead + Unpin,
    mut write: impl AsyncWrite + Unpin,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(read).lines();
    let mut page = 0;
    while let Some(line) = lines.next_line().await? {
        let message: Value = serde_json::from_str(&line).unwrap();
        let result = match message["method"].as_str().unwrap_or_default() {
            "initialize" => json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "hostile", "version": "1"},
            }),
            "tools/list" if matches!(manner, Manner::ListsOne) => {
                let schema = json!({"type": "object", "description": "x".repeat(60_000)});
                let tools: Vec<Value> = (0..17)
                    .map(|n| json!({"name": format!("o{n}"), "inputSchema": schema}))
                    .collect();
                json!({"tools": tools})
            }
            "tools/list" if matches!(manner, Manner::Lists) => {
                page += 1;
                json!({
                    "tools": [{"name": format!("t{page}"), "description": "x".repeat(1 << 20), "inputSchema": {"type": "object"}}],
                    "nextCursor": page.to_string(),
                })
            }
            "tools/list" => json!({"tools": []}),
            "tools/call" => {
                match manner {
                    Manner::Floods => loop {
                        send(&mut write, &ping("p")).await?;
                        send(&mut write, &ping(&fastrand::u64(..).to_string())).await?;
                    },
                    Manner::Names(length) => send(&mut write, &ping(&"n".repeat(length))).await?,
                    Manner::Asks(times) => {
                        for time in 0..times {
                            send(&mut write, &ping(&time.to_string())).await?;
                            let answer = lines.next_line().await?.unwrap_or_default();
                            assert!(answer.contains("result"), "{answer}");
                        }
                    }
                    Manner::Notifies(times) => {
                        let told = json!({"jsonrpc": "2.0", "method": "notifications/message",
                            "params": {"level": "debug", "data": "x"}});
                        for _ in 0..times {
                            send(&mut write, &told).await?;
                        }
                    }
                    Manner::Sleeps => std::future::pending().await,
                    Manner::Lists | Manner::ListsOne => {}
                }
                json!({"content": [{"type": "text", "text": "done"}]})
            }
            _ => continue,
        };
        let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
        send(&mut write, &answer).await?;
    }
    Ok(())
}

/// Starts it behind pipes.
struct Starts(Manner);

impl StdioServers for Starts {
    fn start<'a>(
        &'a self,
        _: &'a ToolServer,
        _: &'a StdioCommand,
    ) -> BoxFuture<'a, Result<StdioProcess, Problem>> {
        Box::pin(async move { Ok(behind_pipes(|read, write| serve(self.0, read, write))) })
    }
}

async fn called(manner: Manner) -> Result<String, Problem> {
    let driver = driver(Arc::new(Starts(manner)));
    let answer = call(&driver, &[over_stdio("t")], "t.read", text("x")).await?;
    Ok(answer.text)
}

#[tokio::test]
async fn a_server_that_asks_without_reading_is_disconnected_and_the_caller_is_told() {
    let problem = called(Manner::Floods).await.unwrap_err();
    assert_eq!(problem.code, Code::OutcomeUnknown, "{problem}");
    let why = "it sent more than 16 requests without reading the answers";
    assert!(problem.detail.contains(why), "{problem}");
}

#[tokio::test]
async fn a_request_with_a_long_id_ends_the_connection() {
    let problem = called(Manner::Names(257)).await.unwrap_err();
    assert!(
        problem.detail.contains("an id longer than 256 bytes"),
        "{problem}"
    );
    assert_eq!(called(Manner::Names(256)).await.unwrap(), "done");
}

#[tokio::test]
async fn a_server_that_reads_its_answers_may_ask_as_often_as_it_likes() {
    assert_eq!(called(Manner::Asks(200)).await.unwrap(), "done");
}

#[tokio::test]
async fn a_server_that_notifies_without_end_is_disconnected() {
    let problem = called(Manner::Notifies(10_001)).await.unwrap_err();
    assert!(problem.detail.contains("10000 notifications"), "{problem}");
    assert_eq!(called(Manner::Notifies(10_000)).await.unwrap(), "done");
}

#[tokio::test]
async fn the_listings_of_all_tools_together_are_bounded() {
    let tools: Vec<ToolServer> = (0..6).map(|n| over_stdio(&format!("t{n}"))).collect();
    let driver = driver(Arc::new(Starts(Manner::ListsOne)));
    let listed = driver.list(&tools, &|_| true).await.unwrap();
    let size: usize = listed
        .tools
        .iter()
        .map(|it| it.parameters.to_string().len())
        .sum();
    assert!(size <= 4 << 20, "{size}");
    let named = |it: &Unavailable| it.tool == "t5" && it.reason.contains("together");
    assert!(
        listed.unavailable.iter().any(named),
        "{:?}",
        listed.unavailable
    );
    assert!(listed.tools.iter().any(|it| it.name.starts_with("t0.")));
}

#[tokio::test]
async fn a_listing_is_bounded_over_all_its_pages() {
    let driver = driver(Arc::new(Starts(Manner::Lists)));
    let listed = driver.list(&[over_stdio("t")], &|_| true).await.unwrap();
    let reason = &listed.unavailable[0].reason;
    assert!(reason.contains("4194304 bytes"), "{reason}");
}

#[tokio::test]
async fn a_server_that_takes_no_write_is_disconnected() {
    let (ours, theirs) = tokio::io::duplex(1024);
    let (read, write) = tokio::io::split(theirs);
    tokio::spawn(serve(Manner::Sleeps, read, write));
    let (read, write) = tokio::io::split(ours);
    let cut = Cut::default();
    let transport = Bounded::new(
        Pipes::new(read, write, 1 << 20),
        Some(Duration::from_millis(50)),
        cut.clone(),
    );
    let service = ().serve(transport).await.unwrap();
    let first = service.call_tool(CallToolRequestParams::new("first"));
    let arguments = json!({"text": "x".repeat(4096)});
    let arguments = arguments.as_object().unwrap().clone();
    let second = service.call_tool(CallToolRequestParams::new("second").with_arguments(arguments));
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_err() && second.is_err());
    let why = cut.why().unwrap();
    assert!(why.contains("did not read what it was sent"), "{why}");
}
