//! Which part of a list is wanted.

use serde::{Deserialize, Serialize};

/// Rows of a page where nobody says how many.
pub const ROWS: u32 = 100;
/// The most rows of a page.
pub const MAX_ROWS: u32 = 500;

/// A page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Part {
    /// So many rows at most; 100 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 1, max = 500)))]
    pub limit: Option<u32>,
    /// What follows this: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}
