//! What an agent remembers, as people look at it: as far as the agent itself may, and where they ask by a key that may
//! [`crate::key::Right::Memory`], and no pool that agents share.
//!
//! | method and path | answer |
//! |---|---|
//! | `GET …/agents/{agent}/memory[?query=&collection=&limit=&after=]` | → [`Page`] |
//! | `GET …/agents/{agent}/memory/{item}` | → [`Hit`] |
//! | `DELETE …/agents/{agent}/memory/{item}` | → [`ForgetResponse`](crate::syscall::memory::ForgetResponse) |

use serde::{Deserialize, Serialize};

use crate::syscall::memory::{Hit, MAX_K, Method};

/// Items of a page where nobody says how many.
pub const PAGE: u32 = 20;
/// The most items of a page.
pub const MAX_PAGE: u32 = MAX_K;
/// The most bytes of what is told of the items of a page; the first of a page is whole in any case.
pub const MAX_BYTES: usize = 1 << 20;

/// Which part is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "MemoryQuery"))]
pub struct Wanted {
    /// What to look for, in plain words: the best come first. Without it everything is listed, newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Only of this collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// So many at most; 20 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 1, max = 100)))]
    pub limit: Option<u32>,
    /// How many come before: `next` of the page before. With a query 10,000 at most, and the last page has no `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
}

/// Some of what an agent remembers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "MemoryList"))]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// Best first, or newest first.
    pub items: Vec<Hit>,
    /// How they were found.
    pub method: Method,
    /// Why it was not by meaning, where it should have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
    /// Where there may be more: the `after` of the next page. What is remembered or forgotten in between moves what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
}
