//! Calls to an address at the end of a turn, for callers that do not wait: where, and with which credentials.
//!
//! | method and path | body → answer |
//! |---|---|
//! | `POST /api/v1/push` | [`Push`] → `{}`: whether it would be taken, and nothing is kept |
//! | `GET, POST /api/v1/turns/{turn}/push` | → [`Pushes`] · [`Push`] → the same as it is kept, with its id |
//! | `DELETE /api/v1/turns/{turn}/push/{id}` | → `{}`, also where it is gone |

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most of one turn.
pub const MAX_OF_TURN: usize = 4;
/// The longest id, address, token, scheme and credentials, in bytes.
pub const MAX_ID: usize = 128;
/// See [`MAX_ID`].
pub const MAX_URL: usize = 2048;
/// See [`MAX_ID`].
pub const MAX_SECRET: usize = 4096;

/// Whom the end of a turn is told to. It shows no credentials.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Push {
    /// What its caller calls it; made where it is empty. One of the same id replaces it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Where it is told, by POST.
    pub url: String,
    /// Sent along, for who is told to know its own turn by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The scheme of `Authorization`, such as Bearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// What follows the scheme. Never answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Those of a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushes {
    /// By id, without credentials.
    pub items: Vec<Push>,
}
