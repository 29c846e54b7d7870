//! What executes an agent, and what it does where no model answers: words of a resource, of a bundle's configuration
//! and of the boot document. How a runtime runs may not enter.

use serde::{Deserialize, Serialize};

/// What executes the agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// The model-tools-memory loop that AION-OS brings.
    #[default]
    Declarative,
    /// A WASI core module from a bundle.
    Wasm,
    /// A program from a container image.
    Process,
    /// A program that runs elsewhere and registers.
    External,
}

impl Runtime {
    /// Every runtime.
    pub const ALL: [Self; 4] = [Self::Declarative, Self::Wasm, Self::Process, Self::External];

    /// As it is written in YAML.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Declarative => "declarative",
            Self::Wasm => "wasm",
            Self::Process => "process",
            Self::External => "external",
        }
    }
}

/// What a declarative agent does where no model answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum WithoutModel {
    /// Says so, and how to get one.
    #[default]
    Refuse,
    /// Answers with the passages it recalls, word for word, with their places.
    Quote,
}
