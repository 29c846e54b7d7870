//! `aionctl local`: the node on this machine, its programs, who watches them, and how they are.

mod folders;
mod gateway;
mod node_user;
mod recipe;
mod service;
mod settings;
mod start;
mod status;
mod stop;
mod watch;

use std::{ffi::OsString, path::PathBuf};

use aion_folders::{Folder, Trust};
use clap::{Args, Subcommand};

use crate::{
    context::Context,
    failure::{Failure, Status},
    home::Home,
    process::Program,
};

/// Start, stop or look at the node on this machine
#[derive(Debug, Subcommand)]
#[command(after_help = "\
The node is two programs that run in the background: aion-node (the daemon: kernel, memory, models, tools) and aion-launcher (starts and confines the agents' workers). Beside it runs aion-gateway, where programs ask agents by REST or OpenAI's API, on this machine alone; --no-gateway or AION_GATEWAY=false leave it out. As root every layer of the sandbox can be had, and daemon and gateway get users of their own; as an ordinary user those layers that need no privileges.

Something starts them again when they end: units of systemd where it runs this machine, else a supervisor of AION-OS's own. `aionctl local status` says which, and whether it starts them at boot.

Examples:
  aionctl local start
  aionctl local status
  aionctl local stop")]
pub(crate) enum LocalCommand {
    /// Start what does not run yet, and wait until it answers
    Start(StartArgs),
    /// Let turns under way end, then stop
    Stop(StopArgs),
    /// Say what runs, who watches it, where programs ask, which layers of the sandbox are enforced, and how many agents are ready
    Status(StatusArgs),
    /// Run the node from here and start again what ends, until a signal ends this; for runit, containers and the like
    Supervise,
    /// Become a program, away from the terminal
    #[command(hide = true)]
    Become {
        program: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// Of `local start`.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// How long to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Who starts it again when it ends: auto, systemd or aionctl
    #[arg(
        long,
        value_enum,
        value_name = "WHO",
        default_value_t,
        hide_possible_values = true
    )]
    service: service::Wanted,
    /// Nobody does; a unit that is there is taken away
    #[arg(long, conflicts_with = "service")]
    no_service: bool,
    /// Without the gateway, where programs ask agents; AION_GATEWAY=false says so, too
    #[arg(long)]
    no_gateway: bool,
}

/// Of `local stop`.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// How long turns under way may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// After that time, end what still runs; the journal knows what was done
    #[arg(long)]
    force: bool,
    /// Take the unit away too, so that nothing starts it at boot
    #[arg(long)]
    no_service: bool,
}

/// Of `local status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(context: &Context, command: LocalCommand) -> Result<(), Failure> {
    if !matches!(command, LocalCommand::Become { .. }) {
        is_ones_own(&context.home()?)?;
    }
    match command {
        LocalCommand::Start(args) => start::run(context, args).await,
        LocalCommand::Stop(args) => stop::run(context, args).await,
        LocalCommand::Status(args) => status::run(context, args).await,
        LocalCommand::Supervise => service::supervise(context).await,
        LocalCommand::Become { program, arguments } => {
            let why = crate::process::become_program(&program, &arguments);
            Err(Failure::io("start the program", &program, &why))
        }
    }
}

/// Where the gateway of this machine's node serves.
///
/// # Errors
/// Where it does not, with what to do.
pub(super) fn gateway_url(context: &Context) -> Result<String, Failure> {
    let home = context.home()?;
    is_ones_own(&home)?;
    let found = gateway::Gateway::find(&home, &service::Standing::find(&home));
    found.url().ok_or_else(|| {
        Failure::new("the gateway of this machine's node is not running")
            .status(Status::Unreachable)
            .remedy("start it: aionctl local start; or see why not: aionctl local status")
    })
}

/// Whether this machine's node, which does not answer, is started again without anybody's doing.
pub(super) fn is_started_again(context: &Context) -> bool {
    let home = context.home();
    home.is_ok_and(|home| {
        is_ones_own(&home).is_ok() && service::Standing::find(&home).by.starts_again()
    })
}

/// Root believes no pid file of another user's: it would end what that user names.
fn is_ones_own(home: &Home) -> Result<(), Failure> {
    if home.trust() == Trust::Own || !home.root().exists() {
        return Ok(());
    }
    Folder::open(home.root(), Trust::Root)
        .map(drop)
        .map_err(|why| folders::unfit(home, &why))
}

/// The daemon.
fn node(home: &Home) -> Program {
    program(home, "aion-node")
}

/// The launcher.
fn launcher(home: &Home) -> Program {
    program(home, "aion-launcher")
}

/// Where programs ask, beside the node.
fn gateway(home: &Home) -> Program {
    program(home, "aion-gateway")
}

/// Who watches them, where that is aionctl.
fn supervisor(home: &Home) -> Program {
    program(home, "aion-supervisor")
}

fn program(home: &Home, name: &'static str) -> Program {
    let mut pids = vec![home.pids()];
    if home.trust() == Trust::Root {
        // Where an earlier version had them, believed only while the folder is root's.
        pids.push(home.run());
    }
    Program {
        name,
        pids,
        logs: home.logs(),
        trust: home.trust(),
    }
}
