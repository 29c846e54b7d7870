//! A server of a case: over pipes, over HTTP, and over HTTP by the newest revision, it writes what the case says.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use aion_abi::problem::Problem;
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{Response, StatusCode, header::CONTENT_TYPE},
    routing::post,
};
use futures::{StreamExt, future::BoxFuture, stream};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::Semaphore,
    task::JoinHandle,
};

use super::{StdioCommand, StdioProcess, StdioServers, ToolServer, test_server::behind_pipes};

/// How a server is reached, and by which revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Pipes,
    Http,
    /// Over HTTP by revision 2026-07-28.
    Newest,
}

impl Way {
    /// The ways that a case is tried over.
    pub(super) fn of(case: &Value) -> Vec<Self> {
        let has = |field: &str| !case[field].is_null();
        let answers = |method: &str| !case["answers"][method].is_null();
        let mut all = Vec::new();
        if !has("http") && !answers("server/discover") {
            all.push(Self::Pipes);
        }
        if !has("before") && !answers("server/discover") {
            all.push(Self::Http);
        }
        // There a server asks nothing, and tells of changes to who listens.
        let older = has("before") || has("asks") || answers("initialize");
        if !older && case["expect"]["asked"]["tools/list"].is_null() {
            all.push(Self::Newest);
        }
        all
    }
}

/// Answers as a case says, and counts what it is asked.
pub(super) struct Scripted {
    case: Value,
    way: Way,
    pub(super) asked: Mutex<BTreeMap<String, u64>>,
    /// What its own requests were answered with.
    pub(super) replies: Mutex<Vec<Value>>,
    replied: Semaphore,
}

impl Scripted {
    pub(super) fn new(case: &Value, way: Way) -> Self {
        Self {
            case: case.clone(),
            way,
            asked: Mutex::default(),
            replies: Mutex::default(),
            replied: Semaphore::new(0),
        }
    }

    /// The lines that answer a request: those of its turn, the last ones from then on.
    fn lines(&self, method: &str, request: &Value) -> Vec<String> {
        let turn = {
            let mut asked = self.asked.lock();
            let turn = asked.entry(method.to_owned()).or_default();
            *turn += 1;
            *turn
        };
        let given = &self.case["answers"][method];
        let turns = given.as_array().map(Vec::as_slice).unwrap_or_default();
        let at = usize::try_from(turn).unwrap().min(turns.len().max(1)) - 1;
        let capabilities = json!({"tools": {"listChanged": true}});
        let Some(lines) = turns.get(at) else {
            let result = match method {
                "initialize" => json!({
                    "protocolVersion": request["params"]["protocolVersion"],
                    "capabilities": capabilities,
                    "serverInfo": {"name": "case", "version": "1"},
                }),
                "server/discover" if self.way == Way::Newest => json!({
                    "resultType": "complete", "supportedVersions": ["2026-07-28"],
                    "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private",
                    "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "case", "version": "1"}},
                }),
                "server/discover" => {
                    let error = json!({"code": -32_601, "message": "no such method"});
                    let answer = json!({"jsonrpc": "2.0", "id": request["id"], "error": error});
                    return vec![answer.to_string()];
                }
                "tools/list" => {
                    json!({"tools": [{"name": "stock", "inputSchema": {"type": "object"}}]})
                }
                _ => json!({}),
            };
            return vec![
                json!({"jsonrpc": "2.0", "id": request["id"], "result": result}).to_string(),
            ];
        };
        let lines = lines.as_array().unwrap();
        let line = |line: &Value| match line {
            Value::String(text) => {
                let params = &request["params"];
                let token = params["_meta"]["progressToken"].to_string();
                repeated(text)
                    .replace("$ID", &request["id"].to_string())
                    .replace("$TOKEN", &token)
            }
            Value::Object(it) if it.contains_key("result") || it.contains_key("error") => {
                let mut message = line.clone();
                message["jsonrpc"] = json!("2.0");
                message["id"] = request["id"].clone();
                repeated(&message.to_string())
            }
            other => other.to_string(),
        };
        lines.iter().map(line).collect()
    }

    /// What it asks before it answers a call.
    fn asks(&self, method: &str) -> Vec<String> {
        let asks = self.case["asks"].as_array().into_iter().flatten();
        let asks = asks.filter(|_| method == "tools/call");
        asks.map(Value::to_string).collect()
    }

    fn take_reply(&self, reply: &Value) {
        let error = reply.get("error").map(|it| json!({"error": it["code"]}));
        let reply = error.unwrap_or_else(|| json!({"result": reply["result"]}));
        self.replies.lock().push(reply);
        self.replied.add_permits(1);
    }

    /// The body that answers a request: a document for one message, events for several, or what the case says.
    async fn body(self: Arc<Self>, request: Value) -> Response<Body> {
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        if request["id"].is_null() || method.is_empty() {
            if method.is_empty() {
                self.take_reply(&request);
            }
            let status = self.case["http"][&method]["status"].as_u64().unwrap_or(202);
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::from_u16(u16::try_from(status).unwrap()).unwrap();
            return response;
        }
        let lines = self.lines(&method, &request);
        let written = &self.case["http"][&method];
        let event = |line: String| format!("data: {line}\n\n");
        let asks = self.asks(&method);
        let (kind, body) = match written["raw"].as_bool() {
            Some(true) => ("application/json", Body::from(lines.join("\n"))),
            _ if !asks.is_empty() => {
                let asked = stream::iter(asks.clone()).map(event);
                let scripted = Arc::clone(&self);
                let replied = async move {
                    let count = u32::try_from(asks.len()).unwrap();
                    scripted.replied.acquire_many(count).await.unwrap().forget();
                    lines.into_iter().map(event).collect::<String>()
                };
                let all = asked.chain(stream::once(replied));
                let all = all.map(Ok::<_, Infallible>);
                ("text/event-stream", Body::from_stream(all))
            }
            _ if lines.len() == 1 => ("application/json", Body::from(lines.concat())),
            _ => {
                let events: String = lines.into_iter().map(event).collect();
                ("text/event-stream", Body::from(events))
            }
        };
        let case = self.case.clone();
        let written = &case["http"][&method];
        let status = written["status"].as_u64().unwrap_or(200);
        let mut response = Response::builder().status(u16::try_from(status).unwrap());
        if let Some(kind) = written.get("type").map_or(Some(kind), Value::as_str) {
            response = response.header(CONTENT_TYPE, kind);
        }
        for (name, value) in written["headers"].as_object().into_iter().flatten() {
            response = response.header(name, value.as_str().unwrap());
        }
        response.body(body).unwrap()
    }
}

/// `$REPEAT(n)` stands for n letters: a case stays small.
fn repeated(text: &str) -> String {
    let Some((before, rest)) = text.split_once("$REPEAT(") else {
        return text.to_owned();
    };
    let (count, after) = rest.split_once(')').unwrap();
    format!("{before}{}{after}", "x".repeat(count.parse().unwrap()))
}

/// A server that ends when it is dropped.
pub(super) struct Served {
    pub(super) url: String,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) async fn over_http(scripted: &Arc<Scripted>) -> Served {
    let answer = |State(scripted): State<Arc<Scripted>>, body: Bytes| async move {
        let request: Value = serde_json::from_slice(&body).unwrap();
        scripted.body(request).await
    };
    let app = axum::Router::new()
        .route("/mcp", post(answer))
        .with_state(Arc::clone(scripted));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        axum::serve(listener, app).await.unwrap();
    });
    Served {
        url: format!("http://127.0.0.1:{port}/mcp"),
        task,
    }
}

/// Over pipes.
pub(super) struct Piped(pub(super) Arc<Scripted>);

impl StdioServers for Piped {
    fn start<'a>(
        &'a self,
        _: &'a ToolServer,
        _: &'a StdioCommand,
    ) -> BoxFuture<'a, Result<StdioProcess, Problem>> {
        let scripted = Arc::clone(&self.0);
        Box::pin(async move {
            Ok(behind_pipes(|read, mut write| async move {
                for line in scripted.case["before"].as_array().into_iter().flatten() {
                    let line = format!("{}\n", line.as_str().unwrap());
                    write.write_all(line.as_bytes()).await?;
                }
                let mut lines = BufReader::new(read).lines();
                let mut waiting = Vec::new();
                while let Some(line) = lines.next_line().await? {
                    let request: Value = serde_json::from_str(&line).unwrap();
                    let method = request["method"].as_str().unwrap_or_default().to_owned();
                    let mut said = Vec::new();
                    if method.is_empty() {
                        scripted.take_reply(&request);
                        if scripted.replied.available_permits() == scripted.asks("tools/call").len()
                        {
                            said = std::mem::take(&mut waiting);
                        }
                    } else if !request["id"].is_null() {
                        said = scripted.lines(&method, &request);
                        let asks = scripted.asks(&method);
                        if !asks.is_empty() {
                            waiting = std::mem::replace(&mut said, asks);
                        }
                    }
                    for line in said {
                        write.write_all(format!("{line}\n").as_bytes()).await?;
                    }
                }
                std::io::Result::Ok(())
            }))
        })
    }
}
