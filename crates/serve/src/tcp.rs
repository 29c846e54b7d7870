//! Serving over TCP: with TLS, or in plain text to this machine only.

#[cfg(feature = "tls")]
use std::time::Duration;
use std::{io, net::SocketAddr, sync::Arc};

use axum::Router;
use rustix::process::{Resource, getrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::{Accepting, accept, connection},
    failure::ServeError,
    patience::Patience,
};

/// Connections that are open at once, at most; more wait.
const CONNECTIONS: usize = 1024;
/// Of the files that this process may have open, connections are one in so many: whoever may connect does not
/// keep the program from its work.
const SHARE: u64 = 4;
/// How long a handshake may take.
#[cfg(feature = "tls")]
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What is spoken on the connection.
#[derive(Clone)]
pub enum Tcp {
    /// HTTP, on loopback.
    Plain,
    /// HTTPS.
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// Serves at `address`, until `stop`; then lets what is under way end. Gives the address, which has a port
/// now.
///
/// # Errors
/// [`ServeError::Tcp`], also for plain text at an address that other machines reach.
pub async fn serve_tcp(
    address: SocketAddr,
    tcp: Tcp,
    router: Router,
    stop: CancellationToken,
) -> Result<(SocketAddr, impl Future<Output = ()> + use<>), ServeError> {
    let failed = |source| ServeError::Tcp { address, source };
    if matches!(tcp, Tcp::Plain) && !address.ip().is_loopback() {
        return Err(ServeError::Plain(address));
    }
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let room = room(getrlimit(Resource::Nofile).current);
    let listener = Bounded {
        listener,
        room: Arc::new(Semaphore::new(room)),
    };
    let each = stop.clone();
    let handle = move |(stream, permit)| {
        let (tcp, router, stop) = (tcp.clone(), router.clone(), each.clone());
        async move {
            let _permit: Option<OwnedSemaphorePermit> = permit;
            tcp.serve(stream, router, stop).await;
        }
    };
    Ok((bound, accept(listener, handle, stop)))
}

/// As many connections as have room.
struct Bounded {
    listener: TcpListener,
    room: Arc<Semaphore>,
}

impl Accepting for Bounded {
    type Connection = (TcpStream, Option<OwnedSemaphorePermit>);

    async fn next(&mut self) -> io::Result<Self::Connection> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.room).acquire_owned().await.ok();
        Ok((self.listener.accept().await?.0, permit))
    }
}

/// How many connections fit beside everything else, where so many files may be open.
fn room(open_files: Option<u64>) -> usize {
    let share = open_files.map_or(u64::MAX, |files| files / SHARE);
    usize::try_from(share).map_or(CONNECTIONS, |share| share.clamp(1, CONNECTIONS))
}

impl Tcp {
    async fn serve(self, stream: TcpStream, router: Router, stop: CancellationToken) {
        let _ = stream.set_nodelay(true);
        let stream = Patience::new(stream);
        match self {
            Self::Plain => connection(stream, router, stop).await,
            #[cfg(feature = "tls")]
            Self::Tls(acceptor) => {
                match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => connection(stream, router, stop).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
                    Err(_) => tracing::debug!("a handshake took too long"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_the_program_the_files_it_works_with() {
        assert_eq!(room(Some(256)), 64);
        assert_eq!(room(Some(1 << 20)), CONNECTIONS);
        assert_eq!(room(None), CONNECTIONS);
        assert_eq!(room(Some(3)), 1);
    }
}
