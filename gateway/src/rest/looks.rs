//! What agents have, did and used, and what waits: pages of the node, passed on.

use aion_abi::page::Part;
use aion_serve::{Path, Query, Refused};
use axum::{http::HeaderMap, response::Response};

use super::Within;
use crate::{asked::Asked, gateway::problem, tagged::tagged};

pub(crate) async fn tools(
    Asked(gateway): Asked,
    Path(agent): Path<String>,
    Query(within): Query<Within>,
    Query(part): Query<Part>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let page = gateway
        .nodes
        .keeper()?
        .tools((within.or(&gateway), &agent), &part);
    Ok(tagged(&headers, &page.await.map_err(problem)?))
}

pub(crate) async fn turns(
    Asked(gateway): Asked,
    Path(agent): Path<String>,
    Query(within): Query<Within>,
    Query(part): Query<Part>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let page = gateway
        .nodes
        .keeper()?
        .turns((within.or(&gateway), &agent), &part);
    Ok(tagged(&headers, &page.await.map_err(problem)?))
}

pub(crate) async fn audit(
    Asked(gateway): Asked,
    Path(agent): Path<String>,
    Query(within): Query<Within>,
    Query(part): Query<Part>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let page = gateway
        .nodes
        .keeper()?
        .audit((within.or(&gateway), &agent), &part);
    Ok(tagged(&headers, &page.await.map_err(problem)?))
}

pub(crate) async fn audit_of_turn(
    Asked(gateway): Asked,
    Path(turn): Path<u64>,
    Query(part): Query<Part>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let page = gateway.nodes.keeper()?.audit_of_turn(turn, &part);
    Ok(tagged(&headers, &page.await.map_err(problem)?))
}

/// Of a namespace, where one is named.
pub(crate) async fn usage(
    Asked(gateway): Asked,
    Query(within): Query<Within>,
    Query(part): Query<Part>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let page = gateway
        .nodes
        .keeper()?
        .usage(within.namespace.as_deref(), &part);
    Ok(tagged(&headers, &page.await.map_err(problem)?))
}

pub(crate) async fn queues(
    Asked(gateway): Asked,
    Query(part): Query<Part>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let page = gateway
        .nodes
        .keeper()?
        .queues(&part)
        .await
        .map_err(problem)?;
    Ok(tagged(&headers, &page))
}
