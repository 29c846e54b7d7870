//! Workers: one confined process a turn, started, adopted and ended through the launcher.
//!
//! What may not enter: the program itself (it is in the boot document and the worker), decisions when to
//! start and kill (the kernel's), privileges (the launcher's).

mod boot;
mod crew;
mod image;
mod program;
mod tools;

pub(crate) use crew::{Crew, CrewParts};
pub(crate) use tools::ToolProcesses;
