//! Asking, following, files in and out.

use std::sync::Arc;

use aion_abi::{
    admin::{TurnEvent, TurnRecord, TurnRequest, Upload},
    problem::Problem,
};
use aion_client::Events;
use aion_route::Match;
use aion_serve::{Path, Query, Refused, events as stream_of};
use axum::{
    Json,
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt as _, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Within, parts_of};
use crate::{
    asked::Asked,
    asking::{Abandoned, Asking},
    gateway::{Gateway, problem},
    reading,
};

const EVENTS: &str = "text/event-stream";

/// Asks. A client that accepts events gets them as they come; any other the record of the turn, once it has ended.
pub(crate) async fn ask(
    Asked(gateway): Asked,
    Path(agent): Path<String>,
    Query(within): Query<Within>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let request: TurnRequest = reading::json(&headers, body).await?;
    let agent = (within.or(&gateway), agent.as_str());
    Ok(asked(&gateway, agent, request, &headers, None).await?)
}

/// The answer to a question, in the form that its headers ask for. Where the agent was chosen, that is told first.
pub(super) async fn asked(
    gateway: &Arc<Gateway>,
    (namespace, agent): (&str, &str),
    request: TurnRequest,
    headers: &HeaderMap,
    routed: Option<Match>,
) -> Result<Response, Problem> {
    let key = reading::key(headers)?;
    if accepts_events(headers) {
        let asked = gateway.node.start_turn(namespace, agent, &request, key);
        let events = told(asked.await.map_err(problem)?).map(Told::Turn);
        let first = stream::iter(routed.map(|routed| Told::Routing(Routing::Routed { routed })));
        return Ok(stream_of(first.chain(events)));
    }
    let (agent, goes_on) = ((namespace, agent), Abandoned::GoesOn);
    let mut asking = Asking::begin(Arc::clone(gateway), agent, request, key, goes_on).await?;
    while asking.next().await?.is_some() {}
    let record = asking.record().await?;
    Ok(Json(Answered { record, routed }).into_response())
}

/// The record of a turn whose agent may have been chosen.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Answer")]
pub(crate) struct Answered {
    #[serde(flatten)]
    record: TurnRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    routed: Option<Match>,
}

/// What is told of a turn.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "TurnEventOrRouted")]
pub(crate) enum Told {
    Routing(Routing),
    Turn(TurnEvent),
}

/// Which agent was chosen.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "camelCase")]
pub(crate) enum Routing {
    Routed { routed: Match },
}

pub(crate) async fn get(
    Asked(gateway): Asked,
    Path(turn): Path<u64>,
) -> Result<Json<TurnRecord>, Refused> {
    Ok(Json(gateway.node.turn(turn).await.map_err(problem)?))
}

pub(crate) async fn cancel(
    Asked(gateway): Asked,
    Path(turn): Path<u64>,
) -> Result<Json<TurnRecord>, Refused> {
    Ok(Json(gateway.node.cancel_turn(turn).await.map_err(problem)?))
}

/// From the turn's start, also after its end.
pub(crate) async fn events(
    Asked(gateway): Asked,
    Path(turn): Path<u64>,
) -> Result<Response, Refused> {
    let events = gateway.node.turn_events(turn).await.map_err(problem)?;
    Ok(stream_of(told(events)))
}

pub(crate) async fn file(
    Asked(gateway): Asked,
    Path((turn, path)): Path<(u64, String)>,
) -> Result<Response, Refused> {
    let download = gateway.node.turn_file(turn, &path).await.map_err(problem)?;
    let mut response = parts_of(download).into_response();
    let bytes = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, bytes);
    Ok(response)
}

/// What a file that is given is called.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Named {
    name: String,
    #[serde(flatten)]
    within: Within,
}

/// A file for a turn to come. The node agent bounds it as it is written.
pub(crate) async fn upload(
    Asked(gateway): Asked,
    Path(agent): Path<String>,
    Query(named): Query<Named>,
    body: Body,
) -> Result<Json<Upload>, Refused> {
    let namespace = named.within.or(&gateway);
    let content = aion_client::Body::wrap_stream(body.into_data_stream());
    let kept = gateway
        .node
        .upload_body(namespace, &agent, &named.name, content);
    Ok(Json(kept.await.map_err(problem)?))
}

/// Events as they come. Where the node agent goes away they end without the turn's end: it is followed again.
fn told<T: serde::de::DeserializeOwned + Send + 'static>(
    events: Events<T>,
) -> impl Stream<Item = T> + Send + 'static {
    stream::unfold(events, |mut events| async {
        match events.next().await {
            Ok(event) => event.map(|event| (event, events)),
            Err(error) => {
                tracing::warn!(%error, "a stream of events broke");
                None
            }
        }
    })
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).into_iter();
    let mut accepted = accepted.filter_map(|it| it.to_str().ok());
    accepted.any(|it| it.contains(EVENTS))
}
