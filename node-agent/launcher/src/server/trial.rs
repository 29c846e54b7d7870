//! What this machine can enforce, by the only proof there is: one worker is
//! confined like any other, read back, and ended at its gate.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use aion_abi::boot::SOCKET_NAME;
use aion_folders::{Folder, FolderError, Trust};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, socket};

use super::readback::{Claims, read_back};
use super::starter::{Begun, StartFds, Starter};
use super::sys::Failure;
use aion_sandbox::LayerReading;
use aion_sandbox::plan::WorkerMessage;
use aion_sandbox::protocol::{InsideUser, Limits, Role, Start, WorkerId};
use aion_sandbox::wire;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrialError {
    /// It was not made: no word on what a worker can live in.
    #[error("{0}")]
    NotMade(String),
    /// It was made, and did not come up.
    #[error("{0}")]
    NotConfined(String),
}

/// The name of a trial's folder in the launcher's own.
const TRIAL: &str = "trial";

/// The folder of a trial, which only this user may enter; gone when dropped.
struct Place {
    above: Folder,
    own: Folder,
    name: String,
}

impl Place {
    /// In the launcher's own folder, or with a name that nobody can have taken
    /// where everybody's temporary files are.
    fn make(state: Option<&Folder>) -> Result<Self, FolderError> {
        let (above, name) = match state {
            Some(state) => (state.reopen()?, TRIAL.to_owned()),
            None => {
                let temporary = std::env::temp_dir();
                let name = unguessable().map_err(|source| FolderError::Io {
                    action: "find a name in",
                    path: temporary.clone(),
                    source,
                })?;
                (Folder::open(&temporary, Trust::Own)?, name)
            }
        };
        // A launcher that was killed during its trial left one.
        remove(&above, &name)?;
        let own = above.make_within(&name, 0o700)?;
        Ok(Self { above, own, name })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.above, &self.name) {
            tracing::warn!(%error, "the folder of the trial stays behind");
        }
    }
}

/// There is nothing in it but a socket.
fn remove(above: &Folder, name: &str) -> Result<(), FolderError> {
    if let Some(left) = above.find(name)? {
        left.remove(SOCKET_NAME)?;
        above.remove_folder(name)?;
    }
    Ok(())
}

fn unguessable() -> io::Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("aion-trial-{:032x}", u128::from_ne_bytes(bytes)))
}

/// Confines one worker. `state` is the launcher's own folder; without one the
/// trial takes place where everybody's temporary files are.
pub(super) fn run(
    starter: &Starter,
    state: Option<&Folder>,
    patience: Duration,
) -> Result<Vec<LayerReading>, TrialError> {
    let folder = Place::make(state)
        .map_err(|error| TrialError::NotMade(format!("a folder for the trial: {error}")))?;
    let path = folder.own.path().join(SOCKET_NAME);
    let bound = (|| {
        // By its descriptor, as the folder's own path may be longer than a socket's.
        let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        let within = folder.own.as_fd().as_raw_fd();
        let place = format!("/proc/self/fd/{within}/{SOCKET_NAME}");
        bind(&listener, &SocketAddrUnix::new(place)?)?;
        Ok(listener)
    })();
    let _listener = bound.map_err(|error: rustix::io::Errno| {
        TrialError::NotMade(format!("a socket at {}: {error}", path.display()))
    })?;
    if let Some(owner) = starter.socket_owner {
        let given = folder.own.give(SOCKET_NAME, owner, None);
        given.map_err(|error| TrialError::NotMade(error.to_string()))?;
    }
    let start = Start {
        id: WorkerId {
            instance: format!("trial-{}", std::process::id()),
            incarnation: 0,
        },
        role: Role::Declarative,
        profile: "declarative".into(),
        limits: Limits::default(),
        socket: Some(path),
        mounts: Vec::new(),
        user: None,
        scratch_bytes: None,
        ports: Vec::new(),
    };
    confine_one(starter, &start, patience)
}

fn confine_one(
    starter: &Starter,
    start: &Start,
    patience: Duration,
) -> Result<Vec<LayerReading>, TrialError> {
    let nothing = || {
        fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
            .map(Into::into)
            .map_err(|error| TrialError::NotMade(format!("/dev/null: {error}")))
    };
    let fds = vec![nothing()?, nothing()?, nothing()?];
    let not_made = |(_, why)| TrialError::NotMade(why);
    let fds = StartFds::take(start, fds).map_err(not_made)?;
    let mut begun = starter
        .begin(start, &fds, || {
            starter.blank(start.role, InsideUser::default(), &[])
        })
        .map_err(not_made)?;
    let layers = wait_ready(&begun, patience).map(|claims| read_back(starter, &begun, &claims));
    begun.made.end();
    let patience = Instant::now() + patience;
    while !begun.group.end() && Instant::now() < patience {
        std::thread::sleep(super::RETRY);
    }
    layers.map_err(TrialError::NotConfined)
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
