//! The sockets at which a run asks for names, by datagram and by stream.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{Run, answer::answer};

/// The longest question: one name and what a resolver says of itself.
const LONGEST: usize = 512;
/// Streams of one run at a time, and questions over one of them.
const STREAMS: usize = 4;
const QUESTIONS: usize = 64;
/// How long a stream may say nothing.
const SILENT: Duration = Duration::from_secs(5);
/// Before a socket that fails is tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn datagrams(socket: UdpSocket, run: Arc<Run>) {
    let mut asked = [0; LONGEST];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut asked).await else {
            sleep(PAUSE).await;
            continue;
        };
        if let Some(bytes) = run.answered(&asked[..length]) {
            // Who does not take it asks again.
            let _ = socket.send_to(&bytes, from).await;
        }
    }
}

pub(super) async fn streams(listener: TcpListener, run: Arc<Run>) {
    let room = Arc::new(Semaphore::new(STREAMS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let run = Arc::clone(&run);
        tokio::spawn(async move {
            let _ = stream_of(stream, &run).await;
            drop(permit);
        });
    }
}

async fn stream_of(mut stream: TcpStream, run: &Run) -> io::Result<()> {
    for _ in 0..QUESTIONS {
        let mut asked = [0; LONGEST];
        let read = async {
            let length = usize::from(stream.read_u16().await?);
            let too_long = || io::Error::from(io::ErrorKind::InvalidData);
            let asked = asked.get_mut(..length).ok_or_else(too_long)?;
            stream.read_exact(asked).await
        };
        let length = timeout(SILENT, read).await??;
        let Some(bytes) = run.answered(&asked[..length]) else {
            return Ok(());
        };
        let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
        let written = async {
            stream.write_u16(length).await?;
            stream.write_all(&bytes).await
        };
        timeout(SILENT, written).await??;
    }
    Ok(())
}

impl Run {
    fn answered(&self, asked: &[u8]) -> Option<Vec<u8>> {
        let answer = answer(asked, &mut self.names.lock())?;
        if let Some(name) = answer.refused {
            self.refuse(&name);
        }
        Some(answer.bytes)
    }
}
