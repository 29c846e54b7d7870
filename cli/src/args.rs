//! The command line: what can be said, and the help that teaches it. What each command does is in `commands`.

use clap::{Parser, Subcommand};

use crate::{commands, global::Global};

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
  2  wrong arguments or YAML   5  not allowed
  6  answered, but a part of what was given is not in the answer: standard error says which
  130  Ctrl-C
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
    /// Show which agent a question would go to, and why
    Route(commands::route::RouteArgs),
    /// Show what agents ask people, and answer
    Approvals(commands::approvals::ApprovalsArgs),
    /// Make, show and revoke keys for programs that ask through the gateway
    #[command(subcommand)]
    Key(commands::key::KeyCommand),
    /// Show what starts turns of agents, and start one by hand
    #[command(subcommand)]
    Trigger(commands::trigger::TriggerCommand),
    /// Look at devices: what they are, what they say, and what they were
    #[command(subcommand)]
    Device(commands::device::DeviceCommand),
    /// Show what an agent's worker wrote, and the node about it
    Logs(commands::logs::LogsArgs),
    /// Look at what an agent remembers, and have it forget
    #[command(subcommand)]
    Memory(commands::memory::MemoryCommand),
    /// Show the tools that an agent has
    Tools(commands::tools::ToolsArgs),
    /// Show the syscalls that an agent made, allowed and refused
    Audit(commands::audit::AuditArgs),
    /// Show what agents used of their quotas
    Usage(commands::usage::UsageArgs),
    /// Show what waits in the kernel
    Queues(commands::queues::QueuesArgs),
    /// Follow what happens on a node
    Events(commands::events::EventsArgs),
    /// Follow what an agent's processes do
    Trace(commands::trace::TraceArgs),
    /// Show why an agent is ready, or is not
    Why(commands::why::WhyArgs),
    /// Say in plain words what a manifest asks for and would get
    Explain(commands::explain::ExplainArgs),
    /// Map the names of mounts to folders of this machine
    #[command(subcommand)]
    Mount(commands::mount::MountCommand),
    /// Give up a node of a cluster
    #[command(subcommand)]
    Node(commands::node::NodeCommand),
    /// Begin a project
    #[command(subcommand)]
    New(commands::new::NewCommand),
    /// Run a project on this machine, and start it again when a file changes
    Dev(commands::dev::DevArgs),
    /// Build, move, sign and check bundles
    #[command(subcommand)]
    Bundle(commands::bundle::BundleCommand),
    /// Write completions for a shell
    Completion(commands::completion::CompletionArgs),
    /// Show the versions of aionctl and of the node
    Version(commands::version::VersionArgs),
}
