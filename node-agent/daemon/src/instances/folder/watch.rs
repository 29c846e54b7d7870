//! Noticing that a file of the folder changed.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt,
    path::Path,
    time::Duration,
};

use rustix::fs::inotify;
use tokio::{net::unix::pipe, time::sleep};

/// How long after a change others are waited for: an editor makes several.
const SETTLE: Duration = Duration::from_millis(200);

/// What changed since it was last asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Noticed {
    /// Names of files.
    pub(super) files: BTreeSet<OsString>,
    /// There was more than could be told one by one.
    pub(super) more: bool,
}

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
    pub(super) async fn changed(&self) -> io::Result<Noticed> {
        let mut noticed = Noticed::default();
        loop {
            self.0.readable().await?;
            if self.drain(&mut noticed)? {
                break;
            }
        }
        loop {
            sleep(SETTLE).await;
            if !self.drain(&mut noticed)? {
                return Ok(noticed);
            }
        }
    }

    /// Takes all events there are; says whether there were any.
    fn drain(&self, noticed: &mut Noticed) -> io::Result<bool> {
        let mut buffer = [0u8; 4096];
        let mut any = false;
        loop {
            match self.0.try_read(&mut buffer) {
                Ok(0) => return Ok(any),
                Ok(read) => {
                    any = true;
                    noticed.take(&buffer[..read]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(any),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Noticed {
    /// Takes events in, each four numbers and a name: the watch, what happened, a cookie, and the name's length.
    fn take(&mut self, mut events: &[u8]) {
        while !events.is_empty() {
            let Some((head, rest)) = events.split_at_checked(16) else {
                self.more = true;
                return;
            };
            let number =
                |at: usize| u32::from_ne_bytes(std::array::from_fn(|byte| head[at + byte]));
            let (happened, length) = (number(4), number(12) as usize);
            let Some((name, rest)) = rest.split_at_checked(length) else {
                self.more = true;
                return;
            };
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let told = inotify::ReadFlags::from_bits_retain(happened);
            // What was lost, and what befell the folder itself, is of any file.
            match name.is_empty() || told.contains(inotify::ReadFlags::QUEUE_OVERFLOW) {
                true => self.more = true,
                false => drop(self.files.insert(OsStr::from_bytes(name).to_owned())),
            }
            events = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn files_that_change_are_named() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("old.yaml"), "").unwrap();
        let watch = Watch::start(root.path()).unwrap();
        fs::write(root.path().join("a.yaml"), "").unwrap();
        fs::rename(root.path().join("a.yaml"), root.path().join("b.yaml")).unwrap();
        fs::remove_file(root.path().join("old.yaml")).unwrap();
        let noticed = watch.changed().await.unwrap();
        let names: Vec<_> = noticed.files.iter().filter_map(|it| it.to_str()).collect();
        assert_eq!(names, ["a.yaml", "b.yaml", "old.yaml"]);
        assert!(!noticed.more);
    }

    #[test]
    fn what_was_lost_may_be_of_any_file() {
        let mut noticed = Noticed::default();
        let lost = [u32::MAX, inotify::ReadFlags::QUEUE_OVERFLOW.bits(), 0, 0];
        noticed.take(&lost.map(u32::to_ne_bytes).concat());
        assert!(noticed.more && noticed.files.is_empty());
        let mut cut = Noticed::default();
        cut.take(&[0; 7]);
        assert!(cut.more);
    }
}
