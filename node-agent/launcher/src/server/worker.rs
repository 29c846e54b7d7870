//! One worker in the launcher's table.

use std::os::fd::OwnedFd;
use std::time::Instant;

use aion_abi::kernel_event::KernelEvent;
use aion_sandbox::protocol::Rules;
use aion_tracer::Follow;
use rustix::process::{Signal, pidfd_send_signal};

use super::cgroup::{Peak, Pressure};
use super::record::Known;
use super::starter::Begun;
use aion_sandbox::protocol::Measured;

/// A worker that was made or adopted, and has not ended.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) known: Known,
    pub(super) pidfd: OwnedFd,
    /// Whether this launcher made it, and so may wait for it.
    pub(super) child: bool,
    pub(super) phase: Phase,
    /// How it is followed in the kernel.
    pub(super) follow: Follow,
    /// What is done where it breaks a rule.
    pub(super) rules: Rules,
    /// The breach that it was killed for.
    pub(super) violation: Option<KernelEvent>,
    /// This side of the socket pair, while the other is open.
    pub(super) link: Option<OwnedFd>,
    /// What it said, or what is to be said, about its end.
    pub(super) note: Option<String>,
    /// When patience with it ends.
    pub(super) kill_at: Option<Instant>,
    /// Since when an adopted worker is gone with its status not known yet.
    pub(super) gone_since: Option<Instant>,
    /// Tells when its memory is close to its limit, once it runs.
    pub(super) pressure: Option<Pressure>,
    /// The most memory it held since it was last asked, once it was.
    pub(super) peak: Option<Peak>,
}

/// How far a worker is.
#[derive(Debug)]
pub(super) enum Phase {
    /// It confines itself, until this moment at the latest.
    Starting(Box<Begun>, Instant),
    /// It waits at its gate; closing this ends it.
    Waiting(OwnedFd),
    /// It runs.
    Open,
}

impl Worker {
    /// Has what runs watched for memory that comes close to its limit.
    pub(super) fn watch_memory(&mut self) {
        match Pressure::watch(&self.known.group) {
            Some(Ok(pressure)) => self.pressure = Some(pressure),
            Some(Err(error)) => {
                tracing::warn!(worker = %self.known.id, %error, "it cannot be told of memory pressure");
            }
            None => {}
        }
    }

    /// What it used since it was last asked.
    pub(super) fn measure(&mut self) -> Measured {
        let group = &self.known.group;
        let peak = match &mut self.peak {
            Some(peak) => peak.take(),
            // From now on.
            first @ None => {
                *first = Peak::open(group);
                None
            }
        };
        Measured {
            peak_memory_bytes: peak,
            killed_for_memory: group.killed_for_memory().unwrap_or(0),
            most_bytes: group.most_memory(),
        }
    }

    /// Asks it to stop.
    pub(super) fn ask_to_stop(&self) {
        // Gone already is as good.
        let _ = pidfd_send_signal(&self.pidfd, Signal::TERM);
    }

    /// Ends it. With its process-id namespace everything in it ends.
    pub(super) fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}
