//! `aionctl apply`.

use std::{path::PathBuf, time::Duration};

use aion_abi::admin::{Applied, ApplyRequest, Change, Manifest};
use clap::Args;

use crate::{
    context::Context,
    failure::Failure,
    render::screen::{Tone, tame},
};

use super::{explain, manifests, wait};

/// Take in agents and what belongs to them from YAML
#[derive(Debug, Args)]
#[command(after_help = "\
All of the manifests are applied, or none. If one is wrong, every fault is shown with its line and nothing changes.

Examples:
  aionctl apply -f my-agent.yaml
  aionctl apply -f my-agent.yaml --wait 60 come back when it can be asked
  aionctl apply -f agents/ --dry-run       check a folder, change nothing
  generate-agent | aionctl apply -f -")]
pub(crate) struct ApplyArgs {
    /// A file, a folder, or - for standard input; may be given several times
    #[arg(short, long = "file", required = true, value_name = "PATH")]
    file: Vec<PathBuf>,
    /// Check, and say what would change and what would keep an agent from running, without changing it
    #[arg(long)]
    dry_run: bool,
    /// Then wait so long until the agents are ready
    #[arg(long, value_name = "SECONDS", conflicts_with = "dry_run")]
    wait: Option<u64>,
}

pub(crate) async fn run(context: &Context, args: ApplyArgs) -> Result<(), Failure> {
    let manifests = manifests::read(&args.file)?;
    let request = ApplyRequest {
        manifests,
        dry_run: args.dry_run,
    };
    let resources = context.resources()?;
    let answer = resources.apply(&request, &context.namespace).await?;
    if !answer.rejected.is_empty() {
        return Err(manifests::rejected(
            context,
            &answer.rejected,
            &request.manifests,
        ));
    }
    let mut out = String::new();
    for applied in &answer.applied {
        out += &line(context, applied, args.dry_run);
    }
    if args.dry_run {
        out += &troubles(context, &request.manifests).await?;
    }
    context.print(&out)?;
    if !args.dry_run {
        warn(context, &request.manifests).await;
    }
    let Some(seconds) = args.wait else {
        return Ok(());
    };
    let agents: Vec<_> = answer
        .applied
        .into_iter()
        .filter(|applied| applied.kind == "Agent")
        .map(|agent| {
            (
                agent.namespace.unwrap_or_else(|| context.namespace.clone()),
                agent.name,
            )
        })
        .collect();
    wait::until_ready(context, &resources, &agents, Duration::from_secs(seconds)).await
}

/// Like [`troubles`], but as warnings: missing references may still be applied later.
async fn warn(context: &Context, manifests: &[Manifest]) {
    match explain::troubles(context, manifests).await {
        Ok(troubles) => {
            for problem in troubles {
                context.warn(&problem.to_string());
            }
        }
        Err(why) => context.note(&format!(
            "whether the agents can run was not checked: {}",
            why.what
        )),
    }
}

/// What keeps the agents from running once they are applied, in the words of their conditions.
async fn troubles(context: &Context, manifests: &[Manifest]) -> Result<String, Failure> {
    let troubles = explain::troubles(context, manifests).await?;
    let screen = &context.screen;
    let mark = screen.paint(screen.pick("✗", "x"), Tone::Bad);
    let told = troubles.iter().map(|problem| {
        let text = screen.wrap(&tame(&problem.to_string()), 4);
        format!("  {mark} {}\n", text.join("\n    "))
    });
    let told: String = told.collect();
    Ok(match told.is_empty() {
        true => told,
        false => format!("It would not run as it is:\n{told}"),
    })
}

fn line(context: &Context, applied: &Applied, dry_run: bool) -> String {
    let (word, tone) = match applied.change {
        Change::Created => ("created", Tone::Good),
        Change::Configured => ("configured", Tone::Good),
        Change::Unchanged => ("unchanged", Tone::Faint),
    };
    let kind = applied.kind.to_ascii_lowercase();
    let dry = if dry_run { " (dry run)" } else { "" };
    format!(
        "{kind}/{} {}{dry}\n",
        applied.name,
        context.screen.paint(word, tone)
    )
}
