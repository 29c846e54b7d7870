//! A real MCP server for tests, over HTTP on this machine or over a pair of pipes.
#![allow(clippy::unwrap_used)]

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aion_abi::problem::Problem;
use axum::{extract::Request, middleware::Next};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, unix::pipe},
    task::JoinHandle,
};

use super::{StdioCommand, StdioGuard, StdioProcess, StdioServers, ToolServer};

/// What the server saw, and how it behaves.
#[derive(Default)]
pub(super) struct Seen {
    /// Times its operations were listed.
    pub(super) listed: AtomicUsize,
    /// Calls that were cancelled.
    pub(super) cancelled: AtomicUsize,
    /// Times it was started or connected to.
    pub(super) started: AtomicUsize,
    /// Authorization headers.
    pub(super) keys: Mutex<Vec<String>>,
    /// It lists one operation more.
    pub(super) grown: AtomicBool,
    /// It ends as soon as it is started.
    pub(super) dies: AtomicBool,
}

#[derive(Clone)]
pub(super) struct TestServer(pub(super) Arc<Seen>);

impl ServerHandler for TestServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder()
                .enable_tools()
                .enable_tool_list_changed()
                .build(),
        )
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.0.listed.fetch_add(1, Ordering::AcqRel);
        let tool = |name: &'static str| {
            let schema = json!({"type": "object", "properties": {"text": {"type": "string"}}});
            Tool::new(
                name,
                format!("does {name}"),
                Arc::new(schema.as_object().unwrap().clone()),
            )
        };
        // In two pages, not in order.
        let mut result = ListToolsResult {
            ttl_ms: Some(60_000),
            ..ListToolsResult::default()
        };
        if request.and_then(|request| request.cursor).is_none() {
            result.tools = vec![tool("write"), tool("slow"), tool("crash")];
            result.next_cursor = Some("2".into());
        } else {
            result.tools = vec![tool("read"), tool("fail"), tool("grow")];
            if self.0.grown.load(Ordering::Acquire) {
                result.tools.push(tool("new"));
            }
        }
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.act(&request, &context).await.map(Into::into)
    }
}

impl TestServer {
    async fn act(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let text = request
            .arguments
            .as_ref()
            .and_then(|arguments| arguments.get("text")?.as_str())
            .unwrap_or_default();
        match request.name.as_ref() {
            "read" => {
                let mut result = CallToolResult::success(vec![
                    ContentBlock::text("read "),
                    ContentBlock::text(text),
                ]);
                result.structured_content = Some(json!({"said": text}));
                Ok(result)
            }
            "fail" => Ok(CallToolResult::error(vec![ContentBlock::text(
                "it did not work",
            )])),
            "slow" => {
                tokio::select! {
                    () = context.ct.cancelled() => {
                        self.0.cancelled.fetch_add(1, Ordering::AcqRel);
                    }
                    () = tokio::time::sleep(Duration::from_millis(text.parse().unwrap_or(60_000))) => {}
                }
                Ok(CallToolResult::success(vec![ContentBlock::text("at last")]))
            }
            "grow" => {
                self.0.grown.store(true, Ordering::Release);
                context.peer.notify_tool_list_changed().await.unwrap();
                Ok(CallToolResult::success(vec![ContentBlock::text("grown")]))
            }
            "write" => Err(ErrorData::invalid_params("text is missing", None)),
            other => Err(ErrorData::new(
                rmcp::model::ErrorCode::METHOD_NOT_FOUND,
                format!("no {other}"),
                None,
            )),
        }
    }
}

/// A server over HTTP; ends when it is dropped.
pub(super) struct HttpServer {
    pub(super) url: String,
    pub(super) seen: Arc<Seen>,
    task: JoinHandle<()>,
    port: u16,
}

impl HttpServer {
    pub(super) async fn start() -> Self {
        Self::on(0, Arc::default()).await
    }

    /// The same server again, with no memory of its sessions.
    pub(super) async fn restart(self) -> Self {
        let (port, seen) = (self.port, self.seen.clone());
        drop(self);
        Self::on(port, seen).await
    }

    async fn on(port: u16, seen: Arc<Seen>) -> Self {
        let service: StreamableHttpService<TestServer, LocalSessionManager> =
            StreamableHttpService::new(
                {
                    let seen = seen.clone();
                    move || {
                        seen.started.fetch_add(1, Ordering::AcqRel);
                        Ok(TestServer(seen.clone()))
                    }
                },
                Arc::default(),
                StreamableHttpServerConfig::default(),
            );
        let keys = seen.clone();
        let note = move |request: Request, next: Next| {
            let key = request
                .headers()
                .get("authorization")
                .and_then(|key| key.to_str().ok())
                .map(str::to_owned);
            keys.keys.lock().extend(key);
            next.run(request)
        };
        let app = axum::Router::new()
            .nest_service("/mcp", service)
            .layer(axum::middleware::from_fn(note));
        // The port of a server that has just ended may still be held for a moment.
        let mut listener = TcpListener::bind(("127.0.0.1", port)).await;
        for _ in 0..500 {
            if listener.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            listener = TcpListener::bind(("127.0.0.1", port)).await;
        }
        let listener = listener.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.unwrap();
        });
        Self {
            url: format!("http://127.0.0.1:{port}/mcp"),
            seen,
            task,
            port,
        }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts servers in this process, behind pipes.
#[derive(Default)]
pub(super) struct PipeServers {
    pub(super) seen: Arc<Seen>,
    pub(super) commands: Mutex<Vec<StdioCommand>>,
}

impl StdioServers for PipeServers {
    fn start<'a>(
        &'a self,
        _: &'a ToolServer,
        command: &'a StdioCommand,
    ) -> BoxFuture<'a, Result<StdioProcess, Problem>> {
        Box::pin(async move {
            self.commands.lock().push(command.clone());
            self.seen.started.fetch_add(1, Ordering::AcqRel);
            let seen = self.seen.clone();
            Ok(behind_pipes(|read, write| async move {
                if seen.dies.load(Ordering::Acquire) {
                    return;
                }
                let running = TestServer(seen).serve((read, write)).await.unwrap();
                let _ = running.waiting().await;
            }))
        })
    }
}

/// A server in this process as one that was started: it reads and writes pipes, and ends with its guard.
pub(super) fn behind_pipes<F>(serve: impl FnOnce(pipe::Receiver, pipe::Sender) -> F) -> StdioProcess
where
    F: Future<Output: Send> + Send + 'static,
{
    let (their_in, stdin): (OwnedFd, OwnedFd) = nix::unistd::pipe().unwrap();
    let (stdout, their_out): (OwnedFd, OwnedFd) = nix::unistd::pipe().unwrap();
    let read = pipe::Receiver::from_owned_fd(their_in).unwrap();
    let write = pipe::Sender::from_owned_fd(their_out).unwrap();
    let served = serve(read, write);
    let task = tokio::spawn(async move { drop(served.await) });
    StdioProcess {
        stdin,
        stdout,
        guard: Box::new(Ends(task)),
    }
}

struct Ends(JoinHandle<()>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl StdioGuard for Ends {
    fn said(&self) -> String {
        String::new()
    }
}

/// An object.
pub(super) fn text(text: &str) -> Value {
    json!({ "text": text })
}
