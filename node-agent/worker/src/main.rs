//! aion-worker

fn main() {}
