//! Deadlines, cancellation, lists that change, tenants apart, the outbound rule.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use aion_abi::{code::Code, syscall::tool::CallRequest};
use serde_json::json;
use tokio::time::Instant;

use super::{
    Attempt, McpTools, NoStdioServers, StdioServers, ToolDriver, ToolServer, Transport, Waits,
    conformance::{call, outbound, over_http, over_stdio, secrets},
    test_server::{HttpServer, PipeServers, text},
};
use crate::outbound::{Endpoint, NodeAddresses, Outbound, Place, Rule};

pub(super) async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(done(), "{what}");
}

pub(super) fn driver(stdio: Arc<dyn StdioServers>) -> McpTools {
    McpTools::new(outbound(), secrets(), stdio)
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_the_server_is_told() {
    let http = HttpServer::start().await;
    let pipes = Arc::new(PipeServers::default());
    let driver = driver(pipes.clone());
    for (server, seen) in [
        (over_http("t", &http.url), &http.seen),
        (over_stdio("t"), &pipes.seen),
    ] {
        call(
            &driver,
            std::slice::from_ref(&server),
            "t.read",
            text("warm"),
        )
        .await
        .unwrap();
        let near = Instant::now() + Duration::from_millis(500);
        let slow = CallRequest {
            name: "t.slow".into(),
            arguments: json!({}),
            link: None,
        };
        let problem = driver
            .call(
                std::slice::from_ref(&server),
                slow,
                &Attempt::default(),
                near,
                &Waits::nobody(),
            )
            .await
            .unwrap_err();
        assert_eq!(problem.code, Code::DeadlineExceeded, "{problem}");
        until("the server stops", || {
            seen.cancelled.load(Ordering::Acquire) == 1
        })
        .await;
        let short = [ToolServer {
            timeout: Duration::from_millis(500),
            ..server
        }];
        let problem = call(&driver, &short, "t.slow", json!({}))
            .await
            .unwrap_err();
        assert_eq!(
            problem.code,
            Code::DeadlineExceeded,
            "the tool's own time: {problem}"
        );
        until("the server stops", || {
            seen.cancelled.load(Ordering::Acquire) == 2
        })
        .await;
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_stops_the_call() {
    let pipes = Arc::new(PipeServers::default());
    let driver = driver(pipes.clone());
    let server = [over_stdio("t")];
    let given_up = tokio::time::timeout(
        Duration::from_millis(200),
        call(&driver, &server, "t.slow", json!({})),
    );
    assert!(given_up.await.is_err());
    until("the server stops", || {
        pipes.seen.cancelled.load(Ordering::Acquire) == 1
    })
    .await;
    assert_eq!(
        call(&driver, &server, "t.read", text("on"))
            .await
            .unwrap()
            .text,
        "read \n\non"
    );
}

#[tokio::test]
async fn calls_at_once_share_one_connection() {
    let pipes = Arc::new(PipeServers::default());
    let driver = driver(pipes.clone());
    let server = [over_stdio("t")];
    let calls = (0..6).map(|_| call(&driver, &server, "t.slow", text("30")));
    for done in futures::future::join_all(calls).await {
        assert_eq!(done.unwrap().text, "at last");
    }
    assert_eq!(pipes.seen.started.load(Ordering::Acquire), 1);
}

#[tokio::test]
async fn a_list_is_kept_until_the_server_says_that_it_has_changed() {
    let http = HttpServer::start().await;
    let pipes = Arc::new(PipeServers::default());
    let driver = driver(pipes.clone());
    for (server, seen) in [
        (over_http("t", &http.url), &http.seen),
        (over_stdio("t"), &pipes.seen),
    ] {
        let server = [server];
        for _ in 0..5 {
            assert_eq!(
                driver.list(&server, &|_| true).await.unwrap().tools.len(),
                6
            );
        }
        assert_eq!(seen.listed.load(Ordering::Acquire), 2, "two pages, once");
        call(&driver, &server, "t.grow", json!({})).await.unwrap();
        let mut listed = 0;
        for _ in 0..1000 {
            listed = driver.list(&server, &|_| true).await.unwrap().tools.len();
            if listed == 7 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(listed, 7);
    }
}

#[tokio::test]
async fn tenants_share_no_connection() {
    let pipes = Arc::new(PipeServers::default());
    let driver = driver(pipes.clone());
    for tenant in ["a", "b", "a"] {
        let server = ToolServer {
            tenant: tenant.into(),
            ..over_stdio("t")
        };
        call(&driver, &[server], "t.read", text("1")).await.unwrap();
    }
    assert_eq!(pipes.seen.started.load(Ordering::Acquire), 2);
}

#[tokio::test]
async fn the_outbound_rule_holds_and_a_missing_key_is_named() {
    let http = HttpServer::start().await;
    let strict = |offline, place| {
        let rule = Rule {
            offline,
            place,
            nodes: NodeAddresses::none(),
        };
        McpTools::new(
            Arc::new(Outbound::new(rule)),
            secrets(),
            Arc::new(NoStdioServers),
        )
    };
    let local = over_http("t", &http.url);
    let Transport::Http(endpoint) = local.transport.clone() else {
        return;
    };
    let at = |endpoint: Endpoint| {
        [ToolServer {
            transport: Transport::Http(endpoint),
            ..local.clone()
        }]
    };
    let away = at(Endpoint {
        url: "https://mcp.example.org/mcp".into(),
        ..endpoint.clone()
    });
    let named = at(Endpoint {
        url: http.url.replace("127.0.0.1", "localhost"),
        ..endpoint.clone()
    });
    let offline = strict(true, Place::Standalone);
    assert_eq!(
        call(&offline, &away, "t.read", json!({}))
            .await
            .unwrap_err()
            .code,
        Code::Offline
    );
    assert!(call(&offline, &named, "t.read", text("")).await.is_ok());
    for refused in [at(endpoint.clone()), named] {
        let problem = call(
            &strict(false, Place::Cluster),
            &refused,
            "t.read",
            json!({}),
        )
        .await
        .unwrap_err();
        assert_eq!(problem.code, Code::Denied, "{problem}");
    }
    let keyless = at(Endpoint {
        tenant: "other".into(),
        ..endpoint
    });
    let problem = call(
        &driver(Arc::new(NoStdioServers)),
        &keyless,
        "t.read",
        json!({}),
    )
    .await
    .unwrap_err();
    assert!(problem.detail.contains("calendar/token"), "{problem}");
    let problem = call(
        &driver(Arc::new(NoStdioServers)),
        &[over_stdio("t")],
        "t.read",
        json!({}),
    )
    .await
    .unwrap_err();
    assert_eq!(problem.code, Code::Unreachable);
}
