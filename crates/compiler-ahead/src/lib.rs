//! Empty: see `Cargo.toml`. What may not enter: code.
