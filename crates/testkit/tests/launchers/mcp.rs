//! The tool server, asked by rmcp's own client.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use aion_testkit::McpServer;
use rmcp::{ServiceExt, model::CallToolRequestParams, transport::StreamableHttpClientTransport};
use serde_json::{Value, json};

#[tokio::test]
async fn its_tools_are_listed_and_called() {
    let server = McpServer::start().unwrap();
    let transport = StreamableHttpClientTransport::from_uri(server.url());
    let client = ().serve(transport).await.unwrap();

    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(names, ["echo", "fail", "sure", "wait"]);

    let arguments = json!({"text": "hello"});
    let request =
        CallToolRequestParams::new("echo").with_arguments(arguments.as_object().cloned().unwrap());
    let answer = client.call_tool(request).await.unwrap();
    assert_eq!(answer.content[0].as_text().unwrap().text, "hello");

    let failed = client
        .call_tool(CallToolRequestParams::new("fail"))
        .await
        .unwrap();
    assert_eq!(failed.is_error, Some(true));
    client
        .call_tool(CallToolRequestParams::new("none"))
        .await
        .expect_err("there is no such tool");

    let called: Vec<String> = server.calls().into_iter().map(|(name, _)| name).collect();
    assert_eq!(called, ["echo", "fail", "none"]);
    assert_eq!(server.calls()[0].1, arguments);
}

#[test]
fn the_same_tools_are_had_from_a_program_on_its_standard_streams() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_aion-testkit-mcp"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = program.stdin.take().unwrap();
    let mut output = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut say = |message: Value| writeln!(input, "{message}").unwrap();
    let mut hear = || -> Value { serde_json::from_str(&output.next().unwrap().unwrap()).unwrap() };
    say(
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "0"},
        }}),
    );
    assert_eq!(hear()["id"], 1);
    say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    say(
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "echo", "arguments": {"text": "hello"},
        }}),
    );
    assert_eq!(hear()["result"]["content"][0]["text"], "hello");
    drop(input);
    assert!(program.wait().unwrap().success());
}
