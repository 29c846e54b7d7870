//! Devices, for people: what they are, what they said, what they were.

use std::sync::Arc;

use aion_abi::{
    device::{HistoryWanted, PAGE, Page, SeenDevice, Wanted},
    syscall::device::{HistoryRequest, HistoryResponse},
};
use aion_serve::{Json, Path, Query};
use axum::extract::State;

use super::{Admin, answer::Refused, page};

/// Points of a history where nobody says how many.
const POINTS: u32 = 100;

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Path(namespace): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page>, Refused> {
    let limit = page::limit(wanted.limit, PAGE, PAGE)?;
    Ok(Json(admin.devices.seen(
        &namespace,
        wanted.after.as_deref(),
        limit,
    )))
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    Path((namespace, device)): Path<(String, String)>,
) -> Result<Json<SeenDevice>, Refused> {
    Ok(Json(admin.devices.see(&namespace, &device)?))
}

pub(super) async fn history(
    State(admin): State<Arc<Admin>>,
    Path((namespace, device, property)): Path<(String, String, String)>,
    Query(wanted): Query<HistoryWanted>,
) -> Result<Json<HistoryResponse>, Refused> {
    let request = HistoryRequest {
        device,
        property,
        from_ms: wanted.from_ms,
        to_ms: wanted.to_ms,
        points: wanted.points.unwrap_or(POINTS),
    };
    Ok(Json(admin.devices.history(&namespace, &request)?))
}
