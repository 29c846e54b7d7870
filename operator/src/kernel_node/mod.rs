//! KernelNodes: whether their node agents are alive, judged by whether their Leases change.
//!
//! Of the five steps it has three: nothing is built and nothing applied but the condition.

mod dereference;
mod update_status;
mod validate;

use std::sync::Arc;
use std::time::Instant;

use aion_api::KernelNode;
use kube::runtime::controller::Action;

use crate::context::Context;
use crate::failure::Failure;

/// Judges one node, and looks again when its Lease would run out.
pub(crate) async fn reconcile(
    node: Arc<KernelNode>,
    context: Arc<Context>,
) -> Result<Action, Failure> {
    let dereferenced = dereference::dereference(
        &node,
        &context.caches,
        &context.heard,
        (&context.system, context.node_lease),
        Instant::now(),
    );
    let validated = validate::validate(dereferenced);
    let again = validated.again;
    update_status::update(&context, validated, crate::clock::now()).await?;
    Ok(again.map_or_else(Action::await_change, Action::requeue))
}
