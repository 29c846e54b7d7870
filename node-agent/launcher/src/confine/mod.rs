//! How a worker shuts itself in, before it reads a byte of anybody's input. Run
//! once, on the only thread, right after the program starts: by then the dynamic
//! linker is done and nothing of the host's files is needed again.
//!
//! Each step that fails is told and the next is tried: the launcher reads back
//! what is in force, and the daemon decides whether that is enough. What may not
//! enter: anything a turn needs.

mod hold;
mod landlock;
mod plan;
mod privileges;
mod root;
mod seccomp;
mod tool;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

pub use hold::{Held, HoldError, MAX_BOOT, MAX_MODULE, hold};
#[cfg(feature = "server")]
pub(crate) use plan::MAX_NOTE;
pub(crate) use plan::{Filter, Plan, Socket, Tool, WorkerMessage};
#[cfg(feature = "server")]
pub(crate) use tool::{DEVICES, SCRATCH};

use crate::layer::LayerName;

/// What became of the steps.
struct Confined {
    /// Where the worker's socket is now, if it has one.
    socket: Option<PathBuf>,
    /// What was tried against the Landlock domain and refused, if there is one.
    landlock: Option<String>,
    /// Steps that failed, by the layer they were for.
    failures: Vec<(LayerName, String)>,
}

/// Takes every step of `plan`. `mounts` are the detached ones that it speaks of.
fn confine(plan: Plan, mounts: Vec<OwnedFd>) -> Confined {
    let mut failures = Vec::new();
    // A core dump would hold the signing key, and a helper of the kernel's that
    // takes one ignores the limit on its size.
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        failures.push((LayerName::Capabilities, format!("not dumpable: {error}")));
    }
    let socket = match root::enter(&plan, mounts) {
        Ok(socket) => socket,
        Err((socket, why)) => {
            failures.push((LayerName::MountNamespace, why));
            socket
        }
    };
    if let Some(user) = plan.switch_user
        && let Err(why) = privileges::switch_user(user)
    {
        failures.push((LayerName::UserNamespace, why));
    }
    if let Err(why) = privileges::drop_all() {
        failures.push((LayerName::Capabilities, why));
    }
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        failures.push((LayerName::NoNewPrivs, format!("prctl: {error}")));
    }
    let shown = plan.tool.as_ref().map(|tool| tool.shown(plan.private_root));
    let landlock = match landlock::restrict(socket.as_deref(), shown.as_ref()) {
        Ok(evidence) => Some(evidence),
        Err(why) => {
            failures.push((LayerName::Landlock, why));
            None
        }
    };
    if let Err(why) = seccomp::install(plan.filters) {
        failures.push((LayerName::Seccomp, why));
    }
    Confined {
        socket,
        landlock,
        failures,
    }
}
