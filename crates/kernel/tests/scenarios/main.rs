//! What the kernel does, told as it is seen from the shell.
#![allow(clippy::unwrap_used)]

mod approvals;
mod askers;
mod behind;
mod called;
mod callees;
mod calls;
mod clocks;
mod covered;
mod endings;
mod facts;
mod fairness;
mod guarding;
mod guards;
mod harness;
mod moved;
mod parked;
mod payers;
mod pointed;
mod questions;
mod quotas;
mod recovery;
mod refusals;
mod retries;
mod safe_states;
mod turns;
mod watchdogs;
