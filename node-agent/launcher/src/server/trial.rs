//! What this machine can enforce, by the only proof there is: one worker of each role is
//! confined like any other, read back, and ended at its gate. What is said to hold holds for all of them. The compiler
//! is none of them: it need not be there, and is confined as a module's worker is.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use aion_abi::boot::SOCKET_NAME;
use aion_folders::{Folder, FolderError, Trust};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, socket};

use super::readback::{Claims, read_back};
use super::starter::{Begun, StartFds, Starter};
use super::sys::Failure;
use aion_sandbox::plan::WorkerMessage;
use aion_sandbox::protocol::{InsideUser, Limits, Role, Rules, Start, WorkerId};
use aion_sandbox::wire;
use aion_sandbox::{Layer, LayerReading, LayerState};

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

/// Bytes a second that bound nothing that is tried.
const MUCH: u64 = 1 << 40;

/// The name of a trial's folder in the launcher's own.
const TRIAL: &str = "trial";

/// In it, an image of nothing but the places that something is mounted at.
const IMAGE: &str = "image";
const MOUNTED: [&str; 6] = ["dev", "mnt", "proc", "run", "sys", "tmp"];

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

    /// The files of an image, which any user may look at.
    fn image(&self) -> Result<OwnedFd, TrialError> {
        let made = || -> Result<Folder, FolderError> {
            let image = self.own.make_within(IMAGE, 0o755)?;
            image.set_mode(0o755)?;
            for name in MOUNTED {
                image.make_within(name, 0o755)?.set_mode(0o755)?;
            }
            Ok(image)
        };
        let image = made().map_err(|error| TrialError::NotMade(error.to_string()))?;
        let opened = fs::File::open(image.path());
        opened
            .map(Into::into)
            .map_err(|error| TrialError::NotMade(format!("{}: {error}", image.path().display())))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.above, &self.name) {
            tracing::warn!(%error, "the folder of the trial stays behind");
        }
    }
}

/// There is nothing in it but a socket and an image.
fn remove(above: &Folder, name: &str) -> Result<(), FolderError> {
    if let Some(left) = above.find(name)? {
        left.remove(SOCKET_NAME)?;
        if let Some(image) = left.find(IMAGE)? {
            MOUNTED
                .iter()
                .try_for_each(|name| image.remove_folder(name))?;
            left.remove_folder(IMAGE)?;
        }
        above.remove_folder(name)?;
    }
    Ok(())
}

fn unguessable() -> io::Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("aion-trial-{:032x}", u128::from_ne_bytes(bytes)))
}

/// Confines the workers. `state` is the launcher's own folder; without one the
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
    let start = |role, profile: &str| Start {
        id: WorkerId {
            instance: format!("trial-{}", std::process::id()),
            incarnation: 0,
        },
        role,
        profile: profile.into(),
        limits: Limits::default(),
        seccomp: Vec::new(),
        socket: (role != Role::Tool).then(|| path.clone()),
        mounts: Vec::new(),
        user: None,
        scratch_bytes: None,
        ports: Vec::new(),
        rules: Rules::default(),
    };
    let mut declarative = start(Role::Declarative, "declarative");
    // No profile of a role asks for it, and whoever requires it has to know where it can be had.
    declarative.limits.io_read_bps = Some(MUCH);
    let mut layers = confine_one(starter, &declarative, Vec::new(), patience)?;
    // The other two take a root of their own, or there is nothing to try.
    let own_root = starter.namespaces.has(Layer::MountNamespace);
    let roles = [
        (Role::Wasm, "wasm"),
        (Role::Process, "process"),
        (Role::Tool, "tool"),
    ];
    for (role, profile) in roles {
        if !own_root && role != Role::Wasm {
            continue;
        }
        let rest = match role {
            Role::Process => vec![folder.image()?],
            Role::Tool => vec![nothing()?, of_worker(starter)?],
            Role::Declarative | Role::Wasm | Role::Compile => vec![nothing()?],
        };
        match confine_one(starter, &start(role, profile), rest, patience) {
            Ok(of_role) => lower(&mut layers, profile, &of_role),
            Err(TrialError::NotConfined(why)) => lower(&mut layers, profile, &[no_root(why)]),
            // No word on what one can live in; the start of the first says it.
            Err(TrialError::NotMade(why)) => {
                tracing::warn!(profile, %why, "nothing is known of what such a worker has here");
            }
        }
    }
    Ok(layers)
}

/// Its own program, as a tool's.
fn of_worker(starter: &Starter) -> Result<OwnedFd, TrialError> {
    let program = starter.worker.try_clone();
    program.map_err(|error| TrialError::NotMade(error.to_string()))
}

/// What a worker that was not confined did not get: the one step after which it does not go on.
fn no_root(why: String) -> LayerReading {
    LayerReading::missing(Layer::MountNamespace, why, "")
}

/// Says of a layer that is missing for one role that it is missing, for which and why.
fn lower(layers: &mut [LayerReading], profile: &str, of_role: &[LayerReading]) {
    for layer in layers.iter_mut().filter(|it| it.is_enforced()) {
        let found = of_role.iter().find(|it| it.name == layer.name);
        if let Some(LayerReading {
            state: LayerState::Missing { why },
            evidence,
            ..
        }) = found
        {
            let why = format!("{why} (profile {profile})");
            *layer = LayerReading::missing(layer.name, why, evidence.clone());
        }
    }
}

fn nothing() -> Result<OwnedFd, TrialError> {
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map(Into::into)
        .map_err(|error| TrialError::NotMade(format!("/dev/null: {error}")))
}

fn confine_one(
    starter: &Starter,
    start: &Start,
    rest: Vec<OwnedFd>,
    patience: Duration,
) -> Result<Vec<LayerReading>, TrialError> {
    let mut fds = vec![nothing()?, nothing()?, nothing()?];
    fds.extend(rest);
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
