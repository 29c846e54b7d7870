//! `syscall_uds_1k` and `syscall_uds_1k_p99_ms`: `sys.null` with 1 KiB against a bare axum echo.

use std::path::{Path, PathBuf};

use aion_abi::boot::Boot;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::load;
use crate::programs::{self, Part};
use crate::report::{Figure, median, p99_ms};
use crate::signed::null_requests;

const BODY: usize = 1024;
const CONNECTIONS: usize = 16;
/// Requests of one round, all connections together.
const ROUND: usize = 40_000;
const RATE: f64 = 5_000.0;
/// Seconds of the open loop.
const STEADY: usize = 10;

/// What the host tells the one who started it: what a worker would have been given.
#[derive(Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) boot: Boot,
    pub(crate) socket: PathBuf,
}

/// Runs the daemon until its standard input closes.
pub(crate) async fn host(home: &Path) -> Result<()> {
    let host = Host::start(home).await?;
    let address = Address {
        boot: host.run.boot,
        socket: host.run.socket,
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
    let echo = work.path().join("echo.sock");
    let (_echo, _) = Part::start(&["echo", &echo.to_string_lossy()])?;
    let (_daemon, address) = Address::of_a_host(&work.path().join("home"))?;
    let key = &address.boot.key;
    let mut counter = 0;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    // The first round warms both up and does not count.
    for round in 0..=rounds {
        let requests = null_requests(key, &mut counter, ROUND, BODY)?;
        let pair = if round % 2 == 0 {
            let first = load::closed_loop(&*echo, &requests, CONNECTIONS).await?;
            (
                first,
                load::closed_loop(&*address.socket, &requests, CONNECTIONS).await?,
            )
        } else {
            let first = load::closed_loop(&*address.socket, &requests, CONNECTIONS).await?;
            (
                load::closed_loop(&*echo, &requests, CONNECTIONS).await?,
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
    let requests = null_requests(key, &mut counter, steady, BODY)?;
    let delays = load::open_loop(&*address.socket, &requests, CONNECTIONS, RATE).await?;
    let requests = null_requests(key, &mut counter, steady, BODY)?;
    let bare_delays = load::open_loop(&*echo, &requests, CONNECTIONS, RATE).await?;
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

impl Address {
    /// Starts a host whose state is there.
    pub(crate) fn of_a_host(home: &Path) -> Result<(Part, Self)> {
        let (part, line) = Part::start(&["host", &home.to_string_lossy()])?;
        let address = serde_json::from_str(&line).context("what the host says")?;
        Ok((part, address))
    }
}
