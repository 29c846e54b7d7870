//! What devices say and are told, as far as it can be decided from resources, messages and moments: [`compile`] makes of a
//! Device and its DeviceModel what the hot path needs, a [`Registry`] holds what the devices of one broker are, and
//! [`Compiled`] turns a write or a command into the message for it. A [`Twin`] is the other side: a device that is played.
//! [`announced`] and [`thing`] make models and devices of what others say of them.
//!
//! What may not enter: a clock, IO, a connection to a broker, the kernel, guardrails.

mod compile;
mod compiled;
mod decimal;
mod edge;
mod form;
mod history;
mod moment;
mod order;
mod registry;
mod safe;
mod shape;
mod sparkplug;
mod topic;
mod twin;
mod unfill;
mod way;

pub mod announced;
pub mod payload;
pub mod template;
pub mod thing;

pub use compile::{Fault, Of, compile};
pub use compiled::{Compiled, Key};
pub use moment::Moment;
pub use order::{Confirm, How, Order};
pub use registry::{
    Change, Counts, EdgeCounts, Heard, Limits, Link, MayAsk, Message, Registry, Subscriptions,
};
pub use safe::{SafeStep, written};
pub use sparkplug::RebirthRequest;
pub use twin::{Said, Told, Twin};
pub use way::{Http, Shown};

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod testing;
