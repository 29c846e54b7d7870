//! Flags, environment and the file of settings become one checked [`Config`], once.
//!
//! A flag wins over its variable, a variable over the file, the file over what is built in.

mod settings;
#[cfg(test)]
mod tests;

use std::{io, net::SocketAddr, path::PathBuf};

use aion_abi::switch;
use aion_daemon::config::Config;
use aion_drivers::memory::ConfigError;
use clap::{Args, Parser, Subcommand, ValueEnum};

use settings::{File, config, find_home, read_yaml, settings_folder};

/// The daemon of an AION-OS node: the kernel that decides what agents may do, their memory, models, tools
/// and files, and the socket that aionctl talks to.
///
/// It needs aion-launcher beside it, which starts the agents' confined processes. `aionctl local start`
/// starts both; a service manager may as well.
#[derive(Debug, Parser)]
#[command(
    name = "aion-node",
    version,
    max_term_width = 100,
    after_help = "\
Settings that have no flag stand in node.yaml, in HOME/config or where --settings says, e.g.

  sources:                     # where bundles come from, tried in this order
    - layout: /srv/bundles
    - match: acme/*
      registry: registry.acme.example/agents
  workers: 8                   # agents that run at the same time
  journal: {segmentMiB: 32, keepMiB: 256}
  pushHosts: [hooks.example.org:443]   # called at the end of turns, where their callers ask for it

memory.yaml beside it replaces the built-in settings of memory. AION_LOG says what is logged, e.g.
AION_LOG=debug. The daemon stops on SIGTERM: it takes no new turns, lets running ones end, and leaves
those that take too long to the next daemon."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Sub>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Look into the journal.
    #[command(subcommand)]
    Journal(Journal),
}

#[derive(Debug, Subcommand)]
enum Journal {
    /// Print every fact, oldest first. The daemon may be running.
    Dump {
        /// How to print.
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
}

/// How facts are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A line each: position, name, the rest.
    Text,
    /// A JSON object each line.
    Json,
}

#[derive(Debug, Default, Args)]
struct Flags {
    /// Where the node's state is [default: ~/.aion].
    #[arg(long, env = "AION_HOME", value_name = "FOLDER", global = true)]
    home: Option<PathBuf>,
    /// Where node.yaml and memory.yaml are [default: HOME/config].
    #[arg(long, env = "AION_SETTINGS", value_name = "FOLDER")]
    settings: Option<PathBuf>,
    /// Memory that agents may use together, in MiB, where a launcher in a container has less than the machine
    /// [default: what the machine has, but for a reserve].
    #[arg(long, env = "AION_AGENT_MEMORY_MIB", value_name = "MIB")]
    agent_memory_mib: Option<u64>,
    /// Processors that they may use together, in thousandths [default: those of the machine].
    #[arg(long, env = "AION_AGENT_CPU_MILLIS", value_name = "N")]
    agent_cpu_millis: Option<u64>,
    /// The node's name [default: the host's; in a cluster that of the Node].
    #[arg(long, env = "AION_NODE_NAME", value_name = "NAME")]
    node_name: Option<String>,
    /// Where aion-launcher listens [default: HOME/run/launcher.sock].
    #[arg(long, env = "AION_LAUNCHER_SOCKET", value_name = "PATH")]
    launcher_socket: Option<PathBuf>,
    /// Another user who may ask agents on HOME/asking/node.sock: whom aion-gateway runs as. The folder is of that
    /// user's group.
    #[arg(long, value_name = "UID")]
    gateway_uid: Option<u32>,
    /// Let no packet leave this machine, which stands alone then.
    #[arg(long, env = "OFFLINE_MODE", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", value_parser = switch::parse)]
    offline: Option<bool>,
    /// Serve the interface over TCP too, e.g. 127.0.0.1:7443. In a cluster who may is asked of the
    /// Kubernetes API; else whoever has the token of HOME/config/admin.token, from this machine.
    #[arg(long, env = "AION_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where others reach it [default: https:// or http:// and the address of --listen].
    #[arg(long, env = "AION_API_URL", value_name = "URL", requires = "listen")]
    api_url: Option<String>,
    /// Its certificate, PEM; without one it is served on loopback only. In a cluster only.
    #[arg(long, env = "AION_API_TLS_CERT", value_name = "FILE", requires_all = ["listen", "api_tls_key"])]
    api_tls_cert: Option<PathBuf>,
    /// The certificate's key, PEM.
    #[arg(
        long,
        env = "AION_API_TLS_KEY",
        value_name = "FILE",
        requires = "api_tls_cert"
    )]
    api_tls_key: Option<PathBuf>,
    /// The authority that clients check the certificate against, PEM [default: the certificate itself].
    #[arg(
        long,
        env = "AION_API_TLS_CA",
        value_name = "FILE",
        requires = "api_tls_cert"
    )]
    api_tls_ca: Option<PathBuf>,
    /// Take instances from the Kubernetes API instead of HOME/manifests. It is found as kubectl finds it:
    /// KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, env = "AION_KUBERNETES", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", value_parser = switch::parse)]
    kubernetes: Option<bool>,
    /// Agents that run at the same time [default: 16].
    #[arg(long, env = "AION_WORKERS", value_name = "N")]
    workers: Option<u32>,
    /// How long a person's word is waited for, in seconds, before the call is refused [default: 86400, a day].
    #[arg(long, env = "AION_APPROVAL_SECONDS", value_name = "N")]
    approval_seconds: Option<u64>,
    /// Hosts that are called at the end of turns where their callers name an address there (push notifications), as
    /// HOST:PORT, also *.example.org:443; several with commas between [default: none]. Not in a cluster.
    #[arg(
        long,
        env = "AION_PUSH_HOSTS",
        value_name = "HOSTS",
        value_delimiter = ','
    )]
    push_hosts: Vec<String>,
    /// Log JSON instead of lines for eyes.
    #[arg(long, env = "AION_LOG_JSON")]
    log_json: bool,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Task {
    /// Run the node.
    Run { config: Box<Config>, log_json: bool },
    /// Print the journal in this folder.
    Dump { journal: PathBuf, output: Output },
}

/// Settings that are not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgsError {
    /// There is no home.
    #[error("there is no home folder: say where the state is with --home or AION_HOME")]
    NoHome,
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// A file is not of its form.
    #[error("{path}: {why}")]
    Form { path: PathBuf, why: String },
    /// A value is out of its bounds.
    #[error("{name} is {value}: {rule}")]
    Bound {
        name: &'static str,
        value: String,
        rule: &'static str,
    },
    /// The file of memory.
    #[error("memory.yaml: {0}")]
    Memory(#[from] ConfigError),
    /// The build lacks it.
    #[error(
        "this aion-node was built without the feature kubernetes: install the one of the container image"
    )]
    NoKubernetes,
    /// A cluster is not on this machine.
    #[error(
        "offline and in a cluster: OFFLINE_MODE is for a machine standing alone; in a cluster network policies keep packets in"
    )]
    OfflineInCluster,
    /// Gateways of a cluster have no push notifications.
    #[error(
        "pushHosts is for a machine standing alone: in a cluster nobody is called at the end of a turn"
    )]
    PushInCluster,
    /// Others cannot be told where the interface is.
    #[error(
        "--listen {0} is every address of this machine: say with --api-url where others reach it"
    )]
    NoUrl(SocketAddr),
    /// Standing alone, the interface over TCP is for this machine.
    #[error(
        "--api-tls-cert is for a cluster: on a machine standing alone listen at 127.0.0.1, without it"
    )]
    AloneWithTls,
}

impl Cli {
    /// Checks everything.
    pub(crate) fn resolve(self) -> Result<Task, ArgsError> {
        match self.command {
            Some(Sub::Journal(Journal::Dump { output })) => Ok(Task::Dump {
                journal: find_home(self.flags.home)?.join("state/journal"),
                output,
            }),
            None => {
                let log_json = self.flags.log_json;
                let home = find_home(self.flags.home.clone())?;
                let settings = settings_folder(self.flags.settings.as_deref(), &home)?;
                let file = read_yaml::<File>(&settings.join("node.yaml"))?.unwrap_or_default();
                Ok(Task::Run {
                    config: Box::new(config(home, self.flags, file)?),
                    log_json,
                })
            }
        }
    }
}
