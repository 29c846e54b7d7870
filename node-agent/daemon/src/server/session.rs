//! A run of a worker as its socket sees it: its key, its counters, its share of memory for bodies.

use std::{fmt, sync::Arc, time::Instant};

use aion_abi::{
    canonical::CanonicalRequest,
    code::Code,
    headers::Signed,
    problem::Problem,
    replay::{Refused, Window, freshness},
    signing::Key,
};
use aion_kernel::Incarnation;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::notices::Notices;
use crate::{call::Caller, callees::Callees, clock, devices::Devices};

/// Bytes of request bodies that one worker may have in the daemon at a time.
const BODY_BYTES: usize = 8 * 1024 * 1024;
/// Connections that one worker may have at a time.
const CONNECTIONS: usize = 64;

/// What bounds a worker before its calls reach the kernel, so that one that misbehaves holds up nobody
/// else.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(super) bodies: Arc<Semaphore>,
    pub(super) connections: Arc<Semaphore>,
}

/// One run of one instance.
pub(crate) struct Session {
    /// Whose calls come in through its socket.
    pub caller: Caller,
    /// Which run.
    pub incarnation: Incarnation,
    pub(super) admission: Admission,
    /// What it is to be told.
    pub(super) notices: Notices,
    /// For the turns that it begins, and the way to the kernel.
    pub(super) callees: Callees,
    /// For what its calls aim at.
    pub(super) devices: Devices,
    key: Key,
    window: Mutex<Window>,
    /// Since when the window sees what is signed with the key, where that is not all there ever was.
    taken_over: Option<Instant>,
}

impl Session {
    /// A run whose calls are signed with `key`, which nobody had before.
    pub(crate) fn new(
        caller: Caller,
        incarnation: Incarnation,
        key: Key,
        callees: Callees,
        devices: Devices,
    ) -> Self {
        Self {
            caller,
            incarnation,
            admission: Admission {
                bodies: Arc::new(Semaphore::new(BODY_BYTES)),
                connections: Arc::new(Semaphore::new(CONNECTIONS)),
            },
            notices: Notices::default(),
            callees,
            devices,
            key,
            window: Mutex::new(Window::new()),
            taken_over: None,
        }
    }

    /// The same of a run that an earlier daemon began: the counters that it saw are not known here, and what it may have
    /// seen is refused as stale.
    #[must_use]
    pub(crate) fn taken_over(mut self) -> Self {
        self.taken_over = Some(Instant::now());
        self
    }

    /// Whether the timestamp is fresh: known before anything costly is done.
    pub(super) fn fresh(&self, signed: &Signed<'_>) -> Result<(), Problem> {
        let window = self.taken_over.map(|since| since.elapsed());
        freshness(signed.timestamp_ms, clock::date(), window).map_err(refused)
    }

    /// Whether the request is this run's and new. The counter is used up by it.
    pub(super) fn verify(
        &self,
        request: &CanonicalRequest<'_>,
        signature: &[u8],
    ) -> Result<(), Problem> {
        self.key
            .verify(request, signature)
            .map_err(|error| Problem::new(Code::BadSignature, error.to_string()))?;
        self.window.lock().accept(request.counter).map_err(refused)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("turn", &self.caller.turn)
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}

fn refused(refused: Refused) -> Problem {
    let code = match refused {
        Refused::Replayed => Code::Replayed,
        Refused::Stale => Code::Stale,
    };
    Problem::new(code, refused.to_string())
}
