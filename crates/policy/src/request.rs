//! What an agent asks for: what it lists, and what it asks for by declaring a model, a pool, tools or
//! mounts.

use aion_abi::syscall::{Class, Syscall};
use aion_api::program::{Lane, Runtime};
use aion_api::{AgentSpec, FileMode, GrantEffect, ModelPurpose};

use crate::capability::Capability;
use crate::destination::Destination;

/// One thing an agent wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What.
    pub wanted: Wanted,
    /// Outright, or with a person's word each time.
    pub effect: GrantEffect,
    /// The field of the Agent that asks for it.
    pub field: String,
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A right that needs no policy.
    Always(Capability),
    /// A right.
    Capability(Capability),
    /// A model.
    Model {
        /// As `endpoint/model`.
        model: String,
        /// What it is asked for.
        purpose: ModelPurpose,
    },
    /// A mount.
    Mount {
        /// Its name.
        mount: String,
        /// What is to be done with its files.
        mode: FileMode,
    },
    /// Hosts and a port of theirs.
    Host(Destination),
    /// A queue for its turns.
    Lane(Lane),
}

/// A model that an agent names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedModel {
    /// The field of the Agent that names it.
    pub field: String,
    /// As `endpoint/model`.
    pub model: String,
    /// What it is asked for.
    pub purpose: ModelPurpose,
}

/// The syscall that asks a model.
#[must_use]
pub const fn asks(purpose: ModelPurpose) -> Syscall {
    match purpose {
        ModelPurpose::Chat => Syscall::ModelChat,
        ModelPurpose::Embedding => Syscall::ModelEmbed,
    }
}

/// How an agent comes by the right to a syscall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comes {
    /// Every agent has it.
    Always,
    /// Under `permissions`, by its name.
    ByName,
    /// With the model, the tools or the files that it declares, and not by its name.
    Declared,
    /// With another right, to which it belongs: what was read of a device with the right to read it, a listing with any.
    Along,
}

/// How an agent comes by the right to `syscall`.
#[must_use]
pub const fn comes(syscall: Syscall) -> Comes {
    match syscall {
        Syscall::AgentMessage | Syscall::AgentCheckpoint | Syscall::SysNull => Comes::Always,
        Syscall::MemoryRemember
        | Syscall::MemoryRecall
        | Syscall::MemoryForget
        | Syscall::AgentAsk
        | Syscall::ToolCall
        | Syscall::DeviceRead
        | Syscall::DeviceWrite
        | Syscall::DeviceCommand => Comes::ByName,
        Syscall::AgentSpawn
        | Syscall::AgentWait
        | Syscall::AgentCancel
        | Syscall::DeviceList
        | Syscall::DeviceHistory => Comes::Along,
        Syscall::ModelChat
        | Syscall::ModelEmbed
        | Syscall::ToolList
        | Syscall::FsRead
        | Syscall::FsWrite
        | Syscall::FsList => Comes::Declared,
    }
}

/// The syscalls that a mount of `mode` is opened for: those on files that only observe, or all of them.
pub fn of_mount(mode: FileMode) -> impl Iterator<Item = Syscall> {
    let family = Syscall::FsRead.family();
    let on_files = Syscall::ALL.iter().filter(move |it| it.family() == family);
    let may = move |it: &Syscall| mode == FileMode::ReadWrite || it.class() == Class::Observe;
    on_files.copied().filter(may)
}

/// Everything `agent` asks for, in the order of its fields.
///
/// `models` are those that `spec.model` names, resolved.
/// Permissions that are not rights, and hosts that are none, are passed over: validation names them.
#[must_use]
pub fn requests(agent: &AgentSpec, models: &[NamedModel]) -> Vec<Request> {
    let mut asked = Asked::default();
    for &syscall in Syscall::ALL {
        if comes(syscall) == Comes::Always {
            asked.always(syscall, "spec");
        }
    }
    for named in models {
        let wanted = Wanted::Model {
            model: named.model.clone(),
            purpose: named.purpose,
        };
        asked.push(wanted, GrantEffect::Allow, named.field.clone());
    }
    asked.push(
        Wanted::Lane(agent.lane),
        GrantEffect::Allow,
        "spec.lane".into(),
    );
    if let Some(memory) = &agent.memory {
        for syscall in [Syscall::MemoryRecall, Syscall::MemoryRemember] {
            let right = Capability::new(syscall, Some(&memory.pool));
            asked.push(
                Wanted::Capability(right),
                GrantEffect::Allow,
                "spec.memory".into(),
            );
        }
    }
    if agent.tools.iter().any(|it| it.agent.is_none()) {
        asked.always(Syscall::ToolList, "spec.tools");
    }
    let with_a_word = agent.permissions.iter().flat_map(|it| &it.ask);
    let with_a_word: Vec<_> = with_a_word.filter_map(|it| Capability::parse(it)).collect();
    for (at, tool) in agent.tools.iter().enumerate() {
        let Some(other) = &tool.agent else { continue };
        let right = Capability::new(Syscall::AgentAsk, Some(other));
        if !with_a_word.contains(&right) {
            let (wanted, field) = (Wanted::Capability(right), format!("spec.tools[{at}].agent"));
            asked.push(wanted, GrantEffect::Allow, field);
        }
    }
    if names_a_device(agent) {
        asked.always(Syscall::DeviceList, "spec.permissions");
    }
    if let Some(permissions) = &agent.permissions {
        let pool = agent.memory.as_ref().map(|memory| memory.pool.as_str());
        asked.list(
            &permissions.allow,
            GrantEffect::Allow,
            "spec.permissions.allow",
            pool,
        );
        asked.list(
            &permissions.ask,
            GrantEffect::Ask,
            "spec.permissions.ask",
            pool,
        );
        for (at, file) in permissions.files.iter().enumerate() {
            let wanted = Wanted::Mount {
                mount: file.mount.clone(),
                mode: file.mode,
            };
            asked.push(
                wanted,
                GrantEffect::Allow,
                format!("spec.permissions.files[{at}]"),
            );
        }
        for (at, host) in permissions.network.iter().enumerate() {
            let Ok(host) = Destination::parse(host) else {
                continue;
            };
            let field = format!("spec.permissions.network[{at}]");
            // The other runtimes have no sockets.
            if agent.runtime == Runtime::Process {
                asked.push(Wanted::Host(host), GrantEffect::Allow, field);
            }
        }
    }
    asked.0
}

/// Whether it asks for a right to any device: to list them is a part of it.
fn names_a_device(agent: &AgentSpec) -> bool {
    let listed = agent.permissions.iter();
    let mut listed = listed.flat_map(|it| it.allow.iter().chain(&it.ask));
    let family = Syscall::DeviceRead.family();
    listed.any(|it| Capability::parse(it).is_some_and(|right| right.family() == family))
}

#[derive(Default)]
struct Asked(Vec<Request>);

impl Asked {
    fn push(&mut self, wanted: Wanted, effect: GrantEffect, field: String) {
        self.0.push(Request {
            wanted,
            effect,
            field,
        });
    }

    fn always(&mut self, syscall: Syscall, field: &str) {
        self.push(
            Wanted::Always(Capability::new(syscall, None)),
            GrantEffect::Allow,
            field.to_owned(),
        );
    }

    fn list(&mut self, texts: &[String], effect: GrantEffect, field: &str, pool: Option<&str>) {
        for (at, text) in texts.iter().enumerate() {
            let Some(mut right) = Capability::parse(text) else {
                continue;
            };
            // An agent has one pool; a right to memory is a right to that one.
            if right.target.is_none() && right.family() == Syscall::MemoryRecall.family() {
                right.target = pool.map(str::to_owned);
            }
            self.push(Wanted::Capability(right), effect, format!("{field}[{at}]"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_an_image_alone_asks_for_hosts() {
        let asks = |runtime| {
            let agent = AgentSpec {
                runtime,
                permissions: Some(aion_api::Permissions {
                    network: vec!["a.example:443".into()],
                    ..aion_api::Permissions::default()
                }),
                ..AgentSpec::default()
            };
            let all = requests(&agent, &[]);
            all.iter().any(|it| matches!(it.wanted, Wanted::Host(_)))
        };
        assert!(asks(Runtime::Process));
        assert!(!asks(Runtime::Declarative) && !asks(Runtime::Wasm));
    }

    #[test]
    fn a_mount_to_read_is_opened_for_what_changes_nothing() {
        let of = |mode| of_mount(mode).map(Syscall::name).collect::<Vec<_>>();
        assert_eq!(of(FileMode::Read), ["fs.read", "fs.list"]);
        assert_eq!(of(FileMode::ReadWrite), ["fs.read", "fs.write", "fs.list"]);
    }
}
