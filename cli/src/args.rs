//! The command line: what can be said, and the help that teaches it. What each command does is in `commands`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{commands, render::screen::Colour};

const AFTER_HELP: &str = "\
First steps:
  aionctl local start                           start the node on this machine
  aionctl get agents                            see who is there
  aionctl ask librarian \"How do I write an agent?\"
  aionctl run analyst --file sales.csv          give a file, get a report and a plot
  aionctl why librarian                         see why an agent is, or is not, ready
  aionctl explain my-agent.yaml                 see what an agent may do before it runs

Exit status:
  0  done                      3  nothing answers there
  1  tried, and failed         4  it does not exist
  2  wrong arguments or YAML   5  not allowed          130  Ctrl-C
";

/// Talks to AION-OS: on this machine, or in a cluster.
#[derive(Debug, Parser)]
#[command(name = "aionctl", version, after_help = AFTER_HELP, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The namespace the agents are in
    #[arg(
        short,
        long,
        global = true,
        env = "AION_NAMESPACE",
        default_value = "default",
        value_name = "NAME",
        help_heading = "Everywhere"
    )]
    pub(crate) namespace: String,
    /// Where the state of this machine's node is [default: ~/.aion]
    #[arg(
        long,
        global = true,
        env = "AION_HOME",
        value_name = "FOLDER",
        help_heading = "Everywhere"
    )]
    pub(crate) home: Option<PathBuf>,
    /// When to use colour; NO_COLOR is honoured
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Everywhere"
    )]
    pub(crate) color: Colour,
}

/// How resources are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// The columns that matter
    #[default]
    Table,
    /// All columns
    Wide,
    /// Whole, as JSON
    Json,
    /// Whole, as YAML
    Yaml,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start, stop or look at the node on this machine
    #[command(subcommand)]
    Local(commands::local::LocalCommand),
    /// Take in agents and what belongs to them from YAML
    Apply(commands::apply::ApplyArgs),
    /// List resources: agents, instances, pools, models, tools, policies, …
    Get(commands::get::GetArgs),
    /// Tell everything about one resource
    Describe(commands::describe::DescribeArgs),
    /// Remove a resource; an agent's memory goes with its pool
    Delete(commands::delete::DeleteArgs),
    /// Ask an agent; its answer streams
    Ask(commands::ask::AskArgs),
    /// Give an agent files, and fetch the files that it makes
    Run(commands::run::RunArgs),
    /// Show what an agent's worker wrote, and the node about it
    Logs(commands::logs::LogsArgs),
    /// Show the causal chain: signature, policy, placement, sandbox, refusals
    Why(commands::why::WhyArgs),
    /// Say in plain words what a manifest asks for and would get
    Explain(commands::explain::ExplainArgs),
    /// Map the names of mounts to folders of this machine
    #[command(subcommand)]
    Mount(commands::mount::MountCommand),
    /// Build, move, sign and check bundles
    #[command(subcommand)]
    Bundle(commands::bundle::BundleCommand),
    /// Write completions for a shell
    Completion(commands::completion::CompletionArgs),
    /// Show the versions of aionctl and of the node
    Version(commands::version::VersionArgs),
}
