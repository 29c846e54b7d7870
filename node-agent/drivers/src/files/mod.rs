//! Files beneath named mounts: `fs.read`, `fs.write`, `fs.list`.
//!
//! The caller says which mounts there are for this call ([`MountTable`]); whether the agent may use them
//! was decided before. Every path is opened beneath its mount by the operating system (`openat2` with
//! `RESOLVE_BENEATH`, through cap-std), so neither `..` nor a link nor a folder that is swapped for a link
//! while it is walked leads out. What may not enter: a path of the machine in an answer or an error, an
//! open by anything but a mount's handle, decisions about rights.

mod account;
mod failure;
mod folder;
mod link;
mod list;
mod mounts;
mod path;
mod read;
mod sweep;
mod version;
mod write;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(any(test, feature = "conformance"))]
mod fake;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod link_tests;
#[cfg(test)]
mod race_tests;

use aion_abi::{
    problem::Problem,
    syscall::fs::{
        ListRequest, ListResponse, ReadRequest, ReadResponse, WriteRequest, WriteResponse,
    },
};
use futures::future::BoxFuture;

pub use account::{Account, Room};
#[cfg(any(test, feature = "conformance"))]
pub use fake::FakeFiles;
pub use folder::FolderFiles;
pub use mounts::{Mount, MountError, MountTable, Origin};

/// Carries out the file syscalls.
///
/// Answers `not-found` for a mount or file that is not there, `denied` for a link that leads out, a device
/// or a read-only mount, `already-exists` for a `create-new` of what is there, `storage-full` for a full
/// disk, or one whose rest is kept for the journal (the file is then as it was before), `bad-request` and
/// `too-large` for what breaks a bound.
pub trait FilesDriver: Send + Sync {
    /// Reads part of a file.
    fn read<'a>(
        &'a self,
        mounts: &'a MountTable,
        request: ReadRequest,
    ) -> BoxFuture<'a, Result<ReadResponse, Problem>>;

    /// Writes to a file, making its folders where needed. Durable when it answers.
    fn write<'a>(
        &'a self,
        mounts: &'a MountTable,
        request: WriteRequest,
    ) -> BoxFuture<'a, Result<WriteResponse, Problem>>;

    /// Lists a folder, sorted by path (by bytes), without devices and without links to what is listed beside them.
    fn list<'a>(
        &'a self,
        mounts: &'a MountTable,
        request: ListRequest,
    ) -> BoxFuture<'a, Result<ListResponse, Problem>>;
}
