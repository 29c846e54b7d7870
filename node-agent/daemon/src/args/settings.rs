//! The file of settings, and how it, the flags and what is built in become one [`Config`].

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use aion_bundle::{NamePattern, Place, SourceRule, Sources};
use aion_daemon::{
    config::{Config, Mode, TcpConfig},
    machine,
};
use aion_drivers::memory::MemoryConfig;
use aion_policy::Destination;
use aion_serve::TlsFiles;
use serde::Deserialize;

use super::{ArgsError, Flags};

/// What a launcher needs of the memory of its container, in MiB.
const LAUNCHER_MIB: u64 = 32;

/// `node.yaml`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct File {
    node_name: Option<String>,
    launcher_socket: Option<PathBuf>,
    offline: Option<bool>,
    listen: Option<SocketAddr>,
    kubernetes: Option<bool>,
    workers: Option<u32>,
    approval_seconds: Option<u64>,
    push_hosts: Vec<String>,
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

pub(super) fn config(home: PathBuf, flags: Flags, file: File) -> Result<Config, ArgsError> {
    let mut config = Config::standalone(home)?;
    config.settings = settings_folder(flags.settings.as_deref(), &config.home)?;
    config.sources = sources(&config.home, &file);
    agents_share(&mut config, &flags)?;
    let node = flags.node_name.clone().or(file.node_name.clone());
    config.node = node.unwrap_or_else(machine::name);
    if config.node.is_empty() || config.node.len() > 253 {
        return Err(ArgsError::Bound {
            name: "the node's name",
            value: format!("{:?}", config.node),
            rule: "1 to 253 characters",
        });
    }
    if let Some(socket) = flags
        .launcher_socket
        .as_ref()
        .or(file.launcher_socket.as_ref())
    {
        config.launcher = absolute(socket)?;
    }
    config.gateway = flags.gateway_uid;
    config.offline = flags.offline.or(file.offline).unwrap_or(false);
    if flags.kubernetes.or(file.kubernetes).unwrap_or(false) {
        if !cfg!(feature = "kubernetes") {
            return Err(ArgsError::NoKubernetes);
        }
        if config.offline {
            return Err(ArgsError::OfflineInCluster);
        }
        config.mode = Mode::Kubernetes;
    }
    config.tcp = tcp(&flags, file.listen, config.mode)?;
    config.push_hosts = push_hosts(&flags, &file, config.mode)?;
    if let Some(workers) = flags.workers.or(file.workers) {
        config.limits.worker_slots = within("workers", u64::from(workers), 1, 1024, "1 to 1024")?
            .try_into()
            .unwrap_or(u32::MAX);
    }
    if let Some(seconds) = flags.approval_seconds.or(file.approval_seconds) {
        let week = 7 * 24 * 3_600;
        let seconds = within("approvalSeconds", seconds, 1, week, "1 to 604800, a week")?;
        config.limits.approval_ms = seconds * 1_000;
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
    let memory = config.settings.join("memory.yaml");
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

/// What a launcher in a container leaves to agents: its cgroup's bounds, but for what it needs itself.
fn agents_share(config: &mut Config, flags: &Flags) -> Result<(), ArgsError> {
    if let Some(mib) = flags.agent_memory_mib {
        let least = LAUNCHER_MIB + 1;
        let mib = within("--agent-memory-mib", mib, least, 1 << 30, "33 to 2^30")?;
        config.capacity.memory_mib = i64::try_from(mib - LAUNCHER_MIB).unwrap_or(i64::MAX);
    }
    if let Some(millis) = flags.agent_cpu_millis {
        let millis = within("--agent-cpu-millis", millis, 1, 1 << 30, "1 to 2^30")?;
        config.capacity.cpu_millis = i64::try_from(millis).unwrap_or(i64::MAX);
    }
    Ok(())
}

/// Where the files of settings are.
pub(super) fn settings_folder(given: Option<&Path>, home: &Path) -> Result<PathBuf, ArgsError> {
    given.map_or_else(|| Ok(home.join("config")), absolute)
}

/// The interface over TCP, if any.
fn tcp(
    flags: &Flags,
    listen: Option<SocketAddr>,
    mode: Mode,
) -> Result<Option<TcpConfig>, ArgsError> {
    let Some(address) = flags.listen.or(listen) else {
        return Ok(None);
    };
    let tls = match (&flags.api_tls_cert, &flags.api_tls_key) {
        (Some(cert), Some(key)) => Some(TlsFiles {
            cert: absolute(cert)?,
            key: absolute(key)?,
            ca: flags.api_tls_ca.as_deref().map(absolute).transpose()?,
        }),
        _ => None,
    };
    if tls.is_some() && mode == Mode::Standalone {
        return Err(ArgsError::AloneWithTls);
    }
    if mode == Mode::Kubernetes && address.ip().is_unspecified() && flags.api_url.is_none() {
        return Err(ArgsError::NoUrl(address));
    }
    Ok(Some(TcpConfig {
        address,
        url: flags.api_url.clone(),
        tls,
    }))
}

/// Hosts that are called at the end of turns.
fn push_hosts(flags: &Flags, file: &File, mode: Mode) -> Result<Vec<Destination>, ArgsError> {
    let named = match flags.push_hosts.is_empty() {
        true => &file.push_hosts,
        false => &flags.push_hosts,
    };
    let named = named.iter().map(|it| it.trim()).filter(|it| !it.is_empty());
    let hosts: Result<Vec<_>, _> = named
        .map(|it| {
            Destination::parse(it).map_err(|_| ArgsError::Bound {
                name: "pushHosts",
                value: format!("{it:?}"),
                rule: "HOST:PORT, such as hooks.example.org:443 or *.example.org:443, an address in numbers, with its port",
            })
        })
        .collect();
    let hosts = hosts?;
    match mode == Mode::Kubernetes && !hosts.is_empty() {
        true => Err(ArgsError::PushInCluster),
        false => Ok(hosts),
    }
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

pub(super) fn find_home(given: Option<PathBuf>) -> Result<PathBuf, ArgsError> {
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

pub(super) fn read_yaml<T: serde::de::DeserializeOwned>(
    path: &Path,
) -> Result<Option<T>, ArgsError> {
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
