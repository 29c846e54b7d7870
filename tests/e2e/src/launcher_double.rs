//! What stands for the launcher where a test itself plays the worker: it speaks the launcher's protocol, says
//! that every worker is confined, starts none, and hands over what each was given. It outlives the daemon, so
//! that a daemon that was killed finds its workers running.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use aion_abi::boot::Boot;
use aion_sandbox::protocol::{Measured, Reply, Request, Start, VERSION, Worker, WorkerId};
use aion_sandbox::wire;
use aion_sandbox::{Layer, LayerReading};
use anyhow::Context;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};

/// A turn's run, as its worker would have it.
pub struct Run {
    /// The boot document.
    pub boot: Boot,
    /// The run's socket.
    pub socket: PathBuf,
}

/// Listens at `path` for as long as the test runs; gives every run whose gate was opened.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve(path: &Path) -> anyhow::Result<Receiver<Run>> {
    let flags = SocketFlags::CLOEXEC;
    let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    bind(&listener, &SocketAddrUnix::new(path)?).context("the launcher's socket")?;
    listen(&listener, 4)?;
    let (runs, out) = channel();
    thread::spawn(move || {
        let mut launcher = Launcher {
            runs,
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
        };
        while let Ok(connection) = accept_with(&listener, SocketFlags::CLOEXEC) {
            // Until this daemon hangs up; the next one finds the same workers.
            let _ = launcher.talk(&connection);
        }
    });
    Ok(out)
}

struct Launcher {
    runs: Sender<Run>,
    waiting: BTreeMap<WorkerId, Run>,
    running: BTreeMap<WorkerId, Worker>,
}

impl Launcher {
    fn talk(&mut self, connection: &OwnedFd) -> anyhow::Result<()> {
        loop {
            let (request, fds) = wire::receive::<Request>(connection)?;
            if let Some(reply) = self.answer(request, fds)? {
                wire::send(connection, &reply, &[])?;
            }
        }
    }

    fn answer(&mut self, request: Request, fds: Vec<OwnedFd>) -> anyhow::Result<Option<Reply>> {
        Ok(match request {
            Request::Hello { .. } => Some(Reply::Hello {
                version: VERSION,
                pid: std::process::id(),
            }),
            Request::Start(start) => Some(self.start(*start, fds)?),
            Request::OpenGate { id } => {
                if let Some(run) = self.waiting.remove(&id) {
                    let _ = self.runs.send(run);
                }
                if let Some(worker) = self.running.get_mut(&id) {
                    worker.running = true;
                }
                Some(Reply::GateOpened { id })
            }
            Request::Kill { id, .. } => Some(Reply::Stopping { id }),
            Request::List => Some(Reply::Workers {
                workers: self.running.values().cloned().collect(),
                more: false,
            }),
            Request::Measure { id } => Some(Reply::Measured {
                id,
                measured: Measured::default(),
            }),
            Request::Acknowledge { .. } => None,
            Request::Features => Some(Reply::Features {
                layers: layers(),
                hooks: Vec::new(),
            }),
        })
    }

    fn start(&mut self, start: Start, fds: Vec<OwnedFd>) -> anyhow::Result<Reply> {
        let boot = fds
            .into_iter()
            .next()
            .context("a start without its boot document")?;
        let mut text = Vec::new();
        File::from(boot).read_to_end(&mut text)?;
        let run = Run {
            boot: serde_json::from_slice(&text)?,
            socket: start.socket.context("a worker without a socket")?,
        };
        let worker = Worker {
            id: start.id.clone(),
            pid: std::process::id(),
            start_time: 0,
            running: false,
        };
        let reply = Reply::Started {
            id: start.id.clone(),
            pid: worker.pid,
            start_time: worker.start_time,
            layers: layers(),
        };
        self.waiting.insert(start.id.clone(), run);
        self.running.insert(start.id, worker);
        Ok(reply)
    }
}

fn layers() -> Vec<LayerReading> {
    Layer::ALL
        .into_iter()
        .map(|name| LayerReading::enforced(name, "said by a double"))
        .collect()
}
