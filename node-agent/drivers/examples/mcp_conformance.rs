//! The client that `@modelcontextprotocol/conformance` drives: the driver as the node has it, given the address of a
//! server as its last argument. It lists what there is, and calls each of it as the scenario says.

use std::{env, sync::Arc, time::Duration};

use aion_abi::syscall::tool::CallRequest;
use aion_drivers::{
    outbound::{Endpoint, NodeAddresses, Outbound, Place, Rule},
    secrets::HeldSecrets,
    tool::{Attempt, McpTools, NoStdioServers, Said, ToolDriver, ToolServer, Transport, Waits},
};
use serde_json::{Value, json};
use tokio::time::Instant;

const TOOL: &str = "scenario";

fn server(url: String) -> ToolServer {
    ToolServer {
        tenant: "conformance".into(),
        name: TOOL.to_owned(),
        description: None,
        transport: Transport::Http(Endpoint {
            name: TOOL.to_owned(),
            tenant: "conformance".into(),
            url,
            secret: None,
        }),
        operations: Vec::new(),
        max_concurrent: 4,
        timeout: Duration::from_secs(20),
        asks_people: true,
        required_layers: Vec::new(),
    }
}

/// The calls that the scenario names; without them, each operation once, with numbers for what is required.
fn calls(listed: &[(String, Value)]) -> Vec<(String, Value)> {
    let context = env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_default();
    let context: Value = serde_json::from_str(&context).unwrap_or_default();
    if let Some(calls) = context["toolCalls"].as_array() {
        let one = |call: &Value| {
            let name = call["name"].as_str().unwrap_or_default().to_owned();
            (name, call["arguments"].clone())
        };
        return calls.iter().map(one).collect();
    }
    let arguments = |parameters: &Value| {
        let properties = parameters["properties"].as_object();
        let some = properties.into_iter().flatten().map(|(name, of)| {
            let value = match of["type"].as_str() {
                Some("number" | "integer") => json!(5),
                Some("boolean") => json!(true),
                Some("array") => json!([]),
                Some("object") => json!({}),
                _ => json!("x"),
            };
            (name.clone(), value)
        });
        Value::Object(some.collect())
    };
    let each = listed.iter();
    each.map(|(name, parameters)| (name.clone(), arguments(parameters)))
        .collect()
}

#[tokio::main]
async fn main() -> Result<(), String> {
    let url = env::args().next_back().unwrap_or_default();
    let outbound = Outbound::new(Rule {
        offline: false,
        place: Place::Standalone,
        nodes: NodeAddresses::none(),
    });
    let secrets = Arc::new(HeldSecrets([].into()));
    let driver = McpTools::new(Arc::new(outbound), secrets, Arc::new(NoStdioServers));
    let tools = [server(url)];
    let told = |problem: aion_abi::problem::Problem| problem.to_string();
    let listed = driver.list(&tools, &|_| true).await.map_err(told)?;
    if let Some(missing) = listed.unavailable.iter().find(|it| it.tool == TOOL) {
        return Err(missing.reason.clone());
    }
    let listed: Vec<(String, Value)> = listed
        .tools
        .into_iter()
        .filter_map(|it| {
            Some((
                it.name.strip_prefix(TOOL)?.strip_prefix('.')?.to_owned(),
                it.parameters,
            ))
        })
        .collect();
    println!("listed {listed:?}");
    let waits = Waits {
        asks: Arc::new(|_| Box::pin(std::future::ready(Said::Yes))),
        ..Waits::nobody()
    };
    let mut failed = None;
    for (name, arguments) in calls(&listed) {
        let request = CallRequest {
            name: format!("{TOOL}.{name}"),
            arguments,
            link: None,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        match driver
            .call(&tools, request, &Attempt::default(), deadline, &waits)
            .await
        {
            Ok(answer) => println!("{name}: {answer:?}"),
            Err(problem) => failed = Some(problem.to_string()),
        }
    }
    failed.map_or(Ok(()), Err)
}
