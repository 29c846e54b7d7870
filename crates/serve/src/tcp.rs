//! Serving over TCP: with TLS, or in plain text to this machine only.

#[cfg(feature = "tls")]
use std::time::Duration;
use std::{io, net::SocketAddr, path::PathBuf};

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::{
    bounded::Bounded,
    connection::{Accepting, accept, connection},
    failure::ServeError,
    patience::Patience,
};

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

/// Files of a certificate, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and the authority.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority that it is checked against; left out, the certificate itself.
    pub ca: Option<PathBuf>,
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
    let each = stop.clone();
    let handle = move |stream| {
        let (tcp, router, stop) = (tcp.clone(), router.clone(), each.clone());
        async move { tcp.serve(stream, router, stop).await }
    };
    let listener = Bounded::new(Listener(listener));
    Ok((bound, accept(listener, handle, stop)))
}

/// Connections without delay.
struct Listener(TcpListener);

impl Accepting for Listener {
    type Connection = TcpStream;

    async fn next(&mut self) -> io::Result<TcpStream> {
        let stream = self.0.accept().await?.0;
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

impl Tcp {
    async fn serve(self, stream: Patience<TcpStream>, router: Router, stop: CancellationToken) {
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
