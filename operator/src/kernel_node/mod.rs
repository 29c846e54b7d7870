//! KernelNodes: whether their node agents are alive, judged by their Leases.
//!
//! Of the five steps it has three: nothing is built and nothing applied but the condition.

mod dereference;
mod update_status;
mod validate;

use std::sync::Arc;

use aion_api::KernelNode;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;

use crate::context::Context;
use crate::failure::Failure;

/// Judges one node, and looks again when its Lease would run out.
pub(crate) async fn reconcile(
    node: Arc<KernelNode>,
    context: Arc<Context>,
) -> Result<Action, Failure> {
    let now = Timestamp::now();
    let dereferenced =
        dereference::dereference(&node, &context.caches, &context.system, context.node_lease);
    let validated = validate::validate(dereferenced, now);
    let again = validated.again;
    update_status::update(&context, validated, now).await?;
    Ok(again.map_or_else(Action::await_change, Action::requeue))
}
