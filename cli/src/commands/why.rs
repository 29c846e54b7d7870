//! `aionctl why`.

use aion_abi::admin::Why;
use clap::Args;
use jiff::tz::TimeZone;

use super::form::{Form, Tree};
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
    #[command(flatten)]
    how: Tree,
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
    match args.how.output {
        Form::Json => context.print_json(&value()?),
        Form::Yaml => context.print_yaml(&value()?),
        Form::Table | Form::Wide => {
            context.print(&why::chain(&context.screen, &answer, &TimeZone::system()))
        }
    }
}
