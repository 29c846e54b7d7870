//! What this machine can enforce, by the only proof there is: one worker is
//! confined like any other, read back, and ended at its gate.

use std::fs;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, socket};

use super::readback::{Claims, read_back};
use super::starter::{Begun, StartFds, Starter, end};
use super::sys::Failure;
use crate::confine::WorkerMessage;
use crate::layer::Layer;
use crate::protocol::{Limits, Runtime, Start, WorkerId};
use crate::wire;

/// Confines one worker. An error says why there is none.
pub(super) fn run(starter: &Starter, patience: Duration) -> Result<Vec<Layer>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let folder = std::env::temp_dir().join(format!("aion-trial-{}", std::process::id()));
    fs::create_dir(&folder).map_err(|error| text(&error))?;
    let path = folder.join("s");
    let outcome = (|| {
        let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        bind(&listener, &SocketAddrUnix::new(&path)?)?;
        Ok(listener)
    })()
    .map_err(|error: rustix::io::Errno| text(&error))
    .and_then(|_listener| {
        if let Some(owner) = starter.socket_owner {
            std::os::unix::fs::chown(&path, Some(owner), None).map_err(|error| text(&error))?;
        }
        let start = Start {
            id: WorkerId {
                instance: format!("trial-{}", std::process::id()),
                incarnation: 0,
            },
            runtime: Runtime::Declarative,
            profile: "declarative".into(),
            limits: Limits::default(),
            socket: Some(path.clone()),
            mounts: Vec::new(),
        };
        confine_one(starter, &start, patience)
    });
    let _ = fs::remove_dir_all(&folder);
    outcome
}

fn confine_one(starter: &Starter, start: &Start, patience: Duration) -> Result<Vec<Layer>, String> {
    let nothing = || {
        fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
            .map(Into::into)
            .map_err(|error| error.to_string())
    };
    let fds = vec![nothing()?, nothing()?, nothing()?];
    let fds = StartFds::take(start, fds).map_err(|(_, why)| why)?;
    let mut begun = starter.begin(start, &fds, &[]).map_err(|(_, why)| why)?;
    let layers = wait_ready(&begun, patience).map(|claims| read_back(starter, &begun, &claims));
    end(&begun.made);
    let patience = Instant::now() + patience;
    while !begun.group.remove() && Instant::now() < patience {
        std::thread::sleep(super::RETRY);
    }
    layers
}

fn wait_ready(begun: &Begun, patience: Duration) -> Result<Claims, String> {
    let timeout = Timespec::try_from(patience).ok();
    let mut fds = [PollFd::from_borrowed_fd(begun.link.as_fd(), PollFlags::IN)];
    match poll(&mut fds, timeout.as_ref()) {
        Ok(0) => return Err("the worker did not confine itself in time".into()),
        Ok(_) => {}
        Err(error) => return Err(error.to_string()),
    }
    let (bytes, _) = wire::receive_bytes(&begun.link)
        .map_err(|error| format!("the worker ended before it was confined: {error}"))?;
    if let Some(failure) = Failure::from_bytes(&bytes) {
        return Err(failure.to_string());
    }
    match serde_json::from_slice(&bytes) {
        Ok(WorkerMessage::Ready { landlock, failures }) => Ok(Claims { landlock, failures }),
        Ok(WorkerMessage::Note(note)) => Err(note),
        Err(error) => Err(format!("the worker does not speak this protocol: {error}")),
    }
}
