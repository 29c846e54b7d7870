//! Gateways of a cluster as processes, with the service account of the chart and nothing more, and how tests speak with one.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use aion_testkit::{ControlPlane, Process, free_port, until};
use anyhow::Context as _;
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::BOUND;

/// A running gateway; gone when dropped.
pub struct ClusterGateway {
    /// The process.
    pub process: Process,
    /// Where it listens on this machine.
    pub port: u16,
    _folder: TempDir,
}

/// An answer that comes bit by bit.
pub struct Stream {
    lines: BufReader<TcpStream>,
}

/// An event of a turn, with its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    /// What it is followed on from by.
    pub id: u64,
    /// The event.
    pub event: Value,
}

impl ClusterGateway {
    /// A kubeconfig as a gateway has it.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn login(cluster: &ControlPlane) -> anyhow::Result<PathBuf> {
        let token = ["create", "token", "aion-gateway", "--duration=8h"];
        let token = cluster.kubectl(&[&["-n", "aion-system"], &token[..]].concat())?;
        Ok(cluster.kubeconfig_for_token("gateway", token.trim())?)
    }

    /// Starts one, and waits until it knows where agents are.
    ///
    /// # Errors
    /// When it is not built, or does not become ready.
    pub fn start(cluster: &ControlPlane) -> anyhow::Result<Self> {
        Self::start_with(cluster, &[])
    }

    /// The same with these options.
    ///
    /// # Errors
    /// When it is not built, or does not become ready.
    pub fn start_with(cluster: &ControlPlane, options: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for the gateway's log")?;
        let port = free_port()?;
        let mut command = Command::new(crate::program("aion-gateway")?);
        let kubeconfig = Self::login(cluster)?;
        command.env("KUBECONFIG", kubeconfig).arg("--cluster");
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--plain-nodes"]);
        command.args(options);
        let process = Process::spawn(&command, &folder.path().join("gateway.log"))?;
        let mut gateway = Self {
            process,
            port,
            _folder: folder,
        };
        until("the gateway to be ready", BOUND, || {
            if let Some(code) = gateway.process.exit_code() {
                return Err(format!("it ended with {code}\n{}", gateway.process.tail()));
            }
            match gateway.ask("GET /readyz", None, "", "") {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}\n{}", gateway.process.tail())),
            }
        })?;
        Ok(gateway)
    }

    /// Status and body; `more` are headers, each with its end of line before it.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask(
        &self,
        line: &str,
        token: Option<&str>,
        more: &str,
        body: &str,
    ) -> anyhow::Result<(u16, String)> {
        exchange(self.port, line, token, more, body)
    }

    /// An answer as events.
    ///
    /// # Errors
    /// When it does not answer with them.
    pub fn stream(
        &self,
        line: &str,
        token: &str,
        more: &str,
        body: &str,
    ) -> anyhow::Result<Stream> {
        let more = format!("\r\naccept: text/event-stream{more}");
        let stream = send(self.port, line, Some(token), &more, body)?;
        let mut lines = BufReader::new(stream);
        let mut status = String::new();
        lines.read_line(&mut status)?;
        anyhow::ensure!(status.contains(" 200 "), "{status}");
        Ok(Stream { lines })
    }
}

impl Stream {
    /// The next event; none at the end, or where the gateway is gone.
    pub fn event(&mut self) -> Option<Numbered> {
        let (id, event) = self.frame()?;
        let id = id?.parse().ok()?;
        Some(Numbered { id, event })
    }

    /// The next, with its id where it has one.
    pub fn frame(&mut self) -> Option<(Option<String>, Value)> {
        let mut id = None;
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            // Sizes of chunks, and the head, are other lines.
            if let Some(text) = line.strip_prefix("id: ") {
                id = Some(text.trim().to_owned());
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some((id, serde_json::from_str(data.trim()).ok()?));
            }
        }
    }
}

/// Asks at `port` of this machine in plain text: status and body.
///
/// # Errors
/// When nothing answers.
pub fn exchange(
    port: u16,
    line: &str,
    token: Option<&str>,
    more: &str,
    body: &str,
) -> anyhow::Result<(u16, String)> {
    let mut answer = Vec::new();
    send(port, line, token, more, body)?.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer)?;
    let status = answer.split(' ').nth(1).unwrap_or_default().parse()?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok((status, body.to_owned()))
}

fn send(
    port: u16,
    line: &str,
    token: Option<&str>,
    more: &str,
    body: &str,
) -> anyhow::Result<TcpStream> {
    let token = token.map(|it| format!("\r\nauthorization: Bearer {it}"));
    let token = token.unwrap_or_default();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(
        stream,
        "{line} HTTP/1.1\r\nhost: agents.example\r\nconnection: close\r\ncontent-type: application/json{token}{more}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(stream)
}
