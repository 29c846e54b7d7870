//! `aionctl completion`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{args::Cli, context::Context, failure::Failure};

/// Write completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bash   echo 'source <(aionctl completion bash)' >> ~/.bashrc
  zsh    aionctl completion zsh > \"${fpath[1]}/_aionctl\"
  fish   aionctl completion fish > ~/.config/fish/completions/aionctl.fish")]
pub(crate) struct CompletionArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(context: &Context, args: CompletionArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "aionctl", &mut script);
    context.print(&String::from_utf8_lossy(&script))
}
