//! What an agent remembers.

use aion_abi::{memory::Wanted, syscall::memory::ForgetResponse};
use aion_serve::{Path, Query, Refused};
use axum::{Json, http::HeaderMap, response::Response};

use super::Within;
use crate::{asked::Asked, gateway::problem, tagged::tagged};

pub(crate) async fn list(
    Asked(gateway): Asked,
    Path(agent): Path<String>,
    Query(within): Query<Within>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let found = gateway
        .nodes
        .keeper()?
        .memory((within.or(&gateway), &agent), &wanted);
    Ok(tagged(&headers, &found.await.map_err(problem)?))
}

pub(crate) async fn get(
    Asked(gateway): Asked,
    Path((agent, item)): Path<(String, String)>,
    Query(within): Query<Within>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let found = gateway
        .nodes
        .keeper()?
        .remembered((within.or(&gateway), &agent), &item);
    Ok(tagged(&headers, &found.await.map_err(problem)?))
}

pub(crate) async fn forget(
    Asked(gateway): Asked,
    Path((agent, item)): Path<(String, String)>,
    Query(within): Query<Within>,
) -> Result<Json<ForgetResponse>, Refused> {
    let forgotten = gateway
        .nodes
        .keeper()?
        .forget((within.or(&gateway), &agent), &item);
    Ok(Json(forgotten.await.map_err(problem)?))
}
