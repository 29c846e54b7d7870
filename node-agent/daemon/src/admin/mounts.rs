//! Mounts: which folders people let agents have.

use std::{collections::BTreeMap, sync::Arc};

use aion_abi::{admin::MountMapping, code::Code, problem::Problem};
use aion_serve::{Json, Path};
use axum::extract::State;

use super::{Admin, answer::Refused};
use crate::mounts::{MappingError, Mounts};

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Json<BTreeMap<String, MountMapping>> {
    Json(admin.mounts.all())
}

pub(super) async fn put(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
    Json(mapping): Json<MountMapping>,
) -> Result<Json<MountMapping>, Refused> {
    change(&admin, move |mounts| mounts.put(&name, mapping))
        .await
        .map(Json)
}

pub(super) async fn remove(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
) -> Result<Json<MountMapping>, Refused> {
    change(&admin, move |mounts| mounts.remove(&name))
        .await
        .map(Json)
}

/// Changes the mappings on the disk, and has the agents judged anew.
async fn change(
    admin: &Admin,
    what: impl FnOnce(&Mounts) -> Result<MountMapping, MappingError> + Send + 'static,
) -> Result<MountMapping, Refused> {
    let Some(folder) = admin.folder.clone() else {
        return Err(Problem::new(
            Code::Denied,
            "in a cluster the node's configuration maps volumes to folders",
        )
        .remedy("ask whoever runs the nodes")
        .into());
    };
    let mounts = admin.mounts.clone();
    let changed = tokio::task::spawn_blocking(move || what(&mounts)).await;
    let mapping = changed.map_err(|error| Refused::internal(error.to_string()))??;
    let volumes = admin.mounts.all().into_keys().collect();
    folder.node_changed(|node| node.volumes = volumes);
    Ok(mapping)
}
