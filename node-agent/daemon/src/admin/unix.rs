//! Serving the interface on a Unix socket, to this user alone, or to one more by the group of its folder.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use aion_serve::{Accepting, ServeError, accept, connection};
use axum::Router;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// Serves on a socket that only this user and `another` may open, until `stop`; then lets what is under way end.
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
    let own = rustix::process::geteuid().as_raw();
    let each = stop.clone();
    let handle = move |stream: UnixStream| {
        // The mode keeps others out; this holds also where the folder's mode is changed.
        let peer = stream.peer_cred().map(|peer| peer.uid());
        let may = peer.is_ok_and(|uid| uid == own || uid == 0 || Some(uid) == another);
        let (router, stop) = (router.clone(), each.clone());
        async move {
            if may {
                connection(stream, router, stop).await;
            }
        }
    };
    Ok(accept(Listener(listener), handle, stop))
}

fn bind(path: &Path, to_group: bool) -> io::Result<UnixListener> {
    crate::files::remove_if_there(path)?;
    let listener = UnixListener::bind(path)?;
    let mode = if to_group { 0o660 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// Connections of the socket; their number is bounded by who may open it.
struct Listener(UnixListener);

impl Accepting for Listener {
    type Connection = UnixStream;

    async fn next(&mut self) -> io::Result<UnixStream> {
        Ok(self.0.accept().await?.0)
    }
}
