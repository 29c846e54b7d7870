//! What the host half keeps for one guest.

use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use super::door::Door;
use super::limits::Limits;

/// The state behind the imports.
pub(super) struct Host<D> {
    /// `namespace/agent`.
    pub(super) agent: String,
    /// The turn document, and how much of it was read.
    pub(super) document: Vec<u8>,
    pub(super) read: usize,
    /// To the kernel.
    pub(super) door: D,
    /// The guest said itself that the turn cannot be answered.
    pub(super) told: bool,
    until: Instant,
    limits: Limits,
}

impl<D: Door> Host<D> {
    pub(super) fn new(
        agent: String,
        document: Vec<u8>,
        memory_mib: u32,
        door: D,
        until: Instant,
    ) -> Self {
        Self {
            agent,
            document,
            read: 0,
            door,
            told: false,
            until,
            limits: Limits::new(memory_mib),
        }
    }

    pub(super) fn limits(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.limits
    }

    /// The growth that was refused last, and the bound, in bytes.
    pub(super) fn refused_memory(&self) -> Option<(u64, u64)> {
        self.limits.refused()
    }

    /// Until the turn is over.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}
