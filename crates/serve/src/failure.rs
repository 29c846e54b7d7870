//! Why there is no serving.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why there is no serving.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket.
    #[error("cannot serve at {path}: {source}")]
    Unix {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The address.
    #[error("cannot serve at {address}: {source}")]
    Tcp {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Tokens would cross the network in plain text.
    #[error(
        "cannot serve at {0} without TLS, since other machines reach it: give a certificate and its key, or listen at 127.0.0.1"
    )]
    Plain(SocketAddr),
}
