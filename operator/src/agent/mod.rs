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
use aion_resolve::{Key, Placement};
use kube::ResourceExt;
use kube::runtime::controller::Action;

use self::build::Prepared;

use crate::context::Context;
use crate::failure::{Failure, StepError, controller_error};

controller_error! {
    /// Why an agent was not reconciled.
    Error {
        /// Step 3.
        Build(build::Error),
        /// Step 4.
        Apply(apply::Error),
        /// Step 5.
        UpdateStatus(update_status::Error),
    }
}

/// Brings one agent from what is written to what runs.
pub(crate) async fn reconcile(agent: Arc<Agent>, context: Arc<Context>) -> Result<Action, Error> {
    let prepared = prepare(&agent, &context)?;
    let applied = apply::apply(&context.client, &prepared).await;
    if applied.is_err() {
        // What of it was written after all, the watch will tell.
        let instances = &context.caches.instances;
        instances.withdraw(&prepared.resolved.plan.create);
    }
    match applied {
        Ok(applied) => {
            let again = update_status::update(&context, &prepared, applied).await?;
            Ok(again.map_or_else(Action::await_change, Action::requeue))
        }
        Err(error) => {
            if matches!(error.failure(), Failure::Refused { .. }) {
                // Only a change helps, so it is said where that change will be made.
                update_status::refused(&context, &prepared, error.failure()).await?;
            }
            Err(error.into())
        }
    }
}

/// The three steps that only think, and what they took room for counted at once.
fn prepare(agent: &Agent, context: &Context) -> Result<Prepared, build::Error> {
    let _placing = context.placing();
    let dereferenced = dereference::dereference(agent, &context.caches);
    let validated = validate::validate(dereferenced);
    let prepared = build::build(validated)?;
    let resolved = &prepared.resolved;
    context.caches.instances.assume(&resolved.plan.create);
    let key = Key::new(&agent.namespace().unwrap_or_default(), &agent.name_any());
    let missing = resolved.placement.as_ref().and_then(Placement::missing);
    context.caches.waiting.note(key, missing.is_some());
    Ok(prepared)
}
