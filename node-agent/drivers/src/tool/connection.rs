//! Connecting to a server: over HTTP by the outbound rule, or over the pipes of a process that a starter
//! gives.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use aion_abi::{code::Code, problem::Problem};
use rmcp::{
    ClientHandler, RoleClient, ServiceExt,
    model::{ClientConfig, Implementation},
    service::{ClientCacheConfig, Peer, RunningService},
    transport::{
        StreamableHttpClientTransport, async_rw::AsyncRwTransport,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use tokio::net::unix::pipe;

use super::{
    StdioCommand, StdioGuard, StdioServers, ToolServer, Transport,
    bounded::{Bounded, Cut},
    failure::{not_connected, unreachable},
};
use crate::{outbound::Outbound, secrets::Secrets};

/// The largest message of a server, in bytes.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// How much of an error that is no message is read.
const MAX_ERROR: usize = 4 * 1024;
/// How long a server may take to say what it is; one that is a process starts meanwhile.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a process may take to read one message; longer where a call of it may take longer, since a
/// server may read nothing while it works.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a listing is used where the server gives no time of its own. It is dropped at once when the
/// server says that its list has changed.
const LISTING_KEPT: Duration = Duration::from_secs(60);

/// How long a process that ended is listened to.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What connecting needs.
pub(super) struct Connector {
    pub(super) outbound: Arc<Outbound>,
    pub(super) secrets: Arc<dyn Secrets>,
    pub(super) stdio: Arc<dyn StdioServers>,
}

/// An open connection. Dropping it closes it, and ends the process behind it.
pub(super) struct Connection {
    service: RunningService<RoleClient, Client>,
    cut: Cut,
    process: Option<Arc<dyn StdioGuard>>,
}

/// What requests are made over.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) peer: Peer<RoleClient>,
    cut: Cut,
    /// Held by the connection alone: a request under way does not keep a process.
    process: Option<Weak<dyn StdioGuard>>,
}

impl Line {
    /// The problem of a request on it, with the reason where the connection was cut off.
    pub(super) fn explained(&self, problem: Problem) -> Problem {
        explained(problem, &self.cut)
    }

    /// The problem of a request that the connection broke under, with what its process said and how it ended.
    pub(super) async fn lost(&self, problem: Problem) -> Problem {
        let mut problem = self.explained(problem);
        let process = self.process.as_ref().and_then(Weak::upgrade);
        if let Some(process) = process {
            // What it wrote before it ended is a moment behind its end.
            tokio::time::sleep(LAST_WORDS).await;
            add_said(&mut problem, &*process);
        }
        problem
    }
}

fn add_said(problem: &mut Problem, process: &dyn StdioGuard) {
    let said = process.said();
    if !said.is_empty() {
        problem.detail = format!("{}: {said}", problem.detail);
    }
}

fn explained(mut problem: Problem, cut: &Cut) -> Problem {
    if let Some(why) = cut.why()
        && !problem.detail.contains(why)
    {
        problem.detail = format!("{}: {why}", problem.detail);
    }
    problem
}

impl Connection {
    pub(super) fn line(&self) -> Line {
        Line {
            peer: self.service.peer().clone(),
            cut: self.cut.clone(),
            process: self.process.as_ref().map(Arc::downgrade),
        }
    }

    pub(super) fn is_behind(&self, line: &Line) -> bool {
        self.cut.is(&line.cut)
    }

    /// Whether its process was ended here: the next one may be started at once.
    pub(super) fn is_unwanted(&self) -> bool {
        self.process.as_ref().is_some_and(|it| it.is_unwanted())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.service.is_closed() || self.service.peer().is_transport_closed()
    }
}

/// What we are to a server: a client that can do nothing for it.
struct Client;

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.client_info = Implementation::new("aion-os", env!("CARGO_PKG_VERSION"));
        info
    }
}

impl Connector {
    pub(super) async fn connect(&self, server: &ToolServer) -> Result<Connection, Problem> {
        let connecting = async {
            match &server.transport {
                Transport::Http(endpoint) => self.over_http(server, endpoint).await,
                Transport::Stdio(command) => self.over_stdio(server, command).await,
            }
        };
        let connection = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or_else(|_| {
                Err(unreachable(
                    &server.name,
                    &format!(
                        "it did not say what it is within {} s",
                        CONNECT_TIMEOUT.as_secs()
                    ),
                ))
            })?;
        let kept = ClientCacheConfig::default()
            .with_default_ttl(LISTING_KEPT)
            .with_serve_stale_on_error(false);
        connection
            .service
            .peer()
            .set_response_cache_config(kept)
            .await;
        Ok(connection)
    }

    async fn over_http(
        &self,
        server: &ToolServer,
        endpoint: &crate::outbound::Endpoint,
    ) -> Result<Connection, Problem> {
        let (client, url) = self.outbound.client(endpoint)?;
        let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
        config.max_sse_event_size = MAX_MESSAGE;
        config.max_json_response_size = MAX_MESSAGE;
        config.max_error_response_size = MAX_ERROR;
        config.max_concurrent_requests =
            usize::try_from(server.max_concurrent).unwrap_or(usize::MAX);
        if let Some(reference) = &endpoint.secret {
            let secret = self.secrets.read(&endpoint.tenant, reference).await?;
            config = config.auth_header(secret.expose());
        }
        let transport = StreamableHttpClientTransport::with_client(client, config);
        let cut = Cut::default();
        // A request is sent when it is answered, here: its caller's deadline bounds that.
        let service = Client
            .serve(Bounded::new(transport, None, cut.clone()))
            .await
            .map_err(|error| explained(not_connected(&server.name, &error), &cut))?;
        Ok(Connection {
            service,
            cut,
            process: None,
        })
    }

    async fn over_stdio(
        &self,
        server: &ToolServer,
        command: &StdioCommand,
    ) -> Result<Connection, Problem> {
        let process = self.stdio.start(server, command).await?;
        let no_pipe = |error: std::io::Error| {
            Problem::new(
                Code::Internal,
                format!(
                    "tool {}: its process cannot be spoken to: {error}",
                    server.name
                ),
            )
        };
        let write = pipe::Sender::from_owned_fd(process.stdin).map_err(no_pipe)?;
        let read = pipe::Receiver::from_owned_fd(process.stdout).map_err(no_pipe)?;
        let transport = AsyncRwTransport::<RoleClient, _, _>::new(read, write)
            .with_max_line_length(MAX_MESSAGE);
        let guard: Arc<dyn StdioGuard> = process.guard.into();
        let cut = Cut::default();
        let write = WRITE_TIMEOUT.max(server.timeout);
        let transport = Bounded::new(transport, Some(write), cut.clone());
        match Client.serve(transport).await {
            Ok(service) => Ok(Connection {
                service,
                cut,
                process: Some(guard),
            }),
            Err(error) => {
                // What it wrote before it ended is a moment behind its end.
                tokio::time::sleep(LAST_WORDS).await;
                let mut problem = explained(not_connected(&server.name, &error), &cut);
                add_said(&mut problem, &*guard);
                Err(problem)
            }
        }
    }
}
