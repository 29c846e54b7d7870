//! Push notifications: to whom the end of a task is told is kept and judged by the node, and told by it. What may not enter: an
//! address that is dialled from here.

use aion_abi::{
    code::Code,
    push::{MAX_ID, Push},
};
use aion_client::Node;
use serde_json::{Map, Value, json};

use super::{
    Target,
    fault::{Fault, Kind},
    task::Id,
    wire::{NamedPush, PushConfig},
};
use crate::gateway::problem;

/// Why nobody is told.
fn not_supported() -> Fault {
    let remedy = "ask for the task with GetTask, or follow it with SubscribeToTask; whoever runs the node lets hosts be called by pushHosts in node.yaml";
    Fault::new(
        Kind::PushNotificationNotSupported,
        "this agent sends no push notifications",
        remedy,
    )
}

/// Whether the node tells anybody: what the card says.
pub(super) async fn are_granted(target: &Target) -> Result<bool, Fault> {
    match node(target) {
        Ok(node) => Ok(node.pushes_granted().await.map_err(problem)?),
        Err(_) => Ok(false),
    }
}

fn node(target: &Target) -> Result<&Node, Fault> {
    let node = target
        .gateway
        .nodes
        .one("nobody is notified", "follow the task");
    node.map_err(|_| not_supported())
}

/// The node, where it tells anybody.
async fn granting(target: &Target) -> Result<&Node, Fault> {
    let node = node(target)?;
    match node.pushes_granted().await.map_err(problem)? {
        true => Ok(node),
        false => Err(not_supported()),
    }
}

/// What a client asks for beside its message, if anything, judged before the agent is asked.
pub(super) async fn judged(
    target: &Target,
    wanted: Option<PushConfig>,
) -> Result<Option<Push>, Fault> {
    let Some(wanted) = wanted else {
        return Ok(None);
    };
    let node = granting(target).await?;
    let push = read(wanted)?;
    node.judge_push(&push).await.map_err(problem)?;
    Ok(Some(push))
}

/// Has the end of a turn told that a message is about, unless it is told in the answer: the message is sent again, or its answer was quick.
pub(super) async fn add_to_answer(
    target: &Target,
    turn: u64,
    push: Option<Push>,
) -> Result<(), Fault> {
    let Some(push) = push else { return Ok(()) };
    match add(target, turn, &push).await {
        Err(fault) if !fault.says_ended() => Err(fault),
        _ => Ok(()),
    }
}

/// Has the end of a turn told.
pub(super) async fn add(target: &Target, turn: u64, push: &Push) -> Result<Push, Fault> {
    let added = node(target)?.add_push(turn, push).await.map_err(problem);
    added.map_err(|problem| match problem.code {
        Code::NotRunning => Fault::new(
            Kind::UnsupportedOperation,
            "the task has ended: there is nothing to follow",
            "ask for it with GetTask",
        ),
        _ => problem.into(),
    })
}

pub(super) async fn create(target: &Target, wanted: PushConfig) -> Result<Value, Fault> {
    granting(target).await?;
    let task = wanted.task_id.clone().unwrap_or_default();
    let (id, _) = target.turn(&task).await?;
    let added = add(target, id.turn, &read(wanted)?).await?;
    Ok(said(&id, added))
}

pub(super) async fn get(target: &Target, named: &NamedPush) -> Result<Value, Fault> {
    let wanted = named.id.as_deref().unwrap_or_default();
    let (id, all) = all(target, named).await?;
    let found = all.into_iter().find(|it| it.id == wanted);
    let found = found.ok_or_else(|| {
        let what = format!("task {id} has no push notification {wanted:?}");
        let remedy = "list them: one that was delivered or given up is removed";
        Fault::new(Kind::TaskNotFound, what, remedy)
    })?;
    Ok(said(&id, found))
}

pub(super) async fn list(target: &Target, named: &NamedPush) -> Result<Value, Fault> {
    let (id, all) = all(target, named).await?;
    let configs: Vec<Value> = all.into_iter().map(|it| said(&id, it)).collect();
    Ok(json!({"configs": configs, "nextPageToken": ""}))
}

pub(super) async fn remove(target: &Target, named: &NamedPush) -> Result<Value, Fault> {
    let node = granting(target).await?;
    let (id, _) = target.turn(&named.task_id).await?;
    let push = named
        .id
        .as_deref()
        .filter(|it| (1..=MAX_ID).contains(&it.len()));
    let push =
        push.ok_or_else(|| Fault::params("id is not that of a push notification", "list them"))?;
    node.remove_push(id.turn, push).await.map_err(problem)?;
    Ok(json!({}))
}

async fn all(target: &Target, named: &NamedPush) -> Result<(Id, Vec<Push>), Fault> {
    let node = granting(target).await?;
    let (id, _) = target.turn(&named.task_id).await?;
    let all = node.pushes(id.turn).await.map_err(problem)?;
    Ok((id, all.items))
}

/// As the node takes it: texts that are empty are not said.
fn read(wanted: PushConfig) -> Result<Push, Fault> {
    let said = |text: Option<String>| text.filter(|it| !it.is_empty());
    if said(wanted.tenant).is_some() {
        let remedy = "leave it out: the path says which agent is meant";
        return Err(Fault::params("tenant is not supported here", remedy));
    }
    let (scheme, credentials) = match wanted.authentication {
        Some(it) => (said(Some(it.scheme)), said(it.credentials)),
        None => (None, None),
    };
    Ok(Push {
        id: wanted.id.unwrap_or_default(),
        url: wanted.url,
        token: said(wanted.token),
        scheme,
        credentials,
    })
}

/// As it is answered: credentials are not.
fn said(id: &Id, push: Push) -> Value {
    let mut said = Map::new();
    said.insert("taskId".into(), id.to_string().into());
    said.insert("id".into(), push.id.into());
    said.insert("url".into(), push.url.into());
    if let Some(token) = push.token {
        said.insert("token".into(), token.into());
    }
    if let Some(scheme) = push.scheme {
        said.insert("authentication".into(), json!({"scheme": scheme}));
    }
    Value::Object(said)
}
