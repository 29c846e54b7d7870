//! Starting a confined process through the launcher: the connection to it, what a process is handed, and how
//! its layers and its words are judged.
//!
//! What may not enter: what is started and why (workers, tools, the compiler), instances, turns, privileges
//! (the launcher's).

mod fifo;
mod floor;
mod launcher;
mod link;
mod sealed;

pub(crate) use fifo::Fifo;
pub(crate) use floor::{FOR_MORE, below, stands};
pub use launcher::{LaunchError, Launched, Launcher, LauncherEvent, WorkerFds};
pub use link::Link;
pub(crate) use sealed::sealed;

use aion_sandbox::{Layer, LayerReading};

/// Text of an untrusted process, as it may stand in a message: one line, without anything that steers a
/// terminal.
pub(crate) fn one_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// The layers of `required` that a worker does not have.
pub(crate) fn lacking(required: &[Layer], layers: &[LayerReading]) -> Vec<Layer> {
    let has = |name: Layer| layers.iter().any(|it| it.name == name && it.is_enforced());
    required.iter().copied().filter(|it| !has(*it)).collect()
}
