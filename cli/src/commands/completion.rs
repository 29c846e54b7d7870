//! `aionctl completion`.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::{context::Context, failure::Failure};

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

/// `line` is the whole command line.
pub(crate) fn run(
    context: &Context,
    args: CompletionArgs,
    mut line: Command,
) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut line, "aionctl", &mut script);
    context.print(&String::from_utf8_lossy(&script))
}
