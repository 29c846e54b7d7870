//! The transport over the pipes of a process: messages out as lines, messages in by the [`Reader`]. What may not
//! enter: what bounds a server's own requests (`bounded`).

use std::{io, sync::Arc};

use rmcp::{
    RoleClient,
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Mutex,
};

use super::reader::Reader;

/// So much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// See the module.
pub(super) struct Pipes<R, W> {
    read: R,
    reader: Reader,
    chunk: Box<[u8]>,
    ended: bool,
    write: Arc<Mutex<Option<W>>>,
}

impl<R, W> Pipes<R, W> {
    /// Messages of `longest` bytes at most.
    pub(super) fn new(read: R, write: W, longest: usize) -> Self {
        Self {
            read,
            reader: Reader::new(longest),
            chunk: vec![0; CHUNK].into(),
            ended: false,
            write: Arc::new(Mutex::new(Some(write))),
        }
    }
}

impl<R, W> Transport<RoleClient> for Pipes<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let write = Arc::clone(&self.write);
        async move {
            let mut line = serde_json::to_vec(&item)?;
            line.push(b'\n');
            let mut write = write.lock().await;
            let write = write.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            write.write_all(&line).await?;
            write.flush().await
        }
    }

    /// May be given up at any moment: what was read is kept.
    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            while let Some(message) = self.reader.next() {
                match serde_json::from_value(message) {
                    Ok(message) => return Some(message),
                    Err(error) => {
                        tracing::debug!(%error, "a message of no known form is passed over")
                    }
                }
            }
            if self.ended {
                return None;
            }
            match self.read.read(&mut self.chunk).await {
                Ok(0) | Err(_) => {
                    self.ended = true;
                    self.reader.end();
                }
                Ok(read) => self.reader.push(&self.chunk[..read]),
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.write.lock().await.take();
        Ok(())
    }
}
