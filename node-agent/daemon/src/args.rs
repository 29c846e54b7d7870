//! Flags, environment and the file of settings become one checked [`Config`], once.
//!
//! A flag wins over its variable, a variable over the file, the file over what is built in.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use aion_bundle::{NamePattern, Place, SourceRule, Sources};
use aion_daemon::{
    config::{Config, Mode},
    drivers::memory::{ConfigError, MemoryConfig},
    machine,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Deserialize;

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
Settings that have no flag stand in HOME/config/node.yaml, e.g.

  sources:                     # where bundles come from, tried in this order
    - layout: /srv/bundles
    - match: acme/*
      registry: registry.acme.example/agents
  workers: 8                   # agents that run at the same time
  journal: {segmentMiB: 32, keepMiB: 256}

HOME/config/memory.yaml replaces the built-in settings of memory. AION_LOG says what is logged, e.g.
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
        #[arg(long, env = "AION_HOME", value_name = "FOLDER")]
        /// The state of the node [default: ~/.aion].
        home: Option<PathBuf>,
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
    #[arg(long, env = "AION_HOME", value_name = "FOLDER")]
    home: Option<PathBuf>,
    /// The node's name [default: the host's; in a cluster that of the Node].
    #[arg(long, env = "AION_NODE_NAME", value_name = "NAME")]
    node_name: Option<String>,
    /// Where aion-launcher listens [default: HOME/run/launcher.sock].
    #[arg(long, env = "AION_LAUNCHER_SOCKET", value_name = "PATH")]
    launcher_socket: Option<PathBuf>,
    /// Let no packet leave this machine.
    #[arg(long, env = "OFFLINE_MODE", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    offline: Option<bool>,
    /// Serve the interface over TCP too, e.g. 127.0.0.1:7700; needs a token or a cluster.
    #[arg(long, env = "AION_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Take instances from the Kubernetes API instead of HOME/manifests.
    #[arg(long, env = "AION_KUBERNETES", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    kubernetes: Option<bool>,
    /// Agents that run at the same time [default: 16].
    #[arg(long, env = "AION_WORKERS", value_name = "N")]
    workers: Option<u32>,
    /// Log JSON instead of lines for eyes.
    #[arg(long, env = "AION_LOG_JSON")]
    log_json: bool,
}

/// `config/node.yaml`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct File {
    node_name: Option<String>,
    launcher_socket: Option<PathBuf>,
    offline: Option<bool>,
    listen: Option<SocketAddr>,
    kubernetes: Option<bool>,
    workers: Option<u32>,
    sources: Vec<SourceRule>,
    insecure_hosts: Vec<String>,
    docker_config: Option<PathBuf>,
    journal: JournalFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct JournalFile {
    #[serde(rename = "segmentMiB")]
    segment_mib: Option<u64>,
    #[serde(rename = "keepMiB")]
    keep_mib: Option<u64>,
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
    #[error("config/memory.yaml: {0}")]
    Memory(#[from] ConfigError),
    /// The build lacks it.
    #[error(
        "this aion-node was built without the feature kubernetes: install the one of the container image"
    )]
    NoKubernetes,
}

impl Cli {
    /// Checks everything.
    pub(crate) fn resolve(self) -> Result<Task, ArgsError> {
        match self.command {
            Some(Sub::Journal(Journal::Dump { output, home })) => Ok(Task::Dump {
                journal: find_home(home)?.join("state/journal"),
                output,
            }),
            None => {
                let log_json = self.flags.log_json;
                let home = find_home(self.flags.home.clone())?;
                let file = read_yaml::<File>(&home.join("config/node.yaml"))?.unwrap_or_default();
                Ok(Task::Run {
                    config: Box::new(config(home, self.flags, file)?),
                    log_json,
                })
            }
        }
    }
}

fn config(home: PathBuf, flags: Flags, file: File) -> Result<Config, ArgsError> {
    let mut config = Config::standalone(home)?;
    config.sources = sources(&config.home, &file);
    let node = flags.node_name.or(file.node_name);
    config.node = node.unwrap_or_else(machine::name);
    if config.node.is_empty() || config.node.len() > 253 {
        return Err(ArgsError::Bound {
            name: "the node's name",
            value: format!("{:?}", config.node),
            rule: "1 to 253 characters",
        });
    }
    if let Some(socket) = flags.launcher_socket.or(file.launcher_socket) {
        config.launcher = absolute(&socket)?;
    }
    config.offline = flags.offline.or(file.offline).unwrap_or(false);
    config.listen = flags.listen.or(file.listen);
    if flags.kubernetes.or(file.kubernetes).unwrap_or(false) {
        if !cfg!(feature = "kubernetes") {
            return Err(ArgsError::NoKubernetes);
        }
        config.mode = Mode::Kubernetes;
    }
    if let Some(workers) = flags.workers.or(file.workers) {
        config.limits.worker_slots = within("workers", u64::from(workers), 1, 1024, "1 to 1024")?
            .try_into()
            .unwrap_or(u32::MAX);
    }
    if let Some(mib) = file.journal.segment_mib {
        config.segment_bytes = within("journal.segmentMiB", mib, 1, 1024, "1 to 1024")? << 20;
    }
    if let Some(mib) = file.journal.keep_mib {
        config.journal_bytes = within("journal.keepMiB", mib, 4, 65536, "4 to 65536")? << 20;
    }
    // Two snapshots, the segment at hand and its spare must fit.
    if config.journal_bytes < config.segment_bytes * 4 {
        return Err(ArgsError::Bound {
            name: "journal.keepMiB",
            value: (config.journal_bytes >> 20).to_string(),
            rule: "at least four times journal.segmentMiB",
        });
    }
    let memory = config.home.join("config/memory.yaml");
    match fs::read_to_string(&memory) {
        Ok(text) => config.memory = MemoryConfig::parse(&text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => {
            return Err(ArgsError::Io {
                path: memory,
                source,
            });
        }
    }
    Ok(config)
}

/// The configured places; without any, the node's own layout.
fn sources(home: &Path, file: &File) -> Sources {
    let mut rules = file.sources.clone();
    if rules.is_empty() {
        rules.push(SourceRule {
            bundles: NamePattern::any(),
            place: Place::Layout(home.join("bundles")),
        });
    }
    Sources {
        sources: rules,
        insecure_hosts: file.insecure_hosts.clone(),
        docker_config: file.docker_config.clone(),
    }
}

fn find_home(given: Option<PathBuf>) -> Result<PathBuf, ArgsError> {
    let given = given.filter(|path| !path.as_os_str().is_empty());
    let home = given.or_else(|| {
        std::env::var_os("HOME")
            .filter(|home| !home.is_empty())
            .map(|home| Path::new(&home).join(".aion"))
    });
    absolute(&home.ok_or(ArgsError::NoHome)?)
}

fn absolute(path: &Path) -> Result<PathBuf, ArgsError> {
    std::path::absolute(path).map_err(|source| ArgsError::Io {
        path: path.to_owned(),
        source,
    })
}

fn read_yaml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, ArgsError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(ArgsError::Io {
                path: path.to_owned(),
                source,
            });
        }
    };
    serde_saphyr::from_str(&text)
        .map(Some)
        .map_err(|error| ArgsError::Form {
            path: path.to_owned(),
            why: error.to_string(),
        })
}

fn within(
    name: &'static str,
    value: u64,
    least: u64,
    most: u64,
    rule: &'static str,
) -> Result<u64, ArgsError> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(ArgsError::Bound {
        name,
        value: value.to_string(),
        rule,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn resolve(arguments: &[&str]) -> Result<Task, ArgsError> {
        let arguments = std::iter::once("aion-node").chain(arguments.iter().copied());
        Cli::try_parse_from(arguments).unwrap().resolve()
    }

    fn config(home: &Path, arguments: &[&str]) -> Config {
        let mut all = vec!["--home", home.to_str().unwrap()];
        all.extend(arguments);
        match resolve(&all).unwrap() {
            Task::Run { config, .. } => *config,
            Task::Dump { .. } => panic!("not a dump"),
        }
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("config")).unwrap();
        fs::write(
            home.path().join("config/node.yaml"),
            "nodeName: from-file\nworkers: 3\noffline: true\nsources: [{layout: /srv/b}]\n",
        )
        .unwrap();
        let config = config(home.path(), &["--node-name", "from-flag"]);
        assert_eq!(config.node, "from-flag");
        assert_eq!(config.limits.worker_slots, 3);
        assert!(config.offline);
        assert_eq!(config.sources.sources.len(), 1);
    }

    #[test]
    fn a_misspelt_setting_is_refused_by_file_and_name() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("config")).unwrap();
        fs::write(home.path().join("config/node.yaml"), "worker: 3\n").unwrap();
        let error = resolve(&["--home", home.path().to_str().unwrap()]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("node.yaml") && text.contains("worker"),
            "{text}"
        );
    }

    #[test]
    fn values_out_of_bounds_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().to_str().unwrap();
        assert!(matches!(
            resolve(&["--home", home, "--workers", "0"]),
            Err(ArgsError::Bound {
                name: "workers",
                ..
            })
        ));
    }

    #[test]
    fn without_sources_the_nodes_own_layout_serves() {
        let home = tempfile::tempdir().unwrap();
        let config = config(home.path(), &[]);
        assert_eq!(
            config.sources.sources[0].place,
            Place::Layout(home.path().join("bundles"))
        );
    }
}
