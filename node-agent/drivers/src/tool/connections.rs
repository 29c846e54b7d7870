//! The connections that are open: one a server, made when first needed, made again with growing pauses
//! when it breaks, closed when nobody uses it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aion_abi::{code::Code, problem::Problem, syscall::tool::Link};
use aion_backoff::Backoff;
use parking_lot::Mutex;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{
    ToolServer,
    connection::{Connection, Connector, Line},
    failure::unreachable,
    links::Links,
};

/// A connection that was not used for so long is closed.
const IDLE: Duration = Duration::from_secs(300);
/// One that broke earlier than this after it was made counts as one that could not be made.
const SHORT_LIVED: Duration = Duration::from_secs(5);
/// The first pause after a failure; it doubles with each, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(60);
/// The longest that a server is left alone because it says so: whoever mends it is not kept waiting.
const LONGEST_NAMED: Duration = Duration::from_secs(300);

pub(super) struct Connections {
    connector: Connector,
    entries: Mutex<HashMap<ToolServer, Arc<Entry>>>,
    idle: Duration,
    pauses: Backoff,
}

/// A server and its connection.
pub(super) struct Entry {
    server: ToolServer,
    state: AsyncMutex<State>,
    used: Mutex<Instant>,
    /// How long it is left alone after a failure.
    pauses: Mutex<Backoff>,
    /// What its answers linked to.
    links: Mutex<Links>,
}

impl Entry {
    pub(super) fn tool(&self) -> &str {
        &self.server.name
    }

    pub(super) fn note_links(&self, operation: &str, links: &[Link]) {
        if !links.is_empty() {
            self.links.lock().note(operation, links);
        }
    }

    /// Whether `operation` linked to `uri`: nothing else is read for whoever may call it.
    pub(super) fn may_follow(&self, operation: &str, uri: &str) -> Result<(), Problem> {
        if self.links.lock().has(operation, uri) {
            return Ok(());
        }
        let text = format!(
            "tool {}: no answer of {operation} links to {uri:?}, as far as is remembered",
            self.server.name
        );
        Err(Problem::new(Code::NotFound, text).remedy(format!(
            "call {operation} and follow a link of its answer, written as it stands there"
        )))
    }

    /// A request went through: what failed before counts no more.
    pub(super) fn note_good(&self) {
        self.pauses.lock().reset();
    }

    /// A server that is down is not asked at once by the next caller.
    fn rest(&self, state: &mut State, problem: Problem) {
        let named = problem.retry_after_ms.map(Duration::from_millis);
        let named = named.unwrap_or_default().min(LONGEST_NAMED);
        let pause = self.pauses.lock().pause().max(named);
        state.resting = Some((Instant::now() + pause, problem));
    }

    /// The connection behind `line` is of no more use. Where another is being made, it is gone already: nobody
    /// waits for that.
    pub(super) fn drop_connection(&self, line: &Line) {
        if let Ok(mut state) = self.state.try_lock() {
            state.open.take_if(|(open, _)| open.is_behind(line));
        }
    }
}

struct State {
    open: Option<(Connection, Instant)>,
    /// Until when it is left alone, and why.
    resting: Option<(Instant, Problem)>,
}

impl Connections {
    pub(super) fn new(connector: Connector) -> Arc<Self> {
        Self::with_times(connector, IDLE, FIRST_PAUSE)
    }

    pub(super) fn with_times(
        connector: Connector,
        idle: Duration,
        first_pause: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            connector,
            entries: Mutex::default(),
            idle,
            pauses: Backoff::new(first_pause, LAST_PAUSE),
        })
    }

    pub(super) fn entry(self: &Arc<Self>, server: &ToolServer) -> Arc<Entry> {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.get(server) {
            return entry.clone();
        }
        if entries.is_empty() {
            self.sweep_while_any();
        }
        let entry = Arc::new(Entry {
            server: server.clone(),
            state: AsyncMutex::new(State {
                open: None,
                resting: None,
            }),
            used: Mutex::new(Instant::now()),
            pauses: Mutex::new(self.pauses),
            links: Mutex::default(),
        });
        entries.insert(server.clone(), entry.clone());
        entry
    }

    /// The other end, connecting where needed. Callers that come meanwhile wait for the same connection;
    /// one that gives up does not stop it, since a server that is slow to start would never be there.
    pub(super) async fn line(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<Line, Problem> {
        *entry.used.lock() = Instant::now();
        if let Some((open, _)) = &entry.state.lock().await.open
            && !open.is_closed()
        {
            return Ok(open.line());
        }
        let (connections, wanted) = (self.clone(), entry.clone());
        let connecting = tokio::spawn(async move { connections.connected(&wanted).await });
        connecting.await.unwrap_or_else(|error| {
            tracing::error!(%error, tool = entry.server.name, "connecting broke off");
            Err(unreachable(
                &entry.server.name,
                "connecting broke off inside the node",
            ))
        })
    }

    async fn connected(&self, entry: &Entry) -> Result<Line, Problem> {
        let mut state = entry.state.lock().await;
        if let Some((open, since)) = &state.open {
            if !open.is_closed() {
                return Ok(open.line());
            }
            if since.elapsed() < SHORT_LIVED && !open.is_unwanted() {
                let problem = unreachable(&entry.server.name, "it ended soon after it was started");
                let problem = open.line().explained(problem);
                entry.rest(&mut state, problem);
            }
            state.open = None;
        }
        if let Some((until, problem)) = &state.resting {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                return Err(problem.clone().retry_after_ms(left.max(1)));
            }
        }
        match self.connector.connect(&entry.server).await {
            Ok(connection) => {
                let line = connection.line();
                state.open = Some((connection, Instant::now()));
                state.resting = None;
                Ok(line)
            }
            Err(problem) => {
                entry.rest(&mut state, problem.clone());
                Err(problem)
            }
        }
    }

    /// One task closes what is idle; it ends with the last entry.
    fn sweep_while_any(self: &Arc<Self>) {
        let connections = Arc::downgrade(self);
        let pause = self.idle / 2;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(connections) = connections.upgrade() else {
                    return;
                };
                let mut entries = connections.entries.lock();
                entries.retain(|_, entry| {
                    Arc::strong_count(entry) > 1 || entry.used.lock().elapsed() < connections.idle
                });
                if entries.is_empty() {
                    return;
                }
            }
        });
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.entries.lock().len()
    }
}
