//! What ten thousand objects at rest cost: the start of a node that has them, and the work of those that do not
//! rest. Work is measured beside a node that has none at rest, in turns with it: the ratio is what counts.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use aion_abi::admin::{ApplyRequest, Manifest};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::machine::{BOUND, Machine};
use crate::report::{Figure, median_ms};

/// With those that are measured a node takes ten thousand.
const AGENTS: usize = 9_900;
const TURNS: usize = 10_000;
/// Ended turns that are kept of one agent.
const PER_AGENT: usize = 50;
/// Rounds that count, after some that warm everything up.
const ROUNDS: usize = 50;
const WARM: usize = 5;
/// Between two looks at how many agents are ready.
const LOOK: Duration = Duration::from_millis(20);

/// What every node here begins with.
const WORLD: &str = "apiVersion: aion.dev/v1alpha1
kind: TrustPolicy
metadata: {name: inline}
spec: {inline: allow}
---
apiVersion: aion.dev/v1alpha1
kind: ClusterAgentPolicy
metadata: {name: all}
spec: {allow: ['memory.*', 'agent.*']}
---
apiVersion: aion.dev/v1alpha1
kind: MemoryPool
metadata: {name: pool}
spec: {}
";

/// Measures every figure.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let mut figures = agents(runtime)?;
    figures.extend(turns(runtime)?);
    Ok(figures)
}

/// With agents at rest.
fn agents(runtime: &Runtime) -> Result<Vec<Figure>> {
    let (mut full, mut empty) = (machine(AGENTS)?, machine(0)?);
    let from = Instant::now();
    full.start()?;
    full.await_ready(runtime, AGENTS + 1, LOOK)?;
    let first = from.elapsed();
    full.stop();
    let from = Instant::now();
    full.start()?;
    full.await_ready(runtime, AGENTS + 1, LOOK)?;
    let again = from.elapsed();
    let from = Instant::now();
    empty.start()?;
    empty.await_ready(runtime, 1, LOOK)?;
    let bare = from.elapsed();
    let (mut applied, mut asked) = (Pair::default(), Pair::default());
    for round in 0..WARM + ROUNDS {
        applied.add(round, [&full, &empty], |node| apply(runtime, node, round))?;
        asked.add(round, [&full, &empty], |node| node.ask(runtime, "asked"))?;
    }
    Ok(vec![
        seconds("start_with_10k_agents_s", first, bare, "≤ 10"),
        seconds("restart_with_10k_agents_s", again, bare, "≤ 10"),
        applied.figure("apply_to_ready_p50_ms", "as with none"),
        asked.figure("ask_with_10k_agents_p50_ms", "as with none"),
    ])
}

/// With turns that ended and are kept.
fn turns(runtime: &Runtime) -> Result<Vec<Figure>> {
    let (mut full, mut empty) = (machine(0)?, machine(0)?);
    full.start()?;
    full.await_ready(runtime, 1, LOOK)?;
    full.ask(runtime, "asked")?;
    full.stop();
    keep_more(&full.home().join("state/turns"))?;
    let (mut after, mut bare) = (full.start()?, empty.start()?);
    // The first start after that had to read them from the disk.
    for node in [(&mut full, &mut after), (&mut empty, &mut bare)] {
        node.0.stop();
        *node.1 = node.0.start()?;
        node.0.await_ready(runtime, 1, LOOK)?;
    }
    let mut asked = Pair::default();
    for round in 0..WARM + ROUNDS {
        asked.add(round, [&full, &empty], |node| node.ask(runtime, "asked"))?;
    }
    Ok(vec![
        seconds("start_with_10k_kept_turns_s", after, bare, "≤ 1"),
        asked.figure("ask_with_10k_kept_turns_p50_ms", "as with none"),
    ])
}

/// A machine with an agent that is asked, and others that are not, each in a file as `aionctl apply` leaves it.
fn machine(agents: usize) -> Result<Machine> {
    let machine = Machine::new()?;
    let manifests = machine.home().join("manifests");
    fs::create_dir_all(&manifests)?;
    fs::write(manifests.join("world.yaml"), WORLD)?;
    let names = (0..agents).map(|number| format!("idle-{number}"));
    for name in names.chain(["asked".to_owned()]) {
        fs::write(
            manifests.join(format!("agent.default.{name}.yaml")),
            agent(&name),
        )?;
    }
    Ok(machine)
}

fn agent(name: &str) -> String {
    format!(
        "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\n\
         spec: {{instructions: Says one thing., withoutModel: quote, memory: {{pool: pool}}}}\n"
    )
}

/// From applying an agent to its being ready; takes it away again.
fn apply(runtime: &Runtime, machine: &Machine, round: usize) -> Result<Duration> {
    let (node, name) = (machine.node()?, format!("new-{round}"));
    let request = ApplyRequest {
        manifests: vec![Manifest {
            file: "new.yaml".to_owned(),
            text: agent(&name),
        }],
        dry_run: false,
    };
    let applying = async {
        let from = Instant::now();
        let response = node.apply(&request).await?;
        ensure!(response.rejected.is_empty(), "{:?}", response.rejected);
        while !is_ready(&node.resource("agents", Some("default"), &name).await?) {
            ensure!(from.elapsed() < BOUND, "{name} does not become ready");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let took = from.elapsed();
        node.delete("agents", Some("default"), &name).await?;
        Ok(took)
    };
    runtime.block_on(applying)
}

fn is_ready(agent: &Value) -> bool {
    let conditions = agent["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|it| it["type"] == "Ready" && it["status"] == "True")
}

/// Makes of the one ended turn in `turns` all that are to be kept, of as many agents as that takes.
fn keep_more(turns: &Path) -> Result<()> {
    let folders = fs::read_dir(turns)?.filter_map(Result::ok);
    let mut folders = folders.map(|entry| entry.path());
    let one = folders.find(|path| path.join("record.json").exists());
    let one = one.context("no turn was kept")?;
    let read =
        |name: &str| -> Result<Value> { Ok(serde_json::from_slice(&fs::read(one.join(name))?)?) };
    let (mut record, mut asked) = (read("record.json")?, read("asked.json")?);
    for number in 0..TURNS {
        let folder = turns.join(format!("{number:032x}"));
        for mount in ["input", "output"] {
            fs::create_dir_all(folder.join(mount))?;
        }
        let agent = json!(format!("default/asked-{}", number / PER_AGENT));
        // Behind those that the node itself will number.
        record["turn"] = json!(1_000_000 + number);
        for it in [&mut record, &mut asked] {
            it["agent"] = agent.clone();
        }
        fs::write(folder.join("record.json"), record.to_string())?;
        fs::write(folder.join("asked.json"), asked.to_string())?;
        for name in ["events.jsonl", "instance.json"] {
            fs::copy(one.join(name), folder.join(name))?;
        }
    }
    Ok(())
}

/// The same work on a node that has much at rest, and on one that has nothing.
#[derive(Default)]
struct Pair {
    full: Vec<Duration>,
    empty: Vec<Duration>,
}

impl Pair {
    /// One round of both; which is first changes from round to round.
    fn add(
        &mut self,
        round: usize,
        nodes: [&Machine; 2],
        work: impl Fn(&Machine) -> Result<Duration>,
    ) -> Result<()> {
        for of in [round % 2, (round + 1) % 2] {
            let took = work(nodes[of])?;
            if round >= WARM {
                [&mut self.full, &mut self.empty][of].push(took);
            }
        }
        Ok(())
    }

    fn figure(self, name: &'static str, goal: &'static str) -> Figure {
        let (full, empty) = (median_ms(self.full), median_ms(self.empty));
        Figure::against(name, full, "ms", empty, goal)
    }
}

fn seconds(name: &'static str, took: Duration, bare: Duration, goal: &'static str) -> Figure {
    Figure::against(name, took.as_secs_f64(), "s", bare.as_secs_f64(), goal)
}
