//! Whose an instance is, and with it its pools, secrets and shares: what isolates customers from each other. What a
//! tenant may do is policy's business.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A tenant: a namespace, in a cluster and on a machine standing alone. The one way to make one is from the name of a
/// namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Tenant(String);

impl Tenant {
    /// The namespace's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Tenant {
    /// The tenant of a namespace.
    fn from(namespace: &str) -> Self {
        Self(namespace.to_owned())
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
