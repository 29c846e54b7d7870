//! Guardrails: what must hold of whatever is written to a device or commanded, whoever makes it.
//!
//! | part | what it is for |
//! |---|---|
//! | `measure` | a value as rules compare it, and what a call is aimed at |
//! | `condition` | when something must not be done: bounded, with a third answer for what is not known |
//! | `rules` | the rules of one device, by the point that they are about |
//! | `row` | the rules of one device as a decision reads them |
//! | `judge` | may it, by these rules? |
//! | `moves` | what was done before, which rules of rate and change count; durable |
//! | `breach` | why not, in words |
//! | `under_way` | what is being done to devices; not durable |
//! | `senses` | what was heard of the points that rules look at; not durable |
//! | `watchdog` | devices that are brought into their safe state when no agent moves them; durable |
//! | `watch` | the guards of all devices; not durable |
//!
//! A decision looks at the rules of one point of one device and at nothing else, however many there are of others. No
//! clock, driver, grant or quota enters, and what a device says comes in as a number: what it means stays outside.

mod breach;
mod condition;
mod judge;
mod measure;
mod moves;
mod row;
mod rules;
mod senses;
#[cfg(test)]
mod tests;
mod under_way;
mod watch;
mod watchdog;

pub use breach::{Breach, Unknown};
pub use condition::{Clause, Comparison, Condition, MAX_CLAUSES, Term, TooLarge};
pub use measure::{Aim, Generation, Measure, WEEK_MINUTES, WEEK_MS};
pub use moves::MAX_MOVES;
pub use rules::{Check, Guards, Hours, MAX_RULES, MAX_SPAN_MS, Misguided, Point, Rule};
pub use watch::Guarding;
pub use watchdog::{MAX_SAFE_PARTS, MAX_WHAT, Parts, SafePart, Watchdog};

pub(crate) use breach::Breached;
use judge::Case;
pub(crate) use measure::Aimed;
pub(crate) use moves::{Move, Moves};
pub(crate) use under_way::{Try, UnderWay};
pub(crate) use watch::Watch;
pub(crate) use watchdog::Watchdogs;
