//! The daemon's connection: who may make it, and packets in and out. What a
//! message asks is answered in `requests`.

use std::collections::VecDeque;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, bail};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FlockOperation, Gid, Mode, OFlags, Uid, chown, flock, open};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen as listen_on,
    socket_with, sockopt,
};

use super::Server;
use aion_sandbox::protocol::{Reply, Request};
use aion_sandbox::wire::{self, WireError};

/// Replies that may wait for a daemon that does not read; one more and it is
/// taken for dead.
const MAX_WAITING: usize = 4096;

/// A daemon that is connected.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    waiting: VecDeque<Reply>,
    /// Whether it said hello.
    pub(super) greeted: bool,
}

impl Connection {
    /// What to wait for.
    pub(super) fn watch(&self) -> PollFd<'_> {
        let events = if self.waiting.is_empty() {
            PollFlags::IN
        } else {
            PollFlags::IN | PollFlags::OUT
        };
        PollFd::from_borrowed_fd(self.socket.as_fd(), events)
    }

    /// Sends, or keeps until there is room.
    fn send(&mut self, reply: Reply) -> Result<(), WireError> {
        self.waiting.push_back(reply);
        if self.waiting.len() > MAX_WAITING {
            return Err(WireError::Closed);
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), WireError> {
        while let Some(reply) = self.waiting.front() {
            match wire::send(&self.socket, reply, &[]) {
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
        let socket = match accept_with(&self.listener, flags) {
            Ok(socket) => socket,
            Err(error) => return tracing::warn!(%error, "cannot accept a connection"),
        };
        match sockopt::socket_peercred(&socket) {
            Ok(peer) if peer.uid.as_raw() == self.options.daemon_uid => {}
            Ok(peer) => {
                let uid = peer.uid.as_raw();
                return tracing::warn!(uid, "connection refused: not the daemon's user");
            }
            Err(error) => return tracing::warn!(%error, "connection refused: peer unknown"),
        }
        if self.connection.is_some() {
            tracing::info!("a new connection replaces the old one");
        }
        self.connection = Some(Connection {
            socket,
            waiting: VecDeque::new(),
            greeted: false,
        });
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
        if let Some(connection) = &mut self.connection
            && connection.greeted
            && let Err(error) = connection.send(reply)
        {
            self.hang_up(&error.to_string());
        }
    }

    fn hang_up(&mut self, why: &str) {
        tracing::info!(why, "connection closed");
        self.connection = None;
    }
}

/// One launcher has a state folder; the lock goes with the process.
pub(super) fn lock(state: &Path) -> anyhow::Result<OwnedFd> {
    let path = state.join("launcher.lock");
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = open(&path, flags, Mode::from_raw_mode(0o600))
        .with_context(|| format!("open {}", path.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("another launcher runs on {}", state.display());
    }
    Ok(file)
}

/// Listens at `path`, which only `owner` may reach. What a launcher left there is
/// removed: the lock says that it is gone.
pub(super) fn listen(path: &Path, owner: u32) -> anyhow::Result<OwnedFd> {
    let at = || path.display().to_string();
    if let Err(error) = fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error).with_context(|| format!("remove the old socket {}", at()));
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let address = SocketAddrUnix::new(path)
        .with_context(|| format!("{}: a socket's path has at most 107 bytes", at()))?;
    // The mode is right from the first moment, not mended afterwards.
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = bind(&socket, &address);
    rustix::process::umask(before);
    bound.with_context(|| format!("listen at {}", at()))?;
    if owner != rustix::process::geteuid().as_raw() {
        chown(path, Some(Uid::from_raw(owner)), Some(Gid::from_raw(owner)))
            .with_context(|| format!("give {} to user {owner}", at()))?;
    }
    listen_on(&socket, 4)?;
    Ok(socket)
}
