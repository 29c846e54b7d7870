//! What a gateway needs to tell many what happens: a thousand WebSockets, each told a thousand events a second. The node is a feed of
//! this program's own making; how long an event takes is measured from there to where each reader has it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::programs::{Running, path, peak_mib, scratch};
use crate::report::Figure;

const READERS: usize = 1_000;
const PER_SECOND: u64 = 1_000;
const SECONDS: u64 = 10;
/// Of which these warm everything up.
const WARM: u64 = 2;
/// Buckets of a tenth of a millisecond.
const BUCKETS: usize = 20_000;
const BOUND: Duration = Duration::from_secs(60);
/// What each event has before its time.
const TIME: &[u8] = b"\"text\":\"";

/// What readers found.
struct Found {
    began: Instant,
    delays: Vec<AtomicU32>,
    heard: AtomicU64,
    missed: AtomicU64,
}

/// Measures both figures.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let home = scratch()?;
    std::fs::create_dir(home.path().join("asking"))?;
    let listener = std::os::unix::net::UnixListener::bind(home.path().join("asking/node.sock"))?;
    listener.set_nonblocking(true)?;
    let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port();
    let mut command = Command::new(path("aion-gateway")?);
    command.arg("--home").arg(home.path());
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    let gateway = Running::start(&mut command)?;
    let found = runtime.block_on(fan_out(home.path(), listener, port))?;
    let heard = found.heard.load(Ordering::Relaxed);
    let sent = READERS as u64 * PER_SECOND * (SECONDS - WARM);
    ensure!(heard > 0, "nothing was told");
    let missed = found.missed.load(Ordering::Relaxed);
    Ok(vec![
        Figure::plain("events_fanout_p99_ms", found.at(0.99), "ms", "≤ 50"),
        Figure::plain("events_fanout_p50_ms", found.at(0.50), "ms", ""),
        Figure::against(
            "events_fanout_told",
            heard as f64,
            "events",
            sent as f64,
            if missed == 0 {
                "all"
            } else {
                "all; some were missed"
            },
        ),
        Figure::plain(
            "events_fanout_peak_mib",
            peak_mib(gateway.pid())?,
            "MiB",
            "≤ 64",
        ),
    ])
}

impl Found {
    /// The delay that such a part does not exceed, in milliseconds.
    fn at(&self, part: f64) -> f64 {
        let all = self
            .delays
            .iter()
            .map(|it| u64::from(it.load(Ordering::Relaxed)));
        let mut left = (self.heard.load(Ordering::Relaxed) as f64 * part).ceil() as u64;
        for (bucket, count) in all.enumerate() {
            left = left.saturating_sub(count);
            if left == 0 {
                return (bucket + 1) as f64 / 10.0;
            }
        }
        f64::INFINITY
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Takes note of one frame's text.
    fn note(&self, text: &[u8], now: u64) {
        let Some(at) = memchr::memmem::find(text, TIME) else {
            self.missed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let digits = text[at + TIME.len()..]
            .iter()
            .take_while(|it| it.is_ascii_digit());
        let sent = digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        if sent < WARM * 1_000_000 {
            return;
        }
        let bucket = usize::try_from(now.saturating_sub(sent) / 100).unwrap_or(usize::MAX);
        self.delays[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
        self.heard.fetch_add(1, Ordering::Relaxed);
    }
}

async fn fan_out(
    home: &Path,
    listener: std::os::unix::net::UnixListener,
    port: u16,
) -> Result<Arc<Found>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listens = async {
        while TcpStream::connect(address).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(BOUND, listens)
        .await
        .context("the gateway does not listen")?;
    let token = std::fs::read_to_string(home.join("gateway/token"))?;
    let (go, begins) = watch::channel(None);
    tokio::spawn(feed(UnixListener::from_std(listener)?, begins));
    let mut readers = Vec::with_capacity(READERS);
    for _ in 0..READERS {
        readers.push(timeout(BOUND, subscribed(address, token.trim())).await??);
    }
    let found = Arc::new(Found {
        began: Instant::now(),
        delays: (0..BUCKETS).map(|_| AtomicU32::new(0)).collect(),
        heard: AtomicU64::new(0),
        missed: AtomicU64::new(0),
    });
    go.send_replace(Some(found.began));
    let reading: Vec<_> = readers
        .into_iter()
        .map(|stream| tokio::spawn(read(stream, Arc::clone(&found))))
        .collect();
    sleep(Duration::from_secs(SECONDS)).await;
    // What is on its way arrives.
    sleep(Duration::from_secs(1)).await;
    for reader in reading {
        reader.abort();
    }
    Ok(found)
}

/// Tells one event a millisecond, each with when it was told.
async fn feed(listener: UnixListener, mut begins: watch::Receiver<Option<Instant>>) -> Result<()> {
    let (mut stream, _) = listener.accept().await?;
    let mut head = [0; 4096];
    let _ = stream.read(&mut head).await?;
    stream
        .write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n\
              data: {\"cursor\":\"1-0\",\"listening\":{}}\n\n",
        )
        .await?;
    let began = begins
        .wait_for(Option::is_some)
        .await?
        .context("it begins")?;
    let mut pace = interval(Duration::from_millis(1_000 / PER_SECOND));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 1..=PER_SECOND * SECONDS {
        pace.tick().await;
        let event = format!(
            "data: {{\"cursor\":\"1-{number}\",\"event\":{{\"atMs\":1764460800000,\"agent\":\"default/librarian\",\
             \"kind\":\"log\",\"incarnation\":1,\"source\":\"stdout\",\"text\":\"{}\"}}}}\n\n",
            began.elapsed().as_micros()
        );
        stream.write_all(event.as_bytes()).await?;
    }
    // It stays open: its end would be told, too.
    std::future::pending().await
}

/// A connection with a subscription to everything.
async fn subscribed(address: SocketAddr, token: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut request = format!("ws://{address}/v1/events").into_client_request()?;
    let bearer = format!("Bearer {token}").parse()?;
    request.headers_mut().insert("authorization", bearer);
    let (mut socket, _) = client_async(request, stream).await?;
    let subscribe = r#"{"subscribe": {"id": "all"}}"#;
    socket.send(Message::Text(subscribe.into())).await?;
    let answer = socket.next().await.context("an answer")??;
    ensure!(answer.to_text()?.contains("subscribed"), "{answer}");
    Ok(socket.into_inner())
}

/// Reads frames as cheaply as can be: what is measured is the other end.
async fn read(mut stream: TcpStream, found: Arc<Found>) -> Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the gateway closed a connection");
        filled += read;
        let now = found.micros();
        let mut at = 0;
        while let Some((text, end)) = frame(&buffer[at..filled]) {
            // Pings are shorter than any text.
            if text.len() > 8 {
                found.note(text, now);
            }
            at += end;
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
    }
}

/// The first frame's content, and where it ends.
fn frame(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (begins, length) = match *bytes.get(1)? {
        126 => (
            4,
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        ),
        127 => return None,
        short => (2, usize::from(short)),
    };
    let end = begins + length;
    Some((bytes.get(begins..end)?, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_one_after_another() {
        let mut bytes = vec![0x81, 2, b'a', b'b', 0x81, 126, 0, 200];
        bytes.extend([b'x'; 200]);
        let (text, end) = frame(&bytes).unwrap_or_default();
        assert_eq!((text, end), (&b"ab"[..], 4));
        let (text, end) = frame(&bytes[4..]).unwrap_or_default();
        assert_eq!((text.len(), end), (200, 204));
        assert!(frame(&bytes[4..100]).is_none());
    }
}
