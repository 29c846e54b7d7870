//! Serving on connections, from the first to the last.
//!
//! Whoever reached the listener before it closed is answered. So at the stop it goes on accepting until nobody has
//! come for a moment, and a connection whose request was not read yet is not closed before it was. Clients that keep
//! connections hear with the next answer that this one closes.

use std::{io, time::Duration};

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::util::MapResponse;

/// How long the head of a request may take.
const HEADERS: Duration = Duration::from_secs(30);
/// How many headers a request has at most, and how large they and its address are together, in bytes.
const MOST_HEADERS: usize = 100;
const LARGEST_HEAD: usize = 64 << 10;
/// The pause after a connection that could not be accepted.
const AGAIN: Duration = Duration::from_millis(100);
/// At the stop: nobody has come for so long, so nobody waits to be accepted.
const QUIET: Duration = Duration::from_millis(100);
/// At the stop: how long those are accepted who go on coming, and a request is waited for on a connection. A client
/// keeps one that it does not use for less than that.
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
    let stops = stop.clone();
    let router = MapResponse::new(router, move |mut answer: Response| {
        // What becomes a WebSocket says so in that header, and is told of the stop by itself.
        if stops.is_cancelled() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let closes = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, closes);
        }
        answer
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        // What becomes a WebSocket is let go of here; it keeps its place among connections to its end.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// The status that a request with these headers has; none where the connection closes without a word.
    async fn status(headers: &str) -> Option<u16> {
        let (mut here, there) = duplex(1 << 20);
        let router = Router::new().route("/", get(|| async {}));
        let serving = tokio::spawn(connection(there, router, CancellationToken::new()));
        let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{headers}");
        here.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 64];
        let length = here.read(&mut answer).await.unwrap();
        drop(here);
        serving.await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        answer.split(' ').nth(1)?.parse().ok()
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_or_has_too_many_headers_is_refused() {
        assert_eq!(status("a: b\r\n\r\n").await, Some(200));
        let many = |count: usize| format!("{}\r\n", "a: b\r\n".repeat(count));
        // With the host.
        assert_eq!(status(&many(MOST_HEADERS - 1)).await, Some(200));
        assert_eq!(status(&many(MOST_HEADERS)).await, Some(431));
        // What comes with one read more is read.
        let large = format!("a: {}\r\n\r\n", "b".repeat(2 * LARGEST_HEAD));
        assert_eq!(status(&large).await, Some(431));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_kept_closes_with_its_first_answer_after_the_stop() {
        let (mut here, there) = duplex(1 << 10);
        let router = Router::new().route("/", get(|| async {}));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(connection(there, router, stop.clone()));
        let mut ask = async || {
            here.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
                .await
                .unwrap();
            let mut answer = vec![0; 512];
            let length = here.read(&mut answer).await.unwrap();
            String::from_utf8(answer[..length].to_vec()).unwrap()
        };
        assert!(!ask().await.contains("connection: close"));
        stop.cancel();
        let last = ask().await;
        assert!(last.starts_with("HTTP/1.1 200") && last.contains("connection: close"));
        serving.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_is_not_waited_for() {
        let began = Instant::now();
        let (mut here, there) = duplex(1 << 10);
        let serving = connection(there, Router::new(), CancellationToken::new());
        let serving = tokio::spawn(serving);
        here.write_all(b"GET / HTTP/1.1\r\nhost").await.unwrap();
        serving.await.unwrap();
        assert_eq!(began.elapsed().as_secs(), HEADERS.as_secs());
    }
}
