//! The compiler. It works on bytes that nobody has looked at, so it runs in a process that is confined, or
//! in a test.

use wasmtime::{Engine, OptLevel};

use aion_engine::settings;

/// Compiles `module`. The error is about the module, for whoever wrote it.
///
/// # Errors
/// It is not a valid module, or uses what is not supported.
pub(crate) fn compile(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut config = settings::config();
    config.cranelift_opt_level(OptLevel::Speed);
    let engine = Engine::new(&config).map_err(|error| format!("the compiler: {error:#}"))?;
    // The text format is a convenience of other tools; `precompile_module` takes it where the feature is on.
    if !module.starts_with(b"\0asm") {
        return Err("not a WASM module: it does not begin with \\0asm".into());
    }
    engine
        .precompile_module(module)
        .map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_module_is_refused() {
        for bytes in [
            &b""[..],
            b"(module)",
            b"\0asm\x01\0\0\0\xff",
            b"\x7fELF\x02\x01\x01\0",
        ] {
            assert!(compile(bytes).is_err(), "{bytes:?}");
        }
    }
}
