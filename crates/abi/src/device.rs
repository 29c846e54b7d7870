//! Devices as people look at them. What agents may is another question: `syscall::device`.
//!
//! | method and path | answer |
//! |---|---|
//! | `GET …/namespaces/{namespace}/devices[?after=&limit=]` | → [`Page`] |
//! | `GET …/namespaces/{namespace}/devices/{device}` | → [`SeenDevice`] |
//! | `GET …/namespaces/{namespace}/devices/{device}/history/{property}[?fromMs=&toMs=&points=]` | → [`HistoryResponse`](crate::syscall::device::HistoryResponse) |

use serde::{Deserialize, Serialize};

use crate::{date::UnixMillis, syscall::device::Described};

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
    /// The broker that it is reached by.
    pub broker: String,
    /// When it was heard of last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard_ms: Option<UnixMillis>,
    /// Its messages since the node began to listen.
    pub messages: Messages,
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
