//! A real MCP server (rmcp's) with tools that tests can tell apart: one that answers,
//! one that fails, one that is slow. Over streamable HTTP, or as a program on its
//! standard streams.

use std::{sync::Arc, time::Duration};

use axum::Router;
use parking_lot::Mutex;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ElicitRequest,
        ElicitRequestParams, InputRequest, InputRequiredResult, InputResponses, ListToolsResult,
        PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig, ServerRequest,
        Tool,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::{Value, json};

use crate::{StartError, loopback::Loopback};

/// A tool call that arrived: the tool's name and its arguments.
type Call = (String, Value);
type Calls = Arc<Mutex<Vec<Call>>>;

/// A running tool server; gone when dropped. It has four tools:
///
/// - `echo {text}` answers with the text
/// - `fail {}` answers with an error result
/// - `sure {}` asks its client whether it is, and answers with what is said: `accept`, `decline` or `cancel`
/// - `wait {milliseconds}` answers when they have passed
pub struct McpServer {
    server: Loopback,
    calls: Calls,
}

impl McpServer {
    /// Starts it on a free loopback port.
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn start() -> Result<Self, StartError> {
        let calls = Calls::default();
        let tools = Tools {
            calls: calls.clone(),
        };
        let service = StreamableHttpService::new(
            move || Ok(tools.clone()),
            Arc::new(LocalSessionManager::default()),
            StreamableHttpServerConfig::default(),
        );
        let server = Loopback::serve("MCP server", Router::new().route_service("/mcp", service))?;
        Ok(Self { server, calls })
    }

    /// What a `Tool` says as its URL, `http://127.0.0.1:port/mcp`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.server.address())
    }

    /// Every tool call so far, in the order of arrival: name and arguments.
    #[must_use]
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.calls.lock().clone()
    }
}

/// Serves the same tools on standard input and output until the client closes them.
///
/// # Errors
/// When the client does not speak the protocol.
pub async fn serve_mcp_on_stdio() -> anyhow::Result<()> {
    let running = Tools::default().serve(rmcp::transport::stdio()).await?;
    running.waiting().await?;
    Ok(())
}

#[derive(Clone, Default)]
struct Tools {
    calls: Calls,
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![
            tool(
                "echo",
                "Answers with its text.",
                json!({"text": {"type": "string"}}),
            ),
            tool("fail", "Fails.", json!({})),
            tool("sure", "Asks a person first.", json!({})),
            tool(
                "wait",
                "Answers later.",
                json!({"milliseconds": {"type": "integer"}}),
            ),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        self.calls
            .lock()
            .push((request.name.to_string(), arguments.clone()));
        let say = |text: &str| vec![ContentBlock::text(text)];
        let result = match request.name.as_ref() {
            "echo" => CallToolResult::success(say(arguments["text"].as_str().unwrap_or_default())),
            "fail" => CallToolResult::error(say("it was asked to fail")),
            "sure" => return sure(request.input_responses, &context).await,
            "wait" => {
                let pause = arguments["milliseconds"].as_u64().unwrap_or_default();
                tokio::time::sleep(Duration::from_millis(pause)).await;
                CallToolResult::success(say("done"))
            }
            name => return Err(ErrorData::invalid_params(format!("no tool {name}"), None)),
        };
        Ok(result.into())
    }
}

/// Asks the client a question of one boolean: in its stream, or by the result where that is of 2026-07-28.
async fn sure(
    said: Option<InputResponses>,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let schema = json!({"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"]});
    let params = json!({"message": "Are you sure?", "requestedSchema": schema});
    let failed = |why: String| ErrorData::internal_error(why, None);
    let params: ElicitRequestParams =
        serde_json::from_value(params).map_err(|why| failed(why.to_string()))?;
    let question = ElicitRequest::new(params);
    let newest = context.protocol_version() >= Some(ProtocolVersion::V_2026_07_28);
    let answer = match said.and_then(|mut it| it.remove("sure")) {
        Some(answer) => answer,
        None if newest => {
            let question = InputRequest::Elicitation(question);
            let asks = [("sure".to_owned(), question)].into();
            return Ok(InputRequiredResult::from_input_requests(asks).into());
        }
        None => {
            let question = ServerRequest::ElicitRequest(question);
            let answer = context.peer.send_request(question).await;
            let answer = answer.map_err(|why| failed(why.to_string()))?;
            serde_json::to_value(answer).map_err(|why| failed(why.to_string()))?
        }
    };
    match (answer["action"].as_str(), &answer["content"]["sure"]) {
        (Some("accept"), Value::Bool(true)) | (Some("decline" | "cancel"), _) => {
            let action = answer["action"].as_str().unwrap_or_default();
            Ok(CallToolResult::success(vec![ContentBlock::text(action)]).into())
        }
        _ => Err(failed(format!("that is no answer: {answer}"))),
    }
}

fn tool(name: &'static str, description: &'static str, properties: Value) -> Tool {
    let required: Vec<&String> = properties
        .as_object()
        .into_iter()
        .flat_map(|p| p.keys())
        .collect();
    let schema = json!({"type": "object", "properties": properties, "required": required});
    let schema = schema.as_object().cloned().unwrap_or_default();
    Tool::new(name, description, schema)
}
