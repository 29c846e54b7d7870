//! The WASM runtime: a turn of an agent that is code.
//!
//! The artifact is machine code that a confined compiler made of untrusted bytes, so it is untrusted itself:
//! it runs here and nowhere else, in a process that is confined already. What the guest sees is
//! `docs/wasm-abi.md`: a few calls of WASI ([`wasi`]) and the syscalls ([`syscall`]), each of which checks
//! every offset. What may not enter: the key, files, other processes.

mod deadline;
mod door;
mod ended;
mod host;
mod limits;
mod memory;
mod poll;
mod syscall;
mod wasi;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::ptr::NonNull;
use std::rc::Rc;

use aion_abi::boot::{Boot, Wasm};
use aion_engine::settings;
use rustix::mm::{MapFlags, ProtFlags, mmap};
use serde_json::json;
use tokio::runtime::Runtime;
use wasmtime::{Engine, Linker, Module, Store};

use crate::syscalls::client::Client;
use door::{Door, Node};
pub(crate) use ended::{Ended, Failed};
use host::Host;

/// Runs one turn on this thread, to its end or to `until`.
///
/// # Errors
/// Why the turn has no answer.
pub(crate) fn run(
    boot: &Boot,
    program: &Wasm,
    artifact: Option<File>,
    client: Rc<Client>,
    runtime: Rc<Runtime>,
    until: std::time::Instant,
) -> Result<(), Failed> {
    let artifact = artifact.ok_or_else(|| Ended::Artifact("there is none".into()))?;
    let engine = Engine::new(&settings::config())
        .map_err(|error| Ended::Internal(format!("the engine: {error:#}")))?;
    let module = load(&engine, artifact)?;
    let host = Host::new(
        boot.agent.clone(),
        document(boot),
        program.memory_mib,
        Node::new(client, runtime, until),
        until,
    );
    let _clock = deadline::Clock::start(&engine, until).map_err(Ended::Internal)?;
    start(&engine, &module, host)
}

/// Loads the artifact: mapped, so that nothing is read before it is needed; copied where it cannot be.
#[allow(unsafe_code)]
fn load(engine: &Engine, mut artifact: File) -> Result<Module, Ended> {
    let wrong = |error: io::Error| Ended::Artifact(error.to_string());
    let length = artifact.seek(io::SeekFrom::End(0)).map_err(wrong)?;
    let length = usize::try_from(length).map_err(|error| Ended::Artifact(error.to_string()))?;
    let mapped = map(&artifact, length).map_err(wrong)?;
    // SAFETY: the bytes come from the node's own compiler for this engine, as the daemon proved by their
    // digest, in a file that is never written again; the mapping is never undone. The machine code in them is
    // as untrusted as the module: what it can do is what this confined process can do.
    match unsafe { Module::deserialize_raw(engine, mapped) } {
        Ok(module) => Ok(module),
        Err(unfit) => {
            // What lies on a file system mounted `noexec` may be mapped but not run.
            let mut bytes = Vec::with_capacity(length);
            artifact.rewind().map_err(wrong)?;
            artifact.read_to_end(&mut bytes).map_err(wrong)?;
            // SAFETY: as above.
            unsafe { Module::deserialize(engine, bytes) }
                .map_err(|_| Ended::Artifact(format!("{unfit:#}")))
        }
    }
}

/// A private mapping of `file`, for as long as the process lives.
#[allow(unsafe_code)]
fn map(file: &File, length: usize) -> io::Result<NonNull<[u8]>> {
    let (protection, flags) = (
        ProtFlags::READ | ProtFlags::WRITE,
        MapFlags::PRIVATE | MapFlags::NORESERVE,
    );
    // SAFETY: a new mapping where the kernel finds room for it touches nothing that is there.
    let start = unsafe { mmap(std::ptr::null_mut(), length, protection, flags, file, 0) }?;
    NonNull::new(start.cast::<u8>())
        .map(|start| NonNull::slice_from_raw_parts(start, length))
        .ok_or_else(|| io::Error::other("mapped at zero"))
}

/// Links, instantiates and runs `_start`.
fn start<D: Door + 'static>(engine: &Engine, module: &Module, host: Host<D>) -> Result<(), Failed> {
    let invalid = |error: wasmtime::Error| Ended::Invalid(format!("{error:#}"));
    let mut linker = Linker::new(engine);
    syscall::link(&mut linker).map_err(invalid)?;
    wasi::link(&mut linker).map_err(invalid)?;
    let linked = linker.instantiate_pre(module).map_err(invalid)?;
    let mut store = Store::new(engine, host);
    store.limiter(|host| host.limits());
    // One tick of the clock ends the turn.
    store.set_epoch_deadline(1);
    let ran = linked
        .instantiate(&mut store)
        .map_err(Ended::of_start)
        .and_then(|instance| {
            let entry = instance.get_typed_func::<(), ()>(&mut store, "_start");
            entry.map_err(|_| Ended::Invalid("it exports no function _start()".into()).into())
        })
        .and_then(|entry| entry.call(&mut store, ()));
    match ran {
        Ok(()) => Ok(()),
        Err(error) => Ended::of(&error, store.data()).map_err(|ended| Failed {
            ended,
            told: store.data().told,
        }),
    }
}

/// What the guest reads from its standard input.
fn document(boot: &Boot) -> Vec<u8> {
    let mut document = json!({ "input": boot.input, "turnMs": boot.turn_ms });
    if let Some(checkpoint) = &boot.checkpoint {
        document["checkpoint"] = checkpoint.as_str().into();
    }
    document.to_string().into_bytes()
}
