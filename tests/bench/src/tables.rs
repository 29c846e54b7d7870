//! `analyst_mb_per_s`: how fast the shipped analyst reads a table of a million rows, by the real daemon, launcher and
//! sandbox, from the moment the kernel takes the turn to its end. The upload is not in it: the baseline, pandas'
//! `read_csv` and `describe`, reads from the disk. Both take turns, and the best round of each counts.
//!
//! pandas comes as the other components do (`tests/components/ensure pandas`). Where it is not there the figure
//! stands alone, and that is said by name.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use aion_abi::admin::{TurnEvent, TurnRequest};
use aion_testkit::python_package;
use anyhow::{Context, Result, ensure};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::machine::Machine;
use crate::report::Figure;
use crate::signing;
use crate::turn;

/// Where the agent's bundle and manifest are, beside this crate.
const AGENT: &str = "../../agents/analyst";
const ROWS: u32 = 1_000_000;
const ROUNDS: usize = 3;
const NAME: &str = "analyst_mb_per_s";
const GOAL: &str = "ratio ≥ 0.5";

/// Prints the seconds that pandas takes; importing it is not in them.
const BASELINE: &str = "\
import sys, time
import pandas
begun = time.perf_counter()
pandas.read_csv(sys.argv[1]).describe(include='all')
print(time.perf_counter() - begun)";

/// Measures the figure.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let mut node = Machine::new()?;
    node.start()?;
    set_up(&node)?;
    let path = node.folder().join("big.csv");
    let megabytes = write(&path)? as f64 / 1e6;
    let pandas = python_package("pandas");
    let (mut ours, mut theirs) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        ours = ours.min(runtime.block_on(analyse(&node, &path))?);
        if let Ok(site) = &pandas {
            theirs = theirs.min(baseline(site, &path)?);
        }
    }
    let rate = megabytes / ours;
    Ok(vec![match pandas {
        Ok(_) => Figure::against(NAME, rate, "MB/s", megabytes / theirs, GOAL),
        Err(why) => {
            eprintln!("{NAME} has no baseline: {why}");
            Figure::plain(NAME, rate, "MB/s", GOAL)
        }
    }])
}

/// A table as a shop keeps it: dates, words, whole numbers, money, and gaps. The same one each time.
fn write(path: &Path) -> Result<u64> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "date,region,orders,revenue,returned")?;
    let mut state = 7_u64;
    // Knuth's generator (MMIX): what matters is that the numbers differ.
    let mut below = |most: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    for row in 0..ROWS {
        let (month, day) = (row / 84_000 % 12 + 1, row / 3_000 % 28 + 1);
        let region = ["northern", "southern", "eastern", "western"][below(4) as usize];
        let money = 200_000 + below(400_000);
        let returned = ["", "1", "2", "5"][below(4) as usize];
        writeln!(
            out,
            "2024-{month:02}-{day:02},{region},{},{}.{:02},{returned}",
            80 + below(100),
            money / 100,
            money % 100
        )?;
    }
    out.flush()?;
    Ok(fs::metadata(path)?.len())
}

/// The shipped agent, its bundle signed with a key of this run.
fn set_up(node: &Machine) -> Result<()> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(AGENT);
    let signed = signing::sign(node, &shipped)?;
    let agent = fs::read_to_string(shipped.join("agent.yaml"))?;
    node.apply(&format!(
        "{}---\napiVersion: aion.dev/v1alpha1\nkind: ClusterAgentPolicy\nmetadata: {{name: bench}}\n\
         spec: {{allow: ['*'], mounts: [{{mount: '*', mode: readWrite}}], lanes: [batch]}}\n---\n{agent}",
        signed.policy
    ))
}

/// Seconds of one turn over the file.
async fn analyse(node: &Machine, path: &Path) -> Result<f64> {
    let node = turn::node(&node.socket())?;
    // The agent has the name of its folder.
    let agent = AGENT.rsplit('/').next().unwrap_or_default();
    let content = tokio::fs::File::open(path).await?;
    let upload = node.upload("default", agent, "big.csv", content).await?;
    let request = TurnRequest {
        uploads: vec![upload.upload],
        ..TurnRequest::default()
    };
    let mut events = node.start_turn("default", agent, &request, None).await?;
    let mut taken = None;
    while let Some(event) = events.next().await? {
        match event {
            TurnEvent::Queued { .. } => taken = taken.or(Some(Instant::now())),
            TurnEvent::Ended(outcome) => {
                ensure!(outcome.ok, "the analyst did not answer: {outcome:?}");
                let taken = taken.context("nobody took the turn")?;
                return Ok(taken.elapsed().as_secs_f64());
            }
            _ => {}
        }
    }
    anyhow::bail!("the stream of the analyst's turn broke off")
}

fn baseline(site: &Path, path: &Path) -> Result<f64> {
    let mut command = Command::new("python3");
    command.args(["-c", BASELINE]).arg(path);
    let ran = command.env("PYTHONPATH", site).output()?;
    ensure!(
        ran.status.success(),
        "pandas failed: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    Ok(String::from_utf8_lossy(&ran.stdout).trim().parse()?)
}
