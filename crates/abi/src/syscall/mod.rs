//! The table of syscalls and the shapes of their bodies, one file a family.
//!
//! A body is JSON; unknown fields are refused, so that a misspelt option is an error and not silently
//! ignored. Sizes: a request body is at most [`MAX_BODY`] bytes.

pub mod agent;
pub mod fs;
pub mod memory;
pub mod model;
pub mod tool;

use serde::{Deserialize, Serialize};

/// The largest request body of any syscall, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

macro_rules! table {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $path:literal;)*) => {
        /// A syscall, written `family.verb`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Syscall { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl Syscall {
            /// Every syscall.
            pub const ALL: &[Syscall] = &[$(Syscall::$variant,)*];

            /// `family.verb`.
            pub fn name(self) -> &'static str {
                match self { $(Syscall::$variant => $name,)* }
            }

            /// The path a call is posted to.
            pub fn path(self) -> &'static str {
                match self { $(Syscall::$variant => $path,)* }
            }

            /// The syscall of a path; `None` for any other.
            pub fn from_path(path: &str) -> Option<Self> {
                match path { $($path => Some(Syscall::$variant),)* _ => None }
            }
        }
    };
}

table! {
    /// Does nothing; takes any body. For probes and benchmarks.
    SysNull = "sys.null", "/v1/sys/null";
    /// A chat completion, answered as a stream: [`model`].
    ModelChat = "model.chat", "/v1/model/chat";
    /// The tools the instance may call: [`tool`].
    ToolList = "tool.list", "/v1/tool/list";
    /// Calls a tool: [`tool`].
    ToolCall = "tool.call", "/v1/tool/call";
    /// Stores items: [`memory`].
    MemoryRemember = "memory.remember", "/v1/memory/remember";
    /// Searches: [`memory`].
    MemoryRecall = "memory.recall", "/v1/memory/recall";
    /// Erases: [`memory`].
    MemoryForget = "memory.forget", "/v1/memory/forget";
    /// Reads part of a file beneath a mount: [`fs`].
    FsRead = "fs.read", "/v1/fs/read";
    /// Writes part of a file beneath a mount: [`fs`].
    FsWrite = "fs.write", "/v1/fs/write";
    /// Lists a folder beneath a mount: [`fs`].
    FsList = "fs.list", "/v1/fs/list";
    /// Says something to whoever started the turn: [`agent`].
    AgentMessage = "agent.message", "/v1/agent/message";
    /// Keeps the program's own state: [`agent`].
    AgentCheckpoint = "agent.checkpoint", "/v1/agent/checkpoint";
}

impl std::fmt::Display for Syscall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_leads_back_to_its_syscall() {
        for &syscall in Syscall::ALL {
            assert_eq!(Syscall::from_path(syscall.path()), Some(syscall));
            assert_eq!(
                syscall.path(),
                format!("/v1/{}", syscall.name().replace('.', "/"))
            );
        }
        assert_eq!(Syscall::from_path("/v1/sys/null/"), None);
    }
}
