//! The engine's configuration. Whatever is set here is part of what an artifact fits: a change of it raises
//! the revision in `key`. What may not enter: what concerns only one of the two sides.

use wasmtime::Config;

/// Native stack that a guest may use, in bytes. Deeper recursion is a trap.
pub const STACK: usize = 1024 * 1024;

/// The same for the compiler and the worker.
pub fn config() -> Config {
    let mut config = Config::new();
    config
        // The turn's deadline comes at any instruction, also in an endless loop.
        .epoch_interruption(true)
        .max_wasm_stack(STACK)
        // The data of a module is one image then, and not code for each of its thousands of pieces.
        .memory_init_cow(true)
        // Function names are enough in a log; the map of each instruction doubles an artifact.
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false);
    config
}
