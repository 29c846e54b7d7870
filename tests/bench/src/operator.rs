//! What ten thousand Agents cost the operator, with a real API server and store on this machine, and nodes that write
//! what node agents write and run nothing: how much it reconciles while all of them wait for it at its start, how soon an
//! Agent is ready that comes when the others are, how much another operator reconciles that comes when all are as they should be,
//! and the most memory that one ever had. All of it shares the processors, and
//! most of them go to the API server: what it takes of a client that only writes, without an operator, is the baseline. The
//! store does not wait for its disk (`--unsafe-no-fsync`).

use std::time::{Duration, Instant};

use aion_e2e::bare_writes::{BareWrites, WRITES};
use aion_e2e::cluster::{self, furnish};
use aion_e2e::crowd::Crowd;
use aion_e2e::node::Node;
use aion_e2e::node_double::NodeDouble;
use aion_e2e::operator::Operator;
use aion_testkit::{ControlPlane, StartError};
use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::time::{interval, sleep};

use crate::programs::peak_mib;
use crate::report::{Figure, p99_ms};

const NODES: usize = 10;
/// Agents that come later, and between two of them: twenty a second.
const LATE: usize = 500;
const BETWEEN: Duration = Duration::from_millis(50);
/// Agents of which a bare client writes, so many at once as an operator does.
const BARE: usize = 1_000;
const AT_ONCE: usize = 16;
/// How long ten thousand may take.
const BOUND: Duration = Duration::from_secs(1_200);
const LOOK: Duration = Duration::from_millis(20);
const NAMESPACE: &str = "crowd";

/// Measures every figure; none where the components are not on this machine.
pub(crate) fn measure(runtime: &Runtime, agents: usize) -> Result<Vec<Figure>> {
    let cluster = match ControlPlane::start() {
        Ok(cluster) => cluster,
        Err(error @ StartError::Missing { .. }) => {
            eprintln!("operator_reconcile_per_s: {error}");
            return Ok(Vec::new());
        }
        Err(error) => return Err(error.into()),
    };
    furnish(&cluster)?;
    cluster::policies(&cluster)?;
    cluster::namespace(&cluster, NAMESPACE)?;
    let room =
        json!({"instances": agents + LATE + BARE, "memoryMiB": 1 << 24, "cpuMillis": 1 << 24});
    let mut nodes = Vec::new();
    for number in 0..NODES {
        let (name, room) = (format!("node-{number}"), json!({"capacity": room}));
        let double = NodeDouble::register_with(&cluster, &name, room)?;
        nodes.push(Node::start(&double, &[]));
    }
    runtime.block_on(async {
        let crowd = Crowd::of(cluster.admin(), NAMESPACE).await?;
        let names = (0..agents).map(|number| format!("agent-{number}"));
        crowd.make(names, &json!({})).await?;
        let from = Instant::now();
        let operator = Operator::start(&cluster, "bench")?;
        until_ready(&crowd, &operator, agents).await?;
        let took = from.elapsed().as_secs_f64();
        let reconciled = reconciled(&operator)? as f64;
        let written = written(&cluster)? as f64;
        let p99 = late(&crowd, &operator, agents).await?;
        let peak = peak_mib(operator.process.pid())?;
        let left_out = left_out(&operator)?;
        drop(operator);
        let again = at_rest(&cluster, agents + LATE).await?;
        let bare = bare(&cluster, &crowd).await?;
        Ok(vec![
            Figure::against(
                "operator_writes_per_s",
                written / took,
                "writes/s",
                bare,
                "as a client that only writes",
            ),
            Figure::plain(
                "operator_writes_per_agent",
                written / agents as f64,
                "writes",
                "less",
            ),
            Figure::plain("operator_events_left_out", left_out, "events", "less"),
            Figure::plain(
                "operator_reconcile_per_s",
                reconciled / took,
                "reconciliations/s",
                "≥ 300",
            ),
            Figure::plain(
                "operator_reconcile_at_rest_per_s",
                again,
                "reconciliations/s",
                "≥ 300",
            ),
            Figure::plain(
                "operator_ready_per_s",
                agents as f64 / took,
                "agents/s",
                "greater",
            ),
            Figure::plain("operator_p99_ready_ms", p99, "ms", "≤ 500"),
            Figure::plain("operator_peak_mib", peak, "MiB", "≤ 100"),
        ])
    })
}

/// From where the API server has an Agent until who watches sees that it is ready.
async fn late(crowd: &Crowd, operator: &Operator, agents: usize) -> Result<f64> {
    let mut applied = Vec::with_capacity(LATE);
    let mut tick = interval(BETWEEN);
    for number in 0..LATE {
        tick.tick().await;
        let name = format!("late-{number}");
        applied.push((name.clone(), crowd.one(name, &json!({})).await?));
    }
    until_ready(crowd, operator, agents + LATE).await?;
    let took = applied.into_iter().map(|(name, applied)| {
        let ready = crowd.ready_since(&name);
        let ready = ready.with_context(|| format!("{name} was never ready"))?;
        Ok(ready.saturating_duration_since(applied))
    });
    let mut took = took.collect::<Result<Vec<_>>>()?;
    took.sort_unstable();
    Ok(p99_ms(&took))
}

/// What an operator reconciles a second that takes over where every Agent is as it should be, until it did so as often as there are
/// Agents: it reads and compares, and has next to nothing to write.
async fn at_rest(cluster: &ControlPlane, agents: usize) -> Result<f64> {
    let operator = Operator::start(cluster, "after")?;
    let from = Instant::now();
    let mut begun = None;
    loop {
        let done = reconciled(&operator).unwrap_or_default();
        let (first, at) = *begun.get_or_insert((done, Instant::now()));
        match () {
            () if done == 0 => begun = None,
            () if done >= agents as u64 => {
                ensure!(done > first, "it was done before it was looked at");
                return Ok((done - first) as f64 / at.elapsed().as_secs_f64());
            }
            () => {}
        }
        if from.elapsed() > BOUND {
            bail!(
                "{done} of {agents} agents are looked at\n{}",
                operator.process.tail()
            );
        }
        sleep(LOOK).await;
    }
}

async fn until_ready(crowd: &Crowd, operator: &Operator, wanted: usize) -> Result<()> {
    let from = Instant::now();
    loop {
        match crowd.ready() {
            ready if ready >= wanted => return Ok(()),
            ready if from.elapsed() > BOUND => bail!(
                "{ready} of {wanted} agents are ready, one is {}\n{}",
                crowd.first_that_waits().await,
                operator.process.tail()
            ),
            _ => sleep(LOOK).await,
        }
    }
}

/// What the API server takes a second of a client that writes what the operator does, and does nothing else. The nodes answer as
/// they do to the operator.
async fn bare(cluster: &ControlPlane, crowd: &Crowd) -> Result<f64> {
    let names = || (0..BARE).map(|number| format!("bare-{number}"));
    crowd.make(names(), &json!({})).await?;
    let who = cluster.kubeconfig_for_token("bare", &Operator::token(cluster)?)?;
    let bare = BareWrites::like(who, NAMESPACE, "agent-0").await?;
    let from = Instant::now();
    let writes = names().map(|name| {
        let bare = &bare;
        async move { bare.of(&name).await }
    });
    let writes = stream::iter(writes).buffer_unordered(AT_ONCE);
    writes.try_for_each(|()| async { Ok(()) }).await?;
    Ok((BARE as u64 * WRITES) as f64 / from.elapsed().as_secs_f64())
}

/// What the operator wrote so far, as the API server counts.
fn written(cluster: &ControlPlane) -> Result<u64> {
    let metrics = cluster.kubectl(&["get", "--raw", "/metrics"])?;
    let all = metrics.lines().filter_map(|line| {
        let (labels, count) = line
            .strip_prefix("apiserver_request_total{")?
            .rsplit_once(' ')?;
        let says = |of: &str, values: &[&str]| {
            let mut said = values.iter().map(|value| format!("{of}=\"{value}\""));
            said.any(|said| labels.contains(&said))
        };
        let whose = match () {
            () if says("resource", &["agents"]) => says("verb", &["APPLY", "PATCH"]),
            () if says("resource", &["agentinstances"]) => {
                says("subresource", &[""]) && says("verb", &["POST", "APPLY", "PATCH"])
            }
            () if says("resource", &["events"]) => says("verb", &["POST", "PATCH"]),
            () => false,
        };
        (whose && says("code", &["200", "201"])).then(|| count.parse::<u64>().ok())?
    });
    Ok(all.sum())
}

/// How many reconciliations of Agents ended well.
fn reconciled(operator: &Operator) -> Result<u64> {
    let (_, metrics) = operator.get("/metrics")?;
    let name = r#"controller_runtime_reconcile_total{controller="agent",result="success"} "#;
    let count = metrics.lines().find_map(|line| line.strip_prefix(name));
    Ok(count.context("it counts no reconciliations")?.parse()?)
}

/// How many events it left out, since there were more than it may write.
fn left_out(operator: &Operator) -> Result<f64> {
    let (_, metrics) = operator.get("/metrics")?;
    let mut left_out = 0.0;
    for outcome in ["dropped", "limited", "failed"] {
        let name = format!("aion_operator_events_total{{outcome=\"{outcome}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
        left_out += count.map_or(Ok(0.0), str::parse::<f64>)?;
    }
    Ok(left_out)
}
