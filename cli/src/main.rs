//! aion-cli

fn main() {}
