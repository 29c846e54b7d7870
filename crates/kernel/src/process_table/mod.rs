//! The process table: instances and their turns.
//!
//! ```text
//! instance   idle ──▶ starting ──▶ running(incarnation) ──▶ idle … ──▶ removed
//! turn       queued ──▶ starting ──▶ running ──▶ ended
//!                          │            ├── pausing ──▶ parked ──▶ queued …
//!                          └────────────┴── stopping ──▶ ended
//! ```
//! An idle instance is a row. One worker process serves one turn; its gate opens
//! only when every required layer was read back as enforced. Calls do not enter
//! here but to be ended with their turn.

mod called;
mod instances;
mod payers;
mod turns;
mod waiting;
mod waits;
mod workers;

pub(crate) use turns::NewTurn;
