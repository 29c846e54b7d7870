//! Noticing that a file of the folder changed.

use std::{io, path::Path, time::Duration};

use rustix::fs::inotify;
use tokio::{net::unix::pipe, time::sleep};

/// How long after a change others are waited for: an editor makes several.
const SETTLE: Duration = Duration::from_millis(200);

/// Watches one folder. To the runtime an inotify descriptor is like the reading end of a pipe.
pub(super) struct Watch(pipe::Receiver);

impl Watch {
    /// Begins now.
    pub(super) fn start(root: &Path) -> io::Result<Self> {
        let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let flags = inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::MOVED_FROM
            | inotify::WatchFlags::DELETE;
        inotify::add_watch(&fd, root, flags)?;
        Ok(Self(pipe::Receiver::from_owned_fd_unchecked(fd)?))
    }

    /// Waits for a change, and until no more come for a moment.
    pub(super) async fn changed(&self) -> io::Result<()> {
        loop {
            self.0.readable().await?;
            if self.drain()? {
                break;
            }
        }
        loop {
            sleep(SETTLE).await;
            if !self.drain()? {
                return Ok(());
            }
        }
    }

    /// Takes all events there are; says whether there were any.
    fn drain(&self) -> io::Result<bool> {
        let mut buffer = [0u8; 4096];
        let mut any = false;
        loop {
            match self.0.try_read(&mut buffer) {
                Ok(0) => return Ok(any),
                Ok(_) => any = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(any),
                Err(error) => return Err(error),
            }
        }
    }
}
