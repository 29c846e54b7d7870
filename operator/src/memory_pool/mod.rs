//! MemoryPools: whether they can be used, and that nothing is left of them when they are gone.
//!
//! Where a pool is follows from the first agent that uses it, so the Agent controller binds it. Erasing is
//! the node's work; this controller waits for its word, and says so where it will never come.

mod apply;
mod build;
mod dereference;
mod update_status;
mod validate;

use std::sync::Arc;

use aion_api::MemoryPool;
use kube::runtime::controller::Action;

use crate::context::Context;
use crate::failure::controller_error;

controller_error! {
    /// Why a pool was not reconciled.
    Error {
        /// Step 4.
        Apply(apply::Error),
        /// Step 5.
        UpdateStatus(update_status::Error),
    }
}

/// Brings one pool from what is written to what is there.
pub(crate) async fn reconcile(
    pool: Arc<MemoryPool>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let dereferenced = dereference::dereference(&pool, &context.caches);
    let validated = validate::validate(dereferenced);
    let prepared = build::build(validated);
    let applied = apply::apply(&context, prepared).await?;
    update_status::update(&context, applied).await?;
    Ok(Action::await_change())
}
