//! A connection to somebody who may stop reading: what is written waits for them so long and no longer.
//!
//! Whoever reads slowly is waited for, as long as they read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep},
};

/// How long nothing may be read of what waits to be.
const UNREAD: Duration = Duration::from_secs(60);

/// See the module.
pub struct Patience<S> {
    stream: S,
    /// Its place among others, held as long as it is there.
    _room: OwnedSemaphorePermit,
    /// Until when, while something waits.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Patience<S> {
    pub(crate) fn new(stream: S, room: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            _room: room,
            until: None,
        }
    }

    /// Passes on what was done, and counts while nothing can be.
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        done: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.until = None;
            return done;
        }
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(UNREAD)));
        ready!(until.as_mut().poll(context));
        // Also what is tried after this ends at once.
        until.as_mut().reset(Instant::now());
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.bounded(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bounded(context, done)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use axum::{Router, body::Body, routing::get};
    use futures::stream;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        sync::Semaphore,
    };
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::connection;

    /// An answer without end, to somebody on the other side.
    async fn asked() -> (DuplexStream, tokio::task::JoinHandle<()>) {
        let (mut here, there) = duplex(64);
        let endless = || async {
            let piece = || Ok::<_, io::Error>(vec![b'.'; 64]);
            Body::from_stream(stream::repeat_with(piece))
        };
        let router = Router::new().route("/", get(endless));
        let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let serving = connection(Patience::new(there, room), router, CancellationToken::new());
        let serving = tokio::spawn(serving);
        here.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        (here, serving)
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_no_more_has_no_connection_after_its_time() {
        let (mut here, serving) = asked().await;
        here.read_exact(&mut [0; 15]).await.unwrap();
        let began = Instant::now();
        serving.await.unwrap();
        assert_eq!(began.elapsed().as_secs(), UNREAD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_is_waited_for() {
        let (mut here, serving) = asked().await;
        for _ in 0..64 {
            sleep(UNREAD - Duration::from_secs(1)).await;
            here.read_exact(&mut [0; 64]).await.unwrap();
        }
        assert!(!serving.is_finished());
        drop(here);
        serving.await.unwrap();
    }
}
