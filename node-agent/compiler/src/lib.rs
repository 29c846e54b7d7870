//! WASM modules made ready to run: the engine that compiler and worker share, what a compiled module is
//! called, and the compiler.
//!
//! | feature | for | what |
//! |---|---|---|
//! | none | the daemon | [`key`], [`answer`]: what a compiled module is called, and how it comes |
//! | `engine` | the worker | [`engine`]: the engine's configuration |
//! | `compile` | `aion-compiler` | [`compile`]: Cranelift |
//!
//! What may not enter: running a module.

#![forbid(unsafe_code)]

pub mod answer;
#[cfg(feature = "compile")]
pub mod compile;
#[cfg(feature = "engine")]
pub mod engine;
mod key;

pub use key::{ENGINE, key};
