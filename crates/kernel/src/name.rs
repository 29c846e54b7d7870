//! Shared text: names and idempotency keys.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::TurnId;

/// Shared text: a tenant, an agent, a target, the origin of a rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, cut where it is longer than so many bytes.
    #[must_use]
    pub(crate) fn shortened(&self, most: usize) -> Self {
        if self.0.len() <= most {
            return self.clone();
        }
        let end = self.0.floor_char_boundary(most);
        format!("{}…", &self.0[..end]).into()
    }
}

impl Default for Name {
    fn default() -> Self {
        Self(Arc::from(""))
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(Arc::from(text))
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)
            .map(|text| Self(Arc::from(text.as_ref())))
    }
}

/// A caller's idempotency key, 1 to [`IdempotencyKey::MAX_BYTES`] bytes, scoped to its instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(Name);

impl IdempotencyKey {
    /// Longest key taken, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// `None` when `text` is empty or longer than [`Self::MAX_BYTES`].
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (1..=Self::MAX_BYTES)
            .contains(&text.len())
            .then(|| Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it names a step of `turn`, as `t<turn>.…`: the turn has the same key for the same step when it runs
    /// again.
    #[must_use]
    pub fn is_step_of(&self, turn: TurnId) -> bool {
        self.turn() == Some(turn)
    }

    /// The turn that it names a step of.
    pub(crate) fn turn(&self) -> Option<TurnId> {
        let (number, _) = self.as_str().strip_prefix('t')?.split_once('.')?;
        let turn = number.parse().ok().map(TurnId)?;
        (turn.0.to_string() == number).then_some(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_bounds() {
        assert!(IdempotencyKey::new("").is_none());
        assert!(IdempotencyKey::new(&"k".repeat(129)).is_none());
        assert!(IdempotencyKey::new("k").is_some());
        let step = |key: &str| IdempotencyKey::new(key).map(|key| key.is_step_of(TurnId(7)));
        assert_eq!(step("t7.write"), Some(true));
        for key in ["t77.write", "t07.write", "t7", "7.write", "k"] {
            assert_eq!(step(key), Some(false), "{key}");
        }
    }
}
