//! `aionctl delete`.

use clap::Args;

use crate::{
    context::Context,
    failure::{Failure, Status},
};

use super::kind;

/// Remove a resource; an agent's memory goes with its pool
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aionctl delete agent librarian
  aionctl delete pool/notes          erases what was remembered in it")]
pub(crate) struct DeleteArgs {
    /// The kind, or KIND/NAME
    #[arg(value_name = "KIND")]
    kind: String,
    /// The resource's name
    name: Option<String>,
    /// Do not complain where it is gone already
    #[arg(long)]
    ignore_not_found: bool,
}

pub(crate) async fn run(context: &Context, args: DeleteArgs) -> Result<(), Failure> {
    let (known, name) = kind::named(&args.kind, args.name.as_deref())?;
    if known.kind.name == "KernelNode" {
        return Err(Failure::usage(
            "a node is not deleted like a resource: what its pools hold goes with it",
        )
        .remedy(format!("give it up: aionctl --cluster node forget {name}")));
    }
    let namespace = known.namespace(&context.namespace);
    let deleted = context
        .resources()?
        .delete(known.kind.plural, namespace, &name)
        .await;
    let label = format!("{}/{name}", known.kind.name.to_ascii_lowercase());
    match deleted {
        Ok(()) => context.print(&format!("{label} deleted\n")),
        Err(failure) if args.ignore_not_found && failure.status == Status::NotFound => {
            context.print(&format!("{label} was not there\n"))
        }
        Err(failure) => Err(failure),
    }
}
