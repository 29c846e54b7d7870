//! A way to the API server that counts the calls of one program, and kills it at one of them: a crash at a moment that a
//! test chooses. What is called passes through unread.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::ControlPlane;
use crate::loopback::Loopback;
use crate::{Process, StartError};

/// The API server's own bound of what it is sent is 3 MiB.
const BODY: usize = 4 << 20;

/// At which moment of a call its caller is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The API server has not heard of it.
    Unheard,
    /// The API server has done it, and the caller does not know.
    Unanswered,
}

/// See the module; gone when dropped.
#[derive(Debug)]
pub struct ApiProxy {
    url: String,
    kubeconfig: PathBuf,
    way: Arc<Way>,
    _server: Loopback,
}

#[derive(Debug)]
struct Way {
    url: String,
    client: reqwest::Client,
    calls: AtomicU64,
    /// Set anew for each victim.
    trap: Mutex<Option<Trap>>,
    victim: watch::Sender<Option<Pid>>,
    /// The call at which it was killed.
    killed: watch::Sender<Option<String>>,
}

#[derive(Debug, Clone, Copy)]
struct Trap {
    call: u64,
    moment: Moment,
}

impl ApiProxy {
    /// Begins to serve, on loopback without TLS, a program that logs in with `token`.
    ///
    /// # Errors
    /// When it cannot be served, or there is no certificate of the API server.
    pub fn start(cluster: &ControlPlane, name: &str, token: &str) -> Result<Self, StartError> {
        let doing = "starting the way to the API server";
        let certificate = fs::read(cluster.certificate()).map_err(StartError::io(doing))?;
        let other = |error: reqwest::Error| StartError::io(doing)(std::io::Error::other(error));
        let authorities = reqwest::Certificate::from_pem_bundle(&certificate).map_err(other)?;
        let client = reqwest::Client::builder().tls_certs_only(authorities);
        let way = Arc::new(Way {
            url: cluster.url().to_owned(),
            client: client.build().map_err(other)?,
            calls: AtomicU64::default(),
            trap: Mutex::default(),
            victim: watch::Sender::default(),
            killed: watch::Sender::default(),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&way));
        let server = Loopback::serve("way to the API server", router)?;
        let url = format!("http://{}", server.address());
        Ok(Self {
            kubeconfig: cluster.credentials.write_kubeconfig(&url, name, token)?,
            url,
            way,
            _server: server,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What leads a program to the API server by this way.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.clone()
    }

    /// Counts calls from 1 again, and kills the caller at number `call` of them; with `None`, at none.
    pub fn reset(&self, call: Option<(u64, Moment)>) {
        self.way.victim.send_replace(None);
        self.way.killed.send_replace(None);
        *self.way.trap.lock() = call.map(|(call, moment)| Trap { call, moment });
        self.way.calls.store(0, Ordering::SeqCst);
    }

    /// Says who calls. A call that is to kill waits until this is known.
    pub fn called_by(&self, program: &Process) {
        self.way.victim.send_replace(Some(program.program()));
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.way.calls.load(Ordering::SeqCst)
    }

    /// The call at which the caller was killed, once it was.
    #[must_use]
    pub fn killed(&self) -> Option<String> {
        self.way.killed.borrow().clone()
    }

    /// Resolves when the caller was killed, with the call.
    pub async fn until_killed(&self) -> String {
        let mut killed = self.way.killed.subscribe();
        match killed.wait_for(Option::is_some).await {
            Ok(call) => call.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }
}

impl Way {
    /// Kills whoever calls.
    async fn kill(&self, call: String) {
        let mut victim = self.victim.subscribe();
        if let Ok(pid) = victim.wait_for(Option::is_some).await
            && let Some(pid) = *pid
        {
            let _ = kill(pid, Signal::SIGKILL);
        }
        self.killed.send_replace(Some(call));
    }

    async fn send(&self, request: Request) -> Result<reqwest::Response, String> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, BODY).await.map_err(|it| it.to_string())?;
        let path = parts.uri.path_and_query().map_or("/", |it| it.as_str());
        let call = self
            .client
            .request(parts.method, format!("{}{path}", self.url));
        let call = call.headers(without_hops(parts.headers)).body(body);
        call.send().await.map_err(|error| error.to_string())
    }
}

async fn pass(State(way): State<Arc<Way>>, request: Request) -> Response {
    let number = way.calls.fetch_add(1, Ordering::SeqCst) + 1;
    let trap = way.trap.lock().filter(|trap| trap.call == number);
    let call = format!("{} {}", request.method(), request.uri());
    if trap.is_some_and(|trap| trap.moment == Moment::Unheard) {
        way.kill(call).await;
        return std::future::pending().await;
    }
    let answer = match way.send(request).await {
        Ok(answer) => answer,
        Err(why) => return (StatusCode::BAD_GATEWAY, why).into_response(),
    };
    if trap.is_some() {
        way.kill(call).await;
        return std::future::pending().await;
    }
    let (status, headers) = (answer.status(), without_hops(answer.headers().clone()));
    (status, headers, Body::from_stream(answer.bytes_stream())).into_response()
}

/// What is about one connection is not passed on to the next.
fn without_hops(mut headers: HeaderMap) -> HeaderMap {
    for name in [
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
    ] {
        headers.remove(name);
    }
    headers
}
