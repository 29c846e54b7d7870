//! The gateway beside a node: what it weighs at rest, and what a turn that is asked through it takes more than one that is asked on
//! the admin socket.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::machine::{BOUND, Machine};
use crate::programs::{Running, mib, path};
use crate::report::{Figure, median_ms};

/// Turns that count, and those before them.
const TURNS: usize = 200;
const WARM: usize = 20;

/// A running gateway of a node.
pub(crate) struct Gateway {
    process: Running,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Gateway {
    /// Starts it beside the node, and waits until it listens.
    pub(crate) fn start(node: &Machine) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = Command::new(path("aion-gateway")?);
        command
            .arg("--home")
            .arg(node.home())
            .args(["--listen", &address.to_string()]);
        let mut process = Running::start(&mut command)?;
        let from = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            process.runs().context("aion-gateway")?;
            ensure!(from.elapsed() < BOUND, "the gateway does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        let token = fs::read_to_string(node.home().join("gateway/token"))?;
        Ok(Self {
            process,
            address,
            token: token.trim().to_owned(),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Asks an agent and follows the turn to its end, on a connection that is there already.
    async fn ask(&self, stream: &mut TcpStream, agent: &str) -> Result<Duration> {
        let body = r#"{"input":"anything?"}"#;
        let request = format!(
            "POST /v1/agents/{agent}/turns HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\naccept: text/event-stream\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len(),
        );
        let from = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let mut buffer = Vec::with_capacity(4096);
        while !buffer.ends_with(b"\r\n0\r\n\r\n") {
            ensure!(
                stream.read_buf(&mut buffer).await? > 0,
                "the gateway closed the connection"
            );
        }
        let took = from.elapsed();
        ensure!(
            memchr::memmem::find(&buffer, b"\"ok\":true").is_some(),
            "{}",
            String::from_utf8_lossy(&buffer)
        );
        Ok(took)
    }
}

/// Measures both figures.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let mut node = Machine::new()?;
    node.start()?;
    node.apply(
        "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: bench}\nspec: {inline: allow}\n\
         ---\napiVersion: aion.dev/v1alpha1\nkind: ClusterAgentPolicy\nmetadata: {name: bench}\nspec: {allow: ['memory.*', 'agent.*']}\n\
         ---\napiVersion: aion.dev/v1alpha1\nkind: MemoryPool\nmetadata: {name: pool}\nspec: {}\n\
         ---\napiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {name: asked}\n\
         spec: {instructions: Says one thing., withoutModel: quote, memory: {pool: pool}}\n",
    )?;
    let gateway = Gateway::start(&node)?;
    std::thread::sleep(Duration::from_secs(2));
    let idle = mib(gateway.pid(), "Rss:")?;
    let mut stream = runtime.block_on(TcpStream::connect(gateway.address))?;
    stream.set_nodelay(true)?;
    let (mut through, mut beside) = (Vec::new(), Vec::new());
    for round in 0..WARM + TURNS {
        let mut took = [Duration::ZERO; 2];
        for of in [round % 2, (round + 1) % 2] {
            took[of] = match of {
                0 => runtime.block_on(gateway.ask(&mut stream, "asked"))?,
                _ => node.ask(runtime, "asked")?,
            };
        }
        if round >= WARM {
            through.push(took[0]);
            beside.push(took[1]);
        }
    }
    let (through, beside) = (median_ms(through), median_ms(beside));
    Ok(vec![
        Figure::plain("gateway_idle_mib", idle, "MiB", "≤ 24"),
        Figure::plain("gateway_turn_added_ms", through - beside, "ms", "≤ 0.5"),
        Figure::against(
            "gateway_turn_p50_ms",
            through,
            "ms",
            beside,
            "on the admin socket",
        ),
    ])
}
