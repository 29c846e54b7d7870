//! The daemon's connection: who may make it, and packets in and out. What a
//! message asks is answered in `requests`.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use aion_folders::{Folder, Trust};
use anyhow::{Context, bail};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::Mode;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen as listen_on,
    socket_with,
};

use super::{RETRY, Server, sys};
use aion_sandbox::protocol::{Reply, Request, Traced, WorkerId};
use aion_sandbox::wire::{self, WireError};

/// Replies that may wait for a daemon that does not read; one more and it is
/// taken for dead.
const MAX_WAITING: usize = 4096;

/// Of these, from how many on what can be done without is left out: there is room for all exits.
const KEEPING_UP: usize = 256;

/// A daemon that is connected.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    waiting: VecDeque<(Reply, Vec<OwnedFd>)>,
    /// What was counted of workers whose exits are told next or wait: one for each, so as bounded as those.
    last: BTreeMap<WorkerId, Reply>,
    /// Whether it said hello.
    pub(super) greeted: bool,
}

impl Connection {
    fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            waiting: VecDeque::new(),
            last: BTreeMap::new(),
            greeted: false,
        }
    }

    /// What to wait for.
    pub(super) fn watch(&self) -> PollFd<'_> {
        let events = if self.waiting.is_empty() {
            PollFlags::IN
        } else {
            PollFlags::IN | PollFlags::OUT
        };
        PollFd::from_borrowed_fd(self.socket.as_fd(), events)
    }

    /// Whether it takes what it is told, and may be told what it can do without.
    pub(super) fn keeps_up(&self) -> bool {
        self.greeted && self.waiting.len() < KEEPING_UP
    }

    /// Has the last that was counted of a worker told right before its exit, however far the daemon is behind:
    /// what was counted and not told until then is in it, and after it nothing says it.
    pub(super) fn tell_with_exit(&mut self, traced: Traced) {
        if self.greeted {
            self.last.insert(traced.id.clone(), Reply::Traced(traced));
        }
    }

    /// Sends, or keeps until there is room.
    fn send(&mut self, reply: Reply, fds: Vec<OwnedFd>) -> Result<(), WireError> {
        self.waiting.push_back((reply, fds));
        if self.waiting.len() > MAX_WAITING {
            return Err(WireError::Closed);
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), WireError> {
        while let Some((reply, fds)) = self.waiting.front() {
            if let Reply::Exited(exited) = reply
                && let Some(last) = self.last.get(&exited.id)
            {
                match wire::send(&self.socket, last, &[]) {
                    Ok(()) => drop(self.last.remove(&exited.id)),
                    Err(WireError::WouldBlock) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            match wire::send(&self.socket, reply, &fds) {
                Ok(()) => drop(self.waiting.pop_front()),
                Err(WireError::WouldBlock) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Server {
    /// Takes a new connection. A daemon has one, so a new one replaces the old.
    pub(super) fn accept(&mut self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = match accept_with(&self.listener.socket, flags) {
            Ok(socket) => socket,
            Err(error) => return tracing::warn!(%error, "cannot accept a connection"),
        };
        match sys::peer_uid(socket.as_fd()) {
            Ok(uid) if uid == self.options.daemon_uid => {}
            Ok(uid) => {
                return tracing::warn!(uid, "connection refused: not the daemon's user");
            }
            Err(error) => return tracing::warn!(%error, "connection refused: peer unknown"),
        }
        if self.connection.is_some() {
            tracing::info!("a new connection replaces the old one");
        }
        self.connection = Some(Connection::new(socket));
    }

    /// Reads and answers what is there; anything wrong closes the connection.
    pub(super) fn serve_connection(&mut self) {
        loop {
            let Some(connection) = &mut self.connection else {
                return;
            };
            if let Err(error) = connection.flush() {
                return self.hang_up(&error.to_string());
            }
            let (request, fds) = match wire::receive::<Request>(&connection.socket) {
                Ok(packet) => packet,
                Err(WireError::WouldBlock) => return,
                Err(error) => return self.hang_up(&error.to_string()),
            };
            if let Err(error) = request.check() {
                return self.hang_up(&error.to_string());
            }
            if let Err(why) = self.answer(request, fds) {
                return self.hang_up(&why);
            }
        }
    }

    /// Tells the daemon, if there is one.
    pub(super) fn tell(&mut self, reply: Reply) {
        self.tell_with(reply, Vec::new());
    }

    /// Tells it, and hands it what goes with that.
    pub(super) fn tell_with(&mut self, reply: Reply, fds: Vec<OwnedFd>) {
        if let Some(connection) = &mut self.connection
            && connection.greeted
            && let Err(error) = connection.send(reply, fds)
        {
            self.hang_up(&error.to_string());
        }
    }

    fn hang_up(&mut self, why: &str) {
        tracing::info!(why, "connection closed");
        self.connection = None;
    }
}

/// How long the lock of a launcher that was killed is waited for: a process that it was
/// just making holds it, too, up to its program or its end.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// One launcher has a state folder; the lock goes with the process.
pub(super) fn lock(state: &Folder) -> anyhow::Result<OwnedFd> {
    let patience = Instant::now() + LOCK_PATIENCE;
    loop {
        match state.lock("launcher.lock", false)? {
            Some(lock) => return Ok(lock),
            None if Instant::now() < patience => std::thread::sleep(RETRY),
            None => bail!("another launcher runs on {}", state.path().display()),
        }
    }
}

/// The launcher's socket, and the folder that it is in.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: OwnedFd,
    folder: Folder,
    name: std::ffi::OsString,
}

impl Listener {
    /// Removes it, once there is nobody to serve.
    pub(super) fn remove(&self) {
        if let Err(error) = self.folder.remove(&self.name) {
            tracing::warn!(%error, "the launcher's socket stays behind");
        }
    }
}

/// Listens at `path`, which only `owner` may reach. What a launcher left there is
/// removed: the lock says that it is gone. The folder is looked up once; from then
/// on only its handle is used, and root's is nobody else's to write in.
pub(super) fn listen(path: &Path, owner: u32, trust: Trust) -> anyhow::Result<Listener> {
    let at = || path.display().to_string();
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        bail!("{} cannot be a socket", at());
    };
    // Whoever connects needs a path that fits, whatever this end could do without.
    SocketAddrUnix::new(path)
        .with_context(|| format!("{}: a socket's path has at most 107 bytes", at()))?;
    let folder = Folder::open(folder, trust)
        .with_context(|| format!("open the folder of the socket {}", at()))?;
    folder.remove(name)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let place = Path::new("/proc/self/fd").join(folder.as_fd().as_raw_fd().to_string());
    let address = SocketAddrUnix::new(place.join(name))?;
    // The mode is right from the first moment, not mended afterwards.
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = bind(&socket, &address);
    rustix::process::umask(before);
    bound.with_context(|| format!("listen at {}", at()))?;
    if owner != rustix::process::geteuid().as_raw() {
        folder.give(name, owner, None)?;
    }
    listen_on(&socket, 4)?;
    Ok(Listener {
        socket,
        name: name.to_owned(),
        folder,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

    use super::*;

    const DAEMON: u32 = 61_996;

    #[test]
    fn the_last_counts_come_before_an_exit_however_far_the_daemon_is_behind() {
        use aion_abi::kernel_event::KernelCounts;
        use aion_sandbox::protocol::{ExitStatus, Exited};
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let (own, daemon) = pair.unwrap();
        let mut connection = Connection::new(own);
        connection.greeted = true;
        let id = |incarnation| WorkerId {
            instance: "a".into(),
            incarnation,
        };
        let mut told = 0;
        while connection.keeps_up() {
            let why = "w".repeat(2048);
            let request = aion_sandbox::protocol::Refusable::Kill;
            let refused = Reply::Refused {
                id: id(0),
                request,
                why,
            };
            connection.send(refused, Vec::new()).unwrap();
            told += 1;
        }
        for incarnation in [1, 2] {
            connection.tell_with_exit(Traced {
                id: id(incarnation),
                events: Vec::new(),
                counts: Some(KernelCounts::default()),
            });
            let exited = Exited::of(id(incarnation), ExitStatus::Code(0));
            connection.send(Reply::Exited(exited), Vec::new()).unwrap();
        }
        let mut heard = Vec::new();
        loop {
            match wire::receive::<Reply>(&daemon) {
                Ok((Reply::Refused { .. }, _)) => told -= 1,
                Ok((Reply::Traced(traced), _)) => heard.push(("counts", traced.id.incarnation)),
                Ok((Reply::Exited(exited), _)) => heard.push(("exit", exited.id.incarnation)),
                Err(WireError::WouldBlock) if connection.waiting.is_empty() => break,
                Err(WireError::WouldBlock) => connection.flush().unwrap(),
                other => panic!("{other:?}"),
            }
        }
        let expect = [("counts", 1), ("exit", 1), ("counts", 2), ("exit", 2)];
        assert_eq!((told, heard.as_slice()), (0, &expect[..]));
        assert!(connection.last.is_empty());
    }

    #[test]
    fn the_lock_of_a_launcher_that_is_ending_is_waited_for_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let state = Folder::open(folder.path(), Trust::Own).unwrap();
        let held = lock(&state).unwrap();
        let other = state.reopen().unwrap();
        let waiting = std::thread::spawn(move || lock(&other));
        std::thread::sleep(RETRY * 3);
        drop(held);
        let held = waiting.join().unwrap().unwrap();
        let refused = lock(&state).unwrap_err().to_string();
        assert!(refused.contains("another launcher runs"), "{refused}");
        drop(held);
    }

    #[test]
    fn what_lies_in_the_sockets_place_is_replaced_and_never_followed() {
        replaced(rustix::process::geteuid().as_raw());
    }

    #[test]
    fn the_socket_is_given_to_the_daemons_user_and_nothing_else_is() {
        if !rustix::process::geteuid().is_root() {
            aion_testkit::skip("root", "only root can give a socket to another user");
            return;
        }
        replaced(DAEMON);
    }

    /// Whoever owns the socket from now on.
    fn replaced(owner: u32) {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        fs::write(&other, "untouched").unwrap();
        let path = folder.path().join("launcher.sock");
        symlink(&other, &path).unwrap();
        let own = rustix::process::geteuid().as_raw();
        let listener = listen(&path, owner, Trust::Own).unwrap();
        let about = fs::symlink_metadata(&path).unwrap();
        assert!(about.file_type().is_socket());
        assert_eq!((about.uid(), about.mode() & 0o777), (owner, 0o600));
        assert_eq!(fs::metadata(&other).unwrap().uid(), own);
        assert_eq!(fs::read_to_string(&other).unwrap(), "untouched");
        listener.remove();
        assert!(!path.exists());
    }
}
