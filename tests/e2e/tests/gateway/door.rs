//! A node with the shipped helper and a gateway to it, and how tests speak with that.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    time::Duration,
};

use aion_e2e::{cluster::root, program, standalone::Standalone};
use aion_testkit::{FakeModel, Process, free_port, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// A node with the shipped helper, and a gateway to it.
pub(crate) struct Door {
    gateway: Process,
    pub(crate) node: Standalone,
    pub(crate) port: u16,
    pub(crate) token: String,
}

impl Door {
    pub(crate) fn open(model: &FakeModel) -> anyhow::Result<Self> {
        Self::open_with(model, &[])
    }

    /// The same, of a node with these settings.
    pub(crate) fn open_with(model: &FakeModel, more: &[(&str, &str)]) -> anyhow::Result<Self> {
        let url = model.base_url();
        let port = url.rsplit(':').next().and_then(|it| it.split('/').next());
        let elsewhere = free_port()?.to_string();
        let mut environment = vec![
            ("AION_OLLAMA_PORT", port.unwrap()),
            ("AION_LLAMA_CPP_PORT", elsewhere.as_str()),
        ];
        environment.extend(more);
        let node = Standalone::start_with("door", &environment)?.with_policies()?;
        trust(&node, &json!({"inline": "allow"}))?;
        apply(&node, &root().join("agents/jarvis"))?;
        let port = free_port()?;
        let gateway = gateway(node.home(), port, &node.path("gateway.log"))?;
        let token = fs::read_to_string(node.home().join("gateway/token"))?;
        Ok(Self {
            gateway,
            node,
            port,
            token: token.trim().to_owned(),
        })
    }

    /// Ends the gateway by `kill -9`, and starts it again.
    pub(crate) fn restart_gateway(&mut self) -> anyhow::Result<()> {
        self.gateway.signal(Signal::SIGKILL);
        self.gateway.wait(BOUND)?;
        self.gateway = gateway(self.node.home(), self.port, &self.node.path("gateway.log"))?;
        Ok(())
    }

    /// Another gateway to the same node: it is asked from now on while what is given is held.
    pub(crate) fn another(&mut self) -> anyhow::Result<Process> {
        let port = free_port()?;
        let gateway = gateway(self.node.home(), port, &self.node.path("another.log"))?;
        self.port = port;
        Ok(gateway)
    }

    /// Sends a request as it is, and gives the connection.
    pub(crate) fn send(&self, head: &str, body: &str) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(BOUND))?;
        write!(stream, "{head}\r\nconnection: close\r\n\r\n{body}")?;
        Ok(stream)
    }

    /// The status, and head and body as text.
    pub(crate) fn exchange(&self, head: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let mut answer = Vec::new();
        self.send(head, body)?.read_to_end(&mut answer)?;
        let answer = String::from_utf8(answer)?;
        let status = answer.split(' ').nth(1).unwrap_or_default().parse()?;
        Ok((status, answer))
    }

    pub(crate) fn head(&self, line: &str, more: &str) -> String {
        let token = &self.token;
        format!("{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}{more}")
    }

    pub(crate) fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        self.exchange(&self.head(&format!("GET {path}"), ""), "")
    }

    pub(crate) fn post(
        &self,
        path: &str,
        more: &str,
        body: &Value,
    ) -> anyhow::Result<(u16, String)> {
        let body = body.to_string();
        let length = body.len();
        let more = format!("\r\ncontent-type: application/json\r\ncontent-length: {length}{more}");
        self.exchange(&self.head(&format!("POST {path}"), &more), &body)
    }
}

/// A gateway to the node whose state is at `home`, that listens at `port`.
pub(crate) fn gateway(home: &Path, port: u16, log: &Path) -> anyhow::Result<Process> {
    let mut gateway = Command::new(program("aion-gateway")?);
    gateway.arg("--home").arg(home);
    gateway.args(["--listen", &format!("127.0.0.1:{port}")]);
    let gateway = Process::spawn(&gateway, log)?;
    until("the gateway to listen", BOUND, || {
        TcpStream::connect(("127.0.0.1", port)).map_err(|why| {
            format!(
                "{why}
{}",
                gateway.tail()
            )
        })
    })?;
    Ok(gateway)
}

pub(crate) fn apply(node: &Standalone, path: &Path) -> anyhow::Result<String> {
    node.aionctl(&["apply", "--wait", "600", "-f", &path.to_string_lossy()])
}

pub(crate) fn trust(node: &Standalone, spec: &Value) -> anyhow::Result<String> {
    let trust = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "tests"}, "spec": spec,
    });
    let path = node.path("trust.yaml");
    fs::write(&path, trust.to_string())?;
    apply(node, &path)
}

/// The JSON after the head.
pub(crate) fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let json = &body[body.find('{').unwrap()..=body.rfind('}').unwrap()];
    serde_json::from_str(json).unwrap()
}
