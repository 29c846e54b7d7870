//! The table of syscalls and the shapes of their bodies, one file a family.
//!
//! A body is JSON; unknown fields are refused, so that a misspelt option is an error and not silently
//! ignored. Sizes: a request body is at most [`MAX_BODY`] bytes.

pub mod agent;
pub mod device;
pub mod embed;
pub mod fs;
pub mod memory;
pub mod model;
pub mod tool;

use serde::{Deserialize, Serialize};

/// The largest request body of any syscall, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// Families without a syscall of this table, which no tool is taken for: `net` has rights of its own, which come with
/// `permissions.network`, and later releases have syscalls of the others.
pub const RESERVED_FAMILIES: [&str; 2] = ["event", "net"];

/// Whether a syscall changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It changes nothing; a lost one is simply made again.
    Observe,
    /// It changes something; it carries an idempotency key, so that a retry is not a second effect.
    Effect,
}

macro_rules! table {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $path:literal, $class:ident, $words:literal;)*) => {
        /// A syscall, written `family.verb`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Syscall { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl Syscall {
            /// Every syscall, in the order of the enum.
            pub const ALL: &[Syscall] = &[$(Syscall::$variant,)*];

            /// `family.verb`.
            pub const fn name(self) -> &'static str {
                match self { $(Syscall::$variant => $name,)* }
            }

            /// The path a call is posted to.
            pub const fn path(self) -> &'static str {
                match self { $(Syscall::$variant => $path,)* }
            }

            /// The syscall of a path; `None` for any other.
            pub fn from_path(path: &str) -> Option<Self> {
                match path { $($path => Some(Syscall::$variant),)* _ => None }
            }

            /// Whether it changes anything.
            pub const fn class(self) -> Class {
                match self { $(Syscall::$variant => Class::$class,)* }
            }

            const fn words(self) -> &'static str {
                match self { $(Syscall::$variant => $words,)* }
            }
        }
    };
}

// The last column is what whoever has the right to it may do, for people; `{}` is what it is done to.
table! {
    /// Stores items: [`memory`].
    MemoryRemember = "memory.remember", "/v1/memory/remember", Effect, "remember in the memory pool {}";
    /// Searches: [`memory`].
    MemoryRecall = "memory.recall", "/v1/memory/recall", Observe, "recall from the memory pool {}";
    /// Erases: [`memory`].
    MemoryForget = "memory.forget", "/v1/memory/forget", Effect, "erase what it remembered in the memory pool {}";
    /// A chat completion, answered as a stream: [`model`].
    ModelChat = "model.chat", "/v1/model/chat", Effect, "ask the model {}";
    /// Vectors of texts: [`embed`].
    ModelEmbed = "model.embed", "/v1/model/embed", Effect, "have the model {} make vectors of texts";
    /// The tools the instance may call: [`tool`].
    ToolList = "tool.list", "/v1/tool/list", Observe, "see the tools it is granted";
    /// Calls a tool: [`tool`].
    ToolCall = "tool.call", "/v1/tool/call", Effect, "use the tool {}";
    /// Reads part of a file beneath a mount: [`fs`].
    FsRead = "fs.read", "/v1/fs/read", Observe, "read files of the mount {}";
    /// Writes part of a file beneath a mount: [`fs`].
    FsWrite = "fs.write", "/v1/fs/write", Effect, "write files of the mount {}";
    /// Lists a folder beneath a mount: [`fs`].
    FsList = "fs.list", "/v1/fs/list", Observe, "list files of the mount {}";
    /// Says something to whoever started the turn: [`agent`].
    AgentMessage = "agent.message", "/v1/agent/message", Effect, "answer whoever asked";
    /// Keeps the program's own state: [`agent`].
    AgentCheckpoint = "agent.checkpoint", "/v1/agent/checkpoint", Effect, "keep its own state between turns";
    /// Begins a turn of another agent, and has its answer: [`agent`].
    AgentAsk = "agent.ask", "/v1/agent/ask", Effect, "ask the agent {}";
    /// Begins a turn of another agent: [`agent`].
    AgentSpawn = "agent.spawn", "/v1/agent/spawn", Effect, "begin a turn of the agent {}";
    /// Waits for a turn that this one began: [`agent`].
    AgentWait = "agent.wait", "/v1/agent/wait", Observe, "wait for a turn that it began";
    /// Stops a turn that this one began: [`agent`].
    AgentCancel = "agent.cancel", "/v1/agent/cancel", Effect, "stop a turn that it began";
    /// The devices that the instance has any right to: [`device`].
    DeviceList = "device.list", "/v1/device/list", Observe, "see the devices that it has any right to";
    /// What was heard last of a device: [`device`].
    DeviceRead = "device.read", "/v1/device/read", Observe, "read the device {}";
    /// What a device was: [`device`].
    DeviceHistory = "device.history", "/v1/device/history", Observe, "read what the device {} was";
    /// Sets a property of a device: [`device`].
    DeviceWrite = "device.write", "/v1/device/write", Effect, "set the device {}";
    /// Has a device do something: [`device`].
    DeviceCommand = "device.command", "/v1/device/command", Effect, "have the device {} do something";
    /// Does nothing; takes any body. For probes and benchmarks.
    SysNull = "sys.null", "/v1/sys/null", Observe, "make the empty syscall";
}

impl Syscall {
    /// The syscall `family.verb`, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }

    /// What its name begins with.
    pub fn family(self) -> &'static str {
        let name = self.name();
        name.split_once('.').map_or(name, |(family, _)| family)
    }

    /// What whoever has the right to it may do, for people: the words after *may*.
    pub fn deed(self, target: &str) -> String {
        // A right to devices that names none is about all of them.
        let words = match target.is_empty() {
            true => self.words().replace("the device {}", "every device"),
            false => self.words().to_owned(),
        };
        let said = words.replace("{}", target);
        said.trim_end().to_owned()
    }
}

/// Whether syscalls are called so before the dot, in this release or a later one.
pub fn is_family(name: &str) -> bool {
    Syscall::ALL.iter().any(|it| it.family() == name) || RESERVED_FAMILIES.contains(&name)
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
    fn every_path_and_every_name_leads_back_to_its_syscall() {
        for &syscall in Syscall::ALL {
            assert_eq!(Syscall::from_path(syscall.path()), Some(syscall));
            assert_eq!(
                syscall.path(),
                format!("/v1/{}", syscall.name().replace('.', "/"))
            );
            assert_eq!(Syscall::from_name(syscall.name()), Some(syscall));
            assert!(is_family(syscall.family()));
        }
        assert_eq!(Syscall::DeviceRead.deed("lamp"), "read the device lamp");
        assert_eq!(Syscall::DeviceRead.deed(""), "read every device");
        assert_eq!(Syscall::from_path("/v1/sys/null/"), None);
        assert!(is_family("device") && !is_family("calendar"));
    }
}
