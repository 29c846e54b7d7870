//! Guests for tests, and bundles of them.

use std::{fs, path::PathBuf};

use crate::standalone::Standalone;

/// Says one thing.
pub const SPEAKER: &str = r#"(module
    (import "aion" "syscall" (func $syscall (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "agent.message")
    (data (i32.const 32) "{\22text\22:\22here I am\22,\22kind\22:\22final\22}")
    (func (export "_start")
        (if (i32.ne (call $syscall (i32.const 0) (i32.const 13) (i32.const 32) (i32.const 35)) (i32.const 200))
            (then unreachable))))"#;

/// Never ends.
pub const ENDLESS: &str =
    r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#;

/// Writes a bundle of `module`, beside the node's own state. Gives its folder.
///
/// # Errors
/// When it is there already, or cannot be written.
pub fn bundle(node: &Standalone, name: &str, module: &[u8]) -> anyhow::Result<PathBuf> {
    let folder = node.path(&format!("bundle-{name}"));
    fs::create_dir(&folder)?;
    fs::write(folder.join("guest.wasm"), module)?;
    let about = format!(
        "name: {name}\nversion: 0.1.0\nruntime: wasm\nentry: guest.wasm\ndescription: A test\n"
    );
    fs::write(folder.join("bundle.yaml"), about)?;
    Ok(folder)
}
