//! Step 5: reports what was applied.

use std::time::{Duration, Instant};

use aion_api::condition::{READY, STALLED, reason};
use aion_api::metadata::MANAGER_AGENT;
use aion_api::{Agent, AgentInstance, AgentStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Resource, ResourceExt};

use crate::context::Context;
use crate::events::event;
use crate::events::reason::{INSTANCE_CREATED, INSTANCE_LOST, INSTANCE_RETIRED};
use crate::failure::{Failure, step_errors};
use crate::write;

use super::apply::Applied;
use super::build::Prepared;

/// Instances that one event names.
const NAMED: usize = 5;

step_errors! {
    /// Why what was done is not told.
    Error {
        /// The API server did not take the status.
        WriteStatus,
    }
}

/// Writes the status that follows from what was applied, and tells what changed. Where it may stay unsaid, for how long.
///
/// # Errors
/// The API server did not take the status.
pub(super) async fn update(
    context: &Context,
    prepared: &Prepared,
    applied: Applied,
) -> Result<Option<Duration>, Error> {
    let agent = &prepared.input.agent;
    let Applied {
        instances,
        made,
        retired,
        released,
        gone,
    } = applied;
    if gone {
        context.unsaid.forget(agent);
        return Ok(None);
    }
    let happened = [
        (&made, INSTANCE_CREATED, "made"),
        (&retired, INSTANCE_RETIRED, "told to end their turns and go"),
        (
            &released,
            INSTANCE_LOST,
            "given up, since their node is lost",
        ),
    ];
    let happened = happened.into_iter().filter(|(names, ..)| !names.is_empty());
    let events = happened.map(|(names, reason, what)| {
        // A note is short; the rest is in the list of instances.
        let more = match names.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named: Vec<_> = names.iter().take(NAMED).map(String::as_str).collect();
        let note = format!("AgentInstances {what}: {}{more}", named.join(", "));
        event(reason != INSTANCE_LOST, reason, &note, "Reconcile")
    });
    let (announcer, object) = (&context.announcer, agent.object_ref(&()));
    announcer.tell(&object, events.collect());
    let status = status(prepared, &instances);
    let before = agent
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let waits = context.unsaid.waits(agent, &status, Instant::now());
    if waits.is_none() {
        keep(context, agent, &status).await?;
        announcer.tell_changes(&object, before, &status.conditions);
    }
    Ok(waits)
}

/// Writes that the API server refused what was prepared: that needs a change by somebody.
///
/// # Errors
/// The API server did not take the status either.
pub(super) async fn refused(
    context: &Context,
    prepared: &Prepared,
    failure: &Failure,
) -> Result<(), Error> {
    let agent = &prepared.input.agent;
    let mut status = status(prepared, &prepared.input.instances);
    for condition in &mut status.conditions {
        let stalled = condition.type_ == STALLED;
        if stalled || (condition.type_ == READY && condition.status != "True") {
            condition.status = if stalled { "True" } else { "False" }.into();
            condition.reason = reason::API_REFUSED.into();
            condition.message =
                format!("the API server refused what the operator wrote: {failure}").into();
        }
    }
    keep(context, agent, &status).await
}

fn status(prepared: &Prepared, instances: &[AgentInstance]) -> AgentStatus {
    prepared
        .resolved
        .status(&prepared.input.agent, instances, &Time(crate::clock::now()))
}

/// Writes `status` where it changed.
async fn keep(context: &Context, agent: &Agent, status: &AgentStatus) -> Result<(), Error> {
    if agent.status.as_ref() == Some(status) {
        return Ok(());
    }
    let namespace = agent.namespace().unwrap_or_default();
    let agents: Api<Agent> = Api::namespaced(context.client.clone(), &namespace);
    let written = write::status(&agents, agent, MANAGER_AGENT, status).await;
    written.map(|_| ()).map_err(Error::WriteStatus)
}
