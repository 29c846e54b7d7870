//! The launcher itself: one thread, one loop over its socket, its workers and
//! their deadlines. It holds no policy: what a start asks for is tried, what is in
//! force is told, and whether that is enough is the daemon's to say.

mod adopt;
mod blank;
mod cgroup;
mod connection;
mod endings;
mod following;
mod leftover;
mod mountinfo;
mod namespaces;
mod proc;
mod profile;
mod readback;
mod record;
mod requests;
mod rlimits;
mod seccomp;
mod shown;
mod starter;
mod sys;
mod trial;
mod visible;
mod worker;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aion_folders::{Folder, Trust};
use aion_profiles::{BUILT_IN_SECCOMP, Profiles};
use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use aion_sandbox::protocol::{self, Exited, Reply, WorkerId};
use aion_sandbox::{Layer, LayerReading};
use blank::Spare;
use cgroup::{Cgroups, Pressure};
use connection::{Connection, Listener};
use following::Following;
use leftover::Leftover;
use namespaces::Namespaces;
use record::Records;
use starter::Starter;
use trial::TrialError;
use worker::{Phase, Worker};

/// How the launcher is to run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The worker's program; beside the launcher's own where `None`.
    pub(crate) worker: Option<PathBuf>,
    /// The program that compiles modules; beside the launcher's own where `None`.
    pub(crate) compiler: Option<PathBuf>,
    /// A seccomp profile instead of the built-in one.
    pub(crate) seccomp_profile: Option<PathBuf>,
    /// Cgroup profiles instead of the built-in ones.
    pub(crate) cgroup_profiles: Option<PathBuf>,
    /// Whether cgroups are made writable first.
    pub(crate) writable_cgroups: bool,
    /// The daemon's user: who may connect.
    pub(crate) daemon_uid: u32,
    /// Where the socket is to be.
    pub(crate) socket: PathBuf,
    /// Where workers are remembered, for a later launcher.
    pub(crate) state: PathBuf,
    /// Workers at the same time, those that wait at their gate included.
    pub(crate) max_workers: usize,
    /// How long a worker may take to confine itself.
    pub(crate) start_timeout: Duration,
}

/// Between two looks at what cannot be waited for: a group that is still held, the
/// status of an adopted worker.
const RETRY: Duration = Duration::from_millis(20);

struct Server {
    options: Options,
    starter: Starter,
    features: Vec<LayerReading>,
    records: Records,
    boot: String,
    listener: Listener,
    connection: Option<Connection>,
    workers: BTreeMap<WorkerId, Worker>,
    spare: Spare,
    following: Following,
    /// Told on each connection until acknowledged.
    exits: BTreeMap<WorkerId, Exited>,
    /// Groups of ended workers that could not be removed yet.
    leftovers: Vec<Leftover>,
}

/// What a descriptor of the loop stands for.
enum Source {
    Stop,
    Listener,
    Connection,
    Link(WorkerId),
    End(WorkerId),
    Pressure(WorkerId),
    Spare,
    Kernel,
}

/// Serves until SIGTERM or SIGINT; every worker is ended then, and its exit kept
/// for the next launcher to tell.
///
/// # Errors
/// The launcher cannot start here; the message says what to do.
pub(crate) fn serve(options: Options) -> anyhow::Result<()> {
    let stop = sys::stop_signals().context("take the stop signals")?;
    let trust = Trust::of_process().context("look at the users of this machine")?;
    let state = Folder::make(&options.state, trust, 0o700).context("open the state")?;
    let lock = connection::lock(&state)?;
    let records = Records::open(&state).context("open the state")?;
    let listener = connection::listen(&options.socket, options.daemon_uid, trust)?;
    let (starter, features) = prepare(&options, Some(&state))?;
    if starter.namespaces.privileged() {
        leave_network(&starter.namespaces)?;
    }
    let mut server = Server {
        starter,
        features,
        records,
        boot: record::boot_id().context("read the boot id")?,
        listener,
        connection: None,
        workers: BTreeMap::new(),
        spare: Spare::to_be_made(),
        following: Following::start(),
        exits: BTreeMap::new(),
        leftovers: Vec::new(),
        options,
    };
    server.adopt()?;
    tracing::info!(
        socket = %server.options.socket.display(),
        adopted = server.workers.len(),
        exits = server.exits.len(),
        "ready"
    );
    while server.turn(&stop)? {}
    server.end_all();
    server.starter.cgroups.remove();
    server.listener.remove();
    drop(lock);
    Ok(())
}

/// What this machine can enforce, found by confining a worker that never runs.
///
/// # Errors
/// No worker can be started at all.
pub(crate) fn probe(options: &Options) -> anyhow::Result<Vec<LayerReading>> {
    let (starter, features) = prepare(options, None)?;
    starter.cgroups.remove();
    Ok(features)
}

fn prepare(
    options: &Options,
    state: Option<&Folder>,
) -> anyhow::Result<(Starter, Vec<LayerReading>)> {
    let read = |path: &Option<PathBuf>| {
        path.as_ref()
            .map(|path| {
                fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
            })
            .transpose()
    };
    let program = match &options.worker {
        Some(path) => path.clone(),
        None => starter::beside_launcher("aion-worker")?,
    };
    let compiler = match &options.compiler {
        Some(path) => path.clone(),
        None => starter::beside_launcher("aion-compiler")?,
    };
    let profile = read(&options.seccomp_profile)?;
    let filters = match seccomp::Filters::compile(profile.as_deref().unwrap_or(BUILT_IN_SECCOMP)) {
        Ok(filters) => filters,
        Err(seccomp::BadProfile::Processor) => seccomp::Filters::none(),
        Err(error) => return Err(error.into()),
    };
    let privileged = rustix::process::geteuid().is_root();
    if privileged {
        visible::whole_proc();
    }
    let mut starter = Starter {
        namespaces: Namespaces::find().context("try the namespaces")?,
        cgroups: Cgroups::prepare(options.writable_cgroups).context("look for the cgroups")?,
        profiles: match read(&options.cgroup_profiles)? {
            Some(text) => Profiles::parse(&text)?.into(),
            None => Profiles::built_in(),
        },
        filters,
        worker: starter::open_program(&program)
            .with_context(|| format!("open the worker {}", program.display()))?,
        compiler,
        socket_owner: privileged.then_some(options.daemon_uid),
    };
    let patience = options.start_timeout;
    let features = match trial::run(&starter, state, patience) {
        Err(TrialError::NotConfined(why)) => {
            tracing::warn!(%why, "no worker lives in namespaces here, so none gets any");
            starter.namespaces = starter.namespaces.none(&why);
            trial::run(&starter, state, patience)
        }
        outcome => outcome,
    };
    let features =
        features.with_context(|| format!("no worker can be started from {}", program.display()))?;
    Ok((starter, features))
}

/// The launcher talks over Unix sockets only, and where it is root and may make
/// namespaces the kernel holds it to that: one with no interface.
fn leave_network(namespaces: &Namespaces) -> anyhow::Result<()> {
    #[allow(unsafe_code)]
    // SAFETY: unsharing the network namespace changes no memory and no descriptor.
    let left = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) };
    match (left, namespaces.missing(Layer::NetworkNamespace)) {
        (Err(rustix::io::Errno::PERM), Some(why)) => {
            tracing::warn!(%why, "the launcher keeps its network, which it does not use");
            Ok(())
        }
        (left, _) => left.context("leave the network"),
    }
}

impl Server {
    /// One round of the loop; `false` once it is to stop.
    fn turn(&mut self, stop: &OwnedFd) -> anyhow::Result<bool> {
        let timeout = self.timeout();
        let (sources, ready) = {
            let mut sources = vec![Source::Stop, Source::Listener];
            let mut fds = vec![watch(stop), watch(&self.listener.socket)];
            if let Some(connection) = &self.connection {
                sources.push(Source::Connection);
                fds.push(connection.watch());
            }
            for (id, worker) in &self.workers {
                if let Some(link) = &worker.link {
                    sources.push(Source::Link(id.clone()));
                    fds.push(watch(link));
                }
                if let Some((event, flags)) = worker.pressure.as_ref().and_then(Pressure::event) {
                    sources.push(Source::Pressure(id.clone()));
                    fds.push(PollFd::from_borrowed_fd(event, flags));
                }
                if worker.gone_since.is_none() {
                    sources.push(Source::End(id.clone()));
                    fds.push(watch(&worker.pidfd));
                }
            }
            if let Some(blank) = &self.spare.blank {
                sources.push(Source::Spare);
                fds.push(watch(&blank.made.pidfd));
            }
            if let Some(events) = self.following.watch() {
                sources.push(Source::Kernel);
                fds.push(PollFd::from_borrowed_fd(events, PollFlags::IN));
            }
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("wait for events"),
            }
            let ready: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
            (sources, ready)
        };
        for (source, events) in sources.into_iter().zip(ready) {
            if events.is_empty() {
                continue;
            }
            match source {
                Source::Stop => return Ok(false),
                Source::Listener => self.accept(),
                Source::Connection => self.serve_connection(),
                Source::Link(id) => self.hear(&id),
                Source::End(id) => self.look_after(&id),
                Source::Pressure(id) => self.woken(&id),
                Source::Spare => self.bury_spare(),
                // Where there is more, the next round finds it.
                Source::Kernel => {
                    self.hear_kernel();
                }
            }
        }
        self.keep_time();
        Ok(true)
    }

    /// Until the next thing that no descriptor announces.
    fn timeout(&self) -> Option<Timespec> {
        let now = Instant::now();
        let deadlines = self.workers.values().flat_map(|worker| {
            let start = match &worker.phase {
                Phase::Starting(_, deadline) => Some(*deadline),
                _ => None,
            };
            let retry = worker.gone_since.map(|_| now + RETRY);
            let look = worker.pressure.as_ref().and_then(Pressure::due);
            [start, worker.kill_at, retry, look]
        });
        let leftovers = self.leftovers.iter().map(Leftover::due);
        let others = leftovers.chain(self.spare.due).chain(self.following.due());
        let next = deadlines.flatten().chain(others).min()?;
        Timespec::try_from(next.saturating_duration_since(now)).ok()
    }

    /// The memory of a worker came close to its limit, or went back.
    fn woken(&mut self, id: &WorkerId) {
        let worker = self.workers.get_mut(id);
        if let Some(pressure) = worker.and_then(|it| it.pressure.as_mut()) {
            pressure.woken(Instant::now());
        }
    }

    fn look_at_memory(&mut self, id: &WorkerId, now: Instant) {
        let worker = self.workers.get_mut(id);
        let Some(pressure) = worker.and_then(|it| it.pressure.as_mut()) else {
            return;
        };
        if let Some(held_bytes) = pressure.look(now) {
            let told = protocol::Pressure {
                id: id.clone(),
                held_bytes,
                high_bytes: pressure.high,
                most_bytes: pressure.most,
            };
            // A daemon that does not keep up is not told: it would be told too late.
            if self.connection.as_ref().is_some_and(Connection::keeps_up) {
                self.tell(Reply::Pressure(told));
            }
        }
    }

    fn keep_time(&mut self) {
        let now = Instant::now();
        let ids: Vec<WorkerId> = self.workers.keys().cloned().collect();
        for id in ids {
            let Some(worker) = self.workers.get_mut(&id) else {
                continue;
            };
            if worker.kill_at.is_some_and(|at| at <= now) {
                worker.kill_at = None;
                worker.kill();
            }
            if let Phase::Starting(_, deadline) = &worker.phase
                && *deadline <= now
            {
                worker.note = Some("did not confine itself in time".into());
                worker.kill();
            }
            if worker.gone_since.is_some() {
                self.look_after(&id);
            }
            self.look_at_memory(&id, now);
        }
        self.leftovers.retain_mut(|left| !left.cleared(now));
        self.make_spare();
        self.keep_following(now);
    }
}

fn watch(fd: &OwnedFd) -> PollFd<'_> {
    PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)
}
