//! What the gateway adds as a proxy for models: between a client of OpenAI's API and a model that answers at once, beside the same
//! client that asks the model directly, and beside LiteLLM's proxy, all in one run.
//!
//! The gateway's part is the whole way that a program's request takes: gateway, node agent, journal and budget. LiteLLM comes as the
//! other components do (`tests/components/ensure litellm`); without it the figures beside it are left out, and that is said.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

use crate::gateway::Gateway;
use crate::litellm::Litellm;
use crate::load::{Requests, closed_loop, open_loop};
use crate::machine::Machine;
use crate::null_model::SIZES;
use crate::programs::{Part, cpu_seconds};
use crate::report::{Figure, median, p99_ms};

const CONNECTIONS: usize = 16;
/// Requests of one closed loop; LiteLLM and long streams take a tenth, or the run would be all their own.
const ROUND: usize = 4_000;
const RATE: f64 = 1_000.0;
/// Seconds of the open loop.
const STEADY: usize = 10;
/// For a server to listen: a Python program reads all its modules first.
const BOUND: Duration = Duration::from_secs(180);

/// A server that is asked for a model.
pub(crate) struct Asked {
    pub(crate) address: SocketAddr,
    /// What it is sent as an API key.
    pub(crate) key: String,
    /// The path and the model, by size.
    pub(crate) path: fn(usize) -> String,
    pub(crate) model: fn(usize) -> String,
}

impl Asked {
    /// So many requests of that many bytes each for an answer of as many.
    fn requests(&self, size: usize, stream: bool, count: usize) -> Requests {
        let prompt = "word ".repeat(size / 5 + 1)[..size].to_owned();
        let mut body = json!({
            "model": (self.model)(size),
            "messages": [{"role": "user", "content": prompt}],
        });
        if stream {
            body["stream"] = json!(true);
        }
        let (path, host, key) = ((self.path)(size), self.address, &self.key);
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Arc::new(vec![request.into_bytes(); count])
    }

    async fn closed(&self, size: usize, stream: bool, count: usize) -> Result<f64> {
        closed_loop(
            self.address,
            &self.requests(size, stream, count),
            CONNECTIONS,
        )
        .await
    }

    async fn listens(&self) -> Result<()> {
        let listens = async {
            while tokio::net::TcpStream::connect(self.address).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(BOUND, listens)
            .await
            .with_context(|| format!("nothing listens at {}", self.address))
    }
}

/// Measures every figure.
pub(crate) fn measure(runtime: &Runtime, rounds: usize) -> Result<Vec<Figure>> {
    let (_model, port) = Part::start(&["null-model"])?;
    let port: u16 = port.trim().parse().context("the model says no port")?;
    let direct = Asked {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        key: "none".to_owned(),
        path: |size| format!("/{size}/v1/chat/completions"),
        model: |_| "null".to_owned(),
    };
    let mut node = Machine::new()?;
    node.start()?;
    node.apply_external(&world(port))?;
    let gateway = Gateway::start(&node)?;
    let ours = Asked {
        address: gateway.address,
        key: gateway.token.clone(),
        path: |_| "/v1/chat/completions".to_owned(),
        model: |size| format!("lends:null-{size}/null"),
    };
    let pids = [gateway.pid(), node.pid().context("the node runs")?];
    let mut figures = runtime.block_on(beside_none(&ours, &direct, rounds))?;
    let beside = Litellm::start(port)
        .and_then(|theirs| runtime.block_on(beside_litellm(&ours, &pids, &theirs)));
    match beside {
        Ok(more) => figures.extend(more),
        Err(why) => eprintln!("model_proxy_… has no LiteLLM beside it: {why:#}"),
    }
    Ok(figures)
}

/// An agent that lends one model of each size.
fn world(port: u16) -> String {
    let mut world = "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: bench}\nspec: {inline: allow, external: allow}\n\
         ---\napiVersion: aion.dev/v1alpha1\nkind: ClusterAgentPolicy\nmetadata: {name: bench}\nspec: {allow: ['*'], models: ['*']}\n"
        .to_owned();
    for size in SIZES {
        world += &format!(
            "---\napiVersion: aion.dev/v1alpha1\nkind: ModelEndpoint\nmetadata: {{name: null-{size}}}\n\
             spec: {{baseUrl: 'http://127.0.0.1:{port}/{size}/v1', models: [{{name: 'null', contextTokens: 100000}}]}}\n"
        );
    }
    let uses: Vec<_> = SIZES
        .iter()
        .map(|size| format!("null-{size}/null"))
        .collect();
    let (first, rest) = (&uses[0], uses[1..].join(", "));
    world
        + &format!(
            "---\napiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: lends}}\n\
             spec:\n  runtime: external\n  model: {{use: {first}, fallback: [{rest}]}}\n  replicas: 2\n  \
             limits: {{tokensPerHour: 1000000000000, callsPerMinute: 10000000, concurrentCalls: 1024, turnSeconds: 3600}}\n"
        )
}

/// One closed loop after another of two servers, which is first changes; gives the median of rates and ratios.
async fn pair(
    ours: &Asked,
    bare: &Asked,
    (size, stream): (usize, bool),
    rounds: usize,
) -> Result<[f64; 3]> {
    let (mut our, mut their, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let count = match stream && size == SIZES[1] {
        true => ROUND / 10,
        false => ROUND,
    };
    // The first round warms both up and does not count.
    for round in 0..=rounds {
        let mut rates = [0.0; 2];
        for of in [round % 2, (round + 1) % 2] {
            rates[of] = [ours, bare][of].closed(size, stream, count).await?;
        }
        if round > 0 {
            our.push(rates[0]);
            their.push(rates[1]);
            ratios.push(rates[0] / rates[1]);
        }
    }
    Ok([median(&mut our), median(&mut their), median(&mut ratios)])
}

async fn beside_none(ours: &Asked, direct: &Asked, rounds: usize) -> Result<Vec<Figure>> {
    direct.listens().await?;
    ours.listens().await?;
    let mut figures = Vec::new();
    for (name, size, stream, goal) in [
        (
            "model_proxy_1k",
            SIZES[0],
            false,
            "ratio to the model itself ≥ 0.33",
        ),
        (
            "model_proxy_16k",
            SIZES[1],
            false,
            "ratio to the model itself ≥ 0.7",
        ),
        (
            "model_proxy_stream_1k",
            SIZES[0],
            true,
            "streams of 20 events",
        ),
        (
            "model_proxy_stream_16k",
            SIZES[1],
            true,
            "streams of 260 events",
        ),
    ] {
        let [value, baseline, ratio] = pair(ours, direct, (size, stream), rounds).await?;
        eprintln!("{name}: {value:.0} requests/s, {baseline:.0} without the gateway");
        figures.push(Figure {
            name,
            value,
            unit: "requests/s",
            baseline: Some(baseline),
            ratio: Some(ratio),
            goal,
        });
    }
    let count = RATE as usize * STEADY;
    let mut delays = [Vec::new(), Vec::new()];
    for (asked, delays) in [ours, direct].into_iter().zip(&mut delays) {
        *delays = open_loop(
            asked.address,
            &asked.requests(SIZES[0], false, count),
            CONNECTIONS,
            RATE,
        )
        .await?;
    }
    let micros = |sorted: &[Duration]| p99_ms(sorted) * 1_000.0;
    let [with, without] = [micros(&delays[0]), micros(&delays[1])];
    figures.push(Figure::plain(
        "model_proxy_added_p99_us",
        with - without,
        "µs",
        "≤ 150 at 1,000/s",
    ));
    figures.push(Figure::against(
        "model_proxy_p99_us",
        with,
        "µs",
        without,
        "",
    ));
    Ok(figures)
}

/// By what a core does: both take turns on the same processors, so what counts is the time that their processes took.
async fn beside_litellm(ours: &Asked, pids: &[u32], theirs: &Litellm) -> Result<Vec<Figure>> {
    theirs.asked.listens().await?;
    let per_core = async |asked: &Asked, pids: &[u32], count: usize| {
        asked.closed(SIZES[0], false, count / 10).await?;
        let used = || {
            pids.iter()
                .map(|pid| cpu_seconds(*pid))
                .sum::<Result<f64>>()
        };
        let before = used()?;
        let rate = asked.closed(SIZES[0], false, count).await?;
        let used = used()? - before;
        ensure!(used > 0.0, "no time was used");
        Ok::<_, anyhow::Error>((count as f64 / used, rate))
    };
    let (our, our_rate) = per_core(ours, pids, ROUND).await?;
    let (their, their_rate) = per_core(&theirs.asked, &[theirs.pid()], ROUND / 10).await?;
    Ok(vec![
        Figure::against(
            "model_proxy_per_core",
            our,
            "requests/s",
            their,
            "LiteLLM's ≥ 20 times",
        ),
        Figure::against(
            "model_proxy_beside_litellm",
            our_rate,
            "requests/s",
            their_rate,
            "",
        ),
    ])
}
