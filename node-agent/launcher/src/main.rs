//! `aion-launcher`, the privileged side of the node agent: starts confined workers,
//! reads back what the kernel enforces and tells how they end. What may not enter:
//! network, resources, and configuration formats of anyone else's. It parses its own
//! protocol ([`aion_sandbox::protocol`]) and its own two profiles.

mod args;
mod folders;
mod server;

use std::io::IsTerminal;
use std::process::ExitCode;

use aion_sandbox::{LayerReading, LayerState};
use anyhow::Context;
use args::{Cli, Command, Output};
use clap::Parser;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("AION_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aion-launcher: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Prepare(prepare) => folders::divide(&prepare.home, prepare.daemon_uid),
        Command::Serve(serve) => server::serve(serve.into_options()),
        Command::Probe(probe) => {
            let output = probe.output;
            let layers = server::probe(&probe.into_options())?;
            match output {
                Output::Json => {
                    let text = serde_json::to_string_pretty(&layers).context("write JSON")?;
                    println!("{text}");
                }
                Output::Table => print_table(&layers),
            }
            Ok(())
        }
    }
}

fn print_table(layers: &[LayerReading]) {
    println!("{:<18} {:<14} EVIDENCE", "LAYER", "STATE");
    for layer in layers {
        let (state, text) = match &layer.state {
            LayerState::Enforced => ("enforced", layer.evidence.clone()),
            LayerState::NotRequested => ("not requested", String::new()),
            LayerState::Missing { why } if layer.evidence.is_empty() => ("missing", why.clone()),
            LayerState::Missing { why } => ("missing", format!("{why} ({})", layer.evidence)),
        };
        println!("{:<18} {state:<14} {text}", layer.name);
    }
}
