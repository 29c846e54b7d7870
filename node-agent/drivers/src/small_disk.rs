//! A disk of a few kilobytes, for tests of what happens when it is full.
#![allow(clippy::unwrap_used)]

use std::{future::Future, path::PathBuf};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

/// Runs `test` on a thread and runtime of its own that see a tmpfs of `bytes` at the path given.
///
/// The disk is mounted in a mount namespace of that thread and ends with it. Where the test's user may
/// not make one, the test is skipped and says so.
pub(crate) fn on<F, T>(bytes: u64, test: F)
where
    F: FnOnce(PathBuf) -> T + Send + 'static,
    T: Future<Output = ()>,
{
    let run = move || {
        let folder = tempfile::tempdir().unwrap();
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNS) {
            aion_testkit::skip("right to mount", &error.to_string());
            return;
        }
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let options = format!("size={bytes}");
        mount(
            Some("tmpfs"),
            folder.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test(folder.path().to_owned()));
        drop(runtime);
        nix::mount::umount2(folder.path(), nix::mount::MntFlags::MNT_DETACH).unwrap();
    };
    // Named as the test is, for the summary of what was skipped.
    let name = std::thread::current()
        .name()
        .unwrap_or("small disk")
        .to_owned();
    let thread = std::thread::Builder::new().name(name).spawn(run).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
