//! `aion-operator`: the control plane's half of AION-OS.
//!
//! One folder a controller, one file a step: `dereference` reads, `validate` and `build` are pure, `apply`
//! writes, `update_status` reports. What may not enter: anything on the way of a syscall.

mod agent;
mod args;
mod caches;
mod clock;
mod context;
mod controller;
mod device;
mod events;
mod failure;
mod heard;
mod kernel_node;
mod leader;
mod memory_pool;
mod metrics;
mod probes;
mod unsaid;
mod write;

use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::caches::Caches;
use crate::context::Context;
use crate::leader::Candidate;
use crate::metrics::Metrics;
use crate::probes::Readiness;

/// How long an operator that is told to stop waits for answers of the API server.
const LAST_WRITES: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    aion_telemetry::log::start(&args.log, aion_telemetry::Form::Json)?;
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    let client = Client::try_default()
        .await
        .context("cannot tell where the API server is: set KUBECONFIG, or run in a pod with a service account")?;
    let metrics = Metrics::new()?;
    let readiness = Readiness::default();
    let probes = tokio::spawn(probes::serve(
        args.listen,
        metrics.clone(),
        readiness.clone(),
        stop.clone().cancelled_owned(),
    ));

    let result = lead(&args, client, metrics, readiness, stop.clone()).await;
    stop.cancel();
    probes.await.context("the probes' task ended badly")??;
    result
}

/// Fills the caches, stands for the lease, and reconciles while it leads.
async fn lead(
    args: &Args,
    client: Client,
    metrics: Metrics,
    readiness: Readiness,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (caches, queues) = Caches::follow(&client, &args.namespace, metrics.clone(), stop.clone());
    tokio::select! {
        filled = caches.filled() => filled?,
        () = stop.cancelled() => return Ok(()),
    }
    readiness.set();
    tracing::info!("the caches are filled, standing for the lease");
    let mut candidate = Candidate::stand(client.clone(), args);
    let elected = tokio::select! {
        elected = candidate.elected() => elected,
        () = stop.cancelled() => false,
    };
    if elected {
        tracing::info!(identity = args.identity, "leading");
        metrics.leads(true);
        let (context, events) = Context::new(client, caches, metrics.clone(), args);
        tokio::select! {
            () = controller::run(context, events, queues, stop.clone()) => {}
            // What is being written is dropped on the spot: another operator may lead from now on.
            () = candidate.deposed() => {}
            () = patience(&stop) => tracing::warn!("what is being reconciled does not end, it is given up"),
        }
        metrics.leads(false);
    }
    let stopped = stop.is_cancelled();
    candidate.resign().await;
    anyhow::ensure!(
        stopped || !elected,
        "lost the lease; started again, it stands for it anew"
    );
    Ok(())
}

/// Resolves when what is being reconciled had its time to end.
async fn patience(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_WRITES).await;
}

fn stop_on_signals(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what is being reconciled is finished first");
        stop.cancel();
    });
    Ok(())
}
