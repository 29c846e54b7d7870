//! The daemon's configuration, checked once. Nothing else of the daemon reads flags, environment or files
//! of settings.

use std::{net::SocketAddr, path::PathBuf};

use aion_api::NodeCapacity;
use aion_bundle::Sources;
use aion_drivers::memory::MemoryConfig;
use aion_kernel::Limits;
use aion_policy::Destination;
use aion_serve::TlsFiles;

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The state directory, absolute.
    pub home: PathBuf,
    /// Where the files of settings are, absolute.
    pub settings: PathBuf,
    /// The node's name.
    pub node: String,
    /// No packet leaves the machine.
    pub offline: bool,
    /// Where the launcher listens.
    pub launcher: PathBuf,
    /// Whom a gateway runs as, where that is not this user.
    pub gateway: Option<u32>,
    /// Where instances come from.
    pub mode: Mode,
    /// The interface over TCP, if any.
    pub tcp: Option<TcpConfig>,
    /// Hosts that are called at the end of turns, where callers name them.
    pub push_hosts: Vec<Destination>,
    /// Where bundles are fetched.
    pub sources: Sources,
    /// Memory pools.
    pub memory: MemoryConfig,
    /// Bounds of the kernel.
    pub limits: Limits,
    /// What placement may count on.
    pub capacity: NodeCapacity,
    /// Bytes of a segment of the journal.
    pub segment_bytes: u64,
    /// Bytes of history in the journal.
    pub journal_bytes: u64,
}

/// The interface over TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where others reach it; that address unless said otherwise.
    pub url: Option<String>,
    /// Its certificate. Without one it is served in plain text, on loopback only.
    pub tls: Option<TlsFiles>,
}

/// Where instances come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The folder of manifests.
    Standalone,
    /// The Kubernetes API.
    Kubernetes,
}

impl Config {
    /// A configuration for `home` with everything else as it is by default.
    ///
    /// # Errors
    /// The shipped settings of memory cannot be read, which a test rules out.
    pub fn standalone(home: PathBuf) -> Result<Self, aion_drivers::memory::ConfigError> {
        Ok(Self {
            settings: home.join("config"),
            node: "local".to_owned(),
            offline: false,
            launcher: home.join("run/launcher.sock"),
            gateway: None,
            mode: Mode::Standalone,
            tcp: None,
            push_hosts: Vec::new(),
            sources: Sources::default(),
            memory: MemoryConfig::shipped()?,
            limits: Limits::default(),
            capacity: crate::machine::capacity(),
            segment_bytes: 32 << 20,
            journal_bytes: 256 << 20,
            home,
        })
    }
}
