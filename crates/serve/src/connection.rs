//! Serving on connections, from the first to the last.
//!
//! Whoever reached the listener before it closed is answered. So at the stop it goes on accepting until nobody has
//! come for a moment, and a connection whose request was not read yet is not closed before it was.

use std::{io, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long the head of a request may take.
const HEADERS: Duration = Duration::from_secs(30);
/// The pause after a connection that could not be accepted.
const AGAIN: Duration = Duration::from_millis(100);
/// At the stop: nobody has come for so long, so nobody waits to be accepted.
const QUIET: Duration = Duration::from_millis(100);
/// At the stop: how long those are accepted who go on coming, and a request is waited for on a connection.
const LAST: Duration = Duration::from_secs(1);

/// Where connections come from.
pub trait Accepting: Send {
    /// What comes.
    type Connection: Send + 'static;

    /// The next one. Safe to drop and call again.
    fn next(&mut self) -> impl Future<Output = io::Result<Self::Connection>> + Send;
}

/// Has each connection of `listener` handled until `stop`, and then those that wait already; returns when all are
/// over. What is accepted may be bounded by what [`Accepting::next`] waits for.
pub async fn accept<A, H, F>(mut listener: A, handle: H, stop: CancellationToken)
where
    A: Accepting,
    H: Fn(A::Connection) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let connections = TaskTracker::new();
    let take = async |accepted: io::Result<A::Connection>| match accepted {
        Ok(connection) => {
            connections.spawn(handle(connection));
        }
        Err(error) => {
            tracing::warn!(%error, "a connection was not accepted");
            sleep(AGAIN).await;
        }
    };
    while let Some(accepted) = stop.run_until_cancelled(listener.next()).await {
        take(accepted).await;
    }
    let last = Instant::now() + LAST;
    while Instant::now() < last
        && let Ok(accepted) = timeout(QUIET, listener.next()).await
    {
        take(accepted).await;
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Answers on one connection until it closes. After `stop` a request that comes is answered still; then, and where
/// none comes, the connection closes, but for what is under way.
pub async fn connection<S>(stream: S, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        // What becomes a WebSocket is let go of here, with its place among connections.
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let stopped = async {
        stop.cancelled().await;
        // What is on its way to this connection was sent before anybody could know.
        sleep(LAST).await;
    };
    tokio::select! {
        _ = serving.as_mut() => return,
        () = stopped => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = serving.await;
}
