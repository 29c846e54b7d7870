//! Servers that go and come back, processes that end, connections that nobody uses.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use aion_abi::code::Code;

use super::{
    McpTools, NoStdioServers, ToolDriver,
    conformance::{call, outbound, over_http, over_stdio, secrets},
    connection::Connector,
    connections::Connections,
    test_server::{HttpServer, PipeServers, text},
};

use super::mcp_tests::{driver, until};

#[tokio::test]
async fn a_server_that_was_started_again_is_found_again() {
    let http = HttpServer::start().await;
    let driver = driver(Arc::new(NoStdioServers));
    let server = [over_http("t", &http.url)];
    call(&driver, &server, "t.read", text("1")).await.unwrap();
    let http = http.restart().await;
    let mut answers = Vec::new();
    for _ in 0..1000 {
        match call(&driver, &server, "t.read", text("2")).await {
            Ok(answer) => {
                answers.push(answer.text);
                break;
            }
            Err(problem) => {
                let expected = [
                    Code::Unreachable,
                    Code::UpstreamFailed,
                    Code::OutcomeUnknown,
                ];
                assert!(expected.contains(&problem.code), "{problem}");
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(answers, ["read \n\n2"]);
    drop(http);
}

#[tokio::test]
async fn a_process_that_ends_is_started_again_but_not_without_end() {
    let pipes = Arc::new(PipeServers::default());
    let connector = Connector {
        outbound: outbound(),
        secrets: secrets(),
        stdio: pipes.clone(),
    };
    let driver = McpTools::of(Connections::with_times(
        connector,
        Duration::from_secs(60),
        Duration::from_secs(30),
    ));
    let server = [over_stdio("t")];
    pipes.seen.dies.store(true, Ordering::Release);
    let problem = call(&driver, &server, "t.read", text("1"))
        .await
        .unwrap_err();
    assert_eq!(problem.code, Code::Unreachable, "{problem}");
    for _ in 0..5 {
        let problem = call(&driver, &server, "t.read", text("1"))
            .await
            .unwrap_err();
        assert!(
            problem.retry_after_ms.is_some_and(|wait| wait > 1000),
            "{problem:?}"
        );
    }
    assert_eq!(
        pipes.seen.started.load(Ordering::Acquire),
        1,
        "it is left alone for a while"
    );
    let listed = driver.list(&server, &|_| true).await.unwrap();
    assert_eq!(listed.unavailable[0].tool, "t");

    let connector = Connector {
        outbound: outbound(),
        secrets: secrets(),
        stdio: pipes.clone(),
    };
    let driver = McpTools::of(Connections::with_times(
        connector,
        Duration::from_secs(60),
        Duration::from_millis(1),
    ));
    pipes.seen.dies.store(false, Ordering::Release);
    let mut answered = false;
    for _ in 0..1000 {
        answered = call(&driver, &server, "t.read", text("1")).await.is_ok();
        if answered {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(answered);
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed() {
    let pipes = Arc::new(PipeServers::default());
    let connector = Connector {
        outbound: outbound(),
        secrets: secrets(),
        stdio: pipes.clone(),
    };
    let connections = Connections::with_times(
        connector,
        Duration::from_millis(50),
        Duration::from_millis(1),
    );
    let driver = McpTools::of(connections.clone());
    call(&driver, &[over_stdio("t")], "t.read", text("1"))
        .await
        .unwrap();
    assert_eq!(connections.count(), 1);
    until("it is closed", || connections.count() == 0).await;
    call(&driver, &[over_stdio("t")], "t.read", text("1"))
        .await
        .unwrap();
    assert_eq!(pipes.seen.started.load(Ordering::Acquire), 2);
}
