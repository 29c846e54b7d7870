//! What agents ask people, and the answers.

use aion_abi::approval::{Answer, Approval};
use aion_serve::{Path, Query, Refused};
use axum::{
    Json,
    body::Body,
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::Within;
use crate::{
    approving::approver,
    asked::Asked,
    gateway::problem,
    paged::{Rows, Wanted},
    reading,
    tagged::tagged,
};

/// Those of a namespace, where one is named.
pub(crate) async fn list(
    Asked(gateway): Asked,
    Query(within): Query<Within>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let nodes = approver(&gateway, &headers)?;
    let namespace = within.namespace.as_deref();
    let list = nodes.approvals(namespace, &gateway.namespace, Rows::new(&wanted)?);
    Ok(tagged(&headers, &list.await.map_err(problem)?))
}

pub(crate) async fn get(
    Asked(gateway): Asked,
    Path(approval): Path<u64>,
    headers: HeaderMap,
) -> Result<Json<Approval>, Refused> {
    let nodes = approver(&gateway, &headers)?;
    Ok(Json(nodes.approval(approval).await.map_err(problem)?))
}

pub(crate) async fn answer(
    Asked(gateway): Asked,
    Path(approval): Path<u64>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Approval>, Refused> {
    let nodes = approver(&gateway, &headers)?;
    let answer: Answer = reading::json(&headers, body).await?;
    let told = nodes.answer(approval, &answer);
    Ok(Json(told.await.map_err(problem)?))
}

pub(crate) async fn revoke(
    Asked(gateway): Asked,
    Path(approval): Path<u64>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    let nodes = approver(&gateway, &headers)?;
    nodes.revoke(approval).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}
