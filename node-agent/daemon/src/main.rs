//! aion-daemon

fn main() {}
