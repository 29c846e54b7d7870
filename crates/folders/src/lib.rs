//! Folders that a process works in by handle: opened once, checked up to `/`, and used from then on without
//! looking a path up again or following a link.
//!
//! A process of root's that uses names in a folder which somebody else may write does what that somebody
//! wants: a link sends its `chown` elsewhere, a forged file has it kill what the file names. So root opens a
//! folder with [`Trust::Root`], which refuses one that is not root's alone.
//!
//! What may not enter: what the files mean. This crate knows owners, modes and names.

mod files;
mod folder;
mod handover;
mod secret;
mod stamp;
mod trust;

pub use folder::{Folder, FolderError};
pub use handover::Owner;
pub use secret::{secret, text};
pub use stamp::Stamp;
pub use trust::Trust;
