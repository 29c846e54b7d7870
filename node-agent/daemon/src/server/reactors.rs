//! The threads that syscalls run on: workers' connections, spread over all of them, and the shell, on the first.
//!
//! A syscall is a dozen microseconds of work that waits twice, for its connection and for the shell. A runtime that
//! balances its load moves it to another thread each time and wakes that one for it, which costs more than the work
//! moved: a third of a call's time (docs/performance.md). Here a connection stays with the thread that it was given. What
//! takes long belongs elsewhere: drivers run on the daemon's own runtime, and a large body is looked at beside
//! ([`beside`]).

use std::{
    io,
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;

/// The most threads: beyond as many the shell, which is one task, is what a syscall waits for.
const MOST: usize = 8;
/// Work on a body of as many bytes would hold up the thread's other connections, and the shell: over 100 µs.
const LARGE: usize = 64 * 1024;

/// The threads. Dropping this ends them with all that runs there.
#[derive(Debug)]
pub(crate) struct Reactors {
    threads: Vec<Handle>,
    next: AtomicUsize,
    stop: CancellationToken,
}

impl Reactors {
    /// One a processor.
    ///
    /// # Errors
    /// The operating system gives no more threads or descriptors.
    pub(crate) fn start() -> io::Result<Self> {
        let stop = CancellationToken::new();
        let count = thread::available_parallelism().map_or(1, |it| it.get().min(MOST));
        let threads = (0..count).map(|n| thread(n, stop.clone()));
        Ok(Self {
            threads: threads.collect::<io::Result<_>>()?,
            next: AtomicUsize::new(0),
            stop,
        })
    }

    /// Where the shell is.
    #[must_use]
    pub(crate) fn first(&self) -> &Handle {
        &self.threads[0]
    }

    /// Where the next connection goes.
    pub(super) fn next(&self) -> &Handle {
        &self.threads[self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len()]
    }
}

impl Drop for Reactors {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn thread(n: usize, stop: CancellationToken) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name(format!("syscalls-{n}"))
        .spawn(move || {
            runtime.block_on(stop.cancelled());
            // What is read or written beside is not waited for: it may hang with its disk.
            Runtime::shutdown_background(runtime);
        })?;
    Ok(handle)
}

/// Does the work on a body: at once, or, where it is large, on a thread that nobody else waits for.
pub(super) async fn beside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes < LARGE {
        return work();
    }
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_are_spread_over_all_threads_and_end_with_them() {
        let reactors = Reactors::start().unwrap();
        let count = reactors.threads.len();
        let mut names = Vec::new();
        for _ in 0..count {
            let name = reactors.next().spawn(async {
                let thread = thread::current();
                thread.name().map(str::to_owned)
            });
            names.push(name.await.unwrap().unwrap());
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.contains(&"syscalls-0".to_owned()));

        let forever = reactors.first().spawn(std::future::pending::<()>());
        drop(reactors);
        assert!(forever.await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn a_large_body_is_looked_at_beside_and_a_small_one_at_once() {
        let here = thread::current().id();
        assert_eq!(beside(LARGE - 1, || thread::current().id()).await, here);
        assert_ne!(beside(LARGE, || thread::current().id()).await, here);
    }
}
