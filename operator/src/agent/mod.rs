//! Agents: each becomes AgentInstances, and what their nodes say becomes its status.
//!
//! `Dereferenced → Validated → Prepared → Applied`, one file a step. Only an `Applied` can be reported, so
//! a status never speaks of what was not written.

mod apply;
mod build;
mod dereference;
mod update_status;
mod validate;

use std::sync::Arc;

use aion_api::Agent;
use kube::runtime::controller::Action;

use crate::controller::Context;
use crate::failure::Failure;

/// Brings one agent from what is written to what runs.
pub(crate) async fn reconcile(agent: Arc<Agent>, context: Arc<Context>) -> Result<Action, Failure> {
    let dereferenced = dereference::dereference(&agent, &context.caches);
    let validated = validate::validate(dereferenced);
    let prepared = build::build(validated)?;
    match apply::apply(&context.client, &prepared).await {
        Ok(applied) => update_status::update(&context, &prepared, applied).await?,
        Err(failure @ Failure::Refused { .. }) => {
            // Only a change helps, so it is said where that change will be made.
            update_status::refused(&context, &prepared, &failure).await?;
            return Err(failure);
        }
        Err(failure) => return Err(failure),
    }
    Ok(Action::await_change())
}
