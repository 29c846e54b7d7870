//! The operator as a process, with its own service account and nothing more.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aion_testkit::{ControlPlane, Process, StartError, free_port, until};
use anyhow::Context;
use tempfile::TempDir;

use crate::cluster::BOUND;

/// A running operator; gone when dropped.
pub struct Operator {
    /// The process.
    pub process: Process,
    port: u16,
    _folder: TempDir,
}

impl Operator {
    /// Starts one as `identity` and waits until its caches are filled. It leads when no other does.
    ///
    /// # Errors
    /// When it is not built, or does not become ready.
    pub fn start(cluster: &ControlPlane, identity: &str) -> anyhow::Result<Self> {
        let kubeconfig = cluster.kubeconfig_for_token(identity, &Self::token(cluster)?)?;
        let lease = ["--lease-seconds", "5"];
        let mut operator = Self::spawn(&kubeconfig, identity, &lease)?;
        until("the operator to be ready", BOUND, || {
            match operator.process.exit_code() {
                Some(code) => Err(format!("it ended with {code}\n{}", operator.process.tail())),
                None => match operator.get("/readyz") {
                    Ok((200, _)) => Ok(()),
                    other => Err(format!("{other:?}\n{}", operator.process.tail())),
                },
            }
        })?;
        Ok(operator)
    }

    /// A token of its service account.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn token(cluster: &ControlPlane) -> Result<String, StartError> {
        let token = ["create", "token", "aion-operator", "--duration=8h"];
        let token = cluster.kubectl(&[&["-n", "aion-system"], &token[..]].concat())?;
        Ok(token.trim().to_owned())
    }

    /// Starts one that logs in by `kubeconfig`, and does not wait.
    ///
    /// # Errors
    /// When it is not built.
    pub fn spawn(kubeconfig: &Path, identity: &str, more: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for the operator's log")?;
        let port = free_port()?;
        let mut command = Command::new(crate::program("aion-operator")?);
        command.env("KUBECONFIG", kubeconfig).args(more).args([
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--identity",
            identity,
        ]);
        let process = Process::spawn(&command, &folder.path().join("operator.log"))?;
        Ok(Self {
            process,
            port,
            _folder: folder,
        })
    }

    /// What its probes and metrics answer: status and body.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: operator\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .context("no status")?;
        Ok((
            status,
            answer
                .split_once("\r\n\r\n")
                .map(|(_, body)| body.to_owned())
                .unwrap_or_default(),
        ))
    }
}
