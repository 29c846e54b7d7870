//! Step 5: reports what was applied. The node's name and what it erased are written by others.

use aion_api::MemoryPool;
use aion_api::condition;
use aion_api::metadata::MANAGER_MEMORY_POOL;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use crate::context::Context;
use crate::failure::step_errors;
use crate::write;

use super::apply::Applied;

step_errors! {
    /// Why what was done is not told.
    Error {
        /// The API server did not take the status.
        WriteStatus,
    }
}

/// Writes the conditions, and tells what changed.
///
/// # Errors
/// The API server did not take them.
pub(super) async fn update(context: &Context, applied: Applied) -> Result<(), Error> {
    if applied.gone {
        return Ok(());
    }
    let pool = &applied.pool;
    let before = pool.status.clone().unwrap_or_default();
    let generation = pool.metadata.generation;
    let conditions = condition::write(
        &before.conditions,
        &applied.judgements,
        generation,
        &Time(crate::clock::now()),
    );
    if before.conditions == conditions && before.observed_generation == generation {
        return Ok(());
    }
    let namespace = pool.namespace().unwrap_or_default();
    let pools: Api<MemoryPool> = Api::namespaced(context.client.clone(), &namespace);
    let said = json!({"observedGeneration": generation, "conditions": conditions});
    let written = write::status(&pools, pool, MANAGER_MEMORY_POOL, &said).await;
    if !written.map_err(Error::WriteStatus)? {
        return Ok(());
    }
    let object = pool.object_ref(&());
    let announcer = &context.announcer;
    announcer.tell_changes(&object, &before.conditions, &conditions);
    Ok(())
}
