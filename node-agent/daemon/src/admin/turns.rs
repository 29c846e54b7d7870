//! Turns: asking, following, what was kept.

use std::{path::Path as FsPath, sync::Arc};

use aion_abi::{
    admin::{IDEMPOTENCY_KEY, OUTPUT_MOUNT, TurnRecord, TurnRequest},
    code::Code,
    device::BY_HAND,
    page::{MAX_ROWS, Part, ROWS},
    problem::Problem,
    turn::{MAX_BYTES, TurnPage},
};
use aion_kernel::{Event, TurnId};
use aion_serve::{Json, Path, Query};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use cap_std::{ambient_authority, fs::Dir};
use futures::stream;
use tokio_util::io::ReaderStream;

use super::{
    Admin, agents,
    answer::{Refused, events as stream_of},
    held::{self, ByKey},
    page,
};
use crate::{
    callees::Callees,
    instance::Instance,
    turns::{Cause, Follow, QuestionKey},
};

pub(super) async fn ask(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
    by: ByKey,
    headers: HeaderMap,
    Json(request): Json<TurnRequest>,
) -> Result<Response, Refused> {
    agents::known(&admin, &namespace, &agent)?;
    if agent == BY_HAND {
        let what = format!(
            "agent {BY_HAND} stands for people who write or command devices, and is asked by nobody"
        );
        let remedy = "use aionctl device set or aionctl device command";
        return Err(Problem::new(Code::Denied, what).remedy(remedy).into());
    }
    let key = headers.get(IDEMPOTENCY_KEY);
    let by = held::asker(&by);
    let whose = by.as_ref().map(|it| it.id.as_str());
    let key = key.map(|key| QuestionKey::parse(key.as_bytes(), whose));
    let key = key.transpose()?;
    if let Some(key) = key {
        let whose = format!("{namespace}/{agent}");
        // Also where no instance is ready any more.
        if let Some(turn) = admin.turns.asked_before(&whose, key, &request).await? {
            return follow(&admin, turn).await;
        }
    }
    let instance = idlest(&admin, &namespace, &agent).await?;
    let turn = admin
        .turns
        .ask(
            &admin.shell,
            &instance,
            request,
            key,
            by.map_or(Cause::Ask, Cause::Key),
        )
        .await?;
    admin.telemetry.turns_asked.inc();
    follow(&admin, turn).await
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
    Query(part): Query<Part>,
    by: ByKey,
) -> Result<Json<TurnPage>, Refused> {
    let limit = page::limit(part.limit, ROWS, MAX_ROWS)? as usize;
    agents::known(&admin, &namespace, &agent)?;
    let after = part.after.as_deref().map(str::parse);
    let after = after.transpose().map_err(|_| {
        let what = "after is not the next of a page of turns";
        Problem::new(Code::BadRequest, what).remedy("leave it out for the first page")
    })?;
    let numbers = admin.turns.numbers_of(&format!("{namespace}/{agent}"));
    let left = numbers
        .into_iter()
        .filter(|it| after.is_none_or(|after| it.0 < after));
    let (by, mut rows) = (held::id(&by), Vec::new());
    for turn in left {
        let row = admin.turns.listed(turn, by.as_deref()).await;
        rows.extend(row.map_err(|error| unreadable(&error))?);
        // One more says that there are more.
        if rows.len() > limit {
            break;
        }
    }
    let is_whole = rows.len() <= limit;
    rows.truncate(limit);
    let (items, is_cut) = page::within(rows, MAX_BYTES, |it| {
        serde_json::to_vec(it).map_or(MAX_BYTES, |it| it.len())
    });
    let last = items.last().filter(|_| is_cut || !is_whole);
    let next = last.map(|it| it.turn.to_string());
    Ok(Json(TurnPage { items, next }))
}

/// The agent's instance with the fewest turns.
pub(super) async fn idlest(
    admin: &Admin,
    namespace: &str,
    agent: &str,
) -> Result<Arc<Instance>, Refused> {
    let callees = Callees {
        shell: admin.shell.clone(),
        instances: admin.instances.clone(),
        turns: admin.turns.clone(),
    };
    let fewest = callees.idlest(namespace, agent).await;
    fewest.ok_or_else(|| {
        Problem::new(
            Code::NotRunning,
            format!("agent {agent} is not ready: no instance of it can take a turn here"),
        )
        .remedy(format!("aionctl why {agent} says what is missing"))
        .into()
    })
}

pub(super) async fn events(
    State(admin): State<Arc<Admin>>,
    Path(turn): Path<u64>,
) -> Result<Response, Refused> {
    follow(&admin, TurnId(turn)).await
}

pub(super) async fn follow(admin: &Admin, turn: TurnId) -> Result<Response, Refused> {
    let follow = admin
        .turns
        .follow(turn)
        .await
        .map_err(|error| unreadable(&error))?
        .ok_or_else(|| unknown(turn))?;
    let events = stream::unfold(follow, |mut follow: Follow| async {
        Some((follow.next().await?, follow))
    });
    Ok(stream_of(events, &admin.leaving))
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    Path(turn): Path<u64>,
) -> Result<Json<TurnRecord>, Refused> {
    record(&admin, TurnId(turn)).await.map(Json)
}

pub(super) async fn cancel(
    State(admin): State<Arc<Admin>>,
    Path(turn): Path<u64>,
) -> Result<Json<TurnRecord>, Refused> {
    let turn = TurnId(turn);
    let before = record(&admin, turn).await?;
    if before.outcome.is_some() {
        return Ok(Json(before));
    }
    admin.shell.tell(Event::CancelTurn { turn });
    if let Ok(Some(mut follow)) = admin.turns.follow(turn).await {
        while follow.next().await.is_some() {}
    }
    record(&admin, turn).await.map(Json)
}

pub(super) async fn file(
    State(admin): State<Arc<Admin>>,
    Path((turn, path)): Path<(u64, String)>,
) -> Result<Response, Refused> {
    let turn = TurnId(turn);
    let folder = admin.turns.known(turn).ok_or_else(|| unknown(turn))?;
    let root = folder.mount(OUTPUT_MOUNT);
    let opened = tokio::task::spawn_blocking(move || open_beneath(&root, &path)).await;
    let (file, size) = opened
        .map_err(|error| Refused::internal(error.to_string()))?
        .map_err(|_| Refused::not_found("the turn wrote no such file"))?;
    let stream = ReaderStream::new(tokio::fs::File::from_std(file));
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    Ok(response)
}

/// The agent wrote what is there: no link may lead elsewhere.
fn open_beneath(root: &FsPath, path: &str) -> std::io::Result<(std::fs::File, u64)> {
    let dir = Dir::open_ambient_dir(root, ambient_authority())?;
    let file = dir.open(path)?.into_std();
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::ErrorKind::NotFound.into());
    }
    Ok((file, metadata.len()))
}

async fn record(admin: &Admin, turn: TurnId) -> Result<TurnRecord, Refused> {
    let record = admin.turns.record(turn).await;
    record
        .map_err(|error| unreadable(&error))?
        .ok_or_else(|| unknown(turn))
}

fn unknown(turn: TurnId) -> Refused {
    Problem::new(Code::NotFound, format!("there is no turn {turn}"))
        .remedy("the newest turns of each agent are kept, older ones are not")
        .into()
}

fn unreadable(error: &std::io::Error) -> Refused {
    Refused::internal(format!("the turn's folder cannot be read: {error}"))
}
