//! Connecting to a server: over HTTP by the outbound rule, or over the pipes of a process that a starter
//! gives.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use aion_abi::{code::Code, problem::Problem};
use rmcp::{
    RoleClient,
    model::{ProtocolVersion, SubscriptionFilter},
    service::{ClientLifecycleMode, ClientServiceExt, Peer, RunningService},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use tokio::net::unix::pipe;

use super::{
    StdioCommand, StdioGuard, StdioServers, ToolServer, Transport,
    bounded::{Bounded, Cut},
    client::Client,
    failure::{may_know_another, not_connected, unreachable},
    http::Http,
    known::Known,
    measured::{Call, DuringCall, Measured},
    pages::Awaited,
    pipes::Pipes,
    progress::Heard,
    questions::UnderWay,
};
use crate::{outbound::Outbound, secrets::Secrets};

/// The largest message of a server, in bytes.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// How long a server may take to say what it is; one that is a process starts meanwhile, and some take their time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(45);
/// How long a server over HTTP may take to say that it knows the newest revision; one that knows others refuses at once.
const DISCOVER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a process may take to read one message; longer where a call of it may take longer, since a
/// server may read nothing while it works.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
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
    known: Arc<Known>,
    heard: Arc<Heard>,
    under_way: Arc<UnderWay>,
    measured: Arc<Measured>,
    process: Option<Arc<dyn StdioGuard>>,
}

/// What requests are made over.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) peer: Peer<RoleClient>,
    /// What the server lists.
    pub(super) known: Arc<Known>,
    /// Who waits for word of a call.
    pub(super) heard: Arc<Heard>,
    /// What the server may ask a person about.
    pub(super) under_way: Arc<UnderWay>,
    cut: Cut,
    measured: Arc<Measured>,
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
            if let Some(out_of) = process.out_of().await {
                let text = format!("{}: {out_of}", problem.detail);
                problem = Problem::new(Code::OutOfBounds, text);
            }
            // What it wrote before it ended is a moment behind its end.
            tokio::time::sleep(LAST_WORDS).await;
            add_said(&mut problem, &*process);
        }
        problem
    }
}

impl Line {
    /// A call begins; `None` where its server is no process, or nobody can say what it uses.
    pub(super) async fn measure(&self) -> Option<Call> {
        let process = self.process.as_ref()?.upgrade()?;
        self.measured.begin(&*process).await
    }

    /// It ended, and this is what was used.
    pub(super) async fn measured(&self, call: Option<Call>) -> Option<DuringCall> {
        let process = self.process.as_ref()?.upgrade()?;
        let during = call?.end(&*process).await?;
        process.called(during.peak_bytes);
        Some(during)
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
            known: Arc::clone(&self.known),
            heard: Arc::clone(&self.heard),
            under_way: Arc::clone(&self.under_way),
            cut: self.cut.clone(),
            measured: Arc::clone(&self.measured),
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

/// How a server is greeted: most know `initialize`; revision 2026-07-28 has `server/discover` in its place.
#[derive(Clone, Copy)]
enum Greeting {
    Initialize,
    Discover,
}

impl From<Greeting> for ClientLifecycleMode {
    fn from(greeting: Greeting) -> Self {
        match greeting {
            Greeting::Initialize => Self::Initialize,
            Greeting::Discover => Self::Discover {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            },
        }
    }
}

/// From revision 2026-07-28 on a server tells of changes to whoever listens, and to nobody else. It ends with the
/// connection; where it ends before, a listing lasts its own time.
fn listen(peer: Peer<RoleClient>, known: Weak<Known>) {
    let info = peer.peer_info();
    let tools = info.and_then(|it| it.capabilities.tools.clone());
    if tools.is_none_or(|it| it.list_changed != Some(true)) {
        return;
    }
    tokio::spawn(async move {
        let filter = SubscriptionFilter::builder().tools_list_changed().build();
        let Ok(mut changes) = peer.listen(filter).await else {
            return;
        };
        while let Ok(Some(_)) = changes.next().await {
            match known.upgrade() {
                Some(known) => known.change(),
                None => return,
            }
        }
    });
}

/// Why there is no connection.
struct NotConnected {
    problem: Problem,
    /// The server refused the greeting, and may know the other one.
    may_know_another: bool,
}

impl From<Problem> for NotConnected {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            may_know_another: false,
        }
    }
}

impl Connector {
    pub(super) async fn connect(&self, server: &ToolServer) -> Result<Connection, Problem> {
        // A program is started anew for the other greeting; most know the first.
        let (first, other) = match server.transport {
            Transport::Http(_) => (Greeting::Discover, Greeting::Initialize),
            Transport::Stdio(_) => (Greeting::Initialize, Greeting::Discover),
            Transport::A2a(_) => {
                let what = format!("tool {} is not an MCP server", server.name);
                return Err(Problem::new(Code::Internal, what));
            }
        };
        let connecting = async {
            match self.greet(server, first).await {
                Err(refused) if refused.may_know_another => {
                    let greeted = self.greet(server, other).await;
                    greeted.map_err(|again| match other {
                        // What it says of the greeting that nearly all know tells more.
                        Greeting::Initialize => again.problem,
                        Greeting::Discover => refused.problem,
                    })
                }
                greeted => greeted.map_err(|refused| refused.problem),
            }
        };
        let late = || {
            let seconds = CONNECT_TIMEOUT.as_secs();
            unreachable(
                &server.name,
                &format!("it did not say what it is within {seconds} s"),
            )
        };
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        connected.unwrap_or_else(|_| Err(late()))
    }

    async fn greet(
        &self,
        server: &ToolServer,
        greeting: Greeting,
    ) -> Result<Connection, NotConnected> {
        let connection = match (&server.transport, greeting) {
            (Transport::Http(endpoint), Greeting::Discover) => {
                let asking = self.over_http(server, endpoint, greeting);
                let asked = tokio::time::timeout(DISCOVER_TIMEOUT, asking).await;
                asked.unwrap_or_else(|_| {
                    Err(NotConnected {
                        problem: unreachable(&server.name, "it did not answer server/discover"),
                        may_know_another: true,
                    })
                })
            }
            (Transport::Http(endpoint), _) => self.over_http(server, endpoint, greeting).await,
            (Transport::Stdio(command), _) => self.over_stdio(server, command, greeting).await,
            // Refused before it is greeted.
            (Transport::A2a(_), _) => Err(unreachable(&server.name, "it is not MCP").into()),
        }?;
        if matches!(greeting, Greeting::Discover) {
            let line = connection.line();
            listen(line.peer, Arc::downgrade(&line.known));
        }
        Ok(connection)
    }

    async fn over_http(
        &self,
        server: &ToolServer,
        endpoint: &crate::outbound::Endpoint,
        greeting: Greeting,
    ) -> Result<Connection, NotConnected> {
        let (client, url) = self.outbound.client(endpoint)?;
        let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
        // One more for listening.
        config.max_concurrent_requests =
            usize::try_from(server.max_concurrent).map_or(usize::MAX, |it| it.saturating_add(1));
        let mut key = None;
        if let Some(reference) = &endpoint.secret {
            let secret = self.secrets.read(&endpoint.tenant, reference).await;
            let secret = secret.map_err(Problem::from)?;
            config = config.auth_header(secret.expose());
            key = Some(Arc::new(secret));
        }
        let transport = StreamableHttpClientTransport::with_client(
            Http {
                client,
                longest: MAX_MESSAGE,
                key,
                pages: Awaited::default(),
            },
            config,
        );
        let (cut, known, heard) = (Cut::default(), Arc::default(), Arc::default());
        let under_way = UnderWay::new(server.asks_people);
        // A request is sent when it is answered, here: its caller's deadline bounds that.
        let service = Client::new(&server.name, &known, &heard, &under_way)
            .serve_with_lifecycle(Bounded::new(transport, None, cut.clone()), greeting.into())
            .await
            .map_err(|error| NotConnected {
                problem: explained(not_connected(&server.name, &error), &cut),
                may_know_another: may_know_another(&error),
            })?;
        Ok(Connection {
            service,
            cut,
            known,
            heard,
            under_way,
            measured: Arc::default(),
            process: None,
        })
    }

    async fn over_stdio(
        &self,
        server: &ToolServer,
        command: &StdioCommand,
        greeting: Greeting,
    ) -> Result<Connection, NotConnected> {
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
        let transport = Pipes::new(read, write, MAX_MESSAGE);
        let guard: Arc<dyn StdioGuard> = process.guard.into();
        let (cut, known, heard) = (Cut::default(), Arc::default(), Arc::default());
        let under_way = UnderWay::new(server.asks_people);
        let write = WRITE_TIMEOUT.max(server.timeout);
        let transport = Bounded::new(transport, Some(write), cut.clone());
        let greeted = Client::new(&server.name, &known, &heard, &under_way)
            .serve_with_lifecycle(transport, greeting.into())
            .await;
        match greeted {
            Ok(service) => Ok(Connection {
                service,
                cut,
                known,
                heard,
                under_way,
                measured: Arc::default(),
                process: Some(guard),
            }),
            Err(error) => {
                // What it wrote before it ended is a moment behind its end.
                tokio::time::sleep(LAST_WORDS).await;
                let mut problem = explained(not_connected(&server.name, &error), &cut);
                add_said(&mut problem, &*guard);
                Err(NotConnected {
                    problem,
                    may_know_another: may_know_another(&error),
                })
            }
        }
    }
}
