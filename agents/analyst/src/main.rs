//! The module's entry: what comes from the worker on standard input becomes one turn.

fn main() {}
