//! `aionctl node`.

use clap::Subcommand;

use crate::{context::Context, failure::Failure};

/// Give up a node of a cluster
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A silent node keeps its agents and its pools' memory, since it may come back. If it will not, forget it: its agents are placed anew, and what its pools held there is lost, which their status records. A node that is alive after all registers again, as one that holds nothing.

Examples:
  aionctl --cluster node forget worker-7
  aionctl --cluster node forget worker-7 --yes       in scripts")]
pub(crate) enum NodeCommand {
    /// Place a node's agents anew, and give up what its pools held there
    Forget {
        /// The node
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[cfg(not(feature = "kubernetes"))]
pub(crate) async fn run(context: &Context, command: NodeCommand) -> Result<(), Failure> {
    let NodeCommand::Forget { name, yes: _ } = command;
    context.node()?;
    Err(not_of_a_cluster(&name))
}

#[cfg(feature = "kubernetes")]
pub(crate) async fn run(context: &Context, command: NodeCommand) -> Result<(), Failure> {
    let NodeCommand::Forget { name, yes } = command;
    let cluster = context.cluster();
    let cluster = cluster.ok_or_else(|| not_of_a_cluster(&name))?;
    let node = cluster.forgettable(&name).await?;
    let lost = (&node.agents, &node.pools);
    context.print(&told(&name, lost, node.alive))?;
    if !yes && !confirmed(&name)? {
        context.note("nothing was changed");
        return Ok(());
    }
    cluster.forget(&node).await?;
    context.print(&format!("node {name} is being forgotten\n"))
}

fn not_of_a_cluster(name: &str) -> Failure {
    Failure::usage("only a node of a cluster can be forgotten").remedy(format!(
        "name the cluster: aionctl --cluster node forget {name}; this machine's own is stopped with aionctl local stop"
    ))
}

#[cfg(feature = "kubernetes")]
type Names = std::collections::BTreeSet<String>;

/// What is lost, before anything is done.
#[cfg(feature = "kubernetes")]
fn told(name: &str, (agents, pools): (&Names, &Names), alive: bool) -> String {
    let mut told = format!(
        "with node {name}\n  placed anew:  {}\n  memory lost:  {}\n",
        counted("agent", agents),
        counted("pool", pools)
    );
    if alive {
        told.push_str(
            "  its node agent is alive: it registers again at once, as a node that holds nothing\n",
        );
    }
    told
}

/// How many, and the first of them.
#[cfg(feature = "kubernetes")]
fn counted(what: &str, names: &Names) -> String {
    const NAMED: usize = 10;
    let first: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    let more = if names.len() > NAMED { ", ..." } else { "" };
    match names.len() {
        0 => format!("no {what}"),
        1 => format!("1 {what}: {}", first.join(", ")),
        all => format!("{all} {what}s: {}{more}", first.join(", ")),
    }
}

/// Whether the person at the terminal says so. Without a terminal nobody can be asked.
#[cfg(feature = "kubernetes")]
fn confirmed(name: &str) -> Result<bool, Failure> {
    use std::io::{self, BufRead, IsTerminal, Write};
    if !io::stdin().is_terminal() {
        return Err(
            Failure::usage("this asks for a confirmation, and there is no terminal").remedy(
                format!("confirm it: aionctl --cluster node forget {name} --yes"),
            ),
        );
    }
    eprint!("forget node {name}? [y/N] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|why| Failure::usage(format!("cannot read the answer: {why}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(all(test, feature = "kubernetes"))]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_counted_and_bounded() {
        let names = |n: usize| (0..n).map(|n| format!("home/a{n:02}")).collect();
        assert_eq!(counted("pool", &BTreeSet::new()), "no pool");
        assert_eq!(counted("pool", &names(1)), "1 pool: home/a00");
        let many = counted("agent", &names(30));
        assert!(many.starts_with("30 agents: home/a00, "), "{many}");
        assert!(many.ends_with("home/a09, ..."), "{many}");
    }
}
