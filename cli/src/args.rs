//! The command line: what can be said, and the help that teaches it. What each command does is in `commands`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{commands, render::screen::Colour};

const AFTER_HELP: &str = "\
First steps:
  aionctl local start                       start the node on this machine
  aionctl get agents                        see who is there
  aionctl ask librarian \"What is a mount?\"
  aionctl run analyst --file sales.csv      a file in, a report and a plot out
  aionctl why librarian                     why an agent is ready, or is not
  aionctl explain my-agent.yaml             what an agent may do, before it runs

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
    /// The namespace the agents are in [default: default; in a cluster that of the context]
    #[arg(
        short,
        long,
        global = true,
        env = "AION_NAMESPACE",
        hide_env_values = true,
        value_name = "NAME",
        help_heading = "Everywhere"
    )]
    pub(crate) namespace: Option<String>,
    /// Speak to a cluster instead of the node on this machine, as kubectl would: the one KUBECONFIG names
    #[arg(
        long,
        global = true,
        env = "AION_CLUSTER",
        hide_env_values = true,
        value_parser = clap::builder::FalseyValueParser::new(),
        help_heading = "In a cluster"
    )]
    pub(crate) cluster: bool,
    /// The kubeconfig; implies --cluster
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "In a cluster"
    )]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context in it; implies --cluster
    #[arg(
        long,
        global = true,
        env = "AION_CONTEXT",
        hide_env_values = true,
        value_name = "NAME",
        help_heading = "In a cluster"
    )]
    pub(crate) context: Option<String>,
    /// Ask agents as this service account of the namespace, not as yourself
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "In a cluster"
    )]
    pub(crate) service_account: Option<String>,
    /// Where the state of this machine's node is [default: ~/.aion; root's: /var/lib/aion]
    #[arg(
        long,
        global = true,
        env = "AION_HOME",
        hide_env_values = true,
        value_name = "FOLDER",
        help_heading = "Everywhere"
    )]
    pub(crate) home: Option<PathBuf>,
    /// auto, always or never; NO_COLOR is honoured
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_possible_values = true,
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
    /// List resources of a kind
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
    /// Show why an agent is ready, or is not
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
