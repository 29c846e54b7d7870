//! aion-bench

fn main() {}
