//! Guardrails as users write them, and what the kernel is to hold them to.
#![allow(clippy::unwrap_used, missing_docs)]

mod checks;
mod documented;
mod expressions;
mod heater;
mod policies;
mod watchdogs;
