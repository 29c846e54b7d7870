//! `aionctl why`.

use aion_abi::admin::Why;
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;

use crate::{context::Context, failure::Failure, render::why};

/// Show why an agent is ready, or is not
#[derive(Debug, Args)]
#[command(after_help = "\
The causal chain: references, signature, policy, placement, sandbox, refusals. Each link depends on the one above it: the first that failed is the cause, and its message says what to do.

Examples:
  aionctl why librarian
  aionctl why librarian -o json | jq .links")]
pub(crate) struct WhyArgs {
    /// The agent
    agent: String,
    /// How to print: tree, json or yaml
    #[arg(
        short,
        long,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true
    )]
    output: WhyOutput,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum WhyOutput {
    #[default]
    Tree,
    Json,
    Yaml,
}

pub(super) async fn why_of(context: &Context, agent: &str) -> Result<Why, Failure> {
    #[cfg(feature = "kubernetes")]
    if let Some(cluster) = context.cluster() {
        return cluster.why(&context.namespace, agent).await;
    }
    Ok(context.node()?.why(&context.namespace, agent).await?)
}

pub(crate) async fn run(context: &Context, args: WhyArgs) -> Result<(), Failure> {
    let answer = why_of(context, &args.agent).await?;
    let value = || {
        serde_json::to_value(&answer)
            .map_err(|why| Failure::new(format!("cannot write the answer: {why}")))
    };
    match args.output {
        WhyOutput::Tree => {
            context.print(&why::chain(&context.screen, &answer, &TimeZone::system()))
        }
        WhyOutput::Json => context.print_json(&value()?),
        WhyOutput::Yaml => context.print_yaml(&value()?),
    }
}
