//! Where a running worker's requests come in: its socket, or the way into it where it is elsewhere.
//!
//! The socket lies in a folder of its own, which only the daemon's user may enter; the launcher shows it to the
//! worker. A daemon that starts again binds the same path.

use std::{
    convert::Infallible,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aion_abi::notice::Notice;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{UnixListener, UnixStream},
    sync::OwnedSemaphorePermit,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{Doors, Reactors, Session, connection, doors::Run};

/// The longest path that a Unix socket can have, in bytes.
const MAX_PATH: usize = 107;

/// How long after a failed accept (too many open files) the next comes.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Why a socket could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// The path is too long.
    #[error(
        "the socket {0} has a path of over {MAX_PATH} bytes: put the node's home at a shorter path"
    )]
    TooLong(PathBuf),
    /// The operating system refused.
    #[error("cannot listen at {path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A run whose requests are answered. Dropping it ends that, and what is under way.
#[derive(Debug)]
pub(crate) struct Listener {
    place: Place,
    session: Arc<Session>,
    stop: CancellationToken,
}

#[derive(Debug)]
enum Place {
    Socket { path: PathBuf, keep: bool },
    Door(Doors, Run),
}

impl Listener {
    /// Binds `path` and serves `session` on it, its connections on `reactors`.
    ///
    /// # Errors
    /// [`ListenError`].
    pub(crate) fn start(
        path: &Path,
        session: Arc<Session>,
        reactors: Arc<Reactors>,
    ) -> Result<Self, ListenError> {
        if path.as_os_str().len() > MAX_PATH {
            return Err(ListenError::TooLong(path.to_owned()));
        }
        let listener = bind(path).map_err(|source| ListenError::Io {
            path: path.to_owned(),
            source,
        })?;
        let stop = CancellationToken::new();
        tokio::spawn(accept(
            listener,
            Arc::clone(&session),
            reactors,
            stop.clone(),
        ));
        let (path, keep) = (path.to_owned(), false);
        Ok(Self {
            place: Place::Socket { path, keep },
            session,
            stop,
        })
    }

    /// Opens a way into a run that is elsewhere.
    pub(crate) fn door(doors: &Doors, session: Arc<Session>) -> Self {
        let run = (session.caller.turn, session.incarnation);
        let stop = CancellationToken::new();
        doors.open(run, Arc::clone(&session), stop.clone());
        Self {
            place: Place::Door(doors.clone(), run),
            session,
            stop,
        }
    }

    /// Tells the program what it should know.
    pub(crate) fn tell(&self, notice: &Notice) {
        self.session.notices.tell(notice);
    }

    /// Closes it, but leaves its place for the next daemon, which the worker is waiting for.
    pub(crate) fn leave(mut self) {
        if let Place::Socket { keep, .. } = &mut self.place {
            *keep = true;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
        match &self.place {
            Place::Socket { path, keep: false } => {
                let _ = fs::remove_file(path);
                if let Some(folder) = path.parent() {
                    let _ = fs::remove_dir(folder);
                }
            }
            Place::Socket { .. } => {}
            Place::Door(doors, run) => doors.close(*run),
        }
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        crate::files::private_folder(folder)?;
        // A worker is another user, and sees the folder and nothing above it.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o711))?;
    }
    crate::files::remove_if_there(path)?;
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

async fn accept(
    listener: UnixListener,
    session: Arc<Session>,
    reactors: Arc<Reactors>,
    stop: CancellationToken,
) {
    // Dropped with this task, which ends them all: none looks at the token itself, each time that it is woken.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // Taken first: beyond its share a worker waits in the backlog.
        let permit = tokio::select! {
            () = stop.cancelled() => return,
            permit = Arc::clone(&session.admission.connections).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { return };
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match stream.and_then(|(stream, _)| stream.into_std()) {
            Ok(stream) => {
                let connection = serve(stream, Arc::clone(&session), permit);
                connections.spawn_on(connection, reactors.next());
            }
            Err(error) => {
                tracing::warn!(%error, "a worker's connection was not accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn serve(
    stream: std::os::unix::net::UnixStream,
    session: Arc<Session>,
    _permit: OwnedSemaphorePermit,
) {
    // Known to this thread's poller from here on.
    let stream = match UnixStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "a worker's connection was not taken");
            return;
        }
    };
    let service = service_fn(move |request| {
        let answered = connection::answer(Arc::clone(&session), request);
        async { Ok::<_, Infallible>(answered.await) }
    });
    // No time-out on heads: a worker that is slow or silent holds up only its own few connections.
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A connection that breaks is the worker's business; its calls were given up by their tickets.
    let _ = connection.await;
}
