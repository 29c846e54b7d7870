//! `aion-gateway`: the door for programs. It speaks the protocols that they speak already, and asks the node agent of this
//! machine as its user would.
//!
//! A process of its own: what parses what the network sends shares no memory with the kernel, and holds no privilege and
//! no state. What may not enter: decisions about rights, which are the node agent's.

mod access;
mod agents;
mod args;
mod asking;
mod clock;
mod gateway;
mod openai;
mod reading;
mod refusal;
mod rest;
mod router;

use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{args::Args, gateway::Gateway};

/// How long answers under way have to end when it is to stop.
const LAST: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let filter = aion_telemetry::log::wanted("info")?;
    aion_telemetry::log::start(&filter, aion_telemetry::Form::Text)?;
    let gateway = Gateway::open(&args)?;
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    let router = router::router(gateway);
    let (address, serving) =
        aion_serve::serve_tcp(args.listen, aion_serve::Tcp::Plain, router, stop.clone()).await?;
    tracing::info!("REST and OpenAI's API at http://{address}/v1");
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST).await;
    };
    tokio::select! {
        () = serving => {}
        () = late => tracing::warn!("what is asked still is left to the node"),
    }
    Ok(())
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
