//! Syscalls, from a verified request to their one outcome.
//!
//! ```text
//! request ─▶ key known? ─▶ granted? ─▶ within quota? ─▶ waits ─▶ driver ─▶ outcome
//!             joins or      refused      refused         refused   (stopping)
//!             is replayed   or asked                     at its deadline, or cancelled
//! ```
//! A call counts as admitted when its driver starts: that is the durable intent, and
//! from there it has exactly one outcome. What waits is volatile and has had no effect.
//! Turns and workers are not decided on here.

mod admission;
mod answering;
mod asking;
mod dispatch;
mod failsafe;
mod guarding;
mod peers;
mod questions;
mod refusing;
mod running;

pub(crate) use running::presumed_usage;
