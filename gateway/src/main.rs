//! `aion-gateway`: the door for programs. It speaks the protocols that they speak already, and asks the node agent of this
//! machine, on a socket where agents are asked and nothing else is done.
//!
//! A process of its own: what parses what the network sends shares no memory with the kernel, and holds no privilege and
//! no state but its token and the key of agent cards. What may not enter: decisions about rights, which are the node agent's.

mod a2a;
mod access;
mod agents;
mod args;
mod asked;
mod asking;
mod clock;
mod events;
mod gateway;
mod hooks;
mod lending;
mod mcp;
mod notes;
mod openai;
mod openapi;
mod reading;
mod refusal;
mod rest;
mod router;
mod routing;
mod signing;
mod state;
mod tagged;
mod unanswered;

use std::{io, process::ExitCode, sync::Arc, time::Duration};

use aion_serve::{ServeError, Tcp};
use anyhow::Context as _;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    access::Guard,
    args::{Args, LISTEN},
    gateway::Gateway,
    state::State,
};

/// How long answers under way have to end when it is to stop.
const LAST: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aion-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let filter = aion_telemetry::log::wanted("info")?;
    aion_telemetry::log::start(&filter, aion_telemetry::Form::Text)?;
    let state = State::open(&args.home)?;
    let gateway = Gateway::open(&args, &state)?;
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    let router = router::router(Guard {
        gateway: Arc::clone(&gateway),
        token: state.token(args.token_file.as_deref())?,
    });
    let served = aion_serve::serve_tcp(args.listen, Tcp::Plain, router, stop.clone()).await;
    let (address, serving) = served.map_err(|why| unserved(&args, why))?;
    // Before anything is served.
    gateway.serves_at(address);
    let _told = state.serves_at(address)?;
    tracing::info!(
        "REST and OpenAI's API at http://{address}/v1, MCP at http://{address}/mcp, A2A at http://{address}/v1/a2a"
    );
    let late = async {
        stop.cancelled().await;
        gateway.events.end().await;
        tokio::time::sleep(LAST).await;
    };
    tokio::select! {
        () = serving => {}
        () = late => tracing::warn!("what is asked still is left to the node"),
    }
    // A node that is not there ends them by itself.
    let _ = tokio::time::timeout(LAST, gateway.lending.end()).await;
    Ok(())
}

/// A port that is taken is the usual reason, and another one the remedy.
fn unserved(args: &Args, why: ServeError) -> anyhow::Error {
    match &why {
        ServeError::Tcp { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
            anyhow::anyhow!(
                "port {} is taken by another program; say another address: {LISTEN}=127.0.0.1:PORT aionctl local start, \
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
