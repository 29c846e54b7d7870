//! Serving the interface on a Unix socket.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::UnixListener,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Why the interface cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket.
    #[error("cannot serve the admin interface at {path}: {source}")]
    Unix {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The address.
    #[error("cannot serve at {address}: {source}")]
    Tcp {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Tokens would cross the network in plain text.
    #[error(
        "cannot serve at {0} without TLS, since other machines reach it: give a certificate with --api-tls-cert and --api-tls-key, or listen at 127.0.0.1"
    )]
    Plain(SocketAddr),
}

/// How long the head of a request may take.
const HEADERS: Duration = Duration::from_secs(30);

/// Serves on a socket that only this user may open, until `stop`; then lets what is under way end, but for
/// streams that nothing ends.
pub(crate) async fn serve_unix(
    path: &Path,
    router: Router,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()> + use<>, ServeError> {
    let listener = bind(path).map_err(|source| ServeError::Unix {
        path: path.to_owned(),
        source,
    })?;
    let own = rustix::process::geteuid().as_raw();
    Ok(async move {
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    // The mode keeps others out; this holds also where the folder's mode is changed.
                    let peer = stream.peer_cred().map(|peer| peer.uid());
                    if peer.is_ok_and(|uid| uid == own || uid == 0) {
                        connections.spawn(connection(stream, router.clone(), stop.clone()));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the admin interface was not accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
        connections.close();
        connections.wait().await;
    })
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    crate::files::remove_if_there(path)?;
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers on one connection until it closes, or until `stop` and the end of what is under way.
pub(super) async fn connection<S>(stream: S, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => return,
        () = stop.cancelled() => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = serving.await;
}
