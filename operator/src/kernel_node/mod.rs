//! KernelNodes: whether their node agents are alive, judged by whether their Leases change; and what is lost with one that
//! is forgotten.
//!
//! A node is forgotten by deleting its KernelNode. The finalizer holds it until its instances are placed anew, which is
//! their Agents' affair, and its pools are unbound with the loss recorded: where one cannot be read, until it can.

mod apply;
mod build;
mod dereference;
mod update_status;
mod validate;

use std::sync::Arc;
use std::time::Instant;

use aion_api::KernelNode;
use kube::runtime::controller::Action;

use crate::context::Context;
use crate::failure::controller_error;

controller_error! {
    /// Why a node was not reconciled.
    Error {
        /// Step 4.
        Apply(apply::Error),
        /// Step 5.
        UpdateStatus(update_status::Error),
    }
}

/// Judges one node, and looks again when its Lease would run out.
pub(crate) async fn reconcile(
    node: Arc<KernelNode>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let dereferenced = dereference::dereference(
        &node,
        &context.caches,
        &context.heard,
        (&context.system, context.node_lease),
        Instant::now(),
    );
    let validated = validate::validate(dereferenced);
    let prepared = build::build(validated);
    let applied = apply::apply(&context, prepared).await?;
    let again = applied.again;
    update_status::update(&context, applied, crate::clock::now()).await?;
    Ok(again.map_or_else(Action::await_change, Action::requeue))
}
