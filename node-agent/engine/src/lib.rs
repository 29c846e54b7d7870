//! What daemon, worker and compiler must agree on about compiled modules: what one is called, how it comes from
//! the compiler, and the engine's settings.
//!
//! | module | for | what |
//! |---|---|---|
//! | [`key`], [`answer`] | the daemon and the compiler | what a compiled module is called, and how it comes |
//! | `settings` (feature) | the worker and the compiler | the engine's configuration; a feature, since it needs the engine |
//!
//! What may not enter: compiling a module, or running one.

#![forbid(unsafe_code)]

pub mod answer;
mod key;
#[cfg(feature = "settings")]
pub mod settings;

pub use key::{ENGINE, key};
