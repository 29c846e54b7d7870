//! Devices that are announced and that a person may admit. On a machine that stands alone.
//!
//! | method and path | answer |
//! |---|---|
//! | `GET …/namespaces/{namespace}/device-proposals[?after=&limit=&all=]` | → [`Proposals`] |
//! | `GET …/namespaces/{namespace}/device-proposals/{proposal}` | → [`Proposed`] |
//! | `POST …/namespaces/{namespace}/device-proposals/{proposal}/approve` | [`Admission`] → [`ApplyResponse`](crate::admin::ApplyResponse) |
//! | `POST …/namespaces/{namespace}/device-proposals/{proposal}/reject` | → [`Proposed`] |

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Proposals of a page where nobody says how many; so many at most, too.
pub const PAGE: u32 = 50;

/// Which are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalsWanted {
    /// Behind this one, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// So many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Those that were admitted or rejected, too.
    #[serde(default)]
    pub all: bool,
}

/// Some of the proposals of a namespace, by name, and where they come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proposals {
    /// The proposals.
    pub items: Vec<Proposed>,
    /// Where there are more: the `after` of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Brokers whose announcements are listened to.
    pub brokers: Vec<Discovering>,
}

/// A device that is announced.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proposed {
    /// What it would be called.
    pub name: String,
    /// The DeviceBroker that it is announced at.
    pub broker: String,
    /// How it stands.
    pub state: ProposalState,
    /// The Device that it was admitted as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted_as: Option<String>,
    /// Topics of its announcements.
    pub topics: Vec<String>,
    /// What it announces and nothing was made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmapped: Vec<Unmapped>,
    /// The DeviceModel and the Device that would be admitted; empty where nothing could be made of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Value>,
}

/// How a proposal stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProposalState {
    /// Somebody may admit it.
    #[default]
    Proposed,
    /// Somebody did.
    Admitted,
    /// Somebody does not want it.
    Rejected,
}

/// A field that nothing was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unmapped {
    /// The topic of the announcement.
    pub topic: String,
    /// The field, under its long name; empty for all of it.
    pub field: String,
    /// Why not.
    pub why: String,
}

/// A broker whose announcements are listened to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Discovering {
    /// The DeviceBroker.
    pub broker: String,
    /// What the topics of announcements begin with.
    pub prefix: String,
    /// Why nothing is heard of it, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<String>,
    /// Announcements that are there.
    pub announcements: u64,
    /// Announcements that were not kept since it was connected to.
    pub left_out: u64,
    /// Why the newest of them was not, with its topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_left_out: Option<String>,
}

/// That a device is admitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// Its name, and that of its model, in the place of the proposed one.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
