//! The load generator: sends requests made beforehand over Unix sockets and times the answers.
//!
//! It does as little as can be done per request (one write, one read, one look at the head), so that a
//! ratio between two servers says something about the servers. No server may be special-cased here.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

/// Requests as bytes on the wire, one list a connection.
pub(crate) type Requests = Vec<Vec<Vec<u8>>>;

/// Sends every list over a connection of its own, each request after the answer to the one before;
/// gives requests per second over the whole.
pub(crate) async fn closed_loop(socket: &Path, requests: &Requests) -> Result<f64> {
    let mut connections = Vec::new();
    for _ in requests {
        connections.push(Connection::open(socket).await?);
    }
    let total: usize = requests.iter().map(Vec::len).sum();
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (mut connection, list) in connections.into_iter().zip(requests.clone()) {
        tasks.spawn(async move {
            for request in &list {
                connection.call(request).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(total as f64 / start.elapsed().as_secs_f64())
}

/// Sends at a fixed rate, whether or not answers come; gives each answer's delay from the instant its
/// request was *due* (so a stall counts against all that it held up), sorted.
pub(crate) async fn open_loop(
    socket: &Path,
    requests: &Requests,
    per_second: f64,
) -> Result<Vec<Duration>> {
    let lanes = requests.len() as f64;
    let start = Instant::now() + Duration::from_millis(50);
    let mut tasks = tokio::task::JoinSet::new();
    for (lane, list) in requests.clone().into_iter().enumerate() {
        let mut connection = Connection::open(socket).await?;
        tasks.spawn(async move {
            let mut delays = Vec::with_capacity(list.len());
            for (turn, request) in list.iter().enumerate() {
                let due = start
                    + Duration::from_secs_f64((turn as f64 * lanes + lane as f64) / per_second);
                sleep_until(due).await;
                connection.call(request).await?;
                delays.push(due.elapsed());
            }
            Ok::<_, anyhow::Error>(delays)
        });
    }
    let mut delays = Vec::new();
    while let Some(done) = tasks.join_next().await {
        delays.extend(done??);
    }
    delays.sort_unstable();
    Ok(delays)
}

/// The runtime's timer has a resolution of a millisecond, which would itself be the figure: sleep until
/// shortly before, then give way to other tasks until the instant has come.
async fn sleep_until(due: Instant) {
    let early = due - Duration::from_millis(2);
    if Instant::now() < early {
        tokio::time::sleep_until(early).await;
    }
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}

struct Connection {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)
            .await
            .with_context(|| format!("connecting to {}", socket.display()))?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    async fn call(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the server closed the connection in the middle of an answer"
            );
            if let Some(whole) = answer_length(&self.buffer)?
                && self.buffer.len() >= whole
            {
                return Ok(());
            }
        }
    }
}

/// Length of head and body of the answer in `bytes`, once its head is whole.
fn answer_length(bytes: &[u8]) -> Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes)? else {
        return Ok(None);
    };
    if response.code != Some(200) {
        bail!("the server refused: {}", String::from_utf8_lossy(bytes));
    }
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .context("the answer has no content-length")?;
    let length: usize = std::str::from_utf8(length.value)?.parse()?;
    Ok(Some(head + length))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_is_measured_once_its_head_is_whole() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(answer_length(&whole[..20]).unwrap(), None);
        assert_eq!(answer_length(whole).unwrap(), Some(whole.len()));
    }

    #[test]
    fn a_refusal_is_an_error_and_not_a_fast_answer() {
        let refusal = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
        assert!(answer_length(refusal).is_err());
    }
}
