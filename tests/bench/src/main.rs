//! `make bench`: what the hot paths cost, against a bare baseline in the same run.
//!
//! Prints a table and writes `bench.json`. Nothing here passes or fails by time: a person or a script that
//! compares runs judges. Load goes to sockets of this machine, of programs that this one started, and ends by itself.

mod answer;
mod density;
mod device_turns;
mod devices;
mod documents;
mod echo;
mod events;
mod gateway;
mod guardrails;
mod host;
mod kernel_tracing;
mod litellm;
mod load;
mod machine;
mod memory;
mod null_model;
mod operator;
mod process_start;
mod programs;
mod proxy;
mod report;
mod rest;
mod sdk;
mod signed;
mod signing;
mod start;
mod syscalls;
mod tables;
mod turn;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

/// Measures AION-OS on this machine.
#[derive(Debug, Parser)]
#[command(name = "aion-bench")]
struct Args {
    /// Where the figures go.
    #[arg(long, default_value = "bench.json")]
    out: PathBuf,
    /// Rounds of each paired measurement; the median round counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measure this alone; may be given several times.
    #[arg(long, value_enum)]
    only: Vec<Subject>,
    /// Agents that the operator has to bring up.
    #[arg(long, default_value_t = 10_000)]
    agents: usize,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// The syscall path.
    Syscalls,
    /// The start of a wasm agent.
    Start,
    /// The start and the end of a program from an image.
    Process,
    /// A turn, from the question to the answer.
    Turn,
    /// Tables, by the shipped analyst.
    Tables,
    /// Reading documents, and a question about those that were read.
    Documents,
    /// The daemon's memory.
    Memory,
    /// Starts and work with ten thousand objects at rest.
    Rest,
    /// Following an agent in the kernel of the machine, as root.
    Ebpf,
    /// Agents that run at the same time.
    Density,
    /// Verifying a bundle.
    Verify,
    /// The operator with ten thousand Agents.
    Operator,
    /// Telling many what happens.
    Events,
    /// The gateway at rest, and a turn that is asked through it.
    Gateway,
    /// The gateway as a proxy for models.
    Proxy,
    /// Syscalls by the SDKs.
    Sdk,
    /// Ten thousand devices of one node.
    Devices,
    /// From a device's word to a turn, and commands of devices.
    DeviceTurns,
    /// A decision of guardrails, of few and of many.
    Guardrails,
}

/// Parts that run as processes of their own, so that client and server do not share a scheduler.
#[derive(Debug, Subcommand)]
enum Part {
    /// The bare baseline.
    #[command(hide = true)]
    Echo {
        /// Where it listens.
        socket: PathBuf,
    },
    /// The daemon, with one agent in a turn; prints the boot document's key and the socket.
    #[command(hide = true)]
    Host {
        /// Its state.
        home: PathBuf,
    },
    /// A model that answers at once; prints its port.
    #[command(hide = true)]
    NullModel,
    /// A load of system calls.
    #[command(hide = true)]
    Files {
        /// What it reads.
        folder: PathBuf,
    },
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match &args.part {
        Some(Part::Echo { socket }) => runtime.block_on(echo::run(socket)),
        Some(Part::NullModel) => runtime.block_on(null_model::run()),
        Some(Part::Files { folder }) => kernel_tracing::files(folder),
        Some(Part::Host { home }) => runtime.block_on(syscalls::host(home)),
        None => {
            let subjects = Subject::value_variants().iter();
            let wanted = subjects.filter(|it| args.only.is_empty() || args.only.contains(it));
            let measured = wanted.map(|subject| match subject {
                Subject::Syscalls => {
                    let measured = runtime.block_on(syscalls::measure(args.rounds));
                    ("syscalls", measured)
                }
                Subject::Start => ("start of a wasm agent", start::measure(&runtime)),
                Subject::Process => ("start of a program", process_start::measure(&runtime)),
                Subject::Turn => ("turn", answer::measure(&runtime)),
                Subject::Tables => ("tables by the analyst", tables::measure(&runtime)),
                Subject::Documents => ("documents", documents::measure(&runtime)),
                Subject::Memory => ("memory", memory::measure(&runtime)),
                Subject::Rest => ("work beside what is at rest", rest::measure(&runtime)),
                Subject::Ebpf => ("following in the kernel", kernel_tracing::measure()),
                Subject::Density => ("agents at the same time", density::measure(&runtime)),
                Subject::Verify => ("verifying", verify::measure(&runtime)),
                Subject::Devices => ("devices", devices::measure(args.rounds)),
                Subject::DeviceTurns => ("devices and turns", device_turns::measure(&runtime)),
                Subject::Guardrails => ("guardrails", guardrails::measure(args.rounds)),
                Subject::Gateway => ("the gateway", gateway::measure(&runtime)),
                Subject::Proxy => (
                    "models by the gateway",
                    proxy::measure(&runtime, args.rounds),
                ),
                Subject::Sdk => ("syscalls by the SDKs", sdk::measure(args.rounds)),
                Subject::Events => ("telling what happens", events::measure(&runtime)),
                Subject::Operator => ("the operator", operator::measure(&runtime, args.agents)),
            });
            report(&args.out, measured)
        }
    }
}

/// Shows and writes what there is: a part that failed is named, and takes no other with it.
fn report(
    out: &Path,
    measured: impl Iterator<Item = (&'static str, Result<Vec<report::Figure>>)>,
) -> Result<()> {
    let (mut figures, mut failed) = (Vec::new(), Vec::new());
    for (part, result) in measured {
        match result {
            Ok(more) => figures.extend(more),
            Err(error) => {
                eprintln!("{part}: {error:#}");
                failed.push(part);
            }
        }
    }
    println!("{}", report::table(&figures));
    report::write(&figures, out)?;
    println!("written to {}", out.display());
    anyhow::ensure!(
        failed.is_empty(),
        "could not be measured: {}",
        failed.join(", ")
    );
    Ok(())
}
