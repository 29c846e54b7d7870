//! What a worker is told and handed of its program, by runtime: its part of the boot document, its role, and the
//! descriptors that go with it. When it is started and what becomes of it may not enter.

use std::{os::fd::OwnedFd, sync::Arc};

use aion_abi::{
    admin::{INPUT_MOUNT, OUTPUT_MOUNT},
    boot::{AgentTool, Declarative, DeviceTools, Mount, Program, Steps, Wasm},
    syscall::Syscall,
};
use aion_api::{AgentInstanceSpec, FileMode, GrantEffect, ResolvedMount};
use aion_bundle::{Digest, Store};
use aion_kernel::{Called, Kind};
use aion_policy::{Capability, count, kind};
use aion_sandbox::protocol::{InsideUser, Role};

use super::image;
use crate::{
    callees::may_ask,
    instance::{Instance, Prepared},
    modules::Modules,
    mounts::Mounts,
    network::Granted,
};

/// MiB for the host half of a worker with a guest: answers, requests, the engine.
const HOST_MIB: u32 = 32;

/// Calls of a workflow's steps that are under way at once: one more of those that it may have is for what it says.
const CALLS_AT_ONCE: u32 = 8;

/// Where programs are.
pub(super) struct Programs<'a> {
    pub(super) modules: &'a Arc<Modules>,
    pub(super) store: &'a Arc<Store>,
    pub(super) mounts: &'a Mounts,
}

/// A program that can be started.
pub(super) struct Startable {
    /// Its part of the boot document.
    pub(super) program: Program,
    /// What the launcher makes of the worker.
    pub(super) role: Role,
    /// What rides with the start beside the document and the streams.
    pub(super) descriptors: Vec<OwnedFd>,
    /// The names of the folders among them.
    pub(super) mounts: Vec<String>,
    /// Who it is inside, where it is somebody.
    pub(super) user: Option<InsideUser>,
    /// How many bytes its `/tmp` holds, where it has one.
    pub(super) scratch_bytes: Option<u64>,
    /// The ports of its network, where it has one.
    pub(super) ports: Vec<u16>,
}

impl Startable {
    fn of(program: Program, role: Role, descriptors: Vec<OwnedFd>) -> Self {
        Self {
            program,
            role,
            descriptors,
            mounts: Vec::new(),
            user: None,
            scratch_bytes: None,
            ports: Vec::new(),
        }
    }
}

impl Programs<'_> {
    /// Opens the program of `instance` for one start, by what the callers of its turn let that do.
    ///
    /// # Errors
    /// Why it cannot be started, in words.
    pub(super) async fn open(
        &self,
        instance: &Instance,
        called: Option<&Called>,
    ) -> Result<Startable, String> {
        match &instance.program {
            Prepared::Declarative { instructions } => {
                let program = declarative(instance.spec(), instructions, called);
                let program = Program::Declarative(program);
                Ok(Startable::of(program, Role::Declarative, Vec::new()))
            }
            Prepared::Steps => {
                let program = Program::Steps(steps(instance.spec()));
                Ok(Startable::of(program, Role::Declarative, Vec::new()))
            }
            Prepared::Wasm { bundle } => {
                let (required, tenant) = (instance.required_layers(), &instance.spec().tenant);
                let opened = self.modules.open(bundle, &required, tenant).await;
                let module = opened.map_err(|error| error.to_string())?;
                let program = Program::Wasm(Wasm {
                    memory_mib: guest_memory(count(instance.spec().limits.memory_mib)),
                });
                Ok(Startable::of(program, Role::Wasm, vec![module]))
            }
            Prepared::Process { image } => self.process(instance.spec(), *image, called).await,
            Prepared::External => Err("its program runs elsewhere".to_owned()),
        }
    }

    async fn process(
        &self,
        spec: &AgentInstanceSpec,
        digest: Digest,
        called: Option<&Called>,
    ) -> Result<Startable, String> {
        let opened = image::open(self.store, digest).await?;
        let (names, folders) = image::shown(self.mounts, &let_in(spec, called)).await?;
        let descriptors = [opened.root].into_iter().chain(folders).collect();
        Ok(Startable {
            mounts: names,
            user: Some(opened.user),
            scratch_bytes: spec.limits.tmp_mib.map(|mib| u64::from(count(mib)) << 20),
            ports: Granted::of(spec).ports(),
            ..Startable::of(Program::Process(opened.program), Role::Process, descriptors)
        })
    }
}

/// The mounts that a program of an image finds in its file system: it reads there without a syscall, so what a caller does
/// not let it read is not there.
fn let_in(spec: &AgentInstanceSpec, called: Option<&Called>) -> Vec<ResolvedMount> {
    let mounts = spec.mounts.iter();
    let let_in = mounts.filter(|it| may(called, Kind::FsRead, &it.name));
    let_in.cloned().collect()
}

/// Whether all callers of a turn let it do this.
fn may(called: Option<&Called>, kind: Kind, target: &str) -> bool {
    called.is_none_or(|it| it.allows(kind, target))
}

fn declarative(
    spec: &AgentInstanceSpec,
    instructions: &str,
    called: Option<&Called>,
) -> Declarative {
    let own = let_in(spec, called).into_iter().map(|mount| Mount {
        writable: mount.mode == FileMode::ReadWrite && may(called, Kind::FsWrite, &mount.name),
        name: mount.name,
    });
    let pool = spec.memory.as_ref().map(|it| it.pool.as_str());
    let remembers = |kind| pool.is_some_and(|pool| may(called, kind, pool));
    let looks =
        |mount: &String| may(called, Kind::FsList, mount) && may(called, Kind::FsRead, mount);
    let has_memory = remembers(Kind::MemoryRecall);
    let keeps = remembers(Kind::MemoryRemember) && remembers(Kind::MemoryForget);
    let of_turns = [(INPUT_MOUNT, false), (OUTPUT_MOUNT, true)].map(|(name, writable)| Mount {
        name: name.to_owned(),
        writable,
    });
    Declarative {
        instructions: instructions.to_owned(),
        has_model: spec
            .model
            .as_ref()
            .is_some_and(|it| !it.endpoints.is_empty()),
        without_model: spec.limits.without_model,
        has_memory,
        remembers_nothing: has_memory && !remembers(Kind::MemoryRemember),
        documents_as_known: has_memory && !(keeps && spec.knowledge.iter().all(looks)),
        knowledge: match has_memory {
            true => spec.knowledge.clone(),
            false => Vec::new(),
        },
        mounts: own.chain(of_turns).collect(),
        has_tools: !spec.tools.is_empty(),
        devices: devices(spec, called),
        agents: agents(spec, called),
        max_steps: count(spec.limits.max_steps),
        max_tokens: spec.limits.max_tokens.map(count),
    }
}

fn steps(spec: &AgentInstanceSpec) -> Steps {
    let inline = spec.inline.as_ref();
    Steps {
        steps: inline.map(|it| it.steps.clone()).unwrap_or_default(),
        at_once: count(spec.quotas.concurrent_calls)
            .saturating_sub(1)
            .clamp(1, CALLS_AT_ONCE),
        max_prompts: count(spec.limits.max_steps),
        max_tokens: spec.limits.max_tokens.map(count),
    }
}

/// The tools of devices that are offered; none where it has no right to any device.
fn devices(spec: &AgentInstanceSpec, called: Option<&Called>) -> Option<DeviceTools> {
    let any = |syscall: Syscall| {
        spec.grants.iter().any(|grant| {
            let right = Capability::parse(&grant.capability);
            let right = right.filter(|it| it.known() == Some(syscall));
            let target = right.map(|it| it.target.unwrap_or_default());
            grant.effect != GrantEffect::Deny
                && target.is_some_and(|it| it.is_empty() || may(called, kind(syscall), &it))
        })
    };
    let tools = DeviceTools {
        reads: any(Syscall::DeviceRead),
        writes: any(Syscall::DeviceWrite),
        commands: any(Syscall::DeviceCommand),
    };
    (tools != DeviceTools::default()).then_some(tools)
}

/// The agents that it asks as tools, of those that it may ask.
fn agents(spec: &AgentInstanceSpec, called: Option<&Called>) -> Vec<AgentTool> {
    let granted = spec.agents.iter();
    let granted =
        granted.filter(|it| may_ask(spec, &it.name) && may(called, Kind::AgentAsk, &it.name));
    let tools = granted.map(|it| AgentTool {
        name: it.name.clone(),
        description: it.description.clone().unwrap_or_default(),
    });
    tools.collect()
}

/// What of an agent's memory its guest may have: the host half needs some of it, and an end by the kernel's
/// hand would say less than a refused growth.
fn guest_memory(mib: u32) -> u32 {
    mib - (mib / 2).min(HOST_MIB)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_api::{ResolvedAgent, ResolvedMemory};
    use aion_policy::delegated;
    use serde_json::json;

    use super::*;

    /// Called by one that delegates these.
    fn called(rights: &[&str]) -> Called {
        let to: Vec<_> = rights.iter().map(|it| delegated(it).unwrap()).collect();
        let called = json!({"by": 1, "call": 2, "depth": 1, "narrowed": [{"by": 1, "to": to}]});
        serde_json::from_value(called).unwrap()
    }

    fn librarian() -> AgentInstanceSpec {
        let mount = |name: &str| ResolvedMount {
            name: name.into(),
            mode: FileMode::ReadWrite,
            ..ResolvedMount::default()
        };
        AgentInstanceSpec {
            memory: Some(ResolvedMemory {
                pool: "books".into(),
                ..ResolvedMemory::default()
            }),
            knowledge: vec!["docs".into()],
            mounts: vec![mount("docs"), mount("notes")],
            agents: vec![ResolvedAgent {
                name: "clerk".into(),
                ..ResolvedAgent::default()
            }],
            grants: vec![aion_api::Grant {
                capability: "agent.ask:clerk".into(),
                effect: aion_api::GrantEffect::Allow,
            }],
            ..AgentInstanceSpec::default()
        }
    }

    fn names(mounts: &[ResolvedMount]) -> Vec<&str> {
        mounts.iter().map(|it| it.name.as_str()).collect()
    }

    #[test]
    fn a_program_of_an_image_finds_the_mounts_that_every_caller_lets_it_read() {
        let spec = librarian();
        assert_eq!(names(&let_in(&spec, None)), ["docs", "notes"]);
        let some = called(&["fs.read:notes", "memory.recall"]);
        assert_eq!(names(&let_in(&spec, Some(&some))), ["notes"]);
        assert!(let_in(&spec, Some(&called(&[]))).is_empty());
    }

    #[test]
    fn the_declarative_loop_is_told_what_its_callers_left_it() {
        let spec = librarian();
        let free = declarative(&spec, "", None);
        assert!(free.has_memory && !free.remembers_nothing && !free.documents_as_known);
        assert_eq!((free.knowledge.len(), free.agents.len()), (1, 1));
        let recalls = declarative(&spec, "", Some(&called(&["memory.recall"])));
        assert!(recalls.has_memory && recalls.remembers_nothing && recalls.documents_as_known);
        assert_eq!((recalls.knowledge.len(), recalls.agents.len()), (1, 0));
        let own = |it: &Declarative| {
            it.mounts
                .iter()
                .map(|it| it.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(own(&recalls), ["input", "output"]);
        let nothing = declarative(&spec, "", Some(&called(&[])));
        assert!(!nothing.has_memory && nothing.knowledge.is_empty());
        let reads = called(&["fs.read:notes", "agent.ask:clerk"]);
        let reads = declarative(&spec, "", Some(&reads));
        assert_eq!((own(&reads).len(), reads.agents.len()), (3, 1));
        assert!(
            reads
                .mounts
                .iter()
                .all(|it| !it.writable || it.name == "output")
        );
    }
}
