//! The boot document: all that a worker is told, on a descriptor that comes with its plan.
//!
//! It holds the run's HMAC key, so it is never written to disk, never passed in an argument or the
//! environment, and has no `Debug` that shows the key. A WASM guest never sees it: the host half of the
//! worker signs for it. The program of an image is given it on [`DESCRIPTOR`], and signs for itself.

use serde::{Deserialize, Serialize};

use crate::{runtime::WithoutModel, signing::Key, steps::Step};

/// The number of the descriptor on which the program of an image finds this document, read from its beginning.
pub const DESCRIPTOR: i32 = 3;
/// The variable of its environment that says so.
pub const DESCRIPTOR_VARIABLE: &str = "AION_BOOT_FD";

/// The byte that opens the gate.
pub const GO: u8 = b'g';

/// Where the worker finds its socket, inside its sandbox: the folder is mounted and not the socket, since a
/// daemon that comes back makes another in its place.
pub const SOCKET: &str = "/run/aion.sock";
/// The folder of [`SOCKET`].
pub const SOCKET_FOLDER: &str = "/run";
/// The name of a worker's socket, inside its sandbox and outside.
pub const SOCKET_NAME: &str = "aion.sock";

/// The document.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Boot {
    /// The instance's uid.
    pub instance: String,
    /// Which run of it this is.
    pub incarnation: u32,
    /// The turn. A key of an effect that begins with `t<turn>.` names a step of it: where the turn runs again, a step
    /// that was done is not done a second time.
    #[serde(default)]
    pub turn: u64,
    /// `namespace/agent`, for messages.
    pub agent: String,
    /// Hex of the 32-byte key.
    #[serde(with = "key_as_hex")]
    #[cfg_attr(feature = "schemars", schemars(with = "String"))]
    pub key: Key,
    /// What to run.
    pub program: Program,
    /// What happened: the turn's input.
    pub input: Input,
    /// What the last `agent.checkpoint` kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// The turn's bound in milliseconds, from the opening of the gate.
    pub turn_ms: u64,
}

/// The document of a tool: the program that takes the worker's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The program, as an absolute path.
    pub command: String,
    /// Its arguments, without its name.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its environment; nothing is inherited.
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
}

/// The program of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(tag = "runtime", rename_all = "camelCase")]
pub enum Program {
    /// The declarative loop.
    Declarative(Declarative),
    /// The steps of a workflow.
    Steps(Steps),
    /// A WASI core module, on a descriptor beside this document's.
    Wasm(Wasm),
    /// The program of an image.
    Process(Process),
    /// A program that runs elsewhere.
    External {},
}

/// What the declarative loop needs to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Declarative {
    /// The system prompt.
    pub instructions: String,
    /// Whether the agent has a model.
    pub has_model: bool,
    /// What to do where there is no model, or none answers.
    pub without_model: WithoutModel,
    /// Whether the agent has a memory pool that the turn may look things up in.
    pub has_memory: bool,
    /// The turn may not remember: a caller does not let it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub remembers_nothing: bool,
    /// The turn may not bring what is known of documents up to date: a caller does not let it. They are as they were when
    /// another turn looked at them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub documents_as_known: bool,
    /// Mounts whose text files are indexed into memory before the answer.
    #[serde(default)]
    pub knowledge: Vec<String>,
    /// Mounts the agent may use as tools, with whether it may write.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Whether the agent has tools: then `tool.list` is asked.
    #[serde(default)]
    pub has_tools: bool,
    /// Whether the agent has a right to any device, and to set or command any: then devices are offered as tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<DeviceTools>,
    /// Agents that it may ask as tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentTool>,
    /// Model calls of one turn at most.
    pub max_steps: u32,
    /// Tokens of one answer at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}

/// What the runner of steps needs to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Steps {
    /// The steps, as they were checked when the agent was resolved.
    pub steps: Vec<Step>,
    /// Calls under way at once at most.
    pub at_once: u32,
    /// Model calls of one turn at most.
    pub max_prompts: u32,
    /// Tokens of one answer at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}

fn is_false(it: &bool) -> bool {
    !*it
}

/// Which tools of devices are offered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeviceTools {
    /// Some device may be read.
    pub reads: bool,
    /// Some may be set.
    pub writes: bool,
    /// Some may be commanded.
    pub commands: bool,
}

/// Another agent as the program sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentTool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
}

/// A mount as the program sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Its name.
    pub name: String,
    /// Whether `fs.write` is granted.
    pub writable: bool,
}

/// A WASM program's bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Wasm {
    /// Linear memory at most, in MiB.
    pub memory_mib: u32,
}

/// How the program of an image is executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// The program and its arguments, not empty. A program without a slash is looked up in the `PATH` of `env`.
    pub command: Vec<String>,
    /// Its environment, in order, over the defaults that every program has; of two with a name the last holds.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// Where it starts, absolute.
    pub working_dir: String,
}

/// What a turn is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// What was asked.
    pub text: String,
    /// Files the caller named, as `mount/path`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<InputFile>,
    /// What the caller calls this question, where it says so, as in A2A. It is the caller's own word, and no model is given it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

/// A file of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InputFile {
    /// The mount to read it from.
    pub mount: String,
    /// The path beneath it.
    pub path: String,
}

mod key_as_hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use zeroize::Zeroizing;

    use crate::signing::Key;

    pub(super) fn serialize<S: Serializer>(key: &Key, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(hex::encode(key.expose()));
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let mut bytes = Zeroizing::new([0u8; 32]);
        hex::decode_to_slice(text.as_bytes(), bytes.as_mut())
            .map_err(|_| D::Error::custom("the key is not 64 hex digits"))?;
        Ok(Key::new(*bytes))
    }
}
