//! Workers: one confined process a turn, started, adopted and ended through the launcher.
//!
//! What may not enter: the program itself (it is in the boot document and the worker), decisions when to
//! start and kill (the kernel's), privileges (the launcher's).

mod boot;
mod crew;
mod fifo;
mod floor;
mod launcher;
mod link;
mod logs;
mod modules;
mod tools;

pub use crew::{Crew, CrewParts};
pub use launcher::{LaunchError, Launched, Launcher, LauncherEvent, WorkerFds};
pub use link::Link;
pub use logs::Logs;
pub use modules::{ModuleError, Modules};
pub use tools::ToolProcesses;

use aion_sandbox::Layer;

/// Text of an untrusted process, as it may stand in a message: one line, without anything that steers a
/// terminal.
fn one_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// The layers of `required` that a worker does not have.
fn lacking<'a>(required: &[&'a str], layers: &[Layer]) -> Vec<&'a str> {
    let has = |name: &str| {
        layers
            .iter()
            .any(|it| it.name.as_str() == name && it.is_enforced())
    };
    required.iter().copied().filter(|name| !has(name)).collect()
}
