//! What a person does to devices, by the agent that stands for people: so through the kernel, as all that agents do.

use std::collections::BTreeMap;

use aion_abi::{
    code::Code,
    device::{BY_HAND, Command, Write},
    syscall::device::Value,
};
use clap::Args;
use serde_json::json;

use super::super::{
    form::How,
    question::{Question, What},
    turn,
};
use crate::{
    context::Context,
    failure::{Failure, Status},
};

/// Set a property of a device
#[derive(Debug, Args)]
#[command(after_help = "\
It is done when the device says so. Guardrails hold as for agents: one that refuses is named, one that wants approval asks (aionctl approvals), and waits.
People act as the agent by-hand of the namespace: what it may, they may. aionctl why by-hand shows who did what.

Exit status 0: the device, or its broker, confirmed. 1: nobody knows (outcome-unknown), or it failed otherwise: look before you do it again. 2: no such value. 3: no node answers, the broker is away, or another node has the device, and nothing was sent. 4: no such device. 5: refused.

Examples:
  aionctl device set kitchen-lamp power on
  aionctl device set heater target 21.5
  aionctl device set heater target 21.5 -o json")]
pub(crate) struct SetArgs {
    /// The device
    device: String,
    /// The property
    property: String,
    /// What it is to be: on, 21.5, open
    #[arg(allow_hyphen_values = true)]
    value: String,
    #[command(flatten)]
    how: How,
}

/// Have a device do something
#[derive(Debug, Args)]
#[command(after_help = "\
It is done when the device says so. As aionctl device set: guardrails hold, and exit statuses are the same.

Examples:
  aionctl device command front-lock lock
  aionctl device command blinds move position=40 slowly=true")]
pub(crate) struct CommandArgs {
    /// The device
    device: String,
    /// What it is to do, as aionctl device describe names it
    command: String,
    /// What the command takes, each as ARGUMENT=VALUE
    #[arg(value_name = "ARGUMENT=VALUE", value_parser = argument)]
    arguments: Vec<(String, String)>,
    #[command(flatten)]
    how: How,
}

fn argument(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write ARGUMENT=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) async fn set(context: &Context, args: SetArgs) -> Result<(), Failure> {
    let what = format!("{} of {}", args.property, args.device);
    let write = Write {
        property: args.property,
        value: Value::Text(args.value),
    };
    let of = (args.device.as_str(), what.as_str());
    let what = What::Write(args.device.clone(), write);
    told(context, &args.how, of, what).await
}

pub(super) async fn command(context: &Context, args: CommandArgs) -> Result<(), Failure> {
    let mut arguments = BTreeMap::new();
    for (name, value) in args.arguments {
        if arguments.insert(name.clone(), Value::Text(value)).is_some() {
            return Err(Failure::usage(format!("{name} is given twice")));
        }
    }
    let what = format!("{} {}", args.device, args.command);
    let command = Command {
        command: args.command,
        arguments,
    };
    let of = (args.device.as_str(), what.as_str());
    let what = What::Command(args.device.clone(), command);
    told(context, &args.how, of, what).await
}

async fn told(
    context: &Context,
    how: &How,
    (device, named): (&str, &str),
    what: What,
) -> Result<(), Failure> {
    let asked = context.node_of(BY_HAND).await?;
    let mut question = Question::by_hand(what);
    let json = how.is_json();
    let followed = turn::follow(context, asked, &mut question, json).await;
    let (followed, _) = match followed {
        Ok(followed) => followed,
        // Nothing was sent.
        Err(failure) if !question.may_be_taken() => return Err(failure),
        Err(failure) => {
            let failure = unfinished(context, failure, device);
            if failure.status == Status::Interrupted {
                // Of a failure that the person made, nothing is told.
                context.note(&failure.what);
            } else if json {
                let outcome = Code::OutcomeUnknown.as_str();
                context
                    .print_json(&json!({"what": named, "outcome": outcome, "why": failure.what}))?;
            }
            return Err(failure);
        }
    };
    let problem = followed.outcome.problem.as_ref();
    if json {
        context.print_json(&json!({
            "turn": followed.turn,
            "what": named,
            "outcome": problem.map_or("done", |it| it.code.as_str()),
            "answer": followed.answer,
            "problem": problem,
        }))?;
    }
    turn::verdict(&followed).map_err(|failure| match problem.map(|it| it.code) {
        Some(Code::BadRequest) => failure.status(Status::Usage),
        Some(Code::Unreachable) => failure.status(Status::Unreachable),
        Some(Code::NotFound) => failure.status(Status::NotFound),
        _ => failure,
    })
}

/// A node took it, or may have, and what came of it is not known here: whatever went wrong then says nothing of what was sent.
fn unfinished(context: &Context, failure: Failure, device: &str) -> Failure {
    #[cfg(feature = "kubernetes")]
    let in_cluster = context.cluster().is_some();
    #[cfg(not(feature = "kubernetes"))]
    let in_cluster = false;
    // Who looks at a device in a cluster asks its node agent, and not this.
    let look = match in_cluster {
        true => format!("aionctl --cluster why {BY_HAND}"),
        false => format!("aionctl device describe {device}, and aionctl why {BY_HAND}"),
    };
    let status = match failure.status {
        Status::Interrupted => Status::Interrupted,
        _ => Status::Failed,
    };
    Failure {
        what: format!(
            "nobody knows whether it was done (outcome-unknown): {}",
            failure.what
        ),
        ..failure
    }
    .remedy(format!("look before you do it again: {look}"))
    .status(status)
}
