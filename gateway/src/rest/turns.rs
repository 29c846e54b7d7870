//! Asking, following, files in and out.

use std::sync::Arc;

use aion_abi::{
    admin::{TurnEvent, TurnRecord, TurnRequest, Upload},
    code::Code,
    problem::Problem,
};
use aion_client::ClientError;
use aion_route::Match;
use aion_serve::{Path, Query, Refused, numbered};
use axum::{
    Json,
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt as _, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Within, parts_of};
use crate::{
    asked::Asked,
    asking::{Abandoned, Asking},
    gateway::{Gateway, problem},
    place::{self, Key},
    reading,
};

const EVENTS: &str = "text/event-stream";
/// What a client of server-sent events says when it connects again.
const LAST_EVENT_ID: &str = "last-event-id";

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
        let made = Uuid::new_v4().to_string();
        let at = key.map_or(Key::Ours(&made), Key::Theirs);
        let places = gateway
            .nodes
            .places((namespace, agent), at, &request.uploads);
        let mut places = places.await.map_err(problem)?;
        let asked = places.ask(&request, key).await;
        let events = told(asked.map_err(problem)?, 0);
        let first = routed.map(|routed| (None, Told::Routing(Routing::Routed { routed })));
        return Ok(numbered(stream::iter(first).chain(events)));
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
#[schemars(rename = "TurnEventOrOther")]
pub(crate) enum Told {
    Routing(Routing),
    Turn(TurnEvent),
    Interrupted(Interrupted),
}

/// The last of a stream that ends before its turn.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "camelCase")]
pub(crate) enum Interrupted {
    /// Of the stream and not of the turn, which goes on once the node is back.
    Interrupted(Problem),
}

impl Told {
    fn gone(why: &str) -> Self {
        let what = format!("the node went away before the turn ended: {why}");
        let remedy = "follow the turn: GET /v1/turns/{turn}/events with Last-Event-ID; where no event named one, ask again under the same \
                      Idempotency-Key";
        let problem = Problem::new(Code::Restarting, what).remedy(remedy);
        Self::interrupted(problem.retry_after_ms(1_000))
    }

    fn interrupted(why: Problem) -> Self {
        Self::Interrupted(Interrupted::Interrupted(why))
    }
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
    Ok(Json(gateway.nodes.turn(turn).await.map_err(problem)?))
}

pub(crate) async fn cancel(
    Asked(gateway): Asked,
    Path(turn): Path<u64>,
) -> Result<Json<TurnRecord>, Refused> {
    Ok(Json(
        gateway.nodes.cancel_turn(turn).await.map_err(problem)?,
    ))
}

/// Behind what event a client goes on.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Behind {
    /// So many events it has; the header Last-Event-ID says the same and counts more.
    after: Option<u64>,
}

/// From the turn's start, or on from where a client was; also after its end, and by way of another gateway.
pub(crate) async fn events(
    Asked(gateway): Asked,
    Path(turn): Path<u64>,
    Query(behind): Query<Behind>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let has = has(&headers)?.or(behind.after).unwrap_or(0);
    let events = gateway.nodes.turn_events(turn).await.map_err(problem)?;
    Ok(numbered(told(events, has)))
}

/// How many events a client says it has.
fn has(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(said) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let number = said.to_str().ok().and_then(|it| it.trim().parse().ok());
    number.map(Some).ok_or_else(|| {
        let what = "Last-Event-ID is not the number of an event of a turn";
        Problem::new(Code::BadRequest, what)
            .remedy("send the id of the last event that came, or leave it out")
    })
}

pub(crate) async fn file(
    Asked(gateway): Asked,
    Path((turn, path)): Path<(u64, String)>,
) -> Result<Response, Refused> {
    let download = gateway
        .nodes
        .turn_file(turn, &path)
        .await
        .map_err(problem)?;
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
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Upload>, Refused> {
    let namespace = named.within.or(&gateway);
    let content = aion_client::Body::wrap_stream(body.into_data_stream());
    let made = Uuid::new_v4().to_string();
    let key = reading::key(&headers)?.map_or(Key::Ours(&made), Key::Theirs);
    let kept = gateway
        .nodes
        .upload((namespace, &agent), &named.name, content, key);
    Ok(Json(kept.await.map_err(problem)?))
}

/// Events as they come, each with its number: a node tells them from the start in one order, however often. Those that a client
/// `has` are left out. The last is the turn's end, or that the node agent went away before it.
fn told(events: place::Told, has: u64) -> impl Stream<Item = (Option<u64>, Told)> + Send + 'static {
    let events = stream::unfold(Some((events, 1)), |going_on| async move {
        let (mut events, number) = going_on?;
        let told = match events.next().await {
            Ok(Some(event)) => {
                let ended = matches!(event, TurnEvent::Ended(_));
                let going_on = (!ended).then_some((events, number + 1));
                return Some(((Some(number), Told::Turn(event)), going_on));
            }
            Ok(None) => Told::gone("it closed the connection"),
            Err(error) => {
                tracing::warn!(%error, "a stream of events broke");
                match error {
                    ClientError::Broken { .. } | ClientError::Unreachable { .. } => {
                        Told::gone(&error.to_string())
                    }
                    // It would be told so again.
                    error => Told::interrupted(problem(error)),
                }
            }
        };
        Some(((None, told), None))
    });
    let is_new = move |number: &Option<u64>| number.is_none_or(|it| it > has);
    events.filter(move |(number, _)| std::future::ready(is_new(number)))
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).into_iter();
    let mut accepted = accepted.filter_map(|it| it.to_str().ok());
    accepted.any(|it| it.contains(EVENTS))
}
