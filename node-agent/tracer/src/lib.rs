//! Follows agents in the kernel: programs in its own language (`bpf/`, built and kept beside their source), a loader,
//! and what they count and tell. Programs are attached while there is somebody to follow.
//!
//! What may not enter: what an agent is, turns, who is told (the daemon's); starting and confining (the launcher's).

mod layout;
mod modules;
mod programs;
mod tracer;

pub use layout::{
    ALLOWED, ALLOWED_PATH, BUCKETS, CLASSES, Counters, EVENTS_PER_SECOND, Event, Follow, Kind,
    Rule, SHOWN, SLOTS, TEXT,
};
pub use programs::Unavailable;
pub use tracer::{FollowError, Tracer, date_of};
