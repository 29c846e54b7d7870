//! A node agent as it runs in a cluster: the real daemon and launcher as processes, with a token bound to
//! their node and nothing more.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use aion_client::Address;
use aion_testkit::{ControlPlane, Process, StartError, free_port, until};
use anyhow::Context;
use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::cluster::BOUND;

const SYSTEM: &str = "aion-system";

/// A kubeconfig with a token as the node agent of `node` has it.
///
/// # Errors
/// What kubectl says.
pub fn login(cluster: &ControlPlane, node: &str) -> Result<PathBuf, StartError> {
    let token = cluster.token_bound_to_node(node, SYSTEM, "aion-node")?;
    cluster.kubeconfig_for_token(&format!("node-{node}"), &token)
}

/// A running node agent; gone when dropped.
pub struct NodeAgent {
    /// Its daemon.
    pub daemon: Process,
    /// Its name.
    pub name: String,
    /// Where its interface is.
    pub port: u16,
    /// With its own token.
    pub kubeconfig: PathBuf,
    launcher: Process,
    launcher_command: Command,
    command: Command,
    home: TempDir,
}

impl NodeAgent {
    /// Starts launcher and daemon on `name`, with the folder `docs` as the volume of that name; `tls` has
    /// the interface served with the API server's own certificate, whose files are in its home's `tls`. Waits until it is ready.
    ///
    /// # Errors
    /// When it is not built, or does not become ready.
    pub fn start(
        cluster: &ControlPlane,
        name: &str,
        docs: &Path,
        tls: bool,
    ) -> anyhow::Result<Self> {
        let kubeconfig = login(cluster, name)?;
        let home = tempfile::Builder::new().prefix("aion-").tempdir()?;
        let root = home.path();
        fs::create_dir_all(root.join("config"))?;
        fs::create_dir_all(root.join("run"))?;
        let mounts = json!({"docs": {"path": docs, "writable": false}});
        fs::write(root.join("config/mounts.json"), mounts.to_string())?;

        let mut launcher_command = Command::new(crate::program("aion-launcher")?);
        launcher_command.arg("serve");
        let (socket, state) = (root.join("run/launcher.sock"), root.join("run/launcher"));
        launcher_command.arg("--socket").arg(socket);
        launcher_command.arg("--state").arg(state);
        let launcher = Process::spawn(&launcher_command, &root.join("launcher.log"))?;

        let port = free_port()?;
        let mut command = Command::new(crate::program("aion-node")?);
        command.env("KUBECONFIG", &kubeconfig).arg("--kubernetes");
        command.args(["--node-name", name]);
        command.arg("--home").arg(root);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        if tls {
            let certificate = cluster.certificate();
            let key = certificate.with_extension("key");
            let place = root.join("tls");
            fs::create_dir(&place)?;
            for (option, from, name) in [
                ("--api-tls-cert", certificate, "tls.crt"),
                ("--api-tls-key", key, "tls.key"),
            ] {
                fs::copy(from, place.join(name))?;
                command.arg(option).arg(place.join(name));
            }
        }
        let daemon = Process::spawn(&command, &root.join("daemon.log"))?;
        let mut agent = Self {
            daemon,
            name: name.to_owned(),
            port,
            kubeconfig,
            launcher,
            launcher_command,
            command,
            home,
        };
        agent.until_ready()?;
        Ok(agent)
    }

    /// Starts the daemon again, after it was ended.
    ///
    /// # Errors
    /// As [`NodeAgent::start`].
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.daemon = Process::spawn(&self.command, &self.home.path().join("daemon.log"))?;
        self.until_ready()
    }

    fn until_ready(&mut self) -> anyhow::Result<()> {
        until("the node agent to be ready", BOUND, || {
            if let Some(code) = self.daemon.exit_code() {
                return Err(format!("it ended with {code}\n{}", self.daemon.tail()));
            }
            match self.request_here("GET /readyz", None) {
                Ok((200, _)) => Ok(()),
                other => Err(format!(
                    "{other:?}\n{}\n{}",
                    self.daemon.tail(),
                    self.launcher.tail()
                )),
            }
        })?;
        Ok(())
    }

    /// Ends the launcher by `kill -9`.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop_launcher(&mut self) -> anyhow::Result<()> {
        self.launcher.signal(Signal::SIGKILL);
        self.launcher.wait(BOUND)?;
        Ok(())
    }

    /// Starts the launcher again.
    ///
    /// # Errors
    /// When the daemon does not find it.
    pub fn start_launcher(&mut self) -> anyhow::Result<()> {
        let log = self.home.path().join("launcher.log");
        self.launcher = Process::spawn(&self.launcher_command, &log)?;
        self.until_ready()
    }

    /// Its state.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Asks its interface in plain text, as whoever has `token`: status and body.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn request(
        &self,
        line: &str,
        token: Option<&str>,
        body: Option<&str>,
    ) -> anyhow::Result<(u16, String)> {
        let url = format!("http://127.0.0.1:{}", self.port);
        ask(&Address::cluster(&url, None, token)?, line, body)
    }

    /// Asks its interface under TLS, its certificate checked against `authority` (PEM).
    ///
    /// # Errors
    /// When it does not answer, or with another certificate.
    pub fn request_checked(&self, line: &str, authority: &str) -> anyhow::Result<(u16, String)> {
        let url = format!("https://127.0.0.1:{}", self.port);
        ask(&Address::cluster(&url, Some(authority), None)?, line, None)
    }

    /// Asks its interface on the Unix socket, as its own user.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn request_here(&self, line: &str, body: Option<&str>) -> anyhow::Result<(u16, String)> {
        let socket = self.home.path().join("run/admin.sock");
        ask(&Address::unix(socket)?, line, body)
    }

    /// What the node's processes wrote last, for a failing test's message.
    #[must_use]
    pub fn tail(&self) -> String {
        format!("{}\n{}", self.daemon.tail(), self.launcher.tail())
    }
}

/// Asks at `address`; `line` is a method and a path, and whatever comes is an answer.
fn ask(address: &Address, line: &str, body: Option<&str>) -> anyhow::Result<(u16, String)> {
    let (method, path) = line.split_once(' ').context("no path to ask")?;
    let body = body.unwrap_or_default().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asked = async {
        let answer = address.ask(method.parse()?, path, body);
        let (status, body) = tokio::time::timeout(BOUND, answer).await??;
        Ok((status.as_u16(), String::from_utf8(body.to_vec())?))
    };
    runtime.block_on(asked)
}
