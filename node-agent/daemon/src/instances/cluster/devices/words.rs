//! What this node says of its devices, written to the API server: of each once a minute at most, however it flaps, and nothing for
//! a message.

use std::{sync::Arc, time::Duration};

use aion_api::{API_VERSION, Device, metadata::MANAGER_NODE};
use aion_resolve::Key;
use futures::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api,
    api::{Patch, PatchParams},
    core::PartialObjectMeta,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Shared;
use crate::{clock, instances::cluster::status::sorted};

/// Writes at once.
const AT_ONCE: usize = 8;
/// How long one may take.
const BOUND: Duration = Duration::from_secs(30);

/// Writes for ever.
pub(super) async fn write(shared: Arc<Shared>) {
    loop {
        let next = shared.world.lock().next_word();
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = shared.written.notified() => {}
        }
        let now = Instant::now();
        let date = Time(clock::second());
        let words = shared.world.lock().due(now, &date);
        let say = |(key, object): (Key, Value)| {
            let shared = Arc::clone(&shared);
            async move { say(&shared, &key, &object).await }
        };
        stream::iter(words).for_each_concurrent(AT_ONCE, say).await;
    }
}

async fn say(shared: &Shared, key: &Key, status: &Value) {
    let object = json!({
        "apiVersion": API_VERSION,
        "kind": "Device",
        "metadata": {"name": key.name, "uid": status["uid"]},
        "status": status["status"],
    });
    let devices: Api<PartialObjectMeta<Device>> =
        Api::namespaced(shared.client.clone(), &key.namespace);
    let params = PatchParams::apply(MANAGER_NODE).force();
    let patch = Patch::Apply(&object);
    let written = devices.patch_status(&key.name, &params, &patch);
    let told = match tokio::time::timeout(BOUND, written).await {
        Ok(Ok(_)) => return,
        Ok(Err(error)) => {
            let error = sorted(&error);
            error.tell("how a device stands is not written", &key.to_string());
            error
        }
        Err(_) => crate::instances::SourceError::Unavailable("no answer in time".to_owned()),
    };
    // Of one that is gone nobody reads it; the rest is tried when the next word is due.
    if told != crate::instances::SourceError::Gone {
        shared.world.lock().unsaid(key);
    }
}
