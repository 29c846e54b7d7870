//! What is known about each layer of a sandbox: a state, and the evidence for
//! it. Nothing here applies or checks a layer.

use aion_abi::layer::Layer;
use serde::{Deserialize, Serialize};

/// What is known about a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LayerState {
    /// In force, as read back from the kernel or, for Landlock, as probed.
    Enforced,
    /// Asked for and not in force.
    Missing {
        /// Why, and what would bring it, in one line.
        why: String,
    },
    /// Nothing asked for it, such as a CPU quota where no limit is set.
    NotRequested,
}

/// A layer as it was read back: one line of a report on a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LayerReading {
    /// Which layer.
    pub name: Layer,
    /// What is known.
    pub state: LayerState,
    /// What was read and where, in one line; empty where nothing was.
    pub evidence: String,
}

impl LayerReading {
    /// A layer that is in force.
    pub fn enforced(name: Layer, evidence: impl Into<String>) -> Self {
        Self {
            name,
            state: LayerState::Enforced,
            evidence: evidence.into(),
        }
    }

    /// A layer that is not in force.
    pub fn missing(name: Layer, why: impl Into<String>, evidence: impl Into<String>) -> Self {
        Self {
            name,
            state: LayerState::Missing { why: why.into() },
            evidence: evidence.into(),
        }
    }

    /// A layer that nothing asked for.
    pub fn not_requested(name: Layer) -> Self {
        Self {
            name,
            state: LayerState::NotRequested,
            evidence: String::new(),
        }
    }

    /// Whether it is in force.
    pub fn is_enforced(&self) -> bool {
        self.state == LayerState::Enforced
    }
}
