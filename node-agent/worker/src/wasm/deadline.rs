//! The clock that ends a guest at its deadline, wherever it is. A signal and not a thread: a worker may not
//! make threads, and the engine's epoch may be raised from a signal handler.

#![allow(unsafe_code)]

use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use wasmtime::Engine;

/// The engine of the guest; there is one a process.
static ENGINE: OnceLock<Engine> = OnceLock::new();

/// A deadline that is watched; no longer when dropped.
#[derive(Debug)]
pub(super) struct Clock(());

impl Clock {
    /// Ends whatever runs in `engine` at `until`.
    pub(super) fn start(engine: &Engine, until: Instant) -> Result<Self, String> {
        let wrong = |error: io::Error| format!("the clock of the deadline: {error}");
        if ENGINE.set(engine.clone()).is_err() {
            return Err("the clock of the deadline: a guest ran in this process before".into());
        }
        // SAFETY: the handler does nothing but look at a static that is set for good, and raise an atomic
        // number; both may be done in a handler. The structure is valid when zeroed.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = tick as extern "C" fn(libc::c_int) as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
            if libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) != 0 {
                return Err(wrong(io::Error::last_os_error()));
            }
        }
        // Zero would stop the clock.
        let left = until.saturating_duration_since(Instant::now());
        set(left.max(Duration::from_micros(1))).map_err(wrong)?;
        Ok(Self(()))
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // A signal that still comes raises a number that nobody looks at.
        let _ = set(Duration::ZERO);
    }
}

extern "C" fn tick(_: libc::c_int) {
    if let Some(engine) = ENGINE.get() {
        engine.increment_epoch();
    }
}

fn set(after: Duration) -> io::Result<()> {
    let timer = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
        it_value: libc::timeval {
            tv_sec: libc::time_t::try_from(after.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_usec: after.subsec_micros().into(),
        },
    };
    // SAFETY: reads one structure of ours and writes none.
    match unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
