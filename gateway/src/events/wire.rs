//! What is said on the socket, as JSON texts: commands of the client, and what it is told.

use aion_abi::{
    event::{Event, Filter, Item, Kind, Missed, Told},
    problem::Problem,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a client says, with cursors as those are where it says it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Command<C> {
    Subscribe(Subscribe<C>),
    Unsubscribe(Named),
}

/// A subscription, by a name of the client's; one of the same name takes its place.
#[derive(Debug, Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    bound(deserialize = "C: Deserialize<'de>")
)]
pub(super) struct Subscribe<C> {
    pub(super) id: String,
    #[serde(default)]
    pub(super) kinds: Vec<Kind>,
    #[serde(default)]
    pub(super) agents: Vec<String>,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    /// Behind this cursor; without it from now on.
    #[serde(default)]
    pub(super) after: Option<C>,
}

/// The name of a subscription.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Named {
    pub(super) id: String,
}

/// What a client is told: an item of the feed, or what became of a command.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EventFrame")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Frame {
    /// The subscriptions that it is for; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    id: Vec<String>,
    /// Where the feed goes on behind it: a text that says so to whichever gateway it is given back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// The node that it is of, by its name, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// Something happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Event>,
    /// Something happened that is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    missed: Option<Missed>,
    /// The node does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    away: Option<Nothing>,
    /// What was before this cursor is told; what comes, comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    listening: Option<Nothing>,
    /// A subscription is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribed: Option<Nothing>,
    /// It is not there any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    unsubscribed: Option<Nothing>,
    /// A command is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Nothing {}

impl Frame {
    fn nothing() -> Self {
        Self {
            id: Vec::new(),
            cursor: None,
            node: None,
            event: None,
            missed: None,
            away: None,
            listening: None,
            subscribed: None,
            unsubscribed: None,
            error: None,
        }
    }

    pub(super) fn subscribed(id: String, cursor: Option<impl ToString>) -> Self {
        Self {
            id: vec![id],
            cursor: cursor.map(|it| it.to_string()),
            subscribed: Some(Nothing {}),
            ..Self::nothing()
        }
    }

    pub(super) fn unsubscribed(id: String) -> Self {
        Self {
            id: vec![id],
            unsubscribed: Some(Nothing {}),
            ..Self::nothing()
        }
    }

    /// How the feed stands for who has been told everything up to `cursor`.
    pub(super) fn standing(id: Vec<String>, cursor: Option<impl ToString>, is_away: bool) -> Self {
        Self {
            id,
            cursor: cursor.map(|it| it.to_string()),
            away: is_away.then_some(Nothing {}),
            listening: (!is_away).then_some(Nothing {}),
            ..Self::nothing()
        }
    }

    pub(super) fn error(id: Option<String>, problem: Problem) -> Self {
        Self {
            id: id.into_iter().collect(),
            error: Some(problem),
            ..Self::nothing()
        }
    }

    /// What one of several nodes tells, for subscriptions that are named elsewhere.
    #[cfg(feature = "kubernetes")]
    pub(super) fn of_node(cursor: Option<&str>, node: Option<&str>, what: Item) -> Self {
        let mut frame = Self {
            cursor: cursor.map(str::to_owned),
            node: node.map(str::to_owned),
            ..Self::nothing()
        };
        match what {
            Item::Event(event) => frame.event = Some(event),
            Item::Missed(missed) => frame.missed = Some(missed),
            Item::Listening {} => frame.listening = Some(Nothing {}),
            Item::Away {} => frame.away = Some(Nothing {}),
        }
        frame
    }

    pub(super) fn text(&self) -> String {
        // What is told always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl<C> Subscribe<C> {
    pub(super) fn filter(self) -> Filter {
        Filter {
            kinds: self.kinds,
            agents: self.agents,
            namespace: self.namespace,
        }
    }
}

impl super::hub::Line {
    pub(super) fn of(told: Told) -> Self {
        // What comes before the members differs from reader to reader.
        let mut members = serde_json::to_string(&told).unwrap_or_default();
        members.pop();
        if !members.is_empty() {
            members.remove(0);
        }
        Self { told, members }
    }

    /// The whole of it, for who has no subscriptions.
    pub(super) fn text(&self) -> String {
        format!("{{{}}}", self.members)
    }

    pub(super) fn event(&self) -> Option<&Event> {
        match &self.told.what {
            Item::Event(event) => Some(event),
            _ => None,
        }
    }
}
