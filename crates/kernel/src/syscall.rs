//! The syscalls: their names, durability class, default deadline and what they queue for.
//!
//! A new syscall is one row here, and one in the table of `aion-abi`, which the kernel does not know: where the two
//! meet (`aion-policy`) the compiler compares them. No decision is taken in this room.

use serde::{Deserialize, Serialize};

use crate::{ids::TurnId, name::Name};

/// How safe a call's facts must be before its effect and its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Changes nothing. Its outcome is in the page cache before the reply; in
    /// flight at a crash it is given up, and a retry runs it again.
    Observe,
    /// Changes nothing but what it costs: a model. Intent is in the page cache before the
    /// driver starts, outcome before the reply, so that the end of the process loses
    /// neither; the end of the machine loses what the journal synced last, a second at
    /// most, and with it the charges of that second. In flight at a crash it is charged,
    /// and a retry runs it again.
    Cost,
    /// Changes something. Intent is durable before the driver starts, outcome before
    /// the reply; in flight at a crash it ends `outcome-unknown`.
    Effect,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $class:ident, $default_ms:literal, $max_ms:literal;)*) => {
        /// A syscall.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind { $($(#[$doc])* #[serde(rename = $name)] $kind,)* }

        impl Kind {
            /// Every syscall.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$kind),*];

            /// `<family>.<verb>`, as in a capability.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// The durability class.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$kind => Class::$class,)* }
            }

            /// Milliseconds a call may take, waiting included, when the caller names no deadline.
            #[must_use]
            pub const fn default_deadline_ms(self) -> u64 {
                match self { $(Self::$kind => $default_ms,)* }
            }

            /// The longest deadline a caller gets, in milliseconds; a longer wish is cut to it.
            #[must_use]
            pub const fn max_deadline_ms(self) -> u64 {
                match self { $(Self::$kind => $max_ms,)* }
            }
        }
    };
}

// The last columns are the default and the longest deadline, in milliseconds.
kinds! {
    /// Does nothing; finished by the kernel itself.
    Null = "sys.null", Observe, 15_000, 60_000;
    /// A chat completion, streamed.
    ModelChat = "model.chat", Cost, 120_000, 3_600_000;
    /// Vectors of texts.
    ModelEmbed = "model.embed", Cost, 120_000, 3_600_000;
    /// The operations of a tool.
    ToolList = "tool.list", Observe, 15_000, 60_000;
    /// One operation of a tool.
    ToolCall = "tool.call", Effect, 60_000, 3_600_000;
    /// Keep a memory.
    MemoryRemember = "memory.remember", Effect, 15_000, 60_000;
    /// Look memories up.
    MemoryRecall = "memory.recall", Observe, 15_000, 60_000;
    /// Erase memories.
    MemoryForget = "memory.forget", Effect, 15_000, 60_000;
    /// Read a file of a mount.
    FsRead = "fs.read", Observe, 15_000, 60_000;
    /// Write a file of a mount.
    FsWrite = "fs.write", Effect, 15_000, 60_000;
    /// List a folder of a mount.
    FsList = "fs.list", Observe, 15_000, 60_000;
    /// Say something to whoever asked.
    AgentMessage = "agent.message", Effect, 15_000, 60_000;
    /// Keep the program's own state.
    AgentCheckpoint = "agent.checkpoint", Effect, 15_000, 60_000;
    /// Begin a turn of another agent and have its answer.
    AgentAsk = "agent.ask", Effect, 600_000, 3_600_000;
    /// Begin a turn of another agent.
    AgentSpawn = "agent.spawn", Effect, 15_000, 60_000;
    /// Have the answer of a turn that this one began.
    AgentWait = "agent.wait", Observe, 60_000, 3_600_000;
    /// Stop a turn that this one began.
    AgentCancel = "agent.cancel", Effect, 15_000, 60_000;
    /// The devices that may be read or told something.
    DeviceList = "device.list", Observe, 15_000, 60_000;
    /// What was heard last of a device.
    DeviceRead = "device.read", Observe, 15_000, 60_000;
    /// What a device was.
    DeviceHistory = "device.history", Observe, 15_000, 60_000;
    /// Set a property of a device.
    DeviceWrite = "device.write", Effect, 15_000, 620_000;
    /// Have a device do something.
    DeviceCommand = "device.command", Effect, 15_000, 620_000;
    /// A connection to a host and port, for as long as it is open. Not a request of its own: a program with a network
    /// makes it by connecting.
    NetConnect = "net.connect", Effect, 86_400_000, 86_400_000;
}

impl Kind {
    /// Whether it changes a device, which guardrails are about.
    pub(crate) const fn moves_a_device(self) -> bool {
        matches!(self, Self::DeviceWrite | Self::DeviceCommand)
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
    /// The devices of one broker, by its name.
    Devices(Name),
    /// The connections of one agent, by its name.
    Network(Name),
    /// The daemon's own relay of messages and checkpoints.
    Agent,
    /// The ends of the turns that one turn began: what it waits for keeps no other turn waiting.
    Turns(TurnId),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_kind_has_one_name_everywhere() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert!(kind.default_deadline_ms() <= kind.max_deadline_ms());
        }
    }
}
