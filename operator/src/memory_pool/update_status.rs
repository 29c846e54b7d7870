//! Step 5: reports what was applied. The node's name and what it erased are written by others.

use aion_api::condition::write;
use aion_api::metadata::MANAGER_MEMORY_POOL;
use aion_api::{API_VERSION, MemoryPool};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use crate::context::Context;
use crate::events::changes;
use crate::failure::Failure;

use super::apply::Applied;

/// Writes the conditions, and tells what changed.
///
/// # Errors
/// The API server did not take them.
pub(super) async fn update(context: &Context, applied: Applied) -> Result<(), Failure> {
    if applied.gone {
        return Ok(());
    }
    let pool = &applied.pool;
    let before = pool.status.clone().unwrap_or_default();
    let generation = pool.metadata.generation;
    let conditions = write(
        &before.conditions,
        &applied.judgements,
        generation,
        &Time(Timestamp::now()),
    );
    if before.conditions == conditions && before.observed_generation == generation {
        return Ok(());
    }
    let name = pool.name_any();
    let pools: Api<MemoryPool> = Api::namespaced(
        context.client.clone(),
        &pool.namespace().unwrap_or_default(),
    );
    let object = json!({
        "apiVersion": API_VERSION,
        "kind": "MemoryPool",
        "metadata": {"name": name, "uid": pool.metadata.uid},
        "status": {"observedGeneration": generation, "conditions": conditions},
    });
    let params = PatchParams::apply(MANAGER_MEMORY_POOL).force();
    match pools
        .patch_status(&name, &params, &Patch::Apply(&object))
        .await
    {
        Ok(_) => {}
        Err(kube::Error::Api(error)) if error.code == 404 => return Ok(()),
        Err(error) => {
            return Err(Failure::of(format!(
                "writing the status of MemoryPool {name}"
            ))(error));
        }
    }
    context
        .announcer
        .tell(
            &pool.object_ref(&()),
            changes(&before.conditions, &conditions),
        )
        .await;
    Ok(())
}
