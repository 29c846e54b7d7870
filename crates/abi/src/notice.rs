//! What the node tells a running program without being asked: the stream of [`PATH`] on its socket, and a header of each
//! answer while it holds. No syscall: nothing is done, charged or recorded for whoever listens.

use serde::{Deserialize, Serialize};

/// Where a program listens: a signed POST as a syscall is, answered with events for as long as it likes.
pub const PATH: &str = "/v1/agent/notices";

/// The header that an answer bears while a notice holds, with the same JSON.
pub const HEADER: &str = "aion-notice";

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "notice",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Notice {
    /// What it uses is close to its limit; told again each second while it is.
    Pressure {
        /// Of what.
        resource: Resource,
        /// What it holds, in bytes; files that were read and not lately used are left out.
        held_bytes: u64,
        /// From which on it is told.
        high_bytes: u64,
        /// Beyond which one of its processes is ended.
        most_bytes: u64,
    },
}

/// What is close to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Resource {
    /// Memory.
    Memory,
}
