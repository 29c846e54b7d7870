//! The load generator: sends requests made beforehand over sockets of this machine and times the answers.
//!
//! It does as little as can be done per request (one write, few reads, one look at the head), so that a
//! ratio between two servers says something about the servers. No server may be special-cased here.
//! Connections draw from one list: requests leave in the order of their counters, however unevenly a server
//! treats its connections, so none falls behind the window within which a counter counts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Requests as bytes on the wire, in the order in which they are to leave.
pub(crate) type Requests = Arc<Vec<Vec<u8>>>;

/// Where a server listens.
#[derive(Debug, Clone)]
pub(crate) enum To {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl From<&Path> for To {
    fn from(socket: &Path) -> Self {
        Self::Unix(socket.to_owned())
    }
}

impl From<SocketAddr> for To {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// Before the first request of an open loop is due.
const LEAD: Duration = Duration::from_millis(50);

/// Sends all over so many connections, each its next request after the answer to its last; gives requests
/// per second over the whole.
pub(crate) async fn closed_loop(
    to: impl Into<To>,
    requests: &Requests,
    connections: usize,
) -> Result<f64> {
    let opened = open(&to.into(), connections).await?;
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut connection in opened {
        let (next, requests) = (next.clone(), requests.clone());
        tasks.spawn(async move {
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                connection.call(request).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(requests.len() as f64 / start.elapsed().as_secs_f64())
}

/// Sends at a fixed rate, whether or not answers come; gives each answer's delay from the instant its
/// request was *due* (so a stall counts against all that it held up), sorted.
pub(crate) async fn open_loop(
    to: impl Into<To>,
    requests: &Requests,
    connections: usize,
    per_second: f64,
) -> Result<Vec<Duration>> {
    let opened = open(&to.into(), connections).await?;
    let (next, due) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let start = Instant::now() + LEAD;
    let at = move |index: usize| start + Duration::from_secs_f64(index as f64 / per_second);
    // The runtime's timer has a resolution of a millisecond, which would itself be the figure, and waiting
    // actively would take the server's processor: a thread of its own sleeps as exactly as the system can.
    let (count, clock) = (requests.len(), due.clone());
    std::thread::spawn(move || {
        for index in 0..count {
            std::thread::sleep(at(index).saturating_duration_since(Instant::now()));
            clock.add_permits(1);
        }
        // Everybody's last look at the list.
        clock.add_permits(connections);
    });
    let mut tasks = JoinSet::new();
    for mut connection in opened {
        let (next, due, requests) = (next.clone(), due.clone(), requests.clone());
        tasks.spawn(async move {
            let mut delays = Vec::new();
            loop {
                due.acquire().await?.forget();
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(index) else {
                    return Ok::<_, anyhow::Error>(delays);
                };
                connection.call(request).await?;
                delays.push(at(index).elapsed());
            }
        });
    }
    let mut delays = Vec::new();
    while let Some(done) = tasks.join_next().await {
        delays.extend(done??);
    }
    delays.sort_unstable();
    Ok(delays)
}

async fn open(to: &To, connections: usize) -> Result<Vec<Connection>> {
    let mut opened = Vec::new();
    for _ in 0..connections {
        opened.push(Connection::open(to).await?);
    }
    Ok(opened)
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

struct Connection {
    stream: Box<dyn Duplex>,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(to: &To) -> Result<Self> {
        let stream: Box<dyn Duplex> = match to {
            To::Unix(path) => Box::new(
                UnixStream::connect(path)
                    .await
                    .with_context(|| format!("connecting to {}", path.display()))?,
            ),
            To::Tcp(address) => {
                let stream = TcpStream::connect(address)
                    .await
                    .with_context(|| format!("connecting to {address}"))?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        };
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    async fn call(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let mut length = None;
        loop {
            ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the server closed the connection in the middle of an answer"
            );
            if length.is_none() {
                length = answer_length(&self.buffer)?;
            }
            match length {
                Some(Length::Bytes(whole)) if self.buffer.len() >= whole => return Ok(()),
                Some(Length::Chunks) if self.buffer.ends_with(LAST_CHUNK) => {
                    return stream_is_whole(&self.buffer);
                }
                _ => {}
            }
        }
    }
}

/// How long an answer is, with its head.
#[derive(Debug, PartialEq)]
enum Length {
    Bytes(usize),
    /// Until the last chunk (RFC 9112, 7.1).
    Chunks,
}

/// The end of a chunk, and the last chunk behind it.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// Of the answer in `bytes`, once its head is whole.
fn answer_length(bytes: &[u8]) -> Result<Option<Length>> {
    let mut headers = [httparse::EMPTY_HEADER; 96];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes)? else {
        return Ok(None);
    };
    if response.code != Some(200) {
        bail!("the server refused: {}", String::from_utf8_lossy(bytes));
    }
    let value = |name: &str| {
        let mut headers = response.headers.iter();
        headers.find(|header| header.name.eq_ignore_ascii_case(name))
    };
    if let Some(length) = value("content-length") {
        let length: usize = std::str::from_utf8(length.value)?.parse()?;
        return Ok(Some(Length::Bytes(head + length)));
    }
    value("transfer-encoding").context("the answer has neither a length nor chunks")?;
    Ok(Some(Length::Chunks))
}

/// A stream of a chat that failed half-way has status 200 as well.
fn stream_is_whole(bytes: &[u8]) -> Result<()> {
    ensure!(
        memchr::memmem::rfind(bytes, b"data: [DONE]").is_some(),
        "the stream is not whole: {}",
        String::from_utf8_lossy(bytes)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_is_measured_once_its_head_is_whole() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(answer_length(&whole[..20]).unwrap(), None);
        assert_eq!(
            answer_length(whole).unwrap(),
            Some(Length::Bytes(whole.len()))
        );
    }

    #[test]
    fn a_refusal_is_an_error_and_not_a_fast_answer() {
        let refusal = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
        assert!(answer_length(refusal).is_err());
    }

    #[test]
    fn a_stream_that_fails_half_way_is_an_error() {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(answer_length(head).unwrap(), Some(Length::Chunks));
        assert!(stream_is_whole(b"data: {\"error\":{}}\n\n\r\n0\r\n\r\n").is_err());
        assert!(stream_is_whole(b"data: [DONE]\n\n\r\n0\r\n\r\n").is_ok());
    }

    /// Answers on every connection, the first only when `slow` others' requests have come; gives the
    /// numbers in the order in which they came.
    async fn server(listener: tokio::net::UnixListener, slow: usize) -> Vec<usize> {
        let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for lane in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let seen = seen.clone();
            tasks.spawn(async move {
                let mut bytes = [0; 1];
                while stream.read(&mut bytes).await.unwrap() > 0 {
                    seen.lock().push(usize::from(bytes[0]));
                    while lane == 0 && seen.lock().len() < slow {
                        tokio::task::yield_now().await;
                    }
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
        while tasks.join_next().await.is_some() {}
        std::mem::take(&mut seen.lock())
    }

    #[tokio::test]
    async fn a_connection_that_is_served_slowly_holds_one_request_back_and_not_a_share_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let requests: Requests = Arc::new((0..100).map(|number| vec![number]).collect());
        for paced in [false, true] {
            let path = socket.with_extension(paced.to_string());
            let listener = tokio::net::UnixListener::bind(&path).unwrap();
            let server = tokio::spawn(server(listener, 99));
            match paced {
                false => drop(closed_loop(&*path, &requests, 2).await.unwrap()),
                true => {
                    let delays = open_loop(&*path, &requests, 2, 10_000.0).await.unwrap();
                    assert_eq!(delays.len(), 100);
                }
            }
            let seen = server.await.unwrap();
            let late = seen.windows(2).filter(|pair| pair[0] > pair[1]).count();
            assert_eq!(seen.len(), 100);
            assert!(late <= 2, "{seen:?}");
        }
    }
}
