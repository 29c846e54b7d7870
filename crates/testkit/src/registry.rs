//! OCI registries on loopback, plain HTTP.

use std::{fs, process::Command, time::Duration};

use tempfile::TempDir;

use crate::{Cluster, Component, Process, StartError, process::remove};

const BOUND: Duration = Duration::from_secs(60);

/// Whom a registry lets in, and how it answers a question for referrers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryKind {
    /// distribution, open to everybody. It has no referrers API, so clients fall
    /// back to the `sha256-…` tag.
    Anonymous,
    /// distribution, basic authentication for every request; see
    /// [`Registry::credentials`].
    Password,
    /// A registry in memory that answers the referrers API of OCI 1.1, open to
    /// everybody.
    Referrers,
}

/// The one account of a [`RegistryKind::Password`] registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub user: &'static str,
    /// Password.
    pub password: &'static str,
}

const ACCOUNT: Credentials = Credentials {
    user: "alice",
    password: "open-sesame",
};

/// [`ACCOUNT`] with its password as bcrypt, of the lowest cost there is.
const HTPASSWD: &str = "alice:$2a$04$li0AiNxD38u0wEkHQLf86u3EbLuRL5SOKiOk6uRgpqkeg53uBf.du\n";

/// A running registry; gone with all that was pushed to it when dropped.
#[derive(Debug)]
pub struct Registry {
    process: Process,
    kind: RegistryKind,
    address: String,
    _folder: TempDir,
}

impl Registry {
    /// Starts an empty registry and waits until it answers.
    ///
    /// # Errors
    /// [`StartError::Missing`] when it is not on this machine; otherwise with its log.
    pub fn start(kind: RegistryKind) -> Result<Self, StartError> {
        Self::started(kind, Command::new(Component::Registry.find()?))
    }

    /// As [`Registry::start`], in the network of a cluster's control plane; [`Cluster::show`] shows it to the nodes.
    ///
    /// # Errors
    /// As [`Registry::start`].
    pub fn start_in(kind: RegistryKind, cluster: &Cluster) -> Result<Self, StartError> {
        Self::started(kind, cluster.command(Component::Registry.find()?))
    }

    fn started(kind: RegistryKind, mut command: Command) -> Result<Self, StartError> {
        let folder = tempfile::Builder::new()
            .prefix("aion-registry-")
            .tempdir()
            .map_err(StartError::io("making a folder for the registry"))?;
        match kind {
            RegistryKind::Referrers => command.arg("referrers"),
            RegistryKind::Anonymous => command.arg("distribution").arg(folder.path().join("data")),
            RegistryKind::Password => {
                let accounts = folder.path().join("htpasswd");
                fs::write(&accounts, HTPASSWD)
                    .map_err(StartError::io("writing the registry's accounts"))?;
                command
                    .arg("distribution")
                    .arg(folder.path().join("data"))
                    .arg(accounts)
            }
        };
        let mut process = Process::spawn_then(
            &command,
            &folder.path().join("registry.log"),
            &remove(folder.path()),
        )?;
        let address = process.until_ready(BOUND, |process| {
            listening_on(&process.log()).ok_or_else(|| "it does not listen yet".to_owned())
        })?;
        Ok(Self {
            process,
            kind,
            address,
            _folder: folder,
        })
    }

    /// Where it listens, `127.0.0.1:port`: the registry's part of a reference, in its own network.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The account to log in with, where one is needed.
    #[must_use]
    pub fn credentials(&self) -> Option<Credentials> {
        (self.kind == RegistryKind::Password).then_some(ACCOUNT)
    }

    /// The end of its log, for a failing test's message.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.process.tail()
    }
}

/// The address in the line with which it says that it is up.
fn listening_on(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("listening on ")?;
    rest.split_once('\n').map(|(address, _)| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_once_its_line_is_whole() {
        let log = "2026/01/01 00:00:00 listening on 127.0.0.1:4711";
        assert_eq!(listening_on(log), None);
        assert_eq!(
            listening_on(&format!("{log}\nmore")).as_deref(),
            Some("127.0.0.1:4711")
        );
    }
}
