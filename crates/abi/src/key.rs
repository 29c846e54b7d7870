//! API keys: what a program that knows only a key shows to the gateway, and the gateway to the node.
//!
//! A key is text like GitHub's tokens, `aion_` and 36 letters and digits. The last six are a checksum, so that a key that was
//! mistyped is told apart from one that nobody has, and scanners for secrets find keys and nothing else.
//!
//! | method and path | body → answer |
//! |---|---|
//! | `GET, POST /api/v1/keys` | → [`Keys`] · [`NewKey`] → [`Made`]: the key itself, this once |
//! | `GET, DELETE /api/v1/keys/{name}` | → [`Key`] · revokes it → [`Key`] |
//! | `POST /api/v1/key` | where agents are asked: [`Admit`] → [`Admitted`]; counts a request of the key in [`HEADER`] |
//! | `GET /api/v1/issuers` | → [`Issuers`]: whose tokens are taken in the place of keys |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::date::UnixMillis;

/// In whose name a gateway asks: a key, or a token of an issuer that the node trusts.
pub const HEADER: &str = "aion-key";
/// What a key begins with.
pub const PREFIX: &str = "aion_";
/// The most tokens an hour of a key, as of an agent.
pub const MAX_TOKENS: u64 = 1_000_000_000_000;
/// Characters of a key's random part: more than 176 bits.
const RANDOM: usize = 30;
/// Characters of its checksum: 32 bits of the SHA-256 of the random part.
const CHECKSUM: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A protocol of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// REST.
    Rest,
    /// OpenAI's API.
    OpenAi,
    /// MCP.
    Mcp,
    /// A2A.
    A2a,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rest, Self::OpenAi, Self::Mcp, Self::A2a];

    /// As it is said.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::OpenAi => "openai",
            Self::Mcp => "mcp",
            Self::A2a => "a2a",
        }
    }
}

/// What a key may do with its agents besides asking them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Say a person's word for them.
    Approve,
    /// Be their program, of runtime `external`, with all their rights: their models too.
    Serve,
    /// See what they remember, and have them forget; not in pools that agents share.
    Memory,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Approve, Self::Serve, Self::Memory];

    /// As it is said.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Serve => "serve",
            Self::Memory => "memory",
        }
    }
}

/// Agents of one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scope {
    /// Theirs.
    pub namespace: String,
    /// By name; `*` is all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// Also those that have all of these labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Scope {
    /// Whether the agent is one of them; its labels are asked for where they count.
    pub fn covers(
        &self,
        namespace: &str,
        name: &str,
        labels: impl FnOnce() -> BTreeMap<String, String>,
    ) -> bool {
        if namespace != self.namespace {
            return false;
        }
        if self.agents.iter().any(|it| it == name || it == "*") {
            return true;
        }
        if self.labels.is_empty() {
            return false;
        }
        let has = labels();
        self.labels
            .iter()
            .all(|(key, value)| has.get(key) == Some(value))
    }
}

/// A key that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKey {
    /// What people call it: 1 to 63 of a-z, 0-9 and -.
    pub name: String,
    /// Whom it may ask.
    pub scope: Scope,
    /// By which protocols; none is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doors: Vec<Door>,
    /// What else it may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may: Vec<Right>,
    /// Until when it counts.
    pub expires_ms: UnixMillis,
    /// Requests in a minute, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Tokens of models in any 60 minutes, at most: of all that is begun by it, over all agents, 1 to [`MAX_TOKENS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_hour: Option<u64>,
}

/// A key as it is shown: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Which it is, where one of its name was there before.
    pub id: String,
    /// What was asked for.
    #[serde(flatten)]
    pub made: NewKey,
    /// Since when it is there.
    pub created_ms: UnixMillis,
    /// When it was used last, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_ms: Option<UnixMillis>,
}

/// All keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// By name.
    pub items: Vec<Key>,
}

/// A key that was made. It is told this once, and cannot be had again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// The key itself.
    pub secret: String,
    /// What is kept of it.
    pub key: Key,
}

/// Says nothing of the secret.
impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// A request of a client, at a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Admit {
    /// By which protocol.
    pub door: Door,
}

/// Whose request it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admitted {
    /// The same for one key, and another for every other.
    pub id: String,
    /// The namespace of its agents.
    pub namespace: String,
    /// What it may besides asking them.
    #[serde(default)]
    pub may: Vec<Right>,
    /// Its budget now, in tokens of models in any 60 minutes: a turn that was begun by it before may have another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_hour: Option<u64>,
}

/// Issuers whose tokens are taken in the place of keys (OpenID Connect), as the node's settings name them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuers {
    /// In the order of the settings.
    pub items: Vec<Issuer>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Issuer {
    /// Its address, as its tokens have it.
    pub issuer: String,
    /// The protocols that some token of it is for; none is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doors: Vec<Door>,
}

impl Issuer {
    /// Whether some token of it is for this protocol.
    #[must_use]
    pub fn opens(&self, door: Door) -> bool {
        self.doors.is_empty() || self.doors.contains(&door)
    }
}

/// What a text is that is shown as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// It has the form of a key.
    Key,
    /// It begins as one, and its checksum is not that of what stands before it: it was mistyped, or cut.
    Mistyped,
    /// It is something else.
    Other,
}

/// See [`Form`].
#[must_use]
pub fn form(text: &str) -> Form {
    let Some(rest) = text.strip_prefix(PREFIX) else {
        return Form::Other;
    };
    let is_whole = rest.len() == RANDOM + CHECKSUM && rest.bytes().all(|it| DIGITS.contains(&it));
    match is_whole && checksum(&rest[..RANDOM]) == rest[RANDOM..] {
        true => Form::Key,
        false => Form::Mistyped,
    }
}

/// A key of so many random bits.
#[must_use]
pub fn key(random: &[u8; 22]) -> String {
    let random = base62(random, RANDOM);
    let checksum = checksum(&random);
    format!("{PREFIX}{random}{checksum}")
}

fn checksum(random: &str) -> String {
    base62(&Sha256::digest(random)[..4], CHECKSUM)
}

/// A number in so many digits.
fn base62(number: &[u8], digits: usize) -> String {
    let mut number = number.to_vec();
    let mut text = vec![DIGITS[0]; digits];
    for digit in text.iter_mut().rev() {
        let mut rest = 0_usize;
        for byte in &mut number {
            let value = rest * 256 + usize::from(*byte);
            // Below 256, since what is left over is below 62.
            *byte = u8::try_from(value / 62).unwrap_or_default();
            rest = value % 62;
        }
        *digit = DIGITS[rest];
    }
    text.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_from_a_mistyped_one_and_from_what_is_none() {
        for random in [[0; 22], [255; 22], std::array::from_fn(|at| at as u8 * 11)] {
            let key = key(&random);
            assert_eq!((key.len(), form(&key)), (41, Form::Key), "{key}");
            let wrong = match key.ends_with('0') {
                true => format!("{}1", &key[..40]),
                false => format!("{}0", &key[..40]),
            };
            assert_eq!(form(&wrong), Form::Mistyped);
            assert_eq!(form(&key[..40]), Form::Mistyped);
            assert_eq!(form(&key.replace("aion_", "ghp_")), Form::Other);
        }
        assert_eq!(form("aion_ä"), Form::Mistyped);
        assert_eq!(form(""), Form::Other);
    }

    #[test]
    fn a_scope_is_of_one_namespace_and_of_the_agents_that_it_names() {
        let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pairs = pairs.iter();
            pairs
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let scope = Scope {
            namespace: "home".to_owned(),
            agents: vec!["jarvis".to_owned()],
            labels: labels(&[("team", "a")]),
        };
        let covers = |namespace: &str, name: &str, of: &[(&str, &str)]| {
            scope.covers(namespace, name, || labels(of))
        };
        assert!(covers("home", "jarvis", &[]));
        assert!(covers("home", "other", &[("team", "a"), ("x", "y")]));
        assert!(!covers("home", "other", &[("team", "b")]));
        assert!(!covers("office", "jarvis", &[("team", "a")]));
        let all = Scope {
            agents: vec!["*".to_owned()],
            ..scope.clone()
        };
        assert!(all.covers("home", "other", BTreeMap::new));
        let none = Scope {
            namespace: "home".to_owned(),
            ..Scope::default()
        };
        assert!(!none.covers("home", "jarvis", BTreeMap::new));
    }
}
