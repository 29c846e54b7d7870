//! What starts turns of agents by itself, as far as it can be decided from texts and dates: when a schedule is due
//! ([`Schedule`]) and what the clocks of a [`Zone`] say, whether somebody signed a delivery ([`signature`]), what the agent is asked ([`template`]).
//!
//! What may not enter: a clock, IO, an agent's resource, and what was started before.

mod schedule;
pub mod signature;
pub mod template;
mod zone;

pub use schedule::{Schedule, ScheduleError};
pub use zone::{NoZone, Zone};
