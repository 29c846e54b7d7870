//! A2A 1.0 (<https://a2a-protocol.org>): each agent has a card, and is asked by JSON-RPC or HTTP+JSON at one address. A task is a turn;
//! its id says which, and nothing is kept here (docs/adr/0041).
//!
//! What may not enter: what an agent may, and who may ask.

mod begin;
mod card;
mod fault;
mod follow;
mod list;
mod media;
mod push;
mod question;
mod rest;
mod rpc;
mod sent;
mod task;
mod updates;
mod waiting;
mod wire;
mod word;

use std::{collections::VecDeque, sync::Arc};

use aion_abi::{admin::TurnRecord, code::Code, problem::Problem};
use aion_serve::{path_is_wrong, refusal};
use axum::{
    Json,
    extract::{Path, Request, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use futures::{StreamExt as _, stream, stream::BoxStream};
use serde_json::{Value, json};

use self::{
    fault::{Fault, Kind},
    follow::{Follow, News},
    sent::Sent,
    task::Id,
    updates::{Updates, begun},
    wire::{Named, SendMessage, State as TaskState, Status, Task, Update},
};
use crate::{
    approving::approver,
    asked::Asked,
    gateway::{Gateway, problem},
    nodes::Nodes,
    tagged::tagged,
};

/// The one that is spoken.
const VERSION: &str = "1.0";
const SAYS_VERSION: &str = "a2a-version";
const JSON: &str = "application/a2a+json";

/// What a stream gives: updates, and at most one fault at its end.
type Told = BoxStream<'static, Result<Update, Fault>>;

/// JSON-RPC.
pub(crate) async fn rpc(
    Asked(gateway): Asked,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let named = match path {
        Ok(Path(named)) => named,
        Err(why) => return refused(path_is_wrong(&why)),
    };
    let target = Target::new(gateway, named, request.headers());
    rpc::answer(&target, request).await
}

/// HTTP+JSON, and the card.
pub(crate) async fn rest(
    Asked(gateway): Asked,
    path: Result<Path<(String, String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let (namespace, agent, below) = match path {
        Ok(Path(named)) => named,
        Err(why) => return refused(path_is_wrong(&why)),
    };
    let target = Target::new(gateway, (namespace, agent), request.headers());
    rest::answer(&target, &below, request).await
}

/// The key that cards are signed with, to check them.
pub(crate) async fn keys(Asked(gateway): Asked, headers: HeaderMap) -> Response {
    let keys = gateway.signer.as_ref().map(|it| it.keys());
    tagged(&headers, &keys.unwrap_or_else(|| json!({"keys": []})))
}

/// A refusal before any agent is named.
pub(crate) fn refused(problem: Problem) -> Response {
    failed(&Fault::from(problem))
}

fn failed(fault: &Fault) -> Response {
    let mut response = refusal(&fault.problem(), Json(fault.status()));
    let kind = HeaderValue::from_static(JSON);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Whether the client speaks as is spoken here; a client of before 1.0 says nothing.
fn version(headers: &HeaderMap, query: Option<&str>) -> Result<(), Fault> {
    let header = headers.get(SAYS_VERSION).map(HeaderValue::to_str);
    let mut query = query.unwrap_or_default().split('&');
    let said = match header {
        Some(header) => header.unwrap_or_default(),
        None => {
            let pairs = query.find_map(|it| it.split_once('=').filter(|it| is_version(it.0)));
            pairs.map_or("", |it| it.1)
        }
    };
    // The third number makes no difference.
    let mut numbers = said.trim().splitn(3, '.');
    if [numbers.next(), numbers.next()] == [Some("1"), Some("0")] {
        return Ok(());
    }
    let said = if said.is_empty() { "none" } else { said };
    Err(Fault::new(
        Kind::VersionNotSupported,
        format!("the request is of A2A's version {said}, and this agent speaks {VERSION}"),
        format!("send the header A2A-Version: {VERSION}"),
    ))
}

fn is_version(name: &str) -> bool {
    name.eq_ignore_ascii_case(SAYS_VERSION)
}

/// Whether the body is said to be JSON, or nothing is said of it; `usual` is the type that is asked for.
fn is_json(headers: &HeaderMap, usual: &str) -> Result<(), Fault> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let is_json = ["application/json", JSON];
    match is_json.iter().any(|it| essence.eq_ignore_ascii_case(it)) {
        true => Ok(()),
        false => {
            let what = format!("the body is {kind:?}, not JSON");
            let remedy = format!("send it with Content-Type: {usual}");
            Err(Fault::new(Kind::ContentTypeNotSupported, what, remedy))
        }
    }
}

/// JSON as a type, with the field that is wrong.
fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let what = match error.path().to_string() {
            path if path == "." => error.inner().to_string(),
            path => format!("{path}: {}", error.inner()),
        };
        Fault::params(what, "see a2a.proto of A2A 1.0 for the shape of it")
    })
}

/// What is not there for any agent.
fn unsupported(what: &str, remedy: &str) -> Fault {
    Fault::new(Kind::UnsupportedOperation, what, remedy)
}

fn no_extended_card() -> Fault {
    let remedy = "the agent's card is complete";
    unsupported("there is no extended card", remedy)
}

/// The state of a turn that is followed: its end is told at the end.
fn at_work(record: &TurnRecord) -> Status {
    let state = match record.running || record.outcome.is_some() {
        true => TaskState::Working,
        false => TaskState::Submitted,
    };
    Status {
        state,
        message: None,
        timestamp: None,
    }
}

/// Whether it can wait for a person's word: its program asked for one, and is not done.
fn may_wait(record: &TurnRecord) -> bool {
    record.running && record.outcome.is_none()
}

/// The agent that is asked.
struct Target {
    gateway: Arc<Gateway>,
    namespace: String,
    agent: String,
    /// In whose name a person's word is said by who asks, or why in none.
    approver: Result<Nodes, Problem>,
}

impl Target {
    fn new(
        gateway: Arc<Gateway>,
        (namespace, agent): (String, String),
        headers: &HeaderMap,
    ) -> Self {
        let approver = approver(&gateway, headers);
        Self {
            gateway,
            namespace,
            agent,
            approver,
        }
    }

    fn agent(&self) -> (&str, &str) {
        (&self.namespace, &self.agent)
    }

    async fn card(&self) -> Result<Value, Fault> {
        let agent = self.gateway.agent(&self.namespace, &self.agent).await?;
        let pushes = push::are_granted(self).await?;
        let signer = self.gateway.signer.as_deref();
        Ok(card::of(&agent, self.gateway.base(), pushes, signer))
    }

    async fn send(&self, asked: SendMessage) -> Result<Task, Fault> {
        let sent = Sent::of(asked)?;
        let returns = sent.returns;
        let (id, mut follow) = self.begin(sent).await?;
        if returns {
            let record = self.gateway.nodes.turn(id.turn).await.map_err(problem)?;
            return self.task(&id, &record).await;
        }
        let mut asked = None;
        while let Some(news) = follow.next().await? {
            if let News::Asks(it) = news {
                asked = Some(it);
                break;
            }
        }
        let record = follow.asking().record().await?;
        let mut task = task::of(&id, &record, self.gateway.base());
        // Somebody else may have been quick.
        if let Some(it) = asked.filter(|_| record.outcome.is_none()) {
            task.status = waiting::asks(&id, &it);
        }
        Ok(task)
    }

    async fn stream(&self, asked: SendMessage) -> Result<Told, Fault> {
        let (id, follow) = self.begin(Sent::of(asked)?).await?;
        // A message that is sent again finds its task at work.
        let record = self.gateway.nodes.turn(id.turn).await.map_err(problem)?;
        Ok(self.told(id, follow, at_work(&record)))
    }

    async fn get(&self, named: &Named) -> Result<Task, Fault> {
        sent::history(named.history_length)?;
        let (id, record) = self.turn(&named.id).await?;
        self.task(&id, &record).await
    }

    /// A task as it is, for who asks.
    async fn task(&self, id: &Id, record: &TurnRecord) -> Result<Task, Fault> {
        let mut task = task::of(id, record, self.gateway.base());
        if may_wait(record)
            && let Some(it) = self.waiting_of(id.turn).await?.first()
        {
            task.status = waiting::asks(id, it);
        }
        Ok(task)
    }

    async fn cancel(&self, named: &Named) -> Result<Task, Fault> {
        let (id, record) = self.turn(&named.id).await?;
        let ended = |record: &TurnRecord| {
            let task = task::of(&id, record, self.gateway.base());
            let what = format!("task {id} has ended as {:?}", task.status.state);
            let remedy = "ask for it with GetTask";
            Fault::new(Kind::TaskNotCancelable, what, remedy)
        };
        if record.outcome.is_some() {
            return Err(ended(&record));
        }
        let record = self
            .gateway
            .nodes
            .cancel_turn(id.turn)
            .await
            .map_err(problem)?;
        let task = task::of(&id, &record, self.gateway.base());
        match task.status.state {
            // It came to its end before.
            TaskState::Completed | TaskState::Failed | TaskState::Rejected => Err(ended(&record)),
            _ => Ok(task),
        }
    }

    async fn subscribe(&self, named: &Named) -> Result<Told, Fault> {
        let (id, record) = self.turn(&named.id).await?;
        if record.outcome.is_some() {
            let what = format!("task {id} has ended: there is nothing to follow");
            return Err(unsupported(&what, "ask for it with GetTask"));
        }
        let waiting = match may_wait(&record) {
            true => self.waiting_of(id.turn).await?,
            false => Vec::new(),
        };
        let first = waiting.first().map(|it| waiting::asks(&id, it));
        let status = first.unwrap_or_else(|| at_work(&record));
        // What it waits for now ends no stream that begins with it.
        let follow = self.resumed(id.turn);
        let follow = follow.knows(waiting.iter().map(|it| it.approval));
        Ok(self.told(id, follow, status))
    }

    /// A turn of this agent, as it is kept.
    async fn turn(&self, id: &str) -> Result<(Id, TurnRecord), Fault> {
        let none = || Fault::no_task(id);
        let parsed = Id::parse(id).ok_or_else(none)?;
        let record = match self.gateway.nodes.turn(parsed.turn).await.map_err(problem) {
            Err(problem) if problem.code == Code::NotFound => return Err(none()),
            record => record?,
        };
        match record.agent == format!("{}/{}", self.namespace, self.agent) {
            true => Ok((parsed, record)),
            false => Err(none()),
        }
    }

    /// A task, and then what is heard of it. Asked for as the client reads: who reads slowly holds up nobody but itself.
    fn told(&self, id: Id, follow: Follow, status: Status) -> Told {
        let first = VecDeque::from([begun(&id, status)]);
        let known = follow.known();
        let updates = Updates::new(id, self.gateway.base()).knows(known);
        let state = (Some(follow), updates, first);
        let told = stream::unfold(state, |(mut open, mut updates, mut ready)| async {
            loop {
                if let Some(update) = ready.pop_front() {
                    return Some((Ok(update), (open, updates, ready)));
                }
                match open.as_mut()?.next().await {
                    // Who is asked goes on by a message.
                    Ok(Some(news @ News::Asks(_))) => {
                        ready.extend(updates.told(news));
                        open = None;
                    }
                    Ok(Some(news)) => ready.extend(updates.told(news)),
                    Ok(None) => open = None,
                    Err(problem) => return Some((Err(problem.into()), (None, updates, ready))),
                }
            }
        });
        told.boxed()
    }
}
