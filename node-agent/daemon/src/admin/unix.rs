//! Serving the interface on a Unix socket, to this user alone, or to one more by the group of its folder.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use aion_serve::{Accepting, Bounded, ServeError, accept, connection};
use axum::{Extension, Router};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{UnixListener, UnixStream},
};
use tokio_util::sync::CancellationToken;

use super::Peer;

/// Serves on a socket that only this user and `another` may open, until `stop`; then lets what is under way end. Where
/// there is another, connections are [`Bounded`].
pub(crate) async fn serve_unix(
    path: &Path,
    another: Option<u32>,
    router: Router,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()> + use<>, ServeError> {
    let listener = bind(path, another.is_some()).map_err(|source| ServeError::Unix {
        path: path.to_owned(),
        source,
    })?;
    let listener = Listener {
        listener,
        own: rustix::process::geteuid().as_raw(),
        another,
    };
    Ok(async move {
        match another {
            // How many there are is up to this user.
            None => {
                let each = stop.clone();
                let handle = move |stream: UnixStream| {
                    let peer = stream.peer_cred().map(|peer| Peer(peer.uid()));
                    let router = peer.map_or_else(
                        |_| router.clone(),
                        |peer| router.clone().layer(Extension(peer)),
                    );
                    connection(stream, router, each.clone())
                };
                accept(listener, handle, stop).await;
            }
            Some(_) => serve(Bounded::new(listener), router, stop).await,
        }
    })
}

async fn serve<A>(listener: A, router: Router, stop: CancellationToken)
where
    A: Accepting<Connection: AsyncRead + AsyncWrite + Unpin>,
{
    let each = stop.clone();
    let handle = move |stream| connection(stream, router.clone(), each.clone());
    accept(listener, handle, stop).await;
}

fn bind(path: &Path, to_group: bool) -> io::Result<UnixListener> {
    crate::files::remove_if_there(path)?;
    let listener = UnixListener::bind(path)?;
    let mode = if to_group { 0o660 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// Connections of who may open the socket.
struct Listener {
    listener: UnixListener,
    own: u32,
    another: Option<u32>,
}

impl Accepting for Listener {
    type Connection = UnixStream;

    async fn next(&mut self) -> io::Result<UnixStream> {
        loop {
            let stream = self.listener.accept().await?.0;
            // The mode keeps others out; this holds also where the folder's mode is changed.
            let peer = stream.peer_cred().map(|peer| peer.uid());
            if peer.is_ok_and(|uid| uid == self.own || uid == 0 || Some(uid) == self.another) {
                return Ok(stream);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use axum::{body::Body, routing::get};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::{sleep, timeout},
    };

    use super::*;

    /// Asks for what has no end, reads nothing for a day, and says whether the answer ended meanwhile.
    async fn ends_for_who_reads_nothing(another: Option<u32>) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let endless = || async {
            let piece = || Ok::<_, io::Error>(vec![b'.'; 4096]);
            Body::from_stream(futures::stream::repeat_with(piece))
        };
        let router = Router::new().route("/", get(endless));
        let stop = CancellationToken::new();
        let serving = serve_unix(&path, another, router, stop).await.unwrap();
        let serving = tokio::spawn(serving);
        let mut here = UnixStream::connect(&path).await.unwrap();
        here.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        sleep(Duration::from_secs(24 * 3600)).await;
        // What lies in the socket is less than that.
        let rest = async {
            let mut left = 16 << 20;
            let mut buffer = vec![0; 1 << 16];
            while left > 0 {
                match here.read(&mut buffer).await {
                    Ok(0) | Err(_) => return true,
                    Ok(read) => left -= read.min(left),
                }
            }
            false
        };
        let ended = timeout(Duration::from_secs(3600), rest).await.unwrap();
        serving.abort();
        ended
    }

    #[tokio::test(start_paused = true)]
    async fn another_user_who_reads_nothing_holds_no_connection() {
        let own = rustix::process::geteuid().as_raw();
        assert!(ends_for_who_reads_nothing(Some(own)).await);
        // People look at a log as slowly as they like.
        assert!(!ends_for_who_reads_nothing(None).await);
    }
}
