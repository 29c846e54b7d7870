//! What the daemon weighs: at rest, and with ten thousand idle agents.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;

use crate::machine::Machine;
use crate::programs::mib;
use crate::report::Figure;

const AGENTS: usize = 10_000;
/// Agents in one file of manifests.
const PER_FILE: usize = 100;

/// Measures both figures.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let idle = weigh(runtime, 0)?;
    let loaded = weigh(runtime, AGENTS)?;
    Ok(vec![
        Figure::plain("daemon_idle_mib", idle, "MiB", "≤ 64"),
        Figure::plain("idle_agents_10k_mib", loaded - idle, "MiB", "≤ 80"),
    ])
}

/// Resident memory, in MiB, of a daemon with `agents` agents once all of them can be asked.
fn weigh(runtime: &Runtime, agents: usize) -> Result<f64> {
    let mut machine = Machine::new()?;
    let manifests = machine.home().join("manifests");
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
    machine.start()?;
    machine.await_ready(runtime, agents, Duration::from_millis(500))?;
    // What it needed to take them in is given back to the allocator by now, and counts all the same.
    std::thread::sleep(Duration::from_secs(2));
    mib(machine.pid().context("the daemon was started")?, "Rss:")
}
