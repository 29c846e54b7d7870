//! The imports of module `aion`: `docs/wasm-abi.md`. The guest names a syscall and gives a body; the host half
//! signs. Both are untrusted, and so are the offsets.

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::syscall::agent::{MessageKind, MessageRequest};
use aion_abi::syscall::{MAX_BODY, Syscall};
use bytes::Bytes;
use wasmtime::{Caller, Error, Linker, Result};

use super::door::{Door, NoAnswer};
use super::ended::Ended;
use super::host::Host;
use super::memory;

/// The longest name of a syscall, in bytes.
const MAX_NAME: u32 = 64;
/// Copied by one `response_read` at most: the guest's clock is looked at in between.
const MAX_READ: u32 = 8 * 1024 * 1024;

/// The daemon could not be reached, or the connection broke.
const LOST: i32 = -1;
/// The name or the body cannot be sent.
const UNSENDABLE: i32 = -2;

/// Adds the imports.
pub(super) fn link<D: Door + 'static>(linker: &mut Linker<Host<D>>) -> Result<()> {
    linker.func_wrap("aion", "syscall", call)?;
    linker.func_wrap("aion", "response_len", length)?;
    linker.func_wrap("aion", "response_read", read)?;
    Ok(())
}

fn call<D: Door + 'static>(
    mut caller: Caller<'_, Host<D>>,
    name: u32,
    name_len: u32,
    body: u32,
    body_len: u32,
) -> Result<i32> {
    let memory = memory::of(&mut caller)?;
    let (bytes, host) = memory.data_and_store_mut(&mut caller);
    let name = memory::slice(bytes, name, name_len)?;
    let body = memory::slice(bytes, body, body_len)?;
    if name_len > MAX_NAME || body.len() > MAX_BODY {
        return Ok(UNSENDABLE);
    }
    let Ok(name) = std::str::from_utf8(name) else {
        return Ok(UNSENDABLE);
    };
    let Some(syscall) = Syscall::from_name(name) else {
        let problem = Problem::new(
            Code::UnknownSyscall,
            format!("there is no syscall {name:?}"),
        );
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        host.door.respond(body.into());
        return Ok(i32::from(problem.status));
    };
    let says_failed = syscall == Syscall::AgentMessage
        && serde_json::from_slice::<MessageRequest>(body)
            .is_ok_and(|it| it.kind == MessageKind::Failed);
    match host.door.call(syscall, Bytes::copy_from_slice(body)) {
        Ok(status) => {
            host.told |= says_failed && status == 200;
            Ok(i32::from(status))
        }
        Err(why) => no_answer(&why),
    }
}

fn length<D: Door + 'static>(caller: Caller<'_, Host<D>>) -> i32 {
    let length = caller.data().door.length();
    length.map_or(-1, |length| i32::try_from(length).unwrap_or(i32::MAX))
}

fn read<D: Door + 'static>(mut caller: Caller<'_, Host<D>>, to: u32, length: u32) -> Result<i32> {
    let memory = memory::of(&mut caller)?;
    let (bytes, host) = memory.data_and_store_mut(&mut caller);
    let to = memory::slice_mut(bytes, to, length)?;
    match host.door.read(length.min(MAX_READ) as usize) {
        Ok(part) => {
            to.get_mut(..part.len())
                .ok_or_else(|| Error::msg("the answer is longer than was asked for"))?
                .copy_from_slice(&part);
            Ok(i32::try_from(part.len()).unwrap_or(i32::MAX))
        }
        Err(why) => no_answer(&why),
    }
}

fn no_answer(why: &NoAnswer) -> Result<i32> {
    match why {
        NoAnswer::Deadline => Err(Ended::Deadline.into()),
        NoAnswer::Lost(why) => {
            eprintln!("the node does not answer: {why}");
            Ok(LOST)
        }
    }
}
