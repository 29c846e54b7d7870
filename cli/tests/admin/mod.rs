//! A stand-in for the daemon's admin interface: what a test told it to answer, and what it was asked.

#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output},
    sync::Arc,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header::CONTENT_TYPE},
    response::Response,
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::UnixListener;

/// What to answer, by `METHOD path`; of several the first is given and dropped, the last stays.
type Answers = BTreeMap<String, Vec<Answer>>;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    content_type: &'static str,
    body: Bytes,
}

impl Answer {
    pub(crate) fn json(value: &Value) -> Self {
        Self {
            status: 200,
            content_type: "application/json",
            body: value.to_string().into(),
        }
    }

    pub(crate) fn problem(value: &Value) -> Self {
        Self {
            status: u16::try_from(value["status"].as_u64().unwrap()).unwrap(),
            content_type: "application/problem+json",
            body: value.to_string().into(),
        }
    }

    /// A stream of events; it ends after the last of them.
    pub(crate) fn events(events: &[Value]) -> Self {
        let text: String = events
            .iter()
            .map(|event| format!("data: {event}\n\n"))
            .collect();
        Self {
            status: 200,
            content_type: "text/event-stream",
            body: text.into(),
        }
    }

    pub(crate) fn bytes(bytes: &'static [u8]) -> Self {
        Self {
            status: 200,
            content_type: "application/octet-stream",
            body: Bytes::from_static(bytes),
        }
    }
}

/// The stand-in, in a home folder of its own.
pub(crate) struct Node {
    pub(crate) home: tempfile::TempDir,
    shared: Arc<Shared>,
    runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<Answers>,
    asked: Mutex<Vec<(String, Bytes)>>,
    keys: Mutex<Vec<(String, String)>>,
}

impl Node {
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("run")).unwrap();
        let shared = Arc::new(Shared::default());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let app = Router::new().fallback(answer).with_state(shared.clone());
        let socket = home.path().join("run/admin.sock");
        let listener = runtime
            .block_on(async { UnixListener::bind(socket) })
            .unwrap();
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            home,
            shared,
            runtime,
        }
    }

    /// `route` is `METHOD path?query`.
    pub(crate) fn on(&self, route: &str, answer: Answer) -> &Self {
        let mut answers = self.shared.answers.lock();
        answers.entry(route.to_owned()).or_default().push(answer);
        self
    }

    /// What was asked so far, with the bodies.
    pub(crate) fn asked(&self) -> Vec<(String, Bytes)> {
        self.shared.asked.lock().clone()
    }

    /// The idempotency keys of the requests to a route.
    pub(crate) fn keys_of(&self, route: &str) -> Vec<String> {
        let keys = self.shared.keys.lock().clone();
        let of_route = keys.into_iter().filter(|(found, _)| found == route);
        of_route.map(|(_, key)| key).collect()
    }

    /// The JSON body of the first request to a route.
    pub(crate) fn body_of(&self, route: &str) -> Value {
        let asked = self.asked();
        let (_, body) = asked.iter().find(|(found, _)| found == route).unwrap();
        serde_json::from_slice(body).unwrap()
    }

    /// Runs aionctl against it, in `folder`, with nothing on standard input.
    pub(crate) fn aionctl_in(&self, folder: &Path, arguments: &[&str]) -> Ran {
        ran(command(self.home.path())
            .args(arguments)
            .current_dir(folder))
    }

    pub(crate) fn aionctl(&self, arguments: &[&str]) -> Ran {
        self.aionctl_in(self.home.path(), arguments)
    }
}

/// aionctl with `home`, and with nothing of the tester's own environment that it reads.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aionctl"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("AION_HOME", home)
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(std::process::Stdio::null());
    command
}

/// What a run of aionctl wrote, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) status: i32,
}

pub(crate) fn ran(command: &mut Command) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Ran {
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
        status: status.code().unwrap_or(-1),
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let route = format!("{method} {uri}");
    if let Some(key) = headers.get("idempotency-key") {
        let key = key.to_str().unwrap().to_owned();
        shared.keys.lock().push((route.clone(), key));
    }
    shared.asked.lock().push((route.clone(), body));
    let mut answers = shared.answers.lock();
    let found = answers.get_mut(&route).map(|queue| match queue.len() {
        1 => queue[0].clone(),
        _ => queue.remove(0),
    });
    let (status, content_type, body) = match found {
        Some(answer) => (answer.status, answer.content_type, answer.body),
        None => (
            404,
            "text/plain",
            Bytes::from(format!("no answer for {route}")),
        ),
    };
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header(CONTENT_TYPE, content_type)
        .body(Body::from(body))
        .unwrap()
}
