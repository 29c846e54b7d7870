//! Step 5: reports what was applied.

use aion_api::condition::{READY, STALLED, reason};
use aion_api::metadata::MANAGER_AGENT;
use aion_api::{API_VERSION, Agent, AgentInstance, AgentStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use crate::context::Context;
use crate::events::reason::{INSTANCE_CREATED, INSTANCE_LOST, INSTANCE_RETIRED};
use crate::events::{changes, event};
use crate::failure::Failure;

use super::apply::Applied;
use super::build::Prepared;

/// Writes the status that follows from what was applied, and tells what changed.
///
/// # Errors
/// The API server did not take the status.
pub(super) async fn update(
    context: &Context,
    prepared: &Prepared,
    applied: Applied,
) -> Result<(), Failure> {
    let agent = &prepared.input.agent;
    if applied.gone {
        return Ok(());
    }
    let mut events = Vec::new();
    let happened = [
        (&applied.made, INSTANCE_CREATED, "was made"),
        (
            &applied.retired,
            INSTANCE_RETIRED,
            "was told to end its turns and go",
        ),
        (
            &applied.released,
            INSTANCE_LOST,
            "was given up, since its node is lost",
        ),
    ];
    for (names, reason, what) in happened {
        for name in names {
            let note = format!("AgentInstance {name} {what}");
            events.push(event(reason != INSTANCE_LOST, reason, &note, "Reconcile"));
        }
    }
    let status = status(prepared, &applied.instances);
    let before = agent
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    events.extend(changes(before, &status.conditions));
    write(context, agent, &status).await?;
    context.announcer.tell(&agent.object_ref(&()), events).await;
    Ok(())
}

/// Writes that the API server refused what was prepared: that needs a change by somebody.
///
/// # Errors
/// The API server did not take the status either.
pub(super) async fn refused(
    context: &Context,
    prepared: &Prepared,
    failure: &Failure,
) -> Result<(), Failure> {
    let agent = &prepared.input.agent;
    let mut status = status(prepared, &prepared.input.instances);
    for condition in &mut status.conditions {
        let stalled = condition.type_ == STALLED;
        if stalled || (condition.type_ == READY && condition.status != "True") {
            condition.status = if stalled { "True" } else { "False" }.to_owned();
            condition.reason = reason::API_REFUSED.to_owned();
            condition.message =
                format!("the API server refused what the operator wrote: {failure}");
        }
    }
    write(context, agent, &status).await
}

fn status(prepared: &Prepared, instances: &[AgentInstance]) -> AgentStatus {
    prepared
        .resolved
        .status(&prepared.input.agent, instances, &Time(Timestamp::now()))
}

async fn write(context: &Context, agent: &Agent, status: &AgentStatus) -> Result<(), Failure> {
    if agent.status.as_ref() == Some(status) {
        return Ok(());
    }
    let name = agent.name_any();
    let agents: Api<Agent> = Api::namespaced(
        context.client.clone(),
        &agent.namespace().unwrap_or_default(),
    );
    let object = json!({
        "apiVersion": API_VERSION,
        "kind": "Agent",
        "metadata": {"name": name, "uid": agent.metadata.uid},
        "status": status,
    });
    let params = PatchParams::apply(MANAGER_AGENT).force();
    match agents
        .patch_status(&name, &params, &Patch::Apply(&object))
        .await
    {
        Ok(_) => Ok(()),
        // Gone meanwhile: there is nobody to tell.
        Err(kube::Error::Api(error)) if error.code == 404 => Ok(()),
        Err(error) => Err(Failure::of(format!("writing the status of Agent {name}"))(
            error,
        )),
    }
}
