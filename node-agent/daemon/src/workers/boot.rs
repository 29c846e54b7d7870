//! The boot document of a turn.

use std::{io, os::fd::OwnedFd};

use aion_abi::{
    admin::INPUT_MOUNT,
    boot::{Boot, Input, InputFile, Program},
    signing::Key,
};
use aion_kernel::{Incarnation, TurnId};
use zeroize::Zeroizing;

use crate::{instance::Instance, launching::sealed, turns::Asked};

/// All that a worker is given.
pub(super) fn document(
    instance: &Instance,
    (turn, incarnation): (TurnId, Incarnation),
    program: Program,
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
        program,
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
            message_id: asked.message_id.clone(),
        },
        checkpoint,
        turn_ms,
    }
}

/// The document in memory that only whoever holds the descriptor can read, sealed.
pub(super) fn in_memory(boot: &Boot) -> io::Result<OwnedFd> {
    sealed(&Zeroizing::new(serde_json::to_vec(boot)?))
}
