//! The syscalls: their names, durability class, default deadline and what they queue for.
//!
//! A new syscall is one row in each table here. No decision is taken in this room.

use serde::{Deserialize, Serialize};

use crate::name::Name;

/// A syscall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Does nothing; finished by the kernel itself.
    #[serde(rename = "sys.null")]
    Null,
    /// A chat completion, streamed.
    #[serde(rename = "model.chat")]
    ModelChat,
    /// The operations of a tool.
    #[serde(rename = "tool.list")]
    ToolList,
    /// One operation of a tool.
    #[serde(rename = "tool.call")]
    ToolCall,
    /// Keep a memory.
    #[serde(rename = "memory.remember")]
    MemoryRemember,
    /// Look memories up.
    #[serde(rename = "memory.recall")]
    MemoryRecall,
    /// Erase memories.
    #[serde(rename = "memory.forget")]
    MemoryForget,
    /// Read a file of a mount.
    #[serde(rename = "fs.read")]
    FsRead,
    /// Write a file of a mount.
    #[serde(rename = "fs.write")]
    FsWrite,
    /// List a folder of a mount.
    #[serde(rename = "fs.list")]
    FsList,
    /// Say something to whoever asked.
    #[serde(rename = "agent.message")]
    AgentMessage,
    /// Keep the program's own state.
    #[serde(rename = "agent.checkpoint")]
    AgentCheckpoint,
}

/// How safe a call's facts must be before its effect and its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Changes nothing. Its outcome is in the page cache before the reply; in
    /// flight at a crash it is given up, and a retry runs it again.
    Observe,
    /// Changes something. Intent is durable before the driver starts, outcome before
    /// the reply; in flight at a crash it ends `outcome-unknown`.
    Effect,
}

impl Kind {
    /// Every syscall.
    pub const ALL: [Self; 12] = [
        Self::Null,
        Self::ModelChat,
        Self::ToolList,
        Self::ToolCall,
        Self::MemoryRemember,
        Self::MemoryRecall,
        Self::MemoryForget,
        Self::FsRead,
        Self::FsWrite,
        Self::FsList,
        Self::AgentMessage,
        Self::AgentCheckpoint,
    ];

    /// `<family>.<verb>`, as in a capability.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "sys.null",
            Self::ModelChat => "model.chat",
            Self::ToolList => "tool.list",
            Self::ToolCall => "tool.call",
            Self::MemoryRemember => "memory.remember",
            Self::MemoryRecall => "memory.recall",
            Self::MemoryForget => "memory.forget",
            Self::FsRead => "fs.read",
            Self::FsWrite => "fs.write",
            Self::FsList => "fs.list",
            Self::AgentMessage => "agent.message",
            Self::AgentCheckpoint => "agent.checkpoint",
        }
    }

    /// The syscall `<family>.<verb>`, if there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The durability class.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Null | Self::ToolList | Self::MemoryRecall | Self::FsRead | Self::FsList => {
                Class::Observe
            }
            Self::ModelChat
            | Self::ToolCall
            | Self::MemoryRemember
            | Self::MemoryForget
            | Self::FsWrite
            | Self::AgentMessage
            | Self::AgentCheckpoint => Class::Effect,
        }
    }

    /// Milliseconds a call may take, waiting included, when the caller names no deadline.
    #[must_use]
    pub const fn default_deadline_ms(self) -> u64 {
        match self {
            Self::ModelChat => 120_000,
            Self::ToolCall => 60_000,
            Self::Null
            | Self::ToolList
            | Self::MemoryRemember
            | Self::MemoryRecall
            | Self::MemoryForget
            | Self::FsRead
            | Self::FsWrite
            | Self::FsList
            | Self::AgentMessage
            | Self::AgentCheckpoint => 15_000,
        }
    }

    /// The longest deadline a caller gets, in milliseconds; a longer wish is cut to it.
    #[must_use]
    pub const fn max_deadline_ms(self) -> u64 {
        match self {
            Self::ModelChat | Self::ToolCall => 3_600_000,
            _ => 60_000,
        }
    }
}

/// What a call waits for: concurrency is limited, and shared fairly, for each of these apart.
/// The names are the shell's: things of two tenants that are not one thing need two names,
/// such as `<tenant>/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// A model endpoint, by name.
    Model(Name),
    /// A tool (an MCP server), by name.
    Tool(Name),
    /// A memory pool, by name.
    Memory(Name),
    /// A file mount, by name.
    Files(Name),
    /// The daemon's own relay of messages and checkpoints.
    Agent,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_kind_has_one_name_everywhere() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            assert!(kind.default_deadline_ms() <= kind.max_deadline_ms());
        }
        assert_eq!(Kind::parse("sys.reboot"), None);
    }
}
