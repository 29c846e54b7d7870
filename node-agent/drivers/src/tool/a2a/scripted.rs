//! An agent that answers as a test says, by either binding.
#![allow(clippy::unwrap_used)]

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Method, Response, Uri},
};
use futures::{StreamExt as _, stream};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::super::{ToolServer, Transport};
use super::Remote;
use crate::outbound::Endpoint;

/// What it is asked, by whichever binding.
#[derive(Clone, Debug)]
pub(in crate::tool) struct Asked {
    pub(in crate::tool) operation: String,
    pub(in crate::tool) params: Value,
    pub(in crate::tool) headers: HeaderMap,
    /// Path and query.
    pub(in crate::tool) at: String,
}

/// What it does.
#[derive(Clone, Debug)]
pub(in crate::tool) enum Reply {
    Says(Value),
    /// Events, and the end of the stream.
    Tells(Vec<Value>),
    /// Events, and then the connection breaks.
    Breaks(Vec<Value>),
    /// Events, and then nothing more.
    Holds(Vec<Value>),
    /// An error of the protocol: the code of JSON-RPC, the status, the reason.
    Fails(i64, u16, &'static str),
    /// As it is written: status, content type, body.
    Raw(u16, &'static str, String),
}

type Script = dyn Fn(&Asked) -> Reply + Send + Sync;
type Mend = dyn Fn(&mut Value) + Send + Sync;

/// See the module. It ends when it is dropped.
pub(in crate::tool) struct Agent {
    pub(in crate::tool) url: String,
    pub(in crate::tool) asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A card of an agent at `url`.
pub(in crate::tool) fn card(url: &str, binding: &str) -> Value {
    json!({
        "name": "Traveller", "description": "Knows the way.", "version": "1.0.0",
        "supportedInterfaces": [{"url": url, "protocolBinding": binding, "protocolVersion": "1.0"}],
        "capabilities": {"streaming": true}, "defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"],
        "skills": [{"id": "t", "name": "Trains", "description": "Finds trains.", "tags": ["x"], "examples": ["To Rome?"]}],
    })
}

/// A Tool that is the agent at `url`.
pub(in crate::tool) fn remote_tool(name: &str, url: &str) -> ToolServer {
    ToolServer {
        asks_people: false,
        tenant: "me".into(),
        name: name.into(),
        description: None,
        transport: Transport::A2a(Remote {
            endpoint: Endpoint {
                name: name.into(),
                tenant: "me".into(),
                url: url.into(),
                secret: None,
            },
            card_url: None,
        }),
        operations: vec![],
        max_concurrent: 4,
        timeout: Duration::from_secs(60),
        required_layers: Vec::new(),
    }
}

impl Agent {
    /// One whose card `mend` changes.
    pub(in crate::tool) async fn with_card(
        binding: &'static str,
        mend: impl Fn(&mut Value) + Send + Sync + 'static,
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!(
            "http://127.0.0.1:{}/a",
            listener.local_addr().unwrap().port()
        );
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, base) = (Arc::clone(&asked), url.clone());
        let script: Arc<Script> = Arc::new(script);
        let mend: Arc<Mend> = Arc::new(mend);
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (log, base) = (Arc::clone(&log), base.clone());
            let (script, mend) = (Arc::clone(&script), Arc::clone(&mend));
            async move {
                if uri.path() == "/a/.well-known/agent-card.json" {
                    let mut said = card(&base, binding);
                    mend(&mut said);
                    return response(200, "application/json", Body::from(said.to_string()));
                }
                let (asked, id) = read(binding, &method, &uri, headers, &body);
                log.lock().push(asked.clone());
                written(binding, &id, script(&asked))
            }
        };
        let app = axum::Router::new().fallback(answer);
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.unwrap();
        });
        Self { url, asked, task }
    }

    pub(in crate::tool) async fn new(
        binding: &'static str,
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::with_card(binding, |_| {}, script).await
    }

    /// What it was asked, in order.
    pub(in crate::tool) fn operations(&self) -> Vec<String> {
        self.asked
            .lock()
            .iter()
            .map(|it| it.operation.clone())
            .collect()
    }

    /// Waits until it was asked for that.
    pub(in crate::tool) async fn was_asked(&self, operation: &str) -> Asked {
        loop {
            let found = self
                .asked
                .lock()
                .iter()
                .find(|it| it.operation == operation)
                .cloned();
            match found {
                Some(asked) => return asked,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

fn read(
    binding: &str,
    method: &Method,
    uri: &Uri,
    headers: HeaderMap,
    body: &[u8],
) -> (Asked, Value) {
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    let at = uri.to_string();
    if binding == "JSONRPC" {
        assert_eq!(
            (method, uri.path().trim_end_matches('/')),
            (&Method::POST, "/a")
        );
        let operation = body["method"].as_str().unwrap().to_owned();
        let (params, id) = (body["params"].take(), body["id"].take());
        return (
            Asked {
                operation,
                params,
                headers,
                at,
            },
            id,
        );
    }
    let path = uri.path().strip_prefix("/a/").unwrap();
    let (operation, id) = match (method.as_str(), path) {
        ("POST", "message:send") => ("SendMessage", None),
        ("POST", "message:stream") => ("SendStreamingMessage", None),
        ("GET", "tasks") => ("ListTasks", None),
        (_, path) => match path.strip_prefix("tasks/").unwrap().split_once(':') {
            None => ("GetTask", path.strip_prefix("tasks/")),
            Some((id, "cancel")) => ("CancelTask", Some(id)),
            Some((id, _)) => ("SubscribeToTask", Some(id)),
        },
    };
    if let Some(id) = id {
        body = json!({"id": id});
    }
    if operation == "ListTasks" {
        let context = uri.query().unwrap().split('&').next().unwrap();
        body = json!({"contextId": context.strip_prefix("contextId=").unwrap()});
    }
    let asked = Asked {
        operation: operation.to_owned(),
        params: body,
        headers,
        at,
    };
    (asked, Value::Null)
}

fn written(binding: &str, id: &Value, reply: Reply) -> Response<Body> {
    let rpc = binding == "JSONRPC";
    let wrapped = |value: &Value| match rpc {
        true => json!({"jsonrpc": "2.0", "id": id, "result": value, "error": null}),
        false => value.clone(),
    };
    let events = |all: &[Value]| {
        let event = |it: &Value| format!(": still here\r\ndata: {}\r\n\r\n", wrapped(it));
        let all: Vec<_> = all
            .iter()
            .map(event)
            .map(Bytes::from)
            .map(io::Result::Ok)
            .collect();
        stream::iter(all)
    };
    let (json_type, stream_type) = ("application/json", "text/event-stream");
    match reply {
        Reply::Says(value) => response(200, json_type, Body::from(wrapped(&value).to_string())),
        Reply::Tells(all) => response(200, stream_type, Body::from_stream(events(&all))),
        Reply::Breaks(all) => {
            // What came before is on the wire once the body has nothing ready.
            let broken = stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::other("broken"))
            });
            response(
                200,
                stream_type,
                Body::from_stream(events(&all).chain(broken)),
            )
        }
        Reply::Holds(all) => {
            let held = events(&all).chain(stream::pending());
            response(200, stream_type, Body::from_stream(held))
        }
        Reply::Fails(code, status, reason) => {
            let details =
                json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]);
            let message = format!("it says {reason}");
            let (status, error) = match rpc {
                true => (
                    200,
                    json!({"code": code, "message": message, "data": details}),
                ),
                false => (
                    status,
                    json!({"code": status, "message": message, "details": details}),
                ),
            };
            let mut body = json!({"error": error});
            if rpc {
                body["jsonrpc"] = "2.0".into();
                body["id"] = id.clone();
            }
            response(status, json_type, Body::from(body.to_string()))
        }
        Reply::Raw(status, kind, body) => response(status, kind, Body::from(body)),
    }
}

fn response(status: u16, kind: &str, body: Body) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(body)
        .unwrap()
}
