//! Devices as people look at them. What agents may is another question: `syscall::device`.
//!
//! | method and path | answer |
//! |---|---|
//! | `GET …/namespaces/{namespace}/devices[?after=&limit=]` | → [`Page`] |
//! | `GET …/namespaces/{namespace}/devices/{device}` | → [`SeenDevice`] |
//! | `GET …/namespaces/{namespace}/devices/{device}/history/{property}[?fromMs=&toMs=&points=]` | → [`HistoryResponse`](crate::syscall::device::HistoryResponse) |
//! | `POST …/namespaces/{namespace}/devices/{device}/write` | [`Write`] → the events of the turn that does it, as where an agent is asked |
//! | `POST …/namespaces/{namespace}/devices/{device}/command` | [`Command`] → the same |
//! | `GET …/namespaces/{namespace}/device-changes[?devices=a,b]` | → a stream of [`Watched`] |
//!
//! A person does nothing to a device but as the agent [`BY_HAND`] of the namespace: it has the rights that people have there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    date::UnixMillis,
    syscall::device::{Described, Reach, Value},
};

/// The agent that people write and command devices by.
pub const BY_HAND: &str = "by-hand";

/// Devices of a page where nobody says how many; so many at most, too.
pub const PAGE: u32 = 100;

/// Which part is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Behind this device, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// So many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Some of the devices of a namespace, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// The devices.
    pub items: Vec<SeenDevice>,
    /// Where there are more: the `after` of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A device, what it said last, and how much that was.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenDevice {
    /// What it is, and what it said last of each property that can be read.
    #[serde(flatten)]
    pub described: Described,
    /// The broker that it is reached by; empty where it is asked by HTTP.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub broker: String,
    /// Where it is asked by HTTP, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Why it does not answer what it is asked, as long as it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
    /// When it was heard of last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard_ms: Option<UnixMillis>,
    /// Its messages since the node began to listen.
    pub messages: Messages,
    /// Its edge node, where it is reached by Sparkplug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_node: Option<EdgeNode>,
    /// When its watchdog brought it into its safe state last, since the node was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_safe: Option<MadeSafe>,
}

impl SeenDevice {
    /// Where it is reached, for people.
    #[must_use]
    pub fn way(&self) -> String {
        match &self.url {
            Some(url) => format!("at {url}"),
            None => format!("by broker {}", self.broker),
        }
    }
}

/// An edge node of Sparkplug, and what happened to its messages since the node began to listen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EdgeNode {
    /// Its group and name.
    pub name: String,
    /// Its births.
    pub births: u64,
    /// How often it was asked for one.
    pub asked: u64,
    /// Messages that came out of order, or after one that was missed.
    pub gaps: u64,
    /// Messages that came twice.
    pub duplicates: u64,
    /// Messages before a birth.
    pub unborn: u64,
    /// Deaths of a session that was over.
    pub old_deaths: u64,
    /// Births while another edge node had its name.
    pub contested: u64,
    /// Messages and metrics that could not be read.
    pub unread: u64,
    /// Metrics of before, which are left out.
    pub historical: u64,
    /// Messages beyond its share, and those that the broker kept.
    pub left_out: u64,
    /// What was wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// A device was brought into its safe state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeSafe {
    /// When.
    pub at_ms: UnixMillis,
    /// What it was told, and what came of each.
    pub what: String,
}

/// How many messages of a device there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Messages {
    /// Taken in.
    pub taken: u64,
    /// Left out, since it is louder than its broker lets it be.
    pub left_out: u64,
    /// That could not be read.
    pub unread: u64,
}

/// Which part of a history is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryWanted {
    /// From when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<UnixMillis>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<UnixMillis>,
    /// How many points at most; 100 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<u32>,
}

/// A property that a person sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Write {
    /// Which.
    pub property: String,
    /// What it is to be. A text is meant as the property's type has it: `on`, `21.5`.
    pub value: Value,
}

/// What a person has a device do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Command {
    /// What.
    pub command: String,
    /// With what; texts as of [`Write`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, Value>,
}

/// The question to [`BY_HAND`], as JSON: who does what to which device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ByHand {
    /// Who, as the node knows them.
    pub by: String,
    /// The device.
    pub device: String,
    /// The property that is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// What it is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What it is to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// With what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<BTreeMap<String, Value>>,
}

/// Which devices are watched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WatchWanted {
    /// Their names, with commas between. Left out: all of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<String>,
}

/// What is seen of devices as it comes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Watched {
    /// A device says what a property is, and it was not known to be so.
    Value {
        /// Which device.
        device: String,
        /// Which property.
        property: String,
        /// What it is.
        value: Value,
        /// Its unit, by UCUM.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
        /// When it was heard, by the node's wall clock.
        at_ms: UnixMillis,
        /// Milliseconds since then, where it was said before anybody watched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        age_ms: Option<u64>,
        /// It may not be so any more.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stale: bool,
        /// The broker kept it, nobody knows for how long.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        kept: bool,
    },
    /// A device can be reached, or cannot.
    Reach {
        /// Which.
        device: String,
        /// Whether.
        reach: Reach,
        /// When, by the node's wall clock.
        at_ms: UnixMillis,
    },
    /// Whoever watches was slower than the devices.
    Missed {
        /// So much came between what was told before and what is told next.
        count: u64,
    },
}
