//! What the daemon weighs: at rest, and with ten thousand idle agents.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use aion_client::ClientError;
use anyhow::{Context, Result, bail};
use tokio::runtime::Runtime;

use crate::programs::{self, Running};
use crate::report::Figure;
use crate::turn;

const AGENTS: usize = 10_000;
/// Agents in one file of manifests.
const PER_FILE: usize = 100;

/// Measures both figures.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let node = programs::path("aion-node")?;
    let idle = weigh(runtime, &node, 0)?;
    let loaded = weigh(runtime, &node, AGENTS)?;
    Ok(vec![
        Figure::plain("daemon_idle_mib", idle, "MiB", "≤ 64"),
        Figure::plain("idle_agents_10k_mib", loaded - idle, "MiB", "≤ 80"),
    ])
}

/// Resident memory, in MiB, of a daemon with `agents` agents once all of them are taken in.
fn weigh(runtime: &Runtime, node: &Path, agents: usize) -> Result<f64> {
    let home = programs::scratch()?;
    let manifests = home.path().join("manifests");
    fs::create_dir(&manifests)?;
    fs::write(
        manifests.join("policy.yaml"),
        "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: inline}\nspec: {inline: allow}\n",
    )?;
    for file in 0..agents.div_ceil(PER_FILE) {
        let mut text = String::new();
        for agent in file * PER_FILE..((file + 1) * PER_FILE).min(agents) {
            writeln!(
                text,
                "---\napiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: idle-{agent}}}\n\
                 spec: {{instructions: Waits.}}"
            )?;
        }
        fs::write(manifests.join(format!("idle-{file}.yaml")), text)?;
    }
    let mut daemon = Running::start(Command::new(node).env("AION_HOME", home.path()))?;
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        std::thread::sleep(Duration::from_millis(500));
        daemon.runs()?;
        if runtime.block_on(known(home.path()))? >= agents {
            break;
        }
        if Instant::now() > until {
            bail!("the daemon did not take {agents} agents in within two minutes");
        }
    }
    // What it needed to take them in is given back to the allocator by now, and counts all the same.
    std::thread::sleep(Duration::from_secs(2));
    resident(daemon.pid())
}

/// Agents that the daemon says it knows; 0 while it does not answer.
async fn known(home: &Path) -> Result<usize> {
    let node = turn::node(&home.join("run/admin.sock"))?;
    match node.status().await {
        Ok(status) => Ok(status.agents as usize),
        Err(ClientError::Unreachable { .. }) => Ok(0),
        Err(error) => Err(error).context("the daemon's status"),
    }
}

fn resident(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text
        .lines()
        .find(|line| line.starts_with("Rss:"))
        .context("no Rss")?;
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .context("no figure")?
        .parse()?;
    Ok(kib / 1024.0)
}
