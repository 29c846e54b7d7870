//! `memory.remember`, `memory.recall` and `memory.forget`, on the agent's own pool.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::date::UnixMillis;

/// The most items of one `remember` or ids of one `forget`.
pub const MAX_BATCH: usize = 256;
/// The most hits of one `recall`.
pub const MAX_K: u32 = 100;
/// How far a search is paged; a listing has no such end.
pub const MAX_SEARCH_OFFSET: u32 = 10_000;

/// Stores items. An item whose id exists is replaced. All or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RememberRequest {
    /// 1 to [`MAX_BATCH`] items.
    pub items: Vec<Item>,
}

/// One thing to remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Item {
    /// A stable id of the caller's choice, 1–256 characters; made by the store where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is searched and given back; 1 byte to 64 KiB.
    pub text: String,
    /// Groups items for filters and for forgetting, e.g. `docs`, `chat`; 64 characters at most.
    #[serde(default)]
    pub collection: String,
    /// Small facts about the item, e.g. `path`, `lines`: 16 pairs at most, 1 KiB each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// The ids of what was stored, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RememberResponse {
    /// One a stored item.
    pub ids: Vec<String>,
}

/// Searches the pool. With an empty `query`: lists, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecallRequest {
    /// What to look for, in plain words.
    pub query: String,
    /// How many hits at most, 1 to [`MAX_K`].
    pub k: u32,
    /// Only this collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// Only items with all these attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Only these items, at most [`MAX_K`]; one that is not there is not an error. None of them means every item.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// Skip this many hits (to page through a listing).
    #[serde(default)]
    pub offset: u32,
}

/// Hits, best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecallResponse {
    /// At most `k`.
    pub hits: Vec<Hit>,
    /// How they were found.
    pub method: Method,
    /// Said when hybrid was wanted and could not be had, e.g. the embedding endpoint is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
}

/// How a recall was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "RecallMethod"))]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// BM25 only.
    Lexical,
    /// BM25 and vectors, fused by reciprocal rank.
    Hybrid,
    /// No query: newest first.
    Listing,
}

/// One hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "Remembered"))]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    /// The item's id.
    pub id: String,
    /// Its text.
    pub text: String,
    /// Its collection.
    pub collection: String,
    /// Its attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Larger is better; comparable within one answer only. Zero in a listing.
    pub score: f64,
    /// When it was stored.
    pub stored_at_ms: UnixMillis,
}

/// Erases items. Exactly one of the ways must be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase", deny_unknown_fields)]
pub enum ForgetRequest {
    /// These ids; one that is not there is not an error.
    Ids {
        /// 1 to [`MAX_BATCH`].
        ids: Vec<String>,
    },
    /// Everything in a collection, or only what has all the attributes.
    Collection {
        /// The collection.
        collection: String,
        /// Narrows it down.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        attributes: BTreeMap<String, String>,
    },
}

/// How many items are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ForgetResponse {
    /// Items erased.
    pub forgotten: u64,
}
