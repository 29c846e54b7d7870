//! A device that is let go: said once nothing leaves for it any more, so that another node may have it.

use std::{sync::Arc, time::Duration};

use aion_api::{Device, metadata::MANAGER_NODE};
use aion_backoff::Backoff;
use aion_resolve::Key;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::Shared;

/// Between two tries.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// A device that this node was told to let go, as it was seen then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Released {
    pub(super) key: Key,
    pub(super) uid: Option<String>,
    /// With it: what is said holds for no later word of the operator.
    pub(super) version: Option<String>,
}

pub(super) fn begin(shared: &Arc<Shared>, released: Released) {
    tokio::spawn(say(Arc::clone(shared), released));
}

async fn say(shared: Arc<Shared>, released: Released) {
    let Released { key, uid, version } = &released;
    let devices: Api<Device> = Api::namespaced(shared.client.clone(), &key.namespace);
    let patch = Patch::Merge(json!({
        "metadata": {"uid": uid, "resourceVersion": version},
        "status": {"nodeName": null, "binding": null},
    }));
    let params = PatchParams {
        field_manager: Some(MANAGER_NODE.to_owned()),
        ..PatchParams::default()
    };
    let mut pauses = PAUSES;
    // A later word of the operator is answered by itself.
    while shared.world.lock().is_released(&released) {
        match devices.patch_status(&key.name, &params, &patch).await {
            Ok(_) => tracing::info!(device = %key, "a device was let go"),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => {
                tracing::warn!(device = %key, %error, "that a device was let go is said later");
                tokio::time::sleep(pauses.pause()).await;
                continue;
            }
        }
        return;
    }
}
