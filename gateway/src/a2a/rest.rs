//! HTTP+JSON: operations as paths below the agent's.

use std::convert::Infallible;

use axum::{
    body::Bytes,
    extract::{Query, Request},
    http::{HeaderMap, HeaderValue, Method, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures::StreamExt as _;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    JSON, Target, Told, failed,
    fault::{Fault, Kind},
    is_json, list, no_extended_card, push, read, version,
    wire::{Named, NamedPush, PushConfig, Wanted},
};
use crate::{reading, tagged::tagged};

const CARD: &str = ".well-known/agent-card.json";
/// Whoever read a card reads it again after this time, in seconds.
const CARD_IS_KEPT: &str = "private, max-age=60";

pub(super) async fn answer(target: &Target, below: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answered = match (&parts.method, below) {
        (&Method::GET, CARD) => {
            let card = target.card().await;
            card.map(|card| {
                let mut card = tagged(&parts.headers, &card);
                let for_a_while = HeaderValue::from_static(CARD_IS_KEPT);
                let headers = card.headers_mut();
                headers.insert(header::CACHE_CONTROL, for_a_while);
                // It is for who may see it.
                let by = HeaderValue::from_static("authorization");
                headers.insert(header::VARY, by);
                card
            })
        }
        _ => {
            let body = reading::whole(body).await;
            match body {
                Ok(body) => answered(target, below, &parts, &body).await,
                Err(problem) => Err(problem.into()),
            }
        }
    };
    answered.unwrap_or_else(|fault| failed(&fault))
}

async fn answered(
    target: &Target,
    below: &str,
    parts: &Parts,
    body: &[u8],
) -> Result<Response, Fault> {
    let operation = Operation::of(&parts.method, below).ok_or_else(|| {
        let what = format!("there is nothing at {} {below}", parts.method);
        let remedy = "see A2A 1.0 for what is below an agent's address";
        Fault::new(Kind::MethodNotFound, what, remedy)
    })?;
    version(&parts.headers, parts.uri.query())?;
    let named = |id: &str| Named {
        id: id.to_owned(),
        history_length: None,
    };
    Ok(match operation {
        Operation::Send => {
            let asked = json_of(&parts.headers, body)?;
            whole(&json!({"task": target.send(asked).await?}))
        }
        Operation::Stream => streamed(target.stream(json_of(&parts.headers, body)?).await?),
        Operation::Get(id) => {
            let mut named = named(id);
            named.history_length = history(parts.uri.query().unwrap_or_default())?;
            whole(&target.get(&named).await?)
        }
        Operation::Cancel(id) => whole(&target.cancel(&named(id)).await?),
        Operation::Subscribe(id) => streamed(target.subscribe(&named(id)).await?),
        Operation::List => whole(&list::tasks(target, wanted(&parts.uri)?).await?),
        Operation::ExtendedCard => return Err(no_extended_card()),
        Operation::CreatePush(task) => {
            let mut wanted: PushConfig = json_of(&parts.headers, body)?;
            wanted.task_id = Some(task.to_owned());
            whole(&push::create(target, wanted).await?)
        }
        Operation::Pushes(task) => whole(&push::list(target, &pushed(task, None)).await?),
        Operation::Push(task, id) => whole(&push::get(target, &pushed(task, Some(id))).await?),
        Operation::DeletePush(task, id) => {
            whole(&push::remove(target, &pushed(task, Some(id))).await?)
        }
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Operation<'a> {
    Send,
    Stream,
    Get(&'a str),
    Cancel(&'a str),
    Subscribe(&'a str),
    List,
    ExtendedCard,
    CreatePush(&'a str),
    Pushes(&'a str),
    Push(&'a str, &'a str),
    DeletePush(&'a str, &'a str),
}

impl<'a> Operation<'a> {
    fn of(method: &Method, below: &'a str) -> Option<Self> {
        let (get, post) = (method == Method::GET, method == Method::POST);
        let task = below.strip_prefix("tasks/");
        if let Some((task, push)) = task.and_then(|it| it.split_once('/')) {
            let below = push.strip_prefix("pushNotificationConfigs")?;
            let id = below.strip_prefix('/').filter(|it| !it.is_empty());
            return match id {
                _ if task.is_empty() => None,
                Some(id) if get => Some(Self::Push(task, id)),
                Some(id) if method == Method::DELETE => Some(Self::DeletePush(task, id)),
                None if below.is_empty() && post => Some(Self::CreatePush(task)),
                None if below.is_empty() && get => Some(Self::Pushes(task)),
                _ => None,
            };
        }
        match below {
            "message:send" if post => return Some(Self::Send),
            "message:stream" if post => return Some(Self::Stream),
            "tasks" if get => return Some(Self::List),
            "extendedAgentCard" if get => return Some(Self::ExtendedCard),
            _ => {}
        }
        match task?.rsplit_once(':') {
            Some((id, "cancel")) if post => Some(Self::Cancel(id)),
            // A GET in a2a.proto, and a POST in the text of the norm.
            Some((id, "subscribe")) if get || post => Some(Self::Subscribe(id)),
            None if get => Some(Self::Get(task?)),
            _ => None,
        }
    }
}

fn json_of<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Fault> {
    is_json(headers, JSON)?;
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        let what = format!("the body is not JSON: {error}");
        Fault::new(Kind::Parse, what, "send JSON")
    })?;
    read(body)
}

fn history(query: &str) -> Result<Option<i32>, Fault> {
    let mut pairs = query.split('&');
    let said = pairs.find_map(|it| it.strip_prefix("historyLength="));
    said.map(|it| {
        let wrong = |_| Fault::params("historyLength is not a whole number", "say 0 or more");
        it.parse().map_err(wrong)
    })
    .transpose()
}

fn pushed(task: &str, id: Option<&str>) -> NamedPush {
    NamedPush {
        task_id: task.to_owned(),
        id: id.map(str::to_owned),
    }
}

/// Which tasks a query asks for.
fn wanted(uri: &Uri) -> Result<Wanted, Fault> {
    let wanted = Query::<Wanted>::try_from_uri(uri);
    wanted.map(|Query(wanted)| wanted).map_err(|error| {
        let remedy = "see ListTasksRequest of A2A 1.0 for its fields";
        Fault::params(error.body_text(), remedy)
    })
}

fn whole(value: &impl Serialize) -> Response {
    // What is answered always has a JSON form.
    let content = serde_json::to_vec(value).unwrap_or_default();
    let mut response = content.into_response();
    let kind = HeaderValue::from_static(JSON);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn streamed(told: Told) -> Response {
    let frames = told.map(|told| {
        let frame = match told {
            Ok(update) => {
                let update = serde_json::to_string(&update).unwrap_or_default();
                format!("data: {update}\n\n")
            }
            Err(fault) => format!("event: error\ndata: {}\n\n", fault.status()),
        };
        Ok::<_, Infallible>(Bytes::from(frame))
    });
    aion_serve::stream(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_norm() {
        let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
        for (method, below, operation) in [
            (&post, "message:send", Some(Operation::Send)),
            (&post, "message:stream", Some(Operation::Stream)),
            (&get, "message:send", None),
            (&get, "tasks", Some(Operation::List)),
            (&get, "tasks/7", Some(Operation::Get("7"))),
            (&post, "tasks/7", None),
            (&post, "tasks/7-a:cancel", Some(Operation::Cancel("7-a"))),
            (&get, "tasks/7:cancel", None),
            (&get, "tasks/7:subscribe", Some(Operation::Subscribe("7"))),
            (&post, "tasks/7:subscribe", Some(Operation::Subscribe("7"))),
            (&post, "tasks/7:resume", None),
            (
                &post,
                "tasks/7/pushNotificationConfigs",
                Some(Operation::CreatePush("7")),
            ),
            (
                &delete,
                "tasks/7/pushNotificationConfigs/a",
                Some(Operation::DeletePush("7", "a")),
            ),
            (&get, "tasks/7/files", None),
            (&get, "extendedAgentCard", Some(Operation::ExtendedCard)),
            (&get, "", None),
        ] {
            assert_eq!(Operation::of(method, below), operation, "{method} {below}");
        }
    }

    #[test]
    fn a_length_in_the_query_is_a_number() {
        assert!(matches!(history("a=1&historyLength=3"), Ok(Some(3))));
        assert!(matches!(history(""), Ok(None)));
        assert!(history("historyLength=x").is_err());
    }
}
