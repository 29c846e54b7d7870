//! How a worker shuts itself in, before it reads a byte of anybody's input. Run
//! once, on the only thread, right after the program starts: by then the dynamic
//! linker is done and nothing of the host's files is needed again.
//!
//! Each step that fails is told and the next is tried: the launcher reads back
//! what is in force, and the daemon decides whether that is enough. Two are not
//! left to anybody's decision, since what comes after them would count on them:
//! the root of what is shown one, and the switch to a worker's own user. What may not enter:
//! anything a turn needs.

mod hold;
mod image;
mod landlock;
mod limits;
mod machine;
mod mounts;
mod network;
mod privileges;
mod root;
mod seccomp;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

pub use hold::{Held, HoldError, MAX_BOOT, MAX_MODULE, hold};
pub use image::{PROCESSES, SHARED_MEMORY};
pub use machine::{DEVICES, SCRATCH};

use crate::plan::Plan;
use aion_abi::layer::Layer;

/// What became of the steps.
struct Confined {
    /// Where the worker's socket is now, if it has one.
    socket: Option<PathBuf>,
    /// What was tried against the Landlock domain and refused, if there is one.
    landlock: Option<String>,
    /// Steps that failed, by the layer they were for.
    failures: Vec<(Layer, String)>,
    /// The doors of its network.
    doors: Vec<OwnedFd>,
}

/// Takes every step of `plan`. `folder` is that of the socket and `mounts` are the detached ones, as far as it
/// speaks of them. An error is one after which this process may not go on.
fn confine(plan: &Plan, folder: Option<&OwnedFd>, mounts: &[OwnedFd]) -> Result<Confined, String> {
    let mut failures = Vec::new();
    // A core dump would hold the signing key, and a helper of the kernel's that
    // takes one ignores the limit on its size.
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        failures.push((Layer::Capabilities, format!("not dumpable: {error}")));
    }
    if let Err(why) = limits::set(&plan.limits) {
        failures.push((Layer::Rlimits, why));
    }
    let doors = match &*plan.ports {
        [] => Vec::new(),
        ports => network::open(ports).map_err(|why| format!("it has no network: {why}"))?,
    };
    let (socket, own_root) = match root::enter(plan, folder, mounts) {
        Ok(socket) => (socket, plan.private_root),
        // What it is to be shown, and its folder to write to, would be the host's.
        Err((_, why)) if plan.shown.is_some() => {
            return Err(format!("it has no root of its own: {why}"));
        }
        Err((socket, why)) => {
            failures.push((Layer::MountNamespace, why));
            (socket, false)
        }
    };
    let bounding = privileges::empty_bounding_set();
    if let Some(user) = plan.switch_user {
        // It would go on as the launcher's own user, which is root.
        privileges::switch_user(user).map_err(|why| format!("cannot become user {user}: {why}"))?;
    }
    if let Err(why) = privileges::drop_all().and(bounding) {
        failures.push((Layer::Capabilities, why));
    }
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        failures.push((Layer::NoNewPrivs, format!("prctl: {error}")));
    }
    let shown = plan
        .shown
        .as_ref()
        .map(|shown| root::opens(shown, own_root));
    let landlock = match landlock::restrict(socket.as_deref(), shown.as_ref(), doors.is_empty()) {
        Ok(evidence) => Some(evidence),
        Err(why) => {
            failures.push((Layer::Landlock, why));
            None
        }
    };
    if let Err(why) = seccomp::install(&plan.filters) {
        failures.push((Layer::Seccomp, why));
    }
    Ok(Confined {
        socket,
        landlock,
        failures,
        doors,
    })
}
