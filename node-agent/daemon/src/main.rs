//! `aion-node`: the daemon of a node, as a program.

mod args;

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use aion_daemon::{Config, Node, Options, launching::Link, machine, secret, telemetry};
use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use args::{Cli, Output, Task};

/// How long what blocks a thread at the end may take.
const LEAVE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let done = match Cli::parse().resolve() {
        Ok(Task::Run { config, log_json }) => run(*config, log_json),
        Ok(Task::Dump { journal, output }) => dump(&journal, output),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aion-node: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, without those that it names itself.
fn told(error: &anyhow::Error) -> String {
    let causes = error.chain().map(ToString::to_string);
    causes.fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        known if known.ends_with(&cause) => told,
        known => format!("{known}: {cause}"),
    })
}

fn run(config: Config, log_json: bool) -> anyhow::Result<()> {
    telemetry::log(log_json)?;
    // Before there is a second thread: each has capabilities of its own.
    for left in machine::drop_capabilities() {
        tracing::warn!(%left, "a capability could not be given up");
    }
    if rustix::process::geteuid().is_root() {
        tracing::warn!(
            "this daemon is root's: whatever takes it over may write every file of root's; aionctl local start gives it a user of its own"
        );
    }
    if let Err(error) = machine::raise_open_files() {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let done = runtime.block_on(serve(config));
    // A thread that waits for a disk or a server that no longer answers must not keep the process.
    runtime.shutdown_timeout(LEAVE);
    done
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    std::fs::create_dir_all(config.home.join("config")).context("create the state directory")?;
    let secret = secret::load(&config.home.join("config/node.secret"))?;
    let (launcher, events) = Link::start(config.launcher.clone());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        node = %config.node,
        home = %config.home.display(),
        offline = config.offline,
        "starting"
    );
    let mut node = Node::start(Options {
        config,
        secret,
        launcher: Arc::new(launcher),
        events,
    })
    .await?;
    tracing::info!("ready");
    tokio::select! {
        ended = node.ended() => return Ok(ended?),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    node.stop().await?;
    tracing::info!("stopped");
    Ok(())
}

fn dump(dir: &Path, output: Output) -> anyhow::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut failed = Ok(());
    let damage = aion_journal::dump(dir, |entry| {
        let written = match output {
            Output::Json => serde_json::to_writer(&mut out, &entry)
                .map_err(io::Error::from)
                .and_then(|()| out.write_all(b"\n")),
            Output::Text => writeln!(out, "{:>12}  {}", entry.lsn, entry.fact.get()),
        };
        failed = written;
        failed.is_ok()
    })?;
    match failed.and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        other => other?,
    }
    match damage {
        None => Ok(()),
        Some(what) => anyhow::bail!("the journal ends here: {what}"),
    }
}
