//! What a gateway asks in the name of who has a key: agents that the key is for, and turns that it began. What is not for it is not
//! there.

use std::collections::BTreeMap;

use aion_abi::{
    code::Code,
    event::{Happened, Item, Told},
    key::{HEADER, Right},
    problem::Problem,
};
use aion_kernel::TurnId;
use axum::{Extension, http::HeaderMap};
use serde::Deserialize;
use serde_json::Value;

use super::{Admin, access::Guard, answer::Refused};
use crate::{
    instances::Folder,
    keys::{Held, Holder},
    turns::{Asker, Turns},
};

/// In whose name it is asked, where it is in one.
pub(super) type ByKey = Option<Extension<Held>>;

/// What a gateway shows of its client; `None` where it asks for itself.
pub(super) fn shown(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut all = headers.get_all(HEADER).iter();
    let wrong = || Problem::new(Code::BadSignature, "header aion-key is not one key");
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => one.to_str().map(Some).map_err(|_| wrong()),
        (Some(_), Some(_)) => Err(wrong()),
    }
}

impl Guard {
    /// Whether who has the key may, of what may be asked here at all.
    pub(super) async fn holds(
        &self,
        holder: &Held,
        route: &str,
        parameter: impl Fn(&str) -> Option<String>,
    ) -> Result<(), Problem> {
        let namespace = parameter("namespace");
        let agent = parameter("agent").or_else(|| parameter("name"));
        if let (Some(namespace), Some(agent)) = (namespace, agent)
            && !self.sees(holder, &namespace, &agent)
        {
            return Err(no_agent(&namespace, &agent));
        }
        for (below, right, what) in [
            ("programs", Right::Serve, "to be an agent's program"),
            ("memory", Right::Memory, "to see what agents remember"),
        ] {
            if route.contains(&format!("/agents/{{agent}}/{below}")) && !holder.may(right) {
                let what = format!("{} is not one {what}", holder.name);
                let may = right.as_str();
                let remedy = format!("make one that is: aionctl key create --may {may}");
                return Err(Problem::new(Code::Denied, what).remedy(remedy));
            }
        }
        if let Some(turn) = parameter("turn").filter(|_| route.starts_with("/api/v1/turns/"))
            && let Ok(turn) = turn.parse()
        {
            return self.began(holder, TurnId(turn)).await;
        }
        Ok(())
    }

    /// An agent that is there, and that the key is for.
    fn sees(&self, holder: &Held, namespace: &str, name: &str) -> bool {
        let Some(folder) = &self.folder else {
            return false;
        };
        folder.agent(namespace, name).is_some()
            && holder.covers(namespace, name, || labels(folder, namespace, name))
    }

    /// A turn that was begun by this key.
    async fn began(&self, holder: &Held, turn: TurnId) -> Result<(), Problem> {
        let unknown = || {
            Problem::new(Code::NotFound, format!("there is no turn {turn}"))
                .remedy("a key sees the turns that it began, while they are kept")
        };
        let agent = begun_by(&self.turns, holder, turn)
            .await
            .ok_or_else(unknown)?;
        let (namespace, name) = agent.split_once('/').ok_or_else(unknown)?;
        match self.sees(holder, namespace, name) {
            true => Ok(()),
            false => Err(unknown()),
        }
    }
}

impl Admin {
    /// Whether an object of an agent is for who asks, by the labels that it has itself.
    pub(super) fn is_shown(&self, by: &ByKey, agent: &Value) -> bool {
        let Some(Extension(holder)) = by else {
            return true;
        };
        let text = |field: &str| agent["metadata"][field].as_str().unwrap_or_default();
        holder.covers(text("namespace"), text("name"), || of_object(agent))
    }

    /// Whether the agent `namespace/name` is for who asks.
    pub(super) fn is_for(&self, by: &ByKey, agent: &str) -> bool {
        let Some(Extension(holder)) = by else {
            return true;
        };
        let (Some((namespace, name)), Some(folder)) = (agent.split_once('/'), &self.folder) else {
            return false;
        };
        holder.covers(namespace, name, || labels(folder, namespace, name))
    }

    /// Whether a turn is for who asks: by a key only what it began.
    pub(super) async fn began(&self, by: &ByKey, turn: TurnId) -> bool {
        match by {
            Some(Extension(holder)) => begun_by(&self.turns, holder, turn).await.is_some(),
            None => true,
        }
    }

    /// Whether this of the feed is for who asks. A key hears how its agents stand, and of the turns that it began; what workers write and what
    /// waits on the node may be others'.
    pub(super) async fn tells(&self, by: &ByKey, told: &Told) -> bool {
        let (Some(_), Item::Event(event)) = (by, &told.what) else {
            return true;
        };
        if !event.agent.as_deref().is_some_and(|it| self.is_for(by, it)) {
            return false;
        }
        let turn = match &event.what {
            Happened::Agent { .. } => return true,
            Happened::Turn(it) => it.turn,
            Happened::Syscall(it) => it.turn,
            Happened::Queue(_) | Happened::Log { .. } => return false,
        };
        self.began(by, TurnId(turn)).await
    }
}

/// The agent of a turn that the key began.
async fn begun_by(turns: &Turns, holder: &Holder, turn: TurnId) -> Option<String> {
    let folder = turns.known(turn)?;
    let asked = tokio::task::spawn_blocking(move || folder.asked()).await;
    let asked = asked.ok()?.ok()?;
    (asked.key.as_deref() == Some(holder.id.as_str())).then_some(asked.agent)
}

/// The id of the key that is asked by.
pub(super) fn id(by: &ByKey) -> Option<String> {
    by.as_ref().map(|Extension(holder)| holder.id.clone())
}

/// The key that is asked by, as a turn that is begun needs it.
pub(super) fn asker(by: &ByKey) -> Option<Asker> {
    by.as_ref().map(|Extension(holder)| Asker {
        id: holder.id.clone(),
        tokens_per_hour: holder.tokens_per_hour,
        is_listed: holder.is_listed,
    })
}

/// Where nobody has a key there is none to ask about.
pub(super) fn held(by: ByKey) -> Result<Held, Refused> {
    let none = || Refused::not_found("nobody is named by a key");
    by.map(|Extension(holder)| holder).ok_or_else(none)
}

fn labels(folder: &Folder, namespace: &str, name: &str) -> BTreeMap<String, String> {
    folder.labels(namespace, name).unwrap_or_default()
}

fn of_object(agent: &Value) -> BTreeMap<String, String> {
    BTreeMap::deserialize(&agent["metadata"]["labels"]).unwrap_or_default()
}

fn no_agent(namespace: &str, name: &str) -> Problem {
    let shown: String = name.chars().take(100).collect();
    let what = format!("there is no agent {shown} in namespace {namespace}");
    Problem::new(Code::NotFound, what).remedy("list them: GET /v1/agents")
}
