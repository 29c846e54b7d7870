//! `aion-gateway`: the door for programs. It speaks the protocols that they speak already, and asks the node agent of this
//! machine, on a socket where agents are asked and nothing else is done; or those of a cluster, with the token of who asks.
//!
//! A process of its own: what parses what the network sends shares no memory with the kernel, and holds no privilege and
//! no state but its token and the key of agent cards. What may not enter: decisions about rights, which are the node agent's.

mod a2a;
mod access;
mod agents;
mod approving;
mod args;
mod asked;
mod asking;
mod clock;
#[cfg(feature = "kubernetes")]
mod cluster;
mod events;
mod gateway;
mod hooks;
mod issuers;
mod lending;
mod mcp;
mod nodes;
mod notes;
mod numbers;
mod openai;
mod openapi;
mod paged;
mod place;
#[cfg(feature = "kubernetes")]
mod probes;
mod protected;
mod reading;
mod refusal;
mod rest;
mod router;
mod routing;
mod signing;
mod state;
mod tagged;
mod unanswered;

use std::{io, process::ExitCode, sync::Arc, thread, time::Duration};

use aion_serve::{ServeError, Tcp};
use anyhow::Context as _;
use clap::Parser;
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

#[cfg(feature = "kubernetes")]
use std::path::Path;

#[cfg(feature = "kubernetes")]
use crate::cluster::Cluster;
use crate::{
    access::{By, Guard},
    args::{Args, LISTEN},
    gateway::Gateway,
    state::State,
};

/// How long answers under way have to end when it is to stop.
const LAST: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let args = Args::parse();
    let ran = runtime().and_then(|runtime| runtime.block_on(run(args)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aion-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Half the processors: each request goes on to a node, and a thread that wakes another to share what is soon done costs more than it
/// takes off it (docs/performance.md).
fn runtime() -> anyhow::Result<Runtime> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let mut runtime = Builder::new_multi_thread();
    runtime.enable_all().worker_threads((processors / 2).max(1));
    runtime.build().context("cannot start its threads")
}

async fn run(args: Args) -> anyhow::Result<()> {
    let filter = aion_telemetry::log::wanted(aion_telemetry::log::USUAL)?;
    aion_telemetry::log::start(&filter, aion_telemetry::Form::Text)?;
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    // Connections are a share of these.
    if let Err(error) = aion_serve::raise_open_files() {
        tracing::warn!(%error, "the gateway has as many open files as it was started with");
    }
    if args.cluster {
        return in_cluster(&args, stop).await;
    }
    let home = args
        .home
        .as_deref()
        .context("say where the node keeps its state: --home")?;
    let state = State::open(home)?;
    let gateway = Gateway::open(
        home,
        &args.namespace,
        state.signer(args.card_key_file.as_deref())?,
    )?;
    let router = router::router(Guard {
        gateway: Arc::clone(&gateway),
        by: By::Token(state.token(args.token_file.as_deref())?),
    });
    let served = aion_serve::serve_tcp(args.listen, Tcp::Plain, router, stop.clone()).await;
    let (address, serving) = served.map_err(|why| unserved(&args, why))?;
    // Before anything is served.
    gateway.serves_at(address);
    let _told = state.serves_at(address)?;
    tracing::info!(
        "REST and OpenAI's API at http://{address}/v1, MCP at http://{address}/mcp, A2A at http://{address}/v1/a2a"
    );
    until_over(serving, &stop, &gateway).await;
    // A node that is not there ends them by itself.
    let _ = tokio::time::timeout(LAST, gateway.lending.end()).await;
    Ok(())
}

/// Serves the nodes of a cluster, until it is to stop.
#[cfg(feature = "kubernetes")]
async fn in_cluster(args: &Args, stop: CancellationToken) -> anyhow::Result<()> {
    let cluster = Cluster::join(args.plain_nodes).await?;
    let signer = args.card_key_file.as_deref().map(signing::Signer::of_file);
    let gateway = Gateway::in_cluster(&cluster, &args.namespace, signer.transpose()?);
    let guard = Guard {
        gateway: Arc::clone(&gateway),
        by: By::Cluster(Arc::clone(&cluster)),
    };
    let router = router::router(guard).merge(probes::router(move || cluster.is_ready()));
    let wire = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => encrypted(cert, key, &stop)?,
        _ => Tcp::Plain,
    };
    let served = aion_serve::serve_tcp(args.listen, wire, router, stop.clone()).await;
    let (address, serving) = served.map_err(|why| unserved(args, why))?;
    match &args.url {
        Some(url) => gateway.is_found_at(url),
        None => gateway.serves_at(address),
    }
    tracing::info!("agents of the cluster at {}", gateway.base());
    until_over(serving, &stop, &gateway).await;
    Ok(())
}

/// TLS with the certificate in these files, as they are at any time.
#[cfg(feature = "kubernetes")]
fn encrypted(cert: &Path, key: &Path, stop: &CancellationToken) -> anyhow::Result<Tcp> {
    let files = aion_serve::TlsFiles {
        cert: cert.to_owned(),
        key: key.to_owned(),
        ca: None,
    };
    // Clients know its authority by themselves.
    let (acceptor, _, renewal) = aion_serve::certificate::open(files, Box::new(|_| ()))?;
    tokio::spawn(stop.clone().run_until_cancelled_owned(renewal.keep()));
    Ok(Tcp::Tls(acceptor))
}

#[cfg(not(feature = "kubernetes"))]
async fn in_cluster(_: &Args, _: CancellationToken) -> anyhow::Result<()> {
    anyhow::bail!(
        "this aion-gateway knows no cluster: build one that does, cargo build --release -p aion-gateway --features kubernetes"
    )
}

/// What is under way when it is to stop has its time.
async fn until_over(
    serving: impl Future<Output = ()>,
    stop: &CancellationToken,
    gateway: &Gateway,
) {
    let late = async {
        stop.cancelled().await;
        gateway.events.end().await;
        tokio::time::sleep(LAST).await;
    };
    tokio::select! {
        () = serving => {}
        () = late => tracing::warn!("what is asked still is left to the node"),
    }
}

/// A port that is taken is the usual reason, and another one the remedy.
fn unserved(args: &Args, why: ServeError) -> anyhow::Error {
    match &why {
        ServeError::Tcp { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
            anyhow::anyhow!(
                "port {} is in use by another program; choose another: {LISTEN}=127.0.0.1:PORT aionctl local start, \
                 after aionctl local stop",
                args.listen.port()
            )
        }
        // It names its cause itself.
        _ => anyhow::anyhow!("{why}"),
    }
}

fn stop_on_signals(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}
