//! The tool server, asked by rmcp's own client.

use aion_testkit::McpServer;
use rmcp::{ServiceExt, model::CallToolRequestParams, transport::StreamableHttpClientTransport};
use serde_json::json;

#[tokio::test]
async fn its_tools_are_listed_and_called() {
    let server = McpServer::start().unwrap();
    let transport = StreamableHttpClientTransport::from_uri(server.url());
    let client = ().serve(transport).await.unwrap();

    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(names, ["echo", "fail", "wait"]);

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
