//! The command line, read once into [`Options`].

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::server::Options;

/// Starts confined workers for aion-node, and tells what is enforced.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the daemon until SIGTERM; every worker ends then.
    Serve(Serve),
    /// Make the folders of a node in a pod: root's, and the daemon's.
    Prepare(Prepare),
    /// Confine one worker that never runs, and print what this machine enforced.
    Probe(Probe),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; the socket belongs to the daemon's user alone.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// Where workers are remembered, so that a launcher started later adopts them.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The daemon's user id [default: the launcher's own].
    #[arg(long, value_name = "UID")]
    daemon_uid: Option<u32>,
    /// The most workers at the same time.
    #[arg(long, value_name = "N", default_value_t = 256)]
    max_workers: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Prepare {
    /// The node's folder: HOME/launcher is made for the socket and records, HOME/node for the daemon.
    #[arg(long, value_name = "HOME")]
    pub(crate) home: PathBuf,
    /// The daemon's user id.
    #[arg(long, value_name = "UID")]
    pub(crate) daemon_uid: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// The worker's program [default: aion-worker beside this one].
    #[arg(long, value_name = "PATH")]
    worker: Option<PathBuf>,
    /// The program that compiles WASM modules [default: aion-compiler beside this one].
    #[arg(long, value_name = "PATH")]
    compiler: Option<PathBuf>,
    /// A seccomp profile in the OCI format, instead of the built-in one.
    #[arg(long, value_name = "PATH")]
    seccomp_profile: Option<PathBuf>,
    /// Cgroup profiles, instead of the built-in ones.
    #[arg(long, value_name = "PATH")]
    cgroup_profiles: Option<PathBuf>,
    /// Make the cgroup file system writable in the launcher's own mount namespace. For a container, whose
    /// runtime mounts it read-only.
    #[arg(long)]
    writable_cgroups: bool,
    /// How long a worker may take to confine itself, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    start_timeout_ms: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

impl Serve {
    pub(crate) fn into_options(self) -> Options {
        let own = rustix::process::geteuid().as_raw();
        self.common.into_options(
            self.socket,
            self.state,
            self.daemon_uid.unwrap_or(own),
            self.max_workers,
        )
    }
}

impl Probe {
    pub(crate) fn into_options(self) -> Options {
        let own = rustix::process::geteuid().as_raw();
        self.common
            .into_options(PathBuf::new(), PathBuf::new(), own, 1)
    }
}

impl Common {
    fn into_options(
        self,
        socket: PathBuf,
        state: PathBuf,
        daemon_uid: u32,
        max_workers: usize,
    ) -> Options {
        Options {
            worker: self.worker,
            compiler: self.compiler,
            seccomp_profile: self.seccomp_profile,
            cgroup_profiles: self.cgroup_profiles,
            writable_cgroups: self.writable_cgroups,
            daemon_uid,
            socket,
            state,
            max_workers,
            start_timeout: Duration::from_millis(self.start_timeout_ms),
        }
    }
}
