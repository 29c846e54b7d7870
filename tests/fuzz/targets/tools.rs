//! The readers of MCP: what a server writes to a pipe or in a body says the same wherever it was cut, and each of it is a
//! message that the library takes.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../../node-agent/drivers/src/wire/mod.rs"]
mod wire;

mod seeds;
mod tool;

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seeds::plant(), |data: &[u8]| tool::fuzz(data));
