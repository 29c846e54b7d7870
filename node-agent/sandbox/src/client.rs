//! The daemon's side of the protocol: one connection, its requests as async
//! calls, exits as a stream. No policy and no retries: a lost connection ends
//! the stream, and the caller connects again.

use std::collections::HashMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use aion_abi::kernel_event::KernelHook;

use crate::layer::LayerReading;
use crate::protocol::{
    Exited, Invalid, Measured, Pressure, Refusable, Reply, Request, Start, StartFailure, Traced,
    VERSION, Worker, WorkerId,
};
use crate::wire::{self, WireError};

/// What waits for the daemon to take it; reading stops beyond.
const TOLD_WAITING: usize = 256;

/// What the launcher tells without being asked.
#[derive(Clone, Debug)]
pub enum Told {
    /// A worker ended.
    Exited(Exited),
    /// What the kernel was seen to do with one.
    Traced(Traced),
    /// The memory of one is close to its limit.
    Pressure(Pressure),
}

/// Why a request to the launcher failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there, or it may not be reached.
    #[error("cannot reach the launcher at {path}: {source}")]
    Unreachable {
        /// The socket.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The launcher speaks another version.
    #[error(
        "the launcher speaks version {0} of the protocol and this daemon {VERSION}; install both from one release"
    )]
    Version(u32),
    /// The connection is lost; every request in flight ends so.
    #[error("the connection to the launcher is lost")]
    Lost,
    /// The launcher did not start the worker.
    #[error("worker not started: {why}")]
    NotStarted {
        /// What kind of failure.
        failure: StartFailure,
        /// What happened.
        why: String,
    },
    /// The launcher refused.
    #[error("the launcher refused: {0}")]
    Refused(String),
    /// A request of this kind about this worker is in flight.
    #[error("a request of this kind about this worker is in flight")]
    InFlight,
    /// Breaks a bound of the protocol; not sent.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The number of descriptors does not fit the runtime.
    #[error("the start does not come with the descriptors that its runtime takes")]
    Descriptors,
    /// The packet could not be sent.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// The descriptors of a [`Start`].
#[derive(Debug)]
pub struct StartFds<'a> {
    /// Read end of the boot document.
    pub boot: BorrowedFd<'a>,
    /// Write end for standard output.
    pub stdout: BorrowedFd<'a>,
    /// Write end for standard error.
    pub stderr: BorrowedFd<'a>,
    /// What further the runtime takes, in the order of [`Start`].
    pub rest: Vec<BorrowedFd<'a>>,
}

/// A worker that waits at its gate.
#[derive(Debug)]
pub struct Started {
    /// See [`Worker::pid`].
    pub pid: u32,
    /// See [`Worker::start_time`].
    pub start_time: u64,
    /// Every layer, read back.
    pub layers: Vec<LayerReading>,
    /// The doors of its network; see [`Start::doors`].
    pub doors: Vec<OwnedFd>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Hello,
    Start(WorkerId),
    Refusable(WorkerId, Refusable),
    List,
    Features,
}

/// Where the answers of a request in flight go; `None` once the connection is
/// lost.
type Pending = Option<HashMap<Key, mpsc::UnboundedSender<Packet>>>;

/// An answer and the descriptors that came beside it.
type Packet = (Reply, Vec<OwnedFd>);

struct Shared {
    /// Of type `SOCK_SEQPACKET`; tokio's name for it is only what waits.
    socket: UnixDatagram,
    pending: Mutex<Pending>,
}

/// A connection to the launcher. Clones share it; it closes with the last one.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Arc<Connection>,
}

struct Connection {
    shared: Arc<Shared>,
    reader: AbortHandle,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Client {
    /// Connects and says hello. The receiver yields exits, those of earlier
    /// connections that were not acknowledged first; it ends when the
    /// connection is lost.
    pub async fn connect(path: &Path) -> Result<(Self, mpsc::Receiver<Exited>), ClientError> {
        let (client, mut told) = Self::connect_traced(path).await?;
        let (exits, receiver) = mpsc::channel(TOLD_WAITING);
        tokio::spawn(async move {
            while let Some(told) = told.recv().await {
                if let Told::Exited(exited) = told
                    && exits.send(exited).await.is_err()
                {
                    return;
                }
            }
        });
        Ok((client, receiver))
    }

    /// As [`Client::connect`], for whoever wants to know what workers do in the kernel, too.
    pub async fn connect_traced(path: &Path) -> Result<(Self, mpsc::Receiver<Told>), ClientError> {
        let socket = dial(path).map_err(|source| ClientError::Unreachable {
            path: path.display().to_string(),
            source,
        })?;
        let shared = Arc::new(Shared {
            socket,
            pending: Mutex::new(Some(HashMap::new())),
        });
        let (told, receiver) = mpsc::channel(TOLD_WAITING);
        let reader = tokio::spawn(read(shared.clone(), told)).abort_handle();
        let client = Self {
            connection: Arc::new(Connection { shared, reader }),
        };
        let said = client
            .ask(Key::Hello, &Request::Hello { version: VERSION }, &[])
            .await?;
        match said.0 {
            Reply::Hello {
                version: VERSION, ..
            } => Ok((client, receiver)),
            Reply::Hello { version, .. } => Err(ClientError::Version(version)),
            _ => Err(ClientError::Lost),
        }
    }

    /// Starts a worker and waits until it is confined and read back.
    pub async fn start(&self, start: Start, fds: StartFds<'_>) -> Result<Started, ClientError> {
        let mut list = vec![fds.boot, fds.stdout, fds.stderr];
        list.extend(fds.rest);
        if list.len() != start.fds() {
            return Err(ClientError::Descriptors);
        }
        let (key, wanted) = (Key::Start(start.id.clone()), start.doors());
        let (reply, doors) = self
            .ask(key, &Request::Start(Box::new(start)), &list)
            .await?;
        match reply {
            Reply::Started {
                pid,
                start_time,
                layers,
                ..
            } if doors.len() == wanted => Ok(Started {
                pid,
                start_time,
                layers,
                doors,
            }),
            Reply::StartFailed { failure, why, .. } => {
                Err(ClientError::NotStarted { failure, why })
            }
            _ => Err(ClientError::Lost),
        }
    }

    /// Lets a started worker run.
    pub async fn open_gate(&self, id: &WorkerId) -> Result<(), ClientError> {
        let key = Key::Refusable(id.clone(), Refusable::OpenGate);
        let reply = self
            .ask(key, &Request::OpenGate { id: id.clone() }, &[])
            .await?;
        unless_refused(reply.0)
    }

    /// Asks a worker to stop and kills it after `grace`; returns once it was
    /// asked. Its end comes as an exit.
    pub async fn kill(&self, id: &WorkerId, grace: Duration) -> Result<(), ClientError> {
        let key = Key::Refusable(id.clone(), Refusable::Kill);
        let request = Request::Kill {
            id: id.clone(),
            grace_ms: u32::try_from(grace.as_millis()).unwrap_or(u32::MAX),
        };
        unless_refused(self.ask(key, &request, &[]).await?.0)
    }

    /// What a worker used since it was last asked.
    pub async fn measure(&self, id: &WorkerId) -> Result<Measured, ClientError> {
        let key = Key::Refusable(id.clone(), Refusable::Measure);
        let request = Request::Measure { id: id.clone() };
        match self.ask(key, &request, &[]).await?.0 {
            Reply::Measured { measured, .. } => Ok(measured),
            Reply::Refused { why, .. } => Err(ClientError::Refused(why)),
            _ => Err(ClientError::Lost),
        }
    }

    /// The workers that run.
    pub async fn list(&self) -> Result<Vec<Worker>, ClientError> {
        let mut answers = self.register(Key::List)?;
        let sent = self.send(&Request::List, &[]).await;
        let mut all = Vec::new();
        let outcome = loop {
            if let Err(error) = sent {
                break Err(error);
            }
            match answers.recv().await {
                Some((Reply::Workers { workers, more }, _)) => {
                    all.extend(workers);
                    if !more {
                        break Ok(all);
                    }
                }
                _ => break Err(ClientError::Lost),
            }
        };
        self.forget(&Key::List);
        outcome
    }

    /// What this machine can enforce.
    pub async fn features(&self) -> Result<Vec<LayerReading>, ClientError> {
        Ok(self.found().await?.0)
    }

    /// What the launcher follows workers by.
    pub async fn hooks(&self) -> Result<Vec<KernelHook>, ClientError> {
        Ok(self.found().await?.1)
    }

    async fn found(&self) -> Result<(Vec<LayerReading>, Vec<KernelHook>), ClientError> {
        match self.ask(Key::Features, &Request::Features, &[]).await?.0 {
            Reply::Features { layers, hooks } => Ok((layers, hooks)),
            _ => Err(ClientError::Lost),
        }
    }

    /// Lets the launcher forget an exit that is recorded.
    pub async fn acknowledge(&self, id: &WorkerId) -> Result<(), ClientError> {
        self.send(&Request::Acknowledge { id: id.clone() }, &[])
            .await
    }

    async fn ask(
        &self,
        key: Key,
        request: &Request,
        fds: &[BorrowedFd<'_>],
    ) -> Result<Packet, ClientError> {
        let mut answers = self.register(key.clone())?;
        let outcome = match self.send(request, fds).await {
            Ok(()) => answers.recv().await.ok_or(ClientError::Lost),
            Err(error) => Err(error),
        };
        self.forget(&key);
        outcome
    }

    fn register(&self, key: Key) -> Result<mpsc::UnboundedReceiver<Packet>, ClientError> {
        let mut pending = self.connection.shared.pending.lock();
        let waiting = pending.as_mut().ok_or(ClientError::Lost)?;
        if waiting.contains_key(&key) {
            return Err(ClientError::InFlight);
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        waiting.insert(key, sender);
        Ok(receiver)
    }

    fn forget(&self, key: &Key) {
        if let Some(waiting) = self.connection.shared.pending.lock().as_mut() {
            waiting.remove(key);
        }
    }

    async fn send(&self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<(), ClientError> {
        request.check()?;
        let socket = &self.connection.shared.socket;
        socket
            .async_io(Interest::WRITABLE, || {
                wire::send(socket, request, fds).map_err(would_block)
            })
            .await
            .map_err(|error| match error.downcast::<WireError>() {
                Ok(WireError::Closed) | Err(_) => ClientError::Lost,
                Ok(error) => error.into(),
            })
    }
}

/// Readiness is tokio's business, so the one error it knows is handed to it.
fn would_block(error: WireError) -> std::io::Error {
    match error {
        WireError::WouldBlock => std::io::ErrorKind::WouldBlock.into(),
        error => std::io::Error::other(error),
    }
}

fn unless_refused(reply: Reply) -> Result<(), ClientError> {
    match reply {
        Reply::GateOpened { .. } | Reply::Stopping { .. } => Ok(()),
        Reply::Refused { why, .. } => Err(ClientError::Refused(why)),
        _ => Err(ClientError::Lost),
    }
}

fn dial(path: &Path) -> std::io::Result<UnixDatagram> {
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    UnixDatagram::from_std(socket.into())
}

async fn read(shared: Arc<Shared>, told: mpsc::Sender<Told>) {
    loop {
        let taken = shared
            .socket
            .async_io(Interest::READABLE, || {
                wire::receive::<Reply>(&shared.socket).map_err(would_block)
            })
            .await;
        let Ok((reply, fds)) = taken else {
            break;
        };
        let unasked = match &reply {
            Reply::Exited(exited) => Some(Told::Exited(exited.clone())),
            Reply::Traced(traced) => Some(Told::Traced(traced.clone())),
            Reply::Pressure(pressure) => Some(Told::Pressure(pressure.clone())),
            _ => None,
        };
        if let Some(unasked) = unasked {
            if told.send(unasked).await.is_err() {
                break;
            }
            continue;
        }
        let key = match &reply {
            Reply::Exited(_) | Reply::Traced(_) | Reply::Pressure(_) => continue,
            Reply::Hello { .. } => Key::Hello,
            Reply::Started { id, .. } | Reply::StartFailed { id, .. } => Key::Start(id.clone()),
            Reply::GateOpened { id } => Key::Refusable(id.clone(), Refusable::OpenGate),
            Reply::Measured { id, .. } => Key::Refusable(id.clone(), Refusable::Measure),
            Reply::Stopping { id } => Key::Refusable(id.clone(), Refusable::Kill),
            Reply::Refused { id, request, .. } => Key::Refusable(id.clone(), *request),
            Reply::Workers { .. } => Key::List,
            Reply::Features { .. } => Key::Features,
        };
        if let Some(waiting) = shared.pending.lock().as_ref()
            && let Some(sender) = waiting.get(&key)
        {
            // A caller that stopped waiting is not a reason to end the connection.
            let _ = sender.send((reply, fds));
        }
    }
    // Drops every sender: whoever waits learns that the connection is lost.
    shared.pending.lock().take();
}
