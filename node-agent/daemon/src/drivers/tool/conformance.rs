//! What every tool driver must do; run on the fake and on the real one, over HTTP and over pipes.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aion_abi::{
    code::Code,
    syscall::tool::{CallRequest, CallResponse},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    FakeTools, McpTools, NoStdioServers, StdioCommand, ToolDriver, ToolServer, Transport,
    test_server::{HttpServer, PipeServers, text},
};
use crate::drivers::{
    outbound::{Endpoint, NodeAddresses, Outbound, Place, Rule},
    secrets::{HeldSecrets, SecretRef},
};

pub(super) fn over_http(name: &str, url: &str) -> ToolServer {
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
        required_layers: Vec::new(),
    }
}

pub(super) fn over_stdio(name: &str) -> ToolServer {
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

pub(super) fn outbound() -> Arc<Outbound> {
    Arc::new(Outbound::new(Rule {
        offline: false,
        place: Place::Standalone,
        nodes: NodeAddresses::none(),
    }))
}

pub(super) fn secrets() -> Arc<HeldSecrets> {
    Arc::new(HeldSecrets(
        [("me/calendar/token".to_owned(), "hunter2".to_owned())].into(),
    ))
}

pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub(super) async fn call(
    driver: &dyn ToolDriver,
    tools: &[ToolServer],
    name: &str,
    arguments: Value,
) -> Result<CallResponse, aion_abi::problem::Problem> {
    driver
        .call(
            tools,
            CallRequest {
                name: name.into(),
                arguments,
            },
            soon(),
        )
        .await
}

/// `calendar` has `crash`, `fail`, `grow`, `read`, `slow` and `write`; nothing answers for `gone`.
async fn conforms(driver: &dyn ToolDriver, calendar: ToolServer, gone: ToolServer) {
    let tools = [gone, calendar.clone()];
    let granted = |name: &str| name.starts_with("calendar.") && name != "calendar.write";
    let listed = driver.list(&tools, &granted).await.unwrap();
    let names: Vec<_> = listed.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "calendar.crash",
            "calendar.fail",
            "calendar.grow",
            "calendar.read",
            "calendar.slow"
        ]
    );
    assert!(listed.tools[3].description.contains("does"));
    assert_eq!(listed.tools[3].parameters["type"], "object");
    assert_eq!(listed.unavailable.len(), 1);
    assert_eq!(listed.unavailable[0].tool, "gone");
    assert!(!listed.unavailable[0].reason.is_empty());

    let narrow = ToolServer {
        operations: vec!["read".into()],
        ..calendar
    };
    let listed = driver
        .list(std::slice::from_ref(&narrow), &|_| true)
        .await
        .unwrap();
    assert_eq!(listed.tools.len(), 1);
    let code = call(driver, &[narrow], "calendar.fail", json!({}))
        .await
        .unwrap_err()
        .code;
    assert_eq!(
        code,
        Code::NotFound,
        "an operation that the Tool does not offer"
    );

    let answer = call(driver, &tools, "calendar.read", text("today"))
        .await
        .unwrap();
    assert_eq!(answer.text, "read \n\ntoday");
    assert_eq!(answer.structured, Some(json!({"said": "today"})));
    assert!(!answer.is_error);
    let answer = call(driver, &tools, "calendar.fail", Value::Null)
        .await
        .unwrap();
    assert!(answer.is_error && answer.text == "it did not work" && answer.structured.is_none());
    for (name, arguments, code) in [
        ("calendar.none", json!({}), Code::NotFound),
        ("mail.send", json!({}), Code::NotFound),
        ("calendar", json!({}), Code::BadRequest),
        ("calendar.", json!({}), Code::BadRequest),
        ("calendar.read", json!("today"), Code::BadRequest),
        ("gone.read", json!({}), Code::Unreachable),
    ] {
        let problem = call(driver, &tools, name, arguments).await.unwrap_err();
        assert_eq!(problem.code, code, "{name}: {problem}");
    }
}

#[tokio::test]
async fn the_fake_conforms() {
    let said = |text: &str, structured, is_error| CallResponse {
        text: text.into(),
        structured,
        is_error,
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
    assert_eq!(driver.called.lock().unwrap().len(), 2);
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
    let keys = server.seen.keys.lock().unwrap();
    assert!(!keys.is_empty() && keys.iter().all(|key| key == "Bearer hunter2"));
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
    let commands = servers.commands.lock().unwrap();
    assert_eq!(commands[0].args, ["--stdio"]);
    assert_eq!(commands.len(), 2, "one process a resolved tool");
}
