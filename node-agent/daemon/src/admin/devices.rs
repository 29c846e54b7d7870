//! Devices, for people: what they are, what they said, what they were; and what people do to them, which is a turn of the agent
//! that stands for people. What may not enter: a way to a device beside the kernel.

use std::sync::Arc;

use aion_abi::{
    admin::{IDEMPOTENCY_KEY, TurnRequest},
    code::Code,
    device::{
        BY_HAND, ByHand, Command, HistoryWanted, PAGE, Page, SeenDevice, Wanted, WatchWanted, Write,
    },
    problem::Problem,
    syscall::device::{HistoryRequest, HistoryResponse},
};
use aion_serve::{Json, Path, Query};
use axum::{Extension, extract::State, http::HeaderMap, response::Response};
use futures::stream;

use super::{
    Admin,
    access::Who,
    answer::{Refused, events as stream_of},
    page, turns,
};
use crate::{
    instance::Instance,
    turns::{Cause, QuestionKey},
};

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

pub(super) async fn watch(
    State(admin): State<Arc<Admin>>,
    Path(namespace): Path<String>,
    Query(wanted): Query<WatchWanted>,
) -> Result<Response, Refused> {
    let names = wanted.devices.as_deref().unwrap_or_default().split(',');
    let names: Vec<_> = names.filter(|it| !it.is_empty()).collect();
    let watch = admin.devices.watch(&namespace, &names)?;
    let seen = stream::unfold(watch, |watch| async { Some((watch.next().await, watch)) });
    Ok(stream_of(seen, &admin.leaving))
}

pub(super) async fn write(
    State(admin): State<Arc<Admin>>,
    Path((namespace, device)): Path<(String, String)>,
    Extension(Who(by)): Extension<Who>,
    headers: HeaderMap,
    Json(Write { property, value }): Json<Write>,
) -> Result<Response, Refused> {
    let of = (device.as_str(), property.as_str());
    let value = admin.devices.meant(&namespace, of, &value)?;
    let asked = ByHand {
        by,
        device,
        property: Some(property),
        value: Some(value),
        command: None,
        arguments: None,
    };
    by_hand(&admin, &namespace, &asked, &headers).await
}

pub(super) async fn command(
    State(admin): State<Arc<Admin>>,
    Path((namespace, device)): Path<(String, String)>,
    Extension(Who(by)): Extension<Who>,
    headers: HeaderMap,
    Json(Command { command, arguments }): Json<Command>,
) -> Result<Response, Refused> {
    let of = (device.as_str(), command.as_str());
    let arguments = admin.devices.meant_arguments(&namespace, of, arguments)?;
    let asked = ByHand {
        by,
        device,
        property: None,
        value: None,
        command: Some(command),
        arguments: Some(arguments),
    };
    by_hand(&admin, &namespace, &asked, &headers).await
}

/// Has the agent that stands for people do it. A request that is made again under its key is the turn of the first.
async fn by_hand(
    admin: &Admin,
    namespace: &str,
    told: &ByHand,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let input = serde_json::to_string(told);
    let request = TurnRequest {
        input: input.map_err(|why| Refused::internal(why.to_string()))?,
        ..TurnRequest::default()
    };
    let key = headers.get(IDEMPOTENCY_KEY);
    let key = key.map(|key| QuestionKey::parse(key.as_bytes(), None));
    let key = key.transpose()?;
    if let Some(key) = key {
        let whose = format!("{namespace}/{BY_HAND}");
        if let Some(turn) = admin.turns.asked_before(&whose, key, &request).await? {
            return turns::follow(admin, turn).await;
        }
    }
    let instance = stand_in(admin, namespace).await?;
    let asked = admin
        .turns
        .ask(&admin.shell, &instance, request, key, Cause::Person);
    let turn = asked.await?;
    tracing::info!(%namespace, device = %told.device, who = %told.by, %turn, "a device is written or commanded by hand");
    admin.telemetry.turns_asked.inc();
    turns::follow(admin, turn).await
}

/// The agent that stands for people. Where nobody made it, nobody has a right.
async fn stand_in(admin: &Admin, namespace: &str) -> Result<Arc<Instance>, Refused> {
    if super::agents::known(admin, namespace, BY_HAND).is_err() {
        let what = format!(
            "nobody may write or command devices of namespace {namespace} by hand: there is no agent {BY_HAND}, whose rights would be theirs"
        );
        let remedy = "apply policies/by-hand.yaml, or have an agent do it (docs/devices.md)";
        return Err(Problem::new(Code::Denied, what).remedy(remedy).into());
    }
    turns::idlest(admin, namespace, BY_HAND).await
}
