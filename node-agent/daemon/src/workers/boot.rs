//! The boot document of a turn.

use std::{io, os::fd::OwnedFd};

use aion_abi::{
    admin::{INPUT_MOUNT, OUTPUT_MOUNT},
    boot::{Boot, Declarative, Input, InputFile, Mount, Program, Wasm},
    signing::Key,
};
use aion_api::FileMode;
use aion_kernel::{Incarnation, TurnId};
use aion_policy::count;
use zeroize::Zeroizing;

use crate::{
    instance::{Instance, Prepared},
    launching::sealed,
    turns::Asked,
};

/// MiB for the host half of a worker with a guest: answers, requests, the engine.
const HOST_MIB: u32 = 32;

/// All that a worker is given.
pub(super) fn document(
    instance: &Instance,
    (turn, incarnation): (TurnId, Incarnation),
    key: Key,
    asked: &Asked,
    checkpoint: Option<String>,
    turn_ms: u64,
) -> Boot {
    Boot {
        instance: instance.uid.to_string(),
        incarnation: incarnation.0,
        turn: turn.0,
        agent: instance.agent(),
        key,
        program: program(instance),
        input: Input {
            text: asked.input.clone(),
            files: asked
                .files
                .iter()
                .map(|path| InputFile {
                    mount: INPUT_MOUNT.to_owned(),
                    path: path.clone(),
                })
                .collect(),
        },
        checkpoint,
        turn_ms,
    }
}

fn program(instance: &Instance) -> Program {
    let spec = instance.spec();
    match &instance.program {
        Prepared::Wasm { .. } => Program::Wasm(Wasm {
            memory_mib: guest_memory(count(spec.limits.memory_mib)),
        }),
        Prepared::Declarative { instructions } => {
            let mut mounts: Vec<Mount> = spec
                .mounts
                .iter()
                .map(|mount| Mount {
                    name: mount.name.clone(),
                    writable: mount.mode == FileMode::ReadWrite,
                })
                .collect();
            mounts.extend(
                [(INPUT_MOUNT, false), (OUTPUT_MOUNT, true)].map(|(name, writable)| Mount {
                    name: name.to_owned(),
                    writable,
                }),
            );
            Program::Declarative(Declarative {
                instructions: instructions.clone(),
                has_model: spec.model.is_some(),
                without_model: spec.limits.without_model,
                has_memory: spec.memory.is_some(),
                knowledge: spec.knowledge.clone(),
                mounts,
                has_tools: !spec.tools.is_empty(),
                max_steps: count(spec.limits.max_steps),
                max_tokens: spec.limits.max_tokens.map(count),
            })
        }
    }
}

/// What of an agent's memory its guest may have: the host half needs some of it, and an end by the kernel's
/// hand would say less than a refused growth.
fn guest_memory(mib: u32) -> u32 {
    mib - (mib / 2).min(HOST_MIB)
}

/// The document in memory that only whoever holds the descriptor can read, sealed.
pub(super) fn in_memory(boot: &Boot) -> io::Result<OwnedFd> {
    sealed(&Zeroizing::new(serde_json::to_vec(boot)?))
}
