//! `syscall_uds_1k` and `syscall_uds_1k_p99_ms`: `sys.null` with 1 KiB against a bare axum echo.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aion_abi::signing::Key;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::load;
use crate::programs;
use crate::report::{Figure, p99_ms};
use crate::signed::null_requests;

const BODY: usize = 1024;
const CONNECTIONS: usize = 16;
/// Requests of one round, all connections together.
const ROUND: usize = 40_000;
const RATE: f64 = 5_000.0;
/// Seconds of the open loop.
const STEADY: usize = 10;

/// What the host tells the one who started it.
#[derive(Serialize, Deserialize)]
struct Address {
    key: String,
    socket: PathBuf,
}

/// Runs the daemon until its standard input closes.
pub(crate) async fn host(home: &Path) -> Result<()> {
    let host = Host::start(home).await?;
    let key = host
        .run
        .boot
        .key
        .expose()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let address = Address {
        key,
        socket: host.run.socket.clone(),
    };
    println!("{}", serde_json::to_string(&address)?);
    let closed =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    closed.await??;
    // The turn has no worker that could end it: nothing is waited for.
    drop(host.node);
    Ok(())
}

/// Measures both figures.
pub(crate) async fn measure(rounds: usize) -> Result<Vec<Figure>> {
    let work = programs::scratch()?;
    let echo = Server::echo(&work.path().join("echo.sock"))?;
    let (_daemon, address) = Server::host(&work.path().join("home"))?;
    let key = address.key()?;
    let mut counter = 0;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    // The first round warms both up and does not count.
    for round in 0..=rounds {
        let requests = null_requests(&key, &mut counter, ROUND, BODY)?;
        let pair = if round % 2 == 0 {
            let first = load::closed_loop(&echo.socket, &requests, CONNECTIONS).await?;
            (
                first,
                load::closed_loop(&address.socket, &requests, CONNECTIONS).await?,
            )
        } else {
            let first = load::closed_loop(&address.socket, &requests, CONNECTIONS).await?;
            (
                load::closed_loop(&echo.socket, &requests, CONNECTIONS).await?,
                first,
            )
        };
        if round > 0 {
            bare.push(pair.0);
            ours.push(pair.1);
        }
    }
    let mut ratios: Vec<f64> = ours
        .iter()
        .zip(&bare)
        .map(|(ours, bare)| ours / bare)
        .collect();
    let steady = RATE as usize * STEADY;
    let requests = null_requests(&key, &mut counter, steady, BODY)?;
    let delays = load::open_loop(&address.socket, &requests, CONNECTIONS, RATE).await?;
    let requests = null_requests(&key, &mut counter, steady, BODY)?;
    let bare_delays = load::open_loop(&echo.socket, &requests, CONNECTIONS, RATE).await?;
    let (p99, bare_p99) = (p99_ms(&delays), p99_ms(&bare_delays));
    Ok(vec![
        Figure {
            name: "syscall_uds_1k",
            value: median(&mut ours),
            unit: "requests/s",
            baseline: Some(median(&mut bare)),
            ratio: Some(median(&mut ratios)),
            goal: "ratio ≥ 0.65",
        },
        Figure::against(
            "syscall_uds_1k_p99_ms",
            p99,
            "ms",
            bare_p99,
            "≤ 1 at 5,000/s",
        ),
    ])
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Address {
    fn key(&self) -> Result<Key> {
        let mut bytes = [0u8; 32];
        ensure!(self.key.len() == 64, "the host's key is not 64 hex digits");
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&self.key[2 * index..2 * index + 2], 16)?;
        }
        Ok(Key::new(bytes))
    }
}

/// A part of this program as a process; ends when dropped.
struct Server {
    child: Child,
    socket: PathBuf,
}

impl Server {
    fn echo(socket: &Path) -> Result<Self> {
        let child = part(&["echo"], socket)?;
        for _ in 0..200 {
            if socket.exists() {
                return Ok(Self {
                    child,
                    socket: socket.to_owned(),
                });
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        anyhow::bail!("the baseline did not start within 5 s")
    }

    fn host(home: &Path) -> Result<(Self, Address)> {
        let mut child = part(&["host"], home)?;
        let out = child.stdout.take().context("the host has no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address: Address =
            serde_json::from_str(&line).context("the host did not start; its errors are above")?;
        let socket = address.socket.clone();
        Ok((Self { child, socket }, address))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn part(arguments: &[&str], path: &Path) -> Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(arguments)
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting a part of the benchmark")
}
