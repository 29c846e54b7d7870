//! The fake and MCP servers, over HTTP and over pipes, held to it.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aion_abi::syscall::tool::CallResponse;
use serde_json::json;

use super::{
    super::{
        FakeTools, McpTools, NoStdioServers, StdioCommand, ToolServer, Transport,
        test_server::{HttpServer, PipeServers},
    },
    conforms,
};
use crate::{
    outbound::{Endpoint, NodeAddresses, Outbound, Place, Rule},
    secrets::{HeldSecrets, SecretRef},
};

pub(in crate::tool) fn over_http(name: &str, url: &str) -> ToolServer {
    let endpoint = Endpoint {
        name: name.into(),
        tenant: "me".into(),
        url: url.into(),
        secret: Some(SecretRef {
            secret: "calendar".into(),
            key: "token".into(),
        }),
    };
    ToolServer {
        tenant: "me".into(),
        name: name.into(),
        description: None,
        transport: Transport::Http(endpoint),
        operations: vec![],
        max_concurrent: 4,
        timeout: Duration::from_secs(60),
        asks_people: false,
        required_layers: Vec::new(),
    }
}

pub(in crate::tool) fn over_stdio(name: &str) -> ToolServer {
    let command = StdioCommand {
        command: "/usr/bin/calendar".into(),
        args: vec!["--stdio".into()],
        env: BTreeMap::new(),
        mounts: vec!["notes".into()],
    };
    ToolServer {
        transport: Transport::Stdio(command),
        ..over_http(name, "")
    }
}

pub(in crate::tool) fn outbound() -> Arc<Outbound> {
    Arc::new(Outbound::new(Rule {
        offline: false,
        place: Place::Standalone,
        nodes: NodeAddresses::none(),
    }))
}

pub(in crate::tool) fn secrets() -> Arc<HeldSecrets> {
    Arc::new(HeldSecrets(
        [("me/calendar/token".to_owned(), "hunter2-hunter2".to_owned())].into(),
    ))
}

#[tokio::test]
async fn the_fake_conforms() {
    let said = |text: &str, structured, is_error| CallResponse {
        text: text.into(),
        structured,
        is_error,
        cut: false,
        links: Vec::new(),
    };
    let mut driver = FakeTools::default()
        .with("calendar", "read", move |arguments| {
            let text = arguments["text"].as_str().unwrap();
            said(
                &format!("read \n\n{text}"),
                Some(json!({ "said": text })),
                false,
            )
        })
        .with("calendar", "fail", move |_| {
            said("it did not work", None, true)
        });
    for other in ["crash", "grow", "slow", "write"] {
        driver = driver.with("calendar", other, move |_| said("", None, false));
    }
    conforms(&driver, over_http("calendar", ""), over_http("gone", "")).await;
    assert_eq!(driver.called.lock().len(), 2);
}

#[tokio::test]
async fn servers_over_http_conform() {
    let server = HttpServer::start().await;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let driver = McpTools::new(outbound(), secrets(), Arc::new(NoStdioServers));
    conforms(
        &driver,
        over_http("calendar", &server.url),
        over_http("gone", &format!("http://{nobody}/mcp")),
    )
    .await;
    let keys = server.seen.keys.lock();
    assert!(!keys.is_empty() && keys.iter().all(|key| key == "Bearer hunter2-hunter2"));
}

#[tokio::test]
async fn servers_over_pipes_conform() {
    let servers = Arc::new(PipeServers::default());
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let driver = McpTools::new(outbound(), secrets(), servers.clone());
    conforms(
        &driver,
        over_stdio("calendar"),
        over_http("gone", &format!("http://{nobody}/mcp")),
    )
    .await;
    let commands = servers.commands.lock();
    assert_eq!(commands[0].args, ["--stdio"]);
    assert_eq!(commands.len(), 2, "one process a resolved tool");
}
